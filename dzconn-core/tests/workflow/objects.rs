//! Subscriptions to objects, with everything in memory.

use std::collections::BTreeSet;
use std::time::Duration;

use dzconn_core::bucket::policy::{LIMIT, Policy, Rights};
use dzconn_core::bucket::*;
use dzconn_core::event::SubscriptionEvent;
use dzconn_core::fulfilment::{Handled, Settings};
use dzconn_core::memory::{MemoryBuckets, MemoryCatalog, MemoryEngine, MemoryPortal, MemoryTracking, MemoryVault};
use dzconn_core::model::*;
use dzconn_core::portal::Wanted;
use dzconn_core::reconcile::{Mend, Mended, Problem, Scope};
use dzconn_core::store::{Key, Record};
use dzconn_core::testkit::faults::Faults;
use dzconn_core::{Changed, Engines, ErrorKind, Fulfilment, Portal, Timestamp, TrackingStore as _};

use crate::world::{CONSUMER, PRODUCER, id};

/// What others have in the bucket's policy.
pub(crate) const THEIRS: &str = r#"{"Version":"2012-10-17","Id":"theirs","Statement":[{"Sid":"tls","Effect":"Deny","Principal":"*",
    "Action":"s3:*","Resource":["arn:aws:s3:::data","arn:aws:s3:::data/*"],"Condition":{"Bool":{"aws:SecureTransport":"false"}}},
    {"Effect":"Allow","Principal":{"AWS":"AROAABCDEFGHIJKLMNOPQ"},"Action":["s3:GetObject"],"Resource":"arn:aws:s3:::data/old/*"}]}"#;

/// Longer than any test.
pub(crate) const LEASE: Duration = Duration::from_secs(30);

pub(crate) fn bucket() -> Bucket {
    "arn:aws:s3:::data".parse().unwrap()
}

pub(crate) fn role(name: &str) -> Principal {
    id(&format!("arn:aws:iam::{CONSUMER}:role/{name}"))
}

/// Who reads what of a bucket, as a subscription of an environment of that name, with a role of that name.
pub(crate) fn objects(environment: &str, asset: &str, key: &str) -> ObjectSubscription {
    let objects = format!("arn:aws:s3:::data/{key}").parse().unwrap();
    ObjectSubscription {
        domain: id("dzd_1"),
        consumer: Consumer {
            project: id("fin"),
            environment: id(environment),
            owner: Owner::new(id(CONSUMER), id("eu-west-1")),
        },
        asset: Asset { id: id(asset), revision: "1".into(), asset_type: "S3ObjectCollectionType".into() },
        listing: Listing { id: id(&format!("lst-{asset}")), name: asset.into(), revision: "1".into() },
        access: ObjectAccess { objects, principals: BTreeSet::from([role(environment)]) },
        subscription: None,
        event: None,
    }
}

