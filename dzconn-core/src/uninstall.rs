//! The end of an installation: everything that dzconn has granted is taken back, every environment is put back as the portal made
//! it, and then it is looked for what remains.
//!
//! Nothing is believed of what was done: [`Uninstaller::run`] looks again in tracking, in the secret stores and in the sources, and
//! [`Uninstalled::left`] is what it found there. What is dzconn's is known as in [`reconcile`](crate::reconcile); nothing else is
//! touched. It may be repeated, after a crash too: it begins with what is there by then.
//!
//! Environments are those that records name and that the portal shows to the caller. Two installations in one domain and account
//! are not told apart by their equipment, nor by the secrets of an environment that both serve: ending one takes the other's.
//!
//! What no record speaks of any more it can only find where it is told to look: [`Beyond`]. Stop the delivery of events first:
//! who grants meanwhile is found by the last look, and not waited for.

mod buckets;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use self::buckets::Buckets;
use crate::bucket::{BucketRecord, ObjectRecord};
use crate::environment::{Brought, EnvironmentEvent, EnvironmentReport};
use crate::fulfilment::Handled;
use crate::model::{ConnectionId, DomainId, EnvironmentId, Owner, SourceRecord};
use crate::reconcile::books::{Books, each};
use crate::reconcile::look::{Place, cannot_tell};
use crate::reconcile::{Finding, Mend, Problem, Scope, Side, orphans};
use crate::store::{Key, Query, Record};
use crate::{Deadline, Environments, Error, Fulfilment, Result, Step};

/// Where to look beyond what is recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Beyond {
    /// Domains whose environments may have been equipped.
    pub domains: BTreeSet<DomainId>,
    /// Environments that are surely this installation's, as recorded ones are: users and secrets that bear their names are removed.
    pub environments: BTreeSet<EnvironmentId>,
    /// Connections whose sources may have users of dzconn's.
    pub connections: BTreeSet<ConnectionId>,
    /// Accounts that may hold secrets of dzconn's.
    pub owners: BTreeSet<Owner>,
}

/// What kind of thing remains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A tracking record.
    Record,
    /// A database user.
    User,
    /// A secret.
    Secret,
    /// A statement in a bucket's policy.
    Statement,
    /// Not known: there it could not be looked.
    Unknown,
}

impl Kind {
    /// The word for it, as in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::User => "user",
            Self::Secret => "secret",
            Self::Statement => "statement",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Something that remains.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Remnant {
    /// What kind of thing.
    pub kind: Kind,
    /// Whose, if that can be told.
    pub environment: Option<EnvironmentId>,
    /// What exactly. No secret is in it.
    pub what: String,
    /// Why it is there still, or what to do about it; of a plan, what would be done.
    pub why: String,
}

/// What has become of an installation; or, of a plan, would.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Uninstalled {
    /// The environments in which there was something to do, or something could not be done.
    pub environments: Vec<EnvironmentReport>,
    /// What no record named, and was removed because it is dzconn's all the same.
    pub swept: Vec<String>,
    /// What could not be removed of that.
    pub failures: Vec<Error>,
    /// What remains, by a last look.
    pub left: Vec<Remnant>,
    /// Whether it is a plan, and nothing was done.
    pub planned: bool,
    /// Where was looked: the domains whose environments were listed, the connections, and the accounts.
    pub looked: Beyond,
}

impl Uninstalled {
    /// Whether nothing remains, and everything could be done and looked at. Of a plan: whether there is nothing to be done.
    pub fn is_proven(&self) -> bool {
        let planned = self.planned && self.environments.iter().any(|report| !report.changes.is_empty());
        self.left.is_empty() && !planned && self.errors().next().is_none()
    }

    /// Everything that could not be done.
    pub fn errors(&self) -> impl Iterator<Item = &Error> {
        self.environments.iter().flat_map(EnvironmentReport::errors).chain(&self.failures)
    }
}

