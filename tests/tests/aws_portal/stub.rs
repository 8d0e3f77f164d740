//! The stub itself, through the SDK: what the API reference says it must do.

use aws_sdk_datazone::Client;
use aws_sdk_datazone::error::ProvideErrorMetadata;
use aws_sdk_datazone::types::{
    GrantedEntityInput, ListingItem, ListingRevisionInput, SubscribedListingItem, SubscriptionGrantOverallStatus,
    SubscriptionGrantStatus, SubscriptionStatus,
};
use dzconn_datazone_stub::{Operation, Principal, Profile, Request, State};

use crate::world::{DOMAIN, World, environment};

async fn client(world: &World) -> Client {
    Client::new(&world.accounts.governance().await.into_builder().endpoint_url(world.stub.url()).build())
}

fn code<T, E: ProvideErrorMetadata>(result: Result<T, E>) -> String {
    match result {
        Ok(_) => "ok".to_owned(),
        Err(error) => error.code().unwrap_or_default().to_owned(),
    }
}

fn entity(listing: &str, revision: &str) -> GrantedEntityInput {
    let revision = ListingRevisionInput::builder().identifier(listing).revision(revision);
    GrantedEntityInput::Listing(revision.build().unwrap())
}

#[tokio::test]
async fn every_look_up_is_read_by_the_sdk() {
    let world = World::new().await;
    world.target("t-1", "somebody");
    world.grant("g-1", "t-1", "GRANTED");
    world.domain(|domain| {
        domain.profiles = vec![Profile { id: "prof-1".into(), name: "lake".into(), blueprint: "bp-lake".into() }];
        domain.environments[0].profile = Some("prof-1".to_owned());
        domain.environments[0].resources.insert("userRoleArn".into(), "arn:aws:iam::1:role/u".into());
        domain.requests = vec![Request {
            id: "req-1".into(),
            status: "ACCEPTED".into(),
            principal: Principal::Project("cons".into()),
            listing: "lst-1".into(),
            reason: "to work".into(),
        }];
        domain.subscriptions[0].request = Some("req-1".to_owned());
        domain.subscriptions[0].filters = Some(vec!["f".to_owned()]);
    });
    let dz = client(&world).await;

    let listing = dz.get_listing().domain_identifier(DOMAIN).identifier("lst-1").send().await.unwrap();
    let Some(ListingItem::AssetListing(asset)) = listing.item else { panic!("{listing:?}") };
    assert!(asset.forms.unwrap().contains("GlueTableForm") && asset.owning_project_id.as_deref() == Some("prod"));
    let asset = dz.get_asset().domain_identifier(DOMAIN).identifier("ast-1").send().await.unwrap();
    assert_eq!(asset.type_identifier, "GlueTableAssetType");
    let project = dz.get_project().domain_identifier(DOMAIN).identifier("cons").send().await.unwrap();
    assert_eq!(project.name, "the cons");
    let environment = dz.get_environment().domain_identifier(DOMAIN).identifier("env-1").send().await.unwrap();
    assert_eq!(environment.provisioned_resources()[0].name(), Some("userRoleArn"));
    assert!(environment.created_at.is_some() && environment.environment_profile_id == "prof-1");
    let profile = dz.get_environment_profile().domain_identifier(DOMAIN).identifier("prof-1").send().await.unwrap();
    assert_eq!(profile.environment_blueprint_id, "bp-lake");
    let blueprint =
        dz.get_environment_blueprint().domain_identifier(DOMAIN).identifier("bp-lake").send().await.unwrap();
    assert_eq!(blueprint.name, "DefaultDataLake");
    let request =
        dz.get_subscription_request_details().domain_identifier(DOMAIN).identifier("req-1").send().await.unwrap();
    assert_eq!(request.subscribed_listings[0].id, "lst-1");
    let subscription = dz.get_subscription().domain_identifier(DOMAIN).identifier("sub-1").send().await.unwrap();
    let Some(SubscribedListingItem::AssetListing(asset)) = subscription.subscribed_listing.unwrap().item else {
        panic!()
    };
    assert_eq!(asset.asset_scope.unwrap().filter_ids, ["f"]);
    let targets = dz.list_subscription_targets().domain_identifier(DOMAIN).environment_identifier("env-1").send().await;
    assert_eq!(targets.unwrap().items[0].provider, "somebody");
    let grant = dz.get_subscription_grant().domain_identifier(DOMAIN).identifier("g-1").send().await.unwrap();
    assert_eq!(grant.status, SubscriptionGrantOverallStatus::Completed);
}

#[tokio::test]
async fn ids_are_held_to_their_patterns() {
    let world = World::new().await;
    let dz = client(&world).await;
    let long = "x".repeat(37);
    for domain in ["dzd", "dzd_", "dzd.1", "abc_1", &format!("dzd_{long}")] {
        let answer = dz.get_listing().domain_identifier(domain).identifier("lst-1").send().await;
        assert_eq!(code(answer), "ValidationException", "{domain}");
    }
    for id in ["a b", "a/b", "ä", long.as_str()] {
        let answer = dz.get_listing().domain_identifier(DOMAIN).identifier(id).send().await;
        assert_eq!(code(answer), "ValidationException", "{id}");
    }
    let answer = dz.get_listing().domain_identifier("dzd-other").identifier("lst-1").send().await;
    assert_eq!(code(answer), "ResourceNotFoundException");
    let answer = dz.get_listing().domain_identifier(DOMAIN).identifier("lst-9").send().await;
    assert_eq!(code(answer), "ResourceNotFoundException");
    let answer = dz.get_user_profile().domain_identifier(DOMAIN).user_identifier("me").send().await;
    assert_eq!(code(answer), "UnknownOperationException");
}

