//! Users, objects, profiles.

use super::{Open, View, row, view, y_n, yes_no};
use crate::database::{Database, Key, Kind, Object};
use crate::value::Value;

pub(super) const VIEWS: &[View] = &[
    view("DUAL", Open::Everybody, 0, &[("DUMMY", 0)], |_, _| vec![row!["X"]]),
    view("DBA_USERS", Open::Catalog, 0, USERS, |db, _| users(db, |_| true)),
    view("USER_USERS", Open::Everybody, 0, USERS, |db, who| users(db, |name| name == who.user)),
    view(
        "ALL_USERS",
        Open::Everybody,
        0,
        &[
            ("USERNAME", 0),
            ("USER_ID", 0),
            ("CREATED", 0),
            ("COMMON", 12),
            ("ORACLE_MAINTAINED", 12),
            ("INHERITED", 12),
        ],
        |db, _| {
            let row = |(name, user): (&String, &crate::database::User)| {
                let own = user.maintained;
                row![name, user.id, Value::Date(user.created), yes_no(own), y_n(own), yes_no(own)]
            };
            db.users.iter().map(row).collect()
        },
    ),
    view("DBA_OBJECTS", Open::Catalog, 0, OBJECTS, |db, _| objects(db, |_, _| true)),
    view("ALL_OBJECTS", Open::Everybody, 0, OBJECTS, |db, who| objects(db, |key, _| db.sees(who, key))),
    view("USER_OBJECTS", Open::Everybody, 0, OBJECTS, |db, who| objects(db, |key, _| key.0 == who.user)),
    view("DBA_TABLES", Open::Catalog, 0, TABLES, |db, _| tables(db, |_| true)),
    view("ALL_TABLES", Open::Everybody, 0, TABLES, |db, who| tables(db, |key| db.sees(who, key))),
    view("USER_TABLES", Open::Everybody, 0, TABLES, |db, who| tables(db, |key| key.0 == who.user)),
    view("DBA_VIEWS", Open::Catalog, 0, &[("OWNER", 0), ("VIEW_NAME", 0)], |db, _| views(db, |_| true)),
    view("ALL_VIEWS", Open::Everybody, 0, &[("OWNER", 0), ("VIEW_NAME", 0)], |db, who| {
        views(db, |key| db.sees(who, key))
    }),
    view("DBA_TAB_COLUMNS", Open::Catalog, 0, COLUMNS, |db, _| columns(db, |_| true)),
    view("ALL_TAB_COLUMNS", Open::Everybody, 0, COLUMNS, |db, who| columns(db, |key| db.sees(who, key))),
    view("DBA_SYNONYMS", Open::Catalog, 0, SYNONYMS, |db, _| synonyms(db, |_| true)),
    view("ALL_SYNONYMS", Open::Everybody, 0, SYNONYMS, |db, who| synonyms(db, |key| db.sees(who, key))),
    view("DBA_RECYCLEBIN", Open::Catalog, 0, &[("OWNER", 0), ("OBJECT_NAME", 0), ("ORIGINAL_NAME", 0)], |db, _| {
        let dropped = |(key, object): (&Key, &Object)| match &object.kind {
            Kind::Table { dropped: Some(former), .. } => Some(row![&key.0, &key.1, former]),
            _ => None,
        };
        db.objects.iter().filter_map(dropped).collect()
    }),
    view(
        "DBA_PROFILES",
        Open::Catalog,
        0,
        &[("PROFILE", 0), ("RESOURCE_NAME", 0), ("RESOURCE_TYPE", 0), ("LIMIT", 0), ("COMMON", 12), ("INHERITED", 12)],
        |db, _| {
            let mut rows = Vec::new();
            for (profile, limits) in &db.profiles {
                for (resource, limit) in limits {
                    let kind = if crate::users::is_password_resource(resource) { "PASSWORD" } else { "KERNEL" };
                    rows.push(row![profile, resource, kind, limit, "NO", "NO"]);
                }
            }
            rows
        },
    ),
    view(
        "DBA_ROLES",
        Open::Catalog,
        0,
        &[("ROLE", 0), ("PASSWORD_REQUIRED", 0), ("ORACLE_MAINTAINED", 12)],
        |db, _| db.roles.iter().map(|(role, maintained)| row![role, "NO", y_n(*maintained)]).collect(),
    ),
    view("DBA_PROXIES", Open::Catalog, 0, &[("PROXY", 0), ("CLIENT", 0)], |_, _| Vec::new()),
    view("DBA_TS_QUOTAS", Open::Catalog, 0, &[("TABLESPACE_NAME", 0), ("USERNAME", 0), ("MAX_BYTES", 0)], |db, _| {
        let of = |(name, user): (&String, &crate::database::User)| {
            user.quotas.iter().map(|tablespace| row![tablespace, name, -1_i64]).collect::<Vec<_>>()
        };
        db.users.iter().flat_map(of).collect()
    }),
];

