//! What a session does, and in which order.

use std::time::Duration;

use async_trait::async_trait;
use dzconn_core::engine::{Created, Lock, LockKey, Reads, Refusal};
use dzconn_core::model::{AssetPath, Credentials, Source, TableName, UserName};
use dzconn_core::sql::Sql;
use dzconn_core::{Error, ErrorKind, Result, SourceEngine};

use crate::error::{explained, may_not_look, no_such_user, number};
use crate::privileges;
use crate::sql::look::{self, Catalog};
use crate::sql::{self, Kill, Password, Profile, RAISED, Read, SessionId, Statement, Table, User};
use crate::wire::{Answer, Wire};

mod end;
mod facts;

pub(crate) use facts::{Facts, must_be_encrypted};

/// Grants by several grantors go one after the other.
const GRANTORS: usize = 4;

/// Some grants.
struct Grants {
    rows: Vec<Vec<String>>,
    /// Whether these are all that there are, and not only those that the admin made.
    all: bool,
}

/// One admin connection.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) wire: Wire,
    profile: Profile,
    held: Option<LockKey>,
    pub(crate) facts: Facts,
}

impl Session {
    pub(crate) async fn start(mut wire: Wire, source: &Source, profile: Profile) -> Result<Self> {
        let pinned = wire.run(sql::pin(wire.timeout)).await?;
        pinned.map_err(|refused| explained(refused, "the session cannot be set up"))?;
        let facts = wire.run(look::facts()).await?;
        let facts = facts.map_err(|refused| explained(refused, "the server did not say what it is"));
        let rows = facts.map_err(|error| match error.kind() {
            ErrorKind::InvalidConfig => error.advise("dzconn works with Oracle Database 12.1 and later"),
            _ => error,
        })?;
        let facts = Facts::new(&texts(&rows), source)?;
        Ok(Self { wire, profile, held: None, facts })
    }

    /// Runs a statement that changes something: in the same call as the check that this session still holds its lock. Between
    /// check and change the lock can go only if the session does.
    async fn change(&mut self, change: Sql) -> Result<Answer> {
        let Some(key) = &self.held else { return self.wire.run(change).await };
        match self.wire.run(sql::guarded(key, change)).await? {
            Err(refused) if refused.number() == RAISED => {
                Err(Error::new(ErrorKind::LockLost, "this session does not hold its lock any more"))
            }
            answer => Ok(answer),
        }
    }

    /// Asks for objects: of the whole database if the admin may, else of those that it has some right on.
    pub(crate) async fn objects(&mut self, query: impl Fn(Catalog) -> Statement) -> Result<Answer> {
        match self.wire.run(query(self.facts.catalog)).await? {
            Err(refused) if may_not_look(&refused) && self.facts.catalog == Catalog::Dba => {
                self.facts.catalog = Catalog::All;
                self.wire.run(query(Catalog::All)).await
            }
            answer => Ok(answer),
        }
    }

    /// Asks for grants: for all of them if the admin may, else for those that it made itself, which it sees in any case.
    async fn grants(&mut self, query: impl Fn(Catalog) -> Statement) -> Result<std::result::Result<Grants, Refusal>> {
        match self.wire.run(query(Catalog::Dba)).await? {
            Err(refused) if may_not_look(&refused) => {
                let own = self.wire.run(query(Catalog::All)).await?;
                Ok(own.map(|rows| Grants { rows: texts(&rows), all: false }))
            }
            answer => Ok(answer.map(|rows| Grants { rows: texts(&rows), all: true })),
        }
    }

    /// What lets the admin use something of SYS's.
    fn of_sys(&self, privilege: &str, object: &str) -> String {
        let admin = &self.facts.admin;
        match self.facts.kill {
            Kill::Statement => format!("as SYS: GRANT {privilege} ON SYS.{object} TO {admin}"),
            Kill::Rds => format!(
                "as the master user: BEGIN rdsadmin.rdsadmin_util.grant_sys_object('{object}', '{}', '{privilege}'); END;",
                admin.trim_matches('"')
            ),
        }
    }

    /// A refusal, with what the admin lacks if that is why.
    fn denied(&self, refused: Refusal, what: &str, needs: &str) -> Error {
        let denied = refused.is_denied();
        let error = explained(refused, what);
        if denied { error.advise(format!("GRANT {needs} TO {}", self.facts.admin)) } else { error }
    }

