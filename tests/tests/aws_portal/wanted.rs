//! What is wanted.

use dzconn_core::model::Wanted;
use dzconn_core::{ErrorKind, Portal as _, Step};
use dzconn_datazone_stub::{Fault, Operation, Principal, Subscription};

use crate::world::{World, question};

fn ended(id: &str, status: &str, retain: Option<bool>, updated: u64) -> Subscription {
    Subscription { status: status.to_owned(), retain, updated, ..Subscription::approved(id, "cons", "lst-1") }
}

fn limited(id: &str) -> Subscription {
    Subscription { filters: Some(vec!["rows-1".to_owned()]), ..Subscription::approved(id, "cons", "lst-1") }
}

async fn answer(world: &World, told: Wanted) -> Wanted {
    world.portal.wanted(&question(told)).await.unwrap()
}

#[tokio::test]
async fn an_approved_subscription_is_a_grant_whatever_the_event_said() {
    let world = World::new().await;
    for told in [Wanted::Grant, Wanted::Retain, Wanted::Revoke] {
        assert_eq!(answer(&world, told).await, Wanted::Grant);
        assert_eq!(world.calls(), [(Operation::GetSubscription, 1), (Operation::ListSubscriptions, 1)]);
        let own = dzconn_core::portal::Question { subscription: Some("sub-1".parse().unwrap()), ..question(told) };
        assert_eq!(world.portal.wanted(&own).await.unwrap(), Wanted::Grant);
        assert_eq!(world.calls(), [(Operation::GetSubscription, 1)], "the event's own decides alone");
    }
}

#[tokio::test]
async fn pages_are_read_until_one_decides() {
    let world = World::new().await;
    world.domain(|domain| {
        domain.subscriptions = (0..4).map(|n| limited(&format!("sub-{n}"))).collect();
        domain.subscriptions.push(Subscription::approved("whole", "cons", "lst-1"));
        domain.subscriptions.extend((5..9).map(|n| limited(&format!("sub-{n}"))));
    });
    // Two to a page: the third page has the one that counts, and the two after it are not asked for.
    assert_eq!(answer(&world, Wanted::Grant).await, Wanted::Grant);
    assert_eq!(world.calls(), [(Operation::GetSubscription, 1), (Operation::ListSubscriptions, 3)]);
}

#[tokio::test]
async fn filters_are_refused_unless_another_approval_has_none() {
    let world = World::new().await;
    world.domain(|domain| domain.subscriptions = vec![limited("sub-1"), limited("sub-2"), limited("sub-3")]);
    let error = world.portal.wanted(&question(Wanted::Grant)).await.unwrap_err();
    assert_eq!((error.kind(), error.step(), error.is_retryable()), (ErrorKind::Refused, Some(Step::Ask), false));
    let said = error.to_string();
    assert!(["rows-1", "lst-1", "dzd_1", "ast-1", "cons"].iter().all(|word| said.contains(word)), "{said}");
    assert!(error.advice().unwrap().contains("view"));
    // One that ended has no say while there is an approved one.
    world.domain(|domain| domain.subscriptions.push(ended("old", "REVOKED", Some(true), 9)));
    assert_eq!(world.portal.wanted(&question(Wanted::Revoke)).await.unwrap_err().kind(), ErrorKind::Refused);
    world.domain(|domain| domain.subscriptions.push(Subscription::approved("whole", "cons", "lst-1")));
    assert_eq!(answer(&world, Wanted::Grant).await, Wanted::Grant);
}

