//! Walks every interleaving, breadth first, and finds the shortest way to anything that must not be.
//!
//! A state is a handful of numbers: each part of the world and each run is kept once and numbered, and what a step does to
//! a part is worked out once. So the machines and the stores themselves are walked, at the cost of a table look-up.

use std::collections::BTreeSet;

use dzconn_core::memory::TrackingState;
use dzconn_core::workflow::{Answer, Effect};

use crate::checks::{self, Moment};
use crate::numbered::{Map, Numbered, Set};
use crate::run::{Outcome, Part, Run};
use crate::scenario::{Job, RUNS, Scenario};
use crate::show;
use crate::steps::{asset_of, without_world};
use crate::world::{self, Side, Source, Vault};

/// What was found.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) states: usize,
    pub(crate) steps: usize,
    pub(crate) ends: usize,
    /// The effects that occurred.
    pub(crate) effects: BTreeSet<&'static str>,
    pub(crate) wrong: Option<Wrong>,
}

/// Something that must not be, and how it comes about.
#[derive(Debug)]
pub(crate) struct Wrong {
    pub(crate) what: Vec<String>,
    pub(crate) trace: Vec<String>,
    pub(crate) world: Vec<String>,
}

pub(crate) const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) tracking: u32,
    pub(crate) vault: u32,
    pub(crate) source: u32,
    pub(crate) runs: [u32; RUNS],
    /// Requests of dead processes, sorted.
    pub(crate) late: [u32; 2],
    pub(crate) lock: Option<u8>,
    /// How far the portal's script has run.
    pub(crate) position: u8,
    pub(crate) crashes: u8,
    pub(crate) lost: u8,
    pub(crate) unanswered: u8,
}

/// One thing that happens.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    Portal,
    Begin,
    Do,
    Again,
    DoUnanswered,
    LoseLock,
    Crash { consumer_only: bool, in_flight: bool },
    Land(usize),
}

pub(crate) struct Explorer<'s> {
    pub(crate) scenario: &'s Scenario,
    pub(crate) tracking: Numbered<TrackingState>,
    pub(crate) vault: Numbered<Vault>,
    pub(crate) source: Numbered<Source>,
    pub(crate) runs: Numbered<Run>,
    pub(crate) effects: Numbered<Effect>,
    pub(crate) answers: Numbered<Answer>,
    /// run → its pending effect
    pub(crate) pending: Map<u32, u32>,
    /// (effect, part of the world, run) → (part of the world, answer)
    pub(crate) performed: Map<(u32, u32, u32), (u32, u32)>,
    /// (run, answer, made) → run
    pub(crate) answered: Map<(u32, u32, bool), u32>,
    /// (run, tracking) → run
    pub(crate) begun: Map<(u32, u32), u32>,
    /// (tracking, vault, source) that were looked at, and nothing was wrong
    pub(crate) fine: Set<(u32, u32, u32)>,
    /// (effect, tracking, vault, source), likewise
    pub(crate) fine_effects: Set<(u32, u32, u32, u32)>,
    pub(crate) occurred: Set<u32>,
}

/// A step: where it leads, who takes it, and what is wrong with it.
pub(crate) struct Step {
    pub(crate) to: State,
    pub(crate) by: usize,
    pub(crate) act: Act,
    pub(crate) wrong: Option<String>,
}

/// Explores one scenario.
pub(crate) fn explore(scenario: &Scenario) -> Report {
    let mut explorer = Explorer {
        scenario,
        tracking: Numbered::new(),
        vault: Numbered::new(),
        source: Numbered::new(),
        runs: Numbered::new(),
        effects: Numbered::new(),
        answers: Numbered::new(),
        pending: Map::default(),
        performed: Map::default(),
        answered: Map::default(),
        begun: Map::default(),
        fine: Set::default(),
        fine_effects: Set::default(),
        occurred: Set::default(),
    };
    let start = explorer.start();
    explorer.walk(start)
}

