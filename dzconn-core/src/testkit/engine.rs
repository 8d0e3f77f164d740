//! What every engine must do.
//!
//! An author implements [`EngineFixture`], which goes to the source without the engine: makes tables, logs in as the users
//! that the engine made, looks and interferes. The rest is one line:
//!
//! ```
//! mod conformance {
//!     use dzconn_core::testkit::engine::MemoryFixture;
//!
//!     async fn fixture() -> MemoryFixture {
//!         MemoryFixture::new()
//!     }
//!
//!     // One test for every rule: conformance::grant::is_idempotent, ...
//!     dzconn_core::engine_conformance!(fixture);
//! }
//! ```

mod connect;
mod create_user;
mod drop_user;
mod grant;
mod lab;
mod lock;
mod log_in;
mod memory;
mod names;
mod promises;
mod reads;
mod resolve;
mod revoke;
mod statements;
#[cfg(test)]
mod tests;

use std::fmt::Debug;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;

use async_trait::async_trait;

use crate::Result;
use crate::engine::{EngineConnector, LockKey};
use crate::model::{Credentials, Source, SourceEndpoint, TableName, UserName};
use crate::testkit::{Failure, Rule};

pub use memory::MemoryFixture;
pub use names::HOSTILE_NAMES;

/// A real source, and ways to it that do not lead through the engine under test.
///
/// What is done here is done with whatever rights it takes, and must be true: the rules believe it. Several rules may run on
/// one fixture at the same time. What a rule has made it also removes, with [`drop_table`](Self::drop_table) and
/// [`remove_user`](Self::remove_user).
#[async_trait]
pub trait EngineFixture: Debug + Send + Sync {
    /// The engine under test.
    fn connector(&self) -> Arc<dyn EngineConnector>;

    /// The source, and the admin as which the engine is to work.
    fn source(&self) -> Source;

    /// The table of this name in the place (database, schema) where this fixture's tables are. Nothing is made, and the
    /// place is the fixture's own.
    fn table(&self, name: &str) -> TableName;

    /// Makes this table, with two rows, so that the admin may grant it.
    async fn create_table(&self, table: &TableName) -> Result<()>;

    /// Drops a table or view; a missing one is fine.
    async fn drop_table(&self, table: &TableName) -> Result<()>;

    /// Logs in with an ordinary client; `None` if the source refuses the credentials.
    async fn open(&self, credentials: &Credentials) -> Result<Option<Box<dyn UserSession>>>;

    /// Keeps the user from logging in and does nothing else: what a `drop_user` that dies after its first step leaves.
    async fn disable_user(&self, user: &UserName) -> Result<()>;

    /// Removes a user with all that it has; a missing one is fine.
    async fn remove_user(&self, user: &UserName) -> Result<()>;

    /// The privileges that the source's catalogue has for this very user (tables, columns, schemas, databases, memberships),
    /// in any words, in a fixed order.
    async fn privileges(&self, user: &UserName) -> Result<Vec<String>>;

    /// Takes the lock away from the session that holds it: by ending that session, where there is no other way.
    async fn break_lock(&self, key: &LockKey) -> Result<()>;

    /// What lies between client and source.
    fn wire(&self) -> Wire {
        Wire::Plain
    }

    /// The source's address, changed so that nothing is there: by default, a port of this machine that is closed.
    fn unreachable(&self) -> Result<SourceEndpoint> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let port = listener.and_then(|listener| listener.local_addr()).map(|address| address.port());
        let port = port.map_err(|error| {
            crate::Error::new(crate::ErrorKind::Unexpected, "no free port on this machine").because(error)
        })?;
        Ok(SourceEndpoint { host: Ipv4Addr::LOCALHOST.to_string(), port, ..self.source().endpoint })
    }

    /// Whether the source has locks. If not, `lock` must say [`Unsupported`](crate::engine::Lock::Unsupported).
    fn has_locks(&self) -> bool {
        true
    }

    /// Whether the source can be told to end a session that holds a lock and is silent.
    fn ends_silent_sessions(&self) -> bool {
        true
    }

    /// Whether the admin may end other users' sessions. If not, `drop_user` must say
    /// [`SessionsRemain`](crate::ErrorKind::SessionsRemain).
    fn ends_sessions(&self) -> bool {
        true
    }

    /// Whether the admin may see who reads what. If not, `reads` must say [`CannotTell`](crate::engine::Reads::CannotTell).
    fn tells_reads(&self) -> bool {
        true
    }

    /// Whether the admin may know that a table is missing, and not only that it has no right on it. If not, `grant` may say
    /// [`NoGrantOption`](crate::ErrorKind::NoGrantOption) or [`AdminDenied`](crate::ErrorKind::AdminDenied) as well.
    fn tells_missing(&self) -> bool {
        true
    }

    /// Whether two tables may have names that differ in case only.
    fn tells_case(&self) -> bool {
        true
    }

    /// The longest user name, in bytes, that this very server takes.
    fn longest_user_name(&self) -> usize {
        self.connector().max_user_name()
    }

    /// Whether the source takes this as a table's name.
    fn legal_table_name(&self, _name: &str) -> bool {
        true
    }

    /// Whether the source takes this as a user's name, and clients can log in with it.
    fn legal_user_name(&self, _name: &str) -> bool {
        true
    }

    /// Whether the source can have this as a password. If not, `create_user` must say
    /// [`PasswordRejected`](crate::ErrorKind::PasswordRejected) and make nothing.
    fn legal_password(&self, _password: &str) -> bool {
        true
    }

    /// Makes a view with two rows that the admin may grant; `false` where the source has no views.
    async fn create_view(&self, _view: &TableName) -> Result<bool> {
        Ok(false)
    }

    /// Makes a table with two rows that the admin may read but not pass on; `false` where an admin may grant whatever it
    /// sees, and then the table is made like any other.
    async fn create_foreign_table(&self, table: &TableName) -> Result<bool> {
        self.create_table(table).await?;
        Ok(false)
    }

    /// Grants read in the name of another role and says which; `None` where the source does not keep who granted, and then
    /// nothing is done.
    async fn grant_by_other(&self, _user: &UserName, _table: &TableName) -> Result<Option<String>> {
        Ok(None)
    }

    /// Lets everybody read a table; `false` where the source knows no such thing.
    async fn grant_to_public(&self, _table: &TableName) -> Result<bool> {
        Ok(false)
    }

    /// Makes the user the table's owner; `false` where tables have no owners.
    async fn give_away(&self, _table: &TableName, _user: &UserName) -> Result<bool> {
        Ok(false)
    }
}

