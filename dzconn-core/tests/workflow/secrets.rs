//! Secrets that hold something else than they should, and passwords that do not log in.

use async_trait::async_trait;
use dzconn_core::engine::{Action, Login};
use dzconn_core::memory::MemoryEngine;
use dzconn_core::model::*;
use dzconn_core::portal::Wanted;
use dzconn_core::store::{Record, Slot};
use dzconn_core::testkit::faults::{Faults, When};
use dzconn_core::{Changed, CredentialStore as _, Deadline, EngineConnector, ErrorKind, Result, Secret, SourceEngine};

use crate::world::{PRODUCER, World, id, table};

/// The producer's secret: its name and what it holds.
async fn secret(world: &World) -> (SecretName, Credentials) {
    let records = world.tracking.snapshot();
    let name = records.iter().find_map(|(_, stored)| match &stored.record {
        Record::Source(source) => source.generation.clone().map(|generation| generation.secret),
        _ => None,
    });
    let owner = world.vault.account(id(PRODUCER), id("arn:aws:iam::111111111111:role/producer"));
    match owner.read(name.as_ref().unwrap()).await.unwrap() {
        Slot::Live(secret) => (name.unwrap(), secret.credentials),
        other => panic!("{other:?}"),
    }
}

/// Puts something else into the producer's secret, lets a rotation and a grant meet it, and puts back what was there.
async fn refuses(world: &World, other: &Credentials) {
    let (name, own) = secret(world).await;
    let offices = world.subscription("offices");
    world.want(&offices, Wanted::Grant);
    world.vault.put_raw(&id(PRODUCER), &name, other.to_json());
    let before = world.vault.snapshot();
    let rotation = world.fulfilment.rotate(&world.engine.source().connection, &id("env1")).await.unwrap_err();
    let grant = world.fulfilment.grant(&offices).await.unwrap_err();
    for error in [rotation, grant] {
        assert_eq!(error.kind(), ErrorKind::SecretInvalid, "{other:?}: {error}");
    }
    assert_eq!((world.vault.snapshot(), world.readable()), (before, vec!["employees"]), "{other:?}");
    world.vault.put_raw(&id(PRODUCER), &name, own.to_json());
}

#[tokio::test]
async fn a_secret_that_names_another_host_port_or_user_is_not_used() {
    let world = World::new();
    world.grant(&world.subscription("employees")).await;
    let (_, own) = secret(&world).await;
    let user = UserName::new("somebody").unwrap();
    let elsewhere = |change: &dyn Fn(&mut SourceEndpoint)| {
        let mut credentials = own.clone();
        change(&mut credentials.endpoint);
        credentials
    };
    for other in [
        Credentials { user, ..own.clone() },
        elsewhere(&|endpoint| endpoint.host = "elsewhere".to_owned()),
        elsewhere(&|endpoint| endpoint.port += 1),
    ] {
        refuses(&world, &other).await;
    }
    world.grant(&world.subscription("offices")).await;
}

/// Only from when the spare is as good as the user until the record says that they have swapped may the secret name either.
#[tokio::test]
async fn a_secret_that_names_the_user_of_before_is_not_used() {
    let world = World::new();
    world.grant(&world.subscription("employees")).await;
    let (_, before) = secret(&world).await;
    world.fulfilment.rotate(&world.engine.source().connection, &id("env1")).await.unwrap();
    assert_ne!(secret(&world).await.1.user, before.user);
    refuses(&world, &before).await;
}

/// A server that lets dzconn's users in no more, whatever their passwords.
#[derive(Debug)]
struct LetsNobodyIn(MemoryEngine);

#[async_trait]
impl EngineConnector for LetsNobodyIn {
    fn subprotocols(&self) -> &'static [&'static str] {
        self.0.subprotocols()
    }
    fn max_user_name(&self) -> usize {
        self.0.max_user_name()
    }
    async fn connect(&self, source: &Source, deadline: Deadline) -> Result<Box<dyn SourceEngine>> {
        self.0.connect(source, deadline).await
    }
    async fn log_in(&self, _: &Source, _: &Credentials, _: Option<&TableName>, _: Deadline) -> Result<Login> {
        Ok(Login::Refused)
    }
    fn statements(&self, source: &Source, action: &Action) -> Vec<String> {
        self.0.statements(source, action)
    }
}

#[tokio::test]
async fn a_login_that_is_refused_with_the_password_just_set_is_an_error() {
    let world = World::new();
    let granted = world.grant(&world.subscription("employees")).await;
    let (offices, fulfilment) =
        (world.subscription("offices"), world.by_way_of(LetsNobodyIn(world.engine.clone()), world.portal.clone()));
    world.want(&offices, Wanted::Grant);
    let error = fulfilment.grant(&offices).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UserLoginRefused, "{error}");
    assert!(!world.engine.read_as(&granted.credentials, &table("offices")), "it was taken back");
    assert_eq!(world.readable(), ["employees"]);
    let error = fulfilment.rotate(&world.engine.source().connection, &id("env1")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UserLoginRefused, "{error}");
    assert_eq!(world.readable(), ["employees"]);
}

