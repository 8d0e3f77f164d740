//! The producer's part of a run: what happens under the source's lock.

mod grant;
mod revoke;
mod rotate;
mod task;

use std::sync::Arc;

use crate::ErrorKind;
use crate::engine::{Created, Reads};
use crate::model::{
    Credentials, Generation, OpenState, Phase, SourceRecord, TableName, TurnId, TurnStage, UserName, Wanted,
};
use crate::store::{Key, StoredSecret, WriteOutcome};
use crate::workflow::effect::{Answer, Effect, Failure, Fresh, Next};
use crate::workflow::transition::{Move, View, apply, entry_of, source_of, transaction};

use grant::same_address;
use rotate::Rotating;
pub use task::{Delivery, Did, Errand, Handover, Produced, ProducerTask};

/// Where a run stands: the effect whose answer it waits for. A write carries the view that it leads to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum At {
    Begin,
    Lock,
    Ask,
    Resolve,
    Records,
    Find,
    IntendGrant(View),
    Secret,
    Share,
    User,
    Grant,
    LogIn,
    SecretAgain,
    Password,
    Granted(View),
    Retain(View),
    IntendRevoke(View),
    Revoke,
    StillReads,
    Revoked(View),
    Drop,
    Burn,
    Retire(View),
    // ---- of a rotation
    Pending,
    ShareAgain,
    IntendTurn(View),
    Propose,
    Spare,
    SparePassword,
    Tables,
    SpareGrant,
    SpareLogIn,
    Ready(View),
    Current,
    StillReady,
    Promote,
    Swap(View),
    Unlock,
    End,
}

/// Where a run is heading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Course {
    /// To what is wanted.
    Forward,
    /// Back: what this run had begun, and only that, is taken back.
    Undo,
    /// Out: something could not even be taken back.
    Stuck,
}

/// What a run has done so far; it survives a lost session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Tally {
    new_user: bool,
    change: Change,
    dropped: bool,
    /// The rotation that it has worked on.
    turn: Option<TurnId>,
}

/// How far a run has gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Change {
    #[default]
    Nothing,
    Made,
    /// Access that was there before has been taken away.
    Took,
}

/// One run of the producer's part, as a state machine: [`next`](Self::next) takes the answer to the last effect and says
/// what to do now. It holds no connection and touches nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ProducerRun {
    task: Arc<ProducerTask>,
    at: At,
    /// What the portal wants; until it has been asked, what the run was started for.
    wish: Wanted,
    table: Option<TableName>,
    /// The table that the source says is meant.
    resolved: Option<TableName>,
    /// The path means another table by now than the one that was granted, which is taken back first.
    leaving: bool,
    /// Whether all settled tables have been looked through for the asset.
    searched: bool,
    view: View,
    secret: Option<Box<StoredSecret>>,
    mended: bool,
    /// The users with whom the step at hand is still to be done, the next one last.
    left: Vec<UserName>,
    rotating: Rotating,
    course: Course,
    /// What was known when something failed that the lock does not guard.
    doubted: Option<View>,
    failure: Option<Failure>,
    tally: Tally,
    reads: Reads,
    did: Option<Did>,
}

type Step = Result<Effect, Failure>;

const OUT_OF_STEP: Failure =
    Failure::found(ErrorKind::Unexpected, "an answer does not belong to the effect that was asked for");

impl ProducerRun {
    /// A run that has not begun; its first answer is [`Answer::Begin`].
    #[must_use]
    pub fn new(task: Arc<ProducerTask>) -> Self {
        let (wish, course) = match task.errand {
            Errand::Tidy => (Wanted::Revoke, Course::Undo),
            Errand::Rotate(_) => (Wanted::Retain, Course::Forward),
            Errand::Fulfil | Errand::Leave | Errand::End => (task.wish, Course::Forward),
        };
        Self {
            at: At::Begin,
            wish,
            table: task.table.clone(),
            resolved: None,
            leaving: false,
            searched: false,
            view: View::default(),
            secret: None,
            mended: false,
            left: Vec::new(),
            rotating: Rotating::default(),
            course,
            doubted: None,
            failure: None,
            tally: Tally::default(),
            reads: Reads::No,
            did: None,
            task,
        }
    }

    /// What the run is about.
    pub fn task(&self) -> &ProducerTask {
        &self.task
    }

