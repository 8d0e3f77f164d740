//! Secrets that are not dzconn's own: what a connection names as its credentials.

use aws_sdk_secretsmanager::Client;
use dzconn_core::{Error, ErrorKind, Result, Secret};

use super::arn::SecretArn;
use super::read::{Found, Value, get, invalid};
use super::{INVALID_REQUEST, SERVICE, in_region};

/// The text of any secret, by name or ARN, its region being the ARN's: what a connection names as its credentials.
///
/// # Errors
/// [`ErrorKind::NotFound`] if there is no such secret, [`ErrorKind::SecretGone`] if it is being deleted,
/// [`ErrorKind::StoreDenied`] if it, or its key, is not for the caller, [`ErrorKind::SecretInvalid`] if it holds bytes. No error
/// quotes it.
pub(crate) async fn admin_secret(client: &Client, id: &str) -> Result<Secret> {
    let own = client.config().region().map(|region| region.as_ref().to_owned());
    let found = match SecretArn::find(id) {
        Some(arn) if Some(arn.region) != own.as_deref() => get(&in_region(client, arn.region), id).await?,
        _ => get(client, id).await?,
    };
    match found {
        Found::Value(Value { text: Some(text), .. }) => Ok(text),
        Found::Value(_) => Err(invalid(id, "holds bytes instead of text")),
        Found::Absent => Err(Error::new(ErrorKind::NotFound, format!("there is no secret {id}"))
            .advise("check the secret that the connection names, and its region")),
        // "GetSecretValue" of the API reference: of the reasons for this code, only the deletion concerns a read.
        Found::Refused(_) => Err(Error::new(ErrorKind::SecretGone, format!("the secret {id} is being deleted"))
            .vendor(format!("{SERVICE} {INVALID_REQUEST}"))
            .advise("restore it, or give the connection another one")),
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_secretsmanager::config::retry::RetryConfig;
    use aws_sdk_secretsmanager::config::{Config, Credentials, Region};
    use aws_sdk_secretsmanager::primitives::Blob;
    use dzconn_test_aws::{AwsStandIn, Effect, Fault, Key, NewSecret};

    use super::*;

    const ACCOUNT: &str = "111111111111";

    async fn client(aws: &AwsStandIn, region: &str) -> Client {
        let keys = aws.credentials_for(ACCOUNT).await.unwrap();
        let keys = Credentials::new(keys.access_key_id, keys.secret_access_key, Some(keys.session_token), None, "test");
        let config = Config::builder().behavior_version_latest().endpoint_url(aws.url()).credentials_provider(keys);
        Client::from_conf(config.region(Region::new(region.to_owned())).retry_config(RetryConfig::disabled()).build())
    }

    /// As RDS makes them: a name of its own, only these two members, under AWS's key.
    const MANAGED: &str = r#"{"username":"admin","password":"hunter2"}"#;

    #[tokio::test]
    async fn a_secret_that_rds_manages_is_read_by_name_and_by_arn_from_any_region() {
        let aws = AwsStandIn::without_moto().unwrap();
        let new = NewSecret::new("rds!db-0a1b2c3d", MANAGED).tag("aws:secretsmanager:owningService", "rds");
        let arn = aws.secrets(ACCOUNT, "us-east-1").put(&new).unwrap();
        let near = client(&aws, "us-east-1").await;
        for id in ["rds!db-0a1b2c3d", &arn] {
            assert_eq!(admin_secret(&near, id).await.unwrap().expose(), MANAGED, "{id}");
        }
        let far = client(&aws, "eu-west-1").await;
        assert_eq!(admin_secret(&far, &arn).await.unwrap().expose(), MANAGED);
        assert_eq!(admin_secret(&far, "rds!db-0a1b2c3d").await.unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(aws.count("secretsmanager", "GetSecretValue"), 4, "one call each");
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_told_apart_and_not_quoted() {
        let aws = AwsStandIn::without_moto().unwrap();
        aws.add_key(Key::new(ACCOUNT, "eu-west-1", "alias/k"));
        let secrets = aws.secrets(ACCOUNT, "eu-west-1");
        for name in ["live", "deleted", "bytes"] {
            secrets.put(&NewSecret::new(name, MANAGED)).unwrap();
        }
        secrets.put(&NewSecret::new("locked", MANAGED).key("alias/k")).unwrap();
        aws.remove_key(ACCOUNT, "eu-west-1", "alias/k");
        assert!(secrets.delete("deleted"));
        let client = client(&aws, "eu-west-1").await;
        client.put_secret_value().secret_id("bytes").secret_binary(Blob::new(b"hunter2")).send().await.unwrap();
        let foreign = "arn:aws:secretsmanager:eu-west-1:222222222222:secret:theirs-AbCdEf";
        for (id, wanted) in [
            ("absent", ErrorKind::NotFound),
            ("deleted", ErrorKind::SecretGone),
            ("bytes", ErrorKind::SecretInvalid),
            ("locked", ErrorKind::StoreDenied),
            (foreign, ErrorKind::StoreDenied),
        ] {
            let error = admin_secret(&client, id).await.unwrap_err();
            assert_eq!(error.kind(), wanted, "{id}: {error}");
            assert!(error.detail().contains(id) && error.advice().is_some(), "{error:?}");
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
        aws.fail(Fault::new(Effect::Throttled));
        assert_eq!(admin_secret(&client, "live").await.unwrap_err().kind(), ErrorKind::Throttled);
        aws.fail(Fault::new(Effect::Failed));
        assert_eq!(admin_secret(&client, "live").await.unwrap_err().kind(), ErrorKind::StoreFailed);
    }
}
