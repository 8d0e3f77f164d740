//! Looks, and says what it finds.

use std::collections::BTreeMap;
use std::time::Duration;

use super::books::{Books, UNKNOWN, each};
use super::orphans;
use super::{Finding, Mend, Problem, Scope, by_hand};
use crate::engine::{EngineConnector, Login, Reads, SourceEngine};
use crate::fulfilment::{Parts, connect};
use crate::model::{
    AssetId, AssetRecord, ConnectionId, EntryRecord, Generation, Location, Phase, Publication, Source, SourceRecord,
    Subscription, TableName, TurnStage, UserName, Wanted,
};
use crate::portal::Question;
use crate::store::{Query, Record, Slot, StoredSecret};
use crate::{Deadline, Error, ErrorKind, Fulfilment, Result, Timestamp};

/// How many findings about what a user can do beyond its grants are told.
const EXCESS: usize = 20;

pub(super) async fn all(fulfilment: &Fulfilment, scope: &Scope) -> Result<Vec<Finding>> {
    let parts = fulfilment.parts();
    let mut findings = Vec::new();
    let books = Books::read(parts, scope, &mut findings).await?;
    let mut by_connection: BTreeMap<&ConnectionId, Vec<&SourceRecord>> = BTreeMap::new();
    for source in &books.sources {
        by_connection.entry(&source.key.connection).or_default().push(source);
    }
    // A connection without records may still have users.
    if let Some(connection) = &scope.connection {
        by_connection.entry(connection).or_default();
    }
    for (connection, records) in by_connection {
        let deadline = Deadline::within(parts.producer.settings.deadline);
        let mut place = Place::open(parts, connection, deadline).await;
        if let Err(error) = &place {
            findings.push(cannot_tell(connection, error));
        }
        for record in &records {
            let mut look = Look { parts, books: &books, record, findings: Vec::new() };
            look.at(place.as_mut().ok()).await?;
            findings.append(&mut look.findings);
        }
        if let Ok(place) = &mut place {
            findings.extend(orphans::users(place, parts, &books, connection, scope).await);
        }
        if let Ok(Place { session, .. }) = place {
            let _ = deadline.run("closing", session.close()).await;
        }
    }
    findings.extend(orphans::records(parts, &books, scope).await);
    // Seen through one connection, others' secrets look lonely.
    if scope.connection.is_none() {
        match orphans::secrets(parts, &books, scope).await {
            Ok(found) => findings.extend(found),
            // One bad record keeps nothing else from being told.
            Err(error) if error.kind() == ErrorKind::RecordInvalid => findings.push(Finding {
                connection: None,
                environment: None,
                problem: Problem::CannotTell,
                detail: "which secrets no record names: a record that cannot be read may name them".to_owned(),
                mend: Mend::ByHand("correct the record first".to_owned()),
            }),
            Err(error) => return Err(error),
        }
    }
    Ok(findings)
}

pub(crate) fn cannot_tell(connection: &ConnectionId, error: &Error) -> Finding {
    Finding {
        connection: Some(connection.clone()),
        environment: None,
        problem: Problem::CannotTell,
        detail: error.to_string(),
        mend: by_hand(error),
    }
}

/// A source, and the admin's session on it.
pub(crate) struct Place<'a> {
    pub(super) source: Source,
    pub(super) connector: &'a dyn EngineConnector,
    pub(crate) session: Box<dyn SourceEngine>,
    pub(crate) deadline: Deadline,
}

impl<'a> Place<'a> {
    pub(crate) async fn open(parts: &'a Parts, connection: &ConnectionId, deadline: Deadline) -> Result<Self> {
        let looking = parts.producer.catalog.source(connection);
        let source = deadline.run("looking the connection up", looking).await?;
        let connector = &**parts.producer.engines.for_source(&source)?;
        let connecting = connect(connector, &*parts.producer.catalog, &source, deadline);
        let session = deadline.run("connecting", connecting).await?;
        Ok(Self { source, connector, session, deadline })
    }
}

