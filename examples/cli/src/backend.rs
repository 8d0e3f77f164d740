//! Where secrets and tracking records are: in a file of this machine, or on AWS.

use std::sync::Arc;

use dzconn_core::fulfilment::Settings;
use dzconn_core::model::{Source, SourceRecord};
use dzconn_core::{Catalog as _, CredentialStore, Fulfilment, Result, TrackingStore};

use crate::stores::LocalStore;
use crate::world::World;

/// Stores, and whatever else a grant needs beside the directory.
#[derive(Debug)]
pub(crate) enum Backend {
    /// One file.
    Local(LocalStore),
    /// Tables in the governance account, secrets in each account.
    #[cfg(feature = "aws")]
    Aws(Box<dzconn_aws::Aws>),
}

impl Backend {
    pub(crate) fn tracking(&self) -> Arc<dyn TrackingStore> {
        match self {
            Self::Local(store) => Arc::new(store.tracking()),
            #[cfg(feature = "aws")]
            Self::Aws(aws) => Arc::new(aws.tracking().clone()),
        }
    }

    /// The store with the consumer's copy.
    #[cfg_attr(not(feature = "aws"), allow(unused_variables, reason = "one file holds them all"))]
    pub(crate) async fn copies(&self, record: &SourceRecord) -> Result<Arc<dyn CredentialStore>> {
        match self {
            Self::Local(store) => Ok(Arc::new(store.credentials())),
            #[cfg(feature = "aws")]
            Self::Aws(aws) => {
                let owner = consumer(aws, record).await?;
                dzconn_core::store::CredentialStores::of(aws.secrets(), &owner).await
            }
        }
    }

    /// How to reach a record's source as the admin.
    pub(crate) async fn source(&self, world: &World, record: &SourceRecord) -> Result<Source> {
        let connection = &record.key.connection;
        match self {
            Self::Local(_) => crate::catalog::DirectoryCatalog(Arc::clone(&world.directory)).source(connection).await,
            #[cfg(feature = "aws")]
            Self::Aws(aws) => aws.catalog().source(connection).await,
        }
    }

    pub(crate) fn fulfilment(&self, world: &World, settings: Settings) -> Result<Fulfilment> {
        match self {
            Self::Local(store) => world.fulfilment_with(store.credentials(), store.tracking(), settings),
            #[cfg(feature = "aws")]
            Self::Aws(aws) => aws.fulfilment(crate::world::engines(), settings),
        }
    }

    pub(crate) async fn close(&self) {
        match self {
            Self::Local(store) => store.close().await,
            #[cfg(feature = "aws")]
            Self::Aws(_) => {}
        }
    }
}

/// Where the consumer lives: the mapping says it.
#[cfg(feature = "aws")]
async fn consumer(aws: &dzconn_aws::Aws, record: &SourceRecord) -> Result<dzconn_core::model::Owner> {
    use dzconn_core::store::{Key, Record};

    let secret = record.generation.as_ref().and_then(|generation| generation.secret_id.clone());
    if let Some(secret) = secret
        && let Some(stored) = aws.tracking().read(&[Key::Mapping(secret)]).await?.pop().flatten()
        && let Record::Mapping(mapping) = stored.record
    {
        return Ok(mapping.owner);
    }
    Ok(record.owner.clone())
}

/// The variable that names the configuration file.
#[cfg(feature = "aws")]
const CONFIG: &str = "DZCONN_CONFIG";

/// AWS, as the environment, a profile and the configuration file say.
#[cfg(feature = "aws")]
pub(crate) async fn aws(global: &crate::args::Global) -> Result<dzconn_aws::Aws> {
    use dzconn_core::{Changed, Error, ErrorKind, Step};

    let wrong = |what: String| Error::new(ErrorKind::InvalidConfig, what).at(Step::Input).changed(Changed::Nothing);
    let variable = || std::env::var_os(CONFIG).filter(|path| !path.is_empty()).map(Into::into);
    let file = match global.config.clone().or_else(variable) {
        None => None,
        Some(path) => Some(
            std::fs::read_to_string(&path)
                .map_err(|error| wrong(format!("{} cannot be read: {error}", path.display())))?,
        ),
    };
    let config = dzconn_aws::Config::read(file.as_deref(), std::env::vars_os());
    let config = config.map_err(|error| error.changed(Changed::Nothing))?;
    let accounts = dzconn_aws::Accounts::from_env(config, global.profile.as_deref()).await;
    Ok(dzconn_aws::Aws::new(accounts.map_err(|error| error.changed(Changed::Nothing))?).await)
}
