//! Buckets, and what an asset names of them.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind, Result};

/// How long a key may be, in bytes ("Naming Amazon S3 objects", S3 User Guide).
const KEY: usize = 1024;

/// A bucket, by its ARN: `arn:PARTITION:s3:::NAME`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Bucket(String);

impl Bucket {
    /// The ARN.
    pub fn arn(&self) -> &str {
        &self.0
    }

    /// The name.
    pub fn name(&self) -> &str {
        self.0.rsplit(':').next().unwrap_or_default()
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Bucket {
    type Err = Error;

    fn from_str(arn: &str) -> Result<Self> {
        match read(arn)? {
            (bucket, None) => Ok(bucket),
            (_, Some(_)) => Err(invalid(arn, "names objects, and a bucket is meant")),
        }
    }
}

impl TryFrom<String> for Bucket {
    type Error = Error;

    fn try_from(arn: String) -> Result<Self> {
        arn.parse()
    }
}

impl From<Bucket> for String {
    fn from(bucket: Bucket) -> Self {
        bucket.0
    }
}

/// The objects that an asset names: all of a bucket, those below a prefix, or one and those below it.
///
/// `arn:aws:s3:::bucket` and `.../*` are the whole bucket. A key that ends in a slash is a prefix: what is below it is meant.
/// A key without one is that very object, and what is below it as if a slash followed: `data` covers `data` and `data/x`, and
/// not `data2`, although that begins with it too. A `*` at the end says the same as none. Any other wildcard is refused: whether
/// the publisher means the character or a pattern cannot be told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Objects {
    bucket: Bucket,
    key: String,
}

impl Objects {
    /// The bucket.
    pub const fn bucket(&self) -> &Bucket {
        &self.bucket
    }

    /// The key or prefix; empty for the whole bucket.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What reading them takes.
    #[must_use]
    pub fn reach(&self) -> BTreeSet<Reach> {
        let mut reach = BTreeSet::new();
        let below = match self.key.as_str() {
            whole @ "" => whole.to_owned(),
            prefix if prefix.ends_with('/') => prefix.to_owned(),
            key => {
                reach.insert(Reach::Object(key.to_owned()));
                format!("{key}/")
            }
        };
        reach.extend([Reach::Below(below.clone()), Reach::List(below)]);
        reach
    }
}

impl fmt::Display for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bucket, key } = self;
        if key.is_empty() { write!(f, "{bucket}") } else { write!(f, "{bucket}/{key}") }
    }
}

impl FromStr for Objects {
    type Err = Error;

    fn from_str(arn: &str) -> Result<Self> {
        let (bucket, key) = read(arn)?;
        let key = key.unwrap_or_default();
        let key = key.strip_suffix('*').unwrap_or(key);
        if key.contains(['*', '?']) {
            return Err(invalid(arn, "has a wildcard inside: whether it is meant as one cannot be told")
                .advise("publish the bucket or a prefix of it, without * and ?"));
        }
        if key.len() > KEY || key.chars().any(char::is_control) {
            return Err(invalid(arn, "has a key of more than 1,024 bytes, or with control characters"));
        }
        Ok(Self { bucket, key: key.to_owned() })
    }
}

impl TryFrom<String> for Objects {
    type Error = Error;

    fn try_from(arn: String) -> Result<Self> {
        arn.parse()
    }
}

impl From<Objects> for String {
    fn from(objects: Objects) -> Self {
        objects.to_string()
    }
}

/// One thing that a principal may be allowed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reach {
    /// Reading the object of this key.
    Object(String),
    /// Reading every object whose key begins with this; it is empty, or ends in a slash.
    Below(String),
    /// Listing the keys that begin with this.
    List(String),
}

impl Reach {
    /// Whether some of what one lets somebody do, the other does too.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Object(one), Self::Object(other)) => one == other,
            (Self::Object(key), Self::Below(prefix)) | (Self::Below(prefix), Self::Object(key)) => {
                key.starts_with(prefix)
            }
            (Self::Below(one), Self::Below(other)) | (Self::List(one), Self::List(other)) => {
                one.starts_with(other) || other.starts_with(one)
            }
            _ => false,
        }
    }
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object(key) => write!(f, "s3:GetObject on {key}"),
            Self::Below(prefix) => write!(f, "s3:GetObject on {prefix}*"),
            Self::List(prefix) => write!(f, "s3:ListBucket of {prefix}*"),
        }
    }
}

