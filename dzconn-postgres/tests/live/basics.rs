//! The whole life of a user, and what the methods promise one by one.

use dzconn_core::engine::{Created, Login, Reads};
use dzconn_core::model::{AssetPath, Source, TableName};
use dzconn_core::{EngineConnector, ErrorKind, Secret};

use super::lab::{Lab, connect, fails, key, rows, run, soon};

pub(crate) async fn whole_life_with_superuser(lab: &mut Lab) {
    let source = lab.superuser();
    whole_life(lab, source).await;
}

pub(crate) async fn whole_life_with_plain_admin(lab: &mut Lab) {
    let source = lab.plain_admin("admin").await;
    whole_life(lab, source).await;
}

async fn whole_life(lab: &mut Lab, source: Source) {
    let connector = dzconn_postgres::connector();
    let (user, table, other) = (lab.user("u"), lab.table("employees"), lab.table("salaries"));
    let mut session = connect(&source).await;
    session.lock(&key(), std::time::Duration::from_secs(5), std::time::Duration::from_secs(60)).await.unwrap();

    assert!(!session.user_exists(&user.user).await.unwrap());
    assert_eq!(session.create_user(&user).await.unwrap(), Created::New);
    assert_eq!(session.create_user(&user).await.unwrap(), Created::Existed);
    assert!(session.user_exists(&user.user).await.unwrap());
    assert_eq!(connector.log_in(&source, &user, None, soon()).await.unwrap(), Login::In(None));
    let no = connector.log_in(&source, &user, Some(&table), soon()).await.unwrap();
    assert_eq!(no, Login::In(Some(Reads::No)));

    for _ in 0..2 {
        session.grant(&user.user, &table, &[]).await.unwrap();
    }
    let Reads::Yes(ways) = session.reads(&user.user, &table).await.unwrap() else { panic!("not read") };
    assert_eq!(ways.len(), 1, "{ways:?}");
    assert!(ways[0].starts_with("a privilege of its own"), "{ways:?}");
    assert_eq!(session.reads(&user.user, &other).await.unwrap(), Reads::No);
    let yes = connector.log_in(&source, &user, Some(&table), soon()).await.unwrap();
    assert_eq!(yes, Login::In(Some(Reads::Yes(ways))));
    assert_eq!(lab.acls(&user).await, ["employees SELECT", "hr USAGE"], "CONNECT is PUBLIC's");

    let mut consumer = lab.open(&user).await;
    assert_eq!(rows(&mut consumer, "TABLE hr.employees").await, [["1"]]);
    assert_eq!(fails(&mut consumer, "TABLE hr.salaries").await, "42501");
    assert_eq!(fails(&mut consumer, "INSERT INTO hr.employees VALUES (2)").await, "42501");
    assert_eq!(fails(&mut consumer, "CREATE TABLE hr.t (a int)").await, "42501");

    let newer = dzconn_core::model::Credentials { password: Secret::new("Bb2-other".into()), ..user.clone() };
    session.set_password(&newer).await.unwrap();
    assert_eq!(connector.log_in(&source, &user, None, soon()).await.unwrap(), Login::Refused);
    assert_eq!(connector.log_in(&source, &newer, None, soon()).await.unwrap(), Login::In(None));

    for _ in 0..2 {
        session.revoke(&user.user, std::slice::from_ref(&table)).await.unwrap();
    }
    assert_eq!(fails(&mut consumer, "TABLE hr.employees").await, "42501", "an open session loses it at once");
    assert!(lab.acls(&user).await.is_empty());

    session.grant(&user.user, &table, &[]).await.unwrap();
    for _ in 0..2 {
        session.drop_user(&user.user).await.unwrap();
    }
    assert_eq!(fails(&mut consumer, "SELECT 1").await, "57P01", "an open session is ended");
    assert!(!session.user_exists(&user.user).await.unwrap());
    assert_eq!(connector.log_in(&source, &newer, None, soon()).await.unwrap(), Login::Refused);
    assert_eq!(session.reads(&user.user, &table).await.unwrap(), Reads::No);
    session.unlock().await.unwrap();
    session.close().await.unwrap();
}

