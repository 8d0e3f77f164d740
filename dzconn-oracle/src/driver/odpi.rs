//! The driver over Oracle's client library.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use dzconn_core::model::Tls;
use oracle::sql_type::ToSql;
use oracle::{Connector, Error, InitParams, Version};

use super::address::{self, Parts, wrong};
use super::{Bind, Connection, Driver, Login, Refusal, Rows, Trouble};

/// The driver `oracle`, over ODPI-C and Oracle's client library, which must be there at run time: Instant Client 18 or later,
/// for TLS 23 or later.
pub const fn odpi() -> Odpi {
    Odpi { wallet: None }
}

/// The driver `oracle`; see [`odpi()`].
///
/// # TLS
/// The client library verifies certificates against a wallet: the directory that [`wallet`](Self::wallet) names (`cwallet.sso`,
/// made with `orapki`), else what the system trusts. It takes no PEM text, so a source with a CA bundle of its own is refused
/// unless a wallet is named, which then stands in for it. It cannot leave a certificate unverified: [`Tls::Require`] is refused.
/// Before version 23 it also takes a certificate that names the database's service instead of the host, so TLS is refused with
/// an older library.
///
/// # What else decides
/// The address is a full descriptor, so `ORACLE_SID`, `TWO_TASK` and `tnsnames.ora` say nothing. `TNS_ADMIN` is overridden; a
/// `sqlnet.ora` in the library's own `network/admin` is read. All of that holds if no other part of the program has started the
/// client library first, which is done once for a process. Where `DPI_DEBUG_LEVEL` asks ODPI-C for statements (16), the driver
/// is not used: it would print passwords.
#[derive(Clone, Debug, Default)]
pub struct Odpi {
    wallet: Option<PathBuf>,
}

impl Odpi {
    /// The directory of the wallet with the certificates that sign the servers' own. It stands in for a source's CA bundle.
    #[must_use]
    pub fn wallet(mut self, directory: impl Into<PathBuf>) -> Self {
        self.wallet = Some(directory.into());
        self
    }

    fn security(&self, tls: &Tls) -> Result<String, Refusal> {
        let names_host = match tls {
            Tls::Disable => return Ok(String::new()),
            Tls::VerifyCa(_) => false,
            Tls::VerifyFull(_) => true,
            _ => {
                return Err(wrong(
                    "the driver `odpi` always verifies the server's certificate: demand the connection's TLS so (verify-ca or \
                     verify-full)",
                ));
            }
        };
        if tls.ca().is_some() && self.wallet.is_none() {
            return Err(wrong(
                "the driver `odpi` takes no CA bundle: put its certificates into a wallet (orapki wallet create, wallet add \
                 -trusted_cert) and name its directory with `driver::odpi().wallet(...)`, or use the driver `thin`",
            ));
        }
        let version = Version::client().map_err(|error| refusal(&error))?;
        if version.major() < 23 {
            return Err(wrong(format!(
                "the Oracle client library is version {version}, which cannot demand of a certificate that it names the host: \
                 for TLS install Instant Client 23 or later, or use the driver `thin`"
            )));
        }
        let wallet = self.wallet.as_deref().map_or(Ok("SYSTEM"), wallet_path)?;
        let names_host = if names_host { "YES" } else { "NO" };
        Ok(format!("(SSL_SERVER_DN_MATCH={names_host})(SSL_ALLOW_WEAK_DN_MATCH=NO)(WALLET_LOCATION={wallet})"))
    }
}

/// Nothing that would end the value.
fn wallet_path(path: &Path) -> Result<&str, Refusal> {
    let text = path.to_str().filter(|text| !text.is_empty() && !text.contains(['(', ')', '=', '"', '\'', '\0']));
    text.ok_or_else(|| wrong(format!("the wallet's directory {} cannot be written in a descriptor", path.display())))
}

/// The variable that makes ODPI-C print, and the bit for statements ("Debugging", ODPI-C; `dpiImpl.h`).
const PRINTS: &str = "DPI_DEBUG_LEVEL";
const STATEMENTS: u64 = 16;

/// Whether ODPI-C would print statements. It reads the digits at the beginning, and whatever cannot be read so counts as well.
fn prints_statements(level: &OsStr) -> bool {
    let Some(text) = level.to_str().map(str::trim) else { return true };
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    if digits.is_empty() {
        text.starts_with(['+', '-'])
    } else {
        digits.parse().map_or(true, |n: u64| n & STATEMENTS != 0)
    }
}

/// Where no file can be.
const NOWHERE: &str = if cfg!(windows) { "NUL\\dzconn" } else { "/dev/null/dzconn" };

