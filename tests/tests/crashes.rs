//! Every point between two calls of a grant, a revoke and a rotation, on real servers and a real store: the process vanishes there, and
//! whatever comes next puts it right.

// A test may panic: that is how it fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::process::ExitCode;
use std::sync::Arc;

use dzconn_core::memory::MemoryCatalog;
use dzconn_core::model::{Credentials, SourceKey, TableName, UserNaming};
use dzconn_core::sqlite::{LocalOptions, LocalStore};
use dzconn_core::store::{Query, Slot};
use dzconn_core::testkit::engine::{Attempt, Attempted};
use dzconn_core::testkit::faults::{Faults, When};
use dzconn_core::workflow::Outcome;
use dzconn_core::{CredentialStore as _, Engines, Error, Fulfilment, Result, TrackingStore as _};
use dzconn_tests::engine::{Admin, Fixture, harness};
use dzconn_tests::world::{subscription, user_exists};
use libtest_mimic::Trial;

/// What is granted before, and the run that vanishes.
#[derive(Clone, Copy, Debug)]
struct Main {
    name: &'static str,
    before: &'static [&'static str],
    work: Work,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    Grant,
    Revoke,
    Rotate,
}

/// First and n-th asset, granted and revoked; and a rotation.
const MAINS: [Main; 5] = [
    Main { name: "the_first_grant", before: &[], work: Work::Grant },
    Main { name: "a_further_grant", before: &["offices"], work: Work::Grant },
    Main { name: "a_revoke_that_leaves_others", before: &["employees", "offices"], work: Work::Revoke },
    Main { name: "the_last_revoke", before: &["employees"], work: Work::Revoke },
    Main { name: "a_rotation", before: &["employees"], work: Work::Rotate },
];

fn main() -> ExitCode {
    let names: Vec<String> = MAINS.iter().map(|main| main.name.to_owned()).collect();
    harness::run_on(1, "crashes", &names, |runtime, server| {
        let mut trials = Vec::new();
        for main in MAINS {
            let (runtime, server) = (runtime.clone(), Arc::clone(server));
            trials.push(Trial::test(format!("crashes::{}::{}", server.name(), main.name), move || {
                runtime.block_on(async {
                    let fixture = server.fixture(Admin::LeastPrivileged).await.map_err(|error| error.to_string())?;
                    Box::pin(every_point(&*fixture, main)).await;
                    harness::finish(Ok::<(), Error>(()), fixture.end().await)
                })
            }));
        }
        trials
    })
}

/// A fulfilment all of whose ports are watched, for one environment of its own.
struct World {
    fulfilment: Fulfilment,
    store: LocalStore,
    faults: Faults,
    environment: String,
    _folder: tempfile::TempDir,
}

impl World {
    async fn new(fixture: &dyn Fixture) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = LocalStore::open(folder.path().join("store.sqlite"), LocalOptions::new()).await.unwrap();
        let (faults, catalog) = (Faults::default(), MemoryCatalog::new());
        catalog.add(fixture.source());
        let fulfilment = Fulfilment::builder()
            .engines(Engines::new().with(faults.watch(fixture.connector())))
            .credentials(faults.watch(store.credentials()))
            .tracking(faults.watch(store.tracking()))
            .catalog(catalog)
            .build()
            .unwrap();
        let environment = format!("env-{}", dzconn_tests::engine::tag());
        Self { fulfilment, store, faults, environment, _folder: folder }
    }

    async fn run(&self, fixture: &dyn Fixture, table: &TableName, grants: bool) -> Result<Outcome> {
        let subscription = subscription(&fixture.source().connection, &self.environment, &table.joined())?;
        if grants { self.fulfilment.grant(&subscription).await } else { self.fulfilment.revoke(&subscription).await }
    }
}

impl World {
    /// What is run, and vanishes.
    async fn main(&self, fixture: &dyn Fixture, work: Work, table: &TableName) -> Result<()> {
        if work == Work::Rotate {
            let environment = self.environment.parse()?;
            return self.fulfilment.rotate(&fixture.source().connection, &environment).await.map(drop);
        }
        self.run(fixture, table, work == Work::Grant).await.map(drop)
    }

    /// What the environment's secret holds.
    async fn held(&self) -> Credentials {
        let store = self.store.credentials();
        let name = store.names("dz-conn-c-").await.unwrap().pop().expect("a copy");
        match store.read(&name).await.unwrap() {
            Slot::Live(secret) => secret.credentials,
            slot => panic!("{slot:?}"),
        }
    }
}

