//! What a connection demands of the wire.

use dzconn_core::model::Tls;
use dzconn_core::{Error, ErrorKind, Result};

use super::connection::Properties;
use crate::config::Sources;

/// What is to be demanded of a source at `host`, whose URL says `url`.
///
/// | the connection says | demanded |
/// | --- | --- |
/// | `JDBC_ENFORCE_SSL` true | [`Tls::VerifyFull`]: what Glue enforces is "SSL with hostname matching" |
/// | a property of the URL | what the driver makes of it |
/// | nothing, or `JDBC_ENFORCE_SSL` false | what the configuration says |
///
/// `JDBC_ENFORCE_SSL` is false unless set, which leaves it to the driver; and drivers then take plain text without a word. Here
/// plain text needs somebody to ask for it: the URL (`sslmode=disable`, `useSSL=false`, `encrypt=false`, Oracle's `@tcp://`), or the configuration.
///
/// `SKIP_CUSTOM_JDBC_CERT_VALIDATION` changes nothing: it turns off Glue's own opinion on the algorithms of the custom
/// certificate, not the check of the server (AWS Glue API, "Connection").
pub(super) fn demand(
    said: &Properties,
    subprotocol: &str,
    host: &str,
    url: Option<Tls>,
    sources: &Sources,
) -> Result<Tls> {
    let enforced = said.flag("JDBC_ENFORCE_SSL")?.unwrap_or(false);
    let bundle = || sources.ca_bundle.clone();
    let demanded = match (enforced, url) {
        (true, Some(Tls::Disable)) => {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "the connection says JDBC_ENFORCE_SSL=true, and its URL asks for plain text",
            )
            .advise("take one of the two out of the connection"));
        }
        (true, _) => Tls::VerifyFull(bundle()),
        (false, None) => sources.tls.with(bundle()),
        (false, Some(Tls::VerifyCa(own))) => Tls::VerifyCa(own.or_else(bundle)),
        (false, Some(Tls::VerifyFull(own))) => Tls::VerifyFull(own.or_else(bundle)),
        (false, Some(other)) => return Ok(other),
    };
    if let Tls::VerifyFull(_) = demanded {
        check_name(said, subprotocol, host)?;
    }
    let verifies = matches!(demanded, Tls::VerifyCa(_) | Tls::VerifyFull(_));
    match said.get("CUSTOM_JDBC_CERT") {
        Some(place) if verifies && demanded.ca().is_none() => Err(Error::new(
            ErrorKind::InvalidConfig,
            format!("the connection trusts the certificate at {place}, and no CA bundle is configured"),
        )
        .advise("add that certificate to a PEM file, and name the file in sources.ca_bundle")),
        _ => Ok(demanded),
    }
}

/// `CUSTOM_JDBC_CERT_STRING` is the name that the server's certificate must bear: Oracle's `SSL_SERVER_CERT_DN`, SQL Server's
/// `hostNameInCertificate`; other engines have no use for it. Connectors look for the host's name and no other one.
fn check_name(said: &Properties, subprotocol: &str, host: &str) -> Result<()> {
    let Some(name) = said.get("CUSTOM_JDBC_CERT_STRING") else { return Ok(()) };
    if !matches!(subprotocol, "oracle" | "sqlserver") || name.eq_ignore_ascii_case(host) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::InvalidInput,
        format!(
            "the connection expects a certificate for {name:?}, and only one for its host {host:?} can be demanded"
        ),
    )
    .advise("name in the connection the host that the certificate is for, and take CUSTOM_JDBC_CERT_STRING out"))
}
