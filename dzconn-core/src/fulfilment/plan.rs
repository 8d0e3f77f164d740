//! What a grant or revoke would do, found out by walking the run itself and changing nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::driver::{found, step, tables};
use super::fresh::System;
use super::{Fulfilment, Order, Parts};
use crate::engine::{Action, Created, EngineConnector, Login, Reads, SourceEngine};
use crate::model::{
    ConnectionId, Credentials, EnvironmentId, SecretId, SecretName, Source, SourceKey, Subscription, UserName,
};
use crate::portal::{Question, Wanted};
use crate::store::{Change, Key, NewSecret, SecretVersion, Slot, Stored, StoredSecret, Write, WriteOutcome};
use crate::workflow::{Answer, CarryRun, CarryTask, ConsumerRun, ConsumerTask, Did, Effect, Next, ProducerRun};
use crate::{Changed, CredentialStore, Deadline, Error, ErrorKind, Result};

/// Steps that a grant or revoke would take, in order. It holds no secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Plan {
    /// The steps. A grant that is there already is made sure of, so its statements stand here too, but no record.
    pub steps: Vec<PlannedStep>,
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlannedStep {
    /// A statement on the source.
    Statement(String),
    /// Something that is done to a secret.
    Secret(String),
    /// Something that is done to a tracking record.
    Record(String),
}

impl fmt::Display for PlannedStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Statement(text) | Self::Secret(text) | Self::Record(text) => f.write_str(text),
        }
    }
}

impl Fulfilment {
    /// What [`grant`](Self::grant), [`revoke`](Self::revoke) or [`retain`](Self::retain) would do now. It connects to the
    /// source and looks, takes no lock and changes nothing.
    ///
    /// # Errors
    /// What would keep the run from its goal, as far as looking can tell.
    pub async fn plan(&self, subscription: &Subscription, wish: Wanted) -> Result<Plan> {
        let Parts { governance, producer, .. } = &*self.0;
        let deadline = Deadline::within(producer.settings.deadline);
        let mut sketch = Sketch::default();
        for order in governance.orders(subscription, wish).await? {
            let source = producer.source(&order, deadline).await?;
            let result = deadline.run("the plan", self.sketch(&mut sketch, &order, &source, deadline)).await;
            result.map_err(|error| {
                error
                    .changed(Changed::Nothing)
                    .on_asset(&order.subscription.location.path)
                    .for_environment(&order.subscription.consumer.environment)
                    .on_source(&source)
            })?;
        }
        Ok(Plan { steps: sketch.steps })
    }

    /// What [`rotate`](Self::rotate) would do now; as [`plan`](Self::plan).
    ///
    /// # Errors
    /// As of [`plan`](Self::plan).
    pub async fn plan_rotation(&self, connection: &ConnectionId, environment: &EnvironmentId) -> Result<Plan> {
        let deadline = Deadline::within(self.0.producer.settings.deadline);
        let key = SourceKey { connection: connection.clone(), environment: environment.clone() };
        let mut sketch = Sketch::default();
        if let Some(order) = self.turn_order(&key, deadline).await? {
            let source = self.0.producer.source(&order, deadline).await?;
            let result = deadline.run("the plan", self.sketch(&mut sketch, &order, &source, deadline)).await;
            result.map_err(|error| error.changed(Changed::Nothing).for_environment(environment).on_source(&source))?;
        }
        Ok(Plan { steps: sketch.steps })
    }

    async fn sketch(&self, sketch: &mut Sketch, order: &Order, source: &Source, deadline: Deadline) -> Result<()> {
        let producer = &self.0.producer;
        let connector = &**producer.engines.for_source(source)?;
        let mut run = ProducerRun::new(Arc::new(producer.task(order, source)?));
        let credentials = producer.credentials.of(&order.subscription.location.owner).await?;
        let copies = self.0.consumer.copies.of(&order.subscription.consumer.owner).await?;
        let mut look =
            Look { fulfilment: self, order, source, connector, credentials, copies, deadline, session: None };
        let mut answer = Answer::Begin;
        let mut failed = None;
        let end = loop {
            match run.next(answer, &mut System) {
                Next::Do(effect) => {
                    let looked = look.answer(sketch, &effect).await.map_err(|error| error.at(step(&effect)));
                    answer = match looked {
                        Ok(answer) => answer,
                        // The run may get over it.
                        Err(error) if !error.is_retryable() => {
                            let kind = error.kind();
                            failed = Some(error);
                            Answer::Failed(kind)
                        }
                        Err(error) => return Err(error),
                    };
                }
                Next::End(end) => break end,
            }
        };
        if let Some(failure) = end.failure {
            if let Some(error) = failed.filter(|error| error.kind() == failure.kind) {
                return Err(error);
            }
            return Err(Error::new(failure.kind, failure.detail.unwrap_or("the run would fail")));
        }
        let delivery = match end.did {
            Did::Granted(delivery) | Did::Retained(delivery) => Some(delivery),
            Did::Revoked { .. } => None,
            Did::Rotated(handover) => {
                let task = CarryTask { subscription: order.subscription.clone(), handover };
                let mut run = CarryRun::new(Arc::new(task));
                let mut answer = Answer::Begin;
                while let Next::Do(effect) = run.next(answer, &mut System) {
                    answer = look.answer(sketch, &effect).await.map_err(|error| error.at(step(&effect)))?;
                }
                None
            }
        };
        self.sketch_consumer(sketch, &mut look, delivery).await
    }

