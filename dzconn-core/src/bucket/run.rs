//! One run: brings the claims of one environment's asset, and with them the bucket's policy, to where they belong.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use super::lease::{Held, object_row, row_key, tracking};
use super::policy::{Allowed, Policy, Rights};
use super::record::{BucketRecord, Claim, Claimant, ObjectAccess, ObjectRecord, ObjectState, OpenClaim};
use super::{
    Bucket, BucketPolicies, GrantedObjects, ObjectOutcome, ObjectSubscription, Reach, RevokedObjects, audit, unfit,
};
use crate::fulfilment::{Settings, System};
use crate::model::{DomainId, Principal};
use crate::portal::Wanted;
use crate::store::{Expect, Record, Stored};
use crate::workflow::Fresh as _;
use crate::{Changed, Deadline, Error, ErrorKind, Portal, Result, Step, TrackingStore};

/// How long it is waited before a policy that does not show is read again. S3 says of a bucket's configuration only that it is
/// consistent in the end ("Amazon S3 data consistency model", S3 User Guide).
const SHOWS: [u64; 7] = [0, 50, 100, 250, 500, 1000, 2000];

/// How often a policy is written that somebody else overwrites.
const WRITES: usize = 3;

/// What a run is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Errand {
    /// What the portal wants; this is what it was told.
    Fulfil(Wanted),
    /// To take it back, whatever the portal says: the environment ends, or the asset has moved away.
    TakeBack,
}

/// Runs, against these ports.
#[derive(Clone, Debug)]
pub(crate) struct Worker {
    pub(crate) policies: Arc<dyn BucketPolicies>,
    pub(crate) tracking: Arc<dyn TrackingStore>,
    pub(crate) portal: Arc<dyn Portal>,
    pub(crate) settings: Settings,
}

/// What is to be done in a bucket; without a subscription just what others have left.
#[derive(Clone, Copy)]
pub(super) struct Task<'a> {
    pub(super) bucket: &'a Bucket,
    pub(super) mine: Option<(&'a ObjectSubscription, Errand)>,
}

/// How a run left off.
enum End {
    Done(ObjectOutcome),
    /// All is settled, and this is to be told all the same.
    Failed(Error),
    /// Somebody has taken over: once more from the beginning.
    Lost,
}

impl Worker {
    /// Brings about what is wanted for a subscription.
    pub(crate) async fn run(&self, subscription: &ObjectSubscription, errand: Errand) -> Result<ObjectOutcome> {
        let task = Task { bucket: subscription.access.objects.bucket(), mine: Some((subscription, errand)) };
        self.drive(task).await.map_err(|error| {
            error.on_asset(&subscription.access.objects).for_environment(&subscription.consumer.environment)
        })
    }

    /// Finishes what dead runs have left in a bucket, and makes its policy what the record says.
    pub(crate) async fn tidy(&self, bucket: &Bucket) -> Result<ObjectOutcome> {
        self.drive(Task { bucket, mine: None }).await.map_err(|error| error.on_asset(bucket))
    }

    async fn drive(&self, task: Task<'_>) -> Result<ObjectOutcome> {
        let work = async {
            // Who has written the policy after somebody had taken over must see to it, even if there is nothing else to do.
            let mut meddled = false;
            loop {
                // Whatever this attempt changes or does not: an earlier one has.
                let told = |error: Error| if meddled { error.changed(Changed::Unfinished) } else { error };
                let Some(mut held) = self.take(task, meddled).await.map_err(told)? else {
                    return Ok(nothing());
                };
                match self.work(task, &mut held).await {
                    Ok(End::Done(outcome)) => return Ok(outcome),
                    Ok(End::Failed(error)) => return Err(told(error)),
                    Ok(End::Lost) => {
                        meddled |= held.wrote;
                        tracing::debug!(bucket = %task.bucket, "another run has taken over");
                    }
                    Err(error) => {
                        let (wrote, again) = (held.wrote, error.is_retryable());
                        // Of a write that may land yet, nobody knows: it gets the rest of the lease to do so.
                        if !(wrote && again) {
                            self.release(held).await;
                        }
                        return Err(told(if wrote || again { error } else { error.changed(Changed::Nothing) }));
                    }
                }
            }
        };
        Deadline::within(self.settings.deadline).run("the work on the bucket's policy", work).await
    }

