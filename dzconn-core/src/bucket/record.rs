//! What tracking holds of buckets.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::place::{Bucket, Objects};
use super::policy::Allowed;
use super::{ObjectSubscription, policy};
use crate::Timestamp;
use crate::model::{
    Asset, AssetId, Consumer, DomainId, EnvironmentId, Listing, ListingId, Owner, Principal, ProjectId, SubscriptionId,
};
use crate::{Error, ErrorKind};

/// The asset of an environment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Claimant {
    /// The environment.
    pub environment: EnvironmentId,
    /// The asset.
    pub asset: AssetId,
}

impl fmt::Display for Claimant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.environment, self.asset)
    }
}

impl TryFrom<String> for Claimant {
    type Error = Error;

    fn try_from(text: String) -> crate::Result<Self> {
        // Neither id has a slash.
        let (environment, asset) = text
            .split_once('/')
            .ok_or_else(|| Error::new(ErrorKind::InvalidInput, format!("{text:?} is not ENVIRONMENT/ASSET")))?;
        Ok(Self { environment: environment.parse()?, asset: asset.parse()? })
    }
}

impl From<Claimant> for String {
    fn from(claimant: Claimant) -> Self {
        claimant.to_string()
    }
}

/// Who reads what of a bucket.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ObjectAccess {
    /// What is read.
    pub objects: Objects,
    /// Who reads it.
    pub principals: BTreeSet<Principal>,
}

/// What a run has set out to do.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OpenClaim {
    /// To grant this, in the place of what there is.
    Granting(ObjectAccess),
    /// To revoke what there is.
    Revoking,
}

/// What one asset of one environment has in a bucket's policy.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Claim {
    /// The domain, which says whose the statements are.
    pub domain: DomainId,
    /// What is there.
    pub has: Option<ObjectAccess>,
    /// What a run is at, or was when it died.
    pub open: Option<OpenClaim>,
}

/// All that the statements of ours in a bucket's policy are there for. It is authoritative: what the policy is to hold is what the
/// claims add up to. Its version is the lease: whoever has written it, with `leased`, works on the policy, as long as it is
/// the last to have written it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BucketRecord {
    /// The bucket.
    pub bucket: Bucket,
    /// The domains of all claims that there were while the record has been here.
    pub domains: BTreeSet<DomainId>,
    /// The claims.
    pub claims: BTreeMap<Claimant, Claim>,
    /// Since when a run works on the policy.
    pub leased: Option<Timestamp>,
    /// When it was last written.
    pub last_updated: Timestamp,
}

impl BucketRecord {
    /// Without a claim.
    #[must_use]
    pub const fn new(bucket: Bucket, now: Timestamp) -> Self {
        Self { bucket, domains: BTreeSet::new(), claims: BTreeMap::new(), leased: None, last_updated: now }
    }

    /// What the policy is to hold of ours, once nothing is open.
    #[must_use]
    pub fn allowed(&self) -> Allowed {
        let mut allowed: Allowed = self.domains.iter().map(|domain| (domain.clone(), policy::Rights::new())).collect();
        for claim in self.claims.values() {
            let rights = allowed.entry(claim.domain.clone()).or_default();
            if let Some(ObjectAccess { objects, principals }) = &claim.has {
                let reach = objects.reach();
                let each = |who: &Principal| reach.iter().map(|reach| (who.clone(), reach.clone())).collect::<Vec<_>>();
                rights.extend(principals.iter().flat_map(each));
            }
        }
        allowed
    }

    /// Takes these rights out of what the claims have, with the principal whose they are: a principal that has been deleted has none.
    /// Whether there was any.
    pub(super) fn take_out(&mut self, gone: &Allowed) -> bool {
        let mut any = false;
        for claim in self.claims.values_mut() {
            let (Some(access), Some(gone)) = (&mut claim.has, gone.get(&claim.domain)) else { continue };
            let (before, reach) = (access.principals.len(), access.objects.reach());
            access.principals.retain(|who| !gone.iter().any(|(gone, what)| gone == who && reach.contains(what)));
            any |= access.principals.len() < before;
        }
        any
    }

    /// The record once nothing is open: what was to be revoked is gone, and what was to be granted is not there. It is what
    /// becomes of the work of dead runs: a grant that nobody repeats is not approved by anybody who is still here.
    #[must_use]
    pub fn settled(&self) -> Self {
        let mut settled = self.clone();
        for claim in settled.claims.values_mut() {
            if claim.open.take() == Some(OpenClaim::Revoking) {
                claim.has = None;
            }
        }
        settled.claims.retain(|_, claim| claim.has.is_some());
        settled.leased = None;
        settled
    }
}

/// How access to objects stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectState {
    /// A run is about to give it, or has died doing so.
    Granting,
    /// It is there.
    Granted,
    /// It is there, although the subscription has ended.
    Retained,
    /// A run is about to take it back, or has died doing so.
    Revoking,
}

impl ObjectState {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Granting => "granting",
            Self::Granted => "granted",
            Self::Retained => "retained",
            Self::Revoking => "revoking",
        }
    }
}

/// One collection of objects that one environment can read. It is written before the policy is, and goes after the access
/// has gone, in one transaction with the bucket's record: so there never is access without a row.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ObjectRecord {
    /// The environment.
    pub environment: EnvironmentId,
    /// The asset.
    pub asset: AssetId,
    /// Its revision.
    pub revision: String,
    /// Its type.
    pub asset_type: String,
    /// The consumer's project.
    pub project: ProjectId,
    /// The domain.
    pub domain: DomainId,
    /// The listing.
    pub listing: ListingId,
    /// The listing's name.
    pub listing_name: String,
    /// The listing's revision.
    pub listing_revision: String,
    /// Where the consumer lives.
    pub owner: Owner,
    /// What is read, and by whom.
    #[serde(flatten)]
    pub access: ObjectAccess,
    /// How it stands.
    pub state: ObjectState,
    /// Since when.
    pub since: Timestamp,
    /// When it was last written.
    pub last_updated: Timestamp,
}

impl ObjectRecord {
    /// The row of a subscription.
    #[must_use]
    pub fn of(subscription: &ObjectSubscription, state: ObjectState, now: Timestamp) -> Self {
        let ObjectSubscription { domain, consumer, asset, listing, access, .. } = subscription.clone();
        Self {
            environment: consumer.environment,
            asset: asset.id,
            revision: asset.revision,
            asset_type: asset.asset_type,
            project: consumer.project,
            domain,
            listing: listing.id,
            listing_name: listing.name,
            listing_revision: listing.revision,
            owner: consumer.owner,
            access,
            state,
            since: now,
            last_updated: now,
        }
    }

    /// What tracking has of a subscription.
    #[must_use]
    pub fn subscription(self, subscription: Option<SubscriptionId>, event: Option<String>) -> ObjectSubscription {
        ObjectSubscription {
            domain: self.domain,
            consumer: Consumer { project: self.project, environment: self.environment, owner: self.owner },
            asset: Asset { id: self.asset, revision: self.revision, asset_type: self.asset_type },
            listing: Listing { id: self.listing, name: self.listing_name, revision: self.listing_revision },
            access: self.access,
            subscription,
            event,
        }
    }

    /// Whose it is.
    #[must_use]
    pub fn claimant(&self) -> Claimant {
        Claimant { environment: self.environment.clone(), asset: self.asset.clone() }
    }
}
