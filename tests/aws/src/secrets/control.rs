//! What a test may look at and change without a call.

use std::collections::BTreeMap;
use std::fmt;

use super::input::Content;
use super::policy::Policy;
use super::secret::{CURRENT, Encryption, PENDING, Secret, Version};
use super::{Place, now};
use crate::ids;
use crate::keys::AWS_MANAGED;
use crate::server::{Shared, State};

/// The secrets of one account and region, for a test to look at and to change. Nothing here counts as a call.
///
/// A secret is named by its name or its ARN. What changes one returns whether there is such a secret.
#[derive(Clone, Copy, Debug)]
pub struct Secrets<'a> {
    shared: &'a Shared,
    account: &'a str,
    region: &'a str,
}

/// A secret that a test puts there.
#[derive(Clone, PartialEq, Eq)]
pub struct NewSecret {
    name: String,
    value: String,
    tags: Vec<(String, String)>,
    key: Option<String>,
}

impl NewSecret {
    /// A secret with this value, without tags, under the key that AWS manages.
    #[must_use]
    pub fn new(name: &str, value: &str) -> Self {
        Self { name: name.to_owned(), value: value.to_owned(), tags: Vec::new(), key: None }
    }

    /// With this tag too.
    #[must_use]
    pub fn tag(mut self, key: &str, value: &str) -> Self {
        self.tags.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Under this key, named as `KmsKeyId` names it.
    #[must_use]
    pub fn key(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }
}

/// A version of a secret.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VersionView {
    /// Its id.
    pub id: String,
    /// Its staging labels, sorted.
    pub stages: Vec<String>,
    /// Its value; a binary one in base 64.
    pub value: String,
}

/// A secret as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SecretView {
    /// Its full ARN.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// Its description.
    pub description: Option<String>,
    /// Its key as it was named; `None` is the one that AWS manages.
    pub key: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Its versions in the order of their making, those without a label included.
    pub versions: Vec<VersionView>,
    /// Its resource policy, as `GetResourcePolicy` shows it.
    pub policy: Option<String>,
    /// Whether it is scheduled for deletion.
    pub deleted: bool,
}

impl SecretView {
    /// The value under a staging label.
    pub fn staged(&self, stage: &str) -> Option<&str> {
        let version = self.versions.iter().find(|version| version.stages.iter().any(|one| one == stage));
        version.map(|version| &*version.value)
    }

    /// The current value.
    pub fn value(&self) -> Option<&str> {
        self.staged(CURRENT)
    }
}

/// Without the value.
impl fmt::Debug for NewSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewSecret").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Without the value.
impl fmt::Debug for VersionView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VersionView").field("id", &self.id).field("stages", &self.stages).finish_non_exhaustive()
    }
}

impl<'a> Secrets<'a> {
    pub(crate) fn new(shared: &'a Shared, account: &'a str, region: &'a str) -> Self {
        Self { shared, account, region }
    }

    /// Puts a secret there in place of one of that name; returns its ARN. `None`: its key does not exist.
    pub fn put(&self, new: &NewSecret) -> Option<String> {
        let state = &mut *self.shared.state();
        let encryption = match new.key.as_deref().filter(|key| *key != AWS_MANAGED) {
            None => Encryption::AwsManaged,
            Some(named) => {
                let arn = state.keys.find(named, self.account, self.region)?;
                Encryption::Customer { named: named.to_owned(), arn }
            }
        };
        let mut secret = Secret::new(self.account, self.region, &new.name, encryption, now());
        secret.tags.extend(new.tags.iter().cloned());
        secret.add(&ids::uuid(), Content::Text(new.value.clone()), &[CURRENT], now());
        let arn = secret.arn.clone();
        let secrets = state.secrets.0.entry(self.place()).or_default();
        secrets.retain(|secret| secret.name != new.name);
        secrets.push(secret);
        Some(arn)
    }

    /// A secret.
    pub fn get(&self, name: &str) -> Option<SecretView> {
        self.all().into_iter().find(|secret| secret.name == name || secret.arn == name)
    }

