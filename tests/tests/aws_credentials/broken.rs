//! Throttling, failures, lost answers, and what others do meanwhile.

use std::time::Duration;

use dzconn_core::ErrorKind;
use dzconn_core::store::{CredentialStore, SecretVersion, Slot, WriteOutcome};
use dzconn_test_aws::{Effect, Fault};

use crate::lab::{Lab, OWNER, READER, REGION, kind, live, role, until};

crate::tests! {
    a_call_that_fails_twice_is_made_again,
    a_service_that_stays_away_is_told_apart,
    an_answer_of_create_that_is_lost_is_answered_again,
    an_answer_of_replace_that_is_lost_is_answered_again,
    a_replace_that_was_replaced_before_its_answer_came_was_made,
    a_lost_answer_does_not_hide_a_conflict,
    a_replace_that_died_half_way_changes_nothing_and_leaves_little,
    an_answer_of_burn_or_share_that_is_lost_is_answered_again,
    a_secret_that_somebody_deleted_is_burnt,
    an_answer_of_propose_or_promote_that_is_lost_is_answered_again,
    a_promotion_that_died_half_way_is_ended_by_the_next,
    a_rotation_that_ends_while_it_is_looked_at_is_seen,
    a_secret_without_a_value_is_said_to_be_one,
}

const OPERATIONS: [&str; 7] = [
    "CreateSecret",
    "GetSecretValue",
    "PutSecretValue",
    "UpdateSecretVersionStage",
    "GetResourcePolicy",
    "PutResourcePolicy",
    "DeleteSecret",
];

/// All that a secret goes through.
async fn life(lab: &Lab, suffix: &str) -> dzconn_core::Result<()> {
    let (store, name) = (lab.store(OWNER).await, lab.name(suffix));
    let made = live(store.create(&name, &lab.secret("1")).await?);
    assert_eq!(store.read(&name).await?, Slot::Live(Box::new(made.clone())));
    assert_eq!(store.replace(&name, &made.version, &lab.secret("2")).await?, WriteOutcome::Written);
    store.share(&name, &[role(READER)]).await?;
    store.burn(&name).await?;
    assert_eq!(store.read(&name).await?, Slot::Burnt);
    assert_eq!(lab.view(&name).versions.len(), 2, "a repetition makes no version");
    Ok(())
}

async fn a_call_that_fails_twice_is_made_again(lab: &Lab) {
    let effects = [Effect::Throttled, Effect::Failed, Effect::Unavailable, Effect::CutBefore, Effect::CutAfter];
    for (n, effect) in effects.into_iter().enumerate() {
        for operation in OPERATIONS {
            let fault = Fault::new(effect).service("secretsmanager").operation(operation).times(2);
            lab.aws.fail(fault);
            life(lab, &format!("-{n}-{operation}"))
                .await
                .unwrap_or_else(|error| panic!("{effect:?} {operation}: {error}"));
            assert_eq!(lab.aws.faults_left(), 0, "{effect:?} {operation}");
        }
    }
}

async fn a_service_that_stays_away_is_told_apart(lab: &Lab) {
    let kinds = [
        (Effect::Throttled, ErrorKind::Throttled),
        (Effect::Failed, ErrorKind::StoreFailed),
        (Effect::Unavailable, ErrorKind::StoreFailed),
        (Effect::ExpiredToken, ErrorKind::StoreFailed),
        (Effect::AccessDenied, ErrorKind::StoreDenied),
    ];
    for (n, (effect, wanted)) in kinds.into_iter().enumerate() {
        for operation in OPERATIONS {
            lab.aws.fail(Fault::new(effect).operation(operation).always());
            let error = life(lab, &format!("-{n}-{operation}")).await.unwrap_err();
            lab.aws.no_faults();
            assert_eq!(error.kind(), wanted, "{effect:?} {operation}: {error}");
            assert!(error.detail().contains(operation) && error.detail().contains("dz-conn-p-"), "{error}");
            assert!(error.vendor_code().is_some(), "{error}");
        }
    }
}

