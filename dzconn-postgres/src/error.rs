//! Driver error to core error, by SQLSTATE, never by message text.

use dzconn_core::{Error, ErrorKind};
use sqlx::postgres::PgDatabaseError;

use crate::sql::raised;

/// SQLSTATE, its name in "Appendix A. PostgreSQL Error Codes", and what it is for dzconn.
pub(crate) const CODES: &[(&str, &str, ErrorKind)] = &[
    ("23505", "unique_violation", ErrorKind::Contention), // two that create one role, or change one catalogue row
    ("25006", "read_only_sql_transaction", ErrorKind::ReadOnly),
    ("25P03", "idle_in_transaction_session_timeout", ErrorKind::ConnectionLost),
    ("25P04", "transaction_timeout", ErrorKind::ConnectionLost),
    ("28000", "invalid_authorization_specification", ErrorKind::AdminLoginRefused),
    ("28P01", "invalid_password", ErrorKind::AdminLoginRefused),
    ("2BP01", "dependent_objects_still_exist", ErrorKind::UserOwnsObjects),
    ("3D000", "invalid_catalog_name", ErrorKind::InvalidConfig),
    ("3F000", "invalid_schema_name", ErrorKind::TableNotFound),
    ("40001", "serialization_failure", ErrorKind::Contention),
    ("40P01", "deadlock_detected", ErrorKind::Contention),
    ("42501", "insufficient_privilege", ErrorKind::AdminDenied),
    ("42622", "name_too_long", ErrorKind::NameTooLong),
    ("42939", "reserved_name", ErrorKind::InvalidInput),
    ("42P01", "undefined_table", ErrorKind::TableNotFound),
    ("42704", "undefined_object", ErrorKind::Unexpected), // the user: somebody else has dropped it
    ("42710", "duplicate_object", ErrorKind::Contention), // where an existing role is no answer already
    ("0LP01", "invalid_grant_operation", ErrorKind::NoGrantOption),
    ("53100", "disk_full", ErrorKind::LimitReached),
    ("53200", "out_of_memory", ErrorKind::LimitReached),
    ("53300", "too_many_connections", ErrorKind::TooManyConnections),
    ("53400", "configuration_limit_exceeded", ErrorKind::LimitReached),
    ("54000", "program_limit_exceeded", ErrorKind::LimitReached), // "row is too big": the table's list of privileges
    ("55000", "object_not_in_prerequisite_state", ErrorKind::InvalidConfig), // the database accepts no connections
    ("55P03", "lock_not_available", ErrorKind::Contention),
    ("57014", "query_canceled", ErrorKind::Timeout),
    ("57P01", "admin_shutdown", ErrorKind::ConnectionLost), // also pg_terminate_backend
    ("57P02", "crash_shutdown", ErrorKind::ConnectionLost),
    ("57P03", "cannot_connect_now", ErrorKind::Unreachable),
    ("57P04", "database_dropped", ErrorKind::ConnectionLost),
    ("57P05", "idle_session_timeout", ErrorKind::ConnectionLost),
    ("XX000", "internal_error", ErrorKind::Contention), // "tuple concurrently updated"
    (raised::LOCK_LOST, "raised by dzconn", ErrorKind::LockLost),
    (raised::NO_SELECT, "raised by dzconn", ErrorKind::NoGrantOption),
    (raised::NO_USAGE, "raised by dzconn", ErrorKind::NoGrantOption),
    (raised::NO_CONNECT, "raised by dzconn", ErrorKind::NoGrantOption),
    (raised::SESSIONS, "raised by dzconn", ErrorKind::SessionsRemain),
];

/// The kind of a SQLSTATE: its row in [`CODES`], else that of its class.
pub(crate) fn kind(code: &str) -> ErrorKind {
    match CODES.iter().find(|(known, ..)| *known == code) {
        Some((_, _, kind)) => *kind,
        None if code.starts_with("08") => ErrorKind::ConnectionLost, // connection_exception
        None if code.starts_with("53") => ErrorKind::LimitReached,   // insufficient_resources
        None => ErrorKind::Unexpected,
    }
}

const VENDOR: &str = "PostgreSQL ";

