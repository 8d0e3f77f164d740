//! Records to write: of every kind, with awkward but valid values, and of no other run of the suite.

#![allow(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::indexing_slicing,
    reason = "the texts are constant and valid; the tests of this module make them all"
)]

use std::collections::{BTreeMap, BTreeSet};

use crate::Timestamp;
use crate::bucket::{Bucket, BucketRecord, Claim, Claimant, ObjectAccess, ObjectRecord, ObjectState, OpenClaim};
use crate::model::{
    AccountId, AssetId, AssetPath, AssetRecord, ConnectionId, DATA_ASSETS_LIMIT, DomainId, EntryRecord, EnvironmentId,
    Generation, GenerationId, ListingId, Location, MappingRecord, OpenEntry, OpenState, Owner, Phase, Place, Principal,
    ProjectId, Publication, Region, RetiredGeneration, SecretId, SecretName, SourceKey, SourceRecord, TableName, Turn,
    TurnId, TurnStage, UserName, Version, WantedRecord,
};
use crate::portal::Wanted;
use crate::store::Record;

/// What one rule writes. Two samples share no key, so that rules can run beside each other on one store.
#[derive(Clone, Debug)]
pub struct Sample {
    tag: String,
}

impl Default for Sample {
    fn default() -> Self {
        Self::new()
    }
}

/// A version that nobody else has.
#[must_use]
pub fn version() -> Version {
    Version::from_bits(rand::random())
}

impl Sample {
    /// A fresh one.
    #[must_use]
    pub fn new() -> Self {
        Self { tag: format!("{:016x}", rand::random::<u64>()) }
    }

    /// The connection of this sample.
    #[must_use]
    pub fn connection(&self) -> ConnectionId {
        self.connection_called("")
    }

    /// Another connection, whose name begins with that of the first.
    #[must_use]
    pub fn connection_called(&self, suffix: &str) -> ConnectionId {
        let name = format!("arn:aws:glue:eu-west-1:111122223333:connection/é {}{suffix}", self.tag);
        ConnectionId::new(name).expect("a connection id")
    }

    /// One of its environments; they sort as their numbers do.
    #[must_use]
    pub fn environment(&self, n: usize) -> EnvironmentId {
        EnvironmentId::new(format!("{}-{n:05}", self.tag)).expect("an environment id")
    }

    /// One of its source keys: the connection and an environment.
    #[must_use]
    pub fn key(&self, n: usize) -> SourceKey {
        SourceKey { connection: self.connection(), environment: self.environment(n) }
    }

    /// One of its assets.
    #[must_use]
    pub fn asset(&self, n: usize) -> AssetId {
        AssetId::new(format!("{}_{n:05}", self.tag)).expect("an asset id")
    }

    /// A project that is not its own.
    #[must_use]
    pub fn another_project() -> ProjectId {
        ProjectId::new("another").expect("a project id")
    }

    /// The listing of its assets.
    #[must_use]
    pub fn listing(&self) -> ListingId {
        ListingId::new(format!("{}-L", self.tag)).expect("a listing id")
    }

    /// One of its tables; they sort as their numbers do.
    #[must_use]
    pub fn table(n: usize) -> TableName {
        let name = format!("t{n:05} \"quoted\".with\\backslash 表 😀");
        TableName::in_schema("sales", "H.R", name).expect("a table's name")
    }

    /// A source record with something of everything in it.
    #[must_use]
    pub fn source(&self, n: usize) -> SourceRecord {
        let entry = |state| OpenEntry { state, assets: BTreeMap::from([(self.asset(n), path("sales.H.R.t"))]) };
        SourceRecord {
            key: self.key(n),
            domain: domain(),
            project: project(),
            owner: owner(),
            phase: [Phase::Active, Phase::Dropping, Phase::Retired][n % 3],
            generation: (n % 3 < 2).then(|| Generation {
                id: generation(n),
                user: UserName::new("dz_'\"`]\\ü").expect("a user name"),
                secret: secret_name("dz-conn-p-project-environment-1"),
                secret_id: (n.is_multiple_of(2)).then(|| self.secret(n)),
                copy: secret_name("dz-conn-c-project-environment-1"),
                // In every state that a rotation leaves, and as before there were any.
                spare: (!n.is_multiple_of(4)).then(|| UserName::new("dz_'\"`]\\ü_b").expect("a user name")),
                turn: [None, Some(TurnStage::Preparing), Some(TurnStage::Ready), Some(TurnStage::Delivering)][n % 4]
                    .map(|stage| Turn { id: TurnId::from_bits(u128::MAX - 7 * n as u128), stage }),
            }),
            older: [path("sales.hr.Older"), path("sales.H.R.older \"2\"")].into_iter().take(n % 3).collect(),
            settled: u64::from(u32::MAX) + 1,
            open: BTreeMap::from([
                (Self::table(0), entry(OpenState::Granting)),
                (TableName::in_database("a.b", "c").expect("a table's name"), entry(OpenState::Revoking)),
            ]),
            revoked: BTreeSet::from([self.asset(1), self.asset(2)]),
            retired: BTreeSet::from([
                RetiredGeneration { id: generation(n + 1), secret_id: Some(self.secret(n)), copy: secret_name("copy") },
                RetiredGeneration { id: generation(n + 2), secret_id: None, copy: secret_name("other/copy") },
            ]),
            data_assets: BTreeSet::from([path("sales.H.R.t"), path("a.b.\"c\"\\")]),
            data_assets_complete: n.is_multiple_of(2),
            last_updated: now(n),
        }
    }

