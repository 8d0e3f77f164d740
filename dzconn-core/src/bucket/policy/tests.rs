use proptest::prelude::*;

use super::*;
use crate::bucket::Objects;

fn bucket() -> Bucket {
    "arn:aws:s3:::data".parse().unwrap()
}

fn domain(n: usize) -> DomainId {
    DomainId::new(format!("dzd_{n}")).unwrap()
}

fn role(n: usize) -> Principal {
    Principal::new(format!("arn:aws:iam::111122223333:role/service-role/datazone_usr_role_{n}")).unwrap()
}

fn reach(key: &str) -> BTreeSet<Reach> {
    format!("arn:aws:s3:::data/{key}").parse::<Objects>().unwrap().reach()
}

/// The policy as whoever reads it next has it: written and parsed.
fn again(policy: &Policy) -> Policy {
    Policy::parse(&bucket(), policy.text().as_deref()).unwrap()
}

fn statements(policy: &Policy) -> Vec<Value> {
    policy.statements().into_iter().cloned().collect()
}

/// Those that bear no name of ours.
fn foreign(policy: &Policy) -> Vec<Value> {
    statements(policy).into_iter().filter(|one| !sid(one).is_some_and(|sid| sid.starts_with(SID))).collect()
}

fn statement_of_others() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!({"Sid": "tls", "Effect": "Deny", "Principal": "*", "Action": "s3:*",
            "Resource": ["arn:aws:s3:::data", "arn:aws:s3:::data/*"], "Condition": {"Bool": {"aws:SecureTransport": "false"}}})),
        Just(json!({"Effect": "Allow", "Principal": {"AWS": "AROAABCDEFGHIJKLMNOPQ"}, "Action": ["s3:GetObject"],
            "Resource": "arn:aws:s3:::data/old/*"})),
        Just(json!({"Sid": "", "Effect": "Allow", "Principal": {"Service": "logging.s3.amazonaws.com", "AWS": ["1"]},
            "Action": "s3:PutObject", "Resource": "arn:aws:s3:::data/log/*", "Condition": {}})),
        // Looks like one of ours, and is of another domain.
        Just(json!({"Sid": "DzConnaaaaaaaaaaaaRead0123456789abcdef", "Effect": "Allow", "Action": "s3:GetObject",
            "Principal": {"AWS": "arn:aws:iam::111122223333:role/x"}, "Resource": "arn:aws:s3:::data/a/*"})),
        (0..5_usize)
            .prop_map(|n| json!({"Sid": format!("s{n}"), "NotPrincipal": {"AWS": format!("{n}")}, "n": [1.5, null]})),
    ]
}

fn policy() -> impl Strategy<Value = Policy> {
    let others = proptest::collection::vec(statement_of_others(), 0..5);
    let version = prop_oneof![Just(Some("2012-10-17")), Just(Some("2008-10-17")), Just(None)];
    (others, version, any::<bool>()).prop_map(|(others, version, id)| {
        if others.is_empty() {
            return Policy::parse(&bucket(), None).unwrap();
        }
        let mut document = json!({"Statement": others});
        if let Some(version) = version {
            document["Version"] = json!(version);
        }
        if id {
            document["Id"] = json!("theirs");
        }
        Policy::parse(&bucket(), Some(&document.to_string())).unwrap()
    })
}

/// Few roles and prefixes that share beginnings: what is next to each other is what goes wrong.
fn step() -> impl Strategy<Value = (bool, usize, BTreeSet<Principal>, BTreeSet<Reach>)> {
    let key = proptest::sample::select(vec!["", "a", "a/", "a/b/", "ab/", "a/b c", "x:y/ü/", "a$b/"]);
    let roles = proptest::collection::btree_set((0..4_usize).prop_map(role), 1..4);
    (any::<bool>(), 0..2_usize, roles, key.prop_map(reach))
}

fn apply(policy: &Policy, step: &(bool, usize, BTreeSet<Principal>, BTreeSet<Reach>)) -> Policy {
    let (grants, of, roles, reach) = step;
    let next =
        if *grants { policy.grant(&domain(*of), roles, reach) } else { policy.revoke(&domain(*of), roles, reach) };
    again(&next.unwrap())
}

/// What the steps add up to, without any policy.
fn model(steps: &[(bool, usize, BTreeSet<Principal>, BTreeSet<Reach>)], of: usize) -> Rights {
    let mut rights = Rights::new();
    for (grants, _, roles, reach) in steps.iter().filter(|step| step.1 == of) {
        for right in roles.iter().flat_map(|who| reach.iter().map(|what| (who.clone(), what.clone()))) {
            if *grants {
                rights.insert(right)
            } else {
                rights.remove(&right)
            };
        }
    }
    rights
}

