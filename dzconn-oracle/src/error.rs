//! What the seam refuses into dzconn's errors, by the server's number and never by its text.

use dzconn_core::engine::{Refusal, kind_in};
use dzconn_core::model::Source;
use dzconn_core::{Error, ErrorKind};

use crate::driver::{self, Trouble};

use ErrorKind as K;

/// The numbers that dzconn knows, with Oracle's words (shortened) and what they mean here ("Database Error Messages"; from
/// 12150 to 12699 and from 28750 to 29040 they are Oracle Net's and the client's own). What a number means in one place only is
/// decided there (`engine.rs`), by the constants of [`number`].
pub(crate) const TABLE: &[(u32, &str, ErrorKind)] = &[
    (18, "maximum number of sessions exceeded", K::TooManyConnections),
    (20, "maximum number of processes exceeded", K::TooManyConnections),
    (26, "missing or invalid session ID", K::Unexpected),
    (27, "cannot kill current session", K::SessionsRemain),
    (28, "your session has been killed", K::ConnectionLost),
    (30, "user session ID does not exist", K::Unexpected),
    (31, "session marked for kill", K::SessionsRemain),
    (51, "timeout occurred while waiting for a resource", K::Contention),
    (54, "resource busy and acquire with NOWAIT specified or timeout expired", K::Contention),
    (60, "deadlock detected while waiting for resource", K::Contention),
    (603, "ORACLE server session terminated by fatal error", K::ConnectionLost),
    (942, "table or view does not exist", K::TableNotFound),
    (972, "identifier is too long", K::NameTooLong),
    (988, "missing or invalid password(s)", K::PasswordRejected),
    (1005, "null password given; logon denied", K::AdminLoginRefused),
    (1012, "not logged on", K::ConnectionLost),
    (1013, "user requested cancel of current operation", K::Timeout),
    (1017, "invalid username/password; logon denied", K::AdminLoginRefused),
    (1031, "insufficient privileges", K::AdminDenied),
    (1033, "ORACLE initialization or shutdown in progress", K::Unreachable),
    (1034, "ORACLE not available", K::Unreachable),
    (1035, "ORACLE only available to users with RESTRICTED SESSION privilege", K::Unreachable),
    (1041, "internal error. hostdef extension doesn't exist", K::ConnectionLost),
    (1045, "user lacks CREATE SESSION privilege; logon denied", K::AdminLoginRefused),
    (1089, "immediate shutdown or close in progress", K::ConnectionLost),
    (1090, "shutdown in progress - connection is not permitted", K::Unreachable),
    (1092, "ORACLE instance terminated. Disconnection forced", K::ConnectionLost),
    (1109, "database not open", K::Unreachable),
    (1653, "unable to extend table in tablespace", K::LimitReached),
    (1720, "grant option does not exist", K::NoGrantOption),
    (1917, "user or role does not exist", K::Unexpected),
    (1918, "user does not exist", K::Unexpected),
    (1920, "user name conflicts with another user or role name", K::Unexpected),
    (1922, "CASCADE must be specified to drop", K::UserOwnsObjects),
    (1927, "cannot REVOKE privileges you did not grant", K::GrantedByOther),
    (1940, "cannot drop a user that is currently connected", K::SessionsRemain),
    (2003, "invalid USERENV parameter", K::InvalidConfig), // a server before 12.1
    (2049, "timeout: distributed transaction waiting for lock", K::Contention),
    (2379, "profile already exists", K::Unexpected),
    (2380, "profile does not exist", K::InvalidConfig),
    (2391, "exceeded simultaneous SESSIONS_PER_USER limit", K::TooManyConnections),
    (2392, "exceeded session limit on CPU usage, you are being logged off", K::ConnectionLost),
    (2394, "exceeded session limit on IO usage, you are being logged off", K::ConnectionLost),
    (2396, "exceeded maximum idle time, please connect again", K::ConnectionLost),
    (2399, "exceeded maximum connect time, you are being logged off", K::ConnectionLost),
    (3113, "end-of-file on communication channel", K::ConnectionLost),
    (3114, "not connected to ORACLE", K::ConnectionLost),
    (3135, "connection lost contact", K::ConnectionLost),
    (3136, "inbound connection timed out", K::Unreachable),
    (4020, "deadlock detected while trying to lock object", K::Contention),
    (4021, "timeout occurred while waiting to lock object", K::Contention),
    (4043, "object does not exist", K::TableNotFound),
    (4061, "existing state has been invalidated", K::Contention),
    (4063, "view has errors", K::Unexpected),
    (4068, "existing state of packages has been discarded", K::Contention),
    (6550, "PL/SQL does not compile", K::Unexpected),
    (8177, "can't serialize access for this transaction", K::Contention),
    (12150, "TNS:unable to send data", K::ConnectionLost),
    (12154, "TNS:could not resolve the connect identifier specified", K::InvalidConfig),
    (12170, "TNS:connect timeout occurred", K::Unreachable),
    (12500, "TNS:listener failed to start a dedicated server process", K::Unreachable),
    (12504, "TNS:listener was not given the SERVICE_NAME in CONNECT_DATA", K::InvalidConfig),
    (12505, "TNS:listener does not currently know of SID given in connect descriptor", K::Unreachable),
    (12506, "TNS:listener rejected connection based on service ACL filtering", K::Unreachable),
    (12514, "TNS:listener does not currently know of service requested", K::Unreachable),
    (12516, "TNS:listener could not find available handler with matching protocol stack", K::TooManyConnections),
    (12518, "TNS:listener could not hand off client connection", K::TooManyConnections),
    (12519, "TNS:no appropriate service handler found", K::TooManyConnections),
    (12520, "TNS:listener could not find available handler for requested type of server", K::TooManyConnections),
    (12521, "TNS:listener does not currently know of instance requested", K::Unreachable),
    (12526, "TNS:listener: all appropriate instances are in restricted mode", K::Unreachable),
    (12527, "TNS:listener: all instances are in restricted mode or blocking new connections", K::Unreachable),
    (12528, "TNS:listener: all appropriate instances are blocking new connections", K::Unreachable),
    (12529, "TNS:connect request rejected based on current filtering rules", K::Unreachable),
    (12535, "TNS:operation timed out", K::Unreachable),
    (12537, "TNS:connection closed", K::ConnectionLost),
    (12541, "TNS:no listener", K::Unreachable),
    (12543, "TNS:destination host unreachable", K::Unreachable),
    (12545, "Connect failed because target host or object does not exist", K::Unreachable),
    (12546, "TNS:permission denied", K::Unreachable),
    (12547, "TNS:lost contact", K::ConnectionLost),
    (12560, "TNS:protocol adapter error", K::Unreachable),
    (12564, "TNS:connection refused", K::Unreachable),
    (12570, "TNS:packet reader failure", K::ConnectionLost),
    (12571, "TNS:packet writer failure", K::ConnectionLost),
    (12592, "TNS:bad packet", K::ConnectionLost),
    (12606, "TNS: Application timeout occurred", K::Unreachable),
    (12637, "Packet receive failed", K::ConnectionLost),
    (12650, "No common encryption or data integrity algorithm", K::Tls),
    (12660, "Encryption or crypto-checksumming parameters incompatible", K::Tls),
    (16000, "database or pluggable database open for read-only access", K::ReadOnly),
    (20_900, "the session does not hold its lock", K::LockLost), // from here to 20905: raised by dzconn's own blocks
    (20_901, "DBMS_LOCK answered 1, timeout", K::LockTimeout),
    (20_902, "DBMS_LOCK answered 2, deadlock", K::Contention),
    (20_903, "DBMS_LOCK answered 3, parameter error", K::Unexpected),
    (20_905, "DBMS_LOCK answered 5, illegal lock handle", K::Unexpected),
    (25402, "transaction must roll back", K::ConnectionLost),
    (25408, "can not safely replay call", K::ConnectionLost),
    (28000, "the account is locked", K::AdminLoginRefused),
    (28001, "the password has expired", K::AdminLoginRefused),
    (28002, "the password will expire within days", K::AdminLoginRefused), // a warning; no driver fails with it
    (28003, "password verification for the specified password failed", K::PasswordRejected),
    (28007, "the password cannot be reused", K::PasswordRejected),
    (28009, "connection as SYS should be as SYSDBA or SYSOPER", K::AdminLoginRefused),
    (28040, "No matching authentication protocol", K::InvalidConfig),
    (28759, "failure to open file", K::InvalidConfig), // the wallet
    (28860, "Fatal SSL error", K::Tls),
    (28862, "SSL connection failed", K::Tls),
    (28864, "SSL connection closed gracefully", K::ConnectionLost),
    (28865, "SSL connection closed", K::ConnectionLost),
    (28868, "Peer certificate chain check failed.", K::Tls),
    (29002, "SSL transport detected invalid or obsolete server certificate.", K::Tls),
    (29003, "SSL transport detected mismatched server certificate.", K::Tls),
    (29024, "Certificate validation failure", K::Tls),
    (38301, "can not perform DDL/DML over objects in Recycle Bin", K::TableNotFound),
    (41900, "missing privilege on object", K::AdminDenied), // 23ai and later
    (65049, "creation of local user or role is not allowed in this container", K::InvalidConfig),
    (65094, "invalid local user or role name", K::InvalidInput),
    (65096, "invalid common user or role name", K::InvalidConfig),
    (65140, "invalid common profile name", K::InvalidConfig),
];

