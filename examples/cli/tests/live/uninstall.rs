//! The end of an installation on a real server.

use crate::server::{Sample, Server};

pub(crate) fn nothing_is_left_and_that_is_proven(server: &Server) {
    let sample = Sample::new(server);
    let bench = &sample.bench;
    bench.run(&["uninstall"]).ended(2);
    for (asset, environment) in [("offices", "env-risk"), ("employees", "env-risk"), ("offices", "env-two")] {
        bench.run(&["grant", "--asset", asset, "--environment", environment, "--project", "risk"]).ended(0);
    }
    let login = sample.login();
    let plan = bench.run(&["uninstall", "--json"]).ended(1).json();
    let held: Vec<_> = (0..2).map(|n| plan["environments"][n]["held"].as_array().unwrap().len()).collect();
    assert_eq!((held, &plan["nothing_left"]), (vec![2, 1], &false.into()), "{plan}");
    assert!(plan["left"].as_array().unwrap().iter().all(|left| left["kind"] == "record"), "{plan}");
    assert_eq!(sample.rows(&login, "offices"), Ok(7), "a plan changes nothing");
    let text = bench.run(&["uninstall"]).ended(1);
    assert!(text.stdout.contains("would be done  revoke") && text.stderr.contains("--apply"), "{}", text.stdout);

    let done = bench.run(&["uninstall", "--apply", "--json"]).ended(0).json();
    assert_eq!(
        (&done["nothing_left"], &done["left"], &done["errors"]),
        (&true.into(), &"[]".parse().unwrap(), &"[]".parse().unwrap())
    );
    assert!(sample.rows(&login, "offices").is_err());
    assert_eq!(sample.users(&login.0), 0);
    let again = bench.run(&["uninstall", "--apply"]).ended(0);
    assert!(again.stdout.contains("nothing is left") && again.stdout.contains("by hand"), "{}", again.stdout);

    // The store was lost: whose the user is has to be said.
    bench.run(&["grant", "--asset", "offices", "--environment", "env-risk"]).ended(0);
    let login = sample.login();
    for file in ["store.sqlite", "store.sqlite-wal", "store.sqlite-shm"] {
        let _ = std::fs::remove_file(bench.path(file));
    }
    bench.run(&["grant", "--asset", "offices", "--environment", "env-two", "--project", "risk"]).ended(0);
    let left = bench.run(&["uninstall", "--apply", "--json"]).ended(1).json();
    assert_eq!((left["left"].as_array().unwrap().len(), &left["left"][0]["kind"]), (1, &"user".into()), "{left}");
    assert!(left["left"][0]["what"].as_str().unwrap().contains(&login.0), "{left}");
    let done = bench.run(&["uninstall", "--environment", "env-risk", "--apply"]).ended(0);
    assert!(done.stdout.contains("drop the user"), "{}", done.stdout);
    assert_eq!(sample.users(&login.0), 0);
    bench.no_secret(&[&login.1, &server.password]);
}
