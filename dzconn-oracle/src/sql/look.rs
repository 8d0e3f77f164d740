//! The statements that only look.
//!
//! Every column comes as text. Views are named with their owner, since a logon trigger may have moved the session to another
//! schema. What Oracle's own users have (`ORACLE_MAINTAINED`) is never an asset and never excess.

use dzconn_core::sql;
use dzconn_core::sql::{Piece, Sql};

use super::{Name, Profile, Statement, Table, User};
use crate::driver::Bind;

/// Writes placeholders and collects their values, so that the two cannot differ.
#[derive(Default)]
struct Query {
    sql: Sql,
    binds: Vec<Bind>,
}

impl Query {
    fn add(mut self, text: &'static str) -> Self {
        text.write(&mut self.sql);
        self
    }

    fn bind(mut self, value: Bind) -> Self {
        self.binds.push(value);
        self.sql.push(&format!(":{}", self.binds.len()));
        self
    }

    fn text(self, value: &str) -> Self {
        self.bind(Bind::Text(value.to_owned()))
    }

    /// `(:1, :2)`; at least one.
    fn list(mut self, values: &[String]) -> Self {
        for (i, value) in values.iter().enumerate() {
            self = self.add(if i == 0 { "(" } else { ", " }).text(value);
        }
        self.add(")")
    }

    fn first(mut self, rows: u64) -> Statement {
        sql![" FETCH FIRST ", rows, " ROWS ONLY"].write(&mut self.sql);
        self.done()
    }

    fn done(self) -> Statement {
        Statement { sql: self.sql, binds: self.binds, secret: false }
    }
}

/// Whose view of objects and grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Catalog {
    /// All of them; needs a privilege.
    Dba,
    /// Those that the session has some right on.
    All,
}

impl Catalog {
    /// Grants on objects: all, or those that the session's user made, and those on what it owns ("`ALL_TAB_PRIVS_MADE`").
    const fn grants(self) -> &'static str {
        match self {
            Self::Dba => " FROM sys.dba_tab_privs p",
            Self::All => " FROM sys.all_tab_privs_made p",
        }
    }

    const fn objects(self) -> &'static str {
        match self {
            Self::Dba => " FROM sys.dba_objects o",
            Self::All => " FROM sys.all_objects o",
        }
    }
}

const READABLE: &str = " AND o.object_type IN ('TABLE', 'VIEW', 'MATERIALIZED VIEW')";
const NOT_ORACLES_OWN: &str = "NOT EXISTS (SELECT 1 FROM sys.all_users m WHERE m.username = o.owner AND \
                               m.oracle_maintained = 'Y')";

/// What the server says of itself, as (fact, value): who the session is (`user`), how it came (`protocol`), where it is
/// (`container`), names of the database (`service`, `database`, `instance`), `version`; and, if it may use that, RDS's
/// package `rds`.
pub(crate) fn facts() -> Statement {
    Query::default()
        .add("SELECT 'user' AS fact, SYS_CONTEXT('USERENV', 'SESSION_USER') AS value FROM sys.dual")
        .add(" UNION ALL SELECT 'protocol', SYS_CONTEXT('USERENV', 'NETWORK_PROTOCOL') FROM sys.dual")
        .add(" UNION ALL SELECT 'container', SYS_CONTEXT('USERENV', 'CON_NAME') FROM sys.dual")
        .add(" UNION ALL SELECT 'service', SYS_CONTEXT('USERENV', 'SERVICE_NAME') FROM sys.dual")
        .add(" UNION ALL SELECT 'database', SYS_CONTEXT('USERENV', 'DB_NAME') FROM sys.dual")
        .add(" UNION ALL SELECT 'instance', SYS_CONTEXT('USERENV', 'INSTANCE_NAME') FROM sys.dual")
        .add(" UNION ALL SELECT 'version', p.version FROM sys.product_component_version p WHERE p.product LIKE 'Oracle%'")
        .add(" UNION ALL SELECT 'rds', o.object_name FROM sys.all_objects o WHERE o.owner = 'RDSADMIN'")
        .add(" AND o.object_name = 'RDSADMIN_UTIL' AND o.object_type = 'PACKAGE'")
        .done()
}