impl Explorer<'_> {
    fn walk(&mut self, start: State) -> Report {
        let mut seen = Map::from_iter([(start, 0_u32)]);
        let mut states = vec![start];
        let mut parents = vec![(0_u32, 0_usize, Act::Do)];
        let mut edges: Vec<(u32, u32)> = Vec::new();
        let mut ends = Vec::new();
        let mut wrong = None;
        let mut at = 0;
        while at < states.len() && wrong.is_none() {
            let (state, number) = (states[at], u32::try_from(at).unwrap());
            let mut found = self.at_moment(&state);
            if self.is_end(&state) {
                ends.push(number);
                found.extend(self.at_end(&state));
            }
            if !found.is_empty() {
                wrong = Some((found, number, None));
                break;
            }
            for step in self.steps(&state) {
                if let Some(what) = step.wrong {
                    wrong.get_or_insert((vec![what], number, Some((step.by, step.act))));
                }
                let next = u32::try_from(states.len()).unwrap();
                let to = *seen.entry(step.to).or_insert(next);
                if to == next {
                    states.push(step.to);
                    parents.push((number, step.by, step.act));
                }
                edges.push((number, to));
            }
            at += 1;
            if states.len() > self.scenario.limit {
                wrong.get_or_insert((vec!["too many states".to_owned()], number, None));
            }
        }
        if wrong.is_none() {
            wrong = endless(states.len(), &edges, &ends)
                .map(|stuck| (vec!["from here no end can be reached any more".to_owned()], stuck, None));
        }
        let wrong = wrong.map(|(what, number, last)| {
            let mut path = Vec::new();
            let mut here = number;
            while here != 0 {
                let (from, by, act) = parents[here as usize];
                path.push((from, by, act));
                here = from;
            }
            path.reverse();
            path.extend(last.map(|(by, act)| (number, by, act)));
            let trace =
                path.into_iter().map(|(from, by, act)| self.describe(&states[from as usize], by, act)).collect();
            let State { tracking, vault, source, .. } = states[number as usize];
            let world = show::world(&self.tracking.get(tracking), &self.vault.get(vault), &self.source.get(source));
            Wrong { what, trace, world }
        });
        let effects = self.occurred.iter().map(|effect| show::name(&self.effects.get(*effect))).collect();
        Report { states: states.len(), steps: edges.len(), ends: ends.len(), effects, wrong }
    }

    /// The world before anything begins: what is granted by then was granted in peace.
    fn start(&mut self) -> State {
        let peace = Scenario { script: Vec::new(), rules: world::Rules::ALL, ..self.scenario.clone() };
        let (mut tracking, mut vault, mut source) = (TrackingState::default(), Vault::default(), Source::default());
        for (number, job) in (100..).zip(&peace.before) {
            let mut run = Run::new(number, job.clone());
            run.begin(&tracking, &peace);
            while let Some(effect) = run.effect.clone() {
                let answer = match world::side(&effect) {
                    None => without_world(&effect, &run, &peace, 0),
                    Some(Side::Tracking) => world::on_tracking(&mut tracking, &effect, &asset_of(&run), peace.rules),
                    Some(Side::Vault) => world::on_vault(&mut vault, &effect, peace.rules),
                    Some(Side::Source) => world::on_source(&mut source, &effect, peace.rules),
                };
                run.answer(answer, true, peace.rules);
            }
            while let Part::Foreign(foreign) = &run.part {
                run.part = foreign.step(&run, &mut vault, &mut source);
            }
            assert!(
                matches!(run.part, Part::Over(Outcome::Granted | Outcome::Rotated | Outcome::Foreign)),
                "{job:?} before"
            );
        }
        let mut runs = [NONE; RUNS];
        for (at, job) in peace.jobs.iter().enumerate() {
            runs[at] = self.runs.number(Run::new(u8::try_from(at).unwrap(), job.clone()));
        }
        State {
            tracking: self.tracking.number(tracking),
            vault: self.vault.number(vault),
            source: self.source.number(source),
            runs,
            late: [NONE; 2],
            lock: None,
            position: 0,
            crashes: peace.crashes,
            lost: peace.lost,
            unanswered: peace.unanswered,
        }
    }

    pub(crate) fn present(state: &State) -> impl Iterator<Item = (usize, u32)> + use<> {
        state.runs.into_iter().enumerate().filter(|(_, run)| *run != NONE)
    }

    fn is_end(&self, state: &State) -> bool {
        usize::from(state.position) == self.scenario.script.len()
            && state.late == [NONE; 2]
            && Self::present(state).all(|(_, run)| {
                let run = self.runs.get(run);
                run.ended() && !to_be_repeated(&run)
            })
    }

    fn at_moment(&mut self, state: &State) -> Vec<String> {
        let key = (state.tracking, state.vault, state.source);
        if self.fine.contains(&key) {
            return Vec::new();
        }
        let (tracking, vault, source) =
            (self.tracking.get(state.tracking), self.vault.get(state.vault), self.source.get(state.source));
        let moment = Moment { tracking: &tracking, vault: &vault, source: &source };
        let found = checks::moment(&moment, self.scenario.jobs.iter().chain(&self.scenario.before).any(Job::foreign));
        if found.is_empty() {
            self.fine.insert(key);
        }
        found
    }

    fn at_end(&self, state: &State) -> Vec<String> {
        let (tracking, vault, source) =
            (self.tracking.get(state.tracking), self.vault.get(state.vault), self.source.get(state.source));
        let moment = Moment { tracking: &tracking, vault: &vault, source: &source };
        let runs: Vec<_> = Self::present(state).map(|(_, run)| self.runs.get(run)).collect();
        checks::end(&moment, &runs.iter().map(|run| &**run).collect::<Vec<_>>(), self.scenario)
    }
}

/// A state from which no end can be reached.
fn endless(states: usize, edges: &[(u32, u32)], ends: &[u32]) -> Option<u32> {
    // Where each state is come from, as one list cut into pieces.
    let mut starts = vec![0_u32; states + 1];
    for (_, to) in edges {
        starts[*to as usize + 1] += 1;
    }
    for at in 0..states {
        starts[at + 1] += starts[at];
    }
    let mut filled = starts.clone();
    let mut from = vec![0_u32; edges.len()];
    for (source, to) in edges {
        from[filled[*to as usize] as usize] = *source;
        filled[*to as usize] += 1;
    }
    let mut ending = vec![false; states];
    let mut todo = ends.to_vec();
    while let Some(state) = todo.pop() {
        if std::mem::replace(&mut ending[state as usize], true) {
            continue;
        }
        todo.extend(&from[starts[state as usize] as usize..starts[state as usize + 1] as usize]);
    }
    ending.iter().position(|ends| !ends).map(|state| u32::try_from(state).unwrap())
}

/// A failure that may pass is tried again by whoever started the run.
pub(crate) fn to_be_repeated(run: &Run) -> bool {
    matches!(run.part, Part::Over(Outcome::Failed { kind, .. }) if kind.is_retryable())
}
