//! The statements that only look.
//!
//! Rows come as text. Names are compared again where they arrive: what the server calls equal depends on its collations.

use dzconn_core::model::{AssetPath, TableName};

use dzconn_core::sql;
use dzconn_core::sql::Sql;

use super::{Account, Flavor, Table, Text};

/// Whether it is MariaDB, how it compares table names (`lower_case_table_names`, 0: byte by byte), and who the session is.
pub(super) fn server() -> Sql {
    sql!["SELECT 0 /*M! + 1 */, @@lower_case_table_names, CURRENT_USER()"]
}

/// What tells whether `GET_LOCK` reaches every session, and the roles that everybody has.
///
/// As SHOW and not as `@@`, since no server knows all of these.
pub(super) fn settings() -> Sql {
    sql![
        "SHOW GLOBAL VARIABLES WHERE variable_name IN ('wsrep_on', 'wsrep_provider', 'group_replication_group_name', \
         'group_replication_single_primary_mode', 'mandatory_roles')"
    ]
}

/// Whether the server takes no writes. It refuses a hash under `strict_password_validation` with the same number.
pub(crate) fn read_only() -> Sql {
    sql!["SELECT IF(@@GLOBAL.read_only, 1, 0)"]
}

/// The tables and views that fit a path but for case, as (database, table). The server's own databases are never granted.
///
/// Compared byte by byte after folding: the server's own collations would also take `é` for `e`.
pub(crate) fn find(path: &AssetPath) -> Sql {
    sql![
        "SELECT table_schema, table_name FROM information_schema.tables WHERE \
         LOWER(table_schema) NOT IN ('information_schema', 'mysql', 'performance_schema', 'sys') \
         AND LOWER(CONVERT(CONCAT(table_schema, '.', table_name) USING utf8mb4)) COLLATE utf8mb4_bin = LOWER(",
        Text(path.as_str()),
        ")"
    ]
}

/// A row if the admin sees the table.
pub(crate) fn table(table: &TableName) -> Sql {
    sql![
        "SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema = ",
        Text(table.database()),
        " AND table_name = ",
        Text(table.name())
    ]
}

/// Needs SELECT on every column of the table and reads nothing: 1142 or 1143 if the session may not, 1146 if it is missing.
///
/// The columns themselves are not asked for: the driver does not know every type that a server may have.
pub(crate) fn probe(table: &TableName) -> Sql {
    sql!["SELECT 1 FROM (SELECT * FROM ", Table(table), " LIMIT 0) AS probe"]
}

/// A row if the account exists.
pub(crate) fn user(account: Account<'_>) -> Sql {
    sql!["SELECT user, host FROM mysql.user WHERE ", is(account.user(), Some(Account::HOST), &Columns::GRANTEE)]
}

/// The accounts whose names begin so, or with what the server takes for equal.
pub(crate) fn users(prefix: &str) -> Sql {
    sql![
        "SELECT user, host FROM mysql.user WHERE LEFT(user, CHAR_LENGTH(",
        Text(prefix),
        ")) = ",
        Text(prefix),
        " AND host = ",
        Text(Account::HOST)
    ]
}

/// What the account has of its own, as [`table_privileges`] has it, where it can read.
pub(crate) fn granted(account: Account<'_>) -> Sql {
    let holder = is(account.user(), Some(Account::HOST), &Columns::GRANTEE);
    sql![TABLE_PRIVILEGES, holder, " AND ", SELECTS]
}

/// A row if the account has SELECT on the table, or on a column of it, by a grant of its own.
pub(crate) fn own_select(account: Account<'_>, table: &TableName, folds: bool) -> Sql {
    let holder = is(account.user(), Some(Account::HOST), &Columns::GRANTEE);
    sql![TABLE_PRIVILEGES, holder, " AND ", SELECTS, on_table(table, folds)]
}

/// Fails with 1227 without PROCESS: then the list of sessions shows only one's own. It looks at nothing else.
pub(crate) fn may_see_sessions() -> Sql {
    sql!["SHOW ENGINE MEMORY STATUS"]
}

