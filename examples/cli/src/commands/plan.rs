//! `dzconn plan`: what would be done.

use dzconn_core::fulfilment::{Plan, PlannedStep};
use dzconn_core::memory::{MemoryTracking, MemoryVault};
use dzconn_core::model::Subscription;
use dzconn_core::portal::Wanted;
use serde_json::json;

use super::report::skipped_json;
use crate::args::{PlanCommand, RevokeArgs};
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::{Paint, count};
use crate::target::{self, Target};
use crate::world::World;

pub(crate) async fn plan(world: World, what: PlanCommand) -> Result {
    let (args, wish) = match what {
        PlanCommand::Grant(args) => (args, Wanted::Grant),
        PlanCommand::Revoke(RevokeArgs { target, retain: false }) => (target, Wanted::Revoke),
        PlanCommand::Revoke(RevokeArgs { target, retain: true }) => (target, Wanted::Retain),
    };
    let deed = match wish {
        Wanted::Grant => "grant",
        Wanted::Revoke => "revoke",
        Wanted::Retain => "retain",
    };
    let failed = |error| Failure::looking(format!("no plan to {deed} {} for {}", args.asset, args.environment), error);
    let (world, source) = world.with_source(&args.connect).map_err(failed)?;
    let source = source.or_else(|| args.source.clone());
    let (target, fulfilment) = if world.has_store() {
        let store = world.existing_store().await.map_err(failed)?;
        let target = match wish {
            Wanted::Grant => target::to_grant(&world.directory, &args, source.as_deref()),
            _ => target::to_revoke(&world.directory, &store.tracking(), &args, source.as_deref()).await,
        };
        (target.map_err(failed)?, world.fulfilment(&store).map_err(failed)?)
    } else {
        // Looking makes no store.
        let target = target::to_grant(&world.directory, &args, source.as_deref()).map_err(failed)?;
        let vault =
            MemoryVault::new().account(world.directory.owner.account.clone(), "dzconn".parse().map_err(failed)?);
        (target, world.fulfilment_with(vault, MemoryTracking::new()).map_err(failed)?)
    };
    let subscription = match target {
        Target::Ours(subscription) => subscription,
        Target::Skipped(reason) => {
            world.output.show(|| skipped_json(&reason), |paint| format!("{}  {reason}\n", paint.warn("skipped")));
            return Ok(Exit::NothingDone);
        }
    };
    let progress = crate::output::progress("looking");
    let result = fulfilment.plan(&subscription, wish).await;
    fulfilment.close().await;
    drop(progress);
    let plan = result.map_err(failed)?;
    world.output.show(|| json(&world, &subscription, deed, &plan), |paint| text(paint, &subscription, deed, &plan));
    Ok(Exit::Done)
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
