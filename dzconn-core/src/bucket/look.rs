//! Looking at buckets: what a run would do, and what is not as the records say.

use std::collections::BTreeSet;

use super::lease::{is_dead, row_key};
use super::policy::{Policy, Rights};
use super::record::{BucketRecord, Claim, Claimant, ObjectAccess, ObjectRecord, ObjectState};
use super::{Bucket, ObjectSubscription, Worker};
use crate::model::Principal;
use crate::portal::Wanted;
use crate::reconcile::{Finding, Mend, Mended, Problem, Scope, by_hand};
use crate::store::{Expect, Key, Query, Record, Stored};
use crate::{Changed, Deadline, Error, ErrorKind, Fulfilment, Result, Step, Timestamp};

/// What a run would make of a bucket's policy.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObjectPlan {
    /// The bucket.
    pub bucket: Bucket,
    /// What the portal wants.
    pub wanted: Wanted,
    /// The policy as it is; `None` if there is none.
    pub before: Option<String>,
    /// The policy as it would be.
    pub after: Option<String>,
    /// Who may do what by then and not yet.
    pub allowed: Vec<String>,
    /// Who may do what and not any more by then.
    pub taken_back: Vec<String>,
}

impl Worker {
    /// What a run would do now.
    pub(crate) async fn plan(&self, subscription: &ObjectSubscription, wish: Wanted) -> Result<ObjectPlan> {
        let planning = self.sketch(subscription, wish);
        Deadline::within(self.settings.deadline).run("the plan", planning).await.map_err(|error| {
            error
                .changed(Changed::Nothing)
                .on_asset(&subscription.access.objects)
                .for_environment(&subscription.consumer.environment)
        })
    }

    async fn sketch(&self, subscription: &ObjectSubscription, wish: Wanted) -> Result<ObjectPlan> {
        let wanted = match self.portal.wanted(&subscription.question(wish)).await {
            Err(error) => return Err(error.at(Step::Ask)),
            Ok(wanted) => wanted,
        };
        let mine = subscription.claimant();
        let row = self.row(&mine).await?;
        // What is taken back is taken back where it was granted.
        let place = row.filter(|_| wanted != Wanted::Grant).map(|(_, row)| row.access.objects.bucket().clone());
        let bucket = place.unwrap_or_else(|| subscription.access.objects.bucket().clone());
        let record = self.record(&bucket).await?;
        let record = record.unwrap_or_else(|| BucketRecord::new(bucket.clone(), Timestamp::default()));
        let mut target = record.settled();
        target.domains.insert(subscription.domain.clone());
        let had = target.claims.remove(&mine);
        let access = match wanted {
            Wanted::Grant => Some(subscription.access.clone()),
            Wanted::Retain => had.and_then(|claim| claim.has),
            Wanted::Revoke => None,
        };
        let living: BTreeSet<_> = access.iter().flat_map(|access| access.principals.clone()).collect();
        if let Some(has) = access {
            target.claims.insert(mine, Claim { domain: subscription.domain.clone(), has: Some(has), open: None });
        }
        let before = self.policies.read(&bucket).await.map_err(|error| error.at(Step::BucketPolicy))?;
        let policy = Policy::parse(&bucket, before.as_deref())?;
        let target = policy.without_deleted(target.allowed(), &living);
        let next = policy.with(&target)?;
        if wanted == Wanted::Grant && next != policy {
            policy.leaves_room(&target)?;
        }
        let (mut allowed, mut taken_back) = (Vec::new(), Vec::new());
        for (domain, rights) in &target {
            let there = policy.rights(domain);
            allowed.extend(words(rights.difference(&there)));
            taken_back.extend(words(there.difference(rights)));
        }
        let after = if next == policy { before.clone() } else { next.text() };
        Ok(ObjectPlan { bucket, wanted, before, after, allowed, taken_back })
    }

    pub(super) async fn row(&self, claimant: &Claimant) -> Result<Option<(Expect, ObjectRecord)>> {
        let found = self.tracking.read(&[row_key(claimant)]).await?;
        Ok(found.into_iter().flatten().find_map(|stored| {
            let expect = stored.expect();
            if let Record::Objects(row) = stored.record { Some((expect, row)) } else { None }
        }))
    }

    async fn record(&self, bucket: &Bucket) -> Result<Option<BucketRecord>> {
        let found = self.tracking.read(&[Key::Bucket(bucket.clone())]).await?;
        Ok(found.into_iter().flatten().find_map(|stored| match stored.record {
            Record::Bucket(record) => Some(record),
            _ => None,
        }))
    }

