//! What tracking holds. The documented attributes of the three tables, and our own beside them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::model::{
    AccountId, AssetId, AssetPath, DomainId, EnvironmentId, GenerationId, ListingId, Location, ProjectId, Region,
    SecretId, SecretName, SourceKey, TableName, TurnId, UserName, Wanted,
};

/// How many asset paths the source record lists itself. Beyond it the list is marked incomplete, so that the cost of a
/// grant does not grow with the number of assets; each asset's own item is authoritative.
pub const DATA_ASSETS_LIMIT: usize = 256;

/// The account and region in which something lives.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Owner {
    /// The account.
    pub account: AccountId,
    /// The region.
    pub region: Region,
}

/// Where a source record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// There is a user, or there is about to be one.
    Active,
    /// The last asset is being revoked: the user is about to go.
    Dropping,
    /// The user is gone; the consumer's side is still to be cleaned up.
    Retired,
}

/// One life of a user: from its first grant to its drop. Its names are recorded before anything is made, and never
/// computed again.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Generation {
    /// Random.
    pub id: GenerationId,
    /// The database user that the producer's secret names. While a turn is [`TurnStage::Ready`], it may name the spare already.
    pub user: UserName,
    /// The producer secret's name.
    pub secret: SecretName,
    /// The producer secret's address, once it has been made.
    pub secret_id: Option<SecretId>,
    /// The name of the consumer's copy.
    pub copy: SecretName,
    /// The other database user, from the moment when a first rotation intends to make it. Before the turn under way, or the last
    /// one, the producer's secret named it.
    #[serde(default)]
    pub spare: Option<UserName>,
    /// The rotation that is under way. None: the consumer's copy holds what `user` logs in with, or has not been made yet.
    #[serde(default)]
    pub turn: Option<Turn>,
}

/// A rotation that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Turn {
    /// Random; the version of the producer's secret that this rotation makes bears its digits.
    pub id: TurnId,
    /// How far it has come.
    pub stage: TurnStage,
}

/// How far a rotation has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TurnStage {
    /// The spare is being made, given its new password and granted what is settled. The producer's secret names the user.
    Preparing,
    /// The spare is as good as the user. The producer's secret names the one or the other.
    Ready,
    /// The two have swapped: the producer's secret names the user. The consumer's copy may still hold the spare.
    Delivering,
}

impl Generation {
    /// Every database user of this generation, the one that the record calls its user first.
    pub fn users(&self) -> impl Iterator<Item = &UserName> {
        std::iter::once(&self.user).chain(&self.spare)
    }

    /// How far the rotation under way has come.
    pub fn stage(&self) -> Option<TurnStage> {
        self.turn.map(|turn| turn.stage)
    }
}

/// A generation whose user is gone and whose copy and mapping may still be there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RetiredGeneration {
    /// Which.
    pub id: GenerationId,
    /// The producer secret's address; `None` if it was never known, in which case there is no mapping either.
    pub secret_id: Option<SecretId>,
    /// The name of the consumer's copy.
    pub copy: SecretName,
}

/// What is being done to a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OpenState {
    /// A grant is under way.
    Granting,
    /// A revoke is under way.
    Revoking,
}

/// A table that a run is working on. It stands in the source record; a settled one has an item of its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OpenEntry {
    /// What is being done.
    pub state: OpenState,
    /// The assets it is done for, with the paths under which they are published.
    pub assets: BTreeMap<AssetId, AssetPath>,
}