    /// Takes the answer to the last effect and says what to do now.
    pub fn next(&mut self, answer: Answer, fresh: &mut dyn Fresh) -> Next<Produced> {
        // Once the work is done it does not matter how the lock is given back.
        if self.at == At::Unlock {
            return self.end();
        }
        let step = match answer {
            Answer::SessionLost => self.begin_again(),
            Answer::Failed(kind) => self.failed(Failure::of_effect(kind), fresh),
            answer => {
                let at = std::mem::replace(&mut self.at, At::End);
                let before = at.clone();
                self.answered(at, answer, fresh).or_else(|failure| {
                    self.at = before;
                    self.failed(failure, fresh)
                })
            }
        };
        match step {
            Ok(effect) => Next::Do(effect),
            Err(failure) => {
                self.failure.get_or_insert(failure);
                self.end()
            }
        }
    }

    fn end(&mut self) -> Next<Produced> {
        self.at = At::End;
        let did = self.did.take().unwrap_or(Did::Revoked {
            changed: self.tally.change != Change::Nothing,
            dropped: self.tally.dropped,
            table: self.table.clone(),
            reads: self.reads.clone(),
        });
        Next::End(Produced {
            did,
            failure: self.failure.clone(),
            undone: self.course == Course::Undo && self.tally.change < self.lasting(),
        })
    }

    /// What is not taken back when the run fails.
    fn lasting(&self) -> Change {
        if self.task.errand.rotates() { Change::Made } else { Change::Took }
    }

    /// The session is gone, and the lock with it: somebody else may have been at work since.
    fn begin_again(&mut self) -> Step {
        let Self { task, tally, .. } = self.clone();
        *self = Self { tally, ..Self::new(task) };
        self.go(At::Lock, Effect::Lock)
    }

    fn note(&mut self, change: Change) {
        self.tally.change = self.tally.change.max(change);
    }

    fn go(&mut self, at: At, effect: Effect) -> Step {
        self.at = at;
        Ok(effect)
    }

    fn answered(&mut self, at: At, answer: Answer, fresh: &mut dyn Fresh) -> Step {
        match (at, answer) {
            (At::Begin, Answer::Begin) => self.go(At::Lock, Effect::Lock),
            (At::Lock, Answer::Done)
                if self.task.ask && !matches!(self.task.errand, Errand::Tidy | Errand::Rotate(_)) =>
            {
                self.go(At::Ask, Effect::Ask)
            }
            (At::Lock, Answer::Done) => self.with_wish(),
            (At::Ask, Answer::Wanted(wanted)) => {
                self.wish =
                    if self.task.errand == Errand::Leave && wanted == Wanted::Grant { Wanted::Revoke } else { wanted };
                self.with_wish()
            }
            (At::Resolve, Answer::Table(table)) => {
                self.leaving = self.table.as_ref().is_some_and(|granted| *granted != table);
                if !self.leaving {
                    self.table = Some(table.clone());
                }
                self.resolved = Some(table);
                self.read()
            }
            (At::Records, Answer::Records(records)) => {
                let mut records = records.into_iter();
                let source = source_of(records.next().flatten())?;
                self.view = View { source, entry: entry_of(records.next().flatten())? };
                // The secret and the login are not guarded by the lock. If others have been at work since, it was lost, and
                // they may have caused what looked like a failure: burnt the secret, taken the grant back.
                if self.doubted.take().is_some_and(|before| !before.agrees_under_lock(&self.view)) {
                    return self.begin_again();
                }
                self.with_view(fresh)
            }
            (At::Find, Answer::Found(table)) => {
                self.searched = true;
                self.table = table.or(self.table.take());
                self.read()
            }
            (At::Secret, Answer::Slot(slot)) => self.with_secret(slot, fresh),
            (At::Share, Answer::Done) => self.create_user(),
            (At::User, Answer::Created(created)) => {
                self.tally.new_user |= created == Created::New;
                if created == Created::New {
                    self.note(Change::Made);
                }
                self.grant()
            }
            (At::Grant, Answer::Done) => self.grant_next(),
            (At::Password, Answer::Done) => self.log_in(),
            (At::LogIn, Answer::Login(login)) => self.with_login(&login, fresh),
            (At::SecretAgain, Answer::Slot(slot)) => self.with_secret_again(slot),
            (At::Revoke, Answer::Done) => self.revoke_next(fresh),
            (At::StillReads, Answer::Reads(reads)) => self.with_reads(reads, fresh),
            (At::Drop, Answer::Done) => self.drop_next(),
            (At::Burn, Answer::Done) => self.write(&Move::Retire, At::Retire, fresh),
            (At::Pending, Answer::Slot(slot)) => self.with_pending(slot),
            (At::ShareAgain, Answer::Done) => self.with_shared(fresh),
            (At::Propose, Answer::Slot(slot)) => self.with_proposed(slot, fresh),
            (At::Spare, Answer::Created(created)) => self.with_spare(created),
            (At::SparePassword, Answer::Done) => self.go(At::Tables, Effect::Tables),
            (At::Tables, Answer::Tables(tables)) => self.with_tables(tables),
            (At::SpareGrant, Answer::Done) => self.granted_to_spare(true),
            (At::SpareLogIn, Answer::Login(login)) => self.with_spare_login(&login, fresh),
            (At::Current, Answer::Slot(slot)) => self.with_current(slot, fresh),
            (At::StillReady, Answer::Records(records)) => self.with_still_ready(records, fresh),
            (At::Promote, Answer::Wrote(WriteOutcome::Written)) => self.write(&Move::Swap, At::Swap, fresh),
            (at, Answer::Wrote(WriteOutcome::Written)) => self.written(&at, fresh),
            // Somebody wrote in between, or a store has forgotten what was put down: look again, and go on from what is there.
            (_, Answer::Wrote(WriteOutcome::Conflict)) => self.read(),
            _ => Err(OUT_OF_STEP),
        }
    }

