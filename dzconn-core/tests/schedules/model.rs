//! The reference: who may read what when all is quiet, by what the portal has said and by what was asked for. It knows
//! nothing of users, secrets and records.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use dzconn_core::portal::Wanted;
use dzconn_core::workflow::Outcome;
use dzconn_core::{ErrorKind, Result};

use crate::chance::Chance;
use crate::check::{self, Books, ByHand};
use crate::job::{Hand, Job};
use crate::schedule::{self, Chooser, Ran, Task, Watch};
use crate::truth::{ASSETS, Says, Truth, possible, project_of};
use crate::world::World;

/// An environment and an asset.
type Pair = (&'static str, &'static str);

/// Connection, table, and whether it is retained.
type Access = (String, String, bool);

#[derive(Debug, Default)]
pub(crate) struct Model {
    /// What was there when all was quiet last.
    access: BTreeMap<Pair, Access>,
    /// How much the portal had said by then, of a project and an asset.
    said: BTreeMap<Pair, usize>,
    /// What somebody has worked on since.
    pub(crate) touched: BTreeSet<Pair>,
    ended: BTreeSet<&'static str>,
    /// Assets whose path has come to be written otherwise, though it means the same table: they have moved all the same.
    pub(crate) respelled: BTreeSet<&'static str>,
    by_hand: ByHand,
    /// Granted by hand: connection, environment, table.
    extra: BTreeSet<(String, String, String)>,
}

/// What was seen on the way.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) schedules: u64,
    pub(crate) runs: u64,
    pub(crate) calls: u64,
    pub(crate) faults: u64,
    pub(crate) deaths: u64,
    pub(crate) late: u64,
    pub(crate) quiet: u64,
    pub(crate) came: BTreeMap<&'static str, u64>,
    pub(crate) shapes: HashSet<u64>,
}

/// A world, and what is known of it.
pub(crate) struct Walk {
    pub(crate) world: World,
    pub(crate) model: Model,
}

struct Watching<'a> {
    model: &'a Model,
    seen: &'a mut Seen,
    /// Nobody works by hand, and no environment ends, beside these runs.
    calm: bool,
}

impl Model {
    /// Assets that somebody still reads where they were before they moved.
    pub(crate) fn elsewhere(&self, truth: &Truth) -> BTreeSet<&'static str> {
        let all = self.access.iter().filter(|((_, asset), before)| self.has_moved(truth, asset, before));
        all.map(|((_, asset), _)| *asset).collect()
    }

    /// Whether it is published elsewhere than where somebody reads it.
    fn has_moved(&self, truth: &Truth, asset: &str, before: &Access) -> bool {
        let (connection, table) = truth.spot(asset);
        self.respelled.contains(asset) || (before.0.as_str(), &before.1) != (connection, &table.to_lowercase())
    }
}

impl Walk {
    pub(crate) fn new(world: World) -> Self {
        Self { world, model: Model::default() }
    }

    /// Runs jobs beside each other.
    pub(crate) fn run(&mut self, jobs: &[(usize, Job)], chooser: &mut dyn Chooser, seen: &mut Seen) -> Ran {
        let jobs: Vec<_> = jobs.iter().filter(|(_, job)| self.admits(job, jobs)).cloned().collect();
        for (_, job) in &jobs {
            self.model.touched.extend(job.touches());
            if let Job::Hand { environment, connection, hand } = job {
                self.model.by_hand.keys.insert((connection.to_string(), environment.to_string()));
                if let Hand::Extra(table) = hand {
                    self.model.extra.insert((connection.to_string(), environment.to_string(), table.to_string()));
                }
            }
            if let Job::End { environment } = job {
                self.model.ended.insert(environment);
            }
        }
        let calm = self.model.by_hand.keys.is_empty() && self.model.ended.is_empty();
        let mut watching = Watching { model: &self.model, seen, calm };
        let (ran, tasks) = schedule::run(&mut self.world, &jobs, chooser, &mut watching);
        seen.schedules += 1;
        seen.runs += tasks.iter().filter(|task| !task.job.outside()).count() as u64;
        seen.calls += ran.trace.len() as u64;
        seen.faults += ran.faults as u64;
        seen.deaths += ran.deaths as u64;
        seen.late += ran.late as u64;
        // Whoever still stands at a gate goes, before what it holds does.
        drop(tasks);
        ran
    }

