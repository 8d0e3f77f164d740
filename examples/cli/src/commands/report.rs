//! How an outcome is told, to people and to programs.

use std::time::Duration;

use dzconn_core::engine::Reads;
use dzconn_core::model::Subscription;
use dzconn_core::workflow::{Granted, Outcome};
use serde_json::{Value, json};

use crate::directory::Directory;
use crate::exit::Exit;
use crate::output::{Paint, took};

/// One outcome, and what it is about.
pub(crate) struct Report<'a> {
    pub(crate) directory: &'a Directory,
    pub(crate) subscription: &'a Subscription,
    pub(crate) outcome: &'a Outcome,
    pub(crate) time: Duration,
}

impl Report<'_> {
    pub(crate) fn word(&self) -> &'static str {
        match self.outcome {
            Outcome::Granted(_) => "granted",
            Outcome::Retained(_) => "retained",
            Outcome::Revoked(_) => "revoked",
            _ => "superseded",
        }
    }

    pub(crate) fn exit(&self) -> Exit {
        if self.word() == "superseded" { Exit::NothingDone } else { Exit::Done }
    }

    /// What there is to know beyond the word, in one line.
    pub(crate) fn detail(&self) -> String {
        match self.outcome {
            Outcome::Granted(granted) | Outcome::Retained(granted) if !granted.changed => {
                format!("nothing to do: {}", access(granted))
            }
            Outcome::Granted(granted) | Outcome::Retained(granted) => access(granted),
            Outcome::Revoked(revoked) if !revoked.changed => "nothing to do".to_owned(),
            Outcome::Revoked(revoked) if revoked.dropped => {
                "it was the last table: sessions ended, user and secrets gone".to_owned()
            }
            Outcome::Revoked(_) => "the user keeps its other tables".to_owned(),
            _ => "the portal wants something else by now, or another run has undone it".to_owned(),
        }
    }

    /// What is good to know although all went well.
    pub(crate) fn warnings(&self) -> Vec<String> {
        match self.outcome {
            Outcome::Granted(granted) | Outcome::Retained(granted) => {
                granted.excess.iter().map(|what| format!("not given by dzconn: {what}")).collect()
            }
            Outcome::Revoked(revoked) => match &revoked.reads {
                Reads::Yes(ways) => vec![format!("the user can still read the table, by {}", ways.join(", "))],
                Reads::No => Vec::new(),
                Reads::CannotTell(why) => {
                    vec![format!("whether the user can still read the table cannot be told: {why}")]
                }
            },
            _ => Vec::new(),
        }
    }

    pub(crate) fn text(&self, paint: Paint) -> String {
        let Subscription { consumer, location, .. } = self.subscription;
        let word = match self.outcome {
            Outcome::Granted(_) => paint.good(self.word()),
            _ => paint.warn(self.word()),
        };
        let arrow = if matches!(self.outcome, Outcome::Revoked(_)) { "from" } else { "→" };
        let mut text = format!(
            "{word}  {} {arrow} {}  {} {}\n",
            paint.strong(location.path.as_str()),
            consumer.environment,
            self.detail(),
            paint.dim(&format!("({})", took(self.time))),
        );
        for warning in self.warnings() {
            text.push_str(&format!("  {}  {warning}\n", paint.warn("note")));
        }
        text
    }

    pub(crate) fn json(&self) -> Value {
        let Subscription { consumer, asset, listing, location, .. } = self.subscription;
        let mut json = json!({
            "outcome": self.word(),
            "environment": consumer.environment,
            "project": consumer.project,
            "asset": {"id": asset.id, "listing": listing.id, "path": location.path},
            "source": self.directory.name_of(&location.connection),
            "connection": location.connection,
            "milliseconds": u64::try_from(self.time.as_millis()).unwrap_or(u64::MAX),
        });
        let more = match self.outcome {
            Outcome::Granted(granted) | Outcome::Retained(granted) => json!({
                "changed": granted.changed,
                "table": granted.table,
                "user": granted.user,
                "new_user": granted.new_user,
                "secret": {"name": granted.secret, "id": granted.secret_id},
                "excess": granted.excess,
            }),
            Outcome::Revoked(revoked) => json!({
                "changed": revoked.changed,
                "table": revoked.table,
                "user_dropped": revoked.dropped,
                "still_reads": reads(&revoked.reads),
            }),
            _ => json!({"changed": false}),
        };
        if let (Value::Object(json), Value::Object(more)) = (&mut json, more) {
            json.extend(more);
        }
        json
    }
}

/// `{"answer": "yes", "by": [...]}`, `{"answer": "no"}` or `{"answer": "unknown", "why": "..."}`.
pub(crate) fn reads(reads: &Reads) -> Value {
    match reads {
        Reads::Yes(by) => json!({"answer": "yes", "by": by}),
        Reads::No => json!({"answer": "no"}),
        Reads::CannotTell(why) => json!({"answer": "unknown", "why": why}),
    }
}

fn access(granted: &Granted) -> String {
    let user = if granted.new_user { "new user" } else { "user" };
    format!("{user} {}, secret {}", granted.user, granted.secret)
}

/// What is not dzconn's, told like an outcome.
pub(crate) fn skipped_json(reason: &str) -> Value {
    json!({"outcome": "skipped", "changed": false, "reason": reason})
}