pub(crate) async fn schema_usage_goes_with_the_last_table(lab: &mut Lab) {
    let source = lab.plain_admin("admin").await;
    let user = lab.user("u");
    let tables = [lab.table("employees"), lab.table("salaries")];
    let mut session = connect(&source).await;
    session.create_user(&user).await.unwrap();
    for table in &tables {
        session.grant(&user.user, table, &[]).await.unwrap();
    }
    session.revoke(&user.user, &tables[..1]).await.unwrap();
    assert_eq!(lab.acls(&user).await, ["hr USAGE", "salaries SELECT"]);
    session.revoke(&user.user, &tables[1..]).await.unwrap();
    assert!(lab.acls(&user).await.is_empty());

    for table in &tables {
        session.grant(&user.user, table, &[]).await.unwrap();
    }
    session.revoke(&user.user, &tables).await.unwrap();
    assert!(lab.acls(&user).await.is_empty(), "both at once");
    session.drop_user(&user.user).await.unwrap();
}

pub(crate) async fn grant_takes_back_others(lab: &mut Lab) {
    let source = lab.plain_admin("admin").await;
    let (user, one, other) = (lab.user("u"), lab.table("employees"), lab.table("salaries"));
    let gone = lab.table("gone");
    let mut session = connect(&source).await;
    session.create_user(&user).await.unwrap();
    session.grant(&user.user, &one, &[]).await.unwrap();
    session.grant(&user.user, &other, &[one, gone, other.clone()]).await.unwrap();
    assert_eq!(lab.acls(&user).await, ["hr USAGE", "salaries SELECT"]);
    assert!(matches!(session.reads(&user.user, &other).await.unwrap(), Reads::Yes(_)));
}

pub(crate) async fn columns_are_taken_back_too(lab: &mut Lab) {
    let source = lab.superuser();
    let (user, table) = (lab.user("u"), lab.table("employees"));
    let mut session = connect(&source).await;
    session.create_user(&user).await.unwrap();
    let role = lab.role("u");
    lab.sql(&format!(
        "GRANT SELECT (id), UPDATE (id) ON hr.employees TO {role}; GRANT INSERT ON hr.employees TO {role}"
    ))
    .await;
    assert_eq!(session.reads(&user.user, &table).await.unwrap(), Reads::No);
    session.revoke(&user.user, &[table]).await.unwrap();
    assert!(lab.acls(&user).await.is_empty());
}

pub(crate) async fn missing_table_and_missing_user_are_fine(lab: &mut Lab) {
    let source = lab.plain_admin("admin").await;
    let (user, table) = (lab.user("u"), lab.table("employees"));
    let gone = [table.clone(), lab.table("gone"), TableName::in_schema(&lab.database, "gone", "gone").unwrap()];
    let mut session = connect(&source).await;
    session.revoke(&user.user, &gone).await.unwrap();
    session.drop_user(&user.user).await.unwrap();
    assert_eq!(session.reads(&user.user, &table).await.unwrap(), Reads::No);
    assert!(session.excess(&user.user, &[], 5).await.unwrap().is_empty());
    assert!(session.set_password(&user).await.is_err());
    let error = session.grant(&user.user, &table, &[]).await.unwrap_err();
    assert_eq!(error.vendor_code(), Some("PostgreSQL 42704"), "{error:?}");
    assert!(!session.user_exists(&user.user).await.unwrap());

    session.create_user(&user).await.unwrap();
    session.grant(&user.user, &table, &[]).await.unwrap();
    lab.sql("DROP TABLE hr.employees").await;
    session.revoke(&user.user, &gone).await.unwrap();
    assert!(lab.acls(&user).await.is_empty(), "the usage of its schema goes as well");
    session.drop_user(&user.user).await.unwrap();
}

