//! What is wanted now.

use std::cmp::Reverse;

use aws_sdk_datazone::operation::list_subscriptions::builders::ListSubscriptionsFluentBuilder;
use aws_sdk_datazone::types::{
    SortOrder, SubscribedListing, SubscribedListingItem, SubscribedPrincipal, SubscriptionStatus, SubscriptionSummary,
};
use dzconn_core::model::Wanted;
use dzconn_core::portal::Question;
use dzconn_core::{Error, ErrorKind, Result, Step};

use super::failed::failed;
use super::{DataZonePortal, PAGE};

/// How far an approval goes.
enum Scope {
    /// The whole table.
    Whole,
    /// Rows or columns of it.
    Part(String),
}

impl DataZonePortal {
    /// One approved subscription to the whole table is enough, whatever others there are. Without an approved one the one that
    /// ended last says whether access stays.
    pub(super) async fn answer(&self, question: &Question) -> Result<Wanted> {
        let answer = match self.approved(question).await {
            Ok(Some(Scope::Whole)) => Ok(Wanted::Grant),
            Ok(Some(Scope::Part(filters))) => Err(limited(question, &filters)),
            Ok(None) => self.ended(question).await,
            Err(error) => Err(error),
        };
        match answer {
            // The domain or the project is gone, and what was subscribed in it with it.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                tracing::info!(%error, listing = %question.listing, "the portal does not know it any more: nothing is wanted");
                Ok(Wanted::Revoke)
            }
            other => other.map_err(|error| error.at(Step::Ask).on_asset(subject(question))),
        }
    }

    /// The widest approval there is.
    async fn approved(&self, question: &Question) -> Result<Option<Scope>> {
        let mut part = None;
        let mut pages = self.of(question, SubscriptionStatus::Approved).into_paginator().send();
        while let Some(page) = pages.next().await {
            for found in page.map_err(|error| failed("ListSubscriptions", error))?.items {
                if found.status != SubscriptionStatus::Approved || !is_meant(&found, question) {
                    continue;
                }
                // It is said to have ended, and the list may not know that yet.
                if question.told != Wanted::Grant && is(question, &found.id) {
                    match self.single(question, &found.id).await? {
                        Some(Scope::Whole) => return Ok(Some(Scope::Whole)),
                        limited @ Some(Scope::Part(_)) => part = limited,
                        None => {}
                    }
                    continue;
                }
                match self.scope(question, &found).await? {
                    Scope::Whole => return Ok(Some(Scope::Whole)),
                    limited @ Scope::Part(_) => part = Some(limited),
                }
            }
        }
        // It is said to have begun, and the list may not know that yet.
        match &question.subscription {
            Some(id) if part.is_none() && question.told == Wanted::Grant => self.single(question, id.as_str()).await,
            _ => Ok(part),
        }
    }

    /// One subscription, if it is approved and about this project and listing.
    async fn single(&self, question: &Question, id: &str) -> Result<Option<Scope>> {
        let domain = question.domain.as_str();
        let found = match self.client.get_subscription().domain_identifier(domain).identifier(id).send().await {
            Ok(found) => found,
            Err(error) => {
                let error = failed("GetSubscription", error);
                return if error.kind() == ErrorKind::NotFound { Ok(None) } else { Err(error) };
            }
        };
        let listing = found.subscribed_listing.as_ref();
        let meant = is_about(found.subscribed_principal.as_ref(), listing, question);
        if found.status != SubscriptionStatus::Approved || !meant {
            return Ok(None);
        }
        Ok(Some(listing.and_then(scope_of).unwrap_or_else(|| unknown(id))))
    }

    async fn scope(&self, question: &Question, found: &SubscriptionSummary) -> Result<Scope> {
        if let Some(scope) = found.subscribed_listing.as_ref().and_then(scope_of) {
            return Ok(scope);
        }
        // A list may leave out what is subscribed to; the subscription itself does not.
        let (domain, id) = (question.domain.as_str(), found.id.as_str());
        let whole = self.client.get_subscription().domain_identifier(domain).identifier(id).send().await;
        let whole = whole.map_err(|error| failed("GetSubscription", error))?;
        let scope = whole.subscribed_listing.as_ref().and_then(scope_of);
        Ok(scope.unwrap_or_else(|| unknown(id)))
    }

    /// Whether access stays after the subscription that ended last.
    async fn ended(&self, question: &Question) -> Result<Wanted> {
        let last = tokio::try_join!(
            self.last(question, SubscriptionStatus::Revoked),
            self.last(question, SubscriptionStatus::Cancelled),
        )?;
        let last = [last.0, last.1].into_iter().flatten().max_by_key(|found| found.updated_at);
        let told = question.told == Wanted::Retain;
        let stays = last.map_or(told, |last| last.retain_permissions.unwrap_or(told));
        Ok(if stays { Wanted::Retain } else { Wanted::Revoke })
    }

    async fn last(&self, question: &Question, status: SubscriptionStatus) -> Result<Option<SubscriptionSummary>> {
        let mut pages = self.of(question, status.clone()).sort_order(SortOrder::Descending).into_paginator().send();
        while let Some(page) = pages.next().await {
            let mut items = page.map_err(|error| failed("ListSubscriptions", error))?.items;
            items.retain(|found| found.status == status && is_meant(found, question));
            items.sort_by_key(|found| Reverse(found.updated_at));
            if let Some(last) = items.into_iter().next() {
                return Ok(Some(last));
            }
        }
        Ok(None)
    }

    fn of(&self, question: &Question, status: SubscriptionStatus) -> ListSubscriptionsFluentBuilder {
        let Question { domain, project, listing, .. } = question;
        self.client
            .list_subscriptions()
            .domain_identifier(domain.as_str())
            .owning_project_id(project.as_str())
            .subscribed_listing_id(listing.as_str())
            .status(status)
            .max_results(PAGE)
    }
}

