//! What a grant and its revoke cost, as ratios within one run: against the bare statements on the same server, and against
//! the number of assets that the environment has. Run it with servers, optimised:
//!
//! ```sh
//! cargo build --release -p dzconn-benches && \
//!     cargo run -p dzconn-test-servers -- --postgres newest --mariadb -- target/release/dzconn-benches
//! ```

#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use dzconn_core::engine::{EngineConnector, Engines};
use dzconn_core::memory::{MemoryCatalog, MemoryEngine, MemoryTracking, MemoryVault};
use dzconn_core::model::{AccountId, Credentials, Principal, Source, TableName, UserName};
use dzconn_core::{Deadline, Fulfilment, Result, password};
use dzconn_tests::engine::{Admin, Fixture, Kind};
use dzconn_tests::world::{engines, subscription};

/// How often each thing is measured; the median counts.
const ROUNDS: usize = 30;

#[tokio::main]
async fn main() -> Result<()> {
    against_the_number_of_assets().await?;
    let mut servers = 0;
    for kind in Kind::ALL {
        for server in kind.servers().await {
            let server = server?;
            let fixture = server.fixture(Admin::LeastPrivileged).await?;
            let result = against_bare_statements(server.name(), &*fixture).await;
            fixture.end().await?;
            server.end().await?;
            result?;
            servers += 1;
        }
    }
    if servers == 0 {
        println!("no server: nothing was measured against bare statements; see the head of this file");
    }
    Ok(())
}

fn fulfilment(engines: Engines, source: Source) -> Result<Fulfilment> {
    let catalog = MemoryCatalog::new();
    catalog.add(source);
    Fulfilment::builder()
        .engines(engines)
        .credentials(MemoryVault::new().account(AccountId::new("111122223333")?, Principal::new("bench")?))
        .tracking(MemoryTracking::new())
        .catalog(catalog)
        .build()
}

/// A user's whole life, with everything that the protocol asks for, and the same calls of the engine alone.
async fn against_bare_statements(name: &str, fixture: &dyn Fixture) -> Result<()> {
    let source = fixture.source();
    let table = fixture.table("measured");
    fixture.create_table(&table).await?;
    let fulfilment = fulfilment(engines(), source.clone())?;
    let subscription = subscription(&source.connection, "env-bench", &table.joined())?;
    let connector = fixture.connector();
    let (mut with, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        fulfilment.grant(&subscription).await?;
        fulfilment.revoke(&subscription).await?;
        with.push(begun.elapsed());
        let begun = Instant::now();
        life(&*connector, &source, &table).await?;
        bare.push(begun.elapsed());
    }
    fulfilment.close().await;
    fixture.drop_table(&table).await?;
    let (with, bare) = (median(with), median(bare));
    println!(
        "{name}: a user's life {with:.1?}, its bare statements on a new connection {bare:.1?}: {:.2} times",
        ratio(with, bare)
    );
    Ok(())
}

async fn life(connector: &dyn EngineConnector, source: &Source, table: &TableName) -> Result<()> {
    let deadline = Deadline::within(Duration::from_secs(30));
    let mut session = connector.connect(source, deadline).await?;
    let credentials = Credentials {
        endpoint: source.endpoint.clone(),
        database: Some(table.database().to_owned()),
        user: UserName::new("dz_bench_bare")?,
        password: password::generate(),
        ssl: None,
    };
    session.create_user(&credentials).await?;
    session.grant(&credentials.user, table, &[]).await?;
    connector.log_in(source, &credentials, Some(table), deadline).await?;
    session.drop_user(&credentials.user).await?;
    session.close().await
}

/// One more asset, where there is one already and where there are thousands.
async fn against_the_number_of_assets() -> Result<()> {
    // The source record's own list of paths is full by then.
    const FEW: usize = 300;
    const MANY: usize = 3_000;
    let engine = MemoryEngine::new();
    let source = engine.source();
    let fulfilment = fulfilment(Engines::new().with(engine.clone()), source.clone())?;
    // All tables are there from the beginning: finding one among them is the source's business.
    let tables = (0..MANY + 2 * ROUNDS).map(|i| TableName::in_schema("db", "s", format!("t{i}")));
    let tables = tables.collect::<Result<Vec<_>>>()?;
    for table in &tables {
        engine.add_table(table);
    }
    let mut times = Vec::new();
    for table in &tables {
        let subscription = subscription(&source.connection, "env-bench", &table.joined())?;
        let begun = Instant::now();
        fulfilment.grant(&subscription).await?;
        times.push(begun.elapsed());
    }
    let many = median(times.split_off(MANY + ROUNDS));
    times.truncate(FEW + ROUNDS);
    let few = median(times.split_off(FEW));
    println!("memory: one more asset beside {FEW} {few:.1?}, beside {MANY} {many:.1?}: {:.2} times", ratio(many, few));
    Ok(())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn ratio(one: Duration, other: Duration) -> f64 {
    one.as_secs_f64() / other.as_secs_f64()
}
