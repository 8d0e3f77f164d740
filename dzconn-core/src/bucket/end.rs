//! The end of an installation, in its buckets.

use std::collections::BTreeSet;

use super::Bucket;
use super::lease::tracking;
use super::look::words;
use super::policy::Policy;
use super::record::OpenClaim;
use super::run::Worker;
use crate::fulfilment::System;
use crate::model::DomainId;
use crate::store::{Change, Key, Record, Transaction, WriteOutcome};
use crate::workflow::Fresh as _;
use crate::{Deadline, ErrorKind, Result, Step, Timestamp};

impl Worker {
    /// Finishes what dead runs have left in a bucket, and takes back the claims that no row speaks of.
    pub(crate) async fn end(&self, bucket: &Bucket) -> Result<()> {
        self.tidy(bucket).await?;
        let marking = self.mark(bucket);
        let marked = Deadline::within(self.settings.deadline).run("looking for what has no row", marking).await;
        if marked.map_err(|error| error.on_asset(bucket))? {
            self.tidy(bucket).await?;
        }
        Ok(())
    }

    /// Marks claims without a row as about to be revoked: whoever comes next for the bucket revokes them.
    async fn mark(&self, bucket: &Bucket) -> Result<bool> {
        let found = self.tracking.read(&[Key::Bucket(bucket.clone())]).await.map_err(tracking)?;
        let Some(stored) = found.into_iter().flatten().next() else { return Ok(false) };
        let expect = stored.expect();
        let Record::Bucket(mut record) = stored.record else { return Ok(false) };
        // Whoever holds the lease writes record and rows together: what it makes of them is seen by the last look.
        if record.leased.is_some() {
            return Ok(false);
        }
        let mut marked = false;
        for (claimant, claim) in &mut record.claims {
            let row = self.row(claimant).await.map_err(tracking)?;
            if row.is_none_or(|(_, row)| row.access.objects.bucket() != bucket) {
                claim.open = Some(OpenClaim::Revoking);
                record.domains.insert(claim.domain.clone());
                marked = true;
            }
        }
        if !marked {
            return Ok(false);
        }
        record.last_updated = Timestamp::now();
        // A row that was written meanwhile was written with the record, which is then not this one any more.
        let changes = vec![Change::put(expect, System.version(), Record::Bucket(record))];
        let outcome = self.tracking.commit(&Transaction { changes }).await.map_err(tracking)?;
        Ok(outcome == WriteOutcome::Written)
    }

    /// What statements with the names of these domains' still allow in a bucket, and those of them that somebody has edited.
    pub(crate) async fn remains(
        &self,
        bucket: &Bucket,
        domains: &BTreeSet<DomainId>,
    ) -> Result<(Vec<String>, Vec<String>)> {
        let reading = self.policies.read(bucket);
        let text = match Deadline::within(self.settings.deadline).run("reading the policy", reading).await {
            Ok(text) => text,
            // With the bucket all has gone.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok((Vec::new(), Vec::new())),
            Err(error) => return Err(error.at(Step::BucketPolicy)),
        };
        let policy = Policy::parse(bucket, text.as_deref())?;
        let (mut allowed, mut edited) = (Vec::new(), Vec::new());
        for domain in domains {
            allowed.extend(words(&policy.rights(domain)));
            edited.extend(policy.edited(domain));
        }
        Ok((allowed, edited))
    }
}
