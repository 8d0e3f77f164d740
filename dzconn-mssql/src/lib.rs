//! dzconn's engine for SQL Server 2017 and later, and what speaks its language: Azure SQL Database, Azure SQL Managed Instance,
//! RDS.
//!
//! [`connector()`] serves the JDBC sub-protocol `sqlserver`. Which of these it has before it every session asks the server.
//!
//! ```
//! use std::time::Duration;
//!
//! use dzconn_core::engine::Action;
//! use dzconn_core::model::{
//!     AdminLogin, AssetPath, ConnectionId, Credentials, Source, SourceEndpoint, TableName, Target, Tls, UserName,
//! };
//! use dzconn_core::{Deadline, EngineConnector, Engines, Secret};
//!
//! # fn main() -> dzconn_core::Result<()> {
//! let mssql = dzconn_mssql::connector().statement_timeout(Duration::from_secs(20));
//! let source = Source {
//!     connection: ConnectionId::new("hr-mssql")?,
//!     endpoint: SourceEndpoint {
//!         subprotocol: "sqlserver".to_owned(),
//!         host: "db.internal".to_owned(),
//!         port: 1433,
//!         instance: None,
//!         target: Target::Database("sales".to_owned()),
//!     },
//!     admin: AdminLogin { user: "dzconn".to_owned(), password: Secret::new("...".to_owned()) },
//!     tls: Tls::VerifyFull(None),
//! };
//! let user = UserName::new("dz_3vsbsk0xyz_1f0c9a77")?;
//! let table = TableName::in_schema("sales", "dbo", "orders")?;
//!
//! // What would be done, without connecting.
//! let grant = Action::Grant { user: user.clone(), table, take_back: Vec::new() };
//! assert_eq!(
//!     mssql.statements(&source, &grant),
//!     [
//!         "DROP USER [dz_3vsbsk0xyz_1f0c9a77] -- if one is there without its login",
//!         "CREATE USER [dz_3vsbsk0xyz_1f0c9a77] FOR LOGIN [dz_3vsbsk0xyz_1f0c9a77] -- unless it is there",
//!         "GRANT CONNECT TO [dz_3vsbsk0xyz_1f0c9a77] -- if it lacks that",
//!         "GRANT SELECT ON OBJECT::[dbo].[orders] TO [dz_3vsbsk0xyz_1f0c9a77]",
//!     ]
//! );
//!
//! // One session: make the user, let it read one table. Workflows hold a lock meanwhile (`SourceEngine::lock`).
//! async fn let_read(source: &Source, user: &Credentials, path: &AssetPath) -> dzconn_core::Result<()> {
//!     let deadline = Deadline::within(Duration::from_secs(60));
//!     let mut session = dzconn_mssql::connector().connect(source, deadline).await?;
//!     let table = session.resolve(path).await?;
//!     session.create_user(user).await?;
//!     session.grant(&user.user, &table, &[]).await?;
//!     session.close().await
//! }
//!
//! // As one of several engines.
//! let engines = Engines::new().with(mssql);
//! assert!(engines.for_source(&source).is_ok());
//! # Ok(())
//! # }
//! ```
//!
//! # The admin and its privileges
//!
//! sysadmin is not needed. On a **server** (SQL Server, Managed Instance):
//!
//! ```sql
//! USE master;
//! CREATE LOGIN dzconn WITH PASSWORD = '...', CHECK_EXPIRATION = OFF;
//! GRANT ALTER ANY LOGIN, ALTER ANY CONNECTION, VIEW SERVER STATE TO dzconn;
//!
//! USE sales;                             -- each published database, the connection's own among them
//! CREATE USER dzconn FOR LOGIN dzconn;
//! GRANT ALTER ANY USER, VIEW DEFINITION TO dzconn;
//! GRANT SELECT ON SCHEMA::dbo TO dzconn WITH GRANT OPTION;      -- or each table: ON OBJECT::dbo.orders
//! ```
//!
//! From SQL Server 2022 on VIEW SERVER PERFORMANCE STATE stands in for VIEW SERVER STATE, and `VIEW SECURITY DEFINITION` for VIEW
//! DEFINITION, but for tables: with it alone, one that the admin may not read cannot be told from one that is gone. What is granted with the grant option must be granted to that user itself: who has it by a role would have to
//! act as the role. On **RDS** the master user has all this. In **Azure SQL Database** the admin is a user of the one
//! database, with a password of its own (or the server's admin):
//!
//! ```sql
//! CREATE USER dzconn WITH PASSWORD = '...';
//! GRANT ALTER ANY USER, VIEW DEFINITION, VIEW DATABASE STATE, KILL DATABASE CONNECTION TO dzconn;
//! GRANT CONNECT TO dzconn WITH GRANT OPTION;
//! GRANT SELECT ON SCHEMA::dbo TO dzconn WITH GRANT OPTION;
//! ```
//!
//! What an admin with less meets:
//!
//! | lacks | what happens |
//! | --- | --- |
//! | ALTER ANY LOGIN | [`AdminDenied`](ErrorKind::AdminDenied) when a user is made, given a password, dropped or looked for: a login that is not seen may be there all the same |
//! | a user in a published database, or ALTER ANY USER there | [`AdminDenied`](ErrorKind::AdminDenied) when the first table there is granted |
//! | the grant option on a table | [`NoGrantOption`](ErrorKind::NoGrantOption); the advice is the statement to run |
//! | any privilege on a table, and VIEW DEFINITION | [`TableNotFound`](ErrorKind::TableNotFound): the catalog shows only what one has a privilege on ("Metadata Visibility Configuration") |
//! | VIEW DEFINITION | [`Reads::CannotTell`](dzconn_core::engine::Reads::CannotTell); granting and revoking work, and count as done when the server says so; but a revoke on a table that the admin does not see is [`AdminDenied`](ErrorKind::AdminDenied), since it cannot tell whether the table is gone |
//! | ALTER ANY USER and VIEW DEFINITION in a table's database | [`AdminDenied`](ErrorKind::AdminDenied) when something there is to be revoked, and no such user is seen |
//! | VIEW ANY DATABASE (everybody has it, unless it is denied) | [`AdminDenied`](ErrorKind::AdminDenied) when something is granted or revoked in a database that is not seen |
//! | VIEW SERVER STATE | the last revoke ends with [`SessionsRemain`](ErrorKind::SessionsRemain): whether there are sessions cannot be told. The user is disabled and has no privilege left; the next call goes on from there |
//! | ALTER ANY CONNECTION | the same where the user has sessions |
//! | on Azure, CONNECT with the grant option, or being in `db_owner` | [`AdminDenied`](ErrorKind::AdminDenied) when a user is wanted again that was kept out by `REVOKE CONNECT` |
//!
//! # What it does on the server
//!
//! - **Users** are logins, and in every database where they read a table, users of that name: no privilege is needed for one
//!   environment to read tables of several databases. A **contained user** (with a password of its own, in the connection's
//!   database) is made where there are no logins to be made: in Azure SQL Database (`SERVERPROPERTY('EngineEdition')` is 5), and
//!   where the admin is itself a contained user (`sys.dm_exec_sessions.authenticating_database_id`). That an admin may make no
//!   logins is no reason: which kind a user is must not depend on a grant that somebody forgot. A contained user that is there
//!   already is used as it is. It can enter no other database: a table elsewhere is
//!   [`TableNotFound`](ErrorKind::TableNotFound), with advice.
//! - **A login's security id** comes from its name (`CREATE LOGIN ... WITH SID`), so that on whichever replica of an availability
//!   group it is made, it is the login of the users that the databases brought along. It also is that of a user that a
//!   drop could not reach, and has its grants again: [`excess`](dzconn_core::SourceEngine::excess) names what nobody recorded.
//!   **A user without its login** that has another id (a login that somebody else made, or that an older server knew) is
//!   replaced when the login is let into that database; what it was granted there goes, and a reconciliation finds what is
//!   missing. One that belongs to another login, or has none on purpose, is somebody else's, and an error.
//! - **Passwords** go out as text, in a statement that the server keeps out of its traces ("CREATE LOGIN", "SQL Trace"): its
//!   password policy (`CHECK_POLICY`) can look at nothing else, and neither Azure nor contained users take hashes. They do not
//!   expire (`CHECK_EXPIRATION = OFF`). Setting a password also unlocks a login that was locked by wrong attempts. The driver
//!   logs no statements; but at level ERROR the server's messages, and at TRACE rows (`tracing`, target `tiberius`): keep
//!   that target out of logs that not everybody may read.
//! - **Grants** are SELECT on one table or view, and go with it when it is dropped. A grant where a DENY is in the way, on
//!   whatever level, is refused ([`NoGrantOption`](ErrorKind::NoGrantOption)) and the DENY is left alone: it wins over every
//!   grant ("Permissions"). A revoke takes SELECT on the table and on its columns, the grant option and what was passed on with
//!   it (CASCADE), also in the name of other grantors where the admin may (`AS`); what is left then is
//!   [`GrantedByOther`](ErrorKind::GrantedByOther). Whether a new user really reads, [`log_in`] asks the server as that user:
//!   `HAS_PERMS_BY_NAME` weighs grants against denials.
//!   In the server's own databases (`master`, `msdb`) nothing is granted, since users there are beyond what a drop undoes.
//! - **Dropping a user**: disable the login, take everything back, `KILL` its sessions, drop its user in every database that the
//!   admin may enter and write to, look whether it has got another, drop the login, look again. A database that it may not
//!   enter, that is read-only or offline keeps a user without a login, with which nobody can log in. A contained user cannot be disabled: it loses CONNECT (`REVOKE`), which takes an admin in
//!   `db_owner`, since CREATE USER grants it in the owner's name; where it still connects, it gets a password that nobody
//!   knows. Should it be wanted again before it is gone, its stored password is set again.
//! - **Sessions** of a user are found by its security id or name, and by what authenticated them; one is ended only if it is
//!   still the one that was found (`login_time`), since their numbers are used again. In Azure SQL Database, those of a
//!   database that is Basic, S0, S1 or in an elastic pool are seen by the server's admin and the server role
//!   `##MS_ServerStateReader##` only ("`sys.dm_exec_sessions`"): any other admin's last revoke ends with
//!   [`SessionsRemain`](ErrorKind::SessionsRemain) there.
//! - **The lock** is `sp_getapplock` for the session, in the connection's own database: two connections that lock one another
//!   out must name the same database. Every change is in one batch with the check that the session still holds it
//!   (`APPLOCK_MODE`), and under `XACT_ABORT`, so that nothing runs after that check failed. **The server does not end sessions
//!   that are silent**: it probes connections every 30 seconds (TCP keep-alive), which tells it of machines that are gone but not
//!   of a client that is frozen. Such a client keeps its lock until somebody kills its session; Azure ends idle ones after 30
//!   minutes.
//! - **The session** sets its options and the time that it waits for locks itself, in one round trip, so that the server's and
//!   the database's settings change nothing.
//! - **Other databases** of the server are reached from the session's own (`EXEC [other].sys.sp_executesql`). Without a database
//!   in the URL, the session is in the admin's default one.
//! - **Named instances**: a URL with an instance and no port asks SQL Server Browser (UDP port 1434) for the port. Better name
//!   the port: clouds and firewalls seldom let that through.
//!
//! # What is read back
//!
//! `reads` and `excess` read the catalog: what the user has itself, by roles (also in roles), by PUBLIC, on table, column, schema
//! and database, by the fixed roles `db_owner` and `db_datareader`, by owning the table, and by its login on the server
//! (`sysadmin`, CONTROL SERVER, SELECT ALL USER SECURABLES); and what is denied, also by `db_denydatareader`. Not counted are
//! views and procedures that read for somebody else (ownership chains), application roles, what `guest` may, and roles that
//! such roles of the server are in. A user of another name that the login has counts, and so does owning the database.
//! `excess` looks into every database where the login has a user that the admin sees, and says where it could not look of those
//! that the user is said to read tables of. `granted` lists what it was granted, under its own name, in every database that
//! the admin may enter; what is in others cannot be known, and is not listed.
//!
//! # Connecting
//!
//! Every address of the host is tried, a little after one another, and the first that answers is used: a listener of an
//! availability group has one in each subnet. A database that cannot be opened (4060) may be offline, be restored or fail over,
//! or be missing or closed to the login: the server says the same of all, so connecting is
//! [`Unreachable`](ErrorKind::Unreachable), which is worth another try. [`log_in`] asks in `master` as that user, and answers
//! that the login is refused only where the database is online and refuses it.
//!
//! # TLS
//!
//! What the source demands is what happens; nothing falls back to plain text, and a server that forces encryption is not
//! reached with [`Tls::Disable`]. The driver trusts Mozilla's roots, built in, and a given bundle *beside* them, and whether a
//! certificate is signed it checks only together with whom it names: [`Tls::VerifyCa`] is carried out as
//! [`Tls::VerifyFull`]. TDS 8 ("strict") is not spoken.
//!
//! [`log_in`]: dzconn_core::EngineConnector::log_in

#![forbid(unsafe_code)]

mod connector;
mod engine;
mod error;
mod privileges;
mod sql;
#[cfg(any(test, feature = "testkit"))]
pub mod testkit;
#[cfg(test)]
mod tests;
mod wire;

#[cfg(doc)]
use dzconn_core::{ErrorKind, model::Tls};

pub use connector::{SqlServer, connector};
