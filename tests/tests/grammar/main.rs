//! Every statement that the engines for SQL Server and Oracle can send, read by a parser that knows nothing of dzconn:
//! sqlfluff, at the path that `DZCONN_TEST_SQLFLUFF` names. What its dialects do not know is compared with text that was checked
//! by hand against the vendors' references (`*.golden`).

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Arc;

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use serde_json::Value;

const VARIABLE: &str = "DZCONN_TEST_SQLFLUFF";

/// One engine's statements, and how they are read.
struct Dialect {
    engine: &'static str,
    /// sqlfluff's name for it.
    name: &'static str,
    /// As they are sent, under the names of the functions that build them.
    statements: BTreeMap<&'static str, Vec<String>>,
    /// As sqlfluff is to see them.
    seen: fn(&str) -> String,
    /// What it does not know: a line each, the function's name and the statement.
    golden: &'static str,
    /// What no parser of the dialect may take.
    nonsense: &'static str,
}

fn dialects() -> [Dialect; 2] {
    let by_name = |all: Vec<(&'static str, String)>| {
        let mut statements: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (name, statement) in all {
            statements.entry(name).or_default().push(statement);
        }
        statements
    };
    [
        Dialect {
            engine: "mssql",
            name: "tsql",
            statements: by_name(dzconn_mssql::testkit::statements()),
            seen: str::to_owned,
            golden: include_str!("mssql.golden"),
            nonsense: "GRANT SELECT ON OBJECT::[s].[t] [u]",
        },
        Dialect {
            engine: "oracle",
            name: "oracle",
            statements: by_name(dzconn_oracle::testkit::statements().unwrap()),
            // It takes placeholders by name only.
            seen: |statement| {
                (0..10).fold(statement.to_owned(), |sql, n| sql.replace(&format!(":{n}"), &format!(":b{n}")))
            },
            golden: include_str!("oracle.golden"),
            nonsense: "GRANT READ \"S\".\"T\" TO \"U\"",
        },
    ]
}

fn main() -> ExitCode {
    let mut trials = Vec::new();
    for dialect in dialects() {
        match std::env::var(VARIABLE) {
            Ok(sqlfluff) => trials.extend(checks(&sqlfluff, dialect)),
            Err(_) => trials.extend(dialect.statements.into_keys().map(|name| {
                Trial::ignorable_test(format!("grammar::{}::{name}", dialect.engine), || {
                    Ok(Completion::ignored_with(format!("set {VARIABLE}")))
                })
            })),
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// One test for each function that builds statements.
fn checks(sqlfluff: &str, dialect: Dialect) -> Vec<Trial> {
    let Dialect { engine, name: language, statements, seen, golden, nonsense } = dialect;
    let texts = statements.values().flatten().map(|statement| seen(statement)).chain([nonsense.to_owned()]);
    // All at once: starting it takes longer than reading. Where it fails, every test says so.
    let read = Arc::new(parse(sqlfluff, language, &texts.collect::<Vec<_>>()));
    let mut at = 0;
    let mut trials = Vec::new();
    for (name, statements) in statements {
        let first = at;
        at += statements.len();
        let read = Arc::clone(&read);
        trials.push(Trial::test(format!("grammar::{engine}::{name}"), move || {
            let parsed = &read.as_ref().as_ref().map_err(Failed::from)?[first..first + statements.len()];
            check(name, &statements, parsed, golden)
        }));
    }
    trials.push(Trial::test(format!("grammar::{engine}::nonsense_is_noticed"), move || {
        let parsed = read.as_ref().as_ref().map_err(Failed::from)?;
        if parsed[at] { Err(format!("the parser takes {nonsense:?}").into()) } else { Ok(()) }
    }));
    trials
}

fn check(name: &str, statements: &[String], parsed: &[bool], golden: &str) -> Result<(), Failed> {
    let known: Vec<_> = golden.lines().filter_map(|line| line.split_once('\t')).filter(|(of, _)| *of == name).collect();
    let refused: Vec<_> = statements.iter().zip(parsed).filter(|(_, parsed)| !**parsed).map(|(sql, _)| sql).collect();
    if known.is_empty() {
        return match refused.first() {
            None => Ok(()),
            Some(sql) => {
                Err(format!("{} of {} cannot be read, such as:\n{sql}", refused.len(), statements.len()).into())
            }
        };
    }
    if refused.is_empty() {
        return Err("the parser knows this by now: it need not stand in the golden file".into());
    }
    let lines: BTreeSet<_> = refused.iter().map(|sql| sql.escape_debug().to_string()).collect();
    if lines == known.iter().map(|(_, sql)| (*sql).to_owned()).collect() {
        return Ok(());
    }
    let lines: Vec<_> = lines.iter().map(|line| format!("{name}\t{line}\n")).collect();
    Err(format!(
        "this is not what stands in the golden file; look it up in the vendor's reference:\n{}",
        lines.concat()
    )
    .into())
}

/// Whether each text can be read from its beginning to its end.
fn parse(sqlfluff: &str, dialect: &str, texts: &[String]) -> Result<Vec<bool>, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    for (number, text) in texts.iter().enumerate() {
        std::fs::write(folder.path().join(format!("{number}.sql")), format!("{text}\n")).map_err(|e| e.to_string())?;
    }
    let output = Command::new(sqlfluff)
        .args(["parse", "--dialect", dialect, "--templater", "raw", "--format", "json"])
        .arg(folder.path())
        // No configuration of this machine's.
        .current_dir(folder.path())
        .env("HOME", folder.path())
        .output()
        .map_err(|error| format!("{sqlfluff} cannot be run: {error}"))?;
    let read: Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("{error}: {}", String::from_utf8_lossy(&output.stderr)))?;
    let mut parsed = vec![None; texts.len()];
    for file in read.as_array().ok_or("no list of files")? {
        let path = file["filepath"].as_str().ok_or("a file without a path")?;
        let number =
            Path::new(path).file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse::<usize>().ok());
        let slot = number.and_then(|number| parsed.get_mut(number)).ok_or("a file that was not given")?;
        *slot = Some(!file["segments"].is_null() && !is_unparsable(&file["segments"]));
    }
    parsed.into_iter().map(|parsed| parsed.ok_or_else(|| "a file was left out".to_owned())).collect()
}

fn is_unparsable(tree: &Value) -> bool {
    match tree {
        Value::Object(members) => members.iter().any(|(name, below)| name == "unparsable" || is_unparsable(below)),
        Value::Array(items) => items.iter().any(is_unparsable),
        _ => false,
    }
}
