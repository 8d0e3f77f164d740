//! What stands between the store and moto: it counts calls, makes some of them fail, and does what moto leaves out.
//!
//! moto ignores a transaction's token. Here a transaction that was made is not made again under the same token, as `DynamoDB`
//! promises (`TransactWriteItems`, API Reference). So requests wait for each other.

use std::collections::{HashSet, VecDeque};
use std::io;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// One call that went over the wire.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) operation: String,
    pub(crate) asked: Value,
    pub(crate) sent: usize,
    pub(crate) received: usize,
}

/// What goes wrong with the next call of an operation.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// It is not carried out, and this is the answer.
    Answers(&'static str, u16, Value),
    /// All that a batch asks for is left out.
    LeavesOut,
    /// It is carried out, and the answer is lost.
    LosesAnswer(&'static str),
}

impl Fault {
    fn fits(&self, operation: &str) -> bool {
        match self {
            Self::Answers(of, ..) | Self::LosesAnswer(of) => *of == operation,
            Self::LeavesOut => operation == "BatchGetItem",
        }
    }
}

#[derive(Debug, Default)]
struct State {
    calls: Vec<Call>,
    faults: VecDeque<Fault>,
    tokens: HashSet<String>,
}

/// The wire of one fixture.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
    server: JoinHandle<()>,
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Wire {
    pub(crate) async fn to(moto: &str) -> Self {
        let moto = moto.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State::default()));
        let one_at_a_time = Arc::new(tokio::sync::Mutex::new(()));
        let shared = Arc::clone(&state);
        let server = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (moto, state, turn) = (moto.clone(), Arc::clone(&shared), Arc::clone(&one_at_a_time));
                // A client that goes away is its own affair.
                tokio::spawn(async move { serve(client, &moto, &state, &turn).await.ok() });
            }
        });
        Self { url, state, server }
    }

    /// The calls since the last time.
    pub(crate) fn calls(&self) -> Vec<Call> {
        std::mem::take(&mut self.state.lock().unwrap().calls)
    }

    pub(crate) fn fail(&self, faults: impl IntoIterator<Item = Fault>) {
        self.state.lock().unwrap().faults.extend(faults);
    }

    /// Faults that nobody has met.
    pub(crate) fn heal(&self) -> usize {
        std::mem::take(&mut self.state.lock().unwrap().faults).len()
    }
}

/// One request a connection.
async fn serve(
    mut client: TcpStream,
    moto: &str,
    state: &Mutex<State>,
    turn: &tokio::sync::Mutex<()>,
) -> io::Result<()> {
    let (head, body) = request(&mut client).await?;
    let operation = header(&head, "x-amz-target").and_then(|target| target.split('.').next_back()).unwrap_or_default();
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    let turn = turn.lock().await;
    let fault = {
        let mut state = state.lock().unwrap();
        let next = state.faults.iter().position(|fault| fault.fits(operation));
        next.and_then(|next| state.faults.remove(next))
    };
    let token = asked["ClientRequestToken"].as_str().map(str::to_owned);
    let made = token.as_ref().is_some_and(|token| state.lock().unwrap().tokens.contains(token));
    let answer = match &fault {
        Some(Fault::Answers(_, status, body)) => response(*status, body),
        Some(Fault::LeavesOut) => response(200, &json!({"Responses": {}, "UnprocessedKeys": asked["RequestItems"]})),
        _ if made => response(200, &json!({})),
        _ => forward(moto, &head, &body).await?,
    };
    {
        let mut state = state.lock().unwrap();
        if answer.starts_with(b"HTTP/1.1 200") {
            state.tokens.extend(token);
        }
        let (operation, received) = (operation.to_owned(), answer.len());
        state.calls.push(Call { operation, asked, sent: body.len(), received });
    }
    drop(turn);
    if matches!(fault, Some(Fault::LosesAnswer(_))) {
        return Ok(());
    }
    client.write_all(&answer).await?;
    client.shutdown().await
}

async fn request(client: &mut TcpStream) -> io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if client.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    };
    let mut body = bytes.split_off(end);
    let head = String::from_utf8_lossy(&bytes).into_owned();
    let length = header(&head, "content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    while body.len() < length {
        if client.read_buf(&mut body).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok((head, body))
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

async fn forward(moto: &str, head: &str, body: &[u8]) -> io::Result<Vec<u8>> {
    let mut server = TcpStream::connect(moto).await?;
    let head = head.replacen("\r\n", "\r\nconnection: close\r\n", 1);
    server.write_all(head.as_bytes()).await?;
    server.write_all(body).await?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).await?;
    Ok(answer)
}

fn response(status: u16, body: &Value) -> Vec<u8> {
    let body = body.to_string();
    let head = format!("HTTP/1.1 {status} x\r\ncontent-type: application/x-amz-json-1.0\r\nconnection: close\r\n");
    format!("{head}content-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}
