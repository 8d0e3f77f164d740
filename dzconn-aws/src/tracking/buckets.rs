//! Records of buckets, and of the objects that environments read.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use dzconn_core::bucket::{BucketRecord, Claim, Claimant, ObjectAccess, ObjectRecord, ObjectState, OpenClaim};
use dzconn_core::{Result, Timestamp};

use super::item::{Attributes, Item, map, text, texts};
use super::names;
use super::records::word;

const STATES: &[(&str, ObjectState)] = &[
    ("granting", ObjectState::Granting),
    ("granted", ObjectState::Granted),
    ("retained", ObjectState::Retained),
    ("revoking", ObjectState::Revoking),
];

/// Whether an item of the asset subscriptions is one of objects.
pub(super) fn is_objects(item: &Item) -> bool {
    item.contains_key(names::OBJECTS)
}

pub(super) fn encode_bucket(item: &mut Item, record: &BucketRecord) {
    let claims = record.claims.iter().map(|(claimant, claim)| {
        let mut members = vec![text(names::CLAIM_DOMAIN, &claim.domain)];
        members.extend(claim.has.as_ref().map(|access| map(names::HAS, encode_access(access))));
        members.extend(claim.open.as_ref().map(|open| match open {
            OpenClaim::Granting(access) => map(names::OPENED, encode_access(access)),
            OpenClaim::Revoking => map(names::OPENED, []),
        }));
        map(claimant, members)
    });
    item.extend([
        text(names::BUCKET, &record.bucket),
        texts(names::DOMAINS, &record.domains),
        map(names::CLAIMS, claims),
        text(names::LAST_UPDATED, record.last_updated),
    ]);
    item.extend(record.leased.map(|since| text(names::LEASED, since)));
}

pub(super) fn decode_bucket(a: &Attributes<'_>) -> Result<BucketRecord> {
    let mut claims = BTreeMap::new();
    for (claimant, claim) in a.map_of_maps(names::CLAIMS)? {
        let claimant: Claimant = a.parsed(names::CLAIMS, claimant)?;
        let has = if claim.has(names::HAS) { Some(decode_access(&claim.map(names::HAS)?)?) } else { None };
        let open = if claim.has(names::OPENED) { Some(claim.map(names::OPENED)?) } else { None };
        // What is to be taken away needs no words.
        let open = match open {
            None => None,
            Some(open) if open.names().next().is_none() => Some(OpenClaim::Revoking),
            Some(open) => Some(OpenClaim::Granting(decode_access(&open)?)),
        };
        claims.insert(claimant, Claim { domain: claim.needed(names::CLAIM_DOMAIN)?, has, open });
    }
    let domains = a.texts(names::DOMAINS)?.ok_or_else(|| a.invalid(names::DOMAINS, "is missing"))?;
    // When it was taken matters only for how long it is waited; that it was taken always does.
    // One that cannot be read may be of just now.
    let time = || Some(a.time(names::LEASED)).filter(|since| *since != Timestamp::default());
    let leased = a.has(names::LEASED).then(|| time().unwrap_or_else(Timestamp::now));
    Ok(BucketRecord {
        bucket: a.needed(names::BUCKET)?,
        domains,
        claims,
        leased,
        last_updated: a.time(names::LAST_UPDATED),
    })
}

fn encode_access(access: &ObjectAccess) -> [(String, AttributeValue); 2] {
    [text(names::OBJECTS, &access.objects), texts(names::PRINCIPALS, &access.principals)]
}

fn decode_access(a: &Attributes<'_>) -> Result<ObjectAccess> {
    let principals = a.texts(names::PRINCIPALS)?.ok_or_else(|| a.invalid(names::PRINCIPALS, "is missing"))?;
    Ok(ObjectAccess { objects: a.needed(names::OBJECTS)?, principals })
}

pub(super) fn encode_objects(item: &mut Item, record: &ObjectRecord) {
    item.extend([
        text(names::ENVIRONMENT, &record.environment),
        text(names::ASSET, &record.asset),
        text(names::ASSET_REVISION, &record.revision),
        text(names::ASSET_TYPE, &record.asset_type),
        text(names::PROJECT, &record.project),
        text(names::DOMAIN, &record.domain),
        text(names::LISTING, &record.listing),
        text(names::LISTING_NAME, &record.listing_name),
        text(names::LISTING_REVISION, &record.listing_revision),
        text(names::LAST_UPDATED, record.last_updated),
        text(names::OWNER_ACCOUNT, &record.owner.account),
        text(names::OWNER_REGION, &record.owner.region),
        // Documented attributes are always there; objects are read without a secret.
        text(names::SECRET_ARN, ""),
        text(names::SECRET_NAME, ""),
        text(names::OBJECT_STATE, word(STATES, record.state)),
        text(names::SINCE, record.since),
    ]);
    item.extend(encode_access(&record.access));
}

pub(super) fn decode_objects(a: &Attributes<'_>) -> Result<ObjectRecord> {
    Ok(ObjectRecord {
        environment: a.needed(names::ENVIRONMENT)?,
        asset: a.needed(names::ASSET)?,
        revision: a.words(names::ASSET_REVISION)?,
        asset_type: a.words(names::ASSET_TYPE)?,
        project: a.needed(names::PROJECT)?,
        domain: a.needed(names::DOMAIN)?,
        listing: a.needed(names::LISTING)?,
        listing_name: a.words(names::LISTING_NAME)?,
        listing_revision: a.words(names::LISTING_REVISION)?,
        owner: a.owner(names::OWNER_ACCOUNT, names::OWNER_REGION)?,
        access: decode_access(a)?,
        state: a.one_of(names::OBJECT_STATE, STATES)?,
        since: a.time(names::SINCE),
        last_updated: a.time(names::LAST_UPDATED),
    })
}
