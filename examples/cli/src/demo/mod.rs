//! `dzconn demo`: a subscription's whole life on throwaway servers. What is printed as proof is what another client saw.

mod around;
mod client;
mod sample;
mod server;
mod stage;
mod story;
mod tell;

use dzconn_core::{Changed, Error, ErrorKind};

use self::server::{Kind, Running};
use self::stage::Stage;
use self::tell::Teller;
use crate::args::{DemoArgs, DemoEngine};
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::{Output, print_error};

/// Runs until its end, or until somebody has seen enough. Servers, stores and folders are values in here, so that they are
/// gone however it ends.
pub(crate) async fn demo(args: DemoArgs, output: Output) -> Result {
    tokio::select! {
        result = run(args, output) => result,
        name = crate::interrupted() => {
            print_error(&format!("{name}: everything that the demo started is gone\n"));
            Ok(Exit::Interrupted)
        }
    }
}

async fn run(args: DemoArgs, output: Output) -> Result {
    let kinds = kinds(args.only).map_err(|error| broken("the demo was not started", error))?;
    let progress = crate::output::progress("starting throwaway servers");
    let servers = Running::start(&kinds).await.map_err(|error| broken("the demo was not started", error))?;
    drop(progress);
    let mut teller = Teller::new(output);
    let mut stages = Vec::new();
    for server in &servers {
        let what = || format!("the demo on {} was cut short", server.kind().product());
        let stage = Stage::set(server).await.map_err(|error| broken(what(), error))?;
        teller.begin(server.kind().product(), server.version(), &stage.endpoint(), server.speaks_tls());
        story::tell(&stage, &mut teller).await.map_err(|error| broken(what(), error))?;
        stages.push(stage);
    }
    let exit = teller.end();
    if args.keep {
        for stage in &stages {
            around::prepare(stage).await.map_err(|error| broken("there is nothing to look at", error))?;
        }
        around::show(&stages, output);
        std::future::pending::<()>().await;
    }
    Ok(exit)
}

/// What to show, out of what this build has.
fn kinds(only: Option<DemoEngine>) -> dzconn_core::Result<Vec<Kind>> {
    let built = [(Kind::Postgres, cfg!(feature = "postgres")), (Kind::MariaDb, cfg!(feature = "mysql"))];
    let wanted = |kind: Kind| match only {
        None => true,
        Some(DemoEngine::Postgres) => kind == Kind::Postgres,
        Some(DemoEngine::Mariadb) => kind == Kind::MariaDb,
    };
    let kinds: Vec<_> = built.iter().filter(|(kind, built)| *built && wanted(*kind)).map(|(kind, _)| *kind).collect();
    if kinds.is_empty() {
        return Err(Error::new(ErrorKind::UnknownEngine, "this build has no engine for it")
            .advise("build with the feature postgres or mysql"));
    }
    Ok(kinds)
}

/// Whatever the demo did is gone.
fn broken(what: impl Into<String>, error: Error) -> Failure {
    Failure::new(what, error.changed(Changed::Nothing))
}
