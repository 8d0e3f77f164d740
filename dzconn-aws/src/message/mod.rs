//! What the steps of the workflows tell each other: JSON objects that state machines accumulate, member by member.
//!
//! Names are those that deployed state machines and dashboards read. Booleans travel as `"true"` and `"false"`
//! ([`TextBool`]), and what does not apply as `"None"` ([`MaybeNone`]), since Choice states compare text. Reading is lenient:
//! booleans and numbers that are not in quotes, `null` and missing members are taken too. What is not known here is kept
//! ([`Others`]) and written again, since a state machine may add members of its own.
//!
//! No message holds a password, nor lets one through: [`ConnectionProperties`] and [`Others`] leave out what is named like
//! a credential and text that holds a login, when they are made and when they are read.

mod connection;
mod consumer;
mod environment;
mod event;
mod executions;
mod producer;
mod subscription;
#[cfg(test)]
mod tests;
mod text;
mod told;

pub use connection::{ConnectionDetails, ConnectionProperties};
pub use consumer::{
    ConsumerGrantDetails, ConsumerRevokeDetails, CopySubscriptionSecretDetails, DeleteSubscriptionSecretDetails,
    SubscriptionRecordDetails,
};
pub use environment::{
    AccountAddLfTagEnvironmentDbsDetails, AccountCleanEnvironmentRolesDetails, AccountUpdateEnvironmentRolesDetails,
    EnvironmentActiveResources, EnvironmentDeletingResources, EnvironmentDetails,
};
pub use event::{
    EnvironmentEventData, EnvironmentEventDetails, EventAsset, EventMetadata, EventTarget, GrantStatus,
    SubscriptionEventData, SubscriptionEventDetails,
};
pub use executions::{
    ConsumerGrantExecution, ConsumerRevokeExecution, EnvironmentActiveExecution, EnvironmentDeletingExecution,
    GrantExecution, ProducerGrantExecution, ProducerRevokeExecution, RevokeExecution,
};
pub use producer::{
    DeleteKeepSubscriptionSecretDetails, GrantSubscriptionDetails, ProducerGrantDetails, ProducerRevokeDetails,
    RevokeSubscriptionDetails, ShareSubscriptionSecretDetails,
};
pub use subscription::{
    AssetDetails, ConsumerNames, ConsumerProjectDetails, GlueTableDetails, ListingDetails, ProducerProjectDetails,
    SubscriptionDetails, SubscriptionResources,
};
pub use text::{MaybeNone, Others, TextBool, TextNumber};
