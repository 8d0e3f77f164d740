//! Readable text of everything that a trace is made of.

use dzconn_core::memory::TrackingState;
use dzconn_core::model::{OpenState, SourceRecord, Wanted};
use dzconn_core::store::{Change, Record, Slot, Write};
use dzconn_core::workflow::{Answer, Effect};

use crate::scenario::{Job, consumer, producer};
use crate::world::{Source, Vault};

pub(crate) fn job(job: &Job) -> String {
    match job {
        Job::Tidy { asset, .. } => format!("C{asset}"),
        Job::Rotate => "X".to_owned(),
        Job::Meddle => "M".to_owned(),
        Job::Fulfil { wish, asset, table } => {
            let place = if asset == table { String::new() } else { format!("@{table}") };
            let letter = match wish {
                Wanted::Grant => 'G',
                Wanted::Retain => 'T',
                Wanted::Revoke => 'R',
            };
            format!("{letter}{asset}{place}")
        }
    }
}

/// The name of the effect: of the variant, nothing of what it carries.
pub(crate) fn name(effect: &Effect) -> &'static str {
    match effect {
        Effect::Lock => "Lock",
        Effect::Unlock => "Unlock",
        Effect::Ask => "Ask",
        Effect::Read(_) => "Read",
        Effect::Find => "Find",
        Effect::Commit(_) => "Commit",
        Effect::Resolve(_) => "Resolve",
        Effect::ReadSecret(_) => "ReadSecret",
        Effect::InspectSecret(_) => "InspectSecret",
        Effect::CreateSecret(..) => "CreateSecret",
        Effect::Share(..) => "Share",
        Effect::Burn(_) => "Burn",
        Effect::CreateUser(_) => "CreateUser",
        Effect::SetPassword(_) => "SetPassword",
        Effect::LogIn(..) => "LogIn",
        Effect::Grant { .. } => "Grant",
        Effect::Revoke { .. } => "Revoke",
        Effect::Reads(..) => "Reads",
        Effect::DropUser(_) => "DropUser",
        Effect::ReadCopy(_) => "ReadCopy",
        Effect::ReadShared(_) => "ReadShared",
        Effect::CreateCopy(..) => "CreateCopy",
        Effect::ReplaceCopy(..) => "ReplaceCopy",
        Effect::BurnCopy(_) => "BurnCopy",
    }
}

/// Every effect there is.
pub(crate) const EFFECTS: [&str; 24] = [
    "Lock",
    "Unlock",
    "Ask",
    "Read",
    "Find",
    "Commit",
    "Resolve",
    "ReadSecret",
    "InspectSecret",
    "CreateSecret",
    "Share",
    "Burn",
    "CreateUser",
    "SetPassword",
    "LogIn",
    "Grant",
    "Revoke",
    "Reads",
    "DropUser",
    "ReadCopy",
    "ReadShared",
    "CreateCopy",
    "ReplaceCopy",
    "BurnCopy",
];

pub(crate) fn effect(effect: &Effect) -> String {
    let about = match effect {
        Effect::Read(keys) => keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        Effect::Commit(transaction) => {
            let changes: Vec<_> = transaction.changes.iter().map(change).collect();
            format!("{{ {} }}", changes.join("; "))
        }
        Effect::Resolve(path) => path.to_string(),
        Effect::ReadSecret(name)
        | Effect::InspectSecret(name)
        | Effect::Share(name, _)
        | Effect::Burn(name)
        | Effect::ReadCopy(name)
        | Effect::BurnCopy(name) => name.to_string(),
        Effect::ReadShared(id) => id.to_string(),
        Effect::CreateSecret(name, secret) | Effect::CreateCopy(name, secret) => {
            format!("{name} := {}", secret.credentials.password.expose())
        }
        Effect::ReplaceCopy(name, seen, secret) => {
            format!("{name} over {} := {}", seen.as_str(), secret.credentials.password.expose())
        }
        Effect::CreateUser(credentials) | Effect::SetPassword(credentials) => credentials.password.expose().to_owned(),
        Effect::LogIn(credentials, table) => format!("{} {table}", credentials.password.expose()),
        Effect::Grant { table, take_back, .. } => {
            let back: Vec<_> = take_back.iter().map(ToString::to_string).collect();
            format!("{table} (take back [{}])", back.join(" "))
        }
        Effect::Revoke { tables, .. } => tables.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        Effect::Reads(_, table) => table.to_string(),
        Effect::Lock | Effect::Unlock | Effect::Ask | Effect::Find | Effect::DropUser(_) => String::new(),
    };
    format!("{} {about}", name(effect)).trim_end().to_owned()
}

