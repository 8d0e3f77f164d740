//! Requests: every mistake at once, names as data, nothing quoted that may be a password.

use dzconn_core::ErrorKind;
use dzconn_core::model::{JdbcUrl, SecretName, SourceEndpoint};
use proptest::prelude::*;
use serde_json::Value;

use super::{AthenaConnector, GlueConnection, GlueCrawler, Network, Product, Rendered, Request, Scope};

fn scope() -> Scope {
    Scope {
        domain: "dzd_1".parse().unwrap(),
        project: "sales".parse().unwrap(),
        environment: "sales-prod".parse().unwrap(),
    }
}

fn connection() -> GlueConnection {
    GlueConnection {
        scope: scope(),
        name: "sales".into(),
        url: "jdbc:postgresql://db.internal:5432/sales".into(),
        secret: "rds!db-1".into(),
        enforce_tls: true,
        certificate: None,
        network: None,
    }
}

fn connector(url: &str) -> AthenaConnector {
    AthenaConnector {
        scope: scope(),
        name: "sales".into(),
        source: url.parse::<JdbcUrl>().unwrap().endpoint,
        secret: SecretName::new("dz-conn-c-sales-sales-prod-1a2b3c4d").unwrap(),
        subnets: vec!["subnet-0123456789abcdef0".into(), "subnet-01234567".into()],
        security_groups: vec!["sg-0123456789abcdef0".into()],
        spill_bucket: "dz-conn-c-spill-111122223333-eu-west-1".into(),
    }
}

fn said(rendered: &Rendered) -> Vec<(String, String)> {
    let all: Vec<Value> = serde_json::from_str(&rendered.parameters_json()).unwrap();
    let text = |pair: &Value, key: &str| pair[key].as_str().unwrap().to_owned();
    all.iter().map(|pair| (text(pair, "ParameterKey"), text(pair, "ParameterValue"))).collect()
}

fn value(rendered: &Rendered, name: &str) -> String {
    said(rendered).into_iter().find(|(key, _)| key == name).unwrap().1
}

#[test]
fn every_product_is_found_by_its_name_and_has_its_own_template() {
    for product in Product::ALL {
        assert_eq!(product.name().parse::<Product>().unwrap(), product);
        assert!(product.template().starts_with("AWSTemplateFormatVersion: '2010-09-09'\n"), "{product}");
        // What a call takes without a bucket (TemplateBody of CreateStack).
        assert!(product.template().len() <= 51_200, "{product}");
        let same = Product::ALL.iter().filter(|other| other.template() == product.template()).count();
        assert_eq!(same, 1, "{product}");
        for parameter in product.parameters() {
            assert!(parameter.default.is_none_or(|default| parameter.takes(default)), "{product} {}", parameter.name);
        }
    }
    let error = "glue".parse::<Product>().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.advice().unwrap().contains("glue-connection"));
}

#[test]
fn all_mistakes_are_said_at_once_and_no_value_is_quoted() {
    let request = Request::new(Product::GlueCrawler)
        .set("DataZoneDomainId", "dzd/1")
        .set("JdbcUrl", "jdbc:postgresql://admin:hunter2@db.internal/sales")
        .set("SecretId", "no secret")
        .set("EnforceTls", "True")
        .set("Subnet", "subnet-01234567")
        .set("SubnetId", "subnet-01234567")
        .stack("a b");
    let error = request.render().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let text = error.detail();
    for named in [
        "DataZoneDomainId is not",
        "DataZoneProjectId is missing",
        "DataZoneEnvironmentId is missing",
        "ConnectionName is missing",
        "JdbcUrl is not",
        "SecretId is not",
        "EnforceTls is not",
        "\"Subnet\" is no parameter",
        "belong together",
        "CrawlerName is missing",
        "SourcePath is missing",
        "GlueDatabase is missing",
        "the stack's name",
    ] {
        assert!(text.contains(named), "{named}: {text}");
    }
    assert!(text.starts_with("13 things are wrong"), "{text}");
    assert!(!format!("{error:?}").contains("hunter2"));
}

#[test]
fn one_mistake_is_said_alone() {
    let error = connection().render("").unwrap_err();
    assert_eq!(error.detail(), "the stack has no name");
    assert!(error.advice().unwrap().contains("toolkit show glue-connection"));
    let mut plain = connection();
    plain.url.push_str("?sslmode=disable");
    assert!(plain.render("s").unwrap_err().detail().contains("plain text"));
    plain.enforce_tls = false;
    plain.render("s").unwrap();
}

