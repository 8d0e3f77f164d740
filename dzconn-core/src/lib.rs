//! Turns an approved data subscription into real, least-privilege database access, and takes it away again.

pub mod catalog;
pub mod engine;
mod error;
pub mod model;
pub mod portal;
mod secret;
pub mod store;
mod time;
pub mod workflow;

pub use catalog::Catalog;
pub use engine::{EngineConnector, Engines, SourceEngine};
pub use error::{Changed, Error, ErrorKind, Result, Step, Subject};
pub use portal::Portal;
pub use secret::Secret;
pub use store::{CredentialStore, TrackingStore};
pub use time::{Deadline, Timestamp};
