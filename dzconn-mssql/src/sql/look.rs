//! The statements that only look.
//!
//! Values are bound, names of databases are identifiers, numbers are the server's own ids. Names are compared again where
//! they arrive: what the server calls equal depends on its collations.

use dzconn_core::model::AssetPath;
use dzconn_core::sql;
use dzconn_core::sql::{Piece, Sql};

use super::{Name, Object, Place, Principal, Query, Sys, batch};

/// What the server and this session are: (edition, version, collation, database, its id, login, user, whether the database
/// takes writes, the database that authenticated the session).
pub(super) fn facts() -> Sql {
    sql![
        "SELECT CAST(SERVERPROPERTY(N'EngineEdition') AS int) AS edition, \
         CAST(SERVERPROPERTY(N'ProductVersion') AS nvarchar(128)) AS version, \
         CAST(SERVERPROPERTY(N'Collation') AS nvarchar(128)) AS collation, \
         DB_NAME() AS own_database, DB_ID() AS own_id, SUSER_SNAME() AS login_name, USER_NAME() AS user_name, \
         CAST(DATABASEPROPERTYEX(DB_NAME(), N'Updateability') AS nvarchar(128)) AS updateability, \
         (SELECT s.authenticating_database_id FROM sys.dm_exec_sessions AS s WHERE s.session_id = @@SPID) AS authenticated_by"
    ]
}

/// The same as a request of its own, which no session needs.
#[cfg(any(test, feature = "testkit"))]
pub(crate) fn facts_alone() -> Query {
    Query::new(facts(), [])
}

/// The server's principal of this name: (name, type, whether it is disabled). And a second result of one row: by what this
/// session sees all logins, each 1, 0, or nothing where the server does not know it.
pub(crate) fn login(user: Principal<'_>) -> Query {
    let text = batch([
        sql!["SELECT p.name, p.type, p.is_disabled FROM sys.server_principals AS p WHERE p.name = @P1"],
        sql!["SELECT ", LOGINS_SEEN],
    ]);
    Query::new(text, [user.name()])
}

/// "`sys.server_principals`", Permissions: ALTER ANY LOGIN, or a permission on the login, which VIEW ANY DEFINITION implies.
const LOGINS_SEEN: &str = "HAS_PERMS_BY_NAME(NULL, NULL, N'ALTER ANY LOGIN') AS logins, \
     HAS_PERMS_BY_NAME(NULL, NULL, N'VIEW ANY DEFINITION') AS definitions, \
     HAS_PERMS_BY_NAME(NULL, NULL, N'VIEW ANY SECURITY DEFINITION') AS security_definitions";

/// By what this session sees all users of its database, and, but for Azure SQL Database, all logins: one row of (three of the
/// database, three of the server), each 1, 0, or nothing.
///
/// On Azure SQL Database, `HAS_PERMS_BY_NAME` knows nothing of the server ("`HAS_PERMS_BY_NAME`", `securable_class`).
pub(crate) fn may_see_users(azure: bool) -> Query {
    let mut text = sql![
        "SELECT HAS_PERMS_BY_NAME(QUOTENAME(DB_NAME()), N'DATABASE', N'ALTER ANY USER') AS by_user, \
         HAS_PERMS_BY_NAME(QUOTENAME(DB_NAME()), N'DATABASE', N'VIEW DEFINITION') AS by_definition, \
         HAS_PERMS_BY_NAME(QUOTENAME(DB_NAME()), N'DATABASE', N'VIEW SECURITY DEFINITION') AS by_security_definition"
    ];
    if !azure {
        text = sql![text, ", ", LOGINS_SEEN];
    }
    Query::new(text, [])
}

/// The logins whose names begin with this, and perhaps more: (name).
pub(crate) fn logins(prefix: &str) -> Query {
    let text = sql![
        "SELECT p.name FROM sys.server_principals AS p WHERE p.type = N'S' AND SUBSTRING(p.name, 1, LEN(@P1)) = @P1"
    ];
    Query::new(text, [prefix])
}

/// The same of the contained users of the session's database.
pub(crate) fn contained_users(prefix: &str) -> Query {
    let text = sql![
        "SELECT u.name FROM sys.database_principals AS u WHERE u.type = N'S' AND u.authentication_type = 2 \
         AND SUBSTRING(u.name, 1, LEN(@P1)) = @P1"
    ];
    Query::new(text, [prefix])
}

