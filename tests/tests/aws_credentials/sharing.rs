//! Resource policies.

use dzconn_core::ErrorKind;
use dzconn_core::model::Principal;
use dzconn_core::store::CredentialStore;
use dzconn_test_aws::{Effect, Fault, Role};
use serde_json::{Value, json};

use crate::lab::{Lab, OWNER, READER, REGION, STRANGER, kind, live, role};

crate::tests! {
    the_owner_keeps_control_and_the_readers_read,
    the_statements_of_others_stay,
    a_policy_without_room_is_left_alone,
    a_reader_that_does_not_exist_is_named,
    a_reader_that_was_made_again_is_let_in_again,
    nobody_is_let_in_with_a_policy_that_lets_everybody_in,
    only_single_roles_are_let_in,
    what_is_remembered_ends_with_the_secret_and_with_a_failure,
}

fn statements(lab: &Lab, name: &dzconn_core::model::SecretName) -> Vec<Value> {
    let policy = lab.view(name).policy.expect("a policy");
    serde_json::from_str::<Value>(&policy).unwrap()["Statement"].as_array().unwrap().clone()
}

async fn the_owner_keeps_control_and_the_readers_read(lab: &Lab) {
    let (store, name) = (lab.store(OWNER).await, lab.name(""));
    lab.made(&name, "x").await;
    store.share(&name, &[role(READER), role(READER)]).await.unwrap();
    let wanted = [
        json!({ "Sid": "DzconnOwner", "Effect": "Allow", "Principal": { "AWS": format!("arn:aws:iam::{OWNER}:root") },
                "Action": "secretsmanager:*", "Resource": "*" }),
        json!({ "Sid": "DzconnReaders", "Effect": "Allow", "Principal": { "AWS": [role(READER)] },
                "Action": "secretsmanager:GetSecretValue", "Resource": "*" }),
    ];
    assert_eq!(statements(lab, &name), wanted);
    store.share(&name, &[]).await.unwrap();
    assert_eq!(lab.view(&name).policy, None);
    lab.calls();
    lab.store(OWNER).await.share(&name, &[]).await.unwrap();
    assert_eq!(lab.calls(), ["GetResourcePolicy"], "nothing to do");
}

async fn the_statements_of_others_stay(lab: &Lab) {
    let (store, name) = (lab.store(OWNER).await, lab.name(""));
    let made = lab.made(&name, "x").await;
    let theirs = json!([
        { "Sid": "TheirOwn", "Effect": "Deny", "Principal": { "AWS": role(STRANGER) },
          "Action": "secretsmanager:GetSecretValue", "Resource": "*" },
        { "Effect": "Allow", "Principal": { "AWS": [STRANGER] }, "Action": ["secretsmanager:DescribeSecret"],
          "Resource": [made.id], "Condition": { "NumericLessThan": { "aws:MultiFactorAuthAge": 3600 } } },
    ]);
    let policy = json!({ "Version": "2008-10-17", "Id": "theirs", "Statement": theirs }).to_string();
    assert!(lab.aws.secrets(OWNER, REGION).set_policy(name.as_str(), Some(&policy)));
    store.share(&name, &[role(READER), role(STRANGER)]).await.unwrap();
    live(lab.store(READER).await.read_shared(&made.id).await.unwrap());
    assert_eq!(kind(lab.store(STRANGER).await.read_shared(&made.id).await), ErrorKind::StoreDenied, "they deny it");
    assert_eq!(&statements(lab, &name)[..2], theirs.as_array().unwrap());
    store.share(&name, &[]).await.unwrap();
    let left: Value = serde_json::from_str(&lab.view(&name).policy.unwrap()).unwrap();
    assert_eq!(left, serde_json::from_str::<Value>(&policy).unwrap());
}

