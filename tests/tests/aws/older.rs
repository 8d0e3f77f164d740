//! What the older system has left: its items, its secrets, its users.

use aws_sdk_dynamodb::types::AttributeValue;
use dzconn_core::model::{ConnectionId, Credentials, TableName, UserName};
use dzconn_core::testkit::engine::EngineFixture;
use dzconn_core::{Deadline, Secret, password};
use dzconn_test_aws::NewSecret;
use dzconn_tests::aws::{AwsWorld, DOMAIN, role};
use dzconn_tests::engine::Fixture;
use serde_json::json;

use super::{granted, reads, revoked, tables};

fn item(members: &[(&str, &str)]) -> std::collections::HashMap<String, AttributeValue> {
    members.iter().map(|(name, value)| ((*name).to_owned(), AttributeValue::S((*value).to_owned()))).collect()
}

/// Grants as the older system did: `dz_<environment>`, its secrets in its spelling, its three items.
async fn grant_as_before(
    fixture: &dyn EngineFixture,
    world: &AwsWorld,
    connection: &ConnectionId,
    granted: &[(&str, &TableName)],
) -> Credentials {
    let source = fixture.source();
    let engine = dzconn_tests::world::engines();
    let deadline = Deadline::within(std::time::Duration::from_secs(20));
    let mut session = engine.for_source(&source).unwrap().connect(&source, deadline).await.unwrap();
    let key = dzconn_core::model::SourceKey {
        connection: connection.clone(),
        environment: world.environment.parse().unwrap(),
    };
    let lock = dzconn_core::engine::LockKey::new(&key);
    session.lock(&lock, deadline.remaining(), deadline.remaining()).await.unwrap();
    let credentials = Credentials {
        endpoint: source.endpoint.clone(),
        database: granted.first().map(|(_, table)| table.database().to_owned()),
        user: UserName::new(format!("dz_{}", world.environment)).unwrap(),
        password: password::generate(),
        ssl: None,
    };
    session.create_user(&credentials).await.unwrap();
    for (_, table) in granted {
        session.grant(&credentials.user, table, &[]).await.unwrap();
    }
    session.unlock().await.unwrap();
    session.close().await.unwrap();

    let database = credentials.database.as_ref().unwrap();
    let engine = if source.endpoint.subprotocol == "postgresql" { "postgresql" } else { "mysql" };
    let value = json!({"engine": engine, "host": source.endpoint.host, "port": source.endpoint.port.to_string(),
        "db_name": database, "username": credentials.user.as_str(), "password": credentials.password.expose()});
    let of = |owner: &dzconn_core::model::Owner, name: &str| {
        let new = NewSecret::new(name, &value.to_string()).key("alias/dz_conn_a_common_key");
        world.aws.secrets(owner.account.as_str(), owner.region.as_str()).put(&new).unwrap()
    };
    let (shared_name, copy_name) =
        (format!("dz-conn-p-old-{}", world.environment), format!("dz-conn-c-old-{}", world.environment));
    let (shared, copy) = (of(&world.producer, &shared_name), of(&world.consumer, &copy_name));
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Resource": "*",
        "Principal": {"AWS": role(&world.consumer)}, "Action": "secretsmanager:GetSecretValue"}]});
    let place = world.aws.secrets(world.producer.account.as_str(), world.producer.region.as_str());
    assert!(place.set_policy(&shared_name, Some(&policy.to_string())));

    let dynamodb = aws_sdk_dynamodb::Client::new(&world.sdk(&world.governance).await.unwrap());
    let put = |table: &str, item| dynamodb.put_item().table_name(table).set_item(Some(item)).send();
    let environment = world.environment.as_str();
    let mut record = item(&[
        ("glue_connection_arn", connection.as_str()),
        ("datazone_consumer_environment_id", environment),
        ("datazone_consumer_project_id", "consumers"),
        ("datazone_domain_id", DOMAIN),
        ("last_updated", "2024-03-01T08:30:00"),
        ("owner_account", world.producer.account.as_str()),
        ("owner_region", world.producer.region.as_str()),
        ("secret_arn", &shared),
        ("secret_name", &shared_name),
    ]);
    let paths = granted.iter().map(|(_, table)| AttributeValue::S(table.joined())).collect();
    record.insert("data_assets".to_owned(), AttributeValue::L(paths));
    let tables = &world.config.tables;
    put(&tables.sources, record).await.unwrap();
    let mapping = item(&[
        ("shared_secret_arn", &shared),
        ("datazone_consumer_environment_id", environment),
        ("datazone_consumer_project_id", "consumers"),
        ("datazone_domain", DOMAIN),
        ("last_updated", "2024-03-01T08:30:05"),
        ("owner_account", world.consumer.account.as_str()),
        ("owner_region", world.consumer.region.as_str()),
        ("secret_arn", &copy),
        ("secret_name", &copy_name),
    ]);
    put(&tables.mappings, mapping).await.unwrap();
    for (listing, _) in granted {
        let asset = item(&[
            ("datazone_consumer_environment_id", environment),
            ("datazone_asset_id", &listing.replace("lst", "ast")),
            ("datazone_asset_revision", "1"),
            ("datazone_asset_type", "GlueTableAssetType"),
            ("datazone_consumer_project_id", "consumers"),
            ("datazone_domain_id", DOMAIN),
            ("datazone_listing_id", listing),
            ("datazone_listing_name", listing),
            ("datazone_listing_revision", "1"),
            ("last_updated", "2024-03-01T08:30:05"),
            ("owner_account", world.consumer.account.as_str()),
            ("owner_region", world.consumer.region.as_str()),
            ("secret_arn", &copy),
            ("secret_name", &copy_name),
        ]);
        put(&tables.assets, asset).await.unwrap();
    }
    Credentials::from_json(&Secret::new(value.to_string())).unwrap()
}

