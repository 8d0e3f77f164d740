//! What is published and approved: the portal's side of the world.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use dzconn_core::model::*;
use dzconn_core::portal::{Lookup, Wanted};
use dzconn_core::{Error, ErrorKind, Result};

pub(crate) const DOMAIN: &str = "dzd_1";
pub(crate) const PRODUCER: &str = "111111111111";
pub(crate) const CONSUMER: &str = "222222222222";

/// The environments, each with its project.
pub(crate) const ENVIRONMENTS: [(&str, &str); 3] = [("e1", "p1"), ("e2", "p1"), ("e3", "p2")];
pub(crate) const CONNECTIONS: [&str; 2] = ["c1", "c2"];
/// Tables of each source. The last one cannot be granted.
pub(crate) const TABLES: [&str; 4] = ["t1", "t2", "t3", "mine"];
/// The assets, and where each is published first: k from a's table, in other letters; `mine` cannot be granted, and for
/// `gone` there is no table.
pub(crate) const ASSETS: [(&str, &str, &str); 6] = [
    ("a", "c1", "t1"),
    ("b", "c1", "t2"),
    ("k", "c1", "T1"),
    ("c", "c2", "t1"),
    ("mine", "c1", "mine"),
    ("gone", "c1", "gone"),
];

pub(crate) fn id<T: std::str::FromStr<Err = Error>>(text: &str) -> T {
    text.parse().unwrap()
}

pub(crate) fn table(name: &str) -> TableName {
    TableName::in_schema("sales", "hr", name).unwrap()
}

pub(crate) fn project_of(environment: &str) -> &'static str {
    ENVIRONMENTS.iter().find(|(of, _)| *of == environment).unwrap().1
}

pub(crate) fn environments_of(project: &str) -> impl Iterator<Item = &'static str> {
    ENVIRONMENTS.iter().filter(move |(_, of)| *of == project).map(|(environment, _)| *environment)
}

/// Whether it can be granted at all.
pub(crate) fn possible(asset: &str) -> bool {
    !matches!(asset, "mine" | "gone")
}

/// A connection and a table.
pub(crate) type Spot = (&'static str, &'static str);

/// What the portal says; refused: approved only with filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Says {
    Wanted(Wanted),
    Refused,
}

impl Says {
    /// What an event about it would ask for.
    pub(crate) fn wish(self) -> Wanted {
        match self {
            Self::Wanted(wanted) => wanted,
            Self::Refused => Wanted::Grant,
        }
    }
}

/// The portal, and the catalogue of assets. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Truth(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// Everything that was ever said of a project and an asset, the last last.
    said: BTreeMap<(String, String), Vec<Says>>,
    spots: BTreeMap<String, Spot>,
    approved: BTreeSet<(String, String, String)>,
}

impl Truth {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(crate) fn say(&self, project: &str, asset: &str, says: Says) {
        self.state().said.entry((project.to_owned(), asset.to_owned())).or_default().push(says);
        self.approve();
    }

    pub(crate) fn says(&self, project: &str, asset: &str) -> Says {
        self.history(project, asset).last().copied().unwrap_or(Says::Wanted(Wanted::Revoke))
    }

    /// All that was said.
    pub(crate) fn history(&self, project: &str, asset: &str) -> Vec<Says> {
        self.state().said.get(&(project.to_owned(), asset.to_owned())).cloned().unwrap_or_default()
    }

    pub(crate) fn spot(&self, asset: &str) -> Spot {
        let first = || ASSETS.iter().find(|(of, ..)| *of == asset).map(|(_, connection, table)| (*connection, *table));
        self.state().spots.get(asset).copied().or_else(first).unwrap()
    }

    pub(crate) fn publish(&self, asset: &str, spot: Spot) {
        self.state().spots.insert(asset.to_owned(), spot);
        self.approve();
    }

    /// Whether an environment's project has ever had an approved subscription for a table.
    pub(crate) fn approved(&self, environment: &str, connection: &str, table: &str) -> bool {
        let of = (environment.to_owned(), connection.to_owned(), table.to_lowercase());
        self.state().approved.contains(&of)
    }

    fn approve(&self) {
        for (environment, project) in ENVIRONMENTS {
            for (asset, ..) in ASSETS {
                if self.says(project, asset) == Says::Wanted(Wanted::Grant) {
                    let (connection, table) = self.spot(asset);
                    let of = (environment.to_owned(), connection.to_owned(), table.to_lowercase());
                    self.state().approved.insert(of);
                }
            }
        }
    }

    pub(crate) fn wanted(&self, project: &ProjectId, listing: &ListingId) -> Result<Wanted> {
        let asset = listing.as_str().strip_prefix("lst-").unwrap_or_default();
        match self.says(project.as_str(), asset) {
            Says::Wanted(wanted) => Ok(wanted),
            Says::Refused => Err(Error::new(ErrorKind::Refused, "approved with filters")),
        }
    }

    pub(crate) fn subscriptions(&self, project: &ProjectId, listing: &ListingId) -> Vec<Lookup> {
        let asset = listing.as_str().strip_prefix("lst-").unwrap_or_default();
        let environments = environments_of(project.as_str());
        environments.map(|environment| Lookup::Ours(Box::new(self.subscription(environment, asset)))).collect()
    }

    /// An asset where it is published now, for one environment.
    pub(crate) fn subscription(&self, environment: &str, asset: &str) -> Subscription {
        let owner = |account: &str| Owner::new(id(account), id("r"));
        let (connection, table) = self.spot(asset);
        Subscription {
            domain: id(DOMAIN),
            consumer: Consumer {
                project: id(project_of(environment)),
                environment: id(environment),
                owner: owner(CONSUMER),
            },
            asset: Asset { id: id(asset), revision: "1".into(), asset_type: "t".into() },
            listing: Listing { id: id(&format!("lst-{asset}")), name: asset.into(), revision: "1".into() },
            location: Location {
                connection: id(connection),
                path: id(&format!("sales.hr.{table}")),
                owner: owner(PRODUCER),
            },
            subscription: None,
            event: None,
        }
    }
}
