//! Several databases of one server, and contained users.

use dzconn_core::ErrorKind;
use dzconn_core::engine::{Created, Login, Reads};
use dzconn_core::model::{AdminLogin, AssetPath, Source, TableName, Target};

use crate::lab::{Lab, PASSWORD, log_in_raw, name, quoted, run, session, text};

rules![
    a_login_reads_tables_of_several_databases,
    every_database_that_has_the_user_is_swept,
    a_login_that_is_made_again_is_its_users,
    a_user_of_a_strange_login_that_is_gone_is_replaced,
    a_database_that_is_missing_or_closed,
    a_session_in_a_system_database_makes_no_user_there,
    contained_users_come_and_go,
    a_contained_user_that_is_there_is_used,
    only_its_own_databases_sessions_end_with_a_contained_user,
];

fn into(source: &Source, database: &str) -> Source {
    let mut source = source.clone();
    source.endpoint.target = Target::Database(database.to_owned());
    source
}

async fn a_login_reads_tables_of_several_databases(lab: &mut Lab) {
    let [here] = lab.tables(["t"]).await;
    let other = lab.another("other]'x").await;
    let [there, third] = lab.tables_in(&other, ["t", "third"]).await;
    let user = lab.reader("u]'x", &[&here]).await;
    let mut session = lab.session().await;
    assert_eq!(session.resolve(&AssetPath::new(there.joined().to_uppercase()).unwrap()).await.unwrap(), there);
    assert_eq!(session.reads(&user.user, &there).await.unwrap(), Reads::No);
    session.grant(&user.user, &there, &[]).await.unwrap();
    session.grant(&user.user, &there, std::slice::from_ref(&third)).await.unwrap();
    assert!(matches!(session.reads(&user.user, &there).await.unwrap(), Reads::Yes(_)));
    let mut granted = session.granted(&user.user).await.unwrap();
    granted.sort();
    assert_eq!(granted, [here.clone(), there.clone()]);
    assert_eq!(session.excess(&user.user, &granted, 100).await.unwrap(), Vec::<String>::new());
    let excess = session.excess(&user.user, std::slice::from_ref(&here), 100).await.unwrap();
    assert!(excess.len() == 1 && excess[0].contains("[dbo].[t] in [") && excess[0].contains("other"), "{excess:?}");
    for (table, reads) in [(&here, true), (&there, true), (&third, false)] {
        assert_eq!(lab.can_read(&user, table).await, reads, "{table}");
    }
    let mut client = lab.client(&user).await;
    run(&mut client, &format!("SELECT COUNT(*) FROM {}", quoted(&there))).await.unwrap();
    session.revoke(&user.user, std::slice::from_ref(&there)).await.unwrap();
    assert!(run(&mut client, &format!("SELECT COUNT(*) FROM {}", quoted(&there))).await.is_err());
    assert!(lab.can_read(&user, &here).await && !lab.can_read(&user, &there).await);
}

async fn every_database_that_has_the_user_is_swept(lab: &mut Lab) {
    let other = lab.another("other").await;
    let third = lab.another("third").await;
    let [there] = lab.tables_in(&other, ["t"]).await;
    let user = lab.reader("u", &[&there]).await;
    // Under another name, which dzconn did not make, and which is the same login's all the same.
    lab.sql_in(&third, &format!("CREATE USER alias FOR LOGIN {}", name(user.user.as_str()))).await;
    lab.session().await.drop_user(&user.user).await.unwrap();
    for database in [lab.database.clone(), other, third] {
        let left = format!(
            "SELECT name FROM {}.sys.database_principals WHERE name IN ({}, N'alias')",
            name(&database),
            text(user.user.as_str())
        );
        assert!(lab.sql(&left).await.is_empty(), "{database}");
    }
    assert_eq!(lab.principals(&user).await, 0);
}

/// As on a replica to which the databases came, and the logins did not.
async fn a_login_that_is_made_again_is_its_users(lab: &mut Lab) {
    let [table] = lab.tables(["t"]).await;
    let user = lab.reader("u", &[&table]).await;
    lab.drop_login(&user).await;
    let mut session = lab.session().await;
    assert!(!session.user_exists(&user.user).await.unwrap());
    assert_eq!(session.reads(&user.user, &table).await.unwrap(), Reads::No);
    assert_eq!(session.create_user(&user).await.unwrap(), Created::New);
    assert!(lab.can_read(&user, &table).await);
    assert_eq!(session.granted(&user.user).await.unwrap(), std::slice::from_ref(&table));
    // And one that stands alone is swept away.
    lab.drop_login(&user).await;
    session.drop_user(&user.user).await.unwrap();
    assert_eq!(lab.principals(&user).await, 0);
    // Somebody else's login may have its security id: then the server chooses one.
    assert_eq!(session.create_user(&user).await.unwrap(), Created::New);
    let renamed = lab.own("renamed");
    lab.sql(&format!("ALTER LOGIN {} WITH NAME = {}", name(user.user.as_str()), name(&renamed))).await;
    lab.sql(&format!("DROP USER {}", name(user.user.as_str()))).await;
    assert_eq!(session.create_user(&user).await.unwrap(), Created::New);
    assert_eq!(lab.login(&user, None).await, Login::In(None));
}

