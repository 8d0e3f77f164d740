//! `dzconn plan`: what would be done.

use dzconn_core::bucket::{ObjectPlan, ObjectSubscription};
use dzconn_core::environment::EnvironmentEvent;
use dzconn_core::fulfilment::{Plan, PlannedStep};
use dzconn_core::model::Subscription;
use dzconn_core::portal::{Lookup, Question, Wanted};
use dzconn_core::{Error, Fulfilment, Step};
use serde_json::json;

#[cfg(feature = "aws")]
use super::environment::Told;
use super::events::{Event, NO_ENVIRONMENTS, NOBODY, Read, failed_json, failed_word};
use super::objects;
use super::report::skipped_json;
use super::within;
use crate::args::{EventsArgs, PlanCommand, RevokeArgs};
use crate::backend::Backend;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::{Paint, count};
use crate::target::{self, Target};
use crate::world::World;

pub(crate) async fn plan(world: World, what: PlanCommand) -> Result {
    let (args, path, wish) = match what {
        PlanCommand::Event(args) => return event(world, args).await,
        PlanCommand::Rotate(args) => return super::rotate::plan(world, args).await,
        PlanCommand::Grant(args) => (args, None, Wanted::Grant),
        PlanCommand::Revoke(RevokeArgs { target, path, retain: false }) => (target, path, Wanted::Revoke),
        PlanCommand::Revoke(RevokeArgs { target, path, retain: true }) => (target, path, Wanted::Retain),
    };
    let deed = deed(wish);
    let failed = |error| Failure::looking(format!("no plan to {deed} {} for {}", args.asset, args.environment), error);
    let (world, source) = world.with_source(&args.connect).map_err(failed)?;
    let source = source.or_else(|| args.source.clone());
    let (target, fulfilment, store) = if world.has_store() {
        let store = world.existing_store().await.map_err(failed)?;
        let target = match wish {
            Wanted::Grant => target::to_grant(&world, &args, source.as_deref()),
            _ => target::to_revoke(&world, &*store.tracking(), &args, source.as_deref(), path.as_ref()).await,
        };
        (target.map_err(failed)?, world.fulfilment(&store).map_err(failed)?, Some(store))
    } else {
        // Looking makes no store.
        let target = target::to_grant(&world, &args, source.as_deref()).map_err(failed)?;
        (target, world.fulfilment_of_nothing().map_err(failed)?, None)
    };
    let planner = Planner { world: &world, fulfilment: &fulfilment, store: store.as_ref() };
    let part = match target {
        Target::Ours(subscription) => {
            let progress = crate::output::progress("looking");
            let part = planner.plan(subscription, wish).await;
            drop(progress);
            part.map_err(|(_, error)| failed(error))?
        }
        Target::Objects(subscription) => planner.objects(subscription, wish).await.map_err(failed)?,
        Target::Skipped(reason) => Part::Skipped(reason),
    };
    fulfilment.close().await;
    world.output.show(|| part.json(&world, deed), |paint| part.text(paint, deed));
    Ok(part.exit())
}

/// What events would do, one after the other; none sees what an earlier one would have done, and none is kept from its plan
/// by another that has none.
async fn event(world: World, args: EventsArgs) -> Result {
    let refused = |error| Failure::looking("no plan", error);
    let events = super::events::read_all(&args).map_err(refused)?;
    world.must_have_portal().map_err(refused)?;
    let (fulfilment, store) = if world.has_store() {
        let store = world.existing_store().await.map_err(refused)?;
        (world.fulfilment(&store).map_err(refused)?, Some(store))
    } else {
        (world.fulfilment_of_nothing().map_err(refused)?, None)
    };
    let planner = Planner { world: &world, fulfilment: &fulfilment, store: store.as_ref() };
    let progress = crate::output::progress("looking");
    let mut parts = Vec::new();
    for read in &events {
        let deed = match &read.event {
            Event::Subscription(event) => deed(event.wish()),
            Event::Environment(event) if event.ending => "clean",
            Event::Environment(_) => "equip",
        };
        parts.extend(planner.event(read).await.into_iter().map(|part| (deed, part)));
    }
    fulfilment.close().await;
    drop(progress);
    world.output.show(
        || json!({"plans": parts.iter().map(|(deed, part)| part.json(&world, deed)).collect::<Vec<_>>()}),
        |paint| parts.iter().map(|(deed, part)| part.text(paint, deed)).collect(),
    );
    let failures = parts.iter().flat_map(|(_, part)| match part {
        Part::Failed(failure) => std::slice::from_ref(failure),
        #[cfg(feature = "aws")]
        Part::Environment(told) => &told.failures,
        _ => &[],
    });
    Ok(super::events::failed(&world, failures))
}

