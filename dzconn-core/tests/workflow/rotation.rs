//! Rotation on the ports in memory: at every await the environment's secret opens what was granted, and a rotation that was cut
//! off there is finished, or undone, by whatever comes next.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use dzconn_core::fulfilment::{PlannedStep, Rotated, Rotation};
use dzconn_core::model::{Credentials, Generation, Turn, TurnId, TurnStage};
use dzconn_core::portal::Wanted;
use dzconn_core::reconcile::Mended;
use dzconn_core::store::Record;
use dzconn_core::testkit::faults::When;
use dzconn_core::{Changed, CredentialStore as _, ErrorKind, Result};

use crate::reconcile::{age, look};
use crate::world::{CONSUMER, PRODUCER, World, id, table};

pub(crate) async fn rotate(world: &World) -> Result<Rotation> {
    world.fulfilment.rotate(&world.engine.source().connection, &id("env1")).await
}

pub(crate) async fn rotated(world: &World) -> Rotated {
    match rotate(world).await.unwrap() {
        Rotation::Rotated(rotated) => rotated,
        other => panic!("{other:?}"),
    }
}

/// What the environment's secret holds.
pub(crate) fn held(world: &World) -> Credentials {
    let live = world.vault.live();
    live.into_iter().find(|(account, ..)| account.as_str() == CONSUMER).unwrap().2
}

pub(crate) fn generation(world: &World) -> Generation {
    let records = world.tracking.snapshot();
    let source = records.iter().find_map(|(_, stored)| match &stored.record {
        Record::Source(source) => Some(source.clone()),
        _ => None,
    });
    source.and_then(|source| source.generation).unwrap()
}

pub(crate) async fn set_up(granted: &[&str], rotations: usize) -> World {
    let world = World::new();
    for name in granted {
        world.grant(&world.subscription(name)).await;
    }
    for _ in 0..rotations {
        rotated(&world).await;
    }
    world.spy.calls();
    world
}

async fn everything_goes(world: &World, context: &str) {
    for name in ["employees", "offices", "salaries"] {
        world.revoke(&world.subscription(name)).await;
    }
    world.assert_nothing_left(context);
}

#[tokio::test]
async fn two_users_take_turns() {
    let world = set_up(&["employees", "offices"], 0).await;
    let reads = |credentials: &Credentials, name| world.engine.read_as(credentials, &table(name));
    let first = held(&world);

    let Rotated { user, previous, secret, .. } = rotated(&world).await;
    let second = held(&world);
    assert_eq!((&user, previous), (&second.user, Some(first.user.clone())));
    assert_eq!((user.as_str(), secret), (format!("{}_b", first.user).as_str(), generation(&world).copy));
    assert_ne!(first.password.expose(), second.password.expose());
    for credentials in [&first, &second] {
        assert!(reads(credentials, "employees") && reads(credentials, "offices") && !reads(credentials, "salaries"));
    }
    assert_eq!(generation(&world).turn, None);

    // What is granted now, only the user that the secret names reads; what is revoked, neither.
    world.grant(&world.subscription("salaries")).await;
    assert_eq!((reads(&second, "salaries"), reads(&first, "salaries")), (true, false));
    world.revoke(&world.subscription("offices")).await;
    assert_eq!((reads(&second, "offices"), reads(&first, "offices")), (false, false));

    rotated(&world).await;
    let third = held(&world);
    assert_eq!(third.user, first.user);
    assert!(reads(&third, "employees") && reads(&third, "salaries") && !reads(&third, "offices"));
    assert!(!reads(&first, "employees"), "the password of the last rotation but one is no longer valid");
    assert!(reads(&second, "employees"), "that of the last one is");
    everything_goes(&world, "after two rotations").await;
    assert_eq!(rotate(&world).await.unwrap(), Rotation::Nothing);
}

#[tokio::test]
async fn what_an_older_system_granted_is_granted_once_more_first() {
    let world = set_up(&["employees"], 0).await;
    world.make_older().await;
    let before = held(&world);
    let error = rotate(&world).await.unwrap_err();
    assert_eq!((error.kind(), held(&world)), (ErrorKind::InvalidInput, before));
    assert!(error.advice().unwrap().contains("once more"), "{error}");
    world.grant(&world.subscription("employees")).await;
    rotated(&world).await;
    everything_goes(&world, "an older system's").await;
}

