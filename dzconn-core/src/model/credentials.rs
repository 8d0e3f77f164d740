//! What a consumer needs to log in.

use serde_json::{Map, Value};

use crate::model::{DomainId, EnvironmentId, ProjectId, SourceEndpoint, Target, UserName};
use crate::{Error, ErrorKind, Result, Secret};

/// One user's credentials for one source: everything that a consumer's client needs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Credentials {
    /// Where to log in.
    pub endpoint: SourceEndpoint,
    /// The database to open, where the engine has one.
    pub database: Option<String>,
    /// The user.
    pub user: UserName,
    /// The password.
    pub password: Secret,
    /// Whether the source is to be reached through TLS; `None` where that is not known.
    pub ssl: Option<bool>,
}

impl Credentials {
    /// The JSON object that a secret holds, in the spelling that AWS's own tools read (Glue connections, Athena connectors,
    /// RDS rotation): `engine`, `host`, `port` (number), `dbname`, `db_name` (the same again), `username`, `password`, `ssl`.
    #[must_use]
    pub fn to_json(&self) -> Secret {
        let mut object = Map::new();
        let mut put = |name: &str, value: Value| object.insert(name.to_owned(), value);
        put("engine", secret_engine(&self.endpoint.subprotocol).into());
        put("host", self.endpoint.host.clone().into());
        put("port", self.endpoint.port.into());
        if let Some(database) = &self.database {
            put("dbname", database.clone().into());
            put("db_name", database.clone().into());
        }
        put("username", self.user.as_str().into());
        put("password", self.password.expose().into());
        if let Some(ssl) = self.ssl {
            put("ssl", ssl.into());
        }
        Secret::new(Value::Object(object).to_string())
    }

    /// Reads such an object, also in an older system's spelling: `engine: postgresql`, `port` as text, `db_name` alone.
    ///
    /// # Errors
    /// [`ErrorKind::SecretInvalid`], naming the member that is missing or wrong, never its value.
    pub fn from_json(text: &Secret) -> Result<Self> {
        let wrong = |what: &str| {
            Error::new(ErrorKind::SecretInvalid, format!("the secret {what}"))
                .advise("its value must be a JSON object with engine, host, port, dbname, username and password")
        };
        // The parser's own error may quote the text.
        let Ok(Value::Object(object)) = serde_json::from_str::<Value>(text.expose()) else {
            return Err(wrong("is not a JSON object"));
        };
        let string =
            |name: &str| object.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
        let required = |name: &str| string(name).ok_or_else(|| wrong(&format!("has no {name}")));
        let port = match object.get("port") {
            Some(Value::Number(port)) => port.as_u64().and_then(|port| u16::try_from(port).ok()),
            Some(Value::String(port)) => port.parse().ok(),
            _ => None,
        };
        let subprotocol = subprotocol(&required("engine")?);
        let database = string("dbname").or_else(|| string("db_name"));
        Ok(Self {
            endpoint: SourceEndpoint {
                host: required("host")?,
                port: port.ok_or_else(|| wrong("has no port"))?,
                instance: None,
                target: match database.clone() {
                    None => Target::Default,
                    Some(name) if subprotocol == "oracle" => Target::Service(name),
                    Some(name) => Target::Database(name),
                },
                subprotocol,
            },
            database,
            user: UserName::new(required("username")?)
                .map_err(|_| wrong("has a username that is none: 1 to 128 characters, no NUL"))?,
            password: Secret::new(required("password")?),
            ssl: object.get("ssl").and_then(Value::as_bool),
        })
    }
}

/// A sub-protocol in the spelling of AWS's secrets; common clients reject `mariadb`.
fn secret_engine(subprotocol: &str) -> &str {
    match subprotocol {
        "postgresql" => "postgres",
        "mariadb" => "mysql",
        other => other,
    }
}

fn subprotocol(engine: &str) -> String {
    match engine {
        "postgres" | "aurora-postgresql" => "postgresql",
        "aurora-mysql" => "mysql",
        other => other,
    }
    .to_owned()
}

/// What a secret is tagged with, so that its owner can be told from the secret alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SecretTags {
    /// The domain.
    pub domain: DomainId,
    /// The consumer's project.
    pub project: ProjectId,
    /// The consumer's environment.
    pub environment: EnvironmentId,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Credentials> {
        Credentials::from_json(&Secret::new(json.to_owned()))
    }

    #[test]
    fn a_secret_is_written_as_aws_tools_read_it_and_read_back() {
        let credentials = Credentials {
            endpoint: SourceEndpoint {
                subprotocol: "postgresql".into(),
                host: "db.internal".into(),
                port: 5432,
                instance: None,
                target: Target::Database("sales".into()),
            },
            database: Some("sales".into()),
            user: UserName::new("dz_env_1").unwrap(),
            password: Secret::new("s3cret".into()),
            ssl: Some(true),
        };
        let json: Value = serde_json::from_str(credentials.to_json().expose()).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"engine": "postgres", "host": "db.internal", "port": 5432, "dbname": "sales",
                "db_name": "sales", "username": "dz_env_1", "password": "s3cret", "ssl": true})
        );
        assert_eq!(read(&json.to_string()).unwrap(), credentials);
    }

    #[test]
    fn the_older_spelling_is_read() {
        let old =
            read(r#"{"engine":"postgresql","host":"h","port":"5432","db_name":"d","username":"u","password":"p"}"#)
                .unwrap();
        assert_eq!(
            (old.endpoint.subprotocol.as_str(), old.endpoint.port, old.database.as_deref()),
            ("postgresql", 5432, Some("d"))
        );
    }

    #[test]
    fn a_secret_of_the_wrong_shape_is_named_without_its_value() {
        for json in [
            "",
            "[]",
            "hunter2",
            r#"{"password":"hunter2"}"#,
            r#"{"engine":"mysql","host":"h","port":99999,"password":"hunter2","username":"u"}"#,
        ] {
            let error = read(json).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::SecretInvalid, "{json}");
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
    }
}