async fn a_policy_without_room_is_left_alone(lab: &Lab) {
    let (store, name) = (lab.store(OWNER).await, lab.name(""));
    lab.made(&name, "x").await;
    let resource = format!("arn:aws:secretsmanager:{REGION}:{OWNER}:secret:{}", "x".repeat(20_000));
    let policy = json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Resource": resource,
        "Principal": { "AWS": OWNER }, "Action": "secretsmanager:GetSecretValue" }] })
    .to_string();
    assert!(policy.len() <= 20_480);
    assert!(lab.aws.secrets(OWNER, REGION).set_policy(name.as_str(), Some(&policy)));
    let error = store.share(&name, &[role(READER)]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitReached);
    assert!(error.detail().contains("20480"), "{error}");
    assert_eq!(lab.calls(), ["GetResourcePolicy"]);
    assert_eq!(lab.view(&name).policy, Some(policy));
}

async fn a_reader_that_does_not_exist_is_named(lab: &Lab) {
    let (store, name) = (lab.store(OWNER).await, lab.name(""));
    lab.made(&name, "x").await;
    lab.aws.remove_role(role(READER).as_str());
    for _ in 0..2 {
        let error = store.share(&name, &[role(READER)]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert!(error.detail().contains(role(READER).as_str()) && error.advice().is_some(), "{error}");
        assert_eq!(lab.view(&name).policy, None);
    }
    lab.aws.add_role(Role::new(role(READER).as_str()));
    store.share(&name, &[role(READER)]).await.unwrap();
}

async fn a_reader_that_was_made_again_is_let_in_again(lab: &Lab) {
    let (store, name) = (lab.store(OWNER).await, lab.name(""));
    let made = lab.made(&name, "x").await;
    store.share(&name, &[role(READER)]).await.unwrap();
    lab.aws.remove_role(role(READER).as_str());
    lab.aws.add_role(Role::new(role(READER).as_str()));
    assert!(!lab.view(&name).policy.unwrap().contains(role(READER).as_str()), "its id stands there instead");
    let reader = lab.store(READER).await;
    assert_eq!(kind(reader.read_shared(&made.id).await), ErrorKind::StoreDenied);
    lab.store(OWNER).await.share(&name, &[role(READER)]).await.unwrap();
    live(reader.read_shared(&made.id).await.unwrap());
    assert_eq!(statements(lab, &name)[1]["Principal"]["AWS"], json!([role(READER)]));
}

async fn nobody_is_let_in_with_a_policy_that_lets_everybody_in(lab: &Lab) {
    let (store, name) = (lab.store(OWNER).await, lab.name(""));
    lab.made(&name, "x").await;
    let policy = json!({ "Statement": { "Effect": "Allow", "Principal": "*", "Action": "secretsmanager:GetSecretValue",
        "Resource": "*" } })
    .to_string();
    assert!(lab.aws.secrets(OWNER, REGION).set_policy(name.as_str(), Some(&policy)));
    assert_eq!(kind(store.share(&name, &[role(READER)]).await), ErrorKind::InvalidConfig);
    assert_eq!(lab.view(&name).policy, Some(policy));
}

async fn only_single_roles_are_let_in(lab: &Lab) {
    let (store, name) = (lab.store(OWNER).await, lab.name(""));
    lab.made(&name, "x").await;
    for reader in ["*", READER, "arn:aws:iam::222222222222:root"] {
        let readers = [role(READER), Principal::new(reader).unwrap()];
        assert_eq!(kind(store.share(&name, &readers).await), ErrorKind::InvalidConfig, "{reader}");
    }
    assert_eq!(lab.view(&name).policy, None);
}

async fn what_is_remembered_ends_with_the_secret_and_with_a_failure(lab: &Lab) {
    let (store, name) = (lab.store(OWNER).await, lab.name(""));
    lab.made(&name, "x").await;
    store.share(&name, &[role(READER)]).await.unwrap();
    // Another reader, but it cannot be written: who reads is not known any more.
    lab.aws.fail(Fault::new(Effect::AccessDenied).operation("PutResourcePolicy"));
    assert_eq!(kind(store.share(&name, &[role(STRANGER)]).await), ErrorKind::StoreDenied);
    lab.calls();
    store.share(&name, &[role(READER)]).await.unwrap();
    assert_eq!(lab.calls(), ["GetResourcePolicy"]);
    store.share(&name, &[role(READER)]).await.unwrap();
    assert!(lab.calls().is_empty());
    store.burn(&name).await.unwrap();
    assert_eq!(kind(store.share(&name, &[role(READER)]).await), ErrorKind::SecretGone);
}
