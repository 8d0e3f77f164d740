//! SQL as a type, for the engines: made of static text and of what an engine has quoted, so that no other `String` can slip in.
//!
//! ```
//! use dzconn_core::sql;
//! use dzconn_core::sql::{Piece, Sql};
//!
//! /// An identifier, quoted as this engine does it.
//! struct Name<'a>(&'a str);
//!
//! impl Piece for Name<'_> {
//!     fn write(&self, sql: &mut Sql) {
//!         sql.push(&format!("\"{}\"", self.0.replace('"', "\"\"")));
//!     }
//! }
//!
//! let drop = sql!["DROP USER ", Name("o\"brien")];
//! assert_eq!(drop.as_str(), "DROP USER \"o\"\"brien\"");
//! ```
//!
//! A `String` is no piece:
//!
//! ```compile_fail
//! use dzconn_core::sql;
//! use dzconn_core::sql::{Piece, Sql};
//! let drop = sql!["DROP USER ", String::from("nobody; DROP TABLE users")];
//! ```

use std::fmt;

/// SQL text, and whether it holds a secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Sql {
    text: String,
    secret: bool,
}

impl Sql {
    /// One piece after the other; see the macro [`sql!`](crate::sql!).
    #[must_use]
    pub fn new(pieces: &[&dyn Piece]) -> Self {
        let mut sql = Self::default();
        for piece in pieces {
            piece.write(&mut sql);
        }
        sql
    }

    /// Several, with something between them.
    #[must_use]
    pub fn list(items: impl IntoIterator<Item = Self>, separator: &'static str) -> Self {
        let mut list = Self::default();
        for (i, item) in items.into_iter().enumerate() {
            if i > 0 {
                separator.write(&mut list);
            }
            item.write(&mut list);
        }
        list
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The text, to be run.
    pub fn into_text(self) -> String {
        self.text
    }

    /// Whether a password, its hash or its verifier is in it, so that an error's text must not be kept: it may quote the
    /// statement.
    pub fn is_secret(&self) -> bool {
        self.secret
    }

    /// Adds text that has been quoted. Only implementations of [`Piece`] have a reason to.
    pub fn push(&mut self, quoted: &str) {
        self.text.push_str(quoted);
    }

    /// Says that a secret is in it.
    pub fn mark_secret(&mut self) {
        self.secret = true;
    }
}

impl fmt::Debug for Sql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.secret { "[redacted]" } else { &self.text })
    }
}

/// A statement as a plan shows it: a name may hold line breaks, and a reader must not take what follows one for a statement.
#[must_use]
pub fn one_line(text: &str) -> String {
    let shown = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(shown).collect()
}

/// What SQL may be built from. An engine adds its identifiers and literals, which quote themselves.
pub trait Piece {
    /// Adds itself, quoted.
    fn write(&self, sql: &mut Sql);
}

/// Static text is what a programmer wrote.
impl Piece for &'static str {
    fn write(&self, sql: &mut Sql) {
        sql.push(self);
    }
}

impl Piece for Sql {
    fn write(&self, sql: &mut Sql) {
        sql.push(&self.text);
        sql.secret |= self.secret;
    }
}

impl Piece for i64 {
    fn write(&self, sql: &mut Sql) {
        sql.push(&self.to_string());
    }
}

impl Piece for u64 {
    fn write(&self, sql: &mut Sql) {
        sql.push(&self.to_string());
    }
}

/// Makes a [`Sql`](crate::sql::Sql) out of pieces.
#[macro_export]
macro_rules! sql {
    ($($piece:expr),+ $(,)?) => { $crate::sql::Sql::new(&[$(&$piece as &dyn $crate::sql::Piece),+]) };
}
