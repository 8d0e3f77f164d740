//! Mends what was found.

use super::look::Place;
use super::orphans::named_secrets;
use super::{Finding, Mend};
use crate::fulfilment::{Order, Parts, Rotation, take_lock};
use crate::model::{MappingRecord, Phase, SourceKey, SourceRecord, Subscription, TableName, UserName, Wanted};
use crate::store::{Change, Expect, Key, Query, Record, Transaction, WriteOutcome};
use crate::workflow::Errand;
use crate::{Changed, Deadline, Error, Fulfilment, Result, Step};

/// What became of a finding.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Mended {
    /// It is mended.
    Done,
    /// It is not there any more.
    Gone,
    /// A person must do it.
    Left,
}

pub(super) async fn mend(fulfilment: &Fulfilment, finding: &Finding) -> Result<Mended> {
    let parts = fulfilment.parts();
    match &finding.mend {
        Mend::Run(subscription, wish) => {
            match wish {
                Wanted::Grant => fulfilment.grant(subscription).await?,
                Wanted::Retain => fulfilment.retain(subscription).await?,
                Wanted::Revoke => fulfilment.revoke(subscription).await?,
            };
            Ok(Mended::Done)
        }
        Mend::Leave { old, table, new } => {
            let order = order(old, Errand::Leave, Some(table.clone()));
            fulfilment.bring_about(&order, deadline(parts)).await?;
            // Cleaning up has taken the asset's row along, if both places are on one connection.
            fulfilment.grant(new).await.map(|_| Mended::Done)
        }
        Mend::Tidy(subscription, table) => tidy(fulfilment, subscription, table.as_ref()).await,
        Mend::Rotate(key, turn) => Ok(match fulfilment.rotate_on(key, Some(*turn)).await? {
            Rotation::Rotated(_) => Mended::Done,
            Rotation::Nothing | Rotation::Superseded => Mended::Gone,
        }),
        Mend::TakeBack(key, user, tables) => under_lock(parts, key, Work::TakeBack(user, tables)).await,
        Mend::Drop(key, user) => under_lock(parts, key, Work::Drop(user)).await,
        Mend::Forget(key, expect) => deadline(parts).run("removing a record", forget(parts, key, *expect)).await,
        Mend::Strike(mapping, expect) => strike(parts, mapping, *expect).await,
        Mend::Burn(side, owner, name) => {
            if named_secrets(parts).await?.contains(name) {
                return Ok(Mended::Gone);
            }
            let burning = async { side.store(parts, owner).await?.burn(name).await };
            deadline(parts).run("deleting a secret", burning).await.map(|()| Mended::Done)
        }
        Mend::Bucket(bucket) => crate::bucket::mend(fulfilment, bucket).await,
        Mend::Objects(subscription, wish) => fulfilment.fulfil_objects(subscription, *wish).await.map(|_| Mended::Done),
        Mend::ByHand(_) => Ok(Mended::Left),
        Mend::Nothing => Ok(Mended::Gone),
    }
}

fn deadline(parts: &Parts) -> Deadline {
    Deadline::within(parts.producer.settings.deadline)
}

fn order(subscription: &Subscription, errand: Errand, table: Option<TableName>) -> Order {
    Order { subscription: subscription.clone(), wish: Wanted::Revoke, errand, older: false, table }
}

async fn record(parts: &Parts, key: &SourceKey) -> Result<Option<SourceRecord>> {
    let found = parts.producer.tracking.read(&[Key::Source(key.clone())]).await?;
    Ok(found.into_iter().flatten().find_map(|stored| match stored.record {
        Record::Source(source) => Some(source),
        _ => None,
    }))
}

/// Undoes what dead runs have left half done, and cleans up after them.
pub(crate) async fn tidy(
    fulfilment: &Fulfilment,
    subscription: &Subscription,
    table: Option<&TableName>,
) -> Result<Mended> {
    let parts = fulfilment.parts();
    let (deadline, key) = (deadline(parts), subscription.key());
    let Some(source) = deadline.run("reading what is recorded", record(parts, &key)).await? else {
        return Ok(Mended::Gone);
    };
    // Where only the consumer's side is left, the source need not answer.
    if source.phase == Phase::Retired || source.phase == Phase::Active && source.open.is_empty() {
        return parts.consumer.run(subscription, None, deadline).await.map(|_| Mended::Done);
    }
    let order = order(subscription, Errand::Tidy, table.cloned());
    fulfilment.bring_about(&order, deadline).await.map(|_| Mended::Done)
}

