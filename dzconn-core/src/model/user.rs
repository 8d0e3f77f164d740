//! Names of database users.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::model::SourceKey;
use crate::{Error, ErrorKind, Result};

/// A database user that dzconn made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UserName(String);

impl UserName {
    /// Checks and takes the text: 1 to 128 characters, no NUL. Engines may allow less and say so.
    pub fn new(text: impl Into<String>) -> Result<Self> {
        let text = text.into();
        if text.is_empty() || text.chars().count() > 128 || text.contains('\0') {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("{text:?} is not a user name: 1 to 128 characters, no NUL"),
            ));
        }
        Ok(Self(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for UserName {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Self::new(text)
    }
}

impl From<UserName> for String {
    fn from(user: UserName) -> Self {
        user.0
    }
}

/// How users are named. A name is deterministic, so that a run finds the user that a dead run has made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum UserNaming {
    /// `dz_<environment id>_<8 hexadecimal digits of the SHA-256 of the connection>`: two connections that reach the same
    /// database never share a user.
    #[default]
    PerConnection,
    /// `dz_<environment id>`, as the older system named them; for those who migrate. Two connections that reach one server share
    /// the user, and when the last table of one is revoked the user goes for both.
    PerEnvironment,
}

impl UserNaming {
    /// What the name of the other user ends with.
    pub const SPARE: &'static str = "_b";

    /// The user's name; where it would pass `max_bytes`, the environment's id is cut and followed by 8 digits of its own hash.
    ///
    /// # Errors
    /// [`ErrorKind::NameTooLong`] if `max_bytes` is too small even for that (less than 22).
    pub fn name(self, key: &SourceKey, max_bytes: usize) -> Result<UserName> {
        self.with_suffix(key, "", max_bytes)
    }

    /// The name of the other user, which a rotation makes: `dz_<environment id>_<hash of the connection>`, whatever the naming,
    /// followed by [`SPARE`](Self::SPARE). Without the hash it could be the user of another environment, whose id ends so, and
    /// two connections would set each other's password.
    ///
    /// # Errors
    /// [`ErrorKind::NameTooLong`] if `max_bytes` is too small even for that (less than 24).
    pub fn spare(self, key: &SourceKey, max_bytes: usize) -> Result<UserName> {
        Self::PerConnection.with_suffix(key, Self::SPARE, max_bytes)
    }

    fn with_suffix(self, key: &SourceKey, suffix: &str, max_bytes: usize) -> Result<UserName> {
        let environment = key.environment.as_str();
        let tail = match self {
            Self::PerConnection => format!("_{}{suffix}", short_hash(key.connection.as_str())),
            Self::PerEnvironment => String::new(),
        };
        let full = format!("dz_{environment}{tail}");
        if full.len() <= max_bytes {
            return UserName::new(full);
        }
        let hash = short_hash(environment);
        let room = max_bytes.checked_sub("dz__".len() + hash.len() + tail.len()).filter(|room| *room > 0).ok_or_else(
            || Error::new(ErrorKind::NameTooLong, format!("user names of {max_bytes} bytes are too short")),
        )?;
        // Environment ids are ASCII, so every byte is a character.
        let start = environment.get(..room).unwrap_or(environment);
        UserName::new(format!("dz_{start}_{hash}{tail}"))
    }
}

/// The first 8 hexadecimal digits of the SHA-256.
fn short_hash(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ConnectionId, EnvironmentId};

    fn key(environment: &str) -> SourceKey {
        SourceKey {
            connection: ConnectionId::new("arn:aws:glue:eu-west-1:111122223333:connection/hr").unwrap(),
            environment: EnvironmentId::new(environment).unwrap(),
        }
    }

    #[test]
    fn names_are_deterministic_and_fit_the_engine() {
        let short = UserNaming::PerConnection.name(&key("3vsbsk0xyz"), 63).unwrap();
        assert!(short.as_str().starts_with("dz_3vsbsk0xyz_") && short.as_str().len() == 22, "{short}");
        assert_eq!(UserNaming::PerEnvironment.name(&key("3vsbsk0xyz"), 63).unwrap().as_str(), "dz_3vsbsk0xyz");

        let spare = UserNaming::PerConnection.spare(&key("3vsbsk0xyz"), 63).unwrap();
        assert_eq!(spare.as_str(), format!("{short}_b"));
        assert_eq!(
            UserNaming::PerEnvironment.spare(&key("3vsbsk0xyz"), 63).unwrap(),
            spare,
            "no other environment's user"
        );

        let long = "abcdefghijklmnopqrstuvwxyz0123456789";
        let cut = UserNaming::PerConnection.name(&key(long), 32).unwrap();
        assert_eq!(cut.as_str().len(), 32);
        let other = UserNaming::PerConnection.name(&key("abcdefghijklmnopqrstuvwxyz0123456780"), 32).unwrap();
        assert_ne!(cut, other, "what is cut away still tells two environments apart");
        let spare = UserNaming::PerConnection.spare(&key(long), 32).unwrap();
        assert_eq!((spare.as_str().len(), spare.as_str().ends_with("_b")), (32, true), "{spare}");
        assert_eq!(UserNaming::PerConnection.spare(&key(long), 23).unwrap_err().kind(), ErrorKind::NameTooLong);
        assert_eq!(UserNaming::PerConnection.name(&key(long), 12).unwrap_err().kind(), ErrorKind::NameTooLong);
    }
}
