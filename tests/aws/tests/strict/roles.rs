use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use aws_config::sts::AssumeRoleProvider;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sts::Client;
use aws_sdk_sts::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_sts::operation::assume_role::AssumeRoleOutput;
use dzconn_test_aws::{AwsStandIn, Effect, Fault, HOME, Keys, NewSecret, Role};

use crate::client::{OWNER, READER_ROLE, REGION, code, credentials, world};

const TARGET: &str = "arn:aws:iam::333333333333:role/target";

async fn settings(aws: &AwsStandIn, keys: &Keys) -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .endpoint_url(aws.url())
        .region(Region::new(REGION))
        .credentials_provider(credentials(keys))
        .retry_config(aws_config::retry::RetryConfig::disabled())
        .load()
        .await
}

fn given(answer: &AssumeRoleOutput) -> SharedCredentialsProvider {
    let given = answer.credentials().unwrap();
    let (key, secret, token) = (given.access_key_id(), given.secret_access_key(), given.session_token().to_owned());
    SharedCredentialsProvider::new(Credentials::new(key, secret, Some(token), None, "test"))
}

async fn sts(aws: &AwsStandIn, role: &str) -> Client {
    Client::new(&settings(aws, &aws.credentials_of(role).await.unwrap()).await)
}

#[tokio::test]
async fn an_assumed_role_is_who_calls() {
    let aws = AwsStandIn::without_moto().unwrap();
    let client = sts(&aws, READER_ROLE).await;
    let me = client.get_caller_identity().send().await.unwrap();
    assert_eq!(me.account(), Some("222222222222"));
    let answer = client.assume_role().role_arn(TARGET).role_session_name("mine").send().await.unwrap();
    assert_eq!(answer.assumed_role_user().unwrap().arn(), "arn:aws:sts::333333333333:assumed-role/target/mine");
    let config = client.config().to_builder().credentials_provider(given(&answer)).build();
    let me = Client::from_conf(config).get_caller_identity().send().await.unwrap();
    assert_eq!(me.arn(), Some("arn:aws:sts::333333333333:assumed-role/target/mine"));
    let accounts: Vec<String> = aws.calls().into_iter().map(|call| call.account).collect();
    assert_eq!(accounts, ["222222222222", "222222222222", "333333333333"]);
}

#[tokio::test]
async fn keys_of_nobody_are_at_home() {
    let aws = AwsStandIn::without_moto().unwrap();
    let nobody = SharedCredentialsProvider::new(Credentials::new("AKIATEST", "secret", None, None, "test"));
    let config = settings(&aws, &aws.credentials_for(OWNER).await.unwrap()).await.into_builder();
    let client = Client::new(&config.credentials_provider(nobody).build());
    assert_eq!(client.get_caller_identity().send().await.unwrap().account(), Some(HOME));
}

#[tokio::test]
async fn roles_trust_whom_they_say() {
    let aws = AwsStandIn::without_moto().unwrap();
    let (trusted, stranger) = (sts(&aws, READER_ROLE).await, sts(&aws, "arn:aws:iam::444444444444:role/x").await);
    let assume = |client: &Client| client.assume_role().role_arn(TARGET).role_session_name("mine");
    assume(&stranger).send().await.unwrap();
    aws.add_role(Role::new(TARGET).trusting("arn:aws:iam::222222222222:root").demanding("x"));
    assert_eq!(code(assume(&stranger).external_id("x").send().await), "AccessDenied");
    assert_eq!(code(assume(&trusted).send().await), "AccessDenied");
    assert_eq!(code(assume(&trusted).external_id("y").send().await), "AccessDenied");
    assume(&trusted).external_id("x").send().await.unwrap();
    aws.remove_role(TARGET);
    assert_eq!(code(assume(&trusted).external_id("x").send().await), "AccessDenied");
    aws.only_known_roles();
    let other = trusted.assume_role().role_arn("arn:aws:iam::333333333333:role/other").role_session_name("mine");
    assert_eq!(code(other.send().await), "AccessDenied");
}

#[tokio::test]
async fn what_sts_does_not_admit() {
    let aws = AwsStandIn::without_moto().unwrap();
    let client = sts(&aws, READER_ROLE).await;
    let assume = || client.assume_role().role_arn(TARGET).role_session_name("mine");
    assert_eq!(code(assume().role_arn("arn:aws:iam::333333333333:user/x").send().await), "ValidationError");
    assert_eq!(code(assume().role_session_name("no spaces").send().await), "ValidationError");
    assert_eq!(code(assume().duration_seconds(899).send().await), "ValidationError");
    assert_eq!(code(assume().duration_seconds(3_601).send().await), "ValidationError", "role chaining");
    assume().duration_seconds(3_600).send().await.unwrap();
    aws.fail(Fault::new(Effect::Throttled).service("sts"));
    assert_eq!(code(assume().send().await), "Throttling");
    aws.fail(Fault::new(Effect::ExpiredToken).service("sts"));
    assert_eq!(code(assume().send().await), "ExpiredToken");
}