/// The database's principal of this name, and that of the login of this name, where logins are to be looked for: (name, type,
/// authentication type, its login or nothing, id, grants of CONNECT, denials of it, whether it has the name, whether it is the
/// login's). And a second result of one row: by what this session sees all users of `database`, which is that place.
pub(crate) fn user(place: Place<'_>, database: &str, name: &str, with_login: bool) -> Query {
    let connect = |states: &'static str| {
        sql![
            "(SELECT COUNT(*) FROM ",
            Sys(place),
            ".database_permissions AS c WHERE c.grantee_principal_id = u.principal_id AND c.class = 0 \
             AND c.permission_name = N'CONNECT' AND c.state IN (",
            states,
            "))"
        ]
    };
    let (is_login, or_login) = if with_login {
        ("CASE WHEN u.sid = SUSER_SID(@P1) THEN 1 ELSE 0 END", " OR u.sid = SUSER_SID(@P1)")
    } else {
        ("0", "")
    };
    let found = sql![
        "SELECT u.name, u.type, u.authentication_type, SUSER_SNAME(u.sid) AS login_name, u.principal_id, ",
        connect("N'G', N'W'"),
        " AS connects, ",
        connect("N'D'"),
        " AS denials, CASE WHEN u.name = @P1 THEN 1 ELSE 0 END AS is_named, ",
        is_login,
        " AS is_login FROM ",
        Sys(place),
        ".database_principals AS u WHERE u.name = @P1",
        or_login
    ];
    let seen = sql![
        "SELECT HAS_PERMS_BY_NAME(@P2, N'DATABASE', N'ALTER ANY USER') AS by_user, \
         HAS_PERMS_BY_NAME(@P2, N'DATABASE', N'VIEW DEFINITION') AS by_definition, \
         HAS_PERMS_BY_NAME(@P2, N'DATABASE', N'VIEW SECURITY DEFINITION') AS by_security_definition"
    ];
    // A multi-part name, so a dot must be in brackets.
    Query::new(batch([found, seen]), [name, &super::spell_name(database)])
}

/// The server's databases that are not its own: (name, whether this session may enter it, whether it takes writes, whether
/// the login owns it). A database of an availability group's secondary is not read-only and takes no writes all the same.
pub(crate) fn databases(user: Principal<'_>) -> Query {
    let text = sql![
        "SELECT d.name, HAS_DBACCESS(d.name) AS can_enter, \
         CASE WHEN CAST(DATABASEPROPERTYEX(d.name, N'Updateability') AS nvarchar(128)) = N'READ_WRITE' THEN 1 ELSE 0 END \
         AS writes, CASE WHEN d.owner_sid = SUSER_SID(@P1) THEN 1 ELSE 0 END AS is_owner \
         FROM sys.databases AS d WHERE d.database_id > 4 ORDER BY d.database_id"
    ];
    Query::new(text, [user.name()])
}

/// The databases in which a table may be looked for, by name.
pub(crate) fn database_names() -> Query {
    let text = sql!["SELECT d.name FROM sys.databases AS d WHERE d.database_id > 4 AND HAS_DBACCESS(d.name) = 1"];
    Query::new(text, [])
}

/// One database: (name, whether this session may enter it, id, state). And a second result of one row: whether this session
/// sees every database.
pub(crate) fn database(name: &str) -> Query {
    let text = batch([
        sql![
            "SELECT d.name, HAS_DBACCESS(d.name) AS can_enter, d.database_id, d.state_desc FROM sys.databases AS d \
             WHERE d.name = @P1"
        ],
        sql!["SELECT HAS_PERMS_BY_NAME(NULL, NULL, N'VIEW ANY DATABASE') AS databases_seen"],
    ]);
    Query::new(text, [name])
}

