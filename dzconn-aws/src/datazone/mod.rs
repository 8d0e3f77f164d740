//! `DataZone`: the portal.
//!
//! # What it calls, and why
//!
//! | for | calls | reason |
//! | --- | --- | --- |
//! | one answer (`wanted`) | `GetSubscription` of the event's own, if there is an event | a list may be behind; usually it decides alone |
//! | | `ListSubscriptions` (approved), a page at a time until one decides, if that one is not approved | another approval is as good |
//! | | `GetSubscription`, for each approved entry of the list until one decides | a summary may leave filters out |
//! | | `ListSubscriptions` (revoked), (cancelled), newest first, side by side, only if none is approved | the one that ended last says whether access stays; each status has to be listed by itself |
//! | one event (`subscriptions`) | `GetListing` | asset, type and Glue table; what is not ours ends here |
//! | | `ListEnvironments` of the publisher, where publishers are checked, once in five minutes | whether it works in the table's account |
//! | | Glue `GetTable` | the connection; a table in S3 ends here |
//! | | `ListEnvironments`, all pages | the project's environments, with account, region and status |
//! | | `GetEnvironment`, the first time an environment is seen | the blueprint's id, which the list does not have and which never changes |
//! | | `GetEnvironmentBlueprint`, the first time a blueprint is seen | its name, which never changes |
//! | one event of objects | `GetListing`, `ListEnvironments` | as above; the blueprint does not matter |
//! | | `ListSubscriptionTargets`, for each environment | who reads: asked each time, access hangs on it |
//! | one report (`report`) | `ListSubscriptionGrants`, all pages | what is there is updated, nothing is made twice; usually there is nothing, and this is all |
//! | | `ListSubscriptionTargets`, once in five minutes for each environment | who fulfils a grant: `DataZone`'s own are left alone |
//! | | `UpdateSubscriptionGrantStatus`, for each grant that does not say so yet | the report; only where it is refused, the grants are listed again and it is told in steps |
//! | | `CreateSubscriptionGrant`, only on a target of ours that has none | the report has to stand somewhere |
//! | | those of `wanted`, only after a failure of which the grant does not tell whether it was a grant's or a revoke's | it is reported as what it was |
//! | one environment (`environment`) | `GetEnvironment`, and `GetEnvironmentBlueprint` the first time a blueprint is seen | status, account, user role and databases |
//! | all of a domain (`environments`) | `ListProjects`, `ListEnvironments` for each, all pages | only where dzconn is removed: what was equipped without ever having been granted anything stands in no record |
//!
//! So a warm event for an environment costs two calls here and one to Glue, its answer one, and its report one where no grants are
//! kept. The producer's project is not looked up: nothing in a [`Subscription`] needs it.

mod environments;
mod failed;
mod grants;
mod listing;
mod lookup;
mod objects;
mod one;
mod recent;
mod report;
mod wanted;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_datazone::Client;
use dzconn_core::bucket::{ObjectOutcome, ObjectSubscription};
use dzconn_core::event::SubscriptionEvent;
use dzconn_core::model::{AccountId, DomainId, EnvironmentId, ProjectId, Subscription, Wanted};
use dzconn_core::portal::{Lookup, Question};
use dzconn_core::workflow::Outcome;
use dzconn_core::{Error, Portal, Result};

use crate::Accounts;
use grants::Target;
use recent::Recent;

/// What pages hold at most (API reference, `maxResults` of each list operation).
const PAGE: i32 = 50;

/// How long the targets of an environment are believed. One that is not among them is looked for at once.
const TARGETS: Duration = Duration::from_secs(300);

type Environment = (DomainId, EnvironmentId);

/// `DataZone` as the portal. Clones share what they remember.
///
/// It remembers the blueprints of environments, which never change, and for a short time the targets of environments; what is wanted
/// is asked each time.
#[derive(Clone, Debug)]
pub struct DataZonePortal {
    client: Client,
    accounts: Accounts,
    /// The blueprint of an environment; none for one that has none.
    blueprints: Arc<Recent<Environment, Option<String>>>,
    /// The name of a blueprint.
    names: Arc<Recent<(DomainId, String), String>>,
    targets: Arc<Recent<Environment, Arc<[Target]>>>,
    /// Projects that have an environment in an account.
    residents: Arc<Recent<(DomainId, ProjectId, AccountId), ()>>,
}

impl DataZonePortal {
    /// Over a client of the domain's account. Glue is asked in the producers' accounts, and what is ours is said in
    /// [`Config::portal`](crate::Config::portal).
    #[must_use]
    pub fn new(client: Client, accounts: Accounts) -> Self {
        Self {
            client,
            accounts,
            blueprints: Arc::new(Recent::new(Duration::MAX)),
            names: Arc::new(Recent::new(Duration::MAX)),
            targets: Arc::new(Recent::new(TARGETS)),
            residents: Arc::new(Recent::new(TARGETS)),
        }
    }

    /// In the governance account. Nothing is called yet.
    pub async fn connect(accounts: Accounts) -> Self {
        let client = Client::new(&accounts.governance().await);
        Self::new(client, accounts)
    }

    fn config(&self) -> &crate::config::Portal {
        &self.accounts.config().portal
    }
}

#[async_trait]
impl Portal for DataZonePortal {
    async fn wanted(&self, question: &Question) -> Result<Wanted> {
        self.answer(question).await
    }

    async fn subscriptions(&self, event: &SubscriptionEvent) -> Result<Vec<Lookup>> {
        self.look_up(event).await
    }

    async fn report(&self, subscription: &Subscription, outcome: Result<&Outcome, &Error>) -> Result<()> {
        self.tell(subscription, outcome).await
    }

    async fn report_objects(
        &self,
        subscription: &ObjectSubscription,
        outcome: Result<&ObjectOutcome, &Error>,
    ) -> Result<()> {
        self.tell_of_objects(subscription, outcome).await
    }
}
