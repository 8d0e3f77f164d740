//! What there is: tables, users, what was granted to them.

use dzconn_core::model::{AssetPath, TableName, UserName};
use dzconn_core::{Error, ErrorKind, Result};

use super::Session;
use super::user::Found;
use super::{Located, locate};
use crate::privileges::{self, Sight};
use crate::sql::look;
use crate::sql::{self, Principal};
use crate::wire::columns;

impl Session {
    /// In its own database, and in every other that the path may begin with.
    pub(super) async fn find_table(&mut self, path: &AssetPath) -> Result<TableName> {
        let mut places = vec![None];
        if !self.facts.makes_contained() {
            let answers = self.look("the databases cannot be looked for", look::database_names()).await?;
            let folded = path.as_str().to_lowercase();
            let names = answers.rows(0).iter().filter_map(|row| row.first()).cloned();
            places.extend(
                names
                    .filter(|name| *name != self.facts.database)
                    .filter_map(|name| folded.starts_with(&format!("{}.", name.to_lowercase())).then_some(Some(name))),
            );
        }
        let mut found = Vec::new();
        for place in places {
            let database = place.clone().unwrap_or_else(|| self.facts.database.clone());
            let query = look::find(place.as_deref(), &database, path);
            let answers = self.look("the table cannot be looked for", query).await?;
            for row in answers.rows(0) {
                let [schema, name] = columns(row);
                found.push(TableName::in_schema(&*database, schema, name)?);
            }
        }
        let database = &self.facts.database;
        path.choose(found).map_err(|error| match error.kind() {
            ErrorKind::TableNotFound => error.advise(format!(
                "check that the table exists, that the admin has a privilege on it, and that the path begins with the name of \
                 its database; the session is in {}",
                sql::spell_name(database)
            )),
            _ => error,
        })
    }

    pub(super) async fn find_excess(
        &mut self,
        user: &UserName,
        granted: &[TableName],
        limit: usize,
    ) -> Result<Vec<String>> {
        let principal = Principal::new(user)?;
        let found = self.find(principal).await?;
        let mut places: Vec<Option<String>> = vec![None];
        let mut excess = Vec::new();
        if matches!(found, Found::Login { .. }) {
            let sweep = self.sweep(principal, false).await?;
            excess.extend(privileges::server_excess(&mut self.wire, principal).await?);
            excess.extend(sweep.owns.iter().map(|database| format!("it owns the database {database}")));
            for (place, _) in sweep.users {
                if place.is_some() && !places.contains(&place) {
                    places.push(place);
                }
            }
        }
        let facts = self.facts.clone();
        // Where it is said to read something, there may be a user that is not seen.
        for table in granted {
            match locate(&mut self.wire, &facts, table.database()).await? {
                Located::At { place, .. } => {
                    let place = place.map(str::to_owned);
                    if !places.contains(&place) {
                        places.push(place);
                    }
                }
                Located::Missing => {}
                Located::Closed(error) => {
                    let line = format!(
                        "what it may do in {} cannot be told: {}",
                        sql::spell_name(table.database()),
                        error.detail()
                    );
                    if !excess.contains(&line) {
                        excess.push(line);
                    }
                }
            }
        }
        for place in places {
            if excess.len() >= limit {
                break;
            }
            let room = limit - excess.len();
            let place = place.as_deref();
            excess.extend(privileges::excess(&mut self.wire, &facts, place, principal, granted, room).await?);
        }
        excess.truncate(limit);
        Ok(excess)
    }

    pub(super) async fn find_users(&mut self, prefix: &str) -> Result<Vec<UserName>> {
        let answers = self.look("what the admin may see", look::may_see_users(self.facts.azure)).await?;
        let [users, definition, security, logins, any_definition, any_security] =
            columns(answers.rows(0).first().map_or(&[][..], Vec::as_slice));
        let mut names = Vec::new();
        let with_logins = !self.facts.makes_contained();
        if with_logins {
            if ![logins, any_definition, any_security].contains(&"1") {
                return Err(Error::new(ErrorKind::AdminDenied, "the admin may not see which logins there are")
                    .advise(self.logins_needed()));
            }
            names.extend(self.look("the logins cannot be listed", look::logins(prefix)).await?.results);
        }
        // The server's own databases have no contained users.
        let may_have_users = self.facts.azure || !self.facts.is_in_system_database();
        if may_have_users && ![users, definition, security].contains(&"1") {
            return Err(Error::new(ErrorKind::AdminDenied, "the admin may not see which users there are")
                .advise(self.users_needed(None)));
        }
        names.extend(self.look("the users cannot be listed", look::contained_users(prefix)).await?.results);
        let names = names.into_iter().flatten().flatten();
        let mut users: Vec<_> =
            names.filter(|name| name.starts_with(prefix)).map(UserName::new).collect::<Result<_>>()?;
        users.sort_unstable();
        users.dedup();
        Ok(users)
    }

    pub(super) async fn find_granted(&mut self, user: &UserName) -> Result<Vec<TableName>> {
        let principal = Principal::new(user)?;
        let places = match self.find(principal).await? {
            Found::Nobody => return Ok(Vec::new()),
            Found::Contained { .. } => vec![None],
            Found::Login { .. } => {
                let users = self.sweep(principal, false).await?.users.into_iter();
                users.filter(|(_, name)| name == principal.name()).map(|(place, _)| place).collect()
            }
        };
        let mut granted = Vec::new();
        for place in places {
            let database = place.clone().unwrap_or_else(|| self.facts.database.clone());
            let Some(id) = self.own_user(place.as_deref(), principal).await? else { continue };
            if let Sight::Partial(lacks) = privileges::sight(&mut self.wire, place.as_deref(), &database, id).await? {
                let admin = sql::spell_name(self.admin_in(place.as_deref()));
                return Err(Error::new(ErrorKind::AdminDenied, lacks)
                    .advise(format!("in {}: GRANT VIEW DEFINITION TO {admin}", sql::spell_name(&database))));
            }
            let query = look::granted(place.as_deref(), principal);
            let answers = self.look("the user's privileges cannot be listed", query).await?;
            for row in answers.rows(0) {
                let [schema, name] = columns(row);
                granted.push(TableName::in_schema(&*database, schema, name)?);
            }
        }
        Ok(granted)
    }
}