#[tokio::test]
async fn pages_follow_their_tokens() {
    let world = World::new().await;
    world.domain(|domain| domain.environments = (0..5).map(|n| environment(&format!("e{n}"), "bp-lake")).collect());
    let dz = client(&world).await;
    let list = || dz.list_environments().domain_identifier(DOMAIN).project_identifier("cons");
    let first = list().send().await.unwrap();
    let token = first.next_token.clone().unwrap();
    assert_eq!(first.items.len(), 2);
    let second = list().next_token(&token).send().await.unwrap();
    assert_eq!(second.items[0].id.as_deref(), Some("e2"));
    assert_eq!(list().max_results(1).send().await.unwrap().items.len(), 1);
    // A token is good for the list that it was given out for.
    let other = dz.list_environments().domain_identifier(DOMAIN).project_identifier("prod").next_token(token);
    assert_eq!(code(other.send().await), "ValidationException");
    assert_eq!(code(list().next_token("made up").send().await), "ValidationException");
    for limit in [0, 51] {
        assert_eq!(code(list().max_results(limit).send().await), "ValidationException");
    }
}

#[tokio::test]
async fn without_a_status_only_approved_subscriptions_are_listed() {
    let world = World::new().await;
    world.domain(|domain| {
        let mut ended = domain.subscriptions[0].clone();
        (ended.id, ended.status) = ("sub-0".to_owned(), "REVOKED".to_owned());
        domain.subscriptions.push(ended);
    });
    let dz = client(&world).await;
    let list = || dz.list_subscriptions().domain_identifier(DOMAIN);
    assert_eq!(list().send().await.unwrap().items[0].id, "sub-1");
    let revoked = list().status(SubscriptionStatus::Revoked).send().await.unwrap();
    assert_eq!((revoked.items.len(), revoked.items[0].id.as_str()), (1, "sub-0"));
}

#[tokio::test]
async fn a_grant_is_made_once_for_a_token() {
    let world = World::new().await;
    world.target("t-1", "somebody");
    let dz = client(&world).await;
    let create = |listing: &str, revision: &str, target: &str| {
        dz.create_subscription_grant()
            .domain_identifier(DOMAIN)
            .environment_identifier("env-1")
            .subscription_target_identifier(target)
            .granted_entity(entity(listing, revision))
    };
    assert_eq!(code(create("lst-9", "1", "t-1").send().await), "ResourceNotFoundException");
    assert_eq!(code(create("lst-1", "7", "t-1").send().await), "ResourceNotFoundException");
    assert_eq!(code(create("lst-1", "1", "t-9").send().await), "ResourceNotFoundException");
    let one = create("lst-1", "1", "t-1").client_token("a").send().await.unwrap();
    let same = create("lst-1", "1", "t-1").client_token("a").send().await.unwrap();
    assert_eq!(one.id, same.id);
    assert_eq!(code(create("lst-1", "2", "t-1").client_token("a").send().await), "ConflictException");
    assert_eq!(code(create("lst-1", "1", "t-1").client_token("b").send().await), "ConflictException");
    assert_eq!(code(create("lst-1", "1", "t-1").client_token("with space").send().await), "ValidationException");
    assert_eq!(one.assets.unwrap()[0].status, SubscriptionGrantStatus::GrantPending);
}

#[tokio::test]
async fn a_status_is_one_asset_s_and_follows_another() {
    let world = World::new().await;
    world.target("t-1", "somebody");
    world.grant("g-1", "t-1", "GRANT_PENDING");
    let dz = client(&world).await;
    let set = |grant: &str, asset: &str, status: SubscriptionGrantStatus| {
        let call = dz.update_subscription_grant_status().domain_identifier(DOMAIN).identifier(grant);
        call.asset_identifier(asset).status(status).target_name("employees").send()
    };
    assert_eq!(code(set("g-9", "ast-1", SubscriptionGrantStatus::Granted).await), "ResourceNotFoundException");
    assert_eq!(code(set("g-1", "ast-9", SubscriptionGrantStatus::Granted).await), "ResourceNotFoundException");
    assert_eq!(code(set("g-1", "ast-1", "DONE".into()).await), "ValidationException");
    assert_eq!(code(set("g-1", "ast-1", SubscriptionGrantStatus::Revoked).await), "ConflictException");
    let granted = set("g-1", "ast-1", SubscriptionGrantStatus::Granted).await.unwrap();
    assert_eq!(granted.assets()[0].target_name(), Some("employees"));
    assert_eq!(code(set("g-1", "ast-1", SubscriptionGrantStatus::Revoked).await), "ok");
    assert_eq!(code(set("g-1", "ast-1", SubscriptionGrantStatus::Granted).await), "ConflictException");
}

#[tokio::test]
async fn calls_are_remembered_with_what_they_carried() {
    let world = World::new().await;
    let dz = client(&world).await;
    dz.list_subscriptions().domain_identifier(DOMAIN).owning_project_id("cons").send().await.unwrap();
    let calls = world.stub.calls();
    let [call] = calls.as_slice() else { panic!("{calls:?}") };
    assert_eq!(
        (call.operation, call.status, call.path.as_str()),
        (Operation::ListSubscriptions, 200, "/v2/domains/dzd_1/subscriptions")
    );
    assert_eq!(call.query["owningProjectId"], "cons");
}

#[tokio::test]
async fn a_state_survives_json() {
    let world = World::new().await;
    world.target("t-1", "somebody");
    world.grant("g-1", "t-1", "GRANTED");
    let state = world.stub.state();
    let text = serde_json::to_string(&state).unwrap();
    assert_eq!(serde_json::from_str::<State>(&text).unwrap(), state);
}
