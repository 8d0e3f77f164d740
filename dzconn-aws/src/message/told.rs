//! What a message may tell: no password, token or login, under whatever name or in whatever text.

use dzconn_core::model::{JdbcUrl, Target};
use serde_json::{Map, Value};

const PASSWORDS: [&str; 4] = ["password", "passwd", "passphrase", "pwd"];

/// What may follow `secret` in the name of a member that only says something about a secret.
const ABOUT_SECRETS: [&str; 13] = [
    "arn",
    "arns",
    "id",
    "ids",
    "name",
    "names",
    "versionid",
    "account",
    "region",
    "deleted",
    "deletiondate",
    "recoverywindowindays",
    "details",
];

/// These end in `secret` and are flags.
const FLAGS: [&str; 2] = ["newsubscriptionsecret", "deletesecret"];

/// Whether a member or property of this name holds a credential. `SECRET_ID` and `SecretArn` name a secret and hold none.
pub(super) fn is_credential(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let plain: String = lower.chars().filter(char::is_ascii_alphanumeric).collect();
    if names_password(&lower) || names_password(&plain) || lower.contains("encrypted_") {
        return true;
    }
    // DataZone's, which tells a repeated request from another.
    if plain == "clienttoken" {
        return false;
    }
    let holds = ["token", "credential", "privatekey", "accesskey", "secretkey"];
    if holds.iter().any(|hidden| plain.contains(hidden)) {
        return true;
    }
    let Some((_, about)) = plain.rsplit_once("secret") else { return false };
    let says = |about| ABOUT_SECRETS.contains(&about);
    !(FLAGS.contains(&&*plain) || says(about) || about.strip_prefix('s').is_some_and(says))
}

fn names_password(lower: &str) -> bool {
    PASSWORDS.iter().any(|hidden| lower.contains(hidden))
}

/// Members without credentials, at any depth.
pub(super) fn members(members: Map<String, Value>) -> Map<String, Value> {
    let told = members.into_iter().filter(|(name, _)| !is_credential(name));
    told.filter_map(|(name, value)| Some((name, self::value(value)?))).collect()
}

fn value(value: Value) -> Option<Value> {
    Some(match value {
        Value::Object(all) => Value::Object(members(all)),
        Value::Array(all) => Value::Array(all.into_iter().filter_map(self::value).collect()),
        Value::String(text) => Value::String(self::text(text)?),
        other => other,
    })
}

/// Text as it is if it surely holds no login. A URL that may hold one is cut to where it leads, and JSON in text loses the
/// members that may; of other text nothing is left.
pub(super) fn text(text: String) -> Option<String> {
    if text.trim_start().starts_with(['{', '['])
        && let Ok(inner) = serde_json::from_str::<Value>(&text)
    {
        let told = value(inner.clone())?;
        return Some(if told == inner { text } else { told.to_string() });
    }
    let lower = text.to_ascii_lowercase();
    if lower.contains("://") || lower.starts_with("jdbc:") {
        return without_login(text, &lower);
    }
    (!assigns_login(&lower) && !lower.contains("private key-----")).then_some(text)
}

/// Whether there is something like `password=`, `"pwd": ` or `User ID = `, as in connection strings, files of properties and
/// what somebody logged.
fn assigns_login(lower: &str) -> bool {
    let assigned = |word: &str, signs: &[char], tail: fn(char) -> bool| {
        lower.match_indices(word).any(|(at, _)| {
            let rest = lower[at + word.len()..].trim_start_matches(tail);
            rest.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '\\')).starts_with(signs)
        })
    };
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    // A colon follows these in ARNs, and in what AWS says of who may not do what.
    let others = ["user", "username", "user id", "userid", "uid", "user name", "secret", "token", "credential"];
    let keys = ["access_key", "accesskey", "private_key", "privatekey", "secret_key", "secretkey", "credentials"];
    PASSWORDS.iter().any(|hidden| assigned(hidden, &['=', ':'], word))
        || others.iter().chain(&keys).any(|hidden| assigned(hidden, &['='], |_| false))
}

