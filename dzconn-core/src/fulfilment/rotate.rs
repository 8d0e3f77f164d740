//! New credentials for an environment on one source.

use std::sync::Arc;

use super::{Fulfilment, Order, Parts};
use crate::model::{
    ConnectionId, EnvironmentId, GenerationId, Location, SecretName, SourceKey, SourceRecord, Subscription, TurnId,
    UserName, Wanted,
};
use crate::reconcile::books::{Books, UNKNOWN, UNKNOWN_PATH, each};
use crate::store::{Key, Query, Record};
use crate::workflow::{CarryTask, Consumed, Did, Errand, Handover};
use crate::{Changed, Deadline, Error, ErrorKind, Result, Step};

/// What a rotation has brought about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rotation {
    /// The environment has new credentials.
    Rotated(Rotated),
    /// The environment reads nothing on this connection.
    Nothing,
    /// What it read has been taken back meanwhile.
    Superseded,
}

/// New credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rotated {
    /// The database user that the environment's secret names now.
    pub user: UserName,
    /// The one that it named before. It goes on logging in, with the password that it had, until the next rotation.
    pub previous: Option<UserName>,
    /// The environment's secret.
    pub secret: SecretName,
}

impl Fulfilment {
    /// Gives an environment new credentials on one connection, and carries them into its secret.
    ///
    /// At every moment, what the environment's secret holds logs in and reads what was granted: a second database user is made
    /// as good as the first before the secret names it, and the first stays valid, with its password, until the next rotation;
    /// from then on the two take turns. Whoever has read the secret before it changed has until then to read it again.
    ///
    /// The secret is shared once more first, as who reads it in the consumer's account may have changed since the grant.
    ///
    /// The portal is not asked, as nothing is granted that is not granted already. Repeating it rotates once more; but where an
    /// earlier rotation did not come to its end, it is finished, and no other begun.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if an older system has granted some of the tables, or nothing that is recorded says where the
    /// environment lives, as its first grant was not delivered: grant once more first. [`ErrorKind::Contention`] while somebody else rotates the secret. Otherwise
    /// the kinds of the steps. What the environment's secret holds logs in after any of them.
    pub async fn rotate(&self, connection: &ConnectionId, environment: &EnvironmentId) -> Result<Rotation> {
        let key = SourceKey { connection: connection.clone(), environment: environment.clone() };
        self.rotate_on(&key, None).await
    }

    /// The same; where a turn is named, only that one is gone on with, and none begun.
    pub(crate) async fn rotate_on(&self, key: &SourceKey, turn: Option<TurnId>) -> Result<Rotation> {
        let Parts { producer, consumer, .. } = &*self.0;
        let deadline = Deadline::within(producer.settings.deadline);
        let Some(mut order) = self.turn_order(key, deadline).await? else { return Ok(Rotation::Nothing) };
        order.errand = Errand::Rotate(turn);
        let subscription = &order.subscription;
        let report = producer.run(&order, deadline).await?;
        let handover = if let Did::Rotated(handover) = report.did { Some(handover) } else { None };
        let carried = match &handover {
            Some(handover) => {
                let task = CarryTask { subscription: subscription.clone(), handover: handover.clone() };
                Some(consumer.carry(Arc::new(task), deadline).await?)
            }
            None => None,
        };
        // What earlier runs have left does not make this rotation undone.
        if let Err(error) = consumer.run(subscription, None, deadline).await {
            tracing::warn!(%error, "what earlier runs left could not be cleaned up");
        }
        let Some(Handover { generation, user, previous, copy: secret, .. }) = handover else {
            return report.failure.map_or(Ok(Rotation::Nothing), Err);
        };
        // What this run has not confirmed, another has; or it is gone.
        let confirmed = carried.is_some_and(|Consumed { copy, .. }| copy.is_some());
        if confirmed || self.source_record(key).await?.is_some_and(|record| lives(&record, generation)) {
            return Ok(Rotation::Rotated(Rotated { user, previous, secret }));
        }
        Ok(Rotation::Superseded)
    }

    /// What a rotation is started with; nothing where there is no record.
    pub(super) async fn turn_order(&self, key: &SourceKey, deadline: Deadline) -> Result<Option<Order>> {
        let in_context = |error: Error| {
            let error = error.at(Step::Tracking).on_source(&key.connection).for_environment(&key.environment);
            error.changed(Changed::Nothing)
        };
        let reading = deadline.run("reading what is recorded", self.turn_subscription(key)).await;
        let subscription = reading.map_err(in_context)?;
        Ok(subscription.map(|subscription| Order {
            subscription,
            wish: Wanted::Retain,
            errand: Errand::Rotate(None),
            older: false,
            table: None,
        }))
    }

    async fn turn_subscription(&self, key: &SourceKey) -> Result<Option<Subscription>> {
        let Some(record) = self.source_record(key).await? else { return Ok(None) };
        let tracking = &self.0.producer.tracking;
        let secret = record.generation.as_ref().and_then(|generation| generation.secret_id.clone());
        let mapping: Vec<_> = secret.into_iter().map(Key::Mapping).collect();
        let mappings = if mapping.is_empty() { Vec::new() } else { tracking.read(&mapping).await? };
        let mut books = Books { mappings: mappings.into_iter().flatten().collect(), ..Books::default() };
        // A grant whose run died early has no mapping; then the environment's rows say where it lives.
        if books.mappings.is_empty() {
            books.rows = each(&self.0, &Query::Assets(Some(key.environment.clone())), &mut Vec::new()).await?;
        }
        // Guessing would put the new password into a secret of another account, and leave the environment's behind.
        if books.known_consumer(&record).is_none() {
            if record.generation.is_none() {
                return Ok(None);
            }
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "nothing that is recorded says in which account the environment lives: its first grant was not delivered",
            )
            .advise("grant once more what the environment is to read, or revoke it; then rotate"));
        }
        let location =
            Location { connection: key.connection.clone(), path: UNKNOWN_PATH.parse()?, owner: record.owner.clone() };
        books.subscription(&record, &UNKNOWN.parse()?, location).map(Some)
    }

    async fn source_record(&self, key: &SourceKey) -> Result<Option<SourceRecord>> {
        let found = self.0.producer.tracking.read(&[Key::Source(key.clone())]).await?;
        Ok(found.into_iter().flatten().find_map(|stored| match stored.record {
            Record::Source(source) => Some(source),
            _ => None,
        }))
    }
}

fn lives(record: &SourceRecord, generation: GenerationId) -> bool {
    record.generation.as_ref().is_some_and(|living| living.id == generation)
}
