//! Users, grants and sessions.

use dzconn_core::ErrorKind;
use dzconn_core::engine::{Created, Login, Reads};
use dzconn_core::model::{AssetPath, TableName, UserName};

use crate::lab::{Lab, PASSWORD, name, quoted, refusal, run, session, shown, text};

rules![
    open_sessions_end_with_the_user,
    open_sessions_lose_a_table_at_once,
    columns_and_the_grant_option_go_with_a_revoke,
    what_others_granted_goes_where_the_admin_may,
    every_way_of_reading_is_found,
    excess_names_what_is_beyond_the_grants,
    a_user_that_exists_keeps_its_password_and_is_enabled,
    a_new_password_unlocks,
    a_name_that_is_somebody_elses_is_left_alone,
    who_owns_something_is_not_dropped,
    the_same_name_in_another_case_is_the_same_table,
    a_password_that_the_policy_rejects_is_said_to_be,
    users_are_listed_letter_by_letter,
];

async fn open_sessions_end_with_the_user(lab: &mut Lab) {
    let [table] = lab.tables(["t"]).await;
    let user = lab.reader("u", &[&table]).await;
    let mut clients = vec![lab.client(&user).await, lab.client(&user).await, lab.client(&user).await];
    let count = format!("SELECT COUNT(*) FROM {}", quoted(&table));
    assert_eq!(run(&mut clients[0], &count).await.unwrap(), [["3"]]);
    lab.session().await.drop_user(&user.user).await.unwrap();
    for client in &mut clients {
        assert!(run(client, "SELECT 1").await.is_err(), "a session lives on");
    }
    assert_eq!(lab.login(&user, None).await, Login::Refused);
    assert_eq!(lab.principals(&user).await, 0);
    lab.session().await.drop_user(&user.user).await.unwrap();
}

async fn open_sessions_lose_a_table_at_once(lab: &mut Lab) {
    let [table] = lab.tables(["t"]).await;
    let user = lab.reader("u", &[&table]).await;
    let mut client = lab.client(&user).await;
    let read = format!("SELECT COUNT(*) FROM {}", quoted(&table));
    run(&mut client, &read).await.unwrap();
    lab.session().await.revoke(&user.user, std::slice::from_ref(&table)).await.unwrap();
    assert_eq!(refusal(run(&mut client, &read).await), 229);
}

async fn columns_and_the_grant_option_go_with_a_revoke(lab: &mut Lab) {
    let [table] = lab.tables(["t"]).await;
    let user = lab.reader("u", &[&table]).await;
    let (heir, u) = (lab.reader("heir", &[]).await, name(user.user.as_str()));
    let mut session = lab.session().await;
    lab.sql(&format!("REVOKE SELECT ON dbo.t FROM {u}")).await;
    lab.sql(&format!("GRANT SELECT (id) ON dbo.t TO {u}")).await;
    match session.reads(&user.user, &table).await.unwrap() {
        Reads::Yes(ways) => assert!(ways.len() == 1 && ways[0].contains("some columns"), "{ways:?}"),
        other => panic!("{other:?}"),
    }
    session.revoke(&user.user, std::slice::from_ref(&table)).await.unwrap();
    assert_eq!(session.reads(&user.user, &table).await.unwrap(), Reads::No);

    lab.sql(&format!("GRANT SELECT ON dbo.t TO {u} WITH GRANT OPTION")).await;
    let mut client = lab.client(&user).await;
    run(&mut client, &format!("GRANT SELECT ON dbo.t TO {}", name(heir.user.as_str()))).await.unwrap();
    assert!(lab.can_read(&heir, &table).await);
    session.revoke(&user.user, std::slice::from_ref(&table)).await.unwrap();
    assert!(!lab.can_read(&user, &table).await && !lab.can_read(&heir, &table).await, "what was passed on goes too");
}

