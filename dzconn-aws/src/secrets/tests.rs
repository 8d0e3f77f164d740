use std::collections::BTreeSet;

use dzconn_core::ErrorKind;
use dzconn_core::model::{Owner, Principal, SecretName, SecretTags};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::arn::SecretArn;
use super::policy::{Fault, Plan, plan};
use super::{SecretsManager, in_region, write};
use crate::config;

const ROOT: &str = "arn:aws:iam::111122223333:root";

fn roles(names: &[&str]) -> BTreeSet<Principal> {
    names.iter().map(|name| Principal::new(format!("arn:aws:iam::444455556666:role/{name}")).unwrap()).collect()
}

/// What stands there after the plan was followed.
fn follow(there: Option<&str>, readers: &BTreeSet<Principal>) -> Option<String> {
    match plan(there, ROOT, readers).unwrap() {
        Plan::Keep => there.map(str::to_owned),
        Plan::Put(text) => Some(text),
        Plan::Remove => None,
    }
}

fn statements(policy: Option<&str>) -> Vec<Value> {
    let Some(policy) = policy else { return Vec::new() };
    match serde_json::from_str::<Value>(policy).unwrap()["Statement"].clone() {
        Value::Array(statements) => statements,
        statement => vec![statement],
    }
}

fn is_ours(statement: &Value) -> bool {
    statement["Sid"].as_str().is_some_and(|sid| sid.starts_with("Dzconn"))
}

fn foreign(policy: Option<&str>) -> Vec<Value> {
    statements(policy).into_iter().filter(|statement| !is_ours(statement)).collect()
}

/// Who our own statements let read.
fn readers(policy: Option<&str>) -> BTreeSet<Principal> {
    let ours = statements(policy).into_iter().filter(|statement| statement["Sid"] == "DzconnReaders");
    let names = ours.flat_map(|statement| statement["Principal"]["AWS"].as_array().unwrap().clone());
    names.map(|name| Principal::new(name.as_str().unwrap()).unwrap()).collect()
}

#[test]
fn a_policy_says_who_reads_and_that_the_owner_keeps_control() {
    let text = follow(None, &roles(&["reader"])).unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(&text).unwrap(),
        json!({
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": "DzconnOwner",
                    "Effect": "Allow",
                    "Principal": { "AWS": "arn:aws:iam::111122223333:root" },
                    "Action": "secretsmanager:*",
                    "Resource": "*"
                },
                {
                    "Sid": "DzconnReaders",
                    "Effect": "Allow",
                    "Principal": { "AWS": ["arn:aws:iam::444455556666:role/reader"] },
                    "Action": "secretsmanager:GetSecretValue",
                    "Resource": "*"
                }
            ]
        })
    );
}

#[test]
fn without_readers_nothing_is_added_and_ours_go() {
    assert_eq!(plan(None, ROOT, &BTreeSet::new()), Ok(Plan::Keep));
    let foreign = r#"{"Statement":{"Effect":"Deny","Principal":"*","Action":"secretsmanager:*","Resource":"*"}}"#;
    assert_eq!(plan(Some(foreign), ROOT, &BTreeSet::new()), Ok(Plan::Keep));
    let ours = follow(None, &roles(&["reader"]));
    assert_eq!(plan(ours.as_deref(), ROOT, &BTreeSet::new()), Ok(Plan::Remove));
    let both = follow(Some(foreign), &roles(&["reader"]));
    assert_eq!(statements(follow(both.as_deref(), &BTreeSet::new()).as_deref()), statements(Some(foreign)));
}

