//! Finding things by the names that people use for them.

use std::collections::BTreeSet;

use dzconn_core::model::{ConnectionId, EnvironmentId, ListingId, ProjectId};
use dzconn_core::{Changed, Error, ErrorKind, Result, Step};

use super::{AssetEntry, Directory, EnvironmentEntry, SourceEntry};

impl Directory {
    pub(crate) fn source(&self, name: &str) -> Result<&SourceEntry> {
        let fits = |entry: &&SourceEntry| entry.name == name || entry.connection.as_str() == name;
        let names = || self.sources.iter().map(|entry| entry.name.as_str());
        self.sources.iter().find(fits).ok_or_else(|| self.unknown("source", name, names()))
    }

    pub(crate) fn source_of(&self, connection: &ConnectionId) -> Option<&SourceEntry> {
        self.sources.iter().find(|entry| entry.connection == *connection)
    }

    /// The source's name, or the connection's where the file has none.
    pub(crate) fn name_of(&self, connection: &ConnectionId) -> String {
        self.source_of(connection).map_or_else(|| connection.to_string(), |entry| entry.name.clone())
    }

    pub(crate) fn environment(&self, id: &str) -> Result<&EnvironmentEntry> {
        let ids = || self.environments.iter().map(|entry| entry.id.as_str());
        self.environments
            .iter()
            .find(|entry| entry.id.as_str() == id)
            .ok_or_else(|| self.unknown("environment", id, ids()))
    }

    pub(crate) fn environments_of<'a>(&'a self, project: &'a ProjectId) -> impl Iterator<Item = &'a EnvironmentEntry> {
        self.environments.iter().filter(move |entry| entry.project == *project)
    }

    pub(crate) fn listed<'a>(&'a self, listing: &'a ListingId) -> impl Iterator<Item = &'a AssetEntry> {
        self.assets.iter().filter(move |entry| entry.listing == *listing)
    }

    /// The asset with this id, listing, name or path; `None` if there is none.
    ///
    /// # Errors
    /// If it may be several.
    pub(crate) fn asset(&self, text: &str, source: Option<&str>) -> Result<Option<&AssetEntry>> {
        let at_source = |entry: &&AssetEntry| {
            source.is_none_or(|source| entry.place.as_ref().is_some_and(|place| place.source == source))
        };
        let fits = |entry: &&AssetEntry| {
            let path = entry.place.as_ref().map(|place| place.path.as_str());
            entry.id.as_str() == text || entry.listing.as_str() == text || entry.name == text || path == Some(text)
        };
        let found: Vec<_> = self.assets.iter().filter(at_source).filter(fits).collect();
        match found.as_slice() {
            [] => Ok(None),
            [one] => Ok(Some(one)),
            several => {
                let by_id = several.iter().find(|entry| entry.id.as_str() == text);
                by_id.copied().map(Some).ok_or_else(|| {
                    let ids = several.iter().map(|entry| entry.id.as_str()).collect::<Vec<_>>().join(", ");
                    invalid(format!("{text:?} may be any of the assets {ids}")).advise("name the asset by its id")
                })
            }
        }
    }

    /// An asset that the file does not have.
    pub(crate) fn unknown_asset(&self, text: &str) -> Error {
        let paths = self.assets.iter().filter_map(|entry| entry.place.as_ref()).map(|place| place.path.as_str());
        let names = self.assets.iter().map(|entry| entry.id.as_str()).chain(paths);
        self.unknown("asset", text, names)
    }

    fn unknown<'a>(&self, what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> Error {
        let known: BTreeSet<_> = known.collect();
        let place = match &self.file {
            Some(file) => format!("no {what} {name:?} in {}", file.display()),
            None => format!("no {what} {name:?}: there is no directory file"),
        };
        let flags = match what {
            "environment" => "say which --project it belongs to",
            "asset" => "say at which --source that path is",
            _ => "give --url, --admin and --password-env",
        };
        let hint = match closest(name, known.iter().copied()) {
            Some(close) => format!("did you mean {close:?}? Otherwise"),
            None if known.is_empty() => "either".to_owned(),
            None => {
                let some: Vec<_> = known.iter().take(8).copied().collect();
                format!("known are {}{}; otherwise", some.join(", "), if known.len() > 8 { " ..." } else { "" })
            }
        };
        invalid(place).advise(format!("{hint} add an [[{what}]] to the directory file, or {flags}"))
    }
}

/// An id that the command line gives for an environment without an entry.
pub(crate) fn environment_id(text: &str) -> Result<EnvironmentId> {
    text.parse::<EnvironmentId>().map_err(|error| error.at(Step::Input).changed(Changed::Nothing))
}

fn invalid(what: String) -> Error {
    Error::new(ErrorKind::InvalidInput, what).at(Step::Input).changed(Changed::Nothing)
}

/// The known name that is so close to what was written that it was probably meant.
pub(crate) fn closest<'a>(written: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (written.chars().count() / 3).max(1);
    known.map(|name| (distance(written, name), name)).filter(|(d, _)| *d <= limit).min().map(|(_, name)| name)
}

/// How many characters have to be put in, taken out or changed.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, c) in one.chars().enumerate() {
        let mut next = vec![i + 1];
        for ((&d, pair), above) in other.iter().zip(row.windows(2)).zip(1..) {
            let &[diagonal, up] = pair else { continue };
            let left = next.get(above - 1).copied().unwrap_or(usize::MAX);
            next.push((diagonal + usize::from(c != d)).min(up + 1).min(left.saturating_add(1)));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (one, other, d) in [("", "", 0), ("abc", "abc", 0), ("abc", "abd", 1), ("table", "tabel", 2), ("", "xy", 2)]
        {
            assert_eq!(distance(one, other), d, "{one} {other}");
            assert_eq!(distance(other, one), d, "{other} {one}");
        }
    }

    #[test]
    fn only_what_is_close_is_offered() {
        let known = ["password_env", "password_file", "url"];
        assert_eq!(closest("pasword_env", known.into_iter()), Some("password_env"));
        assert_eq!(closest("host", known.into_iter()), None);
    }
}