    async fn work(&self, task: Task<'_>, held: &mut Held) -> Result<End> {
        let nothing_yet = |error: Error| error.changed(Changed::Nothing);
        let (decided, refused) = self.ask(task).await.map_err(nothing_yet)?;
        self.read_rows(task, held).await.map_err(nothing_yet)?;
        let mine = task.mine.map(|(subscription, _)| subscription.claimant());
        let had = mine.as_ref().and_then(|mine| held.record.claims.get(mine)).cloned();
        let access = access_of(task, decided, had.as_ref()).map_err(nothing_yet)?;
        let mut target = held.record.settled();
        if let (Some((subscription, _)), Some(mine)) = (task.mine, &mine) {
            target.claims.remove(mine);
            if let Some(access) = &access {
                let claim = Claim { domain: subscription.domain.clone(), has: Some(access.clone()), open: None };
                target.claims.insert(mine.clone(), claim);
            }
            may_have_row(held, mine, task.bucket, access.is_some()).map_err(nothing_yet)?;
        }
        let text = match self.policies.read(task.bucket).await {
            Ok(text) => Some(text),
            // With the bucket everything has gone that could be taken back.
            Err(error) if error.kind() == ErrorKind::NotFound && decided != Some(Wanted::Grant) => None,
            Err(error) => return Err(nothing_yet(error.at(Step::BucketPolicy))),
        };
        let mut changed = false;
        let mut policy = Policy::parse(task.bucket, None)?;
        if let Some(text) = text {
            policy = Policy::parse(task.bucket, text.as_deref()).map_err(nothing_yet)?;
            let granted = access.as_ref().filter(|_| decided == Some(Wanted::Grant));
            let living = granted.map(|access| access.principals.clone()).unwrap_or_default();
            let all = target.allowed();
            let allowed = |policy: &Policy| policy.without_deleted(all.clone(), &living);
            let next = policy.with(&allowed(&policy)).map_err(nothing_yet)?;
            if granted.is_some() && next != policy {
                policy.leaves_room(&allowed(&policy)).map_err(nothing_yet)?;
            }
            // As soon as the policy is written nothing in it says any more who has been deleted.
            let gone = left_out(&all, &allowed(&policy));
            target.take_out(&gone);
            if next != policy {
                if !self.intend(task, held, granted, decided, &gone).await? {
                    return Ok(End::Lost);
                }
                match self.make(task, held, &allowed).await? {
                    Some((made, wanted)) => {
                        (changed, policy) = (true, made);
                        target.take_out(&left_out(&all, &wanted));
                    }
                    None => return Ok(End::Lost),
                }
            }
        }
        if !self.settle(task, held, target, decided, access.as_ref()).await? {
            return Ok(End::Lost);
        }
        if let Some(error) = refused {
            // It may be that wider access was just taken back for it.
            let left = if changed || had.is_some() { Changed::Unfinished } else { Changed::Nothing };
            return Ok(End::Failed(error.changed(left)));
        }
        let Some(decided) = decided else { return Ok(End::Done(nothing())) };
        Ok(End::Done(match (access, task.mine.map(|(_, errand)| errand)) {
            (Some(access), Some(Errand::Fulfil(wish))) if wish == decided && wish != Wanted::Revoke => {
                let granted = GrantedObjects { access, changed };
                if wish == Wanted::Grant { ObjectOutcome::Granted(granted) } else { ObjectOutcome::Retained(granted) }
            }
            (None, Some(Errand::TakeBack | Errand::Fulfil(Wanted::Revoke | Wanted::Retain))) => {
                ObjectOutcome::Revoked(revoked(had.and_then(was), &policy, &held.record, changed))
            }
            _ => ObjectOutcome::Superseded,
        }))
    }