#[tokio::test]
async fn a_list_that_is_behind_does_not_decide_over_the_events_own_subscription() {
    let world = World::new().await;
    let asked = async |told, id: &str| {
        let subscription = Some(id.parse().unwrap());
        world.portal.wanted(&dzconn_core::portal::Question { subscription, ..question(told) }).await
    };
    // It was approved a moment ago.
    world.domain(|domain| {
        let fresh = Subscription { listed: Some(String::new()), ..Subscription::approved("new", "cons", "lst-1") };
        domain.subscriptions = vec![fresh];
    });
    assert_eq!(answer(&world, Wanted::Grant).await, Wanted::Revoke, "the list alone does not know");
    assert_eq!(asked(Wanted::Grant, "new").await.unwrap(), Wanted::Grant);
    assert_eq!(asked(Wanted::Grant, "unknown").await.unwrap(), Wanted::Revoke);
    world.domain(|domain| domain.subscriptions[0].filters = Some(vec!["rows-1".to_owned()]));
    assert_eq!(asked(Wanted::Grant, "new").await.unwrap_err().kind(), ErrorKind::Refused);
    // That of old has filters, and the new one has none.
    world.domain(|domain| {
        domain.subscriptions[0].filters = None;
        domain.subscriptions.push(limited("of old"));
    });
    assert_eq!(asked(Wanted::Grant, "new").await.unwrap(), Wanted::Grant);
    world.domain(|domain| domain.subscriptions.truncate(1));
    // Somebody else's says nothing.
    world.domain(|domain| domain.subscriptions[0].principal = Principal::Project("prod".to_owned()));
    assert_eq!(asked(Wanted::Grant, "new").await.unwrap(), Wanted::Revoke);
    // It was revoked a moment ago.
    world.domain(|domain| {
        let listed = Some("APPROVED".to_owned());
        domain.subscriptions = vec![Subscription { listed, ..ended("old", "REVOKED", Some(false), 1) }];
    });
    assert_eq!(answer(&world, Wanted::Revoke).await, Wanted::Revoke, "what is listed is asked itself");
    // An event that comes late brings nothing back.
    assert_eq!(asked(Wanted::Grant, "old").await.unwrap(), Wanted::Revoke);
    assert_eq!(asked(Wanted::Revoke, "old").await.unwrap(), Wanted::Revoke);
    // Another one is approved.
    world.domain(|domain| domain.subscriptions.push(Subscription::approved("other", "cons", "lst-1")));
    assert_eq!(asked(Wanted::Revoke, "old").await.unwrap(), Wanted::Grant);
}

#[tokio::test]
async fn a_scope_without_filters_limits_nothing() {
    let world = World::new().await;
    world.domain(|domain| domain.subscriptions[0].filters = Some(Vec::new()));
    assert_eq!(answer(&world, Wanted::Grant).await, Wanted::Grant);
}

#[tokio::test]
async fn what_others_have_subscribed_to_does_not_count() {
    let world = World::new().await;
    world.domain(|domain| {
        let mut of_a_user = Subscription::approved("user", "cons", "lst-1");
        of_a_user.principal = Principal::User("cons".to_owned());
        domain.subscriptions =
            vec![Subscription::approved("a", "prod", "lst-1"), Subscription::approved("b", "cons", "lst-2"), of_a_user];
    });
    assert_eq!(answer(&world, Wanted::Grant).await, Wanted::Revoke);
}

#[tokio::test]
async fn the_one_that_ended_last_says_whether_access_stays() {
    let world = World::new().await;
    let cases: [(&[Subscription], Wanted, Wanted); 9] = [
        (&[], Wanted::Grant, Wanted::Revoke),
        (&[], Wanted::Revoke, Wanted::Revoke),
        // The portal has nothing that would contradict the event.
        (&[], Wanted::Retain, Wanted::Retain),
        (&[ended("a", "REVOKED", Some(true), 1)], Wanted::Revoke, Wanted::Retain),
        (&[ended("a", "REVOKED", Some(false), 1)], Wanted::Retain, Wanted::Revoke),
        (&[ended("a", "REVOKED", None, 1)], Wanted::Retain, Wanted::Retain),
        (&[ended("a", "CANCELLED", None, 1)], Wanted::Grant, Wanted::Revoke),
        (
            &[ended("a", "REVOKED", Some(true), 1), ended("b", "CANCELLED", Some(false), 2)],
            Wanted::Retain,
            Wanted::Revoke,
        ),
        (
            &[
                ended("a", "REVOKED", Some(false), 1),
                ended("b", "REVOKED", Some(false), 2),
                ended("c", "REVOKED", Some(true), 3),
                ended("d", "CANCELLED", Some(false), 2),
            ],
            Wanted::Revoke,
            Wanted::Retain,
        ),
    ];
    for (subscriptions, told, wanted) in cases {
        world.domain(|domain| domain.subscriptions = subscriptions.to_vec());
        assert_eq!(answer(&world, told).await, wanted, "{subscriptions:?}, told {told:?}");
        assert_eq!(world.calls(), [(Operation::ListSubscriptions, 3)], "newest first, so one page each");
    }
}

