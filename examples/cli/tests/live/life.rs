//! A subscription's life, command by command.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::server::{Sample, Server};

pub(crate) fn from_check_to_the_last_revoke(server: &Server) {
    let mut sample = Sample::new(server);
    // The noisiest there is: nothing of it may hold a password.
    sample.bench = std::mem::take(&mut sample.bench).env("RUST_LOG", "trace");
    let bench = &sample.bench;
    let (offices, employees) = (sample.path("offices"), sample.path("employees"));

    assert!(bench.run(&["check", "-v"]).ended(0).stdout.contains("2 found"));

    let plan = bench.run(&["plan", "grant", "--asset", &offices, "--environment", "env-risk", "-vv"]).ended(0);
    assert!(plan.stdout.contains("GRANT SELECT ON") && plan.stdout.contains("Nothing was changed."), "{}", plan.stdout);
    assert!(!bench.path("store.sqlite").exists(), "a plan makes no store");

    let granted = bench.run(&["grant", "--asset", &offices, "--environment", "env-risk", "-vv"]).ended(0);
    assert!(granted.stdout.starts_with("granted  ") && granted.stdout.contains("new user dz_env-risk_"));
    assert!(granted.stderr.contains("dzconn::audit"), "-vv logs steps: {}", granted.stderr);
    let more = bench.run(&["grant", "--asset", "employees", "--environment", "env-risk"]).ended(0);
    assert!(!more.stdout.contains("new user"), "{}", more.stdout);
    let again = bench.run(&["grant", "--asset", "lst-employees", "--environment", "env-risk"]).ended(0);
    assert!(again.stdout.contains("nothing to do"), "{}", again.stdout);

    let list = bench.run(&["list", "--source", "sales", "-v"]).ended(0).stdout;
    let lines: Vec<_> = list.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).collect();
    assert_eq!(lines[0], ["ENVIRONMENT", "ASSET", "SINCE", "SECRET", "STATE"]);
    assert_eq!((lines[1][0], lines[1][1], lines[1][4]), ("env-risk", employees.as_str(), "granted"));
    assert_eq!((lines[2][0], lines[2][1], lines[2][4]), ("env-risk", offices.as_str(), "granted"));
    assert!(bench.run(&["list", "--environment", "env-nix"]).ended(0).stdout.contains("nobody reads anything"));

    let shown = bench.run(&["show", "env-risk", "--live", "-vv"]).ended(0).stdout;
    assert_eq!(shown.matches("yes, by ").count(), 2, "{shown}");

    let hidden = bench.run(&["credentials", "env-risk", "-vv"]).ended(0).stdout;
    assert!(hidden.contains(&sample.url()) && hidden.contains("--show-password"), "{hidden}");
    let hidden = bench.run(&["credentials", "env-risk", "--json"]).ended(0);
    assert!(hidden.json().get("password").is_none());

    let login = sample.login();
    assert_eq!(sample.rows(&login, "offices"), Ok(7));
    assert_eq!(sample.rows(&login, "employees"), Ok(100));

    let plan = bench.run(&["plan", "revoke", "--asset", &offices, "--environment", "env-risk", "-vv"]).ended(0);
    assert!(plan.stdout.contains("REVOKE"), "{}", plan.stdout);
    assert_eq!(sample.rows(&login, "offices"), Ok(7), "a plan changes nothing");
    let revoked = bench.run(&["revoke", "--asset", &offices, "--environment", "env-risk", "-vv"]).ended(0);
    assert!(revoked.stdout.contains("the user keeps its other tables"), "{}", revoked.stdout);
    assert!(sample.rows(&login, "offices").is_err());
    assert_eq!(sample.rows(&login, "employees"), Ok(100));

    let dropped = bench.run(&["revoke", "--asset", "employees", "--environment", "env-risk", "-vv"]).ended(0);
    assert!(dropped.stdout.contains("it was the last table"), "{}", dropped.stdout);
    assert!(sample.rows(&login, "employees").is_err());
    assert_eq!(sample.users(&login.0), 0);
    assert!(bench.run(&["list"]).ended(0).stdout.contains("nobody reads anything"));
    let gone = bench.run(&["credentials", "env-risk"]).ended(2);
    assert!(gone.stderr.contains("nothing is recorded for env-risk"), "{}", gone.stderr);
    let again = bench.run(&["revoke", "--asset", "employees", "--environment", "env-risk"]).ended(0);
    assert!(again.stdout.contains("nothing to do"), "{}", again.stdout);

    // What was asked for is forgotten; nothing before or after it may show a password.
    bench.no_secret(&[&login.1, &server.password]);
}

