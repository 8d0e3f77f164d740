//! A world in memory whose ports can be watched, slowed down and broken.

use std::time::Duration;

use dzconn_core::fulfilment::Settings;
use dzconn_core::memory::{MemoryCatalog, MemoryEngine, MemoryPortal, MemoryTracking, MemoryVault};
use dzconn_core::model::*;
use dzconn_core::portal::Wanted;
use dzconn_core::store::*;
use dzconn_core::testkit::faults::Faults;
use dzconn_core::workflow::{Granted, Outcome, Revoked};
use dzconn_core::{EngineConnector, Engines, Error, Fulfilment};

pub(crate) const PRODUCER: &str = "111111111111";
pub(crate) const CONSUMER: &str = "222222222222";

pub(crate) fn id<T: std::str::FromStr<Err = Error>>(text: &str) -> T {
    text.parse().unwrap()
}

pub(crate) fn table(name: &str) -> TableName {
    TableName::in_schema("sales", "hr", name).unwrap()
}

fn watched(
    spy: &Faults,
    engine: &MemoryEngine,
    vault: &MemoryVault,
    catalog: &MemoryCatalog,
    portal: &MemoryPortal,
    deadline: Duration,
    tracking: impl TrackingStore + 'static,
) -> Fulfilment {
    let mut settings = Settings::default();
    settings.reader = Some("arn:aws:iam::{account}:role/reader".into());
    settings.deadline = deadline;
    settings.backoff = Duration::from_micros(100);
    settings.lock_wait = deadline.min(Duration::from_secs(10));
    Fulfilment::builder()
        .engines(Engines::new().with(spy.watch(engine.clone())))
        .credentials(spy.watch(vault.account(id(PRODUCER), id("arn:aws:iam::111111111111:role/producer"))))
        .copies(spy.watch(vault.account(id(CONSUMER), id("arn:aws:iam::222222222222:role/reader"))))
        .tracking(spy.watch(tracking))
        .catalog(catalog.clone())
        .portal(portal.clone())
        .settings(settings)
        .build()
        .unwrap()
}

