//! Every kind of message, as a complete example: read, looked at, written again.

use std::collections::{BTreeMap, BTreeSet};

use dzconn_core::Timestamp;
use dzconn_core::model::{
    AccountId, AssetId, AssetPath, GenerationId, Owner, Principal, ProjectId, Region, SecretId, SecretName,
    Subscription, TableName, UserName, Wanted,
};
use dzconn_core::workflow::Delivery;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::*;

macro_rules! example {
    ($name:literal) => {
        serde_json::from_str::<Map<String, Value>>(include_str!(concat!("../../tests/messages/", $name, ".json")))
            .unwrap()
    };
}

/// Reads the whole message, and what it was before each of its steps; each is written as it was read, also with members that
/// nobody knows.
fn every_step<T: Serialize + DeserializeOwned>(whole: &Map<String, Value>, begins: &[&str], adds: &[&str]) -> T {
    let all: Vec<_> = begins.iter().chain(adds).copied().collect();
    let mut there: Vec<_> = whole.keys().map(String::as_str).collect();
    let mut wanted = all.clone();
    there.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(there, wanted, "an example has all members");
    for steps in 0..=adds.len() {
        let so_far = &all[..begins.len() + steps];
        let mut message: Map<_, _> = so_far.iter().map(|name| ((*name).to_owned(), whole[*name].clone())).collect();
        same::<T>(&message);
        message.insert("AddedByAStateMachine".into(), json!({"any": [1, null, "x"]}));
        for name in so_far {
            message[*name].as_object_mut().unwrap().insert("Added".into(), json!({"deep": [true]}));
        }
        same::<T>(&message);
    }
    for missing in begins {
        let mut message = whole.clone();
        message.remove(*missing);
        assert!(serde_json::from_value::<T>(Value::Object(message)).is_err(), "{missing} is needed");
    }
    serde_json::from_value(Value::Object(whole.clone())).unwrap()
}

fn same<T: Serialize + DeserializeOwned>(message: &Map<String, Value>) {
    let message = Value::Object(message.clone());
    let read: T = serde_json::from_value(message.clone()).unwrap_or_else(|error| panic!("{error}: {message}"));
    assert_eq!(serde_json::to_value(read).unwrap(), message);
}

fn to_value(value: impl Serialize) -> Value {
    serde_json::to_value(value).unwrap()
}

