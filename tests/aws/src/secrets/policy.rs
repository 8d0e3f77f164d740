//! Resource policies: parsed, checked and asked.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::refusal::Refusal;
use crate::roles::{Caller, Roles, is_account, is_role};

/// A policy as it was put, and which roles its names meant then: IAM keeps a role's unique id, so that a role that is
/// deleted and made again is not the one that the policy names ("IAM identifiers", IAM User Guide).
pub(crate) struct Policy {
    text: String,
    statements: Vec<Statement>,
    meant: BTreeMap<String, Option<String>>,
}

struct Statement {
    allow: bool,
    /// `AWS` principals.
    principals: Vec<String>,
    actions: Vec<String>,
    resources: Vec<String>,
    /// A condition, or a member that excludes: not evaluated, so that the statement never applies.
    beyond_us: bool,
}

impl Policy {
    /// As `PutResourcePolicy` checks it.
    pub(crate) fn parse(text: &str, roles: &mut Roles) -> Result<Self, Refusal> {
        let policy = Self::read(text, roles)?;
        for statement in &policy.statements {
            let named = &statement.principals;
            if !named
                .iter()
                .all(|one| fits(one) && (!is_role(one) || policy.meant.get(one).is_some_and(Option::is_some)))
            {
                return Err(malformed("This resource policy contains an unsupported principal."));
            }
            let own = |action: &String| action == "*" || action.starts_with("secretsmanager:");
            if !statement.actions.iter().all(own) {
                return Err(malformed("This resource policy contains an unsupported action."));
            }
        }
        Ok(policy)
    }

    /// As it is, principals that do not exist included.
    pub(crate) fn read(text: &str, roles: &mut Roles) -> Result<Self, Refusal> {
        let syntax = || malformed("This resource policy contains a syntax error.");
        let Ok(Value::Object(document)) = serde_json::from_str(text) else { return Err(syntax()) };
        let version = document.get("Version").and_then(Value::as_str);
        if !matches!(version, None | Some("2012-10-17" | "2008-10-17")) {
            return Err(syntax());
        }
        let given = match document.get("Statement") {
            Some(Value::Array(all)) if !all.is_empty() => all.clone(),
            Some(one @ Value::Object(_)) => vec![one.clone()],
            _ => return Err(syntax()),
        };
        let mut sids = BTreeSet::new();
        // "The Sid value must be unique within a JSON policy."
        let twice = |sid: &str| !sid.is_empty() && !sids.insert(sid.to_owned());
        if given.iter().filter_map(|one| one.get("Sid").and_then(Value::as_str)).any(twice) {
            return Err(malformed("Statement IDs (SID) in a single policy must be unique."));
        }
        let statements: Vec<Statement> =
            given.iter().map(Statement::parse).collect::<Option<_>>().ok_or_else(syntax)?;
        let named = statements.iter().flat_map(|statement| &statement.principals).filter(|one| is_role(one));
        let meant = named.map(|one| (one.clone(), roles.id(one))).collect();
        Ok(Self { text: text.to_owned(), statements, meant })
    }

    /// As `GetResourcePolicy` shows it: a role that is gone stands there as its unique id.
    pub(crate) fn shown(&self, roles: &mut Roles) -> String {
        let mut text = self.text.clone();
        for (arn, id) in &self.meant {
            if let Some(id) = id
                && roles.id(arn).as_ref() != Some(id)
            {
                text = text.replace(&format!("\"{arn}\""), &format!("\"{id}\""));
            }
        }
        text
    }

    pub(crate) fn allows(&self, caller: &Caller, operation: &str, secret: &str) -> bool {
        self.applies(true, caller, operation, secret)
    }

    pub(crate) fn denies(&self, caller: &Caller, operation: &str, secret: &str) -> bool {
        self.applies(false, caller, operation, secret)
    }

    /// Whether it lets everybody in.
    pub(crate) fn is_public(&self) -> bool {
        let open = |s: &Statement| s.allow && !s.beyond_us && s.principals.iter().any(|one| one == "*");
        self.statements.iter().any(open)
    }

