//! The steps of a rotation: the other user is made as good as the one that the secret names, and then the secret names it.

use super::{At, Change, Course, Did, Errand, Handover, OUT_OF_STEP, ProducerRun, Step, same_address};
use crate::ErrorKind;
use crate::engine::{Created, Login, Reads};
use crate::model::{Credentials, Generation, Phase, TableName, Turn, TurnId, TurnStage, UserName};
use crate::store::{Key, SecretVersion, Slot, Stored, StoredSecret};
use crate::workflow::effect::{Effect, Failure, Fresh};
use crate::workflow::transition::{Move, source_of};

/// What a rotation has come to know under this lock.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Rotating {
    /// What the spare is to log in with.
    proposed: Option<Box<Credentials>>,
    /// Tables that are still to be granted to the spare.
    tables: Vec<TableName>,
    /// One that was.
    granted: Option<TableName>,
    /// Whether a value that was proposed has been given up. One more is tried.
    anew: bool,
    /// Whether the source has refused to set the spare's password.
    refused: bool,
}

const GONE: Failure = Failure::found(ErrorKind::SecretGone, "the environment's secret was deleted, but not by dzconn");

impl ProducerRun {
    /// The record has been read, and a rotation is what the run has come for.
    pub(super) fn rotate(&mut self, fresh: &mut dyn Fresh) -> Step {
        self.rotating = Rotating::default();
        let Some(source) = self.source() else { return self.unlock() };
        match source.phase {
            Phase::Dropping => return self.drop_users(),
            Phase::Retired => return self.unlock(),
            Phase::Active if self.course != Course::Forward => return self.unlock(),
            Phase::Active if !source.open.is_empty() => return self.write(&Move::RollBack, At::IntendRevoke, fresh),
            Phase::Active if !source.older.is_empty() => {
                return Err(Failure::found(
                    ErrorKind::InvalidInput,
                    "an older system has granted some of the tables, and a new user could not be given all of them",
                ));
            }
            Phase::Active => {}
        }
        let Generation { turn, secret, user, spare, .. } = self.generation()?.clone();
        if spare.as_ref() == Some(&user) || turn.is_some() && spare.is_none() {
            return Err(Failure::found(
                ErrorKind::RecordInvalid,
                "the source record names no second user, or the same one twice: somebody may have edited it",
            ));
        }
        // What has ended meanwhile, or has been followed by another, is not begun again.
        if let Errand::Rotate(Some(wanted)) = self.task.errand
            && turn.map_or(self.tally.turn.is_none(), |turn| turn.id != wanted && self.tally.turn != Some(turn.id))
        {
            return self.unlock();
        }
        match turn {
            // What this run had begun, another has finished.
            None if self.tally.turn.is_some() => self.hand_over(),
            None => self.go(At::Pending, Effect::InspectSecret(secret)),
            Some(turn) => {
                self.tally.turn = Some(turn.id);
                match turn.stage {
                    TurnStage::Preparing => self.go(At::Pending, Effect::InspectSecret(secret)),
                    TurnStage::Ready => self.go(At::Current, Effect::ReadSecret(secret)),
                    TurnStage::Delivering => self.hand_over(),
                }
            }
        }
    }

    /// The secret, before anything is done to it.
    pub(super) fn with_pending(&mut self, slot: Slot) -> Step {
        let secret = self.usable(slot)?;
        let Generation { user, turn, .. } = self.generation()?;
        if secret.credentials.user != *user {
            return Err(named_otherwise());
        }
        if secret.pending.as_ref().is_some_and(|pending| !is_own(*turn, pending)) {
            return Err(Failure::found(ErrorKind::Contention, "the user's password is being rotated by somebody else"));
        }
        let begun = turn.is_some();
        self.secret = Some(secret);
        if !begun && self.source().is_none_or(|source| source.settled == 0) {
            return self.unlock();
        }
        // Who reads it in the consumer's account may have changed since the grant. Where it cannot be shared with them, nothing is
        // begun that only they could end.
        let name = self.generation()?.secret.clone();
        self.go(At::ShareAgain, Effect::Share(name, self.task.readers.clone()))
    }

