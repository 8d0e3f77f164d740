//! Every legal change of a source record and of the one entry that a run is about, as one pure function.

use std::collections::BTreeMap;

use crate::model::{
    AssetId, AssetPath, DATA_ASSETS_LIMIT, EntryRecord, Generation, GenerationId, OpenEntry, OpenState, Phase,
    Publication, RetiredGeneration, SecretId, SourceRecord, TableName, Turn, TurnId, TurnStage, UserName, Version,
};
use crate::store::{Change, Expect, Record, Stored, Transaction};
use crate::workflow::Fresh;
use crate::{ErrorKind, Timestamp};

use super::effect::Failure;

#[cfg(test)]
mod tests;

/// A record as it was read, with what a write over it must expect.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Seen<T> {
    pub(crate) version: Option<Version>,
    pub(crate) record: T,
}

impl<T> Seen<T> {
    /// What a write over just this must expect.
    pub(crate) fn expect(&self) -> Expect {
        self.version.map_or(Expect::Unversioned, Expect::Is)
    }
}

/// What a run has seen of tracking: the source record, and the entry of its own table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct View {
    pub(crate) source: Option<Seen<SourceRecord>>,
    pub(crate) entry: Option<Seen<EntryRecord>>,
}

impl View {
    /// Whether nobody else has changed anything under the lock in between. What a sweep clears, it clears without the lock.
    pub(crate) fn agrees_under_lock(&self, other: &Self) -> bool {
        let guarded = |view: &Self| {
            view.source.as_ref().map(|Seen { record, .. }| {
                (record.phase, record.generation.clone(), record.settled, record.older.clone(), record.open.clone())
            })
        };
        guarded(self) == guarded(other) && self.entry == other.entry
    }
}

/// A change of the record.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Move {
    /// A grant is about to begin. `fresh` is what the record begins with if there is none, or none that lives.
    Grant { asset: AssetId, path: AssetPath, table: TableName, fresh: Box<SourceRecord> },
    /// The grant has been made and read back. `older`: it was an older system's, whose path this asset stands for.
    Granted { asset: AssetId, path: AssetPath, table: TableName, secret_id: SecretId, older: bool },
    /// Access stays although the subscription has ended.
    Retain { asset: AssetId, path: AssetPath, table: TableName, older: bool },
    /// A revoke is about to begin, of this asset if it is there, and of all that dead runs have left open.
    Revoke { asset: AssetId, path: AssetPath, table: Option<TableName>, older: bool },
    /// All that dead runs have left open is to be revoked.
    RollBack,
    /// What was open has been revoked.
    Revoked,
    /// The user is gone and its secret's name burnt.
    Retire,
    /// A rotation is about to begin, or to propose another value. `spare` is what the other user is called if there was none so far.
    Turn { spare: UserName, id: TurnId },
    /// The spare is as good as the user: from now on its credentials may become the current ones.
    Ready,
    /// The secret names the spare: the two swap.
    Swap,
    /// The consumer's copy holds what the secret does.
    TurnOver,
    /// An asset's row is removed in the same transaction.
    RowGone { asset: AssetId },
    /// A generation's copy is burnt, and its mapping is removed in the same transaction.
    Strike { generation: GenerationId },
}

