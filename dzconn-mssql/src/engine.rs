//! What a session does, and in which order.

use std::time::Duration;

use async_trait::async_trait;
use dzconn_core::engine::{Created, Lock, LockKey, Reads};
use dzconn_core::model::{AssetPath, Credentials, TableName, UserName};
use dzconn_core::sql::Sql;
use dzconn_core::{Error, ErrorKind, Result, SourceEngine};

use crate::error::{Refusal, number};
use crate::privileges::{self, Reading};
use crate::sql::look::{self, TableIds};
use crate::sql::{self, Object, Place, Principal, Query};
use crate::wire::{Answers, Wire, columns};

mod drop;
mod find;
mod user;

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
    /// In the session's own database, or in another one that it may enter.
    At(Place<'a>),
    /// There is no such database.
    Missing,
    /// It may not be entered, and why.
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
            Some(refusal) if refusal.number == sql::raised::LOCK_LOST => {
                Err(Error::new(ErrorKind::LockLost, "this session does not hold its lock any more")
                    .vendor(format!("SQL Server {}", refusal.number)))
            }
            refused => Ok(refused),
        }
    }

    async fn look(&mut self, what: &str, query: Query) -> Result<Answers> {
        self.wire.run(query).await?.or_refused(what)
    }

    /// A refusal, with what the admin lacks if that is why.
    fn denied(&self, refusal: Refusal, what: &str, needs: &str) -> Error {
        let denied = refusal.is_denied();
        let error = refusal.into_error(what);
        if denied { error.advise(format!("{needs} TO {}", self.admin())) } else { error }
    }

    /// The admin as people must write it in a grant: the server knows logins, a database its users.
    fn admin(&self) -> String {
        sql::spell_name(if self.facts.makes_contained() { &self.facts.user } else { &self.facts.login })
    }

    /// Where a database is, seen from the session.
    pub(crate) async fn locate<'a>(&mut self, database: &'a str) -> Result<Located<'a>> {
        locate(&mut self.wire, &self.facts, database).await
    }

    /// The table as the admin sees it.
    pub(crate) async fn table(&mut self, place: Place<'_>, object: Object<'_>) -> Result<Option<Table>> {
        table(&mut self.wire, place, object).await
    }

    async fn grant_one(&mut self, user: &UserName, name: &TableName) -> Result<TableIds> {
        let principal = Principal::new(user)?;
        let object = sql::must_be_object(name)?;
        let what = format!("SELECT on {} was not granted to {principal}", sql::quoted(name));
        let place = match self.locate(name.database()).await? {
            Located::At(place) => place,
            Located::Missing => {
                return Err(Error::new(ErrorKind::TableNotFound, format!("{what}: there is no such database"))
                    .advise("check that the database exists, under this name"));
            }
            Located::Closed(error) => return Err(error),
        };
        let found = self.find(principal).await?;
        match &found {
            Found::Nobody => return Err(Error::new(ErrorKind::Unexpected, format!("{what}: no such user"))),
            Found::Contained { .. } if place.is_some() => {
                return Err(Error::new(
                    ErrorKind::TableNotFound,
                    format!("{what}: it is a contained user, which can enter no other database"),
                )
                .advise("name the table's own database in the connection's URL"));
            }
            Found::Contained { .. } | Found::Login { .. } => {}
        }
        let Some(table) = self.table(place, object).await? else {
            let needs = sql::admin_needs(name, self.user_of_admin());
            return Err(Error::new(ErrorKind::TableNotFound, format!("{what}, and the admin sees no such table"))
                .advise(format!("check that the table exists; if it does, have somebody run who may: {needs}")));
        };
        let id = match found {
            Found::Contained { id, .. } => id,
            _ => self.let_in(place, principal).await?,
        };
        let database = place.unwrap_or(&self.facts.database).to_owned();
        let before = privileges::reading(&mut self.wire, place, &database, id, &table).await?;
        must_not_be_denied(&before, &what)?;
        if let Some(refusal) = self.change(place, [sql::grant(principal, table.object())]).await? {
            let may_not = refusal.is_denied() || refusal.kind() == ErrorKind::NoGrantOption;
            if !may_not {
                return Err(refusal.into_error(&what));
            }
            let needs = sql::admin_needs(name, self.user_of_admin());
            return Err(refusal.into_error_of(ErrorKind::NoGrantOption, &what).advise(format!(
                "have somebody run who may: {needs}; as a grant to that very user, and not to a role"
            )));
        }
        let after = privileges::reading(&mut self.wire, place, &database, id, &table).await?;
        must_not_be_denied(&after, &what)?;
        if after.sees_all && after.own.is_empty() {
            return Err(Error::new(ErrorKind::NoGrantOption, format!("{what}, though the server said so")));
        }
        Ok(table.ids)
    }

    /// The admin's user in a database is its own name there; in another than the session's it is not known.
    fn user_of_admin(&self) -> &str {
        if matches!(self.facts.user.as_str(), "dbo" | "guest") { &self.facts.login } else { &self.facts.user }
    }

    /// Takes SELECT on one table back; the table that was meant, if it is there. `keep` is never touched.
    async fn revoke_one(&mut self, user: &UserName, name: &TableName, keep: Option<TableIds>) -> Result<()> {
        let principal = Principal::new(user)?;
        let Some(object) = sql::object(name) else { return Ok(()) };
        let place = match self.locate(name.database()).await? {
            Located::At(place) => place,
            // What was granted in a database goes with it.
            Located::Missing => return Ok(()),
            Located::Closed(error) => return Err(error),
        };
        let Some(id) = self.own_user(place, principal).await? else { return Ok(()) };
        // As well: what was granted on a table goes with it.
        let Some(table) = self.table(place, object).await? else { return Ok(()) };
        if keep == Some(table.ids) {
            return Ok(());
        }
        let what = format!("SELECT on {} was not taken from {principal}", sql::quoted(name));
        let database = place.unwrap_or(&self.facts.database).to_owned();
        let mut reading = privileges::reading(&mut self.wire, place, &database, id, &table).await?;
        if reading.own.is_empty() && reading.sees_all {
            return Ok(());
        }
        // REVOKE takes a DENY as well, and that is somebody else's.
        if reading.own_denials.is_empty() {
            let refused = self.change(place, [sql::revoke(principal, table.object())]).await?;
            match refused {
                Some(refusal) if !may_be_other_grantor(&refusal) => return Err(refusal.into_error(&what)),
                Some(refusal) if !reading.sees_all => {
                    let needs = sql::admin_needs(name, self.user_of_admin());
                    return Err(refusal
                        .into_error(&what)
                        .advise(format!("only who may grant it may take it back: {needs}")));
                }
                _ => {}
            }
            reading = privileges::reading(&mut self.wire, place, &database, id, &table).await?;
        }
        for own in std::mem::take(&mut reading.own) {
            let column = own.column.as_deref();
            let revoke = sql::revoke_as(principal, table.object(), column, &own.grantor);
            match self.change(place, [revoke]).await? {
                Some(refusal) if !may_be_other_grantor(&refusal) => return Err(refusal.into_error(&what)),
                _ => {}
            }
        }
        let left = privileges::reading(&mut self.wire, place, &database, id, &table).await?.own;
        if left.is_empty() {
            return Ok(());
        }
        let mut grantors: Vec<_> = left.iter().map(|own| sql::spell_name(&own.grantor)).collect();
        grantors.sort_unstable();
        grantors.dedup();
        let must_run = left.iter().take(5).map(|own| {
            let revoke = sql::grantor_must_run(principal, table.object(), own.column.as_deref());
            format!("as {}: {revoke}", sql::spell_name(&own.grantor))
        });
        let must_run = must_run.collect::<Vec<_>>().join("; ");
        Err(Error::new(ErrorKind::GrantedByOther, format!("{what}: it was granted by {}", grantors.join(", ")))
            .advise(format!("in {}, {must_run}", sql::spell_name(&database))))
    }
}