/// Loads the client library, once for the process. It is told to look for configuration where there is none.
fn load() -> Result<(), Refusal> {
    let mut params = InitParams::new();
    let params = params.oracle_client_config_dir(NOWHERE).map_err(|error| refusal(&error))?;
    params.init().map(drop).map_err(|error| refusal(&error))
}

impl Driver for Odpi {
    fn connect(&self, login: &Login, timeout: Duration) -> Result<Box<dyn Connection>, Refusal> {
        if std::env::var_os(PRINTS).is_some_and(|level| prints_statements(&level)) {
            return Err(wrong(format!(
                "with this value of the environment variable {PRINTS} ODPI-C would print statements, passwords included: unset \
                 it"
            )));
        }
        if login.password.expose().is_empty() {
            // To the library that would mean another way to log in.
            return Err(Refusal::new(Trouble::Server(1005), "the password is empty"));
        }
        // What cannot be is said before a library is asked for.
        address::descriptor(login, &Parts::default())?;
        load()?;
        let seconds = address::seconds(timeout);
        // EXPIRE_TIME: a call that was given up ends some minutes after its server has gone.
        let parts = Parts {
            description: format!(
                "(CONNECT_TIMEOUT={seconds})(TRANSPORT_CONNECT_TIMEOUT={seconds})(RETRY_COUNT=0)(EXPIRE_TIME=1)"
            ),
            security: self.security(&login.tls)?,
        };
        let descriptor = address::descriptor(login, &parts)?;
        let connector = Connector::new(login.user.as_str(), login.password.expose(), descriptor);
        let connection = connector.connect().map_err(|error| refusal(&error))?;
        Ok(Box::new(Session { connection }))
    }
}

struct Session {
    connection: oracle::Connection,
}

/// The driver's own may show more than anybody needs.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("odpi::Session")
    }
}

impl Connection for Session {
    fn execute(&mut self, sql: &str, binds: &[Bind], timeout: Duration) -> Result<Rows, Refusal> {
        self.run(sql, binds, timeout).map_err(|error| refusal(&error))
    }

    fn close(self: Box<Self>) -> Result<(), Refusal> {
        self.connection.close().map_err(|error| refusal(&error))
    }
}

impl Session {
    fn run(&self, sql: &str, binds: &[Bind], timeout: Duration) -> Result<Rows, Error> {
        self.connection.set_call_timeout(Some(address::limit(timeout)))?;
        let binds: Vec<&dyn ToSql> = binds
            .iter()
            .map(|bind| match bind {
                Bind::Text(text) => text as &dyn ToSql,
                Bind::Number(number) => number,
            })
            .collect();
        // Not kept: the text may hold a password.
        let mut statement = self.connection.statement(sql).exclude_from_cache().build()?;
        if !statement.is_query() {
            statement.execute(&binds)?;
            return Ok(Rows::new());
        }
        let mut rows = Rows::new();
        for row in statement.query(&binds)? {
            let row = row?;
            rows.push(row.sql_values().iter().map(oracle::SqlValue::get::<Option<String>>).collect::<Result<_, _>>()?);
        }
        Ok(rows)
    }
}

/// ODPI-C's own numbers ("ODPI-C Errors", `dpiErrorMessages.h`).
mod dpi {
    pub(super) const NOT_CONNECTED: i32 = 1010;
    pub(super) const LOAD_LIBRARY: i32 = 1047;
    pub(super) const CLIENT_TOO_OLD: i32 = 1050;
    pub(super) const CALL_TIMEOUT: i32 = 1067;
    pub(super) const WRONG_LIBRARY: i32 = 1072;
    pub(super) const CONNECTION_CLOSED: i32 = 1080;
}

/// The library's texts quote neither statements nor values.
fn refusal(error: &Error) -> Refusal {
    let trouble = match (error.oci_code(), error.dpi_code()) {
        (_, Some(dpi::LOAD_LIBRARY)) => Trouble::NoClient,
        (_, Some(dpi::CLIENT_TOO_OLD | dpi::WRONG_LIBRARY)) => Trouble::Config,
        (_, Some(dpi::CALL_TIMEOUT)) => Trouble::Silent,
        (_, Some(dpi::NOT_CONNECTED | dpi::CONNECTION_CLOSED)) => Trouble::Lost,
        (Some(number), _) => u32::try_from(number).map_or(Trouble::Other, Trouble::Server),
        _ => Trouble::Other,
    };
    Refusal::new(trouble, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_print_statements_is_known() {
        for level in ["16", "24", " 31", "16x", "-1", "99999999999999999999999"] {
            assert!(prints_statements(OsStr::new(level)), "{level}");
        }
        for level in ["", "0", "1", "8", "15", "32", "on"] {
            assert!(!prints_statements(OsStr::new(level)), "{level}");
        }
    }
}