    /// A source record as large as they get: about 200 KB.
    #[must_use]
    pub fn large_source(&self, n: usize) -> SourceRecord {
        let long = "x".repeat(250);
        let mut record = self.source(n);
        record.data_assets = (0..DATA_ASSETS_LIMIT).map(|i| path(&format!("db.schema.{long}{i}"))).collect();
        record.revoked = (0..1_000).map(|i| self.asset(i)).collect();
        record.open = (0..100)
            .map(|i| {
                let table = TableName::in_schema("db", "schema", format!("{long}{i}")).expect("a table's name");
                let assets = BTreeMap::from([(self.asset(i), path(&format!("db.schema.{long}{i}")))]);
                (table, OpenEntry { state: OpenState::Granting, assets })
            })
            .collect();
        record
    }

    /// A settled table of the source key `of`.
    #[must_use]
    pub fn entry(&self, of: usize, n: usize) -> EntryRecord {
        EntryRecord {
            key: self.key(of),
            table: Self::table(n),
            generation: generation(n),
            assets: BTreeMap::from([
                (self.asset(n), Publication { path: path("sales.H.R.t"), retained: false }),
                (self.asset(n + 1), Publication { path: path("SALES.h.r.t"), retained: true }),
            ]),
            since: now(n),
            last_updated: now(n + 1),
        }
    }

    /// A producer secret's address.
    #[must_use]
    pub fn secret(&self, n: usize) -> SecretId {
        SecretId::new(format!("arn:aws:secretsmanager:eu-west-1:111122223333:secret:{}-{n:05}", self.tag))
            .expect("a secret id")
    }

    /// A mapping.
    #[must_use]
    pub fn mapping(&self, n: usize) -> MappingRecord {
        MappingRecord {
            shared_secret: self.secret(n),
            generation: generation(n),
            environment: self.environment(n),
            project: project(),
            domain: domain(),
            owner: owner(),
            secret_id: self.secret(n + 1),
            secret: secret_name("dz-conn-c-project-environment-1"),
            last_updated: now(n),
        }
    }

    /// An asset record of the environment `of`.
    #[must_use]
    pub fn asset_record(&self, of: usize, n: usize) -> AssetRecord {
        AssetRecord {
            environment: self.environment(of),
            asset: self.asset(n),
            revision: "3".to_owned(),
            asset_type: "GlueTableAssetType".to_owned(),
            project: project(),
            domain: domain(),
            listing: self.listing(),
            listing_name: "Employees, \"current\" – 社員 \u{1f600}\n'; DROP TABLE records; --".to_owned(),
            listing_revision: String::new(),
            owner: owner(),
            secret_id: self.secret(n),
            secret: secret_name("dz-conn-c-project-environment-1"),
            place: Some(Place {
                location: Location { connection: self.connection(), path: path("sales.H.R.t"), owner: owner() },
                table: Self::table(n),
            }),
            last_updated: now(n),
        }
    }

    /// A wanted-state record.
    #[must_use]
    pub fn wanted(&self, of: usize, n: usize) -> WantedRecord {
        WantedRecord {
            environment: self.environment(of),
            asset: self.asset(n),
            wanted: [Wanted::Grant, Wanted::Retain, Wanted::Revoke][n % 3],
            last_updated: now(n),
        }
    }

    /// A bucket of this sample's.
    #[must_use]
    pub fn bucket(&self, n: usize) -> Bucket {
        let name = self.environment(n).as_str().replace('_', "-");
        format!("arn:aws:s3:::bucket-{name}").parse().expect("a bucket")
    }

