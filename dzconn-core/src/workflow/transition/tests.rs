//! What each move does to a record, and from where it is illegal.

use std::collections::BTreeSet;

use super::*;
use crate::model::{Generation, Owner, SecretName, SourceKey, TurnStage};
use crate::store::Key;

fn id<T: std::str::FromStr<Err = crate::Error>>(text: &str) -> T {
    text.parse().unwrap()
}

fn user(name: &str) -> UserName {
    UserName::new(name).unwrap()
}

fn table(name: &str) -> TableName {
    TableName::in_schema("d", "s", name).unwrap()
}

fn path(name: &str) -> AssetPath {
    id(&format!("d.s.{name}"))
}

const NOW: Timestamp = Timestamp::from_seconds(7);

fn generation(number: u128) -> Generation {
    Generation {
        id: GenerationId::from_bits(number),
        user: user("one"),
        secret: SecretName::new(format!("p{number}")).unwrap(),
        secret_id: Some(id("arn:p")),
        copy: SecretName::new(format!("c{number}")).unwrap(),
        spare: None,
        turn: None,
    }
}

/// A record of generation 1, in which table `t` is settled for asset `t`.
fn record(phase: Phase) -> SourceRecord {
    let owner = Owner::new(id("111111111111"), id("eu-west-1"));
    SourceRecord {
        key: SourceKey { connection: id("con"), environment: id("env") },
        domain: id("dzd"),
        project: id("prj"),
        owner,
        phase,
        generation: (phase != Phase::Retired).then(|| generation(1)),
        older: BTreeSet::new(),
        settled: 1,
        open: BTreeMap::new(),
        revoked: BTreeSet::new(),
        retired: BTreeSet::from([RetiredGeneration {
            id: GenerationId::from_bits(9),
            secret_id: None,
            copy: id("c9"),
        }]),
        data_assets: BTreeSet::from([path("t")]),
        data_assets_complete: true,
        last_updated: Timestamp::from_seconds(1),
    }
}

fn entry(assets: &[(&str, bool)]) -> Seen<EntryRecord> {
    let publication = |name: &str, retained| (id(name), Publication { path: path("t"), retained });
    let record = EntryRecord {
        key: record(Phase::Active).key,
        table: table("t"),
        generation: GenerationId::from_bits(1),
        assets: assets.iter().map(|(name, retained)| publication(name, *retained)).collect(),
        since: Timestamp::from_seconds(1),
        last_updated: Timestamp::from_seconds(1),
    };
    Seen { version: Some(Version::from_bits(2)), record }
}

fn view(record: SourceRecord, entry: Option<Seen<EntryRecord>>) -> View {
    View { source: Some(Seen { version: Some(Version::from_bits(1)), record }), entry }
}

fn grant(asset: &str, name: &str) -> Move {
    let fresh = SourceRecord { generation: Some(generation(2)), settled: 0, ..record(Phase::Active) };
    let fresh = SourceRecord { retired: BTreeSet::new(), data_assets: BTreeSet::new(), ..fresh };
    Move::Grant { asset: id(asset), path: path(name), table: table(name), fresh: Box::new(fresh) }
}

fn granted(asset: &str, name: &str) -> Move {
    let secret_id = id("arn:p");
    Move::Granted { asset: id(asset), path: path(name), table: table(name), secret_id, older: false }
}

fn retain(asset: &str, older: bool) -> Move {
    Move::Retain { asset: id(asset), path: path("t"), table: table("t"), older }
}

fn revoke(asset: &str, name: Option<&str>) -> Move {
    Move::Revoke { asset: id(asset), path: path("t"), table: name.map(table), older: false }
}

fn turn_to(spare: &str, number: u128) -> Move {
    Move::Turn { spare: user(spare), id: TurnId::from_bits(number) }
}

/// The source record after a move.
fn after(view: &View, step: &Move) -> Result<SourceRecord, Failure> {
    apply(view, step, NOW).map(|view| view.source.expect("a record").record)
}

fn illegal(view: &View, step: &Move) {
    assert_eq!(apply(view, step, NOW), Err(EDITED), "{step:?}");
}

fn opened(record: &SourceRecord) -> Vec<(String, OpenState, String)> {
    let of = |entry: &OpenEntry| entry.assets.keys().map(AssetId::as_str).collect::<Vec<_>>().join(" ");
    record.open.iter().map(|(table, open)| (table.name().to_owned(), open.state, of(open))).collect()
}

