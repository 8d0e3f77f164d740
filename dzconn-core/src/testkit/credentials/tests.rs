//! The rules pass on the store that keeps its promises, and each fails on one that breaks the promise it is about.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

use super::*;
use crate::memory::{MemoryCredentials, MemoryVault};
use crate::model::{AccountId, Credentials, SecretId};
use crate::store::{SecretVersion, WriteOutcome};
use crate::{Error, ErrorKind, Secret};

mod faults;

use faults::{FAULTS, Fault};

mod sound {
    crate::credential_store_conformance!(super::sound);
}

async fn sound() -> CredentialFixture {
    fixture(|store| Arc::new(store))
}

fn fixture(wrap: impl Fn(MemoryCredentials) -> Arc<dyn CredentialStore>) -> CredentialFixture {
    let vault = MemoryVault::new();
    let view = |account: &str| {
        let principal = Principal::new(format!("role of {account}")).unwrap();
        let store = wrap(vault.account(AccountId::new(account).unwrap(), principal.clone()));
        Neighbour { store, principal }
    };
    CredentialFixture::of(view("owner").store)
        .with_neighbours(view("reader"), view("stranger"))
        .with_tamper(vault.clone())
}

fn owner() -> AccountId {
    AccountId::new("owner").unwrap()
}

#[async_trait]
impl SecretTamper for MemoryVault {
    async fn tags(&self, name: &SecretName) -> Result<Option<SecretTags>> {
        Ok(self.snapshot().tags(&owner(), name))
    }

    async fn damage(&self, name: &SecretName, value: &str) -> Result<()> {
        self.put_raw(&owner(), name, Secret::new(value.to_owned()));
        Ok(())
    }

    async fn set_pending(&self, name: &SecretName, pending: bool) -> Result<()> {
        MemoryVault::set_pending(self, &owner(), name, pending);
        Ok(())
    }
}

#[derive(Debug)]
struct Broken {
    inner: MemoryCredentials,
    fault: Fault,
    /// How often a name was begun anew, by a store that can do so.
    lives: Arc<Mutex<BTreeMap<SecretName, usize>>>,
    shared: Arc<Mutex<BTreeMap<SecretName, BTreeSet<Principal>>>>,
    /// What is pending, whatever the store itself says.
    waits: Arc<Mutex<BTreeMap<SecretName, SecretVersion>>>,
    /// All names that were ever listed.
    ever: Arc<Mutex<BTreeSet<SecretName>>>,
}

impl Broken {
    fn real(&self, name: &SecretName) -> SecretName {
        let text = if self.fault == Fault::FoldsCase { name.as_str().to_lowercase() } else { name.to_string() };
        match self.lives.lock().unwrap().get(name) {
            Some(life) => SecretName::new(format!("{text}+{life}")).unwrap(),
            None => SecretName::new(text).unwrap(),
        }
    }

    fn begin_anew(&self, name: &SecretName) -> SecretName {
        *self.lives.lock().unwrap().entry(name.clone()).or_default() += 1;
        self.real(name)
    }

    /// Everybody with whom a name was ever shared.
    fn so_far(&self, name: &SecretName, readers: &[Principal]) -> Vec<Principal> {
        let mut shared = self.shared.lock().unwrap();
        let all = shared.entry(name.clone()).or_default();
        all.extend(readers.iter().cloned());
        all.iter().cloned().collect()
    }

    async fn pause(&self) {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }

    async fn rewrite(&self, name: &SecretName, secret: &NewSecret) -> Result<()> {
        if let Slot::Live(stored) = self.inner.read(name).await? {
            self.inner.replace(name, &stored.version, secret).await?;
        }
        Ok(())
    }

    fn seen(&self, slot: Result<Slot>) -> Result<Slot> {
        match (self.fault, slot) {
            (Fault::OneVersion, Ok(Slot::Live(mut stored))) => {
                stored.version = SecretVersion::new("1");
                Ok(Slot::Live(stored))
            }
            (Fault::LosesSecrets, Ok(Slot::Live(_))) => Ok(Slot::Empty),
            (Fault::InvalidIsEmpty, Err(error)) if error.kind() == ErrorKind::SecretInvalid => Ok(Slot::Empty),
            (Fault::InvalidIsQuoted, Err(error)) if error.kind() == ErrorKind::SecretInvalid => {
                Err(Error::new(ErrorKind::SecretInvalid, "no secret: hunter2"))
            }
            (_, slot) => slot,
        }
    }
}

