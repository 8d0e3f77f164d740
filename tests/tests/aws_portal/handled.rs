//! Whole runs with memory for all that is not the portal, and the outcomes that they have.

use dzconn_core::event::Ending;
use dzconn_core::fulfilment::Handled;
use dzconn_core::memory::{MemoryCatalog, MemoryEngine, MemoryTracking, MemoryVault};
use dzconn_core::model::{AccountId, Principal, TableName};
use dzconn_core::portal::AsTold;
use dzconn_core::workflow::Outcome;
use dzconn_core::{Engines, Fulfilment, Portal};
use dzconn_datazone_stub::Subscription;

use crate::world::{PRODUCER, World, connection, event, subscription};

/// A fulfilment of this portal's subscriptions, with a source that has the table.
fn fulfilment(portal: impl Portal + 'static) -> (Fulfilment, MemoryEngine, TableName) {
    let engine = MemoryEngine::new();
    let table = TableName::in_schema("sales", "hr", "employees").unwrap();
    engine.add_table(&table);
    let catalog = MemoryCatalog::new();
    let mut source = engine.source();
    source.connection = connection();
    catalog.add(source);
    let fulfilment = Fulfilment::builder()
        .engines(Engines::new().with(engine.clone()))
        .credentials(MemoryVault::new().account(AccountId::new(PRODUCER).unwrap(), Principal::new("dzconn").unwrap()))
        .tracking(MemoryTracking::new())
        .catalog(catalog)
        .portal(portal)
        .build()
        .unwrap();
    (fulfilment, engine, table)
}

/// What a grant, a retention and a revoke have for an outcome.
pub(crate) struct Outcomes {
    pub(crate) granted: Outcome,
    pub(crate) retained: Outcome,
    pub(crate) revoked: Outcome,
}

pub(crate) async fn outcomes() -> Outcomes {
    let (fulfilment, ..) = fulfilment(AsTold);
    let outcomes = Outcomes {
        granted: fulfilment.grant(&subscription()).await.unwrap(),
        retained: fulfilment.retain(&subscription()).await.unwrap(),
        revoked: fulfilment.revoke(&subscription()).await.unwrap(),
    };
    assert!(matches!(&outcomes.granted, Outcome::Granted(_)) && matches!(&outcomes.retained, Outcome::Retained(_)));
    assert!(matches!(&outcomes.revoked, Outcome::Revoked(_)));
    outcomes
}

async fn handle(fulfilment: &Fulfilment, ending: Option<Ending>) -> Outcome {
    let mut handled = fulfilment.handle(&event(ending)).await.unwrap();
    match (handled.pop(), handled.pop()) {
        (Some(Handled::Done { result, .. }), None) => result.unwrap(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_the_portal_says_is_done_and_reported_to_it() {
    let world = World::new().await;
    world.target("custom", "dzconn");
    world.grant("g-1", "custom", "GRANT_PENDING");
    let (fulfilment, engine, table) = fulfilment(world.portal.clone());

    let Outcome::Granted(granted) = handle(&fulfilment, None).await else { panic!("a grant") };
    assert!(engine.read_as(&granted.credentials, &table));
    assert_eq!(world.statuses(), [("g-1".to_owned(), "GRANTED".to_owned())]);

    // A late event of an earlier end: the subscription is approved, so access stays.
    assert_eq!(handle(&fulfilment, Some(Ending::Revoke)).await, Outcome::Superseded);
    assert!(engine.read_as(&granted.credentials, &table));
    assert_eq!(world.statuses(), [("g-1".to_owned(), "GRANTED".to_owned())]);

    // The end itself, after the listing has gone: tracking has what there was.
    world.domain(|domain| {
        domain.listings.clear();
        domain.subscriptions[0].status = "REVOKED".to_owned();
        domain.grants[0].assets[0].status = "REVOKE_PENDING".to_owned();
    });
    let handled = fulfilment.handle(&event(Some(Ending::Revoke))).await.unwrap();
    assert!(!engine.read_as(&granted.credentials, &table), "{handled:?}");
    assert_eq!(world.statuses(), [("g-1".to_owned(), "REVOKED".to_owned())]);
}

#[tokio::test]
async fn filters_let_nothing_through() {
    let world = World::new().await;
    world.target("custom", "dzconn");
    world.grant("g-1", "custom", "GRANT_PENDING");
    world.domain(|domain| {
        let filters = Some(vec!["rows-eu".to_owned()]);
        domain.subscriptions = vec![Subscription { filters, ..Subscription::approved("sub-1", "cons", "lst-1") }];
    });
    let (fulfilment, engine, _) = fulfilment(world.portal.clone());
    let handled = fulfilment.handle(&event(None)).await.unwrap();
    let [Handled::Done { result, .. }] = handled.as_slice() else { panic!("{handled:?}") };
    assert_eq!(result.as_ref().as_ref().unwrap_err().kind(), dzconn_core::ErrorKind::Refused);
    assert_eq!(engine.snapshot().users().count(), 0);
    let (status, cause) = world.history("g-1").pop().unwrap();
    assert_eq!(status, "GRANT_FAILED");
    assert!(cause.unwrap().contains("rows-eu"));
}
