//! A process of its own that grants and revokes, for the tests that want several of them, or want to kill one.
//!
//! It reads what to do from standard input (passwords do not belong into arguments), one JSON object:
//! `{"store", "url", "user", "password", "environment", "runs": [[grant, "path"], ...]}`; and prints a line for each run:
//! what it brought about, or the error's kind.

use std::io::{Read as _, Write as _};

use dzconn_core::memory::MemoryCatalog;
use dzconn_core::model::{AdminLogin, ConnectionId, JdbcUrl, Source, Tls};
use dzconn_core::sqlite::{LocalOptions, LocalStore};
use dzconn_core::workflow::Outcome;
use dzconn_core::{Fulfilment, Secret};
use dzconn_tests::world::{engines, subscription};

type Failure = Box<dyn std::error::Error>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    let task: serde_json::Value = serde_json::from_str(&text)?;
    let string = |name: &str| task.get(name).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();

    let catalog = MemoryCatalog::new();
    let connection = ConnectionId::new(string("connection"))?;
    catalog.add(Source {
        connection: connection.clone(),
        endpoint: string("url").parse::<JdbcUrl>()?.endpoint,
        admin: AdminLogin { user: string("user"), password: Secret::new(string("password")) },
        // Some servers demand it; certificates are for tests that own some.
        tls: if task.get("encrypted") == Some(&true.into()) { Tls::Require } else { Tls::Disable },
    });
    let store = LocalStore::open(string("store"), LocalOptions::new()).await?;
    let fulfilment = Fulfilment::builder()
        .engines(engines())
        .credentials(store.credentials())
        .tracking(store.tracking())
        .catalog(catalog)
        .build()?;
    let runs: Vec<(bool, String)> = serde_json::from_value(task.get("runs").cloned().unwrap_or_default())?;
    for (grant, path) in runs {
        let subscription = subscription(&connection, &string("environment"), &path)?;
        let result = if grant { fulfilment.grant(&subscription).await } else { fulfilment.revoke(&subscription).await };
        let line = match result {
            Ok(Outcome::Granted(_)) => "granted".to_owned(),
            Ok(Outcome::Revoked(_)) => "revoked".to_owned(),
            Ok(other) => format!("{other:?}"),
            Err(error) => format!("error {error:?}"),
        };
        writeln!(std::io::stdout(), "{line}")?;
    }
    Ok(())
}
