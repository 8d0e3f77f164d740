//! What a database engine must do: connect, lock, make a user, grant, revoke, drop, read back.

mod vendor;

use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sha2::{Digest, Sha256};

use crate::model::{AssetPath, Credentials, Source, SourceKey, TableName, UserName};
use crate::{Deadline, Error, ErrorKind, Result};

pub use vendor::{Refusal, kind_in, named};

/// Opens sessions on one kind of source.
///
/// # Contract
/// A session is one server connection, never a handle out of a pool, and never reconnects by itself. What the source's
/// [`Tls`](crate::model::Tls) demands is what happens.
#[async_trait]
pub trait EngineConnector: Debug + Send + Sync {
    /// The JDBC sub-protocols that this engine serves, in lower case.
    fn subprotocols(&self) -> &'static [&'static str];

    /// The longest user name, in bytes, that every supported version of the engine takes.
    fn max_user_name(&self) -> usize;

    /// How this engine writes a user's name: Oracle's are upper case, the others' as given.
    fn fold_user_name(&self, name: UserName) -> UserName {
        name
    }

    /// Connects as admin.
    ///
    /// # Errors
    /// [`ErrorKind::AdminLoginRefused`], [`ErrorKind::Unreachable`], [`ErrorKind::Tls`], [`ErrorKind::TooManyConnections`],
    /// [`ErrorKind::Timeout`]. An error names host and port and never a password.
    async fn connect(&self, source: &Source, deadline: Deadline) -> Result<Box<dyn SourceEngine>>;

    /// Whether these credentials log in, and if a table is named, whether that session may read it.
    ///
    /// [`Login::Refused`] is an answer, not an error: wrong password, unknown user, locked user, no right to connect.
    ///
    /// # Errors
    /// Whatever keeps the source from answering.
    async fn log_in(
        &self,
        source: &Source,
        credentials: &Credentials,
        table: Option<&TableName>,
        deadline: Deadline,
    ) -> Result<Login>;

    /// The statements that an action would run, in order, one a line, with `<password>` or `<verifier>` in place of secrets.
    /// Nothing is connected to. Sessions run what is shown here, so that a plan cannot differ from the deed.
    fn statements(&self, source: &Source, action: &Action) -> Vec<String>;
}

/// A connector that is shared is one too.
#[async_trait]
impl<T: EngineConnector + ?Sized> EngineConnector for Arc<T> {
    fn subprotocols(&self) -> &'static [&'static str] {
        (**self).subprotocols()
    }

    fn max_user_name(&self) -> usize {
        (**self).max_user_name()
    }

    fn fold_user_name(&self, name: UserName) -> UserName {
        (**self).fold_user_name(name)
    }

    async fn connect(&self, source: &Source, deadline: Deadline) -> Result<Box<dyn SourceEngine>> {
        (**self).connect(source, deadline).await
    }

    async fn log_in(
        &self,
        source: &Source,
        credentials: &Credentials,
        table: Option<&TableName>,
        deadline: Deadline,
    ) -> Result<Login> {
        (**self).log_in(source, credentials, table, deadline).await
    }

    fn statements(&self, source: &Source, action: &Action) -> Vec<String> {
        (**self).statements(source, action)
    }
}

/// Something that a session does to the source; see the methods of [`SourceEngine`] of the same names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// [`SourceEngine::create_user`].
    CreateUser(UserName),
    /// [`SourceEngine::set_password`].
    SetPassword(UserName),
    /// [`SourceEngine::grant`].
    Grant {
        /// Who is to read.
        user: UserName,
        /// What.
        table: TableName,
        /// What the user is no longer to read.
        take_back: Vec<TableName>,
    },
    /// [`SourceEngine::revoke`].
    Revoke {
        /// Who is no longer to read.
        user: UserName,
        /// What.
        tables: Vec<TableName>,
    },
    /// [`SourceEngine::drop_user`].
    DropUser(UserName),
}

