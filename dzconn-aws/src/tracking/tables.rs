//! The tables themselves, for a fresh governance account.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, CreateGlobalSecondaryIndexAction, GlobalSecondaryIndex,
    GlobalSecondaryIndexUpdate, IndexStatus, KeySchemaElement, KeyType, PointInTimeRecoverySpecification, Projection,
    ProjectionType, ProvisionedThroughput, ScalarAttributeType, TableDescription, TableStatus,
};
use dzconn_core::{Deadline, Error, ErrorKind, Result, Step};

use super::keys::Table;
use super::{failed, names};
use crate::config::Tables;
use crate::error::code_of;

/// How long tables and index may take to become usable. Filling an index takes minutes where a table is large.
const PATIENCE: Duration = Duration::from_secs(15 * 60);
const PAUSE: Duration = Duration::from_millis(500);

const INDEX_KEY: (&str, Option<&str>) = (names::PROJECT, Some(names::LISTING));

/// What [`create_tables`] has done.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Created {
    /// A table was made.
    Table(String),
    /// An index was added to a table that was there.
    Index {
        /// The table.
        table: String,
        /// The index.
        index: String,
    },
    /// A table was there, as it must be, and was left alone.
    Found(String),
}

impl fmt::Display for Created {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Table(table) => write!(f, "table {table} created"),
            Self::Index { table, index } => write!(f, "index {index} added to table {table}"),
            Self::Found(table) => write!(f, "table {table} is there"),
        }
    }
}

/// Makes those of the tracking tables that there are not, and the index of the asset subscriptions, and waits until they can
/// be used. A new table is paid for by request, protected from deletion, and can be restored to any point of the last 35
/// days. Tables that are there are checked, and nothing but the index is added to them.
///
/// # Idempotence
/// Repeating it does nothing; after a run that was broken off it goes on. Only point-in-time recovery of a table that such
/// a run had just made may then have to be switched on by hand.
///
/// # Errors
/// [`ErrorKind::InvalidConfig`] names a table or index whose key is another one: nothing was made. [`ErrorKind::Timeout`] after
/// 15 minutes: what was begun goes on in AWS.
pub async fn create_tables(client: &Client, tables: &Tables) -> Result<Vec<Created>> {
    let making = Box::pin(make(client, tables));
    let making = Deadline::within(PATIENCE).run("making the tracking tables", making).await;
    making.map_err(|error| match error.kind() {
        ErrorKind::Timeout => error.at(Step::Tracking).advise("run it again in a while: it goes on where it is"),
        _ => error.at(Step::Tracking),
    })
}

async fn make(client: &Client, tables: &Tables) -> Result<Vec<Created>> {
    let mut missing = Vec::new();
    // All are looked at first, so that nothing is made where something is wrong.
    for table in Table::ALL {
        match describe(client, table.name(tables)).await? {
            Some(found) => check(table, &found)?,
            None => missing.push(table),
        }
    }
    let mut made = Vec::new();
    for table in &missing {
        if create(client, *table, table.name(tables)).await? {
            made.push(*table);
        }
    }
    let mut created = Vec::new();
    for table in Table::ALL {
        let name = table.name(tables);
        let found = until_usable(client, name).await?;
        // Also what another run has made in the meantime.
        check(table, &found)?;
        let new = made.contains(&table);
        created.push(if new { Created::Table(name.to_owned()) } else { Created::Found(name.to_owned()) });
        if new {
            restorable(client, name).await?;
        }
        if table == Table::Assets && !has_index(&found) {
            add_index(client, name, &found).await?;
            until_usable(client, name).await?;
            created.push(Created::Index { table: name.to_owned(), index: names::BY_LISTING.to_owned() });
        }
    }
    Ok(created)
}

async fn describe(client: &Client, name: &str) -> Result<Option<TableDescription>> {
    match client.describe_table().table_name(name).send().await {
        Ok(answer) => Ok(answer.table),
        Err(error) if code_of(&error) == Some("ResourceNotFoundException") => Ok(None),
        Err(error) => Err(failed("DescribeTable", error, name)),
    }
}

/// Waits until a table and its indexes are active.
async fn until_usable(client: &Client, name: &str) -> Result<TableDescription> {
    loop {
        if let Some(found) = describe(client, name).await? {
            let active = |status: Option<&IndexStatus>| status == Some(&IndexStatus::Active);
            let filled = found.global_secondary_indexes().iter().all(|index| active(index.index_status()));
            match found.table_status() {
                Some(TableStatus::Active) if filled => return Ok(found),
                Some(TableStatus::Active | TableStatus::Creating | TableStatus::Updating) => {}
                other => {
                    let status = other.map_or("without a status", TableStatus::as_str);
                    return Err(Error::new(ErrorKind::StoreFailed, format!("the table {name} is {status}")));
                }
            }
        }
        tracing::debug!(table = name, "waiting for the table to become active");
        tokio::time::sleep(PAUSE).await;
    }
}

fn check(table: Table, found: &TableDescription) -> Result<()> {
    let name = found.table_name().unwrap_or_default();
    same_key(&format!("the table {name}"), found, found.key_schema(), table.key())?;
    let index = found.global_secondary_indexes().iter().find(|index| index.index_name() == Some(names::BY_LISTING));
    match index {
        Some(index) if table == Table::Assets => {
            let what = format!("the index {} of the table {name}", names::BY_LISTING);
            same_key(&what, found, index.key_schema(), INDEX_KEY)
        }
        _ => Ok(()),
    }
}

