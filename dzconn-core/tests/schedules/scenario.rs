//! Some runs beside each other, in every order with so many interruptions and misfortunes, and no more: a sample of what the
//! explorer walks, with everything real but the ports' other side.

use std::collections::BTreeSet;
use std::time::Instant;

use dzconn_core::ErrorKind;
use dzconn_core::portal::Wanted;

use crate::chance::Chance;
use crate::gate::{Touches, Waiting, Way};
use crate::job::Job;
use crate::model::{Seen, Walk};
use crate::ports::Guard;
use crate::schedule::{Choice, Chooser, Now};
use crate::truth::Says;
use crate::world::{PROCESSES, World};

/// What may go wrong, at any call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The process dies, before or after the call had its effect.
    Death,
    /// The process dies, and its request arrives later.
    Late,
    /// The call has its effect, and its answer does not come.
    Unanswered,
    /// The source ends the session.
    LockLost,
    /// Somebody may not do this.
    Denied,
}

/// A question: `Ga`: grant asset a to e1; `R`: revoke; `T`: retain; `E`: e1 ends; `C`: reconcile. `+a`, `-a`, `=a`: the portal wants
/// it granted, revoked, retained, at any time beside the others. `a>c2.t2`: a is published there from now on.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    before: &'static str,
    jobs: &'static str,
    trouble: Option<Trouble>,
    interruptions: usize,
    pub(crate) without: Option<Guard>,
}

const PROJECT: &str = "p1";
const ENVIRONMENT: &str = "e1";

fn asset(text: &str) -> &'static str {
    crate::truth::ASSETS.iter().find(|(name, ..)| name.starts_with(&text[1..2])).unwrap().0
}

fn job(text: &str) -> Job {
    let run = |wish| Job::Run { environment: ENVIRONMENT, asset: asset(text), wish };
    let says = |wanted| Job::Want { project: PROJECT, asset: asset(text), says: Says::Wanted(wanted) };
    match &text[..1] {
        "G" => run(Wanted::Grant),
        "R" => run(Wanted::Revoke),
        "T" => run(Wanted::Retain),
        "E" => Job::End { environment: ENVIRONMENT },
        "C" => Job::Reconcile,
        "+" => says(Wanted::Grant),
        "-" => says(Wanted::Revoke),
        "=" => says(Wanted::Retain),
        _ => panic!("{text} is no job"),
    }
}

impl Scenario {
    pub(crate) fn new(before: &'static str, jobs: &'static str) -> Self {
        Self { before, jobs, trouble: None, interruptions: 1, without: None }
    }

    pub(crate) fn with(self, trouble: Trouble) -> Self {
        Self { trouble: Some(trouble), ..self }
    }

    pub(crate) fn without(self, guard: Guard) -> Self {
        Self { without: Some(guard), ..self }
    }

    pub(crate) fn interruptions(self, interruptions: usize) -> Self {
        Self { interruptions, ..self }
    }

