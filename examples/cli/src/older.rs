//! Where an older system granted what its rows do not say.

use std::collections::BTreeSet;

use dzconn_core::model::{AssetPath, AssetRecord, ConnectionId, Location, SourceRecord};
use dzconn_core::store::Query;
use dzconn_core::{Changed, Error, ErrorKind, Result, Step, TrackingStore};

use crate::tracked::sources;

/// Where a row without a place belongs: at the connection and path that are named, if the source record agrees. A path that
/// is not recorded there is not believed: the row would go, and the privilege would stay.
pub(crate) async fn place(
    tracking: &dyn TrackingStore,
    row: &AssetRecord,
    connection: Option<&ConnectionId>,
    path: Option<&AssetPath>,
) -> Result<Location> {
    let (mut records, mut unreadable) = (Vec::new(), None);
    for record in sources(tracking, &Query::Sources(None)).await? {
        match record {
            Ok(record) if record.key.environment == row.environment => records.push(record),
            Ok(_) => {}
            Err(error) => unreadable = Some(error),
        }
    }
    // Row and record name the same copy, unless the mapping between them is gone.
    let is_its = |record: &SourceRecord| record.generation.as_ref().is_some_and(|known| known.copy == row.secret);
    if records.iter().any(is_its) {
        records.retain(is_its);
    }
    let (asset, environment) = (&row.asset, &row.environment);
    let Some(at) = connection else {
        let what = format!("an older system granted {asset} to {environment} and did not record from which table");
        return Err(invalid(what).advise(format!("give --source and --path: {}", all(&records, row))));
    };
    let Some(record) = records.iter().find(|record| record.key.connection == *at) else {
        let what = format!("{asset} was not granted to {environment} by an older system at {at}");
        let wrong = || invalid(what).advise(format!("give another --source: {}", all(&records, row)));
        return Err(unreadable.unwrap_or_else(wrong));
    };
    let known = paths(record, row);
    let location =
        |path: &AssetPath| Location { connection: at.clone(), path: path.clone(), owner: record.owner.clone() };
    match path {
        // What has been revoked already needs no path: only its row is still to go.
        Some(path) if known.contains(path) || record.revoked.contains(asset) => Ok(location(path)),
        Some(path) => Err(invalid(format!("an older system did not grant {path} to {environment} at {at}"))
            .advise(format!("give another --path: {}", listed(&known)))),
        None => match (known.first(), known.len()) {
            (Some(path), 1) => Ok(location(path)),
            _ => Err(invalid(format!("an older system granted {asset} to {environment} and did not record the path"))
                .advise(format!("give it with --path: {}", listed(&known)))),
        },
    }
}

/// The paths of which one is the row's. A run that died may have begun with it.
fn paths<'a>(record: &'a SourceRecord, row: &AssetRecord) -> BTreeSet<&'a AssetPath> {
    let begun = record.open.values().filter_map(|open| open.assets.get(&row.asset)).collect::<BTreeSet<_>>();
    if begun.is_empty() { record.older.iter().collect() } else { begun }
}

