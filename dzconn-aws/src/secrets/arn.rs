//! The ARN of a secret, taken apart.

use dzconn_core::{Error, ErrorKind, Result};

/// `arn:<partition>:secretsmanager:<region>:<account>:secret:<name>-<six characters>` ("Actions, resources, and condition keys
/// for AWS Secrets Manager" of the service authorization reference).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SecretArn<'a> {
    pub(super) partition: &'a str,
    pub(super) region: &'a str,
    pub(super) account: &'a str,
}

impl<'a> SecretArn<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self> {
        Self::find(text).ok_or_else(|| {
            Error::new(ErrorKind::InvalidInput, format!("{text:?} is not the full ARN of a secret")).advise(
                "a secret of another account is only found by its full ARN: arn:aws:secretsmanager:<region>:<account>:secret:<name>-<6 characters>",
            )
        })
    }

    /// `None` for anything else, such as a secret's name.
    pub(super) fn find(text: &'a str) -> Option<Self> {
        let mut parts = text.split(':');
        let mut next = || parts.next();
        let (arn, partition, service, region) = (next()?, next()?, next()?, next()?);
        let (account, kind, resource) = (next()?, next()?, next()?);
        // The region becomes part of a host name, and a partition part of a principal.
        let label = |text: &str| {
            (1..=32).contains(&text.len())
                && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        let fits = arn == "arn"
            && label(partition)
            && service == "secretsmanager"
            && label(region)
            && account.len() == 12
            && account.bytes().all(|b| b.is_ascii_digit())
            && kind == "secret"
            && !resource.is_empty()
            && next().is_none();
        fits.then_some(Self { partition, region, account })
    }

    /// The account as a whole, as a policy names it.
    pub(super) fn root(&self) -> String {
        format!("arn:{}:iam::{}:root", self.partition, self.account)
    }
}