fn blank(secret: &NewSecret, trim: bool) -> NewSecret {
    let mut secret = secret.clone();
    if trim {
        secret.credentials.password = Secret::new(secret.credentials.password.expose().trim().to_owned());
    } else {
        secret.tags.domain = "another".parse().unwrap();
    }
    secret
}

#[async_trait]
impl CredentialStore for Broken {
    async fn read(&self, name: &SecretName) -> Result<Slot> {
        let slot = self.inner.read(&self.real(name)).await;
        if self.fault == Fault::InventsSecrets && matches!(slot, Ok(Slot::Empty)) {
            return self.inner.create(name, &SecretSample::new().secret("invented")).await;
        }
        self.seen(slot)
    }

    async fn inspect(&self, name: &SecretName) -> Result<Slot> {
        let waits = self.waits.lock().unwrap().get(name).cloned();
        let mut slot = self.read(name).await?;
        if self.fault != Fault::HidesRotation
            && let Slot::Live(stored) = &mut slot
            && let Slot::Live(inner) = self.inner.inspect(&self.real(name)).await?
        {
            stored.pending = waits.or(inner.pending);
        }
        Ok(slot)
    }

    async fn read_shared(&self, id: &SecretId) -> Result<Slot> {
        let slot = self.inner.read_shared(id).await;
        match (self.fault, &slot) {
            (Fault::EverybodyReads, Err(_)) => Ok(Slot::Live(Box::new(StoredSecret {
                id: id.clone(),
                version: SecretVersion::new("1"),
                credentials: SecretSample::new().secret("everybody's").credentials,
                pending: None,
            }))),
            (Fault::OwnerReadsByNameOnly, Ok(_)) | (Fault::BurnIsDenial, Ok(Slot::Burnt)) => {
                Err(Error::new(ErrorKind::StoreDenied, "no policy"))
            }
            (Fault::AddressesStay, Ok(Slot::Burnt)) => Ok(Slot::Empty),
            _ => slot,
        }
    }

    async fn create(&self, name: &SecretName, secret: &NewSecret) -> Result<Slot> {
        let real = self.real(name);
        let secret = &match self.fault {
            Fault::TrimsPasswords => blank(secret, true),
            _ => secret.clone(),
        };
        match self.fault {
            Fault::CreateOverwrites => self.rewrite(&real, secret).await?,
            Fault::CreateWritesAgain => {
                if let Slot::Live(stored) = self.inner.read(&real).await?
                    && stored.credentials == secret.credentials
                {
                    self.rewrite(&real, secret).await?;
                }
            }
            Fault::CreateChecksThenWrites => {
                let empty = self.inner.read(&real).await? == Slot::Empty;
                self.pause().await;
                if empty {
                    self.inner.create(&real, secret).await?;
                    self.rewrite(&real, secret).await?;
                }
            }
            Fault::CreateDefeatsBurn => {
                let empty = self.inner.read(&real).await? == Slot::Empty;
                self.pause().await;
                if empty && self.inner.read(&real).await? == Slot::Burnt {
                    return self.inner.create(&self.begin_anew(name), secret).await;
                }
            }
            Fault::CreateRevives if self.inner.read(&real).await? == Slot::Burnt => {
                return self.inner.create(&self.begin_anew(name), secret).await;
            }
            _ => {}
        }
        let slot = self.inner.create(&real, secret).await?;
        if let (Fault::CreateAnswersOnesOwn, Slot::Live(mut stored)) = (self.fault, slot.clone()) {
            stored.credentials = secret.credentials.clone();
            return Ok(Slot::Live(stored));
        }
        if self.fault == Fault::LosesSecrets { Ok(slot) } else { self.seen(Ok(slot)) }
    }

