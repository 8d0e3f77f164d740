//! Reading across accounts and regions, and what is not to be read.

use std::sync::Arc;

use aws_config::{BehaviorVersion, Region};
use aws_sdk_secretsmanager::config::Credentials;
use aws_sdk_secretsmanager::primitives::Blob;
use dzconn_aws::secrets::SecretsManagerStores;
use dzconn_aws::{Accounts, Config};
use dzconn_core::ErrorKind;
use dzconn_core::model::SecretId;
use dzconn_core::store::{CredentialStore, CredentialStores, Slot};
use dzconn_test_aws::{Key, Role};

use crate::lab::{ALIAS, Lab, OWNER, PATIENCE, READER, REGION, STRANGER, kind, live, owner, role};

crate::tests! {
    a_secret_of_another_region_is_read_there,
    only_the_full_arn_finds_a_shared_secret,
    a_key_that_does_not_admit_the_reader_denies_it,
    a_key_that_is_not_there_is_named,
    a_shared_secret_that_is_gone_for_good,
    bytes_are_no_secret,
    each_account_has_one_store,
}

async fn a_secret_of_another_region_is_read_there(lab: &Lab) {
    let far = lab.store_of(OWNER, "us-east-1", PATIENCE).await;
    let name = lab.name("");
    let made = live(far.create(&name, &lab.secret("far")).await.unwrap());
    far.share(&name, &[role(READER)]).await.unwrap();
    let reader = lab.store(READER).await;
    lab.aws.reset_calls();
    for _ in 0..2 {
        assert_eq!(reader.read_shared(&made.id).await.unwrap(), Slot::Live(Box::new(made.clone())));
    }
    assert!(lab.aws.calls().iter().all(|call| call.region == "us-east-1" && call.account == READER));
    assert_eq!(kind(lab.store(STRANGER).await.read_shared(&made.id).await), ErrorKind::StoreDenied);
    // The owner's own, from elsewhere.
    let near = lab.store(OWNER).await;
    assert_eq!(near.read_shared(&made.id).await.unwrap(), Slot::Live(Box::new(made.clone())));
    far.burn(&name).await.unwrap();
    assert_eq!(near.read_shared(&made.id).await.unwrap(), Slot::Burnt);
    assert_eq!(reader.read_shared(&made.id).await.unwrap(), Slot::Burnt);
}

async fn only_the_full_arn_finds_a_shared_secret(lab: &Lab) {
    let (store, name) = (lab.store(OWNER).await, lab.name(""));
    let made = lab.made(&name, "x").await;
    store.share(&name, &[role(READER)]).await.unwrap();
    let partial = made.id.as_str().rsplit_once('-').unwrap().0;
    for id in [name.as_str(), partial] {
        let id = SecretId::new(id).unwrap();
        assert_eq!(kind(store.read_shared(&id).await), ErrorKind::InvalidInput, "{id}");
    }
    let reader = lab.store(READER).await;
    let error = reader.read_shared(&SecretId::new(partial).unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StoreDenied);
    assert!(error.advice().is_some_and(|advice| advice.contains("resource policy") && advice.contains("key")));
}

async fn a_key_that_does_not_admit_the_reader_denies_it(lab: &Lab) {
    let (store, reader, name) = (lab.store(OWNER).await, lab.store(READER).await, lab.name(""));
    let made = lab.made(&name, "x").await;
    store.share(&name, &[role(READER)]).await.unwrap();
    live(reader.read_shared(&made.id).await.unwrap());
    lab.aws.add_key(Key::new(OWNER, REGION, ALIAS).admitting(STRANGER));
    assert_eq!(kind(reader.read_shared(&made.id).await), ErrorKind::StoreDenied);
    live(store.read_shared(&made.id).await.unwrap());
}

async fn a_key_that_is_not_there_is_named(lab: &Lab) {
    let (store, name) = (lab.store(OWNER).await, lab.name(""));
    lab.aws.remove_key(OWNER, REGION, ALIAS);
    let error = store.create(&name, &lab.secret("hunter2")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error}");
    assert!(error.detail().contains(ALIAS) && error.advice().is_some(), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("hunter2"));
    assert_eq!(kind(store.burn(&name).await), ErrorKind::InvalidConfig);
    assert_eq!(store.read(&name).await.unwrap(), Slot::Empty);
}

async fn a_shared_secret_that_is_gone_for_good(lab: &Lab) {
    let (store, name) = (lab.store(OWNER).await, lab.name(""));
    let made = lab.made(&name, "x").await;
    store.share(&name, &[role(READER)]).await.unwrap();
    assert!(lab.aws.secrets(OWNER, REGION).remove(name.as_str()));
    assert_eq!(store.read_shared(&made.id).await.unwrap(), Slot::Burnt);
    // Its policy is gone with it.
    assert_eq!(kind(lab.store(READER).await.read_shared(&made.id).await), ErrorKind::StoreDenied);
}

async fn bytes_are_no_secret(lab: &Lab) {
    let (store, name) = (lab.store(OWNER).await, lab.name(""));
    lab.made(&name, "x").await;
    let client = lab.client(OWNER, REGION).await;
    let call = client.put_secret_value().secret_id(name.as_str()).secret_binary(Blob::new(b"hunter2"));
    call.send().await.unwrap();
    let error = store.read(&name).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SecretInvalid);
    assert!(error.detail().contains(name.as_str()), "{error}");
}

async fn each_account_has_one_store(lab: &Lab) {
    let keys = lab.aws.credentials_for(OWNER).await.unwrap();
    let keys = Credentials::new(keys.access_key_id, keys.secret_access_key, Some(keys.session_token), None, "test");
    let sdk = aws_config::defaults(BehaviorVersion::latest()).endpoint_url(lab.aws.url()).region(Region::new(REGION));
    let sdk = sdk.credentials_provider(keys).load().await;
    let reads = format!("arn:aws:iam::{READER}:role/dz_conn_a_common_lambda_role");
    lab.aws.only_known_roles();
    lab.aws.add_role(Role::new(role(OWNER).as_str()));
    lab.aws.add_role(Role::new(&reads).trusting(OWNER));
    let mut config = Config::default();
    config.roles.home = Some(OWNER.parse().unwrap());
    let stores = SecretsManagerStores::new(Accounts::new(config, sdk).await.unwrap());

    let own = stores.of(&owner(OWNER, REGION)).await.unwrap();
    assert!(Arc::ptr_eq(&own, &stores.of(&owner(OWNER, REGION)).await.unwrap()));
    assert!(!Arc::ptr_eq(&own, &stores.of(&owner(OWNER, "us-east-1")).await.unwrap()));
    let name = lab.name("");
    let made = live(own.create(&name, &lab.secret("x")).await.unwrap());
    let reader = stores.of(&owner(READER, REGION)).await.unwrap();
    assert_eq!(kind(reader.read_shared(&made.id).await), ErrorKind::StoreDenied);
    own.share(&name, &[reads.parse().unwrap()]).await.unwrap();
    assert_eq!(reader.read_shared(&made.id).await.unwrap(), Slot::Live(Box::new(made)));
    assert_eq!(reader.read(&name).await.unwrap(), Slot::Empty);
    // A role that cannot be assumed shows at the first call.
    let refused = stores.of(&owner(STRANGER, REGION)).await.unwrap();
    assert_eq!(kind(refused.read(&name).await), ErrorKind::StoreDenied);
}
