//! Every statement, as functions from typed names to text; the only place where names and passwords are quoted.
//!
//! What changes something is here and is what a plan shows; what only looks is in [`look`]. What the protocol can bind is
//! bound: values in queries and blocks always, names in statements never, since Oracle takes none there.

use std::fmt;
use std::time::Duration;

use dzconn_core::engine::{Action, LockKey};
use dzconn_core::model::{TableName, UserName};
use dzconn_core::sql::{Piece, Sql, one_line};
use dzconn_core::{Error, ErrorKind, Result, Secret, sql};

use crate::driver::Bind;

pub(crate) mod look;

/// "Database Object Naming Rules": 30 bytes where the server's COMPATIBLE is below 12.2, else [`LONGEST_NAME`].
pub(crate) const MAX_USER_NAME: usize = 30;
pub(crate) const LONGEST_NAME: usize = 128;

/// A statement with the values of its placeholders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Statement {
    pub(crate) sql: Sql,
    pub(crate) binds: Vec<Bind>,
    /// Whether a password is in the text or in a bind.
    pub(crate) secret: bool,
}

impl From<Sql> for Statement {
    fn from(sql: Sql) -> Self {
        let secret = sql.is_secret();
        Self { sql, binds: Vec::new(), secret }
    }
}

/// Whether the server can have something of this name ("Database Object Naming Rules"): a quoted name may have any character
/// but a double quotation mark and NUL. There is no way to write one with those, so they never get as far as [`Name`].
pub(crate) fn is_name(name: &str) -> bool {
    (1..=LONGEST_NAME).contains(&name.len()) && !name.contains(['"', '\0'])
}

/// A name that [`is_name`], in double quotes: exactly this one, whatever its case.
struct Name<'a>(&'a str);

impl Piece for Name<'_> {
    fn write(&self, sql: &mut Sql) {
        sql.push("\"");
        sql.push(self.0);
        sql.push("\"");
    }
}

/// A user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct User<'a>(&'a str);

impl<'a> User<'a> {
    pub(crate) fn new(user: &'a UserName) -> Result<Self> {
        let name = user.as_str();
        if name.len() > LONGEST_NAME {
            let text = format!("{name:?} has {} bytes; Oracle takes {LONGEST_NAME}", name.len());
            return Err(Error::new(ErrorKind::NameTooLong, text).advise("configure a shorter user naming"));
        }
        if !is_name(name) {
            let text = format!("{name:?} has a double quotation mark, which no name in Oracle has");
            return Err(Error::new(ErrorKind::InvalidInput, text).advise("configure another user naming"));
        }
        Ok(Self(name))
    }

    pub(crate) fn name(self) -> &'a str {
        self.0
    }
}

impl Piece for User<'_> {
    fn write(&self, sql: &mut Sql) {
        Name(self.0).write(sql);
    }
}

impl fmt::Display for User<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(sql![*self].as_str())
    }
}

/// A table or view; the database is the one that the session is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Table<'a> {
    pub(crate) owner: &'a str,
    pub(crate) name: &'a str,
}

impl<'a> Table<'a> {
    /// `None` if no server can have a table of this name.
    pub(crate) fn new(table: &'a TableName) -> Option<Self> {
        let (owner, name) = (table.schema()?, table.name());
        (is_name(owner) && is_name(name)).then_some(Self { owner, name })
    }
}

impl Piece for Table<'_> {
    fn write(&self, sql: &mut Sql) {
        sql!(Name(self.owner), ".", Name(self.name)).write(sql);
    }
}

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(sql![*self].as_str())
    }
}

/// A profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Profile(String);

impl Profile {
    /// `None` if no server can have a profile of this name.
    pub(crate) fn new(name: &str) -> Option<Self> {
        is_name(name).then(|| Self(name.to_owned()))
    }

    pub(crate) fn name(&self) -> &str {
        &self.0
    }
}

impl Piece for Profile {
    fn write(&self, sql: &mut Sql) {
        Name(&self.0).write(sql);
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(sql![*self].as_str())
    }
}

/// A password, or what a plan shows in its place.
#[derive(Clone, Copy)]
pub(crate) enum Password<'a> {
    Shown,
    Of(&'a Secret),
}

