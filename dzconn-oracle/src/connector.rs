//! Endpoint and login into a connection.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dzconn_core::engine::{Action, Login as LoggedIn, Reads, named};
use dzconn_core::model::{Credentials, Source, TableName, UserName};
use dzconn_core::{Deadline, EngineConnector, Error, ErrorKind, Result, Secret, SourceEngine};

use crate::driver::{Connection, Driver, Login};
use crate::engine::{Session, must_be_encrypted, texts};
use crate::error::{explained, may_not_look, number, refused_login};
use crate::sql::{self, MAX_USER_NAME, Profile, Table, User, look};
use crate::wire::{self, Abandoned, Wire};

/// An engine with the usual time-outs, over the driver that it was built with: with the feature `thin`, as by default, that one,
/// whatever else is on; with the feature `odpi` alone, that one. Nothing is chosen at run time, and no driver stands in for
/// another.
pub fn connector() -> Oracle {
    Oracle {
        driver: built_in(),
        profile: "DZCONN".to_owned(),
        connect_timeout: Duration::from_secs(15),
        statement_timeout: Duration::from_secs(30),
        abandoned: Abandoned::default(),
    }
}

#[cfg(feature = "thin")]
fn built_in() -> Option<Arc<dyn Driver>> {
    Some(Arc::new(crate::driver::thin()))
}

#[cfg(all(feature = "odpi", not(feature = "thin")))]
fn built_in() -> Option<Arc<dyn Driver>> {
    Some(Arc::new(crate::driver::odpi()))
}

#[cfg(not(any(feature = "odpi", feature = "thin")))]
fn built_in() -> Option<Arc<dyn Driver>> {
    None
}

/// Opens sessions on Oracle Database. See the [crate]'s front page.
#[derive(Clone, Debug)]
pub struct Oracle {
    driver: Option<Arc<dyn Driver>>,
    profile: String,
    connect_timeout: Duration,
    statement_timeout: Duration,
    /// One count for all clones.
    abandoned: Abandoned,
}

impl Oracle {
    /// Uses this driver.
    #[must_use]
    pub fn driver(mut self, driver: Arc<dyn Driver>) -> Self {
        self.driver = Some(driver);
        self
    }

    /// The profile of the users that dzconn makes, in exactly this spelling; `DZCONN` by default. It is made when it is missing,
    /// with a password life time without limit and all else as in the DEFAULT profile. One that is there is never changed.
    #[must_use]
    pub fn profile(mut self, name: impl Into<String>) -> Self {
        self.profile = name.into();
        self
    }

    /// How long connecting may take, TLS and login included, if the caller's deadline is not earlier. 15 seconds by default.
    ///
    /// Then the caller is free. A driver that hangs on a silent listener keeps a thread and a socket until the other end closes
    /// it; should a connection come about after all, it is closed at once. While sixteen such calls hang, no more are begun
    /// ([`Unreachable`](ErrorKind::Unreachable)).
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long a statement may take, waiting for other sessions' locks included. 30 seconds by default; at least one.
    ///
    /// The server is told for DDL (`DDL_LOCK_TIMEOUT`, two thirds of it), the driver for each call, and a little later the
    /// session gives up by itself. After that it is of no use; its connection is closed when the call returns, and never used
    /// again.
    #[must_use]
    pub fn statement_timeout(mut self, timeout: Duration) -> Self {
        self.statement_timeout = timeout.max(Duration::from_secs(1));
        self
    }

    fn named_profile(&self) -> Result<Profile> {
        Profile::new(&self.profile)
            .ok_or_else(|| Error::new(ErrorKind::InvalidConfig, format!("{:?} is no profile's name", self.profile)))
    }

