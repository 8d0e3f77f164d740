//! The whole workflow on AWS's stand-ins and real databases: three accounts, two regions, a portal.

// A test may panic: that is how it fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod admin;
mod bad;
mod cost;
mod environments;
mod life;
mod older;
mod places;
mod toolkit;
mod trouble;

use std::future::Future;
use std::pin::Pin;
use std::process::ExitCode;

use dzconn_core::Error;
use dzconn_core::model::TableName;
use dzconn_core::testkit::engine::{Attempt, Attempted, EngineFixture};
use dzconn_core::workflow::{Granted, Outcome, Revoked};
use dzconn_tests::aws::MOTO;
use dzconn_tests::engine::{Admin, Fixture, harness};
use libtest_mimic::Trial;

type Checked<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;
type Check = for<'a> fn(&'a dyn Fixture, &'a str) -> Checked<'a>;

macro_rules! tests {
    ($($module:ident { $($name:ident),* $(,)? })*) => {
        const TESTS: &[(&str, Check)] = &[$($(
            (concat!(stringify!($module), "::", stringify!($name)), |f, moto| Box::pin($module::$name(f, moto))),
        )*)*];
    };
}

tests! {
    life {
        a_subscription_lives_and_goes_without_a_trace,
        credentials_are_rotated_without_a_gap,
        one_event_twice_or_twice_at_once_is_one_grant,
        events_in_any_order_end_as_the_portal_says,
        permissions_that_are_to_be_retained_stay,
        a_subscription_with_filters_is_refused_and_takes_an_older_grant_back,
        what_is_not_ours_is_left_alone,
    }
    places {
        two_connections_two_environments_and_many_tables_work_side_by_side,
        a_source_that_was_crawled_anew_is_revoked_where_it_was,
        what_the_portal_and_the_catalogue_have_forgotten_is_revoked,
        everything_in_one_account_assumes_nothing,
        a_host_at_home_in_the_consumers_account_reads_there_as_it_is,
    }
    older {
        what_an_older_system_left_is_revoked,
        a_table_joins_an_older_systems_user,
    }
    trouble {
        sessions_that_expire_are_renewed,
        what_fails_in_passing_is_tried_again,
        a_failure_is_reported_and_the_next_event_mends_it,
        a_consumer_that_may_not_read_is_said,
    }
    admin {
        a_changed_admin_secret_needs_no_restart,
    }
    bad {
        each_wrong_thing_is_said_and_changes_nothing,
    }
    environments {
        an_environment_that_is_deleted_takes_everything_along,
    }
    toolkit {
        what_the_toolkit_makes_is_subscribed_to_and_read,
    }
    cost {
        calls_are_counted_and_each_has_a_reason,
    }
}

fn main() -> ExitCode {
    let names: Vec<String> = TESTS.iter().map(|(name, _)| (*name).to_owned()).collect();
    harness::run_with("aws", MOTO, &names, |runtime, server, moto| {
        let trial = |(name, check): &(&str, Check)| {
            let (runtime, server, moto, check) = (runtime.clone(), server.clone(), moto.to_owned(), *check);
            Trial::test(format!("aws::{}::{name}", server.name()), move || {
                runtime.block_on(async {
                    let fixture = server.fixture(Admin::LeastPrivileged).await.map_err(|error| error.to_string())?;
                    check(&*fixture, &moto).await;
                    harness::finish(Ok::<(), Error>(()), fixture.end().await)
                })
            })
        };
        TESTS.iter().map(trial).collect()
    })
}

/// Tables with two rows each.
async fn tables<const N: usize>(fixture: &dyn EngineFixture, names: [&str; N]) -> [TableName; N] {
    let tables = names.map(|name| fixture.table(name));
    for table in &tables {
        fixture.create_table(table).await.unwrap();
    }
    tables
}

/// Whether somebody with these credentials reads the table; `None` if they do not log in.
async fn reads(
    fixture: &dyn EngineFixture,
    credentials: &dzconn_core::model::Credentials,
    table: &TableName,
) -> Option<bool> {
    let mut session = fixture.open(credentials).await.unwrap()?;
    Some(session.attempt(&Attempt::Read(table.clone())).await.unwrap() == Attempted::Did(2))
}

fn granted(outcome: Outcome) -> Granted {
    match outcome {
        Outcome::Granted(granted) => granted,
        other => panic!("{other:?}"),
    }
}

fn revoked(outcome: Outcome) -> Revoked {
    match outcome {
        Outcome::Revoked(revoked) => revoked,
        other => panic!("{other:?}"),
    }
}
