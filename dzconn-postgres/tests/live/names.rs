//! Names are data.

use std::time::Duration;

use dzconn_core::ErrorKind;
use dzconn_core::engine::Reads;
use dzconn_core::model::{AssetPath, Credentials, TableName, UserName};

use super::lab::{Lab, connect, key, quoted, run};

const HOSTILE: &[&str] = &[
    "select",
    "with space",
    "dou\"ble",
    "\"",
    "qu'ote",
    "''",
    "back\\slash",
    "\\'; DROP TABLE x; --",
    "a.b",
    "*",
    "$$",
    "$dzconn$",
    "/* */",
    "--",
    "new\nline",
    "Ünïcödé ✓",
    "UPPER lower",
    "%s %I _",
    "{}",
    "?$1:x@y",
    "current_user",
    "PUBLIC",
];

pub(crate) async fn hostile_names_live_a_whole_life(lab: &mut Lab) {
    let source = lab.plain_admin("admin").await;
    let admin = lab.role("admin");
    let mut session = connect(&source).await;
    session.lock(&key(), Duration::from_secs(5), Duration::from_secs(60)).await.unwrap();
    let long = "é".repeat(31);
    for (i, name) in HOSTILE.iter().copied().chain([long.as_str()]).enumerate() {
        let schema = if i == 0 { "hr".to_owned() } else { format!("{name}{}", if name.len() > 60 { "" } else { "s" }) };
        let (space, relation) = (quoted(&schema), quoted(name));
        lab.sql(&format!(
            "CREATE SCHEMA IF NOT EXISTS {space}; CREATE TABLE {space}.{relation} AS SELECT 1 AS a; \
             GRANT USAGE ON SCHEMA {space} TO {admin} WITH GRANT OPTION; \
             GRANT SELECT ON {space}.{relation} TO {admin} WITH GRANT OPTION"
        ))
        .await;
        let table = TableName::in_schema(&lab.database, &schema, name).unwrap();
        let mut user = lab.user("");
        let room = 63 - user.user.as_str().len();
        let tail: String = name
            .chars()
            .scan(0, |bytes, c| {
                *bytes += c.len_utf8();
                (*bytes <= room).then_some(c)
            })
            .collect();
        user.user = UserName::new(format!("{}{tail}", user.user)).unwrap();

        assert_eq!(session.resolve(&AssetPath::new(table.joined()).unwrap()).await.unwrap(), table, "{name:?}");
        if name.contains('\n') {
            // The server takes it, but SCRAM has no way to say it.
            assert_eq!(session.create_user(&user).await.unwrap_err().kind(), ErrorKind::InvalidInput);
            user.user = UserName::new(user.user.as_str().replace('\n', "")).unwrap();
        }
        session.create_user(&user).await.unwrap();
        session.set_password(&user).await.unwrap();
        session.grant(&user.user, &table, &[]).await.unwrap();
        assert!(matches!(session.reads(&user.user, &table).await.unwrap(), Reads::Yes(_)), "{name:?}");
        assert_eq!(lab.acls(&user).await.len(), 2, "{name:?}");
        session.excess(&user.user, std::slice::from_ref(&table), 5).await.unwrap();
        let mut consumer = lab.open(&user).await;
        run(&mut consumer, &format!("TABLE {space}.{relation}")).await;
        session.revoke(&user.user, std::slice::from_ref(&table)).await.unwrap();
        assert!(lab.acls(&user).await.is_empty(), "{name:?}");
        session.grant(&user.user, &table, &[]).await.unwrap();
        session.drop_user(&user.user).await.unwrap();
        assert!(!session.user_exists(&user.user).await.unwrap(), "{name:?}");
    }
}