    pub(super) fn with_shared(&mut self, fresh: &mut dyn Fresh) -> Step {
        if self.generation()?.turn.is_some() {
            return self.propose(fresh);
        }
        let id = TurnId::from_bits(fresh.version().bits());
        let step = Move::Turn { spare: self.task.spare.clone(), id };
        self.write(&step, At::IntendTurn, fresh)
    }

    /// What the spare is to log in with; if a run has proposed that already, what it has proposed.
    pub(super) fn propose(&mut self, fresh: &mut dyn Fresh) -> Step {
        let (turn, spare) = self.turn()?;
        self.tally.turn = Some(turn);
        self.note(Change::Made);
        let mut credentials = self.credentials()?;
        credentials.user = spare;
        credentials.password = fresh.password();
        let name = self.generation()?.secret.clone();
        self.go(At::Propose, Effect::Propose(name, version(turn), credentials))
    }

    pub(super) fn with_proposed(&mut self, slot: Slot, fresh: &mut dyn Fresh) -> Step {
        let Slot::Live(proposed) = slot else { return Err(GONE) };
        if proposed.credentials.user != self.turn()?.1 {
            return Err(named_otherwise());
        }
        let credentials = Box::new(proposed.credentials);
        let Credentials { user, password, .. } = (*credentials).clone();
        // Everything else is what the secret says by now.
        if *credentials != (Credentials { user, password, ..*self.credentials()? }) {
            if self.may_propose_anew()? {
                return self.propose_anew(fresh);
            }
            return Err(Failure::found(
                ErrorKind::SecretInvalid,
                "the environment's secret was changed since a rotation proposed another value for it",
            ));
        }
        self.rotating.proposed = Some(credentials.clone());
        self.go(At::Spare, Effect::CreateUser(credentials))
    }

    /// Whether what was proposed can still be given up: once the turn is Ready, a promotion of it may be in flight.
    pub(super) fn may_propose_anew(&self) -> Result<bool, Failure> {
        Ok(!self.rotating.anew && self.generation()?.stage() == Some(TurnStage::Preparing))
    }

    /// What was proposed is of no use, and under its version no other value can be put.
    pub(super) fn propose_anew(&mut self, fresh: &mut dyn Fresh) -> Step {
        self.rotating.anew = true;
        let (turn, spare) = self.turn()?;
        self.write(&Move::Turn { spare, id: turn.next() }, At::IntendTurn, fresh)
    }

    /// A spare that is there has the password of the last turn but one, which the consumer's copy does not hold any more.
    pub(super) fn with_spare(&mut self, created: Created) -> Step {
        match created {
            Created::New => self.go(At::Tables, Effect::Tables),
            Created::Existed => {
                let credentials = self.proposed()?;
                self.go(At::SparePassword, Effect::SetPassword(credentials))
            }
        }
    }

    /// The password was refused. It may be the one that the spare has, which some sources do not set again: the login tells.
    pub(super) fn not_set(&mut self) -> Step {
        self.rotating.refused = true;
        self.go(At::Tables, Effect::Tables)
    }

    pub(super) fn with_tables(&mut self, tables: Vec<TableName>) -> Step {
        self.rotating.tables = tables;
        self.grant_to_spare()
    }

    /// A table that is gone is of no use to the user either.
    pub(super) fn granted_to_spare(&mut self, is_there: bool) -> Step {
        let table = self.rotating.tables.pop().ok_or(OUT_OF_STEP)?;
        if is_there {
            self.rotating.granted.get_or_insert(table);
        }
        self.grant_to_spare()
    }

    fn grant_to_spare(&mut self) -> Step {
        let (_, user) = self.turn()?;
        if let Some(table) = self.rotating.tables.last().cloned() {
            return self.go(At::SpareGrant, Effect::Grant { user, table, take_back: Vec::new() });
        }
        let Some(table) = self.rotating.granted.clone() else {
            return Err(Failure::found(ErrorKind::TableNotFound, "none of the tables that were granted is there"));
        };
        let credentials = self.proposed()?;
        self.go(At::SpareLogIn, Effect::LogIn(credentials, table))
    }

