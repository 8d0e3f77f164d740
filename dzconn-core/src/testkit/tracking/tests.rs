//! The rules pass on the store that keeps its promises, and each fails on one that breaks the promise it is about.

use std::collections::BTreeSet;

use super::*;
use crate::memory::MemoryTracking;
use crate::store::{Cursor, Page, Query, Write};
use crate::{Error, ErrorKind};

mod sound {
    crate::tracking_store_conformance!(super::sound);
}

async fn sound() -> TrackingFixture {
    let store = MemoryTracking::new().with_page(7);
    TrackingFixture::new(store.clone()).with_tamper(store)
}

#[async_trait]
impl Tamper for MemoryTracking {
    async fn plant(&self, record: &Record) -> Result<()> {
        self.insert(record.key(), Stored { version: None, record: record.clone() });
        Ok(())
    }

    async fn damage(&self, key: &Key) -> Result<()> {
        let record = Record::Wanted(Sample::new().wanted(0, 0));
        self.insert(key.clone(), Stored { version: Some(version()), record });
        Ok(())
    }
}

/// One way to be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Fault {
    LosesWrites,
    CutsLargeRecords,
    AnswersSorted,
    LeavesAbsentOut,
    ReadsHundredKeys,
    JoinsTableNames,
    KeepsOldVersion,
    RefusesToOverwrite,
    IgnoresAbsent,
    IgnoresVersion,
    TakesVersionForUnversioned,
    CheckWrites,
    ForgetsChecks,
    ForgetsRemovals,
    RemovesOnlyWhatIsThere,
    ForgetsSecondChange,
    MakesChangesBeforeTheConflict,
    ReadsOneByOne,
    ChecksThenWrites,
    WritesOneByOne,
    RepeatsTheLastOfAPage,
    SkipsOneBetweenPages,
    ListsBackwards,
    CountsRecords,
    IgnoresFilters,
    ListsFirstPageOnly,
    HidesUnversioned,
    InventsVersions,
    UnreadableIsAbsent,
    UnreadableEndsTheList,
}

#[derive(Debug)]
struct Broken {
    inner: MemoryTracking,
    fault: Fault,
}

impl Broken {
    async fn is_there(&self, key: &Key) -> Result<Option<Stored>> {
        Ok(self.inner.read(std::slice::from_ref(key)).await?.into_iter().next().flatten())
    }

    async fn holds(&self, change: &Change) -> Result<bool> {
        let check = Change::check(change.key.clone(), change.expect);
        Ok(self.inner.commit(&Transaction { changes: vec![check] }).await? == WriteOutcome::Written)
    }

    /// A store that takes the names of a table for one text.
    fn joined(key: &Key) -> Key {
        match key {
            Key::Entry(source, table) => {
                Key::Entry(source.clone(), crate::model::TableName::in_database("joined", table.joined()).unwrap())
            }
            other => other.clone(),
        }
    }
}

