//! Reads by key.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::types::{Get, KeysAndAttributes, TransactGetItem};
use dzconn_core::model::SecretId;
use dzconn_core::store::{Key, Stored};
use dzconn_core::{Error, ErrorKind, Result, Step};

use super::item::{Attributes, Item};
use super::keys::{Place, Table};
use super::older::Copies;
use super::records::{Kind, decode};
use super::{DynamoTracking, back_off, older};
use crate::error::code_of;

/// How many keys one call takes (`BatchGetItem` and `TransactGetItems`, API Reference).
const KEYS: usize = 100;
/// How often keys are asked for again that a call has left out.
const ROUNDS: u32 = 8;

pub(super) async fn read(store: &DynamoTracking, keys: &[Key]) -> Result<Vec<Option<Stored>>> {
    let places: Vec<Place> = keys.iter().map(Place::of).collect();
    let found = items(store, &places).await?;
    let copies =
        copies(store, found.iter().filter(|(place, _)| place.table == Table::Sources).map(|(_, item)| item)).await?;
    keys.iter()
        .zip(&places)
        .map(|(key, place)| {
            let kind = Kind::of(key);
            let table = kind.table().name(&store.tables);
            found.get(place).map(|item| decode(kind, table, Some(key), item, &copies)).transpose()
        })
        .collect()
}

/// The names of the copies that mappings have for source items of the older system. Where there are none, nothing is read.
pub(super) async fn copies<'a>(store: &DynamoTracking, sources: impl Iterator<Item = &'a Item>) -> Result<Copies> {
    let secrets: BTreeSet<SecretId> =
        sources.filter_map(older::secret_of).filter_map(|secret| secret.parse().ok()).collect();
    let places: Vec<Place> = secrets.into_iter().map(|secret| Place::of(&Key::Mapping(secret))).collect();
    let table = store.tables.mappings.as_str();
    let found = items(store, &places).await?;
    let copy = |(place, item): (Place, Item)| {
        let name = older::secret_name(&Attributes::new(&item, table, "mapping")).ok();
        (place.partition, name)
    };
    Ok(found.into_iter().map(copy).collect())
}

/// The items at these places, those that there are.
async fn items(store: &DynamoTracking, places: &[Place]) -> Result<HashMap<Place, Item>> {
    let mut seen = BTreeSet::new();
    // A key that stands in a request twice is refused.
    let unique: Vec<&Place> = places
        .iter()
        .filter(|place| seen.insert((place.table.name(&store.tables), &place.partition, &place.sort)))
        .collect();
    let mut found = HashMap::with_capacity(unique.len());
    // One item is never seen half written, and nobody reads more than fit a transaction to decide by them.
    if (2..=KEYS).contains(&unique.len()) {
        together(store, &unique, &mut found).await?;
        return Ok(found);
    }
    for some in unique.chunks(KEYS) {
        batch(store, some, &mut found).await?;
    }
    Ok(found)
}

/// All at one instant: a source record and its entries are written together, and a run that saw one of them older than the other
/// would decide by a state that never was.
async fn together(store: &DynamoTracking, places: &[&Place], found: &mut HashMap<Place, Item>) -> Result<()> {
    let tables: Vec<Table> = Table::ALL.into_iter().filter(|table| places.iter().any(|p| p.table == *table)).collect();
    let wrong = |error| Error::new(ErrorKind::Unexpected, "a read cannot be put into words").because(error);
    let mut gets = Vec::with_capacity(places.len());
    for place in places {
        let get = Get::builder().table_name(place.table.name(&store.tables)).set_key(Some(place.attributes()));
        gets.push(TransactGetItem::builder().get(get.build().map_err(wrong)?).build());
    }
    for round in 0..ROUNDS {
        match store.client.transact_get_items().set_transact_items(Some(gets.clone())).send().await {
            Ok(answer) => {
                let items = answer.responses.unwrap_or_default().into_iter().map(|response| response.item);
                found.extend(places.iter().zip(items).filter_map(|(place, item)| {
                    let item = item.filter(|item| !item.is_empty())?;
                    Some(((*place).clone(), item))
                }));
                return Ok(());
            }
            // Somebody is writing one of them right now, or there was no capacity.
            Err(error) if code_of(&error) == Some("TransactionCanceledException") => back_off(round).await,
            Err(error) => return Err(store.failed("TransactGetItems", error, &tables)),
        }
    }
    let what = format!("DynamoDB TransactGetItems met others {ROUNDS} times, in {}", store.names(&tables));
    Err(Error::new(ErrorKind::Contention, what).at(Step::Tracking))
}

async fn batch(store: &DynamoTracking, places: &[&Place], found: &mut HashMap<Place, Item>) -> Result<()> {
    let tables: Vec<Table> = Table::ALL.into_iter().filter(|table| places.iter().any(|p| p.table == *table)).collect();
    let mut request = HashMap::new();
    for table in &tables {
        let keys = places.iter().filter(|place| place.table == *table).map(|place| place.attributes()).collect();
        request.insert(table.name(&store.tables).to_owned(), consistent(keys)?);
    }
    for round in 0..ROUNDS {
        let answer = store.client.batch_get_item().set_request_items(Some(request)).send().await;
        let answer = answer.map_err(|error| store.failed("BatchGetItem", error, &tables))?;
        let mut responses = answer.responses.unwrap_or_default();
        for table in &tables {
            for item in responses.remove(table.name(&store.tables)).unwrap_or_default() {
                if let Some(place) = Place::of_item(*table, &item) {
                    found.insert(place, item);
                }
            }
        }
        // Those that did not fit the answer (16 MB), and those for which there was no capacity.
        request = HashMap::new();
        for (table, left) in answer.unprocessed_keys.unwrap_or_default() {
            if !left.keys.is_empty() {
                request.insert(table, consistent(left.keys)?);
            }
        }
        if request.is_empty() {
            return Ok(());
        }
        back_off(round).await;
    }
    let what = format!("DynamoDB BatchGetItem left keys out {ROUNDS} times, from {}", store.names(&tables));
    Err(Error::new(ErrorKind::Throttled, what).at(Step::Tracking))
}

fn consistent(keys: Vec<Item>) -> Result<KeysAndAttributes> {
    let keys = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build();
    keys.map_err(|error| Error::new(ErrorKind::Unexpected, "a read cannot be put into words").because(error))
}
