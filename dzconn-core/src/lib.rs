//! Turns an approved data subscription into real, least-privilege database access, and takes it away again.

pub mod catalog;
pub mod engine;
mod error;
pub mod event;
pub mod fulfilment;
pub mod memory;
pub mod model;
pub mod password;
pub mod portal;
mod secret;
pub mod store;
#[cfg(feature = "testkit")]
pub mod testkit;
mod time;
pub mod workflow;

pub use catalog::Catalog;
pub use engine::{EngineConnector, Engines, SourceEngine};
pub use error::{Changed, Error, ErrorKind, Result, Step, Subject};
pub use fulfilment::Fulfilment;
pub use portal::Portal;
pub use secret::Secret;
pub use store::{CredentialStore, TrackingStore};
pub use time::{Deadline, Timestamp};
