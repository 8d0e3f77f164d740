//! What `DynamoDB` promises and moto does not keep.

use std::collections::HashSet;

use http_body_util::Full;
use hyper::Response;
use hyper::body::Bytes;
use hyper::http::request::Parts;
use serde_json::Value;
use tokio::sync::Mutex;

use crate::forward;
use crate::request::Asked;
use crate::server::{Shared, Trouble};

/// The tokens of the transactions that were made.
#[derive(Debug, Default)]
pub(crate) struct Made(Mutex<HashSet<String>>);

/// One call after the other: moto carries them out on several threads without a lock, and a transaction that it rolls back takes
/// others' writes with it. A transaction that was made is not made again under its token ("`TransactWriteItems`",
/// `ClientRequestToken`), which moto ignores.
pub(crate) async fn answer(
    shared: &Shared,
    asked: &Asked,
    parts: Parts,
    body: Bytes,
) -> Result<Response<Full<Bytes>>, Trouble> {
    let mut made = shared.transactions.0.lock().await;
    let token = serde_json::from_slice::<Value>(&body).ok();
    let token = token.and_then(|body| body.get("ClientRequestToken")?.as_str().map(str::to_owned));
    if token.as_ref().is_some_and(|token| made.contains(token)) {
        return Ok(crate::refusal::answer(200, "application/x-amz-json-1.0", "{}".to_owned()));
    }
    let answer = forward::to_moto(shared, asked, parts, body).await?;
    if answer.status().is_success() {
        made.extend(token);
    }
    Ok(answer)
}
