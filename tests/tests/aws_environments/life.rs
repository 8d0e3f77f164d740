//! The workflows, over the wire.

use dzconn_core::environment::{Brought, EnvironmentEvent, EnvironmentReport, Environments};
use dzconn_core::{ErrorKind, Result};
use dzconn_test_aws::{Effect, Fault};
use dzconn_tests::aws::AwsWorld;
use dzconn_tests::environments::{Provisioned, Seen};

const DEPLOYED: &str = "Deployment Completed";
const DELETING: &str = "Deletion Started";

/// A process that knows nothing yet.
async fn environments(world: &AwsWorld) -> Environments {
    world.ports.environments(world.reconnected().await.unwrap())
}

async fn handle(world: &AwsWorld, text: &str) -> Result<EnvironmentReport> {
    environments(world).await.handle(&EnvironmentEvent::from_json(text).unwrap()).await
}

/// A run in which nothing fails.
async fn done(world: &AwsWorld, text: &str) -> EnvironmentReport {
    let report = handle(world, text).await.unwrap();
    assert_eq!(report.errors().map(ToString::to_string).collect::<Vec<_>>(), Vec::<String>::new(), "{report:?}");
    report
}

pub(crate) async fn what_comes_goes_and_leaves_what_was_there(moto: &str) {
    let world = Provisioned::world(moto, |_| {}).await.unwrap();
    let made = Provisioned::new(&world).await.unwrap();
    let before = made.seen().await.unwrap();
    let deployed = made.event(DEPLOYED, false);
    let report = done(&world, &deployed).await;
    assert_eq!((report.brought, report.changes.len()), (Brought::Equipped, 5));
    assert_eq!(made.seen().await.unwrap(), made.equipped(&before));
    let again = done(&world, &deployed).await;
    assert_eq!((again.brought, again.changes), (Brought::Equipped, vec![]));

    // Too early: the portal does not say it yet.
    let early = handle(&world, &made.event(DELETING, false)).await.unwrap_err();
    assert!(early.is_retryable() && early.detail().contains("deletion"), "{early}");
    assert_eq!(made.seen().await.unwrap(), made.equipped(&before));
    // By hand it is cleaned all the same.
    let by_hand = done(&world, &made.event(DELETING, true)).await;
    assert_eq!((by_hand.brought, by_hand.superseded, by_hand.changes.len()), (Brought::Cleaned, false, 5));
    assert_eq!(made.seen().await.unwrap(), before);

    done(&world, &deployed).await;
    made.set_status("DELETING");
    let late = done(&world, &deployed).await;
    assert_eq!((late.brought, late.superseded), (Brought::Cleaned, true));
    assert_eq!(made.seen().await.unwrap(), before);
    let report = done(&world, &made.event(DELETING, false)).await;
    assert_eq!((report.brought, report.changes), (Brought::Cleaned, vec![]));

    // Other blueprints are none of our business.
    world.domain(|domain| domain.environments[0].blueprint = None);
    made.set_status("ACTIVE");
    world.aws.reset_calls();
    let report = done(&world, &deployed).await;
    assert!(matches!(report.brought, Brought::Nothing(_)), "{report:?}");
    assert_eq!(world.aws.calls().iter().filter(|call| ["iam", "lakeformation"].contains(&&*call.service)).count(), 0);
}

/// Every call to IAM and Lake Formation fails once, in each way.
pub(crate) async fn each_call_that_fails_is_made_good_by_the_next_run(moto: &str) {
    let world = Provisioned::world(moto, |config| config.calls.attempts = 1).await.unwrap();
    let made = Provisioned::new(&world).await.unwrap();
    let before = made.seen().await.unwrap();
    let equipped = made.equipped(&before);
    let (deployed, deleting) = (made.event(DEPLOYED, false), made.event(DELETING, false));
    let expect = async |seen: &Seen, context: &str| assert_eq!(&made.seen().await.unwrap(), seen, "{context}");
    let mut failed = 0;
    for service in ["iam", "lakeformation"] {
        for effect in [Effect::Throttled, Effect::Failed, Effect::AccessDenied, Effect::CutBefore, Effect::CutAfter] {
            for n in 0.. {
                let context = format!("call {n} to {service}: {effect:?}");
                made.set_status("ACTIVE");
                world.aws.fail(Fault::new(effect).service(service).skip(n));
                let first = handle(&world, &deployed).await;
                let equipping = world.aws.faults_left() == 0;
                world.aws.no_faults();
                assert_eq!(first.is_err(), equipping, "{context}: {first:?}");
                done(&world, &deployed).await;
                expect(&equipped, &context).await;

                made.set_status("DELETING");
                world.aws.fail(Fault::new(effect).service(service).skip(n));
                let first = handle(&world, &deleting).await.unwrap();
                let cleaning = world.aws.faults_left() == 0;
                world.aws.no_faults();
                assert_eq!(first.errors().count() > 0, cleaning, "{context}: {first:?}");
                done(&world, &deleting).await;
                expect(&before, &context).await;
                failed += usize::from(equipping) + usize::from(cleaning);
                if !equipping && !cleaning {
                    break;
                }
            }
        }
    }
    // Two looks and three changes of the role, two looks and two changes of the databases; twice, in five ways.
    assert_eq!(failed, (5 + 4) * 2 * 5);
}

