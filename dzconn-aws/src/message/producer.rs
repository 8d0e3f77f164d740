//! What the producer's steps have done.

use dzconn_core::Timestamp;
use dzconn_core::model::{
    AccountId, AssetPath, ConnectionId, DomainId, EnvironmentId, Principal, ProjectId, Region, SecretId, SecretName,
    SourceRecord,
};
use dzconn_core::workflow::Delivery;
use serde::{Deserialize, Serialize};

use super::{MaybeNone, Others, TextBool, TextNumber};

/// `ProducerGrantDetails`: the shared secret, as the consumer is told of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ProducerGrantDetails {
    /// The producer's secret.
    pub secret_arn: SecretId,
    /// Its name.
    pub secret_name: SecretName,
    /// Who may read it.
    pub subscription_consumer_roles: Vec<Principal>,
    /// Whether the consumer may have no copy of it yet. A state machine skips the copy only on `"false"`, so it is true unless
    /// the consumer's mapping is known to be there, and when nothing is said.
    #[serde(default = "TextBool::yes", deserialize_with = "TextBool::or_yes")]
    pub new_subscription_secret: TextBool,
    /// What else there is.
    #[serde(flatten)]
    pub others: Others,
}

/// `ShareSubscriptionSecretDetails`: the last step of a producer's grant, from which the primary takes
/// [`ProducerGrantDetails`]: they are the same members.
pub type ShareSubscriptionSecretDetails = ProducerGrantDetails;

impl ProducerGrantDetails {
    /// What is told of what a run has delivered. `mapped`: whether the consumer's mapping of this very secret is known to be
    /// there.
    #[must_use]
    pub fn of(delivery: &Delivery, readers: Vec<Principal>, mapped: bool) -> Self {
        Self {
            secret_arn: delivery.secret_id.clone(),
            secret_name: delivery.secret.clone(),
            subscription_consumer_roles: readers,
            new_subscription_secret: TextBool(!mapped),
            others: Others::default(),
        }
    }
}

/// `GrantSubscriptionDetails`: the source's record after a grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GrantSubscriptionDetails {
    /// The connection.
    pub connection_arn: ConnectionId,
    /// The consumer's environment.
    pub datazone_consumer_environment_id: EnvironmentId,
    /// The consumer's project.
    pub datazone_consumer_project_id: ProjectId,
    /// The domain.
    pub datazone_domain_id: DomainId,
    /// The producer's secret.
    pub secret_arn: SecretId,
    /// Its name.
    pub secret_name: SecretName,
    /// The paths of what the environment reads; not necessarily all of them.
    #[serde(default)]
    pub data_assets: Vec<AssetPath>,
    /// The producer's account.
    pub owner_account: AccountId,
    /// The producer's region.
    #[serde(default)]
    pub owner_region: MaybeNone<Region>,
    /// When the record was last written.
    pub last_updated: Timestamp,
    /// As in [`ProducerGrantDetails::new_subscription_secret`].
    #[serde(default = "TextBool::yes", deserialize_with = "TextBool::or_yes")]
    pub new_subscription_secret: TextBool,
    /// What else there is.
    #[serde(flatten)]
    pub others: Others,
}

impl GrantSubscriptionDetails {
    /// What is told of a source's record; `None` as long as it has no secret. `mapped`: whether the consumer's mapping of this
    /// very secret is known to be there.
    #[must_use]
    pub fn of(record: &SourceRecord, mapped: bool) -> Option<Self> {
        let generation = record.generation.as_ref()?;
        Some(Self {
            connection_arn: record.key.connection.clone(),
            datazone_consumer_environment_id: record.key.environment.clone(),
            datazone_consumer_project_id: record.project.clone(),
            datazone_domain_id: record.domain.clone(),
            secret_arn: generation.secret_id.clone()?,
            secret_name: generation.secret.clone(),
            data_assets: record.data_assets.iter().cloned().collect(),
            owner_account: record.owner.account.clone(),
            owner_region: record.owner.region.clone().into(),
            last_updated: record.last_updated,
            new_subscription_secret: TextBool(!mapped),
            others: Others::default(),
        })
    }
}

/// `RevokeSubscriptionDetails`: the source's record after a revoke. What there was no record of is `"None"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RevokeSubscriptionDetails {
    /// The connection.
    pub connection_arn: ConnectionId,
    /// The consumer's environment.
    pub datazone_consumer_environment_id: EnvironmentId,
    /// The consumer's project.
    pub datazone_consumer_project_id: ProjectId,
    /// The domain.
    pub datazone_domain_id: DomainId,
    /// The producer's secret.
    #[serde(default)]
    pub secret_arn: MaybeNone<SecretId>,
    /// Its name.
    #[serde(default)]
    pub secret_name: MaybeNone<SecretName>,
    /// The paths of what the environment still reads; not necessarily all of them.
    #[serde(default)]
    pub data_assets: Vec<AssetPath>,
    /// The producer's account.
    pub owner_account: AccountId,
    /// The producer's region.
    #[serde(default)]
    pub owner_region: MaybeNone<Region>,
    /// When the record was last written.
    #[serde(default)]
    pub last_updated: MaybeNone<Timestamp>,
    /// Whether it was the last table, so that the user is gone and the secret is to go.
    #[serde(default)]
    pub delete_secret: TextBool,
    /// What else there is.
    #[serde(flatten)]
    pub others: Others,
}

/// `ProducerRevokeDetails`: what has become of the producer's secret. Where there was none, it is `"None"`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ProducerRevokeDetails {
    /// The producer's secret.
    #[serde(default)]
    pub secret_arn: MaybeNone<SecretId>,
    /// Its name.
    #[serde(default)]
    pub secret_name: MaybeNone<SecretName>,
    /// How long it can be restored.
    #[serde(default)]
    pub secret_recovery_window_in_days: MaybeNone<TextNumber>,
    /// Whether it was deleted: with the last table.
    #[serde(default)]
    pub secret_deleted: TextBool,
    /// When it will be gone.
    #[serde(default)]
    pub secret_deletion_date: MaybeNone<String>,
    /// What else there is.
    #[serde(flatten)]
    pub others: Others,
}

/// `DeleteKeepSubscriptionSecretDetails`: the last step of a producer's revoke, from which the primary takes
/// [`ProducerRevokeDetails`]: they are the same members.
pub type DeleteKeepSubscriptionSecretDetails = ProducerRevokeDetails;

impl ProducerRevokeDetails {
    /// A secret that stays, as other tables are read through it.
    #[must_use]
    pub fn kept(secret: SecretId, name: SecretName) -> Self {
        Self { secret_arn: secret.into(), secret_name: name.into(), ..Self::default() }
    }

    /// A secret that was deleted and can be restored for so many days.
    #[must_use]
    pub fn deleted(secret: SecretId, name: SecretName, recovery_window_days: u8, gone: Timestamp) -> Self {
        Self {
            secret_recovery_window_in_days: TextNumber(recovery_window_days.into()).into(),
            secret_deleted: TextBool(true),
            secret_deletion_date: gone.to_string().into(),
            ..Self::kept(secret, name)
        }
    }
}
