//! `dzconn show`: one environment on one source in detail.

use std::collections::BTreeMap;

use dzconn_core::bucket::ObjectRecord;
use dzconn_core::engine::{Reads, SourceEngine};
use dzconn_core::model::{Generation, Phase, SourceRecord, TableName, TurnStage, UserName};
use dzconn_core::store::Query;
use dzconn_core::{Result, Step, Timestamp};
use serde_json::{Value, json};

use super::objects::{rows_json, rows_of, rows_text};
use super::report::reads;
use super::{list, source_record, within};
use crate::args::ShowArgs;
use crate::directory::environment_id;
use crate::exit::Exit;
use crate::failure::{self, Failure};
use crate::output::{Paint, ago};
use crate::tracked::{self, Access};
use crate::world::{World, engines};

/// How many findings beyond what was granted are worth telling.
const EXCESS: usize = 20;

/// What the source itself says.
struct Live {
    user_exists: bool,
    reads: BTreeMap<TableName, Reads>,
    excess: Vec<String>,
}

pub(crate) async fn show(world: World, args: ShowArgs) -> failure::Result {
    let failed = |error| Failure::looking(format!("{} cannot be shown", args.environment), error);
    let rows = objects(&world, &args).await.map_err(failed)?;
    let only_objects = !rows.is_empty() && !has_sources(&world, &args).await.map_err(failed)?;
    if only_objects {
        world.output.show(
            || json!({"environment": args.environment, "objects": rows_json(&rows)}),
            |paint| rows_text(paint, &rows),
        );
        return Ok(Exit::Done);
    }
    let (record, access) = read(&world, &args).await.map_err(failed)?;
    let live = if args.live {
        let progress = crate::output::progress("asking the source");
        let live = ask(&world, &record, &access).await.map_err(failed)?;
        drop(progress);
        Some(live)
    } else {
        None
    };
    world.output.show(
        || {
            let mut json = json(&world, &record, &access, live.as_ref());
            if let Some(members) = json.as_object_mut() {
                members.insert("objects".to_owned(), rows_json(&rows));
            }
            json
        },
        |paint| {
            let mut text = text(paint, &world, &record, &access, live.as_ref());
            if !rows.is_empty() {
                text.push('\n');
                text.push_str(&rows_text(paint, &rows));
            }
            text
        },
    );
    Ok(Exit::Done)
}

/// What the environment reads in S3; where a source is named, that is not asked for.
async fn objects(world: &World, args: &ShowArgs) -> Result<Vec<ObjectRecord>> {
    if args.source.is_some() {
        return Ok(Vec::new());
    }
    let store = world.existing_store().await?;
    let rows = rows_of(&*store.tracking(), &args.environment).await;
    store.close().await;
    rows
}

async fn has_sources(world: &World, args: &ShowArgs) -> Result<bool> {
    let environment = environment_id(&args.environment)?;
    let store = world.existing_store().await?;
    let sources = tracked::sources(&*store.tracking(), &Query::Sources(None)).await;
    store.close().await;
    Ok(sources?.iter().any(|record| record.as_ref().is_ok_and(|record| record.key.environment == environment)))
}

async fn read(world: &World, args: &ShowArgs) -> Result<(SourceRecord, Vec<Access>)> {
    let store = world.existing_store().await?;
    let record = source_record(world, &store, &args.environment, args.source.as_deref()).await?;
    let key = &record.key;
    let listing = tracked::listing(&*store.tracking(), Some(&key.connection), Some(&key.environment)).await?;
    store.close().await;
    match listing.unreadable.into_iter().next() {
        Some(error) => Err(error),
        None => Ok((record, listing.access)),
    }
}

async fn ask(world: &World, record: &SourceRecord, access: &[Access]) -> Result<Live> {
    let source = world.existing_store().await?.source(world, record).await?;
    let engines = engines();
    let connector = engines.for_source(&source)?;
    let deadline = world.deadline();
    let asked = async {
        let mut session = connector.connect(&source, deadline).await?;
        let live = match &record.generation {
            Some(generation) => look(&mut *session, &generation.user, access).await?,
            None => Live { user_exists: false, reads: BTreeMap::new(), excess: Vec::new() },
        };
        session.close().await?;
        Ok(live)
    };
    within(deadline, "asking the source", asked).await.map_err(|error| error.at(Step::ReadBack).on_source(&source))
}

async fn look(session: &mut dyn SourceEngine, user: &UserName, access: &[Access]) -> Result<Live> {
    let user_exists = session.user_exists(user).await?;
    let tables: Vec<_> = access.iter().filter_map(|access| access.table.clone()).collect();
    let mut reads = BTreeMap::new();
    for table in &tables {
        reads.insert(table.clone(), session.reads(user, table).await?);
    }
    let excess = if user_exists { session.excess(user, &tables, EXCESS).await? } else { Vec::new() };
    Ok(Live { user_exists, reads, excess })
}

