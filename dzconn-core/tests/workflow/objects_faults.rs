//! Objects: a run dies at every call, or meets another one at every point; the next run ends where it would have ended.

use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use dzconn_core::bucket::policy::Rights;
use dzconn_core::bucket::{ObjectSubscription, RevokedObjects};
use dzconn_core::model::Principal;
use dzconn_core::portal::Wanted;
use dzconn_core::testkit::faults::{Faults, When};
use dzconn_core::{Changed, ErrorKind, Result};

use crate::objects::{LEASE, Stage, bucket, objects};

/// What the run that dies is for, with what is there before.
#[derive(Clone, Copy, Debug)]
enum Case {
    First,
    Second,
    Other,
    Last,
    OneOfTwo,
}

const CASES: [Case; 5] = [Case::First, Case::Second, Case::Other, Case::Last, Case::OneOfTwo];

fn mine() -> ObjectSubscription {
    objects("env1", "mine", "sales/")
}

fn beside() -> ObjectSubscription {
    objects("env2", "beside", "sales/eu/")
}

impl Case {
    async fn set_up(self) -> Stage {
        let stage = Stage::new();
        if matches!(self, Self::Second | Self::OneOfTwo) {
            stage.grant(&beside()).await;
        }
        match self {
            Self::First | Self::Second => stage.want(&mine(), Wanted::Grant),
            // It had other objects before.
            Self::Other => {
                stage.grant(&objects("env1", "mine", "old/")).await;
                stage.want(&mine(), Wanted::Grant);
            }
            Self::Last | Self::OneOfTwo => {
                stage.grant(&mine()).await;
                stage.want(&mine(), Wanted::Revoke);
            }
        }
        stage.spy.calls();
        stage
    }

    fn wish(self) -> Wanted {
        if matches!(self, Self::Last | Self::OneOfTwo) { Wanted::Revoke } else { Wanted::Grant }
    }

    /// What is there beside it.
    fn others(self) -> Vec<ObjectSubscription> {
        if matches!(self, Self::Second | Self::OneOfTwo) { vec![beside()] } else { Vec::new() }
    }
}

async fn run(stage: &Stage, wish: Wanted) -> Result<()> {
    let mine = mine();
    match wish {
        Wanted::Grant => stage.fulfilment.grant_objects(&mine).await.map(drop),
        Wanted::Retain => stage.fulfilment.retain_objects(&mine).await.map(drop),
        Wanted::Revoke => stage.fulfilment.revoke_objects(&mine).await.map(drop),
    }
}

fn assert_all(stage: &Stage, mut there: Vec<ObjectSubscription>, has_mine: bool, context: &str) {
    if has_mine {
        there.push(mine());
    }
    stage.assert_holds(&there.iter().collect::<Vec<_>>(), context);
}

/// What comes after the run that broke.
async fn follow(stage: &Stage, case: Case, next: &str, context: &str) {
    let mut others = case.others();
    let wish = case.wish();
    let context = format!("{context}, then {next}");
    match next {
        "the same" => {
            run(stage, wish).await.unwrap_or_else(|error| panic!("{context}: {error}"));
            assert_all(stage, others, wish == Wanted::Grant, &context);
        }
        "the opposite" => {
            let opposite = if wish == Wanted::Grant { Wanted::Revoke } else { Wanted::Grant };
            stage.want(&mine(), opposite);
            run(stage, opposite).await.unwrap_or_else(|error| panic!("{context}: {error}"));
            assert_all(stage, others, opposite == Wanted::Grant, &context);
        }
        // Somebody else's run finishes a revoke, or takes back what was begun; or the dead run was not that far.
        _ => {
            let third = objects("env3", "third", "c/");
            stage.grant(&third).await;
            others.push(third);
            let before = if matches!(case, Case::Other) { vec![objects("env1", "mine", "old/")] } else { Vec::new() };
            let had = matches!(case, Case::Last | Case::OneOfTwo);
            let is = |with_mine: bool, with_before: bool| {
                let mut there: Vec<_> = others.clone();
                there.extend(with_mine.then(mine));
                there.extend(before.iter().filter(|_| with_before).cloned());
                stage.rights() == rights(&there)
            };
            let serial = if had { is(true, false) || is(false, false) } else { is(false, true) || is(true, false) };
            assert!(serial, "{context}: {:#?}", stage.tracking.snapshot());
            // And whatever was left, the run itself ends well, too.
            run(stage, wish).await.unwrap();
            assert_all(stage, others.clone(), wish == Wanted::Grant, &context);
        }
    }
}

