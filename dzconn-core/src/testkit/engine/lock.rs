//! `SourceEngine::lock` and `unlock`, and what they are for.

use std::time::Duration;

use tokio::time::Instant;

use super::lab::{HOLD, LOCK_PATIENCE, Lab, Outcome, is_lost, password};
use super::promises::{
    DROPPED, FIXTURE, LOCK, LOCK_AGAIN, LOCK_CHECKED, LOCK_SILENT, LOCK_TIMEOUT, UNLOCK, WITHOUT_LOCK,
};
use crate::ErrorKind;
use crate::engine::{Lock, LockKey, SourceEngine};
use crate::model::Credentials;
use crate::testkit::Promise;

/// Long enough for a server to have noticed whatever it would.
const MOMENT: Duration = Duration::from_millis(1200);

/// The session cannot take the lock, in about the time that it has.
async fn must_time_out(promise: Promise, session: &mut dyn SourceEngine, key: &LockKey) -> Outcome {
    let start = Instant::now();
    let answer = session.lock(key, MOMENT, HOLD).await;
    let taken = start.elapsed();
    match answer {
        Err(error) if error.kind() == ErrorKind::LockTimeout => {}
        other => return Err(promise.broken(format!("while another session holds it, lock answered {other:?}"))),
    }
    LOCK.unless(taken >= MOMENT / 2, || format!("lock was to wait {MOMENT:?} and gave up after {taken:?}"))?;
    LOCK_TIMEOUT.unless(taken < MOMENT + Duration::from_secs(5), || {
        format!("lock was to wait {MOMENT:?} and answered after {taken:?}")
    })
}

async fn unlock(session: &mut dyn SourceEngine) -> Outcome {
    UNLOCK.answer("unlock", session.unlock().await)
}

pub(super) async fn is_exclusive(lab: &mut Lab<'_>) -> Outcome {
    let key = lab.key()?;
    let (mut one, mut other) = (lab.connect().await?, lab.connect().await?);
    if lab.lock(LOCK, one.as_mut(), &key, HOLD).await? {
        must_time_out(LOCK, other.as_mut(), &key).await?;
    }
    Ok(())
}

pub(super) async fn waits_until_it_is_free(lab: &mut Lab<'_>) -> Outcome {
    let key = lab.key()?;
    let (mut one, mut other) = (lab.connect().await?, lab.connect().await?);
    if !lab.lock(LOCK, one.as_mut(), &key, HOLD).await? {
        return Ok(());
    }
    let start = Instant::now();
    let holding = async {
        tokio::time::sleep(MOMENT).await;
        unlock(one.as_mut()).await
    };
    let waiting = async { (other.lock(&key, LOCK_PATIENCE, HOLD).await, start.elapsed()) };
    let (unlocked, (locked, taken)) = tokio::join!(holding, waiting);
    unlocked?;
    LOCK.answer("lock, while another session holds it and then unlocks,", locked)?;
    LOCK.unless((MOMENT..MOMENT + LOCK_PATIENCE / 2).contains(&taken), || {
        format!("another session held the lock for {MOMENT:?}; lock answered after {taken:?}")
    })
}

pub(super) async fn times_out(lab: &mut Lab<'_>) -> Outcome {
    let key = lab.key()?;
    let (mut one, mut other) = (lab.connect().await?, lab.connect().await?);
    if !lab.lock(LOCK, one.as_mut(), &key, HOLD).await? {
        return Ok(());
    }
    must_time_out(LOCK_TIMEOUT, other.as_mut(), &key).await?;
    let start = Instant::now();
    let at_once = other.lock(&key, Duration::ZERO, HOLD).await;
    LOCK_TIMEOUT.unless(at_once.as_ref().is_err_and(|error| error.kind() == ErrorKind::LockTimeout), || {
        format!("without any time to wait, lock answered {at_once:?}")
    })?;
    let taken = start.elapsed();
    LOCK_TIMEOUT.unless(taken < Duration::from_secs(5), || format!("with no time to wait, lock took {taken:?}"))?;
    // The session that waited in vain can still take it.
    unlock(one.as_mut()).await?;
    LOCK_TIMEOUT.answer("lock, after a lock in vain,", other.lock(&key, LOCK_PATIENCE, HOLD).await)?;
    must_time_out(LOCK, one.as_mut(), &key).await
}

