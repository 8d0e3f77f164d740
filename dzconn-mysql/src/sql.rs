//! Every statement, as functions from typed names to text; the only place where identifiers and literals are quoted.
//!
//! What changes something is here and is what a plan shows; what only looks is in [`look`]. Literals mean what is written
//! here because every session pins its `sql_mode` first ([`pin`]).

use std::fmt;
use std::time::Duration;

use dzconn_core::engine::{Action, LockKey};
use dzconn_core::model::{TableName, UserName};
use dzconn_core::sql::{Piece, Sql, one_line};
use dzconn_core::{Error, ErrorKind, Result, Secret, sql};
use sha1::{Digest, Sha1};
use sqlx::AssertSqlSafe;

pub(crate) mod look;

/// "Grant Tables" in MySQL's manual: an account's user name has 32 characters. MariaDB takes 128.
pub(crate) const MAX_USER_NAME: usize = 32;

/// Whose server it is. Every session asks it; a URL may say `mysql` of either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavor {
    MySql,
    MariaDb,
}

impl fmt::Display for Flavor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MySql => "MySQL",
            Self::MariaDb => "MariaDB",
        })
    }
}

/// The one place where text is declared safe to run: a `Sql` is built from nothing but pieces.
pub(crate) fn into_driver(sql: Sql) -> AssertSqlSafe<String> {
    AssertSqlSafe(sql.into_text())
}

/// An identifier ("Schema Object Names"): in backticks whatever `ANSI_QUOTES` says, a backtick doubled, nothing else special.
pub(crate) struct Name<'a>(pub(crate) &'a str);

impl Piece for Name<'_> {
    fn write(&self, sql: &mut Sql) {
        sql.push("`");
        sql.push(&self.0.replace('`', "``"));
        sql.push("`");
    }
}

/// A string literal ("String Literals"), for a session without `NO_BACKSLASH_ESCAPES`.
pub(crate) struct Text<'a>(pub(crate) &'a str);

impl Piece for Text<'_> {
    fn write(&self, sql: &mut Sql) {
        sql.push("'");
        sql.push(&self.0.replace('\\', "\\\\").replace('\'', "''"));
        sql.push("'");
    }
}

/// So many seconds, to the millisecond.
struct Seconds(Duration);

impl Piece for Seconds {
    fn write(&self, sql: &mut Sql) {
        let millis = self.0.as_millis();
        let (seconds, millis) = (millis / 1000, millis % 1000);
        sql.push(&[seconds.to_string(), format!("{millis:03}")].join("."));
    }
}

/// An account that dzconn may make, change or drop: this user from any host.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Account<'a>(&'a str);

impl<'a> Account<'a> {
    pub(crate) const HOST: &'static str = "%";

    pub(crate) fn new(user: &'a UserName) -> Result<Self> {
        let name = user.as_str();
        let length = name.chars().count();
        if length > MAX_USER_NAME {
            return Err(Error::new(
                ErrorKind::NameTooLong,
                format!("{name:?} has {length} characters; MySQL takes {MAX_USER_NAME}"),
            )
            .advise("configure a shorter user naming"));
        }
        // The grant tables cut spaces at the end and have no characters beyond U+FFFF; a login drops quotes around its name
        // (tried on MariaDB 10.11), so that nobody could log in as such a user, but another might.
        let quoted = name.len() > 1 && name.starts_with('\'') && name.ends_with('\'');
        if quoted || name.ends_with(' ') || name.chars().any(|c| c > '\u{ffff}') {
            let text = format!("{name:?} cannot be told from another user's name on MySQL and MariaDB");
            return Err(Error::new(ErrorKind::InvalidInput, text).advise("configure another user naming"));
        }
        Ok(Self(name))
    }

    pub(crate) fn user(self) -> &'a str {
        self.0
    }
}

impl Piece for Account<'_> {
    fn write(&self, sql: &mut Sql) {
        sql!(Text(self.0), "@", Text(Self::HOST)).write(sql);
    }
}

impl fmt::Display for Account<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(sql![*self].as_str())
    }
}

/// A table's two names. At table level `_` and `%` in them are literal ("GRANT Statement"); they are wildcards only in a
/// grant on a whole database.
pub(crate) struct Table<'a>(pub(crate) &'a TableName);

impl Piece for Table<'_> {
    fn write(&self, sql: &mut Sql) {
        sql!(Name(self.0.database()), ".", Name(self.0.name())).write(sql);
    }
}

/// Whether a server can have a table of this name ("Schema Object Names"): 64 characters, none beyond U+FFFF, no space at the
/// end. The grant tables cannot even be asked for some others, since their columns cannot be compared with them (1267).
pub(crate) fn can_exist(table: &TableName) -> bool {
    let legal =
        |name: &&str| name.chars().count() <= 64 && name.chars().all(|c| c <= '\u{ffff}') && !name.ends_with(' ');
    [table.database(), table.name()].iter().all(legal)
}