/// What the statements of ours allow, read by nothing but their text, as whoever evaluates them does.
fn evaluated(policy: &Policy, of: usize) -> BTreeSet<(String, String, String)> {
    let begins = format!("{SID}{}", mark(&domain(of)));
    let mut allowed = BTreeSet::new();
    for one in statements(policy).iter().filter(|one| sid(one).is_some_and(|sid| sid.starts_with(&begins))) {
        for who in list(&one["Principal"]["AWS"]) {
            let what = one.pointer("/Condition/StringLike/s3:prefix").map_or_else(|| list(&one["Resource"]), list);
            for what in what {
                allowed.insert((who.to_owned(), one["Action"].as_str().unwrap().to_owned(), what.to_owned()));
            }
        }
    }
    allowed
}

fn expected(rights: &Rights) -> BTreeSet<(String, String, String)> {
    let one = |(who, what): &(Principal, Reach)| {
        let (action, pattern) = match what {
            Reach::Object(key) => ("s3:GetObject", format!("arn:aws:s3:::data/{key}")),
            Reach::Below(prefix) => ("s3:GetObject", format!("arn:aws:s3:::data/{prefix}*")),
            Reach::List(prefix) if prefix.is_empty() => ("s3:ListBucket", "arn:aws:s3:::data".to_owned()),
            Reach::List(prefix) => ("s3:ListBucket", format!("{prefix}*")),
        };
        (who.to_string(), action.to_owned(), pattern)
    };
    rights.iter().map(one).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn others_statements_are_untouched_and_ours_allow_just_what_was_asked(
        before in policy(), steps in proptest::collection::vec(step(), 1..10)
    ) {
        let mut after = before.clone();
        for step in &steps {
            after = apply(&after, step);
            prop_assert_eq!(foreign(&after), foreign(&before));
        }
        for of in 0..2 {
            prop_assert_eq!(after.rights(&domain(of)), model(&steps, of));
            prop_assert_eq!(evaluated(&after, of), expected(&model(&steps, of)));
        }
        let mut sids: Vec<_> = statements(&after).iter().filter_map(|one| sid(one).map(str::to_owned)).filter(|sid| sid.starts_with(SID)).collect();
        sids.sort();
        let unique = { let mut sids = sids.clone(); sids.dedup(); sids.len() };
        let theirs = before.statements().into_iter().filter_map(sid).filter(|sid| sid.starts_with(SID)).count();
        prop_assert!(sids.len() - unique <= theirs.saturating_sub(1), "{:?}", sids);
    }

    #[test]
    fn a_grant_and_its_revoke_leave_what_was_there(before in policy(), earlier in step(), now in step()) {
        let (_, of, roles, what) = now;
        let (_, _, others, there) = earlier;
        // What is there already is not this grant's to take away; the records know.
        let before = again(&before.grant(&domain(1 - of), &others, &there).unwrap());
        let granted = again(&before.grant(&domain(of), &roles, &what).unwrap());
        prop_assert_ne!(granted.text(), before.text());
        let after = again(&granted.revoke(&domain(of), &roles, &what).unwrap());
        prop_assert_eq!(after.text(), before.text());
    }

    #[test]
    fn the_order_of_grants_does_not_matter(before in policy(), steps in proptest::collection::vec(step(), 1..6), by in any::<proptest::sample::Index>()) {
        let mut turned: Vec<_> = steps.iter().map(|(_, of, roles, what)| (true, *of, roles.clone(), what.clone())).collect();
        let one = turned.iter().fold(before.clone(), |policy, step| apply(&policy, step));
        let by = by.index(turned.len());
        turned.rotate_left(by);
        let other = turned.iter().fold(before, |policy, step| apply(&policy, step));
        // Among themselves statements have no order that would mean anything; two domains' may stand in either.
        let sorted = |policy: &Policy| statements(policy).iter().map(Value::to_string).collect::<BTreeSet<_>>();
        prop_assert_eq!(sorted(&one), sorted(&other));
        prop_assert_eq!(statements(&one).len(), statements(&other).len());
    }

    #[test]
    fn repeating_changes_nothing(before in policy(), steps in proptest::collection::vec(step(), 1..5)) {
        let mut policy = before;
        for step in &steps {
            policy = apply(&policy, step);
            let (grants, of, roles, what) = step;
            let twice = if *grants { policy.grant(&domain(*of), roles, what) } else { policy.revoke(&domain(*of), roles, what) };
            // Not even how it is written.
            prop_assert_eq!(twice.unwrap(), policy.clone());
        }
    }

    #[test]
    fn what_is_written_is_never_too_long(many in 1..250_usize, keys in 1..40_usize, shared in any::<bool>()) {
        let empty = Policy::parse(&bucket(), None).unwrap();
        let one = |n: usize| if shared { reach(&format!("part{}/", n % keys)) } else { reach(&format!("part{n}/")) };
        let rights: Rights = (0..many).flat_map(|n| one(n).into_iter().map(move |what| (role(n), what))).collect();
        match empty.with(&Allowed::from([(domain(0), rights.clone())])) {
            Ok(policy) => {
                prop_assert!(policy.text().unwrap().len() <= LIMIT);
                prop_assert_eq!(policy.rights(&domain(0)), rights);
            }
            Err(error) => prop_assert_eq!(error.kind(), ErrorKind::LimitReached),
        }
    }
}

