//! The stand-in in front of moto, named in `DZCONN_TEST_MOTO_URL`.

use std::future::Future;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use dzconn_test_aws::{AwsStandIn, Effect, Fault, Keys};
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use tokio::runtime::Runtime;

type Tested = Result<(), Box<dyn std::error::Error>>;

const VARIABLE: &str = "DZCONN_TEST_MOTO_URL";

fn main() -> ExitCode {
    let runtime = match Runtime::new() {
        Ok(runtime) => Arc::new(runtime),
        Err(error) => {
            eprintln!("no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let moto = std::env::var(VARIABLE).ok();
    let trials = vec![
        trial("accounts_have_their_own_tables", &runtime, moto.as_ref(), accounts_have_their_own_tables),
        trial("an_assumed_role_is_in_its_account", &runtime, moto.as_ref(), an_assumed_role_is_in_its_account),
        trial("expired_sessions_are_refused_for_moto_too", &runtime, moto.as_ref(), expired_sessions),
        trial("a_lost_answer_was_carried_out", &runtime, moto.as_ref(), a_lost_answer_was_carried_out),
        trial("secrets_manager_can_be_left_to_moto", &runtime, moto.as_ref(), secrets_manager_can_be_left_to_moto),
        trial("moto_must_be_there", &runtime, moto.as_ref(), moto_must_be_there),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn trial<F>(
    name: &str,
    runtime: &Arc<Runtime>,
    moto: Option<&String>,
    test: impl FnOnce(String) -> F + Send + 'static,
) -> Trial
where
    F: Future<Output = Tested>,
{
    let (runtime, moto) = (Arc::clone(runtime), moto.cloned());
    Trial::ignorable_test(name, move || match moto {
        None => Ok(Completion::ignored_with(format!("no moto: set {VARIABLE}"))),
        Some(moto) => {
            runtime.block_on(test(moto)).map_err(|error| Failed::from(format!("{error:?}")))?;
            Ok(Completion::Completed)
        }
    })
}

fn settings(aws: &AwsStandIn, keys: &Keys) -> SdkConfig {
    let Keys { access_key_id, secret_access_key, session_token, .. } = keys;
    let token = Some(session_token.clone());
    let credentials = aws_sdk_sts::config::Credentials::new(access_key_id, secret_access_key, token, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(aws.url())
        .region(Region::new("eu-west-1"))
        .credentials_provider(aws_sdk_sts::config::SharedCredentialsProvider::new(credentials))
        .retry_config(aws_config::retry::RetryConfig::disabled())
        .build()
}

/// An account that no other test has.
fn account() -> String {
    format!("{:012}", rand::random_range(100_000_000_000_u64..1_000_000_000_000))
}

async fn make_table(dynamo: &aws_sdk_dynamodb::Client) -> Tested {
    let attribute =
        AttributeDefinition::builder().attribute_name("k").attribute_type(ScalarAttributeType::S).build()?;
    let key = KeySchemaElement::builder().attribute_name("k").key_type(KeyType::Hash).build()?;
    let table = dynamo.create_table().table_name("t").billing_mode(BillingMode::PayPerRequest);
    table.attribute_definitions(attribute).key_schema(key).send().await?;
    Ok(())
}

async fn accounts_have_their_own_tables(moto: String) -> Tested {
    let aws = AwsStandIn::start(&moto).await?;
    let (one, two) = (account(), account());
    let client = async |account: &str| -> Result<_, String> {
        Ok(aws_sdk_dynamodb::Client::new(&settings(&aws, &aws.credentials_for(account).await?)))
    };
    let (first, second) = (client(&one).await?, client(&two).await?);
    make_table(&first).await?;
    assert_eq!(first.list_tables().send().await?.table_names(), ["t"]);
    assert!(second.list_tables().send().await?.table_names().is_empty());
    let calls: Vec<_> = aws.calls().into_iter().map(|call| (call.service, call.operation, call.account)).collect();
    let call = |operation: &str, account: &str| ("dynamodb".to_owned(), operation.to_owned(), account.to_owned());
    assert_eq!(calls, [call("CreateTable", &one), call("ListTables", &one), call("ListTables", &two)]);
    Ok(())
}

async fn assume(aws: &AwsStandIn, from: &str, role: &str) -> Result<SdkConfig, Box<dyn std::error::Error>> {
    let base = settings(aws, &aws.credentials_for(from).await?);
    let sts = aws_sdk_sts::Client::new(&base);
    let answer = sts.assume_role().role_arn(role).role_session_name("mine").send().await?;
    let given = answer.credentials().ok_or("no credentials")?;
    let (key, secret, token) = (given.access_key_id(), given.secret_access_key(), given.session_token().to_owned());
    let keys = aws_sdk_sts::config::Credentials::new(key, secret, Some(token), None, "test");
    let provider = aws_sdk_sts::config::SharedCredentialsProvider::new(keys);
    Ok(base.into_builder().credentials_provider(provider).build())
}

async fn an_assumed_role_is_in_its_account(moto: String) -> Tested {
    let aws = AwsStandIn::start(&moto).await?;
    let (home, target) = (account(), account());
    let role = format!("arn:aws:iam::{target}:role/target");
    let assumed = assume(&aws, &home, &role).await?;
    let me = aws_sdk_sts::Client::new(&assumed).get_caller_identity().send().await?;
    assert_eq!(me.account(), Some(&*target), "moto knows it too");
    make_table(&aws_sdk_dynamodb::Client::new(&assumed)).await?;
    let calls = aws.calls();
    let last = calls.last().ok_or("no calls")?;
    assert_eq!((&*last.account, last.role.as_deref()), (&*target, Some(&*role)));

    let keys = aws.credentials_for(&home).await?;
    let sts = aws_sdk_sts::Client::new(&settings(&aws, &keys));
    aws.remove_role(&role);
    let refused = sts.assume_role().role_arn(&role).role_session_name("mine").send().await.err().ok_or("assumed")?;
    assert_eq!(refused.as_service_error().and_then(ProvideErrorMetadata::code), Some("AccessDenied"));
    Ok(())
}

async fn expired_sessions(moto: String) -> Tested {
    let aws = AwsStandIn::start(&moto).await?;
    aws.set_session_life(Some(Duration::from_secs(1)));
    let target = account();
    let assumed = assume(&aws, &account(), &format!("arn:aws:iam::{target}:role/target")).await?;
    let dynamo = aws_sdk_dynamodb::Client::new(&assumed);
    dynamo.list_tables().send().await?;
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    let error = dynamo.list_tables().send().await.err().ok_or("still good")?;
    assert_eq!(error.as_service_error().and_then(ProvideErrorMetadata::code), Some("ExpiredTokenException"));
    Ok(())
}

async fn a_lost_answer_was_carried_out(moto: String) -> Tested {
    let aws = AwsStandIn::start(&moto).await?;
    let dynamo = aws_sdk_dynamodb::Client::new(&settings(&aws, &aws.credentials_for(&account()).await?));
    make_table(&dynamo).await?;
    let put = dynamo.put_item().table_name("t").item("k", AttributeValue::S("1".into()));
    let put = put.condition_expression("attribute_not_exists(k)");
    let item = Fault::new(Effect::CutAfter).service("dynamodb").operation("PutItem");
    aws.fail(item.clone());
    let lost = put.clone().send().await.err().ok_or("answered")?;
    assert!(lost.as_service_error().is_none(), "{lost:?}");
    let again = put.send().await.err().ok_or("not carried out")?;
    assert_eq!(again.as_service_error().and_then(ProvideErrorMetadata::code), Some("ConditionalCheckFailedException"));
    aws.fail(Fault::new(Effect::Throttled).service("dynamodb"));
    let throttled = dynamo.list_tables().send().await.err().ok_or("not throttled")?;
    assert_eq!(throttled.as_service_error().and_then(ProvideErrorMetadata::code), Some("ThrottlingException"));
    Ok(())
}

async fn secrets_manager_can_be_left_to_moto(moto: String) -> Tested {
    let aws = AwsStandIn::start(&moto).await?;
    let account = account();
    let client = aws_sdk_secretsmanager::Client::new(&settings(&aws, &aws.credentials_for(&account).await?));
    client.create_secret().name("strict").secret_string("v").send().await?;
    aws.set_lenient(true);
    client.create_secret().name("lenient").secret_string("v").send().await?;
    let listed = client.list_secrets().send().await?;
    let names: Vec<_> = listed.secret_list().iter().filter_map(|secret| secret.name()).collect();
    assert_eq!(names, ["lenient"]);
    let own: Vec<_> = aws.secrets(&account, "eu-west-1").all().into_iter().map(|secret| secret.name).collect();
    assert_eq!(own, ["strict"]);
    assert_eq!(aws.count("secretsmanager", "CreateSecret"), 2);
    Ok(())
}

async fn moto_must_be_there(_: String) -> Tested {
    let free = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let error = AwsStandIn::start(&format!("http://{free}")).await.err().ok_or("started")?;
    assert!(error.to_string().contains(&free.to_string()), "{error}");
    Ok(())
}
