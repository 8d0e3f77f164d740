//! Which privileges a user has, read from the catalog: its own, those of its roles, those that everybody has, and what is
//! denied.
//!
//! What is counted and what is not is said in the [crate]'s documentation, "What is read back".

use dzconn_core::Result;
use dzconn_core::engine::Reads;
use dzconn_core::model::{TableName, UserName};

use crate::engine::{Facts, Located, Table, locate, table};
use crate::sql::look;
use crate::sql::{self, Place, Principal};
use crate::wire::{Wire, any, columns};

/// The ids of PUBLIC and of the owner in every database.
const PUBLIC: i64 = 0;
const DBO: i64 = 1;

/// SELECT that a user has itself on a table, or on one of its columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Own {
    pub(crate) column: Option<String>,
    pub(crate) grantor: String,
}

/// What decides whether a user reads a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reading {
    /// Whether the admin sees all of it.
    pub(crate) sees_all: bool,
    /// The user's own SELECT on the table.
    pub(crate) own: Vec<Own>,
    /// Who denied it SELECT on the table, itself.
    pub(crate) own_denials: Vec<String>,
    /// By what it reads, in words.
    ways: Vec<String>,
    /// Ways that no DENY closes: it owns the table, or has a column that is granted by name.
    open_ways: Vec<String>,
    /// What is denied, in words.
    pub(crate) denied: Vec<String>,
}

impl Reading {
    /// A DENY wins over what is granted on the same or a wider thing.
    fn by(self) -> Vec<String> {
        let mut ways = self.open_ways;
        if self.denied.is_empty() {
            ways.extend(self.ways);
        }
        ways.sort_unstable();
        ways.dedup();
        ways
    }
}

/// A principal of a database whose privileges a user has: its id, and how people write it.
type Holder = (i64, String);

/// A user, PUBLIC, and the roles that they are in, one step after the other.
async fn holders(wire: &mut Wire, place: Place<'_>, user: i64) -> Result<Vec<Holder>> {
    let mut all: Vec<Holder> = vec![(user, "its own".to_owned()), (PUBLIC, "public".to_owned())];
    let mut read = 0;
    while read < all.len() {
        let fresh: Vec<i64> = all.iter().skip(read).map(|(id, _)| *id).collect();
        read = all.len();
        let answers = wire.run(look::roles(place, &fresh)).await?.or_refused("the roles cannot be looked for")?;
        for row in answers.rows(0) {
            let [_, id, name] = columns(row);
            let Ok(id) = id.parse() else { continue };
            if !all.iter().any(|(known, _)| *known == id) {
                all.push((id, name.to_owned()));
            }
        }
    }
    Ok(all)
}

/// Roles that every database has ("Database-Level Roles").
fn reads_by_membership(role: &str) -> bool {
    matches!(role, "db_owner" | "db_datareader")
}

async fn sees_all(wire: &mut Wire, database: &str) -> Result<(bool, bool)> {
    let answers = wire.run(look::may_look(database)).await?.or_refused("what the admin may see")?;
    let [definition, security] = columns(answers.rows(0).first().map_or(&[][..], Vec::as_slice));
    Ok((definition == "1", security == "1"))
}

/// What the admin needs to see who may what.
fn needs(database: &str) -> String {
    format!("the admin lacks VIEW DEFINITION on the database {}", sql::spell_name(database))
}

/// Whether the admin sees everything that a user was granted in a database.
pub(crate) enum Sight {
    Whole,
    /// Not all, and what the admin lacks.
    Partial(String),
}

/// Whether the admin sees everything that a user was granted there. VIEW SECURITY DEFINITION shows every grant, and not every
/// table that it is on.
pub(crate) async fn sight(wire: &mut Wire, place: Place<'_>, database: &str, user: i64) -> Result<Sight> {
    match sees_all(wire, database).await? {
        (true, _) => return Ok(Sight::Whole),
        (false, false) => return Ok(Sight::Partial(needs(database))),
        (false, true) => {}
    }
    let answers = wire.run(look::unseen(place, &[user])).await?.or_refused("the privileges cannot be looked for")?;
    let on_tables = answers.rows(0).iter().any(|row| row.first().is_some_and(|class| class == "1"));
    Ok(if on_tables { Sight::Partial(needs(database)) } else { Sight::Whole })
}

