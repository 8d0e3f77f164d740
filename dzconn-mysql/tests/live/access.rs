//! Users, grants and sessions.

use dzconn_core::engine::{Created, Login, Reads};
use dzconn_core::{EngineConnector, ErrorKind, Secret};

use crate::lab::{Lab, PASSWORD, deadline, log_in_raw, name, quick, refusal, run, shown};

rules![
    open_sessions_outlive_drop_user_unless_they_are_ended,
    a_user_that_was_dropped_by_hand_loses_its_sessions_too,
    open_sessions_lose_a_table_at_once,
    revoke_reaches_a_table_that_was_dropped_and_made_again,
    revoke_of_what_is_gone_is_success,
    revoke_takes_select_and_nothing_else,
    a_user_that_exists_keeps_its_password_and_is_enabled,
    two_sessions_that_make_a_user_at_once_make_one,
    many_sessions_grant_on_one_table_at_once,
    an_account_at_another_host_is_left_alone,
    grant_takes_back_what_it_is_told_to,
    grant_needs_a_user_and_a_table,
    every_way_of_reading_is_found,
    excess_names_what_is_beyond_the_grants,
    a_password_that_expires_by_policy_does_not,
    logins_are_refused_or_fail_for_what_they_are,
    a_full_server_is_told_from_a_wrong_password,
];

async fn granted(lab: &mut Lab, table: &str) -> (dzconn_core::model::Credentials, dzconn_core::model::TableName) {
    let [table] = lab.tables("db", [table]).await;
    let user = lab.user("u");
    let mut session = lab.session().await;
    assert_eq!(session.create_user(&user).await.unwrap(), Created::New);
    session.grant(&user.user, &table, &[]).await.unwrap();
    (user, table)
}

fn read(table: &dzconn_core::model::TableName) -> String {
    format!("SELECT COUNT(*) FROM {}.{}", name(table.database()), name(table.name()))
}

async fn open_sessions_outlive_drop_user_unless_they_are_ended(lab: &mut Lab) {
    let (user, table) = granted(lab, "t").await;
    let mut clients = vec![lab.client(&user).await, lab.client(&user).await, lab.client(&user).await];
    assert_eq!(run(&mut clients[0], &read(&table)).await.unwrap(), [["3"]]);
    lab.session().await.drop_user(&user.user).await.unwrap();
    for client in &mut clients {
        assert!(run(client, "SELECT 1").await.is_err(), "a session lives on");
    }
    assert_eq!(lab.login(&user, None).await, Login::Refused);
    assert!(lab.accounts(user.user.as_str()).await.is_empty());
    let grants = lab.sql(&format!("SELECT * FROM mysql.tables_priv WHERE user = '{}'", user.user)).await;
    assert!(grants.is_empty());
    lab.session().await.drop_user(&user.user).await.unwrap();
}

async fn a_user_that_was_dropped_by_hand_loses_its_sessions_too(lab: &mut Lab) {
    let (user, _) = granted(lab, "t").await;
    let mut client = lab.client(&user).await;
    lab.sql(&format!("DROP USER '{}'@'%'", user.user)).await;
    assert!(run(&mut client, "SELECT 1").await.is_ok());
    lab.session().await.drop_user(&user.user).await.unwrap();
    assert!(run(&mut client, "SELECT 1").await.is_err());
}

async fn open_sessions_lose_a_table_at_once(lab: &mut Lab) {
    let (user, table) = granted(lab, "t").await;
    let mut client = lab.client(&user).await;
    run(&mut client, &read(&table)).await.unwrap();
    lab.session().await.revoke(&user.user, std::slice::from_ref(&table)).await.unwrap();
    assert_eq!(refusal(&run(&mut client, &read(&table)).await.unwrap_err()), 1142);
}

async fn revoke_reaches_a_table_that_was_dropped_and_made_again(lab: &mut Lab) {
    let (user, table) = granted(lab, "t").await;
    let (database, quoted) = (name(table.database()), format!("{}.{}", name(table.database()), name(table.name())));
    let mut session = lab.session().await;

    lab.sql(&format!("DROP TABLE {quoted}")).await;
    assert_eq!(session.reads(&user.user, &table).await.unwrap(), Reads::No);
    lab.sql(&format!("CREATE TABLE {quoted} (id INT)")).await;
    assert!(lab.can_read(&user, &table).await, "a table's grants outlive it");

    lab.sql(&format!("DROP DATABASE {database}")).await;
    session.revoke(&user.user, std::slice::from_ref(&table)).await.unwrap();
    lab.sql(&format!("CREATE DATABASE {database}; CREATE TABLE {quoted} (id INT)")).await;
    assert!(!lab.can_read(&user, &table).await);
    assert_eq!(session.reads(&user.user, &table).await.unwrap(), Reads::No);
}

