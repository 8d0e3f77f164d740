//! Names and literals of any kind, and what reaches the server's log.

use dzconn_core::engine::{Created, Login, Reads};
use dzconn_core::model::{AssetPath, TableName};
use dzconn_core::{ErrorKind, Secret, SourceEngine};

use crate::lab::{Lab, PASSWORD, name, shown};

rules![
    hostile_names_work_and_inject_nothing,
    wildcards_in_a_database_name_are_literal,
    the_servers_sql_mode_does_not_matter,
    a_path_finds_the_exact_name_or_the_only_one,
    names_that_a_collation_takes_for_equal_are_told_apart,
    long_user_names_are_refused,
    no_log_of_the_server_holds_a_password,
];

const HOSTILE: [&str; 12] = [
    "back`tick",
    "qu'ote",
    "dou\"ble",
    "sp ace",
    "do.t",
    "back\\slash",
    "Ünïcödé名",
    "select",
    "per%cent_under",
    "semi;-- #/*",
    "`; DROP DATABASE mysql; --",
    "'@'%' IDENTIFIED BY 'x",
];

async fn cycle(lab: &mut Lab, session: &mut Box<dyn SourceEngine>, user: &str, table: &TableName) {
    let user = lab.user_named(user);
    assert_eq!(session.create_user(&user).await.unwrap(), Created::New, "{user:?}");
    assert!(session.user_exists(&user.user).await.unwrap());
    assert_eq!(session.create_user(&user).await.unwrap(), Created::Existed);
    session.set_password(&user).await.unwrap();
    session.grant(&user.user, table, &[]).await.unwrap();
    assert!(matches!(session.reads(&user.user, table).await.unwrap(), Reads::Yes(ways) if ways.len() == 1), "{table}");
    assert!(lab.can_read(&user, table).await, "{user:?} {table}");
    assert!(lab.excess(session, &user, std::slice::from_ref(table)).await.is_empty());
    session.revoke(&user.user, std::slice::from_ref(table)).await.unwrap();
    assert!(!lab.can_read(&user, table).await);
    session.drop_user(&user.user).await.unwrap();
    assert!(!session.user_exists(&user.user).await.unwrap());
    assert_eq!(lab.login(&user, None).await, Login::Refused);
}

async fn hostile_names_work_and_inject_nothing(lab: &mut Lab) {
    let mut session = lab.session().await;
    let folds = lab.sql("SELECT @@lower_case_table_names").await[0][0] != "0";
    let longest = "x".repeat(64 - lab.prefix.len());
    for hostile in HOSTILE.into_iter().chain([longest.as_str()]) {
        let [table] = lab.tables(hostile, [hostile]).await;
        let path = AssetPath::new(table.joined()).unwrap();
        let found = session.resolve(&path).await.unwrap();
        // A server that tells no case apart writes names in its own.
        assert!(found == table || folds && found.joined().to_lowercase() == table.joined().to_lowercase(), "{found}");
        let user: String = lab.own(hostile).chars().take(32).collect();
        cycle(lab, &mut session, user.trim_end(), &table).await;
        cycle(lab, &mut session, user.trim_end(), &found).await;
    }
}

async fn wildcards_in_a_database_name_are_literal(lab: &mut Lab) {
    let [meant] = lab.tables("a_b", ["t"]).await;
    let [other] = lab.tables("axb", ["t"]).await;
    let user = lab.user("u");
    let mut session = lab.session().await;
    session.create_user(&user).await.unwrap();
    session.grant(&user.user, &meant, &[]).await.unwrap();
    assert!(lab.can_read(&user, &meant).await && !lab.can_read(&user, &other).await);
    assert_eq!(session.reads(&user.user, &other).await.unwrap(), Reads::No);
}

async fn the_servers_sql_mode_does_not_matter(lab: &mut Lab) {
    let before = lab.sql("SELECT @@GLOBAL.sql_mode").await.remove(0).remove(0);
    let [table] = lab.tables("ba\\ck`'\"", ["ta\\b'le\"`"]).await;
    for mode in ["ANSI_QUOTES,NO_BACKSLASH_ESCAPES", "NO_BACKSLASH_ESCAPES", "ANSI", "ORACLE", ""] {
        lab.sql(&format!("SET GLOBAL sql_mode = '{mode}'")).await;
        let mut session = lab.session().await;
        let mut user = lab.user("u\\'\"`\\");
        user.password = Secret::new("Ba\\ck-'quote\"_1".into());
        session.create_user(&user).await.unwrap();
        assert!(!lab.can_read(&user, &table).await, "{mode}");
        session.grant(&user.user, &table, &[]).await.unwrap();
        assert!(lab.can_read(&user, &table).await, "{mode}");
        session.drop_user(&user.user).await.unwrap();
        let nobody = lab.user("nobody");
        assert!(session.grant(&nobody.user, &table, &[]).await.is_err(), "{mode}: GRANT made a user");
        cycle(lab, &mut session, &lab.own("x\\"), &table).await;
    }
    lab.sql(&format!("SET GLOBAL sql_mode = '{before}'")).await;
}

