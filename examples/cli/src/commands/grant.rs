//! `dzconn grant` and `dzconn revoke`.

use std::time::Instant;

use dzconn_core::model::Subscription;
use dzconn_core::portal::Wanted;

use super::report::{Report, skipped_json};
use crate::args::{RevokeArgs, TargetArgs};
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::target::{self, Target};
use crate::world::World;

/// What is to be done to a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Grant,
    Revoke,
    Retain,
}

impl Deed {
    fn failed(self, asset: &str, environment: &str) -> String {
        match self {
            Self::Grant => format!("{asset} was not granted to {environment}"),
            Self::Revoke => format!("{asset} was not revoked from {environment}"),
            Self::Retain => format!("{asset} was not retained for {environment}"),
        }
    }
}

pub(crate) async fn grant(world: World, args: TargetArgs) -> Result {
    let failed = |error| Failure::looking(Deed::Grant.failed(&args.asset, &args.environment), error);
    let (world, source) = world.with_source(&args.connect).map_err(failed)?;
    let source = source.or_else(|| args.source.clone());
    let target = target::to_grant(&world, &args, source.as_deref()).map_err(failed)?;
    bring_about(&world, target, Deed::Grant).await
}

pub(crate) async fn revoke(world: World, args: RevokeArgs) -> Result {
    let RevokeArgs { target: args, path, retain } = args;
    let deed = if retain { Deed::Retain } else { Deed::Revoke };
    let failed = |error| Failure::looking(deed.failed(&args.asset, &args.environment), error);
    let (world, source) = world.with_source(&args.connect).map_err(failed)?;
    let source = source.or_else(|| args.source.clone());
    let store = world.existing_store().await.map_err(failed)?;
    let target = target::to_revoke(&world, &*store.tracking(), &args, source.as_deref(), path.as_ref()).await;
    bring_about(&world, target.map_err(failed)?, deed).await
}

async fn bring_about(world: &World, target: Target, deed: Deed) -> Result {
    let subscription = match target {
        Target::Objects(subscription) => {
            let wish = match deed {
                Deed::Grant => Wanted::Grant,
                Deed::Revoke => Wanted::Revoke,
                Deed::Retain => Wanted::Retain,
            };
            return super::objects::bring_about(world, &subscription, wish).await;
        }
        Target::Ours(subscription) => subscription,
        Target::Skipped(reason) => {
            world.output.show(|| skipped_json(&reason), |paint| format!("{}  {reason}\n", paint.warn("skipped")));
            return Ok(Exit::NothingDone);
        }
    };
    let Subscription { consumer, location, .. } = &*subscription;
    let what = deed.failed(location.path.as_str(), consumer.environment.as_str());
    let store = world.store().await.map_err(|error| Failure::looking(&what, error))?;
    let fulfilment = world.fulfilment(&store).map_err(|error| Failure::looking(&what, error))?;
    let doing = match deed {
        Deed::Grant => "granting",
        Deed::Revoke => "revoking",
        Deed::Retain => "retaining",
    };
    let progress = crate::output::progress(format!("{doing} {}", location.path));
    let begin = Instant::now();
    let result = match deed {
        Deed::Grant => fulfilment.grant(&subscription).await,
        Deed::Revoke => fulfilment.revoke(&subscription).await,
        Deed::Retain => fulfilment.retain(&subscription).await,
    };
    let time = begin.elapsed();
    fulfilment.close().await;
    store.close().await;
    drop(progress);
    let outcome = result.map_err(|error| Failure::new(what, error))?;
    let report = Report { directory: &world.directory, subscription: &subscription, outcome: &outcome, time };
    world.output.show(|| report.json(), |paint| report.text(paint));
    Ok(report.exit())
}