/// Every session, as (id, user, ...). `information_schema.processlist` is on its way out of MySQL.
pub(crate) fn sessions() -> Sql {
    sql!["SHOW PROCESSLIST"]
}

/// Someone whose privileges a user has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Holder {
    pub(crate) user: String,
    /// `None`: whatever the host. A table's grant to the same user at another host also counts for one who comes from there
    /// ("Access Control, Stage 2").
    pub(crate) host: Option<String>,
}

struct Columns {
    user: &'static str,
    host: &'static str,
}

impl Columns {
    const GRANTEE: Self = Self { user: "user", host: "host" };
    const MEMBER: Self = Self { user: "to_user", host: "to_host" };
}

fn is(user: &str, host: Option<&str>, columns: &Columns) -> Sql {
    let user = sql![columns.user, " = ", Text(user)];
    match host {
        None => user,
        Some(host) => sql!["(", user, " AND ", columns.host, " = ", Text(host), ")"],
    }
}

fn any_of(holders: &[Holder], columns: &Columns) -> Sql {
    let each = holders.iter().map(|holder| is(&holder.user, holder.host.as_deref(), columns));
    sql!["(", Sql::list(each, " OR "), ")"]
}

const TABLE_PRIVILEGES: &str =
    "SELECT user, host, db, table_name, table_priv, column_priv FROM mysql.tables_priv WHERE ";
const SELECTS: &str = "(FIND_IN_SET('Select', table_priv) OR FIND_IN_SET('Select', column_priv))";

/// The grant tables compare byte by byte; a server that folds names has folded those in them too.
fn on_table(table: &TableName, folds: bool) -> Sql {
    let equal = |column: &'static str, name: &str| {
        if folds { sql!["LOWER(", column, ") = LOWER(", Text(name), ")"] } else { sql![column, " = ", Text(name)] }
    };
    sql![" AND ", equal("db", table.database()), " AND ", equal("table_name", table.name())]
}

/// Privileges on tables and their columns: (user, host, database, table, privileges, privileges on columns).
pub(crate) fn table_privileges(holders: &[Holder], limit: u64) -> Sql {
    sql![TABLE_PRIVILEGES, any_of(holders, &Columns::GRANTEE), " LIMIT ", limit]
}

/// The same rows, of those who read this table.
pub(crate) fn table_readers(holders: &[Holder], table: &TableName, folds: bool) -> Sql {
    sql![TABLE_PRIVILEGES, any_of(holders, &Columns::GRANTEE), " AND ", SELECTS, on_table(table, folds)]
}

/// Privileges on databases: (user, host, database pattern, privileges). What is granted to the anonymous user there,
/// everybody has ("Access Control, Stage 2").
pub(crate) fn database_privileges(holders: &[Holder]) -> Sql {
    let privileges = spelled(DATABASE_PRIVILEGES.iter());
    sql!["SELECT user, host, db, ", privileges, " FROM mysql.db WHERE ", or_anonymous(holders)]
}

/// The same rows, of those who read everything in this table's database.
pub(crate) fn database_readers(holders: &[Holder], table: &TableName, folds: bool) -> Sql {
    let database = Text(table.database());
    let fits = if folds { sql!["LOWER(", database, ") LIKE LOWER(db)"] } else { sql![database, " LIKE db"] };
    let holders = or_anonymous(holders);
    sql!["SELECT user, host, db, 'SELECT' FROM mysql.db WHERE select_priv = 'Y' AND ", fits, " AND ", holders]
}

fn or_anonymous(holders: &[Holder]) -> Sql {
    sql!["(user = '' OR ", any_of(holders, &Columns::GRANTEE), ")"]
}

