//! Rules for the life of a name: empty, live, burnt.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::sleep;

use super::{CredentialFixture, SecretSample, live, promises};
use crate::ErrorKind;
use crate::model::{Principal, SecretName};
use crate::store::{Slot, WriteOutcome};
use crate::testkit::{Failure, Promise};

pub(super) const CALLERS: usize = 24;

/// Reading it does not change that.
pub async fn an_unused_name_is_empty(fixture: &CredentialFixture) -> Result<(), Failure> {
    let name = SecretSample::new().name("");
    for _ in 0..2 {
        fixture.must_stand(promises::EMPTY, "before anything was written", &name, &Slot::Empty).await?;
    }
    Ok(())
}

/// With every printable character, Unicode, and whatever else a name or password may hold.
pub async fn a_secret_is_read_back_as_it_was_created(fixture: &CredentialFixture) -> Result<(), Failure> {
    let promise = promises::READS;
    let sample = SecretSample::new();
    for (n, secret) in sample.awkward().iter().enumerate() {
        let name = sample.name(&format!("-{n}"));
        let created = fixture.create(promise, &name, secret).await?;
        let read = live(promise, "read after create", fixture.read(promise, &name).await?)?;
        promise.unless(read == created && read.credentials.password == secret.credentials.password, || {
            format!("secret {n}: create answered {created:#?}, read {read:#?}; or they differ in the password")
        })?;
        let inspected = promise.answer("inspect", fixture.store.inspect(&name).await)?;
        promises::PENDING.unless(inspected == Slot::Live(Box::new(created)), || {
            format!("nobody rotates a fresh secret, and inspect answered {inspected:#?}")
        })?;
    }
    Ok(())
}

/// Stores may take a while to show what was made and burnt.
const LISTED_WITHIN: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 330 });

/// A burnt one no longer is, in the end.
pub async fn live_names_are_listed_by_their_prefix(fixture: &CredentialFixture) -> Result<(), Failure> {
    let promise = promises::NAMES;
    let sample = SecretSample::new();
    let prefix = sample.name("-p_").to_string();
    let [one, two, burnt, other] = ["-p_1", "-p_2/x", "-p_3", "-px4"].map(|suffix| sample.name(suffix));
    for name in [&one, &two, &burnt, &other] {
        fixture.create(promise, name, &sample.secret("password")).await?;
    }
    // Once it has been listed, its absence means something.
    for expected in [vec![&one, &two, &burnt], vec![&one, &two]] {
        let begin = Instant::now();
        loop {
            let mut listed = promise.answer("names", fixture.store.names(&prefix).await)?;
            listed.sort();
            if listed.iter().eq(expected.iter().copied()) {
                break;
            }
            promise.unless(begin.elapsed() < LISTED_WITHIN, || {
                format!("names({prefix:?}) answered {listed:?} for long; expected: {expected:?}")
            })?;
            sleep(Duration::from_millis(100)).await;
        }
        fixture.burn(promise, &burnt).await?;
    }
    Ok(())
}

/// Names that differ in case or go on differently are different names.
pub async fn names_that_look_alike_are_told_apart(fixture: &CredentialFixture) -> Result<(), Failure> {
    let promise = promises::READ;
    let sample = SecretSample::new();
    let name = sample.name("a");
    let others = ["A", "a/b", "a-AbCdEf", "a_", "a.b", "a+=@"].map(|suffix| sample.name(suffix));
    let mut created = Vec::new();
    for (n, other) in others.iter().enumerate() {
        created.push(fixture.create(promise, other, &sample.secret(&format!("password {n}"))).await?);
    }
    fixture.must_stand(promise, "after others were created", &name, &Slot::Empty).await?;
    fixture.burn(promise, &name).await?;
    for (other, created) in others.iter().zip(created) {
        fixture.must_stand(promise, "after another was burnt", other, &Slot::Live(Box::new(created))).await?;
    }
    Ok(())
}

/// What was there is answered, and stays.
pub async fn a_secret_is_never_overwritten_by_create(fixture: &CredentialFixture) -> Result<(), Failure> {
    let promise = promises::ONE_WINS;
    let sample = SecretSample::new();
    let name = sample.name("");
    let first = Slot::Live(Box::new(fixture.create(promise, &name, &sample.secret("first")).await?));
    let answer = promise.answer("create", fixture.store.create(&name, &sample.secret("second")).await)?;
    promise.unless(answer == first, || {
        format!("create over {first:#?} answered {answer:#?}; the passwords are the same: {}", same(&answer, &first))
    })?;
    fixture.must_stand(promise, "after a second create", &name, &first).await
}

