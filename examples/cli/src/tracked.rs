//! What tracking says: who can read what, since when, through which secret, and what is half done.

use std::collections::BTreeMap;

use dzconn_core::bucket::{ObjectAccess, ObjectRecord, ObjectState};
use dzconn_core::model::{
    AssetId, AssetPath, AssetRecord, ConnectionId, EntryRecord, EnvironmentId, OpenState, Phase, ProjectId, SecretName,
    SourceKey, SourceRecord, TableName, UserName,
};
use dzconn_core::store::{Query, Record};
use dzconn_core::{Result, Timestamp, TrackingStore};

/// How long a run may well be under way. What is open for longer was left by a run that died.
const UNDER_WAY: i64 = 120;

/// All records of a listing, page by page. One that cannot be read stands as its error.
pub(crate) async fn all(store: &dyn TrackingStore, query: &Query) -> Result<Vec<Result<Record>>> {
    let mut records = Vec::new();
    let mut after = None;
    loop {
        let page = store.list(query, after.as_ref()).await?;
        records.extend(page.records.into_iter().map(|stored| stored.map(|stored| stored.record)));
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(records),
        }
    }
}

macro_rules! of_kind {
    ($(#[$doc:meta])* $name:ident, $kind:ident, $record:ty) => {
        $(#[$doc])*
        pub(crate) async fn $name(store: &dyn TrackingStore, query: &Query) -> Result<Vec<Result<$record>>> {
            let records = all(store, query).await?;
            Ok(records
                .into_iter()
                .filter_map(|record| match record {
                    Ok(Record::$kind(record)) => Some(Ok(record)),
                    Ok(_) => None,
                    Err(error) => Some(Err(error)),
                })
                .collect())
        }
    };
}

of_kind!(/// Source records.
    sources, Source, SourceRecord);
of_kind!(/// Settled tables.
    entries, Entry, EntryRecord);
of_kind!(/// Assets that environments can read.
    assets, Asset, AssetRecord);
of_kind!(/// Objects that environments can read.
    objects, Objects, ObjectRecord);

/// One asset and one environment.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    pub(crate) environment: EnvironmentId,
    pub(crate) project: ProjectId,
    /// None if an older system granted a path and left no row.
    pub(crate) asset: Option<AssetId>,
    /// None if an older system left a row and did not record for what.
    pub(crate) path: Option<AssetPath>,
    /// What people call it.
    pub(crate) name: Option<String>,
    /// What is read in S3, and by whom.
    pub(crate) objects: Option<ObjectAccess>,
    pub(crate) connection: Option<ConnectionId>,
    pub(crate) table: Option<TableName>,
    pub(crate) user: Option<UserName>,
    pub(crate) secret: Option<SecretName>,
    pub(crate) since: Timestamp,
    pub(crate) state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Granted,
    Retained,
    /// Granted by an older system.
    Older,
    /// Granted on the source; the consumer's part is not there yet.
    Delivering,
    Granting,
    Revoking,
    /// Gone from the source; the consumer's record is still there.
    Revoked,
}

impl State {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Retained => "retained",
            Self::Older => "older",
            Self::Delivering => "delivering",
            Self::Granting => "granting",
            Self::Revoking => "revoking",
            Self::Revoked => "revoked",
        }
    }

    pub(crate) const fn is_open(self) -> bool {
        !matches!(self, Self::Granted | Self::Retained | Self::Older)
    }
}

impl Access {
    /// The path, or else what else says what it is.
    pub(crate) fn what(&self) -> String {
        let named = || self.name.clone().or(self.asset.as_ref().map(ToString::to_string)).unwrap_or_default();
        let objects = self.objects.as_ref().map(|access| access.objects.to_string());
        objects.or_else(|| self.path.as_ref().map(ToString::to_string)).unwrap_or_else(named)
    }

    /// The state, and what becomes of one that a dead run has left.
    pub(crate) fn state(&self, source: &str, now: Timestamp) -> String {
        let word = self.state.word();
        let age = now.seconds() - self.since.seconds();
        match self.state {
            State::Granted | State::Retained => word.to_owned(),
            State::Older => "granted by an older system".to_owned(),
            _ if age < UNDER_WAY => format!("{word} (under way)"),
            _ if self.objects.is_some() => {
                format!("{word} (run died {}; the next run for that bucket puts it right)", crate::output::ago(age))
            }
            State::Delivering => {
                format!("{word} (run died {}; the next event or grant finishes it)", crate::output::ago(age))
            }
            _ => format!(
                "{word} (run died {}; the next event, grant or revoke for {} on {source} finishes it)",
                crate::output::ago(age),
                self.environment
            ),
        }
    }
}

