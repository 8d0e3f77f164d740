//! Rules for listings.

use std::collections::{BTreeMap, VecDeque};

use super::{Sample, TrackingFixture, promises, version};
use crate::model::SourceKey;
use crate::store::{Change, Cursor, Expect, Key, Query, Record, Stored};
use crate::testkit::{Failure, Promise};
use crate::{Error, ErrorKind};

/// No listing of the suite has as many pages as this; one that goes on does not end.
const TOO_MANY_PAGES: usize = 100_000;

struct Listed {
    pages: Vec<Vec<Stored>>,
    errors: Vec<Error>,
}

impl Listed {
    fn records(&self) -> impl Iterator<Item = &Stored> {
        self.pages.iter().flatten()
    }
}

impl TrackingFixture {
    /// Lists to the end.
    async fn list(&self, promise: Promise, query: &Query) -> Result<Listed, Failure> {
        let mut listed = Listed { pages: Vec::new(), errors: Vec::new() };
        let mut after: Option<Cursor> = None;
        loop {
            let page = promise.answer("list", self.store.list(query, after.as_ref()).await)?;
            let mut records = Vec::new();
            for record in page.records {
                match record {
                    Ok(stored) => records.push(stored),
                    Err(error) => listed.errors.push(error),
                }
            }
            listed.pages.push(records);
            let Some(next) = page.next else { return Ok(listed) };
            promise.unless(listed.pages.len() < TOO_MANY_PAGES && after.as_ref() != Some(&next), || {
                format!("list of {query:?} does not end: {} pages, next {next:?}", listed.pages.len())
            })?;
            after = Some(next);
        }
    }

    /// Puts many records, a few a transaction.
    async fn fill(&self, promise: Promise, records: Vec<Record>) -> Result<BTreeMap<Key, Stored>, Failure> {
        let mut filled = BTreeMap::new();
        for some in records.chunks(10) {
            let mut changes = Vec::new();
            for record in some {
                let stored = Stored { version: Some(version()), record: record.clone() };
                changes.push(Change::put(Expect::Absent, stored.version.unwrap_or_else(version), record.clone()));
                filled.insert(record.key(), stored);
            }
            self.must_commit(promise, changes).await?;
        }
        Ok(filled)
    }

    /// Lists, and compares those records that are this sample's, each exactly once, with what was put.
    async fn must_list(
        &self,
        promise: Promise,
        query: &Query,
        ours: impl Fn(&Key) -> bool,
        wanted: &BTreeMap<Key, Stored>,
    ) -> Result<Listed, Failure> {
        let listed = self.list(promise, query).await?;
        let mut found = BTreeMap::new();
        for stored in listed.records() {
            let key = stored.record.key();
            if ours(&key) {
                let twice = found.insert(key.clone(), stored.clone()).is_some();
                promise.unless(!twice, || format!("list of {query:?} showed the {key} twice"))?;
            } else {
                // Somebody else's, and only where everybody's are asked for.
                promise.unless(fits(query, &key), || format!("list of {query:?} showed the {key}"))?;
            }
        }
        promise.unless(found == *wanted, || {
            let keys = |records: &BTreeMap<Key, Stored>| records.keys().map(Key::to_string).collect::<Vec<_>>();
            format!("list of {query:?} showed {:#?} instead of {:#?}", keys(&found), keys(wanted))
        })?;
        Ok(listed)
    }
}

fn fits(query: &Query, key: &Key) -> bool {
    match (query, key) {
        (Query::Sources(connection), Key::Source(key)) => connection.as_ref().is_none_or(|c| *c == key.connection),
        (Query::Entries(source), Key::Entry(key, _)) => source == key,
        (Query::Assets(environment), Key::Asset(key, _))
        | (Query::Wanted(environment), Key::Wanted(key, _))
        | (Query::Objects(environment), Key::Objects(key, _)) => environment.as_ref().is_none_or(|e| e == key),
        (Query::Mappings, Key::Mapping(_))
        | (Query::Listing(..), Key::Asset(..))
        | (Query::Buckets, Key::Bucket(_))
        | (Query::ObjectListing(..), Key::Objects(..)) => true,
        _ => false,
    }
}

