//! What `reconcile` says where it cannot look, and of what is wrong in more than one way.

use std::time::Duration;

use dzconn_core::model::*;
use dzconn_core::portal::Wanted;
use dzconn_core::reconcile::{Finding, Mend, Problem, Scope};
use dzconn_core::store::{Key, NewSecret};
use dzconn_core::testkit::faults::When;
use dzconn_core::{CredentialStore as _, ErrorKind, Secret};

use crate::reconcile::{age, forget, look, mend, problems, producer_secret};
use crate::world::{CONSUMER, PRODUCER, World, id, table};

/// A secret of the consumer's by a name that no record has.
async fn lonely(world: &World, name: &str, held: &Credentials) -> SecretName {
    let name = SecretName::new(name).unwrap();
    let tags = SecretTags { domain: id("dzd_1"), project: id("fin"), environment: id("env1") };
    let consumer = world.vault.account(id(CONSUMER), id("arn:aws:iam::222222222222:role/reader"));
    consumer.create(&name, &NewSecret { credentials: held.clone(), tags }).await.unwrap();
    name
}

/// Two assets, a secret that no record names, and the calls that a look at them takes.
async fn to_look_at(world: &World) -> Vec<&'static str> {
    for name in ["employees", "offices"] {
        world.grant(&world.subscription(name)).await;
    }
    lonely(world, LONELY, &producer_secret(world).1).await;
    world.spy.calls();
    assert_eq!(problems(&look(world).await), [Problem::SecretWithoutRecord]);
    let calls = world.spy.calls();
    for call in ["tracking.list", "source.granted", "secret.inspect", "secret.read", "secret.names"] {
        assert!(calls.contains(&call), "{call}: {calls:?}");
    }
    calls
}

const LONELY: &str = "dz-conn-c-fin-env1-0a1b2c3d";

/// What fails is told, whatever it is: nobody takes it for the news that all is well.
#[tokio::test]
async fn a_look_that_fails_anywhere_is_no_clean_bill() {
    let world = World::new();
    for (n, call) in to_look_at(&world).await.into_iter().enumerate() {
        world.spy.fail(n, When::Before, ErrorKind::StoreFailed);
        let result = world.fulfilment.reconcile(&Scope::default()).await;
        if call.starts_with("tracking.") {
            assert_eq!(result.unwrap_err().kind(), ErrorKind::StoreFailed, "call {n}, {call}");
            continue;
        }
        let findings = result.unwrap();
        let told: Vec<_> = findings.iter().filter(|finding| finding.problem == Problem::CannotTell).collect();
        assert_eq!(told.len(), 1, "call {n}, {call}: {findings:#?}");
        assert!(told[0].mend.to_string().contains("try again"), "call {n}, {call}: {findings:#?}");
        if call.starts_with("secret.") && call != "secret.names" {
            assert_eq!(told[0].environment, Some(id("env1")), "call {n}, {call}");
        }
    }
}

/// So is what never answers.
#[tokio::test]
async fn a_look_that_hangs_anywhere_comes_to_an_end() {
    let world = World::new();
    let hurried = world.hurried(Duration::from_millis(100));
    for (n, call) in to_look_at(&world).await.into_iter().enumerate() {
        world.spy.vanish(n, When::Before);
        let scope = Scope::default();
        let result = tokio::time::timeout(Duration::from_secs(10), hurried.reconcile(&scope)).await;
        let result = result.unwrap_or_else(|_| panic!("call {n}, {call}, has no deadline"));
        assert!(
            result.as_ref().map_or_else(
                |error| error.kind() == ErrorKind::Timeout,
                |findings| problems(findings).contains(&Problem::CannotTell)
            ),
            "call {n}, {call}: {result:?}"
        );
    }
}

/// Which records tracking has lost.
type Lost = fn(&Key) -> bool;

/// Whether what is left then is mended so.
type Mends = fn(&Mend) -> bool;

/// What mends has a deadline for each of its calls, too.
#[tokio::test]
async fn a_mend_that_hangs_anywhere_comes_to_an_end() {
    let cases: [(Lost, Mends); 3] = [
        (|_| false, |mend| matches!(mend, Mend::Burn(..))),
        (|key| matches!(key, Key::Source(_) | Key::Entry(..)), |mend| matches!(mend, Mend::Strike(..))),
        (|key| !matches!(key, Key::Asset(..)), |mend| matches!(mend, Mend::Forget(..))),
    ];
    for (lost, mends) in cases {
        let world = World::new();
        let subscription = world.subscription("employees");
        world.grant(&subscription).await;
        lonely(&world, LONELY, &producer_secret(&world).1).await;
        world.want(&subscription, Wanted::Revoke);
        forget(&world, lost).await;
        let finding = look(&world).await.into_iter().find(|finding| mends(&finding.mend)).unwrap();
        let hurried = world.hurried(Duration::from_millis(100));
        let mut hung = 0;
        for n in 0.. {
            world.spy.vanish(n, When::Before);
            let mended = tokio::time::timeout(Duration::from_secs(10), hurried.mend(&finding)).await;
            let mended = mended.unwrap_or_else(|_| panic!("{finding:?}: call {n} has no deadline"));
            if world.spy.calls().len() <= n {
                break;
            }
            assert_eq!(mended.unwrap_err().kind(), ErrorKind::Timeout, "{finding:?}: call {n}");
            hung += 1;
        }
        assert!(hung > 0, "{finding:?}");
    }
}

