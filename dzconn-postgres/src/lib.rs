//! dzconn's engine for PostgreSQL 13 to 18, Aurora and RDS.
//!
//! It makes one role for each consumer, grants it read on single tables, and takes that away again. [`connector()`] is all
//! there is to use; everything else is behind dzconn-core's [`EngineConnector`](dzconn_core::EngineConnector) and
//! [`SourceEngine`](dzconn_core::SourceEngine), whose promises it keeps.
//!
//! ```
//! use dzconn_core::engine::Action;
//! use dzconn_core::model::{AdminLogin, ConnectionId, Source, SourceEndpoint, TableName, Target, Tls, UserName};
//! use dzconn_core::{Engines, Secret};
//!
//! let engines = Engines::new().with(dzconn_postgres::connector());
//! let source = Source {
//!     connection: ConnectionId::new("arn:aws:glue:eu-west-1:111122223333:connection/sales")?,
//!     endpoint: SourceEndpoint {
//!         subprotocol: "postgresql".to_owned(),
//!         host: "db.internal".to_owned(),
//!         port: 5432,
//!         instance: None,
//!         target: Target::Database("sales".to_owned()),
//!     },
//!     admin: AdminLogin { user: "dzconn_admin".to_owned(), password: Secret::new("from a secret store".to_owned()) },
//!     tls: Tls::default(),
//! };
//!
//! // What a grant would run; nothing is connected to.
//! let action = Action::Grant {
//!     user: UserName::new("dz_finance")?,
//!     table: TableName::in_schema("sales", "hr", "employees")?,
//!     take_back: vec![],
//! };
//! assert_eq!(
//!     engines.for_source(&source)?.statements(&source, &action),
//!     [
//!         r#"GRANT CONNECT ON DATABASE "sales" TO "dz_finance" -- unless it may connect already"#,
//!         r#"GRANT USAGE ON SCHEMA "hr" TO "dz_finance" -- unless it has that already"#,
//!         r#"GRANT SELECT ON TABLE "hr"."employees" TO "dz_finance""#,
//!     ]
//! );
//! # Ok::<(), dzconn_core::Error>(())
//! ```
//!
//! # The admin
//!
//! A superuser can do everything. It is not needed: this is enough, on every version.
//!
//! ```sql
//! CREATE ROLE dzconn_admin LOGIN CREATEROLE PASSWORD '...';
//! GRANT USAGE ON SCHEMA hr TO dzconn_admin WITH GRANT OPTION;            -- as the schema's owner; not for "public"
//! GRANT SELECT ON TABLE hr.employees TO dzconn_admin WITH GRANT OPTION;  -- as the table's owner
//! GRANT CONNECT ON DATABASE sales TO dzconn_admin WITH GRANT OPTION;     -- only where PUBLIC has lost CONNECT
//! ```
//!
//! It must also be able to run PL/pgSQL blocks (`USAGE ON LANGUAGE plpgsql`, which PUBLIC has by default): in such blocks
//! statements are made conditional and the lock is checked, in the transaction of the change.
//!
//! What it cannot do, and how that shows:
//!
//! | lacking | shows as |
//! | --- | --- |
//! | the grant option on table, schema or (where PUBLIC may not connect) database | `NoGrantOption`, with the GRANT that the owner must run |
//! | any right on the table or schema | `AdminDenied`, with the same |
//! | CREATEROLE; from 16 on, ADMIN on a role that another admin made | `AdminDenied`, with who must run which GRANT; before it is to be dropped, the user has lost what this admin granted, and may still log in |
//! | what another role granted | `GrantedByOther`, with who must run which REVOKE |
//! | the right to end the user's sessions (it makes itself a member of the user for that) | `SessionsRemain`, with the GRANT of `pg_signal_backend` |
//!
//! On 13 to 15 CREATEROLE is worth more than it says: its holder may change every role that is no superuser, and join it
//! ("CREATE ROLE", Notes of those versions). From 16 on it rules only the roles that it made itself.
//!
//! ## Admins that take turns
//!
//! A grant belongs to the role that gave it, and from 16 on a role to the one that made it. Where two admins take turns (a
//! rotation that alternates, a new master user), let a role that does not log in own everything, and let the admins be it:
//!
//! ```sql
//! CREATE ROLE dzconn CREATEROLE;                       -- and the grants above, to dzconn
//! CREATE ROLE dzconn_admin_a LOGIN PASSWORD '...';
//! GRANT dzconn TO dzconn_admin_a;
//! ALTER ROLE dzconn_admin_a SET role = dzconn;         -- the same for dzconn_admin_b
//! ```
//!
//! Otherwise, an admin that is a superuser, or a member of the earlier one, takes back what that one granted by SET ROLE;
//! and any other is told whom to ask.
//!
//! # What the server does, and where that is written
//!
//! Sections are those of the PostgreSQL documentation; *tried* means on 15 and 18.
//!
//! - Several statements in one message are one transaction ("Message Flow", Multiple Statements in a Simple Query). A grant
//!   is one such message: lock check, grants, read-back. It works as a whole or not at all.
//! - GRANT without the grant option only warns, 01007, and grants nothing; without any right at all it fails, 42501
//!   ("GRANT", Notes). So every grant is read back from the catalogue before it is committed.
//! - REVOKE takes back only what the current role granted, a superuser's what the owner did ("REVOKE", Notes); `GRANTED BY`
//!   another role is refused with 0A000, and `DROP OWNED` leaves such grants too (tried).
//! - Two changes of one list of privileges fail with XX000, "tuple concurrently updated" (tried): they queue up behind a
//!   transaction's advisory lock, of this database.
//! - A list of privileges must fit one page: one table has room for some 2,400 users, then 54000 (tried).
//! - The lock is a session's advisory lock of this database ("Explicit Locking", Advisory Locks). A holder that is silent is
//!   ended through `idle_session_timeout` from 14 on; on 13 only TCP keepalives end one that is dead. Behind a pooler that
//!   hands out transactions, a session does not find its lock again: everything then fails with `LockLost`, and nothing is
//!   changed.
//! - Names longer than 63 bytes are cut without an error ("Lexical Structure", Identifiers and Key Words): they are refused.
//!   `"public"` means everybody, even in quotes, and `pg_` is reserved: such users are refused.
//! - Statements hold a password only as a SCRAM-SHA-256 verifier ("CREATE ROLE", PASSWORD), so no log can hold it. At a
//!   login, whoever answers at the address can ask the driver for the password itself: only `VerifyFull` makes sure who.
//!   Hooks that judge passwords cannot judge a verifier; those that refuse one show as `PasswordRejected`.
//! - `has_table_privilege` and the lists of privileges can be read by everybody ("System Information Functions"): `reads`
//!   can always tell, save for another database.
//!
//! # TLS
//!
//! [`Tls`](dzconn_core::model::Tls) is done as it says, and a server without TLS hears no more than the request for it. Two
//! things are the driver's: "the system's" certificates are Mozilla's list, compiled in; and a bundle is trusted *beside*
//! that list. So `VerifyCa`, which ignores names, also trusts whoever holds a public certificate: prefer `VerifyFull`.
//!
//! Nothing is taken from the environment. Since the driver offers no way to ignore `PGOPTIONS`, `PGSSLCERT` and `PGSSLKEY`,
//! connecting fails where one of them is set.

#![forbid(unsafe_code)]

mod connector;
mod engine;
mod error;
mod privileges;
mod sql;
#[cfg(test)]
mod tests;
mod wire;

pub use connector::{Postgres, connector};
