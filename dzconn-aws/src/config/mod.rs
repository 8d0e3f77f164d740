//! What can be set: from code, a TOML file or environment variables.
//!
//! Every key has one name. In a file it stands in its table, in the environment it is written in capitals behind
//! `DZCONN_AWS_`, with underscores for dots; lists are separated by commas there. A variable wins over the file.
//!
//! ```
//! use dzconn_aws::Config;
//!
//! let file = r#"
//!     [roles]
//!     account = "arn:aws:iam::{account}:role/dzconn-host"
//!     [portal]
//!     blueprints = ["DefaultDataLake", "DefaultDataWarehouse"]
//! "#;
//! let variables = [("DZCONN_AWS_SECRETS_RECOVERY_WINDOW_DAYS", "30"), ("HOME", "/root")];
//! let config = Config::read(Some(file), variables)?;
//! assert_eq!(config.secrets.recovery_window_days, 30);
//! # Ok::<(), dzconn_core::Error>(())
//! ```

mod read;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::time::Duration;

use dzconn_core::model::{AccountId, CaBundle, Region, Tls, UserNaming};
use dzconn_core::{Error, ErrorKind, Result, Step};

/// Everything that can be set. The defaults are the names that deployed systems use.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// Where the domain and the tracking tables are.
    pub governance: Governance,
    /// Who this host is in each account.
    pub roles: Roles,
    /// The tracking tables.
    pub tables: Tables,
    /// Secrets.
    pub secrets: Secrets,
    /// The portal.
    pub portal: Portal,
    /// What environments get.
    pub environments: Environments,
    /// Databases.
    pub sources: Sources,
    /// Buckets.
    pub buckets: Buckets,
    /// How new database users are named.
    pub user_naming: UserNaming,
    /// How calls are made.
    pub calls: Calls,
}

/// The account of the domain and of the tracking tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Governance {
    /// Its region; the host's own by default.
    pub region: Option<Region>,
    /// The role to be assumed for it (an ARN); none where the host is at home there.
    pub role: Option<String>,
}

/// Who this host is in the governed accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Roles {
    /// The host's own account, in which no role is assumed; asked from STS by default.
    pub home: Option<AccountId>,
    /// The ARN of the role that the host is in its own account, where it reads what other accounts share; by default as STS
    /// tells it, which leaves a role's path out.
    pub home_role: Option<String>,
    /// The ARN of the role that is assumed in another account, with `{account}` in place of it. It is also the one that may
    /// read a shared secret.
    pub account: String,
    /// Who reads a shared secret where that is another role than the assumed one, with `{account}` in place of the account.
    pub reader: Option<String>,
    /// The external id that the roles' trust policies ask for.
    pub external_id: Option<String>,
    /// The name of the sessions, as audit trails show it.
    pub session_name: String,
}

/// The names of the tracking tables.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tables {
    /// Source subscriptions.
    pub sources: String,
    /// Mapping of producer secrets to consumer secrets.
    pub mappings: String,
    /// Asset subscriptions.
    pub assets: String,
    /// The state of each table and the portal's answers: dzconn's own.
    pub state: String,
}

/// How secrets are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Secrets {
    /// The key that encrypts them: an alias, id or ARN in the secret's own account. Sharing needs one that is customer-managed.
    pub kms_key: String,
    /// How long a deleted secret can be restored, in days; 7 to 30.
    pub recovery_window_days: u8,
    /// Tags that every secret gets beside its own, such as a cost centre.
    pub tags: BTreeMap<String, String>,
}

/// What of the portal is ours.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Portal {
    /// The names of the blueprints whose environments get access.
    pub blueprints: Vec<String>,
    /// The asset types that are tables of the Glue catalogue.
    pub asset_types: Vec<String>,
    /// The asset types that are collections of objects in S3.
    pub object_types: Vec<String>,
    /// Whether a publisher must have an environment in the account whose table it publishes. What an asset says of its table is
    /// data that its publisher can write: without this, whoever may publish in the domain can publish any crawled table of any
    /// account that this host works in. Off by default, since not every producer works in an environment.
    pub check_publishers: bool,
    /// The ids or names of the subscription targets on which outcomes are reported by a grant of our own.
    pub targets: Vec<String>,
}