impl<'a> Password<'a> {
    /// In double quotes a password has any character but a double quotation mark and NUL ("CREATE USER", Password
    /// Requirements), like a name.
    pub(crate) fn new(password: &'a Secret) -> Result<Self> {
        let text = password.expose();
        if text.is_empty() || text.contains(['"', '\0']) {
            let what = "the password is empty or has a character that no password in Oracle has";
            return Err(Error::new(ErrorKind::PasswordRejected, what)
                .advise("generate passwords without double quotation marks"));
        }
        Ok(Self::Of(password))
    }
}

impl Piece for Password<'_> {
    fn write(&self, sql: &mut Sql) {
        match self {
            Self::Shown => Name("<password>").write(sql),
            Self::Of(password) => {
                Name(password.expose()).write(sql);
                sql.mark_secret();
            }
        }
    }
}

/// What lets a user read a table. READ came with 12.1.0.2 ("GRANT", READ object privilege). SELECT also lets it lock rows
/// (`SELECT ... FOR UPDATE`) and the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    Read,
    Select,
}

impl Read {
    /// Both; what an older version or system granted is taken back too.
    pub(crate) const BOTH: [Self; 2] = [Self::Read, Self::Select];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Read => "READ",
            Self::Select => "SELECT",
        }
    }
}

/// Makes the session independent of what the client, the server or a logon trigger has set: names are compared byte by byte,
/// and a change waits for other sessions' locks instead of failing at once with 54. It waits less than the driver does: an
/// answer leaves the session usable, a call that is given up does not.
pub(crate) fn pin(statement_timeout: Duration) -> Sql {
    let seconds = (whole_seconds(statement_timeout).saturating_mul(2) / 3).clamp(1, 1_000_000);
    sql!["ALTER SESSION SET NLS_COMP = BINARY NLS_SORT = BINARY DDL_LOCK_TIMEOUT = ", seconds]
}

/// Rounded up.
fn whole_seconds(time: Duration) -> u64 {
    time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0))
}

/// The lock's id: `DBMS_LOCK` leaves 0 to 1073741823 to users ("`DBMS_LOCK`", REQUEST Function). Two keys that share one are
/// serialised although they need not be.
pub(crate) fn lock_id(key: &LockKey) -> i64 {
    key.number() & 0x3fff_ffff
}

/// What the blocks below raise, as it comes in an `ORA-`: 20900 if the session does not hold its lock, and 20900 and
/// `DBMS_LOCK`'s own answer for that: 1 time-out, 2 deadlock, 3 a wrong parameter, 5 a wrong handle.
pub(crate) const RAISED: u32 = 20_900;

/// Takes the lock and keeps it over commits, which every DDL statement does. 4 is that the session has it already.
pub(crate) const LOCK: &str = "\
DECLARE
  answer INTEGER;
BEGIN
  answer := SYS.DBMS_LOCK.REQUEST(id => :1, lockmode => SYS.DBMS_LOCK.X_MODE, timeout => :2, release_on_commit => FALSE);
  IF answer NOT IN (0, 4) THEN
    RAISE_APPLICATION_ERROR(-20900 - answer, 'DBMS_LOCK.REQUEST answered ' || answer);
  END IF;
END;";

/// Gives the lock back; 4 is that the session has it not.
pub(crate) const UNLOCK: &str = "\
DECLARE
  answer INTEGER;
BEGIN
  answer := SYS.DBMS_LOCK.RELEASE(id => :1);
  IF answer NOT IN (0, 4) THEN
    RAISE_APPLICATION_ERROR(-20900 - answer, 'DBMS_LOCK.RELEASE answered ' || answer);
  END IF;
END;";

/// Runs a statement if the session holds the lock. Getting it only now (0) means that it had been lost. The statement is a
/// value, so that nothing is ever made part of this text.
pub(crate) const GUARDED: &str = "\
DECLARE
  lock_id INTEGER := :1;
  change VARCHAR2(32767) := :2;
  answer INTEGER;
