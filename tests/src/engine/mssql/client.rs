//! A plain client: statements out, text back.

use dzconn_core::{Error, Result, Secret};
use tiberius::{AuthMethod, Client as Driver, ColumnData, Config, EncryptionLevel};
use tokio::net::TcpStream;
use tokio_util::compat::{Compat, TokioAsyncWriteCompatExt as _};

use super::super::trouble;

pub(super) type Rows = Vec<Vec<String>>;

/// Where a server is, and how it is spoken to.
#[derive(Clone, Debug)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) encryption: EncryptionLevel,
}

/// A failed statement, or login: the server's number, or nothing if there is no server any more.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) number: Option<u32>,
    text: String,
}

impl Refused {
    /// Whatever the cause, it is the test's own trouble.
    pub(super) fn trouble(self, what: &str) -> Error {
        let number = self.number.map(|number| number.to_string());
        trouble(format!("{} in: {what}", self.text)).vendor(number.unwrap_or_default())
    }
}

impl From<tiberius::error::Error> for Refused {
    fn from(error: tiberius::error::Error) -> Self {
        // The server's last word before it ends a session (class 20 and more) is no answer.
        let number = match &error {
            tiberius::error::Error::Server(token) if token.class() < 20 => Some(token.code()),
            _ => None,
        };
        Self { number, text: error.to_string() }
    }
}

/// A connection.
pub(super) struct Client(Driver<Compat<TcpStream>>);

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}

impl Client {
    /// Logs in to a database.
    pub(super) async fn open(
        address: &Address,
        user: &str,
        password: &Secret,
        database: &str,
    ) -> std::result::Result<Self, Refused> {
        let mut config = Config::new();
        config.host(&address.host);
        config.port(address.port);
        config.database(database);
        config.application_name("dzconn-tests");
        config.authentication(AuthMethod::sql_server(user, password.expose()));
        config.encryption(address.encryption);
        // Certificates are for tests that own some.
        config.trust_cert();
        let lost = |error: std::io::Error| Refused { number: None, text: error.to_string() };
        let socket = TcpStream::connect((&*address.host, address.port)).await.map_err(lost)?;
        socket.set_nodelay(true).map_err(lost)?;
        // On the heap: what the driver does meanwhile is large.
        Ok(Self(Box::pin(Driver::connect(config, socket.compat_write())).await?))
    }

    /// All rows of all results.
    pub(super) async fn run(&mut self, sql: &str) -> std::result::Result<Rows, Refused> {
        let results = self.0.simple_query(sql).await?.into_results().await?;
        let rows = results.into_iter().flatten();
        Ok(rows.map(|row| row.into_iter().map(text).collect()).collect())
    }

    /// It works.
    pub(super) async fn must(&mut self, sql: &str) -> Result<Rows> {
        self.run(sql).await.map_err(|refused| refused.trouble(sql))
    }
}

fn text(value: ColumnData<'static>) -> String {
    match value {
        ColumnData::U8(number) => shown(number),
        ColumnData::I16(number) => shown(number),
        ColumnData::I32(number) => shown(number),
        ColumnData::I64(number) => shown(number),
        ColumnData::Bit(bit) => shown(bit.map(u8::from)),
        ColumnData::String(text) => text.map(std::borrow::Cow::into_owned).unwrap_or_default(),
        other => format!("{other:?}"),
    }
}

fn shown<T: ToString>(value: Option<T>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// An identifier.
pub(super) fn ident(name: &str) -> String {
    format!("[{}]", name.replace(']', "]]"))
}

/// A string. A backslash before a line break would join two lines.
pub(super) fn literal(text: &str) -> String {
    let text = text.replace('\'', "''").replace("\\\n", "\\' + N'\n").replace("\\\r", "\\' + N'\r");
    format!("N'{text}'")
}
