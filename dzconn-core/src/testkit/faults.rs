//! Ports that can be watched, and that fail or vanish at a chosen call: to try what a host does when the world breaks.
//!
//! ```
//! use dzconn_core::memory::{MemoryEngine, MemoryTracking};
//! use dzconn_core::testkit::faults::{Faults, When};
//! use dzconn_core::{ErrorKind, TrackingStore};
//!
//! # async fn example() {
//! let faults = Faults::default();
//! let tracking = faults.watch(MemoryTracking::new());
//! faults.fail_at("tracking.read", When::Before, ErrorKind::Throttled);
//! assert_eq!(tracking.read(&[]).await.unwrap_err().kind(), ErrorKind::Throttled);
//! assert_eq!(faults.calls(), ["tracking.read"]);
//! # }
//! ```

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;

use crate::bucket::{Bucket, BucketPolicies};
use crate::engine::{Action, Created, Lock, LockKey, Login, Reads};
use crate::environment::{Environment, EnvironmentPortal, EnvironmentRoles, LakeTag, LakeTags, RoleState, Tagged};
use crate::model::{
    AssetPath, Credentials, DomainId, EnvironmentId, Owner, Principal, SecretId, SecretName, Source, TableName,
    UserName,
};
use crate::store::{Cursor, Key, NewSecret, Page, Query, SecretVersion, Slot, Stored, Transaction, WriteOutcome};
use crate::{CredentialStore, Deadline, EngineConnector, Error, ErrorKind, Result, SourceEngine, TrackingStore};

/// At which side of a call's effect it breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// It never has its effect.
    Before,
    /// It has, and nobody is told.
    After,
}

/// Which call breaks, of those from now.
#[derive(Clone, Copy, Debug)]
enum Which {
    Nth(usize),
    Named(&'static str),
}

/// How a call breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Break {
    Fails(ErrorKind),
    Vanishes,
}

/// Sees every call of every port that it watches, yields before and after it, and may let one break. Clones are the same.
#[derive(Clone, Default)]
pub struct Faults(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    vanished: Notify,
}

#[derive(Default)]
struct State {
    calls: Vec<&'static str>,
    fault: Option<(Which, When, Break)>,
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Faults")
    }
}

impl Faults {
    /// A port that is watched.
    pub fn watch<T>(&self, port: T) -> Watched<T> {
        Watched(port, self.clone())
    }

    /// The calls since this was last asked, in order.
    pub fn calls(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.state().calls)
    }

    /// Lets the n-th call from now fail, once; without so many calls the fault waits until [`heal`](Self::heal).
    pub fn fail(&self, n: usize, when: When, kind: ErrorKind) {
        self.set(Which::Nth(n), when, Break::Fails(kind));
    }

    /// The same of the first call from now of this name; [`calls`](Self::calls) has the names.
    pub fn fail_at(&self, name: &'static str, when: When, kind: ErrorKind) {
        self.set(Which::Named(name), when, Break::Fails(kind));
    }

    /// Lets the n-th call from now never answer, as if the process had died there. Whoever waits for
    /// [`vanished`](Self::vanished) can drop the run then.
    pub fn vanish(&self, n: usize, when: When) {
        self.set(Which::Nth(n), when, Break::Vanishes);
    }

    /// Until a call has vanished.
    pub async fn vanished(&self) {
        self.0.vanished.notified().await;
    }

    /// No call breaks any more.
    pub fn heal(&self) {
        self.state().fault = None;
    }

    fn set(&self, which: Which, when: When, how: Break) {
        let mut state = self.state();
        state.calls.clear();
        state.fault = Some((which, when, how));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn around<T>(&self, name: &'static str, call: impl Future<Output = Result<T>>) -> Result<T> {
        let fault = {
            let mut state = self.state();
            let n = state.calls.len();
            state.calls.push(name);
            let here = |(which, ..): &mut (Which, When, Break)| match which {
                Which::Nth(at) => *at == n,
                Which::Named(at) => *at == name,
            };
            state.fault.take_if(here).map(|(_, when, how)| (when, how))
        };
        tokio::task::yield_now().await;
        if let Some((When::Before, how)) = fault {
            return self.broken(how, "injected before the call").await;
        }
        let result = call.await;
        tokio::task::yield_now().await;
        match fault {
            Some((When::After, how)) => self.broken(how, "injected after the call").await,
            _ => result,
        }
    }

    async fn broken<T>(&self, how: Break, what: &str) -> Result<T> {
        match how {
            Break::Fails(kind) => Err(Error::new(kind, what)),
            Break::Vanishes => {
                self.0.vanished.notify_one();
                std::future::pending().await
            }
        }
    }
}