/// The SQLSTATE of an error that came from the server.
pub(crate) fn code(error: &Error) -> &str {
    error.vendor_code().and_then(|vendor| vendor.strip_prefix(VENDOR)).unwrap_or_default()
}

/// Whether the server rejected a whole transaction because of another one: nothing was changed, and it can be run again.
pub(crate) fn is_rejection(error: &Error) -> bool {
    matches!(code(error), "XX000" | "40001" | "40P01")
}

/// An error of a statement. Of one that carried a verifier only the code is kept: the server may quote the statement.
pub(crate) fn of_statement(error: sqlx::Error, doing: &str, secret: bool) -> Error {
    let sqlx::Error::Database(answer) = error else { return of_driver(error, doing) };
    let code = answer.code().unwrap_or_default();
    // What password_check hooks raise.
    let kind = if secret && code == "22023" { ErrorKind::PasswordRejected } else { kind(&code) };
    let mut detail = doing.to_owned();
    if !secret {
        detail = format!("{doing}: {}", answer.message());
        if let Some(more) = answer.try_downcast_ref::<PgDatabaseError>().and_then(PgDatabaseError::detail) {
            detail = format!("{detail}; {more}");
        }
    }
    Error::new(kind, detail).vendor(format!("{VENDOR}{code}"))
}

fn of_driver(error: sqlx::Error, doing: &str) -> Error {
    match error {
        sqlx::Error::Io(cause) => Error::new(ErrorKind::ConnectionLost, format!("{doing}: {cause}")).because(cause),
        sqlx::Error::Tls(cause) => Error::new(ErrorKind::Tls, format!("{doing}: {cause}")),
        // The driver lost track of the conversation: the session is of no use any more.
        sqlx::Error::Protocol(text) => Error::new(ErrorKind::ConnectionLost, format!("{doing}: {text}")),
        other => Error::new(ErrorKind::Unexpected, format!("{doing}: {other}")),
    }
}

/// An error of connecting. What is a lost connection elsewhere is an unreachable server here.
pub(crate) fn of_connect(error: sqlx::Error, doing: &str) -> Error {
    // A certificate that is not accepted comes as an I/O error of this kind; the protocol's own have a variant of theirs.
    if let sqlx::Error::Io(cause) = &error
        && cause.kind() == std::io::ErrorKind::InvalidData
    {
        return Error::new(ErrorKind::Tls, format!("{doing}: {cause}"))
            .advise("check the host name and the CA bundle against the server's certificate");
    }
    // A name that SCRAM cannot carry: the driver prepares it as it does passwords.
    // The driver's text would quote the character, which may be the password's.
    if let sqlx::Error::Configuration(_) = &error {
        let text = format!("{doing}: the user's name or its password has characters that SCRAM cannot carry");
        return Error::new(ErrorKind::InvalidInput, text);
    }
    // Not a passing fault: another way to log in than the driver knows, or no PostgreSQL at all.
    if let sqlx::Error::Protocol(text) = &error {
        return Error::new(ErrorKind::Unexpected, format!("{doing}: {text}"))
            .advise("let pg_hba.conf ask for scram-sha-256, md5 or password; and check that PostgreSQL listens there");
    }
    let error = of_statement(error, doing, false);
    let again = |kind, error: &Error| {
        let again = Error::new(kind, error.detail());
        match error.vendor_code() {
            Some(vendor) => again.vendor(vendor),
            None => again,
        }
    };
    match error.kind() {
        ErrorKind::ConnectionLost => again(ErrorKind::Unreachable, &error)
            .advise("check host, port, network route and firewall (security group)"),
        ErrorKind::Tls => error.advise("the server must offer TLS, or the connection must ask for plain text"),
        ErrorKind::AdminLoginRefused => error.advise(
            "check user and password of the connection's secret, and that pg_hba.conf lets the user in from here with \
             the TLS that is asked for",
        ),
        ErrorKind::AdminDenied => {
            again(ErrorKind::AdminLoginRefused, &error).advise("grant the user CONNECT on the database")
        }
        ErrorKind::TooManyConnections => error.advise("raise max_connections or the role's connection limit"),
        ErrorKind::InvalidConfig => error.advise("name an existing database in the connection's URL"),
        _ => error,
    }
}
