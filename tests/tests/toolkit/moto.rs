//! Deployed in moto. Its `CloudFormation` makes roles, policies and buckets, and passes over what it does not know; Glue's part
//! is made by calls of Glue, with the properties that `CloudFormation` would give it.

use std::collections::{BTreeMap, HashMap};

use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_glue::types as glue;
use aws_sdk_sts::config::{Credentials, SharedCredentialsProvider};
use dzconn_aws::glue::GlueCatalog;
use dzconn_aws::message::{GlueTableDetails, MaybeNone, Others};
use dzconn_aws::toolkit::{Product, Rendered};
use dzconn_aws::{Accounts, Config};
use dzconn_core::Catalog as _;
use dzconn_core::model::{AccountId, ConnectionId, Owner, Region, Tls};
use dzconn_tests::template::{self, Resource};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use url::form_urlencoded;

use crate::sample::{request, texts};

const REGION: &str = "eu-west-1";

/// An account of moto that nobody else uses.
struct Place {
    moto: String,
    owner: Owner,
    key: String,
    sdk: SdkConfig,
    catalog: GlueCatalog,
}

impl Place {
    async fn new(moto: String) -> Self {
        let home = Credentials::new("test", "test", None, None, "test");
        let base = aws_config::defaults(BehaviorVersion::latest())
            .region(aws_config::Region::new(REGION))
            .credentials_provider(SharedCredentialsProvider::new(home))
            .endpoint_url(&moto)
            .load()
            .await;
        let account = (100_000_000_000 + rand::random::<u64>() % 900_000_000_000).to_string();
        let role = format!("arn:aws:iam::{account}:role/deployer");
        let call = aws_sdk_sts::Client::new(&base).assume_role().role_arn(role).role_session_name("test");
        let keys = call.send().await.unwrap().credentials.unwrap();
        let key = keys.access_key_id.clone();
        let own = Credentials::new(keys.access_key_id, keys.secret_access_key, Some(keys.session_token), None, "test");
        let sdk = base.to_builder().credentials_provider(SharedCredentialsProvider::new(own)).build();
        let catalog = GlueCatalog::new(Accounts::new(Config::default(), base).await.unwrap());
        let owner = Owner::new(AccountId::new(account).unwrap(), Region::new(REGION).unwrap());
        Self { moto, owner, key, sdk, catalog }
    }

    /// A call as the SDK would make it. The status, and the body.
    async fn call(&self, service: &str, method: &str, path: &str, body: &str) -> (u16, String) {
        let host = self.moto.trim_start_matches("http://").trim_end_matches('/');
        let scope = format!("{}/20260101/{REGION}/{service}/aws4_request", self.key);
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nX-Amz-Date: 20260101T000000Z\r\n\
             Authorization: AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0\r\n\r\n{body}",
            body.len()
        );
        let mut moto = TcpStream::connect(host).await.unwrap();
        moto.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        moto.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), body.to_owned())
    }

    /// A call of the services that take forms.
    async fn ask(&self, service: &str, members: &[(&str, &str)]) -> String {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(members).finish();
        let (status, answer) = self.call(service, "POST", "/", &body).await;
        assert_eq!(status, 200, "{members:?}: {answer}");
        answer
    }

    async fn deploy(&self, rendered: &Rendered) -> BTreeMap<String, Resource> {
        let mut members = vec![
            ("Action".to_owned(), "CreateStack".to_owned()),
            ("Version".to_owned(), "2010-05-15".to_owned()),
            ("StackName".to_owned(), rendered.stack().to_owned()),
            ("TemplateBody".to_owned(), rendered.template().to_owned()),
        ];
        for (number, capability) in rendered.product().capabilities().iter().enumerate() {
            members.push((format!("Capabilities.member.{}", number + 1), (*capability).to_owned()));
        }
        for (number, (name, value)) in rendered.parameters().enumerate() {
            members.push((format!("Parameters.member.{}.ParameterKey", number + 1), name.to_owned()));
            members.push((format!("Parameters.member.{}.ParameterValue", number + 1), value.to_owned()));
        }
        let members: Vec<_> = members.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.ask("cloudformation", &members).await;
        let asked = [("Action", "DescribeStacks"), ("Version", "2010-05-15"), ("StackName", rendered.stack())];
        let told = self.ask("cloudformation", &asked).await;
        assert_eq!(element(&told, "StackStatus"), "CREATE_COMPLETE", "{told}");
        template::deploy(rendered, &self.owner).unwrap()
    }

    async fn iam(&self, members: &[(&str, &str)]) -> String {
        self.ask("iam", &[&[("Version", "2010-05-08")], members].concat()).await
    }

    fn connection(&self, name: &str) -> ConnectionId {
        let Owner { account, region } = &self.owner;
        ConnectionId::new(format!("arn:aws:glue:{region}:{account}:connection/{name}")).unwrap()
    }

    /// What `CloudFormation` does with a Glue connection and a crawler.
    async fn make_glue(&self, made: &BTreeMap<String, Resource>) {
        let client = aws_sdk_glue::Client::new(&self.sdk);
        let of = |kind: &str| made.values().find(|one| one.kind == kind).map(|one| one.properties.clone());
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let map = |value: &Value| -> HashMap<String, String> {
            value.as_object().unwrap().iter().map(|(name, value)| (name.clone(), text(value))).collect()
        };
        template::make_connections(&self.sdk, made).await.unwrap();
        let Some(crawler) = of("AWS::Glue::Crawler") else { return };
        let database = glue::DatabaseInput::builder().name(text(&crawler["DatabaseName"])).build().unwrap();
        client.create_database().database_input(database).send().await.unwrap();
        let target = &crawler["Targets"]["JdbcTargets"][0];
        let target = glue::JdbcTarget::builder()
            .connection_name(text(&target["ConnectionName"]))
            .path(text(&target["Path"]))
            .build();
        let call = client
            .create_crawler()
            .name(text(&crawler["Name"]))
            .role(text(&crawler["Role"]))
            .database_name(text(&crawler["DatabaseName"]))
            .table_prefix(text(&crawler["TablePrefix"]))
            .targets(glue::CrawlerTargets::builder().jdbc_targets(target).build())
            .set_tags(Some(map(&crawler["Tags"])));
        call.send().await.unwrap();
    }
}

