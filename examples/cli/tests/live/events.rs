//! Events: late, twice, in the wrong order; the directory file says what is wanted.

use serde_json::Value;

use crate::common::event;
use crate::server::{Sample, Server};

const APPROVED: &str = "status = \"approved\"";
const ENDED: &str = "status = \"revoked\"";

fn outcomes(json: &Value) -> Vec<String> {
    let events = json["events"].as_array().unwrap();
    let results = events.iter().flat_map(|event| event["results"].as_array().unwrap());
    results.map(|result| result["outcome"].as_str().unwrap().to_owned()).collect()
}

pub(crate) fn the_file_is_the_truth(server: &Server) {
    let sample = Sample::new(server);
    let bench = &sample.bench;
    let created = bench.event("created.json", "Subscription Created", "");
    let revoked = bench.event("revoked.json", "Subscription Revoked", "");
    let cancelled = bench.event("cancelled.json", "Subscription Cancelled", "");

    // Approved: created, and once more; then a revoke of an older subscription, which the file contradicts.
    sample.subscription(APPROVED);
    let run = bench.run(&["events", "--json", &created, &created, &revoked]).ended(0);
    assert_eq!(outcomes(&run.json()), ["granted", "granted", "superseded"]);
    assert_eq!(run.json()["events"][1]["results"][0]["changed"], false);
    let login = sample.login();
    assert_eq!(sample.rows(&login, "offices"), Ok(7));
    let told = bench.run(&["revoke", "--asset", "offices", "--environment", "env-risk"]).ended(4);
    assert!(told.stdout.starts_with("superseded"), "{}", told.stdout);
    assert_eq!(sample.rows(&login, "offices"), Ok(7));

    // Ended: a created that comes late, from standard input and as one of an array, brings nothing about.
    sample.subscription(ENDED);
    let late = event("late", "Subscription Created", "", "risk", "lst-offices");
    let end = event("end", "Subscription Cancelled", "", "risk", "lst-offices");
    let run = bench.run_with(&["events", "-"], &format!("[{late},{end}]")).ended(0);
    assert!(run.stdout.contains("standard input#1") && run.stdout.contains("superseded"), "{}", run.stdout);
    assert_eq!(sample.users(&login.0), 0);
    let run = bench.run(&["events", "--json", &cancelled, &created, &revoked]).ended(0);
    assert_eq!(outcomes(&run.json()), ["revoked", "superseded", "revoked"]);
    assert!(bench.run(&["list"]).ended(0).stdout.contains("nobody reads anything"));

    // No subscription at all: the same.
    sample.directory("none");
    let run = bench.run(&["events", "--json", &created]).ended(0);
    assert_eq!(outcomes(&run.json()), ["superseded"]);
    let told = bench.run(&["grant", "--asset", "offices", "--environment", "env-risk", "--json"]).ended(4);
    assert_eq!(told.json()["outcome"], "superseded");
    assert_eq!(sample.users(&login.0), 0);
    bench.no_secret(&[&login.1, &server.password]);
}

pub(crate) fn access_that_is_retained_stays(server: &Server) {
    let sample = Sample::new(server);
    let bench = &sample.bench;
    let created = bench.event("created.json", "Subscription Created", "");
    let retained = bench.event("retained.json", "Subscription Revoked", r#""retainPermissions": true,"#);
    sample.subscription(APPROVED);
    bench.run(&["events", &created]).ended(0);
    let login = sample.login();
    sample.subscription(&format!("{ENDED}\nretain = true"));
    let run = bench.run(&["events", "--json", &retained]).ended(0);
    assert_eq!(outcomes(&run.json()), ["retained"]);
    assert_eq!(sample.rows(&login, "offices"), Ok(7));
    assert_eq!(bench.run(&["list", "--json"]).ended(0).json()["access"][0]["state"], "retained");
    sample.subscription(ENDED);
    bench.run(&["revoke", "--asset", "offices", "--environment", "env-risk"]).ended(0);
    assert_eq!(sample.users(&login.0), 0);
}

pub(crate) fn filters_are_refused(server: &Server) {
    let sample = Sample::new(server);
    let bench = &sample.bench;
    let created = bench.event("created.json", "Subscription Created", "");
    sample.subscription(&format!("{APPROVED}\nfilters = true"));
    let run = bench.run(&["events", "--json", &created]).ended(1);
    assert_eq!(outcomes(&run.json()), ["refused"]);
    let error = &run.json()["events"][0]["results"][0]["error"];
    assert_eq!(
        (&error["kind"], &error["changed"], &error["retry"]),
        (&"refused".into(), &"nothing".into(), &false.into())
    );
    let text = bench.run(&["events", &created]).ended(1);
    assert!(text.stderr.contains("row or column filters"), "{}", text.stderr);
    assert!(bench.run(&["list"]).ended(0).stdout.contains("nobody reads anything"));
}
