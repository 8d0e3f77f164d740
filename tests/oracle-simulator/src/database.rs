//! All that a database keeps.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::sync::OnceLock;
use std::time::Instant;

use crate::ast::Query;
use crate::error::{Result, fail};
use crate::locks::Locks;
use crate::options::Options;
use crate::security::Who;
use crate::session::SessionInfo;
use crate::value::Value;

/// Seconds since this process began.
pub(crate) fn now() -> i64 {
    static START: OnceLock<Instant> = OnceLock::new();
    i64::try_from(START.get_or_init(Instant::now).elapsed().as_secs()).unwrap_or(i64::MAX)
}

/// How somebody logs in.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Secret {
    Password(String),
    /// Nothing fits.
    Impossible,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret([redacted])")
    }
}

#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "columns of a row")]
pub(crate) struct User {
    pub(crate) id: i64,
    pub(crate) secret: Secret,
    pub(crate) locked: bool,
    /// Locked by too many failed logins.
    pub(crate) timed: bool,
    pub(crate) expired: bool,
    pub(crate) failed_logins: u32,
    pub(crate) profile: String,
    pub(crate) default_tablespace: String,
    pub(crate) quotas: BTreeSet<String>,
    pub(crate) created: i64,
    /// Oracle's own.
    pub(crate) maintained: bool,
}

impl User {
    /// DBA_USERS.ACCOUNT_STATUS.
    pub(crate) fn status(&self) -> &'static str {
        match (self.expired, self.locked, self.timed) {
            (false, false, false) => "OPEN",
            (true, false, false) => "EXPIRED",
            (false, true, _) => "LOCKED",
            (false, false, true) => "LOCKED(TIMED)",
            (true, true, _) => "EXPIRED & LOCKED",
            (true, false, true) => "EXPIRED & LOCKED(TIMED)",
        }
    }
}

/// One row of a table, and whose uncommitted work it is.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) values: Vec<Value>,
    pub(crate) inserted: Option<u64>,
    pub(crate) deleted: Option<u64>,
    pub(crate) locked: Option<u64>,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Table {
        columns: Vec<String>,
        rows: Vec<Row>,
        /// What it was called before it went into the recycle bin.
        dropped: Option<String>,
    },
    View {
        columns: Vec<String>,
        query: Arc<Query>,
    },
    Synonym {
        owner: String,
        name: String,
    },
    Package,
    /// A view of the dictionary.
    Dictionary,
}

#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) id: i64,
    pub(crate) kind: Kind,
    pub(crate) maintained: bool,
}