/// What an environment gets when it is active, and loses when it ends. `{account}` in a policy's ARN is the environment's account.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Environments {
    /// The ARN of the permissions boundary that its user role gets.
    pub boundary: String,
    /// The ARN of the boundary with which the portal makes such roles, and which it wants to find when it deletes them.
    pub default_boundary: String,
    /// The ARNs of the policies that are attached to its user role.
    pub policies: Vec<String>,
    /// The key of the Lake Formation tag on its databases; empty: they are not tagged. Lake Formation does not tell upper from
    /// lower case, in keys and values.
    pub tag_key: String,
    /// The tag's value.
    pub tag_value: String,
}

/// What holds for all databases.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sources {
    /// What a connection that says nothing about TLS asks for.
    pub tls: TlsMode,
    /// The authorities that sign the databases' certificates, such as RDS's global bundle; public ones by default.
    pub ca_bundle: Option<CaBundle>,
}

/// Where buckets are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Buckets {
    /// Who works on a bucket's policy, by the bucket's name, where it is not in the host's own account: `BUCKET=ACCOUNT`, for the
    /// role that works there, or `BUCKET=ROLE`, for one of its own, by ARN.
    pub roles: BTreeMap<String, BucketRole>,
}

/// Who works on a bucket's policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BucketRole {
    /// The role of this account, as for everything else there.
    In(AccountId),
    /// This role, of this account.
    As(String, AccountId),
}

/// The ways to demand TLS; see [`Tls`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsMode {
    /// See [`Tls::Disable`].
    Disable,
    /// See [`Tls::Require`].
    Require,
    /// See [`Tls::VerifyCa`].
    VerifyCa,
    /// See [`Tls::VerifyFull`].
    #[default]
    VerifyFull,
}

impl TlsMode {
    /// With these authorities.
    #[must_use]
    pub fn with(self, ca: Option<CaBundle>) -> Tls {
        match self {
            Self::Disable => Tls::Disable,
            Self::Require => Tls::Require,
            Self::VerifyCa => Tls::VerifyCa(ca),
            Self::VerifyFull => Tls::VerifyFull(ca),
        }
    }
}

/// How calls to AWS are made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Calls {
    /// How often one is tried, at most.
    pub attempts: u32,
    /// How long one attempt may take.
    pub attempt_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        let text = str::to_owned;
        Self {
            governance: Governance::default(),
            roles: Roles {
                home: None,
                home_role: None,
                account: text("arn:aws:iam::{account}:role/dz_conn_a_common_lambda_role"),
                reader: None,
                external_id: None,
                session_name: text("dzconn"),
            },
            tables: Tables {
                sources: text("dz_conn_g_p_source_subscriptions"),
                mappings: text("dz_conn_g_c_secrets_mapping"),
                assets: text("dz_conn_g_c_asset_subscriptions"),
                state: text("dz_conn_g_state"),
            },
            secrets: Secrets {
                kms_key: text("alias/dz_conn_a_common_key"),
                recovery_window_days: 7,
                tags: BTreeMap::new(),
            },
            portal: Portal {
                blueprints: vec![text("DefaultDataLake")],
                asset_types: ["GlueTableAssetType", "GlueTable"].map(text).to_vec(),
                object_types: ["S3ObjectCollectionType", "S3ObjectCollectionAssetType", "S3ObjectCollection"]
                    .map(text)
                    .to_vec(),
                check_publishers: false,
                targets: Vec::new(),
            },
            environments: Environments {
                boundary: text("arn:aws:iam::{account}:policy/dz_conn_a_environment_permission_boundary_policy"),
                default_boundary: text("arn:aws:iam::aws:policy/AmazonDataZoneEnvironmentRolePermissionsBoundary"),
                policies: [
                    "arn:aws:iam::{account}:policy/dz_conn_a_environment_policy",
                    "arn:aws:iam::aws:policy/AWSServiceCatalogEndUserFullAccess",
                ]
                .map(text)
                .to_vec(),
                tag_key: text("dz_conn_p_access"),
                tag_value: text("True"),
            },
            sources: Sources { tls: TlsMode::default(), ca_bundle: None },
            buckets: Buckets::default(),
            user_naming: UserNaming::default(),
            calls: Calls { attempts: 4, attempt_timeout: Duration::from_secs(10) },
        }
    }
}

