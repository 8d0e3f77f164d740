//! The audit trail of bucket policies.

use std::collections::BTreeSet;
use std::time::Duration;

use super::policy::{Allowed, Policy, Rights};
use super::{Bucket, ObjectSubscription};
use crate::audit::TARGET;
use crate::model::SubscriptionId;
use crate::{Error, Result};

/// The names of effects on buckets.
pub const EFFECTS: [&str; 2] = ["put_policy", "delete_policy"];

/// A write of a policy has come to its end.
pub(super) fn wrote(
    bucket: &Bucket,
    subscription: Option<&ObjectSubscription>,
    (before, after): (&Policy, &Policy),
    allowed: &Allowed,
    result: &Result<()>,
    elapsed: Duration,
) {
    let [put, delete] = EFFECTS;
    let (mut added, mut removed) = (Vec::new(), Vec::new());
    for (domain, wanted) in allowed {
        let there = before.rights(domain);
        added.extend(words(wanted, &there));
        removed.extend(words(&there, wanted));
    }
    let text = |words: Vec<String>| (!words.is_empty()).then(|| words.join(", "));
    tracing::info!(
        target: TARGET,
        part = "bucket",
        effect = if after.text().is_some() { put } else { delete },
        outcome = if result.is_ok() { "done" } else { "failed" },
        error = result.as_ref().err().map(|error| format!("{:?}", error.kind())),
        vendor = result.as_ref().err().and_then(Error::vendor_code),
        elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
        bucket = bucket.arn(),
        allowed = text(added),
        taken_back = text(removed),
        domain = subscription.map(|of| of.domain.as_str()),
        project = subscription.map(|of| of.consumer.project.as_str()),
        environment = subscription.map(|of| of.consumer.environment.as_str()),
        account = subscription.map(|of| of.consumer.owner.account.as_str()),
        asset = subscription.map(|of| of.asset.id.as_str()),
        listing = subscription.map(|of| of.listing.id.as_str()),
        subscription = subscription.and_then(|of| of.subscription.as_ref()).map(SubscriptionId::as_str),
        event = subscription.and_then(|of| of.event.as_deref()),
    );
}

/// What one has and the other has not.
fn words(one: &Rights, other: &Rights) -> BTreeSet<String> {
    one.difference(other).map(|(principal, reach)| format!("{principal}: {reach}")).collect()
}
