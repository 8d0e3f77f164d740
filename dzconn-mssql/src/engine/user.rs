//! Which user is meant, and how it comes to be.

use dzconn_core::engine::{Created, Refusal};
use dzconn_core::model::Credentials;
use dzconn_core::{Error, ErrorKind, Result, Secret};

use super::{Session, TRIES, denied, number};
use crate::sql::look;
use crate::sql::{self, Place, Principal};
use crate::wire::{any, columns};

/// What there is of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// No login, and no contained user.
    Nobody,
    /// A login.
    Login { disabled: bool },
    /// A user of the session's database that has a password of its own.
    Contained { id: i64, connects: Connects },
}

/// Whether a user may enter its database, as far as itself goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Connects {
    Granted,
    NotGranted,
    Denied,
}

/// A user of one database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Member {
    /// The login's.
    OfLogin { id: i64, connects: Connects },
    /// One with a password of its own.
    Contained { id: i64, connects: Connects },
    /// One whose login is no more: it came with a restored database, or was left where the admin could not go.
    Orphan,
    /// Somebody else's, in words.
    Other(String),
}

impl Session {
    /// What there is of this user.
    ///
    /// # Errors
    /// [`ErrorKind::AdminDenied`] if none is seen and the admin does not see all: the catalog hides the others.
    pub(super) async fn find(&mut self, user: Principal<'_>) -> Result<Found> {
        if !self.facts.azure {
            let answers = self.look("whether the login exists cannot be told", look::login(user)).await?;
            if let Some([name, kind, disabled]) = answers.rows(0).first().map(|row| columns(row)) {
                if name != user.name() || kind.trim() != "S" {
                    return Err(taken(user, &format!("the server's principal {}", sql::spell_name(name))));
                }
                return Ok(Found::Login { disabled: disabled == "1" });
            }
            // A contained admin makes no logins, and drops none.
            if !self.facts.has_contained_admin() && !any(answers.rows(1)) {
                let what = format!("whether there is a login {user} cannot be told: the admin may not see every login");
                return Err(Error::new(ErrorKind::AdminDenied, what).advise(self.logins_needed()));
            }
            // The server's own databases cannot be contained.
            if self.facts.is_in_system_database() {
                return Ok(Found::Nobody);
            }
        }
        match self.member(None, user).await? {
            Some(Member::Contained { id, connects }) => Ok(Found::Contained { id, connects }),
            Some(Member::Other(who)) => Err(taken(user, &who)),
            Some(Member::OfLogin { .. } | Member::Orphan) if self.facts.makes_contained() => {
                Err(taken(user, "the user of a login"))
            }
            _ => Ok(Found::Nobody),
        }
    }

    /// The user of this name in a database.
    ///
    /// # Errors
    /// [`ErrorKind::AdminDenied`] if none is seen and the admin does not see all.
    pub(super) async fn member(&mut self, place: Place<'_>, user: Principal<'_>) -> Result<Option<Member>> {
        let database = place.unwrap_or(&self.facts.database).to_owned();
        let query = look::user(place, &database, user.name(), !self.facts.makes_contained());
        let answers = self.look("whether the user exists cannot be told", query).await?;
        let mut rows = answers.rows(0).iter().map(|row| columns(row));
        let named = rows.find(|[.., is_named, _]: &[&str; 9]| *is_named == "1");
        let Some([name, kind, authentication, login, id, connects, denials, ..]) = named else {
            if any(answers.rows(1)) {
                return Ok(None);
            }
            let database = sql::spell_name(&database);
            let what =
                format!("whether {database} has a user {user} cannot be told: the admin may not see every user there");
            return Err(Error::new(ErrorKind::AdminDenied, what).advise(self.users_needed(place)));
        };
        let id = id.parse().map_err(|_| Error::new(ErrorKind::Unexpected, "the server gave a user no id"))?;
        let connects = match (connects, denials) {
            (_, denials) if denials != "0" => Connects::Denied,
            ("0", _) => Connects::NotGranted,
            _ => Connects::Granted,
        };
        Ok(Some(match (kind.trim(), authentication) {
            _ if name != user.name() => Member::Other(format!("the database's principal {}", sql::spell_name(name))),
            ("S", "2") => Member::Contained { id, connects },
            ("S", "1") if login == user.name() => Member::OfLogin { id, connects },
            ("S", "1") if login.is_empty() => Member::Orphan,
            ("S", "1") => Member::Other(format!("the user of the login {}", sql::spell_name(login))),
            (kind, authentication) => {
                Member::Other(format!("a principal of type {kind}, which authenticates by way {authentication}"))
            }
        }))
    }

