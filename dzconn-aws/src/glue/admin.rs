//! The admin's login, out of a secret.

use crate::error::is_of_role;
use dzconn_core::model::{AdminLogin, Owner};
use dzconn_core::{Error, ErrorKind, Result, Secret};
use serde_json::{Map, Value};

use super::arn::{is_account, is_region};
use crate::accounts::Accounts;
use crate::secrets::admin_secret;

/// The login that a secret holds: one call.
///
/// It is read as the account of the connection, as Glue itself does it. A secret of another region is asked for there, one of
/// another account by its ARN, so that its resource policy must admit this account's role.
pub(super) async fn login(accounts: &Accounts, connection: &Owner, secret: &str) -> Result<AdminLogin> {
    check(secret)?;
    let client = accounts.clients(connection).await.secrets;
    let text = admin_secret(&client, secret).await.map_err(|error| explained(secret, error))?;
    parse(&text).map_err(|what| {
        Error::new(ErrorKind::SecretInvalid, format!("the admin secret {secret} {what}"))
            .advise("its value must be a JSON object with username and password")
    })
}

/// A catalogue's "not found" is about the connection: a secret that is missing is something else.
fn explained(secret: &str, error: Error) -> Error {
    match error.kind() {
        ErrorKind::NotFound => Error::new(ErrorKind::SecretGone, format!("the admin secret {secret} does not exist"))
            .advise("correct the connection's SECRET_ID; a secret of another account must be named by its full ARN"),
        ErrorKind::StoreDenied if !is_of_role(&error) => {
            let denied = Error::new(ErrorKind::StoreDenied, format!("the admin secret {secret} may not be read"));
            let denied = match error.vendor_code() {
                Some(code) => denied.vendor(code),
                None => denied,
            };
            denied.advise(
                "allow this role secretsmanager:GetSecretValue on it, and kms:Decrypt with its key; if it belongs to another \
                 account, its resource policy and the key's policy must allow it, too",
            )
        }
        _ => error,
    }
}

/// Whether this can be a secret's name, which has no colon, or ARN, `arn:PARTITION:secretsmanager:REGION:ACCOUNT:secret:NAME`.
fn check(secret: &str) -> Result<()> {
    match secret.split(':').collect::<Vec<_>>().as_slice() {
        [_] => Ok(()),
        ["arn", _, "secretsmanager", region, account, "secret", name]
            if is_region(region) && is_account(account) && !name.is_empty() =>
        {
            Ok(())
        }
        _ => {
            Err(Error::new(ErrorKind::InvalidInput, format!("{secret:?} is neither the name nor the ARN of a secret"))
                .advise("correct the connection's SECRET_ID"))
        }
    }
}

/// User and password out of a secret's text: `username` and `password`, as RDS and its rotation write them among others or
/// alone; `user` for `username`; any case, since Glue's own forms write capitals. Where both spellings are there, the one
/// that RDS writes wins.
///
/// What is wrong is said without any of the secret's text.
fn parse(text: &Secret) -> Result<AdminLogin, String> {
    // The parser's own error may quote the text.
    let Ok(Value::Object(object)) = serde_json::from_str::<Value>(text.expose()) else {
        return Err("is not a JSON object".to_owned());
    };
    let user = member(&object, &["username", "user", "user_name"])?;
    let password = member(&object, &["password"])?;
    Ok(AdminLogin { user, password: Secret::new(password) })
}

fn member(object: &Map<String, Value>, names: &[&str]) -> Result<String, String> {
    let exact = names.iter().find_map(|name| object.get(*name));
    let any_case = || {
        let same = |name: &&str| object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        names.iter().find_map(same)
    };
    let name = names.first().copied().unwrap_or_default();
    match exact.or_else(any_case) {
        Some(Value::String(text)) if text.contains('\0') => Err(format!("has a {name} with a NUL in it")),
        Some(Value::String(text)) if !text.is_empty() => Ok(text.clone()),
        Some(Value::Null) | None => Err(format!("has no {name}")),
        Some(Value::String(_)) => Err(format!("has an empty {name}")),
        Some(_) => Err(format!("has a {name} that is not text")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<AdminLogin, String> {
        parse(&Secret::new(text.to_owned()))
    }

    #[test]
    fn every_shape_of_a_login_is_read() {
        for text in [
            r#"{"username":"admin","password":"pa ss"}"#,
            r#"{"engine":"postgres","host":"h","port":5432,"dbname":"d","dbInstanceIdentifier":"i","username":"admin",
                "password":"pa ss"}"#,
            r#"{"engine":"postgresql","host":"h","port":"5432","db_name":"d","username":"admin","password":"pa ss"}"#,
            r#"{"user":"admin","password":"pa ss"}"#,
            r#"{"USERNAME":"admin","PASSWORD":"pa ss"}"#,
            r#"{"user":"other","username":"admin","password":"pa ss","Password":"other"}"#,
            "\n {\"Username\":\"admin\",\"Password\":\"pa ss\"} ",
        ] {
            let login = read(text).unwrap();
            assert_eq!((login.user.as_str(), login.password.expose()), ("admin", "pa ss"), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_without_the_text() {
        for (text, named) in [
            ("", "not a JSON object"),
            ("hunter2", "not a JSON object"),
            ("\"hunter2\"", "not a JSON object"),
            ("{\"username\":\"admin\",\"password\":\"hunter2\"", "not a JSON object"),
            (r#"["admin","hunter2"]"#, "not a JSON object"),
            (r#"{"password":"hunter2"}"#, "no username"),
            (r#"{"username":"admin","pass":"hunter2"}"#, "no password"),
            (r#"{"username":"admin","password":null}"#, "no password"),
            (r#"{"username":"","password":"hunter2"}"#, "empty username"),
            (r#"{"username":"admin","password":["hunter2"]}"#, "password that is not text"),
            (r#"{"username":"admin","password":"hunter2\u0000"}"#, "password with a NUL"),
        ] {
            let what = read(text).unwrap_err();
            assert!(what.contains(named), "{text}: {what}");
            assert!(!what.contains("hunter2"), "{what}");
        }
    }

    #[test]
    fn a_secret_is_named_by_name_or_arn() {
        for text in
            ["rds/admin", "a_b+c=d.e@f-g", "arn:aws-cn:secretsmanager:cn-north-1:111122223333:secret:rds!db-1-AbCdEf"]
        {
            assert!(check(text).is_ok(), "{text}");
        }
        for text in [
            "arn:aws:ssm:eu-west-2:111122223333:parameter/admin",
            "arn:aws:secretsmanager:eu-west-2:1:secret:n",
            "arn:aws:secretsmanager:evil.example/:111122223333:secret:n",
            "arn:aws:secretsmanager:eu-west-2:111122223333:secret:",
            "a:b",
        ] {
            assert_eq!(check(text).unwrap_err().kind(), ErrorKind::InvalidInput, "{text}");
        }
    }
}
