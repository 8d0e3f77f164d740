//! What an admin may not see is not taken for what is not there.

use dzconn_core::engine::{Created, Login, Reads};
use dzconn_core::model::TableName;
use dzconn_core::{Error, ErrorKind};

use crate::lab::{Lab, SELECTS, SERVER, name, quoted, run, session};

rules![
    a_login_that_is_not_seen_is_not_dropped,
    a_user_that_is_not_seen_is_not_revoked,
    a_table_that_is_not_seen_is_not_revoked,
    grants_alone_tell_of_tables_that_are_not_seen,
    a_database_that_is_not_seen_may_be_there,
    a_database_that_is_offline_is_unreachable,
    a_database_that_takes_no_writes_is_looked_into,
    one_grant_that_stays_keeps_no_other,
    a_user_of_another_name_is_found,
    who_cannot_enter_is_let_in_unless_denied,
    nothing_is_granted_in_the_servers_own_databases,
];

fn must_be(error: &Error, kind: ErrorKind, advice: &str) {
    assert_eq!(error.kind(), kind, "{error:?}");
    assert!(error.advice().is_some_and(|text| text.contains(advice)), "{advice}: {error:?}");
}

async fn a_login_that_is_not_seen_is_not_dropped(lab: &mut Lab) {
    let [table] = lab.tables(["t"]).await;
    let user = lab.reader("u", &[&table]).await;
    let nobody = lab.user("nobody").user;
    let admin = lab.admin("a", &SERVER[1..], &["ALTER ANY USER", "VIEW DEFINITION", SELECTS]).await;
    let mut blind = session(&admin).await;
    for error in [
        blind.drop_user(&user.user).await.unwrap_err(),
        blind.user_exists(&user.user).await.unwrap_err(),
        blind.granted(&user.user).await.unwrap_err(),
        blind.user_exists(&nobody).await.unwrap_err(),
    ] {
        must_be(&error, ErrorKind::AdminDenied, "GRANT ALTER ANY LOGIN TO");
    }
    assert!(matches!(blind.reads(&user.user, &table).await.unwrap(), Reads::CannotTell(_)));
    assert!(lab.can_read(&user, &table).await, "nothing was done");
    lab.sql_in("master", &format!("GRANT VIEW ANY DEFINITION TO {}", name(&admin.admin.user))).await;
    assert!(blind.user_exists(&user.user).await.unwrap() && !blind.user_exists(&nobody).await.unwrap());
    assert!(matches!(blind.reads(&user.user, &table).await.unwrap(), Reads::Yes(_)));
    assert_eq!(blind.drop_user(&user.user).await.unwrap_err().kind(), ErrorKind::AdminDenied);
}

async fn a_user_that_is_not_seen_is_not_revoked(lab: &mut Lab) {
    let other = lab.another("other").await;
    let [there] = lab.tables_in(&other, ["t"]).await;
    let user = lab.reader("u", &[&there]).await;
    let admin = lab.documented_admin("a").await;
    let quoted = name(&admin.admin.user);
    lab.sql_in(&other, &format!("CREATE USER {quoted} FOR LOGIN {quoted}")).await;
    let mut blind = session(&admin).await;
    let error = blind.revoke(&user.user, std::slice::from_ref(&there)).await.unwrap_err();
    must_be(&error, ErrorKind::AdminDenied, &format!("in {}: GRANT ALTER ANY USER TO {quoted}", name(&other)));
    match blind.reads(&user.user, &there).await.unwrap() {
        Reads::CannotTell(lacks) => assert!(lacks.contains("ALTER ANY USER"), "{lacks}"),
        other => panic!("{other:?}"),
    }
    let excess = blind.excess(&user.user, std::slice::from_ref(&there), 10).await.unwrap();
    assert!(excess.len() == 1 && excess[0].contains("cannot be told"), "{excess:?}");
    assert!(lab.can_read(&user, &there).await);
    // Where all users are seen, one that is missing is.
    lab.sql_in(&other, &format!("GRANT ALTER ANY USER, VIEW DEFINITION TO {quoted}")).await;
    let nobody = lab.reader("nobody", &[]).await;
    blind.revoke(&nobody.user, std::slice::from_ref(&there)).await.unwrap();
    assert_eq!(blind.reads(&nobody.user, &there).await.unwrap(), Reads::No);
    assert!(matches!(blind.reads(&user.user, &there).await.unwrap(), Reads::Yes(_)));
}

