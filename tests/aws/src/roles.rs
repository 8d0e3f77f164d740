//! Who a caller is, which roles there are and whom they trust.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::{Duration, SystemTime};

use crate::ids;

/// The account of keys that nobody gave out; moto has it so.
pub const HOME: &str = "123456789012";

/// A role, as a test wants it to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    arn: String,
    trusted: Option<Vec<String>>,
    external_id: Option<String>,
}

impl Role {
    /// A role that anybody may assume.
    #[must_use]
    pub fn new(arn: &str) -> Self {
        Self { arn: arn.to_owned(), trusted: None, external_id: None }
    }

    /// Trusts this one too: an account's number or root ARN (all in it), or the ARN of a role (just that one). A role that
    /// names nobody trusts everybody.
    #[must_use]
    pub fn trusting(mut self, principal: &str) -> Self {
        self.trusted.get_or_insert_default().push(principal.to_owned());
        self
    }

    /// Demands this external id.
    #[must_use]
    pub fn demanding(mut self, external_id: &str) -> Self {
        self.external_id = Some(external_id.to_owned());
        self
    }

    fn admits(&self, caller: &Caller, external_id: Option<&str>) -> bool {
        let trusted = self.trusted.as_ref().is_none_or(|all| all.iter().any(|one| caller.is(one)));
        let demanded = self.external_id.as_deref();
        trusted && (demanded.is_none() || demanded == external_id)
    }
}

/// Who makes a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) account: String,
    pub(crate) role: Option<Assumed>,
}

/// The role of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Assumed {
    pub(crate) arn: String,
    /// The role's unique id: another one after it was deleted and made again.
    pub(crate) id: String,
    pub(crate) session: String,
}

impl Caller {
    fn home() -> Self {
        Self { account: HOME.to_owned(), role: None }
    }

    /// Whether a principal's text means this caller: an account, its root, a role or everybody.
    pub(crate) fn is(&self, principal: &str) -> bool {
        let account = account_of(principal).unwrap_or(principal);
        match principal {
            "*" => true,
            _ if principal == account || principal.ends_with(":root") => account == self.account,
            _ => self.role.as_ref().is_some_and(|role| role.arn == principal),
        }
    }

    /// As error messages name it.
    pub(crate) fn arn(&self) -> String {
        match &self.role {
            Some(Assumed { arn, session, .. }) => {
                format!("arn:aws:sts::{}:assumed-role/{}/{session}", self.account, name_of(arn))
            }
            None => format!("arn:aws:iam::{}:root", self.account),
        }
    }
}

/// Credentials that the stand-in gave out.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Keys {
    /// The access key's id.
    pub access_key_id: String,
    /// The secret access key.
    pub secret_access_key: String,
    /// The session token.
    pub session_token: String,
}

/// Without what is secret.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

#[derive(Clone, Debug)]
struct Session {
    caller: Caller,
    expires: Option<SystemTime>,
}

/// All roles and sessions.
#[derive(Debug, Default)]
pub(crate) struct Roles {
    known: BTreeMap<String, Role>,
    ids: BTreeMap<String, String>,
    deleted: BTreeSet<String>,
    /// Only registered roles exist.
    pub(crate) closed: bool,
    /// How long sessions last, if not as long as was asked for.
    pub(crate) life: Option<Duration>,
    sessions: BTreeMap<String, Session>,
}

impl Roles {
    pub(crate) fn add(&mut self, role: Role) {
        self.deleted.remove(&role.arn);
        self.known.insert(role.arn.clone(), role);
    }

    pub(crate) fn remove(&mut self, arn: &str) {
        self.known.remove(arn);
        self.ids.remove(arn);
        self.deleted.insert(arn.to_owned());
    }

    pub(crate) fn exists(&self, arn: &str) -> bool {
        self.known.contains_key(arn) || (!self.closed && !self.deleted.contains(arn) && is_role(arn))
    }

    /// The unique id of a role, if there is such a role.
    pub(crate) fn id(&mut self, arn: &str) -> Option<String> {
        let new = || format!("AROA{}", ids::capitals(17));
        self.exists(arn).then(|| self.ids.entry(arn.to_owned()).or_insert_with(new).clone())
    }

