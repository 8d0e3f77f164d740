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

/// A transaction that was made is not made again under its token ("`TransactWriteItems`", `ClientRequestToken`), which moto
/// ignores. Those that have one wait for each other, so that two under the same do not both find that it was not made.
pub(crate) async fn answer(
    shared: &Shared,
    asked: &Asked,
    parts: Parts,
    body: Bytes,
) -> Result<Response<Full<Bytes>>, Trouble> {
    let read = serde_json::from_slice::<Value>(&body).ok();
    let Some(token) = read.and_then(|body| body.get("ClientRequestToken")?.as_str().map(str::to_owned)) else {
        return forward::to_moto(shared, asked, parts, body).await;
    };
    let mut made = shared.transactions.0.lock().await;
    if made.contains(&token) {
        return Ok(crate::refusal::answer(200, "application/x-amz-json-1.0", "{}".to_owned()));
    }
    let answer = forward::to_moto(shared, asked, parts, body).await?;
    if answer.status().is_success() {
        made.insert(token);
    }
    Ok(answer)
}
