//! `SourceEngine::revoke`.

use std::slice;

use tokio::task::JoinSet;

use super::Attempt;
use super::lab::{Lab, Outcome};
use super::promises::{FIXTURE, READS, REPEATED, REVOKE, REVOKE_ALONG, REVOKE_ERRORS, REVOKE_LEFT, REVOKE_SESSIONS};
use crate::ErrorKind;
use crate::engine::Reads;
use crate::model::{Credentials, TableName};
use crate::testkit::Promise;

async fn revoke(lab: &mut Lab<'_>, promise: Promise, user: &Credentials, tables: &[TableName]) -> Outcome {
    let names = tables.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    promise.answer(&format!("revoke({}, [{names}])", user.user), lab.admin().revoke(&user.user, tables).await)
}

pub(super) async fn open_session_loses_the_table(lab: &mut Lab<'_>) -> Outcome {
    let table = lab.table("t").await?;
    let user = lab.reader("u", &[&table]).await?;
    let mut client = lab.open(REVOKE_SESSIONS, "after the grant", &user).await?;
    client.must_read(REVOKE_SESSIONS, "before the revoke", &table).await?;
    revoke(lab, REVOKE, &user, slice::from_ref(&table)).await?;
    client.must_be_denied(REVOKE_SESSIONS, "after the revoke", &Attempt::Read(table.clone())).await?;
    lab.must_not_read(REVOKE, "after the revoke", &user, &table).await
}

pub(super) async fn leaves_the_other_tables(lab: &mut Lab<'_>) -> Outcome {
    let (table, kept) = (lab.table("t").await?, lab.table("kept").await?);
    let user = lab.reader("u", &[&table, &kept]).await?;
    let mut client = lab.open(REVOKE, "after the grants", &user).await?;
    client.must_read(REVOKE, "before the revoke", &kept).await?;
    revoke(lab, REVOKE, &user, slice::from_ref(&table)).await?;
    client.must_be_denied(REVOKE_SESSIONS, "after the revoke", &Attempt::Read(table)).await?;
    client.must_read(REVOKE, "after another table was revoked, in the same session,", &kept).await?;
    lab.must_read(REVOKE, "after another table was revoked", &user, &kept).await
}

pub(super) async fn takes_several_tables(lab: &mut Lab<'_>) -> Outcome {
    let (one, two, kept) = (lab.table("one").await?, lab.table("two").await?, lab.table("kept").await?);
    let user = lab.reader("u", &[&one, &two, &kept]).await?;
    revoke(lab, REVOKE, &user, &[one.clone(), two.clone()]).await?;
    for table in [one, two] {
        lab.must_not_read(REVOKE, "after both were revoked at once", &user, &table).await?;
    }
    lab.must_read(REVOKE, "after two other tables were revoked", &user, &kept).await?;
    revoke(lab, REVOKE, &user, &[]).await?;
    lab.must_read(REVOKE, "after nothing was revoked", &user, &kept).await
}

pub(super) async fn is_idempotent(lab: &mut Lab<'_>) -> Outcome {
    let table = lab.table("t").await?;
    let user = lab.reader("u", &[&table]).await?;
    for _ in 0..3 {
        revoke(lab, REPEATED, &user, slice::from_ref(&table)).await?;
        lab.must_not_read(REPEATED, "after the revoke", &user, &table).await?;
    }
    lab.grant(&user, &table).await?;
    lab.must_read(REPEATED, "after several revokes and one grant", &user, &table).await
}

pub(super) async fn what_was_never_granted_is_fine(lab: &mut Lab<'_>) -> Outcome {
    let (never, kept) = (lab.table("never").await?, lab.table("kept").await?);
    let user = lab.reader("u", &[&kept]).await?;
    revoke(lab, REPEATED, &user, slice::from_ref(&never)).await?;
    lab.must_read(REPEATED, "after a table was revoked that was never granted", &user, &kept).await?;
    let fresh = lab.user("fresh").await?;
    revoke(lab, REPEATED, &fresh, &[never, kept]).await?;
    lab.open(REPEATED, "after a revoke from a user without any table", &fresh).await?;
    Ok(())
}

pub(super) async fn missing_user_is_fine(lab: &mut Lab<'_>) -> Outcome {
    let table = lab.table("t").await?;
    let missing = lab.name("missing");
    let nobody = lab.nobody("nobody")?;
    revoke(lab, REVOKE, &nobody, slice::from_ref(&table)).await?;
    revoke(lab, REVOKE, &nobody, &[missing, table]).await?;
    lab.must_exist(REVOKE, "after a revoke from nobody", &nobody.user, false).await
}

pub(super) async fn missing_table_is_fine_and_stays_closed(lab: &mut Lab<'_>) -> Outcome {
    let (table, kept) = (lab.table("t").await?, lab.table("kept").await?);
    let never = lab.name("never");
    let user = lab.reader("u", &[&table, &kept]).await?;
    lab.unmake(&table).await?;
    revoke(lab, REVOKE, &user, &[never, table.clone()]).await?;
    lab.make(&table).await?;
    lab.must_not_read(REVOKE_LEFT, "after the table was dropped, revoked and made anew", &user, &table).await?;
    lab.must_read(REVOKE, "after a missing table was revoked", &user, &kept).await
}

