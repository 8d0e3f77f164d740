//! What kind of server is simulated.

/// A release of Oracle Database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// 11.2: no READ, no containers, no row limiting clause.
    V11,
    /// 19c.
    V19,
    /// 21c.
    V21,
    /// 23ai.
    V23,
}

impl Version {
    pub(crate) const fn major(self) -> u32 {
        match self {
            Self::V11 => 11,
            Self::V19 => 19,
            Self::V21 => 21,
            Self::V23 => 23,
        }
    }

    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::V11 => "11.2.0.4.0",
            Self::V19 => "19.0.0.0.0",
            Self::V21 => "21.0.0.0.0",
            Self::V23 => "23.0.0.0.0",
        }
    }

    pub(crate) const fn full(self) -> &'static str {
        match self {
            Self::V11 => "11.2.0.4.0",
            Self::V19 => "19.25.0.0.0",
            Self::V21 => "21.3.0.0.0",
            Self::V23 => "23.6.0.24.10",
        }
    }
}

/// A server, as it is when nobody has used it yet.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that a server may be")]
pub struct Options {
    pub(crate) version: Version,
    pub(crate) short_names: bool,
    pub(crate) root: bool,
    pub(crate) instances: u32,
    pub(crate) rds: bool,
    pub(crate) verify_passwords: bool,
    pub(crate) odpi: bool,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) service: String,
    pub(crate) system_password: String,
}

impl Options {
    /// A pluggable database of this version, on one instance.
    #[must_use]
    pub fn new(version: Version) -> Self {
        Self {
            version,
            short_names: version == Version::V11,
            root: false,
            instances: 1,
            rds: false,
            verify_passwords: false,
            odpi: false,
            host: "oracle.simulator".to_owned(),
            port: 1521,
            service: "dzpdb".to_owned(),
            system_password: "System-1".to_owned(),
        }
    }

    /// Under this host name.
    #[must_use]
    pub fn host(mut self, host: &str) -> Self {
        host.clone_into(&mut self.host);
        self
    }

    /// With COMPATIBLE below 12.2: names have at most 30 bytes.
    #[must_use]
    pub fn short_names(mut self) -> Self {
        self.short_names = true;
        self
    }

    /// The service opens CDB$ROOT, where only common users can be made.
    #[must_use]
    pub fn root(mut self) -> Self {
        self.root = true;
        self
    }

    /// RAC: connections go to the instances in turn.
    #[must_use]
    pub fn instances(mut self, instances: u32) -> Self {
        self.instances = instances.max(1);
        self
    }

    /// RDS: a package `rdsadmin.rdsadmin_util`, and no ALTER SYSTEM for anybody.
    #[must_use]
    pub fn rds(mut self) -> Self {
        self.rds = true;
        self
    }

    /// The DEFAULT profile verifies passwords: at least 8 characters, a letter and a digit (`ORA12C_VERIFY_FUNCTION`).
    #[must_use]
    pub fn verify_passwords(mut self) -> Self {
        self.verify_passwords = true;
        self
    }

    /// Clients come over ODPI-C, which takes its own session for dead after some answers (`dpiError.c`), whatever they were
    /// about.
    #[must_use]
    pub fn odpi(mut self) -> Self {
        self.odpi = true;
        self
    }

    pub(crate) fn longest_name(&self) -> usize {
        if self.short_names { 30 } else { 128 }
    }

    pub(crate) fn container(&self) -> String {
        if self.root { "CDB$ROOT".to_owned() } else { self.service.to_uppercase() }
    }
}
