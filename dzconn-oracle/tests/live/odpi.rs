//! The driver `odpi` where there is no client library.

use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Duration;

use dzconn_core::ErrorKind;
use dzconn_core::model::{CaBundle, Tls};
use dzconn_oracle::driver;
use libtest_mimic::{Completion, Failed, Trial};

use crate::fakes;
use crate::lab::{refused, source};

const SOON: Duration = Duration::from_secs(10);

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::ignorable_test("odpi::without_a_client_library_it_says_what_to_install", no_library),
        Trial::test("odpi::it_is_not_used_where_it_would_print", prints),
        Trial::test("odpi::what_the_driver_cannot_do_is_refused_at_once", not_exactly),
    ]
}

fn no_library() -> Result<Completion, Failed> {
    let error = refused(Arc::new(driver::odpi()), &source("127.0.0.1", fakes::closed_port(), Tls::Disable), SOON);
    if error.vendor_code() != Some("DPI-1047") && error.kind() == ErrorKind::Unreachable {
        return Ok(Completion::ignored_with("there is a client library here"));
    }
    assert_eq!((error.kind(), error.vendor_code()), (ErrorKind::InvalidConfig, Some("DPI-1047")), "{error:?}");
    let advice = error.advice().unwrap();
    assert!(advice.contains("Instant Client") && advice.contains("`thin`"), "{advice}");
    assert!(!error.is_retryable());
    Ok(Completion::Completed)
}

/// Set for this very program, run once more.
pub(crate) const CHILD: &str = "DZCONN_TEST_ORACLE_ODPI_CHILD";

fn prints() -> Result<(), Failed> {
    let program = std::env::current_exe()?;
    let output = Command::new(program).env(CHILD, "1").env("DPI_DEBUG_LEVEL", "20").output()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// Where ODPI-C would print statements.
pub(crate) fn child() -> ExitCode {
    let error = refused(Arc::new(driver::odpi()), &source("127.0.0.1", fakes::closed_port(), Tls::Disable), SOON);
    assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error:?}");
    assert!(error.to_string().contains("DPI_DEBUG_LEVEL"), "{error}");
    ExitCode::SUCCESS
}

fn not_exactly() -> Result<(), Failed> {
    let bundle = CaBundle::from_pem("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    for tls in [Tls::Require, Tls::VerifyFull(Some(bundle.clone())), Tls::VerifyCa(Some(bundle))] {
        let error = refused(Arc::new(driver::odpi()), &source("127.0.0.1", fakes::closed_port(), tls), SOON);
        assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error:?}");
    }
    Ok(())
}
