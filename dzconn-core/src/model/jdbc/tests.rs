use proptest::prelude::*;

use super::*;
use crate::model::Tls;

fn parse(text: &str) -> JdbcUrl {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn database(name: &str) -> Target {
    Target::Database(name.to_owned())
}

fn service(name: &str) -> Target {
    Target::Service(name.to_owned())
}

#[test]
fn every_form_names_its_endpoint() {
    for (text, subprotocol, host, port, target) in [
        ("jdbc:mysql://h:3306/db?k=v", "mysql", "h", 3306, database("db")),
        ("jdbc:mysql://h/db", "mysql", "h", 3306, database("db")),
        ("jdbc:mysql://h", "mysql", "h", 3306, Target::Default),
        ("jdbc:mysql://h:3307/?k=v", "mysql", "h", 3307, Target::Default),
        ("jdbc:mysql://h/my%20db%2F%E2%82%AC", "mysql", "h", 3306, database("my db/€")),
        ("jdbc:mariadb://h/db", "mariadb", "h", 3306, database("db")),
        ("jdbc:mariadb://h/100%", "mariadb", "h", 3306, database("100%")),
        ("jdbc:postgresql://h:5432/db?sslmode=require", "postgresql", "h", 5432, database("db")),
        (
            "jdbc:postgresql://db-1.eu-west-1.rds.amazonaws.com/a_b-c.d",
            "postgresql",
            "db-1.eu-west-1.rds.amazonaws.com",
            5432,
            database("a_b-c.d"),
        ),
        ("  jdbc:postgresql://h/db ", "postgresql", "h", 5432, database("db")),
        ("JDBC:PostgreSQL://H/DB", "postgresql", "H", 5432, database("DB")),
        ("jdbc:postgresql://[2001:db8::1]:5433/db", "postgresql", "2001:db8::1", 5433, database("db")),
        ("jdbc:mysql://[::1]/db", "mysql", "::1", 3306, database("db")),
        ("jdbc:mysql://[fe80::1%eth0]:1/db", "mysql", "fe80::1%eth0", 1, database("db")),
        ("jdbc:mysql://192.0.2.1:65535/db", "mysql", "192.0.2.1", 65535, database("db")),
        ("jdbc:sqlserver://h:1433;databaseName=db;encrypt=true", "sqlserver", "h", 1433, database("db")),
        ("jdbc:sqlserver://h;database=db", "sqlserver", "h", 1433, database("db")),
        ("jdbc:sqlserver://h:1434/db", "sqlserver", "h", 1434, database("db")),
        ("jdbc:sqlserver://h", "sqlserver", "h", 1433, Target::Default),
        ("jdbc:sqlserver://h;", "sqlserver", "h", 1433, Target::Default),
        (
            "jdbc:sqlserver://;serverName=h;PORT=1440;DATABASENAME={a;b}}c=d};",
            "sqlserver",
            "h",
            1440,
            database("a;b}c=d"),
        ),
        ("jdbc:sqlserver://;servername=2001:db8::1;database=db", "sqlserver", "2001:db8::1", 1433, database("db")),
        (
            "jdbc:sqlserver://[2001:db8::1]:1433;databaseName = db ; x = y",
            "sqlserver",
            "2001:db8::1",
            1433,
            database("db"),
        ),
        ("jdbc:sqlserver://h/db;databaseName=db", "sqlserver", "h", 1433, database("db")),
        ("jdbc:oracle:thin:@//h:1521/service", "oracle", "h", 1521, service("service")),
        ("jdbc:oracle:thin://@h:1521/service", "oracle", "h", 1521, service("service")),
        ("jdbc:oracle:thin:@h:1522/a.b_c$1", "oracle", "h", 1522, service("a.b_c$1")),
        ("jdbc:oracle:thin:@//h/service", "oracle", "h", 1521, service("service")),
        ("jdbc:oracle:thin:@//[::1]:1521/service", "oracle", "::1", 1521, service("service")),
        ("jdbc:oracle:thin:@//h:1521/service:dedicated?connect_timeout=3", "oracle", "h", 1521, service("service")),
        ("jdbc:oracle:thin:@tcps://h:2484/service", "oracle", "h", 2484, service("service")),
        ("jdbc:oracle:thin:@h:1521:SID", "oracle", "h", 1521, Target::Sid("SID".to_owned())),
        ("jdbc:oracle:thin:@[::1]:1521:SID", "oracle", "::1", 1521, Target::Sid("SID".to_owned())),
        ("jdbc:oracle://h:1521/service", "oracle", "h", 1521, service("service")),
        ("jdbc:oracle:@//h:1521/service", "oracle", "h", 1521, service("service")),
        ("jdbc:ORACLE:THIN:scott/tiger@//h:1521/service", "oracle", "h", 1521, service("service")),
        ("jdbc:clickhouse://h:8123/db", "clickhouse", "h", 8123, database("db")),
        ("jdbc:redshift://h:5439/db;ssl=true;x=y", "redshift", "h", 5439, database("db")),
    ] {
        let endpoint = parse(text).endpoint;
        let wanted =
            SourceEndpoint { subprotocol: subprotocol.into(), host: host.into(), port, instance: None, target };
        assert!(endpoint == wanted, "{text}: {endpoint}, {:?}", endpoint.target);
    }
}

#[test]
fn an_instance_is_named_where_its_port_is_not() {
    for (text, instance, port) in [
        ("jdbc:sqlserver://h\\sales;databaseName=db", Some("sales"), 1433),
        ("jdbc:sqlserver://h\\\\sales", Some("sales"), 1433),
        ("jdbc:sqlserver://h;instanceName=sales", Some("sales"), 1433),
        ("jdbc:sqlserver://;serverName=h\\sales", Some("sales"), 1433),
        ("jdbc:sqlserver://h\\sales:1444;databaseName=db", None, 1444),
        ("jdbc:sqlserver://h\\sales;portNumber=1444", None, 1444),
    ] {
        let endpoint = parse(text).endpoint;
        assert_eq!(
            (endpoint.host.as_str(), endpoint.instance.as_deref(), endpoint.port),
            ("h", instance, port),
            "{text}"
        );
    }
}

#[test]
fn a_descriptor_is_kept_and_names_its_first_address() {
    let descriptor = "(description= (address=(protocol=tcp)(host=one.example)(port=1525))\
        (address=(protocol=tcp)(host=two.example)(port=1526)) (connect_data=(service_name=sales)))";
    let url = parse(&format!("jdbc:oracle:thin:@{descriptor}"));
    assert_eq!((url.endpoint.host.as_str(), url.endpoint.port), ("one.example", 1525));
    assert_eq!(url.endpoint.target, Target::Descriptor(descriptor.to_owned()));
    assert_eq!(url.tls().unwrap(), Some(Tls::Disable));

    let url = parse(
        "jdbc:oracle:thin:scott/tiger@ (DESCRIPTION=(ADDRESS=(PROTOCOL=TCPS)(HOST=2001:db8::1))(CONNECT_DATA=(SID=ORCL)))",
    );
    assert_eq!((url.endpoint.host.as_str(), url.endpoint.port), ("2001:db8::1", 1521));
    assert_eq!(url.tls().unwrap(), Some(Tls::VerifyFull(None)));
    assert_eq!(url.credentials, Some(("scott".to_owned(), Secret::new("tiger".to_owned()))));
}

#[test]
fn properties_are_decoded_as_the_driver_does() {
    let url = parse("jdbc:mysql://h/db?a=1&b=x%26y+z&&flag&CamelCase=v");
    let wanted = [("a", "1"), ("b", "x&y z"), ("flag", ""), ("CamelCase", "v")];
    assert!(url.properties.iter().map(|(k, v)| (k.as_str(), v.as_str())).eq({
        let mut wanted = wanted.to_vec();
        wanted.sort_unstable();
        wanted
    }));
    assert_eq!(url.property("camelcase"), Some("v"));

    let url = parse("jdbc:mariadb://h/db?a=x+y%zz%26");
    assert_eq!(url.property("a"), Some("x+y%zz&"));

    let url = parse("jdbc:sqlserver://h;applicationName={a;b}}c };Encrypt=strict;loginTimeout= 30 ");
    assert_eq!(
        url.properties.keys().map(String::as_str).collect::<Vec<_>>(),
        ["applicationname", "encrypt", "logintimeout"]
    );
    assert_eq!((url.property("applicationName"), url.property("loginTimeout")), (Some("a;b}c "), Some("30")));
}

#[test]
fn credentials_are_taken_out_and_shown_nowhere() {
    for text in [
        "jdbc:mysql://scott:hunter2@h/db",
        "jdbc:mysql://h/db?user=scott&password=hunter2",
        "jdbc:mariadb://h/db?password=hunter2&user=scott",
        "jdbc:postgresql://h/db?user=scott&password=hunter%32&sslpassword=hunter2",
        "jdbc:postgresql://scott:%68unter2@h:5432/db",
        "jdbc:sqlserver://h;user=scott;password=hunter2",
        "jdbc:sqlserver://h;UserName=scott;Password={hunter2};trustStorePassword=hunter2;accessToken=hunter2",
        "jdbc:oracle:thin:scott/hunter2@//h:1521/s",
        "jdbc:oracle:thin:scott/\"hunter2\"@h:1521:S",
        "jdbc:oracle:thin://scott/hunter2@h:1521/s",
        "jdbc:trino://scott:hunter2@h:443/db",
    ] {
        let url = parse(text);
        assert_eq!(url.credentials, Some(("scott".to_owned(), Secret::new("hunter2".to_owned()))), "{text}");
        let shown = format!("{url} {url:?} {:?} {:?}", url.properties, url.endpoint);
        assert!(!shown.contains("hunter2"), "{text}: {shown}");
    }
    let url = parse("jdbc:mysql://scott:p%40ss%2Fw%3Ard@h/db");
    assert_eq!(url.credentials.unwrap().1.expose(), "p@ss/w:rd");
    let url = parse("jdbc:oracle:thin:scott/\"p@ss/word\"@//h/s");
    assert_eq!(url.credentials.unwrap().1.expose(), "p@ss/word");
    for text in ["jdbc:mysql://scott@h/db", "jdbc:mysql://h/db?password=hunter2", "jdbc:oracle:thin:/@//h/s"] {
        let url = parse(text);
        assert!(url.credentials.is_none() && url.properties.is_empty(), "{text}: half of a login is none");
    }
}

#[test]
fn what_is_wrong_is_said_without_showing_the_url() {
    for (text, says) in [
        ("", "does not begin with jdbc:"),
        ("hunter2", "does not begin with jdbc:"),
        ("postgresql://scott:hunter2@h/db", "does not begin with jdbc:"),
        ("jdbc:postgresql", "no sub-protocol"),
        ("jdbc::hunter2://h", "no sub-protocol"),
        ("jdbc:post gres://h/hunter2", "no sub-protocol"),
        ("jdbc:mysql:loadbalance://h/hunter2", "does not go on with //host"),
        ("jdbc:postgresql:hunter2", "does not go on with //host"),
        ("jdbc:jtds:sqlserver://h/hunter2", "does not go on with //host"),
        ("jdbc:mysql:///hunter2", "names no host"),
        ("jdbc:mysql://:3306/hunter2", "names no host"),
        ("jdbc:mysql://h,hunter2/db", "several hosts"),
        ("jdbc:postgresql://h:5432,hunter2:5432/db", "several hosts"),
        ("jdbc:mysql://address=(host=hunter2)/db", "by key and value"),
        ("jdbc:mysql://(host=hunter2)/db", "by key and value"),
        ("jdbc:mysql://2001:db8::1/hunter2", "in brackets"),
        ("jdbc:mysql://[hunter2]/db", "IPv6 address in brackets"),
        ("jdbc:mysql://[::1/hunter2", "not closed"),
        ("jdbc:mysql://[::1]hunter2/db", "after the brackets"),
        ("jdbc:mysql://h:hunter2/db", "no valid port"),
        ("jdbc:mysql://h:0/db", "no valid port"),
        ("jdbc:mysql://h:65536/db", "no valid port"),
        ("jdbc:mysql://h:/db", "no valid port"),
        ("jdbc:mysql://h unter2/db", "no valid host"),
        ("jdbc:mysql://h/db?a=1&A=hunter2", "twice"),
        ("jdbc:mysql://h/db?user=a&user=hunter2", "twice"),
        ("jdbc:mysql://h/db?=hunter2", "without a name"),
        ("jdbc:mysql://h/db?a=%zzhunter2", "begins no code"),
        ("jdbc:postgresql://h/%ffhunter2", "not UTF-8"),
        ("jdbc:postgresql://h/%00hunter2", "NUL"),
        ("jdbc:postgresql://h/d\nhunter2", "control character"),
        ("jdbc:mysql://scott:12/hunter2@h/db", "@ after its host"),
        ("jdbc:mysql://scott:12?hunter2@h/db", "@ after its host"),
        ("jdbc:trino://h/hunter2", "no port"),
        ("jdbc:sqlserver:h;password=hunter2", "does not go on with //host"),
        ("jdbc:sqlserver://;password=hunter2", "names no host"),
        ("jdbc:sqlserver://h;serverName=hunter2", "host twice"),
        ("jdbc:sqlserver://h:1;port=2;password=hunter2", "port twice"),
        ("jdbc:sqlserver://h\\a;instanceName=hunter2", "instance twice"),
        ("jdbc:sqlserver://h/a;database=hunter2", "database twice"),
        ("jdbc:sqlserver://h;database=a;databaseName=hunter2", "property twice"),
        ("jdbc:sqlserver://h\\;password=hunter2", "no valid instance"),
        ("jdbc:sqlserver://h;hunter2", "without a value"),
        ("jdbc:sqlserver://h;password=a;hunter2;encrypt=true", "without a value"),
        ("jdbc:sqlserver://h;password={hunter2", "not closed"),
        ("jdbc:sqlserver://h;password={a}hunter2", "after a value in braces"),
        ("jdbc:oracle:thin:hunter2", "no @"),
        ("jdbc:oracle:oci:@//h:1521/hunter2", "another driver"),
        ("jdbc:oracle:thin:@hunter2", "neither service nor SID"),
        ("jdbc:oracle:thin:@h:1521", "neither service nor SID"),
        ("jdbc:oracle:thin:@//h:1521", "neither service nor SID"),
        ("jdbc:oracle:thin:@//h:1521/", "no service"),
        ("jdbc:oracle:thin:@//h:1521/s/hunter2", "instance"),
        ("jdbc:oracle:thin:@//h:1521/s:hunter2", "dedicated"),
        ("jdbc:oracle:thin:@//h:1521/hunter 2", "no valid service"),
        ("jdbc:oracle:thin:@h,hunter2:1521:SID", "several hosts"),
        ("jdbc:oracle:thin:@//h,hunter2/s", "several hosts"),
        ("jdbc:oracle:thin:@ldap://hunter2/s", "neither tcp nor tcps"),
        ("jdbc:oracle:thin:@2001:db8::1:1521:hunter2", "in brackets"),
        ("jdbc:oracle:thin:@(DESCRIPTION=(HOST=h)(SID=hunter2)", "not closed"),
        ("jdbc:oracle:thin:@(DESCRIPTION=(HOST=h)(SID=S)))hunter2", "beside its descriptor"),
        ("jdbc:oracle:thin:@(DESCRIPTION=(HOST=h)(SID=S))hunter2", "beside its descriptor"),
        ("jdbc:oracle:thin:@(DESCRIPTION=(HOST=h)(SID=S))(SID=hunter2)", "beside its descriptor"),
        ("jdbc:oracle:thin:@(DESCRIPTION=(SID=hunter2))", "without a HOST"),
        ("jdbc:oracle:thin:@(DESCRIPTION=(HOST=h)(PORT=hunter2)(SID=S))", "no valid port"),
        ("jdbc:oracle:thin:@(DESCRIPTION=(HOST=hunter2))", "without SERVICE_NAME or SID"),
    ] {
        let error = text.parse::<JdbcUrl>().expect_err(text);
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{text}");
        assert!(error.detail().contains(says), "{text}: {error}");
        assert!(error.advice().unwrap().contains("the right form is jdbc:"), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
}

#[test]
fn what_the_url_demands_of_the_wire() {
    let (verify_ca, verify_full) = (Tls::VerifyCa(None), Tls::VerifyFull(None));
    for (text, wanted) in [
        ("jdbc:postgresql://h/d", None),
        ("jdbc:postgresql://h/d?sslmode=disable", Some(Tls::Disable)),
        ("jdbc:postgresql://h/d?sslmode=allow", Some(Tls::Require)),
        ("jdbc:postgresql://h/d?sslmode=prefer", Some(Tls::Require)),
        ("jdbc:postgresql://h/d?sslmode=require", Some(Tls::Require)),
        ("jdbc:postgresql://h/d?sslmode=VERIFY-CA", Some(verify_ca.clone())),
        ("jdbc:postgresql://h/d?sslmode=verify-full", Some(verify_full.clone())),
        ("jdbc:postgresql://h/d?ssl=true&sslmode=require", Some(Tls::Require)),
        ("jdbc:postgresql://h/d?ssl=true", Some(verify_full.clone())),
        ("jdbc:postgresql://h/d?ssl", Some(verify_full.clone())),
        ("jdbc:postgresql://h/d?ssl=false", Some(Tls::Disable)),
        ("jdbc:postgresql://h/d?ssl=true&sslfactory=org.postgresql.ssl.NonValidatingFactory", Some(Tls::Require)),
        ("jdbc:mysql://h/d", None),
        ("jdbc:mysql://h/d?sslMode=DISABLED", Some(Tls::Disable)),
        ("jdbc:mysql://h/d?sslMode=PREFERRED", Some(Tls::Require)),
        ("jdbc:mysql://h/d?sslmode=required", Some(Tls::Require)),
        ("jdbc:mysql://h/d?sslMode=VERIFY_CA", Some(verify_ca.clone())),
        ("jdbc:mysql://h/d?sslMode=VERIFY_IDENTITY&useSSL=false", Some(verify_full.clone())),
        ("jdbc:mysql://h/d?useSSL=false", Some(Tls::Disable)),
        ("jdbc:mysql://h/d?useSSL=false&requireSSL=false", Some(Tls::Disable)),
        ("jdbc:mysql://h/d?useSSL=true", Some(Tls::Require)),
        ("jdbc:mysql://h/d?requireSSL=true", Some(Tls::Require)),
        ("jdbc:mysql://h/d?requireSSL=false&verifyServerCertificate=false", None),
        ("jdbc:mysql://h/d?useSSL=true&requireSSL=true&verifyServerCertificate=false", Some(Tls::Require)),
        ("jdbc:mysql://h/d?useSSL=true&verifyServerCertificate=true", Some(verify_ca.clone())),
        ("jdbc:mysql://h/d?verifyServerCertificate=true", Some(verify_ca.clone())),
        ("jdbc:mariadb://h/d", None),
        ("jdbc:mariadb://h/d?sslMode=disable", Some(Tls::Disable)),
        ("jdbc:mariadb://h/d?sslMode=trust", Some(Tls::Require)),
        ("jdbc:mariadb://h/d?sslMode=verify-ca", Some(verify_ca.clone())),
        ("jdbc:mariadb://h/d?sslMode=verify-full", Some(verify_full.clone())),
        ("jdbc:mariadb://h/d?sslMode=REQUIRED", Some(Tls::Require)),
        ("jdbc:mariadb://h/d?useSsl=true", Some(verify_full.clone())),
        ("jdbc:mariadb://h/d?useSSL=false&trustServerCertificate=true", Some(Tls::Disable)),
        ("jdbc:mariadb://h/d?useSSL=true&trustServerCertificate=true", Some(Tls::Require)),
        ("jdbc:mariadb://h/d?useSSL=true&disableSslHostnameVerification=true", Some(verify_ca.clone())),
        ("jdbc:sqlserver://h", None),
        ("jdbc:sqlserver://h;encrypt=false", Some(Tls::Disable)),
        ("jdbc:sqlserver://h;encrypt=optional;trustServerCertificate=true", Some(Tls::Disable)),
        ("jdbc:sqlserver://h;ENCRYPT=True", Some(verify_full.clone())),
        ("jdbc:sqlserver://h;encrypt=true;trustServerCertificate=false", Some(verify_full.clone())),
        ("jdbc:sqlserver://h;encrypt=mandatory;trustServerCertificate=true", Some(Tls::Require)),
        ("jdbc:sqlserver://h;trustServerCertificate=true", Some(Tls::Require)),
        ("jdbc:sqlserver://h;encrypt=strict;trustServerCertificate=true", Some(verify_full.clone())),
        ("jdbc:oracle:thin:@//h/s", None),
        ("jdbc:oracle:thin:@//h/s", None),
        ("jdbc:oracle:thin:@tcp://h/s", Some(Tls::Disable)),
        ("jdbc:oracle:thin:@(DESCRIPTION=(ADDRESS=(PROTOCOL=TCP)(HOST=h))(CONNECT_DATA=(SID=s)))", Some(Tls::Disable)),
        ("jdbc:oracle:thin:@tcps://h/s", Some(verify_full)),
        ("jdbc:oracle:thin:@tcps://h/s?ssl_server_dn_match=off", Some(verify_ca)),
        ("jdbc:trino://h:443/d?SSL=true", None),
    ] {
        assert_eq!(parse(text).tls().unwrap(), wanted, "{text}");
    }
    for text in [
        "jdbc:postgresql://h/d?sslmode=hunter2",
        "jdbc:postgresql://h/d?ssl=hunter2",
        "jdbc:mysql://h/d?sslMode=hunter2",
        "jdbc:mysql://h/d?useSSL=false&requireSSL=true&x=hunter2",
        "jdbc:mariadb://h/d?sslMode=hunter2",
        "jdbc:sqlserver://h;encrypt=hunter2",
        "jdbc:sqlserver://h;trustServerCertificate=hunter2",
        "jdbc:oracle:thin:@tcps://h/s?ssl_server_dn_match=hunter2",
    ] {
        let error = parse(text).tls().expect_err(text);
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
}

/// Pieces that mean something to some parser, so that nonsense gets past the first check.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "//",
            "/",
            ":",
            "@",
            "?",
            "&",
            "=",
            ";",
            ",",
            "{",
            "}",
            "}}",
            "[",
            "]",
            "(",
            ")",
            "\\",
            "%",
            "%41",
            "%f",
            "+",
            "\"",
            "h",
            "1521",
            "::1",
            "thin",
            "tcps",
            "DESCRIPTION",
            "HOST",
            "PORT",
            "SERVICE_NAME",
            "user",
            "password",
            "databaseName",
            "sslmode",
            "encrypt",
            "€",
            " ",
            "\u{0}",
            "\u{85}",
        ])
        .prop_map(str::to_owned),
        "\\PC{0,4}",
    ]
}

