//! The demo, with the servers that it starts itself.

use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::Bench;
use crate::server::Server;

pub(crate) fn every_proof_holds_and_nothing_is_left(server: &Server) {
    let only = if server.postgres { "postgres" } else { "mariadb" };
    let bench = Bench::new();
    let folder = bench.path("tmp");
    std::fs::create_dir(&folder).unwrap();
    // The server itself may run as somebody else.
    Command::new("chmod").args(["-R", "a+rx"]).arg(folder.parent().unwrap()).status().unwrap();
    let bench = bench.env("TMPDIR", folder.to_str().unwrap());

    let json = bench.run(&["demo", "--only", only, "--json"]).ended(0).json();
    assert_eq!(json["ok"], true);
    let steps = json["engines"][0]["steps"].as_array().unwrap();
    let names: Vec<_> = steps.iter().map(|step| step["step"].as_str().unwrap()).collect();
    assert_eq!(names, ["grant", "proof", "grant", "again", "revoke", "revoke", "left"]);
    assert!(steps.iter().all(|step| step["ok"] == true), "{json:#}");
    wait_until("the servers' folder is empty", || std::fs::read_dir(&folder).unwrap().next().is_none());

    // Kept, and then interrupted.
    let mut kept = Kept(bench.command(&["demo", "--only", only, "--keep"]).spawn().unwrap());
    let child = &mut kept.0;
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let heading = lines.next().unwrap().unwrap();
    let address = heading.split_whitespace().find(|word| word.starts_with("127.0.0.1:")).unwrap();
    let address = address.split('/').next().unwrap().to_owned();
    let command = lines.map(Result::unwrap).find(|line| line.contains("as the operator:")).unwrap();
    let command = command.split_once(":  ").unwrap().1;
    let list = Command::new("sh").args(["-c", command]).output().unwrap();
    assert!(String::from_utf8_lossy(&list.stdout).contains("granted"), "{list:?}");
    assert!(TcpStream::connect(&address).is_ok());
    Command::new("sh").args(["-c", &format!("kill -s INT {}", child.id())]).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    wait_until("the server is gone", || TcpStream::connect(&address).is_err());
    wait_until("the servers' folder is empty", || std::fs::read_dir(&folder).unwrap().next().is_none());
}

/// Ends with the test, also when that fails; its servers end with it.
struct Kept(Child);

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[track_caller]
fn wait_until(what: &str, is: impl Fn() -> bool) {
    let begin = Instant::now();
    while !is() {
        assert!(begin.elapsed() < Duration::from_secs(20), "not within 20 s: {what}");
        thread::sleep(Duration::from_millis(50));
    }
}