/// Ends an installation.
#[derive(Clone, Debug)]
pub struct Uninstaller {
    fulfilment: Fulfilment,
    environments: Option<Environments>,
}

/// What there is to do, as it is known when it begins.
struct Known {
    /// The recorded ones, each with its domain.
    granted: BTreeMap<EnvironmentId, DomainId>,
    /// Those of the portal.
    listed: BTreeMap<EnvironmentId, DomainId>,
    buckets: Buckets,
    looked: Beyond,
    unknown: Vec<Remnant>,
}

impl Uninstaller {
    /// Of what was granted through `fulfilment`.
    #[must_use]
    pub const fn new(fulfilment: Fulfilment) -> Self {
        Self { fulfilment, environments: None }
    }

    /// And of the environments that were equipped through these.
    #[must_use]
    pub fn with_environments(self, environments: Environments) -> Self {
        Self { environments: Some(environments), ..self }
    }

    /// What [`run`](Self::run) would do, by what is seen now; [`Uninstalled::left`] is all that is there. Nothing is changed.
    ///
    /// # Errors
    /// That tracking cannot be read.
    pub async fn plan(&self, beyond: &Beyond) -> Result<Uninstalled> {
        let known = self.known(beyond).await?;
        let mut done = Uninstalled { planned: true, ..Uninstalled::default() };
        for (environment, domain) in known.all() {
            let report = match &self.environments {
                Some(environments) => {
                    environments.plan(&EnvironmentEvent::clean(domain.clone(), environment.clone())).await
                }
                None => self.held(domain, environment).await,
            }
            .unwrap_or_else(|error| failed(environment, error));
            done.environments.push(report);
        }
        self.ended(done, known, "it goes with the environment's access").await
    }

    /// Takes everything back, then puts every environment back, then removes what no record names, and looks again. One environment
    /// that cannot be done keeps none of the others.
    ///
    /// # Errors
    /// That tracking cannot be read. All else is in the answer.
    pub async fn run(&self, beyond: &Beyond) -> Result<Uninstalled> {
        let known = self.known(beyond).await?;
        let mut done = Uninstalled::default();
        let mut revoked = BTreeMap::new();
        for (environment, domain) in &known.granted {
            let handled = self.fulfilment.revoke_all(domain, environment).await;
            revoked.insert(environment, handled);
        }
        for (environment, domain) in known.all() {
            let first = revoked.remove(environment);
            let report = match &self.environments {
                Some(environments) => {
                    let event = EnvironmentEvent::clean(domain.clone(), environment.clone());
                    let report = environments.handle(&event).await;
                    let mut report = report.unwrap_or_else(|error| failed(environment, error));
                    // What failed at first was tried once more.
                    let is_done = |one: &Handled| match one {
                        Handled::Done { result, .. } => result.is_ok(),
                        Handled::Objects { result, .. } => result.is_ok(),
                        _ => false,
                    };
                    let first = first.and_then(Result::ok).into_iter().flatten().filter(is_done);
                    report.revoked = first.chain(report.revoked).collect();
                    if !report.revoked.is_empty() {
                        report.brought = Brought::Cleaned;
                    }
                    report
                }
                None => match first.unwrap_or_else(|| Ok(Vec::new())) {
                    Ok(handled) => {
                        let mut report = EnvironmentReport::new(environment, Brought::Cleaned);
                        report.revoked = handled;
                        report
                    }
                    Err(error) => failed(environment, error),
                },
            };
            done.environments.push(report);
        }
        self.sweep(&known, &mut done).await?;
        self.ended(done, known, "it came meanwhile: stop the delivery of events, and do it again").await
    }

