//! One run as its process sees it: what it looks up, the producer's machine, then the consumer's; and the rotation by
//! somebody else. Plain data: a run steps only when it is told an answer.

use std::sync::Arc;

use dzconn_core::memory::TrackingState;
use dzconn_core::model::{
    AssetId, AssetRecord, Credentials, GenerationId, SecretName, Subscription, TableName, Version, Wanted,
};
use dzconn_core::store::{Key, NewSecret, Record, Slot};
use dzconn_core::workflow::{
    Answer, CarryRun, CarryTask, Consumed, ConsumerRun, ConsumerTask, Did, Effect, Errand, Fresh, Next, Produced,
    ProducerRun, ProducerTask,
};
use dzconn_core::{ErrorKind, Secret, Timestamp};

use crate::ending;
use crate::scenario::{Job, Scenario, endpoint, reader, spare, subscription, user};
use crate::world::{Rule, Rules, Source, Vault};

/// One run, between two effects.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Run {
    /// Distinguishes what this run makes up from what others do.
    pub(crate) number: u8,
    pub(crate) job: Job,
    /// What it has made up and somebody may know.
    used: Numbers,
    /// The same, with what the pending effect carries.
    drawn: Numbers,
    pub(crate) part: Part,
    /// What it is about to do.
    pub(crate) effect: Option<Effect>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Part {
    /// It has not begun, or is to begin again.
    Waiting,
    /// It has taken back all that it had found, and looks again.
    Between,
    Producing(Box<ProducerRun>, Orders),
    /// What was rotated goes into the consumer's copy.
    Carrying(Box<CarryRun>),
    Consuming(Box<ConsumerRun>, Summary, Orders),
    Foreign(Foreign),
    Over(Outcome),
    /// Its process is gone, and nobody comes back to it.
    Dead,
}

/// What is to be done once the run at hand has ended: an asset that has moved is taken back first, then granted.
pub(crate) type Orders = Vec<Order>;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Order {
    pub(crate) subscription: Subscription,
    pub(crate) wish: Wanted,
    pub(crate) errand: Errand,
    pub(crate) ask: bool,
    pub(crate) table: Option<TableName>,
    /// Only what is left at the consumer's is cleaned up.
    pub(crate) consumer_only: bool,
}

impl Order {
    /// To take it back, asking nobody.
    pub(crate) fn revoke(subscription: Subscription, errand: Errand, table: Option<TableName>) -> Self {
        Self { subscription, wish: Wanted::Revoke, errand, ask: false, table, consumer_only: false }
    }
}

/// What the producer's part did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Summary {
    Granted,
    Retained,
    Revoked,
    Rotated,
    Failed { kind: ErrorKind, undone: bool },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Outcome {
    Granted,
    Retained,
    Revoked,
    Rotated,
    Superseded,
    Failed {
        kind: ErrorKind,
        undone: bool,
    },
    /// Somebody else has done what he wanted.
    Foreign,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Numbers {
    versions: u64,
    generations: u64,
    passwords: u64,
}

/// Numbers in the place of randomness. They are counted per run, so that the order in which runs step leaves no trace.
struct Counted<'a> {
    run: u8,
    numbers: &'a mut Numbers,
    rules: Rules,
}

impl Counted<'_> {
    fn bits(&self, run: bool, number: u64) -> u128 {
        u128::from(number) << 8 | if run { u128::from(self.run) } else { 0xff }
    }
}

impl Fresh for Counted<'_> {
    fn version(&mut self) -> Version {
        self.numbers.versions += 1;
        Version::from_bits(if self.rules.keep(Rule::Versions) { self.bits(true, self.numbers.versions) } else { 1 })
    }

    fn generation(&mut self) -> GenerationId {
        self.numbers.generations += 1;
        GenerationId::from_bits(if self.rules.keep(Rule::Generations) {
            self.bits(true, self.numbers.generations)
        } else {
            1
        })
    }

    fn password(&mut self) -> Secret {
        self.numbers.passwords += 1;
        Secret::new(format!("password {} of {}", self.numbers.passwords, self.run))
    }

    fn now(&mut self) -> Timestamp {
        Timestamp::from_seconds(0)
    }
}

