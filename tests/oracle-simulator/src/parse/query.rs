//! Queries, and statements that change rows.

use std::sync::Arc;

use super::Parser;
use crate::ast::{Body, Cte, From, Item, Join, Query, Select, SetOp, Statement};
use crate::error::{Result, fail, unknown};
use crate::lex::Token;

/// Words that follow a table or an expression, and so are no alias.
const FOLLOWS: [&str; 27] = [
    "FROM",
    "WHERE",
    "GROUP",
    "HAVING",
    "ORDER",
    "CONNECT",
    "START",
    "UNION",
    "INTERSECT",
    "MINUS",
    "EXCEPT",
    "FETCH",
    "OFFSET",
    "FOR",
    "ON",
    "USING",
    "JOIN",
    "INNER",
    "LEFT",
    "RIGHT",
    "FULL",
    "CROSS",
    "NATURAL",
    "INTO",
    "BULK",
    "SET",
    "LOOP",
];

impl Parser {
    pub(super) fn query(&mut self) -> Result<Query> {
        let mut with = Vec::new();
        if self.accept("WITH") {
            with = self.list(|parser| {
                let name = parser.name()?;
                let mut columns = Vec::new();
                if parser.accept_symbol("(") {
                    columns = parser.list(Self::name)?;
                    parser.expect_symbol(")")?;
                }
                parser.expect("AS")?;
                parser.expect_symbol("(")?;
                let query = Arc::new(parser.query()?);
                parser.expect_symbol(")")?;
                Ok(Cte { name, columns, query })
            })?;
        }
        let mut into = Vec::new();
        let body = self.body(&mut into)?;
        let order = if self.accept("ORDER BY") { self.list(Self::order_item)? } else { Vec::new() };
        let (mut offset, mut fetch) = (None, None);
        // "SELECT", row_limiting_clause: from 12.1 on.
        if (self.is("OFFSET") || self.is("FETCH")) && self.dialect.major < 12 {
            return fail(933, "SQL command not properly ended");
        }
        if self.accept("OFFSET") {
            offset = Some(self.expr()?);
            self.expect_one(&["ROWS", "ROW"])?;
        }
        if self.accept("FETCH") {
            self.expect_one(&["FIRST", "NEXT"])?;
            fetch = Some(self.expr()?);
            self.expect_one(&["ROWS", "ROW"])?;
            self.expect("ONLY")?;
        }
        let mut for_update = false;
        if self.accept("FOR UPDATE") {
            for_update = true;
            self.accept("NOWAIT");
        }
        Ok(Query { with, body, order, offset, fetch, for_update, into })
    }

    fn expect_one(&mut self, words: &[&str]) -> Result<()> {
        if words.iter().any(|word| self.accept(word)) { Ok(()) } else { Err(self.wrong(905, "missing keyword")) }
    }

    fn body(&mut self, into: &mut Vec<crate::ast::Expr>) -> Result<Body> {
        let mut left = self.term(into)?;
        loop {
            let op = if self.accept("UNION ALL") {
                SetOp::UnionAll
            } else if self.accept("UNION") {
                SetOp::Union
            } else if self.accept("INTERSECT") {
                SetOp::Intersect
            } else if self.accept("MINUS") || (self.dialect.major >= 21 && self.accept("EXCEPT")) {
                SetOp::Minus
            } else {
                return Ok(left);
            };
            left = Body::Set(op, Box::new(left), Box::new(self.term(into)?));
        }
    }

    fn term(&mut self, into: &mut Vec<crate::ast::Expr>) -> Result<Body> {
        if self.accept_symbol("(") {
            let query = self.query()?;
            self.expect_symbol(")")?;
            return Ok(Body::Nested(Box::new(query)));
        }
        self.expect("SELECT")?;
        let distinct = self.accept("DISTINCT") || self.accept("UNIQUE");
        if !distinct {
            self.accept("ALL");
        }
        let items = self.list(Self::item)?;
        if self.in_block && self.accept("INTO") {
            *into = self.list(Self::expr)?;
        }
        let mut select = Select {
            distinct,
            items,
            from: Vec::new(),
            filter: None,
            start: None,
            connect: None,
            nocycle: false,
            group: Vec::new(),
            having: None,
        };
        if self.accept("FROM") {
            select.from = self.list(Self::from)?;
        } else if self.dialect.major < 23 {
            // "SELECT": the FROM clause is optional from 23ai on.
            return Err(self.wrong(923, "FROM keyword not found where expected"));
        }
        if self.accept("WHERE") {
            select.filter = Some(self.expr()?);
        }
        loop {
            if self.accept("START WITH") {
                select.start = Some(self.expr()?);
            } else if self.accept("CONNECT BY") {
                select.nocycle = self.accept("NOCYCLE");
                select.connect = Some(self.expr()?);
            } else {
                break;
            }
        }
        if self.accept("GROUP BY") {
            select.group = self.list(Self::expr)?;
        }
        if self.accept("HAVING") {
            select.having = Some(self.expr()?);
        }
        Ok(Body::Select(Box::new(select)))
    }