/// Producer and consumer in accounts of their own, everything in memory, every call seen by one spy.
pub(crate) struct World {
    pub(crate) engine: MemoryEngine,
    pub(crate) vault: MemoryVault,
    pub(crate) tracking: MemoryTracking,
    pub(crate) catalog: MemoryCatalog,
    pub(crate) portal: MemoryPortal,
    pub(crate) spy: Faults,
    pub(crate) fulfilment: Fulfilment,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::over(|tracking| tracking)
    }

    /// With something around the tracking tables.
    pub(crate) fn over<T: TrackingStore + 'static>(wrap: impl FnOnce(MemoryTracking) -> T) -> Self {
        Self::within(Duration::from_secs(20), wrap)
    }

    /// The same, and runs have so much time.
    pub(crate) fn within<T: TrackingStore + 'static>(
        deadline: Duration,
        wrap: impl FnOnce(MemoryTracking) -> T,
    ) -> Self {
        let engine = MemoryEngine::new();
        for name in ["employees", "offices", "salaries"] {
            engine.add_table(&table(name));
        }
        let (spy, vault, tracking) = (Faults::default(), MemoryVault::new(), MemoryTracking::new());
        let (catalog, portal) = (MemoryCatalog::new(), MemoryPortal::new());
        catalog.add(engine.source());
        let fulfilment = watched(&spy, &engine, &vault, &catalog, &portal, deadline, wrap(tracking.clone()));
        Self { engine, vault, tracking, catalog, portal, spy, fulfilment }
    }

    /// The same world, for runs that have so much time.
    pub(crate) fn hurried(&self, deadline: Duration) -> Fulfilment {
        let Self { engine, vault, tracking, catalog, portal, spy, .. } = self;
        watched(spy, engine, vault, catalog, portal, deadline, tracking.clone())
    }

    /// The same world by way of another portal.
    pub(crate) fn through(&self, portal: impl dzconn_core::Portal + 'static) -> Fulfilment {
        self.by_way_of(self.engine.clone(), portal)
    }

    /// The same world by way of another connector and portal.
    pub(crate) fn by_way_of(
        &self,
        engine: impl EngineConnector + 'static,
        portal: impl dzconn_core::Portal + 'static,
    ) -> Fulfilment {
        let mut settings = Settings::default();
        settings.reader = Some("arn:aws:iam::{account}:role/reader".into());
        Fulfilment::builder()
            .engines(Engines::new().with(engine))
            .credentials(self.vault.account(id(PRODUCER), id("arn:aws:iam::111111111111:role/producer")))
            .copies(self.vault.account(id(CONSUMER), id("arn:aws:iam::222222222222:role/reader")))
            .tracking(self.tracking.clone())
            .catalog(self.catalog.clone())
            .portal(portal)
            .settings(settings)
            .build()
            .unwrap()
    }

    /// An asset published from the table of that name, for one environment.
    pub(crate) fn subscription(&self, table: &str) -> Subscription {
        self.published(table, table)
    }

    pub(crate) fn published(&self, asset: &str, table: &str) -> Subscription {
        let owner = |account: &str| Owner::new(id(account), id("eu-west-1"));
        Subscription {
            domain: id("dzd_1"),
            consumer: Consumer { project: id("fin"), environment: id("env1"), owner: owner(CONSUMER) },
            asset: Asset { id: id(asset), revision: "1".into(), asset_type: "GlueTableAssetType".into() },
            listing: Listing { id: id(&format!("lst-{asset}")), name: asset.into(), revision: "1".into() },
            location: Location {
                connection: self.engine.source().connection,
                path: id(&format!("sales.hr.{table}")),
                owner: owner(PRODUCER),
            },
            subscription: None,
            event: None,
        }
    }

    pub(crate) fn want(&self, subscription: &Subscription, wanted: Wanted) {
        self.portal.want(subscription.consumer.project.clone(), subscription.listing.id.clone(), Ok(wanted));
    }

    pub(crate) async fn grant(&self, subscription: &Subscription) -> Granted {
        self.want(subscription, Wanted::Grant);
        match self.fulfilment.grant(subscription).await.unwrap() {
            Outcome::Granted(granted) => granted,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn revoke(&self, subscription: &Subscription) -> Revoked {
        self.want(subscription, Wanted::Revoke);
        match self.fulfilment.revoke(subscription).await.unwrap() {
            Outcome::Revoked(revoked) => revoked,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn row(&self, subscription: &Subscription) -> Option<AssetRecord> {
        let key = Key::Asset(subscription.consumer.environment.clone(), subscription.asset.id.clone());
        match self.tracking.read(&[key]).await.unwrap().pop().flatten()?.record {
            Record::Asset(row) => Some(row),
            other => panic!("{other:?}"),
        }
    }

    /// Records that the portal wants a grant of the asset, as for producers who may not ask it.
    pub(crate) async fn record_answer(&self, asset: &str) {
        let record = WantedRecord {
            environment: id("env1"),
            asset: id(asset),
            wanted: Wanted::Grant,
            last_updated: dzconn_core::Timestamp::now(),
        };
        let changes = vec![Change::put(Expect::Absent, Version::from_bits(7), Record::Wanted(record))];
        self.tracking.commit(&Transaction { changes }).await.unwrap();
    }

    /// Turns what tracking has into what an older system would have written.
    pub(crate) async fn make_older(&self) {
        for (key, stored) in self.tracking.snapshot().iter() {
            let mut record = stored.record.clone();
            match &mut record {
                Record::Source(source) => {
                    source.older = source.data_assets.clone();
                    source.settled = 0;
                }
                Record::Entry(_) => {
                    let changes = vec![Change::remove(key.clone(), Expect::Anything)];
                    self.tracking.commit(&Transaction { changes }).await.unwrap();
                    continue;
                }
                Record::Asset(row) => row.place = None,
                Record::Mapping(_) | Record::Wanted(_) | Record::Bucket(_) | Record::Objects(_) => {}
            }
            self.tracking.insert(key.clone(), Stored { version: None, record });
        }
    }

    /// The tables that the environment's secret opens, or what is wrong.
    pub(crate) fn readable(&self) -> Vec<&'static str> {
        let live = self.vault.live();
        let copy = live.iter().find(|(account, ..)| account.as_str() == CONSUMER);
        let Some((_, _, credentials)) = copy else { return Vec::new() };
        let reads = |name: &&str| self.engine.read_as(credentials, &table(name));
        ["employees", "offices", "salaries"].into_iter().filter(reads).collect()
    }

    pub(crate) fn assert_nothing_left(&self, after: &str) {
        assert!(self.tracking.snapshot().is_empty(), "{after}: {:?}", self.tracking.snapshot());
        assert!(self.vault.live().is_empty(), "{after}: {:?}", self.vault.live());
        assert_eq!(self.engine.snapshot().users().count(), 0, "{after}: {:?}", self.engine.snapshot());
    }
}
