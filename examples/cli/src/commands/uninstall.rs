//! `dzconn uninstall`: the end of an installation; without `--apply`, what that would be.

use dzconn_core::environment::EnvironmentReport;
use dzconn_core::fulfilment::Handled;
use dzconn_core::uninstall::{Beyond, Remnant, Uninstalled, Uninstaller};
use dzconn_core::{Fulfilment, Result};
use serde_json::{Value, json};

use crate::args::UninstallArgs;
use crate::backend::Backend;
use crate::directory::environment_id;
use crate::exit::Exit;
use crate::failure::{self, Failure};
use crate::output::{Paint, count, print_error, progress};
use crate::world::World;

/// What a person removes: what, by which names, and what is to be seen to.
type ByHand = (&'static str, Vec<String>, &'static str);

pub(crate) async fn uninstall(world: World, args: UninstallArgs) -> failure::Result {
    let failed = |error| Failure::looking("nothing was uninstalled", error);
    let store = world.existing_store().await.map_err(failed)?;
    let fulfilment = world.fulfilment(&store).map_err(failed)?;
    let done = work(&world, &store, &fulfilment, &args).await;
    fulfilment.close().await;
    store.close().await;
    let mut done = done.map_err(failed)?;
    let proven = done.is_proven();
    let failures = failures(&mut done);
    let by_hand = by_hand(&store);
    world.output.show(
        || json_of(&done, &failures, &by_hand, args.apply, proven),
        |paint| text(paint, &done, &by_hand, args.apply, proven),
    );
    let exit = super::events::failed(&world, failures.iter());
    if !world.output.json && !args.apply && !proven {
        print_error("nothing was changed: run this again with --apply\n");
    }
    Ok(if proven { Exit::Done } else { exit.and(Exit::Failed) })
}

async fn work(world: &World, store: &Backend, fulfilment: &Fulfilment, args: &UninstallArgs) -> Result<Uninstalled> {
    let mut beyond = Beyond::default();
    for name in &args.source {
        beyond.connections.insert(world.connection(&*store.tracking(), name).await?);
    }
    for environment in &args.environment {
        beyond.environments.insert(environment_id(environment)?);
    }
    #[allow(unused_mut, reason = "as it is without AWS")]
    let mut uninstaller = Uninstaller::new(fulfilment.clone());
    match store {
        Backend::Local(_) => {
            // All that the file knows; what it does not know is in the records, or has to be named.
            let directory = &world.directory;
            beyond.connections.extend(directory.sources.iter().map(|source| source.connection.clone()));
            beyond.owners.insert(directory.owner.clone());
            beyond.owners.extend(directory.sources.iter().map(|source| source.owner.clone()));
            beyond.owners.extend(directory.environments.iter().map(|environment| environment.owner.clone()));
        }
        #[cfg(feature = "aws")]
        Backend::Aws(aws) => {
            for domain in &args.domain {
                beyond.domains.insert(domain.parse()?);
            }
            uninstaller = uninstaller.with_environments(aws.environments(fulfilment.clone()));
        }
    }
    let _progress = progress(if args.apply { "uninstalling" } else { "looking" });
    if args.apply { uninstaller.run(&beyond).await } else { uninstaller.plan(&beyond).await }
}

/// What could not be done, taken out of what was.
fn failures(done: &mut Uninstalled) -> Vec<Failure> {
    let mut failures = Vec::new();
    for EnvironmentReport { environment, revoked, failures: others, .. } in &mut done.environments {
        let in_part = |error| Failure::new(format!("environment {environment} was not cleaned in full"), error);
        failures.extend(others.drain(..).map(in_part));
        let (well, ill): (Vec<_>, Vec<_>) = std::mem::take(revoked).into_iter().partition(|one| match one {
            Handled::Failed { .. } => false,
            Handled::Done { result, .. } => result.is_ok(),
            Handled::Objects { result, .. } => result.is_ok(),
            _ => true,
        });
        *revoked = well;
        failures.extend(ill.into_iter().filter_map(|one| match one {
            Handled::Failed { error } => Some(in_part(error)),
            Handled::Done { subscription, result } => {
                let what = format!("{} was not revoked from {environment}", subscription.location.path);
                result.err().map(|error| Failure::new(what, error))
            }
            Handled::Objects { subscription, result } => {
                let what = format!("{} was not revoked from {environment}", subscription.access.objects);
                result.err().map(|error| Failure::new(what, error))
            }
            _ => None,
        }));
    }
    let swept = |error| Failure::new("something that no record names was not removed", error);
    failures.extend(done.failures.drain(..).map(swept));
    failures
}

