//! What an environment's role and databases are given, and what has to be done to get there: pure functions of what is there.

use std::collections::BTreeSet;
use std::fmt;

use crate::model::AccountId;
use crate::{Changed, Error, ErrorKind, Result, Step};

/// A Lake Formation tag and its value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LakeTag {
    /// The key.
    pub key: String,
    /// The value.
    pub value: String,
}

impl LakeTag {
    /// Whether two keys, or two values, are the same to Lake Formation: it stores them in lower case, so that what comes back
    /// differs from what was sent.
    #[must_use]
    pub fn same(one: &str, other: &str) -> bool {
        one.to_lowercase() == other.to_lowercase()
    }
}

/// What an environment gets when it is active. Names of policies may hold `{account}`, which stands for the environment's.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Equipment {
    /// The permissions boundary that replaces the portal's.
    pub boundary: String,
    /// The boundary with which the portal makes roles, and which it must find to delete them.
    pub default_boundary: String,
    /// The policies that are attached.
    pub policies: Vec<String>,
    /// What the environment's databases are tagged with.
    pub tag: Option<LakeTag>,
}

/// What a role has, as far as it matters here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RoleState {
    /// Its permissions boundary.
    pub boundary: Option<String>,
    /// The managed policies that are attached to it.
    pub policies: BTreeSet<String>,
}

/// One change of a role or database.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Effect {
    /// The role's boundary becomes this.
    SetBoundary(String),
    /// This policy is attached to the role.
    Attach(String),
    /// This policy is detached from the role.
    Detach(String),
    /// This database gets the tag.
    Tag(String),
    /// This database loses the tag.
    Untag(String),
}

impl Effect {
    /// The word for it, as in the audit trail and JSON.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::SetBoundary(_) => "set_boundary",
            Self::Attach(_) => "attach_policy",
            Self::Detach(_) => "detach_policy",
            Self::Tag(_) => "tag_database",
            Self::Untag(_) => "untag_database",
        }
    }

    /// The policy or database that it is about.
    pub fn target(&self) -> &str {
        match self {
            Self::SetBoundary(name) | Self::Attach(name) | Self::Detach(name) | Self::Tag(name) | Self::Untag(name) => {
                name
            }
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self {
            Self::SetBoundary(_) => "permissions boundary",
            Self::Attach(_) => "attach",
            Self::Detach(_) => "detach",
            Self::Tag(_) => "tag database",
            Self::Untag(_) => "take the tag from database",
        };
        write!(f, "{what} {}", self.target())
    }
}

/// A step towards what is wanted. It is taken also where nothing seems to be left to do: what a role is said to have may be
/// some seconds old, and every effect may be repeated.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Planned {
    /// What.
    pub effect: Effect,
    /// Whether it makes a difference, by what was seen.
    pub changes: bool,
}

impl Equipment {
    /// With these boundaries, and nothing else.
    #[must_use]
    pub fn new(boundary: impl Into<String>, default_boundary: impl Into<String>) -> Self {
        Self { boundary: boundary.into(), default_boundary: default_boundary.into(), policies: Vec::new(), tag: None }
    }

    /// By the names that it has in an account.
    #[must_use]
    pub fn in_account(&self, account: &AccountId) -> Self {
        let named = |text: &String| text.replace("{account}", account.as_str());
        Self {
            boundary: named(&self.boundary),
            default_boundary: named(&self.default_boundary),
            policies: self.policies.iter().map(named).collect(),
            tag: self.tag.clone(),
        }
    }

    /// What extends a role.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`] if the role has a boundary that is neither the portal's nor the solution's: somebody has limited it
    /// on purpose, and nobody could put that back afterwards.
    pub fn equip(&self, role: &RoleState) -> Result<Vec<Planned>> {
        if let Some(boundary) = self.foreign(role) {
            let what =
                format!("the role has the permissions boundary {boundary}, which is neither the portal's nor dzconn's");
            return Err(Error::new(ErrorKind::Refused, what)
                .at(Step::EnvironmentRole)
                .advise("remove that boundary, or name it as the default one if the portal makes its roles with it")
                .changed(Changed::Nothing));
        }
        let boundary = Planned {
            changes: role.boundary.as_ref() != Some(&self.boundary),
            effect: Effect::SetBoundary(self.boundary.clone()),
        };
        let attach = |policy: &String| Planned {
            changes: !role.policies.contains(policy),
            effect: Effect::Attach(policy.clone()),
        };
        Ok([boundary].into_iter().chain(self.policies.iter().map(attach)).collect())
    }

    /// What puts a role back as the portal made it; and the boundary that is left because it is somebody else's.
    pub fn clean<'a>(&self, role: &'a RoleState) -> (Vec<Planned>, Option<&'a str>) {
        let detach = |policy: &String| Planned {
            changes: role.policies.contains(policy),
            effect: Effect::Detach(policy.clone()),
        };
        let mut steps: Vec<_> = self.policies.iter().map(detach).collect();
        let foreign = self.foreign(role);
        if foreign.is_none() {
            steps.push(Planned {
                changes: role.boundary.as_ref() != Some(&self.default_boundary),
                effect: Effect::SetBoundary(self.default_boundary.clone()),
            });
        }
        (steps, foreign)
    }

    /// What tags a database on which the key has this value.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`] if somebody has given the key another value: it would be lost.
    pub fn tag(&self, database: &str, value: Option<&str>) -> Result<Option<Planned>> {
        let Some(tag) = &self.tag else { return Ok(None) };
        match value {
            Some(other) if !LakeTag::same(other, &tag.value) => {
                let what = format!("the database {database} has the tag {} with the value {other:?}", tag.key);
                Err(Error::new(ErrorKind::Refused, what)
                    .at(Step::EnvironmentTags)
                    .advise("remove the tag from the database, or configure another one"))
            }
            Some(_) => Ok(None),
            None => Ok(Some(Planned { effect: Effect::Tag(database.to_owned()), changes: true })),
        }
    }

    /// What takes the tag from a database on which the key has this value. Another value is somebody else's. It is also taken
    /// where none is seen: who may not see a tag is told of none.
    pub fn untag(&self, database: &str, value: Option<&str>) -> Option<Planned> {
        let tag = self.tag.as_ref()?;
        let ours = value.is_none_or(|value| LakeTag::same(value, &tag.value));
        ours.then(|| Planned { effect: Effect::Untag(database.to_owned()), changes: value.is_some() })
    }

    fn foreign<'a>(&self, role: &'a RoleState) -> Option<&'a str> {
        let boundary = role.boundary.as_deref()?;
        (boundary != self.boundary && boundary != self.default_boundary).then_some(boundary)
    }
}