    /// The id of the user in a database, if there is one and it is dzconn's.
    pub(super) async fn own_user(&mut self, place: Place<'_>, user: Principal<'_>) -> Result<Option<i64>> {
        Ok(match self.member(place, user).await? {
            Some(Member::OfLogin { id, .. } | Member::Contained { id, .. }) => Some(id),
            _ => None,
        })
    }

    /// Gives a user CONNECT that lacks it. A DENY is somebody else's, and would be overwritten.
    async fn let_connect(&mut self, place: Place<'_>, user: Principal<'_>, connects: Connects) -> Result<()> {
        let database = sql::spell_name(place.unwrap_or(&self.facts.database));
        let what = format!("{user} was not let into the database {database}");
        match connects {
            Connects::Granted => Ok(()),
            Connects::Denied => Err(Error::new(ErrorKind::AdminDenied, format!("{what}: it is denied CONNECT there"))
                .advise(format!("find out why; in {database}: REVOKE CONNECT FROM {user} takes the DENY away"))),
            Connects::NotGranted => match self.change(place, [sql::allow_connect(user)]).await? {
                None => Ok(()),
                Some(refusal) => {
                    let admin = sql::spell_name(self.admin_in(place));
                    let needs = format!(
                        "in {database}: GRANT CONNECT TO {admin} WITH GRANT OPTION, or as a member of db_owner: \
                         GRANT CONNECT TO {user}"
                    );
                    Err(denied(refusal, &what, &needs))
                }
            },
        }
    }

    /// Lets a login into a database; the user's id there.
    pub(super) async fn let_in(&mut self, place: Place<'_>, user: Principal<'_>) -> Result<i64> {
        let database = sql::spell_name(place.unwrap_or(&self.facts.database));
        let what = format!("{user} was not let into the database {database}");
        let mut refused = None;
        for _ in 0..TRIES {
            let statements = match self.member(place, user).await? {
                Some(Member::OfLogin { id, connects }) => {
                    self.let_connect(place, user, connects).await?;
                    return Ok(id);
                }
                // What it had is of a former life.
                Some(Member::Orphan) => vec![sql::drop_user(user.name()), sql::create_user(user)],
                Some(Member::Contained { .. }) => return Err(taken(user, &format!("a contained user of {database}"))),
                Some(Member::Other(who)) => return Err(taken(user, &format!("{who}, in {database}"))),
                None => vec![sql::create_user(user)],
            };
            match self.change(place, statements).await? {
                None => {}
                // Somebody was faster.
                Some(refusal) if refusal.number() == number::USER_EXISTS => refused = Some(refusal),
                Some(refusal) if refusal.number() == number::OTHER_USER => {
                    return Err(refusal.into_error(&what).advise(format!(
                        "the login has a user of another name there, which dzconn did not make: drop it in {database}"
                    )));
                }
                Some(refusal) => {
                    return Err(denied(refusal, &what, &self.users_needed(place)));
                }
            }
        }
        Err(match refused {
            Some(refusal) => refusal.into_error_of(ErrorKind::AdminDenied, &what).advise(self.users_needed(place)),
            None => Error::new(ErrorKind::Unexpected, format!("{what}, though the server said so"))
                .advise(self.users_needed(place)),
        })
    }

