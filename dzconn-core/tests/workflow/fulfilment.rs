//! What must hold after each grant and revoke.

use std::sync::Arc;

use dzconn_core::engine::Reads;
use dzconn_core::event::SubscriptionEvent;
use dzconn_core::fulfilment::{Governance, Handled, PlannedStep, RecordedPortal};
use dzconn_core::model::*;
use dzconn_core::portal::{Portal as _, Question, Wanted};
use dzconn_core::store::{Key, NewSecret, Slot};
use dzconn_core::workflow::Outcome;
use dzconn_core::{Changed, CredentialStore as _, ErrorKind, Fulfilment, TrackingStore as _};

use crate::world::{CONSUMER, PRODUCER, World, id, table};

#[tokio::test]
async fn a_subscription_lives_and_goes_without_a_trace() {
    let world = World::new();
    let [employees, offices] = ["employees", "offices"].map(|name| world.subscription(name));

    let first = world.grant(&employees).await;
    assert!(first.new_user && first.changed);
    assert!(world.engine.read_as(&first.credentials, &table("employees")));
    assert!(!world.engine.read_as(&first.credentials, &table("salaries")));

    let second = world.grant(&offices).await;
    assert!(!second.new_user && second.changed);
    assert_eq!((&second.user, &second.secret, &second.credentials), (&first.user, &first.secret, &first.credentials));

    let again = world.grant(&offices).await;
    assert!(!again.changed, "{again:?}");

    let row = world.row(&employees).await.unwrap();
    assert_eq!(
        (row.listing_name.as_str(), &row.secret, &row.place.unwrap().location),
        ("employees", &first.secret, &employees.location)
    );

    let revoked = world.revoke(&employees).await;
    assert!(revoked.changed && !revoked.dropped && revoked.reads == Reads::No, "{revoked:?}");
    assert!(!world.engine.read_as(&first.credentials, &table("employees")));
    assert!(world.engine.read_as(&first.credentials, &table("offices")));
    assert_eq!(world.row(&employees).await, None);

    let client = world.engine.open(&first.credentials).unwrap();
    let last = world.revoke(&offices).await;
    assert!(last.dropped);
    assert!(world.engine.open(&first.credentials).is_err());
    drop(client);
    world.assert_nothing_left("");

    let nothing = world.revoke(&offices).await;
    assert!(!nothing.changed && !nothing.dropped);
    world.assert_nothing_left("");

    let anew = world.grant(&employees).await;
    assert_ne!(anew.secret, first.secret, "a burnt name is not used again");
}

#[tokio::test]
async fn one_table_published_twice_is_readable_until_the_last_asset_goes() {
    let world = World::new();
    let [one, other] = ["one", "other"].map(|asset| world.published(asset, "employees"));
    let granted = world.grant(&one).await;
    world.grant(&other).await;
    let first = world.revoke(&one).await;
    assert!(first.changed && !first.dropped);
    assert!(world.engine.read_as(&granted.credentials, &table("employees")));
    assert_eq!(world.row(&one).await, None);
    assert!(world.row(&other).await.is_some());
    assert!(world.revoke(&other).await.dropped);
    world.assert_nothing_left("");
}

#[tokio::test]
async fn paths_that_differ_in_case_are_one_table() {
    let world = World::new();
    let one = world.published("one", "employees");
    let other = world.published("other", "EMPLOYEES");
    let granted = world.grant(&one).await;
    assert_eq!(world.grant(&other).await.table, table("employees"));
    world.revoke(&one).await;
    assert!(world.engine.read_as(&granted.credentials, &table("employees")));
    assert!(world.revoke(&other).await.dropped);
    world.assert_nothing_left("");
}

#[tokio::test]
async fn an_asset_leaves_the_table_that_its_path_does_not_mean_any_more() {
    for others in [&[][..], &["offices"]] {
        let world = World::new();
        for name in others {
            world.grant(&world.subscription(name)).await;
        }
        let asset = world.published("one", "EMPLOYEES");
        assert_eq!(world.grant(&asset).await.table, table("employees"));
        world.engine.add_table(&table("EMPLOYEES"));
        let granted = world.grant(&asset).await;
        assert_eq!(granted.table, table("EMPLOYEES"));
        assert!(world.engine.read_as(&granted.credentials, &table("EMPLOYEES")));
        assert!(!world.engine.read_as(&granted.credentials, &table("employees")));
        assert_eq!(world.row(&asset).await.unwrap().place.unwrap().table, table("EMPLOYEES"));
        world.revoke(&asset).await;
        for name in others {
            world.revoke(&world.subscription(name)).await;
        }
        world.assert_nothing_left("");
    }
}

