//! What is granted: a table, as the catalogue names it and as the source does.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind, Result};

/// A table as the catalogue has it: `db.table` (`MySQL`) or `db.schema.table` (others), unquoted.
///
/// A name may itself contain dots, so a path alone does not say where one name ends; the source does
/// ([`SourceEngine::resolve`](crate::SourceEngine::resolve)).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AssetPath(String);

impl AssetPath {
    /// Checks and takes the text: at least two names and a dot between them, no NUL.
    pub fn new(text: impl Into<String>) -> Result<Self> {
        let text = text.into();
        let two_names = text.char_indices().any(|(at, c)| c == '.' && at > 0 && at + 1 < text.len());
        if !two_names || text.contains('\0') || text.len() > 1024 {
            return Err(Error::new(ErrorKind::InvalidInput, format!("{text:?} is not an asset path"))
                .advise("write db.table for MySQL and MariaDB, db.schema.table for the others"));
        }
        Ok(Self(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The table that this path names if no name in it has a dot; `None` if one must have.
    #[must_use]
    pub fn plain(&self) -> Option<TableName> {
        let mut names = self.0.split('.');
        match (names.next(), names.next(), names.next(), names.next()) {
            (Some(database), Some(name), None, None) => TableName::in_database(database, name).ok(),
            (Some(database), Some(schema), Some(name), None) => TableName::in_schema(database, schema, name).ok(),
            _ => None,
        }
    }

    /// Picks, out of the tables that fit this path but for case, the one that is meant: the exact one, else the only one.
    ///
    /// # Errors
    /// [`ErrorKind::TableNotFound`] if there is none, [`ErrorKind::TableAmbiguous`] if there are several.
    pub fn choose(&self, found: Vec<TableName>) -> Result<TableName> {
        let exact: Vec<_> = found.iter().filter(|table| table.joined() == self.0).cloned().collect();
        let mut fitting = if exact.is_empty() { found } else { exact };
        match (fitting.pop(), fitting.pop()) {
            (Some(table), None) => Ok(table),
            (Some(one), Some(other)) => Err(Error::new(
                ErrorKind::TableAmbiguous,
                format!("{self} may mean {} or {}", one.quoted(), other.quoted()),
            )
            .on_asset(self)
            .advise("publish the asset under the table's exact name, or rename one of the tables")),
            (None, _) => {
                Err(Error::new(ErrorKind::TableNotFound, format!("no table or view {self}")).on_asset(self).advise(
                    "check that the table exists in the connection's database; re-run the crawler if it was renamed",
                ))
            }
        }
    }
}

impl fmt::Display for AssetPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for AssetPath {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Self::new(text)
    }
}

impl From<AssetPath> for String {
    fn from(path: AssetPath) -> Self {
        path.0
    }
}

impl FromStr for AssetPath {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::new(text)
    }
}

/// A table as the source has it, name by name.
///
/// Written (`Display`, serde) with dots between the names; a dot or backslash inside a name is preceded by a backslash,
/// so that the text can be read back.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TableName {
    database: String,
    schema: Option<String>,
    name: String,
}

impl TableName {
    /// `database.name`, for engines where a database is a schema (`MySQL`, `MariaDB`).
    pub fn in_database(database: impl Into<String>, name: impl Into<String>) -> Result<Self> {
        Self::checked(database.into(), None, name.into())
    }

    /// `database.schema.name`, for the others.
    pub fn in_schema(database: impl Into<String>, schema: impl Into<String>, name: impl Into<String>) -> Result<Self> {
        Self::checked(database.into(), Some(schema.into()), name.into())
    }

