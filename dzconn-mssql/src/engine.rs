//! What a session does, and in which order.

use std::time::Duration;

use async_trait::async_trait;
use dzconn_core::engine::{Created, Lock, LockKey, Reads, Refusal};
use dzconn_core::model::{AssetPath, Credentials, TableName, UserName};
use dzconn_core::sql::Sql;
use dzconn_core::{Error, ErrorKind, Result, SourceEngine};

use crate::error::number;
use crate::privileges;
use crate::sql::look::{self, TableIds};
use crate::sql::{self, Object, Place, Principal, Query};
use crate::wire::{Answers, Wire, columns};

mod drop;
mod find;
mod grants;
mod user;

#[cfg(test)]
pub(crate) use drop::lacks_sessions;
use user::Found;

/// One admin connection.
#[derive(Debug)]
pub(crate) struct Session {
    wire: Wire,
    held: Option<LockKey>,
    facts: Facts,
}

/// What the server says of itself and of this session once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Azure SQL Database: users are contained, and there is no other database.
    pub(crate) azure: bool,
    /// Whether names that differ in case only are the same name to the server (and so names of databases and logins).
    pub(crate) folds: bool,
    /// The database that the session is in.
    pub(crate) database: String,
    database_id: i64,
    /// The database that let the session in, unless the server did.
    authenticated_by: i64,
    pub(crate) read_only: bool,
    /// Who the session is: to the server, and in its database.
    pub(crate) login: String,
    pub(crate) user: String,
}

impl Facts {
    /// `EngineEdition` 5 is Azure SQL Database; Azure SQL Managed Instance (8) is a server like others ("SERVERPROPERTY").
    pub(crate) fn new(row: &[String]) -> Self {
        let [edition, _version, collation, database, id, login, user, updateability, authenticated_by] = columns(row);
        let number = |text: &str| text.parse::<i64>().unwrap_or_default();
        Self {
            azure: edition == "5",
            folds: collation.split('_').any(|part| part.eq_ignore_ascii_case("CI")),
            database: database.to_owned(),
            database_id: number(id),
            authenticated_by: number(authenticated_by),
            read_only: updateability == "READ_ONLY",
            login: login.to_owned(),
            user: user.to_owned(),
        }
    }

    /// Whether users are made with a password of their own and no login: where the server has no logins for it, or where the
    /// admin could not make one.
    pub(crate) fn makes_contained(&self) -> bool {
        self.azure || self.has_contained_admin()
    }

    /// Whether the admin is itself a user with a password of its own, and no login.
    pub(crate) fn has_contained_admin(&self) -> bool {
        self.authenticated_by > LAST_SYSTEM_DATABASE
    }

    /// Whether the session is in one of the server's own databases.
    pub(crate) fn is_in_system_database(&self) -> bool {
        self.database_id <= LAST_SYSTEM_DATABASE
    }

    /// Whether two names are one to the server, as far as case goes.
    pub(crate) fn same(&self, one: &str, other: &str) -> bool {
        one == other || self.folds && one.to_lowercase() == other.to_lowercase()
    }
}

/// master, tempdb, model, msdb.
const LAST_SYSTEM_DATABASE: i64 = 4;

/// How often something that another session was faster with is tried.
const TRIES: u32 = 3;

/// A table as its database has it.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) schema: String,
    pub(crate) name: String,
    pub(crate) ids: TableIds,
    pub(crate) owner: i64,
}

impl Table {
    fn object(&self) -> Object<'_> {
        Object { schema: &self.schema, name: &self.name }
    }
}

/// Where a table is said to be.
#[derive(Debug)]
pub(crate) enum Located<'a> {
    /// In the session's own database, or in another one that it may enter; and whether it is one of the server's own.
    At { place: Place<'a>, is_servers: bool },
    /// There is no such database.
    Missing,
    /// It may not be entered, is not open, or might be there; and why.
    Closed(Error),
}

impl Session {
    pub(crate) async fn start(mut wire: Wire, statement_timeout: Duration) -> Result<Self> {
        let pin = Query { text: sql::pin(statement_timeout), bound: Vec::new() };
        let answers = wire.run(pin).await?.or_refused("the session cannot be set up")?;
        let row = answers.rows(0).first();
        let row = row.ok_or_else(|| Error::new(ErrorKind::Unexpected, "the server did not say what it is"))?;
        Ok(Self { wire, held: None, facts: Facts::new(row) })
    }

