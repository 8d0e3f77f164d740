//! What a connection says, without Glue.

use aws_sdk_glue::types::{AuthenticationConfiguration, Connection, ConnectionPropertyKey, ConnectionType};
use dzconn_core::model::{AdminLogin, CaBundle, SourceEndpoint, Target, Tls};
use dzconn_core::{Error, ErrorKind, Result};

use super::connection::{Login, Place, Properties};
use super::tls::demand;
use crate::Config;
use crate::config::{Sources, TlsMode};

fn connection(kind: &str, properties: &[(&str, &str)]) -> Connection {
    let mut made = Connection::builder().name("hr").connection_type(ConnectionType::from(kind));
    for (name, value) in properties {
        made = made.connection_properties(ConnectionPropertyKey::from(*name), *value);
    }
    made.build()
}

fn place(kind: &str, properties: &[(&str, &str)]) -> Result<SourceEndpoint> {
    Ok(Place::of(kind, &Properties::of(&connection(kind, properties)))?.endpoint)
}

fn refused<T>(result: Result<T>) -> Error {
    match result {
        Ok(_) => panic!("it was taken"),
        Err(error) => error,
    }
}

#[test]
fn both_shapes_say_where_they_lead() {
    let database = |name: &str| Target::Database(name.to_owned());
    for (kind, properties, engine, host, port, target) in [
        (
            "JDBC",
            vec![("JDBC_CONNECTION_URL", "jdbc:postgresql://db:5433/sales"), ("HOST", "ignored")],
            "postgresql",
            "db",
            5433,
            database("sales"),
        ),
        (
            "JDBC",
            vec![("HOST", "db"), ("PORT", "3307"), ("JDBC_ENGINE", "mysql"), ("DATABASE", "sales")],
            "mysql",
            "db",
            3307,
            database("sales"),
        ),
        ("JDBC", vec![("HOST", "db"), ("JDBC_ENGINE", "Postgres")], "postgresql", "db", 5432, Target::Default),
        (
            "MYSQL",
            vec![("HOST", " db "), ("PORT", "3306"), ("DATABASE", "my db")],
            "mysql",
            "db",
            3306,
            database("my db"),
        ),
        (
            "POSTGRESQL",
            vec![("HOST", "[2001:db8::1]"), ("DATABASE", "sales")],
            "postgresql",
            "2001:db8::1",
            5432,
            database("sales"),
        ),
        ("SQLSERVER", vec![("HOST", "db"), ("DATABASE", "sales")], "sqlserver", "db", 1433, database("sales")),
        (
            "ORACLE",
            vec![("HOST", "db"), ("PORT", "1522"), ("DATABASE", "SALES")],
            "oracle",
            "db",
            1522,
            Target::Service("SALES".into()),
        ),
        ("MYSQL", vec![("JDBC_CONNECTION_URL", "jdbc:mariadb://db/sales")], "mariadb", "db", 3306, database("sales")),
    ] {
        let wanted = SourceEndpoint { subprotocol: engine.into(), host: host.into(), port, instance: None, target };
        assert_eq!(place(kind, &properties).unwrap(), wanted, "{kind} {properties:?}");
    }
}

#[test]
fn what_leads_nowhere_is_said() {
    for (kind, properties, wanted, named) in [
        ("KAFKA", vec![("KAFKA_BOOTSTRAP_SERVERS", "b:9092")], ErrorKind::UnknownEngine, "KAFKA"),
        ("NETWORK", vec![], ErrorKind::UnknownEngine, "NETWORK"),
        ("MONGODB", vec![("CONNECTION_URL", "mongodb://h/d")], ErrorKind::UnknownEngine, "MONGODB"),
        ("CUSTOM", vec![("CONNECTOR_URL", "[[\"x\"]]")], ErrorKind::UnknownEngine, "CUSTOM"),
        ("JDBC", vec![], ErrorKind::InvalidInput, "JDBC_CONNECTION_URL"),
        ("JDBC", vec![("HOST", "db"), ("PORT", "1")], ErrorKind::InvalidInput, "JDBC_ENGINE"),
        ("JDBC", vec![("HOST", "db"), ("JDBC_ENGINE", "teradata")], ErrorKind::InvalidInput, "PORT"),
        ("JDBC", vec![("JDBC_CONNECTION_URL", "postgresql://db/sales")], ErrorKind::InvalidInput, "JDBC URL"),
        ("MYSQL", vec![("PORT", "3306")], ErrorKind::InvalidInput, "HOST"),
        ("MYSQL", vec![("HOST", "db"), ("PORT", "0")], ErrorKind::InvalidInput, "PORT"),
        ("MYSQL", vec![("HOST", "db/../x")], ErrorKind::InvalidInput, "HOST"),
        ("MYSQL", vec![("JDBC_CONNECTION_URL", "jdbc:postgresql://db/x")], ErrorKind::InvalidInput, "another engine"),
    ] {
        let error = refused(place(kind, &properties));
        assert_eq!(error.kind(), wanted, "{kind} {properties:?}");
        assert!(error.to_string().contains(named), "{error}");
    }
}

