//! Another client than dzconn: what the consumer, or the database's owner, sees.

use dzconn_core::Secret;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlSslMode};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, Row as _};

use super::server::Kind;

/// An open session.
#[derive(Debug)]
pub(super) enum Client {
    Postgres(PgConnection),
    MariaDb(MySqlConnection),
}

/// What the server answers instead of doing it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    PermissionDenied,
    LoginRefused,
    /// The session was ended.
    Ended,
    Other(String),
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::PermissionDenied => f.write_str("permission denied"),
            Self::LoginRefused => f.write_str("login refused"),
            Self::Ended => f.write_str("session ended"),
            Self::Other(code) => write!(f, "refused with {code}"),
        }
    }
}

pub(super) type Seen<T> = std::result::Result<T, Refusal>;

impl Client {
    /// Logs in. Every option is set: the driver would take the rest from the environment.
    pub(super) async fn log_in(kind: Kind, port: u16, user: &str, password: &Secret) -> Seen<Self> {
        Self::log_in_to(kind, port, user, password, kind.database()).await
    }

    /// Logs in to another database than the sample's.
    pub(super) async fn log_in_to(kind: Kind, port: u16, user: &str, password: &Secret, database: &str) -> Seen<Self> {
        match kind {
            Kind::Postgres => {
                let options = PgConnectOptions::new_without_pgpass()
                    .host("127.0.0.1")
                    .port(port)
                    .username(user)
                    .password(password.expose())
                    .database(database)
                    .ssl_mode(PgSslMode::Disable)
                    .options([("search_path", "pg_catalog")])
                    .disable_statement_logging();
                options.connect().await.map(Self::Postgres).map_err(refusal)
            }
            Kind::MariaDb => {
                let options = MySqlConnectOptions::new()
                    .host("127.0.0.1")
                    .port(port)
                    .username(user)
                    .password(password.expose())
                    .ssl_mode(MySqlSslMode::Disabled)
                    .disable_statement_logging();
                options.connect().await.map(Self::MariaDb).map_err(refusal)
            }
        }
    }

    /// Runs statements that answer nothing. Only this module's callers' own text goes in here.
    pub(super) async fn run(&mut self, statements: String) -> Seen<()> {
        let sql = sqlx::raw_sql(AssertSqlSafe(statements));
        match self {
            Self::Postgres(connection) => connection.execute(sql).await.map(|_| ()).map_err(refusal),
            Self::MariaDb(connection) => connection.execute(sql).await.map(|_| ()).map_err(refusal),
        }
    }

    /// The one number that a query answers.
    pub(super) async fn number(&mut self, query: String) -> Seen<i64> {
        let sql = sqlx::raw_sql(AssertSqlSafe(query));
        match self {
            Self::Postgres(connection) => {
                connection.fetch_one(sql).await.and_then(|row| row.try_get(0)).map_err(refusal)
            }
            Self::MariaDb(connection) => {
                connection.fetch_one(sql).await.and_then(|row| row.try_get(0)).map_err(refusal)
            }
        }
    }

    /// How many rows a table has.
    pub(super) async fn rows(&mut self, table: &str) -> Seen<i64> {
        self.number(format!("SELECT count(*) FROM {table}")).await
    }

    pub(super) async fn close(self) {
        // Whether the server hears the farewell does not matter.
        let _ = match self {
            Self::Postgres(connection) => connection.close().await,
            Self::MariaDb(connection) => connection.close().await,
        };
    }
}

/// By code: PostgreSQL's SQLSTATE, MariaDB's error number.
fn refusal(error: sqlx::Error) -> Refusal {
    match error {
        sqlx::Error::Database(error) => {
            let number = error
                .try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>()
                .map(sqlx::mysql::MySqlDatabaseError::number);
            let state = error.code().unwrap_or_default();
            match (number, state.as_ref()) {
                // ER_TABLEACCESS_DENIED_ERROR, ER_DBACCESS_DENIED_ERROR, ER_SPECIFIC_ACCESS_DENIED_ERROR
                (Some(1142 | 1044 | 1227), _) | (None, "42501") => Refusal::PermissionDenied,
                // ER_ACCESS_DENIED_ERROR, ER_ACCOUNT_HAS_BEEN_LOCKED; invalid password, invalid authorization
                (Some(1045 | 4151), _) | (None, "28P01" | "28000") => Refusal::LoginRefused,
                // ER_CONNECTION_KILLED; admin shutdown
                (Some(1927), _) | (None, "57P01") => Refusal::Ended,
                (Some(number), _) => Refusal::Other(format!("MariaDB {number}")),
                (None, state) => Refusal::Other(format!("PostgreSQL {state}")),
            }
        }
        sqlx::Error::Io(_) | sqlx::Error::WorkerCrashed => Refusal::Ended,
        // The text may hold what was sent.
        _ => Refusal::Other("an answer that was not understood".to_owned()),
    }
}
