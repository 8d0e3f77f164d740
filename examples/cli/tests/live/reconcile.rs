//! What somebody did to a real server behind dzconn's back, found and mended.

use serde_json::Value;

use crate::server::{Sample, Server};

/// The problems that are found, with those mended that can be.
fn problems(sample: &Sample<'_>, args: &[&str], code: i32) -> Vec<String> {
    let run = sample.bench.run(&[&["reconcile", "--json"], args].concat()).ended(code);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    run.json()["findings"].as_array().unwrap().iter().map(|finding| text(&finding["problem"])).collect()
}

pub(crate) fn what_others_did_is_found_and_mended(server: &Server) {
    let sample = Sample::new(server);
    let bench = &sample.bench;
    for asset in ["offices", "employees"] {
        bench.run(&["grant", "--asset", asset, "--environment", "env-risk"]).ended(0);
    }
    let login = sample.login();
    if server.postgres {
        // Every database gives this to everybody.
        assert_eq!(problems(&sample, &[], 0), ["excess"]);
        server.run(&sample.database, &format!("REVOKE TEMPORARY ON DATABASE {} FROM PUBLIC", sample.database));
    }
    let agree = bench.run(&["reconcile"]).ended(0);
    assert_eq!(agree.stdout, "records, secrets and sources agree\n");
    let user = if server.postgres { format!("\"{}\"", login.0) } else { format!("'{}'@'%'", login.0) };
    let table = |name: &str| sample.path(name).split_once('.').unwrap().1.to_owned();
    let run = |sql: &str| server.run(&sample.database, sql);

    // A grant is taken, another is given.
    run(&format!("CREATE TABLE {} (id integer)", table("salaries")));
    run(&format!("REVOKE SELECT ON {} FROM {user}", table("offices")));
    run(&format!("GRANT SELECT ON {} TO {user}", table("salaries")));
    assert_eq!(problems(&sample, &["--source", "sales"], 1), ["grant_missing", "grant_extra"]);
    let plan = bench.run(&["reconcile"]).ended(1).stdout;
    assert!(plan.contains("run this again with --apply") && plan.contains("salaries"), "{plan}");
    assert!(sample.rows(&login, "offices").is_err(), "a plan changes nothing");
    assert_eq!(problems(&sample, &["--apply"], 0), ["grant_missing", "grant_extra"]);
    assert_eq!((sample.rows(&login, "offices"), sample.rows(&login, "salaries").is_err()), (Ok(7), true));

    // The password is set by hand.
    let by_hand = if server.postgres { "ALTER ROLE" } else { "ALTER USER" };
    let password = if server.postgres { "PASSWORD" } else { "IDENTIFIED BY" };
    run(&format!("{by_hand} {user} {password} 'Set_by_hand-1'"));
    assert_eq!(problems(&sample, &["--apply"], 0), ["password_refused"]);
    assert_eq!(sample.rows(&login, "offices"), Ok(7));

    // The server was restored from a backup of before the first grant.
    if server.postgres {
        run(&format!("DROP OWNED BY {user}; DROP ROLE {user}"));
    } else {
        run(&format!("DROP USER {user}"));
    }
    assert_eq!(problems(&sample, &[], 1), ["user_missing", "user_missing"]);
    assert_eq!(problems(&sample, &["--apply"], 0), ["user_missing", "user_missing"]);
    assert_eq!((sample.rows(&login, "offices"), sample.rows(&login, "employees")), (Ok(7), Ok(100)));

    // The store was lost: what it had named goes.
    for file in ["store.sqlite", "store.sqlite-wal", "store.sqlite-shm"] {
        let _ = std::fs::remove_file(bench.path(file));
    }
    bench.run(&["grant", "--asset", "offices", "--environment", "env-other", "--project", "risk"]).ended(0);
    assert_eq!(problems(&sample, &["--source", "sales", "--apply"], 1), ["user_without_record"]);
    assert_eq!(sample.users(&login.0), 1, "the environment may be another installation's");
    let named = ["--source", "sales", "--environment", "env-risk", "--apply"];
    assert_eq!(problems(&sample, &named, 0), ["user_without_record"]);
    assert_eq!(sample.users(&login.0), 0);
    assert_eq!(bench.run(&["reconcile"]).ended(0).stdout, agree.stdout);
    bench.run(&["revoke", "--asset", "offices", "--environment", "env-other"]).ended(0);
    bench.no_secret(&[&login.1, &server.password]);
}
