//! What must hold: at each effect, at every moment, and once everything has ended.

use std::collections::{BTreeMap, BTreeSet};

use dzconn_core::memory::TrackingState;
use dzconn_core::model::{Credentials, OpenState, Phase, SecretName, SourceRecord, TableName, TurnStage, Wanted};
use dzconn_core::store::{SecretVersion, Slot};
use dzconn_core::workflow::Effect;

use crate::run::{Outcome, Part, Run};
use crate::scenario::{Job, Scenario, consumer, producer, reader};
use crate::world::{Books, Source, Vault};

/// The world at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment<'a> {
    pub(crate) tracking: &'a TrackingState,
    pub(crate) vault: &'a Vault,
    pub(crate) source: &'a Source,
}

/// What is wrong with performing this effect at this moment. It is asked for effects that will really be performed: those
/// that change the source while their run holds the lock, the others at any time.
///
/// `steady`: whatever a run does under the lock, the record says it at that very moment. A commit of a dead run that lands
/// late, or of one that has lost its lock, moves the record under the feet of a run that has read it; that run notices when
/// it commits itself.
pub(crate) fn effect(now: &Moment<'_>, effect: &Effect, steady: bool) -> Option<String> {
    let books = Books::of(now.tracking);
    let record = books.source;
    let living = record.and_then(|record| record.generation.as_ref());
    let phase = record.map(|record| record.phase);
    let open = |table: &TableName, state| {
        record.is_some_and(|record| record.open.get(table).is_some_and(|open| open.state == state))
    };
    let settled = |table: &TableName| books.entries.iter().any(|entry| entry.table == *table);
    let wrong = match effect {
        // Making a user that is there sets nothing.
        Effect::CreateUser(credentials) if now.source.users.contains_key(&credentials.user) => None,
        Effect::CreateUser(credentials) | Effect::SetPassword(credentials) => {
            let is = |slot: Slot| matches!(slot, Slot::Live(secret) if secret.credentials == **credentials);
            let kept = living.is_some_and(|living| {
                let version = living.turn.map(|turn| SecretVersion::new(turn.id.to_string()));
                is(now.vault.producers(&living.secret))
                    || version.is_some_and(|version| now.vault.has_proposed(&living.secret, &version, credentials))
            });
            (!kept || steady && phase != Some(Phase::Active))
                .then_some("a password is set that the living secret does not hold")
        }
        Effect::Grant { user, table, take_back } => {
            let recorded = open(table, OpenState::Granting) || settled(table);
            let theirs = take_back.iter().all(|table| open(table, OpenState::Revoking));
            let right =
                phase == Some(Phase::Active) && living.is_some_and(|living| living.users().any(|one| one == user));
            (steady && (!recorded || !theirs || !right))
                .then_some("something is granted, or taken back, that is not recorded so")
        }
        Effect::Revoke { tables, .. } => {
            let recorded = tables.iter().all(|table| open(table, OpenState::Revoking));
            (steady && (!recorded || phase != Some(Phase::Active)))
                .then_some("something is revoked that is not recorded so")
        }
        Effect::DropUser(_) => {
            (steady && phase != Some(Phase::Dropping)).then_some("a user is dropped that is not recorded as going")
        }
        Effect::CreateSecret(name, _) => {
            let unknown = living.is_none_or(|living| living.secret != *name);
            (unknown && now.vault.producers(name) == Slot::Empty)
                .then_some("a secret is made under a name that the record does not have")
        }
        Effect::CreateCopy(name, _) => {
            let unknown = !known_copies(record).contains(name);
            (unknown && now.vault.copies(name) == Slot::Empty)
                .then_some("a copy is made under a name that the record does not have")
        }
        Effect::Burn(name) => (phase == Some(Phase::Active) && living.is_some_and(|living| living.secret == *name))
            .then_some("a living secret is burnt"),
        Effect::BurnCopy(name) => living
            .is_some_and(|living| living.copy == *name && phase == Some(Phase::Active))
            .then_some("a living copy is burnt"),
        _ => None,
    };
    wrong.map(str::to_owned)
}

fn known_copies(record: Option<&SourceRecord>) -> BTreeSet<SecretName> {
    let living = record.and_then(|record| record.generation.as_ref()).map(|living| living.copy.clone());
    let retired = record.into_iter().flat_map(|record| &record.retired).map(|retired| retired.copy.clone());
    living.into_iter().chain(retired).collect()
}