fn open(table: &str, state: OpenState, assets: &str) -> (String, OpenState, String) {
    (table.to_owned(), state, assets.to_owned())
}

fn with_open(mut record: SourceRecord, asset: &str, state: OpenState) -> SourceRecord {
    record.open.insert(table(asset), OpenEntry { state, assets: BTreeMap::from([(id(asset), path(asset))]) });
    record
}

/// In which phases a move is legal, for a record that has what the move speaks of.
#[test]
fn moves_and_phases() {
    use Phase::{Active, Dropping, Retired};
    // Retaining does nothing to the source, and asks for an entry, which only a living record has.
    let all = [Active, Dropping, Retired];
    let legal: [(Move, &[Phase]); 9] = [
        (grant("a", "a"), &[Active, Retired]),
        (granted("u", "u"), &[Active]),
        (retain("t", false), &all),
        (revoke("t", Some("t")), &[Active]),
        (Move::RollBack, &[Active]),
        (Move::Revoked, &[Active]),
        (Move::Retire, &[Dropping]),
        (Move::RowGone { asset: id("a") }, &all),
        (Move::Strike { generation: GenerationId::from_bits(9) }, &all),
    ];
    for (step, phases) in &legal {
        for phase in all {
            let own = matches!(step, Move::Retain { .. } | Move::Revoke { .. }).then(|| entry(&[("t", false)]));
            let mut source = with_open(record(phase), "u", OpenState::Granting);
            source.generation = Some(self::generation(1));
            source.revoked.insert(id("gone"));
            let done = apply(&view(source, own), step, NOW);
            assert_eq!(done.is_ok(), phases.contains(&phase), "{step:?} when {phase:?}: {done:?}");
        }
    }
    let nothing = View::default();
    for (step, _) in legal.iter().skip(1) {
        illegal(&nothing, step);
    }
    assert!(apply(&nothing, &legal[0].0, NOW).is_ok());
}

/// In which stages a rotation's move is legal, and only in an active record that names a generation.
#[test]
fn moves_and_stages() {
    use TurnStage::{Delivering, Preparing, Ready};
    let stages = [None, Some(Preparing), Some(Ready), Some(Delivering)];
    let legal: [(Move, &[Option<TurnStage>]); 4] = [
        (turn_to("two", 5), &[None, Some(Preparing)]),
        (Move::Ready, &[Some(Preparing)]),
        (Move::Swap, &[Some(Ready)]),
        (Move::TurnOver, &[Some(Delivering)]),
    ];
    for (step, when) in legal {
        for stage in stages {
            let mut source = record(Phase::Active);
            let living = source.generation.as_mut().unwrap();
            living.spare = Some(user("two"));
            living.turn = stage.map(|stage| Turn { id: TurnId::from_bits(4), stage });
            let done = apply(&view(source.clone(), None), &step, NOW);
            assert_eq!(done.is_ok(), when.contains(&stage), "{step:?} in {stage:?}: {done:?}");
            source.phase = Phase::Dropping;
            illegal(&view(source.clone(), None), &step);
            illegal(&view(SourceRecord { phase: Phase::Active, generation: None, ..source }, None), &step);
        }
    }
}

#[test]
fn a_turn_from_its_beginning_to_its_end() {
    let living = |view: &View| view.source.as_ref().unwrap().record.generation.clone().unwrap();
    let of = |number, stage| Some(Turn { id: TurnId::from_bits(number), stage });
    let mut now = view(record(Phase::Active), None);
    illegal(&now, &turn_to("one", 4));
    let mut go = |step: &Move| {
        now = apply(&now, step, NOW).unwrap();
        living(&now)
    };
    let (one, two) = (user("one"), Some(user("two")));
    let begun = go(&turn_to("two", 4));
    assert_eq!((&begun.user, &begun.spare, begun.turn), (&one, &two, of(4, TurnStage::Preparing)));
    let again = go(&turn_to("three", 5));
    assert_eq!((&again.spare, again.turn), (&two, of(5, TurnStage::Preparing)), "the name that is recorded stays");
    assert_eq!(go(&Move::Ready).turn, of(5, TurnStage::Ready));
    let swapped = go(&Move::Swap);
    assert_eq!((Some(&swapped.user), &swapped.spare), (two.as_ref(), &Some(one)));
    assert_eq!(swapped.turn, of(5, TurnStage::Delivering));
    assert_eq!(go(&Move::TurnOver).turn, None);
    // What the task calls a spare is asked only for a first rotation.
    assert_eq!(go(&turn_to("two", 6)).spare, Some(user("one")));

    let mut edited = record(Phase::Active);
    edited.generation.as_mut().unwrap().turn = of(4, TurnStage::Preparing);
    illegal(&view(edited.clone(), None), &turn_to("two", 5));
    edited.generation.as_mut().unwrap().turn = of(4, TurnStage::Ready);
    illegal(&view(edited, None), &Move::Swap);
}

