//! Environments with what they were granted.

use dzconn_core::environment::{Brought, EnvironmentEvent};
use dzconn_core::fulfilment::Handled;
use dzconn_tests::engine::Fixture;
use dzconn_tests::environments::Provisioned;

use super::{granted, reads, tables};

pub(crate) async fn an_environment_that_is_deleted_takes_everything_along(fixture: &dyn Fixture, moto: &str) {
    let [employees, offices] = tables(fixture, ["employees", "offices"]).await;
    let world = Provisioned::world(moto, |_| {}).await.unwrap();
    let other = world.environment_of(&format!("{}-2", world.environment));
    world.domain(|domain| domain.environments.push(other.clone()));
    let made = Provisioned::new(&world).await.unwrap();
    let before = made.seen().await.unwrap();
    let environments = world.ports.environments(world.fulfilment.clone());
    let handle = async |kind: &str| {
        let event = EnvironmentEvent::from_json(&made.event(kind, false)).unwrap();
        environments.handle(&event).await.unwrap()
    };
    assert_eq!(handle("Deployment Completed").await.brought, Brought::Equipped);

    // Two tables, at two connections to one database.
    let mut access = Vec::new();
    for (name, table) in [("hr", &employees), ("more", &offices)] {
        let connection = world.connect(name, &fixture.source()).await.unwrap();
        let listing = world.publish(&connection, table).await.unwrap();
        world.subscribe(&listing);
        for part in world.handle("Created", &listing).await.unwrap() {
            let Handled::Done { subscription, result } = part else { panic!("{part:?}") };
            let credentials = granted(result.unwrap()).credentials;
            assert_eq!(reads(fixture, &credentials, table).await, Some(true));
            access.push((subscription.consumer.environment, credentials, table, listing.clone()));
        }
    }
    assert_eq!(access.len(), 4);

    made.set_status("DELETING");
    let report = handle("Deletion Started").await;
    assert_eq!(report.errors().map(ToString::to_string).collect::<Vec<_>>(), Vec::<String>::new());
    assert_eq!((&report.brought, report.revoked.len()), (&Brought::Cleaned, 2), "{report:?}");
    assert_eq!(made.seen().await.unwrap(), before);
    for (environment, credentials, table, _) in &access {
        let still = (environment.as_str() == other.id).then_some(true);
        assert_eq!(reads(fixture, credentials, table).await, still, "{environment}");
    }
    // What is left is the other environment's.
    for (.., listing) in &access {
        world.end_subscription(listing, false);
        world.handle("Revoked", listing).await.unwrap();
    }
    assert_eq!(world.left().await.unwrap(), Vec::<String>::new());
    let again = handle("Deletion Started").await;
    assert!(again.revoked.is_empty() && again.changes.is_empty(), "{again:?}");
}