async fn an_answer_of_create_that_is_lost_is_answered_again(lab: &Lab) {
    let (store, name) = (lab.store(OWNER).await, lab.name(""));
    lab.aws.fail(Fault::new(Effect::CutAfter).operation("CreateSecret"));
    let made = live(store.create(&name, &lab.secret("mine")).await.unwrap());
    assert_eq!(lab.calls(), ["CreateSecret", "CreateSecret"]);
    assert_eq!(made.credentials.password.expose(), "mine");
    assert_eq!(store.read(&name).await.unwrap(), Slot::Live(Box::new(made)));
    assert_eq!(lab.view(&name).versions.len(), 1);

    // Burnt between the attempts.
    let name = lab.name("-burnt");
    let hasty = lab.store_of(OWNER, REGION, Duration::from_millis(400)).await;
    lab.aws.fail(Fault::new(Effect::LateAnswer(Duration::from_secs(2))).operation("CreateSecret"));
    let burn = async {
        until(|| lab.aws.secrets(OWNER, REGION).get(name.as_str()).is_some()).await;
        assert!(lab.aws.secrets(OWNER, REGION).delete(name.as_str()));
    };
    let secret = lab.secret("late");
    let (slot, ()) = tokio::join!(hasty.create(&name, &secret), burn);
    assert_eq!(slot.unwrap(), Slot::Burnt);
}

async fn an_answer_of_replace_that_is_lost_is_answered_again(lab: &Lab) {
    for operation in ["PutSecretValue", "UpdateSecretVersionStage"] {
        let (store, name) = (lab.store(OWNER).await, lab.name(operation));
        let made = lab.made(&name, "old").await;
        lab.aws.fail(Fault::new(Effect::CutAfter).operation(operation));
        let outcome = store.replace(&name, &made.version, &lab.secret("new")).await.unwrap();
        assert_eq!((outcome, lab.aws.faults_left()), (WriteOutcome::Written, 0), "{operation}");
        let now = live(store.read(&name).await.unwrap());
        assert_eq!(now.credentials.password.expose(), "new");
        assert_eq!(lab.view(&name).versions.len(), 2, "{operation}");
    }
}

async fn a_replace_that_was_replaced_before_its_answer_came_was_made(lab: &Lab) {
    let name = lab.name("");
    let made = lab.made(&name, "old").await;
    let hasty = lab.store_of(OWNER, REGION, Duration::from_millis(400)).await;
    lab.aws.fail(Fault::new(Effect::LateAnswer(Duration::from_secs(2))).operation("UpdateSecretVersionStage"));
    let somebody = async {
        until(|| lab.view(&name).value().unwrap().contains("mine")).await;
        assert!(lab.aws.secrets(OWNER, REGION).set_value(name.as_str(), "theirs"));
    };
    let secret = lab.secret("mine");
    let (outcome, ()) = tokio::join!(hasty.replace(&name, &made.version, &secret), somebody);
    assert_eq!(outcome.unwrap(), WriteOutcome::Written);
    assert_eq!(lab.view(&name).value(), Some("theirs"), "the repetition must not undo it");
}

async fn a_lost_answer_does_not_hide_a_conflict(lab: &Lab) {
    let (store, name) = (lab.store(OWNER).await, lab.name(""));
    let made = lab.made(&name, "old").await;
    assert!(lab.aws.secrets(OWNER, REGION).set_value(name.as_str(), "theirs"));
    lab.aws.fail(Fault::new(Effect::CutAfter).operation("UpdateSecretVersionStage"));
    let outcome = store.replace(&name, &made.version, &lab.secret("mine")).await.unwrap();
    assert_eq!((outcome, lab.aws.faults_left()), (WriteOutcome::Conflict, 0));
    assert_eq!(lab.view(&name).value(), Some("theirs"));
}

