//! What can be known without a server; the rest is in `tests/live`.

use std::time::Duration;

use dzconn_core::engine::{Action, LockKey};
use dzconn_core::model::{
    AdminLogin, AssetPath, CaBundle, ConnectionId, EnvironmentId, Source, SourceEndpoint, SourceKey, TableName, Target,
    Tls, UserName,
};
use dzconn_core::sql::Sql;
use dzconn_core::{EngineConnector, ErrorKind, Secret};
use proptest::prelude::*;

use crate::connector::{config, connector};
use crate::engine::Facts;
use crate::error::{TABLE, ends_session, kind, number};
use crate::sql::look;
use crate::sql::{self, Object, Principal};
use crate::testkit;

mod connecting;

fn user(name: &str) -> UserName {
    UserName::new(name).unwrap()
}

fn table(database: &str, schema: &str, name: &str) -> TableName {
    TableName::in_schema(database, schema, name).unwrap()
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
            subprotocol: "sqlserver".into(),
            host: "db.internal".into(),
            port: 1434,
            instance: None,
            target: Target::Database("sales".into()),
        },
        admin: AdminLogin { user: "admin".into(), password: Secret::new("hunter2-hunter2".into()) },
        tls,
    }
}

/// A statement as the server's scanner sees it, after "Database Identifiers", "Constants" and "Backslash (Line
/// Continuation)": names in brackets, literals, and everything else as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Name(String),
    Text(String),
    Other(char),
}

fn scan(sql: &str) -> Vec<Token> {
    let mut chars = sql.chars().peekable();
    let mut tokens = Vec::new();
    while let Some(c) = chars.next() {
        let close = match c {
            '[' => ']',
            '\'' => '\'',
            // Comments would hide what follows.
            '-' if chars.peek() == Some(&'-') => panic!("a comment in {sql}"),
            '/' if chars.peek() == Some(&'*') => panic!("a comment in {sql}"),
            other => {
                tokens.push(Token::Other(other));
                continue;
            }
        };
        let mut text = String::new();
        loop {
            match chars.next().expect("what was opened is closed") {
                '\\' if c == '\'' && matches!(chars.peek(), Some('\n' | '\r')) => {
                    let first = chars.next();
                    if first == Some('\r') {
                        chars.next_if_eq(&'\n');
                    }
                }
                end if end == close => {
                    if chars.next_if_eq(&close).is_none() {
                        break;
                    }
                    text.push(close);
                }
                other => text.push(other),
            }
        }
        tokens.push(if c == '[' { Token::Name(text) } else { Token::Text(text) });
    }
    tokens
}

/// The quoted parts, and the rest as one text.
fn parts(sql: &Sql) -> (Vec<Token>, String) {
    let (others, quoted): (Vec<_>, Vec<_>) = scan(sql.as_str()).into_iter().partition(|t| matches!(t, Token::Other(_)));
    let rest = others.into_iter().map(|t| if let Token::Other(c) = t { c } else { ' ' }).collect();
    (quoted, rest)
}

const ANY_NAME: &str = "([^\0]|[\\[\\]'\"`\\\\;\n\r-]){1,16}";

