use std::fs;
use std::ops::Deref;
use std::path::Path;

use crate::server::{Recipe, Server};
use crate::{Error, find};

/// A throwaway stand-in for SQL Server: superuser `sa`. See `tests/mssql`.
#[derive(Debug)]
pub struct Mssql(Server, MssqlKind);

/// What a stand-in is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MssqlKind {
    /// SQL Server 2022, which offers TLS.
    Server2022,
    /// SQL Server 2019, which offers TLS.
    Server2019,
    /// Azure SQL Database, which demands TLS.
    Azure,
}

impl MssqlKind {
    /// All.
    pub const ALL: [Self; 3] = [Self::Server2022, Self::Server2019, Self::Azure];
}

impl Mssql {
    /// Starts one with a Python that has its packages (`pysqlbridge`, `sqlglot`).
    pub fn start(python: &Path, kind: MssqlKind) -> Result<Self, Error> {
        let python = find::python(python)?;
        let code = Path::new(env!("CARGO_MANIFEST_DIR")).join("../mssql/standin");
        let (version, database, options): (_, _, &[&str]) = match kind {
            MssqlKind::Server2022 => ("2022", "master", &["--release", "16"]),
            MssqlKind::Server2019 => ("2019", "master", &["--release", "15"]),
            MssqlKind::Azure => ("Azure", "standin", &["--azure", "--encrypt", "required"]),
        };
        Server::start(&Recipe {
            name: "SQL-Server-stand-in",
            version: version.to_owned(),
            scheme: "sqlserver",
            user: "sa",
            database,
            script: concat!(include_str!("sh/certificates.sh"), include_str!("sh/mssql.sh")),
            program: &python,
            code: Some(&code),
            options,
            secret: |password| password.to_owned(),
            answers,
            signals: ["TERM", "KILL"],
        })
        .map(|server| Self(server, kind))
    }

    /// What it is.
    pub const fn kind(&self) -> MssqlKind {
        self.1
    }
}

impl Deref for Mssql {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.0
    }
}

/// It prints its URL once it listens.
fn answers(folder: &Path, port: u16) -> Option<bool> {
    let log = fs::read_to_string(folder.join("log")).ok()?;
    log.contains(&format!("@127.0.0.1:{port}/")).then(|| folder.join("tls/server.pem").exists())
}
