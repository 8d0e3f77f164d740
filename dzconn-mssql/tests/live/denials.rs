//! A DENY wins over a GRANT, and is somebody else's.

use dzconn_core::ErrorKind;
use dzconn_core::engine::{Login, Reads};

use crate::lab::{Lab, name};

rules![a_grant_where_something_is_denied_is_refused, a_denial_outlives_a_revoke, a_denied_table_is_not_read,];

/// Every place where a DENY is in the way: (statement, how it is undone).
fn denials(user: &str) -> [(String, String); 5] {
    [
        (format!("DENY SELECT ON dbo.t TO {user}"), format!("REVOKE SELECT ON dbo.t FROM {user}")),
        (format!("DENY SELECT ON SCHEMA::dbo TO {user}"), format!("REVOKE SELECT ON SCHEMA::dbo FROM {user}")),
        (format!("DENY SELECT TO {user}"), format!("REVOKE SELECT FROM {user}")),
        ("DENY SELECT ON dbo.t TO readers".to_owned(), "REVOKE SELECT ON dbo.t FROM readers".to_owned()),
        (
            format!("ALTER ROLE db_denydatareader ADD MEMBER {user}"),
            format!("ALTER ROLE db_denydatareader DROP MEMBER {user}"),
        ),
    ]
}

async fn a_grant_where_something_is_denied_is_refused(lab: &mut Lab) {
    let [table] = lab.tables(["t"]).await;
    let user = lab.reader("u", &[]).await;
    let u = name(user.user.as_str());
    lab.sql("CREATE ROLE readers").await;
    lab.sql(&format!("ALTER ROLE readers ADD MEMBER {u}")).await;
    let mut session = lab.session().await;
    for (deny, undo) in denials(&u) {
        lab.sql(&deny).await;
        let error = session.grant(&user.user, &table, &[]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoGrantOption, "{deny}: {error:?}");
        assert!(error.detail().contains("DENY") && error.advice().is_some(), "{deny}: {error:?}");
        assert!(!lab.can_read(&user, &table).await, "{deny}: the denial was overwritten");
        let own = format!(
            "SELECT p.state FROM sys.database_permissions AS p INNER JOIN sys.database_principals AS u \
             ON u.principal_id = p.grantee_principal_id WHERE p.class = 1 AND p.state <> N'D' AND u.name = N'{}'",
            user.user
        );
        assert!(lab.sql(&own).await.is_empty(), "{deny}: something was granted");
        lab.sql(&undo).await;
        session.grant(&user.user, &table, &[]).await.unwrap();
        assert!(lab.can_read(&user, &table).await, "{undo}");
        session.revoke(&user.user, std::slice::from_ref(&table)).await.unwrap();
    }
}

async fn a_denial_outlives_a_revoke(lab: &mut Lab) {
    let [table] = lab.tables(["t"]).await;
    let user = lab.reader("u", &[]).await;
    let u = name(user.user.as_str());
    lab.sql(&format!("DENY SELECT ON dbo.t TO {u}")).await;
    lab.sql("GRANT SELECT ON dbo.t TO public").await;
    let mut session = lab.session().await;
    session.revoke(&user.user, std::slice::from_ref(&table)).await.unwrap();
    assert_eq!(session.reads(&user.user, &table).await.unwrap(), Reads::No);
    assert!(!lab.can_read(&user, &table).await, "REVOKE took the DENY away");
}

async fn a_denied_table_is_not_read(lab: &mut Lab) {
    let [table] = lab.tables(["t"]).await;
    let user = lab.reader("u", &[&table]).await;
    let u = name(user.user.as_str());
    lab.sql("CREATE ROLE readers").await;
    lab.sql(&format!("ALTER ROLE readers ADD MEMBER {u}")).await;
    let mut session = lab.session().await;
    for (deny, undo) in denials(&u).into_iter().skip(1) {
        lab.sql(&deny).await;
        assert_eq!(session.reads(&user.user, &table).await.unwrap(), Reads::No, "{deny}");
        assert_eq!(lab.login(&user, Some(&table)).await, Login::In(Some(Reads::No)), "{deny}");
        lab.sql(&undo).await;
        assert!(matches!(session.reads(&user.user, &table).await.unwrap(), Reads::Yes(_)), "{undo}");
    }
}
