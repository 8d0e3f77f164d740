//! The throwaway servers.

use std::path::{Path, PathBuf};
use std::thread;

use dzconn_core::{Error, ErrorKind, Result};
use dzconn_test_servers::{MariaDb, Postgres, Server};

/// What the demo can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Postgres,
    MariaDb,
}

impl Kind {
    pub(super) const fn product(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::MariaDb => "MariaDB",
        }
    }

    /// The database of the sample; in MariaDB a database is a schema.
    pub(super) const fn database(self) -> &'static str {
        match self {
            Self::Postgres => "sales",
            Self::MariaDb => "hr",
        }
    }

    /// A sample table's path, as a catalogue has it.
    pub(super) fn path(self, table: &str) -> String {
        match self {
            Self::Postgres => format!("sales.hr.{table}"),
            Self::MariaDb => format!("hr.{table}"),
        }
    }

    pub(super) const fn subprotocol(self) -> &'static str {
        match self {
            Self::Postgres => "postgresql",
            Self::MariaDb => "mariadb",
        }
    }
}

/// A server that is there as long as this value.
#[derive(Debug)]
pub(super) enum Running {
    Postgres(Postgres),
    MariaDb(MariaDb),
}

impl Running {
    /// Starts one of each kind, all at once.
    pub(super) async fn start(kinds: &[Kind]) -> Result<Vec<Self>> {
        let kinds = kinds.to_vec();
        let starting = tokio::task::spawn_blocking(move || {
            thread::scope(|scope| {
                let threads: Vec<_> = kinds.iter().map(|kind| scope.spawn(|| Self::start_one(*kind))).collect();
                threads
                    .into_iter()
                    .map(|thread| thread.join().unwrap_or_else(|_| Err(unexpected("a server's thread panicked"))))
                    .collect()
            })
        });
        starting.await.unwrap_or_else(|_| Err(unexpected("the servers' thread panicked")))
    }

    fn start_one(kind: Kind) -> Result<Self> {
        let started = match kind {
            Kind::Postgres => Postgres::start(None).map(Self::Postgres),
            Kind::MariaDb => MariaDb::start().map(Self::MariaDb),
        };
        started.map_err(|error| {
            let only = match kind {
                Kind::Postgres => "mariadb",
                Kind::MariaDb => "postgres",
            };
            Error::new(ErrorKind::Unexpected, error.to_string())
                .advise(format!("install what is missing, or leave it out: dzconn demo --only {only}"))
        })
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Postgres(_) => Kind::Postgres,
            Self::MariaDb(_) => Kind::MariaDb,
        }
    }

    fn server(&self) -> &Server {
        match self {
            Self::Postgres(server) => server,
            Self::MariaDb(server) => server,
        }
    }

    pub(super) fn version(&self) -> &str {
        self.server().version()
    }

    pub(super) fn port(&self) -> u16 {
        self.server().port()
    }

    pub(super) fn superuser(&self) -> (&str, &str) {
        (self.server().user(), self.server().password())
    }

    pub(super) fn ca_pem(&self) -> Option<&str> {
        self.server().ca_pem()
    }

    pub(super) fn speaks_tls(&self) -> bool {
        self.ca_pem().is_some()
    }

    pub(super) fn folder(&self) -> &Path {
        self.server().folder()
    }

    pub(super) fn log_file(&self) -> PathBuf {
        self.server().log_file()
    }
}

fn unexpected(what: &str) -> Error {
    Error::new(ErrorKind::Unexpected, what)
}
