//! The source's admin changes, on real servers: another password, another user, the former one gone. What was granted before
//! stays revocable; where the engine leaves a right with who gave it, the error says who must run what, and that helps.

// A test may panic: that is how it fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::future::Future;
use std::pin::Pin;
use std::process::ExitCode;
use std::time::Duration;

use dzconn_core::ErrorKind::{self, AdminDenied, GrantedByOther};
use dzconn_core::model::{AdminLogin, Credentials, Source, TableName, UserName};
use dzconn_core::testkit::engine::{Attempt, Attempted};
use dzconn_core::{Catalog as _, Changed, Deadline, Error, Secret};
use dzconn_tests::engine::{Admin, Fixture, harness};
use dzconn_tests::world::World;
use libtest_mimic::Trial;

type Checked<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;
/// Of a fixture of a server of this name.
type Check = for<'a> fn(&'a dyn Fixture, &'a str) -> Checked<'a>;

/// Name, whether it is about PostgreSQL only, and what it does.
const TESTS: &[(&str, bool, Check)] = &[
    ("another_admin_revokes_what_the_former_granted", false, |f, server| Box::pin(another_admin(f, server))),
    ("what_an_admin_granted_that_is_gone_is_revoked", false, |f, server| Box::pin(former_is_gone(f, server))),
    ("admins_that_take_turns_need_no_help", true, |f, _| Box::pin(turns(f))),
    ("another_admin_takes_back_what_is_its_own", true, |f, server| Box::pin(its_own(f, server))),
    ("a_changed_password_needs_no_restart", false, |f, _| Box::pin(changed_password(f))),
];

fn main() -> ExitCode {
    let names: Vec<String> = TESTS.iter().map(|(name, ..)| (*name).to_owned()).collect();
    harness::run("admin_changes", &names, |runtime, server| {
        let meant =
            TESTS.iter().filter(|(_, only_postgres, _)| !only_postgres || server.name().starts_with("postgres"));
        let trial = |(name, _, check): &(&str, bool, Check)| {
            let (runtime, server, check) = (runtime.clone(), server.clone(), *check);
            Trial::test(format!("admin_changes::{}::{name}", server.name()), move || {
                runtime.block_on(async {
                    let fixture = server.fixture(Admin::LeastPrivileged).await.map_err(|error| error.to_string())?;
                    check(&*fixture, server.name()).await;
                    harness::finish(Ok::<(), Error>(()), fixture.end().await)
                })
            })
        };
        meant.map(trial).collect()
    })
}

/// Two tables, which the first admin has granted.
struct Case<'a> {
    fixture: &'a dyn Fixture,
    world: World,
    tables: [TableName; 2],
    consumer: Credentials,
}

impl<'a> Case<'a> {
    async fn new(fixture: &'a dyn Fixture) -> Self {
        let tables = ["employees", "offices"].map(|name| fixture.table(name));
        for table in &tables {
            fixture.create_table(table).await.unwrap();
        }
        let world = World::new(fixture.source()).await.unwrap();
        let consumer = world.grant(&tables[0]).await.unwrap().credentials;
        world.grant(&tables[1]).await.unwrap();
        Self { fixture, world, tables, consumer }
    }

    /// The catalogue says another login from now on.
    fn now(&self, admin: AdminLogin) {
        self.world.catalog.add(Source { admin, ..self.fixture.source() });
    }

    async fn reads(&self, table: &TableName) -> Option<bool> {
        let mut session = self.fixture.open(&self.consumer).await.unwrap()?;
        Some(session.attempt(&Attempt::Read(table.clone())).await.unwrap() == Attempted::Did(2))
    }

