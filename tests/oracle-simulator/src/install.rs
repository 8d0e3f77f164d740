//! What is there when a database has just been made.

use std::collections::{BTreeMap, BTreeSet};

use crate::database::{Database, Kind, Object, ObjectGrant, RoleGrant, Secret, SystemGrant, User};
use crate::dictionary::{self, Open};

/// System privileges ("GRANT", Table of System Privileges), as far as anybody here uses them.
pub(crate) const SYSTEM_PRIVILEGES: [&str; 46] = [
    "ALTER ANY ROLE",
    "ALTER ANY TABLE",
    "ALTER DATABASE",
    "ALTER PROFILE",
    "ALTER SESSION",
    "ALTER SYSTEM",
    "ALTER USER",
    "BECOME USER",
    "COMMENT ANY TABLE",
    "CREATE ANY SYNONYM",
    "CREATE ANY TABLE",
    "CREATE ANY VIEW",
    "CREATE PROCEDURE",
    "CREATE PROFILE",
    "CREATE PUBLIC SYNONYM",
    "CREATE ROLE",
    "CREATE SEQUENCE",
    "CREATE SESSION",
    "CREATE SYNONYM",
    "CREATE TABLE",
    "CREATE TRIGGER",
    "CREATE USER",
    "CREATE VIEW",
    "DELETE ANY TABLE",
    "DROP ANY ROLE",
    "DROP ANY SYNONYM",
    "DROP ANY TABLE",
    "DROP ANY VIEW",
    "DROP PROFILE",
    "DROP PUBLIC SYNONYM",
    "DROP USER",
    "EXECUTE ANY PROCEDURE",
    "FLASHBACK ANY TABLE",
    "GRANT ANY OBJECT PRIVILEGE",
    "GRANT ANY PRIVILEGE",
    "GRANT ANY ROLE",
    "INSERT ANY TABLE",
    "LOCK ANY TABLE",
    "READ ANY TABLE",
    "RESTRICTED SESSION",
    "SELECT ANY DICTIONARY",
    "SELECT ANY SEQUENCE",
    "SELECT ANY TABLE",
    "UNLIMITED TABLESPACE",
    "UPDATE ANY TABLE",
    "ADMINISTER DATABASE TRIGGER",
];

/// What RDS's master user has not got ("Limitations of RDS for Oracle", "Oracle DBA privileges").
const NOT_ON_RDS: [&str; 5] =
    ["ALTER DATABASE", "ALTER SYSTEM", "GRANT ANY PRIVILEGE", "GRANT ANY ROLE", "ADMINISTER DATABASE TRIGGER"];

/// Packages, and whether everybody may execute them ("PL/SQL Packages and Types Reference", the packages' Security Models).
const PACKAGES: [(&str, bool); 6] = [
    ("DBMS_LOCK", false),
    ("DBMS_SESSION", true),
    ("DBMS_OUTPUT", true),
    ("DBMS_UTILITY", true),
    ("DBMS_ASSERT", true),
    ("DBMS_APPLICATION_INFO", true),
];

