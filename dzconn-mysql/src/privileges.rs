//! Which privileges a user has, read from the grant tables: its own, those of its roles, those that everybody has.
//!
//! What is counted and what is not is said in the [crate]'s documentation, "What is read back".

use dzconn_core::engine::{Reads, Refusal};
use dzconn_core::model::{TableName, UserName};
use dzconn_core::{Error, ErrorKind, Result};

use crate::engine::Facts;
use crate::sql::look::{self, Holder};
use crate::sql::{self, Account, Flavor};
use crate::wire::{Answers, Wire};

/// The rows are read with these names; a row that is shorter has empty ones.
type Row<'a> = [&'a str; 6];

fn rows(answers: &Answers, place: usize) -> impl Iterator<Item = Row<'_>> {
    answers.rows(place).iter().map(|row| {
        let mut values = row.iter().map(String::as_str);
        std::array::from_fn(|_| values.next().unwrap_or_default())
    })
}

/// A user and, one step after the other, the roles that it and they may take.
///
/// A role counts whether it is active at login or not: whoever has it may take it (`SET ROLE`).
struct Holders<'a> {
    account: Account<'a>,
    facts: &'a Facts,
    /// Those whose privileges have been read come first.
    all: Vec<Holder>,
    /// How many have been.
    read: usize,
}

impl<'a> Holders<'a> {
    fn new(account: Account<'a>, facts: &'a Facts) -> Self {
        let mut all = vec![Holder { user: account.user().to_owned(), host: None }];
        if facts.mariadb {
            // From 10.11 on everybody is in it; before, no row has this name.
            all.push(Holder { user: "PUBLIC".to_owned(), host: Some(String::new()) });
        }
        all.extend(facts.mandatory_roles.iter().cloned());
        Self { account, facts, all, read: 0 }
    }

    /// Those that are still to be read.
    fn next(&mut self) -> Option<Vec<Holder>> {
        let fresh: Vec<_> = self.all.iter().skip(self.read).cloned().collect();
        self.read = self.all.len();
        (!fresh.is_empty()).then_some(fresh)
    }

    /// Adds the role of a row of [`look::roles`], unless it is there.
    fn add_role(&mut self, [user, host, role, role_host, ..]: Row<'_>) -> bool {
        let role = Holder { user: role.to_owned(), host: Some(role_host.to_owned()) };
        let new = self.has(user, host) && !self.all.contains(&role);
        if new {
            self.all.push(role);
        }
        new
    }

    /// Whether this is one of them, and not only what the server takes for equal.
    fn has(&self, user: &str, host: &str) -> bool {
        self.all.iter().any(|holder| holder.user == user && holder.host.as_deref().is_none_or(|h| h == host))
    }

    /// What is granted on everything counts only for the account that logs in.
    fn has_globally(&self, user: &str, host: &str) -> bool {
        self.has(user, host) && (user != self.account.user() || host == Account::HOST || host.is_empty())
    }

    fn is_account(&self, user: &str, host: &str) -> bool {
        user == self.account.user() && host == Account::HOST
    }

    fn spell(&self, user: &str, host: &str) -> String {
        match (user, host) {
            ("PUBLIC", "") if self.facts.mariadb => "PUBLIC".to_owned(),
            ("", _) => "everybody (the anonymous user)".to_owned(),
            (role, "") if self.facts.mariadb => format!("the role {}", sql::spell_name(role)),
            (user, host) => sql::spell_account(user, host),
        }
    }
}

/// What the admin needs to see all of this.
fn needs(flavor: Flavor, also: &str) -> String {
    let roles = match flavor {
        Flavor::MySql => "mysql.role_edges",
        Flavor::MariaDb => "mysql.roles_mapping",
    };
    format!("the admin lacks SELECT on some of mysql.tables_priv, mysql.db, mysql.user, {roles}{also}")
}

fn unreadable(refusal: Refusal) -> Error {
    refusal.into_error("the grant tables cannot be read")
}