BEGIN
  answer := SYS.DBMS_LOCK.REQUEST(id => lock_id, lockmode => SYS.DBMS_LOCK.X_MODE, timeout => 0, release_on_commit => FALSE);
  IF answer <> 4 THEN
    IF answer = 0 THEN
      answer := SYS.DBMS_LOCK.RELEASE(id => lock_id);
    END IF;
    RAISE_APPLICATION_ERROR(-20900, 'the session does not hold its lock');
  END IF;
  EXECUTE IMMEDIATE change;
END;";

/// See [`LOCK`]. The server counts whole seconds; 32767 would be for ever ("`DBMS_LOCK`", MAXWAIT).
pub(crate) fn lock(key: &LockKey, wait: Duration) -> Statement {
    let seconds = i64::try_from(whole_seconds(wait)).unwrap_or(i64::MAX).min(32_766);
    Statement { sql: sql![LOCK], binds: vec![Bind::Number(lock_id(key)), Bind::Number(seconds)], secret: false }
}

/// See [`UNLOCK`].
pub(crate) fn unlock(key: &LockKey) -> Statement {
    Statement { sql: sql![UNLOCK], binds: vec![Bind::Number(lock_id(key))], secret: false }
}

/// See [`GUARDED`].
pub(crate) fn guarded(key: &LockKey, change: Sql) -> Statement {
    let secret = change.is_secret();
    let binds = vec![Bind::Number(lock_id(key)), Bind::Text(change.into_text())];
    Statement { sql: sql![GUARDED], binds, secret }
}

/// Passwords of its users do not expire, nor do accounts that nobody uses, where the version lets them; all else is as the
/// DEFAULT profile has it, password verification included ("CREATE PROFILE").
pub(crate) fn create_profile(profile: &Profile, inactivity: bool) -> Sql {
    let unused = if inactivity { " INACTIVE_ACCOUNT_TIME UNLIMITED" } else { "" };
    sql!["CREATE PROFILE ", *profile, " LIMIT PASSWORD_LIFE_TIME UNLIMITED", unused]
}

pub(crate) fn create_user(user: User<'_>, password: Password<'_>, profile: &Profile) -> Sql {
    sql!["CREATE USER ", user, " IDENTIFIED BY ", password, " PROFILE ", *profile]
}

/// Not the CONNECT role, which other versions have filled with more.
pub(crate) fn let_connect(user: User<'_>) -> Sql {
    sql!["GRANT CREATE SESSION TO ", user]
}

pub(crate) fn set_password(user: User<'_>, password: Password<'_>) -> Sql {
    sql!["ALTER USER ", user, " IDENTIFIED BY ", password]
}

pub(crate) fn enable(user: User<'_>) -> Sql {
    sql!["ALTER USER ", user, " ACCOUNT UNLOCK"]
}

pub(crate) fn disable(user: User<'_>) -> Sql {
    sql!["ALTER USER ", user, " ACCOUNT LOCK"]
}

pub(crate) fn grant(read: Read, table: Table<'_>, user: User<'_>) -> Sql {
    sql!["GRANT ", read.name(), " ON ", table, " TO ", user]
}

pub(crate) fn revoke(read: Read, table: Table<'_>, user: User<'_>) -> Sql {
    sql!["REVOKE ", read.name(), " ON ", table, " FROM ", user]
}

/// A session of one instance ("ALTER SYSTEM", KILL SESSION clause).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SessionId {
    pub(crate) sid: u64,
    pub(crate) serial: u64,
    pub(crate) instance: u64,
}

/// Who may end a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kill {
    /// The admin itself.
    Statement,
    /// RDS's procedure, since nobody has ALTER SYSTEM there ("Terminating a session", RDS for Oracle).
    Rds,
}

/// What people run to end a session.
pub(crate) fn kill(how: Kill, session: SessionId) -> Sql {
    let SessionId { sid, serial, instance } = session;
    match how {
        Kill::Statement => sql!["ALTER SYSTEM KILL SESSION '", sid, ",", serial, ",@", instance, "' IMMEDIATE"],
        Kill::Rds => {
            sql![
                "BEGIN rdsadmin.rdsadmin_util.kill(sid => ",
                sid,
                ", serial => ",
                serial,
                ", method => 'IMMEDIATE'); END;"
            ]
        }
    }
}