/// How the session came: `tcp` or `tcps`.
pub(crate) fn protocol() -> Statement {
    Query::default().add("SELECT SYS_CONTEXT('USERENV', 'NETWORK_PROTOCOL') AS value FROM sys.dual").done()
}

/// Who holds a lock, as (sid, serial, instance, user).
pub(crate) fn lock_holder(id: i64) -> Statement {
    Query::default()
        .add("SELECT TO_CHAR(s.sid), TO_CHAR(s.serial#), TO_CHAR(s.inst_id), s.username FROM sys.gv_$lock l")
        .add(" JOIN sys.gv_$session s ON s.inst_id = l.inst_id AND s.sid = l.sid")
        .add(" WHERE l.type = 'UL' AND l.lmode = 6 AND l.id1 = ")
        .bind(Bind::Number(id))
        .done()
}

/// The tables, views and materialized views that `schema.name` fits but for case, as (owner, name). A materialized view comes
/// twice, being also a table.
pub(crate) fn find(catalog: Catalog, path: &str) -> Statement {
    Query::default()
        .add("SELECT o.owner, o.object_name")
        .add(catalog.objects())
        .add(" WHERE UPPER(o.owner || '.' || o.object_name) = UPPER(")
        .text(path)
        .add(")")
        .add(READABLE)
        .add(" AND ")
        .add(NOT_ORACLES_OWN)
        .done()
}

/// A row if the table exists.
pub(crate) fn table(catalog: Catalog, table: Table<'_>) -> Statement {
    Query::default()
        .add("SELECT o.owner, o.object_name")
        .add(catalog.objects())
        .add(" WHERE o.owner = ")
        .text(table.owner)
        .add(" AND o.object_name = ")
        .text(table.name)
        .add(READABLE)
        .done()
}

/// Needs READ or SELECT on the table and reads nothing.
pub(crate) fn probe(table: Table<'_>) -> Statement {
    sql!["SELECT 1 FROM ", table, " WHERE 1 = 0"].into()
}

/// A row if the user exists. Everybody may ask this.
pub(crate) fn user(user: User<'_>) -> Statement {
    Query::default().add("SELECT u.username FROM sys.all_users u WHERE u.username = ").text(user.name()).done()
}

/// The users whose names begin so, letter by letter. To Oracle an empty text is NULL, which nothing begins with.
pub(crate) fn users(prefix: &str) -> Statement {
    let all = Query::default().add("SELECT u.username FROM sys.all_users u");
    if prefix.is_empty() { all.done() } else { all.add(" WHERE INSTR(u.username, ").text(prefix).add(") = 1").done() }
}

/// A row if the profile exists.
pub(crate) fn profile(profile: &Profile) -> Statement {
    Query::default()
        .add("SELECT p.limit FROM sys.dba_profiles p WHERE p.resource_name = 'PASSWORD_LIFE_TIME' AND p.profile = ")
        .text(profile.name())
        .done()
}

/// What the user has of READ and SELECT on a table by grants of its own, as (privilege, grantor).
pub(crate) fn own_reads(catalog: Catalog, user: User<'_>, table: Table<'_>) -> Statement {
    Query::default()
        .add("SELECT p.privilege, p.grantor")
        .add(catalog.grants())
        .add(" WHERE p.grantee = ")
        .text(user.name())
        .add(" AND p.owner = ")
        .text(table.owner)
        .add(" AND p.table_name = ")
        .text(table.name)
        .add(" AND p.privilege IN ('READ', 'SELECT')")
        .done()
}

