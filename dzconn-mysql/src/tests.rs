//! What can be known without a server; the rest is in `tests/live`.

use std::time::Duration;

use dzconn_core::engine::{Action, LockKey, kind_in};
use dzconn_core::model::{
    AdminLogin, AssetPath, CaBundle, ConnectionId, EnvironmentId, Source, SourceEndpoint, SourceKey, TableName, Target,
    Tls, UserName,
};
use dzconn_core::{EngineConnector, ErrorKind, Secret};
use proptest::prelude::*;
use sqlx::mysql::MySqlSslMode;

use crate::connector::{connector, options};
use crate::engine::Facts;
use crate::error::TABLE;
use crate::sql::look::{self, Holder};
use crate::sql::{self, Account, Flavor, Kill};
use dzconn_core::sql::Sql;

fn user(name: &str) -> UserName {
    UserName::new(name).unwrap()
}

fn table(database: &str, name: &str) -> TableName {
    TableName::in_database(database, name).unwrap()
}

fn key() -> LockKey {
    LockKey::new(&SourceKey {
        connection: ConnectionId::new("c").unwrap(),
        environment: EnvironmentId::new("e").unwrap(),
    })
}

fn source(tls: Tls) -> Source {
    Source {
        connection: ConnectionId::new("c").unwrap(),
        endpoint: SourceEndpoint {
            subprotocol: "mysql".into(),
            host: "db.internal".into(),
            port: 3307,
            instance: None,
            target: Target::Database("sales".into()),
        },
        admin: AdminLogin { user: "admin".into(), password: Secret::new("hunter2".into()) },
        tls,
    }
}

/// A statement as the server's scanner sees it, after "String Literals" and "Schema Object Names": quoted text, unquoted, and
/// everything else as it stands.
#[derive(Debug, PartialEq, Eq)]
enum Token {
    Name(String),
    Text(String),
    Other(char),
}

fn scan(sql: &str) -> Vec<Token> {
    let mut chars = sql.chars().peekable();
    let mut tokens = Vec::new();
    while let Some(c) = chars.next() {
        if c != '`' && c != '\'' {
            tokens.push(Token::Other(c));
            continue;
        }
        let mut text = String::new();
        loop {
            match chars.next().expect("the quote is closed") {
                '\\' if c == '\'' => text.push(match chars.next().expect("something is escaped") {
                    '0' => '\0',
                    'b' => '\u{8}',
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    'Z' => '\u{1a}',
                    other => other,
                }),
                quote if quote == c => {
                    if chars.next_if_eq(&c).is_none() {
                        break;
                    }
                    text.push(c);
                }
                other => text.push(other),
            }
        }
        tokens.push(if c == '`' { Token::Name(text) } else { Token::Text(text) });
    }
    tokens
}

/// The quoted parts, and the rest as one text.
fn parts(sql: &Sql) -> (Vec<Token>, String) {
    let (others, quoted): (Vec<_>, Vec<_>) = scan(sql.as_str()).into_iter().partition(|t| matches!(t, Token::Other(_)));
    let rest = others.into_iter().map(|t| if let Token::Other(c) = t { c } else { ' ' }).collect();
    (quoted, rest)
}

const ANY_NAME: &str = "([^\0]|[`'\"\\\\;%_ ]){1,16}";

