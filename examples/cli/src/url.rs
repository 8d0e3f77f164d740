//! JDBC URLs and TLS modes as an operator writes them.

use dzconn_core::model::{CaBundle, JdbcUrl, SourceEndpoint, Tls};

/// The modes, from the weakest to the strictest.
pub(crate) const TLS_MODES: [&str; 4] = ["disable", "require", "verify-ca", "verify-full"];

/// A JDBC URL as it is used here.
#[derive(Debug)]
pub(crate) struct Address {
    pub(crate) endpoint: SourceEndpoint,
    /// What the URL itself demands of the wire.
    pub(crate) tls: Option<Tls>,
}

/// Reads a JDBC URL. What is said about one that cannot be used never quotes it: a password may stand in it.
pub(crate) fn address(text: &str) -> Result<Address, String> {
    let wrong = |error: dzconn_core::Error| match error.advice() {
        Some(advice) => format!("is wrong: {} ({advice})", error.detail()),
        None => format!("is wrong: {}", error.detail()),
    };
    let url: JdbcUrl = text.parse().map_err(wrong)?;
    let lower = text.to_ascii_lowercase();
    if url.credentials.is_some() || lower.contains("password=") || lower.contains("pwd=") {
        return Err("holds a password: leave it out, and say where it is (a variable or a file)".to_owned());
    }
    let tls = url.tls().map_err(wrong)?;
    Ok(Address { endpoint: url.endpoint, tls })
}

/// The TLS mode: by name, else as the URL says, else the strictest.
pub(crate) fn tls(mode: Option<&str>, url: Option<&Tls>, bundle: Option<CaBundle>) -> Result<Tls, String> {
    let said = match mode {
        None => None,
        Some("disable") => Some(Tls::Disable),
        Some("require") => Some(Tls::Require),
        Some("verify-ca") => Some(Tls::VerifyCa(None)),
        Some("verify-full") => Some(Tls::VerifyFull(None)),
        Some(other) => return Err(format!("is {other:?}; it is one of {}", TLS_MODES.join(", "))),
    };
    if let (Some(said), Some(url)) = (&said, url)
        && said != url
    {
        return Err(format!("is {:?}, and the URL says otherwise; leave one of them out", mode.unwrap_or_default()));
    }
    match (said.or_else(|| url.cloned()).unwrap_or_default(), bundle) {
        (Tls::VerifyCa(_), bundle) => Ok(Tls::VerifyCa(bundle)),
        (Tls::VerifyFull(_), bundle) => Ok(Tls::VerifyFull(bundle)),
        (other, None) => Ok(other),
        (_, Some(_)) => Err("looks at no certificate: say verify-ca or verify-full, or give no authorities".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_holds_a_password_is_refused_without_quoting_it() {
        for url in [
            "jdbc:postgresql://u:hunter2@db/sales",
            "jdbc:postgresql://db/sales?password=hunter2",
            "jdbc:mysql://db:nix/hunter2",
            "hunter2",
        ] {
            assert!(!address(url).unwrap_err().contains("hunter2"), "{url}");
        }
        assert_eq!(address("jdbc:postgresql://db/sales?sslmode=require").unwrap().tls, Some(Tls::Require));
    }

    #[test]
    fn the_mode_is_what_was_said_else_the_strictest() {
        let bundle = CaBundle::from_pem("-----BEGIN CERTIFICATE-----").unwrap();
        assert_eq!(tls(None, None, None), Ok(Tls::VerifyFull(None)));
        assert_eq!(tls(None, Some(&Tls::Require), None), Ok(Tls::Require));
        assert!(tls(Some("disable"), Some(&Tls::Require), None).is_err());
        assert!(tls(Some("require"), None, Some(bundle.clone())).is_err());
        assert_eq!(tls(Some("verify-ca"), None, Some(bundle.clone())), Ok(Tls::VerifyCa(Some(bundle))));
        assert!(tls(Some("none"), None, None).unwrap_err().contains("verify-full"));
    }
}
