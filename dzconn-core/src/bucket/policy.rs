//! Bucket policies: what is ours in them, and what they become. Nothing here reads or writes a bucket.
//!
//! Ours are the statements whose `Sid` is one that we give, to a domain that is asked for, *and* that have the shape that we give them.
//! Everything else is somebody else's, also what was made out of one of ours by adding to it: it is kept as it is and where
//! it stands.
//!
//! How ours are written is a function of what they allow, so that it does not matter in which order it was granted. To stay small,
//! principals that are allowed the same share a statement, or things that the same principals are allowed: whichever is
//! shorter. A statement allows all its principals all its resources, so nothing is joined that would allow more than both did.

mod others;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::place::{Bucket, Reach};
use crate::model::{DomainId, Principal};
use crate::{Error, ErrorKind, Result, Step};

/// How long a policy may be, in bytes ("Bucket policies", S3 User Guide: 20 KB). Whether blanks count is not said; ours are written
/// without.
pub const LIMIT: usize = 20 * 1024;

/// The version of the policy language in which a `$` can be written that stands for itself ("IAM policy elements: Variables and
/// tags", IAM User Guide).
const VERSION: &str = "2012-10-17";

const GRANT_LESS: &str =
    "let environments share a role, publish fewer and larger prefixes, or shorten the other statements";

/// What every `Sid` of ours begins with. It may have letters and digits only.
const SID: &str = "DzConn";
const KINDS: [Kind; 3] = [Kind::Read, Kind::List, Kind::ListAll];

/// Who may do what.
pub type Rights = BTreeSet<(Principal, Reach)>;

/// What each domain's statements are to allow. A domain that is not in it is not ours.
pub type Allowed = BTreeMap<DomainId, Rights>;

/// A bucket's policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    bucket: Bucket,
    /// `None`: the bucket has no policy.
    document: Option<Map<String, Value>>,
}

/// The kinds of statements of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Read,
    List,
    /// Of the whole bucket: a condition on the prefix would refuse those who name none.
    ListAll,
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Self::Read => "Read",
            Self::List => "List",
            Self::ListAll => "ListAll",
        }
    }

    const fn action(self) -> &'static str {
        match self {
            Self::Read => "s3:GetObject",
            Self::List | Self::ListAll => "s3:ListBucket",
        }
    }

    fn of(reach: &Reach) -> Self {
        match reach {
            Reach::Object(_) | Reach::Below(_) => Self::Read,
            Reach::List(prefix) if prefix.is_empty() => Self::ListAll,
            Reach::List(_) => Self::List,
        }
    }
}

impl Policy {
    /// Reads a bucket's policy; `None` is a bucket that has none.
    ///
    /// # Errors
    /// [`ErrorKind::Unexpected`] if it is no policy.
    pub fn parse(bucket: &Bucket, text: Option<&str>) -> Result<Self> {
        let document = text.map(|text| {
            let document: Value =
                serde_json::from_str(text).map_err(|error| unreadable(bucket, "is not JSON").because(error))?;
            match document {
                Value::Object(document) => Ok(document),
                _ => Err(unreadable(bucket, "is not a JSON object")),
            }
        });
        let policy = Self { bucket: bucket.clone(), document: document.transpose()? };
        let is_one = match policy.document.as_ref().map(|document| document.get("Statement")) {
            None | Some(None | Some(Value::Object(_))) => true,
            Some(Some(Value::Array(statements))) => statements.iter().all(Value::is_object),
            Some(Some(_)) => false,
        };
        if is_one { Ok(policy) } else { Err(unreadable(bucket, "has no list of statements")) }
    }

    /// The policy's text; `None` where there is to be none.
    pub fn text(&self) -> Option<String> {
        self.document.as_ref().map(|document| Value::Object(document.clone()).to_string())
    }

    /// What a domain's statements allow, principals included that have been deleted since.
    pub fn rights(&self, domain: &DomainId) -> Rights {
        let mark = mark(domain);
        let ours = self.statements().into_iter().filter_map(|statement| self.read(statement));
        ours.filter(|ours| ours.mark == mark).flat_map(|ours| ours.rights).collect()
    }

