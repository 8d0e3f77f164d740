//! Calls that read secrets, and their policies.

use serde_json::{Map, Value, json};

use super::input::{Content, Input, violation};
use super::policy::Policy;
use super::secret::{CURRENT, Secret, Version};
use super::write::may_use_key;
use super::{Context, Outcome, SecretsManager};
use crate::refusal::Refusal;

impl SecretsManager {
    pub(super) fn get_secret_value(&mut self, context: &Context<'_>, input: &Input) -> Outcome {
        let (id, stage) = (input.text("VersionId")?, input.text("VersionStage")?);
        let secret = self.live(context, input, "GetSecretValue")?;
        let version = chosen(secret, id, stage)?;
        may_use_key(context, secret)?;
        let (member, value) = match &version.content {
            Content::Text(text) => ("SecretString", text),
            Content::Binary(text) => ("SecretBinary", text),
        };
        let mut answer = secret.named();
        answer.insert("VersionId".to_owned(), json!(version.id));
        answer.insert("VersionStages".to_owned(), json!(version.stages));
        answer.insert("CreatedDate".to_owned(), json!(version.created));
        answer.insert(member.to_owned(), json!(value));
        Ok(Value::Object(answer))
    }

    pub(super) fn describe_secret(&mut self, context: &Context<'_>, input: &Input) -> Outcome {
        let secret = self.secret(context, input, "DescribeSecret")?;
        Ok(Value::Object(secret.described("VersionIdsToStages")))
    }

    pub(super) fn list_secret_version_ids(&mut self, context: &Context<'_>, input: &Input) -> Outcome {
        let all = input.flag("IncludeDeprecated")?;
        let secret = self.secret(context, input, "ListSecretVersionIds")?;
        let versions = secret.versions.iter().filter(|version| all || !version.stages.is_empty());
        let entry = |version: &Version| {
            let Version { id, stages, created, .. } = version;
            json!({ "VersionId": id, "VersionStages": stages, "CreatedDate": created })
        };
        let versions: Vec<Value> = versions.map(entry).collect();
        Ok(json!({ "ARN": secret.arn, "Name": secret.name, "Versions": versions }))
    }

    pub(super) fn list_secrets(&mut self, context: &Context<'_>, input: &Input) -> Outcome {
        let planned = input.flag("IncludePlannedDeletion")?;
        let filters = input.list("Filters")?.unwrap_or_default();
        let size = match input.number("MaxResults")? {
            None => 100,
            Some(size @ 1..=100) => usize::try_from(size).unwrap_or(100),
            Some(_) => return Err(violation("maxResults", "Member must be between 1 and 100")),
        };
        let from = match input.text("NextToken")? {
            None => 0,
            Some(token) => token
                .parse()
                .map_err(|_| Refusal::bad("InvalidNextTokenException", "The NextToken value is invalid."))?,
        };
        let secrets = self.0.get(&(context.caller.account.clone(), context.region.to_owned()));
        let mut found = Vec::new();
        for secret in secrets.into_iter().flatten() {
            if (planned || secret.deletion.is_none()) && all_match(&filters, secret)? {
                found.push(Value::Object(secret.described("SecretVersionsToStages")));
            }
        }
        let next = (from + size < found.len()).then(|| (from + size).to_string());
        let page: Vec<Value> = found.into_iter().skip(from).take(size).collect();
        let mut answer = Map::new();
        answer.insert("SecretList".to_owned(), Value::Array(page));
        if let Some(next) = next {
            answer.insert("NextToken".to_owned(), json!(next));
        }
        Ok(Value::Object(answer))
    }

    pub(super) fn put_resource_policy(&mut self, context: &mut Context<'_>, input: &Input) -> Outcome {
        let text = input.required("ResourcePolicy")?;
        if text.chars().count() > 20_480 {
            return Err(violation("resourcePolicy", "Member must have length less than or equal to 20480"));
        }
        let block_public = input.flag("BlockPublicPolicy")?;
        let policy = Policy::parse(text, context.roles)?;
        if block_public && policy.is_public() {
            let message = "The BlockPublicPolicy parameter is set and the resource policy allows broad access to the \
                           secret.";
            return Err(Refusal::bad("PublicPolicyException", message));
        }
        let secret = self.live(context, input, "PutResourcePolicy")?;
        secret.policy = Some(policy);
        Ok(Value::Object(secret.named()))
    }

    pub(super) fn get_resource_policy(&mut self, context: &mut Context<'_>, input: &Input) -> Outcome {
        let secret = self.live(context, input, "GetResourcePolicy")?;
        let mut answer = secret.named();
        if let Some(policy) = &secret.policy {
            answer.insert("ResourcePolicy".to_owned(), json!(policy.shown(context.roles)));
        }
        Ok(Value::Object(answer))
    }

    pub(super) fn delete_resource_policy(&mut self, context: &Context<'_>, input: &Input) -> Outcome {
        let secret = self.live(context, input, "DeleteResourcePolicy")?;
        secret.policy = None;
        Ok(Value::Object(secret.named()))
    }
}

/// The version that a reader wants: the current one where neither id nor label is given.
fn chosen<'a>(secret: &'a Secret, id: Option<&str>, stage: Option<&str>) -> Result<&'a Version, Refusal> {
    let missing = |what: String| {
        let message = format!("Secrets Manager can't find the specified secret value for {what}");
        Refusal::bad("ResourceNotFoundException", message)
    };
    let Some(id) = id else {
        let stage = stage.unwrap_or(CURRENT);
        return secret.staged(stage).ok_or_else(|| missing(format!("staging label: {stage}")));
    };
    let version = secret.version(id).ok_or_else(|| missing(format!("VersionId: {id}")))?;
    match stage {
        Some(stage) if !version.stages.contains(stage) => Err(Refusal::bad(
            "InvalidRequestException",
            "You provided a VersionStage that is not associated to the provided VersionId.",
        )),
        _ => Ok(version),
    }
}

/// "Filter": values are prefixes, one of which must fit; `!` before a value turns it round.
fn all_match(filters: &[Value], secret: &Secret) -> Result<bool, Refusal> {
    for filter in filters {
        let key = filter.get("Key").and_then(Value::as_str).unwrap_or_default();
        let candidates: Vec<&str> = match key {
            "name" => vec![&secret.name],
            "description" => secret.description.iter().map(String::as_str).collect(),
            "tag-key" => secret.tags.keys().map(String::as_str).collect(),
            "tag-value" => secret.tags.values().map(String::as_str).collect(),
            _ => return Err(violation("filters", "Member must satisfy enum value set")),
        };
        let values = filter.get("Values").and_then(Value::as_array).cloned().unwrap_or_default();
        let fits = |value: &Value| {
            let text = value.as_str().unwrap_or_default();
            match text.strip_prefix('!') {
                Some(prefix) => !candidates.iter().any(|candidate| candidate.starts_with(prefix)),
                None => candidates.iter().any(|candidate| candidate.starts_with(text)),
            }
        };
        if !values.iter().any(fits) {
            return Ok(false);
        }
    }
    Ok(true)
}