pub(crate) fn json_has_its_shape(server: &Server) {
    let sample = Sample::new(server);
    let run = |args: &[&str]| sample.bench.run(&[args, &["--json"]].concat()).ended(0).json();
    let target = ["--asset", "offices", "--environment", "env-risk"];

    let check = run(&["check"]);
    keys(&check, &["assets", "domain", "environments", "file", "sources", "subscriptions"]);
    keys(&check["sources"][0], &["assets", "connection", "endpoint", "error", "milliseconds", "name", "state"]);
    assert_eq!(check["sources"][0]["state"], "ok");

    let plan = run(&[&["plan", "grant"], &target[..]].concat());
    keys(&plan, &["asset", "connection", "environment", "plan", "project", "source", "steps", "wanted"]);
    let kinds: BTreeSet<_> = plan["steps"].as_array().unwrap().iter().map(|step| step["kind"].as_str()).collect();
    assert_eq!(kinds, BTreeSet::from(["record", "secret", "statement"].map(Some)));

    let about = ["asset", "changed", "connection", "environment", "milliseconds", "outcome", "project", "source"];
    let granted = run(&[&["grant"], &target[..]].concat());
    keys(&granted, &[&about[..], &["excess", "new_user", "secret", "table", "user"]].concat());
    assert_eq!((&granted["outcome"], &granted["changed"]), (&"granted".into(), &true.into()));
    keys(&granted["asset"], &["id", "listing", "path"]);
    keys(&granted["secret"], &["id", "name"]);

    let list = run(&["list"]);
    keys(&list, &["access", "errors"]);
    let access = [
        "asset",
        "connection",
        "environment",
        "objects",
        "principals",
        "project",
        "seconds",
        "secret",
        "settled",
        "since",
        "source",
        "state",
        "table",
        "user",
    ];
    keys(&list["access"][0], &access);
    assert_eq!(list["access"][0]["secret"], granted["secret"]["name"]);

    let show = run(&["show", "env-risk", "--live"]);
    keys(
        &show,
        &[
            "access",
            "connection",
            "consumer_secret",
            "domain",
            "environment",
            "generation",
            "last_updated",
            "live",
            "objects",
            "other_user",
            "phase",
            "producer_secret",
            "project",
            "rotation",
            "source",
            "to_clean_up",
            "user",
        ],
    );
    assert_eq!(show["live"]["reads"][0]["reads"]["answer"], "yes");

    let credentials = run(&["credentials", "env-risk"]);
    keys(&credentials, &["database", "engine", "host", "jdbc_url", "port", "secret", "ssl", "user"]);
    assert!(credentials["port"].is_number());

    let revoked = run(&[&["revoke"], &target[..]].concat());
    keys(&revoked, &[&about[..], &["still_reads", "table", "user_dropped"]].concat());
    assert_eq!((&revoked["outcome"], &revoked["user_dropped"]), (&"revoked".into(), &true.into()));
    assert_eq!(revoked["still_reads"]["answer"], "no");
}

#[track_caller]
fn keys(json: &Value, wanted: &[&str]) {
    let found: BTreeSet<_> = json.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(found, wanted.iter().copied().collect(), "{json:#}");
}

