//! How a connection comes about, and what errors on the way say.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use dzconn_core::ErrorKind;
use dzconn_core::model::Tls;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::{source, user};
use crate::connector::race;
use crate::engine::{Facts, lacks_sessions};
use crate::error::refused_login;
use crate::sql::{self, Principal};

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// A listener whose queue is full: the system answers no further connection. What fills it must be kept.
async fn unanswering() -> (SocketAddr, Vec<TcpStream>, TcpListener) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut held = Vec::new();
    for _ in 0..50 {
        match tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
            Ok(stream) => held.push(stream.unwrap()),
            Err(_) => return (address, held, listener),
        }
    }
    panic!("the queue of {address} does not fill");
}

#[test]
fn the_first_address_that_answers_is_used() {
    wait(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let open = listener.local_addr().unwrap();
        let closed = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        let (silent, _held, _listener) = unanswering().await;
        for addresses in
            [vec![open], vec![closed, open], vec![silent, open], vec![silent, closed, open], vec![open, silent]]
        {
            let start = Instant::now();
            let reached = race(addresses.clone()).await.unwrap();
            assert_eq!(reached.peer_addr().unwrap(), open, "{addresses:?}");
            assert!(start.elapsed() < Duration::from_secs(2), "{addresses:?}: {:?}", start.elapsed());
        }
        assert!(race(vec![closed, closed]).await.is_err());
        assert!(race(Vec::new()).await.is_err());
    });
}

#[test]
fn the_drivers_advice_to_check_less_is_kept_from_operators() {
    let text = "the server's certificate was rejected during the TLS handshake: UnknownIssuer. To connect anyway you can: (1) \
                trust it; (3) skip certificate validation entirely with `Config::trust_cert()`";
    let error = refused_login(tiberius::error::Error::Tls(text.to_owned()), &source(Tls::VerifyFull(None)), "u");
    assert_eq!(error.kind(), ErrorKind::Tls);
    let cause = std::error::Error::source(&error).unwrap().to_string();
    let shown = format!("{error} {error:?} {cause} {:?}", error.advice());
    assert!(cause.contains("UnknownIssuer") && !shown.contains("anyway") && !shown.contains("trust_cert"), "{shown}");
}

#[test]
fn who_sees_sessions_is_known() {
    let facts = |edition: &str, user: &str| {
        let collation = "SQL_Latin1_General_CP1_CI_AS";
        let row = [edition, "16.0.4135.4", collation, "sales", "5", "dzconn", user, "READ_WRITE", "5"];
        Facts::new(&row.map(str::to_owned))
    };
    let lacks = |facts: &Facts, row: &[&str]| {
        let row: Vec<_> = row.iter().map(|value| (*value).to_owned()).collect();
        lacks_sessions(facts, &row)
    };
    let server = facts("3", "dzconn");
    assert_eq!(lacks(&server, &["1", ""]), None);
    assert_eq!(lacks(&server, &["0", "1"]), None);
    assert_eq!(lacks(&server, &["0", ""]).unwrap(), "in master: GRANT VIEW SERVER STATE TO [dzconn]");
    let azure = facts("5", "dz");
    assert_eq!(lacks(&azure, &["1", "S3", ""]), None);
    assert_eq!(lacks(&azure, &["0", "S3", ""]).unwrap(), "GRANT VIEW DATABASE STATE TO [dz]");
    for small in ["Basic", "S0", "S1", "ElasticPool"] {
        assert!(lacks(&azure, &["1", small, "0"]).unwrap().contains("##MS_ServerStateReader##"), "{small}");
        assert_eq!(lacks(&azure, &["0", small, "1"]), None, "{small}");
        assert_eq!(lacks(&facts("5", "dbo"), &["1", small, ""]), None, "{small}");
    }
}

/// Not of the name alone: other programs' ids come from elsewhere.
#[test]
fn a_logins_security_id_is_its_names() {
    let sid = |name: &str| {
        let name = user(name);
        let login = sql::create_login(Principal::new(&name).unwrap(), None, true, "d").into_text();
        let start = login.find("SID = 0x").unwrap() + 8;
        login[start..].split(',').next().unwrap().to_owned()
    };
    let own = sid("dz_u");
    assert_eq!(own, sid("dz_u"));
    assert_ne!(own, sid("dz_U"));
    for name in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        let sid = sid(name);
        assert!(sid.len() == 32 && sid.starts_with(['8', '9', 'A', 'B', 'C', 'D', 'E', 'F']), "{sid}");
    }
}
