//! The end of an installation.

use std::sync::Mutex;

use async_trait::async_trait;
use dzconn_core::environment::{Brought, Environment, EnvironmentPortal as _, Stage};
use dzconn_core::event::SubscriptionEvent;
use dzconn_core::fulfilment::Handled;
use dzconn_core::memory::MemoryPortal;
use dzconn_core::model::*;
use dzconn_core::portal::{Lookup, Question, Wanted};
use dzconn_core::store::{Change, Expect, Key, Record, Transaction};
use dzconn_core::testkit::faults::When;
use dzconn_core::uninstall::{Beyond, Kind, Uninstalled, Uninstaller};
use dzconn_core::workflow::Outcome;
use dzconn_core::{Error, ErrorKind, Fulfilment, Portal, Result, TrackingStore as _};

use crate::environment::{Lab, env1};
use crate::world::{World, id};

/// Two environments with access, one of which is not in the portal, and one that is equipped and has none.
async fn lab() -> Lab {
    let lab = Lab::new();
    let world = &lab.world;
    for name in ["employees", "offices"] {
        world.grant(&world.subscription(name)).await;
    }
    let mut other = world.subscription("employees");
    other.consumer.environment = id("env2");
    world.grant(&other).await;
    lab.handle(&Lab::deployed()).await;
    let environment = lab.memory.environment(&id("dzd_1"), &env1()).await.unwrap().unwrap();
    lab.memory.put(Environment { id: id("env3"), role: None, databases: vec![], ..environment.clone() });
    lab.memory.put(Environment { id: id("env4"), foreign: Some("another blueprint's".into()), ..environment });
    lab
}

fn uninstaller(lab: &Lab) -> Uninstaller {
    Uninstaller::new(lab.world.fulfilment.clone()).with_environments(lab.environments.clone())
}

fn kinds(done: &Uninstalled) -> Vec<Kind> {
    done.left.iter().map(|remnant| remnant.kind).collect()
}

#[tokio::test]
async fn everything_goes_and_that_is_proven() {
    let lab = lab().await;
    let equipped = lab.memory.snapshot();
    let tracked = lab.world.tracking.snapshot();
    let plan = uninstaller(&lab).plan(&Beyond::default()).await.unwrap();
    assert_eq!(
        (lab.memory.snapshot(), lab.world.tracking.snapshot()),
        (equipped.clone(), tracked),
        "a plan changes nothing"
    );
    let held: Vec<_> =
        plan.environments.iter().map(|report| (report.environment.as_str(), report.held.len())).collect();
    assert_eq!(held, [("env1", 2), ("env2", 1), ("env3", 0)], "{plan:?}");
    assert_eq!((plan.environments[0].changes.len(), plan.is_proven()), (5, false));
    assert!(plan.left.iter().all(|remnant| remnant.kind == Kind::Record), "{plan:?}");

    let done = uninstaller(&lab).run(&Beyond::default()).await.unwrap();
    assert!(done.is_proven(), "{done:?}");
    let revoked: Vec<_> = done.environments.iter().map(|report| report.revoked.len()).collect();
    assert_eq!(revoked, [2, 1, 0], "{done:?}");
    assert_eq!(done.looked.connections.len(), 1);
    assert_eq!(done.looked.domains.iter().map(DomainId::as_str).collect::<Vec<_>>(), ["dzd_1"]);
    lab.world.assert_nothing_left("uninstalled");
    assert_eq!(Lab::equipped(&lab.memory.snapshot()), equipped);

    // Once more: there is nothing, and where nothing is recorded it has to be said where to look.
    let again = uninstaller(&lab).run(&Beyond::default()).await.unwrap();
    assert_eq!(kinds(&again), [Kind::Unknown], "{again:?}");
    let beyond = Beyond { domains: [id("dzd_1")].into(), ..Beyond::default() };
    let again = uninstaller(&lab).run(&beyond).await.unwrap();
    assert!(again.is_proven() && again.environments.iter().all(|report| report.revoked.is_empty()), "{again:?}");
    assert_eq!(again.looked.owners.len(), 1, "the portal names the account");
    lab.memory.set_stage(&id("env3"), None);
    lab.memory.set_stage(&env1(), None);
    let again = uninstaller(&lab).run(&beyond).await.unwrap();
    assert_eq!(kinds(&again), [Kind::Unknown], "no account: {again:?}");
    // Without a portal for environments there is none to name.
    assert!(Uninstaller::new(lab.world.fulfilment.clone()).run(&Beyond::default()).await.unwrap().is_proven());
}

#[tokio::test]
async fn what_no_record_names_goes_too() {
    let world = World::new();
    let subscription = world.subscription("employees");
    world.grant(&subscription).await;
    world.record_answer("employees").await;
    // All records of it are lost, but for one of the environment's.
    let rows = world.tracking.snapshot();
    for (key, _) in rows.iter().filter(|(key, _)| !matches!(key, Key::Wanted(..))) {
        let changes = vec![Change::remove(key.clone(), Expect::Anything)];
        world.tracking.commit(&Transaction { changes }).await.unwrap();
    }
    let uninstaller = Uninstaller::new(world.fulfilment.clone());
    let location = &subscription.location;
    let mut beyond = Beyond {
        connections: [location.connection.clone()].into(),
        owners: [location.owner.clone(), subscription.consumer.owner.clone()].into(),
        ..Beyond::default()
    };
    // Nobody says whose they are: another installation may know them.
    let done = uninstaller.run(&beyond).await.unwrap();
    assert_eq!(kinds(&done), [Kind::User, Kind::Secret, Kind::Secret], "{done:?}");
    assert_eq!((done.swept.len(), done.failures.len()), (1, 0), "the answer: {done:?}");
    beyond.environments.insert(env1());
    let plan = uninstaller.plan(&beyond).await.unwrap();
    assert_eq!(kinds(&plan), kinds(&done));
    let done = uninstaller.run(&beyond).await.unwrap();
    assert!(done.is_proven() && done.swept.len() == 3, "{done:?}");
    world.assert_nothing_left("lost records");
}

