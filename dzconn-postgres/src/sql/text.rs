//! The only place where identifiers and literals are quoted.

use dzconn_core::sql::{Piece, Sql};
use sqlx::AssertSqlSafe;

/// The one place where text is declared safe to run: a `Sql` is built from nothing but pieces.
pub(crate) fn into_driver(sql: Sql) -> AssertSqlSafe<String> {
    AssertSqlSafe(sql.into_text())
}

/// An identifier.
pub(crate) struct Name<'a>(pub(crate) &'a str);

impl Piece for Name<'_> {
    fn write(&self, sql: &mut Sql) {
        sql.push("\"");
        sql.push(&self.0.replace('"', "\"\""));
        sql.push("\"");
    }
}

/// A string literal. One with a backslash is written as `E'...'`, which means the same whatever
/// `standard_conforming_strings` says.
pub(crate) struct Text<'a>(pub(crate) &'a str);

impl Piece for Text<'_> {
    fn write(&self, sql: &mut Sql) {
        sql.push(if self.0.contains('\\') { " E'" } else { "'" });
        sql.push(&self.0.replace('\\', "\\\\").replace('\'', "''"));
        sql.push("'");
    }
}