/// A consumer's session, logged in independently of the engine under test.
#[async_trait]
pub trait UserSession: Debug + Send {
    /// Tries to do this.
    ///
    /// # Errors
    /// Only what says nothing about the user's rights.
    async fn attempt(&mut self, attempt: &Attempt) -> Result<Attempted>;
}

/// What a consumer may try.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Attempt {
    /// Count the rows.
    Read(TableName),
    /// Insert a row.
    Insert(TableName),
    /// Change all rows.
    Update(TableName),
    /// Delete all rows.
    Delete(TableName),
    /// Drop the table.
    DropTable(TableName),
    /// Make a table.
    CreateTable(TableName),
    /// Make a user.
    CreateUser(UserName),
    /// Grant read to another user.
    Grant(TableName, UserName),
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Attempted {
    /// It worked, on so many rows.
    Did(u64),
    /// The source refused: no right, or (which may look the same to a user without rights) no such table.
    Denied,
    /// The session has been ended.
    Ended,
}

/// What lies between a client and the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wire {
    /// No network: [`Tls`](crate::model::Tls) means nothing there.
    None,
    /// A network; this server has no TLS.
    Plain,
    /// A network; this server offers TLS.
    Tls,
}

/// Makes one `#[tokio::test]` out of every rule for engines, in a module for each part of the ports. The argument is the name
/// of an async function without arguments that answers an [`EngineFixture`]; it stands beside the macro.
///
/// The caller's crate needs tokio with `macros` and `rt-multi-thread`.
#[macro_export]
macro_rules! engine_conformance {
    ($fixture:ident) => {
        $crate::__engine_rules! { [tests $fixture] }
    };
}

