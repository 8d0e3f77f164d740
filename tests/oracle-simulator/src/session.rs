//! Sessions: login, statements, death.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::ast::{DefaultRoles, Statement};
use crate::block;
use crate::database::Database;
use crate::error::{Result, denied, fail, ora, unknown};
use crate::eval::{Eval, NoVariables, Relation, Variables};
use crate::options::Options;
use crate::parse::{self, Dialect};
use crate::security::Who;
use crate::value::Value;

/// No number of Oracle's: the client has waited long enough for an answer.
pub(crate) const SILENT: u32 = u32::MAX;

/// How long a session that was killed at once is still seen, until PMON has cleaned up.
const CLEANED_UP_AFTER: Duration = Duration::from_millis(60);

/// A session as the others see it.
#[derive(Clone, Debug)]
pub(crate) struct SessionInfo {
    pub(crate) instance: u32,
    pub(crate) sid: u32,
    pub(crate) serial: u32,
    pub(crate) audsid: u32,
    pub(crate) user: String,
    pub(crate) schema: String,
    /// Those that are enabled, without what they hold.
    pub(crate) roles: BTreeSet<String>,
    pub(crate) protocol: &'static str,
    pub(crate) active: bool,
    pub(crate) killed: Option<Killed>,
}

/// Since when a session has been dead.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Killed {
    at: Instant,
    immediate: bool,
}

impl SessionInfo {
    pub(crate) fn status(&self) -> &'static str {
        match (self.killed, self.active) {
            (Some(_), _) => "KILLED",
            (None, true) => "ACTIVE",
            (None, false) => "INACTIVE",
        }
    }
}

/// A database that all sessions share.
#[derive(Debug)]
pub(crate) struct Server {
    database: Mutex<Database>,
    changed: Condvar,
}

