//! Supplied packages ("PL/SQL Packages and Types Reference").

use std::time::{Duration, Instant};

use crate::ast::{Arg, ObjectName, ObjectPrivilege};
use crate::database::{Database, Key, Kind};
use crate::error::{Result, compile, fail, ora};
use crate::locks::{Holder, LAST_USER_ID, MODES, answer};
use crate::security::Who;
use crate::session::Session;
use crate::value::Value;

/// A subprogram: package, name, whether it is a function, and its parameters with whether they must be given.
pub(super) struct Member {
    package: &'static str,
    pub(super) name: &'static str,
    pub(super) function: bool,
    pub(super) params: &'static [(&'static str, bool)],
    pub(super) out: &'static [&'static str],
    since: u32,
}

const fn member(
    package: &'static str,
    name: &'static str,
    function: bool,
    params: &'static [(&'static str, bool)],
    out: &'static [&'static str],
) -> Member {
    Member { package, name, function, params, out, since: 0 }
}

/// `ID` stands for the overload with a lock handle too: the two differ in type only.
const MEMBERS: &[Member] = &[
    member(
        "DBMS_LOCK",
        "REQUEST",
        true,
        &[("ID", true), ("LOCKMODE", false), ("TIMEOUT", false), ("RELEASE_ON_COMMIT", false)],
        &[],
    ),
    member("DBMS_LOCK", "RELEASE", true, &[("ID", true)], &[]),
    member("DBMS_LOCK", "CONVERT", true, &[("ID", true), ("LOCKMODE", true), ("TIMEOUT", false)], &[]),
    member(
        "DBMS_LOCK",
        "ALLOCATE_UNIQUE",
        false,
        &[("LOCKNAME", true), ("LOCKHANDLE", true), ("EXPIRATION_SECS", false)],
        &["LOCKHANDLE"],
    ),
    member("DBMS_LOCK", "SLEEP", false, &[("SECONDS", true)], &[]),
    Member { since: 18, ..member("DBMS_SESSION", "SLEEP", false, &[("SECONDS", true)], &[]) },
    member("DBMS_OUTPUT", "PUT_LINE", false, &[("A", true)], &[]),
    member("DBMS_APPLICATION_INFO", "SET_MODULE", false, &[("MODULE_NAME", true), ("ACTION_NAME", true)], &[]),
    member(
        "DBMS_UTILITY",
        "DB_VERSION",
        false,
        &[("VERSION", true), ("COMPATIBILITY", true)],
        &["VERSION", "COMPATIBILITY"],
    ),
    member(
        "RDSADMIN_UTIL",
        "GRANT_SYS_OBJECT",
        false,
        &[("P_OBJ_NAME", true), ("P_GRANTEE", true), ("P_PRIVILEGE", false), ("P_GRANT_OPTION", false)],
        &[],
    ),
    member("RDSADMIN_UTIL", "KILL", false, &[("SID", true), ("SERIAL", true), ("METHOD", false)], &[]),
];

const CONSTANTS: [(&str, &str, i128); 7] = [
    ("DBMS_LOCK", "NL_MODE", 1),
    ("DBMS_LOCK", "SS_MODE", 2),
    ("DBMS_LOCK", "SX_MODE", 3),
    ("DBMS_LOCK", "S_MODE", 4),
    ("DBMS_LOCK", "SSX_MODE", 5),
    ("DBMS_LOCK", "X_MODE", 6),
    ("DBMS_LOCK", "MAXWAIT", 32_767),
];

/// The package that a path names, if there is one and it may be used; who may not is told the same as if there were none.
pub(super) fn find(database: &Database, who: &Who, path: &[String]) -> Option<(Key, String)> {
    let (schema, package, member) = match path {
        [package, member] => (None, package, member),
        [schema, package, member] => (Some(schema.as_str()), package, member),
        _ => return None,
    };
    let key = database.resolve(who, schema, package)?;
    let is = matches!(database.objects.get(&key)?.kind, Kind::Package) && database.executable(who, &key);
    is.then(|| (key, member.clone()))
}

