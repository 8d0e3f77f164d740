//! The in-memory engine, with one thing wrong.

use std::time::Duration;

use async_trait::async_trait;
use dzconn_core::engine::{Action, Created, Lock, LockKey, Login, Reads};
use dzconn_core::memory::{MemoryDatabase, MemoryEngine};
use dzconn_core::model::{AssetPath, Credentials, Source, TableName, UserName};
use dzconn_core::{Deadline, EngineConnector, Error, ErrorKind, Result, SourceEngine};

use super::Fault;

/// The in-memory engine with a fault.
#[derive(Clone, Debug)]
pub(crate) struct Faulty {
    pub(crate) engine: MemoryEngine,
    pub(crate) fault: Fault,
}

#[async_trait]
impl EngineConnector for Faulty {
    fn subprotocols(&self) -> &'static [&'static str] {
        if self.fault == Fault::SubprotocolsInUpperCase { &["memory", "MEMORY"] } else { self.engine.subprotocols() }
    }

    fn max_user_name(&self) -> usize {
        // Short, so that there are longer names.
        60
    }

    async fn connect(&self, source: &Source, deadline: Deadline) -> Result<Box<dyn SourceEngine>> {
        let mut source = source.clone();
        if self.fault == Fault::ConnectIgnoresPassword && source.admin.user == self.engine.source().admin.user {
            source.admin = self.engine.source().admin;
        }
        let connected = self.engine.connect(&source, deadline).await;
        if self.fault == Fault::ConnectIgnoresDeadline && connected.is_err() {
            tokio::time::sleep(Duration::from_secs(7)).await;
        }
        let shown = source.admin.password.expose();
        let inner = connected.map_err(|error| match self.fault {
            Fault::ConnectShowsPassword => Error::new(error.kind(), format!("{error}, with {shown}")),
            _ => error,
        })?;
        Ok(Box::new(FaultySession { inner: Some(inner), engine: self.engine.clone(), fault: self.fault }))
    }

    async fn log_in(
        &self,
        source: &Source,
        credentials: &Credentials,
        table: Option<&TableName>,
        deadline: Deadline,
    ) -> Result<Login> {
        let login = self.engine.log_in(source, credentials, table, deadline).await?;
        match (self.fault, login) {
            (Fault::LogInAlways, _) | (Fault::LogInForgetsTheTable, Login::In(_)) => Ok(Login::In(None)),
            (Fault::LogInRefusedIsAnError, Login::Refused) => Err(Error::new(ErrorKind::UserLoginRefused, "no")),
            (_, login) => Ok(login),
        }
    }

    fn statements(&self, source: &Source, action: &Action) -> Vec<String> {
        let mut lines = self.engine.statements(source, action);
        match self.fault {
            Fault::StatementsShowPassword => lines.push(format!("connect with {}", source.admin.password.expose())),
            Fault::StatementsShowNothing => lines.clear(),
            Fault::StatementsForgetTakeBack if matches!(action, Action::Grant { .. }) => lines.truncate(1),
            _ => {}
        }
        lines
    }
}

#[derive(Debug)]
struct FaultySession {
    inner: Option<Box<dyn SourceEngine>>,
    engine: MemoryEngine,
    fault: Fault,
}

impl Drop for FaultySession {
    fn drop(&mut self) {
        if self.fault == Fault::LockOutlivesSession {
            std::mem::forget(self.inner.take());
        }
    }
}

impl FaultySession {
    fn inner(&mut self) -> &mut dyn SourceEngine {
        self.inner.as_mut().unwrap().as_mut()
    }

