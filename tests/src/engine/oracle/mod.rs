//! Oracle Database: simulators of this process, and servers that are named.
//!
//! A simulator has an address like a server, at which only this process finds it. The fixture and the engine get the same
//! driver, [`reach`], and cannot tell the two apart.

mod fixture;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use dzconn_core::Result;
use dzconn_core::testkit::engine::Wire;
use dzconn_oracle::driver::{Connection, Driver, Login, Refusal, thin};
use dzconn_oracle_simulator::{Options, Simulator, Version};

use super::{Admin, Fixture, Server, tag, trouble};

pub use fixture::Oracle;

/// The simulators, and where they are.
fn simulators() -> &'static [(&'static str, Simulator)] {
    static ALL: OnceLock<[(&str, Simulator); 2]> = OnceLock::new();
    ALL.get_or_init(|| {
        [("oracle-simulator-19", Version::V19), ("oracle-simulator-23", Version::V23)].map(|(host, version)| {
            let simulator = Simulator::new(Options::new(version).host(host));
            // What compose.yaml does to its servers. A simulator that refuses it fails its tests.
            if let Err(error) = simulator.as_sys("GRANT EXECUTE ON SYS.DBMS_LOCK TO system WITH GRANT OPTION") {
                eprintln!("{host}: {error}");
            }
            (host, simulator)
        })
    })
}

/// The simulators' URLs.
pub(super) fn simulated() -> Vec<String> {
    simulators().iter().map(|(_, simulator)| simulator.url()).collect()
}

/// The server of this URL, simulated or not.
pub(super) async fn start(url: &str) -> Result<Oracle> {
    let is_simulated = simulated().iter().any(|simulated| simulated == url);
    let (kind, wire) = if is_simulated { ("oracle-simulator", Wire::None) } else { ("oracle", Wire::Plain) };
    Oracle::start(reach(), kind, wire, url).await
}

/// A driver that reaches the simulators, and servers by the engine's own driver.
#[must_use]
pub fn reach() -> Arc<dyn Driver> {
    Arc::new(Reach)
}

#[derive(Debug)]
struct Reach;

impl Driver for Reach {
    fn connect(&self, login: &Login, timeout: Duration) -> std::result::Result<Box<dyn Connection>, Refusal> {
        match simulators().iter().find(|(host, _)| *host == login.endpoint.host) {
            Some((_, simulator)) => simulator.connect(login, timeout),
            None => thin().connect(login, timeout),
        }
    }
}
