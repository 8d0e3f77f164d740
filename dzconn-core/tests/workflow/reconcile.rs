//! What differs is found, and mended.

use std::collections::BTreeSet;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use dzconn_core::memory::MemoryTracking;
use dzconn_core::model::*;
use dzconn_core::portal::Wanted;
use dzconn_core::reconcile::{Finding, Mend, Mended, Problem, Scope};
use dzconn_core::store::*;
use dzconn_core::{Engines, Error, ErrorKind, Fulfilment, Result, Secret, Timestamp, TrackingStore};

use crate::world::{CONSUMER, PRODUCER, World, id, table};

pub(crate) async fn look(world: &World) -> Vec<Finding> {
    world.fulfilment.reconcile(&Scope::default()).await.unwrap()
}

pub(crate) fn problems(findings: &[Finding]) -> Vec<Problem> {
    findings.iter().map(|finding| finding.problem).collect()
}

/// Mends all that can be mended, and says what is left.
pub(crate) async fn mend(world: &World) -> Vec<Finding> {
    for _ in 0..6 {
        let findings = look(world).await;
        let by_hand = |finding: &Finding| matches!(finding.mend, Mend::ByHand(_) | Mend::Nothing);
        if findings.iter().all(by_hand) {
            return findings;
        }
        for finding in findings {
            world.fulfilment.mend(&finding).await.unwrap_or_else(|error| panic!("{finding:?}: {error}"));
        }
    }
    panic!("there is always more: {:#?}", look(world).await);
}

/// Lets a day pass since every record was written.
pub(crate) fn age(world: &World) {
    let yesterday = Timestamp::from_seconds(Timestamp::now().seconds() - 24 * 3600);
    for (key, stored) in world.tracking.snapshot().iter() {
        let mut stored = stored.clone();
        if let Record::Source(source) = &mut stored.record {
            source.last_updated = yesterday;
        }
        world.tracking.insert(key.clone(), stored);
    }
}

pub(crate) async fn forget(world: &World, which: impl Fn(&Key) -> bool) {
    for (key, _) in world.tracking.snapshot().iter().filter(|(key, _)| which(key)) {
        let changes = vec![Change::remove(key.clone(), Expect::Anything)];
        world.tracking.commit(&Transaction { changes }).await.unwrap();
    }
}

fn user(name: &str) -> UserName {
    UserName::new(name).unwrap()
}

pub(crate) fn producer_secret(world: &World) -> (SecretName, Credentials) {
    let live = world.vault.live();
    live.into_iter().find(|(account, ..)| account.as_str() == PRODUCER).map(|(_, name, held)| (name, held)).unwrap()
}

#[tokio::test]
async fn nothing_is_found_where_all_is_well_and_nothing_is_changed() {
    let world = World::new();
    assert_eq!(look(&world).await, []);
    for name in ["employees", "offices"] {
        world.grant(&world.subscription(name)).await;
    }
    let before = (world.tracking.snapshot(), world.vault.snapshot(), world.engine.snapshot());
    assert_eq!(look(&world).await, []);
    assert_eq!((world.tracking.snapshot(), world.vault.snapshot()), (before.0, before.1));
    assert_eq!(world.engine.snapshot().users().collect::<Vec<_>>(), before.2.users().collect::<Vec<_>>());
    for name in ["employees", "offices"] {
        world.revoke(&world.subscription(name)).await;
    }
    assert_eq!(look(&world).await, []);
}

#[tokio::test]
async fn a_source_that_was_restored_from_a_backup_gets_back_what_is_recorded() {
    let world = World::new();
    let granted = world.grant(&world.subscription("employees")).await;
    world.grant(&world.subscription("offices")).await;
    world.engine.with(|database| database.remove_user(&granted.user));
    assert_eq!(problems(&look(&world).await), [Problem::UserMissing; 2]);
    assert_eq!(mend(&world).await, []);
    assert_eq!(world.readable(), ["employees", "offices"]);
    assert!(world.engine.read_as(&granted.credentials, &table("offices")), "with the password it had");
}

#[tokio::test]
async fn a_password_that_was_set_by_hand_is_set_back() {
    let world = World::new();
    let granted = world.grant(&world.subscription("employees")).await;
    let other = Credentials { password: Secret::new("another".to_owned()), ..granted.credentials.clone() };
    world.engine.with(|database| database.set_password(&other)).unwrap();
    assert_eq!(problems(&look(&world).await), [Problem::PasswordRefused]);
    assert_eq!(mend(&world).await, []);
    assert_eq!(world.readable(), ["employees"]);
}

