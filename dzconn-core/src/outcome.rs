//! What a grant or revoke has brought about.

use crate::engine::Reads;
use crate::model::{Credentials, SecretId, SecretName, TableName, UserName};

/// What was brought about for one environment and one asset.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The environment reads the table.
    Granted(Granted),
    /// The subscription has ended, and access stays, as it says.
    Retained(Granted),
    /// dzconn's privilege on the table is gone.
    Revoked(Revoked),
    /// What was asked for is not what the portal wants by now, or another run has undone it already. Nothing is left to do.
    Superseded,
}

/// Access that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Granted {
    /// The table.
    pub table: TableName,
    /// The database user.
    pub user: UserName,
    /// The consumer's secret.
    pub secret: SecretName,
    /// Its address.
    pub secret_id: SecretId,
    /// What it holds.
    pub credentials: Credentials,
    /// Whether the user was made just now.
    pub new_user: bool,
    /// Whether anything had to be done.
    pub changed: bool,
    /// What a user that was made just now can do beyond what dzconn granted: what PUBLIC gives, what somebody else granted.
    /// It is looked for only then.
    pub excess: Vec<String>,
}

/// Access that is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Revoked {
    /// The table, if there was one.
    pub table: Option<TableName>,
    /// Whether anything had to be done.
    pub changed: bool,
    /// Whether it was the last table, so that the user and its secrets went too.
    pub dropped: bool,
    /// Whether the user can still read the table, by ways that are not dzconn's.
    pub reads: Reads,
}
