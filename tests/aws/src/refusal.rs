//! Errors, in the words and the format of the service that is asked.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::HeaderValue;
use hyper::{Response, StatusCode};
use serde_json::json;

use crate::ids;
use crate::request::{Asked, Protocol};

/// An error answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), message: message.into() }
    }

    /// An error of a service that speaks JSON.
    pub(crate) fn bad(code: &str, message: impl Into<String>) -> Self {
        Self::new(400, code, message)
    }

    /// "Common errors" of each API reference: the query protocol has codes and statuses of its own.
    pub(crate) fn throttled(asked: &Asked) -> Self {
        match asked.protocol {
            Protocol::Json => Self::bad("ThrottlingException", "Rate exceeded"),
            Protocol::Query => Self::bad("Throttling", "Rate exceeded"),
            Protocol::Rest => Self::new(429, "ThrottlingException", "Rate exceeded"),
        }
    }

    pub(crate) fn expired(asked: &Asked) -> Self {
        let message = "The security token included in the request is expired";
        match asked.protocol {
            Protocol::Json => Self::bad("ExpiredTokenException", message),
            Protocol::Query => Self::new(403, "ExpiredToken", message),
            Protocol::Rest => Self::new(403, "ExpiredTokenException", message),
        }
    }

    pub(crate) fn denied(asked: &Asked, message: impl Into<String>) -> Self {
        match asked.protocol {
            Protocol::Json => Self::bad("AccessDeniedException", message),
            Protocol::Query => Self::new(403, "AccessDenied", message),
            Protocol::Rest => Self::new(403, "AccessDeniedException", message),
        }
    }

    pub(crate) fn failed(asked: &Asked) -> Self {
        let code = match &*asked.service {
            "secretsmanager" => "InternalServiceError",
            "dynamodb" => "InternalServerError",
            "datazone" => "InternalServerException",
            "glue" => "InternalServiceException",
            _ => "InternalFailure",
        };
        Self::new(500, code, "An error occurred on the server side.")
    }

    pub(crate) fn unavailable(asked: &Asked) -> Self {
        let code = if asked.protocol == Protocol::Query { "ServiceUnavailable" } else { "ServiceUnavailableException" };
        Self::new(503, code, "The request has failed due to a temporary failure of the server.")
    }

    /// The answer as it goes over the wire.
    pub(crate) fn answer(&self, service: &str, protocol: Protocol) -> Response<Full<Bytes>> {
        let Self { code, message, .. } = self;
        let (kind, body) = match protocol {
            Protocol::Json if service == "secretsmanager" => {
                ("application/x-amz-json-1.1", json!({ "__type": code, "Message": message }).to_string())
            }
            Protocol::Json if service == "dynamodb" => {
                ("application/x-amz-json-1.0", json!({ "__type": code, "message": message }).to_string())
            }
            Protocol::Json => ("application/x-amz-json-1.1", json!({ "__type": code, "message": message }).to_string()),
            Protocol::Rest => ("application/json", json!({ "message": message }).to_string()),
            Protocol::Query => {
                let side = if self.status < 500 { "Sender" } else { "Receiver" };
                let body = format!(
                    "<ErrorResponse xmlns=\"{STS}\"><Error><Type>{side}</Type><Code>{code}</Code>\
                     <Message>{}</Message></Error><RequestId>{}</RequestId></ErrorResponse>",
                    escaped(message),
                    ids::uuid()
                );
                ("text/xml", body)
            }
        };
        let mut answer = answer(self.status, kind, body);
        if protocol != Protocol::Query
            && let Ok(code) = HeaderValue::from_str(code)
        {
            answer.headers_mut().insert("x-amzn-errortype", code);
        }
        answer
    }
}

/// The XML namespace of STS's answers.
pub(crate) const STS: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// An answer with a request id, as all of AWS's have.
pub(crate) fn answer(status: u16, kind: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answer.headers_mut().insert("content-type", HeaderValue::from_static(kind));
    if let Ok(id) = HeaderValue::from_str(&ids::uuid()) {
        answer.headers_mut().insert("x-amzn-requestid", id);
    }
    answer
}

/// Text within XML.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
