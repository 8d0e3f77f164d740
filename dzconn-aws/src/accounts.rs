//! Who we are in which account: roles that are assumed and refreshed, and one set of clients for each account and region.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use aws_config::retry::RetryConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use dzconn_core::bucket::Bucket;
use dzconn_core::model::{AccountId, Owner, Region};
use dzconn_core::{Error, ErrorKind, Result, Step};
use tokio::sync::Mutex;

use crate::config::{BucketRole, Config};
use crate::error::from_sdk;

/// The clients of one account and region.
#[derive(Clone, Debug)]
pub(crate) struct Clients {
    pub(crate) glue: aws_sdk_glue::Client,
    pub(crate) secrets: aws_sdk_secretsmanager::Client,
    pub(crate) iam: aws_sdk_iam::Client,
    pub(crate) lakeformation: aws_sdk_lakeformation::Client,
}

/// All accounts that this host works in. Clones share it.
///
/// In the host's own account nothing is assumed. In any other the configured role is, by a provider that refreshes its
/// credentials before they expire: a warm process runs for as long as it likes.
#[derive(Clone)]
pub struct Accounts(Arc<Inner>);

struct Inner {
    config: Config,
    home: SdkConfig,
    own: AccountId,
    own_role: Option<String>,
    region: Region,
    clients: Mutex<HashMap<Owner, Clients>>,
}

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accounts").field("own", &self.0.own).field("region", &self.0.region).finish_non_exhaustive()
    }
}

impl Accounts {
    /// From the environment: variables, profile, container or instance, as AWS's own tools look for them.
    /// A profile named here wins over `AWS_PROFILE`.
    pub async fn from_env(config: Config, profile: Option<&str>) -> Result<Self> {
        let mut loader = aws_config::defaults(BehaviorVersion::latest());
        if let Some(profile) = profile {
            loader = loader.profile_name(profile);
        }
        Self::new(config, loader.load().await).await
    }

    /// From these settings of the SDK, which say who the host is.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] without a region; STS's errors if it has to say which account this is.
    pub async fn new(config: Config, home: SdkConfig) -> Result<Self> {
        let region = home.region().map(|region| Region::new(region.as_ref())).transpose()?;
        let region = region.or_else(|| config.governance.region.clone()).ok_or_else(|| {
            Error::new(ErrorKind::InvalidConfig, "no AWS region is set")
                .at(Step::Input)
                .advise("set AWS_REGION, or a region in the profile")
        })?;
        // The one place where calls are tried again; a run as a whole is driven by dzconn-core. The adaptive mode would hold back
        // the calls of all accounts of a region for one that was throttled.
        let retry = RetryConfig::standard().with_max_attempts(config.calls.attempts.max(1));
        let timeout = TimeoutConfig::builder().operation_attempt_timeout(config.calls.attempt_timeout).build();
        let home = with_clock(in_region(&home, &region))
            .await
            .into_builder()
            .retry_config(retry)
            .timeout_config(timeout)
            .build();
        let (own, own_role) = match &config.roles.home {
            Some(account) => (account.clone(), None),
            None => caller(&home).await?,
        };
        let own_role = config.roles.home_role.clone().or(own_role);
        Ok(Self(Arc::new(Inner { config, home, own, own_role, region, clients: Mutex::default() })))
    }

    /// What can be set.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// The account that this host is at home in.
    pub fn own(&self) -> &AccountId {
        &self.0.own
    }

    /// Who this host is in its own account, if that is known: the ARN of a role or user.
    pub fn own_role(&self) -> Option<&str> {
        self.0.own_role.as_deref()
    }

    /// The SDK's settings for the governance account.
    pub async fn governance(&self) -> SdkConfig {
        let Inner { config, home, region, .. } = &*self.0;
        let region = config.governance.region.as_ref().unwrap_or(region);
        match &config.governance.role {
            None => in_region(home, region),
            Some(role) => self.assume(role, region).await,
        }
    }

    /// The region in which the host works.
    pub(crate) fn region(&self) -> &Region {
        &self.0.region
    }