#[test]
fn a_grant() {
    let whole = example!("grant-primary");
    let adds = ["SubscriptionDetails", "CrossAccountResources", "ProducerGrantDetails", "ConsumerGrantDetails"];
    let primary: GrantExecution = every_step(&whole, &["EventDetails"], &adds);
    let whole = example!("grant-producer");
    let adds = ["ConnectionDetails", "GrantSubscriptionDetails", "ShareSubscriptionSecretDetails"];
    let producer: ProducerGrantExecution = every_step(&whole, &["SubscriptionDetails"], &adds);
    let whole = example!("grant-consumer");
    let begins = ["SubscriptionDetails", "ProducerGrantDetails"];
    let adds = ["CopySubscriptionSecretDetails", "UpdateSubscriptionRecordsDetails"];
    let consumer: ConsumerGrantExecution = every_step(&whole, &begins, &adds);

    // What the primary takes out of the others' output is what it has.
    assert_eq!(producer.details(), primary.producer_grant_details);
    assert_eq!(consumer.details(), primary.consumer_grant_details);
    assert_eq!(Some(&producer.subscription_details), primary.subscription_details.as_ref());

    let event = &primary.event_details;
    assert_eq!(event.data.status, GrantStatus::Granted);
    assert_eq!(event.metadata.others.get("clientToken"), Some(&json!("c0ffee")));
    let details = primary.subscription_details.as_ref().unwrap();
    let connection = producer.connection_details.as_ref().unwrap();
    let subscription = details.subscription(connection, Some(event)).unwrap();
    assert_eq!(subscription.location.path.as_str(), "sales.hr.employees");
    assert_eq!(subscription.location.owner.account.as_str(), "111122223333");
    assert_eq!(subscription.consumer.owner.region.as_str(), "eu-central-1");
    assert_eq!(subscription.event.as_deref(), Some("5d2b7c4e-0000-4000-8000-aaaaaaaaaaaa"));
    assert_eq!(subscription.subscription.as_ref().unwrap().as_str(), "5subscription");

    // And back: the same message comes out of the subscription.
    let names = ConsumerNames {
        project: Some("Finance".into()),
        environment: Some("finance-lake".into()),
        profile: Some(("6profile".into(), "lake".into())),
    };
    let table = details.asset_details.glue_table_details.clone();
    let again = SubscriptionDetails::of(&subscription, details.producer_project_details.clone(), names, table);
    assert_eq!(&again, details);
    let started = to_value(SubscriptionEventDetails::of(&subscription, Wanted::Grant));
    for pointer in
        ["/metadata/typeName", "/metadata/domain", "/data/asset", "/data/projectId", "/data/status", "/eventId"]
    {
        assert_eq!(started.pointer(pointer), to_value(event).pointer(pointer), "{pointer}");
    }
    assert_eq!(started.pointer("/data/subscriptionTarget/environmentId"), Some(&json!("3vsbsk0consumer")));
    assert_eq!(started.pointer("/data/subscriptionTarget/provider"), Some(&json!("None")));
    // What does not apply is said, and read back as nothing.
    let unknown = Subscription { subscription: None, event: None, ..subscription.clone() };
    let mut started = to_value(SubscriptionEventDetails::of(&unknown, Wanted::Grant));
    for value in [Some(json!("None")), Some(json!(null)), None] {
        for name in ["eventId", "subscriptionId"] {
            assert_eq!(started[name], json!("None"), "{name}");
            match &value {
                Some(value) => started[name] = value.clone(),
                None => drop(started.as_object_mut().unwrap().remove(name)),
            }
        }
        let read: SubscriptionEventDetails = serde_json::from_value(started).unwrap();
        assert_eq!((&read.event_id.0, &read.subscription_id.0), (&None, &None));
        assert_eq!(details.subscription(connection, Some(&read)).unwrap(), unknown);
        started = to_value(read);
    }
    for (wanted, status, retain) in [
        (Wanted::Grant, "GRANTED", None),
        (Wanted::Revoke, "REVOKED", None),
        (Wanted::Retain, "REVOKED", Some(&json!("true"))),
    ] {
        let told = SubscriptionEventDetails::of(&subscription, wanted);
        let written = to_value(&told);
        assert_eq!(written["data"]["status"], json!(status));
        assert_eq!(written["data"].get("retainPermissions"), retain, "{wanted:?}");
        same::<SubscriptionEventDetails>(written.as_object().unwrap());
        let read: SubscriptionEventDetails = serde_json::from_value(written).unwrap();
        assert_eq!((read.wanted(), &read), (Some(wanted), &told));
    }
    let mut other = event.clone();
    other.data.status = GrantStatus::Other("GRANT_PENDING".into());
    assert_eq!(other.wanted(), None);
}

