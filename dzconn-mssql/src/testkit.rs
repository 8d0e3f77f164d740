//! For tests: every statement that this crate can send, so that an independent parser can look at them. No program has a use
//! for it, and it may change at any time.

use std::time::Duration;

use dzconn_core::engine::LockKey;
use dzconn_core::model::{AssetPath, ConnectionId, EnvironmentId, SourceKey, TableName, UserName};
use dzconn_core::{Result, Secret};

use crate::sql::look::{self, TableIds};
use crate::sql::{self, Object, Place, Principal, Query};

/// A name with what a careless statement stumbles over, but for brackets: sqlfluff
/// knows no names with such. What becomes of them, property tests say.
pub const HOSTILE: &str = "a'b''c\"d e.f;--/*#日本😀\r\n\tg";

/// Each statement with the name of the function that builds it: those that change something in the session's own database
/// and in another (there as it goes out, and as what runs there), those that look likewise. All names in them are [`HOSTILE`].
pub fn statements() -> Vec<(&'static str, String)> {
    // It is a name that a server can have.
    statements_about(HOSTILE).unwrap_or_default()
}

/// The same with another name.
///
/// # Errors
/// It is no name that users and tables can have.
pub fn statements_about(name: &str) -> Result<Vec<(&'static str, String)>> {
    let user = UserName::new(name)?;
    let table = TableName::in_schema(name, name, name)?;
    let (user, object) = (Principal::new(&user)?, sql::must_be_object(&table)?);
    let key = LockKey::new(&SourceKey {
        connection: ConnectionId::new("connection")?,
        environment: EnvironmentId::new("environment")?,
    });
    let mut all = changes(name, user, object, &key);
    all.push(("pin", sql::pin(Duration::from_secs(30)).into_text()));
    all.push(("guard", sql::guard(&key).into_text()));
    all.push(("lock", sql::lock(&key, Duration::from_secs(30)).text.into_text()));
    all.push(("unlock", sql::unlock(&key).text.into_text()));
    for place in [None, Some(name)] {
        all.extend(looks(name, place, user, object)?.into_iter().map(|(name, query)| (name, query.text.into_text())));
    }
    Ok(all)
}

fn changes(hostile: &str, user: Principal<'_>, object: Object<'_>, key: &LockKey) -> Vec<(&'static str, String)> {
    let password = Secret::new(hostile.to_owned());
    let changes = [
        ("create_login", sql::create_login(user, Some(&password), true, hostile)),
        ("create_login", sql::create_login(user, Some(&password), false, hostile)),
        ("create_user", sql::create_user(user)),
        ("create_contained", sql::create_contained(user, Some(&password))),
        ("set_login_password", sql::set_login_password(user, Some(&password))),
        ("set_contained_password", sql::set_contained_password(user, Some(&password))),
        ("enable_login", sql::enable_login(user)),
        ("disable_login", sql::disable_login(user)),
        ("allow_connect", sql::allow_connect(user)),
        ("refuse_connect", sql::refuse_connect(user)),
        ("grant", sql::grant(user, object)),
        ("revoke", sql::revoke(user, object)),
        ("revoke_as", sql::revoke_as(user, object, None, hostile)),
        ("revoke_as", sql::revoke_as(user, object, Some(hostile), hostile)),
        ("kill", sql::kill(51, "2026-01-02T03:04:05.678")),
        ("drop_user", sql::drop_user(hostile)),
        ("drop_login", sql::drop_login(user)),
    ];
    let mut all = Vec::new();
    for (name, statement) in changes {
        all.push((name, statement.into_text()));
    }
    let statements = || [sql::create_user(user), sql::grant(user, object)];
    let sent = [sql::change(Some(key), None, statements()), sql::change(Some(key), Some(hostile), statements())];
    for Query { text, bound } in sent {
        all.push(("change", text.into_text()));
        all.extend(bound.into_iter().map(|text| ("change", text)));
    }
    all
}

fn looks<'a>(
    hostile: &'a str,
    place: Place<'a>,
    user: Principal<'_>,
    object: Object<'_>,
) -> Result<Vec<(&'static str, Query)>> {
    let path = AssetPath::new(format!("{hostile}.{hostile}"))?;
    let ids = TableIds { schema: 5, object: 1_977_058_079 };
    Ok(vec![
        ("facts", look::facts_alone()),
        ("login", look::login(user)),
        ("may_see_users", look::may_see_users(false)),
        ("may_see_users", look::may_see_users(true)),
        ("logins", look::logins(hostile)),
        ("contained_users", look::contained_users(hostile)),
        ("user", look::user(place, hostile, user.name(), true)),
        ("user", look::user(place, hostile, user.name(), false)),
        ("databases", look::databases(user)),
        ("database_names", look::database_names()),
        ("database", look::database(hostile)),
        ("users_of", look::users_of(&[None, Some(hostile)], user)),
        ("find", look::find(place, hostile, &path)),
        ("table", look::table(place, object)),
        ("may_look", look::may_look(hostile)),
        ("roles", look::roles(place, &[5, 0])),
        ("reading", look::reading(place, &[5, 0, 16_390], ids)),
        ("unseen", look::unseen(place, &[5, 0])),
        ("granted", look::granted(place, user)),
        ("permissions", look::permissions(place, &[5, 0], 100)),
        ("server_roles", look::server_roles(user)),
        ("server_permissions", look::server_permissions(user)),
        ("may_see_sessions", look::may_see_sessions(false)),
        ("may_see_sessions", look::may_see_sessions(true)),
        ("sessions", look::sessions(user, false)),
        ("sessions", look::sessions(user, true)),
        ("owned", look::owned(place, hostile)),
        ("probe", look::probe(place, object)),
    ])
}