pub(super) async fn can_be_taken_again(lab: &mut Lab<'_>) -> Outcome {
    let key = lab.key()?;
    let (mut one, mut other) = (lab.connect().await?, lab.connect().await?);
    for _ in 0..3 {
        if !lab.lock(LOCK_AGAIN, one.as_mut(), &key, HOLD).await? {
            return Ok(());
        }
    }
    // However often it was taken, one unlock gives it back.
    unlock(one.as_mut()).await?;
    UNLOCK.answer("lock by another session, after one unlock,", other.lock(&key, MOMENT, HOLD).await)?;
    Ok(())
}

pub(super) async fn other_keys_are_independent(lab: &mut Lab<'_>) -> Outcome {
    let (key, other_key) = (lab.key()?, lab.key()?);
    let (mut one, mut other) = (lab.connect().await?, lab.connect().await?);
    if lab.lock(LOCK, one.as_mut(), &key, HOLD).await? {
        LOCK.answer("lock, while another session holds another key,", other.lock(&other_key, MOMENT, HOLD).await)?;
    }
    Ok(())
}

pub(super) async fn unlock_frees_it_for_this_and_other_sessions(lab: &mut Lab<'_>) -> Outcome {
    let (key, next_key) = (lab.key()?, lab.key()?);
    let (mut one, mut other) = (lab.connect().await?, lab.connect().await?);
    if !lab.lock(LOCK, one.as_mut(), &key, HOLD).await? {
        return Ok(());
    }
    unlock(one.as_mut()).await?;
    UNLOCK.answer("lock of another key, after unlock,", one.lock(&next_key, MOMENT, HOLD).await)?;
    UNLOCK.answer("lock by another session, after unlock,", other.lock(&key, MOMENT, HOLD).await)?;
    unlock(other.as_mut()).await?;
    must_time_out(LOCK, other.as_mut(), &next_key).await
}

pub(super) async fn unlock_without_lock_does_nothing(lab: &mut Lab<'_>) -> Outcome {
    let key = lab.key()?;
    let (mut one, mut other) = (lab.connect().await?, lab.connect().await?);
    unlock(one.as_mut()).await?;
    if !lab.lock(LOCK, one.as_mut(), &key, HOLD).await? {
        return Ok(());
    }
    unlock(other.as_mut()).await?;
    must_time_out(UNLOCK, other.as_mut(), &key).await?;
    unlock(one.as_mut()).await?;
    unlock(one.as_mut()).await?;
    UNLOCK.answer("lock, after two unlocks,", one.lock(&key, MOMENT, HOLD).await)?;
    Ok(())
}

pub(super) async fn dropped_session_frees_it(lab: &mut Lab<'_>) -> Outcome {
    let key = lab.key()?;
    let (mut one, mut other) = (lab.connect().await?, lab.connect().await?);
    if !lab.lock(LOCK, one.as_mut(), &key, HOLD).await? {
        return Ok(());
    }
    drop(one);
    DROPPED.answer("lock, after the session that held it was dropped,", other.lock(&key, LOCK_PATIENCE, HOLD).await)?;
    Ok(())
}

pub(super) async fn dropped_waiter_never_gets_it(lab: &mut Lab<'_>) -> Outcome {
    let key = lab.key()?;
    let (mut one, mut waiter, mut next) = (lab.connect().await?, lab.connect().await?, lab.connect().await?);
    if !lab.lock(LOCK, one.as_mut(), &key, HOLD).await? {
        return Ok(());
    }
    let early = tokio::time::timeout(MOMENT, waiter.lock(&key, LOCK_PATIENCE, HOLD)).await;
    LOCK.unless(early.is_err(), || format!("while another session holds it, lock answered {early:?}"))?;
    drop(waiter);
    unlock(one.as_mut()).await?;
    DROPPED.answer(
        "lock, after a waiter was dropped and the holder unlocked,",
        next.lock(&key, LOCK_PATIENCE, HOLD).await,
    )?;
    must_time_out(LOCK, one.as_mut(), &key).await
}

pub(super) async fn silent_session_loses_it(lab: &mut Lab<'_>) -> Outcome {
    let key = lab.key()?;
    let (mut frozen, mut other) = (lab.connect().await?, lab.connect().await?);
    let nobody = lab.nobody("late")?;
    if !lab.lock(LOCK, frozen.as_mut(), &key, Duration::from_secs(1)).await? {
        return Ok(());
    }
    if !lab.fixture.ends_silent_sessions() {
        return must_time_out(LOCK, other.as_mut(), &key).await;
    }
    let lock = other.lock(&key, LOCK_PATIENCE, HOLD).await;
    LOCK_SILENT.answer("after the holder was silent for 1 s and more, lock by another session", lock)?;
    let late = frozen.create_user(&nobody).await;
    LOCK_CHECKED.unless(is_lost(&late), || format!("the session that was silent for too long answered {late:?}"))?;
    lab.must_exist(LOCK_CHECKED, "after the change of a session without its lock", &nobody.user, false).await
}

