//! Driver errors into dzconn's, by the server's number and never by its text.

use std::io;

use dzconn_core::engine::{Refusal, kind_in};
use dzconn_core::model::Source;
use dzconn_core::{Error, ErrorKind};
use tiberius::error::TokenError;

use ErrorKind as K;

/// The numbers that dzconn knows, with what they mean here ("Database Engine events and errors", "Troubleshoot connection
/// issues and other errors with Azure SQL Database", "Resource management in Azure SQL Database"). What a number means in one
/// place only is decided there (`engine.rs`), by the constants of [`number`].
pub(crate) const TABLE: &[(u32, &str, ErrorKind)] = &[
    (208, "invalid object name", K::TableNotFound),
    (229, "permission denied on object", K::AdminDenied),
    (230, "permission denied on column", K::AdminDenied),
    (233, "the client was unable to establish a connection", K::TooManyConnections),
    (262, "permission denied in database", K::AdminDenied),
    (297, "the user does not have permission to perform this action", K::AdminDenied),
    (300, "permission denied on server", K::AdminDenied),
    (596, "cannot continue the execution because the session is in the kill state", K::ConnectionLost),
    (615, "could not find the database id, which may have been dropped or taken offline", K::Unreachable),
    (701, "insufficient system memory to run this query", K::Contention),
    (911, "database does not exist", K::TableNotFound),
    (916, "the principal is not able to access the database", K::AdminDenied),
    (924, "database is already open and can only have one user at a time", K::Unreachable),
    (926, "database cannot be opened: it has been marked suspect by recovery", K::Unreachable),
    (927, "database cannot be opened: it is in the middle of a restore", K::Unreachable),
    (942, "database cannot be opened because it is offline", K::Unreachable),
    (945, "database cannot be opened: inaccessible files or insufficient memory", K::Unreachable),
    (976, "the target database is a secondary replica that cannot be queried", K::ReadOnly),
    (978, "the secondary replica takes connections with read intent only", K::ReadOnly),
    (983, "the availability replica is not in the role for this", K::Unreachable),
    (1105, "could not allocate space: the filegroup is full", K::LimitReached),
    (1204, "the instance cannot obtain a lock resource", K::Contention),
    (1205, "deadlock victim", K::Contention),
    (1222, "lock request time out period exceeded", K::Contention),
    (1223, "the application lock is not currently held", K::LockLost),
    (2812, "could not find stored procedure", K::Unexpected),
    (3906, "database is read-only", K::ReadOnly),
    (3960, "snapshot isolation transaction aborted due to update conflict", K::Contention),
    (4060, "cannot open database requested by the login", K::Unreachable),
    (4064, "cannot open user default database", K::Unreachable),
    (4413, "could not use the view because of binding errors", K::Unexpected),
    (4611, "to revoke or deny grantable privileges, specify the CASCADE option", K::Unexpected),
    (4613, "grantor does not have GRANT permission", K::NoGrantOption),
    (4629, "permissions on server scoped catalog views can be granted only in master", K::AdminDenied),
    (4902, "cannot find the object, or no permission", K::TableNotFound),
    (6005, "SHUTDOWN is in progress", K::ConnectionLost),
    (6102, "no permission to use the KILL statement", K::SessionsRemain),
    (6104, "cannot use KILL to kill your own process", K::Unexpected),
    (6106, "process ID is not an active process ID", K::Unexpected),
    (6107, "only user processes can be killed", K::Unexpected),
    (8645, "a timeout occurred while waiting for memory", K::Contention),
    (9002, "the transaction log is full", K::LimitReached),
    (10928, "resource limit reached (Azure)", K::TooManyConnections),
    (10929, "server is too busy to support more requests (Azure)", K::TooManyConnections),
    (10936, "resource limit of the elastic pool reached (Azure)", K::TooManyConnections),
    (15006, "not a valid name because it contains invalid characters", K::InvalidInput),
    (15007, "not a valid login, or no permission", K::Unexpected),
    (15023, "user, group or role already exists in the database", K::Unexpected),
    (15025, "server principal already exists", K::Unexpected),
    (15063, "the login already has an account under a different user name", K::Unexpected),
    (15114, "password validation failed: the operation will be retried", K::PasswordRejected),
    (15115, "password validation failed: the password cannot be used at this time", K::PasswordRejected),
    (15116, "password validation failed: the password is too short", K::PasswordRejected),
    (15117, "password validation failed: the password is too long", K::PasswordRejected),
    (15118, "password validation failed: the password is not complex enough", K::PasswordRejected),
    (15119, "password validation failed: the password filter DLL rejects it", K::PasswordRejected),
    (15136, "the database principal is the execution context of procedures or functions", K::UserOwnsObjects),
    (15138, "the database principal owns a schema", K::UserOwnsObjects),
    (15141, "the server principal owns something", K::UserOwnsObjects),
    (15151, "cannot find the securable or principal, or no permission", K::AdminDenied),
    (15155, "the database principal owns something", K::UserOwnsObjects),
    (15170, "the login owns jobs", K::UserOwnsObjects),
    (15173, "the server principal has granted permissions", K::UserOwnsObjects),
    (15174, "the login owns databases", K::UserOwnsObjects),
    (15183, "the database principal owns objects", K::UserOwnsObjects),
    (15184, "the database principal owns data types", K::UserOwnsObjects),
    (15247, "user does not have permission to perform this action", K::AdminDenied),
    (15284, "the database principal has granted or denied permissions to objects", K::UserOwnsObjects),
    (15404, "could not obtain information about Windows group or user", K::Unexpected),
    (15421, "the database principal owns a database role", K::UserOwnsObjects),
    (15433, "the supplied parameter sid is in use", K::Unexpected),
    (15434, "could not drop the login: the user is currently logged in", K::SessionsRemain),
    (17142, "SQL Server service has been paused", K::Unreachable),
    (17187, "SQL Server is not ready to accept new client connections", K::Unreachable),
    (17191, "cannot accept a new connection because the session has been terminated", K::Unreachable),
    (17197, "login failed due to timeout", K::Unreachable),
    (17809, "the maximum number of user connections has already been reached", K::TooManyConnections),
    (17892, "logon failed due to trigger execution", K::AdminLoginRefused),
    (18401, "login failed: server is in script upgrade mode", K::Unreachable),
    (18450, "login failed: not defined as a valid login of a trusted connection", K::AdminLoginRefused),
    (18451, "login failed: only administrators may connect at this time", K::Unreachable),
    (18452, "login failed: the login is from an untrusted domain", K::AdminLoginRefused),
    (18456, "login failed", K::AdminLoginRefused),
    (18461, "login failed: server is in single user mode", K::TooManyConnections),
    (18462, "login failed: the password cannot be used at this time", K::AdminLoginRefused),
    (18463, "login failed: the password change failed", K::AdminLoginRefused),
    (18470, "login failed: the account is disabled", K::AdminLoginRefused),
    (18486, "login failed: the account is currently locked out", K::AdminLoginRefused),
    (18487, "login failed: the password of the account has expired", K::AdminLoginRefused),
    (18488, "login failed: the password of the account must be changed", K::AdminLoginRefused),
    (33233, "a user with a password needs a contained database", K::InvalidConfig),
    (40143, "the replica that the data node hosts is not primary (Azure)", K::Unreachable),
    (40197, "the service has encountered an error processing the request (Azure)", K::Unreachable),
    (40501, "the service is currently busy (Azure)", K::Throttled),
    (40508, "USE is not supported to switch between databases (Azure)", K::TableNotFound),
    (40515, "reference to another database is not supported (Azure)", K::TableNotFound),
    (40532, "cannot open the server requested by the login (Azure)", K::AdminLoginRefused),
    (40540, "the service has encountered an error processing the request (Azure)", K::Unreachable),
    (40544, "the database has reached its size quota (Azure)", K::LimitReached),
    (40613, "the database is not currently available (Azure)", K::Unreachable),
    (40615, "cannot open server: the client's address is not allowed (Azure firewall)", K::Unreachable),
    (40914, "cannot open server: the client's virtual network is not allowed (Azure firewall)", K::Unreachable),
    (49918, "not enough resources to process the request (Azure)", K::Throttled),
    (49919, "too many create or update operations in progress (Azure)", K::Throttled),
    (49920, "too many operations in progress (Azure)", K::Throttled),
    (51813, "dzconn's own: the session does not hold its lock", K::LockLost),
];

