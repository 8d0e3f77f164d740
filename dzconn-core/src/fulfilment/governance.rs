//! The governance part: what an event is about, and what is to be done where.

use std::sync::Arc;

use async_trait::async_trait;

use super::Order;
use super::driver::find;
use crate::event::SubscriptionEvent;
use crate::model::{
    AssetId, AssetPath, AssetRecord, EnvironmentId, Location, SourceRecord, Subscription, TableName, WantedRecord,
};
use crate::portal::{Lookup, Portal, Question, Wanted};
use crate::store::{Change, Expect, Key, Query, Record, Stored, Transaction, WriteOutcome};
use crate::workflow::{Errand, Fresh as _, Outcome};
use crate::{Error, ErrorKind, Result, Step, TrackingStore};

/// What runs where the portal and the tracking tables are.
#[derive(Clone, Debug)]
pub struct Governance {
    pub(crate) portal: Arc<dyn Portal>,
    pub(crate) tracking: Arc<dyn TrackingStore>,
}

impl Governance {
    /// With these.
    #[must_use]
    pub fn new(portal: Arc<dyn Portal>, tracking: Arc<dyn TrackingStore>) -> Self {
        Self { portal, tracking }
    }

    /// What an event is about: the environments that the portal names for it, and, when a subscription ends, every one that
    /// tracking has.
    pub async fn lookups(&self, event: &SubscriptionEvent) -> Result<Vec<Lookup>> {
        if event.ending.is_none() {
            return self.portal.subscriptions(event).await;
        }
        let objects = self.objects_for(event).await?;
        // What was granted is in tracking; the portal's view of today is the fallback for what is not.
        let (mut found, older) = self.tracked_for(event).await?;
        let today = match self.portal.subscriptions(event).await {
            Ok(today) => today,
            Err(error) if !(error.is_retryable() || found.is_empty() && older.is_empty() && objects.is_empty()) => {
                tracing::warn!(%error, "the portal cannot say whom the event is about; what tracking has is worked on");
                Vec::new()
            }
            Err(error) => return Err(error),
        };
        // An older system's rows do not say where the grant was made; today's view may, and tracking as a whole may.
        for row in older {
            let is = |lookup: &Lookup| matches!(lookup, Lookup::Ours(new) if is_of(new, &row.environment, &row.asset));
            if !today.iter().any(is) {
                found.push(match self.older_place(&row, None).await {
                    Ok(Some(place)) => Lookup::Ours(Box::new(event.tracked(row, place.location))),
                    Ok(None) => Lookup::Failed(unknown_place(&row)),
                    Err(error) if error.is_retryable() => return Err(error),
                    Err(error) => Lookup::Failed(error),
                });
            }
        }
        found.extend(objects);
        let known = |lookup: &Lookup| {
            if let Lookup::Objects(new) = lookup {
                return found.iter().any(|old| matches!(old, Lookup::Objects(old) if old.claimant() == new.claimant()));
            }
            let Lookup::Ours(new) = lookup else { return false };
            let same = |old: &Subscription| is_of(old, &new.consumer.environment, &new.asset.id);
            found.iter().any(|old| matches!(old, Lookup::Ours(old) if same(old)))
        };
        // Where there is something to do, it is of no interest that the portal knows of nothing.
        let idle = |lookup: &Lookup| !found.is_empty() && matches!(lookup, Lookup::Skipped(_));
        let more: Vec<_> = today.into_iter().filter(|lookup| !known(lookup) && !idle(lookup)).collect();
        found.extend(more);
        Ok(found)
    }

    /// What tracking has for an event: with the places, and the rows of an older system, which have none.
    async fn tracked_for(&self, event: &SubscriptionEvent) -> Result<(Vec<Lookup>, Vec<AssetRecord>)> {
        let (mut found, mut older) = (Vec::new(), Vec::new());
        let query = Query::Listing(event.project.clone(), event.listing.clone());
        self.each(&query, |stored| {
            match stored.map(|stored| stored.record) {
                Ok(Record::Asset(row)) => match row.place.clone() {
                    Some(place) => found.push(Lookup::Ours(Box::new(event.tracked(row, place.location)))),
                    None => older.push(row),
                },
                Ok(_) => {}
                // One bad record keeps nobody else's access from being taken back.
                Err(error) => found.push(Lookup::Failed(error)),
            }
        })
        .await?;
        Ok((found, older))
    }

