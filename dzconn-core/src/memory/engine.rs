//! An in-memory source, and the engine that serves it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::engine::{Action, Created, EngineConnector, Lock, LockKey, Login, Reads, SourceEngine};
use crate::model::{
    AdminLogin, AssetPath, ConnectionId, Credentials, Source, SourceEndpoint, TableName, Target, Tls, UserName,
};
use crate::{Deadline, Error, ErrorKind, Result, Secret};

mod database;

pub use database::{MemoryDatabase, MemoryRead, MemorySessionId};

const MAX_USER_NAME: usize = 128;

/// A source in this process's memory, and the connector to it: one server with one [`MemoryDatabase`]. Clones share it.
///
/// It behaves as [`EngineConnector`] and [`SourceEngine`] promise, sessions, waiting for locks and silent sessions
/// included, so that an application can be tried and tested without a server.
///
/// ```
/// use dzconn_core::memory::MemoryEngine;
/// use dzconn_core::model::{Credentials, TableName, UserName};
/// use dzconn_core::{Deadline, EngineConnector, Secret};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
/// # runtime.block_on(async {
/// let engine = MemoryEngine::new();
/// let table = TableName::in_schema("memory", "hr", "employees")?;
/// engine.add_table(&table);
///
/// let source = engine.source();
/// let consumer = Credentials {
///     endpoint: source.endpoint.clone(),
///     database: None,
///     user: UserName::new("dz_finance")?,
///     password: Secret::new("a password".to_owned()),
///     ssl: None,
/// };
/// let mut session = engine.connect(&source, Deadline::within(std::time::Duration::from_secs(1))).await?;
/// session.create_user(&consumer).await?;
/// assert!(!engine.read_as(&consumer, &table));
/// session.grant(&consumer.user, &table, &[]).await?;
/// assert!(engine.read_as(&consumer, &table));
/// # Ok::<_, dzconn_core::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct MemoryEngine(Arc<Server>);

struct Server {
    source: Source,
    state: Mutex<State>,
    /// Rung whenever a lock may have become free.
    freed: Notify,
    next_session: AtomicU64,
}

#[derive(Default)]
struct State {
    database: MemoryDatabase,
    /// The admin's sessions that live, and when the server ends each of those that hold a lock.
    admins: BTreeMap<MemorySessionId, Option<Silence>>,
}

#[derive(Clone, Copy)]
struct Silence {
    since: Instant,
    allowed: Duration,
}

impl MemoryEngine {
    /// An empty source, at an address and with an admin of its own: see [`source`](Self::source).
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty source that is reached in this way.
    #[must_use]
    pub fn for_source(source: Source) -> Self {
        Self(Arc::new(Server {
            source,
            state: Mutex::default(),
            freed: Notify::new(),
            next_session: AtomicU64::new(0),
        }))
    }

    /// How the source is reached.
    pub fn source(&self) -> Source {
        self.0.source.clone()
    }

    /// Makes a table with two rows.
    pub fn add_table(&self, table: &TableName) {
        self.with(|database| database.add_table(table.clone(), 2));
    }

    /// Drops a table.
    pub fn drop_table(&self, table: &TableName) {
        self.with(|database| database.drop_table(table));
    }

    /// Lets everybody read a table.
    pub fn grant_to_public(&self, table: &TableName) {
        self.with(|database| database.grant_to_public(table));
    }

    /// From now on, granting this table fails with [`ErrorKind::NoGrantOption`].
    pub fn forbid_grant_option(&self, table: &TableName) {
        self.with(|database| database.forbid_grant_option(table));
    }

    /// Whether these credentials log in, now, and read the table.
    pub fn read_as(&self, credentials: &Credentials, table: &TableName) -> bool {
        matches!(self.with(|database| database.log_in(credentials, Some(table))), Login::In(Some(Reads::Yes(_))))
    }

    /// Logs a consumer in.
    ///
    /// # Errors
    /// [`ErrorKind::UserLoginRefused`].
    pub fn open(&self, credentials: &Credentials) -> Result<MemoryClient> {
        let session = self.0.new_session();
        if self.with(|database| database.open(session, credentials)) {
            Ok(MemoryClient { server: Arc::clone(&self.0), session })
        } else {
            Err(Error::new(ErrorKind::UserLoginRefused, format!("{} cannot log in", credentials.user))
                .on_source(&self.0.source))
        }
    }

    /// Takes a lock away from whoever holds it.
    pub fn break_lock(&self, key: &LockKey) {
        self.with(|database| database.break_lock(key));
        self.0.freed.notify_waiters();
    }

    /// Looks at the database, or changes it, behind every session's back.
    pub fn with<T>(&self, work: impl FnOnce(&mut MemoryDatabase) -> T) -> T {
        work(&mut self.0.state().database)
    }

