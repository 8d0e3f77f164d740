//! Anonymous PL/SQL blocks ("PL/SQL Language Reference", "PL/SQL Language Elements").

use std::sync::Arc;

use super::Parser;
use crate::ast::{Block, Declared, Expr, Step};
use crate::error::{Result, compile};
use crate::lex::Token;

impl Parser {
    /// From DECLARE or BEGIN to END and its label, without the semicolon.
    pub(super) fn block(&mut self) -> Result<Block> {
        let mut declared = Vec::new();
        if self.accept("DECLARE") {
            declared = self.declarations()?;
        }
        self.block_body(declared)
    }

    fn block_body(&mut self, declared: Vec<Declared>) -> Result<Block> {
        self.must("BEGIN")?;
        let body = self.steps(&["END", "EXCEPTION"])?;
        let mut handlers = Vec::new();
        if self.accept("EXCEPTION") {
            while self.accept("WHEN") {
                let mut names = vec![self.exception()?];
                while self.accept("OR") {
                    names.push(self.exception()?);
                }
                self.must("THEN")?;
                handlers.push((names, self.steps(&["WHEN", "END"])?));
            }
        }
        self.must("END")?;
        if matches!(self.peek(), Token::Word(_) | Token::Quoted(_)) {
            self.name()?;
        }
        Ok(Block { declared, body, handlers })
    }

    fn must(&mut self, words: &str) -> Result<()> {
        if self.accept(words) { Ok(()) } else { Err(self.wrong(900, &format!("{words} expected"))) }
    }

    fn semicolon(&mut self) -> Result<()> {
        if self.accept_symbol(";") { Ok(()) } else { Err(self.wrong(900, "; expected")) }
    }

    fn exception(&mut self) -> Result<String> {
        if self.accept("OTHERS") { Ok("OTHERS".to_owned()) } else { self.name() }
    }

    fn declarations(&mut self) -> Result<Vec<Declared>> {
        let mut declared = Vec::new();
        while !self.is("BEGIN") {
            declared.push(self.declaration()?);
            self.semicolon()?;
        }
        Ok(declared)
    }

    fn declaration(&mut self) -> Result<Declared> {
        if self.accept("PRAGMA EXCEPTION_INIT") {
            self.expect_symbol("(")?;
            let name = self.name()?;
            self.expect_symbol(",")?;
            let minus = self.accept_symbol("-");
            let Token::Number(digits) = self.next() else { return Err(self.wrong(900, "a number expected")) };
            self.expect_symbol(")")?;
            let number: i128 = digits.parse().unwrap_or_default();
            return Ok(Declared::ExceptionInit(name, if minus { -number } else { number }));
        }
        if self.accept("CURSOR") {
            let name = self.name()?;
            self.must("IS")?;
            return Ok(Declared::Cursor(name, Arc::new(self.query()?)));
        }
        let function = self.accept("FUNCTION");
        if function || self.accept("PROCEDURE") {
            return self.subprogram(function);
        }
        let name = self.name()?;
        if self.accept("EXCEPTION") {
            return Ok(Declared::Exception(name));
        }
        let constant = self.accept("CONSTANT");
        self.data_type()?;
        self.accept("NOT NULL");
        let init = if self.accept_symbol(":=") || self.accept("DEFAULT") { Some(self.expr()?) } else { None };
        Ok(Declared::Variable { name, init, constant })
    }

    fn subprogram(&mut self, function: bool) -> Result<Declared> {
        let name = self.name()?;
        let mut params = Vec::new();
        if self.accept_symbol("(") {
            params = self.list(|parser| {
                let name = parser.name()?;
                parser.accept("IN");
                let out = parser.accept("OUT");
                parser.data_type()?;
                Ok((name, out))
            })?;
            self.expect_symbol(")")?;
        }
        if function {
            self.must("RETURN")?;
            self.data_type()?;
        }
        if !self.accept("IS") {
            self.must("AS")?;
        }
        let declared = self.declarations()?;
        Ok(Declared::Procedure { name, params, function, body: Arc::new(self.block_body(declared)?) })
    }

    fn steps(&mut self, until: &[&str]) -> Result<Vec<Step>> {
        let mut steps = Vec::new();
        while !until.iter().any(|word| self.is(word)) {
            if *self.peek() == Token::End {
                return Err(self.wrong(900, "unfinished"));
            }
            steps.push(self.step()?);
            self.semicolon()?;
        }
        if steps.is_empty() {
            return Err(self.wrong(900, "a statement expected"));
        }
        Ok(steps)
    }

