//! The whole workflow on AWS's stand-ins: three accounts and two regions, a portal, and a fixture's source.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_secretsmanager::config::Credentials as Keys;
use aws_smithy_async::time::TimeSource;
use dzconn_aws::secrets::SecretsManager;
use dzconn_aws::{Accounts, Aws, Config};
use dzconn_core::event::SubscriptionEvent;
use dzconn_core::fulfilment::{Handled, Settings};
use dzconn_core::model::{AccountId, ConnectionId, Credentials, Owner, Region, Source, TableName, Tls};
use dzconn_core::workflow::Outcome;
use dzconn_core::{Fulfilment, Result, Secret};
use dzconn_datazone_stub::{Blueprint, DataZoneStub, Domain, Environment, Listing, Project, Subscription};
use dzconn_test_aws::{AwsStandIn, Key, Role};
use serde_json::json;

use crate::engine::trouble;
use crate::world::engines;

/// The variable that names a moto server.
pub const MOTO: &str = "DZCONN_TEST_MOTO_URL";

/// The domain of every world.
pub const DOMAIN: &str = "dzd_test";
const ALIAS: &str = "alias/dz_conn_a_common_key";

/// Governance, producer and consumer in accounts of their own; the consumer in another region too.
#[derive(Debug)]
pub struct AwsWorld {
    /// AWS.
    pub aws: AwsStandIn,
    /// `DataZone`.
    pub datazone: DataZoneStub,
    /// The ports.
    pub ports: Aws,
    /// What grants and revokes.
    pub fulfilment: Fulfilment,
    /// The governance account.
    pub governance: Owner,
    /// The producer's.
    pub producer: Owner,
    /// The consumer's.
    pub consumer: Owner,
    /// The consumer's environment.
    pub environment: String,
    /// What was configured.
    pub config: Config,
    tag: String,
}

fn owner(region: &str) -> Result<Owner> {
    let account = 100_000_000_000 + rand::random::<u64>() % 900_000_000_000;
    Ok(Owner::new(AccountId::new(account.to_string())?, Region::new(region)?))
}

/// The role that works in an account.
#[must_use]
pub fn role(owner: &Owner) -> String {
    role_of(owner.account.as_str())
}

/// The same, of an account.
#[must_use]
pub fn role_of(account: &str) -> String {
    format!("arn:aws:iam::{account}:role/dz_conn_a_common_lambda_role")
}

impl AwsWorld {
    /// With empty tables, and nothing in the portal but the consumer's project and environment.
    pub async fn new(moto: &str) -> Result<Self> {
        Self::with(moto, |_| {}).await
    }

    /// With a configuration of one's own.
    pub async fn with(moto: &str, configure: impl FnOnce(&mut Config)) -> Result<Self> {
        let aws = AwsStandIn::start(moto).await.map_err(|error| trouble(error.to_string()))?;
        let datazone = DataZoneStub::start().map_err(|error| trouble(error.to_string()))?;
        aws.set_datazone(&datazone.url());
        let (governance, producer, consumer) = (owner("eu-west-1")?, owner("eu-west-1")?, owner("us-east-2")?);
        for place in [&governance, &producer, &consumer] {
            aws.add_role(Role::new(&role(place)).trusting(governance.account.as_str()));
            let key = Key::new(place.account.as_str(), place.region.as_str(), ALIAS);
            aws.add_key(if place == &producer { key.admitting(consumer.account.as_str()) } else { key });
        }
        aws.add_role(Role::new(&format!("arn:aws:iam::{}:role/dzconn_test", governance.account)));
        aws.only_known_roles();
        let tag = crate::engine::tag();
        let environment = format!("env-{tag}");
        let mut config = Config::default();
        configure(&mut config);
        let sdk = sdk(&aws, &governance).await?;
        let ports = Aws::new(Accounts::new(config.clone(), sdk).await?).await;
        ports.create_tables().await?;
        let fulfilment = ports.fulfilment(engines(), Settings::default())?;
        let world = Self { aws, datazone, ports, fulfilment, governance, producer, consumer, environment, config, tag };
        world.datazone.edit(|state| {
            let mut domain = Domain::new(DOMAIN);
            domain.projects =
                ["producers", "consumers"].map(|id| Project { id: id.into(), name: format!("the {id}") }).into();
            domain.blueprints = vec![Blueprint { id: "lake".into(), name: "DefaultDataLake".into() }];
            domain.environments = vec![world.environment_of(&world.environment)];
            state.domains = vec![domain];
        });
        Ok(world)
    }

