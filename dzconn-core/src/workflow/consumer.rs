//! The consumer's part of a run: the copy of the secret, the rows, and the sweep. It needs no lock.

use std::sync::Arc;

use crate::ErrorKind;
use crate::model::{
    AssetId, AssetRecord, MappingRecord, Place, RetiredGeneration, SecretTags, SourceRecord, Subscription,
};
use crate::store::{Change, Expect, Key, NewSecret, Record, Slot, Stored, StoredSecret, Transaction, WriteOutcome};
use crate::workflow::effect::{Answer, Effect, Failure, Fresh, Next};
use crate::workflow::producer::Delivery;
use crate::workflow::transition::{Move, Seen, View, apply, entry_of, source_of, transaction};

/// What a consumer's run is started with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ConsumerTask {
    /// Who, what and where.
    pub subscription: Subscription,
    /// What the producer's part has granted; `None` after a revoke, when there is only cleaning up to do.
    pub delivery: Option<Delivery>,
}

/// What the consumer's part has brought about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Consumed {
    /// The consumer's copy, if it was delivered; without one, a grant has been superseded.
    pub copy: Option<Box<StoredSecret>>,
    /// What kept the run from finishing.
    pub failure: Option<Failure>,
}

/// Whether there is anything to clean up, as the source record had it a moment ago. What others leave later is theirs, or the
/// next run's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Rest {
    Nothing,
    Something,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum At {
    Begin,
    Copy,
    Source(Option<Box<StoredSecret>>),
    CopyWrite,
    Entry(Box<StoredSecret>),
    Rows(Box<StoredSecret>, Rest),
    Superseded,
    SupersededBurn,
    SupersededStrike,
    Sweep(AssetId),
    SweepRow,
    SweepBurn(Box<Seen<SourceRecord>>, RetiredGeneration),
    Strike,
    End,
}

/// One run of the consumer's part, as a state machine; see [`ProducerRun`](super::ProducerRun).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ConsumerRun {
    task: Arc<ConsumerTask>,
    at: At,
    copy: Option<Box<StoredSecret>>,
    failure: Option<Failure>,
}

type Step = Result<Option<Effect>, Failure>;

const OUT_OF_STEP: Failure =
    Failure::found(ErrorKind::Unexpected, "an answer does not belong to the effect that was asked for");

impl ConsumerRun {
    /// A run that has not begun; its first answer is [`Answer::Begin`].
    #[must_use]
    pub fn new(task: Arc<ConsumerTask>) -> Self {
        Self { task, at: At::Begin, copy: None, failure: None }
    }

    /// The copy, once it has been delivered; what follows is cleaning up.
    pub fn delivered_copy(&self) -> Option<&StoredSecret> {
        self.copy.as_deref()
    }

    /// What the run is about.
    pub fn task(&self) -> &ConsumerTask {
        &self.task
    }

    /// Takes the answer to the last effect and says what to do now.
    pub fn next(&mut self, answer: Answer, fresh: &mut dyn Fresh) -> Next<Consumed> {
        let at = std::mem::replace(&mut self.at, At::End);
        let step = match answer {
            Answer::Failed(kind) => Err(Failure::of_effect(kind)),
            answer => self.answered(at, answer, fresh),
        };
        match step {
            Ok(Some(effect)) => Next::Do(effect),
            Ok(None) => self.end(),
            Err(failure) => {
                self.failure.get_or_insert(failure);
                self.end()
            }
        }
    }

    fn end(&self) -> Next<Consumed> {
        Next::End(Consumed { copy: self.copy.clone(), failure: self.failure.clone() })
    }

    fn go(&mut self, at: At, effect: Effect) -> Step {
        self.at = at;
        Ok(Some(effect))
    }

