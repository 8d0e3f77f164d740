//! Objects in S3: events, moto's buckets, the portal's stub.

use aws_sdk_s3::Client;
use dzconn_aws::config::BucketRole;
use dzconn_core::bucket::{Bucket, BucketPolicies, ObjectOutcome};
use dzconn_core::fulfilment::Handled;
use dzconn_core::model::Owner;
use dzconn_core::{ErrorKind, Result};
use dzconn_datazone_stub::{Grant, Listing, Target};
use dzconn_test_aws::{Effect, Fault};
use dzconn_tests::aws::AwsWorld;
use serde_json::{Value, json};

/// A bucket, and a world that knows in which account it is.
struct Lab {
    world: AwsWorld,
    s3: Client,
    bucket: String,
}

impl Lab {
    /// In the producer's account; or in the host's own.
    async fn new(moto: &str, elsewhere: bool) -> Self {
        let bucket = format!("data-{}", dzconn_tests::engine::tag().to_lowercase());
        let mut world = AwsWorld::new(moto).await.unwrap();
        if elsewhere {
            let role = BucketRole::In(world.producer.account.clone());
            world.config.buckets.roles.insert(bucket.clone(), role);
            world.fulfilment = world.reconnected().await.unwrap();
        }
        let owner = if elsewhere { world.producer.clone() } else { world.governance.clone() };
        let s3 = Self::client(&world, &owner).await;
        let place = aws_sdk_s3::types::CreateBucketConfiguration::builder()
            .location_constraint(aws_sdk_s3::types::BucketLocationConstraint::EuWest1)
            .build();
        s3.create_bucket().bucket(&bucket).create_bucket_configuration(place).send().await.unwrap();
        let lab = Self { world, s3, bucket };
        // Of a blueprint that no table is granted to: custom ones are usual here.
        lab.world.domain(|domain| domain.environments[0].blueprint = Some("custom".into()));
        lab.target(&lab.world.environment.clone(), &["reader"]);
        lab
    }

    async fn client(world: &AwsWorld, owner: &Owner) -> Client {
        Client::new(&world.sdk(owner).await.unwrap())
    }

    fn role(&self, name: &str) -> String {
        format!("arn:aws:iam::{}:role/service-role/{name}", self.world.consumer.account)
    }

    /// The subscription target of an environment.
    fn target(&self, environment: &str, roles: &[&str]) {
        let principals = roles.iter().map(|name| self.role(name)).collect();
        let target = |types: &str, principals| Target {
            id: format!("tgt-{types}-{environment}"),
            name: "ours".into(),
            environment: environment.into(),
            provider: "dzconn".into(),
            r#type: "S3".into(),
            principals,
            asset_types: vec![types.to_owned()],
        };
        let tables = target("GlueTableAssetType", vec![self.role("not-for-objects")]);
        let targets = [target("S3ObjectCollectionType", principals), tables];
        self.world.domain(|domain| domain.targets.extend(targets));
    }

    fn publish(&self, listing: &str, key: &str) {
        let arn = format!("arn:aws:s3:::{}{key}", self.bucket);
        let published = Listing::s3_objects(listing, "producers", &format!("ast-{listing}"), &arn);
        self.world.domain(|domain| domain.listings.push(published));
        self.world.subscribe(listing);
    }

    async fn put(&self, policy: &Value) {
        self.s3.put_bucket_policy().bucket(&self.bucket).policy(policy.to_string()).send().await.unwrap();
    }

    async fn policy(&self) -> Option<Value> {
        let answer = self.s3.get_bucket_policy().bucket(&self.bucket).send().await.ok()?;
        answer.policy.map(|text| text.parse().unwrap())
    }

