//! What a policy says of others: who else lets somebody read, and who has been deleted.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Allowed, Policy, Reach, Rights, list, mark, sid};
use crate::model::{DomainId, Principal};

/// What lets somebody read.
const READS: [&str; 2] = ["s3:getobject", "s3:listbucket"];

impl Policy {
    /// The statements of others that may let one of these principals read in the bucket, by `Sid` or number. Ours are those of
    /// these domains: another domain's, however alike, are somebody else's. What conditions say is not looked at.
    pub fn others_for(&self, principals: &BTreeSet<Principal>, domains: &BTreeSet<DomainId>) -> Vec<String> {
        let ours: BTreeSet<String> = domains.iter().map(mark).collect();
        let is_ours = |statement: &Value| self.read(statement).is_some_and(|read| ours.contains(&read.mark));
        let reads = |statement: &Value| {
            let any = |name: &str, action: &str| texts(statement.get(name)).any(|pattern| covers(pattern, action));
            let but = statement.get("NotAction").is_some();
            READS.iter().any(|action| any("Action", action) || (but && !any("NotAction", action)))
        };
        let names = |statement: &Value| match (statement.get("Principal"), statement.get("NotPrincipal")) {
            (Some(Value::String(all)), _) => all == "*",
            (Some(Value::Object(kinds)), _) => texts(kinds.get("AWS"))
                .any(|named| named == "*" || principals.iter().any(|principal| is_meant(named, principal))),
            // Everybody but those; an account that is excepted does not except its roles for certain.
            (None, Some(Value::Object(kinds))) => {
                principals.iter().any(|principal| !texts(kinds.get("AWS")).any(|named| named == principal.as_str()))
            }
            _ => false,
        };
        let allows = |statement: &Value| statement.get("Effect").and_then(Value::as_str) == Some("Allow");
        self.names_of(|statement| !is_ours(statement) && allows(statement) && reads(statement) && names(statement))
    }

    /// The statements of others that name somebody who has been deleted: S3 takes no policy with such a statement.
    pub fn orphaned(&self) -> Vec<String> {
        let is_gone = |statement: &Value| {
            let named = statement.get("Principal").and_then(|principal| principal.get("AWS")).unwrap_or(&Value::Null);
            list(named).into_iter().any(is_unique_id)
        };
        self.names_of(|statement| self.read(statement).is_none() && is_gone(statement))
    }

    fn names_of(&self, which: impl Fn(&Value) -> bool) -> Vec<String> {
        let all = (1..).zip(self.statements()).filter(|(_, statement)| which(statement));
        all.map(|(n, statement)| sid(statement).map_or_else(|| format!("number {n}"), str::to_owned)).collect()
    }

    /// What is wanted, without those who have been deleted: in their place AWS has left an id, `AROA...` or `AIDA...`, which no
    /// policy may be written with, and neither may one with the name that they had ("IAM identifiers", IAM User Guide).
    /// Whoever is `living` is kept all the same. Once the policy has been written so, nothing in it says any more who has
    /// been deleted: whoever writes it records that they have no access.
    #[must_use]
    pub fn without_deleted(&self, mut wanted: Allowed, living: &BTreeSet<Principal>) -> Allowed {
        for (domain, rights) in &mut wanted {
            let there: Rights = self.rights(domain);
            let left: BTreeSet<&Reach> =
                there.iter().filter(|(who, _)| is_unique_id(who.as_str())).map(|(_, reach)| reach).collect();
            rights.retain(|right| living.contains(&right.0) || there.contains(right) || !left.contains(&right.1));
        }
        wanted
    }
}

fn texts(value: Option<&Value>) -> impl Iterator<Item = &str> {
    list(value.unwrap_or(&Value::Null)).into_iter()
}

/// What AWS leaves in the place of a user or role that has been deleted ("IAM identifiers", IAM User Guide).
fn is_unique_id(principal: &str) -> bool {
    let rest = principal.strip_prefix("AIDA").or_else(|| principal.strip_prefix("AROA"));
    rest.is_some_and(|rest| rest.len() >= 12 && rest.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()))
}

/// Whether a statement's principal is this one, or its account.
fn is_meant(named: &str, principal: &Principal) -> bool {
    let account = principal.as_str().split(':').nth(4).unwrap_or_default();
    let root = named.strip_suffix(":root").and_then(|arn| arn.rsplit(':').next());
    named == principal.as_str() || (!account.is_empty() && (named == account || root == Some(account)))
}

/// Whether a pattern of actions, in whatever case, covers an action. What others have written may have any number of `*`.
fn covers(pattern: &str, action: &str) -> bool {
    let (pattern, action) = (pattern.as_bytes(), action.as_bytes());
    let (mut p, mut a) = (0, 0);
    // The last `*`, and what of the action follows what it has taken so far. An earlier one need not take more.
    let mut star: Option<(usize, usize)> = None;
    while let Some(letter) = action.get(a) {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p + 1, a));
                p += 1;
            }
            Some(one) if *one == b'?' || one.eq_ignore_ascii_case(letter) => (p, a) = (p + 1, a + 1),
            _ => match star {
                Some((after, taken)) => {
                    star = Some((after, taken + 1));
                    (p, a) = (after, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|one| *one == b'*')
}
