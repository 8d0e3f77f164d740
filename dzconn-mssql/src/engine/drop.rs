//! How a user ends.

use std::time::Duration;

use dzconn_core::engine::Refusal;
use dzconn_core::model::UserName;
use dzconn_core::{Deadline, Error, ErrorKind, Result, password};

use super::user::{Connects, Found};
use super::{Facts, Session, TRIES, denied, number};
use crate::sql::look;
use crate::sql::{self, Place, Principal};
use crate::wire::{any, columns};

/// How long a killed session may take to go: it rolls back first.
const SESSIONS_END_WITHIN: Duration = Duration::from_secs(10);
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(20);

/// How many REVOKEs go out at once.
const AT_ONCE: usize = 100;

/// Where a login has users.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    /// (database, or `None` for the own one; the user's name there).
    pub(super) users: Vec<(Option<String>, String)>,
    /// Databases that the login owns.
    pub(super) owns: Vec<String>,
}

const USERS_LISTED: &str = "the login's users cannot be listed";

/// Whether a database was dropped, closed or taken offline since it was listed.
fn has_gone(refusal: &Refusal) -> bool {
    use ErrorKind::{AdminDenied, ReadOnly, TableNotFound, Unreachable};
    // A secondary replica that cannot be queried says that it is read-only.
    matches!(refusal.kind(), TableNotFound | AdminDenied | Unreachable | ReadOnly)
}

impl Session {
    /// Looks into every database that the admin may enter; and write to, if it is to.
    pub(super) async fn sweep(&mut self, user: Principal<'_>, to_write: bool) -> Result<Sweep> {
        let mut sweep = Sweep::default();
        let mut names: Vec<Option<String>> = Vec::new();
        if !self.facts.is_in_system_database() {
            names.push(None);
        }
        if !self.facts.makes_contained() {
            let answers = self.look("the databases cannot be listed", look::databases(user)).await?;
            for row in answers.rows(0) {
                let [name, can_enter, writes, is_owner] = columns(row);
                if is_owner == "1" {
                    sweep.owns.push(sql::spell_name(name));
                }
                if name != self.facts.database && can_enter == "1" && (writes == "1" || !to_write) {
                    names.push(Some(name.to_owned()));
                }
            }
        }
        let places: Vec<Place<'_>> = names.iter().map(Option::as_deref).collect();
        if places.is_empty() {
            return Ok(sweep);
        }
        let answers = self.wire.run(look::users_of(&places, user)).await?;
        let results = match answers.refused {
            None => answers.results,
            // One of them went meanwhile, and ended the batch.
            Some(refusal) if has_gone(&refusal) => {
                let mut results = Vec::new();
                for place in places {
                    let answers = self.wire.run(look::users_of(&[place], user)).await?;
                    results.push(match answers.refused {
                        Some(refusal) if has_gone(&refusal) => Vec::new(),
                        _ => answers.or_refused(USERS_LISTED)?.results.into_iter().flatten().collect(),
                    });
                }
                results
            }
            Some(refusal) => return Err(refusal.into_error(USERS_LISTED)),
        };
        for (place, rows) in names.into_iter().zip(results) {
            let users = rows.into_iter().flatten();
            sweep.users.extend(users.map(|name| (place.clone(), name)));
        }
        Ok(sweep)
    }

