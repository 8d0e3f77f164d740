//! What a query reads.

use std::rc::Rc;

use super::{Column, Eval, Found, Relation, Scope};
use crate::ast::{Expr, From, Join};
use crate::error::Result;
use crate::value::Value;

impl Eval<'_> {
    /// The rows of all sources together for which the filter holds, except what of it waits for ROWNUM.
    pub(super) fn sources(&self, from: &[From], filters: &[&Expr], scope: &Scope<'_>) -> Result<Relation> {
        let sources = from.iter().map(|from| self.source(from, scope)).collect::<Result<Vec<_>>>()?;
        let columns: Vec<Column> = sources.iter().flat_map(|source| source.columns.iter().cloned()).collect();
        let mut needs = Vec::new();
        for filter in filters {
            needs.push((Self::needs(filter, &columns, scope)?, *filter));
        }
        let mut all = Relation { columns: Vec::new(), rows: vec![Vec::new()] };
        for source in sources {
            let before = all.columns.len();
            all.columns.extend(source.columns);
            let width = all.columns.len();
            // As soon as all its columns are there, a condition can leave rows out.
            let due: Vec<&Expr> =
                needs.iter().filter(|(need, _)| *need > before && *need <= width).map(|(_, filter)| *filter).collect();
            let mut rows = Vec::new();
            for row in &all.rows {
                for added in &source.rows {
                    let row: Vec<Value> = row.iter().chain(added).cloned().collect();
                    if self.holds(&due, &scope.with_row(&all.columns, &row))? {
                        rows.push(row);
                    }
                }
            }
            all.rows = rows;
        }
        let due: Vec<&Expr> = needs
            .iter()
            .filter(|(need, _)| *need == 0 || *need > all.columns.len())
            .map(|(_, filter)| *filter)
            .collect();
        let mut rows = Vec::new();
        for row in std::mem::take(&mut all.rows) {
            if self.holds(&due, &scope.with_row(&all.columns, &row))? {
                rows.push(row);
            }
        }
        all.rows = rows;
        Ok(all)
    }

    fn holds(&self, conditions: &[&Expr], scope: &Scope<'_>) -> Result<bool> {
        for condition in conditions {
            if self.truth(condition, scope)? != Some(true) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// How many of the columns must be there before an expression can be evaluated; all of them, and one more, if it has a
    /// query inside.
    fn needs(expr: &Expr, columns: &[Column], scope: &Scope<'_>) -> Result<usize> {
        let mut need = 0;
        let mut failed = None;
        super::check::walk(expr, &mut |inner| match inner {
            Expr::InQuery { .. } | Expr::Exists(_) | Expr::Scalar(_) => need = usize::MAX,
            Expr::Name(path) => match Self::find(path, &scope.with_row(columns, &[])) {
                Ok(Some(Found::Here(at))) => need = need.max(at + 1),
                Ok(_) => {}
                Err(error) => failed = Some(error),
            },
            _ => {}
        });
        failed.map_or(Ok(need), Err)
    }

    pub(super) fn source(&self, from: &From, scope: &Scope<'_>) -> Result<Relation> {
        match from {
            From::Table { schema, name, alias } => {
                let relation = self.table(schema.as_deref(), name, scope)?;
                Ok(Relation::clone(&relation).under(Some(alias.as_ref().unwrap_or(name))))
            }
            From::Query { query, alias } => Ok(self.query(query, scope)?.under(alias.as_deref())),
            From::Join { left, right, kind, on } => {
                let (left, right) = (self.source(left, scope)?, self.source(right, scope)?);
                self.join(&left, &right, *kind, on.as_ref(), scope)
            }
        }
    }

    /// A named subquery, a table, a view, or a view of the dictionary.
    pub(super) fn table(&self, schema: Option<&str>, name: &str, scope: &Scope<'_>) -> Result<Rc<Relation>> {
        if schema.is_none()
            && let Some((_, relation)) = scope.ctes.iter().rev().find(|(cte, _)| cte == name)
        {
            return Ok(Rc::clone(relation));
        }
        let key = self.db.readable(self.who, schema, name)?;
        if let Some(relation) = self.read.borrow().get(&key) {
            return Ok(Rc::clone(relation));
        }
        let relation = Rc::new(self.db.relation(self.who, &key)?);
        self.read.borrow_mut().insert(key, Rc::clone(&relation));
        Ok(relation)
    }

    fn join(
        &self,
        left: &Relation,
        right: &Relation,
        kind: Join,
        on: Option<&Expr>,
        scope: &Scope<'_>,
    ) -> Result<Relation> {
        let columns: Vec<Column> = left.columns.iter().chain(&right.columns).cloned().collect();
        let (left_width, right_width) = (left.columns.len(), right.columns.len());
        let mut rows = Vec::new();
        let mut met = vec![false; right.rows.len()];
        for one in &left.rows {
            let mut any = false;
            for (two, met) in right.rows.iter().zip(&mut met) {
                let row: Vec<Value> = one.iter().chain(two).cloned().collect();
                let fits = match on {
                    Some(on) => self.truth(on, &scope.with_row(&columns, &row))? == Some(true),
                    None => true,
                };
                if fits {
                    any = true;
                    *met = true;
                    rows.push(row);
                }
            }
            if !any && kind == Join::Left {
                rows.push(one.iter().cloned().chain(std::iter::repeat_n(Value::Null, right_width)).collect());
            }
        }
        if kind == Join::Right {
            for (two, _) in right.rows.iter().zip(&met).filter(|(_, met)| !**met) {
                rows.push(std::iter::repeat_n(Value::Null, left_width).chain(two.iter().cloned()).collect());
            }
        }
        Ok(Relation { columns, rows })
    }
}
