//! Calls that others answer.

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use hyper::http::request::Parts;
use hyper::{Request, Response, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use url::form_urlencoded;

use crate::refusal::Refusal;
use crate::request::Asked;
use crate::server::{Shared, Trouble};

pub(crate) type Forwarder = Client<HttpConnector, Full<Bytes>>;

/// No connection is kept: moto closes them when it likes, and a call that is sent into that would be lost.
pub(crate) fn client() -> Forwarder {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector)
}

/// To moto, unchanged.
pub(crate) async fn to_moto(
    shared: &Shared,
    asked: &Asked,
    parts: Parts,
    body: Bytes,
) -> Result<Response<Full<Bytes>>, Trouble> {
    if let Some(moto) = &shared.moto {
        return to(&shared.client, moto, asked, parts, body).await;
    }
    let message = format!("There is no moto behind this stand-in, which does not answer {} itself", asked.service);
    Err(Trouble::refused(asked, &Refusal::bad("NotStandingIn", message)))
}

/// To a server, unchanged.
pub(crate) async fn to(
    client: &Forwarder,
    base: &str,
    asked: &Asked,
    mut parts: Parts,
    body: Bytes,
) -> Result<Response<Full<Bytes>>, Trouble> {
    let failed = |error: String| {
        let message = format!("{} cannot be asked: {error}", asked.service);
        Trouble::refused(asked, &Refusal::new(502, "StandInFailure", message))
    };
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    parts.uri = format!("{}{path}", base.trim_end_matches('/')).parse::<Uri>().map_err(|e| failed(e.to_string()))?;
    for hop in [CONNECTION, TRANSFER_ENCODING, CONTENT_LENGTH] {
        parts.headers.remove(hop);
    }
    let answer = client.request(Request::from_parts(parts, Full::new(body))).await;
    let (mut head, body) = answer.map_err(|error| failed(chain(&error)))?.into_parts();
    let body = body.collect().await.map_err(|error| failed(chain(&error)))?.to_bytes();
    for hop in [CONNECTION, TRANSFER_ENCODING, CONTENT_LENGTH] {
        head.headers.remove(hop);
    }
    head.version = hyper::Version::HTTP_11;
    Ok(Response::from_parts(head, Full::new(body)))
}

/// What moto answers to an `AssumeRole` of this role.
pub(crate) async fn assume(moto: &str, role: &str) -> Result<String, String> {
    let form = form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("Action", "AssumeRole"), ("Version", "2011-06-15"), ("RoleArn", role)])
        .append_pair("RoleSessionName", "test")
        .finish();
    let request = Request::post(format!("{}/", moto.trim_end_matches('/')))
        .header("content-type", "application/x-www-form-urlencoded")
        // moto looks at the scope only.
        .header("authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/sts/aws4_request")
        .body(Full::new(Bytes::from(form)))
        .map_err(|error| error.to_string())?;
    let answer = client().request(request).await.map_err(|error| chain(&error))?;
    let body = answer.into_body().collect().await.map_err(|error| chain(&error))?.to_bytes();
    Ok(String::from_utf8_lossy(&body).into_owned())
}

/// Whether a server answers at all.
pub(crate) async fn reach(base: &str) -> Result<(), String> {
    let uri = base.parse::<Uri>().map_err(|error| error.to_string())?;
    client().get(uri).await.map(drop).map_err(|error| chain(&error))
}

fn chain(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {}", chain(cause)))
}
