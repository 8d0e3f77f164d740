//! What only a real server can answer about this engine. What every engine must do is in the core's conformance suite.
//!
//! `DZCONN_TEST_MYSQL_URLS` holds the URLs of root logins on throwaway servers, `mysql://root:password@127.0.0.1:3306/`,
//! separated by spaces. Without it every test is ignored. Some tests start a MariaDB of their own; `DZCONN_TEST_MYSQL_PLUGINS`
//! is the folder of its plugins, where that is not the usual one.

// Tests panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

/// Collects tests: each an `async fn(&mut Lab)`, run on every server.
macro_rules! rules {
    ($($rule:ident),* $(,)?) => {
        pub(crate) fn rules() -> Vec<$crate::Rule> {
            vec![$($crate::Rule {
                name: concat!(module_path!(), "::", stringify!($rule)),
                run: |lab| Box::pin($rule(lab)),
            }),*]
        }
    };
}

mod access;
mod admins;
mod lab;
mod locks;
mod names;
mod policy;
mod proxy;
mod server;
mod tls;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::ExitCode;

use lab::Lab;
use libtest_mimic::{Arguments, Trial};
use url::Url;

#[derive(Clone, Copy)]
pub(crate) struct Rule {
    name: &'static str,
    run: for<'a> fn(&'a mut Lab) -> std::pin::Pin<Box<dyn Future<Output = ()> + 'a>>,
}

fn trial(rule: Rule, url: &Url) -> Trial {
    let name = format!("{} on {}:{}", rule.name, url.host_str().unwrap_or("?"), url.port().unwrap_or(3306));
    let url = url.clone();
    Trial::test(name, move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let mut lab = runtime.block_on(Lab::open(&url));
        let result = catch_unwind(AssertUnwindSafe(|| runtime.block_on((rule.run)(&mut lab))));
        runtime.block_on(lab.clean());
        result.unwrap_or_else(|panic| resume_unwind(panic));
        Ok(())
    })
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let all = || [access::rules(), admins::rules(), locks::rules(), names::rules(), tls::rules()].into_iter().flatten();
    let urls = std::env::var("DZCONN_TEST_MYSQL_URLS").unwrap_or_default();
    let urls: Vec<Url> = urls.split_whitespace().map(|url| url.parse().expect("a URL")).collect();
    let mut trials: Vec<Trial> = urls.iter().flat_map(|url| all().map(|rule| trial(rule, url))).collect();
    if urls.is_empty() {
        trials = all().map(|rule| Trial::test(rule.name, || Ok(())).with_ignored_flag(true)).collect();
    }
    trials.extend(tls::trials(!urls.is_empty()));
    trials.extend(policy::trials(!urls.is_empty()));
    let conclusion = libtest_mimic::run(&arguments, trials);
    server::stop();
    conclusion.exit_code()
}