/// One admin session on a source.
///
/// # Contract
/// - After [`lock`](Self::lock) was [`Lock::Held`], every method that changes something checks, in this very session and in
///   one batch with the change where the engine can, that the session still holds the lock, and otherwise fails with
///   [`ErrorKind::LockLost`] and changes nothing. Without a lock (a plan, a test) nothing is checked.
/// - Every method can be repeated: what is already there, or already gone, is success.
/// - A future that is dropped leaves the session unusable: its owner drops the session, which closes the socket, which ends
///   the lock. `Drop` does nothing else.
/// - Nothing here retries, save a statement that the engine's own concurrency rejected without effect.
#[async_trait]
pub trait SourceEngine: Debug + Send {
    /// Takes the source-wide lock for a key, waiting up to `wait` for it. The server is told to end this session when it has
    /// been silent for longer than `hold`, where it can be told so: a frozen client must not keep others out for hours.
    ///
    /// Taking the lock that this session holds already is [`Lock::Held`].
    ///
    /// # Errors
    /// [`ErrorKind::LockTimeout`] if somebody else held it all the time.
    async fn lock(&mut self, key: &LockKey, wait: Duration, hold: Duration) -> Result<Lock>;

    /// Gives the lock back. Without a lock nothing happens. Afterwards the session may be locked again, for another key.
    async fn unlock(&mut self) -> Result<()>;

    /// Finds the table or view that a path means, as the admin sees it: the exact name, else the only one that differs in case.
    ///
    /// # Errors
    /// [`ErrorKind::TableNotFound`], [`ErrorKind::TableAmbiguous`] (see [`AssetPath::choose`]).
    async fn resolve(&mut self, path: &AssetPath) -> Result<TableName>;

    /// Makes the user, able to log in with this password and to do nothing else. A user that exists is left as it is, its
    /// password included, except that it is enabled again if it was disabled by a drop that did not finish.
    ///
    /// # Errors
    /// [`ErrorKind::AdminDenied`], [`ErrorKind::PasswordRejected`], [`ErrorKind::NameTooLong`].
    async fn create_user(&mut self, credentials: &Credentials) -> Result<Created>;

    /// Gives an existing user this password.
    ///
    /// # Errors
    /// [`ErrorKind::AdminDenied`], [`ErrorKind::PasswordRejected`]: perhaps because the user has it already, where the source keeps
    /// a history of passwords. A login tells.
    async fn set_password(&mut self, credentials: &Credentials) -> Result<()>;

    /// Grants read on exactly one table (with what is needed to reach it: connect, schema usage), takes back the read on
    /// others, and reads the result back: after `Ok`, [`reads`](Self::reads) is not [`Reads::No`].
    ///
    /// # Errors
    /// [`ErrorKind::NoGrantOption`] (also where the engine answered success without granting), [`ErrorKind::AdminDenied`],
    /// [`ErrorKind::TableNotFound`], [`ErrorKind::LimitReached`]. The table's privileges are unchanged then.
    async fn grant(&mut self, user: &UserName, table: &TableName, take_back: &[TableName]) -> Result<()>;

    /// Takes back read on these tables, also where a table, or the user, is gone; and what was given along with it (schema
    /// usage) once nothing else needs it. Sessions that are open lose it at once. After `Ok` no direct privilege of this
    /// user on these tables is left.
    ///
    /// # Errors
    /// [`ErrorKind::GrantedByOther`] names the role that must take it back, [`ErrorKind::AdminDenied`].
    async fn revoke(&mut self, user: &UserName, tables: &[TableName]) -> Result<()>;

    /// Ends the user's existence: no new logins, everything revoked, sessions ended, user dropped, and looked at again. A user
    /// that is gone already is success.
    ///
    /// # Errors
    /// [`ErrorKind::SessionsRemain`] if sessions could not be ended or it cannot be told, [`ErrorKind::UserOwnsObjects`] if
    /// somebody let it own something (nothing of that is dropped), [`ErrorKind::GrantedByOther`],
    /// [`ErrorKind::AdminDenied`]. The user cannot log in any more then, and the next call continues. An admin that may not
    /// even keep it out (PostgreSQL from 16 on, a role that another admin made) has taken back what it granted itself.
    async fn drop_user(&mut self, user: &UserName) -> Result<()>;

    /// Whether the user can read the table, by whatever way: [`Reads::Yes`] says by which.
    ///
    /// A missing user or table is [`Reads::No`].
    async fn reads(&mut self, user: &UserName, table: &TableName) -> Result<Reads>;