#[test]
fn what_belongs_in_a_secret_is_no_part_of_a_url() {
    for url in [
        "jdbc:mysql://admin:hunter2@db/sales",
        "jdbc:postgresql://db/sales?user=admin&password=hunter2",
        "jdbc:postgresql://db/sales?password=hunter2",
        "jdbc:sqlserver://db;databaseName=sales;user=sa;password=hunter2",
        "jdbc:sqlserver://db;databaseName=sales;pwd=hunter2",
        "jdbc:oracle:thin:admin/hunter2@//db:1521/sales",
    ] {
        let mut with = connection();
        with.url = url.into();
        let error = with.render("s").unwrap_err();
        assert!(error.detail().contains("JdbcUrl") && !error.detail().contains("hunter2"), "{url}: {error}");
        let request = Request::new(Product::GlueConnection).set("JdbcUrl", url);
        assert!(!format!("{with:?} {request:?}").contains("hunter2"), "{url}");
    }
    for url in [
        "jdbc:mysql://db:3306/sales?sslMode=REQUIRED",
        "jdbc:mariadb://[::1]:3306/sales",
        "jdbc:sqlserver://db:1433;databaseName=sales;encrypt=true",
        "jdbc:oracle:thin:@//db:1521/sales.internal",
        "jdbc:oracle:thin:@(DESCRIPTION=(ADDRESS=(PROTOCOL=TCP)(HOST=db)(PORT=1521))(CONNECT_DATA=(SERVICE_NAME=s)))",
    ] {
        let mut with = connection();
        with.url = url.into();
        // A descriptor with TCP asks for plain text.
        with.enforce_tls = !url.contains("TCP");
        assert_eq!(value(&with.render("s").unwrap(), "JdbcUrl"), url);
    }
}

#[test]
fn types_say_what_text_says() {
    let mut with = connection();
    with.network = Some(Network {
        subnet: "subnet-01234567".into(),
        zone: "eu-west-1a".into(),
        security_groups: vec!["sg-01234567".into(), "sg-89abcdef".into()],
    });
    let crawler = GlueCrawler {
        connection: with,
        name: "sales-hr".into(),
        path: "sales/hr/%".into(),
        database: "sales_pub_db".into(),
        table_prefix: String::new(),
        role: Some("dz_conn_a_sales_glue_role".into()),
    };
    let rendered = crawler.render("sales-crawler").unwrap();
    assert_eq!(rendered.product(), Product::GlueCrawler);
    assert_eq!(value(&rendered, "SecurityGroupIds"), "sg-01234567,sg-89abcdef");
    assert_eq!(value(&rendered, "GlueRoleName"), "dz_conn_a_sales_glue_role");
    assert_eq!(value(&rendered, "EnforceTls"), "true");
    assert_eq!(
        rendered.tags(),
        [
            ("AmazonDataZoneDomain", "dzd_1"),
            ("AmazonDataZoneProject", "sales"),
            ("AmazonDataZoneEnvironment", "sales-prod")
        ]
    );
}

#[test]
fn the_source_decides_which_connector_it_is() {
    for (url, product, name) in [
        ("jdbc:mysql://db/sales", Product::AthenaMySql, "DatabaseName"),
        ("jdbc:mariadb://db/sales", Product::AthenaMySql, "DatabaseName"),
        ("jdbc:postgresql://db/sales", Product::AthenaPostgreSql, "DatabaseName"),
        ("jdbc:sqlserver://db;databaseName=sales", Product::AthenaSqlServer, "DatabaseName"),
        ("jdbc:oracle:thin:@//db/sales", Product::AthenaOracle, "ServiceName"),
    ] {
        let rendered = connector(url).render("s").unwrap();
        assert_eq!((rendered.product(), value(&rendered, name).as_str()), (product, "sales"), "{url}");
        let port = SourceEndpoint::default_port(&connector(url).source.subprotocol).unwrap();
        assert_eq!(value(&rendered, "Port"), port.to_string());
    }
    let rendered = connector("jdbc:postgresql://[fd00::1]:5433/sales").render("s").unwrap();
    assert_eq!((value(&rendered, "Host").as_str(), value(&rendered, "Port").as_str()), ("[fd00::1]", "5433"));
    for (url, named) in [
        ("jdbc:oracle:thin:@db:1521:SID", "service"),
        ("jdbc:sqlserver://db", "no database"),
        ("jdbc:redshift://db:5439/sales", "redshift"),
    ] {
        let error = connector(url).render("s").unwrap_err();
        assert!(error.kind() == ErrorKind::InvalidInput && error.detail().contains(named), "{error}");
    }
}

