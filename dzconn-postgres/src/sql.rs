//! Every statement, as functions from typed names to SQL, and the only place where identifiers and literals are quoted.
//!
//! What changes something is a [`Statement`], which a plan shows and a session runs; what only looks is in [`look`].
//! Unqualified names mean `pg_catalog`: every session pins its `search_path` first ([`pin`]).

use std::time::Duration;

use dzconn_core::engine::Action;
use dzconn_core::model::{TableName, UserName};
use dzconn_core::sql::{Piece, Sql};
use dzconn_core::{Error, ErrorKind, Result, Secret, sql};

use look::Held;
use sqlx::AssertSqlSafe;

pub(crate) mod look;

/// PostgreSQL cuts longer names without an error ("Identifiers and Key Words": `NAMEDATALEN` - 1).
pub(crate) const MAX_NAME: usize = 63;

/// The one place where text is declared safe to run: a `Sql` is built from nothing but pieces.
pub(crate) fn into_driver(sql: Sql) -> AssertSqlSafe<String> {
    AssertSqlSafe(sql.into_text())
}

/// An identifier.
pub(crate) struct Name<'a>(pub(crate) &'a str);

impl Piece for Name<'_> {
    fn write(&self, sql: &mut Sql) {
        sql.push("\"");
        sql.push(&self.0.replace('"', "\"\""));
        sql.push("\"");
    }
}

/// A string literal. One with a backslash is written as `E'...'`, which means the same whatever
/// `standard_conforming_strings` says.
pub(crate) struct Text<'a>(pub(crate) &'a str);

impl Piece for Text<'_> {
    fn write(&self, sql: &mut Sql) {
        sql.push(if self.0.contains('\\') { " E'" } else { "'" });
        sql.push(&self.0.replace('\\', "\\\\").replace('\'', "''"));
        sql.push("'");
    }
}

/// What our own checks raise. Classes from I to Z are left to implementations by the SQL standard; PostgreSQL uses none
/// that begins with `ZD`.
pub(crate) mod raised {
    pub(crate) const LOCK_LOST: &str = "ZD001";
    pub(crate) const NO_SELECT: &str = "ZD002";
    pub(crate) const NO_USAGE: &str = "ZD003";
    pub(crate) const NO_CONNECT: &str = "ZD004";
    pub(crate) const SESSIONS: &str = "ZD005";
}

/// A role that dzconn may make, change or drop.
///
/// `public` and `none` are no role names even in quotes: `REVOKE ... FROM "public"` takes from everybody. Names that begin
/// with `pg_` are the system's ("CREATE ROLE", 42939).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Role<'a>(&'a str);

impl<'a> Role<'a> {
    pub(crate) fn new(user: &'a UserName) -> Result<Self> {
        let name = user.as_str();
        if name.len() > MAX_NAME {
            return Err(Error::new(
                ErrorKind::NameTooLong,
                format!("{name:?} has {} bytes; PostgreSQL takes {MAX_NAME}", name.len()),
            )
            .advise("configure a shorter user naming"));
        }
        if name.starts_with("pg_") || name == "public" || name == "none" {
            return Err(Error::new(ErrorKind::InvalidInput, format!("PostgreSQL reserves the role name {name:?}"))
                .advise("configure another user naming"));
        }
        Ok(Self(name))
    }

    /// Whether the driver can log in as this role: it prepares the name for SCRAM as it does a password, though the server
    /// takes any.
    pub(crate) fn can_log_in(self) -> Result<Self> {
        stringprep::saslprep(self.0).map(|_| self).map_err(|cause| {
            Error::new(ErrorKind::InvalidInput, format!("nobody can log in as {:?} by SCRAM: {cause}", self.0))
                .advise("configure another user naming")
        })
    }

    /// Its number, or NULL.
    fn oid(self) -> Sql {
        sql!["(SELECT oid FROM pg_roles WHERE rolname = ", Text(self.0), ")"]
    }
}

impl Piece for Role<'_> {
    fn write(&self, sql: &mut Sql) {
        Name(self.0).write(sql);
    }
}

/// A table, view or the like of the connected database.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Relation<'a> {
    pub(crate) schema: &'a str,
    pub(crate) name: &'a str,
}

