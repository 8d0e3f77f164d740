//! What an installation leaves in buckets.

use std::collections::{BTreeMap, BTreeSet};

use super::{Kind, Remnant};
use crate::Fulfilment;
use crate::bucket::{Bucket, BucketRecord, ObjectRecord};
use crate::model::DomainId;

/// The buckets that records speak of, each with the domains whose statements may be there.
#[derive(Debug, Default)]
pub(super) struct Buckets(BTreeMap<Bucket, BTreeSet<DomainId>>);

impl Buckets {
    /// Remembers what these say: when all is done, no record speaks of them any more.
    pub(super) fn remember(&mut self, rows: &[ObjectRecord], records: &[BucketRecord]) {
        for row in rows {
            self.0.entry(row.access.objects.bucket().clone()).or_default().insert(row.domain.clone());
        }
        for record in records {
            let domains = self.0.entry(record.bucket.clone()).or_default();
            domains.extend(record.domains.iter().cloned());
            domains.extend(record.claims.values().map(|claim| claim.domain.clone()));
        }
    }

    /// The statements that are in their policies now.
    pub(super) async fn left(&self, fulfilment: &Fulfilment, why: &str) -> Vec<Remnant> {
        let mut left = Vec::new();
        let remnant = |kind, what: String, why: &str| Remnant { kind, environment: None, what, why: why.to_owned() };
        for (bucket, domains) in &self.0 {
            let found = match fulfilment.worker() {
                Ok(worker) => worker.remains(bucket, domains).await,
                Err(error) => Err(error),
            };
            match found {
                Ok((allowed, edited)) => {
                    let what = |allows| format!("in the policy of {bucket}, of dzconn's: {allows}");
                    left.extend(allowed.into_iter().map(|allows| remnant(Kind::Statement, what(allows), why)));
                    let what =
                        |sid| format!("the statement {sid} in the policy of {bucket}, which somebody has edited");
                    let why = "it is not touched: remove it, or give it another Sid if it is to stay";
                    left.extend(edited.into_iter().map(|sid| remnant(Kind::Statement, what(sid), why)));
                }
                Err(error) => {
                    let what = format!("which statements are left in the policy of {bucket}");
                    left.push(remnant(Kind::Unknown, what, &error.to_string()));
                }
            }
        }
        left
    }
}