    async fn known(&self, beyond: &Beyond) -> Result<Known> {
        let mut unreadable = Vec::new();
        let books = self.books(&mut unreadable).await?;
        let sources = books.sources.iter().map(|record| (&record.key.environment, &record.domain));
        let rows = books.rows().map(|(_, row)| (&row.environment, &row.domain));
        let mappings = books.mappings().map(|(_, mapping)| (&mapping.environment, &mapping.domain));
        let (objects, records) = self.objects(&mut unreadable).await?;
        let mut buckets = Buckets::default();
        buckets.remember(&objects, &records);
        let objects = objects.iter().map(|record| (&record.environment, &record.domain));
        // A source record decides: what it names is revoked by its domain only.
        let granted: BTreeMap<_, _> = objects
            .chain(mappings)
            .chain(rows)
            .chain(sources)
            .map(|(id, domain)| (id.clone(), domain.clone()))
            .collect();
        let mut looked = beyond.clone();
        looked.domains.extend(granted.values().cloned());
        looked.connections.extend(books.sources.iter().map(|record| record.key.connection.clone()));
        let placed = books.rows().filter_map(|(_, row)| row.place.as_ref());
        looked.connections.extend(placed.map(|place| place.location.connection.clone()));
        looked.owners.extend(books.accounts().into_iter().map(|(_, owner)| owner));
        let (mut listed, mut unknown) = (BTreeMap::new(), Vec::new());
        if let Some(environments) = &self.environments {
            if looked.domains.is_empty() {
                unknown.push(Remnant {
                    kind: Kind::Unknown,
                    environment: None,
                    what: "which environments were equipped".to_owned(),
                    why: "no record names a domain: name it".to_owned(),
                });
            }
            for domain in &looked.domains {
                match environments.of_domain(domain).await {
                    Ok(found) => listed.extend(found.into_iter().map(|id| (id, domain.clone()))),
                    Err(error) => unknown.push(Remnant {
                        kind: Kind::Unknown,
                        environment: None,
                        what: format!("which environments of the domain {domain} were equipped"),
                        why: error.to_string(),
                    }),
                }
            }
        }
        if let Some(environments) = &self.environments {
            // Secrets may be where no record says so any more.
            for (id, domain) in &listed {
                match environments.owner(domain, id).await {
                    Ok(owner) => looked.owners.extend(owner),
                    Err(error) => unknown.push(Remnant {
                        kind: Kind::Unknown,
                        environment: Some(id.clone()),
                        what: format!("in which account {id} is"),
                        why: error.to_string(),
                    }),
                }
            }
            if looked.owners.is_empty() && !looked.domains.is_empty() {
                unknown.push(Remnant {
                    kind: Kind::Unknown,
                    environment: None,
                    what: "which accounts have secrets".to_owned(),
                    why:
                        "neither a record nor an environment names an account: see that the caller may see the projects"
                            .to_owned(),
                });
            }
        }
        looked.environments.extend(granted.keys().cloned());
        Ok(Known { granted, listed, buckets, looked, unknown })
    }

    async fn held(&self, domain: &DomainId, environment: &EnvironmentId) -> Result<EnvironmentReport> {
        let mut report = EnvironmentReport::new(environment, Brought::Cleaned);
        let (tables, failed) = self.fulfilment.held(domain, environment).await?;
        let (objects, more) = self.fulfilment.held_objects(domain, environment).await?;
        (report.held, report.held_objects) = (tables, objects);
        report.failures.extend(failed.into_iter().chain(more));
        Ok(report)
    }

    /// The records of objects, and of the buckets they are in.
    async fn objects(&self, unreadable: &mut Vec<Finding>) -> Result<(Vec<ObjectRecord>, Vec<BucketRecord>)> {
        let parts = self.fulfilment.parts();
        let deadline = Deadline::within(parts.producer.settings.deadline);
        let (mut objects, mut buckets) = (Vec::new(), Vec::new());
        for query in [Query::Objects(None), Query::Buckets] {
            for stored in deadline.run("reading what is recorded", each(parts, &query, unreadable)).await? {
                match stored.record {
                    Record::Objects(record) => objects.push(record),
                    Record::Bucket(record) => buckets.push(record),
                    _ => {}
                }
            }
        }
        Ok((objects, buckets))
    }