/// In each of these databases the users of a login, and those that a former login of its name left: (user). One result for
/// each database.
pub(crate) fn users_of(places: &[Place<'_>], user: Principal<'_>) -> Query {
    let each = places.iter().map(|place| {
        sql![
            "SELECT u.name FROM ",
            Sys(*place),
            ".database_principals AS u WHERE u.type = N'S' AND u.principal_id > 4 AND (u.sid = SUSER_SID(@P1) \
             OR u.name = @P1 AND u.authentication_type = 1 AND SUSER_SNAME(u.sid) IS NULL)"
        ]
    });
    Query::new(batch(each), [user.name()])
}

const TABLES: &str = "o.type IN (N'U', N'V') AND o.is_ms_shipped = 0";

/// The tables and views of a database that fit a path but for case: (database, schema, table).
///
/// Compared by code points after folding: the database's own collation might also take `é` for `e`.
pub(crate) fn find(place: Place<'_>, database: &str, path: &AssetPath) -> Query {
    let text = sql![
        "SELECT s.name, o.name FROM ",
        Sys(place),
        ".objects AS o INNER JOIN ",
        Sys(place),
        ".schemas AS s ON s.schema_id = o.schema_id WHERE ",
        TABLES,
        " AND LOWER(CONCAT(@P1, N'.', s.name, N'.', o.name)) COLLATE Latin1_General_100_BIN2 \
         = LOWER(@P2) COLLATE Latin1_General_100_BIN2"
    ];
    Query::new(text, [database, path.as_str()])
}

/// A table or view as the admin sees it: (schema, table, schema's id, object's id, owner's id).
pub(crate) fn table(place: Place<'_>, object: Object<'_>) -> Query {
    let text = sql![
        "SELECT s.name, o.name, s.schema_id, o.object_id, COALESCE(o.principal_id, s.principal_id) AS owner_id FROM ",
        Sys(place),
        ".objects AS o INNER JOIN ",
        Sys(place),
        ".schemas AS s ON s.schema_id = o.schema_id WHERE s.name = @P1 AND o.name = @P2 AND ",
        TABLES
    ];
    Query::new(text, [object.schema, object.name])
}

/// Whether this session sees every permission and membership of a database: one row of (by VIEW DEFINITION, by VIEW SECURITY
/// DEFINITION), each 1, 0, or nothing where the server does not know it.
pub(crate) fn may_look(database: &str) -> Query {
    let text = sql![
        "SELECT HAS_PERMS_BY_NAME(@P1, N'DATABASE', N'VIEW DEFINITION') AS by_definition, \
         HAS_PERMS_BY_NAME(@P1, N'DATABASE', N'VIEW SECURITY DEFINITION') AS by_security_definition"
    ];
    // A multi-part name, so a dot must be in brackets.
    Query::new(text, [&*super::spell_name(database)])
}

/// Ids of principals.
struct Ids<'a>(&'a [i64]);

impl Piece for Ids<'_> {
    fn write(&self, sql: &mut Sql) {
        let each = self.0.iter().map(|id| sql![*id]);
        sql!["(", Sql::list(each, ", "), ")"].write(sql);
    }
}

/// The roles that these principals are in: (member's id, role's id, role).
pub(crate) fn roles(place: Place<'_>, members: &[i64]) -> Query {
    let text = sql![
        "SELECT m.member_principal_id, r.principal_id, r.name FROM ",
        Sys(place),
        ".database_role_members AS m INNER JOIN ",
        Sys(place),
        ".database_principals AS r ON r.principal_id = m.role_principal_id WHERE m.member_principal_id IN ",
        Ids(members)
    ];
    Query::new(text, [])
}

/// A table's ids, as [`table`] found them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TableIds {
    pub(crate) schema: i64,
    pub(crate) object: i64,
}

/// What these principals may read of a table by permissions on it, its columns, its schema and its database: (class, column's
/// number, column, permission, state, grantee's id, grantee, grantor).
pub(crate) fn reading(place: Place<'_>, grantees: &[i64], table: TableIds) -> Query {
    let text = sql![
        "SELECT p.class, p.minor_id, c.name AS column_name, p.permission_name, p.state, e.principal_id, e.name AS grantee, \
         g.name AS grantor FROM ",
        Sys(place),
        ".database_permissions AS p INNER JOIN ",
        Sys(place),
        ".database_principals AS e ON e.principal_id = p.grantee_principal_id INNER JOIN ",
        Sys(place),
        ".database_principals AS g ON g.principal_id = p.grantor_principal_id LEFT JOIN ",
        Sys(place),
        ".columns AS c ON p.class = 1 AND c.object_id = p.major_id AND c.column_id = p.minor_id \
         WHERE p.grantee_principal_id IN ",
        Ids(grantees),
        " AND p.permission_name IN (N'SELECT', N'CONTROL') AND (p.class = 0 OR p.class = 3 AND p.major_id = ",
        table.schema,
        " OR p.class = 1 AND p.major_id = ",
        table.object,
        ")"
    ];
    Query::new(text, [])
}

