//! Secrets as rows. A burnt one leaves its name, without a value.

use async_trait::async_trait;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::error::failed;
use super::{ACCOUNT, LocalStore};
use crate::model::{AccountId, Credentials, Principal, SecretId, SecretName, SecretTags};
use crate::store::{CredentialStore, NewSecret, SecretVersion, Slot, StoredSecret, WriteOutcome};
use crate::{Error, ErrorKind, Result, Secret, Timestamp};

/// The secrets of a [`LocalStore`], of one account. A secret's id is `local:<name>`, or `local:<account>:<name>` in another
/// account than the file's own.
#[derive(Clone, Debug)]
pub struct LocalCredentials {
    store: LocalStore,
    account: String,
    /// Who reads what others share; nobody in particular in the file's own account.
    caller: Option<Principal>,
}

const READ: &str = "SELECT version, value, pending, burnt, readers FROM secrets WHERE account = ?1 AND name = ?2";
const CREATE: &str = "INSERT INTO secrets (account, name, version, value, domain, project, environment, last_updated)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (account, name) DO NOTHING";
const REPLACE: &str = "UPDATE secrets
    SET version = ?3, value = ?4, domain = ?5, project = ?6, environment = ?7, last_updated = ?8
    WHERE account = ?1 AND name = ?2 AND version = ?9 AND NOT burnt";
const SHARE: &str = "UPDATE secrets SET readers = ?3, last_updated = ?4 WHERE account = ?1 AND name = ?2 AND NOT burnt AND readers <> ?3";
const IS_LIVE: &str = "SELECT 1 FROM secrets WHERE account = ?1 AND name = ?2 AND NOT burnt";
const BURN: &str = "INSERT INTO secrets (account, name, burnt, last_updated) VALUES (?1, ?2, 1, ?3)
    ON CONFLICT (account, name) DO UPDATE
    SET burnt = 1, version = NULL, value = NULL, pending = NULL, last_updated = excluded.last_updated WHERE NOT burnt";
const FORGET: &str = "DELETE FROM proposals WHERE account = ?1 AND name = ?2";
const PROPOSE: &str = "INSERT INTO proposals (account, name, version, value)
    SELECT account, name, ?3, ?4 FROM secrets WHERE account = ?1 AND name = ?2 AND NOT burnt
    ON CONFLICT (account, name, version) DO NOTHING";
const NOW_PENDING: &str = "UPDATE secrets SET pending = ?3, last_updated = ?4 WHERE account = ?1 AND name = ?2";
const PROPOSED: &str =
    "SELECT p.version, p.value, s.pending, s.burnt FROM secrets AS s JOIN proposals AS p USING (account, name)
    WHERE s.account = ?1 AND s.name = ?2 AND p.version = ?3";
const PROMOTE: &str = "UPDATE secrets
    SET version = p.version, value = p.value, pending = nullif(pending, p.version), last_updated = ?5
    FROM proposals AS p
    WHERE p.account = ?1 AND p.name = ?2 AND p.version = ?4
    AND secrets.account = ?1 AND secrets.name = ?2 AND secrets.version = ?3 AND NOT secrets.burnt";
const IS_CURRENT: &str = "SELECT 1 FROM secrets WHERE account = ?1 AND name = ?2 AND version = ?3";
const LIVE: &str = "SELECT name FROM secrets WHERE account = ?1 AND NOT burnt ORDER BY name";
const TAGS: &str = "SELECT domain, project, environment FROM secrets WHERE account = ?1 AND name = ?2 AND NOT burnt";

type Bound<'q> = sqlx::query::Query<'q, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

impl LocalCredentials {
    pub(super) fn new(store: LocalStore, other: Option<(AccountId, Principal)>) -> Self {
        let (account, caller) =
            other.map_or((ACCOUNT.to_owned(), None), |(account, caller)| (account.into(), Some(caller)));
        Self { store, account, caller }
    }

    /// Whose a live secret is.
    ///
    /// # Errors
    /// Whatever keeps the file from being read.
    pub async fn tags(&self, name: &SecretName) -> Result<Option<SecretTags>> {
        let wrong = |e| failed("a secret's tags cannot be read", e);
        let row = self.query(TAGS, name).fetch_optional(&self.store.0.pool).await.map_err(wrong)?;
        let Some(row) = row else { return Ok(None) };
        let text = |column| row.try_get::<String, _>(column).map_err(wrong);
        Ok(Some(SecretTags {
            domain: text("domain")?.parse()?,
            project: text("project")?.parse()?,
            environment: text("environment")?.parse()?,
        }))
    }

    /// The names of all live secrets of the account, in order.
    ///
    /// # Errors
    /// Whatever keeps the file from being read.
    pub async fn live(&self) -> Result<Vec<SecretName>> {
        let names: Vec<String> = sqlx::query_scalar(LIVE)
            .bind(self.account.clone())
            .fetch_all(&self.store.0.pool)
            .await
            .map_err(|e| failed("the secrets cannot be listed", e))?;
        names.into_iter().map(SecretName::new).collect()
    }