async fn what_others_granted_goes_where_the_admin_may(lab: &mut Lab) {
    let [table] = lab.tables(["t"]).await;
    let user = lab.reader("u", &[&table]).await;
    let (other, u) = (lab.reader("other", &[]).await, name(user.user.as_str()));
    lab.sql(&format!("GRANT SELECT ON dbo.t TO {} WITH GRANT OPTION", name(other.user.as_str()))).await;
    run(&mut lab.client(&other).await, &format!("GRANT SELECT ON dbo.t TO {u}")).await.unwrap();

    // One that may not act for the other names it.
    let admin = lab.documented_admin("a").await;
    let mut least = session(&admin).await;
    least.grant(&user.user, &table, &[]).await.unwrap();
    let error = least.revoke(&user.user, std::slice::from_ref(&table)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::GrantedByOther, "{error:?}");
    let other_name = name(other.user.as_str());
    assert!(error.detail().contains(&other_name) && error.advice().unwrap().contains(&other_name), "{error:?}");
    assert!(lab.can_read(&user, &table).await);

    lab.session().await.revoke(&user.user, std::slice::from_ref(&table)).await.unwrap();
    assert!(!lab.can_read(&user, &table).await);
}

async fn every_way_of_reading_is_found(lab: &mut Lab) {
    let [table] = lab.tables(["t"]).await;
    let user = lab.reader("u", &[]).await;
    let (u, database) = (name(user.user.as_str()), name(&lab.database));
    lab.sql("CREATE ROLE outer_role").await;
    lab.sql("CREATE ROLE inner_role").await;
    lab.sql("ALTER ROLE inner_role ADD MEMBER outer_role").await;
    lab.sql(&format!("ALTER ROLE outer_role ADD MEMBER {u}")).await;
    let mut session = lab.session().await;
    assert_eq!(session.reads(&user.user, &table).await.unwrap(), Reads::No);
    let ways = [
        ("GRANT SELECT ON dbo.t TO", "REVOKE SELECT ON dbo.t FROM", u.as_str(), "SELECT on the table, by"),
        ("GRANT SELECT ON dbo.t TO", "REVOKE SELECT ON dbo.t FROM", "inner_role", "granted to [inner_role]"),
        ("GRANT SELECT ON dbo.t TO", "REVOKE SELECT ON dbo.t FROM", "public", "granted to [public]"),
        ("GRANT CONTROL ON dbo.t TO", "REVOKE CONTROL ON dbo.t FROM", &u, "CONTROL on the table, by"),
        ("GRANT SELECT ON SCHEMA::dbo TO", "REVOKE SELECT ON SCHEMA::dbo FROM", &u, "SELECT on the schema, by"),
        ("GRANT SELECT TO", "REVOKE SELECT FROM", "outer_role", "SELECT on the database, granted to [outer_role]"),
        ("ALTER ROLE db_datareader ADD MEMBER", "ALTER ROLE db_datareader DROP MEMBER", &u, "the role db_datareader"),
        ("ALTER ROLE db_owner ADD MEMBER", "ALTER ROLE db_owner DROP MEMBER", "outer_role", "the role db_owner"),
    ];
    for (give, take, whom, expected) in ways {
        lab.sql(&format!("{give} {whom}")).await;
        match session.reads(&user.user, &table).await.unwrap() {
            Reads::Yes(ways) => assert!(ways.len() == 1 && ways[0].contains(expected), "{give} {whom}: {ways:?}"),
            other => panic!("{give} {whom}: {other:?}"),
        }
        assert!(lab.can_read(&user, &table).await, "{give} {whom}");
        lab.sql(&format!("{take} {whom}")).await;
        assert_eq!(session.reads(&user.user, &table).await.unwrap(), Reads::No, "{take} {whom}");
        assert!(!lab.can_read(&user, &table).await, "{take} {whom}");
    }
    let owner = format!("ALTER AUTHORIZATION ON OBJECT::dbo.t TO {u}");
    lab.sql(&owner).await;
    assert!(matches!(session.reads(&user.user, &table).await.unwrap(), Reads::Yes(ways) if ways[0].contains("owns")));
    lab.sql("ALTER AUTHORIZATION ON OBJECT::dbo.t TO SCHEMA OWNER").await;
    lab.sql_in("master", &format!("ALTER SERVER ROLE sysadmin ADD MEMBER {u}")).await;
    match session.reads(&user.user, &table).await.unwrap() {
        Reads::Yes(ways) => assert!(ways.iter().any(|way| way.contains("sysadmin")), "{ways:?}"),
        other => panic!("{other:?} of a sysadmin in {database}"),
    }
}

