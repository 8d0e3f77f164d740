//! Endpoint and login into a connection.

use std::time::Duration;

use async_trait::async_trait;
use dzconn_core::engine::{Action, Login, Reads};
use dzconn_core::model::{Credentials, Source, TableName, Target, Tls};
use dzconn_core::{Deadline, EngineConnector, Error, ErrorKind, Result, Secret, SourceEngine};
use tiberius::{AuthMethod, Client, Config, EncryptionLevel, SqlBrowser};
use tokio::net::TcpStream;
use tokio_util::compat::TokioAsyncWriteCompatExt;

use crate::engine::Session;
use crate::error::{refused_login, unreachable};
use crate::sql::{self, MAX_NAME, look};
use crate::wire::{Connection, Wire};

/// An engine with the usual time-outs.
pub fn connector() -> SqlServer {
    SqlServer { connect_timeout: Duration::from_secs(15), statement_timeout: Duration::from_secs(30) }
}

/// Opens sessions on SQL Server, Azure SQL and RDS. See the [crate]'s front page.
#[derive(Clone, Debug)]
pub struct SqlServer {
    connect_timeout: Duration,
    statement_timeout: Duration,
}

impl SqlServer {
    /// How long connecting may take, TLS and login included, if the caller's deadline is not earlier. 15 seconds by default.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long a statement may take, waiting for other sessions' locks included. 30 seconds by default; at least one.
    ///
    /// The server is told how long to wait for locks (`SET LOCK_TIMEOUT`), and a little later the session gives up by itself.
    #[must_use]
    pub fn statement_timeout(mut self, timeout: Duration) -> Self {
        self.statement_timeout = timeout.max(Duration::from_secs(1));
        self
    }

    /// Logs in, as whomever.
    async fn open(&self, source: &Source, user: &str, password: &Secret, deadline: Deadline) -> Result<Connection> {
        let options = config(source, user, password)?;
        deadline
            .at_most(self.connect_timeout)
            .run("connecting", connect(options, source, user))
            .await
            .map_err(|error| error.on_source(source))
    }
}

/// Connects, once more where the server sends its client elsewhere (Azure SQL's "Redirect" connection policy). It says so on
/// the connection that has been verified.
async fn connect(mut options: Config, source: &Source, user: &str) -> Result<Connection> {
    let stream = match &source.endpoint.instance {
        // What answers at the host's SQL Browser is a port; who listens there is for TLS to tell.
        Some(_) => TcpStream::connect_named(&options).await.map_err(|error| no_instance(error, source))?,
        None => reach(&source.endpoint.host, source.endpoint.port, source).await?,
    };
    // The driver's futures are large.
    match Box::pin(Client::connect(options.clone(), stream.compat_write())).await {
        Err(tiberius::error::Error::Routing { host, port }) => {
            options.host(&host);
            options.port(port);
            let stream = reach(&host, port, source).await?;
            Box::pin(Client::connect(options, stream.compat_write())).await
        }
        connection => connection,
    }
    .map_err(|error| refused_login(error, source, user))
}

async fn reach(host: &str, port: u16, source: &Source) -> Result<TcpStream> {
    let stream = TcpStream::connect((host, port)).await.map_err(|error| unreachable(error, source))?;
    stream.set_nodelay(true).map_err(|error| unreachable(error, source))?;
    Ok(stream)
}

fn no_instance(error: tiberius::error::Error, source: &Source) -> Error {
    Error::new(ErrorKind::Unreachable, "SQL Server Browser did not say where the instance is")
        .because(error)
        .advise("let this host reach the server at UDP port 1434, or better name the instance's port in the URL")
        .on_source(source)
}

/// A name that no certificate has, and no host.
const NOBODY: &str = "plain-text-was-demanded.invalid";

