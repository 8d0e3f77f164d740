//! Queries, evaluated over the dictionary and the tables as they stand.

mod check;
mod expr;
mod from;
mod functions;
mod select;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::ast::{Body, Cte, Query, SetOp};
use crate::database::Database;
use crate::error::{Result, fail};
use crate::security::Who;
use crate::value::Value;

/// A column of what a query reads: under which alias, and its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) alias: Option<String>,
    pub(crate) name: String,
}

/// Rows with named columns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Relation {
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<Vec<Value>>,
}

impl Relation {
    pub(crate) fn new(names: &[&str], rows: Vec<Vec<Value>>) -> Self {
        Self { columns: names.iter().map(|name| Column { alias: None, name: (*name).to_owned() }).collect(), rows }
    }

    fn under(mut self, alias: Option<&str>) -> Self {
        for column in &mut self.columns {
            column.alias = alias.map(str::to_owned);
        }
        self
    }
}

/// The variables of PL/SQL.
pub(crate) trait Variables {
    /// Their value; nothing where there is no such variable.
    fn variable(&self, path: &[String]) -> Option<Value>;
}

/// There are none, in SQL.
#[derive(Debug)]
pub(crate) struct NoVariables;

impl Variables for NoVariables {
    fn variable(&self, _path: &[String]) -> Option<Value> {
        None
    }
}

/// Whether SQL has a function of this name that takes so many arguments.
pub(crate) fn is_function(path: &[String], args: usize) -> bool {
    functions::check(path, args).is_ok()
}

/// Whether this is a function that needs no parentheses.
pub(crate) fn is_bare_function(path: &[String]) -> bool {
    matches!(path, [name] if matches!(name.as_str(), "USER" | "UID" | "SYSDATE" | "SYSTIMESTAMP" | "CURRENT_DATE"))
}

type Ctes<'a> = &'a [(String, Rc<Relation>)];

/// The row that an expression sees, and the queries around it.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    columns: &'a [Column],
    row: &'a [Value],
    parent: Option<&'a Scope<'a>>,
    ctes: Ctes<'a>,
    /// All rows of a group, where aggregates are evaluated.
    group: Option<&'a [&'a [Value]]>,
    prior: Option<&'a [Value]>,
    level: Option<i128>,
    rownum: Option<i128>,
}

impl<'a> Scope<'a> {
    pub(crate) const EMPTY: Scope<'static> =
        Scope { columns: &[], row: &[], parent: None, ctes: &[], group: None, prior: None, level: None, rownum: None };

    /// One row by itself.
    pub(crate) fn of(columns: &'a [Column], row: &'a [Value]) -> Self {
        Scope { columns, row, ..Scope::EMPTY }
    }

    fn inside(parent: &'a Scope<'a>, ctes: Ctes<'a>) -> Self {
        Scope { parent: Some(parent), ctes, ..Scope::EMPTY }
    }

    fn with_row(self, columns: &'a [Column], row: &'a [Value]) -> Self {
        Self { columns, row, ..self }
    }
}

/// Where a name was found.
enum Found {
    /// In the innermost query, at this place.
    Here(usize),
    Outside(Value),
}

/// A statement's surroundings.
pub(crate) struct Eval<'a> {
    pub(crate) db: &'a Database,
    pub(crate) who: &'a Who,
    pub(crate) binds: &'a [Value],
    pub(crate) variables: &'a dyn Variables,
    /// Tables and dictionary views that were read: one statement sees one state.
    read: RefCell<BTreeMap<(String, String), Rc<Relation>>>,
}

impl<'a> Eval<'a> {
    pub(crate) fn new(db: &'a Database, who: &'a Who, binds: &'a [Value], variables: &'a dyn Variables) -> Self {
        Self { db, who, binds, variables, read: RefCell::default() }
    }

    /// Runs a query that stands by itself: names and rights are checked first, whatever rows there are.
    pub(crate) fn run(&self, query: &Query) -> Result<Relation> {
        self.check(query, &Scope::EMPTY)?;
        self.query(query, &Scope::EMPTY)
    }

    fn find(path: &[String], scope: &Scope<'_>) -> Result<Option<Found>> {
        if let Some(at) = position(path, scope.columns)? {
            return Ok(Some(Found::Here(at)));
        }
        let mut around = scope.parent;
        while let Some(outer) = around {
            if let Some(at) = position(path, outer.columns)? {
                return Ok(Some(Found::Outside(outer.row.get(at).cloned().unwrap_or(Value::Null))));
            }
            around = outer.parent;
        }
        Ok(None)
    }

