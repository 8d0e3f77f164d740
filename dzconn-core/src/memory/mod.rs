//! Implementations of the ports that keep everything in memory and really behave: for tests, and for trying things out.

mod catalog;
mod credentials;
mod engine;
mod tracking;

pub use crate::bucket::MemoryBuckets;
pub use catalog::{MemoryCatalog, MemoryPortal};
pub use credentials::{MemoryCredentials, MemoryVault, VaultState};
pub use engine::{MemoryClient, MemoryDatabase, MemoryEngine, MemoryRead, MemorySessionId};
#[cfg(feature = "sqlite")]
pub(crate) use tracking::{Columns, KeyParts, check_shape};
pub use tracking::{MemoryTracking, TrackingState};