/// Not even a version.
pub async fn creating_the_same_again_makes_nothing_new(fixture: &CredentialFixture) -> Result<(), Failure> {
    let promise = promises::CREATE;
    let sample = SecretSample::new();
    let (name, secret) = (sample.name(""), sample.secret("the same"));
    let first = Slot::Live(Box::new(fixture.create(promise, &name, &secret).await?));
    let answer = promise.answer("create", fixture.store.create(&name, &secret).await)?;
    promise.unless(answer == first, || format!("create again of {first:#?} answered {answer:#?}"))?;
    fixture.must_stand(promise, "after the same create", &name, &first).await
}

/// Also the losers are told what stands there.
pub async fn of_concurrent_creators_one_wins_and_all_see_it(fixture: &CredentialFixture) -> Result<(), Failure> {
    let promise = promises::ONE_WINS;
    for round in 0..4 {
        let sample = SecretSample::new();
        let name = sample.name("");
        let mut tasks = JoinSet::new();
        for n in 0..CALLERS {
            let (store, name, secret) = (Arc::clone(&fixture.store), name.clone(), sample.secret(&n.to_string()));
            tasks.spawn(async move { store.create(&name, &secret).await });
        }
        let there = all(&mut tasks, promise).await?;
        let read = fixture.read(promise, &name).await?;
        promise.unless(matches!(read, Slot::Live(_)) && there.iter().all(|slot| *slot == read), || {
            format!("round {round}: {CALLERS} callers at once were answered {there:#?}, and {read:#?} is there")
        })?;
    }
    Ok(())
}

pub(super) async fn all<T: 'static>(
    tasks: &mut JoinSet<crate::Result<T>>,
    promise: Promise,
) -> Result<Vec<T>, Failure> {
    let mut answers = Vec::new();
    while let Some(answer) = tasks.join_next().await {
        let answer = answer.map_err(|error| promise.broken(format!("the call panicked: {error}")))?;
        answers.push(promise.answer("the call", answer)?);
    }
    Ok(answers)
}

/// Under the same address and a new version.
pub async fn a_replaced_value_is_read(fixture: &CredentialFixture) -> Result<(), Failure> {
    let promise = promises::REPLACE;
    let sample = SecretSample::new();
    for (n, secret) in sample.awkward().iter().enumerate() {
        let name = sample.name(&format!("-{n}"));
        let old = fixture.create(promise, &name, &sample.secret("old")).await?;
        let outcome = promise.answer("replace", fixture.store.replace(&name, &old.version, secret).await)?;
        promise
            .unless(outcome == WriteOutcome::Written, || format!("replace over what is there answered {outcome:?}"))?;
        let new = live(promise, "read after replace", fixture.read(promise, &name).await?)?;
        let fits = new.credentials == secret.credentials && new.id == old.id && new.version != old.version;
        promise.unless(fits, || format!("secret {n}: {old:#?} was replaced, and {new:#?} is there"))?;
    }
    Ok(())
}

/// Also where the same value is written again.
pub async fn every_write_has_a_version_of_its_own(fixture: &CredentialFixture) -> Result<(), Failure> {
    let promise = promises::VERSION;
    let sample = SecretSample::new();
    let (name, secret) = (sample.name(""), sample.secret("the same"));
    let mut seen = fixture.create(promise, &name, &secret).await?.version;
    let mut versions = vec![seen.clone()];
    for n in 0..4 {
        let outcome = promise.answer("replace", fixture.store.replace(&name, &seen, &secret).await)?;
        promise.unless(outcome == WriteOutcome::Written, || format!("replace {n} answered {outcome:?}"))?;
        seen = live(promise, "read", fixture.read(promise, &name).await?)?.version;
        let again = live(promise, "read", fixture.read(promise, &name).await?)?.version;
        promise.unless(seen == again, || format!("one write was read under two versions: {seen:?} and {again:?}"))?;
        versions.push(seen.clone());
    }
    versions.push(fixture.create(promise, &sample.name("-other"), &secret).await?.version);
    let count = versions.len();
    versions.sort();
    versions.dedup();
    promise.unless(versions.len() == count, || format!("{count} writes have the versions {versions:?}"))
}

/// Not over an older version, and not over one of another secret.
pub async fn only_the_version_that_was_seen_is_replaced(fixture: &CredentialFixture) -> Result<(), Failure> {
    let promise = promises::REPLACE_CONFLICT;
    let sample = SecretSample::new();
    let name = sample.name("");
    let foreign = fixture.create(promise, &sample.name("-other"), &sample.secret("other")).await?;
    let old = fixture.create(promise, &name, &sample.secret("old")).await?;
    let outcome = fixture.store.replace(&name, &old.version, &sample.secret("new")).await;
    promise.answer("replace", outcome)?;
    let new = fixture.read(promise, &name).await?;
    for seen in [&old.version, &foreign.version] {
        let outcome = fixture.store.replace(&name, seen, &sample.secret("late")).await;
        let outcome = promise.answer("replace", outcome)?;
        promise.unless(outcome == WriteOutcome::Conflict, || {
            format!("{new:#?} is there, and replace over {seen:?} answered {outcome:?}")
        })?;
        fixture.must_stand(promise, "after a conflict", &name, &new).await?;
    }
    Ok(())
}

