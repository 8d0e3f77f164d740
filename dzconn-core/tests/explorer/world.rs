//! The world that runs work on: tracking, the secrets of both accounts, and the source. Plain data, and one function that
//! performs one effect in one step.

use std::collections::{BTreeMap, BTreeSet};

use dzconn_core::engine::{Created, Login, Reads};
use dzconn_core::memory::{TrackingState, VaultState};
use dzconn_core::model::{
    AccountId, AssetId, AssetPath, AssetRecord, Credentials, EntryRecord, Generation, MappingRecord, OpenState,
    SecretName, SourceRecord, TableName, TurnStage, UserName,
};
use dzconn_core::store::{
    Expect, Key, NewSecret, Query, Record, SecretVersion, Slot, Transaction, Write, WriteOutcome,
};
use dzconn_core::workflow::{Answer, Effect};
use dzconn_core::{ErrorKind, Secret};

use crate::scenario::{consumer, key, producer, reader, spare, table};

/// A table that is not there.
pub(crate) const MISSING: &str = "x";
/// A table that the admin may not grant.
pub(crate) const WITHHELD: &str = "y";
/// A table that something denies to the user, whatever is granted.
pub(crate) const DENIED: &str = "z";

/// A rule that the world, or a driver, keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Only one session holds the lock, and only that one changes the source.
    Lock,
    /// What changes the source checks that its session still holds the lock.
    LockChecked,
    /// A lock that is given back is free.
    Unlock,
    /// A write is made only over what it expects.
    Conditions,
    /// A delivery is made only while its entry is what it was.
    Checks,
    /// A transaction is made whole.
    Atomic,
    /// No two writes carry the same version.
    Versions,
    /// No two lives of a user have the same generation.
    Generations,
    /// A burnt name is used up; otherwise it is merely deleted.
    Burn,
    /// A copy is written only over the version that was seen.
    CopySeen,
    /// A user that is there keeps its password when it is to be made.
    PasswordKept,
    /// A secret that is there is never overwritten by one that is to be made.
    CreateKeeps,
    /// The record remembers what a grant has begun.
    RemembersGranting,
    /// The record remembers what a revoke has begun.
    RemembersRevoking,
    /// The record remembers whose rows are to go.
    RemembersRevoked,
    /// The record remembers which generations are to be cleaned up.
    RemembersRetired,
    /// A run that fails undoes what it has begun, instead of giving up on the spot.
    Undo,
    /// The portal is asked under the lock, instead of believing the event.
    Ask,
    /// A pending rotation shows.
    PendingShows,
    /// Whoever ends an environment does not ask the portal.
    EndUnasked,
    /// Whoever ends an environment looks beyond the rows of its assets.
    EndSearches,
    /// Whoever has ended an environment looks again, and cleans up what dead runs have left.
    EndLooksAgain,
    /// A proposed value becomes current only over the version that was seen.
    PromotedSeen,
    /// The record remembers that either user may stand in the secret.
    RemembersReady,
    /// The record remembers that the copy may still hold the user of before.
    RemembersDelivering,
    /// What a rotation confirms is the turn whose record it read before it compared the copy.
    RecordReadFirst,
    /// A grant acts on both users while a rotation hands over.
    GrantsBoth,
    /// A revoke, and what takes back what a dead run has begun, acts on both users.
    RevokesBoth,
    /// With the one user goes the other.
    DropsBoth,
}

/// All of them, or all but one, to see what that one is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rules {
    pub(crate) without: Option<Rule>,
}

impl Rules {
    pub(crate) const ALL: Self = Self { without: None };

    pub(crate) fn keep(self, rule: Rule) -> bool {
        self.without != Some(rule)
    }
}

/// The database: its users.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Source {
    pub(crate) users: BTreeMap<UserName, Account>,
}

/// A user: how it logs in, and what it may read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Account {
    pub(crate) password: Secret,
    pub(crate) grants: BTreeSet<TableName>,
}

/// The secrets of both accounts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Vault {
    pub(crate) secrets: VaultState,
    /// Names that were deleted without being used up: only where [`Rule::Burn`] is left out.
    deleted: BTreeSet<(AccountId, SecretName)>,
}

/// Which part of the world an effect touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Side {
    Tracking,
    Vault,
    Source,
}

