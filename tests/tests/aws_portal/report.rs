//! Outcomes on grants that are there.

use dzconn_core::workflow::Outcome;
use dzconn_core::{Changed, Error, ErrorKind, Portal as _, Step};
use dzconn_datazone_stub::{AssetGrant, Fault, Operation};

use crate::handled::outcomes;
use crate::world::{World, subscription};

pub(crate) async fn tell(world: &World, outcome: Result<&Outcome, &Error>) {
    world.portal.report(&subscription(), outcome).await.unwrap();
}

pub(crate) fn failure() -> Error {
    Error::new(ErrorKind::AdminDenied, "the admin user may not create users")
        .at(Step::User)
        .advise("give it CREATEROLE")
        .because("driver said: password 'hunter2' rejected")
}

fn status(world: &World, grant: &str) -> String {
    world.statuses().into_iter().find(|(id, _)| id == grant).unwrap().1
}

/// A world with one grant, in this status, on a target that somebody else than the portal fulfils.
async fn with_grant(status: &str) -> World {
    let world = World::new().await;
    world.target("custom", "somebody");
    world.grant("g-1", "custom", status);
    world
}

#[tokio::test]
async fn without_grants_a_report_is_one_call() {
    let world = World::new().await;
    let outcomes = outcomes().await;
    let failure = failure();
    for outcome in [Ok(&outcomes.granted), Ok(&outcomes.revoked), Err(&failure)] {
        tell(&world, outcome).await;
        assert_eq!(world.calls(), [(Operation::ListSubscriptionGrants, 1)]);
    }
    // Who was superseded, or left access as it was, has nothing to say.
    for outcome in [&Outcome::Superseded, &outcomes.retained] {
        tell(&world, Ok(outcome)).await;
        assert_eq!(world.calls(), []);
    }
}

#[tokio::test]
async fn a_grant_is_told_once() {
    for from in ["GRANT_PENDING", "GRANT_IN_PROGRESS", "GRANT_FAILED"] {
        let world = with_grant(from).await;
        let granted = outcomes().await.granted;
        for _ in 0..3 {
            tell(&world, Ok(&granted)).await;
        }
        assert_eq!(world.history("g-1"), [("GRANTED".to_owned(), None)], "from {from}");
        let update =
            world.stub.calls().into_iter().find(|call| call.operation == Operation::UpdateSubscriptionGrantStatus);
        assert_eq!(update.unwrap().path, "/v2/domains/dzd_1/subscription-grants/g-1/status/ast-1");
    }
}

#[tokio::test]
async fn a_revoke_is_told_once() {
    for from in ["REVOKE_PENDING", "REVOKE_IN_PROGRESS", "REVOKE_FAILED", "GRANTED"] {
        let world = with_grant(from).await;
        let revoked = outcomes().await.revoked;
        for _ in 0..3 {
            tell(&world, Ok(&revoked)).await;
        }
        assert_eq!(world.history("g-1"), [("REVOKED".to_owned(), None)], "from {from}");
    }
}

#[tokio::test]
async fn what_was_not_asked_for_stays_as_it_is() {
    let outcomes = outcomes().await;
    for (from, outcome) in [
        // A revoke that is under way has its own run.
        ("REVOKE_PENDING", &outcomes.granted),
        ("REVOKE_FAILED", &outcomes.granted),
        ("REVOKED", &outcomes.granted),
        ("REVOKED", &outcomes.revoked),
        ("GRANTED", &outcomes.granted),
        ("GRANT_FAILED", &outcomes.revoked),
    ] {
        let world = with_grant(from).await;
        tell(&world, Ok(outcome)).await;
        assert_eq!(world.stub.count(Operation::UpdateSubscriptionGrantStatus), 0, "{from} and {outcome:?}");
    }
}

#[tokio::test]
async fn a_grant_whose_subscription_ended_first_ends_with_that_cause() {
    let world = with_grant("GRANT_PENDING").await;
    tell(&world, Ok(&outcomes().await.revoked)).await;
    let (status, cause) = world.history("g-1").pop().unwrap();
    assert_eq!(status, "GRANT_FAILED");
    assert!(cause.unwrap().contains("ended"));
}

