//! Takes back everything that an environment was granted, from tracking.

use super::{Fulfilment, Handled, Order, REPORT};
use crate::model::{
    AssetId, AssetPath, DomainId, EnvironmentId, Location, Phase, SourceRecord, Subscription, TableName, Wanted,
};
use crate::reconcile::books::{Books, UNKNOWN, UNKNOWN_PATH, each};
use crate::reconcile::{Finding, Scope, tidy};
use crate::store::{Change, Expect, Key, Query, Record, Stored, Transaction, WriteOutcome};
use crate::workflow::Errand;
use crate::{Changed, Deadline, Error, ErrorKind, Result, Step};

/// How often what came back is taken back.
const ROUNDS: u32 = 2;

/// What an environment has, as orders to take it back; what of it cannot be told; and its records.
#[derive(Default)]
struct Claims {
    orders: Vec<Order>,
    failed: Vec<Error>,
    sources: Vec<SourceRecord>,
    rows: Vec<Stored>,
}

impl Fulfilment {
    /// Takes back everything that tracking has for an environment, tables and objects, retained access included: the environment
    /// ends, so the portal is not asked what is wanted. What other environments have is not touched.
    ///
    /// One asset that cannot be taken back keeps none of the others. What is granted meanwhile is taken back too, if it shows once
    /// the rest has gone. Repeating it goes on with what is left; if nothing is, the answer is empty.
    ///
    /// # Errors
    /// That tracking cannot be read, or [`ErrorKind::InvalidInput`] if it says that the environment is of another domain; each
    /// asset has its own result.
    pub async fn revoke_all(&self, domain: &DomainId, environment: &EnvironmentId) -> Result<Vec<Handled>> {
        let Claims { orders, failed, .. } = self.claims(domain, environment).await?;
        let mut handled = self.revoke_all_objects(domain, environment).await?;
        handled.extend(failed.into_iter().map(|error| Handled::Failed { error }));
        // Before the access to tables goes (to objects nobody obeys an answer that is recorded): whoever obeys an answer would grant once more.
        if let Err(error) = self.forget_answers(environment).await {
            handled.push(Handled::Failed { error });
        }
        let mut due = orders;
        let mut rounds = 1;
        let left = loop {
            for order in std::mem::take(&mut due) {
                handled.push(self.take_back(order).await);
            }
            let mut left = match self.claims(domain, environment).await {
                Ok(left) => left,
                // What has been done is told all the same.
                Err(error) => {
                    handled.push(Handled::Failed { error: error.for_environment(environment) });
                    return Ok(handled);
                }
            };
            // What failed has said so itself. What is recorded otherwise stands elsewhere too, or came meanwhile.
            let mut back = std::mem::take(&mut left.orders);
            back.retain(|order| !has_failed(&handled, order));
            for order in back {
                match self.forget_row(&order, &left).await {
                    Ok(true) => {}
                    Ok(false) if rounds < ROUNDS => due.push(order),
                    Ok(false) => handled.push(Handled::Failed { error: still_there(&order) }),
                    Err(error) => handled.push(Handled::Failed { error }),
                }
            }
            if due.is_empty() {
                break left;
            }
            rounds += 1;
        };
        for record in left.sources {
            let settled = record.phase == Phase::Active && record.revoked.is_empty() && record.retired.is_empty();
            if !settled && let Err(error) = self.tidy_up(environment, &record).await {
                handled.push(Handled::Failed { error: error.for_environment(environment) });
            }
        }
        Ok(handled)
    }

    /// What [`revoke_all`](Self::revoke_all) would take back, and what of it cannot be told.
    ///
    /// # Errors
    /// As of [`revoke_all`](Self::revoke_all).
    pub async fn held(
        &self,
        domain: &DomainId,
        environment: &EnvironmentId,
    ) -> Result<(Vec<Subscription>, Vec<Error>)> {
        let Claims { orders, failed, .. } = self.claims(domain, environment).await?;
        Ok((orders.into_iter().map(|order| order.subscription).collect(), failed))
    }

    async fn take_back(&self, order: Order) -> Handled {
        let result = self.bring_about(&order, Deadline::within(self.0.producer.settings.deadline)).await;
        let report = self.0.governance.portal.report(&order.subscription, result.as_ref());
        if let Err(error) = Deadline::within(REPORT).run("the report", report).await {
            tracing::warn!(%error, "the outcome could not be reported");
        }
        Handled::Done { subscription: Box::new(order.subscription), result: Box::new(result) }
    }