    /// What the database holds now.
    pub fn snapshot(&self) -> MemoryDatabase {
        self.with(|database| database.clone())
    }

    fn reach(&self, source: &Source) -> Result<()> {
        if source.endpoint == self.0.source.endpoint {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Unreachable, "no in-memory source has this address")
            .on_source(source)
            .advise("take the address from MemoryEngine::source"))
    }
}

impl Default for MemoryEngine {
    fn default() -> Self {
        let connection = ConnectionId::new("memory");
        Self::for_source(Source {
            connection: connection.unwrap_or_else(|_| unreachable!("a legal id")),
            endpoint: SourceEndpoint {
                subprotocol: "memory".to_owned(),
                host: "localhost".to_owned(),
                port: 1,
                instance: None,
                target: Target::Database("memory".to_owned()),
            },
            admin: AdminLogin { user: "admin".to_owned(), password: Secret::new("admin's password".to_owned()) },
            tls: Tls::Disable,
        })
    }
}

impl fmt::Debug for MemoryEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MemoryEngine").field(&self.0.source.endpoint).finish()
    }
}

impl Server {
    /// The state, after the server has ended the sessions that were silent for too long.
    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let State { database, admins } = &mut *state;
        admins.retain(|session, silence| {
            let lives = silence.is_none_or(|silence| now < silence.ends());
            if !lives {
                database.close(*session);
            }
            lives
        });
        state
    }

    fn new_session(&self) -> MemorySessionId {
        MemorySessionId(self.next_session.fetch_add(1, Ordering::Relaxed))
    }

    fn close(&self, session: MemorySessionId) {
        let mut state = self.state();
        state.admins.remove(&session);
        state.database.close(session);
        drop(state);
        self.freed.notify_waiters();
    }
}

impl Silence {
    fn ends(self) -> Instant {
        self.since + self.allowed
    }
}

#[async_trait]
impl EngineConnector for MemoryEngine {
    fn subprotocols(&self) -> &'static [&'static str] {
        &["memory"]
    }

    fn max_user_name(&self) -> usize {
        MAX_USER_NAME
    }

    async fn connect(&self, source: &Source, _deadline: Deadline) -> Result<Box<dyn SourceEngine>> {
        self.reach(source)?;
        if source.admin != self.0.source.admin {
            return Err(Error::new(ErrorKind::AdminLoginRefused, format!("{:?} cannot log in", source.admin.user))
                .on_source(source));
        }
        let session = self.0.new_session();
        self.0.state().admins.insert(session, None);
        Ok(Box::new(MemorySession { server: Arc::clone(&self.0), session, held: None }))
    }

    async fn log_in(
        &self,
        source: &Source,
        credentials: &Credentials,
        table: Option<&TableName>,
        _deadline: Deadline,
    ) -> Result<Login> {
        self.reach(source)?;
        Ok(self.with(|database| database.log_in(credentials, table)))
    }

    fn statements(&self, _source: &Source, action: &Action) -> Vec<String> {
        match action {
            Action::CreateUser(user) => vec![format!("create user {user} with <password>")],
            Action::SetPassword(user) => vec![format!("set password of {user} to <password>")],
            Action::Grant { user, table, take_back } => {
                let mut lines = vec![format!("grant read on {table} to {user}")];
                lines.extend(take_back.iter().map(|table| format!("revoke read on {table} from {user}")));
                lines
            }
            Action::Revoke { user, tables } => {
                tables.iter().map(|table| format!("revoke read on {table} from {user}")).collect()
            }
            Action::DropUser(user) => vec![
                format!("disable user {user}"),
                format!("revoke everything from {user}"),
                format!("end sessions of {user}"),
                format!("drop user {user}"),
            ],
        }
    }
}

/// An admin's session.
struct MemorySession {
    server: Arc<Server>,
    session: MemorySessionId,
    held: Option<LockKey>,
}

impl fmt::Debug for MemorySession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemorySession")
            .field("session", &self.session.0)
            .field("held", &self.held)
            .finish_non_exhaustive()
    }
}

impl Drop for MemorySession {
    fn drop(&mut self) {
        self.server.close(self.session);
    }
}