    /// What the user can do beyond reading `granted`, in words for people, at most `limit` of them: what PUBLIC gives, what
    /// somebody else granted. Empty where nothing is found.
    async fn excess(&mut self, user: &UserName, granted: &[TableName], limit: usize) -> Result<Vec<String>>;

    /// Whether the user exists.
    async fn user_exists(&mut self, user: &UserName) -> Result<bool>;

    /// The users whose names begin with this, letter by letter, in any order; also those that cannot log in.
    ///
    /// # Errors
    /// [`ErrorKind::AdminDenied`] if the admin may not see who there is.
    async fn users(&mut self, prefix: &str) -> Result<Vec<UserName>>;

    /// The tables that the user itself was granted to read, in whole or in part, by whomever: not by way of a role or PUBLIC.
    /// Where a session sees one database only, those of that database. A missing user has none.
    ///
    /// # Errors
    /// [`ErrorKind::AdminDenied`] if the admin may not see what was granted.
    async fn granted(&mut self, user: &UserName) -> Result<Vec<TableName>>;

    /// Closes the connection in good order.
    async fn close(self: Box<Self>) -> Result<()>;
}

/// What [`SourceEngine::lock`] answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Lock {
    /// The session holds it.
    Held,
    /// The source has no lock that every session would see, and why.
    Unsupported(String),
}

/// What [`SourceEngine::create_user`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Created {
    /// The user was made, with the password that was given.
    New,
    /// The user was there; its password may be another.
    Existed,
}

/// Whether a user can read a table.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reads {
    /// It can, and by these ways: a privilege of its own, PUBLIC, a role.
    Yes(Vec<String>),
    /// It cannot.
    No,
    /// The admin may not look, and what it lacks.
    CannotTell(String),
}

/// What [`EngineConnector::log_in`] found.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Login {
    /// The source refuses the credentials.
    Refused,
    /// They log in; and whether the named table can be read, if one was named.
    In(Option<Reads>),
}

/// The name under which a source's lock is taken, one for each (connection, environment).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LockKey([u8; 32]);

impl LockKey {
    /// The key's lock.
    #[must_use]
    pub fn new(key: &SourceKey) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"dzconn lock\0");
        hash.update(key.connection.as_str().as_bytes());
        hash.update(b"\0");
        hash.update(key.environment.as_str().as_bytes());
        Self(hash.finalize().into())
    }

    /// For engines whose locks are numbers.
    pub fn number(&self) -> i64 {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(self.0.first_chunk::<8>().unwrap_or(&[0; 8]));
        i64::from_be_bytes(bytes)
    }

    /// For engines whose locks are names: 47 characters, letters, digits and `_`.
    pub fn name(&self) -> String {
        let hex: String = self.0.iter().take(20).map(|byte| format!("{byte:02x}")).collect();
        format!("dzconn_{hex}")
    }
}

impl fmt::Debug for LockKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

/// The engines that an application offers, by JDBC sub-protocol.
///
/// A third party's engine registers like the built-in ones. Where two serve the same sub-protocol, the later one counts.
#[derive(Clone, Debug, Default)]
pub struct Engines(BTreeMap<&'static str, Arc<dyn EngineConnector>>);

impl Engines {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an engine.
    #[must_use]
    pub fn with(mut self, connector: impl EngineConnector + 'static) -> Self {
        let connector: Arc<dyn EngineConnector> = Arc::new(connector);
        for subprotocol in connector.subprotocols() {
            self.0.insert(subprotocol, Arc::clone(&connector));
        }
        self
    }

    /// The engine for a source.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownEngine`], naming those that are known.
    pub fn for_source(&self, source: &Source) -> Result<&Arc<dyn EngineConnector>> {
        let subprotocol = source.endpoint.subprotocol.as_str();
        self.0.get(subprotocol).ok_or_else(|| {
            let known = self.0.keys().copied().collect::<Vec<_>>().join(", ");
            Error::new(ErrorKind::UnknownEngine, format!("no engine for {subprotocol:?}")).on_source(source).advise(
                format!("registered are: {known}; add the engine's connector to Engines, or build with its feature"),
            )
        })
    }

    /// Whether none is registered.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