    fn query<'q>(&self, statement: &'static str, name: &SecretName) -> Bound<'q> {
        sqlx::query(statement).bind(self.account.clone()).bind(name.to_string())
    }

    /// Binds a new value and its tags, under a new version.
    fn write<'q>(&self, statement: &'static str, name: &SecretName, secret: &NewSecret) -> Result<Bound<'q>> {
        let version = format!("{:032x}", rand::random::<u128>());
        let value = self.value(name, &version, &secret.credentials)?;
        let SecretTags { domain, project, environment } = secret.tags.clone();
        Ok(self
            .query(statement, name)
            .bind(version)
            .bind(value)
            .bind(String::from(domain))
            .bind(String::from(project))
            .bind(String::from(environment))
            .bind(Timestamp::now().to_string()))
    }

    fn value(&self, name: &SecretName, version: &str, credentials: &Credentials) -> Result<Vec<u8>> {
        let json = credentials.to_json();
        match &self.store.0.cipher {
            Some(cipher) => cipher.seal(&json, &place(&self.account, name, version)),
            None => Ok(json.expose().as_bytes().to_vec()),
        }
    }

    async fn row(&self, account: &str, name: &SecretName) -> Result<Option<SqliteRow>> {
        sqlx::query(READ)
            .bind(account.to_owned())
            .bind(name.to_string())
            .fetch_optional(&self.store.0.pool)
            .await
            .map_err(|e| failed("a secret cannot be read", e))
    }

    fn slot(&self, account: &str, name: &SecretName, row: &SqliteRow) -> Result<Slot> {
        let wrong = |e| failed("a secret cannot be read", e);
        if row.try_get("burnt").map_err(wrong)? {
            return Ok(Slot::Burnt);
        }
        let version: String = row.try_get("version").map_err(wrong)?;
        let value: Vec<u8> = row.try_get("value").map_err(wrong)?;
        let json = match &self.store.0.cipher {
            Some(cipher) => cipher.open(&value, &place(account, name, &version)),
            None => String::from_utf8(value).ok().map(Secret::new),
        };
        let json = json.ok_or_else(|| {
            Error::new(ErrorKind::SecretInvalid, format!("the value of {name} was altered, or belongs to another name"))
                .advise("restore the store's file from a backup, or revoke and grant again")
        })?;
        Ok(Slot::Live(Box::new(StoredSecret {
            id: address(account, name)?,
            version: SecretVersion::new(version),
            credentials: Credentials::from_json(&json)?,
            pending: row.try_get::<Option<String>, _>("pending").map_err(wrong)?.map(SecretVersion::new),
        })))
    }
}

/// What an encrypted value is bound to. Neither account nor name holds a NUL.
fn place(account: &str, name: &SecretName, version: &str) -> String {
    format!("dzconn local store\0secret\0{account}\0{name}\0{version}")
}

fn address(account: &str, name: &SecretName) -> Result<SecretId> {
    SecretId::new(if account == ACCOUNT { format!("local:{name}") } else { format!("local:{account}:{name}") })
}

fn parse(id: &SecretId) -> Result<(String, SecretName)> {
    let rest = id.as_str().strip_prefix("local:").ok_or_else(|| {
        Error::new(ErrorKind::InvalidInput, format!("{id} is not the id of a secret in a local store"))
            .advise("such an id has the form local:<name> or local:<account>:<name>")
    })?;
    // A name holds no colon, an account may.
    let (account, name) = rest.rsplit_once(':').unwrap_or((ACCOUNT, rest));
    Ok((account.to_owned(), SecretName::new(name)?))
}

#[async_trait]
impl CredentialStore for LocalCredentials {
    async fn read(&self, name: &SecretName) -> Result<Slot> {
        let row = self.row(&self.account, name).await?;
        row.map_or(Ok(Slot::Empty), |row| self.slot(&self.account, name, &row))
    }

    async fn inspect(&self, name: &SecretName) -> Result<Slot> {
        self.read(name).await
    }

    async fn read_shared(&self, id: &SecretId) -> Result<Slot> {
        let (owner, name) = parse(id)?;
        if owner == self.account {
            return self.read(&name).await;
        }
        let caller = self.caller.as_ref().map_or(ACCOUNT, Principal::as_str);
        let denied = || {
            Error::new(ErrorKind::StoreDenied, format!("{id} is not shared with {caller}"))
                .advise("the secret's owner must share it with the role that reads it")
        };
        let row = self.row(&owner, &name).await?.ok_or_else(denied)?;
        let wrong = |e| failed("a secret cannot be read", e);
        let burnt: bool = row.try_get("burnt").map_err(wrong)?;
        let readers: String = row.try_get("readers").map_err(wrong)?;
        let readers: Vec<String> = serde_json::from_str(&readers).unwrap_or_default();
        if !burnt && !readers.iter().any(|reader| reader == caller) {
            return Err(denied());
        }
        self.slot(&owner, &name, &row)
    }

