//! The suite for engines notices broken ones: each fault here is a mistake that an author can make, wrapped around the
//! in-memory engine, and must make the rules fail that are named beside it.
#![cfg(feature = "testkit")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dzconn_core::engine::{Action, Created, Lock, LockKey, Login, Reads};
use dzconn_core::memory::{MemoryDatabase, MemoryEngine};
use dzconn_core::model::{AssetPath, Credentials, Source, TableName, UserName};
use dzconn_core::testkit::engine::{MemoryFixture, RULES};
use dzconn_core::{Deadline, EngineConnector, Error, ErrorKind, Result, SourceEngine};

macro_rules! faults {
    ($($fault:ident: $($rule:literal),+;)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        enum Fault { $($fault,)* }

        mod noticed {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                #[allow(non_snake_case)]
                async fn $fault() {
                    super::must_be_noticed(super::Fault::$fault, &[$($rule),+]).await;
                }
            )*
        }
    };
}

faults! {
    ConnectIgnoresPassword: "connect::wrong_password_is_refused";
    ConnectShowsPassword: "connect::wrong_password_is_refused", "connect::unknown_admin_is_refused";
    ConnectIgnoresDeadline: "connect::nothing_there_is_unreachable";
    SubprotocolsInUpperCase: "connect::subprotocols_are_lower_case";
    LogInAlways: "log_in::wrong_credentials_are_an_answer", "drop_user::ends_the_user";
    LogInRefusedIsAnError: "log_in::wrong_credentials_are_an_answer";
    LogInForgetsTheTable: "log_in::tells_whether_the_table_is_read";
    StatementsShowPassword: "statements::hold_no_secret", "statements::need_no_source";
    StatementsShowNothing: "statements::are_shown_for_every_action";
    StatementsForgetTakeBack: "statements::are_shown_for_every_action";

    LockNeverBlocks: "lock::is_exclusive", "lock::waits_until_it_is_free", "lock::times_out";
    LockNeverWaits: "lock::waits_until_it_is_free", "lock::silent_session_loses_it";
    LockIgnoresKey: "lock::other_keys_are_independent";
    LockIsHeldForAllTime: "lock::silent_session_loses_it";
    LockOutlivesSession: "lock::dropped_session_frees_it", "connect::a_closed_session_is_one_connection_less";
    LockLossIsNotSeen: "lock::lost_lock_stops_every_change", "connect::a_closed_session_is_one_connection_less";
    UnlockDoesNothing: "lock::waits_until_it_is_free", "lock::unlock_frees_it_for_this_and_other_sessions";
    UnlockFreesEverything: "lock::unlock_without_lock_does_nothing";

    ResolveExactOnly: "resolve::only_one_that_differs_in_case_is_found";
    ResolveTakesTheFirst: "resolve::several_that_differ_in_case_are_ambiguous";
    ResolveIgnoresDots: "resolve::dots_inside_names_are_found", "names::hostile_table_names_are_data";

    CreateOverwritesPassword: "create_user::existing_user_keeps_its_password", "create_user::disabled_user_is_enabled_again";
    CreateLeavesDisabled: "create_user::disabled_user_is_enabled_again";
    CreateIsAlwaysNew: "create_user::existing_user_keeps_its_password", "create_user::of_concurrent_creators_one_wins";
    CreateFailsOnExisting: "create_user::existing_user_keeps_its_tables";
    CreateOpensEverything: "create_user::new_user_can_do_nothing_else", "reads::excess_is_empty_without_excess";
    CreateCutsNames: "create_user::longer_name_is_too_long";
    CreateUnquotesNames: "names::hostile_user_names_are_data";
    SetPasswordDoesNothing: "set_password::replaces_the_old_one";
    SetPasswordKeepsTheOldOne: "set_password::replaces_the_old_one";
    SetPasswordMakesUsers: "set_password::makes_no_user";

    GrantDoesNothing: "grant::opens_exactly_one_table", "grant::reads_back";
    GrantOpensTheSchema: "grant::opens_exactly_one_table", "grant::is_idempotent";
    GrantOpensForAll: "grant::is_for_one_user", "revoke::open_session_loses_the_table";
    GrantToggles: "grant::is_idempotent";
    GrantReplaces: "grant::adds_to_what_was_granted";
    GrantForgetsTakeBack: "grant::takes_back_others";
    GrantFailsOnMissingTakeBack: "grant::takes_back_what_is_gone";
    GrantOnNothing: "grant::missing_table_is_not_found";
    GrantMakesUsers: "grant::missing_user_is_an_error";
    GrantByPattern: "names::wildcards_are_letters";

    RevokeDoesNothing: "revoke::open_session_loses_the_table", "revoke::takes_several_tables";
    RevokeTakesEverything: "revoke::leaves_the_other_tables", "revoke::takes_several_tables";
    RevokeTakesTheFirst: "revoke::takes_several_tables";
    RevokeSkipsMissingTables: "revoke::missing_table_is_fine_and_stays_closed", "revoke::takes_back_what_came_along";
    RevokeFailsOnMissingUser: "revoke::missing_user_is_fine";
    RevokeHidesOthers: "revoke::grant_by_another_role_is_named";
    RevokeFromAll: "revoke::is_for_one_user", "names::hostile_user_names_are_data";

    DropLeavesSessions: "drop_user::ends_open_sessions", "drop_user::withstands_clients_that_reconnect";
    DropOnlyDisables: "drop_user::ends_the_user", "drop_user::leaves_nothing_to_the_next_of_that_name";
    DropFailsOnMissing: "drop_user::missing_user_is_fine", "drop_user::is_idempotent";
    DropFailsOnDisabled: "drop_user::continues_after_its_first_step";
    DropTakesTablesAlong: "drop_user::owner_is_refused_and_loses_nothing";
    DropHidesOthers: "drop_user::grant_by_another_role_is_named";
    DropEndsAllSessions: "drop_user::is_for_one_user";

    ReadsIsAlwaysYes: "reads::tells_yes_by_which_way_or_no", "reads::missing_user_or_table_is_no";
    ReadsNeverTells: "reads::tells_yes_by_which_way_or_no";
    ReadsKeepsTheWays: "reads::tells_yes_by_which_way_or_no";
    ReadsMissesPublic: "reads::sees_what_public_gives", "revoke::what_public_gives_is_seen";
    ExcessSeesNothing: "reads::excess_names_what_is_not_listed", "reads::excess_names_what_public_gives";
    ExcessCountsTheGranted: "reads::excess_is_empty_without_excess";
    ExcessIgnoresTheLimit: "reads::excess_keeps_to_its_limit";
    UserExistsByPattern: "create_user::user_exists_tells";
}

