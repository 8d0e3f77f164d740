//! What admins with less than all privileges meet, and what kinds of servers mean, against a simulator that was written from
//! Oracle's documentation. The table of the crate's front page is checked here, row by row.

// Tests panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod drops;
mod grants;
mod lab;

use std::sync::Arc;
use std::time::Duration;

use dzconn_core::engine::{Created, Lock, Login as LoggedIn, Reads};
use dzconn_core::model::{AdminLogin, AssetPath, Target};
use dzconn_core::{EngineConnector, ErrorKind, Secret};
use dzconn_oracle_simulator::{Options, Simulator, Version};

use lab::{Lab, SECOND, deadline, is, key, v19};

#[tokio::test]
async fn with_all_of_them_everything_works() {
    let lab = Lab::new(v19(), &[]);
    let mut admin = lab.admin().await;
    let (user, jobs) = (lab.credentials("DZ_U"), lab.table("JOBS"));
    assert_eq!(admin.lock(&key(), SECOND, SECOND).await.unwrap(), Lock::Held);
    assert_eq!(admin.resolve(&AssetPath::new("dzpdb.hr.jobs").unwrap()).await.unwrap(), jobs);
    assert_eq!(admin.create_user(&user).await.unwrap(), Created::New);
    admin.grant(&user.user, &jobs, &[]).await.unwrap();
    assert!(matches!(admin.reads(&user.user, &jobs).await.unwrap(), Reads::Yes(_)));
    assert_eq!(admin.excess(&user.user, std::slice::from_ref(&jobs), 9).await.unwrap(), [""; 0]);
    admin.drop_user(&user.user).await.unwrap();
    admin.close().await.unwrap();
}

#[tokio::test]
async fn without_create_alter_or_drop_user() {
    for (lacking, advice) in [
        ("CREATE USER", "GRANT CREATE USER TO \"DZ\""),
        ("CREATE SESSION", "CREATE SESSION TO \"DZ\" WITH ADMIN OPTION"),
    ] {
        let lab = Lab::new(v19(), &[lacking]);
        let error = lab.admin().await.create_user(&lab.credentials("DZ_U")).await.unwrap_err();
        is(&error, ErrorKind::AdminDenied, Some("ORA-01031"), advice);
        assert!(!format!("{error:?}").contains("User-0815"));
    }
    let lab = Lab::new(v19(), &["ALTER USER", "DROP USER"]);
    let (mut admin, user) = (lab.admin().await, lab.credentials("DZ_U"));
    admin.create_user(&user).await.unwrap();
    is(&admin.set_password(&user).await.unwrap_err(), ErrorKind::AdminDenied, Some("ORA-01031"), "GRANT ALTER USER");
    is(&admin.drop_user(&user.user).await.unwrap_err(), ErrorKind::AdminDenied, Some("ORA-01031"), "GRANT ALTER USER");
    lab.sys("GRANT ALTER USER TO dz");
    is(&admin.drop_user(&user.user).await.unwrap_err(), ErrorKind::AdminDenied, Some("ORA-01031"), "GRANT DROP USER");
    assert_eq!(lab.log_in(&user).await, LoggedIn::Refused);
}

#[tokio::test]
async fn a_profile_that_is_missing_is_made_and_one_that_is_there_is_left() {
    let lab = Lab::new(v19(), &["CREATE PROFILE"]);
    let (mut admin, user) = (lab.admin().await, lab.credentials("DZ_U"));
    let error = admin.create_user(&user).await.unwrap_err();
    is(
        &error,
        ErrorKind::AdminDenied,
        Some("ORA-01031"),
        "CREATE PROFILE \"DZCONN\" LIMIT PASSWORD_LIFE_TIME UNLIMITED",
    );
    assert!(!admin.user_exists(&user.user).await.unwrap());
    // What the advice says is enough, with whatever limit.
    lab.sys("CREATE PROFILE dzconn LIMIT PASSWORD_LIFE_TIME 90");
    assert_eq!(admin.create_user(&user).await.unwrap(), Created::New);
    let other = lab.engine().profile("DEFAULT");
    let mut admin = other.connect(&lab.source, deadline()).await.unwrap();
    assert_eq!(admin.create_user(&lab.credentials("DZ_V")).await.unwrap(), Created::New);
    let unnamed = lab.engine().profile("a\"b").connect(&lab.source, deadline()).await.unwrap_err();
    assert_eq!(unnamed.kind(), ErrorKind::InvalidConfig);
    // Without a view of the profiles, the server's number is what tells.
    let lab = Lab::new(v19(), &["SELECT_CATALOG_ROLE"]);
    assert_eq!(lab.admin().await.create_user(&lab.credentials("DZ_U")).await.unwrap(), Created::New);
}

