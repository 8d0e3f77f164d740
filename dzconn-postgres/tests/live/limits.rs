//! What the server cannot or will not do.

use std::time::Duration;

use dzconn_core::model::{AdminLogin, Source, Target};
use dzconn_core::{Deadline, EngineConnector, ErrorKind, Secret};

use super::lab::{Lab, connect, soon};

/// A table's privileges must fit one page.
pub(crate) async fn full_list_of_privileges(lab: &mut Lab) {
    let source = lab.plain_admin("admin").await;
    let (user, table) = (lab.user("u"), lab.table("employees"));
    let (admin, tag) = (lab.role("admin"), lab.tag.clone());
    lab.sql(&format!(
        "DO $$ DECLARE many text; BEGIN FOR i IN 1..2600 LOOP EXECUTE format('CREATE ROLE %I', '{tag}_g' || i); END LOOP; \
         SELECT string_agg(quote_ident('{tag}_g' || i), ', ') INTO many FROM generate_series(1, 2300) i; \
         SET LOCAL ROLE {admin}; EXECUTE 'GRANT SELECT ON hr.employees TO ' || many; \
         FOR i IN 2301..2600 LOOP \
         BEGIN EXECUTE format('GRANT SELECT ON hr.employees TO %I', '{tag}_g' || i); \
         EXCEPTION WHEN program_limit_exceeded THEN EXIT; END; END LOOP; END $$"
    ))
    .await;
    let mut session = connect(&source).await;
    session.create_user(&user).await.unwrap();
    let error = session.grant(&user.user, &table, &[]).await.unwrap_err();
    assert_eq!((error.kind(), error.vendor_code()), (ErrorKind::LimitReached, Some("PostgreSQL 54000")), "{error:?}");
    assert!(error.advice().is_some());
    assert!(lab.acls(&user).await.is_empty(), "the usage of the schema was rolled back");
    session.grant(&user.user, &lab.table("salaries"), &[]).await.unwrap();
}

pub(crate) async fn read_only_source(lab: &mut Lab) {
    let source = lab.plain_admin("admin").await;
    let admin = lab.role("admin");
    lab.sql(&format!("ALTER ROLE {admin} SET default_transaction_read_only = on")).await;
    let mut session = connect(&source).await;
    assert_eq!(session.create_user(&lab.user("u")).await.unwrap_err().kind(), ErrorKind::ReadOnly);
}

async fn kind(source: &Source) -> ErrorKind {
    let error = dzconn_postgres::connector().connect(source, soon()).await.unwrap_err();
    let text = format!("{error} {error:?}");
    assert!(!text.contains(source.admin.password.expose()), "{text}");
    assert!(text.contains(&source.endpoint.host) && text.contains(&source.endpoint.port.to_string()), "{text}");
    error.kind()
}

pub(crate) async fn connect_errors_have_their_kinds(lab: &mut Lab) {
    let connector = dzconn_postgres::connector();
    let source = lab.bare_admin("admin").await;
    let admin = lab.role("admin");
    let mut wrong = source.clone();
    wrong.admin.password = Secret::new("hunter2hunter2".to_owned());
    assert_eq!(kind(&wrong).await, ErrorKind::AdminLoginRefused);
    wrong.admin = AdminLogin { user: "nobody there".to_owned(), password: Secret::new("hunter2hunter2".to_owned()) };
    assert_eq!(kind(&wrong).await, ErrorKind::AdminLoginRefused);
    wrong = source.clone();
    wrong.endpoint.target = Target::Database("no such database".to_owned());
    assert_eq!(kind(&wrong).await, ErrorKind::InvalidConfig);
    wrong.endpoint.target = Target::Database("a\0b".to_owned());
    assert_eq!(kind(&wrong).await, ErrorKind::InvalidInput);
    wrong.endpoint.target = Target::Service("x".to_owned());
    assert_eq!(kind(&wrong).await, ErrorKind::InvalidConfig);
    wrong = source.clone();
    wrong.endpoint.port = 1;
    assert_eq!(kind(&wrong).await, ErrorKind::Unreachable);

    let error = connector.connect(&source, Deadline::within(Duration::ZERO)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    lab.sql(&format!("ALTER ROLE {admin} CONNECTION LIMIT 1")).await;
    let session = connect(&source).await;
    assert_eq!(kind(&source).await, ErrorKind::TooManyConnections);
    session.close().await.unwrap();
    lab.sql(&format!("ALTER ROLE {admin} NOLOGIN")).await;
    assert_eq!(kind(&source).await, ErrorKind::AdminLoginRefused);
    lab.sql(&format!("ALTER ROLE {admin} LOGIN CONNECTION LIMIT -1; REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC"))
        .await;
    assert_eq!(kind(&source).await, ErrorKind::AdminDenied);
}
