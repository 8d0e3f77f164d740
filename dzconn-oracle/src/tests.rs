//! Units: quoting, plans, paths, the table of codes, how a session comes and goes. What needs a server's answers is tested
//! against a simulator (`tests/admins`).

mod answers;
mod calls;

use std::collections::BTreeSet;
use std::time::Duration;

use dzconn_core::engine::{Action, LockKey};
use dzconn_core::model::{
    AdminLogin, ConnectionId, EnvironmentId, Source, SourceEndpoint, SourceKey, TableName, Target, Tls, UserName,
};
use dzconn_core::{EngineConnector, ErrorKind, Secret};
use proptest::prelude::*;

use crate::driver::{Bind, Login, Refusal, Trouble};
use crate::engine::Facts;
use crate::error::{TABLE, explained, kind, lost, refusal, refused_login};
use crate::sql::look::{self, Catalog};
use crate::sql::{self, Password, Profile, Read, Table, User};
use crate::{connector, testkit};

use ErrorKind as K;

fn source(tls: Tls) -> Source {
    Source {
        connection: ConnectionId::new("c").unwrap(),
        endpoint: SourceEndpoint {
            subprotocol: "oracle".to_owned(),
            host: "db.internal".to_owned(),
            port: 1521,
            instance: None,
            target: Target::Service("sales.example.com".to_owned()),
        },
        admin: AdminLogin { user: "dzconn".to_owned(), password: Secret::new("hunter2-Hunter2".to_owned()) },
        tls,
    }
}

fn key(environment: &str) -> LockKey {
    LockKey::new(&SourceKey {
        connection: ConnectionId::new("c").unwrap(),
        environment: EnvironmentId::new(environment).unwrap(),
    })
}

fn user(name: &str) -> UserName {
    UserName::new(name).unwrap()
}

fn profile() -> Profile {
    Profile::new("DZCONN").unwrap()
}

/// How Oracle reads a statement: words and signs, and what stands in double quotes. Written from "Lexical Conventions" and
/// "Database Object Naming Rules", without a look at how statements are built: there is no escape within double quotes.
fn quoted_parts(sql: &str) -> Option<(String, Vec<String>)> {
    let (mut skeleton, mut parts) = (String::new(), Vec::new());
    let mut rest = sql;
    while let Some((before, after)) = rest.split_once('"') {
        let (inside, beyond) = after.split_once('"')?;
        // Two quotation marks side by side would begin another name.
        if inside.is_empty() || beyond.starts_with('"') {
            return None;
        }
        skeleton.push_str(before);
        skeleton.push('?');
        parts.push(inside.to_owned());
        rest = beyond;
    }
    skeleton.push_str(rest);
    Some((skeleton, parts))
}

proptest! {
    #[test]
    fn names_and_passwords_are_data(
        name in "[^\0]{1,40}", owner in "[^\0]{1,20}", table in "[^\0]{1,20}", password in "[^\0]{1,30}"
    ) {
        let user_name = user(&name);
        let table_name = TableName::in_schema("db", &owner, &table).unwrap();
        let secret = Secret::new(password.clone());
        let legal = |text: &str| !text.contains('"') && text.len() <= 128;
        prop_assert_eq!(User::new(&user_name).is_ok(), legal(&name));
        prop_assert_eq!(Table::new(&table_name).is_some(), legal(&owner) && legal(&table));
        prop_assert_eq!(Password::new(&secret).is_ok(), !password.contains('"'));
        prop_assert_eq!(Profile::new(&name).is_some(), legal(&name));
        if let (Ok(user), Some(on)) = (User::new(&user_name), Table::new(&table_name)) {
            let (skeleton, parts) = quoted_parts(sql::grant(Read::Read, on, user).as_str()).unwrap();
            prop_assert_eq!(skeleton, "GRANT READ ON ?.? TO ?");
            prop_assert_eq!(parts, [owner, table, name.clone()]);
        }
        if let (Ok(user), Ok(secret)) = (User::new(&user_name), Password::new(&secret)) {
            let create = sql::create_user(user, secret, &profile());
            prop_assert!(create.is_secret());
            let (skeleton, parts) = quoted_parts(create.as_str()).unwrap();
            prop_assert_eq!(skeleton, "CREATE USER ? IDENTIFIED BY ? PROFILE ?");
            prop_assert_eq!(parts, [name, password, "DZCONN".to_owned()]);
        }
    }

    #[test]
    fn a_login_name_is_what_the_server_folds_back(name in "[A-Za-z0-9_$# .:'é-]{1,20}") {
        let user_name = user(&name);
        let written = look::login_name(User::new(&user_name).unwrap());
        let exact = written.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        if exact.is_none() {
            prop_assert!(written.chars().all(|c| c.is_ascii_alphanumeric() || "_$#".contains(c)));
        }
        let read = exact.map_or_else(|| written.to_uppercase(), str::to_owned);
        prop_assert_eq!(read, name);
    }

    #[test]
    fn every_value_of_a_query_is_bound(name in "[^\0\"]{1,20}") {
        let (user_name, table_name) = (user(&name), TableName::in_schema("db", &name, &name).unwrap());
        let (user, on) = (User::new(&user_name).unwrap(), Table::new(&table_name).unwrap());
        let marked = format!("\u{1}{name}\u{1}");
        let holders = [marked.clone()];
        for look in [
            look::find(Catalog::Dba, &marked), look::users(&marked), look::user(user), look::own_reads(Catalog::All, user, on),
            look::recycled(user, on), look::all_own_reads(Catalog::Dba, user),
            look::ways(&holders, on, true), look::privileges(&holders, true, 7), look::possessions(user, 7),
            look::present(user, on), look::sessions(user), look::owned(user, 7),
        ] {
            prop_assert!(!look.sql.as_str().contains(&marked));
            // Each placeholder once, in order.
            let text = look.sql.as_str();
            let places = text.match_indices(':').map(|(at, _)| {
                text[at + 1..].chars().take_while(char::is_ascii_digit).collect::<String>().parse::<usize>().unwrap()
            });
            prop_assert_eq!(places.collect::<Vec<_>>(), (1..=look.binds.len()).collect::<Vec<_>>());
        }
    }
}

