//! Three accounts in front of the stand-in, and the way past the store: calls of one's own.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::retry::{RetryConfig, RetryPartition};
use aws_sdk_secretsmanager::config::timeout::TimeoutConfig;
use aws_sdk_secretsmanager::config::{BehaviorVersion, Config, Credentials, Region};
use dzconn_aws::secrets::SecretsManager;
use dzconn_core::model::{Owner, Principal, SecretName, SecretTags};
use dzconn_core::store::{CredentialStore, NewSecret, Slot, StoredSecret};
use dzconn_core::testkit::credentials::{CredentialFixture, Neighbour, SecretSample, SecretTamper};
use dzconn_core::{Error, ErrorKind, Result};
use dzconn_test_aws::{AwsStandIn, Key, SecretView};

pub(crate) const OWNER: &str = "111111111111";
pub(crate) const READER: &str = "222222222222";
pub(crate) const STRANGER: &str = "333333333333";
pub(crate) const REGION: &str = "eu-west-1";
pub(crate) const ALIAS: &str = "alias/dz_conn_a_common_key";

/// How long an attempt may take: longer than any call to the stand-in, even with other tests beside it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(3);

/// The role that the stand-in's credentials of an account are of.
pub(crate) fn role(account: &str) -> Principal {
    Principal::new(format!("arn:aws:iam::{account}:role/dzconn_test")).unwrap()
}

pub(crate) fn owner(account: &str, region: &str) -> Owner {
    Owner { account: account.parse().unwrap(), region: region.parse().unwrap() }
}

pub(crate) struct Lab {
    pub(crate) aws: AwsStandIn,
    pub(crate) sample: SecretSample,
}

impl Lab {
    /// Each account has a key of its own; the others may decrypt with it.
    pub(crate) fn strict() -> Self {
        let aws = AwsStandIn::without_moto().expect("a stand-in");
        for account in [OWNER, READER, STRANGER] {
            for region in [REGION, "us-east-1"] {
                let key = Key::new(account, region, ALIAS);
                aws.add_key([OWNER, READER, STRANGER].iter().fold(key, |key, other| key.admitting(other)));
            }
        }
        Self { aws, sample: SecretSample::new() }
    }

    /// The SDK's client, with the credentials of an account.
    pub(crate) async fn client(&self, account: &str, region: &str) -> Client {
        let keys = self.aws.credentials_for(account).await.expect("credentials");
        let keys = Credentials::new(keys.access_key_id, keys.secret_access_key, Some(keys.session_token), None, "test");
        Client::from_conf(config(&self.aws.url(), region, keys, PATIENCE))
    }

    /// A store as another process would have it: it remembers nothing.
    pub(crate) async fn store(&self, account: &str) -> SecretsManager {
        self.store_of(account, REGION, PATIENCE).await
    }

    pub(crate) async fn store_of(&self, account: &str, region: &str, patience: Duration) -> SecretsManager {
        let timeout = TimeoutConfig::builder().operation_attempt_timeout(patience).build();
        let client = self.client(account, region).await;
        let client = Client::from_conf(client.config().to_builder().timeout_config(timeout).build());
        let settings = dzconn_aws::Config::default().secrets;
        SecretsManager::new(client, owner(account, region), &settings).unwrap()
    }

    pub(crate) fn fixture(self) -> CredentialFixture {
        let runtime = tokio::runtime::Handle::current();
        tokio::task::block_in_place(|| runtime.block_on(self.make_fixture()))
    }

    async fn make_fixture(self) -> CredentialFixture {
        let (reader, stranger) = (self.neighbour(READER).await, self.neighbour(STRANGER).await);
        let tamper = Past(self.client(OWNER, REGION).await);
        CredentialFixture::new(self.store(OWNER).await)
            .with_neighbours(reader, stranger)
            .with_tamper(tamper)
            .keeping(self.aws)
    }

    async fn neighbour(&self, account: &str) -> Neighbour {
        Neighbour { store: Arc::new(self.store(account).await), principal: role(account) }
    }

    /// A name that was not used before.
    pub(crate) fn name(&self, suffix: &str) -> SecretName {
        self.sample.name(suffix)
    }

    pub(crate) fn secret(&self, password: &str) -> NewSecret {
        self.sample.secret(password)
    }