proptest! {
    #[test]
    fn names_and_literals_come_back_as_they_were(
        name in "([^\0\\\\]|[\\[\\]'\";]){0,8}[a-z\\[\\]'\"]", schema in ANY_NAME, tab in ANY_NAME, column in ANY_NAME,
        password in ANY_NAME
    ) {
        let name = user(&name);
        let Ok(user) = Principal::new(&name) else { return Ok(()) };
        let object = Object { schema: &schema, name: &tab };
        let named = |names: &[&str]| names.iter().map(|name| Token::Name((*name).to_owned())).collect::<Vec<_>>();
        let (u, s, t, c) = (name.as_str(), schema.as_str(), tab.as_str(), column.as_str());
        for (statement, names, expected) in [
            (sql::grant(user, object), vec![s, t, u], "GRANT SELECT ON OBJECT::. TO "),
            (sql::revoke(user, object), vec![s, t, u], "REVOKE SELECT ON OBJECT::. FROM  CASCADE"),
            (
                sql::revoke_as(user, object, Some(c), t),
                vec![c, s, t, u, t],
                "REVOKE SELECT () ON OBJECT::. FROM  CASCADE AS ",
            ),
            (sql::create_user(user), vec![u, u], "CREATE USER  FOR LOGIN "),
            (sql::drop_user(u), vec![u], "DROP USER "),
            (sql::drop_login(user), vec![u], "DROP LOGIN "),
            (sql::disable_login(user), vec![u], "ALTER LOGIN  DISABLE"),
            (sql::refuse_connect(user), vec![u], "REVOKE CONNECT FROM "),
        ] {
            let (quoted, rest) = parts(&statement);
            prop_assert_eq!((quoted, rest.as_str()), (named(&names), expected));
        }
        prop_assume!(sql::can_be_literal(&password));
        let secret = Secret::new(password.clone());
        let (quoted, rest) = parts(&sql::create_login(user, Some(&secret), false, t));
        let expected = [named(&[u]), vec![Token::Text(password.clone())], named(&[t])].concat();
        prop_assert_eq!((quoted, rest.as_str()), (
            expected, "CREATE LOGIN  WITH PASSWORD = N, DEFAULT_DATABASE = , CHECK_EXPIRATION = OFF, CHECK_POLICY = ON"
        ));
        let expected = [named(&[u]), vec![Token::Text(password)]].concat();
        let (quoted, rest) = parts(&sql::set_login_password(user, Some(&secret)));
        prop_assert_eq!((quoted, rest.as_str()), (expected.clone(), "ALTER LOGIN  WITH PASSWORD = N UNLOCK"));
        let (quoted, rest) = parts(&sql::create_contained(user, Some(&secret)));
        prop_assert_eq!((quoted, rest.as_str()), (expected, "CREATE USER  WITH PASSWORD = N"));
    }

    #[test]
    fn what_runs_in_another_database_is_bound(database in ANY_NAME, name in "[a-z\\]']{1,8}", schema in ANY_NAME) {
        let name = user(&name);
        let user = Principal::new(&name).unwrap();
        let grant = || sql::grant(user, Object { schema: &schema, name: "t" });
        let sent = sql::change(Some(&key()), Some(&database), [grant()]);
        let (quoted, rest) = parts(&sent.text);
        prop_assert!(quoted.contains(&Token::Name(database)), "{quoted:?}");
        prop_assert!(rest.ends_with("EXEC .sys.sp_executesql @P1"), "{rest}");
        prop_assert_eq!(sent.bound, [grant().into_text()]);
    }

    #[test]
    fn what_is_looked_for_is_bound(database in ANY_NAME, name in ANY_NAME) {
        let object = Object { schema: &database, name: &name };
        for place in [None, Some(database.as_str())] {
            let query = look::table(place, object);
            prop_assert_eq!(query.bound, [database.clone(), name.clone()]);
            let (quoted, _) = parts(&query.text);
            let names: Vec<_> = quoted.into_iter().filter(|token| matches!(token, Token::Name(_))).collect();
            prop_assert_eq!(names, place.map_or(vec![], |name| vec![Token::Name(name.to_owned()); 2]));
        }
        let path = AssetPath::new(format!("{database}.{name}")).unwrap();
        prop_assert_eq!(look::find(None, &database, &path).bound, [database.clone(), path.as_str().to_owned()]);
        let named = |names: &[&String]| names.iter().map(|name| Token::Name((*name).clone())).collect::<Vec<_>>();
        prop_assert_eq!(parts(&look::probe(Some(&name), object).text).0, named(&[&name, &database, &name]));
        prop_assert_eq!(parts(&look::probe(None, object).text).0, named(&[&database, &name]));
    }
}

#[test]
fn a_password_that_no_literal_can_hold_is_known() {
    for fine in ["\\", "a\\b", "\n\\", "'", "\\'"] {
        assert!(sql::can_be_literal(fine), "{fine:?}");
    }
    for cut in ["a\\\nb", "a\\\r\nb"] {
        assert!(!sql::can_be_literal(cut), "{cut:?}");
    }
}