#[tokio::test]
async fn what_is_gone_is_not_wanted() {
    let world = World::new().await;
    world.domain(|domain| domain.projects.clear());
    assert_eq!(answer(&world, Wanted::Retain).await, Wanted::Revoke);
    world.stub.edit(|state| state.domains.clear());
    assert_eq!(answer(&world, Wanted::Grant).await, Wanted::Revoke);
}

#[tokio::test]
async fn who_may_not_ask_does_not_revoke() {
    let world = World::new().await;
    world.domain(|domain| domain.subscriptions.clear());
    world.stub.fail(Operation::ListSubscriptions, 1, Fault::Denied);
    let error = world.portal.wanted(&question(Wanted::Revoke)).await.unwrap_err();
    assert_eq!((error.kind(), error.step()), (ErrorKind::StoreDenied, Some(Step::Ask)));
    assert!(error.to_string().contains("lst-1") && error.to_string().contains("ListSubscriptions"), "{error}");
    // Neither does a part of the answer that is missing.
    let elsewhere = Fault::Error(401, "UnauthorizedException".into(), "who?".into());
    world.stub.edit(|state| state.page = 1);
    world.domain(|domain| domain.subscriptions = vec![ended("a", "REVOKED", Some(false), 1)]);
    world.stub.fail(Operation::ListSubscriptions, 3, elsewhere);
    assert_eq!(world.portal.wanted(&question(Wanted::Revoke)).await.unwrap_err().kind(), ErrorKind::StoreDenied);
}

#[tokio::test]
async fn what_passes_is_tried_again() {
    for fault in [Fault::Throttled, Fault::Internal, Fault::Unavailable] {
        let world = World::new().await;
        world.stub.fail(Operation::ListSubscriptions, 1, fault.clone());
        assert_eq!(answer(&world, Wanted::Revoke).await, Wanted::Grant, "{fault:?}");
        assert_eq!(world.calls(), [(Operation::GetSubscription, 1), (Operation::ListSubscriptions, 2)]);
    }
}

#[tokio::test]
async fn what_does_not_pass_is_an_error_that_may() {
    for (fault, kind) in [
        (Fault::Throttled, ErrorKind::Throttled),
        (Fault::Internal, ErrorKind::StoreFailed),
        (Fault::Unavailable, ErrorKind::StoreFailed),
        (Fault::Garbage, ErrorKind::StoreFailed),
    ] {
        let world = World::with(|config| config.calls.attempts = 2).await;
        world.stub.fail(Operation::ListSubscriptions, 2, fault.clone());
        let error = world.portal.wanted(&question(Wanted::Revoke)).await.unwrap_err();
        assert_eq!((error.kind(), error.is_retryable()), (kind, true), "{fault:?}: {error}");
    }
    let world = World::new().await;
    let invalid = Fault::Error(400, "ValidationException".into(), "subscribedListingId is malformed".into());
    world.stub.fail(Operation::ListSubscriptions, 1, invalid);
    let error = world.portal.wanted(&question(Wanted::Revoke)).await.unwrap_err();
    assert_eq!((error.kind(), error.vendor_code()), (ErrorKind::InvalidInput, Some("DataZone ValidationException")));
}