#[tokio::test]
async fn grants_that_somebody_took_or_gave_are_made_as_recorded() {
    let world = World::new();
    let granted = world.grant(&world.subscription("employees")).await;
    world.grant(&world.subscription("offices")).await;
    world.engine.with(|database| {
        database.revoke(&granted.user, &[table("offices")]).unwrap();
        database.grant(&granted.user, &table("salaries"), &[]).unwrap();
    });
    let findings = look(&world).await;
    assert_eq!(problems(&findings), [Problem::GrantMissing, Problem::GrantExtra]);
    assert!(findings[1].detail.contains("salaries"), "{findings:?}");
    assert_eq!(mend(&world).await, []);
    assert_eq!(world.readable(), ["employees", "offices"]);
    // What was found yesterday does no harm today.
    world.grant(&world.subscription("salaries")).await;
    assert_eq!(world.fulfilment.mend(&findings[1]).await.unwrap(), Mended::Gone);
    assert_eq!(world.readable(), ["employees", "offices", "salaries"]);
}

#[tokio::test]
async fn what_others_gave_is_told_and_left_alone() {
    let world = World::new();
    let granted = world.grant(&world.subscription("employees")).await;
    world.engine.with(|database| {
        database.grant_to_public(&table("offices"));
        database.create_user(&Credentials { user: user("alice"), ..granted.credentials.clone() });
        database.create_user(&Credentials { user: user("dz_env1_00000000"), ..granted.credentials.clone() });
    });
    let findings = mend(&world).await;
    assert_eq!(problems(&findings), [Problem::Excess]);
    assert_eq!(world.fulfilment.mend(&findings[0]).await.unwrap(), Mended::Left);
    let users: Vec<_> = world.engine.with(|database| database.users().cloned().collect());
    assert!(users.contains(&user("alice")), "{users:?}");
    assert!(users.contains(&user("dz_env1_00000000")), "another connection's: {users:?}");
}

#[tokio::test]
async fn a_copy_that_differs_or_is_missing_is_brought_up_to_date() {
    let world = World::new();
    let granted = world.grant(&world.subscription("employees")).await;
    let other = Credentials { password: Secret::new("old".to_owned()), ..granted.credentials.clone() };
    world.vault.put_raw(&id(CONSUMER), &granted.secret, other.to_json());
    assert_eq!(problems(&look(&world).await), [Problem::Copy]);
    assert_eq!(mend(&world).await, []);
    assert_eq!(world.readable(), ["employees"]);
}

#[tokio::test]
async fn secrets_that_were_deleted_or_edited_are_told() {
    let world = World::new();
    let granted = world.grant(&world.subscription("employees")).await;
    let (name, held) = producer_secret(&world);
    let other = Credentials { user: user("somebody"), ..held.clone() };
    world.vault.put_raw(&id(PRODUCER), &name, other.to_json());
    assert_eq!(problems(&mend(&world).await), [Problem::Secret]);
    world.vault.put_raw(&id(PRODUCER), &name, Secret::new("not JSON".to_owned()));
    assert_eq!(problems(&mend(&world).await), [Problem::Secret]);
    world.vault.put_raw(&id(PRODUCER), &name, held.to_json());
    let consumer = world.vault.account(id(CONSUMER), id("arn:aws:iam::222222222222:role/reader"));
    consumer.burn(&granted.secret).await.unwrap();
    assert_eq!(problems(&mend(&world).await), [Problem::Copy]);
    let producer = world.vault.account(id(PRODUCER), id("arn:aws:iam::111111111111:role/producer"));
    producer.burn(&name).await.unwrap();
    assert_eq!(problems(&mend(&world).await), [Problem::Secret]);
}

#[tokio::test]
async fn rows_that_were_removed_by_hand_are_written_again_as_far_as_anything_says_what_they_said() {
    let world = World::new();
    world.grant(&world.subscription("employees")).await;
    forget(&world, |key| matches!(key, Key::Mapping(_))).await;
    assert_eq!(problems(&look(&world).await), [Problem::Row]);
    assert_eq!(mend(&world).await, []);
    forget(&world, |key| matches!(key, Key::Asset(..))).await;
    let left = mend(&world).await;
    assert_eq!(problems(&left), [Problem::Row]);
    assert!(left[0].mend.to_string().contains("grant sales.hr.employees once more"), "{left:?}");
    world.grant(&world.subscription("employees")).await;
    assert_eq!(look(&world).await, []);
}

