//! The directory file: sources, projects, environments, assets and subscriptions, in one TOML file that stands in for the
//! catalogue and the portal.

mod fields;
mod find;
mod mistakes;
mod read;

use std::path::PathBuf;

use dzconn_core::model::{
    AssetId, AssetPath, ConnectionId, DomainId, EnvironmentId, ListingId, Owner, ProjectId, Source, SourceEndpoint, Tls,
};
use dzconn_core::{Error, ErrorKind, Result, Secret, Step};

pub(crate) use find::{closest, environment_id};

/// What a directory file says.
#[derive(Debug)]
pub(crate) struct Directory {
    /// The file; `None` if everything came from flags.
    pub(crate) file: Option<PathBuf>,
    pub(crate) domain: DomainId,
    /// The account and region of whatever names none.
    pub(crate) owner: Owner,
    pub(crate) sources: Vec<SourceEntry>,
    pub(crate) projects: Vec<ProjectId>,
    pub(crate) environments: Vec<EnvironmentEntry>,
    pub(crate) assets: Vec<AssetEntry>,
    /// `None`: the file does not speak about subscriptions, and what a command says is what is wanted.
    pub(crate) subscriptions: Option<Vec<SubscriptionEntry>>,
}

/// `[[source]]`.
#[derive(Debug)]
pub(crate) struct SourceEntry {
    pub(crate) name: String,
    pub(crate) connection: ConnectionId,
    pub(crate) owner: Owner,
    pub(crate) endpoint: SourceEndpoint,
    pub(crate) admin: String,
    pub(crate) password: PasswordFrom,
    pub(crate) tls: Tls,
}

impl SourceEntry {
    /// What a connector needs, with the password as it is now.
    pub(crate) fn source(&self) -> Result<Source> {
        let password = self.password.get().map_err(|error| error.on_source(&self.name).at(Step::LookUp))?;
        Ok(Source {
            connection: self.connection.clone(),
            endpoint: self.endpoint.clone(),
            admin: dzconn_core::model::AdminLogin { user: self.admin.clone(), password },
            tls: self.tls.clone(),
        })
    }
}

/// Where the admin's password is.
#[derive(Debug)]
pub(crate) enum PasswordFrom {
    Env(String),
    File(PathBuf),
    /// In a file that only its owner can read.
    Inline(Secret),
}

impl PasswordFrom {
    pub(crate) fn get(&self) -> Result<Secret> {
        let missing = |what: String| Error::new(ErrorKind::InvalidConfig, what);
        match self {
            Self::Inline(secret) => Ok(secret.clone()),
            Self::Env(name) => {
                std::env::var(name).ok().filter(|password| !password.is_empty()).map(Secret::new).ok_or_else(|| {
                    missing(format!("the environment variable {name} is not set"))
                        .advise(format!("set {name} to the admin user's password, or use password_file"))
                })
            }
            Self::File(path) => {
                let text = std::fs::read_to_string(path).map_err(|error| {
                    missing(format!("the password file {} cannot be read: {error}", path.display()))
                })?;
                let password =
                    text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
                if password.is_empty() {
                    return Err(missing(format!("the password file {} is empty", path.display())));
                }
                Ok(Secret::new(password.to_owned()))
            }
        }
    }
}

/// `[[environment]]`.
#[derive(Clone, Debug)]
pub(crate) struct EnvironmentEntry {
    pub(crate) id: EnvironmentId,
    pub(crate) project: ProjectId,
    pub(crate) owner: Owner,
}

/// `[[asset]]`.
#[derive(Clone, Debug)]
pub(crate) struct AssetEntry {
    pub(crate) id: AssetId,
    pub(crate) revision: String,
    pub(crate) asset_type: String,
    pub(crate) listing: ListingId,
    pub(crate) listing_revision: String,
    pub(crate) name: String,
    /// `None`: not behind a connection, so that the portal fulfils it itself.
    pub(crate) place: Option<Place>,
}

/// Where an asset's table is.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The source's name.
    pub(crate) source: String,
    pub(crate) path: AssetPath,
}

/// The type of tables that a crawler found behind a connection; the only one that is served.
pub(crate) const TABLE_TYPE: &str = "GlueTableAssetType";

impl AssetEntry {
    /// Why it is not ours, if it is not.
    pub(crate) fn not_ours(&self) -> Option<String> {
        let kind = self.asset_type.rsplit('.').next().unwrap_or_default();
        if kind != TABLE_TYPE {
            return Some(format!("asset {} is of type {:?}, which dzconn does not serve", self.id, self.asset_type));
        }
        self.place.is_none().then(|| format!("asset {} has no source: the portal fulfils it itself", self.id))
    }
}

/// `[[subscription]]`: what the portal would say.
#[derive(Clone, Debug)]
pub(crate) struct SubscriptionEntry {
    pub(crate) project: ProjectId,
    pub(crate) listing: ListingId,
    pub(crate) approved: bool,
    /// Limited by row or column filters.
    pub(crate) filters: bool,
    /// Ended, and access stays.
    pub(crate) retain: bool,
}