    /// An environment of the consumer's project, in the consumer's account.
    #[must_use]
    pub fn environment_of(&self, id: &str) -> Environment {
        Environment {
            id: id.to_owned(),
            name: format!("name of {id}"),
            project: "consumers".into(),
            blueprint: Some("lake".into()),
            account: Some(self.consumer.account.to_string()),
            region: Some(self.consumer.region.to_string()),
            ..Environment::default()
        }
    }

    /// Everything in the governance account and its region, as a small set-up has it.
    pub fn move_into_one_account(&mut self) {
        self.producer = self.governance.clone();
        self.consumer = self.governance.clone();
        let environment = self.environment_of(&self.environment);
        self.domain(|domain| domain.environments = vec![environment]);
    }

    /// The producer's key admits the consumer's account, where that is another one by now.
    pub fn admit_consumer(&self) {
        let key = Key::new(self.producer.account.as_str(), self.producer.region.as_str(), ALIAS);
        self.aws.add_key(key.admitting(self.consumer.account.as_str()));
    }

    /// A process that knows nothing yet.
    pub async fn reconnected(&self) -> Result<Fulfilment> {
        self.process(Settings::default()).await
    }

    /// The same, with settings of its own.
    pub async fn process(&self, settings: Settings) -> Result<Fulfilment> {
        let sdk = sdk(&self.aws, &self.governance).await?;
        Aws::new(Accounts::new(self.config.clone(), sdk).await?).await.fulfilment(engines(), settings)
    }

    /// The same, with a clock that is so many hours ahead.
    pub async fn process_at(&self, hours: i64) -> Result<Fulfilment> {
        let sdk = sdk(&self.aws, &self.governance).await?.into_builder().time_source(Clock(hours)).build();
        Aws::new(Accounts::new(self.config.clone(), sdk).await?).await.fulfilment(engines(), Settings::default())
    }

    /// A Glue connection in the producer's account, with its admin secret.
    pub async fn connect(&self, name: &str, source: &Source) -> Result<ConnectionId> {
        let name = format!("{name}-{}", self.tag);
        let sdk = sdk(&self.aws, &self.producer).await?;
        let value = json!({"username": source.admin.user, "password": source.admin.password.expose()});
        let secret = format!("admin-{name}");
        let call = aws_sdk_secretsmanager::Client::new(&sdk).create_secret().name(&secret);
        let call = call.secret_string(value.to_string()).kms_key_id(ALIAS);
        call.send().await.map_err(|error| trouble(format!("the admin secret was not made: {error:?}")))?;
        let input = aws_sdk_glue::types::ConnectionInput::builder()
            .name(&name)
            .connection_type(aws_sdk_glue::types::ConnectionType::Jdbc)
            .connection_properties(aws_sdk_glue::types::ConnectionPropertyKey::JdbcConnectionUrl, jdbc(source))
            .connection_properties(aws_sdk_glue::types::ConnectionPropertyKey::SecretId, &secret)
            .build()
            .map_err(|error| trouble(error.to_string()))?;
        let call = aws_sdk_glue::Client::new(&sdk).create_connection().connection_input(input);
        call.send().await.map_err(|error| trouble(format!("the connection was not made: {error:?}")))?;
        let Owner { account, region } = &self.producer;
        ConnectionId::new(format!("arn:aws:glue:{region}:{account}:connection/{name}"))
    }

    /// A table of the Glue catalogue that a crawler made over a connection; and published as an asset. The listing's id.
    pub async fn publish(&self, connection: &ConnectionId, table: &TableName) -> Result<String> {
        let listing = format!("lst-{}", &crate::engine::tag());
        self.publish_as(&listing, &format!("ast-{}", &listing[4..]), Some(connection), &table.joined()).await?;
        Ok(listing)
    }

