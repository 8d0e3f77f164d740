use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::operation::create_secret::builders::CreateSecretFluentBuilder;
use aws_sdk_secretsmanager::primitives::Blob;
use aws_sdk_secretsmanager::types::{Filter, FilterNameStringType, Tag};
use dzconn_test_aws::NewSecret;

use crate::client::{ALIAS, OWNER, REGION, code, secrets_in, token, world};

fn create(client: &Client, name: &str) -> CreateSecretFluentBuilder {
    client.create_secret().name(name).client_request_token(token('1')).secret_string("value")
}

#[tokio::test]
async fn a_secret_is_created_read_and_described() {
    let (_aws, client) = world().await;
    let tag = Tag::builder().key("k").value("v").build();
    let made = create(&client, "a/b").kms_key_id(ALIAS).tags(tag).description("d").send().await.unwrap();
    let arn = made.arn().unwrap();
    let suffix = arn.strip_prefix("arn:aws:secretsmanager:eu-west-1:111111111111:secret:a/b-").unwrap();
    assert_eq!(suffix.len(), 6);
    assert_eq!(made.version_id(), Some(&*token('1')));

    let partial = arn.strip_suffix(&format!("-{suffix}")).unwrap();
    for id in ["a/b", arn, partial] {
        let got = client.get_secret_value().secret_id(id).send().await.unwrap();
        assert_eq!((got.secret_string(), got.arn()), (Some("value"), Some(arn)));
        assert_eq!(got.version_stages(), ["AWSCURRENT"]);
    }
    let described = client.describe_secret().secret_id("a/b").send().await.unwrap();
    assert_eq!((described.kms_key_id(), described.description()), (Some(ALIAS), Some("d")));
    assert_eq!(described.tags()[0].key(), Some("k"));
    assert_eq!(described.version_ids_to_stages().unwrap()[&token('1')], ["AWSCURRENT"]);
    assert!(described.deleted_date().is_none());
}

#[tokio::test]
async fn creating_again_is_idempotent_by_token_and_content() {
    let (_aws, client) = world().await;
    let first = create(&client, "s").send().await.unwrap();
    let again = create(&client, "s").send().await.unwrap();
    assert_eq!((first.arn(), first.version_id()), (again.arn(), again.version_id()));
    assert_eq!(code(create(&client, "s").secret_string("other").send().await), "ResourceExistsException");
    assert_eq!(code(create(&client, "s").client_request_token(token('2')).send().await), "ResourceExistsException");
}

#[tokio::test]
async fn a_name_is_taken_through_the_recovery_window() {
    let (aws, client) = world().await;
    create(&client, "s").send().await.unwrap();
    let deleted = client.delete_secret().secret_id("s").recovery_window_in_days(7).send().await.unwrap();
    let again = client.delete_secret().secret_id("s").recovery_window_in_days(30).send().await.unwrap();
    assert_eq!(deleted.deletion_date(), again.deletion_date(), "deleting twice changes nothing");

    assert_eq!(code(create(&client, "s").send().await), "InvalidRequestException");
    assert_eq!(code(client.get_secret_value().secret_id("s").send().await), "InvalidRequestException");
    let put = client.put_secret_value().secret_id("s").client_request_token(token('2')).secret_string("x");
    assert_eq!(code(put.send().await), "InvalidRequestException");
    let tag = client.tag_resource().secret_id("s").tags(Tag::builder().key("k").value("v").build());
    assert_eq!(code(tag.send().await), "InvalidRequestException");
    assert_eq!(code(client.get_resource_policy().secret_id("s").send().await), "InvalidRequestException");
    let described = client.describe_secret().secret_id("s").send().await.unwrap();
    assert_eq!(described.deleted_date(), deleted.deletion_date());
    assert!(client.list_secrets().send().await.unwrap().secret_list().is_empty());

    client.restore_secret().secret_id("s").send().await.unwrap();
    client.restore_secret().secret_id("s").send().await.unwrap();
    assert_eq!(client.get_secret_value().secret_id("s").send().await.unwrap().secret_string(), Some("value"));

    client.delete_secret().secret_id("s").send().await.unwrap();
    assert!(aws.secrets(OWNER, REGION).remove("s"));
    let new = create(&client, "s").send().await.unwrap();
    let described = client.describe_secret().secret_id("s").send().await.unwrap();
    assert_eq!(described.arn(), new.arn());
}

#[tokio::test]
async fn deletion_by_force_and_wrong_windows() {
    let (_aws, client) = world().await;
    let first = create(&client, "s").send().await.unwrap();
    let delete = || client.delete_secret().secret_id("s");
    for days in [0, 6, 31] {
        assert_eq!(code(delete().recovery_window_in_days(days).send().await), "InvalidParameterException");
    }
    let both = delete().recovery_window_in_days(7).force_delete_without_recovery(true);
    assert_eq!(code(both.send().await), "InvalidParameterException");
    delete().force_delete_without_recovery(true).send().await.unwrap();
    delete().force_delete_without_recovery(true).send().await.unwrap();
    assert_eq!(code(delete().send().await), "ResourceNotFoundException");
    assert_eq!(code(client.get_secret_value().secret_id("s").send().await), "ResourceNotFoundException");
    assert_ne!(create(&client, "s").send().await.unwrap().arn(), first.arn());
}

