//! The audit trail: what a log pipeline is told.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::sync::Once;

use dzconn_core::ErrorKind;
use dzconn_core::audit::{EFFECTS, TARGET};
use dzconn_core::testkit::faults::When;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::{Layer, Registry};

use crate::world::{World, id};

/// One event: its level, and its members as text.
type Told = (tracing::Level, BTreeMap<&'static str, String>);

thread_local! {
    /// The events of the audit trail, and the text of all events. Each test has a thread, and its runtime has no other.
    static TOLD: RefCell<(Vec<Told>, String)> = RefCell::default();
}

/// A log pipeline. It is the whole process's: a subscriber of one thread would miss what others have asked about first.
struct Pipeline;

struct Members<'a>(&'a mut BTreeMap<&'static str, String>);

impl tracing::field::Visit for Members<'_> {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &tracing::field::Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}

impl<S: tracing::Subscriber> Layer<S> for Pipeline {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut members = BTreeMap::new();
        event.record(&mut Members(&mut members));
        TOLD.with_borrow_mut(|(told, all)| {
            writeln!(all, "{members:?}").unwrap();
            if event.metadata().target() == TARGET {
                told.push((*event.metadata().level(), members));
            }
        });
    }
}

impl Pipeline {
    /// What has been told to this thread since this was last asked.
    fn told() -> Vec<Told> {
        static START: Once = Once::new();
        START.call_once(|| tracing::subscriber::set_global_default(Registry::default().with(Self)).unwrap());
        TOLD.with_borrow_mut(|(told, _)| std::mem::take(told))
    }

    /// What of it may have changed something, as `part effect outcome`.
    fn changes() -> Vec<String> {
        let told = Self::told();
        let changes = told.iter().filter(|(level, _)| *level == tracing::Level::INFO);
        changes.map(|(_, m)| format!("{} {} {}", m["part"], m["effect"], m["outcome"])).collect()
    }
}

#[tokio::test]
async fn every_effect_is_told_once_and_in_order() {
    let world = World::new();
    let [employees, offices] = ["employees", "offices"].map(|name| world.subscription(name));
    Pipeline::told();

    world.grant(&employees).await;
    assert_eq!(
        Pipeline::changes(),
        [
            "producer commit done",
            "producer create_secret done",
            "producer share_secret done",
            "producer create_user done",
            "producer grant done",
            "producer commit done",
            "consumer create_copy done",
            "consumer commit done",
        ]
    );
    world.grant(&offices).await;
    assert_eq!(
        Pipeline::changes(),
        [
            "producer commit done",
            "producer share_secret done",
            "producer create_user done",
            "producer grant done",
            "producer commit done",
            "consumer commit done",
        ]
    );
    world.revoke(&offices).await;
    assert_eq!(
        Pipeline::changes(),
        ["producer commit done", "producer revoke done", "producer commit done", "consumer commit done"]
    );
    world.revoke(&employees).await;
    assert!(Pipeline::changes().contains(&"producer drop_user done".to_owned()));
}

#[tokio::test]
async fn an_event_says_who_got_what_why_and_from_whom() {
    let world = World::new();
    let mut employees = world.subscription("employees");
    employees.subscription = Some(id("sub1"));
    employees.event = Some("e-1".to_owned());
    Pipeline::told();
    let granted = world.grant(&employees).await;

    let told = Pipeline::told();
    let (_, grant) = told.iter().find(|(_, members)| members["effect"] == "grant").unwrap();
    let consumer = &employees.consumer;
    for (member, value) in [
        ("user", granted.user.as_str()),
        ("table", "sales.hr.employees"),
        ("environment", consumer.environment.as_str()),
        ("project", consumer.project.as_str()),
        ("account", consumer.owner.account.as_str()),
        ("domain", employees.domain.as_str()),
        ("connection", employees.location.connection.as_str()),
        ("path", employees.location.path.as_str()),
        ("asset", employees.asset.id.as_str()),
        ("listing", employees.listing.id.as_str()),
        ("subscription", "sub1"),
        ("event", "e-1"),
        ("attempt", "0"),
    ] {
        assert_eq!(grant.get(member).map(String::as_str), Some(value), "{member}");
    }
    assert!(!grant.contains_key("error") && !grant.contains_key("secret"), "{grant:?}");
    assert_eq!(grant["run"].len(), 16);
    for (level, members) in &told {
        let at = EFFECTS.iter().position(|known| *known == members["effect"]).expect("an effect that is documented");
        assert_eq!(*level == tracing::Level::INFO, at < 14, "{members:?}");
        assert_eq!((members["run"] == grant["run"]), members["part"] == "producer", "one run a part");
    }
    let password = granted.credentials.password.expose();
    assert!(!TOLD.with_borrow(|(_, all)| all.contains(password)));
}

/// A rotation is of no asset; it says which user was made as good as which.
#[tokio::test]
async fn a_rotation_is_told_without_an_asset() {
    let world = World::new();
    let granted = world.grant(&world.subscription("employees")).await;
    Pipeline::told();
    world.fulfilment.rotate(&world.engine.source().connection, &id("env1")).await.unwrap();
    let told = Pipeline::told();
    assert!(told.iter().all(|(_, members)| ["path", "asset", "listing"].iter().all(|of| !members.contains_key(of))));
    assert!(told.iter().all(|(_, members)| members["environment"] == "env1" && members["connection"] == "memory"));
    let changes: Vec<_> = told.iter().filter(|(level, _)| *level == tracing::Level::INFO).map(|(_, m)| m).collect();
    let effects: Vec<_> = changes.iter().map(|members| members["effect"].as_str()).collect();
    assert_eq!(
        effects,
        [
            "share_secret",
            "commit",
            "propose_secret",
            "create_user",
            "grant",
            "commit",
            "promote_secret",
            "commit",
            "replace_copy",
            "commit"
        ]
    );
    let spare = format!("{}_b", granted.user);
    assert!(changes[2..5].iter().all(|members| members["user"] == spare), "{changes:?}");
    let held = world.vault.live();
    assert!(held.iter().all(|(.., held)| !TOLD.with_borrow(|(_, all)| all.contains(held.password.expose()))));
}

#[tokio::test]
async fn a_failure_is_told_with_its_kind_and_so_is_the_attempt_after_it() {
    let world = World::new();
    let employees = world.subscription("employees");
    Pipeline::told();
    world.spy.fail_at("secret.share", When::Before, ErrorKind::Throttled);
    world.grant(&employees).await;
    let told = Pipeline::told();
    let shares: Vec<_> = told.iter().filter(|(_, members)| members["effect"] == "share_secret").collect();
    let said = |at: usize, member: &str| shares[at].1.get(member).cloned();
    assert_eq!((said(0, "outcome").as_deref(), said(0, "attempt").as_deref()), (Some("failed"), Some("0")));
    assert_eq!(said(0, "error").as_deref(), Some("Throttled"));
    assert_eq!((said(1, "outcome").as_deref(), said(1, "attempt").as_deref()), (Some("done"), Some("1")));
}
