//! Admins that have what the documentation says, and admins that lack it.

use dzconn_core::ErrorKind;
use dzconn_core::engine::{Created, Login, Reads};
use dzconn_core::model::AssetPath;

use crate::lab::{Lab, PASSWORD, SELECTS, SERVER, name, quoted, run, session, shown};

rules![
    the_documented_admin_does_everything,
    without_alter_any_login_nothing_is_made,
    without_alter_any_user_nobody_is_let_in,
    without_alter_any_user_nobody_is_dropped,
    without_the_grant_option_nothing_is_granted,
    without_view_definition_it_cannot_be_told_and_still_works,
    without_view_server_state_sessions_cannot_be_told,
    without_alter_any_connection_sessions_remain,
    a_table_that_the_admin_cannot_see_is_not_found,
];

async fn the_documented_admin_does_everything(lab: &mut Lab) {
    let [table, other] = lab.tables(["t", "other"]).await;
    let admin = lab.documented_admin("a").await;
    let mut session = session(&admin).await;
    let user = lab.user("u");
    let path = AssetPath::new(table.joined().to_uppercase()).unwrap();
    assert_eq!(session.resolve(&path).await.unwrap(), table);
    assert_eq!(session.create_user(&user).await.unwrap(), Created::New);
    assert_eq!(session.create_user(&user).await.unwrap(), Created::Existed);
    session.set_password(&user).await.unwrap();
    session.grant(&user.user, &table, std::slice::from_ref(&other)).await.unwrap();
    assert!(matches!(session.reads(&user.user, &table).await.unwrap(), Reads::Yes(_)));
    assert_eq!(session.reads(&user.user, &other).await.unwrap(), Reads::No);
    assert_eq!(session.granted(&user.user).await.unwrap(), std::slice::from_ref(&table));
    assert_eq!(session.users(user.user.as_str()).await.unwrap(), std::slice::from_ref(&user.user));
    assert_eq!(session.excess(&user.user, std::slice::from_ref(&table), 100).await.unwrap(), Vec::<String>::new());
    assert!(session.user_exists(&user.user).await.unwrap());
    assert!(lab.can_read(&user, &table).await && !lab.can_read(&user, &other).await);
    session.revoke(&user.user, std::slice::from_ref(&table)).await.unwrap();
    assert!(!lab.can_read(&user, &table).await);
    session.grant(&user.user, &table, &[]).await.unwrap();
    let mut client = lab.client(&user).await;
    session.drop_user(&user.user).await.unwrap();
    assert!(run(&mut client, "SELECT 1").await.is_err());
    assert!(!session.user_exists(&user.user).await.unwrap());
    assert_eq!(lab.principals(&user).await, 0);
    session.close().await.unwrap();
}

async fn without_alter_any_login_nothing_is_made(lab: &mut Lab) {
    let admin = lab.admin("a", &[], &["ALTER ANY USER", SELECTS]).await;
    let mut session = session(&admin).await;
    let error = session.create_user(&lab.user("u")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AdminDenied, "{error:?}");
    assert!(error.advice().unwrap().contains("GRANT ALTER ANY LOGIN TO"), "{error:?}");
    assert!(!shown(&error).contains(PASSWORD));
    assert_eq!(session.users("t").await.unwrap_err().kind(), ErrorKind::AdminDenied);
    assert_eq!(lab.principals(&lab.user("u")).await, 0);
}

async fn without_alter_any_user_nobody_is_let_in(lab: &mut Lab) {
    let [table] = lab.tables(["t"]).await;
    let admin = lab.admin("a", SERVER, &["VIEW DEFINITION", SELECTS]).await;
    let mut session = session(&admin).await;
    let user = lab.user("u");
    let error = session.create_user(&user).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AdminDenied, "{error:?}");
    assert!(error.advice().unwrap().contains("GRANT ALTER ANY USER TO"), "{error:?}");
    // The advice, followed to the letter, helps, and the next run finishes.
    lab.sql(&format!("GRANT ALTER ANY USER TO {}", name(&admin.admin.user))).await;
    assert_eq!(session.create_user(&user).await.unwrap(), Created::Existed);
    session.grant(&user.user, &table, &[]).await.unwrap();
    assert!(lab.can_read(&user, &table).await);
}

async fn without_alter_any_user_nobody_is_dropped(lab: &mut Lab) {
    let user = lab.reader("u", &[]).await;
    let admin = lab.admin("a", SERVER, &["VIEW DEFINITION"]).await;
    let mut session = session(&admin).await;
    let error = session.drop_user(&user.user).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AdminDenied, "{error:?}");
    assert!(error.advice().unwrap().contains("GRANT ALTER ANY USER TO"), "{error:?}");
    assert_eq!(lab.login(&user, None).await, Login::Refused);
    assert_eq!(lab.principals(&user).await, 2);
    lab.sql(&format!("GRANT ALTER ANY USER TO {}", name(&admin.admin.user))).await;
    session.drop_user(&user.user).await.unwrap();
    assert_eq!(lab.principals(&user).await, 0);
}

