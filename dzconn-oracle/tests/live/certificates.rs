//! A TLS listener with certificates of its own, by `openssl`.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use dzconn_core::model::CaBundle;
use tempfile::TempDir;

use crate::fakes::closed_port;

/// Says nothing once TLS is there.
pub(crate) struct TlsListener {
    pub(crate) ca: CaBundle,
    pub(crate) other_ca: CaBundle,
    pub(crate) port: u16,
    process: Child,
    _folder: TempDir,
}

impl Drop for TlsListener {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) fn is_there() -> bool {
    Command::new("openssl").arg("version").stdout(Stdio::null()).status().is_ok_and(|status| status.success())
}

fn openssl(folder: &Path, arguments: &str) {
    let output = Command::new("openssl").current_dir(folder).args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

impl TlsListener {
    /// Its certificate names `localhost`.
    pub(crate) fn start() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path();
        for ca in ["ca", "other"] {
            openssl(
                folder,
                &format!("req -x509 -newkey rsa:2048 -nodes -keyout {ca}.key -out {ca}.pem -subj /CN={ca} -days 2"),
            );
        }
        openssl(folder, "req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=localhost");
        fs::write(folder.join("ext"), "subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n").unwrap();
        openssl(
            folder,
            "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile ext -out server.pem",
        );
        let port = closed_port();
        let process = Command::new("openssl")
            .current_dir(folder)
            .args(["s_server", "-quiet", "-cert", "server.pem", "-key", "server.key"])
            .args(["-accept", &port.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let pem = |name| CaBundle::from_pem(fs::read(folder.join(name)).unwrap()).unwrap();
        let (ca, other_ca) = (pem("ca.pem"), pem("other.pem"));
        let listener = Self { ca, other_ca, port, process, _folder: temporary };
        for _ in 0..100 {
            if std::net::TcpStream::connect(("localhost", port)).is_ok() {
                return listener;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("openssl s_server does not start");
    }
}
