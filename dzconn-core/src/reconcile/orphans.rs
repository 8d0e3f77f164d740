//! What stands alone: users that no record names, rows and mappings of access that there is not.

use std::collections::BTreeSet;

use super::books::Books;
use super::look::Place;
use super::{Finding, Mend, Problem, Scope};
use crate::fulfilment::Parts;
use crate::model::{AssetRecord, ConnectionId, EnvironmentId, SourceKey, Subscription, UserName, UserNaming, Wanted};
use crate::portal::Question;
use crate::store::Stored;
use crate::{Deadline, ErrorKind, Result};

/// What every name of dzconn's users begins with.
const PREFIX: &str = "dz_";

/// The users of this connection that no record names.
pub(super) async fn users(
    place: &mut Place<'_>,
    parts: &Parts,
    books: &Books,
    connection: &ConnectionId,
    scope: &Scope,
) -> Vec<Finding> {
    match strangers(place, parts, books, connection).await {
        Ok(found) => found.into_iter().filter(|finding| admits(scope, finding)).collect(),
        Err(error) => vec![Finding {
            connection: Some(connection.clone()),
            environment: None,
            problem: Problem::CannotTell,
            detail: format!("which users there are: {error}"),
            mend: Mend::ByHand(error.advice().unwrap_or("give the admin what it lacks").to_owned()),
        }],
    }
}

fn admits(scope: &Scope, finding: &Finding) -> bool {
    scope.environment.is_none() || scope.environment == finding.environment
}

async fn strangers(
    place: &mut Place<'_>,
    parts: &Parts,
    books: &Books,
    connection: &ConnectionId,
) -> Result<Vec<Finding>> {
    let fold = |name: &str| UserName::new(name).map(|name| place.connector.fold_user_name(name));
    let prefix = fold(PREFIX)?;
    let looking = place.session.users(prefix.as_str());
    let found = place.deadline.run("looking for users", looking).await?;
    let known: BTreeSet<_> =
        books.sources.iter().filter_map(|source| source.generation.as_ref()).map(|g| &g.user).collect();
    let naming = parts.producer.settings.user_naming;
    let room = place.connector.max_user_name();
    let named = |environment: &EnvironmentId| {
        let key = SourceKey { connection: connection.clone(), environment: environment.clone() };
        naming.name(&key, room).map(|name| (place.connector.fold_user_name(name), key))
    };
    let environments: BTreeSet<_> = books
        .sources
        .iter()
        .map(|source| &source.key.environment)
        .chain(books.rows().map(|(_, row)| &row.environment))
        .chain(books.mappings().map(|(_, mapping)| &mapping.environment))
        .collect();
    let ours: Vec<_> = environments.into_iter().filter_map(|environment| named(environment).ok()).collect();
    let mut findings = Vec::new();
    for user in found.into_iter().filter(|user| !known.contains(user)) {
        let by_name = ours.iter().find(|(name, _)| *name == user).map(|(_, key)| key.clone());
        // An environment that nothing speaks of any more: its id stands in the name, unless it was too long.
        let key = by_name.or_else(|| {
            let environment = environment_in(user.as_str(), naming)?;
            let (name, key) = named(&environment).ok()?;
            (name == user).then_some(key)
        });
        // Another connection to the same database names its users otherwise.
        let Some(key) = key else { continue };
        findings.push(Finding {
            connection: Some(connection.clone()),
            environment: Some(key.environment.clone()),
            problem: Problem::UserWithoutRecord,
            detail: format!("the source has the user {user}, and no record names it"),
            mend: Mend::Drop(key, user),
        });
    }
    Ok(findings)
}

/// The environment's id as [`UserNaming`] has put it into a name. Where engines fold names, ids in lower case come back.
fn environment_in(user: &str, naming: UserNaming) -> Option<EnvironmentId> {
    let rest = user.get(PREFIX.len()..)?;
    let id = match naming {
        UserNaming::PerConnection => rest.rsplit_once('_')?.0,
        UserNaming::PerEnvironment => rest,
    };
    let folded = user.starts_with("DZ_");
    EnvironmentId::new(if folded { id.to_lowercase() } else { id.to_owned() }).ok()
}

/// Rows and mappings that belong to nothing.
pub(super) async fn records(parts: &Parts, books: &Books, scope: &Scope) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (stored, row) in books.rows() {
        if let Some(finding) = lonely_row(parts, books, scope, stored, row).await {
            findings.push(finding);
        }
    }
    // Seen through one connection, others' mappings look lonely.
    if scope.connection.is_some() {
        return findings;
    }
    let ids: BTreeSet<_> = books
        .sources
        .iter()
        .flat_map(|source| {
            let living = source.generation.iter().map(|generation| generation.id);
            living.chain(source.retired.iter().map(|retired| retired.id))
        })
        .collect();
    for (stored, mapping) in books.mappings() {
        let of_scope = scope.environment.as_ref().is_none_or(|environment| *environment == mapping.environment);
        if of_scope && !ids.contains(&mapping.generation) {
            findings.push(Finding {
                connection: None,
                environment: Some(mapping.environment.clone()),
                problem: Problem::RowWithoutGrant,
                detail: format!("a mapping names the copy {}, and no record names the user it is for", mapping.secret),
                mend: Mend::Strike(Box::new(mapping.clone()), stored.expect()),
            });
        }
    }
    findings
}

/// A row whose source record is gone.
async fn lonely_row(
    parts: &Parts,
    books: &Books,
    scope: &Scope,
    stored: &Stored,
    row: &AssetRecord,
) -> Option<Finding> {
    let place = row.place.as_ref()?;
    let key = SourceKey { connection: place.location.connection.clone(), environment: row.environment.clone() };
    if !scope.admits(&key) || books.sources.iter().any(|source| source.key == key) {
        return None;
    }
    let subscription = row.clone().at(place.location.clone());
    let forget = || Mend::Forget(stored.record.key(), stored.expect());
    let mend = match wanted(parts, &subscription, Wanted::Revoke).await {
        Ok(Wanted::Grant) => Mend::Run(Box::new(subscription), Wanted::Grant),
        // A portal that says what it is told knows nothing, and the row is all that says that this was wanted.
        Ok(Wanted::Revoke) if matches!(wanted(parts, &subscription, Wanted::Grant).await, Ok(Wanted::Grant)) => {
            Mend::ByHand(format!("grant {} once more, or revoke it", place.location.path))
        }
        Ok(Wanted::Revoke | Wanted::Retain) => forget(),
        Err(error) if error.kind() == ErrorKind::Refused => forget(),
        Err(_) => Mend::ByHand("try again when the portal answers".to_owned()),
    };
    Some(Finding {
        connection: Some(key.connection),
        environment: Some(key.environment),
        problem: Problem::RowWithoutGrant,
        detail: format!(
            "a row says that {} reads {}, and there is no record of its user",
            row.environment, place.table
        ),
        mend,
    })
}

async fn wanted(parts: &Parts, subscription: &Subscription, told: Wanted) -> Result<Wanted> {
    let question = Question::about(subscription, told);
    let deadline = Deadline::within(parts.producer.settings.deadline);
    deadline.run("asking the portal", parts.producer.portal.wanted(&question)).await
}