pub(crate) fn fill(db: &mut Database) {
    let mut default = BTreeMap::new();
    for (resource, limit) in crate::users::RESOURCES {
        default.insert(resource.to_owned(), limit.to_owned());
    }
    if db.options.verify_passwords {
        default.insert("PASSWORD_VERIFY_FUNCTION".to_owned(), "ORA12C_VERIFY_FUNCTION".to_owned());
    }
    db.profiles.insert("DEFAULT".to_owned(), default);
    for role in ["DBA", "CONNECT", "RESOURCE", "SELECT_CATALOG_ROLE", "EXECUTE_CATALOG_ROLE"] {
        db.roles.insert(role.to_owned(), true);
    }
    for (id, name) in [(0, "SYS"), (9, "SYSTEM"), (80, "XDB")] {
        user(db, id, name);
    }
    for privilege in privileges(db) {
        system(db, "DBA", privilege, true);
    }
    system(db, "CONNECT", "CREATE SESSION", false);
    for privilege in ["CREATE TABLE", "CREATE PROCEDURE", "CREATE SEQUENCE", "CREATE TRIGGER"] {
        system(db, "RESOURCE", privilege, false);
    }
    role(db, "DBA", "SELECT_CATALOG_ROLE");
    role(db, "DBA", "EXECUTE_CATALOG_ROLE");
    role(db, "SYSTEM", "DBA");
    system(db, "SYSTEM", "UNLIMITED TABLESPACE", false);

    for (package, public) in PACKAGES {
        object(db, "SYS", package, Kind::Package);
        object(db, "PUBLIC", package, Kind::Synonym { owner: "SYS".into(), name: package.into() });
        on_object(db, if public { "PUBLIC" } else { "EXECUTE_CATALOG_ROLE" }, "SYS", package, "EXECUTE");
    }
    if db.options.rds {
        user(db, 50, "RDSADMIN");
        object(db, "RDSADMIN", "RDSADMIN_UTIL", Kind::Package);
        on_object(db, "DBA", "RDSADMIN", "RDSADMIN_UTIL", "EXECUTE");
    }
    let major = db.major();
    for view in dictionary::views().filter(|view| view.since <= major) {
        object(db, "SYS", view.name, Kind::Dictionary);
        let synonym = view.name.replace("V_$", "V$");
        object(db, "PUBLIC", &synonym, Kind::Synonym { owner: "SYS".into(), name: view.name.into() });
        match view.open {
            Open::Everybody => on_object(db, "PUBLIC", "SYS", view.name, if major >= 12 { "READ" } else { "SELECT" }),
            Open::Catalog => on_object(db, "SELECT_CATALOG_ROLE", "SYS", view.name, "SELECT"),
            Open::Nobody => {}
        }
    }
}

/// All that this version and edition have.
pub(crate) fn privileges(db: &Database) -> Vec<&'static str> {
    let (major, rds) = (db.major(), db.options.rds);
    let there =
        |privilege: &&str| (major >= 12 || *privilege != "READ ANY TABLE") && !(rds && NOT_ON_RDS.contains(privilege));
    SYSTEM_PRIVILEGES.into_iter().filter(there).collect()
}

fn user(db: &mut Database, id: i64, name: &str) {
    let password = (name == "SYSTEM").then(|| db.options.system_password.clone());
    let user = User {
        id,
        locked: password.is_none(),
        secret: password.map_or(Secret::Impossible, Secret::Password),
        timed: false,
        expired: false,
        failed_logins: 0,
        profile: "DEFAULT".to_owned(),
        default_tablespace: "SYSTEM".to_owned(),
        quotas: BTreeSet::new(),
        created: 0,
        maintained: true,
    };
    db.users.insert(name.to_owned(), user);
}

fn object(db: &mut Database, owner: &str, name: &str, kind: Kind) {
    let id = db.next_id();
    db.objects.insert((owner.to_owned(), name.to_owned()), Object { id, kind, maintained: true });
}

fn system(db: &mut Database, grantee: &str, privilege: &str, admin: bool) {
    db.system_grants.push(SystemGrant { grantee: grantee.to_owned(), privilege: privilege.to_owned(), admin });
}

fn role(db: &mut Database, grantee: &str, role: &str) {
    db.role_grants.push(RoleGrant { grantee: grantee.to_owned(), role: role.to_owned(), admin: true, default: true });
}

fn on_object(db: &mut Database, grantee: &str, owner: &str, object: &str, privilege: &str) {
    db.object_grants.push(ObjectGrant {
        grantee: grantee.to_owned(),
        owner: owner.to_owned(),
        object: object.to_owned(),
        column: None,
        grantor: owner.to_owned(),
        privilege: privilege.to_owned(),
        grantable: false,
        hierarchy: false,
    });
}
