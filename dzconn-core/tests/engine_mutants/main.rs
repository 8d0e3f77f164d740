//! The suite for engines notices broken ones: each fault here is a mistake that an author can make, wrapped around the
//! in-memory engine, and must make the rules fail that are named beside it.
#![cfg(feature = "testkit")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod faulty;

use dzconn_core::testkit::engine::{MemoryFixture, RULES};
use faulty::Faulty;

macro_rules! faults {
    ($($fault:ident: $($rule:literal),+;)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        enum Fault { $($fault,)* }

        mod noticed {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                #[allow(non_snake_case)]
                async fn $fault() {
                    super::must_be_noticed(super::Fault::$fault, &[$($rule),+]).await;
                }
            )*
        }
    };
}

faults! {
    ConnectIgnoresPassword: "connect::wrong_password_is_refused";
    ConnectShowsPassword: "connect::wrong_password_is_refused", "connect::unknown_admin_is_refused";
    ConnectIgnoresDeadline: "connect::nothing_there_is_unreachable";
    SubprotocolsInUpperCase: "connect::subprotocols_are_lower_case";
    LogInAlways: "log_in::wrong_credentials_are_an_answer", "drop_user::ends_the_user";
    LogInRefusedIsAnError: "log_in::wrong_credentials_are_an_answer";
    LogInForgetsTheTable: "log_in::tells_whether_the_table_is_read";
    StatementsShowPassword: "statements::hold_no_secret", "statements::need_no_source";
    StatementsShowNothing: "statements::are_shown_for_every_action";
    StatementsForgetTakeBack: "statements::are_shown_for_every_action";

    LockNeverBlocks: "lock::is_exclusive", "lock::waits_until_it_is_free", "lock::times_out";
    LockNeverWaits: "lock::waits_until_it_is_free", "lock::silent_session_loses_it";
    LockIgnoresKey: "lock::other_keys_are_independent";
    LockIsHeldForAllTime: "lock::silent_session_loses_it";
    LockOutlivesSession: "lock::dropped_session_frees_it", "connect::a_closed_session_is_one_connection_less";
    LockLossIsNotSeen: "lock::lost_lock_stops_every_change", "connect::a_closed_session_is_one_connection_less";
    UnlockDoesNothing: "lock::waits_until_it_is_free", "lock::unlock_frees_it_for_this_and_other_sessions";
    UnlockFreesEverything: "lock::unlock_without_lock_does_nothing";

    ResolveExactOnly: "resolve::only_one_that_differs_in_case_is_found";
    ResolveTakesTheFirst: "resolve::several_that_differ_in_case_are_ambiguous";
    ResolveIgnoresDots: "resolve::dots_inside_names_are_found", "names::hostile_table_names_are_data";

    CreateOverwritesPassword: "create_user::existing_user_keeps_its_password", "create_user::disabled_user_is_enabled_again";
    CreateLeavesDisabled: "create_user::disabled_user_is_enabled_again";
    CreateIsAlwaysNew: "create_user::existing_user_keeps_its_password", "create_user::of_concurrent_creators_one_wins";
    CreateFailsOnExisting: "create_user::existing_user_keeps_its_tables";
    CreateOpensEverything: "create_user::new_user_can_do_nothing_else", "reads::excess_is_empty_without_excess";
    CreateCutsNames: "create_user::longer_name_is_too_long";
    CreateUnquotesNames: "names::hostile_user_names_are_data";
    SetPasswordDoesNothing: "set_password::replaces_the_old_one";
    SetPasswordKeepsTheOldOne: "set_password::replaces_the_old_one";
    SetPasswordMakesUsers: "set_password::makes_no_user";

    GrantDoesNothing: "grant::opens_exactly_one_table", "grant::reads_back";
    GrantOpensTheSchema: "grant::opens_exactly_one_table", "grant::is_idempotent";
    GrantOpensForAll: "grant::is_for_one_user", "revoke::open_session_loses_the_table";
    GrantToggles: "grant::is_idempotent";
    GrantReplaces: "grant::adds_to_what_was_granted";
    GrantForgetsTakeBack: "grant::takes_back_others";
    GrantFailsOnMissingTakeBack: "grant::takes_back_what_is_gone";
    GrantOnNothing: "grant::missing_table_is_not_found";
    GrantMakesUsers: "grant::missing_user_is_an_error";
    GrantByPattern: "names::wildcards_are_letters";

    RevokeDoesNothing: "revoke::open_session_loses_the_table", "revoke::takes_several_tables";
    RevokeTakesEverything: "revoke::leaves_the_other_tables", "revoke::takes_several_tables";
    RevokeTakesTheFirst: "revoke::takes_several_tables";
    RevokeSkipsMissingTables: "revoke::missing_table_is_fine_and_stays_closed", "revoke::takes_back_what_came_along";
    RevokeFailsOnMissingUser: "revoke::missing_user_is_fine";
    RevokeHidesOthers: "revoke::grant_by_another_role_is_named";
    RevokeFromAll: "revoke::is_for_one_user", "names::hostile_user_names_are_data";

    DropLeavesSessions: "drop_user::ends_open_sessions", "drop_user::withstands_clients_that_reconnect";
    DropOnlyDisables: "drop_user::ends_the_user", "drop_user::leaves_nothing_to_the_next_of_that_name";
    DropFailsOnMissing: "drop_user::missing_user_is_fine", "drop_user::is_idempotent";
    DropFailsOnDisabled: "drop_user::continues_after_its_first_step";
    DropTakesTablesAlong: "drop_user::owner_is_refused_and_loses_nothing";
    DropHidesOthers: "drop_user::grant_by_another_role_is_named";
    DropEndsAllSessions: "drop_user::is_for_one_user";

    ReadsIsAlwaysYes: "reads::tells_yes_by_which_way_or_no", "reads::missing_user_or_table_is_no";
    ReadsNeverTells: "reads::tells_yes_by_which_way_or_no";
    ReadsKeepsTheWays: "reads::tells_yes_by_which_way_or_no";
    ReadsMissesPublic: "reads::sees_what_public_gives", "revoke::what_public_gives_is_seen";
    ExcessSeesNothing: "reads::excess_names_what_is_not_listed", "reads::excess_names_what_public_gives";
    ExcessCountsTheGranted: "reads::excess_is_empty_without_excess";
    ExcessIgnoresTheLimit: "reads::excess_keeps_to_its_limit";
    UserExistsByPattern: "create_user::user_exists_tells";
    UsersByPattern: "reads::users_are_found_by_their_prefix";
    GrantedForgetsOne: "reads::what_was_granted_is_listed";
}

