use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::operation::put_secret_value::builders::PutSecretValueFluentBuilder;

use crate::client::{ALIAS, OWNER, REGION, code, token, world};

async fn with_one(client: &Client) {
    client.create_secret().name("s").client_request_token(token('1')).secret_string("one").send().await.unwrap();
}

fn put(client: &Client, digit: char, value: &str) -> PutSecretValueFluentBuilder {
    client.put_secret_value().secret_id("s").client_request_token(token(digit)).secret_string(value)
}

async fn staged(client: &Client, stage: &str) -> String {
    let got = client.get_secret_value().secret_id("s").version_stage(stage).send().await.unwrap();
    got.secret_string.unwrap()
}

#[tokio::test]
async fn a_new_value_moves_current_and_previous() {
    let (_aws, client) = world().await;
    with_one(&client).await;
    put(&client, '2', "two").send().await.unwrap();
    assert_eq!(
        (staged(&client, "AWSCURRENT").await, staged(&client, "AWSPREVIOUS").await),
        ("two".into(), "one".into())
    );
    put(&client, '3', "three").send().await.unwrap();
    assert_eq!(staged(&client, "AWSPREVIOUS").await, "two");
    let described = client.describe_secret().secret_id("s").send().await.unwrap();
    assert_eq!(described.version_ids_to_stages().unwrap().len(), 2, "versions without a label are not shown");
    let by_id = client.get_secret_value().secret_id("s").version_id(token('1'));
    assert_eq!(by_id.clone().send().await.unwrap().secret_string(), Some("one"));
    assert_eq!(code(by_id.version_stage("AWSCURRENT").send().await), "InvalidRequestException");
    let unknown = client.get_secret_value().secret_id("s").version_id(token('9'));
    assert_eq!(code(unknown.send().await), "ResourceNotFoundException");
    let ids = client.list_secret_version_ids().secret_id("s").include_deprecated(true).send().await.unwrap();
    assert_eq!(ids.versions().len(), 3);
}

#[tokio::test]
async fn putting_again_is_idempotent_by_token_and_content() {
    let (_aws, client) = world().await;
    with_one(&client).await;
    put(&client, '2', "two").send().await.unwrap();
    put(&client, '3', "three").send().await.unwrap();
    put(&client, '2', "two").send().await.unwrap();
    assert_eq!(staged(&client, "AWSCURRENT").await, "three", "an old token brings no old value back");
    assert_eq!(code(put(&client, '2', "other").send().await), "ResourceExistsException");
    assert_eq!(code(put(&client, '4', "x").secret_id("t").send().await), "ResourceNotFoundException");
}

#[tokio::test]
async fn a_rotation_as_its_function_does_it() {
    let (_aws, client) = world().await;
    with_one(&client).await;
    put(&client, '2', "two").version_stages("AWSPENDING").send().await.unwrap();
    assert_eq!(
        (staged(&client, "AWSCURRENT").await, staged(&client, "AWSPENDING").await),
        ("one".into(), "two".into())
    );

    let stage = |label: &str| client.update_secret_version_stage().secret_id("s").version_stage(label);
    let to_two = stage("AWSCURRENT").move_to_version_id(token('2'));
    assert_eq!(code(to_two.clone().send().await), "InvalidParameterException", "whom it is taken from must be said");
    let wrong = to_two.clone().remove_from_version_id(token('2'));
    assert_eq!(code(wrong.send().await), "InvalidParameterException");
    to_two.remove_from_version_id(token('1')).send().await.unwrap();
    assert_eq!(
        (staged(&client, "AWSCURRENT").await, staged(&client, "AWSPREVIOUS").await),
        ("two".into(), "one".into())
    );

    let gone = stage("AWSCURRENT").remove_from_version_id(token('2'));
    assert_eq!(code(gone.send().await), "InvalidParameterException", "some version is always current");
    stage("AWSPENDING").remove_from_version_id(token('2')).send().await.unwrap();
    let pending = client.get_secret_value().secret_id("s").version_stage("AWSPENDING");
    assert_eq!(code(pending.send().await), "ResourceNotFoundException");
    let back = stage("AWSCURRENT").move_to_version_id(token('1')).remove_from_version_id(token('2'));
    back.send().await.unwrap();
    assert_eq!(
        (staged(&client, "AWSCURRENT").await, staged(&client, "AWSPREVIOUS").await),
        ("one".into(), "two".into())
    );
}

#[tokio::test]
async fn a_test_rotates_without_calls() {
    let (aws, client) = world().await;
    with_one(&client).await;
    let before = aws.calls().len();
    let secrets = aws.secrets(OWNER, REGION);
    let id = secrets.begin_rotation("s", "two").unwrap();
    assert_eq!(secrets.get("s").unwrap().staged("AWSPENDING"), Some("two"));
    assert!(secrets.cancel_rotation("s") && !secrets.finish_rotation("s"));
    assert_eq!(secrets.get("s").unwrap().value(), Some("one"));
    let next = secrets.begin_rotation("s", "three").unwrap();
    assert!(id != next && secrets.finish_rotation("s"));
    assert_eq!(secrets.get("s").unwrap().value(), Some("three"));
    assert!(secrets.set_value("s", "four") && !secrets.set_value("t", "x"));
    assert_eq!(aws.calls().len(), before);
    assert_eq!(
        (staged(&client, "AWSCURRENT").await, staged(&client, "AWSPREVIOUS").await),
        ("four".into(), "three".into())
    );
    let view = secrets.get("s").unwrap();
    assert!(!format!("{view:?}").contains("four"), "values are not for logs");
}

#[tokio::test]
async fn an_update_changes_value_key_and_description() {
    let (aws, client) = world().await;
    with_one(&client).await;
    let update = client.update_secret().secret_id("s").client_request_token(token('2')).secret_string("two");
    update.clone().kms_key_id(ALIAS).description("d").send().await.unwrap();
    update.clone().send().await.unwrap();
    assert_eq!(code(update.secret_string("x").send().await), "ResourceExistsException");
    let view = aws.secrets(OWNER, REGION).get("s").unwrap();
    assert_eq!((view.value(), view.key.as_deref(), view.description.as_deref()), (Some("two"), Some(ALIAS), Some("d")));
}
