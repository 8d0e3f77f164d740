//! Sources, stores, a portal, and some processes that all work on them.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use dzconn_core::engine::LockKey;
use dzconn_core::event::{Ending, SubscriptionEvent};
use dzconn_core::fulfilment::{Handled, Settings};
use dzconn_core::memory::{MemoryCatalog, MemoryEngine, MemoryTracking, MemoryVault};
use dzconn_core::model::*;
use dzconn_core::portal::Wanted;
use dzconn_core::reconcile::{Mend, Problem, Scope};
use dzconn_core::store::{Key, Record, Stored};
use dzconn_core::testkit::chance;
use dzconn_core::workflow::Outcome;
use dzconn_core::{Engines, ErrorKind, Fulfilment, Result, Secret, Timestamp};

use crate::gate::{Gates, Touches};
use crate::job::{Hand, Job};
use crate::ports::{Behind, Guard};
use crate::truth::{CONNECTIONS, DOMAIN, PRODUCER, TABLES, Truth, id, table};

pub(crate) const PROCESSES: usize = 4;

pub(crate) struct World {
    pub(crate) servers: Vec<MemoryEngine>,
    pub(crate) vault: MemoryVault,
    pub(crate) tracking: MemoryTracking,
    pub(crate) truth: Truth,
    pub(crate) gates: Gates,
    pub(crate) processes: Vec<Fulfilment>,
    without: Option<Guard>,
    tracking_port: Behind<MemoryTracking>,
    stores: [Behind<dzconn_core::memory::MemoryCredentials>; 2],
    catalog: MemoryCatalog,
    /// Its clock is asked and never waited for.
    runtime: tokio::runtime::Runtime,
    _seeded: chance::Seeded,
}

/// What a job has come to: the outcome for each environment, or the kind of error.
pub(crate) type Came = Vec<(String, Result<Outcome, ErrorKind>)>;

impl World {
    pub(crate) fn new(seed: u64, without: Option<Guard>) -> Self {
        let (gates, vault, tracking) = (Gates::default(), MemoryVault::new(), MemoryTracking::new().with_page(2));
        let catalog = MemoryCatalog::new();
        let server = |connection: &&str| {
            let mut source = MemoryEngine::new().source();
            source.connection = id(connection);
            (*connection).clone_into(&mut source.endpoint.host);
            catalog.add(source.clone());
            let server = MemoryEngine::for_source(source);
            for name in TABLES {
                server.add_table(&table(name));
            }
            server.forbid_grant_option(&table("mine"));
            server
        };
        let servers: Vec<_> = CONNECTIONS.iter().map(server).collect();
        let behind = |account: &str, role: &str| {
            Behind::new(vault.account(id(account), id(&format!("arn:aws:iam::{account}:role/{role}"))), &gates, without)
        };
        let stores = [behind(PRODUCER, "producer"), behind(crate::truth::CONSUMER, "reader")];
        let tracking_port = Behind::new(tracking.clone(), &gates, without);
        let mut world = Self {
            servers,
            vault: vault.clone(),
            tracking,
            truth: Truth::default(),
            gates: gates.clone(),
            processes: Vec::new(),
            without,
            tracking_port,
            stores,
            catalog,
            runtime: tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap(),
            _seeded: chance::seed(seed),
        };
        world.processes = (0..PROCESSES).map(|_| world.process()).collect();
        world
    }

    /// A process that has just been started.
    pub(crate) fn process(&self) -> Fulfilment {
        let Self { gates, without, .. } = self;
        let mut settings = Settings::default();
        settings.reader = Some("arn:aws:iam::{account}:role/reader".into());
        settings.deadline = std::time::Duration::from_secs(3600);
        settings.backoff = std::time::Duration::ZERO;
        settings.retries = 4;
        Fulfilment::builder()
            .engines(Engines::new().with(Behind::new(self.servers.clone(), gates, *without)))
            .credentials(self.stores[0].clone())
            .copies(self.stores[1].clone())
            .tracking(self.tracking_port.clone())
            .catalog(Behind::new(self.catalog.clone(), gates, *without))
            .portal(Behind::new(self.truth.clone(), gates, *without))
            .settings(settings)
            .build()
            .unwrap()
    }

