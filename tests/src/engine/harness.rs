//! Tests that are made at run time, out of the servers that there are.

use std::process::ExitCode;
use std::sync::Arc;

use dzconn_core::Result;
use libtest_mimic::{Arguments, Completion, Trial};
use tokio::runtime::{Handle, Runtime};

use super::{Kind, Server};

/// Most of a test's time is waiting for a server.
const THREADS: usize = 6;

/// As [`run`], where a variable is needed too; without it, all of `names` are shown as ignored. It is about something else
/// than engines: of each kind of server one is enough.
pub fn run_with(
    suite: &'static str,
    variable: &'static str,
    names: &[String],
    on_server: impl Fn(&Handle, &Arc<dyn Server>, &str) -> Vec<Trial>,
) -> ExitCode {
    if let Ok(value) = std::env::var(variable) {
        return run_on(1, suite, names, |runtime, server| on_server(runtime, server, &value));
    }
    let ignored = |name: &String| {
        let reason = format!("set {variable}");
        Trial::ignorable_test(format!("{suite}::{name}"), move || Ok(Completion::ignored_with(reason)))
    };
    libtest_mimic::run(&Arguments::from_args(), names.iter().map(ignored).collect()).exit_code()
}

/// Runs the tests that `on_server` makes for each server. Where no server is named, those of `names` are shown as ignored;
/// where one is named and does not answer, that is a test that fails.
pub fn run(
    suite: &'static str,
    names: &[String],
    on_server: impl Fn(&Handle, &Arc<dyn Server>) -> Vec<Trial>,
) -> ExitCode {
    run_on(usize::MAX, suite, names, on_server)
}

/// As [`run`], on at most so many servers of each kind.
pub fn run_on(
    most: usize,
    suite: &'static str,
    names: &[String],
    on_server: impl Fn(&Handle, &Arc<dyn Server>) -> Vec<Trial>,
) -> ExitCode {
    run_beside(|_| Vec::new(), most, suite, names, on_server)
}

/// As [`run_on`], beside tests that need none of the servers.
pub fn run_beside(
    others: impl FnOnce(&Handle) -> Vec<Trial>,
    most: usize,
    suite: &'static str,
    names: &[String],
    on_server: impl Fn(&Handle, &Arc<dyn Server>) -> Vec<Trial>,
) -> ExitCode {
    let mut args = Arguments::from_args();
    args.test_threads.get_or_insert(THREADS);
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };

    let mut others = others(runtime.handle()).into_iter();
    let mut trials = Vec::new();
    let mut servers: Vec<Arc<dyn Server>> = Vec::new();
    for kind in Kind::ALL {
        let found = runtime.block_on(kind.servers());
        if found.is_empty() {
            let reason = format!("no server: set {}", kind.variables()[0]);
            trials.extend(names.iter().map(|name| {
                let reason = reason.clone();
                Trial::ignorable_test(format!("{suite}::{}::{name}", kind.name()), move || {
                    Ok(Completion::ignored_with(reason))
                })
            }));
        }
        if kind.is_only_simulated() {
            let reason = format!("only simulated: set {} for a real server", kind.variables()[0]);
            let name = format!("{suite}::{}::on_a_real_server", kind.name());
            trials.push(Trial::ignorable_test(name, move || Ok(Completion::ignored_with(reason))));
        }
        for (number, server) in found.into_iter().enumerate() {
            match server {
                Ok(server) => {
                    if number < most {
                        trials.extend(on_server(runtime.handle(), &server));
                    }
                    servers.push(server);
                }
                Err(error) => {
                    let name = format!("{suite}::{}-{}::answers", kind.name(), number + 1);
                    trials.push(Trial::test(name, move || Err(error.into())));
                }
            }
        }
    }

    // Mixed, since neighbours may wait for each other.
    let every = trials.len() / others.len().max(1) + 1;
    let mut mixed = Vec::new();
    for trial in trials {
        if mixed.len() % (every + 1) == 0 {
            mixed.extend(others.next());
        }
        mixed.push(trial);
    }
    mixed.extend(others);
    let conclusion = libtest_mimic::run(&args, mixed);
    let mut code = conclusion.exit_code();
    for server in servers {
        if let Err(error) = runtime.block_on(server.end()) {
            eprintln!("{} was not cleaned up: {error}", server.name());
            code = ExitCode::FAILURE;
        }
    }
    code
}

/// What a test answers; an error of the cleaning up counts where the test itself has none.
pub fn finish<E: std::fmt::Display>(
    tested: std::result::Result<(), E>,
    ended: Result<()>,
) -> std::result::Result<(), libtest_mimic::Failed> {
    tested.map_err(|error| format!("{error}"))?;
    Ok(ended.map_err(|error| format!("{error}"))?)
}
