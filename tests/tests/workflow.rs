//! The whole workflow on real servers and a real store: a subscription's life, bad input, many processes, killed processes.

// A test may panic: that is how it fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::future::Future;
use std::pin::Pin;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use dzconn_core::model::{AdminLogin, Source, SourceEndpoint, TableName, Target};
use dzconn_core::testkit::engine::{Attempt, Attempted, EngineFixture, UserSession};
use dzconn_core::{Changed, Error, ErrorKind, Secret};
use dzconn_tests::engine::{Admin, Fixture, harness};
use dzconn_tests::world::{World, user_exists};
use libtest_mimic::{Completion, Trial};
use rand::RngExt as _;
use rand::seq::IndexedRandom as _;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};

type Checked<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;
type Check = for<'a> fn(&'a dyn Fixture) -> Checked<'a>;

/// Name, the admins as whom it runs, and what it does.
const TESTS: &[(&str, &[Admin], Check)] = &[
    ("a_subscription_lives_and_goes_without_a_trace", &Admin::ALL, |f| Box::pin(life(f))),
    ("sessions_that_cannot_be_ended_are_said", &Admin::ALL, |f| Box::pin(sessions_remain(f))),
    ("a_table_that_was_dropped_can_be_revoked", &Admin::ALL, |f| Box::pin(dropped_table(f))),
    ("what_public_reads_is_said", &[Admin::Superuser], |f| Box::pin(public(f))),
    ("a_missing_table_changes_nothing", &Admin::ALL, |f| Box::pin(missing_table(f))),
    ("a_missing_grant_option_changes_nothing", &[Admin::LeastPrivileged], |f| Box::pin(no_grant_option(f))),
    ("a_wrong_admin_password_is_said", &[Admin::Superuser], |f| Box::pin(wrong_password(f))),
    ("an_unreachable_host_is_said", &[Admin::Superuser], |f| Box::pin(unreachable(f))),
    ("a_stored_password_that_does_not_log_in_is_mended", &Admin::ALL, |f| Box::pin(mended(f))),
    ("a_plan_changes_nothing_and_holds_no_secret", &Admin::ALL, |f| Box::pin(plan(f))),
    ("four_processes_end_as_some_serial_order_would", &[Admin::LeastPrivileged], |f| Box::pin(four_processes(f))),
    ("a_process_that_is_killed_at_any_moment_is_finished", &[Admin::LeastPrivileged], |f| Box::pin(killed(f))),
];

/// Those whose runs are in processes of their own.
const IN_PROCESSES: [&str; 2] =
    ["four_processes_end_as_some_serial_order_would", "a_process_that_is_killed_at_any_moment_is_finished"];

fn main() -> ExitCode {
    let names: Vec<String> = TESTS
        .iter()
        .flat_map(|(name, admins, _)| admins.iter().map(move |admin| format!("{}::{name}", admin.name())))
        .collect();
    harness::run("workflow", &names, |runtime, server| {
        let mut trials = Vec::new();
        for (name, admins, check) in TESTS {
            for admin in *admins {
                let (runtime, server, admin) = (runtime.clone(), server.clone(), *admin);
                let in_processes = IN_PROCESSES.contains(name);
                let name = format!("workflow::{}::{}::{name}", server.name(), admin.name());
                if in_processes && !server.is_for_all_processes() {
                    let ignored = Completion::ignored_with("other processes do not find a simulator in this one");
                    trials.push(Trial::ignorable_test(name, move || Ok(ignored)));
                    continue;
                }
                trials.push(Trial::test(name, move || {
                    runtime.block_on(async {
                        let fixture = server.fixture(admin).await.map_err(|error| error.to_string())?;
                        check(&*fixture).await;
                        harness::finish(Ok::<(), Error>(()), fixture.end().await)
                    })
                }));
            }
        }
        trials
    })
}

async fn tables<const N: usize>(fixture: &dyn EngineFixture, names: [&str; N]) -> [TableName; N] {
    let tables = names.map(|name| fixture.table(name));
    for table in &tables {
        fixture.create_table(table).await.unwrap();
    }
    tables
}