impl Run {
    pub(crate) fn new(number: u8, job: Job) -> Self {
        Self { number, job, used: Numbers::default(), drawn: Numbers::default(), part: Part::Waiting, effect: None }
    }

    pub(crate) fn ended(&self) -> bool {
        matches!(self.part, Part::Over(_) | Part::Dead)
    }

    /// The same run, without a pending effect, in another part of its work.
    pub(crate) fn now(&self, part: Part) -> Self {
        Self { part, effect: None, ..self.clone() }
    }

    /// Begins: looks up where tracking has the asset.
    pub(crate) fn begin(&mut self, tracking: &TrackingState, scenario: &Scenario) {
        let (wish, asset, table) = match &self.job {
            Job::Fulfil { wish, asset, table } => (wish, asset, table),
            Job::Tidy { asset, table } => {
                let table = Some(crate::scenario::table(table));
                let subscription = subscription(asset, table.as_ref().map_or("", TableName::name));
                let order = Order { ask: true, ..Order::revoke(subscription, Errand::Tidy, table) };
                return self.take(vec![order], scenario.rules);
            }
            Job::End => return self.end(tracking, scenario.rules),
            Job::Turn => {
                let recorded = tracking.read(&[Key::Source(crate::scenario::key())]).unwrap().pop().flatten();
                if recorded.is_none() {
                    return self.part = Part::Over(Outcome::Revoked);
                }
                let (subscription, wish) = (subscription("none", "none"), Wanted::Retain);
                let order = Order {
                    subscription,
                    wish,
                    errand: Errand::Rotate(None),
                    ask: true,
                    table: None,
                    consumer_only: false,
                };
                return self.take(vec![order], scenario.rules);
            }
            Job::Rotate => return self.part = Part::Foreign(Foreign::Rotate),
            Job::Meddle => return self.part = Part::Foreign(Foreign::Meddle),
        };
        let here = subscription(asset, table);
        let key = Key::Asset(here.consumer.environment.clone(), here.asset.id.clone());
        let row = tracking.read(&[key]).unwrap().pop().flatten().map(|stored| stored.record);
        let row = if let Some(Record::Asset(row)) = row.filter(|_| scenario.rows_known) { Some(row) } else { None };
        let orders = orders(here, *wish, row, scenario.rules.keep(Rule::Ask));
        self.take(orders, scenario.rules);
    }

    /// Looks for what there is to take back; once that has gone, for what is left.
    fn end(&mut self, tracking: &TrackingState, rules: Rules) {
        let again = self.part == Part::Between;
        match ending::look(tracking, again, rules) {
            Ok(orders) if orders.is_empty() && (again || !rules.keep(Rule::EndLooksAgain)) => {
                self.part = Part::Over(Outcome::Revoked);
            }
            Ok(orders) if orders.is_empty() => self.part = Part::Between,
            Ok(orders) => self.take(orders, rules),
            // Something has come back: it is run again.
            Err(kind) => self.part = Part::Over(Outcome::Failed { kind, undone: false }),
        }
    }

    /// What an end is working on.
    pub(crate) fn about(&self) -> Option<AssetId> {
        match &self.part {
            Part::Producing(run, _) => Some(run.task().subscription.asset.id.clone()),
            _ => None,
        }
    }

    /// Takes up the first of these orders.
    fn take(&mut self, mut orders: Orders, rules: Rules) {
        let order = orders.remove(0);
        if order.consumer_only {
            let task = Arc::new(ConsumerTask { subscription: order.subscription, delivery: None });
            return self.consume(task, Summary::Revoked, orders, rules);
        }
        let task = ProducerTask {
            subscription: order.subscription,
            wish: order.wish,
            ask: order.ask,
            errand: order.errand,
            older: false,
            table: order.table,
            user: user(),
            spare: spare(),
            endpoint: endpoint(),
            ssl: None,
            readers: vec![reader()],
        };
        self.part = Part::Producing(Box::new(ProducerRun::new(Arc::new(task))), orders);
        self.told(Answer::Begin, rules);
    }

    /// Takes the answer to the pending effect; `made` says whether the effect has left any trace.
    pub(crate) fn answer(&mut self, answer: Answer, made: bool, rules: Rules) {
        if made {
            self.used = self.sent();
        }
        self.told(answer, rules);
    }