#[test]
fn alike_is_joined_and_what_does_not_fit_is_refused() {
    let empty = Policy::parse(&bucket(), None).unwrap();
    // Statement by statement a hundred and twenty would need three times the room.
    let many: BTreeSet<_> = (0..120).map(role).collect();
    let policy = empty.grant(&domain(0), &many, &reach("sales/")).unwrap();
    assert_eq!(statements(&policy).len(), 2);
    let more: BTreeSet<_> = (0..170).map(role).collect();
    let full = policy.grant(&domain(0), &more, &reach("sales/"));
    assert_eq!(full.unwrap_err().kind(), ErrorKind::LimitReached);
    // One role and many prefixes are two statements, too.
    let few = BTreeSet::from([role(1)]);
    let wide = (0..50).fold(empty, |policy, n| policy.grant(&domain(0), &few, &reach(&format!("p{n}/"))).unwrap());
    assert_eq!(statements(&wide).len(), 2);
    // Each role has prefixes of its own choice: by role that would be some thirty statements of each kind, by prefix it is five.
    let choices = (0..5).fold(
        wide.revoke(&domain(0), &few, &wide.rights(&domain(0)).into_iter().map(|right| right.1).collect()).unwrap(),
        |policy, bit| {
            let who = (1..32_usize).filter(|n| n >> bit & 1 == 1).map(role).collect();
            policy.grant(&domain(0), &who, &reach(&format!("p{bit}/"))).unwrap()
        },
    );
    assert_eq!(statements(&choices).len(), 10);
    // What others have written leaves less; what only takes away is not refused for it.
    let others: Vec<_> = (0..150)
        .map(|n| {
            json!({"Sid": format!("theirs{n}"), "Effect": "Deny", "Action": "s3:PutObject",
        "Principal": "*", "Resource": format!("arn:aws:s3:::data/locked/{n}")})
        })
        .collect();
    let mut all = others.clone();
    all.extend(statements(&policy));
    let crowded = json!({"Version": VERSION, "Statement": all}).to_string();
    assert!(crowded.len() > LIMIT);
    let crowded = Policy::parse(&bucket(), Some(&crowded)).unwrap();
    let one = BTreeSet::from([role(0)]);
    assert_eq!(crowded.grant(&domain(0), &one, &reach("b/")).unwrap_err().kind(), ErrorKind::LimitReached);
    assert_eq!(foreign(&crowded.revoke(&domain(0), &one, &reach("sales/")).unwrap()), others);
}

#[test]
fn the_first_makes_a_policy_and_the_last_removes_it() {
    let empty = Policy::parse(&bucket(), None).unwrap();
    let who = BTreeSet::from([role(0)]);
    let granted = empty.grant(&domain(0), &who, &reach("sales/2024")).unwrap();
    let sids: Vec<_> = granted.statements().into_iter().filter_map(sid).collect();
    let expected = json!({"Version": "2012-10-17", "Statement": [
        {"Sid": sids[0], "Effect": "Allow", "Principal": {"AWS": role(0).as_str()}, "Action": "s3:GetObject",
            "Resource": ["arn:aws:s3:::data/sales/2024", "arn:aws:s3:::data/sales/2024/*"]},
        {"Sid": sids[1], "Effect": "Allow", "Principal": {"AWS": role(0).as_str()}, "Action": "s3:ListBucket",
            "Resource": "arn:aws:s3:::data", "Condition": {"StringLike": {"s3:prefix": "sales/2024/*"}}},
    ]});
    assert_eq!(granted.text().unwrap().parse::<Value>().unwrap(), expected);
    assert!(sids.iter().all(|sid| sid.bytes().all(|b| b.is_ascii_alphanumeric())), "{sids:?}");
    assert_eq!(granted.revoke(&domain(0), &who, &reach("sales/2024")).unwrap().text(), None);
    // The whole bucket is listed without a prefix, too.
    let whole = empty.grant(&domain(0), &who, &reach("")).unwrap();
    assert!(statements(&whole).iter().all(|one| one.get("Condition").is_none()), "{whole:?}");
}

