use std::time::{Duration, Instant};

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::retry::RetryConfig;
use aws_sdk_secretsmanager::error::SdkError;
use aws_sdk_secretsmanager::operation::create_secret::CreateSecretError;
use dzconn_test_aws::{Effect, Fault};

use crate::client::{OWNER, REGION, code, token, world};

fn create(effect: Effect) -> Fault {
    Fault::new(effect).service("secretsmanager").operation("CreateSecret").account(OWNER)
}

async fn attempt(client: &Client) -> Result<(), SdkError<CreateSecretError>> {
    let create = client.create_secret().name("s").client_request_token(token('1')).secret_string("v");
    create.send().await.map(drop)
}

#[tokio::test]
async fn errors_on_demand_come_in_the_services_words() {
    for (effect, expected, status) in [
        (Effect::Throttled, "ThrottlingException", 400),
        (Effect::Failed, "InternalServiceError", 500),
        (Effect::Unavailable, "ServiceUnavailableException", 503),
        (Effect::ExpiredToken, "ExpiredTokenException", 400),
        (Effect::AccessDenied, "AccessDeniedException", 400),
    ] {
        let (aws, client) = world().await;
        aws.fail(create(effect));
        let error = attempt(&client).await;
        assert_eq!(error.as_ref().unwrap_err().raw_response().unwrap().status().as_u16(), status);
        assert_eq!(code(error), expected);
        assert!(aws.secrets(OWNER, REGION).all().is_empty(), "{effect:?} does nothing");
        attempt(&client).await.unwrap();
        assert_eq!((aws.count("secretsmanager", "CreateSecret"), aws.faults_left()), (2, 0));
    }
}

#[tokio::test]
async fn a_cut_connection_has_carried_the_call_out_or_not() {
    for (effect, done) in [(Effect::CutBefore, 0), (Effect::CutAfter, 1)] {
        let (aws, client) = world().await;
        aws.fail(create(effect));
        let error = attempt(&client).await.unwrap_err();
        assert!(matches!(&error, SdkError::DispatchFailure(_)), "{error:?}");
        assert_eq!(aws.secrets(OWNER, REGION).all().len(), done, "{effect:?}");
        attempt(&client).await.unwrap();
        assert_eq!(aws.secrets(OWNER, REGION).all().len(), 1);
    }
}

#[tokio::test]
async fn the_sdk_retries_over_what_passes() {
    for effect in [Effect::Throttled, Effect::Failed, Effect::Unavailable, Effect::CutBefore, Effect::CutAfter] {
        let (aws, client) = world().await;
        let retry = RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(1));
        let config = client.config().to_builder().retry_config(retry);
        let sleep = aws_sdk_secretsmanager::config::SharedAsyncSleep::new(Sleep);
        let client = Client::from_conf(config.sleep_impl(sleep).build());
        aws.fail(create(effect).times(2));
        attempt(&client).await.unwrap();
        assert_eq!(aws.count("secretsmanager", "CreateSecret"), 3, "{effect:?}");
    }
}

#[derive(Debug)]
struct Sleep;

impl aws_sdk_secretsmanager::config::AsyncSleep for Sleep {
    fn sleep(&self, duration: Duration) -> aws_sdk_secretsmanager::config::Sleep {
        aws_sdk_secretsmanager::config::Sleep::new(tokio::time::sleep(duration))
    }
}

#[tokio::test]
async fn delays_are_before_or_after() {
    for (effect, done) in
        [(Effect::Delay(Duration::from_millis(300)), 0), (Effect::LateAnswer(Duration::from_millis(300)), 1)]
    {
        let (aws, client) = world().await;
        aws.fail(create(effect));
        let started = Instant::now();
        let call = tokio::spawn(async move { attempt(&client).await.unwrap() });
        while aws.calls().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(aws.secrets(OWNER, REGION).all().len(), done, "{effect:?}");
        call.await.unwrap();
        assert!(started.elapsed() >= Duration::from_millis(300));
        assert_eq!(aws.secrets(OWNER, REGION).all().len(), 1);
    }
}

#[tokio::test]
async fn calls_are_written_down_in_order() {
    let (aws, client) = world().await;
    attempt(&client).await.unwrap();
    client.get_secret_value().secret_id("s").send().await.unwrap();
    let calls = aws.calls();
    let operations: Vec<&str> = calls.iter().map(|call| &*call.operation).collect();
    assert_eq!(operations, ["CreateSecret", "GetSecretValue"]);
    assert_eq!((&*calls[0].service, &*calls[0].account, &*calls[0].region), ("secretsmanager", OWNER, REGION));
    assert_eq!(calls[0].role.as_deref(), Some("arn:aws:iam::111111111111:role/owner"));
    aws.reset_calls();
    assert!(aws.calls().is_empty());
}

#[tokio::test]
async fn it_ends_when_it_is_dropped() {
    let (aws, client) = world().await;
    let address = aws.url().strip_prefix("http://").unwrap().to_owned();
    attempt(&client).await.unwrap();
    drop(aws);
    assert!(std::net::TcpStream::connect(address).is_err());
    assert!(matches!(attempt(&client).await.unwrap_err(), SdkError::DispatchFailure(_)), "kept connections end too");
}