/// All that the driver takes from elsewhere is set: its roots would come from the operating system or from where
/// `SSL_CERT_FILE` points; here they are Mozilla's, built in.
pub(crate) fn config(source: &Source, user: &str, password: &Secret) -> Result<Config> {
    let mut config = Config::new();
    config.host(&source.endpoint.host);
    match &source.endpoint.instance {
        Some(instance) => config.instance_name(instance),
        None => config.port(source.endpoint.port),
    }
    if let Some(database) = database(source)? {
        config.database(database);
    }
    config.application_name("dzconn");
    config.authentication(AuthMethod::sql_server(user, password.expose()));
    // The engine has its own deadlines.
    config.handshake_timeout(None);
    config.command_timeout(None);
    match &source.tls {
        Tls::Disable => {
            config.encryption(EncryptionLevel::NotSupported);
            // A server that forces encryption is not what was asked for: its certificate never fits.
            config.trust_webpki_roots();
            config.hostname_in_certificate(NOBODY);
        }
        Tls::Require => {
            config.encryption(EncryptionLevel::Required);
            config.trust_cert();
        }
        // The driver checks signature and name together.
        Tls::VerifyCa(ca) | Tls::VerifyFull(ca) => {
            config.encryption(EncryptionLevel::Required);
            config.trust_webpki_roots();
            if let Some(ca) = ca {
                config.trust_cert_ca_bundle(ca.pem());
            }
        }
        // What a later version adds is at least as strict.
        _ => {
            config.encryption(EncryptionLevel::Required);
            config.trust_webpki_roots();
        }
    }
    Ok(config)
}

/// The database that a source's sessions are in; without one, it is the login's default.
fn database(source: &Source) -> Result<Option<&str>> {
    match &source.endpoint.target {
        Target::Database(name) => Ok(Some(name)),
        Target::Default => Ok(None),
        Target::Service(_) | Target::Sid(_) | Target::Descriptor(_) => Err(Error::new(
            ErrorKind::InvalidConfig,
            format!("{} names an Oracle service; SQL Server has databases", source.endpoint),
        )
        .on_source(source)),
    }
}

#[async_trait]
impl EngineConnector for SqlServer {
    fn subprotocols(&self) -> &'static [&'static str] {
        &["sqlserver"]
    }

    fn max_user_name(&self) -> usize {
        MAX_NAME
    }

    async fn connect(&self, source: &Source, deadline: Deadline) -> Result<Box<dyn SourceEngine>> {
        let connection = self.open(source, &source.admin.user, &source.admin.password, deadline).await?;
        let wire = Wire::new(connection, source, self.statement_timeout);
        let start = Session::start(wire, self.statement_timeout);
        let session = deadline.run("starting the session", start).await;
        Ok(Box::new(session.map_err(|error| error.on_source(source))?))
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
        let mut wire = Wire::new(connection, source, self.statement_timeout);
        let reads = match table {
            None => None,
            Some(table) => {
                let own = source.endpoint.database();
                let reads = deadline.run("reading as the user", may_read(&mut wire, own, table)).await;
                Some(reads.map_err(|error| error.on_source(source))?)
            }
        };
        // The answer is there; how the connection ends changes nothing.
        let _ = deadline.run("logging out", wire.close()).await;
        Ok(Login::In(reads))
    }

    fn statements(&self, source: &Source, action: &Action) -> Vec<String> {
        // What cannot be named cannot be run either; the plan says why.
        let planned = sql::plan(action, source.endpoint.database());
        planned.unwrap_or_else(|error| vec![format!("-- {}", error.to_string().escape_debug())])
    }
}

/// Asks the session whether it may read a table.
async fn may_read(wire: &mut Wire, own: Option<&str>, table: &TableName) -> Result<Reads> {
    let Some(object) = sql::object(table) else { return Ok(Reads::No) };
    let place = (own != Some(table.database())).then_some(table.database());
    let answers = wire.run(look::probe(place, object)).await?;
    match answers.refused {
        None if answers.rows(0).first().and_then(|row| row.first()).is_some_and(|value| value == "1") => {
            Ok(Reads::Yes(vec!["that user's own session".to_owned()]))
        }
        None => Ok(Reads::No),
        // It may not enter the database, or there is none.
        Some(refusal) if matches!(refusal.kind(), ErrorKind::AdminDenied | ErrorKind::TableNotFound) => Ok(Reads::No),
        Some(refusal) => Err(refusal.into_error("reading as the user")),
    }
}