#[test]
fn what_would_begin_a_variable_stands_for_itself() {
    let who = BTreeSet::from([role(0)]);
    let odd = reach("a${aws:username}/");
    let granted = again(&Policy::parse(&bucket(), None).unwrap().grant(&domain(0), &who, &odd).unwrap());
    assert!(granted.text().unwrap().contains("arn:aws:s3:::data/a${$}{aws:username}/*"), "{granted:?}");
    assert_eq!(granted.rights(&domain(0)).len(), 2);
    assert_eq!(granted.revoke(&domain(0), &who, &odd).unwrap().text(), None);
    let old = json!({"Version": "2008-10-17", "Statement": [{"Sid": "x"}]}).to_string();
    let old = Policy::parse(&bucket(), Some(&old)).unwrap();
    assert_eq!(old.grant(&domain(0), &who, &odd).unwrap_err().kind(), ErrorKind::Refused);
    // Its version changes what others' statements mean, and stays.
    let granted = old.grant(&domain(0), &who, &reach("a$b/")).unwrap();
    assert!(granted.text().unwrap().contains("2008-10-17"));
}

#[test]
fn an_edited_statement_is_somebody_elses_from_then_on() {
    let who = BTreeSet::from([role(0)]);
    let granted = Policy::parse(&bucket(), None).unwrap().grant(&domain(0), &who, &reach("a/")).unwrap();
    let text = granted.text().unwrap();
    for (from, to) in [
        ("\"s3:GetObject\"", "[\"s3:GetObject\",\"s3:PutObject\"]"),
        ("\"Effect\":\"Allow\",\"Principal\"", "\"Effect\":\"Deny\",\"Principal\""),
        ("\"Principal\":{\"AWS\":", "\"NotPrincipal\":{\"AWS\":"),
        ("arn:aws:s3:::data/a/*", "arn:aws:s3:::other/a/*"),
        ("arn:aws:s3:::data/a/*", "arn:aws:s3:::data/a*"),
        ("\"Action\":\"s3:GetObject\"", "\"Action\":\"s3:GetObject\",\"Condition\":{}"),
        ("\"AWS\":\"", "\"Federated\":\"x\",\"AWS\":\""),
        (role(0).as_str(), "*"),
    ] {
        let edited = text.replacen(from, to, 1);
        assert_ne!(edited, text, "{from}");
        let edited = Policy::parse(&bucket(), Some(&edited)).unwrap();
        assert!(edited.edited(&domain(0)).len() == 1 && edited.edited(&domain(1)).is_empty(), "{from} {edited:?}");
        // It is kept, and the statement that it was is made once more, under another name.
        let granted = again(&edited.grant(&domain(0), &who, &reach("a/")).unwrap());
        assert_eq!(granted.rights(&domain(0)).len(), 2, "{from}");
        let sids: Vec<_> = granted.statements().into_iter().filter_map(sid).collect();
        assert_eq!(sids.iter().collect::<BTreeSet<_>>().len(), sids.len(), "{sids:?}");
        let revoked = granted.revoke(&domain(0), &who, &reach("a/")).unwrap();
        assert_eq!(statements(&revoked), statements(&edited).into_iter().take(1).collect::<Vec<_>>(), "{from}");
    }
    // What only says it in another way is ours.
    let reworded = text.replace("\"s3:GetObject\"", "[\"s3:GetObject\"]");
    let reworded = Policy::parse(&bucket(), Some(&reworded)).unwrap();
    assert_eq!(reworded.grant(&domain(0), &who, &reach("a/")).unwrap(), reworded);
    assert_eq!(reworded.revoke(&domain(0), &who, &reach("a/")).unwrap().text(), None);
}

