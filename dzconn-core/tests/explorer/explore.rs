//! Walks every interleaving, breadth first, and finds the shortest way to anything that must not be.
//!
//! A state is a handful of numbers: each part of the world and each run is kept once and numbered, and what a step does to
//! a part is worked out once. So the machines and the stores themselves are walked, at the cost of a table look-up.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::rc::Rc;

use dzconn_core::memory::TrackingState;
use dzconn_core::workflow::{Answer, Effect};

use crate::checks::{self, Moment};
use crate::run::{Outcome, Part, Run};
use crate::scenario::{AfterCrash, Job, Late, RUNS, Scenario};
use crate::show;
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

const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct State {
    tracking: u32,
    vault: u32,
    source: u32,
    runs: [u32; RUNS],
    /// Requests of dead processes, sorted.
    late: [u32; 2],
    lock: Option<u8>,
    /// How far the portal's script has run.
    position: u8,
    crashes: u8,
    lost: u8,
    unanswered: u8,
}

/// One thing that happens.
#[derive(Clone, Copy, Debug)]
enum Act {
    Portal,
    Begin,
    Do,
    Again,
    DoUnanswered,
    LoseLock,
    Crash { consumer_only: bool, in_flight: bool },
    Land(usize),
}

/// Keeps each value once, under a number.
#[derive(Debug)]
struct Numbered<T> {
    numbers: HashMap<Rc<T>, u32>,
    values: Vec<Rc<T>>,
}

impl<T: Eq + Hash> Numbered<T> {
    fn new() -> Self {
        Self { numbers: HashMap::new(), values: Vec::new() }
    }

    fn number(&mut self, value: T) -> u32 {
        if let Some(number) = self.numbers.get(&value) {
            return *number;
        }
        let number = u32::try_from(self.values.len()).unwrap();
        let value = Rc::new(value);
        self.values.push(Rc::clone(&value));
        self.numbers.insert(value, number);
        number
    }

    fn get(&self, number: u32) -> Rc<T> {
        Rc::clone(&self.values[number as usize])
    }
}

/// For keys that are a few small numbers.
#[derive(Debug, Default)]
struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 29)
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, number: u8) {
        self.write_u64(number.into());
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(number.into());
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(5) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }
}

type Map<K, V> = HashMap<K, V, BuildHasherDefault<Mix>>;

struct Explorer<'s> {
    scenario: &'s Scenario,
    tracking: Numbered<TrackingState>,
    vault: Numbered<Vault>,
    source: Numbered<Source>,
    runs: Numbered<Run>,
    effects: Numbered<Effect>,
    answers: Numbered<Answer>,
    /// The pending effect of each run.
    pending: Vec<u32>,
    /// (effect, part of the world, asset's run) → (part of the world, answer)
    performed: Map<(u32, u32, u32), (u32, u32)>,
    /// (run, answer, made) → run
    answered: Map<(u32, u32, bool), u32>,
    /// (tracking, vault, source): nothing wrong
    fine: Map<(u32, u32, u32), bool>,
    occurred: BTreeSet<&'static str>,
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
        pending: Vec::new(),
        performed: Map::default(),
        answered: Map::default(),
        fine: Map::default(),
        occurred: BTreeSet::new(),
    };
    let start = explorer.start();
    explorer.walk(start)
}
