//! What a producer's run is started with, and what it has brought about.

use crate::engine::Reads;
use crate::model::{
    GenerationId, Principal, SecretId, SecretName, SourceEndpoint, Subscription, TableName, TurnId, UserName, Wanted,
};
use crate::workflow::effect::Failure;

/// What a producer's run is started with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ProducerTask {
    /// Who, what and where.
    pub subscription: Subscription,
    /// What the run was started for; the portal has the last word.
    pub wish: Wanted,
    /// Whether the portal is asked, or the wish is all there is.
    pub ask: bool,
    /// What the run has come for.
    pub errand: Errand,
    /// The asset was granted by an older system, if its path is among those.
    pub older: bool,
    /// The table that tracking has for the asset.
    pub table: Option<TableName>,
    /// The user of a new generation.
    pub user: UserName,
    /// What the other user is called, if a first rotation makes one.
    pub spare: UserName,
    /// The address for the secret.
    pub endpoint: SourceEndpoint,
    /// What the secret says about TLS.
    pub ssl: Option<bool>,
    /// Who may read the producer's secret.
    pub readers: Vec<Principal>,
}

/// What a run has come for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Errand {
    /// To bring about what is wanted.
    #[default]
    Fulfil,
    /// The asset has moved away from here: whatever is wanted of it, it is taken back here, unless access is to be retained.
    Leave,
    /// To undo what dead runs have left half done. Nothing else is granted or taken back, and nobody is asked.
    Tidy,
    /// The environment ends: the asset is taken back whatever is wanted of it, retained access too. Nobody is asked.
    End,
    /// The environment gets new credentials. It is of no asset: the subscription says only whose and where. Nobody is asked, and
    /// what dead runs have left half done is undone first. Where a turn is named, only that one is gone on with, and none begun.
    Rotate(Option<TurnId>),
}

impl Errand {
    /// Whether it is a rotation.
    pub const fn rotates(self) -> bool {
        matches!(self, Self::Rotate(_))
    }
}

/// What the producer's part has brought about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Produced {
    /// What was done: what the portal wanted, not necessarily what the run was started for.
    pub did: Did,
    /// What kept the run from doing what was wanted. What it had begun has been undone, as far as `undone` says.
    pub failure: Option<Failure>,
    /// After a failure: whether all that this run had begun has been taken back, and nothing else.
    pub undone: bool,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Did {
    /// The user reads the table.
    Granted(Delivery),
    /// The user goes on reading the table, although the subscription has ended.
    Retained(Delivery),
    /// dzconn's privilege is gone.
    Revoked {
        /// Whether anything had to be done.
        changed: bool,
        /// Whether it was the last table, so that user and secret went too.
        dropped: bool,
        /// The table, if there was one.
        table: Option<TableName>,
        /// Whether the user can still read it, by ways that are not dzconn's.
        reads: Reads,
    },
    /// The producer's secret holds new credentials. After [`Errand::Rotate`], anything else means that there was nothing to rotate.
    Rotated(Handover),
}

/// What the consumer's part of a rotation needs to know.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Handover {
    /// The generation that was rotated.
    pub generation: GenerationId,
    /// The database user that the producer's secret names now.
    pub user: UserName,
    /// The one that it named before, which still logs in.
    pub previous: Option<UserName>,
    /// The producer's secret's address.
    pub secret_id: SecretId,
    /// The name of the consumer's copy.
    pub copy: SecretName,
}

/// What the consumer's part needs to know.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Delivery {
    /// The generation that was granted.
    pub generation: GenerationId,
    /// The table.
    pub table: TableName,
    /// The database user.
    pub user: UserName,
    /// The producer's secret.
    pub secret: SecretName,
    /// Its address.
    pub secret_id: SecretId,
    /// The name for the consumer's copy.
    pub copy: SecretName,
    /// Whether the user was made by this run.
    pub new_user: bool,
    /// Whether anything had to be recorded.
    pub changed: bool,
}
