//! A connection's properties, and what they say.

use std::collections::BTreeMap;

use aws_sdk_glue::types::Connection;
use dzconn_core::model::{AdminLogin, JdbcUrl, SourceEndpoint, Target};
use dzconn_core::{Error, ErrorKind, Result, Secret};

/// The properties of a connection, by name in upper case. They may hold a password, so there is no `Debug`.
///
/// A connection of schema version 1 has all of them in one map. Version 2 has others beside, one for each compute environment
/// (AWS Glue API, "Connection"); what the common map says wins.
pub(super) struct Properties(BTreeMap<String, String>);

impl Properties {
    pub(super) fn of(connection: &Connection) -> Self {
        let environments = [&connection.python_properties, &connection.athena_properties, &connection.spark_properties];
        let special = environments.into_iter().flatten().flatten().map(|(name, value)| (name.as_str(), value));
        let common = connection.connection_properties.iter().flatten().map(|(name, value)| (name.as_str(), value));
        Self::from_pairs(special.chain(common))
    }

    pub(super) fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a String)>) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.to_ascii_uppercase(), value.clone())).collect())
    }

    /// A property that says something.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    fn first(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.get(name))
    }

    /// A property that is true or false.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>> {
        match self.get(name) {
            None => Ok(None),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
            Some(_) => Err(wrong(format!("the connection's {name} is neither true nor false"))),
        }
    }
}

/// Where a connection leads: its URL if it has one, else host, port and database.
pub(super) struct Place {
    pub(super) endpoint: SourceEndpoint,
    pub(super) url: Option<JdbcUrl>,
}

impl Place {
    /// Reads a connection of type `JDBC` (`JDBC_CONNECTION_URL`, or `HOST`, `PORT` and `JDBC_ENGINE`), or of one engine's own
    /// type (`HOST`, `PORT`, `DATABASE`).
    ///
    /// # Errors
    /// [`ErrorKind::UnknownEngine`] for a connection to something else than a database with users, and
    /// [`ErrorKind::InvalidInput`] for one that does not say where it leads.
    pub(super) fn of(kind: &str, said: &Properties) -> Result<Self> {
        let engine = match kind.to_ascii_uppercase().as_str() {
            "JDBC" => None,
            "MYSQL" => Some("mysql"),
            "POSTGRESQL" => Some("postgresql"),
            "SQLSERVER" => Some("sqlserver"),
            "ORACLE" => Some("oracle"),
            _ => {
                return Err(Error::new(
                    ErrorKind::UnknownEngine,
                    format!(
                        "the connection is one of type {kind}, which leads to no database that users can be made on"
                    ),
                )
                .advise("publish the asset from a connection of type JDBC, MYSQL, POSTGRESQL, SQLSERVER or ORACLE"));
            }
        };
        if let Some(text) = said.get("JDBC_CONNECTION_URL") {
            let url: JdbcUrl = text.parse()?;
            if let Some(engine) = engine
                && engine != url.endpoint.subprotocol
                && !(engine == "mysql" && url.endpoint.subprotocol == "mariadb")
            {
                return Err(wrong(format!("the connection is one of type {kind}, and its URL is for another engine")));
            }
            return Ok(Self { endpoint: url.endpoint.clone(), url: Some(url) });
        }
        let named = said.get("JDBC_ENGINE").map(str::to_ascii_lowercase);
        let subprotocol = match engine.or(named.as_deref()) {
            Some("postgres" | "aurora-postgresql") => "postgresql".to_owned(),
            Some("aurora-mysql") => "mysql".to_owned(),
            Some(other) => other.to_owned(),
            None => {
                return Err(wrong("the connection has neither a JDBC_CONNECTION_URL nor HOST, PORT and JDBC_ENGINE"));
            }
        };
        Ok(Self { endpoint: endpoint(subprotocol, said)?, url: None })
    }
}

fn endpoint(subprotocol: String, said: &Properties) -> Result<SourceEndpoint> {
    let host = said.get("HOST").ok_or_else(|| wrong("the connection names no HOST"))?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if !host.chars().all(|c| c.is_alphanumeric() || "-_.:%".contains(c)) {
        return Err(wrong("the connection's HOST is neither a name nor an address"));
    }
    let port = match said.get("PORT") {
        Some(text) => text.parse().ok().filter(|port| *port > 0),
        None => SourceEndpoint::default_port(&subprotocol),
    };
    let port = port.ok_or_else(|| wrong("the connection's PORT is missing or none: ports are 1 to 65535"))?;
    let target = match said.get("DATABASE") {
        None => Target::Default,
        // Oracle's driver is given `host:port/service`.
        Some(name) if subprotocol == "oracle" => Target::Service(name.to_owned()),
        Some(name) => Target::Database(name.to_owned()),
    };
    Ok(SourceEndpoint { subprotocol, host: host.to_owned(), port, instance: None, target })
}

/// Where a connection has its credentials.
pub(super) enum Login {
    /// In this secret: a name or an ARN.
    Secret(String),
    /// In its properties, or in its URL.
    Plain(AdminLogin),
    /// In its properties, but the password was not asked for.
    Hidden,
}

impl Login {
    /// Where the credentials are: `SECRET_ID` (version 1), else `AuthenticationConfiguration.SecretArn` (version 2), else
    /// `USERNAME` and `PASSWORD`, else the URL.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if there are none, or none that can be used.
    pub(super) fn of(connection: &Connection, said: &Properties, url: Option<&JdbcUrl>, hidden: bool) -> Result<Self> {
        let authentication = connection.authentication_configuration();
        let secret_arn = authentication.and_then(|by| by.secret_arn()).map(str::trim).filter(|arn| !arn.is_empty());
        // `secretId` is what the connectors of compute environments call it.
        if let Some(secret) = said.first(&["SECRET_ID", "SECRETID"]).or(secret_arn) {
            return Ok(Self::Secret(secret.to_owned()));
        }
        let in_secret = "keep user name and password of the admin in Secrets Manager, and name that secret in the \
            connection's SECRET_ID";
        if let Some(user) = said.first(&["USERNAME", "USER_NAME"]) {
            // Not trimmed, as blanks may belong to a password.
            if let Some(password) = said.0.get("PASSWORD").filter(|password| !password.is_empty()) {
                let password = Secret::new(password.clone());
                return Ok(Self::Plain(AdminLogin { user: user.to_owned(), password }));
            }
            if hidden {
                return Ok(Self::Hidden);
            }
            return Err(wrong(if said.get("ENCRYPTED_PASSWORD").is_some() {
                "the Data Catalog's settings keep the connection's password encrypted"
            } else {
                "the connection has a USERNAME and no PASSWORD"
            })
            .advise(in_secret));
        }
        if let Some((user, password)) = url.and_then(|url| url.credentials.clone()) {
            return Ok(Self::Plain(AdminLogin { user, password }));
        }
        Err(wrong("the connection names no secret, and has no user name and password either").advise(in_secret))
    }
}

fn wrong(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidInput, what)
}
