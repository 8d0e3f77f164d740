//! The real binary, without a database: help, wrong input, exit codes, the form of errors.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::format_push_string,
    reason = "a test fails by panicking"
)]

mod common;

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

use common::{Bench, FORM};
use std::process::Command;
use std::time::{Duration, Instant};

/// A directory file that is right.
const RIGHT: &str = r#"
[domain]
id = "dzd-1"

[[source]]
name = "sales"
url = "jdbc:postgresql://127.0.0.1:1/sales"
admin = "dzconn_admin"
password_env = "SALES_PASSWORD"
tls = "disable"

[[project]]
id = "risk"

[[environment]]
id = "env-risk"
project = "risk"

[[asset]]
id = "offices"
listing = "lst-offices"
source = "sales"
path = "sales.hr.offices"

[[asset]]
id = "files"
listing = "lst-files"
type = "S3ObjectCollectionType"
"#;

#[test]
fn help_documents_commands_and_exit_codes() {
    let bench = Bench::new();
    let top = bench.run(&["--help"]);
    assert_eq!(top.code, 0);
    let commands = [
        "grant",
        "revoke",
        "plan",
        "list",
        "show",
        "reconcile",
        "credentials",
        "fulfil",
        "check",
        "demo",
        "completions",
    ];
    for command in commands {
        assert!(top.stdout.contains(&format!("\n  {command}")), "{command} is not in\n{}", top.stdout);
        let help = bench.run(&[command, "--help"]);
        assert_eq!((help.code, help.stderr.as_str()), (0, ""), "{command}");
        if command != "completions" {
            assert!(help.stdout.contains("Exit codes:") && help.stdout.contains("130"), "{command}");
        }
    }
    let grant = bench.run(&["grant", "--help"]).stdout;
    assert!(!grant.contains("--password <"), "a password is never an argument: {grant}");
}

#[test]
fn a_wrong_command_line_is_input_and_says_so_in_json_too() {
    let bench = Bench::new();
    for args in [&["grant"][..], &["nix"], &[], &["grant", "--asset", "a", "--environment", "e", "--tls", "maybe"]] {
        let text = bench.run(args);
        assert_eq!((text.code, text.stdout.as_str()), (2, ""), "{args:?}");
        assert!(text.stderr.contains("--help"), "{args:?}: {}", text.stderr);
    }
    let json = bench.run(&["grant", "--json"]);
    assert_eq!((json.code, json.stderr.as_str()), (2, ""));
    assert_eq!(json.json()["error"]["kind"], "invalid_input");
}

#[test]
fn completions_for_every_shell() {
    let bench = Bench::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = bench.run(&["completions", shell]);
        assert_eq!(script.code, 0);
        assert!(script.stdout.contains("store-key-file"), "{shell}");
    }
}

#[test]
fn every_mistake_in_the_file_is_named_with_its_line() {
    let bench = Bench::new();
    bench.directory(
        r#"
colour = "red"
[[source]]
name = "sales"
url = "jdbc:postgresql:/hunter2@db"
amin = "dzconn_admin"
password_env = ""
tls = "perhaps"

[[environment]]
id = "env-risk"
project = "rsk"

[[asset]]
id = "of fices"
source = "sale"
path = "offices"

[[subscription]]
project = "risk"
listing = "lst"
status = "maybe"
filters = "yes"
"#,
    );
    let run = bench.run(&["check"]);
    assert_eq!((run.code, run.stdout.as_str()), (2, ""));
    for wanted in [
        "line 2: the file has an unknown key \"colour\"",
        "line 3: source \"sales\" has no \"admin\"",
        "line 5: source \"sales\": url is wrong",
        "line 6: source \"sales\" has an unknown key \"amin\" (did you mean \"admin\"?)",
        "line 7: source \"sales\": password_env is empty",
        "line 8: source \"sales\": tls is \"perhaps\"; it is one of disable, require, verify-ca, verify-full",
        "line 12: environment \"env-risk\": project is \"rsk\", and there is no such [[project]]",
        "line 15: asset: id is wrong",
        "line 16: asset: source is \"sale\", and there is no such [[source]]",
        "line 17: asset: path is wrong",
        "line 20: subscription: project is \"risk\"",
        "line 21: subscription: listing is \"lst\", and no [[asset]] has that listing",
        "line 22: subscription: status is \"maybe\"; it is approved or revoked",
        "line 23: subscription: filters must be true or false",
    ] {
        assert!(run.stderr.contains(wanted), "{wanted:?} is not in\n{}", run.stderr);
    }
    assert!(!run.stderr.contains("hunter2"));
    for field in FORM {
        assert!(run.stderr.contains(&format!("\n  {field}")), "{field} is not in\n{}", run.stderr);
    }
}

