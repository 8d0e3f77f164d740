//! What every rule works with.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::promises::{CONNECT, CREATE, CREATED_NEW, FIXTURE, GRANT};
use super::{Attempt, Attempted, EngineFixture, UserSession};
use crate::engine::{Created, EngineConnector, Lock, LockKey, Login, Reads, SourceEngine};
use crate::model::{AssetPath, ConnectionId, Credentials, EnvironmentId, Source, SourceKey, TableName, UserName};
use crate::testkit::{Failure, Promise};
use crate::{Deadline, Result, Secret};

/// What a rule, or a step of one, answers.
pub(super) type Outcome<T = ()> = std::result::Result<T, Failure>;

type Running<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// No rule takes longer, or it hangs.
const RULE_LIMIT: Duration = Duration::from_secs(120);

/// Enough for whatever is expected to work.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// Enough for a lock that is free, or soon will be.
pub(super) const LOCK_PATIENCE: Duration = Duration::from_secs(8);

/// How long a locked session may be silent, where that is not what a rule is about.
pub(super) const HOLD: Duration = Duration::from_secs(60);

/// Runs a rule, and removes what it has made.
pub(super) async fn run(
    fixture: &dyn EngineFixture,
    promise: Promise,
    rule: impl for<'a> FnOnce(&'a mut Lab<'_>) -> Running<'a> + Send,
) -> Outcome {
    let mut lab = Lab::new(fixture).await?;
    let result = match tokio::time::timeout(RULE_LIMIT, rule(&mut lab)).await {
        Ok(result) => result,
        Err(_) => Err(promise.broken(format!("after {RULE_LIMIT:?}, a call has still not answered"))),
    };
    let cleaned = lab.clean().await;
    result.and(cleaned)
}

/// A rule's own tables and users, and a session as admin.
pub(super) struct Lab<'f> {
    pub(super) fixture: &'f dyn EngineFixture,
    pub(super) connector: Arc<dyn EngineConnector>,
    pub(super) source: Source,
    /// Never locked: a mutex makes the session something that references can be shared of.
    admin: Mutex<Box<dyn SourceEngine>>,
    /// In every name that this rule makes up.
    tag: String,
    counter: AtomicUsize,
    tables: Mutex<Vec<TableName>>,
    users: Mutex<Vec<UserName>>,
}

impl<'f> Lab<'f> {
    async fn new(fixture: &'f dyn EngineFixture) -> Outcome<Self> {
        let connector = fixture.connector();
        let source = fixture.source();
        let admin = connect(connector.as_ref(), &source).await?;
        Ok(Self {
            fixture,
            connector,
            source,
            admin: Mutex::new(admin),
            tag: format!("{:06x}", rand::random::<u32>() & 0x00ff_ffff),
            counter: AtomicUsize::new(0),
            tables: Mutex::default(),
            users: Mutex::default(),
        })
    }

    async fn clean(self) -> Outcome {
        let Self { fixture, admin, tables, users, .. } = self;
        drop(admin);
        // Whatever fails, the rest is removed.
        let mut cleaned = Ok(());
        for user in users.into_inner().unwrap_or_else(PoisonError::into_inner) {
            cleaned = cleaned.and(FIXTURE.answer("remove_user", fixture.remove_user(&user).await));
        }
        for table in tables.into_inner().unwrap_or_else(PoisonError::into_inner) {
            cleaned = cleaned.and(FIXTURE.answer("drop_table", fixture.drop_table(&table).await));
        }
        cleaned
    }

    /// The session as admin.
    pub(super) fn admin(&mut self) -> &mut dyn SourceEngine {
        self.admin.get_mut().unwrap_or_else(PoisonError::into_inner).as_mut()
    }

    /// What tells this rule's names from all others.
    pub(super) fn tag(&self) -> &str {
        &self.tag
    }

    fn number(&self) -> usize {
        self.counter.fetch_add(1, Ordering::Relaxed)
    }

    /// Another session as admin.
    pub(super) async fn connect(&self) -> Outcome<Box<dyn SourceEngine>> {
        connect(self.connector.as_ref(), &self.source).await
    }

    /// A lock that nobody else takes.
    pub(super) fn key(&self) -> Outcome<LockKey> {
        let name = format!("{}-{}", self.tag, self.number());
        let key = FIXTURE.answer("ConnectionId::new", ConnectionId::new(&name)).and_then(|connection| {
            let environment = FIXTURE.answer("EnvironmentId::new", EnvironmentId::new(&name))?;
            Ok(SourceKey { connection, environment })
        })?;
        Ok(LockKey::new(&key))
    }

    /// A table's name that is not in use. Nothing is made; it is dropped in the end.
    pub(super) fn name(&self, hint: &str) -> TableName {
        self.exact_name(&format!("{hint}_{}_{}", self.tag, self.number()))
    }

