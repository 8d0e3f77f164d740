//! Items as others read and write them.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use dzconn_core::ErrorKind;
use dzconn_core::model::{AssetId, AssetPath, EnvironmentId, Phase, SourceKey, TableName};
use dzconn_core::store::{Change, Expect, Key, Query, Record, Stored, TrackingStore, WriteOutcome};
use dzconn_core::testkit::tracking::{Sample, version};

use crate::place::{Item, Place};

const CONNECTION: &str = "arn:aws:glue:eu-west-1:111122223333:connection/hr";
const SHARED: &str = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:dz-conn-p-prj-env1-x1-AbCdEf";
const COPY: &str = "arn:aws:secretsmanager:us-east-1:222233334444:secret:dz-conn-c-prj-env1-x1-GhIjKl";

fn s(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

fn item<const N: usize>(attributes: [(&str, AttributeValue); N]) -> Item {
    attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

pub(crate) async fn documented_attributes_are_written_to_the_letter(moto: &str) {
    let place = Place::new(moto).await;
    let sample = Sample::new();
    let (source, mapping, asset) = (sample.source(0), sample.mapping(0), sample.asset_record(0, 0));
    let (environment, secret, next) = (sample.environment(0), sample.secret(0), sample.secret(1));
    let listing_name = asset.listing_name.clone();
    let documented = [
        (
            Record::Source(source),
            item([
                ("glue_connection_arn", s(sample.connection())),
                ("datazone_consumer_environment_id", s(environment.clone())),
                ("datazone_consumer_project_id", s("project-1")),
                ("datazone_domain_id", s("dzd_4abcdefghijkl")),
                ("data_assets", AttributeValue::L(vec![s("a.b.\"c\"\\"), s("sales.H.R.t")])),
                ("last_updated", s("2023-11-14T22:13:20")),
                ("owner_account", s("111122223333")),
                ("owner_region", s("eu-west-1")),
                ("secret_arn", s(secret.clone())),
                ("secret_name", s("dz-conn-p-project-environment-1")),
            ]),
        ),
        (
            Record::Mapping(mapping),
            item([
                ("shared_secret_arn", s(secret.clone())),
                ("datazone_consumer_environment_id", s(environment.clone())),
                ("datazone_consumer_project_id", s("project-1")),
                ("datazone_domain", s("dzd_4abcdefghijkl")),
                ("last_updated", s("2023-11-14T22:13:20")),
                ("owner_account", s("111122223333")),
                ("owner_region", s("eu-west-1")),
                ("secret_arn", s(next)),
                ("secret_name", s("dz-conn-c-project-environment-1")),
            ]),
        ),
        (
            Record::Asset(asset),
            item([
                ("datazone_consumer_environment_id", s(environment)),
                ("datazone_asset_id", s(sample.asset(0))),
                ("datazone_asset_revision", s("3")),
                ("datazone_asset_type", s("GlueTableAssetType")),
                ("datazone_consumer_project_id", s("project-1")),
                ("datazone_domain_id", s("dzd_4abcdefghijkl")),
                ("datazone_listing_id", s(sample.listing())),
                ("datazone_listing_name", s(listing_name)),
                ("datazone_listing_revision", s("")),
                ("last_updated", s("2023-11-14T22:13:20")),
                ("owner_account", s("111122223333")),
                ("owner_region", s("eu-west-1")),
                ("secret_arn", s(secret)),
                ("secret_name", s("dz-conn-c-project-environment-1")),
            ]),
        ),
    ];
    for (record, documented) in documented {
        let stored = place.put(&record).await;
        let mut found = place.item(&record.key()).await;
        for (name, value) in documented {
            assert_eq!(found.remove(&name), Some(value), "{name} of the {}", record.key());
        }
        assert_eq!(found.remove("dzconn_version"), stored.version.map(|version| s(version.to_string())));
        found.remove("data_assets_complete");
        assert!(found.keys().all(|name| name.starts_with("dzconn_")), "{found:?}");
    }
}

/// What the older system wrote for one user with two assets.
async fn plant_older(place: &Place) {
    let source = item([
        ("glue_connection_arn", s(CONNECTION)),
        ("datazone_consumer_environment_id", s("env1")),
        ("datazone_consumer_project_id", s("prj")),
        ("datazone_domain_id", s("dzd_1")),
        ("data_assets", AttributeValue::L(vec![s("sales.hr.employees"), s("sales.hr.offices")])),
        ("last_updated", s("2023-11-14T22:13:20")),
        ("owner_account", s("111122223333")),
        ("owner_region", s("eu-west-1")),
        ("secret_arn", s(SHARED)),
        ("secret_name", s("dz-conn-p-prj-env1-x1")),
    ]);
    let mapping = item([
        ("shared_secret_arn", s(SHARED)),
        ("datazone_consumer_environment_id", s("env1")),
        ("datazone_consumer_project_id", s("prj")),
        ("datazone_domain", s("dzd_1")),
        ("last_updated", s("2023-11-14T22:13:20")),
        ("owner_account", s("222233334444")),
        ("owner_region", s("us-east-1")),
        ("secret_arn", s(COPY)),
        ("secret_name", s("dz-conn-c-prj-env1-x1")),
    ]);
    place.plant_item(&place.tables.sources, source).await;
    place.plant_item(&place.tables.mappings, mapping).await;
    for asset in ["asset1", "asset2"] {
        let row = item([
            ("datazone_consumer_environment_id", s("env1")),
            ("datazone_asset_id", s(asset)),
            ("datazone_asset_revision", s("2")),
            ("datazone_asset_type", s("GlueTableAssetType")),
            ("datazone_consumer_project_id", s("prj")),
            ("datazone_domain_id", s("dzd_1")),
            ("datazone_listing_id", s("listing1")),
            ("datazone_listing_name", s("Employees")),
            ("datazone_listing_revision", s("7")),
            ("last_updated", s("2023-11-14T22:13:20")),
            ("owner_account", s("222233334444")),
            ("owner_region", s("us-east-1")),
            ("secret_arn", s(COPY)),
            ("secret_name", s("dz-conn-c-prj-env1-x1")),
        ]);
        place.plant_item(&place.tables.assets, row).await;
    }
}

pub(crate) async fn older_items_are_read_listed_and_written_over(moto: &str) {
    let place = Place::older(moto).await;
    plant_older(&place).await;
    let (connection, environment) = (CONNECTION.parse().unwrap(), EnvironmentId::new("env1").unwrap());
    let source = Key::Source(SourceKey { connection, environment: environment.clone() });
    let mapping = Key::Mapping(SHARED.parse().unwrap());
    let row = Key::Asset(environment.clone(), AssetId::new("asset1").unwrap());

    let keys = [source.clone(), mapping.clone(), row.clone()];
    let found: Vec<Stored> = place.store.read(&keys).await.unwrap().into_iter().flatten().collect();
    assert_eq!(found.iter().map(|stored| stored.version).collect::<Vec<_>>(), [None; 3]);
    let [Record::Source(record), Record::Mapping(mapped), Record::Asset(asset)] =
        [&found[0].record, &found[1].record, &found[2].record]
    else {
        panic!("{found:?}")
    };
    let generation = record.generation.clone().unwrap();
    assert_eq!((record.phase, record.settled, record.data_assets_complete), (Phase::Active, 0, true));
    let paths = ["sales.hr.employees", "sales.hr.offices"].map(|path| AssetPath::new(path).unwrap());
    assert_eq!((&record.older, &record.data_assets), (&paths.clone().into(), &paths.into()));
    assert_eq!([generation.user.as_str(), generation.copy.as_str()], ["dz_env1", "dz-conn-c-prj-env1-x1"]);
    assert_eq!((mapped.generation, Some(&mapped.shared_secret)), (generation.id, generation.secret_id.as_ref()));
    assert_eq!(asset.place, None);

    for (query, wanted) in [
        (Query::Sources(None), 1),
        (Query::Sources(Some(CONNECTION.parse().unwrap())), 1),
        (Query::Mappings, 1),
        (Query::Assets(None), 2),
        (Query::Assets(Some(environment)), 2),
        (Query::Listing("prj".parse().unwrap(), "listing1".parse().unwrap()), 2),
    ] {
        let page = place.store.list(&query, None).await.unwrap();
        let records: Vec<Stored> = page.records.into_iter().map(Result::unwrap).collect();
        assert_eq!(records.len(), wanted, "{query:?}");
        assert!(records.iter().all(|stored| found.contains(stored) || stored.record.key() != row), "{records:?}");
    }

    for stored in found {
        let record = Sample::touched(stored.record.clone());
        let stale = Change::put(Expect::Absent, version(), record.clone());
        assert_eq!(place.commit(vec![stale]).await.unwrap(), WriteOutcome::Conflict);
        let (new, key) = (version(), record.key());
        let change = Change::put(stored.expect(), new, record.clone());
        assert_eq!(place.commit(vec![change.clone()]).await.unwrap(), WriteOutcome::Written);
        assert_eq!(place.read(&key).await.unwrap(), Some(Stored { version: Some(new), record }));
        assert_eq!(place.commit(vec![change]).await.unwrap(), WriteOutcome::Conflict);
    }
}

pub(crate) async fn attributes_of_others_are_kept(moto: &str) {
    let place = Place::new(moto).await;
    let sample = Sample::new();
    for record in sample.one_of_each(0) {
        let key = record.key();
        let first = place.put(&record).await;
        place.edit(&key, |item| drop(item.insert("cost_centre".into(), s("4711")))).await;
        let record = match record {
            // What does not apply any more goes, although it is not written.
            Record::Source(mut record) => {
                record.generation = None;
                Record::Source(record)
            }
            Record::Asset(mut record) => {
                record.place = None;
                Record::Asset(record)
            }
            other => Sample::touched(other),
        };
        let new = version();
        let change = Change::put(first.expect(), new, record.clone());
        assert_eq!(place.commit(vec![change]).await.unwrap(), WriteOutcome::Written);
        assert_eq!(place.read(&key).await.unwrap(), Some(Stored { version: Some(new), record }));
        assert_eq!(place.item(&key).await.get("cost_centre"), Some(&s("4711")), "{key}");
    }
}

pub(crate) async fn long_names_are_kept_apart(moto: &str) {
    let place = Place::new(moto).await;
    let sample = Sample::new();
    let connection = |end: &str| format!("{}{end}", "ü".repeat(1023)).parse().unwrap();
    let table = |end: &str| TableName::in_schema("sales", "hr", format!("{}{end}", "表".repeat(400))).unwrap();
    let mut wanted = BTreeSet::new();
    for end in ["ab", "ac"] {
        for table in [table("1"), table("2"), TableName::in_database("d", "t").unwrap()] {
            let mut entry = sample.entry(0, 0);
            entry.key = SourceKey { connection: connection(end), environment: sample.environment(0) };
            entry.table = table;
            let stored = place.put(&Record::Entry(entry)).await;
            assert!(wanted.insert(stored.record.key()), "{}", stored.record.key());
            assert_eq!(place.read(&stored.record.key()).await.unwrap(), Some(stored));
        }
        let mut source = sample.source(0);
        source.key.connection = connection(end);
        let stored = place.put(&Record::Source(source)).await;
        assert_eq!(place.read(&stored.record.key()).await.unwrap(), Some(stored));
    }
    for end in ["ab", "ac"] {
        let key = SourceKey { connection: connection(end), environment: sample.environment(0) };
        let page = place.store.list(&Query::Entries(key.clone()), None).await.unwrap();
        let found: BTreeSet<_> = page.records.into_iter().map(|stored| stored.unwrap().record.key()).collect();
        let own = wanted.iter().filter(|wanted| matches!(wanted, Key::Entry(of, _) if *of == key)).cloned();
        assert_eq!(found, own.collect());
    }
}

pub(crate) async fn unreadable_keys_are_described(moto: &str) {
    let place = Place::new(moto).await;
    let row = item([
        ("datazone_consumer_environment_id", s("no environment")),
        ("datazone_asset_id", s("asset1")),
        ("datazone_listing_id", s("listing1")),
        ("datazone_consumer_project_id", s("prj")),
    ]);
    place.plant_item(&place.tables.assets, row).await;
    let listing = Query::Listing("prj".parse().unwrap(), "listing1".parse().unwrap());
    for query in [Query::Assets(None), listing] {
        let page = place.store.list(&query, None).await.unwrap();
        let [Err(error)] = page.records.as_slice() else { panic!("{page:?}") };
        let said = error.to_string();
        assert_eq!(error.kind(), ErrorKind::RecordInvalid);
        assert!(said.contains("\"no environment\"") && said.contains("\"asset1\""), "{said}");
        assert!(said.contains(&place.tables.assets), "{said}");
    }
}
