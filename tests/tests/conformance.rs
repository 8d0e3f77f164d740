//! Every rule for engines, on every server that is named, as a superuser and as an admin with no more than it needs.

use std::process::ExitCode;

use dzconn_core::testkit::engine::RULES;
use dzconn_tests::engine::{Admin, harness};
use libtest_mimic::Trial;

fn main() -> ExitCode {
    let names: Vec<String> = Admin::ALL
        .iter()
        .flat_map(|admin| RULES.iter().map(|rule| format!("{}::{}", admin.name(), rule.name)))
        .collect();
    harness::run("conformance", &names, |runtime, server| {
        let mut trials = Vec::new();
        for admin in Admin::ALL {
            for rule in RULES {
                let (runtime, server) = (runtime.clone(), server.clone());
                let name = format!("conformance::{}::{}::{}", server.name(), admin.name(), rule.name);
                trials.push(Trial::test(name, move || {
                    runtime.block_on(async {
                        let fixture = server.fixture(admin).await.map_err(|error| error.to_string())?;
                        let checked = (rule.check)(&*fixture).await;
                        harness::finish(checked, fixture.end().await)
                    })
                }));
            }
        }
        trials
    })
}