pub(super) fn subprogram(major: u32, package: &str, name: &str) -> Option<&'static Member> {
    MEMBERS.iter().find(|member| member.package == package && member.name == name && member.since <= major)
}

pub(super) fn constant(package: &str, name: &str) -> Option<Value> {
    let found = CONSTANTS.iter().find(|constant| constant.0 == package && constant.1 == name);
    found.map(|constant| Value::Number(constant.2))
}

impl Member {
    /// Which parameter each argument is for.
    pub(super) fn places(&self, args: &[Arg]) -> Result<Vec<usize>> {
        let wrong = || {
            let what = format!("PLS-00306: wrong number or types of arguments in call to '{}'", self.name);
            compile::<usize>(what)
        };
        let mut places = Vec::new();
        for (at, arg) in args.iter().enumerate() {
            let place = match &arg.name {
                None if at < self.params.len() => at,
                None => wrong()?,
                Some(name) => {
                    let name = if self.package == "DBMS_LOCK" && self.name != "ALLOCATE_UNIQUE" && name == "LOCKHANDLE"
                    {
                        "ID"
                    } else {
                        name
                    };
                    match self.params.iter().position(|(known, _)| *known == name) {
                        Some(place) => place,
                        None => wrong()?,
                    }
                }
            };
            if places.contains(&place) {
                wrong()?;
            }
            places.push(place);
        }
        for (at, (_, needed)) in self.params.iter().enumerate() {
            if *needed && !places.contains(&at) {
                wrong()?;
            }
        }
        Ok(places)
    }
}

/// Calls it. The values stand in the order of the parameters; what an OUT parameter gets stands in the answer's second part.
pub(super) fn call(session: &Session, member: &Member, args: &[Option<Value>]) -> Result<(Value, Vec<Value>)> {
    let arg = |at: usize| args.get(at).cloned().flatten().unwrap_or(Value::Null);
    let number = |at: usize, default: i128| match args.get(at).cloned().flatten() {
        Some(value) => Ok(value.to_number()?.unwrap_or(-1)),
        None => Ok(default),
    };
    let done = |value: Value| Ok((value, Vec::new()));
    match (member.package, member.name) {
        ("DBMS_LOCK", "REQUEST") => {
            let on_commit = args.get(3).cloned().flatten() == Some(Value::Bool(true));
            let (mode, timeout) = (number(1, 6)?, number(2, 32_767)?);
            request(session, &arg(0), mode, timeout, on_commit, false).map(|answer| (Value::Number(answer), Vec::new()))
        }
        ("DBMS_LOCK", "CONVERT") => {
            let (mode, timeout) = (number(1, 6)?, number(2, 32_767)?);
            request(session, &arg(0), mode, timeout, false, true).map(|answer| (Value::Number(answer), Vec::new()))
        }
        ("DBMS_LOCK", "RELEASE") => {
            let who = session.who()?;
            let id = match lock_id(&arg(0))? {
                Ok(id) => id,
                Err(answer) => return done(Value::Number(answer)),
            };
            let released = session.server().lock().locks.release(id, who.session);
            session.server().notify();
            done(Value::Number(if released { answer::SUCCESS } else { answer::OWN }))
        }
        ("DBMS_LOCK", "ALLOCATE_UNIQUE") => {
            let name = arg(0).to_text();
            if name.is_empty() || name.len() > 128 || name.starts_with("ORA$") {
                return fail(20000, format!("ORU-10003: Unable to find or insert lock {name} into catalog"));
            }
            let who = session.who()?;
            let mut database = session.server().lock();
            // It always performs a commit.
            database.commit(who.session);
            let id = database.locks.allocate(&name);
            Ok((Value::Null, vec![Value::text(format!("{id}{:03}", id % 1000))]))
        }
        ("DBMS_LOCK" | "DBMS_SESSION", "SLEEP") => {
            let seconds = u64::try_from(number(0, 0)?).unwrap_or_default();
            let until = Instant::now() + Duration::from_secs(seconds);
            while Instant::now() < until {
                session.who()?;
                session.is_waited_for()?;
                let database = session.server().lock();
                drop(session.server().wait(database, (until - Instant::now()).min(Duration::from_millis(200))));
            }
            done(Value::Null)
        }
        ("DBMS_UTILITY", "DB_VERSION") => {
            let database = session.server().lock();
            let version = Value::text(database.options.version.text());
            let compatible = if database.options.short_names { Value::text("11.2.0.4.0") } else { version.clone() };
            Ok((Value::Null, vec![version, compatible]))
        }
        ("RDSADMIN_UTIL", "KILL") => {
            let who = session.who()?;
            let id = |at| number(at, 0).map(|number| u32::try_from(number).unwrap_or_default());
            let immediate = match arg(2).to_text().to_uppercase().as_str() {
                "IMMEDIATE" | "PROCESS" => true,
                "" => false,
                _ => return fail(20001, "Invalid method"),
            };
            let (sid, serial) = (id(0)?, id(1)?);
            let mut database = session.server().lock();
            let instance = database.sessions.get(&who.session).map_or(1, |session| session.instance);
            database.kill_session(&who, (instance, sid, serial), immediate)?;
            drop(database);
            session.server().notify();
            done(Value::Null)
        }
        // It runs with SYS's rights ("Granting SELECT or EXECUTE privileges to SYS objects", RDS for Oracle).
        ("RDSADMIN_UTIL", "GRANT_SYS_OBJECT") => {
            let name = match arg(2).to_text().to_uppercase() {
                none if none.is_empty() => "SELECT".to_owned(),
                privilege => privilege,
            };
            let on = ObjectName { schema: Some("SYS".to_owned()), name: arg(0).to_text() };
            let (sys, to) = (Who::definer("SYS", 0), [arg(1).to_text()]);
            let option = arg(3) == Value::Bool(true);
            let privileges = [ObjectPrivilege { name, columns: Vec::new() }];
            session.server().lock().grant_object(&sys, &privileges, &on, &to, option, false)?;
            done(Value::Null)
        }
        // What it writes is read by nobody.
        ("DBMS_OUTPUT" | "DBMS_APPLICATION_INFO", _) => done(Value::Null),
        (package, name) => {
            Err(ora(900, format!("invalid SQL statement (the simulator does not know {package}.{name})")))
        }
    }
}

