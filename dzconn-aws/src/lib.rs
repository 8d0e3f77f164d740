//! dzconn on AWS: Secrets Manager, `DynamoDB`, Glue, STS and `DataZone` behind the ports of [`dzconn_core`].

#![forbid(unsafe_code)]

pub mod accounts;
pub mod config;
pub mod datazone;
mod error;
pub mod glue;
mod host;
pub mod message;
pub mod secrets;
pub mod tracking;

pub use accounts::Accounts;
pub use config::Config;
pub use host::Aws;