/// What is there at this moment and the record does not know of, so that no later run could find it; and credentials that
/// a consumer has been given and that do not log in, or do not read what is granted.
pub(crate) fn moment(now: &Moment<'_>, foreign: bool) -> Vec<String> {
    let books = Books::of(now.tracking);
    let record = books.source;
    let living = record.and_then(|record| record.generation.as_ref());
    let mut wrong = Vec::new();
    let mut must = |holds: bool, what: &str| {
        if !holds {
            wrong.push(format!("unknown to the record: {what}"));
        }
    };
    let known = |user| living.is_some_and(|living| living.users().any(|one| one == user));
    must(now.source.users.keys().all(known), "the user");
    let tables: BTreeSet<_> = books.entries.iter().map(|entry| &entry.table).collect();
    let listed = |table| tables.contains(table) || record.is_some_and(|record| record.open.contains_key(table));
    must(now.source.users.values().flat_map(|account| &account.grants).all(listed), "a right");
    let secrets = now.vault.live(&producer());
    must(secrets.iter().all(|(name, _)| living.is_some_and(|living| living.secret == *name)), "a producer's secret");
    let copies = now.vault.live(&consumer());
    must(copies.iter().all(|(name, _)| known_copies(record).contains(name)), "a copy");
    let generations: BTreeSet<_> = record
        .into_iter()
        .flat_map(|record| {
            record.retired.iter().map(|retired| retired.id).chain(record.generation.iter().map(|g| g.id))
        })
        .collect();
    must(books.mappings.iter().all(|mapping| generations.contains(&mapping.generation)), "a mapping");
    must(books.entries.iter().all(|entry| living.is_some_and(|living| living.id == entry.generation)), "an entry");
    must(record.is_none_or(|record| record.settled == books.entries.len() as u64), "the number of entries");
    let assets: BTreeSet<_> = books.entries.iter().flat_map(|entry| entry.assets.keys()).collect();
    must(
        books.rows.iter().all(|row| {
            assets.contains(&row.asset)
                || record.is_some_and(|record| {
                    record.revoked.contains(&row.asset)
                        || record.open.values().any(|open| open.assets.contains_key(&row.asset))
                })
        }),
        "a row",
    );
    if let (Some(record), Some(living)) = (record, living)
        && record.phase == Phase::Active
        && !foreign
        && books.mappings.iter().any(|mapping| mapping.generation == living.id)
        && let Slot::Live(copy) = now.vault.copies(&living.copy)
    {
        if !now.source.opens(&copy.credentials) {
            wrong.push("what the consumer's secret holds does not log in".to_owned());
        } else if !tables.iter().all(|table| now.source.users[&copy.credentials.user].grants.contains(*table)) {
            wrong.push("what the consumer's secret holds does not read all that is granted".to_owned());
        }
    }
    wrong
}

/// What is wrong once every run has ended.
pub(crate) fn end(now: &Moment<'_>, runs: &[&Run], scenario: &Scenario) -> Vec<String> {
    let mut wrong = state(now, runs, scenario);
    wrong.extend(outcomes(runs, scenario));
    let have = granted(&Books::of(now.tracking));
    let died = runs.iter().any(|run| unfinished(run));
    if scenario.script.is_empty() {
        let ends = serial_ends(runs, scenario);
        if !ends.contains(&have) {
            wrong.push(format!("no serial order ends with {have:?}, only {ends:?}"));
        }
    } else {
        wrong.extend(as_wanted(&have, died, runs, scenario));
    }
    let done = |run: usize| matches!(runs[run].part, Part::Over(Outcome::Revoked));
    if (0..runs.len()).any(|run| scenario.ends_last(run) && done(run)) && !have.is_empty() {
        wrong.push(format!("the environment has ended, and has {have:?}"));
    }
    wrong
}

/// Each asset, and the table through which it is granted. An asset that is granted twice stands here twice.
type Access = Vec<(String, String)>;

fn granted(books: &Books<'_>) -> Access {
    let each = books.entries.iter().flat_map(|entry| entry.assets.keys().map(|asset| (asset, entry.table.name())));
    let mut access: Access = each.map(|(asset, table)| (asset.to_string(), table.to_owned())).collect();
    access.sort();
    access
}

