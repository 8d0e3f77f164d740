//! The tracking tables in `DynamoDB`: the suite for stores, and what only `DynamoDB` has.
//!
//! `DZCONN_TEST_MOTO_URL` names a moto server; each test makes tables of its own there.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests are tests")]

mod items;
mod place;
mod tables;
mod traffic;
mod wire;

use std::pin::Pin;
use std::process::ExitCode;

use dzconn_core::testkit::tracking::RULES;
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use tokio::runtime::Runtime;

use self::place::Place;

const VARIABLE: &str = "DZCONN_TEST_MOTO_URL";
/// Most of a test's time is waiting for moto.
const THREADS: usize = 4;

type Running = Pin<Box<dyn Future<Output = Result<(), Failed>> + Send>>;
type Test = (&'static str, fn(String) -> Running);

/// Tests that are async functions of moto's URL; one that panics fails.
macro_rules! tests {
    ($($module:ident::$name:ident),* $(,)?) => {
        &[$((concat!(stringify!($module), "::", stringify!($name)), |moto| Box::pin(async move {
            $module::$name(&moto).await;
            Ok(())
        }))),*]
    };
}

const TESTS: &[Test] = tests![
    items::documented_attributes_are_written_to_the_letter,
    items::older_items_are_read_listed_and_written_over,
    items::attributes_of_others_are_kept,
    items::long_names_are_kept_apart,
    items::unreadable_keys_are_described,
    tables::making_them_twice_makes_them_once,
    tables::a_missing_index_is_added,
    tables::a_wrong_key_is_named_and_nothing_is_made,
    tables::a_missing_table_is_named,
    tables::without_the_index_the_table_is_searched,
    traffic::a_read_and_a_commit_are_one_call,
    traffic::ten_thousand_entries_cost_what_one_costs,
    traffic::keys_that_are_left_out_are_asked_for_again,
    traffic::cancelled_transactions_are_tried_again,
    traffic::a_lost_answer_is_no_conflict,
    traffic::each_commit_is_a_transaction_of_its_own,
    traffic::what_cannot_be_sent_is_not_sent,
    traffic::cursors_of_other_listings_are_refused,
];

fn main() -> ExitCode {
    let mut args = Arguments::from_args();
    args.test_threads.get_or_insert(THREADS);
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let moto = std::env::var(VARIABLE).ok().filter(|url| !url.is_empty());

    let mut trials = Vec::new();
    for rule in RULES {
        trials.push(trial(&runtime, moto.as_ref(), format!("aws_tracking::rules::{}", rule.name), move |moto| {
            Box::pin(async move {
                let place = Place::new(&moto).await;
                (rule.check)(&place.fixture()).await.map_err(|failure| failure.to_string().into())
            })
        }));
    }
    for (name, test) in TESTS {
        trials.push(trial(&runtime, moto.as_ref(), format!("aws_tracking::{name}"), test));
    }
    libtest_mimic::run(&args, trials).exit_code()
}

fn trial(
    runtime: &Runtime,
    moto: Option<&String>,
    name: String,
    test: impl FnOnce(String) -> Running + Send + 'static,
) -> Trial {
    let Some(moto) = moto.cloned() else {
        return Trial::ignorable_test(name, || Ok(Completion::ignored_with(format!("no moto: set {VARIABLE}"))));
    };
    let handle = runtime.handle().clone();
    Trial::test(name, move || handle.block_on(test(moto)))
}