fn rights(there: &[ObjectSubscription]) -> Rights {
    let each = |of: &ObjectSubscription| {
        let reach = of.access.objects.reach();
        let each = |who: &Principal| reach.iter().map(|what| (who.clone(), what.clone())).collect::<Vec<_>>();
        of.access.principals.iter().flat_map(each).collect::<Vec<_>>()
    };
    there.iter().flat_map(each).collect()
}

const NEXT: [&str; 3] = ["the same", "the opposite", "another asset"];

/// The calls of a whole run.
async fn calls(case: Case) -> Vec<&'static str> {
    let stage = case.set_up().await;
    run(&stage, case.wish()).await.unwrap();
    stage.spy.calls()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_run_that_dies_at_any_call_is_finished_or_undone() {
    let mut all = Vec::new();
    for case in CASES {
        let calls = calls(case).await;
        assert!(calls.len() >= 8 && calls.contains(&"bucket.put"), "{calls:?}");
        for (n, call) in calls.into_iter().enumerate() {
            for (when, next) in [When::Before, When::After].into_iter().flat_map(|when| NEXT.map(|next| (when, next))) {
                all.push(tokio::spawn(async move {
                    let stage = case.set_up().await;
                    stage.spy.vanish(n, when);
                    tokio::select! {
                        result = run(&stage, case.wish()) => panic!("{case:?} went on after call {n}: {result:?}"),
                        () = stage.spy.vanished() => {}
                    }
                    stage.spy.heal();
                    stage.expire();
                    follow(&stage, case, next, &format!("{case:?} dies {when:?} call {n} ({call})")).await;
                }));
            }
        }
    }
    for one in all {
        one.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_call_that_fails_is_told_and_the_next_run_ends_well() {
    let mut all = Vec::new();
    for case in CASES {
        for (n, call) in calls(case).await.into_iter().enumerate() {
            for (kind, when) in [
                (ErrorKind::StoreDenied, When::Before),
                (ErrorKind::StoreFailed, When::Before),
                (ErrorKind::StoreFailed, When::After),
            ] {
                for next in NEXT {
                    all.push(tokio::spawn(async move {
                        let stage = case.set_up().await;
                        let before = (stage.rights(), stage.tracking.snapshot().len());
                        stage.spy.fail(n, when, kind);
                        let error = run(&stage, case.wish()).await.unwrap_err();
                        stage.spy.heal();
                        let context = format!("{case:?}: call {n} ({call}) fails {when:?} with {kind:?}");
                        assert_eq!(error.kind(), kind, "{context}");
                        if error.left() == Changed::Nothing {
                            assert_eq!(stage.rights(), before.0, "{context}: {error}");
                        }
                        stage.expire();
                        follow(&stage, case, next, &context).await;
                    }));
                }
            }
        }
    }
    for one in all {
        one.await.unwrap();
    }
}

#[tokio::test]
async fn a_policy_that_is_refused_leaves_nothing_behind() {
    for case in CASES {
        let stage = case.set_up().await;
        let (rights, before) = (stage.rights(), stage.tracking.snapshot());
        stage.spy.fail_at("bucket.put", When::Before, ErrorKind::InvalidInput);
        let error = run(&stage, case.wish()).await.unwrap_err();
        assert_eq!((error.kind(), error.left()), (ErrorKind::InvalidInput, Changed::Nothing));
        // The other statement names somebody who is gone, for which S3 refuses all.
        assert!(error.advice().unwrap().contains("number 2"), "{error:?}");
        let plain = |snapshot: &dzconn_core::memory::TrackingState| {
            snapshot.iter().map(|(key, stored)| (key.clone(), stored.record.clone())).collect::<Vec<_>>()
        };
        let after = stage.tracking.snapshot();
        let same = plain(&after).into_iter().zip(plain(&before)).all(|(one, other)| match (one.1, other.1) {
            (dzconn_core::store::Record::Bucket(one), dzconn_core::store::Record::Bucket(other)) => {
                one.claims == other.claims && one.leased.is_none()
            }
            (one, other) => one == other,
        });
        assert!(same && after.len() == before.len() && stage.rights() == rights, "{case:?}: {after:#?}");
    }
}

/// A small generator: what it gives for a seed does not change.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// Two runs in two processes, one call at a time, in an order that the seed says; one of them may die on the way.
async fn schedule(seed: u64) {
    let mut dice = Dice(seed);
    let stage = Stage::new();
    let there = dice.below(2) == 0;
    let (one, two) = (mine(), if dice.below(3) == 0 { mine() } else { beside() });
    if there {
        stage.grant(&one).await;
    }
    let two_wish = if dice.below(2) == 0 { Wanted::Grant } else { Wanted::Revoke };
    let one_wish = if one == two {
        two_wish
    } else if dice.below(2) == 0 {
        Wanted::Grant
    } else {
        Wanted::Revoke
    };
    stage.want(&one, one_wish);
    stage.want(&two, two_wish);
    let spy = Faults::default();
    let other = Stage::process(&stage.buckets, &stage.tracking, &stage.portal, &spy, LEASE);
    let dies = (dice.below(3) == 0).then(|| dice.below(24));
    let (mut finished, mut taken_for_dead) = ([false, false], false);
    {
        let work = async |fulfilment: &dzconn_core::Fulfilment, of: &ObjectSubscription, wish: Wanted| match wish {
            Wanted::Grant => fulfilment.grant_objects(of).await.map(drop),
            _ => fulfilment.revoke_objects(of).await.map(drop),
        };
        let mut first = Some(Box::pin(work(&stage.fulfilment, &one, one_wish)));
        let mut second = pin!(work(&other, &two, two_wish));
        let mut steps = 0;
        while !finished.iter().all(|done| *done) {
            if !finished[0] && dies == Some(steps) {
                (first, finished[0]) = (None, true);
                stage.expire();
            }
            // Somebody is taken for dead, and goes on all the same.
            if dice.below(8) == 0 {
                stage.expire();
                taken_for_dead = true;
            }
            if finished == [true, true] {
                break;
            }
            let turn = if finished[0] {
                1
            } else if finished[1] {
                0
            } else {
                dice.below(2)
            };
            let done = std::future::poll_fn(|context| {
                let polled = match (&mut first, turn) {
                    (Some(first), 0) => first.as_mut().poll(context),
                    _ => second.as_mut().poll(context),
                };
                Poll::Ready(polled)
            })
            .await;
            if let Poll::Ready(result) = done {
                result.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
                finished[usize::try_from(turn).unwrap()] = true;
            }
            steps += 1;
            tokio::task::yield_now().await;
        }
    }
    if dies.is_some() {
        stage.expire();
        run_as(&stage, &one, one_wish).await;
        // Its write may have landed after the lease was somebody else's: the next run for the bucket sees to it, whatever for.
        if taken_for_dead {
            run_as(&stage, &two, Wanted::Grant).await;
        }
    }
    let mut wanted = Vec::new();
    wanted.extend((one_wish == Wanted::Grant).then_some(&one));
    wanted.extend((two_wish == Wanted::Grant && one != two).then_some(&two));
    stage.assert_holds(&wanted, &format!("seed {seed}"));
}

async fn run_as(stage: &Stage, of: &ObjectSubscription, wish: Wanted) {
    match wish {
        Wanted::Grant => drop(stage.fulfilment.grant_objects(of).await.unwrap()),
        _ => drop(stage.fulfilment.revoke_objects(of).await.unwrap()),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_runs_at_once_end_as_one_after_the_other() {
    let all: Vec<_> = (0..400)
        .map(|seed| {
            tokio::task::spawn_blocking(move || {
                tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(schedule(seed));
            })
        })
        .collect();
    for one in all {
        one.await.unwrap();
    }
}

#[tokio::test]
async fn a_write_that_lands_late_is_mended_by_whoever_comes_next() {
    let stage = Stage::new();
    stage.grant(&mine()).await;
    // What a run that died on the way had sent: the policy without what came after.
    let late = stage.buckets.policy(&bucket()).unwrap();
    stage.grant(&beside()).await;
    stage.buckets.set(bucket(), Some(&late));
    let third = objects("env3", "third", "c/");
    stage.grant(&third).await;
    stage.assert_holds(&[&mine(), &beside(), &third], "lost");
    stage.revoke(&mine()).await;
    stage.buckets.set(bucket(), Some(&late));
    // Repeating what is done mends it, too.
    stage.grant(&third).await;
    stage.assert_holds(&[&beside(), &third], "back");
}

#[tokio::test]
async fn a_dead_runs_lease_runs_out() {
    let stage = Stage::with_lease(Duration::from_millis(400));
    stage.want(&mine(), Wanted::Grant);
    stage.spy.vanish(3, When::Before);
    tokio::select! {
        result = run(&stage, Wanted::Grant) => panic!("{result:?}"),
        () = stage.spy.vanished() => {}
    }
    stage.spy.heal();
    let begin = std::time::Instant::now();
    stage.revoke(&mine()).await;
    assert!(begin.elapsed() >= Duration::from_millis(400), "{:?}", begin.elapsed());
    let RevokedObjects { access, .. } = stage.revoke(&mine()).await;
    assert_eq!(access, None);
    stage.assert_holds(&[], "taken over");
}
