//! What stands between the catalogue and moto.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A call, as it came: `AWSGlue.GetConnection`, or `AssumeRole`; and its body.
pub(crate) type Call = (String, Value);

/// Stands before moto: notes each call, and answers itself those for which it has an answer.
#[derive(Clone, Default)]
pub(crate) struct Stand {
    calls: Arc<Mutex<Vec<Call>>>,
    /// By the connection's name: status, and body.
    pub(crate) connections: Arc<Mutex<HashMap<String, (u16, Value)>>>,
}

impl Stand {
    pub(crate) async fn start(&self, moto: &str) -> String {
        let moto = moto.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let stand = self.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (stand, moto) = (stand.clone(), moto.clone());
                tokio::spawn(async move { stand.serve(client, &moto).await });
            }
        });
        url
    }

    /// One request, and the connection is closed.
    async fn serve(&self, mut client: TcpStream, moto: &str) -> std::io::Result<()> {
        let (mut request, mut body_at) = (Vec::new(), None);
        let length = |head: &str| {
            let lines = head.lines().filter_map(|line| line.split_once(':'));
            let mut lengths = lines.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
            lengths.next().map_or(0, |(_, value)| value.trim().parse::<usize>().unwrap())
        };
        while body_at.is_none_or(|at| {
            let head = String::from_utf8_lossy(&request[..at]);
            request.len() < at + length(&head)
        }) {
            if client.read_buf(&mut request).await? == 0 {
                return Ok(());
            }
            body_at = request.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4);
        }
        let at = body_at.unwrap();
        let head = String::from_utf8_lossy(&request[..at]).into_owned();
        let body = serde_json::from_slice(&request[at..]).unwrap_or_default();
        let target = head.lines().find_map(|line| line.strip_prefix("x-amz-target: ")).unwrap_or("AssumeRole");
        self.calls.lock().unwrap().push((target.to_owned(), body));
        let (_, body) = self.calls.lock().unwrap().last().unwrap().clone();

        let own = match (target, body["Name"].as_str()) {
            ("AWSGlue.GetConnection", Some(name)) => self.connections.lock().unwrap().get(name).cloned(),
            _ => None,
        };
        let answer = if let Some((status, body)) = own {
            let body = body.to_string();
            let length = body.len();
            format!(
                "HTTP/1.1 {status} X\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: {length}\r\n\
                 Connection: close\r\n\r\n{body}"
            )
            .into_bytes()
        } else {
            let mut server = TcpStream::connect(moto).await?;
            let (line, rest) = head.split_once("\r\n").unwrap();
            server.write_all(format!("{line}\r\nConnection: close\r\n{rest}").as_bytes()).await?;
            server.write_all(&request[at..]).await?;
            let mut answer = Vec::new();
            server.read_to_end(&mut answer).await?;
            answer
        };
        client.write_all(&answer).await?;
        client.shutdown().await
    }

    /// What was called since the last time.
    pub(crate) fn calls(&self) -> Vec<Call> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.calls().into_iter().map(|(name, _)| name).collect()
    }
}