    /// What stands in databases that are closed to the admin stays: a user without a login, with which nobody can log in.
    pub(super) async fn end_user(&mut self, user: &UserName) -> Result<()> {
        let principal = Principal::new(user)?;
        let found = self.find(principal).await?;
        self.shut_out(principal, &found).await?;
        let contained = matches!(found, Found::Contained { .. });
        let mut sweep = if contained {
            Sweep { users: vec![(None, user.as_str().to_owned())], owns: Vec::new() }
        } else if self.facts.makes_contained() {
            Sweep::default()
        } else {
            self.sweep(principal, true).await?
        };
        let mut left = Vec::new();
        for (place, name) in &sweep.users {
            if name == principal.name() {
                left.extend(self.take_all_back(place.as_deref(), principal).await?);
            }
        }
        let state = if left.is_empty() {
            format!("{principal} is shut out and has no grant on a table any more")
        } else {
            format!("{principal} is shut out, but still granted to it are {}", left.join(", "))
        };
        if found != Found::Nobody {
            self.end_sessions(principal, contained, &state).await?;
        }
        if !sweep.owns.is_empty() {
            return Err(Error::new(
                ErrorKind::UserOwnsObjects,
                format!("{principal} is disabled and not dropped: it owns {}", sweep.owns.join(", ")),
            )
            .advise("somebody gave it more than dzconn does: look, and ALTER AUTHORIZATION ON DATABASE:: by hand"));
        }
        for _ in 0..TRIES {
            for (place, name) in &sweep.users {
                self.drop_member(place.as_deref(), name).await?;
            }
            if contained || sweep.users.is_empty() {
                break;
            }
            // Somebody may have let it into another one meanwhile.
            sweep = self.sweep(principal, true).await?;
        }
        if matches!(found, Found::Login { .. }) {
            self.drop_login(principal, &state).await?;
        }
        // A contained user's session may have come about before it was shut out.
        if contained {
            self.end_sessions(principal, true, &state).await?;
        }
        match self.find(principal).await? {
            Found::Nobody => Ok(()),
            _ => Err(Error::new(ErrorKind::Unexpected, format!("{principal} exists after it was dropped"))),
        }
    }