    async fn replace(&self, name: &SecretName, seen: &SecretVersion, secret: &NewSecret) -> Result<WriteOutcome> {
        let real = self.real(name);
        match self.fault {
            Fault::ReplaceForgets => return Ok(WriteOutcome::Written),
            Fault::ReplaceIgnoresVersion | Fault::OneVersion => {
                self.rewrite(&real, secret).await?;
                return Ok(WriteOutcome::Written);
            }
            Fault::ReplaceCreates if self.inner.read(&real).await? == Slot::Empty => {
                self.inner.create(&real, secret).await?;
                return Ok(WriteOutcome::Written);
            }
            Fault::ReplaceChecksThenWrites => {
                let Slot::Live(stored) = self.inner.read(&real).await? else { return Ok(WriteOutcome::Conflict) };
                self.pause().await;
                if stored.version != *seen {
                    return Ok(WriteOutcome::Conflict);
                }
                self.rewrite(&real, secret).await?;
                return Ok(WriteOutcome::Written);
            }
            Fault::ReplaceUnshares => self.inner.share(&real, &[]).await.or(Ok(()))?,
            Fault::ReplaceLosesTags => return self.inner.replace(&real, seen, &blank(secret, false)).await,
            _ => {}
        }
        self.inner.replace(&real, seen, secret).await
    }

    async fn propose(&self, name: &SecretName, version: &SecretVersion, value: &Credentials) -> Result<Slot> {
        let (real, tags) = (self.real(name), SecretSample::new().secret("").tags);
        let secret = NewSecret { credentials: value.clone(), tags };
        match self.fault {
            Fault::ProposeReplaces => self.rewrite(&real, &secret).await?,
            Fault::ProposeCreates => drop(self.inner.create(&real, &secret).await?),
            Fault::ProposeLosesValue => {
                return self.inner.propose(&real, version, &blank(&secret, true).credentials).await;
            }
            Fault::ProposeTakesAnyName if version.as_choice().is_err() => {
                return self.inner.propose(&real, &SecretVersion::chosen(1), value).await;
            }
            Fault::ProposeKeepsOldest => {
                self.waits.lock().unwrap().entry(name.clone()).or_insert_with(|| version.clone());
            }
            Fault::ProposeWaitsAgain => drop(self.waits.lock().unwrap().insert(name.clone(), version.clone())),
            _ => {}
        }
        let slot = self.inner.propose(&real, version, value).await?;
        match (self.fault, slot) {
            (Fault::ProposeAnswersOnesOwn, Slot::Live(mut stored)) => {
                stored.credentials = value.clone();
                Ok(Slot::Live(stored))
            }
            (Fault::ProposeIgnoresBurn, Slot::Burnt) => Ok(Slot::Live(Box::new(StoredSecret {
                id: SecretId::new("gone")?,
                version: version.clone(),
                credentials: value.clone(),
                pending: None,
            }))),
            (_, slot) => Ok(slot),
        }
    }

    async fn promote(&self, name: &SecretName, seen: &SecretVersion, version: &SecretVersion) -> Result<WriteOutcome> {
        let real = self.real(name);
        match self.fault {
            Fault::PromoteForgets => return Ok(WriteOutcome::Written),
            Fault::PromoteIgnoresSeen => {
                let Slot::Live(now) = self.inner.read(&real).await? else { return Ok(WriteOutcome::Conflict) };
                return self.inner.promote(&real, &now.version, version).await;
            }
            Fault::PromoteOnlyOnce => {
                let there = self.inner.read(&real).await?;
                if matches!(there, Slot::Live(now) if now.version == *version) {
                    return Ok(WriteOutcome::Conflict);
                }
            }
            Fault::PromoteStaysPending => drop(self.waits.lock().unwrap().insert(name.clone(), version.clone())),
            Fault::PromoteInvents => {
                self.inner.promote(&real, seen, version).await?;
                return Ok(WriteOutcome::Written);
            }
            Fault::PromoteChecksThenWrites => {
                let Slot::Live(stored) = self.inner.read(&real).await? else { return Ok(WriteOutcome::Conflict) };
                self.pause().await;
                if stored.version != *seen {
                    return self.inner.promote(&real, seen, version).await;
                }
                let Slot::Live(now) = self.inner.read(&real).await? else { return Ok(WriteOutcome::Conflict) };
                return self.inner.promote(&real, &now.version, version).await;
            }
            Fault::PromoteUnshares => self.inner.share(&real, &[]).await.or(Ok(()))?,
            _ => {}
        }
        self.inner.promote(&real, seen, version).await
    }

