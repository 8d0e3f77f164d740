//! Performs a run's effects against the ports. The only place that retries.

use std::time::{Duration, Instant};

use rand::RngExt as _;

use super::sessions::Sessions;
use super::settings::Settings;
use crate::audit;
use crate::engine::{Created, EngineConnector, Lock, LockKey, SourceEngine};
use crate::model::{AssetId, AssetPath, Source, SourceKey, Subscription, TableName, UserName};
use crate::portal::{Question, Wanted};
use crate::reconcile::books::UNKNOWN_PATH;
use crate::store::{Query, Record, WriteOutcome};
use crate::workflow::{Answer, Effect, Failure};
use crate::{Catalog, Changed, CredentialStore, Deadline, Error, ErrorKind, Portal, Result, Step, TrackingStore};

/// How many findings about a new user are worth telling.
const EXCESS: usize = 8;

/// What the source's side of a run needs.
#[derive(Clone, Copy)]
pub(crate) struct SourceSide<'a> {
    pub(crate) source: &'a Source,
    pub(crate) catalog: &'a dyn Catalog,
    pub(crate) connector: &'a dyn EngineConnector,
    pub(crate) credentials: &'a dyn CredentialStore,
    pub(crate) portal: &'a dyn Portal,
    pub(crate) sessions: &'a Sessions,
    pub(crate) wish: Wanted,
    /// Whether it is told what else a new user can do.
    pub(crate) tells_excess: bool,
}

/// One run's connection to the world.
pub(crate) struct Driver<'a> {
    pub(crate) subscription: &'a Subscription,
    pub(crate) tracking: &'a dyn TrackingStore,
    pub(crate) source: Option<SourceSide<'a>>,
    /// The consumer's own secrets.
    pub(crate) copies: Option<&'a dyn CredentialStore>,
    pub(crate) settings: &'a Settings,
    pub(crate) deadline: Deadline,
    /// For the audit trail.
    id: u64,
    session: Option<Box<dyn SourceEngine>>,
    retries: u32,
    /// What effects have failed with, in order.
    errors: Vec<Error>,
    /// What was last tried again.
    passing: Option<String>,
    new_user: bool,
    /// Whether anything may have been written.
    pub(crate) touched: bool,
    pub(crate) excess: Vec<String>,
}

impl<'a> Driver<'a> {
    pub(crate) fn new(
        subscription: &'a Subscription,
        tracking: &'a dyn TrackingStore,
        settings: &'a Settings,
        deadline: Deadline,
    ) -> Self {
        Self {
            subscription,
            tracking,
            source: None,
            copies: None,
            settings,
            deadline,
            id: rand::random(),
            session: None,
            retries: 0,
            errors: Vec::new(),
            passing: None,
            new_user: false,
            touched: false,
            excess: Vec::new(),
        }
    }

    /// Does what the run asks for. An error ends the run where it stands; a session that it had is dropped, and the lock with it.
    pub(crate) async fn perform(&mut self, effect: &Effect) -> Result<Answer> {
        self.touched |= effect.writes();
        if *effect == Effect::Lock {
            // The run begins, or begins again: what failed before has no bearing any more.
            self.errors.clear();
        }
        loop {
            let begun = Instant::now();
            let result = self.deadline.run("the run", self.once(effect)).await;
            self.audit().tell(effect, &result, self.retries, begun.elapsed());
            let error = match result {
                Ok(answer) => {
                    if answer == Answer::Wrote(WriteOutcome::Conflict) {
                        pause(self.settings.backoff / 10).await;
                    }
                    return Ok(answer);
                }
                Err(error) => self.in_context(error, effect),
            };
            tracing::debug!(%error, "an effect failed");
            let ends_session = effect.needs_session() && error.kind().ends_session();
            if ends_session {
                self.session = None;
            }
            // The work is done; without its session the lock goes too.
            if *effect == Effect::Unlock {
                self.session = None;
                return Ok(Answer::Failed(error.kind()));
            }
            if !error.is_retryable() {
                let kind = error.kind();
                // That a read-back fails is tolerated, and must not stand for a later failure.
                if !matches!(effect, Effect::Reads(..)) {
                    self.errors.push(error);
                }
                return Ok(Answer::Failed(kind));
            }
            self.retries += 1;
            let final_kind = matches!(error.kind(), ErrorKind::Timeout | ErrorKind::LockTimeout);
            if final_kind || self.retries > self.settings.retries || self.deadline.remaining().is_zero() {
                let error = self.after_all(error, effect);
                return Err(if self.touched { error } else { error.changed(Changed::Nothing) });
            }
            self.passing = Some(format!("{}: {}", error.kind(), error.detail()));
            pause(self.settings.backoff.saturating_mul(2_u32.saturating_pow(self.retries - 1))).await;
            if ends_session {
                return Ok(Answer::SessionLost);
            }
            // Whether a write that failed in passing was made is not known. To look again and go on from what is there
            // is right in both cases.
            if matches!(effect, Effect::Commit(_)) {
                return Ok(Answer::Wrote(WriteOutcome::Conflict));
            }
        }
    }

