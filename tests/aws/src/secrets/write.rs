//! Calls that change secrets.

use serde_json::{Value, json};

use super::input::{Content, Input, violation};
use super::secret::{CURRENT, Encryption, Secret};
use super::{Context, Outcome, SecretsManager, now};
use crate::keys::AWS_MANAGED;
use crate::refusal::Refusal;

const DAY: f64 = 86_400.0;

impl SecretsManager {
    pub(super) fn create_secret(&mut self, asker: &Context<'_>, input: &Input) -> Outcome {
        let name = input.required("Name")?;
        if name.len() > 512 || !name.chars().all(|c| c.is_ascii_alphanumeric() || "/_+=.@-".contains(c)) {
            let message = "Invalid name. Must be a valid name containing alphanumeric characters, or any of the \
                           following: -/_+=.@!";
            return Err(Refusal::bad("ValidationException", message));
        }
        let (token, content, tags) = (input.token()?, input.content()?, input.tags()?);
        let place = (asker.caller.account.clone(), asker.region.to_owned());
        let secrets = self.0.entry(place).or_default();
        if let Some(there) = secrets.iter().find(|secret| secret.name == name) {
            return again(there, token, content.as_ref());
        }
        let encryption = encryption(asker, input.text("KmsKeyId")?)?;
        let now = now();
        let mut secret = Secret::new(&asker.caller.account, asker.region, name, encryption, now);
        secret.description = input.text("Description")?.map(str::to_owned);
        secret.tags = tags;
        let mut answer = secret.named();
        if let Some(content) = content {
            may_use_key(asker, &secret)?;
            secret.add(token, content, &[CURRENT], now);
            answer.insert("VersionId".to_owned(), json!(token));
        }
        secrets.push(secret);
        Ok(Value::Object(answer))
    }

    pub(super) fn put_secret_value(&mut self, asker: &Context<'_>, input: &Input) -> Outcome {
        let token = input.token()?;
        let Some(content) = input.content()? else {
            let message = "You must provide either SecretString or SecretBinary.";
            return Err(Refusal::bad("InvalidRequestException", message));
        };
        let stages = input.texts("VersionStages")?.unwrap_or_else(|| vec![CURRENT.to_owned()]);
        check_stages(&stages)?;
        let secret = self.live(asker, input, "PutSecretValue")?;
        may_use_key(asker, secret)?;
        put(secret, token, content, &stages)?;
        let stages = secret.version(token).map(|version| &version.stages);
        Ok(json!({ "ARN": secret.arn, "Name": secret.name, "VersionId": token, "VersionStages": stages }))
    }

    pub(super) fn update_secret(&mut self, context: &Context<'_>, input: &Input) -> Outcome {
        let value = input.content()?;
        let named = input.text("KmsKeyId")?;
        let key = named.map(|named| encryption(context, Some(named))).transpose()?;
        let secret = self.live(context, input, "UpdateSecret")?;
        let mut answer = secret.named();
        // The value first: it is the part that can fail.
        if let Some(value) = value {
            let token = input.token()?;
            put(secret, token, value, &[CURRENT.to_owned()])?;
            answer.insert("VersionId".to_owned(), json!(token));
        }
        if let Some(key) = key {
            secret.encryption = key;
        }
        if let Some(description) = input.text("Description")? {
            secret.description = Some(description.to_owned());
        }
        secret.changed = now();
        Ok(Value::Object(answer))
    }

    pub(super) fn update_secret_version_stage(&mut self, context: &Context<'_>, input: &Input) -> Outcome {
        let stage = input.required("VersionStage")?;
        check_stages(&[stage.to_owned()])?;
        let (to, from) = (input.text("MoveToVersionId")?, input.text("RemoveFromVersionId")?);
        let secret = self.live(context, input, "UpdateSecretVersionStage")?;
        for id in [to, from].into_iter().flatten() {
            if secret.version(id).is_none() {
                let message = format!("Secrets Manager can't find the specified secret value for VersionId: {id}");
                return Err(Refusal::bad("ResourceNotFoundException", message));
            }
        }
        let invalid = |message: String| Err(Refusal::bad("InvalidParameterException", message));
        let holder = secret.staged(stage).map(|version| version.id.clone());
        if from.is_some() && from != holder.as_deref() {
            return invalid(format!("The version in RemoveFromVersionId does not have the staging label {stage}."));
        }
        match (to, holder.as_deref()) {
            (Some(to), Some(holder)) if holder != to && from.is_none() => {
                return invalid(format!(
                    "The staging label {stage} is currently attached to version {holder}, so you must explicitly \
                     reference that version in RemoveFromVersionId."
                ));
            }
            (Some(to), _) => secret.attach(stage, to),
            (None, _) if stage == CURRENT => {
                return invalid(format!(
                    "You can only move staging label {CURRENT} to a different secret version. It can't be completely \
                     removed."
                ));
            }
            (None, Some(_)) if from.is_some() => secret.detach(stage),
            (None, _) => return invalid("Neither MoveToVersionId nor RemoveFromVersionId is given.".to_owned()),
        }
        secret.changed = now();
        Ok(Value::Object(secret.named()))
    }

