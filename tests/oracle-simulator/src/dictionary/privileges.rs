//! Who was granted what, and by whom.

use super::{Open, View, row, view, yes_no};
use crate::database::{Database, ObjectGrant, RoleGrant, SystemGrant};
use crate::value::Value;

pub(super) const VIEWS: &[View] = &[
    view("DBA_TAB_PRIVS", Open::Catalog, 0, TAB_PRIVS, |db, _| tab_privs(db, |_| true)),
    view("USER_TAB_PRIVS", Open::Everybody, 0, TAB_PRIVS, |db, who| {
        tab_privs(db, |grant| [&grant.grantee, &grant.owner, &grant.grantor].contains(&&who.user))
    }),
    view("ALL_TAB_PRIVS_MADE", Open::Everybody, 0, TAB_PRIVS, |db, who| {
        tab_privs(db, |grant| [&grant.owner, &grant.grantor].contains(&&who.user))
    }),
    view("ALL_TAB_PRIVS", Open::Everybody, 0, ALL_TAB_PRIVS, |db, who| {
        let mine =
            |grant: &ObjectGrant| who.holds(&grant.grantee) || [&grant.owner, &grant.grantor].contains(&&who.user);
        let order = |row: Vec<Value>| {
            let [grantee, owner, table, grantor, privilege, grantable, hierarchy, common, kind, inherited] =
                row.try_into().unwrap_or_else(|_| std::array::from_fn(|_| Value::Null));
            vec![grantor, grantee, owner, table, privilege, grantable, hierarchy, common, kind, inherited]
        };
        tab_privs(db, mine).into_iter().map(order).collect()
    }),
    view("DBA_COL_PRIVS", Open::Catalog, 0, COL_PRIVS, |db, _| {
        let row = |grant: &ObjectGrant| {
            let column = grant.column.as_ref()?;
            let ObjectGrant { grantee, owner, object, grantor, privilege, .. } = grant;
            Some(row![grantee, owner, object, column, grantor, privilege, yes_no(grant.grantable), "NO", "NO"])
        };
        db.object_grants.iter().filter_map(row).collect()
    }),
    view("DBA_SYS_PRIVS", Open::Catalog, 0, SYS_PRIVS, |db, _| sys_privs(db, |_| true)),
    view("USER_SYS_PRIVS", Open::Everybody, 0, USER_SYS_PRIVS, |db, who| {
        sys_privs(db, |grant| grant.grantee == who.user)
    }),
    view("DBA_ROLE_PRIVS", Open::Catalog, 0, ROLE_PRIVS, |db, _| role_privs(db, |_| true)),
    view("USER_ROLE_PRIVS", Open::Everybody, 0, USER_ROLE_PRIVS, |db, who| {
        role_privs(db, |grant| grant.grantee == who.user)
    }),
    view("DBA_SCHEMA_PRIVS", Open::Catalog, 23, SCHEMA_PRIVS, |db, _| {
        let row = |grant: &crate::database::SchemaGrant| {
            row![&grant.grantee, &grant.privilege, &grant.schema, "NO", "NO", "NO"]
        };
        db.schema_grants.iter().map(row).collect()
    }),
    view("SESSION_PRIVS", Open::Everybody, 0, &[("PRIVILEGE", 0)], |db, who| {
        let mut names: Vec<&String> =
            db.system_grants.iter().filter(|grant| who.holds(&grant.grantee)).map(|grant| &grant.privilege).collect();
        names.sort();
        names.dedup();
        names.into_iter().map(|name| row![name]).collect()
    }),
    view("SESSION_ROLES", Open::Everybody, 0, &[("ROLE", 0)], |_, who| {
        who.roles.iter().map(|role| row![role]).collect()
    }),
    view("ROLE_SYS_PRIVS", Open::Everybody, 0, &[("ROLE", 0), ("PRIVILEGE", 0), ("ADMIN_OPTION", 0)], |db, who| {
        let mine = |grant: &&SystemGrant| who.roles.contains(&grant.grantee);
        let row = |grant: &SystemGrant| row![&grant.grantee, &grant.privilege, yes_no(grant.admin)];
        db.system_grants.iter().filter(mine).map(row).collect()
    }),
];

