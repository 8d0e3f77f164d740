//! A subscription's life.

use aws_sdk_dynamodb::types::AttributeValue;
use dzconn_core::ErrorKind;
use dzconn_core::fulfilment::{Handled, Rotation, Settings};
use dzconn_core::workflow::Outcome;
use dzconn_datazone_stub::Target;
use dzconn_tests::aws::{AwsWorld, DOMAIN, role};
use dzconn_tests::engine::Fixture;
use serde_json::Value;

use super::{granted, reads, revoked, tables};

type Item = std::collections::HashMap<String, AttributeValue>;

async fn items(world: &AwsWorld, table: &str) -> Vec<Item> {
    let sdk = world.sdk(&world.governance).await.unwrap();
    let found = aws_sdk_dynamodb::Client::new(&sdk).scan().table_name(table).send().await.unwrap();
    found.items.unwrap_or_default()
}

fn text<'a>(item: &'a Item, name: &str) -> &'a str {
    item.get(name).unwrap_or_else(|| panic!("no {name} in {item:?}")).as_s().unwrap()
}

/// The attributes that others read, with the values that they expect.
fn documented(item: &Item, expected: &[(&str, &str)]) {
    for (name, value) in expected {
        assert_eq!(text(item, name), *value, "{name}");
    }
    let updated = text(item, "last_updated");
    assert!(updated.len() == 19 && updated.as_bytes()[10] == b'T', "{updated}");
}

/// A target on which outcomes are shown, and which DataZone does not fulfil itself.
fn target(world: &AwsWorld) -> Target {
    Target {
        id: "tgt".into(),
        name: "dzconn".into(),
        environment: world.environment.clone(),
        provider: "dzconn".into(),
        r#type: "GlueSubscriptionTargetType".into(),
        principals: vec![],
        asset_types: vec!["GlueTableAssetType".into()],
    }
}

fn status(world: &AwsWorld) -> Option<(String, Option<String>)> {
    world.domain(|domain| {
        let asset = domain.grants.first()?.assets.first()?.clone();
        Some((asset.status, asset.cause))
    })
}

pub(crate) async fn a_subscription_lives_and_goes_without_a_trace(fixture: &dyn Fixture, moto: &str) {
    let [employees, salaries] = tables(fixture, ["employees", "salaries"]).await;
    let world = AwsWorld::with(moto, |config| {
        config.portal.targets = vec!["dzconn".into()];
        config.secrets.tags.insert("team".into(), "data".into());
    })
    .await
    .unwrap();
    let target = target(&world);
    world.domain(|domain| domain.targets.push(target));
    let source = fixture.source();
    let connection = world.connect("hr", &source).await.unwrap();
    let listing = world.publish(&connection, &employees).await.unwrap();
    world.subscribe(&listing);

    let first = granted(world.outcome("Created", &listing).await.unwrap());
    assert!(first.new_user && first.changed);
    let secret = world.consumer_reads(first.secret.as_str()).await.unwrap();
    assert_eq!(secret, first.credentials);
    assert_eq!(reads(fixture, &secret, &employees).await, Some(true));
    assert_eq!(reads(fixture, &secret, &salaries).await, Some(false));
    assert_eq!(status(&world), Some(("GRANTED".into(), None)));

    what_others_read(&world, connection.as_str(), &employees.joined(), &listing).await;

    world.end_subscription(&listing, false);
    let gone = revoked(world.outcome("Revoked", &listing).await.unwrap());
    assert!(gone.changed && gone.dropped);
    assert_eq!(reads(fixture, &secret, &employees).await, None, "the login is refused");
    assert_eq!(world.left().await.unwrap(), Vec::<String>::new());
    assert_eq!(status(&world), Some(("REVOKED".into(), None)));
    assert!(!revoked(world.outcome("Cancelled", &listing).await.unwrap()).changed);
}

