//! The lease of a bucket: who works on its policy, and what they have recorded.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::record::{BucketRecord, Claimant, ObjectRecord};
use super::run::{Errand, Task, Worker};
use crate::fulfilment::{Settings, System};
use crate::model::Version;
use crate::portal::Wanted;
use crate::store::{Change, Expect, Key, Record, Stored, Transaction, WriteOutcome};
use crate::workflow::Fresh as _;
use crate::{Changed, Error, ErrorKind, Result, Step, Timestamp};

/// A lease of this age belongs to nobody any more, whatever the clocks say: AWS refuses requests of a clock that is 15 minutes off
/// (`RequestTimeTooSkewed`, "Error responses", S3 API Reference), so two that it serves are at most twice that apart.
const LONG_GONE: Duration = Duration::from_secs(35 * 60);

/// The lease: the record as this run has written it.
pub(super) struct Held {
    pub(super) version: Version,
    pub(super) record: BucketRecord,
    /// What it was before.
    pub(super) before: BucketRecord,
    /// Until when nobody takes over.
    pub(super) until: Instant,
    /// Whether the policy may have been changed.
    pub(super) wrote: bool,
    /// How the rows are put back, once they say what is intended.
    pub(super) undo: Vec<(Key, Option<Record>)>,
    /// The version of every row that was read or written.
    pub(super) rows: BTreeMap<Claimant, (Expect, Option<ObjectRecord>)>,
}

impl Worker {
    /// Takes the lease; `None` if there is nothing to be done.
    pub(super) async fn take(&self, task: Task<'_>, meddled: bool) -> Result<Option<Held>> {
        let key = Key::Bucket(task.bucket.clone());
        let row = task.mine.map(|(subscription, _)| row_key(&subscription.claimant()));
        let keys: Vec<_> = [Some(key), row].into_iter().flatten().collect();
        let begin = Instant::now();
        let mut seen: Option<(Option<Version>, Instant)> = None;
        loop {
            let now = System.now();
            let mut found = self.tracking.read(&keys).await.map_err(tracking)?.into_iter();
            let stored = found.next().flatten();
            let expect = stored.as_ref().map_or(Expect::Absent, Stored::expect);
            let version = stored.as_ref().and_then(|stored| stored.version);
            let row = found.next().flatten().and_then(|stored| object_row(stored.record));
            let there = stored.and_then(|stored| match stored.record {
                Record::Bucket(record) => Some(record),
                _ => None,
            });
            let leased = there.as_ref().and_then(|record| record.leased);
            if leased.is_some_and(|since| since.until(now) < LONG_GONE) {
                match seen {
                    // Its holder has given it up by now: it has counted from before we saw it.
                    Some((same, at)) if same == version && at.elapsed() >= self.settings.bucket_lease => {}
                    _ => {
                        if seen.is_none_or(|(same, _)| same != version) {
                            seen = Some((version, Instant::now()));
                        }
                        if begin.elapsed() >= self.settings.lock_wait.max(self.settings.bucket_lease * 2) {
                            return Err(Error::new(
                                ErrorKind::LockTimeout,
                                format!("others work on the policy of {}", task.bucket),
                            )
                            .at(Step::Lock)
                            .changed(Changed::Nothing));
                        }
                        self.pause().await;
                        continue;
                    }
                }
            }
            if leased.is_none() && !meddled && !has_work(task, there.as_ref(), row.as_ref()) {
                return Ok(None);
            }
            let before = there.unwrap_or_else(|| BucketRecord::new(task.bucket.clone(), now));
            let mut record = before.clone();
            record.leased = Some(now);
            record.domains.extend(task.mine.map(|(subscription, _)| subscription.domain.clone()));
            let (version, until) = (System.version(), self.until());
            let put = Change::put(expect, version, Record::Bucket(record.clone()));
            if self.write(vec![put]).await? {
                return Ok(Some(Held {
                    version,
                    record,
                    before,
                    until,
                    wrote: false,
                    undo: Vec::new(),
                    rows: BTreeMap::new(),
                }));
            }
        }
    }