#[test]
fn a_revoke() {
    let whole = example!("revoke-primary");
    let adds = ["SubscriptionDetails", "CrossAccountResources", "ProducerRevokeDetails", "ConsumerRevokeDetails"];
    let primary: RevokeExecution = every_step(&whole, &["EventDetails"], &adds);
    let whole = example!("revoke-producer");
    let adds = ["ConnectionDetails", "RevokeSubscriptionDetails", "DeleteKeepSubscriptionSecretDetails"];
    let producer: ProducerRevokeExecution = every_step(&whole, &["SubscriptionDetails"], &adds);
    let begins = ["SubscriptionDetails", "ProducerRevokeDetails"];
    let adds = ["RemoveSubscriptionRecordsDetails", "DeleteSubscriptionSecretDetails"];
    let consumer: ConsumerRevokeExecution = every_step(&example!("revoke-consumer"), &begins, &adds);
    let kept: ConsumerRevokeExecution = every_step(&example!("revoke-consumer-kept"), &begins, &adds);

    assert_eq!(producer.details(), primary.producer_revoke_details);
    assert_eq!(consumer.details(), primary.consumer_revoke_details);
    assert_eq!(producer.connection_details.as_ref().unwrap().connection_crawler_name, MaybeNone(None));
    assert!(bool::from(producer.revoke_subscription_details.unwrap().delete_secret));
    let profile = primary.subscription_details.unwrap().consumer_project_details.environment_profile_id;
    assert_eq!(profile, MaybeNone(None), "a newer domain has none");

    let days = |details: &ProducerRevokeDetails| details.secret_recovery_window_in_days.0.map(|days| days.0);
    let deleted = consumer.delete_subscription_secret_details.unwrap();
    assert_eq!((bool::from(deleted.secret_deleted), days(&deleted)), (true, Some(7)));
    let stays = kept.delete_subscription_secret_details.clone().unwrap();
    assert_eq!((bool::from(stays.secret_deleted), days(&stays)), (false, None));
    assert_eq!(kept.details().unwrap().secret, stays);

    let id = SecretId::new("arn:aws:secretsmanager:eu-west-1:111122223333:secret:dz-conn-p-1-AbCdEf").unwrap();
    let name = SecretName::new("dz-conn-p-1").unwrap();
    let gone: Timestamp = "2026-11-29T04:36:00".parse().unwrap();
    assert_eq!(
        to_value(ProducerRevokeDetails::deleted(id.clone(), name.clone(), 7, gone)),
        json!({"SecretArn": id, "SecretName": "dz-conn-p-1", "SecretRecoveryWindowInDays": "7", "SecretDeleted": "true",
            "SecretDeletionDate": "2026-11-29T04:36:00"})
    );
    assert_eq!(
        to_value(ProducerRevokeDetails::kept(id.clone(), name)),
        json!({"SecretArn": id, "SecretName": "dz-conn-p-1", "SecretRecoveryWindowInDays": "None",
            "SecretDeleted": "false", "SecretDeletionDate": "None"})
    );
}

#[test]
fn an_environment() {
    let whole = example!("environment-active");
    let adds = [
        "EnvironmentDetails",
        "CrossAccountResources",
        "AccountUpdateEnvironmentRolesDetails",
        "AccountAddLFTagEnvironmentDBsDetails",
    ];
    let active: EnvironmentActiveExecution = every_step(&whole, &["EventDetails"], &adds);
    assert_eq!(active.event_details.data.delete, None);
    let resources = &active.environment_details.unwrap().environment_resources;
    assert_eq!(resources["glueProducerDBName"], "finance_pub_db");
    let tagged = active.account_add_lf_tag_environment_dbs_details.unwrap();
    assert_eq!((tagged.lf_tag_key.as_str(), tagged.environment_db_names.len()), ("dz_conn_p_access", 2));

    let adds = ["EnvironmentDetails", "CrossAccountResources", "AccountCleanEnvironmentRolesDetails"];
    let deleting: EnvironmentDeletingExecution =
        every_step(&example!("environment-deleting"), &["EventDetails"], &adds);
    assert!(deleting.event_details.data.delete.is_some());
    assert_eq!(deleting.environment_details.unwrap().environment_status, "DELETING");
}

#[test]
fn no_password_comes_through() {
    let whole = Value::Object(example!("revoke-producer-older"));
    assert_eq!(whole.to_string().matches("hunter2").count(), 9, "the example holds some");
    let read: ProducerRevokeExecution = serde_json::from_value(whole).unwrap();
    let written = to_value(&read);
    assert!(!written.to_string().contains("hunter2"), "{written}");
    assert!(!format!("{read:?}").contains("hunter2"));

    let properties = &written["ConnectionDetails"]["ConnectionProperties"];
    assert_eq!(
        properties,
        &json!({"JDBC_ENFORCE_SSL": "false", "JDBC_CONNECTION_URL": "jdbc:mysql://hr.internal:3306/sales", "USERNAME": "admin"})
    );
    assert_eq!(written["ConnectionDetails"]["Extra"], json!({"deep": [{"kept": 1}]}));

    // The rest of the older spelling is read, and written in ours.
    assert_eq!(written["RevokeSubscriptionDetails"]["DeleteSecret"], json!("false"));
    assert_eq!(written["RevokeSubscriptionDetails"]["OwnerRegion"], json!("None"));
    assert_eq!(
        written["DeleteKeepSubscriptionSecretDetails"],
        json!({"SecretName": "dz-conn-p-9finreader-3vsbsk0consumer-k2m8",
            "SecretArn": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:dz-conn-p-9finreader-3vsbsk0consumer-k2m8-AbCdEf",
            "SecretDeleted": "false", "SecretDeletionDate": "None", "SecretRecoveryWindowInDays": "None"})
    );
}

