//! What is logged, to standard error.

use std::io;

use tracing::{Level, Metadata};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, filter};

use crate::output::Output;

/// Starts logging, if it is asked for.
pub(crate) fn start(verbose: u8, output: Output) {
    let wanted = EnvFilter::try_from_default_env().unwrap_or_else(|_| {
        EnvFilter::new(match verbose {
            0 => "warn",
            1 => "info,dzconn=debug,dzconn_core=debug",
            _ => "info,dzconn=trace,dzconn_core=trace,dzconn_postgres=trace,dzconn_mysql=trace,dzconn_mssql=trace,dzconn_oracle=trace",
        })
    });
    let ansi = output.paint_errors.colours();
    let layer = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(ansi).with_filter(wanted);
    // A second start, in a test, keeps the first.
    let _ = tracing_subscriber::registry().with(layer.with_filter(filter::filter_fn(is_harmless))).try_init();
}

/// Drivers and TLS libraries log statements, packets and keys in detail: of them only warnings pass, whatever
/// `RUST_LOG` says; and nothing of what quotes statements (sqlx) or servers' answers to them (tiberius).
fn is_harmless(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    if target.starts_with("dzconn") {
        return true;
    }
    let quotes = ["sqlx::query", "tiberius"].iter().any(|prefix| target.starts_with(prefix));
    *metadata.level() <= Level::WARN && !quotes
}
