//! Secrets of several accounts in memory.

use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use crate::model::{AccountId, Credentials, Principal, SecretId, SecretName, SecretTags};
use crate::store::{CredentialStore, NewSecret, SecretVersion, Slot, StoredSecret, WriteOutcome};
use crate::{Error, ErrorKind, Result, Secret};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Live {
    id: SecretId,
    secret: NewSecret,
    readers: BTreeSet<Principal>,
    /// How often a value was written here: the version.
    writes: u64,
    /// What was put beside the value, and ever was.
    proposed: BTreeMap<SecretVersion, Credentials>,
    /// Which of these is the value.
    promoted: Option<SecretVersion>,
    pending: Option<SecretVersion>,
    /// What somebody else put in the place of the value.
    raw: Option<Secret>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Name {
    Live(Box<Live>),
    Burnt,
}

impl Name {
    fn live(&self) -> Option<&Live> {
        match self {
            Self::Live(live) => Some(live),
            Self::Burnt => None,
        }
    }

    /// Without what is pending, as a store where that takes a further call.
    fn slot(&self) -> Result<Slot> {
        let Some(live) = self.live() else { return Ok(Slot::Burnt) };
        Ok(Slot::Live(Box::new(StoredSecret {
            id: live.id.clone(),
            version: live.version(),
            credentials: live.credentials()?,
            pending: None,
        })))
    }
}

impl Live {
    fn version(&self) -> SecretVersion {
        self.promoted.clone().unwrap_or_else(|| SecretVersion::new(format!("{}#{}", self.id, self.writes)))
    }

    fn overwritten(&mut self, raw: Option<Secret>) {
        self.raw = raw;
        self.writes += 1;
        self.promoted = None;
    }

    fn credentials(&self) -> Result<Credentials> {
        self.raw.as_ref().map_or_else(|| Ok(self.secret.credentials.clone()), Credentials::from_json)
    }
}

/// The secrets of all accounts. Pure: the same calls on equal states give equal answers and equal states; versions count
/// the writes under a name.
///
/// A secret's id is `memory:<account>:<name>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct VaultState {
    names: BTreeMap<(AccountId, SecretName), Name>,
}

impl VaultState {
    /// See [`CredentialStore::read`].
    pub fn read(&self, account: &AccountId, name: &SecretName) -> Result<Slot> {
        self.name(account, name).map_or(Ok(Slot::Empty), Name::slot)
    }

    /// See [`CredentialStore::inspect`].
    pub fn inspect(&self, account: &AccountId, name: &SecretName) -> Result<Slot> {
        let mut slot = self.read(account, name)?;
        if let (Slot::Live(secret), Some(live)) = (&mut slot, self.name(account, name).and_then(Name::live)) {
            secret.pending.clone_from(&live.pending);
        }
        Ok(slot)
    }

    /// See [`CredentialStore::read_shared`]; the caller is a principal of an account.
    pub fn read_shared(&self, account: &AccountId, caller: &Principal, id: &SecretId) -> Result<Slot> {
        let (owner, name) = parse_id(id)?;
        if owner == *account {
            return self.read(account, &name);
        }
        match self.name(&owner, &name) {
            Some(Name::Burnt) => Ok(Slot::Burnt),
            Some(found @ Name::Live(live)) if live.readers.contains(caller) => found.slot(),
            // Whether there is such a secret is none of the caller's business.
            Some(Name::Live(_)) | None => {
                Err(Error::new(ErrorKind::StoreDenied, format!("{id} is not shared with {caller}"))
                    .advise("the secret's owner must share it with the role that reads it"))
            }
        }
    }

    /// See [`CredentialStore::create`].
    pub fn create(&mut self, account: &AccountId, name: &SecretName, secret: &NewSecret) -> Result<Slot> {
        let id = SecretId::new(format!("memory:{account}:{name}"))?;
        let name = self.names.entry((account.clone(), name.clone())).or_insert_with(|| {
            Name::Live(Box::new(Live {
                id,
                secret: secret.clone(),
                readers: BTreeSet::new(),
                writes: 1,
                proposed: BTreeMap::new(),
                promoted: None,
                pending: None,
                raw: None,
            }))
        });
        name.slot()
    }

