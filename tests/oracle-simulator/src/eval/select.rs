//! One SELECT: rows, hierarchy, groups, order.

use std::cmp::Ordering;

use super::{Column, Eval, Relation, Scope, check};
use crate::ast::{Expr, Item, Order, Select};
use crate::error::{Result, fail};
use crate::value::Value;

/// A row that goes on to the list of results, with what its expressions see.
struct Row {
    values: Vec<Value>,
    prior: Option<Vec<Value>>,
    level: Option<i128>,
    rownum: i128,
}

impl Eval<'_> {
    pub(super) fn select(&self, select: &Select, order: &[Order], scope: &Scope<'_>) -> Result<Relation> {
        let filters: Vec<&Expr> = select.filter.iter().flat_map(conjuncts).collect();
        let (late, early): (Vec<&Expr>, Vec<&Expr>) =
            filters.into_iter().partition(|filter| check::mentions(filter, &["ROWNUM", "LEVEL"]));
        // With CONNECT BY the conditions come after it, save that the sources' join is not told from them here.
        let early_here = if select.connect.is_some() { Vec::new() } else { early.clone() };
        let found = self.sources(&select.from, &early_here, scope)?;
        let mut rows = match &select.connect {
            Some(connect) => self.hierarchy(select, connect, &found, scope)?,
            None => found.rows.into_iter().map(|values| Row { values, prior: None, level: None, rownum: 0 }).collect(),
        };
        let columns = found.columns;
        let late: Vec<&Expr> = if select.connect.is_some() { early.into_iter().chain(late).collect() } else { late };
        let mut kept = Vec::new();
        for mut row in rows.drain(..) {
            row.rownum = i128::try_from(kept.len()).unwrap_or_default() + 1;
            let scope = seen(scope, &columns, &row);
            let mut holds = true;
            for filter in &late {
                holds = holds && self.truth(filter, &scope)? == Some(true);
            }
            if holds {
                kept.push(row);
            }
        }

        let items = expand(&select.items, &columns)?;
        let grouped = !select.group.is_empty()
            || select.having.is_some()
            || items.iter().any(|(expr, _)| check::has_aggregate(expr));
        let mut output = Vec::new();
        if grouped {
            self.groups(select, &items, order, &columns, &kept, scope, &mut output)?;
        } else {
            for row in &kept {
                let scope = seen(scope, &columns, row);
                output.push(self.output(&items, order, &scope)?);
            }
        }
        if select.distinct {
            let mut seen: Vec<Vec<Value>> = Vec::new();
            output.retain(|(_, row)| {
                let new = !seen.contains(row);
                if new {
                    seen.push(row.clone());
                }
                new
            });
        }
        output.sort_by(|(one, _), (two, _)| compare_keys(one, two, order));
        let columns = items.into_iter().map(|(_, name)| Column { alias: None, name }).collect();
        Ok(Relation { columns, rows: output.into_iter().map(|(_, row)| row).collect() })
    }

    /// A row's results, and what it is ordered by: a result by its name or number, or an expression over the row.
    fn output(&self, items: &[(Expr, String)], order: &[Order], scope: &Scope<'_>) -> Result<(Vec<Value>, Vec<Value>)> {
        let row = items.iter().map(|(expr, _)| self.value(expr, scope)).collect::<Result<Vec<_>>>()?;
        let keys = order.iter().map(|order| match output_position(&order.expr, items)? {
            Some(at) => Ok(row.get(at).cloned().unwrap_or(Value::Null)),
            None => self.value(&order.expr, scope),
        });
        Ok((keys.collect::<Result<Vec<_>>>()?, row))
    }

    #[expect(clippy::too_many_arguments, reason = "all of one SELECT")]
    fn groups(
        &self,
        select: &Select,
        items: &[(Expr, String)],
        order: &[Order],
        columns: &[Column],
        rows: &[Row],
        scope: &Scope<'_>,
        output: &mut Vec<(Vec<Value>, Vec<Value>)>,
    ) -> Result<()> {
        let mut groups: Vec<(Vec<Value>, Vec<&[Value]>)> = Vec::new();
        for row in rows {
            let inside = seen(scope, columns, row);
            let key = select.group.iter().map(|expr| self.value(expr, &inside)).collect::<Result<Vec<_>>>()?;
            match groups.iter_mut().find(|(known, _)| *known == key) {
                Some((_, members)) => members.push(&row.values),
                None => groups.push((key, vec![&row.values])),
            }
        }
        if groups.is_empty() && select.group.is_empty() {
            groups.push((Vec::new(), Vec::new()));
        }
        let nothing = vec![Value::Null; columns.len()];
        for (_, members) in &groups {
            let row = members.first().copied().unwrap_or(&nothing);
            let scope = Scope { group: Some(members), ..scope.with_row(columns, row) };
            if let Some(having) = &select.having
                && self.truth(having, &scope)? != Some(true)
            {
                continue;
            }
            output.push(self.output(items, order, &scope)?);
        }
        Ok(())
    }

    /// "Hierarchical Queries".
    fn hierarchy(&self, select: &Select, connect: &Expr, found: &Relation, scope: &Scope<'_>) -> Result<Vec<Row>> {
        let mut output = Vec::new();
        for row in &found.rows {
            let starts = match &select.start {
                Some(start) => self.truth(start, &scope.with_row(&found.columns, row))? == Some(true),
                None => true,
            };
            if starts {
                let root = Row { values: row.clone(), prior: None, level: Some(1), rownum: 0 };
                self.descend(select, connect, found, root, &mut Vec::new(), &mut output, scope)?;
            }
        }
        Ok(output)
    }

    #[expect(clippy::too_many_arguments, reason = "a recursion's whole state")]
    fn descend(
        &self,
        select: &Select,
        connect: &Expr,
        found: &Relation,
        row: Row,
        path: &mut Vec<Vec<Value>>,
        output: &mut Vec<Row>,
        scope: &Scope<'_>,
    ) -> Result<()> {
        let level = row.level.unwrap_or(1);
        let parent = row.values.clone();
        output.push(row);
        path.push(parent.clone());
        for child in &found.rows {
            let inside = Scope {
                prior: Some(&parent),
                level: Some(level + 1),
                rownum: Some(i128::try_from(output.len()).unwrap_or_default() + 1),
                ..scope.with_row(&found.columns, child)
            };
            if self.truth(connect, &inside)? != Some(true) {
                continue;
            }
            if check::mentions_prior(connect) && path.contains(child) {
                if select.nocycle {
                    continue;
                }
                return fail(1436, "CONNECT BY loop in user data");
            }
            if level > 200 {
                return fail(30009, "Not enough memory for CONNECT BY operation");
            }
            let row = Row { values: child.clone(), prior: Some(parent.clone()), level: Some(level + 1), rownum: 0 };
            self.descend(select, connect, found, row, path, output, scope)?;
        }
        path.pop();
        Ok(())
    }
}

