//! Secrets Manager: credential stores.
//!
//! A secret is written as AWS's own tools read it, encrypted with the account's own key, and tagged: with `dzconn:managed` =
//! `true`, and with whose it is. The name says under which keys, because dzconn's names begin with the side they are for:
//!
//! - `dz-conn-c-...`, a consumer's copy: `AmazonDataZoneDomain`, `AmazonDataZoneProject`, `AmazonDataZoneEnvironment`, by which
//!   the policy of an environment's role lets it read the secret;
//! - any other, such as `dz-conn-p-...`: `dzconn:domain`, `dzconn:project`, `dzconn:environment`. With the former keys, an
//!   environment's role could read a producer's secret where both sides live in one account.
//!
//! # Calls
//! What each operation costs, in calls to Secrets Manager:
//!
//! | operation | calls |
//! | --- | --- |
//! | `read`, `read_shared` | 1; 2 if the secret is being deleted |
//! | `inspect` | 2: the value does not tell whether another version is pending |
//! | `create` | 1; 2 if something is there already; 2 if the name is burnt |
//! | `replace` | 2: there is no conditional write of a value, only of a label; 3 in a conflict |
//! | `propose` | 1; 2 if the version is there already |
//! | `promote` | 2; 3 if the current one was moved by somebody else |
//! | `share` | 2; 1 if it is shared so already; 0 if this process saw that within five minutes |
//! | `burn` | 1; 2 if the deletion of a burnt one is refused; 3 if nothing is there |
//! | `names` | 1 for each 100 secrets |

mod admin;
mod arn;
mod policy;
mod propose;
mod read;
mod share;
mod stores;
#[cfg(test)]
mod tests;
mod write;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use aws_sdk_secretsmanager::Client;
use dzconn_core::model::{Credentials, Owner, Principal, SecretId, SecretName};
use dzconn_core::store::{CredentialStore, NewSecret, SecretVersion, Slot, WriteOutcome};
use dzconn_core::{Error, ErrorKind, Result};

use crate::config;

pub(crate) use admin::admin_secret;
pub use stores::SecretsManagerStores;

const SERVICE: &str = "Secrets Manager";

/// The version that is in force ("Concepts: Version" of the user guide).
const CURRENT: &str = "AWSCURRENT";
/// The version that was in force before it.
const PREVIOUS: &str = "AWSPREVIOUS";
/// The version that a rotation is about to bring into force.
const PENDING: &str = "AWSPENDING";

// Codes, as "Errors" of each operation in the API reference lists them.
/// There is no such secret, or no such version of it.
const NOT_FOUND: &str = "ResourceNotFoundException";
/// The secret is scheduled for deletion, or not in a state for this.
const INVALID_REQUEST: &str = "InvalidRequestException";
/// A parameter does not fit: for labels, the label is not where it is to be removed from.
const INVALID_PARAMETER: &str = "InvalidParameterException";
/// The name is taken.
const EXISTS: &str = "ResourceExistsException";
/// The key cannot encrypt.
const CANNOT_ENCRYPT: &str = "EncryptionFailure";
/// The policy cannot be used; most often, a principal in it does not exist.
const MALFORMED_POLICY: &str = "MalformedPolicyDocumentException";
/// The policy lets everybody in.
const PUBLIC_POLICY: &str = "PublicPolicyException";

/// The secrets of one account and region, as one role sees them.
///
/// What it may do there: `secretsmanager:GetSecretValue`, `DescribeSecret`, `CreateSecret`, `TagResource`, `PutSecretValue`,
/// `UpdateSecretVersionStage`, `GetResourcePolicy`, `PutResourcePolicy`, `DeleteResourcePolicy` and `DeleteSecret`; to
/// reconcile, `ListSecrets`; and with the key, `kms:GenerateDataKey` and `kms:Decrypt`. It never restores a secret and never deletes one for good.
pub struct SecretsManager {
    client: Client,
    owner: Owner,
    kms_key: String,
    /// Tags beside our own.
    tags: BTreeMap<String, String>,
    recovery_window: i64,
    /// Clients for secrets of other regions that were shared with this account.
    elsewhere: Mutex<HashMap<String, Client>>,
    shares: share::Shares,
}

impl fmt::Debug for SecretsManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretsManager").field("owner", &self.owner).finish_non_exhaustive()
    }
}

impl SecretsManager {
    /// The secrets that this client sees. The owner is the client's account and region.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] if the recovery window is not 7 to 30 days, as "`DeleteSecret`" of the API reference wants it.
    /// Without a window a burnt name would be free again at once, and what is still under way could make a secret there.
    pub fn new(client: Client, owner: Owner, settings: &config::Secrets) -> Result<Self> {
        let days = settings.recovery_window_days;
        if !(7..=30).contains(&days) {
            return Err(Error::new(
                ErrorKind::InvalidConfig,
                format!("a recovery window of {days} days: Secrets Manager has 7 to 30"),
            ));
        }
        Ok(Self {
            client,
            owner,
            kms_key: settings.kms_key.clone(),
            tags: settings.tags.clone(),
            recovery_window: days.into(),
            elsewhere: Mutex::default(),
            shares: share::Shares::default(),
        })
    }

    /// The client for a region: with the same credentials and settings otherwise.
    fn client_in(&self, region: &str) -> Client {
        if region == self.owner.region.as_str() {
            return self.client.clone();
        }
        let mut clients = self.elsewhere.lock().unwrap_or_else(PoisonError::into_inner);
        clients.entry(region.to_owned()).or_insert_with(|| in_region(&self.client, region)).clone()
    }
}

fn in_region(client: &Client, region: &str) -> Client {
    let region = aws_sdk_secretsmanager::config::Region::new(region.to_owned());
    Client::from_conf(client.config().to_builder().region(region).build())
}

#[async_trait]
impl CredentialStore for SecretsManager {
    async fn read(&self, name: &SecretName) -> Result<Slot> {
        self.read_slot(name).await
    }

    async fn inspect(&self, name: &SecretName) -> Result<Slot> {
        self.inspect_slot(name).await
    }

    async fn read_shared(&self, id: &SecretId) -> Result<Slot> {
        self.read_by_arn(id).await
    }

    async fn create(&self, name: &SecretName, secret: &NewSecret) -> Result<Slot> {
        self.create_secret(name, secret).await
    }

    async fn replace(&self, name: &SecretName, seen: &SecretVersion, secret: &NewSecret) -> Result<WriteOutcome> {
        self.replace_value(name, seen, secret).await
    }

    async fn propose(&self, name: &SecretName, version: &SecretVersion, value: &Credentials) -> Result<Slot> {
        self.propose_version(name, version, value).await
    }

    async fn promote(&self, name: &SecretName, seen: &SecretVersion, version: &SecretVersion) -> Result<WriteOutcome> {
        self.promote_version(name, seen, version).await
    }

    async fn share(&self, name: &SecretName, readers: &[Principal]) -> Result<()> {
        self.share_secret(name, readers).await
    }

    async fn burn(&self, name: &SecretName) -> Result<()> {
        self.burn_name(name).await
    }

    async fn names(&self, prefix: &str) -> Result<Vec<SecretName>> {
        self.list_names(prefix).await
    }
}
