//! Reads one table of a TOML file, key by key, noting every mistake.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::Range;
use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::closest;
use super::mistakes::Mistakes;

/// One table, and which of its keys were asked for.
pub(crate) struct Fields<'t, 'i> {
    /// What the table is, in words.
    pub(crate) what: String,
    pub(crate) span: Range<usize>,
    values: BTreeMap<&'t str, &'t Spanned<DeValue<'i>>>,
    keys: BTreeMap<&'t str, Range<usize>>,
    known: Vec<&'static str>,
}

impl<'t, 'i> Fields<'t, 'i> {
    pub(crate) fn new(what: impl Into<String>, table: &'t DeTable<'i>, span: Range<usize>) -> Self {
        Self {
            what: what.into(),
            span,
            values: table.iter().map(|(key, value)| (key.get_ref().as_ref(), value)).collect(),
            keys: table.iter().map(|(key, _)| (key.get_ref().as_ref(), key.span())).collect(),
            known: Vec::new(),
        }
    }

    /// The value under a key, which is a known one from now on.
    pub(crate) fn value(&mut self, key: &'static str) -> Option<&'t Spanned<DeValue<'i>>> {
        self.known.push(key);
        self.values.get(key).copied()
    }

    pub(crate) fn text(&mut self, key: &'static str, mistakes: &mut Mistakes<'_>) -> Option<(&'t str, Range<usize>)> {
        let value = self.value(key)?;
        match value.get_ref() {
            DeValue::String(text) if !text.is_empty() => Some((text.as_ref(), value.span())),
            DeValue::String(_) => self.wrong(value.span(), key, "is empty", mistakes),
            other => self.wrong(value.span(), key, format!("is {} and must be a string", other.type_str()), mistakes),
        }
    }

    pub(crate) fn flag(&mut self, key: &'static str, mistakes: &mut Mistakes<'_>) -> bool {
        let Some(value) = self.value(key) else { return false };
        match value.get_ref() {
            DeValue::Boolean(flag) => *flag,
            _ => self.wrong(value.span(), key, "must be true or false", mistakes).unwrap_or(false),
        }
    }

    /// A value of a type of its own; `None` if it is missing or wrong.
    pub(crate) fn parsed<T: FromStr>(&mut self, key: &'static str, mistakes: &mut Mistakes<'_>) -> Option<T>
    where
        T::Err: Explain,
    {
        let (text, span) = self.text(key, mistakes)?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => self.wrong(span, key, error.explain(), mistakes),
        }
    }

    /// Notes a required key that is missing. One that is there and wrong has been noted already.
    pub(crate) fn required<T>(
        &mut self,
        key: &'static str,
        value: Option<T>,
        mistakes: &mut Mistakes<'_>,
    ) -> Option<T> {
        if value.is_none() && !self.values.contains_key(key) {
            let span = self.span.clone();
            mistakes.add(&span, format!("{} has no {key:?}", self.what));
        }
        value
    }

    pub(crate) fn wrong<T>(
        &self,
        span: Range<usize>,
        key: &str,
        what: impl Display,
        mistakes: &mut Mistakes<'_>,
    ) -> Option<T> {
        mistakes.add(&span, format!("{}: {key} {what}", self.what));
        None
    }

    /// Notes every key that nothing has asked for.
    pub(crate) fn finish(&self, mistakes: &mut Mistakes<'_>) {
        for (key, span) in &self.keys {
            if !self.known.contains(key) {
                let hint = closest(key, self.known.iter().copied());
                let hint = hint.map_or_else(String::new, |known| format!(" (did you mean {known:?}?)"));
                mistakes.add(span, format!("{} has an unknown key {key:?}{hint}", self.what));
            }
        }
    }
}

/// An error's sentence, to stand behind the key's name.
pub(crate) trait Explain {
    fn explain(&self) -> String;
}

impl Explain for dzconn_core::Error {
    fn explain(&self) -> String {
        match self.advice() {
            Some(advice) => format!("is wrong: {} ({advice})", self.detail()),
            None => format!("is wrong: {}", self.detail()),
        }
    }
}
