//! `EngineConnector::connect`, and what a session is.

use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::Instant;

use super::Wire;
use super::lab::{HOLD, LOCK_PATIENCE, Lab, Outcome, PATIENCE, is_lost, password};
use super::promises::{CLOSE, CONNECT, CONNECT_ERRORS, CONNECT_TEXT, FIXTURE, LOCK, SESSION, SUBPROTOCOLS, TLS};
use crate::model::{AdminLogin, Source, SourceEndpoint, Tls};
use crate::testkit::Promise;
use crate::{Deadline, Error, ErrorKind};

pub(super) async fn opens_a_session(lab: &mut Lab<'_>) -> Outcome {
    let mut session = lab.connect().await?;
    let nobody = lab.nobody("nobody")?;
    let exists = CONNECT.answer("user_exists", session.user_exists(&nobody.user).await)?;
    CONNECT.unless(!exists, || format!("user_exists({}) answered true for a name that nobody has", nobody.user))?;
    CLOSE.answer("close", session.close().await)
}

pub(super) async fn a_closed_session_is_one_connection_less(lab: &mut Lab<'_>) -> Outcome {
    let key = lab.key()?;
    let mut first = lab.connect().await?;
    if !lab.lock(LOCK, first.as_mut(), &key, HOLD).await? {
        return CLOSE.answer("close", first.close().await);
    }
    CLOSE.answer("close", first.close().await)?;
    let mut second = lab.connect().await?;
    CLOSE.answer("close, then lock by another session,", second.lock(&key, LOCK_PATIENCE, HOLD).await)?;

    // And a session that lost its connection stays without one.
    FIXTURE.answer("break_lock", lab.fixture.break_lock(&key).await)?;
    let user = lab.nobody("nobody")?;
    for attempt in ["first", "second"] {
        let created = second.create_user(&user).await;
        SESSION.unless(is_lost(&created), || {
            format!("after the lock, or the whole session, was taken away, the {attempt} change answered {created:?}")
        })?;
    }
    Ok(())
}

pub(super) async fn wrong_password_is_refused(lab: &mut Lab<'_>) -> Outcome {
    let admin = AdminLogin { password: password(), ..lab.source.admin.clone() };
    must_fail(lab, Source { admin, ..lab.source.clone() }, &[ErrorKind::AdminLoginRefused], CONNECT_ERRORS).await
}

pub(super) async fn unknown_admin_is_refused(lab: &mut Lab<'_>) -> Outcome {
    let admin = AdminLogin { user: format!("dzk_{}_nobody", lab.tag()), password: password() };
    must_fail(lab, Source { admin, ..lab.source.clone() }, &[ErrorKind::AdminLoginRefused], CONNECT_ERRORS).await
}

pub(super) async fn nothing_there_is_unreachable(lab: &mut Lab<'_>) -> Outcome {
    let endpoint = FIXTURE.answer("unreachable", lab.fixture.unreachable())?;
    let source = Source { endpoint, ..lab.source.clone() };
    must_fail(lab, source, &[ErrorKind::Unreachable], CONNECT_ERRORS).await
}

pub(super) async fn silent_server_is_given_up(lab: &mut Lab<'_>) -> Outcome {
    let kinds = &[ErrorKind::Timeout, ErrorKind::Unreachable];
    if lab.fixture.wire() == Wire::None {
        return nothing_there_is_unreachable(lab).await;
    }
    // Takes connections (the system does) and never says a word.
    let silent =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.and_then(|silent| Ok((silent.local_addr()?, silent)));
    let (address, _silent) = silent.map_err(|error| FIXTURE.broken(format!("no listener on this machine: {error}")))?;
    let endpoint =
        SourceEndpoint { host: address.ip().to_string(), port: address.port(), ..lab.source.endpoint.clone() };
    must_fail(lab, Source { endpoint, ..lab.source.clone() }, kinds, CONNECT_ERRORS).await
}

pub(super) async fn tls_is_what_was_demanded(lab: &mut Lab<'_>) -> Outcome {
    for tls in [Tls::Disable, Tls::Require, Tls::VerifyCa(None), Tls::VerifyFull(None)] {
        let source = Source { tls: tls.clone(), ..lab.source.clone() };
        let opens = match lab.fixture.wire() {
            Wire::None => true,
            Wire::Plain => !tls.is_encrypted(),
            // Whether certificates are verified is for tests that own some; nothing here knows what signs this server's.
            Wire::Tls => match tls {
                Tls::Require => true,
                _ => continue,
            },
        };
        if opens {
            let session = lab.connector.connect(&source, Deadline::within(PATIENCE)).await;
            TLS.answer(&format!("connect with {tls:?}"), session)?;
        } else {
            must_fail(lab, source, &[ErrorKind::Tls], TLS).await?;
        }
    }
    Ok(())
}

pub(super) async fn subprotocols_are_lower_case(lab: &mut Lab<'_>) -> Outcome {
    let served = lab.connector.subprotocols();
    SUBPROTOCOLS.unless(served.iter().all(|name| !name.is_empty() && name.to_lowercase() == **name), || {
        format!("subprotocols() answered {served:?}")
    })?;
    let own = &lab.source.endpoint.subprotocol;
    SUBPROTOCOLS.unless(served.contains(&own.as_str()), || {
        format!("subprotocols() answered {served:?}, and the fixture's source has {own:?}")
    })
}

/// Connecting fails in time, with one of these kinds, and with a text that says where and keeps the password.
async fn must_fail(lab: &Lab<'_>, source: Source, kinds: &[ErrorKind], promise: Promise) -> Outcome {
    let (given, slack) = (Duration::from_secs(2), Duration::from_secs(4));
    let start = Instant::now();
    let result = lab.connector.connect(&source, Deadline::within(given)).await;
    let taken = start.elapsed();
    promise.unless(taken < given + slack, || format!("connect had {given:?} and took {taken:?}"))?;
    let Err(error) = result else {
        return Err(promise.broken(format!("connect to {source} answered a session instead of {kinds:?}")));
    };
    promise.unless(kinds.contains(&error.kind()), || {
        format!("connect to {source} answered {:?} instead of {kinds:?}: {error}", error.kind())
    })?;
    shows_where_and_no_secret(&source, &error)
}

fn shows_where_and_no_secret(source: &Source, error: &Error) -> Outcome {
    let text = error.to_string();
    let SourceEndpoint { host, port, .. } = &source.endpoint;
    CONNECT_TEXT.unless(text.contains(host.as_str()) && text.contains(&port.to_string()), || {
        format!("the error does not name {host} and {port}: {text}")
    })?;
    let everything = format!("{error} {error:?}");
    CONNECT_TEXT.unless(!everything.contains(source.admin.password.expose()), || {
        "the error, or its Debug, holds the admin's password".to_owned()
    })
}