#[tokio::test]
async fn retained_access_stays_and_can_still_be_revoked() {
    let world = World::new();
    let employees = world.subscription("employees");
    let granted = world.grant(&employees).await;
    world.want(&employees, Wanted::Retain);
    let Outcome::Retained(kept) = world.fulfilment.retain(&employees).await.unwrap() else { panic!() };
    assert!(kept.changed && world.engine.read_as(&granted.credentials, &table("employees")));
    let Outcome::Retained(kept) = world.fulfilment.retain(&employees).await.unwrap() else { panic!() };
    assert!(!kept.changed);
    assert!(world.revoke(&employees).await.dropped);
    world.assert_nothing_left("");
}

#[tokio::test]
async fn what_the_portal_contradicts_is_superseded() {
    let world = World::new();
    let employees = world.subscription("employees");
    world.want(&employees, Wanted::Revoke);
    assert_eq!(world.fulfilment.grant(&employees).await.unwrap(), Outcome::Superseded);
    world.assert_nothing_left("");

    let granted = world.grant(&employees).await;
    assert_eq!(world.fulfilment.revoke(&employees).await.unwrap(), Outcome::Superseded);
    assert!(world.engine.read_as(&granted.credentials, &table("employees")), "the portal still wants it");
}

#[tokio::test]
async fn filters_are_refused_and_what_was_granted_goes() {
    let world = World::new();
    let employees = world.subscription("employees");
    world.grant(&employees).await;
    let Subscription { consumer, listing, .. } = &employees;
    world.portal.want(consumer.project.clone(), listing.id.clone(), Err(ErrorKind::Refused));
    assert_eq!(world.fulfilment.grant(&employees).await.unwrap_err().kind(), ErrorKind::Refused);
    world.assert_nothing_left("");
    let revoked = world.fulfilment.revoke(&employees).await;
    assert!(matches!(revoked, Ok(Outcome::Revoked(_))), "{revoked:?}");
}

#[tokio::test]
async fn access_that_is_not_there_is_not_retained() {
    let world = World::new();
    world.grant(&world.subscription("offices")).await;
    let employees = world.subscription("employees");
    world.want(&employees, Wanted::Retain);
    let outcome = world.fulfilment.retain(&employees).await.unwrap();
    assert!(matches!(&outcome, Outcome::Revoked(revoked) if !revoked.changed), "{outcome:?}");
    assert_eq!(world.readable(), ["offices"]);
}

#[tokio::test]
async fn a_row_that_is_out_of_date_does_not_hide_what_is_granted() {
    let world = World::new();
    world.grant(&world.subscription("offices")).await;
    let asset = world.published("one", "EMPLOYEES");
    world.grant(&asset).await;
    let key = Key::Asset(asset.consumer.environment.clone(), asset.asset.id.clone());
    let stale = world.tracking.read(std::slice::from_ref(&key)).await.unwrap().remove(0).unwrap();
    // The path means another table by now; a run grants that, and dies before it writes the row.
    world.engine.add_table(&table("EMPLOYEES"));
    let granted = world.grant(&asset).await;
    world.tracking.insert(key, stale);
    assert!(world.revoke(&asset).await.changed);
    assert!(!world.engine.read_as(&granted.credentials, &table("EMPLOYEES")));
    world.revoke(&world.subscription("offices")).await;
    world.assert_nothing_left("");
}

#[tokio::test]
async fn an_approval_that_was_narrowed_is_recorded_as_none() {
    let world = World::new();
    let employees = world.subscription("employees");
    let tracking: Arc<dyn dzconn_core::TrackingStore> = Arc::new(world.tracking.clone());
    let governance = Governance::new(Arc::new(world.portal.clone()), Arc::clone(&tracking));
    let Subscription { domain, consumer, asset, listing, .. } = employees.clone();
    let Consumer { project, environment, .. } = consumer;
    let (listing, asset) = (listing.id, asset.id);
    let question = Question { domain, project, environment, listing, asset, subscription: None, told: Wanted::Grant };
    world.want(&employees, Wanted::Grant);
    governance.record(&question).await.unwrap();
    world.portal.want(question.project.clone(), question.listing.clone(), Err(ErrorKind::Refused));
    assert_eq!(governance.record(&question).await.unwrap_err().kind(), ErrorKind::Refused);
    assert_eq!(RecordedPortal::new(tracking).wanted(&question).await.unwrap(), Wanted::Revoke);
}

#[tokio::test]
async fn what_public_can_read_is_found_and_said() {
    let world = World::new();
    let [employees, offices] = ["employees", "offices"].map(|name| world.subscription(name));
    world.engine.grant_to_public(&table("employees"));
    let granted = world.grant(&employees).await;
    world.grant(&offices).await;
    let revoked = world.revoke(&employees).await;
    assert!(matches!(&revoked.reads, Reads::Yes(ways) if !ways.is_empty()), "{revoked:?}");
    assert!(world.engine.read_as(&granted.credentials, &table("employees")));
}

