//! A request's members, and what the API Reference demands of them.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::refusal::Refusal;

pub(crate) struct Input(Map<String, Value>);

/// The value of a version.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Content {
    Text(String),
    /// As the protocol carries it: in base 64.
    Binary(String),
}

impl Input {
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Refusal> {
        match serde_json::from_slice(body) {
            Ok(Value::Object(members)) => Ok(Self(members)),
            _ => Err(Refusal::bad("SerializationException", "The request is not a JSON object")),
        }
    }

    fn of<T>(&self, name: &str, read: impl Fn(&Value) -> Option<T>) -> Result<Option<T>, Refusal> {
        let wrong = || Refusal::bad("SerializationException", format!("{name} is of another type"));
        let value = self.0.get(name).filter(|value| !value.is_null());
        value.map(|value| read(value).ok_or_else(wrong)).transpose()
    }

    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, Refusal> {
        self.of(name, |value| value.as_str().map(str::len))?;
        Ok(self.0.get(name).and_then(Value::as_str))
    }

    pub(crate) fn required(&self, name: &str) -> Result<&str, Refusal> {
        let missing = || violation(name, "Member must not be null");
        let text = self.text(name)?.ok_or_else(missing)?;
        if text.is_empty() {
            Err(violation(name, "Member must have length greater than or equal to 1"))
        } else {
            Ok(text)
        }
    }

    pub(crate) fn flag(&self, name: &str) -> Result<bool, Refusal> {
        Ok(self.of(name, Value::as_bool)?.unwrap_or_default())
    }

    pub(crate) fn number(&self, name: &str) -> Result<Option<i64>, Refusal> {
        self.of(name, Value::as_i64)
    }

    pub(crate) fn list(&self, name: &str) -> Result<Option<Vec<Value>>, Refusal> {
        self.of(name, |value| value.as_array().cloned())
    }

    pub(crate) fn texts(&self, name: &str) -> Result<Option<Vec<String>>, Refusal> {
        self.of(name, |value| value.as_array()?.iter().map(|one| one.as_str().map(str::to_owned)).collect())
    }

    /// `ClientRequestToken`, which becomes the version's id. SDKs make one up where none is given.
    pub(crate) fn token(&self) -> Result<&str, Refusal> {
        let Some(token) = self.text("ClientRequestToken")? else {
            let message = "You must provide a ClientRequestToken value. We recommend a UUID-type value.";
            return Err(Refusal::bad("InvalidRequestException", message));
        };
        if !(32..=64).contains(&token.len()) {
            let message = "ClientRequestToken must be 32-64 characters long.";
            return Err(Refusal::bad("InvalidParameterException", message));
        }
        Ok(token)
    }

    pub(crate) fn content(&self) -> Result<Option<Content>, Refusal> {
        let (text, binary) = (self.text("SecretString")?, self.text("SecretBinary")?);
        // Four letters of base 64 are three bytes.
        let bytes = text.map_or(0, str::len).max(binary.map_or(0, |text| text.len() / 4 * 3));
        if bytes > 65_536 {
            return Err(violation("secretString", "Member must have length less than or equal to 65536"));
        }
        match (text, binary) {
            (Some(_), Some(_)) => Err(Refusal::bad(
                "InvalidParameterException",
                "You can't specify both a binary secret value and a string secret value in the same secret.",
            )),
            (Some(text), None) => Ok(Some(Content::Text(text.to_owned()))),
            (None, Some(binary)) => Ok(Some(Content::Binary(binary.to_owned()))),
            (None, None) => Ok(None),
        }
    }

    /// "Tag": up to 50, keys of 1 to 128 characters, values of up to 256, no `aws:`.
    pub(crate) fn tags(&self) -> Result<BTreeMap<String, String>, Refusal> {
        let mut tags = BTreeMap::new();
        for tag in self.list("Tags")?.unwrap_or_default() {
            let part = |name: &str| tag.get(name).and_then(Value::as_str).map(str::to_owned);
            let (key, value) = (part("Key").unwrap_or_default(), part("Value").unwrap_or_default());
            let lengths = (1..=128).contains(&key.chars().count()) && value.chars().count() <= 256;
            if !lengths || key.to_lowercase().starts_with("aws:") {
                return Err(Refusal::bad("InvalidParameterException", format!("Invalid tag: {key}")));
            }
            if tags.insert(key.clone(), value).is_some() {
                return Err(Refusal::bad("InvalidParameterException", format!("Duplicate tag key: {key}")));
            }
        }
        if tags.len() > 50 {
            return Err(Refusal::bad("InvalidParameterException", "A secret can have at most 50 tags."));
        }
        Ok(tags)
    }
}

pub(crate) fn violation(name: &str, constraint: &str) -> Refusal {
    let message = format!("1 validation error detected: Value at '{name}' failed to satisfy constraint: {constraint}");
    Refusal::bad("ValidationException", message)
}