    fn audit(&self) -> audit::Run<'_> {
        let part = if self.source.is_some() { "producer" } else { "consumer" };
        audit::Run { id: self.id, part, subscription: self.subscription }
    }

    /// Puts an unlocked session aside for the next run.
    pub(crate) fn keep_session(&mut self) {
        if let (Some(session), Some(side)) = (self.session.take(), &self.source) {
            side.sessions.keep(side.source, session);
        }
    }

    /// The error behind a run's failure.
    pub(crate) fn error(&mut self, failure: &Failure) -> Error {
        match failure.detail {
            // A failure that the run has got over is not what it ended with.
            None => {
                let at = self.errors.iter().rposition(|error| error.kind() == failure.kind);
                at.map_or_else(|| Error::new(failure.kind, "an effect failed"), |at| self.errors.swap_remove(at))
            }
            Some(detail) => self.about(explain(Error::new(failure.kind, detail))),
        }
    }

    fn in_context(&self, error: Error, effect: &Effect) -> Error {
        self.about(common_advice(error.at(step(effect))))
    }

    /// A deadline that passes says nothing of why; what was tried again until then does.
    fn after_all(&mut self, error: Error, effect: &Effect) -> Error {
        match self.passing.take() {
            Some(passing) if error.kind() == ErrorKind::Timeout => {
                let detail = format!("{}; what was tried again until then: {passing}", error.detail());
                let told = Error::new(ErrorKind::Timeout, detail);
                let vendor = error.vendor_code().map(str::to_owned);
                self.in_context(if let Some(code) = vendor { told.vendor(code) } else { told }, effect)
            }
            _ => error,
        }
    }

    fn about(&self, error: Error) -> Error {
        let error = about(error, self.subscription);
        match &self.source {
            Some(side) => error.on_source(side.source),
            None => error.on_source(&self.subscription.location.connection),
        }
    }

    async fn once(&mut self, effect: &Effect) -> Result<Answer> {
        let tracking = self.tracking;
        Ok(match effect {
            Effect::Read(keys) => Answer::Records(tracking.read(keys).await?),
            Effect::Commit(transaction) => Answer::Wrote(tracking.commit(transaction).await?),
            Effect::Find => found(tracking, self.subscription).await?,
            Effect::Tables => tables(tracking, &self.subscription.key()).await?,
            Effect::ReadCopy(name) => Answer::Slot(self.copies()?.read(name).await?),
            Effect::ReadShared(id) => Answer::Slot(self.copies()?.read_shared(id).await?),
            Effect::CreateCopy(name, secret) => Answer::Slot(self.copies()?.create(name, secret).await?),
            Effect::ReplaceCopy(name, seen, secret) => Answer::Wrote(self.copies()?.replace(name, seen, secret).await?),
            Effect::BurnCopy(name) => done(self.copies()?.burn(name).await?),
            Effect::Ask => {
                let side = self.side()?;
                Answer::Wanted(side.portal.wanted(&Question::about(self.subscription, side.wish)).await?)
            }
            Effect::ReadSecret(name) => Answer::Slot(self.side()?.credentials.read(name).await?),
            Effect::InspectSecret(name) => Answer::Slot(self.side()?.credentials.inspect(name).await?),
            Effect::CreateSecret(name, secret) => Answer::Slot(self.side()?.credentials.create(name, secret).await?),
            Effect::Propose(name, version, value) => {
                Answer::Slot(self.side()?.credentials.propose(name, version, value).await?)
            }
            Effect::Promote { secret, seen, version } => {
                Answer::Wrote(self.side()?.credentials.promote(secret, seen, version).await?)
            }
            Effect::Share(name, readers) => done(self.side()?.credentials.share(name, readers).await?),
            Effect::Burn(name) => done(self.side()?.credentials.burn(name).await?),
            Effect::LogIn(credentials, table) => {
                let side = self.side()?;
                Answer::Login(side.connector.log_in(side.source, credentials, Some(table), self.deadline).await?)
            }
            Effect::Lock => {
                self.lock().await?;
                Answer::Done
            }
            Effect::Unlock => done(self.session()?.unlock().await?),
            Effect::Resolve(path) => Answer::Table(self.session()?.resolve(path).await?),
            Effect::CreateUser(credentials) => {
                let created = self.session()?.create_user(credentials).await?;
                self.new_user |= created == Created::New;
                Answer::Created(created)
            }
            Effect::SetPassword(credentials) => done(self.session()?.set_password(credentials).await?),
            Effect::Grant { user, table, take_back } => {
                self.session()?.grant(user, table, take_back).await?;
                self.look_for_excess(user, table).await;
                Answer::Done
            }
            Effect::Revoke { user, tables } => done(self.session()?.revoke(user, tables).await?),
            Effect::Reads(user, table) => Answer::Reads(self.session()?.reads(user, table).await?),
            Effect::DropUser(user) => done(self.session()?.drop_user(user).await?),
        })
    }

    async fn lock(&mut self) -> Result<()> {
        let side = self.side()?;
        let mut session = match self.session.take().or_else(|| side.sessions.take(side.source)) {
            Some(session) => session,
            None => connect(side.connector, side.catalog, side.source, self.deadline).await?,
        };
        take_lock(&mut *session, &self.subscription.key(), self.settings, self.deadline).await?;
        self.session = Some(session);
        Ok(())
    }

    /// What a new user can do beyond its grant is worth telling, and not worth failing for.
    async fn look_for_excess(&mut self, user: &UserName, table: &TableName) {
        if !self.new_user || !self.source.is_some_and(|side| side.tells_excess) {
            return;
        }
        let Some(session) = &mut self.session else { return };
        match session.excess(user, std::slice::from_ref(table), EXCESS).await {
            Ok(found) => self.excess = found,
            Err(error) => tracing::debug!(%error, "what else the user can do could not be found out"),
        }
    }

    /// A copy, so that no borrow of the driver, whose session is not `Sync`, is held while a future waits.
    fn side(&self) -> Result<SourceSide<'a>> {
        self.source.ok_or_else(|| no_side("source"))
    }

    fn copies(&self) -> Result<&'a dyn CredentialStore> {
        self.copies.ok_or_else(|| no_side("consumer"))
    }

    fn session(&mut self) -> Result<&mut dyn SourceEngine> {
        match &mut self.session {
            Some(session) => Ok(&mut **session),
            None => Err(Error::new(ErrorKind::LockLost, "there is no session on the source any more")),
        }
    }
}

