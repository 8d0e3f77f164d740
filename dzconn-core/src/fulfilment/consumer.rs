//! The consumer's part: the copy of the secret, the rows, and the sweep.

use std::sync::Arc;

use super::driver::{Driver, about};
use super::fresh::System;
use super::settings::Settings;
use crate::model::Subscription;
use crate::store::CredentialStores;
use crate::workflow::{Answer, CarryRun, CarryTask, Consumed, ConsumerRun, ConsumerTask, Delivery, Next};
use crate::{Changed, CredentialStore, Deadline, Result, Step, TrackingStore};

/// What runs in the consumer's account.
#[derive(Debug)]
pub struct Consumer {
    pub(crate) copies: Arc<dyn CredentialStores>,
    pub(crate) tracking: Arc<dyn TrackingStore>,
    pub(crate) settings: Settings,
}

impl Consumer {
    /// Copies the secret and records it, if there is a delivery, and cleans up what this or earlier runs have left.
    ///
    /// # Errors
    /// What kept it from getting to an end; running it again goes on.
    pub async fn run(
        &self,
        subscription: &Subscription,
        delivery: Option<Delivery>,
        deadline: Deadline,
    ) -> Result<Consumed> {
        let copies = self.copies(subscription, deadline).await?;
        let mut driver = self.driver(subscription, &*copies, deadline);
        let task = ConsumerTask { subscription: subscription.clone(), delivery };
        let mut run = ConsumerRun::new(Arc::new(task));
        let mut answer = Answer::Begin;
        let (copy, failed) = loop {
            match run.next(answer, &mut System) {
                Next::Do(effect) => match driver.perform(&effect).await {
                    Ok(done) => answer = done,
                    Err(error) => break (run.delivered_copy().cloned().map(Box::new), Some(error)),
                },
                Next::End(Consumed { copy, failure }) => break (copy, failure.map(|failure| driver.error(&failure))),
            }
        };
        match failed {
            None => Ok(Consumed { copy, failure: None }),
            // What earlier runs have left does not make this one's delivery undone.
            Some(error) if copy.is_some() => {
                tracing::warn!(%error, "what earlier runs left could not be cleaned up");
                Ok(Consumed { copy, failure: None })
            }
            Some(error) => Err(error),
        }
    }

    /// Carries what was rotated into the consumer's copy.
    ///
    /// # Errors
    /// What kept it from getting to an end; running it again goes on.
    pub async fn carry(&self, task: Arc<CarryTask>, deadline: Deadline) -> Result<Consumed> {
        let copies = self.copies(&task.subscription, deadline).await?;
        let mut driver = self.driver(&task.subscription, &*copies, deadline);
        let mut run = CarryRun::new(Arc::clone(&task));
        let mut answer = Answer::Begin;
        loop {
            match run.next(answer, &mut System) {
                Next::Do(effect) => answer = driver.perform(&effect).await?,
                Next::End(Consumed { failure: Some(failure), .. }) => {
                    return Err(driver.error(&failure).changed(Changed::Unfinished));
                }
                Next::End(consumed) => return Ok(consumed),
            }
        }
    }

    async fn copies(&self, subscription: &Subscription, deadline: Deadline) -> Result<Arc<dyn CredentialStore>> {
        let copies = deadline.run("finding the consumer's secrets", self.copies.of(&subscription.consumer.owner)).await;
        copies.map_err(|error| about(error.at(Step::ConsumerSecret), subscription))
    }

    fn driver<'a>(
        &'a self,
        subscription: &'a Subscription,
        copies: &'a dyn CredentialStore,
        deadline: Deadline,
    ) -> Driver<'a> {
        let mut driver = Driver::new(subscription, &*self.tracking, &self.settings, deadline);
        driver.copies = Some(copies);
        // The producer's part has.
        driver.touched = true;
        driver
    }
}
