//! Statements that only look. Every column is text.
//!
//! What a role has been given is found through `pg_shdepend`, which names each object whose privileges mention the role: the
//! cost depends on how much the role has, not on how large the database is.

use dzconn_core::sql;
use dzconn_core::sql::{Piece, Sql};

use super::{Name, Object, Relation, Role, Text};

/// What a session must know of the server: version, own role, database, whether it is a replica, whether blocks can be run.
pub(crate) fn facts() -> Sql {
    sql![
        "SELECT current_setting('server_version_num'), current_user::text, current_database()::text, \
         pg_is_in_recovery()::text, \
         EXISTS (SELECT FROM pg_language WHERE lanname = 'plpgsql' AND has_language_privilege(oid, 'USAGE'))::text"
    ]
}

/// The relations that a path may mean, `schema, name`: those that have rows to read (tables, partitioned tables, views,
/// materialized views, foreign tables).
///
/// The system's own schemas are left out: what is in them is no asset, and some of it (`pg_authid`) must never be granted.
/// Case is folded as the database's locale does it.
pub(crate) fn resolve(path: &str) -> Sql {
    let joined = "(current_database()::text || '.' || n.nspname::text || '.' || c.relname::text)";
    sql![
        "SELECT n.nspname::text, c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE ",
        READABLE,
        " AND (",
        joined,
        " = ",
        Text(path),
        " OR lower(",
        joined,
        " COLLATE \"default\") = lower(",
        Text(path),
        " COLLATE \"default\"))"
    ]
}

/// Of the relations `c` in the schemas `n`, those that can be an asset.
const READABLE: &str =
    "c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'";

/// `may log in`, one row if the role exists.
pub(crate) fn role(role: Role<'_>) -> Sql {
    sql!["SELECT rolcanlogin::text FROM pg_roles WHERE rolname = ", Text(role.0)]
}

/// The roles whose names begin so.
pub(crate) fn roles(prefix: &str) -> Sql {
    sql!["SELECT rolname::text FROM pg_roles WHERE starts_with(rolname::text, ", Text(prefix), ")"]
}

/// Who may change the role, from 16 on.
pub(crate) fn admins_of(role: Role<'_>) -> Sql {
    sql![
        "SELECT DISTINCT r.rolname::text FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member \
         WHERE m.admin_option AND m.roleid = ",
        role.oid(),
        " ORDER BY 1 LIMIT 5"
    ]
}

/// Rows of `pg_shdepend` that say that something's privileges mention the role, in this database (or in none: `SHARED`).
fn mentions(alias: &'static str, role: Role<'_>, shared: bool) -> Sql {
    let database = if shared { "0" } else { "(SELECT oid FROM pg_database WHERE datname = current_database())" };
    sql![
        alias,
        ".refclassid = 'pg_authid'::regclass AND ",
        alias,
        ".deptype = 'a' AND ",
        alias,
        ".dbid = ",
        database,
        " AND ",
        alias,
        ".refobjid = ",
        role.oid()
    ]
}

/// The relations `c` in the schemas `n` on which the role has privileges `a`, on the whole or on a column.
fn on_relations(role: Role<'_>) -> Sql {
    sql![
        " FROM pg_shdepend d JOIN pg_class c ON c.oid = d.objid JOIN pg_namespace n ON n.oid = c.relnamespace \
         CROSS JOIN LATERAL aclexplode(CASE d.objsubid WHEN 0 THEN c.relacl \
         ELSE (SELECT t.attacl FROM pg_attribute t WHERE t.attrelid = c.oid AND t.attnum = d.objsubid) END) a \
         WHERE d.classid = 'pg_class'::regclass AND a.grantee = d.refobjid AND ",
        mentions("d", role, false)
    ]
}

/// What the role was granted to read, `schema, name`.
pub(crate) fn granted(role: Role<'_>) -> Sql {
    sql!["SELECT DISTINCT n.nspname::text, c.relname::text", on_relations(role), " AND a.privilege_type = 'SELECT'"]
}