/// As the service may hand it back, and as a person may have spelled it.
#[test]
fn what_says_the_same_in_another_spelling_is_kept() {
    let text = json!({
        "Version": "2008-10-17",
        "Id": "x",
        "Statement": [
            { "Sid": "DzconnReaders", "Effect": "Allow", "Resource": ["*"], "Action": ["secretsmanager:GetSecretValue"],
              "Principal": { "AWS": ["arn:aws:iam::444455556666:role/b", "arn:aws:iam::444455556666:role/a"] } },
            { "Sid": "DzconnOwner", "Effect": "Allow", "Resource": "*", "Action": "secretsmanager:*",
              "Principal": { "AWS": [ROOT] } },
        ]
    });
    assert_eq!(plan(Some(&text.to_string()), ROOT, &roles(&["a", "b"])), Ok(Plan::Keep));
    let one = follow(None, &roles(&["a"]))
        .unwrap()
        .replace(r#"["arn:aws:iam::444455556666:role/a"]"#, r#""arn:aws:iam::444455556666:role/a""#);
    assert_eq!(plan(Some(&one), ROOT, &roles(&["a"])), Ok(Plan::Keep));
}

#[test]
fn what_was_done_to_our_statements_is_undone() {
    let right = follow(None, &roles(&["a"])).unwrap();
    let deleted = "AROAEXAMPLEEXAMPLE123";
    let edit = |act: &dyn Fn(&mut Value)| {
        let mut policy: Value = serde_json::from_str(&right).unwrap();
        act(&mut policy["Statement"]);
        policy.to_string()
    };
    for (what, edited) in [
        ("the role was deleted", edit(&|all| all[1]["Principal"]["AWS"] = json!([deleted]))),
        (
            "somebody was added",
            edit(&|all| all[1]["Principal"]["AWS"] = json!(["arn:aws:iam::444455556666:role/a", ROOT])),
        ),
        ("everybody was added", edit(&|all| all[1]["Principal"] = json!("*"))),
        (
            "another kind of principal was added",
            edit(&|all| all[1]["Principal"]["Service"] = json!("lambda.amazonaws.com")),
        ),
        (
            "more is allowed",
            edit(&|all| all[1]["Action"] = json!(["secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"])),
        ),
        ("it is denied", edit(&|all| all[1]["Effect"] = json!("Deny"))),
        ("there is a condition", edit(&|all| all[1]["Condition"] = json!({"Bool": {"aws:SecureTransport": "true"}}))),
        ("it is about another secret", edit(&|all| all[1]["Resource"] = json!("arn:aws:secretsmanager:x"))),
        ("the owner is another", edit(&|all| all[0]["Principal"]["AWS"] = json!("arn:aws:iam::999999999999:root"))),
        (
            "it is there twice",
            edit(&|all| {
                let copy = all[1].clone();
                all.as_array_mut().unwrap().push(copy);
            }),
        ),
        (
            "one is missing",
            edit(&|all| {
                all.as_array_mut().unwrap().remove(0);
            }),
        ),
    ] {
        let mended = follow(Some(&edited), &roles(&["a"]));
        assert_eq!(statements(mended.as_deref()), statements(Some(&right)), "{what}");
    }
}

#[test]
fn a_policy_that_cannot_be_read_is_left_alone() {
    for text in [
        "",
        "null",
        "[]",
        "{",
        "{}",
        r#"{"Statement":7}"#,
        r#"{"Statement":[7]}"#,
        r#"{"Statement":"x"}"#,
        r#"{"Statement":[{"Condition":{"NumericEquals":{"x":1.10}}}]}"#,
        r#"{"Statement":[{"Condition":{"NumericEquals":{"x":123456789012345678901}}}]}"#,
    ] {
        for readers in [roles(&["a"]), BTreeSet::new()] {
            assert!(matches!(plan(Some(text), ROOT, &readers), Err(Fault::Unreadable(_))), "{text}");
        }
    }
    let name = SecretName::new("n").unwrap();
    assert_eq!(Fault::Unreadable("").of(&name).kind(), ErrorKind::Unexpected);
}

#[test]
fn only_single_roles_are_let_in() {
    for reader in [
        "*",
        "444455556666",
        "arn:aws:iam::444455556666:root",
        "arn:aws:iam::444455556666:role/",
        "arn:aws:iam::444455556666:role/*",
        "arn:aws:iam::*:role/a",
        "arn:aws:iam::44445555666:role/a",
        "arn:aws:s3:::bucket",
        "arn:aws:iam:eu-west-1:444455556666:role/a",
        "AROAEXAMPLEEXAMPLE123",
    ] {
        let readers = BTreeSet::from([Principal::new(reader).unwrap()]);
        let fault = plan(None, ROOT, &readers).unwrap_err();
        assert_eq!(fault.of(&SecretName::new("n").unwrap()).kind(), ErrorKind::InvalidConfig, "{reader}");
    }
    for reader in ["arn:aws-cn:iam::444455556666:role/path/to/role", "arn:aws:iam::444455556666:user/u"] {
        let readers = BTreeSet::from([Principal::new(reader).unwrap()]);
        assert!(matches!(plan(None, ROOT, &readers), Ok(Plan::Put(_))), "{reader}");
    }
}

#[test]
fn a_policy_of_exactly_the_limit_is_written() {
    let of = |length: usize| json!({ "Statement": [{ "Sid": "x".repeat(length) }] }).to_string();
    let Ok(Plan::Put(short)) = plan(Some(&of(1)), ROOT, &roles(&["ä"])) else { panic!("not put") };
    let room = 20_480 - short.chars().count();
    assert!(
        matches!(plan(Some(&of(1 + room)), ROOT, &roles(&["ä"])), Ok(Plan::Put(text)) if text.chars().count() == 20_480)
    );
    let fault = plan(Some(&of(2 + room)), ROOT, &roles(&["ä"])).unwrap_err();
    assert_eq!(fault, Fault::TooLong(20_481));
    assert_eq!(fault.of(&SecretName::new("n").unwrap()).kind(), ErrorKind::LimitReached);
}

fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "arn:aws:iam::[0-9]{12}:(root|role/[a-z]{1,8})".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[A-Za-z:]{1,12}", inner, 0..4).prop_map(|members| json!(members)),
        ]
    })
}