    /// What was taken from a user by hand is given back by grants only: where access is retained, nobody would.
    fn admits(&self, job: &Job, beside: &[(usize, Job)]) -> bool {
        let retains = |says: Says| says == Says::Wanted(Wanted::Retain);
        let Job::Hand { .. } = job else { return true };
        let truth = &self.world.truth;
        let said = crate::truth::ENVIRONMENTS
            .iter()
            .any(|(_, project)| ASSETS.iter().any(|(asset, ..)| retains(truth.says(project, asset))));
        let about_to = beside.iter().any(|(_, job)| match job {
            Job::Want { says, .. } => retains(*says),
            Job::End { .. } => true,
            _ => false,
        });
        !said && !about_to && self.model.access.values().all(|(.., retained)| !retained)
    }

    /// Lets everything that was touched be repeated once, alone and without misfortune, and compares what is there then with
    /// what must be.
    pub(crate) fn quiesce(&mut self, chance: &mut Chance, seen: &mut Seen) -> Result<(), String> {
        seen.quiet += 1;
        let land_first = chance.permille(500);
        if land_first {
            self.land(seen)?;
        }
        if chance.permille(300) {
            self.reconcile()?;
        }
        let mut touched: Vec<_> = std::mem::take(&mut self.model.touched).into_iter().collect();
        for at in (1..touched.len()).rev() {
            touched.swap(at, chance.below(at + 1));
        }
        let ended = std::mem::take(&mut self.model.ended);
        for &environment in &ended {
            self.end(environment)?;
            touched.retain(|(of, _)| *of != environment);
        }
        self.repeat(&touched, chance)?;
        if !self.model.extra.is_empty() {
            self.reconcile()?;
            self.model.extra.clear();
        }
        self.model.by_hand.keys.clear();
        self.compare(&touched)?;
        if self.world.gates.late() > 0 {
            // Only absence comes back: what lands now may begin a record, as if its run had died only now. It must be
            // harmless, and go with the next repetition.
            self.land(seen)?;
            ended.iter().try_for_each(|&environment| self.end(environment))?;
            self.repeat(&touched, chance)?;
            self.compare(&[])?;
        }
        for (_, project) in crate::truth::ENVIRONMENTS {
            for (asset, ..) in ASSETS {
                self.model.said.insert((project, asset), self.world.truth.history(project, asset).len());
            }
        }
        Ok(())
    }

    fn repeat(&self, touched: &[Pair], chance: &mut Chance) -> Result<(), String> {
        for &(environment, asset) in touched {
            let says = self.world.truth.says(project_of(environment), asset);
            let job = Job::Run { environment, asset, wish: says.wish() };
            let came = self.world.alone(self.world.work(chance.below(self.world.processes.len()), &job));
            for (_, came) in &came {
                as_expected(says, asset, came).map_err(|wrong| format!("alone, {job}: {wrong}"))?;
            }
        }
        Ok(())
    }

    fn land(&mut self, seen: &mut Seen) -> Result<(), String> {
        while self.world.gates.late() > 0 {
            let name = self.world.land(0);
            seen.late += 1;
            let books = Books::of(&self.world);
            if let Some(wrong) = check::moment(&self.world, &books, &self.model.by_hand) {
                return Err(format!("after a late {name}: {wrong}"));
            }
        }
        Ok(())
    }

