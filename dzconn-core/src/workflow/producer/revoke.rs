//! The steps of a revoke, and of what else ends or keeps access.

use super::{At, Course, Did, OUT_OF_STEP, ProducerRun, Step};
use crate::engine::Reads;
use crate::model::{Phase, Subscription, Wanted};
use crate::workflow::effect::{Effect, Fresh};
use crate::workflow::transition::Move;

impl ProducerRun {
    /// The record is active, and a grant is not what is wanted.
    pub(super) fn with_active(&mut self, fresh: &mut dyn Fresh) -> Step {
        let Subscription { asset, location, .. } = &self.task.subscription;
        let (asset, path) = (&asset.id, &location.path);
        let Some(source) = self.source() else { return Err(OUT_OF_STEP) };
        let open =
            source.open.iter().find(|(_, entry)| entry.assets.contains_key(asset)).map(|(table, _)| table.clone());
        let settled = self.view.entry.as_ref().and_then(|entry| entry.record.assets.get(asset));
        let missing = open.is_none() && settled.is_none();
        // What a dead run was doing to the table is undone first.
        let busy = self.table.as_ref().is_some_and(|table| source.open.contains_key(table));
        let older = self.task.older && missing && source.older.contains(path);
        if self.course == Course::Undo {
            // Only what a grant of this asset has begun is taken back; what was granted before stays.
            if open.is_none() || settled.is_some() {
                return self.unlock();
            }
        } else if missing && !self.leaving && !self.searched && source.settled > 0 {
            // Where tracking has no row, or one that is out of date: a run has died before it was written.
            return self.go(At::Find, Effect::Find);
        } else if older && self.table.is_none() {
            return self.go(At::Resolve, Effect::Resolve(path.clone()));
        } else if self.wish == Wanted::Retain && settled.is_some_and(|publication| publication.retained) {
            return self.delivered(Did::Retained);
        } else if self.wish == Wanted::Retain && (settled.is_some() || older && !busy) {
            let (asset, path, table) = (asset.clone(), path.clone(), self.own_table()?);
            return self.write(&Move::Retain { asset, path, table, older: self.task.older }, At::Retain, fresh);
        }
        let (asset, path, older) = (asset.clone(), path.clone(), self.task.older);
        let step = Move::Revoke { asset, path, table: open.or_else(|| self.table.clone()), older };
        self.write(&step, At::IntendRevoke, fresh)
    }

    pub(super) fn revoke(&mut self, fresh: &mut dyn Fresh) -> Step {
        if self.source().is_some_and(|source| source.phase == Phase::Dropping) {
            return self.drop_users();
        }
        if self.revoking().is_empty() {
            return self.unlock();
        }
        self.left = self.users()?;
        self.revoke_next(fresh)
    }

    /// From every user: whichever the consumer's copy holds, it no longer reads.
    pub(super) fn revoke_next(&mut self, fresh: &mut dyn Fresh) -> Step {
        let tables = self.revoking();
        if let Some(user) = self.left.pop() {
            return self.go(At::Revoke, Effect::Revoke { user, tables });
        }
        if self.table.as_ref().is_some_and(|table| tables.contains(table)) {
            self.left = self.users()?;
        }
        self.reads_next(fresh)
    }

    fn reads_next(&mut self, fresh: &mut dyn Fresh) -> Step {
        match (self.left.pop(), self.table.clone()) {
            (Some(user), Some(table)) => self.go(At::StillReads, Effect::Reads(user, table)),
            _ => self.write(&Move::Revoked, At::Revoked, fresh),
        }
    }

    pub(super) fn with_reads(&mut self, reads: Reads, fresh: &mut dyn Fresh) -> Step {
        if !matches!((&self.reads, &reads), (Reads::Yes(_), _) | (_, Reads::No)) {
            self.reads = reads;
        }
        self.reads_next(fresh)
    }

    pub(super) fn drop_users(&mut self) -> Step {
        self.left = self.users()?;
        self.drop_next()
    }

    pub(super) fn drop_next(&mut self) -> Step {
        if let Some(user) = self.left.pop() {
            return self.go(At::Drop, Effect::DropUser(user));
        }
        let name = self.generation()?.secret.clone();
        self.go(At::Burn, Effect::Burn(name))
    }

    /// The work is done; or, where the asset had to leave another table first, half of it.
    pub(super) fn unlock(&mut self) -> Step {
        if std::mem::take(&mut self.leaving) {
            self.table.clone_from(&self.resolved);
            return self.read();
        }
        self.go(At::Unlock, Effect::Unlock)
    }
}
