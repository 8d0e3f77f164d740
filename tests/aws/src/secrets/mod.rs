//! Secrets Manager, as its API Reference and User Guide describe it; strict where moto is not.

mod control;
mod input;
mod policy;
mod read;
mod secret;
mod write;

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde_json::Value;

pub use control::{NewSecret, SecretView, Secrets, VersionView};
use input::Input;
pub(crate) use secret::Secret;

use crate::keys::KmsKeys;
use crate::refusal::Refusal;
use crate::roles::{Caller, Roles};

/// Who asks, and what it depends on besides the secrets.
pub(crate) struct Context<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) region: &'a str,
    pub(crate) roles: &'a mut Roles,
    pub(crate) keys: &'a KmsKeys,
}

/// An account and a region.
pub(crate) type Place = (String, String);

/// The secrets of all accounts and regions.
#[derive(Debug, Default)]
pub(crate) struct SecretsManager(pub(crate) BTreeMap<Place, Vec<Secret>>);

pub(crate) type Outcome = Result<Value, Refusal>;

/// What another account can be let in to here. The User Guide lists more ("Access AWS Secrets Manager secrets from a
/// different account"); dzconn has no use for the others, so they are refused.
const ACROSS_ACCOUNTS: [&str; 2] = ["GetSecretValue", "DescribeSecret"];

impl SecretsManager {
    /// Answers a call.
    pub(crate) fn answer(&mut self, context: &mut Context<'_>, operation: &str, body: &[u8]) -> Outcome {
        let input = Input::parse(body)?;
        match operation {
            "CreateSecret" => self.create_secret(context, &input),
            "PutSecretValue" => self.put_secret_value(context, &input),
            "UpdateSecret" => self.update_secret(context, &input),
            "UpdateSecretVersionStage" => self.update_secret_version_stage(context, &input),
            "DeleteSecret" => self.delete_secret(context, &input),
            "RestoreSecret" => self.restore_secret(context, &input),
            "TagResource" => self.tag_resource(context, &input),
            "UntagResource" => self.untag_resource(context, &input),
            "GetSecretValue" => self.get_secret_value(context, &input),
            "DescribeSecret" => self.describe_secret(context, &input),
            "ListSecrets" => self.list_secrets(context, &input),
            "ListSecretVersionIds" => self.list_secret_version_ids(context, &input),
            "PutResourcePolicy" => self.put_resource_policy(context, &input),
            "GetResourcePolicy" => self.get_resource_policy(context, &input),
            "DeleteResourcePolicy" => self.delete_resource_policy(context, &input),
            _ => Err(Refusal::bad("UnknownOperationException", format!("{operation} is not stood in for"))),
        }
    }

    /// The secret that a `SecretId` means to this caller, who may do this with it.
    fn secret(&mut self, context: &Context<'_>, input: &Input, operation: &str) -> Result<&mut Secret, Refusal> {
        let id = input.required("SecretId")?;
        let own = &context.caller.account;
        let (account, found) = if id.starts_with("arn:") {
            let Some((region, account)) = place_of(id) else {
                return Err(Refusal::bad("ValidationException", format!("Invalid ARN: {id}")));
            };
            let here = region == context.region;
            let secrets = self.0.get_mut(&(account.to_owned(), region.to_owned())).filter(|_| here);
            let mut secrets = secrets.into_iter().flatten();
            let partial = account == own;
            (account, secrets.find(|secret| secret.arn == id || (partial && secret.partial_arn() == id)))
        } else {
            let secrets = self.0.get_mut(&(own.clone(), context.region.to_owned()));
            (&**own, secrets.into_iter().flatten().find(|secret| secret.name == id))
        };
        let denied = || Err(denied(context.caller, operation, id));
        if account != own {
            let allowed = ACROSS_ACCOUNTS.contains(&operation);
            return match found {
                Some(secret) if allowed && secret.policy_allows(context.caller, operation) => Ok(secret),
                _ => denied(),
            };
        }
        match found {
            Some(secret) if secret.policy_denies(context.caller, operation) => denied(),
            Some(secret) => Ok(secret),
            None => Err(Refusal::bad("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")),
        }
    }

    /// As [`Self::secret`], and it is not about to be deleted.
    fn live(&mut self, context: &Context<'_>, input: &Input, operation: &str) -> Result<&mut Secret, Refusal> {
        let secret = self.secret(context, input, operation)?;
        if secret.deletion.is_some() {
            let message = "You can't perform this operation on the secret because it was marked for deletion.";
            return Err(Refusal::bad("InvalidRequestException", message));
        }
        Ok(secret)
    }
}

/// Region and account of a secret's ARN.
fn place_of(arn: &str) -> Option<(&str, &str)> {
    let (region, rest) = arn.strip_prefix("arn:aws:secretsmanager:")?.split_once(':')?;
    let (account, name) = rest.split_once(":secret:")?;
    (crate::roles::is_account(account) && !region.is_empty() && !name.is_empty()).then_some((region, account))
}

fn denied(caller: &Caller, operation: &str, resource: &str) -> Refusal {
    let message = format!(
        "User: {} is not authorized to perform: secretsmanager:{operation} on resource: {resource} because no \
         resource-based policy allows the secretsmanager:{operation} action",
        caller.arn()
    );
    Refusal::bad("AccessDeniedException", message)
}

/// The time as this protocol writes it: seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}
