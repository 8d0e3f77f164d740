//! What a value must be. The templates say the same as patterns, for those who fill in a form.

use dzconn_core::model::{JdbcUrl, SecretName};

/// A rule in words, and as a check.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) text: &'static str,
    fits: fn(&str) -> bool,
}

impl Rule {
    /// `{{` begins a dynamic reference: `CloudFormation` would put a secret or a setting of the account in its place, whoever wrote
    /// it ("Get values stored in other services using dynamic references"). Parameters end at 4096 bytes.
    pub(super) fn takes(&self, value: &str) -> bool {
        value.len() <= 4096 && !value.contains("{{") && !value.chars().any(is_control) && (self.fits)(value)
    }
}

macro_rules! rules {
    ($($name:ident: $text:literal, $fits:expr;)*) => {
        $(pub(super) const $name: &Rule = &Rule { text: $text, fits: $fits };)*
    };
}

rules! {
    ID: "an id of DataZone: 1 to 36 letters, digits, hyphens and underscores", |v| sized(v, 1..=36) && all(v, b"-_");
    LINE: "a line of 1 to 255 characters without two opening braces in a row", |v| (1..=255).contains(&v.chars().count());
    PATH: "a line of 1 to 2048 characters without two opening braces in a row", |v| (1..=2048).contains(&v.chars().count());
    PREFIX: "a line of at most 128 characters without two opening braces in a row", |v| v.chars().count() <= 128;
    URL: "a JDBC URL, such as jdbc:postgresql://db.internal:5432/sales, without user and password", is_url;
    SECRET: "the name or the ARN of a secret", is_secret;
    SECRET_NAME: "a secret's name", |v| SecretName::new(v).is_ok();
    FLAG: "true or false", |v| matches!(v, "true" | "false");
    OBJECT: "an object in S3, such as s3://bucket/ca.pem", |v| {
        v.len() > 5 && v.len() <= 1024 && v.starts_with("s3://") && !v.contains([' ', '{'])
    };
    OBJECT_ARN: "the ARN of an object in S3, such as arn:aws:s3:::bucket/ca.pem", is_object_arn;
    SUBNET: "a subnet's id, such as subnet-0123456789abcdef0", is_subnet;
    SUBNETS: "ids of subnets, separated by commas", |v| v.split(',').all(is_subnet);
    GROUPS: "ids of security groups, separated by commas", |v| v.split(',').all(|id| is_ec2("sg-", id));
    ZONE: "an availability zone, such as eu-west-1a", |v| {
        sized(v, 1..=40) && v.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    ROLE_NAME: "a role's name: 1 to 64 letters, digits and any of _+=,.@-", |v| sized(v, 1..=64) && all(v, b"_+=,.@-");
    ROLE_PATTERN: "a pattern of roles' names: letters, digits and any of _+=,.@-, and after four of them * too", |v| {
        sized(v, 4..=64) && all(v, b"_+=,.@*-") && v.bytes().take(4).all(|b| b != b'*')
    };
    SOLUTION_ROLE: "a role's name: 1 to 64 letters, digits and any of _+=,.@-; or nothing", |v| {
        sized(v, 0..=64) && all(v, b"_+=,.@-")
    };
    BOUNDARY: "a policy's name: 1 to 128 letters, digits and any of _+=,.@-; or nothing", |v| {
        sized(v, 0..=128) && all(v, b"_+=,.@-")
    };
    SUFFIX: "1 to 20 letters, digits, hyphens and underscores", |v| sized(v, 1..=20) && all(v, b"-_");
    ROLE_ARN: "a role's ARN, such as arn:aws:iam::111122223333:role/deployer", |v| {
        is_arn(v, "iam", str::is_empty, |rest| {
            rest.strip_prefix("role/").is_some_and(|name| sized(name, 1..=575) && all(name, b"/_+=,.@-"))
        })
    };
    KEY_ARN: "a key's ARN, such as arn:aws:kms:eu-west-1:111122223333:key/...", |v| {
        is_arn(v, "kms", is_region, |rest| {
            rest.strip_prefix("key/").is_some_and(|id| sized(id, 1..=64) && all(id, b"-"))
        })
    };
    KEY_ALIAS: "a key's alias, such as alias/dz_conn_a_common_key", |v| {
        v.strip_prefix("alias/").is_some_and(|name| sized(name, 1..=250) && all(name, b"/_-"))
    };
    LF_KEY: "an LF-tag's key: 1 to 128 letters, digits and any of _.:/=+@-", |v| sized(v, 1..=128) && all(v, b"_.:/=+@-");
    LF_VALUE: "an LF-tag's value: 1 to 255 letters, digits and any of _.:/=+@-", |v| sized(v, 1..=255) && all(v, b"_.:/=+@-");
    SCHEDULE: "a schedule of Glue, such as cron(15 2 * * ? *)", |v| {
        let inner = v.strip_prefix("cron(").and_then(|v| v.strip_suffix(')'));
        v.len() <= 256 && inner.is_some_and(|v| !v.is_empty() && all(v, b" *?,/#-"))
    };
    CONNECTOR: "1 to 40 small letters, digits, hyphens and underscores", |v| {
        sized(v, 1..=40) && all(v, b"-_") && !v.bytes().any(|b| b.is_ascii_uppercase())
    };
    HOST: "a host's name or address, one of IPv6 in brackets", is_host;
    PORT: "a port, 1 to 65535", |v| is_number(v, 1, 65_535);
    DAYS: "1 to 365 days", |v| is_number(v, 1, 365);
    DATABASE: "1 to 128 characters without spaces and any of {}$%/?&#;:@\\\"'<>, which mean something in a JDBC URL", |v| {
        (1..=128).contains(&v.chars().count()) && !v.contains(|c: char| c == ' ' || "{}$%/?&#;:@\\\"'<>".contains(c))
    };
    BUCKET: "a bucket's name", |v| {
        let ends = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let bytes = v.as_bytes();
        sized(v, 3..=63) && all(v, b".-") && !v.bytes().any(|b| b.is_ascii_uppercase())
            && ends(bytes.first()) && ends(bytes.last())
    };
    VERSION: "a version of the connector, such as 2026.17.1", |v| {
        let lengths: Vec<_> = v.split('.').map(str::len).collect();
        all(v, b".") && !v.bytes().any(|b| b.is_ascii_alphabetic())
            && matches!(lengths.as_slice(), [4, 1..=2, 1..=3])
    };
    FOLDER: "a folder of a bucket, without a slash at its ends", |v| {
        v.split('/').enumerate().all(|(at, part)| !part.is_empty() && all(part, if at == 0 { b"_-" } else { b"._-" }))
    };
    LABEL: "1 to 64 letters, digits and any of ._-", |v| sized(v, 1..=64) && all(v, b"._-");
    TITLE: "1 to 50 letters, digits, spaces and any of ._-", |v| sized(v, 1..=50) && all(v, b" ._-");
}

/// What the templates' patterns exclude: `CloudFormation` looks for control characters of ASCII.
fn is_control(c: char) -> bool {
    c.is_ascii_control()
}

fn sized(text: &str, length: std::ops::RangeInclusive<usize>) -> bool {
    length.contains(&text.len())
}

/// Letters and digits of ASCII, and these.
fn all(text: &str, others: &[u8]) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || others.contains(&b))
}

