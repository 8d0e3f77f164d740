//! Listings.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use dzconn_core::model::{ListingId, ProjectId};
use dzconn_core::store::{Cursor, Page, Query};
use dzconn_core::{Error, ErrorKind, Result, Step};
use serde::{Deserialize, Serialize};

use super::buckets::is_objects;
use super::item::Item;
use super::keys::{BUCKETS, Table, entries_of, is_wanted, wanted_of};
use super::records::{Kind, decode};
use super::{DynamoTracking, names, read};
use crate::error::code_of;

/// What a listing is made of.
#[derive(Clone, Debug)]
struct Plan {
    kind: Kind,
    way: Way,
    /// What the key attributes must be: of a partition, or of the index.
    fixed: Vec<(&'static str, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Way {
    /// One partition, in the order of the sort keys.
    Partition,
    /// A whole table.
    Table,
    /// The index by listing.
    Index,
    /// A whole table for want of the index.
    Search,
}

/// A cursor's text.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Position {
    by: Way,
    after: BTreeMap<String, String>,
}

impl Plan {
    fn of(query: &Query) -> Self {
        let whole = |kind| Self { kind, way: Way::Table, fixed: Vec::new() };
        let partition =
            |kind, name, value: &str| Self { kind, way: Way::Partition, fixed: vec![(name, value.to_owned())] };
        match query {
            Query::Sources(None) => whole(Kind::Source),
            Query::Mappings => whole(Kind::Mapping),
            Query::Assets(None) => whole(Kind::Asset),
            Query::Sources(Some(connection)) => partition(Kind::Source, names::CONNECTION, connection.as_str()),
            Query::Assets(Some(environment)) => partition(Kind::Asset, names::ENVIRONMENT, environment.as_str()),
            Query::Entries(key) => partition(Kind::Entry, names::PARTITION, &entries_of(key)),
            Query::Wanted(None) => whole(Kind::Wanted),
            Query::Wanted(Some(environment)) => partition(Kind::Wanted, names::PARTITION, &wanted_of(environment)),
            Query::Listing(project, listing) => {
                Self { kind: Kind::Asset, way: Way::Index, fixed: by_listing(project, listing) }
            }
            Query::Buckets => partition(Kind::Bucket, names::PARTITION, BUCKETS),
            Query::Objects(None) => whole(Kind::Objects),
            Query::Objects(Some(environment)) => partition(Kind::Objects, names::ENVIRONMENT, environment.as_str()),
            Query::ObjectListing(project, listing) => {
                Self { kind: Kind::Objects, way: Way::Index, fixed: by_listing(project, listing) }
            }
        }
    }

    fn table(&self) -> Table {
        self.kind.table()
    }

    /// The key after which a page begins, if this cursor is one of this listing's.
    fn resume(&mut self, cursor: &Cursor) -> Result<Item> {
        let foreign =
            || Error::new(ErrorKind::InvalidInput, "the cursor is not one of this listing's").at(Step::Tracking);
        let position: Position = serde_json::from_str(cursor.as_str()).map_err(|error| foreign().because(error))?;
        let own = position.by == self.way || (position.by, self.way) == (Way::Search, Way::Index);
        self.way = position.by;
        let mut wanted: Vec<&str> = self.table().key_names().collect();
        if self.way == Way::Index {
            wanted.extend([names::PROJECT, names::LISTING]);
        }
        let complete =
            position.after.len() == wanted.len() && wanted.iter().all(|name| position.after.contains_key(*name));
        let inside =
            self.way == Way::Search || self.fixed.iter().all(|(name, value)| position.after.get(*name) == Some(value));
        if !(own && complete && inside) {
            return Err(foreign());
        }
        Ok(position.after.into_iter().map(|(name, text)| (name, AttributeValue::S(text))).collect())
    }

    fn cursor(&self, last: Item) -> Result<Cursor> {
        let text = |(name, value): (String, AttributeValue)| match value {
            AttributeValue::S(text) => Ok((name, text)),
            _ => Err(Error::new(ErrorKind::Unexpected, format!("DynamoDB has a key {name} that is no text"))),
        };
        let position = Position { by: self.way, after: last.into_iter().map(text).collect::<Result<_>>()? };
        let text = serde_json::to_string(&position);
        text.map(Cursor::new).map_err(|e| Error::new(ErrorKind::Unexpected, "a cursor cannot be written").because(e))
    }

