//! `dzconn fulfil`: events about subscriptions and environments as `EventBridge` delivers them, worked on one after the other.

use std::io::Read as _;
use std::path::Path;
use std::time::{Duration, Instant};
use std::{fs, io};

use dzconn_core::bucket::{ObjectOutcome, ObjectSubscription};
use dzconn_core::environment::EnvironmentEvent;
use dzconn_core::event::{Ending, SubscriptionEvent};
use dzconn_core::fulfilment::Handled;
use dzconn_core::model::Subscription;
use dzconn_core::workflow::Outcome;
use dzconn_core::{Changed, Error, ErrorKind, Fulfilment, Result, Step};
use serde_json::{Value, json};

#[cfg(feature = "aws")]
use super::environment::Told;
use super::objects::{self, ObjectReport};
use super::report::{Report, skipped_json};
use crate::args::EventsArgs;
use crate::backend::Backend;
use crate::exit::Exit;
use crate::failure::{self, Failure};
use crate::output::{Paint, print_error};
use crate::world::World;

/// What an event without anybody is skipped for.
pub(super) const NOBODY: &str = "nobody has, or is to have, access by it";

/// What an environment's event is skipped for where there is no AWS.
pub(super) const NO_ENVIRONMENTS: &str = "environments come and go on AWS only: add --aws";

/// An event, and where it was read.
pub(super) struct Read {
    pub(super) place: String,
    pub(super) event: Event,
}

/// What an event is about.
pub(super) enum Event {
    Subscription(SubscriptionEvent),
    Environment(EnvironmentEvent),
}

/// What became of an event, environment by environment.
struct Worked {
    read: Read,
    parts: Vec<Part>,
}

enum Part {
    Done {
        subscription: Box<Subscription>,
        outcome: Box<Outcome>,
        time: Duration,
    },
    Objects {
        subscription: Box<ObjectSubscription>,
        outcome: Box<ObjectOutcome>,
        time: Duration,
    },
    Failed(Failure),
    Skipped(String),
    #[cfg(feature = "aws")]
    Environment(Box<Told>),
}

pub(crate) async fn fulfil(world: World, args: EventsArgs) -> failure::Result {
    let refused = |error| Failure::looking("no event was worked on", error);
    let events = read_all(&args).map_err(refused)?;
    world.must_have_portal().map_err(refused)?;
    let store = world.store().await.map_err(refused)?;
    let fulfilment = world.fulfilment(&store).map_err(refused)?;
    let mut worked = Vec::new();
    let total = events.len();
    let progress = crate::output::progress("");
    for (number, read) in (1..).zip(events) {
        progress.say(format!("event {number} of {total}: {}", read.place));
        let parts = work(&store, &fulfilment, &read).await;
        worked.push(Worked { read, parts });
    }
    drop(progress);
    fulfilment.close().await;
    store.close().await;
    world.output.show(|| json(&world, &worked), |paint| text(paint, &world, &worked));
    let failures = worked.iter().flat_map(|worked| &worked.parts).flat_map(|part| match part {
        Part::Failed(failure) => std::slice::from_ref(failure),
        #[cfg(feature = "aws")]
        Part::Environment(told) => &told.failures,
        _ => &[],
    });
    Ok(failed(&world, failures))
}

/// Prints the failures among several parts, and says how the whole has ended.
pub(super) fn failed<'a>(world: &World, failures: impl Iterator<Item = &'a Failure>) -> Exit {
    let mut exit = Exit::Done;
    for failure in failures {
        if !world.output.json {
            print_error(&failure.text(world.output.paint_errors));
        }
        // Other parts may have been worked on: that the input is wrong would say that nothing was changed.
        let failed = if failure.exit() == Exit::Input { Exit::Failed } else { failure.exit() };
        exit = exit.and(failed);
    }
    exit
}

