//! The operations that only read.

use serde_json::{Value, json};

use crate::answer::{Answer, Answered, Asked, checked};
use crate::state::{Domain, Environment, Item, Listing, Principal, Project, State, Subscription, Target};

pub(crate) fn listing(domain: &Domain, asked: &Asked) -> Answered {
    let id = asked.id(0, "identifier")?;
    let found = domain.listings.iter().find(|listing| listing.id == id);
    let revision = asked.query.get("listingRevision");
    let listing = found
        .filter(|listing| revision.is_none_or(|revision| *revision == listing.revision))
        .ok_or_else(|| Answer::not_found("listing", id))?;
    let item = match &listing.item {
        Item::Asset { id, revision, r#type, forms } => json!({"assetListing": {
            "assetId": id,
            "assetRevision": revision,
            "assetType": r#type,
            "forms": text(forms),
            "owningProjectId": listing.owner,
            "createdAt": 1_700_000_000,
        }}),
        Item::DataProduct { id } => json!({"dataProductListing": {
            "dataProductId": id,
            "dataProductRevision": "1",
            "owningProjectId": listing.owner,
            "items": [],
        }}),
    };
    Ok(json!({
        "domainId": domain.id,
        "id": listing.id,
        "listingRevision": listing.revision,
        "name": listing.name,
        "status": listing.status,
        "item": item,
        "createdAt": 1_700_000_000,
    }))
}

