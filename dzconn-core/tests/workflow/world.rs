//! A world in memory whose ports can be watched, slowed down and broken.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use dzconn_core::engine::{Action, Created, EngineConnector, Lock, LockKey, Login, Reads, SourceEngine};
use dzconn_core::fulfilment::Settings;
use dzconn_core::memory::{MemoryCatalog, MemoryEngine, MemoryPortal, MemoryTracking, MemoryVault};
use dzconn_core::model::*;
use dzconn_core::portal::Wanted;
use dzconn_core::store::*;
use dzconn_core::workflow::{Granted, Outcome, Revoked};
use dzconn_core::{CredentialStore, Deadline, Engines, Error, ErrorKind, Fulfilment, Result, TrackingStore};

pub(crate) const PRODUCER: &str = "111111111111";
pub(crate) const CONSUMER: &str = "222222222222";

pub(crate) fn id<T: std::str::FromStr<Err = Error>>(text: &str) -> T {
    text.parse().unwrap()
}

pub(crate) fn table(name: &str) -> TableName {
    TableName::in_schema("sales", "hr", name).unwrap()
}

/// When a call fails: before it had its effect, or after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    Before,
    After,
}

/// Sees every call of every port, yields before and after it, and may let one fail.
#[derive(Clone, Default)]
pub(crate) struct Spy(Arc<Mutex<SpyState>>);

#[derive(Default)]
struct SpyState {
    calls: Vec<&'static str>,
    fault: Option<(usize, When, ErrorKind)>,
}

impl fmt::Debug for Spy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Spy")
    }
}

impl Spy {
    /// The calls since it was last asked, in order.
    pub(crate) fn calls(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.0.lock().unwrap().calls)
    }

    /// Lets the n-th call from now fail. A session's calls fail by losing the session, or for good.
    pub(crate) fn fail(&self, n: usize, when: When, kind: ErrorKind) {
        let mut state = self.0.lock().unwrap();
        state.calls.clear();
        state.fault = Some((n, when, kind));
    }

    pub(crate) fn heal(&self) {
        self.0.lock().unwrap().fault = None;
    }

    pub(crate) async fn around<T>(&self, name: &'static str, call: impl Future<Output = Result<T>>) -> Result<T> {
        let fault = {
            let mut state = self.0.lock().unwrap();
            let n = state.calls.len();
            state.calls.push(name);
            state.fault.filter(|(at, ..)| *at == n)
        };
        tokio::task::yield_now().await;
        if let Some((_, When::Before, kind)) = fault {
            return Err(Error::new(kind, "injected before the call"));
        }
        let result = call.await;
        tokio::task::yield_now().await;
        match fault {
            Some((_, When::After, kind)) => Err(Error::new(kind, "injected after the call")),
            _ => result,
        }
    }
}

#[derive(Clone, Debug)]
struct Spied<T>(T, Spy);

#[derive(Debug)]
struct SpiedSession(Box<dyn SourceEngine>, Spy);

macro_rules! spied {
    ($self:ident, $name:literal, $call:expr) => {{
        let spy = $self.1.clone();
        spy.around($name, $call).await
    }};
}

#[async_trait]
impl TrackingStore for Spied<MemoryTracking> {
    async fn read(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>> {
        spied!(self, "tracking.read", self.0.read(keys))
    }
    async fn commit(&self, transaction: &Transaction) -> Result<WriteOutcome> {
        spied!(self, "tracking.commit", self.0.commit(transaction))
    }
    async fn list(&self, query: &Query, after: Option<&Cursor>) -> Result<Page> {
        spied!(self, "tracking.list", self.0.list(query, after))
    }
}

#[async_trait]
impl<T: CredentialStore> CredentialStore for Spied<T> {
    async fn read(&self, name: &SecretName) -> Result<Slot> {
        spied!(self, "secret.read", self.0.read(name))
    }
    async fn inspect(&self, name: &SecretName) -> Result<Slot> {
        spied!(self, "secret.inspect", self.0.inspect(name))
    }
    async fn read_shared(&self, id: &SecretId) -> Result<Slot> {
        spied!(self, "secret.read_shared", self.0.read_shared(id))
    }
    async fn create(&self, name: &SecretName, secret: &NewSecret) -> Result<Slot> {
        spied!(self, "secret.create", self.0.create(name, secret))
    }
    async fn replace(&self, name: &SecretName, seen: &SecretVersion, secret: &NewSecret) -> Result<WriteOutcome> {
        spied!(self, "secret.replace", self.0.replace(name, seen, secret))
    }
    async fn share(&self, name: &SecretName, readers: &[Principal]) -> Result<()> {
        spied!(self, "secret.share", self.0.share(name, readers))
    }
    async fn burn(&self, name: &SecretName) -> Result<()> {
        spied!(self, "secret.burn", self.0.burn(name))
    }
    async fn names(&self, prefix: &str) -> Result<Vec<SecretName>> {
        spied!(self, "secret.names", self.0.names(prefix))
    }
}

#[async_trait]
impl EngineConnector for Spied<MemoryEngine> {
    fn subprotocols(&self) -> &'static [&'static str] {
        self.0.subprotocols()
    }
    fn max_user_name(&self) -> usize {
        self.0.max_user_name()
    }
    async fn connect(&self, source: &Source, deadline: Deadline) -> Result<Box<dyn SourceEngine>> {
        let session = spied!(self, "source.connect", self.0.connect(source, deadline))?;
        Ok(Box::new(SpiedSession(session, self.1.clone())))
    }
    async fn log_in(
        &self,
        source: &Source,
        credentials: &Credentials,
        table: Option<&TableName>,
        deadline: Deadline,
    ) -> Result<Login> {
        spied!(self, "source.log_in", self.0.log_in(source, credentials, table, deadline))
    }
    fn statements(&self, source: &Source, action: &Action) -> Vec<String> {
        self.0.statements(source, action)
    }
}