/// A URL as it is if it surely holds no login, cut to where it leads if it can be read, else nothing.
fn without_login(url: String, lower: &str) -> Option<String> {
    let words = names_password(lower)
        || assigns_login(lower)
        || ["token", "secret", "credential"].iter().any(|word| lower.contains(word));
    // Oracle's URLs have an @ before the address even without a login.
    let login = match lower.find('@') {
        None => false,
        Some(at) => {
            !(lower.starts_with("jdbc:oracle:")
                && lower.matches('@').count() == 1
                && matches!(lower.get(..at), Some("jdbc:oracle:thin:" | "jdbc:oracle:thin://" | "jdbc:oracle:")))
        }
    };
    if !words && !login {
        return Some(url);
    }
    let endpoint = url.parse::<JdbcUrl>().ok()?.endpoint;
    // A descriptor may hold anything.
    (!matches!(endpoint.target, Target::Descriptor(_))).then(|| endpoint.jdbc_url())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn text_that_assigns_a_login_is_not_told() {
        for login in [
            "Server=h;Password=hunter2",
            "Server=h;User ID = sa;Database=d",
            "host=h user=scott",
            "host=h dbname=d PWD = 'hunter2'",
            "spring.datasource.password: hunter2",
            "password_1=hunter2",
            "AWS_SECRET_ACCESS_KEY=hunter2",
            "client_secret=hunter2",
            "logged: {\\\"password\\\": \\\"hunter2\\\"}",
            "-----BEGIN RSA PRIVATE KEY-----\nhunter2",
        ] {
            assert_eq!(text(login.into()), None, "{login}");
        }
        for fine in [
            "",
            "None",
            "Server=h;Database=d",
            "arn:aws:secretsmanager:eu-west-1:111122223333:secret:rds!cluster-1-MnOpQr",
            "User: arn:aws:sts::1:assumed-role/r/s is not authorized to perform: secretsmanager:GetSecretValue",
            "the password was refused",
            r#"{"SecretName": "x",  "clientToken": "y"}"#,
            "{not JSON}",
        ] {
            assert_eq!(text(fine.into()).as_deref(), Some(fine));
        }
        let output = r#"{"password":"hunter2","deep":["Server=h;Pwd=hunter2",{"token":"hunter2","n":1}]}"#;
        assert_eq!(text(output.into()).as_deref(), Some(r#"{"deep":[{"n":1}]}"#));
        assert_eq!(text("jdbc:mysql://h/d?user=scott".into()).as_deref(), Some("jdbc:mysql://h:3306/d"));
    }

    #[test]
    fn members_are_looked_at_by_name_and_by_value() {
        let all = json!({
            "Secret": "hunter2", "SecretString": "hunter2", "secretValue": "hunter2", "SessionToken": "hunter2",
            "Credentials": {"SecretAccessKey": "hunter2"}, "access-key": "hunter2", "pass_phrase": "hunter2",
            "note": "Server=h;Pwd=hunter2", "list": ["password=hunter2", "kept"],
            "url": "jdbc:postgresql://scott:hunter2@h/sales", "deep": {"deep": [{"text": "pwd: hunter2"}]},
            "SecretArn": "a", "shared_secret_arn": "b", "SecretsArn": "c", "SecretDeleted": "false", "DeleteSecret": "true",
        });
        let told = members(all.as_object().unwrap().clone());
        let wanted = json!({
            "list": ["kept"], "url": "jdbc:postgresql://h:5432/sales", "deep": {"deep": [{}]}, "SecretArn": "a",
            "shared_secret_arn": "b", "SecretsArn": "c", "SecretDeleted": "false", "DeleteSecret": "true",
        });
        assert_eq!(Value::Object(told), wanted);
    }
}
