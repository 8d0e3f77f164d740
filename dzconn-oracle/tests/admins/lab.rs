//! A server with the schema HR, and an admin.

use std::sync::Arc;
use std::time::Duration;

use dzconn_core::engine::{LockKey, Login as LoggedIn};
use dzconn_core::model::{
    AdminLogin, ConnectionId, Credentials, EnvironmentId, Source, SourceEndpoint, SourceKey, TableName, Target, Tls,
    UserName,
};
use dzconn_core::{Deadline, EngineConnector, Error, ErrorKind, Secret, SourceEngine};
use dzconn_oracle::driver::{Connection, Driver, Login};
use dzconn_oracle_simulator::{Options, Simulator, Version};

/// All that the crate's front page asks for, but for the tables.
const PRIVILEGES: &[&str] = &[
    "GRANT CREATE SESSION TO dz WITH ADMIN OPTION",
    "GRANT CREATE USER TO dz",
    "GRANT ALTER USER TO dz",
    "GRANT DROP USER TO dz",
    "GRANT CREATE PROFILE TO dz",
    "GRANT ALTER SYSTEM TO dz",
    "GRANT SELECT_CATALOG_ROLE TO dz",
    "GRANT EXECUTE ON SYS.DBMS_LOCK TO dz",
    "GRANT READ ON hr.jobs TO dz WITH GRANT OPTION",
];

pub(crate) struct Lab {
    pub(crate) simulator: Simulator,
    pub(crate) source: Source,
}

impl Lab {
    /// A server with the schema HR, and an admin that lacks these of [`PRIVILEGES`].
    pub(crate) fn new(options: Options, lacking: &[&str]) -> Self {
        let simulator = Simulator::new(options);
        let url = simulator.url();
        let (_, address) = url.rsplit_once('@').unwrap();
        let (host, service) = address.split_once('/').unwrap();
        let (host, port) = host.split_once(':').unwrap();
        let source = Source {
            connection: ConnectionId::new("c").unwrap(),
            endpoint: SourceEndpoint {
                subprotocol: "oracle".into(),
                host: host.into(),
                port: port.parse().unwrap(),
                instance: None,
                target: Target::Service(service.into()),
            },
            admin: AdminLogin { user: "dz".into(), password: Secret::new("Admin-12".into()) },
            tls: Tls::Disable,
        };
        let lab = Self { simulator, source };
        lab.sys("CREATE USER hr IDENTIFIED BY \"Owner-12\" QUOTA UNLIMITED ON users");
        lab.sys("CREATE TABLE hr.jobs (n NUMBER)");
        lab.sys("CREATE USER dz IDENTIFIED BY \"Admin-12\"");
        for privilege in PRIVILEGES {
            if !lacking.iter().any(|lacking| privilege.contains(lacking)) {
                lab.sys(privilege);
            }
        }
        if lacking.iter().any(|lacking| "GRANT CREATE SESSION TO dz WITH ADMIN OPTION".contains(lacking)) {
            lab.sys("GRANT CREATE SESSION TO dz");
        }
        lab
    }

    pub(crate) fn sys(&self, statement: &str) {
        self.simulator.as_sys(statement).unwrap_or_else(|error| panic!("{statement}: {error:?}"));
    }

    pub(crate) fn engine(&self) -> dzconn_oracle::Oracle {
        dzconn_oracle::connector().driver(Arc::new(self.simulator.clone()))
    }

    pub(crate) async fn admin(&self) -> Box<dyn SourceEngine> {
        self.engine().connect(&self.source, deadline()).await.unwrap()
    }

    /// A client of that user, past the engine.
    pub(crate) fn client(&self, user: &Credentials) -> Box<dyn Connection> {
        let login = Login {
            endpoint: self.source.endpoint.clone(),
            user: format!("\"{}\"", user.user),
            password: user.password.clone(),
            tls: Tls::Disable,
        };
        self.simulator.connect(&login, Duration::from_secs(5)).unwrap()
    }

    pub(crate) async fn log_in(&self, user: &Credentials) -> LoggedIn {
        self.engine().log_in(&self.source, user, None, deadline()).await.unwrap()
    }

    pub(crate) fn credentials(&self, name: &str) -> Credentials {
        Credentials {
            endpoint: self.source.endpoint.clone(),
            database: None,
            user: UserName::new(name).unwrap(),
            password: Secret::new("User-0815".into()),
            ssl: None,
        }
    }

    pub(crate) fn table(&self, name: &str) -> TableName {
        let Target::Service(service) = &self.source.endpoint.target else { panic!("a service") };
        TableName::in_schema(service, "HR", name).unwrap()
    }
}

pub(crate) fn deadline() -> Deadline {
    Deadline::within(Duration::from_secs(30))
}

pub(crate) fn v19() -> Options {
    Options::new(Version::V19)
}

pub(crate) fn key() -> LockKey {
    LockKey::new(&SourceKey {
        connection: ConnectionId::new("c").unwrap(),
        environment: EnvironmentId::new("e").unwrap(),
    })
}

/// The kind, and words that the advice must have.
pub(crate) fn is(error: &Error, kind: ErrorKind, code: Option<&str>, advice: &str) {
    assert_eq!((error.kind(), error.vendor_code()), (kind, code), "{error:?}");
    assert!(error.advice().is_some_and(|text| text.contains(advice)), "{error:?}");
    assert!(error.to_string().contains("source oracle oracle.simulator:1521"), "{error}");
}

pub(crate) const SECOND: Duration = Duration::from_secs(1);