async fn revoke_of_what_is_gone_is_success(lab: &mut Lab) {
    let [table, _] = lab.tables("db", ["t", "other"]).await;
    let (user, nobody) = (lab.user("u"), lab.user("nobody"));
    let nowhere = dzconn_core::model::TableName::in_database(lab.own("nodb"), "t").unwrap();
    let mut session = lab.session().await;
    session.create_user(&user).await.unwrap();
    for tables in [&[table.clone(), nowhere.clone()][..], &[nowhere, table][..]] {
        session.revoke(&user.user, tables).await.unwrap();
        session.revoke(&nobody.user, tables).await.unwrap();
    }
}

async fn revoke_takes_select_and_nothing_else(lab: &mut Lab) {
    let (user, table) = granted(lab, "t").await;
    let quoted = format!("{}.{}", name(table.database()), name(table.name()));
    lab.sql(&format!("GRANT INSERT, SELECT (id), UPDATE (pay) ON {quoted} TO '{}'@'%'", user.user)).await;
    let mut session = lab.session().await;
    session.revoke(&user.user, std::slice::from_ref(&table)).await.unwrap();
    assert!(!lab.can_read(&user, &table).await);
    assert_eq!(session.reads(&user.user, &table).await.unwrap(), Reads::No);
    let excess = lab.excess(&mut session, &user, &[]).await;
    assert_eq!(excess.len(), 2, "{excess:?}");
    assert!(excess[0].contains("has INSERT on") && excess[1].contains("has UPDATE on columns of"), "{excess:?}");
}

async fn a_user_that_exists_keeps_its_password_and_is_enabled(lab: &mut Lab) {
    let user = lab.user("u");
    let mut session = lab.session().await;
    assert_eq!(session.create_user(&user).await.unwrap(), Created::New);
    let mut other = user.clone();
    other.password = Secret::new("Another-password-1".into());
    lab.sql(&format!("ALTER USER '{}'@'%' ACCOUNT LOCK", user.user)).await;
    assert_eq!(lab.login(&user, None).await, Login::Refused);
    assert_eq!(session.create_user(&other).await.unwrap(), Created::Existed);
    assert_eq!(lab.login(&user, None).await, Login::In(None));
    assert_eq!(lab.login(&other, None).await, Login::Refused);
    session.set_password(&other).await.unwrap();
    session.set_password(&other).await.unwrap();
    assert_eq!(lab.login(&other, None).await, Login::In(None));
    let error = session.set_password(&lab.user("nobody")).await.unwrap_err();
    assert!(error.detail().contains("no such user") && !shown(&error).contains(PASSWORD), "{error:?}");
}

async fn two_sessions_that_make_a_user_at_once_make_one(lab: &mut Lab) {
    for round in 0..10 {
        let user = lab.user(&round.to_string());
        let (mut one, mut two) = (lab.session().await, lab.session().await);
        let (one, two) = tokio::join!(one.create_user(&user), two.create_user(&user));
        let mut made = [one.unwrap(), two.unwrap()];
        made.sort_by_key(|created| *created == Created::Existed);
        assert_eq!(made, [Created::New, Created::Existed]);
    }
}

async fn many_sessions_grant_on_one_table_at_once(lab: &mut Lab) {
    let [table] = lab.tables("db", ["t"]).await;
    let mut runs = tokio::task::JoinSet::new();
    for number in 0..12 {
        let (user, table, mut session) = (lab.user(&number.to_string()), table.clone(), lab.session().await);
        runs.spawn(async move {
            session.create_user(&user).await.unwrap();
            for _ in 0..5 {
                session.grant(&user.user, &table, &[]).await.unwrap();
                assert!(matches!(session.reads(&user.user, &table).await.unwrap(), Reads::Yes(_)));
                session.revoke(&user.user, std::slice::from_ref(&table)).await.unwrap();
                assert_eq!(session.reads(&user.user, &table).await.unwrap(), Reads::No);
            }
            session.drop_user(&user.user).await.unwrap();
        });
    }
    while let Some(run) = runs.join_next().await {
        run.unwrap();
    }
}

async fn an_account_at_another_host_is_left_alone(lab: &mut Lab) {
    let user = lab.user("u");
    lab.sql(&format!("CREATE USER '{}'@'10.1.2.3' IDENTIFIED BY 'x'", user.user)).await;
    let mut session = lab.session().await;
    assert!(!session.user_exists(&user.user).await.unwrap());
    assert_eq!(session.create_user(&user).await.unwrap(), Created::New);
    let excess = lab.excess(&mut session, &user, &[]).await;
    assert!(excess.len() == 1 && excess[0].contains("@'10.1.2.3'"), "{excess:?}");
    session.drop_user(&user.user).await.unwrap();
    assert_eq!(lab.accounts(user.user.as_str()).await, ["10.1.2.3"]);
}

