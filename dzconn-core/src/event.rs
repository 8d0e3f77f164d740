//! Events about subscriptions, as the portal publishes them.

use serde_json::Value;

use crate::model::{AssetRecord, DomainId, ListingId, Location, ProjectId, Subscription, SubscriptionId, Wanted};
use crate::{Error, ErrorKind, Result, Step};

/// How a subscription ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// Access goes.
    Revoke,
    /// Access stays.
    Retain,
}

/// *Subscription Created*, *Revoked* or *Cancelled*: a hint that something may have to be done.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SubscriptionEvent {
    /// The envelope's id.
    pub id: Option<String>,
    /// The domain.
    pub domain: DomainId,
    /// The subscribing project.
    pub project: ProjectId,
    /// The listing.
    pub listing: ListingId,
    /// The subscription.
    pub subscription: Option<SubscriptionId>,
    /// How it ends; `None` if it begins.
    pub ending: Option<Ending>,
}

impl SubscriptionEvent {
    /// Reads an event as `EventBridge` delivers it (Amazon `DataZone` User Guide, "Events and notifications"). Members that are
    /// not needed may be missing, and others may be there.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`], naming the member that is missing or wrong.
    pub fn from_json(text: &str) -> Result<Self> {
        let event: Value = serde_json::from_str(text).map_err(|error| malformed("is not JSON").because(error))?;
        let string = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
        let required = |what: &str, pointers: &[&str]| {
            pointers
                .iter()
                .find_map(|pointer| string(pointer))
                .ok_or_else(|| malformed(&format!("has no {what} ({})", pointers.join(" or "))))
        };
        if let Some(source) = string("/source")
            && source != "aws.datazone"
        {
            return Err(malformed(&format!("comes from {source:?}, not from aws.datazone")));
        }
        let kind = required("kind", &["/detail-type"])?;
        let retain = event
            .pointer("/detail/data/retainPermissions")
            .is_some_and(|retain| retain == &Value::Bool(true) || retain == "true");
        let ending = match kind {
            "Subscription Created" => None,
            "Subscription Revoked" | "Subscription Cancelled" if retain => Some(Ending::Retain),
            "Subscription Revoked" | "Subscription Cancelled" => Some(Ending::Revoke),
            other => return Err(malformed(&format!("is a {other:?}, which starts no grant or revoke"))),
        };
        Ok(Self {
            id: string("/id").map(str::to_owned),
            domain: required("domain", &["/detail/metadata/domain"])?.parse()?,
            project: required("subscribing project", &["/detail/data/subscribedPrincipal/id"])?.parse()?,
            listing: required(
                "listing",
                &["/detail/data/subscribedListing/id", "/detail/data/subscribedListing/listingId"],
            )?
            .parse()?,
            subscription: string("/detail/metadata/id").map(str::parse).transpose()?,
            ending,
        })
    }

    /// What it asks for, if the portal agrees.
    pub fn wish(&self) -> Wanted {
        match self.ending {
            None => Wanted::Grant,
            Some(Ending::Revoke) => Wanted::Revoke,
            Some(Ending::Retain) => Wanted::Retain,
        }
    }

    /// This event's subscription for an asset that tracking has.
    pub(crate) fn tracked(&self, row: AssetRecord, location: Location) -> Subscription {
        Subscription { subscription: self.subscription.clone(), event: self.id.clone(), ..row.at(location) }
    }
}

fn malformed(what: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, format!("the event {what}")).at(Step::Input)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREATED: &str = r#"{"version":"0","id":"e-1","detail-type":"Subscription Created","source":"aws.datazone",
        "detail":{"version":"1","metadata":{"id":"sub1","domain":"dzd_1","typeName":"SubscriptionEntityType"},
        "data":{"status":"APPROVED","subscribedListing":{"id":"lst1","version":"1","ownerProjectId":"p0"},
        "subscribedPrincipal":{"id":"prj1","type":"PROJECT"},"extra":[1]}}}"#;

    #[test]
    fn an_event_is_read_leniently() {
        let event = SubscriptionEvent::from_json(CREATED).unwrap();
        assert_eq!((event.project.as_str(), event.listing.as_str(), event.ending), ("prj1", "lst1", None));
        let revoked = CREATED.replace("Created", "Revoked");
        assert_eq!(SubscriptionEvent::from_json(&revoked).unwrap().ending, Some(Ending::Revoke));
        let retained = revoked.replace("\"extra\"", "\"retainPermissions\":true,\"extra\"");
        assert_eq!(SubscriptionEvent::from_json(&retained).unwrap().ending, Some(Ending::Retain));
    }

    #[test]
    fn what_is_missing_is_named() {
        for (from, to, named) in [
            ("\"dzd_1\"", "7", "domain"),
            ("\"prj1\"", "null", "subscribing project"),
            ("\"lst1\"", "\"\"", "listing"),
            ("Subscription Created", "Asset Added To Catalog", "Asset Added"),
            ("aws.datazone", "aws.s3", "aws.s3"),
            ("{\"version\":\"0\"", "", "JSON"),
        ] {
            let error = SubscriptionEvent::from_json(&CREATED.replace(from, to)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains(named), "{error}");
        }
    }
}