/// A port whose calls are seen, and one of which may break.
#[derive(Clone, Debug)]
pub struct Watched<T>(T, Faults);

#[derive(Debug)]
struct WatchedSession(Box<dyn SourceEngine>, Faults);

macro_rules! watched {
    ($self:ident, $name:literal, $call:expr) => {{
        let faults = $self.1.clone();
        faults.around($name, $call).await
    }};
}

#[async_trait]
impl<T: TrackingStore> TrackingStore for Watched<T> {
    async fn read(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>> {
        watched!(self, "tracking.read", self.0.read(keys))
    }
    async fn commit(&self, transaction: &Transaction) -> Result<WriteOutcome> {
        watched!(self, "tracking.commit", self.0.commit(transaction))
    }
    async fn list(&self, query: &Query, after: Option<&Cursor>) -> Result<Page> {
        watched!(self, "tracking.list", self.0.list(query, after))
    }
}

#[async_trait]
impl<T: BucketPolicies> BucketPolicies for Watched<T> {
    async fn read(&self, bucket: &Bucket) -> Result<Option<String>> {
        watched!(self, "bucket.read", self.0.read(bucket))
    }
    async fn put(&self, bucket: &Bucket, policy: &str) -> Result<()> {
        watched!(self, "bucket.put", self.0.put(bucket, policy))
    }
    async fn delete(&self, bucket: &Bucket) -> Result<()> {
        watched!(self, "bucket.delete", self.0.delete(bucket))
    }
}

#[async_trait]
impl<T: CredentialStore> CredentialStore for Watched<T> {
    async fn read(&self, name: &SecretName) -> Result<Slot> {
        watched!(self, "secret.read", self.0.read(name))
    }
    async fn inspect(&self, name: &SecretName) -> Result<Slot> {
        watched!(self, "secret.inspect", self.0.inspect(name))
    }
    async fn read_shared(&self, id: &SecretId) -> Result<Slot> {
        watched!(self, "secret.read_shared", self.0.read_shared(id))
    }
    async fn create(&self, name: &SecretName, secret: &NewSecret) -> Result<Slot> {
        watched!(self, "secret.create", self.0.create(name, secret))
    }
    async fn replace(&self, name: &SecretName, seen: &SecretVersion, secret: &NewSecret) -> Result<WriteOutcome> {
        watched!(self, "secret.replace", self.0.replace(name, seen, secret))
    }
    async fn propose(&self, name: &SecretName, version: &SecretVersion, value: &Credentials) -> Result<Slot> {
        watched!(self, "secret.propose", self.0.propose(name, version, value))
    }
    async fn promote(&self, name: &SecretName, seen: &SecretVersion, version: &SecretVersion) -> Result<WriteOutcome> {
        watched!(self, "secret.promote", self.0.promote(name, seen, version))
    }
    async fn share(&self, name: &SecretName, readers: &[Principal]) -> Result<()> {
        watched!(self, "secret.share", self.0.share(name, readers))
    }
    async fn burn(&self, name: &SecretName) -> Result<()> {
        watched!(self, "secret.burn", self.0.burn(name))
    }
    async fn names(&self, prefix: &str) -> Result<Vec<SecretName>> {
        watched!(self, "secret.names", self.0.names(prefix))
    }
}

#[async_trait]
impl<T: EngineConnector> EngineConnector for Watched<T> {
    fn subprotocols(&self) -> &'static [&'static str] {
        self.0.subprotocols()
    }
    fn max_user_name(&self) -> usize {
        self.0.max_user_name()
    }
    fn fold_user_name(&self, name: UserName) -> UserName {
        self.0.fold_user_name(name)
    }
    async fn connect(&self, source: &Source, deadline: Deadline) -> Result<Box<dyn SourceEngine>> {
        let session = watched!(self, "source.connect", self.0.connect(source, deadline))?;
        Ok(Box::new(WatchedSession(session, self.1.clone())))
    }
    async fn log_in(
        &self,
        source: &Source,
        credentials: &Credentials,
        table: Option<&TableName>,
        deadline: Deadline,
    ) -> Result<Login> {
        watched!(self, "source.log_in", self.0.log_in(source, credentials, table, deadline))
    }
    fn statements(&self, source: &Source, action: &Action) -> Vec<String> {
        self.0.statements(source, action)
    }
}

