//! The seam between this engine and whatever speaks to the server: two drivers are behind it, and a simulator in the tests.
//!
//! Everything here blocks. The engine calls it from threads of its own, one for each connection, never from a runtime's.

use std::fmt::{self, Debug};
use std::time::Duration;

use dzconn_core::Secret;
use dzconn_core::model::{SourceEndpoint, Tls};

#[cfg(any(feature = "odpi", feature = "thin"))]
mod address;
#[cfg(feature = "odpi")]
mod odpi;
#[cfg(feature = "thin")]
mod thin;

#[cfg(feature = "odpi")]
pub use odpi::{Odpi, odpi};
#[cfg(feature = "thin")]
pub use thin::{Thin, thin};

/// Opens connections.
pub trait Driver: Debug + Send + Sync {
    /// Logs in.
    ///
    /// # Contract
    /// - What [`Login::tls`] demands is what happens, neither less nor something else. What the driver cannot do exactly is
    ///   [`Trouble::Config`], before anything is connected to.
    /// - Nothing but the login says where and as whom: no environment variable, no `tnsnames.ora`, no `sqlnet.ora`. One
    ///   exception: Oracle's client library reads a `sqlnet.ora` that lies beside itself (`network/admin`), which can change how
    ///   it gets there, but not where to; the driver `odpi` says so.
    /// - `timeout` bounds what the driver itself can bound. A call that comes back later is heard by nobody: the engine has
    ///   given it up, and drops the connection that came of it.
    ///
    /// # Errors
    /// [`Trouble::Server`] with what the server or its listener answered; [`Trouble::Unreachable`], [`Trouble::Tls`],
    /// [`Trouble::NoClient`], [`Trouble::Config`], [`Trouble::Silent`]; [`Trouble::Other`] for what fits none of them.
    fn connect(&self, login: &Login, timeout: Duration) -> Result<Box<dyn Connection>, Refusal>;
}

/// One connection to the server. It never reconnects, and it commits nothing by itself.
///
/// Dropping it closes the connection, which ends the session there and frees its locks. That may block, too.
pub trait Connection: Debug + Send {
    /// Runs one statement: SQL, or an anonymous PL/SQL block.
    ///
    /// Its placeholders are `:1`, `:2`, ..., each once and in this order, and `binds` has one value for each. The rows of a query
    /// come as text, all of them, NULL as `None`; whatever else is run answers no rows.
    ///
    /// # Errors
    /// [`Trouble::Server`] with the first code of the server's answer, which is the innermost of those that a PL/SQL block
    /// lets pass; the connection is as good as before then, unless the code says otherwise. [`Trouble::Lost`] and
    /// [`Trouble::Silent`] (nothing within `timeout`): it is of no use any more.
    fn execute(&mut self, sql: &str, binds: &[Bind], timeout: Duration) -> Result<Rows, Refusal>;

    /// Logs off. The connection is closed whatever is answered.
    ///
    /// # Errors
    /// As [`execute`](Self::execute).
    fn close(self: Box<Self>) -> Result<(), Refusal>;
}

/// Rows as text.
pub type Rows = Vec<Vec<Option<String>>>;

/// Where to, as whom, and what the wire must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The address.
    pub endpoint: SourceEndpoint,
    /// The user as clients write it: in double quotes exactly this name, else this name in upper case.
    pub user: String,
    /// Its password, as it is.
    pub password: Secret,
    /// What the wire must be.
    pub tls: Tls,
}

/// A value for a placeholder.
#[derive(Clone, PartialEq, Eq)]
pub enum Bind {
    /// `VARCHAR2`. It may be a statement with a password in it.
    Text(String),
    /// `NUMBER`.
    Number(i64),
}

/// A text is never shown.
impl Debug for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Number(number) => write!(f, "Number({number})"),
        }
    }
}

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What decides.
    pub trouble: Trouble,
    /// The server's or the driver's words, for people. They may quote the statement, never a bind.
    pub text: String,
}

impl Refusal {
    /// A refusal with these words.
    #[must_use]
    pub fn new(trouble: Trouble, text: impl Into<String>) -> Self {
        Self { trouble, text: text.into() }
    }
}

/// The kinds of refusals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trouble {
    /// The server, its listener or the client library answered with this number: 942 is `ORA-00942`.
    Server(u32),
    /// No connection came about: refused, no route, no such host.
    Unreachable,
    /// TLS did not come about as demanded.
    Tls,
    /// The connection broke.
    Lost,
    /// Nothing was heard in time.
    Silent,
    /// The driver's client library is not there.
    NoClient,
    /// The driver cannot do what the login asks for; the text says what, and what to do instead.
    Config,
    /// Something else.
    Other,
}
