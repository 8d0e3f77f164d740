//! What a grant costs, in calls.

use dzconn_tests::aws::AwsWorld;
use dzconn_tests::engine::Fixture;

use super::{granted, tables};

/// Looking up what the event is about; once more each time, but for what never changes.
const LOOK_UP: &[&str] = &[
    "governance datazone GET /v2/domains/{}/listings/{}", // asset and Glue table
    "governance sts AssumeRole",                          // the producer's role, for an hour
    "producer glue GetTable",                             // connection and path
    "governance datazone GET /v2/domains/{}/environments", // of the subscribing project
    "governance datazone GET /v2/domains/{}/environments/{}", // its blueprint, once
    "governance datazone GET /v2/domains/{}/environment-blueprints/{}", // the blueprint's name, once
    "governance dynamodb BatchGetItem",                   // where tracking has the asset
];

const PRODUCER: &[&str] = &[
    "producer glue GetConnection",            // where the source is, as it is now
    "producer secretsmanager GetSecretValue", // the admin's password, as it is now
    "governance datazone GET /v2/domains/{}/subscriptions/{}", // what is wanted, under the lock
    "governance dynamodb TransactGetItems",   // the source record and the table's entry
    "governance dynamodb TransactWriteItems", // the intent, with the names of user and secret
    "producer secretsmanager GetSecretValue", // is there a password already
    "producer secretsmanager CreateSecret",   // before it is set
    "producer secretsmanager GetResourcePolicy", // who reads it
    "producer secretsmanager PutResourcePolicy", // the consumer's role
    "governance dynamodb TransactWriteItems", // it is granted
];

const CONSUMER: &[&str] = &[
    "governance sts AssumeRole",              // the consumer's role, for an hour
    "consumer secretsmanager GetSecretValue", // is there a copy already
    "consumer secretsmanager GetSecretValue", // what is to be copied, from the producer's account
    "consumer secretsmanager CreateSecret",   // the copy
    "consumer secretsmanager GetSecretValue", // is its source still the same
    "governance dynamodb TransactGetItems",   // is it still granted; what do the rows say; is anything to be cleaned up
    "governance dynamodb TransactWriteItems", // mapping and asset row, if it is still granted
];

/// Are there grants on which the outcome is shown?
const REPORT: &[&str] = &["governance datazone GET /v2/domains/{}/subscription-grants"];

/// What a warm repetition leaves out: what is known, and what is there already.
fn is_first_time(call: &str) -> bool {
    ["AssumeRole", "environments/{}", "environment-blueprints", "TransactWrite", "Create", "Policy"]
        .iter()
        .any(|part| call.contains(part))
}

fn calls(world: &AwsWorld) -> Vec<String> {
    let side = |account: &str| match account {
        account if account == world.producer.account.as_str() => "producer",
        account if account == world.consumer.account.as_str() => "consumer",
        _ => "governance",
    };
    let calls = world.aws.calls();
    calls.iter().map(|call| format!("{} {} {}", side(&call.account), call.service, call.operation)).collect()
}

pub(crate) async fn calls_are_counted_and_each_has_a_reason(fixture: &dyn Fixture, moto: &str) {
    let [employees] = tables(fixture, ["employees"]).await;
    let world = AwsWorld::new(moto).await.unwrap();
    let connection = world.connect("hr", &fixture.source()).await.unwrap();
    let listing = world.publish(&connection, &employees).await.unwrap();
    world.subscribe(&listing);

    world.aws.reset_calls();
    granted(world.outcome("Created", &listing).await.unwrap());
    assert_eq!(calls(&world), [LOOK_UP, PRODUCER, CONSUMER, REPORT].concat());
    assert!(PRODUCER.len() < 11 && CONSUMER.len() <= 7, "the producer's role is one more");

    world.aws.reset_calls();
    granted(world.outcome("Created", &listing).await.unwrap());
    let mut again: Vec<_> =
        [LOOK_UP, PRODUCER, CONSUMER, REPORT].concat().into_iter().filter(|call| !is_first_time(call)).collect();
    // The copy is there and equal: its source is read once.
    let last = again.iter().rposition(|call| *call == "consumer secretsmanager GetSecretValue").unwrap();
    again.remove(last);
    assert_eq!(calls(&world), again);
    let producers = PRODUCER.iter().filter(|call| !is_first_time(call)).count();
    let consumers = CONSUMER.iter().filter(|call| !is_first_time(call)).count() - 1;
    assert_eq!((producers, consumers), (5, 3));
}