    async fn sketch_consumer(
        &self,
        sketch: &mut Sketch,
        look: &mut Look<'_>,
        delivery: Option<crate::workflow::Delivery>,
    ) -> Result<()> {
        let task = ConsumerTask { subscription: look.order.subscription.clone(), delivery };
        let mut run = ConsumerRun::new(Arc::new(task));
        let mut answer = Answer::Begin;
        loop {
            match run.next(answer, &mut System) {
                Next::Do(effect) => {
                    answer = look.answer(sketch, &effect).await.map_err(|error| error.at(step(&effect)))?;
                }
                Next::End(_) => return Ok(()),
            }
        }
    }
}

/// What the world would be like by now, laid over what it is.
#[derive(Debug, Default)]
struct Sketch {
    steps: Vec<PlannedStep>,
    records: BTreeMap<Key, Option<Stored>>,
    secrets: BTreeMap<SecretName, Slot>,
    /// What waits beside the current values.
    proposed: BTreeMap<SecretName, Slot>,
    users: BTreeMap<String, bool>,
}

/// Looks at the real world, for what the sketch does not know.
struct Look<'a> {
    fulfilment: &'a Fulfilment,
    order: &'a Order,
    source: &'a Source,
    connector: &'a dyn EngineConnector,
    credentials: Arc<dyn CredentialStore>,
    copies: Arc<dyn CredentialStore>,
    deadline: Deadline,
    session: Option<Box<dyn SourceEngine>>,
}

impl Look<'_> {
    async fn answer(&mut self, sketch: &mut Sketch, effect: &Effect) -> Result<Answer> {
        let Parts { producer, .. } = &*self.fulfilment.0;
        Ok(match effect {
            Effect::Lock => {
                self.session = Some(self.connector.connect(self.source, self.deadline).await?);
                Answer::Done
            }
            Effect::Unlock => {
                if let Some(session) = self.session.take() {
                    session.close().await?;
                }
                Answer::Done
            }
            Effect::Ask => Answer::Wanted(
                producer.portal.wanted(&Question::about(&self.order.subscription, self.order.wish)).await?,
            ),
            Effect::Read(keys) => Answer::Records(sketch.read(&*producer.tracking, keys).await?),
            Effect::Find => found(&*producer.tracking, &self.order.subscription).await?,
            Effect::Tables => tables(&*producer.tracking, &self.order.subscription.key()).await?,
            Effect::Commit(transaction) => {
                transaction.changes.iter().for_each(|change| sketch.change(change));
                Answer::Wrote(WriteOutcome::Written)
            }
            Effect::Resolve(path) => Answer::Table(self.session()?.resolve(path).await?),
            Effect::ReadSecret(name) => Answer::Slot(sketch.secret(&*self.credentials, name).await?),
            Effect::InspectSecret(name) => Answer::Slot(sketch.inspected(&*self.credentials, name).await?),
            Effect::ReadCopy(name) => Answer::Slot(sketch.secret(&*self.copies, name).await?),
            Effect::ReadShared(id) => match sketch.shared(id) {
                Some(slot) => Answer::Slot(slot),
                None => Answer::Slot(self.copies.read_shared(id).await?),
            },
            Effect::CreateSecret(name, secret) | Effect::CreateCopy(name, secret) => {
                sketch.steps.push(PlannedStep::Secret(format!("make the secret {name}")));
                sketch.put(name, secret)?
            }
            Effect::Propose(name, version, value) => {
                Answer::Slot(sketch.propose(&*self.credentials, name, version, value).await?)
            }
            Effect::Promote { secret, .. } => sketch.promote(secret),
            Effect::ReplaceCopy(name, _, secret) => {
                sketch.steps.push(PlannedStep::Secret(format!("bring the secret {name} up to date")));
                sketch.put(name, secret)?;
                Answer::Wrote(WriteOutcome::Written)
            }
            Effect::Share(name, readers) => {
                if !readers.is_empty() {
                    let readers = readers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                    sketch.steps.push(PlannedStep::Secret(format!("share the secret {name} with {readers}")));
                }
                Answer::Done
            }
            Effect::Burn(name) | Effect::BurnCopy(name) => {
                sketch.steps.push(PlannedStep::Secret(format!("delete the secret {name}")));
                sketch.secrets.insert(name.clone(), Slot::Burnt);
                Answer::Done
            }
            Effect::CreateUser(credentials) => Answer::Created(self.create_user(sketch, &credentials.user).await?),
            Effect::SetPassword(credentials) => {
                sketch.users.insert(credentials.user.as_str().to_owned(), true);
                self.statements(sketch, &Action::SetPassword(credentials.user.clone()));
                Answer::Done
            }
            // A user or password that is only planned logs in; a real one is tried.
            Effect::LogIn(credentials, _) if sketch.users.contains_key(credentials.user.as_str()) => {
                Answer::Login(Login::In(None))
            }
            Effect::LogIn(credentials, _) => {
                match self.connector.log_in(self.source, credentials, None, self.deadline).await? {
                    Login::In(_) => Answer::Login(Login::In(None)),
                    Login::Refused => Answer::Login(Login::Refused),
                }
            }
            Effect::Grant { user, table, take_back } => {
                let (user, table, take_back) = (user.clone(), table.clone(), take_back.clone());
                self.statements(sketch, &Action::Grant { user, table, take_back });
                Answer::Done
            }
            Effect::Revoke { user, tables } => {
                self.statements(sketch, &Action::Revoke { user: user.clone(), tables: tables.clone() });
                Answer::Done
            }
            Effect::DropUser(user) => {
                sketch.users.insert(user.as_str().to_owned(), false);
                self.statements(sketch, &Action::DropUser(user.clone()));
                Answer::Done
            }
            Effect::Reads(..) => Answer::Reads(Reads::No),
        })
    }

    async fn create_user(&mut self, sketch: &mut Sketch, user: &UserName) -> Result<Created> {
        let is = match sketch.users.get(user.as_str()) {
            Some(is) => *is,
            None => self.session()?.user_exists(user).await?,
        };
        if is {
            return Ok(Created::Existed);
        }
        sketch.users.insert(user.as_str().to_owned(), true);
        self.statements(sketch, &Action::CreateUser(user.clone()));
        Ok(Created::New)
    }

    fn statements(&self, sketch: &mut Sketch, action: &Action) {
        sketch.steps.extend(self.connector.statements(self.source, action).into_iter().map(PlannedStep::Statement));
    }

    fn session(&mut self) -> Result<&mut dyn SourceEngine> {
        match &mut self.session {
            Some(session) => Ok(&mut **session),
            None => Err(Error::new(ErrorKind::ConnectionLost, "there is no session on the source")),
        }
    }
}

