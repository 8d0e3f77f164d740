//! Attributes as values of the core's types, and back. What somebody edited by hand is read where its meaning is clear;
//! where it is not, the error names table, key and attribute.

use std::collections::HashMap;
use std::fmt::Display;

use aws_sdk_dynamodb::types::AttributeValue;
use dzconn_core::model::{AccountId, Owner};
use dzconn_core::{Error, ErrorKind, Result, Step, Timestamp};

use super::names;

/// An item as the SDK has it.
pub(super) type Item = HashMap<String, AttributeValue>;

/// An item that is being read, or a map inside it.
#[derive(Clone, Debug)]
pub(super) struct Attributes<'a> {
    item: &'a Item,
    /// The table's name, for errors.
    table: &'a str,
    /// Which record this is, in the core's words.
    what: &'a str,
    /// The attribute that this map is the value of, with a dot behind it; empty for the item itself.
    within: String,
}

impl<'a> Attributes<'a> {
    pub(super) const fn new(item: &'a Item, table: &'a str, what: &'a str) -> Self {
        Self { item, table, what, within: String::new() }
    }

    /// The record cannot be read because of this attribute.
    pub(super) fn invalid(&self, name: &str, how: impl Display) -> Error {
        self.unreadable(format!("its attribute {}{name} {how}", self.within))
    }

    pub(super) fn unreadable(&self, why: impl Display) -> Error {
        let Self { table, what, .. } = self;
        Error::new(ErrorKind::RecordInvalid, format!("the {what} in the table {table} cannot be read: {why}"))
            .at(Step::Tracking)
            .advise("somebody has edited the item; mend it, or remove it if what it stands for is gone")
    }

    /// The value; one that is `NULL` counts as missing.
    fn value(&self, name: &str) -> Option<&'a AttributeValue> {
        self.item.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// A text; a number is one too, in its digits.
    pub(super) fn text(&self, name: &str) -> Result<Option<&'a str>> {
        match self.value(name) {
            None => Ok(None),
            Some(AttributeValue::S(text) | AttributeValue::N(text)) => Ok(Some(text)),
            Some(other) => Err(self.invalid(name, format_args!("is a {} and not a text", kind_of(other)))),
        }
    }

    /// A text that may be missing.
    pub(super) fn words(&self, name: &str) -> Result<String> {
        Ok(self.text(name)?.unwrap_or_default().to_owned())
    }

    /// A value; the empty text counts as missing.
    pub(super) fn optional<T: TryFrom<String, Error = Error>>(&self, name: &str) -> Result<Option<T>> {
        let text = self.text(name)?.filter(|text| !text.is_empty());
        text.map(|text| self.parsed(name, text)).transpose()
    }

    pub(super) fn needed<T: TryFrom<String, Error = Error>>(&self, name: &str) -> Result<T> {
        self.optional(name)?.ok_or_else(|| self.invalid(name, "is missing"))
    }

    pub(super) fn parsed<T: TryFrom<String, Error = Error>>(&self, name: &str, text: &str) -> Result<T> {
        T::try_from(text.to_owned()).map_err(|error| self.invalid(name, format_args!("is wrong: {}", error.detail())))
    }

    /// One of several words.
    pub(super) fn one_of<T: Copy>(&self, name: &str, words: &[(&str, T)]) -> Result<T> {
        let text = self.text(name)?.ok_or_else(|| self.invalid(name, "is missing"))?;
        let found = words.iter().find(|(word, _)| *word == text);
        found.map(|(_, value)| *value).ok_or_else(|| self.invalid(name, format_args!("is {text:?}")))
    }

    pub(super) fn count(&self, name: &str) -> Result<u64> {
        let text = self.text(name)?.ok_or_else(|| self.invalid(name, "is missing"))?;
        text.parse().map_err(|_| self.invalid(name, format_args!("is {text:?} and not a count")))
    }

    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>> {
        match self.value(name) {
            None => Ok(None),
            Some(AttributeValue::Bool(flag)) => Ok(Some(*flag)),
            Some(_) => self.one_of(name, &[("true", true), ("false", false)]).map(Some),
        }
    }

    /// Nothing depends on when a record was last written: what is no time is the beginning of time.
    pub(super) fn time(&self, name: &str) -> Timestamp {
        let text = self.text(name).ok().flatten();
        text.and_then(|text| text.parse().ok()).unwrap_or_default()
    }

    pub(super) fn owner(&self, account: &str, region: &str) -> Result<Owner> {
        let id = match self.value(account) {
            // An account's id has twelve digits; as a number it has lost its leading zeros.
            Some(AttributeValue::N(digits)) => self.parsed(account, &format!("{digits:0>12}"))?,
            _ => self.needed::<AccountId>(account)?,
        };
        Ok(Owner { account: id, region: self.needed(region)? })
    }

    /// A list of texts, or a set of them; `None` where there is none.
    pub(super) fn texts<T: TryFrom<String, Error = Error>, C: FromIterator<T>>(&self, name: &str) -> Result<Option<C>> {
        let text = |value: &'a AttributeValue| match value {
            AttributeValue::S(text) | AttributeValue::N(text) => Ok(text),
            other => Err(self.invalid(name, format_args!("holds a {}", kind_of(other)))),
        };
        let texts: Vec<&String> = match self.value(name) {
            None => return Ok(None),
            Some(AttributeValue::L(values)) => values.iter().map(text).collect::<Result<_>>()?,
            Some(AttributeValue::Ss(texts) | AttributeValue::Ns(texts)) => texts.iter().collect(),
            Some(other) => return Err(self.invalid(name, format_args!("is a {} and not a list", kind_of(other)))),
        };
        texts.into_iter().map(|text| self.parsed(name, text)).collect::<Result<_>>().map(Some)
    }

    /// A list of maps.
    pub(super) fn maps(&self, name: &str) -> Result<Vec<Self>> {
        let Some(value) = self.value(name) else { return Err(self.invalid(name, "is missing")) };
        let values = value.as_l().map_err(|other| self.not_a(name, other, "list"))?;
        values.iter().enumerate().map(|(n, value)| self.inner(name, &n.to_string(), value)).collect()
    }

    /// A map of maps.
    pub(super) fn map_of_maps(&self, name: &str) -> Result<Vec<(&'a str, Self)>> {
        let members = self.map(name)?;
        members.item.iter().map(|(key, value)| Ok((key.as_str(), self.inner(name, key, value)?))).collect()
    }

    /// A map.
    pub(super) fn map(&self, name: &str) -> Result<Self> {
        let Some(value) = self.value(name) else { return Err(self.invalid(name, "is missing")) };
        let item = value.as_m().map_err(|other| self.not_a(name, other, "map"))?;
        Ok(Self { item, within: format!("{}{name}.", self.within), ..self.clone() })
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> {
        self.item.keys().map(String::as_str)
    }

    fn inner(&self, name: &str, member: &str, value: &'a AttributeValue) -> Result<Self> {
        let item = value.as_m().map_err(|other| self.not_a(&format!("{name}.{member}"), other, "map"))?;
        Ok(Self { item, within: format!("{}{name}.{member}.", self.within), ..self.clone() })
    }

    fn not_a(&self, name: &str, found: &AttributeValue, wanted: &str) -> Error {
        self.invalid(name, format_args!("is a {} and not a {wanted}", kind_of(found)))
    }
}