/// Whose error it is, and of which asset, if it is of one.
pub(super) fn about(error: Error, subscription: &Subscription) -> Error {
    let error = error.for_environment(&subscription.consumer.environment);
    let path = &subscription.location.path;
    if path.as_str() == UNKNOWN_PATH { error } else { error.on_asset(path) }
}

/// A session with the admin's login. Its owner may be rotating it: the source is told the new password and the secret later, or
/// the other way round. So a login that is refused is looked up once more, and tried again if it is another one now.
pub(crate) async fn connect(
    connector: &dyn EngineConnector,
    catalog: &dyn Catalog,
    source: &Source,
    deadline: Deadline,
) -> Result<Box<dyn SourceEngine>> {
    let refused = match connector.connect(source, deadline).await {
        Err(error) if error.kind() == ErrorKind::AdminLoginRefused => error,
        other => return other,
    };
    match deadline.run("looking the connection up", catalog.source(&source.connection)).await {
        Ok(now) if now.endpoint == source.endpoint && now.tls == source.tls && now.admin != source.admin => {
            connector.connect(&now, deadline).await
        }
        _ => Err(refused),
    }
}

/// Takes the source's lock for a key.
pub(crate) async fn take_lock(
    session: &mut dyn SourceEngine,
    key: &SourceKey,
    settings: &Settings,
    deadline: Deadline,
) -> Result<()> {
    let wait = settings.lock_wait.min(deadline.remaining());
    let hold = settings.deadline.saturating_add(Duration::from_secs(10));
    match session.lock(&LockKey::new(key), wait, hold).await? {
        Lock::Held => Ok(()),
        Lock::Unsupported(_) if settings.host_serialises => Ok(()),
        Lock::Unsupported(why) => Err(Error::new(ErrorKind::LockUnsupported, why).advise(
            "let the host run at most one grant or revoke at a time for each (connection, environment), and say so in the \
             settings (host_serialises)",
        )),
    }
}

fn no_side(side: &str) -> Error {
    Error::new(ErrorKind::Unexpected, format!("this part of the workflow has no access to the {side}'s side"))
}

fn done((): ()) -> Answer {
    Answer::Done
}

/// The answer to [`Effect::Find`].
pub(crate) async fn found(tracking: &dyn TrackingStore, subscription: &Subscription) -> Result<Answer> {
    let found = find(tracking, &subscription.key(), &subscription.asset.id).await?;
    Ok(Answer::Found(found.map(|(table, _)| table)))
}

