//! `SourceEngine::create_user`, `set_password` and `user_exists`.

use tokio::task::JoinSet;

use super::Attempt;
use super::lab::{Lab, Outcome, password};
use super::promises::{
    CREATE, CREATE_ERRORS, CREATE_EXISTING, CREATED_EXISTED, CREATED_NEW, FIXTURE, FOLD, MAX_USER_NAME, REPEATED,
    SET_PASSWORD, USER_EXISTS,
};
use crate::engine::Created;
use crate::model::{Credentials, UserName};
use crate::testkit::Promise;
use crate::{ErrorKind, Secret};

pub(super) async fn new_user_logs_in(lab: &mut Lab<'_>) -> Outcome {
    let user = lab.nobody("u")?;
    lab.must_exist(CREATE, "before create_user", &user.user, false).await?;
    lab.create(&user).await?;
    lab.must_exist(CREATE, "after create_user", &user.user, true).await?;
    lab.open(CREATED_NEW, "after create_user", &user).await?;
    let other = Credentials { password: password(), ..user };
    lab.must_be_refused(CREATED_NEW, "after create_user, with another password", &other).await
}

pub(super) async fn new_user_can_do_nothing_else(lab: &mut Lab<'_>) -> Outcome {
    let table = lab.table("closed").await?;
    let made = lab.name("made");
    let (user, other) = (lab.user("u").await?, lab.user("other").await?);
    lab.must_not_read(CREATE, "after create_user", &user, &table).await?;
    let made_user = lab.nobody("made")?.user;
    let mut client = lab.open(CREATE, "after create_user", &user).await?;
    for attempt in [
        Attempt::Insert(table.clone()),
        Attempt::Update(table.clone()),
        Attempt::Delete(table.clone()),
        Attempt::DropTable(table.clone()),
        Attempt::CreateTable(made),
        Attempt::CreateUser(made_user),
        Attempt::Grant(table, other.user),
    ] {
        client.must_be_denied(CREATE, "after create_user", &attempt).await?;
    }
    Ok(())
}

pub(super) async fn existing_user_keeps_its_password(lab: &mut Lab<'_>) -> Outcome {
    let user = lab.user("u").await?;
    let again = Credentials { password: password(), ..user.clone() };
    must_have_existed(lab, &again).await?;
    lab.open(CREATED_EXISTED, "after create_user with another password", &user).await?;
    lab.must_be_refused(CREATED_EXISTED, "after create_user of a user that exists, with the new password", &again).await
}

pub(super) async fn existing_user_keeps_its_tables(lab: &mut Lab<'_>) -> Outcome {
    let table = lab.table("t").await?;
    let user = lab.reader("u", &[&table]).await?;
    must_have_existed(lab, &user).await?;
    lab.must_read(CREATE_EXISTING, "after a second create_user", &user, &table).await
}

pub(super) async fn disabled_user_is_enabled_again(lab: &mut Lab<'_>) -> Outcome {
    let user = lab.user("u").await?;
    FIXTURE.answer("disable_user", lab.fixture.disable_user(&user.user).await)?;
    lab.must_be_refused(CREATE_EXISTING, "after the user was disabled", &user).await?;
    let again = Credentials { password: password(), ..user.clone() };
    must_have_existed(lab, &again).await?;
    lab.open(CREATE_EXISTING, "after create_user of a disabled user, with its old password", &user).await?;
    lab.must_be_refused(CREATE_EXISTING, "after create_user of a disabled user, with the new password", &again).await
}

async fn must_have_existed(lab: &mut Lab<'_>, user: &Credentials) -> Outcome {
    let created = CREATE_EXISTING.answer("create_user of a user that exists", lab.admin().create_user(user).await)?;
    CREATED_EXISTED.unless(created == Created::Existed, || format!("create_user of a user that exists: {created:?}"))
}

pub(super) async fn of_concurrent_creators_one_wins(lab: &mut Lab<'_>) -> Outcome {
    let nobody = lab.nobody("u")?;
    let mut creators = JoinSet::new();
    for _ in 0..8 {
        let mut session = lab.connect().await?;
        let user = Credentials { password: password(), ..nobody.clone() };
        creators.spawn(async move { (session.create_user(&user).await, user) });
    }
    let mut winner = None;
    while let Some(joined) = creators.join_next().await {
        let (created, user) = joined.map_err(|error| CREATE.broken(format!("create_user: {error}")))?;
        if CREATE.answer("create_user, while others create the same user,", created)? == Created::New {
            let earlier = winner.replace(user);
            CREATED_NEW.unless(earlier.is_none(), || "two sessions made the same user, said create_user".to_owned())?;
        }
    }
    let winner = winner.ok_or_else(|| CREATED_NEW.broken("eight sessions made a user, and none answered New"))?;
    lab.open(CREATED_NEW, "after eight sessions made it, with the password of the one that answered New", &winner)
        .await?;
    Ok(())
}

pub(super) async fn longest_name_works(lab: &mut Lab<'_>) -> Outcome {
    let name = padded(lab, lab.connector.max_user_name());
    let table = lab.table("t").await?;
    let user = lab.nobody_named(&name)?;
    lab.create(&user).await?;
    lab.grant(&user, &table).await?;
    lab.must_read(MAX_USER_NAME, "with a user name of that length", &user, &table).await?;
    let dropped = lab.admin().drop_user(&user.user).await;
    MAX_USER_NAME.answer("drop_user, with a user name of that length,", dropped)?;
    lab.must_be_refused(MAX_USER_NAME, "after drop_user", &user).await
}

