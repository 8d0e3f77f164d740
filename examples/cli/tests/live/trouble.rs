//! Runs that die, and work that cannot be done.

use std::thread;
use std::time::Instant;

use crate::common::FORM;
use crate::server::{Sample, Server};

pub(crate) fn a_killed_grant_is_finished_by_the_next(server: &Server) {
    let sample = Sample::new(server);
    let bench = &sample.bench;
    let grant = ["grant", "--asset", "offices", "--environment", "env-risk"];
    let revoke = ["revoke", "--asset", "offices", "--environment", "env-risk"];
    let begin = Instant::now();
    bench.run(&grant).ended(0);
    let whole = begin.elapsed();
    bench.run(&revoke).ended(0);
    let mut killed = 0;
    for part in 1..=12 {
        let mut child = bench.command(&grant).spawn().unwrap();
        thread::sleep(whole * part / 12);
        // Kill sends SIGKILL: nothing of the process' own runs any more.
        child.kill().unwrap();
        killed += u32::from(bench.ended(child.wait_with_output().unwrap()).code == -1);
        bench.run(&grant).ended(0);
        let login = sample.login();
        assert_eq!(sample.rows(&login, "offices"), Ok(7), "killed after {part}/12");
        let mut child = bench.command(&revoke).spawn().unwrap();
        thread::sleep(whole * part / 24);
        child.kill().unwrap();
        killed += u32::from(bench.ended(child.wait_with_output().unwrap()).code == -1);
        bench.run(&revoke).ended(0);
        assert_eq!(sample.users(&login.0), 0, "killed after {part}/24");
        assert!(bench.run(&["list"]).ended(0).stdout.contains("nobody reads anything"));
        bench.no_secret(&[&login.1, &server.password]);
    }
    assert!(killed > 0, "every run had ended before it was killed");
}

pub(crate) fn what_cannot_be_done_has_the_form(server: &Server) {
    let sample = Sample::new(server);
    let bench = &sample.bench;
    let missing = sample.path("nothing");
    let run = bench.run(&["grant", "--asset", &missing, "--source", "sales", "--environment", "env-risk"]).ended(1);
    assert!(run.stderr.starts_with(&format!(
        "error: {missing} was not granted to env-risk: the source has no such table\n  source   "
    )));
    for field in FORM {
        assert!(run.stderr.contains(&format!("\n  {field}")), "{field} is not in\n{}", run.stderr);
    }
    assert!(run.stderr.contains("retry    not before that\n  changed  nothing\n"), "{}", run.stderr);
    assert!(bench.run(&["list"]).ended(0).stdout.contains("nobody reads anything"));

    let wrong = std::mem::take(&mut Sample::new(server).bench).env("ADMIN_PASSWORD", "hunter2hunter2");
    sample.directory("");
    std::fs::copy(bench.path("dzconn.toml"), wrong.path("dzconn.toml")).unwrap();
    let run = wrong.run(&["grant", "--asset", "offices", "--environment", "env-risk", "-vv"]).ended(1);
    assert!(run.stderr.contains("the source refuses the admin login"), "{}", run.stderr);
    let code = if server.postgres { "28P01" } else { "1045" };
    assert!(run.stderr.contains(code), "{}", run.stderr);
    let check = wrong.run(&["check", "--json"]).ended(1);
    assert_eq!(check.json()["sources"][0]["error"]["kind"], "admin_login_refused");
    wrong.no_secret(&["hunter2hunter2", &server.password]);
}

pub(crate) fn a_revoke_does_not_need_the_asset(server: &Server) {
    let sample = Sample::new(server);
    let bench = &sample.bench;
    let path = sample.path("offices");
    bench.run(&["grant", "--asset", "offices", "--environment", "env-risk"]).ended(0);
    let login = sample.login();
    let file = std::fs::read_to_string(bench.path("dzconn.toml")).unwrap();
    let (sources, _) = file.split_once("[[project]]").unwrap();
    bench.directory(sources);
    bench.run(&["revoke", "--asset", &path, "--environment", "env-risk"]).ended(0);
    assert_eq!(sample.users(&login.0), 0);
}
