//! JDBC connection URLs: where a source is, in the spelling of each engine's driver.

mod oracle;
mod sqlserver;
#[cfg(test)]
mod tests;
mod tls;
mod write;

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use crate::model::{SourceEndpoint, Target};
use crate::{Error, ErrorKind, Result, Secret};

/// A JDBC URL, taken apart.
///
/// ```
/// use dzconn_core::model::{JdbcUrl, Target, Tls};
///
/// let url: JdbcUrl = "jdbc:postgresql://db.internal/sales?sslmode=verify-full".parse()?;
/// assert_eq!((url.endpoint.host.as_str(), url.endpoint.port), ("db.internal", 5432));
/// assert_eq!(url.endpoint.target, Target::Database("sales".to_owned()));
/// assert_eq!(url.tls()?, Some(Tls::VerifyFull(None)));
/// # Ok::<(), dzconn_core::Error>(())
/// ```
///
/// Read are (`FromStr`):
///
/// - `jdbc:mysql://host:3306/database?name=value`, the same for `mariadb`, `postgresql`, and for any other sub-protocol of a
///   third party's engine, which must name a port where it has no usual one;
/// - `jdbc:sqlserver://host\instance:1433;databaseName=database;name=value`, also with `/database` after the port;
/// - `jdbc:oracle:thin:@//host:1521/service`, `...:@host:1521:SID`, `...:@(DESCRIPTION=...)`, with or without `thin:` and `//`.
///
/// An address of IPv6 stands in brackets. A URL of several hosts is refused: grants are made on one server.
///
/// Neither `Debug` nor `Display` nor an error shows a property or a password.
#[derive(Clone, PartialEq, Eq)]
pub struct JdbcUrl {
    /// Where the source is. A SQL Server instance is named only where its port is not: a port makes the name moot.
    pub endpoint: SourceEndpoint,
    /// What else the URL says, by name: SQL Server's and Oracle's names in lower case, the others' as they are written.
    /// Whatever is named like a password or token is left out.
    pub properties: BTreeMap<String, String>,
    /// User and password, where the URL has both. They are better kept in a secret.
    pub credentials: Option<(String, Secret)>,
}

impl JdbcUrl {
    /// A property, whatever the case of its name.
    pub fn property(&self, name: &str) -> Option<&str> {
        self.properties.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

impl fmt::Display for JdbcUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.endpoint.fmt(f)
    }
}

impl fmt::Debug for JdbcUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not even the names of properties: a password with a raw & in it would look like one.
        f.debug_struct("JdbcUrl")
            .field("endpoint", &self.endpoint)
            .field("properties", &self.properties.len())
            .field("credentials", &self.credentials.as_ref().map(|_| "[redacted]"))
            .finish()
    }
}

impl FromStr for JdbcUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim();
        let no_form = |what: &str| invalid("", what);
        if text.chars().any(char::is_control) {
            return Err(no_form("holds a control character"));
        }
        let (scheme, rest) = text.split_once(':').ok_or_else(|| no_form("does not begin with jdbc:"))?;
        if !scheme.eq_ignore_ascii_case("jdbc") {
            return Err(no_form("does not begin with jdbc:"));
        }
        let (subprotocol, rest) = rest.split_once(':').ok_or_else(|| no_form("names no sub-protocol"))?;
        let subprotocol = subprotocol.to_ascii_lowercase();
        if subprotocol.is_empty() || !subprotocol.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-_.".contains(&b)) {
            return Err(no_form("names no sub-protocol"));
        }
        let parts = match subprotocol.as_str() {
            "sqlserver" => sqlserver::parse(rest),
            "oracle" => oracle::parse(rest),
            _ => slashes(&subprotocol, rest),
        };
        parts.map_err(|what| invalid(&subprotocol, what))?.finish(subprotocol)
    }
}

/// What is wrong with a URL, in words that hold nothing of it: any part may be a password that was not escaped.
type Wrong = &'static str;

fn invalid(subprotocol: &str, what: &str) -> Error {
    let form = match subprotocol {
        "mysql" => "jdbc:mysql://host:3306/database?name=value",
        "mariadb" => "jdbc:mariadb://host:3306/database?name=value",
        "postgresql" => "jdbc:postgresql://host:5432/database?name=value",
        "sqlserver" => "jdbc:sqlserver://host:1433;databaseName=database;name=value",
        "oracle" => "jdbc:oracle:thin:@//host:1521/service, ...:@host:1521:SID or ...:@(DESCRIPTION=...)",
        _ => "jdbc:postgresql://host:5432/database, and for another engine jdbc:<engine>://host:port/database",
    };
    Error::new(ErrorKind::InvalidInput, format!("the JDBC URL {what}")).advise(format!("the right form is {form}"))
}

/// What the parsers find.
#[derive(Default)]
struct Parts {
    host: String,
    port: Option<u16>,
    instance: Option<String>,
    target: Target,
    user: Option<String>,
    password: Option<Secret>,
    properties: BTreeMap<String, String>,
}

impl Parts {
    /// Adds a property that the URL has not named yet.
    fn add(&mut self, name: String, value: String) -> Result<(), Wrong> {
        if name.is_empty() {
            return Err("has a property without a name");
        }
        match name.to_ascii_lowercase().as_str() {
            "user" | "username" if self.user.is_none() => self.user = Some(value),
            "password" if self.password.is_none() => self.password = Some(Secret::new(value)),
            "user" | "username" | "password" => return Err("names a user or password twice"),
            lower => {
                if self.properties.keys().any(|known| known.eq_ignore_ascii_case(lower)) {
                    return Err("names a property twice");
                }
                self.properties.insert(name, value);
            }
        }
        Ok(())
    }

