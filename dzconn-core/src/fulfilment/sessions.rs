//! Sessions on sources: who may open one, in which order, and which are kept for the next run.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

use crate::engine::SourceEngine;
use crate::model::{ConnectionId, Source, SourceKey};
use crate::{Deadline, Error, ErrorKind, Result};

/// How long an idle session is kept. Short of what firewalls and servers usually allow.
const KEEP: Duration = Duration::from_secs(45);

/// Within one process, runs queue here before they connect: waiting costs the source nothing.
#[derive(Debug)]
pub(crate) struct Sessions {
    per_source: usize,
    runs: Table<SourceKey, tokio::sync::Mutex<()>>,
    caps: Table<ConnectionId, Semaphore>,
    idle: Mutex<HashMap<ConnectionId, Idle>>,
}

/// A session, the source and login that it is of, and since when it is idle.
type Idle = (Source, Box<dyn SourceEngine>, Instant);

/// A place in both queues, given back on drop.
#[derive(Debug)]
pub(crate) struct Turn {
    _run: OwnedMutexGuard<()>,
    _session: OwnedSemaphorePermit,
}

impl Sessions {
    pub(crate) fn new(per_source: usize) -> Self {
        Self { per_source, runs: Table::default(), caps: Table::default(), idle: Mutex::default() }
    }

    /// Waits for this run's turn: one at a time for a (connection, environment), a few at a time for a source.
    pub(crate) async fn turn(&self, key: &SourceKey, deadline: Deadline) -> Result<Turn> {
        let run = self.runs.get(key, || tokio::sync::Mutex::new(()));
        let cap = self.caps.get(&key.connection, || Semaphore::new(self.per_source));
        deadline
            .run("waiting for other runs of this process", async {
                let run = run.lock_owned().await;
                let session = cap.acquire_owned().await;
                let session = session
                    .map_err(|e| Error::new(ErrorKind::Unexpected, "the queue of the source is closed").because(e))?;
                Ok(Turn { _run: run, _session: session })
            })
            .await
    }

    /// A session that an earlier run has left, for just this source and login.
    pub(crate) fn take(&self, source: &Source) -> Option<Box<dyn SourceEngine>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|_, (.., since)| since.elapsed() < KEEP);
        let (of, session, _) = idle.remove(&source.connection)?;
        (of == *source).then_some(session)
    }

    /// Keeps an unlocked session for the next run. One for each source is enough to save a sequence of runs the connecting.
    pub(crate) fn keep(&self, source: &Source, session: Box<dyn SourceEngine>) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|_, (.., since)| since.elapsed() < KEEP);
        idle.insert(source.connection.clone(), (source.clone(), session, Instant::now()));
    }

    /// Takes all idle sessions out, to be closed.
    pub(crate) fn drain(&self) -> Vec<Box<dyn SourceEngine>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.drain().map(|(_, (_, session, _))| session).collect()
    }
}

/// Things that live as long as somebody holds them.
#[derive(Debug)]
struct Table<K, V>(Mutex<HashMap<K, Weak<V>>>);

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self(Mutex::new(HashMap::new()))
    }
}

impl<K: Clone + Eq + std::hash::Hash, V> Table<K, V> {
    fn get(&self, key: &K, make: impl FnOnce() -> V) -> Arc<V> {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = table.get(key).and_then(Weak::upgrade) {
            return found;
        }
        table.retain(|_, value| value.strong_count() > 0);
        let value = Arc::new(make());
        table.insert(key.clone(), Arc::downgrade(&value));
        value
    }
}
