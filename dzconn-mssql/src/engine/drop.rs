//! How a user ends.

use std::time::Duration;

use dzconn_core::model::UserName;
use dzconn_core::{Deadline, Error, ErrorKind, Result, password};

use super::user::{Found, LOGINS, USERS};
use super::{Session, number};
use crate::error::Refusal;
use crate::sql::look;
use crate::sql::{self, Place, Principal};
use crate::wire::columns;

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
    owns: Vec<String>,
}

const USERS_LISTED: &str = "the login's users cannot be listed";

/// Whether a database was dropped, closed or taken offline since it was listed.
fn has_gone(refusal: &Refusal) -> bool {
    matches!(refusal.kind(), ErrorKind::TableNotFound | ErrorKind::AdminDenied | ErrorKind::Unreachable)
}

impl Session {
    /// Looks into every database that the admin may enter and write to. What stands in others stays: an entry without a login,
    /// with which nobody can log in.
    pub(super) async fn sweep(&mut self, user: Principal<'_>) -> Result<Sweep> {
        let mut sweep = Sweep::default();
        let mut names: Vec<Option<String>> = Vec::new();
        if !self.facts.is_in_system_database() {
            names.push(None);
        }
        if !self.facts.makes_contained() {
            let answers = self.look("the databases cannot be listed", look::databases(user)).await?;
            for row in answers.rows(0) {
                let [name, can_enter, read_only, is_owner] = columns(row);
                if is_owner == "1" {
                    sweep.owns.push(sql::spell_name(name));
                }
                if name != self.facts.database && can_enter == "1" && read_only != "1" {
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

    pub(super) async fn end_user(&mut self, user: &UserName) -> Result<()> {
        let principal = Principal::new(user)?;
        let found = self.find(principal).await?;
        self.shut_out(principal, &found).await?;
        let sweep = match found {
            Found::Contained { .. } => Sweep { users: vec![(None, user.as_str().to_owned())], owns: Vec::new() },
            _ if self.facts.makes_contained() => Sweep::default(),
            _ => self.sweep(principal).await?,
        };
        for (place, name) in &sweep.users {
            if name == principal.name() {
                self.take_all_back(place.as_deref(), principal).await?;
            }
        }
        if found != Found::Nobody {
            self.end_sessions(principal, &found).await?;
        }
        if !sweep.owns.is_empty() {
            return Err(Error::new(
                ErrorKind::UserOwnsObjects,
                format!("{principal} is disabled and not dropped: it owns {}", sweep.owns.join(", ")),
            )
            .advise("somebody gave it more than dzconn does: look, and ALTER AUTHORIZATION ON DATABASE:: by hand"));
        }
        for (place, name) in &sweep.users {
            self.drop_member(place.as_deref(), name).await?;
        }
        if matches!(found, Found::Login { .. }) {
            self.drop_login(principal, &found).await?;
        }
        // A contained user's session may have come about before it was shut out.
        if matches!(found, Found::Contained { .. }) {
            self.end_sessions(principal, &found).await?;
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
                Some(refusal) => Err(self.denied(refusal, &format!("{user} was not disabled"), LOGINS)),
                None => Ok(()),
            },
            Found::Contained { connects: true, .. } => {
                // REVOKE takes only what the admin, or the owner in its name, has granted; CREATE USER grants in the owner's.
                let refused = self.change(None, [sql::refuse_connect(user)]).await?;
                let connects = matches!(self.find(user).await?, Found::Contained { connects: true, .. });
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
                    Some(refusal) => Err(self.denied(refusal, &format!("{user} can still connect"), USERS)),
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    /// So that sessions that live on can read nothing. What is left, DROP USER takes, or refuses to.
    async fn take_all_back(&mut self, place: Place<'_>, user: Principal<'_>) -> Result<()> {
        let answers = self.look("the user's privileges cannot be listed", look::granted(place, user)).await?;
        for rows in answers.rows(0).chunks(AT_ONCE) {
            let revokes = rows.iter().map(|row| {
                let [schema, name] = columns(row);
                sql::revoke(user, sql::Object { schema, name })
            });
            self.change(place, revokes.collect::<Vec<_>>()).await?;
        }
        Ok(())
    }

    async fn drop_member(&mut self, place: Place<'_>, name: &str) -> Result<()> {
        let database = sql::spell_name(place.unwrap_or(&self.facts.database));
        let what = format!("the user {} in {database} was not dropped", sql::spell_name(name));
        match self.change(place, [sql::drop_user(name)]).await? {
            None => Ok(()),
            Some(refusal) if refusal.kind() == ErrorKind::UserOwnsObjects => {
                Err(self.owner(place, name, refusal, &what).await)
            }
            Some(refusal) => Err(self.denied(refusal, &what, &format!("in {database}: {USERS}"))),
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
    async fn drop_login(&mut self, user: Principal<'_>, found: &Found) -> Result<()> {
        let deadline = Deadline::within(SESSIONS_END_WITHIN);
        let what = format!("the login {user} is disabled and was not dropped");
        loop {
            match self.change(None, [sql::drop_login(user)]).await? {
                None => return Ok(()),
                Some(refusal) if refusal.number == number::LOGGED_IN && !deadline.remaining().is_zero() => {
                    self.end_sessions(user, found).await?;
                    tokio::time::sleep(LOOK_AGAIN_AFTER).await;
                }
                // Somebody else was faster, which the last look will tell.
                Some(refusal) if refusal.number == number::CANNOT_FIND => {
                    return match self.find(user).await? {
                        Found::Nobody => Ok(()),
                        _ => Err(self.denied(refusal, &what, LOGINS)),
                    };
                }
                Some(refusal) if refusal.kind() == ErrorKind::UserOwnsObjects => {
                    return Err(refusal.into_error(&what).advise(
                        "somebody gave it more than dzconn does: look what it owns or has granted on the server, and undo that",
                    ));
                }
                Some(refusal) if refusal.number == number::LOGGED_IN => {
                    return Err(refusal.into_error(&what).advise("end its sessions, and run this again"));
                }
                Some(refusal) => return Err(self.denied(refusal, &what, LOGINS)),
            }
        }
    }

    /// The user's sessions, by number.
    async fn sessions(&mut self, user: Principal<'_>, found: &Found) -> Result<Vec<u64>> {
        let answers = self.look("the sessions cannot be listed", look::sessions(user)).await?;
        let contained = matches!(found, Found::Contained { .. });
        let own = |row: &Vec<String>| {
            let [id, name, authenticated_by] = columns(row);
            // On Azure every session is authenticated by its database, or as if it were.
            let by_database = authenticated_by.parse::<i64>().is_ok_and(|id| id > super::LAST_SYSTEM_DATABASE);
            let fits = name == user.name() && (self.facts.azure || by_database == contained);
            id.parse().ok().filter(|_| fits)
        };
        Ok(answers.rows(0).iter().filter_map(own).collect())
    }

    /// Ends the user's sessions and waits until they are gone.
    async fn end_sessions(&mut self, user: Principal<'_>, found: &Found) -> Result<()> {
        let state = format!("{user} is shut out and has no privilege any more");
        let answers = self.look("what the admin may see", look::may_see_sessions()).await?;
        let [sees, sees_as_of_2022, sees_here, _] = columns(answers.rows(0).first().map_or(&[][..], Vec::as_slice));
        let may_see = sees == "1" || sees_as_of_2022 == "1" || self.facts.azure && sees_here == "1";
        if !may_see {
            let (needs, to) = if self.facts.azure {
                ("GRANT VIEW DATABASE STATE", sql::spell_name(&self.facts.user))
            } else {
                ("in master: GRANT VIEW SERVER STATE", sql::spell_name(&self.facts.login))
            };
            let what = format!("{state}, but whether it has sessions cannot be told");
            return Err(Error::new(ErrorKind::SessionsRemain, what).advise(format!("{needs} TO {to}")));
        }
        let deadline = Deadline::within(SESSIONS_END_WITHIN);
        loop {
            let sessions = self.sessions(user, found).await?;
            if sessions.is_empty() {
                return Ok(());
            }
            if deadline.remaining().is_zero() {
                let what = format!("{state}, but {} of its sessions live on after KILL", sessions.len());
                return Err(Error::new(ErrorKind::SessionsRemain, what)
                    .advise("they roll back what they did; run it again when they are gone"));
            }
            // One that went by itself ends the batch; the others are looked for again.
            match self.change(None, sessions.iter().map(|session| sql::kill(*session))).await? {
                None => {}
                Some(refusal) if refusal.number == number::NO_SUCH_SESSION => {}
                Some(refusal) if refusal.number == number::MAY_NOT_KILL || refusal.is_denied() => {
                    let what = format!("{state}, but its {} sessions were not ended", sessions.len());
                    let needs = if self.facts.azure {
                        "GRANT KILL DATABASE CONNECTION"
                    } else {
                        "in master: GRANT ALTER ANY CONNECTION"
                    };
                    let error = refusal.into_error_of(ErrorKind::SessionsRemain, &what);
                    return Err(error.advise(format!("{needs} TO {}", self.admin())));
                }
                Some(refusal) => return Err(refusal.into_error(&format!("{state}, but its sessions were not ended"))),
            }
            tokio::time::sleep(LOOK_AGAIN_AFTER).await;
        }
    }
}
