//! What goes over the wire.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dzconn_core::model::{CaBundle, Source, Tls};
use dzconn_core::{EngineConnector, ErrorKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::lab::{Lab, connect, key, soon};

/// A CA that has signed nothing.
const STRANGER: &[u8] = include_bytes!("stranger.pem");

/// Passes connections on, and keeps what clients send.
async fn tap(lab: &Lab, host: &str) -> (u16, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind((host.parse::<IpAddr>().unwrap(), 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let (target, record) = ((lab.server.host.clone(), lab.server.port), Arc::clone(&heard));
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (target, record) = (target.clone(), Arc::clone(&record));
            tokio::spawn(async move {
                let server = TcpStream::connect((target.0.as_str(), target.1)).await.unwrap();
                let (mut from_client, mut to_client) = client.into_split();
                let (mut from_server, mut to_server) = server.into_split();
                let up = async {
                    let mut buffer = [0; 4096];
                    while let Ok(n @ 1..) = from_client.read(&mut buffer).await {
                        record.lock().unwrap().extend_from_slice(&buffer[..n]);
                        if to_server.write_all(&buffer[..n]).await.is_err() {
                            break;
                        }
                    }
                };
                let down = tokio::io::copy(&mut from_server, &mut to_client);
                tokio::select! { () = up => {}, _ = down => {} }
            });
        }
    });
    (port, heard)
}

fn contains(heard: &Mutex<Vec<u8>>, text: &str) -> bool {
    heard.lock().unwrap().windows(text.len()).any(|window| window == text.as_bytes())
}

/// In plain text, so that all can be seen: what never reaches the server is in none of its logs.
pub(crate) async fn no_password_is_ever_sent(lab: &mut Lab) {
    let mut source = lab.plain_admin("admin").await;
    let (port, heard) = tap(lab, "127.0.0.1").await;
    source.endpoint.host = "127.0.0.1".into();
    source.endpoint.port = port;
    let (user, table) = (lab.user("u"), lab.table("employees"));
    let mut session = connect(&source).await;
    session.lock(&key(), Duration::from_secs(5), Duration::from_secs(60)).await.unwrap();
    session.create_user(&user).await.unwrap();
    session.set_password(&user).await.unwrap();
    session.grant(&user.user, &table, &[]).await.unwrap();
    dzconn_postgres::connector().log_in(&source, &user, Some(&table), soon()).await.unwrap();
    session.drop_user(&user.user).await.unwrap();
    session.close().await.unwrap();
    assert!(contains(&heard, "CREATE ROLE") && contains(&heard, "SCRAM-SHA-256$4096:"), "it was all heard");
    assert!(!contains(&heard, user.password.expose()), "the user's password");
    assert!(!contains(&heard, source.admin.password.expose()), "the admin's password");
}

/// A server that has no TLS hears the request for it, and nothing else.
pub(crate) async fn plain_text_is_never_a_fallback(lab: &mut Lab) {
    let source = lab.superuser();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = tokio::spawn(async move {
        let mut heard = Vec::new();
        for _ in 0..3 {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut request = [0; 8];
            client.read_exact(&mut request).await.unwrap();
            client.write_all(b"N").await.unwrap();
            client.read_to_end(&mut heard).await.unwrap();
        }
        heard
    });
    for tls in [Tls::Require, Tls::VerifyCa(None), Tls::VerifyFull(None)] {
        let mut source = Source { tls, ..source.clone() };
        source.endpoint.host = "127.0.0.1".into();
        source.endpoint.port = port;
        let error = dzconn_postgres::connector().connect(&source, soon()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Tls, "{error:?}");
    }
    assert!(heard.await.unwrap().is_empty());
}

async fn kind(source: &Source, tls: Tls) -> Option<ErrorKind> {
    let source = Source { tls, ..source.clone() };
    match dzconn_postgres::connector().connect(&source, soon()).await {
        Ok(session) => {
            session.close().await.unwrap();
            None
        }
        Err(error) => Some(error.kind()),
    }
}

pub(crate) async fn require_encrypts(lab: &mut Lab) {
    let mut source = lab.superuser();
    source.tls = Tls::Require;
    let encrypted = "SELECT s.ssl::text FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) \
                     WHERE a.application_name = 'dzconn' AND a.datname = current_database()";
    let session = connect(&source).await;
    assert_eq!(lab.column(encrypted).await, ["true"]);
    session.close().await.unwrap();
    source.tls = Tls::Disable;
    let _session = connect(&source).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(lab.column(encrypted).await, ["false"]);
}

pub(crate) async fn verify_ca_takes_only_that_ca(lab: &mut Lab) {
    let source = lab.superuser();
    let stranger = CaBundle::from_pem(STRANGER).unwrap();
    assert_eq!(kind(&source, Tls::VerifyCa(lab.server.ca.clone())).await, None);
    assert_eq!(kind(&source, Tls::VerifyCa(Some(stranger.clone()))).await, Some(ErrorKind::Tls));
    assert_eq!(kind(&source, Tls::VerifyCa(None)).await, Some(ErrorKind::Tls));
    assert_eq!(kind(&source, Tls::VerifyFull(Some(stranger))).await, Some(ErrorKind::Tls));
}

pub(crate) async fn verify_full_takes_only_that_host(lab: &mut Lab) {
    let mut source = lab.superuser();
    assert_eq!(kind(&source, Tls::VerifyFull(lab.server.ca.clone())).await, None);
    assert_eq!(kind(&source, Tls::VerifyFull(None)).await, Some(ErrorKind::Tls));
    let (port, _) = tap(lab, "127.0.0.2").await;
    source.endpoint.host = "127.0.0.2".into();
    source.endpoint.port = port;
    assert_eq!(kind(&source, Tls::VerifyFull(lab.server.ca.clone())).await, Some(ErrorKind::Tls));
    assert_eq!(kind(&source, Tls::VerifyCa(lab.server.ca.clone())).await, None, "the name does not count there");
}
