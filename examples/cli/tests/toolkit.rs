//! `dzconn toolkit`: no account, no directory file, no store.

// A test may panic: that is how it fails.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::format_push_string)]

mod common;

use std::fs;

use common::{Bench, FORM};
use serde_json::Value;

const SAID: [&str; 12] = [
    "--set",
    "DataZoneDomainId=dzd_1",
    "--set",
    "DataZoneProjectId=sales",
    "--set",
    "DataZoneEnvironmentId=sales-prod",
    "--set",
    "ConnectionName=it's \"sales\" = ${x}",
    "--set",
    "JdbcUrl=jdbc:postgresql://db.internal:5432/sales?sslmode=require",
    "--set",
    "SecretId=rds!db-1",
];

fn render<'a>(out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["toolkit", "render", "glue-connection", "--out", out], &SAID[..], more].concat()
}

#[test]
fn products_are_listed_and_shown() {
    let bench = Bench::new();
    // Neither is looked at.
    bench.directory("this is no directory file");
    let listed = bench.run(&["toolkit", "list"]).ended(0);
    let names = ["lake-formation-admin", "producer-common", "glue-crawler", "athena-oracle", "consumer-portfolio"];
    assert!(names.iter().all(|name| listed.stdout.contains(name)), "{}", listed.stdout);
    let listed = bench.run(&["toolkit", "list", "--json"]).ended(0).json();
    assert_eq!(listed["products"].as_array().unwrap().len(), 11);

    let shown = bench.run(&["toolkit", "show", "glue-crawler"]).ended(0);
    for part in
        ["GlueRoleName; dz_conn_a_common_glue_role unless said", "TablePrefix; may be left out", "\nSourcePath\n"]
    {
        assert!(shown.stdout.contains(part), "{part}: {}", shown.stdout);
    }
    let shown = bench.run(&["toolkit", "show", "athena-mysql", "--template"]).ended(0);
    assert!(shown.stdout.starts_with("AWSTemplateFormatVersion") && shown.stdout.contains("AthenaMySQLConnector"));
    let shown = bench.run(&["toolkit", "show", "athena-mysql", "--json"]).ended(0).json();
    assert_eq!(shown["capabilities"][1], "CAPABILITY_AUTO_EXPAND");
    assert_eq!(shown["parameters"][0]["name"], "DataZoneDomainId");
    assert_eq!(shown["template"], Value::Null);

    let wrong = bench.run(&["toolkit", "show", "glue"]).ended(2);
    assert!(wrong.stderr.contains("glue-connection") && FORM.iter().all(|part| wrong.stderr.contains(part)));
}

#[test]
fn a_product_is_rendered_to_files_and_a_command() {
    let bench = Bench::new();
    let done = bench.run(&render("out dir", &["--stack", "sales-connection"])).ended(0);
    let line = "aws cloudformation deploy --no-fail-on-empty-changeset --stack-name sales-connection --template-file \
         'out dir/glue-connection.yaml' --parameter-overrides 'file://out dir/sales-connection.parameters.json' --tags \
         AmazonDataZoneDomain=dzd_1 AmazonDataZoneProject=sales AmazonDataZoneEnvironment=sales-prod\n";
    assert!(done.stdout.ends_with(line), "{}", done.stdout);
    let template = fs::read_to_string(bench.path("out dir/glue-connection.yaml")).unwrap();
    assert!(template.contains("AWS::Glue::Connection") && !template.contains("db.internal:5432/sales?"));
    let file = bench.path("out dir/sales-connection.parameters.json");
    let written = fs::read_to_string(&file).unwrap();
    let parameters: Value = serde_json::from_str(&written).unwrap();
    let name = parameters.as_array().unwrap().iter().find(|one| one["ParameterKey"] == "ConnectionName").unwrap();
    assert_eq!(name["ParameterValue"], "it's \"sales\" = ${x}");

    // What was written is read back, and one thing said otherwise.
    let values = file.to_str().unwrap();
    let again =
        ["toolkit", "render", "glue-connection", "--out", "again", "--stack", "sales-connection", "--values", values];
    let done = bench.run(&[&again[..], &["--json"]].concat()).ended(0).json();
    assert_eq!(done["command"][0], "aws");
    assert_eq!(fs::read_to_string(bench.path("again/sales-connection.parameters.json")).unwrap(), written);
    bench.run(&[&again[..], &["--set", "EnforceTls=false"]].concat()).ended(0);
    let changed = fs::read_to_string(bench.path("again/sales-connection.parameters.json")).unwrap();
    assert_ne!(changed, written);
    bench.file("object.json", "{\"RetentionDays\": 3}");
    let bucket = ["toolkit", "render", "spill-bucket", "--out", ".", "--values", "object.json"];
    bench.run(&bucket).ended(0);
    let days = fs::read_to_string(bench.path("dz-conn-c-common-stack.parameters.json")).unwrap();
    assert!(days.contains("\"3\""), "{days}");
}

#[test]
fn what_is_wrong_is_said_at_once_and_nothing_is_written() {
    let bench = Bench::new();
    let url = "JdbcUrl=jdbc:postgresql://admin:hunter2-hunter2@db/sales";
    let more = ["--stack", "a b", "--set", url, "--set", "Port=1", "--set", "SubnetId=subnet-01234567"];
    let wrong = bench.run(&render("out", &more)).ended(2);
    for named in ["JdbcUrl", "\"Port\" is no parameter", "belong together", "the stack's name", "4 things are wrong"] {
        assert!(wrong.stderr.contains(named), "{named}: {}", wrong.stderr);
    }
    bench.no_secret(&["hunter2-hunter2"]);
    assert!(!bench.path("out").exists());
    let wrong = bench.run(&render("out", &[])).ended(2);
    assert!(wrong.stderr.contains("the stack has no name"), "{}", wrong.stderr);
    bench.file("values.json", "[1]");
    bench.file("broken.json", "{\"SecretId\": \"hunter2-hunter2");
    for (file, named) in [("values.json", "ParameterKey"), ("broken.json", "no JSON"), ("gone.json", "cannot be read")]
    {
        let wrong = bench.run(&render("out", &["--stack", "s", "--values", file])).ended(2);
        assert!(wrong.stderr.contains(named), "{}", wrong.stderr);
    }
    bench.run(&render("out", &["--stack", "s", "--set", "ConnectionName"])).ended(2);
    bench.no_secret(&["hunter2-hunter2"]);
    bench.file("taken", "");
    let wrong = bench.run(&render("taken", &["--stack", "s"])).ended(2);
    assert!(wrong.stderr.contains("cannot be written"), "{}", wrong.stderr);
}

#[test]
fn all_templates_are_written_for_a_bucket() {
    let bench = Bench::new();
    let done = bench.run(&["toolkit", "templates", "--out", "templates"]).ended(0);
    assert_eq!(done.stdout.lines().count(), 11);
    for name in
        ["glue-connection", "glue-crawler", "athena-mysql", "athena-postgresql", "athena-sqlserver", "athena-oracle"]
    {
        assert!(bench.path(&format!("templates/{name}.yaml")).is_file(), "{name}");
    }
    bench.run(&["toolkit", "templates", "--out", "templates"]).ended(0);
}