    /// The `Sid`s of statements that are called like a domain's and are not like them: somebody has edited them, and they are
    /// not touched.
    pub fn edited(&self, domain: &DomainId) -> Vec<String> {
        let begins = format!("{SID}{}", mark(domain));
        let sids = self.statements().into_iter().filter(|statement| self.read(statement).is_none());
        sids.filter_map(|statement| sid(statement)).filter(|sid| sid.starts_with(&begins)).map(str::to_owned).collect()
    }

    /// The policy in which the statements of these domains allow just this, and everything else is as it is.
    ///
    /// # Errors
    /// [`ErrorKind::LimitReached`] if it would be too long; [`ErrorKind::Refused`] if the policy's version has no way to say it.
    pub fn with(&self, wanted: &Allowed) -> Result<Self> {
        let next = self.draft(wanted, Joined::Alike)?;
        let bytes = next.bytes();
        // What only takes away is not refused for what others have written.
        if bytes <= LIMIT || bytes <= self.bytes() {
            return Ok(next);
        }
        let what = format!("the policy of {} would have {bytes} bytes, and S3 takes {LIMIT}", self.bucket);
        Err(Error::new(ErrorKind::LimitReached, what).at(Step::BucketPolicy).advise(self.way_out(wanted)))
    }

    /// That every revoke fits, too, in whatever order they come, once the policy is to allow this. Taking one principal's right
    /// out of a joined statement leaves several, so a policy with less in it may be longer. Without any joining it never
    /// is, and what is written is never longer than that: so it is that which must fit.
    ///
    /// # Errors
    /// As of [`with`](Self::with).
    pub fn leaves_room(&self, wanted: &Allowed) -> Result<()> {
        let bytes = self.draft(wanted, Joined::Never)?.bytes();
        if bytes <= LIMIT {
            return Ok(());
        }
        let what = format!(
            "the policy of {} could come to {bytes} bytes as subscriptions end one by one, and S3 takes {LIMIT}",
            self.bucket
        );
        Err(Error::new(ErrorKind::LimitReached, what).at(Step::BucketPolicy).advise(GRANT_LESS))
    }

    /// What can be done where a policy is too long.
    fn way_out(&self, wanted: &Allowed) -> String {
        let adds = wanted.iter().any(|(domain, rights)| !rights.is_subset(&self.rights(domain)));
        if adds {
            return GRANT_LESS.to_owned();
        }
        let everybody: BTreeSet<&Principal> = wanted.values().flatten().map(|(who, _)| who).collect();
        let fits = |who: &&&Principal| {
            let mut less = wanted.clone();
            for rights in less.values_mut() {
                rights.retain(|right| right.0 != ***who);
            }
            self.draft(&less, Joined::Alike).is_ok_and(|policy| policy.bytes() <= LIMIT)
        };
        let first: Vec<_> = everybody.iter().filter(fits).take(3).map(|who| who.as_str()).collect();
        if first.is_empty() {
            return "shorten the statements of others in it".to_owned();
        }
        format!("shorten the statements of others in it, or end first all that {} reads there", first.join(" or "))
    }

    fn bytes(&self) -> usize {
        self.text().map_or(0, |text| text.len())
    }