#[test]
fn broken_toml_is_named_without_quoting_the_line() {
    let bench = Bench::new();
    bench.directory("[[source]]\nname = \"sales\"\npassword = \"hunter2\n");
    let run = bench.run(&["list"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("line 3: ") && !run.stderr.contains("hunter2"), "{}", run.stderr);
}

#[test]
fn a_password_in_the_file_is_taken_only_if_nobody_else_can_read_it() {
    let bench = Bench::new();
    let file = bench.directory(&RIGHT.replace("password_env = \"SALES_PASSWORD\"", "password = \"hunter2\""));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    let run = bench.run(&["check", "--offline"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("chmod 600") && !run.stderr.contains("hunter2"), "{}", run.stderr);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let run = bench.run(&["check", "--offline"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    assert!(run.stdout.contains("1 source, 1 environment, 2 assets"), "{}", run.stdout);
}

#[test]
fn a_url_with_a_password_is_refused() {
    let bench = Bench::new();
    bench.directory(&RIGHT.replace("127.0.0.1:1/sales", "admin:hunter2@127.0.0.1:1/sales"));
    let run = bench.run(&["check", "--offline"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("url holds a password") && !run.stderr.contains("hunter2"), "{}", run.stderr);
    let run = bench.run(&[
        "grant",
        "--asset",
        "a.b.c",
        "--environment",
        "e",
        "--project",
        "p",
        "--url",
        "jdbc:postgresql://u:hunter2@db/x",
        "--admin",
        "u",
        "--password-env",
        "X",
        "--directory",
        "/nonexistent",
    ]);
    assert_eq!(run.code, 2);
    assert!(!run.stderr.contains("hunter2"), "{}", run.stderr);
}

#[test]
fn an_engine_that_is_not_built_in_is_input() {
    let bench = Bench::new();
    bench.directory(&RIGHT.replace("jdbc:postgresql:", "jdbc:db2:"));
    let run = bench.env("SALES_PASSWORD", "hunter2").run(&["check"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("unknown engine") && run.stderr.contains("postgresql"), "{}", run.stderr);
}

/// Nothing listens there: each engine has tried.
#[test]
fn every_engine_is_built_in() {
    let bench = Bench::new().env("PASSWORD", "hunter2hunter2");
    for url in [
        "jdbc:postgresql://127.0.0.1:1/sales",
        "jdbc:mysql://127.0.0.1:1/sales",
        "jdbc:mariadb://127.0.0.1:1/sales",
        "jdbc:sqlserver://127.0.0.1:1;databaseName=sales",
        "jdbc:oracle:thin:@//127.0.0.1:1/sales",
    ] {
        let source = ["--url", url, "--admin", "dzconn", "--password-env", "PASSWORD", "--connection", "sales"];
        let asset = ["grant", "--asset", "sales.hr.offices", "--environment", "env-risk", "--project", "risk"];
        let run = bench.run(&[&asset[..], &source[..]].concat()).ended(3);
        assert!(run.stderr.contains("cannot be reached") && run.stderr.contains("127.0.0.1:1"), "{}", run.stderr);
    }
    bench.no_secret(&["hunter2hunter2"]);
}

#[test]
fn a_variable_that_is_not_set_is_named() {
    let bench = Bench::new();
    bench.directory(RIGHT);
    let run = bench.run(&["grant", "--asset", "offices", "--environment", "env-risk", "--json"]);
    assert_eq!((run.code, run.stderr.as_str()), (2, ""));
    let error = &run.json()["error"];
    assert_eq!(error["kind"], "invalid_config");
    assert_eq!(error["retry"], false);
    assert_eq!(error["changed"], "nothing");
    assert!(error["cause"].as_str().unwrap().contains("SALES_PASSWORD"), "{error}");
}

#[test]
fn a_source_that_does_not_answer_can_be_tried_again() {
    let bench = Bench::new();
    bench.directory(RIGHT);
    let bench = bench.env("SALES_PASSWORD", "hunter2");
    for args in [&["check"][..], &["plan", "grant", "--asset", "offices", "--environment", "env-risk"]] {
        let run = bench.run(args);
        assert_eq!(run.code, 3, "{args:?}: {}", run.stderr);
        assert!(run.stderr.contains("retry    can help") && run.stderr.contains("changed  nothing"), "{}", run.stderr);
        assert!(run.stderr.contains("127.0.0.1:1"), "{}", run.stderr);
    }
    assert!(!bench.path("store.sqlite").exists(), "looking makes no store");
    let run = bench.run(&["grant", "--asset", "offices", "--environment", "env-risk"]);
    assert_eq!(run.code, 3, "{}", run.stderr);
    assert!(run.stderr.starts_with("error: sales.hr.offices was not granted to env-risk: cannot be reached\n"));
    for field in FORM {
        assert!(run.stderr.contains(&format!("\n  {field}")), "{field} is not in\n{}", run.stderr);
    }
    bench.no_secret(&["hunter2"]);
}

#[test]
fn names_that_are_not_known_get_a_suggestion() {
    let bench = Bench::new();
    bench.directory(RIGHT);
    for (args, hint) in [
        (["--asset", "sales.hr.ofices", "--environment", "env-risk"], "did you mean \"sales.hr.offices\"?"),
        (["--asset", "offices", "--environment", "env-rsk"], "did you mean \"env-risk\"?"),
    ] {
        let run = bench.run(&[&["grant"], &args[..]].concat());
        assert_eq!(run.code, 2);
        assert!(run.stderr.contains(hint), "{}", run.stderr);
    }
    let run = bench.run(&["check", "--source", "salse"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("no source \"salse\""), "{}", run.stderr);
}

#[test]
fn what_is_not_ours_is_skipped() {
    let bench = Bench::new();
    bench.directory(RIGHT);
    let run = bench.run(&["grant", "--asset", "files", "--environment", "env-risk", "--json"]);
    assert_eq!((run.code, run.stderr.as_str()), (4, ""));
    assert_eq!(run.json()["outcome"], "skipped");
}

#[test]
fn without_a_store_nothing_is_claimed_about_access() {
    let bench = Bench::new();
    bench.directory(RIGHT);
    for args in [
        &["list"][..],
        &["show", "env-risk"],
        &["credentials", "env-risk"],
        &["revoke", "--asset", "offices", "--environment", "env-risk"],
    ] {
        let run = bench.run(args);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{args:?}");
        assert!(run.stderr.contains("there is no store"), "{args:?}: {}", run.stderr);
    }
    assert!(!bench.path("store.sqlite").exists());
}

#[test]
fn events_are_read_before_anything_is_done_and_need_a_portal() {
    let bench = Bench::new();
    bench.directory(RIGHT);
    let created = bench.event("created.json", "Subscription Created", "");
    let run = bench.run(&["events", created.as_str()]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("says nothing about subscriptions"), "{}", run.stderr);

    bench.directory(&format!("subscription = []\n{RIGHT}"));
    for (name, text, wanted) in [
        ("empty.json", "", "holds no event"),
        ("broken.json", "{\"detail-type\": ", "is not JSON"),
        ("other.json", "{\"detail-type\": \"Asset Added To Catalog\"}", "other.json: the event is a \"Asset Added"),
        ("half.json", "{\"detail-type\": \"Subscription Created\", \"detail\": {}}", "has no domain"),
    ] {
        fs::write(bench.path(name), text).unwrap();
        let run = bench.run(&["events", created.as_str(), name]);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{name}");
        assert!(run.stderr.contains(wanted), "{name}: {}", run.stderr);
    }
    let run = bench.run(&["events", "missing.json"]);
    assert_eq!(run.code, 2);
    assert!(!bench.path("store.sqlite").exists(), "nothing was begun");
}

#[test]
fn events_that_are_not_ours_are_skipped() {
    let bench = Bench::new();
    bench.directory(&format!("subscription = []\n{RIGHT}"));
    let ours = bench.event_for("e1.json", "Subscription Created", "", "risk", "lst-files");
    let unknown = bench.event_for("e2.json", "Subscription Created", "", "risk", "lst-nix");
    let project = bench.event_for("e3.json", "Subscription Revoked", "", "marketing", "lst-offices");
    let run = bench.run(&["events", "--json", ours.as_str(), unknown.as_str(), project.as_str()]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    let json = run.json();
    let events = json["events"].as_array().unwrap();
    let kinds: Vec<_> = events.iter().map(|event| event["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["created", "created", "revoked"]);
    for event in events {
        assert_eq!(event["results"][0]["outcome"], "skipped", "{event}");
    }
}

#[test]
fn colours_are_for_terminals_unless_asked_for() {
    let bench = Bench::new();
    bench.directory(RIGHT);
    let plain = bench.run(&["list"]);
    assert!(!plain.stderr.contains('\x1b'));
    let coloured = bench.run(&["list", "--color", "always"]);
    assert!(coloured.stderr.contains('\x1b'));
}

#[test]
fn the_file_in_the_readme_is_right() {
    let readme = include_str!("../README.md");
    let file = readme.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let bench = Bench::new();
    bench.directory(file);
    bench.file("global-bundle.pem", "-----BEGIN CERTIFICATE-----");
    let run = bench.env("SALES_PASSWORD", "hunter2").run(&["check", "--offline"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    assert!(run.stdout.contains("1 source, 1 environment, 1 asset, 1 subscription"), "{}", run.stdout);
}

#[test]
fn a_wrong_key_is_named_and_not_shown() {
    let bench = Bench::new();
    bench.directory(RIGHT);
    let bench = bench.env("DZCONN_STORE_KEY", "hunter2").env("SALES_PASSWORD", "hunter2");
    let run = bench.run(&["grant", "--asset", "offices", "--environment", "env-risk"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("32 bytes"), "{}", run.stderr);
    fs::write(bench.path("key"), "00").unwrap();
    fs::set_permissions(bench.path("key"), fs::Permissions::from_mode(0o644)).unwrap();
    let run = bench.run(&["grant", "--asset", "offices", "--environment", "env-risk", "--store-key-file", "key"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("chmod 600 key"), "{}", run.stderr);
    bench.no_secret(&["hunter2"]);
}

#[test]
fn a_source_that_is_silent_is_given_up_in_time_or_when_interrupted() {
    let bench = Bench::new();
    // Takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    bench.directory(&RIGHT.replace("127.0.0.1:1/", &format!("127.0.0.1:{port}/")));
    let bench = bench.env("SALES_PASSWORD", "hunter2");
    let grant = ["grant", "--asset", "offices", "--environment", "env-risk", "--timeout", "1"];
    let begin = Instant::now();
    let run = bench.run(&grant);
    assert_eq!(run.code, 3, "{}", run.stderr);
    assert!(run.stderr.contains("retry    can help"), "{}", run.stderr);
    assert!(begin.elapsed() < Duration::from_secs(10));

    let mut child = bench.command(&grant[..5]).spawn().unwrap();
    // Connected once before, and once more by this run: it waits for an answer now.
    let connected = (0..2).map(|_| silent.accept().unwrap()).collect::<Vec<_>>();
    Command::new("sh").args(["-c", &format!("kill -s INT {}", child.id())]).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    drop(connected);
    bench.no_secret(&["hunter2"]);
}

#[test]
fn only_the_command_line_turns_to_aws() {
    let bench = Bench::new();
    bench.directory(RIGHT);
    let wrong = bench.file("wrong.toml", "[tables]\nstatte = 1\n");
    let bench = bench.env("DZCONN_CONFIG", wrong.to_str().unwrap()).env("SALES_PASSWORD", "hunter2");
    let local = bench.run(&["list"]).ended(2);
    assert!(local.stderr.contains("there is no store"), "{}", local.stderr);
    bench.run(&["check", "--offline"]).ended(0);
    let aws = bench.run(&["--aws", "list"]).ended(2);
    assert!(aws.stderr.contains("tables.statte"), "{}", aws.stderr);
    let named = bench.run(&["--config", "missing.toml", "list"]).ended(2);
    assert!(named.stderr.contains("missing.toml cannot be read"), "{}", named.stderr);
    let bench = bench.env("DZCONN_CONFIG", "").env("DZCONN_AWS_TABLES_STATTE", "x");
    let variable = bench.run(&["--aws", "list"]).ended(2);
    assert!(variable.stderr.contains("DZCONN_AWS_TABLES_STATTE"), "{}", variable.stderr);
}

#[test]
fn what_has_no_meaning_on_aws_is_refused() {
    let bench = Bench::new();
    bench.directory("this is no directory file");
    for args in [&["--aws", "check"][..], &["--profile", "nobody", "demo"]] {
        let run = bench.run(args).ended(2);
        assert!(run.stderr.contains("works with a directory file"), "{args:?}: {}", run.stderr);
    }
    let target = ["--asset", "a", "--environment", "e", "--admin", "u", "--password-env", "X"];
    for deed in [&["revoke"][..], &["plan", "revoke"], &["grant"]] {
        let args = [&["--aws"], deed, &target[..], &["--url", "jdbc:postgresql://db/x"]].concat();
        let run = bench.run(&args).ended(2);
        assert!(run.stderr.contains("--source") && run.stderr.contains("Glue"), "{args:?}: {}", run.stderr);
    }
    let path = bench.run(&["revoke", "--asset", "a", "--environment", "e", "--path", "a.b.c"]).ended(2);
    assert!(path.stderr.contains("--source"), "{}", path.stderr);
}

#[test]
fn an_event_without_a_plan_keeps_no_other_from_its_own() {
    let bench = Bench::new();
    bench.directory(&format!("subscription = []\n{RIGHT}"));
    let bench = bench.env("SALES_PASSWORD", "hunter2");
    let fails = bench.event("created.json", "Subscription Created", "");
    let skipped = bench.event_for("files.json", "Subscription Created", "", "risk", "lst-files");
    let run = bench.run(&["plan", "event", "--json", &fails, &skipped]).ended(3);
    let plans = run.json()["plans"].clone();
    let outcomes: Vec<_> = plans.as_array().unwrap().iter().map(|part| part["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["failed", "skipped"]);
    assert_eq!(plans[0]["environment"], "env-risk");
    assert_eq!(plans[0]["error"]["changed"], "nothing");
    let text = bench.run(&["plan", "event", &fails, &skipped]).ended(3);
    assert!(text.stdout.contains("grant sales.hr.offices for env-risk: failed"), "{}", text.stdout);
    assert!(text.stdout.contains("skipped"), "{}", text.stdout);
    for field in FORM {
        assert!(text.stderr.contains(&format!("\n  {field}")), "{field} is not in\n{}", text.stderr);
    }
    bench.run(&["plan", "event", &skipped]).ended(0);
}
