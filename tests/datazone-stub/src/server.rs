//! The server: one thread, one listener on loopback.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Query, Request};
use axum::http::{HeaderValue, Response};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::answer::{Answer, Answered, Asked, checked_domain, route, without_nulls};
use crate::call::{Call, Fault, Operation};
use crate::state::State;
use crate::{grants, look};

/// The largest request body that is read.
const BODY: usize = 1 << 20;

/// A running stub. It ends when it is dropped.
pub struct DataZoneStub {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    state: State,
    calls: Vec<Call>,
    faults: HashMap<Operation, VecDeque<Fault>>,
}

impl fmt::Debug for DataZoneStub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataZoneStub").field("address", &self.address).finish_non_exhaustive()
    }
}

impl DataZoneStub {
    /// Starts an empty one on a free port of 127.0.0.1. It runs in a thread of its own and needs no runtime of the caller's.
    ///
    /// # Errors
    /// What the operating system says of the listener or the thread.
    pub fn start() -> io::Result<Self> {
        Self::start_on(0, State::default())
    }

    /// Starts one on this port, with this state.
    ///
    /// # Errors
    /// As of [`start`](Self::start).
    pub fn start_on(port: u16, state: State) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Mutex::new(Shared { state, ..Shared::default() }));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let of_server = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("datazone-stub".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = serve(listener, of_server) => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Self { address, shared, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it knows now.
    pub fn state(&self) -> State {
        self.shared().state.clone()
    }

    /// Changes what it knows.
    pub fn edit<T>(&self, edit: impl FnOnce(&mut State) -> T) -> T {
        edit(&mut self.shared().state)
    }

    /// Makes the next `times` calls of an operation fail. Faults queue up.
    pub fn fail(&self, operation: Operation, times: usize, fault: Fault) {
        let mut shared = self.shared();
        shared.faults.entry(operation).or_default().extend(std::iter::repeat_n(fault, times));
    }

    /// Forgets the faults that were asked for.
    pub fn heal(&self) {
        self.shared().faults.clear();
    }

    /// The calls that were made, oldest first.
    pub fn calls(&self) -> Vec<Call> {
        self.shared().calls.clone()
    }

    /// Forgets the calls that were made.
    pub fn forget_calls(&self) {
        self.shared().calls.clear();
    }

    /// How many calls of an operation were made.
    pub fn count(&self, operation: Operation) -> usize {
        self.shared().calls.iter().filter(|call| call.operation == operation).count()
    }

    /// Serves until the process ends.
    pub fn wait(mut self) {
        if let Some(thread) = self.thread.take() {
            // A server that panicked has ended, too.
            let _ended = thread.join();
        }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        lock(&self.shared)
    }
}

impl Drop for DataZoneStub {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // Nobody listens any more if the server has ended by itself.
            let _ended = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(listener: TcpListener, shared: Arc<Mutex<Shared>>) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let app = Router::new().fallback(move |request: Request| {
        let shared = Arc::clone(&shared);
        async move { respond(&shared, request).await }
    });
    axum::serve(listener, app).await
}

async fn respond(shared: &Mutex<Shared>, request: Request) -> Response<Body> {
    let (head, body) = request.into_parts();
    let method = head.method.as_str().to_owned();
    let path = head.uri.path().to_owned();
    let query = Query::<BTreeMap<String, String>>::try_from_uri(&head.uri);
    let body = to_bytes(body, BODY).await.unwrap_or_default();
    let answer = match query {
        Err(_) => Answer::invalid("the query cannot be read"),
        Ok(_) if path.starts_with("/_stub/") => by_hand(shared, &method, &path, &body),
        Ok(Query(query)) => answer(shared, &method, &path, query, &body),
    };
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = answer.status.try_into().unwrap_or_default();
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    headers.insert("x-amzn-requestid", HeaderValue::from_static("00000000-0000-0000-0000-000000000000"));
    if let Some(Ok(code)) = answer.error.as_deref().map(HeaderValue::from_str) {
        headers.insert("x-amzn-errortype", code);
    }
    response
}

/// What is not `DataZone`'s: state and calls, for those who use the stub from another process.
fn by_hand(shared: &Mutex<Shared>, method: &str, path: &str, body: &[u8]) -> Answer {
    let mut shared = lock(shared);
    match (method, path) {
        ("GET", "/_stub/state") => Answer::ok(&json!(shared.state)),
        ("GET", "/_stub/calls") => Answer::ok(&json!(shared.calls)),
        ("PUT", "/_stub/state") => match serde_json::from_slice(body) {
            Ok(state) => {
                shared.state = state;
                Answer::ok(&json!({}))
            }
            Err(error) => Answer::invalid(error.to_string()),
        },
        _ => Answer::unknown(),
    }
}

fn answer(shared: &Mutex<Shared>, method: &str, path: &str, query: BTreeMap<String, String>, body: &[u8]) -> Answer {
    let Some((operation, domain, ids)) = route(method, path) else { return Answer::unknown() };
    let mut shared = lock(shared);
    let read = if body.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(body) };
    let readable = read.is_ok();
    let asked = Asked { operation, domain, ids, query, body: read.unwrap_or_default() };
    let fault = shared.faults.get_mut(&operation).and_then(VecDeque::pop_front);
    let answer = match fault {
        Some(fault) => fault.into(),
        None if !readable => Answer::invalid("the body is not JSON"),
        None => perform(&mut shared.state, &asked).map_or_else(|error| error, |body| Answer::ok(&without_nulls(body))),
    };
    let Asked { query, body, .. } = asked;
    shared.calls.push(Call { operation, path: path.to_owned(), query, body, status: answer.status });
    answer
}

fn perform(state: &mut State, asked: &Asked) -> Answered {
    let id = checked_domain(&asked.domain)?;
    let at = state.domains.iter().position(|domain| domain.id == id);
    let at = at.ok_or_else(|| Answer::not_found("domain", id))?;
    if matches!(asked.operation, Operation::CreateSubscriptionGrant | Operation::UpdateSubscriptionGrantStatus) {
        state.clock += 1;
        let (clock, stepwise) = (state.clock, state.stepwise);
        let domain = state.domains.get_mut(at).ok_or_else(|| Answer::not_found("domain", id))?;
        return match asked.operation {
            Operation::CreateSubscriptionGrant => grants::create(domain, clock, asked),
            _ => grants::update(domain, clock, stepwise, asked),
        };
    }
    let domain = state.domains.get(at).ok_or_else(|| Answer::not_found("domain", id))?;
    match asked.operation {
        Operation::GetAsset => look::asset(domain, asked),
        Operation::GetEnvironment => look::environment(domain, asked),
        Operation::GetEnvironmentBlueprint => look::blueprint(domain, asked),
        Operation::GetEnvironmentProfile => look::profile(domain, asked),
        Operation::GetListing => look::listing(domain, asked),
        Operation::GetProject => look::project(domain, asked),
        Operation::GetSubscription => look::subscription(domain, asked),
        Operation::GetSubscriptionRequestDetails => look::request(domain, asked),
        Operation::ListEnvironments => look::environments(state, domain, asked),
        Operation::ListProjects => look::projects(state, domain, asked),
        Operation::ListSubscriptionTargets => look::targets(state, domain, asked),
        Operation::ListSubscriptions => look::subscriptions(state, domain, asked),
        Operation::GetSubscriptionGrant => grants::get(domain, asked),
        Operation::ListSubscriptionGrants => grants::list(state.page, domain, asked),
        Operation::CreateSubscriptionGrant | Operation::UpdateSubscriptionGrantStatus => Err(Answer::unknown()),
    }
}
