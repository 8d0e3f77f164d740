//! What must hold: at every moment, and when all is quiet.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use dzconn_core::model::*;
use dzconn_core::store::Record;

use crate::truth::{CONNECTIONS, CONSUMER, ENVIRONMENTS, PRODUCER, TABLES, id, table};
use crate::world::World;

/// What tracking and the vault hold.
pub(crate) struct Books {
    pub(crate) sources: BTreeMap<SourceKey, SourceRecord>,
    pub(crate) entries: Vec<EntryRecord>,
    pub(crate) mappings: Vec<MappingRecord>,
    pub(crate) rows: Vec<AssetRecord>,
    pub(crate) secrets: Vec<(SecretName, Credentials)>,
    pub(crate) copies: Vec<(SecretName, Credentials)>,
}

impl Books {
    pub(crate) fn of(world: &World) -> Self {
        let mut books = Self {
            sources: BTreeMap::new(),
            entries: Vec::new(),
            mappings: Vec::new(),
            rows: Vec::new(),
            secrets: Vec::new(),
            copies: Vec::new(),
        };
        for (_, stored) in world.tracking.snapshot().iter() {
            match stored.record.clone() {
                Record::Source(source) => drop(books.sources.insert(source.key.clone(), source)),
                Record::Entry(entry) => books.entries.push(entry),
                Record::Mapping(mapping) => books.mappings.push(mapping),
                Record::Asset(row) => books.rows.push(row),
                Record::Wanted(_) | Record::Bucket(_) | Record::Objects(_) => {}
            }
        }
        for (account, name, held) in world.vault.live() {
            let side = if account.as_str() == PRODUCER { &mut books.secrets } else { &mut books.copies };
            side.push((name, held));
        }
        books
    }

    fn living(&self) -> impl Iterator<Item = (&SourceRecord, &Generation)> {
        self.sources.values().filter_map(|source| Some((source, source.generation.as_ref()?)))
    }

    /// Where an asset is granted, or about to be, or about to go: connections and tables.
    pub(crate) fn holds(&self, environment: &str, asset: &str) -> bool {
        let id: AssetId = id(asset);
        self.entries.iter().any(|entry| entry.key.environment.as_str() == environment && entry.assets.contains_key(&id))
            || self.sources.values().any(|source| {
                source.key.environment.as_str() == environment
                    && source.open.values().any(|open| open.assets.contains_key(&id))
            })
    }

    /// Each settled publication: environment, asset, connection, table, and whether it is retained.
    pub(crate) fn access(&self) -> Vec<(String, String, String, String, bool)> {
        let mut all = Vec::new();
        for entry in &self.entries {
            for (asset, published) in &entry.assets {
                let SourceKey { connection, environment } = &entry.key;
                let table = entry.table.name().to_owned();
                all.push((
                    environment.to_string(),
                    asset.to_string(),
                    connection.to_string(),
                    table,
                    published.retained,
                ));
            }
        }
        all
    }
}

/// What may be other than records say, because somebody has worked by hand.
#[derive(Clone, Debug, Default)]
pub(crate) struct ByHand {
    /// Of these sources and environments, passwords and grants.
    pub(crate) keys: BTreeSet<(String, String)>,
}

impl ByHand {
    fn at(&self, key: &SourceKey) -> bool {
        self.keys.contains(&(key.connection.to_string(), key.environment.to_string()))
    }
}