/// With what the environment's secret holds, the table is read.
async fn opens(fixture: &dyn Fixture, credentials: &Credentials, table: &TableName, context: &str) {
    let session = fixture.open(credentials).await.unwrap();
    let mut session = session.unwrap_or_else(|| panic!("{context}: the secret does not log in"));
    let read = session.attempt(&Attempt::Read(table.clone())).await.unwrap();
    assert_eq!(read, Attempted::Did(2), "{context}");
}

async fn every_point(fixture: &dyn Fixture, main: Main) {
    let tables = ["employees", "offices", "salaries"].map(|name| fixture.table(name));
    for table in &tables {
        fixture.create_table(table).await.unwrap();
    }
    let table = |name: &str| tables.iter().find(|table| table.name().eq_ignore_ascii_case(name)).unwrap();
    let mut points = 0;
    for n in 0.. {
        // Before a call the world is as it was after the last one: where a look takes a login, once is enough.
        let rotates = main.work == Work::Rotate;
        let whens = if rotates && n > 0 { &[When::After][..] } else { &[When::Before, When::After] };
        for when in whens.iter().copied() {
            let world = World::new(fixture).await;
            for name in main.before {
                world.run(fixture, table(name), true).await.unwrap();
            }
            world.faults.vanish(n, when);
            let vanished = tokio::select! {
                outcome = world.main(fixture, main.work, table("employees")) => { outcome.unwrap(); false }
                () = world.faults.vanished() => true,
            };
            world.faults.heal();
            let context = format!("{}, vanished {when:?} call {n}", main.name);
            if !vanished {
                assert!(points > 10, "{} has only {points} points", main.name);
                return;
            }
            points += 1;
            if main.work == Work::Rotate {
                // At every moment.
                opens(fixture, &world.held().await, table("employees"), &context).await;
            }
            // In turn: the same run again, the opposite one, one for another asset; after a rotation that cannot be taken back,
            // the last revoke, or nothing.
            match (n % 3, main.work) {
                (0, Work::Rotate) => {
                    world.main(fixture, main.work, table("employees")).await.unwrap();
                    opens(fixture, &world.held().await, table("employees"), &context).await;
                }
                (1, Work::Rotate) => {}
                (0, _) => finish(fixture, &world, table("employees"), main.work == Work::Grant, &context).await,
                (1, _) => finish(fixture, &world, table("employees"), main.work == Work::Revoke, &context).await,
                _ => finish(fixture, &world, table("salaries"), true, &context).await,
            }
            for name in ["employees", "offices", "salaries"] {
                world.run(fixture, table(name), false).await.unwrap_or_else(|error| panic!("{context}: {error}"));
            }
            nothing_is_left(fixture, &world, &context).await;
        }
    }
}

/// The next run succeeds, and what it grants is read with what the consumer's secret holds.
async fn finish(fixture: &dyn Fixture, world: &World, table: &TableName, grants: bool, context: &str) {
    let outcome = world.run(fixture, table, grants).await.unwrap_or_else(|error| panic!("{context}: {error}"));
    match outcome {
        Outcome::Granted(granted) => {
            opens(fixture, &granted.credentials, table, context).await;
        }
        Outcome::Revoked(_) => assert!(!grants, "{context}"),
        other => panic!("{context}: {other:?}"),
    }
}

async fn nothing_is_left(fixture: &dyn Fixture, world: &World, context: &str) {
    for query in [Query::Sources(None), Query::Assets(None), Query::Mappings] {
        let page = world.store.tracking().list(&query, None).await.unwrap();
        assert!(page.records.is_empty(), "{context}: {:?}", page.records);
    }
    assert!(world.store.credentials().names("").await.unwrap().is_empty(), "{context}: a secret is left");
    let key = SourceKey { connection: fixture.source().connection, environment: world.environment.parse().unwrap() };
    let connector = fixture.connector();
    let (naming, room) = (UserNaming::default(), connector.max_user_name());
    for user in [naming.name(&key, room).unwrap(), naming.spare(&key, room).unwrap()] {
        let user = connector.fold_user_name(user);
        assert!(!user_exists(fixture, &user).await.unwrap(), "{context}: {user} is left");
    }
}
