//! What somebody else has locked.

use std::time::{Duration, Instant};

use super::bench::{Bench, clear, impatient, settings};
use super::lab::{Lab, Product};

/// Nobody reads or changes the table.
pub(crate) async fn table(lab: &mut Lab) {
    let lock: fn(&str) -> Vec<String> = match lab.product {
        Product::Postgres => |table| vec!["BEGIN".into(), format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")],
        Product::MariaDb => |table| vec![format!("LOCK TABLES {table} WRITE")],
    };
    // On PostgreSQL a grant needs no lock of the table.
    let succeeds = lab.product == Product::Postgres;
    locked(lab, lock, succeeds).await;
}

/// Nobody changes a privilege: another transaction has, and has not ended; or a backup is made.
pub(crate) async fn catalogue(lab: &mut Lab) {
    let lock: fn(&str) -> Vec<String> = match lab.product {
        Product::Postgres => |table| vec!["BEGIN".into(), format!("GRANT SELECT ON {table} TO pg_monitor")],
        Product::MariaDb => |_| vec!["FLUSH TABLES WITH READ LOCK".into()],
    };
    locked(lab, lock, false).await;
}

async fn locked(lab: &mut Lab, lock: fn(&str) -> Vec<String>, succeeds: bool) {
    let fixture = lab.fixture().await;
    let mut bench = Bench::new(&*fixture, settings()).await;
    let deadline = 2;
    for grants in [true, false] {
        let context = format!("grant {grants} of a locked table, {:?}", lab.product);
        bench.world.move_on();
        bench.world.restart(settings()).unwrap();
        if !grants {
            bench.world.grant(bench.employees()).await.unwrap();
        }
        let mut other = lab.session(Some(bench.employees())).await;
        for sql in lock(&lab.quoted(bench.employees())) {
            other.run(&sql).await;
        }
        bench.world.restart(impatient(deadline)).unwrap();
        let begun = Instant::now();
        let result = bench.run(grants).await;
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(deadline + 5), "{context}: {took:?}");
        match result {
            Err(error) => clear(&error, &context),
            Ok(outcome) => assert!(succeeds || !grants, "{context}: {outcome:?}"),
        }
        // Ending the session ends its locks.
        drop(other);
        bench.world.restart(settings()).unwrap();
        bench.afterwards(0, grants, &context).await;
    }
}
