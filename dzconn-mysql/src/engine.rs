//! What a session does, and in which order.

use std::time::Duration;

use async_trait::async_trait;
use dzconn_core::engine::{Created, Lock, LockKey, Reads, Refusal};
use dzconn_core::model::{AssetPath, Credentials, TableName, UserName};
use dzconn_core::sql::Sql;
use dzconn_core::{Deadline, Error, ErrorKind, Result, SourceEngine};

use crate::error::number;
use crate::privileges;
use crate::sql::{self, Account, Flavor, Kill, look};
use crate::wire::{Answers, Rows, Wire};

/// How long a killed session may take to go. It looks up from its work at every row or page.
const SESSIONS_END_WITHIN: Duration = Duration::from_secs(10);
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(20);

/// How a user stands whose sessions are in the way.
const LOCKED: &str = "is locked and has no privilege any more";

/// One admin connection.
#[derive(Debug)]
pub(crate) struct Session {
    wire: Wire,
    /// The account that the server took for the login, as people must write it.
    admin: String,
    held: Option<LockKey>,
    facts: Facts,
}

/// What the server says of itself once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) mariadb: bool,
    /// Whether table names that differ in case are the same name.
    pub(crate) folds: bool,
    /// Why `GET_LOCK` does not reach every session.
    pub(crate) no_lock: Option<String>,
    /// Roles that everybody has.
    pub(crate) mandatory_roles: Vec<look::Holder>,
}

impl Facts {
    /// Galera's and multi-primary Group Replication's locks are per node (MariaDB Galera Cluster, "Known Limitations"; MySQL,
    /// "Group Replication Limitations").
    pub(crate) fn new(mariadb: &str, lower_case_table_names: &str, settings: &Rows) -> Self {
        let setting = |name: &str| {
            let row = settings.iter().find(|row| row.first().is_some_and(|n| n.eq_ignore_ascii_case(name)));
            row.and_then(|row| row.get(1)).map_or("", String::as_str)
        };
        let is = |name, value: &str| setting(name).eq_ignore_ascii_case(value);
        let no_lock = if is("wsrep_on", "ON") && !matches!(setting("wsrep_provider"), "" | "none") {
            Some("the server is a node of a Galera cluster (wsrep_on), whose GET_LOCK locks only that node".to_owned())
        } else if is("group_replication_single_primary_mode", "OFF")
            && !setting("group_replication_group_name").is_empty()
        {
            Some("the server is in a multi-primary replication group, where GET_LOCK locks only one member".to_owned())
        } else {
            None
        };
        Self {
            mariadb: mariadb == "1",
            folds: lower_case_table_names != "0",
            no_lock,
            mandatory_roles: mandatory_roles(setting("mandatory_roles")),
        }
    }
}

/// Reads `role`, `'role'@'host'`, ... ("`mandatory_roles`"). Without a host it is `%`.
fn mandatory_roles(list: &str) -> Vec<look::Holder> {
    let bare = |text: &str| text.trim().trim_matches(['\'', '`', '"']).to_owned();
    list.split(',')
        .filter(|role| !role.trim().is_empty())
        .map(|role| {
            let (user, host) = role.rsplit_once('@').unwrap_or((role, Account::HOST));
            look::Holder { user: bare(user), host: Some(bare(host)) }
        })
        .collect()
}

impl Session {
    pub(crate) async fn start(mut wire: Wire) -> Result<Self> {
        let answers = wire.run(vec![sql::pin(wire.timeout)]).await?.or_refused("the session cannot be set up")?;
        let silent = || Error::new(ErrorKind::Unexpected, "the server did not say what it is");
        let [.., server, settings] = answers.done.as_slice() else { return Err(silent()) };
        let [mariadb, lower_case, admin] = server.first().map_or(&[][..], Vec::as_slice) else { return Err(silent()) };
        let facts = Facts::new(mariadb, lower_case, settings);
        wire.flavor = if facts.mariadb { Flavor::MariaDb } else { Flavor::MySql };
        let (user, host) = admin.rsplit_once('@').unwrap_or((admin, Account::HOST));
        Ok(Self { wire, admin: sql::spell_account(user, host), held: None, facts })
    }

