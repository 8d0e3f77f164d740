//! A database and roles of a test's own, and ways to them that do not lead through the engine.

use std::time::Duration;

use dzconn_core::engine::LockKey;
use dzconn_core::model::{
    AdminLogin, CaBundle, ConnectionId, Credentials, EnvironmentId, Source, SourceEndpoint, SourceKey, TableName,
    Target, Tls, UserName,
};
use dzconn_core::{Deadline, EngineConnector, Secret, SourceEngine};
use rand::distr::{Alphanumeric, SampleString};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row};

/// A superuser's login.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    options: PgConnectOptions,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) user: String,
    pub(crate) password: String,
    pub(crate) ca: Option<CaBundle>,
}

impl Server {
    pub(crate) fn parse(url: &str) -> Self {
        let options: PgConnectOptions = url.parse().expect("a PostgreSQL URL");
        let (_, login) = url.split_once("://").expect("a scheme");
        let (login, _) = login.rsplit_once('@').expect("user and password");
        let (_, password) = login.split_once(':').expect("a password");
        // Whoever starts the servers says which of them have TLS, and who signed their certificates.
        let variable = |name| std::env::var(format!("DZCONN_TEST_POSTGRES_{name}")).unwrap_or_default();
        let has_tls = variable("TLS_URLS").split_whitespace().any(|with_tls| with_tls == url);
        let ca = has_tls.then(|| CaBundle::from_pem(std::fs::read(variable("CA")).expect("the CA file")).unwrap());
        let options = options.disable_statement_logging();
        Self {
            host: options.get_host().to_owned(),
            port: options.get_port(),
            user: options.get_username().to_owned(),
            password: percent_decoded(password),
            ca,
            options,
        }
    }
}

fn percent_decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |mut decoded, part| {
        let (code, rest) = part.split_at(2);
        decoded.push(char::from(u8::from_str_radix(code, 16).expect("two digits")));
        decoded + rest
    })
}

pub(crate) fn random(length: usize) -> String {
    Alphanumeric.sample_string(&mut rand::rng(), length).to_lowercase()
}

/// Deadline of everything here.
pub(crate) fn soon() -> Deadline {
    Deadline::within(Duration::from_secs(30))
}

pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

pub(crate) struct Lab {
    pub(crate) server: Server,
    pub(crate) database: String,
    /// Begins the name of every role of the test.
    pub(crate) tag: String,
    root: PgConnection,
    pub(crate) version: u32,
}

impl Lab {
    /// A database with schema `hr`, and tables `employees` and `salaries` in it that role `<tag>_owner` owns.
    pub(crate) async fn new(server: &Server) -> Self {
        Self::with_database(server, &format!("dzt \"{}", random(8))).await
    }

    async fn with_database(server: &Server, database: &str) -> Self {
        let mut first = server.options.connect().await.expect("the server of DZCONN_TEST_POSTGRES_URLS");
        run(&mut first, &format!("CREATE DATABASE {}", quoted(database))).await;
        let version = rows(&mut first, "SHOW server_version_num").await[0][0].parse().unwrap();
        first.close().await.unwrap();
        let root = server.options.clone().database(database).connect().await.unwrap();
        let tag = format!("dzt{}", random(8));
        let mut lab = Self { server: server.clone(), database: database.to_owned(), tag, root, version };
        let owner = lab.role("owner");
        lab.sql(&format!(
            "CREATE ROLE {owner}; CREATE SCHEMA hr AUTHORIZATION {owner}; SET ROLE {owner}; \
             CREATE TABLE hr.employees AS SELECT 1 AS id; CREATE TABLE hr.salaries AS SELECT 2 AS id; RESET ROLE"
        ))
        .await;
        lab
    }

