//! The tables, and which stores may be opened.

use sqlx::{Connection, SqliteConnection};

use super::error::failed;
use super::key::Cipher;
use crate::{Error, ErrorKind, Result, Secret};

/// `PRAGMA application_id`: "dzcn".
const APPLICATION: i32 = 0x647a_636e;
/// `PRAGMA user_version`.
const VERSION: i32 = 2;

/// A sealed text of our own, by which a key is known to be the store's.
const MARK: &str = "dzconn";
const MARK_PLACE: &str = "dzconn local store\0mark";

/// Keys are columns of text: a source or entry has connection and environment (and database, schema, name), a mapping the
/// producer secret's id, an asset, wanted state or objects environment and asset, a bucket its ARN. The views are for people.
const TABLES: &str = "
    CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB) STRICT;
    CREATE TABLE records (
        kind TEXT NOT NULL, k1 TEXT NOT NULL, k2 TEXT NOT NULL, k3 TEXT NOT NULL, k4 TEXT NOT NULL, k5 TEXT NOT NULL,
        version TEXT, record TEXT NOT NULL,
        PRIMARY KEY (kind, k1, k2, k3, k4, k5)
    ) STRICT;
    CREATE VIEW source_subscriptions AS
        SELECT k1 AS connection, k2 AS environment, version, record FROM records WHERE kind = 'source';
    CREATE VIEW entries AS
        SELECT k1 AS connection, k2 AS environment, k3 AS \"database\", k4 AS \"schema\", k5 AS \"table\", version, record
        FROM records WHERE kind = 'entry';
    CREATE VIEW secrets_mapping AS SELECT k1 AS shared_secret, version, record FROM records WHERE kind = 'mapping';
    CREATE VIEW asset_subscriptions AS
        SELECT k1 AS environment, k2 AS asset, version, record FROM records WHERE kind = 'asset';
    CREATE VIEW wanted AS SELECT k1 AS environment, k2 AS asset, version, record FROM records WHERE kind = 'wanted';
    CREATE TABLE secrets (
        account TEXT NOT NULL, name TEXT NOT NULL,
        version TEXT, value BLOB,
        burnt INTEGER NOT NULL DEFAULT 0,
        readers TEXT NOT NULL DEFAULT '[]',
        domain TEXT, project TEXT, environment TEXT,
        last_updated TEXT NOT NULL,
        PRIMARY KEY (account, name),
        CHECK (CASE WHEN burnt THEN value IS NULL AND version IS NULL ELSE value IS NOT NULL AND version IS NOT NULL END)
    ) STRICT;
";

/// What version 2 has more: values that wait beside a secret's own, and which of them is to become it; and views of what is about
/// objects. In version 1 nothing of ours ever set the column that goes.
const SINCE_2: &str = "
    ALTER TABLE secrets ADD COLUMN pending TEXT;
    CREATE TABLE proposals (
        account TEXT NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL, value BLOB NOT NULL,
        PRIMARY KEY (account, name, version)
    ) STRICT;
    CREATE VIEW buckets AS SELECT k1 AS bucket, version, record FROM records WHERE kind = 'bucket';
    CREATE VIEW object_subscriptions AS
        SELECT k1 AS environment, k2 AS asset, version, record FROM records WHERE kind = 'objects';
    PRAGMA user_version = 2;
";

