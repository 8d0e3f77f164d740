//! The conformance suite, for the engine in `src/lib.rs`: `cargo test -p dzconn-custom-engine`.
//!
//! A fixture says how to reach the database *without* the engine: what an engine claims is checked by somebody else.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use async_trait::async_trait;
use dzconn_core::engine::LockKey;
use dzconn_core::model::{
    AdminLogin, ConnectionId, Credentials, Source, SourceEndpoint, TableName, Target, Tls, UserName,
};
use dzconn_core::testkit::engine::{Attempt, Attempted, EngineFixture, UserSession, Wire};
use dzconn_core::{EngineConnector, Error, ErrorKind, Result, Secret};
use dzconn_custom_engine::CsvFolders;
use dzconn_custom_engine::database::{Catalog, Client, Folder, Refusal};

async fn fixture() -> CsvFixture {
    let place = tempfile::tempdir().unwrap();
    let folder = Folder::create(&place.path().join("sales"), "admin", "the admin's password").unwrap();
    let admin = folder.log_in("admin", "the admin's password").unwrap().unwrap();
    CsvFixture { place, folder, admin }
}

dzconn_core::engine_conformance!(fixture);

#[derive(Debug)]
struct CsvFixture {
    place: tempfile::TempDir,
    folder: Folder,
    admin: Client,
}

fn trouble(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Unexpected, "the fixture's own work failed").because(error)
}

impl CsvFixture {
    fn change<T>(&self, work: impl FnOnce(&mut Catalog) -> T) -> Result<T> {
        self.folder.transaction(work).map_err(trouble)
    }
}

#[async_trait]
impl EngineFixture for CsvFixture {
    fn connector(&self) -> Arc<dyn EngineConnector> {
        Arc::new(CsvFolders)
    }

    fn source(&self) -> Source {
        Source {
            connection: ConnectionId::new("csv").unwrap(),
            endpoint: SourceEndpoint {
                subprotocol: "csvfolder".into(),
                host: "localhost".into(),
                port: 0,
                instance: None,
                target: Target::Database(self.place.path().join("sales").to_str().unwrap().into()),
            },
            admin: AdminLogin { user: "admin".into(), password: Secret::new("the admin's password".into()) },
            tls: Tls::Disable,
        }
    }

    fn table(&self, name: &str) -> TableName {
        TableName::in_database("sales", name).unwrap()
    }

    async fn create_table(&self, table: &TableName) -> Result<()> {
        self.admin
            .write(table.name(), "1,one\n2,two\n")
            .map_err(trouble)?
            .map_err(|refusal| Error::new(ErrorKind::Unexpected, format!("the fixture's admin: {refusal:?}")))
    }

    async fn drop_table(&self, table: &TableName) -> Result<()> {
        self.change(|catalog| {
            catalog.tables.remove(table.name());
        })
    }

    async fn open(&self, credentials: &Credentials) -> Result<Option<Box<dyn UserSession>>> {
        let client = self.folder.log_in(credentials.user.as_str(), credentials.password.expose());
        Ok(client.map_err(trouble)?.map(|client| Box::new(Consumer(client)) as Box<dyn UserSession>))
    }

    async fn disable_user(&self, user: &UserName) -> Result<()> {
        self.change(|catalog| {
            if let Some(user) = catalog.users.get_mut(user.as_str()) {
                user.disabled = true;
            }
        })
    }

    async fn remove_user(&self, user: &UserName) -> Result<()> {
        self.change(|catalog| {
            catalog.users.remove(user.as_str());
        })
    }

    async fn privileges(&self, user: &UserName) -> Result<Vec<String>> {
        let reads = |catalog: &mut Catalog| catalog.users.get(user.as_str()).map(|user| user.reads.clone());
        Ok(self.change(reads)?.unwrap_or_default().into_iter().collect())
    }

    async fn break_lock(&self, key: &LockKey) -> Result<()> {
        std::fs::remove_file(self.folder.file(&key.name())).map_err(trouble)
    }

    // What this database is not: the suite asks something else then, or that the engine says so.

    fn wire(&self) -> Wire {
        Wire::None
    }

    fn unreachable(&self) -> Result<SourceEndpoint> {
        let nowhere = self.place.path().join("nowhere").to_str().unwrap().to_owned();
        Ok(SourceEndpoint { target: Target::Database(nowhere), ..self.source().endpoint })
    }

    fn ends_silent_sessions(&self) -> bool {
        false
    }
}

#[derive(Debug)]
struct Consumer(Client);

#[async_trait]
impl UserSession for Consumer {
    async fn attempt(&mut self, attempt: &Attempt) -> Result<Attempted> {
        let done = match attempt {
            Attempt::Read(table) => self.0.read(table.name()).map_err(trouble)?.map(|rows| rows.len() as u64),
            Attempt::Insert(table) | Attempt::Update(table) | Attempt::Delete(table) | Attempt::CreateTable(table) => {
                self.0.write(table.name(), "").map_err(trouble)?.map(|()| 0)
            }
            // There is no other way to change the catalogue than to be an admin.
            Attempt::DropTable(_) | Attempt::CreateUser(_) | Attempt::Grant(..) => {
                let admin = self.0.transaction(|user, catalog| catalog.users.get(user).is_some_and(|user| user.admin));
                admin.map_err(trouble)?.and_then(|admin| admin.then_some(0).ok_or(Refusal::Denied))
            }
        };
        Ok(match done {
            Ok(rows) => Attempted::Did(rows),
            Err(Refusal::Denied) => Attempted::Denied,
            Err(Refusal::Ended) => Attempted::Ended,
        })
    }
}
