//! Every statement, as functions from typed names to text; the only place where identifiers and literals are quoted.
//!
//! What changes something is here and is what a plan shows; what only looks is in [`look`]. A statement that changes is DDL,
//! which takes no parameters: its names are identifiers, and it goes out as a batch of text. The values of what looks are
//! bound as `@P1`, `@P2`.

use std::fmt;
use std::time::Duration;

use dzconn_core::engine::{Action, LockKey};
use dzconn_core::model::{TableName, UserName};
use dzconn_core::sql::{Piece, Sql, one_line};
use dzconn_core::{Error, ErrorKind, Result, Secret, sql};
use sha2::{Digest, Sha256};

pub(crate) mod look;

/// "Database Identifiers": a regular or delimited identifier has up to 128 characters, of UTF-16.
pub(crate) const MAX_NAME: usize = 128;

/// Own error numbers, from the range that `THROW` leaves to its users (50000 and more).
pub(crate) mod raised {
    /// The session does not hold its lock.
    pub(crate) const LOCK_LOST: u32 = 51_813;
}

/// A statement, and the values that are bound in it as `@P1`, `@P2` and so on.
#[derive(Clone)]
pub(crate) struct Query {
    pub(crate) text: Sql,
    pub(crate) bound: Vec<String>,
}

/// What is bound may be a statement, and as secret as the text.
impl fmt::Debug for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Query");
        shown.field("text", &self.text);
        if !self.text.is_secret() {
            shown.field("bound", &self.bound);
        }
        shown.finish_non_exhaustive()
    }
}

impl Query {
    fn new<'a>(text: Sql, bound: impl IntoIterator<Item = &'a str>) -> Self {
        Self { text, bound: bound.into_iter().map(str::to_owned).collect() }
    }
}

/// An identifier ("Database Identifiers"): in brackets whatever `QUOTED_IDENTIFIER` says, a closing bracket doubled, nothing
/// else special.
pub(crate) struct Name<'a>(pub(crate) &'a str);

impl Piece for Name<'_> {
    fn write(&self, sql: &mut Sql) {
        sql.push("[");
        sql.push(&self.0.replace(']', "]]"));
        sql.push("]");
    }
}

/// A Unicode string literal ("Constants"): a quote doubled, and no backslash escapes but one ([`can_be_literal`]). Values are
/// bound wherever they can be; this is for passwords, which stand in DDL.
pub(crate) struct Text<'a>(pub(crate) &'a str);

impl Piece for Text<'_> {
    fn write(&self, sql: &mut Sql) {
        sql.push("N'");
        sql.push(&self.0.replace('\'', "''"));
        sql.push("'");
    }
}

/// A backslash right before a line break joins the two lines ("Backslash (Line Continuation)"), and nothing stops it from it.
pub(crate) fn can_be_literal(text: &str) -> bool {
    !text.contains("\\\n") && !text.contains("\\\r")
}

/// A database that is not the connection's own; `None` is the own one.
pub(crate) type Place<'a> = Option<&'a str>;

/// The catalog of a database: `sys` in the session's own, `[other].sys` elsewhere.
#[derive(Clone, Copy)]
pub(crate) struct Sys<'a>(pub(crate) Place<'a>);

impl Piece for Sys<'_> {
    fn write(&self, sql: &mut Sql) {
        if let Some(database) = self.0 {
            sql![Name(database), "."].write(sql);
        }
        sql.push("sys");
    }
}

/// Statements that change something, in the database where they are to: all of them only if this session holds its lock.
///
/// For another database they are bound, as the text that `sp_executesql` runs there ("`sp_executesql`"). The session itself
/// stays in its own, where its lock is.
pub(crate) fn change(key: Option<&LockKey>, place: Place<'_>, statements: impl IntoIterator<Item = Sql>) -> Query {
    let statements = batch(statements);
    let guard = key.map(guard);
    let Some(_) = place else {
        return Query::new(batch(guard.into_iter().chain([statements])), []);
    };
    let mut text = batch(guard.into_iter().chain([sql!["EXEC ", Sys(place), ".sp_executesql @P1"]]));
    if statements.is_secret() {
        text.mark_secret();
    }
    Query { text, bound: vec![statements.into_text()] }
}

/// A user that dzconn may make, change or drop: a login and its users, or a contained user.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Principal<'a>(&'a str);

/// Principals that every server or database has ("Principals").
const RESERVED: [&str; 6] = ["sa", "dbo", "guest", "public", "sys", "information_schema"];