/// A lock's number, out of an id or a handle; or what is answered instead.
fn lock_id(value: &Value) -> Result<std::result::Result<i128, i128>> {
    match value {
        // A handle is the number with three digits more.
        Value::Text(handle) => match handle.parse::<i128>() {
            Ok(number) if number / 1000 > LAST_USER_ID => Ok(Ok(number / 1000)),
            _ => Ok(Err(answer::HANDLE)),
        },
        value => match value.to_number()? {
            Some(id) if (0..=LAST_USER_ID).contains(&id) => Ok(Ok(id)),
            _ => Ok(Err(answer::PARAMETER)),
        },
    }
}

fn request(session: &Session, id: &Value, mode: i128, timeout: i128, on_commit: bool, convert: bool) -> Result<i128> {
    let id = match lock_id(id)? {
        Ok(id) => id,
        Err(answer) => return Ok(answer),
    };
    if !MODES.contains(&mode) || timeout < 0 {
        return Ok(answer::PARAMETER);
    }
    let start = Instant::now();
    let patience =
        if timeout >= 32_767 { Duration::MAX } else { Duration::from_secs(u64::try_from(timeout).unwrap_or(0)) };
    let who = session.who()?;
    let server = session.server();
    loop {
        session.who()?;
        session.is_waited_for()?;
        let mut database = server.lock();
        match (database.locks.mode(id, who.session), convert) {
            (Some(_), false) | (None, true) => return Ok(answer::OWN),
            _ => {}
        }
        if database.locks.take(id, Holder { session: who.session, mode, on_commit }) {
            return Ok(answer::SUCCESS);
        }
        let left = patience.saturating_sub(start.elapsed());
        if left.is_zero() {
            return Ok(answer::TIMEOUT);
        }
        drop(server.wait(database, left.min(Duration::from_millis(200))));
    }
}
