//! Where secrets and tracking records are kept: one SQLite file.

use std::env;
use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use dzconn_core::sqlite::{LocalOptions, SecretKey};
use dzconn_core::{Changed, Error, ErrorKind, Result, Step};

use crate::args::Global;

pub(crate) use dzconn_core::sqlite::LocalStore;

/// The variable that holds the store's key.
const KEY: &str = "DZCONN_STORE_KEY";

/// Opens the store, and makes it if there is none.
pub(crate) async fn open(global: &Global) -> Result<LocalStore> {
    let path = path(global);
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|error| invalid(format!("the folder {} cannot be made: {error}", folder.display())))?;
    }
    let mut options = LocalOptions::new();
    if let Some(key) = key(global)? {
        options = options.key(key);
    }
    LocalStore::open(path, options).await.map_err(|error| {
        let error = error.at(Step::Tracking).changed(Changed::Nothing);
        if error.kind() == ErrorKind::InvalidConfig && error.advice().is_none() {
            return error.advise(format!("give the store's own key in {KEY} or --store-key-file"));
        }
        error
    })
}

/// Opens the store of those who grant nothing: without one, what they would say about it means nothing.
pub(crate) async fn existing(global: &Global) -> Result<LocalStore> {
    let path = path(global);
    if !path.exists() {
        return Err(invalid(format!("there is no store {}", path.display()))
            .advise("name the store with --store or DZCONN_STORE; the first grant makes it"));
    }
    open(global).await
}

/// Whether there is a store.
pub(crate) fn exists(global: &Global) -> bool {
    path(global).exists()
}

fn path(global: &Global) -> PathBuf {
    if let Some(path) = &global.store {
        return path.clone();
    }
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/state")));
    state.map_or_else(|| PathBuf::from("dzconn.sqlite"), |state| state.join("dzconn/store.sqlite"))
}

fn key(global: &Global) -> Result<Option<SecretKey>> {
    if let Some(file) = &global.store_key_file {
        return read_key(file).map(Some);
    }
    match env::var(KEY) {
        Ok(text) if !text.is_empty() => text.parse().map(Some).map_err(|error: Error| error.at(Step::Input)),
        Err(env::VarError::NotUnicode(_)) => Err(invalid(format!("{KEY} is not text"))),
        _ => Ok(None),
    }
}

fn read_key(file: &Path) -> Result<SecretKey> {
    let unreadable = |error| invalid(format!("the key file {} cannot be read: {error}", file.display()));
    let mode = fs::metadata(file).map_err(unreadable)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(invalid(format!("the key file {} can be used by others than its owner", file.display()))
            .advise(format!("chmod 600 {}", file.display())));
    }
    fs::read_to_string(file).map_err(unreadable)?.parse().map_err(|error: Error| error.at(Step::Input))
}

fn invalid(what: String) -> Error {
    Error::new(ErrorKind::InvalidConfig, what).at(Step::Input).changed(Changed::Nothing)
}
