//! Drives the workflow against the ports.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::equipment::{Effect, Equipment, Planned, RoleState};
use super::event::EnvironmentEvent;
use super::ports::{Environment, EnvironmentPortal, EnvironmentRoles, LakeTags, Stage, Tagged};
use crate::audit;
use crate::bucket::ObjectSubscription;
use crate::fulfilment::Handled;
use crate::model::{DomainId, EnvironmentId, Owner, Principal, Subscription};
use crate::{Changed, Deadline, Error, ErrorKind, Fulfilment, Result, Step};

/// What was brought about, or, of a plan, would be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Brought {
    /// The role is extended and the databases are tagged.
    Equipped,
    /// Role and databases are as the portal made them, and nothing is granted any more, but for what the report says.
    Cleaned,
    /// Nothing: it is not ours, or it is neither active nor being deleted. Why.
    Nothing(String),
}

/// What became of an environment.
#[derive(Debug)]
#[non_exhaustive]
pub struct EnvironmentReport {
    /// Which.
    pub environment: EnvironmentId,
    /// What was brought about.
    pub brought: Brought,
    /// Whether the event asked for something else than the portal says.
    pub superseded: bool,
    /// Its user role, if the portal names one.
    pub role: Option<Principal>,
    /// What was not so before, as far as was seen.
    pub changes: Vec<Effect>,
    /// What is good to know: a role that is gone, a boundary of somebody else's.
    pub notes: Vec<String>,
    /// Of a plan: what would be revoked.
    pub held: Vec<Subscription>,
    /// Of a plan: the objects that would be revoked.
    pub held_objects: Vec<ObjectSubscription>,
    /// What was revoked, or could not be.
    pub revoked: Vec<Handled>,
    /// What else could not be done. The rest was done all the same; the next run does it again.
    pub failures: Vec<Error>,
}

impl EnvironmentReport {
    pub(crate) fn new(environment: &EnvironmentId, brought: Brought) -> Self {
        Self {
            environment: environment.clone(),
            brought,
            superseded: false,
            role: None,
            changes: Vec::new(),
            notes: Vec::new(),
            held: Vec::new(),
            held_objects: Vec::new(),
            revoked: Vec::new(),
            failures: Vec::new(),
        }
    }

    /// Everything that could not be done, what could not be revoked included.
    pub fn errors(&self) -> impl Iterator<Item = &Error> {
        let revoked = self.revoked.iter().filter_map(|handled| match handled {
            Handled::Done { result, .. } => result.as_ref().as_ref().err(),
            Handled::Objects { result, .. } => result.as_ref().as_ref().err(),
            Handled::Failed { error } => Some(error),
            Handled::Skipped { .. } => None,
        });
        self.failures.iter().chain(revoked)
    }
}

/// The environment workflows.
///
/// Every call may be repeated, may run beside any other on any machine, and may be dropped at any point: the next one for the
/// same environment that the portal answers alike ends where it would have ended. What a run has equipped that was dropped before it
/// could ask once more, while another cleaned, stays until the environment is cleaned again.
#[derive(Clone, Debug)]
pub struct Environments {
    portal: Arc<dyn EnvironmentPortal>,
    roles: Arc<dyn EnvironmentRoles>,
    tags: Arc<dyn LakeTags>,
    equipment: Equipment,
    fulfilment: Fulfilment,
    deadline: Duration,
}

impl Environments {
    /// With these. What an environment was granted is revoked through `fulfilment`.
    pub fn new(
        portal: impl EnvironmentPortal + 'static,
        roles: impl EnvironmentRoles + 'static,
        tags: impl LakeTags + 'static,
        equipment: Equipment,
        fulfilment: Fulfilment,
    ) -> Self {
        let deadline = fulfilment.parts().producer.settings.deadline;
        Self { portal: Arc::new(portal), roles: Arc::new(roles), tags: Arc::new(tags), equipment, fulfilment, deadline }
    }

