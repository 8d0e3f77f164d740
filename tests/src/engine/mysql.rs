//! MySQL and MariaDB, without the engine.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use dzconn_core::engine::LockKey;
use dzconn_core::model::{
    AdminLogin, ConnectionId, Credentials, Source, SourceEndpoint, TableName, Target, Tls, UserName,
};
use dzconn_core::testkit::engine::{Attempt, Attempted, EngineFixture, UserSession, Wire};
use dzconn_core::{EngineConnector, Result, Secret};
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlDatabaseError, MySqlSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Row};
use tokio::sync::Mutex;

use super::{Admin, Fixture, Server, tag, trouble};

/// A server. Every fixture has a database on it.
#[derive(Debug)]
pub struct MySql {
    facts: Facts,
    /// Of a user that may do everything.
    options: MySqlConnectOptions,
}

#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is one fact, and none excludes another")]
struct Facts {
    name: String,
    mariadb: bool,
    tls: bool,
    /// Whether names of tables that differ in case are the same.
    folds: bool,
    /// Whether something can be granted to everybody.
    has_public: bool,
    /// Whether there is a privilege for ending other users' sessions, and not only SUPER.
    has_connection_admin: bool,
}

/// A failed statement: the server's number, or nothing if there is no server any more.
#[derive(Debug)]
struct Refused {
    number: Option<u16>,
    text: String,
}

type Rows = Vec<Vec<String>>;