/// The source record: one for each (connection, environment).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SourceRecord {
    /// Which.
    pub key: SourceKey,
    /// The domain.
    pub domain: DomainId,
    /// The consumer's project.
    pub project: ProjectId,
    /// Where the source lives.
    pub owner: Owner,
    /// Where the record stands.
    pub phase: Phase,
    /// The living generation; none once the record is retired.
    pub generation: Option<Generation>,
    /// Paths that an older system has granted to this user. They are live, and have no [`EntryRecord`]: which assets they
    /// were granted for is not known. A run for one of them gives it one.
    #[serde(default)]
    pub older: BTreeSet<AssetPath>,
    /// How many tables are settled: granted or retained, each with an [`EntryRecord`].
    pub settled: u64,
    /// Tables that a run is working on, or was when it died.
    pub open: BTreeMap<TableName, OpenEntry>,
    /// Assets that were revoked and whose [`AssetRecord`] is still to be removed.
    pub revoked: BTreeSet<AssetId>,
    /// Generations whose copy and mapping are still to be removed.
    pub retired: BTreeSet<RetiredGeneration>,
    /// The paths of the settled assets, up to [`DATA_ASSETS_LIMIT`].
    pub data_assets: BTreeSet<AssetPath>,
    /// Whether `data_assets` lists all of them.
    pub data_assets_complete: bool,
    /// When it was last written.
    pub last_updated: Timestamp,
}

/// How one asset is published from a table.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Publication {
    /// The path in the catalogue.
    pub path: AssetPath,
    /// Whether access stays although the subscription has ended.
    pub retained: bool,
}

/// A settled table: the environment's user reads it. The privilege goes with the last asset.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EntryRecord {
    /// The source record it belongs to.
    pub key: SourceKey,
    /// The table.
    pub table: TableName,
    /// The generation that was granted.
    pub generation: GenerationId,
    /// The assets published from this table.
    pub assets: BTreeMap<AssetId, Publication>,
    /// Since when.
    pub since: Timestamp,
    /// When it was last written.
    pub last_updated: Timestamp,
}

/// Which copy belongs to which producer secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MappingRecord {
    /// The producer secret.
    pub shared_secret: SecretId,
    /// The generation both belong to.
    pub generation: GenerationId,
    /// The consumer's environment.
    pub environment: EnvironmentId,
    /// The consumer's project.
    pub project: ProjectId,
    /// The domain.
    pub domain: DomainId,
    /// Where the copy lives.
    pub owner: Owner,
    /// The copy's address.
    pub secret_id: SecretId,
    /// The copy's name.
    pub secret: SecretName,
    /// When it was last written.
    pub last_updated: Timestamp,
}

/// Where an asset was granted: a revoke goes there, whatever the catalogue says by then.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Place {
    /// The connection, the path as published, and where the connection lives.
    #[serde(flatten)]
    pub location: Location,
    /// The table that was granted.
    pub table: TableName,
}

/// One asset that one environment can read, and through which secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AssetRecord {
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
    /// The copy's address.
    pub secret_id: SecretId,
    /// The copy's name.
    pub secret: SecretName,
    /// Where it was granted; `None` in rows of an older system, which did not record it.
    pub place: Option<Place>,
    /// When it was last written.
    pub last_updated: Timestamp,
}

/// The portal's last answer for one asset and environment, for producers that may not ask it themselves.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct WantedRecord {
    /// The environment.
    pub environment: EnvironmentId,
    /// The asset.
    pub asset: AssetId,
    /// The answer.
    pub wanted: Wanted,
    /// When it was last written.
    pub last_updated: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As they were written before there were rotations.
    #[test]
    fn a_generation_without_a_second_user_is_read() {
        let id = "0".repeat(32);
        let older = format!(r#"{{"id":"{id}","user":"dz_e","secret":"p","secret_id":null,"copy":"c"}}"#);
        let mut generation: Generation = serde_json::from_str(&older).unwrap();
        assert_eq!((&generation.spare, generation.turn, generation.users().count()), (&None, None, 1));
        generation.spare = Some(UserName::new("dz_e_b").unwrap());
        generation.turn = Some(Turn { id: TurnId::from_bits(7), stage: TurnStage::Ready });
        let text = serde_json::to_string(&generation).unwrap();
        assert_eq!(serde_json::from_str::<Generation>(&text).unwrap(), generation);
    }
}
