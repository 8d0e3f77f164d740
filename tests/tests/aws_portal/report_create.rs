//! Grants that dzconn makes on targets of its own.

use dzconn_core::model::Subscription;
use dzconn_core::{Error, ErrorKind, Portal as _, Step};
use dzconn_datazone_stub::{Fault, Operation};

use crate::handled::outcomes;
use crate::report::{failure, tell};
use crate::world::{World, subscription};

/// A world in which dzconn was told of a target, by id or by name.
async fn with_target(named: &str) -> World {
    let world = World::with(|config| config.portal.targets = vec![named.to_owned()]).await;
    world.target("mine", "dzconn");
    world.target("other", "somebody");
    world
}

fn statuses(world: &World) -> Vec<String> {
    world.statuses().into_iter().map(|(_, status)| status).collect()
}

#[tokio::test]
async fn a_grant_is_made_once_on_a_target_of_ours() {
    for named in ["mine", "name of mine"] {
        let world = with_target(named).await;
        let granted = outcomes().await.granted;
        for _ in 0..3 {
            tell(&world, Ok(&granted)).await;
        }
        assert_eq!(world.stub.count(Operation::CreateSubscriptionGrant), 1);
        world.domain(|domain| {
            let [grant] = domain.grants.as_slice() else { panic!("{:?}", domain.grants) };
            assert_eq!((&*grant.target, &*grant.environment, &*grant.listing), ("mine", "env-1", "lst-1"));
            assert_eq!((&*grant.assets[0].asset, &*grant.assets[0].status), ("ast-1", "GRANTED"));
        });
    }
}

#[tokio::test]
async fn a_target_that_nobody_named_gets_none() {
    let world = with_target("theirs").await;
    tell(&world, Ok(&outcomes().await.granted)).await;
    assert_eq!(world.stub.count(Operation::CreateSubscriptionGrant), 0);
}

#[tokio::test]
async fn several_at_once_make_one_grant() {
    for _ in 0..10 {
        let world = with_target("mine").await;
        let granted = outcomes().await.granted;
        let subscription = subscription();
        let reports = (0..4).map(|_| world.portal.report(&subscription, Ok(&granted)));
        for told in futures_util::future::join_all(reports).await {
            told.unwrap();
        }
        assert_eq!(statuses(&world), ["GRANTED"]);
    }
}

#[tokio::test]
async fn a_second_life_has_a_second_grant() {
    let world = with_target("mine").await;
    let outcomes = outcomes().await;
    for _ in 0..2 {
        tell(&world, Ok(&outcomes.granted)).await;
        tell(&world, Ok(&outcomes.revoked)).await;
    }
    tell(&world, Ok(&outcomes.granted)).await;
    assert_eq!(statuses(&world), ["REVOKED", "REVOKED", "GRANTED"]);
}

#[tokio::test]
async fn a_revoke_of_what_has_no_grant_makes_none() {
    let world = with_target("mine").await;
    tell(&world, Ok(&outcomes().await.revoked)).await;
    assert_eq!(world.calls(), [(Operation::ListSubscriptionGrants, 1)]);
}

#[tokio::test]
async fn a_failed_grant_is_shown_on_one_and_a_failed_revoke_on_none() {
    let world = with_target("mine").await;
    tell(&world, Err(&failure())).await;
    assert_eq!(statuses(&world), ["GRANT_FAILED"]);
    tell(&world, Ok(&outcomes().await.granted)).await;
    assert_eq!(statuses(&world), ["GRANTED"]);

    let world = with_target("mine").await;
    world.domain(|domain| domain.subscriptions.clear());
    tell(&world, Err(&failure())).await;
    assert_eq!(statuses(&world), Vec::<String>::new());
}

#[tokio::test]
async fn a_refusal_needs_no_question() {
    let world = with_target("mine").await;
    let refused = Error::new(ErrorKind::Refused, "filters").at(Step::Ask).advise("publish a view");
    tell(&world, Err(&refused)).await;
    assert_eq!(statuses(&world), ["GRANT_FAILED"]);
    assert_eq!(world.stub.count(Operation::ListSubscriptions), 0);
}

#[tokio::test]
async fn a_grant_that_somebody_else_made_is_used() {
    let world = with_target("mine").await;
    world.grant("theirs", "mine", "GRANT_PENDING");
    tell(&world, Ok(&outcomes().await.granted)).await;
    assert_eq!(world.statuses(), [("theirs".to_owned(), "GRANTED".to_owned())]);
    // And one on another target does not stand for ours.
    let world = with_target("mine").await;
    world.grant("elsewhere", "other", "GRANT_PENDING");
    tell(&world, Ok(&outcomes().await.granted)).await;
    assert_eq!(statuses(&world), ["GRANTED", "GRANTED"]);
}

#[tokio::test]
async fn a_listing_that_has_moved_on_is_an_error_of_the_report() {
    let world = with_target("mine").await;
    world.domain(|domain| domain.listings[0].revision = "2".to_owned());
    let granted = outcomes().await.granted;
    let error = world.portal.report(&subscription(), Ok(&granted)).await.unwrap_err();
    assert_eq!((error.kind(), error.step()), (ErrorKind::NotFound, Some(Step::Report)));
    assert!(error.to_string().contains("CreateSubscriptionGrant"), "{error}");
    let mut newer: Subscription = subscription();
    "2".clone_into(&mut newer.listing.revision);
    world.portal.report(&newer, Ok(&granted)).await.unwrap();
    assert_eq!(statuses(&world), ["GRANTED"]);
}

#[tokio::test]
async fn a_throttled_creation_makes_one_grant() {
    let world = with_target("mine").await;
    world.stub.fail(Operation::CreateSubscriptionGrant, 1, Fault::Throttled);
    tell(&world, Ok(&outcomes().await.granted)).await;
    assert_eq!((statuses(&world).len(), world.stub.count(Operation::CreateSubscriptionGrant)), (1, 2));
}
