//! For tests: every statement that the crate can send, so that an independent parser can look at it.

use std::time::Duration;

use dzconn_core::engine::LockKey;
use dzconn_core::model::{ConnectionId, EnvironmentId, SourceKey, TableName, UserName};
use dzconn_core::{Result, Secret};

use crate::sql::look::{self, Catalog};
use crate::sql::{self, Kill, Password, Profile, Read, SessionId, Statement, Table, User};

/// Names that a careless statement stumbles over, and that Oracle allows.
const NAMES: &[&str] = &[
    "PLAIN",
    "it's",
    "'; DROP USER SYS; --",
    "a.b",
    "a:1",
    "a;b",
    "a--b",
    "a/*b",
    "a\\b",
    "a b",
    " a ",
    "a\tb",
    "a&b",
    "a@b",
    "$#_%?[]{}()",
    "select",
    "ÄÖß日本語😀",
];

/// Every statement that the crate can send, under the name of the function that builds it, with hostile names in it.
///
/// Blocks come as they are, and what they run as a value comes by itself.
///
/// # Errors
/// None: the names are legal. It is the constructors that could fail.
pub fn statements() -> Result<Vec<(&'static str, String)>> {
    let key = LockKey::new(&SourceKey {
        connection: ConnectionId::new("a connection")?,
        environment: EnvironmentId::new("an-environment")?,
    });
    let second = Duration::from_secs(1);
    let mut found: Vec<(&'static str, Statement)> = vec![
        ("pin", sql::pin(second).into()),
        ("lock", sql::lock(&key, second)),
        ("unlock", sql::unlock(&key)),
        ("facts", look::facts()),
        ("protocol", look::protocol()),
        ("lock_holder", look::lock_holder(sql::lock_id(&key))),
        ("users", look::users("")),
        ("grants_for_owners", look::grants_for_owners()),
    ];
    let session = SessionId { sid: 12, serial: 34_567, instance: 2 };
    for how in [Kill::Statement, Kill::Rds] {
        found
            .extend([("kill", sql::kill(how, session).into()), ("end_session", sql::end_session(how, session).into())]);
    }
    for name in NAMES {
        let user = UserName::new(*name)?;
        let table = TableName::in_schema("db", *name, *name)?;
        let password = Secret::new((*name).to_owned());
        let (Ok(user), Some(on), Ok(password), Some(profile)) =
            (User::new(&user), Table::new(&table), Password::new(&password), Profile::new(name))
        else {
            continue;
        };
        let holders = [(*name).to_owned(), "PUBLIC".to_owned()];
        let changes = [
            ("create_profile", sql::create_profile(&profile, true)),
            ("create_profile", sql::create_profile(&profile, false)),
            ("create_user", sql::create_user(user, password, &profile)),
            ("let_connect", sql::let_connect(user)),
            ("set_password", sql::set_password(user, password)),
            ("enable", sql::enable(user)),
            ("disable", sql::disable(user)),
            ("grant", sql::grant(Read::Read, on, user)),
            ("grant", sql::grant(Read::Select, on, user)),
            ("revoke", sql::revoke(Read::Read, on, user)),
            ("revoke", sql::revoke(Read::Select, on, user)),
            ("drop_user", sql::drop_user(user)),
        ];
        found.extend(changes.into_iter().map(|(name, sql)| (name, sql.into())));
        for catalog in [Catalog::Dba, Catalog::All] {
            found.extend([
                ("find", look::find(catalog, name)),
                ("table", look::table(catalog, on)),
                ("own_reads", look::own_reads(catalog, user, on)),
                ("all_own_reads", look::all_own_reads(catalog, user)),
            ]);
        }
        for schemas in [false, true] {
            found.push(("ways", look::ways(&holders, on, schemas)));
            found.push(("privileges", look::privileges(&holders, schemas, 100)));
        }
        found.extend([
            ("guarded", sql::guarded(&key, sql::drop_user(user))),
            ("probe", look::probe(on)),
            ("user", look::user(user)),
            ("users", look::users(name)),
            ("profile", look::profile(&profile)),
            ("recycled", look::recycled(user, on)),
            ("sessions", look::sessions(user)),
            ("owned", look::owned(user, 4)),
            ("present", look::present(user, on)),
            ("possessions", look::possessions(user, 100)),
        ]);
    }
    Ok(found.into_iter().map(|(name, statement)| (name, statement.sql.into_text())).collect())
}