    fn step(&mut self) -> Result<Step> {
        if self.accept_symbol("<<") {
            self.name()?;
            self.expect_symbol(">>")?;
        }
        let first = match self.peek() {
            Token::Word(word) => word.clone(),
            _ => String::new(),
        };
        match first.as_str() {
            "NULL" => {
                self.at += 1;
                Ok(Step::Null)
            }
            "IF" => self.choice(),
            "LOOP" => {
                self.at += 1;
                Ok(Step::Loop(self.loop_body()?))
            }
            "WHILE" => {
                self.at += 1;
                let condition = self.expr()?;
                self.must("LOOP")?;
                Ok(Step::While(condition, self.loop_body()?))
            }
            "FOR" => self.for_loop(),
            "EXIT" | "CONTINUE" => {
                self.at += 1;
                let when = if self.accept("WHEN") { Some(self.expr()?) } else { None };
                Ok(if first == "EXIT" { Step::Exit(when) } else { Step::Continue(when) })
            }
            "RAISE" => {
                self.at += 1;
                let name = if self.is_symbol(";") { None } else { Some(self.name()?) };
                Ok(Step::Raise(name))
            }
            "RETURN" => {
                self.at += 1;
                Ok(Step::Return(if self.is_symbol(";") { None } else { Some(self.expr()?) }))
            }
            "BEGIN" | "DECLARE" => Ok(Step::Block(Arc::new(self.block()?))),
            "EXECUTE" => self.execute(),
            "SELECT" | "WITH" => Ok(Step::Select(Arc::new(self.query()?))),
            "INSERT" | "UPDATE" | "DELETE" | "COMMIT" | "ROLLBACK" => Ok(Step::Sql(Box::new(self.sql()?))),
            // DDL and DCL are no PL/SQL: they need EXECUTE IMMEDIATE ("Dynamic SQL").
            "CREATE" | "ALTER" | "DROP" | "GRANT" | "REVOKE" | "SET" => Err(self.wrong(900, "not in PL/SQL")),
            _ => self.assignment_or_call(),
        }
    }

    fn assignment_or_call(&mut self) -> Result<Step> {
        if let Token::Bind(_) = self.peek() {
            // A bind that takes a value back: the seam has none.
            return compile("the simulator has no binds that take values back");
        }
        let mut path = vec![self.name()?];
        while self.accept_symbol(".") {
            path.push(self.name()?);
        }
        if self.accept_symbol(":=") {
            return Ok(Step::Assign(Expr::Name(path), self.expr()?));
        }
        let mut args = Vec::new();
        if self.accept_symbol("(") {
            if !self.is_symbol(")") {
                args = self.list(Self::arg)?;
            }
            self.expect_symbol(")")?;
        }
        Ok(Step::Call(path, args))
    }

    fn choice(&mut self) -> Result<Step> {
        self.must("IF")?;
        let mut branches = Vec::new();
        loop {
            let condition = self.expr()?;
            self.must("THEN")?;
            branches.push((condition, self.steps(&["ELSIF", "ELSE", "END"])?));
            if !self.accept("ELSIF") {
                break;
            }
        }
        let otherwise = if self.accept("ELSE") { self.steps(&["END"])? } else { Vec::new() };
        self.must("END IF")?;
        Ok(Step::If(branches, otherwise))
    }

    fn loop_body(&mut self) -> Result<Vec<Step>> {
        let body = self.steps(&["END"])?;
        self.must("END LOOP")?;
        if matches!(self.peek(), Token::Word(_)) {
            self.name()?;
        }
        Ok(body)
    }

    fn for_loop(&mut self) -> Result<Step> {
        self.must("FOR")?;
        let variable = self.name()?;
        self.must("IN")?;
        if self.is_symbol("(") && matches!(self.peek_after(1), Token::Word(word) if word == "SELECT" || word == "WITH")
        {
            self.expect_symbol("(")?;
            let query = Arc::new(self.query()?);
            self.expect_symbol(")")?;
            self.must("LOOP")?;
            return Ok(Step::ForQuery { variable, query, body: self.loop_body()? });
        }
        let reverse = self.accept("REVERSE");
        let low = self.expr()?;
        if let Expr::Name(path) = &low
            && let [cursor] = path.as_slice()
            && self.accept("LOOP")
        {
            return Ok(Step::ForCursor { variable, cursor: cursor.clone(), body: self.loop_body()? });
        }
        self.expect_symbol("..")?;
        let high = self.expr()?;
        self.must("LOOP")?;
        Ok(Step::ForRange { variable, reverse, low, high, body: self.loop_body()? })
    }

    fn execute(&mut self) -> Result<Step> {
        self.must("EXECUTE IMMEDIATE")?;
        let text = self.expr()?;
        let into = if self.accept("INTO") { self.list(Self::expr)? } else { Vec::new() };
        let mut using = Vec::new();
        if self.accept("USING") {
            using = self.list(|parser| {
                parser.accept("IN");
                parser.expr()
            })?;
        }
        Ok(Step::Execute { text, into, using })
    }
}