    /// Runs statements that change something: first of them the check that this session still holds its lock, in the same
    /// round trip. Between the check and the change the lock can go only if the connection does.
    async fn change(&mut self, statements: impl IntoIterator<Item = Sql>) -> Result<Answers> {
        let Some(key) = &self.held else { return self.look(statements).await };
        let mut batch = vec![sql::guard(key)];
        batch.extend(statements);
        let mut answers = self.look(batch).await?;
        if answers.done.is_empty() {
            return match answers.refused {
                Some(refusal) if refusal.number() == number::SUBQUERY_ROWS => {
                    Err(Error::new(ErrorKind::LockLost, "this session does not hold its lock any more"))
                }
                Some(refusal) => Err(refusal.into_error("whether the lock is held cannot be told")),
                None => Err(Error::new(ErrorKind::Unexpected, "the server did not answer")),
            };
        }
        answers.done.remove(0);
        Ok(answers)
    }

    async fn look(&mut self, statements: impl IntoIterator<Item = Sql>) -> Result<Answers> {
        self.wire.run(statements.into_iter().collect()).await
    }

    /// A refusal, with what the admin lacks if that is why.
    fn denied(&self, refusal: Refusal, what: &str, needs: &str) -> Error {
        let denied = refusal.is_denied();
        let error = refusal.into_error(what);
        if denied { error.advise(format!("GRANT {needs} TO {}", self.admin)) } else { error }
    }

    /// Why a statement with a password was refused. Two numbers say too little on MariaDB.
    async fn password_refused(&mut self, refusal: Refusal, account: Account<'_>, what: &str) -> Error {
        let what = format!("{account} {what}");
        let look = |answers: Result<Answers>| answers.ok().filter(|answers| answers.refused.is_none());
        let kind = match refusal.number() {
            // With a password validation plugin and `strict_password_validation`, CREATE USER takes no hash; with `read_only`,
            // nothing.
            number::OPTION_PREVENTS => match look(self.look([look::read_only()]).await) {
                Some(answers) if self.wire.flavor == Flavor::MariaDb && answers.value(0, 0) == "0" => {
                    ErrorKind::PasswordRejected
                }
                _ => refusal.kind(),
            },
            // ALTER USER answers so whatever the plugin objects to (1819 is only CREATE USER's), and where there is no user.
            number::CANNOT_USER => match look(self.look([look::user(account)]).await) {
                Some(answers) if answers.rows(0).is_empty() => {
                    return refusal.into_error(&format!("{what}: no such user"));
                }
                Some(_) => ErrorKind::PasswordRejected,
                None => return refusal.into_error(&format!("{what}: it does not exist, or the password is rejected")),
            },
            _ => refusal.kind(),
        };
        let advice = match self.wire.flavor {
            Flavor::MySql => "let the server's password policy take 30 characters of both cases, digits, - and _",
            Flavor::MariaDb => {
                "dzconn sends MariaDB a hash, since MariaDB logs statements as they come; password validation plugins take \
                 one only after SET GLOBAL strict_password_validation = OFF"
            }
        };
        if kind == ErrorKind::PasswordRejected {
            return refusal.into_error_of(kind, &what).advise(advice);
        }
        self.denied(refusal, &what, "CREATE USER ON *.*")
    }

    async fn grant_one(&mut self, user: &UserName, table: &TableName) -> Result<()> {
        let account = Account::new(user)?;
        let what = format!("SELECT on {} was not granted to {account}", sql::quoted(table));
        if !sql::can_exist(table) {
            let what = format!("{what}: no server has tables of such a name");
            return Err(Error::new(ErrorKind::TableNotFound, what).on_asset(table));
        }
        let own_select = look::own_select(account, table, self.facts.folds);
        let answers = self.change([sql::grant(account, table), own_select]).await?;
        match answers.refused {
            None if !answers.rows(1).is_empty() => Ok(()),
            None => Err(Error::new(ErrorKind::NoGrantOption, format!("{what}, though the server said so"))),
            // It was granted; the admin may not read that back. Neither vendor says so without granting.
            Some(_) if answers.done.len() == 1 => Ok(()),
            Some(refusal) => Err(match refusal.number() {
                number::NO_SUCH_USER | number::NO_SUCH_USER_TO_GRANT => {
                    refusal.into_error(&format!("{what}: no such user"))
                }
                _ if refusal.is_denied() => self.may_not_grant(refusal, table, &what).await,
                _ => refusal.into_error(&what),
            }),
        }
        .map_err(|error| error.on_asset(table))
    }