async fn grant_takes_back_what_it_is_told_to(lab: &mut Lab) {
    let [one, two, three] = lab.tables("db", ["one", "two", "three"]).await;
    let user = lab.user("u");
    let mut session = lab.session().await;
    session.create_user(&user).await.unwrap();
    session.grant(&user.user, &one, &[]).await.unwrap();
    session.grant(&user.user, &two, &[]).await.unwrap();
    session.grant(&user.user, &three, &[one.clone(), two.clone()]).await.unwrap();
    session.grant(&user.user, &three, &[one.clone(), two.clone()]).await.unwrap();
    for (table, reads) in [(&one, false), (&two, false), (&three, true)] {
        assert_eq!(lab.can_read(&user, table).await, reads, "{table}");
    }
    assert_eq!(lab.excess(&mut session, &user, &[three]).await, Vec::<String>::new());
}

async fn grant_needs_a_user_and_a_table(lab: &mut Lab) {
    let (user, table) = granted(lab, "t").await;
    let missing = dzconn_core::model::TableName::in_database(table.database(), "missing").unwrap();
    let long = dzconn_core::model::TableName::in_database(table.database(), "x".repeat(65)).unwrap();
    let nobody = lab.user("nobody");
    let mut session = lab.session().await;
    assert_eq!(session.grant(&user.user, &missing, &[]).await.unwrap_err().kind(), ErrorKind::TableNotFound);
    assert_eq!(session.grant(&user.user, &long, &[]).await.unwrap_err().kind(), ErrorKind::TableNotFound);
    let beyond = dzconn_core::model::TableName::in_database(table.database(), "t\u{1f600}").unwrap();
    assert_eq!(session.grant(&user.user, &beyond, &[]).await.unwrap_err().kind(), ErrorKind::TableNotFound);
    assert_eq!(session.reads(&user.user, &beyond).await.unwrap(), Reads::No);
    assert_eq!(lab.login(&user, Some(&beyond)).await, Login::In(Some(Reads::No)));
    let path = dzconn_core::model::AssetPath::new(beyond.joined()).unwrap();
    assert_eq!(session.resolve(&path).await.unwrap_err().kind(), ErrorKind::TableNotFound);
    session.revoke(&user.user, &[missing, beyond, long]).await.unwrap();
    let error = session.grant(&nobody.user, &table, &[]).await.unwrap_err();
    assert!(error.detail().contains("no such user"), "{error:?}");
    assert!(lab.accounts(nobody.user.as_str()).await.is_empty(), "GRANT made the user");
}

async fn every_way_of_reading_is_found(lab: &mut Lab) {
    let [table] = lab.tables("d_b", ["t"]).await;
    let user = lab.user("u");
    let mut session = lab.session().await;
    session.create_user(&user).await.unwrap();
    let (database, account) = (table.database().to_owned(), format!("'{}'@'%'", user.user));
    let [outer, inner] = [lab.own("outer"), lab.own("inner")];
    let quoted = format!("`{database}`.`t`");
    lab.sql(&format!("CREATE ROLE {outer}; CREATE ROLE {inner}; GRANT {inner} TO {outer}; GRANT {outer} TO {account}"))
        .await;
    let pattern = database.replace('_', "\\_");
    let ways = [
        (format!("SELECT ON {quoted}"), account.clone(), "SELECT, granted to"),
        (format!("SELECT (id) ON {quoted}"), account.clone(), "SELECT on some columns, granted to"),
        (format!("SELECT ON `{pattern}`.*"), account.clone(), ".*, granted to"),
        (format!("SELECT ON `{database}`.*"), account.clone(), ".*, granted to"),
        ("SELECT ON *.*".to_owned(), account.clone(), "SELECT on *.*, granted to"),
        (format!("SELECT ON {quoted}"), inner.clone(), "granted to the role"),
        (format!("SELECT ON `{database}`.*"), inner.clone(), "granted to the role"),
        (format!("SELECT ON {quoted}"), "PUBLIC".to_owned(), "granted to PUBLIC"),
    ];
    assert_eq!(session.reads(&user.user, &table).await.unwrap(), Reads::No);
    for (what, whom, expected) in ways {
        lab.sql(&format!("GRANT {what} TO {whom}")).await;
        match session.reads(&user.user, &table).await.unwrap() {
            Reads::Yes(ways) => assert!(ways.len() == 1 && ways[0].contains(expected), "{what} {whom}: {ways:?}"),
            other => panic!("{what} to {whom}: {other:?}"),
        }
        lab.sql(&format!("REVOKE {what} FROM {whom}")).await;
        assert_eq!(session.reads(&user.user, &table).await.unwrap(), Reads::No, "{what} {whom}");
    }
    // What everybody has: how MySQL once installed its database `test`.
    lab.sql(&format!("INSERT INTO mysql.db (host, db, user, select_priv) VALUES ('%', '{database}', '', 'Y')")).await;
    lab.sql("FLUSH PRIVILEGES").await;
    assert!(lab.can_read(&user, &table).await);
    assert!(
        matches!(session.reads(&user.user, &table).await.unwrap(), Reads::Yes(ways) if ways[0].contains("everybody"))
    );
}

