//! Rules for transactions that meet.

use std::sync::Arc;

use tokio::sync::oneshot::error::TryRecvError;
use tokio::task::JoinSet;

use super::{Sample, TrackingFixture, promises, version};
use crate::model::Version;
use crate::store::{Change, Expect, Record, TrackingStore, Transaction, WriteOutcome};
use crate::testkit::{Failure, Promise};
use crate::{Error, Result};

const CALLERS: usize = 24;

/// Commits at once. A caller that got a retryable error asks again, unless the store shows that its version was written.
async fn all_at_once(
    promise: Promise,
    store: &Arc<dyn TrackingStore>,
    transactions: Vec<Transaction>,
) -> Result<Vec<WriteOutcome>, Failure> {
    let mut tasks = JoinSet::new();
    for (i, transaction) in transactions.into_iter().enumerate() {
        let store = Arc::clone(store);
        tasks.spawn(async move { (i, settle(&*store, &transaction).await) });
    }
    let mut outcomes: Vec<_> =
        tasks.join_all().await.into_iter().map(|(i, outcome)| (i, promise.answer("commit", outcome))).collect();
    outcomes.sort_by_key(|(i, _)| *i);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}

async fn settle(store: &dyn TrackingStore, transaction: &Transaction) -> Result<WriteOutcome, Error> {
    let mut tries = 0;
    loop {
        match store.commit(transaction).await {
            Err(error) if error.is_retryable() && tries < 20 => tries += 1,
            answer => return answer,
        }
        for change in &transaction.changes {
            if let Some(wanted) = super::records::stored_by(change)
                && store.read(std::slice::from_ref(&change.key)).await?.contains(&Some(wanted))
            {
                return Ok(WriteOutcome::Written);
            }
        }
    }
}

async fn one_wins(fixture: &TrackingFixture, record: Record, expect: Expect) -> Result<(), Failure> {
    let promise = promises::COMMIT;
    let versions: Vec<Version> = (0..CALLERS).map(|_| version()).collect();
    let transactions = versions
        .iter()
        .map(|version| Transaction { changes: vec![Change::put(expect, *version, record.clone())] })
        .collect();
    let outcomes = all_at_once(promise, &fixture.store, transactions).await?;
    let winners: Vec<_> =
        versions.iter().zip(&outcomes).filter(|(_, outcome)| **outcome == WriteOutcome::Written).collect();
    promise.unless(winners.len() == 1, || {
        format!("{CALLERS} callers put the {} at once, each expecting {expect:?}: {} won", record.key(), winners.len())
    })?;
    let found = fixture.read(promise, &[record.key()]).await?;
    let there = found.first().and_then(Option::as_ref).and_then(|stored| stored.version);
    promise.unless(there.as_ref() == winners.first().map(|(version, _)| *version), || {
        format!("the winner's version is {winners:?}, and {there:?} is there")
    })
}

/// The others are told so, and the winner's record is there.
pub async fn of_concurrent_writers_over_one_version_one_wins(fixture: &TrackingFixture) -> Result<(), Failure> {
    for record in Sample::new().one_of_each(0) {
        let stored = fixture.put(promises::COMMIT, record.clone()).await?;
        one_wins(fixture, record, stored.expect()).await?;
    }
    Ok(())
}

/// Also where nothing is there yet that could be locked.
pub async fn of_concurrent_creators_one_wins(fixture: &TrackingFixture) -> Result<(), Failure> {
    for record in Sample::new().one_of_each(0) {
        one_wins(fixture, record, Expect::Absent).await?;
    }
    Ok(())
}

/// Two records that are always written together always have the same version.
pub async fn concurrent_transactions_do_not_mix(fixture: &TrackingFixture) -> Result<(), Failure> {
    let promise = promises::ATOMIC;
    let sample = Sample::new();
    let records = [Record::Source(sample.source(0)), Record::Entry(sample.entry(0, 0))];
    for round in 0..4 {
        let transactions = (0..CALLERS)
            .map(|i| {
                let version = version();
                let mut changes: Vec<_> =
                    records.iter().map(|record| Change::put(Expect::Anything, version, record.clone())).collect();
                if i % 2 == 0 {
                    changes.reverse();
                }
                Transaction { changes }
            })
            .collect();
        all_at_once(promise, &fixture.store, transactions).await?;
        let found = fixture.read(promise, &records.each_ref().map(Record::key)).await?;
        let versions: Vec<_> = found.iter().flatten().map(|stored| stored.version).collect();
        promise.unless(matches!(versions.as_slice(), [Some(one), Some(other)] if one == other), || {
            format!(
                "round {round}: {CALLERS} transactions each wrote two records under one version; versions {versions:?}"
            )
        })?;
    }
    Ok(())
}

/// Two transactions, each of which writes what the other expects to be absent: one at most is made.
pub async fn a_condition_holds_while_its_transaction_is_made(fixture: &TrackingFixture) -> Result<(), Failure> {
    let promise = promises::ATOMIC;
    let sample = Sample::new();
    for round in 0..CALLERS {
        let one = Record::Wanted(sample.wanted(0, round));
        let other = Record::Asset(sample.asset_record(0, round));
        let transaction = |checked: &Record, put: &Record| Transaction {
            changes: vec![
                Change::check(checked.key(), Expect::Absent),
                Change::put(Expect::Anything, version(), put.clone()),
            ],
        };
        let both = vec![transaction(&one, &other), transaction(&other, &one)];
        let outcomes = all_at_once(promise, &fixture.store, both).await?;
        promise.unless(outcomes.iter().filter(|outcome| **outcome == WriteOutcome::Written).count() == 1, || {
            format!("round {round}: each of two transactions wrote what the other expected to be absent: {outcomes:?}")
        })?;
    }
    Ok(())
}

/// Two records that are always written together are always read together.
pub async fn a_read_shows_no_commit_in_part(fixture: &TrackingFixture) -> Result<(), Failure> {
    const READS: usize = 60;
    let promise = promises::INSTANT;
    let sample = Sample::new();
    let records = [Record::Source(sample.source(0)), Record::Entry(sample.entry(0, 0))];
    let keys = records.each_ref().map(Record::key);
    let write = move || {
        let version = version();
        let put = |record: &Record| Change::put(Expect::Anything, version, record.clone());
        Transaction { changes: records.iter().map(put).collect() }
    };
    let store = Arc::clone(&fixture.store);
    promise.answer("commit", settle(&*store, &write()).await)?;
    // Writes for as long as there are reads.
    let (reading, mut read) = tokio::sync::oneshot::channel::<()>();
    let writing = tokio::spawn(async move {
        while read.try_recv() == Err(TryRecvError::Empty) {
            settle(&*store, &write()).await?;
            tokio::task::yield_now().await;
        }
        Ok::<_, Error>(())
    });
    for number in 0..READS {
        let found = match fixture.store.read(&keys).await {
            // The writer is in the way.
            Err(error) if error.is_retryable() => continue,
            found => promise.answer("read", found)?,
        };
        let versions: Vec<_> = found.iter().map(|stored| stored.as_ref().map(|stored| stored.version)).collect();
        promise.unless(matches!(versions.as_slice(), [Some(one), Some(other)] if one == other), || {
            format!("two records are always written together, and read {number} answered the versions {versions:?}")
        })?;
    }
    drop(reading);
    match writing.await {
        Ok(written) => promise.answer("commit", written),
        Err(error) => Err(promise.broken(format!("the writer did not come to its end: {error}"))),
    }
}