async fn a_table_that_is_not_seen_is_not_revoked(lab: &mut Lab) {
    let [table] = lab.tables(["t"]).await;
    let user = lab.reader("u", &[&table]).await;
    let admin = lab.admin("a", SERVER, &["ALTER ANY USER"]).await;
    let mut blind = session(&admin).await;
    for missing in [table.clone(), TableName::in_schema(&lab.database, "dbo", "missing").unwrap()] {
        let error = blind.revoke(&user.user, &[missing]).await.unwrap_err();
        must_be(&error, ErrorKind::AdminDenied, "GRANT VIEW DEFINITION TO");
    }
    assert!(lab.can_read(&user, &table).await);
    lab.sql(&format!("GRANT VIEW DEFINITION TO {}", name(&admin.admin.user))).await;
    lab.sql("DROP TABLE dbo.t").await;
    blind.revoke(&user.user, std::slice::from_ref(&table)).await.unwrap();
}

/// From SQL Server 2022 on: VIEW SECURITY DEFINITION shows who was granted something, and not on what.
async fn grants_alone_tell_of_tables_that_are_not_seen(lab: &mut Lab) {
    let release = lab.sql("SELECT CAST(SERVERPROPERTY('ProductVersion') AS nvarchar(128))").await;
    if release[0][0].split('.').next().unwrap().parse::<u32>().unwrap() < 16 {
        return;
    }
    let [table] = lab.tables(["t"]).await;
    let missing = TableName::in_schema(&lab.database, "dbo", "missing").unwrap();
    let user = lab.reader("u", &[]).await;
    let admin = lab.admin("a", SERVER, &["ALTER ANY USER", "VIEW SECURITY DEFINITION"]).await;
    let mut blind = session(&admin).await;
    blind.revoke(&user.user, std::slice::from_ref(&missing)).await.unwrap();
    assert_eq!(blind.granted(&user.user).await.unwrap(), []);
    lab.session().await.grant(&user.user, &table, &[]).await.unwrap();
    for error in [
        blind.revoke(&user.user, std::slice::from_ref(&missing)).await.unwrap_err(),
        blind.revoke(&user.user, std::slice::from_ref(&table)).await.unwrap_err(),
        blind.granted(&user.user).await.unwrap_err(),
    ] {
        must_be(&error, ErrorKind::AdminDenied, "GRANT VIEW DEFINITION TO");
    }
    assert!(lab.can_read(&user, &table).await);
}

async fn a_database_that_is_not_seen_may_be_there(lab: &mut Lab) {
    let other = lab.another("other").await;
    let [there] = lab.tables_in(&other, ["t"]).await;
    let user = lab.reader("u", &[&there]).await;
    let admin = lab.documented_admin("a").await;
    lab.sql_in("master", &format!("DENY VIEW ANY DATABASE TO {}", name(&admin.admin.user))).await;
    let mut blind = session(&admin).await;
    for error in [
        blind.revoke(&user.user, std::slice::from_ref(&there)).await.unwrap_err(),
        blind.grant(&user.user, &there, &[]).await.unwrap_err(),
    ] {
        must_be(&error, ErrorKind::AdminDenied, "VIEW ANY DATABASE");
    }
    assert!(matches!(blind.reads(&user.user, &there).await.unwrap(), Reads::CannotTell(_)));
    assert!(lab.can_read(&user, &there).await);
}

