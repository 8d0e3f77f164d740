//! An environment's role and databases, as the portal makes them, on AWS's stand-ins.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_iam::Client;
use dzconn_aws::Config;
use dzconn_core::Result;

use crate::aws::{AwsWorld, DOMAIN};
use crate::engine::trouble;

/// The boundary with which the portal makes roles.
pub const DEFAULT: &str = "arn:aws:iam::aws:policy/AmazonDataZoneEnvironmentRolePermissionsBoundary";
/// The policies that equip an environment. moto has none of AWS's own: a namesake in the account takes the place of one.
pub const POLICIES: [&str; 2] = [
    "arn:aws:iam::{account}:policy/dz_conn_a_environment_policy",
    "arn:aws:iam::{account}:policy/AWSServiceCatalogEndUserFullAccess",
];
/// A trust policy that trusts nobody in particular.
const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[]}"#;
const POLICY: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"glue:GetTable","Resource":"*"}]}"#;

/// The consumer's environment of a world, and what its account holds.
#[derive(Debug)]
pub struct Provisioned<'a> {
    world: &'a AwsWorld,
    iam: Client,
    /// The role's name.
    pub name: String,
    /// The role's ARN, which has a path.
    pub arn: String,
    /// The boundary that equips it.
    pub boundary: String,
    /// The policies that equip it.
    pub policies: [String; 2],
    /// What the portal has attached.
    pub own: String,
    /// The databases.
    pub databases: [String; 2],
}

/// All that is of interest of a role and the databases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The role's boundary and policies; none if it is gone.
    pub role: Option<(Option<String>, BTreeSet<String>)>,
    /// The databases' tags.
    pub databases: BTreeMap<String, BTreeMap<String, String>>,
}

impl<'a> Provisioned<'a> {
    /// A world in which an environment can be equipped.
    pub async fn world(moto: &str, configure: impl FnOnce(&mut Config)) -> Result<AwsWorld> {
        AwsWorld::with(moto, |config| {
            config.environments.policies = POLICIES.map(str::to_owned).to_vec();
            configure(config);
        })
        .await
    }

    /// Makes the account's baseline, and what the portal makes.
    pub async fn new(world: &'a AwsWorld) -> Result<Self> {
        let failed = |what: &str, error: String| trouble(format!("{what} was not made: {error}"));
        let iam = Client::new(&world.sdk(&world.consumer).await?);
        let account = world.consumer.account.as_str();
        let policy = |name: &str| format!("arn:aws:iam::{account}:policy/{name}");
        let boundary = "dz_conn_a_environment_permission_boundary_policy";
        let own = format!("own-{}", world.environment);
        let policies = POLICIES.map(|arn| arn.replace("{account}", account));
        let names = policies.iter().filter_map(|arn| arn.rsplit('/').next());
        for name in names.chain([boundary, own.as_str()]) {
            let made = iam.create_policy().policy_name(name).policy_document(POLICY).send().await;
            made.map_err(|error| failed(name, format!("{error:?}")))?;
        }
        let name = format!("datazone_usr_{}", world.environment);
        let role = iam.create_role().role_name(&name).path("/service-role/").assume_role_policy_document(TRUST);
        let role =
            role.permissions_boundary(DEFAULT).send().await.map_err(|error| failed(&name, format!("{error:?}")))?;
        let arn = role.role.map(|role| role.arn).unwrap_or_default();
        let attached = iam.attach_role_policy().role_name(&name).policy_arn(policy(&own)).send().await;
        attached.map_err(|error| failed("an attachment", format!("{error:?}")))?;
        let databases = ["pub", "sub"].map(|kind| format!("{kind}_{}", world.environment));
        let region = world.consumer.region.as_str();
        world.aws.add_lake_tag(account, region, "dz_conn_p_access", &["True", "False"]);
        world.aws.set_lake_database(account, region, &databases[0], &[("team", "data")]);
        world.aws.set_lake_database(account, region, &databases[1], &[]);
        let [producer, consumer] = databases.clone();
        let resources =
            [("userRoleArn", arn.clone()), ("glueProducerDBName", producer), ("glueConsumerDBName", consumer)];
        world.domain(|domain| {
            for environment in domain.environments.iter_mut().filter(|one| one.id == world.environment) {
                environment.resources =
                    resources.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
            }
        });
        let (boundary, own) = (policy(boundary), policy(&own));
        Ok(Self { world, iam, name, arn, boundary, policies, own, databases })
    }

    /// The client of the environment's account.
    pub const fn iam(&self) -> &Client {
        &self.iam
    }

    /// What is there now.
    pub async fn seen(&self) -> Result<Seen> {
        let owner = &self.world.consumer;
        let databases = self.world.aws.lake_databases(owner.account.as_str(), owner.region.as_str());
        let Ok(role) = self.iam.get_role().role_name(&self.name).send().await else {
            return Ok(Seen { role: None, databases });
        };
        let boundary = role.role.and_then(|role| role.permissions_boundary?.permissions_boundary_arn);
        let attached = self.iam.list_attached_role_policies().role_name(&self.name).send().await;
        let attached = attached.map_err(|error| trouble(format!("{error:?}")))?.attached_policies.unwrap_or_default();
        let policies = attached.into_iter().filter_map(|policy| policy.policy_arn).collect();
        Ok(Seen { role: Some((boundary, policies)), databases })
    }

    /// What is there once the environment is equipped.
    #[must_use]
    pub fn equipped(&self, before: &Seen) -> Seen {
        let mut after = before.clone();
        if let Some((boundary, policies)) = &mut after.role {
            *boundary = Some(self.boundary.clone());
            policies.extend(self.policies.clone());
        }
        for database in &self.databases {
            after.databases.entry(database.clone()).or_default().insert("dz_conn_p_access".into(), "true".into());
        }
        after
    }

    /// The portal says this of the environment from now on.
    pub fn set_status(&self, status: &str) {
        self.world.domain(|domain| {
            for environment in domain.environments.iter_mut().filter(|one| one.id == self.world.environment) {
                status.clone_into(&mut environment.status);
            }
        });
    }

    /// An event about the environment, as `EventBridge` delivers it; `delete` as somebody adds it by hand.
    #[must_use]
    pub fn event(&self, kind: &str, delete: bool) -> String {
        let mut data = serde_json::json!({
            "projectId": "consumers",
            "environmentId": self.world.environment,
            "environmentDeploymentId": "dep-1",
        });
        if let (true, Some(data)) = (delete, data.as_object_mut()) {
            data.insert("delete".into(), true.into());
        }
        serde_json::json!({
            "version": "0",
            "id": format!("event-{kind}"),
            "detail-type": format!("Environment {kind}"),
            "source": "aws.datazone",
            "detail": {"version": "1", "metadata": {"id": self.world.environment, "domain": DOMAIN}, "data": data},
        })
        .to_string()
    }
}
