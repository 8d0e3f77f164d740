//! The stub as a program, for use by hand.

#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{BufReader, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use dzconn_datazone_stub::{DataZoneStub, State};

/// A local stand-in for Amazon DataZone. It prints its URL and serves until it is ended.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// The port on 127.0.0.1; a free one by default.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// What the stub knows at first: a JSON file, as GET /_stub/state shows it.
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("dzconn-datazone-stub: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), String> {
    let state = match &options.state {
        None => State::default(),
        Some(path) => {
            let file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
            serde_json::from_reader(BufReader::new(file)).map_err(|error| format!("{}: {error}", path.display()))?
        }
    };
    let stub = DataZoneStub::start_on(options.port, state).map_err(|error| format!("cannot listen: {error}"))?;
    println!("{}", stub.url());
    std::io::stdout().flush().map_err(|error| error.to_string())?;
    stub.wait();
    Ok(())
}
