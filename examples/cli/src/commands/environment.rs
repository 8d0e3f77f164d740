//! `dzconn environment`: what is done when an environment comes or goes.

use dzconn_core::bucket::ObjectSubscription;
use dzconn_core::environment::{Brought, Effect, EnvironmentEvent, EnvironmentReport};
use dzconn_core::fulfilment::Handled;
use dzconn_core::model::{DomainId, EnvironmentId, Principal, Subscription};
use dzconn_core::portal::Wanted;
use dzconn_core::store::Query;
use dzconn_core::workflow::Outcome;
use dzconn_core::{Changed, Environments, Error, ErrorKind, Result, Step, TrackingStore};
use serde_json::{Value, json};

use super::objects::not_done;
use crate::args::{EnvironmentArgs, EnvironmentCommand};
use crate::directory::environment_id;
use crate::exit::Exit;
use crate::failure::{self, Failure};
use crate::output::{Paint, count};
use crate::world::World;

pub(crate) async fn environment(world: World, what: EnvironmentCommand) -> failure::Result {
    let (args, by_hand) = match what {
        EnvironmentCommand::Activate(args) => (args, false),
        EnvironmentCommand::Clean(args) => (args, true),
    };
    let deed = if by_hand { "cleaned" } else { "activated" };
    let failed = |error: Error| Failure::new(format!("environment {} was not {deed}", args.environment), error);
    let aws = world.aws().await.map_err(failed)?;
    let event = event(&aws, &args, by_hand).await.map_err(failed)?;
    let fulfilment = aws.fulfilment(crate::world::engines(), world.settings()).map_err(failed)?;
    let environments = aws.environments(fulfilment.clone());
    let progress = crate::output::progress(format!("environment {}", args.environment));
    let result = work(&environments, &event, args.plan).await;
    fulfilment.close().await;
    drop(progress);
    let told = Told::new(result.map_err(failed)?, args.plan);
    world.output.show(|| told.json(), |paint| told.text(paint));
    let exit = super::events::failed(&world, told.failures.iter());
    let idle = told.superseded || matches!(told.brought, Brought::Nothing(_));
    Ok(if idle { exit.and(Exit::NothingDone) } else { exit })
}

pub(super) async fn work(
    environments: &Environments,
    event: &EnvironmentEvent,
    plan: bool,
) -> Result<EnvironmentReport> {
    if plan { environments.plan(event).await } else { environments.handle(event).await }
}

async fn event(aws: &dzconn_aws::Aws, args: &EnvironmentArgs, by_hand: bool) -> Result<EnvironmentEvent> {
    let id = environment_id(&args.environment)?;
    let domain = match &args.domain {
        Some(domain) => domain.parse()?,
        None => domain_of(&aws.tracking().clone(), &id).await?,
    };
    Ok(if by_hand { EnvironmentEvent::clean(domain, id) } else { EnvironmentEvent::equip(domain, id) })
}

/// The domain by tracking: the environment's, or the only one that there is.
async fn domain_of(tracking: &dyn TrackingStore, environment: &EnvironmentId) -> Result<DomainId> {
    let (mut all, mut own) = (Vec::new(), None);
    for record in crate::tracked::sources(tracking, &Query::Sources(None)).await? {
        let record = record?;
        if record.key.environment == *environment {
            own = Some(record.domain.clone());
        }
        all.push(record.domain);
    }
    all.dedup();
    match (own, all.as_slice()) {
        (Some(domain), _) => Ok(domain),
        (None, [domain]) => Ok(domain.clone()),
        (None, _) => Err(Error::new(ErrorKind::InvalidInput, format!("nothing is recorded for {environment}"))
            .at(Step::Input)
            .advise("name the domain with --domain")
            .changed(Changed::Nothing)),
    }
}