fn same_key(what: &str, table: &TableDescription, found: &[KeySchemaElement], key: (&str, Option<&str>)) -> Result<()> {
    let kind = |name: &str| {
        let definition = table.attribute_definitions().iter().find(|definition| definition.attribute_name() == name);
        definition.map_or("?", |definition| definition.attribute_type().as_str())
    };
    let has = found.iter().map(|element| {
        let name = element.attribute_name();
        format!("{} {name} {}", element.key_type().as_str(), kind(name))
    });
    let mut has: Vec<_> = has.collect();
    let mut wanted: Vec<_> = parts(key).map(|(name, part)| format!("{} {name} S", part.as_str())).collect();
    has.sort();
    wanted.sort();
    if has == wanted {
        return Ok(());
    }
    let detail = format!("{what} has the key {}, and must have {}", has.join(", "), wanted.join(", "));
    Err(Error::new(ErrorKind::InvalidConfig, detail)
        .at(Step::Tracking)
        .advise("configure another name, or move that table out of the way"))
}

fn has_index(table: &TableDescription) -> bool {
    table.global_secondary_indexes().iter().any(|index| index.index_name() == Some(names::BY_LISTING))
}

fn parts<'a>((partition, sort): (&'a str, Option<&'a str>)) -> impl Iterator<Item = (&'a str, KeyType)> {
    [Some((partition, KeyType::Hash)), sort.map(|sort| (sort, KeyType::Range))].into_iter().flatten()
}

fn schema(key: (&str, Option<&str>)) -> Result<Vec<KeySchemaElement>> {
    let element = |(name, part)| KeySchemaElement::builder().attribute_name(name).key_type(part).build();
    parts(key).map(element).collect::<Result<_, _>>().map_err(unspeakable)
}

fn definitions(keys: &[(&str, Option<&str>)]) -> Result<Vec<AttributeDefinition>> {
    let mut all: Vec<&str> = keys.iter().flat_map(|key| parts(*key)).map(|(name, _)| name).collect();
    all.sort_unstable();
    all.dedup();
    let definition =
        |name: &str| AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S).build();
    all.into_iter().map(definition).collect::<Result<_, _>>().map_err(unspeakable)
}

fn everything() -> Projection {
    Projection::builder().projection_type(ProjectionType::All).build()
}

/// Whether it was this call that made the table.
async fn create(client: &Client, table: Table, name: &str) -> Result<bool> {
    let request = client
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .deletion_protection_enabled(true)
        .set_key_schema(Some(schema(table.key())?));
    let request = if table == Table::Assets {
        let index = GlobalSecondaryIndex::builder().index_name(names::BY_LISTING).projection(everything());
        let index = index.set_key_schema(Some(schema(INDEX_KEY)?)).build().map_err(unspeakable)?;
        request.set_attribute_definitions(Some(definitions(&[table.key(), INDEX_KEY])?)).global_secondary_indexes(index)
    } else {
        request.set_attribute_definitions(Some(definitions(&[table.key()])?))
    };
    match request.send().await {
        Ok(_) => Ok(true),
        // Another run was faster.
        Err(error) if is_busy(&error) => Ok(false),
        Err(error) => Err(failed("CreateTable", error, name)),
    }
}

async fn add_index(client: &Client, name: &str, table: &TableDescription) -> Result<()> {
    let action = CreateGlobalSecondaryIndexAction::builder().index_name(names::BY_LISTING).projection(everything());
    let action = action.set_key_schema(Some(schema(INDEX_KEY)?));
    let on_demand = table.billing_mode_summary().and_then(|summary| summary.billing_mode());
    let action = match table.provisioned_throughput() {
        // An index has a capacity of its own where the table has one: as much.
        Some(throughput) if on_demand != Some(&BillingMode::PayPerRequest) => {
            let units = |units: Option<i64>| units.unwrap_or(1).max(1);
            let throughput = ProvisionedThroughput::builder()
                .read_capacity_units(units(throughput.read_capacity_units()))
                .write_capacity_units(units(throughput.write_capacity_units()));
            action.provisioned_throughput(throughput.build().map_err(unspeakable)?)
        }
        _ => action,
    };
    let update = GlobalSecondaryIndexUpdate::builder().create(action.build().map_err(unspeakable)?).build();
    let request = client
        .update_table()
        .table_name(name)
        .set_attribute_definitions(Some(definitions(&[Table::Assets.key(), INDEX_KEY])?))
        .global_secondary_index_updates(update);
    match request.send().await {
        Ok(_) => Ok(()),
        Err(error) if is_busy(&error) => {
            Err(Error::new(ErrorKind::Contention, format!("the table {name} is being changed by somebody else"))
                .because(error))
        }
        Err(error) => Err(failed("UpdateTable", error, name)),
    }
}

async fn restorable(client: &Client, name: &str) -> Result<()> {
    let on = PointInTimeRecoverySpecification::builder().point_in_time_recovery_enabled(true);
    let on = on.build().map_err(unspeakable)?;
    loop {
        let request = client.update_continuous_backups().table_name(name);
        match request.point_in_time_recovery_specification(on.clone()).send().await {
            Ok(_) => return Ok(()),
            // A table is not ready for it at once.
            Err(error) if code_of(&error) == Some("ContinuousBackupsUnavailableException") => {
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(failed("UpdateContinuousBackups", error, name)),
        }
    }
}

fn is_busy<E>(error: &SdkError<E, HttpResponse>) -> bool
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    code_of(error) == Some("ResourceInUseException")
}

fn unspeakable(error: BuildError) -> Error {
    Error::new(ErrorKind::Unexpected, "a table cannot be put into words").because(error)
}