    /// What is wanted now; and why it is refused, where more was asked for than may be granted. `None`: nobody is asked.
    async fn ask(&self, task: Task<'_>) -> Result<(Option<Wanted>, Option<Error>)> {
        let Some((subscription, errand)) = task.mine else { return Ok((None, None)) };
        let Errand::Fulfil(told) = errand else { return Ok((Some(Wanted::Revoke), None)) };
        match self.portal.wanted(&subscription.question(told)).await {
            Ok(wanted) => Ok((Some(wanted), None)),
            // What was granted under an earlier, wider approval goes.
            Err(error) if error.kind() == ErrorKind::Refused => Ok((Some(Wanted::Revoke), Some(error))),
            Err(error) => Err(error.at(Step::Ask)),
        }
    }

    /// Reads the rows of everything that is open.
    async fn read_rows(&self, task: Task<'_>, held: &mut Held) -> Result<()> {
        let open =
            held.record.claims.iter().filter(|(_, claim)| claim.open.is_some()).map(|(claimant, _)| claimant.clone());
        let mut claimants: Vec<_> = open.chain(task.mine.map(|(subscription, _)| subscription.claimant())).collect();
        claimants.sort();
        claimants.dedup();
        let keys: Vec<_> = claimants.iter().map(row_key).collect();
        if keys.is_empty() {
            return Ok(());
        }
        let found = self.tracking.read(&keys).await.map_err(tracking)?;
        for (claimant, stored) in claimants.into_iter().zip(found) {
            let expect = stored.as_ref().map_or(Expect::Absent, Stored::expect);
            held.rows.insert(claimant, (expect, stored.and_then(|stored| object_row(stored.record))));
        }
        Ok(())
    }

    /// Records what is about to be done. `false`: the lease is lost.
    async fn intend(
        &self,
        task: Task<'_>,
        held: &mut Held,
        access: Option<&ObjectAccess>,
        decided: Option<Wanted>,
        gone: &Allowed,
    ) -> Result<bool> {
        let mut record = held.record.clone();
        let fewer = record.take_out(gone);
        let Some((subscription, _)) = task.mine else {
            return if fewer { self.commit(held, record, Vec::new()).await } else { Ok(true) };
        };
        let mine = subscription.claimant();
        let there = record.claims.get(&mine).cloned();
        let (open, state) = match (access, decided) {
            (Some(access), _) => (OpenClaim::Granting(access.clone()), ObjectState::Granting),
            (None, Some(Wanted::Revoke)) if there.is_some() => (OpenClaim::Revoking, ObjectState::Revoking),
            // The policy is only put right.
            _ if fewer => return self.commit(held, record, Vec::new()).await,
            _ => return Ok(true),
        };
        let has = there.and_then(|claim| claim.has);
        record.claims.insert(mine.clone(), Claim { domain: subscription.domain.clone(), has, open: Some(open) });
        let row = held.rows.get(&mine).and_then(|(_, row)| row.clone());
        let told = row_of(subscription, access, state, row.as_ref());
        held.undo = vec![(row_key(&mine), row.map(Record::Objects))];
        self.commit(held, record, vec![(mine, Some(told))]).await
    }

