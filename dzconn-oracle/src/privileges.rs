//! Reading back who may what, and explaining refusals: which privilege lacks, and who must give it.
//!
//! What is counted and what is not is said in the [crate]'s documentation, "What is read back".

use dzconn_core::engine::Reads;
use dzconn_core::model::{TableName, UserName};
use dzconn_core::{Error, ErrorKind, Result};

use crate::engine::{Session, texts};
use crate::error::{Refused, number};
use crate::sql::look;
use crate::sql::{self, Read, Table, User};

/// The rows are read with these names; a row that is shorter has empty ones.
type Row<'a> = [&'a str; 5];

fn columns(row: &[String]) -> Row<'_> {
    let mut values = row.iter().map(String::as_str);
    std::array::from_fn(|_| values.next().unwrap_or_default())
}

const PUBLIC: &str = "PUBLIC";

/// A user, everybody, and one step after the other the roles that they have.
///
/// A role counts whether it is active at login or not: whoever has it may set it, save for a password that it may have.
struct Holders {
    user: String,
    /// Those whose privileges have been read come first.
    all: Vec<String>,
    read: usize,
}

impl Holders {
    fn new(user: User<'_>) -> Self {
        let user = user.name().to_owned();
        Self { all: vec![user.clone(), PUBLIC.to_owned()], user, read: 0 }
    }

    /// Those that are still to be read.
    fn next(&mut self) -> Option<Vec<String>> {
        let fresh: Vec<_> = self.all.iter().skip(self.read).cloned().collect();
        self.read = self.all.len();
        (!fresh.is_empty()).then_some(fresh)
    }

    fn add(&mut self, role: &str) -> bool {
        let new = !self.all.iter().any(|known| known == role);
        if new {
            self.all.push(role.to_owned());
        }
        new
    }

    fn spell(&self, holder: &str) -> String {
        match holder {
            PUBLIC => PUBLIC.to_owned(),
            user if user == self.user => sql::spell(user),
            role => format!("the role {}", sql::spell(role)),
        }
    }
}

/// What the admin needs to see all of this.
fn needs(session: &Session, also: &str) -> String {
    let schemas = if session.facts.schemas { ", DBA_SCHEMA_PRIVS" } else { "" };
    format!(
        "the admin lacks SELECT on some of DBA_TAB_PRIVS, DBA_SYS_PRIVS, DBA_ROLE_PRIVS, DBA_OBJECTS{schemas}{also}: GRANT \
         SELECT_CATALOG_ROLE TO {}, or SELECT on each of them",
        session.facts.admin
    )
}

/// See [`SourceEngine::reads`](dzconn_core::SourceEngine::reads).
pub(crate) async fn reads(session: &mut Session, user: &UserName, table: &TableName) -> Result<Reads> {
    let user = User::new(user)?;
    let Some(table) = Table::new(table) else { return Ok(Reads::No) };
    let unreadable = |refused: Refused| refused.into_error("the privileges cannot be read");
    let present = match session.wire.run(look::present(user, table)).await? {
        Ok(rows) => texts(&rows),
        Err(refused) if refused.may_not_look() => return Ok(Reads::CannotTell(needs(session, ""))),
        Err(refused) => return Err(unreadable(refused)),
    };
    let is_there = |what: &str| present.iter().any(|row| row.first().is_some_and(|found| found == what));
    let mut holders = Holders::new(user);
    let mut ways = Vec::new();
    while let Some(fresh) = holders.next() {
        let found = match session.wire.run(look::ways(&fresh, table, session.facts.schemas)).await? {
            Ok(rows) => texts(&rows),
            Err(refused) if refused.may_not_look() => return Ok(Reads::CannotTell(needs(session, ""))),
            Err(refused) => return Err(unreadable(refused)),
        };
        for row in &found {
            let [way, holder, what, ..] = columns(row);
            let who = holders.spell(holder);
            match way {
                "object" => ways.push(format!("{what}, granted to {who}")),
                "system" => ways.push(format!("the system privilege {what}, granted to {who}")),
                "schema" => ways.push(format!("{what} on the schema {}, granted to {who}", sql::spell(table.owner))),
                "role" => {
                    holders.add(what);
                }
                _ => {}
            }
        }
    }
    if !is_there("user") || !is_there("table") {
        return Ok(Reads::No);
    }
    if table.owner == user.name() {
        ways.push(format!("{user} owns it"));
    }
    ways.sort_unstable();
    ways.dedup();
    Ok(if ways.is_empty() { Reads::No } else { Reads::Yes(ways) })
}

