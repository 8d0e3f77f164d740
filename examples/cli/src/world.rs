//! Puts the parts together: directory, stores, engines, portal.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use dzconn_core::fulfilment::Settings;
use dzconn_core::{
    Changed, CredentialStore, Deadline, Engines, Error, ErrorKind, Fulfilment, Result, Step, TrackingStore,
};

use crate::args::{ConnectArgs, Global};
use crate::catalog::DirectoryCatalog;
use crate::directory::{Directory, PasswordFrom, SourceEntry};
use crate::output::Output;
use crate::portal::DirectoryPortal;
use crate::stores::{self, LocalStore};
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
    /// Reads the directory file, if there is one.
    pub(crate) fn open(global: Global, output: Output) -> Result<Self> {
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

    /// The store, made if there is none.
    pub(crate) async fn store(&self) -> Result<LocalStore> {
        stores::open(&self.global).await
    }

    /// The store that must be there.
    pub(crate) async fn existing_store(&self) -> Result<LocalStore> {
        stores::existing(&self.global).await
    }

    pub(crate) fn has_store(&self) -> bool {
        stores::exists(&self.global)
    }

    pub(crate) fn fulfilment(&self, store: &LocalStore) -> Result<Fulfilment> {
        self.fulfilment_with(store.credentials(), store.tracking())
    }

    /// With stores of one's own.
    pub(crate) fn fulfilment_with(
        &self,
        credentials: impl CredentialStore + 'static,
        tracking: impl TrackingStore + 'static,
    ) -> Result<Fulfilment> {
        let mut settings = Settings::default();
        settings.deadline = Duration::from_secs(self.global.timeout);
        settings.lock_wait = settings.lock_wait.min(settings.deadline / 2);
        // Somebody is waiting at a terminal; whoever wants to wait longer runs the command again.
        settings.retries = 5;
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

    /// The file, for commands that can do nothing without the portal's side of it.
    pub(crate) fn portal_file(&self) -> Result<&PathBuf> {
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
        Ok(file)
    }
}

/// The engines that this build has.
pub(crate) fn engines() -> Engines {
    let engines = Engines::new();
    #[cfg(feature = "postgres")]
    let engines = engines.with(dzconn_postgres::connector());
    #[cfg(feature = "mysql")]
    let engines = engines.with(dzconn_mysql::connector());
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
