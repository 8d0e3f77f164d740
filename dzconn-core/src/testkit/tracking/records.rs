//! Rules for single records and single transactions.

use super::{Sample, TrackingFixture, promises, version};
use crate::ErrorKind;
use crate::model::{AssetId, EnvironmentId, SourceKey, TableName, Version};
use crate::store::{Change, Expect, Record, Stored, Write};
use crate::testkit::{Failure, Promise};

/// What was put is what is read, in every kind of record, with every awkward character.
pub async fn a_record_is_read_back_as_it_was_put(fixture: &TrackingFixture) -> Result<(), Failure> {
    let sample = Sample::new();
    for record in (0..3).flat_map(|n| sample.one_of_each(n)) {
        fixture.must_hold(promises::READ, "before it was put", &record.key(), None).await?;
        let stored = fixture.put(promises::READS, record).await?;
        fixture.must_hold(promises::READS, "after it was put", &stored.record.key(), Some(&stored)).await?;
    }
    Ok(())
}

/// Also a source record as large as they get.
pub async fn a_large_record_is_read_back_as_it_was_put(fixture: &TrackingFixture) -> Result<(), Failure> {
    let record = Record::Source(Sample::new().large_source(0));
    let stored = fixture.put(promises::READS, record).await?;
    fixture.must_hold(promises::READS, "after it was put", &stored.record.key(), Some(&stored)).await
}

/// Whatever the kinds, whether there is a record, and also where a key stands twice.
pub async fn answers_come_in_the_order_of_the_keys(fixture: &TrackingFixture) -> Result<(), Failure> {
    let sample = Sample::new();
    let mut wanted = Vec::new();
    for (i, record) in sample.one_of_each(0).into_iter().chain(sample.one_of_each(1)).enumerate() {
        let key = record.key();
        let stored = if i % 3 == 1 { None } else { Some(fixture.put(promises::READ, record).await?) };
        wanted.push((key, stored));
    }
    let twice = wanted.first().cloned();
    wanted.extend(twice);
    for _ in 0..2 {
        wanted.reverse();
        let keys: Vec<_> = wanted.iter().map(|(key, _)| key.clone()).collect();
        let found = fixture.read(promises::READ, &keys).await?;
        promises::READ.unless(found.iter().eq(wanted.iter().map(|(_, stored)| stored)), || {
            format!("read of {keys:#?} answered {found:#?} instead of {wanted:#?}")
        })?;
    }
    let none = fixture.read(promises::READ, &[]).await?;
    promises::READ.unless(none.is_empty(), || format!("read of no keys answered {none:#?}"))
}

/// More keys than one request of some databases takes.
pub async fn many_keys_are_read_at_once(fixture: &TrackingFixture) -> Result<(), Failure> {
    const MANY: usize = 130;
    let sample = Sample::new();
    let mut last = None;
    for n in [0, MANY - 1] {
        last = Some(fixture.put(promises::READ, Record::Wanted(sample.wanted(n, n))).await?);
    }
    let keys: Vec<_> = (0..MANY).map(|n| Record::Wanted(sample.wanted(n, n)).key()).collect();
    let found = fixture.read(promises::READ, &keys).await?;
    let there = found.iter().filter(|stored| stored.is_some()).count();
    promises::READ.unless(found.len() == MANY && there == 2 && found.last() == Some(&last), || {
        format!(
            "read of {MANY} keys, of which the first and the last have records, answered {} with {there}",
            found.len()
        )
    })
}