    pub(crate) fn query(&self, query: &Query, outer: &Scope<'_>) -> Result<Relation> {
        let mut ctes = outer.ctes.to_vec();
        for cte in &query.with {
            let relation = self.cte(cte, outer, &ctes)?;
            ctes.push((cte.name.clone(), Rc::new(relation)));
        }
        let scope = Scope::inside(outer, &ctes);
        let mut found = match &query.body {
            Body::Select(select) => self.select(select, &query.order, &scope)?,
            body => {
                let mut found = self.body(body, &scope)?;
                if !query.order.is_empty() {
                    select::sort_output(self, &mut found, &query.order, &scope)?;
                }
                found
            }
        };
        let number = |expr: &Option<_>, default: usize| match expr {
            Some(expr) => {
                let count = self.value(expr, &scope)?.to_number()?.unwrap_or_default();
                Ok(usize::try_from(count).unwrap_or_default())
            }
            None => Ok(default),
        };
        let skip = number(&query.offset, 0)?;
        let take = number(&query.fetch, usize::MAX)?;
        if skip > 0 || take < found.rows.len() {
            found.rows = found.rows.into_iter().skip(skip).take(take).collect();
        }
        Ok(found)
    }

    fn body(&self, body: &Body, scope: &Scope<'_>) -> Result<Relation> {
        match body {
            Body::Select(select) => self.select(select, &[], scope),
            Body::Nested(query) => self.query(query, scope),
            Body::Set(op, left, right) => {
                let (mut left, right) = (self.body(left, scope)?, self.body(right, scope)?);
                match op {
                    SetOp::UnionAll => left.rows.extend(right.rows),
                    SetOp::Union => {
                        left.rows.extend(right.rows);
                        left.rows.sort();
                        left.rows.dedup();
                    }
                    SetOp::Intersect => {
                        left.rows.retain(|row| right.rows.contains(row));
                        left.rows.sort();
                        left.rows.dedup();
                    }
                    SetOp::Minus => {
                        left.rows.retain(|row| !right.rows.contains(row));
                        left.rows.sort();
                        left.rows.dedup();
                    }
                }
                Ok(left)
            }
        }
    }

    /// A subquery with a name, which may read itself ("SELECT", Recursive Subquery Factoring).
    fn cte(&self, cte: &Cte, outer: &Scope<'_>, ctes: Ctes<'_>) -> Result<Relation> {
        let named = |mut relation: Relation| {
            for (column, name) in relation.columns.iter_mut().zip(&cte.columns) {
                column.name.clone_from(name);
            }
            relation
        };
        let scope = Scope { ctes, ..*outer };
        let (first, next) = match &cte.query.body {
            Body::Set(SetOp::UnionAll, first, next) if check::reads(next, &cte.name) => (first, next),
            _ => return Ok(named(self.query(&cte.query, &scope)?)),
        };
        let mut all = named(self.body(first, &scope)?);
        let mut work = all.clone();
        for _ in 0..1_000 {
            if work.rows.is_empty() {
                return Ok(all);
            }
            let mut inner = ctes.to_vec();
            inner.push((cte.name.clone(), Rc::new(work)));
            let found = self.body(next, &Scope { ctes: &inner, ..*outer })?;
            all.rows.extend(found.rows.iter().cloned());
            work = Relation { columns: all.columns.clone(), rows: found.rows };
        }
        fail(32044, "cycle detected while executing recursive WITH query")
    }
}

/// Where a column stands; an error where several fit.
fn position(path: &[String], columns: &[Column]) -> Result<Option<usize>> {
    let (alias, name) = match path {
        [name] => (None, name),
        [alias, name] | [_, alias, name] => (Some(alias), name),
        _ => return Ok(None),
    };
    let fits = |column: &Column| column.name == *name && alias.is_none_or(|alias| column.alias.as_ref() == Some(alias));
    let mut found = columns.iter().enumerate().filter(|(_, column)| fits(column)).map(|(at, _)| at);
    match (found.next(), found.next()) {
        (Some(_), Some(_)) => fail(918, "column ambiguously defined"),
        (at, _) => Ok(at),
    }
}