#[test]
fn the_reference_reader_reads_as_oracle_does() {
    let read = |sql| quoted_parts(sql);
    assert_eq!(read("A \"b;\" C"), Some(("A ? C".to_owned(), vec!["b;".to_owned()])));
    assert_eq!(read("A \"b"), None);
    assert_eq!(read("A \"b\"\"c\""), None);
}

#[test]
fn no_function_that_builds_a_statement_is_forgotten() {
    let built: BTreeSet<&str> = [include_str!("sql.rs"), include_str!("sql/look.rs")]
        .into_iter()
        .flat_map(|text| text.split("\npub(crate) fn ").skip(1))
        .filter_map(|text| {
            let signature = text.split_once('{')?.0;
            let statement = ["-> Sql ", "-> Statement "].iter().any(|end| signature.ends_with(end));
            statement.then(|| signature.split('(').next()).flatten()
        })
        .collect();
    let listed: Vec<_> = testkit::statements().unwrap();
    let names: BTreeSet<&str> = listed.iter().map(|(name, _)| *name).collect();
    assert_eq!(built, names);
    assert!(built.len() > 25, "{built:?}");
    // Every name that is hostile came through.
    let grants = listed.iter().filter(|(name, _)| *name == "drop_user").count();
    assert_eq!(grants, 17);
}

#[test]
fn a_plan_shows_every_statement_on_a_line_of_its_own() {
    let (name, other) =
        (TableName::in_schema("db", "HR", "T\n\u{202e}").unwrap(), TableName::in_schema("db", "HR", "O").unwrap());
    let plan = |action| sql::plan(&action, &profile()).unwrap();
    assert_eq!(
        plan(Action::CreateUser(user("DZ_A"))),
        [
            "CREATE PROFILE \"DZCONN\" LIMIT PASSWORD_LIFE_TIME UNLIMITED INACTIVE_ACCOUNT_TIME UNLIMITED -- if there is none; \
             before 12.2 without INACTIVE_ACCOUNT_TIME",
            "CREATE USER \"DZ_A\" IDENTIFIED BY \"<password>\" PROFILE \"DZCONN\" -- if it does not exist",
            "GRANT CREATE SESSION TO \"DZ_A\"",
            "ALTER USER \"DZ_A\" ACCOUNT UNLOCK -- if it exists",
        ]
    );
    assert_eq!(
        plan(Action::Grant { user: user("DZ_A"), table: name, take_back: vec![other.clone()] }),
        [
            "GRANT READ ON \"HR\".\"T\\n\u{202e}\" TO \"DZ_A\" -- SELECT before 12.1.0.2",
            "REVOKE READ ON \"HR\".\"O\" FROM \"DZ_A\" -- if it has it",
            "REVOKE SELECT ON \"HR\".\"O\" FROM \"DZ_A\" -- if it has it",
        ]
    );
    assert_eq!(
        plan(Action::DropUser(user("DZ_A"))),
        [
            "ALTER USER \"DZ_A\" ACCOUNT LOCK -- if it exists",
            "-- REVOKE READ and SELECT on whatever \"DZ_A\" has",
            "-- ALTER SYSTEM KILL SESSION, or RDS's procedure, for each session of \"DZ_A\"",
            "DROP USER \"DZ_A\"",
        ]
    );
    let unnamed = TableName::in_schema("db", "HR", "a\"b").unwrap();
    assert_eq!(
        plan(Action::Revoke { user: user("DZ_A"), tables: vec![unnamed.clone()] }),
        ["-- nothing to take back: no table has the name db.HR.a\"b"]
    );
    let grant = Action::Grant { user: user("DZ_A"), table: unnamed, take_back: vec![] };
    assert_eq!(sql::plan(&grant, &profile()).unwrap_err().kind(), ErrorKind::TableNotFound);
    assert!(connector().profile("a\"b").statements(&source(Tls::Disable), &grant)[0].starts_with("-- invalid config"));
}