impl Config {
    /// Reads a file's text and variables, in that order, over the defaults. Variables that do not begin with `DZCONN_AWS_` are
    /// passed over.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`], naming every mistake at once: keys that there are not, values of the wrong kind, and what
    /// [`check`](Self::check) finds.
    pub fn read<N, V>(file: Option<&str>, variables: impl IntoIterator<Item = (N, V)>) -> Result<Self>
    where
        N: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        let (config, mut mistakes) = read::read(file, variables);
        mistakes.extend(config.mistakes());
        no_mistakes(&mistakes)?;
        Ok(config)
    }

    /// Whether it can be worked with.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`], naming every mistake at once.
    pub fn check(&self) -> Result<()> {
        no_mistakes(&self.mistakes())
    }

    /// One sentence each.
    fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        let mut unless = |fine: bool, what: &str| {
            if !fine {
                mistakes.push(what.to_owned());
            }
        };
        let Self { governance, roles, tables, secrets, portal, environments, calls, .. } = self;
        let is_role = |arn: &str| {
            let mut parts = arn.splitn(6, ':');
            parts.next() == Some("arn") && parts.nth(1) == Some("iam") && arn.contains(":role/")
        };
        // In another place it would be one account's role that does the work of all.
        let in_any = |arn: &str| is_role(arn) && arn.split(':').nth(4) == Some("{account}");
        unless(in_any(&roles.account), "roles.account is no role's ARN with {account} in it as the account");
        unless(
            roles.reader.as_deref().is_none_or(in_any),
            "roles.reader is no role's ARN with {account} in it as the account",
        );
        unless(governance.role.as_deref().is_none_or(is_role), "governance.role is no role's ARN");
        // AssumeRole, "Request Parameters".
        let is_session = |c: char| c.is_ascii_alphanumeric() || "_=,.@-".contains(c);
        unless(
            (2..=64).contains(&roles.session_name.len()) && roles.session_name.chars().all(is_session),
            "roles.session_name has not 2 to 64 letters, digits and any of _=,.@-",
        );
        let names = [&tables.sources, &tables.mappings, &tables.assets, &tables.state];
        // DynamoDB Developer Guide, "Naming rules".
        let is_name = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        for name in names {
            unless(
                (3..=255).contains(&name.len()) && name.chars().all(is_name),
                &format!("{name:?} is no table's name: 3 to 255 letters, digits and any of _-."),
            );
        }
        let distinct = names.iter().collect::<std::collections::BTreeSet<_>>().len();
        unless(distinct == names.len(), "two of the tables have the same name");
        unless(!secrets.kms_key.is_empty(), "secrets.kms_key is empty");
        unless(
            (7..=30).contains(&secrets.recovery_window_days),
            "secrets.recovery_window_days is not between 7 and 30: a name must stay taken while a late request may land",
        );
        // Secrets Manager, "Tag": 50 tags, of which dzconn sets four; `aws:` is AWS's own.
        unless(secrets.tags.len() <= 46, "secrets.tags has more than 46 tags");
        for (key, value) in &secrets.tags {
            let ours = ["aws:", "dzconn:", "AmazonDataZone"].iter().any(|prefix| key.starts_with(prefix));
            unless(!ours, &format!("secrets.tags: {key} is not free to be set"));
            let fits = (1..=128).contains(&key.chars().count()) && value.chars().count() <= 256;
            unless(fits, &format!("secrets.tags: {key} has not 1 to 128 characters, or its value more than 256"));
        }
        unless(!portal.blueprints.is_empty(), "portal.blueprints is empty: no environment would get access");
        unless(!portal.asset_types.is_empty(), "portal.asset_types is empty: no asset would be served");
        let is_policy = |arn: &String| {
            let mut parts = arn.splitn(6, ':');
            parts.next() == Some("arn") && parts.nth(1) == Some("iam") && arn.contains(":policy/")
        };
        let Environments { boundary, default_boundary, policies, tag_key, tag_value } = environments;
        for arn in [boundary, default_boundary].into_iter().chain(policies) {
            unless(is_policy(arn), &format!("environments: {arn:?} is no policy's ARN"));
        }
        unless(boundary != default_boundary, "environments.boundary is environments.default_boundary");
        // CreateLFTag would take more, but 50 characters are what the Developer Guide says that keys and values may have.
        unless(
            tag_key.chars().count() <= 50 && (tag_key.is_empty() || (1..=50).contains(&tag_value.chars().count())),
            "environments.tag_key has more than 50 characters, or environments.tag_value not 1 to 50",
        );
        unless(calls.attempts > 0, "calls.attempts is zero");
        unless(!calls.attempt_timeout.is_zero(), "calls.attempt_timeout_seconds is zero");
        mistakes
    }
}

fn no_mistakes(mistakes: &[String]) -> Result<()> {
    if mistakes.is_empty() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::InvalidConfig, mistakes.join("; ")).at(Step::Input))
}