#[test]
fn those_who_have_been_deleted_are_left_out() {
    let (gone, here) = (role(0), role(1));
    let both = BTreeSet::from([gone.clone(), here.clone()]);
    let granted = Policy::parse(&bucket(), None).unwrap().grant(&domain(0), &both, &reach("a/")).unwrap();
    let wanted = Allowed::from([(domain(0), granted.rights(&domain(0)))]);
    let after = granted.text().unwrap().replace(gone.as_str(), "AROAABCDEFGHIJKLMNOPQ");
    let after = Policy::parse(&bucket(), Some(&after)).unwrap();
    // Neither its id nor its name could be written.
    let next = after.with(&after.without_deleted(wanted.clone(), &BTreeSet::new())).unwrap();
    let text = next.text().unwrap();
    assert!(!text.contains("AROA") && !text.contains(gone.as_str()) && text.contains(here.as_str()), "{text}");
    // Whoever is granted just now is there again.
    let next = after.with(&after.without_deleted(wanted.clone(), &BTreeSet::from([gone.clone()]))).unwrap();
    assert!(next.text().unwrap().contains(gone.as_str()));
    assert_eq!(granted.without_deleted(wanted.clone(), &BTreeSet::new()), wanted);
    let theirs =
        json!({"Statement": [{"Sid": "x"}, {"Effect": "Allow", "Principal": {"AWS": ["AIDAABCDEFGHIJKLMNOPQ"]}}]});
    assert_eq!(Policy::parse(&bucket(), Some(&theirs.to_string())).unwrap().orphaned(), ["number 2"]);
}

fn ours_of(n: usize) -> BTreeSet<DomainId> {
    BTreeSet::from([domain(n)])
}

#[test]
fn others_who_let_somebody_read_are_named() {
    let who = BTreeSet::from([role(0)]);
    let theirs = |principal: Value, action: Value| {
        let text = json!({"Statement": {"Sid": "s", "Effect": "Allow", "Principal": principal, "Action": action, "Resource": "*"}});
        Policy::parse(&bucket(), Some(&text.to_string())).unwrap().others_for(&who, &ours_of(0))
    };
    let named = ["s".to_owned()];
    assert_eq!(theirs(json!("*"), json!("s3:GetObject")), named);
    assert_eq!(theirs(json!({"AWS": ["x", role(0).as_str()]}), json!(["s3:PutObject", "S3:get*"])), named);
    assert_eq!(theirs(json!({"AWS": "111122223333"}), json!("*")), named);
    assert_eq!(theirs(json!({"AWS": "arn:aws:iam::111122223333:root"}), json!("s3:List?ucket")), named);
    for (principal, action) in [
        (json!({"AWS": role(1).as_str()}), json!("s3:*")),
        (json!({"AWS": "444455556666"}), json!("s3:*")),
        (json!({"Service": "x"}), json!("s3:*")),
        (json!("*"), json!(["s3:PutObject", "s3:GetObjectAcl"])),
    ] {
        assert!(theirs(principal.clone(), action).is_empty(), "{principal}");
    }
    // What is excepted is not what is allowed.
    let but = |who_name: &str, named: Value, what_name: &str, what: Value| {
        let mut one = json!({"Sid": "s", "Effect": "Allow", "Resource": "*"});
        one[who_name] = named;
        one[what_name] = what;
        Policy::parse(&bucket(), Some(&json!({"Statement": one}).to_string())).unwrap().others_for(&who, &ours_of(0))
    };
    let me = json!({"AWS": role(0).as_str()});
    assert_eq!(but("Principal", me.clone(), "NotAction", json!("s3:Put*")), named);
    assert!(but("Principal", me.clone(), "NotAction", json!(["s3:Get*", "s3:List*"])).is_empty());
    assert_eq!(but("NotPrincipal", json!({"AWS": role(1).as_str()}), "Action", json!("s3:*")), named);
    assert!(but("NotPrincipal", me, "Action", json!("s3:*")).is_empty());
    let ours = Policy::parse(&bucket(), None).unwrap().grant(&domain(0), &who, &reach("a/")).unwrap();
    assert!(ours.others_for(&who, &ours_of(0)).is_empty());
    // Another installation's look like ours and are not.
    assert_eq!(ours.others_for(&who, &ours_of(1)).len(), 2);
    // However many wildcards there are, it takes no time.
    assert!(theirs(json!("*"), json!(format!("{}x", "*".repeat(10_000)))).is_empty());
    assert_eq!(theirs(json!("*"), json!("*:*get*ect*")), named);
}

