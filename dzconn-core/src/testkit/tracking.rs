//! What every [`TrackingStore`] must do.
//!
//! ```
//! mod conformance {
//!     use dzconn_core::memory::MemoryTracking;
//!     use dzconn_core::testkit::tracking::TrackingFixture;
//!
//!     async fn fixture() -> TrackingFixture {
//!         TrackingFixture::new(MemoryTracking::new().with_page(7))
//!     }
//!
//!     // One test for every rule; those that need more than the store itself are shown as ignored.
//!     dzconn_core::tracking_store_conformance!(fixture, without tampering);
//! }
//! ```

mod listing;
mod races;
mod records;
mod sample;
#[cfg(test)]
mod tests;

use std::fmt::{self, Debug};
use std::sync::Arc;

use async_trait::async_trait;

use crate::Result;
use crate::store::{Change, Expect, Key, Record, Stored, TrackingStore, Transaction, WriteOutcome};
use crate::testkit::{Failure, Promise, Rule};

pub use listing::*;
pub use races::*;
pub use records::*;
pub use sample::{Sample, version};

/// Goes past the store, to what it keeps its records in.
#[async_trait]
pub trait Tamper: Debug + Send + Sync {
    /// Puts a record there as an older system did: without a version.
    async fn plant(&self, record: &Record) -> Result<()>;

    /// Edits the record that is there so that it cannot be read any more, as a careless person would.
    async fn damage(&self, key: &Key) -> Result<()>;
}

/// The store under test. It may hold other records, and other rules may run on it at the same time.
pub struct TrackingFixture {
    /// The store. Its pages should be small, ten records or so: a listing that fits one page proves little.
    pub store: Arc<dyn TrackingStore>,
    /// The way past it, where there is one.
    pub tamper: Option<Arc<dyn Tamper>>,
    /// Whatever must live as long as the store: a directory, a server.
    pub keep: Option<Box<dyn Send + Sync>>,
}

impl Debug for TrackingFixture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrackingFixture")
            .field("store", &self.store)
            .field("tamper", &self.tamper)
            .finish_non_exhaustive()
    }
}

impl TrackingFixture {
    /// A fixture of the store alone.
    #[must_use]
    pub fn new(store: impl TrackingStore + 'static) -> Self {
        Self { store: Arc::new(store), tamper: None, keep: None }
    }

    /// Adds the way past the store.
    #[must_use]
    pub fn with_tamper(mut self, tamper: impl Tamper + 'static) -> Self {
        self.tamper = Some(Arc::new(tamper));
        self
    }

    /// Keeps something alive as long as the fixture.
    #[must_use]
    pub fn keeping(mut self, resource: impl Send + Sync + 'static) -> Self {
        self.keep = Some(Box::new(resource));
        self
    }

    fn tamper(&self, promise: Promise) -> Result<&dyn Tamper, Failure> {
        self.tamper.as_deref().ok_or_else(|| promise.broken("not checked: the fixture has no `Tamper`"))
    }

    async fn read(&self, promise: Promise, keys: &[Key]) -> Result<Vec<Option<Stored>>, Failure> {
        promise.answer("read", self.store.read(keys).await)
    }

    async fn commit(&self, promise: Promise, changes: Vec<Change>) -> Result<WriteOutcome, Failure> {
        promise.answer("commit", self.store.commit(&Transaction { changes }).await)
    }

    /// Makes these changes, whose conditions all hold.
    async fn must_commit(&self, promise: Promise, changes: Vec<Change>) -> Result<(), Failure> {
        let shown = format!("{changes:#?}");
        let outcome = self.commit(promise, changes).await?;
        promise.unless(outcome == WriteOutcome::Written, || {
            format!("every condition held, and commit answered {outcome:?} to {shown}")
        })
    }

    /// Asks for these changes, of which one has a condition that does not hold.
    async fn must_conflict(&self, promise: Promise, what: &str, changes: Vec<Change>) -> Result<(), Failure> {
        let shown = format!("{changes:#?}");
        let outcome = self.commit(promise, changes).await?;
        promise.unless(outcome == WriteOutcome::Conflict, || format!("{what}: commit answered {outcome:?} to {shown}"))
    }

    /// Puts a record there, whatever is there; the answer is what must be read from then on.
    async fn put(&self, promise: Promise, record: Record) -> Result<Stored, Failure> {
        let version = version();
        self.must_commit(promise, vec![Change::put(Expect::Anything, version, record.clone())]).await?;
        Ok(Stored { version: Some(version), record })
    }

