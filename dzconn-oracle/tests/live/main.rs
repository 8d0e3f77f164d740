//! The drivers themselves: what they make of listeners that refuse, hang, talk nonsense or cannot prove who they are; and a
//! small suite for real servers. What every engine must do is in the core's conformance suite.
//!
//! `DZCONN_TEST_ORACLE_URLS` holds the URLs of admin logins on throwaway databases, separated by spaces:
//! `oracle://user:password@127.0.0.1:1521/FREEPDB1`, with `?driver=odpi` for that driver and `?tls=verify-full` for TLS. The
//! admin needs what the crate's front page lists, CREATE TABLE, and a quota. Without it the tests on servers are ignored.

// Tests panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[cfg(feature = "thin")]
mod certificates;
mod fakes;
mod lab;
#[cfg(feature = "odpi")]
mod odpi;
mod server;
#[cfg(feature = "thin")]
mod thin;

use std::process::ExitCode;

use libtest_mimic::Arguments;

fn main() -> ExitCode {
    #[cfg(feature = "thin")]
    if std::env::var_os(thin::CHILD).is_some() {
        return thin::child();
    }
    #[cfg(feature = "odpi")]
    if std::env::var_os(odpi::CHILD).is_some() {
        return odpi::child();
    }
    let arguments = Arguments::from_args();
    let mut trials = server::trials();
    #[cfg(feature = "odpi")]
    trials.extend(odpi::trials());
    #[cfg(feature = "thin")]
    trials.extend(thin::trials());
    libtest_mimic::run(&arguments, trials).exit_code()
}
