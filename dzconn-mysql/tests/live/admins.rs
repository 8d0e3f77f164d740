//! Admins that have what the documentation says, and admins that lack it.

use dzconn_core::ErrorKind;
use dzconn_core::engine::{Created, Login, Reads};

use crate::lab::{Lab, PASSWORD, name, run, session, shown};

rules![
    the_documented_admin_does_everything,
    without_process_sessions_cannot_be_told,
    without_connection_admin_sessions_remain,
    rds_kill_stands_in_for_kill,
    without_the_grant_tables_it_cannot_be_told_and_still_works,
    without_the_grant_option_nothing_is_granted,
    without_create_user_nothing_is_made,
    a_table_that_the_admin_cannot_see_is_read_by_those_who_can,
];

async fn the_documented_admin_does_everything(lab: &mut Lab) {
    let [table, other] = lab.tables("db", ["t", "other"]).await;
    let admin = lab.documented_admin("a", "db").await;
    let mut session = session(&admin).await;
    let user = lab.user("u");
    let path = dzconn_core::model::AssetPath::new(table.joined().to_uppercase()).unwrap();
    assert_eq!(session.resolve(&path).await.unwrap(), table);
    assert_eq!(session.create_user(&user).await.unwrap(), Created::New);
    assert_eq!(session.create_user(&user).await.unwrap(), Created::Existed);
    session.set_password(&user).await.unwrap();
    session.grant(&user.user, &table, std::slice::from_ref(&other)).await.unwrap();
    assert!(matches!(session.reads(&user.user, &table).await.unwrap(), Reads::Yes(_)));
    assert_eq!(session.reads(&user.user, &other).await.unwrap(), Reads::No);
    assert!(lab.excess(&mut session, &user, std::slice::from_ref(&table)).await.is_empty());
    assert!(session.user_exists(&user.user).await.unwrap());
    assert!(lab.can_read(&user, &table).await && !lab.can_read(&user, &other).await);
    session.revoke(&user.user, std::slice::from_ref(&table)).await.unwrap();
    assert!(!lab.can_read(&user, &table).await);
    let mut client = lab.client(&user).await;
    session.drop_user(&user.user).await.unwrap();
    assert!(run(&mut client, "SELECT 1").await.is_err());
    assert!(!session.user_exists(&user.user).await.unwrap());
    session.close().await.unwrap();
}

async fn without_process_sessions_cannot_be_told(lab: &mut Lab) {
    let [table] = lab.tables("db", ["t"]).await;
    let select = format!("SELECT ON {}.* WITH GRANT OPTION", name(table.database()));
    let admin = lab.admin("a", &["CREATE USER, CONNECTION ADMIN ON *.*", &select]).await;
    let mut session = session(&admin).await;
    let user = lab.user("u");
    session.create_user(&user).await.unwrap();
    session.grant(&user.user, &table, &[]).await.unwrap();
    let mut client = lab.client(&user).await;

    let error = session.drop_user(&user.user).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SessionsRemain);
    assert!(error.advice().unwrap().contains("GRANT PROCESS ON *.*"), "{error:?}");
    // Safe meanwhile: no login, and the open session reads nothing.
    assert_eq!(lab.login(&user, None).await, Login::Refused);
    assert!(run(&mut client, &format!("SELECT * FROM {}.t", name(table.database()))).await.is_err());
    assert_eq!(session.drop_user(&user.user).await.unwrap_err().kind(), ErrorKind::SessionsRemain);

    lab.sql(&format!("GRANT PROCESS ON *.* TO '{}'@'%'", admin.admin.user)).await;
    drop(session);
    let mut session = crate::lab::session(&admin).await;
    session.drop_user(&user.user).await.unwrap();
    assert!(run(&mut client, "SELECT 1").await.is_err());
    assert!(lab.accounts(user.user.as_str()).await.is_empty());
}