#[test]
fn a_grant_rolls_back_what_dead_runs_have_left() {
    let mut source = with_open(record(Phase::Active), "u", OpenState::Granting);
    source.revoked.insert(id("a"));
    let begun = after(&view(source, None), &grant("a", "a")).unwrap();
    let expected = [open("a", OpenState::Granting, "a"), open("u", OpenState::Revoking, "u")];
    assert_eq!(opened(&begun), expected);
    assert_eq!((begun.settled, begun.revoked.len()), (1, 0), "its row is not to go any more");

    // Of its own table another asset's run has died: that asset's row is to go.
    let source = with_open(record(Phase::Active), "u", OpenState::Revoking);
    let begun = after(&view(source, None), &grant("a", "u")).unwrap();
    assert_eq!(opened(&begun), [open("u", OpenState::Granting, "a")]);
    assert_eq!(begun.revoked, BTreeSet::from([id("u")]));

    // What is granted already is not open.
    let joined = after(&view(record(Phase::Active), Some(entry(&[("t", false)]))), &grant("a", "t")).unwrap();
    assert_eq!(opened(&joined), []);
    let older = SourceRecord { older: BTreeSet::from([path("t")]), settled: 0, ..record(Phase::Active) };
    assert_eq!(opened(&after(&view(older, None), &grant("a", "t")).unwrap()), []);
}

#[test]
fn a_grant_over_a_retired_record_begins_anew_and_keeps_what_is_to_be_cleaned_up() {
    let mut source = record(Phase::Retired);
    source.revoked.extend([id("a"), id("b")]);
    let begun = after(&view(source.clone(), None), &grant("a", "a")).unwrap();
    assert_eq!((begun.phase, begun.settled, begun.retired), (Phase::Active, 0, source.retired));
    assert_eq!(begun.revoked, BTreeSet::from([id("b")]));
    assert_eq!(begun.generation.unwrap().id, GenerationId::from_bits(2));
}

#[test]
fn what_was_granted_is_settled() {
    let source = with_open(with_open(record(Phase::Active), "a", OpenState::Granting), "u", OpenState::Revoking);
    let mut source = SourceRecord { older: BTreeSet::from([path("a")]), ..source };
    source.generation.as_mut().unwrap().secret_id = None;
    source.revoked.insert(id("a"));
    let done = apply(&view(source, None), &granted("a", "a"), NOW).unwrap();
    let (source, entry) = (done.source.unwrap().record, done.entry.unwrap());
    assert_eq!((source.settled, opened(&source), entry.version), (2, vec![], None));
    assert_eq!(source.revoked, BTreeSet::from([id("u")]), "what it has taken back on the way");
    assert_eq!((entry.record.since, entry.record.assets[&id("a")].retained), (NOW, false));
    assert_eq!(source.generation.unwrap().secret_id, Some(id("arn:p")));
    assert_eq!(source.data_assets, BTreeSet::from([path("a"), path("t")]));
    assert_eq!(source.older, BTreeSet::from([path("a")]), "the older system's was another asset");

    // Nothing was open.
    illegal(&view(record(Phase::Active), None), &granted("a", "a"));
    illegal(&view(SourceRecord { generation: None, ..record(Phase::Active) }, None), &granted("a", "a"));

    // Another asset of a table that is granted already; and what was retained is granted once more.
    let there = view(record(Phase::Active), Some(self::entry(&[("t", true)])));
    let joined = apply(&there, &granted("a", "t"), NOW).unwrap();
    let (source, entry) = (joined.source.unwrap().record, joined.entry.unwrap().record);
    assert_eq!((source.settled, entry.assets.len(), entry.since), (1, 2, Timestamp::from_seconds(1)));
    let again = apply(&there, &granted("t", "t"), NOW).unwrap();
    assert!(!again.entry.unwrap().record.assets[&id("t")].retained);
}

