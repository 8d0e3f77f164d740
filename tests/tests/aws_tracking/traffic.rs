//! Calls: how many, how large, and what becomes of those that fail.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use dzconn_core::ErrorKind;
use dzconn_core::store::{
    Change, Cursor, Expect, Key, Query, Record, Stored, TrackingStore, Transaction, WriteOutcome,
};
use dzconn_core::testkit::tracking::{Sample, version};
use serde_json::{Value, json};

use crate::place::Place;
use crate::wire::{Call, Fault};

fn operations(calls: &[Call]) -> Vec<&str> {
    calls.iter().map(|call| call.operation.as_str()).collect()
}

pub(crate) async fn a_read_and_a_commit_are_one_call(moto: &str) {
    let place = Place::new(moto).await;
    let sample = Sample::new();
    let records = sample.one_of_each(0);
    let changes = records.iter().map(|record| Change::put(Expect::Absent, version(), record.clone())).collect();
    assert_eq!(place.commit(changes).await.unwrap(), WriteOutcome::Written);
    assert_eq!(operations(&place.wire.calls()), ["TransactWriteItems"]);

    let keys: Vec<Key> = records.iter().map(Record::key).collect();
    assert_eq!(place.store.read(&keys).await.unwrap().iter().flatten().count(), 7);
    place.read(&keys[0]).await.unwrap();
    let calls = place.wire.calls();
    assert_eq!(operations(&calls), ["TransactGetItems", "BatchGetItem"], "several are of one instant");
    assert_eq!(calls[0].asked["TransactItems"].as_array().unwrap().len(), 7);
    let tables = calls[1].asked["RequestItems"].as_object().unwrap();
    assert!(tables.len() == 1 && tables.values().all(|table| table["ConsistentRead"] == json!(true)), "{tables:?}");

    let many: Vec<_> = (0..130).map(|n| Record::Wanted(sample.wanted(n, n)).key()).collect();
    place.store.read(&many).await.unwrap();
    assert_eq!(operations(&place.wire.calls()), ["BatchGetItem"; 2]);
    place.store.read(&[]).await.unwrap();
    place.commit(vec![]).await.unwrap();
    place.commit(vec![Change::check(keys[0].clone(), Expect::Anything)]).await.unwrap();
    assert_eq!(place.wire.calls().len(), 0, "nothing is to be done");
}

/// What a grant writes and reads again: the source record, and the entry of its table.
async fn cost_of_a_grant(place: &Place, sample: &Sample, n: usize, seen: Expect) -> (Vec<Call>, Stored) {
    let mut source = sample.source(0);
    source.settled = u64::try_from(10_000 + n).unwrap();
    let (source, entry) = (Record::Source(source), Record::Entry(sample.entry(0, n)));
    let keys = [source.key(), entry.key()];
    let new = version();
    let changes = vec![Change::put(seen, new, source.clone()), Change::put(Expect::Absent, version(), entry)];
    place.wire.calls();
    assert_eq!(place.commit(changes).await.unwrap(), WriteOutcome::Written);
    assert_eq!(place.store.read(&keys).await.unwrap().iter().flatten().count(), 2);
    (place.wire.calls(), Stored { version: Some(new), record: source })
}

