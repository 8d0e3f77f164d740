use aws_sdk_secretsmanager::Client;
use dzconn_test_aws::{AwsStandIn, Key};

use crate::client::{ALIAS, OWNER, READER, READER_ROLE, REGION, code, secrets_as, secrets_in, token, world};

fn policy(principal: &str, action: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"{principal}"}},"Action":"{action}","Resource":"*"}}]}}"#
    )
}

/// A secret that the reader's role may read, its ARN, and a client of that role.
async fn shared(aws: &AwsStandIn, owner: &Client, key: Option<&str>) -> (String, Client) {
    let create = owner.create_secret().name("s").client_request_token(token('1')).secret_string("value");
    let arn = create.set_kms_key_id(key.map(str::to_owned)).send().await.unwrap().arn.unwrap();
    let text = policy(READER_ROLE, "secretsmanager:GetSecretValue");
    owner.put_resource_policy().secret_id("s").resource_policy(text).send().await.unwrap();
    (arn, secrets_as(aws, READER_ROLE).await)
}

#[tokio::test]
async fn just_the_role_that_the_policy_names_reads_by_full_arn() {
    let (aws, owner) = world().await;
    let (arn, reader) = shared(&aws, &owner, Some(ALIAS)).await;
    let got = reader.get_secret_value().secret_id(&arn).send().await.unwrap();
    assert_eq!((got.secret_string(), got.arn()), (Some("value"), Some(&*arn)));

    let partial = arn.rsplit_once('-').unwrap().0;
    assert_eq!(code(reader.get_secret_value().secret_id(partial).send().await), "AccessDeniedException");
    let other = arn.replace("secret:s-", "secret:t-");
    assert_eq!(code(reader.get_secret_value().secret_id(other).send().await), "AccessDeniedException");
    assert_eq!(code(reader.get_secret_value().secret_id("s").send().await), "ResourceNotFoundException");
    assert_eq!(code(reader.describe_secret().secret_id(&arn).send().await), "AccessDeniedException");
    assert_eq!(code(reader.delete_secret().secret_id(&arn).send().await), "AccessDeniedException");
    for role in ["arn:aws:iam::222222222222:role/other", "arn:aws:iam::333333333333:role/reader"] {
        let another = secrets_as(&aws, role).await;
        assert_eq!(code(another.get_secret_value().secret_id(&arn).send().await), "AccessDeniedException");
    }
    let elsewhere = secrets_in(&aws, READER_ROLE, "us-east-1").await;
    assert_eq!(code(elsewhere.get_secret_value().secret_id(&arn).send().await), "AccessDeniedException");

    owner.delete_resource_policy().secret_id("s").send().await.unwrap();
    assert_eq!(code(reader.get_secret_value().secret_id(&arn).send().await), "AccessDeniedException");
}

#[tokio::test]
async fn the_key_must_let_the_reader_in() {
    for (key, admitted) in [
        (Key::new(OWNER, REGION, ALIAS), false),
        (Key::new(OWNER, REGION, ALIAS).admitting("333333333333"), false),
        (Key::new(OWNER, REGION, ALIAS).admitting("arn:aws:iam::222222222222:role/other"), false),
        (Key::new(OWNER, REGION, ALIAS).admitting(READER), true),
        (Key::new(OWNER, REGION, ALIAS).admitting("arn:aws:iam::222222222222:root"), true),
        (Key::new(OWNER, REGION, ALIAS).admitting(READER_ROLE), true),
    ] {
        let (aws, owner) = world().await;
        aws.add_key(key);
        let (arn, reader) = shared(&aws, &owner, Some(ALIAS)).await;
        let read = reader.get_secret_value().secret_id(&arn).send().await;
        if admitted {
            assert_eq!(read.unwrap().secret_string(), Some("value"));
        } else {
            assert_eq!(
                read.as_ref().unwrap_err().as_service_error().unwrap().meta().message(),
                Some("Access to KMS is not allowed")
            );
            assert_eq!(code(read), "AccessDeniedException");
        }
    }
}

#[tokio::test]
async fn the_key_that_aws_manages_lets_nobody_else_in() {
    let (aws, owner) = world().await;
    let (arn, reader) = shared(&aws, &owner, None).await;
    assert_eq!(code(reader.get_secret_value().secret_id(&arn).send().await), "AccessDeniedException");
    owner.update_secret().secret_id("s").kms_key_id(ALIAS).send().await.unwrap();
    assert!(reader.get_secret_value().secret_id(&arn).send().await.is_ok());
    aws.remove_key(OWNER, REGION, ALIAS);
    assert_eq!(code(reader.get_secret_value().secret_id(&arn).send().await), "AccessDeniedException");
    assert_eq!(code(owner.get_secret_value().secret_id(&arn).send().await), "AccessDeniedException");
}