impl Server {
    pub(crate) fn new(options: Options) -> Arc<Self> {
        Arc::new(Self { database: Mutex::new(Database::new(options)), changed: Condvar::new() })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Database> {
        self.database.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn notify(&self) {
        self.changed.notify_all();
    }

    pub(crate) fn wait<'g>(&self, guard: MutexGuard<'g, Database>, time: Duration) -> MutexGuard<'g, Database> {
        self.changed.wait_timeout(guard, time).unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Database {
    /// Takes away killed sessions whose time has come.
    pub(crate) fn clean_up_killed(&mut self) {
        let over = |session: &SessionInfo| {
            session.killed.is_some_and(|killed| killed.immediate && killed.at.elapsed() >= CLEANED_UP_AFTER)
        };
        self.sessions.retain(|_, session| !over(session));
    }

    /// Ends a session's work: it holds nothing any more.
    pub(crate) fn release_session(&mut self, session: u64) {
        self.rollback(session);
        self.locks.release_all(session);
    }

    /// "ALTER SYSTEM", KILL SESSION clause: `sid,serial#[,@instance]`.
    fn kill(&mut self, who: &Who, text: &str, immediate: bool) -> Result<()> {
        self.must_have(who, "ALTER SYSTEM")?;
        let invalid = || ora(26, "missing or invalid session ID");
        let mut parts = text.split(',').map(str::trim);
        let number = |part: Option<&str>| part.and_then(|part| part.parse::<u32>().ok());
        let (Some(sid), Some(serial)) = (number(parts.next()), number(parts.next())) else { return Err(invalid()) };
        let here = self.sessions.get(&who.session).map_or(1, |session| session.instance);
        let instance = match parts.next() {
            None => here,
            Some(part) => number(part.strip_prefix('@')).ok_or_else(invalid)?,
        };
        self.kill_session(who, (instance, sid, serial), immediate)
    }

    pub(crate) fn kill_session(&mut self, who: &Who, id: (u32, u32, u32), immediate: bool) -> Result<()> {
        let fits = |session: &SessionInfo| (session.instance, session.sid, session.serial) == id;
        let Some((number, session)) = self.sessions.iter_mut().find(|(_, session)| fits(session)) else {
            return fail(30, "User session ID does not exist.");
        };
        if *number == who.session {
            return fail(27, "cannot kill current session");
        }
        if session.killed.is_some() {
            return fail(31, "session marked for kill");
        }
        session.killed = Some(Killed { at: Instant::now(), immediate });
        let number = *number;
        self.release_session(number);
        Ok(())
    }

    fn set_role(&mut self, who: &Who, roles: &DefaultRoles) -> Result<()> {
        let granted: BTreeSet<String> = self.roles_of(&who.user).cloned().collect();
        let enabled = match roles {
            DefaultRoles::None => BTreeSet::new(),
            DefaultRoles::All { except } => granted.into_iter().filter(|role| !except.contains(role)).collect(),
            DefaultRoles::These(roles) => {
                if let Some(role) = roles.iter().find(|role| !granted.contains(*role)) {
                    return fail(1924, format!("role '{role}' not granted or does not exist"));
                }
                roles.iter().cloned().collect()
            }
        };
        if let Some(session) = self.sessions.get_mut(&who.session) {
            session.roles = enabled;
        }
        Ok(())
    }

    fn alter_session(&mut self, who: &Who, name: &str, value: &str) -> Result<()> {
        match name {
            "CURRENT_SCHEMA" => {
                if !self.users.contains_key(value) {
                    return fail(1435, "user does not exist");
                }
                if let Some(session) = self.sessions.get_mut(&who.session) {
                    value.clone_into(&mut session.schema);
                }
                Ok(())
            }
            "NLS_COMP" | "NLS_SORT" if value != "BINARY" => unknown("comparisons that are not binary"),
            "NLS_COMP" | "NLS_SORT" | "DDL_LOCK_TIMEOUT" | "NLS_DATE_FORMAT" | "NLS_NUMERIC_CHARACTERS" => Ok(()),
            "CONTAINER" => Err(denied()),
            other => unknown(format!("ALTER SESSION SET {other}")),
        }
    }
}

/// One client's session.
pub(crate) struct Session {
    server: Arc<Server>,
    id: u64,
    /// The client has been told that it is dead.
    told: bool,
    /// Until when the client waits for an answer.
    patience: Option<Instant>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Dropping it is what a client does that goes without a word.
impl Drop for Session {
    fn drop(&mut self) {
        let mut database = self.server.lock();
        database.release_session(self.id);
        database.sessions.remove(&self.id);
        drop(database);
        self.server.notify();
    }
}

impl Session {
    /// Logs in. In double quotes a name is exact, otherwise it is taken in upper case.
    pub(crate) fn open(server: &Arc<Server>, user: &str, password: &str, protocol: &'static str) -> Result<Self> {
        let bare = user.strip_prefix('"').and_then(|user| user.strip_suffix('"'));
        let plain = |user: &str| user.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '$' | '#'));
        let name = match bare {
            Some(name) => name.to_owned(),
            None if plain(user) => user.to_uppercase(),
            None => return fail(1017, "invalid username/password; logon denied"),
        };
        let roles = server.lock().log_in(&name, password)?;
        Ok(Self::start(server, &name, roles, protocol))
    }

    /// A session as SYS, which needs no password: what somebody prepares on the server's own machine.
    pub(crate) fn sys(server: &Arc<Server>) -> Self {
        Self::start(server, "SYS", ["DBA".to_owned()].into(), "beq")
    }

    fn start(server: &Arc<Server>, user: &str, roles: BTreeSet<String>, protocol: &'static str) -> Self {
        let mut database = server.lock();
        let number = u32::try_from(database.next_id()).unwrap_or(u32::MAX);
        let id = u64::from(number);
        let info = SessionInfo {
            instance: number % database.options.instances + 1,
            sid: number % 50_000 + 10,
            serial: number.wrapping_mul(7919) % 60_000 + 1,
            audsid: number + 1_000_000,
            user: user.to_owned(),
            schema: user.to_owned(),
            roles,
            protocol,
            active: false,
            killed: None,
        };
        database.sessions.insert(id, info);
        drop(database);
        Self { server: Arc::clone(server), id, told: false, patience: None }
    }

    /// Until when the client waits for answers from now on.
    pub(crate) fn wait_until(&mut self, patience: Option<Instant>) {
        self.patience = patience;
    }

    /// An error once the client has gone away in mid-call.
    pub(crate) fn is_waited_for(&self) -> Result<()> {
        match self.patience {
            Some(patience) if Instant::now() >= patience => fail(SILENT, "the client has waited long enough"),
            _ => Ok(()),
        }
    }

    pub(crate) fn server(&self) -> &Arc<Server> {
        &self.server
    }

    /// Runs one statement or block.
    pub(crate) fn execute(&mut self, text: &str, binds: &[Value]) -> Result<Relation> {
        if self.told {
            return fail(1012, "not logged on");
        }
        let result = self.who().and_then(|_| {
            self.set_active(true);
            let result = self.parse(text).and_then(|statement| self.run(&statement, binds, &NoVariables));
            self.set_active(false);
            result
        });
        if let Err(error) = &result
            && error.code == 28
        {
            // Now that its client knows, it is gone for good.
            self.told = true;
            self.server.lock().sessions.remove(&self.id);
        }
        self.server.notify();
        result
    }

    fn set_active(&self, active: bool) {
        if let Some(session) = self.server.lock().sessions.get_mut(&self.id) {
            session.active = active;
        }
    }

    /// As whom this session acts now; an error if it was killed.
    pub(crate) fn who(&self) -> Result<Who> {
        let database = self.server.lock();
        let killed = database.sessions.get(&self.id).is_none_or(|session| session.killed.is_some());
        match database.who(self.id) {
            Some(who) if !killed => Ok(who),
            _ => fail(28, "your session has been killed"),
        }
    }

    pub(crate) fn parse(&self, text: &str) -> Result<Statement> {
        let database = self.server.lock();
        let dialect = Dialect { longest_name: database.options.longest_name(), major: database.major() };
        drop(database);
        parse::statement(text, dialect)
    }

    /// Runs a statement that was read. DDL commits before and after.
    pub(crate) fn run(&self, statement: &Statement, binds: &[Value], variables: &dyn Variables) -> Result<Relation> {
        if let Statement::Block(block) = statement {
            block::run(self, block, binds)?;
            return Ok(Relation::default());
        }
        let who = self.who()?;
        let mut database = self.server.lock();
        database.clean_up_killed();
        let mut done = Relation::default();
        let given = (binds, variables);
        let count = match statement {
            Statement::Query(query) => {
                done = Eval::new(&database, &who, binds, variables).run(query)?;
                if query.for_update {
                    database.lock_rows(&who, query)?;
                }
                0
            }
            Statement::Insert { table, columns, rows, query } => {
                database.insert(&who, table, columns, rows, query.as_deref(), binds, variables)?
            }
            Statement::Update { table, alias, set, filter } => {
                database.update(&who, table, alias.as_deref(), set, filter.as_ref(), given)?
            }
            Statement::Delete { table, alias, filter } => {
                database.delete(&who, table, alias.as_deref(), filter.as_ref(), given)?
            }
            other => {
                database.commit_if_ddl(other, self.id);
                let done = database.change(&who, other, variables);
                database.commit_if_ddl(other, self.id);
                done?;
                0
            }
        };
        drop(database);
        self.server.notify();
        if count > 0 {
            done.rows = vec![Vec::new(); count];
        }
        Ok(done)
    }
}

impl Database {
    fn commit_if_ddl(&mut self, statement: &Statement, session: u64) {
        let not = matches!(
            statement,
            Statement::Commit
                | Statement::Rollback
                | Statement::SetRole { .. }
                | Statement::KillSession { .. }
                | Statement::AlterSession { .. }
        );
        if !not {
            self.commit(session);
        }
    }

