//! The driver `thin` and listeners that are no databases.

use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Duration;

use dzconn_core::ErrorKind;
use dzconn_core::model::{CaBundle, Target, Tls};
use dzconn_oracle::driver;
use libtest_mimic::{Failed, Trial};

use crate::certificates::{self, TlsListener};
use crate::fakes;
use crate::lab::{refused, source};

const SOON: Duration = Duration::from_secs(3);

pub(crate) fn trials() -> Vec<Trial> {
    let trial = |name: &str, test: fn()| {
        Trial::test(format!("thin::{name}"), move || {
            test();
            Ok::<(), Failed>(())
        })
    };
    vec![
        trial("closed_port_is_unreachable", closed_port),
        trial("unknown_host_is_unreachable", unknown_host),
        trial("silent_listener_is_given_up", silent),
        trial("what_a_listener_refuses_with_is_told", listener_refuses),
        trial("nonsense_is_an_error", nonsense),
        trial("hanging_up_is_an_error", hanging_up),
        trial("what_the_driver_cannot_do_is_refused_at_once", not_exactly),
        trial("tls_is_not_had_of_a_listener_without", no_tls),
        trial("it_is_not_used_where_it_would_print", prints),
        trial("a_listener_that_dies_is_unreachable", dies_later).with_ignored_flag(!certificates::is_there()),
        trial("certificates_are_verified", verified).with_ignored_flag(!certificates::is_there()),
    ]
}

fn kind(port: u16, tls: Tls) -> (ErrorKind, Option<String>) {
    let error = refused(Arc::new(driver::thin()), &source("127.0.0.1", port, tls), SOON);
    assert!(error.advice().is_some() || error.kind() == ErrorKind::Timeout, "{error:?}");
    (error.kind(), error.vendor_code().map(str::to_owned))
}

fn closed_port() {
    for tls in [Tls::Disable, Tls::VerifyFull(None)] {
        assert_eq!(kind(fakes::closed_port(), tls), (ErrorKind::Unreachable, None));
    }
}

fn unknown_host() {
    let error = refused(Arc::new(driver::thin()), &source("nowhere.invalid", 1521, Tls::VerifyFull(None)), SOON);
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error:?}");
}

fn silent() {
    for tls in [Tls::Disable, Tls::VerifyFull(None)] {
        assert_eq!(kind(fakes::silent(), tls).0, ErrorKind::Timeout);
    }
}

fn listener_refuses() {
    for (number, expected) in [
        (12514, ErrorKind::Unreachable),
        (12505, ErrorKind::Unreachable),
        (12516, ErrorKind::TooManyConnections),
        (12528, ErrorKind::Unreachable),
    ] {
        assert_eq!(kind(fakes::refusing(number), Tls::Disable), (expected, Some(format!("ORA-{number}"))));
    }
}

fn nonsense() {
    // An answer that is no packet, one of a type that no listener sends, and one that ends in its middle.
    for answer in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], &[0, 8, 0, 0, 99, 0, 0, 0], &[0, 40, 0, 0, 4, 0, 0, 0, 1]]
    {
        let error =
            refused(Arc::new(driver::thin()), &source("127.0.0.1", fakes::answering(answer), Tls::Disable), SOON);
        assert!(matches!(error.kind(), ErrorKind::Unreachable | ErrorKind::Unexpected), "{answer:?}: {error:?}");
    }
}

/// A listener that is started anew does so, whatever the wire is to be.
fn hanging_up() {
    for tls in [Tls::Disable, Tls::VerifyFull(None)] {
        assert_eq!(kind(fakes::listen(drop), tls).0, ErrorKind::Unreachable);
    }
    let after_hello = fakes::listen(|mut stream| {
        use std::io::Read;
        let _ = stream.read(&mut [0; 4096]);
    });
    let source = source("127.0.0.1", after_hello, Tls::VerifyFull(None));
    let error = refused(Arc::new(driver::thin()), &source, SOON);
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error:?}");
    assert!(error.is_retryable() && error.advice().unwrap().contains("PROTOCOL=TCPS"), "{error:?}");
}

fn not_exactly() {
    let bundle = CaBundle::from_pem("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    for tls in [Tls::Require, Tls::VerifyCa(None), Tls::VerifyCa(Some(bundle))] {
        let error = refused(Arc::new(driver::thin()), &source("127.0.0.1", fakes::closed_port(), tls), SOON);
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert!(error.to_string().contains("verify-full"), "{error}");
    }
    let mut plain = source("127.0.0.1", fakes::closed_port(), Tls::VerifyFull(None));
    plain.endpoint.target = Target::Descriptor(format!(
        "(DESCRIPTION=(ADDRESS=(PROTOCOL=TCP)(HOST=127.0.0.1)(PORT={}))(CONNECT_DATA=(SERVICE_NAME=s)))",
        plain.endpoint.port
    ));
    let error = refused(Arc::new(driver::thin()), &plain, SOON);
    assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error:?}");
}

/// Set for this very program, run once more.
pub(crate) const CHILD: &str = "DZCONN_TEST_ORACLE_CHILD";

fn prints() {
    let program = std::env::current_exe().unwrap();
    let output = Command::new(program).env(CHILD, "1").env("RSO_DEBUG_PACKETS", "1").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// Where the driver would print what it sends.
pub(crate) fn child() -> ExitCode {
    let error = refused(Arc::new(driver::thin()), &source("127.0.0.1", fakes::refusing(12514), Tls::Disable), SOON);
    assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error:?}");
    assert!(error.to_string().contains("RSO_DEBUG_PACKETS"), "{error}");
    ExitCode::SUCCESS
}

fn no_tls() {
    let port = fakes::listen(|mut stream| {
        use std::io::{Read, Write};
        let _ = stream.read(&mut [0; 512]);
        let _ = stream.write_all(&[0, 8, 0, 0, 4, 0, 0, 0]);
    });
    assert_eq!(kind(port, Tls::VerifyFull(None)).0, ErrorKind::Tls);
}

/// Nothing is said after the handshake, so a time-out means that it was had.
fn verified() {
    let server = TlsListener::start();
    let (ca, other) = (Some(server.ca.clone()), Some(server.other_ca.clone()));
    let broken = CaBundle::from_pem("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    for (host, tls, expected) in [
        ("127.0.0.1", Tls::VerifyFull(ca.clone()), ErrorKind::Tls),
        ("localhost", Tls::VerifyFull(other), ErrorKind::Tls),
        ("localhost", Tls::VerifyFull(None), ErrorKind::Tls),
        ("localhost", Tls::VerifyFull(Some(broken)), ErrorKind::Tls),
        // The last: the listener serves one client at a time, and this one stays.
        ("localhost", Tls::VerifyFull(ca), ErrorKind::Timeout),
    ] {
        let error = refused(Arc::new(driver::thin()), &source(host, server.port, tls.clone()), SOON);
        assert_eq!(error.kind(), expected, "{host} {tls:?}: {error:?}");
    }
}

/// After the handshake, so that nothing is wrong with TLS.
fn dies_later() {
    let server = TlsListener::start();
    let source = source("localhost", server.port, Tls::VerifyFull(Some(server.ca.clone())));
    let killer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(1));
        drop(server);
    });
    let error = refused(Arc::new(driver::thin()), &source, 2 * SOON);
    killer.join().unwrap();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error:?}");
}