impl MemorySession {
    /// The state, if the server has not ended this session. Asking breaks its silence.
    fn state(&self) -> Result<MutexGuard<'_, State>> {
        let mut state = self.server.state();
        match state.admins.get_mut(&self.session) {
            Some(silence) => {
                if let Some(silence) = silence {
                    silence.since = Instant::now();
                }
                Ok(state)
            }
            None => Err(Error::new(ErrorKind::ConnectionLost, "the source has ended this session")
                .on_source(&self.server.source)),
        }
    }

    fn look<T>(&self, work: impl FnOnce(&MemoryDatabase) -> T) -> Result<T> {
        Ok(work(&self.state()?.database))
    }

    fn change<T>(&self, work: impl FnOnce(&mut MemoryDatabase) -> Result<T>) -> Result<T> {
        let mut state = self.state()?;
        match &self.held {
            Some(key) if !state.database.holds(self.session, key) => {
                Err(Error::new(ErrorKind::LockLost, "this session's lock was taken away")
                    .on_source(&self.server.source))
            }
            _ => work(&mut state.database).map_err(|error| error.on_source(&self.server.source)),
        }
    }

    /// Takes the lock, or says when it is worth to try again.
    fn try_lock(&mut self, key: &LockKey, hold: Duration) -> Result<Option<Instant>> {
        let mut state = self.state()?;
        if state.database.lock(self.session, key) {
            let silence = Silence { since: Instant::now(), allowed: hold };
            state.admins.insert(self.session, Some(silence));
            drop(state);
            self.held = Some(key.clone());
            return Ok(None);
        }
        let now = Instant::now();
        let first = state.admins.values().flatten().map(|silence| silence.ends()).min();
        Ok(Some(first.unwrap_or(now + Duration::from_secs(1))))
    }
}

#[async_trait]
impl SourceEngine for MemorySession {
    async fn lock(&mut self, key: &LockKey, wait: Duration, hold: Duration) -> Result<Lock> {
        let server = Arc::clone(&self.server);
        let deadline = Instant::now() + wait;
        loop {
            let mut freed = Box::pin(server.freed.notified());
            // Listens from before the attempt, so that a lock that is freed in between is not missed.
            freed.as_mut().enable();
            let Some(again) = self.try_lock(key, hold)? else { return Ok(Lock::Held) };
            if Instant::now() >= deadline {
                return Err(Error::new(ErrorKind::LockTimeout, format!("another session held {key:?} for {wait:?}"))
                    .on_source(&server.source));
            }
            // Whether it was freed or the time is up: the next round finds out.
            let _ = tokio::time::timeout_at(deadline.min(again), freed).await;
        }
    }

    async fn unlock(&mut self) -> Result<()> {
        let mut state = self.state()?;
        state.database.unlock(self.session);
        state.admins.insert(self.session, None);
        drop(state);
        self.held = None;
        self.server.freed.notify_waiters();
        Ok(())
    }

    async fn resolve(&mut self, path: &AssetPath) -> Result<TableName> {
        self.look(|database| database.resolve(path))?.map_err(|error| error.on_source(&self.server.source))
    }

    async fn create_user(&mut self, credentials: &Credentials) -> Result<Created> {
        if credentials.user.as_str().len() > MAX_USER_NAME {
            let text = format!("user names have at most {MAX_USER_NAME} bytes");
            return Err(Error::new(ErrorKind::NameTooLong, text).on_source(&self.server.source));
        }
        self.change(|database| Ok(database.create_user(credentials)))
    }

    async fn set_password(&mut self, credentials: &Credentials) -> Result<()> {
        self.change(|database| database.set_password(credentials))
    }

    async fn grant(&mut self, user: &UserName, table: &TableName, take_back: &[TableName]) -> Result<()> {
        self.change(|database| database.grant(user, table, take_back))
    }

    async fn revoke(&mut self, user: &UserName, tables: &[TableName]) -> Result<()> {
        self.change(|database| database.revoke(user, tables))
    }

    async fn drop_user(&mut self, user: &UserName) -> Result<()> {
        self.change(|database| database.drop_user(user))
    }

    async fn reads(&mut self, user: &UserName, table: &TableName) -> Result<Reads> {
        self.look(|database| database.reads(user, table))
    }

    async fn excess(&mut self, user: &UserName, granted: &[TableName], limit: usize) -> Result<Vec<String>> {
        self.look(|database| database.excess(user, granted, limit))
    }

    async fn user_exists(&mut self, user: &UserName) -> Result<bool> {
        self.look(|database| database.user_exists(user))
    }

    async fn users(&mut self, prefix: &str) -> Result<Vec<UserName>> {
        self.look(|database| database.users().filter(|user| user.as_str().starts_with(prefix)).cloned().collect())
    }

    async fn granted(&mut self, user: &UserName) -> Result<Vec<TableName>> {
        self.look(|database| database.granted(user).cloned().collect())
    }

    async fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

/// A consumer's session on a [`MemoryEngine`]. Dropping it logs out.
pub struct MemoryClient {
    server: Arc<Server>,
    session: MemorySessionId,
}

impl MemoryClient {
    /// Reads a table, now.
    pub fn read(&self, table: &TableName) -> MemoryRead {
        self.server.state().database.read(self.session, table)
    }
}

impl fmt::Debug for MemoryClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MemoryClient").field(&self.session.0).finish()
    }
}

impl Drop for MemoryClient {
    fn drop(&mut self) {
        self.server.close(self.session);
    }
}
