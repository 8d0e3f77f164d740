//! Runs that are cancelled at every await, and calls that fail one by one: the next run always gets things right.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use dzconn_core::memory::MemoryTracking;
use dzconn_core::model::{GenerationId, UserName, Version};
use dzconn_core::portal::Wanted;
use dzconn_core::store::{Cursor, Key, Page, Query, Stored, Transaction, WriteOutcome};
use dzconn_core::testkit::faults::When;
use dzconn_core::workflow::{Answer, Effect, Errand, Fresh, Next, Outcome, ProducerRun, ProducerTask};
use dzconn_core::{Error, ErrorKind, Result, Secret, Step, Timestamp, TrackingStore};

use crate::world::{self, World};

/// What is there before, and what is run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenario {
    /// Whether what is there before was granted by an older system.
    older: bool,
    before: &'static [&'static str],
    pub(crate) grant: bool,
    pub(crate) table: &'static str,
}

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario { older: false, before: &[], grant: true, table: "employees" },
    Scenario { older: false, before: &["offices"], grant: true, table: "employees" },
    Scenario { older: false, before: &["employees"], grant: true, table: "employees" },
    Scenario { older: false, before: &["employees", "offices"], grant: false, table: "employees" },
    Scenario { older: false, before: &["employees"], grant: false, table: "employees" },
    Scenario { older: true, before: &["employees", "offices"], grant: true, table: "employees" },
    Scenario { older: true, before: &["employees", "offices"], grant: false, table: "employees" },
    Scenario { older: true, before: &["employees"], grant: false, table: "employees" },
];

/// What comes after a run that was cut off.
const AFTERWARDS: &[&str] = &["the same again", "the opposite", "another asset", "nothing"];

impl Scenario {
    async fn set_up(&self) -> World {
        self.set_up_in(World::new()).await
    }

    pub(crate) async fn set_up_in(&self, world: World) -> World {
        for name in self.before {
            run(&world, name, true).await.unwrap();
        }
        if self.older {
            world.make_older().await;
        }
        world.spy.calls();
        world
    }

    /// Goes on after the cut, and checks what is there; then revokes everything and looks for what is left.
    async fn afterwards(&self, world: &World, then: &str, context: &str) {
        let mut tables: Vec<&str> = self.before.to_vec();
        let mut set = |table, on| {
            tables.retain(|t| *t != table);
            if on {
                tables.push(table);
            }
        };
        match then {
            "the same again" => {
                run(world, self.table, self.grant).await.unwrap();
                set(self.table, self.grant);
            }
            "the opposite" => {
                run(world, self.table, !self.grant).await.unwrap();
                set(self.table, !self.grant);
            }
            "another asset" => {
                run(world, "salaries", true).await.unwrap();
                set("salaries", true);
                let mut readable = world.readable();
                // The run that was cut off counts as made, or as never begun.
                readable.retain(|t| *t != self.table);
                tables.retain(|t| *t != self.table);
                tables.sort_unstable();
                assert_eq!(readable, tables, "{context}");
            }
            _ => {}
        }
        if matches!(then, "the same again" | "the opposite") {
            tables.sort_unstable();
            assert_eq!(world.readable(), tables, "{context}");
        }
        for name in ["employees", "offices", "salaries"] {
            run(world, name, false).await.unwrap();
        }
        world.assert_nothing_left(context);
    }
}

pub(crate) async fn run(world: &World, table: &str, grant: bool) -> Result<Outcome> {
    let subscription = world.subscription(table);
    world.want(&subscription, if grant { Wanted::Grant } else { Wanted::Revoke });
    if grant { world.fulfilment.grant(&subscription).await } else { world.fulfilment.revoke(&subscription).await }
}

/// Polls a future so many times and drops it. True if it came to its end.
pub(crate) fn poll_times<F: Future>(future: F, times: usize) -> bool {
    let mut future = Box::pin(future);
    let mut context = Context::from_waker(Waker::noop());
    (0..times).any(|_| matches!(Pin::as_mut(&mut future).poll(&mut context), Poll::Ready(_)))
}

/// Polls a run until these calls, in this order, have begun; the last of them has not had its effect.
pub(crate) fn until<F: Future>(world: &World, mut run: Pin<&mut F>, mut calls: &[&str]) {
    world.spy.calls();
    let mut context = Context::from_waker(Waker::noop());
    let mut polls = 0;
    while !calls.is_empty() {
        assert!(run.as_mut().poll(&mut context).is_pending(), "it ends without {calls:?}");
        polls += 1;
        assert!(polls < 10_000, "it waits for something else than {calls:?}");
        for call in world.spy.calls() {
            calls = calls.strip_prefix(&[call]).unwrap_or(calls);
        }
    }
}

#[tokio::test]
async fn a_run_that_is_dropped_at_any_await_is_finished_or_undone_by_the_next() {
    let mut cuts = 0;
    for scenario in SCENARIOS {
        for then in AFTERWARDS {
            for polls in 1.. {
                let world = scenario.set_up().await;
                let ended = poll_times(run(&world, scenario.table, scenario.grant), polls);
                if ended {
                    break;
                }
                cuts += 1;
                scenario.afterwards(&world, then, &format!("{scenario:?}, cut after {polls} polls, then {then}")).await;
            }
        }
    }
    assert!(cuts > 400, "{cuts} cuts: the ports yield before and after every call");
}

