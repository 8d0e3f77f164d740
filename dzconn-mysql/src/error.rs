//! Driver errors into dzconn's, by the server's number and never by its text.

use std::io;

use dzconn_core::engine::{Refusal, kind_in};
use dzconn_core::model::Source;
use dzconn_core::{Error, ErrorKind};
use sqlx::mysql::MySqlDatabaseError;

use crate::sql::Flavor;

use ErrorKind as K;

/// The numbers that dzconn knows, with the vendor's symbol and what they mean here ("Server Error Message Reference" in
/// MySQL's manual, "MariaDB Error Codes" in MariaDB's Knowledge Base). What a number means in one place only is decided there
/// (`engine.rs`), by the constants of [`number`].
///
/// From 4000 on the two vendors number on their own. Each number here is one vendor's; the other means by it something that
/// none of dzconn's statements can meet.
pub(crate) const TABLE: &[(u32, &str, ErrorKind)] = &[
    (1040, "ER_CON_COUNT_ERROR", K::TooManyConnections),
    (1044, "ER_DBACCESS_DENIED_ERROR", K::AdminDenied),
    (1045, "ER_ACCESS_DENIED_ERROR", K::AdminLoginRefused),
    (1049, "ER_BAD_DB_ERROR", K::TableNotFound),
    (1053, "ER_SERVER_SHUTDOWN", K::ConnectionLost),
    (1059, "ER_TOO_LONG_IDENT", K::NameTooLong),
    (1094, "ER_NO_SUCH_THREAD", K::Unexpected),
    (1095, "ER_KILL_DENIED_ERROR", K::SessionsRemain),
    (1102, "ER_WRONG_DB_NAME", K::TableNotFound),
    (1103, "ER_WRONG_TABLE_NAME", K::TableNotFound),
    (1129, "ER_HOST_IS_BLOCKED", K::Unreachable),
    (1130, "ER_HOST_NOT_PRIVILEGED", K::AdminLoginRefused),
    (1133, "ER_PASSWORD_NO_MATCH", K::Unexpected),
    (1141, "ER_NONEXISTING_GRANT", K::Unexpected),
    (1142, "ER_TABLEACCESS_DENIED_ERROR", K::AdminDenied),
    (1143, "ER_COLUMNACCESS_DENIED_ERROR", K::AdminDenied),
    (1146, "ER_NO_SUCH_TABLE", K::TableNotFound),
    (1147, "ER_NONEXISTING_TABLE_GRANT", K::Unexpected),
    (1152, "ER_ABORTING_CONNECTION", K::ConnectionLost),
    (1184, "ER_NEW_ABORTING_CONNECTION", K::ConnectionLost),
    (1203, "ER_TOO_MANY_USER_CONNECTIONS", K::TooManyConnections),
    (1205, "ER_LOCK_WAIT_TIMEOUT", K::Contention),
    (1213, "ER_LOCK_DEADLOCK", K::Contention),
    (1226, "ER_USER_LIMIT_REACHED", K::TooManyConnections),
    (1227, "ER_SPECIFIC_ACCESS_DENIED_ERROR", K::AdminDenied),
    (1242, "ER_SUBQUERY_NO_1_ROW", K::LockLost),
    (1251, "ER_NOT_SUPPORTED_AUTH_MODE", K::AdminLoginRefused),
    (1269, "ER_REVOKE_GRANTS", K::Unexpected),
    (1275, "ER_SERVER_IS_IN_SECURE_AUTH_MODE", K::AdminLoginRefused),
    (1290, "ER_OPTION_PREVENTS_STATEMENT", K::ReadOnly),
    (1300, "ER_INVALID_CHARACTER_STRING", K::TableNotFound), // a character that no name can have
    (1305, "ER_SP_DOES_NOT_EXIST", K::Unexpected),
    (1317, "ER_QUERY_INTERRUPTED", K::Contention),
    (1356, "ER_VIEW_INVALID", K::Unexpected),
    (1370, "ER_PROCACCESS_DENIED_ERROR", K::AdminDenied),
    (1396, "ER_CANNOT_USER", K::Unexpected),
    (1410, "ER_CANT_CREATE_USER_WITH_GRANT", K::Unexpected),
    (1470, "ER_WRONG_STRING_LENGTH", K::NameTooLong),
    (1698, "ER_ACCESS_DENIED_NO_PASSWORD_ERROR", K::AdminLoginRefused),
    (1792, "ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION", K::ReadOnly),
    (1819, "ER_NOT_VALID_PASSWORD", K::PasswordRejected),
    (1820, "ER_MUST_CHANGE_PASSWORD", K::AdminLoginRefused),
    (1836, "ER_READ_ONLY_MODE", K::ReadOnly),
    (1862, "ER_MUST_CHANGE_PASSWORD_LOGIN", K::AdminLoginRefused),
    (1927, "ER_CONNECTION_KILLED", K::ConnectionLost),
    (1969, "ER_STATEMENT_TIMEOUT (MariaDB)", K::Contention),
    (3024, "ER_QUERY_TIMEOUT (MySQL)", K::Contention),
    (3032, "ER_SERVER_OFFLINE_MODE (MySQL)", K::Unreachable),
    (3058, "ER_USER_LOCK_DEADLOCK (MySQL)", K::Contention),
    (3118, "ER_ACCOUNT_HAS_BEEN_LOCKED (MySQL)", K::AdminLoginRefused),
    (3159, "ER_SECURE_TRANSPORT_REQUIRED", K::Tls),
    (3638, "ER_CREDENTIALS_CONTRADICT_TO_HISTORY (MySQL)", K::PasswordRejected),
    (3955, "ER_USER_ACCESS_DENIED_FOR_USER_ACCOUNT_BLOCKED_BY_PASSWORD_LOCK (MySQL)", K::AdminLoginRefused),
    (4006, "ER_CANNOT_USER_REFERENCED_AS_DEFINER (MySQL)", K::UserOwnsObjects),
    (4031, "ER_CLIENT_INTERACTION_TIMEOUT (MySQL)", K::ConnectionLost),
    (4150, "ER_USER_IS_BLOCKED (MariaDB)", K::AdminLoginRefused),
    (4151, "ER_ACCOUNT_HAS_BEEN_LOCKED (MariaDB)", K::AdminLoginRefused),
];

