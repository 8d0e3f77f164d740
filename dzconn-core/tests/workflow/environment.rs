//! Environments come and go.

use std::sync::Mutex;

use async_trait::async_trait;
use dzconn_core::environment::{
    Brought, Effect, Environment, EnvironmentEvent, EnvironmentPortal, EnvironmentReport, Environments, Equipment,
    LakeTag, MemoryAccount, MemoryEnvironments, RoleState, Stage,
};
use dzconn_core::fulfilment::Handled;
use dzconn_core::model::*;
use dzconn_core::portal::Wanted;
use dzconn_core::store::{Change, Expect, Key, Record, Stored, Transaction};
use dzconn_core::testkit::faults::When;
use dzconn_core::{ErrorKind, Result, TrackingStore as _};

use crate::world::{CONSUMER, World, id, table};

pub(crate) const ROLE: &str = "arn:aws:iam::222222222222:role/service-role/datazone_usr_env1";
const BOUNDARY: &str = "arn:aws:iam::222222222222:policy/boundary";
const DEFAULT: &str = "arn:aws:iam::aws:policy/Default";
const POLICIES: [&str; 2] = ["arn:aws:iam::222222222222:policy/ours", "arn:aws:iam::aws:policy/Catalog"];

/// A world with one environment, as the portal has made it.
pub(crate) struct Lab {
    pub(crate) world: World,
    pub(crate) memory: MemoryEnvironments,
    pub(crate) environments: Environments,
}

fn equipment() -> Equipment {
    let mut equipment = Equipment::new(BOUNDARY.replace(CONSUMER, "{account}"), DEFAULT);
    equipment.policies = POLICIES.map(|policy| policy.replace(CONSUMER, "{account}")).to_vec();
    equipment.tag = Some(LakeTag { key: "Access".into(), value: "True".into() });
    equipment
}

pub(crate) fn env1() -> EnvironmentId {
    id("env1")
}

impl Lab {
    pub(crate) fn new() -> Self {
        let world = World::new();
        let memory = MemoryEnvironments::new();
        memory.put(Environment {
            domain: id("dzd_1"),
            id: env1(),
            name: "the first".into(),
            project: id("fin"),
            owner: Some(Owner::new(id(CONSUMER), id("eu-west-1"))),
            stage: Stage::Active,
            foreign: None,
            role: Some(id(ROLE)),
            databases: vec!["pub_db".into(), "sub_db".into()],
        });
        memory.edit(|account| {
            account.policies.extend([BOUNDARY, DEFAULT, POLICIES[0], POLICIES[1], "theirs"].map(str::to_owned));
            let role = RoleState { boundary: Some(DEFAULT.into()), policies: ["theirs".to_owned()].into() };
            account.roles.insert(id(ROLE), role);
            account.roles.insert(id("arn:aws:iam::222222222222:role/other"), RoleState::default());
            let others = [("team".to_owned(), "data".to_owned())];
            account.databases.extend([("pub_db".into(), others.into()), ("sub_db".into(), [].into())]);
            account.databases.insert("other_db".into(), [].into());
            account.tags.insert("access".into(), ["true".to_owned(), "false".to_owned()].into());
        });
        let watched = world.spy.watch(memory.clone());
        let environments =
            Environments::new(watched.clone(), watched.clone(), watched, equipment(), world.fulfilment.clone());
        Self { world, memory, environments }
    }

    pub(crate) fn deployed() -> EnvironmentEvent {
        EnvironmentEvent::look_at(id("dzd_1"), env1())
    }

    pub(crate) fn deleting() -> EnvironmentEvent {
        EnvironmentEvent { ending: true, ..Self::deployed() }
    }

    pub(crate) async fn handle(&self, event: &EnvironmentEvent) -> EnvironmentReport {
        let report = self.environments.handle(event).await.unwrap();
        assert_eq!(report.errors().map(ToString::to_string).collect::<Vec<_>>(), Vec::<String>::new());
        report
    }