pub(crate) struct Stage {
    pub(crate) buckets: MemoryBuckets,
    pub(crate) tracking: MemoryTracking,
    pub(crate) portal: MemoryPortal,
    pub(crate) spy: Faults,
    pub(crate) fulfilment: Fulfilment,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::with_lease(LEASE)
    }

    pub(crate) fn with_lease(lease: Duration) -> Self {
        let (buckets, tracking, portal) = (MemoryBuckets::new(), MemoryTracking::new(), MemoryPortal::new());
        buckets.set(bucket(), Some(THEIRS));
        let spy = Faults::default();
        let fulfilment = Self::process(&buckets, &tracking, &portal, &spy, lease);
        Self { buckets, tracking, portal, spy, fulfilment }
    }

    /// One more process.
    pub(crate) fn process(
        buckets: &MemoryBuckets,
        tracking: &MemoryTracking,
        portal: &(impl Portal + Clone + 'static),
        spy: &Faults,
        lease: Duration,
    ) -> Fulfilment {
        let engine = MemoryEngine::new();
        let mut settings = Settings::default();
        settings.bucket_lease = lease;
        Fulfilment::builder()
            .engines(Engines::new().with(engine))
            .credentials(MemoryVault::new().account(id(PRODUCER), id("arn:aws:iam::111111111111:role/producer")))
            .tracking(spy.watch(tracking.clone()))
            .catalog(MemoryCatalog::new())
            .portal(portal.clone())
            .buckets(spy.watch(buckets.clone()))
            .settings(settings)
            .build()
            .unwrap()
    }

    /// Whoever holds a lease has held it for too long: the next run takes over at once.
    pub(crate) fn expire(&self) {
        let long_ago = Timestamp::from_seconds(Timestamp::now().seconds() - 3600);
        for (key, stored) in self.tracking.snapshot().iter() {
            let mut stored = stored.clone();
            if let Record::Bucket(BucketRecord { leased: leased @ Some(_), .. }) = &mut stored.record {
                *leased = Some(long_ago);
                self.tracking.insert(key.clone(), stored);
            }
        }
    }

    pub(crate) fn want(&self, subscription: &ObjectSubscription, wanted: Wanted) {
        self.portal.want(subscription.consumer.project.clone(), subscription.listing.id.clone(), Ok(wanted));
    }

    pub(crate) async fn grant(&self, subscription: &ObjectSubscription) -> GrantedObjects {
        self.want(subscription, Wanted::Grant);
        match self.fulfilment.grant_objects(subscription).await.unwrap() {
            ObjectOutcome::Granted(granted) => granted,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn revoke(&self, subscription: &ObjectSubscription) -> RevokedObjects {
        self.want(subscription, Wanted::Revoke);
        match self.fulfilment.revoke_objects(subscription).await.unwrap() {
            ObjectOutcome::Revoked(revoked) => revoked,
            other => panic!("{other:?}"),
        }
    }

    /// What statements of ours allow in the bucket.
    pub(crate) fn rights(&self) -> Rights {
        Policy::parse(&bucket(), self.buckets.policy(&bucket()).as_deref()).unwrap().rights(&id("dzd_1"))
    }

    /// That the policy and the records hold what these subscriptions need, and no more, beside what others have.
    pub(crate) fn assert_holds(&self, subscriptions: &[&ObjectSubscription], context: &str) {
        let mut needed = Rights::new();
        for ObjectSubscription { access, .. } in subscriptions {
            let reach = access.objects.reach();
            needed
                .extend(access.principals.iter().flat_map(|who| reach.iter().map(|what| (who.clone(), what.clone()))));
        }
        assert_eq!(self.rights(), needed, "{context}");
        let mut theirs = Policy::parse(&bucket(), self.buckets.policy(&bucket()).as_deref()).unwrap();
        theirs = theirs.with(&[(id("dzd_1"), Rights::new())].into()).unwrap();
        let value = |text: &str| text.parse::<serde_json::Value>().unwrap();
        assert_eq!(value(&theirs.text().unwrap()), value(THEIRS), "{context}");
        let (mut rows, mut claims) = (BTreeSet::new(), BTreeSet::new());
        for (_, stored) in self.tracking.snapshot().iter() {
            match &stored.record {
                Record::Objects(row) => {
                    assert!(matches!(row.state, ObjectState::Granted | ObjectState::Retained), "{context}: {row:?}");
                    rows.insert((row.claimant(), row.access.objects.clone()));
                }
                Record::Bucket(record) => {
                    assert_eq!(record.leased, None, "{context}");
                    assert!(!record.claims.is_empty(), "{context}");
                    for (claimant, claim) in &record.claims {
                        assert_eq!(claim.open, None, "{context}");
                        claims.insert((claimant.clone(), claim.has.clone().unwrap().objects));
                    }
                }
                other => panic!("{context}: {other:?}"),
            }
        }
        let wanted: BTreeSet<_> = subscriptions.iter().map(|s| (s.claimant(), s.access.objects.clone())).collect();
        assert_eq!((rows, claims), (wanted.clone(), wanted), "{context}");
    }

    pub(crate) async fn row(&self, subscription: &ObjectSubscription) -> Option<ObjectRecord> {
        let key = Key::Objects(subscription.consumer.environment.clone(), subscription.asset.id.clone());
        let found = self.tracking.read(&[key]).await.unwrap().pop().flatten();
        found.map(|stored| if let Record::Objects(row) = stored.record { row } else { panic!("{stored:?}") })
    }

    pub(crate) async fn found(&self) -> Vec<(Problem, Mend)> {
        let found = self.fulfilment.reconcile(&Scope::default()).await.unwrap();
        found.into_iter().map(|finding| (finding.problem, finding.mend)).collect()
    }

    pub(crate) async fn mend_all(&self) {
        for finding in self.fulfilment.reconcile(&Scope::default()).await.unwrap() {
            assert_ne!(self.fulfilment.mend(&finding).await.unwrap(), Mended::Left, "{finding:?}");
        }
    }
}

fn event(kind: &str, listing: &str, more: &str) -> SubscriptionEvent {
    let text = format!(
        r#"{{"id":"event-1","detail-type":"Subscription {kind}","source":"aws.datazone","detail":{{
        "metadata":{{"id":"sub1","domain":"dzd_1"}},"data":{{"subscribedListing":{{"id":"{listing}"}},
        "subscribedPrincipal":{{"id":"fin"}}{more}}}}}}}"#
    );
    SubscriptionEvent::from_json(&text).unwrap()
}