    fn answered(&mut self, at: At, answer: Answer, fresh: &mut dyn Fresh) -> Step {
        match (at, answer) {
            (At::Begin, Answer::Begin) => match self.task.delivery {
                Some(_) => self.read_copy(),
                None => self.sweep(self.task.subscription.asset.id.clone()),
            },
            (At::Copy, Answer::Slot(Slot::Burnt)) | (At::SupersededStrike, Answer::Wrote(WriteOutcome::Conflict)) => {
                self.superseded()
            }
            (At::Copy | At::CopyWrite, Answer::Slot(Slot::Live(copy))) => self.read_source(Some(copy)),
            (At::Copy, Answer::Slot(Slot::Empty)) => self.read_source(None),
            (At::Source(seen), Answer::Slot(Slot::Live(source))) => self.with_secrets(seen, &source),
            (At::Source(_), Answer::Slot(_)) => self.superseded(),
            // Repeated until the copy equals what the source holds by then.
            (At::CopyWrite, Answer::Slot(_) | Answer::Wrote(_)) => self.read_copy(),
            (At::Entry(copy), Answer::Records(records)) => self.with_entry(copy, records, fresh),
            (At::Rows(copy, rest), Answer::Wrote(WriteOutcome::Written)) => self.delivered(copy, rest),
            (At::Rows(copy, _), Answer::Wrote(WriteOutcome::Conflict)) => self.read_entry(copy),
            (At::Superseded, Answer::Records(records)) => self.with_superseded(records),
            (At::SupersededBurn, Answer::Done) => {
                let mapping = Key::Mapping(self.delivery()?.secret_id.clone());
                let changes = vec![Change::remove(mapping, Expect::Anything)];
                self.go(At::SupersededStrike, Effect::Commit(Transaction { changes }))
            }
            (At::SupersededStrike | At::SweepRow | At::Strike, Answer::Wrote(_)) => {
                self.sweep(self.task.subscription.asset.id.clone())
            }
            (At::Sweep(asset), Answer::Records(records)) => self.with_sweep(&asset, records, fresh),
            (At::SweepBurn(source, retired), Answer::Done) => self.strike(*source, &retired, fresh),
            _ => Err(OUT_OF_STEP),
        }
    }

    fn delivery(&self) -> Result<&Delivery, Failure> {
        self.task.delivery.as_ref().ok_or(OUT_OF_STEP)
    }

    // ---- the copy

    fn read_copy(&mut self) -> Step {
        let name = self.delivery()?.copy.clone();
        self.go(At::Copy, Effect::ReadCopy(name))
    }

    fn read_source(&mut self, seen: Option<Box<StoredSecret>>) -> Step {
        let source = self.delivery()?.secret_id.clone();
        self.go(At::Source(seen), Effect::ReadShared(source))
    }

    fn with_secrets(&mut self, copy: Option<Box<StoredSecret>>, source: &StoredSecret) -> Step {
        let name = self.delivery()?.copy.clone();
        let Subscription { domain, consumer, .. } = &self.task.subscription;
        let tags = SecretTags {
            domain: domain.clone(),
            project: consumer.project.clone(),
            environment: consumer.environment.clone(),
        };
        let secret = Box::new(NewSecret { credentials: source.credentials.clone(), tags });
        match copy {
            Some(copy) if copy.credentials == source.credentials => self.read_entry(copy),
            Some(copy) => self.go(At::CopyWrite, Effect::ReplaceCopy(name, copy.version, secret)),
            None => self.go(At::CopyWrite, Effect::CreateCopy(name, secret)),
        }
    }

    // ---- the rows

    fn entry_key(&self) -> Result<Key, Failure> {
        Ok(Key::Entry(self.task.subscription.key(), self.delivery()?.table.clone()))
    }

    fn read_entry(&mut self, copy: Box<StoredSecret>) -> Step {
        let Subscription { consumer, asset, .. } = &self.task.subscription;
        let keys = vec![
            self.entry_key()?,
            Key::Mapping(self.delivery()?.secret_id.clone()),
            Key::Asset(consumer.environment.clone(), asset.id.clone()),
            Key::Source(self.task.subscription.key()),
        ];
        self.go(At::Entry(copy), Effect::Read(keys))
    }

