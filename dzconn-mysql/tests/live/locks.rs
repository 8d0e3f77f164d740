//! The lock, and what happens when it or the connection goes.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use dzconn_core::engine::{Lock, LockKey};
use dzconn_core::model::{ConnectionId, EnvironmentId, SourceKey};
use dzconn_core::{EngineConnector, ErrorKind, SourceEngine};

use crate::lab::{Lab, deadline, quick, run, session};
use crate::proxy::Proxy;

rules![
    one_holds_it_and_the_other_waits_in_vain,
    a_waiter_gets_it_when_it_is_freed,
    taking_it_twice_does_not_stack,
    a_session_holds_one_lock_at_a_time,
    a_silent_holder_is_ended_by_the_server,
    wait_timeout_is_back_after_unlock,
    a_killed_session_changes_nothing_any_more,
    nothing_runs_in_a_session_that_lost_its_lock,
    a_call_that_was_given_up_ends_the_session,
];

const HOLD: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(300);

fn key(lab: &Lab) -> LockKey {
    LockKey::new(&SourceKey {
        connection: ConnectionId::new("arn:aws:glue:eu-west-1:111122223333:connection/live").unwrap(),
        environment: EnvironmentId::new(&lab.prefix).unwrap(),
    })
}

async fn locked(lab: &Lab, hold: Duration) -> Box<dyn SourceEngine> {
    let mut session = lab.session().await;
    assert_eq!(session.lock(&key(lab), SHORT, hold).await.unwrap(), Lock::Held);
    session
}

async fn holder(lab: &mut Lab) -> String {
    let name = key(lab).name();
    lab.sql(&format!("SELECT IS_USED_LOCK('{name}')")).await.remove(0).remove(0)
}

async fn one_holds_it_and_the_other_waits_in_vain(lab: &mut Lab) {
    let _holder = locked(lab, HOLD).await;
    let number = holder(lab).await;
    let began = Instant::now();
    let error = lab.session().await.lock(&key(lab), Duration::from_secs(1), HOLD).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LockTimeout);
    assert!(error.advice().unwrap().contains(&format!("KILL {number}")), "{error:?}");
    assert!((Duration::from_millis(900)..Duration::from_secs(3)).contains(&began.elapsed()));
}

async fn a_waiter_gets_it_when_it_is_freed(lab: &mut Lab) {
    let mut holder = locked(lab, HOLD).await;
    let mut waiter = lab.session().await;
    let key = key(lab);
    // Longer than a statement may take: waiting for the lock is not what that limit is for.
    let (freed, taken) = tokio::join!(
        async {
            tokio::time::sleep(Duration::from_secs(6)).await;
            holder.unlock().await
        },
        waiter.lock(&key, Duration::from_secs(15), HOLD)
    );
    freed.unwrap();
    assert_eq!(taken.unwrap(), Lock::Held);
    waiter.close().await.unwrap();
    // A session that goes takes its lock along.
    assert_eq!(holder.lock(&key, Duration::from_secs(3), HOLD).await.unwrap(), Lock::Held);
}

async fn taking_it_twice_does_not_stack(lab: &mut Lab) {
    let mut session = locked(lab, HOLD).await;
    assert_eq!(session.lock(&key(lab), SHORT, HOLD).await.unwrap(), Lock::Held);
    session.unlock().await.unwrap();
    assert_eq!(holder(lab).await, "");
    session.unlock().await.unwrap();
}

async fn a_session_holds_one_lock_at_a_time(lab: &mut Lab) {
    let mut session = locked(lab, HOLD).await;
    let other = LockKey::new(&SourceKey {
        connection: ConnectionId::new("another").unwrap(),
        environment: EnvironmentId::new(&lab.prefix).unwrap(),
    });
    let mut rival = lab.session().await;
    assert_eq!(rival.lock(&other, SHORT, HOLD).await.unwrap(), Lock::Held);
    assert_eq!(session.lock(&other, SHORT, HOLD).await.unwrap_err().kind(), ErrorKind::LockTimeout);
    assert_ne!(holder(lab).await, "", "what it has it keeps, if it does not get the other");
    session.create_user(&lab.user("u")).await.unwrap();
    rival.unlock().await.unwrap();
    assert_eq!(session.lock(&other, SHORT, HOLD).await.unwrap(), Lock::Held);
    assert_eq!(holder(lab).await, "");
}

