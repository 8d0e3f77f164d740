//! Subscriptions to objects, as a [`Fulfilment`] works on them.

use super::{Fulfilment, Governance, Handled, REPORT};
use crate::bucket::{Errand, ObjectOutcome, ObjectPlan, ObjectRecord, ObjectSubscription, Worker};
use crate::event::SubscriptionEvent;
use crate::model::{DomainId, EnvironmentId};
use crate::portal::{Lookup, Wanted};
use crate::store::{Key, Query, Record};
use crate::{Changed, Deadline, Error, ErrorKind, Result, Step};

/// What is skipped where there is nobody to work on it.
const NO_BUCKETS: &str = "no access to bucket policies is configured";

impl Fulfilment {
    /// Brings it about that the environment's principals read the objects, if the portal (still) wants it.
    ///
    /// Granting again changes nothing. Where tracking has the asset in another bucket it is taken back there first.
    ///
    /// # Errors
    /// The kinds of the steps; [`Error::left`](crate::Error::left) says whether anything is left half done.
    /// [`ErrorKind::LimitReached`]: the policy has no room, and nothing was changed.
    pub async fn grant_objects(&self, subscription: &ObjectSubscription) -> Result<ObjectOutcome> {
        self.fulfil_objects(subscription, Wanted::Grant).await
    }

    /// Takes back what the subscription has in the bucket's policy, unless the portal (still, or again) wants it there. What other
    /// subscriptions need stays.
    pub async fn revoke_objects(&self, subscription: &ObjectSubscription) -> Result<ObjectOutcome> {
        self.fulfil_objects(subscription, Wanted::Revoke).await
    }

    /// Records that access stays although the subscription has ended.
    pub async fn retain_objects(&self, subscription: &ObjectSubscription) -> Result<ObjectOutcome> {
        self.fulfil_objects(subscription, Wanted::Retain).await
    }

    /// What granting or revoking objects would make of the bucket's policy. Nothing is changed.
    ///
    /// # Errors
    /// As of [`grant_objects`](Self::grant_objects).
    pub async fn plan_objects(&self, subscription: &ObjectSubscription, wish: Wanted) -> Result<ObjectPlan> {
        self.worker()?.plan(subscription, wish).await
    }

    pub(super) async fn handle_objects(&self, subscription: Box<ObjectSubscription>, wish: Wanted) -> Handled {
        if self.0.buckets.is_none() {
            return Handled::Skipped { reason: format!("{}: {NO_BUCKETS}", subscription.access.objects) };
        }
        let result = self.fulfil_objects(&subscription, wish).await;
        Handled::Objects { subscription, result: Box::new(result) }
    }

    /// Takes back all objects that tracking has for an environment; see [`revoke_all`](Self::revoke_all).
    pub(super) async fn revoke_all_objects(
        &self,
        domain: &DomainId,
        environment: &EnvironmentId,
    ) -> Result<Vec<Handled>> {
        let (found, failed) = self.held_objects(domain, environment).await?;
        let mut handled: Vec<_> = failed.into_iter().map(|error| Handled::Failed { error }).collect();
        for subscription in found {
            let result = match self.worker() {
                Ok(worker) => worker.run(&subscription, Errand::TakeBack).await,
                Err(error) => Err(error),
            };
            self.report_objects(&subscription, &result).await;
            handled.push(Handled::Objects { subscription: Box::new(subscription), result: Box::new(result) });
        }
        Ok(handled)
    }

    /// The objects that [`revoke_all`](Self::revoke_all) would take back, and what of them cannot be told.
    ///
    /// # Errors
    /// As of [`revoke_all`](Self::revoke_all).
    pub async fn held_objects(
        &self,
        domain: &DomainId,
        environment: &EnvironmentId,
    ) -> Result<(Vec<ObjectSubscription>, Vec<Error>)> {
        let (mut rows, mut failed) = (Vec::new(), Vec::new());
        let query = Query::Objects(Some(environment.clone()));
        let reading = self.0.governance.each(&query, |stored| match stored.map(|stored| stored.record) {
            Ok(Record::Objects(row)) => rows.push(row),
            Ok(_) => {}
            Err(error) => failed.push(error.at(Step::Tracking).for_environment(environment)),
        });
        let deadline = Deadline::within(self.0.producer.settings.deadline);
        deadline.run("reading what is recorded", reading).await.map_err(|error| error.at(Step::Tracking))?;
        if let Some(other) = rows.iter().map(|row| &row.domain).find(|other| *other != domain) {
            let what = format!("{environment} is recorded in the domain {other}, not in {domain}");
            return Err(Error::new(ErrorKind::InvalidInput, what)
                .at(Step::Input)
                .for_environment(environment)
                .advise("name the domain that is recorded")
                .changed(Changed::Nothing));
        }
        Ok((rows.into_iter().map(|row| row.subscription(None, None)).collect(), failed))
    }

