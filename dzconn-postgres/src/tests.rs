//! What can be checked without a server.

use std::time::Duration;

use dzconn_core::engine::Action;
use dzconn_core::model::{
    AdminLogin, ConnectionId, Credentials, Source, SourceEndpoint, TableName, Target, Tls, UserName,
};
use dzconn_core::{Deadline, EngineConnector, ErrorKind, Secret};
use proptest::prelude::*;

use crate::connector;
use crate::connector::check_environment;
use crate::error::{CODES, kind};
use crate::sql::{self, Object, Relation, Role, Verifier};
use crate::sql::{Name, Text};
use dzconn_core::sql::{Piece, Sql};

/// Reads text as the server's scanner does ("Lexical Structure"): an identifier in quotes, or a literal, plain or `E''`.
/// Gives what it means and what follows it.
fn unquote(text: &str) -> Option<(String, &str)> {
    let text = text.trim_start();
    let (escapes, text) = match text.strip_prefix('E') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut chars = text.char_indices().peekable();
    let (_, quote @ ('"' | '\'')) = chars.next()? else { return None };
    let mut meant = String::new();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' if escapes => meant.push(chars.next().filter(|(_, c)| matches!(c, '\\' | '\''))?.1),
            c if c == quote && chars.peek().is_some_and(|(_, next)| *next == quote) => {
                meant.push(quote);
                chars.next();
            }
            c if c == quote => return Some((meant, &text[at + 1..])),
            c => meant.push(c),
        }
    }
    None
}

fn written(piece: &dyn Piece) -> String {
    Sql::new(&[piece]).as_str().to_owned()
}

fn names() -> impl Strategy<Value = String> {
    prop_oneof!["[^\0]{1,20}", "['\"\\\\;$E -]{1,12}"]
}

proptest! {
    #[test]
    fn a_name_means_itself(name in names(), rest in names()) {
        let text = format!("{} {rest}", written(&Name(&name)));
        prop_assert_eq!(unquote(&text), Some((name, &*format!(" {rest}"))));
    }

    #[test]
    fn a_literal_means_itself(value in "[^\0]{0,20}|['\"\\\\;$E -]{0,12}", rest in "[^'\0][^\0]{0,9}") {
        let text = format!("{}{rest}", written(&Text(&value)));
        prop_assert_eq!(unquote(&text), Some((value, &*rest)));
    }

    /// Whatever `standard_conforming_strings` says: a plain literal has no backslash.
    #[test]
    fn a_plain_literal_has_no_backslash(value in names()) {
        let text = written(&Text(&value));
        prop_assert_eq!(text.contains('\\'), text.starts_with(" E'"));
    }

    #[test]
    fn a_block_holds_its_statement(schema in names(), table in names(), user in names()) {
        let user = UserName::new(user).unwrap();
        let (role, relation) = (Role::new(&user), Relation { schema: &schema, name: &table });
        prop_assume!(role.is_ok());
        let role = role.unwrap();
        for statement in sql::take_back(role, &[relation]).into_iter().take(1) {
            let text = sql::batch([statement]);
            let (body, rest) = unquote(text.as_str().strip_prefix("DO ").unwrap()).unwrap();
            prop_assert_eq!(rest, ";\n");
            let revoke = sql::revoke_on(&Object::Table(relation), role);
            prop_assert!(body.contains(revoke.as_str()), "{}", body);
        }
    }

    #[test]
    fn a_plan_has_one_statement_a_line(schema in names(), table in names(), user in names()) {
        let user = UserName::new(user).unwrap();
        let table = TableName::in_schema("db", schema, table).unwrap();
        for action in [
            Action::CreateUser(user.clone()),
            Action::SetPassword(user.clone()),
            Action::Grant { user: user.clone(), table: table.clone(), take_back: vec![table.clone()] },
            Action::Revoke { user: user.clone(), tables: vec![table] },
            Action::DropUser(user),
        ] {
            let lines = connector().statements(&source(), &action);
            prop_assert!(!lines.is_empty());
            prop_assert!(lines.iter().all(|line| !line.contains(char::is_control)), "{lines:?}");
        }
    }
}

