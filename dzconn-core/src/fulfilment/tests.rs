//! How a fulfilment treats its ports.

use mockall::predicate::eq;

use super::{Fulfilment, Settings};
use crate::catalog::MockCatalog;
use crate::engine::Engines;
use crate::memory::{MemoryEngine, MemoryTracking, MemoryVault};
use crate::model::{
    AccountId, AdminLogin, Asset, AssetId, AssetPath, Consumer, DomainId, EnvironmentId, Listing, ListingId, Location,
    Owner, Principal, ProjectId, Region, Source, Subscription, TableName,
};
use crate::workflow::Outcome;
use crate::{Changed, Error, ErrorKind, Result, Secret};

fn subscription(source: &Source) -> Result<Subscription> {
    let owner = Owner::new(AccountId::new("1")?, Region::new("r")?);
    Ok(Subscription {
        domain: DomainId::new("dzd_1")?,
        consumer: Consumer {
            project: ProjectId::new("p")?,
            environment: EnvironmentId::new("e")?,
            owner: owner.clone(),
        },
        asset: Asset { id: AssetId::new("a")?, revision: "1".into(), asset_type: "T".into() },
        listing: Listing { id: ListingId::new("l")?, name: "n".into(), revision: "1".into() },
        location: Location { connection: source.connection.clone(), path: AssetPath::new("db.s.t")?, owner },
        subscription: None,
        event: None,
    })
}

fn fulfilment(engine: &MemoryEngine, catalog: MockCatalog) -> Result<Fulfilment> {
    let account = MemoryVault::new().account(AccountId::new("1")?, Principal::new("dzconn")?);
    Fulfilment::builder()
        .engines(Engines::new().with(engine.clone()))
        .credentials(account)
        .tracking(MemoryTracking::new())
        .catalog(catalog)
        .settings(Settings { retries: 0, ..Settings::default() })
        .build()
}

#[tokio::test]
async fn the_admin_login_is_looked_up_for_each_run() {
    let engine = MemoryEngine::new();
    engine.add_table(&TableName::in_schema("db", "s", "t").unwrap());
    let source = engine.source();
    let right = source.clone();
    let changed = AdminLogin { password: Secret::new("changed since".into()), ..source.admin.clone() };
    let wrong = Source { admin: changed, ..source.clone() };

    let mut catalog = MockCatalog::new();
    let mut calls = mockall::Sequence::new();
    // A login that is refused is looked up once more.
    for answer in [right.clone(), wrong.clone(), wrong, right] {
        let connection = source.connection.clone();
        catalog.expect_source().with(eq(connection)).times(1).in_sequence(&mut calls).return_once(move |_| Ok(answer));
    }
    let fulfilment = fulfilment(&engine, catalog).unwrap();
    let subscription = subscription(&source).unwrap();
    assert!(matches!(fulfilment.grant(&subscription).await.unwrap(), Outcome::Granted(_)));
    // The session that was kept belongs to another login, and is not used for this one.
    assert_eq!(fulfilment.grant(&subscription).await.unwrap_err().kind(), ErrorKind::AdminLoginRefused);
    assert!(matches!(fulfilment.grant(&subscription).await.unwrap(), Outcome::Granted(_)));
}

#[tokio::test]
async fn a_connection_that_cannot_be_looked_up_changes_nothing() {
    let engine = MemoryEngine::new();
    let mut catalog = MockCatalog::new();
    catalog.expect_source().times(1).return_once(|_| Err(Error::new(ErrorKind::SecretInvalid, "no password in it")));
    let error =
        fulfilment(&engine, catalog).unwrap().grant(&subscription(&engine.source()).unwrap()).await.unwrap_err();
    assert_eq!((error.kind(), error.left()), (ErrorKind::SecretInvalid, Changed::Nothing));
    assert!(error.subject().source.is_some() && error.step().is_some());
}