/// Names that hold a separator or differ in case are still different names.
pub async fn keys_that_look_alike_are_told_apart(fixture: &TrackingFixture) -> Result<(), Failure> {
    let promise = promises::READ;
    let sample = Sample::new();
    let invalid = |error: crate::Error| promise.broken(error.to_string());
    let mut stored = Vec::new();
    for (n, table) in [
        TableName::in_database("a.b", "c"),
        TableName::in_database("a", "b.c"),
        TableName::in_schema("a", "b", "c"),
        TableName::in_schema("a", "b", "C"),
        TableName::in_schema("a", "b", "c "),
        TableName::in_database("a", "b#c"),
        TableName::in_schema("a", "b#", "c"),
        TableName::in_schema("a", "b", "#c"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut entry = sample.entry(0, n);
        entry.table = table.map_err(invalid)?;
        stored.push(fixture.put(promise, Record::Entry(entry)).await?);
    }
    for (n, suffix) in ["", "#", "#1", " x", "X", "x", "|", "/"].into_iter().enumerate() {
        let mut source = sample.source(n);
        let environment = sample.environment(0);
        source.key = SourceKey { connection: sample.connection_called(suffix), environment };
        stored.push(fixture.put(promise, Record::Source(source)).await?);
    }
    let text = sample.environment(0).as_str().to_owned();
    for (environment, asset) in [(text.clone(), "a-b".to_owned()), (format!("{text}-a"), "b".to_owned())] {
        let environment = EnvironmentId::new(environment).map_err(invalid)?;
        let asset = AssetId::new(asset).map_err(invalid)?;
        let mut record = sample.asset_record(0, 0);
        (record.environment, record.asset) = (environment.clone(), asset.clone());
        stored.push(fixture.put(promise, Record::Asset(record)).await?);
        let mut wanted = sample.wanted(0, 0);
        (wanted.environment, wanted.asset) = (environment, asset);
        stored.push(fixture.put(promise, Record::Wanted(wanted)).await?);
    }
    for stored in &stored {
        fixture.must_hold(promise, "after others were put", &stored.record.key(), Some(stored)).await?;
    }
    Ok(())
}

/// What is read afterwards is the new record under the new version.
pub async fn a_put_replaces_record_and_version(fixture: &TrackingFixture) -> Result<(), Failure> {
    let promise = promises::PUT;
    for record in Sample::new().one_of_each(0) {
        let key = record.key();
        let first = fixture.put(promise, record.clone()).await?;
        let new = Stored { version: Some(version()), record: Sample::touched(record) };
        let change = Change::put(first.expect(), version_of(&new), new.record.clone());
        fixture.must_commit(promise, vec![change]).await?;
        fixture.must_hold(promise, "after it was put over an older one", &key, Some(&new)).await?;
    }
    Ok(())
}

/// Over nothing and over something.
pub async fn a_change_without_condition_is_always_made(fixture: &TrackingFixture) -> Result<(), Failure> {
    let promise = promises::COMMIT;
    for record in Sample::new().one_of_each(0) {
        let key = record.key();
        for record in [record.clone(), Sample::touched(record)] {
            let stored = fixture.put(promise, record).await?;
            fixture.must_hold(promise, "after it was put without a condition", &key, Some(&stored)).await?;
        }
        fixture.must_commit(promise, vec![Change::check(key.clone(), Expect::Anything)]).await?;
        fixture.must_commit(promise, vec![Change::remove(key.clone(), Expect::Anything)]).await?;
        fixture.must_hold(promise, "after it was removed without a condition", &key, None).await?;
    }
    Ok(())
}

/// Before the first put and after a removal, not in between.
pub async fn absent_holds_only_where_nothing_is(fixture: &TrackingFixture) -> Result<(), Failure> {
    let promise = promises::ABSENT;
    for record in Sample::new().one_of_each(0) {
        let key = record.key();
        fixture.must_commit(promise, vec![Change::check(key.clone(), Expect::Absent)]).await?;
        let stored = Stored { version: Some(version()), record };
        let put = |version| vec![Change::put(Expect::Absent, version, stored.record.clone())];
        fixture.must_commit(promise, put(version_of(&stored))).await?;
        fails_everywhere(fixture, promise, &stored, Expect::Absent).await?;
        fixture.must_commit(promise, vec![Change::remove(key.clone(), stored.expect())]).await?;
        fixture.must_commit(promise, put(version())).await?;
    }
    Ok(())
}

/// Not for another version, the one before included, and not where nothing is.
pub async fn a_version_holds_only_for_that_version(fixture: &TrackingFixture) -> Result<(), Failure> {
    let promise = promises::IS;
    for record in Sample::new().one_of_each(0) {
        let key = record.key();
        let nothing = vec![Change::put(Expect::Is(version()), version(), record.clone())];
        fixture.must_conflict(promise, "nothing is there", nothing).await?;
        fixture.must_hold(promise, "after a conflict", &key, None).await?;

        let old = fixture.put(promise, record.clone()).await?;
        let new = Stored { version: Some(version()), record: Sample::touched(record) };
        let over = Change::put(old.expect(), version_of(&new), new.record.clone());
        fixture.must_commit(promise, vec![over]).await?;
        fails_everywhere(fixture, promise, &new, old.expect()).await?;
        fails_everywhere(fixture, promise, &new, Expect::Is(version())).await?;
        fixture.must_commit(promise, vec![Change::check(key.clone(), new.expect())]).await?;
        fixture.must_commit(promise, vec![Change::remove(key, new.expect())]).await?;
    }
    Ok(())
}

/// It is meant for items of an older system alone.
pub async fn unversioned_does_not_hold_for_nothing_or_a_version(fixture: &TrackingFixture) -> Result<(), Failure> {
    let promise = promises::UNVERSIONED;
    for record in Sample::new().one_of_each(0) {
        let put = Change::put(Expect::Unversioned, version(), record.clone());
        fixture.must_conflict(promise, "nothing is there", vec![put]).await?;
        fixture.must_hold(promise, "after a conflict", &record.key(), None).await?;
        let stored = fixture.put(promise, record).await?;
        fails_everywhere(fixture, promise, &stored, Expect::Unversioned).await?;
    }
    Ok(())
}

/// An item of an older system is read, and every condition tells it from an absent and from a versioned one.
pub async fn a_record_of_an_older_system_is_unversioned(fixture: &TrackingFixture) -> Result<(), Failure> {
    let promise = promises::OLDER;
    let tamper = fixture.tamper(promise)?;
    for record in Sample::new().one_of_each(0) {
        let key = record.key();
        promise.answer("the fixture's plant", tamper.plant(&record).await)?;
        let old = Stored { version: None, record: record.clone() };
        fixture.must_hold(promise, "after it was planted", &key, Some(&old)).await?;
        fails_everywhere(fixture, promises::ABSENT, &old, Expect::Absent).await?;
        fails_everywhere(fixture, promises::IS, &old, Expect::Is(version())).await?;
        fixture.must_commit(promise, vec![Change::check(key.clone(), Expect::Unversioned)]).await?;
        fixture.must_hold(promise, "after it was checked", &key, Some(&old)).await?;

        let new = Stored { version: Some(version()), record: Sample::touched(record) };
        let over = Change::put(old.expect(), version_of(&new), new.record.clone());
        fixture.must_commit(promises::UNVERSIONED, vec![over]).await?;
        fixture.must_hold(promise, "after it was put over the old one", &key, Some(&new)).await?;
        fails_everywhere(fixture, promises::UNVERSIONED, &new, Expect::Unversioned).await?;
    }
    Ok(())
}

/// The error says which record somebody has to look at.
pub async fn an_unreadable_record_is_named(fixture: &TrackingFixture) -> Result<(), Failure> {
    let promise = promises::READ_INVALID;
    let tamper = fixture.tamper(promise)?;
    for record in Sample::new().one_of_each(0) {
        let key = record.key();
        fixture.put(promise, record).await?;
        promise.answer("the fixture's damage", tamper.damage(&key).await)?;
        match fixture.store.read(std::slice::from_ref(&key)).await {
            Err(error) if error.kind() == ErrorKind::RecordInvalid && error.to_string().contains(&key.to_string()) => {}
            other => return Err(promise.broken(format!("read of the damaged {key} answered {other:#?}"))),
        }
    }
    Ok(())
}

/// Whether its condition holds or not.
pub async fn a_check_writes_nothing(fixture: &TrackingFixture) -> Result<(), Failure> {
    let promise = promises::CHECK;
    for record in Sample::new().one_of_each(0) {
        let key = record.key();
        fixture.must_commit(promise, vec![Change::check(key.clone(), Expect::Absent)]).await?;
        fixture.must_hold(promise, "after a check on nothing", &key, None).await?;
        let stored = fixture.put(promise, record).await?;
        fixture.must_commit(promise, vec![Change::check(key.clone(), stored.expect())]).await?;
        fixture.must_commit(promise, vec![Change::check(key.clone(), Expect::Anything)]).await?;
        fixture.must_hold(promise, "after a check", &key, Some(&stored)).await?;
    }
    Ok(())
}

/// They are made if it holds, and only then, wherever it stands among them.
pub async fn a_check_decides_over_the_other_changes(fixture: &TrackingFixture) -> Result<(), Failure> {
    let promise = promises::CHECK;
    let sample = Sample::new();
    for (n, checked) in sample.one_of_each(0).into_iter().enumerate() {
        let checked = fixture.put(promise, checked).await?;
        let key = checked.record.key();
        let written = Record::Wanted(sample.wanted(1, n));
        let put = Change::put(Expect::Absent, version(), written.clone());
        for expect in [Expect::Absent, Expect::Unversioned, Expect::Is(version())] {
            let check = Change::check(key.clone(), expect);
            for changes in [vec![check.clone(), put.clone()], vec![put.clone(), check.clone()]] {
                fixture.must_conflict(promise, "the checked condition does not hold", changes).await?;
                fixture.must_hold(promise, "after a check that failed", &written.key(), None).await?;
            }
        }
        fixture.must_commit(promise, vec![Change::check(key, checked.expect()), put.clone()]).await?;
        let wanted = stored_by(&put);
        fixture.must_hold(promise, "after a check that held", &written.key(), wanted.as_ref()).await?;
    }
    Ok(())
}

/// And its key is free.
pub async fn a_removed_record_is_gone(fixture: &TrackingFixture) -> Result<(), Failure> {
    let promise = promises::REMOVE;
    for record in Sample::new().one_of_each(0) {
        let key = record.key();
        let stored = fixture.put(promise, record).await?;
        fixture.must_commit(promise, vec![Change::remove(key.clone(), stored.expect())]).await?;
        fixture.must_hold(promise, "after it was removed", &key, None).await?;
        fixture.must_commit(promise, vec![Change::check(key, Expect::Absent)]).await?;
    }
    Ok(())
}

/// Removing nothing is no error, and a version never comes back with the next record.
pub async fn nothing_can_be_removed(fixture: &TrackingFixture) -> Result<(), Failure> {
    let promise = promises::REMOVE;
    for record in Sample::new().one_of_each(0) {
        let key = record.key();
        for expect in [Expect::Anything, Expect::Absent] {
            fixture.must_commit(promise, vec![Change::remove(key.clone(), expect)]).await?;
            fixture.must_hold(promise, "after nothing was removed", &key, None).await?;
        }
        let stored = fixture.put(promise, record).await?;
        fixture.must_commit(promise, vec![Change::remove(key.clone(), stored.expect())]).await?;
        let again = vec![Change::remove(key.clone(), stored.expect())];
        fixture.must_conflict(promises::IS, "that version is removed already", again).await?;
    }
    Ok(())
}

/// Puts, removals and checks of every kind of record in one transaction.
pub async fn every_change_is_made(fixture: &TrackingFixture) -> Result<(), Failure> {
    let promise = promises::COMMIT;
    let sample = Sample::new();
    let mut changes = Vec::new();
    let mut wanted = Vec::new();
    for n in 0..2 {
        for (i, record) in sample.one_of_each(n).into_iter().enumerate() {
            let key = record.key();
            let old = fixture.put(promise, record.clone()).await?;
            let change = match (i + n) % 3 {
                0 => Change::put(old.expect(), version(), Sample::touched(record)),
                1 => Change::remove(key.clone(), old.expect()),
                _ => Change::check(key.clone(), old.expect()),
            };
            wanted.push((key.clone(), if (i + n) % 3 == 2 { Some(old) } else { stored_by(&change) }));
            changes.push(change);
        }
    }
    for record in sample.one_of_each(2) {
        let change = Change::put(Expect::Absent, version(), record.clone());
        wanted.push((record.key(), stored_by(&change)));
        changes.push(change);
    }
    fixture.must_commit(promise, changes).await?;
    for (key, wanted) in wanted {
        fixture.must_hold(promise, "after a transaction of several changes", &key, wanted.as_ref()).await?;
    }
    Ok(())
}

/// Wherever it stands among the changes, and whatever kind of record it is on.
pub async fn one_condition_that_fails_keeps_all_changes_from_being_made(
    fixture: &TrackingFixture,
) -> Result<(), Failure> {
    let promise = promises::CONFLICT;
    let sample = Sample::new();
    let mut before = Vec::new();
    for record in sample.one_of_each(0) {
        before.push(fixture.put(promise, record).await?);
    }
    let fresh: Vec<_> = sample.one_of_each(1);
    for failing in 0..before.len() {
        let mut changes = Vec::new();
        for (i, (stored, record)) in before.iter().zip(&fresh).enumerate() {
            let expect = if i == failing { Expect::Is(version()) } else { stored.expect() };
            changes.push(match i % 2 {
                0 => Change::put(expect, version(), Sample::touched(stored.record.clone())),
                _ => Change::remove(stored.record.key(), expect),
            });
            changes.push(Change::put(Expect::Absent, version(), record.clone()));
        }
        fixture.must_conflict(promise, "one of the conditions does not hold", changes).await?;
        for stored in &before {
            fixture.must_hold(promise, "after a conflict", &stored.record.key(), Some(stored)).await?;
        }
        for record in &fresh {
            fixture.must_hold(promise, "after a conflict", &record.key(), None).await?;
        }
    }
    Ok(())
}

/// A condition that does not hold for what is there: whatever the change would do, it is a conflict and changes nothing.
async fn fails_everywhere(
    fixture: &TrackingFixture,
    promise: Promise,
    there: &Stored,
    expect: Expect,
) -> Result<(), Failure> {
    let key = there.record.key();
    for change in [
        Change::put(expect, version(), Sample::touched(there.record.clone())),
        Change::remove(key.clone(), expect),
        Change::check(key.clone(), expect),
    ] {
        fixture.must_conflict(promise, "the condition does not hold", vec![change]).await?;
        fixture.must_hold(promise, "after a conflict", &key, Some(there)).await?;
    }
    Ok(())
}

fn version_of(stored: &Stored) -> Version {
    stored.version.unwrap_or_else(version)
}

/// What stands under a change's key once the change was made.
pub(super) fn stored_by(change: &Change) -> Option<Stored> {
    match &change.write {
        Write::Put(version, record) => Some(Stored { version: Some(*version), record: (**record).clone() }),
        Write::Check | Write::Remove => None,
    }
}
