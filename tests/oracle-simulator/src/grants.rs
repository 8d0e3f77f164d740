//! GRANT and REVOKE ("SQL Language Reference", GRANT, REVOKE).

use crate::ast::{ObjectName, ObjectPrivilege};
use crate::database::{Database, Key, Kind, ObjectGrant, RoleGrant, SchemaGrant, SystemGrant};
use crate::error::{Result, denied, fail, no_table, ora};
use crate::security::Who;

const ON_TABLES: [&str; 9] =
    ["ALTER", "DEBUG", "DELETE", "FLASHBACK", "INDEX", "INSERT", "REFERENCES", "SELECT", "UPDATE"];
const ON_VIEWS: [&str; 6] = ["DEBUG", "DELETE", "INSERT", "REFERENCES", "SELECT", "UPDATE"];
const WITH_COLUMNS: [&str; 3] = ["INSERT", "REFERENCES", "UPDATE"];

impl Database {
    fn grantee_exists(&self, name: &str) -> Result<()> {
        if name == "PUBLIC" || self.users.contains_key(name) || self.roles.contains_key(name) {
            return Ok(());
        }
        fail(1917, format!("user or role '{name}' does not exist"))
    }

    /// The object that a GRANT or REVOKE means, if it is there for the one who says so.
    fn granted_object(&self, who: &Who, on: &ObjectName) -> Result<Key> {
        let key = self.resolve(who, on.schema.as_deref(), &on.name).ok_or_else(no_table)?;
        let any = key.0 != "SYS" && self.has(who, "GRANT ANY OBJECT PRIVILEGE");
        if !self.sees(who, &key) && !any {
            return Err(no_table());
        }
        if let Some(Kind::Table { dropped: Some(_), .. }) = self.objects.get(&key).map(|object| &object.kind) {
            return fail(38301, "can not perform DDL/DML over objects in Recycle Bin");
        }
        Ok(key)
    }

    fn object_privileges(&self, key: &Key, asked: &[ObjectPrivilege]) -> Result<Vec<(String, Option<String>)>> {
        let kind = self.objects.get(key).map(super::database::Object::type_name).ok_or_else(no_table)?;
        let mut known: Vec<&str> = match kind {
            "PACKAGE" => vec!["EXECUTE", "DEBUG"],
            "VIEW" => ON_VIEWS.to_vec(),
            _ => ON_TABLES.to_vec(),
        };
        // READ came with 12.1.0.2.
        if self.major() >= 12 && kind != "PACKAGE" {
            known.push("READ");
        }
        let mut all = Vec::new();
        for ObjectPrivilege { name, columns } in asked {
            if name == "ALL" {
                all.extend(known.iter().map(|name| ((*name).to_owned(), None)));
            } else if !known.contains(&name.as_str()) {
                return match (kind, name.as_str()) {
                    ("VIEW", "ALTER" | "INDEX" | "EXECUTE") => {
                        fail(2204, "ALTER, INDEX and EXECUTE not allowed for views")
                    }
                    ("TABLE", "EXECUTE") => fail(2224, "EXECUTE privilege not allowed for tables"),
                    _ => fail(990, "missing or invalid privilege"),
                };
            } else if columns.is_empty() {
                all.push((name.clone(), None));
            } else if WITH_COLUMNS.contains(&name.as_str()) {
                all.extend(columns.iter().map(|column| (name.clone(), Some(column.clone()))));
            } else {
                // Only INSERT, REFERENCES and UPDATE can be granted on columns.
                return fail(969, "missing ON keyword");
            }
        }
        Ok(all)
    }

    /// In whose name somebody grants: the own, with the grant option; else the owner's, with GRANT ANY OBJECT PRIVILEGE.
    fn grantor(&self, who: &Who, key: &Key, privilege: &str) -> Result<String> {
        if key.0 == who.user || who.user == "SYS" {
            return Ok(key.0.clone());
        }
        // A role cannot have the grant option, so only what the user has itself counts.
        let option = |grant: &ObjectGrant| {
            (grant.owner == key.0 && grant.object == key.1)
                && (grant.grantee == who.user
                    && grant.privilege == privilege
                    && grant.grantable
                    && grant.column.is_none())
        };
        if self.object_grants.iter().any(option) {
            return Ok(who.user.clone());
        }
        if key.0 != "SYS" && self.has(who, "GRANT ANY OBJECT PRIVILEGE") {
            return Ok(key.0.clone());
        }
        Err(denied())
    }

    /// The owner of a view may pass on what it reads only with the grant option on all of it.
    fn owner_could(&self, key: &Key) -> Result<()> {
        let Some((_, query)) = self.view(key) else { return Ok(()) };
        for base in crate::objects::bases(&query.body) {
            let owner = Who::definer(&key.0, 0);
            let Some(base) = self.resolve(&owner, base.0.as_deref().or(Some(&key.0)), &base.1) else { continue };
            let option = |grant: &ObjectGrant| {
                (grant.owner == base.0 && grant.object == base.1)
                    && (grant.grantee == key.0 && grant.grantable)
                    && matches!(grant.privilege.as_str(), "SELECT" | "READ")
            };
            if base.0 != key.0 && base.0 != "SYS" && !self.object_grants.iter().any(option) {
                return fail(1720, format!("grant option does not exist for '{}.{}'", base.0, base.1));
            }
        }
        Ok(())
    }