    /// What accounts hold once the environment is equipped: this, and no other change.
    pub(crate) fn equipped(before: &MemoryAccount) -> MemoryAccount {
        let mut after = before.clone();
        let role = after.roles.get_mut(&id::<Principal>(ROLE)).unwrap();
        role.boundary = Some(BOUNDARY.into());
        role.policies.extend(POLICIES.map(str::to_owned));
        for database in ["pub_db", "sub_db"] {
            after.databases.get_mut(database).unwrap().insert("access".into(), "true".into());
        }
        after
    }

    pub(crate) fn end(&self) {
        self.memory.set_stage(&env1(), Some(Stage::Ending));
    }
}

#[tokio::test]
async fn active_and_then_deleting_restores_just_what_was_there() {
    let lab = Lab::new();
    let before = lab.memory.snapshot();
    let planned = lab.environments.plan(&Lab::deployed()).await.unwrap();
    assert_eq!((lab.memory.snapshot(), planned.brought), (before.clone(), Brought::Equipped));
    let report = lab.handle(&Lab::deployed()).await;
    assert_eq!((&report.brought, report.superseded), (&Brought::Equipped, false));
    assert_eq!(report.changes, planned.changes, "a plan says what happens");
    assert_eq!(report.changes.len(), 5, "{report:?}");
    assert_eq!(lab.memory.snapshot(), Lab::equipped(&before));
    let again = lab.handle(&Lab::deployed()).await;
    assert_eq!((again.changes, lab.memory.snapshot()), (vec![], Lab::equipped(&before)), "again");

    let [employees, offices] = ["employees", "offices"].map(|name| lab.world.subscription(name));
    lab.world.grant(&employees).await;
    lab.world.grant(&offices).await;
    lab.end();
    let planned = lab.environments.plan(&Lab::deleting()).await.unwrap();
    assert_eq!((planned.held.len(), lab.world.readable().len()), (2, 2), "a plan changes nothing: {planned:?}");
    // Both subscriptions are approved still: the environment is what ends.
    let report = lab.handle(&Lab::deleting()).await;
    assert_eq!((&report.brought, report.superseded), (&Brought::Cleaned, false));
    assert_eq!((report.changes.len(), report.revoked.len()), (5, 2), "{report:?}");
    assert_eq!(lab.memory.snapshot(), before);
    lab.world.assert_nothing_left("the environment has gone");
    let again = lab.handle(&Lab::deleting()).await;
    assert!(again.changes.is_empty() && again.revoked.is_empty(), "{again:?}");
    assert_eq!(lab.memory.snapshot(), before);
}

#[tokio::test]
async fn the_portal_has_the_last_word_and_a_hand_the_very_last() {
    let lab = Lab::new();
    let before = lab.memory.snapshot();
    for stage in [Stage::Active, Stage::Resting("SUSPENDED".into()), Stage::Coming] {
        lab.memory.set_stage(&env1(), Some(stage));
        for error in [
            lab.environments.handle(&Lab::deleting()).await.unwrap_err(),
            lab.environments.plan(&Lab::deleting()).await.unwrap_err(),
        ] {
            assert!(error.is_retryable() && error.detail().contains("deletion"), "{error}");
            assert_eq!(error.left(), dzconn_core::Changed::Nothing);
        }
        assert_eq!(lab.memory.snapshot(), before, "what is about to be deleted is not equipped");
    }
    lab.memory.set_stage(&env1(), Some(Stage::Active));
    lab.handle(&Lab::deployed()).await;
    lab.end();
    let report = lab.handle(&Lab::deployed()).await;
    assert_eq!((&report.brought, report.superseded), (&Brought::Cleaned, true), "it is being deleted");
    assert_eq!(lab.memory.snapshot(), before);

    // Who asks for it to be equipped does not find it stripped.
    let equip = EnvironmentEvent::equip(id("dzd_1"), env1());
    lab.world.grant(&lab.world.subscription("employees")).await;
    let report = lab.handle(&equip).await;
    assert!(matches!(&report.brought, Brought::Nothing(why) if why.contains("being deleted")), "{report:?}");
    assert_eq!(lab.world.readable(), ["employees"]);

    lab.memory.set_stage(&env1(), Some(Stage::Active));
    assert_eq!(lab.handle(&equip).await.brought, Brought::Equipped);
    lab.world.grant(&lab.world.subscription("employees")).await;
    let report = lab.handle(&EnvironmentEvent::clean(id("dzd_1"), env1())).await;
    assert_eq!((&report.brought, report.superseded), (&Brought::Cleaned, false));
    assert_eq!(lab.memory.snapshot(), before);
    lab.world.assert_nothing_left("cleaned by hand");

    for stage in ["SUSPENDED", "CREATE_FAILED"] {
        lab.memory.set_stage(&env1(), Some(Stage::Resting(stage.into())));
        let report = lab.handle(&Lab::deployed()).await;
        assert!(matches!(&report.brought, Brought::Nothing(why) if why.contains(stage)), "{report:?}");
    }
    lab.memory.set_stage(&env1(), Some(Stage::Coming));
    assert!(lab.environments.handle(&Lab::deployed()).await.unwrap_err().is_retryable());
    // One that is active and has no role: an event may be ahead of the portal, and a person can do something.
    let environment = lab.memory.environment(&id("dzd_1"), &env1()).await.unwrap().unwrap();
    lab.memory.put(Environment { role: None, stage: Stage::Active, ..environment });
    assert!(lab.environments.handle(&Lab::deployed()).await.unwrap_err().is_retryable());
    let error = lab.environments.handle(&equip).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::NotFound, false), "{error}");
    assert_eq!(lab.memory.snapshot(), before);
}