    /// The table of this name. Nothing is made; it is dropped in the end.
    pub(super) fn exact_name(&self, name: &str) -> TableName {
        let table = self.fixture.table(name);
        self.tables.lock().unwrap_or_else(PoisonError::into_inner).push(table.clone());
        table
    }

    /// Makes a table with two rows.
    pub(super) async fn table(&self, hint: &str) -> Outcome<TableName> {
        let table = self.name(hint);
        self.make(&table).await?;
        Ok(table)
    }

    /// Makes this table, with two rows.
    pub(super) async fn make(&self, table: &TableName) -> Outcome {
        FIXTURE.answer(&format!("create_table({table})"), self.fixture.create_table(table).await)
    }

    /// Drops this table behind the engine's back.
    pub(super) async fn unmake(&self, table: &TableName) -> Outcome {
        FIXTURE.answer(&format!("drop_table({table})"), self.fixture.drop_table(table).await)
    }

    /// The path that a catalogue would have for a table.
    pub(super) fn path(table: &TableName) -> Outcome<AssetPath> {
        FIXTURE.answer("AssetPath::new", AssetPath::new(table.joined()))
    }

    /// Credentials of a user that does not exist.
    pub(super) fn nobody(&self, hint: &str) -> Outcome<Credentials> {
        self.nobody_named(&format!("dzk_{}_{}_{hint}", self.tag, self.number()))
    }

    /// Credentials of a user of this name; it is removed in the end.
    pub(super) fn nobody_named(&self, name: &str) -> Outcome<Credentials> {
        let user = FIXTURE.answer("UserName::new", UserName::new(name))?;
        let user = self.connector.fold_user_name(user);
        self.users.lock().unwrap_or_else(PoisonError::into_inner).push(user.clone());
        Ok(Credentials {
            endpoint: self.source.endpoint.clone(),
            database: self.source.endpoint.database().map(str::to_owned),
            user,
            password: password(),
            ssl: Some(self.source.tls.is_encrypted()),
        })
    }

    /// A user that the engine has made.
    pub(super) async fn user(&mut self, hint: &str) -> Outcome<Credentials> {
        let user = self.nobody(hint)?;
        self.create(&user).await?;
        Ok(user)
    }

    /// Lets the engine make this user.
    pub(super) async fn create(&mut self, credentials: &Credentials) -> Outcome {
        let call = format!("create_user({})", credentials.user);
        let created = CREATE.answer(&call, self.admin().create_user(credentials).await)?;
        CREATED_NEW
            .unless(created == Created::New, || format!("{call} answered {created:?} for a user that was not there"))
    }

    /// A user that the engine has made and granted these tables.
    pub(super) async fn reader(&mut self, hint: &str, tables: &[&TableName]) -> Outcome<Credentials> {
        let user = self.user(hint).await?;
        for table in tables {
            self.grant(&user, table).await?;
        }
        Ok(user)
    }

    /// Lets the engine grant a table.
    pub(super) async fn grant(&mut self, user: &Credentials, table: &TableName) -> Outcome {
        GRANT.answer(&format!("grant({}, {table}, [])", user.user), self.admin().grant(&user.user, table, &[]).await)
    }

    /// What the source's catalogue has for a user.
    pub(super) async fn privileges(&self, user: &Credentials) -> Outcome<Vec<String>> {
        FIXTURE.answer("privileges", self.fixture.privileges(&user.user).await)
    }

    /// Logs in past the engine; `None` if that is refused.
    pub(super) async fn try_open(&self, user: &Credentials) -> Outcome<Option<Client>> {
        let session = FIXTURE.answer(&format!("open({})", user.user), self.fixture.open(user).await)?;
        Ok(session.map(|session| Client { session, user: user.user.clone() }))
    }

    /// Logs in past the engine; that must work.
    pub(super) async fn open(&self, promise: Promise, when: &str, user: &Credentials) -> Outcome<Client> {
        self.try_open(user)
            .await?
            .ok_or_else(|| promise.broken(format!("{when}, an ordinary client of {} was refused", user.user)))
    }

    /// Logs in past the engine, and then by its `log_in`; neither may work.
    pub(super) async fn must_be_refused(&self, promise: Promise, when: &str, user: &Credentials) -> Outcome {
        let refused = self.try_open(user).await?.is_none();
        promise.unless(refused, || format!("{when}, an ordinary client of {} still logged in", user.user))?;
        let answer = self.log_in(user, None).await?;
        promise.unless(answer == Login::Refused, || format!("{when}, log_in({}) answered {answer:?}", user.user))
    }

    /// What the engine says about a login.
    pub(super) async fn log_in(&self, user: &Credentials, table: Option<&TableName>) -> Outcome<Login> {
        let login = self.connector.log_in(&self.source, user, table, Deadline::within(PATIENCE)).await;
        super::promises::LOG_IN.answer(&format!("log_in({})", user.user), login)
    }