    fn is(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    /// Past the session, and so past its lock.
    fn past<T>(&self, work: impl FnOnce(&mut MemoryDatabase) -> T) -> T {
        self.engine.with(work)
    }

    fn tables(&self) -> Vec<TableName> {
        self.past(|database| database.tables().cloned().collect())
    }

    fn all_granted(&self, user: &UserName) -> Vec<TableName> {
        self.past(|database| database.granted(user).cloned().collect())
    }

    fn all_users(&self) -> Vec<UserName> {
        self.past(|database| database.users().cloned().collect())
    }
}

fn missing(what: &str) -> Error {
    Error::new(ErrorKind::NotFound, what)
}

/// Whether a name fits an SQL pattern of as many characters.
fn fits(pattern: &str, name: &str) -> bool {
    let any = pattern.contains('%') && name.starts_with(pattern.split('%').next().unwrap_or_default());
    any || pattern.chars().count() == name.chars().count()
        && pattern.chars().zip(name.chars()).all(|(p, c)| p == c || p == '_')
}

#[async_trait]
impl SourceEngine for FaultySession {
    async fn lock(&mut self, key: &LockKey, wait: Duration, hold: Duration) -> Result<Lock> {
        let all = LockKey::new(&dzconn_core::model::SourceKey {
            connection: dzconn_core::model::ConnectionId::new("all")?,
            environment: dzconn_core::model::EnvironmentId::new("all")?,
        });
        match self.fault {
            Fault::LockNeverBlocks => Ok(Lock::Held),
            Fault::LockNeverWaits => self.inner().lock(key, Duration::ZERO, hold).await,
            Fault::LockIgnoresKey => self.inner().lock(&all, wait, hold).await,
            Fault::LockIsHeldForAllTime => self.inner().lock(key, wait, Duration::from_secs(3600)).await,
            _ => self.inner().lock(key, wait, hold).await,
        }
    }

    async fn unlock(&mut self) -> Result<()> {
        match self.fault {
            Fault::UnlockDoesNothing => Ok(()),
            Fault::UnlockFreesEverything => {
                self.past(|database| {
                    for session in 0..100 {
                        database.unlock(dzconn_core::memory::MemorySessionId(session));
                    }
                });
                Ok(())
            }
            _ => self.inner().unlock().await,
        }
    }

    async fn resolve(&mut self, path: &AssetPath) -> Result<TableName> {
        let found = self.inner().resolve(path).await;
        let exact = |table: &TableName| table.joined() == path.as_str();
        let not_found = || Error::new(ErrorKind::TableNotFound, "no");
        match self.fault {
            Fault::ResolveExactOnly => found.ok().filter(exact).ok_or_else(not_found),
            Fault::ResolveTakesTheFirst => match found {
                Err(error) if error.kind() == ErrorKind::TableAmbiguous => {
                    let wanted = path.as_str().to_lowercase();
                    let first = |table: &TableName| table.joined().to_lowercase() == wanted;
                    self.tables().into_iter().find(first).ok_or_else(not_found)
                }
                found => found,
            },
            Fault::ResolveIgnoresDots => found.ok().filter(|table| !table.name().contains('.')).ok_or_else(not_found),
            _ => found,
        }
    }

    async fn create_user(&mut self, credentials: &Credentials) -> Result<Created> {
        let mut wanted = credentials.clone();
        if wanted.user.as_str().len() > 60 {
            if !self.is(Fault::CreateCutsNames) {
                return Err(Error::new(ErrorKind::NameTooLong, "60 bytes"));
            }
            wanted.user = UserName::new(&wanted.user.as_str()[..60])?;
        }
        if self.is(Fault::CreateUnquotesNames) {
            wanted.user = UserName::new(wanted.user.as_str().replace('\'', ""))?;
        }
        if self.is(Fault::LockLossIsNotSeen) {
            return Ok(self.past(|database| database.create_user(&wanted)));
        }
        if self.is(Fault::CreateLeavesDisabled) && self.past(|database| database.user_exists(&wanted.user)) {
            return Ok(Created::Existed);
        }
        let created = self.inner().create_user(&wanted).await?;
        match (self.fault, created) {
            (Fault::CreateOverwritesPassword, Created::Existed) => {
                self.past(|database| database.set_password(&wanted))?;
                Ok(created)
            }
            (Fault::CreateIsAlwaysNew, _) => Ok(Created::New),
            (Fault::CreateFailsOnExisting, Created::Existed) => Err(missing("it exists")),
            (Fault::CreateOpensEverything, _) => {
                let tables = self.tables();
                for table in tables {
                    self.past(|database| database.grant(&wanted.user, &table, &[])).ok();
                }
                Ok(created)
            }
            _ => Ok(created),
        }
    }