#[tokio::test]
async fn what_tracking_has_lost_is_dropped_or_granted_as_the_portal_wants() {
    let world = World::new();
    let granted = world.grant(&world.subscription("employees")).await;
    let of_source = |key: &Key| matches!(key, Key::Source(_) | Key::Entry(..));
    forget(&world, of_source).await;
    let connection = world.engine.source().connection;
    let scope = Scope { connection: Some(connection), environment: None };
    let found = world.fulfilment.reconcile(&scope).await.unwrap();
    assert_eq!(problems(&found), [Problem::UserWithoutRecord, Problem::RowWithoutGrant]);

    // It is still wanted: it is granted anew, with another secret.
    for finding in &found {
        world.fulfilment.mend(finding).await.unwrap();
    }
    assert_eq!(problems(&mend(&world).await), [], "the old mapping is gone with its copy");
    assert_eq!(world.readable(), ["employees"]);
    assert!(!world.engine.read_as(&granted.credentials, &table("employees")), "the old password is of no use");

    // It is not wanted any more: nothing is left but a secret of an account that no record speaks of any more.
    forget(&world, of_source).await;
    world.want(&world.subscription("employees"), Wanted::Revoke);
    for _ in 0..2 {
        for finding in world.fulfilment.reconcile(&scope).await.unwrap().iter().chain(&look(&world).await) {
            world.fulfilment.mend(finding).await.unwrap();
        }
    }
    assert!(world.tracking.snapshot().is_empty(), "{:?}", world.tracking.snapshot());
    assert_eq!(world.engine.with(|database| database.users().count()), 0);
    assert!(world.vault.live().iter().all(|(account, ..)| account.as_str() == PRODUCER));
}

/// Without any record, an account may be another installation's, and so may an environment.
#[tokio::test]
async fn what_may_be_another_installations_is_left_to_people() {
    let world = World::new();
    let granted = world.grant(&world.subscription("employees")).await;
    forget(&world, |_| true).await;
    let connection = Some(world.engine.source().connection);
    let found = world.fulfilment.reconcile(&Scope { connection: connection.clone(), environment: None }).await.unwrap();
    assert_eq!(problems(&found), [Problem::UserWithoutRecord]);
    assert_eq!(world.fulfilment.mend(&found[0]).await.unwrap(), Mended::Left);
    // Whoever names the environment knows whose it is.
    let scope = Scope { connection, environment: Some(id("env1")) };
    let found = world.fulfilment.reconcile(&scope).await.unwrap();
    assert_eq!(world.fulfilment.mend(&found[0]).await.unwrap(), Mended::Done);
    assert!(!world.engine.with(|database| database.user_exists(&granted.user)));

    // Secrets of environments that nothing speaks of, beside those of one that is known.
    let stray = world.vault.account(id(PRODUCER), id("arn:aws:iam::111111111111:role/producer"));
    let tags = SecretTags { domain: id("dzd_1"), project: id("fin"), environment: id("env9") };
    let secret = NewSecret { credentials: granted.credentials, tags };
    stray.create(&id("dz-conn-p-fin-env9-01234567"), &secret).await.unwrap();
    stray.create(&id("dz-conn-p-fin-env1-01234567"), &secret).await.unwrap();
    world.grant(&world.subscription("employees")).await;
    let found = look(&world).await;
    let mut by_hand: Vec<_> = found.iter().map(|f| (f.problem, matches!(f.mend, Mend::ByHand(_)))).collect();
    by_hand.sort_unstable();
    let lonely = Problem::SecretWithoutRecord;
    // Beside these two, the secrets of the first grant are still there.
    assert_eq!(by_hand, [(lonely, false), (lonely, false), (lonely, false), (lonely, true)], "{found:#?}");
    assert_eq!(problems(&mend(&world).await), [lonely]);
    assert_eq!(world.readable(), ["employees"]);
}

#[tokio::test]
async fn what_the_portal_does_not_want_any_more_goes() {
    let world = World::new();
    let [employees, offices] = ["employees", "offices"].map(|name| world.subscription(name));
    for subscription in [&employees, &offices] {
        world.grant(subscription).await;
    }
    world.want(&employees, Wanted::Revoke);
    world.want(&offices, Wanted::Retain);
    let findings = look(&world).await;
    assert_eq!(problems(&findings), [Problem::NotWanted; 2]);
    assert_eq!(mend(&world).await, []);
    assert_eq!(world.readable(), ["offices"]);
}

/// The gap that the protocol has: granted, dead before its row was written, then published and granted elsewhere.
#[tokio::test]
async fn an_asset_that_moved_unseen_is_taken_back_where_it_was() {
    let world = World::new();
    let here = world.published("asset", "employees");
    world.grant(&here).await;
    forget(&world, |key| matches!(key, Key::Asset(..))).await;
    let moved = world.published("asset", "offices");
    world.grant(&moved).await;
    let found = look(&world).await;
    assert_eq!(problems(&found), [Problem::GrantExtra], "{found:#?}");
    assert_eq!(mend(&world).await, []);
    assert_eq!(world.readable(), ["offices"]);
}