#[test]
fn what_is_retained_was_granted() {
    let both = || Some(entry(&[("t", false), ("other", false)]));
    let kept = apply(&view(record(Phase::Active), both()), &retain("t", false), NOW).unwrap().entry.unwrap().record;
    assert_eq!((kept.assets[&id("t")].retained, kept.assets[&id("other")].retained), (true, false));

    illegal(&view(record(Phase::Active), both()), &retain("a", false));
    illegal(&view(record(Phase::Active), None), &retain("t", false));
    illegal(&view(record(Phase::Active), None), &retain("t", true));

    // What an older system has granted gets its entry, or joins the one that is there.
    let older = || SourceRecord { older: BTreeSet::from([path("t")]), ..record(Phase::Active) };
    illegal(&view(older(), None), &retain("t", false));
    let first = apply(&view(older(), None), &retain("t", true), NOW).unwrap();
    let (source, made) = (first.source.unwrap().record, first.entry.unwrap().record);
    assert_eq!((source.settled, source.older.len(), made.since), (2, 0, NOW));
    assert!(made.assets[&id("t")].retained);
    let joined = apply(&view(older(), Some(entry(&[("other", false)]))), &retain("t", true), NOW).unwrap();
    let (source, there) = (joined.source.unwrap().record, joined.entry.unwrap().record);
    assert_eq!((source.settled, source.older.len(), there.since), (1, 0, Timestamp::from_seconds(1)));
    assert_eq!((there.assets.len(), there.assets[&id("t")].retained), (2, true));
}

#[test]
fn a_revoke_takes_the_table_with_the_last_asset() {
    let one = SourceRecord { settled: 2, ..record(Phase::Active) };
    let of_two = apply(&view(one.clone(), Some(entry(&[("t", false), ("o", false)]))), &revoke("t", Some("t")), NOW);
    let of_two = of_two.unwrap();
    let (source, left) = (of_two.source.unwrap().record, of_two.entry.unwrap().record);
    assert_eq!((source.settled, opened(&source), left.assets.len()), (2, vec![], 1));
    assert_eq!(
        (source.revoked, source.data_assets.len()),
        (BTreeSet::from([id("t")]), 1),
        "the other's path is the same"
    );

    let last = apply(&view(one, Some(entry(&[("t", false)]))), &revoke("t", Some("t")), NOW).unwrap();
    let source = last.source.unwrap().record;
    assert_eq!((source.phase, source.settled, last.entry), (Phase::Active, 1, None));
    assert_eq!(opened(&source), [open("t", OpenState::Revoking, "t")]);
    assert_eq!((source.data_assets.len(), source.revoked.len()), (0, 0), "its row goes once it is revoked");

    // Nothing else lives.
    let last = after(&view(record(Phase::Active), Some(entry(&[("t", false)]))), &revoke("t", Some("t"))).unwrap();
    assert_eq!((last.phase, last.settled), (Phase::Dropping, 0));
    let older = SourceRecord { older: BTreeSet::from([path("o")]), ..record(Phase::Active) };
    let last = after(&view(older, Some(entry(&[("t", false)]))), &revoke("t", Some("t"))).unwrap();
    assert_eq!((last.phase, last.settled), (Phase::Active, 0), "the older system's tables live");
    // A count that does not count the entry.
    let edited = SourceRecord { settled: 0, ..record(Phase::Active) };
    illegal(&view(edited, Some(entry(&[("t", false)]))), &revoke("t", Some("t")));
}

#[test]
fn a_revoke_takes_over_what_is_open() {
    let source = SourceRecord { settled: 0, ..with_open(record(Phase::Active), "a", OpenState::Granting) };
    let taken = after(&view(source.clone(), None), &revoke("a", Some("a"))).unwrap();
    assert_eq!(opened(&taken), [open("a", OpenState::Revoking, "a")]);
    assert_eq!(taken.phase, Phase::Dropping);
    let other = after(&view(source, None), &revoke("b", None)).unwrap();
    assert_eq!(opened(&other), [open("a", OpenState::Revoking, "a")], "a dead run's");

    let nothing = record(Phase::Active);
    assert_eq!(after(&view(nothing.clone(), None), &revoke("b", Some("b"))).unwrap(), nothing);
    let idle = SourceRecord { settled: 0, ..nothing };
    assert_eq!(after(&view(idle.clone(), None), &revoke("b", None)).unwrap(), idle, "nothing open: nobody is dropped");
}

