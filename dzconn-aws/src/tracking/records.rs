//! Records as items, and back.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::AttributeValue;
use dzconn_core::model::{
    AssetRecord, DATA_ASSETS_LIMIT, EntryRecord, Generation, Location, MappingRecord, OpenEntry, OpenState, Owner,
    Phase, Place as Granted, Publication, RetiredGeneration, SecretId, SourceKey, SourceRecord, TableName, Turn,
    TurnStage, Version, Wanted, WantedRecord,
};
use dzconn_core::store::{Key, Record, Stored};
use dzconn_core::{Error, Result};

use super::item::{Attributes, Item, is_older, map, text, texts};
use super::keys::{Place, Table};
use super::{buckets, names, older};

const PHASES: &[(&str, Phase)] =
    &[("active", Phase::Active), ("dropping", Phase::Dropping), ("retired", Phase::Retired)];
const OPEN_STATES: &[(&str, OpenState)] = &[("granting", OpenState::Granting), ("revoking", OpenState::Revoking)];
const TURN_STAGES: &[(&str, TurnStage)] =
    &[("preparing", TurnStage::Preparing), ("ready", TurnStage::Ready), ("delivering", TurnStage::Delivering)];
const WISHES: &[(&str, Wanted)] = &[("grant", Wanted::Grant), ("retain", Wanted::Retain), ("revoke", Wanted::Revoke)];

/// The kinds of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Source,
    Entry,
    Mapping,
    Asset,
    Wanted,
    Bucket,
    Objects,
}

impl Kind {
    pub(super) const fn of(key: &Key) -> Self {
        match key {
            Key::Source(_) => Self::Source,
            Key::Entry(..) => Self::Entry,
            Key::Mapping(_) => Self::Mapping,
            Key::Asset(..) => Self::Asset,
            Key::Wanted(..) => Self::Wanted,
            Key::Bucket(_) => Self::Bucket,
            Key::Objects(..) => Self::Objects,
        }
    }

    pub(super) const fn table(self) -> Table {
        match self {
            Self::Source => Table::Sources,
            Self::Mapping => Table::Mappings,
            Self::Asset | Self::Objects => Table::Assets,
            Self::Entry | Self::Wanted | Self::Bucket => Table::State,
        }
    }

    /// Our own attributes that a record of this kind may lack: a write without them removes them.
    pub(super) const fn optional(self) -> &'static [&'static str] {
        match self {
            Self::Source => {
                &[names::GENERATION, names::USER, names::COPY, names::SPARE, names::TURN, names::TURN_STAGE]
            }
            Self::Asset => PLACE,
            Self::Bucket => &[names::LEASED],
            Self::Entry | Self::Mapping | Self::Wanted | Self::Objects => &[],
        }
    }
}

const PLACE: &[&str] =
    &[names::PLACE_CONNECTION, names::PLACE_ACCOUNT, names::PLACE_REGION, names::PLACE_PATH, names::TABLE];

/// A record as its item, key and version included.
pub(super) fn encode(version: Version, record: &Record) -> Item {
    let mut item = Place::of(&record.key()).attributes();
    item.extend([text(names::VERSION, version)]);
    match record {
        Record::Source(record) => encode_source(&mut item, record),
        Record::Entry(record) => encode_entry(&mut item, record),
        Record::Mapping(record) => encode_mapping(&mut item, record),
        Record::Asset(record) => encode_asset(&mut item, record),
        Record::Wanted(record) => item.extend([
            text(names::ENVIRONMENT, &record.environment),
            text(names::ASSET, &record.asset),
            text(names::WANTED, word(WISHES, record.wanted)),
            text(names::LAST_UPDATED, record.last_updated),
        ]),
        Record::Bucket(record) => buckets::encode_bucket(&mut item, record),
        Record::Objects(record) => buckets::encode_objects(&mut item, record),
    }
    item
}

