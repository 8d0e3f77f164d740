//! `dzconn reconcile`: what differs between records, secrets and sources; and with `--apply`, no longer.

use dzconn_core::reconcile::{Finding, Mend, Mended, Problem, Scope};
use dzconn_core::{Fulfilment, Result};
use serde_json::{Value, json};

use crate::args::ReconcileArgs;
use crate::backend::Backend;
use crate::directory::environment_id;
use crate::exit::Exit;
use crate::failure::{self, Failure};
use crate::output::{Paint, count, print_error, progress};
use crate::world::World;

/// Findings that one piece of work mends, and what became of it.
struct Group {
    findings: Vec<Finding>,
    result: Option<std::result::Result<Mended, Failure>>,
}

impl Group {
    fn mend(&self) -> Option<&Mend> {
        self.findings.first().map(|finding| &finding.mend)
    }
}

pub(crate) async fn reconcile(world: World, args: ReconcileArgs) -> failure::Result {
    let failed = |error| Failure::looking("nothing was compared", error);
    let store = world.existing_store().await.map_err(failed)?;
    let fulfilment = world.fulfilment(&store).map_err(failed)?;
    let groups = work(&world, &store, &fulfilment, &args).await;
    fulfilment.close().await;
    store.close().await;
    let groups = groups.map_err(failed)?;
    world.output.show(
        || json!({"findings": groups.iter().flat_map(|group| json(&world, group)).collect::<Vec<_>>()}),
        |paint| text(&world, paint, &groups, args.apply),
    );
    let mut exit = Exit::Done;
    for group in &groups {
        exit = exit.and(match &group.result {
            Some(Err(failure)) => {
                if !world.output.json {
                    print_error(&failure.text(world.output.paint_errors));
                }
                failure.exit()
            }
            Some(Ok(Mended::Done | Mended::Gone)) => Exit::Done,
            // What others are doing, or gave, is told; it is no difference between records and sources.
            _ if group.findings.iter().all(|f| matches!(f.problem, Problem::UnderWay | Problem::Excess)) => Exit::Done,
            Some(Ok(Mended::Left)) | None => Exit::Failed,
        });
    }
    Ok(exit)
}

async fn work(world: &World, store: &Backend, fulfilment: &Fulfilment, args: &ReconcileArgs) -> Result<Vec<Group>> {
    let connection = match &args.source {
        Some(name) => Some(world.connection(&*store.tracking(), name).await?),
        None => None,
    };
    let scope = Scope { connection, environment: args.environment.as_deref().map(environment_id).transpose()? };
    let progress = progress("comparing");
    let mut groups: Vec<Group> = Vec::new();
    for finding in fulfilment.reconcile(&scope).await? {
        let is_run = matches!(finding.mend, Mend::Run(..));
        match groups.iter_mut().find(|group| is_run && group.mend() == Some(&finding.mend)) {
            Some(group) => group.findings.push(finding),
            None => groups.push(Group { findings: vec![finding], result: None }),
        }
    }
    for group in groups.iter_mut().filter(|_| args.apply) {
        let Some(finding) = group.findings.first() else { continue };
        progress.say(finding.mend.to_string());
        let mended = fulfilment.mend(finding).await;
        group.result = Some(mended.map_err(|error| Failure::new(format!("not mended: {}", finding.detail), error)));
    }
    Ok(groups)
}

fn source(world: &World, finding: &Finding) -> Option<String> {
    finding.connection.as_ref().map(|at| world.directory.name_of(at))
}

fn state(group: &Group) -> &'static str {
    match group.result {
        None => "found",
        Some(Ok(Mended::Done)) => "mended",
        Some(Ok(Mended::Gone)) => "gone",
        Some(Ok(Mended::Left)) => "left",
        Some(Err(_)) => "failed",
    }
}

fn json(world: &World, group: &Group) -> Vec<Value> {
    let error = group.result.as_ref().and_then(|result| result.as_ref().err()).map(Failure::json);
    let each = group.findings.iter().map(|finding| {
        json!({
            "source": source(world, finding),
            "connection": finding.connection,
            "environment": finding.environment,
            "problem": finding.problem.name(),
            "detail": finding.detail,
            "mend": finding.mend.to_string(),
            "by_hand": matches!(finding.mend, Mend::ByHand(_)),
            "state": state(group),
            "error": error,
        })
    });
    each.collect()
}

fn text(world: &World, paint: Paint, groups: &[Group], applied: bool) -> String {
    if groups.is_empty() {
        return "records, secrets and sources agree\n".to_owned();
    }
    let mut text = String::new();
    for group in groups {
        for finding in &group.findings {
            let environment = finding.environment.as_ref().map_or("-", |environment| environment.as_str());
            let place = source(world, finding).map_or_else(String::new, |source| format!(" at {source}"));
            text.push_str(&format!(
                "{}  {environment}{place}: {}\n",
                paint.warn(finding.problem.name()),
                finding.detail
            ));
        }
        let state = state(group);
        let said = match group.result {
            None => paint.dim("mend"),
            Some(Ok(Mended::Done | Mended::Gone)) => paint.good(state),
            Some(_) => paint.bad(state),
        };
        let mend = group.mend().map(ToString::to_string).unwrap_or_default();
        text.push_str(&format!("  {said}  {mend}\n"));
    }
    let left = |group: &&Group| !matches!(group.mend(), None | Some(Mend::ByHand(_) | Mend::Nothing));
    let can = groups.iter().filter(left).map(|group| group.findings.len()).sum();
    if !applied && can > 0 {
        text.push_str(&format!("{} can be mended: run this again with --apply\n", count(can, "finding")));
    }
    text
}
