use std::fmt;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::server::{on_free_port, wait_until};
use crate::supervisor::Supervised;
use crate::{Error, find};

const NAME: &str = "moto";

/// A throwaway moto server, which plays AWS and decides one request after another. It stops, and its folder goes, when this value does.
#[derive(Debug)]
pub struct Moto {
    port: u16,
    process: Supervised,
}

impl Moto {
    /// Starts one with a Python that has `moto[server]`.
    pub fn start(python: &Path) -> Result<Self, Error> {
        let python = find::python(python)?;
        let python = python.to_string_lossy();
        on_free_port(|port| {
            let args = [&*python, &port.to_string()];
            let mut process = Supervised::new("dzconn-moto-", include_str!("sh/moto.sh"), &args)?;
            process.write("one_at_a_time.py", include_str!("one_at_a_time.py"))?;
            process.go()?;
            wait_until(NAME, &mut process, |folder| answers(folder, port))?;
            Ok(Self { port, process })
        })
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The endpoint of all services.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
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

/// Such as `moto on 127.0.0.1:38211`.
impl fmt::Display for Moto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{NAME} on 127.0.0.1:{}", self.port)
    }
}

/// It logs its address once it has taken the port, so what answers there is our server.
fn answers(folder: &Path, port: u16) -> Option<()> {
    let log = fs::read_to_string(folder.join("log")).ok()?;
    if !log.contains(&format!("Running on http://127.0.0.1:{port}")) {
        return None;
    }
    status(port).ok().filter(|line| line.contains(" 200 ")).map(drop)
}

/// The first line of its answer to a question about itself.
fn status(port: u16) -> std::io::Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(b"GET /moto-api/data.json HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned())
}