fn encode_source(item: &mut Item, record: &SourceRecord) {
    let generation = record.generation.as_ref();
    let secret_id = generation.and_then(|generation| generation.secret_id.as_ref());
    let open = record.open.iter().map(|(table, entry)| {
        let paths = entry.assets.iter().map(|(asset, path)| text(asset.as_str(), path));
        map(table, [text(names::STATE, word(OPEN_STATES, entry.state)), map(names::PATHS, paths)])
    });
    let retired = record.retired.iter().map(|generation| {
        let mut members = Item::from([text(names::ID, generation.id), text(names::COPY, &generation.copy)]);
        members.extend(generation.secret_id.as_ref().map(|secret| text(names::SECRET_ARN, secret)));
        AttributeValue::M(members)
    });
    item.extend([
        text(names::CONNECTION, &record.key.connection),
        text(names::ENVIRONMENT, &record.key.environment),
        text(names::PROJECT, &record.project),
        text(names::DOMAIN, &record.domain),
        texts(names::DATA_ASSETS, &record.data_assets),
        text(names::LAST_UPDATED, record.last_updated),
        text(names::OWNER_ACCOUNT, &record.owner.account),
        text(names::OWNER_REGION, &record.owner.region),
        // Documented attributes are always there: before there is a secret, and after it is gone, they are empty.
        text(names::SECRET_ARN, secret_id.map_or("", SecretId::as_str)),
        text(names::SECRET_NAME, generation.map_or("", |generation| generation.secret.as_str())),
        (names::DATA_ASSETS_COMPLETE.to_owned(), AttributeValue::Bool(record.data_assets_complete)),
        text(names::PHASE, word(PHASES, record.phase)),
        texts(names::OLDER, &record.older),
        (names::SETTLED.to_owned(), AttributeValue::N(record.settled.to_string())),
        map(names::OPEN, open),
        texts(names::REVOKED, &record.revoked),
        (names::RETIRED.to_owned(), AttributeValue::L(retired.collect())),
    ]);
    if let Some(Generation { id, user, copy, spare, turn, .. }) = generation {
        item.extend([text(names::GENERATION, id), text(names::USER, user), text(names::COPY, copy)]);
        item.extend(spare.as_ref().map(|spare| text(names::SPARE, spare)));
        if let Some(Turn { id, stage }) = turn {
            item.extend([text(names::TURN, id), text(names::TURN_STAGE, word(TURN_STAGES, *stage))]);
        }
    }
}

fn encode_entry(item: &mut Item, record: &EntryRecord) {
    let assets = record.assets.iter().map(|(asset, Publication { path, retained })| {
        map(asset, [text(names::PATH, path), (names::RETAINED.to_owned(), AttributeValue::Bool(*retained))])
    });
    item.extend([
        text(names::CONNECTION, &record.key.connection),
        text(names::ENVIRONMENT, &record.key.environment),
        text(names::TABLE, &record.table),
        text(names::GENERATION, record.generation),
        map(names::ASSETS, assets),
        text(names::SINCE, record.since),
        text(names::LAST_UPDATED, record.last_updated),
    ]);
}

fn encode_mapping(item: &mut Item, record: &MappingRecord) {
    item.extend([
        text(names::SHARED_SECRET_ARN, &record.shared_secret),
        text(names::ENVIRONMENT, &record.environment),
        text(names::PROJECT, &record.project),
        text(names::MAPPING_DOMAIN, &record.domain),
        text(names::LAST_UPDATED, record.last_updated),
        text(names::OWNER_ACCOUNT, &record.owner.account),
        text(names::OWNER_REGION, &record.owner.region),
        text(names::SECRET_ARN, &record.secret_id),
        text(names::SECRET_NAME, &record.secret),
        text(names::GENERATION, record.generation),
    ]);
}

fn encode_asset(item: &mut Item, record: &AssetRecord) {
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
        text(names::SECRET_ARN, &record.secret_id),
        text(names::SECRET_NAME, &record.secret),
    ]);
    if let Some(Granted { location: Location { connection, path, owner: Owner { account, region } }, table }) =
        &record.place
    {
        item.extend([
            text(names::PLACE_CONNECTION, connection),
            text(names::PLACE_ACCOUNT, account),
            text(names::PLACE_REGION, region),
            text(names::PLACE_PATH, path),
            text(names::TABLE, table),
        ]);
    }
}

