//! The HTTP server: one thread with a runtime of its own, so that a test may block.

use std::convert::Infallible;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::dynamodb;
use crate::fault::{Call, Effect, Faults};
use crate::forward::{self, Forwarder};
use crate::keys::KmsKeys;
use crate::lakeformation::Lakes;
use crate::refusal::Refusal;
use crate::request::{Asked, Protocol};
use crate::roles::{Caller, Roles};
use crate::secrets::{Context, SecretsManager};
use crate::sts;

/// All that is remembered.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) roles: Roles,
    pub(crate) keys: KmsKeys,
    pub(crate) secrets: SecretsManager,
    pub(crate) lakes: Lakes,
    pub(crate) calls: Vec<Call>,
    pub(crate) faults: Faults,
    pub(crate) datazone: Option<String>,
    /// Secrets Manager and Lake Formation are left to moto.
    pub(crate) lenient: bool,
}

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    pub(crate) moto: Option<String>,
    pub(crate) client: Forwarder,
    pub(crate) transactions: dynamodb::Made,
}

impl Shared {
    pub(crate) fn new(moto: Option<String>) -> Self {
        Self { state: Mutex::default(), moto, client: forward::client(), transactions: dynamodb::Made::default() }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a call is not answered as it should be.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// With an error.
    Answer(Box<Response<Full<Bytes>>>),
    /// Not at all: the connection is cut.
    Cut,
}

impl Trouble {
    pub(crate) fn refused(asked: &Asked, refusal: &Refusal) -> Self {
        Self::Answer(Box::new(refusal.answer(&asked.service, asked.protocol)))
    }
}

/// An error for hyper, which then closes the connection.
#[derive(Debug)]
struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cut on demand")
    }
}

impl std::error::Error for Cut {}

/// A running server. It ends, with all its connections, when this value does.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<Infallible>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Running {
    pub(crate) fn start(shared: Arc<Shared>) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel::<Infallible>();
        let thread = thread::Builder::new().name("aws-stand-in".into()).spawn(move || {
            runtime.block_on(async {
                let Ok(listener) = TcpListener::from_std(listener) else { return };
                tokio::select! {
                    () = serve(listener, shared) => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    // Connections end with this set.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(converse(stream, Arc::clone(&shared)));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn converse(stream: TcpStream, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move {
            match handle(&shared, request).await {
                Ok(answer) => Ok(answer),
                Err(Trouble::Answer(answer)) => Ok(*answer),
                Err(Trouble::Cut) => Err(Cut),
            }
        }
    });
    // It fails when the peer goes away, or when we cut it.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn handle(shared: &Shared, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Trouble> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Trouble::Cut)?.to_bytes();
    let Some(asked) = Asked::of(&parts, &body) else {
        let refusal = Refusal::new(403, "MissingAuthenticationTokenException", "The request is not signed");
        return Err(Trouble::Answer(Box::new(refusal.answer("", Protocol::Json))));
    };
    let (caller, good, effect) = arrival(shared, &asked);
    let refused = |refusal: Refusal| Err(Trouble::refused(&asked, &refusal));
    match effect {
        Some(Effect::Throttled) => return refused(Refusal::throttled(&asked)),
        Some(Effect::Failed) => return refused(Refusal::failed(&asked)),
        Some(Effect::Unavailable) => return refused(Refusal::unavailable(&asked)),
        Some(Effect::ExpiredToken) => return refused(Refusal::expired(&asked)),
        Some(Effect::AccessDenied) => {
            let what = format!("{}:{}", asked.service, asked.operation);
            let message = format!("User: {} is not authorized to perform: {what}", caller.arn());
            return refused(Refusal::denied(&asked, message));
        }
        Some(Effect::Answer(status, code)) => return refused(Refusal::new(status, code, "As the test asked for")),
        Some(Effect::CutBefore) => return Err(Trouble::Cut),
        Some(Effect::Delay(time)) => tokio::time::sleep(time).await,
        Some(Effect::CutAfter | Effect::LateAnswer(_)) | None => {}
    }
    if !good {
        return refused(Refusal::expired(&asked));
    }
    let answer = carry_out(shared, &asked, &caller, parts, body).await;
    match effect {
        Some(Effect::CutAfter) => return Err(Trouble::Cut),
        Some(Effect::LateAnswer(time)) => tokio::time::sleep(time).await,
        _ => {}
    }
    answer
}

/// A call is written down and meets its fate.
fn arrival(shared: &Shared, asked: &Asked) -> (Caller, bool, Option<Effect>) {
    let state = &mut *shared.state();
    let (caller, good) = state.roles.caller(&asked.access_key);
    state.calls.push(Call {
        service: asked.service.clone(),
        operation: asked.operation.clone(),
        account: caller.account.clone(),
        role: caller.role.as_ref().map(|role| role.arn.clone()),
        region: asked.region.clone(),
    });
    let effect = state.faults.next(asked, &caller.account);
    (caller, good, effect)
}

async fn carry_out(
    shared: &Shared,
    asked: &Asked,
    caller: &Caller,
    parts: hyper::http::request::Parts,
    body: Bytes,
) -> Result<Response<Full<Bytes>>, Trouble> {
    let (lenient, datazone) = {
        let state = shared.state();
        (state.lenient, state.datazone.clone())
    };
    match (&*asked.service, datazone) {
        ("sts", _) => sts::answer(shared, asked, caller, parts, body).await,
        ("secretsmanager", _) if !lenient => {
            let state = &mut *shared.state();
            let mut context = Context { caller, region: &asked.region, roles: &mut state.roles, keys: &state.keys };
            let answer = state.secrets.answer(&mut context, &asked.operation, &body);
            let answer = answer.map_err(|refusal| Trouble::refused(asked, &refusal))?;
            Ok(crate::refusal::answer(200, "application/x-amz-json-1.1", answer.to_string()))
        }
        ("lakeformation", _) if !lenient => {
            let answer = {
                let lakes = &mut shared.state().lakes;
                let lake = lakes.entry((caller.account.clone(), asked.region.clone())).or_default();
                lake.answer(&caller.account, &asked.operation, &body)
            };
            match answer {
                Some(Ok(answer)) => Ok(crate::refusal::answer(200, "application/json", answer.to_string())),
                Some(Err(refusal)) => Err(Trouble::refused(asked, &refusal)),
                None => forward::to_moto(shared, asked, parts, body).await,
            }
        }
        ("dynamodb", _) => dynamodb::answer(shared, asked, parts, body).await,
        ("datazone", Some(url)) => forward::to(&shared.client, &url, asked, parts, body).await,
        _ => forward::to_moto(shared, asked, parts, body).await,
    }
}
