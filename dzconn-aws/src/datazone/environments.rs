//! The environments of a project that get access.

use aws_sdk_datazone::operation::get_environment::GetEnvironmentOutput;
use aws_sdk_datazone::types::{EnvironmentStatus, EnvironmentSummary};
use dzconn_core::event::SubscriptionEvent;
use dzconn_core::model::{AccountId, Consumer, DomainId, EnvironmentId, Owner, ProjectId, Region};
use dzconn_core::{Error, ErrorKind, Result, Step};
use futures_util::future::join_all;

use super::failed::failed;
use super::{DataZonePortal, PAGE};

/// How many environments are looked at side by side.
const AT_ONCE: usize = 8;

/// Of which blueprints environments are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blueprints {
    /// Those that are configured.
    Ours,
    /// Whatever they are.
    Any,
}

/// What an environment is to an event.
pub(super) enum Environment {
    /// It gets access, or has it.
    Ours(Consumer),
    /// It is of another blueprint. A project may have many of those, so no word is lost on each.
    Other,
    /// It is of ours, and cannot be given anything.
    Unfit(String),
    /// It may be of ours, and cannot be worked on.
    Failed(Error),
}

impl DataZonePortal {
    /// All environments of the event's project.
    ///
    /// # Errors
    /// What keeps them from being looked at: retryable ones, so that an event is worked on as a whole or again, and those of
    /// the list.
    pub(super) async fn environments(&self, event: &SubscriptionEvent, of: Blueprints) -> Result<Vec<Environment>> {
        let all = self.all_environments(&event.domain, &event.project).await?;
        let mut seen = Vec::with_capacity(all.len());
        let look = async |summary: &EnvironmentSummary| match of {
            Blueprints::Ours => self.environment(event, summary).await,
            Blueprints::Any => self.any_environment(event, summary).await,
        };
        for some in all.chunks(AT_ONCE) {
            for environment in join_all(some.iter().map(&look)).await {
                seen.push(match environment {
                    Ok(environment) => environment,
                    Err(error) if error.is_retryable() => return Err(error),
                    Err(error) => Environment::Failed(error),
                });
            }
        }
        Ok(seen)
    }

    pub(super) async fn all_environments(
        &self,
        domain: &DomainId,
        project: &ProjectId,
    ) -> Result<Vec<EnvironmentSummary>> {
        let call =
            self.client.list_environments().domain_identifier(domain.as_str()).project_identifier(project.as_str());
        let mut pages = call.max_results(PAGE).into_paginator().send();
        let mut all = Vec::new();
        while let Some(page) = pages.next().await {
            all.extend(page.map_err(|error| failed("ListEnvironments", error))?.items);
        }
        Ok(all)
    }

    /// One of any blueprint.
    async fn any_environment(&self, event: &SubscriptionEvent, summary: &EnvironmentSummary) -> Result<Environment> {
        let id = EnvironmentId::new(summary.id.as_deref().unwrap_or_default())?;
        let begins = event.ending.is_none();
        if begins && let Some(why) = unfit(summary.status.as_ref()) {
            return Ok(Environment::Unfit(format!("environment {} ({id}) is {why}", summary.name)));
        }
        let mut owner = summary.aws_account_id.clone().zip(summary.aws_account_region.clone());
        if owner.is_none() {
            let details = self.details(&event.domain, &id).await?;
            owner = details.and_then(|details| details.aws_account_id.zip(details.aws_account_region));
        }
        ready(event, &summary.name, id, owner)
    }

    async fn environment(&self, event: &SubscriptionEvent, summary: &EnvironmentSummary) -> Result<Environment> {
        let id = EnvironmentId::new(summary.id.as_deref().unwrap_or_default())?;
        let begins = event.ending.is_none();
        if begins && let Some(why) = unfit(summary.status.as_ref()) {
            // Before its blueprint is asked for: one that is being deleted may have none to show any more.
            return Ok(match self.blueprint_seen(&event.domain, &id) {
                Some(false) => Environment::Other,
                _ => Environment::Unfit(format!("environment {} ({id}) is {why}", summary.name)),
            });
        }
        let account = |id: &Option<String>, region: &Option<String>| id.clone().zip(region.clone());
        let mut owner = account(&summary.aws_account_id, &summary.aws_account_region);
        let key = (event.domain.clone(), id);
        let blueprint = match self.blueprints.get(&key) {
            Some(blueprint) if owner.is_some() => blueprint,
            _ => {
                let Some(details) = self.details(&event.domain, &key.1).await? else { return Ok(Environment::Other) };
                owner = owner.or_else(|| account(&details.aws_account_id, &details.aws_account_region));
                let blueprint = details.environment_blueprint_id.filter(|id| !id.is_empty());
                // One that has none yet may get one.
                if blueprint.is_some() {
                    self.blueprints.put(key.clone(), blueprint.clone());
                }
                blueprint
            }
        };
        let (domain, id) = key;
        let Some(blueprint) = blueprint else { return Ok(Environment::Other) };
        if !self.is_ours(&domain, blueprint).await.map_err(|error| error.for_environment(&id))? {
            return Ok(Environment::Other);
        }
        ready(event, &summary.name, id, owner)
    }