/// What became of an environment, as it is told.
pub(super) struct Told {
    environment: EnvironmentId,
    brought: Brought,
    superseded: bool,
    role: Option<Principal>,
    changes: Vec<Effect>,
    notes: Vec<String>,
    /// Of a plan: what would be revoked.
    held: Vec<Subscription>,
    /// What was revoked, or could not be.
    taken: Vec<(Subscription, &'static str)>,
    /// The same, and of a plan what would be, of objects.
    objects: Vec<(ObjectSubscription, &'static str)>,
    pub(super) failures: Vec<Failure>,
    /// Whether nothing was done.
    plan: bool,
}

impl Told {
    pub(super) fn new(report: EnvironmentReport, plan: bool) -> Self {
        let EnvironmentReport {
            environment,
            brought,
            superseded,
            role,
            changes,
            notes,
            held,
            held_objects,
            revoked,
            failures,
            ..
        } = report;
        let in_part = |error| Failure::new(format!("environment {environment} was not cleaned in full"), error);
        let mut failures: Vec<_> = failures.into_iter().map(in_part).collect();
        let (mut taken, mut objects) = (Vec::new(), Vec::new());
        for handled in revoked {
            match handled {
                Handled::Done { subscription, result } => {
                    let word = match *result {
                        Ok(Outcome::Revoked(_)) => "revoked",
                        Ok(_) => "superseded",
                        Err(error) => {
                            let what = format!("{} was not revoked from {environment}", subscription.location.path);
                            failures.push(Failure::new(what, error));
                            "failed"
                        }
                    };
                    taken.push((*subscription, word));
                }
                Handled::Objects { subscription, result } => {
                    let word = match *result {
                        Ok(_) => "revoked",
                        Err(error) => {
                            failures.push(Failure::new(not_done(&subscription, Wanted::Revoke), error));
                            "failed"
                        }
                    };
                    objects.push((*subscription, word));
                }
                Handled::Failed { error } => failures.push(in_part(error)),
                _ => {}
            }
        }
        objects.extend(held_objects.into_iter().map(|subscription| (subscription, "revoke")));
        Self { environment, brought, superseded, role, changes, notes, held, taken, objects, failures, plan }
    }

    /// The word for it, as in JSON.
    pub(super) fn word(&self) -> &'static str {
        match (&self.brought, self.failures.is_empty()) {
            (Brought::Nothing(_), _) => "skipped",
            (_, false) => "failed",
            (Brought::Equipped, true) => "equipped",
            (_, true) => "cleaned",
        }
    }

    /// What there is to know beyond the word, in one line.
    pub(super) fn detail(&self) -> String {
        if let Brought::Nothing(why) = &self.brought {
            return why.clone();
        }
        let mut parts = Vec::new();
        if !self.changes.is_empty() {
            parts.push(count(self.changes.len(), "change"));
        }
        let revoked = self.taken.iter().filter(|(_, word)| *word == "revoked").count();
        let objects = self.objects.iter().filter(|(_, word)| *word != "failed").count();
        let (assets, what) = if self.plan { (self.held.len(), "to be revoked") } else { (revoked, "revoked") };
        let assets = assets + objects;
        if assets > 0 {
            parts.push(format!("{} {what}", count(assets, "asset")));
        }
        if parts.is_empty() { "nothing to do".to_owned() } else { parts.join(", ") }
    }

    pub(super) fn notes(&self) -> Vec<String> {
        let superseded = self.superseded.then(|| "the portal says something else than was asked for".to_owned());
        superseded.into_iter().chain(self.notes.iter().cloned()).collect()
    }

    pub(super) const fn environment(&self) -> &EnvironmentId {
        &self.environment
    }

    pub(super) fn json(&self) -> Value {
        let reason = if let Brought::Nothing(why) = &self.brought { Some(why) } else { None };
        let changes = self.changes.iter().map(|change| json!({"effect": change.name(), "target": change.target()}));
        let asset = |subscription: &Subscription| {
            let Subscription { asset, listing, location, .. } = subscription;
            json!({"id": asset.id, "listing": listing.id, "path": location.path, "connection": location.connection})
        };
        let objects = |(subscription, word): &(ObjectSubscription, &str)| {
            let ObjectSubscription { asset, listing, access, .. } = subscription;
            json!({"outcome": word, "asset": {"id": asset.id, "listing": listing.id, "path": access.objects}})
        };
        let taken = self.taken.iter().map(|(of, word)| json!({"outcome": word, "asset": asset(of)}));
        json!({
            "environment": self.environment,
            "outcome": self.word(),
            "plan": self.plan,
            "superseded": self.superseded,
            "reason": reason,
            "role": self.role,
            "changes": changes.collect::<Vec<_>>(),
            "notes": self.notes,
            "held": self.held.iter().map(asset).collect::<Vec<_>>(),
            "revoked": taken.collect::<Vec<_>>(),
            "objects": self.objects.iter().map(objects).collect::<Vec<_>>(),
            "errors": self.failures.iter().map(Failure::json).collect::<Vec<_>>(),
        })
    }

    pub(super) fn text(&self, paint: Paint) -> String {
        let word = match self.word() {
            "equipped" => paint.good("equipped"),
            "failed" => paint.bad("failed"),
            other => paint.warn(other),
        };
        let would = if self.plan { "would be " } else { "" };
        let mut text = format!("{would}{word}  {}  {}\n", paint.strong(self.environment.as_str()), self.detail());
        for change in &self.changes {
            text.push_str(&format!("  {change}\n"));
        }
        for subscription in &self.held {
            text.push_str(&format!("  revoke {}\n", subscription.location.path));
        }
        for (subscription, word) in &self.taken {
            text.push_str(&format!("  {word} {}\n", subscription.location.path));
        }
        for (subscription, word) in &self.objects {
            text.push_str(&format!("  {word} {}\n", subscription.access.objects));
        }
        for note in self.notes() {
            text.push_str(&format!("  {}  {note}\n", paint.warn("note")));
        }
        if self.plan {
            text.push_str("Nothing was changed.\n");
        }
        text
    }
}