    /// What is used up once the pending effect has been sent. Only these carry anything that was made up.
    fn sent(&self) -> Numbers {
        let carries = matches!(self.effect, Some(Effect::Commit(_) | Effect::CreateSecret(..) | Effect::Propose(..)));
        if carries { self.drawn } else { self.used }
    }

    fn told(&mut self, answer: Answer, rules: Rules) {
        self.drawn = self.used;
        self.effect = None;
        let mut fresh = Counted { run: self.number, numbers: &mut self.drawn, rules };
        let mut part = std::mem::replace(&mut self.part, Part::Waiting);
        match &mut part {
            Part::Producing(run, orders) => match run.next(answer, &mut fresh) {
                Next::Do(effect) => self.effect = Some(effect),
                Next::End(produced) => {
                    let summary = Summary::of(&produced);
                    let subscription = run.task().subscription.clone();
                    let delivery = match produced.did {
                        Did::Rotated(handover) if produced.failure.is_none() => {
                            return self.carry(Arc::new(CarryTask { subscription, handover }), rules);
                        }
                        Did::Granted(delivery) | Did::Retained(delivery) if produced.failure.is_none() => {
                            Some(delivery)
                        }
                        _ => None,
                    };
                    let task = Arc::new(ConsumerTask { subscription, delivery });
                    let orders = std::mem::take(orders);
                    return self.consume(task, summary, orders, rules);
                }
            },
            Part::Carrying(run) => match run.next(answer, &mut fresh) {
                Next::Do(effect) => self.effect = Some(effect),
                Next::End(consumed) => {
                    let summary = match consumed.failure {
                        Some(failure) => Summary::Failed { kind: failure.kind, undone: false },
                        None => Summary::Rotated,
                    };
                    let subscription = run.task().subscription.clone();
                    let task = Arc::new(ConsumerTask { subscription, delivery: None });
                    return self.consume(task, summary, Vec::new(), rules);
                }
            },
            Part::Consuming(run, summary, orders) => match run.next(answer, &mut fresh) {
                Next::Do(effect) => self.effect = Some(effect),
                Next::End(consumed) => {
                    let outcome = outcome(*summary, &consumed);
                    let orders = std::mem::take(orders);
                    let failed = matches!(outcome, Outcome::Failed { .. });
                    if self.job == Job::End && orders.is_empty() && !failed && rules.keep(Rule::EndLooksAgain) {
                        self.part = Part::Between;
                    } else if orders.is_empty() || failed {
                        self.part = Part::Over(outcome);
                    } else {
                        self.take(orders, rules);
                    }
                    return;
                }
            },
            Part::Waiting | Part::Between | Part::Foreign(_) | Part::Over(_) | Part::Dead => unreachable!("{self:?}"),
        }
        self.part = part;
    }

    fn consume(&mut self, task: Arc<ConsumerTask>, summary: Summary, orders: Orders, rules: Rules) {
        self.part = Part::Consuming(Box::new(ConsumerRun::new(task)), summary, orders);
        self.told(Answer::Begin, rules);
    }

    fn carry(&mut self, task: Arc<CarryTask>, rules: Rules) {
        self.part = Part::Carrying(Box::new(CarryRun::new(task)));
        self.told(Answer::Begin, rules);
    }

    /// Its process died. What it has made up stays used, with what was under way if that may still land.
    pub(crate) fn dead(&self, in_flight: bool) -> Self {
        let used = if in_flight { self.sent() } else { self.used };
        Self { used, drawn: used, part: Part::Dead, effect: None, ..self.clone() }
    }

    pub(crate) fn waiting(&self, in_flight: bool) -> Self {
        Self { part: Part::Waiting, ..self.dead(in_flight) }
    }

    /// The consumer's part, once more from its beginning; for hosts that run the parts as steps of their own.
    pub(crate) fn consumer_again(&self, in_flight: bool, rules: Rules) -> Option<Self> {
        let mut again = self.dead(in_flight);
        match &self.part {
            Part::Consuming(run, summary, orders) => {
                again.consume(Arc::new(run.task().clone()), *summary, orders.clone(), rules);
            }
            Part::Carrying(run) => again.carry(Arc::new(run.task().clone()), rules),
            _ => return None,
        }
        Some(again)
    }
}

