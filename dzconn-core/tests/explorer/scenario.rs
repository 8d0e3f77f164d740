//! What is explored: which runs, on what ground, with which faults.

use std::collections::BTreeMap;

use dzconn_core::ErrorKind;
use dzconn_core::model::{
    AccountId, Asset, AssetId, AssetPath, ConnectionId, Consumer, DomainId, EnvironmentId, Listing, ListingId,
    Location, Owner, Principal, ProjectId, Region, SourceEndpoint, SourceKey, Subscription, TableName, Target,
    UserName, Wanted,
};

use crate::world::{DENIED, MISSING, Rule, Rules, WITHHELD};

/// At most so many runs in one scenario.
pub(crate) const RUNS: usize = 3;

/// One run: what an event or a person asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Job {
    /// Bring about what is wanted for an asset, published as a table.
    Fulfil { wish: Wanted, asset: &'static str, table: &'static str },
    /// Undo what dead runs have left half done to a table.
    Tidy { asset: &'static str, table: &'static str },
    /// The environment ends: take back whatever tracking has for it.
    End,
    /// We rotate.
    Turn,
    /// Somebody else rotates the password of the live secret, as AWS's rotation functions do: without the lock.
    Rotate,
    /// Somebody sets the user's password by hand, and tells nobody.
    Meddle,
}

impl Job {
    /// `Ga`: grant asset a, published as table a. `Rk@a`: revoke asset k, published as table a. `T`: retain. `C`: tidy up.
    /// `E`: end. `P`: rotate. `X`: somebody else rotates. `M`: meddle.
    pub(crate) fn parse(text: &'static str) -> Self {
        let (asset, table) = text[1..].split_once('@').unwrap_or((&text[1..], &text[1..]));
        let wish = match &text[..1] {
            "G" => Wanted::Grant,
            "R" => Wanted::Revoke,
            "T" => Wanted::Retain,
            "C" => return Self::Tidy { asset, table },
            "E" => return Self::End,
            "P" => return Self::Turn,
            "X" => return Self::Rotate,
            "M" => return Self::Meddle,
            _ => panic!("{text} is not a job"),
        };
        Self::Fulfil { wish, asset, table }
    }

    pub(crate) fn grants(&self) -> bool {
        matches!(self, Self::Fulfil { wish: Wanted::Grant, .. })
    }

    /// Whether it takes no access away.
    pub(crate) fn keeps(&self) -> bool {
        self.grants() || self.foreign() || *self == Self::Turn
    }

    /// Whether it is somebody else's work, that touches passwords.
    pub(crate) fn foreign(&self) -> bool {
        matches!(self, Self::Rotate | Self::Meddle)
    }
}

/// An effect that one run can never perform.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Broken {
    pub(crate) run: usize,
    /// The effect's name, as [`crate::show::name`] has it.
    pub(crate) effect: &'static str,
    pub(crate) with: ErrorKind,
}

/// What becomes of a run that died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AfterCrash {
    /// It is run again: from the start, or, if only the consumer's part was left, from there.
    Again,
    /// Nobody ever comes back to it.
    Never,
}

/// Which requests of a dead process may still land, at any time later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Late {
    None,
    /// What creates a secret or a copy.
    Creates,
    /// Every write to a store.
    Writes,
}

/// A question for the explorer.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    /// Granted before anything begins.
    pub(crate) before: Vec<Job>,
    pub(crate) jobs: Vec<Job>,
    /// How far the portal's script must have run before a job can begin.
    pub(crate) from: [usize; RUNS],
    /// The run that must have ended, one way or the other, before a job can begin.
    pub(crate) after: [Option<usize>; RUNS],
    /// What the portal comes to want, in this order, at any time. Without a script it wants what a run was told.
    pub(crate) script: Vec<(&'static str, Wanted)>,
    /// So many processes die.
    pub(crate) crashes: u8,
    pub(crate) after_crash: AfterCrash,
    /// The only run that dies, if not any may.
    pub(crate) mortal: Option<usize>,
    pub(crate) late: Late,
    /// So many sessions lose their lock.
    pub(crate) lost: u8,
    /// So many effects happen without their answer coming through.
    pub(crate) unanswered: u8,
    pub(crate) broken: Option<Broken>,
    /// Whether a run knows from the asset's row at which table the asset is.
    pub(crate) rows_known: bool,
    pub(crate) rules: Rules,
    /// More states than this are not looked at.
    pub(crate) limit: usize,
}

