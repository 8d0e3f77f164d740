//! `dzconn list`: who can read what.

use dzconn_core::{Result, Timestamp};
use serde_json::{Value, json};

use crate::args::ListArgs;
use crate::directory::environment_id;
use crate::exit::Exit;
use crate::failure::{self, Failure};
use crate::output::print_error;
use crate::tracked::{self, Access, Listing};
use crate::world::World;

pub(crate) async fn list(world: World, args: ListArgs) -> failure::Result {
    let listing = read(&world, &args).await.map_err(|error| Failure::looking("nothing was listed", error))?;
    let now = Timestamp::now();
    let unreadable: Vec<_> = listing
        .unreadable
        .into_iter()
        .map(|error| Failure::looking("a record is missing from the list", error))
        .collect();
    world.output.show(
        || {
            json!({
                "access": listing.access.iter().map(|access| json(&world, access, now)).collect::<Vec<_>>(),
                "errors": unreadable.iter().map(Failure::json).collect::<Vec<_>>(),
            })
        },
        |paint| {
            if listing.access.is_empty() {
                return "nobody reads anything\n".to_owned();
            }
            let row = |access: &Access| {
                let source = access.connection.as_ref().map_or_else(String::new, |at| world.directory.name_of(at));
                vec![
                    access.environment.to_string(),
                    access.what(),
                    access.since.to_string().chars().take(10).collect(),
                    access.secret.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string),
                    access.state(&source, now),
                ]
            };
            let rows = listing.access.iter().map(row).collect();
            paint.table(&["ENVIRONMENT", "ASSET", "SINCE", "SECRET", "STATE"], rows, Some(4))
        },
    );
    let mut exit = Exit::Done;
    for failure in unreadable {
        if !world.output.json {
            print_error(&failure.text(world.output.paint_errors));
        }
        exit = exit.and(failure.exit());
    }
    Ok(exit)
}

async fn read(world: &World, args: &ListArgs) -> Result<Listing> {
    let environment = args.environment.as_deref().map(environment_id).transpose()?;
    let store = world.existing_store().await?;
    let connection = match &args.source {
        Some(name) => Some(world.connection(&*store.tracking(), name).await?),
        None => None,
    };
    let listing = tracked::listing(&*store.tracking(), connection.as_ref(), environment.as_ref()).await;
    store.close().await;
    listing
}

pub(super) fn json(world: &World, access: &Access, now: Timestamp) -> Value {
    json!({
        "environment": access.environment,
        "project": access.project,
        "asset": {"id": access.asset, "path": access.path, "name": access.name},
        "objects": access.objects.as_ref().map(|access| &access.objects),
        "principals": access.objects.as_ref().map(|access| &access.principals),
        "source": access.connection.as_ref().map(|at| world.directory.name_of(at)),
        "connection": access.connection,
        "table": access.table,
        "user": access.user,
        "secret": access.secret,
        "since": access.since,
        "state": access.state.word(),
        "settled": !access.state.is_open(),
        "seconds": now.seconds().saturating_sub(access.since.seconds()),
    })
}
