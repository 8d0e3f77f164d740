//! Whoever owns the admin secret rotates it.

use dzconn_core::model::{Credentials, UserName};
use dzconn_core::{Changed, Deadline, ErrorKind, Secret};
use dzconn_tests::aws::AwsWorld;
use dzconn_tests::engine::Fixture;
use serde_json::json;

use super::{granted, reads, revoked, tables};

pub(crate) async fn a_changed_admin_secret_needs_no_restart(fixture: &dyn Fixture, moto: &str) {
    let [employees, offices] = tables(fixture, ["employees", "offices"]).await;
    let world = AwsWorld::new(moto).await.unwrap();
    let connection = world.connect("hr", &fixture.source()).await.unwrap();
    let [first, second] =
        [world.publish(&connection, &employees).await.unwrap(), world.publish(&connection, &offices).await.unwrap()];
    world.subscribe(&first);
    let consumer = granted(world.outcome("Created", &first).await.unwrap()).credentials;

    // The server is told first. In between, a new login is refused, and nothing is changed.
    let admin = change_password(fixture, &consumer).await;
    world.fulfilment.close().await;
    world.subscribe(&second);
    let error = world.outcome("Created", &second).await.unwrap_err();
    assert_eq!((error.kind(), error.left()), (ErrorKind::AdminLoginRefused, Changed::Nothing), "{error:?}");
    assert_eq!(reads(fixture, &consumer, &employees).await, Some(true));

    let secrets = aws_sdk_secretsmanager::Client::new(&world.sdk(&world.producer).await.unwrap());
    let value = json!({"username": admin.user.as_str(), "password": admin.password.expose()}).to_string();
    let name = format!("admin-{}", connection.as_str().rsplit('/').next().unwrap());
    secrets.put_secret_value().secret_id(name).secret_string(value).send().await.unwrap();
    // The same process goes on.
    granted(world.outcome("Created", &second).await.unwrap());
    assert_eq!(reads(fixture, &consumer, &offices).await, Some(true));
    for listing in [&first, &second] {
        world.end_subscription(listing, false);
        revoked(world.outcome("Revoked", listing).await.unwrap());
    }
    assert_eq!(reads(fixture, &consumer, &offices).await, None);
    assert_eq!(world.left().await.unwrap(), Vec::<String>::new());
}

/// The source's admin has another password, and the former one does not log in any more.
async fn change_password(fixture: &dyn Fixture, like: &Credentials) -> Credentials {
    let soon = || Deadline::within(std::time::Duration::from_secs(20));
    let (source, connector) = (fixture.source(), fixture.connector());
    let user = UserName::new(&*source.admin.user).unwrap();
    let now = Credentials { user, password: Secret::new("Aa3-another1".into()), ..like.clone() };
    let mut session = connector.connect(&source, soon()).await.unwrap();
    session.set_password(&now).await.unwrap();
    session.close().await.unwrap();
    let refused = connector.connect(&source, soon()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::AdminLoginRefused, "{refused:?}");
    now
}
