//! Rotation: at every moment, what the consumer's copy holds logs in and reads what is granted.

use dzconn_core::ErrorKind;

use crate::scenario::{Late, Scenario};
use crate::world::Rule;
use crate::{breaks, holds};

/// Each kind of misfortune, one at a time.
fn holds_through_misfortune(before: &'static str, jobs: &'static str) {
    let scenario = || Scenario::new(before, jobs);
    holds(&scenario().crashes(1).late(Late::Writes));
    holds(&scenario().crashes(1).lost(1));
    holds(&scenario().unanswered(1));
}

#[test]
fn a_rotation_alone() {
    for before in ["Ga", "Ga Gb", "Ga P", "Ga P P"] {
        holds_through_misfortune(before, "P");
    }
    holds(&Scenario::new("Ga", "P").crashes(2));
    holds(&Scenario::new("Ga P", "P").crashes(2).late(Late::Writes));
    holds(&Scenario::new("", "P"));
}

#[test]
fn a_rotation_beside_a_grant() {
    for (before, jobs) in [("Ga", "P Ga"), ("Ga", "P Gb"), ("", "P Ga")] {
        holds_through_misfortune(before, jobs);
    }
    holds(&Scenario::new("Ga P", "P Gb").crashes(1));
    // A grant that dies has just made the copy, with the password of before, where the rotation has seen none.
    for jobs in ["P Ga P", "P Ga Ca"] {
        holds(&Scenario::new("", jobs).never_again(1).order(1, 2));
        holds(&Scenario::new("", jobs).never_again(1).late(Late::Writes).order(1, 2));
    }
}

#[test]
fn a_rotation_beside_a_revoke() {
    for (before, jobs) in [("Ga Gb", "P Rb"), ("Ga", "P Ra")] {
        holds_through_misfortune(before, jobs);
    }
    holds(&Scenario::new("Ga Gb P", "P Ra").crashes(1));
    holds(&Scenario::new("Ga P", "P Ra").crashes(1));
}

#[test]
fn two_rotations() {
    holds_through_misfortune("Ga", "P P");
    holds(&Scenario::new("Ga", "P P").order(0, 1).crashes(1).late(Late::Writes));
    holds(&Scenario::new("Ga", "P P P").order(0, 1).order(1, 2).crashes(1).late(Late::Writes));
}

/// Whoever comes by can go on with what a rotation has left, and so can who never meets one again.
#[test]
fn a_rotation_that_never_comes_back() {
    for (before, jobs) in [("Ga", "P Ga"), ("Ga", "P Gb"), ("Ga Gb", "P Ra"), ("Ga", "P Ra"), ("Ga", "P P")] {
        holds(&Scenario::new(before, jobs).never_again(0).order(0, 1));
        holds(&Scenario::new(before, jobs).never_again(0).late(Late::Writes).order(0, 1));
    }
    holds(&Scenario::new("Ga", "P").never_again(0));
    holds(&Scenario::new("Ga", "P Gb P").never_again(0).order(0, 1).order(1, 2));
    holds(&Scenario::new("Ga", "P Ra Ga").never_again(0).order(0, 1).order(1, 2));
}

/// A grant or revoke that died is rolled back by a rotation, from both users.
#[test]
fn a_rotation_after_a_run_that_died() {
    for (before, jobs) in [("Gb", "Ga P"), ("Gb P", "Ga P"), ("Ga Gb P", "Ra P"), ("Ga P", "Ra P"), ("", "Ga P")] {
        holds(&Scenario::new(before, jobs).never_again(0).order(0, 1));
    }
    // A grant to both users, made while the copy is delivered, dies; the delivery ends, and only then somebody rolls it back.
    holds(&Scenario::new("Gc", "P Ga Gb").never_again(1).order(1, 2));
    for jobs in ["P Ga Gb", "P Ga P"] {
        holds(&Scenario::new("Gc", jobs).never_again(1).order(0, 1).order(1, 2));
    }
}

/// Nothing is switched before the other user is as good; what cannot be done leaves the one that there is.
#[test]
fn a_rotation_that_cannot_succeed() {
    for effect in
        ["InspectSecret", "Propose", "CreateUser", "Grant", "LogIn", "Promote", "Share", "ReadCopy", "ReplaceCopy"]
    {
        for jobs in ["P Ga", "P Gb", "P Ra", "P P"] {
            holds(&Scenario::new("Ga", jobs).broken(0, effect, ErrorKind::AdminDenied).order(0, 1));
        }
    }
    // A table that is gone keeps nobody from rotating.
    holds(&Scenario::new("Ga", "P").broken(0, "Revoke", ErrorKind::AdminDenied));
}

/// Somebody else rotates the password of the user that the secret names.
#[test]
fn a_rotation_beside_somebody_elses() {
    holds(&Scenario::new("Ga", "X P").order(0, 1).crashes(1));
    holds(&Scenario::new("Ga", "P X Ga").order(0, 1).order(1, 2).crashes(1));
    holds(&Scenario::new("Ga", "M P Ga").order(0, 1).order(1, 2));
}

#[test]
fn what_each_guard_of_a_rotation_is_for() {
    let alone = || Scenario::new("Ga P", "P P").order(0, 1).crashes(1);
    breaks(&alone().without(Rule::RemembersDelivering), "does not log in");
    breaks(&alone().without(Rule::RemembersReady), "the rotation is unfinished");
    let late = Scenario::new("Ga", "P P P").order(0, 1).order(1, 2).crashes(1).late(Late::Writes);
    breaks(&late.without(Rule::PromotedSeen), "does not");
    let beside = Scenario::new("Ga", "P Gb P").order(1, 2).crashes(1);
    breaks(&beside.without(Rule::GrantsBoth), "does not read all that is granted");
    breaks(&Scenario::new("Ga Gb P", "Ra").without(Rule::RevokesBoth), "unknown to the record: a right");
    breaks(&Scenario::new("Ga P", "Ra").without(Rule::DropsBoth), "unknown to the record: the user");
    let two = || Scenario::new("Ga", "P P P").order(0, 2);
    breaks(&two().without(Rule::RecordReadFirst), "the copy is not what the producer's secret holds");
    let late = two().crashes(1).late(Late::Writes);
    breaks(&late.without(Rule::CopySeen), "the copy is not what the producer's secret holds");
}
