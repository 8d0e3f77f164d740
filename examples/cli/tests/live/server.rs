//! A server, and a database of a test's own on it.

use std::time::{SystemTime, UNIX_EPOCH};

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, MySqlConnection, PgConnection, Row as _};

use crate::common::Bench;

#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) postgres: bool,
    user: String,
    pub(crate) password: String,
    pub(crate) address: String,
}

/// A database with `hr.offices` (7 rows) and `hr.employees` (100), and a directory file that knows them. On MySQL the tables
/// stand in the database itself.
pub(crate) struct Sample<'a> {
    pub(crate) server: &'a Server,
    pub(crate) database: String,
    pub(crate) bench: Bench,
}

impl Server {
    pub(crate) fn new(url: &str) -> Self {
        let (scheme, rest) = url.split_once("://").unwrap();
        let (login, rest) = rest.rsplit_once('@').unwrap();
        let (user, password) = login.split_once(':').unwrap();
        let address = rest.split_once('/').map_or(rest, |(address, _)| address);
        Self {
            postgres: scheme == "postgresql",
            user: user.to_owned(),
            password: password.to_owned(),
            address: address.to_owned(),
        }
    }

    pub(crate) fn engine(&self) -> &'static str {
        if self.postgres { "postgres" } else { "mysql" }
    }

    fn url(&self, user: &str, password: &str, database: &str) -> String {
        if self.postgres {
            format!("postgresql://{user}:{password}@{}/{database}?sslmode=disable", self.address)
        } else {
            format!("mysql://{user}:{password}@{}/{database}?ssl-mode=disabled", self.address)
        }
    }

    /// Runs statements as that user; an error's text otherwise.
    pub(crate) fn try_run(&self, user: &str, password: &str, database: &str, sql: &str) -> Result<i64, String> {
        let url = self.url(user, password, database);
        let sql = sql.to_owned();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let result = runtime.block_on(async {
            let sql = sqlx::raw_sql(AssertSqlSafe(sql));
            if self.postgres {
                let mut connection = PgConnection::connect(&url).await?;
                let row = connection.fetch_optional(sql).await?;
                Ok(row.and_then(|row| row.try_get(0).ok()).unwrap_or(0))
            } else {
                let mut connection = MySqlConnection::connect(&url).await?;
                let row = connection.fetch_optional(sql).await?;
                Ok(row.and_then(|row| row.try_get(0).ok()).unwrap_or(0))
            }
        });
        result.map_err(|error: sqlx::Error| error.to_string())
    }

    pub(crate) fn run(&self, database: &str, sql: &str) -> i64 {
        self.try_run(&self.user, &self.password, database, sql).unwrap()
    }

    fn home(&self) -> &'static str {
        if self.postgres { "postgres" } else { "mysql" }
    }
}

impl<'a> Sample<'a> {
    pub(crate) fn new(server: &'a Server) -> Self {
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
        let database = format!("cli_{nanos:x}");
        server.run(server.home(), &format!("CREATE DATABASE {database}"));
        let schema = if server.postgres { "hr." } else { "" };
        let mut sql = if server.postgres { "CREATE SCHEMA hr;".to_owned() } else { String::new() };
        for (table, rows) in [("offices", 7), ("employees", 100)] {
            let values = (0..rows).map(|n| format!("({n})")).collect::<Vec<_>>().join(",");
            sql.push_str(&format!(
                "CREATE TABLE {schema}{table} (id integer); INSERT INTO {schema}{table} VALUES {values};"
            ));
        }
        server.run(&database, &sql);
        let bench = Bench::new().env("ADMIN_PASSWORD", &server.password);
        let sample = Self { server, database, bench };
        sample.directory("");
        sample
    }

    pub(crate) fn path(&self, table: &str) -> String {
        let schema = if self.server.postgres { "hr." } else { "" };
        format!("{}.{schema}{table}", self.database)
    }

    pub(crate) fn url(&self) -> String {
        let subprotocol = if self.server.postgres { "postgresql" } else { "mysql" };
        format!("jdbc:{subprotocol}://{}/{}", self.server.address, self.database)
    }

    pub(crate) fn admin(&self) -> &str {
        &self.server.user
    }

    /// Writes the directory file; `subscriptions` goes before and after nothing else.
    pub(crate) fn directory(&self, subscriptions: &str) {
        let (database, url, admin) = (&self.database, self.url(), &self.server.user);
        let (offices, employees) = (self.path("offices"), self.path("employees"));
        let (empty, entries) = if subscriptions == "none" { ("subscription = []", "") } else { ("", subscriptions) };
        self.bench.directory(&format!(
            "{empty}\n[domain]\nid = \"dzd-1\"\n\n[[source]]\nname = \"sales\"\nconnection = \"{database}\"\nurl = \"{url}\"\n\
             admin = \"{admin}\"\npassword_env = \"ADMIN_PASSWORD\"\ntls = \"disable\"\n\n[[project]]\nid = \"risk\"\n\n\
             [[environment]]\nid = \"env-risk\"\nproject = \"risk\"\n\n\
             [[asset]]\nid = \"offices\"\nlisting = \"lst-offices\"\nsource = \"sales\"\npath = \"{offices}\"\n\n\
             [[asset]]\nid = \"employees\"\nlisting = \"lst-employees\"\nsource = \"sales\"\npath = \"{employees}\"\n{entries}"
        ));
    }

    /// An approved or ended subscription of project risk to offices.
    pub(crate) fn subscription(&self, rest: &str) {
        self.directory(&format!("\n[[subscription]]\nproject = \"risk\"\nlisting = \"lst-offices\"\n{rest}\n"));
    }

    /// User and password of env-risk, as its consumer gets them.
    pub(crate) fn login(&self) -> (String, String) {
        let run = self.bench.run(&["credentials", "env-risk", "--show-password", "--json"]).ended(0);
        let json = run.json();
        let login = (json["user"].as_str().unwrap().to_owned(), json["password"].as_str().unwrap().to_owned());
        self.bench.forget_one(&login.1);
        login
    }

    /// How many rows that login counts.
    pub(crate) fn rows(&self, (user, password): &(String, String), table: &str) -> Result<i64, String> {
        let sql = format!("SELECT count(*) FROM {}", self.path(table).split_once('.').unwrap().1);
        self.server.try_run(user, password, &self.database, &sql)
    }

    /// How many users there are of env-risk's name on this source.
    pub(crate) fn users(&self, name: &str) -> i64 {
        let sql = if self.server.postgres {
            format!("SELECT count(*) FROM pg_roles WHERE rolname = '{name}'")
        } else {
            format!("SELECT count(*) FROM mysql.user WHERE user = '{name}'")
        };
        self.server.run(&self.database, &sql)
    }
}

impl Drop for Sample<'_> {
    fn drop(&mut self) {
        // A test that failed has left users; its server is a throwaway.
        let sql = format!("DROP DATABASE {}", self.database);
        let _ = self.server.try_run(&self.server.user, &self.server.password, self.server.home(), &sql);
    }
}
