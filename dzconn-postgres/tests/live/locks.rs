//! The lock, and many sessions at once.

use std::time::Duration;

use dzconn_core::ErrorKind;
use dzconn_core::engine::{Created, Lock};

use super::lab::{Lab, connect, key};

const NOW: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(60);

pub(crate) async fn is_exclusive_and_does_not_stack(lab: &mut Lab) {
    let source = lab.plain_admin("admin").await;
    let (mut one, mut other) = (connect(&source).await, connect(&source).await);
    let (key, second) = (key(), key());
    for _ in 0..3 {
        assert_eq!(one.lock(&key, NOW, LONG).await.unwrap(), Lock::Held);
    }
    let error = other.lock(&key, NOW, LONG).await.unwrap_err();
    assert_eq!((error.kind(), error.vendor_code()), (ErrorKind::LockTimeout, Some("PostgreSQL 55P03")), "{error:?}");
    other.lock(&second, NOW, LONG).await.unwrap();
    assert_eq!(one.lock(&second, NOW, LONG).await.unwrap_err().kind(), ErrorKind::LockTimeout);
    other.unlock().await.unwrap();
    one.unlock().await.unwrap();
    one.unlock().await.unwrap();
    other.lock(&key, Duration::ZERO, LONG).await.unwrap();
    let waiting = async {
        one.lock(&key, LONG, LONG).await.unwrap();
    };
    let freeing = async {
        tokio::time::sleep(NOW).await;
        drop(other);
    };
    tokio::join!(waiting, freeing);
    one.create_user(&lab.user("u")).await.unwrap();
    let held = lab.column("SELECT count(*)::text FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())");
    assert_eq!(held.await, ["1"]);
}

pub(crate) async fn silent_holder_is_ended(lab: &mut Lab) {
    let source = lab.plain_admin("admin").await;
    let (mut one, mut other) = (connect(&source).await, connect(&source).await);
    let key = key();
    one.lock(&key, NOW, Duration::from_millis(300)).await.unwrap();
    if lab.version < 140_000 {
        return one.unlock().await.unwrap(); // not to be had there, and documented
    }
    other.lock(&key, Duration::from_secs(10), LONG).await.unwrap();
    let error = one.create_user(&lab.user("u")).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::LockLost | ErrorKind::ConnectionLost), "{error:?}");
    assert!(!other.user_exists(&lab.user("u").user).await.unwrap());
    // After it was given back, silence is nobody's business.
    other.unlock().await.unwrap();
    other.lock(&key, NOW, Duration::from_millis(300)).await.unwrap();
    other.unlock().await.unwrap();
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert!(!other.user_exists(&lab.user("u").user).await.unwrap());
}

/// A trigger on GRANT gives the session's locks back behind its back.
pub(crate) async fn lost_in_mid_work_stops_every_change(lab: &mut Lab) {
    lab.sql(
        "CREATE FUNCTION public.lose() RETURNS event_trigger LANGUAGE plpgsql AS \
         'BEGIN PERFORM pg_catalog.pg_advisory_unlock_all(); END'; \
         CREATE EVENT TRIGGER lose ON ddl_command_end WHEN TAG IN ('GRANT') EXECUTE FUNCTION public.lose()",
    )
    .await;
    let source = lab.plain_admin("admin").await;
    let (user, other, table) = (lab.user("u"), lab.user("other"), lab.table("employees"));
    let mut session = connect(&source).await;
    session.lock(&key(), NOW, LONG).await.unwrap();
    session.create_user(&user).await.unwrap();
    session.grant(&user.user, &table, &[]).await.unwrap();
    let before = lab.acls(&user).await;
    let salaries = lab.table("salaries");
    for result in [
        session.create_user(&other).await.map(|_| ()),
        session.set_password(&user).await,
        session.grant(&user.user, &salaries, &[]).await,
        session.revoke(&user.user, &[table]).await,
        session.drop_user(&user.user).await,
    ] {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LockLost, "{error:?}");
    }
    assert_eq!(lab.acls(&user).await, before);
    assert!(!session.user_exists(&other.user).await.unwrap());
    lab.open(&user).await; // its login was not stopped, and its password is the old one
    lab.sql("DROP EVENT TRIGGER lose").await;
}

pub(crate) async fn ended_session_changes_nothing(lab: &mut Lab) {
    let source = lab.plain_admin("admin").await;
    let (user, table) = (lab.user("u"), lab.table("employees"));
    let mut session = connect(&source).await;
    session.lock(&key(), NOW, LONG).await.unwrap();
    session.create_user(&user).await.unwrap();
    let admin = &source.admin.user;
    lab.sql(&format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{admin}'")).await;
    tokio::time::sleep(NOW).await;
    for _ in 0..2 {
        let error = session.grant(&user.user, &table, &[]).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::LockLost | ErrorKind::ConnectionLost), "{error:?}");
        assert!(error.is_retryable() && error.kind().ends_session());
    }
    assert!(lab.acls(&user).await.is_empty());
}

pub(crate) async fn many_sessions_change_one_table(lab: &mut Lab) {
    let source = lab.plain_admin("admin").await;
    let table = lab.table("employees");
    let users: Vec<_> = (0..12).map(|i| lab.user(&format!("u{i}"))).collect();
    let life = |user: dzconn_core::model::Credentials| {
        let (source, table) = (source.clone(), table.clone());
        async move {
            let mut session = connect(&source).await;
            session.lock(&key(), NOW, LONG).await.unwrap();
            for _ in 0..3 {
                session.create_user(&user).await.unwrap();
                session.grant(&user.user, &table, &[]).await.unwrap();
                session.revoke(&user.user, std::slice::from_ref(&table)).await.unwrap();
                session.grant(&user.user, &table, &[]).await.unwrap();
                session.drop_user(&user.user).await.unwrap();
            }
            session.create_user(&user).await.unwrap();
            session.grant(&user.user, &table, &[]).await.unwrap();
        }
    };
    let lives: Vec<_> = users.iter().cloned().map(|user| tokio::spawn(life(user))).collect();
    for life in lives {
        life.await.unwrap();
    }
    for user in &users {
        assert_eq!(lab.acls(user).await, ["employees SELECT", "hr USAGE"]);
    }
}

pub(crate) async fn racing_creators(lab: &mut Lab) {
    let source = lab.plain_admin("admin").await;
    for round in 0..5 {
        let user = lab.user(&format!("u{round}"));
        let race: Vec<_> = (0..6)
            .map(|_| {
                let (source, user) = (source.clone(), user.clone());
                tokio::spawn(async move { connect(&source).await.create_user(&user).await.unwrap() })
            })
            .collect();
        let mut new = 0;
        for runner in race {
            new += u32::from(runner.await.unwrap() == Created::New);
        }
        assert_eq!(new, 1);
    }
}
