//! Secrets to write, under names of no other run of the suite.

#![allow(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "the texts are constant and valid; the tests of this module make them all"
)]

use crate::Secret;
use crate::model::{
    Credentials, DomainId, EnvironmentId, ProjectId, SecretName, SecretTags, SourceEndpoint, Target, UserName,
};
use crate::store::NewSecret;

/// What one rule writes.
#[derive(Clone, Debug)]
pub struct SecretSample {
    tag: String,
}

impl Default for SecretSample {
    fn default() -> Self {
        Self::new()
    }
}

impl SecretSample {
    /// A fresh one.
    #[must_use]
    pub fn new() -> Self {
        Self { tag: format!("{:016x}", rand::random::<u64>()) }
    }

    /// One of its names.
    #[must_use]
    pub fn name(&self, suffix: &str) -> SecretName {
        SecretName::new(format!("dz-conn-p-{}{suffix}", self.tag)).expect("a secret name")
    }

    /// A secret with this password.
    #[must_use]
    pub fn secret(&self, password: &str) -> NewSecret {
        NewSecret {
            credentials: Credentials {
                endpoint: SourceEndpoint {
                    subprotocol: "postgresql".to_owned(),
                    host: "db.internal".to_owned(),
                    port: 5432,
                    instance: None,
                    target: Target::Database("sales".to_owned()),
                },
                database: Some("sales".to_owned()),
                user: UserName::new("dz_environment_0a1b2c3d").expect("a user name"),
                password: Secret::new(password.to_owned()),
                ssl: Some(true),
            },
            tags: SecretTags {
                domain: DomainId::new("dzd_4abcdefghijkl").expect("a domain id"),
                project: ProjectId::new(format!("p-{}", self.tag)).expect("a project id"),
                environment: EnvironmentId::new(format!("e-{}", self.tag)).expect("an environment id"),
            },
        }
    }

    /// Secrets of every shape that can be written and read back without loss.
    #[must_use]
    pub fn awkward(&self) -> Vec<NewSecret> {
        let printable: String = (' '..='~').collect();
        let unicode = "pässwörd 密碼 пароль 🔑 e\u{301} \u{202e}\u{a0}";
        let control = "tab\tnewline\nreturn\rescape\u{1b}";
        let long = "0123456789abcdef".repeat(64);
        let spaces = "  spaces around  ";
        let mut secrets: Vec<_> =
            [printable.as_str(), unicode, control, &long, spaces, "-"].map(|text| self.secret(text)).into();

        let mut default = self.secret("nothing optional");
        default.credentials.endpoint.target = Target::Default;
        "mysql".clone_into(&mut default.credentials.endpoint.subprotocol);
        default.credentials.endpoint.port = 65_535;
        default.credentials.database = None;
        default.credentials.ssl = None;
        secrets.push(default);

        let mut names = self.secret("awkward names");
        let database = format!("{printable} – 売上");
        "2001:db8::1".clone_into(&mut names.credentials.endpoint.host);
        "sqlserver".clone_into(&mut names.credentials.endpoint.subprotocol);
        names.credentials.endpoint.target = Target::Database(database.clone());
        names.credentials.database = Some(database);
        names.credentials.user = UserName::new("DZ_\"'`\\;--ü").expect("a user name");
        names.credentials.ssl = Some(false);
        secrets.push(names);

        let mut service = self.secret("a service");
        "oracle".clone_into(&mut service.credentials.endpoint.subprotocol);
        service.credentials.endpoint.target = Target::Service("SALES.EXAMPLE.COM".to_owned());
        service.credentials.database = Some("SALES.EXAMPLE.COM".to_owned());
        secrets.push(service);
        secrets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_survives_the_form_that_stores_keep() {
        for secret in SecretSample::new().awkward() {
            assert_eq!(Credentials::from_json(&secret.credentials.to_json()).unwrap(), secret.credentials);
        }
    }
}
