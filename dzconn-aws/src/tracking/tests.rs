//! Items and records: there and back, as the older system wrote them, and after somebody's editing.

use aws_sdk_dynamodb::types::AttributeValue;
use dzconn_core::model::{AssetPath, AssetRecord, GenerationId, Phase, SourceRecord, Version};
use dzconn_core::store::{Key, Record, Stored};
use dzconn_core::testkit::tracking::{Sample, version};
use dzconn_core::{Error, ErrorKind, Result, Timestamp};
use proptest::prelude::*;

use super::item::{Item, size};
use super::names;
use super::older;
use super::older::Copies;
use super::records::{Kind, decode, encode};

const TABLE: &str = "the_table";
const SHARED: &str = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:dz-conn-p-prj-env-x1-AbCdEf";
const CONNECTION: &str = "arn:aws:glue:eu-west-1:111122223333:connection/hr";

fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn n(digits: &str) -> AttributeValue {
    AttributeValue::N(digits.to_owned())
}

fn item<const N: usize>(attributes: [(&str, AttributeValue); N]) -> Item {
    attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// As a listing reads it.
fn read(kind: Kind, item: &Item) -> Result<Stored> {
    decode(kind, TABLE, None, item, &Copies::new())
}

fn every_kind(n: usize) -> Vec<Record> {
    Sample::new().one_of_each(n)
}

fn kind(record: &Record) -> Kind {
    Kind::of(&record.key())
}

/// A source item, attribute for attribute as the older system wrote it.
fn older_source() -> Item {
    item([
        ("glue_connection_arn", s(CONNECTION)),
        ("datazone_consumer_environment_id", s("env1")),
        ("datazone_consumer_project_id", s("prj")),
        ("datazone_domain_id", s("dzd_1")),
        ("data_assets", AttributeValue::L(vec![s("sales.hr.employees"), s("sales.hr.offices")])),
        ("last_updated", s("2023-11-14T22:13:20")),
        ("owner_account", s("111122223333")),
        ("owner_region", s("eu-west-1")),
        ("secret_arn", s(SHARED)),
        ("secret_name", s("dz-conn-p-prj-env-x1")),
    ])
}

fn older_mapping() -> Item {
    item([
        ("shared_secret_arn", s(SHARED)),
        ("datazone_consumer_environment_id", s("env1")),
        ("datazone_consumer_project_id", s("prj")),
        ("datazone_domain", s("dzd_1")),
        ("last_updated", s("2023-11-14T22:13:20")),
        ("owner_account", s("222233334444")),
        ("owner_region", s("us-east-1")),
        ("secret_arn", s("arn:aws:secretsmanager:us-east-1:222233334444:secret:dz-conn-c-prj-env-x1-GhIjKl")),
        ("secret_name", s("dz-conn-c-prj-env-x1")),
    ])
}

fn older_asset() -> Item {
    item([
        ("datazone_consumer_environment_id", s("env1")),
        ("datazone_asset_id", s("asset1")),
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
        ("secret_arn", s("arn:aws:secretsmanager:us-east-1:222233334444:secret:dz-conn-c-prj-env-x1-GhIjKl")),
        ("secret_name", s("dz-conn-c-prj-env-x1")),
    ])
}

fn source(item: &Item, copies: &Copies) -> SourceRecord {
    match decode(Kind::Source, TABLE, None, item, copies).unwrap() {
        Stored { version: None, record: Record::Source(record) } => record,
        other => panic!("{other:?}"),
    }
}

fn asset(item: &Item) -> AssetRecord {
    match read(Kind::Asset, item).unwrap() {
        Stored { version: None, record: Record::Asset(record) } => record,
        other => panic!("{other:?}"),
    }
}

fn invalid(kind: Kind, item: &Item) -> Error {
    let error = read(kind, item).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RecordInvalid, "{error}");
    assert!(error.to_string().contains(TABLE), "{error}");
    error
}