    /// Makes a secret in the owner's account, past all counting.
    pub(crate) async fn made(&self, name: &SecretName, password: &str) -> StoredSecret {
        let made = live(self.store(OWNER).await.create(name, &self.secret(password)).await.unwrap());
        self.aws.reset_calls();
        made
    }

    /// What the stand-in holds.
    pub(crate) fn view(&self, name: &SecretName) -> SecretView {
        self.aws.secrets(OWNER, REGION).get(name.as_str()).expect("a secret")
    }

    /// The operations that were called since the last time.
    pub(crate) fn calls(&self) -> Vec<String> {
        let calls = self.aws.calls();
        self.aws.reset_calls();
        calls.into_iter().map(|call| call.operation).collect()
    }
}

pub(crate) fn live(slot: Slot) -> StoredSecret {
    match slot {
        Slot::Live(secret) => *secret,
        other => panic!("{other:?} instead of a secret"),
    }
}

/// Waits until something has happened.
pub(crate) async fn until(what: impl Fn() -> bool) {
    for _ in 0..2_000 {
        if what() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("it did not happen");
}

pub(crate) fn kind<T: std::fmt::Debug>(answer: Result<T>) -> ErrorKind {
    answer.expect_err("this must not work").kind()
}

/// As `Accounts` makes them, but that nobody waits long: neither before a second attempt, nor, as the adaptive mode does, before
/// the next call once one was throttled.
fn config(url: &str, region: &str, keys: Credentials, patience: Duration) -> Config {
    let retry = RetryConfig::standard().with_max_attempts(4).with_initial_backoff(Duration::from_millis(20));
    Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(url)
        .region(Region::new(region.to_owned()))
        .credentials_provider(keys)
        .retry_config(retry)
        // The SDK remembers for the whole process how a region fares.
        .retry_partition(RetryPartition::new(format!("{:x}", rand::random::<u64>())))
        .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(patience).build())
        .build()
}

pub(crate) fn moto_fixture(url: &str) -> CredentialFixture {
    // moto is at home in this account, whoever asks.
    let keys = Credentials::new("test", "test", None, None, "test");
    let client = Client::from_conf(config(url, REGION, keys, Duration::from_secs(10)));
    let settings = dzconn_aws::Config::default().secrets;
    let store = SecretsManager::new(client.clone(), owner(dzconn_test_aws::HOME, REGION), &settings).unwrap();
    CredentialFixture::new(store).with_tamper(Past(client))
}

/// The way past the store: what anybody may call.
#[derive(Debug)]
struct Past(Client);

fn failed(error: impl std::fmt::Debug) -> Error {
    Error::new(ErrorKind::Unexpected, format!("{error:?}"))
}

#[async_trait]
impl SecretTamper for Past {
    async fn tags(&self, name: &SecretName) -> Result<Option<SecretTags>> {
        let answer = self.0.describe_secret().secret_id(name.as_str()).send().await.map_err(failed)?;
        let tag = |key: &str| {
            let tag = answer.tags().iter().find(|tag| tag.key() == Some(key));
            tag.and_then(|tag| tag.value()).map(str::to_owned)
        };
        assert_eq!(tag("dzconn:managed").as_deref(), Some("true"));
        let (Some(domain), Some(project), Some(environment)) =
            (tag("dzconn:domain"), tag("dzconn:project"), tag("dzconn:environment"))
        else {
            return Ok(None);
        };
        let tags = SecretTags { domain: domain.parse()?, project: project.parse()?, environment: environment.parse()? };
        Ok(Some(tags))
    }

    async fn damage(&self, name: &SecretName, value: &str) -> Result<()> {
        let call = self.0.put_secret_value().secret_id(name.as_str()).secret_string(value);
        call.send().await.map(drop).map_err(failed)
    }

    async fn set_pending(&self, name: &SecretName, pending: bool) -> Result<()> {
        if pending {
            let call = self.0.put_secret_value().secret_id(name.as_str()).secret_string("{}");
            return call.version_stages("AWSPENDING").send().await.map(drop).map_err(failed);
        }
        let there = self.0.describe_secret().secret_id(name.as_str()).send().await.map_err(failed)?;
        let versions = there.version_ids_to_stages().expect("versions");
        let (id, _) = versions.iter().find(|(_, all)| all.iter().any(|one| one == "AWSPENDING")).expect("a rotation");
        let call = self.0.update_secret_version_stage().secret_id(name.as_str()).version_stage("AWSPENDING");
        call.remove_from_version_id(id).send().await.map(drop).map_err(failed)
    }
}