async fn reads(session: &mut dyn UserSession, table: &TableName) -> Attempted {
    session.attempt(&Attempt::Read(table.clone())).await.unwrap()
}

/// A consumer who logs in, reads and leaves.
async fn consumer_reads(
    fixture: &dyn EngineFixture,
    granted: &dzconn_core::workflow::Granted,
    table: &TableName,
) -> bool {
    let mut session = fixture.open(&granted.credentials).await.unwrap().expect("the consumer's secret logs in");
    reads(&mut *session, table).await == Attempted::Did(2)
}

async fn gone(fixture: &dyn EngineFixture, world: &World, granted: &dzconn_core::workflow::Granted) {
    assert!(fixture.open(&granted.credentials).await.unwrap().is_none(), "the login is refused");
    assert!(!user_exists(fixture, &granted.user).await.unwrap());
    assert_eq!(world.left().await.unwrap(), Vec::<String>::new());
}

async fn life(fixture: &dyn Fixture) {
    let [employees, offices, salaries] = tables(fixture, ["employees", "offices", "salaries"]).await;
    let world = World::new(fixture.source()).await.unwrap();

    let first = world.grant(&employees).await.unwrap();
    assert!(first.new_user && first.changed);
    let mut session = fixture.open(&first.credentials).await.unwrap().unwrap();
    assert_eq!(reads(&mut *session, &employees).await, Attempted::Did(2));
    for attempt in [
        Attempt::Read(salaries.clone()),
        Attempt::Insert(employees.clone()),
        Attempt::Delete(employees.clone()),
        Attempt::CreateTable(fixture.table("mine")),
    ] {
        assert_eq!(session.attempt(&attempt).await.unwrap(), Attempted::Denied, "{attempt:?}");
    }

    let second = world.grant(&offices).await.unwrap();
    assert_eq!((&second.user, &second.secret), (&first.user, &first.secret));
    assert!(!second.new_user);
    assert_eq!(reads(&mut *session, &offices).await, Attempted::Did(2), "in the session that is open already");
    assert!(!world.grant(&offices).await.unwrap().changed, "again: nothing to do");

    let revoked = world.revoke(&employees).await.unwrap();
    assert!(revoked.changed && !revoked.dropped);
    assert_eq!(reads(&mut *session, &employees).await, Attempted::Denied, "the open session loses it");
    assert_eq!(reads(&mut *session, &offices).await, Attempted::Did(2), "and keeps the other");

    if fixture.ends_sessions() {
        assert!(world.revoke(&offices).await.unwrap().dropped);
        assert_eq!(reads(&mut *session, &offices).await, Attempted::Ended);
    } else {
        drop(session);
        revoke_patiently(&world, &offices).await;
    }
    gone(fixture, &world, &first).await;
    assert!(!world.revoke(&offices).await.unwrap().changed);
}

