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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_changed_password_is_read_without_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let (file, password) = (folder.path().join("directory.toml"), folder.path().join("admin"));
        let text = "[[source]]\nname = 'hr'\nurl = 'jdbc:postgresql://db:5432/hr'\nadmin = 'dzconn'\npassword_file = 'admin'\n";
        std::fs::write(&file, text).unwrap();
        let catalog = DirectoryCatalog(Arc::new(Directory::read(&file).unwrap()));
        let connection = catalog.0.sources[0].connection.clone();
        for now in ["before", "after"] {
            std::fs::write(&password, format!("{now}\n")).unwrap();
            assert_eq!(catalog.source(&connection).await.unwrap().admin.password.expose(), now);
        }
        std::fs::remove_file(&password).unwrap();
        assert_eq!(catalog.source(&connection).await.unwrap_err().kind(), ErrorKind::InvalidConfig);
    }
}
