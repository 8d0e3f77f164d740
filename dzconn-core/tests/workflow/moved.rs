//! Assets that are published at another connection than before.

use std::pin::pin;

use dzconn_core::ErrorKind;
use dzconn_core::model::{Source, Subscription};
use dzconn_core::portal::Wanted;
use dzconn_core::store::{Key, Record};
use dzconn_core::testkit::faults::When;
use dzconn_core::workflow::Outcome;

use crate::faults::{poll_times, run, until};
use crate::world::{World, id, table};

/// An asset where it was, and where it is.
fn set_up() -> (World, Subscription, Subscription) {
    let world = World::new();
    world.catalog.add(Source { connection: id("elsewhere"), ..world.engine.source() });
    let old = world.subscription("employees");
    let mut moved = old.clone();
    moved.location.connection = id("elsewhere");
    (world, old, moved)
}

#[tokio::test]
async fn an_asset_that_moved_is_taken_back_where_it_was() {
    let (world, old, moved) = set_up();
    world.grant(&old).await;

    let granted = world.grant(&moved).await;
    let row = world.row(&moved).await.unwrap();
    assert_eq!(row.place.unwrap().location, moved.location);
    let sources: Vec<_> = world
        .tracking
        .snapshot()
        .iter()
        .filter(|(key, _)| matches!(key, Key::Source(_)))
        .map(|(key, _)| key.clone())
        .collect();
    assert_eq!(sources, [Key::Source(moved.key())], "the old place is clean");
    // A revoke that names the old place goes where tracking has it.
    assert!(world.revoke(&old).await.dropped);
    assert!(!world.engine.read_as(&granted.credentials, &table("employees")));
    world.assert_nothing_left("");
}

#[tokio::test]
async fn cleaning_up_where_an_asset_was_leaves_the_row_of_where_it_is() {
    let (world, old, moved) = set_up();
    world.grant(&old).await;
    world.revoke(&old).await;

    // A run that dies in the middle, so that no row leads to where it was.
    world.spy.fail_at("source.grant", When::Before, ErrorKind::Timeout);
    world.want(&old, Wanted::Grant);
    world.fulfilment.grant(&old).await.unwrap_err();
    assert_eq!(world.spy.calls().last(), Some(&"source.grant"));
    world.spy.heal();
    world.grant(&moved).await;

    world.grant(&world.subscription("offices")).await;
    let sources = world.tracking.snapshot();
    let left = sources.iter().filter_map(|(_, stored)| match &stored.record {
        Record::Source(source) if source.key == old.key() => Some(source.open.len() + source.revoked.len()),
        _ => None,
    });
    assert_eq!(left.collect::<Vec<_>>(), [0], "the old place is clean");
    let row = world.row(&moved).await.expect("it is granted where it is now");
    assert_eq!(row.place.unwrap().location, moved.location);
}

#[tokio::test]
async fn an_asset_that_moved_leaves_what_is_to_be_retained() {
    let (world, old, moved) = set_up();
    let granted = world.grant(&old).await;
    world.want(&old, Wanted::Retain);
    world.fulfilment.retain(&old).await.unwrap();
    assert_eq!(world.fulfilment.grant(&moved).await.unwrap(), Outcome::Superseded, "a late event");
    assert!(world.engine.read_as(&granted.credentials, &table("employees")));
}

/// A grant that has found no row goes to the new place, whatever has been granted, and is being revoked, at the old one.
#[tokio::test]
async fn cleaning_up_leaves_a_row_that_was_written_meanwhile() {
    let (world, old, moved) = set_up();
    // So that the user stays, and cleaning up is removing the row.
    world.grant(&world.subscription("offices")).await;
    world.want(&moved, Wanted::Grant);
    let mut granting = pin!(world.fulfilment.grant(&moved));
    until(&world, granting.as_mut(), &["tracking.read", "source.connect"]);
    world.grant(&old).await;
    world.want(&old, Wanted::Revoke);
    let mut revoking = pin!(world.fulfilment.revoke(&old));
    until(&world, revoking.as_mut(), &["source.unlock", "tracking.read", "tracking.commit"]);

    world.want(&moved, Wanted::Grant);
    assert!(matches!(granting.await.unwrap(), Outcome::Granted(_)));
    revoking.await.unwrap();
    let row = world.row(&moved).await.expect("it is granted where it is now");
    assert_eq!(row.place.unwrap().location, moved.location);
    world.revoke(&moved).await;
    world.revoke(&world.subscription("offices")).await;
    world.assert_nothing_left("");
}

/// Nothing leads to the old place any more once the asset's row there is gone: what else is to be cleaned up there goes before.
#[tokio::test]
async fn what_a_dead_run_has_left_where_an_asset_was_goes_before_its_row() {
    let mut cuts = 0;
    for polls in 1.. {
        let (world, old, moved) = set_up();
        world.grant(&old).await;
        world.grant(&world.subscription("offices")).await;
        world.spy.calls();
        run(&world, "offices", false).await.unwrap();
        let sweep = world.spy.calls().iter().rposition(|call| *call == "tracking.commit").unwrap();
        run(&world, "offices", true).await.unwrap();
        world.spy.fail(sweep, When::Before, ErrorKind::Timeout);
        run(&world, "offices", false).await.unwrap_err();
        assert!(world.row(&world.subscription("offices")).await.is_some(), "something is left");

        if poll_times(world.fulfilment.grant(&moved), polls) {
            break;
        }
        cuts += 1;
        world.grant(&moved).await;
        assert!(world.row(&world.subscription("offices")).await.is_none(), "cut after {polls} polls");
        world.revoke(&moved).await;
        world.assert_nothing_left(&format!("cut after {polls} polls"));
    }
    assert!(cuts > 40, "{cuts}");
}
