//! Runs a command beside throwaway servers.

#![forbid(unsafe_code)]

mod exec;
mod options;

use std::fmt;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;

use dzconn_test_servers::{Error, MariaDb, Moto, Mssql, MssqlKind, Postgres, Server};
use exec::Signals;
use options::Options;

// Statuses that are not the command's own, as `env` and `timeout` have them.
const USAGE: u8 = 2;
const NO_SERVER: u8 = 125;
const NOT_RUN: u8 = 127;

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args_os().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            print!("{}", options::HELP);
            return ExitCode::SUCCESS;
        }
        Err(wrong) => {
            say(format_args!("{wrong}\n\n{}", options::HELP));
            return ExitCode::from(USAGE);
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            say(format_args!("{error}"));
            return ExitCode::from(NO_SERVER);
        }
    };
    ExitCode::from(runtime.block_on(run(options)).unwrap_or_else(|(status, problem)| {
        say(format_args!("{problem}"));
        status
    }))
}

/// The servers stop when this returns: they are values of it.
async fn run(options: Options) -> Result<u8, (u8, String)> {
    let no_server = |error: &dyn fmt::Display| (NO_SERVER, error.to_string());
    let mut signals = Signals::listen().map_err(|error| no_server(&error))?;

    let Options { postgres, mariadb, mssql, moto, program, args } = options;
    let mut starting =
        tokio::task::spawn_blocking(move || Servers::start(&postgres, mariadb, mssql.as_deref(), moto.as_deref()));
    let mut signalled = None;
    let started = loop {
        tokio::select! {
            started = &mut starting => break started.map_err(|error| no_server(&error))?,
            signal = signals.next() => signalled = Some(signal),
        }
    };
    if let Some(signal) = signalled {
        return Ok(exec::signal_status(signal.as_raw_value()));
    }
    let servers = started.map_err(|error| no_server(&error))?;
    for server in servers.all() {
        let tls = if server.ca_pem().is_some() { "with TLS" } else { "without TLS" };
        say(format_args!("{server}, {tls}"));
    }
    if let Some(moto) = &servers.moto {
        say(format_args!("{moto}"));
    }
    let environment = servers.environment().map_err(|error| no_server(&error))?;

    exec::run(&program, &args, &environment, &mut signals)
        .await
        .map_err(|error| (NOT_RUN, format!("cannot run {}: {error}", program.display())))
}

/// Unlike `eprintln!`, does not end us when nobody listens any more.
fn say(message: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "with-servers: {message}");
}

struct Servers {
    postgres: Vec<Postgres>,
    mariadb: Option<MariaDb>,
    mssql: Vec<Mssql>,
    moto: Option<Moto>,
}

impl Servers {
    /// Starts all at once; when one fails, the others stop again.
    fn start(
        bin_dirs: &[Option<PathBuf>],
        mariadb: bool,
        mssql: Option<&Path>,
        moto: Option<&Path>,
    ) -> Result<Self, Error> {
        thread::scope(|scope| {
            let postgres: Vec<_> =
                bin_dirs.iter().map(|dir| scope.spawn(move || Postgres::start(dir.as_deref()))).collect();
            let mariadb = mariadb.then(|| scope.spawn(MariaDb::start));
            let kinds = mssql.into_iter().flat_map(|python| MssqlKind::ALL.map(|kind| (python, kind)));
            let mssql: Vec<_> = kinds.map(|(python, kind)| scope.spawn(move || Mssql::start(python, kind))).collect();
            let moto = moto.map(|python| scope.spawn(move || Moto::start(python)));
            let postgres = postgres.into_iter().map(join).collect::<Result<_, _>>();
            let mariadb = mariadb.map(join).transpose();
            let mssql = mssql.into_iter().map(join).collect::<Result<_, _>>();
            let moto = moto.map(join).transpose();
            Ok(Self { postgres: postgres?, mariadb: mariadb?, mssql: mssql?, moto: moto? })
        })
    }

    fn postgres(&self) -> Vec<&Server> {
        self.postgres.iter().map(|server| &**server).collect()
    }

    fn mysql(&self) -> Vec<&Server> {
        self.mariadb.iter().map(|server| &**server).collect()
    }

    fn mssql(&self) -> Vec<&Server> {
        self.mssql.iter().map(|server| &**server).collect()
    }

    fn all(&self) -> Vec<&Server> {
        [self.postgres(), self.mysql(), self.mssql()].concat()
    }

    fn environment(&self) -> io::Result<Vec<(String, String)>> {
        let mut variables = Vec::new();
        if let Some(moto) = &self.moto {
            variables.push(("DZCONN_TEST_MOTO_URL".to_owned(), moto.url()));
        }
        for (kind, servers) in [("POSTGRES", self.postgres()), ("MYSQL", self.mysql()), ("MSSQL", self.mssql())] {
            if servers.is_empty() {
                continue;
            }
            let with_tls: Vec<&Server> = servers.iter().copied().filter(|server| server.ca_pem().is_some()).collect();
            let name = format!("DZCONN_TEST_{kind}_URLS");
            let given = std::env::var(&name).unwrap_or_default();
            let all = format!("{given} {}", urls(&servers));
            variables.push((name, all.trim_start().to_owned()));
            if let Some(first) = with_tls.first() {
                // In a server's folder, since that is removed even if we are killed.
                let file = first.folder().join("authorities.pem");
                fs::write(&file, with_tls.iter().filter_map(|server| server.ca_pem()).collect::<String>())?;
                variables.push((format!("DZCONN_TEST_{kind}_TLS_URLS"), urls(&with_tls)));
                variables.push((format!("DZCONN_TEST_{kind}_CA"), display(&file)));
            }
        }
        // Also among the others: what is the same on both is tried on both.
        let azure: Vec<_> =
            self.mssql.iter().filter(|server| server.kind() == MssqlKind::Azure).map(|s| &**s).collect();
        if !azure.is_empty() {
            variables.push(("DZCONN_TEST_MSSQL_AZURE_URLS".to_owned(), urls(&azure)));
        }
        Ok(variables)
    }
}

fn urls(servers: &[&Server]) -> String {
    servers.iter().map(|server| server.url()).collect::<Vec<_>>().join(" ")
}

fn display(path: &Path) -> String {
    path.display().to_string()
}

fn join<T>(thread: thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