    /// To an admin without any privilege on a table, the server does not say whether there is one.
    async fn may_not_grant(&mut self, refusal: Refusal, table: &TableName, what: &str) -> Error {
        let needs = sql::admin_needs(table, &self.admin);
        match self.look([look::table(table)]).await {
            Ok(answers) if answers.refused.is_none() && answers.rows(0).is_empty() => {
                let advice = format!("check that the table exists; if it does, have somebody run who may: {needs}");
                let what = format!("{what}, and the admin sees no such table");
                refusal.into_error_of(ErrorKind::TableNotFound, &what).advise(advice)
            }
            _ => {
                let advice = format!("have somebody run who may: {needs}");
                refusal.into_error_of(ErrorKind::NoGrantOption, what).advise(advice)
            }
        }
    }

    async fn revoke_one(&mut self, user: &UserName, table: &TableName) -> Result<()> {
        let account = Account::new(user)?;
        if !sql::can_exist(table) {
            return Ok(());
        }
        let own_select = look::own_select(account, table, self.facts.folds);
        let answers = self.change([sql::revoke(account, table), own_select.clone()]).await?;
        let what = format!("SELECT on {} was not taken from {account}", sql::quoted(table));
        let left = Error::new(ErrorKind::Unexpected, format!("{what}, though the server said so"));
        let revoked = match answers.refused {
            None if answers.rows(1).is_empty() => Ok(()),
            None => Err(left),
            Some(_) if answers.done.len() == 1 => Ok(()),
            Some(refusal) => {
                let gone = matches!(
                    refusal.number(),
                    number::NO_SUCH_TABLE_GRANT
                        | number::NO_SUCH_GRANT
                        | number::NO_SUCH_USER
                        | number::NOTHING_TO_REVOKE
                );
                let look = self.look([own_select]).await?;
                let nothing_is_left = look.rows(0).is_empty();
                match (look.refused, nothing_is_left) {
                    _ if !gone && !refusal.is_denied() => Err(refusal.into_error(&what)),
                    // Also where the admin may not revoke: there is nothing to take back.
                    (None, true) => Ok(()),
                    (Some(_), _) if gone => Ok(()),
                    (None, false) if gone => Err(left),
                    _ => {
                        let needs = sql::admin_needs(table, &self.admin);
                        Err(refusal
                            .into_error(&what)
                            .advise(format!("only who may grant it may take it back: {needs}")))
                    }
                }
            }
        };
        revoked.map_err(|error| error.on_asset(table))
    }

    /// The sessions of the user, by number; and what else is to be said of it if they cannot be seen.
    async fn sessions(&mut self, account: Account<'_>, state: &str) -> Result<Vec<u64>> {
        let answers = self.look([look::may_see_sessions(), look::sessions()]).await?;
        match answers.refused {
            None => Ok(sessions_of(account, answers.done.get(1))),
            Some(refusal) => Err(self.cannot_see_sessions(account, state, refusal)),
        }
    }

    fn cannot_see_sessions(&self, account: Account<'_>, state: &str, refusal: Refusal) -> Error {
        let denied = refusal.is_denied();
        let what = format!("{account} {state}, but whether it has sessions cannot be told");
        let error = refusal.into_error_of(ErrorKind::SessionsRemain, &what);
        if denied { error.advise(format!("GRANT PROCESS ON *.* TO {}", self.admin)) } else { error }
    }

    /// Ends sessions and waits until they are gone. `SHOW PROCESSLIST` names the user and not the account, so sessions of
    /// the same user at another host, which dzconn never makes, end too.
    async fn end_sessions(&mut self, account: Account<'_>, mut sessions: Vec<u64>) -> Result<()> {
        let deadline = Deadline::within(SESSIONS_END_WITHIN);
        let mut how = Kill::Statement;
        while !sessions.is_empty() {
            let answers = self.change(sessions.iter().map(|session| sql::kill(how, *session))).await?;
            match answers.refused {
                None => {}
                // It went by itself; the others are looked for again.
                Some(refusal) if refusal.number() == number::NO_SUCH_SESSION => {}
                Some(refusal)
                    if how == Kill::Statement && (refusal.is_denied() || refusal.number() == number::KILL_DENIED) =>
                {
                    how = Kill::Rds;
                    continue;
                }
                Some(refusal) => {
                    let privilege = match self.wire.flavor {
                        Flavor::MySql => "CONNECTION_ADMIN",
                        Flavor::MariaDb => "CONNECTION ADMIN",
                    };
                    let what = format!("{account} is locked, but its {} sessions were not ended", sessions.len());
                    return Err(refusal.into_error_of(ErrorKind::SessionsRemain, &what).advise(format!(
                        "GRANT {privilege} ON *.* TO {}; on RDS, EXECUTE on mysql.rds_kill will do",
                        self.admin
                    )));
                }
            }
            sessions = self.sessions(account, LOCKED).await?;
            if sessions.is_empty() {
                break;
            }
            if deadline.remaining().is_zero() {
                let what = format!("{account} is locked, but {} of its sessions live on after KILL", sessions.len());
                return Err(Error::new(ErrorKind::SessionsRemain, what)
                    .advise("they roll back or hang in a storage engine; run it again when they are gone"));
            }
            tokio::time::sleep(LOOK_AGAIN_AFTER).await;
        }
        Ok(())
    }
}