async fn run(connection: &mut MySqlConnection, sql: &str) -> std::result::Result<Rows, Refused> {
    let rows = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .fetch_all(connection)
        .await
        .map_err(|error| Refused { number: number(&error), text: error.to_string() })?;
    let column = |row: &sqlx::mysql::MySqlRow, at| match row.try_get_unchecked::<Option<Vec<u8>>, _>(at) {
        Ok(Some(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
        _ => String::new(),
    };
    Ok(rows.iter().map(|row| (0..row.len()).map(|at| column(row, at)).collect()).collect())
}

fn number(error: &sqlx::Error) -> Option<u16> {
    error.as_database_error()?.try_downcast_ref::<MySqlDatabaseError>().map(MySqlDatabaseError::number)
}

async fn must(connection: &mut MySqlConnection, sql: &str) -> Result<Rows> {
    run(connection, sql).await.map_err(|refused| {
        let number = refused.number.map(|number| number.to_string());
        trouble(format!("{} in: {sql}", refused.text)).vendor(number.unwrap_or_default())
    })
}

fn ident(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

fn account(user: &UserName) -> String {
    format!("{}@'%'", literal(user.as_str()))
}

fn relation(table: &TableName) -> String {
    format!("{}.{}", ident(table.database()), ident(table.name()))
}

impl MySql {
    /// The server of this URL, which names a user that may do everything.
    pub async fn start(url: &str) -> Result<Self> {
        let options = MySqlConnectOptions::from_str(url)
            .map_err(|_| trouble("the URL cannot be read: mysql://user:password@host:port/"))?
            .charset("utf8mb4")
            .disable_statement_logging();
        let mut connection = connect(&options).await?;
        let facts = must(&mut connection, "SELECT VERSION(), @@lower_case_table_names, @@version_comment").await?;
        let [version, lower_case, comment] = facts.first().map_or(&[][..], Vec::as_slice) else {
            return Err(trouble("the server does not say what it is"));
        };
        let mariadb = format!("{version} {comment}").to_lowercase().contains("mariadb");
        let mut numbers = version.split(['.', '-']).map(|number| number.parse::<u32>().unwrap_or_default());
        let release = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
        let tls =
            must(&mut connection, "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('have_ssl', 'ssl_cert')").await?;
        let tls = tls.iter().any(|row| match row.as_slice() {
            [name, value] if name == "have_ssl" => value == "YES",
            [_, value] => !mariadb && !value.is_empty(),
            _ => false,
        });
        let facts = Facts {
            name: format!("{}-{}.{}", if mariadb { "mariadb" } else { "mysql" }, release.0, release.1),
            mariadb,
            tls,
            folds: lower_case != "0",
            has_public: mariadb && release >= (10, 11),
            has_connection_admin: if mariadb { release >= (10, 5) } else { release >= (8, 0) },
        };
        Ok(Self { facts, options })
    }
}

async fn connect(options: &MySqlConnectOptions) -> Result<MySqlConnection> {
    options.connect().await.map_err(|error| {
        let (host, port) = (options.get_host(), options.get_port());
        trouble(format!("the superuser cannot connect to {host}:{port}: {error}"))
    })
}

#[async_trait]
impl Server for MySql {
    fn name(&self) -> &str {
        &self.facts.name
    }

    async fn fixture(&self, admin: Admin) -> Result<Box<dyn Fixture>> {
        Ok(Box::new(Place::start(self, admin).await?))
    }

    /// Every fixture has removed what it made.
    async fn end(&self) -> Result<()> {
        Ok(())
    }
}

/// A database, and an admin.
#[derive(Debug)]
struct Place {
    /// The names of database and admin begin with it.
    tag: String,
    admin: Admin,
    facts: Facts,
    source: Source,
    options: MySqlConnectOptions,
    superuser: Mutex<MySqlConnection>,
    users: StdMutex<BTreeSet<UserName>>,
}

impl Place {
    async fn start(server: &MySql, admin: Admin) -> Result<Self> {
        let tag = format!("dzkit_{}", tag());
        let password = Secret::new(format!("Aa1-{}", super::tag()));
        let facts = server.facts.clone();
        let user = format!("'{tag}_adm'@'%'");
        let mut statements = vec![format!("CREATE DATABASE {tag} CHARACTER SET utf8mb4")];
        statements.extend(match admin {
            Admin::Superuser => vec![format!("GRANT ALL PRIVILEGES ON *.* TO {user} WITH GRANT OPTION")],
            Admin::LeastPrivileged => least_privileges(&facts).map(|what| format!("GRANT {what} TO {user}")).collect(),
        });
        let mut superuser = connect(&server.options).await?;
        // A statement with a password is not shown.
        let create = format!("CREATE USER {user} IDENTIFIED BY {}", literal(password.expose()));
        run(&mut superuser, &create).await.map_err(|refused| {
            trouble("the admin cannot be made").vendor(refused.number.map(|n| n.to_string()).unwrap_or_default())
        })?;
        for statement in statements {
            must(&mut superuser, &statement).await?;
        }
        let source = Source {
            connection: ConnectionId::new(&tag)?,
            endpoint: SourceEndpoint {
                subprotocol: if facts.mariadb { "mariadb" } else { "mysql" }.to_owned(),
                host: server.options.get_host().to_owned(),
                port: server.options.get_port(),
                instance: None,
                target: Target::Database(tag.clone()),
            },
            admin: AdminLogin { user: format!("{tag}_adm"), password },
            tls: Tls::Disable,
        };
        Ok(Self {
            tag,
            admin,
            facts,
            source,
            options: MySqlConnectOptions::new()
                .host(server.options.get_host())
                .port(server.options.get_port())
                .charset("utf8mb4")
                .ssl_mode(MySqlSslMode::Disabled)
                .disable_statement_logging(),
            superuser: Mutex::new(superuser),
            users: StdMutex::default(),
        })
    }

    async fn must(&self, sql: &str) -> Result<Rows> {
        must(&mut *self.superuser.lock().await, sql).await
    }

    fn note(&self, user: &UserName) {
        self.users.lock().unwrap_or_else(PoisonError::into_inner).insert(user.clone());
    }

    /// Gives the admin what it needs on a new table or view.
    async fn hand_over(&self, table: &TableName, option: &str) -> Result<()> {
        if self.admin == Admin::LeastPrivileged {
            self.must(&format!("GRANT SELECT ON {} TO '{}_adm'@'%' {option}", relation(table), self.tag)).await?;
        }
        Ok(())
    }

    async fn create(&self, table: &TableName, option: &str) -> Result<()> {
        let relation = relation(table);
        self.must(&format!("CREATE TABLE {relation} (id INT, name VARCHAR(20))")).await?;
        self.must(&format!("INSERT INTO {relation} VALUES (1, 'one'), (2, 'two')")).await?;
        self.hand_over(table, option).await
    }

    async fn kill_all(&self, which: &str) -> Result<()> {
        for _ in 0..500 {
            let left = self.must(&format!("SELECT ID FROM information_schema.PROCESSLIST WHERE {which}")).await?;
            if left.is_empty() {
                return Ok(());
            }
            for id in left.into_iter().flatten() {
                // Gone meanwhile (1094) is as good.
                match run(&mut *self.superuser.lock().await, &format!("KILL {id}")).await {
                    Err(Refused { number, text }) if number != Some(1094) => return Err(trouble(text)),
                    _ => {}
                }
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Err(trouble(format!("sessions with {which} do not end")))
    }

    async fn remove(&self, user: &UserName) -> Result<()> {
        self.must(&format!("DROP USER IF EXISTS {}", account(user))).await?;
        let name = literal(user.as_str());
        self.kill_all(&format!("CAST(USER AS BINARY) = CAST({name} AS BINARY)")).await
    }
}

/// What the engine's documentation asks for, beside SELECT on the tables with grant option.
fn least_privileges(facts: &Facts) -> impl Iterator<Item = String> {
    let end_sessions = match (facts.has_connection_admin, facts.mariadb) {
        (true, true) => "CONNECTION ADMIN",
        (true, false) => "CONNECTION_ADMIN",
        (false, _) => "SUPER",
    };
    let roles = if facts.mariadb { "roles_mapping" } else { "role_edges" };
    [format!("CREATE USER, PROCESS, {end_sessions} ON *.*")]
        .into_iter()
        .chain(
            ["user", "db", "tables_priv", "procs_priv", "proxies_priv", roles]
                .map(|table| format!("SELECT ON mysql.{table}")),
        )
        .chain((!facts.mariadb).then(|| "SELECT ON mysql.global_grants".to_owned()))
}

#[async_trait]
impl Fixture for Place {
    async fn second_admin(&self, tables: &[TableName]) -> Result<AdminLogin> {
        let user = format!("{}_adm2", self.tag);
        let password = Secret::new(format!("Aa2-{}", super::tag()));
        self.note(&UserName::new(&*user)?);
        self.must(&format!("CREATE USER '{user}'@'%' IDENTIFIED BY {}", literal(password.expose()))).await?;
        let tables = tables.iter().map(|table| format!("SELECT ON {}", relation(table)));
        for what in least_privileges(&self.facts) {
            self.must(&format!("GRANT {what} TO '{user}'@'%'")).await?;
        }
        for what in tables {
            self.must(&format!("GRANT {what} TO '{user}'@'%' WITH GRANT OPTION")).await?;
        }
        Ok(AdminLogin { user, password })
    }

    async fn by_hand(&self, _who: &str, sql: &str) -> Result<()> {
        self.must(sql).await.map(drop)
    }

    async fn end(&self) -> Result<()> {
        let users = std::mem::take(&mut *self.users.lock().unwrap_or_else(PoisonError::into_inner));
        // Whatever fails, the rest is removed.
        let mut ended = self.must(&format!("DROP DATABASE {}", self.tag)).await.map(drop);
        for user in users {
            ended = ended.and(self.remove(&user).await);
        }
        ended.and(self.remove(&UserName::new(format!("{}_adm", self.tag))?).await)
    }
}

#[async_trait]
impl EngineFixture for Place {
    fn connector(&self) -> Arc<dyn EngineConnector> {
        Arc::new(dzconn_mysql::connector())
    }

    fn source(&self) -> Source {
        self.source.clone()
    }

    fn table(&self, name: &str) -> TableName {
        TableName::in_database(&self.tag, name).unwrap_or_else(|_| unreachable!("no table's name: {name:?}"))
    }

    async fn create_table(&self, table: &TableName) -> Result<()> {
        self.create(table, "WITH GRANT OPTION").await
    }

    async fn drop_table(&self, table: &TableName) -> Result<()> {
        self.must(&format!("DROP VIEW IF EXISTS {}", relation(table))).await?;
        self.must(&format!("DROP TABLE IF EXISTS {}", relation(table))).await?;
        Ok(())
    }

    async fn open(&self, credentials: &Credentials) -> Result<Option<Box<dyn UserSession>>> {
        self.note(&credentials.user);
        let options = self.options.clone().username(credentials.user.as_str()).password(credentials.password.expose());
        match options.connect().await {
            Ok(connection) => Ok(Some(Box::new(Consumer(connection)))),
            // Wrong or unknown; locked (MySQL); locked (MariaDB).
            Err(error) if matches!(number(&error), Some(1045 | 3118 | 4151)) => Ok(None),
            Err(error) => Err(trouble(format!("{} cannot connect: {error}", credentials.user))),
        }
    }

    async fn disable_user(&self, user: &UserName) -> Result<()> {
        self.note(user);
        self.must(&format!("ALTER USER {} ACCOUNT LOCK", account(user))).await?;
        Ok(())
    }

    async fn remove_user(&self, user: &UserName) -> Result<()> {
        self.remove(user).await
    }

    async fn privileges(&self, user: &UserName) -> Result<Vec<String>> {
        self.note(user);
        let who = literal(user.as_str());
        let (roles, role) = if self.facts.mariadb { ("roles_mapping", "Role") } else { ("role_edges", "FROM_USER") };
        let member = if self.facts.mariadb { "User" } else { "TO_USER" };
        let queries = [
            format!(
                "SELECT PRIVILEGE_TYPE FROM information_schema.USER_PRIVILEGES
                 WHERE GRANTEE = {} AND PRIVILEGE_TYPE <> 'USAGE'",
                literal(&account(user))
            ),
            format!("SELECT Db, Table_name, Table_priv, Column_priv FROM mysql.tables_priv WHERE User = {who}"),
            format!("SELECT Db, Table_name, Column_name, Column_priv FROM mysql.columns_priv WHERE User = {who}"),
            format!("SELECT Db, Select_priv FROM mysql.db WHERE User = {who}"),
            format!("SELECT {role} FROM mysql.{roles} WHERE {member} = {who}"),
        ];
        let mut found = Vec::new();
        for query in queries {
            found.extend(self.must(&query).await?.iter().map(|row| row.join(" ")));
        }
        found.sort();
        Ok(found)
    }

    async fn break_lock(&self, key: &LockKey) -> Result<()> {
        self.kill_all(&format!("ID = IS_USED_LOCK({})", literal(&key.name()))).await
    }

    fn wire(&self) -> Wire {
        if self.facts.tls { Wire::Tls } else { Wire::Plain }
    }

    fn tells_missing(&self) -> bool {
        self.admin == Admin::Superuser
    }

    fn tells_case(&self) -> bool {
        !self.facts.folds
    }

    fn longest_user_name(&self) -> usize {
        if self.facts.mariadb { 128 } else { 32 }
    }

    fn legal_table_name(&self, name: &str) -> bool {
        !name.ends_with(|c: char| c.is_ascii_whitespace()) && name.chars().all(|c| c <= '\u{ffff}')
    }

    fn legal_user_name(&self, name: &str) -> bool {
        // At login, the server takes quotes around a name away.
        let quoted = name.starts_with('\'') && name.ends_with('\'');
        self.legal_table_name(name) && !quoted
    }

    async fn create_view(&self, view: &TableName) -> Result<bool> {
        self.must(&format!("CREATE VIEW {} AS SELECT 1 AS id UNION SELECT 2", relation(view))).await?;
        self.hand_over(view, "WITH GRANT OPTION").await?;
        Ok(true)
    }

    async fn create_foreign_table(&self, table: &TableName) -> Result<bool> {
        self.create(table, "").await?;
        Ok(self.admin == Admin::LeastPrivileged)
    }

    async fn grant_to_public(&self, table: &TableName) -> Result<bool> {
        if self.facts.has_public {
            self.must(&format!("GRANT SELECT ON {} TO PUBLIC", relation(table))).await?;
        }
        Ok(self.facts.has_public)
    }
}

#[derive(Debug)]
struct Consumer(MySqlConnection);

#[async_trait]
impl UserSession for Consumer {
    async fn attempt(&mut self, attempt: &Attempt) -> Result<Attempted> {
        let sql = match attempt {
            Attempt::Read(table) => format!("SELECT * FROM {}", relation(table)),
            Attempt::Insert(table) => format!("INSERT INTO {} VALUES (3, 'three')", relation(table)),
            Attempt::Update(table) => format!("UPDATE {} SET name = 'none'", relation(table)),
            Attempt::Delete(table) => format!("DELETE FROM {}", relation(table)),
            Attempt::DropTable(table) => format!("DROP TABLE {}", relation(table)),
            Attempt::CreateTable(table) => format!("CREATE TABLE {} (id INT)", relation(table)),
            Attempt::CreateUser(user) => format!("CREATE USER {}", account(user)),
            Attempt::Grant(table, user) => format!("GRANT SELECT ON {} TO {}", relation(table), account(user)),
        };
        match run(&mut self.0, &sql).await {
            Ok(rows) => Ok(Attempted::Did(rows.len() as u64)),
            // No server any more; or killed, while it was silent or in the middle of something.
            Err(Refused { number: None | Some(1927 | 1317 | 3169 | 1053), .. }) => Ok(Attempted::Ended),
            // Not permitted: a command on a table, a column, a database, anything; no such table, for who may not know.
            Err(Refused { number: Some(1142 | 1143 | 1044 | 1227 | 1146), .. }) => Ok(Attempted::Denied),
            Err(Refused { number: Some(number), text }) => {
                Err(trouble(format!("{text} in: {sql}")).vendor(number.to_string()))
            }
        }
    }
}
