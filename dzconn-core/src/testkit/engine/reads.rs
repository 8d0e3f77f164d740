//! `SourceEngine::reads` and `excess`.

use super::lab::{Lab, Outcome};
use super::promises::{CANNOT_TELL, EXCESS, FIXTURE, GRANTED, GRANTED_MISSING, READS, READS_MISSING, USERS};
use crate::engine::Reads;
use crate::model::{Credentials, TableName, UserName};
use crate::testkit::Promise;
use crate::{ErrorKind, Result};

/// More than any test source has.
const ALL: usize = 100_000;

async fn must_answer(lab: &mut Lab<'_>, promise: Promise, user: &Credentials, table: &TableName, yes: bool) -> Outcome {
    let reads = lab.reads(promise, user, table).await?;
    match &reads {
        Reads::Yes(ways) => promise.unless(lab.fixture.tells_reads() && yes && !ways.is_empty(), || {
            format!("reads({}, {table}) answered {reads:?}; expected: {}", user.user, if yes { "a way" } else { "No" })
        }),
        Reads::No => promise.unless(lab.fixture.tells_reads() && !yes, || {
            format!("reads({}, {table}) answered No; expected: {}", user.user, if yes { "Yes" } else { "CannotTell" })
        }),
        Reads::CannotTell(what) => CANNOT_TELL.unless(!lab.fixture.tells_reads() && !what.is_empty(), || {
            format!("reads({}, {table}) answered CannotTell({what:?}) to an admin that may look", user.user)
        }),
    }
}

pub(super) async fn tells_yes_by_which_way_or_no(lab: &mut Lab<'_>) -> Outcome {
    let (table, other) = (lab.table("t").await?, lab.table("other").await?);
    let user = lab.reader("u", &[&table]).await?;
    must_answer(lab, READS, &user, &table, true).await?;
    must_answer(lab, READS, &user, &other, false).await
}

pub(super) async fn missing_user_or_table_is_no(lab: &mut Lab<'_>) -> Outcome {
    let (table, missing) = (lab.table("t").await?, lab.name("missing"));
    let (user, nobody) = (lab.user("u").await?, lab.nobody("nobody")?);
    must_answer(lab, READS_MISSING, &user, &missing, false).await?;
    must_answer(lab, READS_MISSING, &nobody, &table, false).await?;
    must_answer(lab, READS_MISSING, &nobody, &missing, false).await?;
    // Granted once, and then dropped.
    let user = lab.reader("u", &[&table]).await?;
    lab.unmake(&table).await?;
    must_answer(lab, READS_MISSING, &user, &table, false).await
}

pub(super) async fn sees_what_public_gives(lab: &mut Lab<'_>) -> Outcome {
    let table = lab.table("t").await?;
    let user = lab.user("u").await?;
    let public = FIXTURE.answer("grant_to_public", lab.fixture.grant_to_public(&table).await)?;
    must_answer(lab, READS, &user, &table, public).await
}

/// What `excess` says of tables of this rule; others may come and go meanwhile.
async fn excess(lab: &mut Lab<'_>, user: &Credentials, granted: &[TableName]) -> Outcome<Vec<String>> {
    let found = EXCESS.answer("excess", lab.admin().excess(&user.user, granted, ALL).await)?;
    let tag = lab.tag();
    Ok(found.into_iter().filter(|line| line.replace(user.user.as_str(), "").contains(tag)).collect())
}

pub(super) async fn excess_is_empty_without_excess(lab: &mut Lab<'_>) -> Outcome {
    let (table, _other) = (lab.table("t").await?, lab.table("other").await?);
    let user = lab.user("u").await?;
    let found = excess(lab, &user, &[]).await?;
    EXCESS.unless(found.is_empty(), || format!("a new user was granted nothing; excess answered {found:#?}"))?;
    lab.grant(&user, &table).await?;
    let found = excess(lab, &user, &[table]).await?;
    EXCESS.unless(found.is_empty(), || format!("the one granted table was listed; excess answered {found:#?}"))
}

pub(super) async fn excess_names_what_is_not_listed(lab: &mut Lab<'_>) -> Outcome {
    let (listed, beyond) = (lab.table("listed").await?, lab.table("beyond").await?);
    let user = lab.reader("u", &[&listed, &beyond]).await?;
    let found = excess(lab, &user, &[listed]).await?;
    let named = found.iter().any(|line| line.contains(beyond.name()));
    EXCESS.unless(named == lab.fixture.tells_reads(), || {
        format!("{beyond} was granted and is not in `granted`; excess answered {found:#?}")
    })
}

