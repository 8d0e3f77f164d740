//! A wire between a client and a server that can be cut at any message, or go silent.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What becomes of a message of a client's. One message is what arrives at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// It does not arrive, and the connection ends.
    Before,
    /// Half of it arrives, and the connection ends.
    Midway,
    /// It arrives, and in place of the answer the connection ends.
    After,
    /// The connection ends, and so does every other, until [`Proxy::heal`].
    Outage,
    /// It does not arrive, nobody hears anything any more on this connection, and the server is not even told that the
    /// client has left.
    Silence,
}

impl Cut {
    /// Those that end one connection.
    pub const ENDS: [Self; 3] = [Self::Before, Self::Midway, Self::After];
}

/// Carries every connection to its server. It ends, with all connections, when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Connections whose number is not this one any more end.
    age: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    messages: usize,
    fault: Option<(usize, Cut)>,
    down: bool,
    hit: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A client has sent something.
    fn message(&self) -> Option<Cut> {
        let mut state = self.state();
        let n = state.messages;
        state.messages += 1;
        let (_, cut) = state.fault.filter(|(at, _)| *at == n)?;
        state.hit = true;
        state.down |= cut == Cut::Outage;
        Some(cut)
    }
}

impl Proxy {
    /// To the server at this address.
    ///
    /// # Errors
    /// What the operating system says of the listener.
    pub async fn to(host: &str, port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let shared = Arc::new(Shared { state: Mutex::default(), age: watch::Sender::new(0) });
        let own = listener.local_addr()?.port();
        let task = tokio::spawn(accept(listener, (host.to_owned(), port), Arc::clone(&shared)));
        Ok(Self { port: own, shared, task })
    }

    /// Where clients connect to, on 127.0.0.1.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Lets this happen to the n-th message from now, on whichever connection it comes.
    pub fn cut(&self, n: usize, cut: Cut) {
        *self.shared.state() = State { fault: Some((n, cut)), ..State::default() };
    }

    /// Nothing happens any more. Whether anything has.
    pub fn heal(&self) -> bool {
        std::mem::take(&mut *self.shared.state()).hit
    }

    /// Ends all connections.
    pub fn end_all(&self) {
        self.shared.age.send_modify(|age| *age += 1);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.end_all();
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, server: (String, u16), shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        if !shared.state().down {
            let (server, shared) = (server.clone(), Arc::clone(&shared));
            tokio::spawn(async move {
                if let Ok(server) = TcpStream::connect((server.0.as_str(), server.1)).await {
                    let mut age = shared.age.subscribe();
                    tokio::select! {
                        // It fails when one of the two goes away.
                        _ = carry(client, server, &shared) => {}
                        _ = age.changed() => {}
                    }
                }
            });
        }
    }
}

async fn carry(mut client: TcpStream, mut server: TcpStream, shared: &Shared) -> io::Result<()> {
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut up, mut down) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        tokio::select! {
            biased;
            read = server.read(&mut down) => match read? {
                0 => return Ok(()),
                n => client.write_all(down.get(..n).unwrap_or_default()).await?,
            },
            read = client.read(&mut up) => {
                let message = match read? {
                    0 => return Ok(()),
                    n => up.get(..n).unwrap_or_default(),
                };
                match shared.message() {
                    None => server.write_all(message).await?,
                    Some(Cut::Before) => return Ok(()),
                    Some(Cut::Midway) => {
                        return server.write_all(message.get(..message.len() / 2).unwrap_or_default()).await;
                    }
                    Some(Cut::After) => {
                        server.write_all(message).await?;
                        // The server has worked on it by the time it says something.
                        let _ = tokio::time::timeout(Duration::from_secs(5), server.read(&mut down)).await;
                        return Ok(());
                    }
                    Some(Cut::Outage) => {
                        shared.age.send_modify(|age| *age += 1);
                        return Ok(());
                    }
                    Some(Cut::Silence) => std::future::pending::<()>().await,
                }
            },
        }
    }
}