    /// After `dzconn reconcile --apply` nothing is half done, and nobody reads what is not wanted, as far as rows say
    /// which listing an asset has.
    fn reconcile(&mut self) -> Result<(), String> {
        self.world.reconcile()?;
        let books = Books::of(&self.world);
        if let Some(half) = books
            .sources
            .values()
            .find(|source| !source.open.is_empty() || !source.revoked.is_empty() || !source.retired.is_empty())
        {
            return Err(format!("reconcile has left {} half done", half.key));
        }
        let ended = &self.model.ended;
        for (environment, asset, ..) in books.access() {
            let says = self.world.truth.says(project_of(&environment), &asset);
            let row =
                books.rows.iter().any(|row| row.environment.as_str() == environment && row.asset.as_str() == asset);
            let unwanted = matches!(says, Says::Refused | Says::Wanted(Wanted::Revoke));
            if row && unwanted && !ended.contains(environment.as_str()) {
                return Err(format!("reconcile has left {asset} to {environment}, and it is not wanted"));
            }
        }
        Ok(())
    }

    fn end(&mut self, environment: &'static str) -> Result<(), String> {
        let came = self.world.alone(self.world.work(0, &Job::End { environment }));
        if let Some((_, Err(kind))) = came.iter().find(|(_, came)| came.is_err()) {
            return Err(format!("alone, {environment} ends: {kind}"));
        }
        self.model.access.retain(|(of, _), _| *of != environment);
        let books = Books::of(&self.world);
        let of = |key: &dzconn_core::model::SourceKey| key.environment.as_str() == environment;
        let left = books.sources.keys().any(of) || books.rows.iter().any(|r| r.environment.as_str() == environment);
        if left { Err(format!("{environment} has ended, and something is left")) } else { Ok(()) }
    }

    fn compare(&mut self, touched: &[Pair]) -> Result<(), String> {
        let books = Books::of(&self.world);
        let wrong = check::moment(&self.world, &books, &self.model.by_hand);
        if let Some(wrong) = wrong.or_else(|| check::quiet(&self.world, &books, &self.model.extra)) {
            return Err(format!("when all is quiet: {wrong}"));
        }
        let mut is: BTreeMap<Pair, Access> = BTreeMap::new();
        for (environment, asset, connection, table, retained) in books.access() {
            let pair = pair(&environment, &asset);
            if is.insert(pair, (connection, table, retained)).is_some() {
                return Err(format!("{pair:?} is granted twice"));
            }
        }
        for &pair in touched {
            match self.must(pair, is.get(&pair))? {
                Some(access) => self.model.access.insert(pair, access),
                None => self.model.access.remove(&pair),
            };
        }
        if is == self.model.access {
            return Ok(());
        }
        Err(format!("when all is quiet: access is {is:?} and must be {:?}", self.model.access))
    }

    /// What must be there after a repetition; where several serial orders of what has happened end differently, what is.
    fn must(&self, pair: Pair, is: Option<&Access>) -> Result<Option<Access>, String> {
        let (environment, asset) = pair;
        let project = project_of(environment);
        let (connection, table) = self.world.truth.spot(asset);
        let before = self.model.access.get(&pair);
        Ok(match self.world.truth.says(project, asset) {
            Says::Wanted(Wanted::Grant) if possible(asset) => {
                Some((connection.to_owned(), table.to_lowercase(), false))
            }
            Says::Refused | Says::Wanted(Wanted::Grant | Wanted::Revoke) => None,
            Says::Wanted(Wanted::Retain) => {
                let history = self.world.truth.history(project, asset);
                let from = self.model.said.get(&(project, asset)).copied().unwrap_or_default();
                let since = &history[from.saturating_sub(1).min(history.len())..];
                let granted = since.contains(&Says::Wanted(Wanted::Grant));
                let taken = since.iter().any(|says| matches!(says, Says::Refused | Says::Wanted(Wanted::Revoke)));
                match (before, is) {
                    // One that has moved is taken back first, whatever becomes of its grant.
                    (Some(before), None)
                        if !(taken || granted && self.model.has_moved(&self.world.truth, asset, before)) =>
                    {
                        return Err(format!("{asset} of {environment} is to be retained, and is gone: {before:?}"));
                    }
                    (None, Some(_)) if !granted => {
                        return Err(format!("{asset} of {environment} was not there to be retained, and is"));
                    }
                    (_, Some((.., false))) => {
                        return Err(format!("{asset} of {environment} is not marked as retained"));
                    }
                    (_, is) => is.cloned(),
                }
            }
        })
    }
}