#[tokio::test]
async fn every_call_may_fail_before_or_after_its_effect() {
    for scenario in SCENARIOS {
        for kind in [ErrorKind::ConnectionLost, ErrorKind::StoreFailed, ErrorKind::AdminDenied, ErrorKind::Unexpected] {
            for when in [When::Before, When::After] {
                for n in 0.. {
                    let world = scenario.set_up().await;
                    world.spy.fail(n, when, kind);
                    let result = run(&world, scenario.table, scenario.grant).await;
                    let calls = world.spy.calls();
                    world.spy.heal();
                    if calls.len() <= n {
                        break;
                    }
                    let context = format!("{scenario:?}, call {n} ({:?}) fails {when:?} with {kind:?}", calls.get(n));
                    if let Err(error) = &result {
                        assert_eq!(error.kind(), kind, "{context}: {error}");
                    } else {
                        // What is retryable is retried, and is not seen.
                        let forgiven = calls.get(n).is_some_and(|call| forgiven(call));
                        assert!(kind.is_retryable() || forgiven, "{context}");
                    }
                    scenario.afterwards(&world, "the same again", &context).await;
                }
            }
        }
    }
}

/// What an earlier run has left is cleaned up after the delivery: that this fails is the next run's business.
#[tokio::test]
async fn a_grant_fails_only_where_it_is_not_delivered() {
    let mut delivered = 0;
    for kind in [ErrorKind::Timeout, ErrorKind::Unexpected] {
        for n in 0.. {
            let world = World::new();
            for name in ["employees", "offices"] {
                run(&world, name, true).await.unwrap();
            }
            world.spy.calls();
            run(&world, "employees", false).await.unwrap();
            let sweep = world.spy.calls().iter().rposition(|call| *call == "tracking.commit").unwrap();
            run(&world, "employees", true).await.unwrap();
            world.spy.fail(sweep, When::Before, ErrorKind::Timeout);
            run(&world, "employees", false).await.unwrap_err();
            assert!(world.row(&world.subscription("employees")).await.is_some(), "something is left");

            world.spy.fail(n, When::Before, kind);
            let result = run(&world, "salaries", true).await;
            let calls = world.spy.calls();
            world.spy.heal();
            if calls.len() <= n {
                break;
            }
            let row = world.row(&world.subscription("salaries")).await;
            assert_eq!(result.is_ok(), row.is_some(), "{kind:?} at {:?}: {result:?}", calls.get(n));
            delivered += u32::from(row.is_some());
        }
    }
    assert!(delivered >= 4, "{delivered} of the calls that failed come after the delivery");
}

/// A run that loses its session begins again and finds there what it had made: it says that it has made it.
#[tokio::test]
async fn what_a_run_did_before_it_lost_its_session_is_told() {
    let world = World::new();
    world.spy.fail_at("source.grant", When::Before, ErrorKind::ConnectionLost);
    let granted = world.grant(&world.subscription("employees")).await;
    let calls = world.spy.calls();
    assert_eq!(calls.iter().filter(|call| **call == "source.create_user").count(), 2, "{calls:?}");
    assert!(granted.new_user && granted.changed, "{granted:?}");
}

/// The path has come to mean another table. What cannot be left is not tried again, and the other is not granted.
#[tokio::test]
async fn a_table_that_cannot_be_left_is_said_so_at_once() {
    for n in 0.. {
        let world = World::new();
        world.grant(&world.subscription("offices")).await;
        let asset = world.published("one", "EMPLOYEES");
        world.grant(&asset).await;
        world.engine.add_table(&world::table("EMPLOYEES"));
        world.spy.fail(n, When::Before, ErrorKind::AdminDenied);
        let result = world.fulfilment.grant(&asset).await;
        let calls = world.spy.calls();
        if calls.get(n) == Some(&"source.revoke") {
            assert_eq!(result.unwrap_err().kind(), ErrorKind::AdminDenied);
            let count = |name| calls.iter().filter(|call| **call == name).count();
            assert_eq!((count("source.revoke"), count("source.grant")), (1, 0), "{calls:?}");
            break;
        }
        assert!(calls.len() > n, "nothing is revoked: {calls:?}");
    }
}

/// A run that is handed nothing, as it needs nothing.
struct Nothing;

impl Fresh for Nothing {
    fn version(&mut self) -> Version {
        unreachable!()
    }
    fn generation(&mut self) -> GenerationId {
        unreachable!()
    }
    fn password(&mut self) -> Secret {
        unreachable!()
    }
    fn now(&mut self) -> Timestamp {
        unreachable!()
    }
}

