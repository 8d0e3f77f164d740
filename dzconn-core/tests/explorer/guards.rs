//! What each guard is for: without it, the explorer finds this.
//!
//! Guards inside the machines cannot be left out from here: that a repeated grant leaves a settled table as it is, that a
//! stored password is read again before it is set, that a copy is read again after it was written, and that a failure is
//! doubted once others have been at work. What the machines remember in the record is taken away by a world that forgets it.

use dzconn_core::model::Wanted::{Grant, Revoke};

use crate::breaks;
use crate::scenario::{Late, Scenario};
use crate::world::Rule;

#[test]
fn the_lock() {
    let two = || Scenario::new("Ga", "Ra Gb");
    breaks(&two().without(Rule::Lock), "a user is dropped that is not recorded as going");
    breaks(&two().lost(1).without(Rule::LockChecked), "a password is set that the living secret does not hold");
    breaks(&Scenario::new("", "Ga Gb").without(Rule::Unlock), "no end can be reached");
}

#[test]
fn conditions_of_writes() {
    breaks(&Scenario::new("Ga", "Ra Gb").lost(1).without(Rule::Conditions), "unknown to the record");
    breaks(&Scenario::new("", "Ga Ra").without(Rule::Checks), "unknown to the record: a mapping");
    breaks(&Scenario::new("", "Ga").without(Rule::Atomic), "unknown to the record: a right");
}

#[test]
fn values_that_never_repeat() {
    breaks(&Scenario::new("Ga", "Ra Gb").without(Rule::Versions), "under a name that the record does not have");
    let again = Scenario::new("", "Ga Ra Ga").order(0, 1).order(1, 2);
    breaks(&again.without(Rule::Generations), "the secret was deleted");
}

#[test]
fn burnt_names() {
    let late = Scenario::new("", "Ga Ra").crashes(1).late(Late::Creates);
    breaks(&late.without(Rule::Burn), "under a name that the record does not have");
}

#[test]
fn secrets_that_are_not_overwritten() {
    let late = Scenario::new("", "Ga").crashes(1).late(Late::Creates);
    breaks(&late.without(Rule::CreateKeeps), "a password is set that the living secret does not hold");
    let rotated = Scenario::new("Ga X", "X Ga Gb").order(0, 2).never_again(1);
    breaks(&rotated.without(Rule::CopySeen), "the copy is not what the producer's secret holds");
}

#[test]
fn passwords_that_others_rotate() {
    let rotated = || Scenario::new("Ga", "X Gb");
    breaks(&rotated().without(Rule::PasswordKept), "the producer's secret does not open the source");
    breaks(&rotated().without(Rule::PendingShows), "a password is set that the living secret does not hold");
}

/// Whatever is begun, or left to be cleaned up, stands in the record.
#[test]
fn the_record() {
    breaks(&Scenario::new("Gb", "Ga").crashes(1).without(Rule::RemembersGranting), "that is not recorded so");
    breaks(&Scenario::new("Ga Gb", "Ra").crashes(1).without(Rule::RemembersRevoking), "unknown to the record: a right");
    breaks(&Scenario::new("Ga Gb", "Ra").crashes(1).without(Rule::RemembersRevoked), "unknown to the record: a row");
    breaks(&Scenario::new("Ga", "Ra").crashes(1).without(Rule::RemembersRetired), "unknown to the record: a copy");
}

#[test]
fn undoing() {
    breaks(&Scenario::new("", "Gy").without(Rule::Undo), "the record is unfinished");
}

#[test]
fn the_end_of_an_environment() {
    // What the portal still wants is there again each time.
    breaks(&Scenario::new("Ga", "E").without(Rule::EndUnasked), "no end can be reached");
    let dead = |before, jobs| Scenario::new(before, jobs).never_again(0).order(0, 1);
    breaks(&dead("", "Ga E").without(Rule::EndSearches), "the record is unfinished");
    breaks(&dead("", "Gy E").without(Rule::EndLooksAgain), "a record without a generation is left");
}

#[test]
fn asking_under_the_lock() {
    let script = [("a", Grant), ("a", Revoke)];
    breaks(&Scenario::new("", "Ga Ra").portal(&script).without(Rule::Ask), "a is there and not wanted");
}
