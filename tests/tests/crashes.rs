//! Every point between two calls of a grant, a revoke and a rotation: the process vanishes there, and whatever comes next puts it
//! right. On real servers with a real store, and on the stand-ins of Secrets Manager and `DynamoDB` with a source in memory.

// A test may panic: that is how it fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::process::ExitCode;
use std::sync::Arc;

use dzconn_core::fulfilment::Settings;
use dzconn_core::memory::MemoryCatalog;
use dzconn_core::model::{Credentials, SourceKey, TableName, UserNaming};
use dzconn_core::sqlite::{LocalOptions, LocalStore};
use dzconn_core::store::{Query, Slot};
use dzconn_core::testkit::engine::{Attempt, Attempted, EngineFixture, MemoryFixture};
use dzconn_core::testkit::faults::{Faults, When};
use dzconn_core::workflow::Outcome;
use dzconn_core::{CredentialStore, Engines, Error, Fulfilment, Result, TrackingStore as _};
use dzconn_tests::aws::{AwsWorld, MOTO, role_of};
use dzconn_tests::engine::{Admin, harness};
use dzconn_tests::world::{subscription, user_exists};
use libtest_mimic::{Completion, Trial};
use tokio::runtime::Handle;

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
    harness::run_beside(on_aws, 1, "crashes", &names, |runtime, server| {
        let mut trials = Vec::new();
        for main in MAINS {
            let (runtime, server) = (runtime.clone(), Arc::clone(server));
            trials.push(Trial::test(format!("crashes::{}::{}", server.name(), main.name), move || {
                runtime.block_on(async {
                    let fixture = server.fixture(Admin::LeastPrivileged).await.map_err(|error| error.to_string())?;
                    Box::pin(every_point(&*fixture, main, None)).await;
                    harness::finish(Ok::<(), Error>(()), fixture.end().await)
                })
            }));
        }
        trials
    })
}

fn on_aws(runtime: &Handle) -> Vec<Trial> {
    let moto = std::env::var(MOTO).ok();
    let trial = |main: Main| {
        let (runtime, moto) = (runtime.clone(), moto.clone());
        Trial::ignorable_test(format!("crashes::aws::{}", main.name), move || {
            let Some(moto) = moto else { return Ok(Completion::ignored_with(format!("set {MOTO}"))) };
            runtime.block_on(async {
                let aws = AwsWorld::new(&moto).await.map_err(|error| error.to_string())?;
                Box::pin(every_point(&MemoryFixture::new(), main, Some(&aws))).await;
                Ok(Completion::Completed)
            })
        })
    };
    MAINS.map(trial).into()
}

/// Where secrets and records are.
enum Stores<'a> {
    Local(LocalStore, tempfile::TempDir),
    Aws(&'a AwsWorld),
}

/// A fulfilment all of whose ports are watched, for one environment of its own.
struct World<'a> {
    fulfilment: Fulfilment,
    stores: Stores<'a>,
    faults: Faults,
    environment: String,
}

impl<'a> World<'a> {
    async fn new(fixture: &dyn EngineFixture, aws: Option<&'a AwsWorld>) -> Self {
        let (faults, catalog) = (Faults::default(), MemoryCatalog::new());
        catalog.add(fixture.source());
        let engines = Engines::new().with(faults.watch(fixture.connector()));
        let builder = Fulfilment::builder().engines(engines).catalog(catalog);
        let (builder, stores) = if let Some(aws) = aws {
            let mut settings = Settings::default();
            settings.reader = Some(role_of("{account}"));
            let builder = builder.settings(settings).tracking(faults.watch(aws.ports.tracking().clone()));
            let builder = builder.credentials(faults.watch(aws.secrets_as_role(&aws.producer).await.unwrap()));
            let builder = builder.copies(faults.watch(aws.secrets_as_role(&aws.consumer).await.unwrap()));
            (builder, Stores::Aws(aws))
        } else {
            let folder = tempfile::tempdir().unwrap();
            let store = LocalStore::open(folder.path().join("store.sqlite"), LocalOptions::new()).await.unwrap();
            let builder = builder.credentials(faults.watch(store.credentials()));
            (builder.tracking(faults.watch(store.tracking())), Stores::Local(store, folder))
        };
        let environment = format!("env-{}", dzconn_tests::engine::tag());
        Self { fulfilment: builder.build().unwrap(), stores, faults, environment }
    }