pub(crate) fn side(effect: &Effect) -> Option<Side> {
    match effect {
        Effect::Lock | Effect::Unlock | Effect::Ask | Effect::Resolve(_) => None,
        Effect::Read(_) | Effect::Find | Effect::Tables | Effect::Commit(_) => Some(Side::Tracking),
        Effect::ReadSecret(_)
        | Effect::InspectSecret(_)
        | Effect::CreateSecret(..)
        | Effect::Propose(..)
        | Effect::Promote { .. }
        | Effect::Share(..)
        | Effect::Burn(_)
        | Effect::ReadCopy(_)
        | Effect::ReadShared(_)
        | Effect::CreateCopy(..)
        | Effect::ReplaceCopy(..)
        | Effect::BurnCopy(_) => Some(Side::Vault),
        Effect::CreateUser(_)
        | Effect::SetPassword(_)
        | Effect::LogIn(..)
        | Effect::Grant { .. }
        | Effect::Revoke { .. }
        | Effect::Reads(..)
        | Effect::DropUser(_) => Some(Side::Source),
    }
}

/// Whether it changes the source: then its session must hold the lock.
pub(crate) fn changes_source(effect: &Effect) -> bool {
    side(effect) == Some(Side::Source) && !matches!(effect, Effect::LogIn(..) | Effect::Reads(..))
}

pub(crate) fn resolve(path: &AssetPath) -> Answer {
    match path.as_str().rsplit_once('.') {
        Some((_, MISSING)) | None => Answer::Failed(ErrorKind::TableNotFound),
        Some((_, name)) => Answer::Table(table(name)),
    }
}

fn failed(error: &dzconn_core::Error) -> Answer {
    Answer::Failed(error.kind())
}

pub(crate) fn on_tracking(tracking: &mut TrackingState, effect: &Effect, asset: &AssetId, rules: Rules) -> Answer {
    match effect {
        Effect::Read(keys) => tracking.read(keys).map_or_else(|error| failed(&error), Answer::Records),
        Effect::Find => {
            let page = tracking.list(&Query::Entries(key()), None, 100).unwrap();
            Answer::Found(page.records.into_iter().find_map(|stored| match stored.unwrap().record {
                Record::Entry(entry) if entry.assets.contains_key(asset) => Some(entry.table),
                _ => None,
            }))
        }
        Effect::Tables => {
            let page = tracking.list(&Query::Entries(key()), None, 100).unwrap();
            Answer::Tables(page.records.into_iter().filter_map(|stored| entry(stored.unwrap().record)).collect())
        }
        Effect::Commit(transaction) => {
            let mut transaction = altered(transaction, rules);
            if !rules.keep(Rule::RecordReadFirst) {
                confirm_anything(tracking, &mut transaction);
            }
            tracking.commit(&transaction).map_or_else(|error| failed(&error), Answer::Wrote)
        }
        _ => unreachable!("{effect:?}"),
    }
}

fn entry(record: Record) -> Option<TableName> {
    if let Record::Entry(entry) = record { Some(entry.table) } else { None }
}

/// The end of one turn as it would be written by somebody who has read the record after comparing the copy.
fn confirm_anything(tracking: &TrackingState, transaction: &mut Transaction) {
    let [change] = &mut transaction.changes[..] else { return };
    let now = tracking.read(&[Key::Source(key())]).unwrap().pop().flatten();
    let Some(now) = now else { return };
    let Write::Put(_, put) = &mut change.write else { return };
    let (Record::Source(put), Record::Source(is)) = (&mut **put, &now.record) else { return };
    let (Some(mine), Some(living)) = (&put.generation, &is.generation) else { return };
    let confirms = mine.turn.is_none() && mine.spare.is_some() && put.open.is_empty();
    if confirms && living.id == mine.id && living.stage() == Some(TurnStage::Delivering) {
        let mut after = is.clone();
        after.generation.as_mut().unwrap().turn = None;
        *put = after;
        change.expect = now.expect();
    }
}

/// The transaction as a world without some rule would take it.
fn altered(transaction: &Transaction, rules: Rules) -> Transaction {
    let mut transaction = transaction.clone();
    transaction.changes.retain(|change| rules.keep(Rule::Checks) || change.write != Write::Check);
    if !rules.keep(Rule::Atomic) {
        transaction.changes.truncate(1);
    }
    for change in &mut transaction.changes {
        if !rules.keep(Rule::Conditions) && change.write != Write::Check {
            change.expect = Expect::Anything;
        }
        if let Write::Put(_, record) = &mut change.write
            && let Record::Source(source) = &mut **record
        {
            source.open.retain(|_, open| match open.state {
                OpenState::Granting => rules.keep(Rule::RemembersGranting),
                OpenState::Revoking => rules.keep(Rule::RemembersRevoking),
            });
            if let Some(Generation { turn: turn @ Some(_), .. }) = &mut source.generation {
                match turn.unwrap().stage {
                    TurnStage::Ready if !rules.keep(Rule::RemembersReady) => {
                        turn.as_mut().unwrap().stage = TurnStage::Preparing;
                    }
                    TurnStage::Delivering if !rules.keep(Rule::RemembersDelivering) => *turn = None,
                    _ => {}
                }
            }
            if !rules.keep(Rule::RemembersRevoked) {
                source.revoked.clear();
            }
            if !rules.keep(Rule::RemembersRetired) {
                source.retired.clear();
            }
        }
    }
    transaction
}