/// Says that the environment is active once, and from then on that it is being deleted.
#[derive(Debug)]
struct Fickle(MemoryEnvironments, Mutex<bool>);

#[async_trait]
impl EnvironmentPortal for Fickle {
    async fn environment(&self, domain: &DomainId, id: &EnvironmentId) -> Result<Option<Environment>> {
        let asked = std::mem::replace(&mut *self.1.lock().unwrap(), true);
        let stage = if asked { Stage::Ending } else { Stage::Active };
        self.0.set_stage(id, Some(stage));
        self.0.environment(domain, id).await
    }

    async fn environments(&self, domain: &DomainId) -> Result<Vec<EnvironmentId>> {
        self.0.environments(domain).await
    }
}

#[tokio::test]
async fn an_environment_that_ends_while_it_is_equipped_is_cleaned() {
    let lab = Lab::new();
    let before = lab.memory.snapshot();
    let fickle = Fickle(lab.memory.clone(), Mutex::default());
    let (memory, fulfilment) = (lab.memory.clone(), lab.world.fulfilment.clone());
    let environments = Environments::new(fickle, memory.clone(), memory, equipment(), fulfilment);
    let report = environments.handle(&Lab::deployed()).await.unwrap();
    assert_eq!((&report.brought, report.superseded), (&Brought::Cleaned, true));
    assert_eq!(lab.memory.snapshot(), before);
}

