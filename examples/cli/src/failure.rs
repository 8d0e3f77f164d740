//! The one form that errors have: what, where, why, what to do, whether to retry, what was changed.

use std::error::Error as _;

use dzconn_core::{Changed, Error, ErrorKind};
use serde_json::{Value, json};

use crate::exit::Exit;
use crate::output::Paint;

/// Something that did not succeed.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What did not happen, in a few words: "sales.hr.offices was not granted to env-risk".
    what: String,
    error: Error,
}

pub(crate) type Result<T = Exit> = std::result::Result<T, Failure>;

impl Failure {
    /// Of work that changes something.
    pub(crate) fn new(what: impl Into<String>, error: Error) -> Self {
        Self { what: what.into(), error }
    }

    /// Of work that only looks.
    pub(crate) fn looking(what: impl Into<String>, error: Error) -> Self {
        Self::new(what, error.changed(Changed::Nothing))
    }

    pub(crate) fn exit(&self) -> Exit {
        Exit::of(&self.error)
    }

    pub(crate) fn error(&self) -> &Error {
        &self.error
    }

    /// For people, with a newline at the end.
    pub(crate) fn text(&self, paint: Paint) -> String {
        let mut text = format!("{} {}: {}\n", paint.bad("error:"), self.what, self.error.kind());
        for (name, value) in self.lines() {
            for (i, line) in value.lines().enumerate() {
                let name = if i == 0 { name } else { "" };
                text.push_str(&format!("  {}{line}\n", paint.dim(&format!("{name:<9}"))));
            }
        }
        text
    }

    fn lines(&self) -> Vec<(&'static str, String)> {
        let subject = self.error.subject();
        let mut lines = Vec::new();
        if let Some(source) = &subject.source {
            lines.push(("source", source.clone()));
        }
        if let Some(step) = self.error.step() {
            lines.push(("step", step.to_string()));
        }
        lines.push(("cause", self.cause()));
        if let Some(advice) = self.error.advice() {
            lines.push(("advice", advice.to_owned()));
        }
        lines.push(("retry", self.retry().to_owned()));
        lines.push(("changed", self.left().to_owned()));
        lines
    }

    /// The vendor's code, what happened, and the causes behind it.
    fn cause(&self) -> String {
        let mut text = self.error.vendor_code().map_or_else(String::new, |code| format!("{code}: "));
        text.push_str(self.error.detail());
        let mut source = self.error.source();
        while let Some(cause) = source {
            let cause_text = cause.to_string();
            if !text.contains(&cause_text) {
                text.push_str(": ");
                text.push_str(&cause_text);
            }
            source = cause.source();
        }
        text
    }

    fn retry(&self) -> &'static str {
        match (self.error.is_retryable(), self.error.advice()) {
            (true, _) => "can help",
            (false, Some(_)) => "not before that",
            (false, None) => "does not help",
        }
    }

    fn left(&self) -> &'static str {
        match self.error.left() {
            Changed::Nothing => "nothing",
            _ => "possibly something; the next run for the same environment and source finishes or undoes it",
        }
    }

    /// For programs.
    pub(crate) fn json(&self) -> Value {
        let subject = self.error.subject();
        json!({
            "what": self.what,
            "kind": kind_name(self.error.kind()),
            "summary": self.error.kind().to_string(),
            "asset": subject.asset,
            "environment": subject.environment,
            "source": subject.source,
            "step": self.error.step().map(|step| step.to_string()),
            "vendor_code": self.error.vendor_code(),
            "cause": self.cause(),
            "advice": self.error.advice(),
            "retry": self.error.is_retryable(),
            "changed": match self.error.left() {
                Changed::Nothing => "nothing",
                _ => "unfinished",
            },
        })
    }
}

/// `TableNotFound` as `table_not_found`.
fn kind_name(kind: ErrorKind) -> String {
    let mut name = String::new();
    for c in format!("{kind:?}").chars() {
        if c.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(c.to_ascii_lowercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use dzconn_core::Step;

    use super::*;

    #[test]
    fn the_form() {
        let error = Error::new(ErrorKind::NoGrantOption, "no privileges were granted for \"employees\"")
            .vendor("PostgreSQL 01007")
            .advise("as the table's owner: GRANT SELECT")
            .at(Step::Grant)
            .on_source("postgresql db:5432/sales (connection hr)")
            .changed(Changed::Nothing);
        let failure = Failure::new("sales.hr.employees was not granted to env-risk", error);
        assert_eq!(
            failure.text(Paint::plain()),
            "error: sales.hr.employees was not granted to env-risk: the admin user may not grant on that table\n\
             \x20 source   postgresql db:5432/sales (connection hr)\n\
             \x20 step     producer, grant\n\
             \x20 cause    PostgreSQL 01007: no privileges were granted for \"employees\"\n\
             \x20 advice   as the table's owner: GRANT SELECT\n\
             \x20 retry    not before that\n\
             \x20 changed  nothing\n"
        );
        assert_eq!(failure.json()["kind"], "no_grant_option");
    }
}
