//! What can happen in a state.

use dzconn_core::model::{AssetId, Wanted};
use dzconn_core::store::{Expect, Key, WriteOutcome};
use dzconn_core::workflow::{Answer, Effect};

use crate::checks::{self, Moment};
use crate::explore::{Act, Explorer, NONE, State, Step, to_be_repeated};
use crate::run::{Outcome, Part, Run};
use crate::scenario::{AfterCrash, Job, Late, Scenario, asset, spare};
use crate::show;
use crate::world::{self, Rule, Side};

/// What performing an effect has come to.
struct Performed {
    state: State,
    answer: u32,
    /// Whether it has left any trace.
    made: bool,
    wrong: Option<String>,
}

impl Explorer<'_> {
    /// Everything that can happen next.
    pub(crate) fn steps(&mut self, state: &State) -> Vec<Step> {
        let mut steps = Vec::new();
        if usize::from(state.position) < self.scenario.script.len() {
            let to = State { position: state.position + 1, ..*state };
            steps.push(Step { to, by: 0, act: Act::Portal, wrong: None });
        }
        for (at, effect) in state.late.into_iter().enumerate().filter(|(_, effect)| *effect != NONE) {
            let Some(Performed { state: mut to, wrong, .. }) = self.perform(state, None, effect) else { continue };
            to.late[at] = NONE;
            to.late.sort_unstable();
            steps.push(Step { to, by: 0, act: Act::Land(at), wrong });
        }
        for (by, run) in Self::present(state) {
            let run = self.runs.get(run);
            match &run.part {
                Part::Waiting | Part::Between => steps.extend(self.begin(state, by)),
                Part::Foreign(foreign) => {
                    let mut vault = (*self.vault.get(state.vault)).clone();
                    let mut source = (*self.source.get(state.source)).clone();
                    let part = foreign.step(&run, &mut vault, &mut source);
                    let mut to = *state;
                    to.vault = self.vault.number(vault);
                    to.source = self.source.number(source);
                    to.runs[by] = self.runs.number(run.now(part));
                    steps.push(Step { to, by, act: Act::Do, wrong: None });
                }
                Part::Producing(..) | Part::Carrying(_) | Part::Consuming(..) => self.work(state, by, &mut steps),
                Part::Over(_) if to_be_repeated(&run) => {
                    let mut to = *state;
                    to.runs[by] = self.runs.number(run.waiting(false));
                    steps.push(Step { to, by, act: Act::Again, wrong: None });
                }
                Part::Over(_) | Part::Dead => {}
            }
        }
        steps
    }

    fn begin(&mut self, state: &State, by: usize) -> Option<Step> {
        let scenario = self.scenario;
        let told = scenario.script.is_empty() || usize::from(state.position) >= scenario.from[by];
        let turn = scenario.after[by].is_none_or(|first| {
            let first = self.runs.get(state.runs[first]);
            first.ended() && !to_be_repeated(&first)
        });
        if !told || !turn {
            return None;
        }
        let key = (state.runs[by], state.tracking);
        let begun = if let Some(begun) = self.begun.get(&key) {
            *begun
        } else {
            let mut run = (*self.runs.get(state.runs[by])).clone();
            run.begin(&self.tracking.get(state.tracking), scenario);
            let begun = self.runs.number(run);
            self.begun.insert(key, begun);
            begun
        };
        let mut to = *state;
        to.runs[by] = begun;
        Some(Step { to, by, act: Act::Begin, wrong: None })
    }

    /// The steps of a run that has begun: its next effect, and what can go wrong with it.
    fn work(&mut self, state: &State, by: usize, steps: &mut Vec<Step>) {
        let effect = self.pending(state.runs[by]).unwrap();
        let holds = state.lock == Some(u8::try_from(by).unwrap());
        let performed = self.perform(state, Some(by), effect);
        if let Some(Performed { state: done, answer, made, wrong }) = performed {
            let to = self.advance(&done, by, answer, made);
            steps.push(Step { to, by, act: Act::Do, wrong });
            if state.unanswered > 0
                && made
                && let Some(to) = self.unanswered(state, &done, by, effect)
            {
                let to = State { unanswered: state.unanswered - 1, ..to };
                steps.push(Step { to, by, act: Act::DoUnanswered, wrong: None });
            }
        }
        if holds && state.lost > 0 {
            let to = State { lock: None, lost: state.lost - 1, ..*state };
            steps.push(Step { to, by, act: Act::LoseLock, wrong: None });
        }
        let may_die = state.crashes > 0 && self.scenario.mortal.is_none_or(|mortal| mortal == by);
        if may_die {
            self.die(state, by, effect, steps);
        }
    }

    /// The effect has happened, and its answer never comes: the session has ended, or the driver tries again. A commit is
    /// not repeated: the driver answers that it has conflicted, so that the run looks again.
    fn unanswered(&mut self, before: &State, done: &State, by: usize, effect: u32) -> Option<State> {
        let effect = &*self.effects.get(effect);
        if world::changes_source(effect) {
            let lost = self.answers.number(Answer::SessionLost);
            return Some(self.advance(&State { lock: None, ..*done }, by, lost, true));
        }
        if matches!(effect, Effect::Commit(_)) {
            let conflict = self.answers.number(Answer::Wrote(WriteOutcome::Conflict));
            return Some(self.advance(done, by, conflict, true));
        }
        // Otherwise it is performed once more, which is something else only if it has changed anything.
        (world::side(effect).is_some() && done != before).then_some(*done)
    }

    fn die(&mut self, state: &State, by: usize, number: u32, steps: &mut Vec<Step>) {
        let (run, effect) = (self.runs.get(state.runs[by]), self.effects.get(number));
        let again = self.scenario.after_crash == AfterCrash::Again;
        // Who has done nothing yet only begins once more.
        if again && *effect == Effect::Lock {
            return;
        }
        let may_land = match self.scenario.late {
            Late::None => false,
            Late::Creates => {
                matches!(*effect, Effect::CreateSecret(..) | Effect::CreateCopy(..) | Effect::Propose(..))
            }
            Late::Writes => match &*effect {
                // Only absence comes back: a record that is begun after all others have ended is what a run leaves behind
                // that died right after it had begun, and is found by the next.
                Effect::Commit(transaction) => transaction
                    .changes
                    .iter()
                    .all(|change| change.expect != Expect::Absent || !matches!(change.key, Key::Source(_))),
                Effect::CreateSecret(..)
                | Effect::Propose(..)
                | Effect::Promote { .. }
                | Effect::Share(..)
                | Effect::Burn(_)
                | Effect::CreateCopy(..)
                | Effect::ReplaceCopy(..)
                | Effect::BurnCopy(_) => true,
                _ => false,
            },
        };
        for in_flight in [false, true] {
            if in_flight && !may_land {
                continue;
            }
            let mut dead = State { crashes: state.crashes - 1, ..*state };
            if dead.lock == Some(u8::try_from(by).unwrap()) {
                dead.lock = None;
            }
            if in_flight {
                let free = dead.late.iter().position(|late| *late == NONE).unwrap();
                dead.late[free] = number;
                dead.late.sort_unstable();
            }
            let mut left = vec![(false, if again { run.waiting(in_flight) } else { run.dead(in_flight) })];
            if again {
                left.extend(run.consumer_again(in_flight, self.scenario.rules).map(|run| (true, run)));
            }
            for (consumer_only, run) in left {
                let mut to = dead;
                to.runs[by] = self.runs.number(run);
                steps.push(Step { to, by, act: Act::Crash { consumer_only, in_flight }, wrong: None });
            }
        }
    }

    /// What a run is about to do.
    fn pending(&mut self, run: u32) -> Option<u32> {
        if let Some(effect) = self.pending.get(&run) {
            return Some(*effect);
        }
        let effect = self.effects.number(self.runs.get(run).effect.clone()?);
        self.pending.insert(run, effect);
        Some(effect)
    }

    /// Performs an effect; `None` while it has to wait. Without a run it is a request that lands late.
    fn perform(&mut self, state: &State, by: Option<usize>, number: u32) -> Option<Performed> {
        let rules = self.scenario.rules;
        let me = by.map(|by| u8::try_from(by).unwrap());
        let effect = self.effects.get(number);
        self.occurred.insert(number);
        let mut done = Performed { state: *state, answer: NONE, made: true, wrong: None };
        let broken =
            self.scenario.broken.filter(|broken| Some(broken.run) == by && broken.effect == show::name(&effect));
        let answer = match (&*effect, broken) {
            (_, Some(broken)) => Some(Answer::Failed(broken.with)),
            // A driver that does only the one of two.
            (Effect::Grant { user, .. }, _)
                if *user == spare() && !rules.keep(Rule::GrantsBoth) && self.fulfils(state, by) =>
            {
                Some(Answer::Done)
            }
            (Effect::Lock, _) => {
                if rules.keep(Rule::Lock) && state.lock.is_some() && state.lock != me {
                    return None;
                }
                done.state.lock = me;
                Some(Answer::Done)
            }
            (Effect::Unlock, _) => {
                if state.lock == me && rules.keep(Rule::Unlock) {
                    done.state.lock = None;
                }
                Some(Answer::Done)
            }
            (effect, _)
                if world::changes_source(effect)
                    && rules.keep(Rule::Lock)
                    && rules.keep(Rule::LockChecked)
                    && state.lock != me =>
            {
                Some(Answer::SessionLost)
            }
            (effect, _) => match by {
                Some(by) if world::side(effect).is_none() => {
                    let run = self.runs.get(state.runs[by]);
                    Some(without_world(effect, &run, self.scenario, state.position.into()))
                }
                _ => None,
            },
        };
        if let Some(answer) = answer {
            done.made = !matches!(answer, Answer::SessionLost | Answer::Failed(_));
            done.answer = self.answers.number(answer);
            return Some(done);
        }
        done.wrong = self.wrong_effect(state, number);
        let side = world::side(&effect).unwrap();
        let part = match side {
            Side::Tracking => &mut done.state.tracking,
            Side::Vault => &mut done.state.vault,
            Side::Source => &mut done.state.source,
        };
        // Only a search depends on who asks.
        let asker = if let (Effect::Find, Some(by)) = (&*effect, by) { state.runs[by] } else { NONE };
        let key = (number, *part, asker);
        let (after, answer) = if let Some(known) = self.performed.get(&key) {
            *known
        } else {
            let known = self.on_world(&effect, side, *part, asker);
            self.performed.insert(key, known);
            known
        };
        *part = after;
        let given = self.answers.get(answer);
        done.made = !world::refused(&given) && !matches!(*given, Answer::Failed(_));
        done.answer = answer;
        Some(done)
    }

    fn fulfils(&self, state: &State, by: Option<usize>) -> bool {
        by.is_some_and(|by| matches!(self.runs.get(state.runs[by]).job, Job::Fulfil { .. }))
    }

    fn on_world(&mut self, effect: &Effect, side: Side, part: u32, asker: u32) -> (u32, u32) {
        let rules = self.scenario.rules;
        let (part, answer) = match side {
            Side::Tracking => {
                let asset = if asker == NONE { asset("none") } else { asset_of(&self.runs.get(asker)) };
                let mut tracking = (*self.tracking.get(part)).clone();
                let answer = world::on_tracking(&mut tracking, effect, &asset, rules);
                (self.tracking.number(tracking), answer)
            }
            Side::Vault => {
                let mut vault = (*self.vault.get(part)).clone();
                let answer = world::on_vault(&mut vault, effect, rules);
                (self.vault.number(vault), answer)
            }
            Side::Source => {
                let mut source = (*self.source.get(part)).clone();
                let answer = world::on_source(&mut source, effect, rules);
                (self.source.number(source), answer)
            }
        };
        (part, self.answers.number(answer))
    }

    fn wrong_effect(&mut self, state: &State, effect: u32) -> Option<String> {
        let key = (effect, state.tracking, state.vault, state.source);
        if self.fine_effects.contains(&key) {
            return None;
        }
        let (tracking, vault, source) =
            (self.tracking.get(state.tracking), self.vault.get(state.vault), self.source.get(state.source));
        let steady = self.scenario.late != Late::Writes && self.scenario.lost == 0;
        let wrong = checks::effect(
            &Moment { tracking: &tracking, vault: &vault, source: &source },
            &self.effects.get(effect),
            steady,
        );
        if wrong.is_none() {
            self.fine_effects.insert(key);
        }
        wrong
    }

    /// Tells a run its answer. Effects that neither see nor change anything that can change are performed along with it.
    fn advance(&mut self, state: &State, by: usize, answer: u32, made: bool) -> State {
        let mut to = *state;
        let (mut answer, mut made) = (answer, made);
        loop {
            let key = (to.runs[by], answer, made);
            let after = if let Some(after) = self.answered.get(&key) {
                *after
            } else {
                let run = self.told(to.runs[by], answer, made);
                let after = self.runs.number(run);
                self.answered.insert(key, after);
                after
            };
            to.runs[by] = after;
            let run = self.runs.get(after);
            let me = u8::try_from(by).unwrap();
            // Whoever has done with the source gives its session back, or drops it.
            if to.lock == Some(me) && self.scenario.rules.keep(Rule::Unlock) && !matches!(run.part, Part::Producing(..))
            {
                to.lock = None;
            }
            let constant = match &run.effect {
                Some(Effect::Resolve(_)) => true,
                Some(Effect::Ask) => self.scenario.script.is_empty(),
                _ => false,
            };
            let Some(effect) = self.pending(after).filter(|_| constant) else { return to };
            let Some(performed) = self.perform(&to, Some(by), effect) else { return to };
            (to, answer, made) = (performed.state, performed.answer, performed.made);
        }
    }

    fn told(&self, run: u32, answer: u32, made: bool) -> Run {
        let mut run = (*self.runs.get(run)).clone();
        let answer = (*self.answers.get(answer)).clone();
        match answer {
            Answer::Failed(kind) if !self.scenario.rules.keep(Rule::Undo) => {
                run = run.now(Part::Over(Outcome::Failed { kind, undone: false }));
            }
            answer => run.answer(answer, made, self.scenario.rules),
        }
        run
    }

    /// A step in words.
    pub(crate) fn describe(&mut self, state: &State, by: usize, act: Act) -> String {
        let run = state.runs.get(by).filter(|run| **run != NONE).map(|run| self.runs.get(*run));
        let who = run.as_ref().map_or(String::new(), |run| format!("#{by} {}", show::job(&run.job)));
        let doing = run.as_ref().and_then(|run| run.effect.as_ref()).map_or("goes on".to_owned(), show::effect);
        match act {
            Act::Portal => {
                let (asset, wanted) = &self.scenario.script[usize::from(state.position)];
                format!("portal: {asset} {wanted:?}")
            }
            Act::Begin => format!("{who}: begins"),
            Act::Again => format!("{who}: is tried again"),
            Act::LoseLock => format!("{who}: loses its lock"),
            Act::DoUnanswered => format!("{who}: {doing} → no answer comes"),
            Act::Crash { consumer_only, in_flight } => format!(
                "{who}: CRASHES before {doing}{}{}",
                if in_flight { ", which is in flight" } else { "" },
                if consumer_only { "; the consumer's part is run again" } else { "" }
            ),
            Act::Land(at) => {
                let effect = self.effects.get(state.late[at]);
                format!("late: {}", show::effect(&effect))
            }
            Act::Do => {
                let effect = self.pending(state.runs[by]);
                let performed = effect.and_then(|effect| self.perform(state, Some(by), effect));
                let answer = performed.map(|done| show::answer(&self.answers.get(done.answer)));
                format!("{who}: {doing} → {}", answer.unwrap_or_default())
            }
        }
    }
}

/// What the portal and the catalogue of tables answer.
pub(crate) fn without_world(effect: &Effect, run: &Run, scenario: &Scenario, position: usize) -> Answer {
    match (effect, &run.job) {
        (Effect::Ask, Job::Fulfil { asset, .. }) if !scenario.script.is_empty() => {
            Answer::Wanted(scenario.wanted(asset, position))
        }
        (Effect::Ask, Job::Fulfil { wish, .. }) => Answer::Wanted(*wish),
        // The project is subscribed still.
        (Effect::Ask, Job::End) => Answer::Wanted(Wanted::Grant),
        (Effect::Resolve(path), _) => world::resolve(path),
        _ => Answer::Done,
    }
}

pub(crate) fn asset_of(run: &Run) -> AssetId {
    match &run.job {
        Job::Fulfil { asset: name, .. } | Job::Tidy { asset: name, .. } => asset(name),
        Job::End => run.about().unwrap_or_else(|| asset("none")),
        Job::Turn | Job::Rotate | Job::Meddle => asset("none"),
    }
}
