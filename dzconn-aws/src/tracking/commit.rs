//! Transactions.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, CancellationReason, ConditionCheck, Delete, TransactWriteItem, Update};
use dzconn_core::model::Version;
use dzconn_core::store::{Change, Expect, Record, Transaction, Write, WriteOutcome};
use dzconn_core::{Error, ErrorKind, Result, Step};

use super::item::{Item, size};
use super::keys::{Place, Table};
use super::records::{Kind, encode};
use super::{DynamoTracking, back_off, missing_table, names};

/// How many changes one transaction takes, and how large it may be ("Quotas", `DynamoDB` Developer Guide).
const CHANGES: usize = 100;
const TRANSACTION_LIMIT: usize = 4 * 1024 * 1024;
/// How large an item may be (the same page).
const ITEM_LIMIT: usize = 400 * 1024;
/// How often a transaction is tried that others were in the way of.
const TRIES: u32 = 6;

pub(super) async fn commit(store: &DynamoTracking, transaction: &Transaction) -> Result<WriteOutcome> {
    check_shape(transaction)?;
    let mut changes = Vec::with_capacity(transaction.changes.len());
    let mut bytes = 0;
    for change in &transaction.changes {
        // Nothing to expect and nothing to do.
        if change.write == Write::Check && change.expect == Expect::Anything {
            continue;
        }
        let (item, size) = written(store, change)?;
        bytes += size;
        changes.push((change, item));
    }
    if changes.is_empty() {
        return Ok(WriteOutcome::Written);
    }
    if changes.len() > CHANGES {
        return Err(refused(ErrorKind::InvalidInput, format!("a transaction of {} changes", changes.len())));
    }
    if bytes > TRANSACTION_LIMIT {
        return Err(refused(ErrorKind::LimitReached, format!("a transaction of {bytes} bytes")));
    }
    let (changes, items): (Vec<_>, Vec<_>) = changes.into_iter().unzip();
    let tables: Vec<Table> = changes.iter().map(|change| Kind::of(&change.key).table()).collect();
    // Whoever sends this call again, the SDK or this loop, sends it under the same token: if it was carried out although the
    // answer was lost, it is not carried out twice, and its own outcome is not mistaken for a conflict. Another call of
    // `commit` is another transaction, and has a token of its own.
    let token = Version::from_bits(rand::random()).to_string();
    let mut tries = 0;
    loop {
        let request = store.client.transact_write_items().client_request_token(&token);
        let Err(error) = request.set_transact_items(Some(items.clone())).send().await else {
            return Ok(WriteOutcome::Written);
        };
        let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error() else {
            return Err(store.failed("TransactWriteItems", error, &tables));
        };
        let kind = match verdict(store, &changes, cancelled.cancellation_reasons()) {
            Verdict::Conflict => return Ok(WriteOutcome::Conflict),
            Verdict::Failed(failed) => return Err(*failed),
            Verdict::Again(kind) => kind,
        };
        tries += 1;
        if tries == TRIES {
            let what = format!("DynamoDB cancelled a transaction {TRIES} times");
            return Err(Error::new(kind, what).vendor("DynamoDB TransactionCanceledException").at(Step::Tracking));
        }
        tracing::debug!(tries, %kind, "a transaction was cancelled and is tried again");
        back_off(tries).await;
    }
}

/// What stores may rely on: no key twice, and each record under its own key.
fn check_shape(transaction: &Transaction) -> Result<()> {
    let mut keys = BTreeSet::new();
    for Change { key, write, .. } in &transaction.changes {
        if !keys.insert(key) {
            return Err(refused(ErrorKind::InvalidInput, format!("the {key} stands in two changes")));
        }
        if let Write::Put(_, record) = write
            && record.key() != *key
        {
            return Err(refused(ErrorKind::InvalidInput, format!("the {} under the {key}", record.key())));
        }
    }
    Ok(())
}

fn refused(kind: ErrorKind, what: String) -> Error {
    Error::new(kind, what).at(Step::Tracking)
}

/// A change as a part of the request, and what it counts against the transaction's size.
fn written(store: &DynamoTracking, change: &Change) -> Result<(TransactWriteItem, usize)> {
    let Change { key, expect, write } = change;
    let kind = Kind::of(key);
    let mut words = Words::default();
    let condition = words.condition(kind.table(), *expect);
    let (table, place) = (kind.table().name(&store.tables), Place::of(key).attributes());
    let mut bytes = size(&place);
    let part = TransactWriteItem::builder();
    let part = match write {
        Write::Check => {
            let check = ConditionCheck::builder().table_name(table).set_key(Some(place));
            let check = check.set_condition_expression(condition);
            let (names, values) = words.finish();
            let check = check.set_expression_attribute_names(names).set_expression_attribute_values(values);
            check.build().map(|check| part.condition_check(check))
        }
        Write::Remove => {
            let delete = Delete::builder().table_name(table).set_key(Some(place));
            let delete = delete.set_condition_expression(condition);
            let (names, values) = words.finish();
            let delete = delete.set_expression_attribute_names(names).set_expression_attribute_values(values);
            delete.build().map(|delete| part.delete(delete))
        }
        Write::Put(version, record) => {
            let item = fitting(*version, record)?;
            bytes = size(&item);
            let update = Update::builder().table_name(table).set_key(Some(place));
            let update = update.update_expression(words.update(kind, item)).set_condition_expression(condition);
            let (names, values) = words.finish();
            let update = update.set_expression_attribute_names(names).set_expression_attribute_values(values);
            update.build().map(|update| part.update(update))
        }
    };
    let part = part.map_err(|error: BuildError| {
        Error::new(ErrorKind::Unexpected, format!("the change of the {key} cannot be put into words")).because(error)
    })?;
    Ok((part.build(), bytes))
}