    pub(crate) fn grant_object(
        &mut self,
        who: &Who,
        privileges: &[ObjectPrivilege],
        on: &ObjectName,
        to: &[String],
        grant_option: bool,
        hierarchy: bool,
    ) -> Result<()> {
        let key = self.granted_object(who, on)?;
        let mut grants = Vec::new();
        for (privilege, column) in self.object_privileges(&key, privileges)? {
            let grantor = self.grantor(who, &key, &privilege)?;
            for grantee in to {
                self.grantee_exists(grantee)?;
                if *grantee == grantor {
                    return fail(1749, "you may not GRANT/REVOKE privileges to/from yourself");
                }
                if grant_option && self.roles.contains_key(grantee) {
                    return fail(1926, "cannot GRANT to a role WITH GRANT OPTION");
                }
                grants.push(ObjectGrant {
                    grantee: grantee.clone(),
                    owner: key.0.clone(),
                    object: key.1.clone(),
                    column: column.clone(),
                    grantor: grantor.clone(),
                    privilege: privilege.clone(),
                    grantable: grant_option,
                    hierarchy,
                });
            }
        }
        self.owner_could(&key)?;
        for grant in grants {
            let same = |known: &&mut ObjectGrant| {
                ObjectGrant { grantable: grant.grantable, hierarchy: grant.hierarchy, ..(*known).clone() } == grant
            };
            match self.object_grants.iter_mut().find(same) {
                Some(known) => {
                    known.grantable |= grant.grantable;
                    known.hierarchy |= grant.hierarchy;
                }
                None => self.object_grants.push(grant),
            }
        }
        Ok(())
    }

    pub(crate) fn revoke_object(
        &mut self,
        who: &Who,
        privileges: &[ObjectPrivilege],
        on: &ObjectName,
        from: &[String],
    ) -> Result<()> {
        let key = self.granted_object(who, on)?;
        let all = privileges.iter().any(|privilege| privilege.name == "ALL");
        for (privilege, _) in self.object_privileges(&key, privileges)? {
            for grantee in from {
                self.grantee_exists(grantee)?;
                // What the one who says so has granted; else, with GRANT ANY OBJECT PRIVILEGE, what the owner has.
                let any = key.0 != "SYS" && self.has(who, "GRANT ANY OBJECT PRIVILEGE");
                let mut grantors = vec![who.user.clone()];
                if any || who.user == "SYS" {
                    grantors.push(key.0.clone());
                }
                let found = grantors.iter().find_map(|grantor| {
                    let fits = |grant: &&ObjectGrant| {
                        (grant.owner == key.0 && grant.object == key.1 && grant.grantee == *grantee)
                            && (grant.privilege == privilege && grant.grantor == *grantor)
                    };
                    let grants: Vec<_> = self.object_grants.iter().filter(fits).cloned().collect();
                    (!grants.is_empty()).then_some(grants)
                });
                match found {
                    Some(grants) => grants.iter().for_each(|grant| self.take_object_grant(grant)),
                    None if all => {}
                    None => return fail(1927, "cannot REVOKE privileges you did not grant"),
                }
            }
        }
        Ok(())
    }

    /// Takes a grant back, and what its grantee has passed on of it, if nobody else has given it the option ("REVOKE", Revoking
    /// Object Privileges: the effects cascade).
    pub(crate) fn take_object_grant(&mut self, grant: &ObjectGrant) {
        self.object_grants.retain(|known| known != grant);
        let same = |known: &&ObjectGrant| {
            known.owner == grant.owner && known.object == grant.object && known.privilege == grant.privilege
        };
        let still = |known: &ObjectGrant| known.grantee == grant.grantee && known.grantable;
        if !grant.grantable || self.object_grants.iter().filter(same).any(still) {
            return;
        }
        let passed: Vec<_> =
            self.object_grants.iter().filter(same).filter(|known| known.grantor == grant.grantee).cloned().collect();
        for grant in passed {
            self.take_object_grant(&grant);
        }
    }