/// What is done on the source by no run, but under its lock as any run.
enum Work<'a> {
    TakeBack(&'a UserName, &'a [TableName]),
    Drop(&'a UserName),
}

impl Work<'_> {
    /// Whether it is still due, by what tracking says now.
    async fn is_due(&self, parts: &Parts, key: &SourceKey) -> Result<bool> {
        let source = record(parts, key).await?;
        let names = |user: &UserName| {
            let generation = source.as_ref().and_then(|source| source.generation.as_ref());
            generation.is_some_and(|generation| generation.users().any(|one| one == user))
        };
        match self {
            Self::Drop(user) => Ok(!names(user)),
            Self::TakeBack(user, tables) => {
                let open = |table: &TableName| source.as_ref().is_some_and(|source| source.open.contains_key(table));
                let keys: Vec<_> = tables.iter().map(|table| Key::Entry(key.clone(), table.clone())).collect();
                let mut settled = parts.producer.tracking.read(&keys).await?.into_iter();
                Ok(names(user) && !tables.iter().any(open) && settled.all(|entry| entry.is_none()))
            }
        }
    }
}

async fn under_lock(parts: &Parts, key: &SourceKey, work: Work<'_>) -> Result<Mended> {
    let in_context = |error: Error| error.on_source(&key.connection).for_environment(&key.environment);
    let settings = &parts.producer.settings;
    let deadline = deadline(parts);
    let _turn = parts.producer.turn(key, deadline).await.map_err(in_context)?;
    let place = Place::open(parts, &key.connection, deadline).await;
    let Place { mut session, .. } =
        place.map_err(|error| in_context(error.at(Step::Connect).changed(Changed::Nothing)))?;
    let locking = take_lock(&mut *session, key, settings, deadline);
    deadline.run("taking the lock", locking).await.map_err(|error| in_context(error.at(Step::Lock)))?;
    let doing = async {
        if !work.is_due(parts, key).await? {
            return Ok(Mended::Gone);
        }
        match &work {
            Work::TakeBack(user, tables) => session.revoke(user, tables).await.map_err(|e| e.at(Step::Revoke))?,
            Work::Drop(user) => session.drop_user(user).await.map_err(|e| e.at(Step::Drop))?,
        }
        session.unlock().await?;
        Ok(Mended::Done)
    };
    let mended = deadline.run("mending", doing).await.map_err(in_context)?;
    // A session that is dropped gives its lock back too.
    let _ = deadline.run("closing", session.close()).await;
    Ok(mended)
}

async fn forget(parts: &Parts, key: &Key, expect: Expect) -> Result<Mended> {
    let changes = vec![Change::remove(key.clone(), expect)];
    Ok(match parts.producer.tracking.commit(&Transaction { changes }).await? {
        WriteOutcome::Written => Mended::Done,
        WriteOutcome::Conflict => Mended::Gone,
    })
}

/// Burns a copy that belongs to nothing, and removes its mapping.
async fn strike(parts: &Parts, mapping: &MappingRecord, expect: Expect) -> Result<Mended> {
    let mut after = None;
    loop {
        let listing = parts.producer.tracking.list(&Query::Sources(None), after.as_ref());
        let page = deadline(parts).run("reading what is recorded", listing).await?;
        for stored in page.records {
            // One that cannot be read may be the one that it belongs to.
            if let Record::Source(source) = stored?.record {
                let living = source.generation.iter().map(|generation| generation.id);
                if living.chain(source.retired.iter().map(|retired| retired.id)).any(|id| id == mapping.generation) {
                    return Ok(Mended::Gone);
                }
            }
        }
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    let striking = async {
        parts.consumer.copies.of(&mapping.owner).await?.burn(&mapping.secret).await?;
        forget(parts, &Key::Mapping(mapping.shared_secret.clone()), expect).await
    };
    deadline(parts).run("deleting a copy", striking).await
}
