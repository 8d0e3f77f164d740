//! PostgreSQL, without the engine.

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
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Row};
use tokio::sync::Mutex;

use super::{Admin, Fixture, Server, tag, trouble};

/// The place of this process: a database, in which every fixture has a schema.
#[derive(Debug)]
pub struct Postgres {
    name: String,
    version: u32,
    database: String,
    /// Of a superuser, to the database that the URL names.
    options: PgConnectOptions,
    tls: bool,
}

/// A failed statement: the server's code, or nothing if there is no server any more.
#[derive(Debug)]
struct Refused {
    code: Option<String>,
    text: String,
}

type Rows = Vec<Vec<String>>;

async fn run(connection: &mut PgConnection, sql: &str) -> std::result::Result<Rows, Refused> {
    let rows = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_all(connection).await.map_err(|error| Refused {
        code: error.as_database_error().and_then(sqlx::error::DatabaseError::code).map(Into::into),
        text: error.to_string(),
    })?;
    let column = |row: &sqlx::postgres::PgRow, at| {
        row.try_get_unchecked::<Option<String>, _>(at).ok().flatten().unwrap_or_default()
    };
    Ok(rows.iter().map(|row| (0..row.len()).map(|at| column(row, at)).collect()).collect())
}

/// As the superuser: it works, again after whatever another session's work on the same catalogue rows does to it.
async fn must(connection: &mut PgConnection, sql: &str) -> Result<Rows> {
    let mut tries = 0;
    loop {
        match run(connection, sql).await {
            Ok(rows) => return Ok(rows),
            Err(Refused { code: Some(code), .. }) if tries < 20 && ["XX000", "40P01"].contains(&&*code) => {
                tries += 1;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(Refused { code, text }) => {
                return Err(trouble(format!("{text} in: {sql}")).vendor(code.unwrap_or_default()));
            }
        }
    }
}

fn ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn relation(table: &TableName) -> String {
    format!("{}.{}", ident(table.schema().unwrap_or_default()), ident(table.name()))
}

/// Who granted the user something, and on what.
fn granted_to(user: &str) -> String {
    format!(
        "SELECT DISTINCT grantor.rolname, object FROM (
            SELECT format('TABLE %I.%I', n.nspname, c.relname) AS object, relacl AS acl
              FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            UNION ALL SELECT format('SCHEMA %I', nspname), nspacl FROM pg_namespace
            UNION ALL SELECT format('DATABASE %I', datname), datacl FROM pg_database
         ) objects, aclexplode(acl) x
         JOIN pg_roles grantor ON grantor.oid = x.grantor JOIN pg_roles grantee ON grantee.oid = x.grantee
         WHERE grantee.rolname = {}",
        literal(user)
    )
}

impl Postgres {
    /// Makes a database on the server of this URL, which names a superuser.
    pub async fn start(url: &str) -> Result<Self> {
        let options = PgConnectOptions::from_str(url)
            .map_err(|_| trouble("the URL cannot be read: postgresql://user:password@host:port/database"))?
            .disable_statement_logging();
        let mut connection = connect(&options).await?;
        let facts = must(
            &mut connection,
            "SELECT current_setting('server_version_num'), current_setting('ssl'),
                    (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)",
        )
        .await?;
        let [version, ssl, superuser] = facts.first().map_or(&[][..], Vec::as_slice) else {
            return Err(trouble("the server does not say what it is"));
        };
        if superuser != "t" {
            return Err(trouble("the URL's user is no superuser, which the tests take for making all others"));
        }
        let version = version.parse().unwrap_or_default();
        let database = format!("dzkit_{}", tag());
        let create = format!("CREATE DATABASE {database} TEMPLATE template0 ENCODING 'UTF8'");
        must(&mut connection, &create).await?;
        let name = format!("postgres-{}", version / 10_000);
        Ok(Self { name, version, database, options, tls: ssl == "on" })
    }

    async fn superuser(&self) -> Result<PgConnection> {
        connect(&self.options.clone().database(&self.database)).await
    }
}

async fn connect(options: &PgConnectOptions) -> Result<PgConnection> {
    options.connect().await.map_err(|error| {
        let (host, port) = (options.get_host(), options.get_port());
        trouble(format!("the superuser cannot connect to {host}:{port}: {error}"))
    })
}

#[async_trait]
impl Server for Postgres {
    fn name(&self) -> &str {
        &self.name
    }

    async fn fixture(&self, admin: Admin) -> Result<Box<dyn Fixture>> {
        Ok(Box::new(Place::start(self, admin).await?))
    }

    async fn end(&self) -> Result<()> {
        let mut connection = connect(&self.options).await?;
        must(&mut connection, &format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.database)).await?;
        Ok(())
    }
}

