//! What different admins may do, and what they are told where they may not.

use dzconn_core::engine::{Login, Reads};
use dzconn_core::model::TableName;
use dzconn_core::{EngineConnector, Error, ErrorKind};

use super::lab::{Lab, connect, fails, quoted, rows, run, soon};

fn advice(error: &Error) -> &str {
    error.advice().unwrap_or_default()
}

pub(crate) async fn warning_01007_is_no_success(lab: &mut Lab) {
    let source = lab.bare_admin("admin").await;
    let (admin, user, table) = (lab.role("admin"), lab.user("u"), lab.table("employees"));
    lab.sql(&format!("GRANT USAGE ON SCHEMA hr TO {admin} WITH GRANT OPTION; GRANT SELECT ON hr.employees TO {admin}"))
        .await;
    let mut session = connect(&source).await;
    session.create_user(&user).await.unwrap();
    let error = session.grant(&user.user, &table, &[]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoGrantOption, "{error:?}");
    let must_run = format!("GRANT SELECT ON TABLE \"hr\".\"employees\" TO {admin} WITH GRANT OPTION");
    assert!(advice(&error).contains(&must_run), "{error:?}");
    assert!(lab.acls(&user).await.is_empty(), "the usage of the schema was rolled back");

    // PUBLIC reads it: the engine answers success, and still nothing was granted.
    lab.sql("GRANT SELECT ON hr.employees TO PUBLIC").await;
    assert_eq!(session.grant(&user.user, &table, &[]).await.unwrap_err().kind(), ErrorKind::NoGrantOption);
    lab.sql(&must_run).await;
    session.grant(&user.user, &table, &[]).await.unwrap();
    session.revoke(&user.user, std::slice::from_ref(&table)).await.unwrap();
    lab.sql("GRANT USAGE ON SCHEMA hr TO PUBLIC").await;
    assert!(matches!(session.reads(&user.user, &table).await.unwrap(), Reads::Yes(_)), "PUBLIC still reads it");
}

pub(crate) async fn schema_without_option_rolls_back(lab: &mut Lab) {
    let source = lab.bare_admin("admin").await;
    let (admin, user, table) = (lab.role("admin"), lab.user("u"), lab.table("employees"));
    lab.sql(&format!("GRANT USAGE ON SCHEMA hr TO {admin}; GRANT SELECT ON hr.employees TO {admin} WITH GRANT OPTION"))
        .await;
    let mut session = connect(&source).await;
    session.create_user(&user).await.unwrap();
    let error = session.grant(&user.user, &table, &[]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoGrantOption, "{error:?}");
    let must_run = format!("GRANT USAGE ON SCHEMA \"hr\" TO {admin} WITH GRANT OPTION");
    assert!(advice(&error).contains(&must_run), "{error:?}");
    assert!(lab.acls(&user).await.is_empty());
    lab.sql(&must_run).await;
    session.grant(&user.user, &table, &[]).await.unwrap();
}

pub(crate) async fn stripped_connect_is_granted_or_named(lab: &mut Lab) {
    let source = lab.plain_admin("admin").await;
    let (admin, user, table) = (lab.role("admin"), lab.user("u"), lab.table("employees"));
    let database = quoted(&lab.database);
    lab.sql(&format!(
        "GRANT CONNECT ON DATABASE {database} TO {admin}; REVOKE CONNECT ON DATABASE {database} FROM PUBLIC"
    ))
    .await;
    let mut session = connect(&source).await;
    session.create_user(&user).await.unwrap();
    let error = session.grant(&user.user, &table, &[]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoGrantOption, "{error:?}");
    let must_run = format!("GRANT CONNECT ON DATABASE {database} TO {admin} WITH GRANT OPTION");
    assert!(advice(&error).contains(&must_run), "{error:?}");
    lab.sql(&must_run).await;
    session.grant(&user.user, &table, &[]).await.unwrap();
    assert_eq!(lab.acls(&user).await, ["database CONNECT", "employees SELECT", "hr USAGE"]);
    lab.open(&user).await;
    session.revoke(&user.user, &[table]).await.unwrap();
    assert_eq!(lab.acls(&user).await, ["database CONNECT"], "left to drop_user");
    session.drop_user(&user.user).await.unwrap();
    assert!(!session.user_exists(&user.user).await.unwrap());
}