impl<'a> Relation<'a> {
    /// `None` where the name has no schema or is longer than any that the server can hold: cut to length it would mean
    /// another table.
    pub(crate) fn new(table: &'a TableName) -> Option<Self> {
        let (schema, name) = (table.schema()?, table.name());
        (schema.len() <= MAX_NAME && name.len() <= MAX_NAME).then_some(Self { schema, name })
    }

    /// The two names as a row of literals, to compare `(nspname, relname)` with.
    fn row(self) -> Sql {
        sql!["(", Text(self.schema), ", ", Text(self.name), ")"]
    }
}

impl Piece for Relation<'_> {
    fn write(&self, sql: &mut Sql) {
        sql!(Name(self.schema), ".", Name(self.name)).write(sql);
    }
}

/// A SCRAM-SHA-256 verifier ("Password Authentication"), made on this side, so that no log of the server holds the password.
pub(crate) struct Verifier(Option<String>);

impl Verifier {
    pub(crate) fn of(password: &Secret) -> Self {
        Self(Some(postgres_protocol::password::scram_sha_256(password.expose().as_bytes())))
    }

    /// For plans.
    pub(crate) fn hidden() -> Self {
        Self(None)
    }
}

impl Piece for Verifier {
    fn write(&self, sql: &mut Sql) {
        Text(self.0.as_deref().unwrap_or("<verifier>")).write(sql);
        if self.0.is_some() {
            sql.mark_secret();
        }
    }
}

/// Something that changes the source.
pub(crate) struct Statement {
    sql: Sql,
    /// It runs only where this holds when its turn comes; and the same for people.
    only_if: Option<(Sql, &'static str)>,
    /// Whether it is as good as done where the table, schema or role has just gone.
    gone_is_done: bool,
}

impl Statement {
    pub(crate) fn always(sql: Sql) -> Self {
        Self { sql, only_if: None, gone_is_done: false }
    }

    fn only_if(sql: Sql, condition: Sql, words: &'static str) -> Self {
        Self { sql, only_if: Some((condition, words)), gone_is_done: false }
    }

    fn gone_is_done(self) -> Self {
        Self { gone_is_done: true, ..self }
    }

    /// What the session runs.
    fn into_sql(self) -> Sql {
        let Self { sql, only_if, gone_is_done } = self;
        if only_if.is_none() && !gone_is_done {
            return sql;
        }
        let body = match only_if {
            None => sql![sql, ";"],
            Some((condition, _)) => sql!["IF ", condition, " THEN ", sql, "; END IF;"],
        };
        let gone = " EXCEPTION WHEN undefined_table OR invalid_schema_name OR undefined_object THEN NULL;";
        block(&sql![body, if gone_is_done { gone } else { "" }])
    }

