//! Reads keys from a file and from variables: one list of keys for both.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::time::Duration;

use dzconn_core::model::{AccountId, CaBundle, UserNaming};
use toml::Value;

use super::{BucketRole, Config, TlsMode};

const PREFIX: &str = "DZCONN_AWS_";

/// Sets a key; or says what it must be.
type Set = fn(&mut Config, &Value) -> Result<(), String>;

/// Every key that there is.
const KEYS: &[(&str, Set)] = &[
    ("governance.region", |c, v| optional(&mut c.governance.region, v, parsed)),
    ("governance.role", |c, v| optional(&mut c.governance.role, v, text)),
    ("roles.home", |c, v| optional(&mut c.roles.home, v, parsed)),
    ("roles.home_role", |c, v| optional(&mut c.roles.home_role, v, text)),
    ("roles.account", |c, v| put(&mut c.roles.account, v, text)),
    ("roles.reader", |c, v| optional(&mut c.roles.reader, v, text)),
    ("roles.external_id", |c, v| optional(&mut c.roles.external_id, v, text)),
    ("roles.session_name", |c, v| put(&mut c.roles.session_name, v, text)),
    ("tables.sources", |c, v| put(&mut c.tables.sources, v, text)),
    ("tables.mappings", |c, v| put(&mut c.tables.mappings, v, text)),
    ("tables.assets", |c, v| put(&mut c.tables.assets, v, text)),
    ("tables.state", |c, v| put(&mut c.tables.state, v, text)),
    ("secrets.kms_key", |c, v| put(&mut c.secrets.kms_key, v, text)),
    ("secrets.recovery_window_days", |c, v| put(&mut c.secrets.recovery_window_days, v, number)),
    ("secrets.tags", |c, v| put(&mut c.secrets.tags, v, pairs)),
    ("portal.blueprints", |c, v| put(&mut c.portal.blueprints, v, list)),
    ("portal.asset_types", |c, v| put(&mut c.portal.asset_types, v, list)),
    ("portal.object_types", |c, v| put(&mut c.portal.object_types, v, list)),
    ("portal.check_publishers", |c, v| put(&mut c.portal.check_publishers, v, flag)),
    ("portal.targets", |c, v| put(&mut c.portal.targets, v, list)),
    ("environments.boundary", |c, v| put(&mut c.environments.boundary, v, text)),
    ("environments.default_boundary", |c, v| put(&mut c.environments.default_boundary, v, text)),
    ("environments.policies", |c, v| put(&mut c.environments.policies, v, list)),
    ("environments.tag_key", |c, v| put(&mut c.environments.tag_key, v, text)),
    ("environments.tag_value", |c, v| put(&mut c.environments.tag_value, v, text)),
    ("sources.tls", |c, v| put(&mut c.sources.tls, v, tls)),
    ("sources.ca_bundle", |c, v| optional(&mut c.sources.ca_bundle, v, bundle)),
    ("buckets.roles", |c, v| put(&mut c.buckets.roles, v, bucket_roles)),
    ("users.naming", |c, v| put(&mut c.user_naming, v, naming)),
    ("calls.attempts", |c, v| put(&mut c.calls.attempts, v, number)),
    ("calls.attempt_timeout_seconds", |c, v| put(&mut c.calls.attempt_timeout, v, seconds)),
];

/// What file and variables make of the defaults, and what is wrong with them.
pub(super) fn read<N, V>(file: Option<&str>, variables: impl IntoIterator<Item = (N, V)>) -> (Config, Vec<String>)
where
    N: AsRef<OsStr>,
    V: AsRef<OsStr>,
{
    let (mut config, mut mistakes) = (Config::default(), Vec::new());
    let mut given = BTreeMap::new();
    match file.map(str::parse::<toml::Table>).transpose() {
        Ok(table) => flatten("", table.unwrap_or_default(), &mut given),
        // The rest of the parser's words quotes the file.
        Err(error) => mistakes.push(format!("the file is no TOML: {}", error.message())),
    }
    for (name, value) in &given {
        match KEYS.iter().find(|(key, _)| key == name) {
            Some((_, set)) => mistakes.extend(set(&mut config, value).err().map(|what| format!("{name} {what}"))),
            None => mistakes.push(format!("{name} is no key that there is")),
        }
    }
    for (name, value) in variables {
        let name = name.as_ref();
        if !name.as_encoded_bytes().starts_with(PREFIX.as_bytes()) {
            continue;
        }
        let (Some(name), Some(value)) = (name.to_str(), value.as_ref().to_str()) else {
            mistakes.push(format!("{} is not text", name.display()));
            continue;
        };
        let rest = name.strip_prefix(PREFIX).unwrap_or_default();
        let value = Value::String(value.to_owned());
        match KEYS.iter().find(|(key, _)| key.replace('.', "_").to_ascii_uppercase() == rest) {
            Some((_, set)) => mistakes.extend(set(&mut config, &value).err().map(|what| format!("{name} {what}"))),
            None => mistakes.push(format!("{name} is no variable that there is")),
        }
    }
    (config, mistakes)
}

