//! How to add an engine to dzconn: a complete one in this file, for a database that is a folder of CSV files.
//!
//! To add yours, copy this file and `tests/conformance.rs`, and put your database in the place of `database.rs`. There are
//! three things to write:
//!
//! 1. **What is done** (`steps`): each action of dzconn as a list of steps in your database's language. What is shown to
//!    an operator and what is run are the same list.
//! 2. **The connector** ([`CsvFolders`]): how to log in, as admin and as a consumer.
//! 3. **The session**: the lock, the steps, and how to look what came of them.
//!
//! The conformance suite says in the traits' own words what is still wrong. Then an application registers the engine like
//! any other:
//!
//! ```
//! let engines = dzconn_core::Engines::new().with(dzconn_custom_engine::CsvFolders);
//! ```

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dzconn_core::engine::{Action, Created, Lock, LockKey, Login, Reads};
use dzconn_core::model::{AssetPath, Credentials, Source, TableName, Target, UserName};
use dzconn_core::{Deadline, EngineConnector, Error, ErrorKind, Result, Secret, SourceEngine};
use tokio::time::Instant;

pub mod database;

use database::{Catalog, Client, Folder, Refusal, User};

// ------------------------------------------------------------------------------------------------ 1. what is done

/// A change of the database. Yours would be a statement: a text, made of quoted names.
#[derive(Clone, Debug)]
enum Step {
    /// Make the user, or enable it again.
    Ensure(UserName),
    SetPassword(UserName),
    Grant(UserName, TableName),
    Revoke(UserName, TableName),
    Disable(UserName),
    EndSessions(UserName),
    Drop(UserName),
}

/// The steps of an action, in order.
fn steps(action: &Action) -> Vec<Step> {
    match action.clone() {
        Action::CreateUser(user) => vec![Step::Ensure(user)],
        Action::SetPassword(user) => vec![Step::SetPassword(user)],
        Action::Grant { user, table, take_back } => {
            let grant = Step::Grant(user.clone(), table);
            take_back.into_iter().map(|table| Step::Revoke(user.clone(), table)).chain([grant]).collect()
        }
        Action::Revoke { user, tables } => tables.into_iter().map(|table| Step::Revoke(user.clone(), table)).collect(),
        // No new logins first, or a client that reconnects slips in between. What a user may read is part of the user
        // here, and goes with it; where that is not so, everything is revoked before.
        Action::DropUser(user) => vec![Step::Disable(user.clone()), Step::EndSessions(user.clone()), Step::Drop(user)],
    }
}

/// What an operator is shown. Never a password.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ensure(user) => write!(f, "ensure user {:?} with <password>", user.as_str()),
            Self::SetPassword(user) => write!(f, "set password of {:?} to <password>", user.as_str()),
            Self::Grant(user, table) => write!(f, "let {:?} read {:?}", user.as_str(), table.name()),
            Self::Revoke(user, table) => write!(f, "let {:?} not read {:?}", user.as_str(), table.name()),
            Self::Disable(user) => write!(f, "disable user {:?}", user.as_str()),
            Self::EndSessions(user) => write!(f, "end sessions of {:?}", user.as_str()),
            Self::Drop(user) => write!(f, "drop user {:?}", user.as_str()),
        }
    }
}

impl Step {
    /// What is run. A step whose effect is there already has succeeded.
    fn run(&self, catalog: &mut Catalog, password: Option<&Secret>) -> Result<()> {
        match self {
            Self::Ensure(user) => {
                let mut new = User::default();
                if let Some(password) = password {
                    new.set_password(password.expose());
                }
                catalog.users.entry(user.to_string()).or_insert(new).disabled = false;
            }
            Self::SetPassword(user) => {
                let user = catalog.users.get_mut(user.as_str()).ok_or_else(|| no_user(user))?;
                if let Some(password) = password {
                    user.set_password(password.expose());
                }
            }
            Self::Grant(user, table) => {
                if !catalog.tables.contains_key(table.name()) {
                    return Err(Error::new(ErrorKind::TableNotFound, format!("no table {table}"))
                        .advise("check that the table is still in the folder"));
                }
                let user = catalog.users.get_mut(user.as_str()).ok_or_else(|| no_user(user))?;
                user.reads.insert(table.name().to_owned());
            }
            Self::Revoke(user, table) => {
                if let Some(user) = catalog.users.get_mut(user.as_str()) {
                    user.reads.remove(table.name());
                }
            }
            Self::Disable(user) => {
                if let Some(user) = catalog.users.get_mut(user.as_str()) {
                    user.disabled = true;
                }
            }
            Self::EndSessions(user) => catalog.sessions.retain(|_, name| name != user.as_str()),
            Self::Drop(user) => {
                catalog.users.remove(user.as_str());
            }
        }
        Ok(())
    }
}