/// What would be revoked.
fn held(report: &EnvironmentReport) -> Vec<String> {
    let objects = report.held_objects.iter().map(|held| held.access.objects.to_string());
    report.held.iter().map(|held| held.location.path.to_string()).chain(objects).collect()
}

/// What was revoked.
fn path(one: &Handled) -> Option<String> {
    match one {
        Handled::Done { subscription, .. } => Some(subscription.location.path.to_string()),
        Handled::Objects { subscription, .. } => Some(subscription.access.objects.to_string()),
        _ => None,
    }
}

/// What is left for a person, in the order in which it is removed.
fn by_hand(store: &Backend) -> Vec<ByHand> {
    match store {
        Backend::Local(_) => vec![
            ("admin users", Vec::new(), "in the databases: their owner's"),
            ("the store", Vec::new(), "the file of --store or DZCONN_STORE, with its -wal and -shm, and its key"),
            ("the directory file", Vec::new(), "it may hold passwords, or name files that do"),
        ],
        #[cfg(feature = "aws")]
        Backend::Aws(aws) => {
            let all = dzconn_aws::uninstall::by_hand(aws.accounts().config());
            all.into_iter().map(|one| (one.what, one.names, one.note)).collect()
        }
    }
}

fn json_of(done: &Uninstalled, failures: &[Failure], by_hand: &[ByHand], applied: bool, proven: bool) -> Value {
    let environment = |report: &EnvironmentReport| {
        let changes = report.changes.iter().map(|change| json!({"effect": change.name(), "target": change.target()}));
        json!({
            "environment": report.environment,
            "held": held(report),
            "revoked": report.revoked.iter().filter_map(path).collect::<Vec<_>>(),
            "changes": changes.collect::<Vec<_>>(),
            "notes": report.notes,
        })
    };
    let remnant = |Remnant { kind, environment, what, why }: &Remnant| json!({"kind": kind.name(), "environment": environment, "what": what, "why": why});
    let looked = &done.looked;
    json!({
        "applied": applied,
        "nothing_left": proven,
        "environments": done.environments.iter().map(environment).collect::<Vec<_>>(),
        "swept": done.swept,
        "left": done.left.iter().map(remnant).collect::<Vec<_>>(),
        "errors": failures.iter().map(Failure::json).collect::<Vec<_>>(),
        "looked_at": {
            "domains": looked.domains,
            "connections": looked.connections,
            "accounts": looked.owners.iter().map(|owner| format!("{}/{}", owner.account, owner.region)).collect::<Vec<_>>(),
        },
        "by_hand": by_hand.iter().map(|(what, names, note)| json!({"what": what, "names": names, "note": note})).collect::<Vec<_>>(),
    })
}

fn text(paint: Paint, done: &Uninstalled, by_hand: &[ByHand], applied: bool, proven: bool) -> String {
    let mut text = String::new();
    let word = if applied { paint.good("done") } else { paint.warn("would be done") };
    for report in &done.environments {
        text.push_str(&format!("{}\n", paint.strong(report.environment.as_str())));
        for path in held(report).into_iter().chain(report.revoked.iter().filter_map(path)) {
            text.push_str(&format!("  {word}  revoke {path}\n"));
        }
        for change in &report.changes {
            text.push_str(&format!("  {word}  {change}\n"));
        }
        for note in &report.notes {
            text.push_str(&format!("  {}  {note}\n", paint.warn("note")));
        }
    }
    for swept in &done.swept {
        text.push_str(&format!("{word}  {swept}\n"));
    }
    for Remnant { kind, what, why, .. } in &done.left {
        let is = if applied { "left" } else { "there" };
        text.push_str(&format!("{}  {}: {what}\n    {why}\n", paint.bad(is), kind.name()));
    }
    let looked = &done.looked;
    let places = [(looked.connections.len(), "source"), (looked.owners.len(), "account")];
    let places: Vec<_> = places.iter().map(|(number, what)| count(*number, what)).collect();
    let result = if proven { paint.good("nothing is left") } else { paint.bad("not all is gone") };
    text.push_str(&format!("{result}: looked at the records, {}\n", places.join(" and ")));
    text.push_str("To be removed by hand, in this order:\n");
    for (what, names, note) in by_hand {
        let names = if names.is_empty() { String::new() } else { format!(" {}", names.join(", ")) };
        text.push_str(&format!("  {}{names}\n    {}\n", paint.strong(what), paint.dim(note)));
    }
    text
}
