//! The secrets of Secrets Manager, over HTTP: every rule for credential stores on a strict stand-in and, where it can, on moto;
//! and what only Secrets Manager can get wrong: calls, faults, lost answers, policies, keys, regions.

// A test may panic: that is how it fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod broken;
mod calls;
mod lab;
mod reading;
mod sharing;

use std::process::ExitCode;

use dzconn_core::testkit::credentials::{CredentialFixture, RULES};
use lab::Lab;
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use tokio::runtime::Builder;

const MOTO: &str = "DZCONN_TEST_MOTO_URL";

/// Rules that moto itself breaks, and how.
const LENIENT: &[(&str, &str)] = &[
    ("nothing_brings_a_burnt_name_back", "moto writes values and moves labels of a secret that is being deleted"),
    ("a_proposal_goes_with_its_secret", "moto writes values of a secret that is being deleted"),
    ("nothing_is_proposed_where_no_secret_is", "moto writes values of a secret that is being deleted"),
    ("a_proposal_is_never_overwritten", "moto writes another value under a token that is known"),
    ("of_concurrent_proposers_one_wins_and_all_see_it", "moto writes another value under a token that is known"),
    (
        "what_was_not_proposed_is_not_promoted",
        "moto takes the label away before it finds that the version is not there",
    ),
    ("a_burnt_secret_cannot_be_shared", "moto takes policies for a secret that is being deleted"),
];

/// A test of this store alone.
#[macro_export]
macro_rules! tests {
    ($($test:ident,)*) => {
        pub(crate) fn tests() -> Vec<(&'static str, $crate::Test)> {
            vec![$((stringify!($test), |lab| Box::pin($test(lab)))),*]
        }
    };
}

type Test = for<'a> fn(&'a Lab) -> std::pin::Pin<Box<dyn Future<Output = ()> + 'a>>;

fn main() -> ExitCode {
    calls::listen();
    let mut args = Arguments::from_args();
    args.test_threads.get_or_insert(4);
    let mut trials = Vec::new();
    for rule in RULES {
        trials.push(Trial::test(format!("strict::{}", rule.name), || {
            check(|| Lab::strict().fixture(), rule.check)?;
            Ok(())
        }));
        trials.push(Trial::ignorable_test(format!("moto::{}", rule.name), || {
            if let Some((_, reason)) = LENIENT.iter().find(|(name, _)| *name == rule.name) {
                return Ok(Completion::ignored_with(*reason));
            }
            if rule.needs == Some("neighbours") {
                return Ok(Completion::ignored_with(
                    "moto finds no secret of another account, whatever its policy says",
                ));
            }
            let Ok(url) = std::env::var(MOTO) else {
                return Ok(Completion::ignored_with(format!("no server: set {MOTO}")));
            };
            check(|| lab::moto_fixture(&url), rule.check)?;
            Ok(Completion::Completed)
        }));
    }
    let own = [calls::tests(), broken::tests(), reading::tests(), sharing::tests()];
    trials.extend(own.into_iter().flatten().map(|(name, test)| {
        Trial::test(format!("strict::{name}"), move || {
            let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(test(&Lab::strict()));
            Ok(())
        })
    }));
    libtest_mimic::run(&args, trials).exit_code()
}

type Check = for<'a> fn(&'a CredentialFixture) -> dzconn_core::testkit::Checked<'a>;

fn check(fixture: impl FnOnce() -> CredentialFixture, check: Check) -> Result<(), Failed> {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let fixture = fixture();
        Ok(check(&fixture).await.map_err(|failure| failure.to_string())?)
    })
}
