//! Scenarios in which everything holds.

use std::collections::BTreeSet;

use dzconn_core::ErrorKind;
use dzconn_core::model::Wanted::{Grant, Retain, Revoke};

use crate::scenario::{Late, Scenario};
use crate::{holds, show};

/// The same runs with each kind of misfortune.
fn holds_through_misfortune(before: &'static str, jobs: &'static str, crashes: u8) {
    let scenario = || Scenario::new(before, jobs);
    holds(&scenario().crashes(crashes));
    holds(&scenario().crashes(1).rows_unknown());
    holds(&scenario().crashes(1).late(Late::Writes));
    holds(&scenario().crashes(1).lost(1));
    holds(&scenario().crashes(1).unanswered(1));
}

/// One misfortune at a time, where two would make too many states.
fn holds_through_one_misfortune(before: &'static str, jobs: &'static str) {
    let scenario = || Scenario::new(before, jobs);
    holds(&scenario().crashes(1));
    holds(&scenario().crashes(1).late(Late::Creates));
    holds(&scenario().lost(1));
    holds(&scenario().unanswered(1));
}

#[test]
fn one_run() {
    let runs =
        [("", "Ga"), ("Ga", "Ra"), ("Ga Gb", "Ra"), ("Ga", "Ga"), ("", "Ra"), ("Gb", "Ra"), ("Ga", "Ta"), ("", "Ta")];
    for (before, job) in runs {
        holds_through_misfortune(before, job, 2);
    }
}

#[test]
fn two_grants() {
    for (before, jobs) in [("", "Ga Gb"), ("", "Ga Ga"), ("Ga", "Ga Gb")] {
        holds_through_misfortune(before, jobs, 2);
    }
}

#[test]
fn two_revokes() {
    for (before, jobs) in [("Ga Gb", "Ra Rb"), ("Ga", "Ra Ra")] {
        holds_through_misfortune(before, jobs, 2);
    }
}

#[test]
fn a_grant_beside_a_revoke() {
    for (before, jobs) in [("Ga", "Ra Gb"), ("Ga", "Ra Ga"), ("Ga Gb", "Ra Ga")] {
        holds_through_misfortune(before, jobs, 2);
    }
}

#[test]
fn three_runs() {
    for (before, jobs) in [("Ga", "Ra Gb Ga"), ("Ga Gb", "Ra Rb Ga"), ("", "Ga Gb Ra")] {
        holds(&Scenario::new(before, jobs));
    }
}

#[test]
#[ignore = "takes minutes: run it when the protocol changes"]
fn three_runs_through_misfortune() {
    for (before, jobs) in [("Ga", "Ra Gb Ga"), ("Ga Gb", "Ra Rb Ga"), ("", "Ga Gb Ra")] {
        let scenario = || Scenario::new(before, jobs).up_to(5_000_000);
        holds(&scenario().crashes(1));
        holds(&scenario().crashes(1).late(Late::Creates));
        holds(&scenario().unanswered(1));
        holds(&scenario().lost(1));
    }
}

/// Tidying up undoes what dead runs have left, and takes nothing from anybody who lives.
#[test]
fn tidying_up_beside_other_runs() {
    for (before, jobs) in
        [("", "Ga Ca"), ("Ga", "Ga Ca"), ("Ga", "Ra Ca"), ("Ga Gb", "Ra Ca"), ("Gb", "Ga Ca"), ("Ga", "Gk@a Ca")]
    {
        holds_through_misfortune(before, jobs, 2);
        holds(&Scenario::new(before, jobs).never_again(0).order(0, 1));
        holds(&Scenario::new(before, jobs).never_again(0).late(Late::Creates).order(0, 1));
    }
    for jobs in ["Ga Gb Ca", "Ga Ra Ca"] {
        holds(&Scenario::new("", jobs).never_again(0).order(0, 2));
    }
}