#[tokio::test]
async fn what_was_granted_goes_and_leaves_the_policy_as_it_was() {
    let stage = Stage::new();
    let sales = objects("env1", "sales", "sales/");
    let granted = stage.grant(&sales).await;
    assert!(granted.changed && granted.access == sales.access);
    stage.assert_holds(&[&sales], "granted");
    let row = stage.row(&sales).await.unwrap();
    assert_eq!(
        (row.state, row.access, row.listing),
        (ObjectState::Granted, sales.access.clone(), sales.listing.id.clone())
    );
    // Once more: nothing is written.
    let writes = stage.buckets.writes();
    assert!(!stage.grant(&sales).await.changed);
    assert_eq!(stage.buckets.writes(), writes);
    let revoked = stage.revoke(&sales).await;
    assert_eq!((revoked.changed, revoked.shared, revoked.access), (true, false, Some(sales.access.clone())));
    stage.assert_holds(&[], "revoked");
    assert!(stage.tracking.snapshot().is_empty());
    assert_eq!(stage.revoke(&sales).await.access, None);
    let told: Vec<_> = stage.portal.reports().into_iter().map(|(_, _, told)| told).collect();
    assert_eq!(told, ["granted", "granted", "revoked", "revoked"]);
}

#[tokio::test]
async fn a_bucket_without_a_policy_is_without_one_again() {
    let stage = Stage::new();
    stage.buckets.set(bucket(), None);
    let whole = objects("env1", "sales", "");
    stage.grant(&whole).await;
    assert_eq!(stage.rights().len(), 2);
    stage.revoke(&whole).await;
    assert_eq!(stage.buckets.policy(&bucket()), None);
}