async fn excess_names_what_is_beyond_the_grants(lab: &mut Lab) {
    let (user, table) = granted(lab, "t").await;
    let [other] = lab.tables("db", ["other"]).await;
    let mut session = lab.session().await;
    let granted = [table.clone()];
    assert!(lab.excess(&mut session, &user, &granted).await.is_empty());
    assert_eq!(lab.excess(&mut session, &user, &[]).await.len(), 1);

    let (database, account) = (name(table.database()), format!("'{}'@'%'", user.user));
    let role = lab.own("role");
    for grant in [
        format!("SELECT, DELETE ON {database}.{}", name(other.name())),
        format!("INSERT ON {database}.t"),
        format!("CREATE VIEW, EXECUTE ON {database}.*"),
        "PROCESS, RELOAD ON *.*".to_owned(),
    ] {
        lab.sql(&format!("GRANT {grant} TO {account}")).await;
    }
    lab.sql(&format!("CREATE ROLE {role}; GRANT UPDATE ON {database}.t TO {role}; GRANT {role} TO {account}")).await;
    let excess = lab.excess(&mut session, &user, &granted).await;
    for expected in [
        "has SELECT, DELETE on",
        "has INSERT on",
        "has CREATE VIEW, EXECUTE on",
        "has RELOAD, PROCESS on *.*",
        "may take the role",
        "has UPDATE on",
    ] {
        assert!(excess.iter().any(|found| found.contains(expected)), "{expected} is not in {excess:?}");
    }
    assert_eq!(excess.len(), 6, "{excess:?}");
    assert_eq!(session.excess(&user.user, &granted, 2).await.unwrap().len(), 2);
    assert!(session.excess(&user.user, &granted, 0).await.unwrap().is_empty());
}

async fn a_password_that_expires_by_policy_does_not(lab: &mut Lab) {
    let user = lab.user("u");
    lab.session().await.create_user(&user).await.unwrap();
    let shown = lab.sql(&format!("SHOW CREATE USER '{}'@'%'", user.user)).await.remove(0).remove(0);
    assert!(shown.contains("PASSWORD EXPIRE NEVER"));
}

async fn logins_are_refused_or_fail_for_what_they_are(lab: &mut Lab) {
    let user = lab.user("u");
    assert_eq!(lab.login(&user, None).await, Login::Refused, "no such user");
    let mut wrong = lab.source.clone();
    wrong.admin.password = Secret::new("wrong-password".into());
    let error = quick().connect(&wrong, deadline()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AdminLoginRefused);
    assert!(error.vendor_code().unwrap().ends_with("1045") && !shown(&error).contains("wrong-password"), "{error:?}");
    assert!(error.to_string().contains(&format!("mysql {}:{}", wrong.endpoint.host, wrong.endpoint.port)), "{error}");

    let mut nobody = lab.source.clone();
    nobody.endpoint.port = 1;
    assert_eq!(quick().connect(&nobody, deadline()).await.unwrap_err().kind(), ErrorKind::Unreachable);

    // A server that accepts and says nothing.
    let silent = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    nobody.endpoint.port = silent.local_addr().unwrap().port();
    let hasty = quick().connect_timeout(std::time::Duration::from_millis(300));
    assert_eq!(hasty.connect(&nobody, deadline()).await.unwrap_err().kind(), ErrorKind::Timeout);

    // The account's own database is not there, which keeps nobody from revoking.
    let mut elsewhere = lab.source.clone();
    elsewhere.endpoint.target = dzconn_core::model::Target::Database(lab.own("gone"));
    quick().connect(&elsewhere, deadline()).await.unwrap().close().await.unwrap();
}

async fn a_full_server_is_told_from_a_wrong_password(lab: &mut Lab) {
    let admin = lab.admin("a", &["CREATE USER ON *.*"]).await;
    lab.sql(&format!("ALTER USER '{}'@'%' WITH MAX_USER_CONNECTIONS 1", admin.admin.user)).await;
    let only = log_in_raw(&admin, &admin.admin.user, admin.admin.password.expose()).await.unwrap();
    let error = quick().connect(&admin, deadline()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooManyConnections, "{error:?}");
    drop(only);
}