/// The environment ends: whatever it has goes, also what the portal still wants, what was retained, and what dead runs have
/// left. Who grants beside it comes before it or after it; after it, something is there again.
#[test]
fn the_environment_ends() {
    for before in ["", "Ga", "Ga Gb", "Ga Gk@a"] {
        holds_through_misfortune(before, "E", 2);
    }
    for (before, jobs) in [("", "Ga E"), ("Ga", "Gb E"), ("Ga", "Ra E"), ("Ga", "Ga E"), ("Ga", "Ta E"), ("Ga", "E E")]
    {
        holds_through_one_misfortune(before, jobs);
    }
    // What is wanted still, or is to be retained, and nobody comes after it.
    let last = |before, jobs| Scenario::new(before, jobs).order(0, 1);
    holds(&last("", "Ga E").portal(&[("a", Grant), ("a", Grant)]).crashes(1));
    holds(&last("Gb", "Ga E").portal(&[("a", Grant), ("a", Grant)]).lost(1));
    holds(&last("Ga", "Ta E").portal(&[("a", Retain), ("a", Retain)]).crashes(1));
    holds(&last("Ga", "Ta E").portal(&[("a", Retain), ("a", Grant)]).unanswered(1));
    // Nobody comes back to what died.
    for (before, jobs) in
        [("", "Ga E"), ("Gb", "Ga E"), ("Ga", "Ra E"), ("Ga Gb", "Ra E"), ("Ga", "Gk@a E"), ("", "Gy E")]
    {
        holds(&last(before, jobs).never_again(0));
        holds(&last(before, jobs).never_again(0).late(Late::Creates));
    }
    holds(&Scenario::new("Ga", "X E").crashes(1));
    holds(&Scenario::new("Ga", "M E").order(0, 1).crashes(1));
    for effect in ["Revoke", "DropUser", "Burn", "Commit", "BurnCopy"] {
        holds(&last("Ga Gb", "Ra E").broken(0, effect, ErrorKind::AdminDenied).crashes(1));
    }
}

/// The privilege goes with the last asset that is published from a table.
#[test]
fn two_assets_of_one_table() {
    for (before, jobs) in [("Ga", "Gk@a"), ("Ga Gk@a", "Ra"), ("Ga Gk@a", "Ra Rk@a"), ("Ga Gk@a", "Ra Ga")] {
        holds_through_misfortune(before, jobs, 1);
    }
    for (before, jobs) in [("", "Ga Gk@a"), ("Ga", "Ra Gk@a"), ("Ga Gb Gk@a", "Ra Rk@a")] {
        holds_through_one_misfortune(before, jobs);
    }
}

/// No such table, no right to grant it, or something that denies it whatever is granted: nothing is left.
#[test]
fn a_grant_that_cannot_succeed() {
    for job in ["Gx", "Gy", "Gz"] {
        for before in ["", "Ga"] {
            holds_through_misfortune(before, job, 2);
        }
    }
    for (before, jobs) in [("", "Gy Ga"), ("Ga", "Gy Ra"), ("Ga", "Gz Ra"), ("Ga", "Gz Gb"), ("", "Gz Ry")] {
        holds_through_one_misfortune(before, jobs);
    }
}

/// Whatever one run cannot do, it leaves things as they were.
#[test]
fn an_effect_that_fails_for_good() {
    for effect in ["Resolve", "ReadSecret", "CreateSecret", "Share", "CreateUser", "Grant", "LogIn"] {
        for (before, jobs) in [("", "Ga"), ("Gb", "Ga"), ("Ga", "Ga"), ("", "Ga Gb"), ("Gb", "Ga Rb")] {
            holds(&Scenario::new(before, jobs).broken(0, effect, ErrorKind::AdminDenied).crashes(1));
            holds(&Scenario::new(before, jobs).broken(0, effect, ErrorKind::AdminDenied).lost(1));
        }
    }
}

/// What a run could not even take back, the next one finishes, whatever it came for.
#[test]
fn a_failure_that_leaves_work_is_finished_by_the_next() {
    for effect in ["Revoke", "DropUser", "Burn", "Commit", "CreateCopy", "ReadShared", "ReadCopy", "BurnCopy"] {
        for (before, jobs) in [("Ga Gb", "Ra Rb"), ("Ga", "Ra Gb"), ("Ga", "Ra Ga"), ("", "Ga Ga"), ("", "Ga Gb")] {
            holds(&Scenario::new(before, jobs).broken(0, effect, ErrorKind::AdminDenied).order(0, 1).crashes(1));
        }
    }
}

