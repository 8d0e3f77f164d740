//! What a URL itself demands of the wire.

use super::{JdbcUrl, invalid};
use crate::Result;
use crate::model::Tls;

impl JdbcUrl {
    /// What the URL demands of the wire, in its driver's terms; `None` if it says nothing.
    ///
    /// | driver | says | demands |
    /// | --- | --- | --- |
    /// | `PostgreSQL` | `sslmode=disable`, `ssl=false` | [`Tls::Disable`] |
    /// | | `sslmode=allow`, `prefer`, `require` | [`Tls::Require`] |
    /// | | `sslmode=verify-ca` | [`Tls::VerifyCa`] |
    /// | | `sslmode=verify-full`, `ssl=true` | [`Tls::VerifyFull`] |
    /// | `MySQL` | `sslMode=DISABLED`, `useSSL=false` | [`Tls::Disable`] |
    /// | | `sslMode=PREFERRED`, `REQUIRED`, `useSSL=true`, `requireSSL=true` | [`Tls::Require`] |
    /// | | `sslMode=VERIFY_CA`, `verifyServerCertificate=true` | [`Tls::VerifyCa`] |
    /// | | `sslMode=VERIFY_IDENTITY` | [`Tls::VerifyFull`] |
    /// | `MariaDB` | `sslMode=disable`, `useSSL=false` | [`Tls::Disable`] |
    /// | | `sslMode=trust`, `useSSL=true` with `trustServerCertificate=true` | [`Tls::Require`] |
    /// | | `sslMode=verify-ca`, `useSSL=true` with `disableSslHostnameVerification=true` | [`Tls::VerifyCa`] |
    /// | | `sslMode=verify-full`, `useSSL=true` | [`Tls::VerifyFull`] |
    /// | SQL Server | `encrypt=false` | [`Tls::Disable`] |
    /// | | `encrypt=true` with `trustServerCertificate=true` | [`Tls::Require`] |
    /// | | `encrypt=true`, `encrypt=strict` | [`Tls::VerifyFull`] |
    /// | Oracle | `tcp`, said in so many words (`@tcp://host`, a descriptor's `PROTOCOL`) | [`Tls::Disable`] |
    /// | | `tcps` with `ssl_server_dn_match=false` | [`Tls::VerifyCa`] |
    /// | | `tcps` | [`Tls::VerifyFull`] |
    ///
    /// What a driver would do only if the server agrees (`allow`, `prefer`, `PREFERRED`) is demanded: nothing falls back to
    /// plain text in silence.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) for a word that the driver does not know, or words that
    /// contradict each other.
    pub fn tls(&self) -> Result<Option<Tls>> {
        let subprotocol = self.endpoint.subprotocol.as_str();
        let demanded = match subprotocol {
            "postgresql" => self.postgresql(),
            "mysql" => self.mysql(),
            "mariadb" => self.mariadb(),
            "sqlserver" => self.sqlserver(),
            "oracle" => self.oracle(),
            _ => Ok(None),
        };
        demanded.map_err(|what| invalid(subprotocol, what))
    }

