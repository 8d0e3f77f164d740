//! Servers that go and come back.

use std::time::Duration;

use dzconn_test_servers::Stop;

use super::bench::{Bench, clear, settings};
use super::lab::Lab;

/// The session that was kept is dead: the next run notices, and takes another.
pub(crate) async fn between(lab: &mut Lab) {
    let fixture = lab.fixture().await;
    let bench = Bench::new(&*fixture, settings()).await;
    bench.world.grant(bench.employees()).await.unwrap();
    for (how, table) in [(Stop::Fast, bench.offices()), (Stop::Crash, &bench.tables[2])] {
        lab.halt(how);
        lab.resume().await;
        let granted = bench.world.grant(table).await.unwrap();
        assert!(fixture.open(&granted.credentials).await.unwrap().is_some(), "{how:?}");
    }
    lab.halt(Stop::Crash);
    lab.resume().await;
    bench.clean("restarted").await;
}

/// Whenever it happens in a run.
pub(crate) async fn amid(lab: &mut Lab) {
    let fixture = lab.fixture().await;
    let mut bench = Bench::new(&*fixture, settings()).await;
    for (turn, moment) in [2_u64, 20, 45, 90].into_iter().enumerate() {
        let (grants, how) = (turn % 2 == 0, if turn % 3 == 0 { Stop::Fast } else { Stop::Crash });
        let context = format!("grant {grants}, {how:?} after {moment} ms");
        bench.world.move_on();
        if !grants {
            bench.world.grant(bench.employees()).await.unwrap();
        }
        let (fulfilment, subscription) =
            (bench.world.fulfilment.clone(), bench.world.subscription(bench.employees()).unwrap());
        let run = tokio::spawn(async move {
            if grants { fulfilment.grant(&subscription).await } else { fulfilment.revoke(&subscription).await }
        });
        tokio::time::sleep(Duration::from_millis(moment)).await;
        lab.halt(how);
        lab.resume().await;
        if let Err(error) = run.await.unwrap() {
            clear(&error, &context);
        }
        bench.afterwards(turn, grants, &context).await;
    }
}
