//! Clients of the real SDK, and what its answers are compared by.

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use dzconn_test_aws::{AwsStandIn, Key, Keys};

pub(crate) const OWNER: &str = "111111111111";
pub(crate) const READER: &str = "222222222222";
pub(crate) const REGION: &str = "eu-west-1";
pub(crate) const ALIAS: &str = "alias/dz_conn_a_common_key";
pub(crate) const READER_ROLE: &str = "arn:aws:iam::222222222222:role/reader";

pub(crate) fn credentials(keys: &Keys) -> Credentials {
    Credentials::new(&keys.access_key_id, &keys.secret_access_key, Some(keys.session_token.clone()), None, "test")
}

/// A client that tries once.
pub(crate) async fn secrets_as(aws: &AwsStandIn, role: &str) -> Client {
    secrets_in(aws, role, REGION).await
}

pub(crate) async fn secrets_in(aws: &AwsStandIn, role: &str, region: &'static str) -> Client {
    let keys = aws.credentials_of(role).await.unwrap();
    let config = aws_sdk_secretsmanager::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(aws.url())
        .region(Region::new(region))
        .credentials_provider(credentials(&keys))
        .retry_config(aws_sdk_secretsmanager::config::retry::RetryConfig::disabled());
    Client::from_conf(config.build())
}

/// A stand-in with a key that the reader's account may use, and a client of the owner.
pub(crate) async fn world() -> (AwsStandIn, Client) {
    let aws = AwsStandIn::without_moto().unwrap();
    aws.add_key(Key::new(OWNER, REGION, ALIAS).admitting(READER));
    let owner = secrets_as(&aws, "arn:aws:iam::111111111111:role/owner").await;
    (aws, owner)
}

/// A token that `CreateSecret` takes.
pub(crate) fn token(digit: char) -> String {
    digit.to_string().repeat(32)
}

/// The code of an error that the service answered with.
pub(crate) fn code<T: std::fmt::Debug, E: ProvideErrorMetadata + std::fmt::Debug, R: std::fmt::Debug>(
    result: Result<T, SdkError<E, R>>,
) -> String {
    let error = result.expect_err("it worked");
    let service = error.as_service_error().unwrap_or_else(|| panic!("{error:?}"));
    service.code().unwrap_or_else(|| panic!("without a code: {error:?}")).to_owned()
}
