//! The ports on their own.

use dzconn_aws::environment::{IamRoles, LakeFormationTags};
use dzconn_core::ErrorKind;
use dzconn_core::environment::{EnvironmentPortal as _, EnvironmentRoles, LakeTag, LakeTags, RoleState, Stage, Tagged};
use dzconn_core::model::Principal;
use dzconn_datazone_stub::Project;
use dzconn_test_aws::{Effect, Fault};
use dzconn_tests::aws::{DOMAIN, role};
use dzconn_tests::environments::{DEFAULT, Provisioned};

fn tag(value: &str) -> LakeTag {
    LakeTag { key: "dz_conn_p_access".into(), value: value.into() }
}

fn principal(arn: &str) -> Principal {
    arn.parse().unwrap()
}

pub(crate) async fn a_role_is_read_and_changed_as_often_as_one_likes(moto: &str) {
    let world = Provisioned::world(moto, |_| {}).await.unwrap();
    let made = Provisioned::new(&world).await.unwrap();
    let (roles, owner) = (IamRoles::new(world.ports.accounts().clone()), &world.consumer);
    let arn = principal(&made.arn);
    assert!(made.arn.contains(":role/service-role/datazone_usr_"), "{}", made.arn);
    let state = |boundary: &str, policies: &[&String]| RoleState {
        boundary: Some(boundary.to_owned()),
        policies: policies.iter().map(|&policy| policy.clone()).collect(),
    };
    assert_eq!(roles.read(owner, &arn).await.unwrap(), Some(state(DEFAULT, &[&made.own])));
    for _ in 0..2 {
        roles.set_boundary(owner, &arn, &made.boundary).await.unwrap();
        roles.attach(owner, &arn, &made.policies[0]).await.unwrap();
        roles.attach(owner, &arn, &made.policies[1]).await.unwrap();
        let all = state(&made.boundary, &[&made.own, &made.policies[0], &made.policies[1]]);
        assert_eq!(roles.read(owner, &arn).await.unwrap(), Some(all));
    }
    for _ in 0..2 {
        roles.detach(owner, &arn, &made.policies[0]).await.unwrap();
        roles.detach(owner, &arn, &made.policies[1]).await.unwrap();
        roles.set_boundary(owner, &arn, DEFAULT).await.unwrap();
        assert_eq!(roles.read(owner, &arn).await.unwrap(), Some(state(DEFAULT, &[&made.own])));
    }
    // All of it as the role that works in the environment's account.
    let calls = world.aws.calls();
    let mut by_us = calls.iter().filter(|call| call.service == "iam" && call.role.as_deref() == Some(&role(owner)));
    assert!(by_us.all(|call| call.account == owner.account.as_str()));
    assert!(world.aws.count("iam", "PutRolePermissionsBoundary") == 4 && world.aws.count("iam", "GetRole") == 5);
}

pub(crate) async fn what_is_not_there_is_said_or_is_fine(moto: &str) {
    let world = Provisioned::world(moto, |_| {}).await.unwrap();
    let made = Provisioned::new(&world).await.unwrap();
    let (roles, owner) = (IamRoles::new(world.ports.accounts().clone()), &world.consumer);
    let (arn, gone) = (principal(&made.arn), principal(&format!("{}-gone", made.arn)));
    let missing = made.policies[0].replace("dz_conn", "missing");
    assert_eq!(roles.read(owner, &gone).await.unwrap(), None);
    for error in [
        roles.set_boundary(owner, &gone, DEFAULT).await.unwrap_err(),
        roles.attach(owner, &gone, &made.policies[0]).await.unwrap_err(),
        roles.attach(owner, &arn, &missing).await.unwrap_err(),
    ] {
        assert_eq!((error.kind(), error.vendor_code()), (ErrorKind::NotFound, Some("IAM NoSuchEntity")), "{error}");
    }
    let advice = roles.attach(owner, &arn, &missing).await.unwrap_err();
    assert!(advice.advice().unwrap().contains(&missing), "{advice:?}");
    roles.detach(owner, &gone, &made.policies[0]).await.unwrap();
    roles.detach(owner, &arn, &missing).await.unwrap();
    roles.detach(owner, &arn, &made.policies[1]).await.unwrap();
    // A refusal is none of this.
    world.aws.fail(Fault::new(Effect::AccessDenied).service("iam").times(3));
    for error in [
        roles.read(owner, &arn).await.unwrap_err(),
        roles.detach(owner, &arn, &made.policies[0]).await.unwrap_err(),
        roles.set_boundary(owner, &arn, DEFAULT).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::StoreDenied, "{error}");
    }
}

pub(crate) async fn roles_that_are_not_the_accounts_are_refused(moto: &str) {
    let world = Provisioned::world(moto, |_| {}).await.unwrap();
    let made = Provisioned::new(&world).await.unwrap();
    let (roles, owner) = (IamRoles::new(world.ports.accounts().clone()), &world.consumer);
    let other = principal(&made.arn.replace(owner.account.as_str(), world.producer.account.as_str()));
    let before = made.seen().await.unwrap();
    world.aws.reset_calls();
    for error in [
        roles.read(owner, &other).await.unwrap_err(),
        roles.set_boundary(owner, &other, &made.boundary).await.unwrap_err(),
        roles.attach(owner, &other, &made.policies[0]).await.unwrap_err(),
        roles.detach(owner, &other, &made.own).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    }
    assert!(world.aws.calls().is_empty());
    assert_eq!(made.seen().await.unwrap(), before);
}

