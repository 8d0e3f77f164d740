//! What a session does, and in which order.

use std::time::Duration;

use async_trait::async_trait;
use dzconn_core::engine::{Created, Lock, LockKey, Reads};
use dzconn_core::model::{AssetPath, Credentials, TableName, UserName};
use dzconn_core::{Deadline, Error, ErrorKind, Result, SourceEngine};
use sqlx::postgres::PgConnection;
use tokio::time::sleep;

use crate::sql::look::{self, Held, Scope};
use crate::sql::{self, Relation, Role, Statement, Verifier};
use crate::wire::{Columns, TRIES, Wire, columns};
use crate::{error, privileges};

/// How long the user's sessions may take to end.
const LEAVING: Duration = Duration::from_secs(10);

/// One admin connection.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) wire: Wire,
    pub(crate) server: Server,
}

/// What is known of the server since connecting.
#[derive(Debug, Default)]
pub(crate) struct Server {
    version: u32,
    /// The role whose rights the session has.
    pub(crate) role: String,
    pub(crate) database: String,
    is_replica: bool,
    runs_blocks: bool,
}

impl Session {
    /// Pins the session and learns where it is: one round trip.
    pub(crate) async fn start(connection: PgConnection, statement_timeout: Duration) -> Result<Self> {
        let wire = Wire::new(connection, statement_timeout);
        let mut session = Self { wire, server: Server::default() };
        let pin = Statement::always(sql::pin(statement_timeout));
        let rows = session.wire.look("preparing the session", [pin], look::facts()).await?;
        if let Some([version, role, database, is_replica, runs_blocks]) = rows.into_iter().next().and_then(columns) {
            session.server = Server {
                version: version.parse().unwrap_or_default(),
                role,
                database,
                is_replica: is_replica == "true",
                runs_blocks: runs_blocks == "true",
            };
        }
        Ok(session)
    }

    /// Checks that the session can do an admin's work at all.
    pub(crate) fn check_admin(self) -> Result<Self> {
        if self.server.runs_blocks {
            return Ok(self);
        }
        Err(Error::new(
            ErrorKind::AdminDenied,
            "the admin may not run PL/pgSQL blocks, in which dzconn checks its lock",
        )
        .advise(format!("as a superuser: GRANT USAGE ON LANGUAGE plpgsql TO {}", sql::quoted(&self.server.role))))
    }

    /// Whether the server knows `idle_session_timeout`.
    fn ends_silent_sessions(&self) -> bool {
        self.server.version >= 140_000
    }

    /// The table as this database has it.
    fn relation<'a>(&self, table: &'a TableName) -> Result<Relation<'a>> {
        if table.database() != self.server.database {
            return Err(Error::new(
                ErrorKind::TableNotFound,
                format!("{table} is not in database {:?}, to which the session is connected", self.server.database),
            )
            .advise(
                "privileges on a table can be changed only from its own database: name it in the connection's URL",
            ));
        }
        Relation::new(table).ok_or_else(|| sql::no_such_table(table))
    }

    /// Those tables that can exist here. One of another database is an error: it might still be granted there.
    fn relations<'a>(&self, tables: &'a [TableName]) -> Result<Vec<Relation<'a>>> {
        if let Some(elsewhere) = tables.iter().find(|table| table.database() != self.server.database) {
            self.relation(elsewhere)?;
        }
        Ok(sql::relations(tables))
    }

    /// Who may not change a role, from 16 on, may still take back what it granted itself.
    async fn take_back_own(&mut self, role: Role<'_>) -> Result<()> {
        let found = self.wire.look("looking for what the user has", [], look::held(role, Scope::Database)).await?;
        self.take_back_held(role, held(found), Scope::Database).await.map(drop)
    }

    /// Takes back what was found, as the roles that granted it where this session can; what is left nobody here can.
    async fn take_back_held(&mut self, role: Role<'_>, found: Vec<Held>, scope: Scope<'_>) -> Result<Vec<Held>> {
        let mut left = found;
        // A schema's usage shows only when its tables are done.
        while left.iter().any(|held| held.way != "other") {
            let make = || {
                let statements = left.iter().filter_map(|held| sql::take_back_held(role, held));
                [sql::queue()]
                    .into_iter()
                    .chain(statements)
                    .chain([Statement::always(look::held(role, scope))])
                    .collect()
            };
            let rows = self.wire.change("revoking what the user has", make).await?;
            let before = std::mem::replace(&mut left, held(rows));
            if before == left {
                break;
            }
        }
        Ok(left)
    }

    /// What follows [`sql::take_back`].
    async fn finish_taking_back(&mut self, role: Role<'_>, relations: &[Relation<'_>], left: Vec<Held>) -> Result<()> {
        let mut left = self.take_back_held(role, left, Scope::Tables(relations)).await?;
        // A schema's usage alone reads nothing, and dropping the user finds it again.
        left.retain(|held| held.kind == "table");
        self.granted_by_other(role, &left)
    }

    /// After DROP ROLE: looked at again.
    async fn gone(&mut self, role: Role<'_>) -> Result<()> {
        if self.wire.look("looking for the user", [], look::role(role)).await?.is_empty() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Unexpected, "the user is there after it was dropped"))
    }

    /// Ends the role's sessions and waits until the server shows none. No login is possible any more by now.
    async fn end_sessions(&mut self, role: Role<'_>) -> Result<()> {
        let doing = "ending the user's sessions";
        let deadline = Deadline::within(LEAVING);
        let mut joined = false;
        loop {
            match self.wire.change(doing, || vec![sql::end_sessions(role)]).await {
                Ok(rows) if rows.is_empty() => return Ok(()),
                Ok(rows) if deadline.remaining().is_zero() => {
                    return Err(Error::new(
                        ErrorKind::SessionsRemain,
                        format!("{} sessions have not ended {LEAVING:?} after they were told to", rows.len()),
                    )
                    .advise("look for the user in pg_stat_activity, end its sessions, and run this again"));
                }
                Ok(_) => sleep(Duration::from_millis(20)).await,
                Err(error) if error::code(&error) == "42501" && !joined => {
                    joined = true;
                    let (admin, version) = (self.server.role.clone(), self.server.version);
                    // Where it may not join, the next round says what is lacking.
                    match self.wire.change(doing, || vec![sql::join(role, &admin, version)]).await {
                        Err(error) if error.kind() != ErrorKind::AdminDenied => return Err(error),
                        _ => {}
                    }
                }
                Err(error) if error::code(&error) == "42501" => {
                    let admin = sql::quoted(&self.server.role);
                    return Err(Error::new(ErrorKind::SessionsRemain, error.detail())
                        .vendor("PostgreSQL 42501")
                        .advise(format!("as a superuser: GRANT pg_signal_backend TO {admin}")));
                }
                Err(error) => return Err(error),
            }
        }
    }
}