async fn a_database_that_is_offline_is_unreachable(lab: &mut Lab) {
    let other = lab.another("other").await;
    let [there] = lab.tables_in(&other, ["t"]).await;
    let user = lab.reader("u", &[&there]).await;
    let mut session = lab.session().await;
    lab.sql_in("master", &format!("ALTER DATABASE {} SET OFFLINE WITH ROLLBACK IMMEDIATE", name(&other))).await;
    for error in [
        session.revoke(&user.user, std::slice::from_ref(&there)).await.unwrap_err(),
        session.grant(&user.user, &there, &[]).await.unwrap_err(),
    ] {
        assert!(error.kind() == ErrorKind::Unreachable && error.detail().contains("OFFLINE"), "{error:?}");
    }
    assert!(matches!(session.reads(&user.user, &there).await.unwrap(), Reads::CannotTell(_)));
    let excess = session.excess(&user.user, std::slice::from_ref(&there), 10).await.unwrap();
    assert!(excess.len() == 1 && excess[0].contains("cannot be told"), "{excess:?}");
    // Who logs in there is not refused: nobody knows.
    let mut source = lab.source.clone();
    source.endpoint.target = dzconn_core::model::Target::Database(other.clone());
    let connector = crate::lab::quick();
    let connect = dzconn_core::EngineConnector::connect(&connector, &source, crate::lab::deadline()).await;
    let login = dzconn_core::EngineConnector::log_in(&connector, &source, &user, None, crate::lab::deadline()).await;
    for error in [connect.map(drop).unwrap_err(), login.map(drop).unwrap_err()] {
        must_be(&error, ErrorKind::Unreachable, "offline");
    }
    lab.sql_in("master", &format!("ALTER DATABASE {} SET ONLINE", name(&other))).await;
    session.revoke(&user.user, std::slice::from_ref(&there)).await.unwrap();
}

async fn a_database_that_takes_no_writes_is_looked_into(lab: &mut Lab) {
    let other = lab.another("other").await;
    let [there] = lab.tables_in(&other, ["t"]).await;
    let user = lab.reader("u", &[&there]).await;
    let mut session = lab.session().await;
    lab.sql_in("master", &format!("ALTER DATABASE {} SET READ_ONLY", name(&other))).await;
    assert_eq!(session.granted(&user.user).await.unwrap(), std::slice::from_ref(&there));
    assert_eq!(session.excess(&user.user, &[], 10).await.unwrap().len(), 1);
    let error = session.revoke(&user.user, std::slice::from_ref(&there)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ReadOnly, "{error:?}");
    // It keeps nobody from going.
    session.drop_user(&user.user).await.unwrap();
    assert_eq!(lab.principals(&user).await, 0);
    lab.sql_in("master", &format!("ALTER DATABASE {} SET READ_WRITE", name(&other))).await;
    session.drop_user(&user.user).await.unwrap();
    let left = format!("SELECT name FROM {}.sys.database_principals WHERE name = N'{}'", name(&other), user.user);
    assert!(lab.sql(&left).await.is_empty());
}

async fn one_grant_that_stays_keeps_no_other(lab: &mut Lab) {
    let [theirs, ours] = lab.tables(["theirs", "ours"]).await;
    let user = lab.reader("u", &[&theirs]).await;
    let grant = "SELECT ON OBJECT::dbo.ours WITH GRANT OPTION";
    let admin = lab.admin("a", &SERVER[..2], &["ALTER ANY USER", "VIEW DEFINITION", grant]).await;
    let mut least = session(&admin).await;
    least.grant(&user.user, &ours, &[]).await.unwrap();
    let mut client = lab.client(&user).await;
    run(&mut client, &format!("SELECT COUNT(*) FROM {}", quoted(&ours))).await.unwrap();
    let error = least.drop_user(&user.user).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SessionsRemain, "{error:?}");
    assert!(error.detail().contains("[theirs]") && !error.detail().contains("[ours]"), "{error:?}");
    assert!(run(&mut client, &format!("SELECT COUNT(*) FROM {}", quoted(&ours))).await.is_err());
}