    /// Brings about what the portal says of the environment *now*: equips an active one, cleans one that is being deleted, leaves
    /// any other alone. One that the portal does not know is cleaned if the event says that it ends. By hand an environment is cleaned
    /// whatever the portal says, and one that is to be equipped is cleaned only if its deletion begins in the meantime.
    ///
    /// Cleaning goes on after a failure: what could not be done stands in the report.
    ///
    /// # Errors
    /// What keeps the environment from being looked up, or from being equipped. Retryable if the event says that the environment
    /// ends and the portal does not say so yet: nothing takes a deletion back, so what was read is behind, and nothing is done.
    pub async fn handle(&self, event: &EnvironmentEvent) -> Result<EnvironmentReport> {
        let found = self.look_up(event).await?;
        let mut report = match wish(event, found.as_ref()) {
            Wish::Equip(environment, owner) => self.equip(event, environment, owner).await?,
            Wish::Clean => self.clean(event, found.as_ref(), Doing::All).await,
            Wish::Nothing(why) => EnvironmentReport::new(&event.environment, Brought::Nothing(why)),
            Wish::Wait(error) => return Err(error),
        };
        report.superseded = superseded(event, &report.brought);
        Ok(report)
    }

    /// What [`handle`](Self::handle) would do, by what is seen now. Nothing is changed.
    ///
    /// # Errors
    /// As of [`handle`](Self::handle).
    pub async fn plan(&self, event: &EnvironmentEvent) -> Result<EnvironmentReport> {
        let found = self.look_up(event).await?;
        let mut report = match wish(event, found.as_ref()) {
            Wish::Equip(environment, owner) => {
                let mut report = EnvironmentReport::new(&event.environment, Brought::Equipped);
                report.role.clone_from(&environment.role);
                let steps = self.steps_to_equip(environment, owner).await.map_err(|error| named(error, event))?;
                report.changes = changes(&steps);
                report
            }
            Wish::Clean => self.clean(event, found.as_ref(), Doing::Plan).await,
            Wish::Nothing(why) => EnvironmentReport::new(&event.environment, Brought::Nothing(why)),
            Wish::Wait(error) => return Err(error),
        };
        report.superseded = superseded(event, &report.brought);
        Ok(report)
    }

    /// What the portal has in a domain, of any blueprint and stage.
    ///
    /// # Errors
    /// As of [`EnvironmentPortal::environments`].
    pub async fn of_domain(&self, domain: &DomainId) -> Result<Vec<EnvironmentId>> {
        let listed = self.within("listing the domain's environments", self.portal.environments(domain)).await;
        listed.map_err(|error| error.at(Step::LookUp).changed(Changed::Nothing))
    }

    /// The account in which the portal has an environment that is ours.
    pub(crate) async fn owner(&self, domain: &DomainId, id: &EnvironmentId) -> Result<Option<Owner>> {
        let found = self.look_up(&EnvironmentEvent::clean(domain.clone(), id.clone())).await?;
        Ok(ours(found.as_ref()).map(|(_, owner)| owner.clone()))
    }

    async fn look_up(&self, event: &EnvironmentEvent) -> Result<Option<Environment>> {
        let asking = self.portal.environment(&event.domain, &event.environment);
        let found = Deadline::within(self.deadline).run("looking the environment up", asking).await;
        found.map_err(|error| named(error.at(Step::LookUp).changed(Changed::Nothing), event))
    }

    async fn equip(
        &self,
        event: &EnvironmentEvent,
        environment: &Environment,
        owner: &Owner,
    ) -> Result<EnvironmentReport> {
        let mut report = EnvironmentReport::new(&event.environment, Brought::Equipped);
        report.role.clone_from(&environment.role);
        // All is looked at before anything is done: what cannot be done leaves things as they were.
        let steps = self.steps_to_equip(environment, owner).await.map_err(|error| named(error, event))?;
        for step in &steps {
            self.perform(environment, owner, &step.effect).await.map_err(|error| named(error, event))?;
        }
        report.changes = changes(&steps);
        // It may have come to its end meanwhile, and whoever cleaned it then has not seen all of this.
        let again = self.look_up(event).await.map_err(|error| error.changed(Changed::Unfinished))?;
        if again.as_ref().is_none_or(|environment| environment.stage == Stage::Ending) {
            return Ok(self.clean(event, Some(again.as_ref().unwrap_or(environment)), Doing::All).await);
        }
        Ok(report)
    }

