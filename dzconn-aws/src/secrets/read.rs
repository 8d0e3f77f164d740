//! Reading.

use std::collections::HashMap;

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::operation::get_secret_value::builders::GetSecretValueFluentBuilder;
use aws_sdk_secretsmanager::types::{Filter, FilterNameStringType};
use dzconn_core::model::{Credentials, SecretId, SecretName};
use dzconn_core::store::{SecretVersion, Slot, StoredSecret};
use dzconn_core::{Error, ErrorKind, Result, Secret};

use super::arn::SecretArn;
use super::{CURRENT, INVALID_REQUEST, NOT_FOUND, PENDING, PREVIOUS, SERVICE, SecretsManager};
use crate::error::{code_of, from_sdk, from_sdk_quietly, is_of_role};

/// What stands under a name between its creation by a burn and its deletion. It is no secret, and reads as burnt already.
pub(super) const USED_UP: &str = r#"{"dzconn":"this name is used up"}"#;

/// How often a value is read again that was replaced while it was looked at.
const ATTEMPTS: usize = 4;

/// A value that was read.
pub(super) struct Value {
    pub(super) arn: String,
    version: String,
    /// `None` for a binary one.
    pub(super) text: Option<Secret>,
}

/// What reading a value came to.
pub(super) enum Found {
    Value(Value),
    /// No such secret; or one without a value, which is told apart where it matters.
    Absent,
    /// It is not in a state to be read: most likely, it is being deleted.
    Refused(Error),
}

/// What a secret is besides its value.
pub(super) struct Description {
    /// Whether it is scheduled for deletion.
    pub(super) deleted: bool,
    /// The labels of each version that has any.
    stages: HashMap<String, Vec<String>>,
}

impl Description {
    /// Whether a version carries a label.
    pub(super) fn carries(&self, version: &str, label: &str) -> bool {
        self.stages.get(version).is_some_and(|labels| labels.iter().any(|is| is == label))
    }

    /// The version that waits. One that was in force already does not, whoever left the label there.
    fn pending_besides(&self, current: &str) -> Option<SecretVersion> {
        let waits = |version: &&String| {
            *version != current && self.carries(version, PENDING) && !self.carries(version, PREVIOUS)
        };
        self.stages.keys().find(waits).map(SecretVersion::new)
    }
}

/// One call. The label is named although it is the default: for a version that got it by a move, not every stand-in knows that.
pub(super) async fn get(client: &Client, id: &str) -> Result<Found> {
    found(id, client.get_secret_value().secret_id(id).version_stage(CURRENT)).await
}

/// One call, for a version whether it is in force or not.
pub(super) async fn get_version(client: &Client, id: &str, version: &str) -> Result<Found> {
    found(id, client.get_secret_value().secret_id(id).version_id(version)).await
}

async fn found(id: &str, call: GetSecretValueFluentBuilder) -> Result<Found> {
    let answer = match call.send().await {
        Ok(answer) => answer,
        Err(error) => {
            return match code_of(&error) {
                Some(NOT_FOUND) => Ok(Found::Absent),
                code => {
                    let refused = code == Some(INVALID_REQUEST);
                    let error = from_sdk_quietly(SERVICE, &format!("GetSecretValue of {id}"), &error);
                    if refused { Ok(Found::Refused(error)) } else { Err(error) }
                }
            };
        }
    };
    let lacks = |what: &str| Error::new(ErrorKind::Unexpected, format!("{SERVICE} answered {id} without {what}"));
    Ok(Found::Value(Value {
        arn: answer.arn.ok_or_else(|| lacks("its ARN"))?,
        version: answer.version_id.ok_or_else(|| lacks("a version"))?,
        text: answer.secret_string.map(Secret::new),
    }))
}

/// What a value is, as a slot.
pub(super) fn slot_of(name: &str, value: Value) -> Result<Slot> {
    let Value { arn, version, text } = value;
    let text = text.ok_or_else(|| invalid(name, "holds bytes instead of text"))?;
    if text.expose() == USED_UP {
        return Ok(Slot::Burnt);
    }
    let credentials = Credentials::from_json(&text).map_err(|error| about(name, &error))?;
    let id = SecretId::new(arn)?;
    Ok(Slot::Live(Box::new(StoredSecret { id, version: SecretVersion::new(version), credentials, pending: None })))
}

pub(super) fn invalid(name: &str, what: &str) -> Error {
    Error::new(ErrorKind::SecretInvalid, format!("the secret {what}: {name}"))
        .advise("its value must be a JSON object with engine, host, port, dbname, username and password")
}