/// A row for each permission by which these principals might read a table that this session does not see: (class, id of what
/// it is on).
pub(crate) fn unseen(place: Place<'_>, grantees: &[i64]) -> Query {
    let text = sql![
        "SELECT p.class, p.major_id FROM ",
        Sys(place),
        ".database_permissions AS p WHERE p.grantee_principal_id IN ",
        Ids(grantees),
        " AND p.permission_name IN (N'SELECT', N'CONTROL') AND p.state IN (N'G', N'W') AND (p.class = 0 OR p.class = 3 \
         OR p.class = 1 AND p.major_id > 0 AND NOT EXISTS (SELECT 1 FROM ",
        Sys(place),
        ".objects AS o WHERE o.object_id = p.major_id))"
    ];
    Query::new(text, [])
}

/// The tables on which a user has SELECT of its own: (schema, table), in the order of their ids.
pub(crate) fn granted(place: Place<'_>, user: Principal<'_>) -> Query {
    let text = sql![
        "SELECT DISTINCT s.name, o.name, o.object_id FROM ",
        Sys(place),
        ".database_permissions AS p INNER JOIN ",
        Sys(place),
        ".database_principals AS e ON e.principal_id = p.grantee_principal_id INNER JOIN ",
        Sys(place),
        ".objects AS o ON o.object_id = p.major_id INNER JOIN ",
        Sys(place),
        ".schemas AS s ON s.schema_id = o.schema_id WHERE p.class = 1 AND p.permission_name = N'SELECT' \
         AND p.state IN (N'G', N'W') AND e.name = @P1 ORDER BY o.object_id"
    ];
    Query::new(text, [user.name()])
}

/// Everything that these principals may do in a database: (class, what it is on, schema or nothing, object or nothing,
/// permission, state, grantee's id, grantee). What PUBLIC has on the server's own objects is left out.
pub(crate) fn permissions(place: Place<'_>, grantees: &[i64], limit: u64) -> Query {
    let text = sql![
        "SELECT TOP (",
        limit,
        ") p.class, p.class_desc, COALESCE(s.name, n.name) AS schema_name, o.name AS object_name, p.permission_name, p.state, \
         e.principal_id, e.name AS grantee FROM ",
        Sys(place),
        ".database_permissions AS p INNER JOIN ",
        Sys(place),
        ".database_principals AS e ON e.principal_id = p.grantee_principal_id LEFT JOIN ",
        Sys(place),
        ".objects AS o ON p.class = 1 AND o.object_id = p.major_id LEFT JOIN ",
        Sys(place),
        ".schemas AS s ON s.schema_id = o.schema_id LEFT JOIN ",
        Sys(place),
        ".schemas AS n ON p.class = 3 AND n.schema_id = p.major_id WHERE p.major_id >= 0 AND p.state IN (N'G', N'W') \
         AND p.grantee_principal_id IN ",
        Ids(grantees),
        " ORDER BY p.class, p.major_id, p.minor_id"
    ];
    Query::new(text, [])
}

/// The server roles of a login: (role).
pub(crate) fn server_roles(user: Principal<'_>) -> Query {
    let text = sql![
        "SELECT r.name FROM sys.server_role_members AS m INNER JOIN sys.server_principals AS r \
         ON r.principal_id = m.role_principal_id INNER JOIN sys.server_principals AS l \
         ON l.principal_id = m.member_principal_id WHERE l.name = @P1"
    ];
    Query::new(text, [user.name()])
}