    fn with_wish(&mut self) -> Step {
        if self.wish == Wanted::Grant && self.resolved.is_none() {
            return self.go(At::Resolve, Effect::Resolve(self.task.subscription.location.path.clone()));
        }
        self.read()
    }

    fn read(&mut self) -> Step {
        let key = self.task.subscription.key();
        let entry = self.table.iter().map(|table| Key::Entry(key.clone(), table.clone()));
        let keys = std::iter::once(Key::Source(key.clone())).chain(entry).collect();
        self.go(At::Records, Effect::Read(keys))
    }

    fn with_view(&mut self, fresh: &mut dyn Fresh) -> Step {
        if self.task.errand.rotates() {
            return self.rotate(fresh);
        }
        let Some(source) = self.source() else {
            return if self.wants_grant() { self.intend_grant(fresh) } else { self.unlock() };
        };
        match source.phase {
            Phase::Dropping => self.drop_users(),
            Phase::Retired | Phase::Active if self.wants_grant() => self.intend_grant(fresh),
            Phase::Retired => self.unlock(),
            Phase::Active => self.with_active(fresh),
        }
    }

    fn wants_grant(&self) -> bool {
        self.wish == Wanted::Grant && self.course == Course::Forward && !self.leaving
    }

    /// Writes a move; where it changes nothing, goes on as if it had been written.
    fn write(&mut self, step: &Move, at: fn(View) -> At, fresh: &mut dyn Fresh) -> Step {
        let after = apply(&self.view, step, fresh.now())?;
        match transaction(&self.view, &after, fresh) {
            Some((transaction, view)) => self.go(at(view), Effect::Commit(transaction)),
            None => self.with_written(&at(after), fresh),
        }
    }

    fn written(&mut self, at: &At, fresh: &mut dyn Fresh) -> Step {
        let took = matches!(at, At::IntendRevoke(_)) && self.course == Course::Forward;
        self.note(if took { Change::Took } else { Change::Made });
        if let At::IntendGrant(view)
        | At::Granted(view)
        | At::Retain(view)
        | At::IntendRevoke(view)
        | At::Revoked(view)
        | At::Retire(view)
        | At::IntendTurn(view)
        | At::Ready(view)
        | At::Swap(view) = at
        {
            self.view = view.clone();
        }
        self.with_written(at, fresh)
    }

