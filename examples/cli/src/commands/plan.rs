//! `dzconn plan`: what would be done.

use dzconn_core::fulfilment::{Plan, PlannedStep};
use dzconn_core::model::Subscription;
use dzconn_core::portal::{Lookup, Wanted};
use serde_json::json;

use super::events::Read;
use super::report::skipped_json;
use crate::args::{EventsArgs, PlanCommand, RevokeArgs};
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::{Paint, count};
use crate::target::{self, Target};
use crate::world::World;

pub(crate) async fn plan(world: World, what: PlanCommand) -> Result {
    let (args, wish) = match what {
        PlanCommand::Event(args) => return event(world, args).await,
        PlanCommand::Grant(args) => (args, Wanted::Grant),
        PlanCommand::Revoke(RevokeArgs { target, retain: false }) => (target, Wanted::Revoke),
        PlanCommand::Revoke(RevokeArgs { target, retain: true }) => (target, Wanted::Retain),
    };
    let deed = deed(wish);
    let failed = |error| Failure::looking(format!("no plan to {deed} {} for {}", args.asset, args.environment), error);
    let (world, source) = world.with_source(&args.connect).map_err(failed)?;
    let source = source.or_else(|| args.source.clone());
    let (target, fulfilment) = if world.has_store() {
        let store = world.existing_store().await.map_err(failed)?;
        let target = match wish {
            Wanted::Grant => target::to_grant(&world, &args, source.as_deref()),
            _ => target::to_revoke(&world, &*store.tracking(), &args, source.as_deref()).await,
        };
        (target.map_err(failed)?, world.fulfilment(&store).map_err(failed)?)
    } else {
        // Looking makes no store.
        let target = target::to_grant(&world, &args, source.as_deref()).map_err(failed)?;
        (target, world.fulfilment_of_nothing().map_err(failed)?)
    };
    let part = match target {
        Target::Ours(subscription) => {
            let progress = crate::output::progress("looking");
            let result = fulfilment.plan(&subscription, wish).await;
            drop(progress);
            Part::Planned(subscription, result.map_err(failed)?)
        }
        Target::Skipped(reason) => Part::Skipped(reason),
    };
    fulfilment.close().await;
    world.output.show(|| part.json(&world, deed), |paint| part.text(paint, deed));
    Ok(part.exit())
}

/// What events would do, one after the other; none sees what an earlier one would have done.
async fn event(world: World, args: EventsArgs) -> Result {
    let failed = |error| Failure::looking("no plan", error);
    let events = super::events::read_all(&args).map_err(failed)?;
    world.must_have_portal().map_err(failed)?;
    let fulfilment = if world.has_store() {
        let store = world.existing_store().await.map_err(failed)?;
        world.fulfilment(&store).map_err(failed)?
    } else {
        world.fulfilment_of_nothing().map_err(failed)?
    };
    let progress = crate::output::progress("looking");
    let mut parts = Vec::new();
    for Read { place, event } in &events {
        let failed = |error| Failure::looking(format!("{place}: no plan"), error);
        let wish = event.wish();
        for lookup in fulfilment.lookups(event).await.map_err(failed)? {
            let part = match lookup {
                Lookup::Ours(subscription) => {
                    let plan = fulfilment.plan(&subscription, wish).await.map_err(failed)?;
                    Part::Planned(subscription, plan)
                }
                Lookup::Skipped(reason) => Part::Skipped(reason),
                Lookup::Failed(error) => return Err(failed(error)),
            };
            parts.push((deed(wish), part));
        }
    }
    fulfilment.close().await;
    drop(progress);
    world.output.show(
        || json!({"plans": parts.iter().map(|(deed, part)| part.json(&world, deed)).collect::<Vec<_>>()}),
        |paint| parts.iter().map(|(deed, part)| part.text(paint, deed)).collect(),
    );
    Ok(parts.iter().map(|(_, part)| part.exit()).max_by_key(|exit| *exit == Exit::Done).unwrap_or(Exit::NothingDone))
}

/// What would become of one environment.
enum Part {
    Planned(Box<Subscription>, Plan),
    Skipped(String),
}

impl Part {
    fn exit(&self) -> Exit {
        match self {
            Self::Planned(..) => Exit::Done,
            Self::Skipped(_) => Exit::NothingDone,
        }
    }

    fn json(&self, world: &World, deed: &str) -> serde_json::Value {
        match self {
            Self::Planned(subscription, plan) => json(world, subscription, deed, plan),
            Self::Skipped(reason) => skipped_json(reason),
        }
    }

    fn text(&self, paint: Paint, deed: &str) -> String {
        match self {
            Self::Planned(subscription, plan) => text(paint, subscription, deed, plan),
            Self::Skipped(reason) => format!("{}  {reason}\n", paint.warn("skipped")),
        }
    }
}

fn deed(wish: Wanted) -> &'static str {
    match wish {
        Wanted::Grant => "grant",
        Wanted::Revoke => "revoke",
        Wanted::Retain => "retain",
    }
}

fn kind(step: &PlannedStep) -> &'static str {
    match step {
        PlannedStep::Statement(_) => "statement",
        PlannedStep::Secret(_) => "secret",
        _ => "record",
    }
}

fn json(world: &World, subscription: &Subscription, deed: &str, plan: &Plan) -> serde_json::Value {
    let Subscription { consumer, asset, listing, location, .. } = subscription;
    let steps = plan.steps.iter().map(|step| json!({"kind": kind(step), "text": step.to_string()}));
    json!({
        "plan": deed,
        "environment": consumer.environment,
        "project": consumer.project,
        "asset": {"id": asset.id, "listing": listing.id, "path": location.path},
        "source": world.directory.name_of(&location.connection),
        "connection": location.connection,
        "steps": steps.collect::<Vec<_>>(),
    })
}

fn text(paint: Paint, subscription: &Subscription, deed: &str, plan: &Plan) -> String {
    let what = format!("{deed} {} for {}", subscription.location.path, subscription.consumer.environment);
    if plan.steps.is_empty() {
        return format!("{}: nothing to do\n", paint.strong(&what));
    }
    let mut text = format!("{}: {}\n", paint.strong(&what), count(plan.steps.len(), "step"));
    for (number, step) in (1..).zip(&plan.steps) {
        text.push_str(&format!("  {number:>2}  {}  {step}\n", paint.dim(&format!("{:<9}", kind(step)))));
    }
    text.push_str("Nothing was changed.\n");
    text
}
