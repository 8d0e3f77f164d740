//! A store in a directory of its own, the ways past it, and what the tests write.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use dzconn_core::Result;
use dzconn_core::model::{AccountId, Principal, SecretName, SecretTags};
use dzconn_core::sqlite::{LocalOptions, LocalStore, SecretKey};
use dzconn_core::store::{Change, Expect, Key, Record, TrackingStore, Transaction, WriteOutcome};
use dzconn_core::testkit::credentials::{CredentialFixture, Neighbour, SecretTamper};
use dzconn_core::testkit::tracking::{Sample, Tamper, TrackingFixture, version};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use tempfile::TempDir;

/// A directory with a store in it, and the file as an editor sees it.
pub(crate) struct Place {
    pub(crate) directory: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { directory: TempDir::new().unwrap() }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("store.db")
    }

    pub(crate) async fn open(&self, options: LocalOptions) -> LocalStore {
        LocalStore::open(self.path(), options).await.unwrap()
    }

    pub(crate) fn editor(&self) -> Editor {
        Editor(self.path())
    }

    /// Every byte of every file in the directory.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let files = fs::read_dir(self.directory.path()).unwrap();
        files.flat_map(|file| fs::read(file.unwrap().path()).unwrap()).collect()
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Editor(PathBuf);

impl Editor {
    pub(crate) async fn run(&self, statement: String) -> u64 {
        let options = SqliteConnectOptions::new().filename(&self.0).disable_statement_logging();
        let mut connection = options.connect().await.unwrap();
        let done = sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        done.rows_affected()
    }
}

pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The condition that finds a key's row.
pub(crate) fn finds(key: &Key) -> String {
    let columns: Vec<&str> = match key {
        Key::Source(key) => vec!["source", key.connection.as_str(), key.environment.as_str()],
        Key::Entry(key, table) => vec![
            "entry",
            key.connection.as_str(),
            key.environment.as_str(),
            table.database(),
            table.schema().unwrap_or_default(),
            table.name(),
        ],
        Key::Mapping(secret) => vec!["mapping", secret.as_str()],
        Key::Asset(environment, asset) => vec!["asset", environment.as_str(), asset.as_str()],
        Key::Wanted(environment, asset) => vec!["wanted", environment.as_str(), asset.as_str()],
        Key::Bucket(bucket) => vec!["bucket", bucket.arn()],
        Key::Objects(environment, asset) => vec!["objects", environment.as_str(), asset.as_str()],
    };
    let names = ["kind", "k1", "k2", "k3", "k4", "k5"];
    let conditions: Vec<_> =
        names.iter().zip(columns).map(|(name, value)| format!("{name} = {}", quoted(value))).collect();
    conditions.join(" AND ")
}

#[derive(Debug)]
pub(crate) struct TrackingEditor(LocalStore, Editor);

#[async_trait]
impl Tamper for TrackingEditor {
    async fn plant(&self, record: &Record) -> Result<()> {
        let change = Change::put(Expect::Anything, version(), record.clone());
        self.0.tracking().commit(&Transaction { changes: vec![change] }).await?;
        let where_ = finds(&record.key());
        assert_eq!(self.1.run(format!("UPDATE records SET version = NULL WHERE {where_}")).await, 1);
        Ok(())
    }

    async fn damage(&self, key: &Key) -> Result<()> {
        let edit = format!("UPDATE records SET record = substr(record, 1, 40) || '?' WHERE {}", finds(key));
        assert_eq!(self.1.run(edit).await, 1);
        Ok(())
    }
}

pub(crate) async fn tracking_fixture() -> TrackingFixture {
    let place = Place::new();
    let store = place.open(LocalOptions::new().page(7)).await;
    TrackingFixture::new(store.tracking()).with_tamper(TrackingEditor(store, place.editor())).keeping(place.directory)
}

/// Puts a value there as it would be written by hand: in an encrypted store, that is one which no key opens.
#[derive(Debug)]
pub(crate) struct SecretEditor(LocalStore, Editor);

#[async_trait]
impl SecretTamper for SecretEditor {
    async fn tags(&self, name: &SecretName) -> Result<Option<SecretTags>> {
        self.0.credentials().tags(name).await
    }

    async fn damage(&self, name: &SecretName, value: &str) -> Result<()> {
        let (name, value) = (quoted(name.as_str()), quoted(value));
        let edit = format!("UPDATE secrets SET value = CAST({value} AS BLOB) WHERE name = {name}");
        assert_eq!(self.1.run(edit).await, 1);
        Ok(())
    }

    async fn set_pending(&self, name: &SecretName, pending: bool) -> Result<()> {
        let pending = if pending { "'somebody else''s'" } else { "NULL" };
        let edit = format!("UPDATE secrets SET pending = {pending} WHERE name = {}", quoted(name.as_str()));
        assert_eq!(self.1.run(edit).await, 1);
        Ok(())
    }
}

pub(crate) async fn plain_fixture() -> CredentialFixture {
    credential_fixture(LocalOptions::new()).await
}

pub(crate) async fn encrypted_fixture() -> CredentialFixture {
    credential_fixture(LocalOptions::new().key(SecretKey::generate())).await
}

pub(crate) async fn credential_fixture(options: LocalOptions) -> CredentialFixture {
    let place = Place::new();
    let store = place.open(options).await;
    let neighbour = |account: &str| {
        let principal = Principal::new(format!("arn:aws:iam::{account}:role/reader")).unwrap();
        let view = store.account(AccountId::new(account).unwrap(), principal.clone());
        Neighbour { store: Arc::new(view), principal }
    };
    CredentialFixture::new(store.credentials())
        .with_neighbours(neighbour("222222222222"), neighbour("aws:333333333333"))
        .with_tamper(SecretEditor(store, place.editor()))
        .keeping(place.directory)
}

pub(crate) async fn put(store: &LocalStore, record: &Record, expect: Expect) -> WriteOutcome {
    let changes = vec![Change::put(expect, version(), record.clone())];
    store.tracking().commit(&Transaction { changes }).await.unwrap()
}

pub(crate) fn counter() -> Record {
    let mut record = Sample::new().source(0);
    record.key.connection = "counter".parse().unwrap();
    record.key.environment = "counter".parse().unwrap();
    record.settled = 0;
    Record::Source(record)
}

/// The same records in every process.
pub(crate) fn records() -> Vec<Record> {
    let sample = Sample::new();
    (0..8)
        .map(|n| {
            let mut record = sample.source(n);
            record.key.connection = "torn".parse().unwrap();
            record.key.environment = format!("e{n}").parse().unwrap();
            Record::Source(record)
        })
        .collect()
}