    async fn clean(&self, event: &EnvironmentEvent, found: Option<&Environment>, doing: Doing) -> EnvironmentReport {
        let mut report = EnvironmentReport::new(&event.environment, Brought::Cleaned);
        // The role first: the portal is about to delete it.
        if let Some((environment, owner)) = ours(found) {
            report.role.clone_from(&environment.role);
            for step in self.steps_to_clean(environment, owner, &mut report).await {
                if doing == Doing::Plan {
                    report.changes.extend(step.changes.then_some(step.effect));
                    continue;
                }
                match self.perform(environment, owner, &step.effect).await {
                    Ok(()) if step.changes => report.changes.push(step.effect),
                    Ok(()) => {}
                    Err(error) if self.is_gone(environment, owner, &step.effect, &error).await => {
                        report.notes.push(format!("nothing was left for: {}", step.effect));
                    }
                    Err(error) => report.failures.push(named(error, event)),
                }
            }
        } else {
            let why = found.map_or_else(
                || "the portal does not know the environment any more".to_owned(),
                |environment| {
                    environment.foreign.clone().unwrap_or_else(|| "the environment has no account".to_owned())
                },
            );
            report.notes.push(format!("its role and databases were left alone: {why}"));
        }
        let Environments { fulfilment, .. } = self;
        let (domain, id) = (&event.domain, &event.environment);
        let access = match doing {
            Doing::All => fulfilment.revoke_all(domain, id).await.map(|revoked| report.revoked = revoked),
            Doing::Plan => fulfilment.held(domain, id).await.map(|(held, failed)| {
                report.held = held;
                report.failures.extend(failed);
            }),
        };
        if doing == Doing::Plan {
            match fulfilment.held_objects(domain, id).await {
                Ok((held, failed)) => {
                    report.held_objects = held;
                    report.failures.extend(failed);
                }
                Err(error) => report.failures.push(named(error, event)),
            }
        }
        report.failures.extend(access.map_err(|error| named(error, event)).err());
        let EnvironmentReport { changes, failures, revoked, held, held_objects, .. } = &report;
        let idle = changes.is_empty() && failures.is_empty() && revoked.is_empty();
        let idle = idle && held.is_empty() && held_objects.is_empty();
        if let Some(why) = found.and_then(|environment| environment.foreign.clone()).filter(|_| idle) {
            report.brought = Brought::Nothing(why);
            report.notes.clear();
        }
        report
    }

