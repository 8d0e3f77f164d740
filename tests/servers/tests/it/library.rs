use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use dzconn_test_servers::{Error, MariaDb, Postgres, Server, Stop};
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, MySqlConnection, PgConnection};

use crate::left::{assert_nothing_left, processes_with};

/// A certificate of an authority that signed none of our servers' certificates.
fn other_ca(of: &Server) -> Vec<u8> {
    let ours = of.ca_pem().unwrap();
    let other = Postgres::start(None).unwrap();
    let other = other.ca_pem().unwrap();
    assert_ne!(ours, other);
    other.as_bytes().to_vec()
}

#[tokio::test]
async fn postgres_logs_in_speaks_tls_and_goes() {
    let server = Postgres::start(None).unwrap();
    let folder = server.folder().to_path_buf();
    let options: PgConnectOptions = server.url().parse().unwrap();
    let mut plain = options.clone().ssl_mode(PgSslMode::Disable).connect().await.unwrap();
    let version: String = sqlx::query_scalar("SHOW server_version").fetch_one(&mut plain).await.unwrap();
    assert_eq!(version.split(' ').next(), Some(server.version()));
    let encoding: String = sqlx::query_scalar("SHOW server_encoding").fetch_one(&mut plain).await.unwrap();
    assert_eq!(encoding, "UTF8");

    let wrong: Result<PgConnection, _> = options.clone().password("wrong").connect().await;
    let code = wrong.unwrap_err().into_database_error().unwrap().code().unwrap().into_owned();
    assert_eq!(code, "28P01");

    let ca = server.ca_pem().unwrap().as_bytes().to_vec();
    let other_ca = other_ca(&server);
    for host in ["127.0.0.1", "localhost"] {
        let strict = options.clone().host(host).ssl_mode(PgSslMode::VerifyFull);
        let mut tls = strict.clone().ssl_root_cert_from_pem(ca.clone()).connect().await.unwrap();
        let used: bool = sqlx::query_scalar("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
            .fetch_one(&mut tls)
            .await
            .unwrap();
        assert!(used);
        tls.close().await.unwrap();
        let distrusting = strict.ssl_root_cert_from_pem(other_ca.clone()).connect().await;
        assert!(matches!(distrusting, Err(sqlx::Error::Tls(_) | sqlx::Error::Io(_))), "{distrusting:?}");
    }

    check_secrecy_and_drop(&server);
    let port = server.port();
    drop(server);
    assert_gone(&folder, port);
}

#[tokio::test]
async fn mariadb_logs_in_speaks_tls_and_goes() {
    let server = MariaDb::start().unwrap();
    let folder = server.folder().to_path_buf();
    let options: MySqlConnectOptions = server.url().parse().unwrap();
    let mut plain = options.clone().ssl_mode(MySqlSslMode::Disabled).connect().await.unwrap();
    let version: String = sqlx::query_scalar("SELECT VERSION()").fetch_one(&mut plain).await.unwrap();
    assert!(version.starts_with(server.version()), "{version}");
    let users: Vec<String> =
        sqlx::query_scalar("SELECT CONVERT(CONCAT(User, '@', Host) USING utf8mb4) FROM mysql.global_priv ORDER BY 1")
            .fetch_all(&mut plain)
            .await
            .unwrap();
    assert_eq!(users, ["mariadb.sys@localhost", "root@127.0.0.1"]);

    let wrong: Result<MySqlConnection, _> = options.clone().password("wrong").connect().await;
    let code = wrong.unwrap_err().into_database_error().unwrap().code().unwrap().into_owned();
    assert_eq!(code, "28000");

    let ca = server.ca_pem().unwrap().as_bytes().to_vec();
    let other_ca = other_ca(&server);
    for host in ["127.0.0.1", "localhost"] {
        let strict = options.clone().host(host).ssl_mode(MySqlSslMode::VerifyIdentity);
        let mut tls = strict.clone().ssl_ca_from_pem(ca.clone()).connect().await.unwrap();
        let (_, cipher): (String, String) =
            sqlx::query_as("SHOW STATUS LIKE 'Ssl_cipher'").fetch_one(&mut tls).await.unwrap();
        assert_ne!(cipher, "");
        tls.close().await.unwrap();
        let distrusting = strict.ssl_ca_from_pem(other_ca.clone()).connect().await;
        assert!(matches!(distrusting, Err(sqlx::Error::Tls(_) | sqlx::Error::Io(_))), "{distrusting:?}");
    }

    check_secrecy_and_drop(&server);
    let port = server.port();
    drop(server);
    assert_gone(&folder, port);
}

#[tokio::test]
async fn a_server_comes_back_where_it_was() {
    let mut server = Postgres::start(None).unwrap();
    let (folder, url) = (server.folder().to_path_buf(), server.url());
    let mut session = PgConnection::connect(&url).await.unwrap();
    session.execute("SET synchronous_commit = on; CREATE TABLE kept (id int)").await.unwrap();
    for how in [Stop::Fast, Stop::Crash] {
        server.halt(how).unwrap();
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, server.port())).is_err(), "{how:?}");
        session.execute("SELECT 1").await.unwrap_err();
        server.resume().unwrap();
        session = PgConnection::connect(&url).await.unwrap();
        session.execute("SELECT FROM kept").await.unwrap();
    }
    // One that is stopped goes like any other.
    server.halt(Stop::Fast).unwrap();
    let port = server.port();
    drop(server);
    assert_gone(&folder, port);
}

