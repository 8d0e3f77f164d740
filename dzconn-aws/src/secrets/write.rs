//! Creating, replacing, burning.

use aws_sdk_secretsmanager::types::Tag;
use dzconn_core::model::{Credentials, SecretId, SecretName, SecretTags};
use dzconn_core::store::{NewSecret, SecretVersion, Slot, StoredSecret, WriteOutcome};
use dzconn_core::{Error, ErrorKind, Result, Secret};
use rand::random;

use super::read::{USED_UP, describe, invalid};
use super::{
    CANNOT_ENCRYPT, CURRENT, EXISTS, INVALID_PARAMETER, INVALID_REQUEST, NOT_FOUND, PREVIOUS, SERVICE, SecretsManager,
};
use crate::error::{code_of, from_sdk, from_sdk_quietly};

/// The label under which a new value waits to become the current one. One label for all writers: a later writer takes it over,
/// so at most one is left behind, whoever died.
const NEXT: &str = "dzconn-next";

/// How often something is tried again that another caller got in the way of. Names go one way only (empty, live, burnt), so
/// that is not often.
const ATTEMPTS: usize = 6;

/// What `CreateSecret` came to.
enum Made {
    Fresh { arn: String, version: String },
    Exists,
    Refused(Error),
}

impl SecretsManager {
    pub(super) async fn create_secret(&self, name: &SecretName, secret: &NewSecret) -> Result<Slot> {
        let text = secret.credentials.to_json();
        let (token, tags) = (token(), tags(name, &secret.tags));
        for _ in 0..ATTEMPTS {
            let slot = match self.make(name, &token, &text, &tags).await? {
                Made::Fresh { arn, version } => {
                    // As it will be read: mariadb is written as mysql.
                    let credentials = Credentials::from_json(&text)?;
                    let (id, version) = (SecretId::new(arn)?, SecretVersion::new(version));
                    return Ok(Slot::Live(Box::new(StoredSecret { id, version, credentials, pending: None })));
                }
                Made::Exists => self.read_slot(name).await?,
                Made::Refused(error) => self.burnt_or(&self.client, name.as_str(), error).await?,
            };
            // Taken, and yet nothing to be read there.
            if slot != Slot::Empty {
                return Ok(slot);
            }
        }
        match describe(&self.client, name.as_str()).await? {
            Some(there) if !there.deleted => Err(invalid(name.as_str(), "has no value")),
            _ => Err(in_the_way(name)),
        }
    }

    /// One call. The token makes its repetitions by the SDK one write: an answer that was lost is answered again.
    async fn make(&self, name: &SecretName, token: &str, text: &Secret, tags: &[(&str, String)]) -> Result<Made> {
        let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
        let ours = tags.iter().map(|(key, value)| tag(key, value));
        let tags = ours.chain(self.tags.iter().map(|(key, value)| tag(key, value))).collect();
        let call = self
            .client
            .create_secret()
            .name(name.as_str())
            .client_request_token(token)
            .description("Access that a DataZone subscription gives; kept by dzconn")
            .kms_key_id(&self.kms_key)
            .secret_string(text.expose())
            .set_tags(Some(tags));
        let error = match call.send().await {
            Ok(answer) => {
                let lacks = || Error::new(ErrorKind::Unexpected, format!("{SERVICE} answered {name} without its ARN"));
                return Ok(Made::Fresh {
                    arn: answer.arn.ok_or_else(lacks)?,
                    version: answer.version_id.unwrap_or_else(|| token.to_owned()),
                });
            }
            Err(error) => error,
        };
        let told = from_sdk_quietly(SERVICE, &format!("CreateSecret of {name}"), &error);
        match code_of(&error) {
            Some(EXISTS) => Ok(Made::Exists),
            Some(INVALID_REQUEST) => Ok(Made::Refused(told)),
            // Of a secret that is not there yet, only the key can be missing, and the key is the only parameter that can be
            // configured wrongly.
            Some(code @ (NOT_FOUND | CANNOT_ENCRYPT | INVALID_PARAMETER)) => Err(Error::new(
                ErrorKind::InvalidConfig,
                format!("the key {} cannot encrypt {name}", self.kms_key),
            )
            .vendor(format!("{SERVICE} {code}"))
            .advise(
                "check that the key exists in the secret's account and region and is enabled, and the configured tags",
            )),
            _ => Err(told),
        }
    }

