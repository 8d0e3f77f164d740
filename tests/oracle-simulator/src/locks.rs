//! `DBMS_LOCK` ("PL/SQL Packages and Types Reference", DBMS_LOCK).

use std::collections::BTreeMap;

/// The highest id that is left to users.
pub(crate) const LAST_USER_ID: i128 = 1_073_741_823;

/// The modes, from nl_mode to x_mode.
pub(crate) const MODES: std::ops::RangeInclusive<i128> = 1..=6;

/// What REQUEST, CONVERT and RELEASE answer.
pub(crate) mod answer {
    pub(crate) const SUCCESS: i128 = 0;
    pub(crate) const TIMEOUT: i128 = 1;
    pub(crate) const PARAMETER: i128 = 3;
    /// REQUEST: already own it; CONVERT and RELEASE: do not.
    pub(crate) const OWN: i128 = 4;
    pub(crate) const HANDLE: i128 = 5;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) session: u64,
    pub(crate) mode: i128,
    pub(crate) on_commit: bool,
}

/// All locks of all instances: they are the database's, not an instance's.
#[derive(Debug, Default)]
pub(crate) struct Locks {
    held: BTreeMap<i128, Vec<Holder>>,
    /// DBMS_LOCK_ALLOCATED.
    pub(crate) names: BTreeMap<String, i128>,
}

/// Whether two sessions may hold a lock in these modes ("DBMS_LOCK", Lock Compatibility Rules).
fn compatible(one: i128, two: i128) -> bool {
    match (one.min(two), one.max(two)) {
        (2, 6) => false,
        (1 | 2, _) | (3, 3) | (4, 4) => true,
        _ => false,
    }
}

impl Locks {
    pub(crate) fn mode(&self, id: i128, session: u64) -> Option<i128> {
        let holders = self.held.get(&id)?;
        holders.iter().find(|holder| holder.session == session).map(|holder| holder.mode)
    }

    /// Takes or converts it, if nobody else's mode is in the way.
    pub(crate) fn take(&mut self, id: i128, wanted: Holder) -> bool {
        let holders = self.held.entry(id).or_default();
        if holders.iter().any(|other| other.session != wanted.session && !compatible(other.mode, wanted.mode)) {
            return false;
        }
        holders.retain(|other| other.session != wanted.session);
        holders.push(wanted);
        true
    }

    pub(crate) fn release(&mut self, id: i128, session: u64) -> bool {
        let Some(holders) = self.held.get_mut(&id) else { return false };
        let before = holders.len();
        holders.retain(|holder| holder.session != session);
        before > holders.len()
    }

    pub(crate) fn release_on_commit(&mut self, session: u64) {
        for holders in self.held.values_mut() {
            holders.retain(|holder| !(holder.session == session && holder.on_commit));
        }
    }

    /// User locks are released when a session ends.
    pub(crate) fn release_all(&mut self, session: u64) {
        for holders in self.held.values_mut() {
            holders.retain(|holder| holder.session != session);
        }
        self.held.retain(|_, holders| !holders.is_empty());
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (i128, Holder)> {
        self.held.iter().flat_map(|(id, holders)| holders.iter().map(|holder| (*id, *holder)))
    }

    /// The id of a name: the same for all sessions.
    pub(crate) fn allocate(&mut self, name: &str) -> i128 {
        let next = LAST_USER_ID + 1 + i128::try_from(self.names.len()).unwrap_or_default();
        *self.names.entry(name.to_owned()).or_insert(next)
    }
}