pub(crate) fn on_vault(vault: &mut Vault, effect: &Effect, rules: Rules) -> Answer {
    match effect {
        Effect::InspectSecret(name) if rules.keep(Rule::PendingShows) => Answer::Slot(vault.inspect(name)),
        Effect::ReadSecret(name) | Effect::InspectSecret(name) => Answer::Slot(vault.read(&producer(), name)),
        Effect::CreateSecret(name, secret) => vault.create(&producer(), name, secret, rules),
        Effect::Propose(name, version, value) => Answer::Slot(vault.propose(name, version, value)),
        Effect::Promote { secret, seen, version } => {
            let now = match vault.read(&producer(), secret) {
                Slot::Live(now) if !rules.keep(Rule::PromotedSeen) => now.version,
                _ => seen.clone(),
            };
            Answer::Wrote(vault.secrets.promote(&producer(), secret, &now, version))
        }
        Effect::Share(name, readers) => {
            let shared = vault.secrets.share(&producer(), name, readers);
            shared.map_or_else(|error| failed(&error), |()| Answer::Done)
        }
        Effect::Burn(name) => vault.burn(&producer(), name, rules),
        Effect::ReadCopy(name) => Answer::Slot(vault.read(&consumer(), name)),
        Effect::ReadShared(id) => {
            let read = vault.secrets.read_shared(&consumer(), &reader(), id);
            read.map_or_else(|error| failed(&error), Answer::Slot)
        }
        Effect::CreateCopy(name, secret) => vault.create(&consumer(), name, secret, rules),
        Effect::ReplaceCopy(name, seen, secret) => {
            let now = match vault.read(&consumer(), name) {
                Slot::Live(now) if !rules.keep(Rule::CopySeen) => now.version,
                _ => seen.clone(),
            };
            Answer::Wrote(vault.secrets.replace(&consumer(), name, &now, secret))
        }
        Effect::BurnCopy(name) => vault.burn(&consumer(), name, rules),
        _ => unreachable!("{effect:?}"),
    }
}

impl Vault {
    fn read(&self, account: &AccountId, name: &SecretName) -> Slot {
        if self.deleted.contains(&(account.clone(), name.clone())) {
            return Slot::Empty;
        }
        self.secrets.read(account, name).unwrap()
    }

    fn inspect(&self, name: &SecretName) -> Slot {
        if self.deleted.contains(&(producer(), name.clone())) {
            return Slot::Empty;
        }
        self.secrets.inspect(&producer(), name).unwrap()
    }

    fn propose(&mut self, name: &SecretName, version: &SecretVersion, value: &Credentials) -> Slot {
        if self.deleted.contains(&(producer(), name.clone())) {
            return Slot::Empty;
        }
        self.secrets.propose(&producer(), name, version, value).unwrap()
    }

    /// Whether this value stands under a version that was proposed.
    pub(crate) fn has_proposed(&self, name: &SecretName, version: &SecretVersion, value: &Credentials) -> bool {
        let mut secrets = self.secrets.clone();
        let Ok(Slot::Live(there)) = secrets.propose(&producer(), name, version, value) else { return false };
        // What stood there before was proposed; what stands there only now was not.
        there.credentials == *value && secrets == self.secrets
    }

    fn create(&mut self, account: &AccountId, name: &SecretName, secret: &NewSecret, rules: Rules) -> Answer {
        let anew = self.deleted.remove(&(account.clone(), name.clone()));
        if (anew || !rules.keep(Rule::CreateKeeps))
            && let Slot::Live(now) = self.secrets.read(account, name).unwrap()
        {
            self.secrets.replace(account, name, &now.version, secret);
        }
        self.secrets.create(account, name, secret).map_or_else(|error| failed(&error), Answer::Slot)
    }

    fn burn(&mut self, account: &AccountId, name: &SecretName, rules: Rules) -> Answer {
        if rules.keep(Rule::Burn) {
            self.secrets.burn(account, name);
        } else if self.secrets.read(account, name).unwrap() != Slot::Empty {
            self.deleted.insert((account.clone(), name.clone()));
        }
        Answer::Done
    }