    pub(crate) fn server(&self, connection: &str) -> &MemoryEngine {
        self.servers.iter().find(|server| server.source().connection.as_str() == connection).unwrap()
    }

    /// What a job does, as a future that shares nothing with this but what clones share.
    pub(crate) fn work(&self, process: usize, job: &Job) -> impl Future<Output = Came> + use<> {
        let (fulfilment, truth, gates, job) =
            (self.processes[process].clone(), self.truth.clone(), self.gates.clone(), job.clone());
        let (servers, vault, tracking) = (self.servers.clone(), self.vault.clone(), self.tracking.clone());
        async move {
            match job {
                Job::Run { environment, asset, wish } => {
                    let subscription = truth.subscription(environment, asset);
                    let came = match wish {
                        Wanted::Grant => fulfilment.grant(&subscription).await,
                        Wanted::Retain => fulfilment.retain(&subscription).await,
                        Wanted::Revoke => fulfilment.revoke(&subscription).await,
                    };
                    vec![(environment.to_owned(), came.map_err(|error| error.kind()))]
                }
                Job::Event { project, asset, wish } => came(fulfilment.handle(&event(project, asset, wish)).await),
                Job::End { environment } => came(fulfilment.revoke_all(&id(DOMAIN), &id(environment)).await),
                // It changes nobody's access: what it comes to is seen in what the copy holds.
                Job::Rotate { environment, connection } => {
                    let _ = fulfilment.rotate(&id(connection), &id(environment)).await;
                    Vec::new()
                }
                Job::Reconcile => {
                    let Ok(findings) = fulfilment.reconcile(&Scope::default()).await else { return Vec::new() };
                    for finding in findings {
                        let _ = fulfilment.mend(&finding).await;
                    }
                    Vec::new()
                }
                Job::Want { project, asset, says } => {
                    let say = async {
                        truth.say(project, asset, says);
                        Ok(())
                    };
                    let _ = gates.call("(portal)", Touches::Look, say).await;
                    Vec::new()
                }
                Job::Hand { environment, connection, hand } => {
                    let edit = async {
                        by_hand(&servers, &vault, &tracking, environment, connection, hand);
                        Ok(())
                    };
                    let _ = gates.call("(by hand)", Touches::Look, edit).await;
                    Vec::new()
                }
            }
        }
    }

    /// Does something at once, while nobody else does anything.
    pub(crate) fn alone<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        let mut context = Context::from_waker(Waker::noop());
        self.running(None, || {
            for _ in 0..100 {
                if let Poll::Ready(done) = work.as_mut().poll(&mut context) {
                    return done;
                }
            }
            panic!("somebody who is alone waits for somebody else");
        })
    }

    /// Runs a task's code, or nobody's.
    pub(crate) fn running<T>(&self, task: Option<usize>, run: impl FnOnce() -> T) -> T {
        let _in_it = self.runtime.enter();
        self.gates.running(task, run)
    }

    pub(crate) fn break_lock(&self, key: &SourceKey) {
        self.server(key.connection.as_str()).break_lock(&LockKey::new(key));
        self.gates.changed();
    }

    /// A request that was still on its way arrives.
    pub(crate) fn land(&self, at: usize) -> &'static str {
        let (name, request) = self.gates.take_late(at);
        self.alone(request);
        self.gates.changed();
        name
    }

    /// A day goes by: whatever is half done belongs to the dead.
    pub(crate) fn age(&self) {
        for (key, stored) in self.tracking.snapshot().iter() {
            if let Record::Source(source) = &stored.record {
                let source = SourceRecord { last_updated: Timestamp::from_seconds(0), ..source.clone() };
                let aged = Stored { version: stored.version, record: Record::Source(source) };
                self.tracking.insert(key.clone(), aged);
            }
        }
    }

    /// `dzconn reconcile --apply`, until it finds nothing more that it could do; and what is left for people.
    pub(crate) fn reconcile(&self) -> Result<Vec<String>, String> {
        for _ in 0..6 {
            self.age();
            let findings = self.alone(self.processes[0].reconcile(&Scope::default())).map_err(|e| e.to_string())?;
            let (left, todo): (Vec<_>, Vec<_>) =
                findings.into_iter().partition(|finding| matches!(finding.mend, Mend::ByHand(_) | Mend::Nothing));
            if todo.is_empty() {
                // Where a grant has died before it wrote the row, nobody knows the listing: people grant once more.
                let known = |mend: &Mend| matches!(mend, Mend::ByHand(how) if how.contains("once more"));
                let odd = left.iter().find(|left| !known(&left.mend) && left.problem != Problem::Excess);
                return match odd {
                    Some(odd) => Err(format!("reconcile leaves to people: {}: {}", odd.problem, odd.detail)),
                    None => Ok(left.into_iter().map(|left| left.detail).collect()),
                };
            }
            for finding in todo {
                let mended = self.alone(self.processes[0].mend(&finding));
                if let Err(error) = mended
                    && !matches!(error.kind(), ErrorKind::NoGrantOption | ErrorKind::TableNotFound | ErrorKind::Refused)
                {
                    return Err(format!("reconcile could not: {}: {}: {error}", finding.detail, finding.mend));
                }
            }
        }
        Err("reconcile comes to no end".to_owned())
    }
}