    /// Writes the policy until it shows, and tells what it was made to allow. `None`: the lease is lost.
    async fn make(
        &self,
        task: Task<'_>,
        held: &mut Held,
        allowed: &(dyn Fn(&Policy) -> Allowed + Sync),
    ) -> Result<Option<(Policy, Allowed)>> {
        let mut least: Option<Allowed> = None;
        for _ in 0..WRITES {
            // As it is just now: what others write between this and our own write is lost.
            let policy = self.read(task.bucket).await?;
            let mut wanted = allowed(&policy);
            // Whoever was left out once does not come back: what said that they have been deleted is overwritten.
            if let Some(least) = &least {
                for (domain, rights) in &mut wanted {
                    rights.retain(|right| holds(least, domain, right));
                }
            }
            least = Some(wanted.clone());
            let next = policy.with(&wanted)?;
            if next == policy {
                return Ok(Some((policy, wanted)));
            }
            if Instant::now() >= held.until {
                return Ok(None);
            }
            let begin = Instant::now();
            let first = !std::mem::replace(&mut held.wrote, true);
            let written = timeout_at(held.until, async {
                match next.text() {
                    Some(text) => self.policies.put(task.bucket, &text).await,
                    None => self.policies.delete(task.bucket).await,
                }
            });
            let late =
                || Err(Error::new(ErrorKind::Timeout, "writing the bucket's policy took longer than the lease lasts"));
            let written = written.await.unwrap_or_else(|_| late());
            audit::wrote(
                task.bucket,
                task.mine.map(|(subscription, _)| subscription),
                (&policy, &next),
                &wanted,
                &written,
                begin.elapsed(),
            );
            if let Err(error) = written {
                // What is refused was not done.
                held.wrote = !first || error.is_retryable();
                return Err(refused_policy(error, &next));
            }
            for pause in SHOWS {
                if pause > 0 {
                    sleep(Duration::from_millis(pause)).await;
                }
                if Instant::now() >= held.until {
                    return Ok(None);
                }
                let shown = self.read(task.bucket).await?;
                if shown.with(&wanted)? == shown {
                    return Ok(Some((shown, wanted)));
                }
            }
        }
        Err(Error::new(ErrorKind::Contention, format!("the policy of {} does not stay as it was written", task.bucket))
            .at(Step::BucketPolicy)
            .advise("see who else writes it"))
    }

    async fn read(&self, bucket: &Bucket) -> Result<Policy> {
        let text = self.policies.read(bucket).await.map_err(|error| error.at(Step::BucketPolicy))?;
        Policy::parse(bucket, text.as_deref())
    }

    /// Records that nothing is open any more, and gives the lease back. `false`: it is lost.
    async fn settle(
        &self,
        task: Task<'_>,
        held: &mut Held,
        target: BucketRecord,
        decided: Option<Wanted>,
        access: Option<&ObjectAccess>,
    ) -> Result<bool> {
        let mine = task.mine.map(|(subscription, _)| (subscription.claimant(), subscription));
        let mut rows = Vec::new();
        for (claimant, (_, row)) in &held.rows {
            let here = row.as_ref().filter(|row| row.access.objects.bucket() == task.bucket);
            match &mine {
                Some((own, subscription)) if own == claimant => match (access, decided) {
                    (Some(access), Some(wanted)) => {
                        let state = if wanted == Wanted::Retain { ObjectState::Retained } else { ObjectState::Granted };
                        rows.push((claimant.clone(), Some(row_of(subscription, Some(access), state, here))));
                    }
                    _ if here.is_some() => rows.push((claimant.clone(), None)),
                    _ => {}
                },
                // What a dead run had open.
                _ => match (here, target.claims.get(claimant).and_then(|claim| claim.has.clone())) {
                    (Some(row), Some(access)) => {
                        let row = ObjectRecord {
                            access,
                            state: ObjectState::Granted,
                            last_updated: System.now(),
                            ..row.clone()
                        };
                        rows.push((claimant.clone(), Some(row)));
                    }
                    (Some(_), None) => rows.push((claimant.clone(), None)),
                    (None, _) => {}
                },
            }
        }
        self.commit(held, target, rows).await
    }
}

