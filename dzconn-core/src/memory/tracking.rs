//! Tracking tables in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

#[cfg(feature = "sqlite")]
use crate::model::{SourceKey, TableName};
use crate::store::{Change, Cursor, Expect, Key, Page, Query, Stored, TrackingStore, Transaction, Write, WriteOutcome};
use crate::{Error, ErrorKind, Result};

/// What the tables hold. Pure: the same calls on equal states give equal answers and equal states.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TrackingState {
    records: BTreeMap<Key, Stored>,
}

impl TrackingState {
    /// See [`TrackingStore::read`].
    pub fn read(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>> {
        keys.iter().map(|key| self.records.get(key).map(|stored| readable(key, stored)).transpose()).collect()
    }

    /// See [`TrackingStore::commit`].
    pub fn commit(&mut self, transaction: &Transaction) -> Result<WriteOutcome> {
        check_shape(transaction)?;
        if !transaction.changes.iter().all(|change| self.holds(change)) {
            return Ok(WriteOutcome::Conflict);
        }
        for Change { key, write, .. } in &transaction.changes {
            match write {
                Write::Check => {}
                Write::Put(version, record) => {
                    let stored = Stored { version: Some(*version), record: (**record).clone() };
                    self.records.insert(key.clone(), stored);
                }
                Write::Remove => {
                    self.records.remove(key);
                }
            }
        }
        Ok(WriteOutcome::Written)
    }

    fn holds(&self, change: &Change) -> bool {
        let version = self.records.get(&change.key).map(|stored| stored.version);
        match change.expect {
            Expect::Anything => true,
            Expect::Absent => version.is_none(),
            Expect::Unversioned => version == Some(None),
            Expect::Is(expected) => version == Some(Some(expected)),
        }
    }

    /// See [`TrackingStore::list`]; a page holds at most `limit` records, and at least one.
    pub fn list(&self, query: &Query, after: Option<&Cursor>, limit: usize) -> Result<Page> {
        let after = after.map(KeyParts::at).transpose()?;
        let (kind, prefix) = KeyParts::wanted(query);
        let mut matching =
            self.records.iter().map(|(key, stored)| (KeyParts::of(key), key, stored)).filter(|(at, ..)| {
                at.kind == kind && at.has_prefix(&prefix) && after.as_ref().is_none_or(|after| at.columns > *after)
            });
        let mut page = Page::default();
        let mut last = None;
        for (at, key, stored) in matching.by_ref().take(limit.max(1)) {
            page.records.extend(query.admits(&stored.record).then(|| readable(key, stored)));
            last = Some(at);
        }
        page.next = last.filter(|_| matching.next().is_some()).map(|at| at.cursor());
        Ok(page)
    }

    /// Puts a record there past every rule: without a version, as an older system wrote it, or under another record's
    /// key, which makes it a record that cannot be read.
    pub fn insert(&mut self, key: Key, stored: Stored) -> Option<Stored> {
        self.records.insert(key, stored)
    }

    /// Everything that is there, in the order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Stored)> {
        self.records.iter()
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }
}

fn readable(key: &Key, stored: &Stored) -> Result<Stored> {
    if stored.record.key() == *key {
        return Ok(stored.clone());
    }
    Err(Error::new(ErrorKind::RecordInvalid, format!("the {key} holds the {}", stored.record.key())))
}

/// What every store may rely on: no key twice, and each record under its own key.
pub(crate) fn check_shape(transaction: &Transaction) -> Result<()> {
    let mut keys = BTreeSet::new();
    for Change { key, write, .. } in &transaction.changes {
        if !keys.insert(key) {
            return Err(Error::new(ErrorKind::InvalidInput, format!("the {key} stands in two changes")));
        }
        if let Write::Put(_, record) = write
            && record.key() != *key
        {
            return Err(Error::new(ErrorKind::InvalidInput, format!("the {} under the {key}", record.key())));
        }
    }
    Ok(())
}

/// A key as columns of text: what a table's primary key and a listing's cursor are made of. Sorts as [`Key`] does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyParts {
    pub(crate) kind: &'static str,
    pub(crate) columns: Columns,
}

