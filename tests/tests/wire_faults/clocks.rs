//! Processes that do not agree on the time.

use dzconn_core::testkit::engine::EngineFixture;
use dzconn_core::workflow::Outcome;
use dzconn_tests::aws::AwsWorld;

use super::aws::published;

/// Each run is by another process, whose clock is hours before or behind that of the last: what it signs with, and by which it
/// judges its sessions. What records say of times is tried in `dzconn-core/tests/workflow/clocks.rs`.
pub(crate) async fn apart(fixture: &dyn EngineFixture, moto: &str) {
    let mut world = AwsWorld::new(moto).await.unwrap();
    let (_, listing) = published(fixture, &world).await;
    world.subscribe(&listing);
    let mut credentials = None;
    for hours in [0, 6, -6, 30, -30] {
        world.fulfilment = world.process_at(hours).await.unwrap();
        match world.outcome("Created", &listing).await.unwrap() {
            Outcome::Granted(granted) => {
                assert_eq!(granted.changed, credentials.is_none(), "{hours}");
                let first = credentials.get_or_insert(granted.credentials.clone());
                assert_eq!(granted.credentials, *first, "{hours}");
            }
            other => panic!("{hours}: {other:?}"),
        }
    }
    world.end_subscription(&listing, false);
    world.fulfilment = world.process_at(-12).await.unwrap();
    assert!(matches!(world.outcome("Revoked", &listing).await.unwrap(), Outcome::Revoked(gone) if gone.dropped));
    assert_eq!(world.left().await.unwrap(), Vec::<String>::new());
    assert!(fixture.open(&credentials.unwrap()).await.unwrap().is_none());
}