#[tokio::test]
async fn a_source_that_cannot_be_reached_is_told_and_the_rest_is_looked_at() {
    let world = World::new();
    world.grant(&world.subscription("employees")).await;
    world.catalog.add(Source {
        endpoint: SourceEndpoint { host: "elsewhere".to_owned(), ..world.engine.source().endpoint },
        ..world.engine.source()
    });
    world.want(&world.subscription("employees"), Wanted::Revoke);
    assert_eq!(problems(&look(&world).await), [Problem::CannotTell, Problem::NotWanted]);
}

/// Tracking in which somebody has edited a source record so that nobody can read it.
#[derive(Debug)]
struct Damaged(MemoryTracking);

#[async_trait::async_trait]
impl TrackingStore for Damaged {
    async fn read(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>> {
        self.0.read(keys).await
    }
    async fn commit(&self, transaction: &Transaction) -> Result<WriteOutcome> {
        self.0.commit(transaction).await
    }
    async fn list(&self, query: &Query, after: Option<&Cursor>) -> Result<Page> {
        let mut page = self.0.list(query, after).await?;
        if matches!(query, Query::Sources(_)) {
            page.records.push(Err(Error::new(ErrorKind::RecordInvalid, "this was edited by hand")));
        }
        Ok(page)
    }
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_told_and_the_rest_is_looked_at() {
    let world = World::new();
    let granted = world.grant(&world.subscription("employees")).await;
    world.engine.with(|database| database.revoke(&granted.user, &[table("employees")])).unwrap();
    let damaged = Fulfilment::builder()
        .engines(Engines::new().with(world.engine.clone()))
        .credentials(world.vault.account(id(PRODUCER), id("arn:aws:iam::111111111111:role/producer")))
        .copies(world.vault.account(id(CONSUMER), id("arn:aws:iam::222222222222:role/reader")))
        .tracking(Damaged(world.tracking.clone()))
        .catalog(world.catalog.clone())
        .portal(world.portal.clone())
        .build()
        .unwrap();
    let found = damaged.reconcile(&Scope::default()).await.unwrap();
    assert_eq!(problems(&found), [Problem::Unreadable, Problem::GrantMissing, Problem::CannotTell], "{found:#?}");
    assert!(found[0].detail.contains("edited by hand"), "{found:#?}");
}

/// Polls a future so many times and drops it. True if it came to its end.
fn cut<F: Future>(future: F, polls: usize) -> bool {
    let mut future = Box::pin(future);
    let mut context = Context::from_waker(Waker::noop());
    (0..polls).any(|_| matches!(future.as_mut().poll(&mut context), Poll::Ready(_)))
}

/// A run that died anywhere, and that nobody repeats: reconciled, nothing is half done, and nobody has lost anything.
#[tokio::test]
async fn whatever_a_dead_run_left_is_cleaned_up() {
    for (before, name, grant) in [
        (&[][..], "employees", true),
        (&["offices"][..], "employees", true),
        (&["employees"][..], "employees", false),
        (&["employees", "offices"][..], "employees", false),
    ] {
        for polls in 1.. {
            let world = World::new();
            for name in before {
                world.grant(&world.subscription(name)).await;
            }
            let subscription = world.subscription(name);
            world.want(&subscription, if grant { Wanted::Grant } else { Wanted::Revoke });
            let run = async {
                if grant {
                    world.fulfilment.grant(&subscription).await
                } else {
                    world.fulfilment.revoke(&subscription).await
                }
            };
            if cut(run, polls) {
                break;
            }
            let context = format!("{before:?}, {name} {grant}, cut after {polls}");
            let young = look(&world).await;
            let alone =
                young.iter().all(|finding| finding.problem == Problem::UnderWay && finding.mend == Mend::Nothing);
            assert!(alone || young.iter().all(|f| f.problem != Problem::UnderWay), "{context}: {young:#?}");

            age(&world);
            let left = mend(&world).await;
            // What the run would have given to the consumer, only the next grant can.
            let consumers = |finding: &Finding| matches!(finding.problem, Problem::Row | Problem::Copy);
            assert!(left.iter().all(consumers), "{context}: {left:#?}");
            let mut kept = before.to_vec();
            kept.retain(|kept| *kept != name);
            let mut readable = world.readable();
            readable.retain(|readable| *readable != name);
            assert_eq!(readable, kept, "{context}");
            if !grant {
                assert!(!world.readable().contains(&name), "{context}");
            }
            for name in ["employees", "offices"] {
                world.revoke(&world.subscription(name)).await;
            }
            world.assert_nothing_left(&context);
        }
    }
}

/// What looks half done may be somebody's work of this very moment.
#[tokio::test]
async fn a_living_run_is_left_alone() {
    let world = World::new();
    let subscription = world.subscription("employees");
    world.want(&subscription, Wanted::Grant);
    for polls in 1..200 {
        let mut run = Box::pin(world.fulfilment.grant(&subscription));
        let mut context = Context::from_waker(Waker::noop());
        let ended = (0..polls).any(|_| run.as_mut().poll(&mut context).is_ready());
        let findings = look(&world).await;
        for finding in &findings {
            let mending = world.fulfilment.mend(finding);
            // A mend that waits for the run's lock waits; it must not go past it.
            let _ = tokio::time::timeout(Duration::from_millis(20), mending).await;
        }
        if !ended {
            run.await.unwrap();
        }
        assert_eq!(world.readable(), ["employees"], "after {polls} polls, with {findings:?}");
        world.revoke(&subscription).await;
        world.want(&subscription, Wanted::Grant);
        if ended {
            return;
        }
    }
    panic!("the run never ends");
}

/// A rotation that nobody finishes is found once it is old, at each of its stages, and gone on with.
#[tokio::test]
async fn an_unfinished_rotation_is_found_and_finished() {
    let (connection, environment) = (World::new().engine.source().connection, id("env1"));
    let mut stages = BTreeSet::new();
    for polls in (1..).step_by(2) {
        let world = World::new();
        world.grant(&world.subscription("employees")).await;
        let ended = {
            let mut rotating = Box::pin(world.fulfilment.rotate(&connection, &environment));
            let mut context = Context::from_waker(Waker::noop());
            (0..polls).any(|_| rotating.as_mut().poll(&mut context).is_ready())
        };
        let findings = look(&world).await;
        let young: Vec<_> = findings.iter().map(|finding| (finding.problem, &finding.mend)).collect();
        assert!(young.is_empty() || young == [(Problem::UnderWay, &Mend::Nothing)], "{findings:#?}");
        age(&world);
        let findings = look(&world).await;
        match &findings[..] {
            [] => assert!(young.is_empty()),
            [found] => {
                assert_eq!(found.problem, Problem::HalfDone, "{found:?}");
                assert!(matches!(found.mend, Mend::Rotate(..)), "{found:?}");
                stages.insert(found.detail.split(';').next().unwrap_or_default().to_owned());
                assert_eq!(world.fulfilment.mend(found).await.unwrap(), Mended::Done);
                assert_eq!(world.fulfilment.mend(found).await.unwrap(), Mended::Gone);
            }
            more => panic!("{more:#?}"),
        }
        assert_eq!(look(&world).await, []);
        assert_eq!(world.readable(), ["employees"]);
        if ended {
            break;
        }
    }
    assert_eq!(stages.len(), 3, "{stages:?}");
}

/// Both users of a rotation are dzconn's: what either was given is found, and neither stays behind.
#[tokio::test]
async fn both_users_of_a_rotation_are_looked_after() {
    let world = World::new();
    let granted = world.grant(&world.subscription("employees")).await;
    world.fulfilment.rotate(&world.engine.source().connection, &id("env1")).await.unwrap();
    let now = producer_secret(&world).1.user;
    assert_eq!(look(&world).await, []);
    for user in [&granted.user, &now] {
        world.engine.with(|database| database.grant(user, &table("salaries"), &[])).unwrap();
        let findings = look(&world).await;
        assert_eq!(problems(&findings), [Problem::GrantExtra]);
        assert!(findings[0].detail.starts_with(user.as_str()), "{findings:?}");
        assert_eq!(mend(&world).await, []);
    }
    assert_eq!(world.readable(), ["employees"]);
    // Without the record, both are known by their names.
    forget(&world, |key| matches!(key, Key::Source(_) | Key::Entry(..))).await;
    world.want(&world.subscription("employees"), Wanted::Revoke);
    let scope = Scope { connection: Some(world.engine.source().connection), environment: None };
    let findings = world.fulfilment.reconcile(&scope).await.unwrap();
    let users: Vec<_> = findings.iter().filter(|found| found.problem == Problem::UserWithoutRecord).collect();
    assert_eq!(users.len(), 2, "{findings:#?}");
    for user in users {
        assert_eq!(world.fulfilment.mend(user).await.unwrap(), Mended::Done);
    }
    assert_eq!(world.engine.snapshot().users().count(), 0);
}
