//! The commands, one file each.

#[cfg(feature = "aws")]
pub(crate) mod admin;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod credentials;
#[cfg(feature = "aws")]
pub(crate) mod environment;
pub(crate) mod events;
pub(crate) mod grant;
pub(crate) mod list;
mod objects;
pub(crate) mod plan;
pub(crate) mod reconcile;
mod report;
pub(crate) mod rotate;
pub(crate) mod show;
#[cfg(feature = "aws")]
pub(crate) mod toolkit;
pub(crate) mod uninstall;

use dzconn_core::Deadline;
use dzconn_core::model::{EnvironmentId, SourceRecord};
use dzconn_core::store::Query;
use dzconn_core::{Changed, Error, ErrorKind, Result, Step};

use crate::backend::Backend;
use crate::tracked;
use crate::world::World;

/// The record of an environment on the source that is named, or on the only one.
async fn source_record(
    world: &World,
    store: &Backend,
    environment: &str,
    source: Option<&str>,
) -> Result<SourceRecord> {
    let directory = &world.directory;
    let id: EnvironmentId = crate::directory::environment_id(environment)?;
    let connection = match source {
        Some(name) => Some(world.connection(&*store.tracking(), name).await?),
        None => None,
    };
    let mut found = Vec::new();
    let mut unreadable = None;
    for record in tracked::sources(&*store.tracking(), &Query::Sources(connection)).await? {
        match record {
            Ok(record) if record.key.environment == id => found.push(record),
            Ok(_) => {}
            Err(error) => unreadable = Some(error),
        }
    }
    let invalid = |what: String| Error::new(ErrorKind::InvalidInput, what).at(Step::Tracking).changed(Changed::Nothing);
    match (found.pop(), found.is_empty(), unreadable) {
        (Some(record), true, _) => Ok(record),
        (Some(last), false, _) => {
            let all = found.iter().chain([&last]).map(|record| directory.name_of(&record.key.connection));
            let all = all.collect::<Vec<_>>().join(", ");
            Err(invalid(format!("{environment} has access to several sources: {all}"))
                .advise("name one of them with --source"))
        }
        (None, _, Some(error)) => Err(error),
        (None, _, None) => {
            let at = source.map_or_else(String::new, |source| format!(" at {source}"));
            Err(invalid(format!("nothing is recorded for {environment}{at}"))
                .advise("`dzconn list` shows who can read what"))
        }
    }
}

/// What has no meaning on AWS.
pub(crate) fn no_aws(command: &str) -> Error {
    let what = format!("`dzconn {command}` works with a directory file, and there is none on AWS");
    Error::new(ErrorKind::InvalidInput, what)
        .at(Step::Input)
        .advise("leave --aws, --profile and --config out; `dzconn --aws plan event` tries a connection on AWS")
        .changed(Changed::Nothing)
}

/// What is looked up, within the time that the command line allows.
async fn within<T>(deadline: Deadline, what: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
    deadline.run(what, work).await.map_err(|error| error.changed(Changed::Nothing))
}
