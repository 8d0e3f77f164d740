//! The catalogue of connections: the directory file's sources.

use std::sync::Arc;

use async_trait::async_trait;
use dzconn_core::model::{ConnectionId, Source};
use dzconn_core::{Catalog, Error, ErrorKind, Result, Step};

use crate::directory::Directory;

/// Sources as the directory has them; passwords as they are when they are asked for.
#[derive(Debug)]
pub(crate) struct DirectoryCatalog(pub(crate) Arc<Directory>);

#[async_trait]
impl Catalog for DirectoryCatalog {
    async fn source(&self, connection: &ConnectionId) -> Result<Source> {
        let entry = self.0.source_of(connection).ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("no source has the connection {connection}"))
                .at(Step::LookUp)
                .advise(format!(
                    "add a [[source]] with connection = {:?} to the directory file, or give --url and --connection",
                    connection.as_str()
                ))
        })?;
        entry.source()
    }
}