pub(super) async fn lost_lock_stops_every_change(lab: &mut Lab<'_>) -> Outcome {
    let key = lab.key()?;
    let (open, closed) = (lab.table("open").await?, lab.table("closed").await?);
    let user = lab.reader("u", &[&open]).await?;
    let nobody = lab.nobody("nobody")?;
    let changed = Credentials { password: password(), ..user.clone() };
    let mut session = lab.connect().await?;
    if !lab.lock(LOCK, session.as_mut(), &key, HOLD).await? {
        return Ok(());
    }
    FIXTURE.answer("break_lock", lab.fixture.break_lock(&key).await)?;
    let mut heir = lab.connect().await?;
    let taken = heir.lock(&key, LOCK_PATIENCE, HOLD).await;
    FIXTURE.unless(matches!(taken, Ok(Lock::Held)), || format!("after break_lock, lock answered {taken:?}"))?;

    let must_be_lost = |call: &str, result: crate::Result<()>| {
        LOCK_CHECKED.unless(is_lost(&result), || format!("without its lock, {call} answered {result:?}"))
    };
    must_be_lost("create_user", session.create_user(&nobody).await.map(drop))?;
    must_be_lost("set_password", session.set_password(&changed).await)?;
    must_be_lost("grant", session.grant(&user.user, &closed, std::slice::from_ref(&open)).await)?;
    must_be_lost("revoke", session.revoke(&user.user, std::slice::from_ref(&open)).await)?;
    must_be_lost("drop_user", session.drop_user(&user.user).await)?;

    let when = "after five changes of a session without its lock";
    lab.must_exist(LOCK_CHECKED, when, &nobody.user, false).await?;
    lab.must_exist(LOCK_CHECKED, when, &user.user, true).await?;
    lab.must_read(LOCK_CHECKED, when, &user, &open).await?;
    lab.must_not_read(LOCK_CHECKED, when, &user, &closed).await
}

pub(super) async fn changes_work_under_it(lab: &mut Lab<'_>) -> Outcome {
    let key = lab.key()?;
    let mut session = lab.connect().await?;
    lab.lock(LOCK, session.as_mut(), &key, HOLD).await?;
    make_every_change(lab, LOCK_CHECKED, session.as_mut()).await?;
    // And the lock is still there.
    let mut other = lab.connect().await?;
    if lab.fixture.has_locks() {
        must_time_out(LOCK_CHECKED, other.as_mut(), &key).await?;
    }
    Ok(())
}

pub(super) async fn changes_work_after_unlock(lab: &mut Lab<'_>) -> Outcome {
    let key = lab.key()?;
    let (mut session, mut other) = (lab.connect().await?, lab.connect().await?);
    lab.lock(LOCK, session.as_mut(), &key, HOLD).await?;
    unlock(session.as_mut()).await?;
    lab.lock(LOCK, other.as_mut(), &key, HOLD).await?;
    make_every_change(lab, WITHOUT_LOCK, session.as_mut()).await
}

async fn make_every_change(lab: &mut Lab<'_>, promise: Promise, session: &mut dyn SourceEngine) -> Outcome {
    let (one, two) = (lab.table("one").await?, lab.table("two").await?);
    let user = lab.nobody("u")?;
    promise.answer("create_user", session.create_user(&user).await)?;
    let user = Credentials { password: password(), ..user };
    promise.answer("set_password", session.set_password(&user).await)?;
    promise.answer("grant", session.grant(&user.user, &one, &[]).await)?;
    lab.must_read(promise, "after the grant", &user, &one).await?;
    promise.answer("grant", session.grant(&user.user, &two, std::slice::from_ref(&one)).await)?;
    lab.must_read(promise, "after the second grant", &user, &two).await?;
    lab.must_not_read(promise, "after the second grant took it back", &user, &one).await?;
    promise.answer("revoke", session.revoke(&user.user, std::slice::from_ref(&two)).await)?;
    lab.must_not_read(promise, "after the revoke", &user, &two).await?;
    promise.answer("drop_user", session.drop_user(&user.user).await)?;
    lab.must_exist(promise, "after drop_user", &user.user, false).await
}