    async fn all(&self, query: &Query, findings: &mut Vec<Finding>) -> Result<Vec<Stored>> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = self.tracking.list(query, after.as_ref()).await?;
            for stored in page.records {
                match stored {
                    Ok(stored) => all.push(stored),
                    Err(error) => findings.push(finding(
                        None,
                        Problem::Unreadable,
                        error.to_string(),
                        Mend::ByHand("compare the record with a backup, and correct it".to_owned()),
                    )),
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(all),
            }
        }
    }
}

/// Compares what tracking has of buckets with their policies, and with what the portal wants.
///
/// # Errors
/// Only that tracking cannot be read.
pub(crate) async fn look(fulfilment: &Fulfilment, scope: &Scope) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    // Buckets are behind no connection.
    let (Ok(worker), None) = (fulfilment.worker(), &scope.connection) else { return Ok(findings) };
    let is_ours = |claimant: &Claimant| scope.environment.as_ref().is_none_or(|only| *only == claimant.environment);
    for stored in worker.all(&Query::Buckets, &mut findings).await? {
        let Record::Bucket(record) = stored.record else { continue };
        if scope.environment.is_none() || record.claims.keys().any(is_ours) {
            let looking = Deadline::within(worker.settings.deadline)
                .run("looking at the bucket", of_bucket(worker, &record, scope));
            match looking.await {
                Ok(found) => findings.extend(found),
                Err(error) => findings.push(cannot_tell(&record.bucket, &error)),
            }
        }
    }
    for stored in worker.all(&Query::Objects(scope.environment.clone()), &mut findings).await? {
        let expect = stored.expect();
        let Record::Objects(row) = stored.record else { continue };
        let (bucket, claimant) = (row.access.objects.bucket().clone(), row.claimant());
        // Both at one instant: they are written together.
        let now = worker.tracking.read(&[Key::Bucket(bucket), row_key(&claimant)]).await?;
        let claimed = now.iter().flatten().any(|stored| match &stored.record {
            Record::Bucket(record) => record.claims.contains_key(&claimant),
            _ => false,
        });
        let same = now.iter().flatten().any(|stored| matches!(&stored.record, Record::Objects(now) if *now == row));
        if same && !claimed {
            let detail = format!(
                "{} is recorded for {}, and the bucket's record does not have it",
                row.access.objects, row.asset
            );
            findings.push(finding(
                Some(&claimant),
                Problem::RowWithoutGrant,
                detail,
                Mend::Forget(row_key(&claimant), expect),
            ));
        }
    }
    Ok(findings)
}

async fn of_bucket(worker: &Worker, record: &BucketRecord, scope: &Scope) -> Result<Vec<Finding>> {
    let bucket = &record.bucket;
    let is_ours = |claimant: &Claimant| scope.environment.as_ref().is_none_or(|only| *only == claimant.environment);
    let mut findings = Vec::new();
    if let Some(since) = record.leased
        && !is_dead(since, Timestamp::now(), &worker.settings)
    {
        findings.push(finding(
            None,
            Problem::UnderWay,
            format!("a run has worked on the policy of {bucket} since {since}"),
            Mend::Nothing,
        ));
        return Ok(findings);
    }
    if record.leased.is_some() {
        let detail = format!("a run died while it worked on the policy of {bucket}");
        findings.push(finding(None, Problem::HalfDone, detail, Mend::Bucket(bucket.clone())));
    }
    for (claimant, claim) in record.claims.iter().filter(|(claimant, _)| is_ours(claimant)) {
        if claim.open.is_some() {
            let detail = format!("what was begun for {} in {bucket} was not finished", claimant.asset);
            findings.push(finding(Some(claimant), Problem::HalfDone, detail, Mend::Bucket(bucket.clone())));
        }
        wanted(worker, bucket, claimant, claim, &mut findings).await?;
    }
    let policy = match worker.policies.read(bucket).await.and_then(|text| Policy::parse(bucket, text.as_deref())) {
        Ok(policy) => policy,
        Err(error) => {
            findings.push(cannot_tell(bucket, &error));
            return Ok(findings);
        }
    };
    compare(record, &policy, &is_ours, &mut findings);
    Ok(findings)
}