/// The one list of rules: what [`RULES`] and the tests are made of.
#[doc(hidden)]
#[macro_export]
macro_rules! __engine_rules {
    ([$($mode:tt)*]) => {
        $crate::__engine_rules! { @each [$($mode)*]
            connect {
                opens_a_session: CONNECT,
                a_closed_session_is_one_connection_less: CLOSE,
                wrong_password_is_refused: CONNECT_ERRORS,
                unknown_admin_is_refused: CONNECT_ERRORS,
                nothing_there_is_unreachable: CONNECT_ERRORS,
                silent_server_is_given_up: CONNECT_ERRORS,
                tls_is_what_was_demanded: TLS,
                subprotocols_are_lower_case: SUBPROTOCOLS,
            }
            log_in {
                right_credentials_log_in: LOG_IN,
                tells_whether_the_table_is_read: LOG_IN,
                wrong_credentials_are_an_answer: LOG_IN_REFUSED,
                nothing_there_is_an_error: LOG_IN_ERRORS,
            }
            statements {
                are_shown_for_every_action: STATEMENTS,
                hold_no_secret: STATEMENTS,
                need_no_source: STATEMENTS_OFFLINE,
            }
            lock {
                is_exclusive: LOCK,
                waits_until_it_is_free: LOCK,
                times_out: LOCK_TIMEOUT,
                can_be_taken_again: LOCK_AGAIN,
                other_keys_are_independent: LOCK,
                unlock_frees_it_for_this_and_other_sessions: UNLOCK,
                unlock_without_lock_does_nothing: UNLOCK,
                dropped_session_frees_it: DROPPED,
                dropped_waiter_never_gets_it: DROPPED,
                silent_session_loses_it: LOCK_SILENT,
                lost_lock_stops_every_change: LOCK_CHECKED,
                changes_work_under_it: LOCK_CHECKED,
                changes_work_after_unlock: WITHOUT_LOCK,
            }
            resolve {
                exact_name_is_found: RESOLVE,
                exact_name_wins: RESOLVE,
                only_one_that_differs_in_case_is_found: RESOLVE,
                several_that_differ_in_case_are_ambiguous: RESOLVE_ERRORS,
                dots_inside_names_are_found: RESOLVE,
                missing_table_is_not_found: RESOLVE_ERRORS,
                views_are_found_and_granted: RESOLVE,
            }
            create_user {
                new_user_logs_in: CREATED_NEW,
                new_user_can_do_nothing_else: CREATE,
                existing_user_keeps_its_password: CREATED_EXISTED,
                existing_user_keeps_its_tables: CREATE_EXISTING,
                disabled_user_is_enabled_again: CREATE_EXISTING,
                of_concurrent_creators_one_wins: CREATE,
                longest_name_works: MAX_USER_NAME,
                longer_name_is_too_long: CREATE_ERRORS,
                folded_name_stays: FOLD,
                password_is_data: CREATE,
                user_exists_tells: USER_EXISTS,
            }
            set_password {
                replaces_the_old_one: SET_PASSWORD,
                can_be_repeated: REPEATED,
                makes_no_user: SET_PASSWORD,
                keeps_the_tables: SET_PASSWORD,
            }
            grant {
                opens_exactly_one_table: GRANT,
                gives_nothing_but_read: GRANT,
                is_idempotent: REPEATED,
                reads_back: GRANT,
                adds_to_what_was_granted: GRANT,
                takes_back_others: GRANT,
                takes_back_what_is_gone: REPEATED,
                missing_table_is_not_found: GRANT_ERRORS,
                missing_user_is_an_error: GRANT_FAILED,
                table_that_may_not_be_granted: GRANT_ERRORS,
                is_for_one_user: GRANT,
                many_sessions_grant_one_table: GRANT,
            }
            revoke {
                open_session_loses_the_table: REVOKE_SESSIONS,
                leaves_the_other_tables: REVOKE,
                takes_several_tables: REVOKE,
                is_idempotent: REPEATED,
                what_was_never_granted_is_fine: REPEATED,
                missing_user_is_fine: REVOKE,
                missing_table_is_fine_and_stays_closed: REVOKE_LEFT,
                takes_back_what_came_along: REVOKE_ALONG,
                grant_by_another_role_is_named: REVOKE_ERRORS,
                what_public_gives_is_seen: READS,
                is_for_one_user: REVOKE,
                many_sessions_revoke_one_table: REVOKE,
            }
            drop_user {
                ends_the_user: DROP,
                ends_open_sessions: DROP_SESSIONS,
                withstands_clients_that_reconnect: DROP,
                is_idempotent: REPEATED,
                missing_user_is_fine: DROP_GONE,
                continues_after_its_first_step: DROP_FAILED,
                leaves_nothing_to_the_next_of_that_name: DROP,
                takes_grants_on_missing_tables_along: DROP,
                owner_is_refused_and_loses_nothing: DROP_OWNS,
                grant_by_another_role_is_named: DROP_ERRORS,
                is_for_one_user: DROP,
            }
            reads {
                tells_yes_by_which_way_or_no: READS,
                missing_user_or_table_is_no: READS_MISSING,
                sees_what_public_gives: READS,
                excess_is_empty_without_excess: EXCESS,
                excess_names_what_is_not_listed: EXCESS,
                excess_names_what_public_gives: EXCESS,
                excess_keeps_to_its_limit: EXCESS,
                users_are_found_by_their_prefix: USERS,
                what_was_granted_is_listed: GRANTED,
            }
            names {
                hostile_table_names_are_data: GRANT,
                hostile_user_names_are_data: CREATE,
                wildcards_are_letters: GRANT,
            }
        }
    };
    (@each [rules] $($part:ident { $($rule:ident: $promise:ident,)* })*) => {
        &[$($(Rule {
            name: concat!(stringify!($part), "::", stringify!($rule)),
            promise: promises::$promise,
            needs: None,
            check: |fixture| Box::pin(lab::run(fixture, promises::$promise, |lab| Box::pin($part::$rule(lab)))),
        },)*)*]
    };
    (@each [tests $fixture:ident] $($part:ident { $($rule:ident: $promise:ident,)* })*) => {
        $(mod $part {
            use super::$fixture;
            $(
                #[::tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $rule() {
                    let fixture = $fixture().await;
                    let rule = concat!(stringify!($part), "::", stringify!($rule));
                    if let Err(failure) = $crate::testkit::engine::check(rule, &fixture).await {
                        panic!("{failure}");
                    }
                }
            )*
        })*
    };
}

use create_user as set_password;

/// All rules, for harnesses of one's own.
pub const RULES: &[Rule<dyn EngineFixture>] = crate::__engine_rules! { [rules] };

/// Checks the rule of this name.
pub async fn check(rule: &str, fixture: &(dyn EngineFixture + 'static)) -> Result<(), Failure> {
    match RULES.iter().find(|known| known.name == rule) {
        Some(rule) => (rule.check)(fixture).await,
        None => Err(promises::FIXTURE.broken(format!("there is no rule {rule:?}"))),
    }
}