#[test]
fn a_revoke_of_what_an_older_system_granted() {
    let older = |names: &[&str]| SourceRecord {
        older: names.iter().map(|name| path(name)).collect(),
        data_assets: names.iter().map(|name| path(name)).collect(),
        settled: 0,
        ..record(Phase::Active)
    };
    let step = |name: &str| Move::Revoke { asset: id("x"), path: path(name), table: Some(table("t")), older: true };
    let taken = after(&view(older(&["t", "u"]), None), &step("t")).unwrap();
    assert_eq!(opened(&taken), [open("t", OpenState::Revoking, "x")]);
    assert_eq!((taken.older.len(), taken.data_assets.len(), taken.phase), (1, 1, Phase::Active));
    // Another of its paths means the same table: the privilege stays.
    let other = after(&view(older(&["t", "T"]), None), &step("T")).unwrap();
    assert_eq!((opened(&other), other.revoked), (vec![], BTreeSet::from([id("x")])));
    // So it does where the table is granted to another asset besides.
    let settled = SourceRecord { settled: 1, ..older(&["t"]) };
    let beside = apply(&view(settled, Some(entry(&[("t", false)]))), &step("t"), NOW).unwrap();
    let (source, kept) = (beside.source.unwrap().record, beside.entry.unwrap().record);
    assert_eq!((opened(&source), source.revoked), (vec![], BTreeSet::from([id("x")])));
    assert_eq!((source.settled, kept.assets.len()), (1, 1));
    // And the other way round.
    let own = SourceRecord { settled: 1, ..older(&["t"]) };
    let last = apply(&view(own, Some(entry(&[("t", false)]))), &revoke("t", Some("t")), NOW).unwrap();
    let source = last.source.unwrap().record;
    assert_eq!((opened(&source), source.settled, last.entry), (vec![], 0, None));
    assert_eq!((source.revoked, source.phase), (BTreeSet::from([id("t")]), Phase::Active));
    // A dead run's is taken over, with the row of this asset.
    let busy = with_open(older(&["t"]), "t", OpenState::Granting);
    let taken = after(&view(busy, None), &step("t")).unwrap();
    assert_eq!(opened(&taken), [open("t", OpenState::Revoking, "t x")]);
}

#[test]
fn what_was_revoked_is_closed_and_what_is_being_granted_is_not() {
    let source = with_open(with_open(record(Phase::Active), "a", OpenState::Granting), "b", OpenState::Revoking);
    let done = after(&view(source.clone(), None), &Move::Revoked).unwrap();
    assert_eq!(opened(&done), [open("a", OpenState::Granting, "a")]);
    assert_eq!(done.revoked, BTreeSet::from([id("b")]));
    let back = after(&view(source.clone(), None), &Move::RollBack).unwrap();
    assert!(back.open.values().all(|open| open.state == OpenState::Revoking));
    assert_eq!(back.phase, Phase::Active, "something else lives");
    let alone = after(&view(SourceRecord { settled: 0, ..source }, None), &Move::RollBack).unwrap();
    assert_eq!(alone.phase, Phase::Dropping);
}

#[test]
fn a_record_goes_when_nothing_is_left_to_clean_up() {
    let source = SourceRecord { settled: 0, ..with_open(record(Phase::Dropping), "a", OpenState::Granting) };
    let source = SourceRecord { data_assets_complete: false, ..source };
    illegal(&view(SourceRecord { generation: None, ..source.clone() }, None), &Move::Retire);
    let mut now = apply(&view(source, None), &Move::Retire, NOW).unwrap();
    let retired = now.source.clone().unwrap().record;
    assert_eq!((retired.phase, retired.generation, retired.open.len()), (Phase::Retired, None, 0));
    assert_eq!((retired.revoked, retired.retired.len()), (BTreeSet::from([id("a")]), 2));
    assert_eq!((retired.data_assets.len(), retired.data_assets_complete), (0, true));
    for step in [
        Move::Strike { generation: GenerationId::from_bits(1) },
        Move::RowGone { asset: id("a") },
        Move::Strike { generation: GenerationId::from_bits(9) },
    ] {
        assert!(now.source.is_some(), "before {step:?}");
        now = apply(&now, &step, NOW).unwrap();
    }
    assert_eq!(now.source, None);
    // Only a retired one goes.
    let active = SourceRecord { retired: BTreeSet::new(), ..record(Phase::Active) };
    assert!(apply(&view(active, None), &Move::RowGone { asset: id("a") }, NOW).unwrap().source.is_some());
}

