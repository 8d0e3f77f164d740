//! Calls that hang, break off or are given up.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dzconn_core::engine::Login as LoggedIn;
use dzconn_core::model::{Credentials, Tls};
use dzconn_core::{Deadline, EngineConnector, ErrorKind, Secret};

use super::{source, user};
use crate::connector;
use crate::driver::{Bind, Connection, Driver, Login, Refusal, Rows};

/// A driver that answers as it is told, slowly.
#[derive(Debug, Default)]
struct Told {
    connecting: Duration,
    executing: Duration,
    panics: bool,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Told {
    fn note(&self, what: impl Into<String>) {
        self.heard.lock().unwrap().push(what.into());
    }
}

#[derive(Debug)]
struct ToldSession {
    executing: Duration,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Driver for Told {
    fn connect(&self, login: &Login, _timeout: Duration) -> Result<Box<dyn Connection>, Refusal> {
        self.note(format!("connect {}", login.user));
        assert!(!self.panics, "told to");
        std::thread::sleep(self.connecting);
        Ok(Box::new(ToldSession { executing: self.executing, heard: Arc::clone(&self.heard) }))
    }
}

impl Connection for ToldSession {
    fn execute(&mut self, sql: &str, _binds: &[Bind], _timeout: Duration) -> Result<Rows, Refusal> {
        self.heard.lock().unwrap().push(sql.split(' ').next().unwrap_or_default().to_owned());
        std::thread::sleep(self.executing);
        let fact = |fact: &str, value: &str| vec![Some(fact.to_owned()), Some(value.to_owned())];
        Ok(vec![fact("version", "19.0.0.0.0"), fact("user", "DZCONN"), vec![Some("x".to_owned()), None]])
    }

