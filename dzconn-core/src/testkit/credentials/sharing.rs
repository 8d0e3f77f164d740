//! Rules for what other accounts see, and for what only the way past the store can show.

use super::{CredentialFixture, Neighbour, SecretSample, live, promises};
use crate::ErrorKind;
use crate::model::{Principal, SecretId, SecretName};
use crate::store::{Slot, StoredSecret};
use crate::testkit::{Failure, Promise};

async fn denied(promise: Promise, who: &str, reader: &Neighbour, id: &SecretId) -> Result<(), Failure> {
    match reader.store.read_shared(id).await {
        Err(error) if error.kind() == ErrorKind::StoreDenied => Ok(()),
        other => Err(promise.broken(format!("it is not shared with {who}, and read_shared answered {other:#?}"))),
    }
}

async fn reads(promise: Promise, who: &str, reader: &Neighbour, wanted: &StoredSecret) -> Result<(), Failure> {
    let slot = reader.store.read_shared(&wanted.id).await;
    let slot = promise.answer(&format!("it is shared with {who}, and read_shared"), slot)?;
    promise.unless(slot == Slot::Live(Box::new(wanted.clone())), || {
        format!("{wanted:#?} is shared with {who}, and read_shared answered {slot:#?}")
    })
}

impl CredentialFixture {
    async fn share(&self, promise: Promise, name: &SecretName, readers: &[&Neighbour]) -> Result<(), Failure> {
        let readers: Vec<Principal> = readers.iter().map(|reader| reader.principal.clone()).collect();
        promise.answer("share", self.store.share(name, &readers).await)
    }
}

/// Nobody but its owner reads a fresh secret, and nobody sees it under its name in another account.
pub async fn what_is_not_shared_is_denied(fixture: &CredentialFixture) -> Result<(), Failure> {
    let promise = promises::DENIED;
    let (reader, stranger) = fixture.neighbours(promise)?;
    let sample = SecretSample::new();
    let name = sample.name("");
    let created = fixture.create(promise, &name, &sample.secret("not shared")).await?;
    denied(promise, "the reader", reader, &created.id).await?;
    denied(promise, "the stranger", stranger, &created.id).await?;
    let slot = promise.answer("read", reader.store.read(&name).await)?;
    promise.unless(slot == Slot::Empty, || format!("read of the same name in another account answered {slot:#?}"))
}

/// One of them, then both.
pub async fn exactly_those_named_read_what_is_shared(fixture: &CredentialFixture) -> Result<(), Failure> {
    let promise = promises::SHARE;
    let (reader, stranger) = fixture.neighbours(promise)?;
    let sample = SecretSample::new();
    let name = sample.name("");
    let created = fixture.create(promise, &name, &sample.secret("shared")).await?;
    fixture.share(promise, &name, &[reader]).await?;
    reads(promise, "the reader", reader, &created).await?;
    denied(promise, "the stranger", stranger, &created.id).await?;
    fixture.share(promise, &name, &[reader, stranger]).await?;
    reads(promise, "the reader", reader, &created).await?;
    reads(promise, "the stranger", stranger, &created).await?;
    fixture.must_stand(promise, "after it was shared", &name, &Slot::Live(Box::new(created))).await
}

/// From those who are not named any more.
pub async fn sharing_anew_takes_back(fixture: &CredentialFixture) -> Result<(), Failure> {
    let promise = promises::SHARE;
    let (reader, stranger) = fixture.neighbours(promise)?;
    let sample = SecretSample::new();
    let name = sample.name("");
    let created = fixture.create(promise, &name, &sample.secret("shared")).await?;
    fixture.share(promise, &name, &[reader]).await?;
    fixture.share(promise, &name, &[stranger]).await?;
    denied(promise, "the reader any more", reader, &created.id).await?;
    reads(promise, "the stranger", stranger, &created).await?;
    fixture.share(promise, &name, &[]).await?;
    denied(promise, "the stranger any more", stranger, &created.id).await?;
    let own = promise.answer("the owner's read_shared", fixture.store.read_shared(&created.id).await)?;
    promise.unless(own == Slot::Live(Box::new(created)), || format!("the owner's read_shared answered {own:#?}"))
}

/// Neither the value, nor its version, nor who reads it.
pub async fn sharing_twice_changes_nothing(fixture: &CredentialFixture) -> Result<(), Failure> {
    let promise = promises::SHARE_TWICE;
    let (reader, stranger) = fixture.neighbours(promise)?;
    let sample = SecretSample::new();
    let name = sample.name("");
    let created = fixture.create(promise, &name, &sample.secret("shared")).await?;
    for _ in 0..3 {
        fixture.share(promise, &name, &[reader]).await?;
        reads(promise, "the reader", reader, &created).await?;
        denied(promise, "the stranger", stranger, &created.id).await?;
    }
    fixture.must_stand(promise, "after it was shared again", &name, &Slot::Live(Box::new(created))).await
}

