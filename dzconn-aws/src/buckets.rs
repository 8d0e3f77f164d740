//! The policies of S3 buckets.
//!
//! Which account a bucket is in, its ARN does not say: [`Buckets::roles`](crate::config::Buckets::roles) does, for those that are not
//! in the host's own. Every call names the account that is meant, so that a bucket of the same name in another one's hands is
//! not touched. A bucket's region is asked from S3 itself, which names it when it refuses a call in another.
//!
//! What the role that works in the bucket's account must be allowed, on the buckets themselves: `s3:GetBucketPolicy`,
//! `s3:PutBucketPolicy` and `s3:DeleteBucketPolicy`. Whoever may put a policy may give away everything in the bucket, so name the
//! buckets, and no others.
//!
//! A grant costs one read to decide, one right before the write, the write, and one read or more until it shows.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use dzconn_core::bucket::{Bucket, BucketPolicies};
use dzconn_core::model::{AccountId, Region};
use dzconn_core::{Error, ErrorKind, Result, Step};
use tokio::sync::Mutex;

use crate::Accounts;
use crate::error::{code_of, from_sdk};

/// How S3 names the region in which a bucket is ("Making requests", S3 API Reference; it comes with every answer about a bucket).
const REGION: &str = "x-amz-bucket-region";

/// The policies of buckets in all accounts. Clones share their clients.
#[derive(Clone, Debug)]
pub struct S3Policies {
    accounts: Accounts,
    known: Arc<Mutex<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    regions: HashMap<Bucket, Region>,
    clients: HashMap<(Option<String>, Region), Client>,
}

/// What a call to S3 needs beside its own.
struct Place {
    client: Client,
    owner: AccountId,
    region: Region,
}

impl S3Policies {
    /// In these accounts. Nothing is called yet.
    #[must_use]
    pub fn new(accounts: Accounts) -> Self {
        Self { accounts, known: Arc::default() }
    }

    async fn place(&self, bucket: &Bucket) -> Place {
        let (role, owner) = self.accounts.of_bucket(bucket);
        let mut known = self.known.lock().await;
        let region = known.regions.get(bucket).unwrap_or_else(|| self.accounts.region()).clone();
        let key = (role, region);
        let client = if let Some(client) = known.clients.get(&key) {
            client.clone()
        } else {
            let client = Client::new(&self.accounts.as_role(key.0.as_deref(), &key.1).await);
            known.clients.insert(key.clone(), client.clone());
            client
        };
        Place { client, owner, region: key.1 }
    }

    /// Makes a call where the bucket is: once more, if S3 says that it is in another region.
    async fn call<T, E, F>(&self, operation: &str, bucket: &Bucket, call: impl Fn(Place) -> F) -> Result<Option<T>>
    where
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let first = self.place(bucket).await;
        let asked = first.region.clone();
        let error = match call(first).await {
            Ok(answer) => return Ok(Some(answer)),
            Err(error) => error,
        };
        let is = error.raw_response().and_then(|response| response.headers().get(REGION)).map(str::to_owned);
        // What is no region's name says nothing: the error does.
        let error = match is.and_then(|is| Region::new(is).ok()) {
            Some(is) if is != asked => {
                self.known.lock().await.regions.insert(bucket.clone(), is);
                match call(self.place(bucket).await).await {
                    Ok(answer) => return Ok(Some(answer)),
                    Err(error) => error,
                }
            }
            _ => error,
        };
        if code_of(&error) == Some("NoSuchBucketPolicy") {
            return Ok(None);
        }
        Err(failed(operation, bucket, error))
    }
}

fn failed<E>(operation: &str, bucket: &Bucket, error: SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let code = code_of(&error).map(str::to_owned);
    let error = from_sdk("S3", operation, error);
    // "Error responses", S3 API Reference.
    let kind = match code.as_deref() {
        Some("NoSuchBucket") => ErrorKind::NotFound,
        Some("MalformedPolicy" | "InvalidPolicyDocument") => ErrorKind::InvalidInput,
        Some("PolicyTooLarge") => ErrorKind::LimitReached,
        // Only the owner's account may.
        Some("MethodNotAllowed" | "AllAccessDisabled" | "AccountProblem") => ErrorKind::StoreDenied,
        Some("OperationAborted") => ErrorKind::Contention,
        Some("RequestTimeout") => ErrorKind::StoreFailed,
        _ => error.kind(),
    };
    let vendor = error.vendor_code().map(str::to_owned);
    let known = error.advice().map(str::to_owned);
    let mut told = Error::new(kind, format!("{} ({bucket})", error.detail()));
    if let Some(vendor) = vendor {
        told = told.vendor(vendor);
    }
    let of_role = crate::error::is_of_role(&error);
    told = match (kind, known) {
        (ErrorKind::StoreDenied, _) if !of_role => told.advise(
            "name the role of the bucket's account in buckets.roles, and let it s3:GetBucketPolicy, s3:PutBucketPolicy and \
             s3:DeleteBucketPolicy on the bucket",
        ),
        (ErrorKind::NotFound, _) => told.advise("see whether the asset names the right bucket"),
        (_, Some(advice)) => told.advise(advice),
        _ => told,
    };
    told.at(Step::BucketPolicy).because(error)
}

#[async_trait]
impl BucketPolicies for S3Policies {
    async fn read(&self, bucket: &Bucket) -> Result<Option<String>> {
        let read = self.call("GetBucketPolicy", bucket, |Place { client, owner, .. }| {
            client.get_bucket_policy().bucket(bucket.name()).expected_bucket_owner(owner.as_str()).send()
        });
        Ok(read.await?.and_then(|answer| answer.policy).filter(|policy| !policy.is_empty()))
    }

    async fn put(&self, bucket: &Bucket, policy: &str) -> Result<()> {
        let put = self.call("PutBucketPolicy", bucket, |Place { client, owner, .. }| {
            let call = client.put_bucket_policy().bucket(bucket.name()).expected_bucket_owner(owner.as_str());
            call.policy(policy).send()
        });
        put.await.map(drop)
    }

    async fn delete(&self, bucket: &Bucket) -> Result<()> {
        let delete = self.call("DeleteBucketPolicy", bucket, |Place { client, owner, .. }| {
            client.delete_bucket_policy().bucket(bucket.name()).expected_bucket_owner(owner.as_str()).send()
        });
        delete.await.map(drop)
    }
}
