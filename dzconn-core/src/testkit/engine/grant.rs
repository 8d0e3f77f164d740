//! `SourceEngine::grant`.

use tokio::task::JoinSet;

use super::Attempt;
use super::lab::{Lab, Outcome};
use super::promises::{FIXTURE, GRANT, GRANT_ERRORS, GRANT_FAILED, REPEATED};
use crate::ErrorKind;
use crate::engine::Reads;

pub(super) async fn opens_exactly_one_table(lab: &mut Lab<'_>) -> Outcome {
    let (table, neighbour) = (lab.table("t").await?, lab.table("neighbour").await?);
    let user = lab.user("u").await?;
    lab.must_not_read(GRANT, "before the grant", &user, &table).await?;
    lab.grant(&user, &table).await?;
    let when = format!("after grant({}, {table}, [])", user.user);
    lab.must_read(GRANT, &when, &user, &table).await?;
    lab.must_not_read(GRANT, &when, &user, &neighbour).await?;
    // What is made later is not open either.
    let later = lab.table("later").await?;
    lab.must_not_read(GRANT, &when, &user, &later).await
}

pub(super) async fn gives_nothing_but_read(lab: &mut Lab<'_>) -> Outcome {
    let table = lab.table("t").await?;
    let made = lab.name("made");
    let (user, other) = (lab.reader("u", &[&table]).await?, lab.user("other").await?);
    let made_user = lab.nobody("made")?.user;
    let mut client = lab.open(GRANT, "after the grant", &user).await?;
    for attempt in [
        Attempt::Insert(table.clone()),
        Attempt::Update(table.clone()),
        Attempt::Delete(table.clone()),
        Attempt::DropTable(table.clone()),
        Attempt::CreateTable(made),
        Attempt::CreateUser(made_user),
        Attempt::Grant(table.clone(), other.user.clone()),
    ] {
        client.must_be_denied(GRANT, "after the grant", &attempt).await?;
    }
    client.must_read(GRANT, "after the grant", &table).await?;
    lab.must_not_read(GRANT, "after the first user tried to grant it on", &other, &table).await
}

pub(super) async fn is_idempotent(lab: &mut Lab<'_>) -> Outcome {
    let (table, neighbour) = (lab.table("t").await?, lab.table("neighbour").await?);
    let user = lab.reader("u", &[&table]).await?;
    let once = lab.privileges(&user).await?;
    for _ in 0..2 {
        REPEATED.answer("a repeated grant", lab.admin().grant(&user.user, &table, &[]).await)?;
        let again = lab.privileges(&user).await?;
        REPEATED.unless(once == again, || format!("one grant leaves {once:?}, a repeated one {again:?}"))?;
        lab.must_read(REPEATED, "after a repeated grant", &user, &table).await?;
        lab.must_not_read(REPEATED, "after a repeated grant", &user, &neighbour).await?;
    }
    // One revoke takes back what several grants gave.
    REPEATED.answer("revoke", lab.admin().revoke(&user.user, std::slice::from_ref(&table)).await)?;
    lab.must_not_read(REPEATED, "after several grants and one revoke", &user, &table).await
}

pub(super) async fn reads_back(lab: &mut Lab<'_>) -> Outcome {
    let table = lab.table("t").await?;
    let user = lab.user("u").await?;
    for round in ["first", "second", "third"] {
        lab.grant(&user, &table).await?;
        let reads = lab.reads(GRANT, &user, &table).await?;
        GRANT
            .unless(reads != Reads::No, || format!("after the {round} grant({}, {table}, []) it was No", user.user))?;
        lab.must_read(GRANT, &format!("after the {round} grant"), &user, &table).await?;
        // Whoever else revoked in between.
        GRANT.answer("revoke", lab.admin().revoke(&user.user, std::slice::from_ref(&table)).await)?;
    }
    Ok(())
}

pub(super) async fn adds_to_what_was_granted(lab: &mut Lab<'_>) -> Outcome {
    let (one, two, three) = (lab.table("one").await?, lab.table("two").await?, lab.table("three").await?);
    let user = lab.reader("u", &[&one, &two, &three]).await?;
    for table in [one, two, three] {
        lab.must_read(GRANT, "after grants on three tables", &user, &table).await?;
    }
    Ok(())
}

pub(super) async fn takes_back_others(lab: &mut Lab<'_>) -> Outcome {
    let (old, older, kept, new) =
        (lab.table("old").await?, lab.table("older").await?, lab.table("kept").await?, lab.table("new").await?);
    let user = lab.reader("u", &[&old, &older, &kept]).await?;
    let mut client = lab.open(GRANT, "after the grants", &user).await?;
    client.must_read(GRANT, "after the grants", &old).await?;
    let take_back = [old.clone(), older.clone()];
    let when = format!("after grant({}, {new}, take back {old} and {older})", user.user);
    GRANT.answer(&when, lab.admin().grant(&user.user, &new, &take_back).await)?;
    client.must_read(GRANT, &when, &new).await?;
    client.must_read(GRANT, &when, &kept).await?;
    for table in [old, older] {
        client.must_be_denied(GRANT, &when, &Attempt::Read(table.clone())).await?;
        lab.must_not_read(GRANT, &when, &user, &table).await?;
    }
    lab.must_read(GRANT, &when, &user, &new).await
}