    /// Writes the record over the version that this run has written, and rows over those that it has seen. A record without claims
    /// goes.
    pub(super) async fn commit(
        &self,
        held: &mut Held,
        mut record: BucketRecord,
        rows: Vec<(Claimant, Option<ObjectRecord>)>,
    ) -> Result<bool> {
        let (version, until, expect) = (System.version(), self.until(), Expect::Is(held.version));
        record.last_updated = System.now();
        let gone = record.leased.is_none() && record.claims.is_empty();
        let mut changes = vec![if gone {
            Change::remove(Key::Bucket(record.bucket.clone()), expect)
        } else {
            Change::put(expect, version, Record::Bucket(record.clone()))
        }];
        let mut written = BTreeMap::new();
        for (claimant, row) in rows {
            let expect = held.rows.get(&claimant).map_or(Expect::Absent, |(expect, _)| *expect);
            if let Some(row) = row {
                let version = System.version();
                changes.push(Change::put(expect, version, Record::Objects(row.clone())));
                written.insert(claimant, (Expect::Is(version), Some(row)));
            } else {
                changes.push(Change::remove(row_key(&claimant), expect));
                written.insert(claimant, (Expect::Absent, None));
            }
        }
        if !self.write(changes).await? {
            return Ok(false);
        }
        held.rows.extend(written);
        (held.version, held.until, held.record) = (version, until, record);
        Ok(true)
    }

    /// Gives the lease back, with everything as it was if the policy is. Where that fails, the lease runs out.
    pub(super) async fn release(&self, held: Held) {
        let Held { version, record, before, wrote, undo, rows, .. } = held;
        // What may be in the policy stays open: the next run finishes it or takes it back.
        let (mut before, undo) = if wrote { (record, Vec::new()) } else { (before, undo) };
        before.leased = None;
        let expect = Expect::Is(version);
        let key = Key::Bucket(before.bucket.clone());
        let mut changes = vec![if before.claims.is_empty() {
            Change::remove(key, expect)
        } else {
            Change::put(expect, System.version(), Record::Bucket(before))
        }];
        for (key, record) in undo {
            let expect = rows
                .iter()
                .find(|(claimant, _)| row_key(claimant) == key)
                .map_or(Expect::Absent, |(_, (expect, _))| *expect);
            changes.push(match record {
                Some(record) => Change::put(expect, System.version(), record),
                None => Change::remove(key, expect),
            });
        }
        match self.write(changes).await {
            Ok(true) => {}
            Ok(false) => tracing::debug!("the lease of a bucket was taken over before it was given back"),
            Err(error) => tracing::warn!(%error, "the lease of a bucket could not be given back; it runs out"),
        }
    }

    async fn write(&self, changes: Vec<Change>) -> Result<bool> {
        let outcome = self.tracking.commit(&Transaction { changes }).await.map_err(tracking)?;
        Ok(outcome == WriteOutcome::Written)
    }

    /// Counted from before the write, so that who sees the write counts longer.
    fn until(&self) -> Instant {
        Instant::now() + self.settings.bucket_lease
    }

    async fn pause(&self) {
        let longest = (self.settings.bucket_lease / 20).clamp(Duration::from_millis(1), Duration::from_millis(250));
        sleep(longest.mul_f64(rand::random_range(0.5..1.0))).await;
    }
}

/// Whether a run that finds no lease has anything to do.
fn has_work(task: Task<'_>, record: Option<&BucketRecord>, row: Option<&ObjectRecord>) -> bool {
    match task.mine {
        None => record.is_some(),
        Some((_, Errand::Fulfil(Wanted::Grant))) => true,
        Some((subscription, _)) => {
            let claimed = record.is_some_and(|record| record.claims.contains_key(&subscription.claimant()));
            claimed || row.is_some_and(|row| row.access.objects.bucket() == task.bucket)
        }
    }
}

pub(super) fn object_row(record: Record) -> Option<ObjectRecord> {
    if let Record::Objects(row) = record { Some(row) } else { None }
}

pub(super) fn row_key(claimant: &Claimant) -> Key {
    Key::Objects(claimant.environment.clone(), claimant.asset.clone())
}

pub(super) fn tracking(error: Error) -> Error {
    error.at(Step::Tracking)
}

/// When a lease was taken, if that is too long ago for a run to be alive.
pub(super) fn is_dead(since: Timestamp, now: Timestamp, settings: &Settings) -> bool {
    since.until(now) > settings.deadline.max(settings.bucket_lease)
}
