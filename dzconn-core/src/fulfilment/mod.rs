//! Grants and revokes against real ports, in one process.

mod builder;
mod driver;
mod fresh;
mod plan;
mod sessions;
mod settings;

use std::sync::Arc;
use std::time::Duration;

pub use builder::FulfilmentBuilder;
pub use plan::{Plan, PlannedStep};
pub use settings::Settings;

use self::driver::{Driver, SourceSide};
use self::fresh::System;
use self::sessions::Sessions;
use crate::engine::Engines;
use crate::event::{Ending, SubscriptionEvent};
use crate::model::{AssetRecord, Location, Owner, Source, Subscription, TableName};
use crate::portal::{Lookup, Wanted};
use crate::store::{Key, Query, Record};
use crate::workflow::{
    Answer, Consumed, ConsumerRun, ConsumerTask, Delivery, Did, Granted, Next, Outcome, Produced, ProducerRun,
    ProducerTask, Revoked,
};
use crate::{Catalog, Changed, CredentialStore, Deadline, Error, Portal, Result, TrackingStore};

/// Grants and revokes: the producer's, the consumer's and the governance part of the workflow in one process.
///
/// Every call may be repeated, may run beside any other on any machine, and may be dropped at any point: what it leaves
/// half done is finished, or undone, by the next call for the same environment and source.
#[derive(Clone, Debug)]
pub struct Fulfilment(Arc<Ports>);

#[derive(Debug)]
struct Ports {
    engines: Engines,
    credentials: Arc<dyn CredentialStore>,
    copies: Arc<dyn CredentialStore>,
    tracking: Arc<dyn TrackingStore>,
    catalog: Arc<dyn Catalog>,
    portal: Arc<dyn Portal>,
    settings: Settings,
    sessions: Sessions,
}

/// What became of one environment's part of an event.
#[derive(Debug)]
#[non_exhaustive]
pub enum Handled {
    /// It was worked on.
    Done {
        /// Which part.
        subscription: Box<Subscription>,
        /// What was brought about, or what kept it from that.
        result: Box<Result<Outcome>>,
    },
    /// It is not ours.
    Skipped {
        /// What, and why not.
        reason: String,
    },
}

/// How long a report may take, at most.
const REPORT: Duration = Duration::from_secs(15);

/// One run: what for, and where.
#[derive(Clone, Debug)]
struct Order {
    subscription: Subscription,
    wish: Wanted,
    ask: bool,
    table: Option<TableName>,
}

impl Fulfilment {
    /// Puts one together.
    pub fn builder() -> FulfilmentBuilder {
        FulfilmentBuilder::default()
    }

    /// Brings it about that the environment reads the table, if the portal (still) wants it.
    ///
    /// Granting again changes nothing. An asset that tracking has at another connection or path has moved: it is taken back
    /// there first.
    ///
    /// # Errors
    /// The kinds of the steps; [`Error::left`] says whether anything is left half done.
    pub async fn grant(&self, subscription: &Subscription) -> Result<Outcome> {
        self.fulfil(subscription, Wanted::Grant).await
    }

    /// Takes dzconn's privilege on the table back, unless the portal (still, or again) wants it there.
    ///
    /// It goes where tracking says that the asset was granted, whatever the catalogue says by now.
    pub async fn revoke(&self, subscription: &Subscription) -> Result<Outcome> {
        self.fulfil(subscription, Wanted::Revoke).await
    }

    /// Records that access stays although the subscription has ended. Access that is not there is not made.
    pub async fn retain(&self, subscription: &Subscription) -> Result<Outcome> {
        self.fulfil(subscription, Wanted::Retain).await
    }

    async fn fulfil(&self, subscription: &Subscription, wish: Wanted) -> Result<Outcome> {
        let mut outcome = Outcome::Superseded;
        for order in self.orders(subscription, wish).await? {
            outcome = self.run(order).await?;
        }
        Ok(outcome)
    }

    /// The runs that bring a wish about: one, or two where an asset has moved.
    async fn orders(&self, subscription: &Subscription, wish: Wanted) -> Result<Vec<Order>> {
        let Some(row) = self.tracked(subscription).await? else {
            return Ok(vec![Order { subscription: subscription.clone(), wish, ask: true, table: None }]);
        };
        let here = &subscription.location;
        let there = at(subscription, &row);
        let table = Some(row.table);
        if wish == Wanted::Grant && row.connection == here.connection && row.path == here.path {
            return Ok(vec![Order { subscription: subscription.clone(), wish, ask: true, table }]);
        }
        if wish != Wanted::Grant {
            return Ok(vec![Order { subscription: there, wish, ask: true, table }]);
        }
        Ok(vec![
            Order { subscription: there, wish: Wanted::Revoke, ask: false, table },
            Order { subscription: subscription.clone(), wish, ask: true, table: None },
        ])
    }

