//! From an event to environments.

use dzconn_core::event::Ending;
use dzconn_core::model::Subscription;
use dzconn_core::portal::Lookup;
use dzconn_core::{Error, ErrorKind, Portal as _, Step};
use dzconn_datazone_stub::{Environment, Fault, Item, Listing, Operation, Principal};
use serde_json::json;

use crate::world::{World, environment, event, listing, subscription};

const REVOKE: Option<Ending> = Some(Ending::Revoke);

async fn look(world: &World, ending: Option<Ending>) -> Vec<Lookup> {
    world.portal.subscriptions(&event(ending)).await.unwrap()
}

fn ours(lookups: Vec<Lookup>) -> Vec<Subscription> {
    lookups
        .into_iter()
        .map(|lookup| match lookup {
            Lookup::Ours(subscription) => *subscription,
            other => panic!("{other:?}"),
        })
        .collect()
}

fn skipped(mut lookups: Vec<Lookup>) -> String {
    match (lookups.pop(), lookups.pop()) {
        (Some(Lookup::Skipped(why)), None) => why,
        other => panic!("{other:?}"),
    }
}

fn failed(mut lookups: Vec<Lookup>) -> Error {
    match (lookups.pop(), lookups.pop()) {
        (Some(Lookup::Failed(error)), None) => {
            assert_eq!(error.step(), Some(Step::LookUp));
            assert!(error.advice().is_some(), "{error}");
            error
        }
        other => panic!("{other:?}"),
    }
}

fn ids(subscriptions: &[Subscription]) -> Vec<&str> {
    subscriptions.iter().map(|subscription| subscription.consumer.environment.as_str()).collect()
}

#[tokio::test]
async fn an_event_becomes_a_subscription_with_all_that_is_known() {
    let world = World::new().await;
    for ending in [None, REVOKE, Some(Ending::Retain)] {
        assert_eq!(ours(look(&world, ending).await), [subscription()]);
    }
}

#[tokio::test]
async fn publishers_may_be_checked() {
    let world = World::with(|config| config.portal.check_publishers = true).await;
    let refused = failed(look(&world, None).await);
    assert_eq!(refused.kind(), ErrorKind::Refused, "{refused}");
    assert!(refused.to_string().contains("prod"), "{refused}");
    // What was granted is taken back all the same.
    assert_eq!(ours(look(&world, REVOKE).await), [subscription()]);
    // Elsewhere does not count.
    world.domain(|domain| {
        domain.environments.push(Environment { project: "prod".into(), ..environment("env-p", "bp-house") });
    });
    assert_eq!(failed(look(&world, None).await).kind(), ErrorKind::Refused);
    let account = Some(crate::world::PRODUCER.to_owned());
    world.domain(|domain| domain.environments[1].account = account);
    assert_eq!(ours(look(&world, None).await), [subscription()]);
}

#[tokio::test]
async fn a_warm_event_costs_two_calls_and_one_to_glue() {
    let world = World::new().await;
    look(&world, None).await;
    let cold = [
        (Operation::GetEnvironment, 1),
        (Operation::GetEnvironmentBlueprint, 1),
        (Operation::GetListing, 1),
        (Operation::ListEnvironments, 1),
    ];
    assert_eq!((world.calls().as_slice(), world.glue.asked()), (cold.as_slice(), 1));
    look(&world, None).await;
    let warm = [(Operation::GetListing, 1), (Operation::ListEnvironments, 1)];
    assert_eq!((world.calls().as_slice(), world.glue.asked()), (warm.as_slice(), 2));
}