    fn with_entry(&mut self, copy: Box<StoredSecret>, records: Vec<Option<Stored>>, fresh: &mut dyn Fresh) -> Step {
        let mut records = records.into_iter();
        let (entry, mapping, asset) = (records.next().flatten(), records.next().flatten(), records.next().flatten());
        let rest = match source_of(records.next().flatten())? {
            Some(source) if source.record.revoked.is_empty() && source.record.retired.is_empty() => Rest::Nothing,
            _ => Rest::Something,
        };
        let expect = entry.as_ref().map(Stored::expect);
        let entry = entry_of(entry)?;
        let generation = self.delivery()?.generation;
        let id = &self.task.subscription.asset.id;
        let (Some(_), Some(expect)) = (
            entry.filter(|entry| entry.record.generation == generation && entry.record.assets.contains_key(id)),
            expect,
        ) else {
            return self.superseded();
        };
        let now = fresh.now();
        let mut changes = Vec::new();
        for (is, mut wanted) in [(mapping, self.mapping(&copy, now)?), (asset, self.row(&copy, now)?)] {
            if let Some(is) = &is {
                keep_time(&is.record, &mut wanted);
            }
            if is.is_none_or(|is| is.record != wanted) {
                changes.push(Change::put(Expect::Anything, fresh.version(), wanted));
            }
        }
        if changes.is_empty() {
            return self.delivered(copy, rest);
        }
        changes.insert(0, Change::check(self.entry_key()?, expect));
        self.go(At::Rows(copy, rest), Effect::Commit(Transaction { changes }))
    }

    fn mapping(&self, copy: &StoredSecret, now: crate::Timestamp) -> Result<Record, Failure> {
        let Delivery { secret_id, generation, copy: name, .. } = self.delivery()?;
        let Subscription { domain, consumer, .. } = &self.task.subscription;
        Ok(Record::Mapping(MappingRecord {
            shared_secret: secret_id.clone(),
            generation: *generation,
            environment: consumer.environment.clone(),
            project: consumer.project.clone(),
            domain: domain.clone(),
            owner: consumer.owner.clone(),
            secret_id: copy.id.clone(),
            secret: name.clone(),
            last_updated: now,
        }))
    }

    fn row(&self, copy: &StoredSecret, now: crate::Timestamp) -> Result<Record, Failure> {
        let Delivery { table, copy: name, .. } = self.delivery()?;
        let Subscription { domain, consumer, asset, listing, location, .. } = &self.task.subscription;
        Ok(Record::Asset(AssetRecord {
            environment: consumer.environment.clone(),
            asset: asset.id.clone(),
            revision: asset.revision.clone(),
            asset_type: asset.asset_type.clone(),
            project: consumer.project.clone(),
            domain: domain.clone(),
            listing: listing.id.clone(),
            listing_name: listing.name.clone(),
            listing_revision: listing.revision.clone(),
            owner: consumer.owner.clone(),
            secret_id: copy.id.clone(),
            secret: name.clone(),
            place: Some(Place { location: location.clone(), table: table.clone() }),
            last_updated: now,
        }))
    }

    fn delivered(&mut self, copy: Box<StoredSecret>, rest: Rest) -> Step {
        self.copy = Some(copy);
        if rest == Rest::Nothing {
            return Ok(None);
        }
        self.sweep(self.task.subscription.asset.id.clone())
    }

    // ---- superseded: the generation, or the entry, is not there any more

    fn superseded(&mut self) -> Step {
        let keys = vec![Key::Source(self.task.subscription.key()), self.entry_key()?];
        self.go(At::Superseded, Effect::Read(keys))
    }

