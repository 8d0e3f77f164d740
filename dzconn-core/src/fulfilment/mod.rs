//! Grants and revokes against real ports: the three parts of the workflow, by account role, and all of them in one process.

mod builder;
mod consumer;
mod driver;
mod end;
mod fresh;
mod governance;
mod objects;
mod plan;
mod producer;
mod rotate;
mod sessions;
mod settings;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

pub use builder::FulfilmentBuilder;
pub use consumer::Consumer;
pub(crate) use driver::{connect, take_lock};
pub(crate) use fresh::System;
pub use governance::{Governance, RecordedPortal};
pub use plan::{Plan, PlannedStep};
pub use producer::{Producer, ProducerReport};
pub use rotate::{Rotated, Rotation};
pub use settings::Settings;

use crate::bucket::{ObjectOutcome, ObjectSubscription, Worker};
use crate::event::SubscriptionEvent;
use crate::model::{Subscription, TableName};
use crate::portal::{Lookup, Wanted};
use crate::workflow::{Consumed, Delivery, Did, Errand, Granted, Outcome, Revoked};
use crate::{Changed, Deadline, Error, Result, Step};

/// How long a report may take, at most.
const REPORT: Duration = Duration::from_secs(15);

/// Grants and revokes: the governance, the producer's and the consumer's part of the workflow in one process.
///
/// Every call may be repeated, may run beside any other on any machine, and may be dropped at any point: what it leaves
/// half done is finished, or undone, by the next call for the same environment and source.
#[derive(Clone, Debug)]
pub struct Fulfilment(Arc<Parts>);

#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) governance: Governance,
    pub(crate) producer: Producer,
    pub(crate) consumer: Consumer,
    /// `None` where no buckets are given.
    pub(crate) buckets: Option<Worker>,
}

/// One run of the producer's and the consumer's part: what for, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Who, what and where.
    pub subscription: Subscription,
    /// What it is started for; the portal has the last word.
    pub wish: Wanted,
    /// What it has come for.
    pub errand: Errand,
    /// It was granted by an older system, which did not record for which asset it granted a path.
    pub older: bool,
    /// The table that tracking has for the asset.
    pub table: Option<TableName>,
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
    /// It was worked on, in a bucket's policy.
    Objects {
        /// Which part.
        subscription: Box<ObjectSubscription>,
        /// What was brought about, or what kept it from that.
        result: Box<Result<ObjectOutcome>>,
    },
    /// It is not ours.
    Skipped {
        /// What, and why not.
        reason: String,
    },
    /// It may be ours, and could not even be looked up.
    Failed {
        /// Why not.
        error: Error,
    },
}

impl Fulfilment {
    /// Puts one together.
    pub fn builder() -> FulfilmentBuilder {
        FulfilmentBuilder::default()
    }

    /// Brings it about that the environment reads the table, if the portal (still) wants it.
    ///
    /// Granting again changes nothing. An asset that tracking has at another connection or path has moved: it is taken back
    /// there first, unless access is to be retained there.
    ///
    /// # Errors
    /// The kinds of the steps; [`Error::left`](crate::Error::left) says whether anything is left half done.
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
                Lookup::Failed(error) => Handled::Failed { error },
                Lookup::Ours(subscription) => {
                    let result = self.fulfil(&subscription, event.wish()).await;
                    Handled::Done { subscription, result: Box::new(result) }
                }
                Lookup::Objects(subscription) => self.handle_objects(subscription, event.wish()).await,
            });
        }
        Ok(handled)
    }

    /// What an event is about: what [`handle`](Self::handle) would work on.
    pub async fn lookups(&self, event: &SubscriptionEvent) -> Result<Vec<Lookup>> {
        let lookups = self.0.governance.lookups(event).await.map_err(|error| error.changed(Changed::Nothing))?;
        let unchanged = |lookup| match lookup {
            Lookup::Failed(error) => Lookup::Failed(error.changed(Changed::Nothing)),
            other => other,
        };
        Ok(lookups.into_iter().map(unchanged).collect())
    }

    pub(crate) fn parts(&self) -> &Parts {
        &self.0
    }

    /// Closes the sessions that are kept for later runs.
    pub async fn close(&self) {
        self.0.producer.close().await;
    }

    /// Brings a wish about, and reports what has become of it.
    async fn fulfil(&self, subscription: &Subscription, wish: Wanted) -> Result<Outcome> {
        let result = self.run_all(subscription, wish).await;
        // A report that fails does not change what was brought about.
        let report = self.0.governance.portal.report(subscription, result.as_ref());
        if let Err(error) = Deadline::within(REPORT).run("the report", report).await {
            tracing::warn!(%error, "the outcome could not be reported");
        }
        result
    }

    async fn run_all(&self, subscription: &Subscription, wish: Wanted) -> Result<Outcome> {
        let Parts { governance, producer, .. } = &*self.0;
        let deadline = Deadline::within(producer.settings.deadline);
        let orders = deadline.run("looking up where the asset is", governance.orders(subscription, wish)).await;
        let orders = orders
            .map_err(|error| error.at(Step::LookUp).on_asset(&subscription.location.path).changed(Changed::Nothing))?;
        let mut outcome = Outcome::Superseded;
        for (i, order) in orders.iter().enumerate() {
            let result = self.bring_about(order, Deadline::within(producer.settings.deadline)).await;
            // An asset that has moved has been taken back at its old place by now.
            outcome = result.map_err(|error| if i > 0 { error.changed(Changed::Unfinished) } else { error })?;
            if order.errand == Errand::Leave && outcome == Outcome::Superseded {
                // It is to be retained where it is: granted elsewhere too, it would be at both places, and recorded at one.
                break;
            }
        }
        Ok(outcome)
    }

    pub(crate) async fn bring_about(&self, order: &Order, deadline: Deadline) -> Result<Outcome> {
        let Parts { producer, consumer, .. } = &*self.0;
        let report = producer.run(order, deadline).await?;
        let delivery = match &report.did {
            Did::Granted(delivery) | Did::Retained(delivery) if report.failure.is_none() => Some(delivery.clone()),
            _ => None,
        };
        let consumed = consumer.run(&order.subscription, delivery, deadline).await;
        if let Some(error) = report.failure {
            if let Err(sweep) = consumed {
                tracing::warn!(error = %sweep, "what earlier runs left could not be cleaned up");
            }
            return Err(error);
        }
        let consumed = consumed?;
        Ok(match (report.did, order.wish) {
            (Did::Granted(delivery), Wanted::Grant) => {
                granted(delivery, consumed, report.excess).map_or(Outcome::Superseded, Outcome::Granted)
            }
            (Did::Retained(delivery), Wanted::Retain) => {
                granted(delivery, consumed, report.excess).map_or(Outcome::Superseded, Outcome::Retained)
            }
            (Did::Revoked { changed, dropped, table, reads }, Wanted::Revoke | Wanted::Retain) => {
                Outcome::Revoked(Revoked { table, changed, dropped, reads })
            }
            _ => Outcome::Superseded,
        })
    }
}

fn granted(delivery: Delivery, consumed: Consumed, excess: Vec<String>) -> Option<Granted> {
    let copy = consumed.copy?;
    let Delivery { table, user, copy: secret, new_user, changed, .. } = delivery;
    let (secret_id, credentials) = (copy.id, copy.credentials);
    Some(Granted { table, user, secret, secret_id, credentials, new_user, changed, excess })
}