#[tokio::test]
async fn what_others_still_need_stays() {
    let stage = Stage::new();
    let (sales, part, whole) =
        (objects("env1", "a1", "sales/"), objects("env1", "a2", "sales/eu/"), objects("env1", "a3", "sales"));
    let mut other = objects("env2", "a1", "sales/");
    other.consumer.project = id("risk");
    // The same role in two environments.
    let mut same = objects("env3", "a1", "sales/");
    same.access.principals = sales.access.principals.clone();
    for one in [&sales, &part, &whole, &other, &same] {
        stage.grant(one).await;
    }
    stage.assert_holds(&[&sales, &part, &whole, &other, &same], "all");
    let revoked = stage.revoke(&sales).await;
    assert_eq!((revoked.changed, revoked.shared), (false, true));
    stage.assert_holds(&[&part, &whole, &other, &same], "without the prefix");
    assert!(stage.revoke(&whole).await.shared);
    stage.assert_holds(&[&part, &other, &same], "without the name");
    // A part of it is still read.
    let revoked = stage.revoke(&same).await;
    assert_eq!((revoked.changed, revoked.shared), (true, true));
    stage.assert_holds(&[&part, &other], "without the other environment");
    assert!(!stage.revoke(&part).await.shared);
    stage.revoke(&other).await;
    stage.assert_holds(&[], "none");
    // What is above it covers it.
    let all = objects("env1", "a4", "");
    stage.grant(&all).await;
    stage.grant(&part).await;
    let revoked = stage.revoke(&part).await;
    assert_eq!((revoked.changed, revoked.shared), (true, true));
}

#[tokio::test]
async fn the_portal_has_the_last_word() {
    let stage = Stage::new();
    let sales = objects("env1", "sales", "sales/");
    stage.want(&sales, Wanted::Revoke);
    assert_eq!(stage.fulfilment.grant_objects(&sales).await.unwrap(), ObjectOutcome::Superseded);
    stage.assert_holds(&[], "not wanted");
    stage.grant(&sales).await;
    assert_eq!(stage.fulfilment.revoke_objects(&sales).await.unwrap(), ObjectOutcome::Superseded);
    stage.assert_holds(&[&sales], "still wanted");
    stage.want(&sales, Wanted::Retain);
    let retained = stage.fulfilment.retain_objects(&sales).await.unwrap();
    assert!(matches!(retained, ObjectOutcome::Retained(GrantedObjects { changed: false, .. })), "{retained:?}");
    stage.assert_holds(&[&sales], "retained");
    assert_eq!(stage.row(&sales).await.unwrap().state, ObjectState::Retained);
    // What is approved in part is refused, and what was granted before goes.
    stage.portal.want(id("fin"), sales.listing.id.clone(), Err(ErrorKind::Refused));
    let error = stage.fulfilment.grant_objects(&sales).await.unwrap_err();
    assert_eq!((error.kind(), error.left()), (ErrorKind::Refused, Changed::Unfinished), "access went");
    let error = stage.fulfilment.grant_objects(&sales).await.unwrap_err();
    assert_eq!((error.kind(), error.left()), (ErrorKind::Refused, Changed::Nothing), "it had gone before");
    stage.assert_holds(&[], "refused");
    stage.want(&sales, Wanted::Retain);
    let outcome = stage.fulfilment.retain_objects(&sales).await.unwrap();
    assert!(matches!(outcome, ObjectOutcome::Revoked(RevokedObjects { changed: false, .. })), "{outcome:?}");
    stage.assert_holds(&[], "nothing to retain");
    stage.portal.want(id("fin"), sales.listing.id.clone(), Err(ErrorKind::Throttled));
    let error = stage.fulfilment.grant_objects(&sales).await.unwrap_err();
    assert_eq!((error.kind(), error.left()), (ErrorKind::Throttled, Changed::Nothing));
    stage.assert_holds(&[], "could not be asked");
}

