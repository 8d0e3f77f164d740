//! Several places at once, and places that have changed.

use dzconn_tests::aws::AwsWorld;
use dzconn_tests::engine::Fixture;

use super::{granted, reads, revoked, tables};

pub(crate) async fn two_connections_two_environments_and_many_tables_work_side_by_side(
    fixture: &dyn Fixture,
    moto: &str,
) {
    let [employees, offices, salaries] = tables(fixture, ["employees", "offices", "salaries"]).await;
    let world = AwsWorld::new(moto).await.unwrap();
    let second = world.environment_of(&format!("{}-2", world.environment));
    world.domain(|domain| domain.environments.push(second));
    // Four sources for each environment: as many connections to one database, which must not fight over a user.
    let mut listings = Vec::new();
    for (name, table) in [("hr", &employees), ("hr-too", &employees), ("more", &offices), ("most", &salaries)] {
        let connection = world.connect(name, &fixture.source()).await.unwrap();
        let listing = world.publish(&connection, table).await.unwrap();
        world.subscribe(&listing);
        listings.push((listing, table));
    }
    let mut granted_all = Vec::new();
    for (listing, table) in &listings {
        for part in world.handle("Created", listing).await.unwrap() {
            let dzconn_core::fulfilment::Handled::Done { result, .. } = part else { panic!("{part:?}") };
            granted_all.push((listing, *table, granted(result.unwrap())));
        }
    }
    assert_eq!(granted_all.len(), 8);
    let users: std::collections::BTreeSet<_> =
        granted_all.iter().map(|(.., granted)| granted.user.to_string()).collect();
    assert_eq!(users.len(), 8, "one user for each connection and environment");
    // In another order than they were granted in.
    for (at, (listing, _)) in listings.iter().enumerate().rev() {
        world.end_subscription(listing, false);
        world.handle("Revoked", listing).await.unwrap();
        for (of, table, granted) in &granted_all {
            let gone = listings.iter().position(|(listing, _)| listing == *of).unwrap() >= at;
            let expected = if gone { None } else { Some(true) };
            assert_eq!(reads(fixture, &granted.credentials, table).await, expected, "{of} after {listing}");
        }
    }
    assert_eq!(world.left().await.unwrap(), Vec::<String>::new());
}

pub(crate) async fn a_source_that_was_crawled_anew_is_revoked_where_it_was(fixture: &dyn Fixture, moto: &str) {
    let [employees] = tables(fixture, ["employees"]).await;
    let world = AwsWorld::new(moto).await.unwrap();
    let old = world.connect("old", &fixture.source()).await.unwrap();
    let listing = world.publish(&old, &employees).await.unwrap();
    world.subscribe(&listing);
    let first = granted(world.outcome("Created", &listing).await.unwrap());
    // The listing's table is under another connection by now.
    let new = world.connect("new", &fixture.source()).await.unwrap();
    world.domain(|domain| domain.listings.clear());
    let asset = listing.replace("lst", "ast");
    let again = format!("{listing}b");
    world.publish_as(&again, &asset, Some(&new), &employees.joined()).await.unwrap();
    world.domain(|domain| domain.listings[0].id.clone_from(&listing));
    world.end_subscription(&listing, false);
    assert!(revoked(world.outcome("Revoked", &listing).await.unwrap()).dropped);
    assert_eq!(reads(fixture, &first.credentials, &employees).await, None);
    assert_eq!(world.left().await.unwrap(), Vec::<String>::new());
}

pub(crate) async fn what_the_portal_and_the_catalogue_have_forgotten_is_revoked(fixture: &dyn Fixture, moto: &str) {
    let [employees, offices] = tables(fixture, ["employees", "offices"]).await;
    let world = AwsWorld::new(moto).await.unwrap();
    let connection = world.connect("hr", &fixture.source()).await.unwrap();
    let mut listings = Vec::new();
    for table in [&employees, &offices] {
        let listing = world.publish(&connection, table).await.unwrap();
        world.subscribe(&listing);
        world.outcome("Created", &listing).await.unwrap();
        listings.push(listing);
    }
    // The environment is deleted, the listings are unpublished, the Glue tables and their database gone.
    world.domain(|domain| {
        domain.environments.clear();
        domain.listings.clear();
        domain.subscriptions.clear();
    });
    let glue = aws_sdk_glue::Client::new(&world.sdk(&world.producer).await.unwrap());
    for database in glue.get_databases().send().await.unwrap().database_list() {
        for table in glue.get_tables().database_name(database.name()).send().await.unwrap().table_list() {
            glue.delete_table().database_name(database.name()).name(table.name()).send().await.unwrap();
        }
        glue.delete_database().name(database.name()).send().await.unwrap();
    }
    for (listing, last) in listings.iter().zip([false, true]) {
        assert_eq!(revoked(world.outcome("Revoked", listing).await.unwrap()).dropped, last);
    }
    assert_eq!(world.left().await.unwrap(), Vec::<String>::new());
}

pub(crate) async fn everything_in_one_account_assumes_nothing(fixture: &dyn Fixture, moto: &str) {
    let [employees] = tables(fixture, ["employees"]).await;
    let mut world = AwsWorld::new(moto).await.unwrap();
    world.move_into_one_account();
    let connection = world.connect("hr", &fixture.source()).await.unwrap();
    let listing = world.publish(&connection, &employees).await.unwrap();
    world.subscribe(&listing);
    world.aws.reset_calls();
    let first = granted(world.outcome("Created", &listing).await.unwrap());
    assert_eq!(reads(fixture, &first.credentials, &employees).await, Some(true));
    assert_eq!(world.aws.count("sts", "AssumeRole"), 0);
    assert!(first.secret.as_str().starts_with("dz-conn-c-"));
    world.end_subscription(&listing, false);
    assert!(revoked(world.outcome("Revoked", &listing).await.unwrap()).dropped);
    assert_eq!(world.left().await.unwrap(), Vec::<String>::new());
}

pub(crate) async fn a_host_at_home_in_the_consumers_account_reads_there_as_it_is(fixture: &dyn Fixture, moto: &str) {
    let [employees] = tables(fixture, ["employees"]).await;
    let mut world = AwsWorld::new(moto).await.unwrap();
    world.consumer = world.governance.clone();
    let environment = world.environment_of(&world.environment);
    world.domain(|domain| domain.environments = vec![environment]);
    world.admit_consumer();
    let connection = world.connect("hr", &fixture.source()).await.unwrap();
    let listing = world.publish(&connection, &employees).await.unwrap();
    world.subscribe(&listing);
    let first = granted(world.outcome("Created", &listing).await.unwrap());
    assert_eq!(reads(fixture, &first.credentials, &employees).await, Some(true));
    let secrets = world.aws.secrets(world.producer.account.as_str(), world.producer.region.as_str()).all();
    let shared = secrets.iter().find(|secret| secret.name.starts_with("dz-conn-p-")).unwrap();
    assert!(shared.policy.as_ref().unwrap().contains("role/dzconn_test"), "{shared:?}");
    world.end_subscription(&listing, false);
    assert!(revoked(world.outcome("Revoked", &listing).await.unwrap()).dropped);
    assert_eq!(world.left().await.unwrap(), Vec::<String>::new());
}