/// Numbers whose meaning depends on the statement that they answer.
pub(crate) mod number {
    pub(crate) const DEADLOCK: u32 = 1205;
    pub(crate) const BROKEN_VIEW: u32 = 4413;
    pub(crate) const NO_SUCH_SESSION: u32 = 6106;
    pub(crate) const MAY_NOT_KILL: u32 = 6102;
    pub(crate) const USER_EXISTS: u32 = 15_023;
    pub(crate) const LOGIN_EXISTS: u32 = 15_025;
    pub(crate) const OTHER_USER: u32 = 15_063;
    pub(crate) const CANNOT_FIND: u32 = 15_151;
    pub(crate) const SID_IN_USE: u32 = 15_433;
    pub(crate) const LOGGED_IN: u32 = 15_434;
    pub(crate) const CANNOT_OPEN_DATABASE: u32 = 4060;
    pub(crate) const NO_DEFAULT_DATABASE: u32 = 4064;
    pub(crate) const FIREWALL: [u32; 2] = [40_615, 40_914];
}

/// From this severity on the server closes the connection ("Database Engine Error Severities").
const FATAL: u8 = 20;

/// What a number means, where nothing says otherwise.
pub(crate) fn kind(number: u32) -> ErrorKind {
    kind_in(TABLE, number)
}