/// The state after a move. An illegal move is a record that somebody edited.
pub(crate) fn apply(view: &View, step: &Move, now: Timestamp) -> Result<View, Failure> {
    let mut next = view.clone();
    let source = next.source.as_mut().map(|seen| &mut seen.record);
    match (source, step) {
        (None, Move::Grant { asset, path, table, fresh }) => {
            next.source = Some(Seen { version: None, record: begin(fresh, None, asset, path, table) });
        }
        (Some(source), Move::Grant { asset, path, table, fresh }) if source.phase == Phase::Retired => {
            *source = begin(fresh, Some(source), asset, path, table);
        }
        (Some(source), Move::Grant { asset, path, table, .. }) if source.phase == Phase::Active => {
            roll_back(source, Some(table));
            // A settled table is granted already: nothing is open, and the asset joins it once that is verified.
            // So is what an older system has granted.
            if next.entry.is_none() {
                close(source, table);
                if !older_holds(source, path, table) {
                    source.revoked.remove(asset);
                    source.open.insert(table.clone(), granting(asset, path));
                }
            }
        }
        (Some(source), Move::Granted { asset, path, table, secret_id, older }) if source.phase == Phase::Active => {
            let Some(generation) = &mut source.generation else { return Err(EDITED) };
            generation.secret_id = Some(secret_id.clone());
            let publication = Publication { path: path.clone(), retained: false };
            let is_live = source.open.contains_key(table) || older_holds(source, path, table);
            close(source, table);
            if *older {
                source.older.remove(path);
            }
            if let Some(entry) = &mut next.entry {
                entry.record.assets.insert(asset.clone(), publication);
            } else {
                if !is_live {
                    return Err(EDITED);
                }
                next.entry = Some(settle(source, asset, publication, table, now)?);
            }
            source.revoked.remove(asset);
            list_path(source, path);
            close_revoked(source);
        }
        (Some(source), Move::Retain { asset, path, table, older }) => {
            let publication = Publication { path: path.clone(), retained: true };
            match &mut next.entry {
                Some(entry) if entry.record.assets.contains_key(asset) => {
                    entry.record.assets.entry(asset.clone()).and_modify(|publication| publication.retained = true);
                }
                _ if !*older || !source.older.remove(path) => return Err(EDITED),
                Some(entry) => {
                    entry.record.assets.insert(asset.clone(), publication);
                }
                none => *none = Some(settle(source, asset, publication, table, now)?),
            }
        }
        (Some(source), Move::Revoke { asset, path, table, older }) if source.phase == Phase::Active => {
            take_away(source, &mut next.entry, asset, older.then_some(path), table.as_ref())?;
            take_back(source);
        }
        (Some(source), Move::RollBack) if source.phase == Phase::Active => take_back(source),
        (Some(source), Move::Revoked) if source.phase == Phase::Active => close_revoked(source),
        (Some(source), Move::Retire) if source.phase == Phase::Dropping => {
            let Some(Generation { id, secret_id, copy, .. }) = source.generation.take() else { return Err(EDITED) };
            source.retired.insert(RetiredGeneration { id, secret_id, copy });
            roll_back(source, None);
            close_revoked(source);
            source.phase = Phase::Retired;
            source.data_assets.clear();
            source.data_assets_complete = true;
        }
        (Some(source), Move::Turn { .. } | Move::Ready | Move::Swap | Move::TurnOver)
            if source.phase == Phase::Active =>
        {
            turn(source.generation.as_mut().ok_or(EDITED)?, step)?;
        }
        (Some(source), Move::RowGone { asset }) => {
            source.revoked.remove(asset);
        }
        (Some(source), Move::Strike { generation }) => {
            source.retired.retain(|retired| retired.id != *generation);
        }
        _ => return Err(EDITED),
    }
    if next.source.as_ref().is_some_and(|seen| {
        let SourceRecord { phase, revoked, retired, .. } = &seen.record;
        *phase == Phase::Retired && revoked.is_empty() && retired.is_empty()
    }) {
        next.source = None;
    }
    Ok(next)
}

const EDITED: Failure = Failure::found(
    ErrorKind::RecordInvalid,
    "the source record contradicts itself: somebody may have edited it, or restored a part of the tables",
);

/// A rotation goes on. It begins only where the consumer's copy is known not to hold the spare's password, which is changed next.
fn turn(generation: &mut Generation, step: &Move) -> Result<(), Failure> {
    let stage = generation.stage();
    match (step, &mut generation.turn) {
        (Move::Turn { spare, id }, turn @ None) if *spare != generation.user || generation.spare.is_some() => {
            *turn = Some(Turn { id: *id, stage: TurnStage::Preparing });
            generation.spare.get_or_insert_with(|| spare.clone());
        }
        // Nothing was sent yet that would make the value of before the current one.
        (Move::Turn { id, .. }, Some(turn)) if turn.stage == TurnStage::Preparing && generation.spare.is_some() => {
            turn.id = *id;
        }
        (Move::Ready, Some(turn)) if turn.stage == TurnStage::Preparing => turn.stage = TurnStage::Ready,
        (Move::Swap, Some(turn)) if turn.stage == TurnStage::Ready => {
            turn.stage = TurnStage::Delivering;
            std::mem::swap(&mut generation.user, generation.spare.as_mut().ok_or(EDITED)?);
        }
        (Move::TurnOver, turn) if stage == Some(TurnStage::Delivering) => *turn = None,
        _ => return Err(EDITED),
    }
    Ok(())
}

