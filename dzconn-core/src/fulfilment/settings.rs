//! What can be set.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::Result;
use crate::model::{AccountId, Principal, Subscription, UserNaming};

/// How a [`Fulfilment`](super::Fulfilment) behaves. The defaults suit a service or a Lambda function.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// How long one grant or revoke may take in all; 60 seconds by default. Past it the run ends with
    /// [`ErrorKind::Timeout`](crate::ErrorKind::Timeout), and the next run for the same environment and source finishes or undoes it.
    pub deadline: Duration,
    /// How long a run waits for another one that holds the source's lock; 20 seconds by default.
    pub lock_wait: Duration,
    /// For how long a run may work on a bucket's policy until another may take over; 15 seconds by default. After a crash the next
    /// run for that bucket waits so long.
    pub bucket_lease: Duration,
    /// How many runs have an admin session on one source at once, at most; 4 by default. Each also logs in once as its user,
    /// and one idle session is kept for the next run.
    pub sessions_per_source: usize,
    /// How often a run tries again what is retryable, in all; 8 times by default.
    pub retries: u32,
    /// The longest pause before the first retry; it doubles with each, up to 3 seconds, and how much of it is waited is left
    /// to chance. 50 milliseconds by default; with zero there is no pause at all.
    pub backoff: Duration,
    /// How new users are named.
    pub user_naming: UserNaming,
    /// Who reads a shared secret: a role's ARN with `{account}` in place of the consumer's account. `None` where producer and
    /// consumer use the same store under the same identity.
    pub reader: Option<String>,
    /// Who reads a shared secret in an account where it is another than `reader` says.
    pub reader_in: BTreeMap<AccountId, Principal>,
    /// Whether the reader is named also where producer and consumer are in one account, in which its own policies may let it
    /// read without that; true by default.
    pub share_within_account: bool,
    /// That the host itself never runs two for the same (connection, environment) at once. Sources that cannot hold a lock
    /// (Galera, multi-primary replication) are refused otherwise.
    pub host_serialises: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(60),
            lock_wait: Duration::from_secs(20),
            bucket_lease: Duration::from_secs(15),
            sessions_per_source: 4,
            retries: 8,
            backoff: Duration::from_millis(50),
            user_naming: UserNaming::default(),
            reader: None,
            reader_in: BTreeMap::new(),
            share_within_account: true,
            host_serialises: false,
        }
    }
}

impl Settings {
    /// What is wrong with them, if anything: one sentence each.
    pub(crate) fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        if self.deadline.is_zero() {
            mistakes.push("deadline is zero".to_owned());
        }
        if self.lock_wait > self.deadline {
            mistakes.push("lock_wait is longer than deadline".to_owned());
        }
        if self.bucket_lease.is_zero() {
            mistakes.push("bucket_lease is zero".to_owned());
        }
        if self.sessions_per_source == 0 {
            mistakes.push("sessions_per_source is zero".to_owned());
        }
        if self.reader.as_ref().is_some_and(|reader| !reader.contains("{account}")) {
            mistakes.push("reader has no {account} in it".to_owned());
        }
        mistakes
    }

    pub(crate) fn readers(&self, subscription: &Subscription) -> Result<Vec<Principal>> {
        let Subscription { consumer, location, .. } = subscription;
        let account = &consumer.owner.account;
        if *account == location.owner.account && !self.share_within_account {
            return Ok(Vec::new());
        }
        if let Some(reader) = self.reader_in.get(account) {
            return Ok(vec![reader.clone()]);
        }
        self.reader.iter().map(|reader| Principal::new(reader.replace("{account}", account.as_str()))).collect()
    }
}