/// What is there at this moment and no record knows of, so that no later run could find it; and credentials that a
/// consumer has been given and that do not log in; and access that was never approved.
pub(crate) fn moment(world: &World, books: &Books, by_hand: &ByHand) -> Option<String> {
    let unknown = |what: String| Some(format!("unknown to the records: {what}"));
    let copies: BTreeSet<&SecretName> = books
        .sources
        .values()
        .flat_map(|source| {
            let retired = source.retired.iter().map(|retired| &retired.copy);
            source.generation.iter().map(|living| &living.copy).chain(retired)
        })
        .collect();
    let generations: BTreeSet<GenerationId> = books
        .sources
        .values()
        .flat_map(|source| {
            source.generation.iter().map(|living| living.id).chain(source.retired.iter().map(|retired| retired.id))
        })
        .collect();
    if let Some((name, _)) =
        books.secrets.iter().find(|(name, _)| !books.living().any(|(_, living)| living.secret == *name))
    {
        return unknown(format!("the secret {name}"));
    }
    if let Some((name, _)) = books.copies.iter().find(|(name, _)| !copies.contains(name)) {
        return unknown(format!("the copy {name}"));
    }
    if let Some(mapping) = books.mappings.iter().find(|mapping| !generations.contains(&mapping.generation)) {
        return unknown(format!("the mapping of {}", mapping.secret));
    }
    for entry in &books.entries {
        let source = books.sources.get(&entry.key);
        let of = source.and_then(|source| source.generation.as_ref()).is_some_and(|g| g.id == entry.generation);
        if !of {
            return unknown(format!("the entry {} of {}", entry.table, entry.key));
        }
    }
    for source in books.sources.values() {
        let settled = books.entries.iter().filter(|entry| entry.key == source.key).count() as u64;
        if source.settled != settled {
            return Some(format!("{} counts {} tables and has {settled}", source.key, source.settled));
        }
    }
    for row in &books.rows {
        let environment = row.environment.as_str();
        let revoked = books
            .sources
            .values()
            .any(|source| source.key.environment == row.environment && source.revoked.contains(&row.asset));
        if !revoked && !books.holds(environment, row.asset.as_str()) {
            return unknown(format!("the row of {} for {environment}", row.asset));
        }
    }
    for connection in CONNECTIONS {
        let wrong = world.server(connection).with(|database| {
            for user in database.users() {
                let of = books.living().find(|(source, living)| {
                    source.key.connection.as_str() == connection && living.users().any(|of| of == user)
                });
                let Some((source, _)) = of else { return unknown(format!("the user {user} of {connection}")) };
                if by_hand.at(&source.key) {
                    continue;
                }
                for granted in database.granted(user) {
                    let settled = books.entries.iter().any(|entry| entry.key == source.key && entry.table == *granted);
                    if !settled && !source.open.contains_key(granted) {
                        return unknown(format!("{user} reads {granted}"));
                    }
                    let environment = source.key.environment.as_str();
                    if !world.truth.approved(environment, connection, granted.name()) {
                        return Some(format!("{environment} reads {granted}, which was never approved"));
                    }
                }
            }
            None
        });
        if wrong.is_some() {
            return wrong;
        }
    }
    copies_that_do_not_open(world, books, by_hand)
}

/// Consumers' copies that do not log in, or do not read what was delivered.
fn copies_that_do_not_open(world: &World, books: &Books, by_hand: &ByHand) -> Option<String> {
    for (source, living) in books.living() {
        let mapped = books.mappings.iter().any(|mapping| mapping.generation == living.id);
        let copy = books.copies.iter().find(|(name, _)| *name == living.copy);
        if let (Phase::Active, true, false, Some((_, held))) = (source.phase, mapped, by_hand.at(&source.key), copy)
            && !opens(world, &source.key, held, None)
        {
            return Some(format!("what the copy {} holds does not log in", living.copy));
        }
        if let (Phase::Active, false, Some((_, held))) = (source.phase, by_hand.at(&source.key), copy) {
            // Delivered: a row, and an entry of this generation that nobody is about to take back.
            for entry in books.entries.iter().filter(|entry| entry.key == source.key) {
                let delivered = |row: &&AssetRecord| {
                    let at = row.place.as_ref().is_some_and(|place| {
                        place.location.connection == source.key.connection && place.table == entry.table
                    });
                    at && row.environment == source.key.environment && entry.assets.contains_key(&row.asset)
                };
                let row = books.rows.iter().filter(delivered).any(|row| !source.revoked.contains(&row.asset));
                if mapped && row && !opens(world, &source.key, held, Some(&entry.table)) {
                    return Some(format!("what the copy {} holds does not read {}", living.copy, entry.table));
                }
            }
        }
    }
    None
}

fn opens(world: &World, key: &SourceKey, held: &Credentials, table: Option<&TableName>) -> bool {
    let login = world.server(key.connection.as_str()).with(|database| database.log_in(held, table));
    match table {
        None => login != dzconn_core::engine::Login::Refused,
        Some(_) => matches!(login, dzconn_core::engine::Login::In(Some(dzconn_core::engine::Reads::Yes(_)))),
    }
}

/// What is wrong when all is quiet: of each source and environment nothing is half done or left behind, and all that
/// belongs together is together. `extra`: tables that somebody granted by hand.
pub(crate) fn quiet(world: &World, books: &Books, extra: &BTreeSet<(String, String, String)>) -> Option<String> {
    for (connection, (environment, _)) in CONNECTIONS.iter().flat_map(|c| ENVIRONMENTS.iter().map(move |e| (c, e))) {
        let key = SourceKey { connection: id(connection), environment: id(environment) };
        if let Some(wrong) = quiet_at(world, books, &key, extra) {
            return Some(format!("{key}: {wrong}"));
        }
    }
    if books.mappings.len() != books.sources.len() {
        return Some("there are more, or fewer, mappings than users".to_owned());
    }
    let granted: BTreeSet<_> = books.access().into_iter().map(|(e, asset, c, t, _)| (e, asset, c, t)).collect();
    let row = |row: &AssetRecord| {
        let place = row.place.clone().unwrap();
        let (environment, connection) = (row.environment.to_string(), place.location.connection.to_string());
        (environment, row.asset.to_string(), connection, place.table.name().to_owned())
    };
    let rows: BTreeSet<_> = books.rows.iter().map(row).collect();
    if granted != rows {
        let differ: Vec<_> = granted.symmetric_difference(&rows).collect();
        return Some(format!("rows and entries differ: {differ:?}"));
    }
    None
}

