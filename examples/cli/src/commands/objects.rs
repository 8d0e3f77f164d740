//! Objects in S3, told to people and to programs.

use std::time::{Duration, Instant};

use dzconn_core::bucket::{ObjectAccess, ObjectOutcome, ObjectPlan, ObjectRecord, ObjectSubscription};
use dzconn_core::portal::Wanted;
use serde_json::{Value, json};

use super::plan::deed;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::{Paint, count, took};
use crate::tracked;
use crate::world::World;

/// One outcome, and what it is about.
pub(super) struct ObjectReport<'a> {
    pub(super) subscription: &'a ObjectSubscription,
    pub(super) outcome: &'a ObjectOutcome,
    pub(super) time: Duration,
}

impl ObjectReport<'_> {
    pub(super) fn word(&self) -> &'static str {
        match self.outcome {
            ObjectOutcome::Granted(_) => "granted",
            ObjectOutcome::Retained(_) => "retained",
            ObjectOutcome::Revoked(_) => "revoked",
            _ => "superseded",
        }
    }

    fn exit(&self) -> Exit {
        if self.word() == "superseded" { Exit::NothingDone } else { Exit::Done }
    }

    /// What there is to know beyond the word, in one line.
    pub(super) fn detail(&self) -> String {
        match self.outcome {
            ObjectOutcome::Granted(granted) | ObjectOutcome::Retained(granted) => {
                let who = names(&granted.access);
                if granted.changed { who } else { format!("nothing to do: {who}") }
            }
            ObjectOutcome::Revoked(revoked) if revoked.changed => "the bucket's policy is without it".to_owned(),
            ObjectOutcome::Revoked(revoked) if revoked.shared => "another subscription needs the same".to_owned(),
            ObjectOutcome::Revoked(_) => "nothing to do".to_owned(),
            _ => "the portal wants something else by now".to_owned(),
        }
    }

    /// What is good to know although all went well.
    pub(super) fn warnings(&self) -> Vec<String> {
        let ObjectOutcome::Revoked(revoked) = self.outcome else { return Vec::new() };
        let shared = (revoked.shared && revoked.changed)
            .then(|| "another subscription still lets it read some of it".to_owned());
        let others = revoked.others.iter().map(|sid| format!("others' statement {sid} may still let it read"));
        shared.into_iter().chain(others).collect()
    }

    pub(super) fn json(&self) -> Value {
        let ObjectSubscription { consumer, asset, listing, access, .. } = self.subscription;
        let mut json = json!({
            "outcome": self.word(),
            "environment": consumer.environment,
            "project": consumer.project,
            "asset": {"id": asset.id, "listing": listing.id, "path": access.objects},
            "bucket": access.objects.bucket(),
            "milliseconds": u64::try_from(self.time.as_millis()).unwrap_or(u64::MAX),
        });
        let more = match self.outcome {
            ObjectOutcome::Granted(granted) | ObjectOutcome::Retained(granted) => {
                json!({"changed": granted.changed, "principals": granted.access.principals})
            }
            ObjectOutcome::Revoked(revoked) => json!({
                "changed": revoked.changed,
                "principals": revoked.access.as_ref().map(|access| &access.principals),
                "shared": revoked.shared,
                "others": revoked.others,
            }),
            _ => json!({"changed": false}),
        };
        if let (Value::Object(json), Value::Object(more)) = (&mut json, more) {
            json.extend(more);
        }
        json
    }

    fn text(&self, paint: Paint) -> String {
        let word = if self.word() == "granted" { paint.good(self.word()) } else { paint.warn(self.word()) };
        let arrow = if matches!(self.outcome, ObjectOutcome::Revoked(_)) { "from" } else { "→" };
        let ObjectSubscription { consumer, access, .. } = self.subscription;
        let what = paint.strong(&access.objects.to_string());
        let time = paint.dim(&format!("({})", took(self.time)));
        let mut text = format!("{word}  {what} {arrow} {}  {} {time}\n", consumer.environment, self.detail());
        for warning in self.warnings() {
            text.push_str(&format!("  {}  {warning}\n", paint.warn("note")));
        }
        text
    }
}

