//! What each operation costs, and what is written.

use std::cell::RefCell;
use std::io::Write;

use dzconn_core::model::SecretName;
use dzconn_core::store::{CredentialStore, SecretVersion, Slot, WriteOutcome};
use serde_json::Value;
use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::prelude::*;

use crate::lab::{ALIAS, Lab, OWNER, READER, live, role};

crate::tests! {
    each_operation_makes_the_calls_that_are_documented,
    a_secret_is_what_the_tools_of_aws_read,
    a_copy_carries_the_tags_that_let_its_environment_read_it,
    no_password_is_said_at_trace,
    what_a_burn_leaves_cannot_be_read_even_if_it_dies,
}

async fn each_operation_makes_the_calls_that_are_documented(lab: &Lab) {
    let (store, reader) = (lab.store(OWNER).await, lab.store(READER).await);
    let (name, other) = (lab.name(""), lab.name("-other"));
    let says = |what: &str, calls: &[&str]| assert_eq!(lab.calls(), calls, "{what}");

    store.read(&name).await.unwrap();
    says("read, nothing there", &["GetSecretValue"]);
    let first = live(store.create(&name, &lab.secret("1")).await.unwrap());
    says("create", &["CreateSecret"]);
    store.create(&name, &lab.secret("2")).await.unwrap();
    says("create, something there", &["CreateSecret", "GetSecretValue"]);
    store.read(&name).await.unwrap();
    says("read", &["GetSecretValue"]);
    store.inspect(&name).await.unwrap();
    says("inspect", &["GetSecretValue", "DescribeSecret"]);

    let outcome = store.replace(&name, &first.version, &lab.secret("3")).await.unwrap();
    assert_eq!(outcome, WriteOutcome::Written);
    says("replace", &["PutSecretValue", "UpdateSecretVersionStage"]);
    let outcome = store.replace(&name, &first.version, &lab.secret("4")).await.unwrap();
    assert_eq!(outcome, WriteOutcome::Conflict);
    says("replace, in a conflict", &["PutSecretValue", "UpdateSecretVersionStage", "DescribeSecret"]);
    store.replace(&other, &first.version, &lab.secret("4")).await.unwrap();
    says("replace, nothing there", &["PutSecretValue"]);

    let (current, ours) = (live(store.read(&name).await.unwrap()).version, SecretVersion::chosen(1));
    lab.calls();
    store.propose(&name, &ours, &lab.secret("3").credentials).await.unwrap();
    says("propose", &["PutSecretValue"]);
    store.propose(&name, &ours, &lab.secret("4").credentials).await.unwrap();
    says("propose, something there", &["PutSecretValue", "GetSecretValue"]);
    assert_eq!(store.promote(&name, &current, &ours).await.unwrap(), WriteOutcome::Written);
    says("promote", &["UpdateSecretVersionStage", "UpdateSecretVersionStage"]);
    assert_eq!(store.promote(&name, &current, &ours).await.unwrap(), WriteOutcome::Written);
    says("promote, current already", &["UpdateSecretVersionStage", "DescribeSecret"]);
    store.propose(&other, &ours, &lab.secret("4").credentials).await.unwrap();
    says("propose, nothing there", &["PutSecretValue"]);

    store.share(&name, &[role(READER)]).await.unwrap();
    says("share", &["GetResourcePolicy", "PutResourcePolicy"]);
    store.share(&name, &[role(READER)]).await.unwrap();
    says("share, remembered", &[]);
    lab.store(OWNER).await.share(&name, &[role(READER)]).await.unwrap();
    says("share, by another process", &["GetResourcePolicy"]);
    reader.read_shared(&first.id).await.unwrap();
    says("read_shared", &["GetSecretValue"]);
    store.share(&name, &[]).await.unwrap();
    says("share with nobody", &["GetResourcePolicy", "DeleteResourcePolicy"]);
    store.share(&other, &[role(READER)]).await.unwrap_err();
    says("share, nothing there", &["GetResourcePolicy"]);

    store.burn(&name).await.unwrap();
    says("burn", &["DeleteSecret"]);
    store.burn(&other).await.unwrap();
    says("burn, nothing there", &["DeleteSecret", "CreateSecret", "DeleteSecret"]);
    store.read(&name).await.unwrap();
    says("read, burnt", &["GetSecretValue", "DescribeSecret"]);
    store.create(&name, &lab.secret("5")).await.unwrap();
    says("create, burnt", &["CreateSecret", "DescribeSecret"]);
    store.share(&name, &[role(READER)]).await.unwrap_err();
    says("share, burnt", &["GetResourcePolicy", "DescribeSecret"]);
    let all = lab.aws.secrets(OWNER, "eu-west-1").all();
    assert!(all.iter().all(|secret| secret.deleted), "{all:?}");
}

