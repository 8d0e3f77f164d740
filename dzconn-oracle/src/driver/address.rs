//! Connect descriptors, for the drivers: nothing but what stands in them says where to.

use std::fmt::Write as _;
use std::time::Duration;

use dzconn_core::model::{SourceEndpoint, Target};

use super::{Login, Refusal, Trouble};

/// What a driver adds to a descriptor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Parts {
    /// Parameters of the description, such as `(RETRY_COUNT=0)`.
    pub(super) description: String,
    /// Parameters of its SECURITY section.
    pub(super) security: String,
}

/// The descriptor for a login: `(DESCRIPTION=...)` for host, port and service or SID; a descriptor that was given, if it says of
/// TLS what the login says.
pub(super) fn descriptor(login: &Login, parts: &Parts) -> Result<String, Refusal> {
    let endpoint = &login.endpoint;
    let encrypted = login.tls.is_encrypted();
    let security = if parts.security.is_empty() { String::new() } else { format!("(SECURITY={})", parts.security) };
    let data = match &endpoint.target {
        Target::Descriptor(text) => return given(text, encrypted, &parts.description, &security),
        Target::Service(name) | Target::Database(name) => format!("(SERVICE_NAME={})", named(name)?),
        Target::Sid(name) => format!("(SID={})", named(name)?),
        Target::Default => return Err(wrong("the address names neither a service nor a SID: give it a service name")),
    };
    let protocol = if encrypted { "TCPS" } else { "TCP" };
    let (host, port) = (host(endpoint)?, endpoint.port);
    Ok(format!(
        "(DESCRIPTION={}(ADDRESS=(PROTOCOL={protocol})(HOST={host})(PORT={port}))(CONNECT_DATA={data}){security})",
        parts.description
    ))
}

pub(super) fn wrong(text: impl Into<String>) -> Refusal {
    Refusal::new(Trouble::Config, text)
}

/// Anything else would end the value, or be another parameter.
fn named(name: &str) -> Result<&str, Refusal> {
    let legal = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "._-$#".contains(c));
    if legal { Ok(name) } else { Err(wrong(format!("{name:?} is no service name or SID"))) }
}

/// A host name or address. A driver that is given anything else to verify a certificate by may break off.
fn host(endpoint: &SourceEndpoint) -> Result<&str, Refusal> {
    let host = endpoint.host.as_str();
    let is_address = host.parse::<std::net::IpAddr>().is_ok();
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let name = host.strip_suffix('.').unwrap_or(host);
    let is_number = |label: &str| label.chars().all(|c| c.is_ascii_digit());
    let is_name = host.len() <= 253 && name.split('.').all(is_label) && !name.rsplit('.').next().is_some_and(is_number);
    if is_address || is_name { Ok(host) } else { Err(wrong(format!("{host:?} is no host name or address"))) }
}

/// What the engine decides, which counts instead of what somebody wrote: how long and how often a driver tries.
const OURS: [&str; 5] = ["RETRY_COUNT", "RETRY_DELAY", "CONNECT_TIMEOUT", "TRANSPORT_CONNECT_TIMEOUT", "EXPIRE_TIME"];

/// A descriptor that somebody wrote. It may say how to get there, but not what TLS is, and not that the session is one of a pool
/// (which may come back with what another has left in it) or moves to another server (which has no lock of ours).
fn given(text: &str, encrypted: bool, description: &str, security: &str) -> Result<String, Refusal> {
    let mut hosts = 0_usize;
    let mut protocols = 0_usize;
    for leaf in leaves(text) {
        let (name, value) = leaf.split_once('=').unwrap_or((leaf, ""));
        let (name, value) = (name.trim().to_ascii_uppercase(), value.trim().trim_matches('"'));
        match name.as_str() {
            "HOST" => hosts += 1,
            "PROTOCOL" => {
                protocols += 1;
                let tcps = value.eq_ignore_ascii_case("tcps");
                if tcps != encrypted || !(tcps || value.eq_ignore_ascii_case("tcp")) {
                    return Err(wrong(format!(
                        "the descriptor has an address with PROTOCOL={value}, and the connection is to be {}",
                        if encrypted { "encrypted: write TCPS, or change its TLS setting" } else { "plain text" }
                    )));
                }
            }
            _ if name.starts_with("SSL_") || name.contains("WALLET") || name == "SECURITY" => {
                return Err(wrong(format!("the descriptor sets {name}: leave that to the connection's TLS setting")));
            }
            _ if name == "FAILOVER_MODE"
                || name.starts_with("POOL_")
                || (name == "SERVER" && value.eq_ignore_ascii_case("pooled")) =>
            {
                return Err(wrong(format!(
                    "the descriptor sets {name}: dzconn needs a session of its own that stays on its server, so leave out pools \
                     (SERVER=POOLED, POOL_...) and FAILOVER_MODE"
                )));
            }
            _ => {}
        }
    }
    if encrypted && protocols < hosts {
        return Err(wrong(
            "the descriptor has an address without PROTOCOL, and the connection is to be encrypted: write TCPS",
        ));
    }
    let start = "(DESCRIPTION=";
    let compact = without_ours(&squeezed(text));
    match compact.get(..start.len()).filter(|head| head.eq_ignore_ascii_case(start)) {
        Some(head) => {
            let rest = compact.get(start.len()..).unwrap_or_default();
            let mut whole = String::new();
            // Into a string this cannot fail.
            let _ = write!(whole, "{head}{description}{security}{rest}");
            Ok(whole)
        }
        None => Err(wrong("the descriptor does not begin with (DESCRIPTION=")),
    }
}