fn names(access: &ObjectAccess) -> String {
    access.principals.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// What was to be done, and was not.
pub(super) fn not_done(subscription: &ObjectSubscription, wish: Wanted) -> String {
    let done = match wish {
        Wanted::Grant => "granted to",
        Wanted::Revoke => "revoked from",
        Wanted::Retain => "retained for",
    };
    format!("{} was not {done} {}", subscription.access.objects, subscription.consumer.environment)
}

/// `dzconn revoke`, of objects that tracking has.
pub(super) async fn bring_about(world: &World, subscription: &ObjectSubscription, wish: Wanted) -> Result {
    let what = not_done(subscription, wish);
    let store = world.store().await.map_err(|error| Failure::looking(&what, error))?;
    let fulfilment = world.fulfilment(&store).map_err(|error| Failure::looking(&what, error))?;
    let progress = crate::output::progress(format!("working on {}", subscription.access.objects));
    let begin = Instant::now();
    let result = match wish {
        Wanted::Grant => fulfilment.grant_objects(subscription).await,
        Wanted::Revoke => fulfilment.revoke_objects(subscription).await,
        Wanted::Retain => fulfilment.retain_objects(subscription).await,
    };
    fulfilment.close().await;
    store.close().await;
    drop(progress);
    let outcome = result.map_err(|error| Failure::new(what, error))?;
    let report = ObjectReport { subscription, outcome: &outcome, time: begin.elapsed() };
    world.output.show(|| report.json(), |paint| report.text(paint));
    Ok(report.exit())
}

pub(super) fn plan_json(subscription: &ObjectSubscription, asked: &str, plan: &ObjectPlan) -> Value {
    let ObjectSubscription { consumer, asset, listing, access, .. } = subscription;
    let policy = |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<Value>().ok());
    json!({
        "plan": asked,
        "wanted": deed(plan.wanted),
        "environment": consumer.environment,
        "project": consumer.project,
        "asset": {"id": asset.id, "listing": listing.id, "path": access.objects},
        "bucket": plan.bucket,
        "allowed": plan.allowed,
        "taken_back": plan.taken_back,
        "policy": {"before": policy(&plan.before), "after": policy(&plan.after)},
    })
}

pub(super) fn plan_text(paint: Paint, subscription: &ObjectSubscription, asked: &str, plan: &ObjectPlan) -> String {
    let what = format!("{asked} {} for {}", subscription.access.objects, subscription.consumer.environment);
    let total = plan.allowed.len() + plan.taken_back.len();
    if total == 0 {
        return format!("{}: nothing to do\n", paint.strong(&what));
    }
    let mut text = format!("{}: {} in the policy of {}\n", paint.strong(&what), count(total, "change"), plan.bucket);
    for (word, all) in [("allow", &plan.allowed), ("no more", &plan.taken_back)] {
        for one in all {
            text.push_str(&format!("  {}  {one}\n", paint.dim(&format!("{word:<7}"))));
        }
    }
    text.push_str("Nothing was changed.\n");
    text
}

/// `dzconn show` of an environment that reads objects and nothing else.
pub(super) fn rows_json(rows: &[ObjectRecord]) -> Value {
    let one = |row: &ObjectRecord| {
        json!({
            "environment": row.environment,
            "project": row.project,
            "domain": row.domain,
            "asset": {"id": row.asset, "path": row.access.objects, "name": row.listing_name},
            "bucket": row.access.objects.bucket(),
            "principals": row.access.principals,
            "state": row.state.word(),
            "since": row.since,
        })
    };
    rows.iter().map(one).collect()
}

pub(super) fn rows_text(paint: Paint, rows: &[ObjectRecord]) -> String {
    let row = |row: &ObjectRecord| {
        vec![
            row.asset.to_string(),
            row.access.objects.to_string(),
            names(&row.access),
            row.since.to_string(),
            row.state.word().to_owned(),
        ]
    };
    paint.table(&["ASSET", "OBJECTS", "PRINCIPALS", "SINCE", "STATE"], rows.iter().map(row).collect(), Some(2))
}

/// The objects that an environment reads, as tracking has them.
pub(super) async fn rows_of(
    tracking: &dyn dzconn_core::TrackingStore,
    environment: &str,
) -> dzconn_core::Result<Vec<ObjectRecord>> {
    let environment = crate::directory::environment_id(environment)?;
    let query = dzconn_core::store::Query::Objects(Some(environment));
    tracked::objects(tracking, &query).await?.into_iter().collect()
}