/// And nothing is made.
pub async fn nothing_can_be_replaced_where_nothing_is(fixture: &CredentialFixture) -> Result<(), Failure> {
    let promise = promises::REPLACE_CONFLICT;
    let sample = SecretSample::new();
    let foreign = fixture.create(promise, &sample.name("-other"), &sample.secret("other")).await?;
    let name = sample.name("");
    let outcome = fixture.store.replace(&name, &foreign.version, &sample.secret("new")).await;
    let outcome = promise.answer("replace", outcome)?;
    promise.unless(outcome == WriteOutcome::Conflict, || format!("replace of nothing answered {outcome:?}"))?;
    fixture.must_stand(promise, "after a conflict", &name, &Slot::Empty).await
}

/// The others are told so.
pub async fn of_concurrent_replacers_one_wins(fixture: &CredentialFixture) -> Result<(), Failure> {
    let promise = promises::REPLACE;
    for round in 0..4 {
        let sample = SecretSample::new();
        let name = sample.name("");
        let old = fixture.create(promise, &name, &sample.secret("old")).await?;
        let mut tasks = JoinSet::new();
        for n in 0..CALLERS {
            let (store, name, secret) = (Arc::clone(&fixture.store), name.clone(), sample.secret(&n.to_string()));
            let seen = old.version.clone();
            tasks.spawn(async move { Ok((secret.clone(), store.replace(&name, &seen, &secret).await?)) });
        }
        let answers = all(&mut tasks, promise).await?;
        let won: Vec<_> =
            answers.iter().filter(|(_, outcome)| *outcome == WriteOutcome::Written).map(|(secret, _)| secret).collect();
        let there = live(promise, "read", fixture.read(promise, &name).await?)?;
        promise.unless(matches!(won.as_slice(), [winner] if winner.credentials == there.credentials), || {
            format!("round {round}: {CALLERS} callers replaced one version at once, {} won", won.len())
        })?;
    }
    Ok(())
}

/// Neither under its name nor by its address.
pub async fn a_burnt_secret_cannot_be_read(fixture: &CredentialFixture) -> Result<(), Failure> {
    let promise = promises::BURN;
    let sample = SecretSample::new();
    let name = sample.name("");
    fixture.create(promise, &name, &sample.secret("gone")).await?;
    fixture.burn(promise, &name).await?;
    fixture.must_stand(promise, "after it was burnt", &name, &Slot::Burnt).await
}

/// And cannot be made any more.
pub async fn an_absent_name_can_be_burnt(fixture: &CredentialFixture) -> Result<(), Failure> {
    let promise = promises::BURN;
    let sample = SecretSample::new();
    let name = sample.name("");
    fixture.burn(promise, &name).await?;
    fixture.must_stand(promise, "after nothing was burnt", &name, &Slot::Burnt).await?;
    let slot = promise.answer("create", fixture.store.create(&name, &sample.secret("late")).await)?;
    promise.unless(slot == Slot::Burnt, || format!("create under a burnt name answered {slot:#?}"))?;
    fixture.must_stand(promise, "after a create under a burnt name", &name, &Slot::Burnt).await
}

/// Whether something was there or not.
pub async fn burning_twice_changes_nothing(fixture: &CredentialFixture) -> Result<(), Failure> {
    let promise = promises::BURN;
    for (_, name) in burnt(fixture, promise).await? {
        for _ in 0..2 {
            fixture.burn(promise, &name).await?;
            fixture.must_stand(promise, "after it was burnt again", &name, &Slot::Burnt).await?;
        }
    }
    Ok(())
}

/// Two burnt names: one that was live, and one that never was.
async fn burnt(fixture: &CredentialFixture, promise: Promise) -> Result<[(SecretSample, SecretName); 2], Failure> {
    let (once, never) = (SecretSample::new(), SecretSample::new());
    let (live, empty) = (once.name(""), never.name(""));
    fixture.create(promise, &live, &once.secret("gone")).await?;
    fixture.burn(promise, &live).await?;
    fixture.burn(promise, &empty).await?;
    Ok([(once, live), (never, empty)])
}