/// See [`SourceEngine::excess`](dzconn_core::SourceEngine::excess).
pub(crate) async fn excess(
    session: &mut Session,
    user: &UserName,
    granted: &[TableName],
    limit: usize,
) -> Result<Vec<String>> {
    let user = User::new(user)?;
    let mut found = Vec::new();
    // What was granted is among the rows, and is not excess.
    let most = u64::try_from(limit.saturating_add(granted.len().saturating_mul(Read::BOTH.len()))).unwrap_or(u64::MAX);
    let mut holders = Holders::new(user);
    let mut first = true;
    while let Some(fresh) = holders.next().filter(|_| found.len() < limit) {
        let mut looks = vec![look::privileges(&fresh, session.facts.schemas, most)];
        if std::mem::replace(&mut first, false) {
            looks.push(look::possessions(user, most));
        }
        for look in looks {
            match session.wire.run(look).await? {
                Ok(rows) => collect(&mut holders, &texts(&rows), granted, &mut found),
                Err(refused) if refused.may_not_look() => {
                    found.truncate(limit.saturating_sub(1));
                    let needs = needs(session, ", DBA_COL_PRIVS, DBA_PROXIES");
                    found.push(format!("what else it may do cannot be told: {needs}"));
                    found.truncate(limit);
                    return Ok(found);
                }
                Err(refused) => return Err(refused.into_error("the privileges cannot be read")),
            }
        }
    }
    found.truncate(limit);
    Ok(found)
}

/// The sentences in one answer to [`excess`].
fn collect(holders: &mut Holders, rows: &[Vec<String>], granted: &[TableName], found: &mut Vec<String>) {
    for row in rows {
        let [way, holder, what, owner, name] = columns(row);
        match way {
            "object" | "column" => {
                let is_granted = granted
                    .iter()
                    .any(|table| table.schema() == Some(owner) && table.name() == name && way == "object");
                if !(is_granted && Read::BOTH.iter().any(|read| read.name() == what)) {
                    let on = if way == "column" { "columns of " } else { "" };
                    found.push(format!(
                        "{} has {what} on {on}{}",
                        holders.spell(holder),
                        sql::spell_table(owner, name)
                    ));
                }
            }
            "system" => found.push(format!("{} has the system privilege {what}", holders.spell(holder))),
            "schema" => {
                found.push(format!("{} has {what} on the schema {}", holders.spell(holder), sql::spell(owner)));
            }
            "role" if holders.add(what) => {
                found.push(format!("{} has {}", holders.spell(holder), holders.spell(what)));
            }
            // Here the second column is a name, and the third a type.
            "owns" => found.push(format!("it owns the {} {}", what.to_lowercase(), sql::spell(holder))),
            "proxy" => found.push(format!("it may log in as {}", sql::spell(holder))),
            _ => {}
        }
    }
}

/// See [`SourceEngine::users`](dzconn_core::SourceEngine::users).
pub(crate) async fn users(session: &mut Session, prefix: &str) -> Result<Vec<UserName>> {
    let rows = session.wire.run(look::users(prefix)).await?;
    let rows = rows.map_err(|refused| refused.into_error("the users cannot be listed"))?;
    texts(&rows).into_iter().filter_map(|row| row.into_iter().next()).map(UserName::new).collect()
}

/// See [`SourceEngine::granted`](dzconn_core::SourceEngine::granted).
pub(crate) async fn granted(session: &mut Session, user: &UserName) -> Result<Vec<TableName>> {
    let user = User::new(user)?;
    let rows = match session.wire.run(look::all_own_reads(user)).await? {
        Ok(rows) => texts(&rows),
        Err(refused) if refused.may_not_look() => {
            let what = format!("what {user} was granted cannot be told");
            let needs = needs(session, "");
            return Err(refused.into_error_of(ErrorKind::AdminDenied, &what).advise(needs));
        }
        Err(refused) => return Err(refused.into_error("the privileges cannot be read")),
    };
    let names = rows.iter().map(|row| columns(row));
    let mut tables = names
        .map(|[_, owner, name, ..]| TableName::in_schema(&session.facts.database, owner, name))
        .collect::<Result<Vec<_>>>()?;
    tables.sort();
    tables.dedup();
    Ok(tables)
}