    async fn steps_to_equip(&self, environment: &Environment, owner: &Owner) -> Result<Vec<Planned>> {
        let equipment = self.equipment.in_account(&owner.account);
        let Some(role) = &environment.role else { return Ok(Vec::new()) };
        let nothing = |error: Error| error.changed(Changed::Nothing);
        let state = self.read_role(owner, role).await.map_err(nothing)?.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("there is no role {role}"))
                .at(Step::EnvironmentRole)
                .advise("deploy the environment again: the portal names a role that somebody has deleted")
                .changed(Changed::Nothing)
        })?;
        let mut steps = equipment.equip(&state)?;
        for database in self.tagged_databases(environment) {
            match self.read_tag(owner, database).await.map_err(nothing)? {
                Tagged::Gone => {
                    let what = format!("there is no Glue database {database}");
                    return Err(nothing(Error::new(ErrorKind::NotFound, what).at(Step::EnvironmentTags).advise(
                        "deploy the environment again: the portal names a database that somebody has deleted",
                    )));
                }
                Tagged::Is(value) => steps.extend(equipment.tag(database, value.as_deref()).map_err(nothing)?),
            }
        }
        Ok(steps)
    }

    /// What cannot be looked at is a failure in the report, and the rest is done all the same.
    async fn steps_to_clean(
        &self,
        environment: &Environment,
        owner: &Owner,
        report: &mut EnvironmentReport,
    ) -> Vec<Planned> {
        let equipment = self.equipment.in_account(&owner.account);
        let mut steps = Vec::new();
        let named = |error: Error| error.for_environment(&environment.id);
        match &environment.role {
            None => report.notes.push("the portal names no user role".to_owned()),
            Some(role) => match self.read_role(owner, role).await {
                Ok(None) => report.notes.push(format!("the role {role} is gone")),
                Ok(Some(state)) => {
                    let (found, foreign) = equipment.clean(&state);
                    steps.extend(found);
                    if let Some(boundary) = foreign {
                        report.notes.push(format!(
                            "the role keeps its permissions boundary {boundary}, which is somebody else's: as long as it has \
                             that one, the portal may not be able to delete it"
                        ));
                    }
                }
                Err(error) => report.failures.push(named(error)),
            },
        }
        for database in self.tagged_databases(environment) {
            match self.read_tag(owner, database).await {
                Ok(Tagged::Gone) => report.notes.push(format!("the Glue database {database} is gone")),
                Ok(Tagged::Is(value)) => steps.extend(equipment.untag(database, value.as_deref())),
                Err(error) => report.failures.push(named(error)),
            }
        }
        steps
    }

    fn tagged_databases<'a>(&self, environment: &'a Environment) -> impl Iterator<Item = &'a str> + use<'a> {
        let any = self.equipment.tag.is_some();
        environment.databases.iter().filter(move |_| any).map(String::as_str)
    }

    /// Whether an effect failed because what it was about has been deleted since it was seen.
    async fn is_gone(&self, environment: &Environment, owner: &Owner, effect: &Effect, error: &Error) -> bool {
        if error.kind() != ErrorKind::NotFound {
            return false;
        }
        match (effect, &environment.role) {
            (Effect::Tag(database) | Effect::Untag(database), _) => {
                matches!(self.read_tag(owner, database).await, Ok(Tagged::Gone))
            }
            (_, Some(role)) => matches!(self.read_role(owner, role).await, Ok(None)),
            (_, None) => false,
        }
    }

    async fn read_role(&self, owner: &Owner, role: &Principal) -> Result<Option<RoleState>> {
        let read = self.within("reading the role", self.roles.read(owner, role)).await;
        read.map_err(|error| error.at(Step::EnvironmentRole))
    }

    async fn read_tag(&self, owner: &Owner, database: &str) -> Result<Tagged> {
        let key = self.equipment.tag.as_ref().map_or("", |tag| &tag.key);
        let read = self.within("reading the database's tags", self.tags.read(owner, database, key)).await;
        read.map_err(|error| error.at(Step::EnvironmentTags))
    }

    async fn perform(&self, environment: &Environment, owner: &Owner, effect: &Effect) -> Result<()> {
        let begin = Instant::now();
        let result = self.within("changing the environment", self.call(environment, owner, effect)).await;
        audit::environment(environment, owner, effect, &result, begin.elapsed());
        result.map_err(|error| {
            error.at(match effect {
                Effect::Tag(_) | Effect::Untag(_) => Step::EnvironmentTags,
                _ => Step::EnvironmentRole,
            })
        })
    }

    async fn call(&self, environment: &Environment, owner: &Owner, effect: &Effect) -> Result<()> {
        let role = || {
            let missing = || Error::new(ErrorKind::Unexpected, "an environment without a role");
            environment.role.as_ref().ok_or_else(missing)
        };
        match (effect, &self.equipment.tag) {
            (Effect::SetBoundary(boundary), _) => self.roles.set_boundary(owner, role()?, boundary).await,
            (Effect::Attach(policy), _) => self.roles.attach(owner, role()?, policy).await,
            (Effect::Detach(policy), _) => self.roles.detach(owner, role()?, policy).await,
            (Effect::Tag(database), Some(tag)) => self.tags.assign(owner, database, tag).await,
            (Effect::Untag(database), Some(tag)) => self.tags.remove(owner, database, tag).await,
            (Effect::Tag(_) | Effect::Untag(_), None) => Ok(()),
        }
    }

    async fn within<T>(&self, what: &str, call: impl Future<Output = Result<T>>) -> Result<T> {
        Deadline::within(self.deadline).run(what, call).await
    }
}

