//! The engine's rules on the kinds of servers that the suites of `tests` have not got: with short names, RAC, RDS.

// A test may panic: that is how it fails.
#![allow(clippy::unwrap_used)]

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use dzconn_core::model::{AdminLogin, ConnectionId, Credentials, JdbcUrl, Source, TableName, Tls, UserName};
use dzconn_core::testkit::engine::{EngineFixture, RULES, Wire};
use dzconn_core::{Deadline, EngineConnector as _, Error, ErrorKind, Result, Secret};
use dzconn_oracle_simulator::{Options, Simulator, Version};

#[path = "../../src/engine/oracle/fixture.rs"]
#[allow(unreachable_pub, reason = "it is public where it belongs")]
mod oracle;

/// As in the package `dzconn-tests`, which has all these servers but a tree of dependencies too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Admin {
    Superuser,
    LeastPrivileged,
}

#[async_trait]
trait Server: Debug + Send + Sync {
    fn name(&self) -> &str;
    async fn fixture(&self, admin: Admin) -> Result<Box<dyn Fixture>>;
    #[expect(dead_code, reason = "what the suites of `dzconn-tests` ask")]
    fn is_for_all_processes(&self) -> bool;
    async fn end(&self) -> Result<()>;
}

#[async_trait]
trait Fixture: EngineFixture {
    #[expect(dead_code, reason = "what the suites of `dzconn-tests` ask")]
    async fn second_admin(&self, tables: &[TableName]) -> Result<AdminLogin>;
    #[expect(dead_code, reason = "what the suites of `dzconn-tests` ask")]
    async fn by_hand(&self, who: &str, sql: &str) -> Result<()>;
    async fn end(&self) -> Result<()>;
}

fn trouble(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Unexpected, what)
}

fn tag() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("{:08x}", NEXT.fetch_add(1, Ordering::Relaxed))
}

async fn server(options: Options) -> oracle::Oracle {
    let simulator = Simulator::new(options);
    simulator.as_sys("GRANT EXECUTE ON SYS.DBMS_LOCK TO system WITH GRANT OPTION").unwrap();
    let url = simulator.url();
    oracle::Oracle::start(Arc::new(simulator), "oracle-simulator", Wire::None, &url).await.unwrap()
}

/// Every rule, one after the other; `RULE` names some of them by a part of their names.
async fn every_rule(options: Options, admin: Admin) {
    let server = server(options).await;
    let mut broken = Vec::new();
    let wanted = std::env::var("RULE").unwrap_or_default();
    for rule in RULES.iter().filter(|rule| rule.name.contains(&wanted)) {
        let fixture = server.fixture(admin).await.unwrap();
        if let Err(failure) = (rule.check)(&*fixture).await {
            broken.push(format!("{}: {failure}", rule.name));
        }
        if let Err(error) = fixture.end().await {
            broken.push(format!("{}: what it made is left: {error}", rule.name));
        }
    }
    assert!(broken.is_empty(), "{} of {} broken:\n{}", server.name(), RULES.len(), broken.join("\n"));
    server.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_short_names() {
    every_rule(Options::new(Version::V21).short_names(), Admin::LeastPrivileged).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_two_instances() {
    every_rule(Options::new(Version::V19).instances(2), Admin::LeastPrivileged).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_rds_as_the_master_user() {
    every_rule(Options::new(Version::V19).rds(), Admin::Superuser).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_rds_with_few_privileges() {
    every_rule(Options::new(Version::V23).rds(), Admin::LeastPrivileged).await;
}

/// What the server's own function objects to is said, and nobody is made.
#[tokio::test]
async fn a_password_that_the_server_objects_to_is_rejected() {
    let server = server(Options::new(Version::V19).verify_passwords()).await;
    let fixture = server.fixture(Admin::LeastPrivileged).await.unwrap();
    let source = fixture.source();
    let mut session = fixture.connector().connect(&source, Deadline::within(Duration::from_secs(20))).await.unwrap();
    let weak = Credentials {
        endpoint: source.endpoint.clone(),
        database: None,
        user: UserName::new("WEAK").unwrap(),
        password: Secret::new("short1".into()),
        ssl: None,
    };
    assert_eq!(session.create_user(&weak).await.unwrap_err().kind(), ErrorKind::PasswordRejected);
    assert!(!session.user_exists(&weak.user).await.unwrap());
    let strong = Credentials { password: Secret::new("long-enough-1".into()), ..weak.clone() };
    session.create_user(&strong).await.unwrap();
    assert_eq!(session.set_password(&weak).await.unwrap_err().kind(), ErrorKind::PasswordRejected);
    assert!(fixture.open(&strong).await.unwrap().is_some(), "the password is the old one");
    drop(session);
    fixture.end().await.unwrap();
}

/// In the root the engine makes nothing, and says what to connect to.
#[tokio::test]
async fn the_root_is_refused() {
    let simulator = Simulator::new(Options::new(Version::V19).root());
    let error = refused(simulator).await;
    assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error:?}");
    assert!(error.advice().is_some_and(|advice| advice.contains("pluggable")), "{error:?}");
}

/// A server without what the engine needs is refused before anything is done.
#[tokio::test]
async fn a_server_that_is_too_old_is_refused() {
    let error = refused(Simulator::new(Options::new(Version::V11))).await;
    assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error:?}");
    assert!(error.advice().is_some_and(|advice| advice.contains("12.1")), "{error:?}");
}

/// Connects as SYSTEM, which must fail.
async fn refused(simulator: Simulator) -> Error {
    let source = Source {
        connection: ConnectionId::new("refused").unwrap(),
        endpoint: "jdbc:oracle:thin:@//oracle.simulator:1521/dzpdb".parse::<JdbcUrl>().unwrap().endpoint,
        admin: AdminLogin { user: "system".into(), password: Secret::new("System-1".into()) },
        tls: Tls::Disable,
    };
    let connector = dzconn_oracle::connector().driver(Arc::new(simulator));
    connector.connect(&source, Deadline::within(Duration::from_secs(20))).await.unwrap_err()
}
