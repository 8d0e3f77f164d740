//! Everything that a full run says at TRACE, drivers included, and every `Debug` of what it hands out, is searched for every
//! password that there was.

// A test may panic: that is how it fails.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::Write;
use std::process::ExitCode;

use dzconn_core::Secret;
use dzconn_core::model::{AdminLogin, Source};
use dzconn_core::portal::Wanted;
use dzconn_core::workflow::Outcome;
use dzconn_test_aws::{Effect, Fault};
use dzconn_tests::aws::{AwsWorld, MOTO};
use dzconn_tests::ear::Ear;
use dzconn_tests::engine::{Admin, Fixture, harness};
use dzconn_tests::world::World;
use libtest_mimic::{Completion, Trial};

fn main() -> ExitCode {
    let ear = Ear::open();
    let names = Admin::ALL.map(|admin| format!("{}::no_password_is_said", admin.name()));
    harness::run("leaks", &names, |runtime, server| {
        let trial = |admin: Admin| {
            let (runtime, server, ear) = (runtime.clone(), server.clone(), ear.clone());
            Trial::test(format!("leaks::{}::{}::no_password_is_said", server.name(), admin.name()), move || {
                runtime.block_on(async {
                    let fixture = server.fixture(admin).await.map_err(|error| error.to_string())?;
                    let checked = no_password_is_said(&*fixture, &ear).await;
                    harness::finish(checked, fixture.end().await)
                })
            })
        };
        let mut trials: Vec<Trial> = Admin::ALL.map(trial).into();
        let name = format!("leaks::{}::aws::no_password_is_said", server.name());
        let Ok(moto) = std::env::var(MOTO) else {
            let ignored = Completion::ignored_with(format!("set {MOTO}"));
            trials.push(Trial::ignorable_test(name, move || Ok(ignored)));
            return trials;
        };
        let (runtime, server, ear) = (runtime.clone(), server.clone(), ear.clone());
        trials.push(Trial::test(name, move || {
            runtime.block_on(async {
                let fixture = server.fixture(Admin::LeastPrivileged).await.map_err(|error| error.to_string())?;
                let checked = no_password_is_said_on_aws(&*fixture, &ear, &moto).await;
                harness::finish(checked, fixture.end().await)
            })
        }));
        trials
    })
}

/// The same over the SDK, with what fails on the way.
async fn no_password_is_said_on_aws(fixture: &dyn Fixture, ear: &Ear, moto: &str) -> Result<(), String> {
    let (source, table, mut said) = (fixture.source(), fixture.table("employees"), ear.clone());
    fixture.create_table(&table).await.unwrap();
    let world = AwsWorld::new(moto).await.unwrap();
    let connection = world.connect("hr", &source).await.unwrap();
    let listing = world.publish(&connection, &table).await.unwrap();
    world.subscribe(&listing);
    write!(said, "{:?} {:?} {:?}", world.ports, world.fulfilment, world.config).unwrap();
    let mut passwords = vec![source.admin.password.clone()];
    // Each call of Secrets Manager fails once, before it is carried out or after.
    for effect in [Effect::Failed, Effect::CutAfter, Effect::AccessDenied] {
        for n in 0..8 {
            world.aws.fail(Fault::new(effect).service("secretsmanager").skip(n).times(5));
            let outcome = world.outcome("Created", &listing).await;
            world.aws.no_faults();
            write!(said, "{outcome:?}").unwrap();
            if let Err(error) = &outcome {
                write!(said, "{error} {:?}", std::error::Error::source(error)).unwrap();
            }
        }
    }
    let outcome = world.outcome("Created", &listing).await.unwrap();
    write!(said, "{outcome:?}").unwrap();
    let Outcome::Granted(granted) = outcome else { return Err(format!("{outcome:?}")) };
    passwords.push(granted.credentials.password);
    world.end_subscription(&listing, false);
    write!(said, "{:?}", world.outcome("Revoked", &listing).await).unwrap();
    if !ear.heard("aws_smithy") || !ear.heard(granted.secret.as_str()) {
        return Err("the log holds nothing of the run".into());
    }
    match passwords.iter().position(|password| ear.heard(password.expose())) {
        Some(which) => Err(format!("password {which} of {} was said", passwords.len())),
        None => Ok(()),
    }
}

async fn no_password_is_said(fixture: &dyn Fixture, ear: &Ear) -> Result<(), String> {
    let source = fixture.source();
    let mut said = ear.clone();
    let mut passwords = vec![source.admin.password.clone()];
    let tables = ["employees", "offices"].map(|name| fixture.table(name));
    for table in &tables {
        fixture.create_table(table).await.unwrap();
    }
    let world = World::new(source.clone()).await.unwrap();
    write!(said, "{source:?} {world:?} {:?}", fixture.connector()).unwrap();

    for table in &tables {
        let plan = world.fulfilment.plan(&world.subscription(table).unwrap(), Wanted::Grant).await;
        let granted = world.grant(table).await.unwrap();
        write!(said, "{plan:?} {granted:?}").unwrap();
        passwords.push(granted.credentials.password.clone());

        // A password that has to be set again, and one that the source refuses.
        // No longer than what every source takes.
        let set = Secret::new(format!("Set-by-hand_{:016x}", rand::random::<u64>()));
        passwords.push(set.clone());
        let other = dzconn_core::model::Credentials { password: set, ..granted.credentials };
        let deadline = dzconn_core::Deadline::within(std::time::Duration::from_secs(20));
        let mut session = fixture.connector().connect(&source, deadline).await.unwrap();
        let result = session.set_password(&other).await;
        write!(said, "{session:?} {result:?}").unwrap();
        session.close().await.unwrap();
        write!(said, "{:?}", world.grant(table).await).unwrap();
        write!(said, "{:?}", fixture.connector().log_in(&source, &other, Some(table), deadline).await).unwrap();
    }

    // Failures of every step that carries one.
    let wrong = Secret::new(format!("Wrong-password_{:032x}", rand::random::<u128>()));
    passwords.push(wrong.clone());
    let admin = AdminLogin { password: wrong, ..source.admin.clone() };
    let elsewhere = World::new(Source { admin, ..source.clone() }).await.unwrap();
    let error = elsewhere.grant(&tables[0]).await.unwrap_err();
    write!(said, "{error} {error:?} {:?}", std::error::Error::source(&error)).unwrap();
    let missing = world.grant(&fixture.table("nowhere")).await.unwrap_err();
    write!(said, "{missing} {missing:?}").unwrap();
    for table in &tables {
        write!(said, "{:?}", world.revoke(table).await).unwrap();
    }

    // That there was something to hear, and that the search would find it.
    if !ear.heard("set_password") || !ear.heard(source.admin.user.as_str()) {
        return Err("the log holds nothing of the run".into());
    }
    match passwords.iter().position(|password| ear.heard(password.expose())) {
        Some(which) => Err(format!("password {which} of {} was said", passwords.len())),
        None => Ok(()),
    }
}
