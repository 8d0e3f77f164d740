//! Environments on AWS's stand-ins: roles in moto's IAM, tags in the stand-in for Lake Formation, the portal's stub; and objects
//! that they read in moto's S3.
//!
//! `DZCONN_TEST_MOTO_URL` names a moto server; each test has accounts of its own there.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

mod adapters;
mod buckets;
mod life;

use std::pin::Pin;
use std::process::ExitCode;

use dzconn_tests::aws::MOTO;
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use tokio::runtime::Runtime;

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
    adapters::a_role_is_read_and_changed_as_often_as_one_likes,
    adapters::what_is_not_there_is_said_or_is_fine,
    adapters::roles_that_are_not_the_accounts_are_refused,
    adapters::tags_come_and_go_and_others_stay,
    adapters::what_fails_inside_a_successful_answer_fails,
    adapters::an_environment_is_looked_up,
    buckets::a_bucket_in_another_account_is_as_it_was_before,
    buckets::two_assets_and_two_environments_share_a_bucket,
    buckets::what_is_not_for_objects_is_left_alone,
    buckets::what_s3_refuses_is_said_and_leaves_nothing,
    buckets::policies_are_read_put_and_deleted,
    life::what_comes_goes_and_leaves_what_was_there,
    life::each_call_that_fails_is_made_good_by_the_next_run,
    life::what_is_half_cleaned_or_gone_is_cleaned,
    life::who_may_not_is_told_what_to_do,
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
    let moto = std::env::var(MOTO).ok().filter(|url| !url.is_empty());
    let trial = |(name, test): &Test| {
        let name = format!("aws_environments::{name}");
        let Some(moto) = moto.clone() else {
            return Trial::ignorable_test(name, || Ok(Completion::ignored_with(format!("no moto: set {MOTO}"))));
        };
        let (handle, test) = (runtime.handle().clone(), *test);
        Trial::test(name, move || handle.block_on(test(moto)))
    };
    libtest_mimic::run(&args, TESTS.iter().map(trial).collect()).exit_code()
}
