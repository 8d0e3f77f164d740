//! What goes wrong between client and server.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use dzconn_core::engine::LockKey;
use dzconn_core::model::{Source, Target, Tls};
use dzconn_core::{EngineConnector, Error, ErrorKind, Secret, SourceEngine};
use libtest_mimic::Trial;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use crate::lab::{Lab, PASSWORD, deadline, quick, shown, source};

rules![
    logins_are_refused_for_what_they_are,
    a_connection_that_is_cut_in_mid_answer_is_lost,
    a_named_instance_is_asked_for_its_port,
];

async fn refused(source: &Source) -> Error {
    let error = quick().connect(source, deadline()).await.map(drop).unwrap_err();
    assert!(!shown(&error).contains(source.admin.password.expose()), "{error:?}");
    let address = format!("sqlserver {}", source.endpoint.host);
    assert!(error.to_string().contains(&address), "{error}");
    error
}

async fn logins_are_refused_for_what_they_are(lab: &mut Lab) {
    let mut wrong = lab.source.clone();
    wrong.admin.password = Secret::new("Wrong-password_1".into());
    let error = refused(&wrong).await;
    assert_eq!(
        (error.kind(), error.vendor_code()),
        (ErrorKind::AdminLoginRefused, Some("SQL Server 18456")),
        "{error:?}"
    );

    let mut nowhere = lab.source.clone();
    nowhere.endpoint.target = Target::Database(lab.own("missing"));
    let error = refused(&nowhere).await;
    assert_eq!((error.kind(), error.vendor_code()), (ErrorKind::Unreachable, Some("SQL Server 4060")), "{error:?}");
    assert!(error.advice().unwrap().contains("database"), "{error:?}");

    let admin = lab.admin("a", &[], &[]).await;
    lab.sql(&format!("ALTER LOGIN {} DISABLE", crate::lab::name(&admin.admin.user))).await;
    let error = refused(&admin).await;
    assert_eq!(
        (error.kind(), error.vendor_code()),
        (ErrorKind::AdminLoginRefused, Some("SQL Server 18470")),
        "{error:?}"
    );
}

/// What a [`Proxy`] does.
const PASS: u8 = 0;
/// The next answer is cut in two, and the connection with it.
const CUT: u8 = 1;
/// Before the next request the lock is given back, on the same session.
const ROB: u8 = 2;

/// The next request is not passed on; the answer is that a lock was not had in time.
const LOCKED: u8 = 3;

/// A wire between client and server, for connections without TLS.
struct Proxy {
    port: u16,
    does: Arc<AtomicU8>,
}

impl Proxy {
    async fn before(source: &Source, statement: String) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let does = Arc::new(AtomicU8::new(PASS));
        let server = (source.endpoint.host.clone(), source.endpoint.port);
        let flag = Arc::clone(&does);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(server.clone()).await.unwrap();
                tokio::spawn(carry(client, server, statement.clone(), Arc::clone(&flag)));
            }
        });
        Self { port, does }
    }

    fn source(&self, source: &Source) -> Source {
        let mut source = source.clone();
        (source.endpoint.host, source.endpoint.port) = (Ipv4Addr::LOCALHOST.to_string(), self.port);
        source
    }
}

/// A packet with its header ("Packet Header", MS-TDS), and whether it is the message's last.
async fn packet(stream: &mut TcpStream) -> Option<(Vec<u8>, bool)> {
    let mut packet = vec![0; 8];
    stream.read_exact(&mut packet).await.ok()?;
    let length = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
    let last = packet[1] & 1 == 1;
    packet.resize(length, 0);
    stream.read_exact(&mut packet[8..]).await.ok()?;
    Some((packet, last))
}

async fn message(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut all = Vec::new();
    loop {
        let (packet, last) = packet(stream).await?;
        all.extend(packet);
        if last {
            return Some(all);
        }
    }
}

/// A batch of text, with its header of no transaction ("`SQLBatch`").
fn batch(text: &str) -> Vec<u8> {
    let mut body = vec![22, 0, 0, 0, 18, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0];
    body.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    let length = u16::try_from(body.len() + 8).unwrap().to_be_bytes();
    let mut packet = vec![1, 1, length[0], length[1], 0, 0, 1, 0];
    packet.extend(body);
    packet
}