    /// Works on an event: on every environment that the portal names for it, and, when a subscription ends, on every one
    /// that tracking has.
    ///
    /// # Errors
    /// Only what keeps the event from being looked up at all; each environment has its own result.
    pub async fn handle(&self, event: &SubscriptionEvent) -> Result<Vec<Handled>> {
        let mut handled = Vec::new();
        for lookup in self.lookups(event).await? {
            handled.push(match lookup {
                Lookup::Skipped(reason) => Handled::Skipped { reason },
                Lookup::Ours(subscription) => {
                    let result = match event.ending {
                        None => self.grant(&subscription).await,
                        Some(Ending::Revoke) => self.revoke(&subscription).await,
                        Some(Ending::Retain) => self.retain(&subscription).await,
                    };
                    Handled::Done { subscription, result: Box::new(result) }
                }
            });
        }
        Ok(handled)
    }

    async fn lookups(&self, event: &SubscriptionEvent) -> Result<Vec<Lookup>> {
        if event.ending.is_none() {
            return self.0.portal.subscriptions(event).await;
        }
        // What was granted is in tracking; the portal's view of today is the fallback for what is not.
        let mut found = self.tracked_for(event).await?;
        let today = match self.0.portal.subscriptions(event).await {
            Ok(today) => today,
            Err(error) if !found.is_empty() && !error.is_retryable() => Vec::new(),
            Err(error) => return Err(error),
        };
        let known = |lookup: &Lookup| {
            matches!(lookup, Lookup::Ours(new) if found.iter().any(|old| matches!(old, Lookup::Ours(old)
                if old.consumer.environment == new.consumer.environment && old.asset.id == new.asset.id)))
        };
        let more: Vec<_> = today.into_iter().filter(|lookup| !known(lookup)).collect();
        found.extend(more);
        Ok(found)
    }

    async fn tracked_for(&self, event: &SubscriptionEvent) -> Result<Vec<Lookup>> {
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let page = self.0.tracking.list(&Query::Assets(None), after.as_ref()).await?;
            for stored in page.records {
                if let Record::Asset(row) = stored?.record
                    && row.project == event.project
                    && row.listing == event.listing
                {
                    found.push(Lookup::Ours(Box::new(event.tracked(row))));
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(found),
            }
        }
    }

    async fn tracked(&self, subscription: &Subscription) -> Result<Option<AssetRecord>> {
        let key = Key::Asset(subscription.consumer.environment.clone(), subscription.asset.id.clone());
        let found = self.0.tracking.read(&[key]).await?;
        Ok(found
            .into_iter()
            .flatten()
            .find_map(|stored| if let Record::Asset(row) = stored.record { Some(row) } else { None }))
    }

    /// One run of producer and consumer, and the report.
    async fn run(&self, order: Order) -> Result<Outcome> {
        let deadline = Deadline::within(self.0.settings.deadline);
        let result = self.bring_about(&order, deadline).await;
        // A report that fails does not change what was brought about.
        if order.ask {
            let report = self.0.portal.report(&order.subscription, result.as_ref());
            if let Err(error) = deadline.at_most(REPORT).run("the report", report).await {
                tracing::warn!(%error, "the outcome could not be reported");
            }
        }
        result
    }

    async fn bring_about(&self, order: &Order, deadline: Deadline) -> Result<Outcome> {
        let subscription = &order.subscription;
        let source =
            deadline.run("looking the connection up", self.0.catalog.source(&subscription.location.connection)).await;
        let source = source.map_err(|error| {
            error
                .at(crate::Step::LookUp)
                .on_asset(&subscription.location.path)
                .for_environment(&subscription.consumer.environment)
                .on_source(&subscription.location.connection)
                .changed(Changed::Nothing)
        })?;
        let (produced, excess, failed) = self.produce(order, &source, deadline).await?;
        let delivery = match &produced.did {
            Did::Granted(delivery) | Did::Retained(delivery) if failed.is_none() => Some(delivery.clone()),
            _ => None,
        };
        let consumed = self.consume(subscription, delivery, deadline).await;
        if let Some(error) = failed {
            if let Err(sweep) = consumed {
                tracing::warn!(error = %sweep, "what earlier runs left could not be cleaned up");
            }
            return Err(error);
        }
        let consumed = consumed?;
        Ok(match (produced.did, order.wish) {
            (Did::Granted(delivery), Wanted::Grant) => {
                granted(delivery, consumed, excess).map_or(Outcome::Superseded, Outcome::Granted)
            }
            (Did::Retained(delivery), Wanted::Retain) => {
                granted(delivery, consumed, excess).map_or(Outcome::Superseded, Outcome::Retained)
            }
            (Did::Revoked { changed, dropped, table, reads }, Wanted::Revoke | Wanted::Retain) => {
                Outcome::Revoked(Revoked { table, changed, dropped, reads })
            }
            _ => Outcome::Superseded,
        })
    }