    /// See [`CredentialStore::replace`].
    pub fn replace(
        &mut self,
        account: &AccountId,
        name: &SecretName,
        seen: &SecretVersion,
        secret: &NewSecret,
    ) -> WriteOutcome {
        match self.live_mut(account, name) {
            Some(live) if live.version() == *seen => {
                live.secret = secret.clone();
                live.overwritten(None);
                WriteOutcome::Written
            }
            _ => WriteOutcome::Conflict,
        }
    }

    /// See [`CredentialStore::propose`].
    pub fn propose(
        &mut self,
        account: &AccountId,
        name: &SecretName,
        version: &SecretVersion,
        value: &Credentials,
    ) -> Result<Slot> {
        version.as_choice()?;
        let Some(live) = self.live_mut(account, name) else { return self.read(account, name) };
        let credentials = match live.proposed.entry(version.clone()) {
            Entry::Occupied(there) => there.get().clone(),
            Entry::Vacant(free) => {
                live.pending = Some(version.clone());
                free.insert(value.clone()).clone()
            }
        };
        let (id, version, pending) = (live.id.clone(), version.clone(), live.pending.clone());
        Ok(Slot::Live(Box::new(StoredSecret { id, version, credentials, pending })))
    }

    /// See [`CredentialStore::promote`].
    pub fn promote(
        &mut self,
        account: &AccountId,
        name: &SecretName,
        seen: &SecretVersion,
        version: &SecretVersion,
    ) -> WriteOutcome {
        let Some(live) = self.live_mut(account, name) else { return WriteOutcome::Conflict };
        if live.promoted.as_ref() == Some(version) {
            return WriteOutcome::Written;
        }
        match live.proposed.get(version).cloned() {
            Some(value) if live.version() == *seen => {
                live.secret.credentials = value;
                live.raw = None;
                live.promoted = Some(version.clone());
                live.pending.take_if(|pending| pending == version);
                WriteOutcome::Written
            }
            _ => WriteOutcome::Conflict,
        }
    }

    /// See [`CredentialStore::share`].
    pub fn share(&mut self, account: &AccountId, name: &SecretName, readers: &[Principal]) -> Result<()> {
        let live = self.live_mut(account, name).ok_or_else(|| {
            Error::new(ErrorKind::SecretGone, format!("there is no secret {name} in account {account}"))
        })?;
        live.readers = readers.iter().cloned().collect();
        Ok(())
    }

    /// See [`CredentialStore::burn`].
    pub fn burn(&mut self, account: &AccountId, name: &SecretName) {
        self.names.insert((account.clone(), name.clone()), Name::Burnt);
    }

    /// Begins somebody else's rotation of a live secret, or ends it without a new value. Without such a secret nothing happens.
    pub fn set_pending(&mut self, account: &AccountId, name: &SecretName, pending: bool) {
        let theirs = SecretVersion::new("somebody else's");
        match self.live_mut(account, name) {
            Some(live) if pending => live.pending = Some(theirs),
            Some(live) => drop(live.pending.take_if(|pending| *pending == theirs)),
            None => {}
        }
    }

    /// Puts any text in the place of a live secret's value, past every rule, as somebody might by hand. Without such a
    /// secret nothing happens.
    pub fn put_raw(&mut self, account: &AccountId, name: &SecretName, value: Secret) {
        if let Some(live) = self.live_mut(account, name) {
            live.overwritten(Some(value));
        }
    }

    /// See [`CredentialStore::names`].
    pub fn names(&self, account: &AccountId, prefix: &str) -> Vec<SecretName> {
        let live = self.names.iter().filter(|((of, _), found)| of == account && matches!(found, Name::Live(_)));
        live.map(|((_, name), _)| name).filter(|name| name.as_str().starts_with(prefix)).cloned().collect()
    }