/// Neither create, nor replace, nor share, nor burn.
pub async fn nothing_brings_a_burnt_name_back(fixture: &CredentialFixture) -> Result<(), Failure> {
    let promise = promises::NEVER_BACK;
    let sample = SecretSample::new();
    let before = sample.name("-seen");
    let seen = fixture.create(promise, &before, &sample.secret("seen")).await?.version;
    fixture.burn(promise, &before).await?;
    let mut names = vec![(sample, before)];
    names.extend(burnt(fixture, promise).await?);
    for (sample, name) in names {
        for password in ["gone", "new"] {
            let slot = promise.answer("create", fixture.store.create(&name, &sample.secret(password)).await)?;
            promise.unless(slot == Slot::Burnt, || format!("create under a burnt name answered {slot:#?}"))?;
            fixture.must_stand(promise, "after a create", &name, &Slot::Burnt).await?;
        }
        let outcome = fixture.store.replace(&name, &seen, &sample.secret("new")).await;
        let outcome = promise.answer("replace", outcome)?;
        promise
            .unless(outcome == WriteOutcome::Conflict, || format!("replace of a burnt name answered {outcome:?}"))?;
        fixture.must_stand(promise, "after a replace", &name, &Slot::Burnt).await?;
        fixture.burn(promise, &name).await?;
        fixture.must_stand(promise, "after it was burnt again", &name, &Slot::Burnt).await?;
    }
    Ok(())
}

/// Creates and a burn at once: whichever came first, the name is burnt in the end.
pub async fn a_create_under_way_makes_nothing_once_the_name_is_burnt(
    fixture: &CredentialFixture,
) -> Result<(), Failure> {
    let promise = promises::BURN;
    for round in 0..12 {
        let sample = SecretSample::new();
        let name = sample.name("");
        let mut tasks = JoinSet::new();
        for n in 0..8 {
            let (store, name, secret) = (Arc::clone(&fixture.store), name.clone(), sample.secret("late"));
            tasks.spawn(async move {
                if n == round % 8 { store.burn(&name).await } else { store.create(&name, &secret).await.map(drop) }
            });
        }
        all(&mut tasks, promise).await?;
        let when = format!("round {round}: after creates and a burn at the same time");
        fixture.must_stand(promise, &when, &name, &Slot::Burnt).await?;
    }
    Ok(())
}

/// Nobody gets to read what is not there.
pub async fn a_burnt_secret_cannot_be_shared(fixture: &CredentialFixture) -> Result<(), Failure> {
    let promise = promises::SHARE_GONE;
    for (_, name) in burnt(fixture, promise).await? {
        is_gone(promise, fixture.store.share(&name, &[anybody(promise)?]).await)?;
        fixture.must_stand(promise, "after a share", &name, &Slot::Burnt).await?;
    }
    Ok(())
}

/// And nothing is made.
pub async fn nothing_can_be_shared_where_nothing_is(fixture: &CredentialFixture) -> Result<(), Failure> {
    let promise = promises::SHARE_GONE;
    let name = SecretSample::new().name("");
    is_gone(promise, fixture.store.share(&name, &[anybody(promise)?]).await)?;
    fixture.must_stand(promise, "after a share", &name, &Slot::Empty).await
}

fn anybody(promise: Promise) -> Result<Principal, Failure> {
    promise.answer("the suite", Principal::new("arn:aws:iam::111122223333:role/reader"))
}

fn is_gone(promise: Promise, answer: crate::Result<()>) -> Result<(), Failure> {
    match answer {
        Err(error) if error.kind() == ErrorKind::SecretGone => Ok(()),
        other => Err(promise.broken(format!("share answered {other:?}"))),
    }
}

/// Whether it is shared or not.
pub async fn ones_own_secret_is_read_by_its_address(fixture: &CredentialFixture) -> Result<(), Failure> {
    let promise = promises::SHARED;
    let sample = SecretSample::new();
    let created = fixture.create(promise, &sample.name(""), &sample.secret("own")).await?;
    let slot = promise.answer("read_shared", fixture.store.read_shared(&created.id).await)?;
    promise.unless(slot == Slot::Live(Box::new(created.clone())), || {
        format!("{created:#?} is there, and its owner's read_shared answered {slot:#?}")
    })
}

/// Not an error.
pub async fn ones_own_burnt_secret_is_burnt_by_its_address(fixture: &CredentialFixture) -> Result<(), Failure> {
    let promise = promises::SHARED_GONE;
    let sample = SecretSample::new();
    let created = fixture.create(promise, &sample.name(""), &sample.secret("own")).await?;
    fixture.burn(promise, &sample.name("")).await?;
    let slot = promise.answer("read_shared", fixture.store.read_shared(&created.id).await)?;
    promise.unless(slot == Slot::Burnt, || format!("read_shared of a burnt secret answered {slot:#?}"))
}

fn same(one: &Slot, other: &Slot) -> bool {
    matches!((one, other), (Slot::Live(one), Slot::Live(other)) if one.credentials.password == other.credentials.password)
}
