//! CREATE, ALTER, DROP, SET ROLE.

use std::sync::Arc;

use super::Parser;
use crate::ast::{DefaultRoles, Identified, Statement, UserClauses};
use crate::error::{Result, fail, ora, unknown};
use crate::lex::Token;

impl Parser {
    pub(super) fn ddl(&mut self) -> Result<Statement> {
        if self.accept("CREATE") {
            return self.create();
        }
        if self.accept("DROP") {
            return self.drop();
        }
        if self.accept("SET ROLE") {
            return Ok(Statement::SetRole { roles: self.roles()? });
        }
        if self.accept("ALTER USER") {
            let name = self.user()?;
            return Ok(Statement::AlterUser { name, clauses: self.user_clauses()? });
        }
        if self.accept("ALTER PROFILE") {
            let name = self.name()?;
            return Ok(Statement::AlterProfile { name, limits: self.limits()? });
        }
        if self.accept("ALTER SYSTEM") {
            if !self.accept("KILL SESSION") {
                return unknown("this ALTER SYSTEM");
            }
            let Token::Text(session) = self.next() else { return fail(26, "missing or invalid session ID") };
            let immediate = self.accept("IMMEDIATE");
            if !immediate {
                self.accept("NOREPLAY");
            }
            return Ok(Statement::KillSession { session, immediate });
        }
        if self.accept("ALTER SESSION SET") {
            let mut settings = Vec::new();
            while *self.peek() != Token::End {
                let name = self.name()?;
                self.expect_symbol("=")?;
                let (Token::Text(value) | Token::Number(value) | Token::Word(value) | Token::Quoted(value)) =
                    self.next()
                else {
                    return fail(922, "missing or invalid option");
                };
                settings.push((name, value));
            }
            return Ok(Statement::AlterSession { settings });
        }
        unknown(match self.peek_after(1) {
            Token::Word(word) => word.clone(),
            _ => "this".to_owned(),
        })
    }

    /// `IF NOT EXISTS` and `IF EXISTS`: from 23ai on ("Changes in This Release").
    fn if_exists(&mut self, words: &str) -> bool {
        self.dialect.major >= 23 && self.accept(words)
    }

    fn create(&mut self) -> Result<Statement> {
        let replace = self.accept("OR REPLACE");
        if self.accept("USER") {
            let if_not_exists = self.if_exists("IF NOT EXISTS");
            let name = self.user()?;
            return Ok(Statement::CreateUser { name, if_not_exists, clauses: self.user_clauses()? });
        }
        if self.accept("ROLE") {
            let name = self.user()?;
            self.accept("NOT IDENTIFIED");
            return Ok(Statement::CreateRole { name });
        }
        if self.accept("PROFILE") {
            let name = self.name()?;
            return Ok(Statement::CreateProfile { name, limits: self.limits()? });
        }
        if self.accept("TABLE") {
            return self.create_table();
        }
        let force = self.accept("FORCE") || self.accept("NO FORCE");
        if self.accept("VIEW") {
            let name = self.object()?;
            let mut columns = Vec::new();
            if self.accept_symbol("(") {
                columns = self.list(Self::name)?;
                self.expect_symbol(")")?;
            }
            self.expect("AS")?;
            let query = Arc::new(self.query()?);
            self.accept("WITH READ ONLY");
            return Ok(Statement::CreateView { name, columns, query, replace });
        }
        let public = self.accept("PUBLIC");
        if !force && self.accept("SYNONYM") {
            let name = self.object()?;
            self.expect("FOR")?;
            return Ok(Statement::CreateSynonym { name, public, replace, target: self.object()? });
        }
        unknown("this CREATE")
    }

    fn create_table(&mut self) -> Result<Statement> {
        let name = self.object()?;
        let mut columns = Vec::new();
        if self.accept_symbol("(") {
            columns = self.list(|parser| {
                let column = parser.name()?;
                if !parser.is_symbol(",") && !parser.is_symbol(")") {
                    parser.data_type()?;
                    // Constraints are not kept.
                    while parser.accept("NOT NULL") || parser.accept("PRIMARY KEY") || parser.accept("NULL") {}
                }
                Ok(column)
            })?;
            self.expect_symbol(")")?;
        }
        if self.accept("TABLESPACE") {
            self.name()?;
        }
        let query = if self.accept("AS") { Some(Arc::new(self.query()?)) } else { None };
        Ok(Statement::CreateTable { name, columns, query })
    }

