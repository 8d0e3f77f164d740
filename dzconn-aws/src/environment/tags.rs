//! Tags of Glue databases in Lake Formation.

use std::error::Error as StdError;

use async_trait::async_trait;
use aws_sdk_lakeformation::Client;
use aws_sdk_lakeformation::types::{DatabaseResource, LfTagError, LfTagPair, Resource};
use dzconn_core::environment::{LakeTag, LakeTags, Tagged};
use dzconn_core::model::Owner;
use dzconn_core::{Error, ErrorKind, Result};

use crate::Accounts;
use crate::error::{code_of, from_code, from_sdk};

const SERVICE: &str = "LakeFormation";
const NOT_FOUND: &str = "EntityNotFoundException";

/// The Lake Formation tags of environments' databases. Clones share their clients.
#[derive(Clone, Debug)]
pub struct LakeFormationTags {
    accounts: Accounts,
}

impl LakeFormationTags {
    /// In these accounts. Nothing is called yet.
    #[must_use]
    pub const fn new(accounts: Accounts) -> Self {
        Self { accounts }
    }

    async fn client(&self, owner: &Owner) -> Client {
        self.accounts.clients(owner).await.lakeformation
    }
}

#[async_trait]
impl LakeTags for LakeFormationTags {
    async fn read(&self, owner: &Owner, database: &str, key: &str) -> Result<Tagged> {
        let call = self.client(owner).await.get_resource_lf_tags().resource(resource(database)?);
        // What the catalogue hands down to its databases is not the database's own.
        match call.show_assigned_lf_tags(true).send().await {
            Ok(answer) => {
                let mut tags = answer.lf_tag_on_database.into_iter().flatten();
                // A resource has one value of a key ("Assigning LF-Tags to Data Catalog resources", Developer Guide).
                Ok(Tagged::Is(
                    tags.find(|tag| LakeTag::same(&tag.tag_key, key)).and_then(|tag| tag.tag_values.into_iter().next()),
                ))
            }
            Err(error) if code_of(&error) == Some(NOT_FOUND) => Ok(Tagged::Gone),
            Err(error) => Err(advised(from_sdk(SERVICE, "GetResourceLFTags", error))),
        }
    }

    async fn assign(&self, owner: &Owner, database: &str, tag: &LakeTag) -> Result<()> {
        let call = self.client(owner).await.add_lf_tags_to_resource().resource(resource(database)?);
        let answer = call.lf_tags(pair(tag)?).send().await;
        let answer = answer.map_err(|error| advised(from_sdk(SERVICE, "AddLFTagsToResource", error)))?;
        failure("AddLFTagsToResource", answer.failures()).map_or(Ok(()), Err)
    }

    async fn remove(&self, owner: &Owner, database: &str, tag: &LakeTag) -> Result<()> {
        let call = self.client(owner).await.remove_lf_tags_from_resource().resource(resource(database)?);
        let failed = match call.lf_tags(pair(tag)?).send().await {
            Ok(answer) => failure("RemoveLFTagsFromResource", answer.failures()),
            Err(error) => Some(advised(from_sdk(SERVICE, "RemoveLFTagsFromResource", error))),
        };
        let Some(error) = failed else { return Ok(()) };
        if error.is_retryable() || error.kind() == ErrorKind::StoreDenied {
            return Err(error);
        }
        // How the removal of a tag that is not there fails is not documented: what stands there decides.
        match self.read(owner, database, &tag.key).await {
            Ok(Tagged::Is(Some(value))) if LakeTag::same(&value, &tag.value) => Err(error),
            Ok(_) => Ok(()),
            Err(_) => Err(error),
        }
    }
}

fn resource(database: &str) -> Result<Resource> {
    let database = DatabaseResource::builder().name(database).build().map_err(unbuilt)?;
    Ok(Resource::builder().database(database).build())
}

fn pair(tag: &LakeTag) -> Result<LfTagPair> {
    LfTagPair::builder().tag_key(&tag.key).tag_values(&tag.value).build().map_err(unbuilt)
}

/// Tags that could not be assigned or removed come back inside a successful answer, each with its error ("`LFTagError`", API
/// Reference).
fn failure(operation: &str, failures: &[LfTagError]) -> Option<Error> {
    let failed = failures.first()?;
    let detail = failed.error();
    let code = detail.and_then(|detail| detail.error_code()).unwrap_or("without a code");
    let message = detail.and_then(|detail| detail.error_message()).unwrap_or("it does not say why");
    let key = failed.lf_tag().map_or("?", |tag| tag.tag_key());
    Some(advised(from_code(SERVICE, operation, code, &format!("tag {key}: {message}"))))
}

fn advised(error: Error) -> Error {
    match error.kind() {
        ErrorKind::StoreDenied => error.advise(
            "in Lake Formation, give the role ASSOCIATE on the tag, and on the database SUPER, or DESCRIBE, CREATE_TABLE, ALTER \
             and DROP, with the grant option, or make it an administrator; and let its policies allow this call and \
             glue:GetDatabase",
        ),
        ErrorKind::NotFound => error.advise(
            "make the tag with this value in that account and region, or correct its name in the configuration (environments)",
        ),
        _ => error,
    }
}

fn unbuilt(error: impl StdError + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::InvalidInput, "a request to Lake Formation lacks a member").because(error)
}
