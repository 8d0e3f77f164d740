//! The real binary against real servers: those in `DZCONN_TEST_POSTGRES_URLS` and `DZCONN_TEST_MYSQL_URLS` (superusers' URLs,
//! separated by spaces). Without servers the tests are reported as ignored, and fail if they are asked for.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::format_push_string,
    reason = "a test fails by panicking"
)]

mod common;
#[path = "live/demo.rs"]
mod demo;
#[path = "live/events.rs"]
mod events;
#[path = "live/life.rs"]
mod life;
#[path = "live/reconcile.rs"]
mod reconcile;
#[path = "live/server.rs"]
mod server;
#[path = "live/trouble.rs"]
mod trouble;
#[path = "live/uninstall.rs"]
mod uninstall;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

use server::Server;

type Test = fn(&Server);

const TESTS: [(&str, Test); 14] = [
    ("life::from_check_to_the_last_revoke", life::from_check_to_the_last_revoke),
    ("life::json_has_its_shape", life::json_has_its_shape),
    ("life::credentials_are_rotated", life::credentials_are_rotated),
    ("life::flags_are_enough", life::flags_are_enough),
    ("life::an_encrypted_store_needs_its_key", life::an_encrypted_store_needs_its_key),
    ("events::the_file_is_the_truth", events::the_file_is_the_truth),
    ("events::access_that_is_retained_stays", events::access_that_is_retained_stays),
    ("events::filters_are_refused", events::filters_are_refused),
    ("trouble::a_killed_grant_is_finished_by_the_next", trouble::a_killed_grant_is_finished_by_the_next),
    ("trouble::what_cannot_be_done_has_the_form", trouble::what_cannot_be_done_has_the_form),
    ("trouble::a_revoke_does_not_need_the_asset", trouble::a_revoke_does_not_need_the_asset),
    ("reconcile::what_others_did_is_found_and_mended", reconcile::what_others_did_is_found_and_mended),
    ("uninstall::nothing_is_left_and_that_is_proven", uninstall::nothing_is_left_and_that_is_proven),
    ("demo::every_proof_holds_and_nothing_is_left", demo::every_proof_holds_and_nothing_is_left),
];

fn main() -> ExitCode {
    let mut trials = Vec::new();
    for variable in ["DZCONN_TEST_POSTGRES_URLS", "DZCONN_TEST_MYSQL_URLS"] {
        let urls = std::env::var(variable).unwrap_or_default();
        let urls: Vec<_> = urls.split_whitespace().map(str::to_owned).collect();
        for (name, test) in TESTS {
            if urls.is_empty() {
                let missing = move || Err(Failed::from(format!("{variable} is not set")));
                trials.push(Trial::test(format!("{variable}::{name}"), missing).with_ignored_flag(true));
            }
            for (number, url) in urls.iter().enumerate() {
                let server = Server::new(url);
                let name = format!("{}{number}::{name}", server.engine());
                trials.push(Trial::test(name, move || {
                    test(&server);
                    Ok(())
                }));
            }
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
