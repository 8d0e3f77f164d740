//! `dzconn check`: reads the directory file and tries every source, and changes nothing.

use std::time::{Duration, Instant};

use dzconn_core::engine::SourceEngine;
use dzconn_core::{Error, ErrorKind, Step};
use serde_json::{Value, json};

use super::{no_aws, within};
use crate::args::CheckArgs;
use crate::directory::{AssetEntry, Place, SourceEntry};
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::{Paint, count, print_error, took};
use crate::world::{World, engines};

/// What was found out about a source.
struct Checked<'a> {
    entry: &'a SourceEntry,
    /// How long connecting took; `None` if that was not tried.
    login: std::result::Result<Option<Duration>, Failure>,
    assets: Vec<(&'a AssetEntry, std::result::Result<String, Failure>)>,
}

pub(crate) async fn check(world: World, args: CheckArgs) -> Result {
    let refused = |error| Failure::looking("nothing was checked", error);
    if world.is_aws() {
        return Err(refused(no_aws("check")));
    }
    let directory = &world.directory;
    let Some(file) = &directory.file else {
        let error = Error::new(ErrorKind::InvalidConfig, "there is no directory file").at(Step::Input);
        return Err(refused(error.advise("name one with --directory or DZCONN_DIRECTORY, or write ./dzconn.toml")));
    };
    let only = args.source.as_deref().map(|name| directory.source(name)).transpose().map_err(refused)?;
    let entries: Vec<_> = match only {
        Some(entry) => vec![entry],
        None => directory.sources.iter().collect(),
    };
    let progress = crate::output::progress("");
    let mut all = Vec::new();
    for entry in entries {
        progress.say(format!("connecting to {}", entry.endpoint));
        all.push(one(&world, entry, args.offline).await);
    }
    drop(progress);
    world.output.show(
        || {
            json!({
                "file": file,
                "domain": directory.domain,
                "environments": directory.environments.len(),
                "assets": directory.assets.len(),
                "subscriptions": directory.subscriptions.as_ref().map(Vec::len),
                "sources": all.iter().map(json).collect::<Vec<_>>(),
            })
        },
        |paint| {
            let subscriptions = directory.subscriptions.as_ref().map_or_else(
                || "no word about subscriptions".to_owned(),
                |entries| count(entries.len(), "subscription"),
            );
            let parts = [
                count(directory.sources.len(), "source"),
                count(directory.environments.len(), "environment"),
                count(directory.assets.len(), "asset"),
                subscriptions,
            ];
            format!("{}: {}\n{}", file.display(), parts.join(", "), text(paint, &all))
        },
    );
    let mut exit = Exit::Done;
    let failures = all.iter().flat_map(|checked| {
        checked
            .login
            .as_ref()
            .err()
            .into_iter()
            .chain(checked.assets.iter().filter_map(|(_, found)| found.as_ref().err()))
    });
    for failure in failures {
        if !world.output.json {
            print_error(&failure.text(world.output.paint_errors));
        }
        exit = exit.and(failure.exit());
    }
    Ok(exit)
}

async fn one<'a>(world: &'a World, entry: &'a SourceEntry, offline: bool) -> Checked<'a> {
    let failed = |error: Error| {
        let error = error.at(Step::Connect).on_source(&entry.endpoint);
        Failure::looking(format!("source {} cannot be used", entry.name), error)
    };
    let mut assets = Vec::new();
    let begin = Instant::now();
    let engines = engines();
    let deadline = world.deadline().at_most(Duration::from_secs(20));
    let opened = async {
        let source = entry.source()?;
        let connector = engines.for_source(&source)?;
        if offline { Ok(None) } else { connector.connect(&source, deadline).await.map(Some) }
    };
    let login = match within(deadline, "connecting", opened).await {
        Err(error) => Err(failed(error)),
        Ok(None) => Ok(None),
        Ok(Some(mut session)) => {
            let time = begin.elapsed();
            for asset in &world.directory.assets {
                if let Some(place) = asset.place.as_ref().filter(|place| place.source == entry.name) {
                    assets.push((asset, resolve(world, entry, &mut *session, place).await));
                }
            }
            if let Err(error) = deadline.run("closing", session.close()).await {
                tracing::debug!(%error, "the session could not be closed in good order");
            }
            Ok(Some(time))
        }
    };
    Checked { entry, login, assets }
}

async fn resolve(
    world: &World,
    entry: &SourceEntry,
    session: &mut dyn SourceEngine,
    place: &Place,
) -> std::result::Result<String, Failure> {
    let found = within(world.deadline(), "looking for the table", session.resolve(&place.path)).await;
    found.map(|table| table.to_string()).map_err(|error| {
        let error = error.at(Step::Resolve).on_source(&entry.endpoint);
        Failure::looking(format!("{} was not found at source {}", place.path, entry.name), error)
    })
}

fn json(checked: &Checked<'_>) -> Value {
    let Checked { entry, login, assets } = checked;
    let state = match login {
        Ok(None) => "not tried",
        Ok(Some(_)) => "ok",
        Err(_) => "failed",
    };
    let asset = |(asset, found): &(&AssetEntry, std::result::Result<String, Failure>)| {
        json!({
            "id": asset.id,
            "path": asset.place.as_ref().map(|place| &place.path),
            "table": found.as_ref().ok(),
            "error": found.as_ref().err().map(Failure::json),
        })
    };
    json!({
        "name": entry.name,
        "connection": entry.connection,
        "endpoint": entry.endpoint.to_string(),
        "state": state,
        "milliseconds": login.as_ref().ok().copied().flatten().map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
        "error": login.as_ref().err().map(Failure::json),
        "assets": assets.iter().map(asset).collect::<Vec<_>>(),
    })
}

fn text(paint: Paint, all: &[Checked<'_>]) -> String {
    let row = |checked: &Checked<'_>| {
        let missing = checked.assets.iter().filter(|(_, found)| found.is_err()).count();
        let assets = match (checked.assets.len(), missing) {
            (0, _) => "-".to_owned(),
            (all, 0) => format!("{all} found"),
            (all, missing) => format!("{missing} of {all} not found"),
        };
        let state = match &checked.login {
            Ok(None) => "not tried".to_owned(),
            Ok(Some(time)) => format!("ok, connected in {}", took(*time)),
            Err(failure) => format!("failed: {}", failure.error().kind()),
        };
        vec![checked.entry.name.clone(), checked.entry.endpoint.to_string(), assets, state]
    };
    if all.is_empty() {
        return String::new();
    }
    paint.table(&["SOURCE", "AT", "ASSETS", "STATE"], all.iter().map(row).collect(), Some(3))
}
