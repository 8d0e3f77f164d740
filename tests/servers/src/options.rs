//! The command line of `with-servers`.

use std::ffi::OsString;
use std::path::PathBuf;

pub(crate) const HELP: &str = "\
Runs a command beside throwaway servers on 127.0.0.1.

usage: with-servers [--postgres BIN_DIR]... [--mariadb] [--mssql PYTHON] [--moto PYTHON] -- COMMAND [ARGUMENT]...

  --postgres BIN_DIR  a PostgreSQL server from the programs in BIN_DIR; `newest`: the newest that is installed
  --mariadb           a MariaDB server
  --mssql PYTHON      stand-ins for SQL Server: one as 2022, one as 2019, one as Azure SQL Database;
                      PYTHON has their packages
  --moto PYTHON       a moto server, which plays AWS; PYTHON has moto[server]

The command gets, space-separated, with the superuser's credentials:
  DZCONN_TEST_POSTGRES_URLS      all servers, behind those that it names already
  DZCONN_TEST_POSTGRES_TLS_URLS  those started here that speak TLS
  DZCONN_TEST_POSTGRES_CA        a PEM file with the authorities of those
  DZCONN_TEST_MYSQL_...          the same of MariaDB
  DZCONN_TEST_MSSQL_...          the same of SQL Server
and without credentials, as moto takes any:
  DZCONN_TEST_MOTO_URL           moto

Signals are passed on to the command, and its status is returned. However it ends, the servers end too.
";

/// What to start and what to run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// Folders of programs; `None` is the newest that is installed.
    pub(crate) postgres: Vec<Option<PathBuf>>,
    pub(crate) mariadb: bool,
    /// A Python for the stand-ins.
    pub(crate) mssql: Option<PathBuf>,
    /// A Python that has moto.
    pub(crate) moto: Option<PathBuf>,
    pub(crate) program: OsString,
    pub(crate) args: Vec<OsString>,
}

impl Options {
    /// `None`: help is asked for.
    pub(crate) fn parse(mut args: impl Iterator<Item = OsString>) -> Result<Option<Self>, String> {
        let mut postgres = Vec::new();
        let mut mariadb = false;
        let mut mssql = None;
        let mut moto = None;
        loop {
            let Some(arg) = args.next() else { return Err("no `--` and command".into()) };
            match arg.to_str() {
                Some("--postgres") => match args.next() {
                    Some(dir) if dir == "newest" => postgres.push(None),
                    Some(dir) if dir != "--" => postgres.push(Some(dir.into())),
                    _ => return Err("--postgres without a folder".into()),
                },
                Some("--mariadb") => mariadb = true,
                Some("--mssql") => match args.next() {
                    Some(python) if python != "--" => mssql = Some(python.into()),
                    _ => return Err("--mssql without a Python".into()),
                },
                Some("--moto") => match args.next() {
                    Some(python) if python != "--" => moto = Some(python.into()),
                    _ => return Err("--moto without a Python".into()),
                },
                Some("--help" | "-h") => return Ok(None),
                Some("--") => break,
                _ => return Err(format!("unknown argument {}", arg.display())),
            }
        }
        let program = args.next().ok_or("no command behind `--`")?;
        Ok(Some(Self { postgres, mariadb, mssql, moto, program, args: args.collect() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Option<Options>, String> {
        Options::parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn everything() {
        let line = "--postgres /pg/bin --mariadb --mssql /bin/python --postgres newest --moto /bin/moto -- \
                    cargo test --mariadb";
        let options = parse(line).unwrap().unwrap();
        assert_eq!(options.postgres, [Some(PathBuf::from("/pg/bin")), None]);
        assert!(options.mariadb);
        assert_eq!(options.mssql, Some(PathBuf::from("/bin/python")));
        assert_eq!(options.moto, Some(PathBuf::from("/bin/moto")));
        assert_eq!(options.program, "cargo");
        assert_eq!(options.args, ["test", "--mariadb"]);
    }

    #[test]
    fn help() {
        assert_eq!(parse("--mariadb --help"), Ok(None));
    }

    #[test]
    fn nonsense_is_refused() {
        for line in [
            "",
            "--mariadb",
            "--mariadb --",
            "--postgres -- true",
            "--moto -- true",
            "--mssql --",
            "cargo test",
            "--mysql -- true",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