    /// Whether a project has an environment in an account.
    pub(super) async fn lives_in(&self, domain: &DomainId, project: &ProjectId, account: &AccountId) -> Result<bool> {
        let key = (domain.clone(), project.clone(), account.clone());
        if self.residents.get(&key).is_some() {
            return Ok(true);
        }
        let all = self.all_environments(domain, project).await?;
        let lives = all.iter().filter(|environment| unfit(environment.status.as_ref()).is_none());
        let lives =
            lives.map(|environment| environment.aws_account_id.as_deref()).any(|at| at == Some(account.as_str()));
        if lives {
            self.residents.put(key, ());
        }
        Ok(lives)
    }

    /// None if it has been deleted since it was listed.
    pub(super) async fn details(&self, domain: &DomainId, id: &EnvironmentId) -> Result<Option<GetEnvironmentOutput>> {
        let call = self.client.get_environment().domain_identifier(domain.as_str()).identifier(id.as_str());
        match call.send().await.map_err(|error| failed("GetEnvironment", error)) {
            Ok(details) => Ok(Some(details)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.for_environment(id)),
        }
    }

    /// Whether an environment's blueprint is known to be one of ours; no call is made.
    fn blueprint_seen(&self, domain: &DomainId, id: &EnvironmentId) -> Option<bool> {
        match self.blueprints.get(&(domain.clone(), id.clone()))? {
            None => Some(false),
            Some(blueprint) => {
                let name = self.names.get(&(domain.clone(), blueprint))?;
                Some(self.config().blueprints.contains(&name))
            }
        }
    }

    pub(super) async fn is_ours(&self, domain: &DomainId, blueprint: String) -> Result<bool> {
        let key = (domain.clone(), blueprint);
        if let Some(name) = self.names.get(&key) {
            return Ok(self.config().blueprints.contains(&name));
        }
        let call = self.client.get_environment_blueprint().domain_identifier(domain.as_str()).identifier(&key.1);
        let name = call.send().await.map_err(|error| failed("GetEnvironmentBlueprint", error))?.name;
        let is_ours = self.config().blueprints.contains(&name);
        self.names.put(key, name);
        Ok(is_ours)
    }
}

/// One that may get access, if it is known where it is.
fn ready(
    event: &SubscriptionEvent,
    name: &str,
    id: EnvironmentId,
    owner: Option<(String, String)>,
) -> Result<Environment> {
    match owner {
        Some((account, region)) => Ok(Environment::Ours(Consumer {
            project: event.project.clone(),
            environment: id,
            owner: Owner::new(AccountId::new(account)?, Region::new(region)?),
        })),
        None if event.ending.is_none() => Ok(Environment::Failed(unready(name, &id))),
        None => Ok(Environment::Unfit(format!("environment {name} ({id}) has no account"))),
    }
}

/// Why an environment of this status can be given nothing: it is on its way out, or never came up.
fn unfit(status: Option<&EnvironmentStatus>) -> Option<&'static str> {
    Some(match status? {
        EnvironmentStatus::Deleting => "being deleted",
        EnvironmentStatus::Deleted | EnvironmentStatus::DeleteFailed => "deleted",
        EnvironmentStatus::CreateFailed | EnvironmentStatus::ValidationFailed => "not there: its creation failed",
        EnvironmentStatus::Expired => "expired",
        _ => return None,
    })
}

/// Nobody waits for it here: whoever delivers the event delivers it again.
fn unready(name: &str, id: &EnvironmentId) -> Error {
    Error::new(ErrorKind::StoreFailed, format!("environment {name} has no account yet"))
        .at(Step::LookUp)
        .for_environment(id)
        .advise("it is probably being created: let the event be delivered again in some minutes")
}