/// Two users take turns; what the consumer's secret holds logs in before and after, and so does what it held before.
pub(crate) async fn credentials_are_rotated_without_a_gap(fixture: &dyn Fixture, moto: &str) {
    let [employees, salaries] = tables(fixture, ["employees", "salaries"]).await;
    let world = AwsWorld::new(moto).await.unwrap();
    let connection = world.connect("hr", &fixture.source()).await.unwrap();
    let listing = world.publish(&connection, &employees).await.unwrap();
    world.subscribe(&listing);
    let first = granted(world.outcome("Created", &listing).await.unwrap());
    let environment: dzconn_core::model::EnvironmentId = world.environment.parse().unwrap();
    let rotate = async || match world.fulfilment.rotate(&connection, &environment).await.unwrap() {
        Rotation::Rotated(rotated) => rotated,
        other => panic!("{other:?}"),
    };
    let held = async || world.consumer_reads(first.secret.as_str()).await.unwrap();

    let rotated = rotate().await;
    assert_eq!((&rotated.secret, &rotated.previous), (&first.secret, &Some(first.user.clone())));
    let second = held().await;
    assert_eq!(second.user, rotated.user);
    for credentials in [&first.credentials, &second] {
        assert_eq!(reads(fixture, credentials, &employees).await, Some(true));
    }
    let [record] = &*items(&world, &world.config.tables.sources).await else { panic!("one record") };
    assert_eq!(text(record, "dzconn_user"), rotated.user.as_str());
    assert_eq!(text(record, "dzconn_spare_user"), first.user.as_str());
    assert!(!record.contains_key("dzconn_turn"), "{record:?}");

    let more = world.publish(&connection, &salaries).await.unwrap();
    world.subscribe(&more);
    assert_eq!(granted(world.outcome("Created", &more).await.unwrap()).credentials, second);
    rotate().await;
    let third = held().await;
    assert_eq!(third.user, first.user);
    assert_eq!(reads(fixture, &third, &salaries).await, Some(true));
    assert_eq!(reads(fixture, &second, &salaries).await, Some(true));
    assert_eq!(reads(fixture, &first.credentials, &employees).await, None, "the password of before is no longer valid");

    for listing in [&listing, &more] {
        world.end_subscription(listing, false);
        assert!(revoked(world.outcome("Revoked", listing).await.unwrap()).changed);
    }
    for credentials in [&second, &third] {
        assert_eq!(reads(fixture, credentials, &employees).await, None);
    }
    assert_eq!(world.left().await.unwrap(), Vec::<String>::new());
}

/// Secrets and items, as other systems read them.
async fn what_others_read(world: &AwsWorld, connection: &str, path: &str, listing: &str) {
    let of = |place: &dzconn_core::model::Owner| world.aws.secrets(place.account.as_str(), place.region.as_str()).all();
    let producers: Vec<_> =
        of(&world.producer).into_iter().filter(|secret| secret.name.starts_with("dz-conn-")).collect();
    let [producer] = producers.as_slice() else { panic!("{producers:?}") };
    let copies = of(&world.consumer);
    let [copy] = copies.as_slice() else { panic!("{copies:?}") };
    let begin = format!("consumers-{}-", world.environment);
    assert!(producer.name.starts_with(&format!("dz-conn-p-{begin}")), "{}", producer.name);
    assert!(copy.name.starts_with(&format!("dz-conn-c-{begin}")), "{}", copy.name);
    let tags = |key: &str| copy.tags.get(key).map(String::as_str);
    assert_eq!((tags("AmazonDataZoneDomain"), tags("team")), (Some(DOMAIN), Some("data")));
    assert_eq!(tags("AmazonDataZoneProject"), Some("consumers"));
    assert_eq!(tags("AmazonDataZoneEnvironment"), Some(world.environment.as_str()));
    assert!(producer.tags.keys().all(|key| !key.starts_with("AmazonDataZone")), "{:?}", producer.tags);
    assert!([&producer.key, &copy.key].iter().all(|key| key.as_deref() == Some("alias/dz_conn_a_common_key")));
    let value: Value = serde_json::from_str(copy.value().unwrap()).unwrap();
    for name in ["engine", "host", "port", "dbname", "db_name", "username", "password"] {
        assert!(value.get(name).is_some(), "{name}");
    }
    assert!(value["port"].is_u64() && value["dbname"] == value["db_name"]);
    let policy: Value = serde_json::from_str(producer.policy.as_ref().unwrap()).unwrap();
    let readers: Vec<_> = policy["Statement"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|statement| statement["Action"] == "secretsmanager:GetSecretValue")
        .collect();
    assert_eq!(readers.len(), 1, "{policy:#}");
    assert!(readers[0]["Principal"]["AWS"].to_string().contains(&role(&world.consumer)), "{policy:#}");

    let tables = &world.config.tables;
    let (sources, mappings) = (items(world, &tables.sources).await, items(world, &tables.mappings).await);
    let assets = items(world, &tables.assets).await;
    let ([record], [mapping], [asset]) = (&*sources, &*mappings, &*assets) else {
        panic!("{sources:?} {mappings:?} {assets:?}")
    };
    let environment = world.environment.as_str();
    documented(
        record,
        &[
            ("glue_connection_arn", connection),
            ("datazone_consumer_environment_id", environment),
            ("datazone_consumer_project_id", "consumers"),
            ("datazone_domain_id", DOMAIN),
            ("owner_account", world.producer.account.as_str()),
            ("owner_region", world.producer.region.as_str()),
            ("secret_arn", &producer.arn),
            ("secret_name", &producer.name),
        ],
    );
    assert_eq!(record["data_assets"].as_l().unwrap(), &[AttributeValue::S(path.to_owned())]);
    documented(
        mapping,
        &[
            ("shared_secret_arn", &producer.arn),
            ("datazone_consumer_environment_id", environment),
            ("datazone_consumer_project_id", "consumers"),
            ("datazone_domain", DOMAIN),
            ("owner_account", world.consumer.account.as_str()),
            ("owner_region", world.consumer.region.as_str()),
            ("secret_arn", &copy.arn),
            ("secret_name", &copy.name),
        ],
    );
    documented(
        asset,
        &[
            ("datazone_consumer_environment_id", environment),
            ("datazone_asset_id", &listing.replace("lst", "ast")),
            ("datazone_asset_revision", "1"),
            ("datazone_asset_type", "GlueTableAssetType"),
            ("datazone_consumer_project_id", "consumers"),
            ("datazone_domain_id", DOMAIN),
            ("datazone_listing_id", listing),
            ("datazone_listing_name", &format!("name of {listing}")),
            ("datazone_listing_revision", "1"),
            ("owner_account", world.consumer.account.as_str()),
            ("owner_region", world.consumer.region.as_str()),
            ("secret_arn", &copy.arn),
            ("secret_name", &copy.name),
        ],
    );
}