/// Whether an older system's grant of this table, published under this path, still counts. Other paths that differ from the
/// table's own in case may be other tables: they do not.
fn older_holds(source: &SourceRecord, path: &AssetPath, table: &TableName) -> bool {
    let joined = table.joined();
    source.older.iter().any(|older| older == path || older.as_str() == joined)
}

/// What a dead run was doing to a table is done with; the rows of its assets are still to go.
fn close(source: &mut SourceRecord, table: &TableName) {
    if let Some(dead) = source.open.remove(table) {
        source.revoked.extend(dead.assets.into_keys());
    }
}

fn granting(asset: &AssetId, path: &AssetPath) -> OpenEntry {
    OpenEntry { state: OpenState::Granting, assets: BTreeMap::from([(asset.clone(), path.clone())]) }
}

/// A new generation. What the last one has left to clean up is carried over.
fn begin(
    fresh: &SourceRecord,
    before: Option<&SourceRecord>,
    asset: &AssetId,
    path: &AssetPath,
    table: &TableName,
) -> SourceRecord {
    let mut record = fresh.clone();
    record.open.insert(table.clone(), granting(asset, path));
    if let Some(before) = before {
        record.revoked.clone_from(&before.revoked);
        record.revoked.remove(asset);
        record.retired.clone_from(&before.retired);
    }
    record
}

/// A table's first asset.
fn settle(
    source: &mut SourceRecord,
    asset: &AssetId,
    publication: Publication,
    table: &TableName,
    now: Timestamp,
) -> Result<Seen<EntryRecord>, Failure> {
    let generation = source.generation.as_ref().ok_or(EDITED)?.id;
    source.settled += 1;
    let assets = BTreeMap::from([(asset.clone(), publication)]);
    let record = EntryRecord {
        key: source.key.clone(),
        table: table.clone(),
        generation,
        assets,
        since: now,
        last_updated: now,
    };
    Ok(Seen { version: None, record })
}

/// Under the lock, whatever is open belongs to a dead run: it is to be revoked. `mine` is the run's own.
fn roll_back(source: &mut SourceRecord, mine: Option<&TableName>) {
    for (table, entry) in &mut source.open {
        if Some(table) != mine {
            entry.state = OpenState::Revoking;
        }
    }
}

/// What is open is about to be revoked; where nothing else lives, the user is about to go.
fn take_back(source: &mut SourceRecord) {
    roll_back(source, None);
    if !source.open.is_empty() && source.settled == 0 && source.older.is_empty() {
        source.phase = Phase::Dropping;
    }
}

/// What was being revoked has been; the rows of its assets are still to go.
fn close_revoked(source: &mut SourceRecord) {
    let done = source.open.extract_if(.., |_, entry| entry.state == OpenState::Revoking);
    source.revoked.extend(done.flat_map(|(_, entry)| entry.assets.into_keys()));
}