#[test]
fn the_locks_id_is_one_that_oracle_leaves_to_users() {
    for n in 0..200 {
        let id = sql::lock_id(&key(&format!("e{n}")));
        assert!((0..=1_073_741_823).contains(&id), "{id}");
    }
    assert_ne!(sql::lock_id(&key("a")), sql::lock_id(&key("b")));
    let wait = |time| match sql::lock(&key("a"), time).binds[1] {
        Bind::Number(seconds) => seconds,
        Bind::Text(_) => unreachable!("a number"),
    };
    assert_eq!(
        [Duration::ZERO, Duration::from_millis(1), Duration::from_secs(3), Duration::MAX].map(wait),
        // 32767 would be for ever.
        [0, 1, 3, 32_766]
    );
}

#[test]
fn a_change_waits_less_than_the_driver() {
    for (timeout, waits) in [(1, 1), (3, 2), (30, 20), (600, 400)] {
        let pin = sql::pin(Duration::from_secs(timeout));
        assert!(pin.as_str().ends_with(&format!("DDL_LOCK_TIMEOUT = {waits}")), "{timeout}: {pin:?}");
    }
}

#[test]
fn a_password_is_in_no_debug() {
    let secret = Secret::new("hunter2-Hunter2".to_owned());
    let name = user("U");
    let create = sql::create_user(User::new(&name).unwrap(), Password::new(&secret).unwrap(), &profile());
    let guarded = sql::guarded(&key("e"), create);
    assert!(guarded.secret);
    let login =
        Login { endpoint: source(Tls::Disable).endpoint, user: "U".to_owned(), password: secret, tls: Tls::Disable };
    for text in [format!("{guarded:?}"), format!("{:?}", guarded.binds), format!("{login:?}")] {
        assert!(!text.contains("hunter2"), "{text}");
    }
    // Nor in what is kept of a refusal.
    let error = explained(refusal(1031, "ORA-01031: hunter2-Hunter2", true), "it failed");
    assert!(!format!("{error} {error:?}").contains("hunter2"));
    let error = lost(&Refusal::new(Trouble::Server(3113), "hunter2"), true);
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}

