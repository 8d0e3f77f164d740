//! What a request asks for, told from what AWS's SDKs put into it.

use hyper::HeaderMap;
use hyper::body::Bytes;
use hyper::http::request::Parts;
use url::form_urlencoded;

/// How a service words its requests and errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// JSON 1.0 and 1.1: the operation stands in `X-Amz-Target`.
    Json,
    /// Form fields in, XML out.
    Query,
    /// Methods and paths.
    Rest,
}

/// A request, as far as it has to be understood.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) service: String,
    pub(crate) region: String,
    pub(crate) operation: String,
    pub(crate) access_key: String,
    pub(crate) protocol: Protocol,
}

impl Asked {
    /// `None`: the request is not signed as "Signature Version 4" says.
    pub(crate) fn of(parts: &Parts, body: &Bytes) -> Option<Self> {
        let header = text(&parts.headers, "authorization")?;
        let (_, credential) = header.strip_prefix("AWS4-HMAC-SHA256")?.split_once("Credential=")?;
        let credential = credential.split([',', ' ']).next()?;
        // KEY/DATE/REGION/SERVICE/aws4_request; a key has no slash.
        let mut scope = credential.split('/');
        let (access_key, _date, region, service) = (scope.next()?, scope.next()?, scope.next()?, scope.next()?);
        let (protocol, operation) = operation(parts, body);
        Some(Self {
            service: service.to_owned(),
            region: region.to_owned(),
            operation,
            access_key: access_key.to_owned(),
            protocol,
        })
    }
}

fn operation(parts: &Parts, body: &Bytes) -> (Protocol, String) {
    if let Some(target) = text(&parts.headers, "x-amz-target") {
        return (Protocol::Json, target.rsplit('.').next().unwrap_or(target).to_owned());
    }
    let form = text(&parts.headers, "content-type").is_some_and(|t| t.starts_with("application/x-www-form-urlencoded"));
    if form && let Some(action) = field(body, "Action") {
        return (Protocol::Query, action);
    }
    (Protocol::Rest, format!("{} {}", parts.method, template(parts.uri.path())))
}

/// A REST path without its ids: behind the version, names and ids take turns.
fn template(path: &str) -> String {
    let mut out = String::new();
    let versioned = path.starts_with("/v1/") || path.starts_with("/v2/");
    for (index, part) in path.split('/').skip(1).enumerate() {
        let id = versioned && index > 0 && index % 2 == 0;
        out.push('/');
        out.push_str(if id { "{}" } else { part });
    }
    out
}

/// A field of a form.
pub(crate) fn field(body: &[u8], name: &str) -> Option<String> {
    form_urlencoded::parse(body).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(builder: hyper::http::request::Builder) -> Parts {
        let signed = "AWS4-HMAC-SHA256 Credential=AKIA1/20260102/eu-west-1/sts/aws4_request, SignedHeaders=host, \
                      Signature=0";
        builder.header("authorization", signed).body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_query_call_is_told_by_its_action_and_its_scope() {
        let parts = parts(hyper::Request::post("/").header("content-type", "application/x-www-form-urlencoded"));
        let asked = Asked::of(&parts, &Bytes::from_static(b"Version=1&Action=AssumeRole&RoleArn=a%3Ab")).unwrap();
        assert_eq!((&*asked.service, &*asked.region, &*asked.access_key), ("sts", "eu-west-1", "AKIA1"));
        assert_eq!((asked.protocol, &*asked.operation), (Protocol::Query, "AssumeRole"));
        assert_eq!(field(b"RoleArn=a%3Ab", "RoleArn").as_deref(), Some("a:b"));
    }

    #[test]
    fn a_json_call_is_told_by_its_target() {
        let parts = parts(hyper::Request::post("/").header("x-amz-target", "DynamoDB_20120810.GetItem"));
        assert_eq!(Asked::of(&parts, &Bytes::new()).unwrap().operation, "GetItem");
    }

    #[test]
    fn a_rest_call_is_told_by_its_path() {
        for (path, template) in [
            ("/v2/domains/dzd_1/listings/l1?listingRevision=2", "GET /v2/domains/{}/listings/{}"),
            ("/v2/domains/dzd_1/subscription-grants", "GET /v2/domains/{}/subscription-grants"),
            ("/bucket/key", "GET /bucket/key"),
        ] {
            let asked = Asked::of(&parts(hyper::Request::get(path)), &Bytes::new()).unwrap();
            assert_eq!((asked.protocol, &*asked.operation), (Protocol::Rest, template));
        }
    }

    #[test]
    fn an_unsigned_request_asks_for_nothing() {
        let (parts, ()) = hyper::Request::get("/").body(()).unwrap().into_parts();
        assert!(Asked::of(&parts, &Bytes::new()).is_none());
    }
}