/// Secrets whose names only begin as ours do are not ours.
#[tokio::test]
async fn a_secret_of_a_name_that_is_none_of_ours_is_left_to_people() {
    let world = World::new();
    let granted = world.grant(&world.subscription("employees")).await;
    for name in
        ["dz-conn-c-fin-env1-prod", "dz-conn-c-fin-env1-0a1b2c3d4", "dz-conn-c-fin-env1-0a1b2c3x", "dz-conn-c-x"]
    {
        let name = lonely(&world, name, &granted.credentials).await;
        world.vault.put_raw(&id(CONSUMER), &name, Secret::new("somebody's".to_owned()));
    }
    assert_eq!(problems(&mend(&world).await), [Problem::SecretWithoutRecord; 4]);
    assert_eq!(world.vault.snapshot().names(&id(CONSUMER), "dz-conn-c-").len(), 5);
}

/// What a dead run has left hides nothing else that is wrong; what a living one is doing is not judged.
#[tokio::test]
async fn beside_what_is_half_done_the_rest_is_judged_unless_somebody_is_at_work() {
    let world = World::new();
    let granted = world.grant(&world.subscription("employees")).await;
    let offices = world.subscription("offices");
    world.want(&offices, Wanted::Grant);
    world.spy.fail_at("source.grant", When::Before, ErrorKind::Timeout);
    world.fulfilment.grant(&offices).await.unwrap_err();
    world.engine.with(|database| database.revoke(&granted.user, &[table("employees")])).unwrap();
    assert_eq!(problems(&look(&world).await), [Problem::UnderWay]);
    age(&world);
    assert_eq!(problems(&look(&world).await), [Problem::HalfDone, Problem::GrantMissing]);
    mend(&world).await;
    assert_eq!(world.readable(), ["employees"]);
}

/// What is approved only in part any more goes; where the portal does not answer, nothing is taken back.
#[tokio::test]
async fn a_portal_that_refuses_or_fails_while_it_is_looked_at() {
    let world = World::new();
    for (name, kind) in [("employees", ErrorKind::Refused), ("offices", ErrorKind::StoreFailed)] {
        let subscription = world.subscription(name);
        world.grant(&subscription).await;
        world.portal.want(subscription.consumer.project, subscription.listing.id, Err(kind));
    }
    assert_eq!(problems(&look(&world).await), [Problem::NotWanted, Problem::CannotTell]);
    assert_eq!(problems(&mend(&world).await), [Problem::CannotTell]);
    assert_eq!(world.readable(), ["offices"]);
}

/// The second user's credentials belong in the secret only while a rotation is about to put them there, and nobody else's ever do.
#[tokio::test]
async fn a_secret_that_names_the_user_whose_turn_it_is_not() {
    for ready in [false, true] {
        let world = World::new();
        world.grant(&world.subscription("employees")).await;
        let (connection, (name, first)) = (world.engine.source().connection, producer_secret(&world));
        let other = if ready {
            world.spy.fail_at("secret.promote", When::Before, ErrorKind::AdminDenied);
            world.fulfilment.rotate(&connection, &id("env1")).await.unwrap_err();
            Credentials { user: UserName::new("somebody").unwrap(), ..first }
        } else {
            world.fulfilment.rotate(&connection, &id("env1")).await.unwrap();
            first
        };
        world.vault.put_raw(&id(PRODUCER), &name, other.to_json());
        let found = problems(&look(&world).await);
        assert!(found.contains(&Problem::Secret), "ready: {ready}: {found:?}");
    }
}

/// A secret that no record names is found whatever it holds.
#[tokio::test]
async fn a_secret_without_record_that_is_none_of_ours_any_more_goes_too() {
    let world = World::new();
    let granted = world.grant(&world.subscription("employees")).await;
    let name = lonely(&world, LONELY, &granted.credentials).await;
    world.vault.put_raw(&id(CONSUMER), &name, Secret::new("not JSON".to_owned()));
    assert_eq!(problems(&look(&world).await), [Problem::SecretWithoutRecord]);
    assert_eq!(mend(&world).await, []);
    assert_eq!(world.vault.snapshot().names(&id(CONSUMER), "dz-conn-"), [granted.secret]);
}

/// Where the mapping is lost, the environment's own rows say where it lives.
#[tokio::test]
async fn what_a_dead_run_has_left_is_cleaned_up_where_the_environment_lives() {
    let world = World::new();
    let elsewhere = Owner::new(id(CONSUMER), id("eu-north-1"));
    let other = |name| {
        let mut other = world.subscription(name);
        other.consumer.environment = id("env2");
        other.consumer.owner = elsewhere.clone();
        other
    };
    world.grant(&world.subscription("employees")).await;
    world.grant(&other("employees")).await;
    world.spy.fail_at("source.grant", When::Before, ErrorKind::Timeout);
    world.want(&other("offices"), Wanted::Grant);
    world.fulfilment.grant(&other("offices")).await.unwrap_err();
    forget(&world, |key| matches!(key, Key::Mapping(_))).await;
    age(&world);
    let left: Vec<_> = look(&world).await.into_iter().filter(|finding| finding.problem == Problem::HalfDone).collect();
    assert!(
        matches!(&left[..], [Finding { mend: Mend::Tidy(run, _), .. }] if run.consumer.owner == elsewhere),
        "{left:#?}"
    );
}
