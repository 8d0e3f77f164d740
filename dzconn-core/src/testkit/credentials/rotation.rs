//! Rules for a value that waits beside the current one, and for its promotion.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::life::{CALLERS, all};
use super::{CredentialFixture, SecretSample, live, promises};
use crate::ErrorKind;
use crate::model::{Credentials, SecretName};
use crate::store::{SecretVersion, Slot, StoredSecret, WriteOutcome};
use crate::testkit::{Failure, Promise};

fn version() -> SecretVersion {
    SecretVersion::chosen(rand::random())
}

/// A secret with the password "old", and a version under which nothing is proposed yet.
async fn begun(
    fixture: &CredentialFixture,
    promise: Promise,
) -> Result<(SecretSample, SecretName, StoredSecret, SecretVersion), Failure> {
    let sample = SecretSample::new();
    let name = sample.name("");
    let old = fixture.create(promise, &name, &sample.secret("old")).await?;
    Ok((sample, name, old, version()))
}

async fn propose(
    fixture: &CredentialFixture,
    promise: Promise,
    name: &SecretName,
    version: &SecretVersion,
    value: &Credentials,
) -> Result<Slot, Failure> {
    promise.answer("propose", fixture.store.propose(name, version, value).await)
}

async fn promote(
    fixture: &CredentialFixture,
    promise: Promise,
    name: &SecretName,
    [seen, version]: [&SecretVersion; 2],
    wanted: WriteOutcome,
) -> Result<(), Failure> {
    let outcome = promise.answer("promote", fixture.store.promote(name, seen, version).await)?;
    promise.unless(outcome == wanted, || {
        format!("promote of {version:?} over {seen:?} answered {outcome:?} instead of {wanted:?}")
    })
}

async fn must_be_pending(
    fixture: &CredentialFixture,
    promise: Promise,
    name: &SecretName,
    wanted: Option<&SecretVersion>,
) -> Result<(), Failure> {
    let found = live(promise, "inspect", promise.answer("inspect", fixture.store.inspect(name).await)?)?;
    promise.unless(found.pending.as_ref() == wanted, || {
        format!("inspect answered {:?} as pending instead of {wanted:?}", found.pending)
    })
}

/// Of every shape, under the secret's address and the version that was asked for.
pub async fn a_proposed_value_is_answered(fixture: &CredentialFixture) -> Result<(), Failure> {
    let promise = promises::PROPOSE;
    let sample = SecretSample::new();
    for (n, secret) in sample.awkward().iter().enumerate() {
        let name = sample.name(&format!("-{n}"));
        let old = fixture.create(promise, &name, &sample.secret("old")).await?;
        let ours = version();
        for what in ["propose", "the same propose again"] {
            let there = live(promise, what, propose(fixture, promise, &name, &ours, &secret.credentials).await?)?;
            let fits = there.credentials == secret.credentials && there.id == old.id && there.version == ours;
            promise.unless(fits, || format!("{what} of secret {n} beside {old:#?} answered {there:#?}"))?;
        }
    }
    Ok(())
}

/// Neither with another value, nor after it was promoted; and it does not wait again then.
pub async fn a_proposal_is_never_overwritten(fixture: &CredentialFixture) -> Result<(), Failure> {
    let promise = promises::PROPOSE_ONCE;
    let (sample, name, old, ours) = begun(fixture, promise).await?;
    let (first, second) = (sample.secret("first").credentials, sample.secret("second").credentials);
    for promoted in [false, true] {
        if promoted {
            promote(fixture, promise, &name, [&old.version, &ours], WriteOutcome::Written).await?;
        }
        for value in [&first, &second] {
            let there = live(promise, "propose", propose(fixture, promise, &name, &ours, value).await?)?;
            promise.unless(there.credentials == first && there.version == ours, || {
                format!("a second propose of one version (promoted: {promoted}) answered {there:#?}")
            })?;
        }
    }
    let now = live(promise, "read", fixture.read(promise, &name).await?)?;
    promise.unless(now.credentials == first, || format!("the second value was promoted: {now:#?}"))?;
    must_be_pending(fixture, promise, &name, None).await
}