/// Every event, before anything is done for the first: a mistake in the last file changes nothing.
pub(super) fn read_all(args: &EventsArgs) -> Result<Vec<Read>> {
    let mut events = Vec::new();
    for file in args.files.iter().chain(&args.event) {
        let (name, text) = text_of(file)?;
        let mut found = Vec::new();
        for value in serde_json::Deserializer::from_str(&text).into_iter::<Value>() {
            match value {
                Ok(Value::Array(values)) => found.extend(values),
                Ok(value) => found.push(value),
                Err(error) => return Err(invalid(format!("{name} is not JSON: {error}"))),
            }
        }
        if found.is_empty() {
            return Err(invalid(format!("{name} holds no event")));
        }
        let several = found.len() > 1;
        for (number, value) in (1..).zip(found) {
            let place = if several { format!("{name}#{number}") } else { name.clone() };
            let event = if EnvironmentEvent::is_one(&value) {
                EnvironmentEvent::from_json(&value.to_string()).map(Event::Environment)
            } else {
                SubscriptionEvent::from_json(&value.to_string()).map(Event::Subscription)
            };
            let event = event.map_err(|error| {
                invalid(format!("{place}: {}", error.detail()))
                    .advise("give the whole envelope, with detail-type, detail.metadata and detail.data")
            })?;
            events.push(Read { place, event });
        }
    }
    Ok(events)
}

fn text_of(file: &Path) -> Result<(String, String)> {
    let mut text = String::new();
    let (name, result) = if file == Path::new("-") {
        ("standard input".to_owned(), io::stdin().read_to_string(&mut text))
    } else {
        let opened = fs::File::open(file);
        (file.display().to_string(), opened.and_then(|mut file| file.read_to_string(&mut text)))
    };
    match result {
        Ok(_) => Ok((name, text)),
        Err(error) => Err(invalid(format!("{name} cannot be read: {error}"))),
    }
}

async fn work(store: &Backend, fulfilment: &Fulfilment, read: &Read) -> Vec<Part> {
    let begin = Instant::now();
    let event = match &read.event {
        Event::Subscription(event) => event,
        Event::Environment(event) => return vec![environment(store, fulfilment, read, event).await],
    };
    match fulfilment.handle(event).await {
        Err(error) => vec![Part::Failed(Failure::new(format!("{} was not worked on", read.place), error))],
        Ok(handled) if handled.is_empty() => vec![Part::Skipped(NOBODY.to_owned())],
        Ok(handled) => handled
            .into_iter()
            .map(|part| match part {
                Handled::Skipped { reason } => Part::Skipped(reason),
                Handled::Failed { error } => {
                    Part::Failed(Failure::new(format!("{} was not worked on in full", read.place), error))
                }
                Handled::Done { subscription, result } => match *result {
                    Ok(outcome) => Part::Done { subscription, outcome: Box::new(outcome), time: begin.elapsed() },
                    Err(error) => Part::Failed(Failure::new(not_done(read, event, &subscription), error)),
                },
                Handled::Objects { subscription, result } => match *result {
                    Ok(outcome) => Part::Objects { subscription, outcome: Box::new(outcome), time: begin.elapsed() },
                    Err(error) => {
                        let what = objects::not_done(&subscription, event.wish());
                        Part::Failed(Failure::new(format!("{}: {what}", read.place), error))
                    }
                },
                _ => Part::Skipped("of a kind that this command does not know".to_owned()),
            })
            .collect(),
    }
}

#[cfg(feature = "aws")]
async fn environment(store: &Backend, fulfilment: &Fulfilment, read: &Read, event: &EnvironmentEvent) -> Part {
    let Backend::Aws(aws) = store else { return Part::Skipped(NO_ENVIRONMENTS.to_owned()) };
    match aws.environments(fulfilment.clone()).handle(event).await {
        Ok(report) => Part::Environment(Box::new(Told::new(report, false))),
        Err(error) => Part::Failed(Failure::new(format!("{} was not worked on", read.place), error)),
    }
}

#[cfg(not(feature = "aws"))]
async fn environment(_: &Backend, _: &Fulfilment, _: &Read, _: &EnvironmentEvent) -> Part {
    Part::Skipped(NO_ENVIRONMENTS.to_owned())
}

fn not_done(read: &Read, event: &SubscriptionEvent, subscription: &Subscription) -> String {
    let done = match event.ending {
        None => "granted to",
        Some(Ending::Revoke) => "revoked from",
        Some(Ending::Retain) => "retained for",
    };
    let Subscription { consumer, location, .. } = subscription;
    format!("{}: {} was not {done} {}", read.place, location.path, consumer.environment)
}

