//! Tracking records as rows: columns of the key, a version, and the record as JSON.

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::LocalStore;
use super::error::failed;
use crate::memory::{Columns, KeyParts, check_shape};
use crate::model::Version;
use crate::store::{
    Change, Cursor, Expect, Key, Page, Query, Record, Stored, TrackingStore, Transaction, Write, WriteOutcome,
};
use crate::{Error, ErrorKind, Result};

/// The tracking tables of a [`LocalStore`].
#[derive(Clone, Debug)]
pub struct LocalTracking(LocalStore);

impl LocalTracking {
    pub(super) fn new(store: LocalStore) -> Self {
        Self(store)
    }
}

macro_rules! one {
    ($statement:literal) => {
        concat!($statement, " WHERE kind = ?1 AND k1 = ?2 AND k2 = ?3 AND k3 = ?4 AND k4 = ?5 AND k5 = ?6")
    };
}

macro_rules! page {
    ($prefix:literal) => {
        concat!(
            "SELECT k1, k2, k3, k4, k5, version, record FROM records WHERE kind = ?1",
            " AND (k1, k2, k3, k4, k5) > (?2, ?3, ?4, ?5, ?6)",
            $prefix,
            " ORDER BY k1, k2, k3, k4, k5 LIMIT ?7"
        )
    };
}

const READ: &str = one!("SELECT version, record FROM records");
const VERSION: &str = one!("SELECT version FROM records");
const REMOVE: &str = one!("DELETE FROM records");
const PUT: &str =
    "INSERT INTO records (kind, k1, k2, k3, k4, k5, version, record) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
    ON CONFLICT (kind, k1, k2, k3, k4, k5) DO UPDATE SET version = excluded.version, record = excluded.record";

type Bound<'q> = sqlx::query::Query<'q, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

fn bind<'q>(statement: &'static str, key: &KeyParts) -> Bound<'q> {
    let [k1, k2, k3, k4, k5] = key.columns.clone();
    sqlx::query(statement).bind(key.kind).bind(k1).bind(k2).bind(k3).bind(k4).bind(k5)
}

#[async_trait]
impl TrackingStore for LocalTracking {
    async fn read(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>> {
        let wrong = |e| failed("tracking records cannot be read", e);
        // All at one instant: a transaction sees no other's commit, not even between its reads.
        let mut open = self.0.0.pool.begin().await.map_err(wrong)?;
        let mut found = Vec::with_capacity(keys.len());
        for key in keys {
            let row = bind(READ, &KeyParts::of(key)).fetch_optional(&mut *open).await.map_err(wrong)?;
            found.push(row.map(|row| stored(&row, &key.to_string(), |record| record.key() == *key)).transpose()?);
        }
        open.rollback().await.map_err(wrong)?;
        Ok(found)
    }

    async fn commit(&self, transaction: &Transaction) -> Result<WriteOutcome> {
        let wrong = |e| failed("tracking records cannot be written", e);
        check_shape(transaction)?;
        // A transaction that only becomes a writer later may find that it cannot.
        let mut open = self.0.0.pool.begin_with("BEGIN IMMEDIATE").await.map_err(wrong)?;
        for change in &transaction.changes {
            if !holds(&mut open, change).await.map_err(wrong)? {
                open.rollback().await.map_err(wrong)?;
                return Ok(WriteOutcome::Conflict);
            }
        }
        for Change { key, write, .. } in &transaction.changes {
            let statement = match write {
                Write::Check => continue,
                Write::Remove => bind(REMOVE, &KeyParts::of(key)),
                Write::Put(version, record) => {
                    let json = serde_json::to_string(record).map_err(|e| {
                        Error::new(ErrorKind::InvalidInput, format!("the {key} cannot be written")).because(e)
                    })?;
                    bind(PUT, &KeyParts::of(key)).bind(version.to_string()).bind(json)
                }
            };
            statement.execute(&mut *open).await.map_err(wrong)?;
        }
        open.commit().await.map_err(wrong)?;
        Ok(WriteOutcome::Written)
    }

    async fn list(&self, query: &Query, after: Option<&Cursor>) -> Result<Page> {
        let wrong = |e| failed("tracking records cannot be listed", e);
        let (kind, prefix) = KeyParts::wanted(query);
        // No key begins with an empty column.
        let columns = after.map(KeyParts::at).transpose()?.unwrap_or_default();
        let statement = match prefix.len() {
            0 => page!(""),
            1 => page!(" AND k1 = ?8"),
            _ => page!(" AND k1 = ?8 AND k2 = ?9"),
        };
        let limit = self.0.0.page.max(1);
        let mut statement = bind(statement, &KeyParts { kind, columns })
            .bind(i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1));
        for column in prefix {
            statement = statement.bind(column);
        }
        let rows = statement.fetch_all(&self.0.0.pool).await.map_err(wrong)?;
        let mut page = Page::default();
        let mut last = None;
        for row in rows.iter().take(limit) {
            let at = KeyParts { kind, columns: key_columns(row).map_err(wrong)? };
            let stored = stored(row, &at.describe(), |record| KeyParts::of(&record.key()) == at);
            if stored.as_ref().map_or(true, |stored| query.admits(&stored.record)) {
                page.records.push(stored);
            }
            last = Some(at);
        }
        page.next = last.filter(|_| rows.len() > limit).map(|at| at.cursor());
        Ok(page)
    }
}

async fn holds(connection: &mut SqliteConnection, change: &Change) -> Result<bool, sqlx::Error> {
    if change.expect == Expect::Anything {
        return Ok(true);
    }
    let row = bind(VERSION, &KeyParts::of(&change.key)).fetch_optional(connection).await?;
    let version = row.map(|row| row.try_get::<Option<String>, _>("version")).transpose()?;
    Ok(match (change.expect, version) {
        (Expect::Absent, version) => version.is_none(),
        (Expect::Unversioned, version) => version == Some(None),
        (Expect::Is(expected), Some(Some(version))) => version == expected.to_string(),
        (Expect::Is(_), _) => false,
        (Expect::Anything, _) => true,
    })
}

fn key_columns(row: &SqliteRow) -> Result<Columns, sqlx::Error> {
    Ok([row.try_get("k1")?, row.try_get("k2")?, row.try_get("k3")?, row.try_get("k4")?, row.try_get("k5")?])
}

/// A row's record, if it can be read and stands where it belongs.
fn stored(row: &SqliteRow, key: &str, fits: impl Fn(&Record) -> bool) -> Result<Stored> {
    let invalid = |what: &str| {
        Error::new(ErrorKind::RecordInvalid, format!("the {key} {what}"))
            .advise("somebody has edited the store's file; mend or remove that row")
    };
    let version: Option<String> = row.try_get("version").map_err(|_| invalid("has a version that is no text"))?;
    let version = version.map(Version::try_from).transpose().map_err(|e| invalid("has no valid version").because(e))?;
    let json: String = row.try_get("record").map_err(|_| invalid("is no text"))?;
    let record: Record = serde_json::from_str(&json).map_err(|e| invalid("cannot be read").because(e))?;
    if !fits(&record) {
        return Err(invalid(&format!("holds the {}", record.key())));
    }
    Ok(Stored { version, record })
}