#[test]
fn hostile_names_are_quoted() {
    let relation = Relation { schema: "a\"; DROP TABLE x; --", name: "T.\u{e9}" };
    assert_eq!(written(&relation), "\"a\"\"; DROP TABLE x; --\".\"T.\u{e9}\"");
    assert_eq!(written(&Text("it's")), "'it''s'");
    assert_eq!(written(&Text("\\'; --")), " E'\\\\''; --'");
}

#[test]
fn names_that_mean_something_else_are_refused() {
    let role = |name: String| Role::new(&UserName::new(name).unwrap()).err().map(|error| error.kind());
    assert_eq!(role("x".repeat(63)), None);
    assert_eq!(role("é".repeat(31)), None);
    assert_eq!(role("x".repeat(64)), Some(ErrorKind::NameTooLong));
    assert_eq!(role("é".repeat(32)), Some(ErrorKind::NameTooLong));
    for reserved in ["public", "none", "pg_x"] {
        assert_eq!(role(reserved.to_owned()), Some(ErrorKind::InvalidInput), "{reserved}");
    }
    let table = |name: &str| TableName::in_schema("db", "s", name).unwrap();
    assert!(Relation::new(&table(&"x".repeat(63))).is_some());
    assert!(Relation::new(&table(&"x".repeat(64))).is_none());
    assert!(Relation::new(&TableName::in_database("db", "t").unwrap()).is_none());
}

#[test]
fn the_table_of_codes_has_each_code_once_and_decides_what_is_retryable() {
    for (at, (code, name, expected)) in CODES.iter().enumerate() {
        assert_eq!(code.len(), 5, "{code}");
        assert!(!name.is_empty());
        assert_eq!(kind(code), *expected);
        assert!(CODES.iter().skip(at + 1).all(|(other, ..)| other != code), "{code} is there twice");
    }
    for (code, expected) in [
        ("28P01", ErrorKind::AdminLoginRefused),
        ("42501", ErrorKind::AdminDenied),
        ("53300", ErrorKind::TooManyConnections),
        ("55P03", ErrorKind::Contention),
        ("XX000", ErrorKind::Contention),
        ("ZD001", ErrorKind::LockLost),
        ("08006", ErrorKind::ConnectionLost), // by class
        ("53999", ErrorKind::LimitReached),   // by class
        ("42601", ErrorKind::Unexpected),
        ("", ErrorKind::Unexpected),
    ] {
        assert_eq!(kind(code), expected, "{code}");
    }
}

fn source() -> Source {
    Source {
        connection: ConnectionId::new("arn:aws:glue:eu-west-1:111122223333:connection/hr").unwrap(),
        endpoint: SourceEndpoint {
            subprotocol: "postgresql".into(),
            host: "127.0.0.1".into(),
            port: 1,
            instance: None,
            target: Target::Database("sa\"les".into()),
        },
        admin: AdminLogin { user: "admin".into(), password: Secret::new("hunter2".into()) },
        tls: Tls::Disable,
    }
}