/// An answer of an error and nothing else ("ERROR", "DONE").
fn refused_with(number: u32, severity: u8) -> Vec<u8> {
    let text: Vec<u8> = "refused".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut error = number.to_le_bytes().to_vec();
    error.extend([1, severity, 7, 0]);
    error.extend(text);
    error.extend([0, 0, 1, 0, 0, 0]);
    let mut body = vec![0xaa];
    body.extend(u16::try_from(error.len()).unwrap().to_le_bytes());
    body.extend(error);
    body.extend([0xfd, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let length = u16::try_from(body.len() + 8).unwrap().to_be_bytes();
    let mut packet = vec![4, 1, length[0], length[1], 0, 0, 1, 0];
    packet.extend(body);
    packet
}

/// A session whose next request finds something locked for too long.
pub(crate) async fn behind_a_lock(lab: &Lab) -> Box<dyn SourceEngine> {
    let proxy = Proxy::before(&lab.source, String::new()).await;
    let session = crate::lab::session(&proxy.source(&lab.source)).await;
    proxy.does.store(LOCKED, Ordering::SeqCst);
    session
}

async fn carry(mut client: TcpStream, mut server: TcpStream, statement: String, does: Arc<AtomicU8>) -> Option<()> {
    loop {
        let request = message(&mut client).await?;
        let todo = does.swap(PASS, Ordering::SeqCst);
        if todo == ROB {
            server.write_all(&batch(&statement)).await.ok()?;
            message(&mut server).await?;
        }
        if todo == LOCKED {
            client.write_all(&refused_with(1222, 16)).await.ok()?;
            continue;
        }
        server.write_all(&request).await.ok()?;
        let answer = message(&mut server).await?;
        if todo == CUT {
            client.write_all(&answer[..answer.len() / 2]).await.ok()?;
            return None;
        }
        client.write_all(&answer).await.ok()?;
    }
}

/// A session whose lock is given back behind its back before its next request, and who has it now.
pub(crate) async fn without_the_lock(lab: &Lab, key: &LockKey) -> (Box<dyn SourceEngine>, Box<dyn SourceEngine>) {
    let rob = format!("EXEC sys.sp_releaseapplock @Resource = N'{}', @LockOwner = N'Session'", key.name());
    let proxy = Proxy::before(&lab.source, rob).await;
    let mut session = crate::lab::session(&proxy.source(&lab.source)).await;
    let wait = Duration::from_secs(5);
    session.lock(key, wait, wait).await.unwrap();
    proxy.does.store(ROB, Ordering::SeqCst);
    session.user_exists(&lab.user("whoever").user).await.unwrap();
    let mut thief = lab.session().await;
    thief.lock(key, wait, wait).await.unwrap();
    (session, thief)
}

async fn a_connection_that_is_cut_in_mid_answer_is_lost(lab: &mut Lab) {
    let proxy = Proxy::before(&lab.source, String::new()).await;
    let mut session = crate::lab::session(&proxy.source(&lab.source)).await;
    let user = lab.user("u");
    assert!(!session.user_exists(&user.user).await.unwrap());
    proxy.does.store(CUT, Ordering::SeqCst);
    for _ in 0..2 {
        let error = session.create_user(&user).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionLost, "{error:?}");
        assert!(!shown(&error).contains(PASSWORD), "{error:?}");
    }
    proxy.does.store(CUT, Ordering::SeqCst);
    let error = refused(&proxy.source(&lab.source)).await;
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error:?}");
}

/// The browser is played by the test: an instance's answer ("`SVR_RESP`", MC-SQLR) with the server's port in it.
async fn a_named_instance_is_asked_for_its_port(lab: &mut Lab) {
    // The other servers' tests play it, too.
    let mut tries = 0;
    let browser = loop {
        match UdpSocket::bind((Ipv4Addr::LOCALHOST, 1434)).await {
            Ok(browser) => break browser,
            Err(error) => assert!(tries < 200, "somebody keeps UDP port 1434: {error}"),
        }
        tries += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let proxy = Proxy::before(&lab.source, String::new()).await;
    let port = proxy.port;
    let played = tokio::spawn(async move {
        let mut request = [0; 64];
        let (length, from) = browser.recv_from(&mut request).await.unwrap();
        assert_eq!(&request[..length], b"\x04REPORTS");
        let text = format!("ServerName;H;InstanceName;REPORTS;IsClustered;No;Version;14.0.0.0;tcp;{port};;");
        let mut answer = vec![5];
        answer.extend(u16::try_from(text.len()).unwrap().to_le_bytes());
        answer.extend(text.as_bytes());
        browser.send_to(&answer, from).await.unwrap();
    });
    let mut source = proxy.source(&lab.source);
    source.endpoint.port = 1433;
    source.endpoint.instance = Some("REPORTS".into());
    let session = quick().connect(&source, deadline()).await;
    played.await.unwrap();
    // A server that has no instance of that name may refuse it; it was reached.
    if let Err(error) = session {
        assert_ne!(error.kind(), ErrorKind::Unreachable, "{error:?}");
    }
}

fn nowhere() -> Source {
    source(&"sqlserver://sa:Hidden-password_1@127.0.0.1:1/sales".parse().unwrap())
}

/// Listens, and does this with whoever comes.
async fn listener<F: Future<Output = ()> + Send + 'static>(serve: fn(TcpStream) -> F) -> Source {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let mut source = nowhere();
    source.endpoint.port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(serve(client));
        }
    });
    source
}