    /// In which role a bucket is worked on, and whose it is; none where the host is at home.
    pub(crate) fn of_bucket(&self, bucket: &Bucket) -> (Option<String>, AccountId) {
        let Inner { config, own, .. } = &*self.0;
        match config.buckets.roles.get(bucket.name()) {
            None => (None, own.clone()),
            Some(BucketRole::In(account)) if account == own => (None, own.clone()),
            Some(BucketRole::In(account)) => {
                (Some(config.roles.account.replace("{account}", account.as_str())), account.clone())
            }
            Some(BucketRole::As(role, account)) => (Some(role.clone()), account.clone()),
        }
    }

    /// The SDK's settings in a role, or as the host is at home.
    pub(crate) async fn as_role(&self, role: Option<&str>, region: &Region) -> SdkConfig {
        match role {
            Some(role) => self.assume(role, region).await,
            None => in_region(&self.0.home, region),
        }
    }

    /// The clients of an account and region; always the same ones.
    pub(crate) async fn clients(&self, owner: &Owner) -> Clients {
        let mut clients = self.0.clients.lock().await;
        if let Some(found) = clients.get(owner) {
            return found.clone();
        }
        let Inner { config, home, own, .. } = &*self.0;
        let sdk = if owner.account == *own {
            in_region(home, &owner.region)
        } else {
            let role = config.roles.account.replace("{account}", owner.account.as_str());
            self.assume(&role, &owner.region).await
        };
        let made = Clients {
            glue: aws_sdk_glue::Client::new(&sdk),
            secrets: aws_sdk_secretsmanager::Client::new(&sdk),
            iam: aws_sdk_iam::Client::new(&sdk),
            lakeformation: aws_sdk_lakeformation::Client::new(&sdk),
        };
        clients.insert(owner.clone(), made.clone());
        made
    }

    /// Settings that assume a role whenever its credentials are about to expire. Nothing is assumed yet.
    async fn assume(&self, role: &str, region: &Region) -> SdkConfig {
        let Inner { config, home, .. } = &*self.0;
        let mut provider = AssumeRoleProvider::builder(role).configure(home).session_name(&config.roles.session_name);
        if let Some(id) = &config.roles.external_id {
            provider = provider.external_id(id);
        }
        let provider = aws_sdk_sts::config::SharedCredentialsProvider::new(provider.build().await);
        in_region(home, region).into_builder().credentials_provider(provider).build()
    }
}

fn in_region(sdk: &SdkConfig, region: &Region) -> SdkConfig {
    sdk.to_builder().region(aws_config::Region::new(region.as_str().to_owned())).build()
}

/// Settings that were put together by hand may lack what refreshing credentials cannot do without.
async fn with_clock(sdk: SdkConfig) -> SdkConfig {
    if sdk.time_source().is_some() && sdk.sleep_impl().is_some() {
        return sdk;
    }
    let usual = aws_config::defaults(BehaviorVersion::latest()).no_credentials().load().await;
    let mut sdk = sdk.into_builder();
    sdk.set_time_source(usual.time_source());
    sdk.set_sleep_impl(usual.sleep_impl());
    sdk.build()
}

async fn caller(sdk: &SdkConfig) -> Result<(AccountId, Option<String>)> {
    let answer = aws_sdk_sts::Client::new(sdk).get_caller_identity().send().await;
    let answer = answer.map_err(|error| from_sdk("STS", "GetCallerIdentity", error).at(Step::Input))?;
    Ok((AccountId::new(answer.account().unwrap_or_default())?, answer.arn().and_then(principal)))
}

/// The role behind a session, `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`, or a user as it is ("IAM identifiers", IAM User
/// Guide). The account itself is nobody in particular.
fn principal(arn: &str) -> Option<String> {
    let (prefix, rest) = arn.split_once(":assumed-role/").unwrap_or((arn, ""));
    match rest.split_once('/') {
        Some((role, _)) => Some(format!("{}:role/{role}", prefix.replacen(":sts:", ":iam:", 1))),
        None => arn.contains(":user/").then(|| arn.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::principal;

    #[test]
    fn a_session_is_its_role() {
        for (arn, wanted) in [
            ("arn:aws:sts::111122223333:assumed-role/host/i-1", Some("arn:aws:iam::111122223333:role/host")),
            ("arn:aws-cn:iam::111122223333:user/team/ann", Some("arn:aws-cn:iam::111122223333:user/team/ann")),
            ("arn:aws:iam::111122223333:root", None),
            ("", None),
        ] {
            assert_eq!(principal(arn).as_deref(), wanted, "{arn}");
        }
    }
}