async fn a_replace_that_died_half_way_changes_nothing_and_leaves_little(lab: &Lab) {
    let (store, name) = (lab.store(OWNER).await, lab.name(""));
    let made = lab.made(&name, "old").await;
    for n in 0..30 {
        lab.aws.fail(Fault::new(Effect::AccessDenied).operation("UpdateSecretVersionStage"));
        let error = store.replace(&name, &made.version, &lab.secret(&format!("dead {n}"))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StoreDenied);
    }
    assert_eq!(store.inspect(&name).await.unwrap(), Slot::Live(Box::new(made.clone())), "and nothing is pending");
    let labels = || lab.view(&name).versions.iter().map(|version| version.stages.len()).sum::<usize>();
    assert_eq!(labels(), 2, "the current one, and one that waits");
    let outcome = store.replace(&name, &made.version, &lab.secret("new")).await.unwrap();
    assert_eq!(outcome, WriteOutcome::Written);
    assert_eq!(live(store.read(&name).await.unwrap()).credentials.password.expose(), "new");
    assert_eq!(labels(), 3);
}

async fn an_answer_of_burn_or_share_that_is_lost_is_answered_again(lab: &Lab) {
    let (store, name) = (lab.store(OWNER).await, lab.name(""));
    let made = lab.made(&name, "x").await;
    lab.aws.fail(Fault::new(Effect::CutAfter).operation("PutResourcePolicy"));
    store.share(&name, &[role(READER)]).await.unwrap();
    live(lab.store(READER).await.read_shared(&made.id).await.unwrap());
    for operation in ["DeleteSecret", "CreateSecret"] {
        let name = lab.name(operation);
        lab.aws.fail(Fault::new(Effect::CutAfter).operation(operation));
        store.burn(&name).await.unwrap();
        assert_eq!((store.read(&name).await.unwrap(), lab.aws.faults_left()), (Slot::Burnt, 0), "{operation}");
        assert!(lab.view(&name).deleted);
    }
}

async fn a_secret_that_somebody_deleted_is_burnt(lab: &Lab) {
    let (store, name) = (lab.store(OWNER).await, lab.name(""));
    let made = lab.made(&name, "x").await;
    assert!(lab.aws.secrets(OWNER, REGION).delete(name.as_str()));
    let secret = lab.secret("new");
    assert_eq!(store.read(&name).await.unwrap(), Slot::Burnt);
    assert_eq!(store.inspect(&name).await.unwrap(), Slot::Burnt);
    assert_eq!(store.create(&name, &secret).await.unwrap(), Slot::Burnt);
    assert_eq!(store.replace(&name, &made.version, &secret).await.unwrap(), WriteOutcome::Conflict);
    assert_eq!(kind(store.share(&name, &[role(READER)]).await), ErrorKind::SecretGone);
    store.burn(&name).await.unwrap();
    assert!(lab.view(&name).deleted);
    assert_eq!(lab.aws.count("secretsmanager", "RestoreSecret"), 0);
    // Between writing the value and moving the label.
    let name = lab.name("-late");
    let made = lab.made(&name, "x").await;
    lab.aws.fail(Fault::new(Effect::Delay(Duration::from_millis(500))).operation("UpdateSecretVersionStage"));
    let burn = async {
        until(|| lab.view(&name).versions.len() == 2).await;
        assert!(lab.aws.secrets(OWNER, REGION).delete(name.as_str()));
    };
    let (outcome, ()) = tokio::join!(store.replace(&name, &made.version, &secret), burn);
    assert_eq!((outcome.unwrap(), lab.aws.faults_left()), (WriteOutcome::Conflict, 0));
}

async fn an_answer_of_propose_or_promote_that_is_lost_is_answered_again(lab: &Lab) {
    // The promotion's second call takes the label of the pending version away.
    for (n, (operation, before)) in
        [("PutSecretValue", 0), ("UpdateSecretVersionStage", 0), ("UpdateSecretVersionStage", 1)]
            .into_iter()
            .enumerate()
    {
        let (store, name) = (lab.store(OWNER).await, lab.name(&format!("-{n}")));
        let (made, ours) = (lab.made(&name, "old").await, SecretVersion::chosen(1));
        lab.aws.fail(Fault::new(Effect::CutAfter).operation(operation).skip(before));
        let there = live(store.propose(&name, &ours, &lab.secret("new").credentials).await.unwrap());
        assert_eq!((there.credentials.password.expose(), &there.version), ("new", &ours));
        let outcome = store.promote(&name, &made.version, &ours).await.unwrap();
        assert_eq!((outcome, lab.aws.faults_left()), (WriteOutcome::Written, 0), "{operation}");
        let now = live(store.inspect(&name).await.unwrap());
        assert_eq!((now.credentials.password.expose(), &now.version, now.pending), ("new", &ours, None));
        assert!(lab.view(&name).staged("AWSPENDING").is_none() && lab.view(&name).versions.len() == 2);
    }
}