/// Also the losers are told what stands there, and it is what is promoted.
pub async fn of_concurrent_proposers_one_wins_and_all_see_it(fixture: &CredentialFixture) -> Result<(), Failure> {
    let promise = promises::PROPOSE_ONCE;
    for round in 0..2 {
        let (sample, name, old, ours) = begun(fixture, promise).await?;
        let mut tasks = JoinSet::new();
        for n in 0..CALLERS {
            let (store, name, ours) = (Arc::clone(&fixture.store), name.clone(), ours.clone());
            let value = sample.secret(&n.to_string()).credentials;
            tasks.spawn(async move { store.propose(&name, &ours, &value).await });
        }
        let mut passwords = BTreeSet::new();
        for slot in all(&mut tasks, promise).await? {
            let there = live(promise, "propose", slot)?;
            passwords.insert(there.credentials.password.expose().to_owned());
        }
        promote(fixture, promise, &name, [&old.version, &ours], WriteOutcome::Written).await?;
        let now = live(promise, "read", fixture.read(promise, &name).await?)?;
        promise.unless(passwords.iter().eq([now.credentials.password.expose()]), || {
            format!("round {round}: {CALLERS} callers at once saw {passwords:?}, and {now:#?} is there")
        })?;
    }
    Ok(())
}

/// And not with a secret that waits under another name.
pub async fn a_proposed_value_is_not_read(fixture: &CredentialFixture) -> Result<(), Failure> {
    let promise = promises::PROPOSE_UNSEEN;
    let (sample, name, old, ours) = begun(fixture, promise).await?;
    propose(fixture, promise, &name, &ours, &sample.secret("new").credentials).await?;
    for slot in [
        fixture.read(promise, &name).await?,
        promise.answer("inspect", fixture.store.inspect(&name).await)?,
        promise.answer("read_shared", fixture.store.read_shared(&old.id).await)?,
        promise.answer("create", fixture.store.create(&name, &sample.secret("late")).await)?,
    ] {
        let seen = live(promise, "reading", slot)?;
        let same = seen.credentials == old.credentials && seen.version == old.version && seen.id == old.id;
        promise.unless(same, || format!("beside a proposal, {seen:#?} is read instead of {old:#?}"))?;
    }
    Ok(())
}

/// Whichever it is; and an older one can be promoted as well, which leaves the newer waiting.
pub async fn the_newest_proposal_is_pending(fixture: &CredentialFixture) -> Result<(), Failure> {
    let promise = promises::PROPOSE_PENDING;
    let (sample, name, old, first) = begun(fixture, promise).await?;
    let second = version();
    must_be_pending(fixture, promise, &name, None).await?;
    for (ours, newest) in [(&first, &first), (&second, &second), (&first, &second)] {
        propose(fixture, promise, &name, ours, &sample.secret(ours.as_str()).credentials).await?;
        must_be_pending(fixture, promise, &name, Some(newest)).await?;
    }
    promote(fixture, promise, &name, [&old.version, &first], WriteOutcome::Written).await?;
    must_be_pending(fixture, promise, &name, Some(&second)).await?;
    let now = live(promise, "read", fixture.read(promise, &name).await?)?;
    promise.unless(now.credentials.password.expose() == first.as_str(), || {
        format!("the older proposal was promoted, and {now:#?} is there")
    })
}

/// Whatever is there.
pub async fn a_version_of_another_shape_is_refused(fixture: &CredentialFixture) -> Result<(), Failure> {
    let promise = promises::PROPOSE_SHAPE;
    let (sample, name, old, _) = begun(fixture, promise).await?;
    let value = sample.secret("new").credentials;
    for text in ["", "short", &"a".repeat(31), &"a".repeat(65), &format!("{} ", "a".repeat(31)), &"ä".repeat(20)] {
        match fixture.store.propose(&name, &SecretVersion::new(text), &value).await {
            Err(error) if error.kind() == ErrorKind::InvalidInput => {}
            other => return Err(promise.broken(format!("propose as version {text:?} answered {other:?}"))),
        }
    }
    for text in ["a".repeat(32), "0aB-".repeat(16)] {
        live(promise, "propose", propose(fixture, promise, &name, &SecretVersion::new(text), &value).await?)?;
    }
    let now = live(promise, "read", fixture.read(promise, &name).await?)?;
    promise.unless(now.version == old.version, || format!("{old:#?} became {now:#?}"))
}