#[tokio::test]
async fn a_deleted_secret_says_so_to_whom_it_is_shared_with() {
    let (aws, owner) = world().await;
    let (arn, reader) = shared(&aws, &owner, Some(ALIAS)).await;
    assert!(aws.secrets(OWNER, REGION).delete("s"));
    assert_eq!(code(reader.get_secret_value().secret_id(&arn).send().await), "InvalidRequestException");
    let stranger = secrets_as(&aws, "arn:aws:iam::222222222222:role/other").await;
    assert_eq!(code(stranger.get_secret_value().secret_id(&arn).send().await), "AccessDeniedException");
    owner.delete_secret().secret_id("s").force_delete_without_recovery(true).send().await.unwrap();
    assert_eq!(code(reader.get_secret_value().secret_id(&arn).send().await), "AccessDeniedException");
}

#[tokio::test]
async fn a_role_that_was_made_again_is_not_let_in() {
    let (aws, owner) = world().await;
    let (arn, _) = shared(&aws, &owner, Some(ALIAS)).await;
    aws.remove_role(READER_ROLE);
    let shown = owner.get_resource_policy().secret_id("s").send().await.unwrap().resource_policy.unwrap();
    assert!(shown.contains("\"AROA") && !shown.contains(READER_ROLE), "{shown}");
    let put = owner.put_resource_policy().secret_id("s").resource_policy(&shown);
    assert_eq!(code(put.send().await), "MalformedPolicyDocumentException", "an id that names nobody");

    aws.add_role(dzconn_test_aws::Role::new(READER_ROLE));
    let reader = secrets_as(&aws, READER_ROLE).await;
    assert_eq!(code(reader.get_secret_value().secret_id(&arn).send().await), "AccessDeniedException");
    let text = policy(READER_ROLE, "secretsmanager:GetSecretValue");
    owner.put_resource_policy().secret_id("s").resource_policy(text).send().await.unwrap();
    assert!(reader.get_secret_value().secret_id(&arn).send().await.is_ok());
}

#[tokio::test]
async fn what_a_policy_says_is_what_counts() {
    let deny = |principal: &str| {
        format!(
            r#"{{"Statement":[{{"Effect":"Allow","Principal":{{"AWS":"{READER_ROLE}"}},"Action":"secretsmanager:*","Resource":"*"}},
               {{"Effect":"Deny","Principal":{{"AWS":"{principal}"}},"Action":"secretsmanager:GetSecretValue","Resource":"*"}}]}}"#
        )
    };
    let conditional =
        policy(READER_ROLE, "*").replace("\"Resource\"", "\"Condition\":{\"Bool\":{\"x\":\"y\"}},\"Resource\"");
    let narrow = |resource: &str| {
        policy(READER_ROLE, "secretsmanager:Get*")
            .replace("\"Resource\":\"*\"", &format!("\"Resource\":\"{resource}\""))
    };
    let (aws, owner) = world().await;
    let (arn, reader) = shared(&aws, &owner, Some(ALIAS)).await;
    for (text, admits) in [
        (policy("222222222222", "secretsmanager:getsecretvalue"), true),
        (policy("arn:aws:iam::222222222222:root", "secretsmanager:Get*"), true),
        (policy("*", "*"), true),
        (policy("333333333333", "*"), false),
        (policy(READER_ROLE, "secretsmanager:DescribeSecret"), false),
        (deny("*"), false),
        (deny(READER_ROLE), false),
        (deny("333333333333"), true),
        (conditional, false),
        (narrow(&arn), true),
        (narrow("arn:aws:secretsmanager:eu-west-1:111111111111:secret:s-??????"), true),
        (narrow("arn:aws:secretsmanager:eu-west-1:111111111111:secret:t-*"), false),
    ] {
        owner.put_resource_policy().secret_id("s").resource_policy(&text).send().await.unwrap();
        let read = reader.get_secret_value().secret_id(&arn).send().await;
        assert_eq!(read.is_ok(), admits, "{text}");
    }
    let all = deny("*").replace("secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret");
    owner.put_resource_policy().secret_id("s").resource_policy(all).send().await.unwrap();
    assert_eq!(code(owner.describe_secret().secret_id("s").send().await), "AccessDeniedException");
}
