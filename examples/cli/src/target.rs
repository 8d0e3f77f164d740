//! Who is to read what, out of the command line, the directory and tracking.

use dzconn_core::bucket::ObjectSubscription;
use dzconn_core::model::{AssetId, AssetPath, EnvironmentId, Location, Place, Subscription};
use dzconn_core::store::Query;
use dzconn_core::{Changed, Error, ErrorKind, Result, Step, TrackingStore};
use sha2::{Digest as _, Sha256};

use crate::args::TargetArgs;
use crate::directory::{self, AssetEntry, Directory, EnvironmentEntry, TABLE_TYPE, environment_id};
use crate::older;
use crate::portal;
use crate::tracked::{self, assets};
use crate::world::World;

/// What a command works on.
#[derive(Debug)]
pub(crate) enum Target {
    Ours(Box<Subscription>),
    /// Objects in S3 that tracking has.
    Objects(Box<ObjectSubscription>),
    /// Not dzconn's, and why.
    Skipped(String),
}

/// What is to be granted: by the directory.
pub(crate) fn to_grant(world: &World, args: &TargetArgs, source: Option<&str>) -> Result<Target> {
    if world.is_aws() {
        return Err(invalid(
            "on AWS a grant begins with a subscription, and only what is granted can be named here".to_owned(),
        )
        .advise("give the event to `dzconn fulfil`; `dzconn list` shows what is granted"));
    }
    let directory = &*world.directory;
    let environment = environment(directory, args)?;
    let source = source.map(|name| directory.source(name)).transpose()?.map(|entry| entry.name.as_str());
    let asset = match directory.asset(&args.asset, source)? {
        Some(asset) => asset.clone(),
        None => match source {
            Some(source) => by_path(directory, &args.asset, source)?,
            None => return Err(directory.unknown_asset(&args.asset)),
        },
    };
    if let Some(reason) = asset.not_ours() {
        return Ok(Target::Skipped(reason));
    }
    Ok(Target::Ours(Box::new(portal::subscription(directory, &environment, &asset)?)))
}

/// What is to be revoked: by tracking, and by the directory only what tracking does not have. Assets, environments and
/// paths may have gone from the directory since.
pub(crate) async fn to_revoke(
    world: &World,
    tracking: &dyn TrackingStore,
    args: &TargetArgs,
    source: Option<&str>,
    path: Option<&AssetPath>,
) -> Result<Target> {
    let environment = environment_id(&args.environment)?;
    let at = match source {
        Some(name) => Some(world.connection(tracking, name).await?),
        None => None,
    };
    let text = args.asset.as_str();
    let (mut found, mut older) = (Vec::new(), Vec::new());
    let mut objects = Vec::new();
    if at.is_none() && path.is_none() {
        for row in tracked::objects(tracking, &Query::Objects(Some(environment.clone()))).await? {
            let row = row?;
            let names = [row.asset.as_str(), row.listing.as_str(), &row.listing_name];
            if names.contains(&text) || row.access.objects.to_string() == text {
                objects.push(row);
            }
        }
    }
    for row in assets(tracking, &Query::Assets(Some(environment))).await? {
        let row = row?;
        let fits = row.asset.as_str() == text || row.listing.as_str() == text || row.listing_name == text;
        match row.place.clone() {
            None if fits => older.push(row),
            None => {}
            Some(Place { location, table }) => {
                let fits = fits || location.path.as_str() == text || table.joined() == text;
                let is_there = at.as_ref().is_none_or(|at| *at == location.connection)
                    && path.is_none_or(|path| *path == location.path);
                if fits && is_there {
                    found.push((row, location));
                }
            }
        }
    }
    if found.is_empty() && older.is_empty() && objects.len() == 1 {
        let row = objects.swap_remove(0);
        return Ok(Target::Objects(Box::new(row.subscription(None, None))));
    }
    match (found.len() + objects.len(), older.len()) {
        (0, 0) => to_grant(world, args, source),
        (1, 0) if found.len() == 1 => {
            let (row, location) = found.swap_remove(0);
            Ok(Target::Ours(Box::new(row.at(location))))
        }
        (0, 1) => {
            let row = older.swap_remove(0);
            let asset = row.asset.clone();
            match older::place(tracking, &row, at.as_ref(), path).await {
                Ok(location) => Ok(Target::Ours(Box::new(row.at(location)))),
                // The directory may know what tracking does not.
                Err(error) => match to_grant(world, args, source) {
                    Ok(Target::Ours(subscription)) if path.is_none() && subscription.asset.id == asset => {
                        Ok(Target::Ours(subscription))
                    }
                    _ => Err(error),
                },
            }
        }
        _ => {
            let place = |location: &Location| world.directory.name_of(&location.connection);
            let places = found.iter().map(|(row, location)| format!("{} at {}", row.asset, place(location)));
            let unplaced = older.iter().map(|row| format!("{} of an older system", row.asset));
            let objects = objects.iter().map(|row| format!("{} at {}", row.asset, row.access.objects));
            let all: Vec<_> = places.chain(unplaced).chain(objects).collect();
            Err(invalid(format!("{text:?} may be any of the assets {}", all.join(", ")))
                .advise("name the asset by its id, or the source with --source"))
        }
    }
}

/// The environment that the directory has, or else that the command line describes.
fn environment(directory: &Directory, args: &TargetArgs) -> Result<EnvironmentEntry> {
    let known = directory.environment(&args.environment);
    let Some(project) = &args.project else { return known.cloned() };
    let project = project.parse()?;
    match known {
        Ok(entry) if entry.project != project => {
            Err(invalid(format!("environment {} belongs to project {}, not to {project}", entry.id, entry.project)))
        }
        Ok(entry) => Ok(entry.clone()),
        Err(_) => {
            let id: EnvironmentId = environment_id(&args.environment)?;
            Ok(EnvironmentEntry { id, project, owner: directory.owner.clone() })
        }
    }
}

/// An asset that the directory does not have: its id is made out of source and path, so that a later revoke finds it.
fn by_path(directory: &Directory, path: &str, source: &str) -> Result<AssetEntry> {
    let entry = directory.source(source)?;
    let path: AssetPath = path.parse()?;
    let mut hash = Sha256::new();
    hash.update(entry.connection.as_str());
    hash.update([0]);
    hash.update(path.as_str());
    let digits: String = hash.finalize().iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    let id: AssetId = format!("path-{digits}").parse()?;
    Ok(AssetEntry {
        listing: id.as_str().parse()?,
        id,
        revision: "1".to_owned(),
        asset_type: TABLE_TYPE.to_owned(),
        listing_revision: "1".to_owned(),
        name: path.to_string(),
        place: Some(directory::Place { source: entry.name.clone(), path }),
    })
}

fn invalid(what: String) -> Error {
    Error::new(ErrorKind::InvalidInput, what).at(Step::Input).changed(Changed::Nothing)
}
