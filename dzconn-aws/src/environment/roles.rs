//! User roles in IAM.

use async_trait::async_trait;
use aws_sdk_iam::Client;
use dzconn_core::environment::{EnvironmentRoles, RoleState};
use dzconn_core::model::{Owner, Principal};
use dzconn_core::{Changed, Error, ErrorKind, Result};

use crate::Accounts;
use crate::error::{code_of, from_sdk};

/// IAM, "Errors" of each operation: what is named is not there.
const NO_SUCH: &str = "NoSuchEntity";

/// The user roles of environments, in IAM. Clones share their clients.
#[derive(Clone, Debug)]
pub struct IamRoles {
    accounts: Accounts,
}

impl IamRoles {
    /// In these accounts. Nothing is called yet.
    #[must_use]
    pub const fn new(accounts: Accounts) -> Self {
        Self { accounts }
    }

    async fn client(&self, owner: &Owner) -> Client {
        self.accounts.clients(owner).await.iam
    }
}

/// A role's name: what IAM's operations take. In `arn:aws:iam::1:role/service-role/name` it is the last part, and the rest is
/// its path ("IAM identifiers", IAM User Guide).
///
/// # Errors
/// [`ErrorKind::Refused`] if it is no role, or one of another account: the ARN is the portal's word, and a role of the same name
/// may be somebody else's here.
pub(super) fn name_of<'a>(owner: &Owner, role: &'a Principal) -> Result<&'a str> {
    let refused = |what: &str| {
        Error::new(ErrorKind::Refused, format!("{role} is {what}"))
            .advise("look at the environment's userRoleArn in the portal")
            .changed(Changed::Nothing)
    };
    let parts: Vec<_> = role.as_str().splitn(6, ':').collect();
    let &["arn", _, "iam", _, account, rest] = parts.as_slice() else { return Err(refused("not the ARN of a role")) };
    let name = rest.strip_prefix("role/").and_then(|path| path.rsplit('/').next()).filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| refused("not the ARN of a role"))?;
    if account != owner.account.as_str() {
        return Err(refused(&format!("not a role of the environment's account {}", owner.account)));
    }
    Ok(name)
}

fn missing(error: Error, what: &str) -> Error {
    if error.kind() != ErrorKind::NotFound {
        return error;
    }
    error.advise(format!("deploy what {what} in that account, or correct its name in the configuration (environments)"))
}

#[async_trait]
impl EnvironmentRoles for IamRoles {
    async fn read(&self, owner: &Owner, role: &Principal) -> Result<Option<RoleState>> {
        let name = name_of(owner, role)?;
        let iam = self.client(owner).await;
        let role = match iam.get_role().role_name(name).send().await {
            Ok(answer) => answer.role,
            Err(error) if code_of(&error) == Some(NO_SUCH) => return Ok(None),
            Err(error) => return Err(from_sdk("IAM", "GetRole", error)),
        };
        let boundary = role.and_then(|role| role.permissions_boundary?.permissions_boundary_arn);
        let mut state = RoleState { boundary, ..RoleState::default() };
        let mut pages = iam.list_attached_role_policies().role_name(name).into_paginator().send();
        while let Some(page) = pages.next().await {
            match page {
                Ok(page) => {
                    let arns = page.attached_policies.into_iter().flatten().filter_map(|policy| policy.policy_arn);
                    state.policies.extend(arns);
                }
                Err(error) if code_of(&error) == Some(NO_SUCH) => return Ok(None),
                Err(error) => return Err(from_sdk("IAM", "ListAttachedRolePolicies", error)),
            }
        }
        Ok(Some(state))
    }

    async fn set_boundary(&self, owner: &Owner, role: &Principal, boundary: &str) -> Result<()> {
        let call = self.client(owner).await.put_role_permissions_boundary().role_name(name_of(owner, role)?);
        let done = call.permissions_boundary(boundary).send().await;
        done.map(drop).map_err(|error| {
            missing(from_sdk("IAM", "PutRolePermissionsBoundary", error), &format!("makes the boundary {boundary}"))
        })
    }

    async fn attach(&self, owner: &Owner, role: &Principal, policy: &str) -> Result<()> {
        let call = self.client(owner).await.attach_role_policy().role_name(name_of(owner, role)?);
        let done = call.policy_arn(policy).send().await;
        done.map(drop)
            .map_err(|error| missing(from_sdk("IAM", "AttachRolePolicy", error), &format!("makes the policy {policy}")))
    }

    async fn detach(&self, owner: &Owner, role: &Principal, policy: &str) -> Result<()> {
        let call = self.client(owner).await.detach_role_policy().role_name(name_of(owner, role)?);
        match call.policy_arn(policy).send().await {
            Ok(_) => Ok(()),
            Err(error) if code_of(&error) == Some(NO_SUCH) => Ok(()),
            Err(error) => Err(from_sdk("IAM", "DetachRolePolicy", error)),
        }
    }
}
