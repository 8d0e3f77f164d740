//! The portal: what the directory file says about subscriptions, now.

use std::path::PathBuf;

use async_trait::async_trait;
use dzconn_core::event::SubscriptionEvent;
use dzconn_core::model::{Asset, Consumer, Listing, ListingId, Location, ProjectId, Subscription};
use dzconn_core::portal::{Lookup, Question, Wanted};
use dzconn_core::workflow::Outcome;
use dzconn_core::{Changed, Error, ErrorKind, Portal, Result, Step};

use crate::directory::{AssetEntry, Directory, EnvironmentEntry, Place};

/// Reads the file anew for every question: an entry that somebody changes while an event waits for its turn counts.
#[derive(Debug)]
pub(crate) struct DirectoryPortal {
    file: PathBuf,
}

impl DirectoryPortal {
    pub(crate) fn new(file: PathBuf) -> Self {
        Self { file }
    }
}

#[async_trait]
impl Portal for DirectoryPortal {
    async fn wanted(&self, question: &Question) -> Result<Wanted> {
        let directory = Directory::read(&self.file)?;
        if directory.domain != question.domain {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("the directory file is about the domain {}, not {}", directory.domain, question.domain),
            )
            .at(Step::Ask));
        }
        wanted(&directory, &question.project, &question.listing, question.told)
    }

    async fn subscriptions(&self, event: &SubscriptionEvent) -> Result<Vec<Lookup>> {
        let directory = Directory::read(&self.file)?;
        if directory.domain != event.domain {
            return Ok(vec![Lookup::Skipped(format!("domain {} is not this file's", event.domain))]);
        }
        let assets: Vec<_> = directory.listed(&event.listing).collect();
        if assets.is_empty() {
            return Ok(vec![Lookup::Skipped(format!("no asset has the listing {}", event.listing))]);
        }
        let environments: Vec<_> = directory.environments_of(&event.project).collect();
        if environments.is_empty() {
            return Ok(vec![Lookup::Skipped(format!("project {} has no environment", event.project))]);
        }
        let mut lookups = Vec::new();
        for asset in assets {
            if let Some(reason) = asset.not_ours() {
                lookups.push(Lookup::Skipped(reason));
                continue;
            }
            for environment in &environments {
                let mut subscription = subscription(&directory, environment, asset)?;
                subscription.subscription.clone_from(&event.subscription);
                subscription.event.clone_from(&event.id);
                lookups.push(Lookup::Ours(Box::new(subscription)));
            }
        }
        Ok(lookups)
    }

    /// Outcomes are printed.
    async fn report(&self, _: &Subscription, _: std::result::Result<&Outcome, &Error>) -> Result<()> {
        Ok(())
    }
}

/// Approved without filters, under whatever entry: granted. Otherwise the last entry that has ended counts.
fn wanted(directory: &Directory, project: &ProjectId, listing: &ListingId, told: Wanted) -> Result<Wanted> {
    let Some(entries) = &directory.subscriptions else { return Ok(told) };
    let entries = || entries.iter().filter(|entry| entry.project == *project && entry.listing == *listing);
    if entries().any(|entry| entry.approved && !entry.filters) {
        return Ok(Wanted::Grant);
    }
    if entries().any(|entry| entry.approved) {
        return Err(Error::new(ErrorKind::Refused, "the subscription is limited by row or column filters")
            .at(Step::Ask)
            .advise("publish a view that shows only those rows and columns, and subscribe to that")
            .changed(Changed::Nothing));
    }
    Ok(if entries().next_back().is_some_and(|entry| entry.retain) { Wanted::Retain } else { Wanted::Revoke })
}

/// One environment's part of a subscription to an asset.
///
/// # Errors
/// If the asset is not behind a source.
pub(crate) fn subscription(
    directory: &Directory,
    environment: &EnvironmentEntry,
    asset: &AssetEntry,
) -> Result<Subscription> {
    let unplaced = || Error::new(ErrorKind::InvalidInput, format!("asset {} has no source", asset.id)).at(Step::LookUp);
    let Place { source, path } = asset.place.as_ref().ok_or_else(unplaced)?;
    let source = directory.source(source)?;
    Ok(Subscription {
        domain: directory.domain.clone(),
        consumer: Consumer {
            project: environment.project.clone(),
            environment: environment.id.clone(),
            owner: environment.owner.clone(),
        },
        asset: Asset { id: asset.id.clone(), revision: asset.revision.clone(), asset_type: asset.asset_type.clone() },
        listing: Listing {
            id: asset.listing.clone(),
            name: asset.name.clone(),
            revision: asset.listing_revision.clone(),
        },
        location: Location { connection: source.connection.clone(), path: path.clone(), owner: source.owner.clone() },
        subscription: None,
        event: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::SubscriptionEntry;

    fn answer(entries: Option<&[(bool, bool, bool)]>) -> Result<Wanted> {
        let mut directory = Directory::empty().unwrap();
        let (project, listing) = ("p".parse::<ProjectId>().unwrap(), "l".parse::<ListingId>().unwrap());
        directory.subscriptions = entries.map(|entries| {
            let entry = |&(approved, filters, retain): &_| SubscriptionEntry {
                project: project.clone(),
                listing: listing.clone(),
                approved,
                filters,
                retain,
            };
            entries.iter().map(entry).collect()
        });
        wanted(&directory, &project, &listing, Wanted::Grant)
    }

    #[test]
    fn the_file_says_what_is_wanted() {
        assert_eq!(answer(None).unwrap(), Wanted::Grant, "a file without subscriptions knows nothing better");
        assert_eq!(answer(Some(&[])).unwrap(), Wanted::Revoke);
        assert_eq!(answer(Some(&[(true, false, false)])).unwrap(), Wanted::Grant);
        assert_eq!(answer(Some(&[(false, false, false), (true, false, false)])).unwrap(), Wanted::Grant);
        assert_eq!(answer(Some(&[(false, false, false), (false, false, true)])).unwrap(), Wanted::Retain);
        assert_eq!(answer(Some(&[(false, false, true), (false, false, false)])).unwrap(), Wanted::Revoke);
    }

    #[test]
    fn never_more_than_was_approved() {
        assert_eq!(answer(Some(&[(true, true, false)])).unwrap_err().kind(), ErrorKind::Refused);
        assert_eq!(answer(Some(&[(true, true, false), (true, false, false)])).unwrap(), Wanted::Grant);
    }
}
