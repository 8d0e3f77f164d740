//! `dzconn admin`: what is done once for an account.

use serde_json::json;

use crate::args::AdminCommand;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::world::World;

pub(crate) async fn admin(world: World, what: AdminCommand) -> Result {
    let AdminCommand::CreateTables = what;
    let failed = |error| Failure::new("the tables were not made", error);
    let aws = world.aws().await.map_err(failed)?;
    let progress = crate::output::progress("making the tables");
    let made = aws.create_tables().await;
    drop(progress);
    let made = made.map_err(failed)?;
    world.output.show(
        || json!({"done": made.iter().map(ToString::to_string).collect::<Vec<_>>()}),
        |_| made.iter().map(|done| format!("{done}\n")).collect(),
    );
    Ok(Exit::Done)
}