    /// Alone, what it says is also what the portal wants.
    fn set_up(&self, chance: &mut Chance, seen: &mut Seen) -> Walk {
        let mut walk = Walk::new(World::new(0, self.without));
        for text in self.before.split_whitespace() {
            if let Some((asset, place)) = text.split_once('>') {
                let (connection, table) = place.split_once('.').unwrap();
                let known = |all: &[&'static str], text| *all.iter().find(|known| **known == text).unwrap();
                let spot = (known(&crate::truth::CONNECTIONS, connection), known(&crate::truth::TABLES, table));
                walk.world.truth.publish(asset, spot);
                continue;
            }
            let job = job(text);
            if let Job::Run { asset, wish, .. } = &job {
                walk.world.truth.say(PROJECT, asset, Says::Wanted(*wish));
            }
            walk.world.alone(walk.world.work(0, &job));
            walk.model.touched.extend(job.touches().into_iter().filter(|(environment, _)| *environment == ENVIRONMENT));
            walk.quiesce(chance, seen).unwrap();
        }
        walk
    }

    /// What the portal says of all that is granted or revoked, if nothing else says it, before the runs begin.
    fn portal(walk: &Walk, jobs: &[Job]) {
        let scripted: BTreeSet<_> =
            jobs.iter().filter_map(|job| if let Job::Want { asset, .. } = job { Some(*asset) } else { None }).collect();
        for job in jobs {
            if let Job::Run { asset, wish, .. } = job
                && !scripted.contains(asset)
            {
                walk.world.truth.say(PROJECT, asset, Says::Wanted(*wish));
            }
        }
    }

    /// One schedule; then everything is repeated, and compared.
    fn once(&self, path: &mut Path, number: usize, seen: &mut Seen) -> Result<(), String> {
        let mut chance = Chance::new(number as u64);
        let mut walk = self.set_up(&mut Chance::new(0), seen);
        let jobs: Vec<_> = self.jobs.split_whitespace().map(job).collect();
        Self::portal(&walk, &jobs);
        let jobs: Vec<_> = jobs.into_iter().enumerate().map(|(at, job)| (at % PROCESSES, job)).collect();
        path.begin(self.interruptions, self.trouble);
        let ran = walk.run(&jobs, path, seen);
        let wrong = match ran.wrong {
            Some(wrong) => Err(wrong),
            None => walk.quiesce(&mut chance, seen),
        };
        wrong.map_err(|wrong| {
            let trace: String = ran.trace.iter().map(|line| format!("\n    {line}")).collect();
            format!("{self:?}: {wrong}{trace}")
        })
    }

    /// All schedules; what goes wrong.
    pub(crate) fn all(&self) -> Result<(), String> {
        let (mut path, mut seen, begun) = (Path::default(), Seen::default(), Instant::now());
        for number in 0.. {
            self.once(&mut path, number, &mut seen)?;
            if !path.next() {
                println!("{self:?}: all {} schedules, {:.1?}", number + 1, begun.elapsed());
                break;
            }
        }
        Ok(())
    }

    /// Some of the schedules, by chance.
    pub(crate) fn some(&self, seeds: u64) -> Result<(), String> {
        let (mut seen, begun) = (Seen::default(), Instant::now());
        for seed in 0..seeds {
            let mut path = Path { chance: Some(Chance::new(seed)), ..Path::default() };
            self.once(&mut path, usize::try_from(seed).unwrap(), &mut seen)
                .map_err(|wrong| format!("seed {seed}: {wrong}"))?;
        }
        println!("{self:?}: {seeds} schedules, {} distinct states, {:.1?}", seen.shapes.len(), begun.elapsed());
        Ok(())
    }
}

/// The choices of one schedule: a path in the tree of all of them, of which the next one is the next to be walked.
#[derive(Debug, Default)]
struct Path {
    /// Which of how many.
    choices: Vec<(usize, usize)>,
    at: usize,
    interruptions: usize,
    trouble: Option<Trouble>,
    /// Makes the choices, where not all are walked.
    chance: Option<Chance>,
}

impl Path {
    fn begin(&mut self, interruptions: usize, trouble: Option<Trouble>) {
        (self.at, self.interruptions, self.trouble) = (0, interruptions, trouble);
    }

    fn next(&mut self) -> bool {
        self.choices.truncate(self.at);
        while let Some((choice, of)) = self.choices.pop() {
            if choice + 1 < of {
                self.choices.push((choice + 1, of));
                return true;
            }
        }
        false
    }