    fn draft(&self, wanted: &Allowed, joined: Joined) -> Result<Self> {
        let marks: BTreeMap<String, &Rights> = wanted.iter().map(|(domain, rights)| (mark(domain), rights)).collect();
        let is_ours = |statement: &Value| self.read(statement).is_some_and(|ours| marks.contains_key(&ours.mark));
        let (mut kept, mut place, mut before) = (Vec::new(), None, Vec::new());
        for statement in self.statements() {
            if is_ours(statement) {
                place.get_or_insert(kept.len());
                before.push(statement);
            } else {
                kept.push(statement.clone());
            }
        }
        let taken: BTreeSet<String> = kept.iter().filter_map(sid).map(str::to_owned).collect();
        let ours: Vec<_> = marks.iter().flat_map(|(mark, rights)| self.write(mark, rights, &taken, joined)).collect();
        let plain = |statements: &[&Value]| -> BTreeSet<String> { statements.iter().map(|one| normal(one)).collect() };
        if plain(&before) == plain(&ours.iter().collect::<Vec<_>>()) && before.len() == ours.len() {
            return Ok(self.clone());
        }
        let rights = || wanted.values().flatten();
        if self.version().is_some_and(|version| version != VERSION)
            && rights().any(|(_, reach)| escaped(reach.text()) != reach.text())
        {
            let what =
                format!("the policy of {} is of a version in which no name with ${{ can be written", self.bucket);
            return Err(Error::new(ErrorKind::Refused, what)
                .at(Step::BucketPolicy)
                .advise(format!("change its Version to {VERSION}")));
        }
        let place = place.unwrap_or(kept.len());
        kept.splice(place..place, ours);
        if kept.is_empty() {
            return Ok(Self { bucket: self.bucket.clone(), document: None });
        }
        let fresh = || Map::from_iter([("Version".to_owned(), json!(VERSION))]);
        let mut document = self.document.clone().unwrap_or_else(fresh);
        document.insert("Statement".to_owned(), Value::Array(kept));
        Ok(Self { bucket: self.bucket.clone(), document: Some(document) })
    }

    /// The policy in which these may do this too.
    ///
    /// # Errors
    /// As of [`with`](Self::with).
    pub fn grant(&self, domain: &DomainId, principals: &BTreeSet<Principal>, reach: &BTreeSet<Reach>) -> Result<Self> {
        let more = principals.iter().flat_map(|principal| reach.iter().map(|reach| (principal.clone(), reach.clone())));
        let wanted = Allowed::from([(domain.clone(), self.rights(domain).into_iter().chain(more).collect())]);
        let next = self.with(&wanted)?;
        if next != *self {
            self.leaves_room(&wanted)?;
        }
        Ok(next)
    }

    /// The policy in which they may not, by a statement of ours. Who else still needs it is not known here.
    ///
    /// # Errors
    /// As of [`with`](Self::with).
    pub fn revoke(&self, domain: &DomainId, principals: &BTreeSet<Principal>, reach: &BTreeSet<Reach>) -> Result<Self> {
        let mut rights = self.rights(domain);
        rights.retain(|(principal, what)| !(principals.contains(principal) && reach.contains(what)));
        self.with(&Allowed::from([(domain.clone(), rights)]))
    }

    fn version(&self) -> Option<&str> {
        // A policy that says none is of the first.
        self.document.as_ref().map(|document| document.get("Version").and_then(Value::as_str).unwrap_or("2008-10-17"))
    }

    fn statements(&self) -> Vec<&Value> {
        match self.document.as_ref().and_then(|document| document.get("Statement")) {
            Some(Value::Array(statements)) => statements.iter().collect(),
            Some(one) => vec![one],
            None => Vec::new(),
        }
    }

    /// A statement of ours, if it is one.
    fn read(&self, statement: &Value) -> Option<Ours> {
        let name = sid(statement)?.strip_prefix(SID)?;
        let (mark, rest) = name.split_at_checked(MARK)?;
        let is_hex = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        let kind = *KINDS
            .iter()
            .find(|kind| rest.strip_prefix(kind.word()).is_some_and(|rest| rest.len() == CONTENT && is_hex(rest)))?;
        let members = statement.as_object()?;
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        let only = |name: &str, wanted: &str| members.get(name).is_some_and(|value| list(value) == [wanted]);
        let Some(Value::Object(principal)) = members.get("Principal") else { return None };
        let expected = if kind == Kind::List { 6 } else { 5 };
        if !is_hex(mark)
            || members.len() != expected
            || text("Effect") != Some("Allow")
            || !only("Action", kind.action())
            || principal.len() != 1
        {
            return None;
        }
        let principals: BTreeSet<_> = strict_list(principal.get("AWS")?)?
            .into_iter()
            .map(|who| Principal::new(who).ok())
            .collect::<Option<_>>()?;
        if principals.iter().any(|who| who.as_str().contains('*')) {
            return None;
        }
        let reach: BTreeSet<Reach> = match kind {
            Kind::Read => strict_list(members.get("Resource")?)?
                .into_iter()
                .map(|arn| self.read_resource(arn))
                .collect::<Option<_>>()?,
            Kind::ListAll => {
                only("Resource", self.bucket.arn()).then(|| BTreeSet::from([Reach::List(String::new())]))?
            }
            Kind::List => {
                let condition = members.get("Condition")?.as_object().filter(|condition| condition.len() == 1)?;
                let like = condition.get("StringLike")?.as_object().filter(|like| like.len() == 1)?;
                let prefixes = strict_list(like.get("s3:prefix")?)?;
                let prefixes =
                    prefixes.into_iter().map(|text| Some(Reach::List(prefix(text).filter(|text| !text.is_empty())?)));
                only("Resource", self.bucket.arn()).then(|| prefixes.collect::<Option<_>>())??
            }
        };
        let rights = principals.iter().flat_map(|who| reach.iter().map(|reach| (who.clone(), reach.clone()))).collect();
        Some(Ours { mark: mark.to_owned(), rights })
    }

