//! AWS on loopback, for the tests.
//!
//! One endpoint for all services: Secrets Manager and the tags of Lake Formation are answered by strict stand-ins, `DataZone` by a server of the test's
//! choice, all else by [moto](https://docs.getmoto.org/). In front of all of them calls are counted and fail on demand.
//! What is enforced, and what is not: `README.md`.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use dzconn_test_aws::{AwsStandIn, Effect, Fault, Key};
//!
//! let aws = AwsStandIn::start(&std::env::var("DZCONN_TEST_MOTO_URL")?).await?;
//! aws.add_key(Key::new("111111111111", "eu-west-1", "alias/dz_conn_a_common_key").admitting("222222222222"));
//! let keys = aws.credentials_for("111111111111").await?;
//! // Give `aws.url()` and `keys` to the SDK, then:
//! aws.fail(Fault::new(Effect::Throttled).service("secretsmanager").operation("CreateSecret").times(2));
//! println!("{} as {}: {:?}", aws.url(), keys.access_key_id, aws.calls());
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

mod dynamodb;
mod fault;
mod forward;
mod ids;
mod keys;
mod lakeformation;
mod refusal;
mod request;
mod roles;
mod secrets;
mod server;
mod sts;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

pub use fault::{Call, Effect, Fault};
pub use keys::Key;
pub use roles::{HOME, Keys, Role};
pub use secrets::{NewSecret, SecretView, Secrets, VersionView};
use server::{Running, Shared};

/// AWS on a port of 127.0.0.1. It ends, with all its connections, when this value is dropped.
///
/// It runs in a thread of its own: a test may block, and use it from any runtime.
#[derive(Debug)]
pub struct AwsStandIn {
    shared: Arc<Shared>,
    running: Running,
}

impl AwsStandIn {
    /// In front of a moto server, such as `with-servers --moto` names in `DZCONN_TEST_MOTO_URL`. moto itself is left as it
    /// is: tests that share one keep apart by accounts or names.
    ///
    /// # Errors
    /// moto does not answer.
    pub async fn start(moto_url: &str) -> io::Result<Self> {
        forward::reach(moto_url).await.map_err(|error| io::Error::other(format!("moto at {moto_url}: {error}")))?;
        Self::with(Some(moto_url.to_owned()))
    }

    /// Without moto: Secrets Manager, `AssumeRole` and `GetCallerIdentity` are answered, and `DataZone` if a server is
    /// named; others are refused.
    pub fn without_moto() -> io::Result<Self> {
        Self::with(None)
    }

    fn with(moto: Option<String>) -> io::Result<Self> {
        let shared = Arc::new(Shared::new(moto));
        let running = Running::start(Arc::clone(&shared))?;
        Ok(Self { shared, running })
    }

    /// The endpoint of all services.
    pub fn url(&self) -> String {
        format!("http://{}", self.running.address)
    }

    /// With a server for `DataZone`; see [`Self::set_datazone`].
    #[must_use]
    pub fn with_datazone(self, url: &str) -> Self {
        self.set_datazone(url);
        self
    }

    /// From now on calls of `DataZone` go to this server, unchanged.
    pub fn set_datazone(&self, url: &str) {
        self.shared.state().datazone = Some(url.to_owned());
    }

    /// There is a tag in Lake Formation, with these values.
    pub fn add_lake_tag(&self, account: &str, region: &str, key: &str, values: &[&str]) {
        let values = values.iter().map(|value| value.to_lowercase()).collect();
        self.lake(account, region, |lake| lake.tags.insert(key.to_lowercase(), values));
    }

    /// There is a database, with these tags and no others.
    pub fn set_lake_database(&self, account: &str, region: &str, name: &str, tags: &[(&str, &str)]) {
        let tags = tags.iter().map(|&(key, value)| (key.to_lowercase(), value.to_lowercase())).collect();
        self.lake(account, region, |lake| lake.databases.insert(name.to_owned(), tags));
    }

    /// A database is deleted.
    pub fn remove_lake_database(&self, account: &str, region: &str, name: &str) {
        self.lake(account, region, |lake| lake.databases.remove(name));
    }

