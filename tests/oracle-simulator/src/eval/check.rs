//! What a server finds wrong with a query before it has seen a row: names, rights, groups.

use std::rc::Rc;

use super::{Column, Eval, Relation, Scope, functions, select};
use crate::ast::{Body, Expr, From, Query, Select, SetOp};
use crate::error::{Result, fail, ora};

/// Visits an expression and all inside it, save queries.
pub(super) fn walk<'e>(expr: &'e Expr, visit: &mut dyn FnMut(&'e Expr)) {
    visit(expr);
    match expr {
        Expr::Literal(_) | Expr::Bind(_) | Expr::Name(_) | Expr::Exists(_) | Expr::Scalar(_) | Expr::Attribute(..) => {}
        Expr::Call { args, order, .. } => {
            args.iter().for_each(|arg| walk(&arg.value, visit));
            order.iter().for_each(|order| walk(&order.expr, visit));
        }
        Expr::Not(inner) | Expr::Negative(inner) | Expr::Prior(inner) | Expr::IsNull(inner, _) => walk(inner, visit),
        Expr::Binary(_, left, right) => {
            walk(left, visit);
            walk(right, visit);
        }
        Expr::Like { text, pattern, escape, .. } => {
            walk(text, visit);
            walk(pattern, visit);
            escape.iter().for_each(|escape| walk(escape, visit));
        }
        Expr::Between { value, low, high, .. } => [value, low, high].into_iter().for_each(|inner| walk(inner, visit)),
        Expr::InList { value, list, .. } => {
            walk(value, visit);
            list.iter().for_each(|item| walk(item, visit));
        }
        Expr::InQuery { value, .. } => walk(value, visit),
        Expr::Row(items) => items.iter().for_each(|item| walk(item, visit)),
        Expr::Case { operand, whens, otherwise } => {
            operand.iter().for_each(|operand| walk(operand, visit));
            for (when, then) in whens {
                walk(when, visit);
                walk(then, visit);
            }
            otherwise.iter().for_each(|otherwise| walk(otherwise, visit));
        }
    }
}

pub(super) fn mentions(expr: &Expr, names: &[&str]) -> bool {
    let mut found = false;
    walk(expr, &mut |inner| {
        found |=
            matches!(inner, Expr::Name(path) if matches!(path.as_slice(), [name] if names.contains(&name.as_str())));
    });
    found
}

pub(super) fn mentions_prior(expr: &Expr) -> bool {
    let mut found = false;
    walk(expr, &mut |inner| found |= matches!(inner, Expr::Prior(_)));
    found
}

pub(super) fn has_aggregate(expr: &Expr) -> bool {
    let mut found = false;
    walk(expr, &mut |inner| found |= matches!(inner, Expr::Call { path, .. } if functions::is_aggregate(path)));
    found
}

/// Whether a query reads a table of this name.
pub(super) fn reads(body: &Body, name: &str) -> bool {
    fn in_from(from: &From, wanted: &str) -> bool {
        match from {
            From::Table { schema: None, name, .. } => name == wanted,
            From::Table { .. } => false,
            From::Query { query, .. } => reads(&query.body, wanted),
            From::Join { left, right, .. } => in_from(left, wanted) || in_from(right, wanted),
        }
    }
    match body {
        Body::Select(select) => select.from.iter().any(|from| in_from(from, name)),
        Body::Set(_, left, right) => reads(left, name) || reads(right, name),
        Body::Nested(query) => reads(&query.body, name),
    }
}

fn nameless(names: Vec<String>) -> Relation {
    let columns = names.into_iter().map(|name| Column { alias: None, name }).collect();
    Relation { columns, rows: Vec::new() }
}