async fn refused_port() {
    let error = refused(&nowhere()).await;
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error:?}");
    assert!(error.advice().is_some() && error.is_retryable(), "{error:?}");
}

async fn silent_listener() {
    let mut source = listener(|client| async move {
        tokio::time::sleep(Duration::from_secs(60)).await;
        drop(client);
    })
    .await;
    for tls in [Tls::Disable, Tls::Require, Tls::VerifyFull(None)] {
        source.tls = tls;
        let start = Instant::now();
        let hasty = quick().connect_timeout(Duration::from_millis(300));
        let error = hasty.connect(&source, deadline()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
        assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    }
}

async fn garbage() {
    let mut source = listener(|mut client| async move {
        let mut request = [0; 1024];
        let _ = client.read(&mut request).await;
        let _ = client.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
    })
    .await;
    for tls in [Tls::Disable, Tls::Require] {
        source.tls = tls;
        let error = refused(&source).await;
        assert_eq!(error.kind(), ErrorKind::Unreachable, "{error:?}");
        assert!(error.advice().unwrap().contains("SQL Server listens"), "{error:?}");
    }
}

async fn hangs_up() {
    let mut source = listener(|client| async move { drop(client) }).await;
    for tls in [Tls::Disable, Tls::Require] {
        source.tls = tls;
        let error = refused(&source).await;
        assert_eq!(error.kind(), ErrorKind::Unreachable, "{error:?}");
    }
}

/// Answers the first message, as a server does that knows no encryption ("PRELOGIN": `ENCRYPT_NOT_SUP`), and takes down what
/// comes then.
async fn tls_declined() {
    let mut source = listener(|mut client| async move {
        message(&mut client).await.unwrap();
        let body = [0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xff, 14, 0, 0, 0, 0, 0, 2];
        let mut packet = vec![4, 1, 0, 26, 0, 0, 1, 0];
        packet.extend(body);
        client.write_all(&packet).await.unwrap();
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).await.unwrap();
        assert!(rest.is_empty(), "something was sent in plain text");
    })
    .await;
    for tls in [Tls::Require, Tls::VerifyCa(None), Tls::VerifyFull(None)] {
        source.tls = tls.clone();
        let error = refused(&source).await;
        assert_eq!(error.kind(), ErrorKind::Tls, "{tls:?}: {error:?}");
        assert!(error.advice().is_some(), "{error:?}");
    }
}

/// A server that demands encryption is not what was asked for.
async fn plain_text_declined() {
    let source = listener(|mut client| async move {
        message(&mut client).await.unwrap();
        let body = [0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xff, 14, 0, 0, 0, 0, 0, 3];
        let mut packet = vec![4, 1, 0, 26, 0, 0, 1, 0];
        packet.extend(body);
        client.write_all(&packet).await.unwrap();
        // What comes is the beginning of a TLS handshake; a fatal alert ends it.
        message(&mut client).await.unwrap();
        client.write_all(&[18, 1, 0, 15, 0, 0, 1, 0, 21, 3, 3, 0, 2, 2, 40]).await.unwrap();
        let mut rest = [0; 64];
        while matches!(client.read(&mut rest).await, Ok(1..)) {}
    })
    .await;
    let error = refused(&source).await;
    assert_eq!(error.kind(), ErrorKind::Tls, "{error:?}");
}

/// Tests that need no server.
pub(crate) fn trials() -> Vec<Trial> {
    fn trial<F: Future<Output = ()> + 'static>(name: &str, test: fn() -> F) -> Trial {
        Trial::test(format!("faults::{name}"), move || {
            crate::runtime().block_on(test());
            Ok(())
        })
    }
    vec![
        trial("a_port_where_nobody_listens_is_unreachable", refused_port),
        trial("a_listener_that_says_nothing_is_given_up", silent_listener),
        trial("what_is_no_sql_server_is_said_to_be_none", garbage),
        trial("a_listener_that_hangs_up_is_unreachable", hangs_up),
        trial("encryption_that_is_declined_is_an_error", tls_declined),
        trial("encryption_that_was_not_asked_for_is_an_error", plain_text_declined),
    ]
}
