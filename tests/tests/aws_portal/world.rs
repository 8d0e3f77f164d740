//! A domain with a publisher and a subscriber, and a Glue catalogue with the publisher's tables.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use aws_config::BehaviorVersion;
use aws_sdk_sts::config::Credentials;
use axum::Router;
use axum::http::StatusCode;
use dzconn_aws::datazone::DataZonePortal;
use dzconn_aws::{Accounts, Config};
use dzconn_core::event::{Ending, SubscriptionEvent};
use dzconn_core::model::{
    AccountId, Asset, AssetPath, ConnectionId, Consumer, Listing, Location, Owner, Region, Subscription, Wanted,
};
use dzconn_core::portal::Question;
use dzconn_datazone_stub as stub;
use dzconn_datazone_stub::{DataZoneStub, Operation};
use serde_json::{Value, json};

pub(crate) const DOMAIN: &str = "dzd_1";
pub(crate) const PRODUCER: &str = "111122223333";
pub(crate) const CONSUMER: &str = "444455556666";
pub(crate) const REGION: &str = "eu-west-1";

pub(crate) struct World {
    pub(crate) stub: DataZoneStub,
    pub(crate) glue: Glue,
    pub(crate) portal: DataZonePortal,
    pub(crate) accounts: Accounts,
}

/// A Glue that knows `GetTable`: answers by table name, and how often it was asked.
#[derive(Clone, Default)]
pub(crate) struct Glue {
    tables: Arc<Mutex<HashMap<String, (u16, Value)>>>,
    asked: Arc<Mutex<usize>>,
}

impl Glue {
    /// A table that a crawler has written through a connection.
    pub(crate) fn crawled(&self, name: &str, connection: &str, path: &str) {
        let table = json!({"Name": name, "DatabaseName": "lake", "Parameters": {"connectionName": connection},
            "StorageDescriptor": {"Location": path}});
        self.answer(name, 200, json!({"Table": table}));
    }

    /// A table of files.
    pub(crate) fn files(&self, name: &str) {
        let table = json!({"Name": name, "DatabaseName": "lake", "Parameters": {"classification": "parquet"},
            "StorageDescriptor": {"Location": "s3://bucket/prefix/"}});
        self.answer(name, 200, json!({"Table": table}));
    }

    pub(crate) fn answer(&self, name: &str, status: u16, body: Value) {
        self.tables.lock().unwrap().insert(name.to_owned(), (status, body));
    }

    pub(crate) fn drop_table(&self, name: &str) {
        self.tables.lock().unwrap().remove(name);
    }

    pub(crate) fn asked(&self) -> usize {
        *self.asked.lock().unwrap()
    }