/// Numbers that mean something in one place only.
pub(crate) mod number {
    pub(crate) const NO_SUCH_TABLE: u32 = 942;
    pub(crate) const TOO_LONG: u32 = 972;
    pub(crate) const NO_SUCH_GRANTEE: u32 = 1917;
    pub(crate) const NO_SUCH_USER: u32 = 1918;
    pub(crate) const USER_EXISTS: u32 = 1920;
    pub(crate) const NOT_GRANTED: u32 = 1927;
    pub(crate) const CONNECTED: u32 = 1940;
    pub(crate) const PROFILE_EXISTS: u32 = 2379;
    pub(crate) const NO_SUCH_PROFILE: u32 = 2380;
    pub(crate) const INVALID_VIEW: u32 = 4063;
    pub(crate) const NOT_COMPILED: u32 = 6550;
    pub(crate) const IN_RECYCLE_BIN: u32 = 38_301;
}

/// What a number means.
pub(crate) fn kind(number: u32) -> ErrorKind {
    kind_in(TABLE, number)
}

/// How Oracle writes a number.
pub(crate) fn code(number: u32) -> String {
    format!("ORA-{number:05}")
}

/// The server's answer to a statement that it did not carry out. Of one that had a password in it the words are not kept.
pub(crate) fn refusal(number: u32, text: &str, secret: bool) -> Refusal {
    Refusal::new(number, kind(number), code(number), (!secret).then(|| joined(text)))
}

