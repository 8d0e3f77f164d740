//! From text to statements, by recursive descent. What is not known is an error.

mod block;
mod ddl;
mod expr;
mod grant;
mod query;

use std::sync::Arc;

use crate::ast::{ObjectName, Statement};
use crate::error::{OraError, Result, fail, ora, unknown};
use crate::lex::{Token, tokens};

/// What decides how a statement is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dialect {
    /// The longest name, in bytes: 30 if COMPATIBLE is below 12.2 ("Database Object Naming Rules").
    pub(crate) longest_name: usize,
    pub(crate) major: u32,
}

/// Reads one statement.
pub(crate) fn statement(text: &str, dialect: Dialect) -> Result<Statement> {
    Parser { tokens: tokens(text)?, at: 0, dialect, in_block: false }.whole_statement()
}

pub(crate) struct Parser {
    tokens: Vec<Token>,
    at: usize,
    dialect: Dialect,
    /// In PL/SQL, where a semicolon ends what in SQL nothing ends.
    in_block: bool,
}

/// Words that are no names unless they are quoted ("Oracle SQL Reserved Words").
const RESERVED: [&str; 96] = [
    "ACCESS",
    "ADD",
    "ALL",
    "ALTER",
    "AND",
    "ANY",
    "AS",
    "ASC",
    "AUDIT",
    "BETWEEN",
    "BY",
    "CHAR",
    "CHECK",
    "CLUSTER",
    "COLUMN",
    "COMMENT",
    "COMPRESS",
    "CONNECT",
    "CREATE",
    "CURRENT",
    "DATE",
    "DECIMAL",
    "DEFAULT",
    "DELETE",
    "DESC",
    "DISTINCT",
    "DROP",
    "ELSE",
    "EXCLUSIVE",
    "EXISTS",
    "FILE",
    "FLOAT",
    "FOR",
    "FROM",
    "GRANT",
    "GROUP",
    "HAVING",
    "IDENTIFIED",
    "IMMEDIATE",
    "IN",
    "INCREMENT",
    "INDEX",
    "INITIAL",
    "INSERT",
    "INTEGER",
    "INTERSECT",
    "INTO",
    "IS",
    "LEVEL",
    "LIKE",
    "LOCK",
    "LONG",
    "MAXEXTENTS",
    "MINUS",
    "MODE",
    "MODIFY",
    "NOAUDIT",
    "NOT",
    "NOWAIT",
    "NULL",
    "NUMBER",
    "OF",
    "OFFLINE",
    "ON",
    "ONLINE",
    "OPTION",
    "OR",
    "ORDER",
    "PCTFREE",
    "PRIOR",
    "PUBLIC",
    "RAW",
    "RENAME",
    "RESOURCE",
    "REVOKE",
    "ROW",
    "ROWID",
    "ROWNUM",
    "SELECT",
    "SESSION",
    "SET",
    "SHARE",
    "SIZE",
    "SMALLINT",
    "START",
    "SYSDATE",
    "TABLE",
    "THEN",
    "TO",
    "TRIGGER",
    "UNION",
    "UNIQUE",
    "UPDATE",
    "USER",
    "VALUES",
    "VARCHAR2",
];

impl Parser {
    fn peek(&self) -> &Token {
        self.tokens.get(self.at).unwrap_or(&Token::End)
    }