    fn close(self: Box<Self>) -> Result<(), Refusal> {
        self.heard.lock().unwrap().push("close".to_owned());
        Ok(())
    }
}

impl Drop for ToldSession {
    fn drop(&mut self) {
        self.heard.lock().unwrap().push("dropped".to_owned());
    }
}

fn soon() -> Deadline {
    Deadline::within(Duration::from_millis(200))
}

async fn until(heard: &Arc<Mutex<Vec<String>>>, what: &str) {
    let patience = Instant::now() + Duration::from_secs(10);
    while !heard.lock().unwrap().iter().any(|line| line == what) {
        assert!(Instant::now() < patience, "{what} was never heard: {heard:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_driver_that_hangs_frees_its_caller_and_is_closed_later() {
    let told = Told { connecting: Duration::from_millis(700), ..Told::default() };
    let heard = Arc::clone(&told.heard);
    let start = Instant::now();
    let error = connector().driver(Arc::new(told)).connect(&source(Tls::Disable), soon()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().contains("db.internal:1521"), "{error}");
    assert!(start.elapsed() < Duration::from_millis(600), "{:?}", start.elapsed());
    assert!(!heard.lock().unwrap().iter().any(|line| line == "dropped"));
    until(&heard, "dropped").await;
}

#[tokio::test]
async fn a_call_that_is_given_up_leaves_a_session_without_use() {
    let told = Told { executing: Duration::from_millis(150), ..Told::default() };
    let heard = Arc::clone(&told.heard);
    let connector = connector().driver(Arc::new(told));
    let mut session = connector.connect(&source(Tls::Disable), Deadline::within(Duration::from_secs(5))).await.unwrap();
    assert!(session.user_exists(&user("U")).await.unwrap());
    let given_up = tokio::time::timeout(Duration::from_millis(20), session.user_exists(&user("U"))).await;
    assert!(given_up.is_err());
    let calls = heard.lock().unwrap().len();
    // Also once the call has ended by itself: nothing is sent any more.
    until(&heard, "dropped").await;
    let error = session.user_exists(&user("U")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionLost);
    assert_eq!(heard.lock().unwrap().len(), calls + 1, "{heard:?}");
}

#[tokio::test]
async fn a_dropped_session_closes_its_connection() {
    let told = Told::default();
    let heard = Arc::clone(&told.heard);
    let connector = connector().driver(Arc::new(told));
    let deadline = Deadline::within(Duration::from_secs(5));
    drop(connector.connect(&source(Tls::Disable), deadline).await.unwrap());
    until(&heard, "dropped").await;
    connector.connect(&source(Tls::Disable), deadline).await.unwrap().close().await.unwrap();
    until(&heard, "close").await;
}

#[tokio::test]
async fn a_driver_that_panics_is_an_error() {
    let told = Told { panics: true, ..Told::default() };
    let deadline = Deadline::within(Duration::from_secs(5));
    let error = connector().driver(Arc::new(told)).connect(&source(Tls::Disable), deadline).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unexpected);
}

#[test]
fn a_runtime_ends_while_a_driver_hangs() {
    let told = Told { connecting: Duration::from_secs(20), ..Told::default() };
    let start = Instant::now();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let error = runtime.block_on(async {
        connector().driver(Arc::new(told)).connect(&source(Tls::Disable), soon()).await.unwrap_err()
    });
    drop(runtime);
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

#[tokio::test]
async fn credentials_that_no_server_has_are_refused_without_asking() {
    let told = Told::default();
    let heard = Arc::clone(&told.heard);
    let connector = connector().driver(Arc::new(told));
    let credentials = |name: &str, password: &str| Credentials {
        endpoint: source(Tls::Disable).endpoint,
        database: None,
        user: user(name),
        password: Secret::new(password.to_owned()),
        ssl: None,
    };
    let deadline = Deadline::within(Duration::from_secs(5));
    for (name, password) in [("a\"b", "p"), ("a", "p\"p"), ("a", "")] {
        let login =
            connector.log_in(&source(Tls::Disable), &credentials(name, password), None, deadline).await.unwrap();
        assert_eq!(login, LoggedIn::Refused);
    }
    assert_eq!(heard.lock().unwrap().len(), 0);
    let login = connector.log_in(&source(Tls::Disable), &credentials("a b", "p"), None, deadline).await.unwrap();
    assert_eq!(login, LoggedIn::In(None));
    assert_eq!(heard.lock().unwrap()[0], "connect \"a b\"");
}

#[tokio::test]
async fn calls_that_hang_do_not_pile_up() {
    let told = Told { connecting: Duration::from_millis(1500), ..Told::default() };
    let heard = Arc::clone(&told.heard);
    let connector = connector().driver(Arc::new(told));
    let source = source(Tls::Disable);
    let connect = async || {
        let deadline = Deadline::within(Duration::from_millis(20));
        // A clone has the same count.
        connector.clone().connect(&source, deadline).await.unwrap_err().kind()
    };
    for _ in 0..16 {
        assert_eq!(connect().await, ErrorKind::Timeout);
    }
    assert_eq!(connect().await, ErrorKind::Unreachable);
    assert_eq!(heard.lock().unwrap().iter().filter(|line| line.starts_with("connect")).count(), 16);
    // Those that come back at last make room.
    until(&heard, "dropped").await;
    let patience = Instant::now() + Duration::from_secs(10);
    while connect().await == ErrorKind::Unreachable {
        assert!(Instant::now() < patience);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Calls that are answered are not counted, however many there are.
#[tokio::test]
async fn calls_that_are_answered_leave_no_trace() {
    let connector = connector().driver(Arc::new(Told::default()));
    let deadline = Deadline::within(Duration::from_secs(20));
    for _ in 0..20 {
        connector.connect(&source(Tls::Disable), deadline).await.unwrap().close().await.unwrap();
    }
    let panics = connector.driver(Arc::new(Told { panics: true, ..Told::default() }));
    for _ in 0..20 {
        let error = panics.connect(&source(Tls::Disable), deadline).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unexpected);
    }
}
