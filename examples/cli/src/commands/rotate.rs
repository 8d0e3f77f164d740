//! `dzconn rotate`: new credentials for environments.

use dzconn_core::fulfilment::{Plan, Rotated, Rotation};
use dzconn_core::model::SourceKey;
use dzconn_core::store::Query;
use dzconn_core::{Changed, Error, ErrorKind, Fulfilment, Result, Step};
use serde_json::{Value, json};

use super::plan::{steps_json, steps_text};
use crate::args::RotateArgs;
use crate::backend::Backend;
use crate::directory::environment_id;
use crate::exit::Exit;
use crate::failure::{self, Failure};
use crate::output::{Paint, print_error, progress};
use crate::tracked;
use crate::world::World;

/// One environment on one source, and what became of it.
struct Part {
    key: SourceKey,
    result: std::result::Result<Rotation, Failure>,
}

pub(crate) async fn rotate(world: World, args: RotateArgs) -> failure::Result {
    let failed = |error| Failure::looking("nothing was rotated", error);
    let store = world.existing_store().await.map_err(failed)?;
    let fulfilment = world.fulfilment(&store).map_err(failed)?;
    let parts = work(&world, &store, &fulfilment, &args).await;
    fulfilment.close().await;
    store.close().await;
    let (parts, unreadable) = parts.map_err(failed)?;
    world.output.show(
        || {
            json!({
                "rotations": parts.iter().map(|part| json(&world, part)).collect::<Vec<_>>(),
                "errors": unreadable.iter().map(Failure::json).collect::<Vec<_>>(),
            })
        },
        |paint| parts.iter().map(|part| text(&world, paint, part)).collect(),
    );
    let mut exit = Exit::Done;
    for failure in parts.iter().filter_map(|part| part.result.as_ref().err()).chain(&unreadable) {
        if !world.output.json {
            print_error(&failure.text(world.output.paint_errors));
        }
        exit = exit.and(failure.exit());
    }
    Ok(exit)
}

async fn work(
    world: &World,
    store: &Backend,
    fulfilment: &Fulfilment,
    args: &RotateArgs,
) -> Result<(Vec<Part>, Vec<Failure>)> {
    let progress = progress("rotating");
    let mut parts = Vec::new();
    let (keys, unreadable) = chosen(world, store, args).await?;
    for key in keys {
        let name = world.directory.name_of(&key.connection);
        progress.say(format!("rotating {} at {name}", key.environment));
        let result = fulfilment.rotate(&key.connection, &key.environment).await;
        let what = format!("the credentials of {} at {name} were not rotated", key.environment);
        parts.push(Part { key, result: result.map_err(|error| Failure::new(what, error)) });
    }
    let what = "what one record speaks of was not rotated";
    Ok((parts, unreadable.into_iter().map(|error| Failure::new(what.to_owned(), error)).collect()))
}

/// What a rotation would do.
pub(super) async fn plan(world: World, args: RotateArgs) -> failure::Result {
    let failed = |error| Failure::looking("no plan to rotate", error);
    let store = world.existing_store().await.map_err(failed)?;
    let fulfilment = world.fulfilment(&store).map_err(failed)?;
    let planning = async {
        let mut plans = Vec::new();
        let (keys, unreadable) = chosen(&world, &store, &args).await?;
        if let Some(error) = unreadable.into_iter().next() {
            return Err(error);
        }
        for key in keys {
            let plan = fulfilment.plan_rotation(&key.connection, &key.environment).await?;
            plans.push((key, plan));
        }
        Ok(plans)
    };
    let plans = planning.await;
    fulfilment.close().await;
    store.close().await;
    let plans = plans.map_err(failed)?;
    let of = |key: &SourceKey| world.directory.name_of(&key.connection);
    world.output.show(
        || {
            let plan = |(key, plan): &(SourceKey, Plan)| {
                json!({
                    "plan": "rotate",
                    "environment": key.environment,
                    "source": of(key),
                    "connection": key.connection,
                    "steps": steps_json(plan),
                })
            };
            json!({"plans": plans.iter().map(plan).collect::<Vec<_>>()})
        },
        |paint| {
            let text = |(key, plan): &(SourceKey, Plan)| {
                steps_text(paint, &format!("rotate {} at {}", key.environment, of(key)), plan)
            };
            plans.iter().map(text).collect()
        },
    );
    Ok(Exit::Done)
}

/// What the command line means, out of what is recorded; and what of that cannot be read, which keeps nobody else from rotating.
async fn chosen(world: &World, store: &Backend, args: &RotateArgs) -> Result<(Vec<SourceKey>, Vec<Error>)> {
    let environment = args.environment.as_deref().map(environment_id).transpose()?;
    let connection = match &args.source {
        Some(name) => Some(world.connection(&*store.tracking(), name).await?),
        None => None,
    };
    let (mut keys, mut unreadable) = (Vec::new(), Vec::new());
    for record in tracked::sources(&*store.tracking(), &Query::Sources(connection)).await? {
        match record {
            Ok(record) if environment.as_ref().is_none_or(|environment| record.key.environment == *environment) => {
                keys.push(record.key);
            }
            Ok(_) => {}
            Err(error) => unreadable.push(error),
        }
    }
    if keys.is_empty() && unreadable.is_empty() && !args.all {
        let of = environment.map_or_else(|| "any environment".to_owned(), |environment| environment.to_string());
        let at = args.source.as_ref().map_or_else(String::new, |source| format!(" at {source}"));
        return Err(Error::new(ErrorKind::InvalidInput, format!("nothing is recorded for {of}{at}"))
            .at(Step::Tracking)
            .advise("`dzconn list` shows who can read what")
            .changed(Changed::Nothing));
    }
    Ok((keys, unreadable))
}

fn outcome(part: &Part) -> &'static str {
    match part.result {
        Ok(Rotation::Rotated(_)) => "rotated",
        Ok(Rotation::Superseded) => "superseded",
        Ok(_) => "nothing",
        Err(_) => "failed",
    }
}

fn json(world: &World, part: &Part) -> Value {
    let rotated = match &part.result {
        Ok(Rotation::Rotated(rotated)) => Some(rotated),
        _ => None,
    };
    json!({
        "environment": part.key.environment,
        "source": world.directory.name_of(&part.key.connection),
        "connection": part.key.connection,
        "outcome": outcome(part),
        "user": rotated.map(|rotated| &rotated.user),
        "previous_user": rotated.and_then(|rotated| rotated.previous.as_ref()),
        "secret": rotated.map(|rotated| &rotated.secret),
        "error": part.result.as_ref().err().map(Failure::json),
    })
}

fn text(world: &World, paint: Paint, part: &Part) -> String {
    let place = format!("{} at {}", part.key.environment, world.directory.name_of(&part.key.connection));
    match &part.result {
        Ok(Rotation::Rotated(Rotated { user, previous, secret, .. })) => {
            let previous = previous.as_ref().map_or_else(String::new, |previous| {
                format!("; {previous} goes on logging in until the next rotation")
            });
            format!("{}  {place}  user {user}, secret {secret}{previous}\n", paint.good("rotated"))
        }
        Ok(Rotation::Superseded) => format!("{}  {place}  it was taken back meanwhile\n", paint.warn("superseded")),
        Ok(_) => format!("{}  {place}  nothing is granted there\n", paint.dim("nothing")),
        Err(_) => String::new(),
    }
}