    /// The same, under these ids; without a connection it is S3-backed.
    pub async fn publish_as(
        &self,
        listing: &str,
        asset: &str,
        connection: Option<&ConnectionId>,
        path: &str,
    ) -> Result<()> {
        let sdk = sdk(&self.aws, &self.producer).await?;
        let glue = aws_sdk_glue::Client::new(&sdk);
        let database = format!("crawled_{}", self.tag);
        let input = aws_sdk_glue::types::DatabaseInput::builder().name(&database).build();
        let input = input.map_err(|error| trouble(error.to_string()))?;
        // It may be there already.
        let _ = glue.create_database().database_input(input).send().await;
        let name = format!("t_{}", listing.replace('-', "_"));
        let place = aws_sdk_glue::types::StorageDescriptor::builder().location(path).build();
        let mut input = aws_sdk_glue::types::TableInput::builder().name(&name).storage_descriptor(place);
        if let Some(connection) = connection {
            let connection = connection.as_str().rsplit('/').next().unwrap_or_default();
            input = input.parameters("connectionName", connection).parameters("UPDATED_BY_CRAWLER", "crawler");
        }
        let input = input.build().map_err(|error| trouble(error.to_string()))?;
        let call = glue.create_table().database_name(&database).table_input(input);
        call.send().await.map_err(|error| trouble(format!("the Glue table was not made: {error:?}")))?;
        let Owner { account, region } = &self.producer;
        let table = (account.as_str(), region.as_str(), database.as_str(), name.as_str());
        let published = Listing::glue_table(listing, "producers", asset, table);
        self.domain(|domain| domain.listings.push(published));
        Ok(())
    }

    /// The consumer's project subscribes, and the producer approves.
    pub fn subscribe(&self, listing: &str) {
        let id = format!("sub-{listing}");
        self.domain(|domain| domain.subscriptions.push(Subscription::approved(&id, "consumers", listing)));
    }

    /// The subscription ends.
    pub fn end_subscription(&self, listing: &str, retain: bool) {
        self.domain(|domain| {
            for subscription in domain.subscriptions.iter_mut().filter(|subscription| subscription.listing == listing) {
                subscription.status = "REVOKED".into();
                subscription.retain = Some(retain);
            }
        });
    }

    /// Edits the domain.
    pub fn domain<T>(&self, edit: impl FnOnce(&mut Domain) -> T) -> T {
        self.datazone.edit(|state| {
            if state.domains.is_empty() {
                state.domains.push(Domain::new(DOMAIN));
            }
            edit(state.domains.first_mut().unwrap_or_else(|| unreachable!("there is one now")))
        })
    }

    /// An event, as `EventBridge` delivers it.
    #[must_use]
    pub fn event_text(&self, kind: &str, listing: &str) -> String {
        let status = if kind == "Created" { "APPROVED" } else { "REVOKED" };
        json!({
            "version": "0",
            "id": format!("event-{kind}-{listing}"),
            "detail-type": format!("Subscription {kind}"),
            "source": "aws.datazone",
            "account": self.governance.account,
            "region": self.governance.region,
            "detail": {
                "version": "1",
                "metadata": {"id": format!("sub-{listing}"), "version": "1", "typeName": "SubscriptionEntityType",
                    "domain": DOMAIN, "user": "u", "awsAccountId": self.governance.account},
                "data": {
                    "status": status,
                    "subscribedListing": {"id": listing, "version": "1", "ownerProjectId": "producers"},
                    "subscribedPrincipal": {"id": "consumers", "type": "PROJECT"},
                    "subscriptionRequestId": format!("req-{listing}"),
                },
            },
        })
        .to_string()
    }

    /// Works on an event.
    pub async fn handle(&self, kind: &str, listing: &str) -> Result<Vec<Handled>> {
        let event = SubscriptionEvent::from_json(&self.event_text(kind, listing))?;
        self.fulfilment.handle(&event).await
    }

    /// Works on an event that is about one environment.
    pub async fn outcome(&self, kind: &str, listing: &str) -> Result<Outcome> {
        let mut handled = self.handle(kind, listing).await?;
        match (handled.pop(), handled.is_empty()) {
            (Some(Handled::Done { result, .. }), true) => *result,
            (Some(Handled::Failed { error }), true) => Err(error),
            (last, _) => Err(trouble(format!("{kind} {listing} was handled as {handled:?} and {last:?}"))),
        }
    }