fn no_user(user: &UserName) -> Error {
    Error::new(ErrorKind::NotFound, format!("no user {user}"))
}

// ------------------------------------------------------------------------------------------------ 2. the connector

/// The engine for `jdbc:csvfolder:` sources: the endpoint's database is the folder's path.
#[derive(Clone, Copy, Debug, Default)]
pub struct CsvFolders;

/// In bytes.
const MAX_USER_NAME: usize = 100;

#[async_trait]
impl EngineConnector for CsvFolders {
    fn subprotocols(&self) -> &'static [&'static str] {
        &["csvfolder"]
    }

    fn max_user_name(&self) -> usize {
        MAX_USER_NAME
    }

    async fn connect(&self, source: &Source, deadline: Deadline) -> Result<Box<dyn SourceEngine>> {
        let admin = source.admin.clone();
        let client = log_in(source, admin.user.clone(), admin.password, deadline).await?;
        let client = client.ok_or_else(|| {
            Error::new(ErrorKind::AdminLoginRefused, format!("{:?} is not let in", admin.user)).on_source(source)
        })?;
        Ok(Box::new(Session { client: Arc::new(client), source: source.clone(), lock: None }))
    }

    async fn log_in(
        &self,
        source: &Source,
        credentials: &Credentials,
        table: Option<&TableName>,
        deadline: Deadline,
    ) -> Result<Login> {
        let client = log_in(source, credentials.user.to_string(), credentials.password.clone(), deadline).await?;
        let Some(client) = client else { return Ok(Login::Refused) };
        let Some(name) = table.map(|table| table.name().to_owned()) else { return Ok(Login::In(None)) };
        let rows = blocking(source, move || client.read(&name)).await?;
        Ok(Login::In(Some(if rows.is_ok() { Reads::Yes(vec!["its own right".to_owned()]) } else { Reads::No })))
    }

    fn statements(&self, _source: &Source, action: &Action) -> Vec<String> {
        steps(action).iter().map(ToString::to_string).collect()
    }
}

async fn log_in(source: &Source, user: String, password: Secret, deadline: Deadline) -> Result<Option<Client>> {
    let path = match &source.endpoint.target {
        Target::Database(path) => PathBuf::from(path),
        _ => return Err(Error::new(ErrorKind::InvalidConfig, "the URL names no folder").on_source(source)),
    };
    // A deadline is for the whole of it, not for each step.
    let login = blocking(source, move || Folder::open(&path)?.log_in(&user, password.expose()));
    deadline.run("logging in", login).await.map_err(|error| error.on_source(source))
}

/// A driver that blocks must not block the others: it runs on a thread of its own.
async fn blocking<T: Send + 'static>(
    source: &Source,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T> {
    let result = tokio::task::spawn_blocking(work).await.unwrap_or_else(|panicked| Err(panicked.into()));
    // Codes decide, never texts. A real engine has one table of them, in a module of its own.
    result.map_err(|error| {
        let kind = match error.kind() {
            io::ErrorKind::NotFound => ErrorKind::Unreachable,
            io::ErrorKind::PermissionDenied => ErrorKind::AdminDenied,
            io::ErrorKind::ReadOnlyFilesystem => ErrorKind::ReadOnly,
            _ => ErrorKind::Unexpected,
        };
        Error::new(kind, "the folder cannot be used").vendor(error.kind().to_string()).on_source(source).because(error)
    })
}

// ------------------------------------------------------------------------------------------------ 3. the session