    async fn set_password(&mut self, credentials: &Credentials) -> Result<()> {
        match self.fault {
            Fault::SetPasswordDoesNothing => Ok(()),
            Fault::SetPasswordKeepsTheOldOne => {
                self.past(|database| database.add_password(&credentials.user, &credentials.password));
                Ok(())
            }
            Fault::SetPasswordMakesUsers => {
                self.past(|database| database.create_user(credentials));
                self.inner().set_password(credentials).await
            }
            Fault::LockLossIsNotSeen => self.past(|database| database.set_password(credentials)),
            _ => self.inner().set_password(credentials).await,
        }
    }

    async fn grant(&mut self, user: &UserName, table: &TableName, take_back: &[TableName]) -> Result<()> {
        let granted = self.all_granted(user);
        match self.fault {
            Fault::GrantDoesNothing => return Ok(()),
            Fault::GrantToggles if granted.contains(table) => {
                return self.past(|database| database.revoke(user, std::slice::from_ref(table)));
            }
            Fault::GrantReplaces => {
                self.past(|database| database.revoke(user, &granted))?;
            }
            Fault::GrantForgetsTakeBack => return self.inner().grant(user, table, &[]).await,
            Fault::GrantFailsOnMissingTakeBack if !take_back.iter().all(|table| granted.contains(table)) => {
                return Err(missing("not granted"));
            }
            Fault::GrantOnNothing if !self.tables().contains(table) => {
                self.past(|database| database.grant_by_other("admin", user, table));
                return Ok(());
            }
            Fault::LockLossIsNotSeen => return self.past(|database| database.grant(user, table, take_back)),
            Fault::GrantMakesUsers if !self.all_users().contains(user) => {
                let source = self.engine.source();
                let credentials = Credentials {
                    endpoint: source.endpoint,
                    database: None,
                    user: user.clone(),
                    password: source.admin.password,
                    ssl: None,
                };
                self.past(|database| database.create_user(&credentials));
            }
            _ => {}
        }
        self.inner().grant(user, table, take_back).await?;
        match self.fault {
            Fault::GrantOpensTheSchema => {
                for table in self.tables() {
                    self.past(|database| database.grant(user, &table, &[])).ok();
                }
            }
            Fault::GrantOpensForAll => self.engine.grant_to_public(table),
            Fault::GrantByPattern => {
                for other in self.tables().iter().filter(|other| fits(table.name(), other.name())) {
                    self.past(|database| database.grant(user, other, &[])).ok();
                }
            }
            _ => {}
        }
        Ok(())
    }

    async fn revoke(&mut self, user: &UserName, tables: &[TableName]) -> Result<()> {
        let granted = self.all_granted(user);
        match self.fault {
            Fault::RevokeDoesNothing => Ok(()),
            Fault::RevokeTakesEverything => self.inner().revoke(user, &granted).await,
            Fault::RevokeTakesTheFirst => self.inner().revoke(user, tables.get(..1).unwrap_or_default()).await,
            Fault::RevokeSkipsMissingTables => {
                let known = self.tables();
                let there: Vec<_> = tables.iter().filter(|table| known.contains(table)).cloned().collect();
                self.inner().revoke(user, &there).await
            }
            Fault::RevokeFailsOnMissingUser if !self.all_users().contains(user) => Err(missing("no user")),
            Fault::RevokeHidesOthers => self.inner().revoke(user, tables).await.or(Ok(())),
            Fault::RevokeFromAll => {
                for user in self.all_users() {
                    self.inner().revoke(&user, tables).await?;
                }
                Ok(())
            }
            Fault::LockLossIsNotSeen => self.past(|database| database.revoke(user, tables)),
            _ => self.inner().revoke(user, tables).await,
        }
    }