    pub(super) fn with_spare_login(&mut self, login: &Login, fresh: &mut dyn Fresh) -> Step {
        match login {
            Login::Refused if self.rotating.refused => Err(Failure::of_effect(ErrorKind::PasswordRejected)),
            Login::Refused => Err(Failure::found(
                ErrorKind::UserLoginRefused,
                "the source refuses the new user's login with the password that was just set",
            )),
            Login::In(Some(Reads::No)) => Err(Failure::found(
                ErrorKind::Unexpected,
                "the new user logs in but cannot read the table although it was granted: something denies it",
            )),
            Login::In(_) => {
                if self.generation()?.stage() == Some(TurnStage::Ready) {
                    return self.promote();
                }
                self.write(&Move::Ready, At::Ready, fresh)
            }
        }
    }

    /// The secret, once either user may stand in it.
    pub(super) fn with_current(&mut self, slot: Slot, fresh: &mut dyn Fresh) -> Step {
        let secret = self.usable(slot)?;
        if secret.credentials.user == self.turn()?.1 {
            return self.write(&Move::Swap, At::Swap, fresh);
        }
        if secret.credentials.user != self.generation()?.user {
            return Err(named_otherwise());
        }
        self.secret = Some(secret);
        let key = self.task.subscription.key();
        self.go(At::StillReady, Effect::Read(vec![Key::Source(key)]))
    }

    /// The value over which the new one is to be made current was read in this very turn: a run that has lost its lock may have
    /// read that of a later one, which names the same user again.
    pub(super) fn with_still_ready(&mut self, records: Vec<Option<Stored>>, fresh: &mut dyn Fresh) -> Step {
        let source = source_of(records.into_iter().next().flatten())?;
        if source != self.view.source {
            self.view.source = source;
            return self.with_view(fresh);
        }
        // Somebody may have brought an older database back since.
        self.propose(fresh)
    }

    pub(super) fn promote(&mut self) -> Step {
        let (turn, _) = self.turn()?;
        let secret = self.generation()?.secret.clone();
        let seen = self.secret.as_ref().map(|secret| secret.version.clone()).ok_or(OUT_OF_STEP)?;
        self.go(At::Promote, Effect::Promote { secret, seen, version: version(turn) })
    }

    /// The rest is the consumer's.
    pub(super) fn hand_over(&mut self) -> Step {
        let Generation { id, user, spare, secret_id, copy, .. } = self.generation()?.clone();
        let Some(secret_id) = secret_id else {
            return Err(Failure::found(
                ErrorKind::RecordInvalid,
                "the source record does not say which secret it granted with",
            ));
        };
        self.did = Some(Did::Rotated(Handover { generation: id, user, previous: spare, secret_id, copy }));
        self.unlock()
    }

    fn usable(&self, slot: Slot) -> Result<Box<StoredSecret>, Failure> {
        match slot {
            Slot::Live(secret) if !same_address(&secret.credentials.endpoint, &self.task.endpoint) => {
                Err(Failure::found(
                    ErrorKind::SecretInvalid,
                    "the environment's secret names another host or port than the connection does by now",
                ))
            }
            Slot::Live(secret) => Ok(secret),
            Slot::Empty | Slot::Burnt => Err(GONE),
        }
    }

    /// The turn under way, and the user that it makes.
    fn turn(&self) -> Result<(TurnId, UserName), Failure> {
        let generation = self.generation()?;
        generation.turn.map(|turn| turn.id).zip(generation.spare.clone()).ok_or(OUT_OF_STEP)
    }

    fn proposed(&self) -> Result<Box<Credentials>, Failure> {
        self.rotating.proposed.clone().ok_or(OUT_OF_STEP)
    }
}

/// Whether the version that is pending is what this turn has put down, or has given up: a run may have died before its next value
/// took the place.
pub(super) fn is_own(turn: Option<Turn>, pending: &SecretVersion) -> bool {
    turn.is_some_and(|Turn { id, .. }| [id, id.previous()].map(version).contains(pending))
}

/// What a rotation calls its version of the secret.
pub(super) fn version(turn: TurnId) -> SecretVersion {
    SecretVersion::new(turn.to_string())
}

fn named_otherwise() -> Failure {
    Failure::found(ErrorKind::SecretInvalid, "the environment's secret names another user than the record does")
}
