//! `thin:user/password@` and an address: `//host:port/service`, `host:port:SID`, `(DESCRIPTION=...)`.

use super::{Parts, Wrong, host_and_port, is_ipv6, port};
use crate::Secret;
use crate::model::Target;

pub(super) fn parse(text: &str) -> Result<Parts, Wrong> {
    let text = match text.split_once(':') {
        Some((driver, rest)) if driver.eq_ignore_ascii_case("thin") => rest,
        Some((driver, _)) if ["oci", "oci8", "kprb"].iter().any(|other| driver.eq_ignore_ascii_case(other)) => {
            return Err("is for another driver than thin");
        }
        _ => text,
    };
    let mut parts = Parts::default();
    let text = text.trim();
    let address = match at_sign(text) {
        Some((login, address)) => {
            login_of(login, &mut parts);
            address.trim()
        }
        None if text.starts_with("//") => text,
        None => return Err("has no @ before its address"),
    };
    if address.starts_with('(') {
        descriptor(address, &mut parts)?;
    } else {
        easy(address, &mut parts)?;
    }
    Ok(parts)
}

/// The `@` after which the address begins. A quoted password may hold one too, an address does not.
fn at_sign(text: &str) -> Option<(&str, &str)> {
    let before_descriptor = |at: &usize| text.get(at + 1..).is_some_and(|rest| rest.trim_start().starts_with('('));
    let at = text.match_indices('@').map(|(at, _)| at).find(before_descriptor).or_else(|| text.rfind('@'))?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

fn login_of(text: &str, parts: &mut Parts) {
    // `thin://@host` is a common spelling too.
    let text = text.strip_prefix("//").unwrap_or(text);
    if let Some((user, password)) = text.split_once('/') {
        let unquoted = |text: &str| {
            let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
            inner.unwrap_or(text).to_owned()
        };
        parts.user = Some(unquoted(user));
        if !password.is_empty() {
            parts.password = Some(Secret::new(unquoted(password)));
        }
    }
}

/// `[protocol:]//host:port/service[:server]?name=value`, the same without `//`, or `host:port:SID`.
fn easy(text: &str, parts: &mut Parts) -> Result<(), Wrong> {
    let (place, list) = text.split_once('?').unwrap_or((text, ""));
    for pair in list.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        parts.add(name.trim().to_ascii_lowercase(), value.trim().to_owned())?;
    }
    let place = match place.split_once("//") {
        Some((protocol, rest)) => {
            protocol_of(protocol.trim_end_matches(':'), parts)?;
            rest
        }
        None => place,
    };
    if let Some((address, service)) = place.split_once('/') {
        (parts.host, parts.port) = host_and_port(address)?;
        let (service, server) = service.split_once(':').unwrap_or((service, ""));
        if !["", "dedicated", "shared", "pooled"].contains(&server.to_ascii_lowercase().as_str()) {
            return Err("has something else than dedicated, shared or pooled after its service");
        }
        if service.contains('/') {
            return Err("names an instance beside its service");
        }
        parts.target = Target::Service(name(service, "names no service")?);
    } else {
        let (address, sid) = place.rsplit_once(':').ok_or("names neither service nor SID")?;
        // With a single colon, what follows it would be the port.
        if !address.contains([':', ',']) {
            return Err("names neither service nor SID");
        }
        (parts.host, parts.port) = host_and_port(address)?;
        parts.target = Target::Sid(name(sid, "names no SID")?);
    }
    Ok(())
}

fn protocol_of(text: &str, parts: &mut Parts) -> Result<(), Wrong> {
    match text.to_ascii_lowercase().as_str() {
        "" => Ok(()),
        protocol @ ("tcp" | "tcps") => parts.add("protocol".to_owned(), protocol.to_owned()),
        _ => Err("is for a protocol that is neither tcp nor tcps; name the host itself, not a directory"),
    }
}

fn name(text: &str, none: Wrong) -> Result<String, Wrong> {
    if text.is_empty() {
        return Err(none);
    }
    if text.chars().all(|c| c.is_alphanumeric() || "._-$#".contains(c)) {
        Ok(text.to_owned())
    } else {
        Err("has no valid service or SID")
    }
}

/// `(DESCRIPTION=(ADDRESS=(PROTOCOL=TCP)(HOST=h)(PORT=1521))(CONNECT_DATA=(SERVICE_NAME=s)))`: kept as it is, for the
/// driver; host and port are those of its first address.
fn descriptor(text: &str, parts: &mut Parts) -> Result<(), Wrong> {
    let mut open = 0_usize;
    let mut target = false;
    let mut rest = text;
    while let Some(at) = rest.find(['(', ')']) {
        let after = rest.get(at + 1..).unwrap_or_default();
        if rest.as_bytes().get(at) == Some(&b')') {
            open = open.checked_sub(1).ok_or("has a parenthesis that was not opened")?;
        } else {
            open += 1;
            // A leaf is `(name=value)`.
            let leaf = after.find(['(', ')']).filter(|end| after.as_bytes().get(*end) == Some(&b')'));
            let leaf = leaf.and_then(|end| after.get(..end)).and_then(|leaf| leaf.split_once('='));
            if let Some((name, value)) = leaf {
                let value = value.trim().trim_matches('"');
                match name.trim().to_ascii_uppercase().as_str() {
                    "HOST" if parts.host.is_empty() => {
                        let bare = value.trim_start_matches('[').trim_end_matches(']');
                        parts.host = if is_ipv6(bare) { bare.to_owned() } else { host_and_port(value)?.0 };
                    }
                    "PORT" if parts.port.is_none() => parts.port = Some(port(value)?),
                    "PROTOCOL" if !parts.properties.contains_key("protocol") => protocol_of(value, parts)?,
                    "SERVICE_NAME" | "SID" => target = !self::name(value, "names no service")?.is_empty(),
                    _ => {}
                }
            }
        }
        if open == 0 && !after.trim().is_empty() {
            return Err("has something beside its descriptor");
        }
        rest = after;
    }
    if open != 0 {
        return Err("has a parenthesis that is not closed");
    }
    if parts.host.is_empty() {
        return Err("has a descriptor without a HOST");
    }
    if !target {
        return Err("has a descriptor without SERVICE_NAME or SID");
    }
    parts.target = Target::Descriptor(text.to_owned());
    Ok(())
}
