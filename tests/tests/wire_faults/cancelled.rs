//! Runs that are dropped: nothing of them goes on, and nothing of them is in the way.

use std::future::poll_fn;
use std::task::Poll;

use dzconn_core::testkit::engine::EngineFixture;

use super::bench::{Bench, settings};

/// About how many places of each run are tried.
const PLACES: usize = 16;

pub(crate) async fn grant(fixture: &dyn EngineFixture) {
    dropped(fixture, true).await;
}

pub(crate) async fn revoke(fixture: &dyn EngineFixture) {
    dropped(fixture, false).await;
}

/// Polls a future so many times and drops it, with whatever it waits for still on its way.
async fn polled<F: Future>(future: F, most: usize) -> (usize, Option<F::Output>) {
    let mut future = Box::pin(future);
    let mut polls = 0;
    poll_fn(move |context| {
        polls += 1;
        match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready((polls, Some(output))),
            Poll::Pending if polls >= most => Poll::Ready((polls, None)),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

async fn dropped(fixture: &dyn EngineFixture, grants: bool) {
    let mut bench = Bench::new(fixture, settings()).await;
    // How many polls a run takes differs from one to the next.
    let (mut all, result) = polled(bench.run(true), usize::MAX).await;
    result.unwrap().unwrap();
    if !grants {
        let (revoke, result) = polled(bench.run(false), usize::MAX).await;
        result.unwrap().unwrap();
        all = revoke;
    }
    bench.clean("undisturbed").await;
    let stride = (all / PLACES).max(1);
    let first = 1 + rand::random_range(0..stride);
    let (mut turn, mut ended) = (0, false);
    for polls in (first..).step_by(stride) {
        let context = format!("grant {grants}, dropped after {polls} polls, of some {all}");
        bench.world.move_on();
        if !grants {
            bench.world.grant(bench.employees()).await.unwrap();
        }
        if let (_, Some(result)) = polled(bench.run(grants), polls).await {
            result.unwrap_or_else(|error| panic!("{context}: {error:?}"));
            ended = true;
        }
        // Whoever still held the lock would be in the way of the next run for longer than it waits.
        bench.afterwards(turn, grants, &context).await;
        turn += 1;
        if ended {
            break;
        }
    }
    assert!(turn > PLACES / 3, "only {turn} places were tried");
}
