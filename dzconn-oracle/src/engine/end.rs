//! How a user ends: locked, without privileges, without sessions, dropped, looked for again.

use std::time::Duration;

use dzconn_core::engine::Refusal;
use dzconn_core::model::UserName;
use dzconn_core::{Deadline, Error, ErrorKind, Result};

use super::{Session, session_id, texts};
use crate::error::{explained, may_not_look, no_such_user, number};
use crate::privileges;
use crate::sql::{self, Kill, Read, SessionId, Table, User, look};

/// How long a killed session may take to go. It rolls back first.
const SESSIONS_END_WITHIN: Duration = Duration::from_secs(10);
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// How a user stands whose sessions are in the way.
const LOCKED: &str = "is locked and has lost its READ and SELECT privileges";
/// The same, where something is left or may be.
const LOCKED_ONLY: &str =
    "is locked and has lost only those READ and SELECT privileges that this admin sees and may take back";

const KILL: &str = "ALTER SYSTEM KILL SESSION";

impl Session {
    pub(super) async fn end_user(&mut self, user: &UserName) -> Result<()> {
        let user = User::new(user)?;
        // Whoever dropped it may have failed, or gone, before its sessions had ended.
        if !self.exists(user).await? {
            return self.end_sessions(user).await;
        }
        match self.change(sql::disable(user)).await? {
            Ok(_) => {}
            Err(refused) if no_such_user(&refused) => return self.end_sessions(user).await,
            Err(refused) => return Err(self.denied(refused, &format!("{user} was not locked"), "ALTER USER")),
        }
        let standing = if self.take_back_everything(user).await? { LOCKED } else { LOCKED_ONLY };
        self.drop_once_alone(user, standing).await?;
        self.end_sessions(user).await?;
        if self.exists(user).await? {
            return Err(Error::new(ErrorKind::Unexpected, format!("{user} exists after it was dropped")));
        }
        Ok(())
    }

    /// So that sessions which cannot be ended at least read nothing any more. What is refused here, DROP USER takes. Whether
    /// nothing is left.
    async fn take_back_everything(&mut self, user: User<'_>) -> Result<bool> {
        let Ok(found) = self.grants(|catalog| look::all_own_reads(catalog, user)).await? else { return Ok(false) };
        for row in &found.rows {
            let [privilege, owner, name] = row.as_slice() else { continue };
            let read = Read::BOTH.into_iter().find(|read| read.name() == privilege);
            if let Some(read) = read.filter(|_| sql::is_name(owner) && sql::is_name(name)) {
                // Granted by somebody else, or gone meanwhile.
                let _refused = self.change(sql::revoke(read, Table { owner, name }, user)).await?;
            }
        }
        if found.rows.is_empty() || !found.all {
            return Ok(found.all);
        }
        let left = self.grants(|catalog| look::all_own_reads(catalog, user)).await?;
        Ok(left.is_ok_and(|left| left.all && left.rows.is_empty()))
    }

    /// Ends sessions and tries to drop the user, until the server does not find it connected any more: a session that was
    /// killed counts as connected until it has been cleaned up.
    async fn drop_once_alone(&mut self, user: User<'_>, standing: &str) -> Result<()> {
        let deadline = Deadline::within(SESSIONS_END_WITHIN);
        loop {
            let found = self.kill_sessions(user).await?;
            let refused = match self.change(sql::drop_user(user)).await? {
                Ok(_) => return Ok(()),
                Err(refused) if no_such_user(&refused) => return Ok(()),
                Err(refused) => refused,
            };
            if refused.kind() == ErrorKind::UserOwnsObjects {
                let owned = privileges::owned(self, user).await?;
                return Err(explained(refused, &format!("{user} was not dropped: it owns {owned}"))
                    .advise("dzconn never lets it make anything: look who did, and move or drop these objects"));
            }
            if refused.number() != number::CONNECTED {
                return Err(self.denied(refused, &format!("{user} was not dropped"), "DROP USER"));
            }
            let admin = &self.facts.admin;
            match found {
                Found::Killed(_) if !deadline.remaining().is_zero() => tokio::time::sleep(LOOK_AGAIN_AFTER).await,
                Found::Killed(_) => {
                    let what = format!("{user} {standing}, but is connected {SESSIONS_END_WITHIN:?} after {KILL}");
                    return Err(explained(refused, &what).advise(
                        "its sessions roll back, or wait for their clients; run it again when they are gone from GV$SESSION",
                    ));
                }
                Found::Refused(refused, sessions) => {
                    let what = format!("{user} {standing}, but its {sessions} sessions were not ended");
                    return Err(refused.into_error_of(ErrorKind::SessionsRemain, &what).advise(
                        match self.facts.kill {
                            Kill::Statement => format!(
                                "GRANT ALTER SYSTEM TO {admin}; on RDS, where nobody has that: GRANT EXECUTE ON \
                             rdsadmin.rdsadmin_util TO {admin}"
                            ),
                            Kill::Rds => "end them as the master user by rdsadmin.rdsadmin_util.kill".to_owned(),
                        },
                    ));
                }
                Found::Unseen => {
                    let what = format!("{user} {standing}, but it is connected, and its sessions cannot be seen");
                    return Err(refused
                        .into_error_of(ErrorKind::SessionsRemain, &what)
                        .advise(self.of_sys("SELECT", "GV_$SESSION")));
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
        let rows = match self.wire.run(look::sessions(user)).await? {
            Ok(rows) => texts(&rows),
            Err(refused) if may_not_look(&refused) => return Ok(Found::Unseen),
            Err(refused) => {
                return Err(explained(refused, &format!("the sessions of {user} were not ended: they cannot be seen")));
            }
        };
        let sessions: Vec<SessionId> = rows.iter().filter_map(|row| session_id(row)).collect();
        for session in &sessions {
            if let Err(refused) = self.change(sql::end_session(self.facts.kill, *session)).await? {
                return Ok(Found::Refused(refused, sessions.len()));
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
    Refused(Refusal, usize),
    /// The admin may not look.
    Unseen,
}