/// Looks at one source record and all that belongs to it.
struct Look<'a> {
    parts: &'a Parts,
    books: &'a Books,
    record: &'a SourceRecord,
    findings: Vec<Finding>,
}

impl Look<'_> {
    fn found(&mut self, problem: Problem, detail: impl Into<String>, mend: Mend) {
        let key = &self.record.key;
        self.findings.push(Finding {
            connection: Some(key.connection.clone()),
            environment: Some(key.environment.clone()),
            problem,
            detail: detail.into(),
            mend,
        });
    }

    async fn at(&mut self, place: Option<&mut Place<'_>>) -> Result<()> {
        let record = self.record;
        let half_done = !record.open.is_empty()
            || record.phase != Phase::Active
            || !record.revoked.is_empty()
            || !record.retired.is_empty();
        if half_done && !self.half_done()? {
            return Ok(());
        }
        let Some(generation) = record.generation.as_ref().filter(|_| record.phase == Phase::Active) else {
            return Ok(());
        };
        let entries = self.entries().await?;
        self.rotation(generation);
        self.wanted(&entries).await;
        self.rows(&entries, generation)?;
        let secret = self.secrets(generation, &entries).await;
        if let Some(place) = place
            && let Err(error) = self.source(place, generation, &entries, secret).await
        {
            let finding = cannot_tell(&record.key.connection, &error);
            self.found(finding.problem, finding.detail, finding.mend);
        }
        Ok(())
    }

    /// Whether the rest can be judged: a run that may still be at work is left alone.
    fn half_done(&mut self) -> Result<bool> {
        let record = self.record;
        let age = record.last_updated.until(Timestamp::now());
        let doing: Vec<_> = record.open.iter().map(|(table, open)| format!("{:?} {table}", open.state)).collect();
        let doing = match (doing.is_empty(), record.phase) {
            (false, _) => doing.join(", "),
            (true, Phase::Dropping) => "Dropping the user".to_owned(),
            (true, Phase::Active | Phase::Retired) => "Cleaning up".to_owned(),
        };
        if self.may_be_at_work(age) {
            self.found(Problem::UnderWay, format!("{doing}, for {}", spoken(age)), Mend::Nothing);
            return Ok(false);
        }
        let open = record.open.iter().find_map(|(table, open)| {
            let (asset, path) = open.assets.iter().next()?;
            Some((asset.clone(), path.clone(), Some(table.clone())))
        });
        // Where no table is open, asset and path only name the run.
        let (asset, path, table) = if let Some(open) = open {
            open
        } else {
            let asset = record.revoked.iter().next().cloned();
            let path = record.data_assets.iter().next().cloned();
            (asset.map_or_else(|| UNKNOWN.parse(), Ok)?, path.map_or_else(|| "unknown.unknown".parse(), Ok)?, None)
        };
        let location = Location { connection: record.key.connection.clone(), path, owner: record.owner.clone() };
        let mend = Mend::Tidy(Box::new(self.subscription(&asset, location)?), table);
        self.found(Problem::HalfDone, format!("{doing}; the run died {} ago", spoken(age)), mend);
        Ok(true)
    }

    /// A rotation that nobody finishes. What the copy holds logs in all the same.
    fn rotation(&mut self, generation: &Generation) {
        let Some(turn) = generation.turn else { return };
        let doing = match turn.stage {
            TurnStage::Preparing => "Rotating: the other user is being prepared",
            TurnStage::Ready => "Rotating: the secret is about to name the other user",
            TurnStage::Delivering => "Rotating: the new credentials are being delivered",
        };
        let age = self.record.last_updated.until(Timestamp::now());
        if self.may_be_at_work(age) {
            self.found(Problem::UnderWay, format!("{doing}, for {}", spoken(age)), Mend::Nothing);
        } else {
            let detail = format!("{doing}; the run died {} ago", spoken(age));
            self.found(Problem::HalfDone, detail, Mend::Rotate(self.record.key.clone(), turn.id));
        }
    }

    /// As long as a run may last, and then some: the clocks of hosts differ.
    fn may_be_at_work(&self, age: Duration) -> bool {
        age < self.parts.producer.settings.deadline + Duration::from_secs(60)
    }

    fn subscription(&self, asset: &AssetId, location: Location) -> Result<Subscription> {
        self.books.subscription(self.record, asset, location)
    }

    fn row(&self, asset: &AssetId) -> Option<&AssetRecord> {
        self.books.row(self.record, asset)
    }

    async fn entries(&mut self) -> Result<Vec<EntryRecord>> {
        let listed = each(self.parts, &Query::Entries(self.record.key.clone()), &mut self.findings).await?;
        Ok(listed
            .into_iter()
            .filter_map(|s| if let Record::Entry(entry) = s.record { Some(entry) } else { None })
            .collect())
    }

    /// An asset of the record that has a row, and so can be run again.
    fn run(&self, asset: &AssetId, publication: &Publication) -> Option<Mend> {
        let place = self.row(asset)?.place.as_ref()?;
        let wish = if publication.retained { Wanted::Retain } else { Wanted::Grant };
        let subscription = self.row(asset)?.clone().at(place.location.clone());
        (place.location.connection == self.record.key.connection).then(|| Mend::Run(Box::new(subscription), wish))
    }

    /// A run that verifies user, secret and copy, whatever it is for.
    fn any_run(&self, entries: &[EntryRecord]) -> Mend {
        let mut live = entries.iter().flat_map(|entry| &entry.assets).filter(|(_, publication)| !publication.retained);
        live.find_map(|(asset, publication)| self.run(asset, publication)).unwrap_or_else(|| {
            Mend::ByHand("grant one of the environment's assets on this source once more".to_owned())
        })
    }

    /// What the portal says of each asset.
    async fn wanted(&mut self, entries: &[EntryRecord]) {
        for (table, asset, publication) in publications(entries) {
            let Some(Mend::Run(subscription, told)) = self.run(asset, publication) else { continue };
            let question = Question::about(&subscription, told);
            let asking = self.parts.producer.portal.wanted(&question);
            let deadline = Deadline::within(self.parts.producer.settings.deadline);
            let wanted = match deadline.run("asking the portal", asking).await {
                Ok(wanted) => wanted,
                Err(error) if error.kind() == ErrorKind::Refused => Wanted::Revoke,
                Err(error) => {
                    self.found(Problem::CannotTell, format!("whether {table} is wanted: {error}"), by_hand(&error));
                    continue;
                }
            };
            if wanted != told {
                let says = match wanted {
                    Wanted::Grant => "is subscribed to again",
                    Wanted::Retain => "is not subscribed to any more, and access stays",
                    Wanted::Revoke => "is not subscribed to",
                };
                let detail = format!("{}, published as {}, {says}", table, publication.path);
                self.found(Problem::NotWanted, detail, Mend::Run(subscription, wanted));
            }
        }
    }

    /// Rows and mapping against the entries.
    fn rows(&mut self, entries: &[EntryRecord], generation: &Generation) -> Result<()> {
        for (table, asset, publication) in publications(entries) {
            match self.row(asset).map(|row| row.place.clone()) {
                None => {
                    let detail = format!("{asset}, which is granted as {table}, has no row");
                    let mend = format!("grant {} once more: that writes the row", publication.path);
                    self.found(Problem::Row, detail, Mend::ByHand(mend));
                }
                Some(Some(place))
                    if place.location.connection != self.record.key.connection || place.table != *table =>
                {
                    let detail = format!("{asset} has moved to {} of {}", place.table, place.location.connection);
                    let path = publication.path.clone();
                    let (connection, owner) = (self.record.key.connection.clone(), self.record.owner.clone());
                    let old = Box::new(self.subscription(asset, Location { connection, path, owner })?);
                    let new = Box::new(self.subscription(asset, place.location)?);
                    self.found(Problem::GrantExtra, detail, Mend::Leave { old, table: table.clone(), new });
                }
                Some(_) => {}
            }
        }
        if entries.iter().any(|entry| entry.generation != generation.id) {
            let mend = Mend::ByHand("compare the entries with the source record: somebody has edited them".to_owned());
            self.found(Problem::Unreadable, "entries of another generation than the record's", mend);
        }
        let mapped = self.books.mapping(generation).is_some_and(|mapping| mapping.secret == generation.copy);
        if !mapped && !entries.is_empty() {
            let mend = self.any_run(entries);
            self.found(Problem::Row, "no mapping says which copy the producer's secret has", mend);
        }
        Ok(())
    }

    /// The producer's secret, and the consumer's copy of it.
    async fn secrets(&mut self, generation: &Generation, entries: &[EntryRecord]) -> Option<StoredSecret> {
        if entries.is_empty() {
            return None;
        }
        let gone = "revoke the environment's assets on this source, and grant them again";
        let deadline = Deadline::within(self.parts.producer.settings.deadline);
        let slot = async {
            let store = self.parts.producer.credentials.of(&self.record.owner).await?;
            store.inspect(&generation.secret).await
        };
        let secret = match deadline.run("reading the secret", slot).await {
            Ok(Slot::Live(secret)) => *secret,
            Ok(Slot::Empty) => {
                let mend = self.any_run(entries);
                self.found(Problem::Secret, format!("the producer's secret {} is not there", generation.secret), mend);
                return None;
            }
            Ok(Slot::Burnt) => {
                let detail = format!("the producer's secret {} was deleted", generation.secret);
                self.found(Problem::Secret, detail, Mend::ByHand(gone.to_owned()));
                return None;
            }
            Err(error) => {
                self.unread(Problem::Secret, &format!("the producer's secret {}", generation.secret), &error);
                return None;
            }
        };
        let handing_over = matches!(generation.stage(), Some(TurnStage::Ready));
        let named = &secret.credentials.user;
        if *named != generation.user && !(handing_over && generation.spare.as_ref() == Some(named)) {
            let detail = format!("the producer's secret {} names another user than the record", generation.secret);
            self.found(Problem::Secret, detail, Mend::ByHand("correct the secret's value".to_owned()));
            return None;
        }
        let owner = self.books.consumer(self.record);
        let slot = async { self.parts.consumer.copies.of(&owner).await?.read(&generation.copy).await };
        let copy = &generation.copy;
        match deadline.run("reading the copy", slot).await {
            Ok(Slot::Live(held)) if held.credentials == secret.credentials => {}
            // The rotation that is under way is told already.
            Ok(Slot::Live(held))
                if matches!(generation.stage(), Some(TurnStage::Ready | TurnStage::Delivering))
                    && generation.users().any(|user| *user == held.credentials.user) => {}
            Ok(Slot::Burnt) => {
                self.found(Problem::Copy, format!("the copy {copy} was deleted"), Mend::ByHand(gone.to_owned()));
            }
            Ok(slot) => {
                let what = if slot == Slot::Empty { "is not there" } else { "differs from the producer's secret" };
                let mend = self.any_run(entries);
                self.found(Problem::Copy, format!("the copy {copy} {what}"), mend);
            }
            Err(error) => self.unread(Problem::Copy, &format!("the copy {copy}"), &error),
        }
        Some(secret)
    }

    /// A secret that holds something else, or that cannot be looked at.
    fn unread(&mut self, problem: Problem, which: &str, error: &Error) {
        let problem = if error.kind() == ErrorKind::SecretInvalid { problem } else { Problem::CannotTell };
        self.found(problem, format!("{which}: {error}"), by_hand(error));
    }

    /// What the source says of the user.
    async fn source(
        &mut self,
        place: &mut Place<'_>,
        generation: &Generation,
        entries: &[EntryRecord],
        secret: Option<StoredSecret>,
    ) -> Result<()> {
        let user = &generation.user;
        let Place { source, connector, session, deadline } = place;
        if !deadline.run("looking for the user", session.user_exists(user)).await? {
            for (_, asset, publication) in publications(entries) {
                let mend = self.run(asset, publication).unwrap_or_else(|| self.any_run(entries));
                self.found(Problem::UserMissing, format!("the source has no user {user}"), mend);
            }
            return Ok(());
        }
        // Somebody else's rotation may be about to change it.
        let ours = generation.turn.map(|turn| turn.id.to_string());
        let settled = |secret: &StoredSecret| {
            secret.pending.as_ref().is_none_or(|pending| ours.as_deref() == Some(pending.as_str()))
        };
        if let Some(secret) = secret.filter(settled)
            && let login = connector.log_in(source, &secret.credentials, None, *deadline)
            && deadline.run("logging in", login).await? == Login::Refused
        {
            let mend = self.any_run(entries);
            self.found(Problem::PasswordRefused, format!("{user} cannot log in with what its secret holds"), mend);
        }
        let granted = match deadline.run("looking for grants", session.granted(user)).await {
            Ok(granted) => Some(granted),
            Err(error) if error.kind() == ErrorKind::AdminDenied => None,
            Err(error) => return Err(error),
        };
        for entry in entries {
            let table = &entry.table;
            if granted.as_ref().is_some_and(|granted| granted.contains(table)) {
                continue;
            }
            match deadline.run("looking up privileges", session.reads(user, table)).await? {
                Reads::Yes(_) if granted.is_none() => {}
                Reads::CannotTell(why) => {
                    let detail = format!("whether {user} reads {table}: {why}");
                    self.found(Problem::CannotTell, detail, Mend::ByHand("give the admin what it lacks".to_owned()));
                }
                reads => {
                    let how = if reads == Reads::No { "" } else { " by dzconn's grant, though in another way" };
                    for (asset, publication) in &entry.assets {
                        let mend =
                            self.run(asset, publication).unwrap_or_else(|| self.any_run(std::slice::from_ref(entry)));
                        self.found(Problem::GrantMissing, format!("{user} does not read {table}{how}"), mend);
                    }
                }
            }
        }
        let mut known: Vec<TableName> = entries.iter().map(|entry| entry.table.clone()).collect();
        known.extend(self.record.open.keys().cloned());
        // Which tables an older system's paths mean is not recorded.
        if self.record.older.is_empty() {
            let mut extra = self.extra(user, granted.unwrap_or_default(), &known);
            if let Some(spare) = &generation.spare {
                match deadline.run("looking for grants", session.granted(spare)).await {
                    Ok(granted) => extra.extend(self.extra(spare, granted, &known)),
                    Err(error) if error.kind() == ErrorKind::AdminDenied => {}
                    Err(error) => return Err(error),
                }
            }
            known.extend(extra);
        }
        for user in generation.users() {
            for line in deadline.run("looking for more", session.excess(user, &known, EXCESS)).await? {
                let mend = "somebody else gave that: look whether it should be so".to_owned();
                self.found(Problem::Excess, format!("{user}: {line}"), Mend::ByHand(mend));
            }
        }
        Ok(())
    }

    /// What a user was granted beyond the record.
    fn extra(&mut self, user: &UserName, granted: Vec<TableName>, known: &[TableName]) -> Vec<TableName> {
        let extra: Vec<_> = granted.into_iter().filter(|table| !known.contains(table)).collect();
        if !extra.is_empty() {
            let names: Vec<_> = extra.iter().map(ToString::to_string).collect();
            let detail = format!("{user} was granted {}, which the record does not have", names.join(", "));
            let mend = Mend::TakeBack(self.record.key.clone(), user.clone(), extra.clone());
            self.found(Problem::GrantExtra, detail, mend);
        }
        extra
    }
}

fn publications(entries: &[EntryRecord]) -> impl Iterator<Item = (&TableName, &AssetId, &Publication)> {
    entries.iter().flat_map(|entry| entry.assets.iter().map(|(asset, publication)| (&entry.table, asset, publication)))
}

/// A time as people say it: the two largest units.
fn spoken(age: Duration) -> String {
    let minutes = age.as_secs() / 60;
    match (minutes / (24 * 60), minutes / 60, minutes) {
        (0, 0, 0) => format!("{} s", age.as_secs()),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {} min", minutes % 60),
        (days, hours, _) => format!("{days} d {} h", hours % 24),
    }
}