#[tokio::test]
async fn what_cannot_be_granted_leaves_things_as_they_were() {
    let world = World::new();
    let [employees, missing, forbidden] = ["employees", "nowhere", "salaries"].map(|name| world.subscription(name));
    world.engine.forbid_grant_option(&table("salaries"));
    for before in [false, true] {
        if before {
            world.grant(&employees).await;
        }
        let snapshot = || {
            (
                world.engine.snapshot().users().cloned().collect::<Vec<_>>(),
                world.vault.live(),
                world.tracking.snapshot().len(),
            )
        };
        let was = snapshot();
        for (subscription, kind) in [(&missing, ErrorKind::TableNotFound), (&forbidden, ErrorKind::NoGrantOption)] {
            world.want(subscription, Wanted::Grant);
            let error = world.fulfilment.grant(subscription).await.unwrap_err();
            assert_eq!((error.kind(), error.left()), (kind, Changed::Nothing), "{error}");
            assert!(!error.is_retryable() && error.step().is_some());
            let subject = error.subject();
            assert!(subject.asset.is_some() && subject.source.is_some() && subject.environment.is_some(), "{error:?}");
            assert_eq!(snapshot(), was);
        }
    }
}

#[tokio::test]
async fn a_deleted_secret_is_said_and_a_revoke_still_works() {
    let world = World::new();
    let employees = world.subscription("employees");
    let granted = world.grant(&employees).await;
    let consumer = world.vault.account(id(CONSUMER), id("arn:aws:iam::222222222222:role/reader"));
    consumer.burn(&granted.secret).await.unwrap();
    let error = world.fulfilment.grant(&employees).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SecretGone);
    assert!(error.advice().is_some());
    assert!(world.revoke(&employees).await.dropped);
    world.assert_nothing_left("");
}

#[tokio::test]
async fn the_copy_follows_its_source() {
    let world = World::new();
    let employees = world.subscription("employees");
    let granted = world.grant(&employees).await;
    let producer = world.vault.account(id(PRODUCER), id("arn:aws:iam::111111111111:role/producer"));
    let name = world.vault.live().into_iter().find(|(account, ..)| account.as_str() == PRODUCER).unwrap().1;
    let Slot::Live(secret) = producer.read(&name).await.unwrap() else { panic!() };
    let mut changed = secret.credentials.clone();
    changed.ssl = Some(true);
    let tags = SecretTags { domain: id("dzd_1"), project: id("fin"), environment: id("env1") };
    producer.replace(&name, &secret.version, &NewSecret { credentials: changed.clone(), tags }).await.unwrap();
    assert_eq!(world.grant(&employees).await.credentials, changed);
    assert_ne!(granted.credentials, changed);
}

#[tokio::test]
async fn a_plan_shows_the_statements_and_changes_nothing() {
    let world = World::new();
    let employees = world.subscription("employees");
    world.want(&employees, Wanted::Grant);
    let plan = world.fulfilment.plan(&employees, Wanted::Grant).await.unwrap();
    let statements: Vec<_> = plan.steps.iter().filter(|step| matches!(step, PlannedStep::Statement(_))).collect();
    assert!(statements.len() >= 2, "{plan:?}");
    world.assert_nothing_left("");

    let granted = world.grant(&employees).await;
    assert_eq!(
        world
            .fulfilment
            .plan(&employees, Wanted::Grant)
            .await
            .unwrap()
            .steps
            .iter()
            .filter(|s| !matches!(s, PlannedStep::Statement(_) | PlannedStep::Secret(_)))
            .count(),
        0
    );
    world.want(&employees, Wanted::Revoke);
    let plan = world.fulfilment.plan(&employees, Wanted::Revoke).await.unwrap();
    let text = format!("{plan:?}");
    assert!(text.contains(granted.user.as_str()) && !text.contains(granted.credentials.password.expose()), "{text}");
    assert!(world.engine.read_as(&granted.credentials, &table("employees")));
}