/// A first grant that died before it was delivered does not say where the environment lives. No copy is made anywhere else.
#[tokio::test]
async fn an_environment_whose_account_nobody_knows() {
    let mut refused = 0;
    for n in 0.. {
        let world = World::new();
        let subscription = world.subscription("employees");
        world.want(&subscription, Wanted::Grant);
        world.spy.fail(n, When::Before, ErrorKind::AdminDenied);
        drop(world.fulfilment.grant(&subscription).await);
        let died = world.spy.calls().len() > n;
        world.spy.heal();
        let before = (world.tracking.snapshot(), world.vault.snapshot());
        if let Err(error) = rotate(&world).await {
            assert_eq!((error.kind(), error.left()), (ErrorKind::InvalidInput, Changed::Nothing), "call {n}: {error}");
            assert!(error.advice().unwrap().contains("once more"), "{error}");
            assert_eq!(before, (world.tracking.snapshot(), world.vault.snapshot()), "call {n}");
            refused += 1;
        }
        let at_home = world.vault.live().into_iter().filter(|(account, ..)| account.as_str() == PRODUCER).count();
        assert!(at_home <= 1, "call {n}: a copy in the producer's account");
        world.grant(&subscription).await;
        rotated(&world).await;
        assert_eq!((held(&world).user, world.readable()), (generation(&world).user, vec!["employees"]), "call {n}");
        everything_goes(&world, "granted once more").await;
        if !died {
            break;
        }
    }
    assert!(refused > 1, "{refused}");
}

/// Somebody else's rotation is not disturbed; and a table that is gone keeps nobody from rotating.
#[tokio::test]
async fn what_others_do_meanwhile() {
    let world = set_up(&["employees", "offices"], 0).await;
    let (before, name) = (held(&world), generation(&world).secret);
    let producer = id(PRODUCER);
    world.vault.set_pending(&producer, &name, true);
    let error = rotate(&world).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Contention);
    assert!(error.advice().unwrap().contains("AWSPENDING"), "{error}");
    assert_eq!((held(&world), generation(&world).spare), (before, None), "nothing was begun");
    let planned = world.fulfilment.plan_rotation(&world.engine.source().connection, &id("env1")).await;
    assert_eq!(planned.unwrap_err().kind(), ErrorKind::Contention);
    world.vault.set_pending(&producer, &name, false);

    world.engine.drop_table(&table("offices"));
    rotated(&world).await;
    assert_eq!(world.readable(), ["employees"]);
    everything_goes(&world, "a table that was gone").await;
}

/// Where somebody takes the producer's secret back, copy and secret are equal again, but the turn has not come to its end.
#[tokio::test]
async fn a_rotation_that_somebody_takes_back_is_not_confirmed() {
    let world = set_up(&["employees"], 0).await;
    let before = held(&world);
    world.spy.fail_at("secret.replace", When::Before, ErrorKind::AdminDenied);
    rotate(&world).await.unwrap_err();
    let Generation { secret, user, .. } = generation(&world);
    let made = world.vault.live().into_iter().find(|(_, name, _)| *name == secret).unwrap().2;
    assert_eq!(made.user, user);
    world.vault.put_raw(&id(PRODUCER), &secret, before.to_json());
    for _ in 0..2 {
        assert_eq!(rotate(&world).await.unwrap_err().kind(), ErrorKind::SecretInvalid);
        assert_eq!((held(&world), generation(&world).stage()), (before.clone(), Some(TurnStage::Delivering)));
        assert_eq!(world.readable(), ["employees"]);
    }
    world.vault.put_raw(&id(PRODUCER), &secret, made.to_json());
    rotated(&world).await;
    let now = held(&world);
    assert_eq!((now.user, now.password.expose(), generation(&world).turn), (made.user, made.password.expose(), None));
    everything_goes(&world, "taken back by somebody").await;
}

