//! The one type for what must not be seen: redacted, compared in constant time, wiped on drop.

use std::fmt;
use std::hash::{Hash, Hasher};

use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

/// A password or key. It has no `Display` and no `Serialize`, its `Debug` is redacted, and its memory is wiped on drop.
///
/// ```compile_fail
/// let password = dzconn_core::Secret::new("hunter2".to_owned());
/// println!("{password}");
/// ```
///
/// ```compile_fail
/// let password = dzconn_core::Secret::new("hunter2".to_owned());
/// serde_json::to_string(&password);
/// ```
///
/// ```
/// let password = dzconn_core::Secret::new("hunter2".to_owned());
/// assert_eq!(format!("{password:?}"), "[redacted]");
/// assert_eq!(password.expose(), "hunter2");
/// ```
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Takes the text over.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that needs it: a driver, a store, a verifier.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.expose().as_bytes().ct_eq(other.expose().as_bytes()).into()
    }
}

impl Eq for Secret {}

/// So that a run's state can be a key when its states are enumerated.
impl Hash for Secret {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.expose().hash(state);
    }
}
