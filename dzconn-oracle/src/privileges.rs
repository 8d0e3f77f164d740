//! Reading back who may what, and explaining refusals: which privilege lacks, and who must give it.
//!
//! What is counted and what is not is said in the [crate]'s documentation, "What is read back".

use dzconn_core::engine::{Reads, Refusal};
use dzconn_core::model::{TableName, UserName};
use dzconn_core::{Error, ErrorKind, Result};

use crate::engine::{Session, texts};
use crate::error::{advice, explained, may_not_look, number};
use crate::sql::look::{self, Catalog};
use crate::sql::{self, Read, Table, User};

/// The rows are read with these names; a row that is shorter has empty ones.
type Row<'a> = [&'a str; 6];

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
    let unreadable = |refused: Refusal| explained(refused, "the privileges cannot be read");
    let present = match session.wire.run(look::present(user, table)).await? {
        Ok(rows) => texts(&rows),
        Err(refused) if may_not_look(&refused) => return Ok(Reads::CannotTell(needs(session, ""))),
        Err(refused) => return Err(unreadable(refused)),
    };
    let is_there = |what: &str| present.iter().any(|row| row.first().is_some_and(|found| found == what));
    let mut holders = Holders::new(user);
    let mut ways = Vec::new();
    while let Some(fresh) = holders.next() {
        let found = match session.wire.run(look::ways(&fresh, table, session.facts.schemas)).await? {
            Ok(rows) => texts(&rows),
            Err(refused) if may_not_look(&refused) => return Ok(Reads::CannotTell(needs(session, ""))),
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
                Ok(rows) => collect(&mut holders, &texts(&rows), session.facts.read, granted, &mut found),
                Err(refused) if may_not_look(&refused) => {
                    found.truncate(limit.saturating_sub(1));
                    let needs = needs(session, ", DBA_COL_PRIVS, DBA_PROXIES");
                    found.push(format!("what else it may do cannot be told: {needs}"));
                    found.truncate(limit);
                    return Ok(found);
                }
                Err(refused) => return Err(explained(refused, "the privileges cannot be read")),
            }
        }
    }
    found.truncate(limit);
    Ok(found)
}

