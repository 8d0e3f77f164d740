//! Values, and what Oracle holds to be equal or less.

use std::cmp::Ordering;

use crate::error::{Result, fail};

/// One value. Numbers are whole: the dictionary has no others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Value {
    /// Nothing; also the text without characters ("SQL Language Reference", "Nulls").
    Null,
    /// NUMBER.
    Number(i128),
    /// VARCHAR2.
    Text(String),
    /// DATE, in seconds.
    Date(i64),
    /// What a condition gives. Only PL/SQL has it as a value.
    Bool(bool),
}

impl Value {
    /// A text; without characters it is null.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        let text = text.into();
        if text.is_empty() { Self::Null } else { Self::Text(text) }
    }

    pub(crate) fn number(number: impl Into<i128>) -> Self {
        Self::Number(number.into())
    }

    /// Whether it is null.
    pub(crate) fn is_null(&self) -> bool {
        *self == Self::Null
    }

    /// As a text, the way Oracle converts by itself; a null is the empty text.
    pub(crate) fn to_text(&self) -> String {
        match self {
            Self::Null => String::new(),
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.clone(),
            Self::Date(seconds) => format!("DATE {seconds}"),
            Self::Bool(yes) => if *yes { "TRUE" } else { "FALSE" }.to_owned(),
        }
    }

    /// As a number.
    pub(crate) fn to_number(&self) -> Result<Option<i128>> {
        match self {
            Self::Null => Ok(None),
            Self::Number(number) => Ok(Some(*number)),
            Self::Text(text) => match text.trim().parse() {
                Ok(number) => Ok(Some(number)),
                Err(_) => fail(1722, "invalid number"),
            },
            Self::Date(_) | Self::Bool(_) => fail(932, "inconsistent datatypes: expected NUMBER"),
        }
    }

    /// How two compare; nothing where one is null.
    pub(crate) fn compare(&self, other: &Self) -> Result<Option<Ordering>> {
        Ok(Some(match (self, other) {
            (Self::Null, _) | (_, Self::Null) => return Ok(None),
            (Self::Text(one), Self::Text(two)) => one.cmp(two),
            (Self::Date(one), Self::Date(two)) => one.cmp(two),
            (Self::Bool(one), Self::Bool(two)) => one.cmp(two),
            // A number and a text compare as numbers ("Implicit Data Conversion").
            (Self::Number(_), _) | (_, Self::Number(_)) => {
                return Ok(self.to_number()?.cmp(&other.to_number()?).into());
            }
            _ => return fail(932, "inconsistent datatypes"),
        }))
    }
}
