//! Where a record stands: its table and the two texts of its primary key.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use dzconn_core::model::{EnvironmentId, SourceKey, TableName};
use dzconn_core::store::Key;
use sha2::{Digest, Sha256};

use super::item::Item;
use super::names;
use crate::config::Tables;

/// A partition key's length, in bytes ("Quotas", `DynamoDB` Developer Guide).
const PARTITION_LIMIT: usize = 2048;
/// A sort key's length, in bytes (the same page).
const SORT_LIMIT: usize = 1024;

/// What the partitions of the portal's answers begin with.
const WANTED: &str = "wanted|";
/// The partition of the records of buckets.
pub(super) const BUCKETS: &str = "buckets";

/// The tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Table {
    Sources,
    Mappings,
    Assets,
    State,
}

impl Table {
    pub(super) const ALL: [Self; 4] = [Self::Sources, Self::Mappings, Self::Assets, Self::State];

    pub(super) fn name(self, tables: &Tables) -> &str {
        match self {
            Self::Sources => &tables.sources,
            Self::Mappings => &tables.mappings,
            Self::Assets => &tables.assets,
            Self::State => &tables.state,
        }
    }

    /// The attributes of its primary key: the partition's, and the sort key's where there is one. All are strings.
    pub(super) const fn key(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Sources => (names::CONNECTION, Some(names::ENVIRONMENT)),
            Self::Mappings => (names::SHARED_SECRET_ARN, None),
            Self::Assets => (names::ENVIRONMENT, Some(names::ASSET)),
            Self::State => (names::PARTITION, Some(names::SORT)),
        }
    }

    pub(super) fn key_names(self) -> impl Iterator<Item = &'static str> {
        let (partition, sort) = self.key();
        [Some(partition), sort].into_iter().flatten()
    }
}

/// One item's place.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) table: Table,
    pub(super) partition: String,
    pub(super) sort: Option<String>,
}

impl Place {
    pub(super) fn of(key: &Key) -> Self {
        let at = |table, partition: &str, sort: Option<&str>| Self {
            table,
            partition: partition.to_owned(),
            sort: sort.map(str::to_owned),
        };
        match key {
            Key::Source(key) => at(Table::Sources, key.connection.as_str(), Some(key.environment.as_str())),
            Key::Mapping(secret) => at(Table::Mappings, secret.as_str(), None),
            // Tables and objects stand side by side: whoever reads that table sees all that an environment reads.
            Key::Asset(environment, asset) | Key::Objects(environment, asset) => {
                at(Table::Assets, environment.as_str(), Some(asset.as_str()))
            }
            Key::Entry(key, table) => at(Table::State, &entries_of(key), Some(&sortable(table))),
            Key::Wanted(environment, asset) => at(Table::State, &wanted_of(environment), Some(asset.as_str())),
            Key::Bucket(bucket) => at(Table::State, BUCKETS, Some(bucket.arn())),
        }
    }

    /// The place at which an item was found; `None` if it lacks a key attribute, which `DynamoDB` does not let happen.
    pub(super) fn of_item(table: Table, item: &Item) -> Option<Self> {
        let text = |name| item.get(name).and_then(|value| value.as_s().ok()).cloned();
        let (partition, sort) = table.key();
        let sort = match sort {
            Some(sort) => Some(text(sort)?),
            None => None,
        };
        Some(Self { table, partition: text(partition)?, sort })
    }

    /// The primary key as `DynamoDB` wants it.
    pub(super) fn attributes(&self) -> HashMap<String, AttributeValue> {
        let (partition, sort) = self.table.key();
        let text = |name: &str, text: &str| (name.to_owned(), AttributeValue::S(text.to_owned()));
        let mut attributes = HashMap::from([text(partition, &self.partition)]);
        if let (Some(name), Some(sort)) = (sort, &self.sort) {
            attributes.extend([text(name, sort)]);
        }
        attributes
    }
}

/// The partition of a source's entries. An environment's id has no `|`, so that what follows it is the connection.
pub(super) fn entries_of(key: &SourceKey) -> String {
    let (environment, connection) = (&key.environment, key.connection.as_str());
    let full = format!("entry|{environment}|{connection}");
    if full.len() <= PARTITION_LIMIT {
        return full;
    }
    format!("entry-sha256|{environment}|{}", hash(connection))
}

/// The partition of what the portal last said about an environment's assets.
pub(super) fn wanted_of(environment: &EnvironmentId) -> String {
    format!("{WANTED}{environment}")
}

/// Whether an item of the state table is an answer of the portal.
pub(super) fn is_wanted(item: &Item) -> bool {
    let partition = item.get(names::PARTITION).and_then(|value| value.as_s().ok());
    partition.is_some_and(|partition| partition.starts_with(WANTED))
}