/// A password that the source refuses is given up for another; so it is where the run dies in between.
#[tokio::test]
async fn a_proposed_password_that_the_source_refuses() {
    let proposals = |calls: &[String]| calls.iter().filter(|call| *call == "secret.propose").count();
    for (rotations, call) in [(0, "source.create_user"), (2, "source.set_password")] {
        for polls in 1.. {
            let world = set_up(&["employees"], rotations).await;
            world.spy.fail_at(call, When::Before, ErrorKind::PasswordRejected);
            let ended = {
                let mut rotating = pin!(rotate(&world));
                let mut context = Context::from_waker(Waker::noop());
                (0..polls).any(|_| match rotating.as_mut().poll(&mut context) {
                    Poll::Ready(rotation) => matches!(rotation.unwrap(), Rotation::Rotated(_)),
                    Poll::Pending => false,
                })
            };
            let calls: Vec<_> = world.spy.calls().iter().map(ToString::to_string).collect();
            world.spy.heal();
            if ended {
                assert_eq!((generation(&world).turn, proposals(&calls)), (None, 2), "{calls:?}");
                break;
            }
            let context = format!("refused after {rotations} rotations, and cut after {polls} polls");
            assert_eq!(world.readable(), ["employees"], "{context}");
            afterwards(&world, &["employees"], "the same again", &context).await;
        }
    }
}

/// Where the secret is corrected after a value was proposed, the correction is not undone.
#[tokio::test]
async fn a_secret_that_is_corrected_while_it_is_rotated() {
    let world = set_up(&["employees"], 0).await;
    world.spy.fail_at("source.create_user", When::Before, ErrorKind::AdminDenied);
    assert_eq!(rotate(&world).await.unwrap_err().kind(), ErrorKind::AdminDenied);
    let Generation { secret, turn, .. } = generation(&world);
    assert_eq!(turn.unwrap().stage, TurnStage::Preparing);
    let mut corrected = held(&world);
    assert_eq!(corrected.ssl, Some(false));
    corrected.ssl = Some(true);
    world.vault.put_raw(&id(PRODUCER), &secret, corrected.to_json());
    rotated(&world).await;
    let now = held(&world);
    assert_eq!((now.ssl, now.user), (Some(true), generation(&world).user));
    assert_eq!(world.readable(), ["employees"]);
    everything_goes(&world, "a corrected secret").await;
}

/// A record that somebody has edited is told from one that is in the middle of a rotation.
#[tokio::test]
async fn a_record_that_was_edited_is_not_rotated() {
    let edits: [fn(&mut Generation); 2] = [
        |generation| generation.spare = Some(generation.user.clone()),
        |generation| generation.turn = Some(Turn { id: TurnId::from_bits(7), stage: TurnStage::Preparing }),
    ];
    for edit in edits {
        let world = set_up(&["employees"], 0).await;
        let before = held(&world);
        for (key, stored) in world.tracking.snapshot().iter() {
            let mut stored = stored.clone();
            if let Record::Source(source) = &mut stored.record {
                edit(source.generation.as_mut().unwrap());
                world.tracking.insert(key.clone(), stored);
            }
        }
        let error = rotate(&world).await.unwrap_err();
        assert_eq!((error.kind(), held(&world)), (ErrorKind::RecordInvalid, before), "{error}");
    }
}

/// A finding of one rotation is no reason to go on with the next.
#[tokio::test]
async fn another_rotation_than_the_one_that_was_found_is_left_alone() {
    let world = World::new();
    let (connection, environment) = (world.engine.source().connection, id("env1"));
    world.grant(&world.subscription("employees")).await;
    let mut found = Vec::new();
    for call in ["source.create_user", "secret.propose"] {
        world.spy.fail_at(call, When::Before, ErrorKind::AdminDenied);
        world.fulfilment.rotate(&connection, &environment).await.unwrap_err();
        age(&world);
        found.extend(look(&world).await);
        if found.len() == 1 {
            world.fulfilment.rotate(&connection, &environment).await.unwrap();
            age(&world);
        }
    }
    let before = world.tracking.snapshot();
    assert_eq!(world.fulfilment.mend(&found[0]).await.unwrap(), Mended::Gone);
    assert_eq!(before, world.tracking.snapshot());
    assert_eq!(world.fulfilment.mend(&found[1]).await.unwrap(), Mended::Done);
    assert_eq!((look(&world).await, world.readable()), (vec![], vec!["employees"]));
}