/// Whether the portal wants what is there, and whether there is a row.
async fn wanted(
    worker: &Worker,
    bucket: &Bucket,
    claimant: &Claimant,
    claim: &Claim,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let Some(access) = &claim.has else { return Ok(()) };
    let row = worker.row(claimant).await?.map(|(_, row)| row).filter(|row| row.access.objects.bucket() == bucket);
    let Some(row) = row else {
        let detail = format!("{} is granted for {}, and there is no row of it", access.objects, claimant.asset);
        let how = "restore the row from a backup, or grant the asset once more".to_owned();
        findings.push(finding(Some(claimant), Problem::Row, detail, Mend::ByHand(how)));
        return Ok(());
    };
    let lost: Vec<_> = row.access.principals.difference(&access.principals).map(Principal::as_str).collect();
    if claim.open.is_none() && !lost.is_empty() {
        findings.push(deleted(bucket, claimant, &lost));
    }
    let told = if row.state == ObjectState::Retained { Wanted::Retain } else { Wanted::Grant };
    let subscription = row.subscription(None, None);
    let answer = match worker.portal.wanted(&subscription.question(told)).await {
        Err(error) if error.kind() == ErrorKind::Refused => Ok(Wanted::Revoke),
        answer => answer,
    };
    let (detail, mend) = match answer {
        Ok(wanted) if wanted == told => return Ok(()),
        Ok(wanted) => {
            let what = match wanted {
                Wanted::Grant => "approves it again",
                Wanted::Retain => "wants it kept only",
                Wanted::Revoke => "does not want it any more",
            };
            (format!("the portal {what}: {}", access.objects), Mend::Objects(Box::new(subscription), wanted))
        }
        Err(error) => {
            findings.push(cannot_tell(bucket, &error));
            return Ok(());
        }
    };
    findings.push(finding(Some(claimant), Problem::NotWanted, detail, mend));
    Ok(())
}

fn compare(record: &BucketRecord, policy: &Policy, is_ours: &dyn Fn(&Claimant) -> bool, findings: &mut Vec<Finding>) {
    let bucket = &record.bucket;
    let settled = record.settled();
    let all = settled.allowed();
    let living = policy.without_deleted(all.clone(), &BTreeSet::new());
    for (claimant, claim) in settled.claims.iter().filter(|(claimant, _)| is_ours(claimant)) {
        let there = policy.rights(&claim.domain);
        let none = Rights::new();
        let alive = living.get(&claim.domain).unwrap_or(&none);
        let needs: Rights = claim.has.iter().flat_map(rights).collect();
        let missing: Vec<_> = needs.iter().filter(|right| alive.contains(right) && !there.contains(right)).collect();
        if !missing.is_empty() {
            let detail = format!("the policy of {bucket} lacks {}", words(missing).join(", "));
            findings.push(finding(Some(claimant), Problem::GrantMissing, detail, Mend::Bucket(bucket.clone())));
        }
        let gone: BTreeSet<_> =
            needs.iter().filter(|right| !alive.contains(right)).map(|(who, _)| who.as_str()).collect();
        if !gone.is_empty() {
            findings.push(deleted(bucket, claimant, &gone.into_iter().collect::<Vec<_>>()));
        }
    }
    for (domain, rights) in &living {
        let there = policy.rights(domain);
        let extra: Vec<_> = there.difference(rights).collect();
        if !extra.is_empty() {
            let detail = format!(
                "statements of dzconn's in the policy of {bucket} allow {} without a record",
                words(extra).join(", ")
            );
            findings.push(finding(None, Problem::GrantExtra, detail, Mend::Bucket(bucket.clone())));
        }
        for sid in policy.edited(domain) {
            let detail = format!(
                "somebody has edited the statement {sid} in the policy of {bucket}: it is not touched any more"
            );
            let how = format!("remove the statement {sid}, or give it another Sid if it is to stay");
            findings.push(finding(None, Problem::Excess, detail, Mend::ByHand(how)));
        }
    }
}

fn deleted(bucket: &Bucket, claimant: &Claimant, who: &[&str]) -> Finding {
    let detail = format!("{} had access to {bucket} and has been deleted", who.join(", "));
    let how = "end the subscription; or make the role again, and then grant the asset once more".to_owned();
    finding(Some(claimant), Problem::UserMissing, detail, Mend::ByHand(how))
}

fn rights(access: &ObjectAccess) -> Rights {
    let reach = access.objects.reach();
    access.principals.iter().flat_map(|who| reach.iter().map(|reach| (who.clone(), reach.clone()))).collect()
}

pub(super) fn words<'a>(rights: impl IntoIterator<Item = &'a (crate::model::Principal, super::Reach)>) -> Vec<String> {
    rights.into_iter().map(|(who, reach)| format!("{who}: {reach}")).collect()
}

fn finding(claimant: Option<&Claimant>, problem: Problem, detail: String, mend: Mend) -> Finding {
    Finding { connection: None, environment: claimant.map(|of| of.environment.clone()), problem, detail, mend }
}

fn cannot_tell(bucket: &Bucket, error: &Error) -> Finding {
    finding(None, Problem::CannotTell, format!("{bucket} could not be looked at: {error}"), by_hand(error))
}

/// Mends what was found in a bucket's policy: puts it right, by the records as they are by then.
pub(crate) async fn mend(fulfilment: &Fulfilment, bucket: &Bucket) -> Result<Mended> {
    fulfilment.worker()?.tidy(bucket).await.map(|_| Mended::Done)
}
