//! Names are data: whatever a server takes as the name of a table or a user is granted, and nothing else is.

use std::process::ExitCode;
use std::time::Duration;

use dzconn_core::model::{AssetPath, Credentials, TableName, UserName};
use dzconn_core::testkit::engine::{Attempt, Attempted, EngineFixture};
use dzconn_core::{Deadline, Error, ErrorKind, Result, Secret};
use dzconn_tests::engine::{Admin, harness};
use libtest_mimic::Trial;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

/// Each takes some twenty round trips.
const CASES: u32 = 30;

fn main() -> ExitCode {
    let names = ["any_name_is_data".to_owned()];
    harness::run("hostile_names", &names, |runtime, server| {
        let (runtime, server) = (runtime.clone(), server.clone());
        let name = format!("hostile_names::{}::any_name_is_data", server.name());
        vec![Trial::test(name, move || {
            let fixture =
                runtime.block_on(server.fixture(Admin::LeastPrivileged)).map_err(|error| error.to_string())?;
            let place = &*fixture;
            let config = Config { cases: CASES, max_shrink_iters: 40, failure_persistence: None, ..Config::default() };
            let legal = (any_name(20, any::<char>()), any_name(20, any::<char>()), any_name(12, letter())).prop_filter(
                "legal here",
                move |(table, other, user)| {
                    table.to_lowercase() != other.to_lowercase()
                        && place.legal_table_name(table)
                        && place.legal_table_name(other)
                        && place.legal_user_name(user)
                },
            );
            let tested = TestRunner::new(config).run(&legal, |(table, other, user)| {
                let checked = runtime.block_on(check(&*fixture, &table, &other, &user));
                checked.map_err(|error| TestCaseError::fail(error.to_string()))
            });
            harness::finish(tested, runtime.block_on(fixture.end()))
        })]
    })
}

/// Letters that all clients may log in with.
fn letter() -> impl Strategy<Value = char> {
    prop::sample::select("aZ0äßñÅéЖλ漢あ글".chars().collect::<Vec<_>>())
}

/// Names that are short, and mean something to somebody.
fn any_name(length: usize, other: impl Strategy<Value = char> + 'static) -> impl Strategy<Value = String> {
    let special = prop::sample::select("'\"`[]\\.;:,-_%$@#?!*/(){}<>=|&~^+ \t\n\r".chars().collect::<Vec<_>>());
    let char = prop_oneof![
        3 => special,
        2 => prop::char::range('a', 'z'),
        1 => prop::char::range('A', 'Z'),
        1 => prop::char::range('0', '9'),
        2 => other,
    ];
    // Control characters of the ASCII range beyond the usual white space only make failures unreadable.
    let char = char.prop_filter("printable", |c| !c.is_control() || "\t\n\r".contains(*c));
    prop::collection::vec(char, 1..=length).prop_map(String::from_iter)
}

async fn check(fixture: &dyn EngineFixture, table: &str, other: &str, user: &str) -> Result<()> {
    let (granted, closed) = (fixture.table(table), fixture.table(other));
    // Users are the whole server's.
    let user = UserName::new(format!("{:06x}{user}", rand::random::<u32>() & 0x00ff_ffff))?;
    let made = async {
        fixture.create_table(&granted).await?;
        fixture.create_table(&closed).await
    };
    // Longer than the server allows, when it counts in bytes of its own.
    let checked = match made.await {
        Ok(()) => grant_and_revoke(fixture, &granted, &closed, &user).await,
        Err(error) => Err(error),
    };
    fixture.remove_user(&user).await?;
    fixture.drop_table(&granted).await?;
    fixture.drop_table(&closed).await?;
    checked
}

async fn grant_and_revoke(
    fixture: &dyn EngineFixture,
    granted: &TableName,
    closed: &TableName,
    user: &UserName,
) -> Result<()> {
    let source = fixture.source();
    let credentials = Credentials {
        endpoint: source.endpoint.clone(),
        database: None,
        user: user.clone(),
        password: Secret::new(format!("Aa1-{:x}", rand::random::<u64>())),
        ssl: Some(false),
    };
    let mut admin = fixture.connector().connect(&source, Deadline::within(Duration::from_secs(20))).await?;

    let path = AssetPath::new(granted.joined())?;
    must_be(&admin.resolve(&path).await?, granted, "resolve answered")?;
    admin.create_user(&credentials).await?;
    let Some(mut session) = fixture.open(&credentials).await? else {
        return Err(Error::new(ErrorKind::Unexpected, format!("{user:?} cannot log in")));
    };
    admin.grant(user, granted, &[]).await?;
    let read = [Attempt::Read(granted.clone()), Attempt::Read(closed.clone())];
    must_be(&session.attempt(&read[0]).await?, &Attempted::Did(2), "the granted table gave")?;
    must_be(&session.attempt(&read[1]).await?, &Attempted::Denied, "the other table gave")?;
    must_be_all(fixture, user, granted).await?;

    admin.revoke(user, std::slice::from_ref(granted)).await?;
    must_be(&session.attempt(&read[0]).await?, &Attempted::Denied, "the revoked table gave")?;
    must_be(&fixture.privileges(user).await?.len(), &0, "privileges that are left:")?;

    admin.drop_user(user).await?;
    must_be(&fixture.open(&credentials).await?.is_some(), &false, "that the dropped user logs in is")
}

/// The source's catalogue has this user on this table and nowhere else.
async fn must_be_all(fixture: &dyn EngineFixture, user: &UserName, granted: &TableName) -> Result<()> {
    let privileges = fixture.privileges(user).await?;
    let reads = |line: &&String| ["SELECT", "Select", "READ"].iter().any(|read| line.contains(read));
    let tables: Vec<_> = privileges.iter().filter(reads).collect();
    if tables.len() == 1 && tables.iter().all(|line| line.contains(granted.name())) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Unexpected, format!("a grant on {granted:?} became {privileges:#?}")))
}

fn must_be<T: PartialEq + std::fmt::Debug>(found: &T, wanted: &T, what: &str) -> Result<()> {
    if found == wanted {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Unexpected, format!("{what} {found:?} instead of {wanted:?}")))
}
