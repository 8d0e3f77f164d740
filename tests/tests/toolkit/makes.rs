//! What the templates would make.

use std::collections::BTreeSet;

use dzconn_aws::toolkit::{Product, Request};
use dzconn_tests::template;
use serde_json::{Value, json};

use crate::sample::{BUCKET, CONNECTORS, SECRET, every_way, made, only, rendered, request};

pub(crate) fn a_connection_says_what_was_said() {
    let plain = made(&rendered(Product::GlueConnection));
    let input = &only(&plain, "AWS::Glue::Connection")["ConnectionInput"];
    assert_eq!(
        *input,
        json!({"Name": "sales", "ConnectionType": "JDBC", "ConnectionProperties": {
            "JDBC_CONNECTION_URL": "jdbc:postgresql://db.internal:5432/sales",
            "SECRET_ID": "rds!db-1",
            "JDBC_ENFORCE_SSL": "true",
        }})
    );
    let full = request(Product::GlueConnection)
        .set("EnforceTls", "false")
        .set("CertificateLocation", "s3://certificates/ca.pem")
        .set("SubnetId", "subnet-01234567")
        .set("AvailabilityZone", "eu-west-1a")
        .set("SecurityGroupIds", "sg-01234567,sg-89abcdef");
    let full = made(&full.render().unwrap());
    let input = &only(&full, "AWS::Glue::Connection")["ConnectionInput"];
    assert_eq!(input["ConnectionProperties"]["JDBC_ENFORCE_SSL"], "false");
    assert_eq!(input["ConnectionProperties"]["CUSTOM_JDBC_CERT"], "s3://certificates/ca.pem");
    assert_eq!(
        input["PhysicalConnectionRequirements"],
        json!({"SubnetId": "subnet-01234567", "AvailabilityZone": "eu-west-1a",
            "SecurityGroupIdList": ["sg-01234567", "sg-89abcdef"]})
    );
}

pub(crate) fn a_crawler_runs_over_its_path_as_the_projects_role() {
    let made = made(&rendered(Product::GlueCrawler));
    let crawler = only(&made, "AWS::Glue::Crawler");
    assert_eq!(crawler["Targets"], json!({"JdbcTargets": [{"ConnectionName": "sales", "Path": "sales/hr/%"}]}));
    assert_eq!(crawler["Role"], "arn:aws:iam::111122223333:role/dz_conn_a_common_glue_role");
    assert_eq!(crawler["DatabaseName"], "sales_pub_db");
    // A table that is not seen for a while stays published.
    assert_eq!(crawler["SchemaChangePolicy"]["DeleteBehavior"], "LOG");
    assert!(crawler.get("Schedule").is_none());
    let at_night = request(Product::GlueCrawler).set("Schedule", "cron(15 2 * * ? *)").render().unwrap();
    let crawler = only(&crate::sample::made(&at_night), "AWS::Glue::Crawler").clone();
    assert_eq!(crawler["Schedule"]["ScheduleExpression"], "cron(15 2 * * ? *)");
}

pub(crate) fn names_come_out_as_they_went_in() {
    for name in
        ["it's \"quoted\": ${AWS::AccountId}", "${!Literal} {Ref: X} # no comment", "- !Ref X, *a &b", "é\u{1F600} \\n"]
    {
        let request = request(Product::GlueCrawler)
            .set("ConnectionName", name)
            .set("CrawlerName", name)
            .set("SourcePath", name)
            .set("GlueDatabase", name)
            .set("TablePrefix", name);
        let made = made(&request.render().unwrap());
        let crawler = only(&made, "AWS::Glue::Crawler");
        assert_eq!(only(&made, "AWS::Glue::Connection")["ConnectionInput"]["Name"], name);
        assert_eq!(crawler["Targets"]["JdbcTargets"], json!([{"ConnectionName": name, "Path": name}]));
        for member in ["Name", "DatabaseName", "TablePrefix"] {
            assert_eq!(crawler[member], name);
        }
    }
}

