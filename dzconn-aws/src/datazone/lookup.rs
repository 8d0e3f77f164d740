//! From an event to the environments that it is about.

use aws_sdk_datazone::types::SubscribedPrincipal;
use dzconn_core::event::SubscriptionEvent;
use dzconn_core::model::{AccountId, Consumer, Location, ProjectId, Subscription};
use dzconn_core::portal::Lookup;
use dzconn_core::{Error, ErrorKind, Result, Step};

use super::DataZonePortal;
use super::environments::{Blueprints, Environment};
use super::failed::failed;
use super::listing::{Published, Read, read};
use crate::glue::table::{Located, locate};

/// What an event ends with before any environment is looked at.
pub(super) enum End {
    /// With this, for the event as a whole.
    With(Lookup),
    /// With an error.
    Error(Error),
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl DataZonePortal {
    pub(super) async fn look_up(&self, event: &SubscriptionEvent) -> Result<Vec<Lookup>> {
        let found = match self.walk(event).await {
            Ok(found) => Ok(found),
            Err(End::With(lookup)) => Ok(vec![lookup]),
            Err(End::Error(error)) => Err(error),
        };
        let subject = || format!("listing {} of domain {}", event.listing, event.domain);
        let named = |error: Error| error.at(Step::LookUp).on_asset(subject());
        match found {
            Ok(lookups) => Ok(lookups
                .into_iter()
                .map(|lookup| match lookup {
                    Lookup::Failed(error) => Lookup::Failed(named(error)),
                    other => other,
                })
                .collect()),
            Err(error) => Err(named(error)),
        }
    }

    async fn walk(&self, event: &SubscriptionEvent) -> Result<Vec<Lookup>, End> {
        let published = match self.published(event).await? {
            Read::Table(published) => published,
            Read::Objects(published) => return self.walk_objects(event, &published).await,
            Read::Other(why) => {
                return Err(End::With(Lookup::Skipped(format!("listing {}: {why}", event.listing))));
            }
        };
        let account = &published.table.owner.account;
        self.check_publisher(event, "a table", account, published.publisher.as_ref()).await?;
        let location = self.location(event, &published).await?;
        let environments = match self.environments(event, Blueprints::Ours).await {
            Ok(environments) => environments,
            Err(error) => return Err(self.not_a_project(event, error).await),
        };
        let (total, mut lookups) = (environments.len(), Vec::new());
        for environment in environments {
            match environment {
                Environment::Ours(consumer) => lookups.push(ours(event, &published, &location, consumer)),
                Environment::Unfit(why) => lookups.push(Lookup::Skipped(why)),
                Environment::Failed(error) => lookups.push(Lookup::Failed(error)),
                Environment::Other => {}
            }
        }
        if lookups.is_empty() {
            let blueprints = self.config().blueprints.join(", ");
            let of =
                format!("none of the {total} environments of project {} is of a blueprint {blueprints}", event.project);
            lookups.push(Lookup::Skipped(of));
        }
        Ok(lookups)
    }

    async fn published(&self, event: &SubscriptionEvent) -> Result<Read, End> {
        let call =
            self.client.get_listing().domain_identifier(event.domain.as_str()).identifier(event.listing.as_str());
        let listing = match call.send().await.map_err(|error| failed("GetListing", error)) {
            Ok(listing) => listing,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let error = error.advise("publish the asset again; nobody can read what is not listed");
                return Err(gone(event, &format!("listing {} is not there any more", event.listing), error));
            }
            Err(error) => return Err(error.into()),
        };
        Ok(read(&event.listing, self.config(), listing)?)
    }

    /// A grant needs a publisher that works where the table is, if that is asked for; a revoke does not.
    pub(super) async fn check_publisher(
        &self,
        event: &SubscriptionEvent,
        what: &str,
        account: &AccountId,
        publisher: Option<&ProjectId>,
    ) -> Result<(), End> {
        if !self.config().check_publishers || event.ending.is_some() {
            return Ok(());
        }
        let lives = match publisher {
            Some(project) => self.lives_in(&event.domain, project, account).await?,
            None => false,
        };
        if lives {
            return Ok(());
        }
        let project = publisher.map_or("nobody", ProjectId::as_str);
        let what = format!("project {project} has published {what} of account {account}, and has no environment there");
        Err(End::With(Lookup::Failed(
            Error::new(ErrorKind::Refused, what)
                .advise("see who has published this, and from where; portal.check_publishers = false lets everybody"),
        )))
    }

    /// Where the table is. When a subscription ends, what cannot be worked on is an error of the whole look-up: whoever asked has
    /// tracking to go by.
    async fn location(&self, event: &SubscriptionEvent, published: &Published) -> Result<Location, End> {
        let name = &published.listing.name;
        match locate(&self.accounts, &published.table).await {
            Ok(Located::At(location)) => Ok(location),
            Ok(Located::Foreign(why)) => Err(End::With(Lookup::Skipped(format!("{name}: {why}")))),
            Ok(Located::Gone(what)) => {
                let what = format!("{name}: {what}");
                let error =
                    Error::new(ErrorKind::NotFound, &what).advise("run the crawler again, or unpublish the asset");
                Err(gone(event, &what, error))
            }
            Err(error) if error.is_retryable() || event.ending.is_some() => Err(error.into()),
            Err(error) => Err(End::With(Lookup::Failed(error))),
        }
    }

    /// Subscribers other than projects have no environments, and the portal may refuse to list them. Whether that is so, the
    /// subscription knows; it is asked only then.
    pub(super) async fn not_a_project(&self, event: &SubscriptionEvent, error: Error) -> End {
        let doubtful = matches!(error.kind(), ErrorKind::NotFound | ErrorKind::StoreDenied | ErrorKind::InvalidInput);
        let Some(id) = event.subscription.as_ref().filter(|_| doubtful) else { return error.into() };
        let call = self.client.get_subscription().domain_identifier(event.domain.as_str()).identifier(id.as_str());
        let who = match call.send().await.ok().and_then(|subscription| subscription.subscribed_principal) {
            Some(SubscribedPrincipal::User(_)) => "a user",
            Some(SubscribedPrincipal::Group(_)) => "a group",
            Some(SubscribedPrincipal::Iam(_)) => "an IAM principal",
            _ if error.kind() == ErrorKind::NotFound => "a project that is not there any more",
            _ => return error.into(),
        };
        End::With(Lookup::Skipped(format!("subscription {id} is {who}'s, which has no environment")))
    }
}

/// What is gone cannot be granted. What was granted of it is in tracking, and is taken back from there.
fn gone(event: &SubscriptionEvent, what: &str, error: Error) -> End {
    End::With(match event.ending {
        None => Lookup::Failed(error),
        Some(_) => Lookup::Skipped(format!("{what}; what tracking has of it is worked on")),
    })
}

fn ours(event: &SubscriptionEvent, published: &Published, location: &Location, consumer: Consumer) -> Lookup {
    Lookup::Ours(Box::new(Subscription {
        domain: event.domain.clone(),
        consumer,
        asset: published.asset.clone(),
        listing: published.listing.clone(),
        location: location.clone(),
        subscription: event.subscription.clone(),
        event: event.id.clone(),
    }))
}