/// The text of the first element of that name.
fn element(xml: &str, name: &str) -> String {
    let (_, rest) = xml.split_once(&format!("<{name}>")).unwrap_or_else(|| panic!("no {name} in {xml}"));
    rest.split_once(&format!("</{name}>")).unwrap().0.to_owned()
}

/// A policy out of an answer of IAM: URL-encoded, as IAM does it; or as Python writes a map, which is moto's way for roles that its
/// `CloudFormation` made.
fn policy(xml: &str, name: &str) -> Value {
    let text = element(xml, name);
    let text = text
        .replace("&quot;", "\"")
        .replace("&#34;", "\"")
        .replace("&#39;", "'")
        .replace("&gt;", ">")
        .replace("&lt;", "<");
    let text = text.replace("&amp;", "&");
    let plain = text.trim_start().starts_with('{');
    let decoded = || form_urlencoded::parse(format!("x={text}").as_bytes()).next().unwrap().1.into_owned();
    let text = if plain { text.clone() } else { decoded() };
    let text = if text.starts_with("{'") { text.replace('\'', "\"") } else { text };
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// moto puts parameters in by code of its own: what it makes is what our reading of the templates says.
pub(crate) async fn roles_policies_and_buckets_come_out_as_written(url: String) {
    let place = Place::new(url).await;
    let (mut roles, mut policies, mut buckets) = (0, 0, 0);
    for product in Product::ALL {
        let mut request = request(product).stack(format!("stack-{product}"));
        if product.parameters().iter().any(|parameter| parameter.name == "ConnectorName") {
            request = request.set("ConnectorName", product.name());
        }
        if product == Product::ProducerCommon {
            request = request
                .set("SecretKeyArn", "arn:aws:kms:eu-west-1:111122223333:key/0a1b")
                .set("CertificateObjectArn", "arn:aws:s3:::certificates/ca.pem");
        }
        for resource in place.deploy(&request.render().unwrap()).await.into_values() {
            let Resource { kind, properties } = resource;
            match kind.as_str() {
                "AWS::IAM::Role" => {
                    roles += 1;
                    let role = properties["RoleName"].as_str().unwrap();
                    let told = place.iam(&[("Action", "GetRole"), ("RoleName", role)]).await;
                    assert_eq!(
                        policy(&told, "AssumeRolePolicyDocument"),
                        properties["AssumeRolePolicyDocument"],
                        "{role}"
                    );
                    if let Some(boundary) = properties.get("PermissionsBoundary") {
                        assert_eq!(element(&told, "PermissionsBoundaryArn"), boundary.as_str().unwrap(), "{role}");
                    }
                    for one in properties["Policies"].as_array().unwrap() {
                        let name = one["PolicyName"].as_str().unwrap();
                        let asked = [("Action", "GetRolePolicy"), ("RoleName", role), ("PolicyName", name)];
                        let told = place.iam(&asked).await;
                        assert_eq!(policy(&told, "PolicyDocument"), one["PolicyDocument"], "{role}");
                    }
                }
                "AWS::IAM::Policy" => {
                    policies += 1;
                    let of = |member: &str| texts(&properties[member]).remove(0);
                    let (role, name) = (of("Roles"), of("PolicyName"));
                    let asked = [("Action", "GetRolePolicy"), ("RoleName", &*role), ("PolicyName", &*name)];
                    assert_eq!(policy(&place.iam(&asked).await, "PolicyDocument"), properties["PolicyDocument"]);
                }
                "AWS::IAM::ManagedPolicy" => {
                    policies += 1;
                    let name = properties["ManagedPolicyName"].as_str().unwrap();
                    let arn = format!("arn:aws:iam::{}:policy/{name}", place.owner.account);
                    let asked = [("Action", "GetPolicyVersion"), ("PolicyArn", &arn), ("VersionId", "v1")];
                    assert_eq!(policy(&place.iam(&asked).await, "Document"), properties["PolicyDocument"]);
                }
                "AWS::S3::Bucket" => {
                    buckets += 1;
                    let name = properties["BucketName"].as_str().unwrap();
                    assert_eq!(name, format!("dz-conn-c-spill-{}-{REGION}", place.owner.account));
                    let (status, told) = place.call("s3", "GET", &format!("/{name}?encryption"), "").await;
                    assert!(status == 200 && told.contains("AES256"), "{status} {told}");
                }
                _ => {}
            }
        }
    }
    assert_eq!((roles, policies, buckets), (7, 3, 1));
}

pub(crate) async fn a_connection_and_its_crawler_are_read_back(url: String) {
    let place = Place::new(url).await;
    // Names that mean something in YAML, in JSON and to CloudFormation.
    let name = "sales: \"all\" of ${AWS::AccountId}";
    let request = request(Product::GlueCrawler).set("ConnectionName", name).set("SourcePath", "sales/it's #1/%");
    let made = place.deploy(&request.render().unwrap()).await;
    place.make_glue(&made).await;

    let secrets = aws_sdk_secretsmanager::Client::new(&place.sdk);
    let login = json!({"username": "dzconn_admin", "password": "Tiger-hunter2_correct"}).to_string();
    secrets.create_secret().name("rds!db-1").secret_string(login).send().await.unwrap();
    let source = place.catalog.source(&place.connection(name)).await.unwrap();
    assert_eq!(source.endpoint.to_string(), "postgresql db.internal:5432/sales");
    assert_eq!((source.admin.user.as_str(), source.admin.password.expose()), ("dzconn_admin", "Tiger-hunter2_correct"));
    assert_eq!(source.tls, Tls::VerifyFull(None));

    let client = aws_sdk_glue::Client::new(&place.sdk);
    let crawler = client.get_crawler().name("sales-hr").send().await.unwrap().crawler.unwrap();
    let targets = crawler.targets.unwrap();
    let target = &targets.jdbc_targets()[0];
    assert_eq!((target.connection_name(), target.path()), (Some(name), Some("sales/it's #1/%")));
    assert_eq!(crawler.database_name.as_deref(), Some("sales_pub_db"));
    let Owner { account, region } = &place.owner;
    let arn = format!("arn:aws:glue:{region}:{account}:crawler/sales-hr");
    let tags = client.get_tags().resource_arn(arn).send().await.unwrap().tags.unwrap();
    let wanted = [
        ("AmazonDataZoneDomain", "dzd_1"),
        ("AmazonDataZoneProject", "sales"),
        ("AmazonDataZoneEnvironment", "sales-prod"),
    ];
    assert_eq!(tags, wanted.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
}

/// What a crawler writes: the connection's name, and the path with dots.
pub(crate) async fn a_table_of_the_crawler_leads_to_its_source(url: String) {
    let place = Place::new(url).await;
    let request = request(Product::GlueCrawler).set("EnforceTls", "false");
    let made = place.deploy(&request.render().unwrap()).await;
    place.make_glue(&made).await;
    let crawler = &made["Crawler"].properties;
    let of = |value: &Value| texts(value).remove(0);
    let (connection, database) =
        (of(&crawler["Targets"]["JdbcTargets"][0]["ConnectionName"]), of(&crawler["DatabaseName"]));
    let table = glue::TableInput::builder()
        .name("sales_hr_employees")
        .storage_descriptor(glue::StorageDescriptor::builder().location("sales.hr.employees").build())
        .parameters("connectionName", &connection)
        .parameters("UPDATED_BY_CRAWLER", of(&crawler["Name"]))
        .build()
        .unwrap();
    let client = aws_sdk_glue::Client::new(&place.sdk);
    client.create_table().database_name(&database).table_input(table).send().await.unwrap();
    let Owner { account, region } = &place.owner;
    let details = GlueTableDetails {
        account_id: account.clone(),
        region: region.clone(),
        database_name: database.clone(),
        table_name: "sales_hr_employees".into(),
        table_arn: format!("arn:aws:glue:{region}:{account}:table/{database}/sales_hr_employees"),
        source_classification: MaybeNone(None),
        others: Others::default(),
    };
    let told = place.catalog.connection_details(&details).await.unwrap();
    assert_eq!(
        (&told.connection_arn, told.connection_asset_name.as_str()),
        (&place.connection("sales"), "sales.hr.employees")
    );
    assert_eq!(told.connection_crawler_name, MaybeNone(Some("sales-hr".to_owned())));
    let properties = serde_json::to_value(&told).unwrap()["ConnectionProperties"].clone();
    assert_eq!(
        properties,
        json!({"JDBC_CONNECTION_URL": "jdbc:postgresql://db.internal:5432/sales", "SECRET_ID": "rds!db-1",
            "JDBC_ENFORCE_SSL": "false"})
    );
}