    /// What a plan shows: one line, also where a name has control characters.
    fn shown(self) -> String {
        let escape = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
        let line: String = self.sql.as_str().chars().map(escape).collect();
        match self.only_if {
            None => line,
            Some((_, words)) => format!("{line} -- {words}"),
        }
    }
}

/// Several statements as one text: one round trip, and one transaction, all or nothing ("Multiple Statements in a Simple
/// Query").
pub(crate) fn batch(statements: impl IntoIterator<Item = Statement>) -> Sql {
    let mut batch = Sql::default();
    for statement in statements {
        statement.into_sql().write(&mut batch);
        ";\n".write(&mut batch);
    }
    batch
}

/// An anonymous block; its body is a literal like any other. None holds a verifier.
fn block(body: &Sql) -> Sql {
    sql!["DO ", Text(sql!["BEGIN ", *body, " END"].as_str())]
}

fn raise_unless(condition: &Sql, code: &'static str, message: &'static str) -> Sql {
    let raise = sql!["RAISE EXCEPTION USING ERRCODE = '", code, "', MESSAGE = 'dzconn: ", message, "'"];
    sql!["IF (", *condition, ") IS NOT TRUE THEN ", raise, "; END IF; "]
}

/// Makes the session independent of what the server, the database or the role has configured.
///
/// Warnings are not sent: the driver would log them, and what they would say is read back instead.
pub(crate) fn pin(statement_timeout: Duration) -> Sql {
    sql![
        "SET search_path = pg_catalog, pg_temp; SET standard_conforming_strings = on; SET client_encoding = 'UTF8'; \
         SET client_min_messages = error; SET default_transaction_isolation = 'read committed'; \
         SET lock_timeout = '10s'; SET idle_in_transaction_session_timeout = '60s'; \
         SET tcp_keepalives_idle = 60; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3; \
         SET statement_timeout = ",
        milliseconds(statement_timeout),
        ";\n"
    ]
}

/// At least 1: zero would switch a time-out off.
fn milliseconds(time: Duration) -> i64 {
    i64::from(i32::try_from(time.as_millis()).unwrap_or(i32::MAX).max(1))
}

/// Takes a session's advisory lock, once however often it is asked for: advisory locks count.
pub(crate) fn lock(key: i64, wait: Duration, hold: Option<Duration>) -> Sql {
    let end_when_idle = match hold {
        Some(hold) => sql!["SET idle_session_timeout = ", milliseconds(hold), ";\n"],
        None => Sql::default(),
    };
    sql![
        end_when_idle,
        "SET LOCAL lock_timeout = ",
        milliseconds(wait),
        ";\nSET LOCAL statement_timeout = ",
        milliseconds(wait + Duration::from_secs(5)),
        ";\nSELECT CASE WHEN ",
        holds(key),
        " THEN '' ELSE pg_advisory_lock(",
        key,
        ")::text END"
    ]
}

pub(crate) fn unlock(has_idle_timeout: bool) -> Sql {
    let reset = if has_idle_timeout { "RESET idle_session_timeout;\n" } else { "" };
    sql![reset, "SELECT pg_advisory_unlock_all()::text"]
}

/// Whether this session holds the lock. `pg_locks` shows a key's halves as `classid` and `objid`.
fn holds(key: i64) -> Sql {
    sql![
        "EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND granted AND objsubid = 1 \
         AND mode = 'ExclusiveLock' AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
         AND classid::bigint = ",
        (key >> 32) & 0xffff_ffff,
        " AND objid::bigint = ",
        key & 0xffff_ffff,
        ")"
    ]
}

/// Fails the transaction unless this session holds the lock.
pub(crate) fn guard(key: i64) -> Statement {
    let body = raise_unless(&holds(key), raised::LOCK_LOST, "this session does not hold its lock");
    Statement::always(block(&body))
}

/// Lets one transaction at a time change privileges in this database: two on one table fail with XX000, "tuple concurrently
/// updated". Keys of two numbers and keys of one are apart ("Advisory Locks").
pub(crate) fn queue() -> Statement {
    Statement::always(sql!["SELECT pg_advisory_xact_lock(1685742446, 1)::text"])
}

pub(crate) fn create_role(role: Role<'_>, verifier: &Verifier) -> Statement {
    let attributes = " LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD ";
    Statement::always(sql!["CREATE ROLE ", role, attributes, *verifier])
}

pub(crate) fn enable(role: Role<'_>) -> Statement {
    let disabled = sql!["EXISTS (SELECT FROM pg_roles WHERE rolname = ", Text(role.0), " AND NOT rolcanlogin)"];
    Statement::only_if(sql!["ALTER ROLE ", role, " LOGIN"], disabled, "if it exists and is disabled")
}

pub(crate) fn set_password(role: Role<'_>, verifier: &Verifier) -> Statement {
    Statement::always(sql!["ALTER ROLE ", role, " PASSWORD ", *verifier])
}

/// Read on one table and what is needed to reach it.
pub(crate) fn grant(role: Role<'_>, relation: Relation<'_>, database: &str) -> Vec<Statement> {
    let connects = sql!["has_database_privilege(", role.oid(), ", ", Text(database), ", 'CONNECT')"];
    let uses = sql![
        "EXISTS (SELECT FROM pg_namespace n CROSS JOIN aclexplode(n.nspacl) a WHERE n.nspname = ",
        Text(relation.schema),
        " AND a.privilege_type = 'USAGE' AND a.grantee = ",
        role.oid(),
        ")"
    ];
    vec![
        Statement::only_if(
            sql!["GRANT CONNECT ON DATABASE ", Name(database), " TO ", role],
            sql!["NOT ", connects],
            "unless it may connect already",
        ),
        Statement::only_if(
            sql!["GRANT USAGE ON SCHEMA ", Name(relation.schema), " TO ", role],
            sql!["NOT ", uses],
            "unless it has that already",
        ),
        Statement::always(sql!["GRANT SELECT ON TABLE ", relation, " TO ", role]),
    ]
}

/// Fails the transaction unless [`grant`] has had its effect. Without the grant option the server only warns (01007).
///
/// A privilege of the role's own is asked for: what PUBLIC gives today it may take tomorrow.
pub(crate) fn check_granted(role: Role<'_>, relation: Relation<'_>) -> Statement {
    let selects = sql![
        "EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace CROSS JOIN aclexplode(c.relacl) a \
         WHERE (n.nspname, c.relname) = ",
        relation.row(),
        " AND a.privilege_type = 'SELECT' AND a.grantee = ",
        role.oid(),
        ")"
    ];
    let uses = sql!["has_schema_privilege(", role.oid(), ", ", Text(relation.schema), ", 'USAGE')"];
    let connects = sql!["has_database_privilege(", role.oid(), ", current_database(), 'CONNECT')"];
    Statement::always(block(&sql![
        raise_unless(&selects, raised::NO_SELECT, "SELECT was not granted"),
        raise_unless(&uses, raised::NO_USAGE, "USAGE was not granted"),
        raise_unless(&connects, raised::NO_CONNECT, "CONNECT was not granted"),
    ]))
}

/// Takes back what the session's own role can, a schema's usage once the user has nothing else in it; and shows what is left.
pub(crate) fn take_back(role: Role<'_>, relations: &[Relation<'_>]) -> Vec<Statement> {
    if relations.is_empty() {
        return Vec::new();
    }
    let left = look::held(role, look::Scope::Tables(relations));
    revoke(role, relations).into_iter().chain([Statement::always(left)]).collect()
}