pub(crate) async fn one_event_twice_or_twice_at_once_is_one_grant(fixture: &dyn Fixture, moto: &str) {
    let [employees] = tables(fixture, ["employees"]).await;
    let world = AwsWorld::new(moto).await.unwrap();
    let connection = world.connect("hr", &fixture.source()).await.unwrap();
    let listing = world.publish(&connection, &employees).await.unwrap();
    world.subscribe(&listing);
    // A process of its own has no queue in common with the other.
    let other = world.ports.fulfilment(dzconn_tests::world::engines(), Settings::default()).unwrap();
    let event = dzconn_core::event::SubscriptionEvent::from_json(&world.event_text("Created", &listing)).unwrap();
    let (one, two) = tokio::join!(world.fulfilment.handle(&event), other.handle(&event));
    for handled in [one.unwrap(), two.unwrap()] {
        let [Handled::Done { result, .. }] = handled.as_slice() else { panic!("{handled:?}") };
        assert!(matches!(**result, Ok(Outcome::Granted(_))), "{result:?}");
    }
    assert!(!granted(world.outcome("Created", &listing).await.unwrap()).changed);
    assert_eq!(items(&world, &world.config.tables.sources).await.len(), 1);
    let secrets = world.aws.secrets(world.consumer.account.as_str(), world.consumer.region.as_str()).all();
    assert_eq!(secrets.len(), 1, "{secrets:?}");
    world.end_subscription(&listing, false);
    world.outcome("Revoked", &listing).await.unwrap();
    assert_eq!(world.left().await.unwrap(), Vec::<String>::new());
}

pub(crate) async fn events_in_any_order_end_as_the_portal_says(fixture: &dyn Fixture, moto: &str) {
    let [employees, offices] = tables(fixture, ["employees", "offices"]).await;
    let world = AwsWorld::new(moto).await.unwrap();
    let connection = world.connect("hr", &fixture.source()).await.unwrap();
    let orders = [(&employees, ["Created", "Revoked", "Created"]), (&offices, ["Revoked", "Created", "Revoked"])];
    let mut listings = Vec::new();
    for (table, kinds) in orders {
        let listing = world.publish(&connection, table).await.unwrap();
        world.subscribe(&listing);
        let mut first = None;
        for (n, kind) in kinds.iter().enumerate() {
            let outcome = world.outcome(kind, &listing).await.unwrap();
            let context = format!("{kinds:?}, event {n}: {outcome:?}");
            match (&first, outcome) {
                (None, Outcome::Granted(granted)) => first = Some(granted.credentials),
                (Some(_), Outcome::Granted(granted)) => assert!(!granted.changed, "{context}"),
                (_, outcome) => assert!(matches!(outcome, Outcome::Superseded), "{context}"),
            }
            // Before a grant that would mend it.
            if let Some(first) = &first {
                assert_eq!(reads(fixture, first, table).await, Some(true), "{context}");
            }
        }
        let first = first.unwrap();
        let again = granted(world.outcome("Created", &listing).await.unwrap());
        assert!(!again.changed && again.credentials == first, "{kinds:?}");
        listings.push((listing, table, first));
    }
    for (listing, table, first) in listings {
        world.end_subscription(&listing, false);
        for kind in ["Created", "Revoked", "Created", "Created"] {
            let outcome = world.outcome(kind, &listing).await.unwrap();
            assert!(!matches!(outcome, Outcome::Granted(_)), "{kind}: {outcome:?}");
            assert_ne!(reads(fixture, &first, table).await, Some(true), "{kind}");
        }
    }
    assert_eq!(world.left().await.unwrap(), Vec::<String>::new());
}