/// Who a user is in a database.
struct Presence {
    /// The user of its name, if that is dzconn's, or of its login, whatever its name.
    id: Option<i64>,
    /// Whether it owns the database.
    owns: bool,
    /// What the admin lacks to tell that there is no user, if it sees none.
    lacks: Option<String>,
}

async fn presence(wire: &mut Wire, facts: &Facts, place: Place<'_>, user: Principal<'_>) -> Result<Presence> {
    let database = place.unwrap_or(&facts.database);
    let query = look::user(place, database, user.name(), !facts.makes_contained());
    let answers = wire.run(query).await?.or_refused("the user cannot be looked for")?;
    let mut presence = Presence { id: None, owns: false, lacks: None };
    for row in answers.rows(0) {
        let [name, kind, authentication, login, id, _, _, _, is_login] = columns(row);
        let Ok(id) = id.parse() else { continue };
        let is_named = name == user.name() && (authentication == "2" || login == user.name());
        if is_login == "1" && id == DBO {
            presence.owns = true;
        } else if kind.trim() == "S" && (is_named || is_login == "1" && presence.id.is_none()) {
            presence.id = Some(id);
        }
    }
    if presence.id.is_none() && !any(answers.rows(1)) {
        let database = sql::spell_name(database);
        presence.lacks = Some(format!("the admin lacks ALTER ANY USER or VIEW DEFINITION on the database {database}"));
    }
    Ok(presence)
}

/// Reads what decides whether a user reads a table.
pub(crate) async fn reading(
    wire: &mut Wire,
    place: Place<'_>,
    database: &str,
    user: i64,
    table: &Table,
) -> Result<Reading> {
    let (definition, security) = sees_all(wire, database).await?;
    let holders = holders(wire, place, user).await?;
    let ids: Vec<i64> = holders.iter().map(|(id, _)| *id).collect();
    let answers = wire.run(look::reading(place, &ids, table.ids)).await?;
    let answers = answers.or_refused("the privileges cannot be looked for")?;
    let mut reading = Reading { sees_all: definition || security, ..Reading::default() };
    for row in answers.rows(0) {
        reading.add(user, columns(row));
    }
    for (id, name) in &holders {
        if *id == table.owner {
            let who = if *id == user { "the user" } else { name.as_str() };
            reading.open_ways.push(format!("{who} owns the table"));
        }
        if *id != user && reads_by_membership(name) {
            reading.ways.push(format!("the role {name}"));
        }
        if *id != user && name == "db_denydatareader" {
            reading.denied.push("the role db_denydatareader".to_owned());
        }
    }
    Ok(reading)
}

impl Reading {
    fn add(&mut self, user: i64, row: [&str; 8]) {
        let [class, column_id, column, permission, state, grantee_id, grantee, grantor] = row;
        let is_own = grantee_id.parse() == Ok(user);
        let column = (column_id != "0").then(|| column.to_owned());
        let on = match (class, &column) {
            ("0", _) => "the database",
            ("3", _) => "the schema",
            (_, None) => "the table",
            (_, Some(_)) => "some columns",
        };
        let to = if is_own { String::new() } else { format!(", granted to {}", sql::spell_name(grantee)) };
        let on_table = class == "1" && permission == "SELECT" && is_own;
        match (state.trim(), &column) {
            ("G" | "W", _) => {
                let way = format!("{permission} on {on}{to}, by {}", sql::spell_name(grantor));
                if column.is_some() { &mut self.open_ways } else { &mut self.ways }.push(way);
                if on_table {
                    self.own.push(Own { column, grantor: grantor.to_owned() });
                }
            }
            // What is denied on a column leaves the others.
            ("D", None) => {
                self.denied.push(format!("{permission} on {on}, to {}", sql::spell_name(grantee)));
                if on_table {
                    self.own_denials.push(grantor.to_owned());
                }
            }
            ("D", Some(_)) if on_table => self.own_denials.push(grantor.to_owned()),
            _ => {}
        }
    }
}