#[test]
fn the_table_is_sorted_and_every_code_has_its_kind() {
    assert!(TABLE.is_sorted_by(|(a, ..), (b, ..)| a < b), "sorted, and no number twice");
    assert!(TABLE.iter().all(|(_, words, _)| !words.is_empty()));
    for (number, expected) in [
        (1920, K::Unexpected),
        (1918, K::Unexpected),
        (1917, K::Unexpected),
        (942, K::TableNotFound),
        (1927, K::GrantedByOther),
        (1940, K::SessionsRemain),
        (1922, K::UserOwnsObjects),
        (1031, K::AdminDenied),
        (41900, K::AdminDenied),
        (1720, K::NoGrantOption),
        (1017, K::AdminLoginRefused),
        (28000, K::AdminLoginRefused),
        (28001, K::AdminLoginRefused),
        (28002, K::AdminLoginRefused),
        (1045, K::AdminLoginRefused),
        (1005, K::AdminLoginRefused),
        (28003, K::PasswordRejected),
        (28007, K::PasswordRejected),
        (972, K::NameTooLong),
        (54, K::Contention),
        (60, K::Contention),
        (4021, K::Contention),
        (12541, K::Unreachable),
        (12514, K::Unreachable),
        (12505, K::Unreachable),
        (12545, K::Unreachable),
        (12170, K::Unreachable),
        (3113, K::ConnectionLost),
        (3114, K::ConnectionLost),
        (3135, K::ConnectionLost),
        (28, K::ConnectionLost),
        (1012, K::ConnectionLost),
        (2396, K::ConnectionLost),
        (1033, K::Unreachable),
        (1034, K::Unreachable),
        (1109, K::Unreachable),
        (18, K::TooManyConnections),
        (20, K::TooManyConnections),
        (12516, K::TooManyConnections),
        (12520, K::TooManyConnections),
        (2391, K::TooManyConnections),
        (16000, K::ReadOnly),
        (28040, K::InvalidConfig),
        (65096, K::InvalidConfig),
        (65049, K::InvalidConfig),
        (29003, K::Tls),
        (20_900, K::LockLost),
        (20_901, K::LockTimeout),
        (30, K::Unexpected),
        (31, K::SessionsRemain),
        (7, K::Unexpected),
        (12506, K::Unreachable),
        (12527, K::Unreachable),
        (12529, K::Unreachable),
        (12546, K::Unreachable),
        (4061, K::Contention),
        (4068, K::Contention),
        (603, K::ConnectionLost),
        (1041, K::ConnectionLost),
        (2392, K::ConnectionLost),
        (2394, K::ConnectionLost),
        (12592, K::ConnectionLost),
        (25402, K::ConnectionLost),
        (25408, K::ConnectionLost),
    ] {
        assert_eq!(kind(number), expected, "{number}");
    }
}

#[test]
fn a_refused_login_says_what_to_do() {
    let (source, plain) = (source(Tls::VerifyFull(None)), source(Tls::Disable));
    let error = |trouble, source| refused_login(&Refusal::new(trouble, "words"), source, "dzconn");
    for (trouble, kind, code, advice) in [
        (Trouble::Server(1017), ErrorKind::AdminLoginRefused, Some("ORA-01017"), "secret"),
        (Trouble::Server(12514), ErrorKind::Unreachable, Some("ORA-12514"), "service name"),
        (Trouble::Server(12505), ErrorKind::Unreachable, Some("ORA-12505"), "SID"),
        (Trouble::Server(1045), ErrorKind::AdminLoginRefused, Some("ORA-01045"), "CREATE SESSION"),
        (Trouble::Server(28000), ErrorKind::AdminLoginRefused, Some("ORA-28000"), "UNLOCK"),
        (Trouble::Server(28040), ErrorKind::InvalidConfig, Some("ORA-28040"), "ALLOWED_LOGON_VERSION"),
        (Trouble::Server(12660), ErrorKind::Tls, Some("ORA-12660"), "native network encryption"),
        (Trouble::Server(3113), ErrorKind::Unreachable, Some("ORA-03113"), "listener"),
        (Trouble::Server(12516), ErrorKind::TooManyConnections, Some("ORA-12516"), "PROCESSES"),
        (Trouble::Unreachable, ErrorKind::Unreachable, None, "security groups"),
        (Trouble::Tls, ErrorKind::Tls, None, "TCPS"),
        (Trouble::Silent, ErrorKind::Timeout, None, "listener"),
        (Trouble::NoClient, ErrorKind::InvalidConfig, Some("DPI-1047"), "feature `thin`"),
    ] {
        let error = error(trouble, &source);
        assert_eq!((error.kind(), error.vendor_code()), (kind, code), "{trouble:?}");
        assert!(error.advice().unwrap().contains(advice), "{trouble:?}: {:?}", error.advice());
        assert!(error.to_string().contains("db.internal:1521"), "{error}");
    }
    // Who hangs up may be there again in a moment.
    let hung_up = error(Trouble::Lost, &source);
    assert_eq!(hung_up.kind(), ErrorKind::Unreachable);
    assert!(hung_up.is_retryable() && hung_up.advice().unwrap().contains("PROTOCOL=TCPS"), "{hung_up:?}");
    for closed in [28_864, 28_865] {
        let error = error(Trouble::Server(closed), &source);
        assert_eq!(error.kind(), ErrorKind::Unreachable, "{closed}");
        assert!(error.advice().unwrap().contains("PROTOCOL=TCPS"), "{error:?}");
    }
    assert_eq!(error(Trouble::Lost, &plain).kind(), ErrorKind::Unreachable);
    assert_eq!(error(Trouble::Config, &plain).kind(), ErrorKind::InvalidConfig);
}