impl Scenario {
    pub(crate) fn new(before: &'static str, jobs: &'static str) -> Self {
        let jobs: Vec<_> = jobs.split_whitespace().map(Job::parse).collect();
        assert!(jobs.len() <= RUNS, "at most {RUNS} runs");
        let begin = if before.is_empty() { "nothing" } else { before };
        Self {
            name: format!("{begin:>9} | {:12}", jobs.iter().map(crate::show::job).collect::<Vec<_>>().join(" ")),
            before: before.split_whitespace().map(Job::parse).collect(),
            jobs,
            from: [0; RUNS],
            after: [None; RUNS],
            script: Vec::new(),
            crashes: 0,
            after_crash: AfterCrash::Again,
            mortal: None,
            late: Late::None,
            lost: 0,
            unanswered: 0,
            broken: None,
            rows_known: true,
            rules: Rules::ALL,
            limit: 400_000,
        }
    }

    fn note(mut self, text: &str) -> Self {
        self.name = format!("{} {text}", self.name);
        self
    }

    pub(crate) fn crashes(mut self, crashes: u8) -> Self {
        self.crashes = crashes;
        self.note(&format!("{crashes} crash"))
    }

    /// One run may die at any point, and is never run again.
    pub(crate) fn never_again(mut self, run: usize) -> Self {
        self.crashes = 1;
        self.after_crash = AfterCrash::Never;
        self.mortal = Some(run);
        self.note(&format!("#{run} may die for good"))
    }

    pub(crate) fn late(mut self, late: Late) -> Self {
        self.late = late;
        self.note(if late == Late::Writes { "late writes" } else { "late creates" })
    }

    pub(crate) fn lost(mut self, lost: u8) -> Self {
        self.lost = lost;
        self.note(&format!("{lost} lock lost"))
    }

    pub(crate) fn unanswered(mut self, unanswered: u8) -> Self {
        self.unanswered = unanswered;
        self.note(&format!("{unanswered} answer lost"))
    }

    pub(crate) fn broken(mut self, run: usize, effect: &'static str, with: ErrorKind) -> Self {
        self.broken = Some(Broken { run, effect, with });
        self.note(&format!("#{run} cannot {effect}"))
    }

    /// One job begins only after another has ended.
    pub(crate) fn order(mut self, first: usize, then: usize) -> Self {
        self.after[then] = Some(first);
        self.note(&format!("#{then} after #{first}"))
    }

    pub(crate) fn rows_unknown(mut self) -> Self {
        self.rows_known = false;
        self.note("rows unknown")
    }

