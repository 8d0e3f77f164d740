//! Outcomes, shown to people on subscription grants.
//!
//! What `DataZone` fulfils itself is not touched. Where no grant is kept for dzconn's work, tables and logs have the outcome.

use aws_sdk_datazone::types::SubscriptionGrantStatus as Status;
use dzconn_core::bucket::{ObjectOutcome, ObjectSubscription};
use dzconn_core::model::{Subscription, Wanted};
use dzconn_core::workflow::Outcome;
use dzconn_core::{Changed, Error, ErrorKind, Result, Step};

use super::DataZonePortal;
use super::grants::{Grant, Subject};

/// How long a cause may be, in characters. The API reference sets no limit; a table in the portal does.
const CAUSE: usize = 1000;

/// What a grant is to say when the subscription ended while it was being granted.
const ENDED: &str = "the subscription ended before access was granted";

/// What is to be shown.
enum Verdict {
    Granted,
    Revoked,
    /// A grant or a revoke failed, with this cause.
    Failed(String),
}

impl DataZonePortal {
    pub(super) async fn tell(&self, subscription: &Subscription, outcome: Result<&Outcome, &Error>) -> Result<()> {
        let verdict = match outcome {
            Ok(Outcome::Granted(_)) => Verdict::Granted,
            Ok(Outcome::Revoked(_)) => Verdict::Revoked,
            // The run that it was superseded by reports; what is retained still says that it is granted, which is right.
            Ok(_) => return Ok(()),
            Err(error) => Verdict::Failed(cause(error)),
        };
        self.show_named(&Subject::of(subscription), &verdict, outcome.err()).await
    }

    pub(super) async fn tell_of_objects(
        &self,
        subscription: &ObjectSubscription,
        outcome: Result<&ObjectOutcome, &Error>,
    ) -> Result<()> {
        let verdict = match outcome {
            Ok(ObjectOutcome::Granted(_)) => Verdict::Granted,
            Ok(ObjectOutcome::Revoked(_)) => Verdict::Revoked,
            Ok(_) => return Ok(()),
            Err(error) => Verdict::Failed(cause(error)),
        };
        self.show_named(&Subject::of_objects(subscription), &verdict, outcome.err()).await
    }

    async fn show_named(&self, subject: &Subject<'_>, verdict: &Verdict, failure: Option<&Error>) -> Result<()> {
        self.show(subject, verdict, failure).await.map_err(|error| {
            error.at(Step::Report).on_asset(&subject.what).for_environment(&subject.consumer.environment)
        })
    }

    async fn show(&self, subscription: &Subject<'_>, verdict: &Verdict, failure: Option<&Error>) -> Result<()> {
        let grants = self.grants(subscription).await?;
        let ours = &self.config().targets;
        let creates = !ours.is_empty() && !matches!(verdict, Verdict::Revoked);
        if grants.is_empty() && !creates {
            return Ok(());
        }
        let targets = self.targets(subscription, &grants).await?;
        let is_shown = |grant: &&Grant| targets.iter().any(|target| target.id == grant.target && !target.is_portals());
        let mut told = Ok(());
        let mut failing = Failing { portal: self, subscription, failure, was: None };
        for grant in grants.iter().filter(is_shown) {
            // One grant that cannot be updated keeps no other from it.
            told = told.and(self.update(subscription, grant, verdict, &mut failing).await);
        }
        for target in targets.iter().filter(|target| creates && target.is_one_of(ours)) {
            let is_live = |grant: &Grant| grant.target == target.id && grant.status != Status::Revoked;
            if grants.iter().any(is_live) {
                continue;
            }
            if matches!(verdict, Verdict::Failed(_)) && !failing.was_a_grant().await? {
                continue;
            }
            let made = match self.create(subscription, target, &grants).await {
                Ok(grant) => self.update(subscription, &grant, verdict, &mut failing).await,
                Err(error) => Err(error),
            };
            told = told.and(made);
        }
        told
    }

    async fn update(
        &self,
        subscription: &Subject<'_>,
        grant: &Grant,
        verdict: &Verdict,
        failing: &mut Failing<'_>,
    ) -> Result<()> {
        let Some((status, cause)) = next(&grant.status, verdict, failing).await? else { return Ok(()) };
        if says(grant, &status, cause) {
            return Ok(());
        }
        let told = match self.set(subscription, grant, status.clone(), cause).await {
            Err(error) if matches!(error.kind(), ErrorKind::Contention | ErrorKind::InvalidInput) => {
                self.step_by_step(subscription, grant, status, cause, error).await
            }
            told => told,
        };
        match told {
            // It was deleted meanwhile.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            told => told,
        }
    }

