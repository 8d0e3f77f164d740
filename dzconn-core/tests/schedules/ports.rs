//! The in-memory ports behind gates, each of which may be built without one of its guards.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use dzconn_core::engine::{Action, Login};
use dzconn_core::event::SubscriptionEvent;
use dzconn_core::memory::{MemoryCatalog, MemoryCredentials, MemoryEngine, MemoryTracking};
use dzconn_core::model::*;
use dzconn_core::portal::{Lookup, Question, Wanted};
use dzconn_core::store::*;
use dzconn_core::workflow::Outcome;
use dzconn_core::{
    Catalog, CredentialStore, Deadline, EngineConnector, Error, Portal, Result, SourceEngine, TrackingStore,
};

use crate::gate::{Gates, Touches};
use crate::session::Session;
use crate::truth::Truth;

/// A promise that the ports do not keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guard {
    /// The source's lock keeps others out.
    Lock,
    /// A session that has lost its lock changes nothing.
    LockChecked,
    /// A write happens only over what was expected.
    Conditions,
    /// A transaction happens only if what it merely checks holds.
    Checks,
    /// A transaction happens whole or not at all.
    Atomic,
    /// A secret that is there is not overwritten by its creation.
    CreateKeeps,
    /// A name that was burnt is used up.
    BurnLasts,
    /// The portal is asked.
    Asked,
}

#[derive(Clone, Debug)]
pub(crate) struct Behind<T> {
    pub(crate) port: T,
    pub(crate) gates: Gates,
    pub(crate) without: Option<Guard>,
    /// How often a name was made free again, where burning does not last.
    pub(crate) lives: Arc<Mutex<BTreeMap<SecretName, u32>>>,
}

impl<T> Behind<T> {
    pub(crate) fn new(port: T, gates: &Gates, without: Option<Guard>) -> Self {
        Self { port, gates: gates.clone(), without, lives: Arc::default() }
    }

    fn lacks(&self, guard: Guard) -> bool {
        self.without == Some(guard)
    }

    /// The name behind a name.
    fn behind(&self, name: &SecretName) -> SecretName {
        match self.lives.lock().unwrap().get(name) {
            Some(lives) => format!("{name}x{lives}").parse().unwrap(),
            None => name.clone(),
        }
    }
}

#[async_trait]
impl TrackingStore for Behind<MemoryTracking> {
    async fn read(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>> {
        self.gates.call("tracking.read", Touches::Look, self.port.read(keys)).await
    }

    async fn commit(&self, transaction: &Transaction) -> Result<WriteOutcome> {
        let (port, mut transaction) = (self.port.clone(), transaction.clone());
        if self.lacks(Guard::Conditions) {
            transaction.changes.iter_mut().for_each(|change| change.expect = Expect::Anything);
        }
        if self.lacks(Guard::Checks) {
            transaction.changes.retain(|change| change.write != Write::Check);
        }
        if self.lacks(Guard::Atomic) && transaction.changes.len() > 1 {
            let mut outcome = WriteOutcome::Written;
            for change in transaction.changes {
                let (port, one) = (port.clone(), Transaction { changes: vec![change] });
                outcome = self.gates.write("tracking.commit", async move { port.commit(&one).await }).await?;
                if outcome == WriteOutcome::Conflict {
                    break;
                }
            }
            return Ok(outcome);
        }
        self.gates.write("tracking.commit", async move { port.commit(&transaction).await }).await
    }

    async fn list(&self, query: &Query, after: Option<&Cursor>) -> Result<Page> {
        self.gates.call("tracking.list", Touches::Look, self.port.list(query, after)).await
    }
}

#[async_trait]
impl CredentialStore for Behind<MemoryCredentials> {
    async fn read(&self, name: &SecretName) -> Result<Slot> {
        let name = &self.behind(name);
        self.gates.call("secret.read", Touches::Look, self.port.read(name)).await
    }

    async fn inspect(&self, name: &SecretName) -> Result<Slot> {
        let name = &self.behind(name);
        self.gates.call("secret.inspect", Touches::Look, self.port.inspect(name)).await
    }

    async fn read_shared(&self, id: &SecretId) -> Result<Slot> {
        self.gates.call("secret.read_shared", Touches::Look, self.port.read_shared(id)).await
    }

    async fn create(&self, name: &SecretName, secret: &NewSecret) -> Result<Slot> {
        let (this, name, secret, overwrites) =
            (self.clone(), name.clone(), secret.clone(), self.lacks(Guard::CreateKeeps));
        let create = async move {
            let name = this.behind(&name);
            if overwrites && let Slot::Live(live) = this.port.read(&name).await? {
                this.port.replace(&name, &live.version, &secret).await?;
            }
            this.port.create(&name, &secret).await
        };
        self.gates.write("secret.create", create).await
    }