/// Without the white space around parentheses and equal signs.
fn squeezed(text: &str) -> String {
    let mut out = String::new();
    for part in text.split_inclusive(['(', ')', '=']) {
        out.push_str(part.trim_start());
        if out.ends_with(['(', ')', '=']) {
            let sign = out.pop();
            out.truncate(out.trim_end().len());
            out.extend(sign);
        }
    }
    out
}

/// Without the innermost parameters that are [`OURS`]: of two the drivers take one or the other.
fn without_ours(squeezed: &str) -> String {
    let is_ours =
        |part: &str| part.split_once('=').is_some_and(|(name, _)| OURS.contains(&&*name.to_ascii_uppercase()));
    let mut parts = squeezed.split('(');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once(')') {
            Some((leaf, rest)) if is_ours(leaf) => out.push_str(rest),
            _ => out.extend(["(", part]),
        }
    }
    out
}

/// The innermost `name=value` of a descriptor.
fn leaves(text: &str) -> impl Iterator<Item = &str> {
    text.split(['(', ')']).map(str::trim).filter(|part| part.contains('='))
}

/// So many seconds, rounded up, at least one.
#[cfg(feature = "odpi")]
pub(super) fn seconds(time: Duration) -> u64 {
    (time.as_secs() + u64::from(time.subsec_nanos() > 0)).max(1)
}

/// At least a millisecond: zero means no limit to some, and is an error to others.
pub(super) fn limit(time: Duration) -> Duration {
    time.max(Duration::from_millis(1))
}

#[cfg(test)]
mod tests {
    use dzconn_core::Secret;
    use dzconn_core::model::Tls;

    use super::*;

    fn login(target: Target, tls: Tls) -> Login {
        Login {
            endpoint: SourceEndpoint {
                subprotocol: "oracle".to_owned(),
                host: "db.internal".to_owned(),
                port: 1521,
                instance: None,
                target,
            },
            user: "U".to_owned(),
            password: Secret::new("p".to_owned()),
            tls,
        }
    }

    fn parts() -> Parts {
        Parts { description: "(RETRY_DELAY=0)".to_owned(), security: "(SSL_SERVER_DN_MATCH=YES)".to_owned() }
    }

    #[test]
    fn a_descriptor_says_everything() {
        let service = Target::Service("sales.example.com".to_owned());
        assert_eq!(
            descriptor(&login(service.clone(), Tls::Disable), &Parts::default()).unwrap(),
            "(DESCRIPTION=(ADDRESS=(PROTOCOL=TCP)(HOST=db.internal)(PORT=1521))\
             (CONNECT_DATA=(SERVICE_NAME=sales.example.com)))"
        );
        assert_eq!(
            descriptor(&login(service, Tls::Require), &parts()).unwrap(),
            "(DESCRIPTION=(RETRY_DELAY=0)(ADDRESS=(PROTOCOL=TCPS)(HOST=db.internal)(PORT=1521))\
             (CONNECT_DATA=(SERVICE_NAME=sales.example.com))(SECURITY=(SSL_SERVER_DN_MATCH=YES)))"
        );
        let sid = descriptor(&login(Target::Sid("ORCL".to_owned()), Tls::Disable), &Parts::default()).unwrap();
        assert!(sid.contains("(CONNECT_DATA=(SID=ORCL))"), "{sid}");
    }

