use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why a server could not be started. Says what to install where that helps.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The server's programs are not on this machine.
    #[error("{server} is not installed: no {program} in {looked}\n  Debian, Ubuntu: apt-get install {packages}")]
    NotInstalled {
        /// The server's name.
        server: &'static str,
        /// The program that was looked for.
        program: &'static str,
        /// Where it was looked for.
        looked: String,
        /// Debian's packages that hold it.
        packages: &'static str,
    },
    /// There is no Python where it was said to be.
    #[error("there is no Python at {}\n  an environment for it: tests/install says how", program.display())]
    NoPython {
        /// Where it was said to be.
        program: PathBuf,
    },
    /// A program could not be run, or a file not be written.
    #[error("cannot {action}: {source}")]
    Io {
        /// What was tried.
        action: String,
        /// What the system says.
        source: io::Error,
    },
    /// The server ended before it took connections.
    #[error("{server} ended while it started; its log:\n{log}")]
    Ended {
        /// The server's name.
        server: &'static str,
        /// The end of its log.
        log: String,
    },
    /// The server did not take connections in time.
    #[error("{server} in {} took no connections within {} s; its log:\n{log}", folder.display(), waited.as_secs())]
    Slow {
        /// The server's name.
        server: &'static str,
        /// Its folder, removed by now.
        folder: PathBuf,
        /// How long it was waited for.
        waited: Duration,
        /// The end of its log.
        log: String,
    },
}

impl Error {
    pub(crate) fn io(action: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let action = action.into();
        move |source| Self::Io { action, source }
    }
}