fn phase(record: &SourceRecord) -> &'static str {
    match record.phase {
        Phase::Active => "active",
        Phase::Dropping => "dropping",
        Phase::Retired => "retired",
    }
}

fn stage(stage: TurnStage) -> &'static str {
    match stage {
        TurnStage::Preparing => "preparing",
        TurnStage::Ready => "ready",
        TurnStage::Delivering => "delivering",
    }
}

fn json(world: &World, record: &SourceRecord, access: &[Access], live: Option<&Live>) -> Value {
    let now = Timestamp::now();
    json!({
        "environment": record.key.environment,
        "project": record.project,
        "domain": record.domain,
        "source": world.directory.name_of(&record.key.connection),
        "connection": record.key.connection,
        "phase": phase(record),
        "user": record.generation.as_ref().map(|generation| &generation.user),
        "other_user": record.generation.as_ref().and_then(|generation| generation.spare.as_ref()),
        "rotation": record.generation.as_ref().and_then(Generation::stage).map(stage),
        "generation": record.generation.as_ref().map(|generation| generation.id),
        "producer_secret": record.generation.as_ref().map(|generation| &generation.secret),
        "consumer_secret": record.generation.as_ref().map(|generation| &generation.copy),
        "last_updated": record.last_updated,
        "to_clean_up": {"assets": record.revoked.len(), "generations": record.retired.len()},
        "access": access.iter().map(|access| list::json(world, access, now)).collect::<Vec<_>>(),
        "live": live.map(|live| json!({
            "user_exists": live.user_exists,
            "reads": live.reads.iter().map(|(table, found)| {
                json!({"table": table, "reads": reads(found)})
            }).collect::<Vec<_>>(),
            "excess": live.excess,
        })),
    })
}

fn text(paint: Paint, world: &World, record: &SourceRecord, access: &[Access], live: Option<&Live>) -> String {
    let now = Timestamp::now();
    let source = world.directory.name_of(&record.key.connection);
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let generation = record.generation.as_ref();
    let mut user = or_dash(generation.map(|generation| generation.user.to_string()));
    if live.is_some_and(|live| !live.user_exists) {
        user.push_str(" (the source has no such user)");
    }
    let mut lines = vec![
        ("environment", record.key.environment.to_string()),
        ("project", record.project.to_string()),
        ("source", source.clone()),
        ("connection", record.key.connection.to_string()),
        ("phase", phase(record).to_owned()),
        ("user", user),
        ("producer secret", or_dash(generation.map(|generation| generation.secret.to_string()))),
        ("consumer secret", or_dash(generation.map(|generation| generation.copy.to_string()))),
        ("last updated", record.last_updated.to_string()),
    ];
    if let Some(spare) = generation.and_then(|generation| generation.spare.as_ref()) {
        lines.insert(6, ("other user", format!("{spare} (rotations take turns between the two)")));
    }
    if let Some(stage) = generation.and_then(Generation::stage).map(stage) {
        let age = ago(now.seconds() - record.last_updated.seconds());
        lines.push(("rotation", format!("{stage}, last worked on {age}; `dzconn rotate` finishes it")));
    }
    if !record.revoked.is_empty() || !record.retired.is_empty() {
        let what = format!("{} assets, {} generations", record.revoked.len(), record.retired.len());
        lines.push(("to clean up", format!("{what}; the next run for this environment and source does it")));
    }
    let width = lines.iter().map(|(what, _)| what.len()).max().unwrap_or(0);
    let mut text: String =
        lines.iter().map(|(what, value)| format!("{}  {value}\n", paint.dim(&format!("{what:<width$}")))).collect();
    if access.is_empty() {
        return text;
    }
    text.push('\n');
    let mut header = vec!["ASSET", "PATH", "TABLE", "SINCE", "STATE"];
    if live.is_some() {
        header.push("READS");
    }
    let row = |access: &Access| {
        let mut row = vec![
            or_dash(access.asset.as_ref().map(ToString::to_string)),
            access.what(),
            or_dash(access.table.as_ref().map(ToString::to_string)),
            access.since.to_string(),
            access.state(&source, now),
        ];
        if let Some(live) = live {
            let found = access.table.as_ref().and_then(|table| live.reads.get(table));
            row.push(found.map_or_else(String::new, reads_text));
        }
        row
    };
    text.push_str(&paint.table(&header, access.iter().map(row).collect(), Some(4)));
    for what in live.iter().flat_map(|live| &live.excess) {
        text.push_str(&format!("{}  not given by dzconn: {what}\n", paint.warn("note")));
    }
    text
}

fn reads_text(reads: &Reads) -> String {
    match reads {
        Reads::Yes(ways) => format!("yes, by {}", ways.join(", ")),
        Reads::No => "no".to_owned(),
        Reads::CannotTell(why) => format!("cannot tell: {why}"),
    }
}