/// Nothing half done, nothing left behind, and everything that belongs together together.
fn state(now: &Moment<'_>, runs: &[&Run], scenario: &Scenario) -> Vec<String> {
    let books = Books::of(now.tracking);
    let mut wrong = Vec::new();
    let mut must = |holds: bool, what: String| {
        if !holds {
            wrong.push(what);
        }
    };
    let (secrets, copies) = (now.vault.live(&producer()), now.vault.live(&consumer()));
    let Some(record) = books.source else {
        must(*now.source == Source::default(), "left behind: the user".to_owned());
        must(secrets.is_empty(), "left behind: a producer's secret".to_owned());
        must(copies.is_empty(), "left behind: a copy".to_owned());
        must(now.tracking.is_empty(), "left behind: records".to_owned());
        return wrong;
    };
    let SourceRecord { phase, generation: Some(living), open, revoked, retired, .. } = record else {
        return vec![format!("a record without a generation is left: {record:?}")];
    };
    let died = runs.iter().any(|run| unfinished(run));
    let finished = *phase == Phase::Active && open.is_empty() && revoked.is_empty() && retired.is_empty();
    must(died || living.turn.is_none(), "the rotation is unfinished".to_owned());
    must(finished, "the record is unfinished".to_owned());
    let tables: BTreeSet<_> = books.entries.iter().map(|entry| entry.table.clone()).collect();
    must(!tables.is_empty(), "a record without tables is left".to_owned());
    for (user, account) in &now.source.users {
        let grants = &account.grants;
        // The user of before keeps what it had; it is not given more.
        let right = if *user == living.user || living.stage() == Some(TurnStage::Ready) {
            *grants == tables
        } else {
            grants.is_subset(&tables)
        };
        must(right, format!("the rights {grants:?} of {user} differ from the record"));
    }
    let publications = || books.entries.iter().flat_map(|entry| &entry.assets);
    let paths: BTreeSet<_> = publications().map(|(_, publication)| publication.path.clone()).collect();
    must(record.data_assets == paths && record.data_assets_complete, "the paths differ from the entries".to_owned());

    let secret = held(&secrets, &living.secret);
    let named = |held: &Credentials| {
        held.user == living.user
            || living.stage() == Some(TurnStage::Ready) && living.spare.as_ref() == Some(&held.user)
    };
    let opens = |held: &Credentials| named(held) && now.source.opens(held);
    must(secret.is_some_and(opens), "the producer's secret does not open the source".to_owned());
    must(secrets.len() == 1, "there is a stray producer's secret".to_owned());
    must(now.vault.secrets.readers(&producer(), &living.secret) == [reader()], "the secret is not shared".to_owned());

    // A run that never came back may not have delivered; the next grant does.
    let copy = held(&copies, &living.copy);
    must(died || copy.is_some(), "there is no copy".to_owned());
    must(copies.len() == usize::from(copy.is_some()), "there is a stray copy".to_owned());
    // Of a rotation that nobody finishes, the copy holds the one or the other.
    let handing_over = matches!(living.stage(), Some(TurnStage::Ready | TurnStage::Delivering));
    if copy.is_some() && refreshed(scenario) {
        must(died && handing_over || copy == secret, "the copy is not what the producer's secret holds".to_owned());
    }
    let expected: BTreeMap<_, _> =
        books.entries.iter().flat_map(|entry| entry.assets.keys().map(|asset| (asset, &entry.table))).collect();
    let rows: BTreeMap<_, _> = books.rows.iter().map(|row| (&row.asset, &row.place.as_ref().unwrap().table)).collect();
    must(rows.iter().all(|row| expected.get(row.0) == Some(row.1)), "a row differs from the entries".to_owned());
    must(died || rows.len() == expected.len(), "a row is missing".to_owned());
    must(books.rows.iter().all(|row| row.secret == living.copy), "a row names another copy".to_owned());
    let mapped = |mapping: &&_| is_mapping(mapping, record);
    must(books.mappings.iter().all(mapped), "a stray mapping".to_owned());
    must(died || !books.mappings.is_empty(), "there is no mapping".to_owned());
    wrong
}

fn is_mapping(mapping: &dzconn_core::model::MappingRecord, record: &SourceRecord) -> bool {
    record.generation.as_ref().is_some_and(|living| {
        mapping.generation == living.id
            && Some(&mapping.shared_secret) == living.secret_id.as_ref()
            && mapping.secret == living.copy
    })
}

fn held<'a>(live: &'a [(SecretName, Credentials)], name: &SecretName) -> Option<&'a Credentials> {
    live.iter().find(|(of, _)| of == name).map(|(_, credentials)| credentials)
}