fn change(change: &Change) -> String {
    match &change.write {
        Write::Check => format!("check {}", change.key),
        Write::Remove => format!("remove {}", change.key),
        Write::Put(_, record) => format!("put {}", self::record(record)),
    }
}

fn record(record: &Record) -> String {
    match record {
        Record::Source(record) => source_record(record),
        Record::Entry(record) => {
            let assets: Vec<_> = record
                .assets
                .iter()
                .map(|(asset, publication)| format!("{asset}{}", if publication.retained { " retained" } else { "" }))
                .collect();
            format!("entry {} [{}] of {:x}", record.table.name(), assets.join(" "), record.generation.bits())
        }
        Record::Mapping(record) => format!("mapping of {:x}", record.generation.bits()),
        Record::Asset(record) => {
            let table = record.place.as_ref().map_or("?", |place| place.table.name());
            format!("row {} at {table} with {}", record.asset, record.secret)
        }
        Record::Wanted(record) => format!("wanted {record:?}"),
        other => format!("{other:?}"),
    }
}

fn source_record(record: &SourceRecord) -> String {
    let open: Vec<_> = record
        .open
        .iter()
        .map(|(table, open)| {
            let state = match open.state {
                OpenState::Granting => "granting",
                OpenState::Revoking => "revoking",
            };
            let assets: Vec<_> = open.assets.keys().map(ToString::to_string).collect();
            format!("{} {state} {}", table.name(), assets.join("+"))
        })
        .collect();
    let revoked: Vec<_> = record.revoked.iter().map(ToString::to_string).collect();
    let retired: Vec<_> = record.retired.iter().map(|retired| format!("{:x}", retired.id.bits())).collect();
    let generation = record.generation.as_ref().map_or("-".to_owned(), |living| format!("{:x}", living.id.bits()));
    format!(
        "source {:?} gen {generation} settled {} open [{}] revoked [{}] retired [{}]",
        record.phase,
        record.settled,
        open.join(", "),
        revoked.join(" "),
        retired.join(" ")
    )
}

pub(crate) fn answer(answer: &Answer) -> String {
    match answer {
        Answer::Records(records) => {
            let found: Vec<_> = records
                .iter()
                .map(|found| found.as_ref().map_or("-".to_owned(), |found| record(&found.record)))
                .collect();
            format!("[{}]", found.join("; "))
        }
        Answer::Slot(slot) => self::slot(slot),
        Answer::Table(table) => table.to_string(),
        Answer::Found(table) => table.as_ref().map_or("nowhere".to_owned(), ToString::to_string),
        other => format!("{other:?}"),
    }
}

fn slot(slot: &Slot) -> String {
    match slot {
        Slot::Live(secret) => {
            let pending = if secret.pending { " (pending)" } else { "" };
            format!("{}{pending}", secret.credentials.password.expose())
        }
        Slot::Empty => "empty".to_owned(),
        Slot::Burnt => "burnt".to_owned(),
    }
}

pub(crate) fn world(tracking: &TrackingState, vault: &Vault, source: &Source) -> Vec<String> {
    let mut lines: Vec<_> = tracking.iter().map(|(_, stored)| record(&stored.record)).collect();
    for account in [producer(), consumer()] {
        for (name, credentials) in vault.live(&account) {
            lines.push(format!("{account}'s secret {name}: {}", credentials.password.expose()));
        }
    }
    let grants: Vec<_> = source.grants.iter().map(ToString::to_string).collect();
    let password = source.password.as_ref().map_or("no user", |password| password.expose());
    lines.push(format!("source: {password}, grants [{}]", grants.join(" ")));
    lines
}