    /// The user reads the table: a new session of its own does, and the engine says so.
    pub(super) async fn must_read(
        &mut self,
        promise: Promise,
        when: &str,
        user: &Credentials,
        table: &TableName,
    ) -> Outcome {
        self.open(promise, when, user).await?.must_read(promise, when, table).await?;
        let reads = self.reads(promise, user, table).await?;
        let fits = match reads {
            Reads::Yes(_) => self.fixture.tells_reads(),
            Reads::CannotTell(_) => !self.fixture.tells_reads(),
            Reads::No => false,
        };
        promise.unless(fits, || format!("{when}, {} reads {table}, but `reads` answered {reads:?}", user.user))
    }

    /// The user does not read the table: a new session of its own does not, and the engine says so.
    pub(super) async fn must_not_read(
        &mut self,
        promise: Promise,
        when: &str,
        user: &Credentials,
        table: &TableName,
    ) -> Outcome {
        self.open(promise, when, user).await?.must_be_denied(promise, when, &Attempt::Read(table.clone())).await?;
        let reads = self.reads(promise, user, table).await?;
        let fits = match reads {
            Reads::No => true,
            Reads::CannotTell(_) => !self.fixture.tells_reads(),
            Reads::Yes(_) => false,
        };
        promise.unless(fits, || format!("{when}, {} cannot read {table}, but `reads` answered {reads:?}", user.user))
    }

    /// What the engine says about reading.
    pub(super) async fn reads(&mut self, promise: Promise, user: &Credentials, table: &TableName) -> Outcome<Reads> {
        promise.answer(&format!("reads({}, {table})", user.user), self.admin().reads(&user.user, table).await)
    }

    /// Whether the user exists, by the engine and by the source.
    pub(super) async fn must_exist(&mut self, promise: Promise, when: &str, user: &UserName, exists: bool) -> Outcome {
        let found = promise.answer("user_exists", self.admin().user_exists(user).await)?;
        promise.unless(found == exists, || format!("{when}, user_exists({user}) answered {found}"))
    }

    /// Takes a lock on another session; `false` if the source has none, and says so.
    pub(super) async fn lock(
        &self,
        promise: Promise,
        session: &mut dyn SourceEngine,
        key: &LockKey,
        hold: Duration,
    ) -> Outcome<bool> {
        let lock = promise.answer("lock", session.lock(key, LOCK_PATIENCE, hold).await)?;
        match lock {
            Lock::Held => {
                let fits = self.fixture.has_locks();
                promise.unless(fits, || "the fixture says that the source has no locks; lock answered Held".into())?;
                Ok(true)
            }
            Lock::Unsupported(why) => {
                let fits = !self.fixture.has_locks() && !why.is_empty();
                super::promises::LOCK_UNSUPPORTED
                    .unless(fits, || format!("lock answered Unsupported({why:?}) on a source that has locks"))?;
                Ok(false)
            }
        }
    }
}

/// A consumer's session.
pub(super) struct Client {
    session: Box<dyn UserSession>,
    user: UserName,
}

impl Client {
    pub(super) async fn attempt(&mut self, attempt: &Attempt) -> Outcome<Attempted> {
        FIXTURE.answer(&format!("attempt({attempt:?})"), self.session.attempt(attempt).await)
    }

    pub(super) async fn must_read(&mut self, promise: Promise, when: &str, table: &TableName) -> Outcome {
        let found = self.attempt(&Attempt::Read(table.clone())).await?;
        promise.unless(found == Attempted::Did(2), || {
            format!("{when}, {} reads {table} in a session of its own: {found:?} instead of the 2 rows", self.user)
        })
    }

    pub(super) async fn must_be_denied(&mut self, promise: Promise, when: &str, attempt: &Attempt) -> Outcome {
        let found = self.attempt(attempt).await?;
        promise.unless(found == Attempted::Denied, || {
            format!("{when}, {} tries {attempt:?} in a session of its own: {found:?} instead of Denied", self.user)
        })
    }
}

/// A password as dzconn makes them, never twice the same.
pub(super) fn password() -> Secret {
    Secret::new(format!("Kit-{:026x}", rand::random::<u128>() >> 24))
}

async fn connect(connector: &dyn EngineConnector, source: &Source) -> Outcome<Box<dyn SourceEngine>> {
    CONNECT.answer("connect", connector.connect(source, Deadline::within(PATIENCE)).await)
}

/// Whether the error means that session or lock are gone.
pub(super) fn is_lost<T>(result: &Result<T>) -> bool {
    use crate::ErrorKind::{ConnectionLost, LockLost};
    result.as_ref().is_err_and(|error| matches!(error.kind(), LockLost | ConnectionLost))
}
