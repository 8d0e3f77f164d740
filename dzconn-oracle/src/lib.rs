//! dzconn's engine for Oracle Database 12.1 and later, made for 19c to 23ai, and what speaks its language: RDS for Oracle.
//!
//! [`connector()`] serves the JDBC sub-protocol `oracle`, over one of two drivers ([`driver`]): with the feature `thin`, which
//! is on by default, Oracle's own in Rust, which needs nothing; with the feature `odpi` alone, the one over Oracle's client
//! library. Where both are built in, [`Oracle::driver`] takes `driver::odpi()`; neither ever stands in for the other by itself.
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
//! let oracle = dzconn_oracle::connector().statement_timeout(Duration::from_secs(20));
//! let source = Source {
//!     connection: ConnectionId::new("hr-oracle")?,
//!     endpoint: SourceEndpoint {
//!         subprotocol: "oracle".to_owned(),
//!         host: "db.internal".to_owned(),
//!         port: 2484,
//!         instance: None,
//!         target: Target::Service("hrpdb".to_owned()),
//!     },
//!     admin: AdminLogin { user: "dzconn".to_owned(), password: Secret::new("...".to_owned()) },
//!     tls: Tls::VerifyFull(None),
//! };
//! let user = oracle.fold_user_name(UserName::new("dz_3vsbsk0xyz_1f0c9a77")?);
//! let table = TableName::in_schema("hrpdb", "HR", "EMPLOYEES")?;
//!
//! // What would be done, without connecting.
//! let grant = Action::Grant { user, table, take_back: Vec::new() };
//! assert_eq!(
//!     oracle.statements(&source, &grant),
//!     [r#"GRANT READ ON "HR"."EMPLOYEES" TO "DZ_3VSBSK0XYZ_1F0C9A77" -- SELECT before 12.1.0.2"#]
//! );
//!
//! // One session: make the user, let it read one table. Workflows hold a lock meanwhile (`SourceEngine::lock`).
//! async fn let_read(source: &Source, user: &Credentials, path: &AssetPath) -> dzconn_core::Result<()> {
//!     let deadline = Deadline::within(Duration::from_secs(60));
//!     let mut session = dzconn_oracle::connector().connect(source, deadline).await?;
//!     let table = session.resolve(path).await?;
//!     session.create_user(user).await?;
//!     session.grant(&user.user, &table, &[]).await?;
//!     session.close().await
//! }
//!
//! // As one of several engines.
//! let engines = Engines::new().with(oracle);
//! assert!(engines.for_source(&source).is_ok());
//! # Ok(())
//! # }
//! ```
//!
//! # The admin and its privileges
//!
//! SYS and SYSTEM are not needed, and SYS is refused by the server. In the pluggable database that holds the tables, a DBA
//! runs:
//!
//! ```sql
//! CREATE USER dzconn IDENTIFIED BY "...";
//! GRANT CREATE SESSION TO dzconn WITH ADMIN OPTION;
//! GRANT CREATE USER, ALTER USER, DROP USER, CREATE PROFILE, ALTER SYSTEM TO dzconn;
//! GRANT SELECT_CATALOG_ROLE TO dzconn;
//! GRANT READ ON hr.employees TO dzconn WITH GRANT OPTION;        -- each published table; or GRANT ANY OBJECT PRIVILEGE
//! GRANT EXECUTE ON SYS.DBMS_LOCK TO dzconn;                      -- as SYS
//! ```
//!
//! On RDS nobody is SYS and nobody has ALTER SYSTEM; the master user runs
//!
//! ```sql
//! BEGIN rdsadmin.rdsadmin_util.grant_sys_object('DBMS_LOCK', 'DZCONN', 'EXECUTE'); END;
//! GRANT EXECUTE ON rdsadmin.rdsadmin_util TO dzconn;             -- in place of ALTER SYSTEM
//! ```
//!
//! or is the admin itself. Where the session may use that package, sessions are ended by it (`rdsadmin_util.kill`).
//!
//! What an admin with less meets:
//!
//! | lacks | what happens |
//! | --- | --- |
//! | CREATE USER, ALTER USER, DROP USER | [`AdminDenied`](ErrorKind::AdminDenied) when a user is made, given a password, locked or dropped |
//! | CREATE SESSION with ADMIN OPTION | [`AdminDenied`](ErrorKind::AdminDenied) when a user is made; the next call goes on from there |
//! | CREATE PROFILE | the same, where the profile is not there yet; the advice is the statement to run once |
//! | EXECUTE on `SYS.DBMS_LOCK` | [`AdminDenied`](ErrorKind::AdminDenied) when the lock is to be taken: the source has locks, this admin has not |
//! | the grant option on a table | [`NoGrantOption`](ErrorKind::NoGrantOption); the advice is the statement to run, and who must |
//! | any privilege on a table, and the catalog | [`TableNotFound`](ErrorKind::TableNotFound): the server does not tell it from one that is missing |
//! | ALTER SYSTEM (RDS: the package) | [`SessionsRemain`](ErrorKind::SessionsRemain) where the user is connected. It is locked and has lost those of its tables that this admin sees and may take back; the error says whether these were all. The next call goes on from there |
//! | `GV_$SESSION` | the same; a user that is not connected is dropped all the same |
//! | the catalog (SELECT\_CATALOG\_ROLE, or SELECT on `DBA_TAB_PRIVS`, `DBA_SYS_PRIVS`, `DBA_ROLE_PRIVS`, `DBA_OBJECTS`, `DBA_COL_PRIVS`, `DBA_PROXIES`, `DBA_PROFILES`; on 23ai `DBA_SCHEMA_PRIVS`) | [`Reads::CannotTell`](dzconn_core::engine::Reads::CannotTell); a grant or revoke is read back from what this admin granted itself (`ALL_TAB_PRIVS_MADE`, which everybody may read); what it granted in an owner's name (GRANT ANY OBJECT PRIVILEGE) counts as done when the server says so, and a grant by another is not seen |
//!
//! # What it does on the server
//!
//! - **Where.** In a CDB's root users are common to all its databases, so a session there is refused with
//!   [`InvalidConfig`](ErrorKind::InvalidConfig): connect to the service of the pluggable database. A table's path is
//!   `service.schema.table`; for the service it may have any name by which connection or server know the database (service,
//!   SID, `CON_NAME`, `DB_NAME`, `INSTANCE_NAME`), whatever its case. Tables, views and materialized views are found; synonyms
//!   are not, since what they name can change behind a grant, and Oracle's own schemas are not.
//! - **Users** are made with a name in upper case, since clients fold what they log in with. Names are always quoted; they have
//!   30 bytes where COMPATIBLE is below 12.2, else 128, and no double quotation mark. A user gets CREATE SESSION and not the
//!   CONNECT role, and no quota.
//! - **Passwords** stand as text in `CREATE USER` and `ALTER USER`, without double quotation marks. The server hides them in
//!   audit records of these statements ("Oracle Database Security Guide", unified auditing). Under the lock such a statement
//!   comes as the value of a block's placeholder, and values of placeholders are hidden nowhere: keep the admin out of SQL
//!   traces with binds, and out of audit policies that record executions of `DBMS_LOCK` or all actions (`SQL_BINDS`). A
//!   verifier could be given instead only by a clause that Oracle does not document. Other places where such a statement or
//!   value may be seen by who administers the server or this host, and which nobody has verified here: `V$SQL` and AWR (DDL
//!   that a block runs), SQL monitoring with its binds (`V$SQL_MONITOR`), DDL triggers (`ORA_SQL_TXT`), the DDL log
//!   (`ENABLE_DDL_LOGGING`), and traces of the client library. Where the DEFAULT profile has a `PASSWORD_ROLLOVER_TIME` (19.12
//!   and later), a user's former password lets it in for that long after a new one has been set: set it to 0 in dzconn's
//!   profile.
//! - **The profile** ([`Oracle::profile`]) is made when it is missing, with `PASSWORD_LIFE_TIME UNLIMITED`: the DEFAULT
//!   profile's 180 days would lock consumers out; and from 12.2 on with `INACTIVE_ACCOUNT_TIME UNLIMITED`. All else is as in
//!   DEFAULT, so that the site's own policy holds: its verification function ([`PasswordRejected`](ErrorKind::PasswordRejected)
//!   where it objects), and `FAILED_LOGIN_ATTEMPTS`. Somebody who knows the user's name can lock it for a day by ten wrong
//!   passwords then; who minds that more than guessing, which 30 random characters withstand, sets it to UNLIMITED in this
//!   profile. A profile that is there is never changed.
//! - **Grants** are READ on one table or view; before 12.1.0.2 SELECT, which also lets a reader lock rows ("GRANT"). Who has
//!   GRANT ANY OBJECT PRIVILEGE grants in the owner's name, and takes back what owners granted. A revoke takes back READ and
//!   SELECT, whoever granted them, and says who must where this admin cannot ([`GrantedByOther`](ErrorKind::GrantedByOther)).
//!   Privileges are checked at each parse and execution, so an open session loses the table with its next call; rows that a
//!   running query has still to fetch, it gets. A table that is dropped goes into the recycle bin under another name
//!   (`BIN$...`), and the grants on it go along: nobody can revoke them there (38301), `FLASHBACK TABLE` brings them back, and
//!   `PURGE` ends them. `excess` shows them, and a revoke on a table that is only there any more fails and says so
//!   ([`TableNotFound`](ErrorKind::TableNotFound)), if the admin may look there (`DBA_RECYCLEBIN`). Where there was a SELECT
//!   already, a grant of READ leaves it: `excess` shows that, too.
//! - **Dropping a user**: lock the account, take READ and SELECT back, end its sessions on every instance (`GV$SESSION`, `ALTER
//!   SYSTEM KILL SESSION ... IMMEDIATE`) until DROP USER finds it unconnected, ten seconds at most; look again, for sessions
//!   too, also where the user was gone before. DROP USER takes every grant along, whoever granted it. It is never CASCADE: what
//!   the user owns stays, and is named ([`UserOwnsObjects`](ErrorKind::UserOwnsObjects)).
//! - **The lock** is `DBMS_LOCK`'s, cluster-wide, in exclusive mode, kept over commits (every DDL statement commits); its id is
//!   the last 30 bits of the key's number ([`LockKey::number`](dzconn_core::engine::LockKey::number) `& 0x3fff_ffff`). Each
//!   change runs inside one fixed anonymous block that first asks for the lock again: "owned already" is what lets it go on.
//!   The statement comes to the block as a value: nothing is ever spliced into PL/SQL but the numbers of a session that is to
//!   end.
//! - **A silent session keeps its lock** until the server ends it: no session can set that for itself in Oracle. The admin's
//!   profile (`IDLE_TIME`, with `RESOURCE_LIMIT`) or the server's `SQLNET.EXPIRE_TIME` (minutes until a dead client is noticed)
//!   should be little more than a run's deadline; the error of whoever waits names the session and how to end it.
//! - **The session** sets `NLS_COMP`, `NLS_SORT` and `DDL_LOCK_TIMEOUT`, and names every view with its owner, so that the
//!   client's environment, the server's settings and logon triggers change nothing.
//!
//! # What is read back
//!
//! `reads` and `excess` read the data dictionary: grants to the user itself, to its roles and theirs (whether active at login
//! or not), to PUBLIC; READ ANY TABLE and SELECT ANY TABLE, on 23ai also on a schema; ownership. `excess` adds system
//! privileges but CREATE SESSION, what may be passed on (grant and admin options, also of what was granted), privileges on
//! columns, objects that the user owns, and users that it may log in as. Not counted are views and procedures that run as their
//! owner, row policies (VPD), and what PUBLIC has on Oracle's own objects.
//!
//! # TLS
//!
//! What the source demands is what happens; what a driver cannot do exactly is refused with
//! [`InvalidConfig`](ErrorKind::InvalidConfig) before anything is connected to. Once there, the session asks the server how it
//! came (`NETWORK_PROTOCOL`), and sends nothing more unless that is `tcps`: a listener may have sent it on to an address
//! without TLS. That is a check against mistakes and no proof: the login is over by then, and it is the other end that answers.
//! Who can speak as the listener can redirect to a server of its own that says `tcps`. Behind a gateway that ends TLS
//! (Connection Manager), say so with [`Tls::Disable`] or let TLS go through.
//!
//! | | `thin` | `odpi`, with a client library of version 23 or later |
//! | --- | --- | --- |
//! | [`Tls::Disable`] | yes | yes, with any version from 18 on |
//! | [`Tls::Require`] | no: it always verifies | no: it always verifies |
//! | [`Tls::VerifyCa`] | no: it always wants the host's name | yes |
//! | [`Tls::VerifyFull`] | yes; a bundle counts beside Mozilla's roots | yes; certificates from a wallet or the system, no bundle |
//!
//! A given descriptor (`(DESCRIPTION=...)`) may say how to get there but nothing of TLS: its addresses must be TCPS or TCP as
//! the source demands. Nor may it ask for a pool (`SERVER=POOLED`, `POOL_...`) or `FAILOVER_MODE`; its time-outs and retries
//! are left out, since this crate's own count. A login never sends its password in clear, but the statement that gives a user
//! its password has it as text: without TLS whoever listens reads it.
//!
//! # Blocking
//!
//! Both drivers block, and one can hang for ever on a listener that takes connections and says nothing. Each call therefore
//! runs on a thread of its own that no runtime waits for, and frees its caller at the deadline. What comes of a call that was
//! given up is thrown away: the connection is closed when the call returns, and never used again. While sixteen calls of a
//! connector hang so, it begins no more.
//!
//! # Passwords that the driver `thin` cannot use
//!
//! It logs in only where an account has a 12C verifier (`PASSWORD_VERSIONS` in `DBA_USERS`), as accounts have whose passwords
//! were set on 12.1 or later without `SQLNET.ALLOWED_LOGON_VERSION_SERVER` below 12. Others are
//! [`InvalidConfig`](ErrorKind::InvalidConfig): set the account's password anew, or use `odpi`.

#![forbid(unsafe_code)]

mod connector;
pub mod driver;
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

pub use connector::{Oracle, connector};