impl Summary {
    fn of(produced: &Produced) -> Self {
        match (&produced.failure, &produced.did) {
            (Some(failure), _) => Self::Failed { kind: failure.kind, undone: produced.undone },
            (None, Did::Granted(_)) => Self::Granted,
            (None, Did::Retained(_)) => Self::Retained,
            (None, Did::Revoked { .. }) => Self::Revoked,
            (None, Did::Rotated(_)) => Self::Rotated,
        }
    }
}

fn outcome(summary: Summary, consumed: &Consumed) -> Outcome {
    if let Some(failure) = &consumed.failure
        && !matches!(summary, Summary::Failed { .. })
    {
        return Outcome::Failed { kind: failure.kind, undone: false };
    }
    match summary {
        Summary::Granted if consumed.copy.is_some() => Outcome::Granted,
        Summary::Retained if consumed.copy.is_some() => Outcome::Retained,
        Summary::Granted | Summary::Retained => Outcome::Superseded,
        Summary::Revoked => Outcome::Revoked,
        Summary::Rotated => Outcome::Rotated,
        Summary::Failed { kind, undone } => Outcome::Failed { kind, undone },
    }
}

/// As `Fulfilment` does: where tracking has the asset elsewhere, it is taken back there first, whatever the portal says.
fn orders(here: Subscription, wish: Wanted, row: Option<AssetRecord>, ask: bool) -> Orders {
    let errand = Errand::Fulfil;
    let Some(place) = row.and_then(|row| row.place) else {
        return vec![Order { wish, ask, ..Order::revoke(here, errand, None) }];
    };
    let mut there = here.clone();
    there.location.path = place.location.path.clone();
    let table = Some(place.table);
    match wish {
        Wanted::Grant if place.location.path == here.location.path => {
            vec![Order { wish, ask, ..Order::revoke(here, errand, table) }]
        }
        Wanted::Grant => {
            vec![Order::revoke(there, errand, table), Order { wish, ask, ..Order::revoke(here, errand, None) }]
        }
        Wanted::Retain | Wanted::Revoke => vec![Order { wish, ask, ..Order::revoke(there, errand, table) }],
    }
}

/// What somebody does who knows nothing of dzconn. A rotation stages a new value in the producer's secret, sets it at the
/// source with the old one, and makes it current.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Foreign {
    Meddle,
    Rotate,
    Set(SecretName, Secret),
    Finish(SecretName, Secret),
}

impl Foreign {
    /// One step.
    pub(crate) fn step(&self, run: &Run, vault: &mut Vault, source: &mut Source) -> Part {
        let account = crate::scenario::producer();
        let current = |vault: &Vault, name: &SecretName| match vault.producers(name) {
            Slot::Live(secret) => Some(secret),
            Slot::Empty | Slot::Burnt => None,
        };
        let over = Part::Over(Outcome::Foreign);
        let new = Secret::new(format!("password of {}", run.number));
        match self {
            Self::Meddle => {
                for account in source.users.values_mut() {
                    account.password = new.clone();
                }
                over
            }
            Self::Rotate => match vault.live(&account).into_iter().next() {
                Some((name, _)) => {
                    vault.secrets.set_pending(&account, &name, true);
                    Part::Foreign(Self::Set(name, new))
                }
                None => over,
            },
            Self::Set(name, new) => match current(vault, name) {
                Some(secret) if source.opens(&secret.credentials) => {
                    if let Some(account) = source.users.get_mut(&secret.credentials.user) {
                        account.password = new.clone();
                    }
                    Part::Foreign(Self::Finish(name.clone(), new.clone()))
                }
                _ => over,
            },
            Self::Finish(name, new) => {
                if let Some(secret) = current(vault, name) {
                    let credentials = Credentials { password: new.clone(), ..secret.credentials.clone() };
                    let tags = vault.secrets.tags(&account, name).unwrap();
                    vault.secrets.replace(&account, name, &secret.version, &NewSecret { credentials, tags });
                    vault.secrets.set_pending(&account, name, false);
                }
                over
            }
        }
    }
}