/// What is done about a session that is not there any more (26, 30) or going (31). The last must not come to a client over
/// ODPI-C, which would take its own session for the dead one (`dpiError.c`).
const UNLESS_IT_GOES: &str = " EXCEPTION WHEN OTHERS THEN IF SQLCODE NOT IN (-26, -30, -31) THEN RAISE; END IF; END;";

/// See [`kill`]. Only numbers are made part of the text.
pub(crate) fn end_session(how: Kill, session: SessionId) -> Sql {
    let SessionId { sid, serial, instance } = session;
    match how {
        Kill::Statement => sql![
            "BEGIN EXECUTE IMMEDIATE 'ALTER SYSTEM KILL SESSION ''",
            sid,
            ",",
            serial,
            ",@",
            instance,
            "'' IMMEDIATE';",
            UNLESS_IT_GOES
        ],
        Kill::Rds => sql![
            "BEGIN rdsadmin.rdsadmin_util.kill(sid => ",
            sid,
            ", serial => ",
            serial,
            ", method => 'IMMEDIATE');",
            UNLESS_IT_GOES
        ],
    }
}

/// Without CASCADE: what a user owns is never dropped with it (1922).
pub(crate) fn drop_user(user: User<'_>) -> Sql {
    sql!["DROP USER ", user]
}

/// What somebody with the right to must run so that the admin can pass read on.
pub(crate) fn admin_needs(read: Read, table: Table<'_>, admin: &str) -> String {
    sql!["GRANT ", read.name(), " ON ", table].into_text() + &format!(" TO {admin} WITH GRANT OPTION")
}

/// A name as people must write it; it came from the server or is only shown.
pub(crate) fn spell(name: &str) -> String {
    sql![Name(name)].into_text()
}

pub(crate) fn spell_table(owner: &str, name: &str) -> String {
    sql![Table { owner, name }].into_text()
}

/// The statements of an action, in order. Checks and looks are left out; they change nothing.
pub(crate) fn plan(action: &Action, profile: &Profile) -> Result<Vec<String>> {
    let line = |sql: Sql, words: &str| {
        let text = one_line(sql.as_str());
        if words.is_empty() { text } else { format!("{text} -- {words}") }
    };
    let takes_back = |user: User<'_>, tables: &[TableName]| -> Vec<String> {
        let of_table = |table: &TableName| match Table::new(table) {
            Some(table) => Read::BOTH.map(|read| line(revoke(read, table, user), "if it has it")).to_vec(),
            None => vec![one_line(&format!("-- nothing to take back: no table has the name {table}"))],
        };
        tables.iter().flat_map(of_table).collect()
    };
    Ok(match action {
        Action::CreateUser(user) => {
            let user = User::new(user)?;
            vec![
                line(create_profile(profile, true), "if there is none; before 12.2 without INACTIVE_ACCOUNT_TIME"),
                line(create_user(user, Password::Shown, profile), "if it does not exist"),
                line(let_connect(user), ""),
                line(enable(user), "if it exists"),
            ]
        }
        Action::SetPassword(user) => vec![line(set_password(User::new(user)?, Password::Shown), "")],
        Action::Grant { user, table, take_back } => {
            let user = User::new(user)?;
            let named = Table::new(table).ok_or_else(|| no_such_name(table))?;
            let mut lines = vec![line(grant(Read::Read, named, user), "SELECT before 12.1.0.2")];
            lines.extend(takes_back(user, take_back));
            lines
        }
        Action::Revoke { user, tables } => takes_back(User::new(user)?, tables),
        Action::DropUser(user) => {
            let user = User::new(user)?;
            vec![
                line(disable(user), "if it exists"),
                line(sql!["-- REVOKE READ and SELECT on whatever ", user, " has"], ""),
                line(sql!["-- ALTER SYSTEM KILL SESSION, or RDS's procedure, for each session of ", user], ""),
                line(drop_user(user), ""),
            ]
        }
    })
}

/// A table that cannot be there.
pub(crate) fn no_such_name(table: &TableName) -> Error {
    let what =
        format!("no table in Oracle has the name {table}: a schema and a name, 1 to {LONGEST_NAME} bytes, no \"");
    Error::new(ErrorKind::TableNotFound, what).on_asset(table).advise("check the asset's path")
}
