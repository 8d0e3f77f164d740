//! One server connection, and how statements are run on it.

use std::time::Duration;

use dzconn_core::sql::Sql;
use dzconn_core::{Deadline, Error, ErrorKind, Result};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Connection, Row};
use tokio::time::sleep;

use crate::error;
use crate::sql::{self, Statement};

/// How often something that another transaction got in the way of is tried.
pub(crate) const TRIES: u32 = 5;

/// How much longer than the server's own time-outs an answer is waited for.
const GRACE: Duration = Duration::from_secs(15);

/// The columns of a row; NULL is the empty string.
pub(crate) type Columns = Vec<String>;

/// One connection. It never reconnects. Everything goes through the simple query protocol: a batch is one round trip and one
/// transaction.
#[derive(Debug)]
pub(crate) struct Wire {
    connection: PgConnection,
    patience: Duration,
    /// Keys of the locks that the session has taken and not given back.
    locks: Vec<i64>,
    /// Whether a batch was left before its end: what comes next on the socket would be its answer.
    unfinished: bool,
}

impl Wire {
    pub(crate) fn new(connection: PgConnection, statement_timeout: Duration) -> Self {
        Self { connection, patience: statement_timeout + GRACE, locks: Vec::new(), unfinished: false }
    }

    /// Runs one batch and gives the rows of its queries.
    async fn run(&mut self, doing: &str, batch: Sql, patience: Duration) -> Result<Vec<Columns>> {
        if self.unfinished {
            return Err(Error::new(ErrorKind::ConnectionLost, format!("{doing}: an earlier answer was not awaited")));
        }
        self.unfinished = true;
        let secret = batch.is_secret();
        let answer = async {
            let rows = sqlx::raw_sql(sql::into_driver(batch)).fetch_all(&mut self.connection).await;
            rows.map_err(|cause| error::of_statement(cause, doing, secret))
        };
        let answer = Deadline::within(patience).run(doing, answer).await;
        self.unfinished = matches!(&answer, Err(e) if e.kind().ends_session() && e.kind() != ErrorKind::LockLost);
        let rows = answer?;
        rows.iter().map(texts).collect::<Result<_, _>>().map_err(|cause| error::of_statement(cause, doing, false))
    }

    /// Runs statements that change nothing that the lock protects, and one query.
    pub(crate) async fn look(
        &mut self,
        doing: &str,
        statements: impl IntoIterator<Item = Statement>,
        query: Sql,
    ) -> Result<Vec<Columns>> {
        let batch = sql::batch(statements.into_iter().chain([Statement::always(query)]));
        self.run(doing, batch, self.patience).await
    }

    /// Runs statements that change something, and only while the lock is held; what another transaction got in the way of
    /// is run again. `make` gives them anew for each try.
    pub(crate) async fn change(&mut self, doing: &str, make: impl Fn() -> Vec<Statement>) -> Result<Vec<Columns>> {
        let mut pause = Duration::from_millis(10);
        for _ in 1..TRIES {
            match self.change_once(doing, make()).await {
                Err(error) if error::is_rejection(&error) => sleep(pause).await,
                answer => return answer,
            }
            pause *= 3;
        }
        self.change_once(doing, make()).await
    }

    async fn change_once(&mut self, doing: &str, statements: Vec<Statement>) -> Result<Vec<Columns>> {
        let guards = self.locks.iter().copied().map(sql::guard);
        let batch = sql::batch(guards.chain(statements));
        let answer = self.run(doing, batch, self.patience).await;
        match answer {
            // The server has ended the session, and with it the lock and the transaction.
            Err(error) if !self.locks.is_empty() && matches!(error::code(&error), "57P01" | "57P05") => {
                Err(Error::new(ErrorKind::LockLost, error.detail()).vendor(error.vendor_code().unwrap_or_default()))
            }
            answer => answer,
        }
    }

    /// Takes the lock of this key, and checks it from now on before every change.
    pub(crate) async fn lock(&mut self, number: i64, wait: Duration, hold: Option<Duration>) -> Result<()> {
        self.run("taking the lock", sql::lock(number, wait, hold), wait + GRACE).await?;
        if !self.locks.contains(&number) {
            self.locks.push(number);
        }
        Ok(())
    }

    /// Gives back what was taken, if anything was.
    pub(crate) async fn unlock(&mut self, ends_silent_sessions: bool) -> Result<()> {
        if !std::mem::take(&mut self.locks).is_empty() {
            self.run("giving the lock back", sql::unlock(ends_silent_sessions), self.patience).await?;
        }
        Ok(())
    }

    pub(crate) async fn close(self) -> Result<()> {
        let close = self.connection.close();
        let closing = async { close.await.map_err(|cause| error::of_statement(cause, "closing", false)) };
        Deadline::within(GRACE).run("closing", closing).await
    }
}

pub(crate) fn columns<const N: usize>(row: Columns) -> Option<[String; N]> {
    row.try_into().ok()
}

/// The simple query protocol answers in text.
fn texts(row: &PgRow) -> Result<Columns, sqlx::Error> {
    (0..row.len()).map(|at| row.try_get_unchecked::<Option<String>, _>(at).map(Option::unwrap_or_default)).collect()
}
