//! What tracking says, compared with what the source and the secret stores really hold; and the difference, mended.
//!
//! [`Fulfilment::reconcile`] looks and changes nothing. Each [`Finding`] says what is wrong, where, and how it would be mended;
//! [`Fulfilment::mend`] does that. To mend is, wherever possible, to run a grant or revoke once more: such a run asks the portal,
//! holds the lock and finishes what others left, so it is as safe as any other, also beside others.
//!
//! # What is never touched
//!
//! Only what dzconn has made is ever changed, and dzconn's are:
//!
//! - a **user** that a source record names; or whose name is the one that dzconn gives
//!   ([`UserNaming`](crate::model::UserNaming)), for this very connection, to an environment that tracking speaks of or that was
//!   named in the [`Scope`]: of another, another installation of dzconn may know;
//! - a **privilege** if it is read on a table, held by such a user itself, and the admin may take it back;
//! - a **secret** that a source record or a mapping names; or whose name is one that dzconn gives to such an environment, in
//!   an account that tracking speaks of;
//! - a **statement** in a bucket's policy whose `Sid` is the one that dzconn gives, to a domain that the bucket's record speaks of,
//!   and which has the shape that dzconn gives it;
//! - a **record** in dzconn's tables.
//!
//! Everything else that is found (what somebody else granted, what PUBLIC gives, what a user owns, a record that cannot be read)
//! is told, with what a person can do about it.
//!
//! # When to run it
//!
//! After a database was restored from a backup, after records were edited by hand, after runs died that nobody repeats, and
//! on a schedule to see that nothing has drifted. It may run at any time: what a living run is working on looks half
//! done, and is left alone until it is older than any run may be.

pub(crate) mod books;
pub(crate) mod look;
mod mend;
pub(crate) mod orphans;

use std::fmt;
use std::sync::Arc;

use crate::bucket::{Bucket, ObjectSubscription};
use crate::fulfilment::Parts;
use crate::model::{
    ConnectionId, EnvironmentId, MappingRecord, Owner, SecretName, SourceKey, Subscription, TableName, TurnId,
    UserName, Wanted,
};
use crate::store::{Expect, Key};
use crate::{CredentialStore, Error, Fulfilment, Result};

pub use mend::Mended;
pub(crate) use mend::tidy;

/// What is looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Scope {
    /// Only this connection.
    pub connection: Option<ConnectionId>,
    /// Only this environment.
    pub environment: Option<EnvironmentId>,
}

impl Scope {
    fn admits(&self, key: &SourceKey) -> bool {
        self.connection.as_ref().is_none_or(|connection| *connection == key.connection)
            && self.environment.as_ref().is_none_or(|environment| *environment == key.environment)
    }
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Finding {
    /// Where; the environment is not known of a user that nobody knows.
    pub connection: Option<ConnectionId>,
    /// Whose.
    pub environment: Option<EnvironmentId>,
    /// What kind of thing is wrong.
    pub problem: Problem,
    /// What exactly, in words. No secret is in it.
    pub detail: String,
    /// How it is mended.
    pub mend: Mend,
}

/// What can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Problem {
    /// A run may be at work; what it works on is not judged.
    UnderWay,
    /// A run died, and nobody came back to it.
    HalfDone,
    /// The portal does not want this access (any more), or wants it kept.
    NotWanted,
    /// The record has a user that the source has not.
    UserMissing,
    /// The source has a user of dzconn's that no record has.
    UserWithoutRecord,
    /// The password in the secret does not log in.
    PasswordRefused,
    /// The record has a grant that the source has not.
    GrantMissing,
    /// The source grants a table to the user that the record does not have.
    GrantExtra,
    /// The user can do more, by what is not dzconn's.
    Excess,
    /// The producer's secret is gone or was changed.
    Secret,
    /// A secret of dzconn's that no record names.
    SecretWithoutRecord,
    /// The consumer's copy is gone, or differs from the producer's secret.
    Copy,
    /// A row or mapping is missing, or contradicts the record.
    Row,
    /// A row or mapping stands for access that there is not.
    RowWithoutGrant,
    /// A record cannot be read.
    Unreadable,
    /// The source, or a secret store, could not be looked at.
    CannotTell,
}

impl Problem {
    /// The word for it, as in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UnderWay => "under_way",
            Self::HalfDone => "half_done",
            Self::NotWanted => "not_wanted",
            Self::UserMissing => "user_missing",
            Self::UserWithoutRecord => "user_without_record",
            Self::PasswordRefused => "password_refused",
            Self::GrantMissing => "grant_missing",
            Self::GrantExtra => "grant_extra",
            Self::Excess => "excess",
            Self::Secret => "secret",
            Self::SecretWithoutRecord => "secret_without_record",
            Self::Copy => "copy",
            Self::Row => "row",
            Self::RowWithoutGrant => "row_without_grant",
            Self::Unreadable => "unreadable",
            Self::CannotTell => "cannot_tell",
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// On which side of a grant a secret is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The source's.
    Producer,
    /// The environment's.
    Consumer,
}

