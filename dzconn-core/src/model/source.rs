//! How a source is reached: address, admin login, TLS.

use std::fmt;

use crate::model::ConnectionId;
use crate::{Error, ErrorKind, Result, Secret};

/// What a source's address opens, in its engine's terms.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// Nothing was named: the engine's or the user's default.
    #[default]
    Default,
    /// A database.
    Database(String),
    /// An Oracle service name.
    Service(String),
    /// An Oracle system identifier.
    Sid(String),
    /// An Oracle connect descriptor, `(DESCRIPTION=...)`; host and port are taken from its first address.
    Descriptor(String),
}

/// A source's address.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceEndpoint {
    /// The JDBC sub-protocol in lower case: `postgresql`, `mysql`, `mariadb`, `sqlserver`, `oracle`, or a third party's.
    pub subprotocol: String,
    /// Host name or address, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// SQL Server's named instance.
    pub instance: Option<String>,
    /// What to open there.
    pub target: Target,
}

impl SourceEndpoint {
    /// The database, where the target is one.
    pub fn database(&self) -> Option<&str> {
        match &self.target {
            Target::Database(name) => Some(name),
            _ => None,
        }
    }

    /// The port that a sub-protocol uses when none is given.
    pub fn default_port(subprotocol: &str) -> Option<u16> {
        match subprotocol {
            "mysql" | "mariadb" => Some(3306),
            "postgresql" => Some(5432),
            "sqlserver" => Some(1433),
            "oracle" => Some(1521),
            _ => None,
        }
    }
}

impl fmt::Display for SourceEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subprotocol, host, port, instance, target } = self;
        if host.contains(':') {
            write!(f, "{subprotocol} [{host}]")?;
        } else {
            write!(f, "{subprotocol} {host}")?;
        }
        if let Some(instance) = instance {
            write!(f, "\\{instance}")?;
        }
        write!(f, ":{port}")?;
        match target {
            Target::Default | Target::Descriptor(_) => Ok(()),
            Target::Database(name) | Target::Service(name) => write!(f, "/{name}"),
            Target::Sid(name) => write!(f, ":{name}"),
        }
    }
}

impl fmt::Debug for SourceEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Certificates that are trusted to sign a source's own, as PEM.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CaBundle(Vec<u8>);

impl CaBundle {
    /// Takes PEM text with at least one certificate.
    pub fn from_pem(pem: impl Into<Vec<u8>>) -> Result<Self> {
        let pem = pem.into();
        let marker = b"-----BEGIN CERTIFICATE-----";
        if !pem.windows(marker.len()).any(|window| window == marker) {
            return Err(Error::new(ErrorKind::InvalidConfig, "the CA bundle holds no PEM certificate").advise(
                "give the file that the database's owner or cloud publishes, such as RDS's global-bundle.pem",
            ));
        }
        Ok(Self(pem))
    }

    /// The PEM text.
    pub fn pem(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for CaBundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CaBundle({} bytes)", self.0.len())
    }
}

/// What a connection to a source demands of the wire. Exactly this happens; nothing falls back to plain text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Tls {
    /// Plain text, asked for in so many words.
    Disable,
    /// Encrypted, whoever the server is.
    Require,
    /// Encrypted, and the certificate is signed by an authority of this bundle, or by a public one. Some drivers trust public
    /// authorities beside a bundle, so that this says little about who the server is: prefer [`Tls::VerifyFull`].
    VerifyCa(Option<CaBundle>),
    /// Encrypted, and the certificate is signed and names the host.
    VerifyFull(Option<CaBundle>),
}

impl Default for Tls {
    /// The strictest.
    fn default() -> Self {
        Self::VerifyFull(None)
    }
}

impl Tls {
    /// Whether the connection is encrypted.
    pub const fn is_encrypted(&self) -> bool {
        !matches!(self, Self::Disable)
    }

    /// The bundle, if one was given.
    pub const fn ca(&self) -> Option<&CaBundle> {
        match self {
            Self::VerifyCa(ca) | Self::VerifyFull(ca) => ca.as_ref(),
            Self::Disable | Self::Require => None,
        }
    }
}

/// The login that dzconn itself uses on a source.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AdminLogin {
    /// The user; not necessarily one that dzconn would have named so.
    pub user: String,
    /// Its password.
    pub password: Secret,
}

/// A source as a connector needs it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Source {
    /// The connection's id.
    pub connection: ConnectionId,
    /// Where it is.
    pub endpoint: SourceEndpoint,
    /// Who dzconn is there.
    pub admin: AdminLogin,
    /// What the wire must be.
    pub tls: Tls,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (connection {})", self.endpoint, self.connection)
    }
}