/// And nothing is made there.
pub async fn nothing_is_proposed_where_no_secret_is(fixture: &CredentialFixture) -> Result<(), Failure> {
    let promise = promises::PROPOSE;
    let sample = SecretSample::new();
    let (empty, burnt) = (sample.name("-empty"), sample.name("-burnt"));
    fixture.burn(promise, &burnt).await?;
    for (name, wanted) in [(empty, Slot::Empty), (burnt, Slot::Burnt)] {
        let ours = version();
        let slot = propose(fixture, promise, &name, &ours, &sample.secret("new").credentials).await?;
        promise.unless(slot == wanted, || format!("propose where {wanted:?} is answered {slot:#?}"))?;
        promote(fixture, promise, &name, [&version(), &ours], WriteOutcome::Conflict).await?;
        fixture.must_stand(promise, "after a propose", &name, &wanted).await?;
    }
    Ok(())
}

/// Under the same address and the proposed version; and nothing waits any more.
pub async fn a_promoted_value_is_read(fixture: &CredentialFixture) -> Result<(), Failure> {
    let promise = promises::PROMOTE;
    let sample = SecretSample::new();
    for (n, secret) in sample.awkward().iter().enumerate() {
        let name = sample.name(&format!("-{n}"));
        let old = fixture.create(promise, &name, &sample.secret("old")).await?;
        let ours = version();
        propose(fixture, promise, &name, &ours, &secret.credentials).await?;
        promote(fixture, promise, &name, [&old.version, &ours], WriteOutcome::Written).await?;
        let new = StoredSecret { version: ours, credentials: secret.credentials.clone(), pending: None, ..old };
        let inspected = promise.answer("inspect", fixture.store.inspect(&name).await)?;
        promise.unless(inspected == Slot::Live(Box::new(new.clone())), || {
            format!("{new:#?} was promoted, and inspect answered {inspected:#?}")
        })?;
        fixture.must_stand(promise, "after a promotion", &name, &Slot::Live(Box::new(new))).await?;
    }
    Ok(())
}

/// Whatever version is said to be current.
pub async fn promoting_twice_changes_nothing(fixture: &CredentialFixture) -> Result<(), Failure> {
    let promise = promises::PROMOTE_TWICE;
    let (sample, name, old, ours) = begun(fixture, promise).await?;
    propose(fixture, promise, &name, &ours, &sample.secret("new").credentials).await?;
    promote(fixture, promise, &name, [&old.version, &ours], WriteOutcome::Written).await?;
    let now = fixture.read(promise, &name).await?;
    for seen in [&old.version, &ours] {
        promote(fixture, promise, &name, [seen, &ours], WriteOutcome::Written).await?;
        fixture.must_stand(promise, "after a second promotion", &name, &now).await?;
        must_be_pending(fixture, promise, &name, None).await?;
    }
    Ok(())
}

/// A value that was written meanwhile stays, until it has been seen.
pub async fn only_over_the_version_that_was_seen_is_promoted(fixture: &CredentialFixture) -> Result<(), Failure> {
    let promise = promises::PROMOTE_CONFLICT;
    let (sample, name, old, ours) = begun(fixture, promise).await?;
    let foreign = fixture.create(promise, &sample.name("-other"), &sample.secret("other")).await?;
    propose(fixture, promise, &name, &ours, &sample.secret("new").credentials).await?;
    let outcome = fixture.store.replace(&name, &old.version, &sample.secret("meanwhile")).await;
    promise.answer("replace", outcome)?;
    let now = fixture.read(promise, &name).await?;
    for seen in [&old.version, &foreign.version] {
        promote(fixture, promise, &name, [seen, &ours], WriteOutcome::Conflict).await?;
        fixture.must_stand(promise, "after a conflict", &name, &now).await?;
    }
    let now = live(promise, "read", now)?;
    promote(fixture, promise, &name, [&now.version, &ours], WriteOutcome::Written).await?;
    let now = live(promise, "read", fixture.read(promise, &name).await?)?;
    promise.unless(now.credentials.password.expose() == "new", || format!("{now:#?} is there"))?;
    // Somebody has written over it since: it is not current, whoever asks.
    let outcome = fixture.store.replace(&name, &ours, &sample.secret("after")).await;
    promise.answer("replace", outcome)?;
    promote(fixture, promise, &name, [&old.version, &ours], WriteOutcome::Conflict).await
}