    async fn books(&self, unreadable: &mut Vec<Finding>) -> Result<Books> {
        let parts = self.fulfilment.parts();
        let scope = Scope::default();
        let reading = Books::read(parts, &scope, unreadable);
        let deadline = Deadline::within(parts.producer.settings.deadline);
        deadline.run("reading what is recorded", reading).await.map_err(|error| error.at(Step::Tracking))
    }

    /// What stands alone, in every place that is known.
    async fn orphans(&self, known: &Known, books: &mut Books) -> Vec<Finding> {
        let parts = self.fulfilment.parts();
        let scope = Scope::default();
        books.environments.extend(known.looked.environments.iter().cloned());
        for side in [Side::Producer, Side::Consumer] {
            books.places.extend(known.looked.owners.iter().map(|owner| (side, owner.clone())));
        }
        let mut found = Vec::new();
        for connection in &known.looked.connections {
            let deadline = Deadline::within(parts.producer.settings.deadline);
            match Place::open(parts, connection, deadline).await {
                Ok(mut place) => {
                    found.extend(orphans::users(&mut place, parts, books, connection, &scope).await);
                    let _ = place.deadline.run("closing", place.session.close()).await;
                }
                Err(error) => found.push(cannot_tell(connection, &error)),
            }
        }
        found.extend(orphans::mappings(books, &scope));
        match orphans::secrets(parts, books, &scope).await {
            Ok(secrets) => found.extend(secrets),
            Err(error) => found.push(Finding {
                connection: None,
                environment: None,
                problem: Problem::CannotTell,
                detail: "which secrets no record names".to_owned(),
                mend: Mend::ByHand(error.to_string()),
            }),
        }
        found
    }

    /// Removes what is dzconn's and no record names.
    async fn sweep(&self, known: &Known, done: &mut Uninstalled) -> Result<()> {
        // No row leads to these: a dead run's lease, or claims whose row is lost.
        for BucketRecord { bucket, .. } in self.objects(&mut Vec::new()).await?.1 {
            let ended = match self.fulfilment.worker() {
                Ok(worker) => worker.end(&bucket).await,
                Err(error) => Err(error),
            };
            match ended {
                Ok(()) => done.swept.push(Mend::Bucket(bucket).to_string()),
                Err(error) => done.failures.push(error),
            }
        }
        let mut books = self.books(&mut Vec::new()).await?;
        for finding in self.orphans(known, &mut books).await {
            if !matches!(finding.mend, Mend::Drop(..) | Mend::Burn(..) | Mend::Strike(..)) {
                continue;
            }
            match self.fulfilment.mend(&finding).await {
                Ok(_) => done.swept.push(finding.mend.to_string()),
                Err(error) => done.failures.push(error),
            }
        }
        // Those of recorded environments have gone with them.
        for environment in self.answers(&mut Vec::new()).await? {
            match self.fulfilment.forget_answers(&environment).await {
                Ok(()) => done.swept.push(format!("remove the portal's recorded answers for {environment}")),
                Err(error) => done.failures.push(error),
            }
        }
        Ok(())
    }

    /// The environments for which answers of the portal are recorded.
    async fn answers(&self, unreadable: &mut Vec<Finding>) -> Result<BTreeSet<EnvironmentId>> {
        let parts = self.fulfilment.parts();
        let deadline = Deadline::within(parts.producer.settings.deadline);
        let query = Query::Wanted(None);
        let found = deadline.run("reading the portal's answers", each(parts, &query, unreadable)).await?;
        let environment = |record| if let Record::Wanted(wanted) = record { Some(wanted.environment) } else { None };
        Ok(found.into_iter().filter_map(|stored| environment(stored.record)).collect())
    }