/// A planned rotation says what a real one does, changes nothing and holds no password.
#[tokio::test]
async fn a_plan_of_a_rotation() {
    let world = set_up(&["employees"], 0).await;
    let before = (world.tracking.snapshot(), world.vault.snapshot(), world.engine.snapshot());
    let plan = world.fulfilment.plan_rotation(&world.engine.source().connection, &id("env1")).await.unwrap();
    assert_eq!(before, (world.tracking.snapshot(), world.vault.snapshot(), world.engine.snapshot()));
    let steps: Vec<_> = plan.steps.iter().map(ToString::to_string).collect();
    let of = |kind: fn(&PlannedStep) -> bool| plan.steps.iter().filter(|step| kind(step)).count();
    assert_eq!(of(|step| matches!(step, PlannedStep::Record(_))), 4, "{steps:#?}");
    assert_eq!(of(|step| matches!(step, PlannedStep::Secret(_))), 4, "{steps:#?}");
    assert!(steps.iter().any(|step| step.contains("bring the secret dz-conn-c-")), "{steps:#?}");
    let nothing = world.fulfilment.plan_rotation(&world.engine.source().connection, &id("env9")).await.unwrap();
    assert!(nothing.steps.is_empty());
}

/// What comes after a rotation that was cut off.
const AFTERWARDS: [&str; 5] =
    ["the same again", "another asset", "the same asset", "the revoke of the last", "nothing"];

async fn afterwards(world: &World, granted: &[&str], then: &str, context: &str) {
    let mut tables = granted.to_vec();
    match then {
        "the same again" => {
            rotated(world).await;
            assert_eq!(generation(world).turn, None, "{context}");
        }
        "another asset" => {
            world.grant(&world.subscription("salaries")).await;
            tables.push("salaries");
        }
        "the same asset" => drop(world.grant(&world.subscription("employees")).await),
        "the revoke of the last" => {
            everything_goes(world, context).await;
            tables.clear();
        }
        _ => {}
    }
    assert_eq!(world.readable(), tables, "{context}");
    if then == "another asset" {
        rotated(world).await;
        assert_eq!(world.readable(), tables, "{context}, and a rotation");
    }
    everything_goes(world, context).await;
}

const SET_UPS: [(&[&str], usize); 3] = [(&["employees"], 0), (&["employees", "offices"], 1), (&["employees"], 2)];

#[tokio::test]
async fn at_every_await_the_secret_opens_what_was_granted_and_a_cut_is_mended() {
    let mut cuts = 0;
    for (granted, rotations) in SET_UPS {
        for then in AFTERWARDS {
            for polls in 1.. {
                let world = set_up(granted, rotations).await;
                let ended = {
                    let mut rotating = pin!(rotate(&world));
                    let mut context = Context::from_waker(Waker::noop());
                    (0..polls).any(|_| {
                        let ended = matches!(rotating.as_mut().poll(&mut context), Poll::Ready(_));
                        assert_eq!(world.readable(), granted, "after {polls} polls");
                        ended
                    })
                };
                if ended {
                    break;
                }
                cuts += 1;
                let context = format!("{granted:?} rotated {rotations} times, cut after {polls} polls, then {then}");
                afterwards(&world, granted, then, &context).await;
            }
        }
    }
    assert!(cuts > 400, "{cuts} cuts: the ports yield before and after every call");
}

/// Somebody restores the secrets in the middle: what was proposed is not there any more, and is proposed once more.
#[tokio::test]
async fn a_proposal_that_the_store_forgets_is_made_again() {
    let mut forgotten = 0;
    for polls in 1.. {
        let world = set_up(&["employees"], 0).await;
        let backup = world.vault.snapshot();
        let before = world.vault.live();
        let mut rotating = pin!(rotate(&world));
        let mut context = Context::from_waker(Waker::noop());
        assert!((0..polls).all(|_| rotating.as_mut().poll(&mut context).is_pending()), "not promoted");
        if world.vault.live() != before {
            break;
        }
        forgotten += u32::from(world.vault.snapshot() != backup);
        world.vault.with(|vault| *vault = backup);
        assert!(matches!(rotating.await, Ok(Rotation::Rotated(_))), "after {polls} polls");
        assert_eq!((world.readable(), generation(&world).turn), (vec!["employees"], None), "after {polls} polls");
        everything_goes(&world, &format!("forgotten after {polls} polls")).await;
    }
    assert!(forgotten > 10, "{forgotten} times");
}