#[tokio::test]
async fn an_asset_that_moves_is_taken_back_where_it_was() {
    let stage = Stage::new();
    let other: Bucket = "arn:aws:s3:::other".parse().unwrap();
    stage.buckets.set(other.clone(), None);
    let mut there = objects("env1", "sales", "x");
    there.access.objects = "arn:aws:s3:::other/sales/".parse().unwrap();
    stage.grant(&there).await;
    let here = objects("env1", "sales", "sales/");
    stage.grant(&here).await;
    assert_eq!(stage.buckets.policy(&other), None);
    stage.assert_holds(&[&here], "moved");
    // A grant that is late finds it retained meanwhile, and takes nothing back.
    stage.want(&here, Wanted::Retain);
    assert_eq!(stage.fulfilment.grant_objects(&there).await.unwrap(), ObjectOutcome::Superseded);
    stage.assert_holds(&[&here], "retained where it is");
    stage.want(&here, Wanted::Grant);
    // Within the bucket, and to other roles.
    let mut wide = objects("env1", "sales", "all/");
    wide.access.principals.insert(role("second"));
    stage.grant(&wide).await;
    stage.assert_holds(&[&wide], "moved within");
    // A revoke goes where it was granted, whatever the catalogue says.
    stage.revoke(&there).await;
    stage.assert_holds(&[], "revoked");
}

#[tokio::test]
async fn what_cannot_be_leaves_everything_as_it_was() {
    let stage = Stage::new();
    let sales = objects("env1", "sales", "sales/");
    stage.grant(&sales).await;
    let fails = async |subscription: &ObjectSubscription, kind: ErrorKind| {
        stage.want(subscription, Wanted::Grant);
        let error = stage.fulfilment.grant_objects(subscription).await.unwrap_err();
        assert_eq!((error.kind(), error.left()), (kind, Changed::Nothing), "{error}");
        assert!(error.advice().is_some(), "{error}");
        stage.assert_holds(&[&sales], &error.to_string());
    };
    let mut many = objects("env2", "many", "many/");
    many.access.principals = (0..500).map(|n| role(&format!("role-of-quite-a-length-{n}"))).collect();
    assert!(many.access.principals.len() * 50 > LIMIT);
    fails(&many, ErrorKind::LimitReached).await;
    for principal in
        ["*", "arn:aws:iam::222222222222:root", "222222222222", "arn:aws:sts::222222222222:assumed-role/r/s"]
    {
        let mut odd = objects("env2", "odd", "odd/");
        odd.access.principals = BTreeSet::from([role("fine"), id(principal)]);
        fails(&odd, ErrorKind::Refused).await;
    }
    let mut nobody = objects("env2", "nobody", "x/");
    nobody.access.principals.clear();
    fails(&nobody, ErrorKind::InvalidInput).await;
}

#[tokio::test]
async fn a_bucket_that_is_not_there_or_has_no_real_policy() {
    let stage = Stage::new();
    let sales = objects("env1", "sales", "sales/");
    stage.want(&sales, Wanted::Grant);
    stage.buckets.set(bucket(), Some("{\"Statement\": \"edited\"}"));
    let error = stage.fulfilment.grant_objects(&sales).await.unwrap_err();
    assert_eq!((error.kind(), error.left()), (ErrorKind::Unexpected, Changed::Nothing));
    stage.buckets.remove(&bucket());
    let error = stage.fulfilment.grant_objects(&sales).await.unwrap_err();
    assert_eq!((error.kind(), error.left()), (ErrorKind::NotFound, Changed::Nothing));
    assert!(stage.tracking.snapshot().is_empty());
    // What was granted in a bucket that is gone is gone.
    stage.buckets.set(bucket(), Some(THEIRS));
    stage.grant(&sales).await;
    stage.buckets.remove(&bucket());
    assert!(stage.found().await.iter().any(|(problem, _)| *problem == Problem::CannotTell));
    stage.revoke(&sales).await;
    assert!(stage.tracking.snapshot().is_empty());
}

#[tokio::test]
async fn a_policy_that_shows_late_is_waited_for() {
    let stage = Stage::new();
    stage.buckets.set_lag(2);
    let (one, two) = (objects("env1", "a1", "a/"), objects("env2", "a2", "b/"));
    stage.spy.calls();
    assert!(stage.grant(&one).await.changed);
    let calls = stage.spy.calls();
    let put = calls.iter().position(|call| *call == "bucket.put").unwrap();
    assert_eq!(calls[put..].iter().filter(|call| **call == "bucket.read").count(), 3, "{calls:?}");
    assert!(stage.grant(&two).await.changed);
    stage.revoke(&one).await;
    stage.assert_holds(&[&two], "late");
}