async fn without_the_grant_option_nothing_is_granted(lab: &mut Lab) {
    let [table] = lab.tables(["t"]).await;
    let admin = lab.admin("a", SERVER, &["ALTER ANY USER", "VIEW DEFINITION", "SELECT ON SCHEMA::dbo"]).await;
    let mut session = session(&admin).await;
    let user = lab.user("u");
    session.create_user(&user).await.unwrap();
    let error = session.grant(&user.user, &table, &[]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoGrantOption, "{error:?}");
    let needs = format!("GRANT SELECT ON OBJECT::[dbo].[t] TO {} WITH GRANT OPTION", name(&admin.admin.user));
    assert!(error.advice().unwrap().contains(&needs), "{error:?}");
    assert_eq!(session.reads(&user.user, &table).await.unwrap(), Reads::No);
    lab.sql(&needs).await;
    session.grant(&user.user, &table, &[]).await.unwrap();
    assert!(lab.can_read(&user, &table).await);
}

async fn without_view_definition_it_cannot_be_told_and_still_works(lab: &mut Lab) {
    let [table, other] = lab.tables(["t", "other"]).await;
    let admin = lab.admin("a", SERVER, &["ALTER ANY USER", SELECTS]).await;
    let mut session = session(&admin).await;
    let user = lab.user("u");
    session.create_user(&user).await.unwrap();
    session.grant(&user.user, &table, std::slice::from_ref(&other)).await.unwrap();
    assert!(lab.can_read(&user, &table).await);
    match session.reads(&user.user, &other).await.unwrap() {
        Reads::CannotTell(lacks) => assert!(lacks.contains("VIEW DEFINITION"), "{lacks}"),
        other => panic!("{other:?}"),
    }
    let error = session.granted(&user.user).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AdminDenied, "{error:?}");
    assert!(error.advice().unwrap().contains("GRANT VIEW DEFINITION TO"), "{error:?}");
    let excess = session.excess(&user.user, std::slice::from_ref(&table), 100).await.unwrap();
    assert!(excess.len() == 1 && excess[0].contains("cannot be told"), "{excess:?}");
    session.revoke(&user.user, &[table.clone(), other.clone()]).await.unwrap();
    session.revoke(&user.user, &[table.clone(), other]).await.unwrap();
    assert!(!lab.can_read(&user, &table).await);
    session.drop_user(&user.user).await.unwrap();
    session.drop_user(&user.user).await.unwrap();
    assert_eq!(lab.principals(&user).await, 0);
}

async fn without_view_server_state_sessions_cannot_be_told(lab: &mut Lab) {
    let [table] = lab.tables(["t"]).await;
    let admin = lab.admin("a", &SERVER[..2], &["ALTER ANY USER", "VIEW DEFINITION", SELECTS]).await;
    let mut session = session(&admin).await;
    let user = lab.user("u");
    session.create_user(&user).await.unwrap();
    session.grant(&user.user, &table, &[]).await.unwrap();
    let mut client = lab.client(&user).await;
    let error = session.drop_user(&user.user).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SessionsRemain, "{error:?}");
    assert!(error.advice().unwrap().contains("GRANT VIEW SERVER STATE TO"), "{error:?}");
    // Safe meanwhile: no login, and the open session reads nothing.
    assert_eq!(lab.login(&user, None).await, Login::Refused);
    assert!(run(&mut client, &format!("SELECT * FROM {}", quoted(&table))).await.is_err());
    let grant = format!("GRANT VIEW SERVER STATE TO {}", name(&admin.admin.user));
    lab.sql_in("master", &grant).await;
    session.drop_user(&user.user).await.unwrap();
    assert!(run(&mut client, "SELECT 1").await.is_err());
    assert_eq!(lab.principals(&user).await, 0);
}

async fn without_alter_any_connection_sessions_remain(lab: &mut Lab) {
    let server = [SERVER[0], SERVER[2]];
    let admin = lab.admin("a", &server, &["ALTER ANY USER", "VIEW DEFINITION", SELECTS]).await;
    let mut session = session(&admin).await;
    let user = lab.user("u");
    session.create_user(&user).await.unwrap();
    let mut client = lab.client(&user).await;
    let error = session.drop_user(&user.user).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SessionsRemain, "{error:?}");
    assert!(error.advice().unwrap().contains("GRANT ALTER ANY CONNECTION TO"), "{error:?}");
    assert_eq!(lab.login(&user, None).await, Login::Refused);
    assert!(run(&mut client, "SELECT 1").await.is_ok());
    drop(client);
    let mut attempts = 0;
    while let Err(error) = session.drop_user(&user.user).await {
        assert_eq!(error.kind(), ErrorKind::SessionsRemain, "{error:?}");
        attempts += 1;
        assert!(attempts < 100, "the session has gone and is still seen");
    }
    assert_eq!(lab.principals(&user).await, 0);
}

async fn a_table_that_the_admin_cannot_see_is_not_found(lab: &mut Lab) {
    let [table] = lab.tables(["t"]).await;
    let admin = lab.admin("a", SERVER, &["ALTER ANY USER"]).await;
    let mut session = session(&admin).await;
    let user = lab.user("u");
    session.create_user(&user).await.unwrap();
    let path = AssetPath::new(table.joined()).unwrap();
    let error = session.resolve(&path).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TableNotFound, "{error:?}");
    let error = session.grant(&user.user, &table, &[]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TableNotFound, "{error:?}");
    assert!(error.advice().unwrap().contains("WITH GRANT OPTION"), "{error:?}");
    assert!(matches!(session.reads(&user.user, &table).await.unwrap(), Reads::CannotTell(_)));
}