#[tokio::test]
async fn what_is_half_cleaned_or_gone_is_no_obstacle() {
    type Damage = fn(&mut MemoryAccount);
    let damages: [(&str, Damage); 6] = [
        ("the role is gone", |account| drop(account.roles.remove(&id::<Principal>(ROLE)))),
        ("a policy is detached", |account| {
            account.roles.get_mut(&id::<Principal>(ROLE)).unwrap().policies.remove(POLICIES[0]);
        }),
        ("the boundary is the default one", |account| {
            account.roles.get_mut(&id::<Principal>(ROLE)).unwrap().boundary = Some(DEFAULT.into());
        }),
        ("there is no boundary", |account| {
            account.roles.get_mut(&id::<Principal>(ROLE)).unwrap().boundary = None;
        }),
        ("the policies are deleted", |account| account.policies.retain(|policy| policy == DEFAULT)),
        ("a database is gone", |account| drop(account.databases.remove("pub_db"))),
    ];
    for (what, damage) in damages {
        let lab = Lab::new();
        let before = lab.memory.snapshot();
        lab.handle(&Lab::deployed()).await;
        lab.world.grant(&lab.world.subscription("employees")).await;
        lab.memory.edit(damage);
        lab.end();
        let report = lab.handle(&Lab::deleting()).await;
        assert_eq!((&report.brought, report.revoked.len()), (&Brought::Cleaned, 1), "{what}");
        let after = lab.memory.snapshot();
        let expected = before.roles.iter().filter(|(role, _)| after.roles.contains_key(*role));
        assert!(expected.eq(after.roles.iter()), "{what}: {after:?}");
        assert!(after.databases.iter().all(|(name, tags)| before.databases[name] == *tags), "{what}: {after:?}");
        lab.world.assert_nothing_left(what);
    }
    // That one was deployed which nobody knows is no reason to take anything back.
    let lab = Lab::new();
    lab.world.grant(&lab.world.subscription("employees")).await;
    lab.memory.set_stage(&env1(), None);
    let report = lab.handle(&Lab::deployed()).await;
    assert!(matches!(report.brought, Brought::Nothing(_)) && lab.world.readable() == ["employees"], "{report:?}");
    // Not even the portal knows it any more; or its role was never made.
    for gone in [true, false] {
        let lab = Lab::new();
        lab.world.grant(&lab.world.subscription("employees")).await;
        if gone {
            lab.memory.set_stage(&env1(), None);
        } else {
            let environment = lab.memory.environment(&id("dzd_1"), &env1()).await.unwrap().unwrap();
            lab.memory.put(Environment { role: None, databases: vec![], stage: Stage::Ending, ..environment });
        }
        let report = lab.handle(&Lab::deleting()).await;
        assert!(report.brought == Brought::Cleaned && !report.notes.is_empty(), "{report:?}");
        lab.world.assert_nothing_left("the environment is gone");
    }
}

#[tokio::test]
async fn what_is_somebody_elses_stays_and_is_said() {
    let lab = Lab::new();
    lab.memory.edit(|account| {
        account.roles.get_mut(&id::<Principal>(ROLE)).unwrap().boundary = Some("stricter".into());
    });
    let before = lab.memory.snapshot();
    let error = lab.environments.handle(&Lab::deployed()).await.unwrap_err();
    assert_eq!((error.kind(), error.left()), (ErrorKind::Refused, dzconn_core::Changed::Nothing), "{error}");
    assert!(error.to_string().contains("stricter") && error.to_string().contains("env1"), "{error}");
    let report = lab.handle(&EnvironmentEvent::clean(id("dzd_1"), env1())).await;
    assert!(report.notes.iter().any(|note| note.contains("stricter")), "{report:?}");
    assert_eq!(lab.memory.snapshot(), before);

    let lab = Lab::new();
    lab.memory.edit(|account| account.databases.get_mut("sub_db").unwrap().insert("access".into(), "false".into()));
    let before = lab.memory.snapshot();
    let error = lab.environments.handle(&Lab::deployed()).await.unwrap_err();
    assert_eq!((error.kind(), error.left()), (ErrorKind::Refused, dzconn_core::Changed::Nothing), "{error}");
    lab.handle(&EnvironmentEvent::clean(id("dzd_1"), env1())).await;
    assert_eq!(lab.memory.snapshot(), before, "a tag with another value is not ours to remove");
}

#[test]
fn a_tag_that_is_not_seen_is_removed_all_the_same() {
    let changes = |value| equipment().untag("pub_db", value).map(|step| step.changes);
    assert_eq!([changes(Some("true")), changes(None), changes(Some("false"))], [Some(true), Some(false), None]);
}

#[tokio::test]
async fn nothing_is_revoked_by_the_wrong_domain() {
    let lab = Lab::new();
    lab.world.grant(&lab.world.subscription("employees")).await;
    let wrong = EnvironmentEvent::clean(id("dzd_2"), env1());
    let report = lab.environments.handle(&wrong).await.unwrap();
    let errors: Vec<_> = report.errors().collect();
    assert_eq!((errors.len(), errors[0].kind()), (1, ErrorKind::InvalidInput), "{report:?}");
    assert!(errors[0].detail().contains("dzd_1"), "{report:?}");
    let plan = lab.environments.plan(&wrong).await.unwrap();
    assert_eq!(plan.errors().map(dzconn_core::Error::kind).collect::<Vec<_>>(), [ErrorKind::InvalidInput], "{plan:?}");
    assert_eq!(lab.world.readable(), ["employees"]);
}

