//! The simulator behind the engine's seam.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dzconn_core::model::{Target, Tls};
use dzconn_oracle::driver::{Bind, Connection, Driver, Login, Refusal, Rows, Trouble};

use crate::error::OraError;
use crate::lex::{Token, tokens};
use crate::options::Options;
use crate::session::{SILENT, Server, Session};
use crate::value::Value;

/// A simulated database with its listener. Clones are the same one.
#[derive(Clone)]
pub struct Simulator {
    server: Arc<Server>,
    options: Options,
}

impl fmt::Debug for Simulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulator").field("version", &self.options.version).finish_non_exhaustive()
    }
}

impl Simulator {
    /// A new database.
    pub fn new(options: Options) -> Self {
        Self { server: Server::new(options.clone()), options }
    }

    /// Runs a statement as SYS, as somebody would on the server's own machine.
    ///
    /// # Errors
    /// What the server refuses it with.
    pub fn as_sys(&self, statement: &str) -> Result<(), OraError> {
        Session::sys(&self.server).execute(statement, &[]).map(drop)
    }

    /// `oracle://user:password@host:port/service` of somebody who may do everything.
    pub fn url(&self) -> String {
        let Options { host, port, service, system_password, .. } = &self.options;
        format!("oracle://system:{system_password}@{host}:{port}/{service}")
    }

    /// What the listener says ("Oracle Net Services", Listener).
    fn reach(&self, login: &Login) -> Result<(), Refusal> {
        let server = |code: u32, text: &str| Err(Refusal::new(Trouble::Server(code), format!("ORA-{code:05}: {text}")));
        let endpoint = &login.endpoint;
        if (endpoint.host.as_str(), endpoint.port) != (self.options.host.as_str(), self.options.port) {
            return Err(Refusal::new(Trouble::Unreachable, "ORA-12541: TNS:no listener"));
        }
        match &endpoint.target {
            Target::Service(name) | Target::Database(name) if !name.eq_ignore_ascii_case(&self.options.service) => {
                server(12514, "TNS:listener does not currently know of service requested in connect descriptor")
            }
            Target::Sid(name) if !name.eq_ignore_ascii_case("orcl") => {
                server(12505, "TNS:listener does not currently know of SID given in connect descriptor")
            }
            _ => Ok(()),
        }
    }
}

impl Driver for Simulator {
    fn connect(&self, login: &Login, _timeout: Duration) -> Result<Box<dyn Connection>, Refusal> {
        self.reach(login)?;
        let protocol = if login.tls == Tls::Disable { "tcp" } else { "tcps" };
        match Session::open(&self.server, &login.user, login.password.expose(), protocol) {
            Ok(session) => Ok(Box::new(Client { session, odpi: self.options.odpi, dead: false })),
            Err(error) => Err(refusal(&error)),
        }
    }
}

#[derive(Debug)]
struct Client {
    session: Session,
    odpi: bool,
    /// ODPI-C uses the session no more.
    dead: bool,
}

/// After what ODPI-C uses a session no more, as far as this server answers it.
const DEAD: [u32; 3] = [28, 31, 1012];

fn refusal(error: &OraError) -> Refusal {
    match error.code {
        SILENT => Refusal::new(Trouble::Silent, "no answer in time"),
        code => Refusal::new(Trouble::Server(code), error.to_string()),
    }
}

/// The seam's placeholders are `:1`, `:2`, ..., each once and in this order, with one value for each.
fn check_binds(sql: &str, count: usize) -> Result<(), Refusal> {
    let found = tokens(sql).map_err(|error| refusal(&error))?;
    let names: Vec<String> = found
        .into_iter()
        .filter_map(|token| match token {
            Token::Bind(name) => Some(name),
            _ => None,
        })
        .collect();
    let wanted: Vec<String> = (1..=count).map(|number| number.to_string()).collect();
    if names == wanted {
        return Ok(());
    }
    Err(Refusal::new(Trouble::Other, format!("{count} values for the placeholders {names:?}")))
}

impl Connection for Client {
    fn execute(&mut self, sql: &str, binds: &[Bind], timeout: Duration) -> Result<Rows, Refusal> {
        check_binds(sql, binds.len())?;
        let value = |bind: &Bind| match bind {
            Bind::Text(text) => Value::text(text.as_str()),
            Bind::Number(number) => Value::number(*number),
        };
        let values: Vec<Value> = binds.iter().map(value).collect();
        self.session.wait_until(Instant::now().checked_add(timeout));
        let lost = || Refusal::new(Trouble::Lost, "DPI-1080: connection was closed");
        if self.dead {
            return Err(lost());
        }
        let found = self.session.execute(sql, &values).map_err(|error| {
            self.dead = self.odpi && DEAD.contains(&error.code);
            if self.dead { lost() } else { refusal(&error) }
        })?;
        if found.columns.is_empty() {
            return Ok(Vec::new());
        }
        let cell = |value: &Value| (!value.is_null()).then(|| value.to_text());
        Ok(found.rows.iter().map(|row| row.iter().map(cell).collect()).collect())
    }

    fn close(self: Box<Self>) -> Result<(), Refusal> {
        Ok(())
    }
}
