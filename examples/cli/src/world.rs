//! Puts the parts together: directory, stores, engines, portal.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use dzconn_core::fulfilment::Settings;
use dzconn_core::memory::{MemoryTracking, MemoryVault};
use dzconn_core::model::ConnectionId;
use dzconn_core::portal::{Portal as _, Question, Wanted};
use dzconn_core::store::Query;
use dzconn_core::{
    Changed, CredentialStore, Deadline, Engines, Error, ErrorKind, Fulfilment, Result, Step, TrackingStore,
};

use crate::args::{ConnectArgs, Global};
#[cfg(feature = "aws")]
use crate::backend;
use crate::backend::Backend;
use crate::catalog::DirectoryCatalog;
use crate::directory::{Directory, PasswordFrom, SourceEntry};
use crate::output::Output;
use crate::portal::DirectoryPortal;
use crate::stores;
use crate::tracked;
use crate::url;

/// The file that is read if none is named.
const DEFAULT: &str = "dzconn.toml";

/// What every command starts from.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) directory: Arc<Directory>,
    pub(crate) output: Output,
    global: Global,
}

impl World {
    /// Reads the directory file, if there is one. On AWS none is looked for: what it says has no meaning there.
    pub(crate) fn open(global: Global, output: Output) -> Result<Self> {
        if global.is_aws() {
            return Ok(Self { directory: Arc::new(Directory::empty()?), output, global });
        }
        let file = global.directory.clone().or_else(|| {
            let default = PathBuf::from(DEFAULT);
            default.exists().then_some(default)
        });
        let directory = match file {
            Some(file) => Directory::read(&file)?,
            None => Directory::empty()?,
        };
        Ok(Self { directory: Arc::new(directory), output, global })
    }

    /// Adds the source that the command line describes, if it does.
    pub(crate) fn with_source(mut self, args: &ConnectArgs) -> Result<(Self, Option<String>)> {
        if self.is_aws() && args.url.is_some() {
            let what = "--url describes a source to a command without AWS; on AWS the source's Glue connection does";
            return Err(Error::new(ErrorKind::InvalidInput, what)
                .at(Step::Input)
                .advise("leave --url, --admin and what goes with them out, and name the connection with --source")
                .changed(Changed::Nothing));
        }
        let Some(entry) = source_of(args, &self.directory)? else { return Ok((self, None)) };
        let name = entry.name.clone();
        let mut directory = match &self.directory.file {
            Some(file) => Directory::read(file)?,
            None => Directory::empty()?,
        };
        directory.sources.retain(|other| other.connection != entry.connection);
        if directory.sources.iter().any(|other| other.name == entry.name) {
            let what = format!("the directory file has another source {:?}", entry.name);
            return Err(Error::new(ErrorKind::InvalidInput, what)
                .at(Step::Input)
                .advise("give another --connection, or --source instead of --url")
                .changed(Changed::Nothing));
        }
        directory.sources.push(entry);
        self.directory = Arc::new(directory);
        Ok((self, Some(name)))
    }

    pub(crate) fn deadline(&self) -> Deadline {
        Deadline::within(Duration::from_secs(self.global.timeout))
    }

    /// Where records and secrets are; a local store is made if there is none.
    pub(crate) async fn store(&self) -> Result<Backend> {
        #[cfg(feature = "aws")]
        if self.is_aws() {
            return Ok(Backend::Aws(Box::new(self.aws().await?)));
        }
        stores::open(&self.global).await.map(Backend::Local)
    }

    /// The same; a local store must be there.
    pub(crate) async fn existing_store(&self) -> Result<Backend> {
        if self.is_aws() {
            return self.store().await;
        }
        stores::existing(&self.global).await.map(Backend::Local)
    }

    pub(crate) fn has_store(&self) -> bool {
        self.is_aws() || stores::exists(&self.global)
    }

    #[cfg(feature = "aws")]
    pub(crate) async fn aws(&self) -> Result<dzconn_aws::Aws> {
        backend::aws(&self.global).await
    }

    pub(crate) fn is_aws(&self) -> bool {
        self.global.is_aws()
    }

    pub(crate) fn fulfilment(&self, store: &Backend) -> Result<Fulfilment> {
        store.fulfilment(self, self.settings())
    }

    pub(crate) fn settings(&self) -> Settings {
        let mut settings = Settings::default();
        settings.deadline = Duration::from_secs(self.global.timeout);
        settings.lock_wait = settings.lock_wait.min(settings.deadline / 2);
        // Somebody is waiting at a terminal; whoever wants to wait longer runs the command again.
        settings.retries = 5;
        settings
    }

    /// With nothing recorded, and nothing kept.
    pub(crate) fn fulfilment_of_nothing(&self) -> Result<Fulfilment> {
        let vault = MemoryVault::new().account(self.directory.owner.account.clone(), "dzconn".parse()?);
        self.fulfilment_with(vault, MemoryTracking::new(), self.settings())
    }

