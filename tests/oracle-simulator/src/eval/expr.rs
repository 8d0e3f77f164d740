//! Expressions and conditions ("SQL Language Reference", "Expressions", "Conditions").

use std::cmp::Ordering;

use super::{Eval, Found, Scope, functions};
use crate::ast::{Expr, Query};
use crate::error::{Result, fail, ora, unknown};
use crate::value::Value;

impl Eval<'_> {
    pub(crate) fn value(&self, expr: &Expr, scope: &Scope<'_>) -> Result<Value> {
        match expr {
            Expr::Literal(value) => Ok(value.clone()),
            Expr::Bind(name) => self.bind(name),
            Expr::Name(path) => self.name(path, scope),
            Expr::Call { path, args, .. } => {
                if functions::is_aggregate(path) {
                    return self.aggregate(expr, scope);
                }
                let values = args.iter().map(|arg| self.value(&arg.value, scope)).collect::<Result<Vec<_>>>()?;
                functions::call(self, path, &values)
            }
            Expr::Not(inner) => Ok(match self.truth(inner, scope)? {
                Some(yes) => Value::Bool(!yes),
                None => Value::Null,
            }),
            Expr::Negative(inner) => Ok(match self.value(inner, scope)?.to_number()? {
                Some(number) => Value::Number(-number),
                None => Value::Null,
            }),
            Expr::Prior(inner) => match scope.prior {
                Some(row) => self.value(inner, &Scope { row, prior: None, ..*scope }),
                None => Ok(Value::Null),
            },
            Expr::Binary(op, left, right) => self.binary(op, left, right, scope),
            Expr::IsNull(inner, not) => Ok(Value::Bool(self.value(inner, scope)?.is_null() != *not)),
            Expr::Like { text, pattern, escape, not } => {
                let escape = escape.as_ref().map(|escape| self.value(escape, scope)).transpose()?;
                let (text, pattern) = (self.value(text, scope)?, self.value(pattern, scope)?);
                if text.is_null() || pattern.is_null() {
                    return Ok(Value::Null);
                }
                let escape = escape.and_then(|escape| escape.to_text().chars().next());
                let text: Vec<char> = text.to_text().chars().collect();
                let pattern: Vec<char> = pattern.to_text().chars().collect();
                Ok(Value::Bool(like(&text, &pattern, escape)? != *not))
            }
            Expr::Between { value, low, high, not } => {
                let value = self.value(value, scope)?;
                let low = value.compare(&self.value(low, scope)?)?.map(|order| order != Ordering::Less);
                let high = value.compare(&self.value(high, scope)?)?.map(|order| order != Ordering::Greater);
                Ok(bool_value(and(low, high).map(|yes| yes != *not)))
            }
            Expr::InList { value, list, not } => {
                let value = self.row(value, scope)?;
                let list = list.iter().map(|item| self.row(item, scope)).collect::<Result<Vec<_>>>()?;
                Ok(bool_value(is_in(&value, list.iter().map(Vec::as_slice))?.map(|yes| yes != *not)))
            }
            Expr::InQuery { value, query, not } => {
                let value = self.row(value, scope)?;
                let found = self.query(query, scope)?;
                if found.columns.len() != value.len() {
                    return fail(913, "too many values");
                }
                Ok(bool_value(is_in(&value, found.rows.iter().map(Vec::as_slice))?.map(|yes| yes != *not)))
            }
            Expr::Exists(query) => Ok(Value::Bool(!self.query(query, scope)?.rows.is_empty())),
            Expr::Scalar(query) => self.scalar(query, scope),
            Expr::Row(_) => fail(1797, "this operator must be followed by ANY or ALL"),
            Expr::Case { operand, whens, otherwise } => {
                let operand = operand.as_ref().map(|operand| self.value(operand, scope)).transpose()?;
                for (when, then) in whens {
                    let fits = match &operand {
                        Some(operand) => operand.compare(&self.value(when, scope)?)? == Some(Ordering::Equal),
                        None => self.truth(when, scope)? == Some(true),
                    };
                    if fits {
                        return self.value(then, scope);
                    }
                }
                otherwise.as_ref().map_or(Ok(Value::Null), |otherwise| self.value(otherwise, scope))
            }
            Expr::Attribute(cursor, attribute) => {
                let path = [format!("{cursor}%{attribute}")];
                self.variables.variable(&path).ok_or_else(|| ora(900, format!("invalid SQL statement ({})", path[0])))
            }
        }
    }

    /// A condition; nothing where it is unknown.
    pub(crate) fn truth(&self, expr: &Expr, scope: &Scope<'_>) -> Result<Option<bool>> {
        match self.value(expr, scope)? {
            Value::Bool(yes) => Ok(Some(yes)),
            Value::Null => Ok(None),
            _ => fail(920, "invalid relational operator"),
        }
    }

    fn bind(&self, name: &str) -> Result<Value> {
        let at: usize = name.parse().unwrap_or_default();
        match self.binds.get(at.wrapping_sub(1)) {
            Some(value) => Ok(value.clone()),
            None => fail(1008, "not all variables bound"),
        }
    }

    fn name(&self, path: &[String], scope: &Scope<'_>) -> Result<Value> {
        match Self::find(path, scope)? {
            Some(Found::Here(at)) => return Ok(scope.row.get(at).cloned().unwrap_or(Value::Null)),
            Some(Found::Outside(value)) => return Ok(value),
            None => {}
        }
        if let Some(value) = self.variables.variable(path) {
            return Ok(value);
        }
        match path {
            [name] if name == "ROWNUM" => Ok(scope.rownum.map_or(Value::Null, Value::Number)),
            [name] if name == "LEVEL" => match scope.level {
                Some(level) => Ok(Value::Number(level)),
                None => fail(1788, "CONNECT BY clause required in this query block"),
            },
            _ => functions::bare(self, path)
                .ok_or_else(|| ora(904, format!("\"{}\": invalid identifier", path.join("\".\"")))),
        }
    }

    /// The values of `(a, b)`, or the one of anything else.
    fn row(&self, expr: &Expr, scope: &Scope<'_>) -> Result<Vec<Value>> {
        match expr {
            Expr::Row(items) => items.iter().map(|item| self.value(item, scope)).collect(),
            other => Ok(vec![self.value(other, scope)?]),
        }
    }

    fn scalar(&self, query: &Query, scope: &Scope<'_>) -> Result<Value> {
        let found = self.query(query, scope)?;
        if found.columns.len() != 1 {
            return fail(913, "too many values");
        }
        match found.rows.as_slice() {
            [] => Ok(Value::Null),
            [row] => Ok(row.first().cloned().unwrap_or(Value::Null)),
            _ => fail(1427, "single-row subquery returns more than one row"),
        }
    }

    fn binary(&self, op: &str, left: &Expr, right: &Expr, scope: &Scope<'_>) -> Result<Value> {
        match op {
            "AND" => {
                let left = self.truth(left, scope)?;
                if left == Some(false) {
                    return Ok(Value::Bool(false));
                }
                return Ok(bool_value(and(left, self.truth(right, scope)?)));
            }
            "OR" => {
                let left = self.truth(left, scope)?;
                if left == Some(true) {
                    return Ok(Value::Bool(true));
                }
                let either = and(left.map(|yes| !yes), self.truth(right, scope)?.map(|yes| !yes));
                return Ok(bool_value(either.map(|yes| !yes)));
            }
            "=" | "<>" if matches!(left, Expr::Row(_)) => {
                let (left, right) = (self.row(left, scope)?, self.row(right, scope)?);
                let equal = is_in(&left, std::iter::once(right.as_slice()))?;
                return Ok(bool_value(equal.map(|yes| yes == (op == "="))));
            }
            _ => {}
        }
        let (left, right) = (self.value(left, scope)?, self.value(right, scope)?);
        if op == "||" {
            return Ok(Value::text(left.to_text() + &right.to_text()));
        }
        if let "+" | "-" | "*" | "/" = op {
            let (Some(a), Some(b)) = (left.to_number()?, right.to_number()?) else { return Ok(Value::Null) };
            let overflow = || ora(1426, "numeric overflow");
            return match op {
                "+" => a.checked_add(b).map(Value::Number).ok_or_else(overflow),
                "-" => a.checked_sub(b).map(Value::Number).ok_or_else(overflow),
                "*" => a.checked_mul(b).map(Value::Number).ok_or_else(overflow),
                _ if b == 0 => fail(1476, "divisor is equal to zero"),
                _ if a % b == 0 => Ok(Value::Number(a / b)),
                _ => unknown("fractions"),
            };
        }
        let Some(order) = left.compare(&right)? else { return Ok(Value::Null) };
        Ok(Value::Bool(match op {
            "=" => order == Ordering::Equal,
            "<>" => order != Ordering::Equal,
            "<" => order == Ordering::Less,
            "<=" => order != Ordering::Greater,
            ">" => order == Ordering::Greater,
            ">=" => order != Ordering::Less,
            other => return unknown(other),
        }))
    }
}