/// What plans are made with.
struct Planner<'a> {
    world: &'a World,
    fulfilment: &'a Fulfilment,
    store: Option<&'a Backend>,
}

impl Planner<'_> {
    async fn event(&self, Read { place, event }: &Read) -> Vec<Part> {
        let event = match event {
            Event::Subscription(event) => event,
            Event::Environment(event) => return vec![self.environment(place, event).await],
        };
        let lookups = match self.fulfilment.lookups(event).await {
            Ok(lookups) => lookups,
            Err(error) => return vec![Part::Failed(Failure::looking(format!("{place}: no plan"), error))],
        };
        if lookups.is_empty() {
            return vec![Part::Skipped(NOBODY.to_owned())];
        }
        let mut parts = Vec::new();
        for lookup in lookups {
            parts.push(match lookup {
                Lookup::Skipped(reason) => Part::Skipped(reason),
                Lookup::Failed(error) => Part::Failed(Failure::looking(format!("{place}: no plan in full"), error)),
                Lookup::Objects(subscription) => {
                    let what = objects::not_done(&subscription, event.wish());
                    let planned = self.objects(subscription, event.wish()).await;
                    planned.unwrap_or_else(|error| {
                        Part::Failed(Failure::looking(format!("{place}: no plan: {what}"), error))
                    })
                }
                Lookup::Ours(subscription) => {
                    self.plan(subscription, event.wish()).await.unwrap_or_else(|(subscription, error)| {
                        let Subscription { consumer, location, .. } = *subscription;
                        let deed = deed(event.wish());
                        let what = format!("{place}: no plan to {deed} {} for {}", location.path, consumer.environment);
                        let error = error.on_asset(&location.path).for_environment(&consumer.environment);
                        Part::Failed(Failure::looking(what, error))
                    })
                }
            });
        }
        parts
    }

    #[cfg_attr(not(feature = "aws"), allow(unused_variables, clippy::unused_async, reason = "environments are on AWS"))]
    async fn environment(&self, place: &str, event: &EnvironmentEvent) -> Part {
        #[cfg(feature = "aws")]
        if let Some(Backend::Aws(aws)) = self.store {
            return match aws.environments(self.fulfilment.clone()).plan(event).await {
                Ok(report) => Part::Environment(Box::new(Told::new(report, true))),
                Err(error) => Part::Failed(Failure::looking(format!("{place}: no plan"), error)),
            };
        }
        Part::Skipped(NO_ENVIRONMENTS.to_owned())
    }

    async fn objects(&self, subscription: Box<ObjectSubscription>, wish: Wanted) -> dzconn_core::Result<Part> {
        let plan = self.fulfilment.plan_objects(&subscription, wish).await?;
        Ok(Part::Objects { subscription, plan: Box::new(plan), wish })
    }

    /// The plan, and what the portal wants: what a run brings about is that, whatever it was started for.
    async fn plan(
        &self,
        subscription: Box<Subscription>,
        wish: Wanted,
    ) -> std::result::Result<Part, (Box<Subscription>, Error)> {
        let planned = async {
            let plan = self.fulfilment.plan(&subscription, wish).await?;
            let question = Question::about(&subscription, wish);
            let asking = self.world.wanted(self.store, &question);
            let wanted = within(self.world.deadline(), "asking the portal", asking).await;
            Ok((plan, wanted.map_err(|error: Error| error.at(Step::Ask))?))
        };
        match planned.await {
            Ok((plan, wanted)) => Ok(Part::Planned { subscription, plan, wish, wanted }),
            Err(error) => Err((subscription, error)),
        }
    }
}

