//! An address as a JDBC URL.

use crate::model::{Credentials, SourceEndpoint, Target};

impl SourceEndpoint {
    /// The address as its engine's driver reads it; [`JdbcUrl`](crate::model::JdbcUrl) reads it back. No property is in it.
    #[must_use]
    pub fn jdbc_url(&self) -> String {
        let Self { subprotocol, port, .. } = self;
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        match (subprotocol.as_str(), &self.target) {
            ("sqlserver", target) => {
                let place = match &self.instance {
                    Some(instance) => format!("{host}\\{instance}"),
                    None => format!("{host}:{port}"),
                };
                let database = name_of(target).map(|name| format!(";databaseName={}", braced(name)));
                format!("jdbc:sqlserver://{place}{}", database.unwrap_or_default())
            }
            ("oracle", Target::Descriptor(descriptor)) => format!("jdbc:oracle:thin:@{descriptor}"),
            ("oracle", Target::Sid(sid)) => format!("jdbc:oracle:thin:@{host}:{port}:{sid}"),
            ("oracle", target) => format!("jdbc:oracle:thin:@//{host}:{port}/{}", name_of(target).unwrap_or_default()),
            (_, target) => match name_of(target) {
                Some(name) => format!("jdbc:{subprotocol}://{host}:{port}/{}", percent(name)),
                None => format!("jdbc:{subprotocol}://{host}:{port}"),
            },
        }
    }
}

impl Credentials {
    /// Where to log in, as a JDBC URL, without user and password.
    #[must_use]
    pub fn jdbc_url(&self) -> String {
        let mut endpoint = self.endpoint.clone();
        if let (Some(name), Target::Default | Target::Database(_)) = (&self.database, &endpoint.target) {
            endpoint.target = match endpoint.subprotocol.as_str() {
                "oracle" => Target::Service(name.clone()),
                _ => Target::Database(name.clone()),
            };
        }
        endpoint.jdbc_url()
    }
}

fn name_of(target: &Target) -> Option<&str> {
    match target {
        Target::Default | Target::Descriptor(_) => None,
        Target::Database(name) | Target::Service(name) | Target::Sid(name) => Some(name),
    }
}

/// In braces whatever would end the value, or be trimmed ("Building the connection URL", escaped values).
fn braced(name: &str) -> String {
    let plain = name.chars().all(|c| c.is_alphanumeric() || "_-.$#@".contains(c));
    if plain { name.to_owned() } else { format!("{{{}}}", name.replace('}', "}}")) }
}

/// Everything but letters and digits of ASCII as percent codes.
fn percent(name: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    name.bytes().map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::JdbcUrl;

    fn endpoint(subprotocol: &str, host: &str, target: Target) -> SourceEndpoint {
        let port = SourceEndpoint::default_port(subprotocol).unwrap_or(1);
        SourceEndpoint { subprotocol: subprotocol.to_owned(), host: host.to_owned(), port, instance: None, target }
    }

    #[test]
    fn an_address_is_written_as_its_driver_reads_it() {
        let database = |name: &str| Target::Database(name.to_owned());
        let descriptor = "(DESCRIPTION=(ADDRESS=(HOST=h)(PORT=1521))(CONNECT_DATA=(SERVICE_NAME=s)))";
        for (subprotocol, host, target, url) in [
            ("postgresql", "db", database("my db/1"), "jdbc:postgresql://db:5432/my%20db%2F1"),
            ("postgresql", "::1", Target::Default, "jdbc:postgresql://[::1]:5432"),
            ("mariadb", "db", database("x"), "jdbc:mariadb://db:3306/x"),
            ("sqlserver", "db", Target::Default, "jdbc:sqlserver://db:1433"),
            ("sqlserver", "db", database("sales"), "jdbc:sqlserver://db:1433;databaseName=sales"),
            ("sqlserver", "::1", database("a;b}c"), "jdbc:sqlserver://[::1]:1433;databaseName={a;b}}c}"),
            ("oracle", "db", Target::Service("s.example".into()), "jdbc:oracle:thin:@//db:1521/s.example"),
            ("oracle", "db", Target::Sid("ORCL".into()), "jdbc:oracle:thin:@db:1521:ORCL"),
            ("oracle", "h", Target::Descriptor(descriptor.into()), &format!("jdbc:oracle:thin:@{descriptor}")),
        ] {
            let endpoint = endpoint(subprotocol, host, target);
            assert_eq!(endpoint.jdbc_url(), url);
            assert_eq!(url.parse::<JdbcUrl>().unwrap().endpoint, endpoint);
        }
        let mut named = endpoint("sqlserver", "db", Target::Default);
        named.instance = Some("SALES".to_owned());
        assert_eq!(named.jdbc_url(), "jdbc:sqlserver://db\\SALES");
        assert_eq!(named.jdbc_url().parse::<JdbcUrl>().unwrap().endpoint, named);
    }

    proptest! {
        #[test]
        fn any_databases_name_comes_back(
            subprotocol in prop::sample::select(vec!["mysql", "mariadb", "postgresql", "sqlserver"]),
            name in "[^\\pC]{1,20}",
        ) {
            let endpoint = endpoint(subprotocol, "db.internal", Target::Database(name));
            prop_assert_eq!(endpoint.jdbc_url().parse::<JdbcUrl>().unwrap().endpoint, endpoint);
        }
    }
}