#[tokio::test]
async fn other_blueprints_are_skipped_but_what_was_granted_goes() {
    let lab = Lab::new();
    let environment = lab.memory.environment(&id("dzd_1"), &env1()).await.unwrap().unwrap();
    lab.memory.put(Environment { foreign: Some("of another blueprint".into()), ..environment });
    let before = lab.memory.snapshot();
    let report = lab.handle(&Lab::deployed()).await;
    assert_eq!(report.brought, Brought::Nothing("of another blueprint".into()));
    lab.end();
    let report = lab.handle(&Lab::deleting()).await;
    assert_eq!(report.brought, Brought::Nothing("of another blueprint".into()));
    let plan = lab.environments.plan(&Lab::deleting()).await.unwrap();
    assert_eq!((plan.brought, plan.notes), (report.brought, report.notes), "a plan says what happens");
    lab.world.grant(&lab.world.subscription("employees")).await;
    let plan = lab.environments.plan(&Lab::deleting()).await.unwrap();
    assert_eq!((&plan.brought, plan.held.len(), plan.notes.len()), (&Brought::Cleaned, 1, 1), "{plan:?}");
    let report = lab.handle(&Lab::deleting()).await;
    assert_eq!((&report.brought, report.revoked.len()), (&Brought::Cleaned, 1));
    assert_eq!(lab.memory.snapshot(), before);
    lab.world.assert_nothing_left("an environment of another blueprint");
}

#[tokio::test]
async fn everything_goes_with_the_environment_and_nothing_of_others() {
    let lab = Lab::new();
    let world = &lab.world;
    let [employees, offices, salaries] = ["employees", "offices", "salaries"].map(|name| world.subscription(name));
    let mut other = employees.clone();
    other.consumer.environment = id("env2");
    for subscription in [&employees, &offices, &other] {
        world.grant(subscription).await;
    }
    // Retained access goes too, and a grant whose run died before it wrote the row, and a recorded answer of the portal.
    world.want(&offices, Wanted::Retain);
    world.fulfilment.retain(&offices).await.unwrap();
    world.grant(&salaries).await;
    let row = Key::Asset(env1(), id("salaries"));
    world.record_answer("employees").await;
    world.record_answer("of-nothing-else").await;
    let changes = vec![Change::remove(row, Expect::Anything)];
    world.tracking.commit(&Transaction { changes }).await.unwrap();

    lab.end();
    let report = lab.handle(&Lab::deleting()).await;
    assert_eq!(report.revoked.len(), 3, "{report:?}");
    let left = world.tracking.snapshot();
    let of_env1 = left.iter().filter(|(key, _)| format!("{key}").contains("env1")).count();
    assert_eq!(of_env1, 0, "{left:?}");
    let live = world.vault.live();
    assert_eq!(live.len(), 2, "the other environment's two secrets: {live:?}");
    assert!(live.iter().all(|(.., credentials)| world.engine.read_as(credentials, &table("employees"))));
}

#[tokio::test]
async fn an_asset_that_stands_on_two_tables_leaves_both() {
    let lab = Lab::new();
    let world = &lab.world;
    let (moved, other) = (world.published("moved", "employees"), world.published("other", "offices"));
    world.grant(&moved).await;
    world.grant(&other).await;
    // The row says the one table; an entry for the other is there still.
    let place = world.row(&other).await.unwrap().place;
    for (key, stored) in world.tracking.snapshot().iter() {
        let mut stored = stored.clone();
        match &mut stored.record {
            Record::Asset(row) if row.asset == other.asset.id => {
                let changes = vec![Change::remove(key.clone(), Expect::Anything)];
                world.tracking.commit(&Transaction { changes }).await.unwrap();
                continue;
            }
            Record::Asset(row) => row.place.clone_from(&place),
            Record::Entry(entry) => {
                if let Some(publication) = entry.assets.remove(&other.asset.id) {
                    entry.assets.insert(moved.asset.id.clone(), publication);
                }
            }
            _ => {}
        }
        world.tracking.insert(key.clone(), stored);
    }
    assert_eq!(world.readable(), ["employees", "offices"]);
    lab.end();
    let report = lab.handle(&Lab::deleting()).await;
    assert_eq!(report.revoked.len(), 2, "{report:?}");
    world.assert_nothing_left("one asset on two tables");
}