    async fn start(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let glue = self.clone();
        let app = Router::new().fallback(move |body: String| {
            let glue = glue.clone();
            async move {
                *glue.asked.lock().unwrap() += 1;
                let asked: Value = serde_json::from_str(&body).unwrap();
                let name = asked["Name"].as_str().unwrap_or_default();
                let gone = (400, json!({"__type": "EntityNotFoundException", "Message": "Entity Not Found"}));
                let (status, body) = glue.tables.lock().unwrap().get(name).cloned().unwrap_or(gone);
                (StatusCode::from_u16(status).unwrap(), body.to_string())
            }
        });
        tokio::spawn(async move { axum::serve(listener, app).await });
        url
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(set: impl FnOnce(&mut Config)) -> Self {
        let stub = DataZoneStub::start().unwrap();
        let glue = Glue::default();
        let mut config = Config::default();
        // At home in the producer's account, so that no role has to be assumed to read its Glue.
        config.roles.home = Some(AccountId::new(PRODUCER).unwrap());
        set(&mut config);
        let sdk = aws_config::defaults(BehaviorVersion::latest())
            .region(aws_config::Region::new(REGION))
            .credentials_provider(Credentials::new("AKIATEST", "not-a-secret", None, None, "test"))
            .endpoint_url(glue.start().await)
            .load()
            .await;
        let accounts = Accounts::new(config, sdk).await.unwrap();
        let sdk = accounts.governance().await.into_builder().endpoint_url(stub.url()).build();
        let portal = DataZonePortal::new(aws_sdk_datazone::Client::new(&sdk), accounts.clone());
        let world = Self { stub, glue, portal, accounts };
        world.furnish();
        world
    }

    fn furnish(&self) {
        self.glue.crawled("employees", "hr", "sales.hr.employees");
        let named = |id: &str, name: &str| stub::Blueprint { id: id.to_owned(), name: name.to_owned() };
        self.domain(|domain| {
            domain.projects =
                ["prod", "cons"].map(|id| stub::Project { id: id.into(), name: format!("the {id}") }).into();
            domain.blueprints = vec![named("bp-lake", "DefaultDataLake"), named("bp-house", "DefaultDataWarehouse")];
            domain.environments = vec![environment("env-1", "bp-lake")];
            domain.listings = vec![listing("lst-1", "employees")];
            domain.subscriptions = vec![stub::Subscription::approved("sub-1", "cons", "lst-1")];
        });
    }

    pub(crate) fn domain<T>(&self, edit: impl FnOnce(&mut stub::Domain) -> T) -> T {
        self.stub.edit(|state| {
            if state.domains.is_empty() {
                state.domains.push(stub::Domain::new(DOMAIN));
            }
            edit(&mut state.domains[0])
        })
    }

    /// How often each operation was called since the last time, as `Operation times`.
    pub(crate) fn calls(&self) -> Vec<(Operation, usize)> {
        let counted = Operation::ALL.iter().map(|operation| (*operation, self.stub.count(*operation)));
        let counted = counted.filter(|(_, times)| *times > 0).collect();
        self.stub.forget_calls();
        counted
    }

    /// Grants on the subscriber's first environment.
    pub(crate) fn grant(&self, id: &str, target: &str, status: &str) {
        self.domain(|domain| domain.grants.push(stub::Grant::new(id, "env-1", target, "lst-1", ("ast-1", status))));
    }

    pub(crate) fn target(&self, id: &str, provider: &str) {
        self.domain(|domain| {
            domain.targets.push(stub::Target {
                id: id.to_owned(),
                name: format!("name of {id}"),
                environment: "env-1".to_owned(),
                provider: provider.to_owned(),
                r#type: "CustomSubscriptionTargetType".to_owned(),
                principals: Vec::new(),
                asset_types: vec!["GlueTableAssetType".to_owned()],
            });
        });
    }

    /// The statuses that a grant was given, oldest first, with what was said of failures.
    pub(crate) fn history(&self, grant: &str) -> Vec<(String, Option<String>)> {
        self.domain(|domain| {
            let grant = domain.grants.iter().find(|is| is.id == grant).unwrap();
            grant.history.iter().map(|change| (change.status.clone(), change.cause.clone())).collect()
        })
    }

    /// The status of each grant, by id.
    pub(crate) fn statuses(&self) -> Vec<(String, String)> {
        let status = |grant: &stub::Grant| (grant.id.clone(), grant.assets[0].status.clone());
        self.domain(|domain| domain.grants.iter().map(status).collect())
    }
}

pub(crate) fn environment(id: &str, blueprint: &str) -> stub::Environment {
    stub::Environment {
        id: id.to_owned(),
        name: format!("name of {id}"),
        project: "cons".to_owned(),
        blueprint: Some(blueprint.to_owned()),
        account: Some(CONSUMER.to_owned()),
        region: Some("us-east-1".to_owned()),
        ..stub::Environment::default()
    }
}

pub(crate) fn listing(id: &str, table: &str) -> stub::Listing {
    stub::Listing::glue_table(id, "prod", "ast-1", (PRODUCER, REGION, "lake", table))
}

pub(crate) fn question(told: Wanted) -> Question {
    let subscription = subscription();
    Question {
        domain: subscription.domain,
        project: subscription.consumer.project,
        environment: subscription.consumer.environment,
        listing: subscription.listing.id,
        asset: subscription.asset.id,
        subscription: None,
        told,
    }
}

pub(crate) fn event(ending: Option<Ending>) -> SubscriptionEvent {
    SubscriptionEvent {
        id: Some("event-1".to_owned()),
        domain: DOMAIN.parse().unwrap(),
        project: "cons".parse().unwrap(),
        listing: "lst-1".parse().unwrap(),
        subscription: Some("sub-1".parse().unwrap()),
        ending,
    }
}

pub(crate) fn connection() -> ConnectionId {
    format!("arn:aws:glue:{REGION}:{PRODUCER}:connection/hr").parse().unwrap()
}

/// What the world's first event is about.
pub(crate) fn subscription() -> Subscription {
    let owner =
        |account: &str, region: &str| Owner::new(AccountId::new(account).unwrap(), Region::new(region).unwrap());
    Subscription {
        domain: DOMAIN.parse().unwrap(),
        consumer: Consumer {
            project: "cons".parse().unwrap(),
            environment: "env-1".parse().unwrap(),
            owner: owner(CONSUMER, "us-east-1"),
        },
        asset: Asset { id: "ast-1".parse().unwrap(), revision: "1".into(), asset_type: "GlueTableAssetType".into() },
        listing: Listing { id: "lst-1".parse().unwrap(), name: "name of lst-1".into(), revision: "1".into() },
        location: Location {
            connection: connection(),
            path: AssetPath::new("sales.hr.employees").unwrap(),
            owner: owner(PRODUCER, REGION),
        },
        subscription: Some("sub-1".parse().unwrap()),
        event: Some("event-1".to_owned()),
    }
}