proptest! {
    #[test]
    fn names_and_literals_come_back_as_they_were(
        name in "([\u{1}-\u{ffff}]|[`'\"\\\\;]){0,8}[a-z`'\"\\\\]", database in ANY_NAME, tab in ANY_NAME, password in ANY_NAME
    ) {
        prop_assume!(!(name.len() > 1 && name.starts_with('\'') && name.ends_with('\'')));
        let name = user(&name);
        let account = Account::new(&name).unwrap();
        let table = table(&database, &tab);
        let password = Secret::new(password);
        let whom = || vec![Token::Text(name.as_str().into()), Token::Text("%".into())];
        let what = || vec![Token::Name(database.clone()), Token::Name(tab.clone())];
        let both = |mut first: Vec<Token>, second: Vec<Token>| { first.extend(second); first };

        let (quoted, rest) = parts(&sql::grant(account, &table));
        prop_assert_eq!((quoted, rest.as_str()), (both(what(), whom()), "GRANT SELECT ON . TO @"));
        let (quoted, rest) = parts(&sql::revoke(account, &table));
        prop_assert_eq!((quoted, rest.as_str()), (both(what(), whom()), "REVOKE SELECT ON . FROM @"));
        let (quoted, rest) = parts(&sql::drop_user(account));
        prop_assert_eq!((quoted, rest.as_str()), (whom(), "DROP USER IF EXISTS @"));
        let (quoted, rest) = parts(&sql::set_password(Flavor::MySql, account, Some(&password)));
        let expected = both(whom(), vec![Token::Text(password.expose().into())]);
        prop_assert_eq!((quoted, rest.as_str()), (expected, "ALTER USER @ IDENTIFIED BY "));
        let (quoted, rest) = parts(&look::probe(&table));
        prop_assert_eq!((quoted, rest.as_str()), (what(), "SELECT 1 FROM (SELECT * FROM . LIMIT 0) AS probe"));
    }

    #[test]
    fn what_is_looked_for_is_quoted_too(database in ANY_NAME, name in ANY_NAME) {
        let (quoted, _) = parts(&look::table(&table(&database, &name)));
        prop_assert_eq!(quoted, [Token::Text(database.clone()), Token::Text(name.clone())]);
        let path = AssetPath::new(format!("{database}.{name}")).unwrap();
        let (quoted, _) = parts(&look::find(&path));
        prop_assert!(quoted.contains(&Token::Text(path.as_str().into())));
        let holders = [Holder { user: database.clone(), host: Some(name.clone()) }];
        for sql in [look::proxies(&holders), look::roles(Flavor::MySql, &holders), look::roles(Flavor::MariaDb, &holders)] {
            let (quoted, _) = parts(&sql);
            prop_assert!(quoted.ends_with(&[Token::Text(database.clone()), Token::Text(name.clone())]));
        }
    }
}

#[test]
fn users_have_32_characters_at_most() {
    assert!(Account::new(&user(&"é".repeat(32))).is_ok());
    assert_eq!(Account::new(&user(&"é".repeat(33))).err().unwrap().kind(), ErrorKind::NameTooLong);
    for ambiguous in ["trailing ", "emoji \u{1f600}", "'quoted'", "''"] {
        assert_eq!(Account::new(&user(ambiguous)).err().unwrap().kind(), ErrorKind::InvalidInput);
    }
    assert!(Account::new(&user("'")).is_ok() && Account::new(&user("'a")).is_ok());
    assert_eq!(connector().max_user_name(), 32);
}

#[test]
fn the_hash_is_the_servers_own() {
    // What MariaDB 10.11 answers to SELECT PASSWORD('...').
    for (password, hash) in [
        ("mypass", "*6C8989366EAF75BB670AD8EA7A7FC1176A95CEF4"),
        ("password", "*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19"),
    ] {
        assert_eq!(sql::native_hash(&Secret::new(password.into())), hash);
    }
}

#[test]
fn mariadb_never_gets_a_password_in_clear_and_debug_never_shows_one() {
    let (user, password) = (user("u"), Secret::new("hunter2-hunter2".into()));
    let account = Account::new(&user).unwrap();
    for flavor in [Flavor::MySql, Flavor::MariaDb] {
        for sql in
            [sql::create_user(flavor, account, Some(&password)), sql::set_password(flavor, account, Some(&password))]
        {
            assert_eq!(sql.as_str().contains("hunter2"), flavor == Flavor::MySql);
            assert!(sql.is_secret());
            let batch = sql::batch([sql::guard(&key()), sql]);
            assert!(batch.is_secret());
            assert_eq!(format!("{batch:?}"), "[redacted]");
        }
    }
}