/// The sentences in one answer to [`excess`]. On what was granted only that is no excess which a grant gives today: an older
/// version or system may have given SELECT where READ is enough.
fn collect(holders: &mut Holders, rows: &[Vec<String>], read: Read, granted: &[TableName], found: &mut Vec<String>) {
    for row in rows {
        let [way, holder, what, owner, name, option] = columns(row);
        let option = if option == "YES" { ", and may pass it on" } else { "" };
        match way {
            "object" | "column" => {
                let is_granted = way == "object" && what == read.name() && option.is_empty();
                if !(is_granted && granted.iter().any(|table| table.schema() == Some(owner) && table.name() == name)) {
                    let on = if way == "column" { "columns of " } else { "" };
                    let table = sql::spell_table(owner, name);
                    found.push(format!("{} has {what} on {on}{table}{option}", holders.spell(holder)));
                }
            }
            "system" => found.push(format!("{} has the system privilege {what}{option}", holders.spell(holder))),
            "schema" => {
                let schema = sql::spell(owner);
                found.push(format!("{} has {what} on the schema {schema}{option}", holders.spell(holder)));
            }
            "role" => {
                let new = holders.add(what);
                if new || !option.is_empty() {
                    found.push(format!("{} has {}{option}", holders.spell(holder), holders.spell(what)));
                }
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
    let rows = rows.map_err(|refused| explained(refused, "the users cannot be listed"))?;
    texts(&rows).into_iter().filter_map(|row| row.into_iter().next()).map(UserName::new).collect()
}

/// See [`SourceEngine::granted`](dzconn_core::SourceEngine::granted).
pub(crate) async fn granted(session: &mut Session, user: &UserName) -> Result<Vec<TableName>> {
    let user = User::new(user)?;
    let rows = match session.wire.run(look::all_own_reads(Catalog::Dba, user)).await? {
        Ok(rows) => texts(&rows),
        Err(refused) if may_not_look(&refused) => {
            let what = format!("what {user} was granted cannot be told");
            let needs = needs(session, "");
            return Err(refused.into_error_of(ErrorKind::AdminDenied, &what).advise(needs));
        }
        Err(refused) => return Err(explained(refused, "the privileges cannot be read")),
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
    refused: Refusal,
    table: Table<'_>,
    what: &str,
) -> Result<Error> {
    let kind = refused.kind();
    if !(may_not_look(&refused) || matches!(kind, ErrorKind::NoGrantOption | ErrorKind::TableNotFound)) {
        return Ok(explained(refused, what));
    }
    let needs = sql::admin_needs(session.facts.read, table, &session.facts.admin);
    if kind == ErrorKind::NoGrantOption {
        // 1720: it is a view, and what lacks is its owner's.
        return Ok(explained(refused, what).advise(format!(
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

/// Nothing was there to be taken back. A table that was dropped may lie in the recycle bin with the grant, though, and come back
/// with it. An admin that may not look there does not know.
pub(crate) async fn not_recycled(session: &mut Session, user: User<'_>, table: Table<'_>, what: &str) -> Result<()> {
    let found = session.wire.run(look::recycled(user, table)).await?;
    let found = match found {
        Ok(rows) => texts(&rows),
        Err(refused) if may_not_look(&refused) => return Ok(()),
        Err(refused) => return Err(explained(refused, what)),
    };
    let Some([name, privilege, ..]) = found.first().map(|row| columns(row)) else { return Ok(()) };
    let what =
        format!("{what}: the table was dropped and is {} in the recycle bin, with {privilege}", sql::spell(name));
    let error = Error::new(ErrorKind::TableNotFound, what);
    Err(match advice(number::IN_RECYCLE_BIN) {
        Some(advice) => error.advise(advice),
        None => error,
    })
}

/// A revoke was refused: what is left decides. The server refuses with 1927 what somebody else granted, and with 942 or 1031
/// where the admin has no right on the table at all.
pub(crate) async fn not_taken_back(
    session: &mut Session,
    refused: Refusal,
    user: User<'_>,
    table: Table<'_>,
    what: &str,
) -> Result<()> {
    let left = session.wire.run(look::own_reads(Catalog::Dba, user, table)).await?;
    let left = texts(&left.map_err(|refused| explained(refused, what))?);
    if left.is_empty() {
        return Ok(());
    }
    if refused.number() != number::NOT_GRANTED && !may_not_look(&refused) {
        return Err(explained(refused, what));
    }
    let (what, advice) = by_others(session, &left, user, table, what);
    Err(refused.into_error_of(ErrorKind::GrantedByOther, &what).advise(advice))
}

/// What is left of an admin's own grants after it took them back, or of others' on what it owns, if it sees no more than these.
pub(crate) fn left_of_own(
    session: &Session,
    left: &[Vec<String>],
    user: User<'_>,
    table: Table<'_>,
    what: &str,
) -> Error {
    let by_other = |[_, grantor, ..]: Row<'_>| sql::spell(grantor) != session.facts.admin;
    if left.iter().map(|row| columns(row)).any(by_other) {
        let (what, advice) = by_others(session, left, user, table, what);
        return Error::new(ErrorKind::GrantedByOther, what).advise(advice);
    }
    Error::new(ErrorKind::Unexpected, format!("{what}, though the server said so"))
}

/// Who granted what is left, and who must take it back.
fn by_others(
    session: &Session,
    left: &[Vec<String>],
    user: User<'_>,
    table: Table<'_>,
    what: &str,
) -> (String, String) {
    let by = left.iter().map(|row| columns(row)).map(|[privilege, grantor, ..]| (grantor, privilege));
    let mut by: Vec<_> = by.collect();
    by.sort_unstable();
    by.dedup();
    let grants: Vec<_> = by.iter().map(|(who, privilege)| format!("{privilege} by {}", sql::spell(who))).collect();
    let undo: Vec<_> = by
        .iter()
        .map(|(who, privilege)| format!("REVOKE {privilege} ON {table} FROM {user} as {}", sql::spell(who)))
        .collect();
    let advice = format!(
        "run {}; or GRANT ANY OBJECT PRIVILEGE TO {}, which takes back what an owner granted",
        undo.join("; "),
        session.facts.admin
    );
    (format!("{what}: it was granted {}", grants.join(", ")), advice)
}
