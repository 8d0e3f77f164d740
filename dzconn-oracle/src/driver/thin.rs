//! Oracle's own driver in Rust. It needs no library.

use std::fmt;
use std::fs;
use std::io;
use std::net::ToSocketAddrs as _;
use std::panic::{self, AssertUnwindSafe};
use std::time::Duration;

use dzconn_core::model::{CaBundle, Tls};
use oracledb::{Config, Error, ErrorKind, ToDbValue};
use rustls::crypto::CryptoProvider;
use tempfile::TempDir;

use super::address::{self, Parts, wrong};
use super::{Bind, Connection, Driver, Login, Refusal, Rows, Trouble};

/// The driver `oracledb`, which speaks Oracle's protocol itself: 12.1 and later. No library is needed.
pub const fn thin() -> Thin {
    Thin(())
}

/// The driver `oracledb`; see [`thin()`].
///
/// # TLS
/// The driver always verifies that the certificate is signed and names the host. [`Tls::VerifyFull`] is therefore the one mode
/// that it has; the others are refused. Beside a given bundle it trusts the public authorities that Mozilla does.
///
/// # What else decides
/// `ORA_SDTZ` sets the session's time zone, which none of dzconn's statements looks at. Where `RSO_DEBUG_PACKETS` is set the
/// driver would print all that it sends: it is not used then. Native network encryption is not in it.
///
/// # Accounts
/// It knows one kind of password verifier, 12C (`PASSWORD_VERSIONS` in `DBA_USERS`), and breaks off on an account that has only
/// older ones, or on a server that answers so for users that do not exist. That is [`Trouble::Config`]; what it prints on
/// stderr then has no secret in it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Thin(());

/// The variable that makes the driver print what it sends, new passwords included.
const PRINTS: &str = "RSO_DEBUG_PACKETS";

impl Driver for Thin {
    fn connect(&self, login: &Login, timeout: Duration) -> Result<Box<dyn Connection>, Refusal> {
        if std::env::var_os(PRINTS).is_some() {
            return Err(wrong(format!(
                "with the environment variable {PRINTS} the driver would print statements, passwords included: unset it"
            )));
        }
        let wallet = match &login.tls {
            Tls::Disable => None,
            Tls::VerifyFull(bundle) => {
                choose_cryptography();
                bundle.as_ref().map(wallet).transpose()?
            }
            _ => {
                return Err(wrong(
                    "the driver `thin` always verifies that the server's certificate names the host: demand the connection's \
                     TLS so (verify-full), or use the driver `odpi`",
                ));
            }
        };
        // The driver's error would not tell this from others.
        let endpoint = &login.endpoint;
        (endpoint.host.as_str(), endpoint.port)
            .to_socket_addrs()
            .map_err(|error| Refusal::new(Trouble::Unreachable, format!("{}: {error}", endpoint.host)))?;
        // The driver would sleep a second after each failure.
        let parts = Parts { description: "(RETRY_COUNT=0)(RETRY_DELAY=0)".to_owned(), ..Parts::default() };
        let descriptor = address::descriptor(login, &parts)?;
        let mut config = Config::default()
            .set_connect_string(&descriptor)
            .map_err(|error| refusal(&error, At::Work))?
            .set_credentials(&login.user, login.password.expose())
            .set_transport_connect_timeout(Some(address::limit(timeout)))
            .set_driver_name("dzconn");
        if let Some(wallet) = &wallet {
            config = config.set_wallet_location(wallet.path().to_string_lossy());
        }
        let connection = unless_it_panics(|| oracledb::connect(config))?
            .map_err(|error| refusal(&error, At::Login { tls: login.tls.is_encrypted() }))?;
        Ok(Box::new(Session { connection }))
    }
}