fn revoke(role: Role<'_>, relations: &[Relation<'_>]) -> Vec<Statement> {
    let own = |relation: &Relation<'_>, kind: &'static str| {
        let held = look::held(role, look::Scope::Tables(std::slice::from_ref(relation)));
        sql!["EXISTS (SELECT FROM (", held, ") h WHERE h.way = 'self' AND h.kind = '", kind, "')"]
    };
    let tables = relations.iter().map(|relation| {
        let revoke = revoke_on(&Object::Table(*relation), role);
        Statement::only_if(revoke, own(relation, "table"), "if it has any").gone_is_done()
    });
    let mut schemas = relations.to_vec();
    schemas.sort_unstable();
    schemas.dedup_by_key(|relation| relation.schema);
    let usages = schemas.iter().map(|relation| {
        let revoke = revoke_on(&Object::Schema(relation.schema), role);
        Statement::only_if(revoke, own(relation, "schema"), "once it has nothing else in the schema").gone_is_done()
    });
    tables.chain(usages).collect()
}

/// Takes back what was found, in the way that was found for it.
///
/// REVOKE takes back only what the role that runs it has granted, a superuser's only what the owner has, and `GRANTED BY`
/// another role is refused with 0A000 (tried on 15 and 18): so it runs as the grantor where the session may SET ROLE to it.
pub(crate) fn take_back_held(role: Role<'_>, held: &Held) -> Option<Statement> {
    // Of the roles that the session has, the server acts as the one that may grant most of what is named: what dzconn
    // grants is named by itself first, since that is what its own role granted.
    let given = match held.object() {
        Object::Table(_) => "SELECT",
        Object::Schema(_) => "USAGE",
        Object::Database(_) => "CONNECT",
    };
    let exact = sql!["REVOKE ", given, " ON ", held.object(), " FROM ", role];
    let revoke = sql![exact, "; ", revoke_on(&held.object(), role)];
    let sql = match held.way.as_str() {
        "self" => revoke,
        // RESET goes back to what the session began with, which may itself be a role that was set.
        "role" => sql!["SET LOCAL ROLE ", Name(&held.grantor), "; ", revoke, "; RESET ROLE"],
        _ => return None,
    };
    Some(Statement::always(sql).gone_is_done())
}

