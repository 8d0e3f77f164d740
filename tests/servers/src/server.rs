use std::fmt;
use std::fs::{self, File};
use std::io::Read as _;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::Error;
use crate::supervisor::Supervised;

const START_LIMIT: Duration = Duration::from_mins(1);
/// Between choosing a free port and the server's taking it, somebody else may take it.
const ATTEMPTS: u32 = 3;

/// What is common to the kinds of servers.
pub(crate) struct Recipe<'a> {
    pub(crate) name: &'static str,
    pub(crate) version: String,
    pub(crate) scheme: &'static str,
    pub(crate) user: &'static str,
    pub(crate) database: &'static str,
    /// Becomes the server; gets the program, the port and the folder as arguments.
    pub(crate) script: &'static str,
    pub(crate) program: &'a Path,
    /// A folder of code that the server runs, copied into its own, where whoever it runs as may read it.
    pub(crate) code: Option<&'a Path>,
    /// What the file `options` in the folder says, one word a line.
    pub(crate) options: &'a [&'a str],
    /// What the file `secret` in the folder says, given the password.
    pub(crate) secret: fn(&str) -> String,
    /// Whether the server takes connections by now and, if so, speaks TLS.
    pub(crate) answers: Answers,
    /// What stops it, fast and at once.
    pub(crate) signals: [&'static str; 2],
}

type Answers = fn(&Path, u16) -> Option<bool>;

/// How a server is made to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// In good order, without waiting for its clients.
    Fast,
    /// Without writing anything down that is not written yet.
    Crash,
}

/// A running throwaway server. It stops, and its folder goes, when this value does.
pub struct Server {
    name: &'static str,
    version: String,
    scheme: &'static str,
    user: &'static str,
    database: &'static str,
    port: u16,
    password: String,
    ca: Option<String>,
    answers: Answers,
    signals: [&'static str; 2],
    process: Supervised,
}

impl Server {
    pub(crate) fn start(recipe: &Recipe<'_>) -> Result<Self, Error> {
        on_free_port(|port| Self::start_on(recipe, port))
    }

    fn start_on(recipe: &Recipe<'_>, port: u16) -> Result<Self, Error> {
        let name = recipe.name;
        let password = random_password().map_err(Error::io("read /dev/urandom"))?;
        let program = recipe.program.to_string_lossy();
        let prefix = format!("dzconn-{}-", name.to_lowercase());
        let mut process = Supervised::new(&prefix, recipe.script, &[&program, &port.to_string()])?;
        process.write("secret", &(recipe.secret)(&password))?;
        process.write("options", &recipe.options.join("\n"))?;
        if let Some(code) = recipe.code {
            process.copy(code)?;
        }
        process.go()?;
        let Recipe { version, scheme, user, database, .. } = recipe;
        let (version, scheme, user, database) = (version.clone(), *scheme, *user, *database);
        let mut server = Self {
            name,
            version,
            scheme,
            user,
            database,
            port,
            password,
            ca: None,
            answers: recipe.answers,
            signals: recipe.signals,
            process,
        };
        if wait_until(name, &mut server.process, |folder| (recipe.answers)(folder, port))? {
            let ca = fs::read_to_string(server.folder().join("tls/ca.pem"));
            server.ca = Some(ca.map_err(Error::io("read ca.pem"))?);
        }
        fs::remove_file(server.folder().join("secret")).map_err(Error::io("remove the password file"))?;
        Ok(server)
    }

    /// The product, such as `PostgreSQL`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The server's version, such as `15.18`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The superuser's name.
    pub fn user(&self) -> &'static str {
        self.user
    }

    /// The superuser's password.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// The URL of the administrative database with the superuser's credentials, such as
    /// `postgresql://postgres:...@127.0.0.1:38211/postgres`.
    pub fn url(&self) -> String {
        let Self { scheme, user, password, port, database, .. } = self;
        format!("{scheme}://{user}:{password}@127.0.0.1:{port}/{database}")
    }

    /// The authority that signed the server's certificate, which is for 127.0.0.1 and localhost. `None`: the server
    /// speaks plain text only, since the `openssl` command is not installed or the server was built without TLS.
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca.as_deref()
    }

    /// Stops the server; its port and its data stay its own. Until [`resume`](Self::resume) nothing listens there.
    ///
    /// # Errors
    /// It does not stop, or has stopped by itself.
    pub fn halt(&mut self, how: Stop) -> Result<(), Error> {
        let [fast, crash] = self.signals;
        self.process.hold(if how == Stop::Fast { fast } else { crash })
    }

    /// Starts the server again, where it was, and waits until it takes connections.
    ///
    /// # Errors
    /// It does not start.
    pub fn resume(&mut self) -> Result<(), Error> {
        self.process.again()?;
        let (answers, port) = (self.answers, self.port);
        wait_until(self.name, &mut self.process, |folder| answers(folder, port)).map(drop)
    }

    /// The server's own folder. Goes with the server.
    pub fn folder(&self) -> &Path {
        self.process.folder()
    }

    /// The server's log.
    pub fn log_file(&self) -> PathBuf {
        self.process.log_file()
    }
}

/// Without the password.
impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, version, port, .. } = self;
        f.debug_struct("Server")
            .field("name", name)
            .field("version", version)
            .field("port", port)
            .finish_non_exhaustive()
    }
}

/// Such as `PostgreSQL 15.18 on 127.0.0.1:38211`.
impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} on 127.0.0.1:{}", self.name, self.version, self.port)
    }
}

/// Starts something on a free port, and on another one if that was taken meanwhile.
pub(crate) fn on_free_port<T>(start: impl Fn(u16) -> Result<T, Error>) -> Result<T, Error> {
    let mut attempt = 1;
    loop {
        let port = free_port().map_err(Error::io("find a free port on 127.0.0.1"))?;
        let result = start(port);
        let taken = || TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_err();
        match result {
            Err(Error::Ended { .. }) if attempt < ATTEMPTS && taken() => attempt += 1,
            other => return other,
        }
    }
}

/// Waits for what a server answers once it takes connections, given its folder.
pub(crate) fn wait_until<T>(
    server: &'static str,
    process: &mut Supervised,
    answers: impl Fn(&Path) -> Option<T>,
) -> Result<T, Error> {
    let started = Instant::now();
    loop {
        if process.has_ended() {
            return Err(Error::Ended { server, log: process.log() });
        }
        if let Some(answer) = answers(process.folder()) {
            return Ok(answer);
        }
        if started.elapsed() > START_LIMIT {
            let folder = process.folder().to_path_buf();
            return Err(Error::Slow { server, folder, waited: START_LIMIT, log: process.log() });
        }
        thread::sleep(Duration::from_millis(20));
    }
}

fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// 128 bits in hexadecimal: nothing in it needs quoting anywhere.
fn random_password() -> std::io::Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes)))
}
