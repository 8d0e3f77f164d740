//! Every call of the environment workflows fails once, before and after it had its effect: the next run ends where the first
//! would have ended.

use dzconn_core::ErrorKind;
use dzconn_core::environment::EnvironmentEvent;
use dzconn_core::testkit::faults::When;

use crate::environment::Lab;

/// Kinds that are tried again by nobody, and one that the parts that have retries do try again.
const KINDS: [ErrorKind; 4] =
    [ErrorKind::StoreDenied, ErrorKind::Unexpected, ErrorKind::NotFound, ErrorKind::StoreFailed];

async fn set_up(ending: bool) -> Lab {
    let lab = Lab::new();
    if ending {
        lab.handle(&Lab::deployed()).await;
        for name in ["employees", "offices"] {
            lab.world.grant(&lab.world.subscription(name)).await;
        }
        lab.world.record_answer("employees").await;
        lab.end();
    }
    lab
}

/// How many calls a run makes, and how many failures of them were seen.
async fn walk(ending: bool, event: &EnvironmentEvent) -> (usize, usize) {
    let before = Lab::new().memory.snapshot();
    let (mut most, mut seen) = (0, 0);
    for kind in KINDS {
        for when in [When::Before, When::After] {
            for n in 0.. {
                let lab = set_up(ending).await;
                lab.world.spy.fail(n, when, kind);
                let result = lab.environments.handle(event).await;
                let calls = lab.world.spy.calls();
                lab.world.spy.heal();
                if calls.len() <= n {
                    most = most.max(calls.len());
                    break;
                }
                let context = format!("ending: {ending}, call {n} ({}) fails {when:?} with {kind:?}", calls[n]);
                match &result {
                    Err(error) => assert_eq!(error.kind(), kind, "{context}: {error}"),
                    Ok(report) => {
                        let failed = report.errors().count();
                        assert!(
                            failed == 0 || report.errors().any(|error| error.kind() == kind),
                            "{context}: {report:?}"
                        );
                        let own = ["environment.", "role.", "tag."].iter().any(|of| calls[n].starts_with(of));
                        assert!(failed > 0 || !own, "{context}: a failure that nobody hears of");
                    }
                }
                seen += usize::from(result.is_err() || result.is_ok_and(|report| report.errors().count() > 0));
                // By the event's delivery once more, or by any other: first equipped, then cleaned.
                lab.handle(event).await;
                if !ending {
                    assert_eq!(lab.memory.snapshot(), Lab::equipped(&before), "{context}");
                    lab.end();
                    lab.handle(&Lab::deleting()).await;
                }
                assert_eq!(lab.memory.snapshot(), before, "{context}");
                lab.world.assert_nothing_left(&context);
            }
        }
    }
    (most, seen)
}

#[tokio::test]
async fn equipping_survives_a_failure_of_each_call() {
    let (calls, seen) = walk(false, &Lab::deployed()).await;
    // Looked up twice, three things looked at, five changed.
    assert_eq!((calls, seen), (10, 10 * 2 * KINDS.len()));
}

#[tokio::test]
async fn cleaning_survives_a_failure_of_each_call() {
    let (calls, seen) = walk(true, &Lab::deleting()).await;
    assert!(calls > 30 && seen > 100, "{calls} calls, {seen} failures");
}

/// A run that is cut off at any await is as one that failed there.
#[tokio::test]
async fn runs_that_are_cut_off_anywhere_are_finished_by_the_next() {
    use std::pin::Pin;
    use std::task::{Context, Waker};

    let before = Lab::new().memory.snapshot();
    for ending in [false, true] {
        let event = if ending { Lab::deleting() } else { Lab::deployed() };
        let mut cuts = 0;
        for polls in 0.. {
            let lab = set_up(ending).await;
            let mut run: Pin<Box<dyn Future<Output = _>>> = Box::pin(lab.environments.handle(&event));
            let mut context = Context::from_waker(Waker::noop());
            let ended = (0..=polls).any(|_| run.as_mut().poll(&mut context).is_ready());
            drop(run);
            if ended {
                break;
            }
            cuts += 1;
            lab.handle(&event).await;
            if !ending {
                assert_eq!(lab.memory.snapshot(), Lab::equipped(&before), "cut after {polls} polls");
                lab.end();
                lab.handle(&Lab::deleting()).await;
            }
            assert_eq!(lab.memory.snapshot(), before, "ending: {ending}, cut after {polls} polls");
            lab.world.assert_nothing_left(&format!("ending: {ending}, cut after {polls} polls"));
        }
        assert!(cuts >= 20, "ending: {ending}, {cuts} cuts");
    }
}
