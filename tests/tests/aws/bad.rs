//! Bad input: each ends with an error that says so, and nothing is half done that a later run would not finish.

use dzconn_core::event::SubscriptionEvent;
use dzconn_core::{Changed, ErrorKind};
use dzconn_test_aws::Role;
use dzconn_tests::aws::{AwsWorld, role};
use dzconn_tests::engine::Fixture;

use super::{granted, tables};

pub(crate) async fn each_wrong_thing_is_said_and_changes_nothing(fixture: &dyn Fixture, moto: &str) {
    let [employees] = tables(fixture, ["employees"]).await;
    let world = AwsWorld::new(moto).await.unwrap();
    let connection = world.connect("hr", &fixture.source()).await.unwrap();
    let listing = world.publish(&connection, &employees).await.unwrap();
    world.subscribe(&listing);
    let says = async |listing: &str, kind: ErrorKind, words: &[&str]| {
        let error = world.outcome("Created", listing).await.unwrap_err();
        let text = format!("{error} {}", error.advice().unwrap_or_default());
        assert_eq!(error.kind(), kind, "{text}");
        for word in words {
            assert!(text.contains(word), "{word:?} is not in {text}");
        }
        assert_eq!((error.left(), world.left().await.unwrap()), (Changed::Nothing, vec![]), "{text}");
    };

    let text = world.event_text("Created", &listing).replace("\"domain\"", "\"domaine\"");
    let error = SubscriptionEvent::from_json(&text).unwrap_err();
    assert_eq!((error.kind(), error.detail().contains("domain")), (ErrorKind::InvalidInput, true), "{error}");
    says("lst-unknown", ErrorKind::NotFound, &["lst-unknown"]).await;

    // A Glue table that is gone, a connection that is, one without a secret, a secret of the wrong shape.
    world.publish_as("lst-nowhere", "ast-nowhere", Some(&"x/gone".parse().unwrap()), "db.s.t").await.unwrap();
    world.subscribe("lst-nowhere");
    says("lst-nowhere", ErrorKind::NotFound, &["gone"]).await;
    let broken = world.connect("broken", &fixture.source()).await.unwrap();
    let place = world.aws.secrets(world.producer.account.as_str(), world.producer.region.as_str());
    let name = format!("admin-{}", broken.as_str().rsplit('/').next().unwrap());
    world.publish_as("lst-broken", "ast-broken", Some(&broken), &employees.joined()).await.unwrap();
    world.subscribe("lst-broken");
    assert!(place.set_value(&name, "hunter2"));
    let error = world.outcome("Created", "lst-broken").await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("hunter2"));
    says("lst-broken", ErrorKind::SecretInvalid, &["broken"]).await;
    assert!(place.remove(&name));
    says("lst-broken", ErrorKind::SecretGone, &["broken"]).await;

    // A role that may not be assumed.
    world.aws.add_role(Role::new(&role(&world.producer)).trusting("999999999999"));
    let fresh = world.reconnected().await.unwrap();
    let event = SubscriptionEvent::from_json(&world.event_text("Created", &listing)).unwrap();
    let error = match fresh.handle(&event).await {
        Err(error) => error,
        Ok(mut handled) => match handled.pop() {
            Some(dzconn_core::fulfilment::Handled::Done { result, .. }) => result.unwrap_err(),
            Some(dzconn_core::fulfilment::Handled::Failed { error }) => error,
            other => panic!("{other:?}"),
        },
    };
    assert_eq!(error.kind(), ErrorKind::StoreDenied, "{error}");
    assert!(error.advice().is_some_and(|advice| advice.contains("trust policy")), "{error:?}");
    world.aws.add_role(Role::new(&role(&world.producer)).trusting(world.governance.account.as_str()));

    // A consumer's role that does not exist: the secret cannot be shared.
    world.aws.remove_role(&role(&world.consumer));
    let error = world.outcome("Created", &listing).await.unwrap_err();
    assert_eq!((error.kind(), error.left()), (ErrorKind::InvalidConfig, Changed::Nothing), "{error}");
    assert!(error.to_string().contains(&role(&world.consumer)), "{error}");
    // Without that role the consumer's side cannot be looked after either: the next run does it.
    world.aws.add_role(Role::new(&role(&world.consumer)));
    world.outcome("Created", &listing).await.unwrap();
    world.end_subscription(&listing, false);
    world.outcome("Revoked", &listing).await.unwrap();
    assert_eq!(world.left().await.unwrap(), Vec::<String>::new());
    world.domain(|domain| domain.subscriptions.clear());
    world.subscribe(&listing);

    // A table that is missing.
    let dynamodb = aws_sdk_dynamodb::Client::new(&world.sdk(&world.governance).await.unwrap());
    let state = &world.config.tables.state;
    dynamodb.update_table().table_name(state).deletion_protection_enabled(false).send().await.unwrap();
    dynamodb.delete_table().table_name(state).send().await.unwrap();
    let error = world.outcome("Created", &listing).await.unwrap_err();
    let text = format!("{error} {}", error.advice().unwrap_or_default());
    assert!(text.contains(state.as_str()) && text.contains("create-tables"), "{text}");
    assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{text}");
    world.ports.create_tables().await.unwrap();

    granted(world.outcome("Created", &listing).await.unwrap());
}