    fn change(&mut self, who: &Who, statement: &Statement, variables: &dyn Variables) -> Result<()> {
        match statement {
            Statement::Commit => {
                self.commit(who.session);
                Ok(())
            }
            Statement::Rollback => {
                self.rollback(who.session);
                Ok(())
            }
            Statement::CreateUser { name, if_not_exists, clauses } => {
                self.create_user(who, name, *if_not_exists, clauses)
            }
            Statement::AlterUser { name, clauses } => self.alter_user(who, name, clauses),
            Statement::DropUser { name, if_exists, cascade } => self.drop_user(who, name, *if_exists, *cascade),
            Statement::CreateRole { name } => self.create_role(who, name),
            Statement::DropRole { name } => self.drop_role(who, name),
            Statement::CreateProfile { name, limits } => self.create_profile(who, name, limits),
            Statement::AlterProfile { name, limits } => self.alter_profile(who, name, limits),
            Statement::DropProfile { name, cascade } => self.drop_profile(who, name, *cascade),
            Statement::CreateTable { name, columns, query } => {
                self.create_table(who, name, columns, query.as_deref(), variables)
            }
            Statement::CreateView { name, columns, query, replace } => {
                self.create_view(who, name, columns, query, *replace)
            }
            Statement::CreateSynonym { name, public, replace, target } => {
                self.create_synonym(who, name, *public, *replace, target)
            }
            Statement::Drop { kind, name, if_exists, purge, public, .. } => {
                self.drop_object(who, kind, name, *if_exists, *purge, *public)
            }
            Statement::GrantObject { privileges, on, to, grant_option, hierarchy } => {
                self.grant_object(who, privileges, on, to, *grant_option, *hierarchy)
            }
            Statement::GrantSystem { privileges, to, admin_option } => {
                self.grant_system(who, privileges, to, *admin_option)
            }
            Statement::GrantSchema { privileges, schema, to } => self.grant_schema(who, privileges, schema, to),
            Statement::RevokeObject { privileges, on, from } => self.revoke_object(who, privileges, on, from),
            Statement::RevokeSystem { privileges, from } => self.revoke_system(who, privileges, from),
            Statement::RevokeSchema { privileges, schema, from } => self.revoke_schema(who, privileges, schema, from),
            Statement::SetRole { roles } => self.set_role(who, roles),
            Statement::KillSession { session, immediate } => self.kill(who, session, *immediate),
            Statement::AlterSession { settings } => {
                settings.iter().try_for_each(|(name, value)| self.alter_session(who, name, value))
            }
            Statement::Query(_)
            | Statement::Insert { .. }
            | Statement::Update { .. }
            | Statement::Delete { .. }
            | Statement::Block(_) => unknown("this here"),
        }
    }
}
