//! dzconn's engine for MySQL 8 and MariaDB 10.11, later versions of both, and what speaks their language: Aurora MySQL, RDS.
//!
//! [`connector()`] serves the JDBC sub-protocols `mysql` and `mariadb`. Which of the two servers it has before it every session
//! asks the server itself, whatever the URL says.
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
//! let mysql = dzconn_mysql::connector().statement_timeout(Duration::from_secs(20));
//! let source = Source {
//!     connection: ConnectionId::new("hr-mysql")?,
//!     endpoint: SourceEndpoint {
//!         subprotocol: "mysql".to_owned(),
//!         host: "db.internal".to_owned(),
//!         port: 3306,
//!         instance: None,
//!         target: Target::Database("sales".to_owned()),
//!     },
//!     admin: AdminLogin { user: "dzconn".to_owned(), password: Secret::new("...".to_owned()) },
//!     tls: Tls::VerifyFull(None),
//! };
//! let user = UserName::new("dz_3vsbsk0xyz_1f0c9a77")?;
//! let table = TableName::in_database("sales", "orders")?;
//!
//! // What would be done, without connecting.
//! let grant = Action::Grant { user: user.clone(), table, take_back: Vec::new() };
//! assert_eq!(
//!     mysql.statements(&source, &grant),
//!     ["GRANT SELECT ON `sales`.`orders` TO 'dz_3vsbsk0xyz_1f0c9a77'@'%'"]
//! );
//!
//! // One session: make the user, let it read one table. Workflows hold a lock meanwhile (`SourceEngine::lock`).
//! async fn let_read(source: &Source, user: &Credentials, path: &AssetPath) -> dzconn_core::Result<()> {
//!     let deadline = Deadline::within(Duration::from_secs(60));
//!     let mut session = dzconn_mysql::connector().connect(source, deadline).await?;
//!     let table = session.resolve(path).await?;
//!     session.create_user(user).await?;
//!     session.grant(&user.user, &table, &[]).await?;
//!     session.close().await
//! }
//!
//! // As one of several engines.
//! let engines = Engines::new().with(mysql);
//! assert!(engines.for_source(&source).is_ok());
//! # Ok(())
//! # }
//! ```
//!
//! # The admin and its privileges
//!
//! Root is not needed. On **MySQL 8** (the `mysql.*` grants are one statement a table):
//!
//! ```sql
//! CREATE USER 'dzconn'@'%' IDENTIFIED BY '...' REQUIRE SSL;
//! GRANT CREATE USER, PROCESS, CONNECTION_ADMIN ON *.* TO 'dzconn'@'%';
//! GRANT SELECT ON `sales`.* TO 'dzconn'@'%' WITH GRANT OPTION;   -- each published database, or each table
//! GRANT SELECT ON mysql.user TO 'dzconn'@'%';                    -- and so on: mysql.db, mysql.tables_priv,
//!                                                                -- mysql.role_edges, mysql.procs_priv,
//!                                                                -- mysql.proxies_priv, mysql.global_grants
//! ```
//!
//! On **MariaDB 10.11 and later**:
//!
//! ```sql
//! CREATE USER 'dzconn'@'%' IDENTIFIED BY '...' REQUIRE SSL;
//! GRANT CREATE USER, PROCESS, CONNECTION ADMIN ON *.* TO 'dzconn'@'%';
//! GRANT SELECT ON `sales`.* TO 'dzconn'@'%' WITH GRANT OPTION;   -- each published database, or each table
//! GRANT SELECT ON mysql.user TO 'dzconn'@'%';                    -- and so on: mysql.db, mysql.tables_priv,
//!                                                                -- mysql.roles_mapping, mysql.procs_priv,
//!                                                                -- mysql.proxies_priv
//! ```
//!
//! In a grant on a whole database `_` and `%` are wildcards: write `` `sa\_les`.* ``. On RDS, `EXECUTE` on `mysql.rds_kill`
//! stands in for CONNECTION\_ADMIN; the master user has that and the rest.
//!
//! What this admin cannot do, and what an admin with less meets:
//!
//! | lacks | what happens |
//! | --- | --- |
//! | CREATE USER | [`AdminDenied`](ErrorKind::AdminDenied) when a user is made, given a password or dropped |
//! | the grant option on a table | [`NoGrantOption`](ErrorKind::NoGrantOption); the advice is the statement to run |
//! | any privilege on a table | [`TableNotFound`](ErrorKind::TableNotFound): the server does not tell it from one that is missing |
//! | PROCESS | the last revoke ends with [`SessionsRemain`](ErrorKind::SessionsRemain): whether there are sessions cannot be told (`SHOW PROCESSLIST` shows only one's own, without an error). The user is locked and has no privilege left; the next call goes on from there |
//! | CONNECTION\_ADMIN | the same where the user has sessions |
//! | SELECT on `mysql.*` | [`Reads::CannotTell`](dzconn_core::engine::Reads::CannotTell); granting and revoking work, and count as done when the server says so |
//! | SET\_ANY\_DEFINER (MySQL), which it should not have | [`UserOwnsObjects`](ErrorKind::UserOwnsObjects) (4006) where somebody made the user the DEFINER of something |
//!
//! # What it does on the server
//!
//! - **Users** are `'name'@'%'`, 32 characters at most. An account of the same name at another host is somebody else's and is
//!   left alone, but `SHOW PROCESSLIST` tells no account: when the user is dropped, sessions of its namesakes end too.
//! - **Passwords.** MariaDB writes statements into its general, slow and binary logs as they come, so it gets the hash of
//!   `mysql_native_password`, never the password. MySQL rewrites them before it logs them ("Passwords and Logging"), so it gets
//!   the text, and stores it by its own default plugin; do not run it with `log_raw`. With a password validation plugin,
//!   MariaDB takes no hash unless `strict_password_validation` is off:
//!   [`PasswordRejected`](ErrorKind::PasswordRejected). New users' passwords do not expire (`PASSWORD EXPIRE NEVER`), whatever
//!   `default_password_lifetime` says.
//! - **Grants** are SELECT on one table or view. They outlive DROP TABLE and cover what is made later under that name
//!   ("DROP TABLE Statement"), so a revoke runs also where the table is gone. It takes SELECT on the table, and on its columns
//!   with it; what else somebody has granted there is not dzconn's and stays.
//! - **Dropping a user**: lock the account, take everything back, end its sessions (DROP USER alone ends none), drop it, look
//!   again. A login that was under way when the account was locked is found by the second look.
//! - **The lock** is `GET_LOCK` ("Locking Functions"), which the session gives back when it ends, and the server ends the
//!   session when it is silent for longer than a run may last (`wait_timeout`; `interactive_timeout` matters only at login).
//!   Every change is sent in one packet after a check that the session still holds it; the check fails otherwise, and a server
//!   does not go on in a packet after a statement that failed. GRANT and its like commit by themselves, so no transaction could
//!   do better. Galera and multi-primary Group Replication have such locks per node only, and are
//!   [`Unsupported`](dzconn_core::engine::Lock::Unsupported). A proxy in between must keep the session on one connection:
//!   RDS Proxy and `ProxySQL` do after `GET_LOCK`.
//! - **The session** sets `NAMES`, `sql_mode` and its time limits itself, in one round trip, so that the server's own settings
//!   change nothing. It opens no database, since a revoke must run also where that is gone.
//!
//! # What is read back
//!
//! `reads` and `excess` read the grant tables: what the account has itself, what its roles have (whether active at login or not,
//! also `mandatory_roles`), what PUBLIC has (MariaDB), what `mysql.db` gives to the anonymous user and so to everybody. Not
//! counted are views and routines that run as somebody else; that `partial_revokes` takes a database out of a global privilege;
//! and what only MariaDB has beyond MySQL among global privileges.
//!
//! # TLS
//!
//! What the source demands is what happens; nothing falls back to plain text. The driver trusts Mozilla's roots, built in, and a
//! given bundle *beside* them: [`Tls::VerifyCa`] with a bundle therefore also takes any certificate that a public authority
//! signed. [`Tls::VerifyFull`] is what tells the server from others.
//!
//! `mysql_clear_password` is off, and without TLS `caching_sha2_password` encrypts the password with an RSA key. That key is
//! whoever's answers at the address: only `VerifyFull` makes sure that it is the server's.

#![forbid(unsafe_code)]

mod connector;
mod engine;
mod error;
mod privileges;
mod sql;
#[cfg(test)]
mod tests;
mod wire;

#[cfg(doc)]
use dzconn_core::{ErrorKind, model::Tls};

pub use connector::{MySql, connector};