    /// What an account's secrets hold.
    pub(crate) fn live(&self, account: &AccountId) -> Vec<(SecretName, Credentials)> {
        let live = self
            .secrets
            .live()
            .into_iter()
            .filter(|(of, name, _)| of == account && !self.deleted.contains(&(of.clone(), name.clone())));
        live.map(|(_, name, credentials)| (name, credentials)).collect()
    }

    pub(crate) fn producers(&self, name: &SecretName) -> Slot {
        self.read(&producer(), name)
    }

    pub(crate) fn copies(&self, name: &SecretName) -> Slot {
        self.read(&consumer(), name)
    }
}

pub(crate) fn on_source(source: &mut Source, effect: &Effect, rules: Rules) -> Answer {
    let users = &mut source.users;
    match effect {
        Effect::CreateUser(credentials) => {
            let there = users.contains_key(&credentials.user);
            if !there || !rules.keep(Rule::PasswordKept) {
                set_password(users, credentials);
            }
            Answer::Created(if there { Created::Existed } else { Created::New })
        }
        Effect::SetPassword(credentials) if users.contains_key(&credentials.user) => {
            set_password(users, credentials);
            Answer::Done
        }
        Effect::LogIn(credentials, table) => match users.get(&credentials.user) {
            Some(account) if account.password == credentials.password => {
                Answer::Login(Login::In(Some(account.reads(table))))
            }
            _ => Answer::Login(Login::Refused),
        },
        Effect::Grant { table, .. } if table.name() == WITHHELD => Answer::Failed(ErrorKind::NoGrantOption),
        Effect::Grant { user, table, take_back } => match users.get_mut(user) {
            Some(account) => {
                account.grants.insert(table.clone());
                account.grants.retain(|granted| !take_back.contains(granted));
                Answer::Done
            }
            None => Answer::Failed(ErrorKind::Unexpected),
        },
        Effect::SetPassword(_) => Answer::Failed(ErrorKind::Unexpected),
        Effect::Revoke { user, .. } if *user == spare() && !rules.keep(Rule::RevokesBoth) => Answer::Done,
        Effect::Revoke { user, tables } => {
            if let Some(account) = users.get_mut(user) {
                account.grants.retain(|granted| !tables.contains(granted));
            }
            Answer::Done
        }
        Effect::Reads(user, table) => Answer::Reads(users.get(user).map_or(Reads::No, |account| account.reads(table))),
        Effect::DropUser(user) if *user == spare() && !rules.keep(Rule::DropsBoth) => Answer::Done,
        Effect::DropUser(user) => {
            users.remove(user);
            Answer::Done
        }
        _ => unreachable!("{effect:?}"),
    }
}

fn set_password(users: &mut BTreeMap<UserName, Account>, Credentials { user, password, .. }: &Credentials) {
    let grants = users.remove(user).map(|account| account.grants).unwrap_or_default();
    users.insert(user.clone(), Account { password: password.clone(), grants });
}

impl Source {
    /// Whether these credentials log in.
    pub(crate) fn opens(&self, credentials: &Credentials) -> bool {
        self.users.get(&credentials.user).is_some_and(|account| account.password == credentials.password)
    }
}

impl Account {
    fn reads(&self, table: &TableName) -> Reads {
        if self.grants.contains(table) && table.name() != DENIED { Reads::Yes(Vec::new()) } else { Reads::No }
    }
}

/// Whether a conditional write was refused.
pub(crate) fn refused(answer: &Answer) -> bool {
    *answer == Answer::Wrote(WriteOutcome::Conflict)
}

/// What the tables hold, by kind.
#[derive(Debug, Default)]
pub(crate) struct Books<'a> {
    pub(crate) source: Option<&'a SourceRecord>,
    pub(crate) entries: Vec<&'a EntryRecord>,
    pub(crate) mappings: Vec<&'a MappingRecord>,
    pub(crate) rows: Vec<&'a AssetRecord>,
}

impl<'a> Books<'a> {
    pub(crate) fn of(tracking: &'a TrackingState) -> Self {
        let mut books = Self::default();
        for (_, stored) in tracking.iter() {
            match &stored.record {
                Record::Source(record) => books.source = Some(record),
                Record::Entry(record) => books.entries.push(record),
                Record::Mapping(record) => books.mappings.push(record),
                Record::Asset(record) => books.rows.push(record),
                Record::Wanted(_) | Record::Bucket(_) | Record::Objects(_) => {}
            }
        }
        books
    }
}