fn kind(event: &Event) -> &'static str {
    match event {
        Event::Subscription(event) => match event.ending {
            None => "created",
            Some(Ending::Revoke) => "revoked",
            Some(Ending::Retain) => "revoked, retaining",
        },
        Event::Environment(EnvironmentEvent { by_hand: true, .. }) => "environment, by hand",
        Event::Environment(EnvironmentEvent { ending: true, .. }) => "environment deleting",
        Event::Environment(_) => "environment deployed",
    }
}

/// A refusal is not a failure of the work: it is the answer.
pub(super) fn failed_word(failure: &Failure) -> &'static str {
    if failure.error().kind() == ErrorKind::Refused { "refused" } else { "failed" }
}

/// What failed, told like an outcome.
pub(super) fn failed_json(failure: &Failure) -> Value {
    let subject = failure.error().subject();
    json!({
        "outcome": failed_word(failure),
        "environment": subject.environment,
        "asset": {"path": subject.asset},
        "error": failure.json(),
    })
}

fn json(world: &World, worked: &[Worked]) -> Value {
    let part = |part: &Part| match part {
        Part::Skipped(reason) => skipped_json(reason),
        Part::Failed(failure) => failed_json(failure),
        #[cfg(feature = "aws")]
        Part::Environment(told) => told.json(),
        Part::Objects { subscription, outcome, time } => ObjectReport { subscription, outcome, time: *time }.json(),
        Part::Done { subscription, outcome, time } => {
            Report { directory: &world.directory, subscription, outcome, time: *time }.json()
        }
    };
    let event = |worked: &Worked| {
        let Worked { read: Read { place, event }, parts } = worked;
        let (id, project, listing) = match event {
            Event::Subscription(event) => (&event.id, Some(&event.project), Some(&event.listing)),
            Event::Environment(event) => (&event.id, event.project.as_ref(), None),
        };
        json!({
            "place": place,
            "id": id,
            "kind": kind(event),
            "project": project,
            "listing": listing,
            "results": parts.iter().map(part).collect::<Vec<_>>(),
        })
    };
    json!({"events": worked.iter().map(event).collect::<Vec<_>>()})
}

fn text(paint: Paint, world: &World, worked: &[Worked]) -> String {
    let mut rows = Vec::new();
    for Worked { read, parts } in worked {
        for part in parts {
            let mut row = vec![read.place.clone(), kind(&read.event).to_owned()];
            match part {
                Part::Skipped(reason) => {
                    row.extend(["-".to_owned(), "-".to_owned(), "skipped".to_owned(), reason.clone()]);
                }
                Part::Failed(failure) => {
                    let subject = failure.error().subject();
                    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
                    row.extend([or_dash(&subject.environment), or_dash(&subject.asset)]);
                    row.extend([failed_word(failure).to_owned(), failure.error().kind().to_string()]);
                }
                #[cfg(feature = "aws")]
                Part::Environment(told) => {
                    row.extend([told.environment().to_string(), "-".to_owned(), told.word().to_owned()]);
                    let notes = told.notes();
                    row.push([told.detail()].into_iter().chain(notes).collect::<Vec<_>>().join("; "));
                }
                Part::Objects { subscription, outcome, time } => {
                    let report = ObjectReport { subscription, outcome, time: *time };
                    let ObjectSubscription { consumer, access, .. } = &**subscription;
                    row.extend([consumer.environment.to_string(), access.objects.to_string()]);
                    let detail: Vec<_> = [report.detail()].into_iter().chain(report.warnings()).collect();
                    row.extend([report.word().to_owned(), detail.join("; ")]);
                }
                Part::Done { subscription, outcome, time } => {
                    let report = Report { directory: &world.directory, subscription, outcome, time: *time };
                    row.extend([subscription.consumer.environment.to_string(), subscription.location.path.to_string()]);
                    let mut detail = vec![report.detail()];
                    detail.extend(report.warnings());
                    row.extend([report.word().to_owned(), detail.join("; ")]);
                }
            }
            rows.push(row);
        }
    }
    paint.table(&["EVENT", "KIND", "ENVIRONMENT", "ASSET", "OUTCOME", "DETAIL"], rows, Some(4))
}

fn invalid(what: String) -> Error {
    Error::new(ErrorKind::InvalidInput, what).at(Step::Input).changed(Changed::Nothing)
}