    fn troubles(&self, task: usize, waiting: &Waiting) -> Vec<Choice> {
        let die = |first| Choice::Die { task, first, process: true };
        let way = |way| Choice::Go(task, way);
        let session = matches!(waiting.touches, Touches::Source | Touches::Lock);
        match self.trouble {
            Some(Trouble::Death) => vec![die(None), die(Some(Way::Vanish))],
            Some(Trouble::Late) if waiting.touches == Touches::Store => vec![die(Some(Way::Late(None)))],
            Some(Trouble::Unanswered) if session => vec![way(Way::FailAfter(ErrorKind::ConnectionLost))],
            Some(Trouble::Unanswered) => vec![way(Way::FailAfter(ErrorKind::StoreFailed))],
            Some(Trouble::LockLost) if session => vec![Choice::LoseLock(task)],
            Some(Trouble::LockLost | Trouble::Late) | None => Vec::new(),
            Some(Trouble::Denied) => vec![way(Way::FailBefore(ErrorKind::AdminDenied))],
        }
    }
}

impl Chooser for Path {
    fn choose(&mut self, now: &Now<'_>) -> Choice {
        let going_on = now.last.and_then(|last| now.ready.iter().find(|(task, _)| *task == last));
        let (task, waiting) = *going_on.unwrap_or(&now.ready[0]);
        let mut options = vec![Choice::Go(task, Way::Go)];
        // Whoever begins, or goes on after somebody has ended, interrupts nobody.
        if going_on.is_none() || self.interruptions > 0 {
            let others = now.ready.iter().filter(|(other, _)| *other != task);
            options.extend(others.map(|(other, _)| Choice::Go(*other, Way::Go)));
        }
        let interruptions = options.len();
        if !now.tasks[task].job.outside() {
            options.extend(self.troubles(task, &waiting));
        }
        if now.late > 0 {
            options.push(Choice::Land(0));
        }
        let choice = if let Some((choice, _)) = self.choices.get(self.at) {
            *choice
        } else {
            let otherwise = self.chance.as_mut().filter(|_| options.len() > 1);
            let choice =
                otherwise.map_or(0, |chance| if chance.permille(120) { chance.below(options.len()) } else { 0 });
            self.choices.push((choice, options.len()));
            choice
        };
        self.at += 1;
        if choice > 0 && choice < interruptions && going_on.is_some() {
            self.interruptions -= 1;
        }
        let lands = matches!(options[choice], Choice::Land(_));
        if choice >= interruptions && !lands {
            self.trouble = None;
        }
        options[choice]
    }
}

fn holds(scenario: &Scenario) {
    if let Err(wrong) = scenario.all() {
        panic!("{wrong}");
    }
}

const TROUBLES: [Trouble; 5] = [Trouble::Death, Trouble::Late, Trouble::Unanswered, Trouble::LockLost, Trouble::Denied];

#[test]
fn one_run_through_every_trouble() {
    let runs = [
        ("", "Ga"),
        ("Ga", "Ra"),
        ("Ga Gb", "Ra"),
        ("Gb", "Ga"),
        ("Ga", "Ta"),
        ("Ga Gk", "Ra"),
        ("Ga Gb", "E"),
        ("Ga Gb", "C"),
        ("Ga", "Gm"),
    ];
    for (before, jobs) in runs {
        for trouble in TROUBLES {
            holds(&Scenario::new(before, jobs).with(trouble));
        }
    }
}

/// It is taken back where it was, however often the run is repeated.
#[test]
fn an_asset_that_has_moved_through_every_trouble() {
    for before in ["Ga a>c2.t2", "Ga Gb a>c2.t2", "Ga a>c1.t3", "Ga Gk a>c1.t3", "Ga Gc a>c2.t1"] {
        for trouble in TROUBLES {
            holds(&Scenario::new(before, "Ga").with(trouble));
        }
    }
}

const TWO: [(&str, &str); 9] = [
    ("", "Ga Gb"),
    ("", "Ga Ga"),
    ("Ga", "Ra Gb"),
    ("Ga Gb", "Ra Rb"),
    ("Ga Gk", "Ra Rk"),
    ("Ga", "Ra Gk"),
    ("Ga", "Ga C"),
    ("Ga", "Gb E"),
    ("", "Ga Gm"),
];

const MINDS: [(&str, &str); 4] =
    [("", "+a Ga -a Ra"), ("Ga", "-a Ra +a Ga"), ("Ga", "=a Ta"), ("Ga Gb", "-a Ra =b Tb")];

const THREE: [(&str, &str); 3] = [("Ga", "-a Ra Gb +a Ga"), ("Ga Gb", "-a Ra Rb +a Ga"), ("", "+a Ga Gb -a Ra")];

#[test]
fn two_runs_one_interruption() {
    for (before, jobs) in TWO {
        holds(&Scenario::new(before, jobs));
    }
}

#[test]
fn runs_beside_each_other_through_trouble() {
    for (before, jobs) in TWO.iter().chain(&MINDS).chain(&THREE) {
        for trouble in TROUBLES {
            let scenario = Scenario::new(before, jobs).interruptions(3).with(trouble);
            if let Err(wrong) = scenario.some(12) {
                panic!("{wrong}");
            }
        }
    }
}

#[test]
#[ignore = "takes minutes: run it when the workflows change"]
fn all_schedules_of_two_runs() {
    for (before, jobs) in TWO {
        holds(&Scenario::new(before, jobs).interruptions(2));
        for trouble in TROUBLES {
            holds(&Scenario::new(before, jobs).with(trouble));
        }
    }
    for (before, jobs) in MINDS {
        holds(&Scenario::new(before, jobs));
    }
}