    /// A bucket's record, with a claim in each state.
    #[must_use]
    pub fn bucket_record(&self, n: usize) -> BucketRecord {
        let claim = |has: bool, open| Claim { domain: domain(), has: has.then(|| self.object_access(n)), open };
        let claims = [
            claim(true, None),
            claim(true, Some(OpenClaim::Revoking)),
            claim(false, Some(OpenClaim::Granting(self.object_access(n)))),
            claim(true, Some(OpenClaim::Granting(self.object_access(n + 1)))),
        ];
        let claimant = |of| Claimant { environment: self.environment(of), asset: self.asset(n) };
        BucketRecord {
            domains: BTreeSet::from([domain()]),
            claims: claims.into_iter().enumerate().map(|(of, claim)| (claimant(of), claim)).collect(),
            leased: n.is_multiple_of(2).then(|| now(n + 1)),
            ..BucketRecord::new(self.bucket(n), now(n))
        }
    }

    fn object_access(&self, n: usize) -> ObjectAccess {
        let objects = format!("{}/sales, \"€\" 1:2/{n}/", self.bucket(n)).parse().expect("objects");
        let principals = ["role/datazone usr/a", "user/b"].map(|name| format!("arn:aws:iam::111122223333:{name}"));
        let principals = principals.into_iter().map(|arn| Principal::new(arn).expect("a principal")).collect();
        ObjectAccess { objects, principals }
    }

    /// An object record of the environment `of`. Its asset is none of the asset records': an asset has one type.
    #[must_use]
    pub fn object_record(&self, of: usize, n: usize) -> ObjectRecord {
        let states = [ObjectState::Granting, ObjectState::Granted, ObjectState::Retained, ObjectState::Revoking];
        let AssetRecord { environment, revision, project, domain, listing, owner, last_updated, .. } =
            self.asset_record(of, n);
        let AssetRecord { listing_name, listing_revision, .. } = self.asset_record(of, n);
        ObjectRecord {
            environment,
            asset: self.asset(n + 1_000),
            revision,
            asset_type: "S3ObjectCollectionType".to_owned(),
            project,
            domain,
            listing,
            listing_name,
            listing_revision,
            owner,
            access: self.object_access(n),
            state: states[n % 4],
            since: now(n),
            last_updated,
        }
    }

    /// One record of every kind.
    #[must_use]
    pub fn one_of_each(&self, n: usize) -> Vec<Record> {
        vec![
            Record::Source(self.source(n)),
            Record::Entry(self.entry(n, n)),
            Record::Mapping(self.mapping(n)),
            Record::Asset(self.asset_record(n, n)),
            Record::Wanted(self.wanted(n, n)),
            Record::Bucket(self.bucket_record(n)),
            Record::Objects(self.object_record(n, n)),
        ]
    }

    /// The same record with another time in it.
    #[must_use]
    pub fn touched(mut record: Record) -> Record {
        let time = match &mut record {
            Record::Source(record) => &mut record.last_updated,
            Record::Entry(record) => &mut record.last_updated,
            Record::Mapping(record) => &mut record.last_updated,
            Record::Asset(record) => &mut record.last_updated,
            Record::Wanted(record) => &mut record.last_updated,
            Record::Bucket(record) => &mut record.last_updated,
            Record::Objects(record) => &mut record.last_updated,
        };
        *time = Timestamp::from_seconds(time.seconds() + 86_400);
        record
    }
}

fn now(n: usize) -> Timestamp {
    Timestamp::from_seconds(1_700_000_000 + i64::try_from(n).unwrap_or_default())
}

fn generation(n: usize) -> GenerationId {
    GenerationId::from_bits(u128::MAX - n as u128)
}

fn domain() -> DomainId {
    DomainId::new("dzd_4abcdefghijkl").expect("a domain id")
}

fn project() -> ProjectId {
    ProjectId::new("project-1").expect("a project id")
}

fn owner() -> Owner {
    Owner {
        account: AccountId::new("111122223333").expect("an account id"),
        region: Region::new("eu-west-1").expect("a region"),
    }
}

fn path(text: &str) -> AssetPath {
    AssetPath::new(text).expect("an asset path")
}

fn secret_name(text: &str) -> SecretName {
    SecretName::new(text).expect("a secret name")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_can_be_made_and_has_keys_of_its_own() {
        let (one, other) = (Sample::new(), Sample::new());
        for n in 0..6 {
            for (record, foreign) in one.one_of_each(n).into_iter().zip(other.one_of_each(n)) {
                assert_ne!(record.key(), foreign.key());
                assert_eq!(Sample::touched(record.clone()).key(), record.key());
                assert_ne!(Sample::touched(record.clone()), record);
            }
        }
        let size = serde_json::to_string(&one.large_source(0)).unwrap().len();
        assert!((150_000..350_000).contains(&size), "{size}");
    }
}