pub(crate) async fn tags_come_and_go_and_others_stay(moto: &str) {
    let world = Provisioned::world(moto, |_| {}).await.unwrap();
    let made = Provisioned::new(&world).await.unwrap();
    let (tags, owner) = (LakeFormationTags::new(world.ports.accounts().clone()), &world.consumer);
    let before = made.seen().await.unwrap().databases;
    let read = async |database: &str| tags.read(owner, database, "dz_conn_p_access").await.unwrap();
    for database in &made.databases {
        assert_eq!(read(database).await, Tagged::Is(None));
        tags.remove(owner, database, &tag("True")).await.unwrap();
        for _ in 0..2 {
            tags.assign(owner, database, &tag("True")).await.unwrap();
            assert_eq!(read(database).await, Tagged::Is(Some("true".into())));
        }
    }
    assert_eq!(made.seen().await.unwrap().databases[&made.databases[0]].len(), 2, "the other tag is still there");
    // Somebody else's value is not what is removed.
    tags.remove(owner, &made.databases[0], &tag("False")).await.unwrap();
    assert_eq!(read(&made.databases[0]).await, Tagged::Is(Some("true".into())));
    for database in &made.databases {
        for _ in 0..2 {
            tags.remove(owner, database, &tag("True")).await.unwrap();
        }
    }
    assert_eq!(made.seen().await.unwrap().databases, before);
    assert_eq!(read("gone").await, Tagged::Gone);
    tags.remove(owner, "gone", &tag("True")).await.unwrap();
}

pub(crate) async fn what_fails_inside_a_successful_answer_fails(moto: &str) {
    let world = Provisioned::world(moto, |_| {}).await.unwrap();
    let made = Provisioned::new(&world).await.unwrap();
    let (tags, owner) = (LakeFormationTags::new(world.ports.accounts().clone()), &world.consumer);
    let unknown = tag("Maybe");
    // By our own stand-in, and by moto's Lake Formation, which knows of no tag at all.
    for lenient in [false, true] {
        world.aws.set_lenient(lenient);
        let error = tags.assign(owner, &made.databases[0], &unknown).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        assert_eq!(error.vendor_code(), Some("LakeFormation EntityNotFoundException"));
        assert!(error.detail().contains("dz_conn_p_access") && error.advice().is_some(), "{error:?}");
    }
    world.aws.set_lenient(false);
    let error = tags.assign(owner, "gone", &tag("True")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    world.aws.fail(Fault::new(Effect::AccessDenied).service("lakeformation").times(2));
    for error in [
        tags.read(owner, &made.databases[0], "k").await.unwrap_err(),
        tags.remove(owner, &made.databases[0], &tag("True")).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::StoreDenied, "{error}");
        let advice = error.advice().unwrap();
        assert!(["ASSOCIATE", "DROP", "glue:GetDatabase"].iter().all(|right| advice.contains(right)), "{error:?}");
    }
}

pub(crate) async fn an_environment_is_looked_up(moto: &str) {
    let world = Provisioned::world(moto, |_| {}).await.unwrap();
    let made = Provisioned::new(&world).await.unwrap();
    let (domain, id) = (DOMAIN.parse().unwrap(), world.environment.parse().unwrap());
    let found = async || world.ports.portal().environment(&domain, &id).await.unwrap();
    let environment = found().await.unwrap();
    assert_eq!((environment.stage, environment.foreign), (Stage::Active, None));
    assert_eq!((environment.role, environment.owner), (Some(principal(&made.arn)), Some(world.consumer.clone())));
    assert_eq!((environment.databases.as_slice(), environment.project.as_str()), (&made.databases[..], "consumers"));
    for (status, stage) in [
        ("CREATING", Stage::Coming),
        ("UPDATING", Stage::Active),
        ("UPDATE_FAILED", Stage::Active),
        ("DELETING", Stage::Ending),
        ("DELETE_FAILED", Stage::Ending),
        ("SUSPENDED", Stage::Resting("SUSPENDED".into())),
    ] {
        made.set_status(status);
        assert_eq!(found().await.unwrap().stage, stage, "{status}");
    }
    // Of every project and blueprint, over more pages than one.
    let mut ids = vec![world.environment.clone()];
    for n in 0..5 {
        ids.push(format!("{}-{n}", world.environment));
        let mut more = world.environment_of(&ids[n + 1]);
        more.project = format!("project-{}", n % 3);
        more.blueprint = None;
        world.domain(|domain| {
            domain.projects.push(Project { id: format!("project-{n}"), name: String::new() });
            domain.environments.push(more);
        });
    }
    let listed = world.ports.portal().environments(&domain).await.unwrap();
    assert_eq!(listed.iter().map(ToString::to_string).collect::<Vec<_>>(), ids);
    let error = world.ports.portal().environments(&"dzd_other".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    world.domain(|domain| domain.environments[0].resources.clear());
    let environment = found().await.unwrap();
    assert_eq!((environment.role, environment.databases), (None, vec![]));
    world.domain(|domain| domain.environments[0].blueprint = Some("gone".into()));
    assert!(found().await.unwrap().foreign.is_some_and(|why| why.contains("another blueprint")));
    world.domain(|domain| domain.environments.clear());
    assert_eq!(found().await, None);
}