fn pair(environment: &str, asset: &str) -> Pair {
    let environment = crate::truth::ENVIRONMENTS.iter().find(|(of, _)| *of == environment).unwrap().0;
    (environment, ASSETS.iter().find(|(of, ..)| *of == asset).unwrap().0)
}

/// Whether this is what must come of a run that nobody disturbs.
fn as_expected(says: Says, asset: &str, came: &Result<Outcome, ErrorKind>) -> Result<(), String> {
    let right = match (says, came) {
        (Says::Refused, Err(kind)) => *kind == ErrorKind::Refused,
        (Says::Wanted(Wanted::Grant), Ok(Outcome::Granted(_))) => possible(asset),
        (Says::Wanted(Wanted::Grant), Err(kind)) => {
            !possible(asset) && matches!(kind, ErrorKind::NoGrantOption | ErrorKind::TableNotFound)
        }
        (Says::Wanted(Wanted::Retain), Ok(came)) => !matches!(came, Outcome::Granted(_)),
        (Says::Wanted(Wanted::Revoke), Ok(came)) => !matches!(came, Outcome::Granted(_) | Outcome::Retained(_)),
        _ => false,
    };
    if right { Ok(()) } else { Err(format!("{says:?} came to {came:?}")) }
}

impl Watch for Watching<'_> {
    fn step(&mut self, world: &World) -> Option<String> {
        let books = Books::of(world);
        for burnt in world.gates.burnt() {
            let living = |source: &&dzconn_core::model::SourceRecord| {
                source.phase == dzconn_core::model::Phase::Active
                    && source.generation.iter().any(|living| living.secret == burnt || living.copy == burnt)
            };
            if books.sources.values().any(|source| living(&source)) {
                return Some(format!("a living secret is burnt: {burnt}"));
            }
        }
        self.seen.shapes.insert(check::shape(world, &books));
        check::moment(world, &books, &self.model.by_hand)
    }

    fn ended(&mut self, world: &World, task: &Task) -> Option<String> {
        let (project, asset) = match task.job {
            Job::Run { environment, asset, .. } => (project_of(environment), asset),
            Job::Event { project, asset, .. } => (project, asset),
            _ => return None,
        };
        // What the portal has said all the time since the run began, the run must have brought about.
        let history = world.truth.history(project, asset);
        let steady = task.said == Some(history.len());
        let says = world.truth.says(project, asset);
        for (environment, came) in task.came.iter().flatten() {
            *self.seen.came.entry(word(came)).or_default() += 1;
            match came {
                Err(kind) => {
                    let refused = *kind == ErrorKind::Refused && history.contains(&Says::Refused);
                    let impossible = matches!(kind, ErrorKind::NoGrantOption | ErrorKind::TableNotFound);
                    if self.calm && !task.troubled && !refused && (!impossible || possible(asset)) {
                        return Some(format!("{} failed, though nothing had: {kind}", task.job));
                    }
                }
                Ok(Outcome::Granted(granted)) if self.calm && steady && says == Says::Wanted(Wanted::Grant) => {
                    let server = world.server(world.truth.spot(asset).0);
                    if !server.read_as(&granted.credentials, &granted.table) {
                        return Some(format!("{} says granted, and {environment} cannot read it", task.job));
                    }
                }
                Ok(_) if self.calm && steady && says == Says::Wanted(Wanted::Revoke) => {
                    if Books::of(world).holds(environment, asset) {
                        return Some(format!("{} is done, and {environment} still has it", task.job));
                    }
                }
                Ok(_) => {}
            }
        }
        None
    }
}

fn word(came: &Result<Outcome, ErrorKind>) -> &'static str {
    match came {
        Ok(Outcome::Granted(_)) => "granted",
        Ok(Outcome::Retained(_)) => "retained",
        Ok(Outcome::Revoked(_)) => "revoked",
        Ok(Outcome::Superseded) => "superseded",
        Ok(_) => "something else",
        Err(_) => "failed",
    }
}