/// Access hangs on it, so the list's filters are not trusted.
fn is_meant(found: &SubscriptionSummary, question: &Question) -> bool {
    is_about(found.subscribed_principal.as_ref(), found.subscribed_listing.as_ref(), question)
}

fn is(question: &Question, id: &str) -> bool {
    question.subscription.as_ref().is_some_and(|meant| meant.as_str() == id)
}

fn unknown(id: &str) -> Scope {
    Scope::Part(format!("what subscription {id} covers is not known"))
}

fn is_about(principal: Option<&SubscribedPrincipal>, listing: Option<&SubscribedListing>, question: &Question) -> bool {
    let project = match principal {
        Some(SubscribedPrincipal::Project(project)) => project.id.as_deref(),
        _ => None,
    };
    let listing = listing.map(|listing| listing.id.as_str());
    project == Some(question.project.as_str()) && listing == Some(question.listing.as_str())
}

/// A scope without filters limits nothing. One that is broken, or that is of a kind that is not known, may.
fn scope_of(listing: &SubscribedListing) -> Option<Scope> {
    Some(match listing.item.as_ref()? {
        SubscribedListingItem::AssetListing(asset) => match &asset.asset_scope {
            Some(scope) if !scope.filter_ids.is_empty() => {
                Scope::Part(format!("filters {}", scope.filter_ids.join(", ")))
            }
            Some(scope) if scope.error_message.is_some() => Scope::Part("filters that could not be applied".to_owned()),
            _ => Scope::Whole,
        },
        _ => Scope::Part("it is not a single asset's".to_owned()),
    })
}

fn limited(question: &Question, filters: &str) -> Error {
    let what = format!("the subscription of project {} is approved only in part ({filters})", question.project);
    Error::new(ErrorKind::Refused, what).at(Step::Ask).on_asset(subject(question)).advise(
        "dzconn grants whole tables only: publish a view with those rows and columns, or approve without filters",
    )
}

fn subject(Question { domain, listing, asset, .. }: &Question) -> String {
    format!("asset {asset} (listing {listing}, domain {domain})")
}