    /// Reads a key and compares.
    async fn must_hold(&self, promise: Promise, when: &str, key: &Key, wanted: Option<&Stored>) -> Result<(), Failure> {
        let found = self.read(promise, std::slice::from_ref(key)).await?;
        promise.unless(matches!(found.as_slice(), [found] if found.as_ref() == wanted), || {
            format!("{when}, read of the {key} answered {found:#?} instead of {wanted:#?}")
        })
    }
}

/// The sentences that the rules check.
pub(crate) mod promises {
    use crate::testkit::Promise;

    pub(crate) const READS: Promise =
        Promise::new("TrackingStore", "Reads of a key see every commit that ended before them.");
    pub(crate) const INSTANT: Promise = Promise::new(
        "TrackingStore::read",
        "Up to a hundred are read as they were at one instant: no commit shows in part.",
    );
    pub(crate) const ATOMIC: Promise = Promise::new("TrackingStore", "A commit is atomic over all its changes.");
    pub(crate) const READ: Promise = Promise::new(
        "TrackingStore::read",
        "The records under these keys, in the order of the keys; `None` where there is none.",
    );
    pub(crate) const READ_INVALID: Promise = Promise::new(
        "TrackingStore::read",
        "`ErrorKind::RecordInvalid` names the key of a record that cannot be read.",
    );
    pub(crate) const COMMIT: Promise =
        Promise::new("TrackingStore::commit", "Makes all changes if every condition holds, else none.");
    pub(crate) const CONFLICT: Promise =
        Promise::new("WriteOutcome::Conflict", "A condition did not hold, and nothing was changed.");
    pub(crate) const ABSENT: Promise = Promise::new("Expect::Absent", "No record is there.");
    pub(crate) const UNVERSIONED: Promise = Promise::new("Expect::Unversioned", "A record without a version is there.");
    pub(crate) const IS: Promise = Promise::new("Expect::Is", "A record of this version is there.");
    pub(crate) const OLDER: Promise =
        Promise::new("Stored::version", "`None` for an item of an older system, which knew no versions.");
    pub(crate) const CHECK: Promise = Promise::new("Write::Check", "Nothing: the condition is all that matters.");
    pub(crate) const PUT: Promise = Promise::new("Write::Put", "Puts the record there, under this version.");
    pub(crate) const REMOVE: Promise = Promise::new("Write::Remove", "Removes what is there, if anything is.");
    pub(crate) const LIST: Promise =
        Promise::new("TrackingStore::list", "What is written meanwhile may or may not show; what stays is shown once.");
    pub(crate) const ORDER: Promise = Promise::new(
        "Page::records",
        "Records, in the order of their keys where the query names a connection, source or environment.",
    );
    pub(crate) const OTHERS: Promise =
        Promise::new("Page::records", "One that cannot be read stands as its error: a listing shows the others.");
    pub(crate) const SOURCES: Promise = Promise::new("Query::Sources", "Source records, of one connection or of all.");
    pub(crate) const ENTRIES: Promise = Promise::new("Query::Entries", "The settled tables of a source record.");
    pub(crate) const MAPPINGS: Promise = Promise::new("Query::Mappings", "Mappings.");
    pub(crate) const LISTING: Promise =
        Promise::new("Query::Listing", "Asset records of a project for a listing, whatever the environment.");
    pub(crate) const WANTED: Promise =
        Promise::new("Query::Wanted", "The portal's recorded answers, for one environment or for all.");
    pub(crate) const ASSETS: Promise = Promise::new("Query::Assets", "Asset records, of one environment or of all.");
    pub(crate) const BUCKETS: Promise = Promise::new("Query::Buckets", "Records of buckets.");
    pub(crate) const OBJECTS: Promise = Promise::new("Query::Objects", "Object records, of one environment or of all.");
    pub(crate) const OBJECT_LISTING: Promise =
        Promise::new("Query::ObjectListing", "Object records of a project for a listing, whatever the environment.");
}