/// Some of what a user owns, for people.
pub(crate) async fn owned(session: &mut Session, user: User<'_>) -> Result<String> {
    let rows = session.wire.run(look::owned(user, 4)).await?.map(|rows| texts(&rows)).unwrap_or_default();
    let mut names: Vec<String> = rows
        .iter()
        .map(|row| columns(row))
        .map(|[kind, name, ..]| format!("{} {}", kind.to_lowercase(), sql::spell(name)))
        .collect();
    if names.is_empty() {
        return Ok("objects that the admin does not see".to_owned());
    }
    if names.len() > 3 {
        names.truncate(3);
        names.push("more".to_owned());
    }
    Ok(names.join(", "))
}

/// Why a grant was refused. To an admin without any privilege on a table, the server says that it does not exist.
pub(crate) async fn may_not_grant(
    session: &mut Session,
    refused: Refused,
    table: Table<'_>,
    what: &str,
) -> Result<Error> {
    let kind = refused.kind();
    if !(refused.may_not_look() || matches!(kind, ErrorKind::NoGrantOption | ErrorKind::TableNotFound)) {
        return Ok(refused.into_error(what));
    }
    let needs = sql::admin_needs(session.facts.read, table, &session.facts.admin);
    if kind == ErrorKind::NoGrantOption {
        // 1720: it is a view, and what lacks is its owner's.
        return Ok(refused.into_error(what).advise(format!(
            "the view reads what its owner may not pass on: have the owner of each table below it run GRANT SELECT ON ... TO \
             {} WITH GRANT OPTION",
            sql::spell(table.owner)
        )));
    }
    let seen = session.objects(|catalog| look::table(catalog, table)).await?;
    let seen = seen.is_ok_and(|rows| !rows.is_empty());
    if seen {
        let advice = format!("have {} or a DBA run: {needs}", sql::spell(table.owner));
        return Ok(refused.into_error_of(ErrorKind::NoGrantOption, what).advise(advice));
    }
    let advice = format!("check that the table exists; if it does, have its owner or a DBA run: {needs}");
    Ok(refused
        .into_error_of(ErrorKind::TableNotFound, &format!("{what}, and the admin sees no such table"))
        .advise(advice))
}

/// A revoke was refused: what is left decides. The server refuses with 1927 what somebody else granted, and with 942 or 1031
/// where the admin has no right on the table at all.
pub(crate) async fn not_taken_back(
    session: &mut Session,
    refused: Refused,
    user: User<'_>,
    table: Table<'_>,
    what: &str,
) -> Result<()> {
    let left = session.wire.run(look::own_reads(user, table)).await?;
    let left = texts(&left.map_err(|refused| refused.into_error(what))?);
    if left.is_empty() {
        return Ok(());
    }
    if refused.number != number::NOT_GRANTED && !refused.may_not_look() {
        return Err(refused.into_error(what));
    }
    let by = left.iter().map(|row| columns(row)).map(|[privilege, grantor, ..]| (grantor, privilege));
    let mut by: Vec<_> = by.collect();
    by.sort_unstable();
    by.dedup();
    let grants: Vec<_> = by.iter().map(|(who, privilege)| format!("{privilege} by {}", sql::spell(who))).collect();
    let undo: Vec<_> = by
        .iter()
        .map(|(who, privilege)| format!("REVOKE {privilege} ON {table} FROM {user} as {}", sql::spell(who)))
        .collect();
    let what = format!("{what}: it was granted {}", grants.join(", "));
    Err(refused.into_error_of(ErrorKind::GrantedByOther, &what).advise(format!(
        "run {}; or GRANT ANY OBJECT PRIVILEGE TO {}, which takes back what an owner granted",
        undo.join("; "),
        session.facts.admin
    )))
}
