//! Who goes on next, and what befalls them: one call of one port at a time, on one thread, so that a schedule is a list of
//! choices and nothing else.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use dzconn_core::ErrorKind;
use dzconn_core::model::SourceKey;

use crate::chance::Chance;
use crate::gate::{Touches, Waiting, Way};
use crate::job::Job;
use crate::truth::environments_of;
use crate::world::{Came, World, key};

/// One step of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// A task's call goes on, in this way.
    Go(usize, Way),
    /// A task's future is dropped at its call; or after the call went this way. With the process, all its tasks go.
    Die { task: usize, first: Option<Way>, process: bool },
    /// The lock is taken away that the task's run has, if it has one.
    LoseLock(usize),
    /// A request that was still on its way arrives.
    Land(usize),
}

/// Makes the choices.
pub(crate) trait Chooser {
    /// Of those that could go on (never none), or otherwise.
    fn choose(&mut self, now: &Now<'_>) -> Choice;
}

/// What can be chosen from.
pub(crate) struct Now<'a> {
    pub(crate) ready: &'a [(usize, Waiting)],
    pub(crate) tasks: &'a [Task],
    /// Who went on last.
    pub(crate) last: Option<usize>,
    /// So many requests are on their way.
    pub(crate) late: usize,
}

pub(crate) struct Task {
    pub(crate) job: Job,
    pub(crate) process: usize,
    future: Option<Pin<Box<dyn Future<Output = Came>>>>,
    woken: Arc<Woken>,
    /// Something was done to it: it may fail.
    pub(crate) troubled: bool,
    pub(crate) came: Option<Came>,
    /// How often the portal had changed its mind about what this is about, when it began.
    pub(crate) said: Option<usize>,
}

impl Task {
    pub(crate) fn lives(&self) -> bool {
        self.future.is_some()
    }

