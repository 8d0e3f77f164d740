//! What is granted, and taken back.

use dzconn_core::engine::Refusal;
use dzconn_core::model::{TableName, UserName};
use dzconn_core::{Error, ErrorKind, Result};

use super::user::Found;
use super::{Located, Session, Table, locate, number, table};
use crate::privileges::{self, Reading, Sight};
use crate::sql::look::TableIds;
use crate::sql::{self, Object, Place, Principal};

impl Session {
    /// Where a database is, seen from the session.
    async fn locate<'a>(&mut self, database: &'a str) -> Result<Located<'a>> {
        locate(&mut self.wire, &self.facts, database).await
    }

    /// The table as the admin sees it.
    async fn table(&mut self, place: Place<'_>, object: Object<'_>) -> Result<Option<Table>> {
        table(&mut self.wire, place, object).await
    }

    /// Whom a grant to the admin must name in a database. In another than the session's own, its user is named as its login as
    /// far as anybody knows.
    pub(super) fn admin_in(&self, place: Place<'_>) -> &str {
        match self.facts.user.as_str() {
            "dbo" | "guest" => &self.facts.login,
            _ if place.is_some() => &self.facts.login,
            user => user,
        }
    }

    pub(super) async fn grant_one(&mut self, user: &UserName, name: &TableName) -> Result<TableIds> {
        let principal = Principal::new(user)?;
        let object = sql::must_be_object(name)?;
        let what = format!("SELECT on {} was not granted to {principal}", sql::quoted(name));
        let place = match self.locate(name.database()).await? {
            Located::At { is_servers: true, .. } => {
                return Err(Error::new(
                    ErrorKind::TableNotFound,
                    format!("{what}: the database is one of the server's own, where dzconn makes no users"),
                )
                .advise("keep published tables in a database of their own"));
            }
            Located::At { place, .. } => place,
            Located::Missing => {
                return Err(Error::new(ErrorKind::TableNotFound, format!("{what}: there is no such database"))
                    .advise("check that the database exists, under this name"));
            }
            Located::Closed(error) => return Err(error),
        };
        let found = self.find(principal).await?;
        match &found {
            Found::Nobody => return Err(Error::new(ErrorKind::Unexpected, format!("{what}: no such user"))),
            Found::Contained { .. } if place.is_some() => {
                return Err(Error::new(
                    ErrorKind::TableNotFound,
                    format!("{what}: it is a contained user, which can enter no other database"),
                )
                .advise("name the table's own database in the connection's URL"));
            }
            Found::Contained { .. } | Found::Login { .. } => {}
        }
        let needs = sql::admin_needs(name, self.admin_in(place));
        let not_found = || {
            Error::new(ErrorKind::TableNotFound, format!("{what}, and the admin sees no such table"))
                .advise(format!("check that the table exists; if it does, have somebody run who may: {needs}"))
        };
        let Some(table) = self.table(place, object).await? else { return Err(not_found()) };
        let id = match found {
            Found::Contained { id, .. } => id,
            _ => self.let_in(place, principal).await?,
        };
        let database = place.unwrap_or(&self.facts.database).to_owned();
        let before = privileges::reading(&mut self.wire, place, &database, id, &table).await?;
        must_not_be_denied(&before, &what)?;
        if let Some(refusal) = self.change(place, [sql::grant(principal, table.object())]).await? {
            let may_not = refusal.is_denied() || refusal.kind() == ErrorKind::NoGrantOption;
            if !may_not {
                return Err(refusal.into_error(&what));
            }
            // Which is also said of a table that was dropped since.
            if refusal.number() == number::CANNOT_FIND && self.table(place, object).await?.is_none() {
                return Err(not_found());
            }
            return Err(refusal.into_error_of(ErrorKind::NoGrantOption, &what).advise(format!(
                "have somebody run who may: {needs}; as a grant to that very user, and not to a role"
            )));
        }
        let after = privileges::reading(&mut self.wire, place, &database, id, &table).await?;
        must_not_be_denied(&after, &what)?;
        if after.sees_all && after.own.is_empty() {
            return Err(Error::new(ErrorKind::NoGrantOption, format!("{what}, though the server said so")));
        }
        Ok(table.ids)
    }

    /// Takes SELECT on one table back; the table that was meant, if it is there. `keep` is never touched.
    pub(super) async fn revoke_one(&mut self, user: &UserName, name: &TableName, keep: Option<TableIds>) -> Result<()> {
        let principal = Principal::new(user)?;
        let Some(object) = sql::object(name) else { return Ok(()) };
        let (place, is_servers) = match self.locate(name.database()).await? {
            Located::At { place, is_servers } => (place, is_servers),
            // What was granted in a database goes with it.
            Located::Missing => return Ok(()),
            Located::Closed(error) => return Err(error),
        };
        let id = match self.own_user(place, principal).await {
            // Nothing is ever granted there, and guests may not look.
            Err(error) if is_servers && error.kind() == ErrorKind::AdminDenied => return Ok(()),
            id => id?,
        };
        let Some(id) = id else { return Ok(()) };
        let what = format!("SELECT on {} was not taken from {principal}", sql::quoted(name));
        let database = place.unwrap_or(&self.facts.database).to_owned();
        // As well: what was granted on a table goes with it.
        let Some(table) = self.table(place, object).await? else {
            return match privileges::sight(&mut self.wire, place, &database, id).await? {
                Sight::Whole => Ok(()),
                Sight::Partial(lacks) => Err(Error::new(
                    ErrorKind::AdminDenied,
                    format!("{what}: the admin sees no such table, and {lacks}"),
                )
                .advise(format!(
                    "in {}: GRANT VIEW DEFINITION TO {}",
                    sql::spell_name(&database),
                    sql::spell_name(self.admin_in(place))
                ))),
            };
        };
        if keep == Some(table.ids) {
            return Ok(());
        }
        let mut reading = privileges::reading(&mut self.wire, place, &database, id, &table).await?;
        if reading.own.is_empty() && reading.sees_all {
            return Ok(());
        }
        // REVOKE takes a DENY as well, and that is somebody else's.
        if reading.own_denials.is_empty() {
            let refused = self.change(place, [sql::revoke(principal, table.object())]).await?;
            match refused {
                Some(refusal) if !may_be_other_grantor(&refusal) => return Err(refusal.into_error(&what)),
                Some(refusal) if !reading.sees_all => {
                    let needs = sql::admin_needs(name, self.admin_in(place));
                    return Err(refusal
                        .into_error(&what)
                        .advise(format!("only who may grant it may take it back: {needs}")));
                }
                _ => {}
            }
            reading = privileges::reading(&mut self.wire, place, &database, id, &table).await?;
        }
        for own in std::mem::take(&mut reading.own) {
            let column = own.column.as_deref();
            let revoke = sql::revoke_as(principal, table.object(), column, &own.grantor);
            match self.change(place, [revoke]).await? {
                Some(refusal) if !may_be_other_grantor(&refusal) => return Err(refusal.into_error(&what)),
                _ => {}
            }
        }
        let left = privileges::reading(&mut self.wire, place, &database, id, &table).await?.own;
        if left.is_empty() {
            return Ok(());
        }
        let mut grantors: Vec<_> = left.iter().map(|own| sql::spell_name(&own.grantor)).collect();
        grantors.sort_unstable();
        grantors.dedup();
        let must_run = left.iter().take(5).map(|own| {
            let revoke = sql::grantor_must_run(principal, table.object(), own.column.as_deref());
            format!("as {}: {revoke}", sql::spell_name(&own.grantor))
        });
        let must_run = must_run.collect::<Vec<_>>().join("; ");
        Err(Error::new(ErrorKind::GrantedByOther, format!("{what}: it was granted by {}", grantors.join(", ")))
            .advise(format!("in {}, {must_run}", sql::spell_name(&database))))
    }
}

/// A DENY wins over any GRANT, and a grant by who denied would take it away.
fn must_not_be_denied(reading: &Reading, what: &str) -> Result<()> {
    if reading.denied.is_empty() {
        return Ok(());
    }
    let denied = reading.denied.join(", ");
    Err(Error::new(ErrorKind::NoGrantOption, format!("{what}: a DENY wins over every grant ({denied})"))
        .advise("find out why it was denied; REVOKE takes the DENY away"))
}

/// Whether a revoke in the name of another principal was refused for want of a right.
fn may_be_other_grantor(refusal: &Refusal) -> bool {
    refusal.is_denied() || matches!(refusal.kind(), ErrorKind::NoGrantOption | ErrorKind::TableNotFound)
}