    pub(crate) async fn remove(self) {
        let Self { server, database, tag, mut root, .. } = self;
        let roles = rows(&mut root, &format!("SELECT rolname::text FROM pg_roles WHERE rolname LIKE '{tag}%'")).await;
        root.close().await.unwrap();
        let mut last = server.options.connect().await.unwrap();
        run(&mut last, &format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quoted(&database))).await;
        let roles: Vec<_> = roles.iter().map(|row| quoted(&row[0])).collect();
        for role in &roles {
            run(&mut last, &format!("DROP OWNED BY {role}")).await;
        }
        for roles in roles.chunks(100) {
            run(&mut last, &format!("DROP ROLE {}", roles.join(", "))).await;
        }
        last.close().await.unwrap();
    }

    /// As superuser, in the test's database.
    pub(crate) async fn sql(&mut self, text: &str) {
        run(&mut self.root, text).await;
    }

    /// The first column of every row.
    pub(crate) async fn column(&mut self, text: &str) -> Vec<String> {
        rows(&mut self.root, text).await.into_iter().map(|mut row| row.swap_remove(0)).collect()
    }

    /// A role's full name, quoted.
    pub(crate) fn role(&self, name: &str) -> String {
        quoted(&format!("{}_{name}", self.tag))
    }

    /// What roles other than the tables' owner have on table, schema and database, as text.
    pub(crate) async fn acls(&mut self, user: &Credentials) -> Vec<String> {
        let user = user.user.as_str().replace('\'', "''");
        self.column(&format!(
            "SELECT x.what || ' ' || a.privilege_type FROM (SELECT c.relname::text, c.relacl FROM pg_class c UNION ALL \
             SELECT n.nspname, n.nspacl FROM pg_namespace n UNION ALL \
             SELECT 'database', d.datacl FROM pg_database d WHERE d.datname = current_database() UNION ALL \
             SELECT c.relname || '.' || t.attname, t.attacl FROM pg_attribute t JOIN pg_class c ON c.oid = t.attrelid) \
             x(what, acl) CROSS JOIN LATERAL aclexplode(x.acl) a JOIN pg_roles r ON r.oid = a.grantee \
             WHERE r.rolname = '{user}' ORDER BY 1"
        ))
        .await
    }

    fn login(&self, user: &str, password: &str) -> Source {
        Source {
            connection: ConnectionId::new("arn:aws:glue:eu-west-1:111122223333:connection/hr").unwrap(),
            endpoint: SourceEndpoint {
                subprotocol: "postgresql".into(),
                host: self.server.host.clone(),
                port: self.server.port,
                instance: None,
                target: Target::Database(self.database.clone()),
            },
            admin: AdminLogin { user: user.to_owned(), password: Secret::new(password.to_owned()) },
            tls: Tls::Disable,
        }
    }

    pub(crate) fn superuser(&self) -> Source {
        self.login(&self.server.user, &self.server.password)
    }

    /// The least admin that dzconn documents: CREATEROLE, and the right to pass on read in schema `hr`.
    pub(crate) async fn plain_admin(&mut self, name: &str) -> Source {
        let source = self.bare_admin(name).await;
        let role = self.role(name);
        self.sql(&format!(
            "GRANT USAGE ON SCHEMA hr TO {role} WITH GRANT OPTION; \
             GRANT SELECT ON ALL TABLES IN SCHEMA hr TO {role} WITH GRANT OPTION"
        ))
        .await;
        source
    }

    /// CREATEROLE and nothing else.
    pub(crate) async fn bare_admin(&mut self, name: &str) -> Source {
        let (role, password) = (self.role(name), format!("{} ' \\ pw", random(12)));
        let literal = password.replace('\'', "''");
        self.sql(&format!("CREATE ROLE {role} LOGIN CREATEROLE PASSWORD '{literal}'")).await;
        self.login(&format!("{}_{name}", self.tag), &password)
    }

    pub(crate) fn user(&self, name: &str) -> Credentials {
        let endpoint = self.superuser().endpoint;
        Credentials {
            database: Some(self.database.clone()),
            endpoint,
            user: UserName::new(format!("{}_{name}", self.tag)).unwrap(),
            password: Secret::new(format!("Aa1-{}", random(20))),
            ssl: None,
        }
    }

    pub(crate) fn table(&self, name: &str) -> TableName {
        TableName::in_schema(&self.database, "hr", name).unwrap()
    }

    /// As a consumer would, without the engine.
    pub(crate) async fn open(&self, user: &Credentials) -> PgConnection {
        let options = self.server.options.clone().database(&self.database);
        options.username(user.user.as_str()).password(user.password.expose()).connect().await.unwrap()
    }
}

pub(crate) async fn connect(source: &Source) -> Box<dyn SourceEngine> {
    dzconn_postgres::connector().connect(source, soon()).await.unwrap()
}

pub(crate) fn key() -> LockKey {
    LockKey::new(&SourceKey {
        connection: ConnectionId::new("arn:aws:glue:eu-west-1:111122223333:connection/hr").unwrap(),
        environment: EnvironmentId::new(random(12)).unwrap(),
    })
}

pub(crate) async fn run(connection: &mut PgConnection, text: &str) {
    if let Err(error) = sqlx::raw_sql(AssertSqlSafe(text.to_owned())).execute(connection).await {
        panic!("{text}: {error}");
    }
}

/// The SQLSTATE with which it fails.
pub(crate) async fn fails(connection: &mut PgConnection, text: &str) -> String {
    let result = sqlx::raw_sql(AssertSqlSafe(text.to_owned())).execute(connection).await;
    let error = result.expect_err(text);
    error.as_database_error().and_then(|error| error.code().map(Into::into)).unwrap_or_else(|| "none".to_owned())
}

pub(crate) async fn rows(connection: &mut PgConnection, text: &str) -> Vec<Vec<String>> {
    let rows = sqlx::raw_sql(AssertSqlSafe(text.to_owned())).fetch_all(connection).await;
    let rows = rows.unwrap_or_else(|error| panic!("{text}: {error}"));
    let text =
        |row: &sqlx::postgres::PgRow, at| row.try_get_unchecked::<Option<String>, _>(at).unwrap().unwrap_or_default();
    rows.iter().map(|row| (0..row.len()).map(|at| text(row, at)).collect()).collect()
}