pub(crate) async fn ten_thousand_entries_cost_what_one_costs(moto: &str) {
    const MANY: usize = 10_000;
    let place = Place::new(moto).await;
    let sample = Sample::new();
    let (first, stored) = cost_of_a_grant(&place, &sample, 0, Expect::Absent).await;

    // Written past the store, which would take moto minutes: copies of an entry that the store wrote.
    let key = Record::Entry(sample.entry(0, 0)).key();
    let entry = place.item(&key).await;
    let numbers: Vec<usize> = (1..MANY).collect();
    for some in numbers.chunks(25) {
        let put = |n: &usize| {
            let mut item = entry.clone();
            for value in item.values_mut() {
                if let AttributeValue::S(text) = value {
                    *text = text.replacen("t00000", &format!("t{n:05}"), 1);
                }
            }
            WriteRequest::builder().put_request(PutRequest::builder().set_item(Some(item)).build().unwrap()).build()
        };
        let request =
            place.client.batch_write_item().request_items(&place.tables.state, some.iter().map(put).collect());
        request.send().await.unwrap();
    }

    let (last, _) = cost_of_a_grant(&place, &sample, MANY, stored.expect()).await;
    assert_eq!(operations(&first), ["TransactWriteItems", "TransactGetItems"]);
    assert_eq!(operations(&last), operations(&first));
    for (first, last) in first.iter().zip(&last) {
        // Only the condition on the source's version is more than the first grant had.
        assert!(
            last.sent.abs_diff(first.sent) < 100 && last.received.abs_diff(first.received) < 50,
            "{first:?} {last:?}"
        );
        assert!(last.sent < 8_000 && last.received < 8_000, "{} {}", last.sent, last.received);
    }

    // And they are what they are taken for: all of them can be listed, in order, in pages of bounded size.
    let store = dzconn_aws::tracking::DynamoTracking::new(place.client.clone(), place.tables.clone());
    let (mut after, mut tables): (Option<Cursor>, Vec<_>) = (None, Vec::new());
    loop {
        let page = store.list(&Query::Entries(sample.key(0)), after.as_ref()).await.unwrap();
        tables.extend(page.records.into_iter().map(|stored| stored.unwrap().record.key()));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert!(tables.len() == MANY + 1 && tables.is_sorted(), "{}", tables.len());
    assert!(place.wire.calls().iter().all(|call| call.received < 1_500_000));
}

pub(crate) async fn keys_that_are_left_out_are_asked_for_again(moto: &str) {
    let place = Place::new(moto).await;
    let sample = Sample::new();
    let mut wanted = Vec::new();
    for record in sample.one_of_each(0) {
        wanted.push(Some(place.put(&record).await));
    }
    // More than one transaction holds.
    wanted.extend(std::iter::repeat_n(None, 100));
    let absent = (0..100).map(|n| Record::Wanted(sample.wanted(n, n + 500)).key());
    let keys: Vec<Key> = wanted.iter().flatten().map(|stored| stored.record.key()).chain(absent).collect();
    place.wire.calls();
    place.wire.fail([Fault::LeavesOut, Fault::LeavesOut]);
    assert_eq!(place.store.read(&keys).await.unwrap(), wanted);
    let calls = place.wire.calls();
    assert_eq!(operations(&calls), ["BatchGetItem"; 4], "two, and those that were left out twice");
    for call in calls {
        let tables = call.asked["RequestItems"].as_object().unwrap().clone();
        assert!(tables.values().all(|table| table["ConsistentRead"] == json!(true)), "{tables:?}");
    }

    place.wire.fail(vec![Fault::LeavesOut; 50]);
    let error = place.store.read(&keys).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Throttled, "{error}");
    assert!(place.wire.heal() > 30, "it does not ask for ever");
}

fn cancelled(codes: &[&str]) -> Fault {
    let reasons: Vec<Value> =
        codes.iter().map(|code| json!({"Code": code, "Message": format!("words of {code}")})).collect();
    let body = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": "Transaction cancelled",
        "CancellationReasons": reasons,
    });
    Fault::Answers("TransactWriteItems", 400, body)
}