    fn applies(&self, allow: bool, caller: &Caller, operation: &str, secret: &str) -> bool {
        let action = format!("secretsmanager:{operation}");
        self.statements.iter().any(|statement| {
            statement.allow == allow
                && !statement.beyond_us
                && statement.principals.iter().any(|one| self.means(one, caller))
                && statement.actions.iter().any(|pattern| like(&pattern.to_lowercase(), &action.to_lowercase()))
                && statement.resources.iter().any(|pattern| like(pattern, secret))
        })
    }

    fn means(&self, principal: &str, caller: &Caller) -> bool {
        match self.meant.get(principal) {
            Some(id) => id.is_some() && caller.role.as_ref().map(|role| &role.id) == id.as_ref(),
            None => caller.is(principal),
        }
    }
}

impl Statement {
    /// `None`: it is not a statement.
    fn parse(value: &Value) -> Option<Self> {
        let value = value.as_object()?;
        let allow = match value.get("Effect")?.as_str()? {
            "Allow" => true,
            "Deny" => false,
            _ => return None,
        };
        let excludes =
            value.contains_key("NotPrincipal") || value.contains_key("NotAction") || value.contains_key("NotResource");
        let principals = match value.get("Principal") {
            Some(Value::String(all)) if all == "*" => vec![all.clone()],
            Some(Value::Object(kinds)) => kinds.get("AWS").map_or(Some(Vec::new()), texts)?,
            None if excludes => Vec::new(),
            _ => return None,
        };
        let list = |name: &str| match value.get(name) {
            Some(value) => texts(value),
            None => excludes.then(Vec::new),
        };
        let (actions, resources) = (list("Action")?, list("Resource")?);
        Some(Self { allow, principals, actions, resources, beyond_us: excludes || value.contains_key("Condition") })
    }
}

fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(one) => Some(vec![one.clone()]),
        Value::Array(all) if !all.is_empty() => all.iter().map(|one| one.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

/// Whether an `AWS` principal can be meant at all. What was once a role's name and is now its unique id cannot.
fn fits(principal: &str) -> bool {
    let identity = principal.strip_prefix("arn:aws:iam::").and_then(|rest| rest.split_once(':'));
    let named =
        |rest: &str| ["role/", "user/"].iter().any(|kind| rest.strip_prefix(kind).is_some_and(|n| !n.is_empty()));
    let session = principal.strip_prefix("arn:aws:sts::").is_some_and(|rest| rest.contains(":assumed-role/"));
    principal == "*"
        || is_account(principal)
        || session
        || identity.is_some_and(|(account, rest)| is_account(account) && (rest == "root" || named(rest)))
}

fn malformed(message: &str) -> Refusal {
    Refusal::bad("MalformedPolicyDocumentException", message)
}

/// A pattern with `*` and `?`, as policies have them.
fn like(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern.chars().count() == text.chars().count() && begins(pattern, text).is_some(),
        Some((head, tail)) => begins(head, text).is_some_and(|rest| {
            rest.char_indices()
                .map(|(at, _)| at)
                .chain([rest.len()])
                .any(|at| rest.get(at..).is_some_and(|rest| like(tail, rest)))
        }),
    }
}

/// What is left of a text behind a beginning, in which `?` is any character.
fn begins<'a>(head: &str, text: &'a str) -> Option<&'a str> {
    let mut rest = text.chars();
    for wanted in head.chars() {
        if rest.next().is_none_or(|found| wanted != '?' && wanted != found) {
            return None;
        }
    }
    Some(rest.as_str())
}

#[cfg(test)]
mod tests {
    use super::like;

    #[test]
    fn patterns() {
        for (pattern, text) in
            [("*", ""), ("*", "a"), ("a*c", "abc"), ("a*c", "ac"), ("a?c", "abc"), ("a*b*c", "a-b-b-c")]
        {
            assert!(like(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("", "a"), ("a", "ab"), ("a*c", "abd"), ("a?c", "ac"), ("?", "")] {
            assert!(!like(pattern, text), "{pattern} {text}");
        }
    }
}