/// How far cleaning goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Doing {
    /// It is done.
    All,
    /// It is looked at.
    Plan,
}

/// What there is to do.
enum Wish<'a> {
    Equip(&'a Environment, &'a Owner),
    Clean,
    Nothing(String),
    /// It cannot be said, or done, now.
    Wait(Error),
}

/// What the portal's answer asks for.
fn wish<'a>(event: &EnvironmentEvent, found: Option<&'a Environment>) -> Wish<'a> {
    let Some(environment) = found else {
        // That it was deployed says nothing of one that is not there: whatever ended it has an event of its own.
        return if event.ending {
            Wish::Clean
        } else {
            Wish::Nothing("the portal knows no such environment".to_owned())
        };
    };
    if event.by_hand && event.ending {
        return Wish::Clean;
    }
    // Who asks for it by hand to be equipped is not to find it stripped.
    if event.by_hand && environment.stage == Stage::Ending {
        return Wish::Nothing(format!(
            "environment {} is being deleted: clean it, or leave it to its event",
            environment.name
        ));
    }
    // Nothing takes a deletion back, and no id comes again: an answer without it is older than the event. What is equipped now
    // would be in the portal's way.
    if event.ending && environment.stage != Stage::Ending {
        let what = format!("the portal does not show the deletion of environment {} yet", environment.name);
        return Wish::Wait(named(
            Error::new(ErrorKind::StoreFailed, what)
                .at(Step::LookUp)
                .advise("let the event be delivered again in some minutes, or clean the environment by hand")
                .changed(Changed::Nothing),
            event,
        ));
    }
    match (&environment.stage, &environment.owner) {
        (Stage::Ending, _) => Wish::Clean,
        (Stage::Resting(word), _) => Wish::Nothing(format!("the environment is {word}")),
        (Stage::Coming | Stage::Active, _) if environment.foreign.is_some() => {
            Wish::Nothing(environment.foreign.clone().unwrap_or_default())
        }
        (Stage::Active, Some(owner)) if environment.role.is_some() => Wish::Equip(environment, owner),
        (Stage::Active, Some(_)) => {
            let what = format!("the portal names no user role of environment {}", environment.name);
            // Who is told so by an event may be ahead of the portal; a person sees it, and can do something.
            let kind = if event.by_hand { ErrorKind::NotFound } else { ErrorKind::StoreFailed };
            Wish::Wait(named(
                Error::new(kind, what)
                    .at(Step::LookUp)
                    .advise("deploy the environment again: one that is active has a role")
                    .changed(Changed::Nothing),
                event,
            ))
        }
        (Stage::Coming | Stage::Active, _) => {
            let what = format!("environment {} has no user role yet", environment.name);
            Wish::Wait(named(
                Error::new(ErrorKind::StoreFailed, what)
                    .at(Step::LookUp)
                    .advise("it is probably being created: let the event be delivered again in some minutes")
                    .changed(Changed::Nothing),
                event,
            ))
        }
    }
}

/// An environment whose role and databases may be touched.
fn ours(found: Option<&Environment>) -> Option<(&Environment, &Owner)> {
    let environment = found.filter(|environment| environment.foreign.is_none())?;
    Some((environment, environment.owner.as_ref()?))
}

fn changes(steps: &[Planned]) -> Vec<Effect> {
    steps.iter().filter(|step| step.changes).map(|step| step.effect.clone()).collect()
}

fn superseded(event: &EnvironmentEvent, brought: &Brought) -> bool {
    *brought == Brought::Cleaned && !event.ending
}

fn named(error: Error, event: &EnvironmentEvent) -> Error {
    error.for_environment(&event.environment)
}
