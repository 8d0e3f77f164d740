//! TLS.

use dzconn_core::model::{CaBundle, Tls};
use dzconn_core::{EngineConnector, ErrorKind};
use libtest_mimic::{Completion, Trial};

use crate::lab::{Lab, deadline, quick, shown};
use crate::server::{Server, trial};

rules![require_is_met_only_by_a_server_that_has_tls];

async fn require_is_met_only_by_a_server_that_has_tls(lab: &mut Lab) {
    let has = lab.sql("SHOW GLOBAL VARIABLES LIKE 'have_ssl'").await.first().is_some_and(|row| row[1] == "YES");
    let mut source = lab.source.clone();
    source.tls = Tls::Require;
    let result = quick().connect(&source, deadline()).await;
    assert_eq!(result.map(|_| ()).map_err(|error| error.kind()), if has { Ok(()) } else { Err(ErrorKind::Tls) });
}

pub(crate) fn trials(asked_for: bool) -> Vec<Trial> {
    vec![
        trial("tls::what_is_demanded_of_the_certificate_is_checked", asked_for, certificates),
        trial("tls::what_is_encrypted_is_encrypted", asked_for, encryption),
        trial("tls::a_bundle_that_holds_no_certificate_is_refused", asked_for, broken_bundle),
    ]
}

fn kind(server: &Server, user: &str, host: &str, tls: Tls) -> Option<ErrorKind> {
    let error = server.connect(user, host, tls).err()?;
    assert!(!shown(&error).contains("admin-pw"), "{error:?}");
    Some(error.kind())
}

fn certificates(server: &Server) -> Completion {
    let (ca, other) = (Some(server.ca.clone()), Some(server.other_ca.clone()));
    for (host, tls, expected) in [
        ("127.0.0.1", Tls::Require, None),
        ("127.0.0.1", Tls::VerifyCa(ca.clone()), None),
        ("localhost", Tls::VerifyFull(ca.clone()), None),
        ("127.0.0.1", Tls::VerifyFull(ca), Some(ErrorKind::Tls)),
        ("localhost", Tls::VerifyCa(other.clone()), Some(ErrorKind::Tls)),
        ("localhost", Tls::VerifyFull(other), Some(ErrorKind::Tls)),
        ("localhost", Tls::VerifyCa(None), Some(ErrorKind::Tls)),
        ("localhost", Tls::VerifyFull(None), Some(ErrorKind::Tls)),
    ] {
        assert_eq!(kind(server, "admin", host, tls.clone()), expected, "{host} {tls:?}");
    }
    Completion::Completed
}

/// The server itself tells a session that is encrypted from one that is not.
fn encryption(server: &Server) -> Completion {
    assert_eq!(kind(server, "chief", "127.0.0.1", Tls::Require), None);
    assert_eq!(kind(server, "chief", "127.0.0.1", Tls::Disable), Some(ErrorKind::AdminLoginRefused));
    server.sql("SET GLOBAL require_secure_transport = ON").unwrap();
    let plain = server.connect("admin", "127.0.0.1", Tls::Disable).unwrap_err();
    server.sql("SET GLOBAL require_secure_transport = OFF").unwrap();
    // MariaDB has no number of its own for it, as MySQL has (3159).
    assert_eq!(plain.kind(), ErrorKind::AdminLoginRefused);
    assert!(plain.advice().unwrap().contains("demands TLS"), "{plain:?}");
    Completion::Completed
}

fn broken_bundle(server: &Server) -> Completion {
    let pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let broken = Some(CaBundle::from_pem(pem).unwrap());
    assert_eq!(kind(server, "admin", "localhost", Tls::VerifyFull(broken)), Some(ErrorKind::Tls));
    Completion::Completed
}