    async fn run(&self, fixture: &dyn EngineFixture, table: &TableName, grants: bool) -> Result<Outcome> {
        let mut subscription = subscription(&fixture.source().connection, &self.environment, &table.joined())?;
        if let Stores::Aws(aws) = self.stores {
            subscription.location.owner = aws.producer.clone();
            subscription.consumer.owner = aws.consumer.clone();
        }
        if grants { self.fulfilment.grant(&subscription).await } else { self.fulfilment.revoke(&subscription).await }
    }

    /// Records, and secrets that are not burnt.
    async fn left(&self) -> Vec<String> {
        let (store, _) = match &self.stores {
            Stores::Local(store, folder) => (store, folder),
            Stores::Aws(aws) => return aws.left().await.unwrap(),
        };
        let mut left = Vec::new();
        for query in [Query::Sources(None), Query::Assets(None), Query::Mappings] {
            let page = store.tracking().list(&query, None).await.unwrap();
            left.extend(page.records.iter().map(|record| format!("{record:?}")));
        }
        left.extend(store.credentials().names("").await.unwrap().iter().map(ToString::to_string));
        left
    }
}

impl World<'_> {
    /// What is run, and vanishes.
    async fn main(&self, fixture: &dyn EngineFixture, work: Work, table: &TableName) -> Result<()> {
        if work == Work::Rotate {
            let environment = self.environment.parse()?;
            return self.fulfilment.rotate(&fixture.source().connection, &environment).await.map(drop);
        }
        self.run(fixture, table, work == Work::Grant).await.map(drop)
    }

    /// What the environment's secret holds.
    async fn held(&self) -> Credentials {
        let store: Arc<dyn CredentialStore> = match &self.stores {
            Stores::Local(store, _) => Arc::new(store.credentials()),
            Stores::Aws(aws) => Arc::new(aws.secrets_as_role(&aws.consumer).await.unwrap()),
        };
        let names = store.names("dz-conn-c-").await.unwrap();
        let name = names.into_iter().find(|name| name.as_str().contains(&self.environment)).expect("a copy");
        match store.read(&name).await.unwrap() {
            Slot::Live(secret) => secret.credentials,
            slot => panic!("{slot:?}"),
        }
    }
}

/// With what the environment's secret holds, the table is read.
async fn opens(fixture: &dyn EngineFixture, credentials: &Credentials, table: &TableName, context: &str) {
    let session = fixture.open(credentials).await.unwrap();
    let mut session = session.unwrap_or_else(|| panic!("{context}: the secret does not log in"));
    let read = session.attempt(&Attempt::Read(table.clone())).await.unwrap();
    assert_eq!(read, Attempted::Did(2), "{context}");
}

async fn every_point(fixture: &dyn EngineFixture, main: Main, aws: Option<&AwsWorld>) {
    let tables = ["employees", "offices", "salaries"].map(|name| fixture.table(name));
    for table in &tables {
        fixture.create_table(table).await.unwrap();
    }
    let table = |name: &str| tables.iter().find(|table| table.name().eq_ignore_ascii_case(name)).unwrap();
    let mut points = 0;
    for n in 0.. {
        // Before a call the world is as it was after the last one. Where stores are tried, or a look takes a login, once is enough.
        let once = aws.is_some() || main.work == Work::Rotate;
        let whens = if once && n > 0 { &[When::After][..] } else { &[When::Before, When::After] };
        for when in whens.iter().copied() {
            let world = World::new(fixture, aws).await;
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
            match (points % 3, main.work) {
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
async fn finish(fixture: &dyn EngineFixture, world: &World<'_>, table: &TableName, grants: bool, context: &str) {
    let outcome = world.run(fixture, table, grants).await.unwrap_or_else(|error| panic!("{context}: {error}"));
    match outcome {
        Outcome::Granted(granted) => {
            opens(fixture, &granted.credentials, table, context).await;
        }
        Outcome::Revoked(_) => assert!(!grants, "{context}"),
        other => panic!("{context}: {other:?}"),
    }
}

async fn nothing_is_left(fixture: &dyn EngineFixture, world: &World<'_>, context: &str) {
    assert_eq!(world.left().await, Vec::<String>::new(), "{context}");
    let key = SourceKey { connection: fixture.source().connection, environment: world.environment.parse().unwrap() };
    let connector = fixture.connector();
    let (naming, room) = (UserNaming::default(), connector.max_user_name());
    for user in [naming.name(&key, room).unwrap(), naming.spare(&key, room).unwrap()] {
        let user = connector.fold_user_name(user);
        assert!(!user_exists(fixture, &user).await.unwrap(), "{context}: {user} is left");
    }
}
