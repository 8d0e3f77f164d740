use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::time::Duration;

use crate::server::{Recipe, Server};
use crate::{Error, find};

/// A throwaway PostgreSQL server: UTF-8, passwords by SCRAM-SHA-256, superuser `postgres`.
#[derive(Debug)]
pub struct Postgres(Server);

impl Postgres {
    /// Starts a server from the programs in `bin_dir`, or of the newest version that is installed.
    pub fn start(bin_dir: Option<&Path>) -> Result<Self, Error> {
        let program = find::postgres(bin_dir)?;
        Server::start(&Recipe {
            name: "PostgreSQL",
            version: find::version(&program.join("postgres"))?,
            scheme: "postgresql",
            user: "postgres",
            database: "postgres",
            script: concat!(include_str!("sh/certificates.sh"), include_str!("sh/postgres.sh")),
            program: &program,
            code: None,
            options: &[],
            secret: |password| format!("{password}\n"),
            answers,
            signals: ["INT", "QUIT"],
        })
        .map(Self)
    }
}

impl Deref for Postgres {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.0
    }
}

impl DerefMut for Postgres {
    fn deref_mut(&mut self) -> &mut Server {
        &mut self.0
    }
}

/// What the server writes into its own data folder is proof that it is ours that is ready.
fn answers(folder: &Path, port: u16) -> Option<bool> {
    let pid_file = fs::read_to_string(folder.join("data/postmaster.pid")).ok()?;
    // A replica says that it stands by.
    let ready = pid_file.lines().nth(7).is_some_and(|status| ["ready", "standby"].contains(&status.trim()));
    if ready { speaks_tls(port).ok() } else { None }
}

/// Sends an `SSLRequest`, which is answered with one letter.
fn speaks_tls(port: u16) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut request = [0; 8];
    request[..4].copy_from_slice(&8_u32.to_be_bytes());
    request[4..].copy_from_slice(&80_877_103_u32.to_be_bytes());
    stream.write_all(&request)?;
    let mut answer = [0];
    stream.read_exact(&mut answer)?;
    Ok(answer == *b"S")
}