    async fn replace(&self, name: &SecretName, seen: &SecretVersion, secret: &NewSecret) -> Result<WriteOutcome> {
        let (port, name, seen, secret) = (self.port.clone(), self.behind(name), seen.clone(), secret.clone());
        self.gates.write("secret.replace", async move { port.replace(&name, &seen, &secret).await }).await
    }

    async fn propose(&self, name: &SecretName, version: &SecretVersion, proposed: &Credentials) -> Result<Slot> {
        let (port, name, version, proposed) = (self.port.clone(), self.behind(name), version.clone(), proposed.clone());
        self.gates.write("secret.propose", async move { port.propose(&name, &version, &proposed).await }).await
    }

    async fn promote(&self, name: &SecretName, seen: &SecretVersion, version: &SecretVersion) -> Result<WriteOutcome> {
        let (port, name, seen, version) = (self.port.clone(), self.behind(name), seen.clone(), version.clone());
        self.gates.write("secret.promote", async move { port.promote(&name, &seen, &version).await }).await
    }

    async fn share(&self, name: &SecretName, readers: &[Principal]) -> Result<()> {
        let (port, name, readers) = (self.port.clone(), self.behind(name), readers.to_vec());
        self.gates.write("secret.share", async move { port.share(&name, &readers).await }).await
    }

    async fn burn(&self, name: &SecretName) -> Result<()> {
        let (this, name) = (self.clone(), name.clone());
        let burn = async move {
            this.gates.burns(&name);
            this.port.burn(&this.behind(&name)).await?;
            if this.lacks(Guard::BurnLasts) {
                *this.lives.lock().unwrap().entry(name).or_default() += 1;
            }
            Ok(())
        };
        self.gates.write("secret.burn", burn).await
    }

    async fn names(&self, prefix: &str) -> Result<Vec<SecretName>> {
        self.gates.call("secret.names", Touches::Look, self.port.names(prefix)).await
    }
}

#[async_trait]
impl Catalog for Behind<MemoryCatalog> {
    async fn source(&self, connection: &ConnectionId) -> Result<Source> {
        self.gates.call("catalog.source", Touches::Look, self.port.source(connection)).await
    }
}

#[async_trait]
impl Portal for Behind<Truth> {
    async fn wanted(&self, question: &Question) -> Result<Wanted> {
        let told = self.lacks(Guard::Asked).then_some(question.told);
        let asked = async { told.map_or_else(|| self.port.wanted(&question.project, &question.listing), Ok) };
        self.gates.call("portal.wanted", Touches::Look, asked).await
    }

    async fn subscriptions(&self, event: &SubscriptionEvent) -> Result<Vec<Lookup>> {
        let asked = async { Ok(self.port.subscriptions(&event.project, &event.listing)) };
        self.gates.call("portal.subscriptions", Touches::Look, asked).await
    }

    async fn report(&self, _: &Subscription, _: Result<&Outcome, &Error>) -> Result<()> {
        self.gates.call("portal.report", Touches::Look, async { Ok(()) }).await
    }
}

impl Behind<Vec<MemoryEngine>> {
    fn server(&self, source: &Source) -> &MemoryEngine {
        self.port.iter().find(|server| server.source().connection == source.connection).unwrap()
    }
}

/// Several servers, each of which serves one connection.
#[async_trait]
impl EngineConnector for Behind<Vec<MemoryEngine>> {
    fn subprotocols(&self) -> &'static [&'static str] {
        &["memory"]
    }

    fn max_user_name(&self) -> usize {
        128
    }

    async fn connect(&self, source: &Source, deadline: Deadline) -> Result<Box<dyn SourceEngine>> {
        let server = self.server(source).clone();
        let session = self.gates.call("source.connect", Touches::Look, server.connect(source, deadline)).await?;
        Ok(Box::new(Session { port: session, server, gates: self.gates.clone(), without: self.without }))
    }

    async fn log_in(
        &self,
        source: &Source,
        credentials: &Credentials,
        table: Option<&TableName>,
        deadline: Deadline,
    ) -> Result<Login> {
        let engine = self.server(source);
        self.gates.call("source.log_in", Touches::Look, engine.log_in(source, credentials, table, deadline)).await
    }

    fn statements(&self, source: &Source, action: &Action) -> Vec<String> {
        self.server(source).statements(source, action)
    }
}