proptest! {
    #[test]
    fn what_is_written_is_what_is_read(which in 0_usize..5, number in 0_usize..100_000, touched: bool, bits: u128) {
        let record = every_kind(number).swap_remove(which);
        let record = if touched { Sample::touched(record) } else { record };
        let version = Version::from_bits(bits);
        let stored = Stored { version: Some(version), record: record.clone() };
        prop_assert_eq!(read(kind(&record), &encode(version, &record)).unwrap(), stored);
    }

    #[test]
    fn no_edit_makes_it_panic_and_every_refusal_names_the_record(
        which in 0_usize..5, number in 0_usize..6, attribute: prop::sample::Index, edit in 0_usize..9
    ) {
        let record = every_kind(number).swap_remove(which);
        let key = record.key();
        let mut item = encode(version(), &record);
        let mut names: Vec<String> = item.keys().cloned().collect();
        names.sort();
        let name = attribute.get(&names).clone();
        let is_key = kind(&record).table().key_names().any(|key| key == name);
        let value = match edit {
            0 => None,
            1 => Some(AttributeValue::Null(true)),
            2 => Some(n("12")),
            3 => Some(s("")),
            4 => Some(s("\u{1}?")),
            5 => Some(AttributeValue::Bool(true)),
            6 => Some(AttributeValue::L(vec![n("1"), AttributeValue::M(Item::new())])),
            7 => Some(AttributeValue::M(item.clone())),
            _ => Some(AttributeValue::B(aws_sdk_dynamodb::primitives::Blob::new([0xff]))),
        };
        match value {
            Some(value) => drop(item.insert(name.clone(), value)),
            None => drop(item.remove(&name)),
        }
        if let Err(error) = decode(kind(&record), TABLE, Some(&key), &item, &Copies::new()) {
            let said = error.to_string();
            prop_assert_eq!(error.kind(), ErrorKind::RecordInvalid);
            prop_assert!(said.contains(TABLE) && said.contains(&key.to_string()), "{}", said);
            prop_assert!(said.contains(&name) || is_key || said.contains("names the"), "{name}: {}", said);
        }
    }
}

#[test]
fn the_documented_attributes_are_there_to_the_letter() {
    let Record::Source(mut record) = every_kind(0).swap_remove(0) else { panic!() };
    record.generation.as_mut().unwrap().secret_id = Some(SHARED.parse().unwrap());
    let written = encode(version(), &Record::Source(record.clone()));
    let mut wanted = older_source();
    wanted.insert("glue_connection_arn".into(), s(record.key.connection.as_str()));
    wanted.insert("datazone_consumer_environment_id".into(), s(record.key.environment.as_str()));
    wanted.insert("datazone_consumer_project_id".into(), s("project-1"));
    wanted.insert("datazone_domain_id".into(), s("dzd_4abcdefghijkl"));
    wanted.insert("data_assets".into(), AttributeValue::L(vec![s("a.b.\"c\"\\"), s("sales.H.R.t")]));
    wanted.insert("secret_name".into(), s("dz-conn-p-project-environment-1"));
    wanted.retain(|name, value| written.get(name) != Some(value));
    assert!(wanted.is_empty(), "{wanted:?} are not in {written:?}");

    for (documented, number) in [(older_source(), 0), (older_mapping(), 2), (older_asset(), 3)] {
        let written = encode(version(), &every_kind(0).swap_remove(number));
        for (name, value) in &documented {
            let same_type = match value {
                AttributeValue::S(_) => written.get(name).is_some_and(AttributeValue::is_s),
                _ => written.get(name).is_some_and(AttributeValue::is_l),
            };
            assert!(same_type, "{name} in {written:?}");
        }
        let others = written.keys().filter(|name| !documented.contains_key(*name));
        let foreign: Vec<_> =
            others.filter(|name| !name.starts_with("dzconn_") && *name != "data_assets_complete").collect();
        assert!(foreign.is_empty(), "{foreign:?}");
    }
}

