//! The sentences that the rules check, word for word.

use crate::testkit::Promise;

macro_rules! promises {
    ($($name:ident: $by:literal, $text:literal;)*) => {
        $(pub(crate) const $name: Promise = Promise::new($by, $text);)*

        #[cfg(test)]
        pub(super) const ALL: &[Promise] = &[$($name),*];
    };
}

promises! {
    SESSION: "EngineConnector", "A session is one server connection, never a handle out of a pool, and never reconnects by itself.";
    TLS: "EngineConnector", "What the source's `Tls` demands is what happens.";
    SUBPROTOCOLS: "EngineConnector::subprotocols", "The JDBC sub-protocols that this engine serves, in lower case.";
    MAX_USER_NAME: "EngineConnector::max_user_name", "The longest user name, in bytes, that every supported version of the engine takes.";
    FOLD: "EngineConnector::fold_user_name", "How this engine writes a user's name";
    CONNECT: "EngineConnector::connect", "Connects as admin.";
    CONNECT_ERRORS: "EngineConnector::connect", "`ErrorKind::AdminLoginRefused`, `ErrorKind::Unreachable`, `ErrorKind::Tls`, `ErrorKind::TooManyConnections`, `ErrorKind::Timeout`.";
    CONNECT_TEXT: "EngineConnector::connect", "An error names host and port and never a password.";
    LOG_IN: "EngineConnector::log_in", "Whether these credentials log in, and if a table is named, whether that session may read it.";
    LOG_IN_REFUSED: "EngineConnector::log_in", "`Login::Refused` is an answer, not an error: wrong password, unknown user, locked user, no right to connect.";
    LOG_IN_ERRORS: "EngineConnector::log_in", "Whatever keeps the source from answering.";
    STATEMENTS: "EngineConnector::statements", "The statements that an action would run, in order, one a line, with `<password>` or `<verifier>` in place of secrets.";
    STATEMENTS_OFFLINE: "EngineConnector::statements", "Nothing is connected to.";

    LOCK_CHECKED: "SourceEngine", "every method that changes something checks, in this very session and in one batch with the change where the engine can, that the session still holds the lock, and otherwise fails with `ErrorKind::LockLost` and changes nothing.";
    WITHOUT_LOCK: "SourceEngine", "Without a lock (a plan, a test) nothing is checked.";
    REPEATED: "SourceEngine", "Every method can be repeated: what is already there, or already gone, is success.";
    DROPPED: "SourceEngine", "A future that is dropped leaves the session unusable: its owner drops the session, which closes the socket, which ends the lock.";

    LOCK: "SourceEngine::lock", "Takes the source-wide lock for a key, waiting up to `wait` for it.";
    LOCK_SILENT: "SourceEngine::lock", "The server is told to end this session when it has been silent for longer than `hold`, where it can be told so";
    LOCK_AGAIN: "SourceEngine::lock", "Taking the lock that this session holds already is `Lock::Held`.";
    LOCK_TIMEOUT: "SourceEngine::lock", "`ErrorKind::LockTimeout` if somebody else held it all the time.";
    LOCK_UNSUPPORTED: "Lock::Unsupported", "The source has no lock that every session would see, and why.";
    UNLOCK: "SourceEngine::unlock", "Gives the lock back. Without a lock nothing happens. Afterwards the session may be locked again, for another key.";

    RESOLVE: "SourceEngine::resolve", "Finds the table or view that a path means, as the admin sees it: the exact name, else the only one that differs in case.";
    RESOLVE_ERRORS: "SourceEngine::resolve", "`ErrorKind::TableNotFound`, `ErrorKind::TableAmbiguous`";

    CREATE: "SourceEngine::create_user", "Makes the user, able to log in with this password and to do nothing else.";
    CREATE_EXISTING: "SourceEngine::create_user", "A user that exists is left as it is, its password included, except that it is enabled again if it was disabled by a drop that did not finish.";
    CREATE_ERRORS: "SourceEngine::create_user", "`ErrorKind::AdminDenied`, `ErrorKind::PasswordRejected`, `ErrorKind::NameTooLong`.";
    CREATED_NEW: "Created::New", "The user was made, with the password that was given.";
    CREATED_EXISTED: "Created::Existed", "The user was there; its password may be another.";
    SET_PASSWORD: "SourceEngine::set_password", "Gives an existing user this password.";

    GRANT: "SourceEngine::grant", "Grants read on exactly one table (with what is needed to reach it: connect, schema usage), takes back the read on others, and reads the result back: after `Ok`, `reads` is not `Reads::No`.";
    GRANT_ERRORS: "SourceEngine::grant", "`ErrorKind::NoGrantOption` (also where the engine answered success without granting), `ErrorKind::AdminDenied`, `ErrorKind::TableNotFound`, `ErrorKind::LimitReached`.";
    GRANT_FAILED: "SourceEngine::grant", "The table's privileges are unchanged then.";

    REVOKE: "SourceEngine::revoke", "Takes back read on these tables, also where a table, or the user, is gone";
    REVOKE_ALONG: "SourceEngine::revoke", "and what was given along with it (schema usage) once nothing else needs it.";
    REVOKE_SESSIONS: "SourceEngine::revoke", "Sessions that are open lose it at once.";
    REVOKE_LEFT: "SourceEngine::revoke", "After `Ok` no direct privilege of this user on these tables is left.";
    REVOKE_ERRORS: "SourceEngine::revoke", "`ErrorKind::GrantedByOther` names the role that must take it back";

    DROP: "SourceEngine::drop_user", "Ends the user's existence: no new logins, everything revoked, sessions ended, user dropped, and looked at again.";
    DROP_GONE: "SourceEngine::drop_user", "A user that is gone already is success.";
    DROP_SESSIONS: "SourceEngine::drop_user", "`ErrorKind::SessionsRemain` if sessions could not be ended or it cannot be told";
    DROP_OWNS: "SourceEngine::drop_user", "`ErrorKind::UserOwnsObjects` if somebody let it own something (nothing of that is dropped)";
    DROP_ERRORS: "SourceEngine::drop_user", "`ErrorKind::GrantedByOther`, `ErrorKind::AdminDenied`.";
    DROP_FAILED: "SourceEngine::drop_user", "The user cannot log in any more then, and the next call continues.";

    READS: "SourceEngine::reads", "Whether the user can read the table, by whatever way: `Reads::Yes` says by which.";
    READS_MISSING: "SourceEngine::reads", "A missing user or table is `Reads::No`.";
    CANNOT_TELL: "Reads::CannotTell", "The admin may not look, and what it lacks.";
    EXCESS: "SourceEngine::excess", "What the user can do beyond reading `granted`, in words for people, at most `limit` of them: what PUBLIC gives, what somebody else granted.";
    USER_EXISTS: "SourceEngine::user_exists", "Whether the user exists.";
    USERS: "SourceEngine::users", "The users whose names begin with this, letter by letter, in any order; also those that cannot log in.";
    GRANTED: "SourceEngine::granted", "The tables that the user itself was granted to read, in whole or in part, by whomever: not by way of a role or PUBLIC.";
    GRANTED_MISSING: "SourceEngine::granted", "A missing user has none.";
    CLOSE: "SourceEngine::close", "Closes the connection in good order.";
}

/// What the fixture must do, where a rule fails because it does not.
pub(crate) const FIXTURE: Promise =
    Promise::new("EngineFixture", "What is asked of a fixture is done, independently of the engine.");