#[test]
fn a_plan_shows_what_a_session_runs() {
    let (u, t, other) = (user("dz_u'1"), table("sa`les", "orders"), table("sales", "old"));
    let account = Account::new(&u).unwrap();
    let lines = |action| connector().statements(&source(Tls::Require), &action);
    assert_eq!(
        lines(Action::CreateUser(u.clone())),
        [
            "CREATE USER 'dz_u''1'@'%' IDENTIFIED BY '<password>' PASSWORD EXPIRE NEVER -- on MySQL",
            "CREATE USER 'dz_u''1'@'%' IDENTIFIED VIA mysql_native_password USING '<verifier>' PASSWORD EXPIRE NEVER -- on MariaDB",
            "ALTER USER 'dz_u''1'@'%' ACCOUNT UNLOCK -- if it exists",
        ]
    );
    assert_eq!(
        lines(Action::SetPassword(u.clone())),
        [
            "ALTER USER 'dz_u''1'@'%' IDENTIFIED BY '<password>' -- on MySQL",
            "ALTER USER 'dz_u''1'@'%' IDENTIFIED VIA mysql_native_password USING '<verifier>' -- on MariaDB",
        ]
    );
    assert_eq!(
        lines(Action::Grant { user: u.clone(), table: t.clone(), take_back: vec![other.clone()] }),
        [
            "GRANT SELECT ON `sa``les`.`orders` TO 'dz_u''1'@'%'",
            "REVOKE SELECT ON `sales`.`old` FROM 'dz_u''1'@'%' -- if it has any"
        ]
    );
    assert_eq!(
        lines(Action::Revoke { user: u.clone(), tables: vec![t.clone(), other] })[0],
        "REVOKE SELECT ON `sa``les`.`orders` FROM 'dz_u''1'@'%' -- if it has any"
    );
    assert_eq!(
        lines(Action::DropUser(u.clone())),
        [
            "ALTER USER 'dz_u''1'@'%' ACCOUNT LOCK -- if it exists",
            "REVOKE ALL PRIVILEGES, GRANT OPTION FROM 'dz_u''1'@'%' -- if it exists",
            "-- KILL each session of 'dz_u''1'",
            "DROP USER IF EXISTS 'dz_u''1'@'%'",
        ]
    );
    // The session's own, password for placeholder.
    let password = Secret::new("<password>".into());
    assert_eq!(
        sql::create_user(Flavor::MySql, account, Some(&password)).as_str(),
        sql::create_user(Flavor::MySql, account, None).as_str()
    );
    let tricky = Action::Revoke { user: u.clone(), tables: vec![table("a\nDROP USER root", "b")] };
    assert_eq!(lines(tricky), ["REVOKE SELECT ON `a\\nDROP USER root`.`b` FROM 'dz_u''1'@'%' -- if it has any"]);
    let unnameable = lines(Action::DropUser(user(&"x".repeat(33))));
    assert!(unnameable.len() == 1 && unnameable[0].starts_with("-- "), "{unnameable:?}");
}

#[test]
fn a_sessions_statements_are_as_the_vendors_have_them() {
    let name = key().name();
    assert_eq!(
        sql::guard(&key()).as_str(),
        format!(
            "SET @dzconn = (SELECT two.n FROM (SELECT 1 AS n UNION ALL SELECT 2) AS two \
             WHERE NOT (IS_USED_LOCK('{name}') <=> CONNECTION_ID()))"
        )
    );
    let lock = sql::lock(&key(), Duration::from_millis(250), Duration::from_millis(1500), Duration::from_secs(30));
    let mine = format!("IS_USED_LOCK('{name}') <=> CONNECTION_ID()");
    assert!(lock.as_str().contains(&format!("SELECT IF({mine}, 1, GET_LOCK('{name}', 0.250))")), "{lock:?}");
    assert!(
        lock.as_str().contains(&format!("wait_timeout = CAST(IF({mine}, 2, @@SESSION.wait_timeout) AS UNSIGNED)")),
        "{lock:?}"
    );
    let pin = sql::pin(Duration::from_secs(30));
    for setting in [
        "SET NAMES utf8mb4;",
        "sql_mode = 'STRICT_ALL_TABLES' /*M! ',NO_AUTO_CREATE_USER' */",
        "SESSION lock_wait_timeout = 30",
        "innodb_lock_wait_timeout = 30",
        "/*M! , SESSION max_statement_time = 30.000 */ /*!80000 , SESSION max_execution_time = 30000 */",
    ] {
        assert!(pin.as_str().contains(setting), "{setting} is not in {pin:?}");
    }
    assert_eq!(sql::kill(Kill::Statement, 7).as_str(), "KILL 7");
    assert_eq!(sql::kill(Kill::Rds, 7).as_str(), "CALL mysql.rds_kill(7)");
}

