//! The vocabulary: types that cannot hold nonsense.

mod asset;
mod credentials;
mod ids;
mod jdbc;
mod records;
mod source;
mod subscription;
mod user;

pub use asset::{AssetPath, TableName};
pub use credentials::{Credentials, SecretTags};
pub use ids::{
    AccountId, AssetId, ConnectionId, DomainId, EnvironmentId, GenerationId, ListingId, Principal, ProjectId, Region,
    SecretId, SecretName, SourceKey, SubscriptionId, TurnId, Version,
};
pub use jdbc::JdbcUrl;
pub use records::{
    AssetRecord, DATA_ASSETS_LIMIT, EntryRecord, Generation, MappingRecord, OpenEntry, OpenState, Owner, Phase, Place,
    Publication, RetiredGeneration, SourceRecord, Turn, TurnStage, WantedRecord,
};
pub use source::{AdminLogin, CaBundle, Source, SourceEndpoint, Target, Tls};
pub use subscription::{Asset, Consumer, Listing, Location, Subscription, Wanted};
pub use user::{UserName, UserNaming};