#[tokio::test]
async fn one_environment_that_fails_keeps_none_of_the_others() {
    let lab = lab().await;
    // Somebody has edited its record, so that nobody can tell what it means.
    let (key, mut stored) = lab
        .world
        .tracking
        .snapshot()
        .iter()
        .find_map(|(key, stored)| match key {
            Key::Source(source) if source.environment == env1() => Some((key.clone(), stored.clone())),
            _ => None,
        })
        .unwrap();
    let Record::Source(record) = &mut stored.record else { panic!("{stored:?}") };
    let whole = record.clone();
    record.phase = Phase::Retired;
    record.generation = None;
    lab.world.tracking.insert(key.clone(), stored.clone());
    let done = uninstaller(&lab).run(&Beyond::default()).await.unwrap();
    assert!(!done.is_proven() && done.errors().count() > 0, "{done:?}");
    let of =
        |environment: &str| done.left.iter().filter(|remnant| remnant.environment == Some(id(environment))).count();
    assert!(of("env1") > 0 && of("env2") == 0, "{done:?}");
    assert!(done.left.iter().all(|remnant| !remnant.why.is_empty()));
    let report = done.environments.iter().find(|report| report.environment.as_str() == "env2").unwrap();
    assert_eq!((&report.brought, report.revoked.len()), (&Brought::Cleaned, 1));
    // Once that is put right, it goes on.
    stored.record = Record::Source(whole);
    lab.world.tracking.insert(key, stored);
    let done = uninstaller(&lab).run(&Beyond::default()).await.unwrap();
    assert!(done.is_proven(), "{done:?}");
    lab.world.assert_nothing_left("put right");
}

/// Wherever a call fails: what is left is told, and the next run ends it.
#[tokio::test]
async fn a_failure_of_any_call_is_told_and_made_good_by_the_next_run() {
    let (mut calls, mut told) = (0, 0);
    for when in [When::Before, When::After] {
        // Every third, since two runs and what they began with are set up for each.
        for n in (usize::from(when == When::After)..).step_by(3) {
            let lab = lab().await;
            lab.world.spy.fail(n, when, ErrorKind::StoreDenied);
            let result = uninstaller(&lab).run(&Beyond::default()).await;
            let names = lab.world.spy.calls();
            lab.world.spy.heal();
            if names.len() <= n {
                calls = calls.max(n);
                break;
            }
            let context = format!("call {n} ({}) fails {when:?}", names[n]);
            match &result {
                Err(error) => assert_eq!(error.kind(), ErrorKind::StoreDenied, "{context}: {error}"),
                Ok(done) if done.is_proven() => lab.world.assert_nothing_left(&context),
                Ok(_) => {}
            }
            told += usize::from(!result.is_ok_and(|done| done.is_proven()));
            let beyond = Beyond { domains: [id("dzd_1")].into(), ..Beyond::default() };
            let done = uninstaller(&lab).run(&beyond).await.unwrap();
            assert!(done.is_proven(), "{context}: {done:?}");
            lab.world.assert_nothing_left(&context);
        }
    }
    assert!(calls > 80 && told > 8, "{calls} calls, {told} told");
}

/// Grants one more while the first outcome is reported.
#[derive(Debug)]
struct Late(MemoryPortal, Fulfilment, Mutex<Vec<Subscription>>);

#[async_trait]
impl Portal for Late {
    async fn wanted(&self, question: &Question) -> Result<Wanted> {
        self.0.wanted(question).await
    }

    async fn subscriptions(&self, event: &SubscriptionEvent) -> Result<Vec<Lookup>> {
        self.0.subscriptions(event).await
    }

    async fn report(&self, _: &Subscription, _: std::result::Result<&Outcome, &Error>) -> Result<()> {
        let next = self.2.lock().unwrap().pop();
        if let Some(next) = next {
            assert!(matches!(self.1.grant(&next).await, Ok(Outcome::Granted(_))), "{next:?}");
        }
        Ok(())
    }
}

#[tokio::test]
async fn what_comes_while_an_environment_ends_goes_too() {
    let world = World::new();
    let all = ["employees", "offices", "salaries"].map(|name| world.subscription(name));
    for subscription in &all {
        world.want(subscription, Wanted::Grant);
    }
    world.grant(&all[0]).await;
    for (late, left) in [(&all[1..2], 0), (&all[1..], 1)] {
        let portal = Late(world.portal.clone(), world.fulfilment.clone(), Mutex::new(late.to_vec()));
        let handled = world.through(portal).revoke_all(&id("dzd_1"), &env1()).await.unwrap();
        // Who goes on granting is told of.
        let failed = handled.iter().filter(|one| matches!(one, Handled::Failed { .. })).count();
        assert_eq!((handled.len() - failed, failed, world.readable().len()), (2, left, left), "{handled:?}");
        world.grant(&all[0]).await;
    }
}

#[tokio::test]
async fn what_is_being_deleted_is_cleaned_too() {
    let lab = lab().await;
    lab.memory.set_stage(&env1(), Some(Stage::Ending));
    let done = uninstaller(&lab).run(&Beyond::default()).await.unwrap();
    assert!(done.is_proven(), "{done:?}");
}