async fn excess_names_what_is_beyond_the_grants(lab: &mut Lab) {
    let [table, other] = lab.tables(["t", "other"]).await;
    let user = lab.reader("u", &[&table]).await;
    let u = name(user.user.as_str());
    let mut session = lab.session().await;
    let granted = [table.clone()];
    assert_eq!(session.excess(&user.user, &granted, 100).await.unwrap(), Vec::<String>::new());
    assert_eq!(session.excess(&user.user, &[], 100).await.unwrap().len(), 1);
    lab.sql("CREATE ROLE writers").await;
    for grant in [
        format!("GRANT SELECT, DELETE ON {} TO {u}", quoted(&other)),
        "GRANT UPDATE ON dbo.t TO writers".to_owned(),
        format!("ALTER ROLE writers ADD MEMBER {u}"),
        format!("GRANT EXECUTE TO {u}"),
        format!("GRANT INSERT ON SCHEMA::dbo TO {u}"),
    ] {
        lab.sql(&grant).await;
    }
    lab.sql_in("master", &format!("GRANT VIEW SERVER STATE TO {u}")).await;
    let excess = session.excess(&user.user, &granted, 100).await.unwrap();
    for expected in [
        "it has SELECT on [dbo].[other]",
        "it has DELETE on [dbo].[other]",
        "[writers] has UPDATE on [dbo].[t]",
        "it is in the role [writers]",
        "it has EXECUTE on [",
        "it has INSERT on the schema [dbo]",
        "it has VIEW SERVER STATE on the server",
    ] {
        assert!(excess.iter().any(|found| found.contains(expected)), "{expected} is not in {excess:?}");
    }
    assert_eq!(excess.len(), 7, "{excess:?}");
    for limit in 0..3 {
        assert_eq!(session.excess(&user.user, &granted, limit).await.unwrap().len(), limit);
    }
}

async fn a_user_that_exists_keeps_its_password_and_is_enabled(lab: &mut Lab) {
    let user = lab.reader("u", &[]).await;
    let mut other = user.clone();
    other.password = dzconn_core::Secret::new("Another-password_1".into());
    lab.sql(&format!("ALTER LOGIN {} DISABLE", name(user.user.as_str()))).await;
    assert_eq!(lab.login(&user, None).await, Login::Refused);
    let mut session = lab.session().await;
    assert_eq!(session.create_user(&other).await.unwrap(), Created::Existed);
    assert_eq!(lab.login(&user, None).await, Login::In(None));
    assert_eq!(lab.login(&other, None).await, Login::Refused);
    // A login that somebody kept out of the database is let in again.
    lab.sql(&format!("DROP USER {}", name(user.user.as_str()))).await;
    assert_eq!(lab.login(&user, None).await, Login::Refused);
    assert_eq!(session.create_user(&user).await.unwrap(), Created::Existed);
    assert_eq!(lab.login(&user, None).await, Login::In(None));
}

async fn a_new_password_unlocks(lab: &mut Lab) {
    let user = lab.reader("u", &[]).await;
    let mut changed = user.clone();
    changed.password = dzconn_core::Secret::new("It's-another]_Pass1\"word".into());
    let mut session = lab.session().await;
    session.set_password(&changed).await.unwrap();
    assert_eq!(lab.login(&user, None).await, Login::Refused);
    assert_eq!(lab.login(&changed, None).await, Login::In(None));
    let error = session.set_password(&lab.user("nobody")).await.unwrap_err();
    assert!(error.detail().contains("no such user") && !shown(&error).contains(PASSWORD), "{error:?}");
}

async fn a_name_that_is_somebody_elses_is_left_alone(lab: &mut Lab) {
    let [table] = lab.tables(["t"]).await;
    let user = lab.user("u");
    let u = name(user.user.as_str());
    let mut session = lab.session().await;
    // A user without login, on purpose.
    lab.sql(&format!("CREATE USER {u} WITHOUT LOGIN")).await;
    for error in [
        session.create_user(&user).await.map(drop).unwrap_err(),
        session.grant(&user.user, &table, &[]).await.unwrap_err(),
        session.drop_user(&user.user).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:?}");
    }
    assert_eq!(lab.principals(&user).await, 1, "it is there, and no login was made");
    lab.sql(&format!("DROP USER {u}")).await;
    // A server role.
    lab.sql_in("master", &format!("CREATE SERVER ROLE {u}")).await;
    assert_eq!(session.create_user(&user).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    lab.sql_in("master", &format!("DROP SERVER ROLE {u}")).await;
    assert_eq!(session.create_user(&user).await.unwrap(), Created::New);
    // To the server it is the same name.
    let shouted = UserName::new(user.user.as_str().to_uppercase()).unwrap();
    let same =
        lab.sql(&format!("SELECT name FROM sys.server_principals WHERE name = {}", text(shouted.as_str()))).await;
    if same.len() == 1 {
        assert_eq!(session.drop_user(&shouted).await.unwrap_err().kind(), ErrorKind::InvalidInput);
        assert!(session.user_exists(&user.user).await.unwrap());
    }
}