impl Side {
    /// What the names of its secrets begin with.
    const fn prefix(self) -> &'static str {
        match self {
            Self::Producer => "dz-conn-p-",
            Self::Consumer => "dz-conn-c-",
        }
    }

    async fn store(self, parts: &Parts, owner: &Owner) -> Result<Arc<dyn CredentialStore>> {
        match self {
            Self::Producer => parts.producer.credentials.of(owner).await,
            Self::Consumer => parts.consumer.copies.of(owner).await,
        }
    }
}

/// How a finding is mended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mend {
    /// Run this grant, revoke or retain once more; the portal has the last word.
    Run(Box<Subscription>, Wanted),
    /// It has moved away from here: take this table back, and make sure of it where it is now.
    Leave {
        /// The asset at its old place.
        old: Box<Subscription>,
        /// What was granted there.
        table: TableName,
        /// The asset at its new place.
        new: Box<Subscription>,
    },
    /// Undo what a dead run has left half done, and clean up after it.
    Tidy(Box<Subscription>, Option<TableName>),
    /// Go on with this rotation, if it is still under way.
    Rotate(SourceKey, TurnId),
    /// Take these tables from the user, if the record still does not have them.
    TakeBack(SourceKey, UserName, Vec<TableName>),
    /// Drop the user, if there still is no record of it.
    Drop(SourceKey, UserName),
    /// Remove the record if it is still the one that was seen.
    Forget(Key, Expect),
    /// Delete the copy that a mapping names, if still no user belongs to it, and remove the mapping.
    Strike(Box<MappingRecord>, Expect),
    /// Delete the secret, if still no record names it.
    Burn(Side, Owner, SecretName),
    /// Make the bucket's policy what the records say, and finish what dead runs have left there.
    Bucket(Bucket),
    /// Run this grant, revoke or retain of objects once more; the portal has the last word.
    Objects(Box<ObjectSubscription>, Wanted),
    /// A person must do it, and how.
    ByHand(String),
    /// Nothing is to be done.
    Nothing,
}

/// What could not be looked at: a person reads what the error advises.
pub(crate) fn by_hand(error: &Error) -> Mend {
    let otherwise = if error.is_retryable() { "try again" } else { "mend what the error says, and look again" };
    Mend::ByHand(error.advice().unwrap_or(otherwise).to_owned())
}

const fn word(wish: Wanted) -> &'static str {
    match wish {
        Wanted::Grant => "grant",
        Wanted::Retain => "retain",
        Wanted::Revoke => "revoke",
    }
}

impl fmt::Display for Mend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run(subscription, wish) => {
                let what = word(*wish);
                write!(f, "{what} {} for {} once more", subscription.location.path, subscription.consumer.environment)
            }
            Self::Leave { old, table, new } => {
                write!(
                    f,
                    "take {table} back from {}, and grant {} once more",
                    old.consumer.environment, new.location.path
                )
            }
            Self::Tidy(..) => f.write_str("undo what the dead run has left, and clean up"),
            Self::Rotate(key, _) => write!(f, "go on with the rotation of the credentials of {}", key.environment),
            Self::TakeBack(_, user, tables) => {
                let tables: Vec<_> = tables.iter().map(ToString::to_string).collect();
                write!(f, "revoke read on {} from {user}", tables.join(", "))
            }
            Self::Drop(_, user) => write!(f, "drop the user {user}"),
            Self::Forget(key, _) => write!(f, "remove the {key}"),
            Self::Strike(mapping, _) => write!(f, "delete the secret {} and remove its mapping", mapping.secret),
            Self::Burn(_, owner, name) => write!(f, "delete the secret {name} in {}", owner.account),
            Self::Bucket(bucket) => write!(f, "make the policy of {bucket} what the records say"),
            Self::Objects(subscription, wish) => {
                let what = word(*wish);
                write!(f, "{what} {} for {} once more", subscription.access.objects, subscription.consumer.environment)
            }
            Self::ByHand(how) => write!(f, "by hand: {how}"),
            Self::Nothing => f.write_str("nothing to do"),
        }
    }
}

impl Fulfilment {
    /// Compares tracking with what sources and stores hold, and with what the portal wants, and changes nothing.
    ///
    /// What cannot be looked at is a finding ([`Problem::CannotTell`]), not an error: the rest is told all the same.
    ///
    /// # Errors
    /// Only that tracking cannot be read.
    pub async fn reconcile(&self, scope: &Scope) -> Result<Vec<Finding>> {
        let mut findings = look::all(self, scope).await?;
        findings.extend(crate::bucket::look(self, scope).await?);
        Ok(findings)
    }

    /// Mends a finding. What was seen is looked at again, under the lock where there is one, so a finding of yesterday does no
    /// harm; mending twice changes nothing.
    ///
    /// # Errors
    /// As of [`grant`](Self::grant) and [`revoke`](Self::revoke).
    pub async fn mend(&self, finding: &Finding) -> Result<Mended> {
        mend::mend(self, finding).await
    }
}
