//! Environments that come and go.

use std::collections::BTreeMap;

use dzconn_core::model::{AccountId, DomainId, EnvironmentId, ProjectId, Region};
use serde::{Deserialize, Serialize};

use super::{MaybeNone, Others};

/// `EnvironmentDetails`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct EnvironmentDetails {
    /// The environment.
    pub environment_id: EnvironmentId,
    /// Its project.
    pub project_id: ProjectId,
    /// The domain.
    pub domain_id: DomainId,
    /// The account that it lives in.
    pub account_id: AccountId,
    /// The region that it lives in.
    pub region: Region,
    /// Its status, such as `ACTIVE` or `DELETING`.
    pub environment_status: String,
    /// Its name.
    #[serde(default)]
    pub environment_name: MaybeNone<String>,
    /// The blueprint that it was made from.
    #[serde(default)]
    pub environment_blueprint_id: MaybeNone<String>,
    /// The blueprint's name. Choice states compare it.
    #[serde(default)]
    pub environment_blueprint_name: MaybeNone<String>,
    /// What was provisioned for it, by name: `userRoleArn`, `glueProducerDBName`, `glueConsumerDBName` and others.
    #[serde(default)]
    pub environment_resources: BTreeMap<String, String>,
    /// What else there is.
    #[serde(flatten)]
    pub others: Others,
}

/// `CrossAccountResources` of an environment that is active.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct EnvironmentActiveResources {
    /// The function that equips the environment's role.
    pub update_environment_roles_lambda_arn: String,
    /// The function that tags the environment's databases.
    #[serde(rename = "AddLFTagEnvironmentDBsLambdaArn")]
    pub add_lf_tag_environment_dbs_lambda_arn: String,
    /// The role that invokes them.
    pub account_assume_role_arn: String,
    /// What else there is.
    #[serde(flatten)]
    pub others: Others,
}

/// `CrossAccountResources` of an environment that is being deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct EnvironmentDeletingResources {
    /// The function that takes back what the environment's role was given.
    pub clean_environment_roles_lambda_arn: String,
    /// The role that invokes it.
    pub account_assume_role_arn: String,
    /// What else there is.
    #[serde(flatten)]
    pub others: Others,
}

/// `AccountUpdateEnvironmentRolesDetails`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct AccountUpdateEnvironmentRolesDetails {
    /// The role that was equipped.
    #[serde(default)]
    pub environment_role_arn: MaybeNone<String>,
    /// What else there is.
    #[serde(flatten)]
    pub others: Others,
}

/// `AccountCleanEnvironmentRolesDetails`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct AccountCleanEnvironmentRolesDetails {
    /// The role that was cleaned.
    #[serde(default)]
    pub environment_role_arn: MaybeNone<String>,
    /// What else there is.
    #[serde(flatten)]
    pub others: Others,
}

/// `AccountAddLFTagEnvironmentDBsDetails`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountAddLfTagEnvironmentDbsDetails {
    /// The tag's key.
    #[serde(rename = "LFTagKey")]
    pub lf_tag_key: String,
    /// The tag's value.
    #[serde(rename = "LFTagValue")]
    pub lf_tag_value: String,
    /// The databases that were tagged.
    #[serde(rename = "EnvironmentDBNames", default)]
    pub environment_db_names: Vec<String>,
    /// What else there is.
    #[serde(flatten)]
    pub others: Others,
}