async fn a_user_of_a_strange_login_that_is_gone_is_replaced(lab: &mut Lab) {
    let [table, old] = lab.tables(["t", "old"]).await;
    let user = lab.user("u");
    let u = name(user.user.as_str());
    lab.sql(&format!("CREATE LOGIN {u} WITH PASSWORD = {}", text(PASSWORD))).await;
    lab.sql(&format!("CREATE USER {u} FOR LOGIN {u}")).await;
    lab.sql(&format!("GRANT SELECT ON dbo.old TO {u}")).await;
    lab.drop_login(&user).await;
    let mut session = lab.session().await;
    assert!(!session.user_exists(&user.user).await.unwrap());
    assert_eq!(session.create_user(&user).await.unwrap(), Created::New);
    session.grant(&user.user, &table, &[]).await.unwrap();
    assert!(lab.can_read(&user, &table).await);
    assert!(!lab.can_read(&user, &old).await, "what the former one had is gone");
}

async fn a_database_that_is_missing_or_closed(lab: &mut Lab) {
    let [table] = lab.tables(["t"]).await;
    let closed = lab.another("closed").await;
    let [inside] = lab.tables_in(&closed, ["t"]).await;
    let missing = TableName::in_schema(lab.own("missing"), "dbo", "t").unwrap();
    let user = lab.reader("u", &[&table]).await;
    let admin = lab.documented_admin("a").await;
    let mut session = session(&admin).await;
    let error = session.grant(&user.user, &missing, &[]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TableNotFound, "{error:?}");
    assert_eq!(session.reads(&user.user, &missing).await.unwrap(), Reads::No);
    session.revoke(&user.user, std::slice::from_ref(&missing)).await.unwrap();
    assert_eq!(lab.login(&user, Some(&missing)).await, Login::In(Some(Reads::No)));

    let error = session.grant(&user.user, &inside, &[]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AdminDenied, "{error:?}");
    let admin_name = name(&admin.admin.user);
    let needs = format!("CREATE USER {admin_name} FOR LOGIN {admin_name}");
    assert!(error.advice().unwrap().contains(&needs), "{error:?}");
    assert!(matches!(session.reads(&user.user, &inside).await.unwrap(), Reads::CannotTell(_)));
    assert_eq!(
        session.revoke(&user.user, std::slice::from_ref(&inside)).await.unwrap_err().kind(),
        ErrorKind::AdminDenied
    );
    assert_eq!(
        session.resolve(&AssetPath::new(inside.joined()).unwrap()).await.unwrap_err().kind(),
        ErrorKind::TableNotFound
    );
    assert_eq!(lab.login(&user, Some(&inside)).await, Login::In(Some(Reads::No)));
    // It keeps nobody from going.
    session.drop_user(&user.user).await.unwrap();
    assert_eq!(lab.principals(&user).await, 0);
}

async fn a_session_in_a_system_database_makes_no_user_there(lab: &mut Lab) {
    let [table] = lab.tables(["t"]).await;
    let source = into(&lab.source, "master");
    let mut session = session(&source).await;
    let user = lab.user("u");
    assert_eq!(session.create_user(&user).await.unwrap(), Created::New);
    let in_master =
        format!("SELECT name FROM master.sys.database_principals WHERE name = {}", text(user.user.as_str()));
    assert!(lab.sql(&in_master).await.is_empty());
    session.grant(&user.user, &table, &[]).await.unwrap();
    assert!(lab.can_read(&user, &table).await);
    session.drop_user(&user.user).await.unwrap();
    assert_eq!(lab.principals(&user).await, 0);
}

/// A database that takes contained users, if the server does, and an admin in it that is one.
async fn contained(lab: &mut Lab) -> Option<Source> {
    let allowed = lab
        .sql("SELECT CAST(c.value_in_use AS int) FROM sys.configurations AS c WHERE c.name = N'contained database authentication'")
        .await;
    if allowed != [["1"]] {
        eprintln!("the server does not allow contained users: sp_configure 'contained database authentication', 1");
        return None;
    }
    contained_in(lab, "contained").await
}

