//! The story: grant, use, grant another, revoke one, revoke the last. Every line says what was seen, not what was meant.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use dzconn_core::fulfilment::PlannedStep;
use dzconn_core::model::{Credentials, SecretName, Subscription, UserName};
use dzconn_core::portal::Wanted;
use dzconn_core::store::{Query, Slot};
use dzconn_core::workflow::{Granted, Outcome, Revoked};
use dzconn_core::{CredentialStore as _, Error, ErrorKind, Result};

use super::client::{Client, Refusal, Seen};
use super::server::Kind;
use super::stage::{ENVIRONMENT, Stage};
use super::tell::{Finding, Teller};
use crate::output::count;
use crate::tracked;

pub(super) async fn tell(stage: &Stage<'_>, teller: &mut Teller) -> Result<()> {
    let employees = stage.subscription("employees")?;
    let offices = stage.subscription("offices")?;
    let mut owner = stage.owner().await?;
    let mut secrets = BTreeSet::new();

    let statements = statements(stage, &employees).await?;
    let (first, time) = grant(stage, &employees).await?;
    let users = users(stage.kind(), &mut owner, Some(&first.user)).await;
    let findings = [
        Finding::either(first.new_user && users == Ok(1), format!("user {}", first.user), "no new user"),
        Finding::new(true, format!("at most {}", count(statements, "statement"))),
    ];
    teller.step("grant", &arrow(&employees), &findings, Some(time));
    secrets.extend(secret_names(stage).await?);

    let credentials = consumer_secret(stage, &first.secret).await?;
    let mut session = open(stage, &credentials).await?;
    teller.step("proof", "as that user:", &proof(&mut session).await, None);

    let (second, time) = grant(stage, &offices).await?;
    let same = |what: &str, is: bool| Finding::either(is, format!("same {what}"), format!("another {what}"));
    let findings = [
        same("user", second.user == first.user && !second.new_user),
        same("secret", second.secret == first.secret && consumer_secret(stage, &second.secret).await? == credentials),
        Finding::rows("hr.offices", 7, &session.rows("hr.offices").await),
    ];
    teller.step("grant", &arrow(&offices), &findings, Some(time));
    secrets.extend(secret_names(stage).await?);

    let (again, time) = grant(stage, &offices).await?;
    let findings = [Finding::either(!again.changed, "nothing to do", "something was changed")];
    teller.step("again", &arrow(&offices), &findings, Some(time));

    let before = session.rows("hr.employees").await;
    let (revoked, time) = revoke(stage, &employees).await?;
    let findings = [
        Finding::either(revoked.changed && before == Ok(100), "the open session loses it", "it was not there before"),
        Finding::refused("hr.employees", &Refusal::PermissionDenied, &session.rows("hr.employees").await),
        Finding::rows("hr.offices", 7, &session.rows("hr.offices").await),
    ];
    teller.step("revoke", employees.location.path.as_str(), &findings, Some(time));

    let (revoked, time) = revoke(stage, &offices).await?;
    let findings = [
        Finding::refused("its session", &Refusal::Ended, &session.rows("hr.offices").await),
        Finding::refused("its login", &Refusal::LoginRefused, &stage.consumer(&credentials).await),
        Finding::either(revoked.dropped, "it was the last table", "the user was kept"),
    ];
    teller.step("revoke", offices.location.path.as_str(), &findings, Some(time));

    teller.step("left", "", &left(stage, &mut owner, &secrets, &offices).await?, None);
    owner.close().await;
    Ok(())
}

fn arrow(subscription: &Subscription) -> String {
    format!("{} → {ENVIRONMENT}", subscription.location.path)
}

/// How many statements a grant takes at most, as its plan has them.
async fn statements(stage: &Stage<'_>, subscription: &Subscription) -> Result<usize> {
    let plan = stage.fulfilment.plan(subscription, Wanted::Grant).await?;
    Ok(plan.steps.iter().filter(|step| matches!(step, PlannedStep::Statement(_))).count())
}