/// The same error, with the secret's name.
fn about(name: &str, error: &Error) -> Error {
    let named = Error::new(error.kind(), format!("{}: {name}", error.detail()));
    match error.advice() {
        Some(advice) => named.advise(advice),
        None => named,
    }
}

impl SecretsManager {
    /// What is scheduled for deletion is not listed. The list may be five minutes behind, and a filter by name is one by prefix
    /// (`ListSecrets` in the API reference).
    pub(super) async fn list_names(&self, prefix: &str) -> Result<Vec<SecretName>> {
        let filter = Filter::builder().key(FilterNameStringType::Name).values(prefix).build();
        let mut pages = self.client.list_secrets().filters(filter).max_results(100).into_paginator().send();
        let mut names = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| from_sdk(SERVICE, "ListSecrets", error))?;
            for entry in page.secret_list.unwrap_or_default() {
                match entry.name {
                    Some(name) if entry.deleted_date.is_none() && name.starts_with(prefix) => {
                        names.push(SecretName::new(name)?);
                    }
                    _ => {}
                }
            }
        }
        Ok(names)
    }

    pub(super) async fn read_slot(&self, name: &SecretName) -> Result<Slot> {
        match get(&self.client, name.as_str()).await? {
            Found::Value(value) => slot_of(name.as_str(), value),
            Found::Absent => Ok(Slot::Empty),
            Found::Refused(error) => self.burnt_or(&self.client, name.as_str(), error).await,
        }
    }

    /// The value and its labels are read in two calls. Only if the value is still current in the second have both been true at
    /// one instant: a rotation that ended in between would otherwise look like none.
    pub(super) async fn inspect_slot(&self, name: &SecretName) -> Result<Slot> {
        for _ in 0..ATTEMPTS {
            let mut secret = match self.read_slot(name).await? {
                Slot::Live(secret) => secret,
                other => return Ok(other),
            };
            match describe(&self.client, name.as_str()).await? {
                // It was there a moment ago.
                None | Some(Description { deleted: true, .. }) => return Ok(Slot::Burnt),
                Some(description) if description.carries(secret.version.as_str(), CURRENT) => {
                    secret.pending = description.pending_besides(secret.version.as_str());
                    return Ok(Slot::Live(secret));
                }
                Some(_) => {}
            }
        }
        Err(Error::new(ErrorKind::Contention, format!("the secret is being replaced all the time: {name}")))
    }

    /// A secret of another account may not be described by its readers. There, Secrets Manager answers
    /// `InvalidRequestException` through the recovery window, because the policy is still in place; and when the secret is gone for
    /// good, so is the policy: that is refused like any secret that is not shared.
    pub(super) async fn read_by_arn(&self, id: &SecretId) -> Result<Slot> {
        let text = id.as_str();
        let arn = SecretArn::parse(text)?;
        let client = self.client_in(arn.region);
        let own = arn.account == self.owner.account.as_str();
        let found = get(&client, text).await.map_err(|error| match error.kind() {
            ErrorKind::StoreDenied if !own && !is_of_role(&error) => error.advise(
                "the secret's resource policy, the policy of the key that encrypts it, and the role's own policies must all let this role read it; or the secret was deleted for good",
            ),
            _ => error,
        })?;
        match found {
            // An ARN without its last six characters finds a secret too, and so may the ARN of a deleted one.
            Found::Value(value) if value.arn != text => {
                Err(Error::new(ErrorKind::InvalidInput, format!("{text} is not the full ARN of a secret")))
            }
            Found::Value(value) => slot_of(text, value),
            Found::Refused(error) if own => self.burnt_or(&client, text, error).await,
            Found::Refused(_) | Found::Absent => Ok(Slot::Burnt),
        }
    }

    /// Tells a secret that is being deleted from one that is refused for another reason.
    pub(super) async fn burnt_or(&self, client: &Client, id: &str, refused: Error) -> Result<Slot> {
        match describe(client, id).await? {
            // The recovery window ended between the calls.
            None | Some(Description { deleted: true, .. }) => Ok(Slot::Burnt),
            Some(_) => {
                Err(refused
                    .advise("the secret is not being deleted: see whether its key is enabled, and who manages it"))
            }
        }
    }
}

/// `None` if there is no such secret. One that is being deleted is described.
pub(super) async fn describe(client: &Client, id: &str) -> Result<Option<Description>> {
    match client.describe_secret().secret_id(id).send().await {
        Ok(answer) => Ok(Some(Description {
            deleted: answer.deleted_date.is_some(),
            stages: answer.version_ids_to_stages.unwrap_or_default(),
        })),
        Err(error) if code_of(&error) == Some(NOT_FOUND) => Ok(None),
        Err(error) => Err(from_sdk(SERVICE, &format!("DescribeSecret of {id}"), error)),
    }
}
