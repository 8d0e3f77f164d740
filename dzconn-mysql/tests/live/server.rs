//! A MariaDB of our own, for what can only be given to a server that starts, or must not be done to one that others use.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use dzconn_core::model::{AdminLogin, CaBundle, ConnectionId, Source, SourceEndpoint, Target, Tls};
use dzconn_core::{EngineConnector, Error, Secret};
use libtest_mimic::{Completion, Trial};
use sqlx::ConnectOptions;
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use crate::lab::{deadline, quick, run};

static SERVER: Mutex<Option<Server>> = Mutex::new(None);

/// A test on that server; they run one after the other.
pub(crate) fn trial(name: &str, asked_for: bool, test: fn(&Server) -> Completion) -> Trial {
    let here = ["mariadbd", "mariadb-install-db", "openssl"].iter().all(|tool| find(tool).is_some());
    let run = move || {
        let mut server = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(test(server.get_or_insert_with(Server::start)))
    };
    Trial::ignorable_test(name, run).with_ignored_flag(!asked_for || !here)
}

/// Statics are not dropped.
pub(crate) fn stop() {
    drop(SERVER.lock().unwrap_or_else(PoisonError::into_inner).take());
}

fn find(tool: &str) -> Option<String> {
    ["/usr/sbin", "/usr/bin", "/usr/local/bin"]
        .map(|folder| format!("{folder}/{tool}"))
        .into_iter()
        .find(|p| Path::new(p).exists())
}

/// Its users `admin` and `chief` have the same password; `chief` may do everything and is let in only through TLS.
pub(crate) struct Server {
    pub(crate) ca: CaBundle,
    pub(crate) other_ca: CaBundle,
    pub(crate) runtime: Runtime,
    port: u16,
    process: Child,
    _folder: TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Database servers do not run as root.
fn unprivileged(tool: &str, folder: &Path) -> Command {
    let tool = find(tool).unwrap();
    let mut command = if fs::metadata("/proc/self").unwrap().uid() == 0 {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--", &tool]);
        command
    } else {
        Command::new(tool)
    };
    command.env("HOME", folder).arg("--no-defaults").arg(format!("--datadir={}/data", folder.display()));
    command.stdout(Stdio::null()).stderr(fs::File::create(folder.join("log")).unwrap());
    command
}

fn openssl(folder: &Path, arguments: &str) {
    let output = Command::new("openssl").current_dir(folder).args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

impl Server {
    fn start() -> Self {
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
        let users = "CREATE USER 'admin'@'%' IDENTIFIED BY 'admin-pw';\n\
                     GRANT CREATE USER, PROCESS ON *.* TO 'admin'@'%';\n\
                     GRANT SELECT ON mysql.user TO 'admin'@'%';\n\
                     CREATE USER 'chief'@'%' IDENTIFIED BY 'admin-pw' REQUIRE SSL;\n\
                     GRANT ALL ON *.* TO 'chief'@'%';\n";
        fs::write(folder.join("init"), users).unwrap();
        if fs::metadata("/proc/self").unwrap().uid() == 0 {
            for file in fs::read_dir(folder).unwrap() {
                chown(file.unwrap().path(), Some(65534), Some(65534)).unwrap();
            }
            chown(folder, Some(65534), Some(65534)).unwrap();
        }
        let install = unprivileged("mariadb-install-db", folder)
            .args(["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"])
            .status()
            .unwrap();
        assert!(install.success());
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let path = |name: &str| folder.join(name).display().to_string();
        let process = unprivileged("mariadbd", folder)
            .args([format!("--port={port}"), format!("--socket={}", path("s")), format!("--pid-file={}", path("pid"))])
            .args([format!("--ssl-ca={}", path("ca.pem")), format!("--ssl-cert={}", path("server.pem"))])
            .args([format!("--ssl-key={}", path("server.key")), format!("--init-file={}", path("init"))])
            .args(["--bind-address=127.0.0.1", "--skip-name-resolve"])
            .args(std::env::var("DZCONN_TEST_MYSQL_PLUGINS").map(|folder| format!("--plugin-dir={folder}")))
            .spawn()
            .unwrap();
        let pem = |name| CaBundle::from_pem(fs::read(folder.join(name)).unwrap()).unwrap();
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let (ca, other_ca) = (pem("ca.pem"), pem("other.pem"));
        let server = Self { ca, other_ca, runtime, port, process, _folder: temporary };
        for _ in 0..200 {
            if server.connect("admin", "127.0.0.1", Tls::Disable).is_ok() {
                return server;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("the server does not start");
    }

    pub(crate) fn source(&self, user: &str, host: &str, tls: Tls) -> Source {
        Source {
            connection: ConnectionId::new("live").unwrap(),
            endpoint: SourceEndpoint {
                subprotocol: "mariadb".into(),
                host: host.into(),
                port: self.port,
                instance: None,
                target: Target::Default,
            },
            admin: AdminLogin { user: user.into(), password: Secret::new("admin-pw".into()) },
            tls,
        }
    }

    pub(crate) fn connect(&self, user: &str, host: &str, tls: Tls) -> Result<(), Error> {
        let source = self.source(user, host, tls);
        self.runtime.block_on(async { quick().connect(&source, deadline()).await?.close().await })
    }

    /// As `chief`.
    pub(crate) fn sql(&self, sql: &str) -> sqlx::Result<()> {
        let options =
            MySqlConnectOptions::new().host("127.0.0.1").port(self.port).username("chief").password("admin-pw");
        self.runtime.block_on(async {
            let mut connection = options.ssl_mode(MySqlSslMode::Required).connect().await?;
            run(&mut connection, sql).await.map(|_| ())
        })
    }
}
