//! What an older system has left: records without generation entries and places.

use dzconn_core::ErrorKind;
use dzconn_core::event::SubscriptionEvent;
use dzconn_core::fulfilment::{Handled, PlannedStep};
use dzconn_core::model::{AssetRecord, Location, Subscription};
use dzconn_core::portal::Wanted;
use dzconn_core::store::{Key, Record, Stored};
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

/// Where no table has an entry, none is looked through for the asset.
#[tokio::test]
async fn a_revoke_of_it_asks_for_little() {
    let world = older_world().await;
    world.spy.calls();
    world.revoke(&world.subscription("employees")).await;
    let calls = world.spy.calls();
    let lock = calls.iter().position(|call| *call == "source.lock").unwrap();
    let expected =
        ["source.lock", "tracking.read", "source.resolve", "tracking.read", "tracking.commit", "source.revoke"];
    assert_eq!(calls[lock..lock + expected.len()], expected, "{calls:?}");
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
    let mut moved = world.subscription("employees");
    moved.location.connection = id("elsewhere");
    // The path is one of those at the old place.
    assert!(!world.revoke(&moved).await.dropped);
    assert_eq!(world.readable(), ["offices"]);
    // Of one that was renamed since, nobody knows which it was: nothing is done, and that is said.
    let mut renamed = world.subscription("offices");
    renamed.location = Location { path: id("sales.hr.salaries"), ..moved.location };
    let another = Record::Asset(AssetRecord { asset: id("another"), ..world.row(&renamed).await.unwrap() });
    world.tracking.insert(another.key(), Stored { version: None, record: another });
    for wanted in [Wanted::Revoke, Wanted::Grant] {
        world.want(&renamed, wanted);
        let result = match wanted {
            Wanted::Grant => world.fulfilment.grant(&renamed).await,
            _ => world.fulfilment.revoke(&renamed).await,
        };
        assert_eq!(result.unwrap_err().kind(), ErrorKind::NotFound);
    }
    assert_eq!(world.readable(), ["offices"]);
}

#[tokio::test]
async fn the_only_path_left_is_not_taken_for_another_assets() {
    let world = older_world().await;
    let (employees, offices) = (world.subscription("employees"), world.subscription("offices"));
    // Employees gets its entry, and the run dies before its row is written.
    world.grant(&employees).await;
    let key = Key::Asset(employees.consumer.environment.clone(), employees.asset.id.clone());
    let mut row = world.row(&employees).await.unwrap();
    row.place = None;
    world.tracking.insert(key, Stored { version: None, record: Record::Asset(row) });
    // The portal has forgotten it: what is taken back is its own table.
    world.want(&employees, Wanted::Revoke);
    let handled = world.fulfilment.handle(&revoked(&employees)).await.unwrap();
    assert!(matches!(handled.as_slice(), [Handled::Done { result, .. }] if result.is_ok()), "{handled:?}");
    assert_eq!(world.readable(), ["offices"]);
    world.revoke(&offices).await;
    world.assert_nothing_left("");
}

#[tokio::test]
async fn another_asset_of_the_same_table_leaves_the_older_one_its_access() {
    for first in ["employees", "again"] {
        let world = older_world().await;
        let (old, new) = (world.subscription("employees"), world.published("again", "employees"));
        world.grant(&new).await;
        assert_eq!(world.readable(), ["employees", "offices"]);
        let (one, other) = if first == "employees" { (&old, &new) } else { (&new, &old) };
        world.revoke(one).await;
        assert_eq!(world.readable(), ["employees", "offices"], "{first} went, the other stays");
        assert!(world.row(one).await.is_none(), "{first}");
        world.revoke(other).await;
        assert_eq!(world.readable(), ["offices"], "{first}");
        assert!(world.row(other).await.is_none(), "{first}");
        world.revoke(&world.subscription("offices")).await;
        world.assert_nothing_left(first);
    }
}

#[tokio::test]
async fn another_asset_that_cannot_be_granted_leaves_the_older_one_its_access() {
    let world = older_world().await;
    // The same table, under a path in another case.
    let new = world.published("again", "EMPLOYEES");
    world.engine.forbid_grant_option(&table("employees"));
    world.want(&new, Wanted::Grant);
    let error = world.fulfilment.grant(&new).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoGrantOption);
    assert_eq!(world.readable(), ["employees", "offices"]);
}

#[tokio::test]
async fn a_mapping_that_cannot_be_read_is_said() {
    let world = older_world().await;
    let employees = world.subscription("employees");
    let mapping = world.tracking.snapshot().iter().find(|(key, _)| matches!(key, Key::Mapping(_))).unwrap().0.clone();
    let row = Record::Asset(world.row(&employees).await.unwrap());
    world.tracking.insert(mapping, Stored { version: None, record: row });
    world.want(&employees, Wanted::Revoke);
    let error = world.fulfilment.revoke(&employees).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RecordInvalid, "{error}");
    assert_eq!(world.readable(), ["employees", "offices"]);
}

#[tokio::test]
async fn a_plan_gets_over_what_the_run_gets_over() {
    let world = older_world().await;
    world.engine.drop_table(&table("employees"));
    let employees = world.subscription("employees");
    world.want(&employees, Wanted::Revoke);
    let plan = world.fulfilment.plan(&employees, Wanted::Revoke).await.unwrap();
    assert!(plan.steps.iter().any(|step| matches!(step, PlannedStep::Statement(_))), "{plan:?}");
}