const USERS: &[(&str, u32)] = &[
    ("USERNAME", 0),
    ("USER_ID", 0),
    ("PASSWORD", 0),
    ("ACCOUNT_STATUS", 0),
    ("LOCK_DATE", 0),
    ("EXPIRY_DATE", 0),
    ("DEFAULT_TABLESPACE", 0),
    ("CREATED", 0),
    ("PROFILE", 0),
    ("AUTHENTICATION_TYPE", 11),
    ("COMMON", 12),
    ("LAST_LOGIN", 12),
    ("ORACLE_MAINTAINED", 12),
];

fn users(db: &Database, which: impl Fn(&str) -> bool) -> Vec<Vec<Value>> {
    let row = |(name, user): (&String, &crate::database::User)| {
        let locked = if user.locked || user.timed { Value::Date(user.created) } else { Value::Null };
        let expiry = if db.limit(&user.profile, "PASSWORD_LIFE_TIME") == "UNLIMITED" {
            Value::Null
        } else {
            Value::Date(user.created + 180 * 86_400)
        };
        row![
            name,
            user.id,
            Value::Null,
            user.status(),
            locked,
            expiry,
            &user.default_tablespace,
            Value::Date(user.created),
            &user.profile,
            "PASSWORD",
            yes_no(user.maintained),
            Value::Null,
            y_n(user.maintained),
        ]
    };
    db.users.iter().filter(|(name, _)| which(name)).map(row).collect()
}

const OBJECTS: &[(&str, u32)] = &[
    ("OWNER", 0),
    ("OBJECT_NAME", 0),
    ("SUBOBJECT_NAME", 0),
    ("OBJECT_ID", 0),
    ("OBJECT_TYPE", 0),
    ("STATUS", 0),
    ("TEMPORARY", 0),
    ("GENERATED", 0),
    ("SECONDARY", 0),
    ("ORACLE_MAINTAINED", 12),
];

fn objects(db: &Database, which: impl Fn(&Key, &Object) -> bool) -> Vec<Vec<Value>> {
    let row = |(key, object): (&Key, &Object)| {
        let kind = object.type_name();
        row![&key.0, &key.1, Value::Null, object.id, kind, "VALID", "N", "N", "N", y_n(object.maintained)]
    };
    db.objects.iter().filter(|(key, object)| which(key, object)).map(row).collect()
}

const TABLES: &[(&str, u32)] =
    &[("OWNER", 0), ("TABLE_NAME", 0), ("TABLESPACE_NAME", 0), ("STATUS", 0), ("DROPPED", 0), ("TEMPORARY", 0)];

fn tables(db: &Database, which: impl Fn(&Key) -> bool) -> Vec<Vec<Value>> {
    let row = |(key, object): (&Key, &Object)| match &object.kind {
        Kind::Table { dropped, .. } => Some(row![&key.0, &key.1, "USERS", "VALID", yes_no(dropped.is_some()), "N"]),
        _ => None,
    };
    db.objects.iter().filter(|(key, _)| which(key)).filter_map(row).collect()
}

fn views(db: &Database, which: impl Fn(&Key) -> bool) -> Vec<Vec<Value>> {
    let row = |(key, object): (&Key, &Object)| {
        matches!(object.kind, Kind::View { .. } | Kind::Dictionary).then(|| row![&key.0, &key.1])
    };
    db.objects.iter().filter(|(key, _)| which(key)).filter_map(row).collect()
}

const COLUMNS: &[(&str, u32)] = &[("OWNER", 0), ("TABLE_NAME", 0), ("COLUMN_NAME", 0), ("COLUMN_ID", 0)];

fn columns(db: &Database, which: impl Fn(&Key) -> bool) -> Vec<Vec<Value>> {
    let mut rows = Vec::new();
    for (key, object) in db.objects.iter().filter(|(key, _)| which(key)) {
        if let Kind::Table { columns, .. } | Kind::View { columns, .. } = &object.kind {
            for (column, number) in columns.iter().zip(1_i64..) {
                rows.push(row![&key.0, &key.1, column, number]);
            }
        }
    }
    rows
}

const SYNONYMS: &[(&str, u32)] = &[("OWNER", 0), ("SYNONYM_NAME", 0), ("TABLE_OWNER", 0), ("TABLE_NAME", 0)];

fn synonyms(db: &Database, which: impl Fn(&Key) -> bool) -> Vec<Vec<Value>> {
    let row = |(key, object): (&Key, &Object)| match &object.kind {
        Kind::Synonym { owner, name } => Some(row![&key.0, &key.1, owner, name]),
        _ => None,
    };
    db.objects.iter().filter(|(key, _)| which(key)).filter_map(row).collect()
}
