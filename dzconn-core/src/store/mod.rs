//! Where secrets and tracking records are kept.

mod credentials;
mod tracking;

pub(crate) use credentials::OneStore;
pub use credentials::{CredentialStore, CredentialStores, NewSecret, SecretVersion, Slot, StoredSecret};
pub use tracking::{
    Change, Cursor, Expect, Key, Page, Query, Record, Stored, TrackingStore, Transaction, Write, WriteOutcome,
};