pub(crate) async fn every_kind_of_relation_resolves(lab: &mut Lab) {
    lab.sql(
        "CREATE VIEW hr.v AS TABLE hr.employees; CREATE MATERIALIZED VIEW hr.m AS TABLE hr.employees; \
         CREATE TABLE hr.p (a int) PARTITION BY LIST (a); CREATE TABLE hr.p1 PARTITION OF hr.p DEFAULT; \
         CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w; \
         CREATE FOREIGN TABLE hr.f (a int) SERVER s; CREATE SEQUENCE hr.s; CREATE INDEX i ON hr.employees (id); \
         CREATE TABLE hr.\"A.b\" (a int); CREATE SCHEMA \"hr.A\"; CREATE TABLE \"hr.A\".b (a int); \
         CREATE TABLE hr.\"Straße Ä\" (a int); CREATE TEMP TABLE employees (a int)",
    )
    .await;
    let source = lab.plain_admin("admin").await;
    let user = lab.user("u");
    let mut session = connect(&source).await;
    session.create_user(&user).await.unwrap();
    for name in ["v", "m", "p", "p1", "f", "Straße Ä"] {
        let table = session.resolve(&AssetPath::new(lab.table(name).joined()).unwrap()).await.unwrap();
        assert_eq!(table, lab.table(name));
        session.grant(&user.user, &table, &[]).await.unwrap();
        session.revoke(&user.user, &[table]).await.unwrap();
    }
    let path = |text: &str| AssetPath::new(format!("{}.{text}", lab.database)).unwrap();
    assert_eq!(session.resolve(&path("HR.Employees")).await.unwrap(), lab.table("employees"));
    assert_eq!(session.resolve(&path("hr.STRASSE ä")).await.unwrap_err().kind(), ErrorKind::TableNotFound);
    assert_eq!(session.resolve(&path("hr.straße ä")).await.unwrap(), lab.table("Straße Ä"));
    let ambiguous = session.resolve(&path("hr.A.b")).await.unwrap_err();
    assert_eq!(ambiguous.kind(), ErrorKind::TableAmbiguous, "{ambiguous:?}");
    for missing in ["hr.s", "hr.i", "hr.none", "pg_catalog.pg_authid", "information_schema.tables"] {
        let error = session.resolve(&path(missing)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TableNotFound, "{missing}");
        assert!(!error.advice().unwrap_or_default().contains("is connected to"), "{error:?}");
    }
}

pub(crate) async fn other_database_is_named(lab: &mut Lab) {
    let source = lab.superuser();
    let user = lab.user("u");
    let mut session = connect(&source).await;
    session.create_user(&user).await.unwrap();
    let error = session.resolve(&AssetPath::new("elsewhere.hr.employees").unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TableNotFound);
    assert!(error.advice().unwrap().contains(&format!("{:?}", lab.database)), "{error:?}");
    let elsewhere = TableName::in_schema("elsewhere", "hr", "employees").unwrap();
    for error in [
        session.grant(&user.user, &elsewhere, &[]).await.unwrap_err(),
        session.revoke(&user.user, std::slice::from_ref(&elsewhere)).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::TableNotFound);
        assert!(error.detail().contains("is not in database"), "{error:?}");
    }
    assert!(matches!(session.reads(&user.user, &elsewhere).await.unwrap(), Reads::CannotTell(_)));
}

pub(crate) async fn disabled_user_is_enabled_again(lab: &mut Lab) {
    let source = lab.plain_admin("admin").await;
    let user = lab.user("u");
    let mut session = connect(&source).await;
    session.create_user(&user).await.unwrap();
    let role = lab.role("u");
    lab.sql(&format!("ALTER ROLE {role} NOLOGIN")).await;
    let connector = dzconn_postgres::connector();
    assert_eq!(connector.log_in(&source, &user, None, soon()).await.unwrap(), Login::Refused);
    assert_eq!(session.create_user(&user).await.unwrap(), Created::Existed);
    assert_eq!(connector.log_in(&source, &user, None, soon()).await.unwrap(), Login::In(None));
}