#[test]
fn every_member_of_the_contract_comes_through_where_it_is_not_known() {
    for example in [
        example!("grant-primary"),
        example!("grant-producer"),
        example!("grant-consumer"),
        example!("revoke-primary"),
        example!("revoke-producer"),
        example!("revoke-consumer"),
        example!("revoke-consumer-kept"),
        example!("environment-active"),
        example!("environment-deleting"),
    ] {
        let others = Others::new(example.clone());
        assert_eq!(to_value(&others), Value::Object(example.clone()));
        let deep =
            Map::from_iter([("Payload".to_owned(), json!([Value::Object(example.clone()).to_string(), example]))]);
        assert_eq!(to_value(Others::new(deep.clone())), Value::Object(deep));
    }
}

#[test]
fn members_of_others_are_shown_by_name_alone() {
    let others = Others::new(Map::from_iter([("clientToken".to_owned(), json!("c0ffee"))]));
    assert_eq!(format!("{others:?}"), r#"{"clientToken"}"#);
}

#[test]
fn text_is_read_leniently_and_written_exactly() {
    for (read, wanted) in [
        (json!(true), Some(true)),
        (json!("true"), Some(true)),
        (json!("True"), Some(true)),
        (json!(false), Some(false)),
        (json!("FALSE"), Some(false)),
        (json!(null), Some(false)),
        (json!("None"), Some(false)),
        (json!("yes"), None),
        (json!(1), None),
    ] {
        let told = serde_json::from_value::<TextBool>(read.clone()).ok().map(bool::from);
        assert_eq!(told, wanted, "{read}");
    }
    assert_eq!(to_value([TextBool(true), TextBool(false)]), json!(["true", "false"]));

    let number = |value: Value| serde_json::from_value::<MaybeNone<TextNumber>>(value).ok();
    for (read, wanted) in [
        (json!("7"), Some(Some(7))),
        (json!(30), Some(Some(30))),
        (json!("None"), Some(None)),
        (json!(""), Some(None)),
        (json!(null), Some(None)),
        (json!("seven"), None),
        (json!(-1), None),
    ] {
        assert_eq!(number(read.clone()).map(|number| number.0.map(|number| number.0)), wanted, "{read}");
    }
    let asset = |text: &str| serde_json::from_value::<MaybeNone<AssetId>>(json!(text));
    assert!(asset("a b").is_err() && asset("a1").unwrap() == AssetId::new("a1").unwrap().into());
    assert_eq!(to_value([MaybeNone(Some(TextNumber(7))), MaybeNone(None)]), json!(["7", "None"]));
}

#[test]
fn an_asset_is_written_in_both_spellings_and_read_from_either() {
    let read = |value: Value| {
        let mut value = value;
        value["DataZoneConsumerEnvironmentId"] = json!("e1");
        serde_json::from_value::<ConsumerRevokeDetails>(value)
    };
    for one in [json!({"DataZoneAssetID": "a1"}), json!({"DataZoneAssetId": "a1", "DataZoneAssetID": "None"})] {
        let written = to_value(read(one).unwrap());
        assert_eq!((&written["DataZoneAssetID"], &written["DataZoneAssetId"]), (&json!("a1"), &json!("a1")));
    }
    assert!(read(json!({})).is_err());
    assert!(read(json!({"DataZoneAssetID": "a1", "DataZoneAssetId": "a2"})).is_err());
}

#[test]
fn the_copy_is_skipped_only_if_the_mapping_is_known() {
    let delivery = Delivery {
        generation: GenerationId::from_bits(1),
        table: TableName::in_database("sales", "t").unwrap(),
        user: UserName::new("dz_e1").unwrap(),
        secret: SecretName::new("dz-conn-p-1").unwrap(),
        secret_id: SecretId::new("arn:aws:secretsmanager:eu-west-1:111122223333:secret:dz-conn-p-1-AbCdEf").unwrap(),
        copy: SecretName::new("dz-conn-c-1").unwrap(),
        new_user: false,
        changed: false,
    };
    let role = Principal::new("arn:aws:iam::444455556666:role/reader").unwrap();
    for (mapped, wanted) in [(false, "true"), (true, "false")] {
        let told = to_value(ProducerGrantDetails::of(&delivery, vec![role.clone()], mapped));
        assert_eq!(told["NewSubscriptionSecret"], json!(wanted));
        assert_eq!(told["SubscriptionConsumerRoles"], json!([role]));
    }
    // Whoever says nothing does not know.
    let mut told = to_value(ProducerGrantDetails::of(&delivery, vec![role], true));
    for value in [Some(json!(null)), Some(json!("None")), None] {
        match value {
            Some(value) => told["NewSubscriptionSecret"] = value,
            None => drop(told.as_object_mut().unwrap().remove("NewSubscriptionSecret")),
        }
        let read: ProducerGrantDetails = serde_json::from_value(told.clone()).unwrap();
        assert_eq!(read.new_subscription_secret, TextBool(true));
    }
}

#[test]
fn records_are_told_with_all_members() {
    let source: GrantSubscriptionDetails =
        serde_json::from_value(example!("grant-producer")["GrantSubscriptionDetails"].clone()).unwrap();
    let record = dzconn_core::model::SourceRecord {
        key: dzconn_core::model::SourceKey {
            connection: source.connection_arn.clone(),
            environment: source.datazone_consumer_environment_id.clone(),
        },
        domain: source.datazone_domain_id.clone(),
        project: source.datazone_consumer_project_id.clone(),
        owner: Owner::new(source.owner_account.clone(), source.owner_region.0.clone().unwrap()),
        phase: dzconn_core::model::Phase::Active,
        generation: Some(dzconn_core::model::Generation {
            id: GenerationId::from_bits(1),
            user: UserName::new("dz_e1").unwrap(),
            secret: source.secret_name.clone(),
            secret_id: Some(source.secret_arn.clone()),
            copy: SecretName::new("dz-conn-c-1").unwrap(),
            spare: None,
            turn: None,
        }),
        older: BTreeSet::default(),
        settled: 2,
        open: BTreeMap::default(),
        revoked: BTreeSet::default(),
        retired: BTreeSet::default(),
        data_assets: ["sales.hr.offices", "sales.hr.employees"].map(|path| AssetPath::new(path).unwrap()).into(),
        data_assets_complete: true,
        last_updated: source.last_updated,
    };
    assert_eq!(GrantSubscriptionDetails::of(&record, false), Some(source));
    let unmade = dzconn_core::model::SourceRecord { generation: None, ..record };
    assert_eq!(GrantSubscriptionDetails::of(&unmade, false), None);

    let wanted = example!("grant-consumer")["UpdateSubscriptionRecordsDetails"].clone();
    let asset = dzconn_core::model::AssetRecord {
        environment: "3vsbsk0consumer".parse().unwrap(),
        asset: "7assetemployees".parse().unwrap(),
        revision: "3".into(),
        asset_type: "GlueTableAssetType".into(),
        project: ProjectId::new("9finreader").unwrap(),
        domain: "dzd_5kq2w8f1c3m7xz".parse().unwrap(),
        listing: "2listingemployees".parse().unwrap(),
        listing_name: "employees".into(),
        listing_revision: "4".into(),
        owner: Owner::new(AccountId::new("444455556666").unwrap(), Region::new("eu-central-1").unwrap()),
        secret_id: wanted["SecretArn"].as_str().unwrap().parse().unwrap(),
        secret: wanted["SecretName"].as_str().unwrap().parse().unwrap(),
        place: None,
        last_updated: "2026-11-22T04:35:02".parse().unwrap(),
    };
    assert_eq!(to_value(SubscriptionRecordDetails::from(&asset)), wanted);
    assert_eq!(to_value(ConsumerGrantDetails::from(&asset)), example!("grant-primary")["ConsumerGrantDetails"]);
}

#[test]
fn a_connection_says_where_its_asset_is() {
    let details = example!("grant-producer")["ConnectionDetails"].clone();
    let read = |change: &dyn Fn(&mut Value)| {
        let mut details = details.clone();
        change(&mut details);
        serde_json::from_value::<ConnectionDetails>(details).unwrap().location()
    };
    assert_eq!(read(&|_| {}).unwrap().owner.region.as_str(), "eu-west-1");
    assert!(read(&|details| details["ConnectionArn"] = json!("hr")).is_err());
    assert!(read(&|details| details["ConnectionName"] = json!("other")).is_err());
}
