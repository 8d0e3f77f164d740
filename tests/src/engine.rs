//! Real servers for the conformance suite of engines.

pub mod harness;
pub mod mssql;
pub mod mysql;
pub mod oracle;
pub mod postgres;

use std::env;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dzconn_core::model::{AdminLogin, TableName};
use dzconn_core::testkit::engine::EngineFixture;
use dzconn_core::{Error, ErrorKind, Result};
use tokio::time::timeout;

/// How long a server may take to answer at all.
const ANSWERS_WITHIN: Duration = Duration::from_secs(20);

/// As whom the engine works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admin {
    /// Somebody who may do everything.
    Superuser,
    /// Somebody with exactly the privileges that the engine's documentation asks for.
    LeastPrivileged,
}

impl Admin {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Superuser, Self::LeastPrivileged];

    /// As it stands in a test's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Superuser => "superuser",
            Self::LeastPrivileged => "least_privileged",
        }
    }
}

/// A server that somebody started for tests, and where this process has a place of its own.
#[async_trait]
pub trait Server: Debug + Send + Sync {
    /// Kind and version, such as `postgres-15`.
    fn name(&self) -> &str;

    /// A new fixture; nothing of it is shared with others.
    async fn fixture(&self, admin: Admin) -> Result<Box<dyn Fixture>>;

    /// Whether other processes find it too.
    fn is_for_all_processes(&self) -> bool {
        true
    }

    /// Removes this process's place. Fixtures have ended by then.
    async fn end(&self) -> Result<()>;
}

/// A fixture that has made things on its server.
#[async_trait]
pub trait Fixture: EngineFixture {
    /// A second admin with the same privileges as the first, on these tables too. It goes with the fixture.
    async fn second_admin(&self, tables: &[TableName]) -> Result<AdminLogin>;

    /// Runs by hand what an error says, as whom it says.
    async fn by_hand(&self, who: &str, sql: &str) -> Result<()>;

    /// Removes them.
    async fn end(&self) -> Result<()>;
}

/// A kind of server, and the environment variables that say where some are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// PostgreSQL.
    Postgres,
    /// MySQL or MariaDB.
    MySql,
    /// SQL Server or Azure SQL Database.
    SqlServer,
    /// Oracle Database; besides servers, simulators in this process.
    Oracle,
}

impl Kind {
    /// All.
    pub const ALL: [Self; 4] = [Self::Postgres, Self::MySql, Self::SqlServer, Self::Oracle];

    /// As it stands in the name of a test that has no server.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::MySql => "mysql",
            Self::SqlServer => "mssql",
            Self::Oracle => "oracle",
        }
    }

    /// One is for several URLs, separated by spaces, the other for one that a user names.
    pub const fn variables(self) -> [&'static str; 2] {
        match self {
            Self::Postgres => ["DZCONN_TEST_POSTGRES_URLS", "DZCONN_TEST_POSTGRES_URL"],
            Self::MySql => ["DZCONN_TEST_MYSQL_URLS", "DZCONN_TEST_MYSQL_URL"],
            Self::SqlServer => ["DZCONN_TEST_MSSQL_URLS", "DZCONN_TEST_MSSQL_URL"],
            Self::Oracle => ["DZCONN_TEST_ORACLE_URLS", "DZCONN_TEST_ORACLE_URL"],
        }
    }

    /// The URLs, each once.
    fn urls(self) -> Vec<String> {
        let texts: Vec<_> = self.variables().iter().filter_map(|variable| env::var(variable).ok()).collect();
        let mut urls: Vec<String> = Vec::new();
        for url in texts.iter().flat_map(|text| text.split_whitespace()) {
            if !urls.iter().any(|known| known == url) {
                urls.push(url.to_owned());
            }
        }
        urls
    }

    /// What is there without being named.
    fn simulated(self) -> Vec<String> {
        if self == Self::Oracle { oracle::simulated() } else { Vec::new() }
    }

    /// Whether some are there without being named, and none is named.
    pub fn is_only_simulated(self) -> bool {
        !self.simulated().is_empty() && self.urls().is_empty()
    }

    /// Makes a place on every server that is named; an error for each that does not answer.
    pub async fn servers(self) -> Vec<Result<Arc<dyn Server>>> {
        let mut servers = Vec::new();
        for url in self.simulated().into_iter().chain(self.urls()) {
            servers.push(match timeout(ANSWERS_WITHIN, self.start(&url)).await {
                Ok(server) => server,
                Err(_) => Err(trouble(format!("the {} server has not answered", self.name()))),
            });
        }
        servers
    }

    async fn start(self, url: &str) -> Result<Arc<dyn Server>> {
        Ok(match self {
            Self::Postgres => Arc::new(postgres::Postgres::start(url).await?),
            Self::MySql => Arc::new(mysql::MySql::start(url).await?),
            Self::SqlServer => Arc::new(mssql::SqlServer::start(url).await?),
            Self::Oracle => Arc::new(oracle::start(url).await?),
        })
    }
}

/// The tests' own work failed: that says nothing about an engine.
pub(crate) fn trouble(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Unexpected, what).advise("this is the test's own connection to the server, not the engine's")
}

/// In the names of whatever is made.
#[must_use]
pub fn tag() -> String {
    format!("{:08x}", rand::random::<u32>())
}