    /// The producer's part.
    async fn produce(
        &self,
        order: &Order,
        source: &Source,
        deadline: Deadline,
    ) -> Result<(Produced, Vec<String>, Option<Error>)> {
        let ports = &*self.0;
        let connector = &**ports.engines.for_source(source)?;
        let task = self.task(order, source)?;
        let _turn = ports.sessions.turn(&order.subscription.key(), deadline).await?;
        let mut driver = Driver::new(&order.subscription, &*ports.tracking, &ports.settings, deadline);
        driver.source = Some(SourceSide {
            source,
            connector,
            credentials: &*ports.credentials,
            portal: &*ports.portal,
            sessions: &ports.sessions,
            wish: order.wish,
        });
        let mut run = ProducerRun::new(Arc::new(task));
        let mut answer = Answer::Begin;
        let mut unlocked = false;
        let produced = loop {
            match run.next(answer, &mut System) {
                Next::Do(effect) => {
                    answer = driver.perform(&effect).await?;
                    unlocked = effect == crate::workflow::Effect::Unlock && answer == Answer::Done;
                }
                Next::End(produced) => break produced,
            }
        };
        if unlocked {
            driver.keep_session();
        }
        let failed = produced.failure.as_ref().map(|failure| {
            driver.error(failure).changed(if produced.undone { Changed::Nothing } else { Changed::Unfinished })
        });
        Ok((produced, std::mem::take(&mut driver.excess), failed))
    }

    fn task(&self, order: &Order, source: &Source) -> Result<ProducerTask> {
        let ports = &*self.0;
        let connector = ports.engines.for_source(source)?;
        let user = ports.settings.user_naming.name(&order.subscription.key(), connector.max_user_name())?;
        Ok(ProducerTask {
            subscription: order.subscription.clone(),
            wish: order.wish,
            ask: order.ask,
            table: order.table.clone(),
            user: connector.fold_user_name(user),
            endpoint: source.endpoint.clone(),
            ssl: Some(source.tls.is_encrypted()),
            readers: ports.settings.readers(&order.subscription.consumer.owner.account)?,
        })
    }

    /// The consumer's part.
    async fn consume(
        &self,
        subscription: &Subscription,
        delivery: Option<Delivery>,
        deadline: Deadline,
    ) -> Result<Consumed> {
        let ports = &*self.0;
        let mut driver = Driver::new(subscription, &*ports.tracking, &ports.settings, deadline);
        driver.copies = Some(&*ports.copies);
        let mut run = ConsumerRun::new(Arc::new(ConsumerTask { subscription: subscription.clone(), delivery }));
        let mut answer = Answer::Begin;
        loop {
            match run.next(answer, &mut System) {
                Next::Do(effect) => answer = driver.perform(&effect).await?,
                Next::End(consumed) => {
                    return match &consumed.failure {
                        None => Ok(consumed),
                        Some(failure) => Err(driver.error(failure)),
                    };
                }
            }
        }
    }

    /// Closes the sessions that are kept for later runs.
    pub async fn close(&self) {
        for session in self.0.sessions.drain() {
            if let Err(error) = session.close().await {
                tracing::debug!(%error, "an idle session could not be closed in good order");
            }
        }
    }
}

fn granted(delivery: Delivery, consumed: Consumed, excess: Vec<String>) -> Option<Granted> {
    let copy = consumed.copy?;
    let Delivery { table, user, copy: secret, new_user, changed, .. } = delivery;
    Some(Granted { table, user, secret, secret_id: copy.id, credentials: copy.credentials, new_user, changed, excess })
}

/// The subscription, at the place where tracking has it.
fn at(subscription: &Subscription, row: &AssetRecord) -> Subscription {
    let location = Location { connection: row.connection.clone(), path: row.path.clone(), owner: row.producer.clone() };
    let mut there = Subscription { location, ..subscription.clone() };
    there.consumer.owner = Owner { account: row.owner.account.clone(), region: row.owner.region.clone() };
    there
}
