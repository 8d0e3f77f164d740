//! Functions ("SQL Language Reference", "Functions").

use std::cmp::Ordering;

use super::{Eval, Scope};
use crate::ast::Expr;
use crate::error::{Result, fail, ora};
use crate::value::Value;

const AGGREGATES: [&str; 5] = ["COUNT", "MAX", "MIN", "SUM", "LISTAGG"];

/// How many arguments each takes.
const KNOWN: &[(&str, usize, usize)] = &[
    ("UPPER", 1, 1),
    ("LOWER", 1, 1),
    ("NLS_UPPER", 1, 2),
    ("NVL", 2, 2),
    ("NVL2", 3, 3),
    ("NULLIF", 2, 2),
    ("COALESCE", 2, 50),
    ("DECODE", 3, 50),
    ("SUBSTR", 2, 3),
    ("INSTR", 2, 2),
    ("LENGTH", 1, 1),
    ("LENGTHB", 1, 1),
    ("REPLACE", 2, 3),
    ("TRIM", 1, 1),
    ("LTRIM", 1, 1),
    ("RTRIM", 1, 1),
    ("TO_CHAR", 1, 1),
    ("TO_NUMBER", 1, 1),
    ("CAST", 2, 2),
    ("MOD", 2, 2),
    ("ABS", 1, 1),
    ("SIGN", 1, 1),
    ("GREATEST", 1, 50),
    ("LEAST", 1, 50),
    ("CHR", 1, 1),
    ("SYS_CONTEXT", 2, 3),
    ("DBMS_ASSERT.ENQUOTE_LITERAL", 1, 1),
    ("DBMS_ASSERT.ENQUOTE_NAME", 1, 2),
    ("SYS.DBMS_ASSERT.ENQUOTE_LITERAL", 1, 1),
    ("SYS.DBMS_ASSERT.ENQUOTE_NAME", 1, 2),
];

pub(super) fn is_aggregate(path: &[String]) -> bool {
    matches!(path, [name] if AGGREGATES.contains(&name.as_str()))
}

/// Whether a call can be carried out, before there are rows.
pub(crate) fn check(path: &[String], args: usize) -> Result<()> {
    let name = path.join(".");
    if is_aggregate(path) {
        return Ok(());
    }
    match KNOWN.iter().find(|(known, ..)| *known == name) {
        Some((_, low, _)) if args < *low => fail(909, "invalid number of arguments"),
        Some((_, _, high)) if args > *high => fail(939, "too many arguments for function"),
        Some(_) => Ok(()),
        None => fail(904, format!("\"{}\": invalid identifier", path.join("\".\""))),
    }
}

/// Functions without arguments and parentheses.
pub(super) fn bare(eval: &Eval<'_>, path: &[String]) -> Option<Value> {
    let [name] = path else { return None };
    match name.as_str() {
        "USER" => Some(Value::text(&*eval.who.user)),
        "UID" => eval.db.users.get(&eval.who.user).map(|user| Value::number(user.id)),
        "SYSDATE" | "SYSTIMESTAMP" | "CURRENT_DATE" => Some(Value::Date(crate::database::now())),
        _ => None,
    }
}

fn pick(values: &[Value], wanted: Ordering) -> Result<Value> {
    let mut best: Option<&Value> = None;
    for value in values {
        best = match best {
            None => Some(value),
            Some(best) => match value.compare(best)? {
                None => return Ok(Value::Null),
                Some(order) if order == wanted => Some(value),
                Some(_) => Some(best),
            },
        };
    }
    Ok(best.cloned().unwrap_or(Value::Null))
}

pub(super) fn call(eval: &Eval<'_>, path: &[String], args: &[Value]) -> Result<Value> {
    check(path, args.len())?;
    let arg = |at: usize| args.get(at).cloned().unwrap_or(Value::Null);
    let text = || arg(0).to_text();
    let number = |at: usize| arg(at).to_number();
    let name = path.join(".");
    Ok(match name.strip_prefix("SYS.").unwrap_or(&name) {
        "UPPER" | "NLS_UPPER" => Value::text(text().to_uppercase()),
        "LOWER" => Value::text(text().to_lowercase()),
        "NVL" => {
            if arg(0).is_null() {
                arg(1)
            } else {
                arg(0)
            }
        }
        "NVL2" => {
            if arg(0).is_null() {
                arg(2)
            } else {
                arg(1)
            }
        }
        "NULLIF" if arg(0).compare(&arg(1))? == Some(Ordering::Equal) => Value::Null,
        "NULLIF" => arg(0),
        "COALESCE" => args.iter().find(|value| !value.is_null()).cloned().unwrap_or(Value::Null),
        "DECODE" => decode(args)?,
        "SUBSTR" => substr(&text(), number(1)?, args.get(2).map(Value::to_number).transpose()?.flatten()),
        "INSTR" => {
            let (text, part) = (text(), arg(1).to_text());
            match text.find(&part) {
                _ if part.is_empty() || text.is_empty() => Value::Null,
                Some(at) => Value::number(i128::try_from(text[..at].chars().count()).unwrap_or_default() + 1),
                None => Value::Number(0),
            }
        }
        "LENGTH" | "LENGTHB" if arg(0).is_null() => Value::Null,
        "LENGTH" => Value::number(i128::try_from(text().chars().count()).unwrap_or_default()),
        "LENGTHB" => Value::number(i128::try_from(text().len()).unwrap_or_default()),
        "REPLACE" if arg(1).is_null() => arg(0),
        "REPLACE" => Value::text(text().replace(&arg(1).to_text(), &arg(2).to_text())),
        "TRIM" => Value::text(text().trim_matches(' ')),
        "LTRIM" => Value::text(text().trim_start_matches(' ')),
        "RTRIM" => Value::text(text().trim_end_matches(' ')),
        "TO_NUMBER" => number(0)?.map_or(Value::Null, Value::Number),
        "CAST" if matches!(arg(1).to_text().as_str(), "NUMBER" | "INTEGER" | "INT") => {
            number(0)?.map_or(Value::Null, Value::Number)
        }
        "CAST" | "TO_CHAR" => Value::text(text()),
        "MOD" => match (number(0)?, number(1)?) {
            (Some(value), Some(0)) => Value::Number(value),
            (Some(value), Some(by)) => Value::Number(value % by),
            _ => Value::Null,
        },
        "ABS" => number(0)?.map_or(Value::Null, |number| Value::Number(number.abs())),
        "SIGN" => number(0)?.map_or(Value::Null, |number| Value::Number(number.signum())),
        "GREATEST" => pick(args, Ordering::Greater)?,
        "LEAST" => pick(args, Ordering::Less)?,
        "CHR" => number(0)?
            .and_then(|code| u32::try_from(code).ok())
            .and_then(char::from_u32)
            .map_or(Value::Null, Value::text),
        "SYS_CONTEXT" => eval.db.context(eval.who, &arg(0).to_text(), &arg(1).to_text())?,
        "DBMS_ASSERT.ENQUOTE_LITERAL" => enquote_literal(&text())?,
        "DBMS_ASSERT.ENQUOTE_NAME" => enquote_name(&text(), args.get(1) != Some(&Value::Bool(false)))?,
        _ => return fail(904, format!("\"{}\": invalid identifier", path.join("\".\""))),
    })
}