/// Once the new value may be made current at any time, no other is put in its place; where the secret has changed so that it fits no
/// more, or names a stranger, that is said.
#[tokio::test]
async fn a_secret_that_is_changed_after_its_successor_was_proposed() {
    let world = World::new();
    world.grant(&world.subscription("employees")).await;
    let connection = world.engine.source().connection;
    let (name, own) = secret(&world).await;
    // In the form that the changes below have, so that nothing else differs.
    world.vault.put_raw(&id(PRODUCER), &name, own.to_json());
    world.spy.fail_at("secret.promote", When::Before, ErrorKind::Timeout);
    world.fulfilment.rotate(&connection, &id("env1")).await.unwrap_err();
    let user = UserName::new("somebody").unwrap();
    for changed in [Credentials { database: Some("other".to_owned()), ..own.clone() }, Credentials { user, ..own }] {
        world.vault.put_raw(&id(PRODUCER), &name, changed.to_json());
        let error = world.fulfilment.rotate(&connection, &id("env1")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::SecretInvalid, "{changed:?}: {error}");
        assert_eq!(world.readable(), ["employees"]);
    }
}

/// Somebody has given the second user another name in the record, after credentials were proposed for the first.
#[tokio::test]
async fn a_proposal_for_another_user_than_the_record_names_is_not_used() {
    let world = World::new();
    world.grant(&world.subscription("employees")).await;
    let connection = world.engine.source().connection;
    world.spy.fail_at("source.create_user", When::Before, ErrorKind::AdminDenied);
    world.fulfilment.rotate(&connection, &id("env1")).await.unwrap_err();
    for (key, stored) in world.tracking.snapshot().iter() {
        let mut stored = stored.clone();
        if let Record::Source(SourceRecord { generation: Some(generation), .. }) = &mut stored.record {
            generation.spare = Some(UserName::new("dz_env1_renamed").unwrap());
            world.tracking.insert(key.clone(), stored);
        }
    }
    let error = world.fulfilment.rotate(&connection, &id("env1")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SecretInvalid, "{error}");
    assert_eq!((world.engine.snapshot().users().count(), world.readable()), (1, vec!["employees"]));
}

/// A password that was set at the source by hand is set back, and a user that was dropped there is made again; both are told.
#[tokio::test]
async fn what_is_mended_is_a_change() {
    let world = World::new();
    let granted = world.grant(&world.subscription("employees")).await;
    world.engine.with(|database| database.remove_user(&granted.user));
    assert!(world.grant(&world.subscription("employees")).await.changed);
    let by_hand = Credentials { password: Secret::new("by hand".into()), ..granted.credentials };
    world.engine.with(|database| database.set_password(&by_hand)).unwrap();
    assert!(world.grant(&world.subscription("employees")).await.changed);
    assert!(!world.grant(&world.subscription("employees")).await.changed);
    assert_eq!(world.readable(), ["employees"]);
}

/// What a run that failed has left: nothing, or what it could not take back either.
#[tokio::test]
async fn a_grant_that_cannot_be_taken_back_is_not_said_to_be() {
    let world = World::new();
    world.grant(&world.subscription("employees")).await;
    let offices = world.subscription("offices");
    world.want(&offices, Wanted::Grant);
    let engine = world.spy.watch(LetsNobodyIn(world.engine.clone()));
    let fulfilment = world.by_way_of(engine, world.portal.clone());
    assert_eq!(fulfilment.grant(&offices).await.unwrap_err().left(), Changed::Nothing);
    world.spy.fail_at("source.revoke", When::Before, ErrorKind::AdminDenied);
    let error = fulfilment.grant(&offices).await.unwrap_err();
    assert_eq!((error.kind(), error.left()), (ErrorKind::UserLoginRefused, Changed::Unfinished), "{error}");
}

/// A source that refuses a password is asked once more with another one, and then not again.
#[tokio::test]
async fn a_source_that_refuses_every_password_is_asked_twice() {
    // The second user is made, or is there and given another password.
    for (rotations, refused, again, attempt) in [
        (0, "source.create_user", 3, &["source.create_user"][..]),
        (2, "source.set_password", 5, &["source.create_user", "source.set_password"]),
    ] {
        let world = World::new();
        world.grant(&world.subscription("employees")).await;
        let connection = world.engine.source().connection;
        for _ in 0..rotations {
            world.fulfilment.rotate(&connection, &id("env1")).await.unwrap();
        }
        let (first, second) = (Faults::default(), Faults::default());
        let fulfilment = world.by_way_of(second.watch(first.watch(world.engine.clone())), world.portal.clone());
        // The inner one breaks the first attempt, the outer one the second.
        first.fail_at(refused, When::Before, ErrorKind::PasswordRejected);
        second.fail(again, When::Before, ErrorKind::PasswordRejected);
        let error = fulfilment.rotate(&connection, &id("env1")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PasswordRejected, "{error}");
        let calls = [&["source.connect", "source.lock"][..], attempt, attempt, &["source.unlock"]].concat();
        assert_eq!((second.calls(), world.readable()), (calls, vec!["employees"]));
    }
}