    /// Every live secret of every account, save those whose value cannot be read.
    pub fn live(&self) -> Vec<(AccountId, SecretName, Credentials)> {
        self.names
            .iter()
            .filter_map(|((account, name), found)| {
                Some((account.clone(), name.clone(), found.live()?.credentials().ok()?))
            })
            .collect()
    }

    /// Whose a live secret is.
    pub fn tags(&self, account: &AccountId, name: &SecretName) -> Option<SecretTags> {
        Some(self.name(account, name)?.live()?.secret.tags.clone())
    }

    /// Who may read a live secret besides its own account.
    pub fn readers(&self, account: &AccountId, name: &SecretName) -> Vec<Principal> {
        let live = self.name(account, name).and_then(Name::live);
        live.map(|live| live.readers.iter().cloned().collect()).unwrap_or_default()
    }

    fn name(&self, account: &AccountId, name: &SecretName) -> Option<&Name> {
        self.names.get(&(account.clone(), name.clone()))
    }

    fn live_mut(&mut self, account: &AccountId, name: &SecretName) -> Option<&mut Live> {
        match self.names.get_mut(&(account.clone(), name.clone()))? {
            Name::Live(live) => Some(live),
            Name::Burnt => None,
        }
    }
}

fn parse_id(id: &SecretId) -> Result<(AccountId, SecretName)> {
    // A name holds no colon, an account may.
    let parts = id.as_str().strip_prefix("memory:").and_then(|rest| rest.rsplit_once(':'));
    let (account, name) = parts.ok_or_else(|| {
        Error::new(ErrorKind::InvalidInput, format!("{id} is not the id of a secret in memory"))
            .advise("such an id has the form memory:<account>:<name>")
    })?;
    Ok((AccountId::new(account)?, SecretName::new(name)?))
}

/// The secrets of all accounts, in memory. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct MemoryVault {
    state: Arc<Mutex<VaultState>>,
}

impl MemoryVault {
    /// An empty vault.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The secrets of one account, as one of its roles sees them.
    #[must_use]
    pub fn account(&self, account: AccountId, caller: Principal) -> MemoryCredentials {
        MemoryCredentials { vault: self.clone(), account, caller }
    }

    /// What the vault holds now.
    pub fn snapshot(&self) -> VaultState {
        self.with(|state| state.clone())
    }

    /// Every live secret of every account.
    pub fn live(&self) -> Vec<(AccountId, SecretName, Credentials)> {
        self.with(|state| state.live())
    }

    /// See [`VaultState::set_pending`].
    pub fn set_pending(&self, account: &AccountId, name: &SecretName, pending: bool) {
        self.with(|state| state.set_pending(account, name, pending));
    }

    /// See [`VaultState::put_raw`].
    pub fn put_raw(&self, account: &AccountId, name: &SecretName, value: Secret) {
        self.with(|state| state.put_raw(account, name, value));
    }

