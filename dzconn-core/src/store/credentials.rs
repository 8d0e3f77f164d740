//! Where credentials are kept.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;

use crate::model::{Credentials, Owner, Principal, SecretId, SecretName, SecretTags};
use crate::store::WriteOutcome;
use crate::{Error, ErrorKind, Result};

/// One version of a secret's value, as its store names it; equal means: the same write.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretVersion(String);

impl SecretVersion {
    /// The store's own name for it.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// A name that a caller chooses for a value that it is going to [propose](CredentialStore::propose): 32 hexadecimal digits.
    #[must_use]
    pub fn chosen(bits: u128) -> Self {
        Self(format!("{bits:032x}"))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, if it is one that a caller may choose: 32 to 64 letters, digits and hyphens, which every store takes.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if it is not.
    pub fn as_choice(&self) -> Result<&str> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if (32..=64).contains(&self.0.len()) && self.0.bytes().all(fits) {
            return Ok(&self.0);
        }
        Err(Error::new(ErrorKind::InvalidInput, format!("a version cannot be called {:?}", self.0))
            .advise("give 32 to 64 letters, digits and hyphens"))
    }
}

/// A secret to be written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NewSecret {
    /// The value.
    pub credentials: Credentials,
    /// Whose it is.
    pub tags: SecretTags,
}

/// A secret that is there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StoredSecret {
    /// Its address.
    pub id: SecretId,
    /// The version that was read.
    pub version: SecretVersion,
    /// The value.
    pub credentials: Credentials,
    /// Of a rotation that is under way, the version that is to become the current one. Only [`CredentialStore::inspect`] is
    /// sure to tell.
    pub pending: Option<SecretVersion>,
}

/// What stands under a secret's name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Slot {
    /// Nothing, and nothing ever did.
    Empty,
    /// A secret.
    Live(Box<StoredSecret>),
    /// A name that was used up: nobody can make a secret there any more.
    Burnt,
}

/// The secrets of one account.
///
/// # Contract
/// Reads see every write that ended before them. A name goes from [`Slot::Empty`] to [`Slot::Live`] to [`Slot::Burnt`] and
/// never back: no call of this trait brings a burnt name to life again.
#[async_trait]
pub trait CredentialStore: Debug + Send + Sync {
    /// What stands under a name of this account.
    ///
    /// # Errors
    /// [`ErrorKind::SecretInvalid`](crate::ErrorKind::SecretInvalid) if it is not such a secret.
    async fn read(&self, name: &SecretName) -> Result<Slot>;

    /// Reads as [`read`](Self::read) does, and tells for sure whether somebody is rotating the secret; where that takes a further
    /// call, `read` does without.
    ///
    /// # Errors
    /// As of [`read`](Self::read).
    async fn inspect(&self, name: &SecretName) -> Result<Slot>;

    /// Reads a secret that another account (or this one) has shared, by its address. One that is gone is [`Slot::Burnt`].
    ///
    /// # Errors
    /// [`ErrorKind::StoreDenied`](crate::ErrorKind::StoreDenied) if it is not shared with the caller.
    async fn read_shared(&self, id: &SecretId) -> Result<Slot>;

    /// Makes a secret unless the name is taken, and answers what stands there afterwards: one's own secret, or what was
    /// there already, or [`Slot::Burnt`]. It never overwrites; of several callers at once one wins and all see the same.
    async fn create(&self, name: &SecretName, secret: &NewSecret) -> Result<Slot>;

    /// Writes a new value over exactly the version that was seen. [`WriteOutcome::Conflict`] if another value, or nothing, is there.
    async fn replace(&self, name: &SecretName, seen: &SecretVersion, secret: &NewSecret) -> Result<WriteOutcome>;

    /// Puts a value beside the current one, as a version whose name the caller has chosen, and answers what stands under that
    /// name: one's own value, or the one that was proposed there already; or [`Slot::Empty`] or [`Slot::Burnt`] if the secret is
    /// not there. It never overwrites; of several callers with one version one wins and all see the same.
    ///
    /// Nobody who reads the secret sees the value before it is [promoted](Self::promote). Until then it is the pending version,
    /// unless another was proposed since: of several, the newest is pending, and each can be promoted. A version that waits behind
    /// another may be forgotten after a day.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if the version is not
    /// [such a name](SecretVersion::as_choice); [`ErrorKind::SecretInvalid`](crate::ErrorKind::SecretInvalid) if what stands under it
    /// is not such a value.
    async fn propose(&self, name: &SecretName, version: &SecretVersion, value: &Credentials) -> Result<Slot>;

    /// Makes a version that was [proposed](Self::propose) the current one, if the current one is exactly the version that was
    /// seen. It is not pending any more. Where it is current already, that is [`WriteOutcome::Written`];
    /// [`WriteOutcome::Conflict`] if another value, or nothing, is current, or the version is not there.
    ///
    /// What was current and is no more is not to be promoted again: a caller that still sees it would take it for unchanged.
    async fn promote(&self, name: &SecretName, seen: &SecretVersion, version: &SecretVersion) -> Result<WriteOutcome>;

    /// Lets exactly these read the secret's value, besides its owner. Repeating it changes nothing.
    ///
    /// # Errors
    /// [`ErrorKind::SecretGone`](crate::ErrorKind::SecretGone) if nothing live stands under the name.
    async fn share(&self, name: &SecretName, readers: &[Principal]) -> Result<()>;

    /// Uses a name up, whatever stands there: afterwards it is [`Slot::Burnt`], its value cannot be read, and a
    /// [`create`](Self::create) that is still under way makes nothing. Repeating it changes nothing.
    async fn burn(&self, name: &SecretName) -> Result<()>;

    /// The names of this account's secrets that begin with this, letter by letter, in any order. What was made or burnt within
    /// the last minutes may be missing, or be there still.
    async fn names(&self, prefix: &str) -> Result<Vec<SecretName>>;
}

/// The secrets of many accounts.
#[async_trait]
pub trait CredentialStores: Debug + Send + Sync {
    /// The store of one account and region, as the role that works there sees it. Repeating it is cheap.
    ///
    /// # Errors
    /// [`ErrorKind::StoreDenied`](crate::ErrorKind::StoreDenied) if that account cannot be worked in.
    async fn of(&self, owner: &Owner) -> Result<Arc<dyn CredentialStore>>;
}

/// One store for all accounts.
#[derive(Clone, Debug)]
pub(crate) struct OneStore(pub(crate) Arc<dyn CredentialStore>);

#[async_trait]
impl CredentialStores for OneStore {
    async fn of(&self, _: &Owner) -> Result<Arc<dyn CredentialStore>> {
        Ok(Arc::clone(&self.0))
    }
}