impl<'a> Principal<'a> {
    pub(crate) fn new(user: &'a UserName) -> Result<Self> {
        let name = user.as_str();
        let length = name.encode_utf16().count();
        if length > MAX_NAME {
            return Err(Error::new(
                ErrorKind::NameTooLong,
                format!("{name:?} has {length} characters; SQL Server takes {MAX_NAME}"),
            )
            .advise("configure a shorter user naming"));
        }
        // A backslash is what tells a Windows login from others; comparisons ignore spaces at the end.
        if name.contains('\\') || name.ends_with(' ') || RESERVED.contains(&name.to_lowercase().as_str()) {
            let text = format!("{name:?} cannot be a login's name on SQL Server, or is another principal's");
            return Err(Error::new(ErrorKind::InvalidInput, text).advise("configure another user naming"));
        }
        Ok(Self(name))
    }

    pub(crate) fn name(self) -> &'a str {
        self.0
    }
}

impl Piece for Principal<'_> {
    fn write(&self, sql: &mut Sql) {
        Name(self.0).write(sql);
    }
}

impl fmt::Display for Principal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(sql![*self].as_str())
    }
}

/// A table or view as its database has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Object<'a> {
    pub(crate) schema: &'a str,
    pub(crate) name: &'a str,
}

impl Piece for Object<'_> {
    fn write(&self, sql: &mut Sql) {
        sql!["OBJECT::", Name(self.schema), ".", Name(self.name)].write(sql);
    }
}

/// The object of a table's name, if a server can have one of such names: schema and table of at most 128 characters.
pub(crate) fn object(table: &TableName) -> Option<Object<'_>> {
    let legal = |name: &str| name.encode_utf16().count() <= MAX_NAME;
    let object = Object { schema: table.schema()?, name: table.name() };
    (legal(table.database()) && legal(object.schema) && legal(object.name)).then_some(object)
}

/// Names as people must write them.
pub(crate) fn spell_name(name: &str) -> String {
    sql![Name(name)].into_text()
}

pub(crate) fn spell_object(schema: &str, name: &str) -> String {
    sql![Name(schema), ".", Name(name)].into_text()
}

pub(crate) fn quoted(table: &TableName) -> String {
    let names = [Some(table.database()), table.schema(), Some(table.name())];
    names.into_iter().flatten().map(spell_name).collect::<Vec<_>>().join(".")
}

/// Several statements as one text and one round trip.
pub(crate) fn batch(statements: impl IntoIterator<Item = Sql>) -> Sql {
    Sql::list(statements, ";\n")
}

/// Makes the session independent of what the server, the database or the login has configured, and asks what it is.
///
/// `XACT_ABORT` ends a batch at its first error, so that nothing after it runs ("SET `XACT_ABORT`"). The others are what every
/// client of today sets ("SET `ANSI_DEFAULTS`") and `sp_configure 'user options'` could change.
pub(crate) fn pin(statement_timeout: Duration) -> Sql {
    batch([
        sql!["SET NOCOUNT ON"],
        sql!["SET XACT_ABORT ON"],
        sql!["SET ANSI_NULLS ON"],
        sql!["SET ANSI_PADDING ON"],
        sql!["SET ANSI_WARNINGS ON"],
        sql!["SET ARITHABORT ON"],
        sql!["SET CONCAT_NULL_YIELDS_NULL ON"],
        sql!["SET QUOTED_IDENTIFIER ON"],
        sql!["SET IMPLICIT_TRANSACTIONS OFF"],
        sql!["SET TRANSACTION ISOLATION LEVEL READ COMMITTED"],
        sql!["SET ROWCOUNT 0"],
        sql!["SET LOCK_TIMEOUT ", millis(statement_timeout).max(1)],
        look::facts(),
    ])
}

/// At most 24 days, which is the most that the server takes.
fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).map_or(MOST_MILLIS, |millis| millis.min(MOST_MILLIS))
}

const MOST_MILLIS: u64 = 2_147_483_647;

/// Takes a lock, once however often it is asked for: a session that takes it twice must release it twice
/// ("`sp_getapplock`"). Answers 0 or 1, or what `sp_getapplock` answers in vain: -1 after `wait`.
pub(crate) fn lock(key: &LockKey, wait: Duration) -> Query {
    let text = batch([
        sql!["DECLARE @answer int = 0"],
        sql![
            "IF APPLOCK_MODE(N'public', @P1, N'Session') <> N'Exclusive' EXEC @answer = sys.sp_getapplock @Resource = @P1, \
             @LockMode = N'Exclusive', @LockOwner = N'Session', @LockTimeout = ",
            millis(wait)
        ],
        sql!["SELECT @answer"],
    ]);
    Query::new(text, [&*key.name()])
}

pub(crate) fn unlock(key: &LockKey) -> Query {
    let text = sql![
        "IF APPLOCK_MODE(N'public', @P1, N'Session') <> N'NoLock' EXEC sys.sp_releaseapplock @Resource = @P1, \
         @LockOwner = N'Session'"
    ];
    Query::new(text, [&*key.name()])
}