async fn without_connection_admin_sessions_remain(lab: &mut Lab) {
    let admin = lab.admin("a", &["CREATE USER, PROCESS ON *.*"]).await;
    let mut session = session(&admin).await;
    let user = lab.user("u");
    session.create_user(&user).await.unwrap();
    let mut client = lab.client(&user).await;
    let error = session.drop_user(&user.user).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SessionsRemain);
    assert!(error.advice().unwrap().contains("CONNECTION ADMIN ON *.*"), "{error:?}");
    assert_eq!(lab.login(&user, None).await, Login::Refused);
    assert!(run(&mut client, "SELECT 1").await.is_ok());
    drop(client);
    let mut attempts = 0;
    while let Err(error) = session.drop_user(&user.user).await {
        assert_eq!(error.kind(), ErrorKind::SessionsRemain);
        attempts += 1;
        assert!(attempts < 100, "the session has gone and is still seen");
    }
    assert!(lab.accounts(user.user.as_str()).await.is_empty());
}

async fn rds_kill_stands_in_for_kill(lab: &mut Lab) {
    lab.sql("CREATE OR REPLACE PROCEDURE mysql.rds_kill(IN id BIGINT) SQL SECURITY DEFINER KILL id").await;
    let admin = lab.admin("a", &["CREATE USER, PROCESS ON *.*", "EXECUTE ON PROCEDURE mysql.rds_kill"]).await;
    let mut session = session(&admin).await;
    let user = lab.user("u");
    session.create_user(&user).await.unwrap();
    let (mut one, mut two) = (lab.client(&user).await, lab.client(&user).await);
    session.drop_user(&user.user).await.unwrap();
    assert!(run(&mut one, "SELECT 1").await.is_err() && run(&mut two, "SELECT 1").await.is_err());
    lab.sql("DROP PROCEDURE mysql.rds_kill").await;
}

async fn without_the_grant_tables_it_cannot_be_told_and_still_works(lab: &mut Lab) {
    let [table, other] = lab.tables("db", ["t", "other"]).await;
    let select = format!("SELECT ON {}.* WITH GRANT OPTION", name(table.database()));
    let admin = lab.admin("a", &["CREATE USER, PROCESS, CONNECTION ADMIN ON *.*", &select]).await;
    let mut session = session(&admin).await;
    let user = lab.user("u");
    assert_eq!(session.create_user(&user).await.unwrap(), Created::New);
    assert_eq!(session.create_user(&user).await.unwrap(), Created::Existed);
    session.grant(&user.user, &table, std::slice::from_ref(&other)).await.unwrap();
    assert!(lab.can_read(&user, &table).await);
    for table in [&table, &other] {
        match session.reads(&user.user, table).await.unwrap() {
            Reads::CannotTell(lacks) => assert!(lacks.contains("SELECT on some of mysql.tables_priv"), "{lacks}"),
            other => panic!("{other:?}"),
        }
    }
    let excess = lab.excess(&mut session, &user, &[]).await;
    assert!(excess.len() == 1 && excess[0].contains("cannot be told"), "{excess:?}");
    let error = session.user_exists(&user.user).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AdminDenied);
    assert!(error.advice().unwrap().contains("GRANT SELECT ON mysql.user TO"), "{error:?}");
    session.revoke(&user.user, &[table.clone(), other.clone()]).await.unwrap();
    session.revoke(&user.user, &[table.clone(), other]).await.unwrap();
    assert!(!lab.can_read(&user, &table).await);
    session.drop_user(&user.user).await.unwrap();
    session.drop_user(&user.user).await.unwrap();
    assert!(lab.accounts(user.user.as_str()).await.is_empty());

    // tables_priv alone says yes, though not no.
    lab.sql(&format!("GRANT SELECT ON mysql.tables_priv TO '{}'@'%'", admin.admin.user)).await;
    session.create_user(&user).await.unwrap();
    session.grant(&user.user, &table, &[]).await.unwrap();
    assert!(matches!(session.reads(&user.user, &table).await.unwrap(), Reads::Yes(_)));
    session.revoke(&user.user, std::slice::from_ref(&table)).await.unwrap();
    assert!(matches!(session.reads(&user.user, &table).await.unwrap(), Reads::CannotTell(_)));
}

