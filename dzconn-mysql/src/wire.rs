//! One server connection, and how statements are run on it.

use std::fmt;
use std::time::Duration;

use dzconn_core::engine::Refusal;
use dzconn_core::model::Source;
use dzconn_core::sql::Sql;
use dzconn_core::{Deadline, Error, ErrorKind, Result};
use futures_util::TryStreamExt;
use sqlx::mysql::{MySqlConnection, MySqlDatabaseError, MySqlRow};
use sqlx::{Connection, Either, Row};

use crate::error::{lost, refusal};
use crate::sql::{Flavor, batch, into_driver};

/// The rows of one statement, every value as text; NULL is empty.
pub(crate) type Rows = Vec<Vec<String>>;

/// How far a batch came.
#[derive(Debug)]
pub(crate) struct Answers {
    /// What each statement answered that was carried out, in order.
    pub(crate) done: Vec<Rows>,
    /// What the next one was refused with; those after it did not run.
    pub(crate) refused: Option<Refusal>,
}

impl Answers {
    /// The rows of the statement at this place, if it was reached.
    pub(crate) fn rows(&self, place: usize) -> &[Vec<String>] {
        self.done.get(place).map_or(&[], Vec::as_slice)
    }

    /// The value at this place of a row.
    pub(crate) fn value(&self, place: usize, column: usize) -> &str {
        self.rows(place).first().and_then(|row| row.get(column)).map_or("", String::as_str)
    }

    /// The refusal as an error.
    pub(crate) fn or_refused(self, what: &str) -> Result<Self> {
        match self.refused {
            None => Ok(self),
            Some(refusal) => Err(refusal.into_error(what)),
        }
    }
}

/// One connection. It never reconnects.
pub(crate) struct Wire {
    connection: MySqlConnection,
    source: String,
    pub(crate) flavor: Flavor,
    pub(crate) timeout: Duration,
    /// Whether a batch was left before its end: what comes next on the socket would be its answer.
    unfinished: bool,
}

/// The driver's own would do no harm, but has nothing to say.
impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire")
            .field("source", &self.source)
            .field("flavor", &self.flavor)
            .field("unfinished", &self.unfinished)
            .finish_non_exhaustive()
    }
}

impl Wire {
    pub(crate) fn new(connection: MySqlConnection, source: &Source, timeout: Duration) -> Self {
        let flavor = if source.endpoint.subprotocol == "mariadb" { Flavor::MariaDb } else { Flavor::MySql };
        Self { connection, source: source.to_string(), flavor, timeout, unfinished: false }
    }

    /// Runs statements in one round trip, up to the first that is refused.
    ///
    /// # Errors
    /// The connection is lost, or no answer came in time; it cannot be used any more then.
    pub(crate) async fn run(&mut self, statements: Vec<Sql>) -> Result<Answers> {
        self.run_for(statements, Duration::ZERO).await
    }

    /// The same, for statements that wait so much longer.
    pub(crate) async fn run_for(&mut self, statements: Vec<Sql>, longer: Duration) -> Result<Answers> {
        if std::mem::replace(&mut self.unfinished, true) {
            return Err(Error::new(ErrorKind::ConnectionLost, "an earlier call was given up half way"));
        }
        // The server's own limits are shorter, so that its answer is heard.
        let limit = self.timeout + longer + Duration::from_secs(5);
        let answers = Deadline::within(limit).run("a statement", self.perform(statements)).await?;
        let ends = answers.refused.as_ref().is_some_and(|refusal| refusal.kind() == ErrorKind::ConnectionLost);
        match answers.refused {
            Some(refusal) if ends => Err(refusal.into_error("the server ended the session")),
            refused => {
                self.unfinished = false;
                Ok(Answers { done: answers.done, refused })
            }
        }
    }

    async fn perform(&mut self, statements: Vec<Sql>) -> Result<Answers> {
        let secret = statements.iter().any(Sql::is_secret);
        let mut stream = sqlx::raw_sql(into_driver(batch(statements))).fetch_many(&mut self.connection);
        let mut answers = Answers { done: Vec::new(), refused: None };
        let mut rows = Rows::new();
        loop {
            match stream.try_next().await {
                Ok(Some(Either::Right(row))) => rows.push(texts(&row)?),
                Ok(Some(Either::Left(_))) => answers.done.push(std::mem::take(&mut rows)),
                Ok(None) => return Ok(answers),
                Err(sqlx::Error::Database(error)) => {
                    let error =
                        error.try_downcast::<MySqlDatabaseError>().map_err(|e| lost(sqlx::Error::Database(e)))?;
                    answers.refused = Some(refusal(&error, self.flavor, secret));
                    return Ok(answers);
                }
                Err(error) => return Err(lost(error)),
            }
        }
    }

    pub(crate) async fn close(self) -> Result<()> {
        self.connection.close().await.map_err(lost)
    }
}

/// Outside prepared statements every value comes as text, whatever its column's type.
fn texts(row: &MySqlRow) -> Result<Vec<String>> {
    (0..row.len())
        .map(|column| row.try_get_unchecked::<Option<String>, _>(column).map(Option::unwrap_or_default).map_err(lost))
        .collect()
}
