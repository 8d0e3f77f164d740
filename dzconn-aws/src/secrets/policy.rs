//! What a secret's resource policy is to be. Pure.

use std::collections::BTreeSet;

use dzconn_core::model::{Principal, SecretName};
use dzconn_core::{Error, ErrorKind};
use serde_json::{Map, Value, json};

/// The statements that are dzconn's: the owner's account keeps full control, as it would without a policy; and the readers read.
const OWNER: &str = "DzconnOwner";
const READERS: &str = "DzconnReaders";

/// "Resource-based policy" in "AWS Secrets Manager quotas" of the user guide.
const LIMIT: usize = 20_480;

/// What is to be done to a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// Nothing: it says so already.
    Keep,
    /// This is to take its place.
    Put(String),
    /// Nothing is left of it.
    Remove,
}

/// Why a policy cannot be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// What is there cannot be read, or not written back as it is.
    Unreadable(&'static str),
    /// That is nobody in particular.
    NoRole(Principal),
    /// With what others put there, it is longer than Secrets Manager takes.
    TooLong(usize),
}

impl Fault {
    pub(super) fn of(self, name: &SecretName) -> Error {
        match self {
            Self::Unreadable(what) => {
                Error::new(ErrorKind::Unexpected, format!("the resource policy of {name} {what}: it was left as it is"))
                    .advise("look at the secret's resource policy, and put it right or remove it")
            }
            Self::NoRole(reader) => Error::new(
                ErrorKind::InvalidConfig,
                format!("{name} is only shared with single roles, not with {reader}"),
            )
            .advise("give the full ARN of the role that reads secrets in the consumer's account"),
            Self::TooLong(length) => Error::new(
                ErrorKind::LimitReached,
                format!("the resource policy of {name} would have {length} characters: there may be {LIMIT}"),
            )
            .advise("take statements that are not needed out of the secret's resource policy"),
        }
    }
}

/// From the policy that is there, if any, to the one that lets exactly these read, with everybody else's statements as they are.
/// `root` is the owner's account.
pub(super) fn plan(there: Option<&str>, root: &str, readers: &BTreeSet<Principal>) -> Result<Plan, Fault> {
    if let Some(reader) = readers.iter().find(|reader| !is_single(reader.as_str())) {
        return Err(Fault::NoRole(reader.clone()));
    }
    let wanted = if readers.is_empty() { Vec::new() } else { statements(root, readers) };
    let mut policy = match there {
        Some(text) => read(text)?,
        None => Map::from_iter([("Version".to_owned(), json!("2012-10-17"))]),
    };
    let (ours, mut all): (Vec<_>, Vec<_>) = match policy.remove("Statement") {
        Some(Value::Array(statements)) => statements,
        Some(statement) => vec![statement],
        None => Vec::new(),
    }
    .into_iter()
    .partition(is_ours);
    if ours.len() == wanted.len() && wanted.iter().all(|wanted| ours.iter().any(|is| same(is, wanted))) {
        return Ok(Plan::Keep);
    }
    all.extend(wanted);
    if all.is_empty() {
        return Ok(Plan::Remove);
    }
    policy.insert("Statement".to_owned(), Value::Array(all));
    let text = Value::Object(policy).to_string();
    match text.chars().count() {
        length if length > LIMIT => Err(Fault::TooLong(length)),
        _ => Ok(Plan::Put(text)),
    }
}

fn statements(root: &str, readers: &BTreeSet<Principal>) -> Vec<Value> {
    let readers: Vec<&str> = readers.iter().map(Principal::as_str).collect();
    vec![
        json!({
            "Sid": OWNER,
            "Effect": "Allow",
            "Principal": { "AWS": root },
            "Action": "secretsmanager:*",
            "Resource": "*",
        }),
        json!({
            "Sid": READERS,
            "Effect": "Allow",
            "Principal": { "AWS": readers },
            "Action": "secretsmanager:GetSecretValue",
            "Resource": "*",
        }),
    ]
}

/// A role or user. Anything else that may stand for a principal means many: an account, everybody.
fn is_single(reader: &str) -> bool {
    let mut parts = reader.splitn(6, ':');
    let mut next = || parts.next().unwrap_or_default();
    let (arn, partition, service, region, account, name) = (next(), next(), next(), next(), next(), next());
    arn == "arn"
        && partition.starts_with("aws")
        && service == "iam"
        && region.is_empty()
        && account.len() == 12
        && account.bytes().all(|b| b.is_ascii_digit())
        && ["role/", "user/"].iter().any(|kind| name.strip_prefix(kind).is_some_and(|name| !name.is_empty()))
        && !name.contains('*')
}

fn is_ours(statement: &Value) -> bool {
    matches!(statement.get("Sid").and_then(Value::as_str), Some(OWNER | READERS))
}

fn read(text: &str) -> Result<Map<String, Value>, Fault> {
    let Ok(Value::Object(policy)) = serde_json::from_str::<Value>(text) else {
        return Err(Fault::Unreadable("is not a JSON object"));
    };
    match policy.get("Statement") {
        Some(Value::Object(_)) => {}
        Some(Value::Array(all)) if all.iter().all(Value::is_object) => {}
        _ => return Err(Fault::Unreadable("has no statements")),
    }
    if policy.values().any(loses) {
        return Err(Fault::Unreadable("holds a number that would not be written back as it is"));
    }
    Ok(policy)
}

/// A number beyond 64 bits, or with a fraction, may change when it is parsed.
fn loses(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_f64(),
        Value::Array(values) => values.iter().any(loses),
        Value::Object(members) => members.values().any(loses),
        Value::Null | Value::Bool(_) | Value::String(_) => false,
    }
}

/// Whether two statements say the same. What may be one text or a list of them is told in either form, and a list in any order
/// ("Grammar of the IAM JSON policy language"). The id that stands in the place of a deleted role is another text.
fn same(one: &Value, other: &Value) -> bool {
    fn plain(value: &Value, key: &str) -> Value {
        match value {
            Value::Object(members) => {
                Value::Object(members.iter().map(|(key, value)| (key.clone(), plain(value, key))).collect())
            }
            Value::Array(values) if values.iter().all(Value::is_string) => {
                let mut values = values.clone();
                values.sort_by(|one, other| one.as_str().cmp(&other.as_str()));
                values.dedup();
                Value::Array(values)
            }
            Value::String(_) if matches!(key, "AWS" | "Action" | "Resource") => Value::Array(vec![value.clone()]),
            other => other.clone(),
        }
    }
    plain(one, "") == plain(other, "")
}