    async fn books(&self, environment: &EnvironmentId, findings: &mut Vec<Finding>) -> Result<Books> {
        let scope = Scope { connection: None, environment: Some(environment.clone()) };
        let reading = Books::read(self.parts(), &scope, findings);
        self.within("reading what is recorded", reading).await.map_err(|error| error.at(Step::Tracking))
    }

    async fn claims(&self, domain: &DomainId, environment: &EnvironmentId) -> Result<Claims> {
        let mut unreadable = Vec::new();
        let books = self.books(environment, &mut unreadable).await?;
        // Its role would not be found there, and would be left as it is while its users are dropped.
        if let Some(other) = books.sources.iter().map(|record| &record.domain).find(|other| *other != domain) {
            let what = format!("{environment} is recorded in the domain {other}, not in {domain}");
            return Err(Error::new(ErrorKind::InvalidInput, what)
                .at(Step::Input)
                .for_environment(environment)
                .advise("name the domain that is recorded")
                .changed(Changed::Nothing));
        }
        let mut claims = Claims::default();
        for (_, row) in books.rows() {
            let placed = match row.place.clone() {
                Some(place) => Ok(place.location),
                None => self.within("looking for its place", self.0.governance.place_of_older(row)).await,
            };
            let orders = match placed {
                Ok(location) => {
                    let subscription = row.clone().at(location);
                    let orders = self.0.governance.orders(&subscription, Wanted::Revoke);
                    self.within("looking for what was granted", orders).await
                }
                Err(error) => Err(error),
            };
            let named =
                |error: Error| error.at(Step::Tracking).on_asset(&row.listing_name).for_environment(environment);
            match orders.map_err(named) {
                Ok(orders) => claims.orders.extend(orders),
                Err(error) => claims.failed.push(error),
            }
        }
        for record in &books.sources {
            // Grants whose run died before it wrote the row.
            let mut tables: Vec<(AssetId, AssetPath, TableName)> = Vec::new();
            for (table, open) in &record.open {
                tables.extend(open.assets.iter().map(|(asset, path)| (asset.clone(), path.clone(), table.clone())));
            }
            let query = Query::Entries(record.key.clone());
            let entries = each(self.parts(), &query, &mut unreadable);
            // One connection that cannot be looked through keeps none of the others.
            let entries = self.within("reading what is recorded", entries).await.unwrap_or_else(|error| {
                let error = error.at(Step::Tracking).on_source(&record.key.connection).for_environment(environment);
                claims.failed.push(error);
                Vec::new()
            });
            for stored in entries {
                if let Record::Entry(entry) = stored.record {
                    let assets = entry.assets.into_iter();
                    tables.extend(assets.map(|(asset, published)| (asset, published.path, entry.table.clone())));
                }
            }
            let at = |path: AssetPath| Location {
                connection: record.key.connection.clone(),
                path,
                owner: record.owner.clone(),
            };
            for (asset, path, table) in tables {
                let same = |order: &Order| {
                    let Subscription { asset: of, location, .. } = &order.subscription;
                    // It may stand on two tables: each has to go.
                    let here = order.table.as_ref().is_none_or(|other| *other == table);
                    here && of.id == asset && location.connection == record.key.connection
                };
                if !claims.orders.iter().any(same) {
                    let subscription = books.subscription(record, &asset, at(path))?;
                    claims.orders.push(order(subscription, false, Some(table)));
                }
            }
            // What an older system has granted: for which assets it did not record, and rows may be missing.
            for path in &record.older {
                let same = |order: &Order| order.older && order.subscription.location == at(path.clone());
                if !claims.orders.iter().any(same) {
                    let subscription = books.subscription(record, &UNKNOWN.parse()?, at(path.clone()))?;
                    claims.orders.push(order(subscription, true, None));
                }
            }
        }
        // A key names the environment whose record it is. Another's is not this one's failure.
        let (own, others): (Vec<_>, Vec<_>) =
            unreadable.into_iter().partition(|finding| finding.detail.contains(environment.as_str()));
        for finding in others {
            tracing::warn!(%environment, detail = finding.detail, "another environment's record cannot be read");
        }
        claims.failed.extend(own.into_iter().map(|finding| {
            Error::new(ErrorKind::RecordInvalid, finding.detail)
                .at(Step::Tracking)
                .for_environment(environment)
                .advise("compare the record with a backup, and correct it")
        }));
        for order in &mut claims.orders {
            order.errand = Errand::End;
        }
        claims.rows = books.rows;
        claims.sources = books.sources;
        Ok(claims)
    }

