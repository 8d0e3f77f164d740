//! A wire between client and server on which a statement of somebody else's can be slipped in.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dzconn_core::model::Source;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Before the first command after `armed` was set, the proxy itself sends one on the same session.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    pub(crate) armed: Arc<AtomicBool>,
}

impl Proxy {
    pub(crate) async fn before(source: &Source, statement: &'static str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let armed = Arc::new(AtomicBool::new(false));
        let server = (source.endpoint.host.clone(), source.endpoint.port);
        let flag = Arc::clone(&armed);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(server.clone()).await.unwrap();
                tokio::spawn(carry(client, server, statement, Arc::clone(&flag)));
            }
        });
        Self { port, armed }
    }
}

async fn carry(client: TcpStream, server: TcpStream, statement: &'static str, armed: Arc<AtomicBool>) {
    let (mut client, mut to_client) = client.into_split();
    let (mut from_server, mut server) = server.into_split();
    let swallow = Arc::new(AtomicBool::new(false));
    let swallowing = Arc::clone(&swallow);
    let back = async move {
        let mut buffer = vec![0; 65536];
        loop {
            let Ok(length @ 1..) = from_server.read(&mut buffer).await else { return };
            // The client waits meanwhile, so all of it is the answer to our own statement.
            if !swallowing.swap(false, Ordering::SeqCst) && to_client.write_all(&buffer[..length]).await.is_err() {
                return;
            }
        }
    };
    tokio::spawn(back);
    let mut buffer = vec![0; 65536];
    loop {
        let Ok(length @ 1..) = client.read(&mut buffer).await else { return };
        if armed.swap(false, Ordering::SeqCst) {
            swallow.store(true, Ordering::SeqCst);
            let mut packet = vec![u8::try_from(statement.len() + 1).unwrap(), 0, 0, 0, 3];
            packet.extend(statement.as_bytes());
            server.write_all(&packet).await.unwrap();
            while swallow.load(Ordering::SeqCst) {
                tokio::task::yield_now().await;
            }
        }
        if server.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