    pub(crate) fn worker(&self) -> Result<&Worker> {
        self.0.buckets.as_ref().ok_or_else(|| {
            Error::new(ErrorKind::InvalidConfig, NO_BUCKETS)
                .at(Step::BucketPolicy)
                .advise("give the fulfilment the policies of buckets")
                .changed(Changed::Nothing)
        })
    }

    /// Brings a wish about, and reports what has become of it.
    pub(crate) async fn fulfil_objects(
        &self,
        subscription: &ObjectSubscription,
        wish: Wanted,
    ) -> Result<ObjectOutcome> {
        let result = self.bring_objects_about(subscription, wish).await;
        self.report_objects(subscription, &result).await;
        result
    }

    async fn bring_objects_about(&self, subscription: &ObjectSubscription, wish: Wanted) -> Result<ObjectOutcome> {
        let worker = self.worker()?;
        let tracked = Deadline::within(worker.settings.deadline)
            .run("looking up where the asset is", async { tracked(&self.0.governance, subscription).await });
        let tracked = tracked
            .await
            .map_err(|error| error.at(Step::LookUp).on_asset(&subscription.access.objects).changed(Changed::Nothing))?;
        let place = subscription.access.objects.bucket();
        let elsewhere = tracked.filter(|row| row.access.objects.bucket() != place);
        let Some(row) = elsewhere else { return worker.run(subscription, Errand::Fulfil(wish)).await };
        let there = ObjectSubscription { access: row.access, ..subscription.clone() };
        if wish != Wanted::Grant {
            return worker.run(&there, Errand::Fulfil(wish)).await;
        }
        // What is retained stays where it is: the event that said to grant it is late.
        let question = subscription.question(wish);
        let asking = worker.portal.wanted(&question);
        match Deadline::within(worker.settings.deadline).run("asking the portal", asking).await {
            Ok(Wanted::Retain) => return Ok(ObjectOutcome::Superseded),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Refused => {}
            Err(error) => {
                let error = error.at(Step::Ask).on_asset(&subscription.access.objects);
                return Err(error.for_environment(&subscription.consumer.environment).changed(Changed::Nothing));
            }
        }
        worker.run(&there, Errand::TakeBack).await?;
        worker.run(subscription, Errand::Fulfil(wish)).await.map_err(|error| error.changed(Changed::Unfinished))
    }

    async fn report_objects(&self, subscription: &ObjectSubscription, result: &Result<ObjectOutcome>) {
        // A report that fails does not change what was brought about.
        let report = self.0.governance.portal.report_objects(subscription, result.as_ref());
        if let Err(error) = Deadline::within(REPORT).run("the report", report).await {
            tracing::warn!(%error, "the outcome could not be reported");
        }
    }
}

impl Governance {
    /// What tracking has for an event of objects.
    pub(super) async fn objects_for(&self, event: &SubscriptionEvent) -> Result<Vec<Lookup>> {
        let mut found = Vec::new();
        let query = Query::ObjectListing(event.project.clone(), event.listing.clone());
        self.each(&query, |stored| match stored.map(|stored| stored.record) {
            Ok(Record::Objects(row)) => {
                let subscription = row.subscription(event.subscription.clone(), event.id.clone());
                found.push(Lookup::Objects(Box::new(subscription)));
            }
            Ok(_) => {}
            Err(error) => found.push(Lookup::Failed(error)),
        })
        .await?;
        Ok(found)
    }
}

async fn tracked(governance: &Governance, subscription: &ObjectSubscription) -> Result<Option<ObjectRecord>> {
    let key = Key::Objects(subscription.consumer.environment.clone(), subscription.asset.id.clone());
    let found = governance.tracking.read(&[key]).await?;
    Ok(found.into_iter().flatten().find_map(|stored| match stored.record {
        Record::Objects(row) => Some(row),
        _ => None,
    }))
}