    /// Answers of the portal that were recorded for producers stand for access that there is not any more; also those for assets
    /// that nothing else is recorded of.
    pub(crate) async fn forget_answers(&self, environment: &EnvironmentId) -> Result<()> {
        let query = Query::Wanted(Some(environment.clone()));
        let forgetting = async {
            let mut unreadable = Vec::new();
            for stored in each(self.parts(), &query, &mut unreadable).await? {
                // A conflict means that somebody has asked since: the answer is theirs.
                let changes = vec![Change::remove(stored.record.key(), stored.expect())];
                self.0.governance.tracking.commit(&Transaction { changes }).await?;
            }
            let invalid = |finding: Finding| Error::new(ErrorKind::RecordInvalid, finding.detail);
            unreadable.pop().map_or(Ok(()), |finding| Err(invalid(finding).advise("remove the record by hand")))
        };
        let forgotten = self.within("forgetting the portal's answers", forgetting).await;
        forgotten.map_err(|error| error.at(Step::Tracking).for_environment(environment))
    }

    /// Removes the row of access that there is not: no run does where there is no record of the user.
    async fn forget_row(&self, order: &Order, left: &Claims) -> Result<bool> {
        let Subscription { asset, consumer, .. } = &order.subscription;
        let key = order.subscription.key();
        let row = left.rows.iter().find(|stored| match &stored.record {
            Record::Asset(row) => {
                let here = row.place.as_ref().is_some_and(|place| place.location.connection == key.connection);
                here && row.asset == asset.id
            }
            _ => false,
        });
        let Some(row) = row.filter(|_| left.sources.iter().all(|source| source.key != key)) else { return Ok(false) };
        // A grant makes the record first, and the row last.
        let changes =
            vec![Change::check(Key::Source(key), Expect::Absent), Change::remove(row.record.key(), row.expect())];
        let transaction = Transaction { changes };
        let removing = self.0.governance.tracking.commit(&transaction);
        let removed = self.within("removing a row", removing).await;
        let removed = removed.map_err(|error| error.at(Step::Tracking).for_environment(&consumer.environment))?;
        Ok(removed == WriteOutcome::Written)
    }

    async fn within<T>(&self, what: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
        Deadline::within(self.0.producer.settings.deadline).run(what, work).await
    }

    /// Finishes what dead runs have left of a record that has no asset any more.
    async fn tidy_up(&self, environment: &EnvironmentId, record: &SourceRecord) -> Result<()> {
        let books = self.books(environment, &mut Vec::new()).await?;
        let asset = record.revoked.iter().next().cloned().map_or_else(|| UNKNOWN.parse(), Ok)?;
        let path = record.data_assets.iter().next().cloned().map_or_else(|| UNKNOWN_PATH.parse(), Ok)?;
        let location = Location { connection: record.key.connection.clone(), path, owner: record.owner.clone() };
        tidy(self, &books.subscription(record, &asset, location)?, None).await.map(drop)
    }
}

/// Whether something that was done for an order's asset has failed.
fn has_failed(handled: &[Handled], order: &Order) -> bool {
    let Subscription { asset, location, .. } = &order.subscription;
    handled.iter().any(|one| match one {
        Handled::Done { subscription: of, result } => {
            // Of an older system's, only the path tells one from another.
            let of_it = of.asset.id == asset.id && of.location.connection == location.connection;
            of_it && (!order.older || of.location.path == location.path) && result.is_err()
        }
        _ => false,
    })
}

fn still_there(order: &Order) -> Error {
    let Subscription { location, consumer, .. } = &order.subscription;
    Error::new(ErrorKind::Contention, "it is recorded after everything was taken back: it was granted meanwhile")
        .at(Step::Tracking)
        .on_asset(&location.path)
        .on_source(&location.connection)
        .for_environment(&consumer.environment)
        .advise("clean the environment once more")
}

fn order(subscription: Subscription, older: bool, table: Option<TableName>) -> Order {
    Order { subscription, wish: Wanted::Revoke, errand: Errand::End, older, table }
}