    async fn exists(&mut self, user: User<'_>) -> Result<bool> {
        let found = self.wire.run(look::user(user)).await?;
        let found = found.map_err(|refused| explained(refused, &format!("whether {user} exists cannot be told")))?;
        Ok(!found.is_empty())
    }

    async fn make_profile(&mut self, user: User<'_>) -> Result<()> {
        let create = sql::create_profile(&self.profile, self.facts.inactivity);
        let statement = create.as_str().to_owned();
        match self.change(create).await? {
            Err(refused) if refused.number() != number::PROFILE_EXISTS => {
                let denied = refused.is_denied();
                let what = format!("{user} was not created, since its profile {} could not be", self.profile);
                let error = explained(refused, &what);
                let admin = &self.facts.admin;
                Err(if denied {
                    error.advise(format!("have a DBA run once: {statement}; or GRANT CREATE PROFILE TO {admin}"))
                } else {
                    error
                })
            }
            _ => Ok(()),
        }
    }

    async fn let_connect(&mut self, user: User<'_>) -> Result<()> {
        let granted = self.change(sql::let_connect(user)).await?;
        let what = format!("{user} may not connect yet");
        granted.map(drop).map_err(|refused| {
            let denied = refused.is_denied();
            let error = explained(refused, &what);
            let needs = format!("GRANT CREATE SESSION TO {} WITH ADMIN OPTION", self.facts.admin);
            if denied { error.advise(needs) } else { error }
        })
    }

    /// Why a statement with a password was refused. Before 23ai a password has at most 30 bytes, and a longer one is an
    /// identifier that is too long.
    fn password_refused(&self, refused: Refusal, credentials: &Credentials, what: &str, needs: &str) -> Error {
        let what = format!("{} {what}", sql::spell(credentials.user.as_str()));
        let short_name = credentials.user.as_str().len() <= sql::MAX_USER_NAME;
        if refused.number() == number::TOO_LONG && short_name && credentials.password.expose().len() > 30 {
            let error = refused.into_error_of(ErrorKind::PasswordRejected, &what);
            return error.advise("before 23ai a password has at most 30 bytes");
        }
        self.denied(refused, &what, needs)
    }

    async fn grant_one(&mut self, user: &UserName, name: &TableName) -> Result<()> {
        let user = User::new(user)?;
        let table = Table::new(name).ok_or_else(|| sql::no_such_name(name))?;
        let read = self.facts.read;
        let what = format!("{} on {table} was not granted to {user}", read.name());
        let granted = match self.change(sql::grant(read, table, user)).await? {
            Ok(_) => match self.grants(|catalog| look::own_reads(catalog, user, table)).await? {
                Ok(found) if !found.rows.is_empty() => Ok(()),
                // It may have been granted in the owner's name, which only the catalog shows.
                Ok(found) if !found.all && self.grants_for_owners().await? => Ok(()),
                Ok(_) => Err(Error::new(ErrorKind::NoGrantOption, format!("{what}, though the server said so"))),
                Err(refused) => Err(explained(refused, &format!("whether {user} got {table} cannot be told"))),
            },
            Err(refused) if no_such_user(&refused) => Err(explained(refused, &format!("{what}: no such user"))),
            Err(refused) => Err(privileges::may_not_grant(self, refused, table, &what).await?),
        };
        granted.map_err(|error| error.on_asset(name))
    }

    async fn grants_for_owners(&mut self) -> Result<bool> {
        let found = self.wire.run(look::grants_for_owners()).await?;
        found
            .map(|rows| !rows.is_empty())
            .map_err(|refused| explained(refused, "the admin's privileges cannot be read"))
    }

    async fn revoke_one(&mut self, user: &UserName, name: &TableName) -> Result<()> {
        let user = User::new(user)?;
        let Some(table) = Table::new(name) else { return Ok(()) };
        self.take_back(user, table).await.map_err(|error| error.on_asset(name))
    }

    async fn take_back(&mut self, user: User<'_>, table: Table<'_>) -> Result<()> {
        let what = format!("read on {table} was not taken from {user}");
        for round in 0..GRANTORS {
            let found = match self.grants(|catalog| look::own_reads(catalog, user, table)).await? {
                Ok(found) if found.all => found.rows,
                Ok(_) => return self.take_back_blindly(user, table, &what).await,
                Err(refused) => return Err(explained(refused, &what)),
            };
            if found.is_empty() {
                return if round == 0 { privileges::not_recycled(self, user, table, &what).await } else { Ok(()) };
            }
            let mut refusal = None;
            for read in Read::BOTH {
                if found.iter().any(|row| row.first().is_some_and(|privilege| privilege == read.name())) {
                    refusal = self.change(sql::revoke(read, table, user)).await?.err().or(refusal);
                }
            }
            if let Some(refused) = refusal {
                return privileges::not_taken_back(self, refused, user, table, &what).await;
            }
        }
        Err(Error::new(ErrorKind::Unexpected, format!("{what}, though the server said so {GRANTORS} times")))
    }