/// The listings that are this sample's alone: many records each, and what asks for them.
fn scoped(sample: &Sample) -> Vec<(Query, Vec<Record>)> {
    const MANY: usize = 40;
    vec![
        (Query::Sources(Some(sample.connection())), (0..MANY).map(|n| Record::Source(sample.source(n))).collect()),
        (Query::Entries(sample.key(0)), (0..MANY).map(|n| Record::Entry(sample.entry(0, n))).collect()),
        (
            Query::Assets(Some(sample.environment(0))),
            (0..MANY).map(|n| Record::Asset(sample.asset_record(0, n))).collect(),
        ),
        (
            Query::Objects(Some(sample.environment(1))),
            (0..MANY).map(|n| Record::Objects(sample.object_record(1, n))).collect(),
        ),
    ]
}

/// However many pages it takes.
pub async fn a_listing_shows_each_record_once(fixture: &TrackingFixture) -> Result<(), Failure> {
    let promise = promises::LIST;
    for (query, records) in scoped(&Sample::new()) {
        fixture.must_list(promise, &query, |_| true, &BTreeMap::new()).await?;
        let filled = fixture.fill(promise, records).await?;
        fixture.must_list(promise, &query, |_| true, &filled).await?;
    }
    Ok(())
}

/// On every page, whatever the order in which the records were put.
pub async fn a_listing_keeps_the_order_of_the_keys(fixture: &TrackingFixture) -> Result<(), Failure> {
    let promise = promises::ORDER;
    for (query, mut records) in scoped(&Sample::new()) {
        records.reverse();
        let middle = records.len() / 2;
        records.rotate_left(middle);
        fixture.fill(promise, records).await?;
        for page in fixture.list(promise, &query).await?.pages {
            let keys: Vec<_> = page.iter().map(|stored| stored.record.key()).collect();
            promise.unless(keys.is_sorted(), || format!("a page of the list of {query:?} shows {keys:#?}"))?;
        }
    }
    Ok(())
}

/// Records come and go before and after the place where the listing stands; those that stay are shown, each once.
pub async fn a_listing_survives_what_is_written_meanwhile(fixture: &TrackingFixture) -> Result<(), Failure> {
    let promise = promises::LIST;
    let sample = Sample::new();
    for (query, records) in scoped(&sample) {
        // Every fourth stays away for now, every fourth goes, every fourth is written again, every fourth is left alone.
        let (late, early): (Vec<_>, Vec<_>) = records.into_iter().enumerate().partition(|(n, _)| n % 4 == 0);
        fixture.fill(promise, early.iter().map(|(_, record)| record.clone()).collect()).await?;
        // Taken from both ends, so that writes land before and after the place where the listing stands.
        let (mut late, mut writes) = (VecDeque::from(late), VecDeque::from(early.clone()));
        let mut shown: BTreeMap<Key, usize> = BTreeMap::new();
        let mut after = None;
        for turn in 0.. {
            let page = promise.answer("list", fixture.store.list(&query, after.as_ref()).await)?;
            for stored in page.records {
                let stored = promise.answer("list", stored)?;
                *shown.entry(stored.record.key()).or_default() += 1;
            }
            promise.unless(turn < TOO_MANY_PAGES, || format!("list of {query:?} does not end"))?;
            after = page.next;
            if after.is_none() {
                break;
            }
            let added = [late.pop_front(), late.pop_back()].into_iter().flatten();
            let added = added.map(|(_, record)| Change::put(Expect::Absent, version(), record));
            let some = [writes.pop_front(), writes.pop_front(), writes.pop_back(), writes.pop_back()];
            let written = some.into_iter().flatten().filter_map(|(n, record)| match n % 4 {
                1 => Some(Change::remove(record.key(), Expect::Anything)),
                2 => Some(Change::put(Expect::Anything, version(), Sample::touched(record))),
                _ => None,
            });
            let changes: Vec<_> = added.chain(written).collect();
            if !changes.is_empty() {
                fixture.must_commit(promise, changes).await?;
            }
        }
        for (n, record) in &early {
            let times = shown.get(&record.key()).copied().unwrap_or_default();
            promise.unless(times == 1 || (n % 4 == 1 && times == 0), || {
                format!("list of {query:?} showed the {} {times} times", record.key())
            })?;
        }
        promise.unless(shown.values().all(|times| *times == 1), || {
            format!("list of {query:?} showed a record more than once: {shown:#?}")
        })?;
    }
    Ok(())
}

