//! What the tests have in common.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dzconn_core::model::{AdminLogin, ConnectionId, Source, SourceEndpoint, Target, Tls};
use dzconn_core::{Deadline, EngineConnector, Error, Secret, SourceEngine};
use dzconn_oracle::driver::Driver;

pub(crate) const PASSWORD: &str = "Admin-pw-0815";

/// A database that is not there: for listeners that are none.
pub(crate) fn source(host: &str, port: u16, tls: Tls) -> Source {
    Source {
        connection: ConnectionId::new("live").unwrap(),
        endpoint: SourceEndpoint {
            subprotocol: "oracle".into(),
            host: host.into(),
            port,
            instance: None,
            target: Target::Service("nowhere".into()),
        },
        admin: AdminLogin { user: "dzconn".into(), password: Secret::new(PASSWORD.into()) },
        tls,
    }
}

/// What connecting answers, which must be soon, and must not show the password.
pub(crate) fn refused(driver: Arc<dyn Driver>, source: &Source, within: Duration) -> Error {
    let start = Instant::now();
    let error = connect(driver, source, within).unwrap_err();
    let taken = start.elapsed();
    assert!(taken < within + Duration::from_secs(2), "{taken:?}: {error}");
    assert!(!format!("{error} {error:?}").contains(PASSWORD), "{error:?}");
    assert!(error.to_string().contains(&source.endpoint.port.to_string()), "{error}");
    error
}

/// The runtime ends with the call: a driver that hangs does not keep it.
pub(crate) fn connect(
    driver: Arc<dyn Driver>,
    source: &Source,
    within: Duration,
) -> Result<Box<dyn SourceEngine>, Error> {
    let connector = dzconn_oracle::connector().driver(driver);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(connector.connect(source, Deadline::within(within)))
}