    /// What the portal wants now; what it is told if there is none.
    pub(crate) async fn wanted(&self, store: Option<&Backend>, question: &Question) -> Result<Wanted> {
        #[cfg(feature = "aws")]
        if let Some(Backend::Aws(aws)) = store {
            return aws.portal().wanted(question).await;
        }
        let _ = store;
        match (&self.directory.file, &self.directory.subscriptions) {
            (Some(file), Some(_)) => DirectoryPortal::new(file.clone()).wanted(question).await,
            _ => Ok(question.told),
        }
    }

    /// The connection that goes by this name: the directory's, or on AWS its ARN or its name, which ends the ARN.
    pub(crate) async fn connection(&self, tracking: &dyn TrackingStore, name: &str) -> Result<ConnectionId> {
        if !self.is_aws() {
            return Ok(self.directory.source(name)?.connection.clone());
        }
        if name.starts_with("arn:") {
            return name.parse();
        }
        let records = tracked::sources(tracking, &Query::Sources(None)).await?;
        let is_named = |connection: &ConnectionId| {
            connection.as_str().split_once(":connection/").is_some_and(|(_, whole)| whole == name)
        };
        let found: BTreeSet<_> =
            records.into_iter().filter_map(Result::ok).map(|record| record.key.connection).filter(is_named).collect();
        let wrong = |what: String| Error::new(ErrorKind::InvalidInput, what).at(Step::Input).changed(Changed::Nothing);
        match (found.first(), found.len()) {
            (Some(connection), 1) => Ok(connection.clone()),
            (None, _) => Err(wrong(format!("nobody reads from a connection {name:?}"))),
            _ => Err(wrong(format!("{name:?} may be several connections")).advise("give the connection's whole ARN")),
        }
    }

    /// With stores of one's own.
    pub(crate) fn fulfilment_with(
        &self,
        credentials: impl CredentialStore + 'static,
        tracking: impl TrackingStore + 'static,
        settings: Settings,
    ) -> Result<Fulfilment> {
        let builder = Fulfilment::builder()
            .engines(engines())
            .credentials(credentials)
            .tracking(tracking)
            .catalog(DirectoryCatalog(Arc::clone(&self.directory)))
            .settings(settings);
        match (&self.directory.file, &self.directory.subscriptions) {
            (Some(file), Some(_)) => builder.portal(DirectoryPortal::new(file.clone())),
            _ => builder,
        }
        .build()
    }

    /// Whether there is a portal that says what an event is about: `DataZone`, or the directory file's subscriptions.
    pub(crate) fn must_have_portal(&self) -> Result<()> {
        if self.is_aws() {
            return Ok(());
        }
        let lacking =
            |what: &str, advice: &str| Error::new(ErrorKind::InvalidConfig, what).at(Step::Input).advise(advice);
        let Some(file) = &self.directory.file else {
            return Err(lacking(
                "there is no directory file that could say whom an event is about",
                "name one with --directory",
            ));
        };
        if self.directory.subscriptions.is_none() {
            return Err(lacking(
                &format!("{} says nothing about subscriptions, and an event alone is not believed", file.display()),
                "add [[subscription]] entries for what is approved, or `subscription = []` at the top if nothing is",
            ));
        }
        Ok(())
    }
}

/// The engines that this build has.
pub(crate) fn engines() -> Engines {
    let engines = Engines::new();
    #[cfg(feature = "postgres")]
    let engines = engines.with(dzconn_postgres::connector());
    #[cfg(feature = "mysql")]
    let engines = engines.with(dzconn_mysql::connector());
    #[cfg(feature = "mssql")]
    let engines = engines.with(dzconn_mssql::connector());
    #[cfg(any(feature = "oracle", feature = "oracle-odpi"))]
    let engines = engines.with(dzconn_oracle::connector());
    engines
}

fn source_of(args: &ConnectArgs, directory: &Directory) -> Result<Option<SourceEntry>> {
    let (Some(text), Some(admin)) = (&args.url, &args.admin) else { return Ok(None) };
    let wrong = |what: String| Error::new(ErrorKind::InvalidInput, what).at(Step::Input);
    let address = url::address(text).map_err(|why| wrong(format!("--url {why}")))?;
    let password = match (&args.password_env, &args.password_file) {
        (Some(name), _) => PasswordFrom::Env(name.clone()),
        (None, Some(file)) => PasswordFrom::File(file.clone()),
        (None, None) => {
            return Err(wrong("--url needs the admin's password".to_owned())
                .advise("name the variable that holds it with --password-env, or the file with --password-file"));
        }
    };
    let bundle = match &args.ca_file {
        None => None,
        Some(file) => {
            let pem = std::fs::read(file).map_err(|error| wrong(format!("--ca-file {}: {error}", file.display())))?;
            Some(dzconn_core::model::CaBundle::from_pem(pem)?)
        }
    };
    let tls =
        url::tls(args.tls.as_deref(), address.tls.as_ref(), bundle).map_err(|why| wrong(format!("--tls {why}")))?;
    let endpoint = address.endpoint;
    let name = args.connection.clone().unwrap_or_else(|| endpoint.to_string());
    let connection = name.parse()?;
    let owner = directory.owner.clone();
    Ok(Some(SourceEntry { name, connection, owner, endpoint, admin: admin.clone(), password, tls }))
}