/// What a login may read by its place on the server: (whatever is denied, unless it is denied).
async fn server_ways(wire: &mut Wire, user: Principal<'_>) -> Result<(Vec<String>, Vec<String>)> {
    let answers = wire.run(look::server_roles(user)).await?.or_refused("the server's roles cannot be looked for")?;
    let roles = answers.rows(0).iter().filter_map(|row| row.first());
    let always = roles.filter(|role| *role == "sysadmin").map(|role| format!("the server role {role}")).collect();
    let answers = wire.run(look::server_permissions(user)).await?;
    let answers = answers.or_refused("the server's permissions cannot be looked for")?;
    let ways = answers.rows(0).iter().filter_map(|row| {
        let [permission, state, grantee] = columns(row);
        let reads = matches!(permission, "CONTROL SERVER" | "SELECT ALL USER SECURABLES");
        (reads && matches!(state.trim(), "G" | "W"))
            .then(|| format!("{permission}, granted to {}", sql::spell_name(grantee)))
    });
    Ok((always, ways.collect()))
}

/// See [`SourceEngine::reads`](dzconn_core::SourceEngine::reads).
pub(crate) async fn reads(wire: &mut Wire, facts: &Facts, user: &UserName, name: &TableName) -> Result<Reads> {
    let principal = Principal::new(user)?;
    let Some(object) = sql::object(name) else { return Ok(Reads::No) };
    let place = match locate(wire, facts, name.database()).await? {
        Located::At { place, .. } => place,
        Located::Missing => return Ok(Reads::No),
        Located::Closed(error) => return Ok(Reads::CannotTell(error.detail().to_owned())),
    };
    let (mut always, mut unless_denied) = (Vec::new(), Vec::new());
    if !facts.azure {
        let answers = wire.run(look::login(principal)).await?.or_refused("the login cannot be looked for")?;
        match answers.rows(0).first().and_then(|row| row.first()) {
            Some(found) if found == user.as_str() => (always, unless_denied) = server_ways(wire, principal).await?,
            None if !facts.has_contained_admin() && !any(answers.rows(1)) => {
                return Ok(Reads::CannotTell("the admin lacks ALTER ANY LOGIN".to_owned()));
            }
            _ => {}
        }
    }
    let Presence { id, owns, lacks } = presence(wire, facts, place, principal).await?;
    let database = place.unwrap_or(&facts.database);
    if owns {
        always.push(format!("it owns the database {}", sql::spell_name(database)));
    }
    let Some(table) = table(wire, place, object).await? else {
        let otherwise = !(always.is_empty() && unless_denied.is_empty());
        return match (id, lacks) {
            (Some(id), _) => reads_unseen(wire, place, database, id, otherwise).await,
            (None, None) if !otherwise => Ok(Reads::No),
            (None, lacks) => match sees_all(wire, database).await? {
                (true, _) => Ok(Reads::No),
                _ => Ok(Reads::CannotTell(lacks.unwrap_or_else(|| needs(database)))),
            },
        };
    };
    let mut reading = match id {
        Some(id) => reading(wire, place, database, id, &table).await?,
        None => Reading { sees_all: lacks.is_none(), ..Reading::default() },
    };
    let sees_all = reading.sees_all;
    reading.open_ways.extend(always);
    reading.ways.extend(unless_denied);
    let ways = reading.by();
    Ok(match ways.is_empty() {
        false => Reads::Yes(ways),
        true if sees_all => Reads::No,
        true => Reads::CannotTell(lacks.unwrap_or_else(|| needs(database))),
    })
}

/// Whether a user may read a table that the admin does not see, and that there may not be.
async fn reads_unseen(wire: &mut Wire, place: Place<'_>, database: &str, user: i64, by_server: bool) -> Result<Reads> {
    match sees_all(wire, database).await? {
        (true, _) => return Ok(Reads::No),
        (false, seen) if by_server || !seen => return Ok(Reads::CannotTell(needs(database))),
        // Every privilege is seen, but not every table.
        _ => {}
    }
    let holders = holders(wire, place, user).await?;
    let ids: Vec<i64> = holders.iter().map(|(id, _)| *id).collect();
    let answers = wire.run(look::unseen(place, &ids)).await?.or_refused("the privileges cannot be looked for")?;
    let none = answers.rows(0).is_empty() && !holders.iter().any(|(_, name)| reads_by_membership(name));
    Ok(if none { Reads::No } else { Reads::CannotTell(needs(database)) })
}

/// What everybody has in a new database.
const DEFAULTS: [&str; 2] = ["VIEW ANY COLUMN ENCRYPTION KEY DEFINITION", "VIEW ANY COLUMN MASTER KEY DEFINITION"];

