//! The consumer's part of a rotation: its copy of the secret follows the producer's. It needs no lock.

use std::sync::Arc;

use crate::ErrorKind;
use crate::model::{Phase, SecretTags, SourceRecord, Subscription, TurnStage};
use crate::store::{Key, NewSecret, Slot, Stored, StoredSecret, WriteOutcome};
use crate::workflow::consumer::Consumed;
use crate::workflow::effect::{Answer, Effect, Failure, Fresh, Next};
use crate::workflow::producer::Handover;
use crate::workflow::transition::{Move, Seen, View, apply, source_of, transaction};

/// What the consumer's part of a rotation is started with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CarryTask {
    /// Whose, and where; of no asset.
    pub subscription: Subscription,
    /// What the producer's part has rotated.
    pub handover: Handover,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum At {
    Begin,
    Record,
    Copy(Box<Seen<SourceRecord>>),
    Source(Box<Seen<SourceRecord>>, Option<Box<StoredSecret>>),
    CopyWrite(Box<Seen<SourceRecord>>),
    Otherwise(Box<Seen<SourceRecord>>),
    TurnOver(Box<StoredSecret>),
    Gone,
    End,
}

/// One run of the consumer's part of a rotation, as a state machine; see [`ProducerRun`](super::ProducerRun).
///
/// The record is read first. What is confirmed in the end is that the copy equals the source in *that* turn: an equality that was
/// seen before the record was read could be that of the turn before.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CarryRun {
    task: Arc<CarryTask>,
    at: At,
}

type Step = Result<Result<Effect, Option<Box<StoredSecret>>>, Failure>;

const OUT_OF_STEP: Failure =
    Failure::found(ErrorKind::Unexpected, "an answer does not belong to the effect that was asked for");

impl CarryRun {
    /// A run that has not begun; its first answer is [`Answer::Begin`].
    #[must_use]
    pub fn new(task: Arc<CarryTask>) -> Self {
        Self { task, at: At::Begin }
    }

    /// What the run is about.
    pub fn task(&self) -> &CarryTask {
        &self.task
    }

    /// Takes the answer to the last effect and says what to do now. In the end there is a copy if this run has confirmed it;
    /// without one, another has, or the generation has ended.
    pub fn next(&mut self, answer: Answer, fresh: &mut dyn Fresh) -> Next<Consumed> {
        let at = std::mem::replace(&mut self.at, At::End);
        let step = match answer {
            Answer::Failed(kind) => Err(Failure::of_effect(kind)),
            answer => self.answered(at, answer, fresh),
        };
        match step {
            Ok(Ok(effect)) => Next::Do(effect),
            Ok(Err(copy)) => Next::End(Consumed { copy, failure: None }),
            Err(failure) => Next::End(Consumed { copy: None, failure: Some(failure) }),
        }
    }

    fn go(&mut self, at: At, effect: Effect) -> Step {
        self.at = at;
        Ok(Ok(effect))
    }

    fn answered(&mut self, at: At, answer: Answer, fresh: &mut dyn Fresh) -> Step {
        match (at, answer) {
            (At::Begin, Answer::Begin) | (At::TurnOver(_), Answer::Wrote(WriteOutcome::Conflict)) => {
                self.read_record(At::Record)
            }
            (At::Record, Answer::Records(records)) => {
                let living = self.living(records)?;
                self.with_record(living)
            }
            (At::Otherwise(before), Answer::Records(records)) => match self.living(records)? {
                Some(source) if source == *before => Err(Failure::found(
                    ErrorKind::SecretInvalid,
                    "the environment's secret names another user than the record does: somebody may have taken the rotation back",
                )),
                // It was read in a later turn.
                living => self.with_record(living),
            },
            (At::Copy(source), Answer::Slot(Slot::Live(copy))) => self.read_source(source, Some(copy)),
            (At::Copy(source), Answer::Slot(Slot::Empty)) => self.read_source(source, None),
            (At::Copy(_), Answer::Slot(Slot::Burnt)) | (At::Source(..), Answer::Slot(Slot::Burnt | Slot::Empty)) => {
                self.read_record(At::Gone)
            }
            (At::Source(source, copy), Answer::Slot(Slot::Live(secret))) => {
                self.with_secrets(source, copy, &secret, fresh)
            }
            // Repeated until the copy equals what the source holds by then.
            (At::CopyWrite(source), Answer::Slot(_) | Answer::Wrote(_)) => self.read_copy(source),
            (At::TurnOver(copy), Answer::Wrote(WriteOutcome::Written)) => Ok(Err(Some(copy))),
            (At::Gone, Answer::Records(records)) => match self.living(records)? {
                Some(_) => Err(Failure::found(
                    ErrorKind::SecretGone,
                    "the environment's secret, or the consumer's copy of it, was deleted, and not by dzconn",
                )),
                None => Ok(Err(None)),
            },
            _ => Err(OUT_OF_STEP),
        }
    }

