//! Subscription grants: listed, made and updated.

use serde_json::{Value, json};

use crate::answer::{Answer, Answered, Asked, checked};
use crate::state::{AssetGrant, Change, Domain, Grant, Item, Listing, Target};

const STATUSES: [&str; 8] = [
    "GRANT_PENDING",
    "GRANT_IN_PROGRESS",
    "GRANTED",
    "GRANT_FAILED",
    "REVOKE_PENDING",
    "REVOKE_IN_PROGRESS",
    "REVOKED",
    "REVOKE_FAILED",
];

pub(crate) fn list(page: usize, domain: &Domain, asked: &Asked) -> Answered {
    let environment = asked.filter("environmentId")?;
    let target = asked.filter("subscriptionTargetId")?;
    let listing = asked.filter("subscribedListingId")?;
    let project = asked.filter("owningProjectId")?;
    if let Some(id) = environment
        && !domain.environments.iter().any(|environment| environment.id == id)
    {
        return Err(Answer::not_found("environment", id));
    }
    let owner =
        |grant: &Grant| domain.environments.iter().find(|e| e.id == grant.environment).map(|e| e.project.as_str());
    let mut meant: Vec<&Grant> = domain
        .grants
        .iter()
        .filter(|grant| {
            environment.is_none_or(|id| id == grant.environment)
                && target.is_none_or(|id| id == grant.target)
                && listing.is_none_or(|id| id == grant.listing)
                && project.is_none_or(|id| Some(id) == owner(grant))
        })
        .collect();
    meant.sort_by_key(|grant| grant.updated);
    asked.page(meant.into_iter().map(|grant| shown(domain, grant)).collect(), page)
}

pub(crate) fn get(domain: &Domain, asked: &Asked) -> Answered {
    let id = asked.id(0, "identifier")?;
    let found = domain.grants.iter().find(|grant| grant.id == id);
    found.map(|grant| shown(domain, grant)).ok_or_else(|| Answer::not_found("subscription grant", id))
}

/// A token that was used before answers with the grant that it made; with other parameters it is a conflict. So is a second
/// grant of one listing on one target while the first has not been revoked.
pub(crate) fn create(domain: &mut Domain, clock: u64, asked: &Asked) -> Answered {
    let required = |pointer: &str| asked.text(pointer).ok_or_else(|| Answer::invalid(format!("{pointer} is required")));
    let environment = checked("environmentIdentifier", required("/environmentIdentifier")?)?;
    let listing = checked("grantedEntity.listing.identifier", required("/grantedEntity/listing/identifier")?)?;
    let revision = required("/grantedEntity/listing/revision")?;
    let token = asked.text("/clientToken");
    if token.is_some_and(|token| !(1..=128).contains(&token.len()) || !token.bytes().all(|b| b.is_ascii_graphic())) {
        return Err(Answer::invalid("clientToken must be 1 to 128 printable characters"));
    }
    if !domain.environments.iter().any(|known| known.id == environment) {
        return Err(Answer::not_found("environment", environment));
    }
    let target = target(domain, environment, asked.text("/subscriptionTargetIdentifier"))?.id.clone();
    if let Some(token) = token
        && let Some(before) = domain.grants.iter().find(|grant| grant.token.as_deref() == Some(token))
    {
        let same = before.environment == environment
            && before.target == target
            && before.listing == listing
            && before.revision == revision;
        return if same {
            Ok(shown(domain, before))
        } else {
            Err(Answer::conflict("the client token was used for another grant"))
        };
    }
    let published = domain.listings.iter().find(|known| known.id == listing && known.revision == revision);
    let published = published.ok_or_else(|| Answer::not_found("listing", listing))?;
    let Listing { item: Item::Asset { id: asset, revision: asset_revision, .. }, .. } = published else {
        return Err(Answer::invalid("the listing is not an asset's"));
    };
    let live = |grant: &Grant| grant.assets.iter().any(|asset| asset.status != "REVOKED");
    let same = |grant: &&Grant| grant.environment == environment && grant.target == target && grant.listing == listing;
    if let Some(other) = domain.grants.iter().filter(same).find(|grant| live(grant)) {
        return Err(Answer::conflict(format!("grant {} is there already", other.id)));
    }
    let grant = Grant {
        id: format!("grant-{:06}", domain.grants.len() + 1),
        environment: environment.to_owned(),
        target,
        listing: listing.to_owned(),
        revision: revision.to_owned(),
        assets: vec![AssetGrant::new(asset, asset_revision, "GRANT_PENDING")],
        token: token.map(str::to_owned),
        history: vec![Change { asset: asset.clone(), status: "GRANT_PENDING".to_owned(), cause: None }],
        updated: clock,
    };
    let answer = shown(domain, &grant);
    domain.grants.push(grant);
    Ok(answer)
}