    fn with_written(&mut self, at: &At, fresh: &mut dyn Fresh) -> Step {
        match at {
            At::IntendGrant(_) => {
                let name = self.generation()?.secret.clone();
                self.go(At::Secret, Effect::ReadSecret(name))
            }
            At::Granted(_) => self.delivered(Did::Granted),
            At::Retain(_) => self.delivered(Did::Retained),
            At::IntendRevoke(_) => self.revoke(fresh),
            // A rotation has only made room.
            At::Revoked(_) if self.task.errand.rotates() => self.with_view(fresh),
            At::Revoked(_) => self.unlock(),
            At::IntendTurn(_) => self.propose(fresh),
            At::Ready(_) => self.promote(),
            At::Swap(_) => self.hand_over(),
            At::Retire(_) => {
                self.tally.dropped = true;
                self.with_view(fresh)
            }
            _ => Err(OUT_OF_STEP),
        }
    }

    // ---- failures

    fn failed(&mut self, mut failure: Failure, fresh: &mut dyn Fresh) -> Step {
        let at = self.at.clone();
        let passing = failure.kind.is_retryable();
        let kind = failure.kind;
        if at == At::StillReads {
            return self.with_reads(Reads::CannotTell(kind.to_string()), fresh);
        }
        if at == At::SpareGrant && kind == ErrorKind::TableNotFound {
            match self.granted_to_spare(false) {
                Ok(effect) => return Ok(effect),
                Err(none_is_there) => failure = none_is_there,
            }
        }
        let refused = matches!(at, At::Spare | At::SparePassword) && kind == ErrorKind::PasswordRejected;
        if refused && self.may_propose_anew()? {
            return self.propose_anew(fresh);
        }
        if refused && at == At::SparePassword && self.generation()?.stage() == Some(TurnStage::Ready) {
            return self.not_set();
        }
        self.failure.get_or_insert(failure.clone());
        match at {
            At::Begin | At::Lock | At::End => Err(failure),
            // Approved with filters only: whatever was granted before is more than is approved now.
            At::Ask if kind == ErrorKind::Refused => {
                if self.task.wish != Wanted::Grant {
                    self.failure = None;
                }
                self.wish = Wanted::Revoke;
                self.read()
            }
            // What an older system has granted is taken back also where the table is gone: a grant may outlive it.
            At::Resolve if kind == ErrorKind::TableNotFound && self.wish != Wanted::Grant && self.table.is_none() => {
                self.table = self.task.subscription.location.path.plain();
                if self.table.is_none() {
                    return self.unlock();
                }
                if self.failure.as_ref() == Some(&failure) {
                    self.failure = None;
                }
                self.read()
            }
            At::Resolve
            | At::Secret
            | At::Share
            | At::User
            | At::Grant
            | At::LogIn
            | At::SecretAgain
            | At::Password
            | At::Pending
            | At::ShareAgain
            | At::Propose
            | At::Spare
            | At::SparePassword
            | At::Tables
            | At::SpareGrant
            | At::SpareLogIn
            | At::Current
            | At::Promote
                if !passing =>
            {
                self.course = Course::Undo;
                let guarded = matches!(
                    at,
                    At::Resolve | At::User | At::Grant | At::Password | At::Spare | At::SparePassword | At::SpareGrant
                );
                self.doubted = (!guarded).then(|| self.view.clone());
                self.read()
            }
            _ => {
                self.course = Course::Stuck;
                self.leaving = false;
                self.unlock()
            }
        }
    }

    // ---- what is known

    fn source(&self) -> Option<&SourceRecord> {
        self.view.source.as_ref().map(|seen| &seen.record)
    }

    fn generation(&self) -> Result<&Generation, Failure> {
        self.source().and_then(|source| source.generation.as_ref()).ok_or(Failure::found(
            ErrorKind::RecordInvalid,
            "the source record names no generation: somebody may have edited it",
        ))
    }

    fn users(&self) -> Result<Vec<UserName>, Failure> {
        Ok(self.generation()?.users().cloned().collect())
    }

    fn own_table(&self) -> Result<TableName, Failure> {
        self.table.clone().ok_or(OUT_OF_STEP)
    }

    fn credentials(&self) -> Result<Box<Credentials>, Failure> {
        self.secret.as_ref().map(|secret| Box::new(secret.credentials.clone())).ok_or(OUT_OF_STEP)
    }

    fn revoking(&self) -> Vec<TableName> {
        let open = self.source().into_iter().flat_map(|source| &source.open);
        open.filter(|(_, entry)| entry.state == OpenState::Revoking).map(|(table, _)| table.clone()).collect()
    }
}
