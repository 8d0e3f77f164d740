//! Endpoint and login into a connection.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use dzconn_core::engine::{Action, Login, Reads, named};
use dzconn_core::model::{Credentials, Source, TableName, Target, Tls};
use dzconn_core::{Deadline, EngineConnector, Error, ErrorKind, Result, Secret, SourceEngine};
use futures_util::future::select_ok;
use tiberius::{AuthMethod, Client, Config, EncryptionLevel, SqlBrowser};
use tokio::net::TcpStream;
use tokio_util::compat::TokioAsyncWriteCompatExt;

use crate::engine::Session;
use crate::error::{number, refused_login, unreachable};
use crate::sql::{self, MAX_NAME, look};
use crate::wire::{Connection, Wire, columns};

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

    /// Whether a database that does not open for a user is open, and it is the user that it refuses. That is asked in master,
    /// which every login may enter.
    ///
    /// # Errors
    /// It cannot be told.
    async fn is_shut_out(&self, source: &Source, user: &Credentials, deadline: Deadline) -> Result<bool> {
        let Some(name) = source.endpoint.database() else { return Ok(false) };
        let mut master = source.clone();
        master.endpoint.target = Target::Database("master".to_owned());
        let connection = match self.open(&master, user.user.as_str(), &user.password, deadline).await {
            Ok(connection) => connection,
            // No login's: that of a contained user, whose database is open since it knew the password.
            Err(error) if error.kind() == ErrorKind::AdminLoginRefused => return Ok(true),
            Err(error) if error.vendor_code() == Some(CANNOT_OPEN) => return Ok(false),
            Err(error) => return Err(error),
        };
        let mut wire = Wire::new(connection, source, self.statement_timeout);
        let answers = deadline.run("looking for the database", wire.run(sql::look::database(name))).await;
        let answers = answers.and_then(|answers| answers.or_refused("the database cannot be looked for"));
        let answers = answers.map_err(|error| error.on_source(source))?;
        let found = answers.rows(0).first().map(|row| columns(row));
        let _ = deadline.run("logging out", wire.close()).await;
        Ok(found.is_some_and(|[_, can_enter, _, state]| can_enter == "0" && state == "ONLINE"))
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

/// How long one address is tried before the next one is tried as well.
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(250);

/// Connects to the address of the host that answers first: the name of an availability group's listener has one in every
/// subnet, and only one of them is in use.
async fn reach(host: &str, port: u16, source: &Source) -> Result<TcpStream> {
    let reached = async {
        let addresses: Vec<SocketAddr> = tokio::net::lookup_host((host, port)).await?.collect();
        let stream = race(addresses).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    };
    reached.await.map_err(|error| unreachable(error, source))
}

pub(crate) async fn race(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let tries = addresses.into_iter().zip(0..).map(|(address, place): (_, u32)| {
        Box::pin(async move {
            tokio::time::sleep(NEXT_ADDRESS_AFTER * place).await;
            TcpStream::connect(address).await
        })
    });
    let tries: Vec<_> = tries.collect();
    if tries.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the host has no address"));
    }
    let (stream, _others) = select_ok(tries).await?;
    Ok(stream)
}

fn no_instance(error: tiberius::error::Error, source: &Source) -> Error {
    Error::new(ErrorKind::Unreachable, "SQL Server Browser did not say where the instance is")
        .because(error)
        .advise("let this host reach the server at UDP port 1434, or better name the instance's port in the URL")
        .on_source(source)
}

/// What a server says of a database that is missing, closed to the login, offline, being restored or failing over.
const CANNOT_OPEN: &str = "SQL Server 4060";

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
            Err(error) if error.vendor_code() == Some(CANNOT_OPEN) => {
                return if Box::pin(self.is_shut_out(source, credentials, deadline)).await? {
                    Ok(Login::Refused)
                } else {
                    Err(error)
                };
            }
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
        None => Ok(Reads::Yes(vec!["that user's own session".to_owned()])),
        // It may not read that, nor enter the database; or there is none.
        Some(refusal) if matches!(refusal.kind(), ErrorKind::AdminDenied | ErrorKind::TableNotFound) => Ok(Reads::No),
        Some(refusal) if refusal.number() == number::BROKEN_VIEW => Ok(Reads::No),
        Some(refusal) => Err(refusal.into_error("reading as the user")),
    }
}