#[async_trait]
impl SourceEngine for Session {
    async fn lock(&mut self, key: &LockKey, wait: Duration, hold: Duration) -> Result<Lock> {
        if self.server.is_replica {
            return Err(Error::new(ErrorKind::ReadOnly, "the server is a replica: its locks are its own")
                .advise("let the connection name the primary (Aurora: the cluster's writer endpoint)"));
        }
        match self.wire.lock(key.number(), wait, self.ends_silent_sessions().then_some(hold)).await {
            Ok(()) => Ok(Lock::Held),
            Err(error) if error::code(&error) == "55P03" => {
                Err(Error::new(ErrorKind::LockTimeout, format!("another session held the lock for all of {wait:?}"))
                    .vendor("PostgreSQL 55P03"))
            }
            Err(error) => Err(error),
        }
    }

    async fn unlock(&mut self) -> Result<()> {
        self.wire.unlock(self.ends_silent_sessions()).await
    }

    async fn resolve(&mut self, path: &AssetPath) -> Result<TableName> {
        let rows = self.wire.look("looking for the table", [], look::resolve(path.as_str())).await?;
        let database = self.server.database.clone();
        let found = rows.into_iter().filter_map(columns);
        let found = found.map(|[schema, name]| TableName::in_schema(&database, schema, name)).collect::<Result<_>>()?;
        path.choose(found).map_err(|error| {
            let first = path.as_str().get(..=database.len()).unwrap_or_default();
            let here = first.to_lowercase() == format!("{database}.").to_lowercase();
            if error.kind() != ErrorKind::TableNotFound || here {
                return error;
            }
            error.advise(format!(
                "the session is connected to database {database:?}: name the path's own database in the connection's URL"
            ))
        })
    }

    async fn create_user(&mut self, credentials: &Credentials) -> Result<Created> {
        let role = Role::new(&credentials.user)?.can_log_in()?;
        let mut made = Error::new(ErrorKind::Contention, "the user comes and goes");
        for _ in 0..TRIES {
            let rows = self.wire.look("looking for the user", [], look::role(role)).await?;
            match rows.first().and_then(|row| row.first()).map(String::as_str) {
                Some("true") => return Ok(Created::Existed),
                Some(_) => {
                    let enabled = self.wire.change("enabling the user", || vec![sql::enable(role)]).await;
                    return match enabled {
                        Ok(_) => Ok(Created::Existed),
                        Err(error) => Err(self.explain_denied(role, error).await),
                    };
                }
                None => {}
            }
            let verifier = Verifier::of(&credentials.password);
            match self.wire.change("creating the user", || vec![sql::create_role(role, &verifier)]).await {
                Ok(_) => return Ok(Created::New),
                // Somebody was faster.
                Err(error) if matches!(error::code(&error), "42710" | "23505") => made = error,
                Err(error) => return Err(self.explain_denied(role, error).await),
            }
        }
        Err(made)
    }

