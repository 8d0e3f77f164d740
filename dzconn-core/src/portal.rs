//! Where subscriptions are looked up and reported to.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::bucket::{ObjectOutcome, ObjectSubscription};
use crate::event::SubscriptionEvent;
use crate::model::{AssetId, DomainId, EnvironmentId, ListingId, ProjectId, Subscription, SubscriptionId};
use crate::outcome::Outcome;
use crate::{Error, ErrorKind, Result};

pub use crate::model::Wanted;

/// What the portal is asked, under the source's lock.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    /// The domain.
    pub domain: DomainId,
    /// The consumer's project.
    pub project: ProjectId,
    /// The consumer's environment.
    pub environment: EnvironmentId,
    /// The listing.
    pub listing: ListingId,
    /// The asset.
    pub asset: AssetId,
    /// The subscription that the event is about: what a list says of it may be behind.
    pub subscription: Option<SubscriptionId>,
    /// What the run was started for; an answer that knows nothing better.
    pub told: Wanted,
}

impl Question {
    /// Whether this is wanted, where a run was told so.
    #[must_use]
    pub fn about(subscription: &Subscription, told: Wanted) -> Self {
        Self {
            domain: subscription.domain.clone(),
            project: subscription.consumer.project.clone(),
            environment: subscription.consumer.environment.clone(),
            listing: subscription.listing.id.clone(),
            asset: subscription.asset.id.clone(),
            subscription: subscription.subscription.clone(),
            told,
        }
    }
}

/// What an event is about, for one environment.
#[derive(Debug)]
pub enum Lookup {
    /// This is to be read, or no longer.
    Ours(Box<Subscription>),
    /// These objects are to be read, or no longer.
    Objects(Box<ObjectSubscription>),
    /// What is not ours, and why.
    Skipped(String),
    /// What may be ours, and cannot be worked on.
    Failed(Error),
}

/// The portal: the truth about what is wanted, and the place where outcomes are shown.
#[async_trait]
pub trait Portal: Debug + Send + Sync {
    /// Whether the project has, now, an approved subscription to the listing, under any subscription id.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`] if the subscription is limited by row or column filters: nothing
    /// may be granted then. Retryable kinds when the portal cannot be asked.
    async fn wanted(&self, question: &Question) -> Result<Wanted>;

    /// The environments that an event is about, each with what it is to read, or why it is not ours: an asset type that
    /// dzconn does not serve, a table that the portal fulfils itself, an environment of another blueprint.
    ///
    /// # Errors
    /// Retryable kinds when the portal cannot be asked.
    async fn subscriptions(&self, event: &SubscriptionEvent) -> Result<Vec<Lookup>>;

    /// Shows the outcome to people. Repeating it is harmless.
    ///
    /// # Errors
    /// The access itself is not affected by a report that fails.
    async fn report(&self, subscription: &Subscription, outcome: std::result::Result<&Outcome, &Error>) -> Result<()>;

    /// Shows what became of a subscription to objects. Repeating it is harmless. By default it goes nowhere.
    ///
    /// # Errors
    /// The access itself is not affected by a report that fails.
    async fn report_objects(
        &self,
        _subscription: &ObjectSubscription,
        _outcome: std::result::Result<&ObjectOutcome, &Error>,
    ) -> Result<()> {
        Ok(())
    }
}

/// A portal for those who have none: what a run is told is what is wanted, and outcomes go nowhere.
#[derive(Clone, Copy, Debug, Default)]
pub struct AsTold;

#[async_trait]
impl Portal for AsTold {
    async fn wanted(&self, question: &Question) -> Result<Wanted> {
        Ok(question.told)
    }

    async fn subscriptions(&self, _: &SubscriptionEvent) -> Result<Vec<Lookup>> {
        Err(Error::new(ErrorKind::InvalidConfig, "there is no portal that could say whom the event is about")
            .advise("give the fulfilment a portal, or call grant and revoke"))
    }

    async fn report(&self, _: &Subscription, _: std::result::Result<&Outcome, &Error>) -> Result<()> {
        Ok(())
    }
}