fn foreign_statement() -> impl Strategy<Value = Value> {
    let sid = prop_oneof![Just(None), "[A-Za-z0-9]{0,8}".prop_map(Some), Just(Some("dzconnReaders".to_owned()))];
    let key = prop_oneof![
        Just("Effect".to_owned()),
        Just("Principal".to_owned()),
        Just("NotPrincipal".to_owned()),
        Just("Action".to_owned()),
        Just("Resource".to_owned()),
        Just("Condition".to_owned()),
    ];
    (sid, prop::collection::btree_map(key, anything(), 0..6)).prop_map(|(sid, members)| {
        let mut statement = json!(members);
        if let Some(sid) = sid {
            statement["Sid"] = sid.into();
        }
        statement
    })
}

/// With statements of others, alone or in a list, and perhaps with ours among them, right or wrong.
fn policy() -> impl Strategy<Value = Option<String>> {
    let ours = prop_oneof![
        Just(Vec::new()),
        some_roles().prop_map(|readers| statements(follow(None, &readers).as_deref())),
        anything().prop_map(|principal| vec![json!({ "Sid": "DzconnReaders", "Principal": principal })]),
        anything().prop_map(|action| vec![json!({ "Sid": "DzconnOwner", "Action": action })]),
    ];
    let parts =
        (prop::collection::vec(foreign_statement(), 0..4), ours, any::<u8>(), any::<bool>(), any::<Option<bool>>());
    parts.prop_map(|(mut all, ours, at, alone, version)| {
        for statement in ours {
            all.insert(usize::from(at) % (all.len() + 1), statement);
        }
        if all.is_empty() {
            return None;
        }
        let statement = if alone && all.len() == 1 { all.remove(0) } else { json!(all) };
        let mut policy = json!({ "Statement": statement, "Id": "their own" });
        if let Some(new) = version {
            policy["Version"] = json!(if new { "2012-10-17" } else { "2008-10-17" });
        }
        Some(policy.to_string())
    })
}

fn some_roles() -> impl Strategy<Value = BTreeSet<Principal>> {
    prop::collection::btree_set("[a-f]", 0..4)
        .prop_map(|names| roles(&names.iter().map(String::as_str).collect::<Vec<_>>()))
}

fn sorted(mut statements: Vec<Value>) -> Vec<Value> {
    statements.sort_by_key(Value::to_string);
    statements
}

proptest! {
    #[test]
    fn foreign_statements_survive(there in policy(), wanted in some_roles()) {
        let after = follow(there.as_deref(), &wanted);
        prop_assert_eq!(foreign(after.as_deref()), foreign(there.as_deref()));
        if let (Some(there), Some(after)) = (&there, &after) {
            let rest = |text: &str| {
                let mut policy: Value = serde_json::from_str(text).unwrap();
                policy.as_object_mut().unwrap().remove("Statement");
                policy
            };
            prop_assert_eq!(rest(there), rest(after), "version and id");
        }
    }

    #[test]
    fn exactly_the_readers_read(there in policy(), wanted in some_roles()) {
        let after = follow(there.as_deref(), &wanted);
        prop_assert_eq!(readers(after.as_deref()), wanted.clone());
        let ours = statements(after.as_deref()).into_iter().filter(is_ours).collect();
        prop_assert_eq!(sorted(ours), sorted(statements(follow(None, &wanted).as_deref())));
    }

    #[test]
    fn sharing_twice_writes_nothing(there in policy(), wanted in some_roles()) {
        let after = follow(there.as_deref(), &wanted);
        prop_assert_eq!(plan(after.as_deref(), ROOT, &wanted), Ok(Plan::Keep));
    }

    #[test]
    fn the_last_share_counts(there in policy(), first in some_roles(), second in some_roles()) {
        let both = follow(follow(there.as_deref(), &first).as_deref(), &second);
        let only = follow(there.as_deref(), &second);
        prop_assert_eq!(sorted(statements(both.as_deref())), sorted(statements(only.as_deref())));
    }
}

