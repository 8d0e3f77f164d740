//! `DataZone`'s errors.

use std::error::Error as StdError;

use aws_sdk_datazone::config::http::HttpResponse;
use aws_sdk_datazone::error::{ProvideErrorMetadata, SdkError};
use dzconn_core::{Error, ErrorKind};

use crate::error::{code_of, from_sdk};

/// An error of a call. What `DataZone` holds for malformed was malformed in what we were given: an event or a record.
pub(super) fn failed<E>(operation: &str, error: SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    // The SDK takes a success that it cannot read for a service's error.
    if error.raw_response().is_some_and(|response| response.status().is_success()) {
        return Error::new(
            ErrorKind::StoreFailed,
            format!("DataZone {operation} answered with something that cannot be read"),
        );
    }
    let invalid = code_of(&error) == Some("ValidationException");
    let error = from_sdk("DataZone", operation, error);
    if !invalid {
        return error;
    }
    Error::new(ErrorKind::InvalidInput, error.detail())
        .vendor("DataZone ValidationException")
        .advise("check the ids in the event or in the tracking tables")
}

/// A request that the SDK does not build.
pub(super) fn unbuilt(error: impl StdError + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::InvalidInput, "a request to DataZone lacks a member").because(error)
}
