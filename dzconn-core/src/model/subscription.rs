//! One environment's part of an approved subscription.

use serde::{Deserialize, Serialize};

use crate::model::{
    AccountId, AssetId, AssetPath, AssetRecord, ConnectionId, DomainId, EnvironmentId, ListingId, Owner, ProjectId,
    Region, SourceKey, SubscriptionId,
};

/// What is to be the case for one asset and one environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    /// Access is approved now.
    Grant,
    /// The subscription has ended, but access that is there stays.
    Retain,
    /// There is no approved subscription.
    Revoke,
}

/// Who is to read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Consumer {
    /// The subscribing project.
    pub project: ProjectId,
    /// The environment that gets the access.
    pub environment: EnvironmentId,
    /// The account and region in which the environment lives.
    pub owner: Owner,
}

/// What is to be read, as published.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Asset {
    /// The asset.
    pub id: AssetId,
    /// Its revision.
    pub revision: String,
    /// Its type, such as `GlueTableAssetType`.
    pub asset_type: String,
}

/// The asset's entry in the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Listing {
    /// The listing.
    pub id: ListingId,
    /// Its name.
    pub name: String,
    /// Its revision.
    pub revision: String,
}

/// Where the asset's table is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Location {
    /// The connection.
    pub connection: ConnectionId,
    /// The path inside the source.
    pub path: AssetPath,
    /// The account and region in which the connection lives.
    pub owner: Owner,
}

/// One environment's part of a subscription: who is to read what, and where it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Subscription {
    /// The domain.
    pub domain: DomainId,
    /// Who is to read.
    pub consumer: Consumer,
    /// What is to be read.
    pub asset: Asset,
    /// Its entry in the catalogue.
    pub listing: Listing,
    /// Where it is.
    pub location: Location,
    /// The subscription that asked for it, where one did.
    pub subscription: Option<SubscriptionId>,
    /// The event that asked for it, for the audit trail.
    pub event: Option<String>,
}

impl Subscription {
    /// The connection and environment: what user, secret and lock belong to.
    #[must_use]
    pub fn key(&self) -> SourceKey {
        SourceKey { connection: self.location.connection.clone(), environment: self.consumer.environment.clone() }
    }
}

impl AssetRecord {
    /// What tracking has of a subscription, at this place.
    #[must_use]
    pub fn at(self, location: Location) -> Subscription {
        Subscription {
            domain: self.domain,
            consumer: Consumer { project: self.project, environment: self.environment, owner: self.owner },
            asset: Asset { id: self.asset, revision: self.revision, asset_type: self.asset_type },
            listing: Listing { id: self.listing, name: self.listing_name, revision: self.listing_revision },
            location,
            subscription: None,
            event: None,
        }
    }
}

impl Owner {
    /// An account and a region.
    #[must_use]
    pub const fn new(account: AccountId, region: Region) -> Self {
        Self { account, region }
    }
}
