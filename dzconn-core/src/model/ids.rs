//! Identifiers, each a type of its own, checked when it is made.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind, Result};

fn invalid(what: &str, text: &str, rule: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, format!("{text:?} is not a {what}: {rule}"))
}

/// `DataZone`'s ids: 1 to 36 characters out of letters, digits, `-` and `_`.
fn datazone(text: &str) -> std::result::Result<(), &'static str> {
    let fits =
        (1..=36).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if fits { Ok(()) } else { Err("1 to 36 letters, digits, hyphens and underscores") }
}

fn printable(text: &str) -> std::result::Result<(), &'static str> {
    let fits = (1..=2048).contains(&text.len()) && !text.chars().any(char::is_control);
    if fits { Ok(()) } else { Err("1 to 2048 bytes without control characters") }
}

fn secret_name(text: &str) -> std::result::Result<(), &'static str> {
    let fits =
        (1..=512).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"/_+=.@-".contains(&b));
    if fits { Ok(()) } else { Err("1 to 512 letters, digits and any of /_+=.@-") }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks and takes the text.
            pub fn new(text: impl Into<String>) -> Result<Self> {
                let text = text.into();
                match $check(&text) {
                    Ok(()) => Ok(Self(text)),
                    Err(rule) => Err(invalid($what, &text, rule)),
                }
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = Error;

            fn try_from(text: String) -> Result<Self> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }
    };
}

text_id!(/// A `DataZone` domain.
    DomainId, "domain id", datazone);
text_id!(/// A `DataZone` project.
    ProjectId, "project id", datazone);
text_id!(/// A `DataZone` environment; grants are per environment.
    EnvironmentId, "environment id", datazone);
text_id!(/// A published table.
    AssetId, "asset id", datazone);
text_id!(/// An asset's entry in the catalogue.
    ListingId, "listing id", datazone);
text_id!(/// An approved subscription.
    SubscriptionId, "subscription id", datazone);
text_id!(/// The connection that says how to reach a source: the ARN of a Glue connection, or any name of its own.
    ConnectionId, "connection id", printable);
text_id!(/// An AWS account, or whatever plays that role.
    AccountId, "account id", printable);
text_id!(/// An AWS region, or whatever plays that role.
    Region, "region", printable);
text_id!(/// Who may read a shared secret: the ARN of a role.
    Principal, "principal", printable);
text_id!(/// A secret's name, chosen by dzconn.
    SecretName, "secret name", secret_name);
text_id!(/// A secret's full address, given by its store (an ARN in Secrets Manager).
    SecretId, "secret id", printable);

macro_rules! random_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(u128);

        impl $name {
            /// From 128 bits.
            #[must_use]
            pub const fn from_bits(bits: u128) -> Self {
                Self(bits)
            }

            /// The 128 bits.
            pub const fn bits(self) -> u128 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:032x}", self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:032x}", self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = Error;

            fn try_from(text: String) -> Result<Self> {
                match u128::from_str_radix(&text, 16) {
                    Ok(bits) if text.len() == 32 => Ok(Self(bits)),
                    _ => Err(invalid($what, &text, "32 hexadecimal digits")),
                }
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }
    };
}

random_id!(/// One state of a record: new at every write, chosen by the writer, never used again.
    Version, "version");
random_id!(/// One life of a user, from its first grant to its drop.
    GenerationId, "generation");
random_id!(/// One rotation of an environment's credentials on one source.
    TurnId, "turn");

impl TurnId {
    /// What the same rotation is called from when it gives the value up that it had proposed, and proposes another.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1 << 64))
    }

    /// What it was called before.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self(self.0.wrapping_sub(1 << 64))
    }
}

/// What one user, one secret and one lock belong to: a connection and a consumer environment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SourceKey {
    /// The connection.
    pub connection: ConnectionId,
    /// The consumer's environment.
    pub environment: EnvironmentId,
}

impl fmt::Display for SourceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} for {}", self.connection, self.environment)
    }
}
