//! What was done to whom, as structured events for a log pipeline.
//!
//! Every effect of a run, and every attempt at one, is one [`tracing`] event of the target [`TARGET`]: at INFO if it may change
//! something, at DEBUG if it only looks. It says what the port answered; a process that dies within an effect says nothing,
//! and the next run, which does the effect again, does. No event holds a password, or an error's text: that may quote a
//! server, and is logged elsewhere.
//!
//! All members are text but for `attempt` and `elapsed_ms`; one that has no meaning for an effect is missing.
//!
//! | member | meaning |
//! | --- | --- |
//! | `run` | the run that did it, 16 hexadecimal digits: events of runs that go on at the same time are told apart by it |
//! | `part` | `producer` (source, its secret), `consumer` (copy, rows), `environment` (role, database tags) or `bucket` (its policy); the last two have no `run` |
//! | `effect` | what was done, one of [`EFFECTS`]; of an environment one of [`ENVIRONMENT_EFFECTS`], of a bucket of [`bucket::EFFECTS`](crate::bucket::EFFECTS) |
//! | `outcome` | `done`; `conflict`: somebody else's write came first, nothing was changed; `failed` |
//! | `error` | the [`ErrorKind`](crate::ErrorKind) of a failure. After `ConnectionLost` or `Timeout` the effect may have happened |
//! | `vendor` | the source's own code for it, such as `PostgreSQL 42501` |
//! | `attempt` | how many failures the run has had before |
//! | `elapsed_ms` | how long the effect took |
//! | `domain`, `project`, `environment`, `account` | whose access it is: the consumer's |
//! | `connection`, `path`, `asset`, `listing` | to what, as it was published; of a rotation only the connection |
//! | `subscription`, `event` | what asked for it, where the host has said: the subscription's id and the event's |
//! | `user` | the database user |
//! | `table` | the table in the source, name by name; of a revoke all tables, separated by `, ` |
//! | `take_back` | of a grant: the tables that were taken back with it |
//! | `secret` | the secret's name, or what a consumer calls it by |
//! | `readers` | of a share: who may read the secret |
//! | `records` | of a write of tracking records: which |
//! | `bucket`, `allowed`, `taken_back` | of a bucket: its ARN, and who may do what by this write, or may not any more |
//! | `role`, `policy`, `database` | of an environment: its user role, and which of the others it is about |
//!
//! A rotation makes a second user as good as the first: `create_user` or `set_password`, and `grant` for each table, with the `user` that
//! is made; and the environment's credentials are new with `promote_secret`.
//!
//! When somebody got access to a table is the time of `effect = "grant"`, `outcome = "done"` with that `environment` and
//! `table`; when it ended, that of `revoke` or `drop_user` with the same `user`:
//!
//! ```sql
//! -- CloudWatch Logs Insights, of JSON lines
//! fields @timestamp, effect, environment, user, table, subscription, event
//! | filter target = "dzconn::audit" and outcome = "done" and effect in ["grant", "revoke", "drop_user"]
//! | sort @timestamp
//! ```

use std::fmt::Display;
use std::time::Duration;

use crate::environment::{self, Environment};
use crate::model::{Owner, Principal, Subscription};
use crate::reconcile::books::UNKNOWN_PATH;
use crate::store::WriteOutcome;
use crate::workflow::{Answer, Effect};
use crate::{Error, Result};

/// The target of every event.
pub const TARGET: &str = "dzconn::audit";

/// The names of effects: those that may change something first, then those that look.
pub const EFFECTS: [&str; 27] = [
    "create_user",
    "set_password",
    "grant",
    "revoke",
    "drop_user",
    "create_secret",
    "propose_secret",
    "promote_secret",
    "share_secret",
    "burn_secret",
    "create_copy",
    "replace_copy",
    "burn_copy",
    "commit",
    "lock",
    "unlock",
    "ask",
    "read_records",
    "find",
    "list_tables",
    "resolve",
    "read_secret",
    "inspect_secret",
    "log_in",
    "read_back",
    "read_copy",
    "read_shared_secret",
];

/// The names of effects on environments: on their roles, and on their databases' tags.
pub const ENVIRONMENT_EFFECTS: [&str; 5] =
    ["set_boundary", "attach_policy", "detach_policy", "tag_database", "untag_database"];

/// An effect on an environment has come to its end.
pub(crate) fn environment(
    environment: &Environment,
    owner: &Owner,
    effect: &environment::Effect,
    result: &Result<()>,
    elapsed: Duration,
) {
    let of_database = matches!(effect, environment::Effect::Tag(_) | environment::Effect::Untag(_));
    tracing::info!(
        target: TARGET,
        part = "environment",
        effect = effect.name(),
        outcome = if result.is_ok() { "done" } else { "failed" },
        error = result.as_ref().err().map(|error| format!("{:?}", error.kind())),
        vendor = result.as_ref().err().and_then(Error::vendor_code),
        elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
        domain = environment.domain.as_str(),
        project = environment.project.as_str(),
        environment = environment.id.as_str(),
        account = owner.account.as_str(),
        role = environment.role.as_ref().map(Principal::as_str),
        policy = (!of_database).then(|| effect.target()),
        database = of_database.then(|| effect.target()),
    );
}

/// What all events of a run have in common.
pub(crate) struct Run<'a> {
    pub(crate) id: u64,
    pub(crate) part: &'static str,
    pub(crate) subscription: &'a Subscription,
}

/// What an effect is about.
#[derive(Default)]
struct Details {
    user: Option<String>,
    table: Option<String>,
    take_back: Option<String>,
    secret: Option<String>,
    readers: Option<String>,
    records: Option<String>,
}