pub(super) fn word<T: Copy + PartialEq>(words: &[(&'static str, T)], value: T) -> &'static str {
    words.iter().find(|(_, known)| *known == value).map_or("", |(word, _)| *word)
}

/// The record that an item holds. `key` is where it was looked for; where a listing found it, there is none.
pub(super) fn decode(
    kind: Kind,
    table: &str,
    key: Option<&Key>,
    item: &Item,
    copies: &older::Copies,
) -> Result<Stored> {
    let what = key.map(Key::to_string).or_else(|| own_key(kind, item)).unwrap_or_else(|| described(kind, item));
    let attributes = Attributes::new(item, table, &what);
    let record = match kind {
        Kind::Source => Record::Source(decode_source(&attributes, is_older(item), copies)?),
        Kind::Entry => Record::Entry(decode_entry(&attributes)?),
        Kind::Mapping => Record::Mapping(decode_mapping(&attributes, is_older(item))?),
        Kind::Asset => Record::Asset(decode_asset(&attributes)?),
        Kind::Wanted => Record::Wanted(decode_wanted(&attributes)?),
        Kind::Bucket => Record::Bucket(buckets::decode_bucket(&attributes)?),
        Kind::Objects => Record::Objects(buckets::decode_objects(&attributes)?),
    };
    let own = record.key();
    if Place::of_item(kind.table(), item).as_ref() != Some(&Place::of(&own)) {
        return Err(attributes.unreadable(format_args!("the {} names the {own}", described(kind, item))));
    }
    Ok(Stored { version: decode_version(&attributes)?, record })
}

/// A write compares the version's text, so that only what we have written is one.
fn decode_version(attributes: &Attributes<'_>) -> Result<Option<Version>> {
    let Some(text) = attributes.text(names::VERSION)? else {
        let there = attributes.names().any(|name| name == names::VERSION);
        return if there { Err(attributes.invalid(names::VERSION, "is empty")) } else { Ok(None) };
    };
    let version: Version = attributes.parsed(names::VERSION, text)?;
    if version.to_string() == text {
        return Ok(Some(version));
    }
    Err(attributes.invalid(names::VERSION, "is not written as we write it"))
}

fn decode_source(a: &Attributes<'_>, older: bool, copies: &older::Copies) -> Result<SourceRecord> {
    let key = SourceKey { connection: a.needed(names::CONNECTION)?, environment: a.needed(names::ENVIRONMENT)? };
    let data_assets: BTreeSet<_> = a.texts(names::DATA_ASSETS)?.unwrap_or_default();
    let (domain, project) = (a.needed(names::DOMAIN)?, a.needed(names::PROJECT)?);
    let owner = a.owner(names::OWNER_ACCOUNT, names::OWNER_REGION)?;
    let last_updated = a.time(names::LAST_UPDATED);
    if older {
        return Ok(SourceRecord {
            generation: Some(older::generation(a, &key, &project, copies)?),
            key,
            domain,
            project,
            owner,
            phase: Phase::Active,
            older: data_assets.clone(),
            data_assets_complete: data_assets.len() <= DATA_ASSETS_LIMIT,
            settled: 0,
            open: BTreeMap::new(),
            revoked: BTreeSet::new(),
            retired: BTreeSet::new(),
            data_assets: data_assets.into_iter().take(DATA_ASSETS_LIMIT).collect(),
            last_updated,
        });
    }
    let generation = match a.optional(names::GENERATION)? {
        None => None,
        Some(id) => Some(Generation {
            id,
            user: a.needed(names::USER)?,
            secret: older::secret_name(a)?,
            secret_id: a.optional(names::SECRET_ARN)?,
            copy: a.needed(names::COPY)?,
            spare: a.optional(names::SPARE)?,
            turn: match a.optional(names::TURN)? {
                Some(id) => Some(Turn { id, stage: a.one_of(names::TURN_STAGE, TURN_STAGES)? }),
                None => None,
            },
        }),
    };
    let texts = |name| a.texts(name)?.ok_or_else(|| a.invalid(name, "is missing"));
    let mut open = BTreeMap::new();
    for (table, entry) in a.map_of_maps(names::OPEN)? {
        let table: TableName = a.parsed(names::OPEN, table)?;
        let paths = entry.map(names::PATHS)?;
        let assets = paths.names().map(|asset| Ok((paths.parsed(asset, asset)?, paths.needed(asset)?)));
        let entry =
            OpenEntry { state: entry.one_of(names::STATE, OPEN_STATES)?, assets: assets.collect::<Result<_>>()? };
        open.insert(table, entry);
    }
    let retired = a.maps(names::RETIRED)?.into_iter().map(|a| {
        Ok(RetiredGeneration {
            id: a.needed(names::ID)?,
            secret_id: a.optional(names::SECRET_ARN)?,
            copy: a.needed(names::COPY)?,
        })
    });
    Ok(SourceRecord {
        key,
        domain,
        project,
        owner,
        phase: a.one_of(names::PHASE, PHASES)?,
        generation,
        older: a.texts(names::OLDER)?.unwrap_or_default(),
        settled: a.count(names::SETTLED)?,
        open,
        revoked: texts(names::REVOKED)?,
        retired: retired.collect::<Result<_>>()?,
        data_assets,
        // Whoever removed the mark did not complete the list.
        data_assets_complete: a.flag(names::DATA_ASSETS_COMPLETE)?.unwrap_or(false),
        last_updated,
    })
}

fn decode_entry(a: &Attributes<'_>) -> Result<EntryRecord> {
    let assets = a.map_of_maps(names::ASSETS)?.into_iter().map(|(asset, published)| {
        let retained = published.flag(names::RETAINED)?;
        let retained = retained.ok_or_else(|| published.invalid(names::RETAINED, "is missing"))?;
        Ok((a.parsed(names::ASSETS, asset)?, Publication { path: published.needed(names::PATH)?, retained }))
    });
    Ok(EntryRecord {
        key: SourceKey { connection: a.needed(names::CONNECTION)?, environment: a.needed(names::ENVIRONMENT)? },
        table: a.needed(names::TABLE)?,
        generation: a.needed(names::GENERATION)?,
        assets: assets.collect::<Result<_>>()?,
        since: a.time(names::SINCE),
        last_updated: a.time(names::LAST_UPDATED),
    })
}

fn decode_mapping(a: &Attributes<'_>, older: bool) -> Result<MappingRecord> {
    let shared_secret: SecretId = a.needed(names::SHARED_SECRET_ARN)?;
    Ok(MappingRecord {
        generation: if older { older::generation_id(shared_secret.as_str()) } else { a.needed(names::GENERATION)? },
        shared_secret,
        environment: a.needed(names::ENVIRONMENT)?,
        project: a.needed(names::PROJECT)?,
        domain: a.needed(names::MAPPING_DOMAIN)?,
        owner: a.owner(names::OWNER_ACCOUNT, names::OWNER_REGION)?,
        secret_id: a.needed(names::SECRET_ARN)?,
        secret: older::secret_name(a)?,
        last_updated: a.time(names::LAST_UPDATED),
    })
}

fn decode_asset(a: &Attributes<'_>) -> Result<AssetRecord> {
    let place = if PLACE.iter().any(|name| a.has(name)) {
        let owner = a.owner(names::PLACE_ACCOUNT, names::PLACE_REGION)?;
        let location =
            Location { connection: a.needed(names::PLACE_CONNECTION)?, path: a.needed(names::PLACE_PATH)?, owner };
        Some(Granted { location, table: a.needed(names::TABLE)? })
    } else {
        None
    };
    Ok(AssetRecord {
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
        secret_id: a.needed(names::SECRET_ARN)?,
        secret: older::secret_name(a)?,
        place,
        last_updated: a.time(names::LAST_UPDATED),
    })
}

fn decode_wanted(a: &Attributes<'_>) -> Result<WantedRecord> {
    Ok(WantedRecord {
        environment: a.needed(names::ENVIRONMENT)?,
        asset: a.needed(names::ASSET)?,
        wanted: a.one_of(names::WANTED, WISHES)?,
        last_updated: a.time(names::LAST_UPDATED),
    })
}

/// The key that an item says is its own, in the core's words; `None` if somebody has edited even that.
fn own_key(kind: Kind, item: &Item) -> Option<String> {
    fn get<T: TryFrom<String, Error = Error>>(item: &Item, name: &str) -> Option<T> {
        T::try_from(item.get(name)?.as_s().ok()?.clone()).ok()
    }
    let source = || {
        let (connection, environment) = (get(item, names::CONNECTION)?, get(item, names::ENVIRONMENT)?);
        Some(SourceKey { connection, environment })
    };
    let key = match kind {
        Kind::Source => Key::Source(source()?),
        Kind::Entry => Key::Entry(source()?, get(item, names::TABLE)?),
        Kind::Mapping => Key::Mapping(get(item, names::SHARED_SECRET_ARN)?),
        Kind::Asset => Key::Asset(get(item, names::ENVIRONMENT)?, get(item, names::ASSET)?),
        Kind::Wanted => Key::Wanted(get(item, names::ENVIRONMENT)?, get(item, names::ASSET)?),
        Kind::Bucket => Key::Bucket(get(item, names::BUCKET)?),
        Kind::Objects => Key::Objects(get(item, names::ENVIRONMENT)?, get(item, names::ASSET)?),
    };
    Some(key.to_string())
}

/// An item by its primary key.
fn described(kind: Kind, item: &Item) -> String {
    let values = kind.table().key_names().map(|name| match item.get(name) {
        Some(AttributeValue::S(text) | AttributeValue::N(text)) => format!("{name} {text:?}"),
        _ => format!("{name} unknown"),
    });
    format!("item with {}", values.collect::<Vec<_>>().join(" and "))
}
