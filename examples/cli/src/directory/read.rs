//! From a TOML file to a [`Directory`]: parsed, not merely validated, with every mistake named at once.

use std::fs;
use std::io::{ErrorKind as IoKind, Read as _};
use std::ops::Range;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use dzconn_core::model::{AccountId, AssetPath, CaBundle, ConnectionId, Owner, Region, Tls};
use dzconn_core::{Changed, Error, ErrorKind, Result, Secret, Step};
use toml::de::{DeTable, DeValue};

use super::fields::Fields;
use super::mistakes::Mistakes;
use super::{AssetEntry, Directory, EnvironmentEntry, PasswordFrom, Place, SourceEntry, SubscriptionEntry, TABLE_TYPE};
use crate::url;

/// What the tables of the file are called.
const TABLES: [&str; 5] = ["source", "project", "environment", "asset", "subscription"];

impl Directory {
    /// The directory of those who have no file.
    pub(crate) fn empty() -> Result<Self> {
        Ok(Self {
            file: None,
            domain: "local".parse()?,
            owner: local()?,
            sources: Vec::new(),
            projects: Vec::new(),
            environments: Vec::new(),
            assets: Vec::new(),
            subscriptions: None,
        })
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`], with every mistake and its line.
    pub(crate) fn read(file: &Path) -> Result<Self> {
        let unreadable = |error: std::io::Error| {
            let advice = match error.kind() {
                IoKind::NotFound => "name another file with --directory or DZCONN_DIRECTORY",
                _ => "let the user who runs dzconn read it",
            };
            Error::new(ErrorKind::InvalidConfig, format!("{} cannot be read: {error}", file.display()))
                .at(Step::Input)
                .advise(advice)
                .changed(Changed::Nothing)
        };
        let mut opened = fs::File::open(file).map_err(unreadable)?;
        // Nothing for group and others.
        let private = opened.metadata().map_err(unreadable)?.permissions().mode().trailing_zeros() >= 6;
        let mut text = String::new();
        opened.read_to_string(&mut text).map_err(unreadable)?;
        let mut mistakes = Mistakes::new(&text);
        let read = Reader { file, private, sources: Vec::new() }.directory(&text, &mut mistakes);
        match read {
            Some(directory) if mistakes.is_empty() => Ok(directory),
            _ => Err(mistakes.into_error(file)),
        }
    }
}

fn local() -> Result<Owner> {
    Ok(Owner::new("local".parse()?, "local".parse()?))
}

struct Reader<'a> {
    file: &'a Path,
    /// Whether only the file's owner can read it.
    private: bool,
    /// The names of all sources, also of those with mistakes.
    sources: Vec<String>,
}

impl Reader<'_> {
    /// `None` goes with at least one mistake.
    fn directory(mut self, text: &str, mistakes: &mut Mistakes<'_>) -> Option<Directory> {
        let (root, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            // The message alone: an error's own text quotes the line, in which a password may stand.
            mistakes.add(&error.span().unwrap_or(0..0), error.message().replace('\n', ", "));
        }
        if !errors.is_empty() {
            return None;
        }
        let mut top = Fields::new("the file", root.get_ref(), 0..0);
        let domain_value = top.value("domain");
        let domain_table = match domain_value.map(|value| (value.get_ref(), value.span())) {
            Some((DeValue::Table(table), span)) => Some((table, span)),
            Some((_, span)) => top.wrong(span, "domain", "must be a table: [domain]", mistakes),
            None => None,
        };
        let [sources, projects, environments, assets, subscriptions] =
            TABLES.map(|name| Self::tables(&mut top, name, mistakes));
        top.finish(mistakes);

        let empty = Directory::empty().ok()?;
        let mut domain = None;
        let mut owner = empty.owner;
        if let Some((table, span)) = domain_table {
            let mut fields = Fields::new("domain", table, span);
            domain = fields.parsed("id", mistakes);
            owner = Self::owner(&mut fields, &owner, mistakes);
            fields.finish(mistakes);
        }
        let mut directory = Directory {
            file: Some(self.file.to_path_buf()),
            domain: domain.unwrap_or(empty.domain),
            owner,
            sources: Vec::new(),
            projects: Vec::new(),
            environments: Vec::new(),
            assets: Vec::new(),
            subscriptions: subscriptions.as_ref().map(|_| Vec::new()),
        };
        let sources = sources.unwrap_or_default();
        let named = sources.iter().filter_map(|(table, _)| table.get("name")?.get_ref().as_str());
        self.sources = named.map(str::to_owned).collect();
        for (table, span) in sources {
            self.source(&mut directory, table, span, mistakes);
        }
        for (table, span) in projects.unwrap_or_default() {
            Self::project(&mut directory, table, span, mistakes);
        }
        for (table, span) in environments.unwrap_or_default() {
            Self::environment(&mut directory, table, span, mistakes);
        }
        for (table, span) in assets.unwrap_or_default() {
            self.asset(&mut directory, table, span, mistakes);
        }
        for (table, span) in subscriptions.unwrap_or_default() {
            Self::subscription(&mut directory, table, span, mistakes);
        }
        Some(directory)
    }

    /// The tables of an array of tables; `None` if the key is not there at all.
    fn tables<'t, 'i>(
        top: &mut Fields<'t, 'i>,
        name: &'static str,
        mistakes: &mut Mistakes<'_>,
    ) -> Option<Vec<(&'t DeTable<'i>, Range<usize>)>> {
        let value = top.value(name)?;
        let form = format!("must be written as [[{name}]]");
        let DeValue::Array(array) = value.get_ref() else {
            return top.wrong(value.span(), name, form, mistakes);
        };
        let mut tables = Vec::new();
        for item in array {
            match item.get_ref() {
                DeValue::Table(table) => tables.push((table, item.span())),
                _ => top.wrong::<()>(item.span(), name, &form, mistakes).unwrap_or_default(),
            }
        }
        Some(tables)
    }

    fn owner(fields: &mut Fields<'_, '_>, default: &Owner, mistakes: &mut Mistakes<'_>) -> Owner {
        let account: Option<AccountId> = fields.parsed("account", mistakes);
        let region: Option<Region> = fields.parsed("region", mistakes);
        Owner::new(account.unwrap_or_else(|| default.account.clone()), region.unwrap_or_else(|| default.region.clone()))
    }

    fn source(&self, into: &mut Directory, table: &DeTable<'_>, span: Range<usize>, mistakes: &mut Mistakes<'_>) {
        let mut fields = Fields::new("source", table, span);
        let name = fields.text("name", mistakes);
        let name = fields.required("name", name, mistakes).map(|(name, span)| (name.to_owned(), span));
        if let Some((name, span)) = &name {
            fields.what = format!("source {name:?}");
            if into.sources.iter().any(|entry| entry.name == *name) {
                mistakes.add(span, format!("there are two sources {name:?}"));
            }
        }
        let connection_span = fields.value("connection").map(toml::Spanned::span);
        let connection: Option<ConnectionId> = fields.parsed("connection", mistakes);
        let connection = connection.or_else(|| name.as_ref().and_then(|(name, _)| name.parse().ok()));
        let connection_span = connection_span.or_else(|| name.as_ref().map(|(_, span)| span.clone()));
        if let (Some(connection), Some(span)) = (&connection, &connection_span)
            && let Some(other) = into.source_of(connection)
        {
            mistakes.add(span, format!("{} has the connection of source {:?}", fields.what, other.name));
        }
        let url = fields.text("url", mistakes);
        let address = fields.required("url", url, mistakes).and_then(|(url, span)| match url::address(url) {
            Ok(address) => Some(address),
            Err(why) => fields.wrong(span, "url", why, mistakes),
        });
        let admin = fields.text("admin", mistakes);
        let admin = fields.required("admin", admin, mistakes).map(|(admin, _)| admin.to_owned());
        let password = self.password(&mut fields, mistakes);
        let tls = self.tls(&mut fields, address.as_ref().and_then(|address| address.tls.as_ref()), mistakes);
        let owner = Self::owner(&mut fields, &into.owner, mistakes);
        fields.finish(mistakes);
        if let (Some((name, _)), Some(connection), Some(address), Some(admin), Some(password), Some(tls)) =
            (name, connection, address, admin, password, tls)
        {
            let endpoint = address.endpoint;
            into.sources.push(SourceEntry { name, connection, owner, endpoint, admin, password, tls });
        }
    }

    fn password(&self, fields: &mut Fields<'_, '_>, mistakes: &mut Mistakes<'_>) -> Option<PasswordFrom> {
        let env = fields.text("password_env", mistakes);
        let file = fields.text("password_file", mistakes);
        let inline = fields.text("password", mistakes);
        match (env, file, inline) {
            (Some((name, _)), None, None) => Some(PasswordFrom::Env(name.to_owned())),
            (None, Some((path, _)), None) => Some(PasswordFrom::File(self.beside(path))),
            (None, None, Some((password, _))) if self.private => {
                Some(PasswordFrom::Inline(Secret::new(password.to_owned())))
            }
            (None, None, Some((_, span))) => fields.wrong(
                span,
                "password",
                "may stand here only if nobody else can read the file: chmod 600, or use password_env or password_file",
                mistakes,
            ),
            (None, None, None) => {
                let span = fields.span.clone();
                mistakes.add(&span, format!("{} has no \"password_env\" or \"password_file\"", fields.what));
                None
            }
            _ => {
                let span = fields.span.clone();
                mistakes.add(
                    &span,
                    format!("{} has more than one of password_env, password_file and password", fields.what),
                );
                None
            }
        }
    }

    fn tls(&self, fields: &mut Fields<'_, '_>, url: Option<&Tls>, mistakes: &mut Mistakes<'_>) -> Option<Tls> {
        let mode = fields.text("tls", mistakes);
        let ca_file = fields.text("ca_file", mistakes);
        let mut bundle = None;
        if let Some((path, span)) = &ca_file {
            let pem = fs::read(self.beside(path)).map_err(|error| error.to_string());
            match pem.and_then(|pem| CaBundle::from_pem(pem).map_err(|error| error.detail().to_owned())) {
                Ok(found) => bundle = Some(found),
                Err(why) => {
                    return fields.wrong(span.clone(), "ca_file", format!("{path:?} cannot be used: {why}"), mistakes);
                }
            }
        }
        match url::tls(mode.as_ref().map(|(mode, _)| *mode), url, bundle) {
            Ok(tls) => Some(tls),
            Err(why) => {
                let span = mode.or(ca_file).map_or_else(|| fields.span.clone(), |(_, span)| span);
                fields.wrong(span, "tls", why, mistakes)
            }
        }
    }

    /// Paths in the file are relative to it.
    fn beside(&self, path: &str) -> PathBuf {
        self.file.parent().map_or_else(|| PathBuf::from(path), |folder| folder.join(path))
    }

    fn project(into: &mut Directory, table: &DeTable<'_>, span: Range<usize>, mistakes: &mut Mistakes<'_>) {
        let mut fields = Fields::new("project", table, span.clone());
        let id = fields.parsed("id", mistakes);
        let id = fields.required("id", id, mistakes);
        fields.text("name", mistakes);
        fields.finish(mistakes);
        if let Some(id) = id {
            if into.projects.contains(&id) {
                mistakes.add(&span, format!("there are two projects {:?}", id.as_str()));
            }
            into.projects.push(id);
        }
    }

    fn environment(into: &mut Directory, table: &DeTable<'_>, span: Range<usize>, mistakes: &mut Mistakes<'_>) {
        let mut fields = Fields::new("environment", table, span.clone());
        let id = fields.parsed("id", mistakes);
        let id: Option<dzconn_core::model::EnvironmentId> = fields.required("id", id, mistakes);
        if let Some(id) = &id {
            fields.what = format!("environment {:?}", id.as_str());
            if into.environments.iter().any(|entry| entry.id == *id) {
                mistakes.add(&span, format!("there are two environments {:?}", id.as_str()));
            }
        }
        let project = Self::reference(into, &mut fields, mistakes);
        fields.text("name", mistakes);
        let owner = Self::owner(&mut fields, &into.owner, mistakes);
        fields.finish(mistakes);
        if let (Some(id), Some(project)) = (id, project) {
            into.environments.push(EnvironmentEntry { id, project, owner });
        }
    }

    /// The project that an entry names.
    fn reference(
        into: &Directory,
        fields: &mut Fields<'_, '_>,
        mistakes: &mut Mistakes<'_>,
    ) -> Option<dzconn_core::model::ProjectId> {
        let span = fields.value("project").map(toml::Spanned::span);
        let project = fields.parsed("project", mistakes);
        let project: dzconn_core::model::ProjectId = fields.required("project", project, mistakes)?;
        if !into.projects.contains(&project) {
            let what = format!("is {:?}, and there is no such [[project]]", project.as_str());
            return fields.wrong(span.unwrap_or_default(), "project", what, mistakes);
        }
        Some(project)
    }

    fn asset(&self, into: &mut Directory, table: &DeTable<'_>, span: Range<usize>, mistakes: &mut Mistakes<'_>) {
        let mut fields = Fields::new("asset", table, span.clone());
        let id = fields.parsed("id", mistakes);
        let id: Option<dzconn_core::model::AssetId> = fields.required("id", id, mistakes);
        if let Some(id) = &id {
            fields.what = format!("asset {:?}", id.as_str());
            if into.assets.iter().any(|entry| entry.id == *id) {
                mistakes.add(&span, format!("there are two assets {:?}", id.as_str()));
            }
        }
        let listing = fields.parsed("listing", mistakes);
        let mut text = |key, default: &str| {
            fields.text(key, mistakes).map_or_else(|| default.to_owned(), |(text, _)| text.to_owned())
        };
        let name = text("name", "");
        let asset_type = text("type", TABLE_TYPE);
        let revision = text("revision", "1");
        let listing_revision = text("listing_revision", "1");
        let source = fields.text("source", mistakes);
        let path: Option<AssetPath> = fields.parsed("path", mistakes);
        let place = match source {
            Some((source, span)) => {
                let known = self.sources.iter().any(|name| name == source);
                if !known {
                    fields.wrong::<()>(
                        span,
                        "source",
                        format!("is {source:?}, and there is no such [[source]]"),
                        mistakes,
                    );
                }
                fields.required("path", path, mistakes).map(|path| Place { source: source.to_owned(), path })
            }
            None => None,
        };
        fields.finish(mistakes);
        let Some(id) = id else { return };
        let listing = listing.or_else(|| id.as_str().parse().ok());
        if let Some(listing) = listing {
            let name = if name.is_empty() { id.as_str().to_owned() } else { name };
            into.assets.push(AssetEntry { id, revision, asset_type, listing, listing_revision, name, place });
        }
    }

    fn subscription(into: &mut Directory, table: &DeTable<'_>, span: Range<usize>, mistakes: &mut Mistakes<'_>) {
        let mut fields = Fields::new("subscription", table, span);
        let project = Self::reference(into, &mut fields, mistakes);
        let listing_span = fields.value("listing").map(toml::Spanned::span).unwrap_or_default();
        let listing = fields.parsed("listing", mistakes);
        let listing: Option<dzconn_core::model::ListingId> = fields.required("listing", listing, mistakes);
        if let Some(listing) = &listing
            && into.listed(listing).next().is_none()
        {
            let what = format!("is {:?}, and no [[asset]] has that listing", listing.as_str());
            fields.wrong::<()>(listing_span, "listing", what, mistakes);
        }
        let status = fields.text("status", mistakes);
        let approved = match fields.required("status", status, mistakes) {
            Some(("approved", _)) => Some(true),
            Some(("revoked", _)) => Some(false),
            Some((other, span)) => {
                fields.wrong(span, "status", format!("is {other:?}; it is approved or revoked"), mistakes)
            }
            None => None,
        };
        let filters = fields.flag("filters", mistakes);
        let retain_span = fields.value("retain").map(toml::Spanned::span).unwrap_or_default();
        let retain = fields.flag("retain", mistakes);
        if retain && approved == Some(true) {
            fields.wrong::<()>(retain_span, "retain", "goes with status = \"revoked\" only", mistakes);
        }
        fields.finish(mistakes);
        if let (Some(project), Some(listing), Some(approved), Some(list)) =
            (project, listing, approved, into.subscriptions.as_mut())
        {
            list.push(SubscriptionEntry { project, listing, approved, filters, retain });
        }
    }
}