fn flatten(prefix: &str, table: toml::Table, given: &mut BTreeMap<String, Value>) {
    for (name, value) in table {
        let key = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
        match value {
            Value::Table(inner) => flatten(&key, inner, given),
            value => {
                given.insert(key, value);
            }
        }
    }
}

fn put<T>(place: &mut T, value: &Value, read: fn(&Value) -> Result<T, String>) -> Result<(), String> {
    *place = read(value)?;
    Ok(())
}

/// An empty text takes a value of the file back.
fn optional<T>(place: &mut Option<T>, value: &Value, read: fn(&Value) -> Result<T, String>) -> Result<(), String> {
    *place = if value.as_str() == Some("") { None } else { Some(read(value)?) };
    Ok(())
}

fn text(value: &Value) -> Result<String, String> {
    value.as_str().map(str::to_owned).ok_or_else(|| "must be text".to_owned())
}

fn parsed<T: std::str::FromStr<Err = dzconn_core::Error>>(value: &Value) -> Result<T, String> {
    text(value)?.parse().map_err(|error: dzconn_core::Error| format!("is wrong: {}", error.detail()))
}

/// A variable is text; in a file a number is written as one.
fn number<T: TryFrom<i64>>(value: &Value) -> Result<T, String> {
    let number = value.as_integer().or_else(|| value.as_str().and_then(|text| text.trim().parse().ok()));
    number
        .and_then(|number| T::try_from(number).ok())
        .ok_or_else(|| "must be a whole number, and not too large".to_owned())
}

fn flag(value: &Value) -> Result<bool, String> {
    let flag = value.as_bool().or_else(|| value.as_str().and_then(|text| text.trim().parse().ok()));
    flag.ok_or_else(|| "must be true or false".to_owned())
}

fn seconds(value: &Value) -> Result<Duration, String> {
    number::<u32>(value).map(|seconds| Duration::from_secs(seconds.into()))
}

fn list(value: &Value) -> Result<Vec<String>, String> {
    let wrong = || "must be a list of texts".to_owned();
    match value {
        Value::String(text) => {
            Ok(text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect())
        }
        Value::Array(items) => items.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(wrong)).collect(),
        _ => Err(wrong()),
    }
}

/// `key=value`, each.
fn pairs(value: &Value) -> Result<BTreeMap<String, String>, String> {
    let pair = |item: String| {
        let (key, value) = item.split_once('=').ok_or_else(|| format!("has {item:?}, which is no key=value"))?;
        Ok((key.trim().to_owned(), value.trim().to_owned()))
    };
    list(value)?.into_iter().map(pair).collect()
}

/// `bucket=account` or `bucket=role`, each.
fn bucket_roles(value: &Value) -> Result<BTreeMap<String, BucketRole>, String> {
    let wrong = |bucket: &str| format!("has neither an account nor a role's ARN for {bucket}");
    let is_account = |text: &str| text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
    let read = |(bucket, who): (String, String)| {
        let parts: Vec<_> = who.splitn(6, ':').collect();
        let account = match *parts.as_slice() {
            [account] if is_account(account) => account,
            ["arn", _, "iam", "", account, name] if is_account(account) && name.starts_with("role/") => account,
            _ => return Err(wrong(&bucket)),
        };
        let account: AccountId = account.parse().map_err(|_| wrong(&bucket))?;
        let role = if is_account(&who) { BucketRole::In(account) } else { BucketRole::As(who, account) };
        Ok((bucket, role))
    };
    pairs(value)?.into_iter().map(read).collect()
}

fn tls(value: &Value) -> Result<TlsMode, String> {
    Ok(match value.as_str() {
        Some("disable") => TlsMode::Disable,
        Some("require") => TlsMode::Require,
        Some("verify-ca") => TlsMode::VerifyCa,
        Some("verify-full") => TlsMode::VerifyFull,
        _ => return Err("must be disable, require, verify-ca or verify-full".to_owned()),
    })
}

fn naming(value: &Value) -> Result<UserNaming, String> {
    Ok(match value.as_str() {
        Some("per-connection") => UserNaming::PerConnection,
        Some("per-environment") => UserNaming::PerEnvironment,
        _ => return Err("must be per-connection or per-environment".to_owned()),
    })
}

/// A file with PEM certificates.
fn bundle(value: &Value) -> Result<CaBundle, String> {
    let path = text(value)?;
    let pem = std::fs::read(&path).map_err(|error| format!("cannot be read from {path}: {error}"))?;
    CaBundle::from_pem(pem).map_err(|error| format!("is wrong: {}", error.detail()))
}

#[cfg(test)]
pub(super) fn keys() -> impl Iterator<Item = &'static str> {
    KEYS.iter().map(|(key, _)| *key)
}