#[tokio::test]
async fn events_are_worked_on() {
    let stage = Stage::new();
    let (one, two) = (objects("env1", "sales", "sales/"), objects("env2", "sales", "sales/"));
    stage.portal.add_objects(one.clone());
    stage.portal.add_objects(two.clone());
    stage.want(&one, Wanted::Grant);
    let handled = stage.fulfilment.handle(&event("Created", "lst-sales", "")).await.unwrap();
    assert_eq!(handled.len(), 2);
    stage.assert_holds(&[&one, &two], "created");
    stage.want(&one, Wanted::Retain);
    stage.fulfilment.handle(&event("Cancelled", "lst-sales", r#","retainPermissions":true"#)).await.unwrap();
    assert_eq!(stage.row(&two).await.unwrap().state, ObjectState::Retained);
    // By tracking, whatever the portal has forgotten: one environment is gone from there, and is not worked on twice.
    let forgetful = MemoryPortal::new();
    forgetful.add_objects(two.clone());
    let fulfilment = Stage::process(&stage.buckets, &stage.tracking, &forgetful, &stage.spy, LEASE);
    let handled = fulfilment.handle(&event("Revoked", "lst-sales", "")).await.unwrap();
    assert_eq!(handled.len(), 2);
    for part in &handled {
        let Handled::Objects { subscription, result } = part else { panic!("{part:?}") };
        assert!(matches!(**result, Ok(ObjectOutcome::Revoked(RevokedObjects { changed: true, .. }))), "{part:?}");
        assert_eq!(subscription.event.as_deref(), Some("event-1"));
    }
    stage.assert_holds(&[], "revoked");
}

#[tokio::test]
async fn an_environment_that_ends_loses_its_objects() {
    let stage = Stage::new();
    let (one, two, other) = (objects("env1", "a1", "a/"), objects("env1", "a2", "b/"), objects("env2", "a1", "a/"));
    for one in [&one, &two, &other] {
        stage.grant(one).await;
    }
    let (held, failed) = stage.fulfilment.held_objects(&id("dzd_1"), &id("env1")).await.unwrap();
    assert_eq!((held.len(), failed.len()), (2, 0));
    let error = stage.fulfilment.revoke_all(&id("dzd_2"), &id("env1")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    // The portal still wants it, and is not asked.
    let handled = stage.fulfilment.revoke_all(&id("dzd_1"), &id("env1")).await.unwrap();
    assert!(
        handled.len() == 2
            && handled.iter().all(|part| matches!(part, Handled::Objects { result, .. } if result.is_ok()))
    );
    stage.assert_holds(&[&other], "ended");
    assert!(stage.fulfilment.revoke_all(&id("dzd_1"), &id("env1")).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_plan_says_what_would_become_and_changes_nothing() {
    let stage = Stage::new();
    let (sales, more) = (objects("env1", "sales", "sales/"), objects("env2", "more", "sales/"));
    stage.grant(&sales).await;
    stage.want(&more, Wanted::Grant);
    let before = stage.tracking.snapshot();
    let plan = stage.fulfilment.plan_objects(&more, Wanted::Grant).await.unwrap();
    assert_eq!((plan.allowed.len(), plan.taken_back.len(), &plan.before), (2, 0, &stage.buckets.policy(&bucket())));
    assert!(plan.after.unwrap().contains(role("env2").as_str()));
    assert_eq!(stage.tracking.snapshot(), before);
    stage.want(&sales, Wanted::Revoke);
    let plan = stage.fulfilment.plan_objects(&sales, Wanted::Revoke).await.unwrap();
    assert_eq!((plan.allowed.len(), plan.taken_back.len()), (0, 2));
    stage.assert_holds(&[&sales], "planned");
}
