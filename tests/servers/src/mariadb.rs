use std::io::Read as _;
use std::net::{Ipv4Addr, TcpStream};
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::time::Duration;

use crate::server::{Recipe, Server};
use crate::{Error, find};

/// A throwaway MariaDB server: utf8mb4, superuser `root`, no anonymous users, no `test` database.
#[derive(Debug)]
pub struct MariaDb(Server);

impl MariaDb {
    /// Starts a server of the installed version.
    pub fn start() -> Result<Self, Error> {
        let program = find::mariadbd()?;
        Server::start(&Recipe {
            name: "MariaDB",
            version: find::version(&program)?,
            scheme: "mysql",
            user: "root",
            database: "mysql",
            script: concat!(include_str!("sh/certificates.sh"), include_str!("sh/mariadb.sh")),
            program: &program,
            code: None,
            options: &[],
            secret: accounts,
            answers,
            signals: ["TERM", "KILL"],
        })
        .map(Self)
    }
}

impl Deref for MariaDb {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.0
    }
}

impl DerefMut for MariaDb {
    fn deref_mut(&mut self) -> &mut Server {
        &mut self.0
    }
}

/// Run by the server before it takes connections. The installer's passwordless accounts go.
fn accounts(password: &str) -> String {
    format!(
        "DELETE FROM mysql.global_priv WHERE User <> 'mariadb.sys';\n\
         FLUSH PRIVILEGES;\n\
         CREATE USER 'root'@'127.0.0.1' IDENTIFIED BY '{password}';\n\
         GRANT ALL PRIVILEGES ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION;\n\
         GRANT PROXY ON ''@'%' TO 'root'@'127.0.0.1' WITH GRANT OPTION;\n"
    )
}

/// The pid file is written after the port was taken, so what greets there is our server.
fn answers(folder: &Path, port: u16) -> Option<bool> {
    if folder.join("pid").exists() { greeting(port).ok().and_then(|packet| offers_tls(&packet)) } else { None }
}

fn greeting(port: u16) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut header = [0; 4];
    stream.read_exact(&mut header)?;
    let [a, b, c, _sequence] = header;
    let mut packet = Vec::new();
    stream.take(u64::from(u32::from_le_bytes([a, b, c, 0]))).read_to_end(&mut packet)?;
    Ok(packet)
}

/// Whether a handshake packet (protocol 10) offers TLS. `None`: it is something else, such as an error.
fn offers_tls(packet: &[u8]) -> Option<bool> {
    const PROTOCOL: u8 = 10;
    const CLIENT_SSL: u16 = 0x0800;
    let (&PROTOCOL, rest) = packet.split_first()? else { return None };
    let version_end = rest.iter().position(|&byte| byte == 0)?;
    // Behind the version: thread id (4), first part of the challenge (8), a filler (1).
    let flags = rest.get(version_end + 1 + 13..version_end + 1 + 15)?;
    let flags: [u8; 2] = flags.try_into().ok()?;
    Some(u16::from_le_bytes(flags) & CLIENT_SSL != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(flags: u16) -> Vec<u8> {
        let mut packet = b"\x0a10.11.19-MariaDB\0".to_vec();
        packet.extend([7; 13]);
        packet.extend(flags.to_le_bytes());
        packet
    }

    #[test]
    fn reads_the_tls_flag() {
        assert_eq!(offers_tls(&packet(0xffff)), Some(true));
        assert_eq!(offers_tls(&packet(!0x0800)), Some(false));
    }

    #[test]
    fn an_error_or_a_stump_is_no_greeting() {
        assert_eq!(offers_tls(b"\xff\x10\x04Too many connections"), None);
        assert_eq!(offers_tls(&packet(0xffff)[..20]), None);
        assert_eq!(offers_tls(b""), None);
    }
}