    pub(super) fn delete_secret(&mut self, context: &Context<'_>, input: &Input) -> Outcome {
        let invalid = |message: &str| Err(Refusal::bad("InvalidParameterException", message));
        let (days, force) = (input.number("RecoveryWindowInDays")?, input.flag("ForceDeleteWithoutRecovery")?);
        if force && days.is_some() {
            return invalid("You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.");
        }
        let days = match days {
            None => 30,
            Some(days @ 7..=30) => i32::try_from(days).unwrap_or(30),
            Some(_) => {
                return invalid("The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).");
            }
        };
        let now = now();
        let secret = match self.secret(context, input, "DeleteSecret") {
            // "If you forcibly delete an already deleted or nonexistent secret, the operation does not return
            // ResourceNotFoundException."
            Err(refusal) if force && refusal.code == "ResourceNotFoundException" => {
                let id = input.required("SecretId")?;
                return Ok(json!({ "ARN": id, "Name": id, "DeletionDate": now }));
            }
            other => other?,
        };
        if force {
            let (arn, name) = (secret.arn.clone(), secret.name.clone());
            for secrets in self.0.values_mut() {
                secrets.retain(|secret| secret.arn != arn);
            }
            return Ok(json!({ "ARN": arn, "Name": name, "DeletionDate": now }));
        }
        let deletion = *secret.deletion.get_or_insert(now + f64::from(days) * DAY);
        Ok(json!({ "ARN": secret.arn, "Name": secret.name, "DeletionDate": deletion }))
    }

    pub(super) fn restore_secret(&mut self, context: &Context<'_>, input: &Input) -> Outcome {
        let secret = self.secret(context, input, "RestoreSecret")?;
        secret.deletion = None;
        Ok(Value::Object(secret.named()))
    }

    pub(super) fn tag_resource(&mut self, context: &Context<'_>, input: &Input) -> Outcome {
        let tags = input.tags()?;
        let secret = self.live(context, input, "TagResource")?;
        let mut all = secret.tags.clone();
        all.extend(tags);
        if all.len() > 50 {
            return Err(Refusal::bad("InvalidParameterException", "A secret can have at most 50 tags."));
        }
        secret.tags = all;
        Ok(json!({}))
    }

    pub(super) fn untag_resource(&mut self, context: &Context<'_>, input: &Input) -> Outcome {
        let keys = input.texts("TagKeys")?.unwrap_or_default();
        let secret = self.live(context, input, "UntagResource")?;
        secret.tags.retain(|key, _| !keys.contains(key));
        Ok(json!({}))
    }
}

/// `CreateSecret` over a name that is taken. With a token that is known, "if [...] the version `SecretString` and
/// `SecretBinary` values are the same as those in the request, then the request is ignored".
fn again(there: &Secret, token: &str, content: Option<&Content>) -> Outcome {
    if there.deletion.is_some() {
        let message = "You can't create this secret because a secret with this name is already scheduled for deletion.";
        return Err(Refusal::bad("InvalidRequestException", message));
    }
    let Secret { arn, name, .. } = there;
    let exists = |message: String| Err(Refusal::bad("ResourceExistsException", message));
    match there.version(token) {
        Some(version) if Some(&version.content) == content => {
            Ok(json!({ "ARN": arn, "Name": name, "VersionId": token }))
        }
        Some(_) => exists(format!(
            "You can't use ClientRequestToken {token} because that value is already in use for a version of secret {arn}."
        )),
        None => exists(format!("The operation failed because the secret {name} already exists.")),
    }
}

/// "PutSecretValue": repeated with the same token and value it does nothing; with another value it fails.
fn put(secret: &mut Secret, token: &str, content: Content, stages: &[String]) -> Result<(), Refusal> {
    match secret.version(token) {
        Some(version) if version.content == content => Ok(()),
        Some(_) => Err(Refusal::bad(
            "ResourceExistsException",
            "You can't modify an existing version, you can only create a new version.",
        )),
        None => {
            let mut stages: Vec<&str> = stages.iter().map(String::as_str).collect();
            // The first version is the current one, whatever it is called.
            if secret.versions.is_empty() && !stages.contains(&CURRENT) {
                stages.push(CURRENT);
            }
            secret.add(token, content, &stages, now());
            Ok(())
        }
    }
}

fn check_stages(stages: &[String]) -> Result<(), Refusal> {
    let fit = stages.iter().all(|stage| (1..=256).contains(&stage.chars().count()));
    if fit && (1..=20).contains(&stages.len()) { Ok(()) } else { Err(violation("versionStages", "1 to 20 labels")) }
}

fn encryption(context: &Context<'_>, named: Option<&str>) -> Result<Encryption, Refusal> {
    let Some(named) = named.filter(|named| !named.is_empty() && *named != AWS_MANAGED) else {
        return Ok(Encryption::AwsManaged);
    };
    match context.keys.find(named, &context.caller.account, context.region) {
        Some(arn) => Ok(Encryption::Customer { named: named.to_owned(), arn }),
        None => Err(Refusal::bad(
            "InvalidParameterException",
            format!("The operation failed because of an invalid KMS key: Invalid keyId {named}"),
        )),
    }
}

/// The caller's way to the value leads through the key.
pub(super) fn may_use_key(context: &Context<'_>, secret: &Secret) -> Result<(), Refusal> {
    let own = super::place_of(&secret.arn).is_some_and(|(_, account)| account == context.caller.account);
    let admitted = match &secret.encryption {
        Encryption::AwsManaged => own,
        Encryption::Customer { arn, .. } => context.keys.admits(arn, context.caller),
    };
    if admitted { Ok(()) } else { Err(Refusal::bad("AccessDeniedException", "Access to KMS is not allowed")) }
}
