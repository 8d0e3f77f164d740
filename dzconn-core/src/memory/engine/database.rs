//! The database behind [`MemoryEngine`](super::MemoryEngine), as plain data.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::{Created, LockKey, Login, Reads};
use crate::model::{AssetPath, Credentials, TableName, UserName};
use crate::{Error, ErrorKind, Result, Secret};

/// What the admin's grants are given by.
const ADMIN: &str = "admin";

/// Names a session. Whoever opens it chooses the number; one number is one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemorySessionId(pub u64);

/// What a consumer's session got when it read a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MemoryRead {
    /// So many rows.
    Rows(u64),
    /// It may not read the table, or there is none.
    Denied,
    /// The session has been ended.
    Ended,
}

/// A small database: users, tables, privileges, sessions and locks, and nothing that is random, timed or concurrent.
///
/// Two databases that went through different calls but hold the same are equal, so that whoever explores a workflow can
/// compare and count states. The methods are what [`SourceEngine`](crate::SourceEngine) promises, without a session around
/// them: nothing checks a lock here.
///
/// A privilege belongs to a table's *name*, and so outlives the table, as in `MySQL`: the harder of the two ways.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct MemoryDatabase {
    tables: BTreeMap<TableName, Table>,
    users: BTreeMap<UserName, User>,
    sessions: BTreeMap<MemorySessionId, UserName>,
    locks: BTreeMap<LockKey, MemorySessionId>,
    sessions_stay: bool,
    passwords_stay: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Table {
    rows: u64,
    public: bool,
    grantable: bool,
    owner: Option<UserName>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct User {
    /// Sorted, each once.
    passwords: Vec<Secret>,
    disabled: bool,
    /// By whom each privilege was given; never an empty set.
    reads: BTreeMap<TableName, BTreeSet<String>>,
}

/// What any admin does.
impl MemoryDatabase {
    /// Makes a table with so many rows. One of that name is replaced; privileges on the name stay.
    pub fn add_table(&mut self, table: TableName, rows: u64) {
        self.tables.insert(table, Table { rows, public: false, grantable: true, owner: None });
    }

    /// Drops a table. Privileges on its name stay, save PUBLIC's.
    pub fn drop_table(&mut self, table: &TableName) {
        self.tables.remove(table);
    }

    /// Lets everybody read a table.
    pub fn grant_to_public(&mut self, table: &TableName) {
        if let Some(table) = self.tables.get_mut(table) {
            table.public = true;
        }
    }

    /// From now on, granting this table fails with [`ErrorKind::NoGrantOption`].
    pub fn forbid_grant_option(&mut self, table: &TableName) {
        if let Some(table) = self.tables.get_mut(table) {
            table.grantable = false;
        }
    }

    /// From now on, the admin cannot end other users' sessions.
    pub fn forbid_ending_sessions(&mut self) {
        self.sessions_stay = true;
    }

    /// From now on no user is given a password that it has, as where the server keeps a history of passwords.
    pub fn forbid_password_reuse(&mut self) {
        self.passwords_stay = true;
    }

    /// Grants read in the name of another role: the admin cannot take that back.
    pub fn grant_by_other(&mut self, role: &str, user: &UserName, table: &TableName) {
        if let Some(user) = self.users.get_mut(user) {
            user.reads.entry(table.clone()).or_default().insert(role.to_owned());
        }
    }

    /// Takes back what another role granted.
    pub fn revoke_by_other(&mut self, role: &str, user: &UserName, table: &TableName) {
        if let Some(user) = self.users.get_mut(user) {
            user.take_back(table, role);
        }
    }

    /// Gives a table to a user, or to nobody. An owner reads its table.
    pub fn set_owner(&mut self, table: &TableName, owner: Option<UserName>) {
        if let Some(table) = self.tables.get_mut(table) {
            table.owner = owner;
        }
    }

    /// Lets the user log in with this password too, beside those that it has.
    pub fn add_password(&mut self, user: &UserName, password: &Secret) {
        if let Some(user) = self.users.get_mut(user) {
            user.passwords.push(password.clone());
            user.passwords.sort_by(|a, b| a.expose().cmp(b.expose()));
            user.passwords.dedup();
        }
    }

    /// Refuses new logins, as a drop that died after its first step has left it.
    pub fn disable_user(&mut self, user: &UserName) {
        if let Some(user) = self.users.get_mut(user) {
            user.disabled = true;
        }
    }

    /// Removes a user with its sessions, whatever it has or owns.
    pub fn remove_user(&mut self, user: &UserName) {
        self.users.remove(user);
        self.sessions.retain(|_, of| of != user);
        for table in self.tables.values_mut().filter(|table| table.owner.as_ref() == Some(user)) {
            table.owner = None;
        }
    }

    /// The tables.
    pub fn tables(&self) -> impl Iterator<Item = &TableName> {
        self.tables.keys()
    }

    /// The users.
    pub fn users(&self) -> impl Iterator<Item = &UserName> {
        self.users.keys()
    }

    /// The names, of tables that are or were, on which the user has a privilege of its own.
    pub fn granted(&self, user: &UserName) -> impl Iterator<Item = &TableName> {
        self.users.get(user).into_iter().flat_map(|user| user.reads.keys())
    }
}

/// What an engine's session does.
impl MemoryDatabase {
    /// See [`SourceEngine::resolve`](crate::SourceEngine::resolve).
    pub fn resolve(&self, path: &AssetPath) -> Result<TableName> {
        let wanted = path.as_str().to_lowercase();
        path.choose(self.tables.keys().filter(|table| table.joined().to_lowercase() == wanted).cloned().collect())
    }

    /// See [`SourceEngine::create_user`](crate::SourceEngine::create_user).
    pub fn create_user(&mut self, credentials: &Credentials) -> Created {
        if let Some(user) = self.users.get_mut(&credentials.user) {
            user.disabled = false;
            return Created::Existed;
        }
        let user = User { passwords: vec![credentials.password.clone()], ..User::default() };
        self.users.insert(credentials.user.clone(), user);
        Created::New
    }

    /// See [`SourceEngine::set_password`](crate::SourceEngine::set_password). The user's other passwords are refused from
    /// now on.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] without such a user. [`ErrorKind::PasswordRejected`] for one that it has, after
    /// [`forbid_password_reuse`](Self::forbid_password_reuse).
    pub fn set_password(&mut self, credentials: &Credentials) -> Result<()> {
        let user = self.users.get_mut(&credentials.user).ok_or_else(|| no_user(&credentials.user))?;
        if self.passwords_stay && user.passwords.contains(&credentials.password) {
            return Err(Error::new(ErrorKind::PasswordRejected, format!("{} has had this password", credentials.user)));
        }
        user.passwords = vec![credentials.password.clone()];
        Ok(())
    }

    /// See [`SourceEngine::grant`](crate::SourceEngine::grant).
    ///
    /// # Errors
    /// [`ErrorKind::TableNotFound`], [`ErrorKind::NoGrantOption`], [`ErrorKind::NotFound`] without such a user,
    /// [`ErrorKind::GrantedByOther`] for what is to be taken back. Nothing is changed then.
    pub fn grant(&mut self, user: &UserName, table: &TableName, take_back: &[TableName]) -> Result<()> {
        let found = self.tables.get(table).ok_or_else(|| {
            Error::new(ErrorKind::TableNotFound, format!("no table {table}")).advise("check that the table exists")
        })?;
        if !found.grantable {
            return Err(Error::new(ErrorKind::NoGrantOption, format!("the admin may not grant {table}"))
                .advise("let the table's owner grant it to the admin with grant option"));
        }
        let name = user;
        let user = self.users.get_mut(user).ok_or_else(|| no_user(user))?;
        user.only_admin_granted(name, take_back)?;
        for table in take_back {
            user.take_back(table, ADMIN);
        }
        user.reads.entry(table.clone()).or_default().insert(ADMIN.to_owned());
        Ok(())
    }

    /// See [`SourceEngine::revoke`](crate::SourceEngine::revoke).
    ///
    /// # Errors
    /// [`ErrorKind::GrantedByOther`]; what the admin granted is gone then.
    pub fn revoke(&mut self, user: &UserName, tables: &[TableName]) -> Result<()> {
        let name = user;
        let Some(user) = self.users.get_mut(user) else { return Ok(()) };
        for table in tables {
            user.take_back(table, ADMIN);
        }
        user.only_admin_granted(name, tables)
    }

    /// See [`SourceEngine::drop_user`](crate::SourceEngine::drop_user).
    ///
    /// # Errors
    /// [`ErrorKind::UserOwnsObjects`], [`ErrorKind::GrantedByOther`], [`ErrorKind::SessionsRemain`]. The user cannot log in
    /// any more then.
    pub fn drop_user(&mut self, user: &UserName) -> Result<()> {
        let name = user;
        let Some(user) = self.users.get_mut(name) else { return Ok(()) };
        user.disabled = true;
        if let Some((table, _)) = self.tables.iter().find(|(_, table)| table.owner.as_ref() == Some(name)) {
            return Err(Error::new(ErrorKind::UserOwnsObjects, format!("{name} owns {table}"))
                .advise("find out who gave it to the user, and give it to somebody else"));
        }
        let tables: Vec<TableName> = user.reads.keys().cloned().collect();
        for table in &tables {
            user.take_back(table, ADMIN);
        }
        user.only_admin_granted(name, &tables)?;
        if self.sessions_stay && self.sessions.values().any(|of| of == name) {
            return Err(Error::new(ErrorKind::SessionsRemain, format!("the admin may not end sessions of {name}"))
                .advise("end them, then run again"));
        }
        self.sessions.retain(|_, of| of != name);
        self.users.remove(name);
        Ok(())
    }

    /// See [`SourceEngine::reads`](crate::SourceEngine::reads).
    pub fn reads(&self, user: &UserName, table: &TableName) -> Reads {
        let (Some(found), Some(privileges)) = (self.tables.get(table), self.users.get(user)) else {
            return Reads::No;
        };
        let mut ways = Vec::new();
        if let Some(grantors) = privileges.reads.get(table) {
            ways.extend(grantors.iter().map(|grantor| format!("granted by {grantor}")));
        }
        if found.public {
            ways.push("granted to PUBLIC".to_owned());
        }
        if found.owner.as_ref() == Some(user) {
            ways.push("owns the table".to_owned());
        }
        if ways.is_empty() { Reads::No } else { Reads::Yes(ways) }
    }

    /// See [`SourceEngine::excess`](crate::SourceEngine::excess).
    pub fn excess(&self, user: &UserName, granted: &[TableName], limit: usize) -> Vec<String> {
        let beyond = |table: &&TableName| !granted.contains(table);
        self.tables
            .keys()
            .filter(beyond)
            .filter_map(|table| match self.reads(user, table) {
                Reads::Yes(ways) => Some(format!("reads {table}: {}", ways.join(", "))),
                Reads::No | Reads::CannotTell(_) => None,
            })
            .take(limit)
            .collect()
    }

    /// See [`SourceEngine::user_exists`](crate::SourceEngine::user_exists).
    pub fn user_exists(&self, user: &UserName) -> bool {
        self.users.contains_key(user)
    }

    /// See [`EngineConnector::log_in`](crate::EngineConnector::log_in).
    pub fn log_in(&self, credentials: &Credentials, table: Option<&TableName>) -> Login {
        match self.users.get(&credentials.user) {
            Some(user) if !user.disabled && user.passwords.contains(&credentials.password) => {
                Login::In(table.map(|table| self.reads(&credentials.user, table)))
            }
            _ => Login::Refused,
        }
    }
}

/// Sessions and locks.
impl MemoryDatabase {
    /// Opens a consumer's session, if its credentials are accepted.
    pub fn open(&mut self, session: MemorySessionId, credentials: &Credentials) -> bool {
        let accepted = self.log_in(credentials, None) != Login::Refused;
        if accepted {
            self.sessions.insert(session, credentials.user.clone());
        }
        accepted
    }

    /// What a consumer's session reads now.
    pub fn read(&self, session: MemorySessionId, table: &TableName) -> MemoryRead {
        let Some(user) = self.sessions.get(&session) else { return MemoryRead::Ended };
        match (self.reads(user, table), self.tables.get(table)) {
            (Reads::Yes(_), Some(table)) => MemoryRead::Rows(table.rows),
            _ => MemoryRead::Denied,
        }
    }

    /// Takes the lock for a session, unless another one holds it. Taking it again is success.
    pub fn lock(&mut self, session: MemorySessionId, key: &LockKey) -> bool {
        *self.locks.entry(key.clone()).or_insert(session) == session
    }

    /// Gives back whatever locks the session holds.
    pub fn unlock(&mut self, session: MemorySessionId) {
        self.locks.retain(|_, holder| *holder != session);
    }

    /// Takes the lock away from whoever holds it, as a server does that ends a session.
    pub fn break_lock(&mut self, key: &LockKey) {
        self.locks.remove(key);
    }

    /// Whether the session holds this lock.
    pub fn holds(&self, session: MemorySessionId, key: &LockKey) -> bool {
        self.locks.get(key) == Some(&session)
    }

    /// Ends a session: its locks are free.
    pub fn close(&mut self, session: MemorySessionId) {
        self.sessions.remove(&session);
        self.unlock(session);
    }
}

impl User {
    fn take_back(&mut self, table: &TableName, grantor: &str) {
        if let Some(grantors) = self.reads.get_mut(table) {
            grantors.remove(grantor);
            if grantors.is_empty() {
                self.reads.remove(table);
            }
        }
    }

    fn only_admin_granted(&self, name: &UserName, tables: &[TableName]) -> Result<()> {
        let other = tables.iter().find_map(|table| {
            let grantor = self.reads.get(table)?.iter().find(|grantor| *grantor != ADMIN)?;
            Some((table, grantor))
        });
        match other {
            None => Ok(()),
            Some((table, grantor)) => Err(Error::new(
                ErrorKind::GrantedByOther,
                format!("{name} may read {table} because {grantor} granted it"),
            )
            .advise(format!("revoke it as {grantor}"))),
        }
    }
}

fn no_user(user: &UserName) -> Error {
    Error::new(ErrorKind::NotFound, format!("the source has no user {user}"))
}
