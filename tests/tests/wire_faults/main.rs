//! What goes wrong between dzconn and the systems that it works on, on real servers and stores: each run ends in success, or in
//! a clear error that says whether to try again; and the next run ends as if nothing had ever gone wrong.

// A test may panic: that is how it fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod aws;
mod bench;
mod cancelled;
mod clocks;
mod cuts;
mod lab;
mod limits;
mod locks;
mod replicas;
mod restarts;
mod stores;

use std::future::Future;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;

use dzconn_core::Error;
use dzconn_tests::aws::MOTO;
use dzconn_tests::engine::{Admin, Fixture, Kind, Server, harness};
use libtest_mimic::{Completion, Trial};
use tokio::runtime::Handle;

use lab::{Lab, Product};

type Checked<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;
type OnServer = for<'a> fn(&'a dyn Fixture) -> Checked<'a>;
type OnLab = for<'a> fn(&'a mut Lab) -> Checked<'a>;
type OnAws = for<'a> fn(&'a dyn Fixture, &'a str) -> Checked<'a>;

/// On servers that are shared with other tests: only the wire breaks.
const ON_SERVERS: &[(&str, OnServer)] = &[
    ("a_connection_that_is_cut_at_any_message_of_a_grant", |f| Box::pin(cuts::grant(f))),
    ("a_connection_that_is_cut_at_any_message_of_a_revoke", |f| Box::pin(cuts::revoke(f))),
    ("an_outage_that_begins_at_any_message", |f| Box::pin(cuts::outage(f))),
    ("a_wire_that_goes_silent", |f| Box::pin(cuts::silence(f))),
    ("a_grant_that_is_dropped_at_an_await", |f| Box::pin(cancelled::grant(f))),
    ("a_revoke_that_is_dropped_at_an_await", |f| Box::pin(cancelled::revoke(f))),
];

/// On servers of this suite's own, one after another.
const ON_LABS: &[(&str, OnLab)] = &[
    ("a_restart_between_runs", |lab| Box::pin(restarts::between(lab))),
    ("a_restart_in_the_middle_of_a_run", |lab| Box::pin(restarts::amid(lab))),
    ("a_server_that_takes_no_writes", |lab| Box::pin(replicas::read_only(lab))),
    ("a_table_that_somebody_else_has_locked", |lab| Box::pin(locks::table(lab))),
    ("a_catalogue_that_somebody_else_has_locked", |lab| Box::pin(locks::catalogue(lab))),
    ("no_connection_left_for_the_admin", |lab| Box::pin(limits::admin(lab))),
    ("no_connection_left_for_the_user", |lab| Box::pin(limits::user(lab))),
];

/// On the stand-ins of AWS, with a real source.
const ON_AWS: &[(&str, OnAws)] = &[
    ("a_service_that_throttles_for_a_while_or_for_good", |f, moto| Box::pin(aws::throttled(f, moto))),
    ("a_quota_that_is_used_up", |f, moto| Box::pin(aws::quotas(f, moto))),
    ("a_clock_that_aws_does_not_accept", |f, moto| Box::pin(aws::skewed(f, moto))),
    ("processes_whose_clocks_are_hours_apart", |f, moto| Box::pin(clocks::apart(f, moto))),
];

/// With a local store that fails.
const ON_STORES: &[(&str, OnServer)] = &[
    ("a_store_that_another_process_has_locked", |f| Box::pin(stores::locked(f))),
    ("a_store_that_may_not_grow", |f| Box::pin(stores::full(f))),
];

fn main() -> ExitCode {
    let names: Vec<String> = ON_SERVERS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let moto = std::env::var(MOTO).ok();
    harness::run_beside(on_labs, 1, "wire_faults", &names, |runtime, server| {
        let simulated = server.name().starts_with("oracle");
        let mut trials: Vec<Trial> = ON_SERVERS
            .iter()
            .map(|(name, check)| {
                if simulated {
                    return ignored(&format!("{}::{name}", server.name()), "the simulator has no wire");
                }
                on_server(runtime, server, name, *check)
            })
            .collect();
        // These are about something else than engines: one is enough.
        if server.name().starts_with(Kind::Postgres.name()) {
            trials.extend(ON_STORES.iter().map(|(name, check)| on_server(runtime, server, name, *check)));
            trials.extend(ON_AWS.iter().map(|(name, check)| match &moto {
                Some(moto) => on_aws(runtime, server, name, *check, moto),
                None => ignored(&format!("aws::{name}"), &format!("set {MOTO}")),
            }));
        }
        trials
    })
}

fn ignored(name: &str, reason: &str) -> Trial {
    let reason = reason.to_owned();
    Trial::ignorable_test(format!("wire_faults::{name}"), move || Ok(Completion::ignored_with(reason)))
}

fn on_server(runtime: &Handle, server: &Arc<dyn Server>, name: &str, check: OnServer) -> Trial {
    let (runtime, server) = (runtime.clone(), Arc::clone(server));
    Trial::test(format!("wire_faults::{}::{name}", server.name()), move || {
        runtime.block_on(async {
            let fixture = server.fixture(Admin::LeastPrivileged).await.map_err(|error| error.to_string())?;
            check(&*fixture).await;
            harness::finish(Ok::<(), Error>(()), fixture.end().await)
        })
    })
}

fn on_aws(runtime: &Handle, server: &Arc<dyn Server>, name: &str, check: OnAws, moto: &str) -> Trial {
    let (runtime, server, moto) = (runtime.clone(), Arc::clone(server), moto.to_owned());
    Trial::test(format!("wire_faults::aws::{name}"), move || {
        runtime.block_on(async {
            let fixture = server.fixture(Admin::LeastPrivileged).await.map_err(|error| error.to_string())?;
            check(&*fixture, &moto).await;
            harness::finish(Ok::<(), Error>(()), fixture.end().await)
        })
    })
}

fn on_labs(runtime: &Handle) -> Vec<Trial> {
    let mut trials = Vec::new();
    let slots = Product::ALL.map(|product| (product, Arc::new(tokio::sync::Mutex::new(None))));
    for (name, check) in ON_LABS {
        for (product, slot) in &slots {
            let (runtime, slot, product, check) = (runtime.clone(), Arc::clone(slot), *product, *check);
            let name = format!("wire_faults::own-{}::{name}", product.name());
            trials.push(Trial::ignorable_test(name, move || {
                let mut slot = slot.blocking_lock();
                if slot.is_none() {
                    match runtime.block_on(Lab::start(product)) {
                        Ok(lab) => *slot = Some(lab),
                        Err(lab::Failed::NotInstalled(reason)) => return Ok(Completion::ignored_with(reason)),
                        Err(lab::Failed::Other(reason)) => return Err(reason.into()),
                    }
                }
                // One that a failed check has left in whatever state is not used again.
                if let Some(mut lab) = slot.take() {
                    runtime.block_on(check(&mut lab));
                    *slot = Some(lab);
                }
                Ok(Completion::Completed)
            }));
        }
    }
    trials
}