async fn a_user_of_another_name_is_found(lab: &mut Lab) {
    let (other, third) = (lab.another("other").await, lab.another("third").await);
    let [there] = lab.tables_in(&other, ["t"]).await;
    let [owned] = lab.tables_in(&third, ["t"]).await;
    let user = lab.reader("u", &[]).await;
    let u = name(user.user.as_str());
    lab.sql_in(&other, &format!("CREATE USER alias FOR LOGIN {u}")).await;
    lab.sql_in(&other, "GRANT SELECT ON dbo.t TO alias").await;
    lab.sql(&format!("ALTER AUTHORIZATION ON DATABASE::{} TO {u}", name(&third))).await;
    let mut session = lab.session().await;
    for (table, way) in [(&there, "SELECT on the table"), (&owned, "owns the database")] {
        assert!(lab.can_read(&user, table).await, "{table}");
        match session.reads(&user.user, table).await.unwrap() {
            Reads::Yes(ways) => assert!(ways.len() == 1 && ways[0].contains(way), "{ways:?}"),
            other => panic!("{table}: {other:?}"),
        }
    }
    let excess = session.excess(&user.user, &[], 10).await.unwrap();
    for expected in ["it has SELECT on [dbo].[t] in", "it owns the database"] {
        assert!(excess.iter().any(|line| line.contains(expected)), "{expected}: {excess:?}");
    }
    lab.sql(&format!("ALTER AUTHORIZATION ON DATABASE::{} TO sa", name(&third))).await;
}

async fn who_cannot_enter_is_let_in_unless_denied(lab: &mut Lab) {
    let other = lab.another("other").await;
    let [there] = lab.tables_in(&other, ["t"]).await;
    let user = lab.reader("u", &[]).await;
    let u = name(user.user.as_str());
    let mut session = lab.session().await;
    lab.sql(&format!("REVOKE CONNECT FROM {u}")).await;
    assert_eq!(lab.login(&user, None).await, Login::Refused);
    assert_eq!(session.create_user(&user).await.unwrap(), Created::Existed);
    assert_eq!(lab.login(&user, None).await, Login::In(None));
    lab.sql(&format!("DENY CONNECT TO {u}")).await;
    let error = session.create_user(&user).await.unwrap_err();
    must_be(&error, ErrorKind::AdminDenied, "takes the DENY away");
    assert_eq!(lab.login(&user, None).await, Login::Refused, "the DENY was overwritten");
    lab.sql(&format!("REVOKE CONNECT FROM {u}")).await;
    assert_eq!(session.create_user(&user).await.unwrap(), Created::Existed);

    lab.sql_in(&other, &format!("CREATE USER {u} FOR LOGIN {u}")).await;
    lab.sql_in(&other, &format!("REVOKE CONNECT FROM {u}")).await;
    session.grant(&user.user, &there, &[]).await.unwrap();
    assert!(lab.can_read(&user, &there).await);
}

async fn nothing_is_granted_in_the_servers_own_databases(lab: &mut Lab) {
    let table = TableName::in_schema("master", "dbo", lab.own("t")).unwrap();
    let user = lab.reader("u", &[]).await;
    lab.sql(&format!("CREATE TABLE {} (id int)", quoted(&table))).await;
    let mut master = lab.source.clone();
    master.endpoint.target = dzconn_core::model::Target::Database("master".into());
    let documented = lab.documented_admin("a").await;
    for source in [lab.source.clone(), master, documented] {
        let mut session = session(&source).await;
        let error = session.grant(&user.user, &table, &[]).await.unwrap_err();
        must_be(&error, ErrorKind::TableNotFound, "database of their own");
        // So there is nothing to be taken back.
        session.revoke(&user.user, std::slice::from_ref(&table)).await.unwrap();
    }
    lab.sql(&format!("DROP TABLE {}", quoted(&table))).await;
    let left = format!("SELECT name FROM master.sys.database_principals WHERE name = N'{}'", user.user);
    assert!(lab.sql(&left).await.is_empty());
}