pub(crate) async fn cancelled_transactions_are_tried_again(moto: &str) {
    let place = Place::new(moto).await;
    let sample = Sample::new();
    let changes: Vec<Change> =
        (0..2).map(|n| Change::put(Expect::Absent, version(), Record::Wanted(sample.wanted(n, n)))).collect();
    for reason in ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"] {
        place.wire.fail(vec![cancelled(&["None", reason]); 50]);
        place.wire.calls();
        let error = place.commit(changes.clone()).await.unwrap_err();
        let wanted = if reason == "TransactionConflict" { ErrorKind::Contention } else { ErrorKind::Throttled };
        assert_eq!(error.kind(), wanted, "{error}");
        let calls = place.wire.calls().len();
        assert!((3..=10).contains(&calls) && place.wire.heal() == 50 - calls, "{calls}");
    }
    for (codes, kind) in [
        (["TransactionConflict", "ValidationError"], ErrorKind::Unexpected),
        (["ItemCollectionSizeLimitExceeded", "TransactionConflict"], ErrorKind::LimitReached),
        (["None", "None"], ErrorKind::Unexpected),
    ] {
        place.wire.fail([cancelled(&codes)]);
        assert_eq!(place.commit(changes.clone()).await.unwrap_err().kind(), kind, "{codes:?}");
    }
    for (code, kind) in [
        ("IdempotentParameterMismatchException", ErrorKind::Unexpected),
        ("ValidationException", ErrorKind::Unexpected),
        ("TransactionInProgressException", ErrorKind::Contention),
        ("ProvisionedThroughputExceededException", ErrorKind::Throttled),
        ("AccessDeniedException", ErrorKind::StoreDenied),
        ("InternalServerError", ErrorKind::StoreFailed),
    ] {
        let status = if code == "InternalServerError" { 500 } else { 400 };
        place
            .wire
            .fail(vec![Fault::Answers("TransactWriteItems", status, json!({"__type": code, "message": "no"})); 3]);
        assert_eq!(place.commit(changes.clone()).await.unwrap_err().kind(), kind, "{code}");
        place.wire.heal();
    }
    // A condition that does not hold decides, whatever else was in the way.
    place.wire.fail([cancelled(&["TransactionConflict", "ConditionalCheckFailed"])]);
    assert_eq!(place.commit(changes.clone()).await.unwrap(), WriteOutcome::Conflict);

    place.wire.fail(vec![cancelled(&["TransactionConflict", "None"]); 2]);
    assert_eq!(place.commit(changes).await.unwrap(), WriteOutcome::Written);
}

pub(crate) async fn a_lost_answer_is_no_conflict(moto: &str) {
    let place = Place::new(moto).await;
    for record in Sample::new().one_of_each(0) {
        let key = record.key();
        let stored = Stored { version: Some(version()), record: record.clone() };
        place.wire.fail([Fault::LosesAnswer("TransactWriteItems")]);
        place.wire.calls();
        let put = Change::put(Expect::Absent, stored.version.unwrap(), record);
        assert_eq!(place.commit(vec![put]).await.unwrap(), WriteOutcome::Written);
        let calls = place.wire.calls();
        assert_eq!(operations(&calls), ["TransactWriteItems"; 2]);
        assert_eq!(calls[0].asked, calls[1].asked, "the token included");
        assert_eq!(place.read(&key).await.unwrap(), Some(stored.clone()));

        place.wire.fail([Fault::LosesAnswer("TransactWriteItems")]);
        assert_eq!(
            place.commit(vec![Change::remove(key.clone(), stored.expect())]).await.unwrap(),
            WriteOutcome::Written
        );
        assert_eq!(place.read(&key).await.unwrap(), None);
    }
    // Where no answer ever comes, it is not known, and the version tells.
    let record = Record::Wanted(Sample::new().wanted(0, 0));
    let (new, key) = (version(), record.key());
    place.wire.fail(vec![Fault::LosesAnswer("TransactWriteItems"); 3]);
    let error = place.commit(vec![Change::put(Expect::Absent, new, record)]).await.unwrap_err();
    assert!(error.is_retryable(), "{error}");
    assert_eq!(place.read(&key).await.unwrap().unwrap().version, Some(new));
}