#[test]
fn every_number_is_there_once_and_means_what_the_vendors_say() {
    assert!(TABLE.windows(2).all(|pair| pair[0].0 < pair[1].0), "sorted, and none twice");
    for (number, expected) in [
        (1045, ErrorKind::AdminLoginRefused),
        (1698, ErrorKind::AdminLoginRefused),
        (3118, ErrorKind::AdminLoginRefused),
        (4151, ErrorKind::AdminLoginRefused),
        (1040, ErrorKind::TooManyConnections),
        (1203, ErrorKind::TooManyConnections),
        (1226, ErrorKind::TooManyConnections),
        (1146, ErrorKind::TableNotFound),
        (1142, ErrorKind::AdminDenied),
        (1044, ErrorKind::AdminDenied),
        (1227, ErrorKind::AdminDenied),
        (1819, ErrorKind::PasswordRejected),
        (3638, ErrorKind::PasswordRejected),
        (4006, ErrorKind::UserOwnsObjects),
        (1205, ErrorKind::Contention),
        (1213, ErrorKind::Contention),
        (1290, ErrorKind::ReadOnly),
        (1836, ErrorKind::ReadOnly),
        (1470, ErrorKind::NameTooLong),
        (1053, ErrorKind::ConnectionLost),
        (1927, ErrorKind::ConnectionLost),
        (4031, ErrorKind::ConnectionLost),
        (3159, ErrorKind::Tls),
        (1242, ErrorKind::LockLost),
        (1064, ErrorKind::Unexpected),
        (65_000, ErrorKind::Unexpected),
    ] {
        assert_eq!(kind_in(TABLE, number), expected, "{number}");
    }
}

#[test]
fn what_the_wire_must_be_never_falls_back() {
    let ca = CaBundle::from_pem("-----BEGIN CERTIFICATE-----").unwrap();
    for (tls, mode) in [
        (Tls::Disable, "Disabled"),
        (Tls::Require, "Required"),
        (Tls::VerifyCa(Some(ca.clone())), "VerifyCa"),
        (Tls::VerifyFull(Some(ca)), "VerifyIdentity"),
        (Tls::default(), "VerifyIdentity"),
    ] {
        let options = options(&source(tls), "u", &Secret::new("p".into()));
        assert_eq!(format!("{:?}", options.get_ssl_mode()), mode);
        assert!(!matches!(options.get_ssl_mode(), MySqlSslMode::Preferred));
        assert_eq!((options.get_host(), options.get_port(), options.get_username()), ("db.internal", 3307, "u"));
        assert_eq!((options.get_charset(), options.get_database()), ("utf8mb4", None));
    }
}

#[test]
fn a_server_whose_locks_are_per_node_is_known() {
    let facts = |settings: &[(&str, &str)]| {
        let rows = settings.iter().map(|(name, value)| vec![(*name).to_owned(), (*value).to_owned()]).collect();
        Facts::new("1", "0", &rows)
    };
    let alone = [("wsrep_on", "OFF"), ("wsrep_provider", "none")];
    assert_eq!(facts(&alone), Facts { mariadb: true, ..Facts::default() });
    assert_eq!(facts(&[]).no_lock, None);
    assert_eq!(facts(&[("wsrep_on", "ON"), ("wsrep_provider", "none")]).no_lock, None);
    let galera = facts(&[("wsrep_on", "ON"), ("wsrep_provider", "/usr/lib/galera/libgalera_smm.so")]);
    assert!(galera.no_lock.unwrap().contains("Galera"));
    let group = ("group_replication_group_name", "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa");
    let single = ("group_replication_single_primary_mode", "ON");
    assert_eq!(facts(&[group, single]).no_lock, None);
    assert!(
        facts(&[group, ("group_replication_single_primary_mode", "OFF")]).no_lock.unwrap().contains("multi-primary")
    );
    assert_eq!(facts(&[("group_replication_single_primary_mode", "OFF")]).no_lock, None);
}

#[test]
fn what_the_server_says_of_itself_is_read() {
    let rows = vec![vec!["mandatory_roles".to_owned(), "`role1`@`%`, 'role2'@'10.%',role3".to_owned()]];
    let facts = Facts::new("0", "1", &rows);
    let role = |user: &str, host: &str| Holder { user: user.into(), host: Some(host.into()) };
    assert_eq!(facts.mandatory_roles, [role("role1", "%"), role("role2", "10.%"), role("role3", "%")]);
    assert!(!facts.mariadb && facts.folds);
}