#[tokio::test]
async fn without_the_package_of_the_lock() {
    let lab = Lab::new(v19(), &["DBMS_LOCK"]);
    let error = lab.admin().await.lock(&key(), SECOND, SECOND).await.unwrap_err();
    is(&error, ErrorKind::AdminDenied, Some("ORA-06550"), "as SYS: GRANT EXECUTE ON SYS.DBMS_LOCK TO \"DZ\"");
    let lab = Lab::new(v19().rds(), &["DBMS_LOCK", "ALTER SYSTEM"]);
    lab.sys("GRANT EXECUTE ON rdsadmin.rdsadmin_util TO dz");
    let error = lab.admin().await.lock(&key(), SECOND, SECOND).await.unwrap_err();
    is(
        &error,
        ErrorKind::AdminDenied,
        Some("ORA-06550"),
        "rdsadmin_util.grant_sys_object('DBMS_LOCK', 'DZ', 'EXECUTE')",
    );
}

#[tokio::test]
async fn who_waits_in_vain_is_told_whom_to_end() {
    let lab = Lab::new(v19(), &[]);
    let (mut one, mut other) = (lab.admin().await, lab.admin().await);
    one.lock(&key(), SECOND, SECOND).await.unwrap();
    let error = other.lock(&key(), Duration::ZERO, SECOND).await.unwrap_err();
    is(&error, ErrorKind::LockTimeout, None, "ALTER SYSTEM KILL SESSION '");
    let advice = error.advice().unwrap();
    let statement = advice.split_once("ALTER SYSTEM").unwrap().1.split_once(" frees").unwrap().0;
    lab.sys(&format!("ALTER SYSTEM{statement}"));
    assert_eq!(other.lock(&key(), SECOND, SECOND).await.unwrap(), Lock::Held);
    let error = one.create_user(&lab.credentials("DZ_U")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionLost, "{error:?}");
}

#[tokio::test]
async fn without_the_grant_option_on_a_table() {
    let lab = Lab::new(v19(), &["hr.jobs"]);
    let (mut admin, user, jobs) = (lab.admin().await, lab.credentials("DZ_U"), lab.table("JOBS"));
    admin.create_user(&user).await.unwrap();
    let error = admin.grant(&user.user, &jobs, &[]).await.unwrap_err();
    // The catalog shows that the table is there.
    is(
        &error,
        ErrorKind::NoGrantOption,
        Some("ORA-00942"),
        "GRANT READ ON \"HR\".\"JOBS\" TO \"DZ\" WITH GRANT OPTION",
    );
    lab.sys("GRANT READ ON hr.jobs TO dz");
    let error = admin.grant(&user.user, &jobs, &[]).await.unwrap_err();
    is(&error, ErrorKind::NoGrantOption, Some("ORA-01031"), "have \"HR\" or a DBA run");
    lab.sys("GRANT GRANT ANY OBJECT PRIVILEGE TO dz");
    admin.grant(&user.user, &jobs, &[]).await.unwrap();
    // Which counts as the owner's grant, and goes in the same way.
    admin.revoke(&user.user, std::slice::from_ref(&jobs)).await.unwrap();
    assert_eq!(admin.reads(&user.user, &jobs).await.unwrap(), Reads::No);
    // Without the catalog nothing tells a table from none.
    let lab = Lab::new(v19(), &["hr.jobs", "SELECT_CATALOG_ROLE"]);
    let mut admin = lab.admin().await;
    admin.create_user(&user).await.unwrap();
    let error = admin.grant(&user.user, &jobs, &[]).await.unwrap_err();
    is(&error, ErrorKind::TableNotFound, Some("ORA-00942"), "check that the table exists");
}

