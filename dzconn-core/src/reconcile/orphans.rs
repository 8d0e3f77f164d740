//! What stands alone: users that no record names, rows and mappings of access that there is not.

use std::collections::BTreeSet;

use super::books::{Books, each};
use super::look::{self, Place};
use super::{Finding, Mend, Problem, Scope, by_hand};
use crate::fulfilment::Parts;
use crate::model::{
    AssetRecord, ConnectionId, EnvironmentId, Generation, SecretName, SourceKey, Subscription, UserName, UserNaming,
    Wanted,
};
use crate::portal::Question;
use crate::store::{Query, Record, Slot, Stored};
use crate::{Deadline, Error, ErrorKind, Result};

/// What every name of dzconn's users begins with.
const PREFIX: &str = "dz_";

/// The users of this connection that no record names.
pub(crate) async fn users(
    place: &mut Place<'_>,
    parts: &Parts,
    books: &Books,
    connection: &ConnectionId,
    scope: &Scope,
) -> Vec<Finding> {
    match strangers(place, parts, books, connection, scope).await {
        Ok(found) => found.into_iter().filter(|finding| admits(scope, finding)).collect(),
        Err(error) => {
            let detail = format!("which users there are: {error}");
            vec![Finding { detail, ..look::cannot_tell(connection, &error) }]
        }
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
    scope: &Scope,
) -> Result<Vec<Finding>> {
    let fold = |name: &str| UserName::new(name).map(|name| place.connector.fold_user_name(name));
    let prefix = fold(PREFIX)?;
    let looking = place.session.users(prefix.as_str());
    let found = place.deadline.run("looking for users", looking).await?;
    let known: BTreeSet<_> =
        books.sources.iter().filter_map(|source| source.generation.as_ref()).flat_map(Generation::users).collect();
    let naming = parts.producer.settings.user_naming;
    let room = place.connector.max_user_name();
    let named = |environment: &EnvironmentId| {
        let key = SourceKey { connection: connection.clone(), environment: environment.clone() };
        // A rotation makes a second one.
        let names = [naming.name(&key, room), naming.spare(&key, room)].into_iter().flatten();
        names.map(|name| (place.connector.fold_user_name(name), key.clone())).collect::<Vec<_>>()
    };
    let environments = known_environments(books, scope);
    let ours: Vec<_> = environments.iter().flat_map(named).collect();
    let mut findings = Vec::new();
    for user in found.into_iter().filter(|user| !known.contains(user)) {
        let mut finding = |key: &SourceKey, mend| {
            findings.push(Finding {
                connection: Some(connection.clone()),
                environment: Some(key.environment.clone()),
                problem: Problem::UserWithoutRecord,
                detail: format!("the source has the user {user}, and no record names it"),
                mend,
            });
        };
        if let Some((_, key)) = ours.iter().find(|(name, _)| *name == user) {
            finding(key, Mend::Drop(key.clone(), user.clone()));
            continue;
        }
        // Its environment's id stands in the name, unless it was too long. Another connection to the same database names its
        // users otherwise; and another installation of dzconn may know the environment.
        for environment in environments_in(user.as_str(), naming) {
            if let Some((_, key)) = named(&environment).into_iter().find(|(name, _)| *name == user) {
                finding(&key, Mend::ByHand(unknown_environment(&environment)));
            }
        }
    }
    Ok(findings)
}

/// The environments that are surely this installation's: tracking speaks of them, or they were named.
pub(super) fn known_environments(books: &Books, scope: &Scope) -> BTreeSet<EnvironmentId> {
    let mut known = books.known();
    known.extend(scope.environment.clone());
    known
}

fn unknown_environment(environment: &EnvironmentId) -> String {
    format!(
        "no record speaks of {environment}: if no other installation of dzconn does, reconcile with just this environment"
    )
}

/// The environment's id as [`UserNaming`] may have put it into a name. Where engines fold names, ids in lower case come back.
fn environments_in(user: &str, naming: UserNaming) -> impl Iterator<Item = EnvironmentId> {
    let folded = user.starts_with("DZ_");
    let user = if folded { user.to_lowercase() } else { user.to_owned() };
    let of_spare = user.strip_suffix(UserNaming::SPARE).map(|user| (user.to_owned(), UserNaming::PerConnection));
    std::iter::once((user.clone(), naming)).chain(of_spare).filter_map(|(user, naming)| {
        let rest = user.get(PREFIX.len()..)?;
        let id = match naming {
            UserNaming::PerConnection => rest.rsplit_once('_')?.0,
            UserNaming::PerEnvironment => rest,
        };
        EnvironmentId::new(id).ok()
    })
}

/// Secrets by dzconn's names that no record names, in the accounts that tracking speaks of.
pub(crate) async fn secrets(parts: &Parts, books: &Books, scope: &Scope) -> Result<Vec<Finding>> {
    let (mut listed, mut findings) = (Vec::new(), Vec::new());
    for (side, owner) in &books.accounts() {
        let side = *side;
        let listing = async { side.store(parts, owner).await?.names(side.prefix()).await };
        let deadline = Deadline::within(parts.producer.settings.deadline);
        match deadline.run("listing secrets", listing).await {
            Ok(names) => listed.push((side, owner.clone(), names)),
            Err(error) => findings.push(Finding {
                connection: None,
                environment: None,
                problem: Problem::CannotTell,
                detail: format!("which secrets there are in {}: {error}", owner.account),
                mend: by_hand(&error),
            }),
        }
    }
    // A record is written before its secrets are made: what was listed stands in a record that is read after that.
    let mut named = named_secrets(parts).await?;
    let known = known_environments(books, scope);
    for (side, owner, names) in listed {
        let deadline = Deadline::within(parts.producer.settings.deadline);
        for name in names {
            if named.contains(&name) {
                continue;
            }
            let environment = known.iter().find(|environment| is_of(&name, environment)).cloned();
            if scope.environment.is_some() && scope.environment != environment {
                continue;
            }
            let reading = async { side.store(parts, &owner).await?.read(&name).await };
            let (problem, detail, mend) = match deadline.run("reading a secret", reading).await {
                // The list may be behind.
                Ok(Slot::Empty | Slot::Burnt) => continue,
                Err(error) if error.kind() != ErrorKind::SecretInvalid => {
                    let detail = format!("the secret {name} in {}, which no record names: {error}", owner.account);
                    (Problem::CannotTell, detail, by_hand(&error))
                }
                // Whatever it holds, it is there.
                Ok(Slot::Live(_)) | Err(_) => {
                    // One store may be that of several accounts.
                    named.insert(name.clone());
                    let detail = format!("the secret {name} in {}, and no record names it", owner.account);
                    let mend = match environment {
                        Some(_) => Mend::Burn(side, owner.clone(), name),
                        None => Mend::ByHand("delete it, if no other installation of dzconn has made it".to_owned()),
                    };
                    (Problem::SecretWithoutRecord, detail, mend)
                }
            };
            findings.push(Finding { connection: None, environment, problem, detail, mend });
        }
    }
    Ok(findings)
}

/// Every name of a secret that a record or mapping holds.
pub(super) async fn named_secrets(parts: &Parts) -> Result<BTreeSet<SecretName>> {
    let mut unreadable = Vec::new();
    let mut named = BTreeSet::new();
    for query in [Query::Sources(None), Query::Mappings] {
        for stored in each(parts, &query, &mut unreadable).await? {
            match stored.record {
                Record::Source(source) => {
                    named.extend(
                        source.generation.into_iter().flat_map(|generation| [generation.secret, generation.copy]),
                    );
                    named.extend(source.retired.into_iter().map(|retired| retired.copy));
                }
                Record::Mapping(mapping) => {
                    named.insert(mapping.secret);
                }
                _ => {}
            }
        }
    }
    match unreadable.pop() {
        None => Ok(named),
        // It may name any of them.
        Some(finding) => Err(Error::new(ErrorKind::RecordInvalid, finding.detail)),
    }
}

/// `dz-conn-<side>-<project>-<environment>-<8 hexadecimal digits>`.
fn is_of(name: &SecretName, environment: &EnvironmentId) -> bool {
    name.as_str().rsplit_once('-').is_some_and(|(rest, digits)| {
        let ours = digits.len() == 8 && digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        ours && rest.strip_suffix(environment.as_str()).is_some_and(|rest| rest.ends_with('-'))
    })
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
    if scope.connection.is_none() {
        findings.extend(mappings(books, scope));
    }
    findings
}

/// Mappings of users that no record names.
pub(crate) fn mappings(books: &Books, scope: &Scope) -> Vec<Finding> {
    let mut findings = Vec::new();
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
        Err(error) => by_hand(&error),
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
