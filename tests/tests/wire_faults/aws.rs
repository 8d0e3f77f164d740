//! AWS services that refuse for a while, or for good.

use std::time::{Duration, Instant};

use dzconn_core::fulfilment::Settings;
use dzconn_core::model::TableName;
use dzconn_core::testkit::engine::EngineFixture;
use dzconn_core::workflow::Outcome;
use dzconn_core::{Changed, Error, ErrorKind, Result};
use dzconn_test_aws::{Effect, Fault};
use dzconn_tests::aws::AwsWorld;

use super::bench;

/// What a subscription's grant and revoke call, and an operation of each by which a change is made or a thing looked up.
const SERVICES: [&str; 5] = ["secretsmanager", "dynamodb", "glue", "sts", "datazone"];

fn settings(deadline: u64) -> Settings {
    let mut settings = bench::settings();
    settings.deadline = Duration::from_secs(deadline);
    settings.lock_wait = Duration::from_secs(deadline);
    settings.retries = 2;
    settings
}

/// A table that is published, and its listing.
pub(crate) async fn published(fixture: &dyn EngineFixture, world: &AwsWorld) -> (TableName, String) {
    let table = fixture.table("employees");
    fixture.drop_table(&table).await.unwrap();
    fixture.create_table(&table).await.unwrap();
    let connection = world.connect("hr", &fixture.source()).await.unwrap();
    let listing = world.publish(&connection, &table).await.unwrap();
    (table, listing)
}

async fn grant(world: &AwsWorld, listing: &str) -> Result<Outcome> {
    world.domain(|domain| domain.subscriptions.clear());
    world.subscribe(listing);
    world.outcome("Created", listing).await
}

async fn revoke(world: &AwsWorld, listing: &str) -> Result<Outcome> {
    world.end_subscription(listing, false);
    world.outcome("Revoked", listing).await
}

fn is_granted(outcome: &Result<Outcome>) -> bool {
    matches!(outcome, Ok(Outcome::Granted(_)))
}

fn is_revoked(outcome: &Result<Outcome>) -> bool {
    matches!(outcome, Ok(Outcome::Revoked(_)))
}

/// What the services answer differs; one call of the SDK's is one attempt here, so that all is up to the run.
async fn world(moto: &str) -> AwsWorld {
    AwsWorld::with(moto, |config| config.calls.attempts = 1).await.unwrap()
}

pub(crate) async fn throttled(fixture: &dyn EngineFixture, moto: &str) {
    let mut world = world(moto).await;
    let (_, listing) = published(fixture, &world).await;
    for service in SERVICES {
        for grants in [true, false] {
            let context = format!("{service} throttles, grant {grants}");
            let run = async |world: &AwsWorld| {
                if grants { grant(world, &listing).await } else { revoke(world, &listing).await }
            };
            // For good: a process that knows nothing yet, and so has to assume its roles, gives up in time.
            world.fulfilment = world.process(settings(6)).await.unwrap();
            let begun = Instant::now();
            world.aws.fail(Fault::new(Effect::Throttled).service(service).always());
            let result = run(&world).await;
            world.aws.no_faults();
            assert!(begun.elapsed() < Duration::from_secs(12), "{context}: {:?}", begun.elapsed());
            // A revoke is shown where it was granted: the connection is known from tracking, but its address is not.
            let error = result.expect_err(&context);
            assert_eq!(error.kind(), ErrorKind::Throttled, "{context}: {error:?}");
            assert!(error.step().is_some() && error.vendor_code().is_some(), "{context}: {error:?}");
            // For a while, in the middle: after what is looked up before the run, which only the SDK would try again.
            let before = if service == "dynamodb" { 4 } else { 2 };
            world.fulfilment = world.process(settings(30)).await.unwrap();
            if !["glue", "sts", "datazone"].contains(&service) {
                world.aws.fail(Fault::new(Effect::Throttled).service(service).skip(before).times(2));
            }
            let result = run(&world).await;
            assert!(if grants { is_granted(&result) } else { is_revoked(&result) }, "{context}: {result:?}");
            assert_eq!(world.aws.faults_left(), 0, "{context}");
        }
        assert_eq!(world.left().await.unwrap(), Vec::<String>::new(), "{service}");
    }
}

