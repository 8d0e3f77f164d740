//! Long random walks: rounds of jobs beside each other, with misfortune, and every now and then a moment of quiet in which
//! what is there is compared with the [`Model`](crate::model::Model).

use std::fmt;
use std::time::{Duration, Instant};

use dzconn_core::portal::Wanted;

use crate::chance::Chance;
use crate::gate::Way;
use crate::job::{Hand, Job};
use crate::model::{Seen, Walk};
use crate::ports::Guard;
use crate::schedule::{Choice, Chooser, Now, fault_at};
use crate::truth::{ENVIRONMENTS, Says, Spot, environments_of};
use crate::world::{PROCESSES, World};

/// How many rounds a walk has.
const ROUNDS: usize = 20;

/// Some jobs beside each other. It does not depend on how the rounds before it went, so that any of them can be left out.
#[derive(Clone, Debug)]
pub(crate) struct Round {
    /// The asset is published elsewhere from now on; only if all is quiet.
    moved: Option<(&'static str, Spot)>,
    jobs: Vec<(usize, Job)>,
    seed: u64,
    /// How often a task is interrupted by another, in thousandths.
    switch: usize,
    /// How often a call goes wrong, in thousandths; and how many do, at most.
    faults: (usize, usize),
    quiet: bool,
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((asset, (connection, table))) = self.moved {
            write!(f, "{asset} moves to {table} of {connection}; ")?;
        }
        let jobs = self.jobs.iter().map(|(process, job)| format!("process {process}: {job}"));
        write!(f, "{}", jobs.collect::<Vec<_>>().join(" | "))?;
        write!(
            f,
            " (seed {}, {} faults at most){}",
            self.seed,
            self.faults.1,
            if self.quiet { ", then quiet" } else { "" }
        )
    }
}

/// Makes choices by chance.
struct ByChance {
    chance: Chance,
    switch: usize,
    faults: (usize, usize),
}

impl Chooser for ByChance {
    fn choose(&mut self, now: &Now<'_>) -> Choice {
        let Self { chance, switch, faults: (often, left) } = self;
        if now.late > 0 && chance.permille(50) {
            return Choice::Land(chance.below(now.late));
        }
        let going_on = now.last.and_then(|last| now.ready.iter().find(|(task, _)| *task == last));
        let (task, waiting) = match going_on {
            Some(same) if !chance.permille(*switch) => *same,
            _ => chance.of(now.ready),
        };
        if *left > 0 && !now.tasks[task].job.outside() && chance.permille(*often) {
            *left -= 1;
            return fault_at(chance, task, &waiting);
        }
        Choice::Go(task, Way::Go)
    }
}

/// The rounds of a seed.
pub(crate) fn rounds(seed: u64) -> Vec<Round> {
    let mut chance = Chance::new(seed);
    (0..ROUNDS).map(|_| round(&mut chance)).collect()
}

fn round(chance: &mut Chance) -> Round {
    // Most jobs of a round are about one environment, so that they are in each other's way.
    let (focus, _) = chance.of(&ENVIRONMENTS);
    let mut jobs = Vec::new();
    for _ in 0..=chance.below(3) {
        let environment = if chance.permille(750) { focus } else { chance.of(&ENVIRONMENTS).0 };
        let asset = chance.of(&["a", "a", "b", "b", "k", "k", "c", "mine", "gone"]);
        some_jobs(chance, environment, asset, &mut jobs);
    }
    let by_hand = jobs.iter().any(|(_, job)| matches!(job, Job::Hand { .. }));
    let asset = chance.of(&["a", "b", "k", "c"]);
    let spot = (chance.of(&["c1", "c1", "c2"]), chance.of(&["t1", "t2", "t3", "T2"]));
    Round {
        moved: chance.permille(100).then_some((asset, spot)),
        jobs,
        seed: chance.number(),
        switch: chance.of(&[30, 200, 600, 1000]),
        faults: (chance.of(&[0, 10, 30, 100]), 1 + chance.below(4)),
        quiet: chance.permille(500) || by_hand,
    }
}