/// Who can read what, and what could not be read.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub(crate) access: Vec<Access>,
    pub(crate) unreadable: Vec<dzconn_core::Error>,
}

/// Puts source records, settled tables and asset records together.
pub(crate) async fn listing(
    store: &dyn TrackingStore,
    connection: Option<&ConnectionId>,
    environment: Option<&EnvironmentId>,
) -> Result<Listing> {
    let mut listing = Listing::default();
    let mut rows: BTreeMap<(EnvironmentId, AssetId), AssetRecord> = BTreeMap::new();
    for row in assets(store, &Query::Assets(environment.cloned())).await? {
        match row {
            Ok(row) if is_at(&row, connection) => {
                rows.insert((row.environment.clone(), row.asset.clone()), row);
            }
            Ok(_) => {}
            Err(error) => listing.unreadable.push(error),
        }
    }
    for record in sources(store, &Query::Sources(connection.cloned())).await? {
        match record {
            Ok(record) if environment.is_none_or(|environment| record.key.environment == *environment) => {
                of_source(store, &record, &mut rows, &mut listing).await?;
            }
            Ok(_) => {}
            Err(error) => listing.unreadable.push(error),
        }
    }
    // What is left has no source record, or stands in one only by its id: an older system's, or revoked and not swept yet.
    // A row without a place that belongs to no source shown is not of this connection.
    let rest = rows.into_values().filter(|row| row.place.is_some() || connection.is_none());
    listing.access.extend(rest.map(|row| of_row(row, State::Granted)));
    if connection.is_none() {
        for row in objects(store, &Query::Objects(environment.cloned())).await? {
            match row {
                Ok(row) => listing.access.push(of_objects(row)),
                Err(error) => listing.unreadable.push(error),
            }
        }
    }
    listing.access.sort_by_cached_key(|access| (access.environment.clone(), access.what(), access.asset.clone()));
    Ok(listing)
}

async fn of_source(
    store: &dyn TrackingStore,
    record: &SourceRecord,
    rows: &mut BTreeMap<(EnvironmentId, AssetId), AssetRecord>,
    listing: &mut Listing,
) -> Result<()> {
    let SourceKey { connection, environment } = &record.key;
    let mut add = |asset: &AssetId, path: &AssetPath, table: &TableName, since: Timestamp, state: State| {
        let row = rows.remove(&(environment.clone(), asset.clone()));
        let state = if state == State::Granted && row.is_none() { State::Delivering } else { state };
        listing.access.push(Access {
            environment: environment.clone(),
            project: record.project.clone(),
            asset: Some(asset.clone()),
            path: Some(path.clone()),
            name: row.as_ref().map(|row| row.listing_name.clone()),
            objects: None,
            connection: Some(connection.clone()),
            table: Some(table.clone()),
            user: record.generation.as_ref().map(|generation| generation.user.clone()),
            secret: record.generation.as_ref().map(|generation| generation.copy.clone()).or(row.map(|row| row.secret)),
            since,
            state,
        });
    };
    for (table, open) in &record.open {
        let state = match open.state {
            OpenState::Granting => State::Granting,
            OpenState::Revoking => State::Revoking,
        };
        for (asset, path) in &open.assets {
            add(asset, path, table, record.last_updated, state);
        }
    }
    let mut unreadable = Vec::new();
    for entry in entries(store, &Query::Entries(record.key.clone())).await? {
        match entry {
            Ok(entry) => {
                for (asset, publication) in &entry.assets {
                    let state = match (record.phase, publication.retained) {
                        (Phase::Active, true) => State::Retained,
                        (Phase::Active, false) => State::Granted,
                        (Phase::Dropping | Phase::Retired, _) => State::Revoking,
                    };
                    let since = if state == State::Revoking { record.last_updated } else { entry.since };
                    add(asset, &publication.path, &entry.table, since, state);
                }
            }
            Err(error) => unreadable.push(error),
        }
    }
    listing.unreadable.extend(unreadable);
    of_older(record, rows, listing);
    for asset in &record.revoked {
        if let Some(row) = rows.remove(&(environment.clone(), asset.clone())) {
            listing.access.push(of_row(row, State::Revoked));
        }
    }
    Ok(())
}

fn is_at(row: &AssetRecord, connection: Option<&ConnectionId>) -> bool {
    let place = row.place.as_ref().map(|place| &place.location.connection);
    place.is_none() || connection.is_none() || place == connection
}

