//! SQL as a type, and the only place where identifiers and literals are quoted.

use std::fmt;

use sqlx::AssertSqlSafe;

/// SQL text made of static text and of what was quoted here, so that no other `String` can slip in.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Sql {
    text: String,
    secret: bool,
}

impl Sql {
    pub(crate) fn new(pieces: &[&dyn Piece]) -> Self {
        let mut sql = Self::default();
        for piece in pieces {
            piece.write(&mut sql);
        }
        sql
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a password's verifier is in it, so that an error's text must not be kept: it may quote the statement.
    pub(crate) fn is_secret(&self) -> bool {
        self.secret
    }

    /// Says that a verifier is in it.
    pub(super) fn mark_secret(&mut self) {
        self.secret = true;
    }

    /// The one place where text is declared safe to run: a `Sql` is built from nothing but the pieces below.
    pub(crate) fn into_driver(self) -> AssertSqlSafe<String> {
        AssertSqlSafe(self.text)
    }
}

/// What SQL may be built from. `str` is a piece only where it is static.
pub(crate) trait Piece {
    fn write(&self, sql: &mut Sql);
}

macro_rules! sql {
    ($($piece:expr),+ $(,)?) => { Sql::new(&[$(&$piece as &dyn Piece),+]) };
}
pub(super) use sql;

impl Piece for &'static str {
    fn write(&self, sql: &mut Sql) {
        sql.text.push_str(self);
    }
}

impl Piece for Sql {
    fn write(&self, sql: &mut Sql) {
        sql.text.push_str(&self.text);
        sql.secret |= self.secret;
    }
}

impl Piece for i64 {
    fn write(&self, sql: &mut Sql) {
        sql.text.push_str(&self.to_string());
    }
}

/// An identifier.
pub(crate) struct Name<'a>(pub(crate) &'a str);

impl Piece for Name<'_> {
    fn write(&self, sql: &mut Sql) {
        sql.text.push('"');
        sql.text.push_str(&self.0.replace('"', "\"\""));
        sql.text.push('"');
    }
}

/// A string literal. One with a backslash is written as `E'...'`, which means the same whatever
/// `standard_conforming_strings` says.
pub(crate) struct Text<'a>(pub(crate) &'a str);

impl Piece for Text<'_> {
    fn write(&self, sql: &mut Sql) {
        sql.text.push_str(if self.0.contains('\\') { " E'" } else { "'" });
        sql.text.push_str(&self.0.replace('\\', "\\\\").replace('\'', "''"));
        sql.text.push('\'');
    }
}

impl fmt::Debug for Sql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.secret { "[redacted]" } else { &self.text })
    }
}