pub(crate) fn connection_strings_are_those_that_the_connectors_read() {
    for (product, wanted) in [
        (Product::AthenaMySql, "mysql://jdbc:mysql://db.internal:3306/sales?${SECRET}"),
        (Product::AthenaPostgreSql, "postgres://jdbc:postgresql://db.internal:5432/sales?${SECRET}"),
        (Product::AthenaSqlServer, "sqlserver://jdbc:sqlserver://db.internal:1433;databaseName=sales;${SECRET}"),
        (Product::AthenaOracle, "oracle://jdbc:oracle:thin:${SECRET}@//db.internal:1521/sales"),
    ] {
        let made = made(&rendered(product));
        let parameters = &only(&made, "AWS::Serverless::Application")["Parameters"];
        assert_eq!(parameters["DefaultConnectionString"], wanted.replace("SECRET", SECRET), "{product}");
    }
}

/// The transform runs before parameters and pseudo parameters are put in by anything but `Ref`: a function would stay as it is.
pub(crate) fn applications_are_named_as_the_transform_reads_them() {
    for product in CONNECTORS {
        let template = template::read(product).unwrap();
        let location = &template["Resources"]["Connector"]["Properties"]["Location"];
        let application = location["ApplicationId"].as_str().unwrap_or_else(|| panic!("{product}: {location}"));
        assert!(
            application.starts_with("arn:aws:serverlessrepo:us-east-1:") && !application.contains('$'),
            "{product}"
        );
        let version = &location["SemanticVersion"];
        let parameter = version.as_object().filter(|call| call.len() == 1).and_then(|call| call["Ref"].as_str());
        let known = parameter.is_some_and(|name| template["Parameters"][name]["Type"] == "String");
        assert!(version.is_string() || known, "{product}: {version}");
    }
}

/// What `Ref` says of a connection is not always its name.
pub(crate) fn a_connection_is_called_by_its_name() {
    for product in [Product::GlueConnection, Product::GlueCrawler] {
        let text = product.template();
        assert!(!text.contains("Ref: Connection}") && !text.contains("${Connection}"), "{product}");
    }
    let template = template::read(Product::GlueCrawler).unwrap();
    assert_eq!(template["Resources"]["Crawler"]["DependsOn"], "Connection");
}