fn some_jobs(chance: &mut Chance, environment: &'static str, asset: &'static str, jobs: &mut Vec<(usize, Job)>) {
    let project = ENVIRONMENTS.iter().find(|(of, _)| *of == environment).unwrap().1;
    let wish =
        chance.of(&[Wanted::Grant, Wanted::Grant, Wanted::Grant, Wanted::Revoke, Wanted::Revoke, Wanted::Retain]);
    let process = chance.below(PROCESSES);
    let work = |chance: &mut Chance| match chance.below(3) {
        0 => vec![Job::Event { project, asset, wish }],
        1 => environments_of(project).map(|environment| Job::Run { environment, asset, wish }).collect(),
        _ => vec![Job::Run { environment, asset, wish }],
    };
    let mut all = match chance.below(100) {
        // Somebody approves or revokes, and the event comes.
        0..60 => {
            let says = if chance.permille(40) { Says::Refused } else { Says::Wanted(wish) };
            let mut all = vec![Job::Want { project, asset, says }];
            all.extend(work(chance));
            all
        }
        // An event comes late, twice, or is about something else by now.
        60..77 => work(chance),
        77..84 => vec![Job::Rotate { environment, connection: chance.of(&["c1", "c1", "c2"]) }],
        84..88 => vec![Job::End { environment }],
        88..93 => vec![Job::Reconcile],
        _ => {
            let table = chance.of(&["t1", "t2", "t3"]);
            let hands = [Hand::Password, Hand::DropUser, Hand::TakeAway(table), Hand::Extra(table), Hand::Rotate];
            vec![Job::Hand { environment, connection: chance.of(&["c1", "c1", "c2"]), hand: chance.of(&hands) }]
        }
    };
    jobs.extend(all.drain(..).map(|job| (process, job)));
}

/// Where a walk went wrong.
#[derive(Debug)]
pub(crate) struct Wrong {
    pub(crate) what: String,
    round: usize,
    pub(crate) trace: Vec<String>,
}

/// Walks some rounds.
pub(crate) fn walk(
    seed: u64,
    rounds: &[Round],
    without: Option<Guard>,
    seen: &mut Seen,
    mut note: impl FnMut(&[String]),
) -> Result<(), Wrong> {
    let mut walk = Walk::new(World::new(seed, without));
    let last = rounds.len() - 1;
    for (at, round) in rounds.iter().enumerate() {
        let mut chance = Chance::new(round.seed);
        let moved = round.moved.filter(|_| walk.model.touched.is_empty());
        if let Some((asset, spot)) = moved {
            walk.model.respelled.extend(walk.world.truth.spot(asset).1.eq_ignore_ascii_case(spot.1).then_some(asset));
            walk.world.truth.publish(asset, spot);
        }
        let elsewhere = walk.model.elsewhere(&walk.world.truth);
        let jobs = elsewhere.iter().fold(round.jobs.clone(), |jobs, asset| alone_with(asset, &jobs));
        let mut chooser = ByChance { chance: Chance::new(chance.number()), switch: round.switch, faults: round.faults };
        let ran = walk.run(&jobs, &mut chooser, seen);
        note(&ran.trace);
        let wrong = match ran.wrong {
            Some(what) => Err(what),
            None if round.quiet || moved.is_some() || at == last => walk.quiesce(&mut chance, seen),
            None => Ok(()),
        };
        wrong.map_err(|what| Wrong { what, round: at, trace: ran.trace })?;
    }
    Ok(())
}

/// Two runs that work on an asset's old and new place at once may leave it at both: that is known (see the explorer's limits).
/// So one run, through whatever befalls it, has a moved asset for itself.
fn alone_with(asset: &str, jobs: &[(usize, Job)]) -> Vec<(usize, Job)> {
    let mut first = true;
    let mut admitted = |job: &Job| match job {
        Job::Reconcile | Job::End { .. } => false,
        Job::Run { asset: of, .. } | Job::Event { asset: of, .. } if *of == asset => std::mem::take(&mut first),
        _ => true,
    };
    jobs.iter().filter(|(_, job)| admitted(job)).cloned().collect()
}