pub(crate) async fn reserved_names_are_refused(lab: &mut Lab) {
    let mut session = connect(&lab.superuser()).await;
    let table = lab.table("employees");
    lab.sql("GRANT SELECT ON hr.employees TO PUBLIC").await;
    for name in ["public", "none", "pg_dzconn"] {
        let user = Credentials { user: UserName::new(name).unwrap(), ..lab.user("u") };
        for result in [
            session.create_user(&user).await.map(|_| ()),
            session.set_password(&user).await,
            session.grant(&user.user, &table, &[]).await,
            session.revoke(&user.user, std::slice::from_ref(&table)).await,
            session.drop_user(&user.user).await,
        ] {
            assert_eq!(result.unwrap_err().kind(), ErrorKind::InvalidInput, "{name}");
        }
    }
    let public =
        "SELECT count(*)::text FROM pg_class c, aclexplode(relacl) a WHERE relname = 'employees' AND grantee = 0";
    assert_eq!(lab.column(public).await, ["1"], "what PUBLIC has is still there");
}

/// The server cuts names after 63 bytes: a longer one would mean another table, another user.
pub(crate) async fn long_names_are_not_cut(lab: &mut Lab) {
    let source = lab.superuser();
    let user = lab.user("u");
    let mut session = connect(&source).await;
    session.create_user(&user).await.unwrap();
    let cut = "x".repeat(63);
    lab.sql(&format!("CREATE TABLE hr.{cut} (a int)")).await;
    let long = lab.table(&"x".repeat(64));
    assert_eq!(session.grant(&user.user, &long, &[]).await.unwrap_err().kind(), ErrorKind::TableNotFound);
    assert_eq!(session.reads(&user.user, &long).await.unwrap(), Reads::No);
    session.grant(&user.user, &lab.table(&cut), &[]).await.unwrap();
    session.revoke(&user.user, std::slice::from_ref(&long)).await.unwrap();
    assert!(matches!(session.reads(&user.user, &lab.table(&cut)).await.unwrap(), Reads::Yes(_)));
    let path = AssetPath::new(long.joined()).unwrap();
    assert_eq!(session.resolve(&path).await.unwrap_err().kind(), ErrorKind::TableNotFound);

    let tag = &lab.tag;
    let long = Credentials { user: UserName::new(format!("{tag}{}", "é".repeat(30))).unwrap(), ..user.clone() };
    assert_eq!(session.create_user(&long).await.unwrap_err().kind(), ErrorKind::NameTooLong);
    let fits = format!("{tag}{}", "x".repeat(63 - tag.len()));
    let longest = Credentials { user: UserName::new(fits).unwrap(), ..user };
    session.create_user(&longest).await.unwrap();
    lab.open(&longest).await;
}

/// A role's own settings, and objects that would shadow the system's, must not change what a session does.
pub(crate) async fn hostile_settings_change_nothing(lab: &mut Lab) {
    let source = lab.plain_admin("admin").await;
    let admin = lab.role("admin");
    lab.sql(&format!(
        "CREATE SCHEMA evil; CREATE TABLE evil.pg_roles (oid oid, rolname name, rolcanlogin bool); \
         CREATE FUNCTION evil.has_schema_privilege(oid, text, text) RETURNS bool LANGUAGE sql AS 'SELECT true'; \
         GRANT USAGE ON SCHEMA evil TO PUBLIC; ALTER ROLE {admin} SET search_path = evil, pg_catalog; \
         ALTER ROLE {admin} SET standard_conforming_strings = off; ALTER ROLE {admin} SET client_min_messages = debug5; \
         ALTER ROLE {admin} SET default_transaction_isolation = serializable; ALTER ROLE {admin} SET backslash_quote = off; \
         ALTER ROLE {admin} SET lock_timeout = 1; ALTER ROLE {admin} SET client_encoding = latin1; \
         CREATE TABLE hr.\"b\\' \\\\\" (a int); GRANT SELECT ON hr.\"b\\' \\\\\" TO {admin} WITH GRANT OPTION"
    ))
    .await;
    let (user, table) = (lab.user("ü\\'u"), lab.table("b\\' \\\\"));
    let mut session = connect(&source).await;
    session.lock(&key(), Duration::from_secs(5), Duration::from_secs(60)).await.unwrap();
    assert_eq!(session.resolve(&AssetPath::new(table.joined()).unwrap()).await.unwrap(), table);
    session.create_user(&user).await.unwrap();
    session.grant(&user.user, &table, &[]).await.unwrap();
    assert_eq!(lab.acls(&user).await.len(), 2);
    session.drop_user(&user.user).await.unwrap();
    assert!(!session.user_exists(&user.user).await.unwrap());
}