/// "DBMS_ASSERT": adds single quotes and verifies that all inner ones are doubled.
fn enquote_literal(text: &str) -> Result<Value> {
    let bare = text.strip_prefix('\'').and_then(|text| text.strip_suffix('\''));
    let inner = bare.unwrap_or(text);
    if inner.replace("''", "").contains('\'') {
        return fail(6502, "PL/SQL: numeric or value error");
    }
    Ok(Value::text(format!("'{inner}'")))
}

/// "DBMS_ASSERT": encloses in double quotes, and capitalizes unless told not to.
fn enquote_name(text: &str, capitalize: bool) -> Result<Value> {
    let bare = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let inner = bare.unwrap_or(text);
    if inner.contains('"') || inner.is_empty() {
        return fail(44003, "invalid SQL name");
    }
    let name = if capitalize && bare.is_none() { inner.to_uppercase() } else { inner.to_owned() };
    Ok(Value::text(format!("\"{name}\"")))
}

fn decode(args: &[Value]) -> Result<Value> {
    let (Some(value), rest) = (args.first(), args.get(1..).unwrap_or_default()) else { return Ok(Value::Null) };
    let mut pairs = rest.chunks_exact(2);
    for pair in pairs.by_ref() {
        let [search, result] = pair else { continue };
        // Two nulls are equal here.
        if (value.is_null() && search.is_null()) || value.compare(search)? == Some(Ordering::Equal) {
            return Ok(result.clone());
        }
    }
    Ok(pairs.remainder().first().cloned().unwrap_or(Value::Null))
}

fn substr(text: &str, from: Option<i128>, length: Option<i128>) -> Value {
    let Some(from) = from else { return Value::Null };
    let count = i128::try_from(text.chars().count()).unwrap_or_default();
    let start = match from {
        0 => 0,
        from if from > 0 => from - 1,
        from => count + from,
    };
    let (Ok(start), Ok(length)) = (usize::try_from(start), usize::try_from(length.unwrap_or(count))) else {
        return Value::Null;
    };
    Value::text(text.chars().skip(start).take(length).collect::<String>())
}

impl Eval<'_> {
    pub(super) fn aggregate(&self, expr: &Expr, scope: &Scope<'_>) -> Result<Value> {
        let Expr::Call { path, args, distinct, star, order } = expr else { return Ok(Value::Null) };
        let Some(group) = scope.group else { return fail(934, "group function is not allowed here") };
        let name = path.first().map_or("", String::as_str);
        if *star {
            return Ok(Value::number(i128::try_from(group.len()).unwrap_or_default()));
        }
        let Some(arg) = args.first() else { return fail(909, "invalid number of arguments") };
        let inside = |row| Scope { row, group: None, ..*scope };
        let mut values = Vec::new();
        for row in group {
            let value = self.value(&arg.value, &inside(row))?;
            let keys = order.iter().map(|order| self.value(&order.expr, &inside(row))).collect::<Result<Vec<_>>>()?;
            if !value.is_null() {
                values.push((keys, value));
            }
        }
        values.sort();
        if order.first().is_some_and(|order| order.descending) {
            values.reverse();
        }
        let mut values: Vec<Value> = values.into_iter().map(|(_, value)| value).collect();
        if *distinct {
            values.sort();
            values.dedup();
        }
        match name {
            "COUNT" => Ok(Value::number(i128::try_from(values.len()).unwrap_or_default())),
            "MAX" => pick(&values, Ordering::Greater),
            "MIN" => pick(&values, Ordering::Less),
            "SUM" => {
                let mut sum = None;
                for value in &values {
                    sum = value.to_number()?.map(|number| sum.unwrap_or(0) + number).or(sum);
                }
                Ok(sum.map_or(Value::Null, Value::Number))
            }
            "LISTAGG" => {
                let between = args.get(1).map(|arg| self.value(&arg.value, scope)).transpose()?;
                let between = between.map(|between| between.to_text()).unwrap_or_default();
                Ok(Value::text(values.iter().map(Value::to_text).collect::<Vec<_>>().join(&between)))
            }
            other => Err(ora(904, format!("\"{other}\": invalid identifier"))),
        }
    }
}