const TAB_PRIVS: &[(&str, u32)] = &[
    ("GRANTEE", 0),
    ("OWNER", 0),
    ("TABLE_NAME", 0),
    ("GRANTOR", 0),
    ("PRIVILEGE", 0),
    ("GRANTABLE", 0),
    ("HIERARCHY", 0),
    ("COMMON", 12),
    ("TYPE", 12),
    ("INHERITED", 12),
];

const ALL_TAB_PRIVS: &[(&str, u32)] = &[
    ("GRANTOR", 0),
    ("GRANTEE", 0),
    ("TABLE_SCHEMA", 0),
    ("TABLE_NAME", 0),
    ("PRIVILEGE", 0),
    ("GRANTABLE", 0),
    ("HIERARCHY", 0),
    ("COMMON", 12),
    ("TYPE", 12),
    ("INHERITED", 12),
];

fn tab_privs(db: &Database, which: impl Fn(&ObjectGrant) -> bool) -> Vec<Vec<Value>> {
    let row = |grant: &ObjectGrant| {
        let ObjectGrant { grantee, owner, object, grantor, privilege, .. } = grant;
        let kind = db.objects.get(&(owner.clone(), object.clone())).map_or("TABLE", |object| object.type_name());
        let (grantable, hierarchy) = (yes_no(grant.grantable), yes_no(grant.hierarchy));
        row![grantee, owner, object, grantor, privilege, grantable, hierarchy, "NO", kind, "NO"]
    };
    db.object_grants.iter().filter(|grant| grant.column.is_none() && which(grant)).map(row).collect()
}

const COL_PRIVS: &[(&str, u32)] = &[
    ("GRANTEE", 0),
    ("OWNER", 0),
    ("TABLE_NAME", 0),
    ("COLUMN_NAME", 0),
    ("GRANTOR", 0),
    ("PRIVILEGE", 0),
    ("GRANTABLE", 0),
    ("COMMON", 12),
    ("INHERITED", 12),
];

const SYS_PRIVS: &[(&str, u32)] =
    &[("GRANTEE", 0), ("PRIVILEGE", 0), ("ADMIN_OPTION", 0), ("COMMON", 12), ("INHERITED", 12)];

const USER_SYS_PRIVS: &[(&str, u32)] =
    &[("USERNAME", 0), ("PRIVILEGE", 0), ("ADMIN_OPTION", 0), ("COMMON", 12), ("INHERITED", 12)];

fn sys_privs(db: &Database, which: impl Fn(&SystemGrant) -> bool) -> Vec<Vec<Value>> {
    let row = |grant: &SystemGrant| row![&grant.grantee, &grant.privilege, yes_no(grant.admin), "NO", "NO"];
    db.system_grants.iter().filter(|grant| which(grant)).map(row).collect()
}

const ROLE_PRIVS: &[(&str, u32)] =
    &[("GRANTEE", 0), ("GRANTED_ROLE", 0), ("ADMIN_OPTION", 0), ("DEFAULT_ROLE", 0), ("COMMON", 12)];

const USER_ROLE_PRIVS: &[(&str, u32)] =
    &[("USERNAME", 0), ("GRANTED_ROLE", 0), ("ADMIN_OPTION", 0), ("DEFAULT_ROLE", 0), ("COMMON", 12)];

fn role_privs(db: &Database, which: impl Fn(&RoleGrant) -> bool) -> Vec<Vec<Value>> {
    let row = |grant: &RoleGrant| row![&grant.grantee, &grant.role, yes_no(grant.admin), yes_no(grant.default), "NO"];
    db.role_grants.iter().filter(|grant| which(grant)).map(row).collect()
}

const SCHEMA_PRIVS: &[(&str, u32)] =
    &[("GRANTEE", 23), ("PRIVILEGE", 23), ("SCHEMA", 23), ("ADMIN_OPTION", 23), ("COMMON", 23), ("INHERITED", 23)];