fn quiet_at(
    world: &World,
    books: &Books,
    key: &SourceKey,
    extra: &BTreeSet<(String, String, String)>,
) -> Option<String> {
    let connection = key.connection.as_str();
    let tables: BTreeSet<TableName> =
        books.entries.iter().filter(|entry| entry.key == *key).map(|entry| entry.table.clone()).collect();
    let Some(source) = books.sources.get(key) else {
        return (!tables.is_empty()).then(|| "entries without a record".to_owned());
    };
    let SourceRecord { phase, generation, open, revoked, retired, data_assets, .. } = source;
    if *phase != Phase::Active || !open.is_empty() || !revoked.is_empty() || !retired.is_empty() {
        return Some(format!("half done: {phase:?}, {open:?}, {revoked:?}, {} retired", retired.len()));
    }
    let Some(living) = generation else { return Some("no generation".to_owned()) };
    if tables.is_empty() {
        return Some("a user without tables".to_owned());
    }
    let extra: BTreeSet<TableName> = extra
        .iter()
        .filter(|(c, e, _)| c == connection && e == key.environment.as_str())
        .map(|(.., name)| table(name))
        .collect();
    let granted: BTreeSet<TableName> =
        world.server(connection).with(|database| database.granted(&living.user).cloned().collect());
    if !tables.is_subset(&granted) || granted.difference(&tables).any(|more| !extra.contains(more)) {
        return Some(format!("the source grants {granted:?} and the record has {tables:?}"));
    }
    if let Some(spare) = &living.spare {
        let more: Vec<_> = world.server(connection).with(|database| {
            let beyond = database.granted(spare).filter(|granted| !tables.contains(granted));
            beyond.filter(|granted| !extra.contains(*granted)).cloned().collect()
        });
        if !more.is_empty() {
            return Some(format!("{spare} still reads {more:?}"));
        }
    }
    let paths = books.entries.iter().filter(|entry| entry.key == *key).flat_map(|entry| entry.assets.values());
    if *data_assets != paths.map(|published| published.path.clone()).collect() {
        return Some(format!("the paths {data_assets:?} are not those of the entries"));
    }
    let secret = books.secrets.iter().find(|(name, _)| *name == living.secret).map(|(_, held)| held);
    let copy = books.copies.iter().find(|(name, _)| *name == living.copy).map(|(_, held)| held);
    let (Some(secret), Some(copy)) = (secret, copy) else { return Some("a secret or its copy is missing".to_owned()) };
    if secret != copy {
        return Some("the copy is not what the producer's secret holds".to_owned());
    }
    if world.vault.snapshot().readers(&id(PRODUCER), &living.secret).len() != 1 {
        return Some("the secret is not shared".to_owned());
    }
    for name in TABLES.map(table) {
        let (reads, may) = (opens(world, key, copy, Some(&name)), tables.contains(&name) || extra.contains(&name));
        if reads && !may || !reads && tables.contains(&name) {
            return Some(format!("the consumer reads {name}: {reads}"));
        }
    }
    let mapping = books.mappings.iter().find(|mapping| mapping.generation == living.id);
    if mapping.is_none_or(|mapping| mapping.secret != living.copy || mapping.owner.account.as_str() != CONSUMER) {
        return Some("the mapping is missing or wrong".to_owned());
    }
    None
}

/// What a state looks like, whatever was random in it.
pub(crate) fn shape(world: &World, books: &Books) -> u64 {
    let mut hash = DefaultHasher::new();
    for (key, source) in &books.sources {
        (key, source.phase, source.generation.is_some(), source.open.clone()).hash(&mut hash);
        (&source.revoked, source.retired.len()).hash(&mut hash);
    }
    books.access().hash(&mut hash);
    books.rows.iter().for_each(|row| (&row.environment, &row.asset).hash(&mut hash));
    (books.mappings.len(), books.secrets.len(), books.copies.len(), world.gates.late()).hash(&mut hash);
    for connection in CONNECTIONS {
        world.server(connection).with(|database| {
            for user in database.users() {
                (user, database.granted(user).collect::<Vec<_>>()).hash(&mut hash);
            }
        });
    }
    for (task, waiting) in world.gates.ready() {
        (task, waiting.name).hash(&mut hash);
    }
    hash.finish()
}