/// The same on whatever table or view, as (privilege, owner, table). Sequences and directories have such privileges, too.
pub(crate) fn all_own_reads(catalog: Catalog, user: User<'_>) -> Statement {
    Query::default()
        .add("SELECT DISTINCT p.privilege, p.owner, p.table_name")
        .add(catalog.grants())
        .add(" WHERE p.grantee = ")
        .text(user.name())
        .add(" AND p.privilege IN ('READ', 'SELECT')")
        .add(" AND EXISTS (SELECT 1")
        .add(catalog.objects())
        .add(" WHERE o.owner = p.owner AND o.object_name = p.table_name")
        .add(READABLE)
        .add(")")
        .done()
}

/// A row if the session may grant in an owner's name, by a role or itself. Everybody may ask this.
pub(crate) fn grants_for_owners() -> Statement {
    Query::default()
        .add("SELECT p.privilege FROM sys.session_privs p WHERE p.privilege = 'GRANT ANY OBJECT PRIVILEGE'")
        .done()
}

/// What the user has of READ and SELECT on tables in the recycle bin that had this name, as (name there, privilege); nothing
/// where there is a table of the name. Indexes are in the bin, too, but have no grants.
pub(crate) fn recycled(user: User<'_>, table: Table<'_>) -> Statement {
    Query::default()
        .add("SELECT r.object_name, p.privilege FROM sys.dba_recyclebin r JOIN sys.dba_tab_privs p")
        .add(" ON p.owner = r.owner AND p.table_name = r.object_name WHERE r.owner = ")
        .text(table.owner)
        .add(" AND r.original_name = ")
        .text(table.name)
        .add(" AND p.grantee = ")
        .text(user.name())
        .add(" AND p.privilege IN ('READ', 'SELECT') AND NOT EXISTS (SELECT 1")
        .add(Catalog::Dba.objects())
        .add(" WHERE o.owner = r.owner AND o.object_name = r.original_name")
        .add(READABLE)
        .add(")")
        .done()
}

/// The user's sessions on every instance, as (sid, serial, instance).
pub(crate) fn sessions(user: User<'_>) -> Statement {
    Query::default()
        .add("SELECT TO_CHAR(s.sid), TO_CHAR(s.serial#), TO_CHAR(s.inst_id) FROM sys.gv_$session s WHERE s.username = ")
        .text(user.name())
        .done()
}

/// Some of what the user owns, as (type, name).
pub(crate) fn owned(user: User<'_>, limit: u64) -> Statement {
    Query::default()
        .add("SELECT o.object_type, o.object_name FROM sys.dba_objects o WHERE o.owner = ")
        .text(user.name())
        .first(limit)
}

/// Whether user and table exist, as (`user` or `table`).
pub(crate) fn present(user: User<'_>, table: Table<'_>) -> Statement {
    Query::default()
        .add("SELECT 'user' AS what FROM sys.all_users u WHERE u.username = ")
        .text(user.name())
        .add(" UNION ALL SELECT 'table'")
        .add(Catalog::Dba.objects())
        .add(" WHERE o.owner = ")
        .text(table.owner)
        .add(" AND o.object_name = ")
        .text(table.name)
        .add(READABLE)
        .done()
}

/// How these users and roles read a table, as (way, grantee, privilege or role): by a grant on it (`object`), by a system
/// privilege (`system`), by one on its schema (`schema`, where the version has it); and the roles that they have (`role`).
pub(crate) fn ways(holders: &[String], on: Table<'_>, schemas: bool) -> Statement {
    let query = Query::default()
        .add("SELECT 'object' AS way, p.grantee, p.privilege FROM sys.dba_tab_privs p WHERE p.owner = ")
        .text(on.owner)
        .add(" AND p.table_name = ")
        .text(on.name)
        .add(" AND p.privilege IN ('READ', 'SELECT') AND p.grantee IN ")
        .list(holders)
        .add(" UNION ALL SELECT 'system', p.grantee, p.privilege FROM sys.dba_sys_privs p")
        .add(" WHERE p.privilege IN ('READ ANY TABLE', 'SELECT ANY TABLE') AND p.grantee IN ")
        .list(holders)
        .add(" UNION ALL SELECT 'role', p.grantee, p.granted_role FROM sys.dba_role_privs p WHERE p.grantee IN ")
        .list(holders);
    if !schemas {
        return query.done();
    }
    query
        .add(" UNION ALL SELECT 'schema', p.grantee, p.privilege FROM sys.dba_schema_privs p WHERE p.schema = ")
        .text(on.owner)
        .add(" AND p.privilege IN ('READ ANY TABLE', 'SELECT ANY TABLE') AND p.grantee IN ")
        .list(holders)
        .done()
}

