//! Puts a [`Fulfilment`] together.

use std::sync::Arc;

use super::settings::Settings;
use super::{Consumer, Fulfilment, Governance, Parts, Producer};
use crate::bucket::{BucketPolicies, Worker};
use crate::engine::Engines;
use crate::portal::AsTold;
use crate::store::{CredentialStores, OneStore};
use crate::{Catalog, CredentialStore, Error, ErrorKind, Portal, Result, TrackingStore};

/// Collects the parts; see [`Fulfilment::builder`].
#[derive(Debug, Default)]
#[must_use]
pub struct FulfilmentBuilder {
    engines: Engines,
    credentials: Option<Arc<dyn CredentialStores>>,
    copies: Option<Arc<dyn CredentialStores>>,
    tracking: Option<Arc<dyn TrackingStore>>,
    catalog: Option<Arc<dyn Catalog>>,
    portal: Option<Arc<dyn Portal>>,
    buckets: Option<Arc<dyn BucketPolicies>>,
    settings: Settings,
}

impl FulfilmentBuilder {
    /// The engines; at least one.
    pub fn engines(mut self, engines: Engines) -> Self {
        self.engines = engines;
        self
    }

    /// The secrets of the producer's account, and of the consumer's too unless [`copies`](Self::copies) are given.
    pub fn credentials(mut self, store: impl CredentialStore + 'static) -> Self {
        self.credentials = Some(Arc::new(OneStore(Arc::new(store))));
        self
    }

    /// The secrets of the consumer's account, as the consumer's role sees them.
    pub fn copies(mut self, store: impl CredentialStore + 'static) -> Self {
        self.copies = Some(Arc::new(OneStore(Arc::new(store))));
        self
    }

    /// The secrets of many accounts, producers' and consumers'; instead of [`credentials`](Self::credentials) and
    /// [`copies`](Self::copies).
    pub fn credential_stores(mut self, stores: impl CredentialStores + 'static) -> Self {
        let stores: Arc<dyn CredentialStores> = Arc::new(stores);
        self.copies = Some(Arc::clone(&stores));
        self.credentials = Some(stores);
        self
    }

    /// The tracking tables.
    pub fn tracking(mut self, store: impl TrackingStore + 'static) -> Self {
        self.tracking = Some(Arc::new(store));
        self
    }

    /// Where connections are looked up.
    pub fn catalog(mut self, catalog: impl Catalog + 'static) -> Self {
        self.catalog = Some(Arc::new(catalog));
        self
    }

    /// Who says what is wanted; [`AsTold`] by default.
    pub fn portal(mut self, portal: impl Portal + 'static) -> Self {
        self.portal = Some(Arc::new(portal));
        self
    }

    /// The policies of buckets; without them, subscriptions to objects are skipped.
    pub fn buckets(mut self, policies: impl BucketPolicies + 'static) -> Self {
        self.buckets = Some(Arc::new(policies));
        self
    }

    /// How it behaves.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// The whole.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`](crate::ErrorKind::InvalidConfig), naming everything that is missing or wrong at once.
    pub fn build(self) -> Result<Fulfilment> {
        let mut mistakes = self.settings.mistakes();
        let mut missing = |what: &str, is: bool| {
            if is {
                mistakes.push(format!("{what} missing"));
            }
        };
        missing("engines are", self.engines.is_empty());
        missing("a credential store (credentials) is", self.credentials.is_none());
        missing("a tracking store (tracking) is", self.tracking.is_none());
        missing("a catalogue (catalog) is", self.catalog.is_none());
        let invalid = || Error::new(ErrorKind::InvalidConfig, mistakes.join("; "));
        let (Some(credentials), Some(tracking), Some(catalog), true) =
            (self.credentials, self.tracking, self.catalog, mistakes.is_empty())
        else {
            return Err(invalid());
        };
        let copies = self.copies.unwrap_or_else(|| Arc::clone(&credentials));
        let portal = self.portal.unwrap_or_else(|| Arc::new(AsTold));
        let buckets = self.buckets.map(|policies| Worker {
            policies,
            tracking: Arc::clone(&tracking),
            portal: Arc::clone(&portal),
            settings: self.settings.clone(),
        });
        Ok(Fulfilment(Arc::new(Parts {
            buckets,
            governance: Governance::new(Arc::clone(&portal), Arc::clone(&tracking)),
            consumer: Consumer { copies, tracking: Arc::clone(&tracking), settings: self.settings.clone() },
            producer: Producer::new(self.engines, credentials, tracking, catalog, portal, self.settings),
        })))
    }
}