/// Not those of a connection whose name only begins alike.
pub async fn sources_of_one_connection_are_listed_alone(fixture: &TrackingFixture) -> Result<(), Failure> {
    let promise = promises::SOURCES;
    let sample = Sample::new();
    let of = |suffix: &str, n| {
        let mut source = sample.source(n);
        source.key = SourceKey { connection: sample.connection_called(suffix), environment: sample.environment(n) };
        Record::Source(source)
    };
    for suffix in ["", "-2", "#", "x"] {
        fixture.fill(promise, (0..3).map(|n| of(suffix, n)).collect()).await?;
    }
    fixture.fill(promise, vec![Record::Entry(sample.entry(0, 0)), Record::Mapping(sample.mapping(0))]).await?;
    for suffix in ["", "-2"] {
        let connection = sample.connection_called(suffix);
        let query = Query::Sources(Some(connection.clone()));
        let found = fixture.list(promise, &query).await?;
        let keys: Vec<_> = found.records().map(|stored| stored.record.key()).collect();
        let wanted: Vec<_> = (0..3).map(|n| of(suffix, n).key()).collect();
        promise.unless(same(&keys, &wanted), || format!("list of {query:?} showed {keys:#?}"))?;
    }
    Ok(())
}

/// Not those of another environment or connection.
pub async fn entries_of_one_source_are_listed_alone(fixture: &TrackingFixture) -> Result<(), Failure> {
    let promise = promises::ENTRIES;
    let sample = Sample::new();
    let mut other = sample.entry(0, 7);
    other.key.connection = sample.connection_called("-2");
    let records = vec![
        Record::Entry(sample.entry(0, 0)),
        Record::Entry(sample.entry(0, 1)),
        Record::Entry(sample.entry(1, 2)),
        Record::Entry(other),
        Record::Source(sample.source(0)),
    ];
    let wanted: Vec<_> = records.iter().take(2).map(Record::key).collect();
    fixture.fill(promise, records).await?;
    let query = Query::Entries(sample.key(0));
    let found = fixture.list(promise, &query).await?;
    let keys: Vec<_> = found.records().map(|stored| stored.record.key()).collect();
    promise.unless(same(&keys, &wanted), || format!("list of {query:?} showed {keys:#?}"))
}

/// Not those of another environment, and not assets that are tables.
pub async fn objects_of_one_environment_are_listed_alone(fixture: &TrackingFixture) -> Result<(), Failure> {
    let promise = promises::OBJECTS;
    let sample = Sample::new();
    let records = vec![
        Record::Objects(sample.object_record(0, 0)),
        Record::Objects(sample.object_record(0, 1)),
        Record::Objects(sample.object_record(1, 1)),
        Record::Asset(sample.asset_record(0, 2)),
    ];
    let wanted: Vec<_> = records.iter().take(2).map(Record::key).collect();
    let table: Vec<_> = records.iter().skip(3).map(Record::key).collect();
    fixture.fill(promise, records).await?;
    for (query, wanted) in
        [(Query::Objects(Some(sample.environment(0))), wanted), (Query::Assets(Some(sample.environment(0))), table)]
    {
        let found = fixture.list(promise, &query).await?;
        let keys: Vec<_> = found.records().map(|stored| stored.record.key()).collect();
        promise.unless(same(&keys, &wanted) && found.errors.is_empty(), || {
            format!("list of {query:?} showed {keys:#?}")
        })?;
    }
    Ok(())
}

/// Not those of another environment, and not wanted states.
pub async fn assets_of_one_environment_are_listed_alone(fixture: &TrackingFixture) -> Result<(), Failure> {
    let promise = promises::ASSETS;
    let sample = Sample::new();
    let records = vec![
        Record::Asset(sample.asset_record(0, 0)),
        Record::Asset(sample.asset_record(0, 1)),
        Record::Asset(sample.asset_record(1, 1)),
        Record::Wanted(sample.wanted(0, 2)),
    ];
    let wanted: Vec<_> = records.iter().take(2).map(Record::key).collect();
    fixture.fill(promise, records).await?;
    let query = Query::Assets(Some(sample.environment(0)));
    let found = fixture.list(promise, &query).await?;
    let keys: Vec<_> = found.records().map(|stored| stored.record.key()).collect();
    promise.unless(same(&keys, &wanted), || format!("list of {query:?} showed {keys:#?}"))
}

