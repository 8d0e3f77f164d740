//! Users, roles, profiles ("SQL Language Reference", CREATE USER, ALTER USER, DROP USER, CREATE PROFILE).

use std::collections::{BTreeMap, BTreeSet};

use crate::ast::{DefaultRoles, Identified, UserClauses};
use crate::database::{Database, Kind, Secret, User, now};
use crate::error::{OraError, Result, denied, fail, ora};
use crate::security::Who;

/// Resources of a profile, and what DEFAULT has ("CREATE PROFILE").
pub(crate) const RESOURCES: [(&str, &str); 17] = [
    ("COMPOSITE_LIMIT", "UNLIMITED"),
    ("SESSIONS_PER_USER", "UNLIMITED"),
    ("CPU_PER_SESSION", "UNLIMITED"),
    ("CPU_PER_CALL", "UNLIMITED"),
    ("LOGICAL_READS_PER_SESSION", "UNLIMITED"),
    ("LOGICAL_READS_PER_CALL", "UNLIMITED"),
    ("IDLE_TIME", "UNLIMITED"),
    ("CONNECT_TIME", "UNLIMITED"),
    ("PRIVATE_SGA", "UNLIMITED"),
    ("FAILED_LOGIN_ATTEMPTS", "10"),
    ("PASSWORD_LIFE_TIME", "180"),
    ("PASSWORD_REUSE_TIME", "UNLIMITED"),
    ("PASSWORD_REUSE_MAX", "UNLIMITED"),
    ("PASSWORD_VERIFY_FUNCTION", "NULL"),
    ("PASSWORD_LOCK_TIME", "1"),
    ("PASSWORD_GRACE_TIME", "7"),
    ("INACTIVE_ACCOUNT_TIME", "UNLIMITED"),
];

pub(crate) fn is_password_resource(resource: &str) -> bool {
    resource.starts_with("PASSWORD_") || matches!(resource, "FAILED_LOGIN_ATTEMPTS" | "INACTIVE_ACCOUNT_TIME")
}

fn no_user(name: &str) -> OraError {
    ora(1918, format!("user '{name}' does not exist"))
}

fn conflict(name: &str) -> OraError {
    ora(1920, format!("user name '{name}' conflicts with another user or role name"))
}

impl Database {
    /// "Common Users and Local Users": in the root all are common, and their names begin with C##.
    fn fits_container(&self, name: &str) -> Result<()> {
        let common = name.to_uppercase().starts_with("C##");
        match (self.options.root, common) {
            (true, false) => fail(65096, "invalid common user or role name"),
            (false, true) if self.major() >= 12 => fail(65094, "invalid local user or role name"),
            _ => Ok(()),
        }
    }

    /// What a profile's function says ("ora12c_verify_function Password Requirements", shortened).
    fn verify(&self, profile: &str, password: &str) -> Result<()> {
        if self.limit(profile, "PASSWORD_VERIFY_FUNCTION") == "NULL" {
            return Ok(());
        }
        let has = |class: fn(&char) -> bool| password.chars().any(|c| class(&c));
        if password.chars().count() < 8 {
            return fail(
                28003,
                "password verification for the specified password failed\nORA-20001: Password length less than 8",
            );
        }
        if !has(|c| c.is_alphabetic()) || !has(char::is_ascii_digit) {
            return fail(
                28003,
                "password verification for the specified password failed\nORA-20026: Password must contain at least 1 digit(s)",
            );
        }
        Ok(())
    }

    fn secret(&self, identified: &Identified, profile: &str) -> Result<Secret> {
        match identified {
            Identified::By(password) => {
                self.verify(profile, password)?;
                Ok(Secret::Password(password.clone()))
            }
            // A verifier is not computed here; nobody can log in by it.
            Identified::Values(_) | Identified::Nothing => Ok(Secret::Impossible),
        }
    }

    pub(crate) fn create_user(
        &mut self,
        who: &Who,
        name: &str,
        if_not_exists: bool,
        clauses: &UserClauses,
    ) -> Result<()> {
        self.must_have(who, "CREATE USER")?;
        let profile = clauses.profile.clone().unwrap_or_else(|| "DEFAULT".to_owned());
        self.fits_container(name)?;
        if self.users.contains_key(name) && if_not_exists {
            return Ok(());
        }
        if self.users.contains_key(name) || self.roles.contains_key(name) || name == "PUBLIC" {
            return Err(conflict(name));
        }
        let Some(identified) = &clauses.identified else { return fail(1935, "missing user or role name") };
        if !self.profiles.contains_key(&profile) {
            return fail(2380, format!("profile {profile} does not exist"));
        }
        let secret = self.secret(identified, &profile)?;
        let id = self.next_id();
        let user = User {
            id,
            secret,
            locked: clauses.lock == Some(true),
            timed: false,
            expired: clauses.expire,
            failed_logins: 0,
            profile,
            default_tablespace: clauses.default_tablespace.clone().unwrap_or_else(|| "USERS".to_owned()),
            quotas: clauses.quotas.iter().filter(|(_, some)| *some).map(|(name, _)| name.clone()).collect(),
            created: now(),
            maintained: false,
        };
        self.users.insert(name.to_owned(), user);
        Ok(())
    }