#[tokio::test]
async fn short_sessions_are_refused_when_over_and_refreshed_before() {
    let (aws, _) = world().await;
    aws.secrets("333333333333", REGION).put(&NewSecret::new("s", "v"));
    aws.set_session_life(Some(Duration::from_secs(1)));
    let base = settings(&aws, &aws.credentials_for(OWNER).await.unwrap()).await;

    let answer = Client::new(&base).assume_role().role_arn(TARGET).role_session_name("mine").send().await.unwrap();
    let end = answer.credentials().unwrap().expiration().as_secs_f64()
        - std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    assert!((0.0..=2.1).contains(&end), "{end}");
    let kept = base.to_builder().credentials_provider(given(&answer)).build();
    let kept = aws_sdk_secretsmanager::Client::new(&kept);
    kept.get_secret_value().secret_id("s").send().await.unwrap();
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    assert_eq!(code(kept.get_secret_value().secret_id("s").send().await), "ExpiredTokenException");

    aws.reset_calls();
    let provider = AssumeRoleProvider::builder(TARGET).configure(&base).session_name("mine").build().await;
    let provider = SharedCredentialsProvider::new(provider);
    let fresh = aws_sdk_secretsmanager::Client::new(&base.to_builder().credentials_provider(provider).build());
    for _ in 0..3 {
        fresh.get_secret_value().secret_id("s").send().await.unwrap();
        tokio::time::sleep(Duration::from_millis(1_100)).await;
    }
    assert!(aws.count("sts", "AssumeRole") >= 2, "{:?}", aws.calls());
}

#[tokio::test]
async fn all_sessions_can_be_ended_at_once() {
    let (aws, owner) = world().await;
    let client = sts(&aws, READER_ROLE).await;
    let answer = client.assume_role().role_arn(TARGET).role_session_name("mine").send().await.unwrap();
    let assumed = Client::from_conf(client.config().to_builder().credentials_provider(given(&answer)).build());
    assumed.get_caller_identity().send().await.unwrap();
    aws.expire_sessions();
    assert_eq!(code(assumed.get_caller_identity().send().await), "ExpiredToken");
    assert!(owner.list_secrets().send().await.is_ok(), "credentials of a test's own do not expire");
}

/// A request of one line, answered with all that comes until the connection ends.
fn raw(url: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[tokio::test]
async fn datazone_goes_to_the_named_server_unchanged() {
    let signed = "GET /v2/domains/d/listings/l?x=%2F HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Own: kept\r\nAuthorization: \
                  AWS4-HMAC-SHA256 Credential=AKIA/20260101/eu-west-1/datazone/aws4_request, SignedHeaders=host, \
                  Signature=0\r\n\r\n";
    let aws = AwsStandIn::without_moto().unwrap();
    let refused = raw(&aws.url(), signed);
    assert!(refused.starts_with("HTTP/1.1 400") && refused.contains("NotStandingIn"), "{refused}");

    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    aws.set_datazone(&format!("http://{}", server.local_addr().unwrap()));
    let server = std::thread::spawn(move || {
        let (mut stream, _) = server.accept().unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            request.push(byte[0]);
        }
        stream.write_all(b"HTTP/1.1 404 Not Found\r\nX-Theirs: kept\r\nContent-Length: 2\r\n\r\n{}").unwrap();
        String::from_utf8(request).unwrap()
    });
    let answer = raw(&aws.url(), signed).to_lowercase();
    assert!(
        answer.starts_with("http/1.1 404") && answer.contains("x-theirs: kept") && answer.ends_with("{}"),
        "{answer}"
    );
    let got = server.join().unwrap();
    assert!(got.starts_with("GET /v2/domains/d/listings/l?x=%2F HTTP/1.1\r\n"), "{got}");
    assert!(got.to_lowercase().contains("x-own: kept\r\n") && got.contains("Signature=0"), "{got}");
    assert_eq!(aws.count("datazone", "GET /v2/domains/{}/listings/{}"), 2);
}

#[tokio::test]
async fn an_unsigned_request_is_refused() {
    let aws = AwsStandIn::without_moto().unwrap();
    let answer = raw(&aws.url(), "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
}