    fn postgresql(&self) -> Result<Option<Tls>, &'static str> {
        let Some(mode) = self.word("sslmode") else {
            // A bare `ssl` means true.
            let ssl = if self.property("ssl") == Some("") { Some(true) } else { self.flag("ssl")? };
            let validates = !self.property("sslfactory").is_some_and(|name| name.ends_with("NonValidatingFactory"));
            return Ok(ssl.map(|ssl| match (ssl, validates) {
                (true, true) => Tls::VerifyFull(None),
                (true, false) => Tls::Require,
                (false, _) => Tls::Disable,
            }));
        };
        match mode.as_str() {
            "disable" => Ok(Some(Tls::Disable)),
            "allow" | "prefer" | "require" => Ok(Some(Tls::Require)),
            "verify-ca" => Ok(Some(Tls::VerifyCa(None))),
            "verify-full" => Ok(Some(Tls::VerifyFull(None))),
            _ => Err("has an sslmode that is none of disable, allow, prefer, require, verify-ca and verify-full"),
        }
    }

    fn mysql(&self) -> Result<Option<Tls>, &'static str> {
        if let Some(mode) = self.word("sslMode") {
            return match mode.as_str() {
                "disabled" => Ok(Some(Tls::Disable)),
                "preferred" | "required" => Ok(Some(Tls::Require)),
                "verify_ca" => Ok(Some(Tls::VerifyCa(None))),
                "verify_identity" => Ok(Some(Tls::VerifyFull(None))),
                _ => Err("has an sslMode that is none of DISABLED, PREFERRED, REQUIRED, VERIFY_CA and VERIFY_IDENTITY"),
            };
        }
        let (require, verify) = (self.flag("requireSSL")?, self.flag("verifyServerCertificate")?);
        match (self.flag("useSSL")?, require, verify) {
            (Some(false), Some(true), _) | (Some(false), _, Some(true)) => {
                Err("says useSSL=false and demands TLS in another property")
            }
            (Some(false), ..) => Ok(Some(Tls::Disable)),
            (_, _, Some(true)) => Ok(Some(Tls::VerifyCa(None))),
            (Some(true), ..) | (None, Some(true), _) => Ok(Some(Tls::Require)),
            (None, ..) => Ok(None),
        }
    }

    fn mariadb(&self) -> Result<Option<Tls>, &'static str> {
        if let Some(mode) = self.word("sslMode") {
            // The second spelling of each is MySQL's, which this driver takes too.
            return match mode.as_str() {
                "disable" | "disabled" | "false" | "0" => Ok(Some(Tls::Disable)),
                "trust" | "required" => Ok(Some(Tls::Require)),
                "verify-ca" | "verify_ca" => Ok(Some(Tls::VerifyCa(None))),
                "verify-full" | "verify_full" | "verify_identity" | "true" | "1" => Ok(Some(Tls::VerifyFull(None))),
                _ => Err("has an sslMode that is none of disable, trust, verify-ca and verify-full"),
            };
        }
        let trust = self.flag("trustServerCertificate")? == Some(true);
        let any_name = self.flag("disableSslHostnameVerification")? == Some(true);
        Ok(self.flag("useSSL")?.map(|ssl| match (ssl, trust, any_name) {
            (false, ..) => Tls::Disable,
            (true, true, _) => Tls::Require,
            (true, false, true) => Tls::VerifyCa(None),
            (true, false, false) => Tls::VerifyFull(None),
        }))
    }

    fn sqlserver(&self) -> Result<Option<Tls>, &'static str> {
        let trust = self.flag("trustServerCertificate")? == Some(true);
        let verified = if trust { Tls::Require } else { Tls::VerifyFull(None) };
        match self.word("encrypt").as_deref() {
            Some("false" | "no" | "optional") => Ok(Some(Tls::Disable)),
            Some("true" | "yes" | "mandatory") => Ok(Some(verified)),
            // It looks at the certificate whatever else is said.
            Some("strict") => Ok(Some(Tls::VerifyFull(None))),
            Some(_) => Err("has an encrypt that is none of true, false and strict"),
            // Drivers since 10.2 encrypt unless told otherwise.
            None if trust => Ok(Some(Tls::Require)),
            None => Ok(None),
        }
    }

    fn oracle(&self) -> Result<Option<Tls>, &'static str> {
        match self.word("protocol").as_deref() {
            Some("tcps") => {}
            Some("tcp") => return Ok(Some(Tls::Disable)),
            _ => return Ok(None),
        }
        Ok(Some(match self.flag("ssl_server_dn_match")? {
            Some(false) => Tls::VerifyCa(None),
            Some(true) | None => Tls::VerifyFull(None),
        }))
    }

    fn word(&self, name: &str) -> Option<String> {
        self.property(name).map(|value| value.trim().to_ascii_lowercase())
    }

    fn flag(&self, name: &str) -> Result<Option<bool>, &'static str> {
        match self.word(name).as_deref() {
            None => Ok(None),
            Some("true" | "yes" | "on" | "1") => Ok(Some(true)),
            Some("false" | "no" | "off" | "0") => Ok(Some(false)),
            Some(_) => Err("has a TLS property that is neither true nor false"),
        }
    }
}