/// Whether the session lacks a privilege, where what was asked for is always there: without any privilege on it, the server
/// says that it does not exist.
pub(crate) fn may_not_look(refusal: &Refusal) -> bool {
    refusal.is_denied() || refusal.number() == number::NO_SUCH_TABLE
}

/// Whether there is no such user.
pub(crate) fn no_such_user(refusal: &Refusal) -> bool {
    matches!(refusal.number(), number::NO_SUCH_USER | number::NO_SUCH_GRANTEE)
}

/// What was attempted, the server's answer, and what to do about that.
pub(crate) fn explained(refusal: Refusal, what: &str) -> Error {
    let advice = advice(refusal.number());
    let error = refusal.into_error(what);
    match advice {
        Some(advice) => error.advise(advice),
        None => error,
    }
}

/// The server's texts have a line for each level of the stack.
fn joined(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}

/// What to do about a number, whatever was attempted.
pub(crate) fn advice(number: u32) -> Option<&'static str> {
    Some(match number {
        65049 | 65096 | 65140 => {
            "the session is in a CDB's root, where users are common to all: connect to the service of the pluggable database \
             that holds the tables"
        }
        65094 => "names that begin with C## are for common users: configure another user naming",
        988 | 28003 => {
            "let the profile's PASSWORD_VERIFY_FUNCTION take 30 characters of both cases, digits, - and _ (connector setting \
             `profile`)"
        }
        28007 => {
            "the user has or had this password: set its profile's PASSWORD_REUSE_TIME and PASSWORD_REUSE_MAX to UNLIMITED"
        }
        16000 => "connect to the primary database; a standby takes no changes",
        38301 => {
            "the table was dropped and lies in the recycle bin with the grants on it: have its owner PURGE it, or FLASHBACK it \
             and run this again"
        }
        1653 => "ask the database's owner for space in that tablespace",
        _ => return None,
    })
}

/// What the driver says when no statement's answer is awaited in particular, or the connection went with it.
pub(crate) fn lost(refused: &driver::Refusal, secret: bool) -> Error {
    let (kind, what) = match refused.trouble {
        Trouble::Server(number) => {
            return explained(refusal(number, &refused.text, secret), "the server ended the session");
        }
        Trouble::Lost | Trouble::Unreachable | Trouble::Tls => {
            (K::ConnectionLost, "the server closed the connection or cannot be reached any more")
        }
        Trouble::Silent => (K::Timeout, "the server did not answer in time"),
        Trouble::NoClient | Trouble::Config => (K::InvalidConfig, "the driver cannot go on"),
        Trouble::Other => (K::Unexpected, "the driver failed"),
    };
    if secret { Error::new(kind, what) } else { Error::new(kind, format!("{what}: {}", joined(&refused.text))) }
}