/// Where [`held`] looks.
#[derive(Clone, Copy)]
pub(crate) enum Scope<'a> {
    /// On these tables, and on their schemas if nothing else in them is held.
    Tables(&'a [Relation<'a>]),
    /// On every table and schema of the database, and on the database.
    Database,
}

/// Privileges that the role was given, `kind, schema or database, table, grantor, way`; the way in which the session can
/// take them back is `self`, `role` (after SET ROLE to the grantor) or `other` (not at all).
///
/// The role that a REVOKE counts as granted by is the owner, where the session's role has the owner's rights, and else the
/// session's own role ("GRANT", Notes). SET ROLE asks the role that logged in.
pub(crate) fn held(role: Role<'_>, scope: Scope<'_>) -> Sql {
    let (on_tables, on_schemas, on_database) = match scope {
        Scope::Database => (Sql::default(), Sql::default(), "true"),
        Scope::Tables(relations) => {
            let rows = list(relations.iter().map(|relation| relation.row()));
            let schemas = list(relations.iter().map(|relation| sql![Text(relation.schema)]));
            let unused = sql![
                "NOT EXISTS (SELECT FROM pg_shdepend o JOIN pg_class c ON c.oid = o.objid \
                 WHERE o.classid = 'pg_class'::regclass AND c.relnamespace = n.oid AND ",
                mentions("o", role, false),
                ")"
            ];
            (
                sql![" AND (n.nspname, c.relname) IN (", rows, ")"],
                sql![" AND n.nspname IN (", schemas, ") AND ", unused],
                "false",
            )
        }
    };
    let tables = sql![
        "SELECT 'table' AS kind, n.nspname::text AS space, c.relname::text AS name, c.relowner AS owner, a.grantor",
        on_relations(role),
        on_tables
    ];
    let schemas = sql![
        "SELECT 'schema', n.nspname::text, NULL, n.nspowner, a.grantor FROM pg_shdepend d \
         JOIN pg_namespace n ON n.oid = d.objid CROSS JOIN LATERAL aclexplode(n.nspacl) a \
         WHERE d.classid = 'pg_namespace'::regclass AND a.grantee = d.refobjid AND ",
        mentions("d", role, false),
        on_schemas
    ];
    let database = sql![
        "SELECT 'database', b.datname::text, NULL, b.datdba, a.grantor FROM pg_shdepend d \
         JOIN pg_database b ON b.oid = d.objid CROSS JOIN LATERAL aclexplode(b.datacl) a \
         WHERE d.classid = 'pg_database'::regclass AND b.datname = current_database() AND a.grantee = d.refobjid AND ",
        mentions("d", role, true),
        " AND ",
        on_database
    ];
    sql![
        "SELECT h.kind, h.space, h.name, g.rolname::text AS grantor, CASE \
         WHEN pg_has_role(current_user, h.owner, 'USAGE') AND h.grantor = h.owner THEN 'self' \
         WHEN NOT pg_has_role(current_user, h.owner, 'USAGE') AND g.rolname = current_user THEN 'self' \
         WHEN pg_has_role(session_user, h.grantor, \
         CASE WHEN current_setting('server_version_num')::int < 160000 THEN 'MEMBER' ELSE 'SET' END) THEN 'role' \
         ELSE 'other' END AS way FROM (",
        tables,
        " UNION ",
        schemas,
        " UNION ",
        database,
        ") h JOIN pg_roles g ON g.oid = h.grantor ORDER BY h.kind DESC, h.space, h.name"
    ]
}

fn list(items: impl Iterator<Item = Sql>) -> Sql {
    let mut list = Sql::default();
    for (at, item) in items.enumerate() {
        if at > 0 {
            ", ".write(&mut list);
        }
        item.write(&mut list);
    }
    list
}

/// A row of [`held`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) kind: String,
    pub(crate) space: String,
    pub(crate) name: String,
    pub(crate) grantor: String,
    pub(crate) way: String,
}

impl Held {
    pub(crate) fn object(&self) -> Object<'_> {
        match self.kind.as_str() {
            "table" => Object::Table(Relation { schema: &self.space, name: &self.name }),
            "schema" => Object::Schema(&self.space),
            _ => Object::Database(&self.space),
        }
    }
}