/// Numbers whose meaning depends on the statement that they answer.
pub(crate) mod number {
    pub(crate) const NO_SUCH_SESSION: u32 = 1094;
    pub(crate) const KILL_DENIED: u32 = 1095;
    pub(crate) const NO_SUCH_USER: u32 = 1133;
    pub(crate) const NO_SUCH_GRANT: u32 = 1141;
    pub(crate) const NO_SUCH_TABLE_GRANT: u32 = 1147;
    pub(crate) const SUBQUERY_ROWS: u32 = 1242;
    pub(crate) const NOTHING_TO_REVOKE: u32 = 1269;
    pub(crate) const OPTION_PREVENTS: u32 = 1290;
    pub(crate) const INVALID_VIEW: u32 = 1356;
    pub(crate) const CANNOT_USER: u32 = 1396;
    pub(crate) const NO_SUCH_USER_TO_GRANT: u32 = 1410;
}

/// The server's answer to a statement that it did not carry out. Of one that had a password in it the words are not kept.
pub(crate) fn refusal(error: &MySqlDatabaseError, flavor: Flavor, secret: bool) -> Refusal {
    let number = u32::from(error.number());
    let text = (!secret).then(|| error.message().to_owned());
    Refusal::new(number, kind_in(TABLE, number), format!("{flavor} {number}"), text)
}

/// What a driver error is when no statement's answer is awaited in particular.
pub(crate) fn lost(error: sqlx::Error) -> Error {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) => {
            Error::new(K::ConnectionLost, "the server closed the connection or cannot be reached any more")
                .because(error)
        }
        // The driver's texts quote no statement; what it could not decode is not shown.
        sqlx::Error::Protocol(_) => {
            Error::new(K::ConnectionLost, "the server's answer was not understood").because(error)
        }
        _ => Error::new(K::Unexpected, "the driver failed"),
    }
}

/// Why no session came about.
pub(crate) fn refused_login(error: sqlx::Error, source: &Source, user: &str) -> Error {
    let flavor = if source.endpoint.subprotocol == "mariadb" { Flavor::MariaDb } else { Flavor::MySql };
    let tls = source.tls.is_encrypted();
    let error = match error {
        sqlx::Error::Database(error) => match error.try_downcast::<MySqlDatabaseError>() {
            Ok(error) => login_answer(refusal(&error, flavor, false), user, tls),
            Err(error) => Error::new(K::Unexpected, "the driver failed").because(sqlx::Error::Database(error)),
        },
        // The server has no TLS at all, or its certificate is not the one that is demanded.
        sqlx::Error::Tls(_) => no_tls(error),
        // What the TLS library objects to inside the handshake comes as this kind of I/O error.
        sqlx::Error::Io(ref io) if tls && io.kind() == io::ErrorKind::InvalidData => no_tls(error),
        sqlx::Error::Io(_) => Error::new(K::Unreachable, "cannot connect").because(error).advise(
            "check host and port, that the server runs, and that security groups and routes let this host reach it",
        ),
        sqlx::Error::Configuration(_) => {
            Error::new(K::InvalidConfig, "the connection's settings cannot be used").because(error)
        }
        sqlx::Error::Protocol(_) => {
            Error::new(K::Unexpected, "the login was not understood").because(error).advise(format!(
                "dzconn logs in with mysql_native_password, caching_sha2_password or sha256_password; give {user:?} one of \
                 them, and check that a MySQL or MariaDB server listens there"
            ))
        }
        error => Error::new(K::Unexpected, "cannot connect").because(error),
    };
    error.on_source(source)
}

fn no_tls(error: sqlx::Error) -> Error {
    Error::new(K::Tls, "the server does not offer what the connection demands of TLS").because(error).advise(
        "check that the server has TLS on, that the CA bundle is the one that signed its certificate, and that the \
         certificate names the host",
    )
}

fn login_answer(refusal: Refusal, user: &str, tls: bool) -> Error {
    let kind = match refusal.kind() {
        // A login may also be refused as access to a database.
        K::AdminDenied => K::AdminLoginRefused,
        kind => kind,
    };
    let advice = match kind {
        // MariaDB answers so, with the right password too, under `require_secure_transport`.
        K::AdminLoginRefused if !tls => {
            "check the secret of the connection, that the account may log in from this host, and that neither the account \
             nor the server demands TLS"
        }
        K::AdminLoginRefused => "check the secret of the connection, and that the account may log in from this host",
        K::TooManyConnections => "raise max_connections or the account's limit, or end sessions that nobody uses",
        K::Tls => "the server takes no plain text: let the connection demand TLS",
        K::Unreachable => "ask the server's owner to unblock this host (FLUSH HOSTS) or to end its offline mode",
        _ => "look the number up in the vendor's manual",
    };
    refusal.into_error_of(kind, &format!("{user:?} cannot log in")).advise(advice)
}
