//! Tracking tables and secrets in one local `SQLite` file: for those who run without AWS.
//!
//! Several processes may use the file at once: `SQLite` serialises their commits. Keep it on a local disk; file systems of
//! the network do not lock as it needs. A copy of the file is whole only together with the `-wal` file beside it, or when
//! nobody has it open.
//!
//! # What protects the secrets
//!
//! Always: the file and those that `SQLite` puts beside it can be read and written by their owner alone (mode `0600`, on
//! Unix). A file that others can read is not opened. The value of a burnt secret is overwritten with zeros. Deleted blocks
//! of the file system or of a copy-on-write or flash disk are beyond that.
//!
//! With a [`SecretKey`], values are encrypted (XChaCha20-Poly1305), each bound to its account, name and version. A stolen
//! copy or backup of the file shows no password; a value that was altered, or moved to another name, is recognised and
//! refused. It does *not* protect against who has the key or the running process, it does not hide names, tags, readers and
//! tracking records, and it does not recognise a file, or a row, that was put back to an older state. The key must come from
//! somewhere else: beside the file it protects nothing.
//!
//! Without a key, values are plain text in the file. They are as safe as the file is, copies and backups included.
//!
//! The first opening decides which of the two it is, and no opening changes it.
//!
//! # Accounts
//!
//! One file is one user's and one account's. [`LocalStore::account`] shows other accounts in the same file, which keeps
//! apart who reads what as separate accounts would, so that a whole subscription can be played through on one machine. That
//! is bookkeeping, not protection: who has the file has all of them.

mod credentials;
mod error;
mod file;
mod key;
mod schema;
mod tracking;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};
use tokio::time::Instant;

use crate::model::{AccountId, Principal};
use crate::{ErrorKind, Result};

pub use credentials::LocalCredentials;
pub use key::SecretKey;
pub use tracking::LocalTracking;

use error::failed;
use key::Cipher;

/// The account to which secrets belong unless another is named.
const ACCOUNT: &str = "local";

/// How a store is opened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LocalOptions {
    /// Encrypts the values of secrets. What the store was made with, it must be opened with.
    pub key: Option<SecretKey>,
    /// How long to wait for another process that writes. 10 seconds unless set.
    pub busy_timeout: Duration,
    /// How many records a listing shows on a page. 200 unless set.
    pub page: usize,
}

impl Default for LocalOptions {
    fn default() -> Self {
        Self { key: None, busy_timeout: Duration::from_secs(10), page: 200 }
    }
}

impl LocalOptions {
    /// No key, and the usual limits.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Encrypts the values of secrets.
    #[must_use]
    pub fn key(mut self, key: SecretKey) -> Self {
        self.key = Some(key);
        self
    }

    /// Waits so long for another process that writes.
    #[must_use]
    pub fn busy_timeout(mut self, time: Duration) -> Self {
        self.busy_timeout = time;
        self
    }

    /// Shows so many records on a page of a listing.
    #[must_use]
    pub fn page(mut self, records: usize) -> Self {
        self.page = records;
        self
    }
}

/// One local file with tracking tables and secrets. Clones share it.
#[derive(Clone)]
pub struct LocalStore(Arc<Inner>);

struct Inner {
    path: PathBuf,
    /// One connection: callers of this process queue for it, instead of meeting as `SQLITE_BUSY`.
    pool: SqlitePool,
    cipher: Option<Cipher>,
    page: usize,
}

/// Whether a connection is in no transaction, once it has done all that it was told.
///
/// After some failures, a full disk among them, `SQLite` rolls back by itself (<https://www.sqlite.org/lang_transaction.html>,
/// "Response To Errors Within A Transaction"). The driver does not notice, and would begin no further transaction: such a
/// connection is closed, and the next one opened.
async fn is_at_rest(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

impl LocalStore {
    /// Opens the file, or makes it. Its directory must be there.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] if the file is not such a store, was made by a newer version, can be read by others, or
    /// needs another key, a key at all, or none. Retryable kinds if another process keeps it busy.
    pub async fn open(path: impl AsRef<Path>, options: LocalOptions) -> Result<Self> {
        let path = file::prepare(path.as_ref())?;
        let cipher = options.key.as_ref().map(Cipher::new);
        let connect = SqliteConnectOptions::new()
            .filename(&path)
            .busy_timeout(options.busy_timeout)
            .synchronous(SqliteSynchronous::Full)
            .pragma("secure_delete", "ON")
            .pragma("temp_store", "MEMORY")
            .disable_statement_logging();
        // Making a store switches its journal, for which SQLite does not wait by itself.
        let deadline = Instant::now() + options.busy_timeout;
        loop {
            match Self::prepare(&connect, cipher.as_ref()).await {
                Err(error) if error.kind() == ErrorKind::Contention && Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                result => break result.map_err(|error| error.on_source(path.display()))?,
            }
        }
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .test_before_acquire(false)
            .before_acquire(|connection, _| Box::pin(is_at_rest(connection)))
            .acquire_timeout(options.busy_timeout.saturating_mul(2))
            .connect_lazy_with(connect);
        Ok(Self(Arc::new(Inner { path, pool, cipher, page: options.page })))
    }

    /// Makes the tables, or checks that they are ours and that the key is theirs.
    async fn prepare(connect: &SqliteConnectOptions, cipher: Option<&Cipher>) -> Result<()> {
        let mut connection = connect.connect().await.map_err(|e| failed("the file cannot be opened", e))?;
        let prepared = schema::prepare(&mut connection, cipher).await;
        let closed = connection.close().await.map_err(|e| failed("the file cannot be closed", e));
        prepared.and(closed)
    }

    /// The tracking tables.
    pub fn tracking(&self) -> LocalTracking {
        LocalTracking::new(self.clone())
    }

    /// The secrets.
    pub fn credentials(&self) -> LocalCredentials {
        LocalCredentials::new(self.clone(), None)
    }

    /// The secrets of another account, as one of its roles sees them. See the module's documentation for what that means.
    pub fn account(&self, account: AccountId, caller: Principal) -> LocalCredentials {
        LocalCredentials::new(self.clone(), Some((account, caller)))
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Whether the values of secrets are encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.0.cipher.is_some()
    }

    /// Closes the file in good order; every clone is of no use afterwards. Dropping the last clone instead loses nothing,
    /// but may leave a `-wal` file.
    pub async fn close(&self) {
        self.0.pool.close().await;
    }
}

impl fmt::Debug for LocalStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalStore")
            .field("path", &self.0.path)
            .field("encrypted", &self.is_encrypted())
            .finish_non_exhaustive()
    }
}