/// What would become of one environment.
enum Part {
    Planned {
        subscription: Box<Subscription>,
        plan: Plan,
        wish: Wanted,
        wanted: Wanted,
    },
    Objects {
        subscription: Box<ObjectSubscription>,
        plan: Box<ObjectPlan>,
        wish: Wanted,
    },
    Failed(Failure),
    Skipped(String),
    #[cfg(feature = "aws")]
    Environment(Box<Told>),
}

impl Part {
    fn exit(&self) -> Exit {
        match self {
            Self::Planned { .. } | Self::Objects { .. } => Exit::Done,
            #[cfg(feature = "aws")]
            Self::Environment(_) => Exit::Done,
            Self::Failed(failure) => failure.exit(),
            Self::Skipped(_) => Exit::NothingDone,
        }
    }

    fn json(&self, world: &World, deed: &str) -> serde_json::Value {
        match self {
            Self::Planned { subscription, plan, wanted, .. } => json(world, subscription, deed, plan, *wanted),
            Self::Objects { subscription, plan, .. } => objects::plan_json(subscription, deed, plan),
            Self::Failed(failure) => failed_json(failure),
            Self::Skipped(reason) => skipped_json(reason),
            #[cfg(feature = "aws")]
            Self::Environment(told) => told.json(),
        }
    }

    fn text(&self, paint: Paint, asked: &str) -> String {
        match self {
            Self::Planned { subscription, plan, wish, wanted } => {
                let mut text = text(paint, subscription, asked, plan);
                text.push_str(&contradicted(paint, *wanted, *wish));
                text
            }
            Self::Objects { subscription, plan, wish } => {
                let mut text = objects::plan_text(paint, subscription, asked, plan);
                text.push_str(&contradicted(paint, plan.wanted, *wish));
                text
            }
            Self::Failed(failure) => {
                let subject = failure.error().subject();
                let about = [
                    Some(asked.to_owned()),
                    subject.asset.clone(),
                    subject.environment.clone().map(|of| format!("for {of}")),
                ];
                let about = about.into_iter().flatten().collect::<Vec<_>>().join(" ");
                format!("{about}: {}  {}\n", paint.bad(failed_word(failure)), failure.error().kind())
            }
            Self::Skipped(reason) => format!("{}  {reason}\n", paint.warn("skipped")),
            #[cfg(feature = "aws")]
            Self::Environment(told) => told.text(paint),
        }
    }
}

fn contradicted(paint: Paint, wanted: Wanted, wish: Wanted) -> String {
    if wanted == wish {
        return String::new();
    }
    format!("  {}  the portal wants {} by now, and that is planned\n", paint.warn("note"), deed(wanted))
}

pub(super) fn deed(wish: Wanted) -> &'static str {
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

fn json(world: &World, subscription: &Subscription, asked: &str, plan: &Plan, wanted: Wanted) -> serde_json::Value {
    let Subscription { consumer, asset, listing, location, .. } = subscription;
    json!({
        "plan": asked,
        "wanted": deed(wanted),
        "environment": consumer.environment,
        "project": consumer.project,
        "asset": {"id": asset.id, "listing": listing.id, "path": location.path},
        "source": world.directory.name_of(&location.connection),
        "connection": location.connection,
        "steps": steps_json(plan),
    })
}

pub(super) fn steps_json(plan: &Plan) -> Vec<serde_json::Value> {
    plan.steps.iter().map(|step| json!({"kind": kind(step), "text": step.to_string()})).collect()
}

fn text(paint: Paint, subscription: &Subscription, deed: &str, plan: &Plan) -> String {
    steps_text(paint, &format!("{deed} {} for {}", subscription.location.path, subscription.consumer.environment), plan)
}

pub(super) fn steps_text(paint: Paint, what: &str, plan: &Plan) -> String {
    if plan.steps.is_empty() {
        return format!("{}: nothing to do\n", paint.strong(what));
    }
    let mut text = format!("{}: {}\n", paint.strong(what), count(plan.steps.len(), "step"));
    for (number, step) in (1..).zip(&plan.steps) {
        text.push_str(&format!("  {number:>2}  {}  {step}\n", paint.dim(&format!("{:<9}", kind(step)))));
    }
    text.push_str("Nothing was changed.\n");
    text
}
