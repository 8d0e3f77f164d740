//! What every [`CredentialStore`] must do.
//!
//! ```
//! mod conformance {
//!     use dzconn_core::memory::MemoryVault;
//!     use dzconn_core::model::{AccountId, Principal};
//!     use dzconn_core::testkit::credentials::{CredentialFixture, Neighbour};
//!
//!     async fn fixture() -> CredentialFixture {
//!         let vault = MemoryVault::new();
//!         let view = |account: &str| Neighbour {
//!             principal: Principal::new(format!("role/{account}")).unwrap(),
//!             store: std::sync::Arc::new(vault.account(
//!                 AccountId::new(account).unwrap(),
//!                 Principal::new(format!("role/{account}")).unwrap(),
//!             )),
//!         };
//!         CredentialFixture::of(view("owner").store).with_neighbours(view("reader"), view("stranger"))
//!     }
//!
//!     // One test for every rule; those that need more than the fixture has are shown as ignored.
//!     dzconn_core::credential_store_conformance!(fixture, without tampering);
//! }
//! ```

mod life;
mod rotation;
mod sample;
mod sharing;
#[cfg(test)]
mod tests;

use std::fmt::{self, Debug};
use std::sync::Arc;

use async_trait::async_trait;

use crate::Result;
use crate::model::{Principal, SecretName, SecretTags};
use crate::store::{CredentialStore, NewSecret, Slot, StoredSecret};
use crate::testkit::{Failure, Promise, Rule};

pub use life::*;
pub use rotation::*;
pub use sample::SecretSample;
pub use sharing::*;

/// Goes past the store under test, to what it keeps its secrets in.
#[async_trait]
pub trait SecretTamper: Debug + Send + Sync {
    /// The tags of a secret that is there.
    async fn tags(&self, name: &SecretName) -> Result<Option<SecretTags>>;

    /// Puts this text in the place of the value, as a careless person would.
    async fn damage(&self, name: &SecretName, value: &str) -> Result<()>;

    /// Begins a rotation of the secret, or ends it without a new value.
    async fn set_pending(&self, name: &SecretName, pending: bool) -> Result<()>;
}

/// The secrets of another account, as one of its roles sees them.
#[derive(Clone, Debug)]
pub struct Neighbour {
    /// The other account's store.
    pub store: Arc<dyn CredentialStore>,
    /// The role with which that store reads what is shared.
    pub principal: Principal,
}

/// The store under test. It may hold other secrets, and other rules may run on it at the same time.
pub struct CredentialFixture {
    /// The store of the account that owns the secrets.
    pub store: Arc<dyn CredentialStore>,
    /// Two other accounts, where the fixture has them: secrets are shared with the first, and not with the second.
    pub neighbours: Option<(Neighbour, Neighbour)>,
    /// The way past the store, where there is one.
    pub tamper: Option<Arc<dyn SecretTamper>>,
    /// Whatever must live as long as the store: a directory, a server.
    pub keep: Option<Box<dyn Send + Sync>>,
}

impl Debug for CredentialFixture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { store, neighbours, tamper, keep: _ } = self;
        f.debug_struct("CredentialFixture")
            .field("store", store)
            .field("neighbours", neighbours)
            .field("tamper", tamper)
            .finish_non_exhaustive()
    }
}

impl CredentialFixture {
    /// A fixture of the store alone.
    #[must_use]
    pub fn new(store: impl CredentialStore + 'static) -> Self {
        Self::of(Arc::new(store))
    }

    /// A fixture of the store alone.
    #[must_use]
    pub fn of(store: Arc<dyn CredentialStore>) -> Self {
        Self { store, neighbours: None, tamper: None, keep: None }
    }

    /// Adds two other accounts.
    #[must_use]
    pub fn with_neighbours(mut self, reader: Neighbour, stranger: Neighbour) -> Self {
        self.neighbours = Some((reader, stranger));
        self
    }

    /// Adds the way past the store.
    #[must_use]
    pub fn with_tamper(mut self, tamper: impl SecretTamper + 'static) -> Self {
        self.tamper = Some(Arc::new(tamper));
        self
    }

    /// Keeps something alive as long as the fixture.
    #[must_use]
    pub fn keeping(mut self, resource: impl Send + Sync + 'static) -> Self {
        self.keep = Some(Box::new(resource));
        self
    }