    fn read_resource(&self, arn: &str) -> Option<Reach> {
        let text = arn.strip_prefix(self.bucket.arn())?.strip_prefix('/')?;
        if text.ends_with('*') {
            return prefix(text).map(Reach::Below);
        }
        let key = unescaped(text)?;
        (!key.is_empty()).then_some(Reach::Object(key))
    }

    /// The statements that allow just this, in an order of their own.
    fn write(&self, mark: &str, rights: &Rights, taken: &BTreeSet<String>, joined: Joined) -> Vec<Value> {
        let mut all = Vec::new();
        for kind in KINDS {
            let mut by_principal: BTreeMap<&Principal, BTreeSet<&Reach>> = BTreeMap::new();
            let mut by_reach: BTreeMap<&Reach, BTreeSet<&Principal>> = BTreeMap::new();
            for (principal, reach) in rights.iter().filter(|(_, reach)| Kind::of(reach) == kind) {
                by_principal.entry(principal).or_default().insert(reach);
                by_reach.entry(reach).or_default().insert(principal);
            }
            let statement =
                |(principals, reach): (_, _)| -> Value { self.statement(mark, kind, &principals, &reach, taken) };
            let turned = |(reach, principals): (_, _)| (principals, reach);
            let one: Vec<_> = join(by_principal, joined).into_iter().map(statement).collect();
            let other: Vec<_> = join(by_reach, joined).into_iter().map(turned).map(statement).collect();
            // With the comma.
            let length = |statements: &[Value]| statements.iter().map(|one| one.to_string().len() + 1).sum::<usize>();
            all.extend(if length(&other) < length(&one) { other } else { one });
        }
        all
    }

    fn statement(
        &self,
        mark: &str,
        kind: Kind,
        principals: &BTreeSet<&Principal>,
        reach: &BTreeSet<&Reach>,
        taken: &BTreeSet<String>,
    ) -> Value {
        let arn = self.bucket.arn();
        let principals: Vec<_> = principals.iter().map(|who| who.as_str()).collect();
        let patterns = reach.iter().map(|reach| match reach {
            Reach::Object(key) => escaped(key),
            Reach::Below(prefix) | Reach::List(prefix) => format!("{}*", escaped(prefix)),
        });
        let mut statement = json!({"Effect": "Allow", "Principal": {"AWS": short(principals)}, "Action": kind.action(), "Resource": arn});
        let members = [
            (kind == Kind::Read)
                .then(|| ("Resource", short(patterns.clone().map(|pattern| format!("{arn}/{pattern}")).collect()))),
            (kind == Kind::List)
                .then(|| ("Condition", json!({"StringLike": {"s3:prefix": short(patterns.collect())}}))),
        ];
        if let Some(statement) = statement.as_object_mut() {
            statement.extend(members.into_iter().flatten().map(|(name, value)| (name.to_owned(), value)));
            let content = Value::Object(statement.clone()).to_string();
            // No two statements may be called the same, and an edited one keeps its name.
            let name =
                |salt: usize| format!("{SID}{mark}{}{}", kind.word(), hash(&format!("{content}{salt}"), CONTENT));
            let sid = (0..=taken.len()).map(name).find(|sid| !taken.contains(sid)).unwrap_or_default();
            statement.insert("Sid".to_owned(), Value::String(sid));
        }
        statement
    }
}

