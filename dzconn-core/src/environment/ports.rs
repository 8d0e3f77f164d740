//! What the workflow works on.

use std::fmt::Debug;

use async_trait::async_trait;

use super::equipment::{LakeTag, RoleState};
use crate::Result;
use crate::model::{DomainId, EnvironmentId, Owner, Principal, ProjectId};

/// Where an environment stands in its life.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// It is being made.
    Coming,
    /// It is there.
    Active,
    /// It is being deleted, or was to be and could not.
    Ending,
    /// Neither: it never came up, or it is suspended. In the portal's own word.
    Resting(String),
}

/// What the portal says of an environment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Environment {
    /// The domain.
    pub domain: DomainId,
    /// The environment.
    pub id: EnvironmentId,
    /// Its name.
    pub name: String,
    /// Its project.
    pub project: ProjectId,
    /// The account and region in which it lives, once it does.
    pub owner: Option<Owner>,
    /// Where it stands.
    pub stage: Stage,
    /// Why its role and databases are none of dzconn's business, if so: it is of a blueprint that is not configured.
    pub foreign: Option<String>,
    /// Its user role, once there is one.
    pub role: Option<Principal>,
    /// Its Glue databases, as far as there are any.
    pub databases: Vec<String>,
}

/// Where environments are looked up.
#[async_trait]
pub trait EnvironmentPortal: Debug + Send + Sync {
    /// An environment as it is now; `None` if there is none, or not any more.
    ///
    /// # Errors
    /// Retryable kinds when the portal cannot be asked.
    async fn environment(&self, domain: &DomainId, id: &EnvironmentId) -> Result<Option<Environment>>;

    /// The environments of a domain, of any blueprint and stage, each once. What was made or deleted a moment ago may or may not
    /// show.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is no such domain; retryable kinds when the portal cannot be
    /// asked.
    async fn environments(&self, domain: &DomainId) -> Result<Vec<EnvironmentId>>;
}

/// The user roles of environments, in the environments' accounts.
///
/// # Contract
/// Every call may be repeated, and leaves what one call leaves. What a call does not name stays as it is. [`read`](Self::read) may be
/// some seconds behind the calls that change something.
#[async_trait]
pub trait EnvironmentRoles: Debug + Send + Sync {
    /// What a role has; `None` if there is no such role.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`](crate::ErrorKind::Refused) if it is no role of that account.
    async fn read(&self, owner: &Owner, role: &Principal) -> Result<Option<RoleState>>;

    /// Sets the permissions boundary, in place of the one that is there: at no moment is there none.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is no such role, or no such policy; nothing was changed.
    async fn set_boundary(&self, owner: &Owner, role: &Principal, boundary: &str) -> Result<()>;

    /// Attaches a policy.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is no such role, or no such policy.
    /// [`ErrorKind::LimitReached`](crate::ErrorKind::LimitReached) if the role has as many as it may have.
    async fn attach(&self, owner: &Owner, role: &Principal, policy: &str) -> Result<()>;

    /// Detaches a policy. One that is not attached, or not there, and a role that is not there are fine.
    async fn detach(&self, owner: &Owner, role: &Principal, policy: &str) -> Result<()>;
}

/// What a database has of a tag.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Tagged {
    /// There is no such database.
    Gone,
    /// The value that stands on the database itself, if there is one.
    Is(Option<String>),
}

/// The Lake Formation tags of Glue databases, in the environments' accounts.
///
/// # Contract
/// Every call may be repeated, and leaves what one call leaves. Other tags of the database stay as they are.
#[async_trait]
pub trait LakeTags: Debug + Send + Sync {
    /// The value of a tag on a database.
    async fn read(&self, owner: &Owner, database: &str, key: &str) -> Result<Tagged>;

    /// Gives a database the tag.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is no such database, or no such tag with this value.
    async fn assign(&self, owner: &Owner, database: &str, tag: &LakeTag) -> Result<()>;

    /// Takes the tag, if it has this value, from a database. One that has not got it, or is not there, is fine.
    async fn remove(&self, owner: &Owner, database: &str, tag: &LakeTag) -> Result<()>;
}
