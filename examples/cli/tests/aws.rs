//! The command on AWS's stand-ins and real databases.

// A test may panic: that is how it fails.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::format_push_string)]

mod common;

use std::pin::Pin;
use std::process::ExitCode;

use dzconn_core::Error;
use dzconn_test_aws::{Effect, Fault};
use dzconn_tests::aws::{AwsWorld, DOMAIN, MOTO};
use dzconn_tests::engine::{Admin, Fixture, harness};
use dzconn_tests::environments::{POLICIES, Provisioned};
use libtest_mimic::{Completion, Trial};

use common::Bench;

fn main() -> ExitCode {
    let names = TESTS.map(|(name, _)| name.to_owned());
    harness::run_with("cli_aws", MOTO, &names, |runtime, server, moto| {
        let trial = |(name, check): (&str, Check)| {
            let (runtime, server, moto) = (runtime.clone(), server.clone(), moto.to_owned());
            let name = format!("cli_aws::{}::{name}", server.name());
            if !server.is_for_all_processes() {
                let ignored = Completion::ignored_with("the command does not find a simulator in this process");
                return Trial::ignorable_test(name, move || Ok(ignored));
            }
            Trial::test(name, move || {
                runtime.block_on(async {
                    let fixture = server.fixture(Admin::LeastPrivileged).await.map_err(|error| error.to_string())?;
                    check(&*fixture, &moto).await;
                    harness::finish(Ok::<(), Error>(()), fixture.end().await)
                })
            })
        };
        TESTS.map(trial).into()
    })
}

type Checked<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;
type Check = for<'a> fn(&'a dyn Fixture, &'a str) -> Checked<'a>;

const TESTS: [(&str, Check); 2] = [
    ("a_subscription_lives_by_the_command", |fixture, moto| Box::pin(life(fixture, moto))),
    ("an_environment_comes_and_goes_by_the_command", |fixture, moto| Box::pin(environments(fixture, moto))),
];

/// The command in the governance account, and the secret access key that nobody may see.
async fn bench(world: &AwsWorld) -> (Bench, String) {
    let keys = world.aws.credentials_for(world.governance.account.as_str()).await.unwrap();
    let bench = Bench::new()
        .env("AWS_ENDPOINT_URL", &world.aws.url())
        .env("AWS_REGION", world.governance.region.as_str())
        .env("AWS_ACCESS_KEY_ID", &keys.access_key_id)
        .env("AWS_SECRET_ACCESS_KEY", &keys.secret_access_key)
        .env("AWS_SESSION_TOKEN", &keys.session_token);
    (bench, keys.secret_access_key)
}

async fn life(fixture: &dyn Fixture, moto: &str) {
    let table = fixture.table("employees");
    fixture.create_table(&table).await.unwrap();
    let world = AwsWorld::new(moto).await.unwrap();
    let connection = world.connect("hr", &fixture.source()).await.unwrap();
    let listing = world.publish(&connection, &table).await.unwrap();
    world.subscribe(&listing);

    let (bench, key) = bench(&world).await;
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

    bench.no_secret(&[fixture.source().admin.password.expose(), copy.password.expose(), &key]);
}