    fn item(&mut self) -> Result<Item> {
        if self.accept_symbol("*") {
            return Ok(Item::Star(None));
        }
        if matches!(self.peek_after(1), Token::Symbol(".")) && matches!(self.peek_after(2), Token::Symbol("*")) {
            let alias = self.name()?;
            self.at += 2;
            return Ok(Item::Star(Some(alias)));
        }
        let expr = self.expr()?;
        let alias = if self.accept("AS") { Some(self.name()?) } else { self.alias()? };
        Ok(Item::Expr(expr, alias))
    }

    fn alias(&mut self) -> Result<Option<String>> {
        match self.peek() {
            Token::Quoted(_) => self.name().map(Some),
            Token::Word(word) if !FOLLOWS.contains(&word.as_str()) && !super::RESERVED.contains(&word.as_str()) => {
                self.name().map(Some)
            }
            _ => Ok(None),
        }
    }

    fn from(&mut self) -> Result<From> {
        let mut left = self.source()?;
        loop {
            let kind = if self.accept("CROSS JOIN") {
                let right = Box::new(self.source()?);
                left = From::Join { left: Box::new(left), right, kind: Join::Inner, on: None };
                continue;
            } else if self.accept("INNER JOIN") || self.accept("JOIN") {
                Join::Inner
            } else if self.accept("LEFT OUTER JOIN") || self.accept("LEFT JOIN") {
                Join::Left
            } else if self.accept("RIGHT OUTER JOIN") || self.accept("RIGHT JOIN") {
                Join::Right
            } else if self.is("FULL") || self.is("NATURAL") {
                return unknown("FULL and NATURAL joins");
            } else {
                return Ok(left);
            };
            let right = Box::new(self.source()?);
            self.expect("ON")?;
            let on = Some(self.expr()?);
            left = From::Join { left: Box::new(left), right, kind, on };
        }
    }

    fn source(&mut self) -> Result<From> {
        if self.accept("TABLE") || self.accept("LATERAL") || self.accept("XMLTABLE") || self.accept("JSON_TABLE") {
            return unknown("tables out of expressions");
        }
        if self.accept_symbol("(") {
            if !self.is("SELECT") && !self.is("WITH") && !self.is_symbol("(") {
                let inner = self.from()?;
                self.expect_symbol(")")?;
                return Ok(inner);
            }
            let query = Arc::new(self.query()?);
            self.expect_symbol(")")?;
            return Ok(From::Query { query, alias: self.alias()? });
        }
        let object = self.object()?;
        if self.is_symbol("@") {
            return unknown("database links");
        }
        Ok(From::Table { schema: object.schema, name: object.name, alias: self.alias()? })
    }

    pub(super) fn dml(&mut self) -> Result<Statement> {
        if self.accept("INSERT INTO") {
            let table = self.object()?;
            let mut columns = Vec::new();
            if self.accept_symbol("(") {
                columns = self.list(Self::name)?;
                self.expect_symbol(")")?;
            }
            let (mut rows, mut query) = (Vec::new(), None);
            if self.accept("VALUES") {
                rows = self.list(|parser| {
                    parser.expect_symbol("(")?;
                    let row = parser.list(Self::expr)?;
                    parser.expect_symbol(")")?;
                    Ok(row)
                })?;
                // "INSERT", values_clause: several rows from 23ai on.
                if rows.len() > 1 && self.dialect.major < 23 {
                    return fail(933, "SQL command not properly ended");
                }
            } else {
                query = Some(Arc::new(self.query()?));
            }
            return Ok(Statement::Insert { table, columns, rows, query });
        }
        if self.accept("UPDATE") {
            let table = self.object()?;
            let alias = self.alias()?;
            self.expect("SET")?;
            let set = self.list(|parser| {
                let column = parser.name()?;
                parser.expect_symbol("=")?;
                Ok((column, parser.expr()?))
            })?;
            let filter = if self.accept("WHERE") { Some(self.expr()?) } else { None };
            return Ok(Statement::Update { table, alias, set, filter });
        }
        self.expect("DELETE")?;
        self.accept("FROM");
        let table = self.object()?;
        let alias = self.alias()?;
        let filter = if self.accept("WHERE") { Some(self.expr()?) } else { None };
        Ok(Statement::Delete { table, alias, filter })
    }
}