#[test]
fn plans_show_every_statement_and_no_secret() {
    let user = UserName::new("dz_u").unwrap();
    let table = |schema, name| TableName::in_schema("sa\"les", schema, name).unwrap();
    let plan = |action| connector().statements(&source(), &action);
    assert_eq!(
        plan(Action::CreateUser(user.clone())),
        [
            "CREATE ROLE \"dz_u\" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD '<verifier>'",
            "ALTER ROLE \"dz_u\" LOGIN -- if it exists and is disabled",
        ]
    );
    assert_eq!(plan(Action::SetPassword(user.clone())), ["ALTER ROLE \"dz_u\" PASSWORD '<verifier>'"]);
    assert_eq!(
        plan(Action::Grant { user: user.clone(), table: table("hr", "t"), take_back: vec![table("hr", "old")] }),
        [
            "GRANT CONNECT ON DATABASE \"sa\"\"les\" TO \"dz_u\" -- unless it may connect already",
            "GRANT USAGE ON SCHEMA \"hr\" TO \"dz_u\" -- unless it has that already",
            "GRANT SELECT ON TABLE \"hr\".\"t\" TO \"dz_u\"",
            "REVOKE ALL PRIVILEGES ON TABLE \"hr\".\"old\" FROM \"dz_u\" -- if it has any",
            "REVOKE ALL PRIVILEGES ON SCHEMA \"hr\" FROM \"dz_u\" -- once it has nothing else in the schema",
        ]
    );
    assert_eq!(
        plan(Action::Revoke { user: user.clone(), tables: vec![table("hr", "a"), table("x", "b"), table("hr", "c")] }),
        [
            "REVOKE ALL PRIVILEGES ON TABLE \"hr\".\"a\" FROM \"dz_u\" -- if it has any",
            "REVOKE ALL PRIVILEGES ON TABLE \"x\".\"b\" FROM \"dz_u\" -- if it has any",
            "REVOKE ALL PRIVILEGES ON TABLE \"hr\".\"c\" FROM \"dz_u\" -- if it has any",
            "REVOKE ALL PRIVILEGES ON SCHEMA \"hr\" FROM \"dz_u\" -- once it has nothing else in the schema",
            "REVOKE ALL PRIVILEGES ON SCHEMA \"x\" FROM \"dz_u\" -- once it has nothing else in the schema",
        ]
    );
    let drop = plan(Action::DropUser(user));
    assert_eq!(drop.first().unwrap(), "ALTER ROLE \"dz_u\" NOLOGIN -- if it may log in");
    assert_eq!(drop.last().unwrap(), "DROP ROLE IF EXISTS \"dz_u\"");

    let refused = plan(Action::DropUser(UserName::new("public").unwrap()));
    assert!(refused.iter().all(|line| line.starts_with("--")), "{refused:?}");
}

#[test]
fn a_verifier_marks_its_statement_and_is_not_shown() {
    let user = UserName::new("u").unwrap();
    let verifier = Verifier::of(&Secret::new("hunter2".into()));
    let statement = sql::batch([sql::guard(1), sql::create_role(Role::new(&user).unwrap(), &verifier)]);
    assert!(statement.is_secret());
    assert!(statement.as_str().contains("'SCRAM-SHA-256$4096:") && !statement.as_str().contains("hunter2"));
    assert_eq!(format!("{statement:?}"), "[redacted]");
    assert!(!sql::batch([sql::guard(1)]).is_secret());
}

#[test]
fn a_lock_is_looked_for_by_the_halves_of_its_key() {
    for (key, high, low) in [(1, 0, 1), (-1, u32::MAX, u32::MAX), (i64::MIN, 1 << 31, 0), ((7 << 32) | 9, 7, 9)] {
        let text = sql::lock(key, Duration::ZERO, None);
        let halves = format!("classid::bigint = {high} AND objid::bigint = {low})");
        assert!(text.as_str().contains(&halves), "{key}: {}", text.as_str());
        assert!(text.as_str().contains("SET LOCAL lock_timeout = 1;"), "zero would mean: for ever");
    }
}

#[test]
fn the_environment_must_not_change_what_a_session_is() {
    assert!(check_environment(|variable| variable == "PGHOST" || variable == "PGPASSWORD").is_ok(), "overridden");
    for unwelcome in ["PGOPTIONS", "PGSSLCERT", "PGSSLKEY"] {
        let error = check_environment(|variable| variable == unwelcome).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert!(error.detail().contains(unwelcome) && error.advice().is_some(), "{error:?}");
    }
}

#[tokio::test]
async fn nothing_there_is_unreachable_and_names_the_place_only() {
    let deadline = Deadline::within(Duration::from_secs(5));
    let error = connector().connect(&source(), deadline).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error:?}");
    let text = format!("{error} {error:?}");
    assert!(text.contains("127.0.0.1:1/sa\"les") && !text.contains("hunter2"), "{text}");
    let credentials = Credentials {
        endpoint: source().endpoint,
        database: None,
        user: UserName::new("u").unwrap(),
        password: Secret::new("hunter2".into()),
        ssl: None,
    };
    let error = connector().log_in(&source(), &credentials, None, deadline).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "not a refusal: {error:?}");
}

#[tokio::test]
async fn a_silent_server_is_given_up() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut source = source();
    source.endpoint.port = listener.local_addr().unwrap().port();
    let quick = connector().connect_timeout(Duration::from_millis(100));
    let error = quick.connect(&source, Deadline::within(Duration::from_secs(30))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
    assert!(error.subject().source.is_some());
}