pub(crate) async fn what_an_older_system_left_is_revoked(fixture: &dyn Fixture, moto: &str) {
    let [employees, offices] = tables(fixture, ["employees", "offices"]).await;
    let world = AwsWorld::new(moto).await.unwrap();
    let connection = world.connect("hr", &fixture.source()).await.unwrap();
    let mut listings = Vec::new();
    for table in [&employees, &offices] {
        listings.push(world.publish(&connection, table).await.unwrap());
    }
    let of = [(listings[0].as_str(), &employees), (listings[1].as_str(), &offices)];
    let credentials = grant_as_before(fixture, &world, &connection, &of).await;
    assert_eq!(reads(fixture, &credentials, &employees).await, Some(true));

    assert!(!revoked(world.outcome("Revoked", &listings[0]).await.unwrap()).dropped);
    assert_eq!(reads(fixture, &credentials, &employees).await, Some(false));
    assert_eq!(reads(fixture, &credentials, &offices).await, Some(true));
    // By now the portal knows nothing of the other; tracking alone does.
    world.domain(|domain| domain.listings.clear());
    assert!(revoked(world.outcome("Revoked", &listings[1]).await.unwrap()).dropped);
    assert_eq!(reads(fixture, &credentials, &offices).await, None);
    assert_eq!(world.left().await.unwrap(), Vec::<String>::new());
}

pub(crate) async fn a_table_joins_an_older_systems_user(fixture: &dyn Fixture, moto: &str) {
    let [employees, offices] = tables(fixture, ["employees", "offices"]).await;
    let world = AwsWorld::new(moto).await.unwrap();
    let connection = world.connect("hr", &fixture.source()).await.unwrap();
    let old = world.publish(&connection, &employees).await.unwrap();
    let new = world.publish(&connection, &offices).await.unwrap();
    let before = grant_as_before(fixture, &world, &connection, &[(old.as_str(), &employees)]).await;
    world.subscribe(&old);
    world.subscribe(&new);
    let joined = granted(world.outcome("Created", &new).await.unwrap());
    assert!(!joined.new_user);
    assert_eq!((&joined.credentials.user, &joined.credentials.password), (&before.user, &before.password));
    for table in [&employees, &offices] {
        assert_eq!(reads(fixture, &joined.credentials, table).await, Some(true));
    }
    for listing in [&new, &old] {
        world.end_subscription(listing, false);
        world.outcome("Revoked", listing).await.unwrap();
    }
    assert_eq!(reads(fixture, &before, &employees).await, None);
    assert_eq!(world.left().await.unwrap(), Vec::<String>::new());
}
