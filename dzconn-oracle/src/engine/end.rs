//! How a user ends: locked, without privileges, without sessions, dropped, looked for again.

use std::time::Duration;

use dzconn_core::model::UserName;
use dzconn_core::{Deadline, Error, ErrorKind, Result};

use super::{Session, session_id, texts};
use crate::error::{Refused, number};
use crate::privileges;
use crate::sql::{self, Read, SessionId, Table, User, look};

/// How long a killed session may take to go. It rolls back first.
const SESSIONS_END_WITHIN: Duration = Duration::from_secs(10);
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// How a user stands whose sessions are in the way.
const LOCKED: &str = "is locked and has lost its READ and SELECT privileges";

const KILL: &str = "ALTER SYSTEM KILL SESSION";

impl Session {
    pub(super) async fn end_user(&mut self, user: &UserName) -> Result<()> {
        let user = User::new(user)?;
        if !self.exists(user).await? {
            return Ok(());
        }
        match self.change(sql::disable(user)).await? {
            Ok(_) => {}
            Err(refused) if refused.no_such_user() => return Ok(()),
            Err(refused) => return Err(self.denied(refused, &format!("{user} was not locked"), "ALTER USER")),
        }
        self.take_back_everything(user).await?;
        self.drop_once_alone(user).await?;
        self.end_sessions(user).await?;
        if self.exists(user).await? {
            return Err(Error::new(ErrorKind::Unexpected, format!("{user} exists after it was dropped")));
        }
        Ok(())
    }

    /// So that sessions which cannot be ended at least read nothing any more. What is refused here, DROP USER takes.
    async fn take_back_everything(&mut self, user: User<'_>) -> Result<()> {
        let Ok(rows) = self.wire.run(look::all_own_reads(user)).await? else { return Ok(()) };
        for row in texts(&rows) {
            let [privilege, owner, name] = row.as_slice() else { continue };
            let read = Read::BOTH.into_iter().find(|read| read.name() == privilege);
            if let Some(read) = read.filter(|_| sql::is_name(owner) && sql::is_name(name)) {
                // Granted by somebody else, or gone meanwhile.
                let _refused = self.change(sql::revoke(read, Table { owner, name }, user)).await?;
            }
        }
        Ok(())
    }

    /// Ends sessions and tries to drop the user, until the server does not find it connected any more: a session that was
    /// killed counts as connected until it has been cleaned up.
    async fn drop_once_alone(&mut self, user: User<'_>) -> Result<()> {
        let deadline = Deadline::within(SESSIONS_END_WITHIN);
        loop {
            let found = self.kill_sessions(user).await?;
            let refused = match self.change(sql::drop_user(user)).await? {
                Ok(_) => return Ok(()),
                Err(refused) if refused.no_such_user() => return Ok(()),
                Err(refused) => refused,
            };
            if refused.kind() == ErrorKind::UserOwnsObjects {
                let owned = privileges::owned(self, user).await?;
                return Err(refused
                    .into_error(&format!("{user} was not dropped: it owns {owned}"))
                    .advise("dzconn never lets it make anything: look who did, and move or drop these objects"));
            }
            if refused.number != number::CONNECTED {
                return Err(self.denied(refused, &format!("{user} was not dropped"), "DROP USER"));
            }
            let admin = &self.facts.admin;
            match found {
                Found::Killed(_) if !deadline.remaining().is_zero() => tokio::time::sleep(LOOK_AGAIN_AFTER).await,
                Found::Killed(_) => {
                    let what = format!("{user} {LOCKED}, but is connected {SESSIONS_END_WITHIN:?} after {KILL}");
                    return Err(refused.into_error(&what).advise(
                        "its sessions roll back, or wait for their clients; run it again when they are gone from GV$SESSION",
                    ));
                }
                Found::Refused(refused, sessions) => {
                    let what = format!("{user} {LOCKED}, but its {sessions} sessions were not ended");
                    return Err(refused.into_error_of(ErrorKind::SessionsRemain, &what).advise(format!(
                        "GRANT ALTER SYSTEM TO {admin}; on RDS let it run rdsadmin.rdsadmin_util.kill"
                    )));
                }
                Found::Unseen => {
                    let what = format!("{user} {LOCKED}, but it is connected, and its sessions cannot be seen");
                    return Err(refused
                        .into_error_of(ErrorKind::SessionsRemain, &what)
                        .advise(format!("GRANT SELECT ON SYS.GV_$SESSION TO {admin}")));
                }
            }
        }
    }

    /// Once more after the drop: a login may have been under way when the account was locked.
    async fn end_sessions(&mut self, user: User<'_>) -> Result<()> {
        let deadline = Deadline::within(SESSIONS_END_WITHIN);
        loop {
            let left = match self.kill_sessions(user).await? {
                // The server found no session when it dropped the user; this admin does not see them.
                Found::Killed(0) | Found::Unseen => return Ok(()),
                Found::Killed(_) if !deadline.remaining().is_zero() => {
                    tokio::time::sleep(LOOK_AGAIN_AFTER).await;
                    continue;
                }
                Found::Killed(left) | Found::Refused(_, left) => left,
            };
            let what = format!("{user} is gone, but {left} of its sessions live on after {KILL}");
            return Err(Error::new(ErrorKind::SessionsRemain, what).advise("end them on the server"));
        }
    }

    /// Ends the sessions that there are now.
    async fn kill_sessions(&mut self, user: User<'_>) -> Result<Found> {
        let Ok(rows) = self.wire.run(look::sessions(user)).await? else { return Ok(Found::Unseen) };
        let sessions: Vec<SessionId> = texts(&rows).iter().filter_map(|row| session_id(row)).collect();
        for session in &sessions {
            match self.change(sql::kill(self.facts.kill, *session)).await? {
                Ok(_) => {}
                // It went by itself, or will when it has rolled back.
                Err(refused)
                    if [number::NO_SUCH_SESSION, number::INVALID_SESSION, number::MARKED_FOR_KILL]
                        .contains(&refused.number) => {}
                Err(refused) => return Ok(Found::Refused(refused, sessions.len())),
            }
        }
        Ok(Found::Killed(sessions.len()))
    }
}

/// The sessions of a user.
enum Found {
    /// So many, and each has been told to go.
    Killed(usize),
    /// So many, and one could not be told.
    Refused(Refused, usize),
    /// The admin may not look.
    Unseen,
}