async fn a_promotion_that_died_half_way_is_ended_by_the_next(lab: &Lab) {
    let (store, name) = (lab.store(OWNER).await, lab.name(""));
    let (made, ours) = (lab.made(&name, "old").await, SecretVersion::chosen(1));
    store.propose(&name, &ours, &lab.secret("new").credentials).await.unwrap();
    lab.aws.fail(Fault::new(Effect::AccessDenied).operation("UpdateSecretVersionStage").skip(1));
    assert_eq!(kind(store.promote(&name, &made.version, &ours).await), ErrorKind::StoreDenied);
    lab.aws.no_faults();
    assert!(lab.view(&name).staged("AWSPENDING").is_some(), "the label is left");
    assert_eq!(live(store.inspect(&name).await.unwrap()).pending, None, "and means nothing on the current version");
    let replaced = store.replace(&name, &ours, &lab.secret("after")).await.unwrap();
    assert_eq!(replaced, WriteOutcome::Written);
    assert_eq!(live(store.inspect(&name).await.unwrap()).pending, None, "nor on the previous one");

    // Who begins again with the first call ends the second.
    let (name, ours) = (lab.name("-again"), SecretVersion::chosen(2));
    let made = lab.made(&name, "old").await;
    store.propose(&name, &ours, &lab.secret("new").credentials).await.unwrap();
    lab.aws.fail(Fault::new(Effect::AccessDenied).operation("UpdateSecretVersionStage").skip(1));
    store.promote(&name, &made.version, &ours).await.unwrap_err();
    lab.aws.no_faults();
    assert_eq!(store.promote(&name, &made.version, &ours).await.unwrap(), WriteOutcome::Written);
    assert!(lab.view(&name).staged("AWSPENDING").is_none());
    assert!(lab.view(&name).staged("AWSPREVIOUS").is_some_and(|value| value.contains("old")));
}

async fn a_rotation_that_ends_while_it_is_looked_at_is_seen(lab: &Lab) {
    let (store, name) = (lab.store(OWNER).await, lab.name(""));
    let made = lab.made(&name, "old").await;
    let secrets = lab.aws.secrets(OWNER, REGION);
    let next = lab.secret("rotated").credentials.to_json();
    secrets.begin_rotation(name.as_str(), next.expose()).unwrap();
    assert!(live(store.inspect(&name).await.unwrap()).pending.is_some());
    assert_eq!(live(store.read(&name).await.unwrap()).pending, None, "only inspect tells");

    // The old value is read; then the rotation ends; then it is asked whether one is under way.
    lab.calls();
    lab.aws.fail(Fault::new(Effect::Delay(Duration::from_millis(500))).operation("DescribeSecret"));
    let end = async {
        until(|| lab.aws.count("secretsmanager", "DescribeSecret") == 1).await;
        assert!(secrets.finish_rotation(name.as_str()));
    };
    let (slot, ()) = tokio::join!(store.inspect(&name), end);
    let now = live(slot.unwrap());
    assert_eq!((now.credentials.password.expose(), now.pending), ("rotated", None));
    assert_ne!(now.version, made.version);
    assert_eq!(lab.aws.faults_left(), 0);
}

async fn a_secret_without_a_value_is_said_to_be_one(lab: &Lab) {
    let (store, name) = (lab.store(OWNER).await, lab.name(""));
    let client = lab.client(OWNER, REGION).await;
    client.create_secret().name(name.as_str()).send().await.unwrap();
    let error = store.create(&name, &lab.secret("x")).await.unwrap_err();
    assert_eq!((error.kind(), error.detail().contains("has no value")), (ErrorKind::SecretInvalid, true));
    assert!(error.detail().contains(name.as_str()));
    store.burn(&name).await.unwrap();
    assert_eq!(store.read(&name).await.unwrap(), Slot::Burnt);
}