    fn tamper(&self, promise: Promise) -> Result<&dyn SecretTamper, Failure> {
        self.tamper.as_deref().ok_or_else(|| promise.broken("not checked: the fixture has no `SecretTamper`"))
    }

    fn neighbours(&self, promise: Promise) -> Result<(&Neighbour, &Neighbour), Failure> {
        let (reader, stranger) =
            self.neighbours.as_ref().ok_or_else(|| promise.broken("not checked: the fixture has no neighbours"))?;
        Ok((reader, stranger))
    }

    /// Makes a secret under a name that is not taken.
    async fn create(&self, promise: Promise, name: &SecretName, secret: &NewSecret) -> Result<StoredSecret, Failure> {
        let slot = promise.answer("create", self.store.create(name, secret).await)?;
        let stored = live(promise, "create under a fresh name", slot)?;
        promise.unless(stored.credentials == secret.credentials, || {
            format!("create under a fresh name answered another value: {:?}", stored.credentials)
        })?;
        Ok(stored)
    }

    async fn read(&self, promise: Promise, name: &SecretName) -> Result<Slot, Failure> {
        promise.answer("read", self.store.read(name).await)
    }

    async fn must_stand(&self, promise: Promise, when: &str, name: &SecretName, wanted: &Slot) -> Result<(), Failure> {
        let found = self.read(promise, name).await?;
        promise.unless(found == *wanted, || format!("{when}, read answered {found:#?} instead of {wanted:#?}"))
    }

    async fn burn(&self, promise: Promise, name: &SecretName) -> Result<(), Failure> {
        promise.answer("burn", self.store.burn(name).await)
    }
}

fn live(promise: Promise, what: &str, slot: Slot) -> Result<StoredSecret, Failure> {
    match slot {
        Slot::Live(stored) => Ok(*stored),
        other => Err(promise.broken(format!("{what} answered {other:?}"))),
    }
}

/// The sentences that the rules check.
pub(crate) mod promises {
    use crate::testkit::Promise;