impl Sketch {
    async fn read(&self, tracking: &dyn crate::TrackingStore, keys: &[Key]) -> Result<Vec<Option<Stored>>> {
        let mut found = tracking.read(keys).await?;
        for (key, slot) in keys.iter().zip(&mut found) {
            if let Some(sketched) = self.records.get(key) {
                slot.clone_from(sketched);
            }
        }
        Ok(found)
    }

    fn change(&mut self, change: &Change) {
        let (step, after) = match &change.write {
            Write::Check => return,
            Write::Put(version, record) => (
                format!("write the {}", change.key),
                Some(Stored { version: Some(*version), record: (**record).clone() }),
            ),
            Write::Remove => (format!("remove the {}", change.key), None),
        };
        self.steps.push(PlannedStep::Record(step));
        self.records.insert(change.key.clone(), after);
    }

    async fn secret(&self, store: &dyn CredentialStore, name: &SecretName) -> Result<Slot> {
        match self.secrets.get(name) {
            Some(slot) => Ok(slot.clone()),
            None => store.read(name).await,
        }
    }

    async fn inspected(&self, store: &dyn CredentialStore, name: &SecretName) -> Result<Slot> {
        match self.secrets.get(name) {
            Some(slot) => Ok(slot.clone()),
            None => store.inspect(name).await,
        }
    }

    async fn propose(
        &mut self,
        store: &dyn CredentialStore,
        name: &SecretName,
        version: &SecretVersion,
        value: &Credentials,
    ) -> Result<Slot> {
        let mut slot = self.secret(store, name).await?;
        if let Slot::Live(secret) = &mut slot {
            let what = format!("put the credentials of {} beside those in the secret {name}", value.user);
            self.steps.push(PlannedStep::Secret(what));
            secret.version.clone_from(version);
            secret.credentials.clone_from(value);
            self.proposed.insert(name.clone(), slot.clone());
        }
        Ok(slot)
    }

    fn promote(&mut self, name: &SecretName) -> Answer {
        self.steps.push(PlannedStep::Secret(format!("make them the current ones of the secret {name}")));
        self.secrets.extend(self.proposed.remove(name).map(|slot| (name.clone(), slot)));
        Answer::Wrote(WriteOutcome::Written)
    }

    fn shared(&self, id: &SecretId) -> Option<Slot> {
        let live = |slot: &&Slot| matches!(slot, Slot::Live(secret) if secret.id == *id);
        self.secrets.values().find(live).cloned()
    }

    fn put(&mut self, name: &SecretName, secret: &NewSecret) -> Result<Answer> {
        let slot = Slot::Live(Box::new(StoredSecret {
            id: SecretId::new(format!("planned:{name}"))?,
            version: SecretVersion::new("planned"),
            credentials: secret.credentials.clone(),
            pending: None,
        }));
        self.secrets.insert(name.clone(), slot.clone());
        Ok(Answer::Slot(slot))
    }
}