pub(crate) async fn what_is_half_cleaned_or_gone_is_cleaned(moto: &str) {
    let world = Provisioned::world(moto, |_| {}).await.unwrap();
    let made = Provisioned::new(&world).await.unwrap();
    let before = made.seen().await.unwrap();
    let (deployed, deleting) = (made.event(DEPLOYED, false), made.event(DELETING, false));
    let iam = made.iam();
    // Half: a policy is detached already, and a boundary is not there at all.
    done(&world, &deployed).await;
    iam.detach_role_policy().role_name(&made.name).policy_arn(&made.policies[0]).send().await.unwrap();
    iam.delete_role_permissions_boundary().role_name(&made.name).send().await.unwrap();
    made.set_status("DELETING");
    done(&world, &deleting).await;
    assert_eq!(made.seen().await.unwrap(), before);
    // Gone: the role and a database.
    made.set_status("ACTIVE");
    done(&world, &deployed).await;
    for policy in &made.seen().await.unwrap().role.unwrap().1 {
        iam.detach_role_policy().role_name(&made.name).policy_arn(policy).send().await.unwrap();
    }
    iam.delete_role().role_name(&made.name).send().await.unwrap();
    let owner = &world.consumer;
    world.aws.remove_lake_database(owner.account.as_str(), owner.region.as_str(), &made.databases[0]);
    let error = handle(&world, &deployed).await.unwrap_err();
    assert_eq!((error.kind(), error.left()), (ErrorKind::NotFound, dzconn_core::Changed::Nothing), "{error}");
    made.set_status("DELETING");
    let report = done(&world, &deleting).await;
    assert_eq!((&report.brought, report.changes.len(), report.notes.len()), (&Brought::Cleaned, 1, 2), "{report:?}");
    let after = made.seen().await.unwrap();
    assert_eq!((after.role, &after.databases[&made.databases[1]]), (None, &before.databases[&made.databases[1]]));
    // Gone: the environment.
    world.domain(|domain| domain.environments.clear());
    let report = done(&world, &deleting).await;
    assert!(report.notes.iter().any(|note| note.contains("does not know")), "{report:?}");
}

pub(crate) async fn who_may_not_is_told_what_to_do(moto: &str) {
    let missing = "arn:aws:iam::{account}:policy/missing";
    let world = Provisioned::world(moto, |config| config.environments.policies.push(missing.to_owned())).await.unwrap();
    let made = Provisioned::new(&world).await.unwrap();
    let before = made.seen().await.unwrap();
    let error = handle(&world, &made.event(DEPLOYED, false)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    let policy = missing.replace("{account}", world.consumer.account.as_str());
    assert!(error.advice().unwrap().contains(&policy) && error.to_string().contains(&world.environment), "{error:?}");
    // What was begun is put back all the same.
    made.set_status("DELETING");
    done(&world, &made.event(DELETING, false)).await;
    assert_eq!(made.seen().await.unwrap(), before);
    // The role that works in the account cannot be assumed.
    made.set_status("ACTIVE");
    world.aws.remove_role(&dzconn_tests::aws::role(&world.consumer));
    let sdk = world.sdk(&world.governance).await.unwrap();
    let accounts = dzconn_aws::Accounts::new(world.config.clone(), sdk).await.unwrap();
    let fresh = dzconn_aws::Aws::new(accounts).await.environments(world.reconnected().await.unwrap());
    let event = EnvironmentEvent::from_json(&made.event(DEPLOYED, false)).unwrap();
    let error = fresh.handle(&event).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StoreDenied, "{error}");
    assert!(error.advice().unwrap().contains("trust policy"), "{error:?}");
}
