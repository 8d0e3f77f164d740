//! Where every call of every port waits until it is told to go on, and how.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};

use dzconn_core::model::SecretName;
use dzconn_core::{Error, ErrorKind, Result};

/// What is to become of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Go,
    /// It fails and has no effect.
    FailBefore(ErrorKind),
    /// It has its effect, and fails.
    FailAfter(ErrorKind),
    /// It has its effect, and never answers.
    Vanish,
    /// It fails, or, without a kind, never answers; and has its effect at some later time.
    Late(Option<ErrorKind>),
}

/// What a call touches: which faults make sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Touches {
    /// A store or the portal, and changes nothing.
    Look,
    /// A store, and may land late.
    Store,
    /// The source, in a session.
    Source,
    /// The source's lock.
    Lock,
}

/// A call that waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiting {
    pub(crate) name: &'static str,
    pub(crate) touches: Touches,
    /// It has tried in vain, and nothing has happened since.
    tried: Option<u64>,
    way: Option<Way>,
}

/// A request that is still on its way.
pub(crate) type Request = Pin<Box<dyn Future<Output = ()> + Send>>;

#[derive(Default)]
struct State {
    /// Whose code is running; nobody's calls go straight on.
    current: Option<usize>,
    waiting: BTreeMap<usize, Waiting>,
    late: Vec<(&'static str, Request)>,
    /// How many calls have had their effect.
    effects: u64,
    burnt: Vec<SecretName>,
}

/// All gates. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Gates(Arc<Mutex<State>>);

impl std::fmt::Debug for Gates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Gates")
    }
}

impl Gates {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Runs a task's code.
    pub(crate) fn running<T>(&self, task: Option<usize>, run: impl FnOnce() -> T) -> T {
        self.state().current = task;
        let done = run();
        self.state().current = None;
        done
    }

    /// The calls that could go on now, and by whom.
    pub(crate) fn ready(&self) -> Vec<(usize, Waiting)> {
        let state = self.state();
        let could = |waiting: &Waiting| waiting.tried.is_none_or(|tried| tried != state.effects);
        state.waiting.iter().filter(|(_, waiting)| could(waiting)).map(|(task, waiting)| (*task, *waiting)).collect()
    }

    pub(crate) fn waits(&self, task: usize) -> Option<Waiting> {
        self.state().waiting.get(&task).copied()
    }

    pub(crate) fn open(&self, task: usize, way: Way) {
        self.state().waiting.get_mut(&task).unwrap().way = Some(way);
    }

    /// Something has happened for which somebody may have waited.
    pub(crate) fn changed(&self) {
        self.state().effects += 1;
    }

    pub(crate) fn late(&self) -> usize {
        self.state().late.len()
    }

    pub(crate) fn take_late(&self, at: usize) -> (&'static str, Request) {
        self.state().late.remove(at)
    }

    /// The names that were burnt since this was last asked.
    pub(crate) fn burnt(&self) -> Vec<SecretName> {
        std::mem::take(&mut self.state().burnt)
    }

    pub(crate) fn burns(&self, name: &SecretName) {
        self.state().burnt.push(name.clone());
    }

    fn pass(&self, name: &'static str, touches: Touches, tried: Option<u64>) -> Pass {
        let waiting = Waiting { name, touches, tried, way: None };
        Pass { gates: self.clone(), waiting, task: None }
    }

    /// A call in a session, or one that changes nothing: it happens now or never.
    pub(crate) async fn call<T>(
        &self,
        name: &'static str,
        touches: Touches,
        call: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let way = self.pass(name, touches, None).await;
        self.told(way, call).await
    }

    /// A write to a store: it may also happen later.
    pub(crate) async fn write<T>(
        &self,
        name: &'static str,
        call: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let way = self.pass(name, Touches::Store, None).await;
        if let Way::Late(kind) = way {
            self.state().late.push((
                name,
                Box::pin(async {
                    let _ = call.await;
                }),
            ));
            return match kind {
                Some(kind) => Err(injected(kind)),
                None => std::future::pending().await,
            };
        }
        self.told(way, call).await
    }

    async fn told<T>(&self, way: Way, call: impl Future<Output = Result<T>>) -> Result<T> {
        if let Way::FailBefore(kind) = way {
            return Err(injected(kind));
        }
        let answer = call.await;
        self.changed();
        match way {
            Way::FailAfter(kind) => Err(injected(kind)),
            Way::Vanish | Way::Late(_) => std::future::pending().await,
            _ => answer,
        }
    }

    /// An attempt to take a lock; nothing, if it was in vain. After that, the next once something has happened.
    pub(crate) async fn lock<T>(
        &self,
        name: &'static str,
        tried: Option<u64>,
        attempt: impl Future<Output = Result<T>>,
    ) -> Option<Result<T>> {
        let alone = self.state().current.is_none();
        let way = self.pass(name, Touches::Lock, tried).await;
        if way != Way::Go {
            return Some(self.told(way, attempt).await);
        }
        match attempt.await {
            // Nobody is there who could give it back.
            Err(error) if error.kind() == ErrorKind::LockTimeout && !alone => None,
            answer => {
                self.changed();
                Some(answer)
            }
        }
    }

    pub(crate) fn effects(&self) -> u64 {
        self.state().effects
    }
}

fn injected(kind: ErrorKind) -> Error {
    Error::new(kind, "injected")
}

struct Pass {
    gates: Gates,
    waiting: Waiting,
    task: Option<usize>,
}

impl Future for Pass {
    type Output = Way;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Way> {
        let gates = self.gates.clone();
        let mut state = gates.state();
        let Some(task) = self.task else {
            let Some(task) = state.current else { return Poll::Ready(Way::Go) };
            state.waiting.insert(task, self.waiting);
            self.task = Some(task);
            return Poll::Pending;
        };
        match state.waiting.get(&task).and_then(|waiting| waiting.way) {
            Some(way) => {
                state.waiting.remove(&task);
                self.task = None;
                Poll::Ready(way)
            }
            None => Poll::Pending,
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if let Some(task) = self.task {
            self.gates.state().waiting.remove(&task);
        }
    }
}