pub(crate) fn asset(domain: &Domain, asked: &Asked) -> Answered {
    let wanted = asked.id(0, "identifier")?;
    let of = |listing: &Listing| match &listing.item {
        Item::Asset { id, revision, r#type, forms } if id == wanted => {
            let form = |(name, content): (&String, &Value)| json!({"formName": name, "content": text(content)});
            let forms: Vec<Value> = forms.as_object().into_iter().flatten().map(form).collect();
            Some(json!({
                "domainId": domain.id,
                "id": id,
                "name": listing.name,
                "revision": revision,
                "owningProjectId": listing.owner,
                "typeIdentifier": r#type,
                "typeRevision": "1",
                "formsOutput": forms,
            }))
        }
        _ => None,
    };
    domain.listings.iter().find_map(of).ok_or_else(|| Answer::not_found("asset", wanted))
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

pub(crate) fn project(domain: &Domain, asked: &Asked) -> Answered {
    let id = asked.id(0, "identifier")?;
    let project = domain.projects.iter().find(|project| project.id == id);
    let project = project.ok_or_else(|| Answer::not_found("project", id))?;
    Ok(json!({
        "domainId": domain.id,
        "id": project.id,
        "name": project.name,
        "createdBy": "stub",
        "projectStatus": "ACTIVE",
    }))
}

pub(crate) fn projects(state: &State, domain: &Domain, asked: &Asked) -> Answered {
    let is = |project: &&Project| asked.query.get("name").is_none_or(|name| *name == project.name);
    let shown = |project: &Project| json!({"domainId": domain.id, "id": project.id, "name": project.name, "createdBy": "stub", "projectStatus": "ACTIVE"});
    asked.page(domain.projects.iter().filter(is).map(shown).collect(), state.page)
}

/// The API reference gives `ListEnvironments` no `ResourceNotFoundException`: a project that is not there has none.
pub(crate) fn environments(state: &State, domain: &Domain, asked: &Asked) -> Answered {
    let project = asked.filter("projectIdentifier")?.ok_or_else(|| Answer::invalid("projectIdentifier is required"))?;
    let is =
        |name: &str, value: Option<&str>| asked.query.get(name).is_none_or(|wanted| Some(wanted.as_str()) == value);
    let meant = domain.environments.iter().filter(|environment| {
        environment.project == project
            && is("awsAccountId", environment.account.as_deref())
            && is("awsAccountRegion", environment.region.as_deref())
            && is("status", Some(&environment.status))
            && is("provider", Some(&environment.provider))
            && is("name", Some(&environment.name))
            && is("environmentBlueprintIdentifier", environment.blueprint.as_deref())
            && is("environmentProfileIdentifier", environment.profile.as_deref())
    });
    asked.page(meant.map(|environment| summary(domain, environment)).collect(), state.page)
}

fn summary(domain: &Domain, environment: &Environment) -> Value {
    json!({
        "domainId": domain.id,
        "projectId": environment.project,
        "id": environment.id,
        "name": environment.name,
        "createdBy": "stub",
        "createdAt": "2023-11-14T22:13:20Z",
        "environmentProfileId": environment.profile,
        "awsAccountId": environment.account,
        "awsAccountRegion": environment.region,
        "provider": environment.provider,
        "status": environment.status,
    })
}

pub(crate) fn environment(domain: &Domain, asked: &Asked) -> Answered {
    let id = asked.id(0, "identifier")?;
    let found = domain.environments.iter().find(|environment| environment.id == id);
    let environment = found.ok_or_else(|| Answer::not_found("environment", id))?;
    let mut details = summary(domain, environment);
    let resource = |(name, value): (&String, &String)| json!({"name": name, "value": value, "type": "other"});
    if let Some(details) = details.as_object_mut() {
        details.insert("environmentBlueprintId".to_owned(), json!(environment.blueprint));
        let resources: Vec<Value> = environment.resources.iter().map(resource).collect();
        details.insert("provisionedResources".to_owned(), resources.into());
    }
    Ok(details)
}

pub(crate) fn blueprint(domain: &Domain, asked: &Asked) -> Answered {
    let id = asked.id(0, "identifier")?;
    let found = domain.blueprints.iter().find(|blueprint| blueprint.id == id);
    let blueprint = found.ok_or_else(|| Answer::not_found("environment blueprint", id))?;
    Ok(json!({
        "id": blueprint.id,
        "name": blueprint.name,
        "provider": "Amazon DataZone",
        "provisioningProperties": {"cloudFormation": {"templateUrl": "https://localhost/template"}},
    }))
}

pub(crate) fn profile(domain: &Domain, asked: &Asked) -> Answered {
    let id = asked.id(0, "identifier")?;
    let found = domain.profiles.iter().find(|profile| profile.id == id);
    let profile = found.ok_or_else(|| Answer::not_found("environment profile", id))?;
    Ok(json!({
        "id": profile.id,
        "domainId": domain.id,
        "name": profile.name,
        "createdBy": "stub",
        "environmentBlueprintId": profile.blueprint,
    }))
}

/// Without a status only approved ones are listed, and they are sorted by `updatedAt` (API reference, `ListSubscriptions`).
/// Which way by default it does not say; oldest first is what a caller must not rely on least.
pub(crate) fn subscriptions(state: &State, domain: &Domain, asked: &Asked) -> Answered {
    let status = asked.query.get("status").map_or("APPROVED", String::as_str);
    if !["APPROVED", "REVOKED", "CANCELLED"].contains(&status) {
        return Err(Answer::invalid("status must be one of APPROVED, REVOKED, CANCELLED"));
    }
    let (project, listing) = (asked.filter("owningProjectId")?, asked.filter("subscribedListingId")?);
    if let Some(project) = project
        && !domain.projects.iter().any(|known| known.id == project)
    {
        return Err(Answer::not_found("project", project));
    }
    let of = |principal: &Principal| {
        project.is_none_or(|project| matches!(principal, Principal::Project(id) if id == project))
    };
    let mut meant: Vec<_> = domain
        .subscriptions
        .iter()
        .filter(|is| is.listed.as_ref().unwrap_or(&is.status) == status)
        .filter(|is| of(&is.principal) && listing.is_none_or(|listing| is.listing == listing))
        .collect();
    meant.sort_by_key(|subscription| subscription.updated);
    match asked.query.get("sortOrder").map(String::as_str) {
        None | Some("ASCENDING") => {}
        Some("DESCENDING") => meant.reverse(),
        Some(_) => return Err(Answer::invalid("sortOrder must be ASCENDING or DESCENDING")),
    }
    let shown = |subscription: &Subscription| {
        let status = subscription.listed.clone().unwrap_or_else(|| subscription.status.clone());
        subscribed(domain, &Subscription { status, ..subscription.clone() })
    };
    asked.page(meant.into_iter().map(shown).collect(), state.page)
}

pub(crate) fn subscription(domain: &Domain, asked: &Asked) -> Answered {
    let id = asked.id(0, "identifier")?;
    let found = domain.subscriptions.iter().find(|subscription| subscription.id == id);
    found.map(|subscription| subscribed(domain, subscription)).ok_or_else(|| Answer::not_found("subscription", id))
}

fn subscribed(domain: &Domain, subscription: &Subscription) -> Value {
    json!({
        "id": subscription.id,
        "domainId": domain.id,
        "status": subscription.status,
        "createdBy": "stub",
        "createdAt": 1_700_000_000,
        "updatedAt": 1_700_000_000 + subscription.updated,
        "subscribedPrincipal": principal(domain, &subscription.principal),
        "subscribedListing": subscribed_listing(domain, &subscription.listing, subscription.filters.as_deref()),
        "subscriptionRequestId": subscription.request,
        "retainPermissions": subscription.retain,
    })
}

fn principal(domain: &Domain, principal: &Principal) -> Value {
    match principal {
        Principal::Project(id) => {
            let name = domain.projects.iter().find(|project| project.id == *id).map(|project| &project.name);
            json!({"project": {"id": id, "name": name}})
        }
        Principal::User(id) => json!({"user": {"id": id}}),
        Principal::Group(id) => json!({"group": {"id": id}}),
        Principal::Iam(arn) => json!({"iam": {"principalArn": arn}}),
    }
}

fn subscribed_listing(domain: &Domain, id: &str, filters: Option<&[String]>) -> Value {
    let listing = domain.listings.iter().find(|listing| listing.id == id);
    let scope =
        |asset: &str| filters.map(|filters| json!({"assetId": asset, "filterIds": filters, "status": "ACTIVE"}));
    let item = match listing.map(|listing| &listing.item) {
        Some(Item::Asset { id, revision, r#type, forms }) => json!({"assetListing": {
            "entityId": id,
            "entityRevision": revision,
            "entityType": r#type,
            "forms": text(forms),
            "assetScope": scope(id),
        }}),
        Some(Item::DataProduct { id }) => json!({"productListing": {"entityId": id, "entityRevision": "1"}}),
        None => json!({"assetListing": {"assetScope": scope("gone")}}),
    };
    json!({
        "id": id,
        "name": listing.map_or("", |listing| &listing.name),
        "description": "",
        "revision": listing.map(|listing| &listing.revision),
        "ownerProjectId": listing.map_or("gone", |listing| &listing.owner),
        "item": item,
    })
}

