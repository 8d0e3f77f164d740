//! One request for each product, and what would be made of it.

use std::collections::BTreeMap;

use dzconn_aws::toolkit::{Product, Rendered, Request};
use dzconn_core::model::{AccountId, Owner, Region};
use dzconn_tests::template::{self, Resource};
use serde_json::Value;

pub(crate) const SECRET: &str = "dz-conn-c-sales-sales-prod-1a2b3c4d";
pub(crate) const BUCKET: &str = "dz-conn-c-spill-111122223333-eu-west-1";
pub(crate) const CONNECTORS: [Product; 4] =
    [Product::AthenaMySql, Product::AthenaPostgreSql, Product::AthenaSqlServer, Product::AthenaOracle];

pub(crate) fn place() -> Owner {
    Owner::new(AccountId::new("111122223333").unwrap(), Region::new("eu-west-1").unwrap())
}

/// With what has no default.
pub(crate) fn request(product: Product) -> Request {
    let request = Request::new(product).stack("sales");
    product.parameters().iter().filter(|parameter| parameter.default.is_none()).fold(request, |request, parameter| {
        request.set(
            parameter.name,
            match parameter.name {
                "DataZoneDomainId" => "dzd_1",
                "DataZoneEnvironmentId" => "sales-prod",
                "JdbcUrl" => "jdbc:postgresql://db.internal:5432/sales",
                "SecretId" => "rds!db-1",
                "CrawlerName" => "sales-hr",
                "SourcePath" => "sales/hr/%",
                "GlueDatabase" => "sales_pub_db",
                "DeploymentRoleArn" => "arn:aws:iam::111122223333:role/deployer",
                "EnvironmentRolePattern" => "datazone_usr_sales*",
                "TemplateBucket" => "templates-111122223333",
                "Host" => "db.internal",
                "DataZoneProjectId" | "ConnectionName" | "ConnectorName" | "DatabaseName" | "ServiceName" => "sales",
                "SecretName" => SECRET,
                "SubnetIds" => "subnet-01234567,subnet-89abcdef",
                "SecurityGroupIds" => "sg-01234567,sg-89abcdef",
                "SpillBucket" => BUCKET,
                other => panic!("{product} asks for {other}"),
            },
        )
    })
}

pub(crate) fn rendered(product: Product) -> Rendered {
    request(product).render().unwrap()
}

pub(crate) fn made(rendered: &Rendered) -> BTreeMap<String, Resource> {
    template::deploy(rendered, &place()).unwrap()
}

/// With and without what is optional: every policy that a template can write.
pub(crate) fn every_way() -> Vec<(String, BTreeMap<String, Resource>)> {
    let mut all = Vec::new();
    for product in Product::ALL {
        all.push((product.to_string(), made(&rendered(product))));
    }
    let key = "arn:aws:kms:eu-west-1:111122223333:key/0a1b";
    let other = request(Product::ProducerCommon).set("SecretKeyArn", key).set("MakeLfTag", "false");
    let other = other.set("CertificateObjectArn", "arn:aws:s3:::certificates/ca.pem");
    all.push(("producer-common, with a key".into(), made(&other.render().unwrap())));
    for product in CONNECTORS {
        let unbounded = request(product).set("PermissionsBoundaryName", "");
        all.push((format!("{product}, unbounded"), made(&unbounded.render().unwrap())));
    }
    all
}

/// The only resource of that type.
pub(crate) fn only<'a>(made: &'a BTreeMap<String, Resource>, kind: &str) -> &'a Value {
    let found: Vec<_> = made.values().filter(|resource| resource.kind == kind).collect();
    assert_eq!(found.len(), 1, "{kind}");
    &found[0].properties
}

/// One value, or several.
pub(crate) fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        other => panic!("{other} is no text"),
    }
}
