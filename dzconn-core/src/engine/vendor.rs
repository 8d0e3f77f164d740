//! For authors of engines: what their sessions would otherwise each write for themselves.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;

use super::{Created, Lock, LockKey, Reads};
use crate::model::{AssetPath, Credentials, Source, TableName, UserName};
use crate::{Error, ErrorKind, Result, SourceEngine};

/// A server's answer, by number, to a statement that it did not carry out.
///
/// ```
/// use dzconn_core::ErrorKind;
/// use dzconn_core::engine::Refusal;
///
/// let denied = Refusal::new(229, ErrorKind::AdminDenied, "SQL Server 229", Some("SELECT was denied".to_owned()));
/// assert!(denied.is_denied());
/// let error = denied.into_error("the table was not granted");
/// assert_eq!((error.kind(), error.vendor_code()), (ErrorKind::AdminDenied, Some("SQL Server 229")));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    number: u32,
    kind: ErrorKind,
    vendor: String,
    text: Option<String>,
}

impl Refusal {
    /// The server's number, what it means, how the vendor writes it, and the server's words: none of a statement that had a
    /// password in it, since they may quote it.
    #[must_use]
    pub fn new(number: u32, kind: ErrorKind, vendor: impl Into<String>, text: Option<String>) -> Self {
        Self { number, kind, vendor: vendor.into(), text }
    }

    /// The server's number.
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// What the number means, where nothing says otherwise.
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether the session lacks a privilege.
    pub fn is_denied(&self) -> bool {
        self.kind == ErrorKind::AdminDenied
    }

    /// What was attempted, and the server's answer.
    #[must_use]
    pub fn into_error(self, what: &str) -> Error {
        let kind = self.kind;
        self.into_error_of(kind, what)
    }

    /// The same, where the number means this.
    #[must_use]
    pub fn into_error_of(self, kind: ErrorKind, what: &str) -> Error {
        let detail = match &self.text {
            Some(text) => format!("{what}: {text}"),
            None => what.to_owned(),
        };
        Error::new(kind, detail).vendor(self.vendor)
    }
}

/// The meaning of a number in an engine's table, which is sorted: number, the vendor's name for it, and the kind.
pub fn kind_in(table: &[(u32, &str, ErrorKind)], number: u32) -> ErrorKind {
    let place = table.binary_search_by_key(&number, |(known, ..)| *known);
    place.ok().and_then(|place| table.get(place)).map_or(ErrorKind::Unexpected, |(.., kind)| *kind)
}

/// A session all of whose errors name its source, so that the engine need not.
#[must_use]
pub fn named(source: &Source, session: impl SourceEngine + 'static) -> Box<dyn SourceEngine> {
    Box::new(Named { source: source.to_string(), session: Box::new(session) })
}

#[derive(Debug)]
struct Named {
    source: String,
    session: Box<dyn SourceEngine>,
}

macro_rules! naming {
    ($self:ident, $call:expr) => {
        $call.await.map_err(|error: Error| error.on_source(&$self.source))
    };
}

#[async_trait]
impl SourceEngine for Named {
    async fn lock(&mut self, key: &LockKey, wait: Duration, hold: Duration) -> Result<Lock> {
        naming!(self, self.session.lock(key, wait, hold))
    }

    async fn unlock(&mut self) -> Result<()> {
        naming!(self, self.session.unlock())
    }

    async fn resolve(&mut self, path: &AssetPath) -> Result<TableName> {
        naming!(self, self.session.resolve(path))
    }

    async fn create_user(&mut self, credentials: &Credentials) -> Result<Created> {
        naming!(self, self.session.create_user(credentials))
    }

    async fn set_password(&mut self, credentials: &Credentials) -> Result<()> {
        naming!(self, self.session.set_password(credentials))
    }

    async fn grant(&mut self, user: &UserName, table: &TableName, take_back: &[TableName]) -> Result<()> {
        naming!(self, self.session.grant(user, table, take_back))
    }

    async fn revoke(&mut self, user: &UserName, tables: &[TableName]) -> Result<()> {
        naming!(self, self.session.revoke(user, tables))
    }

    async fn drop_user(&mut self, user: &UserName) -> Result<()> {
        naming!(self, self.session.drop_user(user))
    }

    async fn reads(&mut self, user: &UserName, table: &TableName) -> Result<Reads> {
        naming!(self, self.session.reads(user, table))
    }

    async fn excess(&mut self, user: &UserName, granted: &[TableName], limit: usize) -> Result<Vec<String>> {
        naming!(self, self.session.excess(user, granted, limit))
    }

    async fn user_exists(&mut self, user: &UserName) -> Result<bool> {
        naming!(self, self.session.user_exists(user))
    }

    async fn users(&mut self, prefix: &str) -> Result<Vec<UserName>> {
        naming!(self, self.session.users(prefix))
    }

    async fn granted(&mut self, user: &UserName) -> Result<Vec<TableName>> {
        naming!(self, self.session.granted(user))
    }

    async fn close(self: Box<Self>) -> Result<()> {
        let Self { source, session } = *self;
        session.close().await.map_err(|error| error.on_source(source))
    }
}
