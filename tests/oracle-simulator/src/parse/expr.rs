//! Expressions and conditions.

use std::sync::Arc;

use super::{Parser, RESERVED};
use crate::ast::{Arg, Expr, Order};
use crate::error::{Result, fail};
use crate::lex::Token;
use crate::value::Value;

const COMPARISONS: [&str; 8] = ["=", "<>", "!=", "^=", "<=", ">=", "<", ">"];

/// Data types that are told apart from a mistake.
const KNOWN: [&str; 22] = [
    "NUMBER",
    "INTEGER",
    "INT",
    "PLS_INTEGER",
    "BINARY_INTEGER",
    "VARCHAR2",
    "VARCHAR",
    "NVARCHAR2",
    "CHAR",
    "DATE",
    "TIMESTAMP",
    "CLOB",
    "BOOLEAN",
    "SMALLINT",
    "FLOAT",
    "NATURAL",
    "POSITIVE",
    "SIMPLE_INTEGER",
    "RAW",
    "LONG",
    "SYS_REFCURSOR",
    "DECIMAL",
];

/// Reserved words that are functions without arguments, or pseudo-columns.
const BARE: [&str; 7] = ["USER", "SYSDATE", "ROWNUM", "LEVEL", "ROWID", "UID", "DATE"];

impl Parser {
    pub(super) fn expr(&mut self) -> Result<Expr> {
        let mut left = self.and()?;
        while self.accept("OR") {
            left = binary("OR", left, self.and()?);
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Expr> {
        let mut left = self.not()?;
        while self.accept("AND") {
            left = binary("AND", left, self.not()?);
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Expr> {
        if self.accept("NOT") {
            return Ok(Expr::Not(Box::new(self.not()?)));
        }
        self.condition()
    }

    fn condition(&mut self) -> Result<Expr> {
        if self.accept("EXISTS") {
            self.expect_symbol("(")?;
            let query = self.query()?;
            self.expect_symbol(")")?;
            return Ok(Expr::Exists(Arc::new(query)));
        }
        let left = self.sum()?;
        if let Token::Symbol(symbol) = self.peek()
            && let Some(op) = COMPARISONS.iter().find(|op| *op == symbol)
        {
            self.at += 1;
            let op = if matches!(*op, "!=" | "^=") { "<>" } else { op };
            return Ok(binary(op, left, self.sum()?));
        }
        if self.accept("IS NOT NULL") {
            return Ok(Expr::IsNull(Box::new(left), true));
        }
        if self.accept("IS NULL") {
            return Ok(Expr::IsNull(Box::new(left), false));
        }
        let not = self.accept("NOT");
        let value = Box::new(left);
        if self.accept("LIKE") {
            let pattern = Box::new(self.sum()?);
            let escape = if self.accept("ESCAPE") { Some(Box::new(self.sum()?)) } else { None };
            return Ok(Expr::Like { text: value, pattern, escape, not });
        }
        if self.accept("BETWEEN") {
            let low = Box::new(self.sum()?);
            self.expect("AND")?;
            return Ok(Expr::Between { value, low, high: Box::new(self.sum()?), not });
        }
        if self.accept("IN") {
            self.expect_symbol("(")?;
            let found = if self.is("SELECT") || self.is("WITH") {
                Expr::InQuery { value, query: Arc::new(self.query()?), not }
            } else {
                Expr::InList { value, list: self.list(Self::expr)?, not }
            };
            self.expect_symbol(")")?;
            return Ok(found);
        }
        if not { Err(self.wrong(936, "missing expression")) } else { Ok(*value) }
    }

    fn sum(&mut self) -> Result<Expr> {
        let mut left = self.product()?;
        loop {
            let op = match self.peek() {
                Token::Symbol(op @ ("+" | "-" | "||")) => *op,
                _ => return Ok(left),
            };
            self.at += 1;
            left = binary(op, left, self.product()?);
        }
    }

    fn product(&mut self) -> Result<Expr> {
        let mut left = self.unary()?;
        loop {
            let op = match self.peek() {
                Token::Symbol(op @ ("*" | "/")) => *op,
                _ => return Ok(left),
            };
            self.at += 1;
            left = binary(op, left, self.unary()?);
        }
    }

    fn unary(&mut self) -> Result<Expr> {
        if self.accept_symbol("-") {
            return Ok(Expr::Negative(Box::new(self.unary()?)));
        }
        if self.accept_symbol("+") {
            return self.unary();
        }
        if self.accept("PRIOR") {
            return Ok(Expr::Prior(Box::new(self.unary()?)));
        }
        if self.accept("CONNECT_BY_ROOT") {
            return fail(900, "invalid SQL statement (the simulator does not know CONNECT_BY_ROOT)");
        }
        self.primary()
    }

    fn primary(&mut self) -> Result<Expr> {
        match self.peek().clone() {
            Token::Text(text) => {
                self.at += 1;
                Ok(Expr::Literal(Value::text(text)))
            }
            Token::Number(digits) => {
                self.at += 1;
                match digits.parse() {
                    Ok(number) => Ok(Expr::Literal(Value::Number(number))),
                    Err(_) => fail(1426, "numeric overflow"),
                }
            }
            Token::Bind(name) => {
                self.at += 1;
                Ok(Expr::Bind(name))
            }
            Token::Symbol("(") => self.parenthesis(),
            Token::Word(word) if word == "CASE" => self.case(),
            Token::Word(word) if word == "NULL" => self.constant(Value::Null),
            Token::Word(word) if word == "TRUE" && (self.in_block || self.dialect.major >= 23) => {
                self.constant(Value::Bool(true))
            }
            Token::Word(word) if word == "FALSE" && (self.in_block || self.dialect.major >= 23) => {
                self.constant(Value::Bool(false))
            }
            Token::Word(word) if RESERVED.contains(&word.as_str()) && !BARE.contains(&word.as_str()) => {
                Err(self.wrong(936, "missing expression"))
            }
            Token::Word(_) | Token::Quoted(_) => self.named(),
            _ => Err(self.wrong(936, "missing expression")),
        }
    }

    fn constant(&mut self, value: Value) -> Result<Expr> {
        self.at += 1;
        Ok(Expr::Literal(value))
    }

    fn parenthesis(&mut self) -> Result<Expr> {
        self.expect_symbol("(")?;
        if self.is("SELECT") || self.is("WITH") {
            let query = self.query()?;
            self.expect_symbol(")")?;
            return Ok(Expr::Scalar(Arc::new(query)));
        }
        let mut items = self.list(Self::expr)?;
        self.expect_symbol(")")?;
        match (items.len(), items.pop()) {
            (1, Some(only)) => Ok(only),
            (_, last) => {
                items.extend(last);
                Ok(Expr::Row(items))
            }
        }
    }

    fn case(&mut self) -> Result<Expr> {
        self.expect("CASE")?;
        let operand = if self.is("WHEN") { None } else { Some(Box::new(self.expr()?)) };
        let mut whens = Vec::new();
        while self.accept("WHEN") {
            let when = self.expr()?;
            self.expect("THEN")?;
            whens.push((when, self.expr()?));
        }
        let otherwise = if self.accept("ELSE") { Some(Box::new(self.expr()?)) } else { None };
        self.expect("END")?;
        Ok(Expr::Case { operand, whens, otherwise })
    }

    /// A column, a variable, or a call.
    fn named(&mut self) -> Result<Expr> {
        let mut path = vec![self.part()?];
        while self.is_symbol(".") && !matches!(self.peek_after(1), Token::Symbol("*")) {
            self.at += 1;
            path.push(self.part()?);
        }
        if self.is_symbol("%")
            && let (Some(cursor), Token::Word(attribute)) = (path.first(), self.peek_after(1).clone())
        {
            self.at += 2;
            return Ok(Expr::Attribute(cursor.clone(), attribute));
        }
        if !self.is_symbol("(") {
            return Ok(Expr::Name(path));
        }
        if self.dialect.major >= 11 && matches!(self.peek_after(1), Token::Symbol("+")) {
            return fail(900, "invalid SQL statement (the simulator does not know outer joins by (+))");
        }
        self.at += 1;
        if path.len() == 1 && path.first().is_some_and(|name| name == "CAST") {
            let value = self.expr()?;
            self.expect("AS")?;
            let kind = self.data_type()?;
            self.expect_symbol(")")?;
            let kind = Expr::Literal(Value::text(kind));
            let args = [value, kind].map(|value| Arg { name: None, value }).into();
            return Ok(Expr::Call { path, args, distinct: false, star: false, order: Vec::new() });
        }
        let distinct = self.accept("DISTINCT");
        let star = self.accept_symbol("*");
        let args = if star || self.is_symbol(")") { Vec::new() } else { self.list(Self::arg)? };
        self.expect_symbol(")")?;
        let mut order = Vec::new();
        if self.accept("WITHIN GROUP") {
            self.expect_symbol("(")?;
            self.expect("ORDER BY")?;
            order = self.list(Self::order_item)?;
            self.expect_symbol(")")?;
        }
        if self.is("OVER") {
            return fail(900, "invalid SQL statement (the simulator does not know analytic functions)");
        }
        Ok(Expr::Call { path, args, distinct, star, order })
    }

    /// One name of several with dots between them; here a reserved word is one only where it is a function.
    fn part(&mut self) -> Result<String> {
        match self.peek() {
            Token::Word(word) if BARE.contains(&word.as_str()) => {
                let word = word.clone();
                self.at += 1;
                Ok(word)
            }
            _ => self.name(),
        }
    }

    pub(super) fn arg(&mut self) -> Result<Arg> {
        if matches!(self.peek_after(1), Token::Symbol("=>")) {
            let name = self.name()?;
            self.at += 1;
            return Ok(Arg { name: Some(name), value: self.expr()? });
        }
        Ok(Arg { name: None, value: self.expr()? })
    }

    pub(super) fn order_item(&mut self) -> Result<Order> {
        let expr = self.expr()?;
        let descending = !self.accept("ASC") && self.accept("DESC");
        let nulls_first = if self.accept("NULLS FIRST") {
            Some(true)
        } else if self.accept("NULLS LAST") {
            Some(false)
        } else {
            None
        };
        Ok(Order { expr, descending, nulls_first })
    }

    /// A data type, of which only the name is kept.
    pub(super) fn data_type(&mut self) -> Result<String> {
        let Token::Word(mut kind) = self.next() else { return Err(self.wrong(902, "invalid datatype")) };
        if self.accept_symbol(".") {
            // Such as DBMS_ID, DBMS_QUOTED_ID, or table.column%TYPE.
            kind = self.name()?;
            if self.accept_symbol(".") {
                kind = self.name()?;
            }
            self.expect_symbol("%")?;
            self.expect("TYPE")?;
            return Ok(kind);
        }
        if self.accept_symbol("%") {
            if !self.accept("TYPE") {
                self.expect("ROWTYPE")?;
            }
            return Ok(kind);
        }
        if !KNOWN.contains(&kind.as_str()) && !matches!(kind.as_str(), "DBMS_ID" | "DBMS_QUOTED_ID") {
            return Err(self.wrong(902, "invalid datatype"));
        }
        if self.accept_symbol("(") {
            while !self.accept_symbol(")") {
                if self.next() == Token::End {
                    return Err(self.wrong(907, "missing right parenthesis"));
                }
            }
        }
        if kind == "TIMESTAMP" {
            self.accept("WITH TIME ZONE");
            self.accept("WITH LOCAL TIME ZONE");
        }
        Ok(kind)
    }
}

fn binary(op: &'static str, left: Expr, right: Expr) -> Expr {
    Expr::Binary(op, Box::new(left), Box::new(right))
}
