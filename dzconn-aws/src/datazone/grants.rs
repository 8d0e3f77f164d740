//! Subscription grants and their targets, as `DataZone` has them.

use std::collections::BTreeSet;
use std::sync::Arc;

use aws_sdk_datazone::types::{
    FailureCause, GrantedEntity, GrantedEntityInput, ListingRevisionInput, SubscribedAsset, SubscriptionGrantStatus,
    SubscriptionGrantSummary,
};
use dzconn_core::bucket::ObjectSubscription;
use dzconn_core::model::{
    Asset, Consumer, DomainId, EnvironmentId, Listing, Principal, Subscription, SubscriptionId, Wanted,
};
use dzconn_core::portal::Question;
use dzconn_core::{ErrorKind, Result};
use sha2::{Digest as _, Sha256};

use super::failed::failed;
use super::{DataZonePortal, PAGE};

/// Who fulfils grants on the targets that `DataZone` made itself.
const PORTALS_OWN: &str = "Amazon DataZone";

/// What a report is about: who subscribed to what, whether that is a table or objects.
pub(super) struct Subject<'a> {
    pub(super) domain: &'a DomainId,
    pub(super) consumer: &'a Consumer,
    pub(super) asset: &'a Asset,
    pub(super) listing: &'a Listing,
    subscription: Option<&'a SubscriptionId>,
    /// In the operator's words.
    pub(super) what: String,
}

impl<'a> Subject<'a> {
    pub(super) fn of(subscription: &'a Subscription) -> Self {
        let Subscription { domain, consumer, asset, listing, location, subscription, .. } = subscription;
        Self { domain, consumer, asset, listing, subscription: subscription.as_ref(), what: location.path.to_string() }
    }

    pub(super) fn of_objects(subscription: &'a ObjectSubscription) -> Self {
        let ObjectSubscription { domain, consumer, asset, listing, access, subscription, .. } = subscription;
        Self { domain, consumer, asset, listing, subscription: subscription.as_ref(), what: access.objects.to_string() }
    }

    pub(super) fn question(&self, told: Wanted) -> Question {
        Question {
            domain: self.domain.clone(),
            project: self.consumer.project.clone(),
            environment: self.consumer.environment.clone(),
            listing: self.listing.id.clone(),
            asset: self.asset.id.clone(),
            subscription: self.subscription.cloned(),
            told,
        }
    }
}

/// A subscription target.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) id: String,
    name: String,
    provider: String,
    /// The asset types that it takes.
    types: Vec<String>,
    /// Who reads what is granted on it.
    principals: Vec<String>,
}

impl Target {
    /// Whether `DataZone` fulfils it: touching a grant there would interfere with its work.
    pub(super) fn is_portals(&self) -> bool {
        self.provider == PORTALS_OWN
    }

    /// Whether it is one of those that dzconn was told to make grants on.
    pub(super) fn is_one_of(&self, ours: &[String]) -> bool {
        !self.is_portals() && ours.iter().any(|known| *known == self.id || *known == self.name)
    }
}

/// A grant of the subscription's asset to its environment.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    pub(super) id: String,
    pub(super) target: String,
    pub(super) status: SubscriptionGrantStatus,
    pub(super) cause: Option<String>,
}

impl DataZonePortal {
    /// The grants of one asset to one environment. What an environment that is gone had is gone, too.
    pub(super) async fn grants(&self, subscription: &Subject<'_>) -> Result<Vec<Grant>> {
        let Subject { domain, consumer, listing, .. } = *subscription;
        let mut pages = self
            .client
            .list_subscription_grants()
            .domain_identifier(domain.as_str())
            .environment_id(consumer.environment.as_str())
            .subscribed_listing_id(listing.id.as_str())
            .max_results(PAGE)
            .into_paginator()
            .send();
        let mut grants = Vec::new();
        while let Some(page) = pages.next().await {
            match page.map_err(|error| failed("ListSubscriptionGrants", error)) {
                Ok(page) => grants.extend(page.items.into_iter().filter_map(|grant| of(subscription, grant))),
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
                Err(error) => return Err(error),
            }
        }
        Ok(grants)
    }

    /// The targets of the subscription's environment; those that are remembered, if all of `needed` are among them.
    pub(super) async fn targets(&self, subscription: &Subject<'_>, needed: &[Grant]) -> Result<Arc<[Target]>> {
        let key = (subscription.domain.clone(), subscription.consumer.environment.clone());
        let has_all =
            |targets: &Arc<[Target]>| needed.iter().all(|grant| targets.iter().any(|is| is.id == grant.target));
        if let Some(targets) = self.targets.get(&key).filter(has_all) {
            return Ok(targets);
        }
        let targets: Arc<[Target]> = self.targets_now(&key.0, &key.1).await?.into();
        self.targets.put(key, Arc::clone(&targets));
        Ok(targets)
    }