/// Makes the tables, or checks that they are ours and that the key is theirs.
pub(super) async fn prepare(connection: &mut SqliteConnection, cipher: Option<&Cipher>) -> Result<()> {
    let wrong = |e| failed("the file cannot be prepared", e);
    // A file of somebody else is looked at, and not touched; and all at once, since somebody may be making the store.
    let mut look = connection.begin().await.map_err(wrong)?;
    let found = state(&mut look).await?;
    look.rollback().await.map_err(wrong)?;
    if found == State::New {
        let mode: String =
            sqlx::query_scalar("PRAGMA journal_mode = WAL").fetch_one(&mut *connection).await.map_err(wrong)?;
        if mode != "wal" {
            return Err(Error::new(ErrorKind::InvalidConfig, "the file system cannot hold a store")
                .advise("put the file on a local disk"));
        }
    }
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(wrong)?;
    if state(&mut transaction).await? == State::New {
        sqlx::raw_sql(TABLES).execute(&mut *transaction).await.map_err(wrong)?;
        let mark = cipher.map(|cipher| cipher.seal(&Secret::new(MARK.to_owned()), MARK_PLACE)).transpose()?;
        sqlx::query("INSERT INTO meta (name, value) VALUES ('key', ?1)")
            .bind(mark)
            .execute(&mut *transaction)
            .await
            .map_err(wrong)?;
        // The number of APPLICATION.
        sqlx::raw_sql("PRAGMA application_id = 0x647a636e").execute(&mut *transaction).await.map_err(wrong)?;
        sqlx::raw_sql(SINCE_2).execute(&mut *transaction).await.map_err(wrong)?;
    }
    check_key(&mut transaction, cipher).await?;
    if state(&mut transaction).await? == State::Older {
        let drop_old = "ALTER TABLE secrets DROP COLUMN pending";
        sqlx::raw_sql(drop_old).execute(&mut *transaction).await.map_err(wrong)?;
        sqlx::raw_sql(SINCE_2).execute(&mut *transaction).await.map_err(wrong)?;
    }
    transaction.commit().await.map_err(wrong)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    /// Of the version before.
    Older,
    Ours,
}

async fn state(connection: &mut SqliteConnection) -> Result<State> {
    let wrong = |e| failed("the file cannot be read", e);
    let application: i32 =
        sqlx::query_scalar("PRAGMA application_id").fetch_one(&mut *connection).await.map_err(wrong)?;
    let version: i32 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *connection).await.map_err(wrong)?;
    let tables: i64 =
        sqlx::query_scalar("SELECT count(*) FROM sqlite_schema").fetch_one(&mut *connection).await.map_err(wrong)?;
    match (application, version, tables) {
        (0, 0, 0) => Ok(State::New),
        (APPLICATION, 1, _) => Ok(State::Older),
        (APPLICATION, VERSION, _) => Ok(State::Ours),
        (APPLICATION, newer, _) if newer > VERSION => Err(Error::new(
            ErrorKind::InvalidConfig,
            format!("the store has version {newer}, and this program knows {VERSION}"),
        )
        .advise("use the newer program that made it, or another file")),
        _ => Err(Error::new(ErrorKind::InvalidConfig, "the file holds something else than a store of dzconn")
            .advise("give the path of a store that dzconn made, or of no file")),
    }
}

async fn check_key(connection: &mut SqliteConnection, cipher: Option<&Cipher>) -> Result<()> {
    let invalid = |detail: &str, advice: &str| Err(Error::new(ErrorKind::InvalidConfig, detail).advise(advice));
    let mark: Option<Option<Vec<u8>>> = sqlx::query_scalar("SELECT value FROM meta WHERE name = 'key'")
        .fetch_optional(connection)
        .await
        .map_err(|e| failed("the file cannot be read", e))?;
    match (mark, cipher) {
        (None, _) => invalid("the store does not say whether it is encrypted", "restore the file from a backup"),
        (Some(None), None) => Ok(()),
        (Some(None), Some(_)) => invalid(
            "a key is given, and the store is not encrypted",
            "open it without the key; for an encrypted one, start another file",
        ),
        (Some(Some(_)), None) => {
            invalid("the store is encrypted, and no key is given", "give the key with which the store was made")
        }
        (Some(Some(mark)), Some(cipher)) => match cipher.open(&mark, MARK_PLACE) {
            Some(text) if text.expose() == MARK => Ok(()),
            _ => invalid("the key is not that of the store", "give the key with which the store was made"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_numbers_in_the_statement_are_those_that_are_checked() {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        sqlx::raw_sql("PRAGMA application_id = 0x647a636e; PRAGMA user_version = 1")
            .execute(&mut connection)
            .await
            .unwrap();
        assert!(state(&mut connection).await.unwrap() == State::Older);
        sqlx::raw_sql(TABLES).execute(&mut connection).await.unwrap();
        sqlx::raw_sql(SINCE_2).execute(&mut connection).await.unwrap();
        assert!(state(&mut connection).await.unwrap() == State::Ours);
    }
}
