//! The tags of Lake Formation: moto fails on databases without any, forgets other tags, and removes nothing twice.
//!
//! Keys and values are stored in lower case, as Lake Formation does ("Lake Formation tag-based access control best practices and
//! considerations", Developer Guide), and compared without case.
//!
//! What the API reference leaves open is decided here: a tag that a resource has not got fails within the answer to its removal.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::refusal::Refusal;

/// The tags of one account and region.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lake {
    /// Tags, with the values that they may have.
    pub(crate) tags: BTreeMap<String, BTreeSet<String>>,
    /// Databases, with the value of each tag.
    pub(crate) databases: BTreeMap<String, BTreeMap<String, String>>,
}

/// All accounts and regions.
pub(crate) type Lakes = BTreeMap<(String, String), Lake>;

const NOT_FOUND: &str = "EntityNotFoundException";

impl Lake {
    /// An operation's answer; `None`: it is not answered here.
    pub(crate) fn answer(&mut self, account: &str, operation: &str, body: &[u8]) -> Option<Result<Value, Refusal>> {
        let operation = operation.strip_prefix("POST /")?;
        let request: Value = serde_json::from_slice(body).ok()?;
        let database = request.pointer("/Resource/Database/Name").and_then(Value::as_str)?;
        if !["GetResourceLFTags", "AddLFTagsToResource", "RemoveLFTagsFromResource"].contains(&operation) {
            return None;
        }
        let Some(has) = self.databases.get_mut(database) else {
            return Some(Err(Refusal::bad(NOT_FOUND, format!("Database {database} not found."))));
        };
        if operation == "GetResourceLFTags" {
            let tag =
                |(key, value): (&String, &String)| json!({"CatalogId": account, "TagKey": key, "TagValues": [value]});
            let tags: Vec<_> = has.iter().map(tag).collect();
            // A member without elements is left out.
            return Some(Ok(if tags.is_empty() { json!({}) } else { json!({ "LFTagOnDatabase": tags }) }));
        }
        let mut failures = Vec::new();
        for pair in request.get("LFTags").and_then(Value::as_array).into_iter().flatten() {
            let lower = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_lowercase();
            let (key, value) = (lower(pair.get("TagKey")), lower(pair.pointer("/TagValues/0")));
            let known = self.tags.get(&key).is_some_and(|values| values.contains(&value));
            let fits =
                if operation == "AddLFTagsToResource" { known } else { has.get(&key).is_some_and(|v| *v == value) };
            if !fits {
                let error = json!({"ErrorCode": NOT_FOUND, "ErrorMessage": "Tag or tag value does not exist."});
                failures.push(
                    json!({"LFTag": {"CatalogId": account, "TagKey": key, "TagValues": [value]}, "Error": error}),
                );
            } else if operation == "AddLFTagsToResource" {
                has.insert(key, value);
            } else {
                has.remove(&key);
            }
        }
        Some(Ok(if failures.is_empty() { json!({}) } else { json!({ "Failures": failures }) }))
    }
}
