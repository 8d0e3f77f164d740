//! The schedules can fail: of ports that do not keep a promise, each is found out. By random walks where any walk does, else in
//! the scenario that the promise is for.

use std::time::Instant;

use crate::long::{rounds, walk};
use crate::model::Seen;
use crate::ports::Guard;
use crate::scenario::{Scenario, Trouble};

/// With how many seeds it is found out, and how it shows.
fn seen_by_chance(guard: Guard, within: u64) {
    let begun = Instant::now();
    for seed in 0..within {
        if let Err(wrong) = walk(seed, &rounds(seed), Some(guard), &mut Seen::default(), |_| ()) {
            println!("without {guard:?}: seed {seed}, {:.1?}: {}", begun.elapsed(), wrong.what);
            return;
        }
    }
    panic!("nothing is seen of {guard:?} with {within} seeds");
}

/// In this scenario what goes wrong says this.
fn seen_in(scenario: &Scenario, guard: Guard, expected: &str) {
    let begun = Instant::now();
    let Err(wrong) = scenario.clone().without(guard).all() else {
        panic!("{scenario:?}: nothing is seen of {guard:?}");
    };
    println!("without {guard:?}, {:.1?}: {wrong}", begun.elapsed());
    assert!(wrong.contains(expected), "expected {expected:?}");
}

#[test]
fn the_lock() {
    seen_by_chance(Guard::Lock, 30);
}

#[test]
fn the_lock_that_is_checked() {
    seen_in(&Scenario::new("Ga", "Ra Gb").with(Trouble::LockLost), Guard::LockChecked, "does not log in");
}

#[test]
fn conditions_of_writes() {
    seen_by_chance(Guard::Conditions, 100);
}

#[test]
fn checks_beside_writes() {
    seen_in(&Scenario::new("", "+a Ga -a Ra"), Guard::Checks, "unknown to the records: the mapping");
}

#[test]
fn transactions_that_happen_whole() {
    seen_by_chance(Guard::Atomic, 30);
}

#[test]
fn secrets_that_are_not_overwritten() {
    seen_in(&Scenario::new("", "Ga Gb").with(Trouble::Late), Guard::CreateKeeps, "does not log in");
}

#[test]
fn burnt_names() {
    seen_in(
        &Scenario::new("", "+a Ga -a Ra").with(Trouble::Late),
        Guard::BurnLasts,
        "unknown to the records: the copy",
    );
}

#[test]
fn asking_the_portal() {
    seen_in(&Scenario::new("", "+a Ga -a Ra"), Guard::Asked, "it is not wanted");
}
