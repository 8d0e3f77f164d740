//! Conformance suites: what every engine and every store must do, one rule a test.
//!
//! A rule is a plain async function; it passes, or it answers a [`Failure`] that quotes the promise which is broken.

use std::fmt;
use std::pin::Pin;

pub mod chance;
pub mod credentials;
pub mod engine;
pub mod faults;
pub mod tracking;

/// A sentence of a trait's documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Promise {
    /// Who promises, such as `TrackingStore::commit`.
    pub by: &'static str,
    /// The sentence.
    pub text: &'static str,
}

impl Promise {
    /// A sentence, and the item in whose documentation it stands.
    #[must_use]
    pub const fn new(by: &'static str, text: &'static str) -> Self {
        Self { by, text }
    }

    /// That it is broken, and by what.
    #[must_use]
    pub fn broken(self, found: impl Into<String>) -> Failure {
        Failure { promise: self, found: found.into() }
    }

    /// Broken, unless the condition holds.
    pub fn unless(self, holds: bool, found: impl FnOnce() -> String) -> Result<(), Failure> {
        if holds { Ok(()) } else { Err(self.broken(found())) }
    }

    /// What the call answered; an error breaks the promise.
    pub fn answer<T>(self, call: &str, result: crate::Result<T>) -> Result<T, Failure> {
        result.map_err(|error| self.broken(format!("{call} answered an error: {error}")))
    }
}

/// A promise that was not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Which.
    pub promise: Promise,
    /// What was done, and what was found instead.
    pub found: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Promise { by, text } = self.promise;
        write!(f, "{by} promises: {text:?}\n  {}", self.found)
    }
}

impl std::error::Error for Failure {}

/// What a rule answers: nothing, or the promise that is broken.
pub type Checked<'a> = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send + 'a>>;

/// One rule: a harness makes one test out of each rule and fixture.
pub struct Rule<F: ?Sized + 'static> {
    /// The rule's name: that of its function.
    pub name: &'static str,
    /// The promise that it checks first of all.
    pub promise: Promise,
    /// What a fixture must offer beside the store itself; a harness shows the rule as ignored where it does not.
    pub needs: Option<&'static str>,
    /// Checks it.
    pub check: for<'a> fn(&'a F) -> Checked<'a>,
}

impl<F: ?Sized> fmt::Debug for Rule<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// The documentation in a source file as one text, links left out: what promises are quoted from.
#[cfg(test)]
pub(crate) fn documentation(source: &str) -> String {
    let lines = source.lines().filter_map(|line| line.trim().strip_prefix("///"));
    let text = lines.map(str::trim).collect::<Vec<_>>().join(" ");
    let mut parts = text.split("](");
    let first = parts.next().unwrap_or_default().to_owned();
    let plain = parts.fold(first, |all, part| all + part.split_once(')').map_or("", |(_, rest)| rest));
    plain.replace(['[', ']'], "")
}