pub(super) async fn takes_back_what_came_along(lab: &mut Lab<'_>) -> Outcome {
    let (one, two) = (lab.table("one").await?, lab.table("two").await?);
    let user = lab.user("u").await?;
    let before = lab.privileges(&user).await?;
    lab.grant(&user, &one).await?;
    let granted = lab.privileges(&user).await?;
    REVOKE_ALONG.unless(granted != before, || {
        format!("the source's catalogue has {before:?} before and after a grant: nothing was granted to this user")
    })?;
    lab.grant(&user, &two).await?;
    revoke(lab, REVOKE, &user, slice::from_ref(&two)).await?;
    let one_left = lab.privileges(&user).await?;
    REVOKE_ALONG
        .unless(one_left == granted, || format!("one table is left, with {one_left:?} instead of {granted:?}"))?;
    revoke(lab, REVOKE, &user, slice::from_ref(&one)).await?;
    let after = lab.privileges(&user).await?;
    REVOKE_ALONG.unless(after == before, || format!("grant and revoke made {before:?} into {after:?}"))?;

    // The same where the table went first.
    lab.grant(&user, &one).await?;
    lab.unmake(&one).await?;
    revoke(lab, REVOKE, &user, slice::from_ref(&one)).await?;
    let after = lab.privileges(&user).await?;
    REVOKE_ALONG
        .unless(after == before, || format!("grant, dropping the table, and revoke made {before:?} into {after:?}"))
}

pub(super) async fn grant_by_another_role_is_named(lab: &mut Lab<'_>) -> Outcome {
    let table = lab.table("t").await?;
    let user = lab.reader("u", &[&table]).await?;
    let other = lab.fixture.grant_by_other(&user.user, &table).await;
    let other = FIXTURE.answer("grant_by_other", other)?;
    match (lab.admin().revoke(&user.user, slice::from_ref(&table)).await, other) {
        (Ok(()), _) => lab.must_not_read(REVOKE_LEFT, "after revoke answered Ok", &user, &table).await,
        (Err(error), Some(role)) if error.kind() == ErrorKind::GrantedByOther => {
            let text = format!("{error} {}", error.advice().unwrap_or_default());
            REVOKE_ERRORS.unless(text.contains(&role), || format!("the error does not name {role}: {text}"))?;
            lab.must_read(REVOKE_ERRORS, "after revoke said that another role's grant is left", &user, &table).await
        }
        (Err(error), role) => {
            Err(REVOKE_ERRORS.broken(format!("granted by the admin and by {role:?}; revoke answered {error}")))
        }
    }
}

pub(super) async fn what_public_gives_is_seen(lab: &mut Lab<'_>) -> Outcome {
    let table = lab.table("t").await?;
    let user = lab.reader("u", &[&table]).await?;
    let public = FIXTURE.answer("grant_to_public", lab.fixture.grant_to_public(&table).await)?;
    revoke(lab, REVOKE, &user, slice::from_ref(&table)).await?;
    let left = lab.privileges(&user).await?;
    REVOKE_LEFT.unless(!left.iter().any(|privilege| privilege.contains(table.name())), || format!("left: {left:?}"))?;
    let reads = lab.reads(READS, &user, &table).await?;
    let seen = match reads {
        Reads::Yes(_) => public,
        Reads::No => !public,
        Reads::CannotTell(_) => !lab.fixture.tells_reads(),
    };
    READS.unless(seen, || {
        let with = if public { "reads it through PUBLIC" } else { "cannot read it" };
        format!("after the revoke the user {with}; `reads` answered {reads:?}")
    })
}

pub(super) async fn is_for_one_user(lab: &mut Lab<'_>) -> Outcome {
    let table = lab.table("t").await?;
    let (user, other) = (lab.reader("u", &[&table]).await?, lab.reader("u2", &[&table]).await?);
    revoke(lab, REVOKE, &user, slice::from_ref(&table)).await?;
    lab.must_not_read(REVOKE, "after the revoke", &user, &table).await?;
    lab.must_read(REVOKE, "after a revoke from somebody else", &other, &table).await
}

pub(super) async fn many_sessions_revoke_one_table(lab: &mut Lab<'_>) -> Outcome {
    let table = lab.table("t").await?;
    let mut users = Vec::new();
    for _ in 0..8 {
        users.push(lab.reader("u", &[&table]).await?);
    }
    let mut sessions = JoinSet::new();
    for user in &users {
        let mut session = lab.connect().await?;
        let (name, table) = (user.user.clone(), table.clone());
        sessions.spawn(async move { session.revoke(&name, &[table]).await });
    }
    while let Some(joined) = sessions.join_next().await {
        let revoked = joined.map_err(|error| REVOKE.broken(format!("revoke: {error}")))?;
        REVOKE.answer("revoke, while seven other sessions revoke the same table from others,", revoked)?;
    }
    for user in users {
        lab.must_not_read(REVOKE, "after eight sessions revoked at once", &user, &table).await?;
    }
    Ok(())
}
