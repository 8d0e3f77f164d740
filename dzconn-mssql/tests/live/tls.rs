//! TLS.

use dzconn_core::model::{CaBundle, Source, Tls};
use dzconn_core::{EngineConnector, ErrorKind};
use libtest_mimic::Trial;
use tokio::net::{TcpListener, TcpStream};
use url::Url;

use crate::lab::{deadline, quick, shown, source};

/// A CA that has signed nothing.
const STRANGER: &[u8] = include_bytes!("stranger.pem");

async fn kind(source: &Source, host: &str, tls: Tls) -> Option<ErrorKind> {
    let mut source = Source { tls, ..source.clone() };
    source.endpoint.host = host.into();
    match quick().connect(&source, deadline()).await {
        Ok(session) => {
            session.close().await.unwrap();
            None
        }
        Err(error) => {
            assert!(!shown(&error).contains(source.admin.password.expose()), "{error:?}");
            let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            assert!(!shown(&error).contains("trust_cert") && !cause.contains("trust_cert"), "{error:?}");
            Some(error.kind())
        }
    }
}

/// Passes connections on from an address of its own.
async fn forward(source: &Source) -> (String, u16) {
    let listener = TcpListener::bind(("127.0.0.2", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = (source.endpoint.host.clone(), source.endpoint.port);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut server = TcpStream::connect(server.clone()).await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut client, &mut server).await });
        }
    });
    (address.ip().to_string(), address.port())
}

async fn certificates(url: Url, ca: CaBundle) {
    let source = source(&url);
    let host = source.endpoint.host.clone();
    let stranger = Some(CaBundle::from_pem(STRANGER).unwrap());
    let ca = Some(ca);
    // The same server by another name, which its certificate does not have.
    let (other_name, port) = forward(&source).await;
    let other_name = other_name.as_str();
    for (host, tls, expected) in [
        (host.as_str(), Tls::Require, None),
        (other_name, Tls::Require, None),
        (&host, Tls::VerifyFull(ca.clone()), None),
        (&host, Tls::VerifyCa(ca.clone()), None),
        (other_name, Tls::VerifyFull(ca.clone()), Some(ErrorKind::Tls)),
        // The driver checks both or none.
        (other_name, Tls::VerifyCa(ca.clone()), Some(ErrorKind::Tls)),
        (&host, Tls::VerifyCa(stranger.clone()), Some(ErrorKind::Tls)),
        (&host, Tls::VerifyFull(stranger), Some(ErrorKind::Tls)),
        (&host, Tls::VerifyCa(None), Some(ErrorKind::Tls)),
        (&host, Tls::VerifyFull(None), Some(ErrorKind::Tls)),
    ] {
        let mut source = source.clone();
        if host == other_name {
            source.endpoint.port = port;
        }
        assert_eq!(kind(&source, host, tls.clone()).await, expected, "{host} {tls:?}");
    }
    let pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let broken = Some(CaBundle::from_pem(pem).unwrap());
    assert_eq!(kind(&source, &host, Tls::VerifyFull(broken)).await, Some(ErrorKind::Tls));
}

/// What the operating system, or a variable, says of roots changes nothing. The variable holds the right CA all the time.
pub(crate) fn trials(urls: &[Url]) -> Vec<Trial> {
    const NAME: &str = "tls::what_is_demanded_of_the_certificate_is_checked";
    if urls.is_empty() {
        return vec![Trial::test(NAME, || Ok(())).with_ignored_flag(true)];
    }
    let file = std::env::var("DZCONN_TEST_MSSQL_CA").expect("DZCONN_TEST_MSSQL_CA names the CA's file");
    let ca = CaBundle::from_pem(std::fs::read(file).expect("the CA's file")).expect("a certificate");
    let trial = |url: &Url| {
        let (url, ca) = (url.clone(), ca.clone());
        let name = format!("{NAME} on {}:{}", url.host_str().unwrap_or("?"), url.port().unwrap_or(1433));
        Trial::test(name, move || {
            crate::runtime().block_on(certificates(url, ca));
            Ok(())
        })
    };
    urls.iter().map(trial).collect()
}