    /// Each job belongs to one change of the portal's mind, and begins any time after it.
    pub(crate) fn portal(mut self, script: &[(&'static str, Wanted)]) -> Self {
        self.script = script.to_vec();
        self.from = [1, 2, 3];
        self.note("portal")
    }

    /// More states are expected than scenarios usually have.
    pub(crate) fn up_to(mut self, states: usize) -> Self {
        self.limit = states;
        self
    }

    /// In a world, or with a driver, that does not keep this rule.
    pub(crate) fn without(mut self, rule: Rule) -> Self {
        self.rules = Rules { without: Some(rule) };
        self.note(&format!("without {rule:?}"))
    }

    /// What the portal wants for an asset, once so much of the script has run.
    pub(crate) fn wanted(&self, asset: &str, position: usize) -> Wanted {
        let said = self.script[..position].iter().rev().find(|(of, _)| *of == asset);
        said.map_or(Wanted::Revoke, |(_, wanted)| *wanted)
    }

    /// Whether a grant of this run can never succeed.
    pub(crate) fn impossible(&self, run: usize) -> bool {
        let table = match &self.jobs[run] {
            Job::Fulfil { table, .. } => *table,
            Job::Tidy { .. } | Job::End | Job::Turn | Job::Rotate | Job::Meddle => return false,
        };
        [MISSING, WITHHELD, DENIED].contains(&table)
    }

    /// Whether this run ends the environment after all others have ended.
    pub(crate) fn ends_last(&self, run: usize) -> bool {
        let follows = |other: usize| {
            let mut before = self.after[run];
            while before.is_some_and(|before| before != other) {
                before = before.and_then(|before| self.after[before]);
            }
            before == Some(other)
        };
        self.jobs[run] == Job::End && (0..self.jobs.len()).all(|other| other == run || follows(other))
    }

    /// Whether this run may fail for good.
    pub(crate) fn may_fail(&self, run: usize) -> bool {
        self.impossible(run) || self.broken.is_some_and(|broken| broken.run == run)
    }

    /// Whether an asset is granted in two places: to move it is to take it back first.
    pub(crate) fn moves(&self) -> bool {
        let places = |of: &Job| match of {
            Job::Fulfil { asset, table, .. } => Some((*asset, *table)),
            Job::Tidy { .. } | Job::End | Job::Turn | Job::Rotate | Job::Meddle => None,
        };
        let all: Vec<_> = self.before.iter().chain(&self.jobs).filter_map(places).collect();
        all.iter().any(|(asset, table)| all.iter().any(|(other, place)| asset == other && table != place))
    }

    /// What is granted after these jobs, one after the other: asset and table. What has failed has changed nothing.
    pub(crate) fn serially(&self, order: &[usize], failed: &[usize]) -> BTreeMap<&'static str, &'static str> {
        let mut granted = BTreeMap::new();
        let before = self.before.iter().map(|job| (job, false));
        for (job, failed) in before.chain(order.iter().map(|&run| (&self.jobs[run], failed.contains(&run)))) {
            match job {
                Job::Fulfil { wish: Wanted::Grant, asset, table } => {
                    // An asset that has moved is taken back first, whether or not it can be granted where it is now.
                    let moved = granted.get(asset).is_some_and(|before| before != table);
                    if moved {
                        granted.remove(asset);
                    }
                    if !failed {
                        granted.insert(*asset, *table);
                    }
                }
                Job::Fulfil { wish: Wanted::Revoke, asset, .. } if !failed => {
                    granted.remove(asset);
                }
                Job::End if !failed => granted.clear(),
                Job::Fulfil { .. } | Job::Tidy { .. } | Job::End | Job::Turn | Job::Rotate | Job::Meddle => {}
            }
        }
        granted
    }
}

pub(crate) fn key() -> SourceKey {
    subscription("a", "a").key()
}

pub(crate) fn table(name: &str) -> TableName {
    TableName::in_database("db", name).unwrap()
}

pub(crate) fn asset(name: &str) -> AssetId {
    AssetId::new(name).unwrap()
}

pub(crate) fn producer() -> AccountId {
    AccountId::new("producer").unwrap()
}

pub(crate) fn consumer() -> AccountId {
    AccountId::new("consumer").unwrap()
}

pub(crate) fn reader() -> Principal {
    Principal::new("consumer/role").unwrap()
}

pub(crate) fn user() -> UserName {
    UserName::new("dz_env").unwrap()
}

pub(crate) fn spare() -> UserName {
    UserName::new("dz_env_b").unwrap()
}

pub(crate) fn endpoint() -> SourceEndpoint {
    SourceEndpoint {
        subprotocol: "mysql".to_owned(),
        host: "db".to_owned(),
        port: 3306,
        instance: None,
        target: Target::Default,
    }
}

pub(crate) fn subscription(asset_id: &str, table: &str) -> Subscription {
    let region = Region::new("r").unwrap();
    Subscription {
        domain: DomainId::new("dom").unwrap(),
        consumer: Consumer {
            project: ProjectId::new("prj").unwrap(),
            environment: EnvironmentId::new("env").unwrap(),
            owner: Owner::new(consumer(), region.clone()),
        },
        asset: Asset { id: asset(asset_id), revision: "1".to_owned(), asset_type: "t".to_owned() },
        listing: Listing { id: ListingId::new("lst").unwrap(), name: "l".to_owned(), revision: "1".to_owned() },
        location: Location {
            connection: ConnectionId::new("con").unwrap(),
            path: AssetPath::new(format!("db.{table}")).unwrap(),
            owner: Owner::new(producer(), region),
        },
        subscription: None,
        event: None,
    }
}
