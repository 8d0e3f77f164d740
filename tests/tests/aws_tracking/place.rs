//! A store on tables of its own, and the way past it.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use dzconn_aws::config::{Config, Tables};
use dzconn_aws::tracking::{DynamoTracking, create_tables};
use dzconn_core::Result;
use dzconn_core::store::{Change, Expect, Key, Record, Stored, TrackingStore, Transaction, WriteOutcome};
use dzconn_core::testkit::tracking::{Tamper, TrackingFixture, version};

use crate::wire::Wire;

pub(crate) type Item = HashMap<String, AttributeValue>;

pub(crate) const PAGE: u32 = 7;

/// Tables in moto that nobody else has.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) wire: Arc<Wire>,
    pub(crate) client: Client,
    pub(crate) tables: Tables,
    pub(crate) store: DynamoTracking,
}

impl Place {
    /// Without tables.
    pub(crate) async fn bare(moto: &str) -> Self {
        let wire = Arc::new(Wire::to(moto).await);
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(&wire.url)
            .region(Region::new("eu-west-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "tests"))
            .retry_config(RetryConfig::standard().with_max_attempts(3))
            .build();
        let client = Client::from_conf(config);
        let run = format!("{:016x}", rand::random::<u64>());
        let mut tables = Config::default().tables;
        for name in [&mut tables.sources, &mut tables.mappings, &mut tables.assets, &mut tables.state] {
            *name = format!("{name}-{run}");
        }
        let store = DynamoTracking::new(client.clone(), tables.clone()).with_page(PAGE);
        Self { wire, client, tables, store }
    }

    /// With the tables that we make.
    pub(crate) async fn new(moto: &str) -> Self {
        let place = Self::bare(moto).await;
        create_tables(&place.client, &place.tables).await.unwrap();
        place.wire.calls();
        place
    }

    /// With the three tables that the older system made, and our own.
    pub(crate) async fn older(moto: &str) -> Self {
        let place = Self::bare(moto).await;
        let Tables { sources, mappings, assets, state, .. } = &place.tables;
        place.create(sources, &["glue_connection_arn", "datazone_consumer_environment_id"]).await;
        place.create(mappings, &["shared_secret_arn"]).await;
        place.create(assets, &["datazone_consumer_environment_id", "datazone_asset_id"]).await;
        place.create(state, &["pk", "sk"]).await;
        place.wire.calls();
        place
    }

    pub(crate) async fn create(&self, name: &str, key: &[&str]) {
        let mut request = self.client.create_table().table_name(name).billing_mode(BillingMode::PayPerRequest);
        for (name, part) in key.iter().zip([KeyType::Hash, KeyType::Range]) {
            let definition = AttributeDefinition::builder().attribute_name(*name);
            request = request
                .attribute_definitions(definition.attribute_type(ScalarAttributeType::S).build().unwrap())
                .key_schema(KeySchemaElement::builder().attribute_name(*name).key_type(part).build().unwrap());
        }
        request.send().await.unwrap();
    }

    pub(crate) fn fixture(&self) -> TrackingFixture {
        TrackingFixture::new(self.store.clone()).with_tamper(self.clone())
    }

    pub(crate) async fn put(&self, record: &Record) -> Stored {
        let stored = Stored { version: Some(version()), record: record.clone() };
        let change = Change::put(Expect::Anything, stored.version.unwrap(), record.clone());
        assert_eq!(self.commit(vec![change]).await.unwrap(), WriteOutcome::Written);
        stored
    }

    pub(crate) async fn commit(&self, changes: Vec<Change>) -> Result<WriteOutcome> {
        self.store.commit(&Transaction { changes }).await
    }

    pub(crate) async fn read(&self, key: &Key) -> Result<Option<Stored>> {
        Ok(self.store.read(std::slice::from_ref(key)).await?.pop().unwrap())
    }

    pub(crate) fn table(&self, key: &Key) -> &str {
        match key {
            Key::Source(_) => &self.tables.sources,
            Key::Mapping(_) => &self.tables.mappings,
            Key::Asset(..) | Key::Objects(..) => &self.tables.assets,
            Key::Entry(..) | Key::Wanted(..) | Key::Bucket(_) => &self.tables.state,
        }
    }

    /// The attributes by which anybody finds the item.
    fn names(key: &Key) -> Vec<(&'static str, String)> {
        let (connection, environment) = ("glue_connection_arn", "datazone_consumer_environment_id");
        match key {
            Key::Source(key) => {
                vec![(connection, key.connection.to_string()), (environment, key.environment.to_string())]
            }
            Key::Entry(key, table) => vec![
                (connection, key.connection.to_string()),
                (environment, key.environment.to_string()),
                ("dzconn_table", table.to_string()),
            ],
            Key::Mapping(secret) => vec![("shared_secret_arn", secret.to_string())],
            Key::Bucket(bucket) => vec![("dzconn_bucket", bucket.to_string())],
            Key::Asset(of, asset) | Key::Wanted(of, asset) | Key::Objects(of, asset) => {
                vec![(environment, of.to_string()), ("datazone_asset_id", asset.to_string())]
            }
        }
    }

    /// The item as it is, found by its attributes.
    pub(crate) async fn item(&self, key: &Key) -> Item {
        let mut request = self.client.scan().table_name(self.table(key)).consistent_read(true);
        let mut conditions = Vec::new();
        for (n, (name, value)) in Self::names(key).into_iter().enumerate() {
            request = request
                .expression_attribute_names(format!("#n{n}"), name)
                .expression_attribute_values(format!(":v{n}"), AttributeValue::S(value));
            conditions.push(format!("#n{n} = :v{n}"));
        }
        let answer = request.filter_expression(conditions.join(" AND ")).send().await.unwrap();
        let mut items = answer.items.unwrap();
        assert_eq!(items.len(), 1, "items of the {key}");
        items.pop().unwrap()
    }

    pub(crate) async fn plant_item(&self, table: &str, item: Item) {
        self.client.put_item().table_name(table).set_item(Some(item)).send().await.unwrap();
    }

    /// Puts the item there again, edited.
    pub(crate) async fn edit(&self, key: &Key, edit: impl FnOnce(&mut Item)) {
        let mut item = self.item(key).await;
        edit(&mut item);
        self.plant_item(self.table(key), item).await;
    }
}

#[async_trait]
impl Tamper for Place {
    async fn plant(&self, record: &Record) -> Result<()> {
        self.put(record).await;
        self.edit(&record.key(), |item| assert!(item.remove("dzconn_version").is_some())).await;
        Ok(())
    }

    async fn damage(&self, key: &Key) -> Result<()> {
        let (name, value) = match key {
            Key::Source(_) => ("dzconn_phase", AttributeValue::S("sleeping".into())),
            Key::Entry(..) => ("dzconn_assets", AttributeValue::S("all".into())),
            Key::Mapping(_) => ("dzconn_generation", AttributeValue::N("2".into())),
            Key::Asset(..) => ("secret_arn", AttributeValue::Null(true)),
            Key::Wanted(..) => ("dzconn_wanted", AttributeValue::Bool(true)),
            Key::Bucket(_) => ("dzconn_claims", AttributeValue::Bool(true)),
            Key::Objects(..) => ("dzconn_principals", AttributeValue::Bool(true)),
        };
        self.edit(key, |item| assert!(item.insert(name.into(), value).is_some())).await;
        Ok(())
    }
}
