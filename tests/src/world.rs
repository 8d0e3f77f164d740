//! The whole workflow over a fixture's source: a fulfilment with a local store of its own.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::PathBuf;

use dzconn_core::fulfilment::Settings;
use dzconn_core::memory::MemoryCatalog;
use dzconn_core::model::{
    AccountId, Asset, AssetId, AssetPath, ConnectionId, Consumer, DomainId, EnvironmentId, Listing, ListingId,
    Location, Owner, ProjectId, Region, Source, Subscription, TableName, UserName, UserNaming,
};
use dzconn_core::sqlite::{LocalOptions, LocalStore};
use dzconn_core::store::{Query, TrackingStore as _};
use dzconn_core::testkit::engine::EngineFixture;
use dzconn_core::workflow::{Granted, Outcome, Revoked};
use dzconn_core::{Deadline, Engines, Fulfilment, Result};

use crate::engine::trouble;

/// All engines.
#[must_use]
pub fn engines() -> Engines {
    Engines::new()
        .with(dzconn_postgres::connector())
        .with(dzconn_mysql::connector())
        .with(dzconn_mssql::connector())
        .with(dzconn_oracle::connector().driver(crate::engine::oracle::reach()))
}

/// One environment's subscription to the table of a path; its asset's id follows from the path.
pub fn subscription(connection: &ConnectionId, environment: &str, path: &str) -> Result<Subscription> {
    let mut hash = DefaultHasher::new();
    path.hash(&mut hash);
    let id = format!("{:016x}", hash.finish());
    let owner = Owner::new(AccountId::new("111122223333")?, Region::new("eu-west-1")?);
    Ok(Subscription {
        domain: DomainId::new("dzd_test")?,
        consumer: Consumer {
            project: ProjectId::new("project")?,
            environment: EnvironmentId::new(environment)?,
            owner: owner.clone(),
        },
        asset: Asset { id: AssetId::new(&*id)?, revision: "1".into(), asset_type: "GlueTableAssetType".into() },
        listing: Listing { id: ListingId::new(id)?, name: path.into(), revision: "1".into() },
        location: Location { connection: connection.clone(), path: AssetPath::new(path)?, owner },
        subscription: None,
        event: None,
    })
}

/// A fulfilment over one source, with a store in a folder that goes with it.
#[derive(Debug)]
pub struct World {
    /// What grants and revokes.
    pub fulfilment: Fulfilment,
    /// Its store.
    pub store: LocalStore,
    /// The source that it works on.
    pub source: Source,
    /// Where that is looked up.
    pub catalog: MemoryCatalog,
    environment: String,
    folder: tempfile::TempDir,
}

impl World {
    /// For a source, reached as the admin that it names.
    pub async fn new(source: Source) -> Result<Self> {
        Self::with(source, Settings::default()).await
    }

    /// With settings of one's own.
    pub async fn with(source: Source, settings: Settings) -> Result<Self> {
        let folder = tempfile::tempdir().map_err(|error| trouble(error.to_string()))?;
        let store = LocalStore::open(folder.path().join("store.sqlite"), LocalOptions::new()).await?;
        let catalog = MemoryCatalog::new();
        catalog.add(source.clone());
        let fulfilment = fulfilment(&store, &catalog, settings)?;
        // The environment is in the user's name, and tests share a server.
        let environment = format!("env-{}", crate::engine::tag());
        Ok(Self { fulfilment, store, source, catalog, environment, folder })
    }

    /// From now on by another process, which knows nothing yet, with these settings.
    pub fn restart(&mut self, settings: Settings) -> Result<()> {
        self.fulfilment = fulfilment(&self.store, &self.catalog, settings)?;
        Ok(())
    }

    /// From now on for another environment.
    pub fn move_on(&mut self) {
        self.environment = format!("env-{}", crate::engine::tag());
    }

    /// Back to an environment of before.
    pub fn go_back(&mut self, environment: &str) {
        environment.clone_into(&mut self.environment);
    }

    /// Grants or revokes.
    pub async fn run(&self, table: &TableName, grants: bool) -> Result<Outcome> {
        let subscription = self.subscription(table)?;
        if grants { self.fulfilment.grant(&subscription).await } else { self.fulfilment.revoke(&subscription).await }
    }

    /// The name of the environment's user.
    pub fn user(&self, fixture: &dyn EngineFixture) -> Result<UserName> {
        let key = self.subscription(&fixture.table("any"))?.key();
        let connector = fixture.connector();
        Ok(connector.fold_user_name(UserNaming::default().name(&key, connector.max_user_name())?))
    }

    /// The environment's id.
    pub fn environment(&self) -> &str {
        &self.environment
    }

    /// Where the store is.
    pub fn store_path(&self) -> PathBuf {
        self.folder.path().join("store.sqlite")
    }

    /// The environment's subscription to a table.
    pub fn subscription(&self, table: &TableName) -> Result<Subscription> {
        subscription(&self.source.connection, &self.environment, &table.joined())
    }

    /// Grants, which must work.
    pub async fn grant(&self, table: &TableName) -> Result<Granted> {
        match self.fulfilment.grant(&self.subscription(table)?).await? {
            Outcome::Granted(granted) => Ok(granted),
            other => Err(trouble(format!("granting ended as {other:?}"))),
        }
    }

    /// Revokes, which must work.
    pub async fn revoke(&self, table: &TableName) -> Result<Revoked> {
        match self.fulfilment.revoke(&self.subscription(table)?).await? {
            Outcome::Revoked(revoked) => Ok(revoked),
            other => Err(trouble(format!("revoking ended as {other:?}"))),
        }
    }

    /// What is left in the store: records, and secrets that are not burnt.
    pub async fn left(&self) -> Result<Vec<String>> {
        let mut left = Vec::new();
        for query in [Query::Sources(None), Query::Assets(None), Query::Mappings] {
            for stored in self.store.tracking().list(&query, None).await?.records {
                left.push(format!("{:?}", stored?.record));
            }
        }
        left.extend(self.live_secrets().await?);
        Ok(left)
    }

    /// The names of the secrets that hold a value, read from the file itself.
    pub async fn live_secrets(&self) -> Result<Vec<String>> {
        use sqlx::Connection as _;
        let database = |error: sqlx::Error| trouble(error.to_string());
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(self.store_path());
        let mut connection = sqlx::SqliteConnection::connect_with(&options).await.map_err(database)?;
        let names = sqlx::query_scalar("SELECT name FROM secrets WHERE value IS NOT NULL ORDER BY name")
            .fetch_all(&mut connection)
            .await
            .map_err(database)?;
        connection.close().await.map_err(database)?;
        Ok(names)
    }
}

fn fulfilment(store: &LocalStore, catalog: &MemoryCatalog, settings: Settings) -> Result<Fulfilment> {
    let builder = Fulfilment::builder().engines(engines()).catalog(catalog.clone()).settings(settings);
    builder.credentials(store.credentials()).tracking(store.tracking()).build()
}

/// Whether the source has this user.
pub async fn user_exists(fixture: &dyn EngineFixture, user: &UserName) -> Result<bool> {
    let deadline = Deadline::within(std::time::Duration::from_secs(20));
    let mut session = fixture.connector().connect(&fixture.source(), deadline).await?;
    let exists = session.user_exists(user).await?;
    session.close().await?;
    Ok(exists)
}
