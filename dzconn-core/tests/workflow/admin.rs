//! The admin's login is somebody else's to rotate: what a run that meets it does.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use dzconn_core::engine::Engines;
use dzconn_core::fulfilment::Settings;
use dzconn_core::model::{AdminLogin, ConnectionId, Source};
use dzconn_core::portal::Wanted;
use dzconn_core::workflow::Outcome;
use dzconn_core::{Catalog, ErrorKind, Fulfilment, Result, Secret};

use crate::world::{CONSUMER, PRODUCER, World, id, table};

/// Answers one login after another, and the last for good; and counts.
#[derive(Clone, Debug)]
struct Rotating(Arc<Mutex<(Vec<Source>, usize)>>);

#[async_trait]
impl Catalog for Rotating {
    async fn source(&self, _: &ConnectionId) -> Result<Source> {
        let mut state = self.0.lock().unwrap();
        state.1 += 1;
        Ok(if state.0.len() > 1 { state.0.remove(0) } else { state.0[0].clone() })
    }
}

impl Rotating {
    fn over(sources: &[&Source]) -> Self {
        Self(Arc::new(Mutex::new((sources.iter().map(|source| (*source).clone()).collect(), 0))))
    }

    fn set(&self, sources: &[&Source]) {
        *self.0.lock().unwrap() = (sources.iter().map(|source| (*source).clone()).collect(), 0);
    }

    fn asked(&self) -> usize {
        self.0.lock().unwrap().1
    }
}

fn fulfilment(world: &World, catalog: Rotating) -> Fulfilment {
    let mut settings = Settings::default();
    settings.reader = Some("arn:aws:iam::{account}:role/reader".into());
    let view = |account, role| world.vault.account(id(account), id(role));
    Fulfilment::builder()
        .engines(Engines::new().with(world.spy.watch(world.engine.clone())))
        .credentials(view(PRODUCER, "arn:aws:iam::111111111111:role/producer"))
        .copies(view(CONSUMER, "arn:aws:iam::222222222222:role/reader"))
        .tracking(world.tracking.clone())
        .catalog(catalog)
        .portal(world.portal.clone())
        .settings(settings)
        .build()
        .unwrap()
}

fn another(of: &Source, user: &str, password: &str) -> Source {
    Source { admin: AdminLogin { user: user.into(), password: Secret::new(password.into()) }, ..of.clone() }
}

#[tokio::test]
async fn a_login_that_is_rotated_meanwhile_is_looked_up_once_more() {
    let world = World::new();
    let right = world.engine.source();
    let (old, user) = (another(&right, &right.admin.user, "old"), another(&right, "before", "old"));
    let catalog = Rotating::over(&[&right]);
    let fulfilment = fulfilment(&world, catalog.clone());
    let subscription = world.subscription("employees");
    world.want(&subscription, Wanted::Grant);
    for stale in [&old, &user] {
        catalog.set(&[stale, &right]);
        let Outcome::Granted(granted) = fulfilment.grant(&subscription).await.unwrap() else { panic!("not granted") };
        assert!(world.engine.read_as(&granted.credentials, &table("employees")));
        assert_eq!(catalog.asked(), 2);
        fulfilment.close().await;
    }

    // It is refused, and still what the secret says: once more would only lock the admin out.
    for (sources, asked) in [(vec![&old], 2), (vec![&old, &user, &right], 2)] {
        catalog.set(&sources);
        world.spy.calls();
        let error = fulfilment.grant(&subscription).await.unwrap_err();
        assert_eq!((error.kind(), catalog.asked()), (ErrorKind::AdminLoginRefused, asked), "{error:?}");
        let logins = world.spy.calls().iter().filter(|call| **call == "source.connect").count();
        assert_eq!(logins, sources.len().min(2));
    }

    // Another host is another source: not without the lock that the run has come for.
    let mut moved = right.clone();
    moved.endpoint.host = "elsewhere".to_owned();
    catalog.set(&[&old, &moved]);
    assert_eq!(fulfilment.grant(&subscription).await.unwrap_err().kind(), ErrorKind::AdminLoginRefused);
}

#[tokio::test]
async fn a_kept_session_is_not_used_with_another_login() {
    let world = World::new();
    let right = world.engine.source();
    let catalog = Rotating::over(&[&right]);
    let fulfilment = fulfilment(&world, catalog.clone());
    let subscription = world.subscription("employees");
    world.want(&subscription, Wanted::Grant);
    let connects = || world.spy.calls().iter().filter(|call| **call == "source.connect").count();
    fulfilment.grant(&subscription).await.unwrap();
    assert_eq!(connects(), 1);
    fulfilment.grant(&subscription).await.unwrap();
    assert_eq!(connects(), 0, "the kept one");
    let other = another(&right, "other", "other");
    catalog.set(&[&other]);
    assert_eq!(fulfilment.grant(&subscription).await.unwrap_err().kind(), ErrorKind::AdminLoginRefused);
    assert_eq!(connects(), 1, "who may not log in any more does nothing, session or not");
    catalog.set(&[&right]);
    fulfilment.grant(&subscription).await.unwrap();
    assert_eq!(connects(), 1);
}