/// The driver panics where it lacks something in what the server says of an account (`messages/auth.rs` unwraps what only
/// comes with a 12C verifier), and on some nonsense. Its socket is closed thereby.
fn unless_it_panics<T>(connect: impl FnOnce() -> T) -> Result<T, Refusal> {
    panic::catch_unwind(AssertUnwindSafe(connect)).map_err(|panic| {
        let words = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        if words.is_some_and(|words| words.contains("on a `None` value")) {
            return wrong(
                "the driver `thin` broke off while it logged in, as it does for an account without a 12C password verifier: \
                 set the account's password anew, so that PASSWORD_VERSIONS in DBA_USERS has 12C, or use the driver `odpi`",
            );
        }
        // Not the words: nobody knows what they may quote.
        Refusal::new(Trouble::Other, "the driver `thin` broke off; its message is on stderr")
    })
}

/// The driver takes rustls's cryptography for the process, and would panic if there were none or several to choose from.
fn choose_cryptography() {
    if CryptoProvider::get_default().is_none() {
        // Somebody else may choose at the same time, which is as well.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    }
}

/// The driver takes certificates from a file of this name only, in a directory that only this user may enter. It is gone once
/// the connection is there.
fn wallet(bundle: &CaBundle) -> Result<TempDir, Refusal> {
    let write = || -> io::Result<TempDir> {
        let directory = tempfile::Builder::new().prefix("dzconn-wallet-").tempdir()?;
        fs::write(directory.path().join("ewallet.pem"), certificates(bundle))?;
        Ok(directory)
    };
    write().map_err(|error| wrong(format!("the CA bundle cannot be written to a temporary directory: {error}")))
}

/// Nothing but certificates: with a private key beside them the driver would show them to the server and trust none.
fn certificates(bundle: &CaBundle) -> String {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";
    let pem = String::from_utf8_lossy(bundle.pem());
    let bodies = pem.split(BEGIN).skip(1).filter_map(|rest| rest.split_once(END));
    bodies.map(|(body, _)| format!("{BEGIN}{body}{END}\n")).collect()
}

struct Session {
    connection: oracledb::Connection,
}

/// The driver's own has nothing to say.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("thin::Session")
    }
}

impl Connection for Session {
    fn execute(&mut self, sql: &str, binds: &[Bind], timeout: Duration) -> Result<Rows, Refusal> {
        self.run(sql, binds, timeout).map_err(|error| refusal(&error, At::Work))
    }

    fn close(mut self: Box<Self>) -> Result<(), Refusal> {
        self.connection.close().map_err(|error| refusal(&error, At::Work))
    }
}

impl Session {
    fn run(&self, sql: &str, binds: &[Bind], timeout: Duration) -> Result<Rows, Error> {
        self.connection.set_call_timeout(Some(address::limit(timeout)))?;
        let binds: Vec<&dyn ToDbValue> = binds
            .iter()
            .map(|bind| match bind {
                Bind::Text(text) => text as &dyn ToDbValue,
                Bind::Number(number) => number,
            })
            .collect();
        // Not kept: the text may hold a password.
        let mut statement = self.connection.statement(sql)?.exclude_from_cache().build()?;
        if !statement.is_query() {
            statement.execute(&binds)?;
            return Ok(Rows::new());
        }
        let mut rows = Rows::new();
        for row in statement.query(&binds)? {
            let row = row?;
            rows.push((0..row.columns().len()).map(|column| row.get(column)).collect::<Result<_, _>>()?);
        }
        Ok(rows)
    }
}

/// When an error came.
#[derive(Clone, Copy)]
enum At {
    Login { tls: bool },
    Work,
}

/// The driver's texts quote neither statements nor values.
fn refusal(error: &Error, at: At) -> Refusal {
    let text = error.to_string();
    let trouble = match error.kind() {
        ErrorKind::DbError(answer) => server(answer.code()),
        ErrorKind::InvalidServiceName(..) => Trouble::Server(12_514),
        ErrorKind::InvalidSid(..) => Trouble::Server(12_505),
        ErrorKind::ListenerRefusedConnection(.., number) => server(*number),
        ErrorKind::NoCredentials => Trouble::Server(1005),
        ErrorKind::CallTimeoutExceeded => Trouble::Silent,
        ErrorKind::StreamOperation => stream(&text, at),
        ErrorKind::TlsOperation | ErrorKind::PemFileOperation => Trouble::Tls,
        ErrorKind::DeadConnection | ErrorKind::NotConnected | ErrorKind::UnableToRecover => Trouble::Lost,
        ErrorKind::InvalidConnectString(..)
        | ErrorKind::InvalidDescriptorNode(..)
        | ErrorKind::InvalidNetworkName(_)
        | ErrorKind::ServerVersionNotSupported
        | ErrorKind::WalletUnreadable(_) => Trouble::Config,
        _ => Trouble::Other,
    };
    Refusal::new(trouble, text)
}

