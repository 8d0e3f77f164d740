//! `EngineConnector::log_in`.

use super::lab::{Lab, Outcome, PATIENCE, password};
use super::promises::{FIXTURE, LOG_IN, LOG_IN_ERRORS, LOG_IN_REFUSED, READS_MISSING};
use crate::engine::{Login, Reads};
use crate::model::{Credentials, Source};
use crate::{Deadline, ErrorKind};

pub(super) async fn right_credentials_log_in(lab: &mut Lab<'_>) -> Outcome {
    let user = lab.user("u").await?;
    let login = lab.log_in(&user, None).await?;
    LOG_IN.unless(login == Login::In(None), || format!("no table was named, and log_in answered {login:?}"))
}

pub(super) async fn tells_whether_the_table_is_read(lab: &mut Lab<'_>) -> Outcome {
    let (granted, other, missing) = (lab.table("granted").await?, lab.table("other").await?, lab.name("missing"));
    let user = lab.reader("u", &[&granted]).await?;
    let login = lab.log_in(&user, Some(&granted)).await?;
    LOG_IN.unless(matches!(login, Login::In(Some(Reads::Yes(_)))), || format!("of a granted table: {login:?}"))?;
    let login = lab.log_in(&user, Some(&other)).await?;
    LOG_IN.unless(login == Login::In(Some(Reads::No)), || format!("of a table that was not granted: {login:?}"))?;
    let login = lab.log_in(&user, Some(&missing)).await?;
    READS_MISSING.unless(login == Login::In(Some(Reads::No)), || format!("log_in, of a missing table: {login:?}"))
}

pub(super) async fn wrong_credentials_are_an_answer(lab: &mut Lab<'_>) -> Outcome {
    let user = lab.user("u").await?;
    let wrong = Credentials { password: password(), ..user.clone() };
    lab.must_be_refused(LOG_IN_REFUSED, "with a wrong password", &wrong).await?;
    let nobody = lab.nobody("nobody")?;
    lab.must_be_refused(LOG_IN_REFUSED, "as a user that does not exist", &nobody).await?;
    FIXTURE.answer("disable_user", lab.fixture.disable_user(&user.user).await)?;
    lab.must_be_refused(LOG_IN_REFUSED, "as a user that was disabled", &user).await
}

pub(super) async fn nothing_there_is_an_error(lab: &mut Lab<'_>) -> Outcome {
    let endpoint = FIXTURE.answer("unreachable", lab.fixture.unreachable())?;
    let user = Credentials { endpoint: endpoint.clone(), ..lab.nobody("nobody")? };
    let source = Source { endpoint, ..lab.source.clone() };
    match lab.connector.log_in(&source, &user, None, Deadline::within(PATIENCE)).await {
        Err(error) if error.kind() == ErrorKind::Unreachable => Ok(()),
        other => Err(LOG_IN_ERRORS.broken(format!("log_in at an address where nothing is answered {other:?}"))),
    }
}