pub(crate) async fn nothing_at_all_is_denied(lab: &mut Lab) {
    let source = lab.bare_admin("admin").await;
    let user = lab.user("u");
    let mut session = connect(&source).await;
    session.create_user(&user).await.unwrap();
    let error = session.grant(&user.user, &lab.table("employees"), &[]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AdminDenied, "{error:?}");
    assert!(advice(&error).contains("GRANT SELECT ON TABLE \"hr\".\"employees\""), "{error:?}");
    let admin = lab.role("admin");
    lab.sql(&format!("GRANT USAGE ON SCHEMA hr TO {admin}")).await;
    let error = session.grant(&user.user, &lab.table("none"), &[]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TableNotFound, "{error:?}");
    let nowhere = TableName::in_schema(&lab.database, "none", "none").unwrap();
    assert_eq!(session.grant(&user.user, &nowhere, &[]).await.unwrap_err().kind(), ErrorKind::TableNotFound);
    assert!(lab.acls(&user).await.is_empty());

    lab.sql(&format!("ALTER ROLE {admin} NOCREATEROLE")).await;
    let other = lab.user("other");
    let error = session.create_user(&other).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AdminDenied, "{error:?}");
    assert!(advice(&error).contains("CREATEROLE"), "{error:?}");
    assert!(!format!("{error:?}").contains("SCRAM"), "{error:?}");
}

pub(crate) async fn another_admins_grant_is_named(lab: &mut Lab) {
    let (first, second) = (lab.plain_admin("first").await, lab.plain_admin("second").await);
    let (user, table) = (lab.user("u"), lab.table("employees"));
    let (mut first, mut second) = (connect(&first).await, connect(&second).await);
    first.create_user(&user).await.unwrap();
    first.grant(&user.user, &table, &[]).await.unwrap();

    let error = second.revoke(&user.user, std::slice::from_ref(&table)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::GrantedByOther, "{error:?}");
    assert!(error.detail().contains(&lab.role("first")), "{error:?}");
    let revoke = format!("REVOKE ALL PRIVILEGES ON TABLE \"hr\".\"employees\" FROM {}", lab.role("u"));
    assert!(advice(&error).starts_with(&format!("as {}: {revoke}", lab.role("first"))), "{error:?}");
    // To grant another and take this one back fails as well: the privilege is not taken back.
    let error = second.grant(&user.user, &lab.table("salaries"), std::slice::from_ref(&table)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::GrantedByOther, "{error:?}");

    // What the advice says helps.
    let grantor = lab.role("first");
    lab.sql(&format!("SET ROLE {grantor}; {revoke}; RESET ROLE")).await;
    second.revoke(&user.user, &[table, lab.table("salaries")]).await.unwrap();
    assert_eq!(lab.acls(&user).await, ["hr USAGE"], "the schema's usage is the other admin's, and reads nothing");
    first.drop_user(&user.user).await.unwrap();
}

pub(crate) async fn superuser_takes_back_another_admins_grant(lab: &mut Lab) {
    let first = lab.plain_admin("first").await;
    let (user, table) = (lab.user("u"), lab.table("employees"));
    let (mut first, mut root) = (connect(&first).await, connect(&lab.superuser()).await);
    first.create_user(&user).await.unwrap();
    first.grant(&user.user, &table, &[]).await.unwrap();
    root.grant(&user.user, &table, &[]).await.unwrap();
    root.revoke(&user.user, std::slice::from_ref(&table)).await.unwrap();
    assert!(lab.acls(&user).await.is_empty());
    assert_eq!(root.reads(&user.user, &table).await.unwrap(), Reads::No);

    // The session is itself again afterwards.
    root.grant(&user.user, &lab.table("salaries"), &[]).await.unwrap();
    first.grant(&user.user, &table, &[]).await.unwrap();
    let _consumer = lab.open(&user).await;
    root.drop_user(&user.user).await.unwrap();
    assert!(!root.user_exists(&user.user).await.unwrap());
}

