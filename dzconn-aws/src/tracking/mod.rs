//! `DynamoDB`: the tracking tables.
//!
//! # The tables
//!
//! Three tables are documented, and read by others: source subscriptions, secrets mapping, asset subscriptions. Their
//! documented attributes are all there, under their names; our own stand beside them and begin with `dzconn_`
//! (`data_assets_complete`, a documented marker, excepted). A fourth table is ours alone: an item for each settled table, and
//! one for each answer of the portal, under a partition key `pk` and a sort key `sk`.
//!
//! | record | table | partition key | sort key | own attributes |
//! | --- | --- | --- | --- | --- |
//! | source | sources | `glue_connection_arn` | `datazone_consumer_environment_id` | `dzconn_phase`, `dzconn_generation`, `dzconn_user`, `dzconn_copy_secret_name`, `dzconn_older_assets`, `dzconn_settled`, `dzconn_open`, `dzconn_revoked`, `dzconn_retired` |
//! | mapping | mappings | `shared_secret_arn` | | `dzconn_generation` |
//! | asset | assets | `datazone_consumer_environment_id` | `datazone_asset_id` | `dzconn_connection`, `dzconn_account`, `dzconn_region`, `dzconn_path`, `dzconn_table` |
//! | entry | state | `entry\|ENVIRONMENT\|CONNECTION` | the table's names, so written that they sort as the names do | `dzconn_table`, `dzconn_generation`, `dzconn_assets`, `dzconn_since` |
//! | wanted | state | `wanted\|ENVIRONMENT` | the asset | `dzconn_wanted` |
//!
//! Every item that we wrote has `dzconn_version`. Maps and lists are native ones, so that the console shows them. An entry's
//! names are attributes too, and those count: a key that would pass `DynamoDB`'s limits is shortened with a hash.
//!
//! # What the older system wrote
//!
//! Its items have none of our attributes, and are read: the paths in `data_assets` are what was granted, to the user
//! `dz_<environment id>`; the generation's id follows from the secret's ARN; the copy's name comes from the mapping. The
//! first write adds what is ours.
//!
//! # What others wrote
//!
//! Attributes that nobody documented are kept: a write sets our attributes and removes those of ours that do not apply
//! any more, and leaves the rest alone. It costs what a replacement of the item would.
//!
//! # What it needs
//!
//! On the tables: `dynamodb:GetItem`, `BatchGetItem`, `Query`, `Scan`, `UpdateItem`, `DeleteItem` and `ConditionCheckItem`; `Query` also
//! on the index of the asset subscriptions. Without that index, as where the older system made the tables, the asset
//! records for a listing are looked for in the whole table.

mod buckets;
mod commit;
mod item;
mod keys;
mod list;
mod names;
mod older;
mod read;
mod records;
mod tables;
#[cfg(test)]
mod tests;

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use dzconn_core::store::{Cursor, Key, Page, Query, Stored, TrackingStore, Transaction, WriteOutcome};
use dzconn_core::{Error, ErrorKind, Result, Step};

use self::keys::Table;
use crate::config::Tables;
use crate::error::{code_of, from_sdk};

pub use self::tables::{Created, create_tables};

/// The tracking tables in `DynamoDB`.
///
/// Reads are consistent, but for the index ([`Query::Listing`]), which is behind for a moment. A read of two to a
/// hundred keys, which is what runs decide by, is of one instant; one of more is not.
///
/// Listings of one connection, source or environment come in the order of their keys; listings of a whole table come in
/// `DynamoDB`'s own.
#[derive(Clone)]
pub struct DynamoTracking {
    client: Client,
    tables: Tables,
    page: i32,
}

impl fmt::Debug for DynamoTracking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamoTracking").field("tables", &self.tables).finish_non_exhaustive()
    }
}

impl DynamoTracking {
    /// On these tables, which [`create_tables`] makes.
    #[must_use]
    pub fn new(client: Client, tables: Tables) -> Self {
        Self { client, tables, page: 1_000 }
    }

    /// Looks at so many records a page, 1,000 by default. A page is never larger than 1 MB, and where a whole table is
    /// searched no page is smaller, whatever the number.
    #[must_use]
    pub fn with_page(mut self, records: u32) -> Self {
        self.page = i32::try_from(records.max(1)).unwrap_or(i32::MAX);
        self
    }

    fn failed<E>(&self, operation: &str, error: SdkError<E, HttpResponse>, on: &[Table]) -> Error
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        failed(operation, error, &self.names(on))
    }

    fn names(&self, tables: &[Table]) -> String {
        let names: Vec<_> = Table::ALL.into_iter().filter(|table| tables.contains(table)).collect();
        names.into_iter().map(|table| table.name(&self.tables)).collect::<Vec<_>>().join(", ")
    }
}

#[async_trait]
impl TrackingStore for DynamoTracking {
    /// One call for 100 keys, whatever the tables. Where that finds a source item of the older system, one more.
    async fn read(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>> {
        read::read(self, keys).await
    }

    /// One call, whose token makes repetitions of it harmless. A transaction that others are in the way of is tried again
    /// a few times.
    ///
    /// # Errors
    /// [`ErrorKind::Contention`] and [`ErrorKind::Throttled`] after those; [`ErrorKind::LimitReached`] for an item of more
    /// than 400 KB; [`ErrorKind::InvalidInput`] for more than 100 changes or a key in two of them. Nothing was changed,
    /// but for a [`ErrorKind::Contention`] with a transaction of the same token that is still under way.
    async fn commit(&self, transaction: &Transaction) -> Result<WriteOutcome> {
        commit::commit(self, transaction).await
    }

    /// One call a page; one more where it shows source items of the older system.
    async fn list(&self, query: &Query, after: Option<&Cursor>) -> Result<Page> {
        list::list(self, query, after).await
    }
}

fn failed<E>(operation: &str, error: SdkError<E, HttpResponse>, tables: &str) -> Error
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    let missing = code_of(&error) == Some("ResourceNotFoundException");
    let error = from_sdk("DynamoDB", operation, error);
    if missing { missing_table(tables) } else { error }.at(Step::Tracking)
}

fn missing_table(tables: &str) -> Error {
    let what = if tables.contains(", ") { "one of the tracking tables" } else { "the tracking table" };
    Error::new(ErrorKind::InvalidConfig, format!("{what} {tables} does not exist in this account and region"))
        .vendor("DynamoDB ResourceNotFoundException")
        .at(Step::Tracking)
        .advise("check the tables' names, account and region; `dzconn admin create-tables` makes them")
}

/// Waits before another try: longer each time, and not in step with whoever else is waiting.
async fn back_off(tries: u32) {
    let most = 25_u64.saturating_mul(1 << tries.min(6));
    tokio::time::sleep(Duration::from_millis(rand::random_range(most / 2..=most))).await;
}