/// In any environment; and not those of another project, nor those for another listing.
pub async fn assets_for_one_listing_are_listed_alone(fixture: &TrackingFixture) -> Result<(), Failure> {
    let promise = promises::LISTING;
    let (sample, other) = (Sample::new(), Sample::new());
    let rows: Vec<_> = (0..24).map(|n| sample.asset_record(n % 5, n)).collect();
    let mut elsewhere = sample.asset_record(0, 30);
    let query = Query::Listing(elsewhere.project.clone(), sample.listing());
    elsewhere.project = Sample::another_project();
    let objects = Record::Objects(sample.object_record(0, 0));
    fixture.fill(promise, vec![Record::Asset(elsewhere), Record::Asset(other.asset_record(0, 0)), objects]).await?;
    let wanted = fixture.fill(promise, rows.into_iter().map(Record::Asset).collect()).await?;
    lists_in_the_end(fixture, promise, &query, wanted.into_keys().collect()).await
}

/// In any environment; and not those of another project, nor those for another listing, nor tables.
pub async fn objects_for_one_listing_are_listed_alone(fixture: &TrackingFixture) -> Result<(), Failure> {
    let promise = promises::OBJECT_LISTING;
    let (sample, other) = (Sample::new(), Sample::new());
    let rows: Vec<_> = (0..24).map(|n| sample.object_record(n % 5, n)).collect();
    let mut elsewhere = sample.object_record(0, 30);
    let query = Query::ObjectListing(elsewhere.project.clone(), sample.listing());
    elsewhere.project = Sample::another_project();
    let table = Record::Asset(sample.asset_record(0, 0));
    fixture.fill(promise, vec![Record::Objects(elsewhere), Record::Objects(other.object_record(0, 0)), table]).await?;
    let wanted = fixture.fill(promise, rows.into_iter().map(Record::Objects).collect()).await?;
    lists_in_the_end(fixture, promise, &query, wanted.into_keys().collect()).await
}