#[test]
fn documented_attributes_stay_where_there_is_no_secret() {
    let Record::Source(mut record) = every_kind(2).swap_remove(0) else { panic!() };
    assert_eq!(record.generation, None);
    (record.data_assets, record.data_assets_complete) = (std::collections::BTreeSet::new(), false);
    let written = encode(version(), &Record::Source(record.clone()));
    for name in older_source().keys() {
        assert!(written.contains_key(name), "{name}");
    }
    assert_eq!((&written["secret_arn"], &written["secret_name"]), (&s(""), &s("")));
    assert_eq!(written["data_assets_complete"], AttributeValue::Bool(false));
    assert_eq!(read(Kind::Source, &written).unwrap().record, Record::Source(record));
}

#[test]
fn an_older_source_item_is_a_record() {
    let paths = ["sales.hr.employees", "sales.hr.offices"].map(|path| AssetPath::new(path).unwrap());
    let mapped = Copies::from([(SHARED.to_owned(), Some("dz-conn-c-prj-env-x1".parse().unwrap()))]);
    let record = source(&older_source(), &mapped);
    let generation = record.generation.clone().unwrap();
    assert_eq!(generation.user.as_str(), "dz_env1");
    assert_eq!(generation.secret.as_str(), "dz-conn-p-prj-env-x1");
    assert_eq!(generation.secret_id.as_ref().unwrap().as_str(), SHARED);
    assert_eq!(generation.copy.as_str(), "dz-conn-c-prj-env-x1");
    assert_eq!((record.phase, record.settled), (Phase::Active, 0));
    assert_eq!(record.older, paths.clone().into());
    assert_eq!((record.data_assets, record.data_assets_complete), (paths.into(), true));
    assert!(record.open.is_empty() && record.revoked.is_empty() && record.retired.is_empty());
    assert_eq!(record.last_updated, Timestamp::from_seconds(1_700_000_000));

    // Without a mapping the copy is still to be made, under a name that is the same at the next reading.
    let unmapped = source(&older_source(), &Copies::new()).generation.unwrap();
    let suffix = unmapped.id.to_string().split_off(24);
    assert_eq!(unmapped.copy.as_str(), format!("dz-conn-c-prj-env1-{suffix}"));
    assert_eq!(
        (unmapped.id, source(&older_source(), &Copies::new()).generation.unwrap().id),
        (generation.id, generation.id)
    );

    // What it is called is part of what is stored from the first write on: it must never change.
    assert_eq!(generation.id.to_string(), older::generation_id(SHARED).to_string());
    assert_eq!(older::generation_id("a").to_string(), "221b27a02a26c8f0e195fd3abbc5c70a");
}

#[test]
fn an_older_mapping_is_of_the_generation_of_its_source() {
    let Record::Mapping(mapping) = read(Kind::Mapping, &older_mapping()).unwrap().record else { panic!() };
    let generation = source(&older_source(), &Copies::new()).generation.unwrap();
    assert_eq!((mapping.generation, Some(mapping.shared_secret)), (generation.id, generation.secret_id));
    assert_eq!(mapping.secret.as_str(), "dz-conn-c-prj-env-x1");
    assert_eq!(mapping.owner.account.as_str(), "222233334444");
}

#[test]
fn an_older_asset_row_has_no_place() {
    let row = asset(&older_asset());
    assert_eq!((row.place, row.listing_name.as_str(), row.revision.as_str()), (None, "Employees", "2"));
    let mut bare = older_asset();
    for name in ["datazone_asset_revision", "datazone_asset_type", "datazone_listing_name", "datazone_listing_revision"]
    {
        bare.remove(name);
    }
    let row = asset(&bare);
    assert_eq!([row.revision, row.asset_type, row.listing_name, row.listing_revision], [const { String::new() }; 4]);
}

#[test]
fn a_record_that_was_read_from_an_older_item_is_read_back_after_it_was_written() {
    for (kind, older) in
        [(Kind::Source, older_source()), (Kind::Mapping, older_mapping()), (Kind::Asset, older_asset())]
    {
        let record = read(kind, &older).unwrap().record;
        // Written over the older item, as an update is.
        let mut written = older;
        written.extend(encode(version(), &record));
        let again = read(kind, &written).unwrap();
        assert_eq!(again.record, record);
        assert!(again.version.is_some());
    }
}

