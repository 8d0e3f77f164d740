//! What a session asks the server about itself, once.

use dzconn_core::model::{Source, Target};
use dzconn_core::{Error, ErrorKind, Result};

use crate::error::no_tls;
use crate::sql::look::Catalog;
use crate::sql::{self, Kill, Read};

/// What the server says of itself once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Who the session is, as people must write it.
    pub(crate) admin: String,
    /// The first part of a table's name here.
    pub(crate) database: String,
    /// What a catalogue may call the database: the connection's own name for it, and the server's.
    pub(crate) names: Vec<String>,
    /// What lets a user read.
    pub(crate) read: Read,
    /// Whether there are privileges on whole schemas, which came with 23ai.
    pub(crate) schemas: bool,
    /// Whether profiles lock accounts that nobody uses (`INACTIVE_ACCOUNT_TIME`), which came with 12.2.
    pub(crate) inactivity: bool,
    /// Who ends sessions.
    pub(crate) kill: Kill,
    /// Whose view of the objects the session has; found out when it is needed.
    pub(crate) catalog: Catalog,
}

impl Facts {
    /// Reads the rows of [`look::facts`].
    ///
    /// # Errors
    /// A server that is too old, a CDB's root, plain text where TLS is demanded.
    pub(crate) fn new(rows: &[Vec<String>], source: &Source) -> Result<Self> {
        let fact = |name: &str| {
            let row = rows.iter().find(|row| row.first().is_some_and(|fact| fact == name));
            row.and_then(|row| row.get(1)).map_or("", String::as_str)
        };
        must_be_encrypted(fact("protocol"), source)?;
        let version = version(fact("version"));
        if version < [12, 1, 0, 0] {
            return Err(too_old(fact("version")));
        }
        if fact("container") == "CDB$ROOT" {
            let what =
                "the session is in the root of a container database, where users are common to all its databases";
            return Err(Error::new(ErrorKind::InvalidConfig, what)
                .advise("give the connection the service name of the pluggable database that holds the tables"));
        }
        let own = named(&source.endpoint.target);
        let mut names: Vec<String> = own.into_iter().collect();
        names.extend(["service", "container", "database", "instance"].map(fact).map(str::to_owned));
        names.retain(|name| !name.is_empty());
        let database = names.first().cloned().unwrap_or_default();
        Ok(Self {
            admin: sql::spell(fact("user")),
            database,
            names,
            read: if version >= [12, 1, 0, 2] { Read::Read } else { Read::Select },
            inactivity: version >= [12, 2, 0, 0],
            schemas: version >= [23, 0, 0, 0],
            kill: if fact("rds").is_empty() { Kill::Statement } else { Kill::Rds },
            catalog: Catalog::Dba,
        })
    }

    /// What a path may name after the database, which is never a matter of case in Oracle. Names may have dots.
    pub(crate) fn below_database<'p>(&self, path: &'p str) -> Vec<&'p str> {
        let mut found: Vec<&str> = Vec::new();
        for name in &self.names {
            let fits = path.get(..name.len()).is_some_and(|start| start.to_uppercase() == name.to_uppercase());
            let rest = path.get(name.len()..).and_then(|rest| rest.strip_prefix('.'));
            found.extend(rest.filter(|rest| fits && !found.contains(rest)));
        }
        found
    }
}

/// `19.0.0.0.0`, `23.6.0.24.10`; what is missing counts as 0.
fn version(text: &str) -> [u32; 4] {
    let mut parts = text.split('.').map(|part| part.parse().unwrap_or(0));
    std::array::from_fn(|_| parts.next().unwrap_or(0))
}

fn too_old(version: &str) -> Error {
    Error::new(ErrorKind::InvalidConfig, format!("the server is too old: {version:?}"))
        .advise("dzconn works with Oracle Database 12.1 and later")
}

/// The server's name for how the session came is `tcps` where it was by TLS ("`SYS_CONTEXT`", `NETWORK_PROTOCOL`). A listener may
/// have sent the driver on to an address without TLS.
pub(crate) fn must_be_encrypted(protocol: &str, source: &Source) -> Result<()> {
    if source.tls.is_encrypted() && !protocol.eq_ignore_ascii_case("tcps") {
        return Err(no_tls(&format!("the server says that the session came by {protocol:?} and not by tcps")));
    }
    Ok(())
}

/// What the address itself calls the database.
fn named(target: &Target) -> Option<String> {
    match target {
        Target::Default => None,
        Target::Database(name) | Target::Service(name) | Target::Sid(name) => Some(name.clone()),
        Target::Descriptor(text) => {
            let leaf = |part: &str| {
                let (name, value) = part.trim_end_matches(')').split_once('=')?;
                let name = name.trim().to_ascii_uppercase();
                ["SERVICE_NAME", "SID"].contains(&name.as_str()).then(|| value.trim().trim_matches('"').to_owned())
            };
            text.split('(').find_map(|part| leaf(part.trim()))
        }
    }
}
