//! Who may what, and whom an operator must ask where the admin may not.

use dzconn_core::engine::Reads;
use dzconn_core::model::{TableName, UserName};
use dzconn_core::{Error, ErrorKind, Result, sql};

use crate::engine::{Server, Session};
use crate::error;
use crate::sql::look::{self, Held};
use crate::sql::{Name, Object, Relation, Role, quoted, raised, relations, revoke_on};
use crate::wire::columns;

/// See [`SourceEngine::reads`](dzconn_core::SourceEngine::reads).
pub(crate) async fn reads(session: &mut Session, user: &UserName, table: &TableName) -> Result<Reads> {
    let role = Role::new(user)?;
    if table.database() != session.server.database {
        let database = &session.server.database;
        return Ok(Reads::CannotTell(format!("{table} is not in database {database:?}, which the connection names")));
    }
    let Some(relation) = Relation::new(table) else { return Ok(Reads::No) };
    let rows = session.wire.look("looking up privileges", [], look::reads(role, relation)).await?;
    let mut can = false;
    let mut ways = Vec::new();
    for [what, who] in rows.into_iter().filter_map(columns) {
        let by = quoted(&who);
        match what.as_str() {
            "can" => can = who == "true",
            "own" => ways.push(format!("a privilege of its own, granted by {by}")),
            "public" => ways.push(format!("PUBLIC, granted by {by}")),
            "super" => ways.push("it is a superuser".to_owned()),
            _ => ways.push(format!("role {by}")),
        }
    }
    Ok(if can { Reads::Yes(ways) } else { Reads::No })
}

/// See [`SourceEngine::excess`](dzconn_core::SourceEngine::excess).
pub(crate) async fn excess(
    session: &mut Session,
    user: &UserName,
    granted: &[TableName],
    limit: usize,
) -> Result<Vec<String>> {
    let role = Role::new(user)?;
    let here: Vec<_> = granted.iter().filter(|table| table.database() == session.server.database).cloned().collect();
    let query = look::excess(role, &relations(&here), limit);
    let rows = session.wire.look("looking for what the user can do", [], query).await?;
    let rows = rows.into_iter().filter_map(columns);
    Ok(rows.map(|[what, one, two, way]| look::sentence(&what, &one, &two, &way)).collect())
}

impl Session {
    /// The error for what only others can take back.
    pub(crate) fn granted_by_other(&self, role: Role<'_>, left: &[Held]) -> Result<()> {
        if left.is_empty() {
            return Ok(());
        }
        let mut grantors: Vec<_> = left.iter().map(|held| quoted(&held.grantor)).collect();
        grantors.sort_unstable();
        grantors.dedup();
        let revoke =
            |held: &Held| format!("as {}: {}", quoted(&held.grantor), revoke_on(&held.object(), role).as_str());
        let revokes: Vec<_> = left.iter().take(5).map(revoke).collect();
        let admin = quoted(&self.server.role);
        Err(Error::new(
            ErrorKind::GrantedByOther,
            format!("{} privileges are left that {} granted", left.len(), grantors.join(", ")),
        )
        .advise(format!(
            "{}; or let {admin} SET ROLE to the grantor, and dzconn takes them back itself",
            revokes.join("; "),
        )))
    }

    /// Why a role cannot be dropped, as an error.
    pub(crate) async fn explain_dependents(&mut self, role: Role<'_>, dropping: Error) -> Error {
        let rows = match self.wire.look("looking for what the user has", [], look::obstacles(role)).await {
            Ok(rows) => rows,
            Err(error) => return error,
        };
        let named = |wanted: &str| {
            let found = rows.iter().filter_map(|row| match row.as_slice() {
                [why, what] if why == wanted => Some(what.as_str()),
                _ => None,
            });
            found.collect::<Vec<_>>().join(", ")
        };
        let (owned, elsewhere, other) = (named("owns"), named("elsewhere"), named("named"));
        let error = if !owned.is_empty() {
            Error::new(ErrorKind::UserOwnsObjects, format!("the user owns {owned}"))
                .advise("somebody gave it more than dzconn does: look, and REASSIGN OWNED or drop them by hand")
        } else if !elsewhere.is_empty() {
            Error::new(ErrorKind::GrantedByOther, format!("the user has privileges in {elsewhere}"))
                .advise("revoke them there; dzconn changes only the database that its connection names")
        } else if !other.is_empty() {
            Error::new(ErrorKind::UserOwnsObjects, format!("the user has privileges on {other}"))
                .advise("somebody gave it more than dzconn does: look, and revoke them by hand")
        } else {
            return dropping;
        };
        let vendor = dropping.vendor_code().unwrap_or_default();
        error.vendor(vendor)
    }

    /// Says who may change a role, where the admin may not: from 16 on, only who has ADMIN on it.
    pub(crate) async fn explain_denied(&mut self, role: Role<'_>, error: Error) -> Error {
        if error.kind() != ErrorKind::AdminDenied {
            return error;
        }
        let admin = quoted(&self.server.role);
        let rows = self.wire.look("looking for the role's admins", [], look::admins_of(role)).await.unwrap_or_default();
        let admins: Vec<_> = rows.iter().flatten().map(|name| quoted(name)).collect();
        let who = if admins.is_empty() { "a superuser".to_owned() } else { admins.join(" or ") };
        error.advise(format!(
            "give {admin} CREATEROLE; for a role that another admin made, as {who}: {}",
            admin_must_run(role, &self.server.role)
        ))
    }

    pub(crate) fn explain_grant(&self, relation: Relation<'_>, error: Error) -> Error {
        let Server { database, role: admin, .. } = &self.server;
        let code = error::code(&error);
        let advice = match error.kind() {
            ErrorKind::NoGrantOption => {
                format!("as the owner: {}", owner_must_run(code, relation, database, admin))
            }
            ErrorKind::AdminDenied => format!(
                "as the owner: {}; {}",
                owner_must_run(raised::NO_USAGE, relation, database, admin),
                owner_must_run(raised::NO_SELECT, relation, database, admin)
            ),
            ErrorKind::TableNotFound => "check that the table still exists under this name".to_owned(),
            ErrorKind::LimitReached => {
                "a table has room for some 2,400 users: publish a view of it for further ones".to_owned()
            }
            _ => return error,
        };
        error.advise(advice)
    }
}

/// What the owner of a table must run so that the admin can pass read on.
fn owner_must_run(code: &str, relation: Relation<'_>, database: &str, admin: &str) -> String {
    let privilege = match code {
        raised::NO_USAGE => sql!["USAGE ON ", Object::Schema(relation.schema)],
        raised::NO_CONNECT => sql!["CONNECT ON ", Object::Database(database)],
        _ => sql!["SELECT ON ", Object::Table(relation)],
    };
    sql!["GRANT ", privilege, " TO ", Name(admin), " WITH GRANT OPTION"].as_str().to_owned()
}

/// What a role's admin must run so that another may change it too, from 16 on.
fn admin_must_run(role: Role<'_>, admin: &str) -> String {
    sql!["GRANT ", role, " TO ", Name(admin), " WITH ADMIN OPTION"].as_str().to_owned()
}