    /// Logs in, as whomever. The user is given as clients write it.
    async fn open(
        &self,
        source: &Source,
        user: &str,
        password: &Secret,
        deadline: Deadline,
    ) -> Result<Box<dyn Connection>> {
        let driver = self.driver.as_ref().ok_or_else(|| {
            Error::new(ErrorKind::InvalidConfig, "dzconn-oracle was built without a driver")
                .advise("build it with the feature `thin` or `odpi`, or give the connector a driver")
                .on_source(source)
        })?;
        let login = Login {
            endpoint: source.endpoint.clone(),
            user: user.to_owned(),
            password: password.clone(),
            tls: source.tls.clone(),
        };
        let opened = wire::connect(driver, login, deadline.at_most(self.connect_timeout), &self.abandoned).await;
        opened.map_err(|error| error.on_source(source))?.map_err(|refused| refused_login(&refused, source, user))
    }

    /// What the session may read.
    async fn look(&self, wire: &mut Wire, source: &Source, table: Option<&TableName>) -> Result<LoggedIn> {
        if source.tls.is_encrypted() {
            let came = wire.run(look::protocol()).await?;
            let came =
                texts(&came.map_err(|refused| explained(refused, "the server did not say how the session came"))?);
            must_be_encrypted(came.first().and_then(|row| row.first()).map_or("", String::as_str), source)?;
        }
        let Some(table) = table else { return Ok(LoggedIn::In(None)) };
        let Some(table) = Table::new(table) else { return Ok(LoggedIn::In(Some(Reads::No))) };
        let reads = match wire.run(look::probe(table)).await? {
            Ok(_) => Reads::Yes(vec!["that user's own session".to_owned()]),
            Err(refused) if may_not_look(&refused) || refused.kind() == ErrorKind::TableNotFound => Reads::No,
            // A view that does not work, or whose owner may not read what is below it.
            Err(refused) if refused.number() == number::INVALID_VIEW => Reads::No,
            Err(refused) => return Err(explained(refused, "reading as the user")),
        };
        Ok(LoggedIn::In(Some(reads)))
    }
}

#[async_trait]
impl EngineConnector for Oracle {
    fn subprotocols(&self) -> &'static [&'static str] {
        &["oracle"]
    }

    fn max_user_name(&self) -> usize {
        MAX_USER_NAME
    }

    /// JDBC clients fold a name that is not in quotes to upper case, so that any other could not log in by its secret alone.
    fn fold_user_name(&self, name: UserName) -> UserName {
        UserName::new(name.as_str().to_uppercase()).unwrap_or(name)
    }

    async fn connect(&self, source: &Source, deadline: Deadline) -> Result<Box<dyn SourceEngine>> {
        let profile = self.named_profile()?;
        let connection = self.open(source, &source.admin.user, &source.admin.password, deadline).await?;
        let wire = Wire::new(connection, source, self.statement_timeout, &self.abandoned);
        let session = deadline.run("starting the session", Session::start(wire, source, profile)).await;
        Ok(named(source, session.map_err(|error| error.on_source(source))?))
    }

    async fn log_in(
        &self,
        source: &Source,
        credentials: &Credentials,
        table: Option<&TableName>,
        deadline: Deadline,
    ) -> Result<LoggedIn> {
        // No server has such a user, or such a password.
        let Ok(user) = User::new(&credentials.user) else { return Ok(LoggedIn::Refused) };
        if sql::Password::new(&credentials.password).is_err() {
            return Ok(LoggedIn::Refused);
        }
        let connection = match self.open(source, &look::login_name(user), &credentials.password, deadline).await {
            Ok(connection) => connection,
            Err(error) if error.kind() == ErrorKind::AdminLoginRefused => return Ok(LoggedIn::Refused),
            Err(error) => return Err(error),
        };
        let mut wire = Wire::new(connection, source, self.statement_timeout, &self.abandoned);
        let login = deadline.run("reading as the user", self.look(&mut wire, source, table)).await;
        let login = login.map_err(|error| error.on_source(source))?;
        // The answer is there; how the connection ends changes nothing.
        let _ = deadline.run("logging out", wire.close()).await;
        Ok(login)
    }

    fn statements(&self, _source: &Source, action: &Action) -> Vec<String> {
        // What cannot be named cannot be run either; the plan says why.
        let plan = self.named_profile().and_then(|profile| sql::plan(action, &profile));
        plan.unwrap_or_else(|error| vec![format!("-- {error}")])
    }
}