pub(super) fn bool_value(truth: Option<bool>) -> Value {
    truth.map_or(Value::Null, Value::Bool)
}

fn and(one: Option<bool>, two: Option<bool>) -> Option<bool> {
    match (one, two) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

fn is_in<'v>(value: &[Value], list: impl Iterator<Item = &'v [Value]>) -> Result<Option<bool>> {
    let mut unknown = false;
    for item in list {
        let mut equal = Some(true);
        for (one, two) in value.iter().zip(item) {
            equal = and(equal, one.compare(two)?.map(|order| order == Ordering::Equal));
        }
        match equal {
            Some(true) => return Ok(Some(true)),
            Some(false) => {}
            None => unknown = true,
        }
    }
    Ok(if unknown { None } else { Some(false) })
}

fn like(text: &[char], pattern: &[char], escape: Option<char>) -> Result<bool> {
    Ok(match pattern.split_first() {
        None => text.is_empty(),
        Some((c, rest)) if Some(*c) == escape => match rest.split_first() {
            Some((c, rest)) if matches!(c, '%' | '_') || Some(*c) == escape => {
                text.first() == Some(c) && like(text.get(1..).unwrap_or_default(), rest, escape)?
            }
            _ => return fail(1424, "missing or illegal character following the escape character"),
        },
        Some(('%', rest)) => {
            for start in 0..=text.len() {
                if like(text.get(start..).unwrap_or_default(), rest, escape)? {
                    return Ok(true);
                }
            }
            false
        }
        Some(('_', rest)) => !text.is_empty() && like(text.get(1..).unwrap_or_default(), rest, escape)?,
        Some((c, rest)) => text.first() == Some(c) && like(text.get(1..).unwrap_or_default(), rest, escape)?,
    })
}