pub(crate) type Columns = [String; 5];

impl KeyParts {
    pub(crate) fn of(key: &Key) -> Self {
        let columns = |given: &[&str]| {
            let mut columns = Columns::default();
            for (column, text) in columns.iter_mut().zip(given) {
                (*text).clone_into(column);
            }
            columns
        };
        match key {
            Key::Source(source) => {
                Self { kind: "source", columns: columns(&[source.connection.as_str(), source.environment.as_str()]) }
            }
            Key::Entry(source, table) => Self {
                kind: "entry",
                columns: columns(&[
                    source.connection.as_str(),
                    source.environment.as_str(),
                    table.database(),
                    table.schema().unwrap_or_default(),
                    table.name(),
                ]),
            },
            Key::Mapping(secret) => Self { kind: "mapping", columns: columns(&[secret.as_str()]) },
            Key::Asset(environment, asset) => {
                Self { kind: "asset", columns: columns(&[environment.as_str(), asset.as_str()]) }
            }
            Key::Wanted(environment, asset) => {
                Self { kind: "wanted", columns: columns(&[environment.as_str(), asset.as_str()]) }
            }
            Key::Bucket(bucket) => Self { kind: "bucket", columns: columns(&[bucket.arn()]) },
            Key::Objects(environment, asset) => {
                Self { kind: "objects", columns: columns(&[environment.as_str(), asset.as_str()]) }
            }
        }
    }

    /// Which records a query asks for: their kind, and what the first columns must be.
    pub(crate) fn wanted(query: &Query) -> (&'static str, Vec<String>) {
        match query {
            Query::Sources(connection) => {
                ("source", connection.iter().map(|connection| connection.as_str().to_owned()).collect())
            }
            Query::Entries(key) => {
                ("entry", vec![key.connection.as_str().to_owned(), key.environment.as_str().to_owned()])
            }
            Query::Mappings => ("mapping", Vec::new()),
            Query::Assets(environment) => {
                ("asset", environment.iter().map(|environment| environment.as_str().to_owned()).collect())
            }
            Query::Listing(..) => ("asset", Vec::new()),
            Query::Wanted(environment) => {
                ("wanted", environment.iter().map(|environment| environment.as_str().to_owned()).collect())
            }
            Query::Buckets => ("bucket", Vec::new()),
            Query::Objects(environment) => {
                ("objects", environment.iter().map(|environment| environment.as_str().to_owned()).collect())
            }
            Query::ObjectListing(..) => ("objects", Vec::new()),
        }
    }

    fn has_prefix(&self, prefix: &[String]) -> bool {
        self.columns.iter().zip(prefix).all(|(column, wanted)| column == wanted)
    }

    pub(crate) fn cursor(&self) -> Cursor {
        Cursor::new(serde_json::Value::from(self.columns.as_slice()).to_string())
    }

    /// The key again, in words; somebody may have edited the columns so that they are none.
    #[cfg(feature = "sqlite")]
    pub(crate) fn describe(&self) -> String {
        self.key().map_or_else(|_| format!("{} {:?}", self.kind, self.columns), |key| key.to_string())
    }

    #[cfg(feature = "sqlite")]
    fn key(&self) -> Result<Key> {
        let [k1, k2, k3, k4, k5] = &self.columns;
        let source = || Ok::<_, Error>(SourceKey { connection: k1.parse()?, environment: k2.parse()? });
        Ok(match self.kind {
            "source" => Key::Source(source()?),
            "entry" if k4.is_empty() => Key::Entry(source()?, TableName::in_database(k3, k5)?),
            "entry" => Key::Entry(source()?, TableName::in_schema(k3, k4, k5)?),
            "mapping" => Key::Mapping(k1.parse()?),
            "asset" => Key::Asset(k1.parse()?, k2.parse()?),
            "bucket" => Key::Bucket(k1.parse()?),
            "objects" => Key::Objects(k1.parse()?, k2.parse()?),
            _ => Key::Wanted(k1.parse()?, k2.parse()?),
        })
    }

