//! Points in time as the tracking tables write them, and deadlines.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::{Error, ErrorKind, Result};

const FORMAT: &str = "%Y-%m-%dT%H:%M:%S";

/// Seconds since 1970, UTC; written as `YYYY-mm-ddTHH:MM:SS`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Timestamp(i64);

impl Timestamp {
    /// The clock's time.
    #[must_use]
    pub fn now() -> Self {
        Self(jiff::Timestamp::now().as_second())
    }

    /// Seconds since 1970, UTC.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds)
    }

    /// Seconds since 1970, UTC.
    pub const fn seconds(self) -> i64 {
        self.0
    }

    /// How long it is from this to a later time; nothing if it is not later.
    #[must_use]
    pub fn until(self, later: Self) -> Duration {
        Duration::from_secs(u64::try_from(later.0.saturating_sub(self.0)).unwrap_or_default())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_second(self.0) {
            Ok(time) => write!(f, "{}", time.strftime(FORMAT)),
            Err(_) => f.write_str("0000-00-00T00:00:00"),
        }
    }
}

impl FromStr for Timestamp {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        DateTime::strptime(FORMAT, text)
            .and_then(|time| time.to_zoned(TimeZone::UTC))
            .map(|time| Self(time.timestamp().as_second()))
            .map_err(|e| Error::new(ErrorKind::InvalidInput, format!("not a time: {text:?}")).because(e))
    }
}

impl TryFrom<String> for Timestamp {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Timestamp> for String {
    fn from(time: Timestamp) -> Self {
        time.to_string()
    }
}

/// The instant at which an operation must have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// So much from now.
    #[must_use]
    pub fn within(time: Duration) -> Self {
        let now = Instant::now();
        // "No limit" is a long time.
        let far = Duration::from_secs(30 * 365 * 24 * 3600);
        Self(now.checked_add(time.min(far)).unwrap_or(now))
    }

    /// What is left; zero when it has passed.
    pub fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// The earlier of this and `time` from now.
    #[must_use]
    pub fn at_most(self, time: Duration) -> Self {
        self.min(Self::within(time))
    }

    /// Runs a future until the deadline; past it, the future is dropped.
    ///
    /// # Errors
    /// The future's own, or [`ErrorKind::Timeout`].
    pub async fn run<T>(self, what: &str, future: impl Future<Output = Result<T>>) -> Result<T> {
        match tokio::time::timeout_at(self.0, future).await {
            Ok(result) => result,
            Err(_) => Err(Error::new(ErrorKind::Timeout, format!("{what} took too long"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_written_as_the_tables_have_them() {
        let time = Timestamp::from_seconds(1_700_000_000);
        assert_eq!(time.to_string(), "2023-11-14T22:13:20");
        assert_eq!(time.to_string().parse::<Timestamp>().unwrap(), time);
        assert_eq!("yesterday".parse::<Timestamp>().unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}