/// Exactly this user's: the server compares names byte by byte.
fn sessions_of(account: Account<'_>, processes: Option<&Rows>) -> Vec<u64> {
    let of_user = |row: &&Vec<String>| row.get(1).is_some_and(|user| user == account.user());
    let rows = processes.map_or(&[][..], Vec::as_slice);
    rows.iter().filter(of_user).filter_map(|row| row.first()?.parse().ok()).collect()
}

#[async_trait]
impl SourceEngine for Session {
    async fn lock(&mut self, key: &LockKey, wait: Duration, hold: Duration) -> Result<Lock> {
        if let Some(why) = &self.facts.no_lock {
            return Ok(Lock::Unsupported(why.clone()));
        }
        let statements = sql::lock(key, wait, hold, self.wire.timeout);
        let answers = self.wire.run_for(vec![statements], wait).await?.or_refused("the lock was not taken")?;
        match answers.value(1, 0) {
            "1" => {
                // A session has one lock: another takes the place of the former, once it is had.
                if let Some(former) = self.held.replace(key.clone()).filter(|former| former != key) {
                    self.look([sql::release(&former)]).await?;
                }
                Ok(Lock::Held)
            }
            "0" => {
                let holder = answers.value(2, 0);
                let what = format!("another session held {key:?} for {wait:?}");
                let advice = format!("session {holder} holds it; if no run is under way there, KILL {holder} frees it");
                Err(Error::new(ErrorKind::LockTimeout, what).advise(advice))
            }
            _ => Err(Error::new(ErrorKind::Unexpected, "GET_LOCK failed without saying why")),
        }
    }

    async fn unlock(&mut self) -> Result<()> {
        let Some(key) = &self.held else { return Ok(()) };
        self.wire.run(vec![sql::unlock(key)]).await?.or_refused("the lock was not given back")?;
        self.held = None;
        Ok(())
    }

    async fn resolve(&mut self, path: &AssetPath) -> Result<TableName> {
        let found = self.look([look::find(path)]).await?.or_refused("the table cannot be looked for")?;
        let names = found.rows(0).iter().filter_map(|row| match row.as_slice() {
            [database, name] => Some(TableName::in_database(database, name)),
            _ => None,
        });
        path.choose(names.collect::<Result<_>>()?)
    }

    async fn create_user(&mut self, credentials: &Credentials) -> Result<Created> {
        let account = Account::new(&credentials.user)?;
        let flavor = self.wire.flavor;
        let made = self.change([sql::create_user(flavor, account, Some(&credentials.password))]).await?;
        let Some(refusal) = made.refused else { return Ok(Created::New) };
        if refusal.number() != number::CANNOT_USER {
            return Err(self.password_refused(refusal, account, "was not created").await);
        }
        // The number says "exists" and much else. To enable it shows which, and is due after a drop that did not finish.
        let enabled = self.change([sql::enable(account)]).await?;
        match enabled.refused {
            None => Ok(Created::Existed),
            Some(second) if second.number() == number::CANNOT_USER => {
                Err(refusal.into_error(&format!("{account} was not created, and it does not exist")))
            }
            Some(second) => Err(self.denied(second, &format!("{account} was not enabled"), "CREATE USER ON *.*")),
        }
    }