proptest! {
    #[test]
    fn parsing_never_panics(
        engine in prop::sample::select(vec!["mysql", "mariadb", "postgresql", "sqlserver", "oracle", "oracle:thin", "x"]),
        start in prop::sample::select(vec!["", "//", "//h", "@", "@(", "@//h:1/"]),
        pieces in prop::collection::vec(piece(), 0..24),
        anything in any::<String>(),
    ) {
        let _ = anything.parse::<JdbcUrl>();
        if let Ok(url) = format!("jdbc:{engine}:{start}{}", pieces.concat()).parse::<JdbcUrl>() {
            prop_assert!(!url.endpoint.host.is_empty() && url.endpoint.port > 0);
            let _ = url.tls();
        }
    }

    #[test]
    fn a_password_is_never_shown_however_it_is_mangled(
        before in "[ -~]{0,6}", after in "[ -~]{0,6}",
        form in prop::sample::select(vec![
            ("jdbc:mysql://scott:", "@h/db?sslMode=x"),
            ("jdbc:postgresql://h/db?user=scott&password=", "&sslmode=x"),
            ("jdbc:sqlserver://h;user=scott;password={", "};encrypt=x"),
            ("jdbc:sqlserver://h;password=", ";user=scott"),
            ("jdbc:mariadb://h/db?password=", ""),
        ]),
    ) {
        // What an @ or a / in the password makes of the host or database, nobody can tell from a right one.
        let text = format!("{}{before}hunter2{after}{}", form.0, form.1);
        match text.parse::<JdbcUrl>() {
            Ok(url) => prop_assert!(!format!("{url} {url:?}").contains("hunter2"), "{text}: {url:?}"),
            Err(error) => prop_assert!(!format!("{error} {error:?}").contains("hunter2"), "{text}: {error:?}"),
        }
    }
}
