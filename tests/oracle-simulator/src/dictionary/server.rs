//! The server, its sessions and locks.

use super::{Open, View, row, view};
use crate::database::Database;
use crate::value::Value;

pub(super) const VIEWS: &[View] = &[
    view("GV_$SESSION", Open::Catalog, 0, SESSION, |db, _| sessions(db, None)),
    view("V_$SESSION", Open::Catalog, 0, SESSION, |db, who| {
        sessions(db, Some(db.sessions.get(&who.session).map_or(1, |session| session.instance)))
    }),
    view("GV_$LOCK", Open::Catalog, 0, LOCK, |db, _| locks(db)),
    view("V_$LOCK", Open::Catalog, 0, LOCK, |db, _| locks(db)),
    view("DBMS_LOCK_ALLOCATED", Open::Nobody, 0, &[("NAME", 0), ("LOCKID", 0)], |db, _| {
        db.locks.names.iter().map(|(name, id)| row![name, Value::Number(*id)]).collect()
    }),
    view("GV_$INSTANCE", Open::Catalog, 0, INSTANCE, |db, _| {
        (1..=i64::from(db.options.instances)).map(|number| instance(db, number)).collect()
    }),
    view("V_$INSTANCE", Open::Catalog, 0, INSTANCE, |db, who| {
        let number = db.sessions.get(&who.session).map_or(1, |session| session.instance);
        vec![instance(db, i64::from(number))]
    }),
    view("V_$PARAMETER", Open::Catalog, 0, &[("NAME", 0), ("VALUE", 0)], |db, _| {
        let compatible = if db.options.short_names { "11.2.0.4.0" } else { db.options.version.text() };
        vec![row!["compatible", compatible], row!["recyclebin", "on"], row!["sec_max_failed_login_attempts", "3"]]
    }),
    view("V_$VERSION", Open::Everybody, 0, &[("BANNER", 0), ("BANNER_FULL", 18)], |db, _| {
        let banner = format!("{} - Production", product(db));
        vec![row![&banner, format!("{banner}\nVersion {}", db.options.version.full())]]
    }),
    view(
        "PRODUCT_COMPONENT_VERSION",
        Open::Everybody,
        0,
        &[("PRODUCT", 0), ("VERSION", 0), ("VERSION_FULL", 18), ("STATUS", 0)],
        |db, _| {
            let version = db.options.version;
            let mut rows = Vec::new();
            if version.major() < 18 {
                rows.push(row!["NLSRTL ", version.text(), version.full(), "Production"]);
            }
            rows.push(row![format!("{} ", product(db)), version.text(), version.full(), "Production"]);
            rows
        },
    ),
    view("NLS_DATABASE_PARAMETERS", Open::Everybody, 0, &[("PARAMETER", 0), ("VALUE", 0)], |_, _| {
        vec![row!["NLS_CHARACTERSET", "AL32UTF8"]]
    }),
    view("GLOBAL_NAME", Open::Everybody, 0, &[("GLOBAL_NAME", 0)], |db, _| vec![row![db.options.container()]]),
    view("V_$CONTAINERS", Open::Catalog, 12, &[("CON_ID", 0), ("NAME", 0)], |db, _| {
        vec![row![if db.options.root { 1_i64 } else { 3 }, db.options.container()]]
    }),
];

fn product(db: &Database) -> &'static str {
    match db.major() {
        11 => "Oracle Database 11g Enterprise Edition",
        19 => "Oracle Database 19c Enterprise Edition",
        21 => "Oracle Database 21c Express Edition",
        _ => "Oracle Database 23ai Free",
    }
}

const SESSION: &[(&str, u32)] = &[
    ("INST_ID", 0),
    ("SID", 0),
    ("SERIAL#", 0),
    ("AUDSID", 0),
    ("USERNAME", 0),
    ("STATUS", 0),
    ("SERVER", 0),
    ("SCHEMANAME", 0),
    ("TYPE", 0),
    ("SERVICE_NAME", 0),
];

fn sessions(db: &Database, instance: Option<u32>) -> Vec<Vec<Value>> {
    // A background process, which has no user.
    let mut rows =
        vec![row![1_i64, 1_i64, 1_i64, 0_i64, "", "ACTIVE", "DEDICATED", "SYS", "BACKGROUND", "SYS$BACKGROUND"]];
    for session in db.sessions.values() {
        if instance.is_none_or(|instance| instance == session.instance) {
            rows.push(row![
                i64::from(session.instance),
                i64::from(session.sid),
                i64::from(session.serial),
                i64::from(session.audsid),
                &session.user,
                session.status(),
                if session.killed.is_some() { "PSEUDO" } else { "DEDICATED" },
                &session.schema,
                "USER",
                &db.options.service,
            ]);
        }
    }
    rows
}

const LOCK: &[(&str, u32)] =
    &[("INST_ID", 0), ("SID", 0), ("TYPE", 0), ("ID1", 0), ("ID2", 0), ("LMODE", 0), ("REQUEST", 0)];

fn locks(db: &Database) -> Vec<Vec<Value>> {
    let row = |(id, holder): (i128, crate::locks::Holder)| {
        let session = db.sessions.get(&holder.session)?;
        let (instance, sid) = (i64::from(session.instance), i64::from(session.sid));
        Some(row![instance, sid, "UL", Value::Number(id), 0_i64, Value::Number(holder.mode), 0_i64])
    };
    db.locks.all().filter_map(row).collect()
}

const INSTANCE: &[(&str, u32)] =
    &[("INST_ID", 0), ("INSTANCE_NUMBER", 0), ("INSTANCE_NAME", 0), ("VERSION", 0), ("STATUS", 0)];

fn instance(db: &Database, number: i64) -> Vec<Value> {
    row![number, number, format!("orcl{number}"), db.options.version.text(), "OPEN"]
}
