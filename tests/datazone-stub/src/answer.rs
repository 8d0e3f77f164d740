//! Requests taken apart and answers put together, in the REST-JSON protocol of the AWS SDKs.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::{Map, Value, json};

use crate::call::{Fault, Operation};

/// An answer: a status, the type of an error, and a body.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) error: Option<String>,
    pub(crate) body: String,
}

/// An error's answer travels as `Err`.
pub(crate) type Answered = Result<Value, Answer>;

impl Answer {
    pub(crate) fn ok(body: &Value) -> Self {
        Self { status: 200, error: None, body: body.to_string() }
    }

    fn error(status: u16, code: &str, message: impl Into<String>) -> Self {
        let message: String = message.into();
        Self { status, error: Some(code.to_owned()), body: json!({"message": message}).to_string() }
    }

    pub(crate) fn not_found(what: &str, id: &str) -> Self {
        Self::error(404, "ResourceNotFoundException", format!("no {what} {id}"))
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::error(400, "ValidationException", message)
    }

    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::error(409, "ConflictException", message)
    }

    pub(crate) fn unknown() -> Self {
        Self::error(404, "UnknownOperationException", "no such operation")
    }
}

impl From<Fault> for Answer {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Throttled => Self::error(429, "ThrottlingException", "slow down"),
            Fault::Internal => Self::error(500, "InternalServerException", "something broke"),
            Fault::Unavailable => Self { status: 503, error: None, body: String::new() },
            Fault::Denied => Self::error(403, "AccessDeniedException", "not authorized to perform this"),
            Fault::Garbage => Self { status: 200, error: None, body: "<html>".to_owned() },
            Fault::Error(status, code, message) => Self::error(status, &code, message),
        }
    }
}

/// A request, taken apart.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) operation: Operation,
    pub(crate) domain: String,
    /// The ids in the path, after the domain.
    pub(crate) ids: Vec<String>,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) body: Value,
}

/// The operation, the domain and the ids that a path names (API reference, "Request Syntax" of each operation).
pub(crate) fn route(method: &str, path: &str) -> Option<(Operation, String, Vec<String>)> {
    let parts: Vec<String> = path.trim_matches('/').split('/').map(decode).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let ["v2", "domains", domain, rest @ ..] = parts.as_slice() else { return None };
    let (operation, ids): (_, &[&str]) = match (method, rest) {
        ("GET", ["listings", id]) => (Operation::GetListing, &[*id]),
        ("GET", ["assets", id]) => (Operation::GetAsset, &[*id]),
        ("GET", ["projects"]) => (Operation::ListProjects, &[]),
        ("GET", ["projects", id]) => (Operation::GetProject, &[*id]),
        ("GET", ["environments"]) => (Operation::ListEnvironments, &[]),
        ("GET", ["environments", id]) => (Operation::GetEnvironment, &[*id]),
        ("GET", ["environments", id, "subscription-targets"]) => (Operation::ListSubscriptionTargets, &[*id]),
        ("GET", ["environment-blueprints", id]) => (Operation::GetEnvironmentBlueprint, &[*id]),
        ("GET", ["environment-profiles", id]) => (Operation::GetEnvironmentProfile, &[*id]),
        ("GET", ["subscriptions"]) => (Operation::ListSubscriptions, &[]),
        ("GET", ["subscriptions", id]) => (Operation::GetSubscription, &[*id]),
        ("GET", ["subscription-requests", id]) => (Operation::GetSubscriptionRequestDetails, &[*id]),
        ("GET", ["subscription-grants"]) => (Operation::ListSubscriptionGrants, &[]),
        ("GET", ["subscription-grants", id]) => (Operation::GetSubscriptionGrant, &[*id]),
        ("POST", ["subscription-grants"]) => (Operation::CreateSubscriptionGrant, &[]),
        ("PATCH", ["subscription-grants", id, "status", asset]) => {
            (Operation::UpdateSubscriptionGrantStatus, &[*id, *asset])
        }
        _ => return None,
    };
    Some((operation, (*domain).to_owned(), ids.iter().map(|id| (*id).to_owned()).collect()))
}

/// `%XX` as the byte that it stands for.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escaped = || {
            let digits = std::str::from_utf8(after.get(..2)?).ok()?;
            u8::from_str_radix(digits, 16).ok()
        };
        if let Some(byte) = (first == b'%').then(escaped).flatten() {
            bytes.push(byte);
            rest = after.get(2..).unwrap_or_default();
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Asked {
    /// The id at this place of the path, checked.
    pub(crate) fn id(&self, at: usize, name: &str) -> Result<&str, Answer> {
        let id = self.ids.get(at).map(String::as_str).unwrap_or_default();
        checked(name, id)
    }

    /// A query parameter that holds an id.
    pub(crate) fn filter(&self, name: &str) -> Result<Option<&str>, Answer> {
        self.query.get(name).map(|id| checked(name, id)).transpose()
    }

    /// A text out of the body.
    pub(crate) fn text(&self, pointer: &str) -> Option<&str> {
        self.body.pointer(pointer).and_then(Value::as_str)
    }

    /// One page of these items, as the parameters `maxResults` and `nextToken` ask for it. A token belongs to the operation
    /// and the parameters that it was given out for.
    pub(crate) fn page(&self, items: Vec<Value>, most: usize) -> Answered {
        let limit = match self.query.get("maxResults") {
            None => 50,
            Some(text) => match text.parse::<usize>() {
                Ok(limit @ 1..=50) => limit,
                _ => return Err(Answer::invalid("maxResults must be between 1 and 50")),
            },
        };
        let mut hash = DefaultHasher::new();
        (self.operation, &self.domain, &self.ids).hash(&mut hash);
        self.query.iter().filter(|(name, _)| *name != "nextToken").for_each(|pair| pair.hash(&mut hash));
        let stamp = format!("{:016x}", hash.finish());
        let from = match self.query.get("nextToken") {
            None => 0,
            Some(token) => token
                .strip_prefix(&stamp)
                .and_then(|offset| offset.strip_prefix('-')?.parse::<usize>().ok())
                .ok_or_else(|| Answer::invalid("nextToken was given out for another request"))?,
        };
        let end = from.saturating_add(limit.min(most.max(1)));
        let more = end < items.len();
        let items: Vec<Value> = items.into_iter().skip(from).take(end - from).collect();
        let mut body = object(json!({"items": items}));
        if more {
            body.insert("nextToken".to_owned(), format!("{stamp}-{end}").into());
        }
        Ok(Value::Object(body))
    }
}

/// An id as the API reference wants it: `[a-zA-Z0-9_-]{1,36}`.
pub(crate) fn checked<'a>(name: &str, id: &'a str) -> Result<&'a str, Answer> {
    if fits(id) { Ok(id) } else { Err(Answer::invalid(format!("{name} must match [a-zA-Z0-9_-]{{1,36}}"))) }
}

/// A domain's id: `dzd[-_][a-zA-Z0-9_-]{1,36}`.
pub(crate) fn checked_domain(id: &str) -> Result<&str, Answer> {
    let rest = id.strip_prefix("dzd-").or_else(|| id.strip_prefix("dzd_"));
    if rest.is_some_and(fits) {
        Ok(id)
    } else {
        Err(Answer::invalid("domainIdentifier must match dzd[-_][a-zA-Z0-9_-]{1,36}"))
    }
}

fn fits(id: &str) -> bool {
    (1..=36).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

pub(crate) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// Leaves out members that have no value, as the service does.
pub(crate) fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => map
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name, without_nulls(value)))
            .collect(),
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        other => other,
    }
}