/// Names as people must write them.
pub(crate) fn quoted(table: &TableName) -> String {
    spell_table(table.database(), table.name())
}

pub(crate) fn spell_table(database: &str, name: &str) -> String {
    sql![Name(database), ".", Name(name)].into_text()
}

pub(crate) fn spell_name(name: &str) -> String {
    sql![Name(name)].into_text()
}

pub(crate) fn spell_account(user: &str, host: &str) -> String {
    sql![Text(user), "@", Text(host)].into_text()
}

/// Several statements as one text and one round trip. The server stops at the first that fails.
pub(crate) fn batch(statements: impl IntoIterator<Item = Sql>) -> Sql {
    Sql::list(statements, ";\n")
}

/// Statements and answers are UTF-8, also under `skip_character_set_client_handshake`.
pub(crate) fn names() -> Sql {
    sql!["SET NAMES utf8mb4"]
}

/// Makes the session independent of what the server or the account has configured.
///
/// MariaDB runs what stands in `/*M! */`, MySQL from 8.0 on what stands in `/*!80000 */`, and each takes the other's for a
/// comment (MariaDB Knowledge Base, "Comment Syntax"; MySQL, "Comments"). Without `NO_AUTO_CREATE_USER` a GRANT on MariaDB
/// makes the user it does not find, without a password.
pub(crate) fn pin(statement_timeout: Duration) -> Sql {
    let seconds = whole_seconds(statement_timeout);
    batch([
        names(),
        sql![
            "SET SESSION sql_mode = 'STRICT_ALL_TABLES' /*M! ',NO_AUTO_CREATE_USER' */, SESSION lock_wait_timeout = ",
            seconds,
            ", SESSION innodb_lock_wait_timeout = ",
            seconds,
        ],
        time_limit(statement_timeout),
        look::server(),
        look::settings(),
    ])
}

/// Ends a statement that takes longer, zero for never: MariaDB any but a procedure call, MySQL a SELECT.
fn time_limit(time: Duration) -> Sql {
    let millis = u64::try_from(time.as_millis()).unwrap_or(0);
    sql![
        "SET SESSION autocommit = 1 /*M! , SESSION max_statement_time = ",
        Seconds(time),
        " */ /*!80000 , SESSION max_execution_time = ",
        millis,
        " */"
    ]
}

/// At least 1: zero would switch a time-out off. At most a year, which is the most that the server takes.
fn whole_seconds(time: Duration) -> u64 {
    let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    seconds.clamp(1, 31_536_000)
}

/// Takes a lock, once however often it is asked for: a session that takes it twice must release it twice ("Locking
/// Functions"). Then the server ends this session when it has been silent for `hold`. The second statement answers 1, or 0
/// after `wait`; the third, which session holds it.
///
/// Without the cast the variable's new value would be a decimal, since one side has a sign and the other has none, and MySQL
/// refuses that (1232, tried on 5.6). The limit on a statement's time is lifted meanwhile: it would end the wait early.
pub(crate) fn lock(key: &LockKey, wait: Duration, hold: Duration, statement_timeout: Duration) -> Sql {
    let name = key.name();
    let mine = holds(key);
    batch([
        time_limit(Duration::ZERO),
        sql!["SELECT IF(", mine, ", 1, GET_LOCK(", Text(&name), ", ", Seconds(wait), "))"],
        sql!["SELECT IS_USED_LOCK(", Text(&name), ")"],
        sql![
            "SET SESSION wait_timeout = CAST(IF(",
            mine,
            ", ",
            whole_seconds(hold),
            ", @@SESSION.wait_timeout) AS UNSIGNED)"
        ],
        time_limit(statement_timeout),
    ])
}

pub(crate) fn unlock(key: &LockKey) -> Sql {
    batch([release(key), sql!["SET SESSION wait_timeout = DEFAULT"]])
}

/// The lock alone; the server goes on to watch the session.
pub(crate) fn release(key: &LockKey) -> Sql {
    sql!["SELECT RELEASE_LOCK(", Text(&key.name()), ")"]
}

fn holds(key: &LockKey) -> Sql {
    sql!["IS_USED_LOCK(", Text(&key.name()), ") <=> CONNECTION_ID()"]
}

/// Fails with 1242, so that nothing after it in the batch runs, unless this session holds the lock: the subquery has two rows
/// then, else none.
pub(crate) fn guard(key: &LockKey) -> Sql {
    sql!["SET @dzconn = (SELECT two.n FROM (SELECT 1 AS n UNION ALL SELECT 2) AS two WHERE NOT (", holds(key), "))"]
}

