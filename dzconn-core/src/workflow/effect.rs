//! What a run asks the world to do, and what the world answers.

use crate::engine::{Created, Login, Reads};
use crate::model::{
    AssetPath, Credentials, GenerationId, Principal, SecretId, SecretName, TableName, UserName, Version, Wanted,
};
use crate::store::{Key, NewSecret, SecretVersion, Slot, Stored, Transaction, WriteOutcome};
use crate::{ErrorKind, Secret, Timestamp};

/// One thing to be done, before the run goes on with its answer. Each is a single call of a port, and each can be repeated.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Connect to the source, unless a session is there, and take the lock. → [`Answer::Done`]
    Lock,
    /// Give the lock back. → [`Answer::Done`]
    Unlock,
    /// Ask the portal. → [`Answer::Wanted`]
    Ask,
    /// Read records. → [`Answer::Records`]
    Read(Vec<Key>),
    /// Look through all settled tables of the source record for the run's asset. → [`Answer::Found`]
    Find,
    /// List all settled tables of the source record. → [`Answer::Tables`]
    Tables,
    /// Write records. → [`Answer::Wrote`]
    Commit(Transaction),
    /// Find the table in the source. → [`Answer::Table`]
    Resolve(AssetPath),
    /// Read the producer's secret. → [`Answer::Slot`]
    ReadSecret(SecretName),
    /// Read the producer's secret once more, and whether somebody is rotating it. → [`Answer::Slot`]
    InspectSecret(SecretName),
    /// Make the producer's secret. → [`Answer::Slot`]
    CreateSecret(SecretName, Box<NewSecret>),
    /// Put a value beside the producer's secret's current one, under a version that was chosen before. → [`Answer::Slot`]
    Propose(SecretName, SecretVersion, Box<Credentials>),
    /// Make a proposed version the current one, over the version that was seen. → [`Answer::Wrote`]
    Promote {
        /// The producer's secret.
        secret: SecretName,
        /// What was current.
        seen: SecretVersion,
        /// What is to be.
        version: SecretVersion,
    },
    /// Share the producer's secret. → [`Answer::Done`]
    Share(SecretName, Vec<Principal>),
    /// Use up the producer's secret's name. → [`Answer::Done`]
    Burn(SecretName),
    /// Make the user. → [`Answer::Created`]
    CreateUser(Box<Credentials>),
    /// Set the user's password. → [`Answer::Done`]
    SetPassword(Box<Credentials>),
    /// Log in as the user and ask for the table. → [`Answer::Login`]
    LogIn(Box<Credentials>, TableName),
    /// Grant one table, take others back. → [`Answer::Done`]
    Grant {
        /// Who is to read.
        user: UserName,
        /// What.
        table: TableName,
        /// What the user is no longer to read.
        take_back: Vec<TableName>,
    },
    /// Take tables back. → [`Answer::Done`]
    Revoke {
        /// Who is no longer to read.
        user: UserName,
        /// What.
        tables: Vec<TableName>,
    },
    /// Whether the user reads the table. → [`Answer::Reads`]
    Reads(UserName, TableName),
    /// End sessions and drop the user. → [`Answer::Done`]
    DropUser(UserName),
    /// Read the consumer's copy. → [`Answer::Slot`]
    ReadCopy(SecretName),
    /// Read, as the consumer, the producer's secret. → [`Answer::Slot`]
    ReadShared(SecretId),
    /// Make the copy. → [`Answer::Slot`]
    CreateCopy(SecretName, Box<NewSecret>),
    /// Write the copy over the version that was seen. → [`Answer::Wrote`]
    ReplaceCopy(SecretName, SecretVersion, Box<NewSecret>),
    /// Use up the copy's name. → [`Answer::Done`]
    BurnCopy(SecretName),
}

impl Effect {
    /// Whether it may change anything but the lock.
    pub(crate) const fn writes(&self) -> bool {
        !matches!(
            self,
            Self::Lock
                | Self::Unlock
                | Self::Ask
                | Self::Read(_)
                | Self::Find
                | Self::Tables
                | Self::Resolve(_)
                | Self::ReadSecret(_)
                | Self::InspectSecret(_)
                | Self::LogIn(..)
                | Self::Reads(..)
                | Self::ReadCopy(_)
                | Self::ReadShared(_)
        )
    }

    /// Whether it happens in the admin's session on the source.
    pub(crate) const fn needs_session(&self) -> bool {
        matches!(
            self,
            Self::Lock
                | Self::Unlock
                | Self::Resolve(_)
                | Self::CreateUser(_)
                | Self::SetPassword(_)
                | Self::Grant { .. }
                | Self::Revoke { .. }
                | Self::Reads(..)
                | Self::DropUser(_)
        )
    }
}

/// What the world answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// To begin with.
    Begin,
    /// It is done.
    Done,
    /// What the portal wants.
    Wanted(Wanted),
    /// The records, in the order of the keys.
    Records(Vec<Option<Stored>>),
    /// The table for which the asset was granted, if any.
    Found(Option<TableName>),
    /// The settled tables.
    Tables(Vec<TableName>),
    /// What became of a write.
    Wrote(WriteOutcome),
    /// The table.
    Table(TableName),
    /// What stands under a secret's name.
    Slot(Slot),
    /// Whether the user was made.
    Created(Created),
    /// Whether the credentials log in.
    Login(Login),
    /// Whether the user reads.
    Reads(Reads),
    /// The effect failed, and doing it again would not help. The driver keeps the error itself.
    Failed(ErrorKind),
    /// The session, and with it the lock, is gone.
    SessionLost,
}

/// What a run does next.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Next<T> {
    /// Do this, and come back with the answer.
    Do(Effect),
    /// The run has ended.
    End(T),
}

/// Where a run's randomness and time come from. They are handed in, so that a run is a pure function of its inputs.
pub trait Fresh {
    /// A version that was never used.
    fn version(&mut self) -> Version;
    /// A generation that was never used.
    fn generation(&mut self) -> GenerationId;
    /// A password that nobody knows.
    fn password(&mut self) -> Secret;
    /// The time.
    fn now(&mut self) -> Timestamp;
}

/// Why a run ended without its result.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Failure {
    /// What went wrong.
    pub kind: ErrorKind,
    /// What happened, where the run itself found it; `None` where an effect failed, whose error the driver has.
    pub detail: Option<&'static str>,
}

impl Failure {
    pub(crate) const fn of_effect(kind: ErrorKind) -> Self {
        Self { kind, detail: None }
    }

    pub(crate) const fn found(kind: ErrorKind, detail: &'static str) -> Self {
        Self { kind, detail: Some(detail) }
    }
}