/// What an older system granted: its rows name the copy, and its source record the paths. Which belongs to which is known
/// only where there is one of each.
fn of_older(record: &SourceRecord, rows: &mut BTreeMap<(EnvironmentId, AssetId), AssetRecord>, listing: &mut Listing) {
    let SourceKey { connection, environment } = &record.key;
    let Some(generation) = &record.generation else { return };
    let is_older =
        |row: &AssetRecord| row.place.is_none() && row.environment == *environment && row.secret == generation.copy;
    let found: Vec<_> = rows.extract_if(.., |_, row| is_older(row)).map(|(_, row)| row).collect();
    let at = |access: Access, path: Option<&AssetPath>| Access {
        path: path.cloned(),
        connection: Some(connection.clone()),
        user: Some(generation.user.clone()),
        ..access
    };
    if found.is_empty() {
        listing.access.extend(record.older.iter().map(|path| Access {
            environment: environment.clone(),
            project: record.project.clone(),
            asset: None,
            path: Some(path.clone()),
            name: None,
            objects: None,
            connection: Some(connection.clone()),
            table: None,
            user: Some(generation.user.clone()),
            secret: Some(generation.copy.clone()),
            since: record.last_updated,
            state: State::Older,
        }));
    }
    let only = (found.len() == 1 && record.older.len() == 1).then(|| record.older.first()).flatten();
    listing.access.extend(found.into_iter().map(|row| at(of_row(row, State::Older), only)));
}

fn of_objects(row: ObjectRecord) -> Access {
    Access {
        environment: row.environment,
        project: row.project,
        asset: Some(row.asset),
        path: None,
        name: Some(row.listing_name),
        objects: Some(row.access),
        connection: None,
        table: None,
        user: None,
        secret: None,
        since: row.since,
        state: match row.state {
            ObjectState::Granting => State::Granting,
            ObjectState::Granted => State::Granted,
            ObjectState::Retained => State::Retained,
            ObjectState::Revoking => State::Revoking,
        },
    }
}

