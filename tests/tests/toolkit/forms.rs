//! What the templates ask for, and what a request does.

use std::collections::BTreeSet;

use dzconn_aws::toolkit::Product;
use dzconn_tests::template;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use regex_lite::Regex;
use serde_json::Value;

use crate::sample::CONNECTORS;

pub(crate) fn a_form_and_a_request_ask_for_the_same() {
    for product in Product::ALL {
        let template = template::read(product).unwrap();
        let form = template["Parameters"].as_object().unwrap();
        let names: BTreeSet<_> = form.keys().map(String::as_str).collect();
        let asked: BTreeSet<_> = product.parameters().iter().map(|parameter| parameter.name).collect();
        assert_eq!(names, asked, "{product}");
        for parameter in product.parameters() {
            let field = &form[parameter.name];
            assert_eq!(field["Description"].as_str(), Some(parameter.about), "{product} {}", parameter.name);
            let default = match &field["Default"] {
                Value::Null => None,
                Value::String(text) => Some(text.clone()),
                other => Some(other.to_string()),
            };
            assert_eq!(default.as_deref(), parameter.default, "{product} {}", parameter.name);
        }
    }
}

/// What a form says of a value: pattern, length, range, or a list of values.
fn form_takes(field: &Value, value: &str) -> bool {
    let pattern = field["AllowedPattern"].as_str().map(|pattern| Regex::new(pattern).unwrap());
    let within = |least: &str, most: &str, number: u64| {
        field[least].as_u64().is_none_or(|least| least <= number)
            && field[most].as_u64().is_none_or(|most| number <= most)
    };
    let listed = field["AllowedValues"].as_array().is_none_or(|all| all.iter().any(|one| one.as_str() == Some(value)));
    let number = match field["Type"].as_str().unwrap() {
        "Number" => value.parse().is_ok_and(|number| within("MinValue", "MaxValue", number)),
        _ => true,
    };
    let length = within("MinLength", "MaxLength", value.chars().count() as u64);
    pattern.is_none_or(|pattern| pattern.is_match(value)) && listed && number && length
}

/// Otherwise a deployment would fail where a request has said that all is well.
pub(crate) fn what_a_request_takes_a_form_takes() {
    let pieces = prop_oneof![
        2 => "[ -~]{0,6}",
        2 => "[a-z0-9]{1,8}",
        1 => prop::sample::select(vec![
            "jdbc:mysql://db/x", "jdbc:oracle:thin:@//db/x", "jdbc:", "s3://", "alias/", "cron(", ")", "subnet-01234567", ",",
            "sg-01234567", "arn:aws:iam::111122223333:role/", "arn:aws:secretsmanager:eu-west-1:111122223333:secret:",
            "arn:aws:kms:eu-west-1:111122223333:key/", "[::1]", "2026.17.1", "true", "1433", "365", "é", "{", "{{", "}", "$",
            "\n", "\t", "\u{7f}", "\u{80}", "*", "/", "a/b", "datazone_usr_*", "eu-west-1a", "%", "rds!db-1",
        ]).prop_map(str::to_owned),
    ];
    let values = prop::collection::vec(pieces, 1..4).prop_map(|pieces| pieces.concat());
    let forms: Vec<_> = Product::ALL.map(|product| (product, template::read(product).unwrap())).into();
    let mut taken = BTreeSet::new();
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(1000) });
    let seen = std::cell::RefCell::new(&mut taken);
    runner
        .run(&values, |value| {
            for (product, form) in &forms {
                for parameter in product.parameters().iter().filter(|parameter| parameter.takes(&value)) {
                    let name = parameter.name;
                    prop_assert!(form_takes(&form["Parameters"][name], &value), "{} {} {:?}", product, name, value);
                    seen.borrow_mut().insert(name);
                }
            }
            Ok(())
        })
        .unwrap();
    // Most are hit by chance; that all of them take something, the requests of the other tests show.
    assert!(taken.len() > 25, "{taken:?}");
    for product in Product::ALL {
        let form = template::read(product).unwrap();
        for parameter in product.parameters() {
            let field = &form["Parameters"][parameter.name];
            assert!(parameter.default.is_none_or(|value| form_takes(field, value)), "{product} {}", parameter.name);
            if field["AllowedPattern"].is_string() {
                for odd in ["{{resolve:ssm:x}}", "a\nb", "\u{0}"] {
                    assert!(!form_takes(field, odd), "{product} {} takes {odd:?}", parameter.name);
                }
            }
        }
    }
}

pub(crate) fn the_four_connectors_differ_in_nothing_but_their_engine() {
    let lines = |product: Product| product.template().lines().map(str::to_owned).collect::<BTreeSet<_>>();
    let first = lines(Product::AthenaMySql);
    for product in CONNECTORS {
        let other = lines(product);
        let differing: Vec<_> = first.symmetric_difference(&other).collect();
        let known = [
            "Description: ",
            "# ",
            "Default: ",
            "DatabaseName",
            "ServiceName",
            "applications/Athena",
            "- '",
            "- {Ref:",
        ];
        for line in &differing {
            assert!(known.iter().any(|part| line.contains(part)), "{product}: {line}");
            // Nothing that anybody may do; which application it is, is no such thing.
            let rest = line.replace("arn:aws:serverlessrepo:", "");
            assert!(
                !rest.contains("Action") && !rest.contains("Resource") && !rest.contains("aws:"),
                "{product}: {line}"
            );
        }
    }
}