/// The server notices only after a moment that a session has left.
async fn revoke_patiently(world: &World, table: &TableName) {
    for _ in 0..40 {
        match world.revoke(table).await {
            Ok(revoked) => return assert!(revoked.dropped),
            Err(error) => assert_eq!(error.kind(), ErrorKind::SessionsRemain, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the session has left long ago");
}

async fn sessions_remain(fixture: &dyn Fixture) {
    let [employees] = tables(fixture, ["employees"]).await;
    let world = World::new(fixture.source()).await.unwrap();
    let granted = world.grant(&employees).await.unwrap();
    let mut session = fixture.open(&granted.credentials).await.unwrap().unwrap();
    assert_eq!(reads(&mut *session, &employees).await, Attempted::Did(2));
    if fixture.ends_sessions() {
        assert!(world.revoke(&employees).await.unwrap().dropped);
    } else {
        let error = world.revoke(&employees).await.unwrap_err();
        assert_eq!((error.kind(), error.left()), (ErrorKind::SessionsRemain, Changed::Unfinished));
        assert!(error.advice().is_some(), "{error:?}");
        assert!(fixture.open(&granted.credentials).await.unwrap().is_none(), "nobody can log in any more");
        assert_ne!(reads(&mut *session, &employees).await, Attempted::Did(2), "and the session reads nothing");
        drop(session);
        revoke_patiently(&world, &employees).await;
    }
    gone(fixture, &world, &granted).await;
}

async fn dropped_table(fixture: &dyn Fixture) {
    let [employees, offices] = tables(fixture, ["employees", "offices"]).await;
    let world = World::new(fixture.source()).await.unwrap();
    let granted = world.grant(&employees).await.unwrap();
    world.grant(&offices).await.unwrap();
    fixture.drop_table(&employees).await.unwrap();
    assert!(world.revoke(&employees).await.unwrap().changed);
    // A table that is made later under the old name is nobody's.
    fixture.create_table(&employees).await.unwrap();
    assert!(!consumer_reads(fixture, &granted, &employees).await);
    fixture.drop_table(&offices).await.unwrap();
    revoke_patiently(&world, &offices).await;
    gone(fixture, &world, &granted).await;
}

async fn public(fixture: &dyn Fixture) {
    let [employees, offices] = tables(fixture, ["employees", "offices"]).await;
    let public = fixture.grant_to_public(&employees).await.unwrap();
    let world = World::new(fixture.source()).await.unwrap();
    world.grant(&employees).await.unwrap();
    let granted = world.grant(&offices).await.unwrap();
    let revoked = world.revoke(&employees).await.unwrap();
    // The grant of the schema stays with the other table, and so PUBLIC's privilege still reads.
    let readable = consumer_reads(fixture, &granted, &employees).await;
    assert_eq!(readable, public);
    assert_eq!(
        matches!(&revoked.reads, dzconn_core::engine::Reads::Yes(ways) if !ways.is_empty()),
        readable,
        "{revoked:?}"
    );
    revoke_patiently(&world, &offices).await;
}

/// The error names asset, source, environment and step, says what to do, and nothing has changed.
async fn assert_nothing_changed(world: &World, error: &Error, kind: ErrorKind) {
    assert_eq!(error.kind(), kind, "{error:?}");
    let subject = error.subject();
    assert!(subject.asset.is_some() && subject.source.is_some() && subject.environment.is_some(), "{error:?}");
    assert!(error.step().is_some() && error.advice().is_some(), "{error:?}");
    assert_eq!(world.left().await.unwrap(), Vec::<String>::new());
}

async fn missing_table(fixture: &dyn Fixture) {
    let world = World::new(fixture.source()).await.unwrap();
    let error = world.grant(&fixture.table("nowhere")).await.unwrap_err();
    assert_eq!(error.left(), Changed::Nothing);
    assert_nothing_changed(&world, &error, ErrorKind::TableNotFound).await;
}

async fn no_grant_option(fixture: &dyn Fixture) {
    let table = fixture.table("theirs");
    let foreign = fixture.create_foreign_table(&table).await.unwrap();
    let world = World::new(fixture.source()).await.unwrap();
    let result = world.grant(&table).await;
    if !foreign {
        result.unwrap();
        return revoke_patiently(&world, &table).await;
    }
    let error = result.unwrap_err();
    assert_eq!(error.left(), Changed::Nothing);
    let kind = error.kind();
    assert!(matches!(kind, ErrorKind::NoGrantOption | ErrorKind::AdminDenied), "{error:?}");
    assert_nothing_changed(&world, &error, kind).await;
}

async fn wrong_password(fixture: &dyn Fixture) {
    let source = fixture.source();
    let admin = AdminLogin { password: Secret::new("not-the-password".into()), ..source.admin.clone() };
    let [employees] = tables(fixture, ["employees"]).await;
    let world = World::new(Source { admin, ..source }).await.unwrap();
    let error = world.grant(&employees).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("not-the-password"));
    assert_nothing_changed(&world, &error, ErrorKind::AdminLoginRefused).await;
}

async fn unreachable(fixture: &dyn Fixture) {
    let source = Source { endpoint: fixture.unreachable().unwrap(), ..fixture.source() };
    let [employees] = tables(fixture, ["employees"]).await;
    let world = World::new(source).await.unwrap();
    let error = world.grant(&employees).await.unwrap_err();
    assert!(error.is_retryable());
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error:?}");
    assert_eq!(world.left().await.unwrap(), Vec::<String>::new());
}

async fn mended(fixture: &dyn Fixture) {
    let [employees] = tables(fixture, ["employees"]).await;
    let world = World::new(fixture.source()).await.unwrap();
    let granted = world.grant(&employees).await.unwrap();
    // Somebody sets another password by hand.
    let deadline = dzconn_core::Deadline::within(Duration::from_secs(20));
    let mut session = fixture.connector().connect(&fixture.source(), deadline).await.unwrap();
    let other = Secret::new("Another-password_123456".into());
    session
        .set_password(&dzconn_core::model::Credentials { password: other, ..granted.credentials.clone() })
        .await
        .unwrap();
    session.close().await.unwrap();
    assert!(fixture.open(&granted.credentials).await.unwrap().is_none());
    let again = world.grant(&employees).await.unwrap();
    assert_eq!(again.credentials, granted.credentials);
    assert!(consumer_reads(fixture, &again, &employees).await);
    revoke_patiently(&world, &employees).await;
}

async fn plan(fixture: &dyn Fixture) {
    use dzconn_core::portal::Wanted;
    let [employees] = tables(fixture, ["employees"]).await;
    let world = World::new(fixture.source()).await.unwrap();
    let subscription = world.subscription(&employees).unwrap();
    let plan = world.fulfilment.plan(&subscription, Wanted::Grant).await.unwrap();
    let grants = ["GRANT SELECT", "GRANT READ"];
    assert!(plan.steps.iter().any(|step| grants.iter().any(|grant| step.to_string().starts_with(grant))), "{plan:?}");
    assert_eq!(world.left().await.unwrap(), Vec::<String>::new());
    let granted = world.grant(&employees).await.unwrap();
    assert!(!user_exists(fixture, &dzconn_core::model::UserName::new("dz_nobody").unwrap()).await.unwrap());
    let plan = world.fulfilment.plan(&subscription, Wanted::Revoke).await.unwrap();
    assert!(plan.steps.iter().any(|step| step.to_string().starts_with("DROP")), "{plan:?}");
    assert!(!format!("{plan:?}").contains(granted.credentials.password.expose()));
    assert!(consumer_reads(fixture, &granted, &employees).await);
    revoke_patiently(&world, &employees).await;
}

// ---- processes

fn worker(world: &World, fixture: &dyn EngineFixture, runs: &[(bool, &TableName)]) -> (Child, Vec<u8>) {
    let Source { endpoint, admin, tls, .. } = fixture.source();
    let SourceEndpoint { subprotocol, host, port, .. } = &endpoint;
    let database = match &endpoint.target {
        Target::Database(name) | Target::Service(name) => name.as_str(),
        _ => "",
    };
    let url = format!("jdbc:{subprotocol}://{host}:{port}/{database}");
    let runs: Vec<_> = runs.iter().map(|(grant, table)| (grant, table.joined())).collect();
    let task = serde_json::json!({
        "store": world.store_path(), "url": url, "user": admin.user, "password": admin.password.expose(),
        "encrypted": tls.is_encrypted(),
        "connection": world.source.connection, "environment": world.environment(), "runs": runs,
    });
    let child = Command::new(env!("CARGO_BIN_EXE_worker"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    (child, task.to_string().into_bytes())
}

async fn start(world: &World, fixture: &dyn EngineFixture, runs: &[(bool, &TableName)]) -> Child {
    let (mut child, task) = worker(world, fixture, runs);
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&task).await.unwrap();
    child
}

async fn finish(child: Child) -> Vec<String> {
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<String> = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
    assert!(lines.iter().all(|line| line == "granted" || line == "revoked" || line == "Superseded"), "{lines:?}");
    lines
}

/// 200 grants and revokes from four processes. The last run of each table in a serial order is the last of its table in
/// some process, so that is what each table must look like.
async fn four_processes(fixture: &dyn Fixture) {
    let tables = tables(fixture, ["employees", "offices", "salaries"]).await;
    let world = World::new(fixture.source()).await.unwrap();
    let plans: Vec<Vec<(bool, &TableName)>> = {
        let mut rng = rand::rng();
        let mut run = || (rng.random_bool(0.6), tables.choose(&mut rng).unwrap());
        (0..4).map(|_| (0..50).map(|_| run()).collect()).collect()
    };
    let mut children = Vec::new();
    for plan in &plans {
        children.push(start(&world, fixture, plan).await);
    }
    let mut ended = 0;
    for child in children {
        ended += finish(child).await.len();
    }
    assert_eq!(ended, 200);

    // What is there now: granting what is granted changes nothing, and shows the credentials.
    let mut live = 0;
    for table in &tables {
        let last: Vec<bool> = plans
            .iter()
            .filter_map(|plan| plan.iter().rev().find(|(_, t)| *t == table))
            .map(|(grant, _)| *grant)
            .collect();
        let granted = is_granted(&world, table).await;
        assert!(last.contains(&granted), "{table} is granted: {granted}, last runs: {last:?}");
        live += u64::from(granted);
        if granted {
            let again = world.grant(table).await.unwrap();
            assert!(!again.changed && !again.new_user, "{again:?}");
            assert!(consumer_reads(fixture, &again, table).await);
        }
    }
    assert_eq!(world.live_secrets().await.unwrap().len(), if live > 0 { 2 } else { 0 });
    for table in &tables {
        revoke_until_gone(&world, table).await;
    }
    assert_eq!(world.left().await.unwrap(), Vec::<String>::new());
}

async fn is_granted(world: &World, table: &TableName) -> bool {
    use dzconn_core::store::{Key, TrackingStore as _};
    let subscription = world.subscription(table).unwrap();
    let key = Key::Asset(subscription.consumer.environment, subscription.asset.id);
    world.store.tracking().read(&[key]).await.unwrap()[0].is_some()
}

async fn revoke_until_gone(world: &World, table: &TableName) {
    for _ in 0..40 {
        match world.revoke(table).await {
            Ok(_) => return,
            Err(error) => assert_eq!(error.kind(), ErrorKind::SessionsRemain, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the sessions have left long ago");
}

/// SIGKILL after a random while, again and again; then one run that is left alone.
async fn killed(fixture: &dyn Fixture) {
    let [employees, offices] = tables(fixture, ["employees", "offices"]).await;
    let world = World::new(fixture.source()).await.unwrap();
    let mut killed = 0;
    for round in 0..12 {
        let table = if round % 3 == 0 { &offices } else { &employees };
        for grant in [true, false] {
            let mut child = start(&world, fixture, &[(grant, table)]).await;
            let moment = Duration::from_millis(rand::rng().random_range(5..90));
            if tokio::time::timeout(moment, child.wait()).await.is_err() {
                killed += 1;
                child.kill().await.unwrap();
            }
            let lines = finish(start(&world, fixture, &[(grant, table)]).await).await;
            assert_eq!(lines, [if grant { "granted" } else { "revoked" }]);
            if grant {
                let again = world.grant(table).await.unwrap();
                assert!(!again.changed, "the worker has finished it");
                assert!(consumer_reads(fixture, &again, table).await);
                assert_eq!(world.live_secrets().await.unwrap().len(), 2);
            } else {
                revoke_until_gone(&world, table).await;
                assert_eq!(world.left().await.unwrap(), Vec::<String>::new());
            }
        }
    }
    assert!(killed > 5, "only {killed} of 24 runs were still going when they were to be killed");
}
