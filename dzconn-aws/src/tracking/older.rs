//! What items of the older system do not say, and how it follows from what they do.

use std::collections::HashMap;

use dzconn_core::model::{Generation, GenerationId, ProjectId, SecretId, SecretName, SourceKey, UserNaming};
use dzconn_core::{Error, Result};
use sha2::{Digest, Sha256};

use super::item::{Attributes, Item, is_older};
use super::names;

/// The names of copies, by the ARN of the producer's secret, as mappings have them; none for a mapping that cannot be read.
pub(super) type Copies = HashMap<String, Option<SecretName>>;

/// The generation that the older system made for a producer secret. Source record and mapping both name that secret, so
/// that both are found to be of one generation; and it is the same one whenever it is asked for.
pub(super) fn generation_id(secret: &str) -> GenerationId {
    let digest = Sha256::new_with_prefix("dzconn: the generation of an older system's secret: ").chain_update(secret);
    let bits = digest.finalize().iter().take(16).fold(0, |bits, byte| (bits << 8) | u128::from(*byte));
    GenerationId::from_bits(bits)
}

/// The producer secret of a source item of the older system: what its mapping is to be looked up by.
pub(super) fn secret_of(item: &Item) -> Option<&str> {
    let secret = item.get(names::SECRET_ARN)?.as_s().ok()?;
    (is_older(item) && !secret.is_empty()).then_some(secret)
}

/// The living generation of an older source item.
pub(super) fn generation(
    a: &Attributes<'_>,
    key: &SourceKey,
    project: &ProjectId,
    copies: &Copies,
) -> Result<Generation> {
    let secret = secret_name(a)?;
    let secret_id: Option<SecretId> = a.optional(names::SECRET_ARN)?;
    let id = generation_id(secret_id.as_ref().map_or(secret.as_str(), SecretId::as_str));
    let copy = match secret_id.as_ref().and_then(|secret| copies.get(secret.as_str())) {
        Some(Some(copy)) => copy.clone(),
        // Under another name the copy would be left behind.
        Some(None) => return Err(a.invalid(names::SECRET_ARN, "has a mapping whose secret_name cannot be read")),
        // No copy was made yet: one gets a name as any new generation's does.
        None => copy_name(project, key, id)?,
    };
    // It knew engines with room for the whole of an environment's id alone.
    let user = UserNaming::PerEnvironment.name(key, usize::MAX)?;
    Ok(Generation { id, user, secret, secret_id, copy, spare: None, turn: None })
}

fn copy_name(project: &ProjectId, key: &SourceKey, id: GenerationId) -> Result<SecretName> {
    let suffix = id.to_string().split_off(24);
    SecretName::new(format!("dz-conn-c-{project}-{}-{suffix}", key.environment))
}

/// A secret's name; where it is missing, its ARN has it.
pub(super) fn secret_name(a: &Attributes<'_>) -> Result<SecretName> {
    if let Some(name) = a.optional(names::SECRET_NAME)? {
        return Ok(name);
    }
    let name = a.text(names::SECRET_ARN)?.and_then(name_in);
    name.ok_or_else(|| a.invalid(names::SECRET_NAME, format_args!("is missing, and {} has none", names::SECRET_ARN)))
}

/// The name in the ARN of a secret: `arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME-`, and six characters that Secrets
/// Manager adds ("What's in a Secrets Manager secret?", User Guide).
pub(super) fn name_in(arn: &str) -> Option<SecretName> {
    let mut parts = arn.splitn(7, ':');
    let (prefix, service) = (parts.next()?, parts.nth(1)?);
    let (kind, full) = (parts.nth(2)?, parts.next()?);
    let (name, added) = full.rsplit_once('-')?;
    let is = prefix == "arn" && service == "secretsmanager" && kind == "secret" && added.len() == 6;
    is.then(|| SecretName::new(name)).and_then(|name: Result<_, Error>| name.ok())
}