#[test]
fn edited_by_hand_and_still_clear() {
    let mut edited = older_source();
    edited.insert("owner_account".into(), n("11112222333"));
    edited.insert("data_assets".into(), AttributeValue::Ss(vec!["sales.hr.employees".into()]));
    edited.insert("last_updated".into(), s("14 November 2023"));
    edited.remove("secret_name");
    edited.insert("costs".into(), n("1"));
    let record = source(&edited, &Copies::new());
    assert_eq!(record.owner.account.as_str(), "011112222333", "leading zeros are lost in a number");
    assert_eq!((record.older.len(), record.last_updated), (1, Timestamp::default()));
    assert_eq!(record.generation.unwrap().secret.as_str(), "dz-conn-p-prj-env-x1", "as its ARN has it");
    edited.remove("last_updated");
    edited.insert("data_assets".into(), AttributeValue::Null(true));
    assert!(source(&edited, &Copies::new()).older.is_empty());

    // The older system knew the name before it knew the address.
    let mut early = older_source();
    early.insert("secret_arn".into(), s(""));
    let generation = source(&early, &Copies::new()).generation.unwrap();
    assert_eq!((generation.secret_id, generation.secret.as_str()), (None, "dz-conn-p-prj-env-x1"));

    let mut revision = older_asset();
    revision.insert("datazone_asset_revision".into(), n("3"));
    assert_eq!(asset(&revision).revision, "3");

    let Record::Source(record) = every_kind(0).swap_remove(0) else { panic!() };
    let mut ours = encode(version(), &Record::Source(record.clone()));
    ours.insert(names::SETTLED.into(), s(&record.settled.to_string()));
    ours.insert(names::DATA_ASSETS_COMPLETE.into(), s("true"));
    assert_eq!(read(Kind::Source, &ours).unwrap().record, Record::Source(record));
}

#[test]
fn edited_by_hand_and_unclear() {
    let key = format!("the source subscription of {CONNECTION} for env1");
    for (name, value, said) in [
        ("data_assets", s("sales.hr.employees, sales.hr.offices"), "data_assets is a text and not a list"),
        ("data_assets", AttributeValue::L(vec![AttributeValue::Bool(true)]), "data_assets holds a truth value"),
        ("data_assets", AttributeValue::L(vec![s("employees")]), "\"employees\" is not an asset path"),
        ("datazone_domain_id", s("a domain"), "\"a domain\" is not a domain id"),
        ("datazone_consumer_project_id", AttributeValue::Null(true), "datazone_consumer_project_id is missing"),
        ("owner_region", AttributeValue::M(Item::new()), "owner_region is a map and not a text"),
        ("secret_name", s("a name"), "\"a name\" is not a secret name"),
        // With one attribute of ours, it is ours, and must have the others.
        ("dzconn_version", s(&version().to_string()), "dzconn_open is missing"),
    ] {
        let mut edited = older_source();
        edited.insert(name.into(), value);
        let error = invalid(Kind::Source, &edited).to_string();
        assert!(error.contains(said) && error.contains(&key), "{error}");
    }
    let mut nameless = older_source();
    nameless.remove("secret_name");
    for arn in [s("arn:aws:secretsmanager:eu-west-1:111122223333:secret:x"), s("hr"), AttributeValue::Null(true)] {
        nameless.insert("secret_arn".into(), arn);
        assert!(invalid(Kind::Source, &nameless).to_string().contains("secret_name is missing"));
    }
    let mut moved = older_asset();
    moved.insert("dzconn_connection".into(), s(CONNECTION));
    assert!(invalid(Kind::Asset, &moved).to_string().contains("dzconn_account is missing"));
}

#[test]
fn a_version_is_what_we_wrote_or_none_at_all() {
    let record = every_kind(0).swap_remove(4);
    let written = encode(Version::from_bits(0xabc), &record);
    let upper = format!("{:032X}", 0xabc);
    for value in [s(""), s("1"), n("12"), s(&upper), AttributeValue::Null(true), AttributeValue::Bool(true)] {
        let mut edited = written.clone();
        edited.insert(names::VERSION.into(), value);
        assert!(invalid(Kind::Wanted, &edited).to_string().contains("dzconn_version"), "{edited:?}");
    }
    let mut without = written;
    without.remove(names::VERSION);
    assert_eq!(read(Kind::Wanted, &without).unwrap(), Stored { version: None, record });
}