    pub(super) async fn make_user(&mut self, credentials: &Credentials) -> Result<Created> {
        let user = Principal::new(&credentials.user)?;
        let (mut refused, mut own_sid) = (None, true);
        for _ in 0..TRIES {
            match self.find(user).await? {
                Found::Contained { connects, .. } => {
                    self.let_connect(None, user, connects).await?;
                    return Ok(Created::Existed);
                }
                Found::Login { disabled } => {
                    self.let_into_own(user).await?;
                    if disabled {
                        let refused = self.change(None, [sql::enable_login(user)]).await?;
                        if let Some(refusal) = refused {
                            return Err(denied(refusal, &format!("{user} was not enabled"), &self.logins_needed()));
                        }
                    }
                    return Ok(Created::Existed);
                }
                Found::Nobody => {}
            }
            let contained = self.facts.makes_contained();
            let password = writable(&credentials.password)?;
            let create = if contained {
                sql::create_contained(user, Some(password))
            } else {
                sql::create_login(user, Some(password), own_sid, &self.facts.database)
            };
            match self.change(None, [create]).await? {
                None => {
                    if !contained {
                        self.let_into_own(user).await?;
                    }
                    return Ok(Created::New);
                }
                // A login of another name has it, which was renamed.
                Some(refusal) if refusal.number() == number::SID_IN_USE => {
                    own_sid = false;
                    refused = Some(refusal);
                }
                // Somebody was faster; or it is there, and the admin may not see it.
                Some(refusal) if matches!(refusal.number(), number::USER_EXISTS | number::LOGIN_EXISTS) => {
                    refused = Some(refusal);
                }
                Some(refusal) => return Err(self.password_refused(refusal, &format!("{user} was not created"))),
            }
        }
        let what = format!("{user} was not created, and the admin sees none of that name");
        Err(match refused {
            Some(refusal) => refusal.into_error_of(ErrorKind::AdminDenied, &what).advise(self.makers_need()),
            None => Error::new(ErrorKind::Contention, format!("{user} comes and goes")),
        })
    }

    /// Where the session is in one of the server's own databases there is nothing to be let into: guests may enter those.
    async fn let_into_own(&mut self, user: Principal<'_>) -> Result<()> {
        if !self.facts.is_in_system_database() {
            self.let_in(None, user).await?;
        }
        Ok(())
    }

    pub(super) async fn change_password(&mut self, credentials: &Credentials) -> Result<()> {
        let user = Principal::new(&credentials.user)?;
        let what = format!("{user} has not got its password");
        let found = self.find(user).await?;
        let password = writable(&credentials.password)?;
        let set = match found {
            Found::Nobody => return Err(Error::new(ErrorKind::Unexpected, format!("{what}: no such user"))),
            Found::Login { .. } => sql::set_login_password(user, Some(password)),
            Found::Contained { .. } => sql::set_contained_password(user, Some(password)),
        };
        match self.change(None, [set]).await? {
            None => Ok(()),
            Some(refusal) => Err(self.password_refused(refusal, &what)),
        }
    }

    /// What lets the admin make users.
    fn makers_need(&self) -> String {
        if self.facts.makes_contained() { self.users_needed(None) } else { self.logins_needed() }
    }

    /// Why a statement with a password was refused.
    fn password_refused(&self, refusal: Refusal, what: &str) -> Error {
        match refusal.kind() {
            ErrorKind::PasswordRejected => refusal
                .into_error(what)
                .advise("let the password policy of the server take 30 characters of both cases, digits, - and _"),
            ErrorKind::InvalidConfig => refusal
                .into_error(what)
                .advise("ALTER DATABASE ... SET CONTAINMENT = PARTIAL, or let the admin be a login"),
            _ => denied(refusal, what, &self.makers_need()),
        }
    }
}

/// A name that is somebody else's, or that the server cannot tell from it.
fn taken(user: Principal<'_>, who: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, format!("{user} is {who}, which dzconn did not make"))
        .advise("configure another user naming, or let the server's owner drop that one")
}

/// Whether a literal can hold it.
fn writable(password: &Secret) -> Result<&Secret> {
    if sql::can_be_literal(password.expose()) {
        return Ok(password);
    }
    Err(Error::new(ErrorKind::PasswordRejected, "the password has a backslash before a line break")
        .advise("no T-SQL literal can hold that: let the secret hold another password"))
}