    pub(crate) fn may_assume(&self, caller: &Caller, arn: &str, external_id: Option<&str>) -> bool {
        self.exists(arn) && self.known.get(arn).is_none_or(|role| role.admits(caller, external_id))
    }

    /// Who has these keys, and whether they are still good.
    pub(crate) fn caller(&self, access_key: &str) -> (Caller, bool) {
        let Some(session) = self.sessions.get(access_key) else { return (Caller::home(), true) };
        let good = session.expires.is_none_or(|end| SystemTime::now() < end);
        (session.caller.clone(), good)
    }

    /// From now on these keys are those of a role. `expires`: `None` is never.
    pub(crate) fn learn(&mut self, access_key: &str, arn: &str, session: &str, expires: Option<SystemTime>) {
        let account = account_of(arn).unwrap_or(HOME).to_owned();
        let id = self.id(arn).unwrap_or_else(|| format!("AROA{}", ids::capitals(17)));
        let role = Assumed { arn: arn.to_owned(), id, session: session.to_owned() };
        let caller = Caller { account, role: Some(role) };
        self.sessions.insert(access_key.to_owned(), Session { caller, expires });
    }

    /// Ends all sessions that end at all.
    pub(crate) fn expire_all(&mut self) {
        for session in self.sessions.values_mut().filter(|session| session.expires.is_some()) {
            session.expires = Some(SystemTime::UNIX_EPOCH);
        }
    }
}

/// The account in an ARN of IAM.
pub(crate) fn account_of(arn: &str) -> Option<&str> {
    let account = arn.strip_prefix("arn:aws:iam::")?.split(':').next()?;
    is_account(account).then_some(account)
}

pub(crate) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether this is the ARN of a role.
pub(crate) fn is_role(arn: &str) -> bool {
    let name = arn.split_once(":role/").map(|(_, name)| name);
    let fits = |c: char| c.is_ascii_alphanumeric() || "+=,.@_/-".contains(c);
    account_of(arn).is_some() && name.is_some_and(|name| !name_of(name).is_empty() && name.chars().all(fits))
}

/// A role's name without its path.
pub(crate) fn name_of(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

#[cfg(test)]
mod tests {
    use super::*;

    const READER: &str = "arn:aws:iam::222222222222:role/path/reader";

    fn session(roles: &mut Roles, arn: &str) -> Caller {
        roles.learn("ASIA1", arn, "test", None);
        roles.caller("ASIA1").0
    }

    #[test]
    fn who_is_meant() {
        let caller = session(&mut Roles::default(), READER);
        for yes in ["*", "222222222222", "arn:aws:iam::222222222222:root", READER] {
            assert!(caller.is(yes), "{yes}");
        }
        for no in ["111111111111", "arn:aws:iam::111111111111:root", "arn:aws:iam::222222222222:role/reader", ""] {
            assert!(!caller.is(no), "{no}");
        }
        assert_eq!(caller.arn(), "arn:aws:sts::222222222222:assumed-role/reader/test");
        assert_eq!(Roles::default().caller("AKIA").0, Caller::home());
    }

    #[test]
    fn trust_and_external_id() {
        let mut roles = Roles::default();
        let caller = session(&mut roles, READER);
        let target = "arn:aws:iam::333333333333:role/target";
        assert!(roles.may_assume(&caller, target, None), "any role is assumable unless a test says otherwise");
        roles.add(Role::new(target).trusting(READER).demanding("x"));
        assert!(roles.may_assume(&caller, target, Some("x")));
        assert!(!roles.may_assume(&caller, target, None));
        assert!(!roles.may_assume(&caller, target, Some("y")));
        assert!(!roles.may_assume(&Caller::home(), target, Some("x")));
    }

    #[test]
    fn a_role_made_again_is_another() {
        let mut roles = Roles::default();
        let first = roles.id(READER).unwrap();
        assert_eq!(roles.id(READER).as_ref(), Some(&first));
        roles.remove(READER);
        assert_eq!(roles.id(READER), None);
        roles.add(Role::new(READER));
        assert_ne!(roles.id(READER), Some(first));
        roles.closed = true;
        assert!(!roles.exists("arn:aws:iam::222222222222:role/other"));
    }
}
