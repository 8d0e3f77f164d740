//! The Glue catalogue against moto's Glue, Secrets Manager and STS: accounts, shapes of connections and secrets, errors, the
//! number of calls, and that no password is said. What moto cannot answer, a stand-in before it does.

// A test may panic: that is how it fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod stand;

use std::collections::HashMap;
use std::io::Write;
use std::process::ExitCode;

use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_glue::types::{
    ConnectionInput, ConnectionPropertyKey, ConnectionType, DatabaseInput, StorageDescriptor, TableInput,
};
use aws_sdk_secretsmanager::primitives::Blob;
use aws_sdk_sts::config::{Credentials, SharedCredentialsProvider};
use dzconn_aws::glue::GlueCatalog;
use dzconn_aws::message::{GlueTableDetails, MaybeNone, Others};
use dzconn_aws::{Accounts, Config};
use dzconn_core::model::{AccountId, ConnectionId, Region, Source, Target, Tls};
use dzconn_core::{Catalog, Error, ErrorKind, Secret, Step};
use dzconn_tests::ear::Ear;
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use serde_json::{Value, json};

use self::stand::Stand;

const VARIABLE: &str = "DZCONN_TEST_MOTO_URL";
const REGION: &str = "eu-west-2";

macro_rules! trials {
    ($($name:ident),+ $(,)?) => {
        const NAMES: &[&str] = &[$(stringify!($name)),+];

        fn trials(runtime: &tokio::runtime::Handle, moto: &str, ear: &Ear) -> Vec<Trial> {
            vec![$({
                let (runtime, moto, ear) = (runtime.clone(), moto.to_owned(), ear.clone());
                Trial::test(concat!("aws_catalog::", stringify!($name)), move || {
                    runtime.block_on(async { $name(World::new(&moto, ear).await).await });
                    Ok::<(), Failed>(())
                })
            }),+]
        }
    };
}

trials![
    a_jdbc_connection_in_another_account,
    secrets_of_every_shape,
    an_own_shape_with_a_secret_elsewhere,
    plain_credentials_cost_one_more_call_and_are_not_said,
    what_keeps_a_source_from_being_reached_is_said,
    a_crawled_table_names_its_connection,
    the_home_account_assumes_no_role,
];

fn main() -> ExitCode {
    let args = Arguments::from_args();
    let Ok(moto) = std::env::var(VARIABLE) else {
        let ignored = |name: &&str| {
            let reason = format!("set {VARIABLE}");
            Trial::ignorable_test(format!("aws_catalog::{name}"), move || Ok(Completion::ignored_with(reason)))
        };
        return libtest_mimic::run(&args, NAMES.iter().map(ignored).collect()).exit_code();
    };
    let ear = Ear::open();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    libtest_mimic::run(&args, trials(runtime.handle(), &moto, &ear)).exit_code()
}

/// A host at home in one account, and a producer's account that nobody else uses.
struct World {
    stand: Stand,
    ear: Ear,
    catalog: GlueCatalog,
    accounts: Accounts,
    account: String,
    base: SdkConfig,
}