async fn contained_in(lab: &mut Lab, tail: &str) -> Option<Source> {
    let database = lab.another(tail).await;
    lab.sql(&format!("ALTER DATABASE {} SET CONTAINMENT = PARTIAL", name(&database))).await;
    lab.sql_in(&database, &format!("CREATE USER chief WITH PASSWORD = {}", text(PASSWORD))).await;
    lab.sql_in(&database, "ALTER ROLE db_owner ADD MEMBER chief").await;
    let mut source = into(&lab.source, &database);
    source.admin = AdminLogin { user: "chief".into(), password: dzconn_core::Secret::new(PASSWORD.into()) };
    Some(source)
}

async fn contained_users_come_and_go(lab: &mut Lab) {
    let Some(chief) = contained(lab).await else { return };
    let database = chief.endpoint.database().unwrap().to_owned();
    let [table] = lab.tables_in(&database, ["t"]).await;
    let [elsewhere] = lab.tables(["t"]).await;
    let mut contained = session(&chief).await;
    let user = lab.user("u");
    assert_eq!(contained.create_user(&user).await.unwrap(), Created::New);
    assert_eq!(contained.create_user(&user).await.unwrap(), Created::Existed);
    assert_eq!(lab.principals(&user).await, 0, "no login, and nothing in other databases");
    contained.set_password(&user).await.unwrap();
    contained.grant(&user.user, &table, &[]).await.unwrap();
    assert!(matches!(contained.reads(&user.user, &table).await.unwrap(), Reads::Yes(_)));
    assert_eq!(contained.granted(&user.user).await.unwrap(), std::slice::from_ref(&table));
    assert_eq!(contained.users(user.user.as_str()).await.unwrap(), std::slice::from_ref(&user.user));
    let mut client = log_in_raw(&chief, user.user.as_str(), PASSWORD).await.unwrap();
    run(&mut client, &format!("SELECT COUNT(*) FROM {}", quoted(&table))).await.unwrap();
    let error = contained.grant(&user.user, &elsewhere, &[]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TableNotFound, "{error:?}");
    assert!(error.advice().unwrap().contains("one database"), "{error:?}");
    // An owner of the database may not end sessions of the server; it says so, and the user is shut out.
    let error = contained.drop_user(&user.user).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SessionsRemain, "{error:?}");
    assert!(log_in_raw(&chief, user.user.as_str(), PASSWORD).await.is_err());
    assert!(run(&mut client, &format!("SELECT COUNT(*) FROM {}", quoted(&table))).await.is_err());
    // It comes back where it is wanted again.
    assert_eq!(contained.create_user(&user).await.unwrap(), Created::Existed);
    log_in_raw(&chief, user.user.as_str(), PASSWORD).await.unwrap();
    // A login may end it.
    session(&into(&lab.source, &database)).await.drop_user(&user.user).await.unwrap();
    assert!(run(&mut client, "SELECT 1").await.is_err());
    assert!(!contained.user_exists(&user.user).await.unwrap());
}

async fn a_contained_user_that_is_there_is_used(lab: &mut Lab) {
    let Some(chief) = contained(lab).await else { return };
    let database = chief.endpoint.database().unwrap().to_owned();
    let [table] = lab.tables_in(&database, ["t"]).await;
    let [elsewhere] = lab.tables(["t"]).await;
    let user = lab.user("u");
    session(&chief).await.create_user(&user).await.unwrap();
    let source = into(&lab.source, &database);
    let mut session = session(&source).await;
    assert_eq!(session.create_user(&user).await.unwrap(), Created::Existed);
    session.grant(&user.user, &table, &[]).await.unwrap();
    let error = session.grant(&user.user, &elsewhere, &[]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TableNotFound, "{error:?}");
    assert_eq!(session.users(user.user.as_str()).await.unwrap(), std::slice::from_ref(&user.user));
    session.drop_user(&user.user).await.unwrap();
    assert!(!session.user_exists(&user.user).await.unwrap());
}

async fn only_its_own_databases_sessions_end_with_a_contained_user(lab: &mut Lab) {
    let Some(here) = contained(lab).await else { return };
    let there = contained_in(lab, "there").await.unwrap();
    let user = lab.user("u");
    for place in [&here, &there] {
        session(place).await.create_user(&user).await.unwrap();
    }
    let mut ends = log_in_raw(&here, user.user.as_str(), PASSWORD).await.unwrap();
    let mut stays = log_in_raw(&there, user.user.as_str(), PASSWORD).await.unwrap();
    session(&into(&lab.source, here.endpoint.database().unwrap())).await.drop_user(&user.user).await.unwrap();
    assert!(run(&mut ends, "SELECT 1").await.is_err(), "its session lives on");
    run(&mut stays, "SELECT 1").await.unwrap();
}
