//! One environment, as it is now.

use std::collections::BTreeSet;

use async_trait::async_trait;
use aws_sdk_datazone::types::EnvironmentStatus;
use dzconn_core::environment::{Environment, EnvironmentPortal, Stage};
use dzconn_core::model::{AccountId, DomainId, EnvironmentId, Owner, Principal, ProjectId, Region};
use dzconn_core::{ErrorKind, Result};

use super::failed::failed;
use super::{DataZonePortal, PAGE};

/// The name of the provisioned resource that is the user role's ARN.
const USER_ROLE: &str = "userRoleArn";
/// The names of those that are the environment's Glue databases.
const DATABASES: [&str; 2] = ["glueProducerDBName", "glueConsumerDBName"];

#[async_trait]
impl EnvironmentPortal for DataZonePortal {
    /// `GetEnvironment`, and `GetEnvironmentBlueprint` the first time a blueprint is seen.
    async fn environment(&self, domain: &DomainId, id: &EnvironmentId) -> Result<Option<Environment>> {
        let Some(details) = self.details(domain, id).await? else { return Ok(None) };
        let resource = |name: &str| {
            let mut all = details.provisioned_resources().iter();
            let found = all.find(|resource| resource.name() == Some(name)).map(|resource| resource.value().to_owned());
            found.filter(|value| !value.is_empty())
        };
        let blueprint = details.environment_blueprint_id.clone().filter(|id| !id.is_empty());
        let is_ours = match blueprint {
            None => false,
            Some(blueprint) => match self.is_ours(domain, blueprint).await {
                Ok(is_ours) => is_ours,
                Err(error) if error.kind() == ErrorKind::NotFound => false,
                Err(error) => return Err(error.for_environment(id)),
            },
        };
        let mut databases: Vec<_> = DATABASES.into_iter().filter_map(resource).collect();
        databases.dedup();
        let owner = match (&details.aws_account_id, &details.aws_account_region) {
            (Some(account), Some(region)) => Some(Owner::new(AccountId::new(account)?, Region::new(region)?)),
            _ => None,
        };
        Ok(Some(Environment {
            domain: domain.clone(),
            id: id.clone(),
            name: details.name.clone(),
            project: ProjectId::new(&details.project_id)?,
            owner,
            stage: stage(details.status.as_ref()),
            foreign: (!is_ours).then(|| format!("environment {} ({id}) is of another blueprint", details.name)),
            role: resource(USER_ROLE).map(Principal::new).transpose()?,
            databases,
        }))
    }

    /// `ListProjects`, and `ListEnvironments` for each, all pages: those of the projects that the caller may see.
    async fn environments(&self, domain: &DomainId) -> Result<Vec<EnvironmentId>> {
        let call = self.client.list_projects().domain_identifier(domain.as_str()).max_results(PAGE);
        let mut pages = call.into_paginator().send();
        let mut found = BTreeSet::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| failed("ListProjects", error))?;
            for project in page.items.unwrap_or_default() {
                let project = ProjectId::new(&project.id)?;
                for summary in self.all_environments(domain, &project).await? {
                    found.insert(EnvironmentId::new(summary.id.unwrap_or_default())?);
                }
            }
        }
        Ok(found.into_iter().collect())
    }
}

/// `EnvironmentStatus`, API reference.
fn stage(status: Option<&EnvironmentStatus>) -> Stage {
    match status {
        Some(EnvironmentStatus::Creating) => Stage::Coming,
        Some(EnvironmentStatus::Active | EnvironmentStatus::Updating | EnvironmentStatus::UpdateFailed) => {
            Stage::Active
        }
        Some(EnvironmentStatus::Deleting | EnvironmentStatus::DeleteFailed | EnvironmentStatus::Deleted) => {
            Stage::Ending
        }
        Some(other) => Stage::Resting(other.as_str().to_owned()),
        None => Stage::Resting("without a status".to_owned()),
    }
}