fn server(number: usize) -> Trouble {
    u32::try_from(number).map_or(Trouble::Other, Trouble::Server)
}

/// The driver hides the cause of what befell its stream; its text has the system's own number, where there is one. What has
/// none comes from TLS, or from a stream that ended.
fn stream(text: &str, at: At) -> Trouble {
    let At::Login { tls } = at else { return Trouble::Lost };
    match system_error(text).map(|number| io::Error::from_raw_os_error(number).kind()) {
        Some(io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe) => {
            Trouble::Lost
        }
        None if ENDED.iter().any(|words| text.contains(words)) => Trouble::Lost,
        None if tls => Trouble::Tls,
        _ => Trouble::Unreachable,
    }
}

/// How rustls and the standard library say that the other end has gone. A certificate's fault is in no such words.
const ENDED: [&str; 4] =
    ["tls handshake eof", "without sending TLS close_notify", "unexpected end of file", "failed to write whole buffer"];

/// `... (os error 111)`, as the standard library writes it.
fn system_error(text: &str) -> Option<i32> {
    text.rsplit_once("(os error ")?.1.split_once(')')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn the_systems_number_tells_what_befell_a_stream() {
        let of = |error: io::Error, tls| stream(&format!("stream operation failed: {error}"), At::Login { tls });
        for (kind, trouble) in [(111, Trouble::Unreachable), (113, Trouble::Unreachable), (104, Trouble::Lost)] {
            for tls in [false, true] {
                assert_eq!(of(io::Error::from_raw_os_error(kind), tls), trouble, "{kind} {tls}");
            }
        }
        for ended in ["tls handshake eof", "peer closed connection without sending TLS close_notify: https://docs.rs"] {
            assert_eq!(of(io::Error::new(io::ErrorKind::UnexpectedEof, ended), true), Trouble::Lost, "{ended}");
        }
        assert_eq!(of(io::Error::from(io::ErrorKind::UnexpectedEof), true), Trouble::Lost);
        assert_eq!(of(io::Error::other("invalid peer certificate"), true), Trouble::Tls);
        assert_eq!(stream("whatever", At::Work), Trouble::Lost);
    }

    #[test]
    fn a_login_that_panics_says_what_the_account_lacks() {
        let nothing = std::hint::black_box(None::<u8>);
        let refusal = unless_it_panics(|| nothing.unwrap()).unwrap_err();
        assert_eq!(refusal.trouble, Trouble::Config);
        assert!(refusal.text.contains("12C") && refusal.text.contains("`odpi`"), "{}", refusal.text);
        let refusal = unless_it_panics(|| -> u8 { panic!("hunter2") }).unwrap_err();
        assert_eq!(refusal.trouble, Trouble::Other);
        assert!(!refusal.text.contains("hunter2"));
        assert_eq!(unless_it_panics(|| 1).unwrap(), 1);
    }

    #[test]
    fn a_wallet_has_certificates_only() {
        let one = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";
        let key = "-----BEGIN PRIVATE KEY-----\nBB==\n-----END PRIVATE KEY-----\n";
        let bundle = CaBundle::from_pem(format!("# Amazon\n{one}{key}{one}")).unwrap();
        assert_eq!(certificates(&bundle), format!("{one}{one}"));
        let directory = wallet(&bundle).unwrap();
        assert_eq!(fs::read_to_string(directory.path().join("ewallet.pem")).unwrap(), format!("{one}{one}"));
    }
}
