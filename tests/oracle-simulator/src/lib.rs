//! What a session of Oracle Database would answer, for tests that have no server.
//!
//! [`Simulator`] stands behind the engine's own seam, [`dzconn_oracle::driver::Driver`]: it takes the text of statements, and
//! behaves as Oracle's documentation says that a server does. It knows nothing of the engine, and its author has read the
//! documentation rather than the engine's statements: what the two disagree about is a finding.
//!
//! It keeps users, profiles, roles and privileges with who granted them, tables and views with rows, sessions on several
//! instances, `DBMS_LOCK`'s locks; it evaluates queries over the data dictionary as the session's user sees it, and runs
//! anonymous PL/SQL blocks. A statement that it does not know is ORA-00900, never a success.
//!
//! What it does not have: a network (no TLS, no wire), time zones, fractions, isolation of readers from a statement that
//! runs at the same moment, waits for rows that others have locked, and whatever no statement here has asked for yet.
//!
//! ```
//! use dzconn_oracle_simulator::{Options, Simulator, Version};
//!
//! let simulator = Simulator::new(Options::new(Version::V19));
//! simulator.as_sys("CREATE USER scott IDENTIFIED BY \"Tiger-1\"").unwrap();
//! assert_eq!(simulator.as_sys("CREATE USER scott IDENTIFIED BY \"Tiger-1\"").unwrap_err().code, 1920);
//! ```

#![forbid(unsafe_code)]
#![allow(
    clippy::doc_markdown,
    clippy::needless_for_each,
    reason = "Oracle's names are in capitals; a visit is an expression"
)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "that is how a test fails")
)]

mod ast;
mod block;
mod database;
mod dictionary;
mod driver;
mod error;
mod eval;
mod grants;
mod install;
mod lex;
mod locks;
mod objects;
mod options;
mod parse;
mod security;
mod session;
#[cfg(test)]
mod tests;
mod users;
mod value;

pub use driver::Simulator;
pub use error::OraError;
pub use options::{Options, Version};