/// A schema, its owner, and an admin.
#[derive(Debug)]
struct Place {
    /// The names of schema, owner and admin begin with it.
    tag: String,
    admin: Admin,
    version: u32,
    wire: Wire,
    source: Source,
    /// Never as anybody in particular: user and password are replaced.
    options: PgConnectOptions,
    superuser: Mutex<PgConnection>,
    users: StdMutex<BTreeSet<UserName>>,
}

impl Place {
    async fn start(server: &Postgres, admin: Admin) -> Result<Self> {
        let tag = format!("dzkit_{}", tag());
        let password = Secret::new(format!("Aa1-{}", super::tag()));
        let mut superuser = server.superuser().await?;
        let rights = match admin {
            Admin::Superuser => "SUPERUSER",
            Admin::LeastPrivileged => "CREATEROLE",
        };
        // A statement with a password is not shown.
        let create = format!("CREATE ROLE {tag}_admin LOGIN {rights} PASSWORD {}", literal(password.expose()));
        run(&mut superuser, &create)
            .await
            .map_err(|refused| trouble("the admin cannot be made").vendor(refused.code.unwrap_or_default()))?;
        let schema = format!("CREATE ROLE {tag}_owner NOLOGIN; CREATE SCHEMA {tag} AUTHORIZATION {tag}_owner");
        must(&mut superuser, &schema).await?;
        if admin == Admin::LeastPrivileged {
            must(&mut superuser, &format!("GRANT USAGE ON SCHEMA {tag} TO {tag}_admin WITH GRANT OPTION")).await?;
        }
        let source = Source {
            connection: ConnectionId::new(&tag)?,
            endpoint: SourceEndpoint {
                subprotocol: "postgresql".to_owned(),
                host: server.options.get_host().to_owned(),
                port: server.options.get_port(),
                instance: None,
                target: Target::Database(server.database.clone()),
            },
            admin: AdminLogin { user: format!("{tag}_admin"), password },
            tls: Tls::Disable,
        };
        Ok(Self {
            tag,
            admin,
            version: server.version,
            wire: if server.tls { Wire::Tls } else { Wire::Plain },
            source,
            options: server.options.clone().database(&server.database).ssl_mode(PgSslMode::Disable),
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

    /// Gives a new table or view to the owner, and to the admin what it needs.
    async fn hand_over(&self, create: &str, table: &TableName, option: &str) -> Result<()> {
        let (relation, tag) = (relation(table), &self.tag);
        let grant = match self.admin {
            Admin::Superuser => String::new(),
            Admin::LeastPrivileged => format!("GRANT SELECT ON {relation} TO {tag}_admin {option};"),
        };
        self.must(&format!("SET ROLE {tag}_owner; {create}; {grant} RESET ROLE")).await?;
        Ok(())
    }

    async fn create(&self, table: &TableName, option: &str) -> Result<()> {
        let relation = relation(table);
        let create = format!(
            "CREATE TABLE {relation} (id int, name text); INSERT INTO {relation} VALUES (1, 'one'), (2, 'two')"
        );
        self.hand_over(&create, table, option).await
    }

    async fn end_sessions(&self, user: &str) -> Result<()> {
        let user = literal(user);
        for _ in 0..500 {
            let left = self
                .must(&format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = {user}"))
                .await?;
            if left.is_empty() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Err(trouble(format!("sessions of {user} do not end")))
    }

    async fn remove(&self, user: &str) -> Result<()> {
        let exists = format!("SELECT 1 FROM pg_roles WHERE rolname = {}", literal(user));
        if self.must(&exists).await?.is_empty() {
            return Ok(());
        }
        self.must(&format!("ALTER ROLE {} NOLOGIN", ident(user))).await?;
        self.end_sessions(user).await?;
        // As each object's owner; then as the others who granted something, which DROP OWNED would leave.
        for row in self.must(&granted_to(user)).await? {
            if let [_, object] = row.as_slice() {
                self.must(&format!("REVOKE ALL ON {object} FROM {} CASCADE", ident(user))).await?;
            }
        }
        for row in self.must(&granted_to(user)).await? {
            if let [grantor, object] = row.as_slice() {
                let (grantor, user) = (ident(grantor), ident(user));
                self.must(&format!("SET ROLE {grantor}; REVOKE ALL ON {object} FROM {user} CASCADE; RESET ROLE"))
                    .await?;
            }
        }
        self.must(&format!("DROP OWNED BY {0} CASCADE; DROP ROLE {0}", ident(user))).await?;
        Ok(())
    }
}

#[async_trait]
impl Fixture for Place {
    async fn second_admin(&self, tables: &[TableName]) -> Result<AdminLogin> {
        let (tag, user) = (&self.tag, format!("{}_admin2", self.tag));
        let password = Secret::new(format!("Aa2-{}", super::tag()));
        self.note(&UserName::new(&*user)?);
        let login = format!("LOGIN CREATEROLE PASSWORD {}", literal(password.expose()));
        self.must(&format!("CREATE ROLE {user} {login}; GRANT USAGE ON SCHEMA {tag} TO {user} WITH GRANT OPTION"))
            .await?;
        for table in tables {
            self.must(&format!("GRANT SELECT ON {} TO {user} WITH GRANT OPTION", relation(table))).await?;
        }
        Ok(AdminLogin { user, password })
    }

    async fn by_hand(&self, who: &str, sql: &str) -> Result<()> {
        let role = if who == "a superuser" { "NONE" } else { who };
        self.must(&format!("SET ROLE {role}; {sql}; RESET ROLE")).await.map(drop)
    }

    async fn end(&self) -> Result<()> {
        let users = std::mem::take(&mut *self.users.lock().unwrap_or_else(PoisonError::into_inner));
        // Whatever fails, the rest is removed.
        let mut ended = self.must(&format!("DROP SCHEMA {} CASCADE", self.tag)).await.map(drop);
        for user in users {
            ended = ended.and(self.remove(user.as_str()).await);
        }
        ended = ended.and(self.remove(&format!("{}_admin", self.tag)).await);
        ended.and(self.remove(&format!("{}_owner", self.tag)).await)
    }
}

#[async_trait]
impl EngineFixture for Place {
    fn connector(&self) -> Arc<dyn EngineConnector> {
        Arc::new(dzconn_postgres::connector())
    }

    fn source(&self) -> Source {
        self.source.clone()
    }

    fn table(&self, name: &str) -> TableName {
        let database = self.source.endpoint.database().unwrap_or_default();
        TableName::in_schema(database, &self.tag, name).unwrap_or_else(|_| unreachable!("no table's name: {name:?}"))
    }

    async fn create_table(&self, table: &TableName) -> Result<()> {
        self.create(table, "WITH GRANT OPTION").await
    }

    async fn drop_table(&self, table: &TableName) -> Result<()> {
        let (schema, name) = (literal(&self.tag), literal(table.name()));
        let kind = self
            .must(&format!(
                "SELECT c.relkind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                 WHERE n.nspname = {schema} AND c.relname = {name}"
            ))
            .await?;
        let what = match kind.first().and_then(|row| row.first()).map(String::as_str) {
            None => return Ok(()),
            Some("v") => "VIEW",
            Some(_) => "TABLE",
        };
        self.must(&format!("DROP {what} {}", relation(table))).await?;
        Ok(())
    }

    async fn open(&self, credentials: &Credentials) -> Result<Option<Box<dyn UserSession>>> {
        self.note(&credentials.user);
        let options = self.options.clone().username(credentials.user.as_str()).password(credentials.password.expose());
        match options.connect().await {
            Ok(connection) => Ok(Some(Box::new(Consumer(connection)))),
            Err(sqlx::Error::Database(error))
                if matches!(error.code().as_deref(), Some("28P01" | "28000" | "42501")) =>
            {
                Ok(None)
            }
            Err(error) => Err(trouble(format!("{} cannot connect: {error}", credentials.user))),
        }
    }

    async fn disable_user(&self, user: &UserName) -> Result<()> {
        self.note(user);
        self.must(&format!("ALTER ROLE {} NOLOGIN", ident(user.as_str()))).await?;
        Ok(())
    }

    async fn remove_user(&self, user: &UserName) -> Result<()> {
        self.remove(user.as_str()).await
    }

    async fn privileges(&self, user: &UserName) -> Result<Vec<String>> {
        self.note(user);
        let user = literal(user.as_str());
        let rows = self
            .must(&format!(
                "WITH who AS (SELECT oid FROM pg_roles WHERE rolname = {user}),
                 acls (kind, name, acl) AS (
                    SELECT 'relation', n.nspname || '.' || c.relname, c.relacl
                      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                    UNION ALL SELECT 'column', a.attrelid::regclass::text || '.' || a.attname, a.attacl FROM pg_attribute a
                    UNION ALL SELECT 'schema', nspname::text, nspacl FROM pg_namespace
                    UNION ALL SELECT 'database', datname::text, datacl FROM pg_database
                    UNION ALL SELECT 'function', oid::regprocedure::text, proacl FROM pg_proc)
                 SELECT kind || ' ' || name || ' ' || privilege_type
                   FROM acls, aclexplode(acl) x, who WHERE x.grantee = who.oid
                 UNION ALL
                 SELECT 'member of ' || roleid::regrole::text FROM pg_auth_members, who WHERE member = who.oid
                 ORDER BY 1"
            ))
            .await?;
        Ok(rows.into_iter().flatten().collect())
    }

    async fn break_lock(&self, key: &LockKey) -> Result<()> {
        // How the server shows a lock that was taken under a 64-bit number.
        let number = key.number();
        let of_key = format!(
            "locktype = 'advisory' AND objsubid = 1 AND ((classid::bigint << 32) | objid::bigint) = {number} AND granted"
        );
        for _ in 0..500 {
            let left = self.must(&format!("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE {of_key}")).await?;
            if left.is_empty() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Err(trouble("the session that holds the lock does not end"))
    }

    fn wire(&self) -> Wire {
        self.wire
    }

    fn ends_silent_sessions(&self) -> bool {
        self.version >= 140_000
    }

    fn legal_user_name(&self, name: &str) -> bool {
        // What SCRAM's preparation of names (RFC 4013, of Unicode 3.2) forbids never gets as far as the server.
        // And sqlx does not escape the comma as SCRAM demands (RFC 5802), so that neither the engine nor this client logs in.
        let prepared = |c: char| !c.is_control() && c != '\u{202e}' && c <= '\u{ffff}' && c != ',';
        !name.starts_with("pg_") && !["public", "none"].contains(&name) && name.chars().all(prepared)
    }

    async fn create_view(&self, view: &TableName) -> Result<bool> {
        let relation = relation(view);
        let create =
            format!("CREATE VIEW {relation} AS SELECT * FROM (VALUES (1, 'one'), (2, 'two')) AS rows (id, name)");
        self.hand_over(&create, view, "WITH GRANT OPTION").await?;
        Ok(true)
    }

    async fn create_foreign_table(&self, table: &TableName) -> Result<bool> {
        self.create(table, "").await?;
        Ok(self.admin == Admin::LeastPrivileged)
    }

    async fn grant_by_other(&self, user: &UserName, table: &TableName) -> Result<Option<String>> {
        let (relation, tag, user) = (relation(table), &self.tag, ident(user.as_str()));
        self.must(&format!("SET ROLE {tag}_owner; GRANT SELECT ON {relation} TO {user}; RESET ROLE")).await?;
        Ok(Some(format!("{tag}_owner")))
    }

    async fn grant_to_public(&self, table: &TableName) -> Result<bool> {
        // A table is of use only to who may use its schema.
        let (relation, tag) = (relation(table), &self.tag);
        self.must(&format!("GRANT USAGE ON SCHEMA {tag} TO PUBLIC; GRANT SELECT ON {relation} TO PUBLIC")).await?;
        Ok(true)
    }

    async fn give_away(&self, table: &TableName, user: &UserName) -> Result<bool> {
        self.must(&format!("ALTER TABLE {} OWNER TO {}", relation(table), ident(user.as_str()))).await?;
        Ok(true)
    }
}

#[derive(Debug)]
struct Consumer(PgConnection);

#[async_trait]
impl UserSession for Consumer {
    async fn attempt(&mut self, attempt: &Attempt) -> Result<Attempted> {
        let sql = match attempt {
            Attempt::Read(table) => format!("SELECT id, name FROM {}", relation(table)),
            Attempt::Insert(table) => format!("INSERT INTO {} VALUES (3, 'three') RETURNING 1", relation(table)),
            Attempt::Update(table) => format!("UPDATE {} SET name = 'none' RETURNING 1", relation(table)),
            Attempt::Delete(table) => format!("DELETE FROM {} RETURNING 1", relation(table)),
            Attempt::DropTable(table) => format!("DROP TABLE {}", relation(table)),
            Attempt::CreateTable(table) => format!("CREATE TABLE {} (id int)", relation(table)),
            Attempt::CreateUser(user) => format!("CREATE ROLE {}", ident(user.as_str())),
            Attempt::Grant(table, user) => {
                format!("GRANT SELECT ON {} TO {}", relation(table), ident(user.as_str()))
            }
        };
        let done = run(&mut self.0, &sql).await;
        match (attempt, done) {
            // Without a grant option that is a warning, not an error.
            (Attempt::Grant(table, user), Ok(_)) => {
                let (user, table) = (literal(user.as_str()), literal(&relation(table)));
                let can = run(&mut self.0, &format!("SELECT has_table_privilege({user}, {table}, 'SELECT')")).await;
                let can = can.map_err(|refused| trouble(refused.text))?;
                Ok(if can == [["t"]] { Attempted::Did(1) } else { Attempted::Denied })
            }
            (_, Ok(rows)) => Ok(Attempted::Did(rows.len() as u64)),
            (_, Err(Refused { code: None, .. })) => Ok(Attempted::Ended),
            (_, Err(Refused { code: Some(code), text })) => match code.as_str() {
                "42501" | "42P01" | "3F000" => Ok(Attempted::Denied),
                "57P01" => Ok(Attempted::Ended),
                _ => Err(trouble(format!("{text} in: {sql}")).vendor(code)),
            },
        }
    }
}