    /// Revokes, with what the errors say to run by hand; and which these were.
    async fn revoke(&self, table: &TableName, last: bool) -> Vec<ErrorKind> {
        let mut kinds = Vec::new();
        while kinds.len() < 4 {
            let before = self.reads(table).await;
            let Err(error) = self.world.revoke(table).await else { return kinds };
            let again = self.world.revoke(table).await.unwrap_err();
            assert_eq!((again.kind(), again.advice()), (error.kind(), error.advice()), "{error:?} {again:?}");
            // Of a user that is to go, the login goes first.
            let keeps = if last && error.kind() == GrantedByOther { None } else { before };
            assert_eq!(self.reads(table).await, keeps, "{error:?}");
            kinds.push(error.kind());
            let named = named(&error);
            assert!(!named.is_empty(), "{error:?}");
            for (who, sql) in named {
                self.fixture.by_hand(&who, &sql).await.unwrap();
            }
        }
        panic!("what the errors say does not help: {kinds:?}");
    }

    /// Whether the admin of these days finds the user.
    async fn exists(&self, user: &UserName) -> bool {
        let source = self.world.catalog.source(&self.world.source.connection).await.unwrap();
        let mut session = self.fixture.connector().connect(&source, soon()).await.unwrap();
        session.user_exists(user).await.unwrap()
    }

    async fn nothing_is_left(&self) {
        assert!(self.fixture.open(&self.consumer).await.unwrap().is_none());
        assert!(!self.exists(&self.consumer.user).await);
        assert_eq!(self.world.left().await.unwrap(), Vec::<String>::new());
    }
}

/// The statements of an advice and as whom they are to be run: `as WHO: STATEMENT; ...`, and for Oracle `STATEMENT as WHO; ...`.
fn named(error: &Error) -> Vec<(String, String)> {
    let named = |part: &str| {
        let (before, after) = part.split_once("as ")?;
        let after = after.split_once(": ").map(|(who, sql)| (who.to_owned(), sql.to_owned()));
        after.or_else(|| {
            Some((part.rsplit_once(" as ")?.1.to_owned(), before.trim_start_matches("run ").trim().to_owned()))
        })
    };
    error.advice().unwrap_or_default().split("; ").filter(|part| !part.starts_with("or ")).filter_map(named).collect()
}

async fn another_admin(fixture: &dyn Fixture, server: &str) {
    let case = Case::new(fixture).await;
    let [employees, offices] = &case.tables;
    case.now(fixture.second_admin(&case.tables).await.unwrap());
    let (further, last) = match server.split_once('-').unwrap().0 {
        "postgres" if made_by_one(server) => (vec![GrantedByOther], vec![AdminDenied, GrantedByOther]),
        "postgres" => (vec![GrantedByOther], vec![GrantedByOther]),
        // A grant belongs to nobody.
        "mariadb" | "mysql" => (vec![], vec![]),
        // Dropping a user takes all grants along, whoever gave them.
        _ => (vec![GrantedByOther], vec![]),
    };
    assert_eq!(case.revoke(offices, false).await, further);
    assert_eq!((case.reads(employees).await, case.reads(offices).await), (Some(true), Some(false)));
    assert_eq!(case.revoke(employees, true).await, last);
    case.nothing_is_left().await;
}

async fn former_is_gone(fixture: &dyn Fixture, server: &str) {
    let case = Case::new(fixture).await;
    let [employees, offices] = &case.tables;
    case.now(fixture.second_admin(&case.tables).await.unwrap());
    let former = UserName::new(fixture.source().admin.user).unwrap();
    let kind = server.split_once('-').unwrap().0;
    if kind == "mssql" {
        // Who granted something cannot be dropped (15284).
        fixture.disable_user(&former).await.unwrap();
    } else {
        fixture.remove_user(&former).await.unwrap();
    }
    // Elsewhere, what it granted has gone with it.
    let keeps = ["mariadb", "mysql", "mssql"].contains(&kind);
    assert_eq!(case.reads(employees).await, Some(keeps));
    let further = if kind == "mssql" { vec![GrantedByOther] } else { vec![] };
    assert_eq!(case.revoke(offices, false).await, further);
    assert_eq!((case.reads(employees).await, case.reads(offices).await), (Some(keeps), Some(false)));
    let last = if made_by_one(server) { vec![AdminDenied] } else { vec![] };
    assert_eq!(case.revoke(employees, true).await, last);
    case.nothing_is_left().await;
}

