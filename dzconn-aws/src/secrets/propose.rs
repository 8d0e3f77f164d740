//! A value beside the one in force, and how it comes into force.

use dzconn_core::model::{Credentials, SecretId, SecretName};
use dzconn_core::store::{SecretVersion, Slot, StoredSecret, WriteOutcome};
use dzconn_core::{Error, ErrorKind, Result};

use super::read::{Found, describe, get_version, slot_of};
use super::{CURRENT, EXISTS, INVALID_PARAMETER, INVALID_REQUEST, NOT_FOUND, PENDING, SERVICE, SecretsManager};
use crate::error::{code_of, from_sdk, from_sdk_quietly};

impl SecretsManager {
    /// The version's name is the request's token, and it becomes the version's id. `PutSecretValue` of the API reference: with a
    /// token that is known, the same value changes nothing, neither versions nor labels, and another value is refused with
    /// `ResourceExistsException`. So what was put down first stands, and is read then.
    pub(super) async fn propose_version(
        &self,
        name: &SecretName,
        version: &SecretVersion,
        value: &Credentials,
    ) -> Result<Slot> {
        let token = version.as_choice()?;
        let text = value.to_json();
        let put = self.client.put_secret_value().secret_id(name.as_str()).client_request_token(token);
        let error = match put.version_stages(PENDING).secret_string(text.expose()).send().await {
            Ok(answer) => {
                let lacks = || Error::new(ErrorKind::Unexpected, format!("{SERVICE} answered {name} without its ARN"));
                let id = SecretId::new(answer.arn.ok_or_else(lacks)?)?;
                let credentials = Credentials::from_json(&text)?;
                let version = version.clone();
                return Ok(Slot::Live(Box::new(StoredSecret { id, version, credentials, pending: None })));
            }
            Err(error) => error,
        };
        let told = from_sdk_quietly(SERVICE, &format!("PutSecretValue of {name}"), &error);
        match code_of(&error) {
            Some(NOT_FOUND) => Ok(Slot::Empty),
            Some(INVALID_REQUEST) => self.burnt_or(&self.client, name.as_str(), told).await,
            Some(EXISTS) => match get_version(&self.client, name.as_str(), token).await? {
                Found::Value(value) => slot_of(name.as_str(), value),
                Found::Refused(error) => self.burnt_or(&self.client, name.as_str(), error).await,
                // It was there a moment ago: gone with its secret, whose recovery window ended.
                Found::Absent => Ok(Slot::Burnt),
            },
            _ => Err(told),
        }
    }

    /// The label of the current version moves only if it is on `seen` at that instant, as in
    /// [`replace_value`](Self::replace_value); the same call moves `AWSPREVIOUS`. A refusal may be that of a repetition whose first
    /// answer was lost, so it is looked into. The label of the pending version goes last: whoever dies in between leaves it on the
    /// current version, where it means nothing, and the next proposal takes it from there.
    pub(super) async fn promote_version(
        &self,
        name: &SecretName,
        seen: &SecretVersion,
        version: &SecretVersion,
    ) -> Result<WriteOutcome> {
        let move_label = self.client.update_secret_version_stage().secret_id(name.as_str()).version_stage(CURRENT);
        let move_label = move_label.remove_from_version_id(seen.as_str()).move_to_version_id(version.as_str());
        if let Err(error) = move_label.send().await {
            let code = code_of(&error).map(str::to_owned);
            let told = from_sdk(SERVICE, &format!("UpdateSecretVersionStage of {name}"), error);
            match code.as_deref() {
                Some(INVALID_REQUEST) => {
                    return self.burnt_or(&self.client, name.as_str(), told).await.map(|_| WriteOutcome::Conflict);
                }
                Some(INVALID_PARAMETER | NOT_FOUND) => {
                    let there = describe(&self.client, name.as_str()).await?.filter(|there| !there.deleted);
                    match there {
                        Some(there) if there.carries(version.as_str(), CURRENT) => {
                            if !there.carries(version.as_str(), PENDING) {
                                return Ok(WriteOutcome::Written);
                            }
                        }
                        _ => return Ok(WriteOutcome::Conflict),
                    }
                }
                _ => return Err(told),
            }
        }

        let unlabel = self.client.update_secret_version_stage().secret_id(name.as_str()).version_stage(PENDING);
        let Err(error) = unlabel.remove_from_version_id(version.as_str()).send().await else {
            return Ok(WriteOutcome::Written);
        };
        match code_of(&error) {
            // A later proposal has it, or the secret was deleted since.
            Some(INVALID_PARAMETER | NOT_FOUND | INVALID_REQUEST) => Ok(WriteOutcome::Written),
            _ => Err(from_sdk(SERVICE, &format!("UpdateSecretVersionStage of {name}"), error)),
        }
    }
}