fn kind_of(value: &AttributeValue) -> &'static str {
    match value {
        AttributeValue::S(_) => "text",
        AttributeValue::N(_) => "number",
        AttributeValue::Bool(_) => "truth value",
        AttributeValue::L(_) => "list",
        AttributeValue::M(_) => "map",
        AttributeValue::Ss(_) | AttributeValue::Ns(_) | AttributeValue::Bs(_) => "set",
        AttributeValue::B(_) => "binary value",
        _ => "value of another kind",
    }
}

/// Whether the older system wrote this item: it knew none of our attributes.
pub(super) fn is_older(item: &Item) -> bool {
    !item.keys().any(|name| name.starts_with(names::OURS))
}

/// An attribute to be written.
pub(super) fn text(name: &str, text: impl Display) -> (String, AttributeValue) {
    (name.to_owned(), AttributeValue::S(text.to_string()))
}

pub(super) fn texts<T: Display>(name: &str, texts: impl IntoIterator<Item = T>) -> (String, AttributeValue) {
    let texts = texts.into_iter().map(|text| AttributeValue::S(text.to_string()));
    (name.to_owned(), AttributeValue::L(texts.collect()))
}

pub(super) fn map(
    name: impl Display,
    members: impl IntoIterator<Item = (String, AttributeValue)>,
) -> (String, AttributeValue) {
    (name.to_string(), AttributeValue::M(members.into_iter().collect()))
}

/// What an item counts against the limit ("DynamoDB item sizes and formats", Developer Guide).
pub(super) fn size(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + size_of_value(value)).sum()
}

fn size_of_value(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(digits) => digits.len() / 2 + 2,
        AttributeValue::L(values) => 3 + values.iter().map(|value| 1 + size_of_value(value)).sum::<usize>(),
        AttributeValue::M(members) => 3 + members.len() + size(members),
        AttributeValue::Ss(texts) | AttributeValue::Ns(texts) => texts.iter().map(String::len).sum(),
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        AttributeValue::Bs(blobs) => blobs.iter().map(|bytes| bytes.as_ref().len()).sum(),
        _ => 1,
    }
}