pub(super) async fn grant(stage: &Stage<'_>, subscription: &Subscription) -> Result<(Granted, Duration)> {
    let begin = Instant::now();
    match stage.fulfilment.grant(subscription).await? {
        Outcome::Granted(granted) => Ok((granted, begin.elapsed())),
        other => Err(unexpected(format!("a grant ended as {other:?}"))),
    }
}

async fn revoke(stage: &Stage<'_>, subscription: &Subscription) -> Result<(Revoked, Duration)> {
    let begin = Instant::now();
    match stage.fulfilment.revoke(subscription).await? {
        Outcome::Revoked(revoked) => Ok((revoked, begin.elapsed())),
        other => Err(unexpected(format!("a revoke ended as {other:?}"))),
    }
}

/// What the consumer's secret holds.
pub(super) async fn consumer_secret(stage: &Stage<'_>, name: &SecretName) -> Result<Credentials> {
    match stage.store.credentials().read(name).await? {
        Slot::Live(secret) => Ok(secret.credentials),
        _ => Err(unexpected(format!("there is no secret {name}"))),
    }
}

async fn open(stage: &Stage<'_>, credentials: &Credentials) -> Result<Client> {
    stage.consumer(credentials).await.map_err(|refusal| unexpected(format!("the consumer cannot log in: {refusal}")))
}

/// The granted table can be read, another one cannot, and nothing can be made.
async fn proof(session: &mut Client) -> Vec<Finding> {
    let denied = Refusal::PermissionDenied;
    let creation: Seen<()> = session.run("CREATE TABLE hr.of_my_own (id integer)".to_owned()).await;
    vec![
        Finding::rows("hr.employees", 100, &session.rows("hr.employees").await),
        Finding::refused("hr.salaries", &denied, &session.rows("hr.salaries").await),
        Finding::refused("hr.offices", &denied, &session.rows("hr.offices").await),
        Finding::refused("creating a table", &denied, &creation),
    ]
}

/// How many users of dzconn's making the server has.
async fn users(kind: Kind, owner: &mut Client, name: Option<&UserName>) -> Seen<i64> {
    let (table, column) = match kind {
        Kind::Postgres => ("pg_catalog.pg_roles", "rolname"),
        Kind::MariaDb => ("mysql.user", "user"),
    };
    let which = match name {
        // Names are made of letters, digits, `-` and `_`.
        Some(name) => format!("{column} = '{name}'"),
        None => format!("left({column}, 3) = 'dz_'"),
    };
    owner.number(format!("SELECT count(*) FROM {table} WHERE {which}")).await
}

/// The names of all secrets that records speak of.
async fn secret_names(stage: &Stage<'_>) -> Result<Vec<SecretName>> {
    let mut names = Vec::new();
    for record in tracked::sources(&stage.store.tracking(), &Query::Sources(None)).await? {
        if let Some(generation) = record?.generation {
            names.extend([generation.secret, generation.copy]);
        }
    }
    Ok(names)
}

/// What is there when all has been taken back, counted on the server and in the store.
async fn left(
    stage: &Stage<'_>,
    owner: &mut Client,
    secrets: &BTreeSet<SecretName>,
    subscription: &Subscription,
) -> Result<Vec<Finding>> {
    let users = users(stage.kind(), owner, None).await;
    let credentials = stage.store.credentials();
    let mut live = 0;
    for name in secrets {
        live += usize::from(matches!(credentials.read(name).await?, Slot::Live(_)));
    }
    let mut records = 0;
    for query in [Query::Sources(None), Query::Entries(subscription.key()), Query::Mappings, Query::Assets(None)] {
        records += tracked::all(&stage.store.tracking(), &query).await?.len();
    }
    Ok(vec![
        match users {
            Ok(users) => Finding::new(users == 0, format!("{users} users")),
            Err(refusal) => Finding::new(false, format!("users cannot be counted: {refusal}")),
        },
        Finding::new(live == 0 && secrets.len() == 2, format!("{live} of {} secrets", secrets.len())),
        Finding::new(records == 0, format!("{records} records")),
    ])
}

fn unexpected(what: String) -> Error {
    Error::new(ErrorKind::Unexpected, what)
}
