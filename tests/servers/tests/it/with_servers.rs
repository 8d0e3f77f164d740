use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use crate::left::{assert_nothing_left, processes_with, wait_for};
use crate::library::fake_programs;

pub(crate) fn with_servers(servers: &[&str], script: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_with-servers"));
    command.args(servers).args(["--", "sh", "-c", script]);
    // These tests themselves may run beside servers.
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("DZCONN_TEST_")) {
        command.env_remove(name);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub(crate) fn output(servers: &[&str], script: &str) -> Output {
    with_servers(servers, script).output().unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(crate) fn send(signal: &str, to: u32) {
    let status = Command::new("sh").args(["-c", r#"kill -s "$1" "$2""#, "sh", signal, &to.to_string()]).status();
    assert!(status.unwrap().success());
}

/// What the scripts below print once they run: their process id, and a file in each server's folder.
const REPORT: &str = r#"printf '%s\n' "$$" "$DZCONN_TEST_POSTGRES_CA" "$DZCONN_TEST_MYSQL_CA""#;

struct Running {
    child: Child,
    stdout: BufReader<ChildStdout>,
    script: u32,
    folders: [PathBuf; 2],
}

/// Starts both servers and a script, given as what it does before its report and after it.
fn running(before: &str, after: &str) -> Running {
    let script = format!("{before}; {REPORT}; {after}");
    let mut child = with_servers(&["--postgres", "newest", "--mariadb"], &script).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = || {
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        line.trim().to_owned()
    };
    let script = line().parse().unwrap();
    let folders = [line(), line()].map(|file| Path::new(&file).parent().unwrap().to_path_buf());
    for folder in &folders {
        assert_ne!(processes_with(folder.to_str().unwrap()), [""; 0], "no server found: the search is broken");
    }
    Running { child, stdout, script, folders }
}

#[test]
fn the_command_gets_urls_and_authorities_and_its_status_is_returned() {
    let script = r#"env | grep ^DZCONN_TEST_ | sort; for f in "$DZCONN_TEST_POSTGRES_CA" "$DZCONN_TEST_MYSQL_CA"; do
        grep -c 'BEGIN CERTIFICATE' "$f"; done; exit 7"#;
    let output = output(&["--postgres", "newest", "--postgres", "newest", "--mariadb"], script);
    assert_eq!(output.status.code(), Some(7), "{}", text(&output.stderr));
    let stdout = text(&output.stdout);
    let value = |name: &str| {
        let prefix = format!("DZCONN_TEST_{name}=");
        stdout.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap_or_else(|| panic!("{name}: {stdout}"))
    };
    let postgres: Vec<&str> = value("POSTGRES_URLS").split(' ').collect();
    assert_eq!(postgres.len(), 2);
    assert!(postgres.iter().all(|url| url.starts_with("postgresql://postgres:") && url.ends_with("/postgres")));
    assert_ne!(postgres[0], postgres[1]);
    assert!(value("MYSQL_URLS").starts_with("mysql://root:"));
    assert_eq!(value("POSTGRES_URLS"), value("POSTGRES_TLS_URLS"));
    assert_eq!(value("MYSQL_URLS"), value("MYSQL_TLS_URLS"));
    let certificates: Vec<&str> = stdout.lines().rev().take(2).collect();
    assert_eq!(certificates, ["1", "2"], "one authority for MariaDB, two for PostgreSQL");
    for name in ["POSTGRES_CA", "MYSQL_CA"] {
        assert_nothing_left(Path::new(value(name)).parent().unwrap());
    }
    let password = postgres[0].split([':', '@']).nth(2).unwrap();
    assert_eq!(password.len(), 32);
    assert!(!text(&output.stderr).contains(password));
}

#[test]
fn only_what_was_started_is_exported() {
    let output = output(&["--postgres", "newest"], "env");
    let stdout = text(&output.stdout);
    assert!(stdout.contains("DZCONN_TEST_POSTGRES_URLS="));
    assert!(!stdout.contains("DZCONN_TEST_MYSQL"));
}

#[test]
fn servers_of_your_own_join() {
    let own = "postgresql://admin:secret@db.example/db";
    let mut command = with_servers(&["--postgres", "newest"], "echo $DZCONN_TEST_POSTGRES_URLS");
    let output = command.env("DZCONN_TEST_POSTGRES_URLS", own).output().unwrap();
    let stdout = text(&output.stdout);
    let urls: Vec<&str> = stdout.split_whitespace().collect();
    assert_eq!(urls.len(), 2, "{stdout}");
    assert_eq!(urls[0], own);
    assert!(urls[1].contains("@127.0.0.1:"), "{stdout}");
}

#[test]
fn a_command_that_a_signal_ends_returns_what_a_shell_would() {
    assert_eq!(output(&[], "kill -s KILL $$").status.code(), Some(137));
}

#[test]
fn a_command_that_does_not_exist() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_with-servers"));
    let output = command.args(["--", "/nowhere/to/be/found"]).output().unwrap();
    assert_eq!(output.status.code(), Some(127));
    assert!(text(&output.stderr).contains("/nowhere/to/be/found"));
}

#[test]
fn wrong_arguments() {
    let output = Command::new(env!("CARGO_BIN_EXE_with-servers")).arg("--oracle").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("usage:"));
}

#[test]
fn a_server_that_cannot_be_started_ends_the_others_and_runs_nothing() {
    let output = output(&["--mariadb", "--postgres", "/nowhere"], "echo ran");
    assert_eq!(output.status.code(), Some(125));
    assert!(text(&output.stderr).contains("apt-get install postgresql"));
    assert_eq!(text(&output.stdout), "");
}

#[test]
fn sigterm_reaches_the_command_and_its_children_and_nothing_is_left() {
    // The shell waits for its child before it runs the trap: it ends in time only if the child got the signal too.
    let mut running = running("trap 'echo trapped; exit 3' TERM", "sleep 60");
    send("TERM", running.child.id());
    assert_eq!(running.child.wait().unwrap().code(), Some(3));
    let mut rest = String::new();
    running.stdout.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "trapped\n");
    for folder in &running.folders {
        assert_nothing_left(folder);
    }
}

#[test]
fn servers_do_not_outlive_a_parent_that_is_killed() {
    let mut running = running(":", "exec sleep 60");
    send("KILL", running.child.id());
    running.child.wait().unwrap();
    send("KILL", running.script);
    for folder in &running.folders {
        wait_for("the server and its folder go", || {
            !folder.exists() && processes_with(folder.to_str().unwrap()).is_empty()
        });
    }
}

#[test]
fn a_signal_while_the_servers_start_runs_nothing_and_leaves_nothing() {
    let programs = fake_programs("sleep 1; exec /nowhere");
    let marker = programs.path().to_str().unwrap();
    let child = with_servers(&["--postgres", marker], "echo ran").spawn().unwrap();
    wait_for("initdb runs", || !processes_with(&format!("{marker}/initdb")).is_empty());
    send("TERM", child.id());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(128 + 15));
    assert_eq!(text(&output.stdout), "");
    assert_eq!(processes_with(marker), [""; 0]);
}

#[test]
fn nor_does_what_prepares_a_server() {
    // A number that no other process of the machine sleeps for, in a run of this test or another.
    let sleep = format!("sleep 61.{}", std::process::id());
    let programs = fake_programs(&sleep);
    let mut child = with_servers(&["--postgres", programs.path().to_str().unwrap()], "true").spawn().unwrap();
    wait_for("initdb runs", || !processes_with(&sleep).is_empty());
    let initdb = processes_with(programs.path().join("initdb").to_str().unwrap()).concat();
    let data = initdb.split(' ').skip_while(|word| *word != "-D").nth(1).unwrap();
    let folder = Path::new(data).parent().unwrap();
    assert!(folder.exists());
    send("KILL", child.id());
    child.wait().unwrap();
    wait_for("initdb and the folder go", || !folder.exists() && processes_with(&sleep).is_empty());
    assert_nothing_left(folder);
}