#[test]
fn only_the_full_arn_of_a_secret_is_taken_apart() {
    let arn =
        SecretArn::parse("arn:aws-cn:secretsmanager:cn-north-1:111122223333:secret:dz-conn-p-a/b-AbCdEf").unwrap();
    assert_eq!((arn.partition, arn.region, arn.account), ("aws-cn", "cn-north-1", "111122223333"));
    assert_eq!(arn.root(), "arn:aws-cn:iam::111122223333:root");
    for text in [
        "dz-conn-p-a",
        "arn:aws:secretsmanager:eu-west-1:111122223333:secret:",
        "arn:aws:secretsmanager:eu-west-1:111122223333:secret:a:b",
        "arn:aws:secretsmanager:eu-west-1:111122223333:key:a",
        "arn:aws:s3:eu-west-1:111122223333:secret:a",
        "arn:aws:secretsmanager::111122223333:secret:a",
        "arn:aws:secretsmanager:evil.example/#:111122223333:secret:a",
        "arn:aws:secretsmanager:eu-west-1:1111:secret:a",
        "arn:a*s:secretsmanager:eu-west-1:111122223333:secret:a",
    ] {
        assert_eq!(SecretArn::parse(text).unwrap_err().kind(), ErrorKind::InvalidInput, "{text}");
    }
}

#[test]
fn the_name_says_which_tags_a_secret_gets() {
    let whose = SecretTags {
        domain: "dzd_1".parse().unwrap(),
        project: "p1".parse().unwrap(),
        environment: "e1".parse().unwrap(),
    };
    let tags = |name: &str| {
        let tags = write::tags(&SecretName::new(name).unwrap(), &whose);
        tags.into_iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>()
    };
    let copy = [
        "dzconn:managed=true",
        "AmazonDataZoneDomain=dzd_1",
        "AmazonDataZoneProject=p1",
        "AmazonDataZoneEnvironment=e1",
    ];
    assert_eq!(tags("dz-conn-c-p1-e1-01234567"), copy);
    let own = ["dzconn:managed=true", "dzconn:domain=dzd_1", "dzconn:project=p1", "dzconn:environment=e1"];
    for name in ["dz-conn-p-p1-e1-01234567", "dz-conn-cx", "other", "DZ-CONN-C-x"] {
        assert_eq!(tags(name), own, "{name}");
    }
}

fn client() -> aws_sdk_secretsmanager::Client {
    let config = aws_sdk_secretsmanager::Config::builder().behavior_version_latest();
    let region = aws_sdk_secretsmanager::config::Region::new("eu-west-1");
    aws_sdk_secretsmanager::Client::from_conf(config.region(region).build())
}

#[test]
fn a_window_that_frees_a_name_at_once_is_refused() {
    let owner = Owner { account: "111122223333".parse().unwrap(), region: "eu-west-1".parse().unwrap() };
    let with = |recovery_window_days| config::Secrets { recovery_window_days, ..crate::Config::default().secrets };
    for days in [0, 1, 6, 31, 255] {
        let error = SecretsManager::new(client(), owner.clone(), &with(days)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{days}");
    }
    for days in [7, 30] {
        SecretsManager::new(client(), owner.clone(), &with(days)).unwrap();
    }
}

#[test]
fn a_client_for_another_region_is_made_once() {
    let owner = Owner { account: "111122223333".parse().unwrap(), region: "eu-west-1".parse().unwrap() };
    let settings = config::Config::default().secrets;
    let store = SecretsManager::new(client(), owner, &settings).unwrap();
    let region = |client: aws_sdk_secretsmanager::Client| client.config().region().unwrap().to_string();
    assert_eq!(region(store.client_in("eu-west-1")), "eu-west-1");
    assert_eq!(region(store.client_in("us-east-1")), "us-east-1");
    assert_eq!(region(store.client_in("us-east-1")), "us-east-1");
    assert_eq!(store.elsewhere.lock().unwrap().len(), 1);
    assert_eq!(region(in_region(&client(), "ap-south-1")), "ap-south-1");
}