#[test]
fn what_is_no_policy_is_not_worked_on() {
    for text in ["", "{", "[]", "7", "{\"Statement\": 7}", "{\"Statement\": [7]}", "{\"Statement\": null}"] {
        assert_eq!(Policy::parse(&bucket(), Some(text)).unwrap_err().kind(), ErrorKind::Unexpected, "{text}");
    }
}

/// A small generator: what it gives for a seed does not change.
fn turned<T>(mut all: Vec<T>, mut seed: u64) -> Vec<T> {
    for n in (1..all.len()).rev() {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        all.swap(n, usize::try_from(seed >> 33).unwrap() % (n + 1));
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn what_was_granted_can_be_revoked_in_any_order(
        before in policy(), roles in 3..12_usize, keys in 3..9_usize, fill in 8000..16000_usize, seed in any::<u64>()
    ) {
        let mut text: Value = before.text().map_or_else(|| json!({"Statement": []}), |text| text.parse().unwrap());
        text["Id"] = json!("x".repeat(fill));
        let mut policy = Policy::parse(&bucket(), Some(&text.to_string())).unwrap();
        let claims = |seed| turned((0..roles).flat_map(|who| (0..keys).map(move |key| (who, key))).collect(), seed);
        let of = |(who, key): (usize, usize)| (BTreeSet::from([role(who)]), reach(&format!("part{key}/")));
        let mut there = Vec::new();
        // As much as fits: what is written is longest on the way.
        let all = claims(0).into_iter().map(of).fold(Rights::new(), |mut all, (who, what)| {
            let mut more = all.clone();
            more.extend(who.into_iter().flat_map(|who| what.iter().map(move |what| (who.clone(), what.clone())).collect::<Vec<_>>()));
            let wanted = Allowed::from([(domain(0), more.clone())]);
            if policy.with(&wanted).and_then(|_| policy.leaves_room(&wanted)).is_ok() {
                all = more;
            }
            all
        });
        policy = policy.with(&Allowed::from([(domain(0), all)])).unwrap();
        there.extend(claims(seed));
        for (who, what) in there.into_iter().map(of) {
            policy = policy.revoke(&domain(0), &who, &what).unwrap();
            prop_assert!(policy.bytes() <= LIMIT);
        }
        prop_assert!(policy.rights(&domain(0)).is_empty());
    }
}

#[test]
fn a_grant_that_would_leave_no_room_for_revokes_is_refused() {
    let empty = Policy::parse(&bucket(), None).unwrap();
    let roles: BTreeSet<_> = (0..40).map(role).collect();
    let keys = |n| (0..n).flat_map(|key| reach(&format!("part{key}/"))).collect::<BTreeSet<_>>();
    let all: Rights = roles.iter().flat_map(|who| keys(20).into_iter().map(|what| (who.clone(), what))).collect();
    let wide = Allowed::from([(domain(0), all)]);
    // It fits by itself, and would not without every other right.
    let full = empty.with(&wide).unwrap();
    let mut sparse = wide.clone();
    for rights in sparse.values_mut() {
        let half = rights.len() / 2;
        *rights = turned(rights.iter().cloned().collect(), 7).into_iter().take(half).collect();
    }
    let error = full.with(&sparse).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitReached);
    assert!(!error.advice().unwrap().contains("publish fewer"), "{error:?}");
    assert_eq!(empty.leaves_room(&wide).unwrap_err().kind(), ErrorKind::LimitReached);
    assert_eq!(empty.grant(&domain(0), &roles, &keys(20)).unwrap_err().kind(), ErrorKind::LimitReached);
    // Who reads a lot is named: when all of that ends, the rest fits.
    let one = BTreeSet::from([role(0)]);
    let some = Allowed::from([(domain(0), wide_of(&roles, &keys(2), 12))]);
    let filled = |n: usize| {
        let theirs = json!({"Id": "x".repeat(n), "Statement": [{"Sid": "theirs"}]}).to_string();
        Policy::parse(&bucket(), Some(&theirs)).unwrap().draft(&some, Joined::Alike).unwrap()
    };
    let both = filled(LIMIT - filled(0).bytes());
    assert_eq!(both.bytes(), LIMIT);
    let error = both.revoke(&domain(0), &one, &reach("part0/")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitReached);
    assert!(error.advice().unwrap().contains("end first all that"), "{error:?} {}", both.bytes());
}

fn wide_of(roles: &BTreeSet<Principal>, keys: &BTreeSet<Reach>, n: usize) -> Rights {
    roles.iter().take(n).flat_map(|who| keys.iter().map(|what| (who.clone(), what.clone()))).collect()
}