    /// For an admin that does not see who has what: what it granted itself goes, and is looked for again.
    async fn take_back_blindly(&mut self, user: User<'_>, table: Table<'_>, what: &str) -> Result<()> {
        let known: &[Read] = if self.facts.read == Read::Read { &Read::BOTH } else { &[Read::Select] };
        for read in known {
            if let Err(refused) = self.change(sql::revoke(*read, table, user)).await? {
                let nothing_there = no_such_user(&refused)
                    || refused.number() == number::NOT_GRANTED
                    || refused.kind() == ErrorKind::TableNotFound;
                if !nothing_there {
                    return Err(self.denied(refused, what, "GRANT ANY OBJECT PRIVILEGE"));
                }
            }
        }
        let left = self.wire.run(look::own_reads(Catalog::All, user, table)).await?;
        let left = texts(&left.map_err(|refused| explained(refused, what))?);
        if left.is_empty() { Ok(()) } else { Err(privileges::left_of_own(self, &left, user, table, what)) }
    }
}

/// The three numbers of a session.
fn session_id(row: &[String]) -> Option<SessionId> {
    let [sid, serial, instance, ..] = row else { return None };
    Some(SessionId { sid: sid.parse().ok()?, serial: serial.parse().ok()?, instance: instance.parse().ok()? })
}

/// Rows with NULL as empty, which to Oracle are the same.
pub(crate) fn texts(rows: &crate::driver::Rows) -> Vec<Vec<String>> {
    rows.iter().map(|row| row.iter().map(|value| value.clone().unwrap_or_default()).collect()).collect()
}

#[async_trait]
impl SourceEngine for Session {
    async fn lock(&mut self, key: &LockKey, wait: Duration, _hold: Duration) -> Result<Lock> {
        // The server counts whole seconds.
        let longer = wait.saturating_add(Duration::from_secs(1));
        let Err(refused) = self.wire.run_for(sql::lock(key, wait), longer).await? else {
            // A session has one lock: another takes the place of the former, once it is had.
            let former = self.held.replace(key.clone());
            if let Some(former) = former.filter(|former| sql::lock_id(former) != sql::lock_id(key)) {
                let released = self.wire.run(sql::unlock(&former)).await?;
                released.map_err(|refused| explained(refused, "the former lock was not given back"))?;
            }
            return Ok(Lock::Held);
        };
        if refused.number() == number::NOT_COMPILED {
            let what = "the lock was not taken: the admin may not use the package DBMS_LOCK";
            let advice = self.of_sys("EXECUTE", "DBMS_LOCK");
            return Err(refused.into_error_of(ErrorKind::AdminDenied, what).advise(advice));
        }
        if refused.kind() != ErrorKind::LockTimeout {
            return Err(explained(refused, "the lock was not taken"));
        }
        let holder = self.wire.run(look::lock_holder(sql::lock_id(key))).await?.map(|rows| texts(&rows));
        let holder =
            holder.unwrap_or_default().into_iter().find_map(|row| Some((session_id(&row)?, row.get(3)?.clone())));
        Err(Error::new(ErrorKind::LockTimeout, format!("another session held {key:?} for {wait:?}")).advise(
            match holder {
                Some((session, user)) => format!(
                    "a session of {} holds it; if no run is under way there, {} frees it",
                    sql::spell(&user),
                    sql::kill(self.facts.kill, session).as_str()
                ),
                None => {
                    "look in GV$LOCK for the session that holds it (TYPE = 'UL'); if no run is under way there, kill it"
                        .to_owned()
                }
            },
        ))
    }

    async fn unlock(&mut self) -> Result<()> {
        let Some(key) = &self.held else { return Ok(()) };
        let released = self.wire.run(sql::unlock(key)).await?;
        released.map_err(|refused| explained(refused, "the lock was not given back"))?;
        self.held = None;
        Ok(())
    }

