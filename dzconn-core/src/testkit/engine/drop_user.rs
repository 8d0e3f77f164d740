//! `SourceEngine::drop_user`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::lab::{Lab, Outcome};
use super::promises::{CREATE, DROP, DROP_ERRORS, DROP_FAILED, DROP_GONE, DROP_OWNS, DROP_SESSIONS, FIXTURE, REPEATED};
use super::{Attempt, Attempted};
use crate::model::Credentials;
use crate::testkit::Promise;
use crate::{Error, ErrorKind};

/// Drops the user, which must work, and looks whether it is gone.
async fn drop_user(lab: &mut Lab<'_>, promise: Promise, user: &Credentials) -> Outcome {
    promise.answer(&format!("drop_user({})", user.user), lab.admin().drop_user(&user.user).await)?;
    must_be_gone(lab, promise, user).await
}

async fn must_be_gone(lab: &mut Lab<'_>, promise: Promise, user: &Credentials) -> Outcome {
    lab.must_exist(promise, "after drop_user", &user.user, false).await?;
    lab.must_be_refused(promise, "after drop_user", user).await?;
    let left = lab.privileges(user).await?;
    promise.unless(left.is_empty(), || format!("after drop_user the source's catalogue still has {left:?}"))
}

/// Drops the user, which must fail in this way, and looks whether it is shut out.
async fn must_fail(lab: &mut Lab<'_>, user: &Credentials, kind: ErrorKind, promise: Promise) -> Outcome<Error> {
    match lab.admin().drop_user(&user.user).await {
        Err(error) if error.kind() == kind => {
            promise.unless(error.advice().is_some(), || format!("no advice what to do about it: {error}"))?;
            lab.must_be_refused(DROP_FAILED, &format!("after drop_user answered {kind:?}"), user).await?;
            Ok(error)
        }
        other => Err(promise.broken(format!("drop_user({}) answered {other:?} instead of {kind:?}", user.user))),
    }
}

pub(super) async fn ends_the_user(lab: &mut Lab<'_>) -> Outcome {
    let (one, two) = (lab.table("one").await?, lab.table("two").await?);
    let user = lab.reader("u", &[&one, &two]).await?;
    drop_user(lab, DROP, &user).await?;
    let without_tables = lab.user("fresh").await?;
    drop_user(lab, DROP, &without_tables).await
}

pub(super) async fn ends_open_sessions(lab: &mut Lab<'_>) -> Outcome {
    let table = lab.table("t").await?;
    let user = lab.reader("u", &[&table]).await?;
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = lab.open(DROP, "after the grant", &user).await?;
        client.must_read(DROP, "after the grant", &table).await?;
        clients.push(client);
    }
    if !lab.fixture.ends_sessions() {
        must_fail(lab, &user, ErrorKind::SessionsRemain, DROP_SESSIONS).await?;
        for client in &mut clients {
            let found = client.attempt(&Attempt::Read(table.clone())).await?;
            DROP.unless(!matches!(found, Attempted::Did(_)), || {
                format!("sessions remain, and everything is to be revoked before: reading gives {found:?}")
            })?;
        }
        drop(clients);
        return until_sessions_are_gone(lab, &user).await;
    }
    drop_user(lab, DROP, &user).await?;
    for mut client in clients {
        let found = client.attempt(&Attempt::Read(table.clone())).await?;
        DROP.unless(found == Attempted::Ended, || {
            format!("after drop_user, a session that was open reads: {found:?}")
        })?;
    }
    Ok(())
}

/// A server may need a moment to see that clients have gone.
async fn until_sessions_are_gone(lab: &mut Lab<'_>, user: &Credentials) -> Outcome {
    for _ in 0..50 {
        match lab.admin().drop_user(&user.user).await {
            Ok(()) => return must_be_gone(lab, DROP_FAILED, user).await,
            Err(error) if error.kind() == ErrorKind::SessionsRemain => {
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
            Err(error) => return Err(DROP_FAILED.broken(format!("the next drop_user answered {error}"))),
        }
    }
    Err(DROP_FAILED.broken("long after all sessions were closed, drop_user still says that some remain"))
}

pub(super) async fn withstands_clients_that_reconnect(lab: &mut Lab<'_>) -> Outcome {
    let user = lab.user("u").await?;
    let stop = Arc::new(AtomicBool::new(false));
    let (fixture, connecting) = (lab.fixture, (user.clone(), Arc::clone(&stop)));
    let clients = async move {
        let (user, stop) = connecting;
        let mut open = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            // The user may be gone in mid-login, which sources tell in many ways.
            if let Ok(Some(session)) = fixture.open(&user).await {
                open.push(session);
            }
            tokio::task::yield_now().await;
        }
        open
    };
    let dropping = async {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        let dropped = lab.admin().drop_user(&user.user).await;
        stop.store(true, Ordering::Relaxed);
        dropped
    };
    let (open, dropped) = tokio::join!(clients, dropping);
    match dropped {
        Err(error) if !lab.fixture.ends_sessions() && error.kind() == ErrorKind::SessionsRemain => {
            lab.must_be_refused(DROP_FAILED, "after drop_user answered SessionsRemain", &user).await?;
            drop(open);
            return until_sessions_are_gone(lab, &user).await;
        }
        dropped => DROP.answer("drop_user, while clients log in again and again,", dropped)?,
    }
    must_be_gone(lab, DROP, &user).await?;
    let table = lab.table("t").await?;
    for mut session in open {
        let found = FIXTURE.answer("attempt", session.attempt(&Attempt::Read(table.clone())).await)?;
        DROP.unless(found == Attempted::Ended, || format!("a session that was opened meanwhile lives: {found:?}"))?;
    }
    Ok(())
}