/// Whether somebody refreshes the copy after the secret was rotated.
fn refreshed(scenario: &Scenario) -> bool {
    let rotation = scenario.jobs.iter().position(|job| *job == Job::Rotate);
    rotation.is_none_or(|rotation| {
        (0..scenario.jobs.len()).any(|run| scenario.jobs[run].grants() && scenario.after[run] == Some(rotation))
    })
}

/// Whether it is for others to finish what a run has begun.
fn unfinished(run: &Run) -> bool {
    matches!(run.part, Part::Dead | Part::Over(Outcome::Failed { undone: false, .. }))
}

/// No run fails, or says that it was overtaken, for no reason.
fn outcomes(runs: &[&Run], scenario: &Scenario) -> Vec<String> {
    let mut wrong = Vec::new();
    let nobody_revokes = scenario.jobs.iter().all(Job::keeps) && !scenario.moves();
    for (at, run) in runs.iter().enumerate() {
        match run.part {
            Part::Over(Outcome::Failed { kind, .. }) if !scenario.may_fail(at) => {
                wrong.push(format!("#{at} failed, though nothing had: {kind}"));
            }
            Part::Over(Outcome::Superseded) if nobody_revokes && scenario.script.is_empty() => {
                wrong.push(format!("#{at} says superseded, though nobody revoked"));
            }
            Part::Over(Outcome::Granted | Outcome::Retained) if scenario.impossible(at) => {
                wrong.push(format!("#{at} says granted, though that is impossible"));
            }
            _ => {}
        }
    }
    wrong
}

/// Every end that some serial order of the runs has. A run that failed has changed nothing; one that never came back may
/// have done its work or not.
fn serial_ends(runs: &[&Run], scenario: &Scenario) -> BTreeSet<Access> {
    let undone = |run: usize| matches!(runs[run].part, Part::Over(Outcome::Failed { undone: true, .. }));
    let failed: Vec<_> = (0..runs.len()).filter(|&run| undone(run) || scenario.impossible(run)).collect();
    let unfinished: Vec<_> = (0..runs.len()).filter(|&run| unfinished(runs[run])).collect();
    let mut ends = BTreeSet::new();
    for choice in 0..1_usize << unfinished.len() {
        let without =
            |run: usize| unfinished.iter().position(|&other| other == run).is_some_and(|at| choice >> at & 1 == 1);
        let present: Vec<_> = (0..runs.len()).filter(|&run| !without(run)).collect();
        for order in permutations(&present) {
            let place = |run| order.iter().position(|&other| other == run);
            let in_order = |&run: &usize| scenario.after[run].is_none_or(|first| place(first) < place(run));
            if order.iter().all(in_order) {
                let end = scenario.serially(&order, &failed);
                ends.insert(end.into_iter().map(|(asset, table)| (asset.to_owned(), table.to_owned())).collect());
            }
        }
    }
    ends
}

fn permutations(of: &[usize]) -> Vec<Vec<usize>> {
    if of.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for (at, first) in of.iter().enumerate() {
        let rest: Vec<_> = [&of[..at], &of[at + 1..]].concat();
        all.extend(permutations(&rest).into_iter().map(|order| [vec![*first], order].concat()));
    }
    all
}

/// What the portal wants in the end is what is there.
fn as_wanted(have: &Access, died: bool, runs: &[&Run], scenario: &Scenario) -> Vec<String> {
    let mut wrong = Vec::new();
    let assets: BTreeSet<_> = scenario.script.iter().map(|(asset, _)| *asset).collect();
    // It asks nobody.
    let ending = scenario.jobs.contains(&Job::End);
    for name in assets {
        let is = have.iter().any(|(asset, _)| asset == name);
        match scenario.wanted(name, scenario.script.len()) {
            Wanted::Grant if !is && !died && !scenario.jobs.contains(&Job::End) => {
                wrong.push(format!("{name} is wanted and not there"));
            }
            Wanted::Revoke if is => wrong.push(format!("{name} is there and not wanted")),
            Wanted::Retain if !is && !ending => {
                let told = |run: &&&Run| run.part == Part::Over(Outcome::Retained);
                if runs.iter().any(|run| told(&run)) {
                    wrong.push(format!("a run says that {name} is retained, and it is gone"));
                }
            }
            _ => {}
        }
    }
    wrong
}
