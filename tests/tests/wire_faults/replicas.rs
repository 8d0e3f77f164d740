//! Servers that take no writes.

use dzconn_core::ErrorKind;
use dzconn_test_servers::Stop;

use super::bench::{Bench, said, settings};
use super::lab::{Lab, Product};

pub(crate) async fn read_only(lab: &mut Lab) {
    let fixture = lab.fixture().await;
    let mut bench = Bench::new(&*fixture, settings()).await;
    bench.world.grant(bench.offices()).await.unwrap();
    let ways: &[&str] = match lab.product {
        Product::Postgres => &["default_transaction_read_only", "standby"],
        Product::MariaDb => &["read_only"],
    };
    for way in ways {
        set(lab, way, true).await;
        let context = format!("{way}, {:?}", lab.product);
        for (table, grants) in [(bench.employees(), true), (bench.offices(), false)] {
            let error = bench.world.run(table, grants).await.expect_err(&context);
            assert_eq!(error.kind(), ErrorKind::ReadOnly, "{context}: {error:?}");
            said(&error, &context);
            assert!(error.advice().is_some_and(|advice| advice.contains("writer")), "{context}: {error:?}");
        }
        // And for somebody of whom nothing is known yet.
        let known = bench.world.environment().to_owned();
        bench.world.move_on();
        let error = bench.run(true).await.expect_err(&context);
        assert_eq!(error.kind(), ErrorKind::ReadOnly, "{context}: {error:?}");
        set(lab, way, false).await;
        bench.world.revoke(bench.employees()).await.unwrap();
        bench.world.go_back(&known);
        bench.world.grant(bench.employees()).await.unwrap();
        bench.world.revoke(bench.employees()).await.unwrap();
        bench.world.grant(bench.offices()).await.unwrap();
    }
    bench.clean("writable again").await;
}

async fn set(lab: &mut Lab, way: &str, on: bool) {
    match way {
        // A server without a primary to follow, but a true standby: it is in recovery.
        "standby" if on => {
            lab.halt(Stop::Fast);
            std::fs::write(lab.data_file("standby.signal"), "").unwrap();
            lab.stand_by();
        }
        "standby" => {
            lab.session(None).await.run("SELECT pg_promote()").await;
        }
        "read_only" => {
            let value = if on { "ON" } else { "OFF" };
            lab.session(None).await.run(&format!("SET GLOBAL read_only = {value}")).await;
        }
        setting => {
            let mut session = lab.session(None).await;
            session.run(&format!("ALTER SYSTEM SET {setting} = {}", if on { "on" } else { "off" })).await;
            session.run("SELECT pg_reload_conf()").await;
            // The server tells its processes when it has the time.
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        }
    }
}
