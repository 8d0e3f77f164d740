//! Events about environments, as the portal publishes them.

use serde_json::Value;

use crate::model::{DomainId, EnvironmentId, ProjectId};
use crate::{Error, ErrorKind, Result, Step};

/// An environment has been deployed.
const DEPLOYED: &str = "Environment Deployment Completed";
/// An environment is about to be deleted.
const DELETING: &str = "Environment Deletion Started";

/// *Environment Deployment Completed* or *Environment Deletion Started*: a hint that something may have to be done.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EnvironmentEvent {
    /// The envelope's id.
    pub id: Option<String>,
    /// The domain.
    pub domain: DomainId,
    /// The environment.
    pub environment: EnvironmentId,
    /// Its project, if the event says it.
    pub project: Option<ProjectId>,
    /// Whether it is about the environment's end.
    pub ending: bool,
    /// Whether somebody has decided it by hand: that the environment is to be cleaned (`delete: true`), whatever the portal says; or
    /// that it is to be equipped, and is not to be cleaned if it is being deleted.
    pub by_hand: bool,
}

impl EnvironmentEvent {
    /// That an environment is to be looked at: to be equipped if it is active, to be cleaned if it is being deleted.
    #[must_use]
    pub const fn look_at(domain: DomainId, environment: EnvironmentId) -> Self {
        Self { id: None, domain, environment, project: None, ending: false, by_hand: false }
    }

    /// That an environment is to be equipped. One that is being deleted is left alone.
    #[must_use]
    pub const fn equip(domain: DomainId, environment: EnvironmentId) -> Self {
        Self { id: None, domain, environment, project: None, ending: false, by_hand: true }
    }

    /// That an environment is to be cleaned, whatever the portal says.
    #[must_use]
    pub const fn clean(domain: DomainId, environment: EnvironmentId) -> Self {
        Self { id: None, domain, environment, project: None, ending: true, by_hand: true }
    }

    /// Whether this JSON is about an environment, as far as can be told without reading it all.
    pub fn is_one(event: &Value) -> bool {
        let kind = event.get("detail-type").and_then(Value::as_str).unwrap_or_default();
        kind.starts_with("Environment ") || event.pointer("/detail/data/delete").is_some()
    }

    /// Reads an event as `EventBridge` delivers it (Amazon `DataZone` User Guide, "Events and notifications"), or one that was
    /// written by hand, with `delete: true` beside `environmentId`. Members that are not needed may be missing, and others may
    /// be there.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`], naming the member that is missing or wrong.
    pub fn from_json(text: &str) -> Result<Self> {
        let event: Value = serde_json::from_str(text).map_err(|error| malformed("is not JSON").because(error))?;
        let string = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
        let required =
            |what: &str, pointer: &str| string(pointer).ok_or_else(|| malformed(&format!("has no {what} ({pointer})")));
        if let Some(source) = string("/source")
            && source != "aws.datazone"
        {
            return Err(malformed(&format!("comes from {source:?}, not from aws.datazone")));
        }
        let by_hand = match event.pointer("/detail/data/delete") {
            None | Some(Value::Null | Value::Bool(false)) => false,
            Some(Value::Bool(true)) => true,
            Some(Value::String(text)) if text == "true" => true,
            Some(Value::String(text)) if text == "false" => false,
            Some(_) => return Err(malformed("has a \"delete\" that is neither true nor false")),
        };
        let ending = match event.get("detail-type").and_then(Value::as_str) {
            Some(DELETING) => true,
            Some(DEPLOYED) => by_hand,
            None if by_hand => true,
            None => return Err(malformed("has no kind (/detail-type)")),
            Some(other) => {
                return Err(malformed(&format!("is a {other:?}, which neither equips nor cleans an environment")));
            }
        };
        Ok(Self {
            id: string("/id").map(str::to_owned),
            domain: required("domain", "/detail/metadata/domain")?.parse()?,
            environment: required("environment", "/detail/data/environmentId")?.parse()?,
            project: string("/detail/data/projectId").map(str::parse).transpose()?,
            ending,
            by_hand,
        })
    }
}

fn malformed(what: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, format!("the event {what}")).at(Step::Input)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEPLOYED: &str = r#"{"version":"0","id":"e-1","detail-type":"Environment Deployment Completed","source":"aws.datazone",
        "detail":{"version":"1","metadata":{"id":"env1","domain":"dzd_1","typeName":"EnvironmentEntityType"},
        "data":{"projectId":"prj1","environmentId":"env1","environmentDeploymentId":"d1","extra":[1]}}}"#;

    #[test]
    fn an_event_is_read_leniently() {
        let event = EnvironmentEvent::from_json(DEPLOYED).unwrap();
        assert_eq!((event.environment.as_str(), event.ending, event.by_hand), ("env1", false, false));
        assert_eq!(event.project.map(String::from).as_deref(), Some("prj1"));
        let deleting = DEPLOYED.replace("Deployment Completed", "Deletion Started");
        let event = EnvironmentEvent::from_json(&deleting).unwrap();
        assert_eq!((event.ending, event.by_hand), (true, false));
        let by_hand = r#"{"detail":{"metadata":{"domain":"dzd_1"},"data":{"environmentId":"env1","delete":"true"}}}"#;
        assert!(EnvironmentEvent::is_one(&serde_json::from_str(by_hand).unwrap()));
        assert_eq!(
            EnvironmentEvent::from_json(by_hand).unwrap(),
            EnvironmentEvent::clean("dzd_1".parse().unwrap(), "env1".parse().unwrap())
        );
        let not = DEPLOYED.replace("\"extra\"", "\"delete\":false,\"extra\"");
        assert!(!EnvironmentEvent::from_json(&not).unwrap().by_hand);
    }

    #[test]
    fn what_is_missing_is_named() {
        for (from, to, named) in [
            ("\"dzd_1\"", "7", "domain"),
            ("\"environmentId\":\"env1\"", "\"environmentId\":\"\"", "environmentId"),
            ("Deployment Completed", "Deployment Failed", "Deployment Failed"),
            ("\"detail-type\"", "\"kind\"", "detail-type"),
            ("aws.datazone", "aws.s3", "aws.s3"),
            ("\"extra\":[1]", "\"delete\":[1]", "delete"),
            ("{\"version\":\"0\"", "", "JSON"),
        ] {
            let error = EnvironmentEvent::from_json(&DEPLOYED.replace(from, to)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains(named), "{error}");
        }
    }
}