    /// All secrets, those that are scheduled for deletion included, in the order of their making.
    pub fn all(&self) -> Vec<SecretView> {
        let state = &mut *self.shared.state();
        let State { secrets, roles, .. } = state;
        let shown = |secret: &Secret| SecretView {
            arn: secret.arn.clone(),
            name: secret.name.clone(),
            description: secret.description.clone(),
            key: match &secret.encryption {
                Encryption::AwsManaged => None,
                Encryption::Customer { named, .. } => Some(named.clone()),
            },
            tags: secret.tags.clone(),
            versions: secret.versions.iter().map(view).collect(),
            policy: secret.policy.as_ref().map(|policy| policy.shown(roles)),
            deleted: secret.deletion.is_some(),
        };
        secrets.0.get(&self.place()).into_iter().flatten().map(shown).collect()
    }

    /// Somebody else writes a new current value.
    pub fn set_value(&self, name: &str, value: &str) -> bool {
        let content = Content::Text(value.to_owned());
        self.change(name, |secret| secret.add(&ids::uuid(), content, &[CURRENT], now()))
    }

    /// Sets and removes tags: these are all that it has afterwards.
    pub fn set_tags(&self, name: &str, tags: &[(&str, &str)]) -> bool {
        let tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        self.change(name, |secret| secret.tags = tags)
    }

    /// Begins a rotation: a version with this value becomes `AWSPENDING`. Returns its id.
    pub fn begin_rotation(&self, name: &str, value: &str) -> Option<String> {
        let (id, content) = (ids::uuid(), Content::Text(value.to_owned()));
        self.change(name, |secret| secret.add(&id, content, &[PENDING], now())).then_some(id)
    }

    /// Ends a rotation: the pending version becomes the current one. It keeps both labels, as it does when a rotation
    /// function moves only `AWSCURRENT`; a version that holds both counts as rotated.
    pub fn finish_rotation(&self, name: &str) -> bool {
        let mut found = false;
        self.change(name, |secret| {
            if let Some(id) = secret.staged(PENDING).map(|version| version.id.clone()) {
                found = true;
                secret.attach(CURRENT, &id);
            }
        });
        found
    }

    /// Gives a rotation up: `AWSPENDING` goes.
    pub fn cancel_rotation(&self, name: &str) -> bool {
        self.change(name, |secret| secret.detach(PENDING))
    }

    /// Sets or removes the resource policy, unchecked but for its syntax.
    pub fn set_policy(&self, name: &str, policy: Option<&str>) -> bool {
        let read = |text: &str| Policy::read(text, &mut self.shared.state().roles).ok();
        let policy = match policy {
            None => None,
            Some(text) => match read(text) {
                None => return false,
                some => some,
            },
        };
        self.change(name, |secret| secret.policy = policy)
    }

    /// Schedules it for deletion, in seven days.
    pub fn delete(&self, name: &str) -> bool {
        self.change(name, |secret| secret.deletion = Some(now() + 7.0 * 86_400.0))
    }

    /// Its recovery window is over, or it was deleted by force: nothing is left, and the name is free.
    pub fn remove(&self, name: &str) -> bool {
        let state = &mut *self.shared.state();
        let Some(secrets) = state.secrets.0.get_mut(&self.place()) else { return false };
        let before = secrets.len();
        secrets.retain(|secret| secret.name != name && secret.arn != name);
        secrets.len() < before
    }

    fn place(&self) -> Place {
        (self.account.to_owned(), self.region.to_owned())
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut Secret)) -> bool {
        let state = &mut *self.shared.state();
        let secrets = state.secrets.0.get_mut(&self.place());
        let found = secrets.into_iter().flatten().find(|secret| secret.name == name || secret.arn == name);
        found.map(change).is_some()
    }
}

fn view(version: &Version) -> VersionView {
    let Version { id, content, stages, .. } = version;
    let (Content::Text(value) | Content::Binary(value)) = content;
    VersionView { id: id.clone(), stages: stages.iter().cloned().collect(), value: value.clone() }
}