async fn without_the_grant_option_nothing_is_granted(lab: &mut Lab) {
    let [table] = lab.tables("db", ["t"]).await;
    let database = name(table.database());
    let admin = lab.admin("a", &["CREATE USER ON *.*", &format!("SELECT ON {database}.*")]).await;
    let mut session = session(&admin).await;
    let user = lab.user("u");
    session.create_user(&user).await.unwrap();
    let error = session.grant(&user.user, &table, &[]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoGrantOption);
    let needs = format!("GRANT SELECT ON {database}.`t` TO '{}'@'%' WITH GRANT OPTION", admin.admin.user);
    assert!(error.advice().unwrap().contains(&needs), "{error:?}");
    assert!(error.vendor_code().unwrap().ends_with("1142"));
    // The advice, followed to the letter, helps.
    lab.sql(&needs).await;
    session.grant(&user.user, &table, &[]).await.unwrap();
    assert!(lab.can_read(&user, &table).await);
    // An admin that lost the option cannot take back; unless it can see that there is nothing to take.
    lab.sql(&format!("REVOKE GRANT OPTION ON {database}.`t` FROM '{}'@'%'", admin.admin.user)).await;
    let error = session.revoke(&user.user, std::slice::from_ref(&table)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AdminDenied, "{error:?}");
    lab.sql(&format!("GRANT SELECT ON mysql.tables_priv TO '{}'@'%'", admin.admin.user)).await;
    let error = session.revoke(&user.user, std::slice::from_ref(&table)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AdminDenied, "{error:?}");
    lab.sql(&format!("REVOKE SELECT ON {database}.`t` FROM '{}'@'%'", user.user)).await;
    session.revoke(&user.user, std::slice::from_ref(&table)).await.unwrap();
}

async fn without_create_user_nothing_is_made(lab: &mut Lab) {
    let admin = lab.admin("a", &["SELECT ON mysql.user"]).await;
    let mut session = session(&admin).await;
    let user = lab.user("u");
    let made = session.create_user(&user).await.unwrap_err();
    let set = session.set_password(&user).await.unwrap_err();
    let dropped = session.drop_user(&user.user).await.unwrap_err();
    for error in [made, set, dropped] {
        assert_eq!(error.kind(), ErrorKind::AdminDenied, "{error:?}");
        assert!(error.advice().unwrap().contains("GRANT CREATE USER ON *.*"), "{error:?}");
        assert!(!shown(&error).contains(PASSWORD) && !hash_in(&error));
    }
    assert!(!session.user_exists(&user.user).await.unwrap());
}

fn hash_in(error: &dzconn_core::Error) -> bool {
    let text = shown(error);
    text.split('*').any(|rest| rest.chars().take_while(char::is_ascii_hexdigit).count() >= 40)
}

async fn a_table_that_the_admin_cannot_see_is_read_by_those_who_can(lab: &mut Lab) {
    let [table] = lab.tables("db", ["t"]).await;
    let tables = ["user", "db", "tables_priv", "roles_mapping"].map(|table| format!("SELECT ON mysql.{table}"));
    let admin = lab.admin("a", &tables.each_ref().map(String::as_str)).await;
    let user = lab.user("u");
    let mut root = lab.session().await;
    root.create_user(&user).await.unwrap();
    root.grant(&user.user, &table, &[]).await.unwrap();
    assert!(matches!(session(&admin).await.reads(&user.user, &table).await.unwrap(), Reads::Yes(_)));
    let path = dzconn_core::model::AssetPath::new(table.joined()).unwrap();
    let mut session = session(&admin).await;
    assert_eq!(session.resolve(&path).await.unwrap_err().kind(), ErrorKind::TableNotFound);
    let error = session.grant(&user.user, &table, &[]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TableNotFound);
    assert!(error.advice().unwrap().contains("WITH GRANT OPTION"), "{error:?}");
}