#[test]
fn properties_of_compute_environments_are_read_where_the_common_ones_say_nothing() {
    let made = Connection::builder()
        .connection_type(ConnectionType::Postgresql)
        .connection_properties(ConnectionPropertyKey::Host, "common")
        .connection_properties(ConnectionPropertyKey::Database, " ")
        .spark_properties("host", "spark")
        .spark_properties("secretId", "rds/admin")
        .athena_properties("lambda_function_arn", "arn:aws:lambda:eu-west-1:111122223333:function:f")
        .build();
    let said = Properties::of(&made);
    assert_eq!((said.get("HOST"), said.get("DATABASE")), (Some("common"), None));
    assert!(matches!(Login::of(&made, &said, None, true), Ok(Login::Secret(id)) if id == "rds/admin"));
}

fn login(made: &Connection, hidden: bool) -> Result<Login> {
    let said = Properties::of(made);
    let place = Place::of("JDBC", &said)?;
    Login::of(made, &said, place.url.as_ref(), hidden)
}

const URL: (&str, &str) = ("JDBC_CONNECTION_URL", "jdbc:mysql://db/sales");
const URL_WITH_LOGIN: (&str, &str) = ("JDBC_CONNECTION_URL", "jdbc:mysql://in:url@db/sales");

#[test]
fn credentials_are_taken_from_the_first_place_that_has_them() {
    let by_secret = |text: &str| {
        let mut made = connection("JDBC", &[URL]);
        made.authentication_configuration = Some(AuthenticationConfiguration::builder().secret_arn(text).build());
        made
    };
    let secret = |made: &Connection| match login(made, true).unwrap() {
        Login::Secret(id) => id,
        _ => panic!("a secret"),
    };
    let plain = |made: &Connection| match login(made, false).unwrap() {
        Login::Plain(AdminLogin { user, password }) => (user, password.expose().to_owned()),
        _ => panic!("a login"),
    };
    let both = |user: &str, password: &str| (user.to_owned(), password.to_owned());

    let named = [URL_WITH_LOGIN, ("SECRET_ID", " rds/admin "), ("USERNAME", "u"), ("PASSWORD", "p")];
    assert_eq!(secret(&connection("JDBC", &named)), "rds/admin");
    assert_eq!(
        secret(&by_secret("arn:aws:secretsmanager:eu-west-1:111122223333:secret:x")),
        "arn:aws:secretsmanager:eu-west-1:111122223333:secret:x"
    );
    let made = connection("JDBC", &[URL_WITH_LOGIN, ("USERNAME", "u"), ("PASSWORD", " p ")]);
    assert_eq!(plain(&made), both("u", " p "));
    assert_eq!(plain(&connection("JDBC", &[URL_WITH_LOGIN])), both("in", "url"));
    assert!(matches!(login(&connection("JDBC", &[URL, ("USERNAME", "u")]), true), Ok(Login::Hidden)));
}

#[test]
fn a_connection_without_credentials_is_refused() {
    for (properties, named) in [
        (vec![URL], "no secret"),
        (vec![URL, ("SECRET_ID", "")], "no secret"),
        (vec![URL, ("PASSWORD", "hunter2")], "no secret"),
        (vec![URL, ("USERNAME", "u")], "no PASSWORD"),
        (vec![URL, ("USERNAME", "u"), ("ENCRYPTED_PASSWORD", "hunter2")], "encrypted"),
    ] {
        let error = refused(login(&connection("JDBC", &properties), false));
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains(named), "{error}");
        assert!(error.advice().unwrap().contains("SECRET_ID"));
        assert!(!format!("{error:?}").contains("hunter2"));
    }
}

fn bundle() -> CaBundle {
    CaBundle::from_pem("-----BEGIN CERTIFICATE-----\n").unwrap()
}