/// What a user may do in one database beyond reading the tables `granted`, in words; see
/// [`SourceEngine::excess`](dzconn_core::SourceEngine::excess).
pub(crate) async fn excess(
    wire: &mut Wire,
    facts: &Facts,
    place: Place<'_>,
    user: Principal<'_>,
    granted: &[TableName],
    limit: usize,
) -> Result<Vec<String>> {
    let database = place.unwrap_or(&facts.database);
    // Which databases it owns, their list says.
    let user = match presence(wire, facts, place, user).await? {
        Presence { id: Some(user), .. } => user,
        Presence { lacks: Some(lacks), .. } => {
            return Ok(vec![format!("what it may do in {} cannot be told: {lacks}", sql::spell_name(database))]);
        }
        Presence { .. } => return Ok(Vec::new()),
    };
    let holders = holders(wire, place, user).await?;
    let (definition, security) = sees_all(wire, database).await?;
    let spelled = sql::spell_name(database);
    let mut found = Vec::new();
    for (id, role) in &holders {
        if *id != user && *id != PUBLIC {
            found.push(format!("it is in the role {} of {spelled}", sql::spell_name(role)));
        }
    }
    let ids: Vec<i64> = holders.iter().map(|(id, _)| *id).collect();
    // What was granted, what everybody has and CONNECT are among the rows, and are not excess.
    let most =
        u64::try_from(limit.saturating_add(granted.len()).saturating_add(DEFAULTS.len() + 1)).unwrap_or(u64::MAX);
    let answers = wire.run(look::permissions(place, &ids, most.min(MOST_ROWS))).await?;
    let answers = answers.or_refused("the privileges cannot be looked for")?;
    for row in answers.rows(0) {
        let [class, what, schema, object, permission, state, holder_id, holder] = columns(row);
        let is_own = holder_id.parse() == Ok(user);
        let may_pass_on = state.trim() == "W";
        let usual = match class {
            "0" if is_own => permission == "CONNECT" && !may_pass_on,
            "0" => DEFAULTS.contains(&permission),
            "1" => permission == "SELECT" && !may_pass_on && is_granted(granted, database, schema, object),
            _ => false,
        };
        if usual {
            continue;
        }
        let on = match class {
            "0" => spelled.clone(),
            "1" => format!("{} in {spelled}", sql::spell_object(schema, object)),
            "3" => format!("the schema {} in {spelled}", sql::spell_name(schema)),
            _ => format!("a {what} in {spelled}"),
        };
        let who = if is_own { "it has".to_owned() } else { format!("{} has", sql::spell_name(holder)) };
        let option = if may_pass_on { ", and may pass it on" } else { "" };
        found.push(format!("{who} {permission} on {on}{option}"));
    }
    if !definition && !security && limit > 0 {
        found.truncate(limit - 1);
        found.push(format!("what else it may do cannot be told: {}", needs(database)));
    }
    found.truncate(limit);
    Ok(found)
}

/// `TOP` takes more, but nobody reads more.
const MOST_ROWS: u64 = 1_000_000;

/// Exactly: to a database that tells case, names that differ in it are two.
fn is_granted(granted: &[TableName], database: &str, schema: &str, name: &str) -> bool {
    granted.iter().any(|table| table.database() == database && table.schema() == Some(schema) && table.name() == name)
}

/// The same of the whole server.
pub(crate) async fn server_excess(wire: &mut Wire, user: Principal<'_>) -> Result<Vec<String>> {
    let answers = wire.run(look::server_roles(user)).await?.or_refused("the server's roles cannot be looked for")?;
    let roles = answers.rows(0).iter().filter_map(|row| row.first());
    let mut found: Vec<_> = roles.map(|role| format!("it is in the server role {}", sql::spell_name(role))).collect();
    let answers = wire.run(look::server_permissions(user)).await?;
    let answers = answers.or_refused("the server's permissions cannot be looked for")?;
    for row in answers.rows(0) {
        let [permission, state, grantee] = columns(row);
        if state.trim() != "D" {
            let who = if grantee == user.name() { "it".to_owned() } else { sql::spell_name(grantee) };
            found.push(format!("{who} has {permission} on the server"));
        }
    }
    Ok(found)
}