    pub(crate) fn alter_user(&mut self, who: &Who, name: &str, clauses: &UserClauses) -> Result<()> {
        // Everybody may change the own password, and nothing else.
        let only_password = UserClauses { identified: None, ..clauses.clone() } == UserClauses::default();
        if !(who.user == name && only_password) {
            self.must_have(who, "ALTER USER")?;
        }
        let user = self.users.get(name).ok_or_else(|| no_user(name))?;
        if name == "SYS" && who.user != "SYS" {
            return Err(denied());
        }
        if let Some(profile) = clauses.profile.as_ref().filter(|profile| !self.profiles.contains_key(*profile)) {
            return fail(2380, format!("profile {profile} does not exist"));
        }
        let profile = clauses.profile.clone().unwrap_or_else(|| user.profile.clone());
        let secret = clauses.identified.as_ref().map(|identified| self.secret(identified, &profile)).transpose()?;
        if let Some(roles) = &clauses.default_roles {
            for grant in self.role_grants.iter_mut().filter(|grant| grant.grantee == name) {
                grant.default = match roles {
                    DefaultRoles::All { except } => !except.contains(&grant.role),
                    DefaultRoles::None => false,
                    DefaultRoles::These(roles) => roles.contains(&grant.role),
                };
            }
        }
        let Some(user) = self.users.get_mut(name) else { return Err(no_user(name)) };
        user.profile = profile;
        if let Some(secret) = secret {
            user.secret = secret;
            user.expired = false;
        }
        user.expired |= clauses.expire;
        if let Some(lock) = clauses.lock {
            user.locked = lock;
            if !lock {
                user.timed = false;
                user.failed_logins = 0;
            }
        }
        for (tablespace, some) in &clauses.quotas {
            if *some {
                user.quotas.insert(tablespace.clone());
            } else {
                user.quotas.remove(tablespace);
            }
        }
        if let Some(tablespace) = &clauses.default_tablespace {
            user.default_tablespace.clone_from(tablespace);
        }
        Ok(())
    }

    pub(crate) fn drop_user(&mut self, who: &Who, name: &str, if_exists: bool, cascade: bool) -> Result<()> {
        self.must_have(who, "DROP USER")?;
        let Some(user) = self.users.get(name) else {
            return if if_exists { Ok(()) } else { Err(no_user(name)) };
        };
        if user.maintained {
            return fail(28014, "cannot drop administrative user or role");
        }
        self.clean_up_killed();
        if self.sessions.values().any(|session| session.user == name) {
            return fail(1940, "cannot drop a user that is currently connected");
        }
        // What is in the recycle bin goes with the user ("Purging Objects in the Recycle Bin").
        let is_owned = |key: &(String, String), object: &crate::database::Object| {
            key.0 == name && !matches!(object.kind, Kind::Table { dropped: Some(_), .. })
        };
        if !cascade && self.objects.iter().any(|(key, object)| is_owned(key, object)) {
            return fail(1922, format!("CASCADE must be specified to drop '{name}'"));
        }
        let owned: Vec<_> = self.objects.keys().filter(|key| key.0 == name).cloned().collect();
        for key in owned {
            self.remove_object(&key);
        }
        let given: Vec<_> = self.object_grants.iter().filter(|grant| grant.grantor == name).cloned().collect();
        for grant in given {
            self.take_object_grant(&grant);
        }
        self.users.remove(name);
        self.forget(name);
        Ok(())
    }

    /// Takes all grants from a user or role that is gone.
    fn forget(&mut self, name: &str) {
        self.system_grants.retain(|grant| grant.grantee != name);
        self.role_grants.retain(|grant| grant.grantee != name && grant.role != name);
        self.object_grants.retain(|grant| grant.grantee != name);
        self.schema_grants.retain(|grant| grant.grantee != name && grant.schema != name);
    }

    pub(crate) fn create_role(&mut self, who: &Who, name: &str) -> Result<()> {
        self.must_have(who, "CREATE ROLE")?;
        self.fits_container(name)?;
        if self.users.contains_key(name) || self.roles.contains_key(name) {
            return fail(1921, format!("role name '{name}' conflicts with another user or role name"));
        }
        self.roles.insert(name.to_owned(), false);
        // Its creator has it, and may pass it on ("CREATE ROLE").
        self.role_grants.push(crate::database::RoleGrant {
            grantee: who.user.clone(),
            role: name.to_owned(),
            admin: true,
            default: true,
        });
        Ok(())
    }