/// What the asset is to have when all is done.
fn access_of(task: Task<'_>, decided: Option<Wanted>, had: Option<&Claim>) -> Result<Option<ObjectAccess>> {
    let Some((subscription, _)) = task.mine else { return Ok(None) };
    let has = had.and_then(|claim| claim.has.clone());
    match decided {
        Some(Wanted::Retain) => Ok(has),
        Some(Wanted::Grant) => {
            let access =
                if subscription.access.principals.is_empty() { has } else { Some(subscription.access.clone()) };
            let access = access.filter(|access| !access.principals.is_empty()).ok_or_else(|| {
                Error::new(ErrorKind::InvalidInput, "no subscription target of the environment says who is to read")
                    .at(Step::LookUp)
                    .advise("add a target for S3 objects with authorizedPrincipals to the environment")
            })?;
            let unfit = unfit(&access.principals);
            if unfit.is_empty() {
                return Ok(Some(access));
            }
            let what = format!("only IAM roles and users can be granted objects, not {}", unfit.join(", "));
            Err(Error::new(ErrorKind::Refused, what)
                .at(Step::LookUp)
                .advise("correct the authorizedPrincipals of the environment's subscription target"))
        }
        _ => Ok(None),
    }
}

/// What of this is not in that.
fn left_out(all: &Allowed, kept: &Allowed) -> Allowed {
    let gone = |(domain, rights): (&DomainId, &Rights)| {
        (domain.clone(), rights.iter().filter(|right| !holds(kept, domain, right)).cloned().collect())
    };
    all.iter().map(gone).collect()
}

fn holds(allowed: &Allowed, domain: &DomainId, right: &(Principal, Reach)) -> bool {
    allowed.get(domain).is_some_and(|rights| rights.contains(right))
}

/// An asset has one row, and so one place.
fn may_have_row(held: &Held, mine: &Claimant, bucket: &Bucket, grants: bool) -> Result<()> {
    let row = held.rows.get(mine).and_then(|(_, row)| row.as_ref());
    let elsewhere = row.filter(|row| row.access.objects.bucket() != bucket);
    match elsewhere {
        Some(row) if grants => {
            let what = format!("it is granted at {} too", row.access.objects);
            Err(Error::new(ErrorKind::Contention, what).at(Step::Tracking))
        }
        _ => Ok(()),
    }
}

/// A row that keeps its age where it says the same as before.
fn row_of(
    subscription: &ObjectSubscription,
    access: Option<&ObjectAccess>,
    state: ObjectState,
    before: Option<&ObjectRecord>,
) -> ObjectRecord {
    let mut row = ObjectRecord::of(subscription, state, System.now());
    match (access, before) {
        (Some(access), _) => row.access = access.clone(),
        (None, Some(before)) => row.access = before.access.clone(),
        (None, None) => {}
    }
    if let Some(before) = before.filter(|before| before.access == row.access && before.state != ObjectState::Granting) {
        row.since = before.since;
    }
    row
}

fn revoked(had: Option<ObjectAccess>, policy: &Policy, record: &BucketRecord, changed: bool) -> RevokedObjects {
    let Some(access) = had else { return RevokedObjects { access: None, changed, shared: false, others: Vec::new() } };
    let reach = access.objects.reach();
    // What is wider lets them read all of it, and what is narrower some.
    let meets = |what: &Reach| reach.iter().any(|mine| mine.overlaps(what));
    let shared = record.allowed().values().flatten().any(|(who, what)| access.principals.contains(who) && meets(what));
    let others = policy.others_for(&access.principals, &record.domains);
    RevokedObjects { access: Some(access), changed, shared, others }
}

fn was(claim: Claim) -> Option<ObjectAccess> {
    claim.has.or(match claim.open {
        Some(OpenClaim::Granting(access)) => Some(access),
        _ => None,
    })
}

const fn nothing() -> ObjectOutcome {
    ObjectOutcome::Revoked(RevokedObjects { access: None, changed: false, shared: false, others: Vec::new() })
}

/// What a refused policy may be refused for.
fn refused_policy(error: Error, policy: &Policy) -> Error {
    let refused = error.kind() == ErrorKind::InvalidInput;
    let error = error.at(Step::BucketPolicy);
    let orphaned = policy.orphaned();
    if !refused {
        return error;
    }
    if orphaned.is_empty() {
        return error.advise("see that every principal of the environment's subscription target exists");
    }
    error.advise(format!(
        "the bucket's owner must first remove those who have been deleted from its statements {}",
        orphaned.join(", ")
    ))
}
