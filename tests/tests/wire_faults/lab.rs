//! Servers of this suite's own, which it may stop, fill and lock.

use std::sync::Arc;

use dzconn_core::model::TableName;
use dzconn_test_servers::{MariaDb, Postgres, Server as Throwaway, Stop};
use dzconn_tests::engine::{Admin, Fixture, Server, mysql, postgres};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, MySqlConnection, PgConnection};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Product {
    Postgres,
    MariaDb,
}

impl Product {
    pub(crate) const ALL: [Self; 2] = [Self::Postgres, Self::MariaDb];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::MariaDb => "mariadb",
        }
    }
}

/// Why there is no server.
#[derive(Debug)]
pub(crate) enum Failed {
    NotInstalled(String),
    Other(String),
}

enum Own {
    Postgres(Postgres),
    MariaDb(MariaDb),
}

/// A server, with a place for fixtures on it.
pub(crate) struct Lab {
    pub(crate) product: Product,
    own: Own,
    place: Arc<dyn Server>,
}

/// A superuser's session.
pub(crate) enum Session {
    Postgres(PgConnection),
    MariaDb(MySqlConnection),
}

impl Session {
    pub(crate) async fn close(self) {
        let _ = match self {
            Self::Postgres(session) => session.close().await,
            Self::MariaDb(session) => session.close().await,
        };
    }

    pub(crate) async fn run(&mut self, sql: &str) {
        let done = match self {
            Self::Postgres(session) => session.execute(sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))).await.map(drop),
            Self::MariaDb(session) => session.execute(sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))).await.map(drop),
        };
        done.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
}

impl Lab {
    pub(crate) async fn start(product: Product) -> Result<Self, Failed> {
        let started = tokio::task::spawn_blocking(move || match product {
            Product::Postgres => Postgres::start(None).map(Own::Postgres),
            Product::MariaDb => MariaDb::start().map(Own::MariaDb),
        });
        let own = started.await.unwrap().map_err(|error| match error {
            dzconn_test_servers::Error::NotInstalled { .. } => Failed::NotInstalled(error.to_string()),
            error => Failed::Other(error.to_string()),
        })?;
        let other = |error: dzconn_core::Error| Failed::Other(error.to_string());
        let place: Arc<dyn Server> = match &own {
            Own::Postgres(server) => Arc::new(postgres::Postgres::start(&server.url()).await.map_err(other)?),
            Own::MariaDb(server) => Arc::new(mysql::MySql::start(&server.url()).await.map_err(other)?),
        };
        let lab = Self { product, own, place };
        lab.be_durable().await;
        Ok(lab)
    }

    /// A crash must not undo what was answered; throwaway servers are not made for that.
    async fn be_durable(&self) {
        let mut session = self.session(None).await;
        for sql in match self.product {
            Product::Postgres => ["ALTER SYSTEM SET synchronous_commit = on", "SELECT pg_reload_conf()"],
            Product::MariaDb => ["SET GLOBAL innodb_flush_log_at_trx_commit = 1", "FLUSH PRIVILEGES"],
        } {
            session.run(sql).await;
        }
    }

    /// One with tables of its own. It is not ended: it goes with the server.
    pub(crate) async fn fixture(&self) -> Box<dyn Fixture> {
        self.place.fixture(Admin::LeastPrivileged).await.unwrap()
    }

    /// The superuser's, in the database of a table.
    pub(crate) async fn session(&self, table: Option<&TableName>) -> Session {
        self.try_session(table).await.expect("the superuser gets in")
    }

    /// The same; `None` if the server refuses it.
    pub(crate) async fn try_session(&self, table: Option<&TableName>) -> Option<Session> {
        let url = match &self.own {
            Own::Postgres(server) => server.url(),
            Own::MariaDb(server) => server.url(),
        };
        match (self.product, table) {
            (Product::Postgres, Some(table)) => {
                let (server, _) = url.rsplit_once('/').unwrap();
                PgConnection::connect(&format!("{server}/{}", table.database())).await.ok().map(Session::Postgres)
            }
            (Product::Postgres, None) => PgConnection::connect(&url).await.ok().map(Session::Postgres),
            (Product::MariaDb, _) => MySqlConnection::connect(&url).await.ok().map(Session::MariaDb),
        }
    }

    /// A table as statements name it.
    pub(crate) fn quoted(&self, table: &TableName) -> String {
        match self.product {
            Product::Postgres => format!("\"{}\".\"{}\"", table.schema().unwrap(), table.name()),
            Product::MariaDb => format!("`{}`.`{}`", table.database(), table.name()),
        }
    }

    fn server(&mut self) -> &mut Throwaway {
        match &mut self.own {
            Own::Postgres(server) => server,
            Own::MariaDb(server) => server,
        }
    }

    pub(crate) fn halt(&mut self, how: Stop) {
        self.server().halt(how).unwrap();
    }

    pub(crate) async fn resume(&mut self) {
        self.server().resume().unwrap();
        self.be_durable().await;
    }

    /// As [`resume`](Self::resume), where nothing can be written.
    pub(crate) fn stand_by(&mut self) {
        self.server().resume().unwrap();
    }

    /// A file in the folder of its data.
    pub(crate) fn data_file(&mut self, name: &str) -> std::path::PathBuf {
        self.server().folder().join("data").join(name)
    }
}