/// The next run gets things right, and nothing is left in the end.
async fn mended(world: &AwsWorld, listing: &str, context: &str) {
    world.aws.no_faults();
    let result = grant(world, listing).await;
    assert!(is_granted(&result), "{context}: {result:?}");
    let result = revoke(world, listing).await;
    assert!(is_revoked(&result), "{context}: {result:?}");
    assert_eq!(world.left().await.unwrap(), Vec::<String>::new(), "{context}");
}

/// Somebody has to raise it, so trying again is no use.
pub(crate) async fn quotas(fixture: &dyn EngineFixture, moto: &str) {
    let mut world = world(moto).await;
    let (_, listing) = published(fixture, &world).await;
    world.fulfilment = world.process(settings(20)).await.unwrap();
    for (service, operation, code, skip, kind) in [
        ("secretsmanager", "CreateSecret", "LimitExceededException", 0, ErrorKind::LimitReached),
        ("secretsmanager", "CreateSecret", "LimitExceededException", 1, ErrorKind::LimitReached),
        ("dynamodb", "TransactWriteItems", "ItemCollectionSizeLimitExceededException", 0, ErrorKind::LimitReached),
        ("dynamodb", "TransactWriteItems", "ItemCollectionSizeLimitExceededException", 1, ErrorKind::LimitReached),
        ("dynamodb", "TransactWriteItems", "ProvisionedThroughputExceededException", 0, ErrorKind::Throttled),
        ("dynamodb", "TransactGetItems", "ProvisionedThroughputExceededException", 0, ErrorKind::Throttled),
    ] {
        let context = format!("{operation} of {service}, after {skip}: {code}");
        let fault = Fault::new(Effect::Answer(400, code)).service(service).operation(operation);
        world.aws.fail(fault.skip(skip).always());
        let error: Error = grant(&world, &listing).await.expect_err(&context);
        assert_eq!(error.kind(), kind, "{context}: {error:?}");
        assert_eq!(
            error.vendor_code().and_then(|vendor| vendor.rsplit(' ').next()),
            Some(code),
            "{context}: {error:?}"
        );
        bench::said(&error, &context);
        if operation == "CreateSecret" && skip == 0 {
            // To burn a name takes a secret, too: what was begun can be undone only once there is room.
            assert_eq!(error.left(), Changed::Unfinished, "{context}: {error:?}");
        }
        mended(&world, &listing, &context).await;
    }
}

/// A signature holds for five minutes on either side. What each service says when the clock is off by more.
pub(crate) async fn skewed(fixture: &dyn EngineFixture, moto: &str) {
    let mut world = world(moto).await;
    let (_, listing) = published(fixture, &world).await;
    for (service, status, code) in [
        ("secretsmanager", 400, "InvalidSignatureException"),
        ("dynamodb", 400, "InvalidSignatureException"),
        ("glue", 400, "InvalidSignatureException"),
        ("sts", 403, "SignatureDoesNotMatch"),
        ("datazone", 403, "InvalidSignatureException"),
        ("dynamodb", 403, "RequestTimeTooSkewed"),
    ] {
        let context = format!("{service}: {code}");
        world.fulfilment = world.process(settings(20)).await.unwrap();
        world.aws.fail(Fault::new(Effect::Answer(status, code)).service(service).always());
        let error = grant(&world, &listing).await.expect_err(&context);
        assert!(error.is_retryable() && error.kind() == ErrorKind::StoreFailed, "{context}: {error:?}");
        assert!(error.advice().is_some_and(|advice| advice.contains("clock")), "{context}: {error:?}");
        assert!(error.step().is_some(), "{context}: {error:?}");
        mended(&world, &listing, &context).await;
    }
}