    async fn create(&self, name: &SecretName, secret: &NewSecret) -> Result<Slot> {
        self.write(CREATE, name, secret)?
            .execute(&self.store.0.pool)
            .await
            .map_err(|e| failed("a secret cannot be created", e))?;
        self.read(name).await
    }

    async fn replace(&self, name: &SecretName, seen: &SecretVersion, secret: &NewSecret) -> Result<WriteOutcome> {
        let result = self
            .write(REPLACE, name, secret)?
            .bind(seen.as_str().to_owned())
            .execute(&self.store.0.pool)
            .await
            .map_err(|e| failed("a secret cannot be replaced", e))?;
        Ok(if result.rows_affected() == 1 { WriteOutcome::Written } else { WriteOutcome::Conflict })
    }

    async fn propose(&self, name: &SecretName, version: &SecretVersion, value: &Credentials) -> Result<Slot> {
        let wrong = |e| failed("a secret's new value cannot be kept", e);
        let version = version.as_choice()?.to_owned();
        let value = self.value(name, &version, value)?;
        let mut transaction = self.store.0.pool.begin_with("BEGIN IMMEDIATE").await.map_err(wrong)?;
        let propose = self.query(PROPOSE, name).bind(version.clone()).bind(value);
        if propose.execute(&mut *transaction).await.map_err(wrong)?.rows_affected() == 1 {
            let pending = self.query(NOW_PENDING, name).bind(version.clone()).bind(Timestamp::now().to_string());
            pending.execute(&mut *transaction).await.map_err(wrong)?;
        }
        let there = self.query(PROPOSED, name).bind(version).fetch_optional(&mut *transaction).await.map_err(wrong)?;
        transaction.commit().await.map_err(wrong)?;
        match there {
            Some(row) => self.slot(&self.account, name, &row),
            None => self.read(name).await,
        }
    }

    async fn promote(&self, name: &SecretName, seen: &SecretVersion, version: &SecretVersion) -> Result<WriteOutcome> {
        let wrong = |e| failed("a secret's new value cannot be promoted", e);
        let pool = &self.store.0.pool;
        let promote = self.query(PROMOTE, name).bind(seen.as_str().to_owned()).bind(version.as_str().to_owned());
        let promoted = promote.bind(Timestamp::now().to_string()).execute(pool).await.map_err(wrong)?;
        if promoted.rows_affected() == 1 {
            return Ok(WriteOutcome::Written);
        }
        let current = self.query(IS_CURRENT, name).bind(version.as_str().to_owned());
        let current = current.fetch_optional(pool).await.map_err(wrong)?.is_some();
        Ok(if current { WriteOutcome::Written } else { WriteOutcome::Conflict })
    }

    async fn share(&self, name: &SecretName, readers: &[Principal]) -> Result<()> {
        let wrong = |e| failed("a secret cannot be shared", e);
        let mut readers: Vec<_> = readers.iter().map(Principal::as_str).collect();
        readers.sort_unstable();
        readers.dedup();
        let changed = self
            .query(SHARE, name)
            .bind(serde_json::Value::from(readers).to_string())
            .bind(Timestamp::now().to_string())
            .execute(&self.store.0.pool)
            .await
            .map_err(wrong)?;
        if changed.rows_affected() == 1
            || self.query(IS_LIVE, name).fetch_optional(&self.store.0.pool).await.map_err(wrong)?.is_some()
        {
            return Ok(());
        }
        Err(Error::new(ErrorKind::SecretGone, format!("there is no secret {name} in the local store")))
    }

    async fn burn(&self, name: &SecretName) -> Result<()> {
        let wrong = |e| failed("a secret cannot be burnt", e);
        let mut transaction = self.store.0.pool.begin_with("BEGIN IMMEDIATE").await.map_err(wrong)?;
        let burn = self.query(BURN, name).bind(Timestamp::now().to_string());
        burn.execute(&mut *transaction).await.map_err(wrong)?;
        self.query(FORGET, name).execute(&mut *transaction).await.map_err(wrong)?;
        transaction.commit().await.map_err(wrong)?;
        if self.store.0.cipher.is_none() {
            // The value is still in the journal. Where others are using the file, it goes with their next checkpoint.
            let emptied = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&self.store.0.pool).await;
            if let Err(e) = emptied {
                tracing::debug!(error = %failed("the journal cannot be emptied", e), "burnt");
            }
        }
        Ok(())
    }

    async fn names(&self, prefix: &str) -> Result<Vec<SecretName>> {
        let names: Vec<String> = sqlx::query_scalar(LIVE)
            .bind(&self.account)
            .fetch_all(&self.store.0.pool)
            .await
            .map_err(|e| failed("the secrets cannot be listed", e))?;
        names.into_iter().filter(|name| name.starts_with(prefix)).map(SecretName::new).collect()
    }
}