    pub(crate) fn drop_role(&mut self, who: &Who, name: &str) -> Result<()> {
        match self.roles.get(name) {
            None => return fail(1919, format!("role '{name}' does not exist")),
            Some(true) => return fail(28014, "cannot drop administrative user or role"),
            Some(false) => {}
        }
        let admin = |grant: &crate::database::RoleGrant| grant.role == name && grant.admin && who.holds(&grant.grantee);
        if !self.has(who, "DROP ANY ROLE") && !self.role_grants.iter().any(admin) {
            return Err(denied());
        }
        self.roles.remove(name);
        self.forget(name);
        Ok(())
    }

    fn limits(given: &[(String, String)]) -> Result<BTreeMap<String, String>> {
        let mut limits = BTreeMap::new();
        for (resource, limit) in given {
            if !RESOURCES.iter().any(|(known, _)| known == resource) || limits.contains_key(resource) {
                return fail(2376, "invalid or redundant resource");
            }
            let number =
                limit.split('/').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
            let word = matches!(limit.as_str(), "UNLIMITED" | "DEFAULT")
                || (resource == "PASSWORD_VERIFY_FUNCTION" && limit.chars().next().is_some_and(char::is_alphabetic));
            if !number && !word {
                return fail(2377, "invalid profile limit");
            }
            limits.insert(resource.clone(), limit.clone());
        }
        Ok(limits)
    }

    pub(crate) fn create_profile(&mut self, who: &Who, name: &str, given: &[(String, String)]) -> Result<()> {
        self.must_have(who, "CREATE PROFILE")?;
        if self.options.root && !name.to_uppercase().starts_with("C##") {
            return fail(65140, "invalid common profile name");
        }
        if self.profiles.contains_key(name) {
            return fail(2379, format!("profile {name} already exists"));
        }
        let mut limits: BTreeMap<String, String> =
            RESOURCES.iter().map(|(resource, _)| ((*resource).to_owned(), "DEFAULT".to_owned())).collect();
        limits.extend(Self::limits(given)?);
        self.profiles.insert(name.to_owned(), limits);
        Ok(())
    }

    pub(crate) fn alter_profile(&mut self, who: &Who, name: &str, given: &[(String, String)]) -> Result<()> {
        self.must_have(who, "ALTER PROFILE")?;
        let limits = Self::limits(given)?;
        match self.profiles.get_mut(name) {
            Some(profile) => profile.extend(limits),
            None => return fail(2380, format!("profile {name} does not exist")),
        }
        Ok(())
    }

    pub(crate) fn drop_profile(&mut self, who: &Who, name: &str, cascade: bool) -> Result<()> {
        self.must_have(who, "DROP PROFILE")?;
        if name == "DEFAULT" {
            return fail(2381, "cannot drop PUBLIC_DEFAULT profile");
        }
        if !self.profiles.contains_key(name) {
            return fail(2380, format!("profile {name} does not exist"));
        }
        if !cascade && self.users.values().any(|user| user.profile == name) {
            return fail(2382, format!("profile {name} has users assigned, cannot drop without CASCADE"));
        }
        for user in self.users.values_mut().filter(|user| user.profile == name) {
            "DEFAULT".clone_into(&mut user.profile);
        }
        self.profiles.remove(name);
        Ok(())
    }

    /// Checks a login, and counts it if it fails ("Managing Security for Oracle Database Users").
    pub(crate) fn log_in(&mut self, name: &str, password: &str) -> Result<BTreeSet<String>> {
        let refused = || ora(1017, "invalid username/password; logon denied");
        let attempts = self.users.get(name).map(|user| self.limit(&user.profile, "FAILED_LOGIN_ATTEMPTS"));
        let Some(user) = self.users.get_mut(name) else { return Err(refused()) };
        if user.locked || user.timed {
            return fail(28000, "The account is locked.");
        }
        if user.secret != Secret::Password(password.to_owned()) {
            user.failed_logins += 1;
            if attempts.and_then(|attempts| attempts.parse().ok()).is_some_and(|most: u32| user.failed_logins >= most) {
                user.timed = true;
            }
            return Err(refused());
        }
        user.failed_logins = 0;
        if user.expired {
            return fail(28001, "the password has expired");
        }
        let roles: BTreeSet<String> = self
            .role_grants
            .iter()
            .filter(|grant| grant.grantee == name && grant.default)
            .map(|grant| grant.role.clone())
            .collect();
        let who = Who { session: 0, user: name.to_owned(), roles: self.expand(roles.clone()) };
        if self.has(&who, "CREATE SESSION") {
            Ok(roles)
        } else {
            fail(1045, format!("user {name} lacks CREATE SESSION privilege; logon denied"))
        }
    }
}