#[tokio::test]
async fn a_failure_is_told_with_cause_and_advice_and_no_secret() {
    let world = with_grant("GRANT_PENDING").await;
    for _ in 0..2 {
        tell(&world, Err(&failure())).await;
    }
    let history = world.history("g-1");
    let [(status, Some(cause))] = history.as_slice() else { panic!("{history:?}") };
    assert_eq!(status, "GRANT_FAILED");
    assert!(cause.contains("may not create users") && cause.contains("CREATEROLE"), "{cause}");
    assert!(!cause.contains("hunter2") && !cause.contains("driver"), "{cause}");
    // Another cause is worth telling, and success wins in the end.
    tell(&world, Err(&Error::new(ErrorKind::Unreachable, "x\ny".repeat(2000)))).await;
    let cause = world.history("g-1").pop().unwrap().1.unwrap();
    assert!(cause.chars().count() <= 1000 && !cause.contains('\n'), "{cause}");
    tell(&world, Ok(&outcomes().await.granted)).await;
    assert_eq!(world.history("g-1").pop().unwrap(), ("GRANTED".to_owned(), None));
}

#[tokio::test]
async fn a_failed_revoke_is_told_as_one() {
    for from in ["REVOKE_PENDING", "REVOKE_IN_PROGRESS", "REVOKE_FAILED"] {
        let world = with_grant(from).await;
        tell(&world, Err(&failure())).await;
        assert_eq!(status(&world, "g-1"), "REVOKE_FAILED");
        let asked = [Operation::ListSubscriptions, Operation::GetSubscription].map(|asked| world.stub.count(asked));
        assert_eq!(asked, [0, 0], "the grant itself tells what it was");
        tell(&world, Ok(&outcomes().await.revoked)).await;
        assert_eq!(status(&world, "g-1"), "REVOKED");
    }
}

#[tokio::test]
async fn what_failed_on_a_grant_that_stands_the_portal_tells() {
    // It is still wanted, and something was left half done.
    let world = with_grant("GRANTED").await;
    tell(&world, Err(&failure())).await;
    assert_eq!(status(&world, "g-1"), "GRANT_FAILED");
    // It is still wanted, and all is as it was.
    let world = with_grant("GRANTED").await;
    tell(&world, Err(&failure().changed(Changed::Nothing))).await;
    assert_eq!(status(&world, "g-1"), "GRANTED");
    // It is not wanted any more: a revoke has failed.
    let world = with_grant("GRANTED").await;
    world.domain(|domain| domain.subscriptions.clear());
    tell(&world, Err(&failure().changed(Changed::Nothing))).await;
    assert_eq!(status(&world, "g-1"), "REVOKE_FAILED");
    // The portal cannot say: nothing is claimed.
    let world = with_grant("GRANTED").await;
    world.stub.fail(Operation::GetSubscription, 1, Fault::Denied);
    let error = world.portal.report(&subscription(), Err(&failure())).await.unwrap_err();
    assert_eq!((error.kind(), status(&world, "g-1").as_str()), (ErrorKind::StoreDenied, "GRANTED"));
}

#[tokio::test]
async fn what_the_portal_fulfils_itself_is_not_touched() {
    let world = World::with(|config| config.portal.targets = vec!["own".to_owned()]).await;
    world.target("own", "Amazon DataZone");
    world.grant("g-1", "own", "GRANT_PENDING");
    world.grant("g-2", "forgotten", "GRANT_PENDING");
    let outcomes = outcomes().await;
    for outcome in [Ok(&outcomes.granted), Ok(&outcomes.revoked), Err(&failure())] {
        tell(&world, outcome).await;
    }
    assert_eq!(world.stub.count(Operation::UpdateSubscriptionGrantStatus), 0);
    assert_eq!(world.stub.count(Operation::CreateSubscriptionGrant), 0);
}

#[tokio::test]
async fn a_status_that_may_not_follow_directly_follows_in_steps() {
    let world = with_grant("GRANT_PENDING").await;
    world.stub.edit(|state| state.stepwise = true);
    let outcomes = outcomes().await;
    let said = |world: &World| world.history("g-1").into_iter().map(|(status, _)| status).collect::<Vec<_>>();
    tell(&world, Ok(&outcomes.granted)).await;
    assert_eq!(said(&world), ["GRANT_IN_PROGRESS", "GRANTED"]);
    tell(&world, Ok(&outcomes.revoked)).await;
    assert_eq!(said(&world)[2..], ["REVOKE_IN_PROGRESS", "REVOKED"]);

    let world = with_grant("GRANT_FAILED").await;
    world.stub.edit(|state| state.stepwise = true);
    tell(&world, Err(&failure())).await;
    assert_eq!(said(&world), ["GRANT_IN_PROGRESS", "GRANT_FAILED"]);
}