    fn theirs(&self) -> Value {
        json!({"Version": "2012-10-17", "Id": "theirs", "Statement": [
            {"Sid": "tls", "Effect": "Deny", "Principal": "*", "Action": "s3:*",
                "Resource": [format!("arn:aws:s3:::{}/*", self.bucket)], "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
            {"Effect": "Allow", "Principal": {"AWS": "AROAABCDEFGHIJKLMNOPQ"}, "Action": ["s3:PutObject"],
                "Resource": format!("arn:aws:s3:::{}/in/*", self.bucket)},
        ]})
    }

    /// Who may do what, by the statements that others have not written.
    async fn allowed(&self) -> Vec<String> {
        let policy = self.policy().await.unwrap_or_default();
        let mut all = Vec::new();
        for one in policy["Statement"].as_array().into_iter().flatten() {
            if !one["Sid"].as_str().is_some_and(|sid| sid.starts_with("DzConn")) {
                continue;
            }
            let list = |value: &Value| match value {
                Value::Array(values) => values.iter().map(|one| one.as_str().unwrap().to_owned()).collect(),
                one => vec![one.as_str().unwrap().to_owned()],
            };
            let what = one.pointer("/Condition/StringLike/s3:prefix").unwrap_or(&one["Resource"]);
            for who in list(&one["Principal"]["AWS"]) {
                let who = who.rsplit('/').next().unwrap().to_owned();
                let what =
                    list(what).into_iter().map(|what| what.replace(&format!("arn:aws:s3:::{}", self.bucket), ""));
                all.extend(what.map(|what| format!("{who} {} {what}", one["Action"].as_str().unwrap())));
            }
        }
        all.sort();
        all
    }

    async fn outcomes(&self, kind: &str, listing: &str) -> Vec<Result<ObjectOutcome>> {
        let handled = self.world.handle(kind, listing).await.unwrap();
        let each = handled.into_iter().map(|part| match part {
            Handled::Objects { result, .. } => *result,
            Handled::Failed { error } => Err(error),
            other => panic!("{other:?}"),
        });
        each.collect()
    }

    async fn created(&self, listing: &str) {
        for outcome in self.outcomes("Created", listing).await {
            assert!(matches!(outcome, Ok(ObjectOutcome::Granted(_))), "{outcome:?}");
        }
    }

    async fn revoked(&self, listing: &str) {
        self.world.end_subscription(listing, false);
        for outcome in self.outcomes("Revoked", listing).await {
            assert!(matches!(outcome, Ok(ObjectOutcome::Revoked(_))), "{outcome:?}");
        }
    }
}

/// The sentence of the contract: compared before and after.
pub(crate) async fn a_bucket_in_another_account_is_as_it_was_before(moto: &str) {
    let lab = Lab::new(moto, true).await;
    let before = lab.theirs();
    lab.put(&before).await;
    lab.publish("lst-sales", "/sales/");
    let (target, environment) =
        (format!("tgt-S3ObjectCollectionType-{}", lab.world.environment), lab.world.environment.clone());
    let grant = Grant::new("gra-1", &environment, &target, "lst-sales", ("ast-lst-sales", "GRANT_PENDING"));
    lab.world.domain(|domain| domain.grants.push(grant));
    lab.created("lst-sales").await;
    let read = ["reader s3:GetObject /sales/*", "reader s3:ListBucket sales/*"];
    assert_eq!(lab.allowed().await, read);
    let status = || lab.world.domain(|domain| domain.grants[0].assets[0].status.clone());
    assert_eq!(status(), "GRANTED");
    let after = lab.policy().await.unwrap();
    assert_eq!((&after["Statement"][0], &after["Statement"][1]), (&before["Statement"][0], &before["Statement"][1]));
    assert_eq!(lab.world.left().await.unwrap().len(), 2, "a row and the bucket's record");
    // The call was made in the bucket's account, and said so.
    let calls = lab.world.aws.calls();
    let role = Some(dzconn_tests::aws::role(&lab.world.producer));
    let puts: Vec<_> = calls
        .iter()
        .filter(|call| call.service == "s3" && call.operation.starts_with("PUT") && call.role == role)
        .collect();
    assert!(
        !puts.is_empty() && puts.iter().all(|call| call.account == lab.world.producer.account.as_str()),
        "{calls:?}"
    );
    lab.created("lst-sales").await;
    lab.revoked("lst-sales").await;
    assert_eq!(lab.policy().await, Some(before));
    assert_eq!(status(), "REVOKED");
    assert_eq!(lab.world.left().await.unwrap(), Vec::<String>::new());
}

pub(crate) async fn two_assets_and_two_environments_share_a_bucket(moto: &str) {
    let lab = Lab::new(moto, false).await;
    let other = lab.world.environment_of(&format!("{}-2", lab.world.environment));
    let idle = lab.world.environment_of(&format!("{}-3", lab.world.environment));
    lab.world.domain(|domain| domain.environments.extend([other.clone(), idle]));
    lab.target(&other.id, &["reader", "second"]);
    lab.publish("lst-all", "");
    lab.publish("lst-part", "/sales/eu");
    lab.created("lst-all").await;
    lab.created("lst-part").await;
    let all = |who: &str| [format!("{who} s3:GetObject /*"), format!("{who} s3:ListBucket ")];
    let part = |who: &str| {
        [
            format!("{who} s3:GetObject /sales/eu"),
            format!("{who} s3:GetObject /sales/eu/*"),
            format!("{who} s3:ListBucket sales/eu/*"),
        ]
    };
    let mut both: Vec<_> =
        ["reader", "second"].into_iter().flat_map(|who| all(who).into_iter().chain(part(who))).collect();
    both.sort();
    assert_eq!(lab.allowed().await, both);
    lab.revoked("lst-all").await;
    assert_eq!(lab.allowed().await, [part("reader"), part("second")].concat());
    // What the environments share goes with the last of them.
    let [one, two] = [&lab.world.environment, &other.id].map(|id| id.parse().unwrap());
    let domain = dzconn_tests::aws::DOMAIN.parse().unwrap();
    let ended = lab.world.fulfilment.revoke_all(&domain, &two).await.unwrap();
    assert!(matches!(ended.as_slice(), [Handled::Objects { result, .. }] if result.is_ok()), "{ended:?}");
    assert_eq!(lab.allowed().await, part("reader"));
    lab.world.fulfilment.revoke_all(&domain, &one).await.unwrap();
    // It had no policy, and has none.
    assert_eq!(lab.policy().await, None);
    assert_eq!(lab.world.left().await.unwrap(), Vec::<String>::new());
}

pub(crate) async fn what_is_not_for_objects_is_left_alone(moto: &str) {
    let lab = Lab::new(moto, false).await;
    lab.publish("lst-sales", "/sales/");
    lab.world.domain(|domain| domain.subscriptions[0].filters = Some(vec!["rows".into()]));
    let refused = lab.outcomes("Created", "lst-sales").await;
    assert_eq!(refused[0].as_ref().unwrap_err().kind(), ErrorKind::Refused);
    lab.world.domain(|domain| domain.subscriptions[0].filters = None);
    lab.world.domain(|domain| domain.targets.retain(|target| !target.id.contains("S3")));
    let handled = lab.world.handle("Created", "lst-sales").await.unwrap();
    assert!(
        matches!(handled.as_slice(), [Handled::Skipped { reason }] if reason.contains("subscription target")),
        "{handled:?}"
    );
    // Everybody would be more than was approved.
    lab.target(&lab.world.environment.clone(), &[]);
    lab.world.domain(|domain| domain.targets.iter_mut().for_each(|target| target.principals.push("*".into())));
    let refused = lab.outcomes("Created", "lst-sales").await;
    assert_eq!(refused[0].as_ref().unwrap_err().kind(), ErrorKind::Refused);
    assert_eq!((lab.policy().await, lab.world.left().await.unwrap()), (None, Vec::new()));
}

pub(crate) async fn what_s3_refuses_is_said_and_leaves_nothing(moto: &str) {
    let lab = Lab::new(moto, false).await;
    let fails = async |listing: &str, key: &str, kind: ErrorKind| {
        lab.publish(listing, key);
        let error = match lab.world.handle("Created", listing).await {
            Err(error) => error,
            Ok(handled) => match handled.into_iter().next().unwrap() {
                Handled::Objects { result, .. } => result.unwrap_err(),
                other => panic!("{other:?}"),
            },
        };
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.advice().is_some(), "{error:?}");
        assert_eq!(lab.world.left().await.unwrap(), Vec::<String>::new(), "{error}");
        error
    };
    fails("lst-none", "-not-there/x", ErrorKind::NotFound).await;
    fails("lst-odd", "/a*b/", ErrorKind::InvalidInput).await;
    for (n, operation) in ["GET", "PUT"].into_iter().enumerate() {
        let named = format!("{operation} /{}/", lab.bucket);
        lab.world.aws.fail(Fault::new(Effect::AccessDenied).service("s3").operation(&named));
        let error = fails(&format!("lst-denied-{n}"), "/sales/", ErrorKind::StoreDenied).await;
        assert!(error.advice().unwrap().contains("s3:PutBucketPolicy"), "{error:?}");
    }
    // A call that fails in passing is tried again by the SDK, also where it had its effect.
    for effect in [Effect::Unavailable, Effect::CutBefore, Effect::CutAfter] {
        lab.world.aws.fail(Fault::new(effect).service("s3").operation(&format!("PUT /{}/", lab.bucket)));
    }
    lab.publish("lst-well", "/sales/");
    lab.created("lst-well").await;
    assert_eq!(lab.world.aws.faults_left(), 0);
    lab.revoked("lst-well").await;
    assert_eq!((lab.policy().await, lab.world.left().await.unwrap()), (None, Vec::new()));
}

/// The adapter by itself: what its port promises.
pub(crate) async fn policies_are_read_put_and_deleted(moto: &str) {
    let lab = Lab::new(moto, false).await;
    let policies = lab.world.ports.buckets();
    let bucket: Bucket = format!("arn:aws:s3:::{}", lab.bucket).parse().unwrap();
    assert_eq!(policies.read(&bucket).await.unwrap(), None);
    for text in [lab.theirs().to_string(), json!({"Version": "2012-10-17", "Statement": []}).to_string()] {
        for _ in 0..2 {
            policies.put(&bucket, &text).await.unwrap();
            assert_eq!(policies.read(&bucket).await.unwrap(), Some(text.clone()));
        }
    }
    for _ in 0..2 {
        policies.delete(&bucket).await.unwrap();
        assert_eq!(policies.read(&bucket).await.unwrap(), None);
    }
    let missing: Bucket = "arn:aws:s3:::no-such-bucket-anywhere".parse().unwrap();
    assert_eq!(policies.read(&missing).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(policies.put(&missing, "{}").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(policies.delete(&missing).await.unwrap_err().kind(), ErrorKind::NotFound);
}