async fn lists_in_the_end(
    fixture: &TrackingFixture,
    promise: Promise,
    query: &Query,
    wanted: Vec<Key>,
) -> Result<(), Failure> {
    let mut keys: Vec<Key> = Vec::new();
    // An index may be behind for a moment.
    for _ in 0..30 {
        let found = fixture.list(promise, query).await?;
        keys = found.records().map(|stored| stored.record.key()).collect();
        if same(&keys, &wanted) {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    Err(promise.broken(format!("list of {query:?} showed {keys:#?}")))
}

fn same(found: &[Key], wanted: &[Key]) -> bool {
    let sorted = |keys: &[Key]| {
        let mut keys = keys.to_vec();
        keys.sort();
        keys
    };
    sorted(found) == sorted(wanted)
}

/// Of every connection, each once, and nothing else.
pub async fn all_sources_are_listed(fixture: &TrackingFixture) -> Result<(), Failure> {
    let sample = Sample::new();
    let records = ["", "-2", "-3"].into_iter().flat_map(|suffix| {
        let sample = &sample;
        (0..8).map(move |n| {
            let mut source = sample.source(n);
            source.key.connection = sample.connection_called(suffix);
            Record::Source(source)
        })
    });
    everything(fixture, promises::SOURCES, &Query::Sources(None), &sample, records.collect()).await
}

/// Each once, and nothing else.
pub async fn all_mappings_are_listed(fixture: &TrackingFixture) -> Result<(), Failure> {
    let sample = Sample::new();
    let records = (0..24).map(|n| Record::Mapping(sample.mapping(n))).collect();
    everything(fixture, promises::MAPPINGS, &Query::Mappings, &sample, records).await
}

/// Of every environment, each once, and nothing else.
pub async fn all_assets_are_listed(fixture: &TrackingFixture) -> Result<(), Failure> {
    let sample = Sample::new();
    let records = (0..24).map(|n| Record::Asset(sample.asset_record(n % 3, n))).collect();
    everything(fixture, promises::ASSETS, &Query::Assets(None), &sample, records).await
}

/// Of every environment, each once, and nothing else.
pub async fn all_answers_are_listed(fixture: &TrackingFixture) -> Result<(), Failure> {
    let sample = Sample::new();
    let records = (0..24).map(|n| Record::Wanted(sample.wanted(n % 3, n))).collect();
    everything(fixture, promises::WANTED, &Query::Wanted(None), &sample, records).await
}

/// Not those of others.
pub async fn answers_for_one_environment_are_listed_alone(fixture: &TrackingFixture) -> Result<(), Failure> {
    let (promise, sample) = (promises::WANTED, Sample::new());
    fixture.fill(promise, (0..6).map(|n| Record::Wanted(sample.wanted(1, n))).collect()).await?;
    fixture.fill(promise, vec![Record::Asset(sample.asset_record(0, 0))]).await?;
    let filled = fixture.fill(promise, (0..6).map(|n| Record::Wanted(sample.wanted(0, n))).collect()).await?;
    let query = Query::Wanted(Some(sample.environment(0)));
    fixture.must_list(promise, &query, |_| true, &filled).await.map(drop)
}

/// Each once, and nothing else.
pub async fn all_buckets_are_listed(fixture: &TrackingFixture) -> Result<(), Failure> {
    let sample = Sample::new();
    let records = (0..24).map(|n| Record::Bucket(sample.bucket_record(n))).collect();
    everything(fixture, promises::BUCKETS, &Query::Buckets, &sample, records).await
}

/// Of every environment, each once, and nothing else.
pub async fn all_objects_are_listed(fixture: &TrackingFixture) -> Result<(), Failure> {
    let sample = Sample::new();
    let records = (0..24).map(|n| Record::Objects(sample.object_record(n % 3, n))).collect();
    everything(fixture, promises::OBJECTS, &Query::Objects(None), &sample, records).await
}

async fn everything(
    fixture: &TrackingFixture,
    promise: Promise,
    query: &Query,
    sample: &Sample,
    records: Vec<Record>,
) -> Result<(), Failure> {
    // The other kinds are there to be left out.
    fixture.fill(promise, Sample::new().one_of_each(0)).await?;
    let filled = fixture.fill(promise, records).await?;
    let environments: Vec<_> = (0..24).map(|n| sample.environment(n)).collect();
    let secrets: Vec<_> = (0..24).map(|n| sample.secret(n)).collect();
    let buckets: Vec<_> = (0..24).map(|n| sample.bucket(n)).collect();
    let ours = |key: &Key| match key {
        Key::Source(key) => environments.contains(&key.environment),
        Key::Asset(environment, _) | Key::Wanted(environment, _) | Key::Objects(environment, _) => {
            environments.contains(environment)
        }
        Key::Mapping(secret) => secrets.contains(secret),
        Key::Bucket(bucket) => buckets.contains(bucket),
        Key::Entry(..) => false,
    };
    fixture.must_list(promise, query, ours, &filled).await.map(drop)
}

/// Without a version, beside those that have one.
pub async fn a_record_of_an_older_system_is_listed(fixture: &TrackingFixture) -> Result<(), Failure> {
    let promise = promises::OLDER;
    let tamper = fixture.tamper(promise)?;
    for (query, mut records) in scoped(&Sample::new()) {
        records.truncate(12);
        let old = records.remove(5);
        let mut wanted = fixture.fill(promise, records).await?;
        promise.answer("the fixture's plant", tamper.plant(&old).await)?;
        wanted.insert(old.key(), Stored { version: None, record: old });
        fixture.must_list(promise, &query, |_| true, &wanted).await?;
    }
    Ok(())
}

/// It stands as its error, once.
pub async fn a_listing_shows_the_others_beside_an_unreadable_one(fixture: &TrackingFixture) -> Result<(), Failure> {
    let promise = promises::OTHERS;
    let tamper = fixture.tamper(promise)?;
    for (query, records) in scoped(&Sample::new()) {
        let mut wanted = fixture.fill(promise, records).await?;
        let keys: Vec<_> = wanted.keys().cloned().collect();
        // At the beginning, in the middle and at the end, so that also a page's last record is one.
        let damaged: Vec<_> = keys.iter().enumerate().filter(|(n, _)| n % 13 == 0).map(|(_, key)| key).collect();
        for key in &damaged {
            promise.answer("the fixture's damage", tamper.damage(key).await)?;
            wanted.remove(key);
        }
        let listed = fixture.must_list(promise, &query, |_| true, &wanted).await?;
        let named = |key: &Key| {
            let names = |error: &&Error| error.to_string().contains(&key.to_string());
            listed.errors.iter().filter(|error| error.kind() == ErrorKind::RecordInvalid).filter(names).count()
        };
        promise.unless(listed.errors.len() == damaged.len() && damaged.iter().all(|key| named(key) == 1), || {
            format!("{damaged:#?} cannot be read, and list of {query:?} showed the errors {:#?}", listed.errors)
        })?;
    }
    Ok(())
}