/// As the engine's documentation recommends: one role is the admin, and whoever logs in becomes it.
async fn turns(fixture: &dyn Fixture) {
    let first = fixture.source().admin;
    let second = fixture.second_admin(&[]).await.unwrap();
    let (role, other) = (&first.user, &second.user);
    let becomes =
        format!("GRANT {role} TO {other}; ALTER ROLE {other} NOCREATEROLE; ALTER ROLE {other} SET role = {role}");
    fixture.by_hand("a superuser", &becomes).await.unwrap();
    let case = Case::new(fixture).await;
    let [employees, offices] = &case.tables;
    case.now(second.clone());
    assert_eq!(case.revoke(offices, false).await, []);
    assert_eq!((case.reads(employees).await, case.reads(offices).await), (Some(true), Some(false)));
    assert_eq!(case.revoke(employees, true).await, []);
    case.nothing_is_left().await;
    // And the other way round.
    let user = case.world.grant(employees).await.unwrap().user;
    case.now(first);
    assert_eq!(case.revoke(employees, true).await, []);
    assert!(!case.exists(&user).await);
    case.nothing_is_left().await;
}

/// Who may not change the user can still take back what it granted itself: its last table is not read any more.
async fn its_own(fixture: &dyn Fixture, server: &str) {
    let case = Case::new(fixture).await;
    let [employees, offices] = &case.tables;
    let second = fixture.second_admin(&case.tables).await.unwrap();
    assert_eq!(case.revoke(offices, false).await, []);
    case.now(second.clone());
    case.world.grant(offices).await.unwrap();
    case.now(fixture.source().admin);
    assert_eq!(case.revoke(employees, false).await, []);
    assert_eq!((case.reads(employees).await, case.reads(offices).await), (Some(false), Some(true)));
    case.now(second);
    if made_by_one(server) {
        let error = case.world.revoke(offices).await.unwrap_err();
        assert_eq!((error.kind(), error.left()), (AdminDenied, Changed::Unfinished), "{error:?}");
        assert_eq!(case.reads(offices).await, Some(false), "{error:?}");
    }
    case.revoke(offices, true).await;
    case.nothing_is_left().await;
}

async fn changed_password(fixture: &dyn Fixture) {
    let case = Case::new(fixture).await;
    let [employees, offices] = &case.tables;
    let (before, connector) = (fixture.source(), fixture.connector());
    let password = Secret::new("Aa3-another1".into());
    let mut session = connector.connect(&before, soon()).await.unwrap();
    let user = UserName::new(&*before.admin.user).unwrap();
    session.set_password(&Credentials { user, password: password.clone(), ..case.consumer.clone() }).await.unwrap();
    session.close().await.unwrap();
    let refused = connector.connect(&before, soon()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::AdminLoginRefused, "{refused:?}");

    // A session that was logged in before goes on for as long as the catalogue says what it logged in with.
    assert_eq!(case.revoke(offices, false).await, []);
    case.world.fulfilment.close().await;
    let error = case.world.grant(offices).await.unwrap_err();
    assert_eq!((error.kind(), error.left()), (ErrorKind::AdminLoginRefused, Changed::Nothing), "{error:?}");
    assert_eq!(case.reads(employees).await, Some(true));
    case.now(AdminLogin { password, ..before.admin });
    case.world.grant(offices).await.unwrap();
    assert_eq!(case.reads(offices).await, Some(true));
    for (table, last) in [(employees, false), (offices, true)] {
        assert_eq!(case.revoke(table, last).await, []);
    }
    assert_eq!(case.world.left().await.unwrap(), Vec::<String>::new());
}

/// Whether a user belongs to who made it: PostgreSQL from 16 on.
fn made_by_one(server: &str) -> bool {
    server.strip_prefix("postgres-").is_some_and(|version| version.parse::<u32>().unwrap() >= 16)
}

fn soon() -> Deadline {
    Deadline::within(Duration::from_secs(20))
}