    /// Secrets Manager has no conditional write of a value. It has one of a label: "if the version ID does not match, then the
    /// operation fails" (`RemoveFromVersionId` in "`UpdateSecretVersionStage`" of the API reference). So the value is put down
    /// beside the current one first, as a version of its own, and the label of the current one is moved from `seen` to it.
    ///
    /// # Why this is a compare-and-set
    /// - The first call changes nothing that anybody reads: the version carries our label only. It makes no secret either.
    /// - The second moves the label only if it is on `seen` at that instant. Of several writers over one version, one moves it;
    ///   for the others it is not there any more. A version never gets the label back by `replace`: each call moves it to a
    ///   version with a random id of its own.
    /// - The SDK may repeat either call. The first is idempotent by its token. The second may have worked and its answer may be
    ///   lost; the repetition is then refused like a conflict. So a refusal is looked into: our version was current if, and only
    ///   if, it carries the label of the current version or of the previous one. That is not told for sure only if the answer was
    ///   lost *and* two others have written since; then this one's value is gone anyway, and "conflict" makes the caller look.
    /// - A crash between the calls leaves a version under our label that nobody reads; the next writer takes the label from it.
    ///   Versions without a label are kept for a day ("`PutSecretValue`"): a slower writer that lost it can still move the other.
    pub(super) async fn replace_value(
        &self,
        name: &SecretName,
        seen: &SecretVersion,
        secret: &NewSecret,
    ) -> Result<WriteOutcome> {
        let token = token();
        let text = secret.credentials.to_json();
        let put = self.client.put_secret_value().secret_id(name.as_str()).client_request_token(&token);
        let put = put.version_stages(NEXT).secret_string(text.expose());
        if let Err(error) = put.send().await {
            let told = from_sdk_quietly(SERVICE, &format!("PutSecretValue of {name}"), &error);
            return match code_of(&error) {
                Some(NOT_FOUND) => Ok(WriteOutcome::Conflict),
                Some(INVALID_REQUEST) => {
                    self.burnt_or(&self.client, name.as_str(), told).await.map(|_| WriteOutcome::Conflict)
                }
                _ => Err(told),
            };
        }

        let move_label = self.client.update_secret_version_stage().secret_id(name.as_str()).version_stage(CURRENT);
        let move_label = move_label.remove_from_version_id(seen.as_str()).move_to_version_id(&token);
        let Err(error) = move_label.send().await else { return Ok(WriteOutcome::Written) };
        let code = code_of(&error).map(str::to_owned);
        let told = from_sdk(SERVICE, &format!("UpdateSecretVersionStage of {name}"), error);
        match code.as_deref() {
            Some(INVALID_REQUEST) => {
                self.burnt_or(&self.client, name.as_str(), told).await.map(|_| WriteOutcome::Conflict)
            }
            Some(INVALID_PARAMETER | NOT_FOUND) => {
                let there = describe(&self.client, name.as_str()).await?;
                let was_current = |label| there.as_ref().is_some_and(|there| there.carries(&token, label));
                let written = was_current(CURRENT) || was_current(PREVIOUS);
                Ok(if written { WriteOutcome::Written } else { WriteOutcome::Conflict })
            }
            _ => Err(told),
        }
    }

    /// A name is used up by a secret that is being deleted: `CreateSecret` refuses it through the recovery window. Where there is
    /// nothing to delete, something is made first, and that reads as burnt at once: a run that dies in between leaves no name
    /// behind that looks alive. When the window has passed the name could be had again; but names are random, and no call is
    /// under way for a week.
    pub(super) async fn burn_name(&self, name: &SecretName) -> Result<()> {
        let mut shares = self.shares.of(name).await;
        shares.forget(name);
        let (token, text) = (token(), Secret::new(USED_UP.to_owned()));
        for _ in 0..ATTEMPTS {
            let delete = self.client.delete_secret().secret_id(name.as_str());
            let Err(error) = delete.recovery_window_in_days(self.recovery_window).send().await else { return Ok(()) };
            let code = code_of(&error).map(str::to_owned);
            let told = from_sdk(SERVICE, &format!("DeleteSecret of {name}"), error);
            let refused = match code.as_deref() {
                Some(NOT_FOUND) => match self.make(name, &token, &text, &[managed()]).await? {
                    Made::Refused(error) => Some(error),
                    Made::Fresh { .. } | Made::Exists => None,
                },
                Some(INVALID_REQUEST) => Some(told),
                _ => return Err(told),
            };
            if let Some(error) = refused {
                return self.burnt_or(&self.client, name.as_str(), error).await.map(drop);
            }
        }
        Err(in_the_way(name))
    }
}

fn in_the_way(name: &SecretName) -> Error {
    Error::new(ErrorKind::Contention, format!("others are making and deleting the secret {name}"))
}

/// 32 to 64 characters ("`CreateSecret`" of the API reference); it becomes the version's id.
fn token() -> String {
    format!("{:032x}", random::<u128>())
}

/// That a secret is dzconn's.
fn managed() -> (&'static str, String) {
    ("dzconn:managed", "true".to_owned())
}

/// Whose a secret is, under the keys that its name calls for; see the module's documentation.
pub(super) fn tags(name: &SecretName, tags: &SecretTags) -> Vec<(&'static str, String)> {
    let [domain, project, environment] = if name.as_str().starts_with("dz-conn-c-") {
        ["AmazonDataZoneDomain", "AmazonDataZoneProject", "AmazonDataZoneEnvironment"]
    } else {
        ["dzconn:domain", "dzconn:project", "dzconn:environment"]
    };
    vec![
        managed(),
        (domain, tags.domain.to_string()),
        (project, tags.project.to_string()),
        (environment, tags.environment.to_string()),
    ]
}