    /// No new logins.
    async fn shut_out(&mut self, user: Principal<'_>, found: &Found) -> Result<()> {
        match found {
            Found::Login { disabled: false } => match self.change(None, [sql::disable_login(user)]).await? {
                Some(refusal) => Err(denied(refusal, &format!("{user} was not disabled"), &self.logins_needed())),
                None => Ok(()),
            },
            Found::Contained { connects: Connects::Granted, .. } => {
                // REVOKE takes only what the admin, or the owner in its name, has granted; CREATE USER grants in the owner's.
                let refused = self.change(None, [sql::refuse_connect(user)]).await?;
                let connects = self.find(user).await?;
                let connects = matches!(connects, Found::Contained { connects: Connects::Granted, .. });
                if !connects {
                    return Ok(());
                }
                match refused {
                    Some(refusal) if !refusal.is_denied() => {
                        return Err(refusal.into_error(&format!("{user} can still connect")));
                    }
                    _ => {}
                }
                // Then it gets a password that nobody knows. Whoever wants the user again sets the one that is stored.
                let nobodys = password::generate();
                match self.change(None, [sql::set_contained_password(user, Some(&nobodys))]).await? {
                    Some(refusal) => {
                        Err(denied(refusal, &format!("{user} can still connect"), &self.users_needed(None)))
                    }
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    /// So that sessions that live on can read nothing; on what it has grants all the same. Those, DROP USER takes, or refuses to.
    async fn take_all_back(&mut self, place: Place<'_>, user: Principal<'_>) -> Result<Vec<String>> {
        let what = "the user's privileges cannot be listed";
        let answers = self.look(what, look::granted(place, user)).await?;
        for rows in answers.rows(0).chunks(AT_ONCE) {
            let revoke = |row: &Vec<String>| {
                let [schema, name] = columns(row);
                sql::revoke(user, sql::Object { schema, name })
            };
            if self.change(place, rows.iter().map(revoke)).await?.is_some() {
                // One that was refused has kept those after it from being run.
                for row in rows {
                    self.change(place, [revoke(row)]).await?;
                }
            }
        }
        if answers.rows(0).is_empty() {
            return Ok(Vec::new());
        }
        let left = self.look(what, look::granted(place, user)).await?;
        let database = sql::spell_name(place.unwrap_or(&self.facts.database));
        let spell = |row: &Vec<String>| {
            let [schema, name] = columns(row);
            format!("{database}.{}", sql::spell_object(schema, name))
        };
        Ok(left.rows(0).iter().map(spell).collect())
    }

    async fn drop_member(&mut self, place: Place<'_>, name: &str) -> Result<()> {
        let own = self.facts.database.clone();
        let database = place.unwrap_or(&own);
        let what = format!("the user {} in {} was not dropped", sql::spell_name(name), sql::spell_name(database));
        match self.change(place, [sql::drop_user(name)]).await? {
            None => Ok(()),
            Some(refusal) if refusal.kind() == ErrorKind::UserOwnsObjects => {
                Err(self.owner(place, name, refusal, &what).await)
            }
            // Gone, or hidden from the admin.
            Some(refusal) if refusal.number() == number::CANNOT_FIND => {
                let answers = self.look(USERS_LISTED, look::user(place, database, name, false)).await?;
                if answers.rows(0).is_empty() && any(answers.rows(1)) {
                    return Ok(());
                }
                Err(denied(refusal, &what, &self.users_needed(place)))
            }
            Some(refusal) => Err(denied(refusal, &what, &self.users_needed(place))),
        }
    }

    /// What it owns, so that people find it.
    async fn owner(&mut self, place: Place<'_>, name: &str, refusal: Refusal, what: &str) -> Error {
        let owned = match self.look("what it owns", look::owned(place, name)).await {
            Ok(answers) => {
                let each = answers.rows(0).iter().map(|row| {
                    let [kind, name] = columns(row);
                    format!("{kind} {}", sql::spell_name(name))
                });
                each.collect::<Vec<_>>().join(", ")
            }
            Err(_) => String::new(),
        };
        let what = if owned.is_empty() { what.to_owned() } else { format!("{what}, it owns {owned}") };
        refusal.into_error(&what).advise(
            "somebody gave it more than dzconn does: look, and give what it owns to another (ALTER AUTHORIZATION) or drop \
             that by hand",
        )
    }

    /// A login that was under way when it was disabled may have come in since.
    async fn drop_login(&mut self, user: Principal<'_>, state: &str) -> Result<()> {
        let deadline = Deadline::within(SESSIONS_END_WITHIN);
        let what = format!("the login {user} is disabled and was not dropped");
        loop {
            match self.change(None, [sql::drop_login(user)]).await? {
                None => return Ok(()),
                Some(refusal) if refusal.number() == number::LOGGED_IN && !deadline.remaining().is_zero() => {
                    self.end_sessions(user, false, state).await?;
                    tokio::time::sleep(LOOK_AGAIN_AFTER).await;
                }
                // Somebody else was faster, which the last look will tell.
                Some(refusal) if refusal.number() == number::CANNOT_FIND => {
                    return match self.find(user).await? {
                        Found::Nobody => Ok(()),
                        _ => Err(denied(refusal, &what, &self.logins_needed())),
                    };
                }
                Some(refusal) if refusal.kind() == ErrorKind::UserOwnsObjects => {
                    return Err(refusal.into_error(&what).advise(
                        "somebody gave it more than dzconn does: look what it owns or has granted on the server, and undo that",
                    ));
                }
                Some(refusal) if refusal.number() == number::LOGGED_IN => {
                    return Err(refusal.into_error(&what).advise("end its sessions, and run this again"));
                }
                Some(refusal) => return Err(denied(refusal, &what, &self.logins_needed())),
            }
        }
    }

    /// The user's sessions: number, and since when.
    async fn sessions(&mut self, user: Principal<'_>, contained: bool) -> Result<Vec<(u64, String)>> {
        let answers = self.look("the sessions cannot be listed", look::sessions(user, contained)).await?;
        let own = |row: &Vec<String>| {
            let [id, name, authenticated_by, is_users, since] = columns(row);
            // "sys.dm_exec_sessions": 0 for a login, else the contained database.
            let by = authenticated_by.parse::<i64>().unwrap_or_default();
            let fits = match contained {
                // There one sees sessions of the one database only, whatever its number is to the server ("DB_ID").
                _ if self.facts.azure => true,
                true => by == self.facts.database_id,
                false => by <= super::LAST_SYSTEM_DATABASE,
            };
            let is_users = is_users == "1" || self.facts.same(name, user.name());
            Some((id.parse().ok().filter(|_| fits && is_users)?, since.to_owned()))
        };
        Ok(answers.rows(0).iter().filter_map(own).collect())
    }

    /// Ends the user's sessions and waits until they are gone.
    async fn end_sessions(&mut self, user: Principal<'_>, contained: bool, state: &str) -> Result<()> {
        let answers = self.look("what the admin may see", look::may_see_sessions(self.facts.azure)).await?;
        if let Some(needs) = lacks_sessions(&self.facts, answers.rows(0).first().map_or(&[][..], Vec::as_slice)) {
            let what = format!("{state}; whether it has sessions cannot be told");
            return Err(Error::new(ErrorKind::SessionsRemain, what).advise(needs));
        }
        let deadline = Deadline::within(SESSIONS_END_WITHIN);
        loop {
            let sessions = self.sessions(user, contained).await?;
            if sessions.is_empty() {
                return Ok(());
            }
            if deadline.remaining().is_zero() {
                let what = format!("{state}; {} of its sessions live on after KILL", sessions.len());
                return Err(Error::new(ErrorKind::SessionsRemain, what)
                    .advise("they roll back what they did; run it again when they are gone"));
            }
            // One that went by itself ends the batch; the others are looked for again.
            match self.change(None, sessions.iter().map(|(session, since)| sql::kill(*session, since))).await? {
                None => {}
                Some(refusal) if refusal.number() == number::NO_SUCH_SESSION => {}
                Some(refusal) if refusal.number() == number::MAY_NOT_KILL || refusal.is_denied() => {
                    let what = format!("{state}; its {} sessions were not ended", sessions.len());
                    let needs = if self.facts.azure {
                        format!("GRANT KILL DATABASE CONNECTION TO {}", sql::spell_name(&self.facts.user))
                    } else {
                        format!("in master: GRANT ALTER ANY CONNECTION TO {}", sql::spell_name(&self.facts.login))
                    };
                    return Err(refusal.into_error_of(ErrorKind::SessionsRemain, &what).advise(needs));
                }
                Some(refusal) => return Err(refusal.into_error(&format!("{state}; its sessions were not ended"))),
            }
            tokio::time::sleep(LOOK_AGAIN_AFTER).await;
        }
    }
}

/// What the admin lacks if it does not see every session ("`sys.dm_exec_sessions`", Permissions); nothing if it does.
pub(crate) fn lacks_sessions(facts: &Facts, row: &[String]) -> Option<String> {
    if !facts.azure {
        let login = sql::spell_name(&facts.login);
        let sees = row.iter().any(|value| value == "1");
        return (!sees).then(|| format!("in master: GRANT VIEW SERVER STATE TO {login}"));
    }
    let [sees_here, objective, reads_server_state] = columns(row);
    // Whoever made the database: the server's admin.
    if reads_server_state == "1" || facts.user == "dbo" {
        return None;
    }
    if ["Basic", "S0", "S1", "ElasticPool"].iter().any(|small| small.eq_ignore_ascii_case(objective)) {
        return Some(format!(
            "a database of the service objective {objective} shows its sessions to the server's admin, and to logins in the \
             server role ##MS_ServerStateReader##: let the connection's admin be one of those, or choose another objective"
        ));
    }
    (sees_here != "1").then(|| format!("GRANT VIEW DATABASE STATE TO {}", sql::spell_name(&facts.user)))
}