fn seen<'s>(scope: &Scope<'s>, columns: &'s [Column], row: &'s Row) -> Scope<'s> {
    Scope {
        prior: row.prior.as_deref(),
        level: row.level,
        rownum: Some(row.rownum),
        ..scope.with_row(columns, &row.values)
    }
}

fn conjuncts(expr: &Expr) -> Vec<&Expr> {
    match expr {
        Expr::Binary("AND", left, right) => conjuncts(left).into_iter().chain(conjuncts(right)).collect(),
        other => vec![other],
    }
}

/// The results with their names, stars resolved.
pub(super) fn expand(items: &[Item], columns: &[Column]) -> Result<Vec<(Expr, String)>> {
    let mut all = Vec::new();
    for item in items {
        match item {
            Item::Expr(expr, Some(alias)) => all.push((expr.clone(), alias.clone())),
            Item::Expr(Expr::Name(path), None) => {
                all.push((Expr::Name(path.clone()), path.last().cloned().unwrap_or_default()));
            }
            Item::Expr(expr, None) => all.push((expr.clone(), format!("EXPR{}", all.len() + 1))),
            Item::Star(alias) => {
                let before = all.len();
                for column in columns {
                    if alias.is_none() || *alias == column.alias {
                        let path = column.alias.iter().chain([&column.name]).cloned().collect();
                        all.push((Expr::Name(path), column.name.clone()));
                    }
                }
                if all.len() == before {
                    return fail(904, "invalid identifier");
                }
            }
        }
    }
    Ok(all)
}

/// The result that an ORDER BY means, if it means one.
fn output_position(expr: &Expr, items: &[(Expr, String)]) -> Result<Option<usize>> {
    match expr {
        Expr::Literal(Value::Number(number)) => match usize::try_from(*number) {
            Ok(at) if (1..=items.len()).contains(&at) => Ok(Some(at - 1)),
            _ => fail(1785, "ORDER BY item must be the number of a SELECT-list expression"),
        },
        Expr::Name(path) if path.len() == 1 => Ok(items.iter().position(|(_, name)| Some(name) == path.first())),
        _ => Ok(None),
    }
}

fn compare_keys(one: &[Value], two: &[Value], order: &[Order]) -> Ordering {
    for ((one, two), order) in one.iter().zip(two).zip(order) {
        // Nulls are last, and first where it is descending ("SELECT", order_by_clause).
        let nulls_first = order.nulls_first.unwrap_or(order.descending);
        let found = match (one.is_null(), two.is_null()) {
            (true, true) => Ordering::Equal,
            (true, false) => {
                if nulls_first {
                    Ordering::Less
                } else {
                    Ordering::Greater
                }
            }
            (false, true) => {
                if nulls_first {
                    Ordering::Greater
                } else {
                    Ordering::Less
                }
            }
            (false, false) if order.descending => two.cmp(one),
            (false, false) => one.cmp(two),
        };
        if found != Ordering::Equal {
            return found;
        }
    }
    Ordering::Equal
}

/// Orders what a UNION and its like gave: by names or numbers of results only.
pub(super) fn sort_output(eval: &Eval<'_>, found: &mut Relation, order: &[Order], scope: &Scope<'_>) -> Result<()> {
    let items: Vec<(Expr, String)> =
        found.columns.iter().map(|column| (Expr::Literal(Value::Null), column.name.clone())).collect();
    let mut keyed = Vec::new();
    for row in std::mem::take(&mut found.rows) {
        let mut keys = Vec::new();
        for order in order {
            keys.push(match output_position(&order.expr, &items)? {
                Some(at) => row.get(at).cloned().unwrap_or(Value::Null),
                None => eval.value(&order.expr, &scope.with_row(&found.columns, &row))?,
            });
        }
        keyed.push((keys, row));
    }
    keyed.sort_by(|(one, _), (two, _)| compare_keys(one, two, order));
    found.rows = keyed.into_iter().map(|(_, row)| row).collect();
    Ok(())
}
