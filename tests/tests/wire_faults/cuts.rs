//! Connections that end, or go silent, in mid-statement.

use std::time::{Duration, Instant};

use dzconn_core::ErrorKind;
use dzconn_core::testkit::engine::EngineFixture;
use dzconn_tests::proxy::Cut;
use futures_util::future::join_all;

use super::bench::{Bench, clear, impatient, settings};

/// Each message is cut in one way, in turn; with this variable, in every way.
const EVERY: &str = "DZCONN_TEST_EVERY_CUT";

pub(crate) async fn grant(fixture: &dyn EngineFixture) {
    each_message(fixture, true).await;
}

pub(crate) async fn revoke(fixture: &dyn EngineFixture) {
    each_message(fixture, false).await;
}

async fn each_message(fixture: &dyn EngineFixture, grants: bool) {
    let mut bench = Bench::new(fixture, settings()).await;
    let every = std::env::var_os(EVERY).is_some();
    for n in 0.. {
        for (i, cut) in Cut::ENDS.into_iter().enumerate() {
            if !every && (n + usize::from(grants)) % 3 != i {
                continue;
            }
            let context = format!("grant {grants}, message {n} cut {cut:?}");
            bench.world.move_on();
            if !grants {
                bench.world.grant(bench.employees()).await.unwrap();
            }
            bench.world.fulfilment.close().await;
            bench.proxy.cut(n, cut);
            let result = bench.run(grants).await;
            if !bench.proxy.heal() {
                result.unwrap();
                assert!(n > 5, "{context}: there are more messages than that");
                return bench.clean(&context).await;
            }
            // One cut is got over.
            result.unwrap_or_else(|error| panic!("{context}: {error:?}"));
            bench.afterwards(n, grants, &context).await;
        }
    }
}

/// Nothing gets through any more, for longer than the run has patience.
pub(crate) async fn outage(fixture: &dyn EngineFixture) {
    let mut bench = Bench::new(fixture, impatient(8)).await;
    let mut failed = 0;
    for grants in [true, false] {
        for n in (usize::from(grants)..).step_by(4) {
            let context = format!("grant {grants}, an outage from message {n} on");
            bench.world.move_on();
            if !grants {
                bench.world.grant(bench.employees()).await.unwrap();
            }
            bench.world.fulfilment.close().await;
            bench.proxy.cut(n, Cut::Outage);
            let result = bench.run(grants).await;
            if !bench.proxy.heal() {
                result.unwrap();
                bench.clean(&context).await;
                break;
            }
            if let Err(error) = result {
                clear(&error, &context);
                let kinds = [ErrorKind::ConnectionLost, ErrorKind::Unreachable];
                assert!(kinds.contains(&error.kind()), "{context}: {error:?}");
                failed += 1;
            }
            bench.afterwards(n, grants, &context).await;
        }
    }
    assert!(failed > 3, "only {failed} runs noticed the outage");
}

/// No bytes, and no end either: the run gives up at its deadline, and its session, of which the server knows nothing better than
/// that it is silent, does not keep the lock for long.
pub(crate) async fn silence(fixture: &dyn EngineFixture) {
    let tables = Bench::new(fixture, settings()).await.tables;
    let silent = [0, 6, 7, 10].map(|n| {
        let tables = tables.clone();
        async move {
            let deadline = Duration::from_secs(2);
            let mut bench = Bench::over(fixture, impatient(deadline.as_secs()), tables).await;
            let context = format!("silent from message {n} on");
            bench.proxy.cut(n, Cut::Silence);
            let begun = Instant::now();
            let error = bench.run(true).await.expect_err(&context);
            assert!(begun.elapsed() < deadline + Duration::from_secs(5), "{context}: {:?}", begun.elapsed());
            assert!(bench.proxy.heal(), "{context}: there are fewer messages");
            clear(&error, &context);
            assert_eq!(error.kind(), ErrorKind::Timeout, "{context}: {error:?}");
            if !fixture.ends_silent_sessions() {
                bench.proxy.end_all();
            }
            let mut patient = settings();
            patient.lock_wait = Duration::from_secs(18);
            bench.world.restart(patient).unwrap();
            bench.afterwards(n, true, &context).await;
        }
    });
    join_all(silent).await;
}