fn is_number(text: &str, least: u32, most: u32) -> bool {
    text.bytes().all(|b| b.is_ascii_digit()) && text.parse().is_ok_and(|number| (least..=most).contains(&number))
}

fn is_subnet(id: &str) -> bool {
    is_ec2("subnet-", id)
}

fn is_ec2(prefix: &str, id: &str) -> bool {
    id.strip_prefix(prefix)
        .is_some_and(|hex| sized(hex, 8..=17) && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)))
}

fn is_region(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn is_partition(text: &str) -> bool {
    text.strip_prefix("aws").is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'))
}

/// Of one object: what means more than itself in a policy's resource is refused.
fn is_object_arn(text: &str) -> bool {
    match text.splitn(6, ':').collect::<Vec<_>>().as_slice() {
        ["arn", p, "s3", "", "", object] => {
            object.split_once('/').is_some_and(|(bucket, key)| {
                is_partition(p) && BUCKET.takes(bucket) && !key.is_empty() && !key.contains([' ', '*', '?', '$', '{'])
            }) && text.chars().count() <= 1024
        }
        _ => false,
    }
}

fn is_arn(text: &str, service: &str, region: fn(&str) -> bool, rest: fn(&str) -> bool) -> bool {
    let account = |text: &str| text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
    match text.splitn(6, ':').collect::<Vec<_>>().as_slice() {
        ["arn", p, s, r, a, end] => is_partition(p) && *s == service && region(r) && account(a) && rest(end),
        _ => false,
    }
}

/// RDS's own secrets have an exclamation mark in their names.
fn is_secret(text: &str) -> bool {
    let name = |text: &str, most| sized(text, 1..=most) && all(text, b"/_+=.@!-");
    name(text, 512)
        || is_arn(text, "secretsmanager", is_region, |rest| {
            let name = rest.strip_prefix("secret:");
            name.is_some_and(|name| sized(name, 1..=519) && all(name, b"/_+=.@!-"))
        })
}

/// As Glue spells it, small letters first; and as dzconn will read it.
fn is_url(text: &str) -> bool {
    const BEGIN: [&str; 5] = ["jdbc:mysql:", "jdbc:mariadb:", "jdbc:postgresql:", "jdbc:sqlserver:", "jdbc:oracle:"];
    let begins = BEGIN.iter().any(|begin| text.starts_with(begin));
    let named = ["user", "username", "password", "pwd"];
    begins
        && text.chars().count() <= 2048
        && text.parse::<JdbcUrl>().is_ok_and(|url| {
            url.credentials.is_none() && !named.iter().any(|name| url.property(name).is_some()) && !names_password(text)
        })
}

/// Passwords are not among the properties of a URL that was taken apart.
fn names_password(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let separated = text.split(['?', '&', ';']).skip(1);
    separated.filter_map(|part| part.split_once('=')).any(|(name, _)| {
        let name = name.trim();
        name.contains("password") || name.contains("pwd") || name.contains("token") || name == "user"
    })
}

fn is_host(text: &str) -> bool {
    let address = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    address.map_or_else(
        || sized(text, 1..=253) && all(text, b"._-"),
        |address| sized(address, 2..=45) && address.parse::<std::net::Ipv6Addr>().is_ok(),
    )
}