pub(super) async fn longer_name_is_too_long(lab: &mut Lab<'_>) -> Outcome {
    let name = padded(lab, lab.fixture.longest_user_name() + 1);
    // 128 characters are the most that a user name has anywhere.
    let Ok(user) = UserName::new(&name) else { return Ok(()) };
    // What a server that cuts names in silence would make of it.
    let cut = lab.nobody_named(name.get(..name.len() - 1).unwrap_or(&name))?;
    let user = Credentials { user, ..cut.clone() };
    match lab.admin().create_user(&user).await {
        Err(error) if error.kind() == ErrorKind::NameTooLong => {}
        other => {
            return Err(CREATE_ERRORS.broken(format!("create_user with {} bytes answered {other:?}", name.len())));
        }
    }
    lab.must_exist(CREATE_ERRORS, "after create_user with one byte more", &cut.user, false).await
}

fn padded(lab: &Lab<'_>, length: usize) -> String {
    let start = format!("dzk_{}_", lab.tag());
    format!("{start}{}", "x".repeat(length.saturating_sub(start.len())))
}

pub(super) async fn folded_name_stays(lab: &mut Lab<'_>) -> Outcome {
    let name = FIXTURE.answer("UserName::new", UserName::new(format!("dzK_{}_Mixed", lab.tag())))?;
    let folded = lab.connector.fold_user_name(name.clone());
    let again = lab.connector.fold_user_name(folded.clone());
    FOLD.unless(folded == again, || format!("{name} is folded to {folded}, and that to {again}"))?;
    let user = lab.nobody_named(name.as_str())?;
    lab.create(&user).await?;
    lab.must_exist(FOLD, "after create_user", &folded, true).await?;
    lab.open(FOLD, "after create_user", &user).await?;
    Ok(())
}

pub(super) async fn password_is_data(lab: &mut Lab<'_>) -> Outcome {
    // Each long and varied enough for servers' own rules.
    for text in [
        "Aa1-it's data",
        "Aa1-\"quoted\"",
        "Aa1-back\\slash\\",
        "Aa1-'; DROP TABLE x; --",
        "Aa1-%s {} $1 ? :x",
        "Aa1- ü and blanks ",
    ] {
        let user = Credentials { password: Secret::new(text.to_owned()), ..lab.nobody("u")? };
        if !lab.fixture.legal_password(text) {
            let made = lab.admin().create_user(&user).await;
            let refused = made.as_ref().is_err_and(|error| error.kind() == ErrorKind::PasswordRejected);
            CREATE_ERRORS.unless(refused, || format!("create_user with an illegal password answered {made:?}"))?;
            lab.must_exist(CREATE_ERRORS, "after create_user was refused", &user.user, false).await?;
            continue;
        }
        lab.create(&user).await?;
        lab.open(CREATE, &format!("with the password {text:?}"), &user).await?;
        let changed = Credentials { password: Secret::new(format!("B{text}B")), ..user.clone() };
        set(lab, SET_PASSWORD, &changed).await?;
        lab.open(SET_PASSWORD, &format!("with the password \"B{text}B\""), &changed).await?;
    }
    Ok(())
}

pub(super) async fn user_exists_tells(lab: &mut Lab<'_>) -> Outcome {
    let user = lab.nobody("u")?;
    lab.must_exist(USER_EXISTS, "before create_user", &user.user, false).await?;
    lab.create(&user).await?;
    lab.must_exist(USER_EXISTS, "after create_user", &user.user, true).await?;
    let pattern = lab.nobody_named(&user.user.as_str().replace('_', "%"))?;
    lab.must_exist(USER_EXISTS, "for a name that is not a pattern", &pattern.user, false).await?;
    FIXTURE.answer("remove_user", lab.fixture.remove_user(&user.user).await)?;
    lab.must_exist(USER_EXISTS, "after the user was removed", &user.user, false).await
}

async fn set(lab: &mut Lab<'_>, promise: Promise, user: &Credentials) -> Outcome {
    promise.answer(&format!("set_password({})", user.user), lab.admin().set_password(user).await)
}

pub(super) async fn replaces_the_old_one(lab: &mut Lab<'_>) -> Outcome {
    let old = lab.user("u").await?;
    let new = Credentials { password: password(), ..old.clone() };
    set(lab, SET_PASSWORD, &new).await?;
    lab.open(SET_PASSWORD, "after set_password, with the new password", &new).await?;
    lab.must_be_refused(SET_PASSWORD, "after set_password, with the old password", &old).await
}

pub(super) async fn can_be_repeated(lab: &mut Lab<'_>) -> Outcome {
    let user = lab.user("u").await?;
    for _ in 0..2 {
        set(lab, REPEATED, &user).await?;
        lab.open(REPEATED, "after set_password with the password that it has", &user).await?;
    }
    Ok(())
}

pub(super) async fn makes_no_user(lab: &mut Lab<'_>) -> Outcome {
    let nobody = lab.nobody("nobody")?;
    let result = lab.admin().set_password(&nobody).await;
    SET_PASSWORD
        .unless(result.is_err(), || "set_password of a user that does not exist answered success".to_owned())?;
    lab.must_exist(SET_PASSWORD, "after set_password of nobody", &nobody.user, false).await?;
    lab.must_be_refused(SET_PASSWORD, "after set_password of nobody", &nobody).await
}

pub(super) async fn keeps_the_tables(lab: &mut Lab<'_>) -> Outcome {
    let (table, other) = (lab.table("t").await?, lab.table("other").await?);
    let user = lab.reader("u", &[&table]).await?;
    let user = Credentials { password: password(), ..user };
    set(lab, SET_PASSWORD, &user).await?;
    lab.must_read(SET_PASSWORD, "after set_password", &user, &table).await?;
    lab.must_not_read(SET_PASSWORD, "after set_password", &user, &other).await
}