    pub(crate) const READS: Promise = Promise::new("CredentialStore", "Reads see every write that ended before them.");
    pub(crate) const NEVER_BACK: Promise = Promise::new(
        "CredentialStore",
        "A name goes from `Slot::Empty` to `Slot::Live` to `Slot::Burnt` and never back: no call of this trait brings a \
         burnt name to life again.",
    );
    pub(crate) const EMPTY: Promise = Promise::new("Slot::Empty", "Nothing, and nothing ever did.");
    pub(crate) const READ: Promise = Promise::new("CredentialStore::read", "What stands under a name of this account.");
    pub(crate) const READ_INVALID: Promise =
        Promise::new("CredentialStore::read", "`ErrorKind::SecretInvalid` if it is not such a secret.");
    pub(crate) const SHARED: Promise = Promise::new(
        "CredentialStore::read_shared",
        "Reads a secret that another account (or this one) has shared, by its address.",
    );
    pub(crate) const SHARED_GONE: Promise =
        Promise::new("CredentialStore::read_shared", "One that is gone is `Slot::Burnt`.");
    pub(crate) const DENIED: Promise =
        Promise::new("CredentialStore::read_shared", "`ErrorKind::StoreDenied` if it is not shared with the caller.");
    pub(crate) const CREATE: Promise = Promise::new(
        "CredentialStore::create",
        "Makes a secret unless the name is taken, and answers what stands there afterwards: one's own secret, or what was \
         there already, or `Slot::Burnt`.",
    );
    pub(crate) const ONE_WINS: Promise = Promise::new(
        "CredentialStore::create",
        "It never overwrites; of several callers at once one wins and all see the same.",
    );
    pub(crate) const REPLACE: Promise =
        Promise::new("CredentialStore::replace", "Writes a new value over exactly the version that was seen.");
    pub(crate) const REPLACE_CONFLICT: Promise =
        Promise::new("CredentialStore::replace", "`WriteOutcome::Conflict` if another value, or nothing, is there.");
    pub(crate) const PROPOSE: Promise = Promise::new(
        "CredentialStore::propose",
        "Puts a value beside the current one, as a version whose name the caller has chosen, and answers what stands under that \
         name: one's own value, or the one that was proposed there already; or `Slot::Empty` or `Slot::Burnt` if the secret is \
         not there.",
    );
    pub(crate) const PROPOSE_ONCE: Promise = Promise::new(
        "CredentialStore::propose",
        "It never overwrites; of several callers with one version one wins and all see the same.",
    );
    pub(crate) const PROPOSE_UNSEEN: Promise =
        Promise::new("CredentialStore::propose", "Nobody who reads the secret sees the value before it is promoted.");
    pub(crate) const PROPOSE_PENDING: Promise = Promise::new(
        "CredentialStore::propose",
        "Until then it is the pending version, unless another was proposed since: of several, the newest is pending, and each \
         can be promoted.",
    );
    pub(crate) const PROPOSE_SHAPE: Promise =
        Promise::new("CredentialStore::propose", "`ErrorKind::InvalidInput` if the version is not such a name;");
    pub(crate) const PROMOTE: Promise = Promise::new(
        "CredentialStore::promote",
        "Makes a version that was proposed the current one, if the current one is exactly the version that was seen. It is not \
         pending any more.",
    );
    pub(crate) const PROMOTE_TWICE: Promise =
        Promise::new("CredentialStore::promote", "Where it is current already, that is `WriteOutcome::Written`;");
    pub(crate) const PROMOTE_CONFLICT: Promise = Promise::new(
        "CredentialStore::promote",
        "`WriteOutcome::Conflict` if another value, or nothing, is current, or the version is not there.",
    );
    pub(crate) const VERSION: Promise = Promise::new(
        "SecretVersion",
        "One version of a secret's value, as its store names it; equal means: the same write.",
    );
    pub(crate) const SHARE: Promise =
        Promise::new("CredentialStore::share", "Lets exactly these read the secret's value, besides its owner.");
    pub(crate) const SHARE_TWICE: Promise = Promise::new(
        "CredentialStore::share",
        "Lets exactly these read the secret's value, besides its owner. Repeating it changes nothing.",
    );
    pub(crate) const SHARE_GONE: Promise =
        Promise::new("CredentialStore::share", "`ErrorKind::SecretGone` if nothing live stands under the name.");
    pub(crate) const BURN: Promise = Promise::new(
        "CredentialStore::burn",
        "Uses a name up, whatever stands there: afterwards it is `Slot::Burnt`, its value cannot be read, and a `create` \
         that is still under way makes nothing. Repeating it changes nothing.",
    );
    pub(crate) const NAMES: Promise = Promise::new(
        "CredentialStore::names",
        "The names of this account's secrets that begin with this, letter by letter, in any order.",
    );
    pub(crate) const TAGS: Promise = Promise::new("NewSecret::tags", "Whose it is.");
    pub(crate) const PENDING: Promise = Promise::new(
        "CredentialStore::inspect",
        "Reads as `read` does, and tells for sure whether somebody is rotating the secret",
    );
}