    fn with_superseded(&mut self, records: Vec<Option<Stored>>) -> Step {
        let mut records = records.into_iter();
        let source = source_of(records.next().flatten())?.map(|seen| seen.record);
        let entry = entry_of(records.next().flatten())?.map(|seen| seen.record);
        let delivery = self.delivery()?;
        let copy = delivery.copy.clone();
        if source.and_then(|source| source.generation).is_none_or(|generation| generation.id != delivery.generation) {
            return self.go(At::SupersededBurn, Effect::BurnCopy(copy));
        }
        if entry.is_some_and(|entry| entry.assets.contains_key(&self.task.subscription.asset.id)) {
            self.failure = Some(Failure::found(
                ErrorKind::SecretGone,
                "the access is granted, but its secret, or the consumer's copy of it, was deleted, and not by dzconn",
            ));
        }
        self.sweep(self.task.subscription.asset.id.clone())
    }

    // ---- sweep: what this or an earlier run has left to clean up

    fn sweep(&mut self, asset: AssetId) -> Step {
        let key = self.task.subscription.key();
        let row = Key::Asset(key.environment.clone(), asset.clone());
        self.go(At::Sweep(asset), Effect::Read(vec![Key::Source(key), row]))
    }

    fn with_sweep(&mut self, asset: &AssetId, records: Vec<Option<Stored>>, fresh: &mut dyn Fresh) -> Step {
        let mut records = records.into_iter();
        let Some(source) = source_of(records.next().flatten())? else { return Ok(None) };
        if let Some(retired) = source.record.retired.first().cloned() {
            let burn = Effect::BurnCopy(retired.copy.clone());
            return self.go(At::SweepBurn(Box::new(source), retired), burn);
        }
        // A record goes only when both lists are empty. The run's own row goes last: where the asset has moved, nothing else
        // would lead its next run here.
        let own = &self.task.subscription.asset.id;
        let revoked = &source.record.revoked;
        match revoked.iter().find(|other| *other != own).or_else(|| revoked.get(own)).cloned() {
            Some(next) if next == *asset => self.sweep_row(source, asset, records.next().flatten(), fresh),
            Some(next) => self.sweep(next),
            None => Ok(None),
        }
    }

    fn sweep_row(
        &mut self,
        source: Seen<SourceRecord>,
        asset: &AssetId,
        row: Option<Stored>,
        fresh: &mut dyn Fresh,
    ) -> Step {
        let removal = match row {
            // The asset has moved to another connection since: the row is about that one.
            Some(Stored { record: Record::Asset(AssetRecord { place: Some(place), .. }), .. })
                if place.location.connection != source.record.key.connection =>
            {
                None
            }
            Some(row) => Some(Change::remove(row.record.key(), row.expect())),
            None => None,
        };
        let effect = clean_up(source, &Move::RowGone { asset: asset.clone() }, removal, fresh)?;
        self.go(At::SweepRow, effect)
    }

    fn strike(&mut self, source: Seen<SourceRecord>, retired: &RetiredGeneration, fresh: &mut dyn Fresh) -> Step {
        let removal = retired.secret_id.clone().map(|secret| Change::remove(Key::Mapping(secret), Expect::Anything));
        let effect = clean_up(source, &Move::Strike { generation: retired.id }, removal, fresh)?;
        self.go(At::Strike, effect)
    }
}

/// One transaction: the record changes, and what it spoke of goes.
fn clean_up(
    source: Seen<SourceRecord>,
    step: &Move,
    removal: Option<Change>,
    fresh: &mut dyn Fresh,
) -> Result<Effect, Failure> {
    let view = View { source: Some(source), entry: None };
    let after = apply(&view, step, fresh.now())?;
    let (mut transaction, _) = transaction(&view, &after, fresh).ok_or(OUT_OF_STEP)?;
    transaction.changes.extend(removal);
    Ok(Effect::Commit(transaction))
}

/// A record that says what it said before keeps its time, so that repeating writes nothing.
fn keep_time(is: &Record, wanted: &mut Record) {
    match (is, wanted) {
        (Record::Mapping(is), Record::Mapping(wanted)) => wanted.last_updated = is.last_updated,
        (Record::Asset(is), Record::Asset(wanted)) => wanted.last_updated = is.last_updated,
        _ => {}
    }
}
