//! dzconn on AWS: Secrets Manager, `DynamoDB`, Glue, S3, STS, IAM, Lake Formation and `DataZone` behind the ports of [`dzconn_core`].
//!
//! A subscription event and AWS credentials are all that a grant needs:
//!
//! ```no_run
//! use dzconn_aws::{Accounts, Aws, Config};
//! use dzconn_core::Engines;
//! use dzconn_core::event::SubscriptionEvent;
//!
//! # async fn example(engines: Engines, event: &str) -> dzconn_core::Result<()> {
//! let config = Config::read(None, std::env::vars_os())?;
//! let aws = Aws::new(Accounts::from_env(config, None).await?).await;
//! let fulfilment = aws.fulfilment(engines, Default::default())?;
//! let handled = fulfilment.handle(&SubscriptionEvent::from_json(event)?).await?;
//! # let _ = handled;
//! # Ok(())
//! # }
//! ```
//!
//! # Three kinds of account
//!
//! The *governance* account has the domain and the tracking tables, a *producer's* has connections, admin secrets and sources,
//! a *consumer's* has environments and the copies of their secrets. They may be one and the same, and regions may differ. The
//! host works in its own account as it is, and assumes [`Roles::account`](config::Roles::account) in every other one;
//! [`Accounts`] refreshes those sessions before they expire. What the roles must be allowed:
//!
//! | where | what |
//! | --- | --- |
//! | governance | on the tables: see [`tracking`]; of `DataZone`: `ListSubscriptions`, `GetSubscription`, `GetListing`, `ListEnvironments`, `GetEnvironment`, `GetEnvironmentBlueprint`, `ListProjects` (where dzconn is removed), `ListSubscriptionGrants`, `ListSubscriptionTargets`, `UpdateSubscriptionGrantStatus`, `CreateSubscriptionGrant`; `sts:AssumeRole` on the roles |
//! | producer | `glue:GetTable`, `glue:GetConnection`; `secretsmanager:GetSecretValue` on admin secrets; on `dz-conn-p-*`: see [`secrets`] |
//! | buckets | on those that are published: see [`buckets`] |
//! | environments | on their roles and databases: see [`environment`] |
//! | consumer | on `dz-conn-c-*`: see [`secrets`]; `GetSecretValue` on the producers' secrets, whose policies let just this role in |
//!
//! Secrets are encrypted with [`Secrets::kms_key`](config::Secrets::kms_key) of their own account. It must be customer-managed, and
//! its policy must let the consumers' accounts decrypt: otherwise a shared secret cannot be read, and the grant says so.
//!
//! # What it costs
//!
//! Calls of one grant, each with its reason in `tests/tests/aws/cost.rs`, where they are counted:
//!
//! | | first | again |
//! | --- | --- | --- |
//! | looking up what the event is about | 6 | 4 |
//! | the producer's part | 10 | 5 |
//! | the consumer's part | 6 | 3 |
//! | the report, where nothing is to be shown | 1 | 1 |
//!
//! And one `AssumeRole` for each account an hour. No number grows with what the environment has already.

#![forbid(unsafe_code)]

pub mod accounts;
pub mod buckets;
pub mod config;
pub mod datazone;
pub mod environment;
mod error;
pub mod glue;
mod host;
pub mod message;
pub mod secrets;
pub mod toolkit;
pub mod tracking;
pub mod uninstall;

pub use accounts::Accounts;
pub use config::Config;
pub use host::Aws;