/// Makes one `#[tokio::test]` out of every rule for credential stores. The argument is the path of an async function
/// without arguments that answers a fresh [`CredentialFixture`]; with `, without neighbours`, `, without tampering` or
/// `, without neighbours, tampering`, the rules that need these are shown as ignored.
///
/// The caller's crate needs tokio with `macros` and `rt-multi-thread`. The tests stand where the macro does: give it a
/// module of its own.
#[macro_export]
macro_rules! credential_store_conformance {
    ($fixture:path) => {
        $crate::__credential_rules! { [tests $fixture, #[cfg(all())], #[cfg(all())]] }
    };
    ($fixture:path, without neighbours) => {
        $crate::__credential_rules! { [tests $fixture, #[ignore = "the fixture has no neighbours"], #[cfg(all())]] }
    };
    ($fixture:path, without tampering) => {
        $crate::__credential_rules! { [tests $fixture, #[cfg(all())], #[ignore = "the fixture has no SecretTamper"]] }
    };
    ($fixture:path, without neighbours, tampering) => {
        $crate::__credential_rules! {
            [tests $fixture, #[ignore = "the fixture has no neighbours"], #[ignore = "the fixture has no SecretTamper"]]
        }
    };
}

/// The one list of rules: what [`RULES`] and the tests are made of.
#[doc(hidden)]
#[macro_export]
macro_rules! __credential_rules {
    ([$($mode:tt)*]) => {
        $crate::__credential_rules! { @each [$($mode)*]
            plain {
                an_unused_name_is_empty: EMPTY,
                a_secret_is_read_back_as_it_was_created: READS,
                names_that_look_alike_are_told_apart: READ,
                a_secret_is_never_overwritten_by_create: ONE_WINS,
                creating_the_same_again_makes_nothing_new: CREATE,
                of_concurrent_creators_one_wins_and_all_see_it: ONE_WINS,
                a_replaced_value_is_read: REPLACE,
                every_write_has_a_version_of_its_own: VERSION,
                only_the_version_that_was_seen_is_replaced: REPLACE_CONFLICT,
                nothing_can_be_replaced_where_nothing_is: REPLACE_CONFLICT,
                of_concurrent_replacers_one_wins: REPLACE,
                a_proposed_value_is_answered: PROPOSE,
                a_proposal_is_never_overwritten: PROPOSE_ONCE,
                of_concurrent_proposers_one_wins_and_all_see_it: PROPOSE_ONCE,
                a_proposed_value_is_not_read: PROPOSE_UNSEEN,
                the_newest_proposal_is_pending: PROPOSE_PENDING,
                a_version_of_another_shape_is_refused: PROPOSE_SHAPE,
                nothing_is_proposed_where_no_secret_is: PROPOSE,
                a_promoted_value_is_read: PROMOTE,
                promoting_twice_changes_nothing: PROMOTE_TWICE,
                only_over_the_version_that_was_seen_is_promoted: PROMOTE_CONFLICT,
                what_was_not_proposed_is_not_promoted: PROMOTE_CONFLICT,
                of_concurrent_promotions_and_replacements_one_wins: PROMOTE,
                a_proposal_goes_with_its_secret: NEVER_BACK,
                a_burnt_secret_cannot_be_read: BURN,
                an_absent_name_can_be_burnt: BURN,
                burning_twice_changes_nothing: BURN,
                nothing_brings_a_burnt_name_back: NEVER_BACK,
                a_create_under_way_makes_nothing_once_the_name_is_burnt: BURN,
                a_burnt_secret_cannot_be_shared: SHARE_GONE,
                nothing_can_be_shared_where_nothing_is: SHARE_GONE,
                ones_own_secret_is_read_by_its_address: SHARED,
                ones_own_burnt_secret_is_burnt_by_its_address: SHARED_GONE,
                live_names_are_listed_by_their_prefix: NAMES,
            }
            neighbours {
                what_is_not_shared_is_denied: DENIED,
                exactly_those_named_read_what_is_shared: SHARE,
                sharing_anew_takes_back: SHARE,
                sharing_twice_changes_nothing: SHARE_TWICE,
                a_replaced_value_is_shared: SHARED,
                a_promoted_value_is_shared: PROPOSE_UNSEEN,
                a_burnt_secret_is_burnt_for_its_readers: SHARED_GONE,
                accounts_have_names_of_their_own: READ,
            }
            tampering {
                tags_are_kept: TAGS,
                a_value_of_another_shape_is_invalid_and_not_shown: READ_INVALID,
                a_rotation_under_way_is_seen: PENDING,
            }
        }
    };
    (@each [rules] $($group:ident { $($rule:ident: $promise:ident,)* })*) => {
        &[$($(Rule {
            name: stringify!($rule),
            promise: promises::$promise,
            needs: $crate::__credential_rules!(@needs $group),
            check: |f| Box::pin($rule(f)),
        },)*)*]
    };
    (@needs plain) => { None };
    (@needs neighbours) => { Some("neighbours") };
    (@needs tampering) => { Some("SecretTamper") };
    (@each [tests $fixture:path, #[$neighbours:meta], #[$tampering:meta]]
        plain { $($plain:ident: $a:ident,)* } neighbours { $($near:ident: $b:ident,)* } tampering { $($past:ident: $c:ident,)* }
    ) => {
        $($crate::__credential_rules! { @test $plain, $fixture, cfg(all()) })*
        $($crate::__credential_rules! { @test $near, $fixture, $neighbours })*
        $($crate::__credential_rules! { @test $past, $fixture, $tampering })*
    };
    (@test $rule:ident, $fixture:path, $attribute:meta) => {
        #[::tokio::test(flavor = "multi_thread", worker_threads = 4)]
        #[$attribute]
        async fn $rule() {
            if let Err(failure) = $crate::testkit::credentials::$rule(&$fixture().await).await {
                panic!("{failure}");
            }
        }
    };
}

/// All rules, for harnesses of one's own.
pub const RULES: &[Rule<CredentialFixture>] = crate::__credential_rules! { [rules] };