pub(crate) fn credentials_are_rotated(server: &Server) {
    let sample = Sample::new(server);
    let bench = &sample.bench;
    let refused = bench.run(&["rotate", "--environment", "env-risk"]).ended(2);
    assert!(refused.stderr.contains("nothing"), "{}", refused.stderr);
    assert!(bench.run(&["rotate"]).ended(2).stderr.contains("--environment"));
    bench.run(&["grant", "--asset", "offices", "--environment", "env-risk"]).ended(0);
    let first = sample.login();

    let plan = bench.run(&["plan", "rotate", "--source", "sales"]).ended(0).stdout;
    assert!(plan.contains("GRANT SELECT ON") && plan.contains("Nothing was changed."), "{plan}");
    let rotated = bench.run(&["rotate", "--all", "-vv"]).ended(0);
    assert!(rotated.stdout.starts_with("rotated  env-risk at sales"), "{}", rotated.stdout);
    let second = sample.login();
    assert_ne!(first, second);
    for login in [&first, &second] {
        assert_eq!(sample.rows(login, "offices"), Ok(7));
    }
    let shown = bench.run(&["show", "env-risk"]).ended(0).stdout;
    assert!(shown.contains("other user") && shown.contains(&first.0) && !shown.contains("dzconn rotate"), "{shown}");
    bench.run(&["reconcile"]).ended(0);

    let again = bench.run(&["rotate", "--environment", "env-risk", "--source", "sales", "--json"]).ended(0).json();
    let part = &again["rotations"][0];
    let members = ["connection", "environment", "error", "outcome", "previous_user", "secret", "source", "user"];
    keys(part, &members);
    assert_eq!((&part["outcome"], &part["user"]), (&"rotated".into(), &first.0.as_str().into()));
    assert!(sample.rows(&first, "offices").is_err(), "the password of before is no longer valid");
    let third = sample.login();
    assert_eq!(sample.rows(&third, "offices"), Ok(7));
    bench.run(&["revoke", "--asset", "offices", "--environment", "env-risk"]).ended(0);
    assert_eq!((sample.users(&first.0), sample.users(&second.0)), (0, 0));
    bench.no_secret(&[&first.1, &second.1, &third.1, &server.password]);
}

pub(crate) fn flags_are_enough(server: &Server) {
    let sample = Sample::new(server);
    std::fs::remove_file(sample.bench.path("dzconn.toml")).unwrap();
    let (path, url) = (sample.path("offices"), sample.url());
    let flags = [
        "--asset",
        &path,
        "--environment",
        "env-risk",
        "--project",
        "risk",
        "--url",
        &url,
        "--connection",
        &sample.database,
        "--admin",
        sample.admin(),
        "--password-env",
        "ADMIN_PASSWORD",
        "--tls",
        "disable",
    ];
    let bench = &sample.bench;
    bench.run(&[&["grant"], &flags[..]].concat()).ended(0);
    let login = sample.login();
    assert_eq!(sample.rows(&login, "offices"), Ok(7));
    assert!(bench.run(&["list"]).ended(0).stdout.contains(&path));
    bench.run(&[&["revoke"], &flags[..]].concat()).ended(0);
    assert_eq!(sample.users(&login.0), 0);
    bench.no_secret(&[&login.1, &server.password]);
}

pub(crate) fn an_encrypted_store_needs_its_key(server: &Server) {
    let sample = Sample::new(server);
    let bench = &sample.bench;
    let key = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    bench.private("store.key", key);
    let with_key = |args: &[&str]| bench.run(&[args, &["--store-key-file", "store.key"]].concat());
    with_key(&["grant", "--asset", "offices", "--environment", "env-risk"]).ended(0);
    let without = bench.run(&["list"]).ended(2);
    assert!(without.stderr.contains("key"), "{}", without.stderr);
    assert!(with_key(&["list"]).ended(0).stdout.contains("granted"));
    with_key(&["revoke", "--asset", "offices", "--environment", "env-risk"]).ended(0);
    bench.no_secret(&[key, &server.password]);
}
