//! One server connection, and how statements are run on it.
//!
//! The drivers block. Whatever of them may is run by [`blocking`], and so on a thread that no runtime waits for.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use dzconn_core::{Deadline, Error, ErrorKind, Result};
use tokio::sync::oneshot;

use crate::driver::{Connection, Driver, Login, Refusal, Rows, Trouble};
use crate::error::{Refused, kind, lost};
use crate::sql::Statement;

/// How much longer than the driver itself the session waits, so that the driver's answer is heard.
const GRACE: Duration = Duration::from_secs(2);

/// Drivers count in small integers.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

/// What a statement answered.
pub(crate) type Answer = std::result::Result<Rows, Refused>;

/// Runs what blocks, and frees the caller at the deadline, or when it is dropped, whatever becomes of the work.
///
/// It is a thread of its own and not one of tokio's `spawn_blocking`: a runtime that shuts down waits for those, and a driver
/// that hangs on a silent listener would keep the whole program. What the work answers when nobody listens any more is dropped
/// on that thread: a connection is closed there.
async fn blocking<T: Send + 'static>(
    deadline: Deadline,
    what: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    let (answer, answered) = oneshot::channel();
    let run = move || drop(answer.send(work()));
    std::thread::Builder::new()
        .name("dzconn-oracle".to_owned())
        .spawn(run)
        .map_err(|error| Error::new(ErrorKind::Unexpected, "no thread can be started").because(error))?;
    let heard = async {
        // The thread has ended without an answer: it panicked.
        answered.await.map_err(|_| Error::new(ErrorKind::Unexpected, "the driver broke off; its message is on stderr"))
    };
    deadline.run(what, heard).await
}

/// Logs in.
///
/// # Errors
/// The outer one if the driver did not answer in time or broke off.
pub(crate) async fn connect(
    driver: &Arc<dyn Driver>,
    login: Login,
    deadline: Deadline,
) -> Result<std::result::Result<Box<dyn Connection>, Refusal>> {
    let driver = Arc::clone(driver);
    let timeout = deadline.remaining();
    blocking(deadline, "connecting", move || driver.connect(&login, timeout)).await
}

/// One connection. It never reconnects.
pub(crate) struct Wire {
    /// Not there while a call is under way; a call that was given up never brings it back, and the session is of no use any
    /// more.
    connection: Option<Box<dyn Connection>>,
    source: String,
    pub(crate) timeout: Duration,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire")
            .field("source", &self.source)
            .field("usable", &self.connection.is_some())
            .finish_non_exhaustive()
    }
}

impl Wire {
    pub(crate) fn new(connection: Box<dyn Connection>, source: &impl fmt::Display, timeout: Duration) -> Self {
        Self { connection: Some(connection), source: source.to_string(), timeout }
    }

    /// Runs a statement.
    ///
    /// # Errors
    /// The outer one: the connection is lost, or no answer came in time; it cannot be used any more then.
    pub(crate) async fn run(&mut self, statement: impl Into<Statement>) -> Result<Answer> {
        self.run_for(statement.into(), Duration::ZERO).await
    }

    /// The same, for a statement that waits so much longer.
    pub(crate) async fn run_for(&mut self, statement: Statement, longer: Duration) -> Result<Answer> {
        let Some(mut connection) = self.connection.take() else {
            return Err(Error::new(ErrorKind::ConnectionLost, "an earlier call was given up half way"));
        };
        let limit = self.timeout.saturating_add(longer).min(LONGEST);
        let secret = statement.secret;
        let work = move || {
            let answer = connection.execute(statement.sql.as_str(), &statement.binds, limit);
            (connection, answer)
        };
        let (connection, answer) = blocking(Deadline::within(limit + GRACE), "a statement", work).await?;
        let answer = match answer {
            Ok(rows) => Ok(rows),
            Err(Refusal { trouble: Trouble::Server(number), text }) if !ends_session(number) => {
                Err(Refused::new(number, text, secret))
            }
            Err(refusal) => {
                close_elsewhere(connection);
                return Err(lost(refusal, secret));
            }
        };
        self.connection = Some(connection);
        Ok(answer)
    }

    /// Names the source in an error.
    pub(crate) fn name(&self, error: Error) -> Error {
        error.on_source(&self.source)
    }

    pub(crate) async fn close(mut self) -> Result<()> {
        let Some(connection) = self.connection.take() else { return Ok(()) };
        let closed = blocking(Deadline::within(self.timeout), "logging off", move || connection.close()).await?;
        closed.map_err(|refusal| lost(refusal, false))
    }
}

/// A session that is dropped closes its connection, which may block.
impl Drop for Wire {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            close_elsewhere(connection);
        }
    }
}

/// Without a thread it is closed here, when the closure is dropped.
fn close_elsewhere(connection: Box<dyn Connection>) {
    drop(std::thread::Builder::new().name("dzconn-oracle".to_owned()).spawn(move || drop(connection)));
}

/// Whether the connection is of no use after this number. A call that was cancelled (1013) may have had its effect or not.
fn ends_session(number: u32) -> bool {
    matches!(kind(number), ErrorKind::ConnectionLost | ErrorKind::Timeout)
}
