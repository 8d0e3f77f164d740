//! The database that the engine in `lib.rs` serves. Yours exists already: nothing here is about dzconn.
//!
//! A database is a folder: `catalog.json` has its users, tables and sessions, and every table is a CSV file beside it.
//! Whoever works with the catalogue holds the file `catalog.lock`, so that each piece of work is a transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A database.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

/// What `catalog.json` holds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Catalog {
    /// The users, by name.
    pub users: BTreeMap<String, User>,
    /// The CSV file of each table.
    pub tables: BTreeMap<String, String>,
    /// Who is logged in, by the session's number.
    pub sessions: BTreeMap<u64, String>,
}

/// A user of the database.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct User {
    password: String,
    /// May do everything.
    pub admin: bool,
    /// May not log in.
    pub disabled: bool,
    /// The tables that it may read.
    pub reads: BTreeSet<String>,
}

impl Folder {
    /// Makes an empty database, with one admin.
    pub fn create(path: &Path, admin: &str, password: &str) -> io::Result<Self> {
        fs::create_dir_all(path)?;
        fs::write(path.join("catalog.json"), "{\"users\":{},\"tables\":{},\"sessions\":{}}")?;
        let folder = Self(path.to_owned());
        folder.transaction(|catalog| {
            let mut user = User { admin: true, ..User::default() };
            user.set_password(password);
            catalog.users.insert(admin.to_owned(), user);
        })?;
        Ok(folder)
    }

    /// The database in this folder.
    pub fn open(path: &Path) -> io::Result<Self> {
        fs::metadata(path.join("catalog.json"))?;
        Ok(Self(path.to_owned()))
    }

    /// Where a file of the database is.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Works with the catalogue while nobody else does. What is changed is written in one piece: all of it or nothing.
    pub fn transaction<T>(&self, work: impl FnOnce(&mut Catalog) -> T) -> io::Result<T> {
        let guard = File::create(self.file("catalog.lock"))?;
        guard.lock()?;
        let mut catalog: Catalog = serde_json::from_str(&fs::read_to_string(self.file("catalog.json"))?)?;
        let result = work(&mut catalog);
        fs::write(self.file("catalog.new"), serde_json::to_string(&catalog)?)?;
        fs::rename(self.file("catalog.new"), self.file("catalog.json"))?;
        Ok(result)
    }

    /// Logs in; `None` if that is refused.
    pub fn log_in(&self, user: &str, password: &str) -> io::Result<Option<Client>> {
        let session = rand::random();
        let accepted = self.transaction(|catalog| {
            let accepted = catalog.users.get(user).is_some_and(|user| !user.disabled && user.has_password(password));
            if accepted {
                catalog.sessions.insert(session, user.to_owned());
            }
            accepted
        })?;
        Ok(accepted.then(|| Client { folder: self.clone(), session }))
    }
}

impl User {
    /// Gives the user this password and no other. (A real server would use a hash that is slow.)
    pub fn set_password(&mut self, password: &str) {
        let salt = format!("{:032x}", rand::random::<u128>());
        self.password = hashed(&salt, password);
    }

    fn has_password(&self, password: &str) -> bool {
        self.password.split_once('$').is_some_and(|(salt, _)| hashed(salt, password) == self.password)
    }
}

fn hashed(salt: &str, password: &str) -> String {
    let mut text = format!("{salt}$");
    for byte in Sha256::digest(format!("{salt}{password}")) {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// A session. Dropping it logs out.
#[derive(Debug)]
pub struct Client {
    folder: Folder,
    session: u64,
}

/// What a client cannot do.
#[derive(Debug)]
pub enum Refusal {
    /// It has not the right, or there is no such table.
    Denied,
    /// Its session has been ended.
    Ended,
}

impl Client {
    /// The database.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Works with the catalogue, as this session's user.
    pub fn transaction<T>(&self, work: impl FnOnce(&str, &mut Catalog) -> T) -> io::Result<Result<T, Refusal>> {
        self.folder.transaction(|catalog| match catalog.sessions.get(&self.session).cloned() {
            Some(user) => Ok(work(&user, catalog)),
            None => Err(Refusal::Ended),
        })
    }

    /// The rows of a table.
    pub fn read(&self, table: &str) -> io::Result<Result<Vec<String>, Refusal>> {
        let file = self.transaction(|user, catalog| {
            let allowed = catalog.users.get(user).is_some_and(|user| user.admin || user.reads.contains(table));
            catalog.tables.get(table).filter(|_| allowed).cloned().ok_or(Refusal::Denied)
        })?;
        match file.and_then(|file| file) {
            Ok(file) => Ok(Ok(fs::read_to_string(self.folder.file(&file))?.lines().map(str::to_owned).collect())),
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    /// Makes a table, or replaces it.
    pub fn write(&self, table: &str, rows: &str) -> io::Result<Result<(), Refusal>> {
        let file = format!("{:016x}.csv", rand::random::<u64>());
        let allowed = self.transaction(|user, catalog| {
            let allowed = catalog.users.get(user).is_some_and(|user| user.admin);
            allowed.then(|| catalog.tables.entry(table.to_owned()).or_insert(file).clone()).ok_or(Refusal::Denied)
        })?;
        match allowed.and_then(|file| file) {
            Ok(file) => fs::write(self.folder.file(&file), rows).map(Ok),
            Err(refusal) => Ok(Err(refusal)),
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // Where the database is gone, so is the session.
        let _ = self.folder.transaction(|catalog| catalog.sessions.remove(&self.session));
    }
}
