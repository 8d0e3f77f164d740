//! Everything that a story needs of one server: sample, directory file, store, fulfilment.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dzconn_core::model::{Credentials, Subscription};
use dzconn_core::sqlite::{LocalOptions, SecretKey};
use dzconn_core::{Error, ErrorKind, Fulfilment, Result, Secret, password};
use tempfile::TempDir;

use super::client::{Client, Seen};
use super::sample;
use super::server::{Kind, Running};
use crate::args::{ColorChoice, Global};
use crate::backend::Backend;
use crate::directory::Directory;
use crate::output::Output;
use crate::portal;
use crate::stores::LocalStore;
use crate::world::World;

/// The consumer's environment.
pub(super) const ENVIRONMENT: &str = "env-finance";

/// One server, ready for a story.
pub(super) struct Stage<'a> {
    pub(super) server: &'a Running,
    directory: Arc<Directory>,
    pub(super) store: LocalStore,
    pub(super) fulfilment: Fulfilment,
    /// Inside the server's own: that goes even if we are killed.
    folder: TempDir,
}

impl<'a> Stage<'a> {
    pub(super) async fn set(server: &'a Running) -> Result<Self> {
        let admin = password::generate();
        sample::create(server, &admin).await?;
        let folder = tempfile::Builder::new()
            .prefix("dzconn-demo-")
            .tempdir_in(server.folder())
            .map_err(|error| trouble(&error))?;
        let at = |name: &str| folder.path().join(name);
        write(&at("admin.password"), admin.expose())?;
        if let Some(pem) = server.ca_pem() {
            write(&at("ca.pem"), pem)?;
        }
        let key = SecretKey::generate();
        write(&at("store.key"), key.to_text().expose())?;
        write(&at("dzconn.toml"), &directory(server))?;
        let store = LocalStore::open(at("store.sqlite"), LocalOptions::new().key(key)).await?;
        let global =
            Global { directory: Some(at("dzconn.toml")), color: ColorChoice::Never, timeout: 60, ..Global::default() };
        let world = World::open(global.clone(), Output::new(&global))?;
        let fulfilment = world.fulfilment(&Backend::Local(store.clone()))?;
        Ok(Self { server, directory: world.directory, store, fulfilment, folder })
    }

    pub(super) fn kind(&self) -> Kind {
        self.server.kind()
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Such as `127.0.0.1:38211/sales`.
    pub(super) fn endpoint(&self) -> String {
        format!("127.0.0.1:{}/{}", self.server.port(), self.kind().database())
    }

    /// The environment's subscription to a sample table.
    pub(super) fn subscription(&self, table: &str) -> Result<Subscription> {
        let environment = self.directory.environment(ENVIRONMENT)?;
        let asset = self.directory.asset(table, None)?.ok_or_else(|| self.directory.unknown_asset(table))?;
        portal::subscription(&self.directory, environment, asset)
    }

    /// A session of the database's owner.
    pub(super) async fn owner(&self) -> Result<Client> {
        let (user, password) = self.server.superuser();
        let opened = Client::log_in(self.kind(), self.server.port(), user, &Secret::new(password.to_owned())).await;
        opened.map_err(|refusal| Error::new(ErrorKind::Unexpected, format!("the owner cannot log in: {refusal}")))
    }

    /// A session of the consumer's.
    pub(super) async fn consumer(&self, credentials: &Credentials) -> Seen<Client> {
        Client::log_in(self.kind(), credentials.endpoint.port, credentials.user.as_str(), &credentials.password).await
    }
}

/// A file that nobody else can read.
pub(super) fn write(path: &Path, text: &str) -> Result<()> {
    let file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| trouble(&error))
}

fn trouble(error: &std::io::Error) -> Error {
    Error::new(ErrorKind::Unexpected, format!("a file of the demo was not made: {error}"))
}

/// The directory file, as an operator would write it.
fn directory(server: &Running) -> String {
    let kind = server.kind();
    let tls = if server.ca_pem().is_some() { "verify-full\"\nca_file = \"ca.pem" } else { "disable" };
    let mut text = format!(
        "[domain]\nid = \"dzd-demo\"\n\n[[source]]\nname = \"{name}\"\nurl = \"jdbc:{subprotocol}://127.0.0.1:{port}/{database}\"\n\
         admin = \"{admin}\"\npassword_file = \"admin.password\"\ntls = \"{tls}\"\n\n[[project]]\nid = \"finance\"\n\n\
         [[environment]]\nid = \"{ENVIRONMENT}\"\nproject = \"finance\"\n",
        name = kind.database(),
        subprotocol = kind.subprotocol(),
        port = server.port(),
        database = kind.database(),
        admin = sample::ADMIN,
    );
    for table in ["employees", "offices", "salaries"] {
        text.push_str(&format!(
            "\n[[asset]]\nid = \"{table}\"\nsource = \"{}\"\npath = \"{}\"\n",
            kind.database(),
            kind.path(table)
        ));
    }
    text
}