    async fn share(&self, name: &SecretName, readers: &[Principal]) -> Result<()> {
        let real = self.real(name);
        match self.fault {
            Fault::ShareDoesNothing => return Ok(()),
            Fault::ShareAdds => {
                return self.inner.share(&real, &self.so_far(name, readers)).await;
            }
            Fault::ShareAnswersNothing => return self.inner.share(&real, readers).await.or(Ok(())),
            Fault::ShareWritesAgain => {
                if let Slot::Live(stored) = self.inner.read(&real).await? {
                    let secret = NewSecret { credentials: stored.credentials, ..SecretSample::new().secret("") };
                    self.inner.replace(&real, &stored.version, &secret).await?;
                }
            }
            _ => {}
        }
        self.inner.share(&real, readers).await
    }

    async fn burn(&self, name: &SecretName) -> Result<()> {
        let real = self.real(name);
        let there = self.inner.read(&real).await.unwrap_or(Slot::Empty);
        match (self.fault, there) {
            (Fault::BurnDoesNothing, _) | (Fault::BurnNeedsSecret, Slot::Empty) => Ok(()),
            (Fault::BurnDeletes, _) => {
                self.begin_anew(name);
                Ok(())
            }
            (Fault::BurnOnlyOnce, Slot::Burnt) => Err(Error::new(ErrorKind::SecretGone, "burnt already")),
            _ => self.inner.burn(&real).await,
        }
    }

    async fn names(&self, prefix: &str) -> Result<Vec<SecretName>> {
        let listed = self.inner.names(if self.fault == Fault::NamesIgnorePrefix { "" } else { prefix }).await?;
        if self.fault != Fault::NamesForgetBurnt {
            return Ok(listed);
        }
        let mut ever = self.ever.lock().unwrap();
        ever.extend(listed);
        Ok(ever.iter().filter(|name| name.as_str().starts_with(prefix)).cloned().collect())
    }
}

fn broken(fault: Fault) -> CredentialFixture {
    let (lives, shared, ever) = (Arc::default(), Arc::default(), Arc::default());
    let waits = Arc::default();
    let one = MemoryVault::new().account(owner(), Principal::new("everybody").unwrap());
    fixture(|inner| {
        let inner = if fault == Fault::AccountsShareNames { one.clone() } else { inner };
        Arc::new(Broken {
            inner,
            fault,
            lives: Arc::clone(&lives),
            shared: Arc::clone(&shared),
            waits: Arc::clone(&waits),
            ever: Arc::clone(&ever),
        })
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_rule_fails_for_a_store_that_breaks_it() {
    let mut caught = BTreeSet::new();
    for (fault, rules) in FAULTS {
        for name in *rules {
            let rule = RULES.iter().find(|rule| rule.name == *name).unwrap_or_else(|| panic!("no rule {name}"));
            let failure = (rule.check)(&broken(*fault)).await.expect_err(&format!("{name} misses {fault:?}"));
            let shown = failure.to_string();
            assert!(shown.contains(" promises: ") && shown.contains(failure.promise.text), "{shown}");
            caught.insert(rule.name);
        }
    }
    let missed: Vec<_> = RULES.iter().filter(|rule| !caught.contains(rule.name)).collect();
    assert!(missed.is_empty(), "no broken store shows that these can fail: {missed:?}");
}

#[tokio::test]
async fn a_rule_that_cannot_be_checked_is_not_kept() {
    let alone = MemoryVault::new().account(owner(), Principal::new("role").unwrap());
    for rule in RULES.iter().filter(|rule| rule.needs.is_some()) {
        let failure = (rule.check)(&CredentialFixture::new(alone.clone())).await.unwrap_err();
        assert!(failure.found.contains("not checked"), "{failure}");
    }
}

#[test]
fn the_promises_are_those_of_the_documentation() {
    let docs = crate::testkit::documentation(include_str!("../../store/credentials.rs"));
    for rule in RULES {
        assert!(docs.contains(rule.promise.text), "{}: the documentation does not say {:?}", rule.name, rule.promise);
    }
}