#[test]
fn the_list_of_paths_is_cut_where_it_is_full() {
    let full: BTreeSet<_> = (0..DATA_ASSETS_LIMIT).map(|n| path(&format!("t{n}"))).collect();
    let mut source = SourceRecord { data_assets: full.clone(), ..record(Phase::Active) };
    list_path(&mut source, &path("t0"));
    assert!(source.data_assets_complete, "it is there already");
    list_path(&mut source, &path("one-more"));
    assert_eq!((source.data_assets_complete, &source.data_assets), (false, &full));
    source.data_assets.remove(&path("t0"));
    list_path(&mut source, &path("one-more"));
    assert!(source.data_assets.contains(&path("one-more")) && !source.data_assets_complete);
}

/// What a sweep changes meanwhile, without the lock, is no sign of others at work; all else is.
#[test]
fn what_shows_that_others_were_at_work_under_the_lock() {
    let mut before = view(record(Phase::Active), Some(entry(&[("t", false)])));
    before.source.as_mut().unwrap().record.revoked.insert(id("a"));
    let with = |change: &dyn Fn(&mut SourceRecord)| {
        let mut other = before.clone();
        change(&mut other.source.as_mut().unwrap().record);
        other
    };
    let mut swept = with(&|source| {
        source.retired.clear();
        source.revoked.clear();
        source.last_updated = NOW;
    });
    swept.source.as_mut().unwrap().version = Some(Version::from_bits(8));
    assert!(before.agrees_under_lock(&swept));
    let changes: [&dyn Fn(&mut SourceRecord); 5] = [
        &|source| source.phase = Phase::Dropping,
        &|source| source.generation.as_mut().unwrap().user = user("two"),
        &|source| source.settled += 1,
        &|source| source.older = BTreeSet::from([path("o")]),
        &|source| *source = with_open(source.clone(), "a", OpenState::Granting),
    ];
    for change in changes {
        assert!(!before.agrees_under_lock(&with(change)));
    }
    assert!(!before.agrees_under_lock(&View { entry: Some(entry(&[("t", true)])), ..before.clone() }));
    assert!(!before.agrees_under_lock(&View { entry: None, ..before.clone() }));
    assert!(!before.agrees_under_lock(&View { source: None, ..before.clone() }));
}

/// Numbers from 100 on, at the time of [`NOW`].
struct Counted(u128);

impl Fresh for Counted {
    fn version(&mut self) -> Version {
        self.0 += 1;
        Version::from_bits(self.0)
    }
    fn generation(&mut self) -> GenerationId {
        unreachable!()
    }
    fn password(&mut self) -> crate::Secret {
        unreachable!()
    }
    fn now(&mut self) -> Timestamp {
        NOW
    }
}

#[test]
fn what_is_written_expects_what_was_read_and_bears_the_time() {
    let before = view(SourceRecord { settled: 2, ..record(Phase::Active) }, Some(entry(&[("t", false), ("o", false)])));
    assert_eq!(transaction(&before, &before, &mut Counted(100)), None);
    let after = apply(&before, &revoke("o", Some("t")), NOW).unwrap();
    let (written, now) = transaction(&before, &after, &mut Counted(100)).unwrap();
    let (source, entry) = (now.source.unwrap(), now.entry.unwrap());
    assert_eq!((source.version, entry.version), (Some(Version::from_bits(101)), Some(Version::from_bits(102))));
    assert_eq!((source.record.last_updated, entry.record.last_updated), (NOW, NOW));
    let (one, two) = (Expect::Is(Version::from_bits(1)), Expect::Is(Version::from_bits(2)));
    let expected = vec![
        Change::put(one, Version::from_bits(101), Record::Source(source.record)),
        Change::put(two, Version::from_bits(102), Record::Entry(entry.record)),
    ];
    assert_eq!(written.changes, expected);

    let last = view(record(Phase::Active), Some(self::entry(&[("t", false)])));
    let after = apply(&last, &revoke("t", Some("t")), NOW).unwrap();
    let (written, _) = transaction(&last, &after, &mut Counted(100)).unwrap();
    let key = Key::Entry(last.source.unwrap().record.key, table("t"));
    assert_eq!(written.changes.last(), Some(&Change::remove(key, two)));
}