    /// Looks at the secrets, or changes them, past every rule: as a restore from a backup does, for one. The vault itself waits
    /// meanwhile, so it must not be used by `act`.
    pub fn with<T>(&self, act: impl FnOnce(&mut VaultState) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl From<VaultState> for MemoryVault {
    fn from(state: VaultState) -> Self {
        Self { state: Arc::new(Mutex::new(state)) }
    }
}

/// One account's secrets in a [`MemoryVault`], as one role sees them.
#[derive(Clone, Debug)]
pub struct MemoryCredentials {
    vault: MemoryVault,
    account: AccountId,
    caller: Principal,
}

#[async_trait]
impl CredentialStore for MemoryCredentials {
    async fn read(&self, name: &SecretName) -> Result<Slot> {
        self.vault.with(|state| state.read(&self.account, name))
    }

    async fn inspect(&self, name: &SecretName) -> Result<Slot> {
        self.vault.with(|state| state.inspect(&self.account, name))
    }

    async fn read_shared(&self, id: &SecretId) -> Result<Slot> {
        self.vault.with(|state| state.read_shared(&self.account, &self.caller, id))
    }

    async fn create(&self, name: &SecretName, secret: &NewSecret) -> Result<Slot> {
        self.vault.with(|state| state.create(&self.account, name, secret))
    }

    async fn replace(&self, name: &SecretName, seen: &SecretVersion, secret: &NewSecret) -> Result<WriteOutcome> {
        Ok(self.vault.with(|state| state.replace(&self.account, name, seen, secret)))
    }

    async fn propose(&self, name: &SecretName, version: &SecretVersion, value: &Credentials) -> Result<Slot> {
        self.vault.with(|state| state.propose(&self.account, name, version, value))
    }

    async fn promote(&self, name: &SecretName, seen: &SecretVersion, version: &SecretVersion) -> Result<WriteOutcome> {
        Ok(self.vault.with(|state| state.promote(&self.account, name, seen, version)))
    }

    async fn share(&self, name: &SecretName, readers: &[Principal]) -> Result<()> {
        self.vault.with(|state| state.share(&self.account, name, readers))
    }

    async fn burn(&self, name: &SecretName) -> Result<()> {
        self.vault.with(|state| state.burn(&self.account, name));
        Ok(())
    }

    async fn names(&self, prefix: &str) -> Result<Vec<SecretName>> {
        Ok(self.vault.with(|state| state.names(&self.account, prefix)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{SourceEndpoint, Target, UserName};

    fn secret(password: &str) -> NewSecret {
        NewSecret {
            credentials: Credentials {
                endpoint: SourceEndpoint {
                    subprotocol: "mariadb".into(),
                    host: "h".into(),
                    port: 3306,
                    instance: None,
                    target: Target::Default,
                },
                database: None,
                user: UserName::new("u").unwrap(),
                password: Secret::new(password.into()),
                ssl: None,
            },
            tags: SecretTags {
                domain: "d".parse().unwrap(),
                project: "p".parse().unwrap(),
                environment: "e".parse().unwrap(),
            },
        }
    }

    #[test]
    fn versions_count_the_writes_under_a_name() {
        let (account, name) = (AccountId::new("a:1").unwrap(), SecretName::new("n").unwrap());
        let other = SecretName::new("other").unwrap();
        let (mut one, mut two) = (VaultState::default(), VaultState::default());
        one.create(&account, &name, &secret("x")).unwrap();
        one.create(&account, &other, &secret("y")).unwrap();
        two.create(&account, &other, &secret("y")).unwrap();
        two.create(&account, &name, &secret("x")).unwrap();
        assert_eq!(one, two);

        let Slot::Live(live) = one.read(&account, &name).unwrap() else { panic!("no secret") };
        assert_eq!(live.id.as_str(), "memory:a:1:n");
        assert_eq!(one.replace(&account, &name, &live.version, &secret("x")), WriteOutcome::Written);
        assert_ne!(one, two, "the same value again is another write");
        assert_eq!(one.live().len(), 2);
        one.burn(&account, &name);
        assert_eq!(one.live(), vec![(account.clone(), other, secret("y").credentials)]);
        assert_eq!((one.tags(&account, &name), one.readers(&account, &name)), (None, vec![]));
    }

    #[tokio::test]
    async fn accounts_share_one_vault() {
        let vault = MemoryVault::new();
        let view = |account: &str| {
            vault.account(AccountId::new(account).unwrap(), Principal::new(format!("role/{account}")).unwrap())
        };
        let name = SecretName::new("n").unwrap();
        view("a").create(&name, &secret("x")).await.unwrap();
        assert_eq!(view("b").read(&name).await.unwrap(), Slot::Empty);
        assert_eq!(vault.live().len(), 1);
        assert_eq!(MemoryVault::from(vault.snapshot()).live(), vault.live());
        let error = view("a").read_shared(&SecretId::new("arn:aws:x").unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let unknown = SecretId::new("memory:a:unknown").unwrap();
        assert_eq!(view("b").read_shared(&unknown).await.unwrap_err().kind(), ErrorKind::StoreDenied);
        assert!(!format!("{vault:?}").contains("\"x\""), "{vault:?}");
    }
}
