//! An environment's role and databases, as the portal makes them, on AWS's stand-ins.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_iam::Client;
use dzconn_core::Result;

use crate::aws::{AwsWorld, DOMAIN};
use crate::engine::trouble;

/// The boundary with which the portal makes roles.
pub const DEFAULT: &str = "arn:aws:iam::aws:policy/AmazonDataZoneEnvironmentRolePermissionsBoundary";
/// What everybody may attach.
pub const CATALOG: &str = "arn:aws:iam::aws:policy/AWSServiceCatalogEndUserFullAccess";
/// A trust policy that trusts nobody in particular.
const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[]}"#;
const POLICY: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"glue:GetTable","Resource":"*"}]}"#;

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
    /// The policy that equips it, beside the service catalogue's.
    pub policy: String,
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
    /// Makes the account's baseline, and what the portal makes.
    pub async fn new(world: &'a AwsWorld) -> Result<Self> {
        let failed = |what: &str, error: String| trouble(format!("{what} was not made: {error}"));
        let iam = Client::new(&world.sdk(&world.consumer).await?);
        let account = world.consumer.account.as_str();
        let policy = |name: &str| format!("arn:aws:iam::{account}:policy/{name}");
        let (boundary, ours) = ("dz_conn_a_environment_permission_boundary_policy", "dz_conn_a_environment_policy");
        let own = format!("own-{}", world.environment);
        for name in [boundary, ours, own.as_str()] {
            let made = iam.create_policy().policy_name(name).policy_document(POLICY).send().await;
            made.map_err(|error| failed(name, format!("{error:?}")))?;
        }
        let name = format!("datazone_usr_{}", world.environment);
        let role = iam.create_role().role_name(&name).path("/service-role/").assume_role_policy_document(TRUST);
        let role = role.permissions_boundary(DEFAULT).send().await.map_err(|error| failed(&name, format!("{error:?}")))?;
        let arn = role.role.map(|role| role.arn).unwrap_or_default();
        let attached = iam.attach_role_policy().role_name(&name).policy_arn(policy(&own)).send().await;
        attached.map_err(|error| failed("an attachment", format!("{error:?}")))?;
        let databases = ["pub", "sub"].map(|kind| format!("{kind}_{}", world.environment));
        let region = world.consumer.region.as_str();
        world.aws.add_lake_tag(account, region, "dz_conn_p_access", &["True", "False"]);
        world.aws.set_lake_database(account, region, &databases[0], &[("team", "data")]);
        world.aws.set_lake_database(account, region, &databases[1], &[]);
        let [producer, consumer] = databases.clone();
        let resources = [("userRoleArn", arn.clone()), ("glueProducerDBName", producer), ("glueConsumerDBName", consumer)];
        world.domain(|domain| {
            for environment in domain.environments.iter_mut().filter(|one| one.id == world.environment) {
                environment.resources =
                    resources.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
            }
        });
        let (boundary, ours, own) = (policy(boundary), policy(ours), policy(&own));
        Ok(Self { world, iam, name, arn, boundary, policy: ours, own, databases })
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
            policies.extend([self.policy.clone(), CATALOG.to_owned()]);
        }
        for database in &self.databases {
            after.databases.entry(database.clone()).or_default().insert("dz_conn_p_access".into(), "True".into());
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

/// AWS's own policies are there, in accounts that moto has not seen yet.
pub async fn load_managed_policies(moto: &str) -> Result<()> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let address = moto.trim_start_matches("http://").trim_end_matches('/');
    let failed = |error: std::io::Error| trouble(format!("moto at {address}: {error}"));
    let body = r#"{"iam": {"load_aws_managed_policies": true}}"#;
    let request = format!(
        "POST /moto-api/config HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{body}",
        body.len()
    );
    let mut stream = tokio::net::TcpStream::connect(address).await.map_err(failed)?;
    stream.write_all(request.as_bytes()).await.map_err(failed)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.map_err(failed)?;
    let ok = answer.split(' ').nth(1).is_some_and(|status| status.starts_with('2'));
    if ok { Ok(()) } else { Err(trouble(format!("moto at {address} answered {answer}"))) }
}