    /// Runs statements that change something: before them the check that this session still holds its lock, in the same batch.
    /// Between the check and the change the lock can go only if the connection does.
    ///
    /// # Errors
    /// [`ErrorKind::LockLost`]; other refusals are in the answer.
    async fn change(&mut self, place: Place<'_>, statements: impl IntoIterator<Item = Sql>) -> Result<Option<Refusal>> {
        let query = sql::change(self.held.as_ref(), place, statements);
        match self.wire.run(query).await?.refused {
            Some(refusal) if refusal.number() == sql::raised::LOCK_LOST => {
                Err(Error::new(ErrorKind::LockLost, "this session does not hold its lock any more")
                    .vendor(format!("SQL Server {}", refusal.number())))
            }
            refused => Ok(refused),
        }
    }

    async fn look(&mut self, what: &str, query: Query) -> Result<Answers> {
        self.wire.run(query).await?.or_refused(what)
    }

    /// What lets the admin make, change, see and drop logins.
    fn logins_needed(&self) -> String {
        format!("in master: GRANT ALTER ANY LOGIN TO {}", sql::spell_name(&self.facts.login))
    }

    /// The same of the users of a database.
    fn users_needed(&self, place: Place<'_>) -> String {
        let database = sql::spell_name(place.unwrap_or(&self.facts.database));
        format!("in {database}: GRANT ALTER ANY USER TO {}", sql::spell_name(self.admin_in(place)))
    }
}

/// A refusal, with what the admin lacks if that is why.
fn denied(refusal: Refusal, what: &str, needs: &str) -> Error {
    let denied = refusal.is_denied();
    let error = refusal.into_error(what);
    if denied { error.advise(needs) } else { error }
}

/// Where a database is, seen from the session.
pub(crate) async fn locate<'a>(wire: &mut Wire, facts: &Facts, database: &'a str) -> Result<Located<'a>> {
    if facts.same(database, &facts.database) {
        return Ok(Located::At { place: None, is_servers: facts.is_in_system_database() });
    }
    let own = &facts.database;
    if facts.makes_contained() {
        return Ok(Located::Closed(
            Error::new(
                ErrorKind::TableNotFound,
                format!(
                    "{} is not the database {} that the session is in",
                    sql::spell_name(database),
                    sql::spell_name(own)
                ),
            )
            .advise("a contained user has one database: name the table's own in the connection's URL"),
        ));
    }
    let answers = wire.run(look::database(database)).await?.or_refused("the database cannot be looked for")?;
    let (spelled, login) = (sql::spell_name(database), sql::spell_name(&facts.login));
    let closed = |kind, what: String, advice: String| Ok(Located::Closed(Error::new(kind, what).advise(advice)));
    let found =
        answers.rows(0).first().map(|row| columns(row)).filter(|[name, ..]: &[&str; 4]| facts.same(name, database));
    let Some([_, can_enter, id, state]) = found else {
        // "sys.databases", Permissions.
        if answers.rows(1).first().and_then(|row| row.first()).is_some_and(|seen| seen == "1") {
            return Ok(Located::Missing);
        }
        return closed(
            ErrorKind::AdminDenied,
            format!("the admin sees no database {spelled}, and may not see every one"),
            format!("in master: GRANT VIEW ANY DATABASE TO {login}"),
        );
    };
    if can_enter == "1" {
        let is_servers = id.parse().is_ok_and(|id: i64| id <= LAST_SYSTEM_DATABASE);
        return Ok(Located::At { place: Some(database), is_servers });
    }
    if state != "ONLINE" {
        return closed(
            ErrorKind::Unreachable,
            format!("the database {spelled} is {state}"),
            "try again when it is online".to_owned(),
        );
    }
    closed(
        ErrorKind::AdminDenied,
        format!("the admin may not enter the database {spelled}"),
        format!("in {spelled}: CREATE USER {login} FOR LOGIN {login}"),
    )
}