fn target<'a>(domain: &'a Domain, environment: &str, id: Option<&str>) -> Result<&'a Target, Answer> {
    let mut its = domain.targets.iter().filter(|target| target.environment == environment);
    match id {
        Some(id) => {
            let id = checked("subscriptionTargetIdentifier", id)?;
            its.find(|target| target.id == id).ok_or_else(|| Answer::not_found("subscription target", id))
        }
        None => its.next().ok_or_else(|| Answer::invalid("the environment has no subscription target")),
    }
}

pub(crate) fn update(domain: &mut Domain, clock: u64, stepwise: bool, asked: &Asked) -> Answered {
    let id = asked.id(0, "identifier")?.to_owned();
    let asset_id = asked.id(1, "assetIdentifier")?;
    let status = asked.text("/status").unwrap_or_default();
    if !STATUSES.contains(&status) {
        return Err(Answer::invalid(format!("status must be one of {}", STATUSES.join(", "))));
    }
    let cause = asked.text("/failureCause/message").map(str::to_owned);
    let found = domain.grants.iter_mut().find(|grant| grant.id == id);
    let grant = found.ok_or_else(|| Answer::not_found("subscription grant", &id))?;
    let asset = grant.assets.iter_mut().find(|asset| asset.asset == asset_id);
    let asset = asset.ok_or_else(|| Answer::not_found("asset of the grant", asset_id))?;
    if !allowed(&asset.status, status, stepwise) {
        return Err(Answer::conflict(format!("the status cannot go from {} to {status}", asset.status)));
    }
    status.clone_into(&mut asset.status);
    asset.cause.clone_from(&cause);
    if let Some(name) = asked.text("/targetName") {
        asset.target_name = Some(name.to_owned());
    }
    grant.history.push(Change { asset: asset_id.to_owned(), status: status.to_owned(), cause });
    grant.updated = clock;
    get(domain, asked)
}

/// Which status may follow which. The API reference names the statuses and no order; this is what their names say: a grant
/// is pending, in progress, and ends; then a revoke does, and ends for good.
fn allowed(from: &str, to: &str, stepwise: bool) -> bool {
    let granting = |status: &str| matches!(status, "GRANT_PENDING" | "GRANT_IN_PROGRESS" | "GRANT_FAILED");
    match to {
        _ if from == "REVOKED" => false,
        "GRANTED" | "GRANT_FAILED" if stepwise => from == "GRANT_IN_PROGRESS",
        "GRANT_PENDING" | "GRANT_IN_PROGRESS" | "GRANTED" => granting(from),
        "GRANT_FAILED" => granting(from) || from == "GRANTED",
        "REVOKED" | "REVOKE_FAILED" if stepwise => from == "REVOKE_IN_PROGRESS",
        "REVOKED" | "REVOKE_FAILED" | "REVOKE_PENDING" | "REVOKE_IN_PROGRESS" => !granting(from),
        _ => false,
    }
}

fn shown(domain: &Domain, grant: &Grant) -> Value {
    let asset = |asset: &AssetGrant| {
        json!({
            "assetId": asset.asset,
            "assetRevision": asset.revision,
            "status": asset.status,
            "targetName": asset.target_name,
            "failureCause": asset.cause.as_ref().map(|message| json!({"message": message})),
        })
    };
    let has = |status: &str| grant.assets.iter().any(|asset| asset.status == status);
    let overall = match (has("GRANT_FAILED"), has("REVOKE_FAILED")) {
        _ if has("GRANT_PENDING") || has("REVOKE_PENDING") => "PENDING",
        _ if has("GRANT_IN_PROGRESS") || has("REVOKE_IN_PROGRESS") => "IN_PROGRESS",
        (true, true) => "GRANT_AND_REVOKE_FAILED",
        (true, false) => "GRANT_FAILED",
        (false, true) => "REVOKE_FAILED",
        (false, false) => "COMPLETED",
    };
    json!({
        "id": grant.id,
        "domainId": domain.id,
        "createdBy": "stub",
        "createdAt": 1_700_000_000,
        "updatedAt": grant.updated,
        "environmentId": grant.environment,
        "subscriptionTargetId": grant.target,
        "grantedEntity": {"listing": {"id": grant.listing, "revision": grant.revision}},
        "status": overall,
        "assets": grant.assets.iter().map(asset).collect::<Vec<_>>(),
    })
}