impl Run<'_> {
    /// One attempt at an effect has come to its end.
    pub(crate) fn tell(&self, effect: &Effect, answer: &Result<Answer>, attempt: u32, elapsed: Duration) {
        // The level of an event is static, so there are two.
        macro_rules! event {
            ($level:expr) => {
                if tracing::enabled!(target: TARGET, $level) {
                    let Subscription { domain, consumer, asset, listing, location, subscription, event } = self.subscription;
                    // A rotation is of none.
                    let of_asset = location.path.as_str() != UNKNOWN_PATH;
                    let Details { user, table, take_back, secret, readers, records } = details(effect);
                    tracing::event!(
                        target: TARGET,
                        $level,
                        run = format!("{:016x}", self.id),
                        part = self.part,
                        effect = name(effect),
                        outcome = outcome(answer),
                        error = answer.as_ref().err().map(|error| format!("{:?}", error.kind())),
                        vendor = answer.as_ref().err().and_then(Error::vendor_code),
                        attempt,
                        elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
                        domain = domain.as_str(),
                        project = consumer.project.as_str(),
                        environment = consumer.environment.as_str(),
                        account = consumer.owner.account.as_str(),
                        connection = location.connection.as_str(),
                        path = of_asset.then(|| location.path.as_str()),
                        asset = of_asset.then(|| asset.id.as_str()),
                        listing = of_asset.then(|| listing.id.as_str()),
                        subscription = subscription.as_ref().map(|id| id.as_str()),
                        event = event.as_deref(),
                        user,
                        table,
                        take_back,
                        secret,
                        readers,
                        records,
                    );
                }
            };
        }
        if effect.writes() {
            event!(tracing::Level::INFO);
        } else {
            event!(tracing::Level::DEBUG);
        }
    }
}

fn outcome(answer: &Result<Answer>) -> &'static str {
    match answer {
        Ok(Answer::Wrote(WriteOutcome::Conflict)) => "conflict",
        Ok(_) => "done",
        Err(_) => "failed",
    }
}

/// The effect's name: never its contents, where a password may be.
fn name(effect: &Effect) -> &'static str {
    match effect {
        Effect::Lock => "lock",
        Effect::Unlock => "unlock",
        Effect::Ask => "ask",
        Effect::Read(_) => "read_records",
        Effect::Find => "find",
        Effect::Tables => "list_tables",
        Effect::Commit(_) => "commit",
        Effect::Resolve(_) => "resolve",
        Effect::ReadSecret(_) => "read_secret",
        Effect::InspectSecret(_) => "inspect_secret",
        Effect::CreateSecret(..) => "create_secret",
        Effect::Propose(..) => "propose_secret",
        Effect::Promote { .. } => "promote_secret",
        Effect::Share(..) => "share_secret",
        Effect::Burn(_) => "burn_secret",
        Effect::CreateUser(_) => "create_user",
        Effect::SetPassword(_) => "set_password",
        Effect::LogIn(..) => "log_in",
        Effect::Grant { .. } => "grant",
        Effect::Revoke { .. } => "revoke",
        Effect::Reads(..) => "read_back",
        Effect::DropUser(_) => "drop_user",
        Effect::ReadCopy(_) => "read_copy",
        Effect::ReadShared(_) => "read_shared_secret",
        Effect::CreateCopy(..) => "create_copy",
        Effect::ReplaceCopy(..) => "replace_copy",
        Effect::BurnCopy(_) => "burn_copy",
    }
}

fn details(effect: &Effect) -> Details {
    let none = Details::default();
    let text = |item: &dyn Display| Some(item.to_string());
    match effect {
        Effect::CreateUser(credentials) | Effect::SetPassword(credentials) => {
            Details { user: text(&credentials.user), ..none }
        }
        Effect::LogIn(credentials, table) => Details { user: text(&credentials.user), table: text(table), ..none },
        Effect::Grant { user, table, take_back } => {
            Details { user: text(user), table: text(table), take_back: list(take_back), ..none }
        }
        Effect::Revoke { user, tables } => Details { user: text(user), table: list(tables), ..none },
        Effect::Reads(user, table) => Details { user: text(user), table: text(table), ..none },
        Effect::DropUser(user) => Details { user: text(user), ..none },
        Effect::Share(name, readers) => Details { secret: text(name), readers: list(readers), ..none },
        Effect::Propose(name, _, value) => Details { user: text(&value.user), secret: text(name), ..none },
        Effect::ReadSecret(name)
        | Effect::InspectSecret(name)
        | Effect::CreateSecret(name, _)
        | Effect::Promote { secret: name, .. }
        | Effect::Burn(name)
        | Effect::ReadCopy(name)
        | Effect::CreateCopy(name, _)
        | Effect::ReplaceCopy(name, ..)
        | Effect::BurnCopy(name) => Details { secret: text(name), ..none },
        Effect::ReadShared(id) => Details { secret: text(id), ..none },
        Effect::Read(keys) => Details { records: list(keys), ..none },
        Effect::Commit(transaction) => {
            let keys: Vec<_> = transaction.changes.iter().map(|change| &change.key).collect();
            Details { records: list(&keys), ..none }
        }
        Effect::Lock | Effect::Unlock | Effect::Ask | Effect::Find | Effect::Tables | Effect::Resolve(_) => none,
    }
}

fn list(items: &[impl Display]) -> Option<String> {
    let items: Vec<_> = items.iter().map(ToString::to_string).collect();
    (!items.is_empty()).then(|| items.join(", "))
}