    async fn set_password(&mut self, credentials: &Credentials) -> Result<()> {
        let role = Role::new(&credentials.user)?;
        let verifier = Verifier::of(&credentials.password);
        match self.wire.change("setting the user's password", || vec![sql::set_password(role, &verifier)]).await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.explain_denied(role, error).await),
        }
    }

    async fn grant(&mut self, user: &UserName, table: &TableName, take_back: &[TableName]) -> Result<()> {
        let role = Role::new(user)?;
        let relation = self.relation(table)?;
        let mut dead = self.relations(take_back)?;
        dead.retain(|other| *other != relation);
        let database = self.server.database.clone();
        let make = || {
            let mut statements = vec![sql::queue()];
            statements.extend(sql::grant(role, relation, &database));
            statements.push(sql::check_granted(role, relation));
            statements.extend(sql::take_back(role, &dead));
            statements
        };
        let doing = format!("granting read on {table} to {user}");
        match self.wire.change(&doing, make).await {
            Ok(rows) => self.finish_taking_back(role, &dead, held(rows)).await,
            Err(error) => Err(self.explain_grant(relation, error)),
        }
    }

    async fn revoke(&mut self, user: &UserName, tables: &[TableName]) -> Result<()> {
        let role = Role::new(user)?;
        let relations = self.relations(tables)?;
        let make = || [sql::queue()].into_iter().chain(sql::take_back(role, &relations)).collect();
        let rows = self.wire.change(&format!("revoking read from {user}"), make).await?;
        self.finish_taking_back(role, &relations, held(rows)).await
    }

    async fn drop_user(&mut self, user: &UserName) -> Result<()> {
        let role = Role::new(user)?;
        let disable = || {
            let looks = [look::role(role), look::held(role, Scope::Database)].map(Statement::always);
            [sql::disable(role)].into_iter().chain(looks).collect()
        };
        let rows = match self.wire.change(&format!("disabling {user}"), disable).await {
            Ok(rows) => rows,
            Err(error) => {
                if error.kind() == ErrorKind::AdminDenied {
                    // Whether or not that works, somebody has to see to this first.
                    self.take_back_own(role).await.ok();
                }
                return Err(self.explain_denied(role, error).await);
            }
        };
        if !rows.iter().any(|row| row.len() == 1) {
            return Ok(());
        }
        let left = self.take_back_held(role, held(rows), Scope::Database).await?;
        self.end_sessions(role).await?;
        self.granted_by_other(role, &left)?;
        let drop = || sql::drop_role(role).into();
        for _ in 0..TRIES {
            match self.wire.change(&format!("dropping {user}"), drop).await {
                Ok(_) => return self.gone(role).await,
                Err(error) => match error::code(&error) {
                    sql::raised::SESSIONS => self.end_sessions(role).await?,
                    "2BP01" => return Err(self.explain_dependents(role, error).await),
                    _ => return Err(self.explain_denied(role, error).await),
                },
            }
        }
        Err(Error::new(ErrorKind::SessionsRemain, format!("{user} keeps coming back")))
    }

    async fn reads(&mut self, user: &UserName, table: &TableName) -> Result<Reads> {
        privileges::reads(self, user, table).await
    }

    async fn excess(&mut self, user: &UserName, granted: &[TableName], limit: usize) -> Result<Vec<String>> {
        privileges::excess(self, user, granted, limit).await
    }

    async fn user_exists(&mut self, user: &UserName) -> Result<bool> {
        let role = Role::new(user)?;
        Ok(!self.wire.look("looking for the user", [], look::role(role)).await?.is_empty())
    }

    async fn users(&mut self, prefix: &str) -> Result<Vec<UserName>> {
        let rows = self.wire.look("looking for users", [], look::roles(prefix)).await?;
        rows.into_iter().filter_map(columns).map(|[name]| UserName::new(name)).collect()
    }

    async fn granted(&mut self, user: &UserName) -> Result<Vec<TableName>> {
        let role = Role::new(user)?;
        let rows = self.wire.look("looking for what the user was granted", [], look::granted(role)).await?;
        let rows = rows.into_iter().filter_map(columns);
        rows.map(|[schema, name]| TableName::in_schema(&self.server.database, schema, name)).collect()
    }

    async fn close(self: Box<Self>) -> Result<()> {
        self.wire.close().await
    }
}

/// The rows of [`look::held`] among others of a batch.
fn held(rows: Vec<Columns>) -> Vec<Held> {
    let rows = rows.into_iter().filter_map(columns);
    rows.map(|[kind, space, name, grantor, way]| Held { kind, space, name, grantor, way }).collect()
}