/// With those who read the old one.
pub async fn a_replaced_value_is_shared(fixture: &CredentialFixture) -> Result<(), Failure> {
    let promise = promises::SHARED;
    let (reader, stranger) = fixture.neighbours(promise)?;
    let sample = SecretSample::new();
    let name = sample.name("");
    let created = fixture.create(promise, &name, &sample.secret("old")).await?;
    fixture.share(promise, &name, &[reader]).await?;
    let outcome = fixture.store.replace(&name, &created.version, &sample.secret("new")).await;
    promise.answer("replace", outcome)?;
    let new = live(promise, "read after replace", fixture.read(promise, &name).await?)?;
    reads(promise, "the reader", reader, &new).await?;
    denied(promise, "the stranger", stranger, &new.id).await
}

/// It is an answer, not an error: the reader has something to clean up.
pub async fn a_burnt_secret_is_burnt_for_its_readers(fixture: &CredentialFixture) -> Result<(), Failure> {
    let promise = promises::SHARED_GONE;
    let (reader, _) = fixture.neighbours(promise)?;
    let sample = SecretSample::new();
    let name = sample.name("");
    let created = fixture.create(promise, &name, &sample.secret("gone")).await?;
    fixture.share(promise, &name, &[reader]).await?;
    fixture.burn(promise, &name).await?;
    let slot = promise.answer("read_shared", reader.store.read_shared(&created.id).await)?;
    promise.unless(slot == Slot::Burnt, || format!("read_shared of a burnt secret answered {slot:#?}"))
}

/// What happens to a name in one account does not happen to it in another.
pub async fn accounts_have_names_of_their_own(fixture: &CredentialFixture) -> Result<(), Failure> {
    let promise = promises::READ;
    let (reader, _) = fixture.neighbours(promise)?;
    let sample = SecretSample::new();
    let name = sample.name("");
    let created = fixture.create(promise, &name, &sample.secret("one")).await?;
    let other = promise.answer("create", reader.store.create(&name, &sample.secret("other")).await)?;
    let other = live(promise, "create in another account", other)?;
    promise.unless(other.id != created.id && other.credentials != created.credentials, || {
        format!("the same name in two accounts: {created:#?} and {other:#?}")
    })?;
    promise.answer("burn", reader.store.burn(&name).await)?;
    fixture.must_stand(promise, "after the other was burnt", &name, &Slot::Live(Box::new(created))).await
}

/// Of the owner, through a new value.
pub async fn tags_are_kept(fixture: &CredentialFixture) -> Result<(), Failure> {
    let promise = promises::TAGS;
    let tamper = fixture.tamper(promise)?;
    let sample = SecretSample::new();
    let (name, secret) = (sample.name(""), sample.secret("old"));
    let created = fixture.create(promise, &name, &secret).await?;
    for when in ["create", "replace"] {
        let tags = promise.answer("the fixture's tags", tamper.tags(&name).await)?;
        promise.unless(tags.as_ref() == Some(&secret.tags), || format!("after {when} the tags are {tags:?}"))?;
        if when == "create" {
            let outcome = fixture.store.replace(&name, &created.version, &sample.secret("new")).await;
            promise.answer("replace", outcome)?;
        }
    }
    Ok(())
}

/// Whatever it is: it may be somebody's password.
pub async fn a_value_of_another_shape_is_invalid_and_not_shown(fixture: &CredentialFixture) -> Result<(), Failure> {
    let promise = promises::READ_INVALID;
    let tamper = fixture.tamper(promise)?;
    let sample = SecretSample::new();
    for (n, value) in
        ["hunter2", "\"hunter2\"", "{\"password\":\"hunter2\"}", "{\"password\": hunter2"].iter().enumerate()
    {
        let name = sample.name(&format!("-{n}"));
        fixture.create(promise, &name, &sample.secret("right")).await?;
        promise.answer("the fixture's damage", tamper.damage(&name, value).await)?;
        match fixture.store.read(&name).await {
            Err(error) if error.kind() == ErrorKind::SecretInvalid => {
                promise.unless(!format!("{error} {error:?}").contains("hunter2"), || {
                    "the error shows the value".to_owned()
                })?;
            }
            other => return Err(promise.broken(format!("read of a value that is no secret answered {other:?}"))),
        }
    }
    Ok(())
}

/// For as long as it lasts.
pub async fn a_rotation_under_way_is_seen(fixture: &CredentialFixture) -> Result<(), Failure> {
    let promise = promises::PENDING;
    let tamper = fixture.tamper(promise)?;
    let sample = SecretSample::new();
    let name = sample.name("");
    let created = fixture.create(promise, &name, &sample.secret("current")).await?;
    for pending in [true, false] {
        promise.answer("the fixture's set_pending", tamper.set_pending(&name, pending).await)?;
        let when = if pending { "while it is rotated" } else { "after the rotation was given up" };
        let found = live(promise, "inspect", promise.answer("inspect", fixture.store.inspect(&name).await)?)?;
        let as_created = StoredSecret { pending: None, ..found.clone() } == created;
        promise.unless(found.pending.is_some() == pending && as_created, || {
            format!("{when} (pending: {pending}), inspect answered {found:#?} instead of {created:#?}")
        })?;
    }
    Ok(())
}
