//! `//host\instance:port/database;name=value;name={value}`.

use super::{Parts, Wrong, check_host, host_and_port, is_ipv6, port};
use crate::model::Target;

pub(super) fn parse(text: &str) -> Result<Parts, Wrong> {
    let text = text.strip_prefix("//").ok_or("does not go on with //host after its sub-protocol")?;
    let (place, list) = text.split_once(';').unwrap_or((text, ""));
    let mut parts = Parts::default();
    properties(list, &mut parts)?;

    let (server, path) = place.split_once('/').unwrap_or((place, ""));
    let named = one(&mut parts, &["servername", "server"])?;
    let instance = one(&mut parts, &["instancename"])?;
    let given = one(&mut parts, &["portnumber", "port"])?.map(|text| port(&text)).transpose()?;
    let database = one(&mut parts, &["databasename", "database"])?;

    match (server.is_empty(), named) {
        (false, None) => address(server, &mut parts)?,
        // Here an IPv6 address needs no brackets, since there is no port.
        (true, Some(named)) if is_ipv6(&named) => parts.host = named,
        (true, Some(named)) => address(&named, &mut parts)?,
        (false, Some(_)) => return Err("names its host twice"),
        (true, None) => return Err("names no host"),
    }
    parts.instance = only(parts.instance.take(), instance, "names its instance twice")?;
    parts.port = only(parts.port, given, "names its port twice")?;
    if parts.port.is_some() {
        // The driver ignores it then.
        parts.instance = None;
    }
    let path = Some(path.to_owned()).filter(|path| !path.is_empty());
    parts.target = only(path, database, "names its database twice")?.map_or(Target::Default, Target::Database);
    Ok(parts)
}

/// `host`, `host:port`, `host\instance` or `host\instance:port`.
fn address(text: &str, parts: &mut Parts) -> Result<(), Wrong> {
    let Some((host, rest)) = text.split_once('\\') else {
        (parts.host, parts.port) = host_and_port(text)?;
        return Ok(());
    };
    check_host(host)?;
    // Where the URL comes out of a program's text, the backslash may still be doubled.
    let rest = rest.trim_start_matches('\\');
    let (instance, given) = rest.split_once(':').map_or((rest, None), |(instance, port)| (instance, Some(port)));
    if instance.is_empty() || !instance.chars().all(|c| c.is_alphanumeric() || "_$#".contains(c)) {
        return Err("has no valid instance");
    }
    host.clone_into(&mut parts.host);
    parts.instance = Some(instance.to_owned());
    parts.port = given.map(port).transpose()?;
    Ok(())
}

/// The value of a property with several names.
fn one(parts: &mut Parts, names: &[&str]) -> Result<Option<String>, Wrong> {
    let mut values = names.iter().filter_map(|name| parts.take(name)).filter(|value| !value.is_empty());
    let value = values.next();
    if values.next().is_some() { Err("names a property twice") } else { Ok(value) }
}

fn only<T: PartialEq>(one: Option<T>, other: Option<T>, twice: Wrong) -> Result<Option<T>, Wrong> {
    match (one, other) {
        (Some(one), Some(other)) if one != other => Err(twice),
        (one, other) => Ok(one.or(other)),
    }
}

/// `name=value`, separated by `;`. In braces a value may hold anything, a closing brace twice.
fn properties(list: &str, parts: &mut Parts) -> Result<(), Wrong> {
    let mut rest = list.trim_start_matches([';', ' ']);
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=').ok_or("has a property without a value")?;
        if name.contains(';') {
            return Err("has a property without a value");
        }
        let (value, after) = if let Some(quoted) = after.trim_start().strip_prefix('{') {
            braced(quoted)?
        } else {
            let (value, after) = after.split_once(';').unwrap_or((after, ""));
            (value.trim().to_owned(), after)
        };
        parts.add(name.trim().to_ascii_lowercase(), value)?;
        rest = after.trim_start_matches([';', ' ']);
    }
    Ok(())
}

fn braced(text: &str) -> Result<(String, &str), Wrong> {
    let mut value = String::new();
    let mut rest = text;
    loop {
        let (before, after) = rest.split_once('}').ok_or("has a brace that is not closed")?;
        value.push_str(before);
        if let Some(more) = after.strip_prefix('}') {
            value.push('}');
            rest = more;
            continue;
        }
        let after = after.trim_start();
        if after.is_empty() || after.starts_with(';') {
            return Ok((value, after));
        }
        return Err("has something else than ; after a value in braces");
    }
}