async fn must_be_noticed(fault: Fault, expected: &'static [&'static str]) {
    let mut checks = tokio::task::JoinSet::new();
    for name in expected {
        let rule = RULES.iter().find(|rule| rule.name == *name);
        let rule = rule.unwrap_or_else(|| panic!("there is no rule {name}"));
        checks.spawn(async move {
            let fixture = MemoryFixture::of(|engine| Faulty { engine, fault });
            (rule.name, (rule.check)(&fixture).await)
        });
    }
    while let Some(checked) = checks.join_next().await {
        let (rule, result) = checked.unwrap();
        let failure = result.expect_err(&format!("{fault:?} goes unnoticed by {rule}"));
        assert!(failure.to_string().contains("promises: "), "{failure}");
    }
}

/// The wrapper by itself breaks nothing: what is noticed above is the fault.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_fault_nothing_is_noticed() {
    for rule in RULES {
        // A fault in `connect` has no effect anywhere else, and so shows the sessions' wrapper alone.
        let fixture = MemoryFixture::of(|engine| Faulty { engine, fault: Fault::ConnectIgnoresPassword });
        if rule.name != "connect::wrong_password_is_refused" {
            (rule.check)(&fixture).await.unwrap_or_else(|failure| panic!("{}: {failure}", rule.name));
        }
    }
}
