//! The connection that a table comes from.

use std::collections::BTreeMap;
use std::fmt;

use dzconn_core::model::{AssetPath, ConnectionId, Location};
use dzconn_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::{MaybeNone, Others, told};
use crate::glue::ConnectionArn;

/// `ConnectionDetails`: which connection, and what in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ConnectionDetails {
    /// The connection's type, such as `JDBC`.
    pub connection_type: String,
    /// Its ARN.
    pub connection_arn: ConnectionId,
    /// Its name.
    pub connection_name: String,
    /// Its properties, without credentials.
    #[serde(default)]
    pub connection_properties: ConnectionProperties,
    /// The path of the table in the source.
    pub connection_asset_name: AssetPath,
    /// The crawler that wrote the table in the catalogue.
    #[serde(default)]
    pub connection_crawler_name: MaybeNone<String>,
    /// What else there is.
    #[serde(flatten)]
    pub others: Others,
}

impl ConnectionDetails {
    /// Where the asset is.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if the ARN is none of a Glue connection.
    pub fn location(&self) -> Result<Location> {
        let arn = ConnectionArn::parse(&self.connection_arn)?;
        if arn.name != self.connection_name {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("the connection {} is not the one named {:?}", self.connection_arn, self.connection_name),
            ));
        }
        Ok(Location {
            connection: self.connection_arn.clone(),
            path: self.connection_asset_name.clone(),
            owner: arn.owner,
        })
    }
}

/// A connection's properties without credentials.
///
/// Left out are properties that are named like a password, token or key pair, but not those that name a secret
/// (`SECRET_ID`). A URL that holds a user or password, or may hold one, is cut to where it leads; one that cannot be read is
/// left out, as is other text that assigns one (`Password=`). It makes no difference whether they come from Glue or from another step's message.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ConnectionProperties(BTreeMap<String, String>);

impl ConnectionProperties {
    /// Takes over what may be told.
    #[must_use]
    pub fn new(properties: impl IntoIterator<Item = (String, String)>) -> Self {
        let properties = properties.into_iter().filter(|(name, _)| !told::is_credential(name));
        Self(properties.filter_map(|(name, value)| Some((name, told::text(value)?))).collect())
    }

    /// One of them.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl fmt::Debug for ConnectionProperties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for ConnectionProperties {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = |(name, value)| match value {
            Value::String(text) => Some((name, text)),
            Value::Bool(_) | Value::Number(_) => Some((name, value.to_string())),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        };
        Ok(Self::new(Map::deserialize(deserializer)?.into_iter().filter_map(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(name: &str, value: &str) -> Option<String> {
        ConnectionProperties::new([(name.to_owned(), value.to_owned())]).get(name).map(str::to_owned)
    }

    #[test]
    fn no_credential_is_told() {
        for name in [
            "PASSWORD",
            "Password",
            "ENCRYPTED_PASSWORD",
            "KAFKA_CLIENT_KEYSTORE_PASSWORD",
            "ENCRYPTED_KAFKA_SASL_SCRAM_PASSWORD",
            "OAUTH_TOKEN",
            "CLIENT_SECRET",
            "AWS_SECRET_ACCESS_KEY",
            "PWD",
        ] {
            assert_eq!(told(name, "hunter2"), None, "{name}");
        }
        for (name, value) in [
            ("SECRET_ID", "arn:aws:secretsmanager:eu-west-1:111122223333:secret:rds/admin-AbCdEf"),
            ("KAFKA_SASL_SCRAM_SECRETS_ARN", "arn:aws:secretsmanager:eu-west-1:111122223333:secret:k-AbCdEf"),
            ("JDBC_ENFORCE_SSL", "true"),
            ("USERNAME", "admin"),
            ("HOST", "db.internal"),
            ("CONNECTION_STRING", "Server=db.internal;Database=sales"),
            ("CUSTOM_JDBC_CERT", "s3://bucket/ca.pem"),
            ("JDBC_CONNECTION_URL", "jdbc:postgresql://db.internal:5432/sales?sslmode=require"),
            ("JDBC_CONNECTION_URL", "jdbc:oracle:thin:@//db.internal:1521/sales"),
            ("JDBC_CONNECTION_URL", "jdbc:oracle:thin://@db.internal:1521/sales"),
        ] {
            assert_eq!(told(name, value).as_deref(), Some(value), "{name}");
        }
    }

    #[test]
    fn a_connection_string_with_a_login_is_left_out() {
        for text in ["Server=h;Password=hunter2", "Server=h;User Id=scott", "host=h user=scott", "h:1521 pwd: hunter2"]
        {
            assert_eq!(told("CONNECTION_STRING", text), None, "{text}");
        }
        let text = r#"{"host":"h","password":"hunter2"}"#;
        assert_eq!(told("CUSTOM", text).as_deref(), Some(r#"{"host":"h"}"#));
    }

    #[test]
    fn a_url_with_a_login_is_cut_to_where_it_leads() {
        for (url, wanted) in [
            ("jdbc:postgresql://scott:hunter2@h/sales", Some("jdbc:postgresql://h:5432/sales")),
            ("jdbc:mysql://h/sales?user=scott&password=hunter2", Some("jdbc:mysql://h:3306/sales")),
            ("jdbc:mysql://h/sales?password=hunter2", Some("jdbc:mysql://h:3306/sales")),
            ("jdbc:mysql://[::1]:1/?PASSWORD=hunter2", Some("jdbc:mysql://[::1]:1")),
            (
                "jdbc:sqlserver://h;databaseName=sales;user=scott;pwd=hunter2",
                Some("jdbc:sqlserver://h:1433;databaseName=sales"),
            ),
            ("jdbc:oracle:thin:scott/hunter2@//h:1521/sales", Some("jdbc:oracle:thin:@//h:1521/sales")),
            ("jdbc:oracle:thin:scott/hunter2@h:1521:SALES", Some("jdbc:oracle:thin:@h:1521:SALES")),
            ("jdbc:oracle:thin:scott/hun@ter2@//h:1521/sales", Some("jdbc:oracle:thin:@//h:1521/sales")),
            ("jdbc:oracle:thin:scott/hunter2@(DESCRIPTION=(ADDRESS=(HOST=h))(CONNECT_DATA=(SID=s)))", None),
            ("jdbc:postgresql://scott:hunt/er2@h/sales", None),
            ("mongodb://scott:hunter2@h/sales", None),
        ] {
            let told = told("JDBC_CONNECTION_URL", url);
            assert_eq!(told.as_deref(), wanted, "{url}");
            assert!(!told.unwrap_or_default().contains("er2"));
        }
    }
}