    fn peek_after(&self, ahead: usize) -> &Token {
        self.tokens.get(self.at + ahead).unwrap_or(&Token::End)
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn is(&self, word: &str) -> bool {
        matches!(self.peek(), Token::Word(found) if found == word)
    }

    fn is_symbol(&self, symbol: &str) -> bool {
        matches!(self.peek(), Token::Symbol(found) if *found == symbol)
    }

    /// Takes these words if all of them come next.
    fn accept(&mut self, words: &str) -> bool {
        let all = words
            .split(' ')
            .enumerate()
            .all(|(i, word)| matches!(self.peek_after(i), Token::Word(found) if found == word));
        if all {
            self.at += words.split(' ').count();
        }
        all
    }

    fn accept_symbol(&mut self, symbol: &str) -> bool {
        let is = self.is_symbol(symbol);
        self.at += usize::from(is);
        is
    }

    fn expect(&mut self, words: &str) -> Result<()> {
        if self.accept(words) { Ok(()) } else { Err(self.wrong(905, "missing keyword")) }
    }

    fn expect_symbol(&mut self, symbol: &str) -> Result<()> {
        if self.accept_symbol(symbol) {
            return Ok(());
        }
        Err(match symbol {
            ")" => self.wrong(907, "missing right parenthesis"),
            "(" => self.wrong(906, "missing left parenthesis"),
            "," => self.wrong(917, "missing comma"),
            _ => self.wrong(900, "invalid SQL statement"),
        })
    }

    /// The same mistake has other numbers in PL/SQL.
    fn wrong(&self, code: u32, text: &str) -> OraError {
        if self.in_block {
            let symbol = match self.peek() {
                Token::End => "end-of-file".to_owned(),
                Token::Word(word) => word.clone(),
                Token::Symbol(symbol) => (*symbol).to_owned(),
                // Never what may be a secret.
                _ => "a literal or name".to_owned(),
            };
            return ora(6550, format!("line 1, column 1:\nPLS-00103: Encountered the symbol \"{symbol}\" ({text})"));
        }
        ora(code, text)
    }

    /// The end of a statement. In SQL, a semicolon is no part of it.
    fn end(&mut self) -> Result<()> {
        match self.peek() {
            Token::End => Ok(()),
            Token::Symbol(";") => fail(911, "invalid character"),
            _ => fail(933, "SQL command not properly ended"),
        }
    }

    /// A name: unquoted in upper case, quoted as it stands.
    fn name(&mut self) -> Result<String> {
        let name = match self.peek() {
            Token::Quoted(name) => name.clone(),
            Token::Word(word) if !RESERVED.contains(&word.as_str()) => word.clone(),
            _ => return Err(self.wrong(904, "invalid identifier")),
        };
        self.at += 1;
        self.fits(name)
    }

    fn fits(&self, name: String) -> Result<String> {
        if name.len() > self.dialect.longest_name {
            return fail(972, "identifier is too long");
        }
        Ok(name)
    }

    /// A table's or another object's name.
    fn object(&mut self) -> Result<ObjectName> {
        let invalid = |error: OraError| if error.code == 904 { ora(903, "invalid table name") } else { error };
        let first = self.name().map_err(invalid)?;
        if self.accept_symbol(".") {
            return Ok(ObjectName { schema: Some(first), name: self.name().map_err(invalid)? });
        }
        Ok(ObjectName { schema: None, name: first })
    }

    /// A user's or a role's name.
    fn user(&mut self) -> Result<String> {
        if self.accept("PUBLIC") {
            return Ok("PUBLIC".to_owned());
        }
        self.name().map_err(|error| if error.code == 904 { ora(1935, "missing user or role name") } else { error })
    }

    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let mut items = vec![item(self)?];
        while self.accept_symbol(",") {
            items.push(item(self)?);
        }
        Ok(items)
    }

    fn whole_statement(&mut self) -> Result<Statement> {
        if self.is("BEGIN") || self.is("DECLARE") || self.is_symbol("<<") {
            self.in_block = true;
            let block = self.block()?;
            self.accept_symbol(";");
            if *self.peek() != Token::End {
                return Err(self.wrong(900, "after the block's end"));
            }
            return Ok(Statement::Block(Arc::new(block)));
        }
        let statement = self.sql()?;
        self.end()?;
        Ok(statement)
    }

    /// One SQL statement, without what follows.
    fn sql(&mut self) -> Result<Statement> {
        let first = match self.peek() {
            Token::Word(word) => word.clone(),
            Token::Symbol("(") => "SELECT".to_owned(),
            _ => return unknown("a statement that begins so"),
        };
        match first.as_str() {
            "SELECT" | "WITH" => Ok(Statement::Query(Arc::new(self.query()?))),
            "INSERT" | "UPDATE" | "DELETE" => self.dml(),
            "COMMIT" => {
                self.at += 1;
                self.accept("WORK");
                Ok(Statement::Commit)
            }
            "ROLLBACK" => {
                self.at += 1;
                self.accept("WORK");
                Ok(Statement::Rollback)
            }
            "GRANT" => self.grant(),
            "REVOKE" => self.revoke(),
            "CREATE" | "ALTER" | "DROP" | "SET" => self.ddl(),
            other => unknown(other),
        }
    }
}