pub(super) async fn takes_back_what_is_gone(lab: &mut Lab<'_>) -> Outcome {
    let (table, dropped, never) = (lab.table("t").await?, lab.table("dropped").await?, lab.table("never").await?);
    let missing = lab.name("missing");
    let user = lab.reader("u", &[&dropped]).await?;
    lab.unmake(&dropped).await?;
    let take_back = [dropped.clone(), never.clone(), missing];
    let when = "after a grant that takes back a dropped table, one that was never granted, and one that never was";
    REPEATED.answer(when, lab.admin().grant(&user.user, &table, &take_back).await)?;
    lab.must_read(REPEATED, when, &user, &table).await?;
    lab.make(&dropped).await?;
    lab.must_not_read(REPEATED, "after that, and a new table under the dropped one's name", &user, &dropped).await?;
    lab.must_not_read(REPEATED, when, &user, &never).await
}

pub(super) async fn missing_table_is_not_found(lab: &mut Lab<'_>) -> Outcome {
    let table = lab.table("t").await?;
    let missing = lab.name("missing");
    let user = lab.reader("u", &[&table]).await?;
    let before = lab.privileges(&user).await?;
    let kinds: &[ErrorKind] = if lab.fixture.tells_missing() {
        &[ErrorKind::TableNotFound]
    } else {
        &[ErrorKind::TableNotFound, ErrorKind::NoGrantOption, ErrorKind::AdminDenied]
    };
    match lab.admin().grant(&user.user, &missing, &[]).await {
        Err(error) if kinds.contains(&error.kind()) => {}
        other => return Err(GRANT_ERRORS.broken(format!("grant of a missing table answered {other:?}"))),
    }
    let after = lab.privileges(&user).await?;
    GRANT_FAILED.unless(before == after, || format!("a grant of a missing table made {before:?} into {after:?}"))?;
    lab.make(&missing).await?;
    lab.must_not_read(GRANT_FAILED, "after the grant failed and the table was made", &user, &missing).await?;
    lab.must_read(GRANT_FAILED, "after the grant of another table failed", &user, &table).await?;
    lab.grant(&user, &missing).await?;
    lab.must_read(GRANT, "after the table was there and granted", &user, &missing).await
}

pub(super) async fn missing_user_is_an_error(lab: &mut Lab<'_>) -> Outcome {
    let table = lab.table("t").await?;
    let nobody = lab.nobody("nobody")?;
    let result = lab.admin().grant(&nobody.user, &table, &[]).await;
    GRANT_FAILED.unless(result.is_err(), || "grant to a user that does not exist answered success".to_owned())?;
    lab.must_exist(GRANT_FAILED, "after the grant failed", &nobody.user, false).await?;
    lab.must_be_refused(GRANT_FAILED, "after the grant failed", &nobody).await?;
    lab.create(&nobody).await?;
    lab.must_not_read(GRANT_FAILED, "after the grant failed and the user was made", &nobody, &table).await
}

pub(super) async fn table_that_may_not_be_granted(lab: &mut Lab<'_>) -> Outcome {
    let (foreign, own) = (lab.name("foreign"), lab.table("own").await?);
    let forbidden = FIXTURE.answer("create_foreign_table", lab.fixture.create_foreign_table(&foreign).await)?;
    let user = lab.reader("u", &[&own]).await?;
    if !forbidden {
        lab.grant(&user, &foreign).await?;
        return lab.must_read(GRANT, "after a grant by an admin that may grant everything", &user, &foreign).await;
    }
    let before = lab.privileges(&user).await?;
    match lab.admin().grant(&user.user, &foreign, &[]).await {
        Err(error) if matches!(error.kind(), ErrorKind::NoGrantOption | ErrorKind::AdminDenied) => {
            GRANT_ERRORS.unless(error.advice().is_some(), || format!("no advice what to do about it: {error}"))?;
        }
        other => {
            return Err(GRANT_ERRORS.broken(format!("grant of a table that the admin may not grant: {other:?}")));
        }
    }
    lab.must_not_read(GRANT_FAILED, "after the grant failed", &user, &foreign).await?;
    lab.must_read(GRANT_FAILED, "after the grant of another table failed", &user, &own).await?;
    let after = lab.privileges(&user).await?;
    GRANT_FAILED.unless(before == after, || format!("the failed grant made {before:?} into {after:?}"))
}

pub(super) async fn is_for_one_user(lab: &mut Lab<'_>) -> Outcome {
    let table = lab.table("t").await?;
    let (user, other) = (lab.user("u").await?, lab.user("u2").await?);
    lab.grant(&user, &table).await?;
    lab.must_read(GRANT, "after the grant", &user, &table).await?;
    lab.must_not_read(GRANT, "after a grant to somebody else", &other, &table).await
}

pub(super) async fn many_sessions_grant_one_table(lab: &mut Lab<'_>) -> Outcome {
    let (table, neighbour) = (lab.table("t").await?, lab.table("neighbour").await?);
    let mut users = Vec::new();
    let mut sessions = JoinSet::new();
    for _ in 0..8 {
        let user = lab.user("u").await?;
        let mut session = lab.connect().await?;
        let (name, table) = (user.user.clone(), table.clone());
        sessions.spawn(async move { session.grant(&name, &table, &[]).await });
        users.push(user);
    }
    while let Some(joined) = sessions.join_next().await {
        let granted = joined.map_err(|error| GRANT.broken(format!("grant: {error}")))?;
        GRANT.answer("grant, while seven other sessions grant the same table to others,", granted)?;
    }
    for user in users {
        lab.must_read(GRANT, "after eight sessions granted at once", &user, &table).await?;
        lab.must_not_read(GRANT, "after eight sessions granted at once", &user, &neighbour).await?;
    }
    Ok(())
}
