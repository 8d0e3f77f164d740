//! The supervision of stand-ins for SQL Server. The Python is a fake one that behaves as a stand-in does while it starts: its
//! packages are not needed.

use std::path::{Path, PathBuf};

use dzconn_test_servers::{Error, Mssql, MssqlKind};

use crate::left::{assert_nothing_left, processes_with};
use crate::library::executable;
use crate::with_servers::{output, text};

/// Says where it listens, and what it was told, half a second late.
const FAKE: &str = r#"#!/usr/bin/python3
import os, sys, time

assert sys.argv[1:3] == ["-m", "standin"] and os.path.exists("standin/__main__.py"), "the code is not here"
options = sys.argv[3:]
assert len(open(options[options.index("--password-file") + 1]).read()) == 32
time.sleep(0.5)
print(f"sqlserver://sa:...@127.0.0.1:{options[options.index('--port') + 1]}/master {options}", flush=True)
time.sleep(60)
"#;

fn fake() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let python = executable(dir.path(), "python", FAKE);
    (dir, python)
}

#[test]
fn each_kind_is_told_what_it_is_and_goes() {
    let (_dir, python) = fake();
    for (kind, option, database) in [
        (MssqlKind::Server2022, "'--release', '16'", "/master"),
        (MssqlKind::Server2019, "'--release', '15'", "/master"),
        (MssqlKind::Azure, "'--azure', '--encrypt', 'required'", "/standin"),
    ] {
        let server = Mssql::start(&python, kind).unwrap();
        let log = std::fs::read_to_string(server.log_file()).unwrap();
        assert!(log.contains(option), "{log}");
        assert!(log.contains("--certificate") && server.ca_pem().is_some(), "{log}");
        assert!(server.url().starts_with("sqlserver://sa:") && server.url().ends_with(database), "{}", server.port());
        assert_ne!(processes_with(python.to_str().unwrap()), [""; 0], "no process found: the search is broken");
        assert_eq!(processes_with(server.password()), [""; 0]);
        let folder = server.folder().to_path_buf();
        drop(server);
        assert_nothing_left(&folder);
    }
}

#[test]
fn a_python_that_is_not_there_is_named() {
    let error = Mssql::start(Path::new("/nowhere/python"), MssqlKind::Azure).unwrap_err();
    assert!(matches!(error, Error::NoPython { .. }));
    let output = output(&["--mssql", "/nowhere/python"], "echo ran");
    assert_eq!(output.status.code(), Some(125));
    assert!(text(&output.stderr).contains("/nowhere/python"));
    assert_eq!(text(&output.stdout), "");
}

#[test]
fn the_command_gets_urls_and_authorities() {
    let (_dir, python) = fake();
    let script = r#"env | grep ^DZCONN_TEST_ | sort; grep -c 'BEGIN CERTIFICATE' "$DZCONN_TEST_MSSQL_CA""#;
    let output = output(&["--mssql", python.to_str().unwrap()], script);
    let stdout = text(&output.stdout);
    let lines: Vec<&str> = stdout.lines().collect();
    let [azure, ca, tls, all, certificates] = lines[..] else { panic!("{stdout} {}", text(&output.stderr)) };
    let azure = azure.strip_prefix("DZCONN_TEST_MSSQL_AZURE_URLS=").unwrap();
    assert!(azure.ends_with("/standin") && all.ends_with(&format!(" {azure}")), "{azure} {all}");
    assert!(ca.starts_with("DZCONN_TEST_MSSQL_CA="), "{ca}");
    assert_eq!(tls.strip_prefix("DZCONN_TEST_MSSQL_TLS_URLS="), all.strip_prefix("DZCONN_TEST_MSSQL_URLS="));
    assert_eq!(all.matches("sqlserver://sa:").count(), 3, "{all}");
    assert_eq!(certificates, "3");
    assert_eq!(processes_with(python.to_str().unwrap()), [""; 0]);
}
