//! The tables themselves.

use aws_sdk_dynamodb::types::{BillingMode, PointInTimeRecoveryStatus};
use dzconn_aws::tracking::{Created, create_tables};
use dzconn_core::ErrorKind;
use dzconn_core::store::{Change, Expect, Query, Record, TrackingStore};
use dzconn_core::testkit::tracking::{RULES, Sample, version};

use crate::place::Place;

fn names(place: &Place) -> [&String; 4] {
    let tables = &place.tables;
    [&tables.sources, &tables.mappings, &tables.assets, &tables.state]
}

pub(crate) async fn making_them_twice_makes_them_once(moto: &str) {
    let place = Place::bare(moto).await;
    let names = names(&place);
    let first = create_tables(&place.client, &place.tables).await.unwrap();
    assert_eq!(first, names.map(|name| Created::Table(name.clone())));
    let record = Record::Wanted(Sample::new().wanted(0, 0));
    let stored = place.put(&record).await;
    place.wire.calls();

    let second = create_tables(&place.client, &place.tables).await.unwrap();
    assert_eq!(second, names.map(|name| Created::Found(name.clone())));
    let calls = place.wire.calls();
    assert!(calls.iter().all(|call| call.operation == "DescribeTable"), "{calls:?}");
    assert_eq!(place.read(&record.key()).await.unwrap(), Some(stored));

    for name in names {
        let table = place.client.describe_table().table_name(name).send().await.unwrap().table.unwrap();
        assert_eq!(table.deletion_protection_enabled(), Some(true));
        assert_eq!(table.billing_mode_summary().unwrap().billing_mode(), Some(&BillingMode::PayPerRequest));
        let backups = place.client.describe_continuous_backups().table_name(name).send().await.unwrap();
        let backups = backups.continuous_backups_description.unwrap();
        let recovery = backups.point_in_time_recovery_description.unwrap();
        assert_eq!(recovery.point_in_time_recovery_status, Some(PointInTimeRecoveryStatus::Enabled));
    }
}

pub(crate) async fn a_missing_index_is_added(moto: &str) {
    let place = Place::older(moto).await;
    let sample = Sample::new();
    let record = Record::Asset(sample.asset_record(0, 0));
    let stored = place.put(&record).await;
    let created = create_tables(&place.client, &place.tables).await.unwrap();
    let [sources, mappings, assets, state] = names(&place).map(Clone::clone);
    let index = Created::Index { table: assets.clone(), index: "dzconn_by_listing".into() };
    assert_eq!(created[..3], [sources, mappings, assets].map(Created::Found));
    assert_eq!(created[3..], [index, Created::Found(state)]);
    place.wire.calls();

    let query = Query::Listing("project-1".parse().unwrap(), sample.listing());
    let page = place.store.list(&query, None).await.unwrap();
    assert_eq!(page.records.into_iter().map(Result::unwrap).collect::<Vec<_>>(), [stored]);
    let calls = place.wire.calls();
    assert_eq!(calls.iter().map(|call| call.operation.as_str()).collect::<Vec<_>>(), ["Query"], "it is used");
    assert_eq!(calls[0].asked["IndexName"], "dzconn_by_listing");
    assert!(create_tables(&place.client, &place.tables).await.unwrap().iter().all(|c| matches!(c, Created::Found(_))));
}

pub(crate) async fn a_wrong_key_is_named_and_nothing_is_made(moto: &str) {
    for (keys, has) in [
        (&["datazone_asset_id", "datazone_consumer_environment_id"][..], "HASH datazone_asset_id S"),
        (&["datazone_consumer_environment_id"][..], "the key HASH datazone_consumer_environment_id S, and"),
    ] {
        let place = Place::bare(moto).await;
        place.create(&place.tables.assets, keys).await;
        place.wire.calls();
        let error = create_tables(&place.client, &place.tables).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        let said = error.to_string();
        assert!(said.contains(&place.tables.assets) && said.contains(has), "{said}");
        let calls = place.wire.calls();
        assert!(calls.iter().all(|call| call.operation == "DescribeTable"), "{calls:?}");
    }
}

pub(crate) async fn a_missing_table_is_named(moto: &str) {
    let place = Place::bare(moto).await;
    let record = Record::Asset(Sample::new().asset_record(0, 0));
    let change = Change::put(Expect::Absent, version(), record.clone());
    for error in [
        place.read(&record.key()).await.unwrap_err(),
        place.commit(vec![change]).await.unwrap_err(),
        place.store.list(&Query::Assets(None), None).await.unwrap_err(),
        place.store.list(&Query::Listing("p".parse().unwrap(), "l".parse().unwrap()), None).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error}");
        assert!(error.to_string().contains(&place.tables.assets), "{error}");
        assert!(error.advice().unwrap().contains("dzconn admin create-tables"), "{error:?}");
    }
}

pub(crate) async fn without_the_index_the_table_is_searched(moto: &str) {
    let place = Place::older(moto).await;
    let rule = RULES.iter().find(|rule| rule.name == "assets_for_one_listing_are_listed_alone").unwrap();
    (rule.check)(&place.fixture()).await.unwrap();
    let calls = place.wire.calls();
    let searches = calls.iter().filter(|call| call.operation == "Scan").count();
    assert!(searches > 0, "{calls:?}");
}
