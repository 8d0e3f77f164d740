//! Bucket policies in memory.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{Bucket, BucketPolicies};
use crate::model::Principal;
use crate::{Error, ErrorKind, Result, Step};

/// Buckets with their policies, in memory. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct MemoryBuckets(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    buckets: BTreeMap<Bucket, Option<String>>,
    /// What reads still show, and how often, after a write.
    lag: usize,
    old: BTreeMap<Bucket, VecDeque<Option<String>>>,
    writes: usize,
    /// Principals that have been deleted.
    deleted: BTreeSet<Principal>,
}

impl MemoryBuckets {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a bucket, or gives it another policy, past everybody.
    pub fn set(&self, bucket: Bucket, policy: Option<&str>) {
        self.state().buckets.insert(bucket, policy.map(str::to_owned));
    }

    /// Deletes a bucket.
    pub fn remove(&self, bucket: &Bucket) {
        self.state().buckets.remove(bucket);
    }

    /// What a bucket's policy is.
    pub fn policy(&self, bucket: &Bucket) -> Option<String> {
        self.state().buckets.get(bucket).cloned().flatten()
    }

    /// After each write from now on, so many reads still show what was there before.
    pub fn set_lag(&self, reads: usize) {
        self.state().lag = reads;
    }

    /// How often a policy was written or removed.
    pub fn writes(&self) -> usize {
        self.state().writes
    }

    /// Deletes a role or user: policies have an id in its place, and none is taken that names it.
    pub fn delete_principal(&self, principal: &Principal) {
        let mut state = self.state();
        state.deleted.insert(principal.clone());
        let (name, id) = (format!("\"{principal}\""), format!("\"AROA{:017}\"", state.deleted.len()));
        for policy in state.buckets.values_mut().flatten() {
            *policy = policy.replace(&name, &id);
        }
    }

    /// Makes a role or user again. It is another one of that name: where the first was named, the id stays.
    pub fn create_principal(&self, principal: &Principal) {
        self.state().deleted.remove(principal);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, bucket: &Bucket, policy: Option<String>) -> Result<()> {
        let mut state = self.state();
        let lag = state.lag;
        let before = state.buckets.insert(bucket.clone(), policy);
        let Some(before) = before else {
            state.buckets.remove(bucket);
            return Err(missing(bucket));
        };
        state.writes += 1;
        state.old.insert(bucket.clone(), std::iter::repeat_n(before, lag).collect());
        Ok(())
    }
}

#[async_trait]
impl BucketPolicies for MemoryBuckets {
    async fn read(&self, bucket: &Bucket) -> Result<Option<String>> {
        let mut state = self.state();
        let now = state.buckets.get(bucket).cloned().ok_or_else(|| missing(bucket))?;
        Ok(state.old.get_mut(bucket).and_then(VecDeque::pop_front).unwrap_or(now))
    }

    async fn put(&self, bucket: &Bucket, policy: &str) -> Result<()> {
        if policy.len() > super::policy::LIMIT {
            return Err(Error::new(ErrorKind::InvalidInput, "the policy is too long").at(Step::BucketPolicy));
        }
        if let Some(gone) = self.state().deleted.iter().find(|who| policy.contains(&format!("\"{who}\""))) {
            let what = format!("the policy names {gone}, who is not there");
            return Err(Error::new(ErrorKind::InvalidInput, what).at(Step::BucketPolicy));
        }
        self.write(bucket, Some(policy.to_owned()))
    }

    async fn delete(&self, bucket: &Bucket) -> Result<()> {
        self.write(bucket, None)
    }
}

fn missing(bucket: &Bucket) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no bucket {bucket}")).at(Step::BucketPolicy)
}
