//! One server connection, and how statements are run on it.
//!
//! The drivers block. Whatever of them may is run by [`blocking`], and so on a thread that no runtime waits for.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use dzconn_core::engine::Refusal;
use dzconn_core::model::Source;
use dzconn_core::{Deadline, Error, ErrorKind, Result};
use tokio::sync::oneshot;

use crate::driver::{self, Connection, Driver, Login, Rows, Trouble};
use crate::error::{kind, lost, refusal};
use crate::sql::Statement;

/// How much longer than the driver itself the session waits, so that the driver's answer is heard.
const GRACE: Duration = Duration::from_secs(2);

/// Drivers count in small integers.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

/// What a statement answered.
pub(crate) type Answer = std::result::Result<Rows, Refusal>;

/// How many calls may hang in a driver that their callers have given up. Each keeps a thread and a socket.
const ABANDONED: usize = 16;

/// The calls of a connector's sessions that were given up and have not come back.
pub(crate) type Abandoned = Arc<AtomicUsize>;

/// One of the two ends of a call. It is abandoned when the caller goes without an answer, until the thread goes too: whichever
/// is second takes it off the count.
struct End {
    other_has_gone: Arc<AtomicBool>,
    abandoned: Abandoned,
    is_caller: bool,
    answered: bool,
}

impl Drop for End {
    fn drop(&mut self) {
        if self.answered {
            return;
        }
        // Counted before it is told, so that the thread cannot take off what has not been put on.
        if self.is_caller {
            self.abandoned.fetch_add(1, Ordering::SeqCst);
        }
        if self.other_has_gone.swap(true, Ordering::SeqCst) {
            self.abandoned.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

/// Runs what blocks, and frees the caller at the deadline, or when it is dropped, whatever becomes of the work.
///
/// It is a thread of its own and not one of tokio's `spawn_blocking`: a runtime that shuts down waits for those, and a driver
/// that hangs on a silent listener would keep the whole program. What the work answers when nobody listens any more is dropped
/// on that thread: a connection is closed there.
async fn blocking<T: Send + 'static>(
    abandoned: &Abandoned,
    deadline: Deadline,
    what: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    let (answer, answered) = oneshot::channel();
    let gone = Arc::new(AtomicBool::new(false));
    let end = |is_caller| End {
        other_has_gone: Arc::clone(&gone),
        abandoned: Arc::clone(abandoned),
        is_caller,
        answered: false,
    };
    let (mut caller, thread) = (end(true), end(false));
    let run = move || {
        let _end = thread;
        drop(answer.send(work()));
    };
    std::thread::Builder::new()
        .name("dzconn-oracle".to_owned())
        .spawn(run)
        .map_err(|error| Error::new(ErrorKind::Unexpected, "no thread can be started").because(error))?;
    let heard = async {
        let answer = answered.await;
        caller.answered = true;
        // The thread has ended without an answer: it panicked.
        answer.map_err(|_| Error::new(ErrorKind::Unexpected, "the driver broke off; its message is on stderr"))
    };
    deadline.run(what, heard).await
}

/// Logs in.
///
/// # Errors
/// The outer one if the driver did not answer in time or broke off, or hangs in too many calls already.
pub(crate) async fn connect(
    driver: &Arc<dyn Driver>,
    login: Login,
    deadline: Deadline,
    abandoned: &Abandoned,
) -> Result<std::result::Result<Box<dyn Connection>, driver::Refusal>> {
    if abandoned.load(Ordering::SeqCst) >= ABANDONED {
        let what = format!("{ABANDONED} earlier calls of the driver still hang, and no more are begun");
        return Err(Error::new(ErrorKind::Unreachable, what)
            .advise("look for listeners that take connections and say nothing; each call ends with its connection"));
    }
    let driver = Arc::clone(driver);
    let timeout = deadline.remaining();
    blocking(abandoned, deadline, "connecting", move || driver.connect(&login, timeout)).await
}

/// One connection. It never reconnects.
pub(crate) struct Wire {
    /// Not there while a call is under way; a call that was given up never brings it back, and the session is of no use any
    /// more.
    connection: Option<Box<dyn Connection>>,
    source: String,
    pub(crate) timeout: Duration,
    abandoned: Abandoned,
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
    pub(crate) fn new(
        connection: Box<dyn Connection>,
        source: &Source,
        timeout: Duration,
        abandoned: &Abandoned,
    ) -> Self {
        Self { connection: Some(connection), source: source.to_string(), timeout, abandoned: Arc::clone(abandoned) }
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
        let (connection, answer) =
            blocking(&self.abandoned, Deadline::within(limit + GRACE), "a statement", work).await?;
        let answer = match answer {
            Ok(rows) => Ok(rows),
            Err(driver::Refusal { trouble: Trouble::Server(number), text }) if !ends_session(number) => {
                Err(refusal(number, &text, secret))
            }
            Err(refused) => {
                close_elsewhere(connection);
                return Err(lost(&refused, secret));
            }
        };
        self.connection = Some(connection);
        Ok(answer)
    }

    pub(crate) async fn close(mut self) -> Result<()> {
        let Some(connection) = self.connection.take() else { return Ok(()) };
        let deadline = Deadline::within(self.timeout);
        let closed = blocking(&self.abandoned, deadline, "logging off", move || connection.close()).await?;
        closed.map_err(|refused| lost(&refused, false))
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
    matches!(kind(number), ErrorKind::ConnectionLost | ErrorKind::Timeout | ErrorKind::Unreachable)
}