async fn must_be_noticed(fault: Fault, expected: &'static [&'static str]) {
    let mut checks = tokio::task::JoinSet::new();
    for name in expected {
        let rule = RULES.iter().find(|rule| rule.name == *name);
        let rule = rule.unwrap_or_else(|| panic!("there is no rule {name}"));
        checks.spawn(async move {
            let fixture = MemoryFixture::of(|engine| Faulty { engine, fault });
            (rule.name, (rule.check)(&fixture).await)
        });
    }
    while let Some(checked) = checks.join_next().await {
        let (rule, result) = checked.unwrap();
        let failure = result.expect_err(&format!("{fault:?} goes unnoticed by {rule}"));
        assert!(failure.to_string().contains("promises: "), "{failure}");
    }
}

/// The in-memory engine with a fault.
#[derive(Clone, Debug)]
struct Faulty {
    engine: MemoryEngine,
    fault: Fault,
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
            (Fault::LogInAlways, _) => Ok(Login::In(None)),
            (Fault::LogInForgetsTheTable, Login::In(_)) => Ok(Login::In(None)),
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

    fn granted(&self, user: &UserName) -> Vec<TableName> {
        self.past(|database| database.granted(user).cloned().collect())
    }

    fn users(&self) -> Vec<UserName> {
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
        let granted = self.granted(user);
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
            Fault::GrantMakesUsers if !self.users().contains(user) => {
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
        let granted = self.granted(user);
        match self.fault {
            Fault::RevokeDoesNothing => Ok(()),
            Fault::RevokeTakesEverything => self.inner().revoke(user, &granted).await,
            Fault::RevokeTakesTheFirst => self.inner().revoke(user, tables.get(..1).unwrap_or_default()).await,
            Fault::RevokeSkipsMissingTables => {
                let known = self.tables();
                let there: Vec<_> = tables.iter().filter(|table| known.contains(table)).cloned().collect();
                self.inner().revoke(user, &there).await
            }
            Fault::RevokeFailsOnMissingUser if !self.users().contains(user) => Err(missing("no user")),
            Fault::RevokeHidesOthers => self.inner().revoke(user, tables).await.or(Ok(())),
            Fault::RevokeFromAll => {
                for user in self.users() {
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
                    let granted = self.granted(user);
                    self.past(|database| database.disable_user(user));
                    return self.past(|database| database.revoke(user, &granted));
                }
                self.inner().drop_user(user).await
            }
            Fault::DropOnlyDisables => {
                self.past(|database| database.disable_user(user));
                Ok(())
            }
            Fault::DropFailsOnMissing if !self.users().contains(user) => Err(missing("no user")),
            Fault::DropFailsOnDisabled => {
                let disabled = self.past(|database| {
                    let mut disabled = database.clone();
                    disabled.disable_user(user);
                    disabled == *database
                });
                if disabled && self.users().contains(user) {
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
            (Fault::ReadsMissesPublic, Reads::Yes(_)) if !self.granted(user).contains(table) => Reads::No,
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
            return Ok(self.users().iter().any(|known| fits(user.as_str(), known.as_str())));
        }
        self.inner().user_exists(user).await
    }

    async fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

/// The wrapper by itself breaks nothing: what is noticed above is the fault.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_fault_nothing_is_noticed() {
    #[derive(Debug)]
    struct Wrapper(Arc<dyn EngineConnector>);

    #[async_trait]
    impl EngineConnector for Wrapper {
        fn subprotocols(&self) -> &'static [&'static str] {
            self.0.subprotocols()
        }
        fn max_user_name(&self) -> usize {
            self.0.max_user_name()
        }
        async fn connect(&self, source: &Source, deadline: Deadline) -> Result<Box<dyn SourceEngine>> {
            self.0.connect(source, deadline).await
        }
        async fn log_in(
            &self,
            source: &Source,
            credentials: &Credentials,
            table: Option<&TableName>,
            deadline: Deadline,
        ) -> Result<Login> {
            self.0.log_in(source, credentials, table, deadline).await
        }
        fn statements(&self, source: &Source, action: &Action) -> Vec<String> {
            self.0.statements(source, action)
        }
    }

    for rule in RULES {
        // A fault in `connect` has no effect anywhere else, and so shows the sessions' wrapper alone.
        let fixture =
            MemoryFixture::of(|engine| Wrapper(Arc::new(Faulty { engine, fault: Fault::ConnectIgnoresPassword })));
        if rule.name != "connect::wrong_password_is_refused" {
            (rule.check)(&fixture).await.unwrap_or_else(|failure| panic!("{}: {failure}", rule.name));
        }
    }
}