/// Why the role cannot be dropped, `why, what`: it `owns` something, has privileges in another database (`elsewhere`), or is
/// mentioned by something that is no table, schema or database (`named`).
pub(crate) fn obstacles(role: Role<'_>) -> Sql {
    sql![
        "SELECT DISTINCT CASE WHEN d.deptype = 'o' THEN 'owns' WHEN b.datname <> current_database() THEN 'elsewhere' \
         ELSE 'named' END, CASE WHEN b.datname <> current_database() THEN 'database ' || quote_ident(b.datname) \
         ELSE pg_describe_object(d.classid, d.objid, d.objsubid) END \
         FROM pg_shdepend d LEFT JOIN pg_database b ON b.oid = d.dbid \
         WHERE d.refclassid = 'pg_authid'::regclass AND d.refobjid = ",
        role.oid(),
        " ORDER BY 1 DESC, 2 LIMIT 20"
    ]
}

/// `can`, `true` or `false` if role and table exist; then a row for each way.
pub(crate) fn reads(role: Role<'_>, relation: Relation<'_>) -> Sql {
    sql![
        "WITH u AS (SELECT oid, rolname, rolsuper FROM pg_roles WHERE rolname = ",
        Text(role.0),
        "), t AS (SELECT c.oid, n.oid AS space, a.grantor, a.grantee FROM pg_class c \
         JOIN pg_namespace n ON n.oid = c.relnamespace \
         LEFT JOIN LATERAL aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a \
         ON a.privilege_type = 'SELECT' WHERE (n.nspname, c.relname) = ",
        relation.row(),
        ") SELECT 'can', (has_table_privilege(u.oid, t.oid, 'SELECT') AND has_schema_privilege(u.oid, t.space, 'USAGE') \
         AND has_database_privilege(u.oid, current_database(), 'CONNECT'))::text \
         FROM u CROSS JOIN (SELECT DISTINCT oid, space FROM t) t \
         UNION ALL (SELECT DISTINCT CASE WHEN t.grantee = 0 THEN 'public' WHEN t.grantee = u.oid THEN 'own' ELSE 'role' END, \
         CASE WHEN t.grantee IN (0, u.oid) THEN g.rolname ELSE r.rolname END::text \
         FROM u CROSS JOIN t LEFT JOIN pg_roles g ON g.oid = t.grantor LEFT JOIN pg_roles r ON r.oid = t.grantee \
         WHERE NOT u.rolsuper AND (t.grantee = 0 OR pg_has_role(u.oid, t.grantee, 'USAGE')) ORDER BY 1, 2) \
         UNION ALL SELECT 'super', u.rolname::text FROM u WHERE u.rolsuper \
         UNION ALL SELECT 'role', r.rolname::text FROM u JOIN pg_roles r ON r.rolname = 'pg_read_all_data' \
         WHERE NOT u.rolsuper AND pg_has_role(u.oid, r.oid, 'USAGE')"
    ]
}

