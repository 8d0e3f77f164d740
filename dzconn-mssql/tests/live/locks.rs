//! The lock, and what happens when it or the connection goes.

use std::time::{Duration, Instant};

use dzconn_core::engine::{Lock, LockKey};
use dzconn_core::model::{ConnectionId, EnvironmentId, SourceKey};
use dzconn_core::{ErrorKind, SourceEngine};

use crate::lab::{Lab, session};

rules![
    one_holds_it_and_the_other_waits_in_vain,
    taking_it_twice_does_not_stack,
    a_session_holds_one_lock_at_a_time,
    a_killed_session_changes_nothing_any_more,
    nothing_runs_in_a_session_that_lost_its_lock,
    a_call_that_was_given_up_ends_the_session,
    a_statement_that_waits_too_long_is_contention,
];

const HOLD: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(300);

fn key(lab: &Lab, tail: &str) -> LockKey {
    LockKey::new(&SourceKey {
        connection: ConnectionId::new("live").unwrap(),
        environment: EnvironmentId::new(lab.own(tail)).unwrap(),
    })
}

async fn locked(lab: &Lab) -> Box<dyn SourceEngine> {
    let mut session = lab.session().await;
    assert_eq!(session.lock(&key(lab, ""), SHORT, HOLD).await.unwrap(), Lock::Held);
    session
}

async fn one_holds_it_and_the_other_waits_in_vain(lab: &mut Lab) {
    let holder = locked(lab).await;
    let mut other = lab.session().await;
    let start = Instant::now();
    let error = other.lock(&key(lab, ""), SHORT, HOLD).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LockTimeout, "{error:?}");
    assert!(start.elapsed() >= SHORT && error.advice().unwrap().contains("KILL"), "{error:?}");
    holder.close().await.unwrap();
    assert_eq!(other.lock(&key(lab, ""), HOLD, HOLD).await.unwrap(), Lock::Held);
}

async fn taking_it_twice_does_not_stack(lab: &mut Lab) {
    let mut holder = locked(lab).await;
    assert_eq!(holder.lock(&key(lab, ""), SHORT, HOLD).await.unwrap(), Lock::Held);
    holder.unlock().await.unwrap();
    let _other = locked(lab).await;
    holder.unlock().await.unwrap();
}

async fn a_session_holds_one_lock_at_a_time(lab: &mut Lab) {
    let mut holder = locked(lab).await;
    assert_eq!(holder.lock(&key(lab, "next"), SHORT, HOLD).await.unwrap(), Lock::Held);
    let mut other = locked(lab).await;
    assert_eq!(other.lock(&key(lab, "next"), SHORT, HOLD).await.unwrap_err().kind(), ErrorKind::LockTimeout);
    // In vain, so the former is still held.
    assert_eq!(holder.lock(&key(lab, ""), SHORT, HOLD).await.unwrap_err().kind(), ErrorKind::LockTimeout);
}

async fn a_killed_session_changes_nothing_any_more(lab: &mut Lab) {
    let admin = lab.documented_admin("a").await;
    let mut holder = session(&admin).await;
    holder.lock(&key(lab, ""), SHORT, HOLD).await.unwrap();
    let user = lab.user("u");
    let find =
        format!("SELECT session_id FROM sys.dm_exec_sessions WHERE original_login_name = N'{}'", admin.admin.user);
    let id = lab.sql(&find).await.remove(0).remove(0);
    lab.sql(&format!("KILL {id}")).await;
    for _ in 0..2 {
        let error = holder.create_user(&user).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionLost, "{error:?}");
    }
    assert_eq!(lab.principals(&user).await, 0);
}

/// The lock alone goes, and the session stays: as it would if somebody's program on the same session gave it back.
async fn nothing_runs_in_a_session_that_lost_its_lock(lab: &mut Lab) {
    let [table] = lab.tables(["t"]).await;
    let user = lab.reader("u", &[&table]).await;
    let mut holder = locked(lab).await;
    let other = lab.another("other").await;
    let [there] = lab.tables_in(&other, ["t"]).await;
    // The same session's lock is another one under another key: what is held is not what is checked for.
    let mut twin = lab.session().await;
    holder.unlock().await.unwrap();
    twin.lock(&key(lab, ""), SHORT, HOLD).await.unwrap();
    holder.grant(&user.user, &there, &[]).await.unwrap();
    drop(twin);
    // Two sessions cannot share a lock: whoever took it over makes the former fail.
    let stolen = crate::faults::without_the_lock(lab, &key(lab, "")).await;
    let (mut robbed, _thief) = stolen;
    let nobody = lab.user("nobody");
    for result in [
        robbed.create_user(&nobody).await.map(drop),
        robbed.set_password(&user).await,
        robbed.grant(&user.user, &table, &[]).await.map(drop),
        robbed.revoke(&user.user, std::slice::from_ref(&table)).await,
        robbed.revoke(&user.user, std::slice::from_ref(&there)).await,
        robbed.drop_user(&user.user).await,
    ] {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LockLost, "{error:?}");
    }
    assert!(lab.can_read(&user, &table).await && lab.can_read(&user, &there).await);
    assert_eq!(lab.principals(&nobody).await, 0);
}

async fn a_call_that_was_given_up_ends_the_session(lab: &mut Lab) {
    let _holder = locked(lab).await;
    let mut waiter = lab.session().await;
    let given_up = tokio::time::timeout(SHORT, waiter.lock(&key(lab, ""), HOLD, HOLD)).await;
    assert!(given_up.is_err());
    let error = waiter.user_exists(&lab.user("u").user).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionLost, "{error:?}");
}

async fn a_statement_that_waits_too_long_is_contention(lab: &mut Lab) {
    let [table] = lab.tables(["t"]).await;
    let user = lab.reader("u", &[&table]).await;
    let mut session = crate::faults::behind_a_lock(lab).await;
    let error = session.revoke(&user.user, std::slice::from_ref(&table)).await.unwrap_err();
    assert_eq!((error.kind(), error.vendor_code()), (ErrorKind::Contention, Some("SQL Server 1222")), "{error:?}");
    assert!(error.is_retryable() && lab.can_read(&user, &table).await, "{error:?}");
    session.revoke(&user.user, std::slice::from_ref(&table)).await.unwrap();
    assert!(!lab.can_read(&user, &table).await);
}