#[test]
fn the_command_names_files_tags_and_capabilities() {
    let rendered = connector("jdbc:mysql://db/sales").render("sales-athena").unwrap();
    assert_eq!((rendered.template_file().as_str(), rendered.stack()), ("athena-mysql.yaml", "sales-athena"));
    assert_eq!(
        rendered.shell_line("out dir/athena-mysql.yaml", "it's/p.json"),
        "aws cloudformation deploy --no-fail-on-empty-changeset --stack-name sales-athena --template-file \
         'out dir/athena-mysql.yaml' --parameter-overrides 'file://it'\\''s/p.json' --capabilities CAPABILITY_NAMED_IAM \
         CAPABILITY_AUTO_EXPAND --tags AmazonDataZoneDomain=dzd_1 AmazonDataZoneProject=sales \
         AmazonDataZoneEnvironment=sales-prod"
    );
    let bucket = Request::new(Product::SpillBucket).render().unwrap();
    assert_eq!(
        bucket.shell_line("t", "p"),
        "aws cloudformation deploy --no-fail-on-empty-changeset --stack-name dz-conn-c-common-stack --template-file t \
         --parameter-overrides file://p"
    );
}

/// Whatever a name may hold that has a meaning somewhere: in YAML, JSON, a shell, `CloudFormation`.
fn hostile() -> impl Strategy<Value = String> {
    let pieces = prop_oneof![
        Just("'".to_owned()),
        Just("\"".to_owned()),
        Just(": ".to_owned()),
        Just("${AWS::AccountId}".to_owned()),
        Just("${!x}".to_owned()),
        Just("}".to_owned()),
        Just("\n".to_owned()),
        Just("\n- x".to_owned()),
        Just("{{resolve:secretsmanager:other}}".to_owned()),
        Just("{".to_owned()),
        Just("!Ref X".to_owned()),
        Just("# ".to_owned()),
        Just("\\".to_owned()),
        Just("$(id)".to_owned()),
        Just("`id`".to_owned()),
        Just("é\u{1F600}".to_owned()),
        "[ -~]{0,4}",
    ];
    prop::collection::vec(pieces, 1..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// A name is taken as it is, or refused; and it is in the parameters only.
    #[test]
    fn names_are_data(name in hostile(), path in hostile(), prefix in hostile()) {
        let crawler = GlueCrawler {
            connection: GlueConnection { name: name.clone(), ..connection() },
            name: name.clone(),
            path: path.clone(),
            database: name.clone(),
            table_prefix: prefix.clone(),
            role: None,
        };
        let line = |text: &str| !text.contains(|c: char| c.is_ascii_control()) && !text.contains("{{");
        let fits = |text: &str| line(text) && !text.is_empty();
        match crawler.render("s") {
            Ok(rendered) => {
                prop_assert!(fits(&name) && fits(&path) && line(&prefix));
                prop_assert_eq!(rendered.template(), Product::GlueCrawler.template());
                for (parameter, wanted) in
                    [("ConnectionName", &name), ("CrawlerName", &name), ("SourcePath", &path), ("TablePrefix", &prefix)]
                {
                    prop_assert_eq!(&value(&rendered, parameter), wanted);
                }
                let line = rendered.shell_line("t.yaml", "p.json");
                let odd = line.contains(['\'', '\n', '`', '$']);
                prop_assert!(!odd, "{}", line);
            }
            Err(error) => {
                prop_assert_eq!(error.kind(), ErrorKind::InvalidInput);
                prop_assert!(!fits(&name) || !fits(&path) || !line(&prefix), "{}", error);
            }
        }
    }

    /// A database's name cannot become a property of the connection string, nor a secret of its own.
    #[test]
    fn a_connection_string_has_one_meaning(database in hostile()) {
        let mut source = connector("jdbc:sqlserver://db;databaseName=sales");
        source.source.target = dzconn_core::model::Target::Database(database.clone());
        if let Ok(rendered) = source.render("s") {
            prop_assert_eq!(&value(&rendered, "DatabaseName"), &database);
            let odd = database.contains([';', '&', '?', '$', '{', '}', '/', '%', '#', ' ', '\n']);
            prop_assert!(!odd, "{}", database);
        }
    }

    /// The words of a line come back out of a shell as they went in.
    #[test]
    fn a_shell_reads_back_what_was_meant(folder in hostile()) {
        prop_assume!(!folder.contains('\0'));
        let rendered = connection().render("s").unwrap();
        let (template, parameters) = (format!("{folder}/t.yaml"), format!("{folder}/p.json"));
        let line = rendered.shell_line(&template, &parameters);
        prop_assert_eq!(unquoted(&line), rendered.command(&template, &parameters));
    }
}

/// Words of a line, by what POSIX says of blanks, single quotes and backslashes ("Shell Command Language", Quoting).
fn unquoted(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted, mut chars) = (Vec::new(), String::new(), false, line.chars());
    while let Some(c) = chars.next() {
        match (c, quoted) {
            ('\'', _) => quoted = !quoted,
            ('\\', false) => word.extend(chars.next()),
            (' ', false) => words.push(std::mem::take(&mut word)),
            (c, true) => word.push(c),
            (c, false) => {
                assert!(!"$`\"*?[]{}()<>|&;#~!\n".contains(c), "{c:?} stands unquoted in {line}");
                word.push(c);
            }
        }
    }
    words.push(word);
    words
}