/// The admin's session. It owns its connection, and with it the lock: dropping it ends both.
#[derive(Debug)]
struct Session {
    client: Arc<Client>,
    source: Source,
    lock: Option<Arc<HeldLock>>,
}

/// A locked file. The system unlocks it when it is closed, however this process ends.
#[derive(Debug)]
struct HeldLock {
    key: LockKey,
    path: PathBuf,
    token: String,
    _file: File,
}

impl HeldLock {
    /// Takes the lock if nobody has it.
    fn take(path: &Path, key: &LockKey) -> io::Result<Option<Self>> {
        let mut file = File::options().write(true).create(true).truncate(false).open(path)?;
        if file.try_lock().is_err() {
            return Ok(None);
        }
        let token = format!("{:032x}", rand::random::<u128>());
        file.set_len(0)?;
        file.write_all(token.as_bytes())?;
        let held = Self { key: key.clone(), path: path.to_owned(), token, _file: file };
        // Somebody may have put another file there before this one was locked.
        Ok(held.is_held().then_some(held))
    }

    /// Whoever wants to take it away by force removes the file.
    fn is_held(&self) -> bool {
        fs::read_to_string(&self.path).is_ok_and(|token| token == self.token)
    }
}

impl Session {
    /// One transaction: nothing is done unless this session is alive and has the lock that it took.
    async fn transaction<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Catalog) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (client, lock) = (Arc::clone(&self.client), self.lock.clone());
        let done = blocking(&self.source, move || {
            client.transaction(|_, catalog| match lock {
                Some(lock) if !lock.is_held() => Err(Error::new(ErrorKind::LockLost, "the lock was taken away")),
                _ => {
                    let before = catalog.clone();
                    // A step that fails takes those before it along.
                    work(catalog).inspect_err(|_| *catalog = before)
                }
            })
        });
        let result = done.await?.unwrap_or_else(|refusal| {
            Err(match refusal {
                Refusal::Ended => Error::new(ErrorKind::ConnectionLost, "the session was ended"),
                Refusal::Denied => Error::new(ErrorKind::AdminDenied, "the admin may not do this"),
            })
        });
        result.map_err(|error| error.on_source(&self.source))
    }

    /// Runs the very steps that are shown for an action.
    async fn run(&self, action: Action, password: Option<Secret>) -> Result<()> {
        self.transaction(move |catalog| steps(&action).iter().try_for_each(|step| step.run(catalog, password.as_ref())))
            .await
    }

    /// Looks, and changes nothing.
    async fn look<T: Send + 'static>(&self, work: impl FnOnce(&Catalog) -> T + Send + 'static) -> Result<T> {
        let client = Arc::clone(&self.client);
        let seen = blocking(&self.source, move || client.transaction(|_, catalog| work(catalog))).await?;
        seen.map_err(|_| Error::new(ErrorKind::ConnectionLost, "the session was ended").on_source(&self.source))
    }

    /// What a table is called. There is only one place where tables are: this folder.
    fn table(&self, name: &str) -> Result<TableName> {
        let folder = Path::new(self.source.endpoint.database().unwrap_or_default());
        TableName::in_database(folder.file_name().unwrap_or_default().to_string_lossy(), name)
    }
}