/// Fails with an error of its own, so that nothing after it in the batch runs, unless this session holds the lock.
pub(crate) fn guard(key: &LockKey) -> Sql {
    sql![
        "IF APPLOCK_MODE(N'public', ",
        Text(&key.name()),
        ", N'Session') <> N'Exclusive' THROW ",
        u64::from(raised::LOCK_LOST),
        ", N'dzconn: this session does not hold its lock', 1"
    ]
}

/// A password as text: the server checks its policy only on that, and keeps it out of its traces ("CREATE LOGIN", "SQL Trace:
/// Security").
fn password(password: Option<&Secret>) -> Sql {
    let mut sql = sql!["PASSWORD = ", Text(password.map_or("<password>", Secret::expose))];
    if password.is_some() {
        sql.mark_secret();
    }
    sql
}

/// The security id that a login of this name is made with ("CREATE LOGIN", SID: 16 bytes), so that it is the same on every replica
/// of an availability group: there a database's users come with the database, and logins do not. The first bit keeps it from
/// beginning as Windows' ids do.
fn sid(user: Principal<'_>) -> Sql {
    let mut hash = Sha256::new();
    hash.update(b"dzconn login\0");
    hash.update(user.name().as_bytes());
    let mut sql = sql!["0x"];
    for (place, byte) in hash.finalize().iter().take(16).enumerate() {
        let byte = if place == 0 { *byte | 0x80 } else { *byte };
        sql.push(&format!("{byte:02X}"));
    }
    sql
}

/// A login whose password does not expire: dzconn's users are rotated by whoever rotates their secret. The server's password
/// policy holds for it otherwise, as for every login.
pub(crate) fn create_login(user: Principal<'_>, secret: Option<&Secret>, own_sid: bool, database: &str) -> Sql {
    let sid = if own_sid { sql![", SID = ", sid(user)] } else { Sql::default() };
    let database = Name(database);
    sql![
        "CREATE LOGIN ",
        user,
        " WITH ",
        password(secret),
        sid,
        ", DEFAULT_DATABASE = ",
        database,
        ", CHECK_EXPIRATION = OFF, CHECK_POLICY = ON"
    ]
}

/// Lets a login into a database.
pub(crate) fn create_user(user: Principal<'_>) -> Sql {
    sql!["CREATE USER ", user, " FOR LOGIN ", user]
}

/// A user with a password of its own, in the session's database.
pub(crate) fn create_contained(user: Principal<'_>, secret: Option<&Secret>) -> Sql {
    sql!["CREATE USER ", user, " WITH ", password(secret)]
}

/// Also unlocks a login that was locked by attempts with a wrong password.
pub(crate) fn set_login_password(user: Principal<'_>, secret: Option<&Secret>) -> Sql {
    sql!["ALTER LOGIN ", user, " WITH ", password(secret), " UNLOCK"]
}

pub(crate) fn set_contained_password(user: Principal<'_>, secret: Option<&Secret>) -> Sql {
    sql!["ALTER USER ", user, " WITH ", password(secret)]
}

pub(crate) fn enable_login(user: Principal<'_>) -> Sql {
    sql!["ALTER LOGIN ", user, " ENABLE"]
}

pub(crate) fn disable_login(user: Principal<'_>) -> Sql {
    sql!["ALTER LOGIN ", user, " DISABLE"]
}

/// A contained user has no login to be enabled or disabled.
pub(crate) fn allow_connect(user: Principal<'_>) -> Sql {
    sql!["GRANT CONNECT TO ", user]
}

pub(crate) fn refuse_connect(user: Principal<'_>) -> Sql {
    sql!["REVOKE CONNECT FROM ", user]
}

pub(crate) fn grant(user: Principal<'_>, object: Object<'_>) -> Sql {
    sql!["GRANT SELECT ON ", object, " TO ", user]
}

/// With CASCADE also where somebody has let the user pass it on: without, the server refuses that (4611).
pub(crate) fn revoke(user: Principal<'_>, object: Object<'_>) -> Sql {
    revoke_from(user, object, None)
}

/// What another principal granted, or what was granted on one column.
pub(crate) fn revoke_as(user: Principal<'_>, object: Object<'_>, column: Option<&str>, grantor: &str) -> Sql {
    sql![revoke_from(user, object, column), " AS ", Name(grantor)]
}

fn revoke_from(user: Principal<'_>, object: Object<'_>, column: Option<&str>) -> Sql {
    let column = column.map_or_else(Sql::default, |column| sql![" (", Name(column), ")"]);
    sql!["REVOKE SELECT", column, " ON ", object, " FROM ", user, " CASCADE"]
}

/// Ends a session, unless its number is another's by now. KILL takes no expression.
pub(crate) fn kill(session: u64, since: &str) -> Sql {
    sql![
        "IF EXISTS (SELECT 1 FROM sys.dm_exec_sessions AS s WHERE s.session_id = ",
        session,
        " AND CONVERT(nvarchar(30), s.login_time, 126) = ",
        Text(since),
        ") KILL ",
        session
    ]
}