/// Why no session came about.
pub(crate) fn refused_login(refused: &driver::Refusal, source: &Source, user: &str) -> Error {
    let text = joined(&refused.text);
    let error = match refused.trouble {
        Trouble::Server(number) => login_answer(number, &text, user),
        Trouble::Unreachable => Error::new(K::Unreachable, format!("cannot connect: {text}")).advise(REACH),
        Trouble::Tls => no_tls(&text),
        // Whoever expects no TLS answers its handshake by hanging up; so does a listener that is just being started anew.
        Trouble::Lost => {
            Error::new(K::Unreachable, format!("the connection was closed: {text}")).advise(if source.tls.is_encrypted() {
                HUNG_UP
            } else {
                "check that an Oracle listener is at this address, and whether the port is one for TLS"
            })
        }
        Trouble::Silent => Error::new(K::Timeout, format!("the server did not answer in time: {text}")).advise(REACH),
        Trouble::NoClient => Error::new(K::InvalidConfig, format!("the Oracle client library cannot be loaded: {text}"))
            .vendor("DPI-1047")
            .advise(
                "install Oracle Instant Client (Basic or Basic Light) and let the system's loader find it (LD_LIBRARY_PATH, \
                 ldconfig), or build dzconn-oracle with the feature `thin`, whose driver needs no library",
            ),
        Trouble::Config => Error::new(K::InvalidConfig, text),
        Trouble::Other => Error::new(K::Unexpected, format!("cannot connect: {text}")),
    };
    error.on_source(source)
}

const REACH: &str =
    "check host and port, that the listener runs, and that security groups and routes let this host reach it";

const HUNG_UP: &str = "check that an Oracle listener is at this address, and that the port is the one for TLS (PROTOCOL=TCPS): \
                       who expects no TLS hangs up; if both are right, try again";

pub(crate) fn no_tls(text: &str) -> Error {
    Error::new(K::Tls, format!("the server does not offer what the connection demands of TLS: {text}")).advise(
        "check that the port is the one for TLS (PROTOCOL=TCPS), that the CA bundle or wallet is the one that signed the \
         server's certificate, and that the certificate names the host",
    )
}

fn login_answer(number: u32, text: &str, user: &str) -> Error {
    let kind = match kind(number) {
        // What ends a session that is not there yet.
        K::ConnectionLost => K::Unreachable,
        K::Timeout => K::Timeout,
        kind => kind,
    };
    let advice = match (number, kind) {
        (12514, _) => {
            "check the service name, and that the database is open: a service that is not up is not known either"
        }
        (12505 | 12521, _) => {
            "check the SID; most databases, and all pluggable ones, are reached by a service name instead"
        }
        (28000, _) => "ALTER USER ... ACCOUNT UNLOCK, and look who tried wrong passwords",
        (28001 | 28002, _) => {
            "set a new password, store it in the connection's secret, and give the user a profile without expiry"
        }
        (1045, _) => "GRANT CREATE SESSION to the user",
        (28009, _) => "use an admin of dzconn's own, not SYS",
        (28040, _) => {
            "the server lets in only clients that know another password version: look at \
             SQLNET.ALLOWED_LOGON_VERSION_SERVER, and set the user's password anew"
        }
        (12650 | 12660, _) => {
            "the server demands native network encryption: use TLS, or the driver `odpi`, which has it"
        }
        (12154 | 12504, _) => "give the connection a service name or a SID",
        (28864 | 28865, _) => HUNG_UP,
        (28759, _) => "check that the wallet's directory is there and that this program may read it",
        (_, K::AdminLoginRefused) => {
            "check the secret of the connection, and that the account may log in from this host"
        }
        (_, K::TooManyConnections) => {
            "raise PROCESSES, SESSIONS or the profile's SESSIONS_PER_USER, or end sessions that nobody uses"
        }
        (_, K::Tls) => "check port, wallet and certificate",
        (_, K::Unreachable) => REACH,
        _ => "look the number up in Oracle's manual",
    };
    Error::new(kind, format!("{user:?} cannot log in: {text}")).vendor(code(number)).advise(advice)
}