#[tokio::test]
async fn what_the_api_reference_does_not_admit_is_refused() {
    let (_aws, client) = world().await;
    assert_eq!(code(create(&client, "no spaces").send().await), "ValidationException");
    assert_eq!(code(create(&client, &"n".repeat(513)).send().await), "ValidationException");
    assert_eq!(code(create(&client, "s").secret_string("x".repeat(65_537)).send().await), "ValidationException");
    assert_eq!(code(create(&client, "s").client_request_token("short").send().await), "InvalidParameterException");
    assert_eq!(code(create(&client, "s").secret_binary(Blob::new("b")).send().await), "InvalidParameterException");
    assert_eq!(code(create(&client, "s").kms_key_id("alias/nowhere").send().await), "InvalidParameterException");
    let reserved = Tag::builder().key("aws:x").value("v").build();
    assert_eq!(code(create(&client, "s").tags(reserved).send().await), "InvalidParameterException");
    assert_eq!(code(client.get_secret_value().secret_id("s").send().await), "ResourceNotFoundException");
    assert_eq!(code(client.get_secret_value().secret_id("arn:aws:x").send().await), "ValidationException");
    assert_eq!(code(client.get_random_password().send().await), "UnknownOperationException");
}

#[tokio::test]
async fn binary_values_and_secrets_without_a_value() {
    let (_aws, client) = world().await;
    let blob = Blob::new([0, 255, 7]);
    client.create_secret().name("b").client_request_token(token('1')).secret_binary(blob.clone()).send().await.unwrap();
    assert_eq!(client.get_secret_value().secret_id("b").send().await.unwrap().secret_binary(), Some(&blob));
    let empty = client.create_secret().name("e").client_request_token(token('1')).send().await.unwrap();
    assert_eq!(empty.version_id(), None);
    assert_eq!(code(client.get_secret_value().secret_id("e").send().await), "ResourceNotFoundException");
    let put = client.put_secret_value().secret_id("e").client_request_token(token('2')).secret_string("v");
    put.version_stages("AWSPENDING").send().await.unwrap();
    let got = client.get_secret_value().secret_id("e").send().await.unwrap();
    assert_eq!(got.version_stages(), ["AWSCURRENT", "AWSPENDING"], "the first version is the current one in any case");
}

#[tokio::test]
async fn accounts_and_regions_have_their_own_secrets() {
    let (aws, client) = world().await;
    create(&client, "s").secret_string("here").send().await.unwrap();
    let elsewhere = secrets_in(&aws, "arn:aws:iam::111111111111:role/owner", "us-east-1").await;
    let arn = create(&elsewhere, "s").secret_string("there").send().await.unwrap().arn.unwrap();
    assert_eq!(client.get_secret_value().secret_id("s").send().await.unwrap().secret_string(), Some("here"));
    assert_eq!(code(client.get_secret_value().secret_id(arn).send().await), "ResourceNotFoundException");
    let other = secrets_in(&aws, "arn:aws:iam::333333333333:role/other", REGION).await;
    assert_eq!(code(other.get_secret_value().secret_id("s").send().await), "ResourceNotFoundException");
}

#[tokio::test]
async fn secrets_are_listed_in_pages_and_filtered() {
    let (aws, client) = world().await;
    for number in 0..5 {
        aws.secrets(OWNER, REGION).put(&NewSecret::new(&format!("p-{number}"), "v").tag("n", &number.to_string()));
    }
    aws.secrets(OWNER, REGION).put(&NewSecret::new("q", "v"));
    let filter = |key, value: &str| Filter::builder().key(key).values(value).build();
    let named = client.list_secrets().filters(filter(FilterNameStringType::Name, "p-"));
    let first = named.clone().max_results(3).send().await.unwrap();
    assert_eq!(first.secret_list().len(), 3);
    let second = named.max_results(3).set_next_token(first.next_token).send().await.unwrap();
    assert_eq!((second.secret_list().len(), second.next_token()), (2, None));
    let tagged = client.list_secrets().filters(filter(FilterNameStringType::TagValue, "4")).send().await.unwrap();
    assert_eq!(tagged.secret_list()[0].name(), Some("p-4"));
    let not = client.list_secrets().filters(filter(FilterNameStringType::Name, "!p-")).send().await.unwrap();
    assert_eq!(not.secret_list()[0].name(), Some("q"));
}

#[tokio::test]
async fn tags_come_and_go() {
    let (aws, client) = world().await;
    create(&client, "s").send().await.unwrap();
    let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
    client.tag_resource().secret_id("s").tags(tag("a", "1")).tags(tag("b", "2")).send().await.unwrap();
    client.tag_resource().secret_id("s").tags(tag("a", "3")).send().await.unwrap();
    client.untag_resource().secret_id("s").tag_keys("b").tag_keys("c").send().await.unwrap();
    let tags = aws.secrets(OWNER, REGION).get("s").unwrap().tags;
    assert_eq!(tags.into_iter().collect::<Vec<_>>(), [("a".to_owned(), "3".to_owned())]);
}
