//! Exit codes; `dzconn --help` documents them.

use std::process::ExitCode;

use dzconn_core::{Error, ErrorKind};

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Done,
    Failed,
    Input,
    Retry,
    NothingDone,
    Interrupted,
}

impl Exit {
    pub(crate) fn of(error: &Error) -> Self {
        match error.kind() {
            ErrorKind::InvalidInput | ErrorKind::InvalidConfig | ErrorKind::UnknownEngine | ErrorKind::NotFound => {
                Self::Input
            }
            kind if kind.is_retryable() => Self::Retry,
            _ => Self::Failed,
        }
    }

    /// The end of several pieces of work: a retry helps as long as it helps one of them.
    pub(crate) fn and(self, other: Self) -> Self {
        let weight = |exit| match exit {
            Self::Done => 0,
            Self::NothingDone => 1,
            Self::Input => 2,
            Self::Failed => 3,
            Self::Retry => 4,
            Self::Interrupted => 5,
        };
        if weight(other) > weight(self) { other } else { self }
    }

    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Input => 2,
            Self::Retry => 3,
            Self::NothingDone => 4,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
