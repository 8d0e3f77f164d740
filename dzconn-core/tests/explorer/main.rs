//! The grant and revoke protocol, walked through every interleaving.
//!
//! The subject is the library's own machines, [`ProducerRun`](dzconn_core::workflow::ProducerRun) and
//! [`ConsumerRun`](dzconn_core::workflow::ConsumerRun), on the library's own tracking and secrets in memory. Two or three
//! runs take turns effect by effect, in every order, while processes die, locks are lost, requests land late, answers do
//! not come, the portal changes its mind, somebody else rotates a password, and some things can never succeed.
//!
//! - [`scenario`]: what is explored. `Ga` grants asset a, `Ra` revokes it, `Ta` retains it, `Gk@a` grants asset k, which is
//!   published from table a; tables x, y and z cannot be granted; `E` takes back everything, because the environment ends; `P` is
//!   our rotation, `X` one by somebody else, `M` a password set by hand.
//! - [`world`]: what an effect does, in one step; and the rules of the world, each of which can be left out.
//! - [`run`]: one process: what it looks up, then the two machines, as `Fulfilment` runs them.
//! - [`steps`], [`explore`]: what can happen in a state; the walk, breadth first, so that a trace is a shortest one.
//! - [`checks`]: what must hold at each effect, at every moment, and in the end: as if the runs had gone one after another.
//!   From every state an end can be reached.
//! - [`ending`]: what the end of an environment looks for, as `Fulfilment::revoke_all` does.
//! - [`holds`]: scenarios in which all of that holds; [`rotation`]: those with rotations, and what each of their guards is for.
//!   [`limits`]: where it does not. [`guards`]: what breaks when one rule is
//!   left out, which shows that the checks can fail, and what each rule is for.
//!
//! `cargo test -p dzconn-core --test explorer -- --nocapture` shows how many states each scenario has. Change the protocol
//! only together with this.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod checks;
mod ending;
mod explore;
mod guards;
mod holds;
mod limits;
mod numbered;
mod rotation;
mod run;
mod scenario;
mod show;
mod steps;
mod world;

use std::time::Instant;

use explore::{Report, Wrong};
use scenario::Scenario;

/// Everything holds in this scenario.
fn holds(scenario: &Scenario) -> Report {
    let began = Instant::now();
    let report = explore::explore(scenario);
    let Report { states, steps, ends, .. } = &report;
    println!("{:75} {states:7} states {steps:7} steps {ends:4} ends  {:.1?}", scenario.name, began.elapsed());
    if let Some(wrong) = &report.wrong {
        panic!("{}: {}", scenario.name, told(wrong));
    }
    report
}

/// Something goes wrong in this scenario, and what is found first says this.
fn breaks(scenario: &Scenario, expected: &str) {
    let report = explore::explore(scenario);
    let Some(wrong) = report.wrong else {
        panic!("{}: expected to find {expected:?}, found nothing in {} states", scenario.name, report.states);
    };
    println!(
        "{:75} {:7} states  {} steps to: {}",
        scenario.name,
        report.states,
        wrong.trace.len(),
        wrong.what.join("; ")
    );
    let found = wrong.what.iter().any(|what| what.contains(expected));
    assert!(found, "{}: expected to find {expected:?}, found {}", scenario.name, told(&wrong));
}

fn told(Wrong { what, trace, world }: &Wrong) -> String {
    let list = |lines: &[String]| lines.iter().map(|line| format!("\n    {line}")).collect::<String>();
    format!("{}{}\n  the world then:{}", what.join("; "), list(trace), list(world))
}