    async fn resolve(&mut self, path: &AssetPath) -> Result<TableName> {
        let places: Vec<String> = self.facts.below_database(path.as_str()).into_iter().map(str::to_owned).collect();
        if places.is_empty() {
            let what = format!("{path} does not begin with the database's name");
            let names = self.facts.names.join(", ");
            return Err(Error::new(ErrorKind::TableNotFound, what)
                .on_asset(path)
                .advise(format!("write service.schema.table; the database's names are {names}")));
        }
        let (mut fitting, mut exact) = (Vec::new(), Vec::new());
        for place in places {
            let found = self.objects(|catalog| look::find(catalog, &place)).await?;
            let found = found.map_err(|refused| explained(refused, "the table cannot be looked for"))?;
            for row in texts(&found) {
                let [owner, name] = row.as_slice() else { continue };
                let table = TableName::in_schema(&self.facts.database, owner, name)?;
                let list = if format!("{owner}.{name}") == place { &mut exact } else { &mut fitting };
                if !list.contains(&table) {
                    list.push(table);
                }
            }
        }
        path.choose(if exact.is_empty() { fitting } else { exact })
    }

    async fn create_user(&mut self, credentials: &Credentials) -> Result<Created> {
        let (user, password) = (User::new(&credentials.user)?, Password::new(&credentials.password)?);
        if !self.exists(user).await? {
            // Without a view of the profiles the number tells.
            if self.wire.run(look::profile(&self.profile)).await?.is_ok_and(|rows| rows.is_empty()) {
                self.make_profile(user).await?;
            }
            let create = sql::create_user(user, password, &self.profile);
            let mut made = self.change(create.clone()).await?;
            if made.as_ref().is_err_and(|refused| refused.number() == number::NO_SUCH_PROFILE) {
                self.make_profile(user).await?;
                made = self.change(create).await?;
            }
            match made {
                Ok(_) => {
                    self.let_connect(user).await?;
                    return Ok(Created::New);
                }
                Err(refused) if refused.number() == number::USER_EXISTS => {
                    // Somebody was faster; or a role has the name.
                    if !self.exists(user).await? {
                        let what = format!("{user} was not created; roles and users share their names");
                        return Err(explained(refused, &what).advise("drop the role, or configure another user naming"));
                    }
                }
                Err(refused) => {
                    return Err(self.password_refused(refused, credentials, "was not created", "CREATE USER"));
                }
            }
        }
        // Whoever made it may have died before it could connect, and whoever dropped it after it could not.
        self.let_connect(user).await?;
        let enabled = self.change(sql::enable(user)).await?;
        enabled.map_err(|refused| self.denied(refused, &format!("{user} was not enabled"), "ALTER USER"))?;
        Ok(Created::Existed)
    }

    async fn set_password(&mut self, credentials: &Credentials) -> Result<()> {
        let (user, password) = (User::new(&credentials.user)?, Password::new(&credentials.password)?);
        match self.change(sql::set_password(user, password)).await? {
            Ok(_) => Ok(()),
            Err(refused) if no_such_user(&refused) => {
                Err(explained(refused, &format!("{user} has not got its password: no such user")))
            }
            Err(refused) => Err(self.password_refused(refused, credentials, "has not got its password", "ALTER USER")),
        }
    }

    async fn grant(&mut self, user: &UserName, table: &TableName, take_back: &[TableName]) -> Result<()> {
        self.grant_one(user, table).await?;
        // Whatever the database was called then.
        let same = |other: &&TableName| (other.schema(), other.name()) == (table.schema(), table.name());
        let dead: Vec<_> = take_back.iter().filter(|other| !same(other)).cloned().collect();
        self.revoke(user, &dead).await
    }

    async fn revoke(&mut self, user: &UserName, tables: &[TableName]) -> Result<()> {
        for table in tables {
            self.revoke_one(user, table).await?;
        }
        Ok(())
    }

    async fn drop_user(&mut self, user: &UserName) -> Result<()> {
        self.end_user(user).await
    }

    async fn reads(&mut self, user: &UserName, table: &TableName) -> Result<Reads> {
        privileges::reads(self, user, table).await
    }

    async fn excess(&mut self, user: &UserName, granted: &[TableName], limit: usize) -> Result<Vec<String>> {
        privileges::excess(self, user, granted, limit).await
    }

    async fn user_exists(&mut self, user: &UserName) -> Result<bool> {
        self.exists(User::new(user)?).await
    }

    async fn users(&mut self, prefix: &str) -> Result<Vec<UserName>> {
        privileges::users(self, prefix).await
    }

    async fn granted(&mut self, user: &UserName) -> Result<Vec<TableName>> {
        privileges::granted(self, user).await
    }

    async fn close(self: Box<Self>) -> Result<()> {
        self.wire.close().await
    }
}
