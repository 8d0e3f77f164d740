//! What holds on PostgreSQL in particular, on live servers; what holds on every engine is in dzconn-core's testkit.
//!
//! `DZCONN_TEST_POSTGRES_URLS` names superuser logins on throwaway servers, separated by spaces:
//! `postgresql://user:password@host:port/database`. `DZCONN_TEST_POSTGRES_TLS_URLS` repeats those that have TLS and a
//! certificate for the host, signed by the authority whose file `DZCONN_TEST_POSTGRES_CA` names. What has no server is listed
//! as ignored.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod live {
    pub(crate) mod admins;
    pub(crate) mod basics;
    pub(crate) mod lab;
    pub(crate) mod limits;
    pub(crate) mod locks;
    pub(crate) mod names;
    pub(crate) mod wire;
}

use std::env;
use std::pin::Pin;

use libtest_mimic::{Arguments, Failed, Trial};
use live::lab::{Lab, Server};
use live::{admins, basics, limits, locks, names, wire};

type Checking<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;
type Check = for<'a> fn(&'a mut Lab) -> Checking<'a>;

/// One rule: its name, whether the server must have TLS, and the check itself.
struct Rule {
    name: &'static str,
    needs_tls: bool,
    check: Check,
}

macro_rules! rules {
    ($($part:ident { $($rule:ident),* $(,)? })*) => {
        &[$($(Rule {
            name: concat!(stringify!($part), "::", stringify!($rule)),
            needs_tls: false,
            check: |lab| Box::pin($part::$rule(lab)),
        },)*)*]
    };
}

const RULES: &[Rule] = rules! {
    basics {
        whole_life_with_superuser,
        whole_life_with_plain_admin,
        schema_usage_goes_with_the_last_table,
        grant_takes_back_others,
        columns_are_taken_back_too,
        missing_table_and_missing_user_are_fine,
        every_kind_of_relation_resolves,
        other_database_is_named,
        disabled_user_is_enabled_again,
        excess_names_what_others_give,
        refused_logins_are_an_answer,
    }
    admins {
        warning_01007_is_no_success,
        schema_without_option_rolls_back,
        stripped_connect_is_granted_or_named,
        nothing_at_all_is_denied,
        another_admins_grant_is_named,
        superuser_takes_back_another_admins_grant,
        member_takes_back_another_admins_grant,
        shared_role_outlives_its_admins,
        another_admins_user_cannot_be_dropped,
        owned_objects_stay,
        privileges_elsewhere_are_named,
        privileges_on_a_function_are_named,
        public_schema_of_a_plain_admin,
    }
    locks {
        is_exclusive_and_does_not_stack,
        silent_holder_is_ended,
        lost_in_mid_work_stops_every_change,
        ended_session_changes_nothing,
        many_sessions_change_one_table,
        racing_creators,
    }
    names {
        hostile_names_live_a_whole_life,
        reserved_names_are_refused,
        long_names_are_not_cut,
        hostile_settings_change_nothing,
    }
    limits {
        full_list_of_privileges,
        read_only_source,
        connect_errors_have_their_kinds,
    }
    wire {
        no_password_is_ever_sent,
        plain_text_is_never_a_fallback,
    }
};

const TLS_RULES: &[(&str, Check)] = &[
    ("wire::require_encrypts", |lab| Box::pin(wire::require_encrypts(lab))),
    ("wire::verify_ca_takes_only_that_ca", |lab| Box::pin(wire::verify_ca_takes_only_that_ca(lab))),
    ("wire::verify_full_takes_only_that_host", |lab| Box::pin(wire::verify_full_takes_only_that_host(lab))),
];

fn main() {
    let arguments = Arguments::from_args();
    let urls = env::var("DZCONN_TEST_POSTGRES_URLS").unwrap_or_default();
    let servers: Vec<_> = urls.split_whitespace().map(|url| Some(Server::parse(url))).collect();
    let servers = if servers.is_empty() { vec![None] } else { servers };
    let tls_rules = TLS_RULES.iter().map(|(name, check)| Rule { name, needs_tls: true, check: *check });
    let rules: Vec<_> = RULES.iter().map(|rule| Rule { ..*rule }).chain(tls_rules).collect();
    let trials = servers.iter().flat_map(|server| rules.iter().map(move |rule| trial(server.clone(), rule)));
    libtest_mimic::run(&arguments, trials.collect()).exit();
}

fn trial(server: Option<Server>, rule: &Rule) -> Trial {
    let check = rule.check;
    let ignored = server.as_ref().is_none_or(|server| rule.needs_tls && server.ca.is_none());
    let place = server.as_ref().map_or_else(|| "no server".to_owned(), |server| server.port.to_string());
    let run = move || {
        let server = server.ok_or_else(|| Failed::from("DZCONN_TEST_POSTGRES_URLS names no server"))?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        runtime.map_err(|error| Failed::from(error.to_string()))?.block_on(async {
            let mut lab = Lab::new(&server).await;
            // A panic is caught by the harness; what the lab made is removed by then.
            let outcome = futures_util::FutureExt::catch_unwind(std::panic::AssertUnwindSafe(check(&mut lab))).await;
            lab.remove().await;
            if let Err(panic) = outcome {
                std::panic::resume_unwind(panic);
            }
            Ok(())
        })
    };
    Trial::test(format!("{}::{place}", rule.name), run).with_ignored_flag(ignored)
}