fn listed(paths: &BTreeSet<&AssetPath>) -> String {
    if paths.is_empty() {
        return "none is recorded".to_owned();
    }
    paths.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn all(records: &[SourceRecord], row: &AssetRecord) -> String {
    let at = |record: &SourceRecord| format!("{} at {}", listed(&paths(record, row)), record.key.connection);
    if records.is_empty() {
        return "nothing is recorded for the environment".to_owned();
    }
    records.iter().map(at).collect::<Vec<_>>().join("; ")
}

fn invalid(what: String) -> Error {
    Error::new(ErrorKind::InvalidInput, what).at(Step::Tracking).changed(Changed::Nothing)
}

#[cfg(test)]
#[cfg(feature = "aws")]
mod tests {
    use std::collections::BTreeMap;

    use dzconn_core::memory::MemoryTracking;
    use dzconn_core::store::{Record, Stored};

    use super::*;
    use crate::args::{ConnectArgs, Global, TargetArgs};
    use crate::output::Output;
    use crate::target::{Target, to_revoke};
    use crate::tracked::tests::{record, row};
    use crate::world::World;

    const HR: &str = "arn:aws:glue:eu-west-1:111122223333:connection/hr";
    const TEAM: &str = "arn:aws:glue:eu-west-1:111122223333:connection/team/hr";

    /// Rows without places, and source records with paths.
    fn tracking(rows: &[&str], sources: &[(&str, &[&str], &str)]) -> MemoryTracking {
        let tracking = MemoryTracking::new();
        let rows = rows.iter().map(|asset| Record::Asset(AssetRecord { place: None, ..row(asset) }));
        let sources = sources.iter().map(|(connection, paths, copy)| {
            let mut source = record(1);
            source.key.connection = connection.parse().unwrap();
            source.older = paths.iter().map(|path| path.parse().unwrap()).collect();
            source.open = BTreeMap::new();
            source.generation.as_mut().unwrap().copy = copy.parse().unwrap();
            Record::Source(source)
        });
        for record in rows.chain(sources) {
            tracking.insert(record.key(), Stored { version: None, record });
        }
        tracking
    }

    fn world(aws: bool) -> World {
        let global = Global { aws, ..Global::default() };
        World::open(global.clone(), Output::new(&global)).unwrap()
    }

    fn args(asset: &str, connect: ConnectArgs) -> TargetArgs {
        let environment = "env-risk".to_owned();
        TargetArgs { asset: asset.to_owned(), environment, project: None, source: None, connect }
    }

    /// Where it would be revoked; otherwise cause and advice.
    async fn at(
        world: &World,
        tracking: &MemoryTracking,
        asset: &str,
        source: Option<&str>,
        path: Option<&str>,
    ) -> std::result::Result<String, String> {
        let path = path.map(|path| path.parse().unwrap());
        let args = args(asset, ConnectArgs::default());
        match to_revoke(world, tracking, &args, source, path.as_ref()).await {
            Ok(Target::Ours(found)) => {
                Ok(format!("{} {} {}", found.asset.id, found.location.path, found.location.connection))
            }
            Ok(Target::Objects(found)) => Ok(format!("{} {}", found.asset.id, found.access.objects)),
            Ok(Target::Skipped(reason)) => Err(reason),
            Err(error) => Err(format!("{} {}", error.detail(), error.advice().unwrap_or_default())),
        }
    }

    #[tokio::test]
    async fn the_only_path_of_a_source_needs_no_name() {
        let tracking = tracking(&["a"], &[(HR, &["db.hr.a"], "copy")]);
        let world = world(true);
        for source in ["hr", HR] {
            assert_eq!(at(&world, &tracking, "a", Some(source), None).await, Ok(format!("a db.hr.a {HR}")));
        }
        let error = at(&world, &tracking, "a", None, None).await.unwrap_err();
        assert!(error.contains("--source and --path: db.hr.a at arn:"), "{error}");
        let error = at(&world, &tracking, "b", None, None).await.unwrap_err();
        assert!(error.contains("dzconn fulfil"), "{error}");
    }

    #[tokio::test]
    async fn one_of_several_paths_is_named_and_a_wrong_one_refused() {
        let tracking = tracking(&["a", "b"], &[(HR, &["db.hr.a", "db.hr.b"], "copy")]);
        let world = world(true);
        assert_eq!(at(&world, &tracking, "b", Some("hr"), Some("db.hr.b")).await, Ok(format!("b db.hr.b {HR}")));
        for path in [None, Some("db.hr.c")] {
            let error = at(&world, &tracking, "b", Some("hr"), path).await.unwrap_err();
            assert!(error.contains("--path: db.hr.a, db.hr.b"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_source_that_is_not_the_rows_is_refused_and_a_name_is_a_whole_one() {
        let tracking = tracking(&["a"], &[(HR, &["db.hr.a"], "copy"), (TEAM, &["db.hr.x"], "another")]);
        let world = world(true);
        assert_eq!(at(&world, &tracking, "a", Some("hr"), None).await, Ok(format!("a db.hr.a {HR}")));
        let error = at(&world, &tracking, "a", Some("team/hr"), None).await.unwrap_err();
        assert!(error.contains("was not granted") && error.contains("db.hr.a at arn:"), "{error}");
        let error = at(&world, &tracking, "a", Some("r"), None).await.unwrap_err();
        assert!(error.contains("nobody reads from"), "{error}");
    }

    #[tokio::test]
    async fn local_stores_too() {
        let connect = ConnectArgs {
            url: Some("jdbc:postgresql://db.internal/sales".to_owned()),
            connection: Some("sales".to_owned()),
            admin: Some("admin".to_owned()),
            password_env: Some("NO_VARIABLE".to_owned()),
            ..ConnectArgs::default()
        };
        let (world, source) = world(false).with_source(&connect).unwrap();
        let tracking = tracking(&["a"], &[("sales", &["db.hr.a"], "copy")]);
        assert_eq!(at(&world, &tracking, "a", source.as_deref(), None).await, Ok("a db.hr.a sales".to_owned()));
        let error = at(&world, &tracking, "a", None, None).await.unwrap_err();
        assert!(error.contains("--source and --path: db.hr.a at sales"), "{error}");
    }
}
