//! Runs through a wire that can be cut, and what must be true afterwards.

use std::time::Duration;

use dzconn_core::fulfilment::Settings;
use dzconn_core::model::{Credentials, TableName};
use dzconn_core::testkit::engine::{Attempt, Attempted, EngineFixture};
use dzconn_core::workflow::Outcome;
use dzconn_core::{Error, Result};
use dzconn_tests::proxy::Proxy;
use dzconn_tests::world::{World, user_exists};

/// So patient that a lock that is left behind is seen, and no longer.
pub(crate) fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.deadline = Duration::from_secs(20);
    settings.lock_wait = Duration::from_secs(8);
    settings.backoff = Duration::from_millis(5);
    settings
}

/// Gives up soon.
pub(crate) fn impatient(deadline: u64) -> Settings {
    let mut settings = settings();
    settings.deadline = Duration::from_secs(deadline);
    settings.lock_wait = Duration::from_secs(deadline);
    settings.retries = 2;
    settings
}

/// It says where and on what, and that trying again helps.
pub(crate) fn clear(error: &Error, context: &str) {
    assert!(error.is_retryable(), "{context}: {error:?}");
    said(error, context);
}

/// It says where and on what.
pub(crate) fn said(error: &Error, context: &str) {
    let subject = error.subject();
    let said = error.step().is_some() && subject.source.is_some() && subject.asset.is_some();
    assert!(said && subject.environment.is_some(), "{context}: {error:?}");
}

/// An environment of its own, and three tables.
pub(crate) struct Bench<'a> {
    pub(crate) fixture: &'a dyn EngineFixture,
    pub(crate) world: World,
    pub(crate) proxy: Proxy,
    pub(crate) tables: [TableName; 3],
}

impl<'a> Bench<'a> {
    pub(crate) async fn new(fixture: &'a dyn EngineFixture, settings: Settings) -> Self {
        let tables = ["employees", "offices", "salaries"].map(|name| fixture.table(name));
        for table in &tables {
            fixture.drop_table(table).await.unwrap();
            fixture.create_table(table).await.unwrap();
        }
        Self::over(fixture, settings, tables).await
    }

    /// With tables that are there.
    pub(crate) async fn over(fixture: &'a dyn EngineFixture, settings: Settings, tables: [TableName; 3]) -> Self {
        let mut source = fixture.source();
        let proxy = Proxy::to(&source.endpoint.host, source.endpoint.port).await.unwrap();
        (source.endpoint.host, source.endpoint.port) = ("127.0.0.1".into(), proxy.port());
        Self { fixture, world: World::with(source, settings).await.unwrap(), proxy, tables }
    }

    pub(crate) fn employees(&self) -> &TableName {
        &self.tables[0]
    }

    pub(crate) fn offices(&self) -> &TableName {
        &self.tables[1]
    }

    /// The run that something befalls; its session is a new one.
    pub(crate) async fn run(&self, grants: bool) -> Result<Outcome> {
        self.world.fulfilment.close().await;
        self.world.run(self.employees(), grants).await
    }

    /// What the environment reads with these credentials.
    async fn reads(&self, credentials: &Credentials) -> Vec<&str> {
        let mut session = self.fixture.open(credentials).await.unwrap().expect("the secret logs in");
        let mut read = Vec::new();
        for table in &self.tables {
            match session.attempt(&Attempt::Read(table.clone())).await.unwrap() {
                Attempted::Did(2) => read.push(table.name()),
                Attempted::Denied => {}
                other => panic!("{table}: {other:?}"),
            }
        }
        read
    }

    /// In turn: the same run again, the opposite one, one for another asset. It ends as if the run before had been made, or never
    /// begun. Then all is revoked, and nothing is left.
    pub(crate) async fn afterwards(&self, turn: usize, grants: bool, context: &str) {
        let (table, grants) = match turn % 3 {
            0 => (self.employees(), grants),
            1 => (self.employees(), !grants),
            _ => (&self.tables[2], true),
        };
        let outcome = self.world.run(table, grants).await.unwrap_or_else(|error| panic!("{context}: {error:?}"));
        match outcome {
            Outcome::Granted(granted) => {
                let mut read = self.reads(&granted.credentials).await;
                if turn % 3 == 2 {
                    read.retain(|name| *name != self.employees().name());
                }
                assert_eq!(read, [table.name()], "{context}");
            }
            Outcome::Revoked(_) if !grants => {}
            other => panic!("{context}: {other:?}"),
        }
        self.clean(context).await;
    }

    /// Revokes everything; then nothing is left.
    pub(crate) async fn clean(&self, context: &str) {
        for table in &self.tables {
            let outcome = self.world.run(table, false).await;
            assert!(matches!(outcome, Ok(Outcome::Revoked(_))), "{context}: {outcome:?}");
        }
        assert_eq!(self.world.left().await.unwrap(), Vec::<String>::new(), "{context}");
        let user = self.world.user(self.fixture).unwrap();
        assert!(!user_exists(self.fixture, &user).await.unwrap(), "{context}: {user} is left");
    }
}