impl Eval<'_> {
    /// Checks a query and answers the names of its results.
    pub(crate) fn check(&self, query: &Query, outer: &Scope<'_>) -> Result<Vec<String>> {
        let mut ctes = outer.ctes.to_vec();
        for cte in &query.with {
            let named = |names: Vec<String>| {
                let given = cte.columns.iter().cloned().map(Some).chain(std::iter::repeat(None));
                nameless(names.into_iter().zip(given).map(|(name, given)| given.unwrap_or(name)).collect())
            };
            let relation = match &cte.query.body {
                Body::Set(SetOp::UnionAll, first, next) if reads(next, &cte.name) => {
                    if cte.columns.is_empty() {
                        return fail(32039, "recursive WITH clause must have column alias list");
                    }
                    let first = named(self.check_body(first, &Scope { ctes: &ctes, ..*outer })?);
                    let mut inner = ctes.clone();
                    inner.push((cte.name.clone(), Rc::new(first.clone())));
                    self.check_body(next, &Scope { ctes: &inner, ..*outer })?;
                    first
                }
                _ => named(self.check(&cte.query, &Scope { ctes: &ctes, ..*outer })?),
            };
            ctes.push((cte.name.clone(), Rc::new(relation)));
        }
        let scope = Scope::inside(outer, &ctes);
        let names = self.check_body(&query.body, &scope)?;
        for expr in query.offset.iter().chain(&query.fetch) {
            self.check_expr(expr, &scope)?;
        }
        if query.for_update {
            self.check_update(&query.body)?;
        }
        Ok(names)
    }

    /// To lock rows takes more than READ ("GRANT", READ object privilege).
    fn check_update(&self, body: &Body) -> Result<()> {
        let Body::Select(select) = body else {
            return fail(2014, "cannot select FOR UPDATE from view with DISTINCT, GROUP BY");
        };
        for from in &select.from {
            if let From::Table { schema, name, .. } = from {
                self.db.lockable(self.who, schema.as_deref(), name)?;
            }
        }
        Ok(())
    }

    fn check_body(&self, body: &Body, scope: &Scope<'_>) -> Result<Vec<String>> {
        match body {
            Body::Select(select) => self.check_select(select, scope),
            Body::Nested(query) => self.check(query, scope),
            Body::Set(_, left, right) => {
                let (left, right) = (self.check_body(left, scope)?, self.check_body(right, scope)?);
                if left.len() != right.len() {
                    return fail(1789, "query block has incorrect number of result columns");
                }
                Ok(left)
            }
        }
    }

    fn check_select(&self, select: &Select, scope: &Scope<'_>) -> Result<Vec<String>> {
        let mut columns = Vec::new();
        for from in &select.from {
            columns.extend(self.check_from(from, scope)?);
        }
        let scope = scope.with_row(&columns, &[]);
        let items = select::expand(&select.items, &columns)?;
        for expr in items.iter().map(|(expr, _)| expr).chain(&select.group).chain(&select.having) {
            self.check_expr(expr, &scope)?;
        }
        for expr in select.filter.iter().chain(&select.start).chain(&select.connect) {
            self.check_expr(expr, &scope)?;
            if has_aggregate(expr) {
                return fail(934, "group function is not allowed here");
            }
        }
        if !select.group.is_empty() || items.iter().any(|(expr, _)| has_aggregate(expr)) {
            for (expr, _) in &items {
                Self::check_grouped(expr, &select.group, &scope)?;
            }
        }
        Ok(items.into_iter().map(|(_, name)| name).collect())
    }

    fn check_from(&self, from: &From, scope: &Scope<'_>) -> Result<Vec<Column>> {
        let under = |mut columns: Vec<Column>, alias: Option<&String>| {
            columns.iter_mut().for_each(|column| column.alias = alias.cloned());
            columns
        };
        match from {
            From::Table { schema, name, alias } => {
                let relation = self.table(schema.as_deref(), name, scope)?;
                Ok(under(relation.columns.clone(), Some(alias.as_ref().unwrap_or(name))))
            }
            From::Query { query, alias } => {
                // A subquery in FROM sees nothing of its neighbours.
                let around = Scope { columns: &[], row: &[], ..*scope };
                Ok(under(nameless(self.check(query, &around)?).columns, alias.as_ref()))
            }
            From::Join { left, right, on, .. } => {
                let mut columns = self.check_from(left, scope)?;
                columns.extend(self.check_from(right, scope)?);
                if let Some(on) = on {
                    self.check_expr(on, &scope.with_row(&columns, &[]))?;
                }
                Ok(columns)
            }
        }
    }

    pub(crate) fn check_expr(&self, expr: &Expr, scope: &Scope<'_>) -> Result<()> {
        let mut wrong = Ok(());
        walk(expr, &mut |inner| {
            let checked = match inner {
                Expr::Name(path) => self.check_name(path, scope),
                Expr::Call { path, args, .. } => functions::check(path, args.len()),
                Expr::Exists(query) | Expr::Scalar(query) | Expr::InQuery { query, .. } => {
                    self.check(query, scope).map(drop)
                }
                _ => Ok(()),
            };
            if wrong.is_ok() {
                wrong = checked;
            }
        });
        wrong
    }

    fn check_name(&self, path: &[String], scope: &Scope<'_>) -> Result<()> {
        let pseudo = matches!(path, [name] if matches!(name.as_str(), "ROWNUM" | "LEVEL"));
        let known = pseudo
            || Self::find(path, scope)?.is_some()
            || self.variables.variable(path).is_some()
            || functions::bare(self, path).is_some();
        if known { Ok(()) } else { Err(ora(904, format!("\"{}\": invalid identifier", path.join("\".\"")))) }
    }

    /// A result of a grouped query is made of aggregates and of what it is grouped by.
    fn check_grouped(expr: &Expr, group: &[Expr], scope: &Scope<'_>) -> Result<()> {
        if group.contains(expr) {
            return Ok(());
        }
        match expr {
            Expr::Call { path, .. } if functions::is_aggregate(path) => Ok(()),
            Expr::Name(path) => {
                let place = |path: &[String]| super::position(path, scope.columns);
                let Some(here) = place(path)? else { return Ok(()) };
                for expr in group {
                    if let Expr::Name(path) = expr
                        && place(path)? == Some(here)
                    {
                        return Ok(());
                    }
                }
                if group.is_empty() {
                    fail(937, "not a single-group group function")
                } else {
                    fail(979, "not a GROUP BY expression")
                }
            }
            other => {
                let mut parts = Vec::new();
                // Only what stands directly inside: each looks inside itself.
                walk(other, &mut |inner| parts.push(inner));
                let mut wrong = Ok(());
                if !has_aggregate(other) {
                    for part in parts.into_iter().filter(|part| matches!(part, Expr::Name(_))) {
                        wrong = wrong.and(Self::check_grouped(part, group, scope));
                    }
                }
                wrong
            }
        }
    }
}
