//! The SDK's errors as core errors: by code, never by message text.

use std::error::Error as StdError;

use aws_sdk_sts::config::http::HttpResponse;
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use dzconn_core::{Error, ErrorKind};

/// What a code means, whichever service it comes from ("Common errors" of each API reference). A service's own codes are
/// looked at first, where it is called.
fn kind_of(code: &str) -> Option<ErrorKind> {
    Some(match code {
        "ThrottlingException"
        | "Throttling"
        | "ThrottledException"
        | "ProvisionedThroughputExceededException"
        | "RequestLimitExceeded"
        | "TooManyRequestsException"
        | "SlowDown" => ErrorKind::Throttled,
        "AccessDeniedException"
        | "AccessDenied"
        | "UnauthorizedException"
        | "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "DecryptionFailure"
        | "EncryptionFailure"
        | "UnmodifiableEntity" => ErrorKind::StoreDenied,
        "ExpiredTokenException"
        | "ExpiredToken"
        | "RequestExpired"
        | "RequestTimeTooSkewed"
        | "RequestInTheFuture"
        // Keys that are wrong are found out when a host asks who it is; in mid-work it is the clock ("Signature expired").
        | "SignatureDoesNotMatch"
        | "InvalidSignatureException"
        | "InternalServerError"
        | "InternalServerException"
        | "InternalServiceError"
        | "InternalServiceException"
        | "InternalFailure"
        | "ServiceFailure"
        | "OperationTimeoutException"
        | "ServiceUnavailable"
        | "ServiceUnavailableException" => ErrorKind::StoreFailed,
        "ResourceNotFoundException" | "EntityNotFoundException" | "NoSuchEntity" => ErrorKind::NotFound,
        "ConflictException"
        | "ConcurrentModificationException"
        | "ConcurrentModification"
        | "TransactionInProgressException" => ErrorKind::Contention,
        "LimitExceededException"
        | "LimitExceeded"
        | "ServiceQuotaExceededException"
        | "ItemCollectionSizeLimitExceededException" => ErrorKind::LimitReached,
        _ => return None,
    })
}

/// Whether a signature was not accepted: it holds for five minutes ("Elements of an API request signature", IAM User Guide).
fn is_of_clock(code: &str) -> bool {
    matches!(
        code,
        "RequestExpired"
            | "RequestTimeTooSkewed"
            | "RequestInTheFuture"
            | "SignatureDoesNotMatch"
            | "InvalidSignatureException"
    )
}

const CLOCK: &str = "check this host's clock, which must be right to five minutes; and, if it is, the host's keys";

/// The code of a service's error, if the service answered with one.
pub(crate) fn code_of<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Option<&str> {
    error.as_service_error().and_then(ProvideErrorMetadata::code)
}

/// An error that came back inside a successful answer.
pub(crate) fn from_code(service: &str, operation: &str, code: &str, message: &str) -> Error {
    let kind = kind_of(code).unwrap_or(ErrorKind::Unexpected);
    Error::new(kind, format!("{service} {operation} failed: {message}")).vendor(format!("{service} {code}"))
}

/// An error of a call, with the service's own words.
#[allow(clippy::needless_pass_by_value, reason = "`map_err` passes the error by value")]
pub(crate) fn from_sdk<E>(service: &str, operation: &str, error: SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    let message = error.as_service_error().and_then(ProvideErrorMetadata::message).map(str::to_owned);
    build(service, operation, &error, message)
}

/// An error of a call that carried a secret: the service's words may quote it, so only its code is kept.
pub(crate) fn from_sdk_quietly<E>(service: &str, operation: &str, error: &SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    build(service, operation, error, None)
}

fn build<E>(service: &str, operation: &str, error: &SdkError<E, HttpResponse>, message: Option<String>) -> Error
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    let what = format!("{service} {operation}");
    let with = |kind, detail: &str| Error::new(kind, format!("{what} {detail}"));
    match error {
        SdkError::ServiceError(context) => {
            let status = context.raw().status().as_u16();
            let code = context.err().code().unwrap_or("without a code");
            let kind = kind_of(code).unwrap_or(match status {
                429 => ErrorKind::Throttled,
                500.. => ErrorKind::StoreFailed,
                403 => ErrorKind::StoreDenied,
                _ => ErrorKind::Unexpected,
            });
            let detail = message.map_or_else(|| "failed".to_owned(), |message| format!("failed: {message}"));
            let error = with(kind, &detail).vendor(format!("{service} {code}"));
            match kind {
                _ if is_of_clock(code) => error.advise(CLOCK),
                ErrorKind::StoreDenied => {
                    error.advise("look at the role's policies, the resource's policy and the key policy")
                }
                _ => error,
            }
        }
        SdkError::TimeoutError(_) => with(ErrorKind::StoreFailed, "did not answer in time"),
        SdkError::DispatchFailure(failure) => match refused_role(error) {
            Some(refused) => refused,
            None if failure.is_io() || failure.is_timeout() => with(ErrorKind::Unreachable, "could not be reached"),
            None => with(ErrorKind::StoreFailed, "could not be called").because(words(error)),
        },
        SdkError::ResponseError(context) if context.raw().status().as_u16() >= 500 => {
            with(ErrorKind::StoreFailed, &format!("failed with status {}", context.raw().status()))
        }
        SdkError::ResponseError(_) => with(ErrorKind::StoreFailed, "answered with something that cannot be read"),
        _ => with(ErrorKind::InvalidInput, "could not be called").because(words(error)),
    }
}

/// Credentials come from an `AssumeRole` of the SDK's own; why it failed stands deep in the chain.
fn refused_role<E: StdError + 'static>(error: &SdkError<E, HttpResponse>) -> Option<Error> {
    let mut cause = StdError::source(error);
    while let Some(inner) = cause {
        if let Some(error) = inner.downcast_ref::<aws_sdk_sts::operation::assume_role::AssumeRoleError>() {
            let code = error.code().unwrap_or("without a code");
            let kind = kind_of(code).unwrap_or(ErrorKind::StoreDenied);
            let message = error.message().unwrap_or("the role cannot be assumed");
            let advice = "check the role's name, its trust policy and the external id";
            return Some(
                Error::new(kind, format!("STS AssumeRole failed: {message}"))
                    .vendor(format!("STS {code}"))
                    .advise(if is_of_clock(code) { CLOCK } else { advice }),
            );
        }
        cause = inner.source();
    }
    None
}

/// Whether the role that the call was to be made in could not be assumed: then nothing is known of what the call asked for.
pub(crate) fn is_of_role(error: &Error) -> bool {
    error.vendor_code().is_some_and(|code| code.starts_with("STS "))
}

/// A chain of errors in words, for those of the SDK that no service had a part in.
fn words(error: &dyn StdError) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        words.push_str(": ");
        words.push_str(&inner.to_string());
        cause = inner.source();
    }
    words
}