    /// What its runs may lock.
    fn keys(&self, world: &World) -> Vec<SourceKey> {
        let one = |environment, asset| key(&world.truth, environment, asset);
        match self.job {
            Job::Run { environment, asset, .. } => vec![one(environment, asset)],
            Job::Event { project, asset, .. } => environments_of(project).map(|of| one(of, asset)).collect(),
            _ => Vec::new(),
        }
    }
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Watches what happens.
pub(crate) trait Watch {
    /// After each step: what is wrong now.
    fn step(&mut self, world: &World) -> Option<String>;
    /// A task has come to its end.
    fn ended(&mut self, world: &World, task: &Task) -> Option<String>;
}

/// How one schedule went.
#[derive(Debug, Default)]
pub(crate) struct Ran {
    pub(crate) trace: Vec<String>,
    pub(crate) wrong: Option<String>,
    pub(crate) faults: usize,
    pub(crate) deaths: usize,
    pub(crate) late: usize,
}

/// No schedule is longer; one that would be goes round in circles.
const LONGEST: usize = 20_000;

/// Runs jobs, each in a process, until all have ended or died.
pub(crate) fn run(
    world: &mut World,
    jobs: &[(usize, Job)],
    chooser: &mut dyn Chooser,
    watch: &mut dyn Watch,
) -> (Ran, Vec<Task>) {
    let mut tasks: Vec<_> = jobs.iter().map(|(process, job)| begin(world, *process, job)).collect();
    let mut ran = Ran::default();
    let mut last = None;
    ran.wrong = settle(world, &mut tasks, watch);
    while ran.wrong.is_none() && tasks.iter().any(Task::lives) {
        let ready = world.gates.ready();
        if ready.is_empty() {
            let waits = tasks.iter().filter(|task| task.lives()).map(|task| task.job.to_string());
            ran.wrong = Some(format!("nobody can go on: {}", waits.collect::<Vec<_>>().join(", ")));
            break;
        }
        if ran.trace.len() > LONGEST {
            ran.wrong = Some("no end".to_owned());
            break;
        }
        let late = world.gates.late();
        let choice = chooser.choose(&Now { ready: &ready, tasks: &tasks, last, late });
        ran.trace.push(told(world, choice));
        let looks = match choice {
            Choice::Go(task, Way::Go) => {
                world.gates.waits(task).is_some_and(|waiting| waiting.touches == Touches::Look)
            }
            _ => false,
        };
        perform(world, &mut tasks, choice, &mut ran);
        if let Choice::Go(task, _) = choice {
            last = Some(task);
        }
        ran.wrong = settle(world, &mut tasks, watch);
        if ran.wrong.is_none() && !looks {
            ran.wrong = watch.step(world);
        }
    }
    (ran, tasks)
}

fn begin(world: &World, process: usize, job: &Job) -> Task {
    let said = match job {
        Job::Run { environment, asset, .. } => {
            Some(world.truth.history(crate::truth::project_of(environment), asset).len())
        }
        Job::Event { project, asset, .. } => Some(world.truth.history(project, asset).len()),
        _ => None,
    };
    Task {
        job: job.clone(),
        process,
        future: Some(Box::pin(tokio::task::coop::unconstrained(world.work(process, job)))),
        woken: Arc::new(Woken(AtomicBool::new(true))),
        troubled: false,
        came: None,
        said,
    }
}

/// Lets everybody run who can, until all wait at a gate, or for each other.
fn settle(world: &World, tasks: &mut [Task], watch: &mut dyn Watch) -> Option<String> {
    loop {
        let woken = |task: &Task| task.lives() && task.woken.0.swap(false, Ordering::Relaxed);
        let at = tasks.iter().position(woken)?;
        poll(world, tasks, at);
        if tasks[at].came.is_some() && !tasks[at].lives() {
            let wrong = watch.ended(world, &tasks[at]);
            if wrong.is_some() {
                return wrong;
            }
        }
    }
}

fn poll(world: &World, tasks: &mut [Task], at: usize) {
    let task = &mut tasks[at];
    let Some(future) = &mut task.future else { return };
    let waker = Waker::from(Arc::clone(&task.woken));
    let polled = world.running(Some(at), || future.as_mut().poll(&mut Context::from_waker(&waker)));
    if let Poll::Ready(came) = polled {
        task.came = Some(came);
        task.future = None;
        world.gates.changed();
    }
}

fn perform(world: &mut World, tasks: &mut [Task], choice: Choice, ran: &mut Ran) {
    match choice {
        Choice::Go(task, way) => {
            if way != Way::Go {
                ran.faults += 1;
                let touches = world.gates.waits(task).map(|waiting| waiting.touches);
                tasks[task].troubled |= touches != Some(Touches::Source) || !passes(way);
            }
            world.gates.open(task, way);
            tasks[task].woken.0.store(true, Ordering::Relaxed);
        }
        Choice::Die { task, first, process } => {
            ran.deaths += 1;
            if let Some(way) = first {
                world.gates.open(task, way);
                poll(world, tasks, task);
            }
            let of = tasks[task].process;
            for (at, other) in tasks.iter_mut().enumerate() {
                if at == task || process && other.process == of && !other.job.outside() {
                    other.troubled = true;
                    other.future = None;
                }
            }
            if process {
                world.processes[of] = world.process();
            }
            world.gates.changed();
        }
        Choice::LoseLock(task) => {
            ran.faults += 1;
            for key in tasks[task].keys(world) {
                world.break_lock(&key);
            }
        }
        Choice::Land(at) => {
            ran.late += 1;
            world.land(at);
        }
    }
}

/// What a run gets over by itself, if it befalls its session on the source.
fn passes(way: Way) -> bool {
    use ErrorKind::{ConnectionLost, Contention};
    matches!(way, Way::FailBefore(ConnectionLost | Contention) | Way::FailAfter(ConnectionLost | Contention))
}

fn told(world: &World, choice: Choice) -> String {
    let name = |task| world.gates.waits(task).map_or("?", |waiting| waiting.name);
    match choice {
        Choice::Go(task, Way::Go) => format!("#{task} {}", name(task)),
        Choice::Go(task, way) => format!("#{task} {}: {way:?}", name(task)),
        Choice::Die { task, first, process } => {
            let when = match first {
                None => "before",
                Some(Way::Vanish) => "after",
                Some(_) => "with it on its way",
            };
            format!("#{task} {}: {} dies {when}", name(task), if process { "the process" } else { "the run" })
        }
        Choice::LoseLock(task) => format!("#{task} loses the lock at {}", name(task)),
        Choice::Land(at) => format!("late request {at} lands"),
    }
}

/// A fault that makes sense at a call.
pub(crate) fn fault_at(chance: &mut Chance, task: usize, waiting: &Waiting) -> Choice {
    use ErrorKind as K;
    let kinds: &[K] = match waiting.touches {
        Touches::Look => &[K::Throttled, K::Unreachable, K::AdminDenied, K::Timeout],
        Touches::Store => &[K::StoreFailed, K::StoreDenied, K::Timeout],
        Touches::Source => &[K::ConnectionLost, K::Contention, K::AdminDenied, K::Timeout],
        Touches::Lock => &[K::LockTimeout, K::ConnectionLost],
    };
    let die = |chance: &mut Chance, first| Choice::Die { task, first, process: chance.permille(500) };
    match (chance.below(6), waiting.touches) {
        (0, _) => die(chance, None),
        (1, _) => die(chance, Some(Way::Vanish)),
        (2, _) => Choice::Go(task, Way::FailBefore(chance.of(kinds))),
        (3, _) => Choice::Go(task, Way::FailAfter(chance.of(kinds))),
        (4, Touches::Store) => die(chance, Some(Way::Late(None))),
        (_, Touches::Store) => Choice::Go(task, Way::Late(Some(K::StoreFailed))),
        _ => Choice::LoseLock(task),
    }
}