    /// Takes a property out.
    fn take(&mut self, name: &str) -> Option<String> {
        let key = self.properties.keys().find(|known| known.eq_ignore_ascii_case(name))?.clone();
        self.properties.remove(&key)
    }

    fn finish(mut self, subprotocol: String) -> Result<JdbcUrl> {
        let port = self.port.or_else(|| SourceEndpoint::default_port(&subprotocol));
        let port = port.ok_or_else(|| invalid(&subprotocol, "names no port, and its engine has no usual one"))?;
        self.properties.retain(|name, _| {
            let name = name.to_ascii_lowercase();
            !["password", "secret", "token", "pwd"].iter().any(|hidden| name.contains(hidden))
        });
        let Self { host, instance, target, user, password, properties, .. } = self;
        Ok(JdbcUrl {
            endpoint: SourceEndpoint { subprotocol, host, port, instance, target },
            properties,
            credentials: user.filter(|user| !user.is_empty()).zip(password),
        })
    }
}

/// `//user:password@host:port/database?name=value&name=value`.
fn slashes(subprotocol: &str, text: &str) -> Result<Parts, Wrong> {
    let text = text.strip_prefix("//").ok_or("does not go on with //host after its sub-protocol")?;
    let known = SourceEndpoint::default_port(subprotocol).is_some();
    // Some third parties' URLs have SQL Server's separators.
    let separators: &[char] = if known { &['?'] } else { &['?', ';'] };
    let (place, list) = match text.find(separators) {
        Some(at) => (text.get(..at).unwrap_or_default(), text.get(at + 1..).unwrap_or_default()),
        None => (text, ""),
    };
    let (authority, database) = place.split_once('/').unwrap_or((place, ""));
    let (login, address) = match authority.rsplit_once('@') {
        Some((login, address)) => (Some(login), address),
        None => (None, authority),
    };
    let decode = |text: &str| decoded(subprotocol, text);
    // A password with a raw / or ? in it would be taken for host, port and database.
    let misplaced = |text: &str| text.contains('@');
    if misplaced(database) || list.split('=').next().is_some_and(misplaced) {
        return Err("has an @ after its host; in a password write / as %2F, ? as %3F and @ as %40");
    }
    let (host, port) = host_and_port(address)?;
    let mut parts = Parts { host, port, ..Parts::default() };
    if !database.is_empty() {
        parts.target = Target::Database(decode(database)?);
    }
    if let Some(login) = login {
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        parts.user = Some(decode(user)?);
        if !password.is_empty() {
            parts.password = Some(Secret::new(decode(password)?));
        }
    }
    let between: &[char] = if known { &['&'] } else { &['&', ';'] };
    for pair in list.split(between).filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        parts.add(decode(name)?, decode(value)?)?;
    }
    Ok(parts)
}

/// `host`, `host:port`, `[address]` or `[address]:port`.
fn host_and_port(text: &str) -> Result<(String, Option<u16>), Wrong> {
    if text.contains(',') {
        return Err("names several hosts; name the one that grants are to be made on, the writer");
    }
    if text.contains(['(', '=']) {
        return Err("describes its host by key and value");
    }
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (address, rest) = rest.split_once(']').ok_or("has a bracket that is not closed")?;
        if !is_ipv6(address) {
            return Err("has something else than an IPv6 address in brackets");
        }
        match rest.strip_prefix(':') {
            Some(port) => (address, Some(port)),
            None if rest.is_empty() => (address, None),
            None => return Err("has something else than a port after the brackets"),
        }
    } else {
        let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
        if port.is_some_and(|port| port.contains(':')) {
            return Err("has several colons in its host; an IPv6 address stands in brackets");
        }
        check_host(host)?;
        (host, port)
    };
    Ok((host.to_owned(), port.map(self::port).transpose()?))
}

fn is_ipv6(text: &str) -> bool {
    let address = text.split_once('%').map_or(text, |(address, _zone)| address);
    address.parse::<Ipv6Addr>().is_ok()
}

fn check_host(host: &str) -> Result<(), Wrong> {
    if host.is_empty() {
        return Err("names no host");
    }
    if host.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c)) { Ok(()) } else { Err("has no valid host") }
}

fn port(text: &str) -> Result<u16, Wrong> {
    text.parse().ok().filter(|port| *port > 0).ok_or("has no valid port; ports are 1 to 65535")
}

/// Text without its percent codes. The drivers of `MySQL` and `PostgreSQL` read `+` as a space and refuse what is no code;
/// others' URLs are not always escaped, so what is no code stands for itself.
fn decoded(subprotocol: &str, text: &str) -> Result<String, Wrong> {
    let strict = matches!(subprotocol, "mysql" | "postgresql");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after) {
            (b'+', _) if strict => bytes.push(b' '),
            (b'%', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                bytes.push(digit(*high) << 4 | digit(*low));
                rest = after;
            }
            (b'%', _) if strict => return Err("has a % that begins no code; write %25"),
            _ => bytes.push(byte),
        }
    }
    let text = String::from_utf8(bytes).map_err(|_| "has percent codes that are not UTF-8")?;
    if text.contains('\0') { Err("holds a NUL") } else { Ok(text) }
}

fn digit(byte: u8) -> u8 {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok()).unwrap_or_default()
}