#[async_trait]
impl SourceEngine for SpiedSession {
    async fn lock(&mut self, key: &LockKey, wait: Duration, hold: Duration) -> Result<Lock> {
        spied!(self, "source.lock", self.0.lock(key, wait, hold))
    }
    async fn unlock(&mut self) -> Result<()> {
        spied!(self, "source.unlock", self.0.unlock())
    }
    async fn resolve(&mut self, path: &AssetPath) -> Result<TableName> {
        spied!(self, "source.resolve", self.0.resolve(path))
    }
    async fn create_user(&mut self, credentials: &Credentials) -> Result<Created> {
        spied!(self, "source.create_user", self.0.create_user(credentials))
    }
    async fn set_password(&mut self, credentials: &Credentials) -> Result<()> {
        spied!(self, "source.set_password", self.0.set_password(credentials))
    }
    async fn grant(&mut self, user: &UserName, table: &TableName, take_back: &[TableName]) -> Result<()> {
        spied!(self, "source.grant", self.0.grant(user, table, take_back))
    }
    async fn revoke(&mut self, user: &UserName, tables: &[TableName]) -> Result<()> {
        spied!(self, "source.revoke", self.0.revoke(user, tables))
    }
    async fn drop_user(&mut self, user: &UserName) -> Result<()> {
        spied!(self, "source.drop_user", self.0.drop_user(user))
    }
    async fn reads(&mut self, user: &UserName, table: &TableName) -> Result<Reads> {
        spied!(self, "source.reads", self.0.reads(user, table))
    }
    async fn excess(&mut self, user: &UserName, granted: &[TableName], limit: usize) -> Result<Vec<String>> {
        spied!(self, "source.excess", self.0.excess(user, granted, limit))
    }
    async fn user_exists(&mut self, user: &UserName) -> Result<bool> {
        spied!(self, "source.user_exists", self.0.user_exists(user))
    }
    async fn users(&mut self, prefix: &str) -> Result<Vec<UserName>> {
        spied!(self, "engine.users", self.0.users(prefix))
    }

    async fn granted(&mut self, user: &UserName) -> Result<Vec<TableName>> {
        spied!(self, "engine.granted", self.0.granted(user))
    }

    async fn close(self: Box<Self>) -> Result<()> {
        self.0.close().await
    }
}

/// Producer and consumer in accounts of their own, everything in memory, every call seen by one spy.
pub(crate) struct World {
    pub(crate) engine: MemoryEngine,
    pub(crate) vault: MemoryVault,
    pub(crate) tracking: MemoryTracking,
    pub(crate) catalog: MemoryCatalog,
    pub(crate) portal: MemoryPortal,
    pub(crate) spy: Spy,
    pub(crate) fulfilment: Fulfilment,
}

impl World {
    pub(crate) fn new() -> Self {
        let engine = MemoryEngine::new();
        for name in ["employees", "offices", "salaries"] {
            engine.add_table(&table(name));
        }
        let (spy, vault, tracking) = (Spy::default(), MemoryVault::new(), MemoryTracking::new());
        let (catalog, portal) = (MemoryCatalog::new(), MemoryPortal::new());
        catalog.add(engine.source());
        let mut settings = Settings::default();
        settings.reader = Some("arn:aws:iam::{account}:role/reader".into());
        settings.deadline = Duration::from_secs(20);
        settings.backoff = Duration::from_micros(100);
        settings.lock_wait = Duration::from_secs(10);
        let producer = vault.account(id(PRODUCER), id("arn:aws:iam::111111111111:role/producer"));
        let consumer = vault.account(id(CONSUMER), id("arn:aws:iam::222222222222:role/reader"));
        let fulfilment = Fulfilment::builder()
            .engines(Engines::new().with(Spied(engine.clone(), spy.clone())))
            .credentials(Spied(producer, spy.clone()))
            .copies(Spied(consumer, spy.clone()))
            .tracking(Spied(tracking.clone(), spy.clone()))
            .catalog(catalog.clone())
            .portal(portal.clone())
            .settings(settings)
            .build()
            .unwrap();
        Self { engine, vault, tracking, catalog, portal, spy, fulfilment }
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
                Record::Mapping(_) | Record::Wanted(_) => {}
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