/// A DENY wins over any GRANT, and a grant by who denied would take it away.
fn must_not_be_denied(reading: &Reading, what: &str) -> Result<()> {
    if reading.denied.is_empty() {
        return Ok(());
    }
    let denied = reading.denied.join(", ");
    Err(Error::new(ErrorKind::NoGrantOption, format!("{what}: a DENY wins over every grant ({denied})"))
        .advise("find out why it was denied; REVOKE takes the DENY away"))
}

/// Whether a revoke in the name of another principal was refused for want of a right.
fn may_be_other_grantor(refusal: &Refusal) -> bool {
    refusal.is_denied() || matches!(refusal.kind(), ErrorKind::NoGrantOption | ErrorKind::TableNotFound)
}

/// Where a database is, seen from the session.
pub(crate) async fn locate<'a>(wire: &mut Wire, facts: &Facts, database: &'a str) -> Result<Located<'a>> {
    if facts.same(database, &facts.database) {
        return Ok(Located::At(None));
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
    let Some([name, can_enter]) = answers.rows(0).first().map(|row| columns(row)) else { return Ok(Located::Missing) };
    if !facts.same(name, database) {
        return Ok(Located::Missing);
    }
    if can_enter == "1" {
        return Ok(Located::At(Some(database)));
    }
    let login = sql::spell_name(&facts.login);
    Ok(Located::Closed(
        Error::new(
            ErrorKind::AdminDenied,
            format!("the admin may not enter the database {}, or it is offline", sql::spell_name(database)),
        )
        .advise(format!("in {}: CREATE USER {login} FOR LOGIN {login}", sql::spell_name(database))),
    ))
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
            return Err(self.wire.name(
                Error::new(ErrorKind::ReadOnly, "the database takes no writes: its locks are its own")
                    .advise("let the connection name the primary (the availability group's listener)"),
            ));
        }
        let answers = self.wire.run_for(sql::lock(key, wait), wait).await;
        let answers = answers.and_then(|answers| answers.or_refused("the lock was not taken"));
        let answers = answers.map_err(|error| self.wire.name(error))?;
        match answers.rows(0).first().and_then(|row| row.first()).map_or("", String::as_str) {
            "0" | "1" => {
                // A session has one lock: another takes the place of the former, once it is had.
                if let Some(former) = self.held.replace(key.clone()).filter(|former| former != key) {
                    let released = self.look("the former lock was not given back", sql::unlock(&former)).await;
                    released.map_err(|error| self.wire.name(error))?;
                }
                Ok(Lock::Held)
            }
            "-1" => Err(self.wire.name(
                Error::new(ErrorKind::LockTimeout, format!("another session held {key:?} for {wait:?}")).advise(
                    "sys.dm_tran_locks names the session (resource_type APPLICATION); if no run is under way there, KILL it",
                ),
            )),
            "-2" | "-3" => {
                Err(self.wire.name(Error::new(ErrorKind::Contention, "the server gave up waiting for the lock")))
            }
            other => Err(self.wire.name(Error::new(ErrorKind::Unexpected, format!("sp_getapplock answered {other:?}")))),
        }
    }

    async fn unlock(&mut self) -> Result<()> {
        let Some(key) = &self.held else { return Ok(()) };
        let answers = self.wire.run(sql::unlock(key)).await;
        let answers = answers.and_then(|answers| answers.or_refused("the lock was not given back"));
        answers.map_err(|error| self.wire.name(error))?;
        self.held = None;
        Ok(())
    }

    async fn resolve(&mut self, path: &AssetPath) -> Result<TableName> {
        self.find_table(path).await.map_err(|error| self.wire.name(error))
    }

    async fn create_user(&mut self, credentials: &Credentials) -> Result<Created> {
        self.make_user(credentials).await.map_err(|error| self.wire.name(error))
    }

    async fn set_password(&mut self, credentials: &Credentials) -> Result<()> {
        self.change_password(credentials).await.map_err(|error| self.wire.name(error))
    }

    async fn grant(&mut self, user: &UserName, table: &TableName, take_back: &[TableName]) -> Result<()> {
        let granted = self.grant_one(user, table).await;
        let granted = granted.map_err(|error| self.wire.name(error.on_asset(table)))?;
        for other in take_back {
            // A name that differs may still be the table that was just granted.
            let keep = self.facts.same(other.database(), table.database()).then_some(granted);
            let revoked = self.revoke_one(user, other, keep).await;
            revoked.map_err(|error| self.wire.name(error.on_asset(other)))?;
        }
        Ok(())
    }

    async fn revoke(&mut self, user: &UserName, tables: &[TableName]) -> Result<()> {
        for table in tables {
            let revoked = self.revoke_one(user, table, None).await;
            revoked.map_err(|error| self.wire.name(error.on_asset(table)))?;
        }
        Ok(())
    }

    async fn drop_user(&mut self, user: &UserName) -> Result<()> {
        self.end_user(user).await.map_err(|error| self.wire.name(error))
    }

    async fn reads(&mut self, user: &UserName, table: &TableName) -> Result<Reads> {
        let reads = privileges::reads(&mut self.wire, &self.facts, user, table).await;
        reads.map_err(|error| self.wire.name(error))
    }

    async fn excess(&mut self, user: &UserName, granted: &[TableName], limit: usize) -> Result<Vec<String>> {
        let excess = self.find_excess(user, granted, limit).await;
        excess.map_err(|error| self.wire.name(error))
    }

    async fn user_exists(&mut self, user: &UserName) -> Result<bool> {
        let found = async { self.find(Principal::new(user)?).await }.await;
        Ok(!matches!(found.map_err(|error| self.wire.name(error))?, Found::Nobody))
    }

    async fn users(&mut self, prefix: &str) -> Result<Vec<UserName>> {
        self.find_users(prefix).await.map_err(|error| self.wire.name(error))
    }

    async fn granted(&mut self, user: &UserName) -> Result<Vec<TableName>> {
        self.find_granted(user).await.map_err(|error| self.wire.name(error))
    }

    async fn close(self: Box<Self>) -> Result<()> {
        self.wire.close().await
    }
}