    /// After a refusal: another report may have been faster, in which case there is nothing left to say. Else, as the API
    /// reference does not say which status may follow which, it is tried by way of the one that says that work is being done.
    async fn step_by_step(
        &self,
        subscription: &Subject<'_>,
        grant: &Grant,
        status: Status,
        cause: Option<&str>,
        refusal: Error,
    ) -> Result<()> {
        let by_way_of = match status {
            Status::Granted | Status::GrantFailed => Status::GrantInProgress,
            _ => Status::RevokeInProgress,
        };
        match self.now(subscription, grant).await? {
            Some(now) if says(&now, &status, cause) => return Ok(()),
            Some(now) if now.status != grant.status || now.status == by_way_of => return Err(refusal),
            Some(_) => {}
            None => return Ok(()),
        }
        let first = self.set(subscription, grant, by_way_of, None).await;
        let told = match first {
            Ok(()) => self.set(subscription, grant, status.clone(), cause).await,
            Err(_) => Err(refusal),
        };
        let Err(error) = told else { return Ok(()) };
        let now = self.now(subscription, grant).await?;
        if now.is_none_or(|now| says(&now, &status, cause)) { Ok(()) } else { Err(error) }
    }

    /// How a grant stands now; none if it is gone.
    async fn now(&self, subscription: &Subject<'_>, grant: &Grant) -> Result<Option<Grant>> {
        Ok(self.grants(subscription).await?.into_iter().find(|now| now.id == grant.id))
    }
}

fn says(grant: &Grant, status: &Status, cause: Option<&str>) -> bool {
    grant.status == *status && grant.cause.as_deref() == cause
}

/// Which status a grant goes to; none if it is to stay as it is.
async fn next<'v>(
    from: &Status,
    verdict: &'v Verdict,
    failing: &mut Failing<'_>,
) -> Result<Option<(Status, Option<&'v str>)>> {
    let granting = matches!(from, Status::GrantPending | Status::GrantInProgress | Status::GrantFailed);
    let revoking = matches!(from, Status::RevokePending | Status::RevokeInProgress | Status::RevokeFailed);
    if !granting && !revoking && *from != Status::Granted {
        // Revoked, which is final, or something that is not known.
        return Ok(None);
    }
    Ok(match verdict {
        Verdict::Granted => granting.then_some((Status::Granted, None)),
        // A grant that failed says already that there is no access.
        Verdict::Revoked if *from == Status::GrantFailed => None,
        Verdict::Revoked if granting => Some((Status::GrantFailed, Some(ENDED))),
        Verdict::Revoked => Some((Status::Revoked, None)),
        Verdict::Failed(cause) if granting => Some((Status::GrantFailed, Some(cause))),
        Verdict::Failed(cause) if revoking => Some((Status::RevokeFailed, Some(cause))),
        Verdict::Failed(cause) => match (failing.was_a_grant().await?, failing.left()) {
            (false, _) => Some((Status::RevokeFailed, Some(cause))),
            // It was granted before, and is as it was.
            (true, Changed::Nothing) => None,
            (true, _) => Some((Status::GrantFailed, Some(cause))),
        },
    })
}

/// A run that failed, and what it had been for.
struct Failing<'a> {
    portal: &'a DataZonePortal,
    subscription: &'a Subject<'a>,
    failure: Option<&'a Error>,
    was: Option<bool>,
}

impl Failing<'_> {
    /// Whether it was a grant. A run does what the portal wants, whatever it was started for, so the portal is asked again.
    async fn was_a_grant(&mut self) -> Result<bool> {
        if let Some(was) = self.was {
            return Ok(was);
        }
        let refused = |error: &Error| error.kind() == ErrorKind::Refused;
        let was = self.failure.is_some_and(refused) || {
            let question = self.subscription.question(Wanted::Revoke);
            match self.portal.answer(&question).await {
                Ok(wanted) => wanted == Wanted::Grant,
                Err(error) if refused(&error) => true,
                Err(error) => return Err(error),
            }
        };
        self.was = Some(was);
        Ok(was)
    }

    fn left(&self) -> Changed {
        self.failure.map_or(Changed::Unfinished, Error::left)
    }
}

/// An error in words for people: what happened and what to do, in one line. What caused it further down is left to the logs: an
/// error's own text is written to be shown, a driver's is not.
fn cause(error: &Error) -> String {
    let mut text = error.to_string();
    if let Some(advice) = error.advice() {
        text.push_str(". To do: ");
        text.push_str(advice);
    }
    let line = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    if text.chars().count() <= CAUSE {
        return line.collect();
    }
    line.take(CAUSE - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_one_line_of_bounded_length_without_what_lies_below() {
        let error =
            Error::new(ErrorKind::AdminDenied, "no right\nto grant").advise("GRANT it").because("password=hunter2");
        let text = cause(&error);
        assert!(text.contains("no right to grant") && text.ends_with("To do: GRANT it"), "{text}");
        assert!(!text.contains("hunter2") && !text.contains('\n'), "{text}");
        let long = cause(&Error::new(ErrorKind::AdminDenied, "ü".repeat(5000)));
        assert_eq!(long.chars().count(), CAUSE);
    }
}
