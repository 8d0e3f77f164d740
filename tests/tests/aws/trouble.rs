//! What goes wrong on the way.

use std::time::Duration;

use dzconn_core::ErrorKind;
use dzconn_datazone_stub::Target;
use dzconn_test_aws::{Effect, Fault, Key};
use dzconn_tests::aws::AwsWorld;
use dzconn_tests::engine::Fixture;

use super::{granted, reads, revoked, tables};

pub(crate) async fn sessions_that_expire_are_renewed(fixture: &dyn Fixture, moto: &str) {
    let [employees, offices] = tables(fixture, ["employees", "offices"]).await;
    let world = AwsWorld::new(moto).await.unwrap();
    world.aws.set_session_life(Some(Duration::from_secs(2)));
    let connection = world.connect("hr", &fixture.source()).await.unwrap();
    for table in [&employees, &offices] {
        let listing = world.publish(&connection, table).await.unwrap();
        world.subscribe(&listing);
        let granted = granted(world.outcome("Created", &listing).await.unwrap());
        assert_eq!(reads(fixture, &granted.credentials, table).await, Some(true));
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    assert!(world.aws.count("sts", "AssumeRole") >= 4, "twice in both accounts");
}

pub(crate) async fn what_fails_in_passing_is_tried_again(fixture: &dyn Fixture, moto: &str) {
    let [employees] = tables(fixture, ["employees"]).await;
    let mut world = AwsWorld::new(moto).await.unwrap();
    let connection = world.connect("hr", &fixture.source()).await.unwrap();
    let listing = world.publish(&connection, &employees).await.unwrap();
    let effects = [Effect::Throttled, Effect::Failed, Effect::Unavailable, Effect::CutBefore, Effect::CutAfter];
    for (n, effect) in effects.into_iter().enumerate() {
        world.domain(|domain| domain.subscriptions.clear());
        world.subscribe(&listing);
        // Every service fails in this way, in each round one call later, as far as there are as many. A process that knows
        // nothing yet has to assume its roles, too.
        world.fulfilment = world.reconnected().await.unwrap();
        for (service, skip) in [("secretsmanager", n), ("dynamodb", n), ("glue", n % 2), ("sts", n % 2)] {
            world.aws.fail(Fault::new(effect).service(service).skip(skip));
        }
        let granted = granted(world.outcome("Created", &listing).await.unwrap());
        assert_eq!(world.aws.faults_left(), 0, "grant {n}, {effect:?}");
        assert_eq!(reads(fixture, &granted.credentials, &employees).await, Some(true), "{effect:?}");
        world.fulfilment = world.reconnected().await.unwrap();
        for (service, skip) in [("secretsmanager", n % 3), ("dynamodb", n), ("glue", n % 2), ("sts", n % 2)] {
            world.aws.fail(Fault::new(effect).service(service).skip(skip));
        }
        world.end_subscription(&listing, false);
        let gone = revoked(world.outcome("Revoked", &listing).await.unwrap());
        assert_eq!(world.aws.faults_left(), 0, "revoke {n}, {effect:?}");
        assert!(gone.dropped, "{effect:?}");
        assert_eq!(reads(fixture, &granted.credentials, &employees).await, None, "{effect:?}");
        assert_eq!(world.left().await.unwrap(), Vec::<String>::new(), "{effect:?}");
    }
}

pub(crate) async fn a_failure_is_reported_and_the_next_event_mends_it(fixture: &dyn Fixture, moto: &str) {
    let world = AwsWorld::with(moto, |config| config.portal.targets = vec!["dzconn".into()]).await.unwrap();
    let environment = world.environment.clone();
    world.domain(|domain| {
        domain.targets.push(Target {
            id: "tgt".into(),
            name: "dzconn".into(),
            environment,
            provider: "dzconn".into(),
            r#type: "GlueSubscriptionTargetType".into(),
            principals: vec![],
            asset_types: vec!["GlueTableAssetType".into()],
        });
    });
    let connection = world.connect("hr", &fixture.source()).await.unwrap();
    let missing = fixture.table("missing");
    let listing = world.publish(&connection, &missing).await.unwrap();
    world.subscribe(&listing);
    let error = world.outcome("Created", &listing).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TableNotFound, "{error}");
    let shown = || world.domain(|domain| domain.grants[0].assets[0].clone());
    let asset = shown();
    assert_eq!(asset.status, "GRANT_FAILED");
    let cause = asset.cause.unwrap();
    assert!(cause.contains("no table") && !cause.contains(fixture.source().admin.password.expose()), "{cause}");
    assert_eq!(world.left().await.unwrap(), Vec::<String>::new());
    fixture.create_table(&missing).await.unwrap();
    granted(world.outcome("Created", &listing).await.unwrap());
    assert_eq!(shown().status, "GRANTED");
}

pub(crate) async fn a_consumer_that_may_not_read_is_said(fixture: &dyn Fixture, moto: &str) {
    let [employees] = tables(fixture, ["employees"]).await;
    let world = AwsWorld::new(moto).await.unwrap();
    let connection = world.connect("hr", &fixture.source()).await.unwrap();
    let listing = world.publish(&connection, &employees).await.unwrap();
    world.subscribe(&listing);
    // The key does not admit the consumer's account.
    let (account, region) = (world.producer.account.as_str(), world.producer.region.as_str());
    world.aws.add_key(Key::new(account, region, "alias/dz_conn_a_common_key"));
    let error = world.outcome("Created", &listing).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StoreDenied, "{error}");
    assert!(error.advice().is_some_and(|advice| advice.contains("key")), "{error:?}");
    // Once it does, the next event finishes what was begun.
    world
        .aws
        .add_key(Key::new(account, region, "alias/dz_conn_a_common_key").admitting(world.consumer.account.as_str()));
    let granted = granted(world.outcome("Created", &listing).await.unwrap());
    assert_eq!(reads(fixture, &granted.credentials, &employees).await, Some(true));
}