    /// The names, the values and the condition that they are equal.
    fn condition(&self) -> (HashMap<String, String>, Item, String) {
        let mut condition = Vec::new();
        let (mut attributes, mut values) = (HashMap::new(), HashMap::new());
        for (n, (name, value)) in self.fixed.iter().enumerate() {
            attributes.insert(format!("#n{n}"), (*name).to_owned());
            values.insert(format!(":v{n}"), AttributeValue::S(value.clone()));
            condition.push(format!("#n{n} = :v{n}"));
        }
        (attributes, values, condition.join(" AND "))
    }
}

fn by_listing(project: &ProjectId, listing: &ListingId) -> Vec<(&'static str, String)> {
    vec![(names::PROJECT, project.as_str().to_owned()), (names::LISTING, listing.as_str().to_owned())]
}

pub(super) async fn list(store: &DynamoTracking, query: &Query, after: Option<&Cursor>) -> Result<Page> {
    let mut plan = Plan::of(query);
    let start = after.map(|after| plan.resume(after)).transpose()?;
    let (items, last) = match plan.way {
        Way::Partition | Way::Index => {
            if let Some(page) = queried(store, &plan, start).await? {
                page
            } else {
                plan.way = Way::Search;
                scanned(store, &plan, None).await?
            }
        }
        Way::Table | Way::Search => scanned(store, &plan, start).await?,
    };
    let copies = match plan.kind {
        Kind::Source => read::copies(store, items.iter()).await?,
        _ => HashMap::new(),
    };
    let table = plan.table().name(&store.tables);
    // What environments read, tables and objects, stands side by side; so does all that is in the table of our own.
    let meant = items.iter().filter(|item| match plan.kind {
        Kind::Wanted => is_wanted(item),
        Kind::Asset => !is_objects(item),
        Kind::Objects => is_objects(item),
        _ => true,
    });
    let records = meant.map(|item| decode(plan.kind, table, None, item, &copies)).collect();
    let next = last.filter(|key| !key.is_empty()).map(|key| plan.cursor(key)).transpose()?;
    Ok(Page { records, next })
}

type Items = (Vec<Item>, Option<Item>);

/// `None` where the index is asked and there is none to ask: it does not exist, or is still being filled.
async fn queried(store: &DynamoTracking, plan: &Plan, start: Option<Item>) -> Result<Option<Items>> {
    let indexed = plan.way == Way::Index;
    let first = start.is_none();
    let (attributes, values, condition) = plan.condition();
    let request = store.client.query().table_name(plan.table().name(&store.tables)).key_condition_expression(condition);
    let request = request
        .set_expression_attribute_names(Some(attributes))
        .set_expression_attribute_values(Some(values))
        .set_exclusive_start_key(start)
        .limit(store.page);
    // An index cannot be read consistently.
    let request = if indexed { request.index_name(names::BY_LISTING) } else { request.consistent_read(true) };
    match request.send().await {
        Ok(answer) => Ok(Some((answer.items.unwrap_or_default(), answer.last_evaluated_key))),
        // The second is what a table that does not exist says too; searching it will tell.
        Err(error)
            if indexed
                && first
                && matches!(code_of(&error), Some("ValidationException" | "ResourceNotFoundException")) =>
        {
            tracing::debug!(index = names::BY_LISTING, "the index cannot be asked; the whole table is searched");
            Ok(None)
        }
        Err(error) => Err(store.failed("Query", error, &[plan.table()])),
    }
}

async fn scanned(store: &DynamoTracking, plan: &Plan, start: Option<Item>) -> Result<Items> {
    let request = store.client.scan().table_name(plan.table().name(&store.tables)).consistent_read(true);
    let request = request.set_exclusive_start_key(start);
    let request = if plan.way == Way::Search {
        // A limit would count what is looked at, and few of those are what is looked for.
        let (attributes, values, condition) = plan.condition();
        request
            .filter_expression(condition)
            .set_expression_attribute_names(Some(attributes))
            .set_expression_attribute_values(Some(values))
    } else {
        request.limit(store.page)
    };
    let answer = request.send().await.map_err(|error| store.failed("Scan", error, &[plan.table()]))?;
    Ok((answer.items.unwrap_or_default(), answer.last_evaluated_key))
}