pub(super) async fn excess_names_what_public_gives(lab: &mut Lab<'_>) -> Outcome {
    let (granted, open) = (lab.table("granted").await?, lab.table("open").await?);
    let user = lab.reader("u", &[&granted]).await?;
    let public = FIXTURE.answer("grant_to_public", lab.fixture.grant_to_public(&open).await)?;
    let found = excess(lab, &user, &[granted]).await?;
    let named = found.iter().any(|line| line.contains(open.name()));
    EXCESS.unless(named == (public && lab.fixture.tells_reads()), || {
        format!("{open} is {}open to everybody; excess answered {found:#?}", if public { "" } else { "not " })
    })
}

pub(super) async fn excess_keeps_to_its_limit(lab: &mut Lab<'_>) -> Outcome {
    let tables = [lab.table("one").await?, lab.table("two").await?, lab.table("three").await?];
    let user = lab.reader("u", &[&tables[0], &tables[1], &tables[2]]).await?;
    for limit in [0, 1, 2] {
        let found = EXCESS.answer("excess", lab.admin().excess(&user.user, &[], limit).await)?;
        let enough = if lab.fixture.tells_reads() { found.len() == limit } else { found.len() <= limit };
        EXCESS.unless(enough, || format!("three tables too many, and a limit of {limit}: {found:#?}"))?;
    }
    Ok(())
}

/// What was found; `None` where the admin may not look, and was told so.
fn seen<T>(lab: &Lab<'_>, promise: Promise, call: &str, answer: Result<T>) -> Outcome<Option<T>> {
    match answer {
        Err(error) if error.kind() == ErrorKind::AdminDenied && !lab.fixture.tells_reads() => Ok(None),
        answer => promise.answer(call, answer).map(Some),
    }
}

pub(super) async fn users_are_found_by_their_prefix(lab: &mut Lab<'_>) -> Outcome {
    // Where the `_` is taken for a wildcard, the third fits too.
    let prefix = format!("dzu_{}_", lab.tag());
    let [plain, disabled, other] = ["a", "b", "c"].map(|name| match name {
        "c" => lab.nobody_named(&format!("dzu_{}x{name}", lab.tag())),
        name => lab.nobody_named(&format!("{prefix}{name}")),
    });
    let (plain, disabled, other) = (plain?, disabled?, other?);
    for user in [&plain, &disabled, &other] {
        lab.create(user).await?;
    }
    FIXTURE.answer("disable_user", lab.fixture.disable_user(&disabled.user).await)?;
    let prefix = plain.user.as_str().get(..prefix.len()).unwrap_or_default();
    let answer = lab.admin().users(prefix).await;
    let Some(found) = seen(lab, USERS, "users", answer)? else { return Ok(()) };
    let has = |user: &UserName| found.contains(user);
    USERS.unless(has(&plain.user) && has(&disabled.user) && !has(&other.user), || {
        format!("users({prefix:?}) answered {found:?}; there are {}, {} and {}", plain.user, disabled.user, other.user)
    })
}

pub(super) async fn what_was_granted_is_listed(lab: &mut Lab<'_>) -> Outcome {
    let (one, two, public) = (lab.table("one").await?, lab.table("two").await?, lab.table("public").await?);
    let (user, nobody) = (lab.reader("u", &[&one, &two]).await?, lab.nobody("nobody")?);
    FIXTURE.answer("grant_to_public", lab.fixture.grant_to_public(&public).await)?;
    let answer = lab.admin().granted(&user.user).await;
    let Some(mut found) = seen(lab, GRANTED, "granted", answer)? else { return Ok(()) };
    found.sort();
    let mut expected = vec![one, two];
    expected.sort();
    GRANTED.unless(found == expected, || format!("granted answered {found:?}; expected: {expected:?}"))?;
    let answer = lab.admin().granted(&nobody.user).await;
    let Some(found) = seen(lab, GRANTED_MISSING, "granted", answer)? else { return Ok(()) };
    GRANTED_MISSING.unless(found.is_empty(), || format!("granted of a missing user answered {found:?}"))
}
