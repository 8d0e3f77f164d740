//! Objects: what reconciling finds and mends.

use dzconn_core::bucket::*;
use dzconn_core::model::*;
use dzconn_core::portal::Wanted;
use dzconn_core::reconcile::{Mend, Problem};
use dzconn_core::store::{Change, Expect, Key, Record, Transaction};
use dzconn_core::testkit::faults::When;
use dzconn_core::{Timestamp, TrackingStore as _};

use crate::objects::{Stage, THEIRS, bucket, objects, role};
use crate::world::id;

#[tokio::test]
async fn what_differs_is_found_and_mended() {
    let stage = Stage::new();
    let (one, two) = (objects("env1", "a1", "a/"), objects("env2", "a2", "b/"));
    stage.grant(&one).await;
    stage.grant(&two).await;
    assert_eq!(stage.found().await, []);
    let good = stage.buckets.policy(&bucket()).unwrap();
    // Somebody has put back a policy of yesterday.
    stage.buckets.set(bucket(), Some(THEIRS));
    let found = stage.found().await;
    assert!(found.len() == 2 && found.iter().all(|(problem, _)| *problem == Problem::GrantMissing), "{found:?}");
    stage.mend_all().await;
    stage.assert_holds(&[&one, &two], "missing");
    // Somebody has added a role to a statement of ours, in our own shape.
    let wide = format!("[\"{}\",\"{}\"]", role("env1"), role("else"));
    stage.buckets.set(bucket(), Some(&good.replacen(&format!("\"{}\"", role("env1")), &wide, 1)));
    assert!(matches!(stage.found().await.as_slice(), [(Problem::GrantExtra, Mend::Bucket(_))]));
    stage.mend_all().await;
    stage.assert_holds(&[&one, &two], "extra");
    // In a shape of its own it is not touched; what was ours in it is made again.
    stage
        .buckets
        .set(bucket(), Some(&good.replacen("\"s3:GetObject\"", "\"s3:*\"", 2).replacen("s3:*", "s3:GetObject", 0)));
    let found = stage.found().await;
    assert!(
        found.iter().any(|(problem, mend)| *problem == Problem::Excess && matches!(mend, Mend::ByHand(_))),
        "{found:?}"
    );
    stage.buckets.set(bucket(), Some(&good));
    // The portal has changed its mind, and no event came.
    stage.want(&one, Wanted::Revoke);
    assert!(matches!(stage.found().await.as_slice(), [(Problem::NotWanted, Mend::Objects(_, Wanted::Revoke))]));
    stage.mend_all().await;
    stage.assert_holds(&[&two], "not wanted");
    // A role was deleted.
    let gone = stage.buckets.policy(&bucket()).unwrap().replace(role("env2").as_str(), "AROABBBBBBBBBBBBBBBBB");
    stage.buckets.set(bucket(), Some(&gone));
    assert!(stage.found().await.iter().any(|(problem, _)| *problem == Problem::UserMissing));
    stage.revoke(&two).await;
    stage.assert_holds(&[], "deleted");
}

#[tokio::test]
async fn records_that_were_edited_are_found() {
    let stage = Stage::new();
    let one = objects("env1", "a1", "a/");
    stage.grant(&one).await;
    let row = stage.row(&one).await.unwrap();
    let key = Key::Objects(id("env1"), id("a1"));
    let commit = async |changes| stage.tracking.commit(&Transaction { changes }).await.unwrap();
    commit(vec![Change::remove(key, Expect::Anything)]).await;
    assert!(matches!(stage.found().await.as_slice(), [(Problem::Row, Mend::ByHand(_))]));
    stage.grant(&one).await;
    stage.assert_holds(&[&one], "the row is back");
    let lonely = ObjectRecord { asset: id("a9"), ..row };
    commit(vec![Change::put(Expect::Absent, Version::from_bits(1), Record::Objects(lonely))]).await;
    assert!(matches!(stage.found().await.as_slice(), [(Problem::RowWithoutGrant, Mend::Forget(..))]));
    stage.mend_all().await;
    stage.assert_holds(&[&one], "the lonely row is gone");
    // A run died half way, long ago.
    let long_ago = Timestamp::from_seconds(Timestamp::now().seconds() - 3600);
    let mut record = BucketRecord::new(bucket(), long_ago);
    let claim = |has: Option<&ObjectSubscription>, open| Claim {
        domain: id("dzd_1"),
        has: has.map(|of| of.access.clone()),
        open,
    };
    record.domains.insert(id("dzd_1"));
    record.leased = Some(long_ago);
    let dead = objects("env3", "a3", "c/");
    record.claims.insert(one.claimant(), claim(Some(&one), None));
    record.claims.insert(dead.claimant(), claim(None, Some(OpenClaim::Granting(dead.access.clone()))));
    let row = ObjectRecord::of(&dead, ObjectState::Granting, long_ago);
    commit(vec![
        Change::put(Expect::Anything, Version::from_bits(2), Record::Bucket(record)),
        Change::put(Expect::Absent, Version::from_bits(3), Record::Objects(row)),
    ])
    .await;
    let found = stage.found().await;
    assert!(
        found.len() == 2
            && found.iter().all(|(problem, mend)| *problem == Problem::HalfDone && matches!(mend, Mend::Bucket(_))),
        "{found:?}"
    );
    stage.mend_all().await;
    stage.assert_holds(&[&one], "tidied");
}

#[tokio::test]
async fn a_role_that_was_deleted_is_in_nobodys_way_and_does_not_come_back() {
    for died in [false, true] {
        let stage = Stage::new();
        let (gone, third) = (objects("env1", "a1", "a/"), objects("env3", "a3", "c/"));
        // The same prefix, and a role that stays.
        let beside = objects("env2", "a2", "a/");
        stage.grant(&gone).await;
        stage.grant(&beside).await;
        stage.buckets.delete_principal(&role("env1"));
        if died {
            // After the policy was written, and before that is recorded.
            stage.want(&third, Wanted::Grant);
            let put = {
                let calls = Stage::new();
                calls.grant(&objects("env9", "a9", "x/")).await;
                calls.spy.calls();
                calls.grant(&third).await;
                calls.spy.calls().into_iter().position(|call| call == "bucket.put").unwrap()
            };
            stage.spy.calls();
            stage.spy.vanish(put, When::After);
            tokio::select! {
                result = stage.fulfilment.grant_objects(&third) => panic!("{result:?}"),
                () = stage.spy.vanished() => {}
            }
            stage.spy.heal();
            stage.expire();
        }
        let has = |of: &[&ObjectSubscription]| {
            assert!(!stage.rights().iter().any(|(who, _)| *who == role("env1")), "{died}");
            assert_eq!(stage.rights().len(), of.len() * 2, "{died}: {:?}", stage.rights());
        };
        stage.grant(&third).await;
        has(&[&beside, &third]);
        stage.revoke(&beside).await;
        has(&[&third]);
        assert!(stage.found().await.iter().any(|(problem, _)| *problem == Problem::UserMissing), "{died}");
        // Another role of that name has nothing, until it is granted something.
        stage.buckets.create_principal(&role("env1"));
        stage.grant(&beside).await;
        has(&[&beside, &third]);
        assert!(stage.grant(&gone).await.changed);
        stage.assert_holds(&[&gone, &beside, &third], "granted again");
        stage.buckets.delete_principal(&role("env1"));
        stage.revoke(&third).await;
        stage.revoke(&gone).await;
        stage.assert_holds(&[&beside], "revoked");
    }
}
