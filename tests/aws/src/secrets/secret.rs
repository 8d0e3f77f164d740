//! A secret, its versions and their staging labels.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Map, Value, json};

use super::input::Content;
use super::policy::Policy;
use crate::ids;
use crate::roles::Caller;

pub(crate) const CURRENT: &str = "AWSCURRENT";
pub(crate) const PREVIOUS: &str = "AWSPREVIOUS";
pub(crate) const PENDING: &str = "AWSPENDING";

pub(crate) struct Version {
    pub(crate) id: String,
    pub(crate) content: Content,
    pub(crate) stages: BTreeSet<String>,
    pub(crate) created: f64,
}

/// The key that encrypts a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Encryption {
    /// AWS's own of this account: no other account can be let in.
    AwsManaged,
    /// A customer's: as it was named, and its ARN.
    Customer { named: String, arn: String },
}

pub(crate) struct Secret {
    pub(crate) arn: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) encryption: Encryption,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) versions: Vec<Version>,
    pub(crate) policy: Option<Policy>,
    pub(crate) created: f64,
    pub(crate) changed: f64,
    /// When the recovery window ends.
    pub(crate) deletion: Option<f64>,
}

/// Without values.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { arn, deletion, .. } = self;
        f.debug_struct("Secret").field("arn", arn).field("deletion", deletion).finish_non_exhaustive()
    }
}

impl Secret {
    /// What most calls answer.
    pub(crate) fn named(&self) -> Map<String, Value> {
        let member = |name: &str, value: &str| (name.to_owned(), Value::String(value.to_owned()));
        Map::from_iter([member("ARN", &self.arn), member("Name", &self.name)])
    }

    pub(crate) fn new(account: &str, region: &str, name: &str, encryption: Encryption, now: f64) -> Self {
        Self {
            arn: format!("arn:aws:secretsmanager:{region}:{account}:secret:{name}-{}", ids::letters(6)),
            name: name.to_owned(),
            description: None,
            encryption,
            tags: BTreeMap::new(),
            versions: Vec::new(),
            policy: None,
            created: now,
            changed: now,
            deletion: None,
        }
    }

    /// The ARN without the six random characters.
    pub(crate) fn partial_arn(&self) -> &str {
        self.arn.rsplit_once('-').map_or(&self.arn, |(partial, _)| partial)
    }

    pub(crate) fn version(&self, id: &str) -> Option<&Version> {
        self.versions.iter().find(|version| version.id == id)
    }

    pub(crate) fn staged(&self, stage: &str) -> Option<&Version> {
        self.versions.iter().find(|version| version.stages.contains(stage))
    }

    pub(crate) fn add(&mut self, id: &str, content: Content, stages: &[&str], now: f64) {
        self.versions.push(Version { id: id.to_owned(), content, stages: BTreeSet::new(), created: now });
        self.changed = now;
        for stage in stages {
            self.attach(stage, id);
        }
    }

    pub(crate) fn detach(&mut self, stage: &str) {
        for version in &mut self.versions {
            version.stages.remove(stage);
        }
    }

    /// Moves a label to a version. When `AWSCURRENT` moves, `AWSPREVIOUS` goes to the version that it leaves.
    pub(crate) fn attach(&mut self, stage: &str, id: &str) {
        let before = self.staged(stage).map(|version| version.id.clone());
        if before.as_deref() == Some(id) {
            return;
        }
        self.detach(stage);
        if let Some(version) = self.versions.iter_mut().find(|version| version.id == id) {
            version.stages.insert(stage.to_owned());
        }
        if let (CURRENT, Some(before)) = (stage, before) {
            self.attach(PREVIOUS, &before);
        }
    }

    pub(crate) fn policy_allows(&self, caller: &Caller, operation: &str) -> bool {
        let allows = |policy: &Policy| policy.allows(caller, operation, &self.arn);
        self.policy.as_ref().is_some_and(allows) && !self.policy_denies(caller, operation)
    }

    pub(crate) fn policy_denies(&self, caller: &Caller, operation: &str) -> bool {
        self.policy.as_ref().is_some_and(|policy| policy.denies(caller, operation, &self.arn))
    }

    /// What `DescribeSecret` and `ListSecrets` tell; the labels' member has another name in either.
    pub(crate) fn described(&self, labels: &str) -> Map<String, Value> {
        let staged = self.versions.iter().filter(|version| !version.stages.is_empty());
        let staged: Map<String, Value> = staged.map(|version| (version.id.clone(), json!(version.stages))).collect();
        let tags: Vec<Value> = self.tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect();
        let mut out = Map::new();
        let mut put = |name: &str, value: Value| out.insert(name.to_owned(), value);
        put("ARN", json!(self.arn));
        put("Name", json!(self.name));
        put("CreatedDate", json!(self.created));
        put("LastChangedDate", json!(self.changed));
        if let Some(description) = &self.description {
            put("Description", json!(description));
        }
        if let Encryption::Customer { named, .. } = &self.encryption {
            put("KmsKeyId", json!(named));
        }
        if !tags.is_empty() {
            put("Tags", json!(tags));
        }
        if !staged.is_empty() {
            put(labels, Value::Object(staged));
        }
        if let Some(deletion) = self.deletion {
            put("DeletedDate", json!(deletion));
        }
        out
    }
}