pub(crate) async fn member_takes_back_another_admins_grant(lab: &mut Lab) {
    let (first, second) = (lab.plain_admin("first").await, lab.plain_admin("second").await);
    let (user, table) = (lab.user("u"), lab.table("employees"));
    let (mut first, mut second) = (connect(&first).await, connect(&second).await);
    first.create_user(&user).await.unwrap();
    first.grant(&user.user, &table, &[]).await.unwrap();
    let (one, other) = (lab.role("first"), lab.role("second"));
    lab.sql(&format!("GRANT {one} TO {other}")).await;
    second.revoke(&user.user, std::slice::from_ref(&table)).await.unwrap();
    assert!(lab.acls(&user).await.is_empty());

    first.grant(&user.user, &table, &[]).await.unwrap();
    if lab.version >= 160_000 {
        let role = lab.role("u");
        lab.sql(&format!("GRANT {role} TO {other} WITH ADMIN OPTION")).await;
    }
    let _consumer = lab.open(&user).await;
    second.drop_user(&user.user).await.unwrap();
    assert!(!second.user_exists(&user.user).await.unwrap());
}

/// What the crate's documentation recommends where admins take turns.
pub(crate) async fn shared_role_outlives_its_admins(lab: &mut Lab) {
    lab.plain_admin("shared").await;
    let (first, second) = (lab.bare_admin("first").await, lab.bare_admin("second").await);
    let shared = lab.role("shared");
    for name in ["first", "second"] {
        let admin = lab.role(name);
        lab.sql(&format!(
            "ALTER ROLE {admin} NOCREATEROLE; GRANT {shared} TO {admin}; ALTER ROLE {admin} SET role = {shared}"
        ))
        .await;
    }
    let (user, table) = (lab.user("u"), lab.table("employees"));
    let (mut first, mut second) = (connect(&first).await, connect(&second).await);
    first.create_user(&user).await.unwrap();
    first.grant(&user.user, &table, &[]).await.unwrap();
    second.set_password(&user).await.unwrap();
    second.revoke(&user.user, std::slice::from_ref(&table)).await.unwrap();
    assert!(lab.acls(&user).await.is_empty());
    second.grant(&user.user, &table, &[]).await.unwrap();
    let mut consumer = lab.open(&user).await;
    run(&mut consumer, "TABLE hr.employees").await;
    let role = lab.role("first");
    drop(first);
    lab.sql(&format!("ALTER ROLE {role} NOLOGIN")).await;
    second.drop_user(&user.user).await.unwrap();
    assert!(!second.user_exists(&user.user).await.unwrap());
}

pub(crate) async fn another_admins_user_cannot_be_dropped(lab: &mut Lab) {
    let (first, second) = (lab.plain_admin("first").await, lab.plain_admin("second").await);
    let (user, table) = (lab.user("u"), lab.table("employees"));
    let (mut first, mut second) = (connect(&first).await, connect(&second).await);
    first.create_user(&user).await.unwrap();
    first.grant(&user.user, &table, &[]).await.unwrap();
    let error = second.drop_user(&user.user).await.unwrap_err();
    if lab.version < 160_000 {
        // Login is stopped, and the next call continues.
        assert_eq!(error.kind(), ErrorKind::GrantedByOther, "{error:?}");
        let role = lab.role("u").replace('"', "");
        assert_eq!(
            lab.column(&format!("SELECT rolcanlogin::text FROM pg_roles WHERE rolname = '{role}'")).await,
            ["false"]
        );
        first.revoke(&user.user, &[table]).await.unwrap();
        second.drop_user(&user.user).await.unwrap();
    } else {
        assert_eq!(error.kind(), ErrorKind::AdminDenied, "{error:?}");
        let must_run = format!("GRANT {} TO {} WITH ADMIN OPTION", lab.role("u"), lab.role("second"));
        assert!(advice(&error).contains(&format!("as {}: {must_run}", lab.role("first"))), "{error:?}");
        first.revoke(&user.user, &[table]).await.unwrap();
        let grantor = lab.role("first");
        lab.sql(&format!("SET ROLE {grantor}; {must_run}; RESET ROLE")).await;
        second.drop_user(&user.user).await.unwrap();
    }
    assert!(!second.user_exists(&user.user).await.unwrap());
}

