//! Connections, and how names and texts are written.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use dzconn_core::Result;
use dzconn_core::model::{TableName, UserName};
use dzconn_core::testkit::engine::{Attempt, Attempted, UserSession};
use dzconn_oracle::driver::{Connection, Driver, Login, Refusal, Rows, Trouble};

use super::trouble;

/// No statement here takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// What keeps a login out: wrong or unknown; locked; expired; without CREATE SESSION.
pub(super) const REFUSED: [u32; 4] = [1017, 28000, 28001, 1045];

/// Killed, or told so before; and what a client sees when the server has closed the connection.
const ENDED: [u32; 6] = [28, 1012, 2396, 3113, 3114, 3135];

/// No such table for this user; no right; no right, as 23ai says it.
const DENIED: [u32; 3] = [942, 1031, 41900];

/// A connection, whose calls block, on threads where they may.
#[derive(Debug)]
pub(super) struct Client(Arc<Mutex<Box<dyn Connection>>>);

impl Client {
    pub(super) async fn connect(driver: &Arc<dyn Driver>, login: Login) -> std::result::Result<Self, Refusal> {
        let driver = Arc::clone(driver);
        let connection = blocking(move || driver.connect(&login, PATIENCE)).await?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    pub(super) async fn run(&self, sql: &str) -> std::result::Result<Rows, Refusal> {
        let (connection, sql) = (Arc::clone(&self.0), sql.to_owned());
        blocking(move || connection.lock().unwrap_or_else(PoisonError::into_inner).execute(&sql, &[], PATIENCE)).await
    }

    /// Runs a statement that must work, save for these numbers.
    pub(super) async fn must(&self, sql: &str, but: &[u32]) -> Result<Rows> {
        match self.run(sql).await {
            Ok(rows) => Ok(rows),
            Err(refusal) if code(&refusal).is_some_and(|code| but.contains(&code)) => Ok(Rows::new()),
            Err(refusal) => Err(trouble(format!("{} in: {}", refusal.text, shown(sql)))),
        }
    }
}

async fn blocking<T: Send + 'static>(
    call: impl FnOnce() -> std::result::Result<T, Refusal> + Send + 'static,
) -> std::result::Result<T, Refusal> {
    tokio::task::spawn_blocking(call).await.unwrap_or_else(|_| Err(Refusal::new(Trouble::Other, "the call panicked")))
}

pub(super) fn code(refusal: &Refusal) -> Option<u32> {
    match refusal.trouble {
        Trouble::Server(code) => Some(code),
        _ => None,
    }
}

/// A statement, up to a password.
pub(super) fn shown(sql: &str) -> &str {
    sql.split_once("IDENTIFIED").map_or(sql, |(shown, _)| shown)
}

pub(super) fn ident(name: &str) -> String {
    format!("\"{name}\"")
}

pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

pub(super) fn relation(table: &TableName) -> String {
    format!("{}.{}", ident(table.schema().unwrap_or_default()), ident(table.name()))
}

pub(super) fn text(row: &[Option<String>], at: usize) -> &str {
    row.get(at).and_then(Option::as_deref).unwrap_or_default()
}

/// No name and no password has one, however it is written.
pub(super) fn can_be(name: &str) -> bool {
    !name.contains(['"', '\0'])
}

#[derive(Debug)]
pub(super) struct Consumer {
    pub(super) client: Client,
    pub(super) read: &'static str,
}

#[async_trait]
impl UserSession for Consumer {
    async fn attempt(&mut self, attempt: &Attempt) -> Result<Attempted> {
        let user = |user: &UserName| ident(user.as_str());
        let sql = match attempt {
            Attempt::Read(table) => format!("SELECT COUNT(*) FROM {}", relation(table)),
            Attempt::Insert(table) => format!("INSERT INTO {} VALUES (3, 'three')", relation(table)),
            Attempt::Update(table) => format!("UPDATE {} SET name = 'none'", relation(table)),
            Attempt::Delete(table) => format!("DELETE FROM {}", relation(table)),
            Attempt::DropTable(table) => format!("DROP TABLE {}", relation(table)),
            Attempt::CreateTable(table) => format!("CREATE TABLE {} (id NUMBER)", relation(table)),
            Attempt::CreateUser(name) => format!("CREATE USER {} IDENTIFIED BY \"Aa1-none\"", user(name)),
            Attempt::Grant(table, name) => format!("GRANT {} ON {} TO {}", self.read, relation(table), user(name)),
        };
        match self.client.run(&sql).await {
            Ok(rows) => {
                let count = rows.first().map_or("", |row| text(row, 0)).parse();
                Ok(Attempted::Did(count.unwrap_or_default()))
            }
            Err(refusal) if refusal.trouble == Trouble::Lost => Ok(Attempted::Ended),
            Err(refusal) => match code(&refusal) {
                Some(code) if ENDED.contains(&code) => Ok(Attempted::Ended),
                Some(code) if DENIED.contains(&code) => Ok(Attempted::Denied),
                _ => Err(trouble(format!("{} in: {}", refusal.text, shown(&sql)))),
            },
        }
    }
}