/// The table for which an asset was granted, and the path, if its row is missing: looked for among all tables of the source record.
pub(crate) async fn find(
    tracking: &dyn TrackingStore,
    key: &SourceKey,
    asset: &AssetId,
) -> Result<Option<(TableName, AssetPath)>> {
    let query = Query::Entries(key.clone());
    let mut after = None;
    let mut unreadable = None;
    loop {
        let page = tracking.list(&query, after.as_ref()).await?;
        for stored in page.records {
            match stored.map(|stored| stored.record) {
                Ok(Record::Entry(entry)) => {
                    if let Some(publication) = entry.assets.get(asset) {
                        return Ok(Some((entry.table, publication.path.clone())));
                    }
                }
                Ok(_) => {}
                Err(error) => unreadable = Some(error),
            }
        }
        match page.next {
            Some(next) => after = Some(next),
            // It may be the one that was looked for.
            None => return unreadable.map_or(Ok(None), Err),
        }
    }
}

/// The answer to [`Effect::Tables`].
pub(crate) async fn tables(tracking: &dyn TrackingStore, key: &SourceKey) -> Result<Answer> {
    let query = Query::Entries(key.clone());
    let (mut tables, mut after) = (Vec::new(), None);
    loop {
        let page = tracking.list(&query, after.as_ref()).await?;
        for stored in page.records {
            if let Record::Entry(entry) = stored?.record {
                tables.push(entry.table);
            }
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(Answer::Tables(tables)),
        }
    }
}

/// Full jitter: anything up to the bound, so that runs that collided do not collide again.
async fn pause(bound: Duration) {
    if bound.is_zero() {
        return;
    }
    let bound = bound.min(Duration::from_secs(3));
    let part = rand::rng().random_range(0.2..1.0);
    tokio::time::sleep(bound.mul_f64(part)).await;
}

pub(crate) fn step(effect: &Effect) -> Step {
    match effect {
        Effect::Lock | Effect::Unlock => Step::Lock,
        Effect::Ask => Step::Ask,
        Effect::Read(_) | Effect::Commit(_) | Effect::Find | Effect::Tables => Step::Tracking,
        Effect::Resolve(_) => Step::Resolve,
        Effect::ReadSecret(_)
        | Effect::InspectSecret(_)
        | Effect::CreateSecret(..)
        | Effect::Propose(..)
        | Effect::Promote { .. }
        | Effect::Share(..)
        | Effect::Burn(_) => Step::ProducerSecret,
        Effect::CreateUser(_) | Effect::SetPassword(_) => Step::User,
        Effect::LogIn(..) | Effect::Reads(..) => Step::ReadBack,
        Effect::Grant { .. } => Step::Grant,
        Effect::Revoke { .. } => Step::Revoke,
        Effect::DropUser(_) => Step::Drop,
        Effect::ReadCopy(_)
        | Effect::ReadShared(_)
        | Effect::CreateCopy(..)
        | Effect::ReplaceCopy(..)
        | Effect::BurnCopy(_) => Step::ConsumerSecret,
    }
}

/// What to do is the same on all engines, and not each statement's business.
fn common_advice(error: Error) -> Error {
    match (error.kind(), error.advice()) {
        (ErrorKind::ReadOnly, None) => error.advise(
            "let the connection name the server that takes writes (the primary, the cluster's writer endpoint), or wait until \
             this one does again",
        ),
        _ => error,
    }
}

/// Adds what to do about a failure that a run itself has found.
fn explain(error: Error) -> Error {
    let advice = match error.kind() {
        ErrorKind::SecretGone => {
            "restore the secret if that is still possible; or revoke the environment's assets on this source, and grant them again"
        }
        ErrorKind::RecordInvalid => {
            "compare the record with a backup; or remove what the source grants to the user by hand, then the record"
        }
        ErrorKind::SecretInvalid => {
            "correct the secret's value; or, where the source has moved, revoke the environment's assets on it and grant them again"
        }
        ErrorKind::UserLoginRefused => {
            "look for a rule that keeps the user out: pg_hba.conf, an account lock, a login trigger, a network rule"
        }
        ErrorKind::Contention => {
            "try again when the rotation has ended; if whoever rotated the secret is dead, take the label of what is pending off that version (AWSPENDING, in Secrets Manager)"
        }
        ErrorKind::InvalidInput => "grant what the older system has granted once more first, and then rotate",
        ErrorKind::TableNotFound => "revoke what is gone, and grant what is there by now",
        ErrorKind::Unexpected => "look for a DENY, a row security policy or another rule on the table",
        _ => return error,
    };
    error.advise(advice)
}
