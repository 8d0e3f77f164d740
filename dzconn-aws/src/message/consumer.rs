//! What the consumer's steps have done.

use dzconn_core::Timestamp;
use dzconn_core::model::{
    AccountId, AssetId, AssetRecord, DomainId, EnvironmentId, ListingId, ProjectId, Region, SecretId, SecretName,
};
use serde::{Deserialize, Serialize};

use super::{MaybeNone, Others, ProducerRevokeDetails, TextBool, TextNumber};

/// `ConsumerGrantDetails`: the consumer's own secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ConsumerGrantDetails {
    /// The consumer's secret.
    pub secret_arn: SecretId,
    /// Its name.
    pub secret_name: SecretName,
    /// The asset.
    pub data_zone_asset_id: AssetId,
    /// The environment.
    pub data_zone_consumer_environment_id: EnvironmentId,
    /// What else there is.
    #[serde(flatten)]
    pub others: Others,
}

impl From<&AssetRecord> for ConsumerGrantDetails {
    fn from(record: &AssetRecord) -> Self {
        Self {
            secret_arn: record.secret_id.clone(),
            secret_name: record.secret.clone(),
            data_zone_asset_id: record.asset.clone(),
            data_zone_consumer_environment_id: record.environment.clone(),
            others: Others::default(),
        }
    }
}

/// `CopySubscriptionSecretDetails`: the consumer's copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CopySubscriptionSecretDetails {
    /// The consumer's secret.
    pub secret_arn: SecretId,
    /// Its name.
    pub secret_name: SecretName,
    /// What else there is.
    #[serde(flatten)]
    pub others: Others,
}

/// `UpdateSubscriptionRecordsDetails` and `RemoveSubscriptionRecordsDetails`: the asset's record, as it was written or
/// removed. What there was no record of is `"None"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SubscriptionRecordDetails {
    /// The environment.
    pub data_zone_consumer_environment_id: EnvironmentId,
    /// Its project.
    pub data_zone_consumer_project_id: ProjectId,
    /// The domain.
    pub data_zone_domain_id: DomainId,
    /// The asset.
    pub data_zone_asset_id: AssetId,
    /// Its revision.
    pub data_zone_asset_revision: String,
    /// Its type.
    pub data_zone_asset_type: String,
    /// The listing.
    pub data_zone_listing_id: ListingId,
    /// The listing's revision.
    pub data_zone_listing_revision: String,
    /// The listing's name.
    pub data_zone_listing_name: String,
    /// The consumer's secret.
    #[serde(default)]
    pub secret_arn: MaybeNone<SecretId>,
    /// Its name.
    #[serde(default)]
    pub secret_name: MaybeNone<SecretName>,
    /// The consumer's account.
    pub owner_account: AccountId,
    /// The consumer's region.
    pub owner_region: Region,
    /// When the record was last written.
    #[serde(default)]
    pub last_updated: MaybeNone<Timestamp>,
    /// What else there is.
    #[serde(flatten)]
    pub others: Others,
}

impl From<&AssetRecord> for SubscriptionRecordDetails {
    fn from(record: &AssetRecord) -> Self {
        let record = record.clone();
        Self {
            data_zone_consumer_environment_id: record.environment,
            data_zone_consumer_project_id: record.project,
            data_zone_domain_id: record.domain,
            data_zone_asset_id: record.asset,
            data_zone_asset_revision: record.revision,
            data_zone_asset_type: record.asset_type,
            data_zone_listing_id: record.listing,
            data_zone_listing_revision: record.listing_revision,
            data_zone_listing_name: record.listing_name,
            secret_arn: record.secret_id.into(),
            secret_name: record.secret.into(),
            owner_account: record.owner.account,
            owner_region: record.owner.region,
            last_updated: record.last_updated.into(),
            others: Others::default(),
        }
    }
}

/// `DeleteSubscriptionSecretDetails`: what has become of the consumer's secret.
pub type DeleteSubscriptionSecretDetails = ProducerRevokeDetails;

/// `ConsumerRevokeDetails`: what has become of the consumer's secret, and for which asset.
///
/// The asset is written twice, as `DataZoneAssetID`, which is documented, and as `DataZoneAssetId`, which deployed state
/// machines emit; either is enough to read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct ConsumerRevokeDetails {
    /// What has become of the secret.
    pub secret: DeleteSubscriptionSecretDetails,
    /// The asset.
    pub data_zone_asset_id: AssetId,
    /// The environment.
    pub data_zone_consumer_environment_id: EnvironmentId,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Written {
    #[serde(rename = "DataZoneAssetID", default)]
    documented: MaybeNone<AssetId>,
    #[serde(rename = "DataZoneAssetId", default)]
    deployed: MaybeNone<AssetId>,
    data_zone_consumer_environment_id: EnvironmentId,
    #[serde(default)]
    secret_arn: MaybeNone<SecretId>,
    #[serde(default)]
    secret_name: MaybeNone<SecretName>,
    #[serde(default)]
    secret_recovery_window_in_days: MaybeNone<TextNumber>,
    #[serde(default)]
    secret_deleted: TextBool,
    #[serde(default)]
    secret_deletion_date: MaybeNone<String>,
    #[serde(flatten)]
    others: Others,
}

impl TryFrom<Written> for ConsumerRevokeDetails {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let asset = match (written.documented.0, written.deployed.0) {
            (Some(one), Some(other)) if one != other => return Err("DataZoneAssetID and DataZoneAssetId differ"),
            (one, other) => one.or(other).ok_or("there is neither DataZoneAssetID nor DataZoneAssetId")?,
        };
        Ok(Self {
            secret: ProducerRevokeDetails {
                secret_arn: written.secret_arn,
                secret_name: written.secret_name,
                secret_recovery_window_in_days: written.secret_recovery_window_in_days,
                secret_deleted: written.secret_deleted,
                secret_deletion_date: written.secret_deletion_date,
                others: written.others,
            },
            data_zone_asset_id: asset,
            data_zone_consumer_environment_id: written.data_zone_consumer_environment_id,
        })
    }
}

impl From<ConsumerRevokeDetails> for Written {
    fn from(details: ConsumerRevokeDetails) -> Self {
        let ConsumerRevokeDetails { secret, data_zone_asset_id, data_zone_consumer_environment_id } = details;
        Self {
            documented: data_zone_asset_id.clone().into(),
            deployed: data_zone_asset_id.into(),
            data_zone_consumer_environment_id,
            secret_arn: secret.secret_arn,
            secret_name: secret.secret_name,
            secret_recovery_window_in_days: secret.secret_recovery_window_in_days,
            secret_deleted: secret.secret_deleted,
            secret_deletion_date: secret.secret_deletion_date,
            others: secret.others,
        }
    }
}
