//! `SQLite`'s result codes, and what they mean here.

use crate::{Error, ErrorKind};

/// What a driver's error means. Its text is left out: a statement may have carried a password.
pub(super) fn failed(what: &str, error: sqlx::Error) -> Error {
    match error {
        sqlx::Error::Database(error) => {
            let code = error.code().and_then(|code| code.parse::<u32>().ok()).unwrap_or_default();
            let (kind, name, advice) = meaning(code);
            let error = Error::new(kind, what).vendor(format!("SQLite {code} {name}"));
            if advice.is_empty() { error } else { error.advise(advice) }
        }
        sqlx::Error::Io(error) => Error::new(ErrorKind::StoreFailed, what).because(error),
        sqlx::Error::PoolTimedOut => {
            Error::new(ErrorKind::Contention, format!("{what}: others in this process keep the file busy"))
        }
        sqlx::Error::PoolClosed => Error::new(ErrorKind::InvalidInput, format!("{what}: the store was closed")),
        sqlx::Error::WorkerCrashed => {
            Error::new(ErrorKind::StoreFailed, format!("{what}: the file's thread has ended"))
        }
        sqlx::Error::Configuration(_) => Error::new(ErrorKind::InvalidConfig, what),
        _ => Error::new(ErrorKind::Unexpected, what),
    }
}

/// The primary result codes of <https://www.sqlite.org/rescode.html>; an extended code has its primary one in the low byte.
const fn meaning(code: u32) -> (ErrorKind, &'static str, &'static str) {
    match code & 0xff {
        5 => (ErrorKind::Contention, "SQLITE_BUSY", "another process is writing to the file"),
        6 => (ErrorKind::Contention, "SQLITE_LOCKED", ""),
        15 => (ErrorKind::Contention, "SQLITE_PROTOCOL", ""),
        7 => (ErrorKind::StoreFailed, "SQLITE_NOMEM", ""),
        9 => (ErrorKind::StoreFailed, "SQLITE_INTERRUPT", ""),
        10 => (ErrorKind::StoreFailed, "SQLITE_IOERR", "check the disk; the file must not be on a network file system"),
        17 => (ErrorKind::StoreFailed, "SQLITE_SCHEMA", ""),
        3 => (ErrorKind::StoreDenied, "SQLITE_PERM", "check who owns the file and its directory"),
        8 => (ErrorKind::StoreDenied, "SQLITE_READONLY", "make the file and its directory writable for this user"),
        23 => (ErrorKind::StoreDenied, "SQLITE_AUTH", ""),
        13 => (ErrorKind::LimitReached, "SQLITE_FULL", "free some space on the disk"),
        18 => (ErrorKind::LimitReached, "SQLITE_TOOBIG", ""),
        11 => (ErrorKind::InvalidConfig, "SQLITE_CORRUPT", "restore the file from a backup"),
        14 => (ErrorKind::InvalidConfig, "SQLITE_CANTOPEN", "check the path, and who owns the file and its directory"),
        26 => (ErrorKind::InvalidConfig, "SQLITE_NOTADB", "give the path of a store that dzconn made, or of no file"),
        _ => (ErrorKind::Unexpected, "", ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extended_codes_mean_what_their_primary_code_means() {
        assert_eq!(meaning(5).0, ErrorKind::Contention);
        // SQLITE_BUSY_SNAPSHOT, SQLITE_IOERR_FSYNC, SQLITE_READONLY_DBMOVED, SQLITE_CANTOPEN_ISDIR
        for (code, kind) in [
            (517, ErrorKind::Contention),
            (1034, ErrorKind::StoreFailed),
            (1032, ErrorKind::StoreDenied),
            (526, ErrorKind::InvalidConfig),
            (19, ErrorKind::Unexpected),
        ] {
            assert_eq!(meaning(code).0, kind, "{code}");
        }
        assert!(failed("x", sqlx::Error::PoolTimedOut).is_retryable());
    }
}