/// Nor one that another secret has.
pub async fn what_was_not_proposed_is_not_promoted(fixture: &CredentialFixture) -> Result<(), Failure> {
    let promise = promises::PROMOTE_CONFLICT;
    let (sample, name, old, ours) = begun(fixture, promise).await?;
    let other = sample.name("-other");
    fixture.create(promise, &other, &sample.secret("other")).await?;
    propose(fixture, promise, &other, &ours, &sample.secret("new").credentials).await?;
    for version in [&ours, &version()] {
        promote(fixture, promise, &name, [&old.version, version], WriteOutcome::Conflict).await?;
        fixture.must_stand(promise, "after a conflict", &name, &Slot::Live(Box::new(old.clone()))).await?;
    }
    Ok(())
}

/// Replacing and promoting over one version; the others are told so.
pub async fn of_concurrent_promotions_and_replacements_one_wins(fixture: &CredentialFixture) -> Result<(), Failure> {
    let promise = promises::PROMOTE;
    for round in 0..2 {
        let (sample, name, old, _) = begun(fixture, promise).await?;
        let mut versions = Vec::new();
        for n in 0..CALLERS / 2 {
            let ours = version();
            propose(fixture, promise, &name, &ours, &sample.secret(&format!("promoted {n}")).credentials).await?;
            versions.push(ours);
        }
        let mut tasks = JoinSet::new();
        for (n, ours) in versions.into_iter().enumerate() {
            let (store, on, seen) = (Arc::clone(&fixture.store), name.clone(), old.version.clone());
            tasks.spawn(async move { Ok((format!("promoted {n}"), store.promote(&on, &seen, &ours).await?)) });
            let (store, on, seen) = (Arc::clone(&fixture.store), name.clone(), old.version.clone());
            let (password, sample) = (format!("replaced {n}"), sample.clone());
            tasks.spawn(async move {
                let outcome = store.replace(&on, &seen, &sample.secret(&password)).await?;
                Ok((password, outcome))
            });
        }
        let answers = all(&mut tasks, promise).await?;
        let won: Vec<_> = answers.iter().filter(|(_, outcome)| *outcome == WriteOutcome::Written).collect();
        let there = live(promise, "read", fixture.read(promise, &name).await?)?;
        let password = there.credentials.password.expose();
        promise.unless(matches!(won.as_slice(), [(winner, _)] if winner == password), || {
            format!("round {round}: {} of {CALLERS} won over one version, and {password} is there", won.len())
        })?;
    }
    Ok(())
}

/// Before, meanwhile, or after.
pub async fn a_proposal_goes_with_its_secret(fixture: &CredentialFixture) -> Result<(), Failure> {
    let promise = promises::NEVER_BACK;
    for _ in 0..4 {
        let (sample, name, old, ours) = begun(fixture, promise).await?;
        let value = sample.secret("new").credentials;
        propose(fixture, promise, &name, &ours, &value).await?;
        let late = version();
        let (burn, promoted, proposed) = tokio::join!(
            fixture.store.burn(&name),
            fixture.store.promote(&name, &old.version, &ours),
            fixture.store.propose(&name, &late, &value),
        );
        promise.answer("burn", burn)?;
        promise.answer("promote beside burn", promoted)?;
        promise.answer("propose beside burn", proposed)?;
        for version in [&ours, &late, &version()] {
            let slot = propose(fixture, promise, &name, version, &value).await?;
            promise.unless(slot == Slot::Burnt, || format!("propose under a burnt name answered {slot:#?}"))?;
            promote(fixture, promise, &name, [&old.version, version], WriteOutcome::Conflict).await?;
            fixture.must_stand(promise, "after it was burnt", &name, &Slot::Burnt).await?;
        }
    }
    Ok(())
}

/// Those with whom it is shared see the old value before, and the new one after.
pub async fn a_promoted_value_is_shared(fixture: &CredentialFixture) -> Result<(), Failure> {
    let promise = promises::PROPOSE_UNSEEN;
    let (reader, _) = fixture.neighbours(promise)?;
    let (sample, name, old, ours) = begun(fixture, promise).await?;
    let share = fixture.store.share(&name, std::slice::from_ref(&reader.principal)).await;
    promise.answer("share", share)?;
    propose(fixture, promise, &name, &ours, &sample.secret("new").credentials).await?;
    for wanted in ["old", "new"] {
        let slot = promise.answer("read_shared", reader.store.read_shared(&old.id).await)?;
        let seen = live(promise, "read_shared", slot)?;
        promise.unless(seen.credentials.password.expose() == wanted, || {
            format!("{seen:#?} is shared instead of the {wanted} value")
        })?;
        promote(fixture, promise, &name, [&old.version, &ours], WriteOutcome::Written).await?;
    }
    Ok(())
}
