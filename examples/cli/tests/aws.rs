//! The command on AWS's stand-ins and real databases.

// A test may panic: that is how it fails.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::format_push_string)]

mod common;

use std::process::ExitCode;

use dzconn_core::Error;
use dzconn_tests::aws::{AwsWorld, MOTO};
use dzconn_tests::engine::{Admin, Fixture, harness};
use libtest_mimic::{Completion, Trial};

use common::Bench;

fn main() -> ExitCode {
    let names = ["a_subscription_lives_by_the_command".to_owned()];
    harness::run_with("cli_aws", MOTO, &names, |runtime, server, moto| {
        let (runtime, server, moto) = (runtime.clone(), server.clone(), moto.to_owned());
        let name = format!("cli_aws::{}::a_subscription_lives_by_the_command", server.name());
        if !server.is_for_all_processes() {
            let ignored = Completion::ignored_with("the command does not find a simulator in this process");
            return vec![Trial::ignorable_test(name, move || Ok(ignored))];
        }
        vec![Trial::test(name, move || {
            runtime.block_on(async {
                let fixture = server.fixture(Admin::LeastPrivileged).await.map_err(|error| error.to_string())?;
                life(&*fixture, &moto).await;
                harness::finish(Ok::<(), Error>(()), fixture.end().await)
            })
        })]
    })
}

async fn life(fixture: &dyn Fixture, moto: &str) {
    let table = fixture.table("employees");
    fixture.create_table(&table).await.unwrap();
    let world = AwsWorld::new(moto).await.unwrap();
    let connection = world.connect("hr", &fixture.source()).await.unwrap();
    let listing = world.publish(&connection, &table).await.unwrap();
    world.subscribe(&listing);

    let keys = world.aws.credentials_for(world.governance.account.as_str()).await.unwrap();
    let bench = Bench::new()
        .env("AWS_ENDPOINT_URL", &world.aws.url())
        .env("AWS_REGION", world.governance.region.as_str())
        .env("AWS_ACCESS_KEY_ID", &keys.access_key_id)
        .env("AWS_SECRET_ACCESS_KEY", &keys.secret_access_key)
        .env("AWS_SESSION_TOKEN", &keys.session_token);
    let created = bench.file("created.json", &world.event_text("Created", &listing));
    let revoked = bench.file("revoked.json", &world.event_text("Revoked", &listing));
    let (created, revoked) = (created.to_str().unwrap(), revoked.to_str().unwrap());
    let environment = world.environment.as_str();

    // Not looked at on AWS, wrong as it is.
    bench.directory("this is no directory file");

    // The tables are there, by another name than these.
    let config = bench.file("dzconn-aws.toml", "[tables]\nstate = \"another_state\"\n");
    let made = bench.run(&["--config", config.to_str().unwrap(), "admin", "create-tables"]).ended(0);
    assert!(made.stdout.contains("table another_state created"), "{}", made.stdout);
    let again = bench.run(&["--aws", "admin", "create-tables", "--json"]).ended(0).json();
    assert_eq!(again["done"].as_array().unwrap().len(), 4, "{again}");
    let wrong = bench.file("wrong.toml", "[tables]\nstatte = 1\n[secrets]\nrecovery_window_days = 1\n");
    let wrong = bench.run(&["--config", wrong.to_str().unwrap(), "list"]).ended(2);
    assert!(["tables.statte", "recovery_window_days"].iter().all(|key| wrong.stderr.contains(key)), "{}", wrong.stderr);

    let plan = bench.run(&["--aws", "plan", "event", "--event", created]).ended(0);
    assert!(plan.stdout.contains("GRANT SELECT") && plan.stdout.contains("Nothing was changed"), "{}", plan.stdout);
    assert_eq!(world.left().await.unwrap(), Vec::<String>::new());

    let done = bench.run(&["--aws", "fulfil", "--event", created, "--json"]).ended(0).json();
    let result = &done["events"][0]["results"][0];
    assert_eq!((&result["outcome"], &result["environment"]), (&"granted".into(), &environment.into()), "{done}");
    let listed = bench.run(&["--aws", "list", "--json"]).ended(0).json();
    let access = &listed["access"][0];
    assert_eq!(access["asset"]["path"], table.joined().as_str(), "{listed}");
    assert_eq!(access["connection"], connection.as_str());
    let name = connection.as_str().rsplit('/').next().unwrap();
    let of_source = bench.run(&["--aws", "list", "--source", name, "--json"]).ended(0).json();
    assert_eq!(of_source["access"][0]["secret"], access["secret"], "{of_source}");
    let shown = bench.run(&["--aws", "show", environment, "--live", "--json"]).ended(0).json();
    assert_eq!((&shown["live"]["user_exists"], &shown["phase"]), (&true.into(), &"active".into()), "{shown}");
    let secret = bench.run(&["--aws", "credentials", environment, "--json"]).ended(0).json();
    let copy = world.consumer_reads(secret["secret"]["name"].as_str().unwrap()).await.unwrap();
    assert_eq!(secret["user"], copy.user.as_str());

    // What is approved stays, also when somebody asks for a revoke by hand.
    let asset = listing.replace("lst", "ast");
    bench.run(&["--aws", "revoke", "--asset", &asset, "--environment", environment]).ended(4);
    let plan = bench.run(&["--aws", "plan", "event", revoked]).ended(0);
    assert!(plan.stdout.contains("the portal wants grant by now"), "{}", plan.stdout);
    let grant = bench.run(&["--aws", "grant", "--asset", &asset, "--environment", environment]).ended(2);
    assert!(grant.stderr.contains("dzconn fulfil"), "{}", grant.stderr);
    world.end_subscription(&listing, false);
    let target = ["--asset", &asset, "--environment", environment, "--source", name];
    let plan = bench.run(&[&["--aws", "plan", "revoke"], &target[..]].concat()).ended(0);
    assert!(plan.stdout.contains("DROP") && !plan.stdout.contains("by now"), "{}", plan.stdout);
    let late = bench.run(&["--aws", "plan", "event", created, "--json"]).ended(0).json();
    assert_eq!((&late["plans"][0]["plan"], &late["plans"][0]["wanted"]), (&"grant".into(), &"revoke".into()), "{late}");
    bench.run(&["--aws", "fulfil", revoked]).ended(0);
    assert_eq!(world.left().await.unwrap(), Vec::<String>::new());
    let nobody = bench.run(&["--aws", "list"]).ended(0);
    assert!(nobody.stdout.contains("nobody reads anything"), "{}", nobody.stdout);

    bench.no_secret(&[fixture.source().admin.password.expose(), copy.password.expose(), &keys.secret_access_key]);
}