async fn who_owns_something_is_not_dropped(lab: &mut Lab) {
    let [table] = lab.tables(["t"]).await;
    let user = lab.reader("u", &[&table]).await;
    let u = name(user.user.as_str());
    let owned = lab.own("schema");
    let other = lab.another("other").await;
    let mut session = lab.session().await;
    for (give, take, named) in [
        (format!("CREATE SCHEMA {owned} AUTHORIZATION {u}"), format!("DROP SCHEMA {owned}"), owned.clone()),
        (format!("CREATE ROLE {owned} AUTHORIZATION {u}"), format!("DROP ROLE {owned}"), owned.clone()),
        (
            format!("ALTER AUTHORIZATION ON OBJECT::dbo.t TO {u}"),
            "ALTER AUTHORIZATION ON OBJECT::dbo.t TO SCHEMA OWNER".to_owned(),
            "[t]".to_owned(),
        ),
        (
            format!("ALTER AUTHORIZATION ON DATABASE::{other} TO {u}"),
            format!("ALTER AUTHORIZATION ON DATABASE::{other} TO sa"),
            other.clone(),
        ),
    ] {
        lab.sql(&give).await;
        let mut client = lab.client(&user).await;
        let error = session.drop_user(&user.user).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UserOwnsObjects, "{give}: {error:?}");
        assert!(error.detail().contains(&named) && error.advice().is_some(), "{give}: {error:?}");
        assert_eq!(lab.login(&user, None).await, Login::Refused, "{give}");
        assert!(run(&mut client, "SELECT 1").await.is_err(), "{give}: its session lives on");
        lab.sql(&take).await;
        assert_eq!(session.create_user(&user).await.unwrap(), Created::Existed);
    }
    session.drop_user(&user.user).await.unwrap();
    assert_eq!(lab.principals(&user).await, 0);
}

async fn the_same_name_in_another_case_is_the_same_table(lab: &mut Lab) {
    let [table] = lab.tables(["Orders"]).await;
    let user = lab.reader("u", &[&table]).await;
    let shouted = TableName::in_schema(table.database(), "DBO", "ORDERS").unwrap();
    let mut session = lab.session().await;
    let path = AssetPath::new(shouted.joined()).unwrap();
    assert_eq!(session.resolve(&path).await.unwrap(), table);
    let folds = lab.sql("SELECT name FROM sys.objects WHERE name = N'ORDERS'").await.len() == 1;
    // What was granted is not taken back under its other name.
    session.grant(&user.user, &table, std::slice::from_ref(&shouted)).await.unwrap();
    assert!(lab.can_read(&user, &table).await);
    session.revoke(&user.user, std::slice::from_ref(&shouted)).await.unwrap();
    assert_eq!(lab.can_read(&user, &table).await, !folds);
}

async fn a_password_that_the_policy_rejects_is_said_to_be(lab: &mut Lab) {
    let mut weak = lab.user("u");
    weak.password = dzconn_core::Secret::new("aaaaaaaaaaaa".into());
    let mut session = lab.session().await;
    let error = session.create_user(&weak).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PasswordRejected, "{error:?}");
    assert!(error.vendor_code().unwrap().starts_with("SQL Server 151"), "{error:?}");
    assert!(!shown(&error).contains("aaaaaaaaaaaa"), "{error:?}");
    weak.password = dzconn_core::Secret::new("Aa1-\\\nno_literal_holds_it".into());
    assert_eq!(session.create_user(&weak).await.unwrap_err().kind(), ErrorKind::PasswordRejected);
    assert_eq!(lab.principals(&weak).await, 0);
}

async fn users_are_listed_letter_by_letter(lab: &mut Lab) {
    let (one, other) = (lab.reader("_a", &[]).await, lab.reader("xa", &[]).await);
    let mut session = lab.session().await;
    assert_eq!(session.users(&lab.own("_")).await.unwrap(), std::slice::from_ref(&one.user));
    assert_eq!(session.users(&lab.own("")).await.unwrap(), [one.user, other.user]);
    assert!(session.users(&lab.own("_").to_uppercase()).await.unwrap().is_empty());
}
