//! From an endpoint and a login to a connection: TLS, time-outs, and nothing out of the environment.

use std::env;
use std::time::Duration;

use async_trait::async_trait;
use dzconn_core::engine::{Action, Login, named};
use dzconn_core::model::{Credentials, Source, TableName, Target, Tls};
use dzconn_core::{Deadline, EngineConnector, Error, ErrorKind, Result, Secret, SourceEngine};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{ConnectOptions, Connection};

use crate::engine::Session;
use crate::{error, sql};

/// The engine for PostgreSQL, with its time-outs at their defaults: 15 seconds to connect, 30 for a statement.
pub fn connector() -> Postgres {
    Postgres { connect_timeout: Duration::from_secs(15), statement_timeout: Duration::from_secs(30) }
}

/// Opens sessions on PostgreSQL, Aurora and RDS; made by [`connector`].
#[derive(Clone, Debug)]
pub struct Postgres {
    connect_timeout: Duration,
    statement_timeout: Duration,
}

impl Postgres {
    /// How long connecting may take, logging in included; the caller's deadline counts where it is earlier.
    #[must_use]
    pub fn connect_timeout(mut self, time: Duration) -> Self {
        self.connect_timeout = time;
        self
    }

    /// How long the server may work on one statement. Waiting for the lock is not counted.
    #[must_use]
    pub fn statement_timeout(mut self, time: Duration) -> Self {
        self.statement_timeout = time;
        self
    }

    async fn open(&self, source: &Source, user: &str, password: &Secret, deadline: Deadline) -> Result<PgConnection> {
        let options = options(source, user, password)?;
        let doing = format!("connecting as {user:?}");
        let connecting = async { options.connect().await.map_err(|cause| error::of_connect(cause, &doing)) };
        deadline.at_most(self.connect_timeout).run(&doing, connecting).await
    }

    async fn start(&self, connection: PgConnection, deadline: Deadline) -> Result<Session> {
        let start = Session::start(connection, self.statement_timeout);
        deadline.at_most(self.connect_timeout).run("preparing the session", start).await
    }
}

#[async_trait]
impl EngineConnector for Postgres {
    fn subprotocols(&self) -> &'static [&'static str] {
        &["postgresql"]
    }

    fn max_user_name(&self) -> usize {
        sql::MAX_NAME
    }

    async fn connect(&self, source: &Source, deadline: Deadline) -> Result<Box<dyn SourceEngine>> {
        let session = async {
            let connection = self.open(source, &source.admin.user, &source.admin.password, deadline).await?;
            self.start(connection, deadline).await?.check_admin()
        };
        Ok(named(source, session.await.map_err(|error| error.on_source(source))?))
    }

    async fn log_in(
        &self,
        source: &Source,
        credentials: &Credentials,
        table: Option<&TableName>,
        deadline: Deadline,
    ) -> Result<Login> {
        let user = &credentials.user;
        let connection = match self.open(source, user.as_str(), &credentials.password, deadline).await {
            Ok(connection) => connection,
            // Wrong password, unknown or disabled user, no right to connect to the database.
            Err(error) if matches!(error::code(&error), "28P01" | "28000" | "42501") => return Ok(Login::Refused),
            Err(error) => return Err(error.on_source(source)),
        };
        let Some(table) = table else {
            // They have logged in, whatever becomes of the farewell.
            let _ = deadline.run("closing", async { Ok(connection.close().await) }).await;
            return Ok(Login::In(None));
        };
        let reads = async {
            let mut session = self.start(connection, deadline).await?;
            let reads = deadline.run("looking up privileges", session.reads(user, table)).await?;
            let _ = deadline.run("closing", Box::new(session).close()).await;
            Ok::<_, Error>(reads)
        };
        Ok(Login::In(Some(reads.await.map_err(|error| error.on_source(source))?)))
    }

    fn statements(&self, source: &Source, action: &Action) -> Vec<String> {
        let planned = database(source).and_then(|database| sql::plan(action, database));
        planned.unwrap_or_else(|error| vec![format!("-- {}", format!("{error}").escape_debug())])
    }
}

/// The database that a source's sessions are in.
fn database(source: &Source) -> Result<&str> {
    match &source.endpoint.target {
        Target::Database(name) => Ok(name),
        Target::Default => Ok("postgres"),
        Target::Service(_) | Target::Sid(_) | Target::Descriptor(_) => Err(Error::new(
            ErrorKind::InvalidConfig,
            format!("{} names an Oracle service; PostgreSQL has databases", source.endpoint),
        )),
    }
}

/// Refuses environment variables that the driver reads and offers no way to override.
pub(crate) fn check_environment(is_set: impl Fn(&str) -> bool) -> Result<()> {
    match ["PGOPTIONS", "PGSSLCERT", "PGSSLKEY"].into_iter().find(|variable| is_set(variable)) {
        None => Ok(()),
        Some(variable) => Err(Error::new(
            ErrorKind::InvalidConfig,
            format!("the environment variable {variable} is set, and would change what a session is"),
        )
        .advise(format!("unset {variable} for this process"))),
    }
}

/// Options with every member set: the driver starts from the environment (`PGHOST`, `PGPASSWORD`, `PGSSLMODE` ...).
fn options(source: &Source, user: &str, password: &Secret) -> Result<PgConnectOptions> {
    check_environment(|variable| env::var_os(variable).is_some())?;
    let database = database(source)?;
    // The start-up message is a list of strings that end with NUL.
    if [&*source.endpoint.host, database, user].iter().any(|text| text.is_empty() || text.contains('\0')) {
        return Err(Error::new(ErrorKind::InvalidInput, "host, database or user name is empty or has a NUL"));
    }
    let (mode, ca) = match &source.tls {
        Tls::Disable => (PgSslMode::Disable, None),
        Tls::Require => (PgSslMode::Require, None),
        Tls::VerifyCa(ca) => (PgSslMode::VerifyCa, ca.as_ref()),
        // A mode that is added later is not weaker than the strictest of today.
        Tls::VerifyFull(_) | _ => (PgSslMode::VerifyFull, source.tls.ca()),
    };
    Ok(PgConnectOptions::new_without_pgpass()
        .host(&source.endpoint.host)
        .port(source.endpoint.port)
        .username(user)
        .password(password.expose())
        .database(database)
        .ssl_mode(mode)
        .ssl_root_cert_from_pem(ca.map(|ca| ca.pem().to_vec()).unwrap_or_default())
        .application_name("dzconn")
        .extra_float_digits(None)
        .disable_statement_logging())
}