    /// The columns after which a listing goes on.
    pub(crate) fn at(cursor: &Cursor) -> Result<Columns> {
        serde_json::from_str(cursor.as_str())
            .map_err(|e| Error::new(ErrorKind::InvalidInput, "the cursor is not one of this store's").because(e))
    }
}

/// Tracking tables in memory. Clones share them.
#[derive(Clone, Debug)]
pub struct MemoryTracking {
    state: Arc<Mutex<TrackingState>>,
    page: usize,
}

impl Default for MemoryTracking {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryTracking {
    /// Empty tables.
    #[must_use]
    pub fn new() -> Self {
        Self { state: Arc::default(), page: 100 }
    }

    /// Lists so many records a page.
    #[must_use]
    pub fn with_page(mut self, records: usize) -> Self {
        self.page = records;
        self
    }

    /// What the tables hold now.
    pub fn snapshot(&self) -> TrackingState {
        self.with(|state| state.clone())
    }

    /// See [`TrackingState::insert`].
    pub fn insert(&self, key: Key, stored: Stored) -> Option<Stored> {
        self.with(|state| state.insert(key, stored))
    }

    fn with<T>(&self, act: impl FnOnce(&mut TrackingState) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl From<TrackingState> for MemoryTracking {
    fn from(state: TrackingState) -> Self {
        Self { state: Arc::new(Mutex::new(state)), ..Self::new() }
    }
}

#[async_trait]
impl TrackingStore for MemoryTracking {
    async fn read(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>> {
        self.with(|state| state.read(keys))
    }

    async fn commit(&self, transaction: &Transaction) -> Result<WriteOutcome> {
        self.with(|state| state.commit(transaction))
    }

    async fn list(&self, query: &Query, after: Option<&Cursor>) -> Result<Page> {
        self.with(|state| state.list(query, after, self.page))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AssetId, EnvironmentId, Version, WantedRecord};
    use crate::portal::Wanted;
    use crate::store::Record;

    fn wanted(asset: &str) -> Record {
        Record::Wanted(WantedRecord {
            environment: EnvironmentId::new("e").unwrap(),
            asset: AssetId::new(asset).unwrap(),
            wanted: Wanted::Grant,
            last_updated: crate::Timestamp::default(),
        })
    }

    fn put(asset: &str, version: u128) -> Change {
        Change::put(Expect::Anything, Version::from_bits(version), wanted(asset))
    }

    #[test]
    fn the_order_of_writes_leaves_no_trace() {
        let (mut one, mut other) = (TrackingState::default(), TrackingState::default());
        for (state, changes) in [(&mut one, [put("a", 1), put("b", 2)]), (&mut other, [put("b", 2), put("a", 1)])] {
            for change in changes {
                assert_eq!(state.commit(&Transaction { changes: vec![change] }).unwrap(), WriteOutcome::Written);
            }
        }
        assert_eq!(one, other);
        one.commit(&Transaction { changes: vec![Change::remove(wanted("b").key(), Expect::Anything)] }).unwrap();
        assert_eq!((one.len(), one.is_empty(), one == other), (1, false, false));
    }

    #[test]
    fn a_transaction_that_makes_no_sense_is_refused_and_changes_nothing() {
        let mut state = TrackingState::default();
        let astray = Change { key: wanted("b").key(), ..put("a", 1) };
        for changes in [vec![put("a", 1), put("a", 2)], vec![put("c", 1), astray]] {
            let error = state.commit(&Transaction { changes }).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        }
        assert!(state.is_empty());
    }

    #[tokio::test]
    async fn clones_share_the_tables_and_snapshots_do_not() {
        let store = MemoryTracking::new();
        let (clone, before) = (store.clone(), store.snapshot());
        clone.commit(&Transaction { changes: vec![put("a", 1)] }).await.unwrap();
        assert!(before.is_empty());
        assert_eq!(store.snapshot().iter().count(), 1);
        assert_eq!(MemoryTracking::from(store.snapshot()).snapshot(), clone.snapshot());
        let foreign = store.list(&Query::Mappings, Some(&Cursor::new("page 2"))).await.unwrap_err();
        assert_eq!(foreign.kind(), ErrorKind::InvalidInput);
    }
}