#[async_trait]
impl TrackingStore for Broken {
    async fn read(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>> {
        let mut found = match self.fault {
            Fault::JoinsTableNames => {
                let state = self.inner.snapshot();
                let find = |key| state.iter().find(|(there, _)| **there == Self::joined(key));
                keys.iter().map(|key| find(key).map(|(_, stored)| stored.clone())).collect()
            }
            Fault::ReadsOneByOne => {
                let mut found = Vec::new();
                for key in keys {
                    found.push(self.is_there(key).await?);
                    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                }
                found
            }
            Fault::UnreadableIsAbsent => {
                let mut found = Vec::new();
                for key in keys {
                    found.push(self.is_there(key).await.unwrap_or_default());
                }
                found
            }
            _ => self.inner.read(keys).await?,
        };
        match self.fault {
            Fault::AnswersSorted => found.sort_by_key(|stored| stored.as_ref().map(|stored| stored.record.key())),
            Fault::LeavesAbsentOut => found.retain(Option::is_some),
            Fault::ReadsHundredKeys => found.truncate(100),
            Fault::InventsVersions => {
                for stored in found.iter_mut().flatten() {
                    stored.version.get_or_insert_with(version);
                }
            }
            _ => {}
        }
        Ok(found)
    }

    async fn commit(&self, transaction: &Transaction) -> Result<WriteOutcome> {
        let mut transaction = transaction.clone();
        let changes = &mut transaction.changes;
        match self.fault {
            Fault::LosesWrites => return Ok(WriteOutcome::Written),
            Fault::CutsLargeRecords => {
                for change in changes {
                    if let Write::Put(_, record) = &mut change.write
                        && let Record::Source(record) = &mut **record
                    {
                        record.revoked = record.revoked.iter().take(100).cloned().collect();
                    }
                }
            }
            Fault::JoinsTableNames => {
                for Change { key, write, .. } in &*changes {
                    if let Write::Put(version, record) = write {
                        let stored = Stored { version: Some(*version), record: (**record).clone() };
                        self.inner.insert(Self::joined(key), stored);
                    }
                }
                return Ok(WriteOutcome::Written);
            }
            Fault::KeepsOldVersion => {
                for change in changes {
                    let old = self.is_there(&change.key).await?.and_then(|stored| stored.version);
                    if let (Write::Put(version, _), Some(old)) = (&mut change.write, old) {
                        *version = old;
                    }
                }
            }
            Fault::RefusesToOverwrite => {
                for change in changes.iter_mut().filter(|change| change.expect == Expect::Anything) {
                    change.expect = Expect::Absent;
                }
            }
            Fault::IgnoresAbsent => weaken(changes, |expect| expect == Expect::Absent),
            Fault::IgnoresVersion => weaken(changes, |expect| matches!(expect, Expect::Is(_))),
            Fault::TakesVersionForUnversioned => weaken(changes, |expect| expect == Expect::Unversioned),
            Fault::CheckWrites => {
                for change in changes {
                    if let (Write::Check, Some(stored)) = (&change.write, self.is_there(&change.key).await?) {
                        change.write = Write::Put(version(), Box::new(stored.record));
                    }
                }
            }
            Fault::ForgetsChecks => changes.retain(|change| change.write != Write::Check),
            Fault::ForgetsRemovals => changes.retain(|change| change.write != Write::Remove),
            Fault::RemovesOnlyWhatIsThere => {
                for change in changes.clone() {
                    if change.write == Write::Remove && self.is_there(&change.key).await?.is_none() {
                        return Ok(WriteOutcome::Conflict);
                    }
                }
            }
            Fault::ForgetsSecondChange => changes.truncate(1),
            Fault::MakesChangesBeforeTheConflict => {
                for change in changes.clone() {
                    let one = Transaction { changes: vec![change] };
                    if self.inner.commit(&one).await? == WriteOutcome::Conflict {
                        return Ok(WriteOutcome::Conflict);
                    }
                }
                return Ok(WriteOutcome::Written);
            }
            Fault::ChecksThenWrites | Fault::WritesOneByOne => {
                let check_first = self.fault == Fault::ChecksThenWrites;
                for change in &*changes {
                    if !self.holds(change).await? {
                        return Ok(WriteOutcome::Conflict);
                    }
                }
                if !check_first && changes.len() == 1 {
                    return self.inner.commit(&transaction).await;
                }
                for change in changes.clone() {
                    tokio::time::sleep(std::time::Duration::from_millis(rand::random_range(1..4))).await;
                    let one = Transaction { changes: vec![Change { expect: Expect::Anything, ..change }] };
                    self.inner.commit(&one).await?;
                }
                return Ok(WriteOutcome::Written);
            }
            _ => {}
        }
        self.inner.commit(&transaction).await
    }

    async fn list(&self, query: &Query, after: Option<&Cursor>) -> Result<Page> {
        match self.fault {
            Fault::IgnoresFilters => {
                let state = self.inner.snapshot();
                let records = state.iter().map(|(_, stored)| Ok(stored.clone())).collect();
                return Ok(Page { records, next: None });
            }
            Fault::CountsRecords => {
                let begin = after.map_or(0, |after| after.as_str().parse().unwrap());
                let all = self.inner.clone().with_page(usize::MAX).list(query, None).await?.records;
                let next = (begin + 7 < all.len()).then(|| Cursor::new((begin + 7).to_string()));
                return Ok(Page { records: all.into_iter().skip(begin).take(7).collect(), next });
            }
            Fault::ListsBackwards => {
                let mut page = self.inner.list(query, after).await?;
                page.records.reverse();
                return Ok(page);
            }
            _ => {}
        }
        let mut page = self.inner.list(query, after).await?;
        match self.fault {
            Fault::RepeatsTheLastOfAPage if page.next.is_some() => {
                let again = page.records.last().and_then(|last| last.as_ref().ok().cloned());
                page.records.extend(again.map(Ok));
            }
            Fault::SkipsOneBetweenPages if page.next.is_some() => drop(page.records.pop()),
            Fault::ListsFirstPageOnly => page.next = None,
            Fault::HidesUnversioned => {
                page.records.retain(|record| record.as_ref().map_or(true, |stored| stored.version.is_some()));
            }
            Fault::UnreadableEndsTheList if page.records.iter().any(Result::is_err) => {
                return Err(Error::new(ErrorKind::RecordInvalid, "one of them"));
            }
            _ => {}
        }
        Ok(page)
    }
}

fn weaken(changes: &mut [Change], which: impl Fn(Expect) -> bool) {
    for change in changes.iter_mut().filter(|change| which(change.expect)) {
        change.expect = Expect::Anything;
    }
}

const FAULTS: &[(Fault, &[&str])] = &[
    (Fault::LosesWrites, &["a_record_is_read_back_as_it_was_put", "every_change_is_made"]),
    (Fault::CutsLargeRecords, &["a_large_record_is_read_back_as_it_was_put"]),
    (Fault::AnswersSorted, &["answers_come_in_the_order_of_the_keys"]),
    (Fault::LeavesAbsentOut, &["answers_come_in_the_order_of_the_keys", "many_keys_are_read_at_once"]),
    (Fault::ReadsHundredKeys, &["many_keys_are_read_at_once"]),
    (Fault::JoinsTableNames, &["keys_that_look_alike_are_told_apart"]),
    (Fault::KeepsOldVersion, &["a_put_replaces_record_and_version"]),
    (Fault::RefusesToOverwrite, &["a_change_without_condition_is_always_made"]),
    (Fault::IgnoresAbsent, &["absent_holds_only_where_nothing_is", "of_concurrent_creators_one_wins"]),
    (
        Fault::IgnoresVersion,
        &[
            "a_version_holds_only_for_that_version",
            "nothing_can_be_removed",
            "of_concurrent_writers_over_one_version_one_wins",
        ],
    ),
    (
        Fault::TakesVersionForUnversioned,
        &["unversioned_does_not_hold_for_nothing_or_a_version", "a_record_of_an_older_system_is_unversioned"],
    ),
    (Fault::CheckWrites, &["a_check_writes_nothing"]),
    (Fault::ForgetsChecks, &["a_check_decides_over_the_other_changes", "absent_holds_only_where_nothing_is"]),
    (Fault::ForgetsRemovals, &["a_removed_record_is_gone"]),
    (Fault::RemovesOnlyWhatIsThere, &["nothing_can_be_removed"]),
    (Fault::ForgetsSecondChange, &["every_change_is_made", "a_listing_shows_each_record_once"]),
    (Fault::MakesChangesBeforeTheConflict, &["one_condition_that_fails_keeps_all_changes_from_being_made"]),
    (Fault::ReadsOneByOne, &["a_read_shows_no_commit_in_part"]),
    (Fault::ChecksThenWrites, &["of_concurrent_writers_over_one_version_one_wins", "of_concurrent_creators_one_wins"]),
    (Fault::WritesOneByOne, &["concurrent_transactions_do_not_mix", "a_condition_holds_while_its_transaction_is_made"]),
    (Fault::RepeatsTheLastOfAPage, &["a_listing_shows_each_record_once", "all_mappings_are_listed"]),
    (Fault::SkipsOneBetweenPages, &["a_listing_shows_each_record_once", "all_assets_are_listed"]),
    (Fault::ListsBackwards, &["a_listing_keeps_the_order_of_the_keys"]),
    (Fault::CountsRecords, &["a_listing_survives_what_is_written_meanwhile"]),
    (
        Fault::IgnoresFilters,
        &[
            "sources_of_one_connection_are_listed_alone",
            "entries_of_one_source_are_listed_alone",
            "assets_of_one_environment_are_listed_alone",
            "assets_for_one_listing_are_listed_alone",
            "answers_for_one_environment_are_listed_alone",
            "objects_of_one_environment_are_listed_alone",
            "objects_for_one_listing_are_listed_alone",
        ],
    ),
    (
        Fault::ListsFirstPageOnly,
        &[
            "all_sources_are_listed",
            "all_mappings_are_listed",
            "all_assets_are_listed",
            "all_answers_are_listed",
            "all_buckets_are_listed",
            "all_objects_are_listed",
        ],
    ),
    (Fault::HidesUnversioned, &["a_record_of_an_older_system_is_listed"]),
    (Fault::InventsVersions, &["a_record_of_an_older_system_is_unversioned"]),
    (Fault::UnreadableIsAbsent, &["an_unreadable_record_is_named"]),
    (Fault::UnreadableEndsTheList, &["a_listing_shows_the_others_beside_an_unreadable_one"]),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_rule_fails_for_a_store_that_breaks_it() {
    let mut caught = BTreeSet::new();
    for (fault, rules) in FAULTS {
        for name in *rules {
            let rule = RULES.iter().find(|rule| rule.name == *name).unwrap_or_else(|| panic!("no rule {name}"));
            let inner = MemoryTracking::new().with_page(7);
            let fixture = TrackingFixture::new(Broken { inner: inner.clone(), fault: *fault }).with_tamper(inner);
            let failure = (rule.check)(&fixture).await.expect_err(&format!("{name} misses {fault:?}"));
            let shown = failure.to_string();
            assert!(shown.contains(" promises: ") && shown.contains(failure.promise.text), "{shown}");
            caught.insert(rule.name);
        }
    }
    let missed: Vec<_> = RULES.iter().filter(|rule| !caught.contains(rule.name)).collect();
    assert!(missed.is_empty(), "no broken store shows that these can fail: {missed:?}");
}

#[tokio::test]
async fn a_rule_that_cannot_be_checked_is_not_kept() {
    for rule in RULES.iter().filter(|rule| rule.needs.is_some()) {
        let failure = (rule.check)(&TrackingFixture::new(MemoryTracking::new())).await.unwrap_err();
        assert!(failure.found.contains("not checked"), "{failure}");
    }
}

#[test]
fn the_promises_are_those_of_the_documentation() {
    let docs = crate::testkit::documentation(include_str!("../../store/tracking.rs"));
    for rule in RULES {
        assert!(docs.contains(rule.promise.text), "{}: the documentation does not say {:?}", rule.name, rule.promise);
    }
}