fn fitting(version: Version, record: &Record) -> Result<Item> {
    let item = encode(version, record);
    let bytes = size(&item);
    if bytes <= ITEM_LIMIT {
        return Ok(item);
    }
    let what = format!("the {} would be an item of {bytes} bytes, and DynamoDB holds {ITEM_LIMIT}", record.key());
    Err(refused(ErrorKind::LimitReached, what).advise("let open runs end, and sweep, before more is granted"))
}

/// Expressions, and the names and values that they refer to.
#[derive(Debug, Default)]
struct Words {
    names: HashMap<String, String>,
    values: Item,
}

impl Words {
    fn name(&mut self, name: &str) -> String {
        let known = self.names.iter().find(|(_, known)| *known == name).map(|(word, _)| word.clone());
        known.unwrap_or_else(|| {
            let word = format!("#n{}", self.names.len());
            self.names.insert(word.clone(), name.to_owned());
            word
        })
    }

    fn value(&mut self, value: AttributeValue) -> String {
        let word = format!(":v{}", self.values.len());
        self.values.insert(word.clone(), value);
        word
    }

    fn condition(&mut self, table: Table, expect: Expect) -> Option<String> {
        // What has no partition key is not there.
        let key = table.key().0;
        Some(match expect {
            Expect::Anything => return None,
            Expect::Absent => format!("attribute_not_exists({})", self.name(key)),
            Expect::Unversioned => {
                let (key, version) = (self.name(key), self.name(names::VERSION));
                format!("attribute_exists({key}) AND attribute_not_exists({version})")
            }
            Expect::Is(version) => {
                let (name, value) = (self.name(names::VERSION), self.value(AttributeValue::S(version.to_string())));
                format!("{name} = {value}")
            }
        })
    }

    /// Sets what the record has, removes what it has not, and leaves what is not ours.
    fn update(&mut self, kind: Kind, mut item: Item) -> String {
        kind.table().key_names().for_each(|name| drop(item.remove(name)));
        let removed: Vec<_> = kind.optional().iter().filter(|name| !item.contains_key(**name)).collect();
        let removed: Vec<_> = removed.into_iter().map(|name| self.name(name)).collect();
        let set = item.into_iter().map(|(name, value)| format!("{} = {}", self.name(&name), self.value(value)));
        let set = format!("SET {}", set.collect::<Vec<_>>().join(", "));
        if removed.is_empty() { set } else { format!("{set} REMOVE {}", removed.join(", ")) }
    }

    /// Both as the request wants them: not at all rather than empty.
    fn finish(self) -> (Option<HashMap<String, String>>, Option<Item>) {
        (Some(self.names).filter(|names| !names.is_empty()), Some(self.values).filter(|values| !values.is_empty()))
    }
}

/// What a cancelled transaction means.
#[derive(Debug)]
enum Verdict {
    Conflict,
    Again(ErrorKind),
    Failed(Box<Error>),
}

/// The codes of `TransactionCanceledException` (`TransactWriteItems`, API Reference): one reason for each change, in their
/// order; `None` for one that was not the reason.
fn verdict(store: &DynamoTracking, changes: &[&Change], reasons: &[CancellationReason]) -> Verdict {
    let mut worst = None;
    for (change, reason) in changes.iter().zip(reasons) {
        let kind = match reason.code().unwrap_or("None") {
            "None" => continue,
            "ConditionalCheckFailed" => return Verdict::Conflict,
            "TransactionConflict" => Verdict::Again(ErrorKind::Contention),
            "ThrottlingError" | "ProvisionedThroughputExceeded" => Verdict::Again(ErrorKind::Throttled),
            "ResourceNotFoundException" => {
                Verdict::Failed(Box::new(missing_table(Kind::of(&change.key).table().name(&store.tables))))
            }
            code => {
                let kind = match code {
                    "ItemCollectionSizeLimitExceeded" => ErrorKind::LimitReached,
                    _ => ErrorKind::Unexpected,
                };
                let words = reason.message().unwrap_or("no words");
                let what = format!("DynamoDB refused the change of the {}: {words}", change.key);
                Verdict::Failed(Box::new(refused(kind, what).vendor(format!("DynamoDB {code}"))))
            }
        };
        // What will not pass decides over what may.
        if !matches!(worst, Some(Verdict::Failed(_))) {
            worst = Some(kind);
        }
    }
    worst.unwrap_or_else(|| {
        let what = "DynamoDB cancelled a transaction and did not say why".to_owned();
        Verdict::Failed(Box::new(refused(ErrorKind::Unexpected, what)))
    })
}