    async fn set_password(&mut self, credentials: &Credentials) -> Result<()> {
        let account = Account::new(&credentials.user)?;
        let flavor = self.wire.flavor;
        let set = self.change([sql::set_password(flavor, account, Some(&credentials.password))]).await?;
        let Some(refusal) = set.refused else { return Ok(()) };
        Err(self.password_refused(refusal, account, "has not got its password").await)
    }

    async fn grant(&mut self, user: &UserName, table: &TableName, take_back: &[TableName]) -> Result<()> {
        self.grant_one(user, table).await?;
        // To a server that folds names, one that differs in case only is the table that was just granted.
        let folds = self.facts.folds;
        let folded = |table: &TableName| if folds { table.joined().to_lowercase() } else { table.joined() };
        let dead: Vec<_> = take_back.iter().filter(|other| folded(other) != folded(table)).cloned().collect();
        self.revoke(user, &dead).await
    }

    async fn revoke(&mut self, user: &UserName, tables: &[TableName]) -> Result<()> {
        // One by one: a batch would end at the first that is gone already.
        for table in tables {
            self.revoke_one(user, table).await?;
        }
        Ok(())
    }

    async fn drop_user(&mut self, user: &UserName) -> Result<()> {
        let account = Account::new(user)?;
        let [disable, revoke_all] = [sql::disable(account), sql::revoke_all(account)];
        let answers = self.change([disable, revoke_all, look::may_see_sessions(), look::sessions()]).await?;
        let found = match (answers.done.len(), answers.refused) {
            (_, None) => sessions_of(account, answers.done.last()),
            (0, Some(refusal)) if refusal.number() != number::CANNOT_USER => {
                return Err(self.denied(refusal, &format!("{account} was not locked"), "CREATE USER ON *.*"));
            }
            // Locked, and yet not found a moment later: somebody else drops it too.
            (1, Some(refusal)) if refusal.number() != number::NOTHING_TO_REVOKE => {
                let what = format!("{account} is locked, but its privileges were not taken back");
                return Err(self.denied(refusal, &what, "CREATE USER ON *.*"));
            }
            (0 | 1, Some(_)) => self.sessions(account, "is gone").await?,
            (_, Some(refusal)) => return Err(self.cannot_see_sessions(account, LOCKED, refusal)),
        };
        self.end_sessions(account, found).await?;
        let answers = self.change([sql::drop_user(account), look::sessions(), look::user(account)]).await?;
        // The last look is refused where the admin may not read mysql.user: the server's word counts.
        let is_gone = match answers.refused {
            None => answers.rows(2).is_empty(),
            Some(_) => answers.done.len() == 2,
        };
        if is_gone {
            return self.end_sessions(account, sessions_of(account, answers.done.get(1))).await;
        }
        Err(match answers.refused {
            Some(refusal) if refusal.kind() == ErrorKind::UserOwnsObjects => {
                refusal.into_error(&format!("{account} was not dropped")).advise(
                    "it is the DEFINER of views, routines, triggers or events, which dzconn never lets it make: \
                         look for it in information_schema, and give them to somebody else or drop them",
                )
            }
            Some(refusal) => self.denied(refusal, &format!("{account} was not dropped"), "CREATE USER ON *.*"),
            None => Error::new(ErrorKind::Unexpected, format!("{account} exists after it was dropped")),
        })
    }

    async fn reads(&mut self, user: &UserName, table: &TableName) -> Result<Reads> {
        privileges::reads(&mut self.wire, &self.facts, user, table).await
    }

    async fn excess(&mut self, user: &UserName, granted: &[TableName], limit: usize) -> Result<Vec<String>> {
        privileges::excess(&mut self.wire, &self.facts, user, granted, limit).await
    }

    async fn user_exists(&mut self, user: &UserName) -> Result<bool> {
        let account = Account::new(user)?;
        let answers = self.look([look::user(account)]).await?;
        match answers.refused {
            None => Ok(!answers.rows(0).is_empty()),
            Some(refusal) => {
                Err(self.denied(refusal, &format!("whether {account} exists cannot be told"), "SELECT ON mysql.user"))
            }
        }
    }

    async fn users(&mut self, prefix: &str) -> Result<Vec<UserName>> {
        privileges::users(&mut self.wire, prefix).await
    }

    async fn granted(&mut self, user: &UserName) -> Result<Vec<TableName>> {
        privileges::granted(&mut self.wire, user).await
    }

    async fn close(self: Box<Self>) -> Result<()> {
        self.wire.close().await
    }
}