/// A table's names as one text that sorts, byte by byte, as [`TableName`] does: names are separated by a space, the empty
/// name stands for a schema that there is not, and each character up to `!` inside a name, the only ones that could sort
/// before or like the separator, is written as `!` and the character 64 places further on.
///
/// A text that would be too long is cut, and `!~`, which no full text contains, and a hash follow. Such names sort by what
/// is left of them.
fn sortable(table: &TableName) -> String {
    let names = [table.database(), table.schema().unwrap_or_default(), table.name()];
    let full = names.map(escaped).join(" ");
    if full.len() <= SORT_LIMIT {
        return full;
    }
    let tail = format!("!~{}", hash(&full));
    let mut cut = String::new();
    for c in full.chars() {
        if cut.len() + c.len_utf8() + tail.len() > SORT_LIMIT {
            break;
        }
        cut.push(c);
    }
    cut + &tail
}

fn escaped(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for c in name.chars() {
        match u8::try_from(c) {
            Ok(low @ 0..=b'!') => text.extend(['!', char::from(low + 64)]),
            _ => text.push(c),
        }
    }
    text
}

fn hash(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use dzconn_core::model::ConnectionId;
    use proptest::prelude::*;

    use super::*;

    fn key(environment: &str, connection: &str) -> SourceKey {
        SourceKey { connection: connection.parse().unwrap(), environment: environment.parse().unwrap() }
    }

    fn table(names: (String, Option<String>, String)) -> TableName {
        match names {
            (database, None, name) => TableName::in_database(database, name),
            (database, Some(schema), name) => TableName::in_schema(database, schema, name),
        }
        .unwrap()
    }

    fn in_schema(name: &str) -> TableName {
        TableName::in_schema("sales", "hr", name).unwrap()
    }

    #[test]
    fn plain_names_are_readable() {
        assert_eq!(sortable(&in_schema("employees_2")), "sales hr employees_2");
        assert_eq!(sortable(&TableName::in_database("sales-eu", "a.b").unwrap()), "sales-eu  a.b");
        assert_eq!(sortable(&in_schema("of \"1\"!\n")), "sales hr of!`\"1\"!a!J");
        assert_eq!(entries_of(&key("env-1", "arn:x|y")), "entry|env-1|arn:x|y");
    }

    #[test]
    fn long_keys_fit_and_stay_different() {
        let longest = ConnectionId::new("é".repeat(1024)).unwrap();
        let mut other = longest.as_str().to_owned();
        other.replace_range(..2, "ee");
        let (one, two) = (entries_of(&key("e", longest.as_str())), entries_of(&key("e", &other)));
        assert!(one.len() <= PARTITION_LIMIT && two.len() <= PARTITION_LIMIT && one != two, "{one} {two}");
        assert_ne!(entries_of(&key("f", longest.as_str())), one);
        // A connection that is called as the short form ends is another one.
        let alike = one.strip_prefix("entry-sha256|e|").unwrap();
        assert_ne!(entries_of(&key("e", alike)), one);

        let long = "表 ".repeat(600);
        let (one, two) = (sortable(&in_schema(&format!("{long}1"))), sortable(&in_schema(&format!("{long}2"))));
        assert!(one.len() <= SORT_LIMIT && two.len() <= SORT_LIMIT && one != two, "{one} {two}");
        assert!(sortable(&in_schema("a")) < one && one < sortable(&in_schema("譜")), "they stand where they begin");
        assert_eq!(sortable(&in_schema(&"x".repeat(1024 - "sales hr ".len()))).len(), SORT_LIMIT);
        assert!(!sortable(&in_schema(&"x".repeat(1024 - "sales hr ".len()))).contains("!~"));
    }

    fn name() -> impl Strategy<Value = String> {
        // Few characters, most of them awkward ones: names that share a beginning are what goes wrong.
        proptest::collection::vec(
            prop_oneof![
                Just('a'),
                Just('b'),
                Just(' '),
                Just('!'),
                Just('"'),
                Just('.'),
                Just('\\'),
                Just('\u{1}'),
                Just('~'),
                Just('é'),
                Just('\u{ffff}'),
                Just('😀'),
                any::<char>()
            ]
            .prop_filter("no NUL", |c| *c != '\0'),
            1..5,
        )
        .prop_map(|chars| chars.into_iter().collect())
    }

    fn names() -> impl Strategy<Value = (String, Option<String>, String)> {
        (name(), proptest::option::of(name()), name())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn texts_sort_as_the_tables_do(one in names(), other in names()) {
            let (one, other) = (table(one), table(other));
            prop_assert_eq!(sortable(&one).as_bytes().cmp(sortable(&other).as_bytes()), one.cmp(&other));
        }
    }
}