    fn with_record(&mut self, living: Option<Seen<SourceRecord>>) -> Step {
        match living {
            Some(source) if stage(&source) == Some(TurnStage::Delivering) => self.read_copy(Box::new(source)),
            // Another run has confirmed it.
            _ => Ok(Err(None)),
        }
    }

    fn read_record(&mut self, at: At) -> Step {
        self.go(at, Effect::Read(vec![Key::Source(self.task.subscription.key())]))
    }

    /// The record, while the generation that was rotated lives. A copy of another is cleaned up by the sweep, as it is in
    /// the record until its name is burnt.
    fn living(&self, records: Vec<Option<Stored>>) -> Result<Option<Seen<SourceRecord>>, Failure> {
        let source = source_of(records.into_iter().next().flatten())?;
        let lives = |source: &Seen<SourceRecord>| {
            let active = source.record.phase == Phase::Active;
            active
                && source
                    .record
                    .generation
                    .as_ref()
                    .is_some_and(|generation| generation.id == self.task.handover.generation)
        };
        Ok(source.filter(lives))
    }

    fn read_copy(&mut self, source: Box<Seen<SourceRecord>>) -> Step {
        let name = self.task.handover.copy.clone();
        self.go(At::Copy(source), Effect::ReadCopy(name))
    }

    fn read_source(&mut self, source: Box<Seen<SourceRecord>>, copy: Option<Box<StoredSecret>>) -> Step {
        let id = self.task.handover.secret_id.clone();
        self.go(At::Source(source, copy), Effect::ReadShared(id))
    }

    fn with_secrets(
        &mut self,
        source: Box<Seen<SourceRecord>>,
        copy: Option<Box<StoredSecret>>,
        secret: &StoredSecret,
        fresh: &mut dyn Fresh,
    ) -> Step {
        // Two that are equal, but not what this turn has made, do not end it: the next would set the password that they hold.
        if source.record.generation.as_ref().is_none_or(|living| living.user != secret.credentials.user) {
            return self.read_record(At::Otherwise(source));
        }
        let Subscription { domain, consumer, .. } = &self.task.subscription;
        let tags = SecretTags {
            domain: domain.clone(),
            project: consumer.project.clone(),
            environment: consumer.environment.clone(),
        };
        let new = Box::new(NewSecret { credentials: secret.credentials.clone(), tags });
        let name = self.task.handover.copy.clone();
        match copy {
            Some(copy) if copy.credentials == secret.credentials => self.turn_over(*source, copy, fresh),
            Some(copy) => self.go(At::CopyWrite(source), Effect::ReplaceCopy(name, copy.version, new)),
            // Made here, so that a creation which is still under way with the earlier password makes nothing.
            None => self.go(At::CopyWrite(source), Effect::CreateCopy(name, new)),
        }
    }

    fn turn_over(&mut self, source: Seen<SourceRecord>, copy: Box<StoredSecret>, fresh: &mut dyn Fresh) -> Step {
        let view = View { source: Some(source), entry: None };
        let after = apply(&view, &Move::TurnOver, fresh.now())?;
        let (transaction, _) = transaction(&view, &after, fresh).ok_or(OUT_OF_STEP)?;
        self.go(At::TurnOver(copy), Effect::Commit(transaction))
    }
}

fn stage(source: &Seen<SourceRecord>) -> Option<TurnStage> {
    source.record.generation.as_ref().and_then(crate::model::Generation::stage)
}