/// Privileges on everything: (user, host, privileges). A row of the account itself also tells that it exists.
pub(crate) fn global_privileges(holders: &[Holder]) -> Sql {
    let privileges = spelled(DATABASE_PRIVILEGES.iter().chain(&GLOBAL_PRIVILEGES));
    sql!["SELECT user, host, ", privileges, " FROM mysql.user WHERE ", any_of(holders, &Columns::GRANTEE)]
}

/// MySQL's dynamic privileges: (user, host, privilege).
pub(crate) fn dynamic_privileges(holders: &[Holder]) -> Sql {
    sql!["SELECT user, host, priv FROM mysql.global_grants WHERE ", any_of(holders, &Columns::GRANTEE)]
}

/// Privileges on routines: (user, host, database, routine, privileges).
pub(crate) fn routine_privileges(holders: &[Holder], limit: u64) -> Sql {
    let holders = any_of(holders, &Columns::GRANTEE);
    sql!["SELECT user, host, db, routine_name, proc_priv FROM mysql.procs_priv WHERE ", holders, " LIMIT ", limit]
}

/// Whom they may log in as: (user, host, proxied user, proxied host).
pub(crate) fn proxies(holders: &[Holder]) -> Sql {
    let holders = any_of(holders, &Columns::GRANTEE);
    sql!["SELECT user, host, proxied_user, proxied_host FROM mysql.proxies_priv WHERE ", holders]
}

/// The roles that they may take: (user, host, role, role's host). MariaDB's roles have no host.
pub(crate) fn roles(flavor: Flavor, holders: &[Holder]) -> Sql {
    match flavor {
        Flavor::MariaDb => {
            sql!["SELECT user, host, role, '' FROM mysql.roles_mapping WHERE ", any_of(holders, &Columns::GRANTEE)]
        }
        Flavor::MySql => sql![
            "SELECT to_user, to_host, from_user, from_host FROM mysql.role_edges WHERE ",
            any_of(holders, &Columns::MEMBER)
        ],
    }
}

/// The names of a row's privileges, separated by commas.
fn spelled<'a>(privileges: impl Iterator<Item = &'a (&'static str, &'static str)>) -> Sql {
    let each = privileges.map(|(column, name)| sql!["IF(", *column, " = 'Y', '", *name, "', NULL)"]);
    sql!["CONCAT_WS(',', ", Sql::list(each, ", "), ")"]
}

/// What both `mysql.db` and `mysql.user` have, on either vendor's server.
const DATABASE_PRIVILEGES: [(&str, &str); 19] = [
    ("select_priv", "SELECT"),
    ("insert_priv", "INSERT"),
    ("update_priv", "UPDATE"),
    ("delete_priv", "DELETE"),
    ("create_priv", "CREATE"),
    ("drop_priv", "DROP"),
    ("grant_priv", "GRANT OPTION"),
    ("references_priv", "REFERENCES"),
    ("index_priv", "INDEX"),
    ("alter_priv", "ALTER"),
    ("create_tmp_table_priv", "CREATE TEMPORARY TABLES"),
    ("lock_tables_priv", "LOCK TABLES"),
    ("create_view_priv", "CREATE VIEW"),
    ("show_view_priv", "SHOW VIEW"),
    ("create_routine_priv", "CREATE ROUTINE"),
    ("alter_routine_priv", "ALTER ROUTINE"),
    ("execute_priv", "EXECUTE"),
    ("event_priv", "EVENT"),
    ("trigger_priv", "TRIGGER"),
];

/// What only `mysql.user` has.
const GLOBAL_PRIVILEGES: [(&str, &str); 10] = [
    ("reload_priv", "RELOAD"),
    ("shutdown_priv", "SHUTDOWN"),
    ("process_priv", "PROCESS"),
    ("file_priv", "FILE"),
    ("show_db_priv", "SHOW DATABASES"),
    ("super_priv", "SUPER"),
    ("repl_slave_priv", "REPLICATION SLAVE"),
    ("repl_client_priv", "REPLICATION CLIENT"),
    ("create_user_priv", "CREATE USER"),
    ("create_tablespace_priv", "CREATE TABLESPACE"),
];
