//! `SourceEngine::resolve`.

use super::lab::{Lab, Outcome};
use super::promises::{FIXTURE, RESOLVE, RESOLVE_ERRORS};
use crate::model::{AssetPath, TableName};
use crate::{ErrorKind, Result};

async fn resolve(lab: &mut Lab<'_>, path: &str) -> Outcome<(String, Result<TableName>)> {
    let path = FIXTURE.answer("AssetPath::new", AssetPath::new(path))?;
    Ok((format!("resolve({path})"), lab.admin().resolve(&path).await))
}

async fn must_find(lab: &mut Lab<'_>, path: &str, table: &TableName) -> Outcome {
    let (call, found) = resolve(lab, path).await?;
    let found = RESOLVE.answer(&call, found)?;
    RESOLVE.unless(found == *table, || format!("{call} answered {found} instead of {table}"))
}

async fn must_fail(lab: &mut Lab<'_>, path: &str, kind: ErrorKind) -> Outcome {
    let (call, found) = resolve(lab, path).await?;
    match found {
        Err(error) if error.kind() == kind => Ok(()),
        other => Err(RESOLVE_ERRORS.broken(format!("{call} answered {other:?} instead of {kind:?}"))),
    }
}

pub(super) async fn exact_name_is_found(lab: &mut Lab<'_>) -> Outcome {
    for hint in ["lower", "Mixed", "UPPER"] {
        let table = lab.table(hint).await?;
        must_find(lab, &table.joined(), &table).await?;
    }
    Ok(())
}

pub(super) async fn exact_name_wins(lab: &mut Lab<'_>) -> Outcome {
    let (one, other) = differing_in_case(lab);
    lab.make(&one).await?;
    if lab.fixture.tells_case() {
        lab.make(&other).await?;
        must_find(lab, &other.joined(), &other).await?;
    }
    must_find(lab, &one.joined(), &one).await
}

pub(super) async fn only_one_that_differs_in_case_is_found(lab: &mut Lab<'_>) -> Outcome {
    let table = lab.table("MixedCase").await?;
    must_find(lab, &table.joined().to_lowercase(), &table).await?;
    must_find(lab, &table.joined().to_uppercase(), &table).await
}

pub(super) async fn several_that_differ_in_case_are_ambiguous(lab: &mut Lab<'_>) -> Outcome {
    let (one, other) = differing_in_case(lab);
    lab.make(&one).await?;
    let neither = one.joined().to_uppercase();
    if lab.fixture.tells_case() {
        lab.make(&other).await?;
        must_fail(lab, &neither, ErrorKind::TableAmbiguous).await
    } else {
        must_find(lab, &neither, &one).await
    }
}

pub(super) async fn dots_inside_names_are_found(lab: &mut Lab<'_>) -> Outcome {
    let name = format!("a.b{}.c", lab.tag());
    if lab.fixture.legal_table_name(&name) {
        let table = lab.exact_name(&name);
        lab.make(&table).await?;
        must_find(lab, &table.joined(), &table).await
    } else {
        let missing = lab.fixture.table(&name).joined();
        must_fail(lab, &missing, ErrorKind::TableNotFound).await
    }
}

pub(super) async fn missing_table_is_not_found(lab: &mut Lab<'_>) -> Outcome {
    let there = lab.table("there").await?;
    let missing = lab.name("missing").joined();
    must_fail(lab, &missing, ErrorKind::TableNotFound).await?;
    for path in [
        format!("{}x", there.joined()),
        format!("x{}", there.joined()),
        format!("no_such_place.{}", there.name()),
        format!("no.such.place.{}", there.joined()),
        there.joined().replacen('_', "%", 1),
    ] {
        must_fail(lab, &path, ErrorKind::TableNotFound).await?;
    }
    Ok(())
}

pub(super) async fn views_are_found_and_granted(lab: &mut Lab<'_>) -> Outcome {
    let view = lab.name("view");
    if !FIXTURE.answer("create_view", lab.fixture.create_view(&view).await)? {
        return must_fail(lab, &view.joined(), ErrorKind::TableNotFound).await;
    }
    must_find(lab, &view.joined(), &view).await?;
    let user = lab.reader("u", &[&view]).await?;
    lab.must_read(RESOLVE, "after a grant on a view", &user, &view).await
}

/// Two names that differ in case, neither of them all upper case.
fn differing_in_case(lab: &Lab<'_>) -> (TableName, TableName) {
    let name = format!("Case_{}", lab.tag());
    (lab.exact_name(&name), lab.exact_name(&name.to_lowercase()))
}