    /// A secret as the consumer's own role reads it, by name.
    pub async fn consumer_reads(&self, name: &str) -> Result<Credentials> {
        let sdk = sdk_as(&self.aws, &role(&self.consumer), &self.consumer).await?;
        let answer = aws_sdk_secretsmanager::Client::new(&sdk).get_secret_value().secret_id(name).send().await;
        let answer = answer.map_err(|error| trouble(format!("the consumer cannot read its secret: {error:?}")))?;
        Credentials::from_json(&Secret::new(answer.secret_string.unwrap_or_default()))
    }

    /// The secrets of an account, as the role that works there sees them.
    pub async fn secrets_as_role(&self, owner: &Owner) -> Result<SecretsManager> {
        let sdk = sdk_as(&self.aws, &role(owner), owner).await?;
        let client = aws_sdk_secretsmanager::Client::new(&sdk);
        SecretsManager::new(client, owner.clone(), &self.config.secrets)
    }

    /// What is left of dzconn's: live secrets, and items of all tables.
    pub async fn left(&self) -> Result<Vec<String>> {
        let mut left = Vec::new();
        for place in [&self.producer, &self.consumer] {
            let secrets = self.aws.secrets(place.account.as_str(), place.region.as_str()).all();
            let live = secrets.into_iter().filter(|secret| !secret.deleted && secret.name.starts_with("dz-conn-"));
            left.extend(live.map(|secret| secret.name));
        }
        let dynamodb = aws_sdk_dynamodb::Client::new(&sdk(&self.aws, &self.governance).await?);
        let tables = &self.config.tables;
        for table in [&tables.sources, &tables.mappings, &tables.assets, &tables.state] {
            let found = dynamodb.scan().table_name(table).consistent_read(true).send().await;
            let found = found.map_err(|error| trouble(format!("{error:?}")))?;
            for item in found.items() {
                let mut text = format!("{table}:");
                let mut names: Vec<_> = item.keys().collect();
                names.sort();
                for name in names {
                    let _ = write!(text, " {name}={:?}", item[name]);
                }
                left.push(text);
            }
        }
        Ok(left)
    }

    /// The SDK's settings for an account, as somebody who may do everything there.
    pub async fn sdk(&self, owner: &Owner) -> Result<SdkConfig> {
        sdk(&self.aws, owner).await
    }
}

/// A clock that is so many hours ahead.
#[derive(Clone, Copy, Debug)]
struct Clock(i64);

impl TimeSource for Clock {
    fn now(&self) -> SystemTime {
        let off = Duration::from_secs(self.0.unsigned_abs() * 3600);
        if self.0 < 0 { SystemTime::now() - off } else { SystemTime::now() + off }
    }
}

async fn sdk(aws: &AwsStandIn, owner: &Owner) -> Result<SdkConfig> {
    sdk_with(aws, aws.credentials_for(owner.account.as_str()).await.map_err(trouble)?, owner).await
}

async fn sdk_as(aws: &AwsStandIn, role: &str, owner: &Owner) -> Result<SdkConfig> {
    sdk_with(aws, aws.credentials_of(role).await.map_err(trouble)?, owner).await
}

async fn sdk_with(aws: &AwsStandIn, keys: dzconn_test_aws::Keys, owner: &Owner) -> Result<SdkConfig> {
    let keys = Keys::new(keys.access_key_id, keys.secret_access_key, Some(keys.session_token), None, "the test");
    let loader = aws_config::defaults(BehaviorVersion::latest()).endpoint_url(aws.url()).credentials_provider(keys);
    Ok(loader.region(aws_config::Region::new(owner.region.to_string())).load().await)
}

/// A source's URL, as somebody would type it into a Glue connection.
#[must_use]
pub fn jdbc(source: &Source) -> String {
    let url = source.endpoint.jdbc_url();
    let encrypted = source.tls != Tls::Disable;
    match source.endpoint.subprotocol.as_str() {
        "postgresql" => format!("{url}?sslmode={}", if encrypted { "require" } else { "disable" }),
        "sqlserver" => format!("{url};encrypt={encrypted};trustServerCertificate={encrypted}"),
        "oracle" => url.replace("@//", if encrypted { "@tcps://" } else { "@tcp://" }),
        _ => format!("{url}?sslMode={}", if encrypted { "REQUIRED" } else { "DISABLED" }),
    }
}