    fn checked(database: String, schema: Option<String>, name: String) -> Result<Self> {
        let table = Self { database, schema, name };
        if table.names().any(|name| name.is_empty() || name.contains('\0')) {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("{table} is not a table's name: a part of it is empty or has a NUL"),
            ));
        }
        Ok(table)
    }

    /// The database.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// The schema, for engines that have one below the database.
    pub fn schema(&self) -> Option<&str> {
        self.schema.as_deref()
    }

    /// The table's own name.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        [Some(self.database.as_str()), self.schema.as_deref(), Some(self.name.as_str())].into_iter().flatten()
    }

    /// The names with dots between them and nothing escaped: what an [`AssetPath`] would have.
    pub fn joined(&self) -> String {
        self.names().collect::<Vec<_>>().join(".")
    }

    fn quoted(&self) -> String {
        self.names().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(".")
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, name) in self.names().enumerate() {
            if i > 0 {
                f.write_str(".")?;
            }
            f.write_str(&name.replace('\\', "\\\\").replace('.', "\\."))?;
        }
        Ok(())
    }
}

impl FromStr for TableName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut names = vec![String::new()];
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            match (c, names.last_mut()) {
                ('.', _) => names.push(String::new()),
                ('\\', Some(name)) => name.extend(chars.next()),
                (c, Some(name)) => name.push(c),
                (_, None) => {}
            }
        }
        let mut names = names.into_iter();
        match (names.next(), names.next(), names.next(), names.next()) {
            (Some(database), Some(name), None, None) => Self::in_database(database, name),
            (Some(database), Some(schema), Some(name), None) => Self::in_schema(database, schema, name),
            _ => Err(Error::new(ErrorKind::InvalidInput, format!("{text:?} is not a table's name"))),
        }
    }
}

impl TryFrom<String> for TableName {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<TableName> for String {
    fn from(table: TableName) -> Self {
        table.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_path_needs_two_names() {
        for text in ["", ".", "a", "a.", ".b", "a\0.b"] {
            assert_eq!(AssetPath::new(text).unwrap_err().kind(), ErrorKind::InvalidInput, "{text:?}");
        }
        assert_eq!(AssetPath::new("a.b").unwrap().as_str(), "a.b");
    }

    #[test]
    fn a_plain_path_says_itself_which_table_it_names() {
        let plain = |text: &str| AssetPath::new(text).unwrap().plain();
        assert_eq!(plain("d.t"), Some(TableName::in_database("d", "t").unwrap()));
        assert_eq!(plain("d.s.t"), Some(TableName::in_schema("d", "s", "t").unwrap()));
        assert_eq!((plain("d.s.t.x"), plain("d..t")), (None, None));
    }

    #[test]
    fn the_exact_name_wins_else_the_only_one() {
        let path = AssetPath::new("db.s.T").unwrap();
        let [exact, lower, upper] = ["T", "t", "tT"].map(|name| TableName::in_schema("db", "s", name).unwrap());
        assert_eq!(path.choose(vec![lower.clone(), exact.clone()]).unwrap(), exact);
        assert_eq!(path.choose(vec![lower.clone()]).unwrap(), lower);
        assert_eq!(path.choose(vec![lower, upper]).unwrap_err().kind(), ErrorKind::TableAmbiguous);
        assert_eq!(path.choose(vec![]).unwrap_err().kind(), ErrorKind::TableNotFound);
    }

    #[test]
    fn dots_inside_names_may_make_a_path_ambiguous() {
        let path = AssetPath::new("db.a.b.c").unwrap();
        let one = TableName::in_schema("db", "a.b", "c").unwrap();
        let other = TableName::in_schema("db", "a", "b.c").unwrap();
        assert_eq!(path.choose(vec![one, other]).unwrap_err().kind(), ErrorKind::TableAmbiguous);
    }

    proptest! {
        #[test]
        fn a_table_name_is_read_back_as_it_was_written(
            database in "[^\0]{1,8}", schema in proptest::option::of("[^\0]{1,8}"), name in "[^\0]{1,8}"
        ) {
            let table = TableName::checked(database, schema, name).unwrap();
            prop_assert_eq!(table.to_string().parse::<TableName>().unwrap(), table);
        }
    }
}
