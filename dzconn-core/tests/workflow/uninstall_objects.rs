//! The end of an installation, in buckets.

use async_trait::async_trait;
use dzconn_core::bucket::*;
use dzconn_core::event::SubscriptionEvent;
use dzconn_core::memory::{MemoryBuckets, MemoryPortal};
use dzconn_core::model::*;
use dzconn_core::portal::{Lookup, Question, Wanted};
use dzconn_core::store::{Change, Expect, Key, Record, Transaction};
use dzconn_core::uninstall::{Beyond, Kind, Uninstalled, Uninstaller};
use dzconn_core::workflow::Outcome;
use dzconn_core::{Error, Fulfilment, Portal, Result, Timestamp, TrackingStore as _};

use crate::objects::{LEASE, Stage, bucket, objects};
use crate::world::id;

async fn run(fulfilment: &Fulfilment) -> Uninstalled {
    Uninstaller::new(fulfilment.clone()).run(&Beyond::default()).await.unwrap()
}

fn kinds(done: &Uninstalled) -> Vec<Kind> {
    done.left.iter().map(|remnant| remnant.kind).collect()
}

#[tokio::test]
async fn objects_go_and_their_statements() {
    let stage = Stage::new();
    stage.grant(&objects("env1", "a1", "a/")).await;
    let plan = Uninstaller::new(stage.fulfilment.clone()).plan(&Beyond::default()).await.unwrap();
    assert_eq!(plan.environments[0].held_objects.len(), 1, "{plan:?}");
    assert!(kinds(&plan).contains(&Kind::Statement) && !plan.is_proven(), "{plan:?}");
    let done = run(&stage.fulfilment).await;
    assert!(done.is_proven() && done.environments[0].revoked.len() == 1, "{done:?}");
    stage.assert_holds(&[], "uninstalled");
    assert!(stage.tracking.snapshot().is_empty());
}

#[tokio::test]
async fn what_no_row_leads_to_goes_too() {
    // A claim whose row is lost.
    let stage = Stage::new();
    stage.grant(&objects("env1", "a1", "a/")).await;
    let changes = vec![Change::remove(Key::Objects(id("env1"), id("a1")), Expect::Anything)];
    stage.tracking.commit(&Transaction { changes }).await.unwrap();
    let done = run(&stage.fulfilment).await;
    assert!(done.is_proven() && done.swept.len() == 1, "{done:?}");
    stage.assert_holds(&[], "without a row");
    assert!(stage.tracking.snapshot().is_empty());
    // Just the lease of a dead run.
    let mut record = BucketRecord::new(bucket(), Timestamp::now());
    record.leased = Some(Timestamp::from_seconds(Timestamp::now().seconds() - 3600));
    let changes = vec![Change::put(Expect::Absent, Version::from_bits(1), Record::Bucket(record))];
    stage.tracking.commit(&Transaction { changes }).await.unwrap();
    let done = run(&stage.fulfilment).await;
    assert!(done.is_proven(), "{done:?}");
    assert!(stage.tracking.snapshot().is_empty());
}

/// Makes a bucket's policy this once an outcome is reported.
#[derive(Clone, Debug)]
struct Back(MemoryPortal, MemoryBuckets, String);

#[async_trait]
impl Portal for Back {
    async fn wanted(&self, question: &Question) -> Result<Wanted> {
        self.0.wanted(question).await
    }

    async fn subscriptions(&self, event: &SubscriptionEvent) -> Result<Vec<Lookup>> {
        self.0.subscriptions(event).await
    }

    async fn report(&self, of: &Subscription, result: std::result::Result<&Outcome, &Error>) -> Result<()> {
        self.0.report(of, result).await
    }

    async fn report_objects(
        &self,
        _: &ObjectSubscription,
        _: std::result::Result<&ObjectOutcome, &Error>,
    ) -> Result<()> {
        self.1.set(bucket(), Some(&self.2));
        Ok(())
    }
}

#[tokio::test]
async fn policies_are_looked_at_once_more() {
    for is_readable in [true, false] {
        let stage = Stage::new();
        stage.grant(&objects("env1", "a1", "a/")).await;
        let text = if is_readable { stage.buckets.policy(&bucket()).unwrap() } else { "none".to_owned() };
        let portal = Back(stage.portal.clone(), stage.buckets.clone(), text);
        let late = Stage::process(&stage.buckets, &stage.tracking, &portal, &stage.spy, LEASE);
        let done = run(&late).await;
        // What may be read, and what may be listed.
        let left = if is_readable { vec![Kind::Statement; 2] } else { vec![Kind::Unknown] };
        assert_eq!((kinds(&done), done.is_proven()), (left, false), "{done:?}");
        assert!(stage.tracking.snapshot().is_empty(), "no record speaks of it");
    }
}
