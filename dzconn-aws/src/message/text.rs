//! Values that travel as text.

use std::fmt;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use super::told;

/// A boolean, written as `"true"` or `"false"`.
///
/// Read are these words in any case, a bare boolean, and what says nothing (`null`, `"None"`, nothing at all), which is false
/// unless the member's own documentation says otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TextBool(pub bool);

impl TextBool {
    /// Reads a value; `None` if it says nothing.
    fn read(value: &Value) -> Result<Option<bool>, &'static str> {
        match value {
            Value::Bool(value) => Ok(Some(*value)),
            Value::Null => Ok(None),
            Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
                "true" => Ok(Some(true)),
                "false" => Ok(Some(false)),
                "" | "none" => Ok(None),
                _ => Err("neither \"true\" nor \"false\""),
            },
            _ => Err("neither \"true\" nor \"false\""),
        }
    }

    pub(super) fn yes() -> Self {
        Self(true)
    }

    /// For members for which saying nothing means true.
    pub(super) fn or_yes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Self::read(&value).map(|value| Self(value.unwrap_or(true))).map_err(D::Error::custom)
    }
}

impl From<bool> for TextBool {
    fn from(value: bool) -> Self {
        Self(value)
    }
}

impl From<TextBool> for bool {
    fn from(value: TextBool) -> Self {
        value.0
    }
}

impl Serialize for TextBool {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(if self.0 { "true" } else { "false" })
    }
}

impl<'de> Deserialize<'de> for TextBool {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Self::read(&value).map(|value| Self(value.unwrap_or(false))).map_err(D::Error::custom)
    }
}

/// A whole number, written as text and read from either.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TextNumber(pub u64);

impl Serialize for TextNumber {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for TextNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = match Value::deserialize(deserializer)? {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        number.map(Self).ok_or_else(|| D::Error::custom("not a whole number"))
    }
}

/// A value, or `"None"` where it does not apply. `null`, empty text and a missing member are read as that, too.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MaybeNone<T>(pub Option<T>);

impl<T> Default for MaybeNone<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: fmt::Debug> fmt::Debug for MaybeNone<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T> From<Option<T>> for MaybeNone<T> {
    fn from(value: Option<T>) -> Self {
        Self(value)
    }
}

impl<T> From<T> for MaybeNone<T> {
    fn from(value: T) -> Self {
        Self(Some(value))
    }
}

impl<T: Serialize> Serialize for MaybeNone<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Some(value) => value.serialize(serializer),
            None => serializer.serialize_str("None"),
        }
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for MaybeNone<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Null => Ok(Self(None)),
            Value::String(text) if text.is_empty() || text == "None" => Ok(Self(None)),
            value => T::deserialize(value).map(|value| Self(Some(value))).map_err(D::Error::custom),
        }
    }
}

/// Members that are not known here. They are written as they were read, but for those, at any depth, that are named like a
/// password, token or secret (not those that only name one, such as `SecretArn`), or whose text holds a login.
///
/// `Debug` shows their names.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Others(Map<String, Value>);

impl Others {
    /// Takes members over.
    #[must_use]
    pub fn new(members: Map<String, Value>) -> Self {
        Self(told::members(members))
    }

    /// One of them.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Others {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Serialize for Others {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Others {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Map::deserialize(deserializer).map(Self::new)
    }
}