/// Which statements become one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Joined {
    Alike,
    Never,
}

/// Those who have the same, together.
fn join<'a, A: Ord, B: Ord>(each: BTreeMap<&'a A, BTreeSet<&'a B>>, joined: Joined) -> Vec<Group<'a, A, B>> {
    if joined == Joined::Never {
        return each.into_iter().map(|(one, has)| (BTreeSet::from([one]), has)).collect();
    }
    let mut alike: BTreeMap<BTreeSet<&B>, BTreeSet<&A>> = BTreeMap::new();
    for (one, has) in each {
        alike.entry(has).or_default().insert(one);
    }
    alike.into_iter().map(|(has, those)| (those, has)).collect()
}

type Group<'a, A, B> = (BTreeSet<&'a A>, BTreeSet<&'a B>);

/// What a statement of ours allows, and whose it is.
struct Ours {
    mark: String,
    rights: Rights,
}

impl Reach {
    fn text(&self) -> &str {
        match self {
            Self::Object(text) | Self::Below(text) | Self::List(text) => text,
        }
    }
}

const MARK: usize = 12;
const CONTENT: usize = 16;

/// Another installation of dzconn may serve another domain, and its statements are not ours.
fn mark(domain: &DomainId) -> String {
    hash(domain.as_str(), MARK)
}

fn hash(text: &str, digits: usize) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect::<String>().chars().take(digits).collect()
}

fn sid(statement: &Value) -> Option<&str> {
    statement.get("Sid").and_then(Value::as_str)
}

/// One text, or several: both are written ("Grammar of the IAM JSON policy language", IAM User Guide).
fn list(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(texts) => texts.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// The same, of what has nothing else in it and is not empty.
fn strict_list(value: &Value) -> Option<Vec<&str>> {
    let texts = list(value);
    let all = value.as_array().map_or(1, Vec::len);
    (!texts.is_empty() && texts.len() == all).then_some(texts)
}

/// One text as itself, as AWS writes it, so that what is read back looks as it was written.
fn short<T: Into<String>>(texts: Vec<T>) -> Value {
    let mut texts: Vec<Value> = texts.into_iter().map(|text| Value::String(text.into())).collect();
    if texts.len() == 1 { texts.pop().unwrap_or_default() } else { Value::Array(texts) }
}

/// A statement of ours as a text that does not depend on how lists are written.
fn normal(statement: &Value) -> String {
    fn plain(value: &Value) -> Value {
        match value {
            Value::Array(values) => {
                let mut values: Vec<_> = values.iter().map(plain).collect();
                values.sort_by_cached_key(Value::to_string);
                if values.len() == 1 { values.pop().unwrap_or_default() } else { Value::Array(values) }
            }
            Value::Object(members) => {
                let members: BTreeMap<_, _> =
                    members.iter().map(|(name, value)| (name.clone(), plain(value))).collect();
                members.into_iter().collect::<Map<_, _>>().into()
            }
            other => other.clone(),
        }
    }
    plain(statement).to_string()
}

/// A name inside a pattern: what would begin a variable stands for itself. Names have no `*` and no `?`.
fn escaped(name: &str) -> String {
    name.replace("${", "${$}{")
}

fn unescaped(text: &str) -> Option<String> {
    let name = text.replace("${$}{", "${");
    (!name.contains(['*', '?']) && escaped(&name) == text).then_some(name)
}

fn prefix(pattern: &str) -> Option<String> {
    unescaped(pattern.strip_suffix('*')?).filter(|prefix| prefix.is_empty() || prefix.ends_with('/'))
}

fn unreadable(bucket: &Bucket, what: &str) -> Error {
    Error::new(ErrorKind::Unexpected, format!("the policy of {bucket} {what}"))
        .at(Step::BucketPolicy)
        .advise("look at the bucket's policy")
}

#[cfg(test)]
mod tests;