#[tokio::test]
async fn what_an_older_system_granted_goes_too() {
    let lab = Lab::new();
    for name in ["employees", "offices"] {
        lab.world.grant(&lab.world.subscription(name)).await;
    }
    lab.world.make_older().await;
    // Of two assets, which path is whose cannot be told from the rows: both paths go, and the rows stay and are told.
    lab.end();
    let told = async |errors: &[ErrorKind]| {
        let report = lab.environments.handle(&Lab::deleting()).await.unwrap();
        assert_eq!(report.errors().map(dzconn_core::Error::kind).collect::<Vec<_>>(), errors, "{report:?}");
        assert_eq!(lab.world.engine.snapshot().users().count(), 0, "{:?}", lab.world.engine.snapshot());
        assert!(lab.world.vault.live().is_empty(), "{:?}", lab.world.vault.live());
        report.revoked.iter().filter(|one| matches!(one, Handled::Done { .. })).count()
    };
    assert_eq!(told(&[ErrorKind::NotFound, ErrorKind::NotFound]).await, 2);
    assert_eq!(told(&[ErrorKind::NotFound, ErrorKind::NotFound]).await, 0);
}

#[tokio::test]
async fn what_stands_alone_or_belongs_to_others_is_no_obstacle() {
    let lab = Lab::new();
    let world = &lab.world;
    world.grant(&world.subscription("employees")).await;
    // A row of access that there is not: somebody has removed the source record. And another environment's broken record.
    let row = world.row(&world.subscription("employees")).await.unwrap();
    lab.handle(&EnvironmentEvent::clean(id("dzd_1"), env1())).await;
    let changes = vec![Change::put(Expect::Absent, Version::from_bits(9), Record::Asset(row.clone()))];
    world.tracking.commit(&Transaction { changes }).await.unwrap();
    let broken = |environment: &str| {
        let key = Key::Source(SourceKey { connection: id("somewhere"), environment: id(environment) });
        let row = AssetRecord { environment: id(environment), ..row.clone() };
        let stored = Stored { version: None, record: Record::Asset(row) };
        (key, stored)
    };
    let (key, stored) = broken("env2");
    world.tracking.insert(key.clone(), stored);
    lab.end();
    let report = lab.handle(&Lab::deleting()).await;
    assert_eq!(report.revoked.len(), 1, "{report:?}");
    assert_eq!(world.tracking.snapshot().iter().map(|(key, _)| key).collect::<Vec<_>>(), [&key]);
    // Its own is told.
    let (key, stored) = broken("env1");
    world.tracking.insert(key, stored);
    let report = lab.environments.handle(&Lab::deleting()).await.unwrap();
    let kinds: Vec<_> = report.errors().map(dzconn_core::Error::kind).collect();
    assert_eq!(kinds, [ErrorKind::RecordInvalid], "{report:?}");
}

#[tokio::test]
async fn cleaning_goes_on_after_a_failure() {
    let lab = Lab::new();
    let before = lab.memory.snapshot();
    lab.handle(&Lab::deployed()).await;
    lab.world.grant(&lab.world.subscription("employees")).await;
    lab.end();
    lab.world.spy.fail_at("role.detach", When::Before, ErrorKind::StoreDenied);
    let report = lab.environments.handle(&Lab::deleting()).await.unwrap();
    let errors: Vec<_> = report.errors().map(dzconn_core::Error::kind).collect();
    assert_eq!(errors, [ErrorKind::StoreDenied], "{report:?}");
    assert!(report.changes.contains(&Effect::SetBoundary(DEFAULT.into())), "{report:?}");
    lab.world.assert_nothing_left("a policy could not be detached");
    lab.handle(&Lab::deleting()).await;
    assert_eq!(lab.memory.snapshot(), before);
}