#[async_trait]
impl SourceEngine for Session {
    /// The system's file locks have no time limit, so `hold` cannot be told to anybody.
    async fn lock(&mut self, key: &LockKey, wait: Duration, _hold: Duration) -> Result<Lock> {
        if self.lock.as_ref().is_some_and(|held| held.key == *key && held.is_held()) {
            return Ok(Lock::Held);
        }
        let deadline = Instant::now() + wait;
        let path = self.client.folder().file(&key.name());
        loop {
            let attempt = (path.clone(), key.clone());
            if let Some(held) = blocking(&self.source, move || HeldLock::take(&attempt.0, &attempt.1)).await? {
                self.lock = Some(Arc::new(held));
                return Ok(Lock::Held);
            }
            if Instant::now() >= deadline {
                return Err(Error::new(ErrorKind::LockTimeout, format!("another session held {key:?} for {wait:?}"))
                    .on_source(&self.source));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn unlock(&mut self) -> Result<()> {
        self.lock = None;
        Ok(())
    }

    async fn resolve(&mut self, path: &AssetPath) -> Result<TableName> {
        let names = self.look(|catalog| catalog.tables.keys().cloned().collect::<Vec<_>>()).await?;
        let tables = names.iter().map(|name| self.table(name)).collect::<Result<Vec<_>>>()?;
        let wanted = path.as_str().to_lowercase();
        path.choose(tables.into_iter().filter(|table| table.joined().to_lowercase() == wanted).collect())
            .map_err(|error| error.on_source(&self.source))
    }

    async fn create_user(&mut self, credentials: &Credentials) -> Result<Created> {
        let Credentials { user, password, .. } = credentials.clone();
        if user.as_str().len() > MAX_USER_NAME {
            let text = format!("a user name has at most {MAX_USER_NAME} bytes");
            return Err(Error::new(ErrorKind::NameTooLong, text).on_source(&self.source));
        }
        self.transaction(move |catalog| {
            let existed = catalog.users.contains_key(user.as_str());
            for step in steps(&Action::CreateUser(user)) {
                step.run(catalog, Some(&password))?;
            }
            Ok(if existed { Created::Existed } else { Created::New })
        })
        .await
    }

    async fn set_password(&mut self, credentials: &Credentials) -> Result<()> {
        self.run(Action::SetPassword(credentials.user.clone()), Some(credentials.password.clone())).await
    }

    /// All or nothing, because it is one transaction; and whatever `Step::Grant` answered success to can be read. Where an
    /// engine may answer success without granting, this is where it reads back.
    async fn grant(&mut self, user: &UserName, table: &TableName, take_back: &[TableName]) -> Result<()> {
        let action = Action::Grant { user: user.clone(), table: table.clone(), take_back: take_back.to_vec() };
        self.run(action, None).await
    }

    async fn revoke(&mut self, user: &UserName, tables: &[TableName]) -> Result<()> {
        self.run(Action::Revoke { user: user.clone(), tables: tables.to_vec() }, None).await
    }

    async fn drop_user(&mut self, user: &UserName) -> Result<()> {
        self.run(Action::DropUser(user.clone()), None).await
    }

    async fn reads(&mut self, user: &UserName, table: &TableName) -> Result<Reads> {
        let (user, table) = (user.to_string(), table.name().to_owned());
        self.look(move |catalog| {
            let own = catalog.users.get(&user).is_some_and(|user| user.reads.contains(&table));
            if own && catalog.tables.contains_key(&table) {
                Reads::Yes(vec!["its own right".to_owned()])
            } else {
                Reads::No
            }
        })
        .await
    }

    async fn excess(&mut self, user: &UserName, granted: &[TableName], limit: usize) -> Result<Vec<String>> {
        let name = user.to_string();
        let granted: Vec<String> = granted.iter().map(|table| table.name().to_owned()).collect();
        self.look(move |catalog| {
            let Some(user) = catalog.users.get(&name) else { return Vec::new() };
            let admin = user.admin.then(|| "is an admin".to_owned());
            let beyond = user.reads.iter().filter(|table| !granted.contains(table));
            admin.into_iter().chain(beyond.map(|table| format!("reads {table}"))).take(limit).collect()
        })
        .await
    }

    async fn user_exists(&mut self, user: &UserName) -> Result<bool> {
        let user = user.to_string();
        self.look(move |catalog| catalog.users.contains_key(&user)).await
    }

    async fn users(&mut self, prefix: &str) -> Result<Vec<UserName>> {
        let prefix = prefix.to_owned();
        let names: Vec<String> = self
            .look(move |catalog| catalog.users.keys().filter(|name| name.starts_with(&prefix)).cloned().collect())
            .await?;
        names.into_iter().map(UserName::new).collect()
    }

    async fn granted(&mut self, user: &UserName) -> Result<Vec<TableName>> {
        let user = user.to_string();
        let tables: Vec<String> = self
            .look(move |catalog| catalog.users.get(&user).into_iter().flat_map(|user| &user.reads).cloned().collect())
            .await?;
        tables.iter().map(|table| self.table(table)).collect()
    }

    async fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}