#[test]
fn members_of_maps_are_named() {
    let source = every_kind(0).swap_remove(0);
    let mut edited = encode(version(), &source);
    let Some(AttributeValue::M(open)) = edited.get_mut(names::OPEN) else { panic!() };
    let Some(AttributeValue::M(entry)) = open.values_mut().next() else { panic!() };
    entry.insert("state".into(), s("dreaming"));
    let error = invalid(Kind::Source, &edited).to_string();
    assert!(error.contains("dzconn_open.") && error.contains(".state is \"dreaming\""), "{error}");

    let entry = every_kind(0).swap_remove(1);
    let mut edited = encode(version(), &entry);
    let Some(AttributeValue::M(assets)) = edited.get_mut(names::ASSETS) else { panic!() };
    let (asset, published) = assets.iter_mut().next().unwrap();
    let name = format!("dzconn_assets.{asset}.path");
    published.as_m().unwrap();
    *published = AttributeValue::M(item([("retained", AttributeValue::Bool(true))]));
    let error = invalid(Kind::Entry, &edited).to_string();
    assert!(error.contains(&name) && error.contains(&entry.key().to_string()), "{error}");
}

#[test]
fn an_item_whose_key_is_unreadable_is_described() {
    let mut edited = older_asset();
    edited.insert("datazone_asset_id".into(), s("an asset"));
    let error = invalid(Kind::Asset, &edited).to_string();
    assert!(
        error.contains("item with datazone_consumer_environment_id \"env1\" and datazone_asset_id \"an asset\""),
        "{error}"
    );
}

#[test]
fn an_entry_stands_where_its_names_say() {
    let sample = Sample::new();
    let (one, other) = (Record::Entry(sample.entry(0, 0)), Record::Entry(sample.entry(0, 1)));
    let mut moved = encode(version(), &one);
    moved.insert(names::TABLE.into(), s(&Sample::table(1).to_string()));
    let error = decode(Kind::Entry, TABLE, Some(&one.key()), &moved, &Copies::new()).unwrap_err().to_string();
    assert!(error.contains(&one.key().to_string()) && error.contains(&other.key().to_string()), "{error}");
    assert!(invalid(Kind::Entry, &moved).to_string().contains(&other.key().to_string()));
}

#[test]
fn names_are_found_in_arns() {
    let name = |arn| older::name_in(arn).map(|name| name.to_string());
    assert_eq!(name(SHARED).as_deref(), Some("dz-conn-p-prj-env-x1"));
    assert_eq!(name("arn:aws-cn:secretsmanager:r:1:secret:a/b-c-123456").as_deref(), Some("a/b-c"));
    for arn in [
        "",
        "dz-conn-p-prj",
        "arn:aws:secretsmanager:r:1:secret:a",
        "arn:aws:ssm:r:1:secret:a-123456",
        "arn:aws:secretsmanager:r:1:key:a-123456",
        "arn:aws:secretsmanager:r:1:secret:-123456",
    ] {
        assert_eq!(name(arn), None, "{arn}");
    }
}

#[test]
fn sizes_are_counted_as_the_documentation_says() {
    let counted =
        item([("ab", s("é")), ("n", n("1234")), ("l", AttributeValue::L(vec![s("x"), AttributeValue::Bool(true)]))]);
    assert_eq!(size(&counted), (2 + 2) + (1 + 4) + (1 + 3 + 2 + 2));
    let large = Record::Source(Sample::new().large_source(0));
    assert!((120_000..400_000).contains(&size(&encode(version(), &large))));
}

#[test]
fn generations_differ_as_their_secrets_do() {
    let ids: std::collections::BTreeSet<GenerationId> = ["a", "b", SHARED].map(older::generation_id).into();
    assert_eq!(ids.len(), 3);
    assert!(matches!(every_kind(0).swap_remove(0).key(), Key::Source(_)));
}