fn facts(rows: &[(&str, &str)], tls: Tls) -> dzconn_core::Result<Facts> {
    let rows: Vec<_> = rows.iter().map(|(fact, value)| vec![(*fact).to_owned(), (*value).to_owned()]).collect();
    Facts::new(&rows, &source(tls))
}

#[test]
fn what_the_server_says_of_itself_decides() {
    let usual = [
        ("user", "DZCONN"),
        ("protocol", "tcp"),
        ("container", "PDB1"),
        ("service", "sales.example.com"),
        ("version", "19.0.0.0.0"),
    ];
    let with = |fact: &str, value: &str, tls| {
        let mut rows: Vec<(&str, &str)> = usual.iter().filter(|(name, _)| *name != fact).copied().collect();
        rows.push((fact, value));
        facts(&rows, tls)
    };
    let found = facts(&usual, Tls::Disable).unwrap();
    assert_eq!((found.read, found.schemas, found.admin.as_str()), (Read::Read, false, "\"DZCONN\""));
    assert_eq!(found.database, "sales.example.com");
    assert!(with("version", "23.6.0.24.10", Tls::Disable).unwrap().schemas);
    assert!(found.inactivity && with("version", "12.2.0.1.0", Tls::Disable).unwrap().inactivity);
    assert!(!with("version", "12.1.0.2.0", Tls::Disable).unwrap().inactivity);
    assert_eq!(with("version", "12.1.0.2.0", Tls::Disable).unwrap().read, Read::Read);
    assert_eq!(with("version", "12.1.0.1.0", Tls::Disable).unwrap().read, Read::Select);
    for (fact, value, tls, kind) in [
        ("version", "11.2.0.4.0", Tls::Disable, ErrorKind::InvalidConfig),
        ("version", "", Tls::Disable, ErrorKind::InvalidConfig),
        ("container", "CDB$ROOT", Tls::Disable, ErrorKind::InvalidConfig),
        ("protocol", "tcp", Tls::VerifyFull(None), ErrorKind::Tls),
        ("protocol", "", Tls::Require, ErrorKind::Tls),
    ] {
        let error = with(fact, value, tls).unwrap_err();
        assert_eq!(error.kind(), kind, "{fact} {value}");
        assert!(error.advice().is_some());
    }
    assert!(with("protocol", "tcps", Tls::VerifyFull(None)).is_ok());
    assert_eq!(with("rds", "RDSADMIN_UTIL", Tls::Disable).unwrap().kill, sql::Kill::Rds);
    let error = with("container", "CDB$ROOT", Tls::Disable).unwrap_err();
    assert!(error.advice().unwrap().contains("pluggable"));
}

#[test]
fn a_path_may_call_the_database_by_any_of_its_names() {
    let rows =
        [("container", "PDB1"), ("service", "s"), ("database", "ORCL"), ("instance", "s"), ("version", "19.0.0.0.0")];
    let found = facts(&rows, Tls::Disable).unwrap();
    let below = |path: &str| found.below_database(path).into_iter().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(below("sales.example.com.HR.T"), ["HR.T"]);
    assert_eq!(below("SALES.Example.com.HR.T"), ["HR.T"]);
    assert_eq!(below("orcl.HR.T"), ["HR.T"]);
    assert_eq!(below("pdb1.HR.a.b"), ["HR.a.b"]);
    assert_eq!(below("S.HR.T"), ["HR.T"], "a name that is there twice is one");
    assert_eq!(below("pdb.HR.T"), [""; 0]);
    assert_eq!(below("pdb1x.HR.T"), [""; 0]);
    assert_eq!(below("é.HR.T"), [""; 0]);
    let descriptor = Target::Descriptor(
        "(DESCRIPTION = (ADDRESS=(PROTOCOL=TCP)(HOST=h)(PORT=1)) (CONNECT_DATA=(SERVICE_NAME = pay.roll )))".to_owned(),
    );
    let source = Source {
        endpoint: SourceEndpoint { target: descriptor, ..source(Tls::Disable).endpoint },
        ..source(Tls::Disable)
    };
    let found = Facts::new(&[vec!["version".to_owned(), "19".to_owned()]], &source).unwrap();
    assert_eq!(found.database, "pay.roll");
}

#[test]
fn names_are_folded_to_upper_case_once() {
    let connector = connector();
    let folded = connector.fold_user_name(user("dz_aé"));
    assert_eq!(folded.as_str(), "DZ_AÉ");
    assert_eq!(connector.fold_user_name(folded.clone()), folded);
}
