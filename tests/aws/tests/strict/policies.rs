use dzconn_test_aws::{NewSecret, Role};

use crate::client::{OWNER, READER_ROLE, REGION, code, world};

fn statement(principal: &str, rest: &str) -> String {
    format!(
        r#"{{"Effect":"Allow","Principal":{principal},"Action":"secretsmanager:GetSecretValue","Resource":"*"{rest}}}"#
    )
}

fn policy(statements: &[String]) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":[{}]}}"#, statements.join(","))
}

#[tokio::test]
async fn a_policy_is_kept_as_it_was_put() {
    let (aws, owner) = world().await;
    aws.secrets(OWNER, REGION).put(&NewSecret::new("s", "v"));
    let get = || owner.get_resource_policy().secret_id("s").send();
    assert_eq!(get().await.unwrap().resource_policy(), None);
    let text = policy(&[statement(&format!(r#"{{"AWS":["{READER_ROLE}","{OWNER}"]}}"#), r#","Sid":"a""#)]);
    owner.put_resource_policy().secret_id("s").resource_policy(&text).send().await.unwrap();
    assert_eq!(get().await.unwrap().resource_policy(), Some(&*text));
    owner.delete_resource_policy().secret_id("s").send().await.unwrap();
    owner.delete_resource_policy().secret_id("s").send().await.unwrap();
    assert_eq!(get().await.unwrap().resource_policy(), None);
}

#[tokio::test]
async fn what_is_no_policy_is_malformed() {
    let (aws, owner) = world().await;
    aws.secrets(OWNER, REGION).put(&NewSecret::new("s", "v"));
    let account = format!(r#"{{"AWS":"{OWNER}"}}"#);
    let sid = r#","Sid":"a""#;
    for text in [
        "{".to_owned(),
        "[]".to_owned(),
        r#"{"Version":"2012-10-17","Statement":[]}"#.to_owned(),
        policy(&[statement(&account, "")]).replace("2012", "2013"),
        policy(&[statement(&account, "").replace("Allow", "allow")]),
        policy(&[statement(&account, "").replace("\"Resource\":\"*\"", "\"X\":1")]),
        policy(&[statement(&account, "").replace("secretsmanager:", "s3:")]),
        policy(&[statement(r#"{"AWS":"not-an-arn"}"#, "")]),
        policy(&[statement(r#"{"AWS":"AROAEXAMPLE1234567890"}"#, "")]),
        policy(&[statement(r#"{"AWS":"arn:aws:iam::2222:role/reader"}"#, "")]),
        policy(&[statement(&account, sid), statement(&account, sid)]),
    ] {
        let put = owner.put_resource_policy().secret_id("s").resource_policy(&text).send().await;
        assert_eq!(code(put), "MalformedPolicyDocumentException", "{text}");
    }
    let long = policy(&[statement(&account, "")]) + &" ".repeat(20_481);
    let put = owner.put_resource_policy().secret_id("s").resource_policy(long).send().await;
    assert_eq!(code(put), "ValidationException");
    assert_eq!(aws.secrets(OWNER, REGION).get("s").unwrap().policy, None);
}

#[tokio::test]
async fn principals_must_exist() {
    let (aws, owner) = world().await;
    aws.secrets(OWNER, REGION).put(&NewSecret::new("s", "v"));
    let text = policy(&[statement(&format!(r#"{{"AWS":"{READER_ROLE}"}}"#), "")]);
    let put = || owner.put_resource_policy().secret_id("s").resource_policy(&text).send();
    aws.only_known_roles();
    assert_eq!(code(put().await), "MalformedPolicyDocumentException");
    aws.add_role(Role::new(READER_ROLE));
    put().await.unwrap();
}

#[tokio::test]
async fn public_policies_can_be_blocked() {
    let (aws, owner) = world().await;
    aws.secrets(OWNER, REGION).put(&NewSecret::new("s", "v"));
    for principal in [r#""*""#, r#"{"AWS":"*"}"#] {
        let text = policy(&[statement(principal, "")]);
        let put = owner.put_resource_policy().secret_id("s").resource_policy(&text);
        assert_eq!(code(put.clone().block_public_policy(true).send().await), "PublicPolicyException");
        put.send().await.unwrap();
    }
    let text = policy(&[statement(&format!(r#"{{"AWS":"{OWNER}"}}"#), "")]);
    let put = owner.put_resource_policy().secret_id("s").resource_policy(text).block_public_policy(true);
    put.send().await.unwrap();
}