    #[test]
    fn what_would_be_another_parameter_is_refused() {
        for name in ["", "a)(SID=b", "a b", "a\"", "a=b"] {
            let refused = descriptor(&login(Target::Service(name.to_owned()), Tls::Disable), &parts()).unwrap_err();
            assert_eq!(refused.trouble, Trouble::Config, "{name:?}");
        }
        assert_eq!(descriptor(&login(Target::Default, Tls::Disable), &parts()).unwrap_err().trouble, Trouble::Config);
        for host in ["", "a)(PORT=1", "a b", "-a", "a..b", "ä.example.com"] {
            let mut login = login(Target::Sid("ORCL".to_owned()), Tls::Disable);
            login.endpoint.host = host.to_owned();
            assert_eq!(descriptor(&login, &parts()).unwrap_err().trouble, Trouble::Config, "{host:?}");
        }
        for host in ["::1", "10.0.0.1", "a", "a_b.example.com."] {
            let mut login = login(Target::Sid("ORCL".to_owned()), Tls::Disable);
            login.endpoint.host = host.to_owned();
            assert!(descriptor(&login, &parts()).unwrap().contains(&format!("(HOST={host})")));
        }
    }

    #[cfg(feature = "thin")]
    proptest::proptest! {
        #[test]
        fn what_counts_as_a_host_can_be_verified(name in "[a-z0-9_.:-]{1,12}|[0-9.]{7,9}|[a-f0-9:]{2,9}") {
            let mut login = login(Target::Sid("ORCL".to_owned()), Tls::Disable);
            login.endpoint.host.clone_from(&name);
            if host(&login.endpoint).is_ok() {
                proptest::prop_assert!(rustls::pki_types::ServerName::try_from(name).is_ok());
            }
        }
    }

    #[test]
    fn a_given_descriptor_does_not_decide_how_often() {
        let text = "(DESCRIPTION=(retry_count = 20)(RETRY_DELAY=3)( Connect_Timeout = 90 )(TRANSPORT_CONNECT_TIMEOUT=9)\
                    (FAILOVER=ON)(ADDRESS_LIST=(EXPIRE_TIME=7)(ADDRESS=(PROTOCOL=TCP)(HOST=h)(PORT=1)))\
                    (CONNECT_DATA=(SERVER=DEDICATED)(SERVICE_NAME=s)))";
        let given = Target::Descriptor(text.to_owned());
        let found = descriptor(&login(given, Tls::Disable), &parts()).unwrap();
        assert_eq!(
            found,
            "(DESCRIPTION=(RETRY_DELAY=0)(SECURITY=(SSL_SERVER_DN_MATCH=YES))(FAILOVER=ON)(ADDRESS_LIST=(ADDRESS=(PROTOCOL=TCP)(HOST=h)(PORT=1)))\
             (CONNECT_DATA=(SERVER=DEDICATED)(SERVICE_NAME=s)))"
        );
    }

    #[test]
    fn a_given_descriptor_does_not_decide_about_tls() {
        let text = |protocol: &str, more: &str| {
            Target::Descriptor(format!(
                " ( DESCRIPTION = (ADDRESS=(PROTOCOL={protocol})(HOST=h)(PORT=1)) (CONNECT_DATA=(SERVICE_NAME=s)){more})"
            ))
        };
        let of = |target, tls| descriptor(&login(target, tls), &parts());
        assert_eq!(
            of(text("tcps", ""), Tls::Require).unwrap(),
            "(DESCRIPTION=(RETRY_DELAY=0)(SECURITY=(SSL_SERVER_DN_MATCH=YES))(ADDRESS=(PROTOCOL=tcps)(HOST=h)(PORT=1))\
             (CONNECT_DATA=(SERVICE_NAME=s)))"
        );
        for (target, tls) in [
            (text("tcp", ""), Tls::Require),
            (text("tcps", ""), Tls::Disable),
            (text("ipc", ""), Tls::Disable),
            (text("tcps", "(SECURITY=(SSL_SERVER_DN_MATCH=NO))"), Tls::Require),
            (text("tcp", "(CONNECT_DATA=(SERVER=pooled))"), Tls::Disable),
            (text("tcp", "(CONNECT_DATA=(POOL_PURITY=SELF))"), Tls::Disable),
            (text("tcp", "(CONNECT_DATA=( Failover_Mode = (TYPE=SELECT)(METHOD=BASIC)))"), Tls::Disable),
            (text("tcps", "(SECURITY=(MY_WALLET_DIRECTORY=/tmp))"), Tls::Require),
            (
                Target::Descriptor("(DESCRIPTION=(ADDRESS=(HOST=h)(PORT=1))(CONNECT_DATA=(SID=s)))".to_owned()),
                Tls::Require,
            ),
            (Target::Descriptor("(DESCRIPTION_LIST=(DESCRIPTION=(ADDRESS=(HOST=h))))".to_owned()), Tls::Disable),
        ] {
            assert_eq!(of(target.clone(), tls).unwrap_err().trouble, Trouble::Config, "{target:?}");
        }
    }
}