#[tokio::test]
async fn all_pages_of_environments_are_read_and_other_blueprints_left_out() {
    let world = World::with(|config| config.portal.blueprints.push("Mine".to_owned())).await;
    world.domain(|domain| {
        domain.blueprints.push(dzconn_datazone_stub::Blueprint { id: "bp-mine".into(), name: "Mine".into() });
        domain.environments =
            (0..23).map(|n| environment(&format!("env-{n}"), ["bp-lake", "bp-house", "bp-mine"][n % 3])).collect();
        domain.environments.push(Environment { blueprint: None, ..environment("env-bare", "") });
        domain.environments.push(Environment { project: "prod".into(), ..environment("env-prod", "bp-lake") });
    });
    let found = ours(look(&world, None).await);
    let expected: Vec<String> = (0..23).filter(|n| n % 3 != 1).map(|n| format!("env-{n}")).collect();
    assert_eq!(ids(&found), expected);
    let calls = world.calls();
    assert!(calls.contains(&(Operation::ListEnvironments, 12)), "two to a page: {calls:?}");
    assert!(calls.contains(&(Operation::GetEnvironment, 24)), "{calls:?}");
}

#[tokio::test]
async fn no_environment_of_ours_is_said_in_one_line() {
    let world = World::new().await;
    world.domain(|domain| domain.environments = (0..5).map(|n| environment(&format!("e{n}"), "bp-house")).collect());
    let why = skipped(look(&world, None).await);
    assert!(["5", "cons", "DefaultDataLake"].iter().all(|word| why.contains(word)), "{why}");
    world.domain(|domain| domain.environments.clear());
    assert!(skipped(look(&world, REVOKE).await).contains("cons"));
}

#[tokio::test]
async fn what_is_not_ours_ends_early() {
    let world = World::new().await;
    let nested = json!({"GlueTableForm": {"tableArn": "arn:aws:glue:eu-west-1:111122223333:table/cat/db/t"}});
    for (listing, word) in [
        (Listing::asset("lst-1", "prod", "ast-1", "S3AccessPointType", json!({})), "S3AccessPointType"),
        (Listing::asset("lst-1", "prod", "ast-1", "RedshiftTableAssetType", json!({})), "RedshiftTableAssetType"),
        (Listing::data_product("lst-1", "prod", "dp-1"), "data product"),
        (Listing::asset("lst-1", "prod", "ast-1", "GlueTableAssetType", nested), "nested"),
    ] {
        world.domain(|domain| domain.listings = vec![listing]);
        for ending in [None, REVOKE] {
            let why = skipped(look(&world, ending).await);
            assert!(why.contains(word) && why.contains("lst-1"), "{why}");
            assert_eq!(world.calls(), [(Operation::GetListing, 1)]);
        }
    }
    assert_eq!(world.glue.asked(), 0);
}

#[tokio::test]
async fn an_asset_type_of_ones_own_is_served() {
    let world = World::with(|config| config.portal.asset_types = vec!["MyTables".to_owned()]).await;
    assert!(skipped(look(&world, None).await).contains("GlueTableAssetType"));
    world.domain(|domain| {
        let Item::Asset { r#type, .. } = &mut domain.listings[0].item else { panic!("an asset") };
        "my.package.MyTables".clone_into(r#type);
    });
    assert_eq!(ours(look(&world, None).await)[0].asset.asset_type, "my.package.MyTables");
}

#[tokio::test]
async fn a_table_of_files_is_left_alone() {
    let world = World::new().await;
    world.glue.files("employees");
    let why = skipped(look(&world, None).await);
    assert!(why.contains("employees") && why.contains("name of lst-1"), "{why}");
    assert_eq!(world.calls(), [(Operation::GetListing, 1)]);
}

#[tokio::test]
async fn a_listing_that_is_gone_fails_a_grant_and_leaves_a_revoke_to_tracking() {
    let world = World::new().await;
    world.domain(|domain| domain.listings.clear());
    let error = failed(look(&world, None).await);
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("lst-1") && error.to_string().contains("dzd_1"), "{error}");
    assert!(skipped(look(&world, REVOKE).await).contains("lst-1"));
}

#[tokio::test]
async fn a_glue_table_that_is_gone_fails_a_grant_and_leaves_a_revoke_to_tracking() {
    let world = World::new().await;
    world.glue.drop_table("employees");
    let error = failed(look(&world, None).await);
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("lake.employees") && error.to_string().contains("lst-1"), "{error}");
    assert!(skipped(look(&world, REVOKE).await).contains("lake.employees"));
}

