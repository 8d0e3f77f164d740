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
//! | IAM | `GetRole`, `ListAttachedRolePolicies` | the environments' user roles: `role/datazone_usr_*`, and `role/*/datazone_usr_*` for those with a path |
//! | IAM | `PutRolePermissionsBoundary`; best with the condition `iam:PermissionsBoundary`: just the two boundaries | the same |
//! | IAM | `AttachRolePolicy`, `DetachRolePolicy`; best with the condition `iam:PolicyARN`: just the policies | the same |
//! | Lake Formation | `GetResourceLFTags`, `AddLFTagsToResource`, `RemoveLFTagsFromResource` | `*` |
//! | Glue | `GetDatabase` | the environments' databases |
//!
//! `iam:PermissionsBoundary` does not belong on `AttachRolePolicy` and `DetachRolePolicy`: there it is about the boundary that the
//! role has, so that a role without one could not be cleaned.
//!
//! Beside that, in Lake Formation itself the role must be an administrator; or have `ASSOCIATE` on the tag, and on the databases
//! `SUPER`, or `DESCRIBE`, `CREATE_TABLE`, `ALTER` and `DROP`, each with the grant option. A tag that a role may not see is not shown to
//! it; so a cleaning removes the tag also where it sees none.
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
