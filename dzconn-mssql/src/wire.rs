//! One server connection, and how statements are run on it.

use std::fmt;
use std::time::Duration;

use dzconn_core::engine::Refusal;
use dzconn_core::model::Source;
use dzconn_core::{Deadline, Error, ErrorKind, Result};
use futures_util::TryStreamExt;
use tiberius::{Client, ColumnData, QueryItem, QueryStream, Row, ToSql};
use tokio::net::TcpStream;
use tokio_util::compat::Compat;

use crate::error::{ends_session, lost, number, refusal};
use crate::sql::Query;

/// The rows of one result, every value as text; NULL is empty.
pub(crate) type Rows = Vec<Vec<String>>;

/// How often a deadlock's victim is run.
const TRIES: u32 = 4;

/// The driver's connection.
pub(crate) type Connection = Client<Compat<TcpStream>>;

/// What a request answered.
#[derive(Debug)]
pub(crate) struct Answers {
    /// One for each query that was reached, in order. What only changes something has none.
    pub(crate) results: Vec<Rows>,
    /// What ended it early; under `XACT_ABORT` nothing after that ran.
    pub(crate) refused: Option<Refusal>,
}

impl Answers {
    /// The rows of the query at this place, if it was reached.
    pub(crate) fn rows(&self, place: usize) -> &[Vec<String>] {
        self.results.get(place).map_or(&[], Vec::as_slice)
    }

    /// The refusal as an error.
    pub(crate) fn or_refused(self, what: &str) -> Result<Self> {
        match self.refused {
            None => Ok(self),
            Some(refusal) => Err(refusal.into_error(what)),
        }
    }
}

/// A row with so many columns, as names; what it has not is empty.
pub(crate) fn columns<const N: usize>(row: &[String]) -> [&str; N] {
    let mut values = row.iter().map(String::as_str);
    std::array::from_fn(|_| values.next().unwrap_or_default())
}

/// Whether a row of answers, each 1, 0 or nothing, has a 1.
pub(crate) fn any(row: &[Vec<String>]) -> bool {
    row.iter().flatten().any(|value| value == "1")
}

/// One connection. It never reconnects.
pub(crate) struct Wire {
    connection: Connection,
    source: String,
    timeout: Duration,
    /// Whether a request was left before its end: what comes next on the socket would be its answer.
    unfinished: bool,
}

/// The driver's own shows what it has read last.
impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire")
            .field("source", &self.source)
            .field("unfinished", &self.unfinished)
            .finish_non_exhaustive()
    }
}

impl Wire {
    pub(crate) fn new(connection: Connection, source: &Source, timeout: Duration) -> Self {
        Self { connection, source: source.to_string(), timeout, unfinished: false }
    }

    /// Runs one request.
    ///
    /// # Errors
    /// The connection is lost, or no answer came in time; it cannot be used any more then.
    pub(crate) async fn run(&mut self, query: Query) -> Result<Answers> {
        self.run_for(query, Duration::ZERO).await
    }

    /// The same, for one that waits so much longer.
    ///
    /// One that the server chose as the victim of a deadlock is run again: the statement was rolled back, and what ran before
    /// it in its batch can be repeated.
    pub(crate) async fn run_for(&mut self, query: Query, longer: Duration) -> Result<Answers> {
        let mut pause = Duration::from_millis(10);
        for _ in 1..TRIES {
            let answers = self.run_once(query.clone(), longer).await?;
            if answers.refused.as_ref().is_none_or(|refusal| refusal.number() != number::DEADLOCK) {
                return Ok(answers);
            }
            tokio::time::sleep(pause).await;
            pause *= 3;
        }
        self.run_once(query, longer).await
    }

    async fn run_once(&mut self, query: Query, longer: Duration) -> Result<Answers> {
        if std::mem::replace(&mut self.unfinished, true) {
            return Err(Error::new(ErrorKind::ConnectionLost, "an earlier call was given up half way"));
        }
        // The server's own limit on waiting for locks is shorter, so that its answer is heard.
        let limit = self.timeout + longer + Duration::from_secs(5);
        let answers = Deadline::within(limit).run("a statement", self.perform(query)).await?;
        self.unfinished = false;
        Ok(answers)
    }

    /// # Errors
    /// Also a refusal after which the server closes the connection.
    async fn perform(&mut self, query: Query) -> Result<Answers> {
        let Query { text, bound } = query;
        let secret = text.is_secret();
        let text = text.into_text();
        let mut answers = Answers { results: Vec::new(), refused: None };
        let bound: Vec<&dyn ToSql> = bound.iter().map(|value| value as &dyn ToSql).collect();
        // An RPC sets nothing that outlives it, so what sets the session up goes out as text.
        let stream = if bound.is_empty() {
            self.connection.simple_query(text).await
        } else {
            self.connection.query(text, &bound).await
        };
        let ended = match stream {
            Ok(stream) => collect(stream, &mut answers.results).await,
            Err(error) => Err(error),
        };
        match ended {
            Ok(()) => Ok(answers),
            Err(tiberius::error::Error::Server(error)) => {
                let refusal = refusal(&error, secret);
                if ends_session(error.code(), error.class()) {
                    return Err(refusal.into_error_of(ErrorKind::ConnectionLost, "the server ended the session"));
                }
                answers.refused = Some(refusal);
                Ok(answers)
            }
            Err(error) => Err(lost(error)),
        }
    }

    pub(crate) async fn close(self) -> Result<()> {
        self.connection.close().await.map_err(lost)
    }
}

/// Reads to the end: the driver gives the first error that the server reported after everything else.
async fn collect(mut stream: QueryStream<'_>, results: &mut Vec<Rows>) -> tiberius::Result<()> {
    while let Some(item) = stream.try_next().await? {
        match item {
            QueryItem::Metadata(_) => results.push(Rows::new()),
            QueryItem::Row(row) => {
                let row = texts(row)?;
                if let Some(rows) = results.last_mut() {
                    rows.push(row);
                }
            }
        }
    }
    Ok(())
}

/// The statements ask for names and numbers only.
fn texts(row: Row) -> tiberius::Result<Vec<String>> {
    let text = |value: ColumnData<'static>| {
        let text = match value {
            ColumnData::String(text) => text.map(|text| text.to_string()),
            ColumnData::U8(number) => number.map(|number| number.to_string()),
            ColumnData::I16(number) => number.map(|number| number.to_string()),
            ColumnData::I32(number) => number.map(|number| number.to_string()),
            ColumnData::I64(number) => number.map(|number| number.to_string()),
            ColumnData::Bit(bit) => bit.map(|bit| u8::from(bit).to_string()),
            _ => return Err(tiberius::error::Error::Conversion("a column of a type that was not asked for".into())),
        };
        Ok(text.unwrap_or_default())
    };
    row.into_iter().map(text).collect()
}