#[tokio::test]
async fn a_view_whose_owner_may_not_pass_on_what_is_below() {
    let lab = Lab::new(v19(), &[]);
    lab.sys("CREATE USER pay IDENTIFIED BY \"Owner-12\" QUOTA UNLIMITED ON users");
    lab.sys("CREATE TABLE pay.salaries (n NUMBER)");
    lab.sys("GRANT SELECT ON pay.salaries TO hr");
    lab.sys("CREATE VIEW hr.money AS SELECT n FROM pay.salaries");
    lab.sys("GRANT GRANT ANY OBJECT PRIVILEGE TO dz");
    let (mut admin, user) = (lab.admin().await, lab.credentials("DZ_U"));
    admin.create_user(&user).await.unwrap();
    let error = admin.grant(&user.user, &lab.table("MONEY"), &[]).await.unwrap_err();
    is(&error, ErrorKind::NoGrantOption, Some("ORA-01720"), "TO \"HR\" WITH GRANT OPTION");
}

#[tokio::test]
async fn without_the_catalog() {
    let lab = Lab::new(v19(), &["SELECT_CATALOG_ROLE"]);
    let (mut admin, user, jobs) = (lab.admin().await, lab.credentials("DZ_U"), lab.table("JOBS"));
    assert_eq!(admin.resolve(&AssetPath::new("dzpdb.hr.jobs").unwrap()).await.unwrap(), jobs, "it has a right on it");
    admin.create_user(&user).await.unwrap();
    admin.grant(&user.user, &jobs, &[]).await.unwrap();
    let Reads::CannotTell(needs) = admin.reads(&user.user, &jobs).await.unwrap() else { panic!("it cannot") };
    assert!(needs.contains("GRANT SELECT_CATALOG_ROLE TO \"DZ\""), "{needs}");
    let found = admin.excess(&user.user, &[], 9).await.unwrap();
    assert!(found.len() == 1 && found[0].contains("cannot be told"), "{found:?}");
    is(&admin.granted(&user.user).await.unwrap_err(), ErrorKind::AdminDenied, Some("ORA-00942"), "SELECT_CATALOG_ROLE");
    let engine = lab.engine();
    let reads = engine.log_in(&lab.source, &user, Some(&jobs), deadline()).await.unwrap();
    assert!(matches!(reads, LoggedIn::In(Some(Reads::Yes(_)))), "{reads:?}");
    for _ in 0..2 {
        admin.revoke(&user.user, std::slice::from_ref(&jobs)).await.unwrap();
    }
    let reads = engine.log_in(&lab.source, &user, Some(&jobs), deadline()).await.unwrap();
    assert_eq!(reads, LoggedIn::In(Some(Reads::No)));
}

#[tokio::test]
async fn servers_that_cannot_do_it_are_told_at_once() {
    for (options, advice) in [(v19().root(), "pluggable database"), (Options::new(Version::V11), "12.1 and later")] {
        let simulator = Simulator::new(options);
        let mut source = Lab::new(v19(), &[]).source;
        let (login, _) = simulator
            .url()
            .trim_start_matches("oracle://")
            .split_once('@')
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .unwrap();
        let (user, password) = login.split_once(':').unwrap();
        source.admin = AdminLogin { user: user.into(), password: Secret::new(password.into()) };
        let engine = dzconn_oracle::connector().driver(Arc::new(simulator));
        let error = engine.connect(&source, deadline()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error:?}");
        assert!(error.advice().unwrap().contains(advice), "{error:?}");
    }
}

#[tokio::test]
async fn a_password_that_the_profile_rejects() {
    let lab = Lab::new(v19().verify_passwords(), &[]);
    let (mut admin, mut user) = (lab.admin().await, lab.credentials("DZ_U"));
    user.password = Secret::new("short".into());
    let error = admin.create_user(&user).await.unwrap_err();
    is(&error, ErrorKind::PasswordRejected, Some("ORA-28003"), "PASSWORD_VERIFY_FUNCTION");
    assert!(!admin.user_exists(&user.user).await.unwrap());
    user.password = Secret::new("with\"quote-1".into());
    let error = admin.create_user(&user).await.unwrap_err();
    is(&error, ErrorKind::PasswordRejected, None, "double quotation marks");
    let lab = Lab::new(v19(), &[]);
    user.password = Secret::new("A-1234567890123456789012345678x".into());
    let error = lab.admin().await.create_user(&user).await.unwrap_err();
    is(&error, ErrorKind::PasswordRejected, Some("ORA-00972"), "30 bytes");
}

