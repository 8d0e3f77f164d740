//! From the toolkit's connection to the connector that reads what was granted.

use std::collections::BTreeMap;

use dzconn_aws::toolkit::{AthenaConnector, GlueConnection, Scope};
use dzconn_core::model::ConnectionId;
use dzconn_tests::aws::{AwsWorld, DOMAIN, jdbc};
use dzconn_tests::engine::Fixture;
use dzconn_tests::template;
use serde_json::{Value, json};

use super::{granted, reads, revoked, tables};

pub(crate) async fn what_the_toolkit_makes_is_subscribed_to_and_read(fixture: &dyn Fixture, moto: &str) {
    let [employees, salaries] = tables(fixture, ["employees", "salaries"]).await;
    let world = AwsWorld::new(moto).await.unwrap();
    let source = fixture.source();
    let sdk = world.sdk(&world.producer).await.unwrap();
    let login = json!({"username": source.admin.user, "password": source.admin.password.expose()}).to_string();
    let call = aws_sdk_secretsmanager::Client::new(&sdk).create_secret().name("admin-toolkit").secret_string(login);
    call.kms_key_id("alias/dz_conn_a_common_key").send().await.unwrap();

    let scope = |project: &str, environment: &str| Scope {
        domain: DOMAIN.parse().unwrap(),
        project: project.parse().unwrap(),
        environment: environment.parse().unwrap(),
    };
    let made = GlueConnection {
        scope: scope("producers", "producers-prod"),
        name: "sales of the toolkit".into(),
        url: jdbc(&source),
        secret: "admin-toolkit".into(),
        enforce_tls: false,
        certificate: None,
        network: None,
    };
    let made = template::deploy(&made.render("sales").unwrap(), &world.producer).unwrap();
    template::make_connections(&sdk, &made).await.unwrap();
    let producer = &world.producer;
    let arn = format!("arn:aws:glue:{}:{}:connection/sales of the toolkit", producer.region, producer.account);
    let listing = world.publish(&ConnectionId::new(arn).unwrap(), &employees).await.unwrap();

    world.subscribe(&listing);
    let granted = granted(world.outcome("Created", &listing).await.unwrap());
    let secret = world.consumer_reads(granted.secret.as_str()).await.unwrap();
    assert_eq!(reads(fixture, &secret, &employees).await, Some(true));
    assert_eq!(reads(fixture, &secret, &salaries).await, Some(false));

    // A connector of that environment names the secret, and its role may read it: by its ARN, and by its tags.
    let connector = AthenaConnector {
        scope: scope("consumers", &world.environment),
        name: "sales".into(),
        source: source.endpoint.clone(),
        secret: granted.secret.as_str().parse().unwrap(),
        subnets: vec!["subnet-01234567".into()],
        security_groups: vec!["sg-01234567".into()],
        spill_bucket: "spill".into(),
    };
    let made = template::deploy(&connector.render("athena").unwrap(), &world.consumer).unwrap();
    let string = made["Connector"].properties["Parameters"]["DefaultConnectionString"].as_str().unwrap();
    assert!(string.contains(&format!("${{{}}}", granted.secret)), "{string}");
    let consumer = &world.consumer;
    let secrets = world.aws.secrets(consumer.account.as_str(), consumer.region.as_str()).all();
    let copy = secrets.iter().find(|secret| secret.name == granted.secret.as_str()).unwrap();
    assert!(may_read(&made["Role"].properties, &copy.arn, &copy.tags));
    let mut other = copy.tags.clone();
    other.insert("AmazonDataZoneEnvironment".into(), "another".into());
    assert!(!may_read(&made["Role"].properties, &copy.arn, &other));
    // The producer's own secret, of another name and other tags, it may not.
    let secrets = world.aws.secrets(producer.account.as_str(), producer.region.as_str()).all();
    for secret in secrets {
        assert!(!may_read(&made["Role"].properties, &secret.arn, &secret.tags), "{}", secret.name);
    }

    world.end_subscription(&listing, false);
    revoked(world.outcome("Revoked", &listing).await.unwrap());
    assert_eq!(reads(fixture, &secret, &employees).await, None);
    assert_eq!(world.left().await.unwrap(), Vec::<String>::new());
}

/// What the role's one statement on secrets says of a secret.
fn may_read(role: &Value, arn: &str, tags: &BTreeMap<String, String>) -> bool {
    let statements = role["Policies"][0]["PolicyDocument"]["Statement"].as_array().unwrap();
    let statement = statements.iter().find(|one| one["Action"] == "secretsmanager:GetSecretValue").unwrap();
    let pattern = statement["Resource"].as_str().unwrap();
    let fits = pattern.len() == arn.len() && pattern.chars().zip(arn.chars()).all(|(p, c)| p == '?' || p == c);
    let wanted = statement["Condition"]["StringEquals"].as_object().unwrap();
    fits && wanted.iter().all(|(key, value)| {
        let key = key.strip_prefix("aws:ResourceTag/").unwrap();
        tags.get(key).map(String::as_str) == value.as_str()
    })
}