#[tokio::test]
async fn a_catalogue_that_may_not_be_read_is_an_error() {
    let world = World::new().await;
    world.glue.answer("employees", 400, json!({"__type": "AccessDeniedException", "Message": "not authorized"}));
    assert_eq!(failed(look(&world, None).await).kind(), ErrorKind::StoreDenied);
    // Whoever revokes has tracking to go by, and is told that the look-up as a whole has failed.
    let error = world.portal.subscriptions(&event(REVOKE)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StoreDenied);
    // A table from a connection whose location is no path of a table.
    world.glue.crawled("employees", "hr", "employees");
    assert_eq!(failed(look(&world, None).await).kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn malformed_forms_are_named() {
    let world = World::new().await;
    for forms in [
        json!("{"),
        json!("[]"),
        json!(""),
        json!({}),
        json!({"GlueTableForm": {}}),
        json!({"GlueTableForm": {"tableArn": "arn:aws:s3:::bucket"}}),
        json!({"GlueTableForm": {"tableArn": "arn:aws:glue:eu-west-1:111122223333:table/lake/employees",
            "catalogId": "999999999999"}}),
    ] {
        let asset = Listing::asset("lst-1", "prod", "ast-1", "GlueTableAssetType", forms.clone());
        world.domain(|domain| domain.listings = vec![asset]);
        let error = world.portal.subscriptions(&event(None)).await.unwrap_err();
        assert_eq!((error.kind(), error.step()), (ErrorKind::InvalidInput, Some(Step::LookUp)), "{forms}");
        assert!(error.to_string().contains("lst-1") && error.advice().is_some(), "{error}");
    }
    assert_eq!(world.glue.asked(), 0, "a form that contradicts itself is followed nowhere");
}

#[tokio::test]
async fn an_environment_on_its_way_out_gets_nothing_new() {
    let world = World::new().await;
    let with = |id: &str, status: &str| Environment { status: status.to_owned(), ..environment(id, "bp-lake") };
    world.domain(|domain| {
        domain.environments = vec![
            with("deleting", "DELETING"),
            with("deleted", "DELETED"),
            with("stillborn", "CREATE_FAILED"),
            with("active", "ACTIVE"),
            with("updating", "UPDATING"),
        ];
    });
    let (mut granted, mut reasons) = (Vec::new(), Vec::new());
    for lookup in look(&world, None).await {
        match lookup {
            Lookup::Ours(subscription) => granted.push(*subscription),
            Lookup::Skipped(why) => reasons.push(why),
            Lookup::Failed(error) => panic!("{error}"),
            Lookup::Objects(objects) => panic!("{objects:?}"),
        }
    }
    assert_eq!(ids(&granted), ["active", "updating"]);
    assert!(
        reasons.len() == 3
            && reasons.iter().zip(["deleting", "deleted", "stillborn"]).all(|(why, id)| why.contains(id))
    );
    // What it has is taken back all the same.
    assert_eq!(ours(look(&world, REVOKE).await).len(), 5);
}

#[tokio::test]
async fn an_environment_without_an_account_is_waited_for_by_who_delivers() {
    let world = World::new().await;
    let bare =
        Environment { account: None, region: None, status: "CREATING".into(), ..environment("env-1", "bp-lake") };
    world.domain(|domain| domain.environments = vec![bare]);
    let error = failed(look(&world, None).await);
    assert!(error.is_retryable() && error.to_string().contains("env-1"), "{error}");
    // The others need not wait.
    world.domain(|domain| domain.environments.push(environment("env-2", "bp-lake")));
    let both = look(&world, None).await;
    assert!(both.iter().any(|one| matches!(one, Lookup::Ours(is) if is.consumer.environment.as_str() == "env-2")));
    world.domain(|domain| domain.environments.truncate(1));
    assert!(skipped(look(&world, REVOKE).await).contains("env-1"));
    world.domain(|domain| domain.environments = vec![environment("env-1", "bp-lake")]);
    assert_eq!(ours(look(&world, None).await), [subscription()]);
}

#[tokio::test]
async fn one_environment_that_may_not_be_looked_at_keeps_no_other_from_it() {
    let world = World::new().await;
    world.domain(|domain| domain.environments.push(environment("env-2", "bp-house")));
    world.stub.fail(Operation::GetEnvironmentBlueprint, 1, Fault::Denied);
    let mut found = look(&world, None).await;
    let Some(Lookup::Failed(error)) = found.pop() else { panic!("{found:?}") };
    assert_eq!(error.kind(), ErrorKind::StoreDenied);
    assert!(error.to_string().contains("GetEnvironmentBlueprint") && error.subject().environment.is_some(), "{error}");
    assert!(found.len() <= 1);
    // Nothing of the failure is remembered.
    assert_eq!(ids(&ours(look(&world, None).await)), ["env-1"]);
}

#[tokio::test]
async fn an_environment_deleted_since_it_was_listed_is_left_out() {
    let world = World::new().await;
    world.stub.fail(Operation::GetEnvironment, 1, Fault::Error(404, "ResourceNotFoundException".into(), "gone".into()));
    assert!(skipped(look(&world, None).await).contains("cons"));
}

#[tokio::test]
async fn only_projects_have_environments() {
    let world = World::new().await;
    for (principal, word) in [
        (Principal::User("u-1".into()), "user"),
        (Principal::Group("g-1".into()), "group"),
        (Principal::Iam("arn:aws:iam::1:role/r".into()), "IAM"),
    ] {
        world.domain(|domain| domain.subscriptions[0].principal = principal);
        world.stub.fail(Operation::ListEnvironments, 1, Fault::Denied);
        assert!(skipped(look(&world, None).await).contains(word));
    }
    world.domain(|domain| domain.subscriptions[0].principal = Principal::Project("cons".into()));
    world.stub.fail(Operation::ListEnvironments, 1, Fault::Denied);
    let error = world.portal.subscriptions(&event(None)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StoreDenied);
    assert!(error.to_string().contains("ListEnvironments") && error.to_string().contains("lst-1"), "{error}");
}

#[tokio::test]
async fn what_passes_is_tried_again_and_what_does_not_is_an_error_of_the_whole() {
    for operation in [
        Operation::GetListing,
        Operation::ListEnvironments,
        Operation::GetEnvironment,
        Operation::GetEnvironmentBlueprint,
    ] {
        let world = World::with(|config| config.calls.attempts = 2).await;
        world.stub.fail(operation, 1, Fault::Throttled);
        assert_eq!(ours(look(&world, None).await), [subscription()], "{operation:?}");

        let world = World::with(|config| config.calls.attempts = 1).await;
        world.stub.fail(operation, 1, Fault::Internal);
        let error = world.portal.subscriptions(&event(None)).await.unwrap_err();
        assert_eq!((error.kind(), error.step()), (ErrorKind::StoreFailed, Some(Step::LookUp)), "{operation:?}");
    }
    let world = World::with(|config| config.calls.attempts = 1).await;
    world.glue.answer("employees", 500, json!({"__type": "InternalServiceException"}));
    assert!(world.portal.subscriptions(&event(None)).await.unwrap_err().is_retryable());
}

#[tokio::test]
async fn a_listing_without_a_name_goes_by_its_id() {
    let world = World::new().await;
    world.domain(|domain| domain.listings = vec![Listing { name: String::new(), ..listing("lst-1", "employees") }]);
    assert_eq!(ours(look(&world, None).await)[0].listing.name, "lst-1");
}
