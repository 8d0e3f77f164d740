//! Who may read a secret.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use dzconn_core::model::{Principal, SecretName};
use dzconn_core::{Error, ErrorKind, Result};
use tokio::sync::{Mutex, MutexGuard};

use super::arn::SecretArn;
use super::policy::{self, Plan};
use super::{INVALID_REQUEST, MALFORMED_POLICY, NOT_FOUND, PUBLIC_POLICY, SERVICE, SecretsManager};
use crate::error::{code_of, from_sdk};

/// How long a policy that was seen to be right is taken to be right. Within it, somebody may have changed it by hand, or deleted
/// and made again the role that it names; a later run finds that.
const REMEMBERED: Duration = Duration::from_secs(300);
/// How many secrets of one stripe are remembered.
const STRIPE: usize = 64;
const STRIPES: usize = 32;

/// The shares that this process has seen to be in place. A stripe is held for as long as a policy is being read and written, so
/// that what is remembered of a secret is what was written last.
#[derive(Debug, Default)]
pub(super) struct Shares {
    hash: RandomState,
    /// One, and the others.
    stripes: (Mutex<Stripe>, [Mutex<Stripe>; STRIPES - 1]),
}

#[derive(Debug, Default)]
pub(super) struct Stripe(HashMap<SecretName, (BTreeSet<Principal>, Instant)>);

impl Shares {
    pub(super) async fn of(&self, name: &SecretName) -> MutexGuard<'_, Stripe> {
        let [low, ..] = self.hash.hash_one(name).to_le_bytes();
        let (first, rest) = &self.stripes;
        rest.get(usize::from(low) % STRIPES).unwrap_or(first).lock().await
    }
}

impl Stripe {
    fn remembers(&self, name: &SecretName, readers: &BTreeSet<Principal>, now: Instant) -> bool {
        self.0.get(name).is_some_and(|(seen, at)| seen == readers && now.duration_since(*at) < REMEMBERED)
    }

    fn remember(&mut self, name: &SecretName, readers: BTreeSet<Principal>, now: Instant) {
        if self.0.len() >= STRIPE {
            self.0.retain(|_, (_, at)| now.duration_since(*at) < REMEMBERED);
        }
        if self.0.len() >= STRIPE {
            self.0.clear();
        }
        self.0.insert(name.clone(), (readers, now));
    }

    pub(super) fn forget(&mut self, name: &SecretName) {
        self.0.remove(name);
    }
}

impl SecretsManager {
    /// Policies have no compare-and-set. Runs for one secret follow one another, by the source's lock; somebody who edits a
    /// policy by hand at the same moment may lose the edit.
    pub(super) async fn share_secret(&self, name: &SecretName, readers: &[Principal]) -> Result<()> {
        let readers: BTreeSet<Principal> = readers.iter().cloned().collect();
        let mut stripe = self.shares.of(name).await;
        if stripe.remembers(name, &readers, Instant::now()) {
            return Ok(());
        }
        // Should this be given up half way, nothing is known any more.
        stripe.forget(name);

        let answer = match self.client.get_resource_policy().secret_id(name.as_str()).send().await {
            Ok(answer) => answer,
            Err(error) => {
                let code = code_of(&error).map(str::to_owned);
                let told = from_sdk(SERVICE, &format!("GetResourcePolicy of {name}"), error);
                return Err(self.gone_or(name, code.as_deref(), told).await);
            }
        };
        let arn = answer.arn().unwrap_or_default();
        match policy::plan(answer.resource_policy(), &SecretArn::parse(arn)?.root(), &readers)
            .map_err(|error| error.of(name))?
        {
            Plan::Keep => {}
            Plan::Put(policy) => self.put_policy(name, policy, &readers).await?,
            Plan::Remove => {
                if let Err(error) = self.client.delete_resource_policy().secret_id(name.as_str()).send().await {
                    let code = code_of(&error).map(str::to_owned);
                    let told = from_sdk(SERVICE, &format!("DeleteResourcePolicy of {name}"), error);
                    return Err(self.gone_or(name, code.as_deref(), told).await);
                }
            }
        }
        stripe.remember(name, readers, Instant::now());
        Ok(())
    }

    async fn put_policy(&self, name: &SecretName, policy: String, readers: &BTreeSet<Principal>) -> Result<()> {
        let call = self.client.put_resource_policy().secret_id(name.as_str()).resource_policy(policy);
        let Err(error) = call.block_public_policy(true).send().await else { return Ok(()) };
        let code = code_of(&error).map(str::to_owned);
        let told = from_sdk(SERVICE, &format!("PutResourcePolicy of {name}"), error);
        let wrong = |code: &str, what: String, advice: &str| {
            Error::new(ErrorKind::InvalidConfig, what).vendor(format!("{SERVICE} {code}")).advise(advice)
        };
        Err(match code.as_deref() {
            Some(code @ MALFORMED_POLICY) => {
                let readers: Vec<&str> = readers.iter().map(Principal::as_str).collect();
                wrong(
                    code,
                    format!(
                        "{name} cannot be shared with {}: a role that its policy names does not exist",
                        readers.join(", ")
                    ),
                    "create the role that reads secrets in the consumer's account, or configure the one that does; if it exists, another statement of the policy names a role that is gone",
                )
            }
            Some(code @ PUBLIC_POLICY) => wrong(
                code,
                format!("{name} cannot be shared: with the statements that others put there, everybody could read it"),
                "take those statements out of the secret's resource policy",
            ),
            code => self.gone_or(name, code, told).await,
        })
    }

    /// Of a call that needs a live secret: that there is none, or what it answered.
    async fn gone_or(&self, name: &SecretName, code: Option<&str>, told: Error) -> Error {
        let gone = || {
            Error::new(ErrorKind::SecretGone, format!("there is no secret {name}"))
                .vendor(format!("{SERVICE} {}", code.unwrap_or_default()))
        };
        match code {
            Some(NOT_FOUND) => gone(),
            Some(INVALID_REQUEST) => match self.burnt_or(&self.client, name.as_str(), told).await {
                Ok(_) => gone(),
                Err(error) => error,
            },
            _ => told,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_bounded_and_passes() {
        let mut stripe = Stripe::default();
        let name = |n: usize| SecretName::new(format!("n{n}")).unwrap();
        let readers = |role: &str| BTreeSet::from([Principal::new(role).unwrap()]);
        let now = Instant::now();
        for n in 0..STRIPE * 3 {
            stripe.remember(&name(n), readers("a"), now);
            assert!(stripe.remembers(&name(n), &readers("a"), now));
            assert!(stripe.0.len() <= STRIPE);
        }
        stripe.remember(&name(0), readers("a"), now);
        assert!(!stripe.remembers(&name(0), &readers("b"), now));
        assert!(!stripe.remembers(&name(0), &BTreeSet::new(), now));
        assert!(!stripe.remembers(&name(0), &readers("a"), now + REMEMBERED));
        stripe.forget(&name(0));
        assert!(!stripe.remembers(&name(0), &readers("a"), now));
    }
}
