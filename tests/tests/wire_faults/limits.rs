//! Servers that have no connection left to give.

use std::time::Duration;

use dzconn_core::{ErrorKind, Step};

use super::bench::{Bench, clear, impatient};
use super::lab::{Lab, Product, Session};

/// MariaDB takes no less for its `max_connections`.
const CONNECTIONS: usize = 10;

pub(crate) async fn admin(lab: &mut Lab) {
    no_room(lab, 0).await;
}

/// The admin gets the last one, and the user, who is to prove that its password logs in, none.
pub(crate) async fn user(lab: &mut Lab) {
    no_room(lab, 1).await;
}

async fn no_room(lab: &mut Lab, free: usize) {
    let fixture = lab.fixture().await;
    let mut bench = Bench::new(&*fixture, impatient(10)).await;
    for (turn, grants) in [(0, true), (1, true), (0, false)] {
        let context = format!("grant {grants} with room for {free}, {:?}", lab.product);
        bench.world.move_on();
        if !grants {
            bench.world.grant(bench.employees()).await.unwrap();
        }
        bench.world.fulfilment.close().await;
        let crowd = fill(lab, &bench, free).await;
        let result = bench.run(grants).await;
        bench.world.fulfilment.close().await;
        empty(lab, &bench, crowd).await;
        match result {
            Err(error) => {
                clear(&error, &context);
                assert_eq!(error.kind(), ErrorKind::TooManyConnections, "{context}: {error:?}");
                assert!(error.advice().is_some(), "{context}: {error:?}");
                let step = if free == 0 { Step::Lock } else { Step::ReadBack };
                assert_eq!(error.step(), Some(step), "{context}: {error:?}");
            }
            // A revoke logs nobody in.
            Ok(outcome) => assert!(free == 1 && !grants, "{context}: {outcome:?}"),
        }
        bench.afterwards(turn, grants, &context).await;
    }
}

async fn fill(lab: &Lab, bench: &Bench<'_>, free: usize) -> Vec<Session> {
    match lab.product {
        Product::Postgres => {
            // A superuser is not refused, but counted: the fixture's is there.
            let (database, limit) = (bench.employees().database(), free + 1);
            let sql = format!("ALTER DATABASE {database} CONNECTION LIMIT {limit}");
            // The session that was closed may be leaving yet.
            tokio::time::sleep(Duration::from_millis(500)).await;
            lab.session(None).await.run(&sql).await;
            Vec::new()
        }
        Product::MariaDb => {
            let mut first = lab.session(None).await;
            first.run(&format!("SET GLOBAL max_connections = {CONNECTIONS}")).await;
            let mut crowd = vec![first];
            // One more than that is let in if it has CONNECTION ADMIN, as root and dzconn's admin have. Others may be leaving yet.
            let mut refused = 0;
            while refused < 3 {
                if let Some(session) = lab.try_session(None).await {
                    crowd.push(session);
                } else {
                    refused += 1;
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
            for _ in 0..free {
                crowd.pop().unwrap().close().await;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            crowd
        }
    }
}

async fn empty(lab: &Lab, bench: &Bench<'_>, mut crowd: Vec<Session>) {
    match lab.product {
        Product::Postgres => {
            let sql = format!("ALTER DATABASE {} CONNECTION LIMIT -1", bench.employees().database());
            lab.session(None).await.run(&sql).await;
        }
        Product::MariaDb => {
            if let Some(first) = crowd.first_mut() {
                first.run("SET GLOBAL max_connections = 151").await;
            }
        }
    }
}