pub(crate) fn request(domain: &Domain, asked: &Asked) -> Answered {
    let id = asked.id(0, "identifier")?;
    let found = domain.requests.iter().find(|request| request.id == id);
    let request = found.ok_or_else(|| Answer::not_found("subscription request", id))?;
    Ok(json!({
        "id": request.id,
        "domainId": domain.id,
        "status": request.status,
        "createdBy": "stub",
        "createdAt": 1_700_000_000,
        "updatedAt": 1_700_000_000,
        "requestReason": request.reason,
        "subscribedPrincipals": [principal(domain, &request.principal)],
        "subscribedListings": [subscribed_listing(domain, &request.listing, None)],
    }))
}

pub(crate) fn targets(state: &State, domain: &Domain, asked: &Asked) -> Answered {
    let id = checked("environmentIdentifier", asked.ids.first().map(String::as_str).unwrap_or_default())?;
    let environment = domain.environments.iter().find(|environment| environment.id == id);
    let environment = environment.ok_or_else(|| Answer::not_found("environment", id))?;
    let meant = domain.targets.iter().filter(|target| target.environment == id);
    asked.page(meant.map(|target| target_summary(domain, environment, target)).collect(), state.page)
}

fn target_summary(domain: &Domain, environment: &Environment, target: &Target) -> Value {
    json!({
        "id": target.id,
        "domainId": domain.id,
        "projectId": environment.project,
        "environmentId": target.environment,
        "name": target.name,
        "type": target.r#type,
        "provider": target.provider,
        "authorizedPrincipals": target.principals,
        "applicableAssetTypes": target.asset_types,
        "subscriptionTargetConfig": [],
        "createdBy": "stub",
        "createdAt": 1_700_000_000,
    })
}