/// What a login may do on the server, itself, by a role of its own, or by PUBLIC: (permission, state, grantee).
pub(crate) fn server_permissions(user: Principal<'_>) -> Query {
    let text = sql![
        "SELECT p.permission_name, p.state, e.name AS grantee FROM sys.server_permissions AS p \
         INNER JOIN sys.server_principals AS e ON e.principal_id = p.grantee_principal_id \
         WHERE p.class = 100 AND p.permission_name <> N'CONNECT SQL' AND p.permission_name <> N'VIEW ANY DATABASE' \
         AND (e.name = @P1 OR e.name = N'public' OR EXISTS (SELECT 1 FROM sys.server_role_members AS m \
         INNER JOIN sys.server_principals AS l ON l.principal_id = m.member_principal_id \
         WHERE l.name = @P1 AND m.role_principal_id = e.principal_id))"
    ];
    Query::new(text, [user.name()])
}

/// Whether this session sees others: one row. On a server, of 1, 0, or nothing where the server does not know the permission:
/// (VIEW SERVER STATE, VIEW SERVER PERFORMANCE STATE). On Azure SQL Database: (VIEW DATABASE STATE, the database's service
/// objective, whether it is in the server role `##MS_ServerStateReader##`).
pub(crate) fn may_see_sessions(azure: bool) -> Query {
    let text = if azure {
        sql![
            "SELECT HAS_PERMS_BY_NAME(QUOTENAME(DB_NAME()), N'DATABASE', N'VIEW DATABASE STATE') AS sees_here, \
             CAST(DATABASEPROPERTYEX(DB_NAME(), N'ServiceObjective') AS nvarchar(128)) AS objective, \
             IS_SRVROLEMEMBER(N'##MS_ServerStateReader##') AS reads_server_state"
        ]
    } else {
        sql![
            "SELECT HAS_PERMS_BY_NAME(NULL, NULL, N'VIEW SERVER STATE') AS sees, \
             HAS_PERMS_BY_NAME(NULL, NULL, N'VIEW SERVER PERFORMANCE STATE') AS sees_as_of_2022"
        ]
    };
    Query::new(text, [])
}

/// The sessions of a login, or of a contained user of the session's database, other than this one; perhaps more: (id, name, the
/// database that authenticated it, whether the security id is the user's, since when it is logged in).
pub(crate) fn sessions(user: Principal<'_>, contained: bool) -> Query {
    let sid = || {
        if contained { "(SELECT u.sid FROM sys.database_principals AS u WHERE u.name = @P1)" } else { "SUSER_SID(@P1)" }
    };
    let text = sql![
        "SELECT s.session_id, s.original_login_name, s.authenticating_database_id, \
         CASE WHEN s.original_security_id = ",
        sid(),
        " THEN 1 ELSE 0 END AS is_users, CONVERT(nvarchar(30), s.login_time, 126) AS since FROM sys.dm_exec_sessions AS s \
         WHERE s.is_user_process = 1 AND s.session_id <> @@SPID AND (s.original_login_name = @P1 OR s.original_security_id = ",
        sid(),
        ")"
    ];
    Query::new(text, [user.name()])
}

/// What a principal of a database owns: (kind, name).
pub(crate) fn owned(place: Place<'_>, owner: &str) -> Query {
    let of = |alias: &'static str| {
        sql![alias, " = (SELECT u.principal_id FROM ", Sys(place), ".database_principals AS u WHERE u.name = @P1)"]
    };
    let text = sql![
        "SELECT N'schema' AS kind, s.name FROM ",
        Sys(place),
        ".schemas AS s WHERE ",
        of("s.principal_id"),
        " UNION ALL SELECT N'object' AS kind, o.name FROM ",
        Sys(place),
        ".objects AS o WHERE ",
        of("o.principal_id"),
        " UNION ALL SELECT N'role' AS kind, r.name FROM ",
        Sys(place),
        ".database_principals AS r WHERE ",
        of("r.owning_principal_id")
    ];
    Query::new(text, [owner])
}

/// No row of a table: refused to who may not read it.
///
/// `HAS_PERMS_BY_NAME` would take the name as one text, of a type that is too short for some.
pub(crate) fn probe(place: Place<'_>, object: Object<'_>) -> Query {
    let database = place.map_or_else(Sql::default, |database| sql![Name(database), "."]);
    Query::new(sql!["SELECT TOP (0) 1 AS reads FROM ", database, Name(object.schema), ".", Name(object.name)], [])
}