/// Takes one asset off its table; with the last one the table becomes open for revoking.
fn take_away(
    source: &mut SourceRecord,
    entry: &mut Option<Seen<EntryRecord>>,
    asset: &AssetId,
    older: Option<&AssetPath>,
    table: Option<&TableName>,
) -> Result<(), Failure> {
    let older = older.filter(|path| source.older.remove(*path)).inspect(|path| {
        source.data_assets.remove(*path);
    });
    if let Some(settled) = entry {
        let Some(publication) = settled.record.assets.remove(asset) else {
            // Another asset of the same table stays.
            if older.is_some() {
                source.revoked.insert(asset.clone());
            }
            return Ok(());
        };
        if settled.record.assets.values().all(|other| other.path != publication.path) {
            source.data_assets.remove(&publication.path);
        }
        if settled.record.assets.is_empty() {
            source.settled = source.settled.checked_sub(1).ok_or(EDITED)?;
            if older_holds(source, &publication.path, &settled.record.table) {
                // The privilege is also an older system's, which still counts.
                source.revoked.insert(asset.clone());
                *entry = None;
                return Ok(());
            }
            let assets = BTreeMap::from([(asset.clone(), publication.path)]);
            source.open.insert(settled.record.table.clone(), OpenEntry { state: OpenState::Revoking, assets });
            *entry = None;
        } else {
            source.revoked.insert(asset.clone());
        }
    } else if let Some(open) = table.and_then(|table| source.open.get_mut(table)) {
        // A dead run's: it is taken back with all the others.
        open.assets.extend(older.map(|path| (asset.clone(), path.clone())));
    } else if let (Some(table), Some(path)) = (table, older) {
        if older_holds(source, path, table) {
            source.revoked.insert(asset.clone());
            return Ok(());
        }
        let assets = BTreeMap::from([(asset.clone(), path.clone())]);
        source.open.insert(table.clone(), OpenEntry { state: OpenState::Revoking, assets });
    }
    Ok(())
}

/// Lists a path while there is room. A list that was cut stays marked so until the record begins anew: what was left out
/// of it cannot be told from the record alone.
fn list_path(source: &mut SourceRecord, path: &AssetPath) {
    if source.data_assets.len() < DATA_ASSETS_LIMIT || source.data_assets.contains(path) {
        source.data_assets.insert(path.clone());
    } else {
        source.data_assets_complete = false;
    }
}

/// The transaction that turns one view into the next, and the view as it is then; `None` if they do not differ.
///
/// Whatever changes, the source record gets a new version, so that its version guards its entries too.
pub(crate) fn transaction(before: &View, after: &View, fresh: &mut dyn Fresh) -> Option<(Transaction, View)> {
    if before == after {
        return None;
    }
    let mut after = after.clone();
    let now = fresh.now();
    let mut changes = Vec::new();
    changes.extend(change(
        before.source.as_ref(),
        &mut after.source,
        |record| {
            record.last_updated = now;
            Record::Source(record.clone())
        },
        fresh,
    ));
    if before.entry != after.entry {
        changes.extend(change(
            before.entry.as_ref(),
            &mut after.entry,
            |record| {
                record.last_updated = now;
                Record::Entry(record.clone())
            },
            fresh,
        ));
    }
    Some((Transaction { changes }, after))
}

fn change<T: Clone>(
    before: Option<&Seen<T>>,
    after: &mut Option<Seen<T>>,
    record: impl Fn(&mut T) -> Record,
    fresh: &mut dyn Fresh,
) -> Option<Change> {
    let expect = before.map_or(Expect::Absent, Seen::expect);
    match after {
        Some(seen) => {
            let version = fresh.version();
            seen.version = Some(version);
            Some(Change::put(expect, version, record(&mut seen.record)))
        }
        None => before.cloned().map(|mut seen| Change::remove(record(&mut seen.record).key(), expect)),
    }
}

/// Reads a source record out of an answer.
pub(crate) fn source_of(stored: Option<Stored>) -> Result<Option<Seen<SourceRecord>>, Failure> {
    match stored {
        None => Ok(None),
        Some(Stored { version, record: Record::Source(record) }) => Ok(Some(Seen { version, record })),
        Some(_) => Err(EDITED),
    }
}

/// Reads an entry out of an answer.
pub(crate) fn entry_of(stored: Option<Stored>) -> Result<Option<Seen<EntryRecord>>, Failure> {
    match stored {
        None => Ok(None),
        Some(Stored { version, record: Record::Entry(record) }) => Ok(Some(Seen { version, record })),
        Some(_) => Err(EDITED),
    }
}
