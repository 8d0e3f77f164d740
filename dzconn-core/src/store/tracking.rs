//! Where tracking records are kept.

use std::fmt::{self, Debug};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::bucket::{Bucket, BucketRecord, ObjectRecord};
use crate::model::{
    AssetId, AssetRecord, ConnectionId, EntryRecord, EnvironmentId, ListingId, MappingRecord, ProjectId, SecretId,
    SourceKey, SourceRecord, TableName, Version, WantedRecord,
};

/// Which record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// The source record of a (connection, environment).
    Source(SourceKey),
    /// A settled table of it.
    Entry(SourceKey, TableName),
    /// The mapping of a producer secret.
    Mapping(SecretId),
    /// An asset that an environment can read.
    Asset(EnvironmentId, AssetId),
    /// The portal's last answer.
    Wanted(EnvironmentId, AssetId),
    /// What is ours in a bucket's policy.
    Bucket(Bucket),
    /// Objects that an environment can read.
    Objects(EnvironmentId, AssetId),
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(key) => write!(f, "source subscription of {key}"),
            Self::Entry(key, table) => write!(f, "entry {table} of {key}"),
            Self::Mapping(secret) => write!(f, "mapping of {secret}"),
            Self::Asset(environment, asset) => write!(f, "asset subscription {asset} of {environment}"),
            Self::Wanted(environment, asset) => write!(f, "wanted state of {asset} for {environment}"),
            Self::Bucket(bucket) => write!(f, "record of {bucket}"),
            Self::Objects(environment, asset) => write!(f, "object subscription {asset} of {environment}"),
        }
    }
}

/// A record of any kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// See [`SourceRecord`].
    Source(SourceRecord),
    /// See [`EntryRecord`].
    Entry(EntryRecord),
    /// See [`MappingRecord`].
    Mapping(MappingRecord),
    /// See [`AssetRecord`].
    Asset(AssetRecord),
    /// See [`WantedRecord`].
    Wanted(WantedRecord),
    /// See [`BucketRecord`].
    Bucket(BucketRecord),
    /// See [`ObjectRecord`].
    Objects(ObjectRecord),
}

impl Record {
    /// The key under which this record stands.
    #[must_use]
    pub fn key(&self) -> Key {
        match self {
            Self::Source(r) => Key::Source(r.key.clone()),
            Self::Entry(r) => Key::Entry(r.key.clone(), r.table.clone()),
            Self::Mapping(r) => Key::Mapping(r.shared_secret.clone()),
            Self::Asset(r) => Key::Asset(r.environment.clone(), r.asset.clone()),
            Self::Wanted(r) => Key::Wanted(r.environment.clone(), r.asset.clone()),
            Self::Bucket(r) => Key::Bucket(r.bucket.clone()),
            Self::Objects(r) => Key::Objects(r.environment.clone(), r.asset.clone()),
        }
    }
}

/// A record as it was read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Stored {
    /// Its version; `None` for an item of an older system, which knew no versions.
    pub version: Option<Version>,
    /// The record.
    pub record: Record,
}

impl Stored {
    /// What a change must expect to write over just this.
    #[must_use]
    pub fn expect(&self) -> Expect {
        self.version.map_or(Expect::Unversioned, Expect::Is)
    }
}

/// On what condition a change is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Expect {
    /// None.
    Anything,
    /// No record is there.
    Absent,
    /// A record without a version is there.
    Unversioned,
    /// A record of this version is there.
    Is(Version),
}

/// What a change does, once its condition holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Write {
    /// Nothing: the condition is all that matters.
    Check,
    /// Puts the record there, under this version.
    Put(Version, Box<Record>),
    /// Removes what is there, if anything is.
    Remove,
}

/// One record's part of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Change {
    /// Which record.
    pub key: Key,
    /// On what condition.
    pub expect: Expect,
    /// What is done.
    pub write: Write,
}

impl Change {
    /// Nothing is written, but the others only if this holds.
    #[must_use]
    pub const fn check(key: Key, expect: Expect) -> Self {
        Self { key, expect, write: Write::Check }
    }

    /// Puts a record under its own key.
    #[must_use]
    pub fn put(expect: Expect, version: Version, record: Record) -> Self {
        Self { key: record.key(), expect, write: Write::Put(version, Box::new(record)) }
    }

    /// Removes a record.
    #[must_use]
    pub const fn remove(key: Key, expect: Expect) -> Self {
        Self { key, expect, write: Write::Remove }
    }
}

/// A few changes, each to a record of its own, that happen all or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Transaction {
    /// The changes; no key stands in two of them.
    pub changes: Vec<Change>,
}

/// What became of a conditional write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WriteOutcome {
    /// It was made.
    Written,
    /// A condition did not hold, and nothing was changed.
    Conflict,
}

/// Which records to list.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Query {
    /// Source records, of one connection or of all.
    Sources(Option<ConnectionId>),
    /// The settled tables of a source record.
    Entries(SourceKey),
    /// Mappings.
    Mappings,
    /// Asset records, of one environment or of all.
    Assets(Option<EnvironmentId>),
    /// Asset records of a project for a listing, whatever the environment. What was committed a moment ago may not show yet.
    Listing(ProjectId, ListingId),
    /// The portal's recorded answers, for one environment or for all.
    Wanted(Option<EnvironmentId>),
    /// Records of buckets.
    Buckets,
    /// Object records, of one environment or of all.
    Objects(Option<EnvironmentId>),
    /// Object records of a project for a listing, whatever the environment. What was committed a moment ago may not show yet.
    ObjectListing(ProjectId, ListingId),
}

impl Query {
    /// Whether a record that stands where this query looks is one that it asks for.
    pub(crate) fn admits(&self, record: &Record) -> bool {
        match (self, record) {
            (Self::Listing(project, listing), Record::Asset(row)) => row.project == *project && row.listing == *listing,
            (Self::ObjectListing(project, listing), Record::Objects(row)) => {
                row.project == *project && row.listing == *listing
            }
            _ => true,
        }
    }
}

/// Where a listing goes on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cursor(String);

impl Cursor {
    /// A position in the store's own terms.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One page of a listing.
#[derive(Debug, Default)]
pub struct Page {
    /// Records, in the order of their keys where the query names a connection, source or environment. One that cannot be read
    /// stands as its error: a listing shows the others.
    pub records: Vec<Result<Stored>>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<Cursor>,
}

/// The tracking tables.
///
/// # Contract
/// Reads of a key see every commit that ended before them. A commit is atomic over all its changes.
#[async_trait]
pub trait TrackingStore: Debug + Send + Sync {
    /// The records under these keys, in the order of the keys; `None` where there is none. Up to a hundred are read as they were at
    /// one instant: no commit shows in part.
    ///
    /// # Errors
    /// [`ErrorKind::RecordInvalid`](crate::ErrorKind::RecordInvalid) names the key of a record that cannot be read.
    async fn read(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>>;

    /// Makes all changes if every condition holds, else none.
    ///
    /// # Errors
    /// After a retryable error it is not known whether the changes were made; a reader tells by the version.
    async fn commit(&self, transaction: &Transaction) -> Result<WriteOutcome>;

    /// Lists records. What is written meanwhile may or may not show; what stays is shown once.
    async fn list(&self, query: &Query, after: Option<&Cursor>) -> Result<Page>;
}