/// What privileges are on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Object<'a> {
    Table(Relation<'a>),
    Schema(&'a str),
    Database(&'a str),
}

impl Piece for Object<'_> {
    fn write(&self, sql: &mut Sql) {
        match self {
            Self::Table(relation) => sql!["TABLE ", *relation],
            Self::Schema(name) => sql!["SCHEMA ", Name(name)],
            Self::Database(name) => sql!["DATABASE ", Name(name)],
        }
        .write(sql);
    }
}

/// On a table, that includes its columns ("REVOKE").
pub(crate) fn revoke_on(object: &Object<'_>, role: Role<'_>) -> Sql {
    sql!["REVOKE ALL PRIVILEGES ON ", *object, " FROM ", role]
}

pub(crate) fn disable(role: Role<'_>) -> Statement {
    let enabled = sql!["EXISTS (SELECT FROM pg_roles WHERE rolname = ", Text(role.0), " AND rolcanlogin)"];
    Statement::only_if(sql!["ALTER ROLE ", role, " NOLOGIN"], enabled, "if it may log in").gone_is_done()
}

/// Tells the server to end the role's sessions, wherever they are connected; a row for each.
pub(crate) fn end_sessions(role: Role<'_>) -> Statement {
    Statement::always(sql![
        "SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity WHERE usesysid = ",
        role.oid()
    ])
}

/// What a plain CREATEROLE admin needs to end the role's sessions. From 16 on the creator of a role has only ADMIN on it.
pub(crate) fn join(role: Role<'_>, admin: &str, version: u32) -> Statement {
    let options = if version < 160_000 { "" } else { " WITH INHERIT TRUE, SET TRUE" };
    Statement::always(sql!["GRANT ", role, " TO ", Name(admin), options])
}

/// Drops the role unless it has a session: one that logged in just before [`disable`] may show late.
pub(crate) fn drop_role(role: Role<'_>) -> [Statement; 2] {
    let none = sql!["NOT EXISTS (SELECT FROM pg_stat_activity WHERE usesysid = ", role.oid(), ")"];
    let body = raise_unless(&none, raised::SESSIONS, "the role has sessions");
    [Statement::always(block(&body)), Statement::always(sql!["DROP ROLE IF EXISTS ", role])]
}

/// A name as people must write it.
pub(crate) fn quoted(name: &str) -> String {
    sql![Name(name)].as_str().to_owned()
}

/// The statements of an action, in order. Checks and looks are left out; they change nothing.
pub(crate) fn plan(action: &Action, database: &str) -> Result<Vec<String>> {
    let statements = match action {
        Action::CreateUser(user) => {
            let role = Role::new(user)?;
            vec![create_role(role, &Verifier::hidden()), enable(role)]
        }
        Action::SetPassword(user) => vec![set_password(Role::new(user)?, &Verifier::hidden())],
        Action::Grant { user, table, take_back } => {
            let role = Role::new(user)?;
            let relation = Relation::new(table).ok_or_else(|| no_such_table(table))?;
            let mut statements = grant(role, relation, database);
            statements.extend(revoke(role, &relations(take_back)));
            statements
        }
        Action::Revoke { user, tables } => revoke(Role::new(user)?, &relations(tables)),
        Action::DropUser(user) => {
            let role = Role::new(user)?;
            let [_, drop] = drop_role(role);
            vec![
                disable(role),
                Statement::always(sql![
                    "-- REVOKE ALL PRIVILEGES ON each table, schema and database where it has any FROM ",
                    role
                ]),
                end_sessions(role),
                drop,
            ]
        }
    };
    Ok(statements.into_iter().map(Statement::shown).collect())
}

/// Those that can exist at all.
pub(crate) fn relations(tables: &[TableName]) -> Vec<Relation<'_>> {
    tables.iter().filter_map(Relation::new).collect()
}

pub(crate) fn no_such_table(table: &TableName) -> Error {
    Error::new(ErrorKind::TableNotFound, format!("no table or view {table}"))
        .advise("check that the table exists in the connection's database; re-run the crawler if it was renamed")
}
