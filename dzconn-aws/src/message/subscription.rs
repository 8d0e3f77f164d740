//! Who is to read what.

use dzconn_core::Result;
use dzconn_core::model::{
    AccountId, Asset, AssetId, Consumer, DomainId, EnvironmentId, Listing, ListingId, Owner, ProjectId, Region,
    Subscription,
};
use serde::{Deserialize, Serialize};

use super::{ConnectionDetails, MaybeNone, Others, SubscriptionEventDetails};

/// `SubscriptionDetails`: one environment's part of a subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SubscriptionDetails {
    /// The domain.
    pub domain_id: DomainId,
    /// Who publishes.
    pub producer_project_details: ProducerProjectDetails,
    /// Who is to read.
    pub consumer_project_details: ConsumerProjectDetails,
    /// What is to be read.
    pub asset_details: AssetDetails,
    /// Its entry in the catalogue.
    pub listing_details: ListingDetails,
    /// What else there is.
    #[serde(flatten)]
    pub others: Others,
}

/// `ProducerProjectDetails`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ProducerProjectDetails {
    /// The publishing project.
    pub project_id: ProjectId,
    /// Its name.
    #[serde(default)]
    pub project_name: MaybeNone<String>,
    /// What else there is.
    #[serde(flatten)]
    pub others: Others,
}

/// `ConsumerProjectDetails`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ConsumerProjectDetails {
    /// The subscribing project.
    pub project_id: ProjectId,
    /// Its name.
    #[serde(default)]
    pub project_name: MaybeNone<String>,
    /// The environment's account.
    pub account_id: AccountId,
    /// The environment's region.
    pub region: Region,
    /// The environment that gets the access.
    pub environment_id: EnvironmentId,
    /// Its name.
    #[serde(default)]
    pub environment_name: MaybeNone<String>,
    /// The profile that it was made from. Newer domains have none.
    #[serde(default)]
    pub environment_profile_id: MaybeNone<String>,
    /// The profile's name.
    #[serde(default)]
    pub environment_profile_name: MaybeNone<String>,
    /// What else there is.
    #[serde(flatten)]
    pub others: Others,
}

/// `AssetDetails`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct AssetDetails {
    /// The asset's type, such as `GlueTableAssetType`.
    #[serde(rename = "Type")]
    pub asset_type: String,
    /// The asset.
    pub id: AssetId,
    /// Its revision.
    pub revision: String,
    /// Its table, if it is one of the Glue catalogue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub glue_table_details: Option<GlueTableDetails>,
    /// What else there is.
    #[serde(flatten)]
    pub others: Others,
}

/// `GlueTableDetails`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GlueTableDetails {
    /// The catalogue's account.
    pub account_id: AccountId,
    /// The catalogue's region.
    pub region: Region,
    /// The catalogue's database.
    pub database_name: String,
    /// The table's name in the catalogue.
    pub table_name: String,
    /// The table's ARN.
    pub table_arn: String,
    /// What the crawler took the table for.
    #[serde(default)]
    pub source_classification: MaybeNone<String>,
    /// What else there is.
    #[serde(flatten)]
    pub others: Others,
}

/// `ListingDetails`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListingDetails {
    /// The listing.
    pub id: ListingId,
    /// Its name.
    pub name: String,
    /// Its revision.
    pub revision: String,
    /// What else there is.
    #[serde(flatten)]
    pub others: Others,
}

/// `CrossAccountResources` of a grant or revoke: what is started in the other accounts, and as whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SubscriptionResources {
    /// The producer's state machine.
    pub producer_state_machine_arn: String,
    /// The role that starts it.
    pub producer_assume_role_arn: String,
    /// The consumer's state machine.
    pub consumer_state_machine_arn: String,
    /// The role that starts it.
    pub consumer_assume_role_arn: String,
    /// What else there is.
    #[serde(flatten)]
    pub others: Others,
}

/// The names that a message tells people of a consumer. No step needs them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConsumerNames {
    /// The project's.
    pub project: Option<String>,
    /// The environment's.
    pub environment: Option<String>,
    /// The id and name of the environment's profile.
    pub profile: Option<(String, String)>,
}

impl SubscriptionDetails {
    /// What is told of a subscription.
    #[must_use]
    pub fn of(
        subscription: &Subscription,
        producer: ProducerProjectDetails,
        names: ConsumerNames,
        table: Option<GlueTableDetails>,
    ) -> Self {
        let Subscription { domain, consumer, asset, listing, .. } = subscription.clone();
        let Consumer { project, environment, owner: Owner { account, region } } = consumer;
        let (profile_id, profile_name) = names.profile.unzip();
        Self {
            domain_id: domain,
            producer_project_details: producer,
            consumer_project_details: ConsumerProjectDetails {
                project_id: project,
                project_name: names.project.into(),
                account_id: account,
                region,
                environment_id: environment,
                environment_name: names.environment.into(),
                environment_profile_id: profile_id.into(),
                environment_profile_name: profile_name.into(),
                others: Others::default(),
            },
            asset_details: AssetDetails {
                asset_type: asset.asset_type,
                id: asset.id,
                revision: asset.revision,
                glue_table_details: table,
                others: Others::default(),
            },
            listing_details: ListingDetails {
                id: listing.id,
                name: listing.name,
                revision: listing.revision,
                others: Others::default(),
            },
            others: Others::default(),
        }
    }

    /// The subscription, once its connection has been looked up.
    ///
    /// # Errors
    /// Those of [`ConnectionDetails::location`].
    pub fn subscription(
        &self,
        connection: &ConnectionDetails,
        event: Option<&SubscriptionEventDetails>,
    ) -> Result<Subscription> {
        let Self { domain_id, consumer_project_details: consumer, asset_details, listing_details, .. } = self;
        Ok(Subscription {
            domain: domain_id.clone(),
            consumer: Consumer {
                project: consumer.project_id.clone(),
                environment: consumer.environment_id.clone(),
                owner: Owner::new(consumer.account_id.clone(), consumer.region.clone()),
            },
            asset: Asset {
                id: asset_details.id.clone(),
                revision: asset_details.revision.clone(),
                asset_type: asset_details.asset_type.clone(),
            },
            listing: Listing {
                id: listing_details.id.clone(),
                name: listing_details.name.clone(),
                revision: listing_details.revision.clone(),
            },
            location: connection.location()?,
            subscription: event.and_then(|event| event.subscription_id.0.clone()),
            event: event.and_then(|event| event.event_id.0.clone()),
        })
    }
}