async fn environments(fixture: &dyn Fixture, moto: &str) {
    let table = fixture.table("employees");
    fixture.create_table(&table).await.unwrap();
    let world = Provisioned::world(moto, |_| {}).await.unwrap();
    let made = Provisioned::new(&world).await.unwrap();
    let before = made.seen().await.unwrap();
    let connection = world.connect("hr", &fixture.source()).await.unwrap();
    let listing = world.publish(&connection, &table).await.unwrap();
    world.subscribe(&listing);
    let (bench, key) = bench(&world).await;
    let bench = bench.env("DZCONN_AWS_ENVIRONMENTS_POLICIES", &POLICIES.join(","));
    let [deployed, deleting, created, bad] = [
        ("deployed.json", made.event("Deployment Completed", false)),
        ("deleting.json", made.event("Deletion Started", false)),
        ("created.json", world.event_text("Created", &listing)),
        ("bad.json", made.event("Creation Failed", false)),
    ]
    .map(|(name, text)| bench.file(name, &text).to_str().unwrap().to_owned());
    let id = world.environment.as_str();

    // Nothing is recorded yet, so nobody knows the domain.
    let unknown = bench.run(&["environment", "activate", "--environment", id]).ended(2);
    assert!(unknown.stderr.contains("--domain"), "{}", unknown.stderr);
    let target = ["--environment", id, "--domain", DOMAIN];
    let plan = bench.run(&[&["environment", "activate", "--plan"], &target[..]].concat()).ended(0);
    assert!(plan.stdout.contains("would be equipped") && plan.stdout.contains(&made.boundary), "{}", plan.stdout);
    let plan = bench.run(&["--aws", "plan", "event", &deployed, "--json"]).ended(0).json();
    assert_eq!((&plan["plans"][0]["outcome"], &plan["plans"][0]["plan"]), (&"equipped".into(), &true.into()), "{plan}");
    assert_eq!(made.seen().await.unwrap(), before, "a plan changes nothing");

    // One file of each kind in one go: equipped, and then granted.
    let done = bench.run(&["--aws", "fulfil", &deployed, &created, "--json"]).ended(0).json();
    let [equipped, granted] = [0, 1].map(|n| &done["events"][n]["results"][0]);
    assert_eq!((&equipped["outcome"], &granted["outcome"]), (&"equipped".into(), &"granted".into()), "{done}");
    assert_eq!(done["events"][0]["kind"], "environment deployed");
    assert_eq!((&equipped["role"], equipped["changes"].as_array().unwrap().len()), (&made.arn.as_str().into(), 5));
    assert_eq!(made.seen().await.unwrap(), made.equipped(&before));
    let again = bench.run(&["environment", "activate", "--environment", id, "--json"]).ended(0).json();
    assert_eq!((&again["outcome"], &again["changes"]), (&"equipped".into(), &serde_json::json!([])), "{again}");
    let secret = bench.run(&["--aws", "credentials", id, "--json"]).ended(0).json();
    let copy = world.consumer_reads(secret["secret"]["name"].as_str().unwrap()).await.unwrap();

    // The portal says that it is active still: the event has to come once more, a hand has not.
    let early = bench.run(&["--aws", "fulfil", &deleting]).ended(3);
    assert!(early.stderr.contains("does not show the deletion"), "{}", early.stderr);
    assert_eq!(made.seen().await.unwrap(), made.equipped(&before));
    let plan = bench.run(&["environment", "clean", "--environment", id, "--plan"]).ended(0);
    assert!(plan.stdout.contains("would be cleaned") && plan.stdout.contains("revoke "), "{}", plan.stdout);
    world.aws.fail(Fault::new(Effect::AccessDenied).service("iam").operation("DetachRolePolicy"));
    let half = bench.run(&["environment", "clean", "--environment", id, "--json"]).ended(1).json();
    assert_eq!((&half["outcome"], &half["revoked"][0]["outcome"]), (&"failed".into(), &"revoked".into()), "{half}");
    assert_eq!(half["errors"][0]["kind"], "store_denied", "{half}");
    let done = bench.run(&[&["environment", "clean"], &target[..]].concat()).ended(0);
    assert!(done.stdout.contains("cleaned"), "{}", done.stdout);
    assert_eq!(made.seen().await.unwrap(), before);
    assert_eq!(world.left().await.unwrap(), Vec::<String>::new());

    // And as it is deleted, with the grant there again.
    bench.run(&["--aws", "fulfil", &deployed, &created]).ended(0);
    made.set_status("DELETING");
    let plan = bench.run(&["--aws", "plan", "event", &deleting]).ended(0);
    assert!(plan.stdout.contains("would be cleaned"), "{}", plan.stdout);
    let ending = bench.run(&["environment", "activate", "--environment", id]).ended(4);
    assert!(ending.stdout.contains("being deleted"), "{}", ending.stdout);
    assert_eq!(made.seen().await.unwrap(), made.equipped(&before), "nothing was done");
    let done = bench.run(&["--aws", "fulfil", &deleting, "--json"]).ended(0).json();
    assert_eq!(done["events"][0]["results"][0]["outcome"], "cleaned", "{done}");
    assert_eq!(made.seen().await.unwrap(), before);
    assert_eq!(world.left().await.unwrap(), Vec::<String>::new());
    made.set_status("ACTIVE");
    let bench = uninstall(&world, &made, bench, [&deployed, &created]).await;
    assert_eq!(made.seen().await.unwrap(), before);
    // What is no event of ours is said before anything is done.
    bench.run(&["--aws", "fulfil", &deployed, &bad]).ended(2);
    bench.no_secret(&[fixture.source().admin.password.expose(), copy.password.expose(), &key]);
}

/// Ends the installation, with an environment that was equipped and granted to, and with one that was equipped only.
async fn uninstall(world: &AwsWorld, made: &Provisioned<'_>, bench: Bench, events: [&String; 2]) -> Bench {
    let unknown = bench.run(&["--aws", "uninstall", "--json"]).ended(1).json();
    assert_eq!(unknown["left"][0]["kind"], "unknown", "nobody says which domain: {unknown}");
    let domain = ["--aws", "uninstall", "--domain", DOMAIN];
    let nothing = bench.run(&domain).ended(0);
    assert!(
        nothing.stdout.contains("nothing is left") && nothing.stdout.contains("dz-conn-base-env"),
        "{}",
        nothing.stdout
    );
    bench.run(&["--aws", "fulfil", events[0]]).ended(0);
    let equipped = made.seen().await.unwrap();
    let plan = bench.run(&[&domain[..], &["--json"]].concat()).ended(1).json();
    assert_eq!(plan["environments"][0]["changes"].as_array().unwrap().len(), 5, "by the portal alone: {plan}");
    bench.run(&["--aws", "fulfil", events[1]]).ended(0);
    let plan = bench.run(&["--aws", "uninstall", "--json"]).ended(1).json();
    assert_eq!(
        (&plan["applied"], plan["environments"][0]["held"].as_array().unwrap().len()),
        (&false.into(), 1),
        "{plan}"
    );
    assert_eq!(made.seen().await.unwrap(), equipped, "a plan changes nothing");
    world.aws.fail(Fault::new(Effect::AccessDenied).service("iam").operation("DetachRolePolicy"));
    let half = bench.run(&["--aws", "uninstall", "--apply", "--json"]).ended(1).json();
    assert_eq!(
        (&half["errors"][0]["kind"], half["left"].as_array().unwrap().len()),
        (&"store_denied".into(), 0),
        "{half}"
    );
    let done = bench.run(&[&domain[..], &["--apply"]].concat()).ended(0);
    assert!(done.stdout.contains("nothing is left"), "{}", done.stdout);
    assert_eq!(world.left().await.unwrap(), Vec::<String>::new());
    bench
}