/// Whatever was granted to it there goes with it. `IF EXISTS` would say nothing of a user that the admin may not see.
pub(crate) fn drop_user(user: &str) -> Sql {
    sql!["DROP USER ", Name(user)]
}

pub(crate) fn drop_login(user: Principal<'_>) -> Sql {
    sql!["DROP LOGIN ", user]
}

/// What somebody with the right to must run in the table's database so that the admin can pass read on.
pub(crate) fn admin_needs(table: &TableName, admin: &str) -> String {
    let object = Object { schema: table.schema().unwrap_or("dbo"), name: table.name() };
    let grant = sql!["GRANT SELECT ON ", object, " TO ", Name(admin), " WITH GRANT OPTION"];
    format!("in database {}: {}", spell_name(table.database()), grant.as_str())
}

/// What a grantor must run to take back what it granted.
pub(crate) fn grantor_must_run(user: Principal<'_>, object: Object<'_>, column: Option<&str>) -> String {
    revoke_from(user, object, column).into_text()
}

/// The statements of an action, in order. Checks and looks are left out; they change nothing.
///
/// Nothing is connected to, so both kinds of user are shown; and `own` is the database that the source names.
pub(crate) fn plan(action: &Action, own: Option<&str>) -> Result<Vec<String>> {
    const CONTAINED: &str = "where users are contained (Azure SQL Database)";
    const UNLESS: &str = "unless it is there";
    const IF_ANY: &str = "if it has any";
    const IF_LEFT: &str = "if one is there without its login";
    const OTHERS: &str = "-- REVOKE ... AS each other grantor, and on columns, where it was granted so";
    let mut lines = Vec::new();
    let mut line = |sql: Sql, words: &[String]| {
        let words: Vec<_> = words.iter().filter(|words| !words.is_empty()).map(String::as_str).collect();
        let text = one_line(sql.as_str());
        let words = one_line(&words.join(", "));
        lines.push(if words.is_empty() { text } else { format!("{text} -- {words}") });
    };
    let place = |table: &TableName| {
        if own == Some(table.database()) { String::new() } else { format!("in {}", spell_name(table.database())) }
    };
    let words = |words: &str| [words.to_owned()];
    match action {
        Action::CreateUser(user) => {
            let user = Principal::new(user)?;
            line(create_login(user, None, true, own.unwrap_or("master")), &words(UNLESS));
            line(drop_user(user.name()), &words(IF_LEFT));
            line(create_user(user), &words(UNLESS));
            line(enable_login(user), &words("if it was disabled"));
            line(create_contained(user, None), &words(CONTAINED));
            line(allow_connect(user), &words("if it lacks that"));
        }
        Action::SetPassword(user) => {
            let user = Principal::new(user)?;
            line(set_login_password(user, None), &[]);
            line(set_contained_password(user, None), &words(CONTAINED));
        }
        Action::Grant { user, table, take_back } => {
            let user = Principal::new(user)?;
            line(drop_user(user.name()), &[place(table), IF_LEFT.to_owned()]);
            line(create_user(user), &[place(table), UNLESS.to_owned()]);
            line(allow_connect(user), &[place(table), "if it lacks that".to_owned()]);
            line(grant(user, must_be_object(table)?), &[place(table)]);
            for table in take_back {
                line(revoke(user, must_be_object(table)?), &[place(table), IF_ANY.to_owned()]);
            }
            if !take_back.is_empty() {
                line(sql![OTHERS], &[]);
            }
        }
        Action::Revoke { user, tables } => {
            let user = Principal::new(user)?;
            for table in tables {
                line(revoke(user, must_be_object(table)?), &[place(table), IF_ANY.to_owned()]);
            }
            if !tables.is_empty() {
                line(sql![OTHERS], &[]);
            }
        }
        Action::DropUser(user) => {
            let user = Principal::new(user)?;
            line(disable_login(user), &[]);
            line(refuse_connect(user), &words(CONTAINED));
            line(
                set_contained_password(user, None),
                &words("one that nobody knows, where users are contained and still connect"),
            );
            line(sql!["-- REVOKE SELECT on each table FROM ", user], &[]);
            line(sql!["-- KILL each session of ", user], &[]);
            line(drop_user(user.name()), &words("in every database that has it"));
            line(drop_login(user), &[]);
        }
    }
    Ok(lines)
}

pub(crate) fn must_be_object(table: &TableName) -> Result<Object<'_>> {
    object(table).ok_or_else(|| {
        Error::new(ErrorKind::TableNotFound, format!("no SQL Server has a table {table}"))
            .on_asset(table)
            .advise("a table is named database.schema.table there, each name of at most 128 characters")
    })
}
