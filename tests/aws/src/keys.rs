//! KMS keys, as far as Secrets Manager asks for them.

use crate::ids;
use crate::roles::Caller;

/// The alias of the key that AWS manages in each account, which nobody else can be let in to.
pub(crate) const AWS_MANAGED: &str = "alias/aws/secretsmanager";

/// A customer-managed key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    account: String,
    region: String,
    alias: String,
    id: String,
    admitted: Vec<String>,
}

impl Key {
    /// A key that its own account may use, under an alias such as `alias/dz_conn_a_common_key`.
    #[must_use]
    pub fn new(account: &str, region: &str, alias: &str) -> Self {
        let text = str::to_owned;
        Self { account: text(account), region: text(region), alias: text(alias), id: ids::uuid(), admitted: Vec::new() }
    }

    /// Its policy lets this one decrypt too: another account's number or root ARN, or the ARN of a role.
    #[must_use]
    pub fn admitting(mut self, principal: &str) -> Self {
        self.admitted.push(principal.to_owned());
        self
    }

    /// Its ARN.
    pub fn arn(&self) -> String {
        format!("arn:aws:kms:{}:{}:key/{}", self.region, self.account, self.id)
    }

    fn admits(&self, caller: &Caller) -> bool {
        caller.account == self.account || self.admitted.iter().any(|one| caller.is(one))
    }

    fn is(&self, text: &str, account: &str, region: &str) -> bool {
        let Self { id, alias, .. } = self;
        let own = self.account == account && self.region == region;
        let full = text == self.arn() || text == format!("arn:aws:kms:{}:{}:{alias}", self.region, self.account);
        full || (own && (text == alias || text == id))
    }
}

/// All keys.
#[derive(Debug, Default)]
pub(crate) struct KmsKeys(Vec<Key>);

impl KmsKeys {
    /// Adds a key in place of that of the same alias, with its id: only its policy changes.
    pub(crate) fn add(&mut self, mut key: Key) {
        let same = |old: &Key| (&old.account, &old.region, &old.alias) == (&key.account, &key.region, &key.alias);
        if let Some(index) = self.0.iter().position(same) {
            key.id = self.0.remove(index).id;
        }
        self.0.push(key);
    }

    pub(crate) fn remove(&mut self, account: &str, region: &str, alias: &str) {
        self.0.retain(|key| !(key.account == account && key.region == region && key.alias == alias));
    }

    /// The ARN of the key that an account means by an alias, an id or an ARN.
    pub(crate) fn find(&self, text: &str, account: &str, region: &str) -> Option<String> {
        self.0.iter().find(|key| key.is(text, account, region)).map(Key::arn)
    }

    /// Whether a key is there and lets the caller in.
    pub(crate) fn admits(&self, arn: &str, caller: &Caller) -> bool {
        self.0.iter().any(|key| key.arn() == arn && key.admits(caller))
    }
}