    pub(crate) fn grant_system(&mut self, who: &Who, names: &[String], to: &[String], admin: bool) -> Result<()> {
        let known = crate::install::privileges(self);
        for name in names {
            if known.contains(&name.as_str()) {
                let mine = |grant: &SystemGrant| grant.privilege == *name && grant.admin && who.holds(&grant.grantee);
                if !self.has(who, "GRANT ANY PRIVILEGE") && !self.system_grants.iter().any(mine) {
                    return Err(denied());
                }
            } else if self.roles.contains_key(name) {
                let mine = |grant: &RoleGrant| grant.role == *name && grant.admin && who.holds(&grant.grantee);
                if !self.has(who, "GRANT ANY ROLE") && !self.role_grants.iter().any(mine) {
                    return fail(1932, format!("ADMIN option not granted for role '{name}'"));
                }
            } else if name.contains(' ') {
                return fail(990, "missing or invalid privilege");
            } else {
                return fail(1919, format!("role '{name}' does not exist"));
            }
        }
        to.iter().try_for_each(|grantee| self.grantee_exists(grantee))?;
        for (name, grantee) in names.iter().flat_map(|name| to.iter().map(move |grantee| (name, grantee))) {
            if known.contains(&name.as_str()) {
                let same = |grant: &&mut SystemGrant| grant.grantee == *grantee && grant.privilege == *name;
                match self.system_grants.iter_mut().find(same) {
                    Some(grant) => grant.admin |= admin,
                    None => self.system_grants.push(SystemGrant {
                        grantee: grantee.clone(),
                        privilege: name.clone(),
                        admin,
                    }),
                }
                continue;
            }
            let same = |grant: &&mut RoleGrant| grant.grantee == *grantee && grant.role == *name;
            if let Some(grant) = self.role_grants.iter_mut().find(same) {
                grant.admin |= admin;
                continue;
            }
            if self.expand([name.clone()].into()).contains(grantee) {
                return fail(1934, "circular role grant detected");
            }
            let (grantee, role) = (grantee.clone(), name.clone());
            self.role_grants.push(RoleGrant { grantee, role, admin, default: true });
        }
        Ok(())
    }

    pub(crate) fn revoke_system(&mut self, who: &Who, names: &[String], from: &[String]) -> Result<()> {
        let known = crate::install::privileges(self);
        for (name, grantee) in names.iter().flat_map(|name| from.iter().map(move |grantee| (name, grantee))) {
            self.grantee_exists(grantee)?;
            if known.contains(&name.as_str()) {
                let mine = |grant: &SystemGrant| grant.privilege == *name && grant.admin && who.holds(&grant.grantee);
                if !self.has(who, "GRANT ANY PRIVILEGE") && !self.system_grants.iter().any(mine) {
                    return Err(denied());
                }
                let before = self.system_grants.len();
                self.system_grants.retain(|grant| !(grant.grantee == *grantee && grant.privilege == *name));
                if before == self.system_grants.len() {
                    return fail(1952, format!("system privileges not granted to '{grantee}'"));
                }
            } else if self.roles.contains_key(name) {
                let mine = |grant: &RoleGrant| grant.role == *name && grant.admin && who.holds(&grant.grantee);
                if !self.has(who, "GRANT ANY ROLE") && !self.role_grants.iter().any(mine) {
                    return fail(1932, format!("ADMIN option not granted for role '{name}'"));
                }
                let before = self.role_grants.len();
                self.role_grants.retain(|grant| !(grant.grantee == *grantee && grant.role == *name));
                if before == self.role_grants.len() {
                    return fail(1951, format!("ROLE '{name}' not granted to '{grantee}'"));
                }
            } else if name.contains(' ') {
                return fail(990, "missing or invalid privilege");
            } else {
                return fail(1919, format!("role '{name}' does not exist"));
            }
        }
        Ok(())
    }

    /// Privileges on a schema's tables, present and future ("GRANT", schema privileges, 23ai).
    pub(crate) fn grant_schema(&mut self, who: &Who, names: &[String], schema: &str, to: &[String]) -> Result<()> {
        self.may_grant_schema(who, schema)?;
        for (name, grantee) in names.iter().flat_map(|name| to.iter().map(move |grantee| (name, grantee))) {
            self.grantee_exists(grantee)?;
            if !crate::install::SYSTEM_PRIVILEGES.contains(&name.as_str()) || !name.contains(" ANY ") {
                return fail(990, "missing or invalid privilege");
            }
            let grant = SchemaGrant { grantee: grantee.clone(), schema: schema.to_owned(), privilege: name.clone() };
            if !self.schema_grants.contains(&grant) {
                self.schema_grants.push(grant);
            }
        }
        Ok(())
    }

    fn may_grant_schema(&self, who: &Who, schema: &str) -> Result<()> {
        if self.major() < 23 {
            return fail(990, "missing or invalid privilege");
        }
        if !self.users.contains_key(schema) {
            return Err(ora(1918, format!("user '{schema}' does not exist")));
        }
        if who.user == schema || self.has(who, "GRANT ANY PRIVILEGE") { Ok(()) } else { Err(denied()) }
    }

    pub(crate) fn revoke_schema(&mut self, who: &Who, names: &[String], schema: &str, from: &[String]) -> Result<()> {
        self.may_grant_schema(who, schema)?;
        for (name, grantee) in names.iter().flat_map(|name| from.iter().map(move |grantee| (name, grantee))) {
            let before = self.schema_grants.len();
            let fits =
                |grant: &SchemaGrant| grant.grantee == *grantee && grant.schema == schema && grant.privilege == *name;
            self.schema_grants.retain(|grant| !fits(grant));
            if before == self.schema_grants.len() {
                return fail(1952, format!("system privileges not granted to '{grantee}'"));
            }
        }
        Ok(())
    }
}
