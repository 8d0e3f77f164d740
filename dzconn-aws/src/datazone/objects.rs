//! From an event about objects to the environments whose principals read them.

use dzconn_core::bucket::{ObjectAccess, ObjectSubscription};
use dzconn_core::event::SubscriptionEvent;
use dzconn_core::portal::Lookup;

use super::DataZonePortal;
use super::environments::{Blueprints, Environment};
use super::listing::PublishedObjects;
use super::lookup::End;

impl DataZonePortal {
    pub(super) async fn walk_objects(
        &self,
        event: &SubscriptionEvent,
        published: &PublishedObjects,
    ) -> Result<Vec<Lookup>, End> {
        let (_, account) = self.accounts.of_bucket(published.objects.bucket());
        self.check_publisher(event, "objects", &account, published.publisher.as_ref()).await?;
        let environments = match self.environments(event, Blueprints::Any).await {
            Ok(environments) => environments,
            Err(error) => return Err(self.not_a_project(event, error).await),
        };
        let (total, mut lookups) = (environments.len(), Vec::new());
        for environment in environments {
            let consumer = match environment {
                Environment::Ours(consumer) => consumer,
                Environment::Unfit(why) => {
                    lookups.push(Lookup::Skipped(why));
                    continue;
                }
                Environment::Failed(error) => {
                    lookups.push(Lookup::Failed(error));
                    continue;
                }
                Environment::Other => continue,
            };
            let types = &self.config().object_types;
            match self.principals(&event.domain, &consumer.environment, types).await {
                // A project has many environments that read no objects.
                Ok(principals) if principals.is_empty() => {}
                Ok(principals) => lookups.push(Lookup::Objects(Box::new(ObjectSubscription {
                    domain: event.domain.clone(),
                    consumer,
                    asset: published.asset.clone(),
                    listing: published.listing.clone(),
                    access: ObjectAccess { objects: published.objects.clone(), principals },
                    subscription: event.subscription.clone(),
                    event: event.id.clone(),
                }))),
                Err(error) if error.is_retryable() => return Err(error.into()),
                Err(error) => lookups.push(Lookup::Failed(error.for_environment(&consumer.environment))),
            }
        }
        if lookups.is_empty() {
            let none = format!(
                "none of the {total} environments of project {} has a subscription target for S3 objects with principals",
                event.project
            );
            lookups.push(Lookup::Skipped(none));
        }
        Ok(lookups)
    }
}
