//! `dzconn`: the operator's command. See `README.md` beside this package.

#![forbid(unsafe_code)]
#![allow(
    clippy::format_push_string,
    reason = "text for people is put together line by line; `write!` has an error to ignore"
)]

#[cfg(not(any(
    feature = "postgres",
    feature = "mysql",
    feature = "mssql",
    feature = "oracle",
    feature = "oracle-odpi"
)))]
compile_error!("a dzconn without an engine can do nothing: enable the feature postgres, mysql, mssql or oracle");

mod args;
mod backend;
mod catalog;
mod commands;
#[cfg(feature = "demo")]
mod demo;
mod directory;
mod exit;
mod failure;
mod log;
mod older;
mod output;
mod portal;
mod stores;
mod target;
mod tracked;
mod url;
mod world;

use std::ffi::OsStr;
use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind as Usage;
use dzconn_core::{Error, ErrorKind, Step};
use serde_json::json;

use crate::args::{Cli, Command};
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::{Output, print, print_error};
use crate::world::World;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error).into(),
    };
    let output = Output::new(&cli.global);
    log::start(cli.global.verbose, output);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let error = Error::new(ErrorKind::Unexpected, "the runtime cannot be started").because(error);
            return told(output, &Failure::looking("nothing was done", error)).into();
        }
    };
    let exit = runtime.block_on(async {
        match Box::pin(run(cli, output)).await {
            Ok(exit) => exit,
            Err(failure) => told(output, &failure),
        }
    });
    // What is still under way, a name look-up for instance, is not waited for.
    runtime.shutdown_background();
    exit.into()
}

async fn run(cli: Cli, output: Output) -> Result {
    #[cfg(feature = "aws")]
    let cli = on_aws(cli);
    match cli.command {
        Command::Completions { shell } => Ok(commands::completions::completions(shell)),
        #[cfg(feature = "aws")]
        Command::Toolkit { what } => commands::toolkit::toolkit(what, output),
        // Has servers to stop, and listens to signals itself.
        #[cfg(feature = "demo")]
        Command::Demo(_) if cli.global.is_aws() => {
            Err(Failure::looking("the demo was not started", commands::no_aws("demo")))
        }
        #[cfg(feature = "demo")]
        Command::Demo(args) => demo::demo(args, output).await,
        command => tokio::select! {
            result = on_the_world(command, World::open(cli.global, output)) => result,
            name = interrupted() => {
                print_error(&format!("{name}: the next run for the same environment and source finishes what was begun\n"));
                Ok(Exit::Interrupted)
            }
        },
    }
}

/// What is done to an account is done on AWS, said or not.
#[cfg(feature = "aws")]
fn on_aws(mut cli: Cli) -> Cli {
    cli.global.aws |= matches!(cli.command, Command::Admin { .. } | Command::Environment { .. });
    cli
}

async fn on_the_world(command: Command, world: dzconn_core::Result<World>) -> Result {
    let world = world.map_err(|error| Failure::looking("the directory file cannot be used", error))?;
    match command {
        Command::Grant(args) => commands::grant::grant(world, args).await,
        Command::Revoke(args) => commands::grant::revoke(world, args).await,
        Command::Rotate(args) => commands::rotate::rotate(world, args).await,
        Command::Plan { what } => commands::plan::plan(world, what).await,
        Command::List(args) => commands::list::list(world, args).await,
        Command::Show(args) => commands::show::show(world, args).await,
        Command::Reconcile(args) => commands::reconcile::reconcile(world, args).await,
        Command::Credentials(args) => commands::credentials::credentials(world, args).await,
        Command::Fulfil(args) => commands::events::fulfil(world, args).await,
        #[cfg(feature = "aws")]
        Command::Admin { what } => commands::admin::admin(world, what).await,
        #[cfg(feature = "aws")]
        Command::Environment { what } => commands::environment::environment(world, what).await,
        Command::Check(args) => commands::check::check(world, args).await,
        Command::Uninstall(args) => commands::uninstall::uninstall(world, args).await,
        #[cfg(feature = "aws")]
        Command::Toolkit { what } => commands::toolkit::toolkit(what, world.output),
        #[cfg(feature = "demo")]
        Command::Demo(_) => Ok(Exit::Done),
        Command::Completions { .. } => Ok(Exit::Done),
    }
}

/// The name of the signal that asks this process to end, once there is one.
async fn interrupted() -> &'static str {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => "interrupted",
        _ = terminate.recv() => "terminated",
    }
}

/// Prints a failure in its one form.
fn told(output: Output, failure: &Failure) -> Exit {
    if output.json {
        print(&format!("{:#}\n", json!({"error": failure.json()})));
    } else {
        print_error(&failure.text(output.paint_errors));
    }
    failure.exit()
}

/// A command line that is not one: clap's own words, or for programs the same as any other error.
fn usage(error: &clap::Error) -> Exit {
    if matches!(error.kind(), Usage::DisplayHelp | Usage::DisplayVersion) {
        let _ = error.print();
        return Exit::Done;
    }
    if std::env::args_os().any(|arg| arg == OsStr::new("--json")) {
        let text = error.to_string();
        let cause = text.trim().trim_start_matches("error: ").to_owned();
        let error = Error::new(ErrorKind::InvalidInput, cause).at(Step::Input).advise("see dzconn --help");
        let failure = Failure::looking("the command line cannot be used", error);
        print(&format!("{:#}\n", json!({"error": failure.json()})));
    } else {
        let _ = error.print();
    }
    Exit::Input
}