    /// Looks at what is there now.
    async fn ended(&self, mut done: Uninstalled, mut known: Known, otherwise: &str) -> Result<Uninstalled> {
        let mut unreadable = Vec::new();
        let mut books = self.books(&mut unreadable).await?;
        let why = |environment: &EnvironmentId| {
            let report = done.environments.iter().find(|report| report.environment == *environment);
            let error = report.and_then(|report| report.errors().next()).map(ToString::to_string);
            error.unwrap_or_else(|| otherwise.to_owned())
        };
        let record = |environment: &EnvironmentId, what: String| Remnant {
            kind: Kind::Record,
            environment: Some(environment.clone()),
            what,
            why: why(environment),
        };
        let mut left: Vec<_> = Vec::new();
        for SourceRecord { key, .. } in &books.sources {
            left.push(record(&key.environment, format!("the source subscription of {key}")));
        }
        for (stored, row) in books.rows() {
            left.push(record(&row.environment, format!("the {}", stored.record.key())));
        }
        for (stored, mapping) in books.mappings() {
            left.push(record(&mapping.environment, format!("the {}", stored.record.key())));
        }
        let (objects, buckets) = self.objects(&mut unreadable).await?;
        known.buckets.remember(&objects, &buckets);
        for row in objects {
            let key = Key::Objects(row.environment.clone(), row.asset.clone());
            left.push(record(&row.environment, format!("the {key}")));
        }
        for bucket in buckets {
            let what = format!("the {}", Key::Bucket(bucket.bucket));
            left.push(Remnant { kind: Kind::Record, environment: None, what, why: otherwise.to_owned() });
        }
        for environment in self.answers(&mut unreadable).await? {
            left.push(record(&environment, format!("the portal's recorded answers for {environment}")));
        }
        left.extend(unreadable.into_iter().map(|finding| remnant(Kind::Record, finding)));
        for finding in self.orphans(&known, &mut books).await {
            match finding.problem {
                Problem::UserWithoutRecord => left.push(remnant(Kind::User, finding)),
                Problem::SecretWithoutRecord => left.push(remnant(Kind::Secret, finding)),
                // A mapping, which stands here already.
                Problem::RowWithoutGrant => {}
                _ => left.push(remnant(Kind::Unknown, finding)),
            }
        }
        let by_hand = "remove it by hand, unless a record of its bucket is left too: then do it again";
        let why = if done.planned { otherwise } else { by_hand };
        left.extend(known.buckets.left(&self.fulfilment, why).await);
        left.extend(known.unknown);
        done.environments.retain(is_worth_telling);
        Ok(Uninstalled { left, looked: known.looked, ..done })
    }
}

impl Known {
    /// All environments, recorded and listed.
    fn all(&self) -> impl Iterator<Item = (&EnvironmentId, &DomainId)> {
        let listed = self.listed.iter().filter(|(id, _)| !self.granted.contains_key(*id));
        self.granted.iter().chain(listed)
    }
}

fn failed(environment: &EnvironmentId, error: Error) -> EnvironmentReport {
    let mut report = EnvironmentReport::new(environment, Brought::Cleaned);
    report.failures.push(error.for_environment(environment));
    report
}

fn remnant(kind: Kind, Finding { environment, detail, mend, .. }: Finding) -> Remnant {
    let why = match mend {
        Mend::ByHand(how) => how,
        other => other.to_string(),
    };
    Remnant { kind, environment, what: detail, why }
}

/// Environments in which nothing was to be done are many, and say nothing.
fn is_worth_telling(report: &EnvironmentReport) -> bool {
    let EnvironmentReport { brought, changes, notes, held, held_objects, revoked, failures, .. } = report;
    let nothing_held = held.is_empty() && held_objects.is_empty();
    let idle = changes.is_empty() && nothing_held && revoked.is_empty() && failures.is_empty();
    !idle || *brought == Brought::Cleaned && !notes.is_empty()
}