#[tokio::test]
async fn mariadb_comes_back_where_it_was() {
    let mut server = MariaDb::start().unwrap();
    let folder = server.folder().to_path_buf();
    for how in [Stop::Fast, Stop::Crash] {
        server.halt(how).unwrap();
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, server.port())).is_err(), "{how:?}");
        server.resume().unwrap();
        MySqlConnection::connect(&server.url()).await.unwrap().close().await.unwrap();
    }
    let port = server.port();
    drop(server);
    assert_gone(&folder, port);
}

/// The password is in no process's arguments, in no file that is still there, and not in `Debug`.
fn check_secrecy_and_drop(server: &Server) {
    assert_ne!(processes_with(server.folder().to_str().unwrap()), [""; 0], "no process found: the search is broken");
    assert_eq!(processes_with(server.password()), [""; 0]);
    assert!(!server.folder().join("secret").exists());
    assert!(!fs::read_to_string(server.log_file()).unwrap().contains(server.password()));
    assert!(!format!("{server:?} {server}").contains(server.password()));
    let mode = server.folder().metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

fn assert_gone(folder: &Path, port: u16) {
    assert_nothing_left(folder);
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
}

#[test]
fn two_servers_have_nothing_in_common() {
    let (a, b) = (Postgres::start(None).unwrap(), Postgres::start(None).unwrap());
    assert_ne!(a.port(), b.port());
    assert_ne!(a.password(), b.password());
    assert_ne!(a.folder(), b.folder());
}

#[test]
fn a_folder_without_programs_is_named() {
    let error = Postgres::start(Some(Path::new("/nowhere"))).unwrap_err();
    assert!(matches!(error, Error::NotInstalled { .. }));
    assert!(error.to_string().contains("/nowhere"), "{error}");
}

#[test]
fn a_server_that_fails_shows_its_log_and_leaves_nothing() {
    let programs = fake_programs("echo the disk is on fire; echo folder=$2; exit 1");
    let error = Postgres::start(Some(programs.path())).unwrap_err();
    assert!(matches!(error, Error::Ended { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("the disk is on fire"), "{text}");
    let data = text.lines().find_map(|line| line.trim().strip_prefix("folder=")).unwrap();
    assert_nothing_left(Path::new(data).parent().unwrap());
}

/// A folder with an `initdb` that does what a line of shell says.
pub(crate) fn fake_programs(initdb: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, line) in [("initdb", initdb), ("postgres", "echo 'postgres (PostgreSQL) 99.9'")] {
        executable(dir.path(), name, &format!("#!/bin/sh\n{line}\n"));
    }
    dir
}

/// A program that any user may run.
pub(crate) fn executable(dir: &Path, name: &str, text: &str) -> PathBuf {
    let file = dir.join(name);
    fs::write(&file, text).unwrap();
    for path in [&*file, dir] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    file
}
