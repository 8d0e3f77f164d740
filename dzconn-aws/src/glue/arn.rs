//! The ARN of a Glue connection.

use dzconn_core::model::{AccountId, ConnectionId, Owner, Region};
use dzconn_core::{Error, ErrorKind, Result, Step};

/// `arn:PARTITION:glue:REGION:ACCOUNT:connection/NAME` (AWS Glue Developer Guide, "Specifying AWS Glue resource ARNs").
///
/// A name is any single line of 1 to 255 bytes: it may hold spaces, slashes and colons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConnectionArn {
    pub(crate) owner: Owner,
    pub(crate) name: String,
    id: ConnectionId,
}

impl ConnectionArn {
    /// Takes an id apart.
    pub(crate) fn parse(id: &ConnectionId) -> Result<Self> {
        let wrong = || {
            Error::new(ErrorKind::InvalidInput, format!("{id} is not the ARN of a Glue connection"))
                .advise("the right form is arn:aws:glue:<region>:<account>:connection/<name>")
                .at(Step::LookUp)
        };
        let mut parts = id.as_str().splitn(6, ':');
        let mut next = || parts.next().filter(|part| !part.is_empty()).ok_or_else(wrong);
        let (arn, partition, service, region, account, resource) =
            (next()?, next()?, next()?, next()?, next()?, next()?);
        let name = resource.strip_prefix("connection/").filter(|name| is_name(name)).ok_or_else(wrong)?;
        let fits = arn == "arn" && partition.starts_with("aws") && service == "glue";
        if !fits || !is_region(region) || !is_account(account) {
            return Err(wrong());
        }
        let owner = Owner::new(AccountId::new(account)?, Region::new(region)?);
        Ok(Self { owner, name: name.to_owned(), id: id.clone() })
    }

    /// The ARN of a connection by its name.
    pub(crate) fn of(owner: &Owner, name: &str) -> Result<Self> {
        let Owner { account, region } = owner;
        let partition = partition(region);
        Self::parse(&ConnectionId::new(format!("arn:{partition}:glue:{region}:{account}:connection/{name}"))?)
    }

    /// The ARN itself.
    pub(crate) fn id(&self) -> &ConnectionId {
        &self.id
    }
}

fn is_name(text: &str) -> bool {
    (1..=255).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// Small letters, digits and hyphens: a region becomes part of a host's name.
pub(super) fn is_region(text: &str) -> bool {
    (1..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// 12 digits, and nothing else.
pub(super) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

/// The partition that a region is part of: it is told by the region's first letters (AWS General Reference, "Amazon Resource
/// Names").
fn partition(region: &Region) -> &'static str {
    let begins = |prefix: &str| region.as_str().starts_with(prefix);
    match () {
        () if begins("cn-") => "aws-cn",
        () if begins("us-gov-") => "aws-us-gov",
        () if begins("us-iso-") => "aws-iso",
        () if begins("us-isob-") => "aws-iso-b",
        () if begins("eu-isoe-") => "aws-iso-e",
        () if begins("us-isof-") => "aws-iso-f",
        () if begins("eusc-") => "aws-eusc",
        () => "aws",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ConnectionArn> {
        ConnectionArn::parse(&ConnectionId::new(text).unwrap())
    }

    #[test]
    fn an_arn_names_account_region_and_connection() {
        for (text, region, account, name) in [
            ("arn:aws:glue:eu-west-1:111122223333:connection/hr", "eu-west-1", "111122223333", "hr"),
            ("arn:aws-cn:glue:cn-north-1:111122223333:connection/a/b c:d", "cn-north-1", "111122223333", "a/b c:d"),
        ] {
            let arn = parse(text).unwrap();
            assert_eq!(
                (arn.owner.region.as_str(), arn.owner.account.as_str(), arn.name.as_str()),
                (region, account, name)
            );
            assert_eq!(arn.id().as_str(), text);
            assert_eq!(ConnectionArn::of(&arn.owner, name).unwrap(), arn);
        }
    }

    #[test]
    fn what_is_no_connection_is_refused() {
        let long = format!("arn:aws:glue:eu-west-1:111122223333:connection/{}", "n".repeat(256));
        for text in [
            "hr",
            "arn:aws:glue:eu-west-1:111122223333:connection/",
            "arn:aws:glue:eu-west-1:111122223333:crawler/hr",
            "arn:aws:glue:eu-west-1:11112222333:connection/hr",
            "arn:aws:glue:eu-west-1:12345678901x:connection/hr",
            "arn:aws:glue::111122223333:connection/hr",
            "arn:aws:glue:evil.example/:111122223333:connection/hr",
            "arn:aws:s3:eu-west-1:111122223333:connection/hr",
            "arn:gcp:glue:eu-west-1:111122223333:connection/hr",
            "urn:aws:glue:eu-west-1:111122223333:connection/hr",
            &long,
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{text}");
            assert!(error.advice().unwrap().contains("connection/<name>"));
        }
    }

    #[test]
    fn the_partition_follows_from_the_region() {
        for (region, wanted) in [
            ("eu-west-1", "aws"),
            ("us-east-1", "aws"),
            ("cn-northwest-1", "aws-cn"),
            ("us-gov-west-1", "aws-us-gov"),
            ("us-iso-east-1", "aws-iso"),
            ("us-isob-east-1", "aws-iso-b"),
            ("eusc-de-east-1", "aws-eusc"),
        ] {
            assert_eq!(partition(&Region::new(region).unwrap()), wanted);
        }
    }
}
