//! GRANT and REVOKE.

use super::Parser;
use crate::ast::{ObjectPrivilege, Statement};
use crate::error::{Result, fail};
use crate::lex::Token;

/// What is to be granted, before it is known whether ON follows.
struct Privilege {
    words: String,
    quoted: bool,
    columns: Vec<String>,
}

impl Parser {
    pub(super) fn grant(&mut self) -> Result<Statement> {
        self.expect("GRANT")?;
        let privileges = self.list(Self::privilege)?;
        if self.accept("ON SCHEMA") {
            // "GRANT": schema privileges, from 23ai on.
            let schema = self.name()?;
            self.expect("TO")?;
            let privileges = privileges.into_iter().map(|privilege| privilege.words).collect();
            return Ok(Statement::GrantSchema { privileges, schema, to: self.list(Self::user)? });
        }
        if self.accept("ON") {
            let on = self.object()?;
            self.expect("TO")?;
            let to = self.list(Self::user)?;
            let hierarchy = self.accept("WITH HIERARCHY OPTION");
            let grant_option = self.accept("WITH GRANT OPTION");
            return Ok(Statement::GrantObject { privileges: on_object(privileges)?, on, to, grant_option, hierarchy });
        }
        self.expect("TO")?;
        let to = self.list(Self::user)?;
        let admin_option = self.accept("WITH ADMIN OPTION");
        let privileges = privileges.into_iter().map(|privilege| privilege.words).collect();
        Ok(Statement::GrantSystem { privileges, to, admin_option })
    }

    pub(super) fn revoke(&mut self) -> Result<Statement> {
        self.expect("REVOKE")?;
        let privileges = self.list(Self::privilege)?;
        if self.accept("ON SCHEMA") {
            let schema = self.name()?;
            self.expect("FROM")?;
            let privileges = privileges.into_iter().map(|privilege| privilege.words).collect();
            return Ok(Statement::RevokeSchema { privileges, schema, from: self.list(Self::user)? });
        }
        if self.accept("ON") {
            let on = self.object()?;
            self.expect("FROM")?;
            let from = self.list(Self::user)?;
            self.accept("CASCADE CONSTRAINTS");
            return Ok(Statement::RevokeObject { privileges: on_object(privileges)?, on, from });
        }
        self.expect("FROM")?;
        let privileges = privileges.into_iter().map(|privilege| privilege.words).collect();
        Ok(Statement::RevokeSystem { privileges, from: self.list(Self::user)? })
    }

    /// Several words are one privilege; a quoted name is a role.
    fn privilege(&mut self) -> Result<Privilege> {
        if let Token::Quoted(_) = self.peek() {
            return Ok(Privilege { words: self.name()?, quoted: true, columns: Vec::new() });
        }
        let mut words: Vec<String> = Vec::new();
        while let Token::Word(word) = self.peek() {
            if matches!(word.as_str(), "ON" | "TO" | "FROM") {
                // GRANT ON COMMIT REFRESH, and MERGE ANY VIEW, have such words inside; nobody needs them here.
                break;
            }
            words.push(word.clone());
            self.at += 1;
        }
        if words.is_empty() {
            return fail(990, "missing or invalid privilege");
        }
        let mut columns = Vec::new();
        if self.accept_symbol("(") {
            columns = self.list(Self::name)?;
            self.expect_symbol(")")?;
        }
        Ok(Privilege { words: words.join(" "), quoted: false, columns })
    }
}

fn on_object(privileges: Vec<Privilege>) -> Result<Vec<ObjectPrivilege>> {
    privileges
        .into_iter()
        .map(|Privilege { words, quoted, columns }| {
            if quoted {
                return fail(990, "missing or invalid privilege");
            }
            let name = words.strip_suffix(" PRIVILEGES").unwrap_or(&words).to_owned();
            Ok(ObjectPrivilege { name, columns })
        })
        .collect()
}