pub(crate) async fn owned_objects_stay(lab: &mut Lab) {
    let source = lab.superuser();
    let (user, table) = (lab.user("u"), lab.table("employees"));
    let role = lab.role("u");
    let mut session = connect(&source).await;
    session.create_user(&user).await.unwrap();
    session.grant(&user.user, &table, &[]).await.unwrap();
    lab.sql(&format!(
        "CREATE SCHEMA mine AUTHORIZATION {role}; CREATE TABLE mine.t (a int); ALTER TABLE mine.t OWNER TO {role}"
    ))
    .await;
    let mut consumer = lab.open(&user).await;
    for _ in 0..2 {
        let error = session.drop_user(&user.user).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UserOwnsObjects, "{error:?}");
        assert!(error.detail().contains("mine.t") && error.detail().contains("schema mine"), "{error:?}");
    }
    assert_eq!(fails(&mut consumer, "SELECT 1").await, "57P01");
    assert!(lab.acls(&user).await.iter().all(|acl| !acl.starts_with("employees")));
    assert_eq!(lab.column("SELECT count(*)::text FROM pg_class WHERE relname = 't'").await, ["1"]);
    let connector = dzconn_postgres::connector();
    assert_eq!(connector.log_in(&source, &user, None, soon()).await.unwrap(), Login::Refused);
    lab.sql("DROP SCHEMA mine CASCADE").await;
    session.drop_user(&user.user).await.unwrap();
}

pub(crate) async fn privileges_elsewhere_are_named(lab: &mut Lab) {
    let source = lab.superuser();
    let user = lab.user("u");
    let mut session = connect(&source).await;
    session.create_user(&user).await.unwrap();
    let (role, elsewhere) = (lab.role("u"), format!("{} 2", lab.database));
    lab.sql(&format!("CREATE DATABASE {}", quoted(&elsewhere))).await;
    let mut there = {
        let mut source = lab.superuser();
        source.endpoint.target = dzconn_core::model::Target::Database(elsewhere.clone());
        let options = sqlx::postgres::PgConnectOptions::new_without_pgpass()
            .host(&lab.server.host)
            .port(lab.server.port)
            .username(&lab.server.user)
            .password(&lab.server.password)
            .database(&elsewhere);
        sqlx::ConnectOptions::connect(&options).await.unwrap()
    };
    run(&mut there, &format!("CREATE TABLE t (a int); GRANT SELECT ON t TO {role}")).await;
    let error = session.drop_user(&user.user).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::GrantedByOther, "{error:?}");
    assert!(error.detail().contains(&quoted(&elsewhere)), "{error:?}");
    run(&mut there, &format!("REVOKE ALL ON t FROM {role}")).await;
    drop(there);
    session.drop_user(&user.user).await.unwrap();
    lab.sql(&format!("DROP DATABASE {} WITH (FORCE)", quoted(&elsewhere))).await;
}

pub(crate) async fn privileges_on_a_function_are_named(lab: &mut Lab) {
    let source = lab.superuser();
    let (user, role) = (lab.user("u"), lab.role("u"));
    let mut session = connect(&source).await;
    session.create_user(&user).await.unwrap();
    lab.sql(&format!(
        "CREATE FUNCTION hr.f() RETURNS int LANGUAGE sql AS 'SELECT 1'; GRANT EXECUTE ON FUNCTION hr.f() TO {role}"
    ))
    .await;
    let error = session.drop_user(&user.user).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UserOwnsObjects, "{error:?}");
    assert!(error.detail().contains("hr.f()"), "{error:?}");
}

/// In schema `public`, the usage is everybody's, and a plain admin's GRANT of it does nothing: harmless.
pub(crate) async fn public_schema_of_a_plain_admin(lab: &mut Lab) {
    let source = lab.bare_admin("admin").await;
    let (admin, user) = (lab.role("admin"), lab.user("u"));
    lab.sql(&format!("CREATE TABLE public.t AS SELECT 1 AS a; GRANT SELECT ON public.t TO {admin} WITH GRANT OPTION"))
        .await;
    let table = TableName::in_schema(&lab.database, "public", "t").unwrap();
    let mut session = connect(&source).await;
    session.create_user(&user).await.unwrap();
    session.grant(&user.user, &table, &[]).await.unwrap();
    assert_eq!(lab.acls(&user).await, ["t SELECT"]);
    let mut consumer = lab.open(&user).await;
    assert_eq!(rows(&mut consumer, "TABLE public.t").await, [["1"]]);
    session.drop_user(&user.user).await.unwrap();
}
