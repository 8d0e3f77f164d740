//! Turns an approved data subscription into real, least-privilege database access, and takes it away again.
//!
//! A team publishes a table; another subscribes; the producer approves. This crate then makes one database user per consumer
//! environment, grants read on exactly that table, keeps the credentials in a secret store, tracks everything, and undoes
//! all of it on revoke. It knows the domain and the rules, and nothing of SQL dialects or clouds: those are behind a few
//! traits.
//!
//! # Where to begin
//!
//! - To grant and revoke from your own service: [`Fulfilment`].
//! - To add a database engine: [`engine::SourceEngine`] and [`engine::EngineConnector`], and the conformance suite in
//!   `testkit` (feature of that name).
//! - To keep secrets or records elsewhere: [`store::CredentialStore`], [`store::TrackingStore`].
//! - To say where connections and subscriptions are: [`Catalog`], [`Portal`].
//! - To let environments read objects in S3: [`bucket`].
//! - To equip environments when they come and clean them when they go: [`Environments`].
//! - To try things out without any of this: [`memory`].
//! - To see why it survives crashes and concurrent runs: [`workflow`].
//!
//! # An example
//!
//! ```
//! use dzconn_core::memory::{MemoryCatalog, MemoryEngine, MemoryTracking, MemoryVault};
//! use dzconn_core::model::*;
//! use dzconn_core::workflow::Outcome;
//! use dzconn_core::{Engines, Fulfilment};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> dzconn_core::Result<()> {
//! // A source with one table. Real ones come from dzconn-postgres, dzconn-mysql ...
//! let engine = MemoryEngine::new();
//! let table = TableName::in_schema("sales", "hr", "employees")?;
//! engine.add_table(&table);
//! let catalog = MemoryCatalog::new();
//! catalog.add(engine.source());
//!
//! let account = AccountId::new("111122223333")?;
//! let fulfilment = Fulfilment::builder()
//!     .engines(Engines::new().with(engine.clone()))
//!     .credentials(MemoryVault::new().account(account.clone(), Principal::new("dzconn")?))
//!     .tracking(MemoryTracking::new())
//!     .catalog(catalog)
//!     .build()?;
//!
//! let owner = Owner::new(account, Region::new("eu-west-1")?);
//! let subscription = Subscription {
//!     domain: DomainId::new("dzd_1")?,
//!     consumer: Consumer { project: ProjectId::new("fin")?, environment: EnvironmentId::new("env-finance")?, owner: owner.clone() },
//!     asset: Asset { id: AssetId::new("a1")?, revision: "1".into(), asset_type: "GlueTableAssetType".into() },
//!     listing: Listing { id: ListingId::new("l1")?, name: "employees".into(), revision: "1".into() },
//!     location: Location { connection: engine.source().connection, path: AssetPath::new("sales.hr.employees")?, owner },
//!     subscription: None,
//!     event: None,
//! };
//! let Outcome::Granted(granted) = fulfilment.grant(&subscription).await? else { unreachable!("nobody contradicts") };
//! assert!(engine.read_as(&granted.credentials, &table));
//!
//! fulfilment.revoke(&subscription).await?;
//! assert!(!engine.read_as(&granted.credentials, &table));
//! # Ok(())
//! # }
//! ```
//!
//! # What a grant costs
//!
//! One connection to the source, which later runs reuse, and one login as the user. On the source one call each to lock,
//! find the table, make the user, grant and read back, and unlock; seven calls to the tracking store, three of which write;
//! seven to the credential stores for the first grant of a user, four for the next. A test counts them. None of it grows with
//! the number of assets that the environment has.
//!
//! # Features
//!
//! - `sqlite`: tracking and credentials in one local file.
//! - `testkit`: the conformance suites.

pub mod audit;
pub mod bucket;
pub mod catalog;
pub mod engine;
pub mod environment;
mod error;
pub mod event;
pub mod fulfilment;
pub mod memory;
pub mod model;
mod outcome;
pub mod password;
pub mod portal;
pub mod reconcile;
mod secret;
pub mod sql;
#[cfg(feature = "sqlite")]
pub mod sqlite;
pub mod store;
#[cfg(feature = "testkit")]
pub mod testkit;
mod time;
pub mod uninstall;
pub mod workflow;

pub use catalog::Catalog;
pub use engine::{EngineConnector, Engines, SourceEngine};
pub use environment::Environments;
pub use error::{Changed, Error, ErrorKind, Result, Step, Subject};
pub use fulfilment::Fulfilment;
pub use portal::Portal;
pub use secret::Secret;
pub use store::{CredentialStore, TrackingStore};
pub use time::{Deadline, Timestamp};