#[tokio::test]
async fn every_call_of_a_rotation_may_fail() {
    for kind in [ErrorKind::ConnectionLost, ErrorKind::StoreFailed, ErrorKind::AdminDenied, ErrorKind::Unexpected] {
        for when in [When::Before, When::After] {
            for n in 0.. {
                let world = set_up(&["employees"], n % 2).await;
                world.spy.fail(n, when, kind);
                let result = rotate(&world).await;
                let calls = world.spy.calls();
                world.spy.heal();
                if calls.len() <= n {
                    break;
                }
                let context = format!("call {n} ({:?}) fails {when:?} with {kind:?}", calls.get(n));
                if let Err(error) = &result {
                    assert_eq!(error.kind(), kind, "{context}: {error}");
                } else {
                    // What is retryable is retried; giving the lock back, and what others left, is not what it came for.
                    let forgiven = calls[n] == "source.unlock" || n + 1 == calls.len();
                    assert!(kind.is_retryable() || forgiven, "{context}");
                }
                assert_eq!(world.readable(), ["employees"], "{context}");
                afterwards(&world, &["employees"], "the same again", &context).await;
            }
        }
    }
}

/// Every call has a reason.
#[tokio::test]
async fn the_cost_of_a_rotation_is_known() {
    let world = set_up(&["employees"], 0).await;
    rotated(&world).await;
    assert_eq!(
        world.spy.calls(),
        [
            "tracking.read",      // is there a record
            "tracking.read",      // where the consumer lives
            "source.lock",        //
            "tracking.read",      // the source record
            "secret.inspect",     // what is current, and is somebody rotating it
            "secret.share",       // with whom it is to be shared by now
            "tracking.commit",    // the intent, with the spare's name and the turn
            "secret.propose",     // the new password, before it is set
            "source.create_user", //
            "tracking.list",      // what is granted
            "source.grant",       // for each table
            "source.log_in",      // the proof: as the new user
            "tracking.commit",    // from here on the secret may name either
            "secret.promote",     //
            "tracking.commit",    // they have swapped
            "source.unlock",      //
            "tracking.read",      // which turn is confirmed
            "secret.read",        // the copy
            "secret.read_shared", // what it is to hold
            "secret.replace",     //
            "secret.read",        //
            "secret.read_shared", // is its source still the same
            "tracking.commit",    // the copy has followed
            "tracking.read",      // is there anything to clean up
        ]
    );
}

/// A grant that comes by while nobody finishes a rotation delivers what the secret holds by then.
#[tokio::test]
async fn a_grant_after_a_rotation_that_was_not_delivered() {
    let world = set_up(&["employees"], 0).await;
    let before = held(&world);
    world.spy.fail_at("secret.replace", When::Before, ErrorKind::AdminDenied);
    rotate(&world).await.unwrap_err();
    assert_eq!((held(&world), generation(&world).stage()), (before.clone(), Some(TurnStage::Delivering)));
    world.want(&world.subscription("offices"), Wanted::Grant);
    let granted = world.grant(&world.subscription("offices")).await;
    assert_eq!((&granted.user, &granted.credentials), (&generation(&world).user, &held(&world)));
    assert!(world.engine.read_as(&before, &table("offices")), "whoever has read the secret before can go on");
    everything_goes(&world, "not delivered").await;
}

/// The role that reads what is shared is another one by now. Where it cannot be shared with that, nothing is begun.
#[tokio::test]
async fn the_secret_is_shared_with_whom_it_is_to_be_shared_by_now() {
    let world = set_up(&["employees"], 0).await;
    let owner = world.vault.account(id(PRODUCER), id("arn:aws:iam::111111111111:role/producer"));
    owner.share(&generation(&world).secret, &[id("arn:aws:iam::222222222222:role/of-old")]).await.unwrap();
    let before = (held(&world), generation(&world));
    world.spy.fail_at("secret.share", When::Before, ErrorKind::AdminDenied);
    let error = rotate(&world).await.unwrap_err();
    assert_eq!((error.kind(), error.left()), (ErrorKind::AdminDenied, Changed::Nothing), "{error}");
    assert!(world.spy.calls().contains(&"secret.share"));
    assert_eq!((held(&world), generation(&world)), before);
    rotated(&world).await;
    assert_ne!(held(&world), before.0);
}

/// A living record in which no table is settled, as a restore may leave it.
#[tokio::test]
async fn where_nothing_is_granted_nothing_is_rotated() {
    let world = set_up(&["employees"], 0).await;
    world.make_older().await;
    for (key, stored) in world.tracking.snapshot().iter() {
        let mut stored = stored.clone();
        if let Record::Source(source) = &mut stored.record {
            source.older.clear();
            world.tracking.insert(key.clone(), stored);
        }
    }
    assert_eq!(rotate(&world).await.unwrap(), Rotation::Nothing);
    assert_eq!(generation(&world).spare, None);
}
