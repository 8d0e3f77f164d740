//! Local stores that fail.

use std::process::Stdio;
use std::time::{Duration, Instant};

use dzconn_core::ErrorKind;
use dzconn_core::model::Target;
use dzconn_core::testkit::engine::EngineFixture;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Executor as _};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::bench::{Bench, clear, impatient, settings};

/// Another process writes, and does not come to an end.
pub(crate) async fn locked(fixture: &dyn EngineFixture) {
    let mut bench = Bench::new(fixture, settings()).await;
    let deadline = 4;
    for grants in [true, false] {
        let context = format!("grant {grants} with a store that is locked");
        if !grants {
            bench.world.grant(bench.employees()).await.unwrap();
        }
        let options = SqliteConnectOptions::new().filename(bench.world.store_path());
        let mut other = options.disable_statement_logging().connect().await.unwrap();
        other.execute("BEGIN IMMEDIATE").await.unwrap();
        bench.world.restart(impatient(deadline)).unwrap();
        let begun = Instant::now();
        let error = bench.run(grants).await.expect_err(&context);
        assert!(begun.elapsed() < Duration::from_secs(deadline + 5), "{context}: {:?}", begun.elapsed());
        clear(&error, &context);
        other.execute("ROLLBACK").await.unwrap();
        bench.world.restart(settings()).unwrap();
        bench.afterwards(0, grants, &context).await;
    }
}

/// The operating system lets the store's files grow so far and no further, for one process.
pub(crate) async fn full(fixture: &dyn EngineFixture) {
    let mut bench = Bench::new(fixture, settings()).await;
    let mut failed = 0;
    // SQLite's index of its log takes 32 KiB; below that it does not open the file.
    for (turn, kilobytes) in [33, 40, 48, 60, 76, 100].into_iter().enumerate() {
        for grants in [true, false] {
            let context = format!("grant {grants} with files of at most {kilobytes} KiB");
            bench.world.move_on();
            if !grants {
                bench.world.grant(bench.employees()).await.unwrap();
            }
            let line = limited(&bench, grants, kilobytes * 2).await;
            if let Some(error) = line.strip_prefix("error ") {
                let kinds = [ErrorKind::StoreFailed, ErrorKind::LimitReached].map(|kind| format!("kind: {kind:?}"));
                assert!(kinds.iter().any(|kind| error.contains(kind)), "{context}: {error}");
                assert!(error.contains("SQLite") && error.contains("step: Some"), "{context}: {error}");
                failed += 1;
            } else {
                assert_eq!(line, if grants { "granted" } else { "revoked" }, "{context}");
            }
            bench.afterwards(turn, grants, &context).await;
        }
    }
    assert!(failed > 2, "only {failed} runs noticed the limit");
}

/// A run in a process of its own, whose files have at most so many blocks of 512 bytes.
async fn limited(bench: &Bench<'_>, grants: bool, blocks: u64) -> String {
    let source = &bench.world.source;
    let Target::Database(database) = &source.endpoint.target else { panic!("{:?}", source.endpoint) };
    let (kind, port) = (&source.endpoint.subprotocol, source.endpoint.port);
    let task = serde_json::json!({
        "store": bench.world.store_path(),
        "url": format!("jdbc:{kind}://127.0.0.1:{port}/{database}"),
        "user": source.admin.user,
        "password": source.admin.password.expose(),
        "connection": source.connection,
        "environment": bench.world.environment(),
        "runs": [(grants, bench.employees().joined())],
    });
    // Who is told of the limit by a signal, and does not look, dies of it.
    let script = r#"trap '' XFSZ; ulimit -f "$2"; exec "$1""#;
    let mut child = Command::new("sh")
        .args(["-c", script, "sh", env!("CARGO_BIN_EXE_worker"), &blocks.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(task.to_string().as_bytes()).await.unwrap();
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    match said.lines().next() {
        Some(line) => line.to_owned(),
        // It did not even get as far as a run: the store could not be opened.
        None => format!("error {} step: Some", String::from_utf8_lossy(&output.stderr)),
    }
}