/// The bucket of an ARN, and what follows the first slash. Regions and accounts stand only in the ARNs of other things: access
/// points, buckets on Outposts.
fn read(arn: &str) -> Result<(Bucket, Option<&str>)> {
    let parts: Vec<_> = arn.splitn(6, ':').collect();
    let &["arn", partition, "s3", "", "", rest] = parts.as_slice() else {
        return Err(invalid(arn, "is not arn:PARTITION:s3:::BUCKET"));
    };
    let (name, key) = rest.split_once('/').map_or((rest, None), |(name, key)| (name, Some(key)));
    let is_partition =
        partition.split('-').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase()));
    // "General purpose bucket naming rules", S3 User Guide; those made long ago may be longer, and have capitals and underscores.
    let is_name =
        (3..=255).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    if !is_partition || !is_name {
        return Err(invalid(arn, "is not arn:PARTITION:s3:::BUCKET"));
    }
    Ok((Bucket(format!("arn:{partition}:s3:::{name}")), key))
}

fn invalid(arn: &str, why: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, format!("{arn:?} {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_names_a_bucket_and_objects() {
        for (arn, bucket, key) in [
            ("arn:aws:s3:::data", "data", ""),
            ("arn:aws:s3:::data/", "data", ""),
            ("arn:aws:s3:::data/*", "data", ""),
            ("arn:aws-us-gov:s3:::my.data-1/sales/2024/", "my.data-1", "sales/2024/"),
            ("arn:aws-cn:s3:::data/sales/*", "data", "sales/"),
            ("arn:aws:s3:::data/sales", "data", "sales"),
            ("arn:aws:s3:::data/sales*", "data", "sales"),
            ("arn:aws:s3:::data//a b:ü", "data", "/a b:ü"),
        ] {
            let objects: Objects = arn.parse().unwrap();
            assert_eq!((objects.bucket().name(), objects.key()), (bucket, key), "{arn}");
            assert_eq!(objects.to_string().parse::<Objects>().unwrap(), objects, "{arn}");
            assert_eq!(objects.bucket().arn().parse::<Bucket>().unwrap(), *objects.bucket());
        }
    }

    #[test]
    fn what_is_not_a_bucket_or_may_be_a_pattern_is_refused() {
        let long = format!("arn:aws:s3:::data/{}", "k".repeat(1025));
        for arn in [
            "",
            "s3://data/sales",
            "arn:aws:s3:::",
            "arn:aws:s3:::*",
            "arn:aws:s3:::da*a/sales",
            "arn:aws:s3:::ab",
            "arn::s3:::data",
            "arn:a*s:s3:::data",
            "arn:aws:s3:eu-west-1:111122223333:accesspoint/mine",
            "arn:aws:s3:::data/sa*es/x",
            "arn:aws:s3:::data/year=20??/",
            "arn:aws:s3:::data/**",
            "arn:aws:s3:::data/a\nb",
            &long,
        ] {
            assert_eq!(arn.parse::<Objects>().unwrap_err().kind(), ErrorKind::InvalidInput, "{arn}");
        }
        assert_eq!("arn:aws:s3:::data/x".parse::<Bucket>().unwrap_err().kind(), ErrorKind::InvalidInput);
    }

    #[test]
    fn a_neighbour_that_begins_alike_is_not_meant() {
        let reach = |arn: &str| arn.parse::<Objects>().unwrap().reach().into_iter().collect::<Vec<_>>();
        let (below, list) = (|p: &str| Reach::Below(p.into()), |p: &str| Reach::List(p.into()));
        assert_eq!(reach("arn:aws:s3:::data/a"), [Reach::Object("a".into()), below("a/"), list("a/")]);
        assert_eq!(reach("arn:aws:s3:::data/a/"), [below("a/"), list("a/")]);
        assert_eq!(reach("arn:aws:s3:::data"), [below(""), list("")]);
    }
}