pub(crate) fn a_connector_is_wired_to_its_role_secret_and_bucket() {
    for (product, application) in CONNECTORS.into_iter().zip([
        "AthenaMySQLConnector",
        "AthenaPostgreSQLConnector",
        "AthenaSqlServerConnector",
        "AthenaOracleConnector",
    ]) {
        let made = made(&rendered(product));
        let connector = only(&made, "AWS::Serverless::Application");
        assert_eq!(
            connector["Location"],
            json!({"SemanticVersion": "2026.17.1",
                "ApplicationId": format!("arn:aws:serverlessrepo:us-east-1:292517598671:applications/{application}")})
        );
        let parameters = &connector["Parameters"];
        for (name, wanted) in [
            ("LambdaFunctionName", "dz_conn_c_sales"),
            ("LambdaRoleARN", "arn:aws:iam::111122223333:role/dz_conn_c_connector_sales"),
            ("SecretNamePrefix", SECRET),
            ("SpillBucket", BUCKET),
            ("SpillPrefix", "dzd_1/sales/sales-prod/sales"),
            ("SubnetIds", "subnet-01234567,subnet-89abcdef"),
            ("SecurityGroupIds", "sg-01234567,sg-89abcdef"),
        ] {
            assert_eq!(parameters[name], wanted, "{product} {name}");
        }
        let catalog = only(&made, "AWS::Athena::DataCatalog");
        let function = "arn:aws:lambda:eu-west-1:111122223333:function:dz_conn_c_sales";
        assert_eq!((&catalog["Name"], &catalog["Type"]), (&json!("dz_conn_c_sales"), &json!("LAMBDA")));
        assert_eq!(catalog["Parameters"], json!({"function": function}));
        // It writes where its own role may, and an environment's role reads there.
        let statements = only(&made, "AWS::IAM::Role")["Policies"][0]["PolicyDocument"]["Statement"].clone();
        let spill = statements.as_array().unwrap().iter().find(|one| one["Sid"] == "Spill").unwrap().clone();
        assert_eq!(spill["Resource"], format!("arn:aws:s3:::{BUCKET}/dzd_1/sales/sales-prod/sales/*"));
    }
    let bucket = made(&rendered(Product::SpillBucket));
    assert_eq!(only(&bucket, "AWS::S3::Bucket")["BucketName"], BUCKET);
    let prefix =
        ["Domain", "Project", "Environment"].map(|id| format!("${{aws:PrincipalTag/AmazonDataZone{id}}}")).join("/");
    let readers = "arn:aws:iam::111122223333:role";
    assert_eq!(
        only(&bucket, "AWS::S3::BucketPolicy")["PolicyDocument"],
        json!({"Version": "2012-10-17", "Statement": [
            {"Sid": "OnlyTls", "Effect": "Deny", "Principal": "*", "Action": "s3:*",
                "Resource": [format!("arn:aws:s3:::{BUCKET}"), format!("arn:aws:s3:::{BUCKET}/*")],
                "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
            {"Sid": "EnvironmentsReadTheirOwn", "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
                "Resource": format!("arn:aws:s3:::{BUCKET}/{prefix}/*"),
                "Condition": {
                    "StringEquals": {"aws:PrincipalAccount": "111122223333"},
                    "ArnLike": {"aws:PrincipalArn":
                        [format!("{readers}/datazone_usr_*"), format!("{readers}/*/datazone_usr_*")]}}},
        ]})
    );
}

pub(crate) fn everything_that_takes_tags_is_tagged() {
    let wanted = json!({"AmazonDataZoneDomain": "dzd_1", "AmazonDataZoneProject": "sales",
        "AmazonDataZoneEnvironment": "sales-prod"});
    let (self_service, mut tagged) = ([Product::GlueConnection, Product::GlueCrawler].into_iter().chain(CONNECTORS), 0);
    for product in self_service {
        for (name, resource) in made(&rendered(product)) {
            let tags: Value = match &resource.properties["Tags"] {
                Value::Array(list) => {
                    let pair = |tag: &Value| (tag["Key"].as_str().unwrap().to_owned(), tag["Value"].clone());
                    Value::Object(list.iter().map(pair).collect())
                }
                map => map.clone(),
            };
            assert_eq!(tags, wanted, "{product} {name}");
            tagged += 1;
        }
    }
    // A connection, a connection and a crawler, and of each connector the role, the function and the catalogue.
    assert_eq!(tagged, 15);
}

pub(crate) fn administrators_are_added_and_not_replaced() {
    let alone = made(&rendered(Product::LakeFormationAdmin));
    let settings = only(&alone, "AWS::LakeFormation::DataLakeSettings");
    assert_eq!(settings["MutationType"], "APPEND");
    let admin = |role: &str| json!({"DataLakePrincipalIdentifier": format!("arn:aws:iam::111122223333:role/{role}")});
    assert_eq!(settings["Admins"], json!([admin("deployer")]));
    let role = "arn:aws:iam::111122223333:role/dz_conn_a_common_lambda_role";
    let both = made(&request(Product::LakeFormationAdmin).set("SolutionRoleArn", role).render().unwrap());
    let settings = only(&both, "AWS::LakeFormation::DataLakeSettings");
    assert_eq!(settings["Admins"], json!([admin("deployer"), admin("dz_conn_a_common_lambda_role")]));
}

pub(crate) fn a_private_authoritys_certificate_is_the_only_object_read() {
    let plain = made(&rendered(Product::ProducerCommon));
    assert!(!plain.contains_key("GlueRoleCertificate"));
    let object = "arn:aws:s3:::certificates/ca.pem";
    let with = made(&request(Product::ProducerCommon).set("CertificateObjectArn", object).render().unwrap());
    let policy = &with["GlueRoleCertificate"].properties;
    assert_eq!(policy["Roles"], json!(["dz_conn_a_common_glue_role"]));
    let statement = &policy["PolicyDocument"]["Statement"];
    assert_eq!(
        *statement,
        json!([{"Sid": "Certificate", "Effect": "Allow", "Action": "s3:GetObject", "Resource": object}])
    );
    for more in [
        "arn:aws:s3:::certificates/*",
        "arn:aws:s3:::*/ca.pem",
        "arn:aws:s3:::certificates/${aws:username}",
        "s3://c/a",
    ] {
        assert!(request(Product::ProducerCommon).set("CertificateObjectArn", more).render().is_err(), "{more}");
    }
}

pub(crate) fn lake_formation_grants_what_a_crawler_needs() {
    let first = made(&rendered(Product::ProducerCommon));
    let tag = only(&first, "AWS::LakeFormation::Tag");
    assert_eq!((&tag["TagKey"], &tag["TagValues"]), (&json!("dz_conn_p_access"), &json!(["True"])));
    let glue = "arn:aws:iam::111122223333:role/dz_conn_a_common_glue_role";
    let solution = "arn:aws:iam::111122223333:role/dz_conn_a_common_lambda_role";
    let expression = json!([{"TagKey": "dz_conn_p_access", "TagValues": ["True"]}]);
    for (name, principal, kind, permissions) in [
        ("SolutionTags", solution, None, ["DESCRIBE", "ASSOCIATE"]),
        ("CrawlerDatabases", glue, Some("DATABASE"), ["DESCRIBE", "CREATE_TABLE"]),
        ("CrawlerTables", glue, Some("TABLE"), ["DESCRIBE", "ALTER"]),
    ] {
        let grant = &first[name].properties;
        assert_eq!(grant["Principal"]["DataLakePrincipalIdentifier"], principal, "{name}");
        assert_eq!(
            (&grant["Permissions"], &grant["PermissionsWithGrantOption"]),
            (&json!(permissions), &json!([])),
            "{name}"
        );
        match kind {
            None => assert_eq!(grant["Resource"]["LFTag"]["TagKey"], "dz_conn_p_access"),
            Some(kind) => {
                let policy = &grant["Resource"]["LFTagPolicy"];
                assert_eq!((&policy["ResourceType"], &policy["Expression"]), (&json!(kind), &expression), "{name}");
            }
        }
    }
    // A second project: another role with the same grants; the tag is there.
    let second =
        request(Product::ProducerCommon).set("MakeLfTag", "false").set("GlueRoleName", "dz_conn_a_hr_glue_role");
    let second = made(&second.render().unwrap());
    assert_eq!(
        second.keys().map(String::as_str).collect::<Vec<_>>(),
        ["CrawlerDatabases", "CrawlerTables", "GlueRole"]
    );
    assert_eq!(second["CrawlerTables"].properties["Resource"]["LFTagPolicy"]["Expression"], expression);
}

pub(crate) fn portfolios_offer_every_product_to_the_environments_roles() {
    let mut offered = BTreeSet::new();
    for product in [Product::ProducerPortfolio, Product::ConsumerPortfolio] {
        let made = made(&rendered(product));
        let of =
            |kind: &str| made.values().filter(|one| one.kind == kind).map(|one| &one.properties).collect::<Vec<_>>();
        let products = of("AWS::ServiceCatalog::CloudFormationProduct");
        for one in &products {
            let url = one["ProvisioningArtifactParameters"][0]["Info"]["LoadTemplateFromURL"].as_str().unwrap();
            let file = url.strip_prefix("https://templates-111122223333.s3.eu-west-1.amazonaws.com/dzconn/toolkit/");
            offered.insert(file.unwrap_or_else(|| panic!("{url}")).to_owned());
        }
        let launched = of("AWS::ServiceCatalog::LaunchRoleConstraint");
        assert_eq!(launched.len(), products.len(), "{product}");
        let associated = of("AWS::ServiceCatalog::PortfolioProductAssociation");
        for (launch, offer) in launched.iter().zip(&associated) {
            assert_eq!(launch["ProductId"], offer["ProductId"], "{product}");
            let role = launch["RoleArn"].as_str().unwrap();
            assert!(role.ends_with("_common_servicecatalog_deploy_role"), "{role}");
        }
        let principals = of("AWS::ServiceCatalog::PortfolioPrincipalAssociation");
        let patterns: Vec<_> = principals.iter().map(|one| one["PrincipalARN"].as_str().unwrap()).collect();
        // Producers of one project, and all consumers.
        let names = if product == Product::ProducerPortfolio { "datazone_usr_sales*" } else { "datazone_usr_*" };
        assert_eq!(patterns, [format!("arn:aws:iam:::role/{names}"), format!("arn:aws:iam:::role/*/{names}")]);
        assert!(principals.iter().all(|one| one["PrincipalType"] == "IAM_PATTERN"));
    }
    let wanted = [Product::GlueConnection, Product::GlueCrawler].into_iter().chain(CONNECTORS);
    assert_eq!(offered, wanted.map(Product::template_file).collect());

    // No name in the form is another project's; nor is the role, which decides whose secrets are read.
    let made_one =
        made(&request(Product::ProducerPortfolio).set("GlueRoleName", "dz_conn_a_hr_glue_role").render().unwrap());
    for (name, wanted) in [
        ("GlueConnectionScope", &[("DataZoneDomainId", "dzd_1"), ("DataZoneProjectId", "sales")][..]),
        (
            "GlueCrawlerScope",
            &[
                ("DataZoneDomainId", "dzd_1"),
                ("DataZoneProjectId", "sales"),
                ("GlueRoleName", "dz_conn_a_hr_glue_role"),
            ][..],
        ),
    ] {
        assert_eq!(made_one[name].kind, "AWS::ServiceCatalog::LaunchTemplateConstraint");
        let rules: Value = serde_json::from_str(made_one[name].properties["Rules"].as_str().unwrap()).unwrap();
        let asserted = rules["Scope"]["Assertions"].as_array().unwrap();
        let asserted: Vec<_> = asserted.iter().map(|one| one["Assert"].clone()).collect();
        let wanted: Vec<_> = wanted.iter().map(|(name, value)| json!({"Fn::Equals": [{"Ref": name}, value]})).collect();
        assert_eq!(asserted, wanted, "{name}");
    }
    let launch = &made_one["LaunchRole"].properties["Policies"][0]["PolicyDocument"]["Statement"];
    let passes = launch.as_array().unwrap().iter().find(|one| one["Action"] == "iam:PassRole").unwrap();
    assert_eq!(passes["Resource"], "arn:aws:iam::111122223333:role/dz_conn_a_hr_glue_role");
    for everybody in ["*", "*role", "dat*", "dz_"] {
        for product in [Product::ProducerPortfolio, Product::ConsumerPortfolio, Product::SpillBucket] {
            assert!(
                request(product).set("EnvironmentRolePattern", everybody).render().is_err(),
                "{product} {everybody}"
            );
        }
    }

    // A second region of the account has roles of its own.
    let second = request(Product::ConsumerPortfolio).set("NameSuffix", "-us-east-1").render().unwrap();
    let second = made(&second);
    assert_eq!(only(&second, "AWS::IAM::ManagedPolicy")["ManagedPolicyName"], "dz_conn_c_connector_boundary-us-east-1");
    assert_eq!(every_way().len(), Product::ALL.len() + 5);
    assert!(Request::new(Product::SpillBucket).render().is_ok());
}
