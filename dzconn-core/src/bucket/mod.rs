//! Subscriptions to objects in S3: statements in a bucket's policy.
//!
//! An asset names a bucket, or objects of it ([`Objects`]), and the environment's subscription targets name who reads: IAM roles
//! and users. Granting lets just those list and read just that, by statements of ours in the bucket's policy; revoking
//! takes exactly that away. Others' statements stay as they are and where they are. A bucket without a policy gets one, and when
//! its last statement goes, the policy goes.
//!
//! Several subscriptions may need the same: two assets below one prefix, two environments with one role. What the policy is to
//! hold is therefore never computed from the policy, but from tracking: the bucket's record ([`BucketRecord`]) has all claims, and
//! what they add up to is what is written ([`policy`]).
//!
//! S3 takes a policy as a whole, without a condition: the last to write wins. So runs for one bucket follow one another, in
//! whatever process they are:
//!
//! 1. A run takes the lease: it writes the bucket's record over just the version that it has read, with a mark that somebody is at
//!    work. Whoever finds the mark waits until it is gone; or until the record has not changed for as long as a lease lasts
//!    ([`Settings::bucket_lease`](crate::fulfilment::Settings::bucket_lease)), and takes over.
//! 2. It asks the portal, as every run does under its lock.
//! 3. It looks at the policy, and at what would become of it: what cannot be written is refused here.
//! 4. It records what it is about to do, in the bucket's record and in the environment's row.
//! 5. It writes the policy, and reads it back until it shows.
//! 6. It records that it is done, over the version that it has written itself. If somebody has taken over meanwhile, it begins again.
//!
//! A run that dies leaves the record as it was at its last step, and whoever comes next for that bucket puts the policy right first:
//! a revoke that was begun is finished, a grant that was begun is taken back (unless it is what the next run is for).

mod audit;
mod end;
mod lease;
mod look;
mod memory;
mod place;
pub mod policy;
mod record;
mod run;

use std::collections::BTreeSet;
use std::fmt::Debug;

use async_trait::async_trait;

use crate::Result;
use crate::model::{Asset, Consumer, DomainId, Listing, Principal, SubscriptionId};
use crate::portal::{Question, Wanted};

pub use audit::EFFECTS;
pub use look::ObjectPlan;
pub(crate) use look::{look, mend};
pub use memory::MemoryBuckets;
pub use place::{Bucket, Objects, Reach};
pub use record::{BucketRecord, Claim, Claimant, ObjectAccess, ObjectRecord, ObjectState, OpenClaim};
pub(crate) use run::{Errand, Worker};

/// One environment's part of a subscription to objects: who is to read what.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ObjectSubscription {
    /// The domain.
    pub domain: DomainId,
    /// Who is to read.
    pub consumer: Consumer,
    /// What is to be read.
    pub asset: Asset,
    /// Its entry in the catalogue.
    pub listing: Listing,
    /// Where it is, and by which principals it is read.
    pub access: ObjectAccess,
    /// The subscription that asked for it, where one did.
    pub subscription: Option<SubscriptionId>,
    /// The event that asked for it, for the audit trail.
    pub event: Option<String>,
}

impl ObjectSubscription {
    /// What the bucket's record has it under.
    #[must_use]
    pub fn claimant(&self) -> Claimant {
        Claimant { environment: self.consumer.environment.clone(), asset: self.asset.id.clone() }
    }

    /// Whether this is wanted, where a run was told so.
    #[must_use]
    pub fn question(&self, told: Wanted) -> Question {
        Question {
            domain: self.domain.clone(),
            project: self.consumer.project.clone(),
            environment: self.consumer.environment.clone(),
            listing: self.listing.id.clone(),
            asset: self.asset.id.clone(),
            subscription: self.subscription.clone(),
            told,
        }
    }
}

/// What was brought about for one environment and one collection of objects.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ObjectOutcome {
    /// The principals read the objects.
    Granted(GrantedObjects),
    /// The subscription has ended, and access stays, as it says.
    Retained(GrantedObjects),
    /// No statement of ours lets the environment's principals read the objects for this subscription.
    Revoked(RevokedObjects),
    /// What was asked for is not what the portal wants by now. Nothing is left to do.
    Superseded,
}

/// Access that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GrantedObjects {
    /// What is read, and by whom.
    pub access: ObjectAccess,
    /// Whether the policy had to be changed.
    pub changed: bool,
}

/// Access that is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RevokedObjects {
    /// What was read, and by whom; `None` if there was nothing.
    pub access: Option<ObjectAccess>,
    /// Whether the policy had to be changed. It has not where other subscriptions need the same.
    pub changed: bool,
    /// The bucket's policy lets one of the principals read some of it all the same, by another subscription: to the same objects, or
    /// to more or fewer of them.
    pub shared: bool,
    /// The statements of others that may let one of the principals read, by `Sid` or number.
    pub others: Vec<String>,
}

/// The policies of buckets, in whatever account each of them is.
///
/// # Contract
/// A policy is a whole: whoever writes last wins. What was written may take a moment to show.
#[async_trait]
pub trait BucketPolicies: Debug + Send + Sync {
    /// The policy's text; `None` if the bucket has none.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is no such bucket,
    /// [`ErrorKind::StoreDenied`](crate::ErrorKind::StoreDenied) if we may not look.
    async fn read(&self, bucket: &Bucket) -> Result<Option<String>>;

    /// Puts a policy in the place of what there is. Repeating it changes nothing.
    ///
    /// # Errors
    /// As of [`read`](Self::read), and [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if the policy is refused: it may name
    /// somebody who is not there. After an error that is not retryable the policy is as it was; after one that is, it is not
    /// known, and it may change yet.
    async fn put(&self, bucket: &Bucket, policy: &str) -> Result<()>;

    /// Removes the policy. Repeating it changes nothing.
    ///
    /// # Errors
    /// As of [`put`](Self::put).
    async fn delete(&self, bucket: &Bucket) -> Result<()>;
}

/// Whether a principal is one that a bucket's policy may name for us: an IAM role or user. `*`, an account, a service or a session
/// would be somebody else, or everybody.
#[must_use]
pub fn is_role_or_user(principal: &Principal) -> bool {
    let parts: Vec<_> = principal.as_str().splitn(6, ':').collect();
    let &["arn", partition, "iam", "", account, name] = parts.as_slice() else { return false };
    let is_account = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
    let named = name.strip_prefix("role/").or_else(|| name.strip_prefix("user/"));
    !partition.is_empty() && is_account && named.is_some_and(|name| !name.is_empty() && !name.contains(['*', '?']))
}

/// Those of a subscription's principals that may not be named.
pub(crate) fn unfit(principals: &BTreeSet<Principal>) -> Vec<&str> {
    principals.iter().filter(|one| !is_role_or_user(one)).map(Principal::as_str).collect()
}
