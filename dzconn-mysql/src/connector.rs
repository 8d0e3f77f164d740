//! Endpoint and login into a connection.

use std::time::Duration;

use async_trait::async_trait;
use dzconn_core::engine::{Action, Login, Reads, named};
use dzconn_core::model::{Credentials, Source, TableName, Tls};
use dzconn_core::{Deadline, EngineConnector, ErrorKind, Result, Secret, SourceEngine};
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlSslMode};
use sqlx::{ConnectOptions, Connection};

use crate::engine::Session;
use crate::error::{number, refused_login};
use crate::sql::{self, MAX_USER_NAME};
use crate::wire::Wire;

/// An engine with the usual time-outs.
pub fn connector() -> MySql {
    MySql { connect_timeout: Duration::from_secs(15), statement_timeout: Duration::from_secs(30) }
}

/// Opens sessions on MySQL and MariaDB. See the [crate]'s front page.
#[derive(Clone, Debug)]
pub struct MySql {
    connect_timeout: Duration,
    statement_timeout: Duration,
}

impl MySql {
    /// How long connecting may take, TLS and login included, if the caller's deadline is not earlier. 15 seconds by default.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long a statement may take, waiting for other sessions' locks included. 30 seconds by default; at least one.
    ///
    /// The server is told (`lock_wait_timeout`, and `max_statement_time` or `max_execution_time`), and a little later the
    /// session gives up by itself.
    #[must_use]
    pub fn statement_timeout(mut self, timeout: Duration) -> Self {
        self.statement_timeout = timeout.max(Duration::from_secs(1));
        self
    }

    /// Logs in, as whomever. No database is opened: the account may have rights on none yet, and a revoke must run even
    /// where the database is gone.
    async fn open(
        &self,
        source: &Source,
        user: &str,
        password: &Secret,
        deadline: Deadline,
    ) -> Result<MySqlConnection> {
        let options = options(source, user, password);
        let connecting = async { options.connect().await.map_err(|error| refused_login(error, source, user)) };
        deadline
            .at_most(self.connect_timeout)
            .run("connecting", connecting)
            .await
            .map_err(|error| error.on_source(source))
    }
}

/// All that the driver takes from elsewhere is set: it would read no environment variable or file, but its defaults fall back
/// to plain text, log slow statements in full and send settings of their own.
///
/// `mysql_clear_password` stays off, so that no server can ask for the password in clear. Without TLS,
/// `caching_sha2_password` gets it encrypted with the server's RSA key, and `mysql_native_password` only a scramble.
pub(crate) fn options(source: &Source, user: &str, password: &Secret) -> MySqlConnectOptions {
    let mode = match &source.tls {
        Tls::Disable => MySqlSslMode::Disabled,
        Tls::Require => MySqlSslMode::Required,
        Tls::VerifyCa(_) => MySqlSslMode::VerifyCa,
        // What a later version adds is at least as strict.
        _ => MySqlSslMode::VerifyIdentity,
    };
    let mut options = MySqlConnectOptions::new()
        .host(&source.endpoint.host)
        .port(source.endpoint.port)
        .username(user)
        .password(password.expose())
        .ssl_mode(mode)
        .charset("utf8mb4")
        // The session sets names, mode and the rest itself, in one round trip.
        .set_names(false)
        .pipes_as_concat(false)
        .no_engine_substitution(false)
        .timezone(None)
        .statement_cache_capacity(0)
        .enable_cleartext_plugin(false)
        .disable_statement_logging();
    if let Some(ca) = source.tls.ca() {
        options = options.ssl_ca_from_pem(ca.pem().to_vec());
    }
    options
}

#[async_trait]
impl EngineConnector for MySql {
    fn subprotocols(&self) -> &'static [&'static str] {
        &["mysql", "mariadb"]
    }

    fn max_user_name(&self) -> usize {
        MAX_USER_NAME
    }

    async fn connect(&self, source: &Source, deadline: Deadline) -> Result<Box<dyn SourceEngine>> {
        let connection = self.open(source, &source.admin.user, &source.admin.password, deadline).await?;
        let wire = Wire::new(connection, source, self.statement_timeout);
        let session = deadline.run("starting the session", Session::start(wire)).await;
        Ok(named(source, session.map_err(|error| error.on_source(source))?))
    }

    async fn log_in(
        &self,
        source: &Source,
        credentials: &Credentials,
        table: Option<&TableName>,
        deadline: Deadline,
    ) -> Result<Login> {
        let connection = match self.open(source, credentials.user.as_str(), &credentials.password, deadline).await {
            Ok(connection) => connection,
            Err(error) if error.kind() == ErrorKind::AdminLoginRefused => return Ok(Login::Refused),
            Err(error) => return Err(error),
        };
        let Some(table) = table else {
            // The answer is there; how the connection ends changes nothing.
            let _ = deadline.run("logging out", async { Ok(connection.close().await) }).await;
            return Ok(Login::In(None));
        };
        let mut wire = Wire::new(connection, source, self.statement_timeout);
        let answers =
            deadline.run("reading as the user", wire.run(vec![sql::names(), sql::look::probe(table)])).await?;
        let reads = match answers.refused {
            None => Reads::Yes(vec!["that user's own session".to_owned()]),
            Some(refusal) if refusal.is_denied() => Reads::No,
            Some(refusal) if matches!(refusal.kind(), ErrorKind::TableNotFound | ErrorKind::NameTooLong) => Reads::No,
            // A view that does not work, or whose definer may not read what is below it.
            Some(refusal) if refusal.number() == number::INVALID_VIEW => Reads::No,
            Some(refusal) => return Err(refusal.into_error("reading as the user").on_source(source)),
        };
        let _ = deadline.run("logging out", wire.close()).await;
        Ok(Login::In(Some(reads)))
    }

    fn statements(&self, _source: &Source, action: &Action) -> Vec<String> {
        // What cannot be named cannot be run either; the plan says why.
        sql::plan(action).unwrap_or_else(|error| vec![format!("-- {error}")])
    }
}