fn of_row(row: AssetRecord, state: State) -> Access {
    let (location, table) = row.place.map(|place| (place.location, place.table)).unzip();
    let (connection, path) = location.map(|location| (location.connection, location.path)).unzip();
    Access {
        environment: row.environment,
        project: row.project,
        asset: Some(row.asset),
        path,
        name: Some(row.listing_name),
        objects: None,
        connection,
        table,
        user: None,
        secret: Some(row.secret),
        since: row.last_updated,
        state,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use dzconn_core::memory::MemoryTracking;
    use dzconn_core::model::{Generation, GenerationId, Location, OpenEntry, Owner, Place, Publication, Version};
    use dzconn_core::store::Stored;

    use super::*;

    const NOW: i64 = 2_000_000_000;

    pub(crate) fn row(asset: &str) -> AssetRecord {
        let key = key();
        let owner = Owner::new("local".parse().unwrap(), "local".parse().unwrap());
        AssetRecord {
            environment: key.environment,
            asset: asset.parse().unwrap(),
            revision: "1".into(),
            asset_type: "GlueTableAssetType".into(),
            project: "risk".parse().unwrap(),
            domain: "local".parse().unwrap(),
            listing: asset.parse().unwrap(),
            listing_name: asset.into(),
            listing_revision: "1".into(),
            owner: owner.clone(),
            secret_id: "local:copy".parse().unwrap(),
            secret: "copy".parse().unwrap(),
            place: Some(Place {
                location: Location {
                    connection: key.connection,
                    path: format!("db.hr.{asset}").parse().unwrap(),
                    owner,
                },
                table: format!("db.hr.{asset}").parse().unwrap(),
            }),
            last_updated: Timestamp::from_seconds(NOW - 500),
        }
    }

    fn key() -> SourceKey {
        SourceKey { connection: "sales".parse().unwrap(), environment: "env-risk".parse().unwrap() }
    }

    fn entry(asset: &str, retained: bool) -> EntryRecord {
        let path = format!("db.hr.{asset}");
        EntryRecord {
            key: key(),
            table: path.parse().unwrap(),
            generation: GenerationId::from_bits(1),
            assets: BTreeMap::from([(asset.parse().unwrap(), Publication { path: path.parse().unwrap(), retained })]),
            since: Timestamp::from_seconds(NOW - 90_000),
            last_updated: Timestamp::from_seconds(NOW - 90_000),
        }
    }

    fn open(state: OpenState, asset: &str) -> (TableName, OpenEntry) {
        let path = format!("db.hr.{asset}");
        let assets = BTreeMap::from([(asset.parse().unwrap(), path.parse().unwrap())]);
        (path.parse().unwrap(), OpenEntry { state, assets })
    }

    pub(crate) fn record(last_updated: i64) -> SourceRecord {
        SourceRecord {
            key: key(),
            domain: "local".parse().unwrap(),
            project: "risk".parse().unwrap(),
            owner: row("x").owner,
            phase: Phase::Active,
            generation: Some(Generation {
                id: GenerationId::from_bits(1),
                user: UserName::new("dz_env").unwrap(),
                secret: "producer".parse().unwrap(),
                secret_id: None,
                copy: "copy".parse().unwrap(),
                spare: None,
                turn: None,
            }),
            older: BTreeSet::new(),
            settled: 3,
            open: BTreeMap::from([open(OpenState::Granting, "b"), open(OpenState::Revoking, "c")]),
            revoked: BTreeSet::from(["d".parse().unwrap(), "gone".parse().unwrap()]),
            retired: BTreeSet::new(),
            data_assets: BTreeSet::new(),
            data_assets_complete: true,
            last_updated: Timestamp::from_seconds(last_updated),
        }
    }

    async fn states(last_updated: i64) -> Vec<String> {
        let tracking = MemoryTracking::new().with_page(1);
        let assets = ["a", "c", "d", "e", "old"].map(|asset| Record::Asset(row(asset)));
        let entries = [entry("a", false), entry("e", true), entry("f", false)].map(Record::Entry);
        for record in assets.into_iter().chain(entries).chain([Record::Source(record(last_updated))]) {
            tracking.insert(record.key(), Stored { version: Some(Version::from_bits(1)), record });
        }
        let listing = listing(&tracking, None, None).await.unwrap();
        assert!(listing.unreadable.is_empty());
        let now = Timestamp::from_seconds(NOW);
        listing
            .access
            .iter()
            .map(|access| format!("{} {}", access.asset.as_ref().unwrap(), access.state("sales", now)))
            .collect()
    }

    #[tokio::test]
    async fn what_is_half_done_is_told_from_what_is_under_way() {
        let next = "the next event, grant or revoke for env-risk on sales finishes it";
        assert_eq!(
            states(NOW - 10_800).await,
            [
                "a granted".to_owned(),
                format!("b granting (run died 3 h ago; {next})"),
                format!("c revoking (run died 3 h ago; {next})"),
                format!("d revoked (run died 8 min ago; {next})"),
                "e retained".to_owned(),
                "f delivering (run died 25 h ago; the next event or grant finishes it)".to_owned(),
                "old granted".to_owned(),
            ]
        );
        let now = states(NOW - 5).await;
        assert_eq!(now[1..3], ["b granting (under way)", "c revoking (under way)"]);
    }

    #[tokio::test]
    async fn a_listing_is_narrowed_by_source_and_environment() {
        let tracking = MemoryTracking::new();
        let record = Record::Asset(row("a"));
        tracking.insert(record.key(), Stored { version: None, record });
        for (connection, environment, found) in
            [("sales", "env-risk", 1), ("other", "env-risk", 0), ("sales", "env-other", 0)]
        {
            let (connection, environment) = (connection.parse().unwrap(), environment.parse().unwrap());
            let listing = listing(&tracking, Some(&connection), Some(&environment)).await.unwrap();
            assert_eq!(listing.access.len(), found, "{connection} {environment}");
        }
    }

    #[tokio::test]
    async fn what_an_older_system_granted_is_listed() {
        for (rows, paths, shown) in [
            (vec!["a"], vec!["db.hr.a"], vec!["db.hr.a by dz_env"]),
            (vec!["a", "b"], vec!["db.hr.a", "db.hr.b"], vec!["a by dz_env", "b by dz_env"]),
            (vec![], vec!["db.hr.a", "db.hr.b"], vec!["db.hr.a by dz_env", "db.hr.b by dz_env"]),
        ] {
            let tracking = MemoryTracking::new();
            let older = paths.iter().map(|path| path.parse().unwrap()).collect();
            let source = SourceRecord {
                settled: 0,
                open: BTreeMap::new(),
                revoked: BTreeSet::new(),
                older,
                ..record(NOW - 500)
            };
            let rows = rows.iter().map(|asset| Record::Asset(AssetRecord { place: None, ..row(asset) }));
            for record in rows.chain([Record::Source(source)]) {
                tracking.insert(record.key(), Stored { version: None, record });
            }
            let connection = key().connection;
            let listing = listing(&tracking, Some(&connection), None).await.unwrap();
            let found: Vec<_> =
                listing.access.iter().map(|a| format!("{} by {}", a.what(), a.user.as_ref().unwrap())).collect();
            assert_eq!(found, shown);
            assert!(listing.access.iter().all(|access| access.state == State::Older));
        }
    }
}