async fn a_path_finds_the_exact_name_or_the_only_one(lab: &mut Lab) {
    if lab.sql("SELECT @@lower_case_table_names").await[0][0] != "0" {
        let [table] = lab.tables("db", ["one"]).await;
        let path = AssetPath::new(table.joined().to_uppercase()).unwrap();
        assert_eq!(lab.session().await.resolve(&path).await.unwrap(), table);
        return;
    }
    let [lower, mixed, only] = lab.tables("db", ["both", "Both", "Only"]).await;
    let [inside] = lab.tables("db", ["do.t"]).await;
    lab.sql(&format!("CREATE VIEW {}.a_view AS SELECT 1 AS one", name(lower.database()))).await;
    let mut session = lab.session().await;
    let database = lower.database().to_owned();
    let path = |text: &str| AssetPath::new(format!("{database}.{text}")).unwrap();
    assert_eq!(session.resolve(&path("both")).await.unwrap(), lower);
    assert_eq!(session.resolve(&path("Both")).await.unwrap(), mixed);
    assert_eq!(session.resolve(&path("BOTH")).await.unwrap_err().kind(), ErrorKind::TableAmbiguous);
    assert_eq!(session.resolve(&path("ONLY")).await.unwrap(), only);
    assert_eq!(session.resolve(&path("DO.T")).await.unwrap(), inside);
    assert_eq!(session.resolve(&path("a_view")).await.unwrap().name(), "a_view");
    assert_eq!(session.resolve(&path("onl_")).await.unwrap_err().kind(), ErrorKind::TableNotFound);
    // Names that differ in case alone are two tables; what happens to one leaves the other alone.
    let user = lab.user("u");
    session.create_user(&user).await.unwrap();
    session.grant(&user.user, &mixed, &[]).await.unwrap();
    session.revoke(&user.user, std::slice::from_ref(&lower)).await.unwrap();
    assert_eq!(session.reads(&user.user, &lower).await.unwrap(), Reads::No);
    session.grant(&user.user, &mixed, std::slice::from_ref(&lower)).await.unwrap();
    assert!(lab.can_read(&user, &mixed).await && !lab.can_read(&user, &lower).await);
    // A dot in a database's name may make a path ambiguous.
    let [dotted] = lab.tables("db.do", ["t"]).await;
    let error = session.resolve(&AssetPath::new(dotted.joined()).unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TableAmbiguous, "{error:?}");
}

async fn names_that_a_collation_takes_for_equal_are_told_apart(lab: &mut Lab) {
    let [plain, accented] = lab.tables("db", ["cafe", "café"]).await;
    let user = lab.user("u");
    let mut session = lab.session().await;
    session.create_user(&user).await.unwrap();
    for (one, other) in [(&plain, &accented), (&accented, &plain)] {
        assert_eq!(&session.resolve(&AssetPath::new(one.joined()).unwrap()).await.unwrap(), one);
        session.grant(&user.user, one, std::slice::from_ref(other)).await.unwrap();
        assert!(lab.can_read(&user, one).await && !lab.can_read(&user, other).await);
        assert!(matches!(session.reads(&user.user, one).await.unwrap(), Reads::Yes(_)));
        assert_eq!(session.reads(&user.user, other).await.unwrap(), Reads::No);
    }
    // So are users.
    let [small, big] = [lab.user("ue"), lab.user("uÉ")];
    session.create_user(&small).await.unwrap();
    assert!(!session.user_exists(&big.user).await.unwrap());
    assert_eq!(session.create_user(&big).await.unwrap(), Created::New);
    session.drop_user(&big.user).await.unwrap();
    assert!(session.user_exists(&small.user).await.unwrap());
}

async fn long_user_names_are_refused(lab: &mut Lab) {
    let mut session = lab.session().await;
    let longest: String = lab.own(&"é".repeat(40)).chars().take(32).collect();
    let user = lab.user_named(&longest);
    assert_eq!(session.create_user(&user).await.unwrap(), Created::New);
    assert_eq!(lab.login(&user, None).await, Login::In(None));
    let user = lab.user_named(&format!("{longest}x"));
    assert_eq!(session.create_user(&user).await.unwrap_err().kind(), ErrorKind::NameTooLong);
    let user = lab.user("trailing ");
    assert_eq!(session.create_user(&user).await.unwrap_err().kind(), ErrorKind::InvalidInput);
}

async fn no_log_of_the_server_holds_a_password(lab: &mut Lab) {
    let [table] = lab.tables("db", ["t"]).await;
    lab.sql("SET GLOBAL log_output = 'TABLE', GLOBAL general_log = ON, GLOBAL long_query_time = 0, GLOBAL slow_query_log = ON")
        .await;
    let mut session = lab.session().await;
    let user = lab.user("u");
    session.create_user(&user).await.unwrap();
    session.create_user(&user).await.unwrap();
    session.set_password(&user).await.unwrap();
    session.grant(&user.user, &table, &[]).await.unwrap();
    lab.can_read(&user, &table).await;
    let error = session.set_password(&lab.user("nobody")).await.unwrap_err();
    assert!(!shown(&error).contains(PASSWORD));
    session.drop_user(&user.user).await.unwrap();
    lab.sql("SET GLOBAL general_log = OFF, GLOBAL slow_query_log = OFF, GLOBAL long_query_time = DEFAULT, GLOBAL log_output = DEFAULT")
        .await;
    let seen = format!("'%CREATE USER%{}%'", lab.prefix);
    for (log, column) in [("general_log", "argument"), ("slow_log", "sql_text")] {
        let count = lab.sql(&format!("SELECT COUNT(*) FROM mysql.{log} WHERE {column} LIKE {seen}")).await;
        assert_ne!(count[0][0], "0", "{log} shows the statements");
        let half = &PASSWORD[..12];
        let count = lab
            .sql(&format!(
                "SELECT COUNT(*) FROM mysql.{log} WHERE {column} LIKE '%{half}%' AND {column} NOT LIKE '%NOT LIKE%'"
            ))
            .await;
        assert_eq!(count[0][0], "0", "{log}");
    }
}