    pub(super) async fn each(&self, query: &Query, mut visit: impl FnMut(Result<Stored>) + Send) -> Result<()> {
        let mut after = None;
        loop {
            let page = self.tracking.list(query, after.as_ref()).await?;
            page.records.into_iter().for_each(&mut visit);
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }

    /// Where an older system granted the asset of a row that does not say it.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if it cannot be told.
    pub(super) async fn place_of_older(&self, row: &AssetRecord) -> Result<Location> {
        self.older_place(row, None).await?.map(|place| place.location).ok_or_else(|| unknown_place(row))
    }

    /// Where an older system granted an asset: its row names the copy, the copy's mapping the producer's secret, and the source
    /// record with that secret the connection. The path is the one that `hint` has, if it is among those that were granted; or
    /// the only one, if it can be no other asset's.
    ///
    /// `None`: tracking has nothing of it but the row.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if it cannot be told. [`ErrorKind::RecordInvalid`] if what would tell it cannot be read.
    async fn older_place(&self, row: &AssetRecord, hint: Option<&Location>) -> Result<Option<OlderPlace>> {
        let mappings = self.all(&Query::Mappings, |record| match record {
            Record::Mapping(mapping) if mapping.secret_id == row.secret_id => Some(mapping.shared_secret),
            _ => None,
        });
        let Some(shared) = mappings.await?.pop() else { return Ok(None) };
        let sources = self.all(&Query::Sources(None), |record| match record {
            Record::Source(source) if source.key.environment == row.environment => Some(source),
            _ => None,
        });
        let of = |source: &SourceRecord| {
            source.generation.as_ref().and_then(|generation| generation.secret_id.as_ref()) == Some(&shared)
        };
        let Some(source) = sources.await?.into_iter().find(of) else { return Ok(None) };
        let SourceRecord { key, owner, older, open, revoked, data_assets, .. } = source;
        let at = |path: AssetPath| Location { connection: key.connection.clone(), path, owner: owner.clone() };
        let known = |path: AssetPath, table: Option<TableName>| {
            Ok(Some(OlderPlace { location: at(path), table, by_path: false }))
        };
        // A run has begun with it, or has given it an entry, and died before the row was written or removed.
        for (table, entry) in open {
            if let Some(path) = entry.assets.get(&row.asset) {
                return known(path.clone(), Some(table));
            }
        }
        if let Some((table, path)) = find(&*self.tracking, &key, &row.asset).await? {
            return known(path, Some(table));
        }
        if revoked.contains(&row.asset) {
            // Only the row is left, whatever the path was.
            let any = hint.map(|hint| hint.path.clone()).or_else(|| data_assets.union(&older).next().cloned());
            return any.map_or(Ok(None), |path| known(path, None));
        }
        if older.is_empty() {
            return Ok(None);
        }
        let named = hint.filter(|hint| older.contains(&hint.path)).map(|hint| hint.path.clone());
        let path = match named {
            Some(path) => Some(path),
            None if older.len() == 1 => {
                let query = Query::Assets(Some(row.environment.clone()));
                let rows = self.all(&query, |record| match record {
                    Record::Asset(other) if other.place.is_none() && other.secret_id == row.secret_id => Some(()),
                    _ => None,
                });
                (rows.await?.len() == 1).then(|| older.into_iter().next()).flatten()
            }
            None => None,
        };
        let path = path.ok_or_else(|| unknown_place(row))?;
        Ok(Some(OlderPlace { location: at(path), table: None, by_path: true }))
    }

    /// What `pick` makes of all records of a listing.
    async fn all<T: Send>(&self, query: &Query, mut pick: impl FnMut(Record) -> Option<T> + Send) -> Result<Vec<T>> {
        let (mut found, mut unreadable) = (Vec::new(), None);
        self.each(query, |stored| match stored {
            Ok(stored) => found.extend(pick(stored.record)),
            Err(error) => unreadable = Some(error),
        })
        .await?;
        // It may be the one that was looked for.
        unreadable.map_or(Ok(found), Err)
    }

    /// The runs that bring a wish about: one; or two where an asset has moved to another connection or path, since it is
    /// taken back there first. A revoke goes where tracking says that the asset was granted, whatever the catalogue says.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if an older system granted the asset, and where cannot be told.
    pub async fn orders(&self, subscription: &Subscription, wish: Wanted) -> Result<Vec<Order>> {
        let here =
            Order { subscription: subscription.clone(), wish, errand: Errand::Fulfil, older: false, table: None };
        let Some(row) = self.tracked(subscription).await? else {
            // An older system may have died before it wrote the row. Where it has written others, a path may be theirs.
            let older = wish != Wanted::Grant && !self.has_older_rows(&subscription.consumer.environment).await?;
            return Ok(vec![Order { older, ..here }]);
        };
        let (place, older, table) = match row.place.clone() {
            Some(place) => (place.location, false, Some(place.table)),
            None => match self.older_place(&row, Some(&subscription.location)).await? {
                Some(OlderPlace { location, table, by_path }) => (location, by_path, table),
                None => return Ok(vec![here]),
            },
        };
        let stays = place.connection == subscription.location.connection && place.path == subscription.location.path;
        let there = at(subscription, &row, place);
        Ok(match wish {
            Wanted::Grant if stays => vec![Order { older, table, ..here }],
            Wanted::Grant => {
                vec![Order { subscription: there, wish: Wanted::Revoke, errand: Errand::Leave, older, table }, here]
            }
            Wanted::Retain | Wanted::Revoke => {
                vec![Order { subscription: there, wish, errand: Errand::Fulfil, older, table }]
            }
        })
    }

    async fn has_older_rows(&self, environment: &EnvironmentId) -> Result<bool> {
        let query = Query::Assets(Some(environment.clone()));
        let rows = self.all(&query, |record| match record {
            Record::Asset(row) if row.place.is_none() => Some(()),
            _ => None,
        });
        Ok(!rows.await?.is_empty())
    }

    async fn tracked(&self, subscription: &Subscription) -> Result<Option<AssetRecord>> {
        let key = Key::Asset(subscription.consumer.environment.clone(), subscription.asset.id.clone());
        let found = self.tracking.read(&[key]).await?;
        let row = |stored: Stored| if let Record::Asset(row) = stored.record { Some(row) } else { None };
        Ok(found.into_iter().flatten().find_map(row))
    }

    /// Asks the portal and writes the answer where producers that may not ask it themselves find it ([`RecordedPortal`]).
    ///
    /// The answer is written even if it is the old one: a writer that asked earlier must lose. After a conflict it is asked
    /// again.
    pub async fn record(&self, question: &Question) -> Result<Wanted> {
        let key = Key::Wanted(question.environment.clone(), question.asset.clone());
        loop {
            let seen = self.tracking.read(std::slice::from_ref(&key)).await?.into_iter().next().flatten();
            // What is approved only in part is not approved: who obeys the answer must not find an older, wider one.
            let (wanted, refused) = match self.portal.wanted(question).await {
                Ok(wanted) => (wanted, None),
                Err(error) if error.kind() == ErrorKind::Refused => (Wanted::Revoke, Some(error)),
                Err(error) => return Err(error),
            };
            let mut fresh = super::fresh::System;
            let record = Record::Wanted(WantedRecord {
                environment: question.environment.clone(),
                asset: question.asset.clone(),
                wanted,
                last_updated: fresh.now(),
            });
            let expect = seen.as_ref().map_or(Expect::Absent, Stored::expect);
            let changes = vec![Change::put(expect, fresh.version(), record)];
            if self.tracking.commit(&Transaction { changes }).await? == WriteOutcome::Written {
                return refused.map_or(Ok(wanted), Err);
            }
        }
    }

    /// Removes a recorded answer once it says that nothing is wanted: that is also what its absence means.
    pub async fn forget(&self, question: &Question) -> Result<()> {
        let key = Key::Wanted(question.environment.clone(), question.asset.clone());
        let seen = self.tracking.read(std::slice::from_ref(&key)).await?.into_iter().next().flatten();
        if let Some(stored) = seen
            && matches!(&stored.record, Record::Wanted(record) if record.wanted == Wanted::Revoke)
        {
            // A conflict means that somebody has asked since: the answer is theirs.
            let changes = vec![Change::remove(key, stored.expect())];
            self.tracking.commit(&Transaction { changes }).await?;
        }
        Ok(())
    }
}

/// Where an older system granted an asset.
struct OlderPlace {
    location: Location,
    /// Known where a run of ours has begun with it.
    table: Option<TableName>,
    /// The path stands for the asset: no record of ours does.
    by_path: bool,
}

/// The subscription, at the place where tracking has it.
fn at(subscription: &Subscription, row: &AssetRecord, location: Location) -> Subscription {
    let mut there = Subscription { location, ..subscription.clone() };
    there.consumer.owner = row.owner.clone();
    there
}

fn is_of(subscription: &Subscription, environment: &EnvironmentId, asset: &AssetId) -> bool {
    subscription.consumer.environment == *environment && subscription.asset.id == *asset
}

fn unknown_place(row: &AssetRecord) -> Error {
    let what = format!("an older system granted {} and did not record from which table", row.asset);
    Error::new(ErrorKind::NotFound, what)
        .at(Step::LookUp)
        .on_asset(&row.listing_name)
        .for_environment(&row.environment)
        .advise("name connection and path yourself, and revoke once more")
}

/// The portal of a producer that may not ask the real one: it obeys what [`Governance::record`] has written last.
#[derive(Clone, Debug)]
pub struct RecordedPortal(Arc<dyn TrackingStore>);

impl RecordedPortal {
    /// Reads from these tables.
    #[must_use]
    pub fn new(tracking: Arc<dyn TrackingStore>) -> Self {
        Self(tracking)
    }
}

#[async_trait]
impl Portal for RecordedPortal {
    async fn wanted(&self, question: &Question) -> Result<Wanted> {
        let key = Key::Wanted(question.environment.clone(), question.asset.clone());
        let found = self.0.read(&[key]).await?.into_iter().next().flatten();
        Ok(match found.map(|stored| stored.record) {
            Some(Record::Wanted(record)) => record.wanted,
            _ => Wanted::Revoke,
        })
    }

    async fn subscriptions(&self, event: &SubscriptionEvent) -> Result<Vec<Lookup>> {
        crate::portal::AsTold.subscriptions(event).await
    }

    async fn report(&self, _: &Subscription, _: std::result::Result<&Outcome, &Error>) -> Result<()> {
        Ok(())
    }
}