fn event(project: &str, asset: &str, wish: Wanted) -> SubscriptionEvent {
    SubscriptionEvent {
        id: None,
        domain: id(DOMAIN),
        project: id(project),
        listing: id(&format!("lst-{asset}")),
        subscription: None,
        ending: match wish {
            Wanted::Grant => None,
            Wanted::Retain => Some(Ending::Retain),
            Wanted::Revoke => Some(Ending::Revoke),
        },
    }
}

fn came(handled: Result<Vec<Handled>>) -> Came {
    let one = |handled| match handled {
        Handled::Done { subscription, result } => {
            (subscription.consumer.environment.to_string(), result.map_err(|error| error.kind()))
        }
        Handled::Failed { error } => (String::new(), Err(error.kind())),
        other => panic!("{other:?}"),
    };
    match handled {
        Ok(handled) => handled.into_iter().map(one).collect(),
        Err(error) => vec![(String::new(), Err(error.kind()))],
    }
}

fn by_hand(
    servers: &[MemoryEngine],
    vault: &MemoryVault,
    tracking: &MemoryTracking,
    environment: &str,
    connection: &str,
    hand: Hand,
) {
    let key = Key::Source(SourceKey { connection: id(connection), environment: id(environment) });
    let record = tracking.snapshot().read(&[key]).unwrap().pop().flatten().map(|stored| stored.record);
    let Some(Record::Source(SourceRecord { generation: Some(living), .. })) = record else { return };
    let server = servers.iter().find(|server| server.source().connection.as_str() == connection).unwrap();
    let producer = id(PRODUCER);
    let held = vault.live().into_iter().find(|(account, name, _)| *account == producer && *name == living.secret);
    let Some((_, name, held)) = held else { return };
    let other = Credentials { password: Secret::new("by hand".into()), ..held };
    server.with(|database| match hand {
        Hand::Password => drop(database.set_password(&other)),
        Hand::DropUser => database.remove_user(&living.user),
        Hand::TakeAway(name) => drop(database.revoke(&living.user, &[table(name)])),
        Hand::Extra(name) => drop(database.grant(&living.user, &table(name), &[])),
        Hand::Rotate => {
            if database.set_password(&other).is_ok() {
                vault.put_raw(&producer, &name, other.to_json());
            }
        }
    });
}

/// The subscription's key, for an asset where it is published now.
pub(crate) fn key(truth: &Truth, environment: &str, asset: &str) -> SourceKey {
    SourceKey { connection: id(truth.spot(asset).0), environment: id(environment) }
}