/// What the role can do in this database beyond reading `granted`: `what, object, further object, by whom`, the weightier
/// first.
pub(crate) fn excess(role: Role<'_>, granted: &[Relation<'_>], limit: usize) -> Sql {
    let not_granted = if granted.is_empty() {
        sql!["true"]
    } else {
        let rows = list(granted.iter().map(|relation| relation.row()));
        sql!["(n.nspname, c.relname) NOT IN (", rows, ")"]
    };
    let relations = sql![
        "(SELECT c.oid, c.relowner, c.relacl, n.nspname::text AS space, c.relname::text AS name, ",
        not_granted,
        " AS beyond FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, u WHERE ",
        READABLE,
        " AND has_schema_privilege(u.oid, n.oid, 'USAGE'))"
    ];
    sql![
        "WITH u AS (SELECT * FROM pg_roles WHERE rolname = ",
        Text(role.0),
        "), c AS MATERIALIZED ",
        relations,
        " SELECT x.what, x.one, x.two, x.way FROM (\
         SELECT 1 AS rank, 'is' AS what, w.word AS one, NULL AS two, NULL AS way FROM u CROSS JOIN LATERAL (VALUES \
         (u.rolsuper, 'a superuser'), (u.rolcreaterole, 'allowed to create roles'), (u.rolcreatedb, 'allowed to create \
         databases'), (u.rolreplication, 'allowed to replicate'), (u.rolbypassrls, 'exempt from row security')) w(has, word) \
         WHERE w.has \
         UNION ALL SELECT 2, 'member', r.rolname::text, NULL, NULL FROM u JOIN pg_auth_members m ON m.member = u.oid \
         JOIN pg_roles r ON r.oid = m.roleid \
         UNION ALL SELECT 3, 'owns', c.space, c.name, NULL FROM u JOIN c ON c.relowner = u.oid \
         UNION ALL SELECT 4, 'writes', c.space, c.name, w.privilege || ', ' || ",
        by("c.relacl", "'r', c.relowner", "w.privilege"),
        " FROM u CROSS JOIN c CROSS JOIN LATERAL unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', \
         'TRIGGER']) w(privilege) WHERE c.relowner <> u.oid AND has_table_privilege(u.oid, c.oid, w.privilege) \
         UNION ALL SELECT 5, 'reads', c.space, c.name, ",
        by("c.relacl", "'r', c.relowner", "'SELECT'"),
        " FROM u CROSS JOIN c WHERE c.beyond AND c.relowner <> u.oid AND has_table_privilege(u.oid, c.oid, 'SELECT') \
         UNION ALL SELECT 5, 'reads some columns of', c.space, c.name, 'granted to it' FROM u CROSS JOIN c \
         WHERE c.beyond AND NOT has_table_privilege(u.oid, c.oid, 'SELECT') AND EXISTS (SELECT FROM pg_shdepend d \
         WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.objsubid > 0 AND ",
        mentions("d", role, false),
        ") AND has_any_column_privilege(u.oid, c.oid, 'SELECT') \
         UNION ALL SELECT 6, 'creates', n.nspname::text, NULL, ",
        by("n.nspacl", "'n', n.nspowner", "'CREATE'"),
        " FROM u CROSS JOIN pg_namespace n WHERE n.nspname !~ '^pg_' AND has_schema_privilege(u.oid, n.oid, 'CREATE') \
         UNION ALL SELECT 7, w.what, b.datname::text, NULL, ",
        by("b.datacl", "'d', b.datdba", "w.privilege"),
        " FROM u CROSS JOIN pg_database b CROSS JOIN LATERAL (VALUES ('schemas', 'CREATE'), \
         ('temporary tables', 'TEMPORARY')) w(what, privilege) \
         WHERE b.datname = current_database() AND has_database_privilege(u.oid, b.oid, w.privilege)\
         ) x ORDER BY x.rank, x.one, x.two, x.way LIMIT ",
        i64::try_from(limit).unwrap_or(i64::MAX)
    ]
}

/// By whom the role `u` has a privilege.
fn by(acl: &'static str, default: &'static str, privilege: &'static str) -> Sql {
    sql![
        "CASE WHEN EXISTS (SELECT FROM aclexplode(coalesce(",
        acl,
        ", acldefault(",
        default,
        "))) a WHERE a.privilege_type = ",
        privilege,
        " AND a.grantee = 0) THEN 'PUBLIC' WHEN EXISTS (SELECT FROM aclexplode(",
        acl,
        ") a WHERE a.privilege_type = ",
        privilege,
        " AND a.grantee = u.oid) THEN 'granted to it' ELSE 'by a role or attribute of it' END"
    ]
}

/// A row of [`excess`] as a sentence.
pub(crate) fn sentence(what: &str, one: &str, two: &str, way: &str) -> String {
    let name = if two.is_empty() { sql![Name(one)] } else { sql![Relation { schema: one, name: two }] };
    let name = name.as_str();
    match what {
        "is" => format!("is {one}"),
        "member" => format!("is a member of role {name}"),
        "owns" => format!("owns {name}"),
        "writes" => format!("can change {name} ({way})"),
        "reads" => format!("can read {name} ({way})"),
        "creates" => format!("can create objects in schema {name} ({way})"),
        "reads some columns of" => format!("can read some columns of {name} ({way})"),
        what => format!("can create {what} in database {name} ({way})"),
    }
}