#[test]
fn users_have_128_characters_at_most() {
    assert!(Principal::new(&user(&"é".repeat(128))).is_ok());
    // UTF-16 counts those twice.
    assert_eq!(Principal::new(&user(&"😀".repeat(65))).err().unwrap().kind(), ErrorKind::NameTooLong);
    for other in ["trailing ", "domain\\user", "sa", "DBO", "public", "guest"] {
        assert_eq!(Principal::new(&user(other)).err().unwrap().kind(), ErrorKind::InvalidInput, "{other}");
    }
    assert_eq!(connector().max_user_name(), 128);
    let long = "x".repeat(129);
    for name in [table("d", "s", &long), table("d", &long, "t"), table(&long, "s", "t")] {
        assert!(sql::object(&name).is_none(), "{name}");
    }
    assert!(sql::object(&TableName::in_database("d", "t").unwrap()).is_none());
}

#[test]
fn debug_never_shows_a_password() {
    let (name, password) = (user("u"), Secret::new("hunter2-hunter2".into()));
    let u = Principal::new(&name).unwrap();
    let make = || {
        [
            sql::create_login(u, Some(&password), true, "d"),
            sql::create_contained(u, Some(&password)),
            sql::set_login_password(u, Some(&password)),
            sql::set_contained_password(u, Some(&password)),
        ]
    };
    for sql in make() {
        assert!(sql.is_secret() && sql.as_str().contains("hunter2"));
        let sent = sql::change(Some(&key()), None, [sql]);
        assert!(sent.text.is_secret());
        assert!(!format!("{sent:?}").contains("hunter2"));
    }
    for sql in make() {
        // As it would be bound for another database.
        let sent = sql::change(Some(&key()), Some("other"), [sql]);
        assert!(sent.bound[0].contains("hunter2") && !format!("{sent:?}").contains("hunter2"));
    }
    let config = config(&source(Tls::Require), "u", &password).unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn a_plan_shows_what_a_session_runs() {
    const OTHERS: &str = "-- REVOKE ... AS each other grantor, and on columns, where it was granted so";
    let (u, t, other) = (user("dz_u]'1"), table("sales", "dbo", "ord]ers"), table("hr", "dbo", "old"));
    let lines = |action| connector().statements(&source(Tls::Require), &action);
    assert_eq!(
        lines(Action::CreateUser(u.clone())),
        [
            "CREATE LOGIN [dz_u]]'1] WITH PASSWORD = N'<password>', SID = 0x8372803FA288BEE2462F13120E6AC946, \
             DEFAULT_DATABASE = [sales], CHECK_EXPIRATION = OFF, CHECK_POLICY = ON -- unless it is there",
            "DROP USER [dz_u]]'1] -- if one is there without its login",
            "CREATE USER [dz_u]]'1] FOR LOGIN [dz_u]]'1] -- unless it is there",
            "ALTER LOGIN [dz_u]]'1] ENABLE -- if it was disabled",
            "CREATE USER [dz_u]]'1] WITH PASSWORD = N'<password>' -- where users are contained (Azure SQL Database)",
            "GRANT CONNECT TO [dz_u]]'1] -- if it lacks that",
        ]
    );
    assert_eq!(
        lines(Action::SetPassword(u.clone())),
        [
            "ALTER LOGIN [dz_u]]'1] WITH PASSWORD = N'<password>' UNLOCK",
            "ALTER USER [dz_u]]'1] WITH PASSWORD = N'<password>' -- where users are contained (Azure SQL Database)",
        ]
    );
    assert_eq!(
        lines(Action::Grant { user: u.clone(), table: t.clone(), take_back: vec![other.clone()] }),
        [
            "DROP USER [dz_u]]'1] -- if one is there without its login",
            "CREATE USER [dz_u]]'1] FOR LOGIN [dz_u]]'1] -- unless it is there",
            "GRANT CONNECT TO [dz_u]]'1] -- if it lacks that",
            "GRANT SELECT ON OBJECT::[dbo].[ord]]ers] TO [dz_u]]'1]",
            "REVOKE SELECT ON OBJECT::[dbo].[old] FROM [dz_u]]'1] CASCADE -- in [hr], if it has any",
            OTHERS,
        ]
    );
    assert_eq!(
        lines(Action::DropUser(u.clone())),
        [
            "ALTER LOGIN [dz_u]]'1] DISABLE",
            "REVOKE CONNECT FROM [dz_u]]'1] -- where users are contained (Azure SQL Database)",
            "ALTER USER [dz_u]]'1] WITH PASSWORD = N'<password>' -- one that nobody knows, where users are contained and still \
             connect",
            "-- REVOKE SELECT on each table FROM [dz_u]]'1]",
            "-- KILL each session of [dz_u]]'1]",
            "DROP USER [dz_u]]'1] -- in every database that has it",
            "DROP LOGIN [dz_u]]'1]",
        ]
    );
    // The session's own, password for placeholder.
    let (principal, password) = (Principal::new(&u).unwrap(), Secret::new("<password>".into()));
    assert_eq!(
        sql::create_login(principal, Some(&password), true, "sales").as_str(),
        sql::create_login(principal, None, true, "sales").as_str()
    );
    let tricky = Action::Revoke { user: u.clone(), tables: vec![table("a\nDROP LOGIN sa", "b", "c")] };
    assert_eq!(
        lines(tricky),
        ["REVOKE SELECT ON OBJECT::[b].[c] FROM [dz_u]]'1] CASCADE -- in [a\\nDROP LOGIN sa], if it has any", OTHERS]
    );
    for unnameable in
        [Action::DropUser(user(&"é".repeat(64).repeat(2).replace('é', "😀"))), Action::DropUser(user("a\\b"))]
    {
        let lines = lines(unnameable);
        assert!(lines.len() == 1 && lines[0].starts_with("-- "), "{lines:?}");
    }
}

#[test]
fn a_sessions_statements_are_as_the_vendor_has_them() {
    let name = key().name();
    let guard = format!(
        "IF APPLOCK_MODE(N'public', N'{name}', N'Session') <> N'Exclusive' THROW 51813, \
         N'dzconn: this session does not hold its lock', 1"
    );
    assert_eq!(sql::guard(&key()).as_str(), guard);
    let name_of = user("u");
    let sent = sql::change(Some(&key()), None, [sql::drop_login(Principal::new(&name_of).unwrap())]);
    assert_eq!(sent.text.as_str(), format!("{guard};\nDROP LOGIN [u]"));
    assert!(sql::kill(51, "2026").as_str().ends_with("= N'2026') KILL 51"));
    let lock = sql::lock(&key(), Duration::from_millis(250));
    assert!(lock.text.as_str().contains("@LockOwner = N'Session', @LockTimeout = 250;\nSELECT @answer"), "{lock:?}");
    assert_eq!(lock.bound, [name]);
    let forever = sql::lock(&key(), Duration::MAX);
    assert!(forever.text.as_str().contains("@LockTimeout = 2147483647;"), "{forever:?}");
    let pin = sql::pin(Duration::from_secs(30));
    for setting in [
        "SET XACT_ABORT ON;",
        "SET LOCK_TIMEOUT 30000;",
        "SET QUOTED_IDENTIFIER ON;",
        "SERVERPROPERTY(N'EngineEdition')",
    ] {
        assert!(pin.as_str().contains(setting), "{setting} is not in {pin:?}");
    }
}

#[test]
fn the_testkit_has_every_statement() {
    let built: Vec<&str> = testkit::statements().iter().map(|(name, _)| *name).collect();
    // Helpers of statements, pieces and words for people.
    let no_statements = [
        "new",
        "name",
        "can_be_literal",
        "batch",
        "object",
        "must_be_object",
        "spell_name",
        "spell_object",
        "quoted",
        "admin_needs",
        "grantor_must_run",
        "plan",
        "facts_alone",
        "as_str",
    ];
    for source in [include_str!("sql.rs"), include_str!("sql/look.rs")] {
        let functions = source.lines().filter_map(|line| {
            let line =
                line.trim().strip_prefix("pub(crate) fn ").or_else(|| line.trim().strip_prefix("pub(super) fn "))?;
            line.split(['(', '<']).next()
        });
        let mut found = 0;
        for function in functions.filter(|function| !no_statements.contains(function)) {
            found += 1;
            assert!(built.contains(&function), "{function} is not in the testkit");
        }
        assert!(found > 15, "{found}");
    }
    // With brackets, too, each of them is whole: no quote is left open, no comment begins.
    let hostile = "a]b]]c[d'e''f\"g--/*\r\nh";
    for (name, statement) in testkit::statements_about(hostile).unwrap() {
        let tokens = scan(&statement);
        assert!(!tokens.is_empty(), "{name}");
        for token in tokens {
            let (Token::Name(text) | Token::Text(text)) = token else { continue };
            assert!(!text.contains("a]b") || text.contains(hostile), "{name}: {text:?}");
        }
    }
    assert!(testkit::statements_about("").is_err());
}

#[test]
fn every_number_is_there_once_and_means_what_the_vendor_says() {
    assert!(TABLE.windows(2).all(|pair| pair[0].0 < pair[1].0), "sorted, and none twice");
    for (numbers, expected) in [
        (&[18_456, 18_470, 18_486, 18_487, 18_488, 18_452, 17_892][..], ErrorKind::AdminLoginRefused),
        (&[229, 230, 262, 297, 300, 916, 15_151, 15_247], ErrorKind::AdminDenied),
        (&[208, 911, 4902, 40_508, 40_515], ErrorKind::TableNotFound),
        (&[4613], ErrorKind::NoGrantOption),
        (&[15_114, 15_115, 15_116, 15_117, 15_118, 15_119], ErrorKind::PasswordRejected),
        (
            &[15_136, 15_138, 15_141, 15_155, 15_170, 15_173, 15_174, 15_183, 15_184, 15_284, 15_421],
            ErrorKind::UserOwnsObjects,
        ),
        (&[6102, 15_434], ErrorKind::SessionsRemain),
        (&[1205, 1222, 1204, 701, 8645, 3960], ErrorKind::Contention),
        (&[40_197, 40_613, 40_540, 40_615, 40_914, 942, 17_142, 18_401, 18_451], ErrorKind::Unreachable),
        (&[615, 926, 4060, 4064, 40_143], ErrorKind::Unreachable),
        (&[40_501, 49_918, 49_919, 49_920], ErrorKind::Throttled),
        (&[10_928, 10_929, 10_936, 17_809], ErrorKind::TooManyConnections),
        (&[976, 978, 3906], ErrorKind::ReadOnly),
        (&[1105, 9002, 40_544], ErrorKind::LimitReached),
        (&[596, 6005], ErrorKind::ConnectionLost),
        (&[sql::raised::LOCK_LOST], ErrorKind::LockLost),
        (&[33_233], ErrorKind::InvalidConfig),
        (&[15_006], ErrorKind::InvalidInput),
        // What these mean, the statement decides that they answer.
        (&[15_023, 15_025, 15_063, 6106, 102, 65_000], ErrorKind::Unexpected),
    ] {
        for number in numbers {
            assert_eq!(kind(*number), expected, "{number}");
        }
    }
    for transient in [40_197, 40_501, 40_613, 49_918, 49_919, 49_920, 10_928, 10_929, 1205, 1222] {
        assert!(kind(transient).is_retryable(), "{transient}");
    }
    for number in
        [number::NO_SUCH_SESSION, number::USER_EXISTS, number::LOGIN_EXISTS, number::OTHER_USER, number::LOGGED_IN]
    {
        assert!(TABLE.iter().any(|(known, ..)| *known == number), "{number}");
    }
}

#[test]
fn what_closes_the_connection_ends_the_session() {
    for (number, severity, ends) in
        [(596, 21, true), (596, 16, true), (0, 20, true), (824, 24, true), (1205, 13, false), (229, 14, false)]
    {
        assert_eq!(ends_session(number, severity), ends, "{number}, {severity}");
    }
}

#[test]
fn what_the_wire_must_be_never_falls_back() {
    let ca = CaBundle::from_pem("-----BEGIN CERTIFICATE-----").unwrap();
    for (tls, encryption, bypass, extra, name) in [
        (Tls::Disable, "NotSupported", false, 0, true),
        (Tls::Require, "Required", true, 0, false),
        (Tls::VerifyCa(Some(ca.clone())), "Required", false, 1, false),
        (Tls::VerifyCa(None), "Required", false, 0, false),
        (Tls::VerifyFull(Some(ca)), "Required", false, 1, false),
        (Tls::default(), "Required", false, 0, false),
    ] {
        let shown = format!("{:?}", config(&source(tls.clone()), "u", &Secret::new("p".into())).unwrap());
        assert!(shown.contains(&format!("encryption: {encryption},")), "{tls:?}: {shown}");
        assert!(shown.contains(&format!("bypass: {bypass}")), "{tls:?}: {shown}");
        assert_eq!(shown.matches("Bundle {").count(), extra, "{tls:?}: {shown}");
        // Roots of the operating system, and what an environment variable names for them, are nobody's business.
        assert_eq!(shown.contains("WebpkiRoots"), !bypass, "{tls:?}: {shown}");
        assert_eq!(shown.contains("hostname_in_certificate: Some"), name, "{tls:?}: {shown}");
        assert!(shown.contains("db.internal") && shown.contains("1434") && shown.contains("sales"), "{shown}");
        assert!(shown.contains("handshake_timeout: None") && shown.contains("command_timeout: None"), "{shown}");
    }
}

#[test]
fn an_instance_has_no_port() {
    let mut named = source(Tls::Require);
    named.endpoint.instance = Some("REPORTS".into());
    let shown = format!("{:?}", config(&named, "u", &Secret::new("p".into())).unwrap());
    assert!(shown.contains("port: None") && shown.contains("instance_name: Some(\"REPORTS\")"), "{shown}");
    let mut oracle = source(Tls::Require);
    oracle.endpoint.target = Target::Service("XE".into());
    assert_eq!(config(&oracle, "u", &Secret::new("p".into())).unwrap_err().kind(), ErrorKind::InvalidConfig);
}

#[test]
fn what_the_server_says_of_itself_is_read() {
    let facts = |edition: &str, collation: &str, id: &str, updateability: &str, by: &str| {
        let row = [edition, "16.0.4135.4", collation, "sales", id, "dzconn", "dbo", updateability, by];
        Facts::new(&row.map(str::to_owned))
    };
    let plain = facts("3", "SQL_Latin1_General_CP1_CI_AS", "5", "READ_WRITE", "1");
    assert!(
        plain.folds && !plain.azure && !plain.makes_contained() && !plain.is_in_system_database() && !plain.read_only
    );
    assert!(plain.same("Sales", "sALES") && !plain.same("sales", "sale"));
    let strict = facts("3", "Latin1_General_100_BIN2", "1", "READ_ONLY", "0");
    assert!(!strict.folds && strict.is_in_system_database() && strict.read_only && !strict.same("Sales", "sales"));
    let cased = facts("3", "Latin1_General_CS_AS_KS_WS", "5", "READ_WRITE", "");
    assert!(!cased.folds && !cased.has_contained_admin());
    assert!(facts("5", "SQL_Latin1_General_CP1_CI_AS", "5", "READ_WRITE", "1").makes_contained());
    assert!(!facts("8", "SQL_Latin1_General_CP1_CI_AS", "5", "READ_WRITE", "1").makes_contained());
    let contained = facts("3", "SQL_Latin1_General_CP1_CI_AS", "7", "READ_WRITE", "7");
    assert!(contained.has_contained_admin() && contained.makes_contained() && !contained.azure);
}