/// Nobody gives back what he has not got.
#[test]
fn without_the_lock_a_run_asks_for_nothing_more() {
    let world = World::new();
    let user = |name: &str| UserName::new(name).unwrap();
    let task = ProducerTask {
        subscription: world.subscription("employees"),
        wish: Wanted::Grant,
        ask: true,
        errand: Errand::Fulfil,
        older: false,
        table: None,
        user: user("one"),
        spare: user("two"),
        endpoint: world.engine.source().endpoint,
        ssl: None,
        readers: Vec::new(),
    };
    let mut run = ProducerRun::new(Arc::new(task));
    assert_eq!(run.next(Answer::Begin, &mut Nothing), Next::Do(Effect::Lock));
    let Next::End(end) = run.next(Answer::Failed(ErrorKind::AdminDenied), &mut Nothing) else { panic!("{run:?}") };
    assert_eq!(end.failure.map(|failure| failure.kind), Some(ErrorKind::AdminDenied));
}

/// Calls whose failure does not keep a run from its goal.
fn forgiven(call: &str) -> bool {
    matches!(call, "source.unlock" | "source.excess" | "source.reads")
}

/// Every call has a reason; the numbers stand in the crate's documentation.
#[tokio::test]
async fn the_cost_of_a_run_is_known_and_does_not_grow() {
    let world = World::new();
    run(&world, "employees", true).await.unwrap();
    let first = world.spy.calls();
    let count = |calls: &[&str], prefix: &str| calls.iter().filter(|call| call.starts_with(prefix)).count();
    assert_eq!(
        first,
        [
            "tracking.read",      // where tracking has the asset
            "source.connect",     // the one connection
            "source.lock",        //
            "source.resolve",     // the table's exact name
            "tracking.read",      // the source record and the table's entry
            "tracking.commit",    // the intent, with the names of user and secret
            "secret.read",        // is there a password already
            "secret.create",      // before it is set
            "secret.share",       // with the consumer's role
            "source.create_user", //
            "source.grant",       //
            "source.excess",      // what else the new user can do
            "source.log_in",      // the proof: as the user, with what the secret holds
            "tracking.commit",    // it is granted
            "source.unlock",      //
            "secret.read",        // is there a copy already
            "secret.read_shared", // what is to be copied
            "secret.create",      // the copy
            "secret.read_shared", // is its source still the same
            "tracking.read",      // is it still granted; what do the rows say; is there anything to clean up
            "tracking.commit",    // mapping and asset row, if it is still granted
        ]
    );

    // The second asset, and the fifth, cost the same, and no new connection.
    let mut costs = Vec::new();
    for name in ["offices", "salaries", "extra1", "extra2"] {
        world.engine.add_table(&world::table(name));
        run(&world, name, true).await.unwrap();
        costs.push(world.spy.calls());
    }
    assert!(costs.windows(2).all(|pair| pair[0] == pair[1]), "{costs:#?}");
    assert_eq!(count(&costs[0], "source.connect"), 0, "the session is kept");
    assert_eq!((count(&costs[0], "tracking."), count(&costs[0], "secret.")), (6, 4));

    // A repeated grant writes nothing.
    run(&world, "offices", true).await.unwrap();
    let again = world.spy.calls();
    assert_eq!(count(&again, "tracking.commit") + count(&again, "secret.create") + count(&again, "secret.replace"), 0);

    // A revoke goes where the asset's row leads, and looks through nothing.
    run(&world, "offices", false).await.unwrap();
    assert_eq!(
        world.spy.calls(),
        [
            "tracking.read",   // where tracking has the asset
            "source.lock",     // in the session that was kept
            "tracking.read",   // the source record and the table's entry
            "tracking.commit", // the intent
            "source.revoke",   //
            "source.reads",    // by other ways than ours?
            "tracking.commit", // it is revoked
            "source.unlock",   //
            "tracking.read",   // what is to be cleaned up
            "tracking.commit", // the asset's row goes
            "tracking.read",   // is there more
        ]
    );
}

/// Tracking tables that throttle once, and then say nothing any more.
#[derive(Debug)]
struct Stuck(MemoryTracking, AtomicBool);

#[async_trait]
impl TrackingStore for Stuck {
    async fn read(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>> {
        self.0.read(keys).await
    }
    async fn commit(&self, _: &Transaction) -> Result<WriteOutcome> {
        if self.1.swap(true, Ordering::SeqCst) {
            return std::future::pending().await;
        }
        Err(Error::new(ErrorKind::Throttled, "slow down"))
    }
    async fn list(&self, query: &Query, after: Option<&Cursor>) -> Result<Page> {
        self.0.list(query, after).await
    }
}

#[tokio::test]
async fn a_deadline_that_passes_tells_what_was_tried_again_until_then() {
    let world = World::within(Duration::from_millis(200), |tracking| Stuck(tracking, AtomicBool::new(false)));
    let error = run(&world, "employees", true).await.unwrap_err();
    assert_eq!((error.kind(), error.step()), (ErrorKind::Timeout, Some(Step::Tracking)), "{error:?}");
    assert!(error.detail().contains("throttled: slow down"), "{error:?}");
    assert!(error.subject().asset.is_some() && error.subject().source.is_some(), "{error:?}");
}
