//! Throwaway PostgreSQL and MariaDB servers, a stand-in for SQL Server, and moto, which plays AWS, for the tests and the demo.
//!
//! ```no_run
//! use dzconn_test_servers::{MariaDb, Postgres};
//!
//! let postgres = Postgres::start(None)?;
//! let mariadb = MariaDb::start()?;
//! println!("{} {} listens on 127.0.0.1:{}", postgres.name(), postgres.version(), postgres.port());
//! # drop(mariadb);
//! # Ok::<(), dzconn_test_servers::Error>(())
//! ```
//!
//! Each server has a folder of its own in the temporary directory, a free port on 127.0.0.1 and a random superuser
//! password, which travels by file and never as an argument of a process. Started by root, it runs as `nobody`. It
//! speaks TLS beside plain text where it can ([`Server::ca_pem`]). moto has neither password nor TLS.
//!
//! A server ends with its [`Server`] (or [`Moto`]) value, and with the process that started it, however that ends, SIGKILL
//! included: a small shell beside the server waits for the end of a pipe that the kernel closes in any case.
//!
//! Starting and stopping block. Linux only.

#![forbid(unsafe_code)]

mod error;
mod find;
mod mariadb;
mod moto;
mod mssql;
mod postgres;
mod server;
mod supervisor;

pub use error::Error;
pub use mariadb::MariaDb;
pub use moto::Moto;
pub use mssql::{Mssql, MssqlKind};
pub use postgres::Postgres;
pub use server::{Server, Stop};
