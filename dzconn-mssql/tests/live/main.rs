//! What only a server can answer about this engine. What every engine must do is in the core's conformance suite.
//!
//! `DZCONN_TEST_MSSQL_URLS` holds the URLs of throwaway servers, `sqlserver://sa:password@127.0.0.1:1433/master`, separated by
//! spaces; the login is a sysadmin, and the server takes plain text. Without it every test that needs a server is ignored.
//! `DZCONN_TEST_MSSQL_TLS_URLS` are servers whose certificate names the host, and which is signed by what is in the file
//! `DZCONN_TEST_MSSQL_CA`. `DZCONN_TEST_MSSQL_AZURE_URLS` are databases of Azure SQL Database, `sqlserver://admin:password@...:1433/db`;
//! those of them that are among the throwaway servers too have their own tests only.

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
mod azure;
mod databases;
mod denials;
mod faults;
mod lab;
mod locks;
mod tls;
mod unseen;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::ExitCode;

use lab::Lab;
use libtest_mimic::{Arguments, Trial};
use tokio::runtime::Runtime;
use url::Url;

#[derive(Clone, Copy)]
pub(crate) struct Rule {
    name: &'static str,
    run: for<'a> fn(&'a mut Lab) -> std::pin::Pin<Box<dyn Future<Output = ()> + 'a>>,
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn trial(rule: Rule, url: &Url) -> Trial {
    let name = format!("{} on {}:{}", rule.name, url.host_str().unwrap_or("?"), url.port().unwrap_or(1433));
    let url = url.clone();
    Trial::test(name, move || {
        let runtime = runtime();
        let mut lab = runtime.block_on(Lab::open(&url));
        let result = catch_unwind(AssertUnwindSafe(|| runtime.block_on((rule.run)(&mut lab))));
        runtime.block_on(lab.clean());
        result.unwrap_or_else(|panic| resume_unwind(panic));
        Ok(())
    })
}

fn urls(variable: &str) -> Vec<Url> {
    let urls = std::env::var(variable).unwrap_or_default();
    urls.split_whitespace().map(|url| url.parse().expect("a URL")).collect()
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let all = || {
        [
            access::rules(),
            admins::rules(),
            databases::rules(),
            denials::rules(),
            locks::rules(),
            faults::rules(),
            unseen::rules(),
        ]
        .into_iter()
        .flatten()
    };
    let azure = urls("DZCONN_TEST_MSSQL_AZURE_URLS");
    let mut urls = urls("DZCONN_TEST_MSSQL_URLS");
    urls.retain(|url| !azure.contains(url));
    let mut trials: Vec<Trial> = urls.iter().flat_map(|url| all().map(|rule| trial(rule, url))).collect();
    if urls.is_empty() {
        trials = all().map(|rule| Trial::test(rule.name, || Ok(())).with_ignored_flag(true)).collect();
    }
    trials.extend(faults::trials());
    trials.extend(tls::trials(&crate::urls("DZCONN_TEST_MSSQL_TLS_URLS")));
    trials.extend(azure::trials(&azure));
    libtest_mimic::run(&arguments, trials).exit_code()
}