/// Makes one `#[tokio::test]` out of every rule for tracking stores. The argument is the path of an async function without
/// arguments that answers a fresh [`TrackingFixture`]; with `, without tampering`, the rules that need a [`Tamper`] are
/// shown as ignored.
///
/// The caller's crate needs tokio with `macros` and `rt-multi-thread`. The tests stand where the macro does: give it a
/// module of its own.
#[macro_export]
macro_rules! tracking_store_conformance {
    ($fixture:path) => {
        $crate::__tracking_rules! { [tests $fixture, #[cfg(all())]] }
    };
    ($fixture:path, without tampering) => {
        $crate::__tracking_rules! { [tests $fixture, #[ignore = "the fixture has no Tamper"]] }
    };
}

/// The one list of rules: what [`RULES`] and the tests are made of.
#[doc(hidden)]
#[macro_export]
macro_rules! __tracking_rules {
    ([$($mode:tt)*]) => {
        $crate::__tracking_rules! { @each [$($mode)*]
            plain {
                a_record_is_read_back_as_it_was_put: READS,
                a_large_record_is_read_back_as_it_was_put: READS,
                answers_come_in_the_order_of_the_keys: READ,
                many_keys_are_read_at_once: READ,
                keys_that_look_alike_are_told_apart: READ,
                a_put_replaces_record_and_version: PUT,
                a_change_without_condition_is_always_made: COMMIT,
                absent_holds_only_where_nothing_is: ABSENT,
                a_version_holds_only_for_that_version: IS,
                unversioned_does_not_hold_for_nothing_or_a_version: UNVERSIONED,
                a_check_writes_nothing: CHECK,
                a_check_decides_over_the_other_changes: CHECK,
                a_removed_record_is_gone: REMOVE,
                nothing_can_be_removed: REMOVE,
                every_change_is_made: COMMIT,
                one_condition_that_fails_keeps_all_changes_from_being_made: CONFLICT,
                of_concurrent_writers_over_one_version_one_wins: COMMIT,
                of_concurrent_creators_one_wins: COMMIT,
                concurrent_transactions_do_not_mix: ATOMIC,
                a_condition_holds_while_its_transaction_is_made: ATOMIC,
                a_read_shows_no_commit_in_part: INSTANT,
                a_listing_shows_each_record_once: LIST,
                a_listing_keeps_the_order_of_the_keys: ORDER,
                a_listing_survives_what_is_written_meanwhile: LIST,
                sources_of_one_connection_are_listed_alone: SOURCES,
                entries_of_one_source_are_listed_alone: ENTRIES,
                assets_of_one_environment_are_listed_alone: ASSETS,
                assets_for_one_listing_are_listed_alone: LISTING,
                all_sources_are_listed: SOURCES,
                all_mappings_are_listed: MAPPINGS,
                all_assets_are_listed: ASSETS,
                all_answers_are_listed: WANTED,
                answers_for_one_environment_are_listed_alone: WANTED,
                objects_of_one_environment_are_listed_alone: OBJECTS,
                objects_for_one_listing_are_listed_alone: OBJECT_LISTING,
                all_buckets_are_listed: BUCKETS,
                all_objects_are_listed: OBJECTS,
            }
            tampering {
                a_record_of_an_older_system_is_unversioned: OLDER,
                a_record_of_an_older_system_is_listed: OLDER,
                an_unreadable_record_is_named: READ_INVALID,
                a_listing_shows_the_others_beside_an_unreadable_one: OTHERS,
            }
        }
    };
    (@each [rules] plain { $($plain:ident: $promise:ident,)* } tampering { $($tampering:ident: $broken:ident,)* }) => {
        &[
            $(Rule { name: stringify!($plain), promise: promises::$promise, needs: None, check: |f| Box::pin($plain(f)) },)*
            $(Rule {
                name: stringify!($tampering),
                promise: promises::$broken,
                needs: Some("Tamper"),
                check: |f| Box::pin($tampering(f)),
            },)*
        ]
    };
    (@each [tests $fixture:path, #[$attribute:meta]]
        plain { $($plain:ident: $promise:ident,)* } tampering { $($tampering:ident: $broken:ident,)* }
    ) => {
        $(
            #[::tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $plain() {
                if let Err(failure) = $crate::testkit::tracking::$plain(&$fixture().await).await {
                    panic!("{failure}");
                }
            }
        )*
        $(
            #[::tokio::test(flavor = "multi_thread", worker_threads = 4)]
            #[$attribute]
            async fn $tampering() {
                if let Err(failure) = $crate::testkit::tracking::$tampering(&$fixture().await).await {
                    panic!("{failure}");
                }
            }
        )*
    };
}

/// All rules, for harnesses of one's own.
pub const RULES: &[Rule<TrackingFixture>] = crate::__tracking_rules! { [rules] };
