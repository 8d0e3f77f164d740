//! The ports in memory, for tests and for trying things out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::equipment::{LakeTag, RoleState};
use super::ports::{Environment, EnvironmentPortal, EnvironmentRoles, LakeTags, Stage, Tagged};
use crate::model::{DomainId, EnvironmentId, Owner, Principal};
use crate::{Error, ErrorKind, Result};

/// What accounts hold: roles, the policies that there are, and databases with their tags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryAccount {
    /// The roles.
    pub roles: BTreeMap<Principal, RoleState>,
    /// The policies; one that is not here can neither be attached nor be a boundary.
    pub policies: BTreeSet<String>,
    /// The tags of each database, keys and values in lower case, as Lake Formation stores them.
    pub databases: BTreeMap<String, BTreeMap<String, String>>,
    /// The tags that there are, with their values; in lower case too.
    pub tags: BTreeMap<String, BTreeSet<String>>,
}

/// Portal, roles and tags in one; all accounts are one account. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct MemoryEnvironments(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    environments: BTreeMap<EnvironmentId, Environment>,
    account: MemoryAccount,
}

impl MemoryEnvironments {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The portal has this environment from now on.
    pub fn put(&self, environment: Environment) {
        self.state().environments.insert(environment.id.clone(), environment);
    }

    /// The environment stands there from now on; `None`: the portal does not know it any more.
    pub fn set_stage(&self, id: &EnvironmentId, stage: Option<Stage>) {
        let mut all = self.state();
        match (stage, all.environments.get_mut(id)) {
            (Some(stage), Some(environment)) => environment.stage = stage,
            (None, _) => drop(all.environments.remove(id)),
            (Some(_), None) => {}
        }
    }

    /// Edits what accounts hold.
    pub fn edit<T>(&self, edit: impl FnOnce(&mut MemoryAccount) -> T) -> T {
        edit(&mut self.state().account)
    }

    /// What accounts hold.
    pub fn snapshot(&self) -> MemoryAccount {
        self.state().account.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn role<T>(&self, role: &Principal, policy: &str, edit: impl FnOnce(&mut RoleState) -> T) -> Result<T> {
        let account = &mut self.state().account;
        if !account.policies.contains(policy) {
            return Err(missing("policy", policy));
        }
        account.roles.get_mut(role).map(edit).ok_or_else(|| missing("role", role.as_str()))
    }
}

fn missing(what: &str, name: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no {what} {name}"))
}

#[async_trait]
impl EnvironmentPortal for MemoryEnvironments {
    async fn environment(&self, domain: &DomainId, id: &EnvironmentId) -> Result<Option<Environment>> {
        Ok(self.state().environments.get(id).filter(|environment| environment.domain == *domain).cloned())
    }

    async fn environments(&self, domain: &DomainId) -> Result<Vec<EnvironmentId>> {
        let all = &self.state().environments;
        let of_it = all.values().filter(|environment| environment.domain == *domain);
        let found: Vec<_> = of_it.map(|environment| environment.id.clone()).collect();
        if found.is_empty() { Err(missing("domain", domain.as_str())) } else { Ok(found) }
    }
}

#[async_trait]
impl EnvironmentRoles for MemoryEnvironments {
    async fn read(&self, _: &Owner, role: &Principal) -> Result<Option<RoleState>> {
        Ok(self.state().account.roles.get(role).cloned())
    }

    async fn set_boundary(&self, _: &Owner, role: &Principal, boundary: &str) -> Result<()> {
        self.role(role, boundary, |role| role.boundary = Some(boundary.to_owned()))
    }

    async fn attach(&self, _: &Owner, role: &Principal, policy: &str) -> Result<()> {
        self.role(role, policy, |role| {
            role.policies.insert(policy.to_owned());
        })
    }

    async fn detach(&self, _: &Owner, role: &Principal, policy: &str) -> Result<()> {
        if let Some(role) = self.state().account.roles.get_mut(role) {
            role.policies.remove(policy);
        }
        Ok(())
    }
}

#[async_trait]
impl LakeTags for MemoryEnvironments {
    async fn read(&self, _: &Owner, database: &str, key: &str) -> Result<Tagged> {
        let state = self.state();
        Ok(state
            .account
            .databases
            .get(database)
            .map_or(Tagged::Gone, |tags| Tagged::Is(tags.get(&key.to_lowercase()).cloned())))
    }

    async fn assign(&self, _: &Owner, database: &str, tag: &LakeTag) -> Result<()> {
        let account = &mut self.state().account;
        let (key, value) = (tag.key.to_lowercase(), tag.value.to_lowercase());
        if !account.tags.get(&key).is_some_and(|values| values.contains(&value)) {
            return Err(missing("tag", &tag.key));
        }
        let tags = account.databases.get_mut(database).ok_or_else(|| missing("database", database))?;
        tags.insert(key, value);
        Ok(())
    }

    async fn remove(&self, _: &Owner, database: &str, tag: &LakeTag) -> Result<()> {
        if let Some(tags) = self.state().account.databases.get_mut(database)
            && tags.get(&tag.key.to_lowercase()) == Some(&tag.value.to_lowercase())
        {
            tags.remove(&tag.key.to_lowercase());
        }
        Ok(())
    }
}