/// See [`SourceEngine::reads`](dzconn_core::SourceEngine::reads).
pub(crate) async fn reads(wire: &mut Wire, facts: &Facts, user: &UserName, table: &TableName) -> Result<Reads> {
    let account = Account::new(user)?;
    if !sql::can_exist(table) {
        return Ok(Reads::No);
    }
    let mut holders = Holders::new(account, facts);
    let mut ways = Vec::new();
    let mut first = true;
    while let Some(fresh) = holders.next() {
        let answers = wire
            .run(vec![
                look::table(table),
                look::table_readers(&fresh, table, facts.folds),
                look::database_readers(&fresh, table, facts.folds),
                look::global_privileges(&fresh),
                look::roles(wire.flavor, &fresh),
            ])
            .await?;
        if first {
            let visible = rows(&answers, 0).any(|[database, name, ..]| same(facts, table, database, name));
            let account_is_gone =
                answers.done.len() > 3 && !rows(&answers, 3).any(|[user, host, ..]| holders.is_account(user, host));
            if account_is_gone || !visible && is_missing(wire, table).await? {
                return Ok(Reads::No);
            }
        }
        first = false;
        for [user, host, database, name, privileges, _] in rows(&answers, 1) {
            if holders.has(user, host) && same(facts, table, database, name) {
                let what = if has(privileges, "Select") { "SELECT" } else { "SELECT on some columns" };
                ways.push(format!("{what}, granted to {}", holders.spell(user, host)));
            }
        }
        for [user, host, pattern, ..] in rows(&answers, 2) {
            if user.is_empty() || holders.has(user, host) {
                let pattern = sql::spell_name(pattern);
                ways.push(format!("SELECT on {pattern}.*, granted to {}", holders.spell(user, host)));
            }
        }
        for [user, host, privileges, ..] in rows(&answers, 3) {
            if holders.has_globally(user, host) && has(privileges, "SELECT") {
                ways.push(format!("SELECT on *.*, granted to {}", holders.spell(user, host)));
            }
        }
        for row in rows(&answers, 4) {
            holders.add_role(row);
        }
        match answers.refused {
            None => {}
            Some(refusal) if !refusal.is_denied() => return Err(unreadable(refusal)),
            Some(_) if ways.is_empty() => return Ok(Reads::CannotTell(needs(wire.flavor, ""))),
            Some(_) => break,
        }
    }
    ways.sort_unstable();
    ways.dedup();
    Ok(if ways.is_empty() { Reads::No } else { Reads::Yes(ways) })
}

/// The admin does not see a table on which it has no privilege; asking for its rows tells more.
async fn is_missing(wire: &mut Wire, table: &TableName) -> Result<bool> {
    let refused = wire.run(vec![look::probe(table)]).await?.refused;
    Ok(refused.is_some_and(|r| matches!(r.kind(), ErrorKind::TableNotFound | ErrorKind::NameTooLong)))
}

/// See [`SourceEngine::excess`](dzconn_core::SourceEngine::excess).
pub(crate) async fn excess(
    wire: &mut Wire,
    facts: &Facts,
    user: &UserName,
    granted: &[TableName],
    limit: usize,
) -> Result<Vec<String>> {
    let mut holders = Holders::new(Account::new(user)?, facts);
    let mut found = Vec::new();
    // What was granted is among the rows, and is not excess.
    let most = u64::try_from(limit.saturating_add(granted.len())).unwrap_or(u64::MAX);
    while let Some(fresh) = holders.next() {
        if found.len() >= limit {
            break;
        }
        let mut statements = vec![
            look::table_privileges(&fresh, most),
            look::database_privileges(&fresh),
            look::global_privileges(&fresh),
            look::roles(wire.flavor, &fresh),
            look::routine_privileges(&fresh, most),
            look::proxies(&fresh),
        ];
        if wire.flavor == Flavor::MySql {
            statements.push(look::dynamic_privileges(&fresh));
        }
        let answers = wire.run(statements).await?;
        collect(&mut holders, &answers, granted, &mut found);
        match answers.refused {
            None => {}
            Some(refusal) if !refusal.is_denied() => return Err(unreadable(refusal)),
            Some(_) => {
                let also = match wire.flavor {
                    Flavor::MySql => ", mysql.procs_priv, mysql.proxies_priv, mysql.global_grants",
                    Flavor::MariaDb => ", mysql.procs_priv, mysql.proxies_priv",
                };
                found.truncate(limit.saturating_sub(1));
                found.push(format!("what else it may do cannot be told: {}", needs(wire.flavor, also)));
                break;
            }
        }
    }
    found.truncate(limit);
    Ok(found)
}

