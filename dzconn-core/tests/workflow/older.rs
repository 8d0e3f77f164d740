//! What an older system has left: records without generation entries and places.

use dzconn_core::ErrorKind;
use dzconn_core::event::SubscriptionEvent;
use dzconn_core::fulfilment::Handled;
use dzconn_core::model::Subscription;
use dzconn_core::portal::Wanted;
use dzconn_core::store::Key;
use dzconn_core::workflow::Outcome;

use crate::world::{World, id, table};

/// Employees and offices, granted by an older system.
async fn older_world() -> World {
    let world = World::new();
    for name in ["employees", "offices"] {
        world.grant(&world.subscription(name)).await;
    }
    world.make_older().await;
    world
}

fn entries(world: &World) -> usize {
    world.tracking.snapshot().iter().filter(|(key, _)| matches!(key, Key::Entry(..))).count()
}

fn revoked(subscription: &Subscription) -> SubscriptionEvent {
    SubscriptionEvent {
        id: None,
        domain: subscription.domain.clone(),
        project: subscription.consumer.project.clone(),
        listing: subscription.listing.id.clone(),
        subscription: None,
        ending: Some(dzconn_core::event::Ending::Revoke),
    }
}

#[tokio::test]
async fn it_is_revoked_one_by_one() {
    let world = older_world().await;
    let first = world.revoke(&world.subscription("employees")).await;
    assert!(first.changed && !first.dropped, "{first:?}");
    assert_eq!(world.readable(), ["offices"]);
    assert!(world.row(&world.subscription("employees")).await.is_none());
    assert!(!world.revoke(&world.subscription("employees")).await.changed, "it is gone already");
    let last = world.revoke(&world.subscription("offices")).await;
    assert!(last.changed && last.dropped, "{last:?}");
    world.assert_nothing_left("");
}

#[tokio::test]
async fn another_table_joins_the_same_user_and_secret() {
    let world = older_world().await;
    let salaries = world.subscription("salaries");
    assert!(!world.grant(&salaries).await.new_user);
    assert_eq!(world.readable(), ["employees", "offices", "salaries"]);
    for name in ["salaries", "employees", "offices"] {
        assert!(world.revoke(&world.subscription(name)).await.changed, "{name}");
    }
    world.assert_nothing_left("");
}

#[tokio::test]
async fn granting_it_again_gives_it_an_entry() {
    let world = older_world().await;
    let employees = world.subscription("employees");
    let granted = world.grant(&employees).await;
    assert!(!granted.new_user && granted.changed);
    assert_eq!((world.readable(), entries(&world)), (vec!["employees", "offices"], 1));
    assert_eq!(world.row(&employees).await.unwrap().place.unwrap().table, table("employees"));
    assert!(!world.grant(&employees).await.changed);
    // A grant that fails takes nothing away that was there.
    world.engine.forbid_grant_option(&table("offices"));
    world.want(&world.subscription("offices"), Wanted::Grant);
    let error = world.fulfilment.grant(&world.subscription("offices")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoGrantOption);
    assert_eq!(world.readable(), ["employees", "offices"]);
    for name in ["offices", "employees"] {
        world.revoke(&world.subscription(name)).await;
    }
    world.assert_nothing_left("");
}

#[tokio::test]
async fn it_is_retained() {
    let world = older_world().await;
    let employees = world.subscription("employees");
    world.want(&employees, Wanted::Retain);
    for _ in 0..2 {
        let outcome = world.fulfilment.retain(&employees).await.unwrap();
        assert!(matches!(outcome, Outcome::Retained(_)), "{outcome:?}");
    }
    world.revoke(&world.subscription("offices")).await;
    assert_eq!(world.readable(), ["employees"]);
}

#[tokio::test]
async fn it_is_revoked_where_the_table_is_gone() {
    let world = older_world().await;
    world.engine.drop_table(&table("employees"));
    assert!(world.revoke(&world.subscription("employees")).await.changed);
    assert_eq!(world.readable(), ["offices"]);
}

#[tokio::test]
async fn an_event_finds_it_though_the_portal_knows_nothing_any_more() {
    let world = older_world().await;
    let employees = world.subscription("employees");
    world.want(&employees, Wanted::Revoke);
    // Which of two paths is meant cannot be told.
    let handled = world.fulfilment.handle(&revoked(&employees)).await.unwrap();
    let [Handled::Failed { error }] = handled.as_slice() else { panic!("{handled:?}") };
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(world.readable(), ["employees", "offices"]);

    world.revoke(&world.subscription("offices")).await;
    let handled = world.fulfilment.handle(&revoked(&employees)).await.unwrap();
    assert!(matches!(handled.as_slice(), [Handled::Done { result, .. }] if result.is_ok()), "{handled:?}");
    world.assert_nothing_left("");
}

#[tokio::test]
async fn a_source_that_is_published_under_another_connection_by_now_is_left_where_it_was() {
    let world = older_world().await;
    world.catalog.add(dzconn_core::model::Source { connection: id("elsewhere"), ..world.engine.source() });
    world.revoke(&world.subscription("offices")).await;
    let mut moved = world.subscription("employees");
    moved.location.connection = id("elsewhere");
    assert!(world.revoke(&moved).await.dropped);
    world.assert_nothing_left("");
}
