//! Connections and subscriptions in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use crate::bucket::{ObjectOutcome, ObjectSubscription};
use crate::event::SubscriptionEvent;
use crate::model::{AssetId, ConnectionId, EnvironmentId, ListingId, ProjectId, Source, Subscription};
use crate::portal::{Lookup, Question, Wanted};
use crate::workflow::Outcome;
use crate::{Catalog, Error, ErrorKind, Portal, Result};

/// Connections that are given one by one. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct MemoryCatalog(Arc<Mutex<BTreeMap<ConnectionId, Source>>>);

impl MemoryCatalog {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a source under its connection's id, or replaces it.
    pub fn add(&self, source: Source) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(source.connection.clone(), source);
    }
}

#[async_trait]
impl Catalog for MemoryCatalog {
    async fn source(&self, connection: &ConnectionId) -> Result<Source> {
        let sources = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sources.get(connection).cloned().ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("no connection {connection}"))
                .on_source(connection)
                .advise("check the connection's name; it may have been deleted since the asset was published")
        })
    }
}

/// A portal that is told what is wanted, and remembers what it is told of outcomes. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct MemoryPortal(Arc<Mutex<PortalState>>);

#[derive(Debug, Default)]
struct PortalState {
    wanted: BTreeMap<(ProjectId, ListingId), Result<Wanted, ErrorKind>>,
    environments: Vec<Subscription>,
    objects: Vec<ObjectSubscription>,
    reports: Vec<(EnvironmentId, AssetId, String)>,
}

impl MemoryPortal {
    /// Nothing is wanted yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What a project wants of a listing from now on; or the kind of error with which to refuse to say.
    pub fn want(&self, project: ProjectId, listing: ListingId, wanted: Result<Wanted, ErrorKind>) {
        self.state().wanted.insert((project, listing), wanted);
    }

    /// An environment of a project, and what it would read of a listing.
    pub fn add(&self, subscription: Subscription) {
        self.state().environments.push(subscription);
    }

    /// An environment of a project, and the objects that it would read of a listing.
    pub fn add_objects(&self, subscription: ObjectSubscription) {
        self.state().objects.push(subscription);
    }

    /// What was reported: environment, asset, and the outcome's or the error's name.
    pub fn reports(&self) -> Vec<(EnvironmentId, AssetId, String)> {
        self.state().reports.clone()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, PortalState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Portal for MemoryPortal {
    async fn wanted(&self, question: &Question) -> Result<Wanted> {
        let wanted = self.state().wanted.get(&(question.project.clone(), question.listing.clone())).copied();
        wanted.unwrap_or(Ok(Wanted::Revoke)).map_err(|kind| Error::new(kind, "the portal was told to refuse"))
    }

    async fn subscriptions(&self, event: &SubscriptionEvent) -> Result<Vec<Lookup>> {
        let state = self.state();
        let meant =
            state.environments.iter().filter(|s| s.consumer.project == event.project && s.listing.id == event.listing);
        let tables = meant.map(|subscription| Lookup::Ours(Box::new(subscription.clone())));
        let objects =
            state.objects.iter().filter(|s| s.consumer.project == event.project && s.listing.id == event.listing);
        let of_event = |subscription: &ObjectSubscription| ObjectSubscription {
            subscription: event.subscription.clone(),
            event: event.id.clone(),
            ..subscription.clone()
        };
        Ok(tables.chain(objects.map(|one| Lookup::Objects(Box::new(of_event(one))))).collect())
    }

    async fn report_objects(
        &self,
        subscription: &ObjectSubscription,
        outcome: Result<&ObjectOutcome, &Error>,
    ) -> Result<()> {
        let text = match outcome {
            Ok(ObjectOutcome::Granted(_)) => "granted".to_owned(),
            Ok(ObjectOutcome::Retained(_)) => "retained".to_owned(),
            Ok(ObjectOutcome::Revoked(_)) => "revoked".to_owned(),
            Ok(ObjectOutcome::Superseded) => "superseded".to_owned(),
            Err(error) => error.kind().to_string(),
        };
        let ObjectSubscription { consumer, asset, .. } = subscription;
        self.state().reports.push((consumer.environment.clone(), asset.id.clone(), text));
        Ok(())
    }

    async fn report(&self, subscription: &Subscription, outcome: Result<&Outcome, &Error>) -> Result<()> {
        let text = match outcome {
            Ok(Outcome::Granted(_)) => "granted".to_owned(),
            Ok(Outcome::Retained(_)) => "retained".to_owned(),
            Ok(Outcome::Revoked(_)) => "revoked".to_owned(),
            Ok(Outcome::Superseded) => "superseded".to_owned(),
            Err(error) => error.kind().to_string(),
        };
        let Subscription { consumer, asset, .. } = subscription;
        self.state().reports.push((consumer.environment.clone(), asset.id.clone(), text));
        Ok(())
    }
}