pub(crate) async fn excess_names_what_others_give(lab: &mut Lab) {
    let source = lab.plain_admin("admin").await;
    let (user, table) = (lab.user("u"), lab.table("employees"));
    let (role, group, database) = (lab.role("u"), lab.role("group"), super::lab::quoted(&lab.database));
    lab.sql(&format!("REVOKE TEMP ON DATABASE {database} FROM PUBLIC; REVOKE ALL ON SCHEMA public FROM PUBLIC")).await;
    let mut session = connect(&source).await;
    session.create_user(&user).await.unwrap();
    session.grant(&user.user, &table, &[]).await.unwrap();
    let granted = [table];
    let none = session.excess(&user.user, &granted, 10).await.unwrap();
    assert!(none.is_empty(), "{none:?}");

    lab.sql(&format!(
        "GRANT TEMP ON DATABASE {database} TO PUBLIC; GRANT SELECT ON hr.salaries TO PUBLIC; \
         GRANT INSERT ON hr.employees TO {role}; CREATE ROLE {group} CREATEDB; GRANT {group} TO {role}; \
         GRANT CREATE ON SCHEMA hr TO {group}; ALTER ROLE {role} BYPASSRLS; \
         CREATE TABLE hr.wide (a int, b int); GRANT SELECT (a) ON hr.wide TO {role}"
    ))
    .await;
    let found = session.excess(&user.user, &granted, 10).await.unwrap();
    assert_eq!(
        found,
        [
            "is exempt from row security".to_owned(),
            format!("is a member of role {group}"),
            "can change \"hr\".\"employees\" (INSERT, granted to it)".to_owned(),
            "can read \"hr\".\"salaries\" (PUBLIC)".to_owned(),
            "can read some columns of \"hr\".\"wide\" (granted to it)".to_owned(),
            "can create objects in schema \"hr\" (by a role or attribute of it)".to_owned(),
            format!("can create temporary tables in database {database} (PUBLIC)"),
        ]
    );
    assert_eq!(session.excess(&user.user, &granted, 2).await.unwrap(), found[..2]);
    assert!(session.excess(&user.user, &granted, 0).await.unwrap().is_empty());
    let Reads::Yes(ways) = session.reads(&user.user, &lab.table("salaries")).await.unwrap() else { panic!() };
    assert_eq!(ways, [format!("PUBLIC, granted by {}", lab.role("owner"))]);
    lab.sql(&format!("REVOKE SELECT ON hr.salaries FROM PUBLIC; GRANT pg_read_all_data TO {role}")).await;
    let Reads::Yes(ways) = session.reads(&user.user, &lab.table("salaries")).await.unwrap() else { panic!() };
    assert_eq!(ways, ["role \"pg_read_all_data\""]);
}

pub(crate) async fn refused_logins_are_an_answer(lab: &mut Lab) {
    let source = lab.superuser();
    let user = lab.user("u");
    let connector = dzconn_postgres::connector();
    assert_eq!(connector.log_in(&source, &user, None, soon()).await.unwrap(), Login::Refused, "no such user");
    let mut session = connect(&source).await;
    session.create_user(&user).await.unwrap();
    let wrong = dzconn_core::model::Credentials { password: Secret::new("wrong".into()), ..user.clone() };
    assert_eq!(connector.log_in(&source, &wrong, None, soon()).await.unwrap(), Login::Refused, "wrong password");
    let database = super::lab::quoted(&lab.database);
    lab.sql(&format!("REVOKE CONNECT ON DATABASE {database} FROM PUBLIC")).await;
    assert_eq!(connector.log_in(&source, &user, None, soon()).await.unwrap(), Login::Refused, "no right to connect");
    session.grant(&user.user, &lab.table("employees"), &[]).await.unwrap();
    let yes = connector.log_in(&source, &user, Some(&lab.table("employees")), soon()).await.unwrap();
    assert!(matches!(yes, Login::In(Some(Reads::Yes(_)))), "{yes:?}");
    let mut consumer = lab.open(&user).await;
    run(&mut consumer, "TABLE hr.employees").await;
    session.drop_user(&user.user).await.unwrap();
}
