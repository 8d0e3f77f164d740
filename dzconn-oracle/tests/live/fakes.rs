//! Listeners that are no databases.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

/// A port of this machine where nothing is.
pub(crate) fn closed_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// A port where every client is served so, one after the other, until the program ends.
#[cfg(feature = "thin")]
pub(crate) fn listen(serve: impl Fn(TcpStream) + Send + 'static) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || listener.incoming().flatten().for_each(serve));
    port
}

/// Takes connections, reads whatever comes and never says a word.
#[cfg(feature = "thin")]
pub(crate) fn silent() -> u16 {
    listen(|mut stream| {
        thread::spawn(move || std::io::copy(&mut stream, &mut std::io::sink()));
    })
}

/// Reads a packet of Oracle's protocol: its length is in the first two bytes.
#[cfg(feature = "thin")]
fn packet(stream: &mut TcpStream) -> Vec<u8> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut rest = vec![0; usize::from(u16::from_be_bytes(length)) - 2];
    stream.read_exact(&mut rest).unwrap();
    rest
}

/// Answers the first packet so.
#[cfg(feature = "thin")]
pub(crate) fn answering(answer: &'static [u8]) -> u16 {
    listen(move |mut stream| {
        packet(&mut stream);
        let _ = stream.write_all(answer);
    })
}

/// Refuses as a listener does: a packet of type 4 with a reason on either side and a text that has the number.
#[cfg(feature = "thin")]
pub(crate) fn refusing(number: u32) -> u16 {
    listen(move |mut stream| {
        let connect = packet(&mut stream);
        assert_eq!(connect[2], 1, "the client begins with a packet of type CONNECT");
        let text = format!(
            "(DESCRIPTION=(TMP=)(VSNNUM=318767104)(ERR={number})(ERROR_STACK=(ERROR=(CODE={number})(EMFI=4))))"
        );
        let length = u16::try_from(text.len()).unwrap();
        let mut packet = (length + 12).to_be_bytes().to_vec();
        packet.extend([0, 0, 4, 0, 0, 0, 0x22, 0]);
        packet.extend(length.to_be_bytes());
        packet.extend(text.as_bytes());
        stream.write_all(&packet).unwrap();
    })
}