/// The server's answer to a statement that it did not carry out; its words only of one that had no password in it.
pub(crate) fn refusal(error: &TokenError, secret: bool) -> Refusal {
    let number = error.code();
    let text = (!secret).then(|| error.message().to_owned());
    Refusal::new(number, kind(number), format!("SQL Server {number}"), text)
}

/// Whether the server closes the connection after an error of this number and severity.
pub(crate) fn ends_session(number: u32, severity: u8) -> bool {
    severity >= FATAL || kind(number) == K::ConnectionLost
}

/// What a driver error is when no statement's answer is awaited in particular.
pub(crate) fn lost(error: tiberius::error::Error) -> Error {
    match error {
        tiberius::error::Error::Io { .. } | tiberius::error::Error::Tls(_) => {
            Error::new(K::ConnectionLost, "the server closed the connection or cannot be reached any more")
                .because(error)
        }
        tiberius::error::Error::Server(error) => refusal(&error, true).into_error("the server ended the session"),
        // What could not be decoded is not shown: it may be a statement's text.
        _ => Error::new(K::ConnectionLost, "the server's answer was not understood"),
    }
}

/// Why no connection came about.
pub(crate) fn unreachable(error: io::Error, source: &Source) -> Error {
    Error::new(K::Unreachable, "cannot connect")
        .because(error)
        .advise("check host and port, that the server runs, and that security groups and routes let this host reach it")
        .on_source(source)
}

/// What the driver says where a server declines to encrypt; it has no variant for it.
pub(crate) const NO_ENCRYPTION: &str = "Server does not allow the requested encryption level.";

/// Why no session came about.
pub(crate) fn refused_login(error: tiberius::error::Error, source: &Source, user: &str) -> Error {
    use io::ErrorKind::{InvalidData, InvalidInput, NotFound};

    let tls = source.tls.is_encrypted();
    let error = match error {
        tiberius::error::Error::Server(error) => login_answer(refusal(&error, false), user),
        tiberius::error::Error::Protocol(text) if tls && text == NO_ENCRYPTION => no_tls("the server does not encrypt"),
        // Encryption begins before the login. What objects to the certificate, the bundle or the handshake comes as one of
        // these; whatever else, as what it was to the socket.
        tiberius::error::Error::Tls(_)
        | tiberius::error::Error::Io { kind: InvalidData | InvalidInput | NotFound, .. }
            if tls =>
        {
            no_tls("the server does not offer what the connection demands of TLS").because(reason(error))
        }
        tiberius::error::Error::Tls(_) | tiberius::error::Error::Io { kind: InvalidData, .. } => {
            Error::new(K::Tls, "the server takes no plain text").advise("let the connection demand TLS")
        }
        tiberius::error::Error::Io { .. } => {
            Error::new(K::Unreachable, "the server closed the connection before anybody was logged in")
                .because(error)
                .advise("check that a SQL Server listens there, and that nothing in between ends the connection")
        }
        error => Error::new(K::Unexpected, "the login was not understood").because(error).advise(
            "check that a SQL Server listens at that port, one of 2017 or later, and that the login uses a password",
        ),
    };
    error.on_source(source)
}

/// Where the driver's advice begins in what it says of a certificate that it rejects: how a program is changed so that it
/// checks less, which no operator should read.
const ADVICE: &str = " To connect anyway";

/// The error without that advice.
fn reason(error: tiberius::error::Error) -> tiberius::error::Error {
    match error {
        tiberius::error::Error::Tls(text) => {
            tiberius::error::Error::Tls(text.split(ADVICE).next().unwrap_or_default().to_owned())
        }
        error => error,
    }
}

fn no_tls(what: &str) -> Error {
    Error::new(K::Tls, what).advise(
        "check that the server has TLS on, that the CA bundle is the one that signed its certificate, and that the \
         certificate names the host",
    )
}

fn login_answer(refusal: Refusal, user: &str) -> Error {
    let kind = match refusal.kind() {
        // A login may also be refused as access to a database.
        K::AdminDenied | K::TableNotFound => K::AdminLoginRefused,
        kind => kind,
    };
    let advice = match (kind, refusal.number()) {
        (_, number::CANNOT_OPEN_DATABASE | number::NO_DEFAULT_DATABASE) => {
            "the database may be offline, be restored or fail over: try again in a while; otherwise check that it exists under \
             this name, and that the login has a user there"
        }
        (K::AdminLoginRefused, _) => {
            "check the secret of the connection, and that the login is enabled and not locked; the server's error log says why"
        }
        (_, number) if number::FIREWALL.contains(&number) => "let the server's firewall take this host's address",
        (K::TooManyConnections, _) => "raise the limit on connections, or end sessions that nobody uses",
        (K::Throttled | K::Unreachable, _) => "try again in a while",
        (K::ReadOnly, _) => "let the connection name the primary (the availability group's listener)",
        _ => "look the number up in the vendor's list of errors",
    };
    refusal.into_error_of(kind, &format!("{user:?} cannot log in")).advise(advice)
}