#[tokio::test]
async fn all_pages_of_grants_and_targets_are_read_and_only_those_of_the_asset_are_told() {
    let world = World::new().await;
    for n in 0..7 {
        world.target(&format!("target-{n}"), if n == 3 { "Amazon DataZone" } else { "somebody" });
        world.grant(&format!("g-{n}"), &format!("target-{n}"), "GRANT_PENDING");
    }
    world.domain(|domain| {
        domain.grants[5].assets[0].asset = "another".to_owned();
        let sibling = AssetGrant { asset: "sibling".to_owned(), ..domain.grants[6].assets[0].clone() };
        domain.grants[6].assets.push(sibling);
    });
    tell(&world, Ok(&outcomes().await.granted)).await;
    for n in 0..7 {
        let expected = if n == 3 || n == 5 { "GRANT_PENDING" } else { "GRANTED" };
        assert_eq!(status(&world, &format!("g-{n}")), expected, "{n}");
    }
    world.domain(|domain| assert_eq!(domain.grants[6].assets[1].status, "GRANT_PENDING"));
    assert_eq!(world.stub.count(Operation::ListSubscriptionGrants), 4);
    assert_eq!(world.stub.count(Operation::ListSubscriptionTargets), 4);
}

#[tokio::test]
async fn targets_are_remembered_until_one_is_missing() {
    let world = with_grant("GRANT_PENDING").await;
    let granted = outcomes().await.granted;
    tell(&world, Ok(&granted)).await;
    tell(&world, Ok(&granted)).await;
    assert_eq!(world.stub.count(Operation::ListSubscriptionTargets), 1);
    world.target("newer", "somebody");
    world.grant("g-2", "newer", "GRANT_PENDING");
    tell(&world, Ok(&granted)).await;
    assert_eq!((world.stub.count(Operation::ListSubscriptionTargets), status(&world, "g-2").as_str()), (2, "GRANTED"));
}

#[tokio::test]
async fn what_goes_meanwhile_needs_no_report() {
    let granted = outcomes().await.granted;
    let gone = || Fault::Error(404, "ResourceNotFoundException".into(), "gone".into());
    for operation in [
        Operation::ListSubscriptionGrants,
        Operation::ListSubscriptionTargets,
        Operation::UpdateSubscriptionGrantStatus,
    ] {
        let world = with_grant("GRANT_PENDING").await;
        world.stub.fail(operation, 1, gone());
        tell(&world, Ok(&granted)).await;
        assert_eq!(status(&world, "g-1"), "GRANT_PENDING", "{operation:?}");
    }
}

#[tokio::test]
async fn a_report_that_fails_says_so_and_keeps_no_other_grant_from_it() {
    let world = with_grant("GRANT_PENDING").await;
    world.grant("g-2", "custom", "GRANT_PENDING");
    world.stub.fail(Operation::UpdateSubscriptionGrantStatus, 1, Fault::Denied);
    let granted = outcomes().await.granted;
    let error = world.portal.report(&subscription(), Ok(&granted)).await.unwrap_err();
    assert_eq!((error.kind(), error.step()), (ErrorKind::StoreDenied, Some(Step::Report)));
    let said = error.to_string();
    assert!(said.contains("sales.hr.employees") && said.contains("env-1"), "{said}");
    assert_eq!((status(&world, "g-1").as_str(), status(&world, "g-2").as_str()), ("GRANT_PENDING", "GRANTED"));
    // Repeating it does what was left.
    tell(&world, Ok(&granted)).await;
    assert_eq!(status(&world, "g-1"), "GRANTED");
}

#[tokio::test]
async fn what_passes_is_tried_again() {
    let granted = outcomes().await.granted;
    for operation in [
        Operation::ListSubscriptionGrants,
        Operation::ListSubscriptionTargets,
        Operation::UpdateSubscriptionGrantStatus,
    ] {
        for fault in [Fault::Throttled, Fault::Unavailable] {
            let world = with_grant("GRANT_PENDING").await;
            world.stub.fail(operation, 1, fault);
            tell(&world, Ok(&granted)).await;
            assert_eq!(status(&world, "g-1"), "GRANTED", "{operation:?}");
        }
    }
}