/// The table as the admin sees it.
pub(crate) async fn table(wire: &mut Wire, place: Place<'_>, object: Object<'_>) -> Result<Option<Table>> {
    let answers = wire.run(look::table(place, object)).await?.or_refused("the table cannot be looked for")?;
    let rows = answers.rows(0).iter().filter_map(|row| {
        let [schema, name, schema_id, object_id, owner] = columns(row);
        let ids = TableIds { schema: schema_id.parse().ok()?, object: object_id.parse().ok()? };
        // To some collations, names are equal that only look alike.
        let same = |one: &str, other: &str| one.to_lowercase() == other.to_lowercase();
        let fits = same(schema, object.schema) && same(name, object.name);
        let table = Table { schema: schema.to_owned(), name: name.to_owned(), ids, owner: owner.parse().ok()? };
        fits.then_some(table)
    });
    let mut found: Vec<_> = rows.collect();
    let exact = found.iter().position(|table| table.schema == object.schema && table.name == object.name);
    Ok(match exact {
        Some(place) => Some(found.swap_remove(place)),
        None => found.pop(),
    })
}

#[async_trait]
impl SourceEngine for Session {
    async fn lock(&mut self, key: &LockKey, wait: Duration, _hold: Duration) -> Result<Lock> {
        if self.facts.read_only {
            return Err(Error::new(ErrorKind::ReadOnly, "the database takes no writes: its locks are its own")
                .advise("let the connection name the primary (the availability group's listener)"));
        }
        let answers = self.wire.run_for(sql::lock(key, wait), wait).await?.or_refused("the lock was not taken")?;
        match answers.rows(0).first().and_then(|row| row.first()).map_or("", String::as_str) {
            "0" | "1" => {
                // A session has one lock: another takes the place of the former, once it is had.
                if let Some(former) = self.held.replace(key.clone()).filter(|former| former != key) {
                    self.look("the former lock was not given back", sql::unlock(&former)).await?;
                }
                Ok(Lock::Held)
            }
            "-1" => Err(Error::new(ErrorKind::LockTimeout, format!("another session held {key:?} for {wait:?}")).advise(
                "sys.dm_tran_locks names the session (resource_type APPLICATION); if no run is under way there, KILL it",
            )),
            "-2" | "-3" => Err(Error::new(ErrorKind::Contention, "the server gave up waiting for the lock")),
            other => Err(Error::new(ErrorKind::Unexpected, format!("sp_getapplock answered {other:?}"))),
        }
    }

    async fn unlock(&mut self) -> Result<()> {
        let Some(key) = &self.held else { return Ok(()) };
        self.wire.run(sql::unlock(key)).await?.or_refused("the lock was not given back")?;
        self.held = None;
        Ok(())
    }

    async fn resolve(&mut self, path: &AssetPath) -> Result<TableName> {
        self.find_table(path).await
    }

    async fn create_user(&mut self, credentials: &Credentials) -> Result<Created> {
        self.make_user(credentials).await
    }

    async fn set_password(&mut self, credentials: &Credentials) -> Result<()> {
        self.change_password(credentials).await
    }

    async fn grant(&mut self, user: &UserName, table: &TableName, take_back: &[TableName]) -> Result<()> {
        let granted = self.grant_one(user, table).await.map_err(|error| error.on_asset(table))?;
        for other in take_back {
            // A name that differs may still be the table that was just granted.
            let keep = self.facts.same(other.database(), table.database()).then_some(granted);
            self.revoke_one(user, other, keep).await.map_err(|error| error.on_asset(other))?;
        }
        Ok(())
    }

    async fn revoke(&mut self, user: &UserName, tables: &[TableName]) -> Result<()> {
        for table in tables {
            self.revoke_one(user, table, None).await.map_err(|error| error.on_asset(table))?;
        }
        Ok(())
    }

    async fn drop_user(&mut self, user: &UserName) -> Result<()> {
        self.end_user(user).await
    }

    async fn reads(&mut self, user: &UserName, table: &TableName) -> Result<Reads> {
        privileges::reads(&mut self.wire, &self.facts, user, table).await
    }

    async fn excess(&mut self, user: &UserName, granted: &[TableName], limit: usize) -> Result<Vec<String>> {
        self.find_excess(user, granted, limit).await
    }

    async fn user_exists(&mut self, user: &UserName) -> Result<bool> {
        Ok(self.find(Principal::new(user)?).await? != Found::Nobody)
    }

    async fn users(&mut self, prefix: &str) -> Result<Vec<UserName>> {
        self.find_users(prefix).await
    }

    async fn granted(&mut self, user: &UserName) -> Result<Vec<TableName>> {
        self.find_granted(user).await
    }

    async fn close(self: Box<Self>) -> Result<()> {
        self.wire.close().await
    }
}
