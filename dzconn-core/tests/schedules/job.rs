//! What can be asked for.

use std::fmt;

use dzconn_core::portal::Wanted;

use crate::truth::{ASSETS, ENVIRONMENTS, Says, environments_of};

/// One task of a process, or something that happens to the world beside them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Job {
    /// A grant, retain or revoke for one environment, as a host calls it.
    Run { environment: &'static str, asset: &'static str, wish: Wanted },
    /// An event, which may be late or wrong.
    Event { project: &'static str, asset: &'static str, wish: Wanted },
    /// The environment ends.
    End { environment: &'static str },
    /// New credentials for an environment on one source.
    Rotate { environment: &'static str, connection: &'static str },
    /// `dzconn reconcile --apply`.
    Reconcile,
    /// The portal changes its mind.
    Want { project: &'static str, asset: &'static str, says: Says },
    /// Somebody else works on the source.
    Hand { environment: &'static str, connection: &'static str, hand: Hand },
}

/// What people do to a source by hand, and dzconn mends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hand {
    /// The user gets another password.
    Password,
    /// The user is dropped.
    DropUser,
    /// A privilege is revoked.
    TakeAway(&'static str),
    /// A privilege is granted that nobody subscribed to.
    Extra(&'static str),
    /// User and producer's secret get another password, as a rotation leaves them.
    Rotate,
}

impl Job {
    /// Whether it happens to the world, and is not the work of a process.
    pub(crate) fn outside(&self) -> bool {
        matches!(self, Self::Want { .. } | Self::Hand { .. })
    }

    /// Whose access it may change: environment and asset.
    pub(crate) fn touches(&self) -> Vec<(&'static str, &'static str)> {
        let all = |environment: &'static str| ASSETS.iter().map(move |(asset, ..)| (environment, *asset));
        match *self {
            Self::Run { environment, asset, .. } => vec![(environment, asset)],
            Self::Event { project, asset, .. } | Self::Want { project, asset, .. } => {
                environments_of(project).map(|environment| (environment, asset)).collect()
            }
            Self::End { environment } | Self::Rotate { environment, .. } | Self::Hand { environment, .. } => {
                all(environment).collect()
            }
            Self::Reconcile => ENVIRONMENTS.iter().flat_map(|(environment, _)| all(environment)).collect(),
        }
    }
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |wish: &Wanted| match wish {
            Wanted::Grant => "grant",
            Wanted::Retain => "retain",
            Wanted::Revoke => "revoke",
        };
        match self {
            Self::Run { environment, asset, wish } => write!(f, "{} {asset} for {environment}", word(wish)),
            Self::Event { project, asset, wish } => write!(f, "event: {} {asset} for {project}", word(wish)),
            Self::End { environment } => write!(f, "{environment} ends"),
            Self::Rotate { environment, connection } => write!(f, "rotate {environment} on {connection}"),
            Self::Reconcile => f.write_str("reconcile"),
            Self::Want { project, asset, says } => write!(f, "portal: {asset} for {project}: {says:?}"),
            Self::Hand { environment, connection, hand } => {
                write!(f, "by hand: {hand:?} of {environment} on {connection}")
            }
        }
    }
}