async fn a_silent_holder_is_ended_by_the_server(lab: &mut Lab) {
    let mut frozen = locked(lab, Duration::from_secs(1)).await;
    let mut next = lab.session().await;
    assert_eq!(next.lock(&key(lab), Duration::from_secs(5), HOLD).await.unwrap(), Lock::Held);
    let user = lab.user("u");
    assert_eq!(frozen.create_user(&user).await.unwrap_err().kind(), ErrorKind::ConnectionLost);
    assert!(!next.user_exists(&user.user).await.unwrap());
}

async fn wait_timeout_is_back_after_unlock(lab: &mut Lab) {
    let mut session = locked(lab, Duration::from_secs(1)).await;
    session.unlock().await.unwrap();
    tokio::time::sleep(Duration::from_millis(2500)).await;
    session.user_exists(&lab.user("u").user).await.unwrap();
}

async fn a_killed_session_changes_nothing_any_more(lab: &mut Lab) {
    let mut session = locked(lab, HOLD).await;
    let number = holder(lab).await;
    lab.sql(&format!("KILL {number}")).await;
    let error = session.create_user(&lab.user("u")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionLost, "{error:?}");
    assert!(error.kind().ends_session() && error.is_retryable());
    assert_eq!(lab.accounts(&lab.own("u")).await, Vec::<String>::new());
    assert_eq!(session.unlock().await.unwrap_err().kind(), ErrorKind::ConnectionLost);
}

/// The lock is taken from the session behind its back, as a pooler between them would, and each change is tried.
async fn nothing_runs_in_a_session_that_lost_its_lock(lab: &mut Lab) {
    let proxy = Proxy::before(&lab.source, "SELECT RELEASE_ALL_LOCKS()").await;
    let mut source = lab.source.clone();
    source.endpoint.port = proxy.port;
    let [kept, other] = lab.tables("db", ["kept", "other"]).await;
    let (old, new) = (lab.user("old"), lab.user("new"));
    let mut steady = lab.session().await;
    steady.create_user(&old).await.unwrap();
    steady.grant(&old.user, &kept, &[]).await.unwrap();

    for attempt in 0..5 {
        let mut session = session(&source).await;
        assert_eq!(session.lock(&key(lab), SHORT, HOLD).await.unwrap(), Lock::Held);
        proxy.armed.store(true, Ordering::SeqCst);
        let mut changed = old.clone();
        changed.password = dzconn_core::Secret::new("Another-password-1".into());
        let result = match attempt {
            0 => session.create_user(&new).await.map(|_| ()),
            1 => session.set_password(&changed).await,
            2 => session.grant(&old.user, &other, &[]).await,
            3 => session.revoke(&old.user, std::slice::from_ref(&kept)).await,
            _ => session.drop_user(&old.user).await,
        };
        assert_eq!(result.unwrap_err().kind(), ErrorKind::LockLost, "attempt {attempt}");
        assert!(!proxy.armed.load(Ordering::SeqCst));
    }
    assert!(lab.accounts(&lab.own("new")).await.is_empty());
    assert!(lab.can_read(&old, &kept).await && !lab.can_read(&old, &other).await);
}

async fn a_call_that_was_given_up_ends_the_session(lab: &mut Lab) {
    let mut session = lab.session().await;
    let mut blocker = quick().connect(&lab.source, deadline()).await.unwrap();
    blocker.lock(&key(lab), SHORT, HOLD).await.unwrap();
    let key = key(lab);
    let given_up = tokio::time::timeout(SHORT, session.lock(&key, Duration::from_secs(10), HOLD)).await;
    assert!(given_up.is_err());
    let error = session.user_exists(&lab.user("u").user).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionLost);
    drop(session);
    drop(blocker);
    let mut root = lab.client(&root(lab)).await;
    for _ in 0..100 {
        if run(&mut root, &format!("SELECT IS_USED_LOCK('{}')", key.name())).await.unwrap()[0][0].is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the lock outlives its dropped sessions");
}

fn root(lab: &Lab) -> dzconn_core::model::Credentials {
    let mut root = lab.user_named(&lab.source.admin.user);
    root.password = lab.source.admin.password.clone();
    root
}
