//! What each guard is for: without it, the explorer finds this.
//!
//! Guards inside the machines cannot be left out from here: that a repeated grant leaves a settled table as it is, that a
//! stored password is read again before it is set, that a copy is read again after it was written, and that a failure is
//! doubted once others have been at work. What the machines remember in the record is taken away by a world that forgets it.

use dzconn_core::portal::Wanted::{Grant, Revoke};

use crate::breaks;
use crate::scenario::{Late, Scenario};
use crate::world::Rules;

const ALL: Rules = Rules::ALL;

#[test]
fn the_lock() {
    let two = || Scenario::new("Ga", "Ra Gb");
    breaks(&two().without("the lock", Rules { lock: false, ..ALL }), "a user is dropped that is not recorded as going");
    let unchecked = Rules { lock_checked: false, ..ALL };
    breaks(&two().lost(1).without("a check of the lock", unchecked), "a password is set that the living secret does not hold");
    let kept = Rules { unlock: false, ..ALL };
    breaks(&Scenario::new("", "Ga Gb").without("unlocking", kept), "no end can be reached");
}

#[test]
fn conditions_of_writes() {
    let blind = Rules { conditions: false, ..ALL };
    breaks(&Scenario::new("Ga", "Ra Gb").lost(1).without("compare-and-set", blind), "unknown to the record");
    let unchecked = Rules { checks: false, ..ALL };
    breaks(&Scenario::new("", "Ga Ra").without("the check of a delivery", unchecked), "unknown to the record: a row");
    let piecemeal = Rules { atomic: false, ..ALL };
    breaks(&Scenario::new("", "Ga").without("whole transactions", piecemeal), "unknown to the record: a right");
}

#[test]
fn values_that_never_repeat() {
    let versions = Rules { versions: false, ..ALL };
    breaks(&Scenario::new("Ga", "Ra Gb").without("new versions", versions), "under a name that the record does not have");
    let generations = Rules { generations: false, ..ALL };
    let again = Scenario::new("", "Ga Ra Ga").order(0, 1).order(1, 2);
    breaks(&again.without("new generations", generations), "the secret was deleted");
}

#[test]
fn burnt_names() {
    let deleted = Rules { burn: false, ..ALL };
    let late = Scenario::new("", "Ga Ra").crashes(1).late(Late::Creates);
    breaks(&late.without("burning names", deleted), "under a name that the record does not have");
}

#[test]
fn secrets_that_are_not_overwritten() {
    let overwritten = Rules { create_never_overwrites: false, ..ALL };
    let late = Scenario::new("", "Ga").crashes(1).late(Late::Creates);
    breaks(&late.without("keeping what is there", overwritten), "a password is set that the living secret does not hold");
    let stale = Rules { copy_seen: false, ..ALL };
    let rotated = Scenario::new("Ga X", "X Ga Gb").order(0, 2).never_again(1);
    breaks(&rotated.without("writing a copy over what was seen", stale), "the copy is not what the producer's secret holds");
}

#[test]
fn passwords_that_others_rotate() {
    let rotated = || Scenario::new("Ga", "X Gb");
    let set_anew = Rules { password_kept: false, ..ALL };
    breaks(&rotated().without("keeping a user's password", set_anew), "the producer's secret does not open the source");
    let unseen = Rules { pending_shows: false, ..ALL };
    breaks(&rotated().without("seeing a rotation", unseen), "the producer's secret does not open the source");
}

/// Whatever is begun, or left to be cleaned up, stands in the record.
#[test]
fn the_record() {
    let granting = Rules { remembers_granting: false, ..ALL };
    breaks(&Scenario::new("Gb", "Ga").crashes(1).without("granting", granting), "that is not recorded so");
    let revoking = Rules { remembers_revoking: false, ..ALL };
    breaks(&Scenario::new("Ga Gb", "Ra").crashes(1).without("revoking", revoking), "unknown to the record: a right");
    let revoked = Rules { remembers_revoked: false, ..ALL };
    breaks(&Scenario::new("Ga Gb", "Ra").crashes(1).without("revoked", revoked), "unknown to the record: a row");
    let retired = Rules { remembers_retired: false, ..ALL };
    breaks(&Scenario::new("Ga", "Ra").crashes(1).without("retired", retired), "unknown to the record: a copy");
}

#[test]
fn undoing() {
    let gives_up = Rules { undo: false, ..ALL };
    breaks(&Scenario::new("", "Gy").without("undoing", gives_up), "the record is unfinished");
}

#[test]
fn asking_under_the_lock() {
    let told = Rules { ask: false, ..ALL };
    let script = [("a", Grant), ("a", Revoke)];
    breaks(&Scenario::new("", "Ga Ra").portal(&script).without("asking", told), "a is there and not wanted");
}
