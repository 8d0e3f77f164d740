//! What started an execution: an event's `detail`.

use dzconn_core::model::{
    AssetId, DomainId, EnvironmentId, ListingId, ProjectId, Subscription, SubscriptionId, Wanted,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{MaybeNone, Others, TextBool};

/// `EventDetails` of a grant or revoke: one message for each environment, built by the step that starts the workflow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SubscriptionEventDetails {
    /// About the event.
    pub metadata: EventMetadata,
    /// What happened.
    pub data: SubscriptionEventData,
    /// The id of the envelope that the event came in.
    #[serde(default)]
    pub event_id: MaybeNone<String>,
    /// The subscription.
    #[serde(default)]
    pub subscription_id: MaybeNone<SubscriptionId>,
    /// What else there is.
    #[serde(flatten)]
    pub others: Others,
}

/// `metadata`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventMetadata {
    /// What kind of entity the event is about.
    #[serde(default)]
    pub type_name: MaybeNone<String>,
    /// The domain.
    pub domain: DomainId,
    /// What else there is.
    #[serde(flatten)]
    pub others: Others,
}

/// `data` of a grant or revoke.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SubscriptionEventData {
    /// What is to be read.
    pub asset: EventAsset,
    /// Who provides the environment.
    #[serde(default)]
    pub environment_provider: MaybeNone<String>,
    /// The subscribing project.
    pub project_id: ProjectId,
    /// What the workflow was started for.
    pub status: GrantStatus,
    /// Whether a revoke leaves the access that is there. Written only if it does.
    #[serde(default, skip_serializing_if = "is_false")]
    pub retain_permissions: TextBool,
    /// The environment, as a target of subscriptions.
    pub subscription_target: EventTarget,
    /// What else there is.
    #[serde(flatten)]
    pub others: Others,
}

/// `asset`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventAsset {
    /// The asset.
    pub id: AssetId,
    /// Its listing.
    pub listing_id: ListingId,
    /// The listing's revision.
    pub listing_version: String,
    /// The asset's type.
    #[serde(default)]
    pub type_name: MaybeNone<String>,
    /// The asset's revision.
    #[serde(default)]
    pub version: MaybeNone<String>,
    /// What else there is.
    #[serde(flatten)]
    pub others: Others,
}

/// `subscriptionTarget`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventTarget {
    /// The environment.
    pub environment_id: EnvironmentId,
    /// The target, if the environment has one.
    #[serde(default)]
    pub id: MaybeNone<String>,
    /// Who fulfils grants on it.
    #[serde(default)]
    pub provider: MaybeNone<String>,
    /// The target's type.
    #[serde(default)]
    pub type_name: MaybeNone<String>,
    /// What else there is.
    #[serde(flatten)]
    pub others: Others,
}

/// What a workflow was started for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum GrantStatus {
    /// A grant.
    Granted,
    /// A revoke.
    Revoked,
    /// Something that this version does not know.
    #[serde(untagged)]
    Other(String),
}

impl SubscriptionEventDetails {
    /// What a workflow for this subscription is started with.
    #[must_use]
    pub fn of(subscription: &Subscription, wanted: Wanted) -> Self {
        let Subscription { domain, consumer, asset, listing, subscription, event, .. } = subscription.clone();
        Self {
            metadata: EventMetadata {
                type_name: "SubscriptionGrantEntityType".to_owned().into(),
                domain,
                others: Others::default(),
            },
            data: SubscriptionEventData {
                asset: EventAsset {
                    id: asset.id,
                    listing_id: listing.id,
                    listing_version: listing.revision,
                    type_name: asset.asset_type.into(),
                    version: asset.revision.into(),
                    others: Others::default(),
                },
                environment_provider: MaybeNone(None),
                project_id: consumer.project,
                status: match wanted {
                    Wanted::Grant => GrantStatus::Granted,
                    // The subscription has ended either way: the grant workflow is not to start.
                    Wanted::Retain | Wanted::Revoke => GrantStatus::Revoked,
                },
                retain_permissions: TextBool(wanted == Wanted::Retain),
                subscription_target: EventTarget {
                    environment_id: consumer.environment,
                    id: MaybeNone(None),
                    provider: MaybeNone(None),
                    type_name: MaybeNone(None),
                    others: Others::default(),
                },
                others: Others::default(),
            },
            event_id: event.into(),
            subscription_id: subscription.into(),
            others: Others::default(),
        }
    }

    /// What the workflow was started for; `None` if the status is one that this version does not know.
    #[must_use]
    pub fn wanted(&self) -> Option<Wanted> {
        match &self.data.status {
            GrantStatus::Granted => Some(Wanted::Grant),
            GrantStatus::Revoked if self.data.retain_permissions.0 => Some(Wanted::Retain),
            GrantStatus::Revoked => Some(Wanted::Revoke),
            GrantStatus::Other(_) => None,
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes members by reference")]
fn is_false(value: &TextBool) -> bool {
    !value.0
}

/// `EventDetails` of an environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentEventDetails {
    /// About the event.
    pub metadata: EventMetadata,
    /// What happened.
    pub data: EnvironmentEventData,
    /// What else there is.
    #[serde(flatten)]
    pub others: Others,
}

/// `data` of an environment's event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentEventData {
    /// The environment.
    pub environment_id: EnvironmentId,
    /// Its project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<ProjectId>,
    /// Its deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment_deployment_id: Option<String>,
    /// If this is there, whatever it says, the environment is taken for one that is being deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete: Option<Value>,
    /// What else there is.
    #[serde(flatten)]
    pub others: Others,
}
