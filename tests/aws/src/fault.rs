//! What goes wrong on demand, and what was called.

use std::time::Duration;

use crate::request::Asked;

/// What happens to a call instead of, before or after being carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Effect {
    /// The service throttles: `ThrottlingException`, or `Throttling` where the query protocol is spoken.
    Throttled,
    /// The service fails with status 500.
    Failed,
    /// The service is unavailable: status 503.
    Unavailable,
    /// The credentials are called expired.
    ExpiredToken,
    /// Access is denied.
    AccessDenied,
    /// The service answers with this status and error code.
    Answer(u16, &'static str),
    /// The connection is cut; nothing was done.
    CutBefore,
    /// All was done, but the connection is cut instead of an answer.
    CutAfter,
    /// This long nothing happens, then all goes its way.
    Delay(Duration),
    /// All is done at once, and this long nobody hears of it.
    LateAnswer(Duration),
}

/// A rule: these calls have this effect. Each call counts for the first rule that matches it and is not used up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    effect: Effect,
    service: Option<String>,
    operation: Option<String>,
    account: Option<String>,
    skip: usize,
    times: usize,
}

impl Fault {
    /// The next call, whatever it is.
    #[must_use]
    pub const fn new(effect: Effect) -> Self {
        Self { effect, service: None, operation: None, account: None, skip: 0, times: 1 }
    }

    /// Only calls of this service, named as signatures name it: `secretsmanager`, `dynamodb`, `sts` ...
    #[must_use]
    pub fn service(mut self, service: &str) -> Self {
        self.service = Some(service.to_owned());
        self
    }

    /// Only calls of this operation, named as [`Call::operation`] does.
    #[must_use]
    pub fn operation(mut self, operation: &str) -> Self {
        self.operation = Some(operation.to_owned());
        self
    }

    /// Only calls by this account.
    #[must_use]
    pub fn account(mut self, account: &str) -> Self {
        self.account = Some(account.to_owned());
        self
    }

    /// So many matching calls pass first.
    #[must_use]
    pub const fn skip(mut self, calls: usize) -> Self {
        self.skip = calls;
        self
    }

    /// Just the nth matching call, counted from 1.
    #[must_use]
    pub const fn nth(self, call: usize) -> Self {
        self.skip(call.saturating_sub(1)).times(1)
    }

    /// So many calls have the effect.
    #[must_use]
    pub const fn times(mut self, calls: usize) -> Self {
        self.times = calls;
        self
    }

    /// Every matching call has the effect, until [`AwsStandIn::no_faults`](crate::AwsStandIn::no_faults).
    #[must_use]
    pub const fn always(self) -> Self {
        self.times(usize::MAX)
    }

    fn matches(&self, asked: &Asked, account: &str) -> bool {
        let is = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
        self.times > 0
            && is(&self.service, &asked.service)
            && is(&self.operation, &asked.operation)
            && is(&self.account, account)
    }
}

/// The rules that are not used up.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// How many rules still wait for calls.
    pub(crate) fn left(&self) -> usize {
        self.0.iter().filter(|fault| fault.times > 0).count()
    }

    /// What happens to a call. Rules are asked in the order of their making.
    pub(crate) fn next(&mut self, asked: &Asked, account: &str) -> Option<Effect> {
        let fault = self.0.iter_mut().find(|fault| fault.matches(asked, account))?;
        if fault.skip > 0 {
            fault.skip -= 1;
            return None;
        }
        if fault.times != usize::MAX {
            fault.times -= 1;
        }
        Some(fault.effect)
    }
}

/// A call that arrived; each attempt is one, those that a fault befell included.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Call {
    /// The service, as signatures name it.
    pub service: String,
    /// The operation; for `DataZone` and others without a name in the request, method and path without its ids, such as
    /// `GET /v2/domains/{}/listings/{}`.
    pub operation: String,
    /// The caller's account.
    pub account: String,
    /// The caller's role; `None` for keys of nobody in particular.
    pub role: Option<String>,
    /// The region.
    pub region: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Protocol;

    fn asked(operation: &str) -> Asked {
        Asked {
            service: "secretsmanager".into(),
            region: "eu-west-1".into(),
            operation: operation.into(),
            access_key: "AKIA".into(),
            protocol: Protocol::Json,
        }
    }

    #[test]
    fn the_nth_call_and_no_other() {
        let mut faults = Faults::default();
        faults.add(Fault::new(Effect::Throttled).service("secretsmanager").operation("CreateSecret").nth(2));
        let mut next = |operation| faults.next(&asked(operation), "1");
        assert_eq!(next("CreateSecret"), None);
        assert_eq!(next("GetSecretValue"), None);
        assert_eq!(next("CreateSecret"), Some(Effect::Throttled));
        assert_eq!(next("CreateSecret"), None);
        assert_eq!(faults.left(), 0);
    }

    #[test]
    fn rules_follow_one_another() {
        let mut faults = Faults::default();
        faults.add(Fault::new(Effect::Failed).times(2));
        faults.add(Fault::new(Effect::CutAfter).account("1"));
        let got: Vec<_> = ["2", "2", "2", "1", "1"].map(|account| faults.next(&asked("X"), account)).to_vec();
        assert_eq!(got, [Some(Effect::Failed), Some(Effect::Failed), None, Some(Effect::CutAfter), None]);
    }

    #[test]
    fn always_is_always() {
        let mut faults = Faults::default();
        faults.add(Fault::new(Effect::AccessDenied).always());
        assert!((0..100).all(|_| faults.next(&asked("X"), "1").is_some()));
        faults.clear();
        assert_eq!(faults.next(&asked("X"), "1"), None);
    }
}