pub(crate) async fn permissions_that_are_to_be_retained_stay(fixture: &dyn Fixture, moto: &str) {
    let [employees] = tables(fixture, ["employees"]).await;
    let world = AwsWorld::new(moto).await.unwrap();
    let connection = world.connect("hr", &fixture.source()).await.unwrap();
    let listing = world.publish(&connection, &employees).await.unwrap();
    world.subscribe(&listing);
    let first = granted(world.outcome("Created", &listing).await.unwrap());
    world.end_subscription(&listing, true);
    let text = world.event_text("Revoked", &listing).replace("\"status\"", "\"retainPermissions\":true,\"status\"");
    let event = dzconn_core::event::SubscriptionEvent::from_json(&text).unwrap();
    let handled = world.fulfilment.handle(&event).await.unwrap();
    let [Handled::Done { result, .. }] = handled.as_slice() else { panic!("{handled:?}") };
    assert!(matches!(**result, Ok(Outcome::Retained(_))), "{result:?}");
    assert_eq!(reads(fixture, &first.credentials, &employees).await, Some(true));
}

pub(crate) async fn a_subscription_with_filters_is_refused_and_takes_an_older_grant_back(
    fixture: &dyn Fixture,
    moto: &str,
) {
    let [employees] = tables(fixture, ["employees"]).await;
    let world = AwsWorld::new(moto).await.unwrap();
    let connection = world.connect("hr", &fixture.source()).await.unwrap();
    let listing = world.publish(&connection, &employees).await.unwrap();
    world.subscribe(&listing);
    let first = granted(world.outcome("Created", &listing).await.unwrap());
    world.domain(|domain| domain.subscriptions[0].filters = Some(vec!["rows".into()]));
    let error = world.outcome("Created", &listing).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    assert_eq!(reads(fixture, &first.credentials, &employees).await, None);
    assert_eq!(world.left().await.unwrap(), Vec::<String>::new());
}

pub(crate) async fn what_is_not_ours_is_left_alone(fixture: &dyn Fixture, moto: &str) {
    let world = AwsWorld::new(moto).await.unwrap();
    let connection = world.connect("hr", &fixture.source()).await.unwrap();
    world.publish_as("lst-s3", "ast-s3", None, "s3://bucket/prefix").await.unwrap();
    world.domain(|domain| {
        let forms = serde_json::json!({});
        domain.listings.push(dzconn_datazone_stub::Listing::asset(
            "lst-rs",
            "producers",
            "a",
            "RedshiftTableAssetType",
            forms,
        ));
    });
    for listing in ["lst-s3", "lst-rs"] {
        world.subscribe(listing);
        for kind in ["Created", "Revoked"] {
            let handled = world.handle(kind, listing).await.unwrap();
            let skipped = handled.iter().all(|part| matches!(part, Handled::Skipped { .. }));
            assert!(skipped && !handled.is_empty(), "{kind} {listing}: {handled:?}");
        }
    }
    // A table that could be granted, to an environment of a blueprint that does not apply.
    let [employees] = tables(fixture, ["employees"]).await;
    let listing = world.publish(&connection, &employees).await.unwrap();
    world.subscribe(&listing);
    let mut other = world.environment_of("env-warehouse");
    other.blueprint = Some("warehouse".into());
    world.domain(|domain| {
        domain
            .blueprints
            .push(dzconn_datazone_stub::Blueprint { id: "warehouse".into(), name: "DefaultDataWarehouse".into() });
        domain.environments = vec![other];
    });
    let handled = world.handle("Created", &listing).await.unwrap();
    let [Handled::Skipped { reason }] = handled.as_slice() else { panic!("{handled:?}") };
    assert!(reason.contains("blueprint"), "{reason}");
    assert_eq!(world.left().await.unwrap(), Vec::<String>::new());
    assert!(world.domain(|domain| domain.grants.is_empty()));
    // It was for the blueprint alone.
    let ours = world.environment_of(&world.environment);
    world.domain(|domain| domain.environments.push(ours));
    let granted = granted(world.outcome("Created", &listing).await.unwrap());
    assert_eq!(reads(fixture, &granted.credentials, &employees).await, Some(true));
}