#[async_trait]
impl SourceEngine for WatchedSession {
    async fn lock(&mut self, key: &LockKey, wait: Duration, hold: Duration) -> Result<Lock> {
        watched!(self, "source.lock", self.0.lock(key, wait, hold))
    }
    async fn unlock(&mut self) -> Result<()> {
        watched!(self, "source.unlock", self.0.unlock())
    }
    async fn resolve(&mut self, path: &AssetPath) -> Result<TableName> {
        watched!(self, "source.resolve", self.0.resolve(path))
    }
    async fn create_user(&mut self, credentials: &Credentials) -> Result<Created> {
        watched!(self, "source.create_user", self.0.create_user(credentials))
    }
    async fn set_password(&mut self, credentials: &Credentials) -> Result<()> {
        watched!(self, "source.set_password", self.0.set_password(credentials))
    }
    async fn grant(&mut self, user: &UserName, table: &TableName, take_back: &[TableName]) -> Result<()> {
        watched!(self, "source.grant", self.0.grant(user, table, take_back))
    }
    async fn revoke(&mut self, user: &UserName, tables: &[TableName]) -> Result<()> {
        watched!(self, "source.revoke", self.0.revoke(user, tables))
    }
    async fn drop_user(&mut self, user: &UserName) -> Result<()> {
        watched!(self, "source.drop_user", self.0.drop_user(user))
    }
    async fn reads(&mut self, user: &UserName, table: &TableName) -> Result<Reads> {
        watched!(self, "source.reads", self.0.reads(user, table))
    }
    async fn excess(&mut self, user: &UserName, granted: &[TableName], limit: usize) -> Result<Vec<String>> {
        watched!(self, "source.excess", self.0.excess(user, granted, limit))
    }
    async fn user_exists(&mut self, user: &UserName) -> Result<bool> {
        watched!(self, "source.user_exists", self.0.user_exists(user))
    }
    async fn users(&mut self, prefix: &str) -> Result<Vec<UserName>> {
        watched!(self, "source.users", self.0.users(prefix))
    }

    async fn granted(&mut self, user: &UserName) -> Result<Vec<TableName>> {
        watched!(self, "source.granted", self.0.granted(user))
    }

    async fn close(self: Box<Self>) -> Result<()> {
        self.0.close().await
    }
}

#[async_trait]
impl<T: EnvironmentPortal> EnvironmentPortal for Watched<T> {
    async fn environment(&self, domain: &DomainId, id: &EnvironmentId) -> Result<Option<Environment>> {
        watched!(self, "environment.look_up", self.0.environment(domain, id))
    }
    async fn environments(&self, domain: &DomainId) -> Result<Vec<EnvironmentId>> {
        watched!(self, "environment.list", self.0.environments(domain))
    }
}

#[async_trait]
impl<T: EnvironmentRoles> EnvironmentRoles for Watched<T> {
    async fn read(&self, owner: &Owner, role: &Principal) -> Result<Option<RoleState>> {
        watched!(self, "role.read", self.0.read(owner, role))
    }
    async fn set_boundary(&self, owner: &Owner, role: &Principal, boundary: &str) -> Result<()> {
        watched!(self, "role.set_boundary", self.0.set_boundary(owner, role, boundary))
    }
    async fn attach(&self, owner: &Owner, role: &Principal, policy: &str) -> Result<()> {
        watched!(self, "role.attach", self.0.attach(owner, role, policy))
    }
    async fn detach(&self, owner: &Owner, role: &Principal, policy: &str) -> Result<()> {
        watched!(self, "role.detach", self.0.detach(owner, role, policy))
    }
}

#[async_trait]
impl<T: LakeTags> LakeTags for Watched<T> {
    async fn read(&self, owner: &Owner, database: &str, key: &str) -> Result<Tagged> {
        watched!(self, "tag.read", self.0.read(owner, database, key))
    }
    async fn assign(&self, owner: &Owner, database: &str, tag: &LakeTag) -> Result<()> {
        watched!(self, "tag.assign", self.0.assign(owner, database, tag))
    }
    async fn remove(&self, owner: &Owner, database: &str, tag: &LakeTag) -> Result<()> {
        watched!(self, "tag.remove", self.0.remove(owner, database, tag))
    }
}
