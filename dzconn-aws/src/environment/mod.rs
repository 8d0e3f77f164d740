//! Environments: their user roles in IAM, and the Lake Formation tags of their databases, each in the environment's own account.
//!
//! The environment itself is looked up in [`datazone`](crate::datazone). What environments get is said in
//! [`Config::environments`](crate::Config::environments): the boundary, the policies and the tag must be there before the first
//! environment is equipped.
//!
//! What the role that works in the environment's account must be allowed:
//!
//! | service | what | on |
//! | --- | --- | --- |
//! | IAM | `GetRole`, `ListAttachedRolePolicies`, `PutRolePermissionsBoundary`, `AttachRolePolicy`, `DetachRolePolicy` | the environments' user roles, `datazone_usr_*`; best with the conditions `iam:PermissionsBoundary` (just the two boundaries) and `iam:PolicyARN` (just the policies) |
//! | Lake Formation | `GetResourceLFTags`, `AddLFTagsToResource`, `RemoveLFTagsFromResource`; and in Lake Formation itself `ASSOCIATE` on the tag and `DESCRIBE` on the databases, or to be an administrator | `*` |
//!
//! One environment costs two calls to IAM to look and one for each boundary and policy; and one to Lake Formation for each
//! database to look, and one to change it.

mod roles;
mod tags;
#[cfg(test)]
mod tests;

pub use roles::IamRoles;
pub use tags::LakeFormationTags;

use dzconn_core::environment::{Equipment, LakeTag};

use crate::config;

/// What environments get, by the configuration.
pub(crate) fn equipment(config: &config::Environments) -> Equipment {
    let config::Environments { boundary, default_boundary, policies, tag_key, tag_value } = config;
    let mut equipment = Equipment::new(boundary, default_boundary);
    equipment.policies.clone_from(policies);
    equipment.tag = (!tag_key.is_empty()).then(|| LakeTag { key: tag_key.clone(), value: tag_value.clone() });
    equipment
}
