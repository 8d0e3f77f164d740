//! What is wanted now.

use std::cmp::Reverse;

use aws_sdk_datazone::operation::list_subscriptions::builders::ListSubscriptionsFluentBuilder;
use aws_sdk_datazone::primitives::DateTime;
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

/// What a subscription itself says, which a list may not know yet.
enum Own {
    /// It is approved.
    Approved(Scope),
    /// It has ended: when, and whether access stays.
    Ended(Option<DateTime>, Option<bool>),
    /// It is not there, or about something else.
    Nothing,
}

impl DataZonePortal {
    /// One approved subscription to the whole table is enough, whatever others there are. Without an approved one the one that
    /// ended last says whether access stays.
    ///
    /// The subscription that the event is about is asked itself: a list may be behind, and a run that believed it would be the
    /// last word for good. What a list says of that one is passed over.
    pub(super) async fn answer(&self, question: &Question) -> Result<Wanted> {
        self.decide(question).await.or_else(|error| match error.kind() {
            // The domain or the project is gone, and what was subscribed in it with it.
            ErrorKind::NotFound => {
                tracing::info!(%error, listing = %question.listing, "the portal does not know it any more: nothing is wanted");
                Ok(Wanted::Revoke)
            }
            _ => Err(error.at(Step::Ask).on_asset(subject(question))),
        })
    }

    async fn decide(&self, question: &Question) -> Result<Wanted> {
        let own = match &question.subscription {
            Some(id) => self.single(question, id.as_str()).await?,
            None => Own::Nothing,
        };
        let mut part = None;
        let mut last = None;
        match own {
            Own::Approved(Scope::Whole) => return Ok(Wanted::Grant),
            Own::Approved(Scope::Part(filters)) => part = Some(filters),
            Own::Ended(when, retain) => last = Some((when, retain)),
            Own::Nothing => {}
        }
        match self.approved(question).await? {
            Some(Scope::Whole) => Ok(Wanted::Grant),
            Some(Scope::Part(filters)) => Err(limited(question, &filters)),
            None => match part {
                Some(filters) => Err(limited(question, &filters)),
                None => self.ended(question, last).await,
            },
        }
    }

    /// The widest approval that lists show, but for the event's own.
    async fn approved(&self, question: &Question) -> Result<Option<Scope>> {
        let mut part = None;
        let mut pages = self.of(question, SubscriptionStatus::Approved).into_paginator().send();
        while let Some(page) = pages.next().await {
            for found in page.map_err(|error| failed("ListSubscriptions", error))?.items {
                if found.status != SubscriptionStatus::Approved
                    || !is_meant(&found, question)
                    || is_own(question, &found)
                {
                    continue;
                }
                match self.scope(question, &found).await? {
                    Some(Scope::Whole) => return Ok(Some(Scope::Whole)),
                    Some(limited) => part = Some(limited),
                    None => {}
                }
            }
        }
        Ok(part)
    }

    /// What an entry of a list covers. A summary may leave filters out, and that there are none is only believed of the
    /// subscription itself.
    async fn scope(&self, question: &Question, found: &SubscriptionSummary) -> Result<Option<Scope>> {
        if let Some(limited @ Scope::Part(_)) = found.subscribed_listing.as_ref().and_then(scope_of) {
            return Ok(Some(limited));
        }
        match self.single(question, &found.id).await? {
            Own::Approved(scope) => Ok(Some(scope)),
            Own::Ended(..) | Own::Nothing => Ok(None),
        }
    }

    async fn single(&self, question: &Question, id: &str) -> Result<Own> {
        let call = self.client.get_subscription().domain_identifier(question.domain.as_str()).identifier(id);
        let found = match call.send().await.map_err(|error| failed("GetSubscription", error)) {
            Ok(found) => found,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Own::Nothing),
            Err(error) => return Err(error),
        };
        let listing = found.subscribed_listing.as_ref();
        if !is_about(found.subscribed_principal.as_ref(), listing, question) {
            return Ok(Own::Nothing);
        }
        Ok(match found.status {
            SubscriptionStatus::Approved => {
                let unknown = || Scope::Part(format!("what subscription {id} covers is not known"));
                Own::Approved(listing.and_then(scope_of).unwrap_or_else(unknown))
            }
            _ => Own::Ended(Some(found.updated_at), found.retain_permissions),
        })
    }

    /// Whether access stays after the subscription that ended last: the event's own, or another.
    async fn ended(&self, question: &Question, own: Option<(Option<DateTime>, Option<bool>)>) -> Result<Wanted> {
        let others = tokio::try_join!(
            self.last(question, SubscriptionStatus::Revoked),
            self.last(question, SubscriptionStatus::Cancelled),
        )?;
        let others = [others.0, others.1].into_iter().flatten();
        let others = others.map(|found| (Some(found.updated_at), found.retain_permissions));
        let last = others.chain(own).max_by_key(|(when, _)| *when);
        let told = question.told == Wanted::Retain;
        let stays = last.map_or(told, |(_, retain)| retain.unwrap_or(told));
        Ok(if stays { Wanted::Retain } else { Wanted::Revoke })
    }

    async fn last(&self, question: &Question, status: SubscriptionStatus) -> Result<Option<SubscriptionSummary>> {
        let mut pages = self.of(question, status.clone()).sort_order(SortOrder::Descending).into_paginator().send();
        while let Some(page) = pages.next().await {
            let mut items = page.map_err(|error| failed("ListSubscriptions", error))?.items;
            items.retain(|found| found.status == status && is_meant(found, question) && !is_own(question, found));
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

fn is_own(question: &Question, found: &SubscriptionSummary) -> bool {
    question.subscription.as_ref().is_some_and(|own| own.as_str() == found.id)
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