#[tokio::test]
async fn a_role_may_have_the_name() {
    let lab = Lab::new(v19(), &[]);
    lab.sys("CREATE ROLE \"DZ_U\"");
    let error = lab.admin().await.create_user(&lab.credentials("DZ_U")).await.unwrap_err();
    is(&error, ErrorKind::Unexpected, Some("ORA-01920"), "drop the role");
}

#[tokio::test]
async fn what_a_user_owns_is_named_and_stays() {
    let lab = Lab::new(v19(), &[]);
    let (mut admin, user) = (lab.admin().await, lab.credentials("DZ_U"));
    admin.create_user(&user).await.unwrap();
    lab.sys("ALTER USER \"DZ_U\" QUOTA UNLIMITED ON users");
    lab.sys("CREATE TABLE \"DZ_U\".\"Notes\" (n NUMBER)");
    for _ in 0..2 {
        let error = admin.drop_user(&user.user).await.unwrap_err();
        is(&error, ErrorKind::UserOwnsObjects, Some("ORA-01922"), "move or drop");
        assert!(error.to_string().contains("table \"Notes\""), "{error}");
        assert_eq!(lab.log_in(&user).await, LoggedIn::Refused);
    }
    let found = admin.excess(&user.user, &[], 9).await.unwrap();
    assert!(found.iter().any(|line| line.contains("owns the table \"Notes\"")), "{found:?}");
    lab.sys("DROP TABLE \"DZ_U\".\"Notes\" PURGE");
    admin.drop_user(&user.user).await.unwrap();
}

#[tokio::test]
async fn what_the_dictionary_is_not_for() {
    let lab = Lab::new(v19(), &[]);
    let mut admin = lab.admin().await;
    // Oracle's own are not found, whatever the admin sees.
    for path in ["dzpdb.SYS.USER$", "dzpdb.SYS.DBA_USERS", "elsewhere.HR.JOBS"] {
        let error = admin.resolve(&AssetPath::new(path).unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TableNotFound, "{path}");
    }
    let error = admin.resolve(&AssetPath::new("elsewhere.HR.JOBS").unwrap()).await.unwrap_err();
    is(&error, ErrorKind::TableNotFound, None, "service.schema.table; the database's names are dzpdb");
}

#[tokio::test]
async fn the_server_says_why_an_admin_is_not_let_in() {
    let lab = Lab::new(v19(), &[]);
    let connect = async |statement: &str, target: Option<Target>| {
        if !statement.is_empty() {
            lab.sys(statement);
        }
        let mut source = lab.source.clone();
        source.endpoint.target = target.unwrap_or(source.endpoint.target);
        lab.engine().connect(&source, deadline()).await.unwrap_err()
    };
    let gone = Some(Target::Service("gone".into()));
    is(&connect("", gone).await, ErrorKind::Unreachable, Some("ORA-12514"), "service name");
    let gone = Some(Target::Sid("gone".into()));
    is(&connect("", gone).await, ErrorKind::Unreachable, Some("ORA-12505"), "SID");
    let locked = connect("ALTER USER dz ACCOUNT LOCK", None).await;
    is(&locked, ErrorKind::AdminLoginRefused, Some("ORA-28000"), "UNLOCK");
    lab.sys("ALTER USER dz ACCOUNT UNLOCK");
    let unconnected = connect("REVOKE CREATE SESSION FROM dz", None).await;
    is(&unconnected, ErrorKind::AdminLoginRefused, Some("ORA-01045"), "GRANT CREATE SESSION");
    let expired = connect("ALTER USER dz PASSWORD EXPIRE", None).await;
    is(&expired, ErrorKind::AdminLoginRefused, Some("ORA-28001"), "new password");
}