/// As few rounds, jobs and faults as still go wrong.
fn shorten(seed: u64, mut rounds: Vec<Round>, without: Option<Guard>, mut wrong: Wrong) -> (Vec<Round>, Wrong) {
    rounds.truncate(wrong.round + 1);
    let mut left = 400;
    let mut fails = |rounds: &[Round]| {
        left -= 1;
        if rounds.is_empty() || left < 0 {
            return None;
        }
        walk(seed, rounds, without, &mut Seen::default(), |_| ()).err()
    };
    let mut again = true;
    while std::mem::take(&mut again) {
        let mut shorter: Vec<Vec<Round>> = Vec::new();
        for at in 0..rounds.len() {
            let change = |change: &dyn Fn(&mut Vec<Round>)| {
                let mut rounds = rounds.clone();
                change(&mut rounds);
                rounds
            };
            shorter.push(change(&|rounds| drop(rounds.remove(at))));
            shorter.extend((0..rounds[at].jobs.len()).map(|job| change(&|rounds| _ = rounds[at].jobs.remove(job))));
            if rounds[at].faults.1 > 0 {
                shorter.push(change(&|rounds| rounds[at].faults.1 -= 1));
            }
            if rounds[at].moved.is_some() {
                shorter.push(change(&|rounds| rounds[at].moved = None));
            }
        }
        for candidate in shorter {
            if let Some(still) = fails(&candidate) {
                rounds = candidate;
                rounds.truncate(still.round + 1);
                wrong = still;
                again = true;
                break;
            }
        }
    }
    (rounds, wrong)
}

/// What goes wrong with a seed, told so that it can be looked into.
pub(crate) fn try_seed(seed: u64, without: Option<Guard>, seen: &mut Seen) -> Result<(), String> {
    let all = rounds(seed);
    let Err(wrong) = walk(seed, &all, without, seen, |_| ()) else { return Ok(()) };
    let (rounds, wrong) = shorten(seed, all, without, wrong);
    let list = |lines: Vec<String>| lines.iter().map(|line| format!("\n    {line}")).collect::<String>();
    let rounds: Vec<_> = rounds.iter().map(ToString::to_string).collect();
    let from = wrong.trace.len().saturating_sub(120);
    Err(format!(
        "seed {seed}: {}\n  the rounds, as few as still show it:{}\n  the last of them:{}\n  again: DZCONN_SEED={seed} cargo test \
         -p dzconn-core --all-features --test schedules long -- --nocapture",
        wrong.what,
        list(rounds),
        list(wrong.trace[from..].to_vec()),
    ))
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text:?}")))
}

/// Some seeds that are always the same, and one that never is; or what the environment says: `DZCONN_SEED` (and so many from
/// there on: `DZCONN_RUNS`), or fresh ones for so long: `DZCONN_MINUTES`.
#[test]
fn long_random_walks() {
    let fresh = rand::random::<u32>();
    let (seeds, limit): (Box<dyn Iterator<Item = u64>>, _) = match (number("DZCONN_SEED"), number("DZCONN_MINUTES")) {
        (Some(seed), _) => (Box::new(seed..seed + number("DZCONN_RUNS").unwrap_or(1)), Duration::MAX),
        (None, Some(minutes)) => (Box::new(u64::from(fresh) << 20..), Duration::from_secs(minutes * 60)),
        (None, None) => {
            let fixed = number("DZCONN_RUNS").unwrap_or(FIXED);
            (Box::new((0..fixed).chain([u64::from(fresh)])), Duration::MAX)
        }
    };
    println!("the fresh seed is {fresh}");
    let (begun, mut seen, mut walks) = (Instant::now(), Seen::default(), 0);
    for seed in seeds {
        if begun.elapsed() > limit {
            break;
        }
        if let Err(wrong) = try_seed(seed, None, &mut seen) {
            panic!("{wrong}");
        }
        walks += 1;
    }
    println!("{walks} walks in {:.0?}: {seen}", begun.elapsed());
}

/// In CI.
const FIXED: u64 = 25;

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { schedules, runs, calls, faults, deaths, late, quiet, came, shapes } = self;
        write!(
            f,
            "{schedules} schedules of {runs} runs with {calls} steps, {faults} faults, {deaths} deaths, {late} late requests, \
             {quiet} comparisons; {came:?}; {} distinct states",
            shapes.len()
        )
    }
}

#[test]
fn the_same_seed_is_the_same_schedule() {
    let traced = |seed| {
        let mut trace = Vec::new();
        let walked = walk(seed, &rounds(seed), None, &mut Seen::default(), |lines| trace.extend(lines.to_vec()));
        assert!(walked.is_ok(), "{walked:?}");
        trace
    };
    for seed in 0..5 {
        assert_eq!(traced(seed), traced(seed), "seed {seed}");
        assert_ne!(traced(seed), traced(seed + 1));
    }
}