    /// The databases that Lake Formation knows of, and their tags.
    pub fn lake_databases(&self, account: &str, region: &str) -> BTreeMap<String, BTreeMap<String, String>> {
        self.lake(account, region, |lake| lake.databases.clone())
    }

    fn lake<T>(&self, account: &str, region: &str, edit: impl FnOnce(&mut lakeformation::Lake) -> T) -> T {
        edit(self.shared.state().lakes.entry((account.to_owned(), region.to_owned())).or_default())
    }

    /// Whether Secrets Manager and Lake Formation are left to moto.
    pub fn set_lenient(&self, lenient: bool) {
        self.shared.state().lenient = lenient;
    }

    /// Credentials of a role `dzconn_test` in this account, which never expire and need no trust.
    ///
    /// Where none of the stand-in's are used, a caller is at home in account [`HOME`], as moto has it.
    ///
    /// # Errors
    /// moto cannot be reached.
    pub async fn credentials_for(&self, account: &str) -> Result<Keys, String> {
        self.credentials_of(&format!("arn:aws:iam::{account}:role/dzconn_test")).await
    }

    /// Credentials of this role, which never expire and need no trust.
    ///
    /// # Errors
    /// moto cannot be reached, or this is not the ARN of a role.
    pub async fn credentials_of(&self, role: &str) -> Result<Keys, String> {
        if !roles::is_role(role) {
            return Err(format!("{role} is not the ARN of a role"));
        }
        sts::keys_of(&self.shared, role).await
    }

    /// A role exists, and trusts whom it says; in place of one of that ARN, with its unique id unless that was removed.
    /// Any role exists, and is assumed by anybody, until [`Self::only_known_roles`] or [`Self::remove_role`].
    pub fn add_role(&self, role: Role) {
        self.shared.state().roles.add(role);
    }

    /// A role is deleted. Made again, it is another: policies that named the first do not let the second in.
    pub fn remove_role(&self, arn: &str) {
        self.shared.state().roles.remove(arn);
    }

    /// From now on only those roles exist that were added.
    pub fn only_known_roles(&self) {
        self.shared.state().roles.closed = true;
    }

    /// How long sessions last that are made from now on, in whole seconds; `None`: as long as was asked for.
    pub fn set_session_life(&self, life: Option<Duration>) {
        self.shared.state().roles.life = life;
    }

    /// All sessions that were assumed by a call end now.
    pub fn expire_sessions(&self) {
        self.shared.state().roles.expire_all();
    }

    /// A customer-managed KMS key exists, for Secrets Manager's purposes. Adding one under the same alias changes its
    /// policy.
    pub fn add_key(&self, key: Key) {
        self.shared.state().keys.add(key);
    }

    /// A key is gone, with its alias; what it encrypted cannot be read any more.
    pub fn remove_key(&self, account: &str, region: &str, alias: &str) {
        self.shared.state().keys.remove(account, region, alias);
    }

    /// The strict Secrets Manager's secrets of an account and region.
    pub fn secrets<'a>(&'a self, account: &'a str, region: &'a str) -> Secrets<'a> {
        Secrets::new(&self.shared, account, region)
    }

    /// Something goes wrong. Rules are asked in the order of their making.
    pub fn fail(&self, fault: Fault) {
        self.shared.state().faults.add(fault);
    }

    /// Forgets all rules.
    pub fn no_faults(&self) {
        self.shared.state().faults.clear();
    }

    /// How many rules still wait for calls: a test that ends with some has not tested what it meant to.
    pub fn faults_left(&self) -> usize {
        self.shared.state().faults.left()
    }

    /// All calls so far, in the order of their arrival.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.state().calls.clone()
    }

    /// How often an operation of a service was called.
    pub fn count(&self, service: &str, operation: &str) -> usize {
        let state = self.shared.state();
        state.calls.iter().filter(|call| call.service == service && call.operation == operation).count()
    }

    /// Forgets the calls so far.
    pub fn reset_calls(&self) {
        self.shared.state().calls.clear();
    }
}