pub(super) async fn is_idempotent(lab: &mut Lab<'_>) -> Outcome {
    let table = lab.table("t").await?;
    let user = lab.reader("u", &[&table]).await?;
    for _ in 0..3 {
        drop_user(lab, REPEATED, &user).await?;
    }
    Ok(())
}

pub(super) async fn missing_user_is_fine(lab: &mut Lab<'_>) -> Outcome {
    let nobody = lab.nobody("nobody")?;
    drop_user(lab, DROP_GONE, &nobody).await
}

pub(super) async fn continues_after_its_first_step(lab: &mut Lab<'_>) -> Outcome {
    let table = lab.table("t").await?;
    let user = lab.reader("u", &[&table]).await?;
    FIXTURE.answer("disable_user", lab.fixture.disable_user(&user.user).await)?;
    drop_user(lab, DROP_FAILED, &user).await
}

pub(super) async fn leaves_nothing_to_the_next_of_that_name(lab: &mut Lab<'_>) -> Outcome {
    let table = lab.table("t").await?;
    let user = lab.reader("u", &[&table]).await?;
    drop_user(lab, DROP, &user).await?;
    lab.create(&user).await?;
    lab.open(CREATE, "after drop_user and create_user", &user).await?;
    lab.must_not_read(DROP, "after drop_user and create_user", &user, &table).await?;
    lab.grant(&user, &table).await?;
    lab.must_read(DROP, "after drop_user, create_user and grant", &user, &table).await
}

pub(super) async fn takes_grants_on_missing_tables_along(lab: &mut Lab<'_>) -> Outcome {
    let (table, dropped) = (lab.table("t").await?, lab.table("dropped").await?);
    let user = lab.reader("u", &[&table, &dropped]).await?;
    lab.unmake(&dropped).await?;
    drop_user(lab, DROP, &user).await?;
    lab.make(&dropped).await?;
    lab.create(&user).await?;
    lab.must_not_read(DROP, "after table and user were dropped and made anew", &user, &dropped).await
}

pub(super) async fn owner_is_refused_and_loses_nothing(lab: &mut Lab<'_>) -> Outcome {
    let (table, witness) = (lab.table("owned").await?, lab.user("witness").await?);
    lab.grant(&witness, &table).await?;
    let user = lab.user("u").await?;
    if FIXTURE.answer("give_away", lab.fixture.give_away(&table, &user.user).await)? {
        must_fail(lab, &user, ErrorKind::UserOwnsObjects, DROP_OWNS).await?;
    } else {
        drop_user(lab, DROP, &user).await?;
    }
    lab.must_read(DROP_OWNS, "after drop_user of its owner", &witness, &table).await
}

pub(super) async fn grant_by_another_role_is_named(lab: &mut Lab<'_>) -> Outcome {
    let table = lab.table("t").await?;
    let user = lab.reader("u", &[&table]).await?;
    let other = lab.fixture.grant_by_other(&user.user, &table).await;
    let other = FIXTURE.answer("grant_by_other", other)?;
    match (lab.admin().drop_user(&user.user).await, other) {
        (Ok(()), _) => must_be_gone(lab, DROP, &user).await,
        (Err(error), Some(role)) if error.kind() == ErrorKind::GrantedByOther => {
            let text = format!("{error} {}", error.advice().unwrap_or_default());
            DROP_ERRORS.unless(text.contains(&role), || format!("the error does not name {role}: {text}"))?;
            lab.must_be_refused(DROP_FAILED, "after drop_user answered GrantedByOther", &user).await
        }
        (Err(error), role) => {
            Err(DROP_ERRORS.broken(format!("granted by the admin and by {role:?}; drop_user answered {error}")))
        }
    }
}

pub(super) async fn is_for_one_user(lab: &mut Lab<'_>) -> Outcome {
    let table = lab.table("t").await?;
    let (user, other) = (lab.reader("u", &[&table]).await?, lab.reader("u2", &[&table]).await?);
    let mut client = lab.open(DROP, "after the grant", &other).await?;
    drop_user(lab, DROP, &user).await?;
    client.must_read(DROP, "after somebody else was dropped, in a session that was open,", &table).await?;
    lab.must_read(DROP, "after somebody else was dropped", &other, &table).await
}
