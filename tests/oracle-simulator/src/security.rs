//! Who may do what ("Database Security Guide", Configuring Privilege and Role Authorization).

use std::collections::BTreeSet;

use crate::database::{Database, Key, Kind};
use crate::error::{OraError, Result, denied, no_table, ora};

/// As whom something is done.
#[derive(Clone, Debug)]
pub(crate) struct Who {
    pub(crate) session: u64,
    pub(crate) user: String,
    /// Roles that are enabled now, and those that they hold.
    pub(crate) roles: BTreeSet<String>,
}

impl Who {
    /// With the user's own privileges only: what a view and a definer's rights unit run as ("How Roles Work in PL/SQL
    /// Blocks").
    pub(crate) fn definer(user: &str, session: u64) -> Self {
        Self { session, user: user.to_owned(), roles: BTreeSet::new() }
    }

    pub(crate) fn holds(&self, grantee: &str) -> bool {
        grantee == self.user || grantee == "PUBLIC" || self.roles.contains(grantee)
    }
}

impl Database {
    /// A session's user, with the roles that it has enabled and still has.
    pub(crate) fn who(&self, session: u64) -> Option<Who> {
        let info = self.sessions.get(&session)?;
        let direct: BTreeSet<String> =
            self.roles_of(&info.user).filter(|role| info.roles.contains(*role)).cloned().collect();
        let public = self.roles_of("PUBLIC").cloned();
        Some(Who { session, user: info.user.clone(), roles: self.expand(direct.into_iter().chain(public).collect()) })
    }

    pub(crate) fn roles_of(&self, grantee: &str) -> impl Iterator<Item = &String> {
        self.role_grants.iter().filter(move |grant| grant.grantee == grantee).map(|grant| &grant.role)
    }

    /// Roles, and the roles granted to them.
    pub(crate) fn expand(&self, mut roles: BTreeSet<String>) -> BTreeSet<String> {
        loop {
            let more: Vec<String> = roles.iter().flat_map(|role| self.roles_of(role)).cloned().collect();
            let before = roles.len();
            roles.extend(more);
            if roles.len() == before {
                return roles;
            }
        }
    }

    pub(crate) fn has(&self, who: &Who, privilege: &str) -> bool {
        who.user == "SYS"
            || self.system_grants.iter().any(|grant| grant.privilege == privilege && who.holds(&grant.grantee))
    }

    pub(crate) fn must_have(&self, who: &Who, privilege: &str) -> Result<()> {
        if self.has(who, privilege) { Ok(()) } else { Err(denied()) }
    }

    /// A system privilege for all schemas but SYS ("Restrictions on System Privilege Use": `O7_DICTIONARY_ACCESSIBILITY` is
    /// off), or for this one (23ai, schema privileges).
    pub(crate) fn has_any(&self, who: &Who, privilege: &str, schema: &str) -> bool {
        let on_schema = |grant: &crate::database::SchemaGrant| {
            grant.privilege == privilege && grant.schema == schema && who.holds(&grant.grantee)
        };
        schema != "SYS" && (self.has(who, privilege) || self.schema_grants.iter().any(on_schema))
    }

    /// Object privileges on something, whoever granted them.
    pub(crate) fn rights(&self, who: &Who, key: &Key) -> BTreeSet<&str> {
        let fits = |grant: &&crate::database::ObjectGrant| {
            grant.owner == key.0 && grant.object == key.1 && grant.column.is_none() && who.holds(&grant.grantee)
        };
        self.object_grants.iter().filter(fits).map(|grant| grant.privilege.as_str()).collect()
    }

    /// Whether the object is there for somebody at all: what one has no right on looks like what is missing.
    pub(crate) fn sees(&self, who: &Who, key: &Key) -> bool {
        if key.0 == who.user || who.user == "SYS" || !self.rights(who, key).is_empty() {
            return true;
        }
        let column = |grant: &crate::database::ObjectGrant| {
            grant.owner == key.0 && grant.object == key.1 && who.holds(&grant.grantee)
        };
        if self.object_grants.iter().any(column) {
            return true;
        }
        match self.objects.get(key).map(|object| &object.kind) {
            Some(Kind::Package) => self.has_any(who, "EXECUTE ANY PROCEDURE", &key.0),
            Some(Kind::Dictionary) => self.has(who, "SELECT ANY DICTIONARY"),
            Some(Kind::Synonym { .. }) => key.0 == "PUBLIC",
            Some(Kind::Table { .. } | Kind::View { .. }) => {
                ["SELECT", "READ", "INSERT", "UPDATE", "DELETE", "ALTER", "DROP"]
                    .iter()
                    .any(|verb| self.has_any(who, &format!("{verb} ANY TABLE"), &key.0))
            }
            None => false,
        }
    }

    /// A right that is lacking on something that is seen. 23ai names it (ORA-41900).
    pub(crate) fn lacks(&self, privilege: &str, key: &Key) -> OraError {
        if self.major() >= 23 {
            return ora(41_900, format!("missing {privilege} privilege on \"{}\".\"{}\"", key.0, key.1));
        }
        denied()
    }

    /// The table or view that a query may read.
    pub(crate) fn readable(&self, who: &Who, schema: Option<&str>, name: &str) -> Result<Key> {
        let key = self.resolve(who, schema, name).ok_or_else(no_table)?;
        if matches!(self.objects.get(&key).map(|object| &object.kind), Some(Kind::Package) | None) {
            return Err(ora(4044, "procedure, function, package, or type is not allowed here"));
        }
        let rights = self.rights(who, &key);
        let any = ["SELECT ANY TABLE", "READ ANY TABLE"];
        let dictionary = matches!(self.objects.get(&key).map(|object| &object.kind), Some(Kind::Dictionary));
        let may = key.0 == who.user
            || who.user == "SYS"
            || rights.contains("SELECT")
            || rights.contains("READ")
            || any.iter().any(|privilege| self.has_any(who, privilege, &key.0))
            || (dictionary && self.has(who, "SELECT ANY DICTIONARY"));
        if may {
            Ok(key)
        } else if self.sees(who, &key) {
            Err(self.lacks("SELECT", &key))
        } else {
            Err(no_table())
        }
    }

    /// Whether rows may be locked: READ and READ ANY TABLE do not let do it.
    pub(crate) fn lockable(&self, who: &Who, schema: Option<&str>, name: &str) -> Result<()> {
        let key = self.readable(who, schema, name)?;
        let may = key.0 == who.user
            || self.rights(who, &key).contains("SELECT")
            || self.has_any(who, "SELECT ANY TABLE", &key.0);
        if may { Ok(()) } else { Err(denied()) }
    }

    /// The table whose rows may be changed in this way.
    pub(crate) fn writable(&self, who: &Who, schema: Option<&str>, name: &str, verb: &str) -> Result<Key> {
        let key = self.resolve(who, schema, name).ok_or_else(no_table)?;
        let may = key.0 == who.user
            || self.rights(who, &key).contains(verb)
            || self.has_any(who, &format!("{verb} ANY TABLE"), &key.0);
        if may {
            Ok(key)
        } else if self.sees(who, &key) {
            Err(self.lacks(verb, &key))
        } else {
            Err(no_table())
        }
    }

    /// Whether a package may be called.
    pub(crate) fn executable(&self, who: &Who, key: &Key) -> bool {
        key.0 == who.user
            || who.user == "SYS"
            || self.rights(who, key).contains("EXECUTE")
            || self.has_any(who, "EXECUTE ANY PROCEDURE", &key.0)
    }
}