impl Object {
    pub(crate) fn type_name(&self) -> &'static str {
        match self.kind {
            Kind::Table { .. } => "TABLE",
            Kind::View { .. } | Kind::Dictionary => "VIEW",
            Kind::Synonym { .. } => "SYNONYM",
            Kind::Package => "PACKAGE",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SystemGrant {
    pub(crate) grantee: String,
    pub(crate) privilege: String,
    pub(crate) admin: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RoleGrant {
    pub(crate) grantee: String,
    pub(crate) role: String,
    pub(crate) admin: bool,
    pub(crate) default: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ObjectGrant {
    pub(crate) grantee: String,
    pub(crate) owner: String,
    pub(crate) object: String,
    pub(crate) column: Option<String>,
    pub(crate) grantor: String,
    pub(crate) privilege: String,
    pub(crate) grantable: bool,
    pub(crate) hierarchy: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SchemaGrant {
    pub(crate) grantee: String,
    pub(crate) schema: String,
    pub(crate) privilege: String,
}

/// Owner and name.
pub(crate) type Key = (String, String);

#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) options: Options,
    pub(crate) users: BTreeMap<String, User>,
    /// Name, and whether it is Oracle's own.
    pub(crate) roles: BTreeMap<String, bool>,
    pub(crate) profiles: BTreeMap<String, BTreeMap<String, String>>,
    pub(crate) objects: BTreeMap<Key, Object>,
    pub(crate) system_grants: Vec<SystemGrant>,
    pub(crate) role_grants: Vec<RoleGrant>,
    pub(crate) object_grants: Vec<ObjectGrant>,
    pub(crate) schema_grants: Vec<SchemaGrant>,
    pub(crate) sessions: BTreeMap<u64, SessionInfo>,
    pub(crate) locks: Locks,
    next_id: i64,
}

impl Database {
    pub(crate) fn new(options: Options) -> Self {
        let mut database = Self {
            options,
            users: BTreeMap::new(),
            roles: BTreeMap::new(),
            profiles: BTreeMap::new(),
            objects: BTreeMap::new(),
            system_grants: Vec::new(),
            role_grants: Vec::new(),
            object_grants: Vec::new(),
            schema_grants: Vec::new(),
            sessions: BTreeMap::new(),
            locks: Locks::default(),
            next_id: 100,
        };
        crate::install::fill(&mut database);
        database
    }

    pub(crate) fn next_id(&mut self) -> i64 {
        self.next_id += 1;
        self.next_id
    }

    pub(crate) fn major(&self) -> u32 {
        self.options.version.major()
    }

    /// SYS_CONTEXT ("SQL Language Reference", SYS_CONTEXT, Predefined Parameters of Namespace USERENV).
    pub(crate) fn context(&self, who: &Who, namespace: &str, parameter: &str) -> Result<Value> {
        let namespace = namespace.to_uppercase();
        let parameter = parameter.to_uppercase();
        if namespace == "SYS_SESSION_ROLES" {
            let is = who.roles.contains(&parameter);
            return Ok(Value::text(if is { "TRUE" } else { "FALSE" }));
        }
        if namespace != "USERENV" {
            return Ok(Value::Null);
        }
        let session = self.sessions.get(&who.session);
        let of = |read: fn(&SessionInfo) -> Value| session.map_or(Value::Null, read);
        let options = &self.options;
        Ok(match parameter.as_str() {
            "SESSION_USER" | "CURRENT_USER" | "AUTHENTICATED_IDENTITY" => Value::text(&*who.user),
            "CURRENT_SCHEMA" => of(|session| Value::text(&*session.schema)),
            "SID" => of(|session| Value::text(session.sid.to_string())),
            "SESSIONID" => of(|session| Value::text(session.audsid.to_string())),
            "INSTANCE" => of(|session| Value::text(session.instance.to_string())),
            "INSTANCE_NAME" => of(|session| Value::text(format!("orcl{}", session.instance))),
            "NETWORK_PROTOCOL" => of(|session| Value::text(session.protocol)),
            "MODULE" | "ACTION" | "CLIENT_INFO" | "CLIENT_IDENTIFIER" | "PROXY_USER" => Value::Null,
            "SERVICE_NAME" => Value::text(&*options.service),
            "DB_NAME" => Value::text(options.container()),
            "DB_UNIQUE_NAME" => Value::text("orcl"),
            "CON_NAME" if options.version.major() >= 12 => Value::text(options.container()),
            "CON_ID" if options.version.major() >= 12 => Value::text(if options.root { "1" } else { "3" }),
            "ISDBA" => Value::text("FALSE"),
            "LANGUAGE" => Value::text("AMERICAN_AMERICA.AL32UTF8"),
            _ => return fail(2003, "invalid USERENV parameter"),
        })
    }

    /// What a profile says about a resource, by way of DEFAULT.
    pub(crate) fn limit(&self, profile: &str, resource: &str) -> String {
        let of = |profile: &str| self.profiles.get(profile).and_then(|limits| limits.get(resource)).cloned();
        match of(profile) {
            Some(limit) if limit != "DEFAULT" => limit,
            _ => of("DEFAULT").unwrap_or_else(|| "UNLIMITED".to_owned()),
        }
    }

    /// The object that a name means to a session: in its schema, or by a public synonym; synonyms are followed.
    pub(crate) fn resolve(&self, who: &Who, schema: Option<&str>, name: &str) -> Option<Key> {
        let mut key = if let Some(schema) = schema {
            (schema.to_owned(), name.to_owned())
        } else {
            let schema = self.sessions.get(&who.session).map_or(&who.user, |session| &session.schema);
            let own = (schema.clone(), name.to_owned());
            if self.objects.contains_key(&own) { own } else { ("PUBLIC".to_owned(), name.to_owned()) }
        };
        for _ in 0..10 {
            match &self.objects.get(&key)?.kind {
                Kind::Synonym { owner, name } => key = (owner.clone(), name.clone()),
                _ => return Some(key),
            }
        }
        None
    }

    /// Makes a session's changes permanent.
    pub(crate) fn commit(&mut self, session: u64) {
        for object in self.objects.values_mut() {
            if let Kind::Table { rows, .. } = &mut object.kind {
                rows.retain(|row| row.deleted != Some(session));
                for row in rows {
                    row.inserted = row.inserted.filter(|by| *by != session);
                    row.locked = row.locked.filter(|by| *by != session);
                }
            }
        }
        self.locks.release_on_commit(session);
    }

    /// Undoes a session's changes.
    pub(crate) fn rollback(&mut self, session: u64) {
        for object in self.objects.values_mut() {
            if let Kind::Table { rows, .. } = &mut object.kind {
                rows.retain(|row| row.inserted != Some(session));
                for row in rows {
                    row.deleted = row.deleted.filter(|by| *by != session);
                    row.locked = row.locked.filter(|by| *by != session);
                }
            }
        }
        self.locks.release_on_commit(session);
    }

    /// The columns of a view, with the query that they come from.
    pub(crate) fn view(&self, key: &Key) -> Option<(Vec<String>, Arc<Query>)> {
        match &self.objects.get(key)?.kind {
            Kind::View { columns, query } => Some((columns.clone(), Arc::clone(query))),
            _ => None,
        }
    }
}