fn sources(tls: TlsMode, ca_bundle: Option<CaBundle>) -> Sources {
    let mut sources = Config::default().sources;
    (sources.tls, sources.ca_bundle) = (tls, ca_bundle);
    sources
}

fn demanded(engine: &str, properties: &[(&str, &str)], url: Option<Tls>, sources: &Sources) -> Result<Tls> {
    demand(&Properties::of(&connection("JDBC", properties)), engine, "db.internal", url, sources)
}

#[test]
fn what_a_connection_says_of_tls_is_what_happens() {
    let enforce = |value: &'static str| vec![("JDBC_ENFORCE_SSL", value)];
    let strict = sources(TlsMode::VerifyFull, None);
    let with_bundle = sources(TlsMode::Require, Some(bundle()));
    let open = sources(TlsMode::Disable, None);
    let (require, ca, full) = (Tls::Require, Tls::VerifyCa(None), Tls::VerifyFull(None));
    for (properties, url, sources, wanted) in [
        // The connection enforces TLS with a matching name, whatever weaker thing the URL says.
        (enforce("true"), None, &open, full.clone()),
        (enforce("True"), Some(require.clone()), &open, full.clone()),
        (enforce("TRUE"), Some(ca.clone()), &with_bundle, Tls::VerifyFull(Some(bundle()))),
        // The URL says it.
        (enforce("false"), Some(require.clone()), &strict, require.clone()),
        (vec![], Some(ca.clone()), &with_bundle, Tls::VerifyCa(Some(bundle()))),
        (vec![], Some(full.clone()), &open, full.clone()),
        (vec![], Some(Tls::Disable), &strict, Tls::Disable),
        // Nobody but the configuration says it.
        (enforce("false"), None, &strict, full.clone()),
        (enforce(" False "), None, &with_bundle, require),
        (vec![], None, &strict, full),
        (vec![], None, &open, Tls::Disable),
    ] {
        let told = demanded("postgresql", &properties, url.clone(), sources).unwrap();
        assert_eq!(told, wanted, "{properties:?} {url:?} {sources:?}");
    }
}

#[test]
fn what_cannot_be_demanded_is_refused() {
    let (without, with) = (sources(TlsMode::VerifyFull, None), sources(TlsMode::VerifyFull, Some(bundle())));
    let enforced = ("JDBC_ENFORCE_SSL", "true");
    let refuse = |engine: &str, properties: &[(&str, &str)], url: Option<Tls>, sources: &Sources| {
        refused(demanded(engine, properties, url, sources))
    };
    let error = refuse("mysql", &[enforced], Some(Tls::Disable), &with);
    assert!(error.kind() == ErrorKind::InvalidInput && error.to_string().contains("plain text"), "{error}");
    let error = refuse("mysql", &[("JDBC_ENFORCE_SSL", "1")], None, &with);
    assert!(error.kind() == ErrorKind::InvalidInput && error.to_string().contains("JDBC_ENFORCE_SSL"), "{error}");

    // A private authority that is not configured.
    let private =
        [enforced, ("CUSTOM_JDBC_CERT", "s3://certificates/ca.pem"), ("SKIP_CUSTOM_JDBC_CERT_VALIDATION", "true")];
    let error = refuse("mysql", &private, None, &without);
    assert!(
        error.kind() == ErrorKind::InvalidConfig && error.to_string().contains("s3://certificates/ca.pem"),
        "{error}"
    );
    assert!(error.advice().unwrap().contains("sources.ca_bundle"));
    assert_eq!(demanded("mysql", &private, None, &with).unwrap(), Tls::VerifyFull(Some(bundle())));
    assert_eq!(demanded("mysql", &private[1..], Some(Tls::Require), &without).unwrap(), Tls::Require);

    // A name that is not the host's.
    for (engine, name, fits) in [
        ("sqlserver", "other.internal", false),
        ("sqlserver", "DB.internal", true),
        ("oracle", "CN=other", false),
        ("postgresql", "other.internal", true),
    ] {
        let told = demanded(engine, &[enforced, ("CUSTOM_JDBC_CERT_STRING", name)], None, &with);
        assert_eq!(told.is_ok(), fits, "{engine} {name}");
        if let Err(error) = told {
            assert!(error.kind() == ErrorKind::InvalidInput && error.to_string().contains(name), "{error}");
        }
    }
}