impl World {
    async fn new(moto: &str, ear: Ear) -> Self {
        let stand = Stand::default();
        let credentials = Credentials::new("test", "test", None, None, "test");
        let base = aws_config::defaults(BehaviorVersion::latest())
            .region(aws_config::Region::new("eu-west-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .endpoint_url(stand.start(moto).await)
            .load()
            .await;
        let accounts = Accounts::new(Config::default(), base.clone()).await.unwrap();
        let account = format!("{:012}", rand::random::<u64>() % 900_000_000_000 + 100_000_000_000);
        Self { stand, ear, catalog: GlueCatalog::new(accounts.clone()), accounts, account, base }
    }

    /// The settings of somebody who works in the producer's account.
    async fn producer(&self, region: &str) -> SdkConfig {
        let role = format!("arn:aws:iam::{}:role/by-hand", self.account);
        let sts = aws_sdk_sts::Client::new(&self.base);
        let answer = sts.assume_role().role_arn(role).role_session_name("test").send().await.unwrap();
        let keys = answer.credentials.unwrap();
        let credentials =
            Credentials::new(keys.access_key_id, keys.secret_access_key, Some(keys.session_token), None, "test");
        let region = aws_config::Region::new(region.to_owned());
        let provider = SharedCredentialsProvider::new(credentials);
        self.base.to_builder().region(region).credentials_provider(provider).build()
    }

    fn arn(&self, name: &str) -> ConnectionId {
        ConnectionId::new(format!("arn:aws:glue:{REGION}:{}:connection/{name}", self.account)).unwrap()
    }

    async fn connect(&self, name: &str, properties: &[(&str, &str)]) -> ConnectionId {
        connect(&self.producer(REGION).await, name, properties).await;
        self.arn(name)
    }

    /// Makes a secret, and says its ARN.
    async fn secret(&self, region: &str, name: &str, value: &str) -> String {
        let client = aws_sdk_secretsmanager::Client::new(&self.producer(region).await);
        client.create_secret().name(name).secret_string(value).send().await.unwrap().arn.unwrap()
    }

    /// What the stand answers itself for a connection: moto says neither type nor authentication.
    fn answers(&self, name: &str, status: u16, body: Value) -> ConnectionId {
        self.stand.connections.lock().unwrap().insert(name.to_owned(), (status, body));
        self.arn(name)
    }

    async fn source(&self, connection: &ConnectionId) -> Source {
        self.stand.calls();
        self.catalog.source(connection).await.unwrap_or_else(|error| panic!("{connection}: {error:?}"))
    }

    /// The error, which must name the connection and hold no password.
    async fn refused(&self, connection: &ConnectionId) -> Error {
        let Err(error) = self.catalog.source(connection).await else { panic!("{connection} was taken") };
        let said = format!("{error} {error:?}");
        assert!(said.contains(connection.as_str()) && !said.contains(PASSWORD), "{said}");
        assert_eq!(error.step(), Some(Step::LookUp), "{said}");
        error
    }
}

const PASSWORD: &str = "Tiger-hunter2_correct";
const URL: (&str, &str) = ("JDBC_CONNECTION_URL", "jdbc:postgresql://db.internal:5433/sales");

async fn connect(sdk: &SdkConfig, name: &str, properties: &[(&str, &str)]) {
    let properties: HashMap<_, _> =
        properties.iter().map(|(name, value)| (ConnectionPropertyKey::from(*name), (*value).to_owned())).collect();
    let input = ConnectionInput::builder()
        .name(name)
        .connection_type(ConnectionType::Jdbc)
        .set_connection_properties(Some(properties))
        .build()
        .unwrap();
    aws_sdk_glue::Client::new(sdk).create_connection().connection_input(input).send().await.unwrap();
}

fn login(user: &str) -> String {
    json!({"username": user, "password": PASSWORD}).to_string()
}

async fn a_jdbc_connection_in_another_account(world: World) {
    let secret = world.secret(REGION, "rds!db-1", &login("admin")).await;
    let properties = [URL, ("SECRET_ID", secret.as_str()), ("JDBC_ENFORCE_SSL", "true")];
    // A name is any line.
    for name in ["hr", "hr/reports: all, of it"] {
        let connection = world.connect(name, &properties).await;
        let source = world.source(&connection).await;
        assert_eq!(source.connection, connection);
        assert_eq!(source.endpoint.to_string(), "postgresql db.internal:5433/sales");
        assert_eq!((source.admin.user.as_str(), source.admin.password.expose()), ("admin", PASSWORD));
        assert_eq!(source.tls, Tls::VerifyFull(None));
        let cold = world.stand.names();
        assert_eq!(cold.iter().filter(|call| *call == "AssumeRole").count(), usize::from(name == "hr"), "{cold:?}");
    }

    // Warm, a look costs two calls; and it sees a rotation.
    let client = aws_sdk_secretsmanager::Client::new(&world.producer(REGION).await);
    client.put_secret_value().secret_id(&secret).secret_string(login("next")).send().await.unwrap();
    assert_eq!(world.source(&world.arn("hr")).await.admin.user, "next");
    let calls = world.stand.calls();
    let names: Vec<_> = calls.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["AWSGlue.GetConnection", "secretsmanager.GetSecretValue"]);
    assert_eq!(calls[0].1["HidePassword"], json!(true));

    // The same name in another region is another connection.
    let elsewhere = ConnectionId::new(world.arn("hr").as_str().replace(REGION, "us-east-1")).unwrap();
    assert_eq!(world.refused(&elsewhere).await.kind(), ErrorKind::NotFound);
}

async fn secrets_of_every_shape(world: World) {
    let full = json!({"engine": "postgres", "host": "other.internal", "port": 1, "dbname": "other", "username": "admin",
        "password": PASSWORD});
    for (number, value) in [
        full,
        json!({"engine": "postgresql", "host": "h", "port": "1", "db_name": "d", "user": "admin", "password": PASSWORD}),
        json!({"USERNAME": "admin", "PASSWORD": PASSWORD}),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("rds/admin-{number}");
        world.secret(REGION, &name, &value.to_string()).await;
        let connection = world.connect(&name, &[URL, ("SECRET_ID", &name)]).await;
        let source = world.source(&connection).await;
        assert_eq!((source.admin.user.as_str(), source.admin.password.expose()), ("admin", PASSWORD));
        // The connection alone says where the source is.
        assert_eq!((source.endpoint.host.as_str(), source.endpoint.port), ("db.internal", 5433));
    }

    for (name, value, named) in [
        ("text", PASSWORD.to_owned(), "not a JSON object"),
        ("no-user", json!({"password": PASSWORD}).to_string(), "no username"),
        ("no-password", json!({"username": "admin", "pass": PASSWORD}).to_string(), "no password"),
        ("list", json!({"username": "admin", "password": [PASSWORD]}).to_string(), "not text"),
    ] {
        world.secret(REGION, name, &value).await;
        let error = world.refused(&world.connect(name, &[URL, ("SECRET_ID", name)]).await).await;
        assert_eq!(error.kind(), ErrorKind::SecretInvalid, "{name}");
        assert!(error.to_string().contains(named) && error.to_string().contains(name), "{error}");
    }
    let client = aws_sdk_secretsmanager::Client::new(&world.producer(REGION).await);
    client.create_secret().name("bytes").secret_binary(Blob::new(PASSWORD)).send().await.unwrap();
    let error = world.refused(&world.connect("bytes", &[URL, ("SECRET_ID", "bytes")]).await).await;
    assert_eq!(error.kind(), ErrorKind::SecretInvalid);

    client.create_secret().name("deleted").secret_string(login("admin")).send().await.unwrap();
    client.delete_secret().secret_id("deleted").send().await.unwrap();
    for name in ["deleted", "missing"] {
        let error = world.refused(&world.connect(name, &[URL, ("SECRET_ID", name)]).await).await;
        assert_eq!(error.kind(), ErrorKind::SecretGone, "{error:?}");
        assert!(error.to_string().contains(name) && error.advice().is_some(), "{error:?}");
    }
}

async fn an_own_shape_with_a_secret_elsewhere(world: World) {
    let secret = world.secret("eu-central-1", "glue/hr", &login("admin")).await;
    for (kind, engine, port, target) in [
        ("POSTGRESQL", "postgresql", 5432, Target::Database("sales".into())),
        ("MYSQL", "mysql", 3306, Target::Database("sales".into())),
        ("SQLSERVER", "sqlserver", 1433, Target::Database("sales".into())),
        ("ORACLE", "oracle", 1521, Target::Service("sales".into())),
    ] {
        let body = json!({"Connection": {"Name": kind, "ConnectionType": kind, "ConnectionSchemaVersion": 2,
            "ConnectionProperties": {"HOST": "db.internal", "PORT": port.to_string(), "DATABASE": "sales"},
            "AthenaProperties": {"lambda_function_arn": "arn:aws:lambda:eu-west-2:111122223333:function:f"},
            "AuthenticationConfiguration": {"AuthenticationType": "BASIC", "SecretArn": secret}}});
        let source = world.source(&world.answers(kind, 200, body)).await;
        assert_eq!((source.endpoint.subprotocol.as_str(), source.endpoint.port), (engine, port));
        assert_eq!(source.endpoint.target, target);
        assert_eq!((source.admin.user.as_str(), source.admin.password.expose()), ("admin", PASSWORD));
        assert_eq!(source.tls, Tls::VerifyFull(None), "nothing was said, so the configuration says it");
    }
}

async fn plain_credentials_cost_one_more_call_and_are_not_said(world: World) {
    let password = format!("Plain-hunter2_{:032x}", rand::random::<u128>());
    let in_url = format!("Inside-hunter2_{:032x}", rand::random::<u128>());
    let properties = [URL, ("USERNAME", "admin"), ("PASSWORD", password.as_str())];
    let source = world.source(&world.connect("plain", &properties).await).await;
    assert_eq!((source.admin.user.as_str(), &source.admin.password), ("admin", &Secret::new(password.clone())));
    let calls = world.stand.calls();
    let asked: Vec<_> = calls.iter().filter(|(name, _)| name == "AWSGlue.GetConnection").collect();
    let hidden: Vec<_> = asked.iter().map(|(_, body)| body["HidePassword"].as_bool().unwrap()).collect();
    assert_eq!(hidden, [true, false]);
    assert!(!calls.iter().any(|(name, _)| name == "secretsmanager.GetSecretValue"));

    let url = format!("jdbc:mysql://admin:{in_url}@db.internal/sales?sslMode=REQUIRED");
    let connection = world.connect("in-url", &[("JDBC_CONNECTION_URL", &url)]).await;
    world.ear.forget();
    let by_url = world.source(&connection).await;
    assert_eq!((by_url.admin.password.expose(), by_url.tls.clone()), (in_url.as_str(), Tls::Require));
    assert_eq!(world.stand.names(), ["AWSGlue.GetConnection"]);
    world.source(&world.arn("plain")).await;

    // What the catalogue itself says of both, since the connections were made.
    write!(world.ear.clone(), "{source:?} {by_url:?} {:?}", world.catalog).unwrap();
    assert!(!world.ear.heard(&password) && !world.ear.heard(&in_url), "a password was said");
    // That the search would have found it: without its care, the SDK says what it is told.
    let sdk = world.producer(REGION).await;
    aws_sdk_glue::Client::new(&sdk).get_connection().name("in-url").send().await.unwrap();
    assert!(world.ear.heard(&in_url), "nothing was heard");
}

async fn what_keeps_a_source_from_being_reached_is_said(world: World) {
    let kind = |name: &str| json!({"Connection": {"Name": name, "ConnectionType": name, "ConnectionProperties": {}}});
    for name in ["KAFKA", "NETWORK", "MONGODB", "MARKETPLACE"] {
        let error = world.refused(&world.answers(name, 200, kind(name))).await;
        assert!(error.kind() == ErrorKind::UnknownEngine && error.to_string().contains(name), "{error}");
    }
    let encrypted = json!({"Connection": {"Name": "e", "ConnectionType": "JDBC", "ConnectionProperties":
        {"JDBC_CONNECTION_URL": URL.1, "USERNAME": "admin", "ENCRYPTED_PASSWORD": PASSWORD}}});
    let refusal = |code: &str| json!({"__type": code, "message": "no"});
    for (name, status, body, wanted) in [
        ("encrypted", 200, encrypted, ErrorKind::InvalidInput),
        ("denied", 400, refusal("AccessDeniedException"), ErrorKind::StoreDenied),
        ("no-key", 400, refusal("GlueEncryptionException"), ErrorKind::StoreDenied),
        ("gone", 400, refusal("EntityNotFoundException"), ErrorKind::NotFound),
        ("strange", 400, refusal("InvalidInputException"), ErrorKind::Unexpected),
    ] {
        let error = world.refused(&world.answers(name, status, body)).await;
        assert_eq!(error.kind(), wanted, "{name}: {error:?}");
        assert!(wanted == ErrorKind::Unexpected || error.advice().is_some(), "{error:?}");
    }
    for (name, properties, wanted, named) in [
        ("no-secret", vec![URL], ErrorKind::InvalidInput, "no secret"),
        ("no-url", vec![("SECRET_ID", "x")], ErrorKind::InvalidInput, "JDBC_CONNECTION_URL"),
        ("bad-url", vec![("JDBC_CONNECTION_URL", "jdbc:postgresql:")], ErrorKind::InvalidInput, "JDBC URL"),
        ("bad-secret", vec![URL, ("SECRET_ID", "arn:aws:iam::1:role/x")], ErrorKind::InvalidInput, "arn:aws:iam"),
        (
            "bad-tls",
            vec![("JDBC_CONNECTION_URL", "jdbc:postgresql://h/d?sslmode=disable"), ("JDBC_ENFORCE_SSL", "true")],
            ErrorKind::InvalidInput,
            "plain text",
        ),
        (
            "no-authority",
            vec![URL, ("JDBC_ENFORCE_SSL", "true"), ("CUSTOM_JDBC_CERT", "s3://bucket/ca.pem")],
            ErrorKind::InvalidConfig,
            "s3://bucket/ca.pem",
        ),
    ] {
        let error = world.refused(&world.connect(name, &properties).await).await;
        assert!(error.kind() == wanted && error.to_string().contains(named), "{name}: {error:?}");
    }
    // A missing one, and what names none: nothing is called for that.
    assert_eq!(world.refused(&world.arn("missing")).await.kind(), ErrorKind::NotFound);
    world.stand.calls();
    for text in
        ["hr", "arn:aws:glue:eu-west-1:1:connection/hr", "arn:aws:glue:evil.example/:111122223333:connection/hr"]
    {
        assert_eq!(world.refused(&ConnectionId::new(text).unwrap()).await.kind(), ErrorKind::InvalidInput);
    }
    assert!(world.stand.names().is_empty());
}

async fn a_crawled_table_names_its_connection(world: World) {
    let glue = aws_sdk_glue::Client::new(&world.producer(REGION).await);
    let database = DatabaseInput::builder().name("lake").build().unwrap();
    glue.create_database().database_input(database).send().await.unwrap();
    let create = async |name: &str, location: &str, parameters: &[(&str, &str)]| {
        let descriptor = StorageDescriptor::builder().location(location).build();
        let mut input = TableInput::builder().name(name).storage_descriptor(descriptor);
        for (name, value) in parameters {
            input = input.parameters(*name, *value);
        }
        glue.create_table().database_name("lake").table_input(input.build().unwrap()).send().await.unwrap();
        world.stand.calls();
    };
    let details = |name: &str| GlueTableDetails {
        account_id: AccountId::new(&world.account).unwrap(),
        region: Region::new(REGION).unwrap(),
        database_name: "lake".into(),
        table_name: name.into(),
        table_arn: format!("arn:aws:glue:{REGION}:{}:table/lake/{name}", world.account),
        source_classification: MaybeNone(None),
        others: Others::default(),
    };
    let properties =
        [("JDBC_CONNECTION_URL", "jdbc:mysql://admin:in-url@db/sales"), ("USERNAME", "admin"), ("PASSWORD", PASSWORD)];
    let arn = world.connect("hr", &properties).await;

    create("crawled", "sales.employees", &[("connectionName", "hr"), ("UPDATED_BY_CRAWLER", "nightly")]).await;
    let told = world.catalog.connection_details(&details("crawled")).await.unwrap();
    assert_eq!((&told.connection_arn, told.connection_asset_name.as_str()), (&arn, "sales.employees"));
    assert_eq!(told.connection_crawler_name, MaybeNone(Some("nightly".to_owned())));
    assert_eq!(told.location().unwrap().owner.account.as_str(), world.account);
    let calls = world.stand.names();
    assert_eq!(
        calls.iter().filter(|call| *call != "AssumeRole").collect::<Vec<_>>(),
        ["AWSGlue.GetTable", "AWSGlue.GetConnection"]
    );
    let written = serde_json::to_value(&told).unwrap();
    assert_eq!(
        written["ConnectionProperties"],
        json!({"JDBC_CONNECTION_URL": "jdbc:mysql://db:3306/sales", "USERNAME": "admin"})
    );

    create("by-hand", "sales.offices", &[("connectionName", "hr")]).await;
    let told = world.catalog.connection_details(&details("by-hand")).await.unwrap();
    assert_eq!(serde_json::to_value(told).unwrap()["ConnectionCrawlerName"], json!("None"));

    create("files", "s3://bucket/prefix/", &[("classification", "parquet")]).await;
    create("nowhere", "offices", &[("connectionName", "hr")]).await;
    create("orphan", "sales.offices", &[("connectionName", "removed")]).await;
    for (name, wanted) in [
        ("files", ErrorKind::Refused),
        ("nowhere", ErrorKind::InvalidInput),
        ("orphan", ErrorKind::NotFound),
        ("gone", ErrorKind::NotFound),
    ] {
        let error = world.catalog.connection_details(&details(name)).await.unwrap_err();
        assert_eq!((error.kind(), error.step()), (wanted, Some(Step::LookUp)), "{name}: {error:?}");
        let named = if name == "orphan" { "removed".to_owned() } else { format!("lake.{name}") };
        assert!(error.to_string().contains(&named), "{error}");
    }
}

async fn the_home_account_assumes_no_role(world: World) {
    let own = world.accounts.own().clone();
    let name = format!("home-{:08x}", rand::random::<u32>());
    let sdk = world.base.to_builder().region(aws_config::Region::new(REGION)).build();
    aws_sdk_secretsmanager::Client::new(&sdk)
        .create_secret()
        .name(&name)
        .secret_string(login("admin"))
        .send()
        .await
        .unwrap();
    connect(&sdk, &name, &[URL, ("SECRET_ID", &name)]).await;
    let connection = ConnectionId::new(format!("arn:aws:glue:{REGION}:{own}:connection/{name}")).unwrap();
    assert_eq!(world.source(&connection).await.admin.user, "admin");
    assert_eq!(world.stand.names(), ["AWSGlue.GetConnection", "secretsmanager.GetSecretValue"]);
}