async fn a_secret_is_what_the_tools_of_aws_read(lab: &Lab) {
    let name = lab.name("");
    let made = lab.made(&name, "pass-word").await;
    let view = lab.view(&name);
    assert_eq!((view.arn.as_str(), view.key.as_deref()), (made.id.as_str(), Some(ALIAS)));
    let value: Value = serde_json::from_str(view.value().unwrap()).unwrap();
    assert_eq!(
        (&value["engine"], &value["port"], &value["password"]),
        (&"postgres".into(), &5432.into(), &"pass-word".into())
    );
    assert_eq!((&value["dbname"], &value["db_name"]), (&"sales".into(), &"sales".into()));
    let keys: Vec<&str> = view.tags.keys().map(String::as_str).collect();
    assert_eq!(keys, ["dzconn:domain", "dzconn:environment", "dzconn:managed", "dzconn:project"]);
    assert!(view.description.is_some_and(|text| !text.contains("pass-word")));
    assert_eq!(view.versions.len(), 1);
    assert_eq!(view.versions[0].id, made.version.as_str());

    // The version that was replaced stays for a moment, as the rotation of AWS has it.
    lab.store(OWNER).await.replace(&name, &made.version, &lab.secret("next")).await.unwrap();
    let view = lab.view(&name);
    assert!(view.staged("AWSPREVIOUS").is_some_and(|value| value.contains("pass-word")));
    assert!(view.value().is_some_and(|value| value.contains("next")));
}

async fn a_copy_carries_the_tags_that_let_its_environment_read_it(lab: &Lab) {
    let name = SecretName::new(lab.name("").as_str().replace("dz-conn-p-", "dz-conn-c-")).unwrap();
    let secret = lab.secret("x");
    lab.store(OWNER).await.create(&name, &secret).await.unwrap();
    let tags: Vec<(String, String)> = lab.view(&name).tags.into_iter().collect();
    let wanted = [
        ("AmazonDataZoneDomain", secret.tags.domain.as_str()),
        ("AmazonDataZoneEnvironment", secret.tags.environment.as_str()),
        ("AmazonDataZoneProject", secret.tags.project.as_str()),
        ("dzconn:managed", "true"),
    ];
    assert_eq!(tags, wanted.map(|(key, value)| (key.to_owned(), value.to_owned())));
}

thread_local! {
    /// What was said on this thread since somebody listens.
    static EAR: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

struct Ear;

impl Write for Ear {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        EAR.with_borrow_mut(|ear| ear.as_mut().map(|ear| ear.extend_from_slice(bytes)));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// For the whole process: with a listener for one thread, it would depend on the others what is said at all.
pub(crate) fn listen() {
    let listens = dynamic_filter_fn(|_, _| EAR.with_borrow(Option::is_some));
    let hears = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(|| Ear).with_filter(listens);
    tracing_subscriber::registry().with(hears).init();
}

/// The SDK says each request at TRACE. That it does not show what is in it is owed to its stalled-stream protection, which puts
/// the body into a stream, and is on unless somebody turns it off.
async fn no_password_is_said_at_trace(lab: &Lab) {
    EAR.set(Some(Vec::new()));
    let store = lab.store(OWNER).await;
    let name = lab.name("");
    let made = live(store.create(&name, &lab.secret("hunter2-created")).await.unwrap());
    store.replace(&name, &made.version, &lab.secret("hunter2-replaced")).await.unwrap();
    let read = store.read(&name).await.unwrap();
    store.share(&name, &[role(READER)]).await.unwrap();
    lab.store(READER).await.read_shared(&made.id).await.unwrap();
    store.burn(&name).await.unwrap();
    let said = format!("{} {store:?} {made:?}", String::from_utf8_lossy(&EAR.take().unwrap()));
    assert_eq!(live(read).credentials.password.expose(), "hunter2-replaced");
    assert!(said.contains("transmitting request") && said.contains("CreateSecret"), "nothing was heard: {said}");
    assert!(!said.contains("hunter2"), "the password is said");
    // Printed as bytes.
    let bytes = "hunter2".bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(", ");
    assert!(!said.contains(&bytes), "the password is said as bytes");
}

async fn what_a_burn_leaves_cannot_be_read_even_if_it_dies(lab: &Lab) {
    use dzconn_test_aws::{Effect, Fault};
    let (store, name) = (lab.store(OWNER).await, lab.name(""));
    // It finds nothing, makes something, and cannot delete it.
    lab.aws.fail(Fault::new(Effect::AccessDenied).operation("DeleteSecret").skip(1).always());
    store.burn(&name).await.unwrap_err();
    assert!(!lab.view(&name).deleted);
    for _ in 0..2 {
        assert_eq!(store.read(&name).await.unwrap(), Slot::Burnt);
        assert_eq!(store.inspect(&name).await.unwrap(), Slot::Burnt);
        assert_eq!(store.create(&name, &lab.secret("late")).await.unwrap(), Slot::Burnt);
        lab.aws.no_faults();
        store.burn(&name).await.unwrap();
        assert!(lab.view(&name).deleted);
    }
}
