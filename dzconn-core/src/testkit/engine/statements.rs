//! `EngineConnector::statements`.

use super::lab::{Lab, Outcome, password};
use super::promises::{FIXTURE, STATEMENTS, STATEMENTS_OFFLINE};
use crate::engine::Action;
use crate::model::{AdminLogin, Source, TableName, UserName};

struct Actions {
    user: UserName,
    table: TableName,
    other: TableName,
}

impl Actions {
    fn new(lab: &Lab<'_>) -> Outcome<Self> {
        Ok(Self { user: lab.nobody("planned")?.user, table: lab.name("planned"), other: lab.name("other") })
    }

    fn all(&self) -> Vec<Action> {
        let Self { user, table, other } = self;
        vec![
            Action::CreateUser(user.clone()),
            Action::SetPassword(user.clone()),
            Action::Grant { user: user.clone(), table: table.clone(), take_back: vec![] },
            Action::Grant { user: user.clone(), table: table.clone(), take_back: vec![other.clone()] },
            Action::Revoke { user: user.clone(), tables: vec![table.clone(), other.clone()] },
            Action::DropUser(user.clone()),
        ]
    }
}

pub(super) async fn are_shown_for_every_action(lab: &mut Lab<'_>) -> Outcome {
    let actions = Actions::new(lab)?;
    for action in actions.all() {
        let lines = lab.connector.statements(&lab.source, &action);
        let text = lines.join("\n");
        let must = |holds: bool, what: &str| STATEMENTS.unless(holds, || format!("{what} in {action:?}: {lines:#?}"));
        must(!lines.is_empty(), "there is nothing")?;
        must(lines.iter().all(|line| !line.is_empty() && !line.contains('\n')), "there is an empty or broken line")?;
        must(text.contains(actions.user.as_str()), "the user is not named")?;
        let named: &[&TableName] = match &action {
            Action::CreateUser(_) | Action::SetPassword(_) | Action::DropUser(_) => &[],
            Action::Grant { take_back, .. } if take_back.is_empty() => &[&actions.table],
            Action::Grant { .. } | Action::Revoke { .. } => &[&actions.table, &actions.other],
        };
        must(named.iter().all(|table| text.contains(table.name())), "a table is not named")?;
    }
    Ok(())
}

pub(super) async fn hold_no_secret(lab: &mut Lab<'_>) -> Outcome {
    let actions = Actions::new(lab)?;
    for action in actions.all() {
        let text = lab.connector.statements(&lab.source, &action).join("\n");
        STATEMENTS.unless(!text.contains(lab.source.admin.password.expose()), || {
            format!("the admin's password stands in what {action:?} would run")
        })?;
        if matches!(action, Action::CreateUser(_) | Action::SetPassword(_)) {
            let redacted = text.contains("<password>") || text.contains("<verifier>");
            STATEMENTS
                .unless(redacted, || format!("neither <password> nor <verifier> stands in {action:?}: {text}"))?;
        }
    }
    Ok(())
}

pub(super) async fn need_no_source(lab: &mut Lab<'_>) -> Outcome {
    let endpoint = FIXTURE.answer("unreachable", lab.fixture.unreachable())?;
    let admin = AdminLogin { password: password(), ..lab.source.admin.clone() };
    let nowhere = Source { endpoint, admin, ..lab.source.clone() };
    for action in Actions::new(lab)?.all() {
        let (here, there) =
            (lab.connector.statements(&lab.source, &action), lab.connector.statements(&nowhere, &action));
        STATEMENTS_OFFLINE.unless(here == there, || {
            format!("for an address where nothing is, {action:?} would run {there:#?} instead of {here:#?}")
        })?;
    }
    Ok(())
}