/// A run that died at any point and that nobody ever comes back to: the next one cleans up, whatever it came for.
#[test]
fn a_run_that_never_comes_back() {
    for (before, jobs) in [
        ("Gb", "Ga Rb"),
        ("Ga Gb", "Ra Rb"),
        ("", "Ga Gb"),
        ("Ga", "Ra Ga"),
        ("", "Ga Ra"),
        ("", "Ga Rb"),
        ("Ga", "Gk@a Ra"),
        ("Ga Gk@a", "Ra Rk@a"),
        ("", "Ga Gk@a"),
        ("", "Gy Ra"),
    ] {
        holds(&Scenario::new(before, jobs).never_again(0).order(0, 1));
        holds(&Scenario::new(before, jobs).never_again(0).late(Late::Creates).order(0, 1));
    }
}

/// What counts is what the portal wants by then, whatever a run was told.
#[test]
fn a_portal_that_changes_its_mind() {
    holds(&Scenario::new("", "Ga Ra").portal(&[("a", Grant), ("a", Revoke)]).crashes(1));
    holds(&Scenario::new("", "Ga Ra").portal(&[("a", Grant), ("a", Revoke)]).lost(1));
    holds(&Scenario::new("", "Ga Ra Ga").portal(&[("a", Grant), ("a", Revoke), ("a", Grant)]));
    holds(&Scenario::new("", "Ga Ta").portal(&[("a", Grant), ("a", Retain)]).crashes(1));
    holds(&Scenario::new("", "Ga Ta Ra").portal(&[("a", Grant), ("a", Retain), ("a", Revoke)]));
    holds(&Scenario::new("", "Ga Ta Ga").portal(&[("a", Grant), ("a", Retain), ("a", Grant)]));
}

/// Somebody else rotates the password, or sets it by hand. A grant refreshes the copy and mends what does not log in, and
/// never sets a password that a rotation is about to replace.
#[test]
fn passwords_changed_by_others() {
    for (before, jobs) in [("", "X Ga"), ("Ga", "X Ga"), ("Ga", "X Gb"), ("Ga", "X Ra"), ("Ga Gb", "X Ra")] {
        holds(&Scenario::new(before, jobs).crashes(1));
        holds(&Scenario::new(before, jobs).lost(1));
    }
    holds(&Scenario::new("Ga", "X Ga").order(0, 1).crashes(1));
    holds(&Scenario::new("Ga X", "X Ga Gb").order(0, 2).never_again(1));
    holds(&Scenario::new("Ga", "M Ga").order(0, 1).crashes(1).lost(1));
    holds(&Scenario::new("Ga", "M Ga Gb").order(0, 2).crashes(1));
}

/// An asset that is published at another place than before is taken back where it was.
#[test]
fn an_asset_that_has_moved() {
    for (before, jobs) in [("Ga", "Ga@b"), ("Ga Gb", "Ga@b"), ("Ga Gb", "Ga@b Rb"), ("Ga", "Ga@b Ra"), ("Ga", "Ga@x")] {
        holds(&Scenario::new(before, jobs).crashes(1));
    }
    holds(&Scenario::new("", "Ga Ga@b").order(0, 1).crashes(1));
}

/// Otherwise a machine might have a part that no scenario reaches.
#[test]
fn every_effect_occurs() {
    let scenarios = [
        Scenario::new("Ga Gb", "Ra").rows_unknown(),
        Scenario::new("", "Ga Ra").order(0, 1),
        Scenario::new("Ga", "X Ga").order(0, 1),
        Scenario::new("Ga", "M Ga").order(0, 1),
        Scenario::new("Ga", "P"),
    ];
    let occurred: BTreeSet<_> = scenarios.iter().flat_map(|scenario| holds(scenario).effects).collect();
    assert_eq!(occurred, BTreeSet::from(show::EFFECTS));
}