/// The same words twice are two transactions: what is removed, put and removed again is gone.
pub(crate) async fn each_commit_is_a_transaction_of_its_own(moto: &str) {
    let place = Place::new(moto).await;
    let record = Record::Wanted(Sample::new().wanted(0, 0));
    let remove = Transaction { changes: vec![Change::remove(record.key(), Expect::Anything)] };
    let absent = Transaction { changes: vec![Change::check(record.key(), Expect::Absent)] };
    for _ in 0..2 {
        assert_eq!(place.store.commit(&remove).await.unwrap(), WriteOutcome::Written);
        assert_eq!(place.read(&record.key()).await.unwrap(), None);
        assert_eq!(place.store.commit(&absent).await.unwrap(), WriteOutcome::Written);
        place.put(&record).await;
        assert_eq!(place.store.commit(&absent).await.unwrap(), WriteOutcome::Conflict);
    }
    let calls = place.wire.calls();
    let tokens = calls.iter().filter_map(|call| call.asked["ClientRequestToken"].as_str());
    let tokens: Vec<_> = tokens.collect();
    assert_eq!(tokens.iter().collect::<BTreeSet<_>>().len(), tokens.len());
    assert!(tokens.iter().all(|token| token.len() <= 36), "{tokens:?}");
}

pub(crate) async fn what_cannot_be_sent_is_not_sent(moto: &str) {
    let place = Place::new(moto).await;
    let sample = Sample::new();
    let put = |n| Change::put(Expect::Absent, version(), Record::Wanted(sample.wanted(n, n)));
    let astray = Change { key: Record::Wanted(sample.wanted(1, 1)).key(), ..put(2) };
    let mut large = sample.large_source(0);
    large.revoked = (0..20_000).map(|n| sample.asset(n)).collect();
    let large = Record::Source(large);
    for (changes, kind, said) in [
        ((0..101).map(put).collect(), ErrorKind::InvalidInput, "101".to_owned()),
        (vec![put(1), put(1)], ErrorKind::InvalidInput, put(1).key.to_string()),
        (vec![astray], ErrorKind::InvalidInput, put(2).key.to_string()),
        (
            vec![put(0), Change::put(Expect::Absent, version(), large.clone())],
            ErrorKind::LimitReached,
            large.key().to_string(),
        ),
    ] {
        let error = place.commit(changes).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(&said), "{error}");
    }
    assert_eq!(place.wire.calls().len(), 0);
    assert_eq!(place.commit((0..100).map(put).collect()).await.unwrap(), WriteOutcome::Written);
}

pub(crate) async fn cursors_of_other_listings_are_refused(moto: &str) {
    let place = Place::new(moto).await;
    let sample = Sample::new();
    let changes = (0..20).map(|n| Change::put(Expect::Absent, version(), Record::Asset(sample.asset_record(n % 2, n))));
    place.commit(changes.collect()).await.unwrap();
    let queries = [
        Query::Assets(Some(sample.environment(0))),
        Query::Assets(Some(sample.environment(1))),
        Query::Assets(None),
        Query::Listing("project-1".parse().unwrap(), sample.listing()),
    ];
    let mut cursors = Vec::new();
    for query in &queries {
        cursors.push(place.store.list(query, None).await.unwrap().next.unwrap());
    }
    place.wire.calls();
    let asked = queries.iter().chain([&Query::Mappings, &Query::Sources(None)]).enumerate();
    for (n, query) in asked {
        for (other, cursor) in cursors.iter().enumerate().filter(|(other, _)| *other != n) {
            let error = place.store.list(query, Some(cursor)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{query:?} {other}");
        }
        for text in ["", "{}", "page 2", "[\"a\"]", r#"{"by":"table","after":{"pk":"a"}}"#] {
            let error = place.store.list(query, Some(&Cursor::new(text))).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{query:?} {text:?}");
        }
    }
    assert_eq!(place.wire.calls().len(), 0, "none was sent");
    for (query, cursor) in queries.iter().zip(&cursors) {
        assert!(!place.store.list(query, Some(cursor)).await.unwrap().records.is_empty());
        let [call] = place.wire.calls().try_into().unwrap();
        // An index cannot be read consistently; everything else must be.
        assert_ne!(call.asked["ConsistentRead"] == json!(true), matches!(query, Query::Listing(..)), "{call:?}");
    }
}