/// See [`SourceEngine::users`](dzconn_core::SourceEngine::users).
pub(crate) async fn users(wire: &mut Wire, prefix: &str) -> Result<Vec<UserName>> {
    let answers = wire.run(vec![look::users(prefix)]).await?.or_refused("the accounts cannot be looked at")?;
    let names = rows(&answers, 0).map(|[user, ..]| user).filter(|user| user.starts_with(prefix));
    names.map(UserName::new).collect()
}

/// See [`SourceEngine::granted`](dzconn_core::SourceEngine::granted).
pub(crate) async fn granted(wire: &mut Wire, user: &UserName) -> Result<Vec<TableName>> {
    let account = Account::new(user)?;
    let answers = wire.run(vec![look::granted(account)]).await?.or_refused("the grant tables cannot be read")?;
    let own = rows(&answers, 0).filter(|[user, ..]| *user == account.user());
    own.map(|[_, _, database, name, ..]| TableName::in_database(database, name)).collect()
}

/// The sentences in one batch of [`excess`]'s answers.
fn collect(holders: &mut Holders<'_>, answers: &Answers, granted: &[TableName], found: &mut Vec<String>) {
    for [user, host, database, name, on_table, on_columns] in rows(answers, 0) {
        if !holders.has(user, host) {
            continue;
        }
        let is_granted = granted.iter().any(|table| same(holders.facts, table, database, name));
        let beyond = |privileges: &str| {
            let each = privileges.split(',').filter(|p| !(p.is_empty() || is_granted && *p == "Select"));
            each.map(str::to_uppercase).collect::<Vec<_>>().join(", ")
        };
        let table = sql::spell_table(database, name);
        for (privileges, on) in [(beyond(on_table), ""), (beyond(on_columns), "columns of ")] {
            if !privileges.is_empty() {
                found.push(format!("{} has {privileges} on {on}{table}", holders.spell(user, host)));
            }
        }
    }
    for [user, host, pattern, privileges, ..] in rows(answers, 1) {
        if (user.is_empty() || holders.has(user, host)) && !privileges.is_empty() {
            let pattern = sql::spell_name(pattern);
            found.push(format!("{} has {} on {pattern}.*", holders.spell(user, host), spaced(privileges)));
        }
    }
    for [user, host, privileges, ..] in rows(answers, 2) {
        if holders.has_globally(user, host) {
            if !privileges.is_empty() {
                found.push(format!("{} has {} on *.*", holders.spell(user, host), spaced(privileges)));
            }
        } else if user == holders.account.user() {
            let account = holders.spell(user, host);
            found.push(format!("there is also {account}, and from there logins are that account's"));
        }
    }
    for row in rows(answers, 3) {
        let [user, host, role, role_host, ..] = row;
        if holders.add_role(row) {
            found.push(format!("{} may take {}", holders.spell(user, host), holders.spell(role, role_host)));
        }
    }
    for [user, host, database, routine, privileges, _] in rows(answers, 4) {
        if holders.has(user, host) {
            let routine = sql::spell_table(database, routine);
            let privileges = spaced(privileges).to_uppercase();
            found.push(format!("{} has {privileges} on the routine {routine}", holders.spell(user, host)));
        }
    }
    for [user, host, proxied, proxied_host, ..] in rows(answers, 5) {
        if holders.has(user, host) {
            let proxied = sql::spell_account(proxied, proxied_host);
            found.push(format!("{} may act as {proxied}", holders.spell(user, host)));
        }
    }
    for [user, host, privilege, ..] in rows(answers, 6) {
        if holders.has_globally(user, host) {
            found.push(format!("{} has {privilege} on *.*", holders.spell(user, host)));
        }
    }
}

fn spaced(privileges: &str) -> String {
    privileges.replace(',', ", ")
}

fn has(privileges: &str, one: &str) -> bool {
    privileges.split(',').any(|privilege| privilege == one)
}

/// Whether a row's names are the table's.
fn same(facts: &Facts, table: &TableName, database: &str, name: &str) -> bool {
    let equal = |a: &str, b: &str| a == b || facts.folds && a.to_lowercase() == b.to_lowercase();
    equal(table.database(), database) && equal(table.name(), name)
}
