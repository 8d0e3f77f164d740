//! The views of the data dictionary ("Database Reference", Static Data Dictionary Views, Dynamic Performance Views).

mod privileges;
mod schema;
mod server;

use crate::database::{Database, Key, Kind};
use crate::error::{Result, no_table, ora};
use crate::eval::{Eval, NoVariables, Relation};
use crate::security::Who;
use crate::value::Value;

/// Who reads a view of the dictionary without a privilege of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Open {
    /// Everybody: READ is granted to PUBLIC.
    Everybody,
    /// Who has SELECT_CATALOG_ROLE or SELECT ANY DICTIONARY.
    Catalog,
    /// Only SELECT ANY DICTIONARY.
    Nobody,
}

type Fill = fn(&Database, &Who) -> Vec<Vec<Value>>;

/// A view: its name, who reads it, since which version, its columns, its rows.
pub(crate) struct View {
    pub(crate) name: &'static str,
    pub(crate) open: Open,
    pub(crate) since: u32,
    columns: &'static [(&'static str, u32)],
    fill: Fill,
}

/// A view that is known from the first.
const fn view(name: &'static str, open: Open, since: u32, columns: &'static [(&'static str, u32)], fill: Fill) -> View {
    View { name, open, since, columns, fill }
}

/// All views. The names are those of SYS; public synonyms say V$ for V_$.
pub(crate) fn views() -> impl Iterator<Item = &'static View> {
    schema::VIEWS.iter().chain(privileges::VIEWS).chain(server::VIEWS)
}

impl Database {
    /// The rows of a table or view that somebody may read.
    pub(crate) fn relation(&self, who: &Who, key: &Key) -> Result<Relation> {
        let object = self.objects.get(key).ok_or_else(no_table)?;
        match &object.kind {
            Kind::Dictionary => {
                let view = views().find(|view| view.name == key.1).ok_or_else(no_table)?;
                Ok(self.dictionary(who, view))
            }
            Kind::Table { columns, rows, .. } => {
                let names: Vec<&str> = columns.iter().map(String::as_str).collect();
                let seen = |row: &&crate::database::Row| {
                    row.inserted.is_none_or(|by| by == who.session) && row.deleted != Some(who.session)
                };
                let rows = rows.iter().filter(seen).map(|row| row.values.clone()).collect();
                Ok(Relation::new(&names, rows))
            }
            // A view reads what its owner may read, without roles ("CREATE VIEW", Prerequisites).
            Kind::View { columns, query } => {
                let owner = Who::definer(&key.0, who.session);
                let eval = Eval::new(self, &owner, &[], &NoVariables);
                let broken = |_| ora(4063, format!("view \"{}.{}\" has errors", key.0, key.1));
                let found = eval.run(query).map_err(broken)?;
                let names: Vec<&str> = columns.iter().map(String::as_str).collect();
                Ok(Relation::new(&names, found.rows))
            }
            Kind::Synonym { .. } | Kind::Package => Err(no_table()),
        }
    }

    fn dictionary(&self, who: &Who, view: &View) -> Relation {
        let major = self.major();
        let keep: Vec<bool> = view.columns.iter().map(|(_, since)| *since <= major).collect();
        let names: Vec<&str> =
            view.columns.iter().filter(|(_, since)| *since <= major).map(|(name, _)| *name).collect();
        let rows = (view.fill)(self, who);
        debug_assert!(rows.iter().all(|row| row.len() == view.columns.len()), "{} has odd rows", view.name);
        let cut =
            |row: Vec<Value>| row.into_iter().zip(&keep).filter(|(_, keep)| **keep).map(|(value, _)| value).collect();
        Relation::new(&names, rows.into_iter().map(cut).collect())
    }
}

/// Texts and values into a row.
macro_rules! row {
    ($($value:expr),* $(,)?) => { vec![$($crate::dictionary::Cell::from($value).0),*] };
}
use row;

/// Lets a row be written with plain values.
struct Cell(Value);

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self(Value::text(text))
    }
}

impl From<&String> for Cell {
    fn from(text: &String) -> Self {
        Self(Value::text(text.as_str()))
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self(Value::text(text))
    }
}

impl From<i64> for Cell {
    fn from(number: i64) -> Self {
        Self(Value::number(number))
    }
}

impl From<Value> for Cell {
    fn from(value: Value) -> Self {
        Self(value)
    }
}

/// `Y` and `N`.
fn y_n(yes: bool) -> &'static str {
    if yes { "Y" } else { "N" }
}

fn yes_no(yes: bool) -> &'static str {
    if yes { "YES" } else { "NO" }
}