/// What these users and roles may do, as (way, grantee, privilege or role, schema, object, `YES` if they may pass it on): as in
/// [`ways`], and on columns (`column`). What everybody may do with Oracle's own objects is left out, and CREATE SESSION. What
/// everybody has comes last, so that a limit cuts that off first.
pub(crate) fn privileges(holders: &[String], schemas: bool, limit: u64) -> Statement {
    let mut query = Query::default()
        .add("SELECT w.way, w.grantee, w.privilege, w.owner, w.name, w.passes FROM (")
        .add("SELECT 'object' AS way, o.grantee, o.privilege, o.owner, o.table_name AS name, o.grantable AS passes")
        .add(" FROM sys.dba_tab_privs o WHERE (o.grantee <> 'PUBLIC' OR ")
        .add(NOT_ORACLES_OWN)
        .add(") AND o.grantee IN ")
        .list(holders)
        .add(" UNION ALL SELECT 'column', o.grantee, o.privilege, o.owner, o.table_name, o.grantable")
        .add(" FROM sys.dba_col_privs o WHERE (o.grantee <> 'PUBLIC' OR ")
        .add(NOT_ORACLES_OWN)
        .add(") AND o.grantee IN ")
        .list(holders)
        .add(" UNION ALL SELECT 'system', p.grantee, p.privilege, NULL, NULL, p.admin_option FROM sys.dba_sys_privs p")
        .add(" WHERE (p.privilege <> 'CREATE SESSION' OR p.admin_option = 'YES') AND p.grantee IN ")
        .list(holders)
        .add(
            " UNION ALL SELECT 'role', p.grantee, p.granted_role, NULL, NULL, p.admin_option FROM sys.dba_role_privs p",
        )
        .add(" WHERE p.grantee IN ")
        .list(holders);
    if schemas {
        query = query
            .add(" UNION ALL SELECT 'schema', p.grantee, p.privilege, p.schema, NULL, p.admin_option")
            .add(" FROM sys.dba_schema_privs p WHERE p.grantee IN ")
            .list(holders);
    }
    query.add(") w ORDER BY CASE w.grantee WHEN 'PUBLIC' THEN 1 ELSE 0 END ASC").first(limit)
}

/// What else the user has, as (way, name, type): objects of its own (`owns`), and users in whose name it may log in (`proxy`).
pub(crate) fn possessions(user: User<'_>, limit: u64) -> Statement {
    Query::default()
        .add("SELECT w.way, w.name, w.kind FROM (")
        .add("SELECT 'owns' AS way, o.object_name AS name, o.object_type AS kind FROM sys.dba_objects o WHERE o.owner = ")
        .text(user.name())
        .add(" UNION ALL SELECT 'proxy', p.client, NULL FROM sys.dba_proxies p WHERE p.proxy = ")
        .text(user.name())
        .add(") w")
        .first(limit)
}

/// The user as clients write it: they fold what is not in quotes to upper case.
pub(crate) fn login_name(user: User<'_>) -> String {
    let name = user.name();
    let plain = name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || "_$#".contains(c));
    if plain { name.to_owned() } else { sql![Name(name)].into_text() }
}