    async fn drop_user(&mut self, user: &UserName) -> Result<()> {
        match self.fault {
            Fault::DropLeavesSessions => {
                // Users whose sessions stay keep reading what is PUBLIC, and hold their connection.
                let stays = self.past(|database| {
                    let mut tried = database.clone();
                    tried.forbid_ending_sessions();
                    tried.drop_user(user).is_err_and(|error| error.kind() == ErrorKind::SessionsRemain)
                });
                if stays {
                    let granted = self.all_granted(user);
                    self.past(|database| database.disable_user(user));
                    return self.past(|database| database.revoke(user, &granted));
                }
                self.inner().drop_user(user).await
            }
            Fault::DropOnlyDisables => {
                self.past(|database| database.disable_user(user));
                Ok(())
            }
            Fault::DropFailsOnMissing if !self.all_users().contains(user) => Err(missing("no user")),
            Fault::DropFailsOnDisabled => {
                let disabled = self.past(|database| {
                    let mut disabled = database.clone();
                    disabled.disable_user(user);
                    disabled == *database
                });
                if disabled && self.all_users().contains(user) {
                    return Err(missing("disabled"));
                }
                self.inner().drop_user(user).await
            }
            Fault::DropTakesTablesAlong | Fault::DropHidesOthers => match self.inner().drop_user(user).await {
                Err(error) if error.kind() == ErrorKind::UserOwnsObjects && self.is(Fault::DropTakesTablesAlong) => {
                    for table in self.tables() {
                        self.engine.drop_table(&table);
                    }
                    self.inner().drop_user(user).await
                }
                Err(error) if error.kind() == ErrorKind::GrantedByOther => Ok(()),
                dropped => dropped,
            },
            Fault::DropEndsAllSessions => {
                self.past(|database| {
                    for session in 0..100 {
                        database.close(dzconn_core::memory::MemorySessionId(session));
                    }
                });
                self.inner().drop_user(user).await
            }
            Fault::LockLossIsNotSeen => self.past(|database| database.drop_user(user)),
            _ => self.inner().drop_user(user).await,
        }
    }

    async fn reads(&mut self, user: &UserName, table: &TableName) -> Result<Reads> {
        let reads = self.inner().reads(user, table).await?;
        Ok(match (self.fault, reads) {
            (Fault::ReadsIsAlwaysYes, _) => Reads::Yes(vec!["surely".to_owned()]),
            (Fault::ReadsNeverTells, _) => Reads::CannotTell("courage".to_owned()),
            (Fault::ReadsKeepsTheWays, Reads::Yes(_)) => Reads::Yes(vec![]),
            (Fault::ReadsMissesPublic, Reads::Yes(_)) if !self.all_granted(user).contains(table) => Reads::No,
            (_, reads) => reads,
        })
    }

    async fn excess(&mut self, user: &UserName, granted: &[TableName], limit: usize) -> Result<Vec<String>> {
        match self.fault {
            Fault::ExcessSeesNothing => Ok(vec![]),
            Fault::ExcessCountsTheGranted => self.inner().excess(user, &[], limit).await,
            Fault::ExcessIgnoresTheLimit => self.inner().excess(user, granted, usize::MAX).await,
            _ => self.inner().excess(user, granted, limit).await,
        }
    }

    async fn user_exists(&mut self, user: &UserName) -> Result<bool> {
        if self.is(Fault::UserExistsByPattern) {
            return Ok(self.all_users().iter().any(|known| fits(user.as_str(), known.as_str())));
        }
        self.inner().user_exists(user).await
    }

    async fn users(&mut self, prefix: &str) -> Result<Vec<UserName>> {
        match self.fault {
            Fault::UsersByPattern => {
                let fitting = |user: &UserName| fits(prefix, user.as_str().get(..prefix.len()).unwrap_or_default());
                Ok(self.all_users().into_iter().filter(fitting).collect())
            }
            _ => self.inner().users(prefix).await,
        }
    }

    async fn granted(&mut self, user: &UserName) -> Result<Vec<TableName>> {
        let mut granted = self.inner().granted(user).await?;
        if self.is(Fault::GrantedForgetsOne) {
            granted.pop();
        }
        Ok(granted)
    }

    async fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}