#[tokio::test]
async fn events_reach_every_environment_and_revokes_start_from_tracking() {
    let world = World::new();
    let employees = world.subscription("employees");
    let mut other = employees.clone();
    other.consumer.environment = id("env2");
    world.portal.add(employees.clone());
    world.portal.add(other.clone());
    let event = |kind: &str| {
        let json = format!(
            r#"{{"id":"e1","source":"aws.datazone","detail-type":"Subscription {kind}","detail":{{"metadata":{{"id":"s1","domain":"dzd_1"}},
            "data":{{"subscribedListing":{{"id":"lst-employees"}},"subscribedPrincipal":{{"id":"fin"}}}}}}}}"#
        );
        SubscriptionEvent::from_json(&json).unwrap()
    };
    world.want(&employees, Wanted::Grant);
    for _ in 0..2 {
        let handled = world.fulfilment.handle(&event("Created")).await.unwrap();
        assert!(
            handled
                .iter()
                .all(|h| matches!(h, Handled::Done { result, .. } if matches!(**result, Ok(Outcome::Granted(_))))),
            "{handled:?}"
        );
        assert_eq!(handled.len(), 2);
    }
    assert_eq!(world.engine.snapshot().users().cloned().collect::<Vec<_>>().len(), 2);

    world.want(&employees, Wanted::Revoke);
    let handled = world.fulfilment.handle(&event("Revoked")).await.unwrap();
    assert_eq!(handled.len(), 2);
    world.assert_nothing_left("");
    assert_eq!(world.portal.reports().iter().filter(|(_, _, outcome)| outcome == "revoked").count(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_runs_at_once_end_as_some_serial_order_would() {
    for round in 0..10 {
        let world = Arc::new(World::new());
        let names = ["employees", "offices", "salaries"];
        let runs: Vec<_> = (0..24)
            .map(|i| {
                let world = Arc::clone(&world);
                tokio::spawn(async move {
                    let subscription = world.subscription(names[i % 3]);
                    // The portal wants employees and offices, and not salaries, whatever the runs were started for.
                    let wanted = if i % 3 == 2 { Wanted::Revoke } else { Wanted::Grant };
                    world.want(&subscription, wanted);
                    let run = if (i + round) % 2 == 0 {
                        world.fulfilment.grant(&subscription).await
                    } else {
                        world.fulfilment.revoke(&subscription).await
                    };
                    run.unwrap()
                })
            })
            .collect();
        for run in runs {
            run.await.unwrap();
        }
        let live = world.vault.live();
        assert_eq!(live.len(), 2, "one secret and its copy");
        let credentials = &live[0].2;
        assert_eq!(&live[1].2, credentials);
        for (name, readable) in [("employees", true), ("offices", true), ("salaries", false)] {
            assert_eq!(world.engine.read_as(credentials, &table(name)), readable, "{name}");
        }
        world.revoke(&world.subscription("employees")).await;
        world.revoke(&world.subscription("offices")).await;
        world.assert_nothing_left("");
    }
}

#[tokio::test]
async fn bad_configuration_is_named_at_once() {
    let error = Fulfilment::builder().build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    for part in ["engines", "credential store", "tracking store", "catalogue"] {
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[tokio::test]
async fn unknown_connections_and_engines_are_said() {
    let world = World::new();
    let mut nowhere = world.subscription("employees");
    nowhere.location.connection = id("nowhere");
    world.want(&nowhere, Wanted::Grant);
    assert_eq!(world.fulfilment.grant(&nowhere).await.unwrap_err().kind(), ErrorKind::NotFound);

    let mut source = world.engine.source();
    source.connection = id("db2");
    source.endpoint.subprotocol = "db2".into();
    world.catalog.add(source);
    nowhere.location.connection = id("db2");
    let error = world.fulfilment.grant(&nowhere).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownEngine);
    assert!(error.advice().is_some_and(|advice| advice.contains("memory")));
    world.assert_nothing_left("");
}

#[tokio::test]
async fn a_producer_that_may_not_ask_obeys_what_governance_recorded() {
    let world = World::new();
    let employees = world.subscription("employees");
    let tracking: Arc<dyn dzconn_core::TrackingStore> = Arc::new(world.tracking.clone());
    let governance = Governance::new(Arc::new(world.portal.clone()), Arc::clone(&tracking));
    let producer = RecordedPortal::new(tracking);
    let question = Question {
        domain: employees.domain.clone(),
        project: employees.consumer.project.clone(),
        environment: employees.consumer.environment.clone(),
        listing: employees.listing.id.clone(),
        asset: employees.asset.id.clone(),
        subscription: None,
        told: Wanted::Grant,
    };
    assert_eq!(producer.wanted(&question).await.unwrap(), Wanted::Revoke, "nobody has asked yet");
    world.want(&employees, Wanted::Grant);
    assert_eq!(governance.record(&question).await.unwrap(), Wanted::Grant);
    assert_eq!(producer.wanted(&question).await.unwrap(), Wanted::Grant);
    governance.forget(&question).await.unwrap();
    assert_eq!(producer.wanted(&question).await.unwrap(), Wanted::Grant, "what is wanted is not forgotten");
    world.want(&employees, Wanted::Revoke);
    governance.record(&question).await.unwrap();
    assert_eq!(producer.wanted(&question).await.unwrap(), Wanted::Revoke);
    governance.forget(&question).await.unwrap();
    assert!(world.tracking.snapshot().is_empty());
}