/// How a password is sent.
///
/// MariaDB writes statements into its logs as they came, so it gets the hash that `mysql_native_password` stores (MariaDB
/// Knowledge Base, "Authentication Plugin - `mysql_native_password`"). MySQL rewrites them before it logs them ("Passwords and
/// Logging"), has no plugin in every version whose hash could be sent, and checks its password policy only on the text.
fn identified(flavor: Flavor, password: Option<&Secret>) -> Sql {
    let mut sql = match (flavor, password) {
        (Flavor::MySql, password) => sql!["IDENTIFIED BY ", Text(password.map_or("<password>", Secret::expose))],
        (Flavor::MariaDb, password) => {
            let hash = password.map_or_else(|| "<verifier>".to_owned(), native_hash);
            sql!["IDENTIFIED VIA mysql_native_password USING ", Text(&hash)]
        }
    };
    if password.is_some() {
        sql.mark_secret();
    }
    sql
}

/// `*` and SHA-1 of SHA-1 in upper-case hexadecimal digits.
pub(crate) fn native_hash(password: &Secret) -> String {
    let hash = Sha1::digest(Sha1::digest(password.expose().as_bytes()));
    let digits: String = hash.iter().map(|byte| format!("{byte:02X}")).collect();
    format!("*{digits}")
}

/// A password policy of the server (`default_password_lifetime`) would lock the consumer out; dzconn's users are rotated by
/// whoever rotates their secret.
pub(crate) fn create_user(flavor: Flavor, account: Account<'_>, password: Option<&Secret>) -> Sql {
    sql!["CREATE USER ", account, " ", identified(flavor, password), " PASSWORD EXPIRE NEVER"]
}

pub(crate) fn set_password(flavor: Flavor, account: Account<'_>, password: Option<&Secret>) -> Sql {
    sql!["ALTER USER ", account, " ", identified(flavor, password)]
}

pub(crate) fn enable(account: Account<'_>) -> Sql {
    sql!["ALTER USER ", account, " ACCOUNT UNLOCK"]
}

pub(crate) fn disable(account: Account<'_>) -> Sql {
    sql!["ALTER USER ", account, " ACCOUNT LOCK"]
}

pub(crate) fn grant(account: Account<'_>, table: &TableName) -> Sql {
    sql!["GRANT SELECT ON ", Table(table), " TO ", account]
}

/// On a table, that includes SELECT on its columns.
pub(crate) fn revoke(account: Account<'_>, table: &TableName) -> Sql {
    sql!["REVOKE SELECT ON ", Table(table), " FROM ", account]
}

/// Needs CREATE USER alone, and no grant option on anything ("REVOKE Statement").
pub(crate) fn revoke_all(account: Account<'_>) -> Sql {
    sql!["REVOKE ALL PRIVILEGES, GRANT OPTION FROM ", account]
}

/// Who may end a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kill {
    /// The admin itself.
    Statement,
    /// RDS's procedure, which runs as RDS's own admin ("Ending a session or query", RDS for MySQL and RDS for MariaDB).
    Rds,
}

pub(crate) fn kill(how: Kill, session: u64) -> Sql {
    match how {
        Kill::Statement => sql!["KILL ", session],
        Kill::Rds => sql!["CALL mysql.rds_kill(", session, ")"],
    }
}

pub(crate) fn drop_user(account: Account<'_>) -> Sql {
    sql!["DROP USER IF EXISTS ", account]
}

/// What somebody with the right to must run so that the admin can pass read on.
pub(crate) fn admin_needs(table: &TableName, admin: &str) -> String {
    format!("GRANT SELECT ON {} TO {admin} WITH GRANT OPTION", quoted(table))
}

/// The statements of an action, in order. Checks and looks are left out; they change nothing.
pub(crate) fn plan(action: &Action) -> Result<Vec<String>> {
    let line = |sql: Sql, words: &str| {
        let text = one_line(sql.as_str());
        if words.is_empty() { text } else { format!("{text} -- {words}") }
    };
    let by_flavor = |statement: &dyn Fn(Flavor) -> Sql| {
        [Flavor::MySql, Flavor::MariaDb].map(|flavor| line(statement(flavor), &format!("on {flavor}")))
    };
    let mut lines = Vec::new();
    match action {
        Action::CreateUser(user) => {
            let account = Account::new(user)?;
            lines.extend(by_flavor(&|flavor| create_user(flavor, account, None)));
            lines.push(line(enable(account), "if it exists"));
        }
        Action::SetPassword(user) => {
            let account = Account::new(user)?;
            lines.extend(by_flavor(&|flavor| set_password(flavor, account, None)));
        }
        Action::Grant { user, table, take_back } => {
            let account = Account::new(user)?;
            lines.push(line(grant(account, table), ""));
            lines.extend(take_back.iter().map(|table| line(revoke(account, table), "if it has any")));
        }
        Action::Revoke { user, tables } => {
            let account = Account::new(user)?;
            lines.extend(tables.iter().map(|table| line(revoke(account, table), "if it has any")));
        }
        Action::DropUser(user) => {
            let account = Account::new(user)?;
            lines.push(line(disable(account), "if it exists"));
            lines.push(line(revoke_all(account), "if it exists"));
            lines.push(line(sql!["-- KILL each session of ", Text(account.user())], ""));
            lines.push(line(drop_user(account), ""));
        }
    }
    Ok(lines)
}
