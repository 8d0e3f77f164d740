//! Where a connection's source is looked up.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::Result;
use crate::model::{ConnectionId, Source};

/// The catalogue of connections: Glue, a file, your own.
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait Catalog: Debug + Send + Sync {
    /// How to reach the source behind a connection, with the admin login as it is now (it is asked for each run, so that a
    /// rotated admin password is picked up).
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is no such connection,
    /// [`ErrorKind::SecretInvalid`](crate::ErrorKind::SecretInvalid) if its admin secret has the wrong shape,
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if its URL cannot be read.
    async fn source(&self, connection: &ConnectionId) -> Result<Source>;
}