    fn drop(&mut self) -> Result<Statement> {
        if self.accept("USER") {
            let if_exists = self.if_exists("IF EXISTS");
            let name = self.user()?;
            return Ok(Statement::DropUser { name, if_exists, cascade: self.accept("CASCADE") });
        }
        if self.accept("ROLE") {
            return Ok(Statement::DropRole { name: self.user()? });
        }
        if self.accept("PROFILE") {
            let name = self.name()?;
            return Ok(Statement::DropProfile { name, cascade: self.accept("CASCADE") });
        }
        let public = self.accept("PUBLIC");
        let kind = match self.next() {
            Token::Word(word) if word == "TABLE" => "TABLE",
            Token::Word(word) if word == "VIEW" => "VIEW",
            Token::Word(word) if word == "SYNONYM" => "SYNONYM",
            _ => return unknown("this DROP"),
        };
        let if_exists = self.if_exists("IF EXISTS");
        let name = self.object()?;
        let cascade = self.accept("CASCADE CONSTRAINTS");
        let purge = kind == "TABLE" && self.accept("PURGE");
        Ok(Statement::Drop { kind, name, if_exists, cascade, purge, public })
    }

    /// `RESOURCE value` pairs, after LIMIT.
    fn limits(&mut self) -> Result<Vec<(String, String)>> {
        self.expect("LIMIT")?;
        let mut limits = Vec::new();
        while let Token::Word(resource) = self.peek().clone() {
            self.at += 1;
            let mut value = match self.next() {
                Token::Word(word) => word,
                Token::Number(number) => number,
                Token::Quoted(name) => name,
                _ => return fail(2377, "invalid profile limit"),
            };
            if self.accept_symbol("/") {
                let Token::Number(divisor) = self.next() else { return fail(2377, "invalid profile limit") };
                value = format!("{value}/{divisor}");
            }
            limits.push((resource, value));
        }
        if limits.is_empty() { fail(2369, "internal error: no limits") } else { Ok(limits) }
    }

    fn user_clauses(&mut self) -> Result<UserClauses> {
        let mut clauses = UserClauses::default();
        loop {
            if self.accept("IDENTIFIED BY VALUES") {
                let Token::Text(verifier) = self.next() else { return Err(no_password()) };
                clauses.identified = Some(Identified::Values(verifier));
            } else if self.accept("IDENTIFIED BY") {
                clauses.identified = Some(Identified::By(self.password()?));
                if self.accept("REPLACE") {
                    self.password()?;
                }
            } else if self.dialect.major >= 18 && self.accept("NO AUTHENTICATION") {
                clauses.identified = Some(Identified::Nothing);
            } else if self.accept("PROFILE") {
                clauses.profile = Some(self.profile()?);
            } else if self.accept("ACCOUNT LOCK") {
                clauses.lock = Some(true);
            } else if self.accept("ACCOUNT UNLOCK") {
                clauses.lock = Some(false);
            } else if self.accept("PASSWORD EXPIRE") {
                clauses.expire = true;
            } else if self.accept("DEFAULT TABLESPACE") {
                clauses.default_tablespace = Some(self.name()?);
            } else if self.accept("TEMPORARY TABLESPACE") {
                self.name()?;
            } else if self.accept("CONTAINER") {
                self.expect_symbol("=")?;
                if !self.accept("CURRENT") {
                    self.expect("ALL")?;
                }
            } else if self.accept("QUOTA") {
                let some = match self.next() {
                    Token::Word(word) if word == "UNLIMITED" => true,
                    Token::Number(number) => {
                        // `10M` comes as a number and a word.
                        if let Token::Word(unit) = self.peek()
                            && matches!(unit.as_str(), "K" | "M" | "G" | "T")
                        {
                            self.at += 1;
                        }
                        number != "0"
                    }
                    _ => return fail(922, "missing or invalid option"),
                };
                self.expect("ON")?;
                let tablespace = self.name()?;
                clauses.quotas.push((tablespace, some));
            } else if self.accept("DEFAULT ROLE") {
                clauses.default_roles = Some(self.roles()?);
            } else if *self.peek() == Token::End {
                return Ok(clauses);
            } else {
                return fail(922, "missing or invalid option");
            }
        }
    }

    /// DEFAULT is a profile's name here.
    fn profile(&mut self) -> Result<String> {
        if self.accept("DEFAULT") { Ok("DEFAULT".to_owned()) } else { self.name() }
    }

    /// A password is written like a name. Unquoted it stands as it is, in its own case; the simulator has lost that and takes
    /// only quoted ones.
    fn password(&mut self) -> Result<String> {
        let Token::Quoted(password) = self.next() else { return Err(no_password()) };
        // "Managing Security for Oracle Database Users": 30 bytes, and 1024 from 23ai on.
        let longest = if self.dialect.major >= 23 { 1024 } else { 30 };
        if password.len() > longest { fail(972, "identifier is too long") } else { Ok(password) }
    }

    fn roles(&mut self) -> Result<DefaultRoles> {
        if self.accept("NONE") {
            return Ok(DefaultRoles::None);
        }
        if self.accept("ALL") {
            let except = if self.accept("EXCEPT") { self.list(Self::user)? } else { Vec::new() };
            return Ok(DefaultRoles::All { except });
        }
        Ok(DefaultRoles::These(self.list(Self::user)?))
    }
}

fn no_password() -> crate::error::OraError {
    ora(988, "missing or invalid password(s)")
}
