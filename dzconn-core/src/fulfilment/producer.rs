//! The producer's part: what happens on the source, under its lock.

use std::sync::Arc;

use super::Order;
use super::driver::{Driver, SourceSide, about};
use super::fresh::System;
use super::sessions::{Sessions, Turn};
use super::settings::Settings;
use crate::engine::Engines;
use crate::model::{Source, SourceKey};
use crate::store::CredentialStores;
use crate::workflow::{Answer, Did, Effect, Errand, Next, ProducerRun, ProducerTask};
use crate::{Catalog, Changed, Deadline, Error, Portal, Result, Step, TrackingStore};

/// What runs in the producer's account. It keeps idle sessions on sources; [`close`](Self::close) ends them in good order.
#[derive(Debug)]
pub struct Producer {
    pub(crate) engines: Engines,
    pub(crate) credentials: Arc<dyn CredentialStores>,
    pub(crate) tracking: Arc<dyn TrackingStore>,
    pub(crate) catalog: Arc<dyn Catalog>,
    pub(crate) portal: Arc<dyn Portal>,
    pub(crate) settings: Settings,
    sessions: Sessions,
}

/// What the producer's part has brought about. The consumer's part follows in any case: even after a failure there may be
/// something to clean up.
#[derive(Debug)]
pub struct ProducerReport {
    /// What was done.
    pub did: Did,
    /// What kept it from doing what was wanted.
    pub failure: Option<Error>,
    /// What a new user can do beyond its grant.
    pub excess: Vec<String>,
}

impl Producer {
    pub(super) fn new(
        engines: Engines,
        credentials: Arc<dyn CredentialStores>,
        tracking: Arc<dyn TrackingStore>,
        catalog: Arc<dyn Catalog>,
        portal: Arc<dyn Portal>,
        settings: Settings,
    ) -> Self {
        let sessions = Sessions::new(settings.sessions_per_source);
        Self { engines, credentials, tracking, catalog, portal, settings, sessions }
    }

    /// Waits for its turn among the runs of this process.
    pub(crate) async fn turn(&self, key: &SourceKey, deadline: Deadline) -> Result<Turn> {
        self.sessions.turn(key, deadline).await
    }

    /// How to reach the source of an order.
    pub(super) async fn source(&self, order: &Order, deadline: Deadline) -> Result<Source> {
        let location = &order.subscription.location;
        let source = deadline.run("looking the connection up", self.catalog.source(&location.connection)).await;
        source.map_err(|error| {
            let error = error.at(Step::LookUp).on_source(&location.connection).changed(Changed::Nothing);
            about(error, &order.subscription)
        })
    }

    /// Does what is wanted on the source.
    ///
    /// # Errors
    /// What kept it from getting to an end. What it was doing is finished, or undone, by the next run.
    pub async fn run(&self, order: &Order, deadline: Deadline) -> Result<ProducerReport> {
        let location = &order.subscription.location;
        let early =
            |error: Error| about(error.on_source(&location.connection).changed(Changed::Nothing), &order.subscription);
        let _turn = self.turn(&order.subscription.key(), deadline).await.map_err(|e| early(e.at(Step::Lock)))?;
        let source = self.source(order, deadline).await?;
        let connector = &**self.engines.for_source(&source).map_err(|error| early(error.at(Step::LookUp)))?;
        let credentials = deadline.run("finding the producer's secrets", self.credentials.of(&location.owner)).await;
        let credentials = credentials.map_err(|error| early(error.at(Step::ProducerSecret)))?;
        let task = self.task(order, &source).map_err(|error| early(error.at(Step::Input)))?;
        let mut driver = Driver::new(&order.subscription, &*self.tracking, &self.settings, deadline);
        driver.source = Some(SourceSide {
            source: &source,
            catalog: &*self.catalog,
            connector,
            credentials: &*credentials,
            portal: &*self.portal,
            sessions: &self.sessions,
            wish: order.wish,
            tells_excess: !order.errand.rotates(),
        });
        let mut run = ProducerRun::new(Arc::new(task));
        let mut answer = Answer::Begin;
        let mut unlocked = false;
        let produced = loop {
            match run.next(answer, &mut System) {
                Next::Do(effect) => {
                    answer = driver.perform(&effect).await?;
                    unlocked = effect == Effect::Unlock && answer == Answer::Done;
                }
                Next::End(produced) => break produced,
            }
        };
        if unlocked {
            driver.keep_session();
        }
        let nothing = produced.undone || !driver.touched;
        let changed = if nothing { Changed::Nothing } else { Changed::Unfinished };
        let failure = produced.failure.as_ref().map(|failure| driver.error(failure).changed(changed));
        Ok(ProducerReport { did: produced.did, failure, excess: std::mem::take(&mut driver.excess) })
    }

    pub(super) fn task(&self, order: &Order, source: &Source) -> Result<ProducerTask> {
        let connector = self.engines.for_source(source)?;
        let (key, room) = (order.subscription.key(), connector.max_user_name());
        let user = self.settings.user_naming.name(&key, room)?;
        let spare = self.settings.user_naming.spare(&key, room)?;
        Ok(ProducerTask {
            subscription: order.subscription.clone(),
            wish: order.wish,
            ask: order.errand != Errand::End,
            errand: order.errand,
            older: order.older,
            table: order.table.clone(),
            user: connector.fold_user_name(user),
            spare: connector.fold_user_name(spare),
            endpoint: source.endpoint.clone(),
            ssl: Some(source.tls.is_encrypted()),
            readers: self.settings.readers(&order.subscription)?,
        })
    }

    /// Closes the sessions that are kept for later runs.
    pub async fn close(&self) {
        for session in self.sessions.drain() {
            if let Err(error) = session.close().await {
                tracing::debug!(%error, "an idle session could not be closed in good order");
            }
        }
    }
}