    /// The principals that read what is granted of these asset types in an environment. They are asked for each time: access
    /// hangs on it.
    pub(super) async fn principals(
        &self,
        domain: &DomainId,
        environment: &EnvironmentId,
        types: &[String],
    ) -> Result<BTreeSet<Principal>> {
        let targets = self.targets_now(domain, environment).await?;
        let takes = |target: &&Target| target.types.iter().any(|one| super::listing::is_one_of(one, types));
        targets
            .iter()
            .filter(takes)
            .flat_map(|target| &target.principals)
            .map(|who| Principal::new(who.as_str()))
            .collect()
    }

    async fn targets_now(&self, domain: &DomainId, environment: &EnvironmentId) -> Result<Vec<Target>> {
        let call = self.client.list_subscription_targets().domain_identifier(domain.as_str());
        let mut pages = call.environment_identifier(environment.as_str()).max_results(PAGE).into_paginator().send();
        let mut targets = Vec::new();
        while let Some(page) = pages.next().await {
            match page.map_err(|error| failed("ListSubscriptionTargets", error)) {
                Ok(page) => targets.extend(page.items.into_iter().map(|target| Target {
                    id: target.id,
                    name: target.name,
                    provider: target.provider,
                    types: target.applicable_asset_types,
                    principals: target.authorized_principals,
                })),
                Err(error) if error.kind() == ErrorKind::NotFound => break,
                Err(error) => return Err(error),
            }
        }
        Ok(targets)
    }

    /// Makes a grant on a target of ours. The token says what it is made for and after which others, so that several runs at
    /// once, or one that is repeated, make one grant.
    pub(super) async fn create(&self, subscription: &Subject<'_>, target: &Target, before: &[Grant]) -> Result<Grant> {
        let Subject { domain, consumer, listing, asset, .. } = *subscription;
        let mut ids: Vec<&str> =
            before.iter().filter(|grant| grant.target == target.id).map(|grant| &*grant.id).collect();
        ids.sort_unstable();
        let about =
            [domain.as_str(), consumer.environment.as_str(), &target.id, listing.id.as_str(), &listing.revision];
        let token = about.into_iter().chain(ids).collect::<Vec<_>>().join("/");
        let token: String = Sha256::digest(token).iter().map(|byte| format!("{byte:02x}")).collect();
        let revision = ListingRevisionInput::builder().identifier(listing.id.as_str()).revision(&listing.revision);
        let revision = revision.build().map_err(super::failed::unbuilt)?;
        let made = self
            .client
            .create_subscription_grant()
            .domain_identifier(domain.as_str())
            .environment_identifier(consumer.environment.as_str())
            .subscription_target_identifier(&target.id)
            .granted_entity(GrantedEntityInput::Listing(revision))
            .client_token(token)
            .send()
            .await
            .map_err(|error| failed("CreateSubscriptionGrant", error))?;
        let (status, cause) = state(made.assets.as_deref().unwrap_or_default(), asset.id.as_str())
            .unwrap_or((SubscriptionGrantStatus::GrantPending, None));
        Ok(Grant { id: made.id, target: made.subscription_target_id, status, cause })
    }

    pub(super) async fn set(
        &self,
        subscription: &Subject<'_>,
        grant: &Grant,
        status: SubscriptionGrantStatus,
        cause: Option<&str>,
    ) -> Result<()> {
        let call = self
            .client
            .update_subscription_grant_status()
            .domain_identifier(subscription.domain.as_str())
            .identifier(&grant.id)
            .asset_identifier(subscription.asset.id.as_str())
            .status(status)
            .set_failure_cause(cause.map(|cause| FailureCause::builder().message(cause).build()));
        call.send().await.map(drop).map_err(|error| failed("UpdateSubscriptionGrantStatus", error))
    }
}

/// A grant, if it is one of the subscription's asset to its environment: the list's filters are not trusted.
fn of(subscription: &Subject<'_>, grant: SubscriptionGrantSummary) -> Option<Grant> {
    let is_there = grant.environment_id.as_deref().is_none_or(|id| id == subscription.consumer.environment.as_str());
    let is_meant = match &grant.granted_entity {
        Some(GrantedEntity::Listing(listing)) => listing.id == subscription.listing.id.as_str(),
        _ => false,
    };
    let (status, cause) = state(grant.assets.as_deref().unwrap_or_default(), subscription.asset.id.as_str())?;
    (is_there && is_meant).then_some(Grant { id: grant.id, target: grant.subscription_target_id, status, cause })
}

/// How the asset stands in a grant. One that lists no asset yet has only begun.
fn state(assets: &[SubscribedAsset], asset: &str) -> Option<(SubscriptionGrantStatus, Option<String>)> {
    if assets.is_empty() {
        return Some((SubscriptionGrantStatus::GrantPending, None));
    }
    let found = assets.iter().find(|found| found.asset_id == asset)?;
    let cause = found.failure_cause.as_ref().and_then(|cause| cause.message.clone());
    Some((found.status.clone(), cause))
}
